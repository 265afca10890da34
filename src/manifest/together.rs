//! What must hold between the containers of a manifest.

use std::collections::{BTreeMap, BTreeSet};

use super::problem::Problems;
use super::{Condition, ContainerSpec, RestartPolicy};
use crate::graph::{self, Dependencies};
use crate::model::ContainerName;

type Specs = BTreeMap<ContainerName, ContainerSpec>;

/// Who has to be there before whom: what is linked to, and what is depended on.
pub fn container_dependencies(specs: &BTreeMap<ContainerName, ContainerSpec>) -> Dependencies<ContainerName> {
    let needs = |spec: &ContainerSpec| -> BTreeSet<ContainerName> {
        spec.links.values().chain(spec.depends_on.keys()).cloned().collect()
    };
    specs.iter().map(|(name, spec)| (name.clone(), needs(spec))).collect()
}

/// Reports what is wrong between containers that are right by themselves.
pub(super) fn check(problems: &mut Problems, specs: &Specs) {
    ports_are_claimed_once(problems, specs);
    names_mean_one_container(problems, specs);
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

fn names_mean_one_container(problems: &mut Problems, specs: &Specs) {
    let taken = |name: &str, owner: &ContainerName| specs.keys().any(|other| other != owner && other.as_str() == name);
    let message = |alias: &str| format!("`{alias}` is the name of another container");
    for (name, spec) in specs {
        problems.within(name.as_str(), |problems| {
            for alias in spec.aliases.iter().filter(|alias| taken(alias, name)) {
                problems.value("aliases", message(alias), None);
            }
            for (alias, _) in spec.links.iter().filter(|(alias, target)| taken(alias, target)) {
                problems.value("links", message(alias), None);
            }
        });
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
