//! Who comes first, and who is waited for.

use std::collections::BTreeMap;

use crate::apply::desired::{Desired, DesiredContainer};
use crate::graph::{self, Cycle, Dependencies};
use crate::manifest::Condition;
use crate::model::ContainerName;

/// The containers in the order in which they are brought up.
pub(super) fn order(desired: &Desired) -> Result<Vec<&ContainerName>, Cycle<ContainerName>> {
    let needs = |c: &DesiredContainer| c.spec.links.values().chain(c.spec.depends_on.keys()).cloned().collect();
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

/// What is waited for before something else may start. That a container was started is no wait.
pub(super) fn awaited(desired: &Desired) -> BTreeMap<&ContainerName, Awaited> {
    let mut all = BTreeMap::new();
    for (target, dependency) in desired.containers.values().flat_map(|c| &c.spec.depends_on) {
        let awaited = match dependency.condition {
            Condition::Started => continue,
            Condition::Healthy => Awaited::Ready,
            Condition::Completed => Awaited::Completed,
        };
        let known = all.entry(target).or_insert(awaited);
        *known = awaited.max(*known);
    }
    all
}
