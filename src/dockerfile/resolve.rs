//! From what is written to what it means for one target, stage by stage.

use std::collections::{BTreeMap, BTreeSet};

use super::args::{ALWAYS_USED, is_predefined};
use super::ast::{Command, Dockerfile, Instruction, Word};
use super::canonical::quoted;
use super::check::{self, Names};
use super::expand::{Expansion, Reading, Scope, Value, expand};
use super::from::{self, From};
use super::problems::Problems;
use super::reach::{self, Reached};
use super::resolved::{Base, Edge, EdgeKind, ResolveInputs, Resolved, ResolvedInstruction, ResolvedStage};
use super::state::State;
use super::walk;
use crate::diag::Span;

/// How much a Dockerfile may come to, in bytes of text that are written or looked at; arbitrary, several times what the
/// largest one says, and it stops variables that double each other and triggers that run a million times.
const TEXT_AT_MOST: usize = 64 << 20;

/// Resolves a Dockerfile for a target, as BuildKit does (moby/buildkit, `dockerfile2llb`).
pub fn resolve(dockerfile: &Dockerfile, inputs: &ResolveInputs<'_>) -> Resolved {
    let mut resolver = Resolver::new(dockerfile, *inputs);
    from::define_globals(&mut resolver);
    let bases = from::bases(&mut resolver);
    if let Some(target) = resolver.target() {
        let reached = reach::reached(&mut resolver, target, &bases);
        resolver.walk(&reached, &bases);
    }
    resolver.finish()
}

/// What resolving one Dockerfile holds from its first step to its last.
pub(super) struct Resolver<'a> {
    pub(super) dockerfile: &'a Dockerfile,
    pub(super) inputs: ResolveInputs<'a>,
    pub(super) names: Names<'a>,
    /// The instructions that each stage leaves to those built on it.
    pub(super) triggers: Vec<Vec<&'a Instruction>>,
    pub(super) problems: Problems,
    pub(super) out: Resolved,
    /// The variables of the lines before the first `FROM`, BuildKit's own included.
    pub(super) globals: Scope,
    /// The globals that the file or the caller set, not BuildKit.
    pub(super) set_globals: BTreeSet<String>,
    /// The `ARG`s that give no value: stage and instruction by their places in what is resolved, and the name.
    pub(super) without_value: Vec<(usize, usize, String)>,
    spent: usize,
}

impl<'a> Resolver<'a> {
    pub(super) fn new(dockerfile: &'a Dockerfile, inputs: ResolveInputs<'a>) -> Self {
        let triggers = dockerfile.stages.iter().map(|stage| {
            let commands = stage.instructions.iter();
            commands
                .filter_map(|instruction| match &instruction.command {
                    Command::Onbuild(trigger) => Some(&**trigger),
                    _ => None,
                })
                .collect()
        });
        Self {
            dockerfile,
            inputs,
            names: Names::of(&dockerfile.stages),
            triggers: triggers.collect(),
            problems: Problems::new(&dockerfile.source),
            out: Resolved::default(),
            globals: Scope::default(),
            set_globals: BTreeSet::new(),
            without_value: Vec::new(),
            spent: 0,
        }
    }

    /// Counts work against what a Dockerfile may come to; none where that is used up, which is said once.
    pub(super) fn spend(&mut self, amount: usize, span: Span) -> Option<()> {
        if self.spent <= TEXT_AT_MOST {
            self.spent += amount;
            if self.spent <= TEXT_AT_MOST {
                return Some(());
            }
            self.problems.error(span, "the Dockerfile comes to more than 64 MiB of text", "too much from here on");
        }
        None
    }

    /// Expands a word; what is wrong with it is said.
    pub(super) fn expand(&mut self, word: &Word, scope: &Scope) -> Option<Expansion> {
        let reading = Reading::word(self.dockerfile.directives.escape.char());
        self.expand_text(&word.text, word.span, reading, scope)
    }

    /// Expands a text that stands at a place.
    pub(super) fn expand_text(&mut self, text: &str, span: Span, reading: Reading, scope: &Scope) -> Option<Expansion> {
        self.spend(0, span)?;
        match expand(text, reading, scope) {
            Ok(mut expansion) => {
                if !(expansion.used.is_empty() && expansion.unset.is_empty()) {
                    // With nothing known, every variable stays as it is written.
                    let written = expand(text, reading, &Scope { open: true, ..Scope::default() });
                    expansion.written = written.ok().map(|written| written.canonical);
                }
                self.spend(expansion.canonical.len() + expansion.cost, span).map(|()| expansion)
            }
            Err(why) => {
                self.problems.error(span, why, "");
                None
            }
        }
    }

    fn target(&mut self) -> Option<usize> {
        let Some(target) = self.inputs.target else { return self.dockerfile.stages.len().checked_sub(1) };
        let found = self.names.find(target);
        if let (None, Some(last)) = (found, self.dockerfile.stages.last()) {
            let hint = self.names.suggestion(target);
            let message = format!("the Dockerfile has no stage `{target}`");
            self.problems.error_with_hint(last.span, message, "the last stage", hint);
        }
        found
    }

    /// The stage that `COPY --from` means, existing or not; none where it leaves the file.
    pub(super) fn copy_from(&self, from: &str) -> Option<usize> {
        check::copy_from(&self.names, from).filter(|index| !self.is_replaced(*index))
    }

    /// The stage that a mount's `from` means; none where it leaves the file.
    pub(super) fn mount_from(&self, from: &str) -> Option<usize> {
        self.names.find(from).filter(|index| !self.is_replaced(*index))
    }

    /// Whether a named context stands in for a stage.
    pub(super) fn is_replaced(&self, index: usize) -> bool {
        let name = self.dockerfile.stages.get(index).and_then(|stage| stage.name.as_ref());
        name.is_some_and(|name| self.inputs.contexts.contains(&name.text))
    }

    fn walk(&mut self, reached: &Reached, bases: &[Option<From>]) {
        let mut heirs = reach::heirs(reached, bases);
        let mut states: BTreeMap<usize, State> = BTreeMap::new();
        for index in reached.stages() {
            let Some(from) = &bases[index] else { continue };
            let stage = &self.dockerfile.stages[index];
            let Some(mut state) = self.state(index, from, &mut states, &mut heirs) else { return };
            let header = self.header(&state, from, reached);
            let triggers = if let Base::Stage(base) = from.base { self.triggers[base].clone() } else { Vec::new() };
            let own = &self.dockerfile.stages[index].instructions;
            let mut instructions = vec![header];
            instructions.extend(walk::instructions(self, &mut state, reached, triggers.into_iter().chain(own)));
            self.out.stages.push(ResolvedStage {
                index,
                name: stage.name.as_ref().map(|name| name.text.clone()),
                line: 0,
                span: stage.span,
                base: from.base.clone(),
                platform: state.platform.clone(),
                instructions,
            });
            states.insert(index, state);
        }
        if let Some(target) = reached.stages().last() {
            self.out.triggers = walk::left_triggers(self, target);
        }
        self.number_lines();
    }

    /// The state before a stage's first instruction: its base's last one, which the last stage built on it takes over.
    fn state(
        &mut self,
        index: usize,
        from: &From,
        states: &mut BTreeMap<usize, State>,
        heirs: &mut BTreeMap<usize, usize>,
    ) -> Option<State> {
        let mut inherited = None;
        if let Base::Stage(base) = from.base {
            let n_heirs = heirs.entry(base).or_insert(1);
            *n_heirs -= 1;
            inherited = if *n_heirs == 0 { states.remove(&base) } else { states.get(&base).cloned() };
            let size = if *n_heirs == 0 { 0 } else { inherited.as_ref().map_or(0, State::size) };
            self.spend(size, self.dockerfile.stages[index].span)?;
        }
        let default = inherited.as_ref().map_or(self.inputs.target_platform, |state| &state.platform);
        let platform = from.platform.clone().unwrap_or_else(|| default.clone());
        let mut state = inherited.unwrap_or_else(|| State::new(&from.base, &platform, self.dockerfile));
        state.inherit(index);
        state.platform = platform;
        Some(state)
    }

    /// The `FROM` of a stage as it counts, its edge and its arguments noted.
    fn header(&mut self, state: &State, from: &From, reached: &Reached) -> ResolvedInstruction {
        let stage = &self.dockerfile.stages[state.index];
        for name in from.used.intersection(&self.set_globals) {
            // What BuildKit sets by itself follows from the platform.
            if let Some(Value::Known(value)) = self.globals.values.get(name) {
                self.out.args.entry(name.clone()).or_insert_with(|| value.clone());
            }
        }
        let mut written = None;
        let base = match &from.base {
            Base::Scratch => "scratch".to_owned(),
            // Stages that are not reached do not count, nor do names: the place among the reached ones does.
            Base::Stage(base) => format!("stage {}", reached.position(*base)),
            Base::Outside(reference) => {
                self.out.edges.push(Edge {
                    kind: EdgeKind::From,
                    reference: reference.clone(),
                    platform: state.platform.clone(),
                    stage: state.index,
                    span: stage.base.span,
                });
                written = from.written.as_ref().map(|written| format!("FROM{} image \"{written}\"", from.flags));
                format!("image \"{}\"", quoted(reference))
            }
        };
        ResolvedInstruction { text: format!("FROM{} {base}", from.flags), written, span: stage.span }
    }

    /// Counts the lines once for all stages.
    fn number_lines(&mut self) {
        let text = self.dockerfile.source.text();
        let (mut line, mut counted) = (1, 0);
        for stage in &mut self.out.stages {
            line += text[counted..stage.span.start].matches('\n').count();
            counted = stage.span.start;
            stage.line = line;
        }
    }

    fn finish(mut self) -> Resolved {
        // Where another stage gives a value, the arguments tell the value of that one.
        for (stage, place, name) in &self.without_value {
            if self.out.args.contains_key(name) {
                let instruction = &mut self.out.stages[*stage].instructions[*place];
                instruction.text.push_str(&format!(" --unset=\"{name}\""));
            }
        }
        for (name, value) in self.inputs.args {
            if ALWAYS_USED.contains(&name.as_str()) {
                self.out.args.entry(name.clone()).or_insert_with(|| value.clone());
            }
            if !self.out.args.contains_key(name) && !is_predefined(name) {
                self.out.unused_args.insert(name.clone());
            }
        }
        self.out.diagnostics = self.problems.finish();
        self.out
    }
}
