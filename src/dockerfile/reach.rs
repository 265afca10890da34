//! Which stages a target reaches.

use std::collections::BTreeMap;

use super::ast::{Command, Instruction, MountKey};
use super::from::From;
use super::resolve::Resolver;
use super::resolved::Base;

/// Stages by their place among all stages, each with its place among these.
pub(super) struct Reached(BTreeMap<usize, usize>);

impl Reached {
    /// None of them.
    pub(super) const fn nothing() -> Self {
        Self(BTreeMap::new())
    }

    /// The stages in the order of the file.
    pub(super) fn stages(&self) -> impl DoubleEndedIterator<Item = usize> {
        self.0.keys().copied()
    }

    /// The place of a stage among the reached ones.
    pub(super) fn position(&self, index: usize) -> usize {
        self.0.get(&index).copied().unwrap_or_default()
    }
}

/// The stages that a target reaches, itself included: by `FROM`, `COPY --from` and mounts, also those of triggers.
pub(super) fn reached(resolver: &mut Resolver<'_>, target: usize, bases: &[Option<From>]) -> Reached {
    let mut reached = BTreeMap::from([(target, 0)]);
    let mut waiting = vec![target];
    while let Some(index) = waiting.pop() {
        let stage = &resolver.dockerfile.stages[index];
        let base = bases[index].as_ref().and_then(From::stage);
        let triggers: &[&Instruction] = base.map_or(&[], |base| &resolver.triggers[base]);
        let n_triggers = triggers.len();
        let used = triggers.iter().copied().chain(&stage.instructions).flat_map(|i| stages_used(resolver, i));
        for next in used.chain(base) {
            // What comes later can't be used: that is said when the instruction is resolved.
            if next < index && reached.insert(next, 0).is_none() {
                waiting.push(next);
            }
        }
        if resolver.spend(n_triggers, stage.span).is_none() {
            break;
        }
    }
    for (position, place) in reached.values_mut().enumerate() {
        *place = position;
    }
    Reached(reached)
}

/// How many reached stages are built on each.
pub(super) fn heirs(reached: &Reached, bases: &[Option<From>]) -> BTreeMap<usize, usize> {
    let mut heirs = BTreeMap::new();
    for index in reached.stages() {
        if let Some(Base::Stage(base)) = bases[index].as_ref().map(|from| &from.base) {
            *heirs.entry(*base).or_insert(0) += 1;
        }
    }
    heirs
}

fn stages_used(resolver: &Resolver<'_>, instruction: &Instruction) -> Vec<usize> {
    match &instruction.command {
        Command::Copy(copy) => copy.from.as_ref().and_then(|from| resolver.copy_from(&from.text)).into_iter().collect(),
        Command::Run(run) => {
            let froms = run.mounts.iter().filter_map(|mount| mount.value(MountKey::From));
            froms.filter_map(|from| resolver.mount_from(&from.text)).collect()
        }
        _ => Vec::new(),
    }
}
