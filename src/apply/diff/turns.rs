//! Which steps of a plan wait for which: containers that have nothing to do with one another don't wait.

use std::collections::{BTreeMap, BTreeSet};

use super::networks::clash;
use super::order::comes_after;
use crate::apply::desired::{Desired, engine_name};
use crate::apply::state::{HostState, ObservedContainer};
use crate::apply::step::{Action, After, Step};
use crate::model::ContainerName;

/// The parts of a plan, in their order.
pub(super) struct Parts {
    /// What comes from elsewhere.
    pub(super) pulls: Vec<Step>,
    /// What is made for the whole project.
    pub(super) project: Vec<Step>,
    /// What brings those that run onto other networks.
    pub(super) moves: Vec<Step>,
    /// Each container's steps, one container after the other.
    pub(super) containers: Vec<Step>,
    /// What is waited for at the end.
    pub(super) waits: Vec<Step>,
    /// What goes because it is not wanted, one container after the other.
    pub(super) leaving: Vec<Step>,
    /// What the project needs no more.
    pub(super) end: Vec<Step>,
}

impl Parts {
    /// The whole plan. Every step of a part comes after all parts before; of two steps of one container the second comes
    /// after the first, and a container's after those of the containers that it has to do with.
    pub(super) fn in_turn(self, desired: &Desired, observed: &HostState) -> Vec<Step> {
        let Self { pulls, project, moves, containers, waits, leaving, end } = self;
        let mut steps = Vec::new();
        let beside_one_another = |steps: &mut Vec<Step>, part: Vec<Step>| {
            let all_before = steps.len();
            steps.extend(part.into_iter().map(|step| Step { after: After { all_before, also: Vec::new() }, ..step }));
        };
        beside_one_another(&mut steps, pulls);
        beside_one_another(&mut steps, project);
        beside_one_another(&mut steps, moves);
        one_after_the_other(
            &mut steps,
            &containers,
            |name, steps| touched(desired, observed, name, steps),
            |name| needed(desired, observed, name),
        );
        beside_one_another(&mut steps, waits);
        one_after_the_other(&mut steps, &leaving, |_, _| BTreeSet::new(), |_| BTreeSet::new());
        beside_one_another(&mut steps, end);
        steps
    }
}

/// Adds a part in which each container's steps stand together.
fn one_after_the_other(
    steps: &mut Vec<Step>,
    part: &[Step],
    touched: impl Fn(&ContainerName, &[Step]) -> BTreeSet<String>,
    needed: impl Fn(&ContainerName) -> BTreeSet<ContainerName>,
) {
    let all_before = steps.len();
    let mut last_of: BTreeMap<ContainerName, usize> = BTreeMap::new();
    let mut last_at: BTreeMap<String, usize> = BTreeMap::new();
    for chain in part.chunk_by(|a, b| a.container == b.container) {
        let Some(name) = &chain[0].container else { continue };
        let touched = touched(name, chain);
        let of_needed = needed(name).into_iter().filter_map(|name| last_of.get(&name).copied());
        let of_touched = touched.iter().filter_map(|name| last_at.get(name).copied());
        let mut also: BTreeSet<usize> = of_needed.chain(of_touched).collect();
        for step in chain {
            let after = After { all_before, also: std::mem::take(&mut also).into_iter().collect() };
            also = [steps.len()].into();
            steps.push(Step { after, ..step.clone() });
        }
        let last = steps.len() - 1;
        last_of.insert(name.clone(), last);
        last_at.extend(touched.into_iter().map(|name| (name, last)));
    }
}

/// What a container waits for.
fn needed(desired: &Desired, observed: &HostState, name: &ContainerName) -> BTreeSet<ContainerName> {
    let wanted = desired.containers.get(name);
    wanted.into_iter().flat_map(|wanted| comes_after(desired, observed, wanted)).cloned().collect()
}

/// The engine's containers that a container's steps have to do with: those that they name, its own, and those that claim
/// a port of the host or an address that it needs.
fn touched(desired: &Desired, observed: &HostState, name: &ContainerName, steps: &[Step]) -> BTreeSet<String> {
    let named = steps.iter().flat_map(|step| step.undo.iter().chain([&step.action])).filter_map(Action::subject);
    let wanted = desired.containers.get(name);
    let clashes = |found: &ObservedContainer| wanted.is_some_and(|wanted| clash(wanted, found).is_some());
    let there = observed.containers.iter();
    let there = there.filter(|(_, found)| found.container == *name || clashes(found));
    let there = there.map(|(name, _)| name.clone());
    named.map(str::to_owned).chain(there).chain([engine_name(&desired.project, name)]).collect()
}
