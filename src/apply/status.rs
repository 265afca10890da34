//! What is wanted against what runs, container by container. Pure.

use std::fmt;

use jiff::Timestamp;

use super::desired::Desired;
use super::state::{Health, HostState, ObservedContainer, RunState};
use crate::manifest::RestartPolicy;
use crate::model::ContainerName;

/// A container that is wanted, or there, or both.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ContainerStatus {
    /// Its name in the manifest.
    pub container: ContainerName,
    /// Its name on the engine; the one that it would have where it is not there.
    pub name: String,
    /// The image that is wanted, as people know it.
    pub image: Option<String>,
    /// What it does, and how healthy it is; nothing where it is not there.
    pub run: Option<(RunState, Health)>,
    /// Since when it runs.
    pub since: Option<Timestamp>,
    /// The serial of the manifest that it was made for.
    pub serial: Option<u64>,
    /// What that comes to.
    pub verdict: Verdict,
}

/// How what is there compares with what is wanted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Verdict {
    /// It is as wanted.
    AsWanted,
    /// It is wanted and not there.
    Missing,
    /// It was made for something else, or there is something else in its files.
    Differs,
    /// It is as wanted, but does not run.
    NotRunning,
    /// It runs, and is not healthy, or not yet.
    NotReady,
    /// It runs, but others can't reach it by its names.
    OffNetwork,
    /// It is a newer version that has not taken the place of what has its name: a run that is underway, was cut off or failed
    /// made it, and the next one lets it take that place or removes it.
    NotInPlace,
    /// It is there and not wanted.
    NotWanted,
    /// It is there and not wanted, and stays.
    Kept,
}

impl fmt::Display for Verdict {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::AsWanted => "as wanted",
            Self::Missing => "missing",
            Self::Differs => "differs",
            Self::NotRunning => "not running",
            Self::NotReady => "not ready",
            Self::OffNetwork => "off network",
            Self::NotInPlace => "not in place",
            Self::NotWanted => "not wanted",
            Self::Kept => "kept",
        })
    }
}

impl Verdict {
    /// Whether `apply` would leave it as it is.
    pub fn is_fine(self) -> bool {
        match self {
            Self::AsWanted | Self::Kept => true,
            Self::Missing
            | Self::Differs
            | Self::NotRunning
            | Self::NotReady
            | Self::OffNetwork
            | Self::NotInPlace
            | Self::NotWanted => false,
        }
    }
}

/// Every container that is wanted or there, by name; of one name, what is wanted first.
pub fn status(desired: &Desired, observed: &HostState) -> Vec<ContainerStatus> {
    let mut all = Vec::new();
    for (container, wanted) in &desired.containers {
        let name = desired.engine_name(container);
        let hash = wanted.hash.to_string();
        let (run, since, serial, verdict) = match observed.containers.get(&name) {
            None => (None, None, None, Verdict::Missing),
            Some(found) => {
                let verdict = match found {
                    found if found.spec != hash => Verdict::Differs,
                    found if has_ended_well(found, wanted.spec.restart) => Verdict::AsWanted,
                    found if found.run != RunState::Running => Verdict::NotRunning,
                    found if wanted.untold(found).next().is_some() => Verdict::Differs,
                    found if matches!(found.health, Health::Starting | Health::Unhealthy) => Verdict::NotReady,
                    found if wanted.lost(found).next().is_some() || wanted.left(found).next().is_some() => {
                        Verdict::OffNetwork
                    }
                    _ => Verdict::AsWanted,
                };
                (Some((found.run, found.health)), since(found), found.serial, verdict)
            }
        };
        let image = Some(wanted.image.shown.clone());
        all.push(ContainerStatus { container: container.clone(), name, image, run, since, serial, verdict });
    }
    for (name, found) in &observed.containers {
        let is_wanted = |wanted: &ContainerName| desired.engine_name(wanted) == *name;
        if !desired.containers.keys().any(is_wanted) {
            all.push(ContainerStatus {
                container: found.container.clone(),
                name: name.clone(),
                image: None,
                run: Some((found.run, found.health)),
                since: since(found),
                serial: found.serial,
                verdict: match () {
                    () if found.keep && !desired.containers.contains_key(&found.container) => Verdict::Kept,
                    () if *name != desired.engine_name(&found.container) => Verdict::NotInPlace,
                    () => Verdict::NotWanted,
                },
            });
        }
    }
    all.sort_by(|a, b| (&a.container, &a.name).cmp(&(&b.container, &b.name)));
    all
}

fn has_ended_well(found: &ObservedContainer, policy: RestartPolicy) -> bool {
    match policy {
        RestartPolicy::No | RestartPolicy::OnFailure(_) => found.run == RunState::Exited(0),
        RestartPolicy::Always | RestartPolicy::UnlessStopped => false,
    }
}

fn since(found: &ObservedContainer) -> Option<Timestamp> {
    found.started.filter(|_| found.run.is_active())
}
