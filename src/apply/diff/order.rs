//! Who comes first, and who is waited for.

use std::collections::{BTreeMap, BTreeSet};

use crate::apply::desired::{Desired, DesiredContainer};
use crate::apply::state::HostState;
use crate::graph::{self, Cycle, Dependencies};
use crate::manifest::Condition;
use crate::model::ContainerName;

/// The containers in the order in which they are brought up.
pub(super) fn order(desired: &Desired) -> Result<Vec<&ContainerName>, Cycle<ContainerName>> {
    let needs = |c: &DesiredContainer| c.needs.keys().chain(&c.follows).cloned().collect();
    let all: Dependencies<ContainerName> =
        desired.containers.iter().map(|(name, c)| (name.clone(), needs(c))).collect();
    let order = graph::order(&all)?;
    let known = |name: &ContainerName| desired.containers.get_key_value(name).map(|(name, _)| name);
    Ok(order.iter().filter_map(known).collect())
}

/// What others wait for of a container.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Awaited {
    /// That it is good.
    Ready,
    /// That it has ended well.
    Completed,
}

/// What a container comes after: what it needs, and, where replicas of its own serve, those that are replaced before it.
pub(super) fn comes_after<'a>(
    desired: &'a Desired,
    observed: &HostState,
    wanted: &'a DesiredContainer,
) -> BTreeSet<&'a ContainerName> {
    let is_replica = |name: &ContainerName| desired.containers.get(name).is_some_and(|other| other.of == wanted.of);
    let serves = || observed.containers.values().any(|found| found.run.is_active() && is_replica(&found.container));
    let follows = Some(&wanted.follows).filter(|follows| !follows.is_empty() && serves());
    wanted.needs.keys().chain(follows.into_iter().flatten()).collect()
}

/// What is waited for before something else may start. That a container was started is no wait.
pub(super) fn awaited<'a>(desired: &'a Desired, observed: &HostState) -> BTreeMap<&'a ContainerName, Awaited> {
    let mut all = BTreeMap::new();
    for wanted in desired.containers.values() {
        for target in comes_after(desired, observed, wanted) {
            let awaited = match wanted.needs.get(target).map(|need| need.condition) {
                Some(Condition::Started) => continue,
                Some(Condition::Healthy) | None => Awaited::Ready,
                Some(Condition::Completed) => Awaited::Completed,
            };
            let known = all.entry(target).or_insert(awaited);
            *known = awaited.max(*known);
        }
    }
    all
}
