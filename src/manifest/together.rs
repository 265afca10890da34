//! What must hold between the containers of a manifest.

use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;

use super::problem::Problems;
use super::{Condition, ContainerSpec, Order, REPLICAS_AT_MOST, RestartPolicy};
use crate::graph::{self, Dependencies};
use crate::model::{ContainerName, NameError, ProjectName};

type Specs = BTreeMap<ContainerName, ContainerSpec>;

/// Who has to be there before whom: what is linked to, depended on, and joined.
pub fn container_dependencies(specs: &BTreeMap<ContainerName, ContainerSpec>) -> Dependencies<ContainerName> {
    let needs = |spec: &ContainerSpec| -> BTreeSet<ContainerName> {
        spec.links.values().chain(spec.depends_on.keys()).chain(spec.joins.joined()).cloned().collect()
    };
    specs.iter().map(|(name, spec)| (name.clone(), needs(spec))).collect()
}

/// The names of a container's replicas: its own, then `NAME-2` and so on.
///
/// # Errors
/// When one of them can't be the name of a container, because the container's own is too long.
pub fn replica_names(name: &ContainerName, replicas: u32) -> Result<Vec<ContainerName>, NameError> {
    let others = (2..=replicas).map(|n| format!("{name}-{n}").parse());
    [Ok(name.clone())].into_iter().chain(others).collect()
}

/// Reports what is wrong between containers that are right by themselves.
pub(super) fn check(problems: &mut Problems, specs: &Specs, project: Option<&ProjectName>) {
    ports_are_claimed_once(problems, specs);
    addresses_are_claimed_once(problems, specs);
    names_mean_one_container(problems, specs);
    host_names_are_not_found_too_soon(problems, specs, project);
    the_host_finds_one_by_a_name(problems, specs);
    what_shall_complete_can(problems, specs);
    if let Err(cycle) = graph::layers(&container_dependencies(specs)) {
        let (first, _) = cycle.edges().next().expect("a cycle has an edge");
        let hint = "take one of the links or dependencies away".to_owned();
        problems.key(first.as_str(), format!("containers depend on one another: {cycle}"), Some(hint));
    }
}

fn ports_are_claimed_once(problems: &mut Problems, specs: &Specs) {
    let mut claimed: Vec<(&ContainerName, &super::PortBinding)> = Vec::new();
    for (name, spec) in specs {
        for port in &spec.ports {
            if let Some((other, _)) = claimed.iter().find(|(owner, other)| *owner != name && other.clashes_with(port)) {
                let message = format!("`{}` is published by `{other}` too", port.host_side());
                problems.within(name.as_str(), |problems| problems.value("ports", message, None));
            }
            claimed.push((name, port));
        }
    }
}

fn addresses_are_claimed_once(problems: &mut Problems, specs: &Specs) {
    let mut owners: BTreeMap<(String, IpAddr), &ContainerName> = BTreeMap::new();
    for (name, spec) in specs {
        for (network, attachment) in &spec.joins.networks {
            for address in &attachment.addresses {
                if let Some(other) = owners.insert((network.clone(), *address), name) {
                    let message = format!("`{other}` has the address {address} too");
                    problems.within(name.as_str(), |problems| {
                        problems.within("networks", |problems| problems.key(network, message, None));
                    });
                }
            }
        }
    }
}

fn names_mean_one_container(problems: &mut Problems, specs: &Specs) {
    let mut owners: BTreeMap<ContainerName, &ContainerName> = specs.keys().map(|name| (name.clone(), name)).collect();
    for (name, spec) in specs.iter().filter(|(_, spec)| spec.replicas <= REPLICAS_AT_MOST) {
        let named = replica_names(name, spec.replicas).map_err(|error| error.to_string());
        problems.within(name.as_str(), |problems| match named {
            Ok(names) => {
                for replica in names {
                    let owner = *owners.entry(replica.clone()).or_insert(name);
                    if owner != name {
                        let message = format!("one of them would be `{replica}`, as another container is");
                        problems.value("replicas", message, None);
                    }
                }
            }
            Err(why) => problems.value("replicas", why, None),
        });
    }
    let taken =
        |text: &str, owner: &ContainerName| owners.iter().any(|(name, of)| *of != owner && name.as_str() == text);
    let message = |alias: &str| format!("`{alias}` is the name of another container");
    for (name, spec) in specs {
        problems.within(name.as_str(), |problems| {
            for alias in own_aliases(spec).filter(|alias| taken(alias, name)) {
                problems.value("aliases", message(alias), None);
            }
            let own = spec.joins.networks();
            let is_off = |target: &ContainerName| {
                specs
                    .get(target)
                    .is_some_and(|target| !target.joins.networks().keys().any(|name| own.contains_key(name)))
            };
            for (_, target) in spec.links.iter().filter(|(_, target)| is_off(target)) {
                let on: Vec<String> = own.keys().map(|name| format!("`{name}`")).collect();
                let message = match on.as_slice() {
                    [only] if only == "`default`" => format!("`{target}` is not on the project's network"),
                    _ => format!("`{target}` is on none of its networks, {}", on.join(", ")),
                };
                problems.value("links", message, None);
            }
            for (alias, _) in spec.links.iter().filter(|(alias, target)| taken(alias, target)) {
                problems.value("links", message(alias), None);
            }
        });
    }
}

/// Its further names, be it on one of its networks alone.
fn own_aliases(spec: &ContainerSpec) -> impl Iterator<Item = &String> {
    spec.aliases.iter().chain(spec.joins.networks.values().flat_map(|attachment| &attachment.aliases))
}

/// Docker makes the host name a name on the network, which a container has from its start: nobody may ask for it who means
/// the one that serves.
fn host_names_are_not_found_too_soon(problems: &mut Problems, specs: &Specs, project: Option<&ProjectName>) {
    let names_of = |name: &ContainerName| {
        let linked = specs.values().flat_map(|spec| &spec.links).filter(|(_, target)| *target == name);
        let replicas = replica_names(name, specs[name].replicas.min(REPLICAS_AT_MOST)).unwrap_or_default();
        let replicas = replicas.into_iter().map(|replica| replica.to_string());
        let names = linked.map(|(alias, _)| alias.clone()).chain(own_aliases(&specs[name]).cloned()).chain(replicas);
        names.chain([name.to_string()]).collect::<BTreeSet<String>>()
    };
    let asked_for: BTreeSet<&String> =
        specs.values().flat_map(|spec| own_aliases(spec).chain(spec.links.keys())).collect();
    let host_name = |name: &ContainerName, spec: &ContainerSpec| match (&spec.hostname, project) {
        (None, Some(project)) => Some(default_host_name(name, project)).filter(|name| asked_for.contains(name)),
        (said, _) => said.clone(),
    };
    let wanted: Vec<_> = specs.iter().filter_map(|(name, spec)| Some((name, spec, host_name(name, spec)?))).collect();
    if wanted.is_empty() {
        return;
    }
    let names: BTreeMap<&ContainerName, BTreeSet<String>> = specs.keys().map(|name| (name, names_of(name))).collect();
    for (name, spec, hostname) in wanted {
        let other =
            names.iter().find(|(other, names)| **other != name && names.contains(&hostname)).map(|(other, _)| other);
        let said = match other {
            Some(other) => Some((format!("`{hostname}` is a name of `{other}` on the network"), "choose another one")),
            None if names[name].contains(&hostname) && runs_beside_its_successor(spec) => Some((
                format!("`{hostname}` would lead to a new container before it is good"),
                "leave it away: the container is found by its names once it is good; or ask for `stop-first`",
            )),
            None => None,
        };
        if let Some((message, hint)) = said {
            problems.within(name.as_str(), |problems| problems.value("hostname", message, Some(hint.to_owned())));
        }
    }
}

/// The host name of a container that says none.
pub fn default_host_name(container: &ContainerName, project: &ProjectName) -> String {
    format!("{container}.{project}")
}

/// Whether a newer version, or another replica, runs on the project's network at the same time.
fn runs_beside_its_successor(spec: &ContainerSpec) -> bool {
    let is_alone = spec.ports.iter().any(|port| port.host.is_some())
        || spec.volumes.values().any(|mount| !mount.read_only)
        || spec.joins.addresses().next().is_some();
    spec.replicas > 1
        || match spec.update.order {
            Some(Order::StartFirst) => true,
            Some(Order::Swap) => !spec.ports.iter().any(|port| port.host.is_some()),
            Some(Order::StopFirst) => false,
            None => !is_alone,
        }
}

fn the_host_finds_one_by_a_name(problems: &mut Problems, specs: &Specs) {
    let mut owners: BTreeMap<&String, &ContainerName> = BTreeMap::new();
    for (name, spec) in specs {
        for said in &spec.hosts_file {
            if let Some(other) = owners.insert(said, name) {
                let message = format!("`{said}` is `{other}` to the host already");
                problems.within(name.as_str(), |problems| problems.value("hosts_file", message, None));
            }
        }
    }
}

fn what_shall_complete_can(problems: &mut Problems, specs: &Specs) {
    for (name, spec) in specs {
        for target in spec.depends_on.iter().filter(|(_, d)| d.condition == Condition::Completed).map(|(name, _)| name)
        {
            let ends = match specs.get(target).map(|target| target.restart) {
                Some(RestartPolicy::Always | RestartPolicy::UnlessStopped) => false,
                Some(RestartPolicy::No | RestartPolicy::OnFailure(_)) | None => true,
            };
            if !ends {
                problems.within(name.as_str(), |problems| {
                    let message = format!("`{target}` never completes: it is started again whenever it ends");
                    let hint = format!("give `{target}` `restart: on-failure` or `restart: \"no\"`");
                    problems.within("depends_on", |problems| problems.key(target.as_str(), message, Some(hint)));
                });
            }
        }
    }
}
