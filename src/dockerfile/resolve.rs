//! From what is written to what it means for one target: scopes, reachability, bases.

use std::collections::{BTreeMap, BTreeSet};

use super::ast::{ArgDeclaration, Command, Dockerfile, Instruction, MountKey, Stage, Word};
use super::canonical::quoted;
use super::check::{self, Names};
use super::expand::{Expansion, Reading, Scope, Value, expand};
use super::platform;
use super::problems::{Problems, suggestion};
use super::resolved::{Base, Edge, EdgeKind, ResolveInputs, Resolved, ResolvedInstruction, ResolvedStage};
use super::walk::{self, State};
use crate::diag::Span;
use crate::model::Platform;

/// The build arguments that every Dockerfile may use undeclared, and that do not count (Dockerfile reference,
/// "Predefined ARGs"); lower case is as good.
const PROXIES: [&str; 5] = ["HTTP_PROXY", "HTTPS_PROXY", "FTP_PROXY", "NO_PROXY", "ALL_PROXY"];

/// The build arguments that change an image without being declared: its timestamps, and the frontend that builds it.
const ALWAYS_USED: [&str; 2] = ["SOURCE_DATE_EPOCH", "BUILDKIT_SYNTAX"];

/// How much text all expansions of a Dockerfile may make together, in bytes; arbitrary, and it stops variables that
/// double each other.
const EXPANSIONS_AT_MOST: usize = 64 << 20;

/// Resolves a Dockerfile for a target, as BuildKit does (moby/buildkit, `dockerfile2llb`).
pub fn resolve(dockerfile: &Dockerfile, inputs: &ResolveInputs<'_>) -> Resolved {
    let mut resolver = Resolver::new(dockerfile, *inputs);
    resolver.define_globals();
    let bases = resolver.bases();
    if let Some(target) = resolver.target() {
        let reached = resolver.reached(target, &bases);
        resolver.walk(&reached, &bases);
    }
    resolver.finish()
}

/// A stage's `FROM`, expanded.
struct From {
    base: Base,
    platform: Option<Platform>,
    /// Its canonical text.
    text: String,
    /// The global variables it uses.
    used: BTreeSet<String>,
}

pub(super) struct Resolver<'a> {
    pub(super) dockerfile: &'a Dockerfile,
    pub(super) inputs: ResolveInputs<'a>,
    pub(super) names: Names<'a>,
    pub(super) problems: Problems,
    pub(super) out: Resolved,
    /// The variables of the lines before the first `FROM`, BuildKit's own included.
    pub(super) globals: Scope,
    /// The globals that the file or the caller set, not BuildKit.
    set_globals: BTreeSet<String>,
    n_expanded: usize,
}

impl<'a> Resolver<'a> {
    fn new(dockerfile: &'a Dockerfile, inputs: ResolveInputs<'a>) -> Self {
        Self {
            dockerfile,
            inputs,
            names: Names::of(&dockerfile.stages),
            problems: Problems::new(&dockerfile.source),
            out: Resolved::default(),
            globals: Scope::default(),
            set_globals: BTreeSet::new(),
            n_expanded: 0,
        }
    }

    fn define_globals(&mut self) {
        let last = self.dockerfile.stages.last().and_then(|stage| stage.name.as_ref());
        let stage = self.inputs.target.or(last.map(|name| name.text.as_str())).unwrap_or("default");
        for (name, value) in platform::variables(self.inputs.target_platform, self.inputs.build_platform, stage) {
            let given = self.inputs.args.get(name);
            if given.is_some() {
                self.set_globals.insert(name.to_owned());
            }
            self.globals.values.insert(name.to_owned(), Value::Known(given.cloned().unwrap_or(value)));
        }
        for ArgDeclaration { name, default } in &self.dockerfile.global_args {
            let value = match (self.inputs.args.get(&name.text), default) {
                (Some(given), _) => given.clone(),
                (None, Some(default)) => {
                    let scope = std::mem::take(&mut self.globals);
                    let expansion = self.expand(default, &scope);
                    self.globals = scope;
                    let Some(expansion) = expansion else { continue };
                    expansion.text
                }
                (None, None) => continue,
            };
            self.set_globals.insert(name.text.clone());
            self.globals.values.insert(name.text.clone(), Value::Known(value));
        }
    }

    /// Expands a word; what is wrong with it is said, and an undefined variable is warned of where it can be told.
    pub(super) fn expand(&mut self, word: &Word, scope: &Scope) -> Option<Expansion> {
        let reading = Reading::word(self.dockerfile.directives.escape.char());
        self.expand_text(&word.text, word.span, reading, scope)
    }

    /// Expands a text that stands at a place.
    pub(super) fn expand_text(&mut self, text: &str, span: Span, reading: Reading, scope: &Scope) -> Option<Expansion> {
        if self.n_expanded > EXPANSIONS_AT_MOST {
            return None;
        }
        let expansion = match expand(text, reading, scope) {
            Ok(expansion) => expansion,
            Err(why) => {
                self.problems.error(span, why, "");
                return None;
            }
        };
        self.n_expanded += expansion.canonical.len();
        if self.n_expanded > EXPANSIONS_AT_MOST {
            self.problems.error(span, "the variables expand to more than 64 MiB: the rest was not read", "");
            return None;
        }
        Some(expansion)
    }

    /// Reads all `FROM`s: an empty one is an error whichever stage is built.
    fn bases(&mut self) -> Vec<Option<From>> {
        let mut earlier = Names::default();
        let stages = &self.dockerfile.stages;
        let globals = self.globals.clone();
        let mut bases = Vec::with_capacity(stages.len());
        for (index, stage) in stages.iter().enumerate() {
            bases.push(self.from(stage, &earlier, &globals));
            if !stage.name.as_ref().is_some_and(|name| self.inputs.contexts.contains(&name.text)) {
                earlier.add(stage, index);
            }
        }
        bases
    }

    fn from(&mut self, stage: &Stage, earlier: &Names<'_>, globals: &Scope) -> Option<From> {
        let expansion = self.expand(&stage.base, globals)?;
        self.warn_of_unset(&stage.base, &expansion.unset);
        let reference = expansion.text;
        if reference.is_empty() {
            let message = format!("`{}` is empty: no image to build on", stage.base.text);
            let hint =
                expansion.unset.first().map(|name| format!("`ARG {name}=…` before the first FROM gives a value"));
            self.problems.error_with_hint(stage.base.span, message, "", hint);
            return None;
        }
        let mut used = expansion.used;
        let mut text = String::new();
        let base = match earlier.find(&reference) {
            _ if reference == "scratch" => Base::Scratch,
            Some(index) => Base::Stage(index),
            None => Base::Outside(reference),
        };
        let mut platform = None;
        if let Some(word) = &stage.platform {
            let expansion = self.expand(word, globals)?;
            self.warn_of_unset(word, &expansion.unset);
            platform = platform::read(&expansion.text, self.inputs.build_platform);
            let Some(platform) = &platform else {
                let message = match expansion.text.as_str() {
                    "" => format!("`{}` is empty: no platform", word.text),
                    text => format!("`{text}` is no platform"),
                };
                self.problems.error_with_hint(word.span, message, "", Some("write `linux/amd64`".to_owned()));
                return None;
            };
            // A stage that runs on the building machine makes files for the target: which machine builds is no input.
            let is_builders = |name: &String| name.starts_with("BUILD") && !self.set_globals.contains(name);
            let is_machine = !expansion.used.is_empty() && expansion.used.iter().all(is_builders);
            let written = if is_machine { word.text.clone() } else { platform.to_string() };
            text = format!(" --platform=\"{}\"", quoted(&written));
            used.extend(expansion.used);
        }
        Some(From { base, platform, text, used })
    }

    /// Warns of variables that nothing defines in the scope of the first lines.
    fn warn_of_unset(&mut self, word: &Word, unset: &BTreeSet<String>) {
        for name in unset {
            if self.dockerfile.global_args.iter().any(|arg| arg.name.text == *name) {
                continue;
            }
            let globals = self.globals.values.keys().map(String::as_str);
            let is_declared_later = self.is_declared_in_a_stage(name);
            let hint = suggestion(name, globals).or_else(|| {
                is_declared_later.then(|| format!("only an `ARG {name}` before the first FROM is seen here"))
            });
            self.problems.warning(word.span, format!("variable `{name}` is not defined"), "", hint);
        }
    }

    fn is_declared_in_a_stage(&self, name: &str) -> bool {
        self.dockerfile.stages.iter().flat_map(|stage| &stage.instructions).any(|instruction| {
            matches!(&instruction.command, Command::Arg(args) if args.iter().any(|arg| arg.name.text == name))
        })
    }

    fn target(&mut self) -> Option<usize> {
        let Some(target) = self.inputs.target else { return self.dockerfile.stages.len().checked_sub(1) };
        let found = self.names.find(target);
        if found.is_none() && !self.dockerfile.stages.is_empty() {
            let hint = self.names.suggestion(target);
            let message = format!("the Dockerfile has no stage `{target}`");
            let last = self.dockerfile.stages.last().map_or(Span::new(0, 0), |stage| stage.span);
            self.problems.error_with_hint(last, message, "the last stage", hint);
        }
        found
    }

    /// The stages that a target reaches, itself included.
    fn reached(&self, target: usize, bases: &[Option<From>]) -> BTreeSet<usize> {
        let mut reached = BTreeSet::from([target]);
        let mut waiting = vec![target];
        while let Some(index) = waiting.pop() {
            let stage = &self.dockerfile.stages[index];
            let base = match bases[index].as_ref().map(|from| &from.base) {
                Some(Base::Stage(base)) => Some(*base),
                Some(Base::Scratch | Base::Outside(_)) | None => None,
            };
            let triggers = base.map_or_else(Vec::new, |base| self.triggers(base));
            let used = triggers.into_iter().chain(&stage.instructions).flat_map(|i| self.stages_used(i));
            for next in used.chain(base) {
                // What comes later can't be used: that is said when the instruction is resolved.
                if next < index && reached.insert(next) {
                    waiting.push(next);
                }
            }
        }
        reached
    }

    /// The instructions that a stage leaves to those built on it.
    pub(super) fn triggers(&self, index: usize) -> Vec<&'a Instruction> {
        let commands = self.dockerfile.stages[index].instructions.iter();
        commands
            .filter_map(|instruction| match &instruction.command {
                Command::Onbuild(trigger) => Some(&**trigger),
                _ => None,
            })
            .collect()
    }

    fn stages_used(&self, instruction: &Instruction) -> Vec<usize> {
        match &instruction.command {
            Command::Copy(copy) => copy.from.as_ref().and_then(|from| self.copy_from(&from.text)).into_iter().collect(),
            Command::Run(run) => {
                let froms = run.mounts.iter().filter_map(|mount| mount.value(MountKey::From));
                froms.filter_map(|from| self.mount_from(&from.text)).collect()
            }
            _ => Vec::new(),
        }
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
    fn is_replaced(&self, index: usize) -> bool {
        let name = self.dockerfile.stages.get(index).and_then(|stage| stage.name.as_ref());
        name.is_some_and(|name| self.inputs.contexts.contains(&name.text))
    }

    fn walk(&mut self, reached: &BTreeSet<usize>, bases: &[Option<From>]) {
        let mut states: BTreeMap<usize, State> = BTreeMap::new();
        for (position, index) in reached.iter().enumerate() {
            let Some(from) = &bases[*index] else { continue };
            let stage = &self.dockerfile.stages[*index];
            self.use_globals(&from.used);
            let inherited = match from.base {
                Base::Stage(base) => states.get(&base).cloned(),
                Base::Scratch | Base::Outside(_) => None,
            };
            let default = inherited.as_ref().map_or(self.inputs.target_platform, |state| &state.platform);
            let platform = from.platform.clone().unwrap_or_else(|| default.clone());
            let mut state = inherited.unwrap_or_else(|| State::new(&from.base, &platform, self.dockerfile));
            state.index = *index;
            state.platform.clone_from(&platform);
            let base = match &from.base {
                Base::Scratch => "scratch".to_owned(),
                // Stages that are not reached do not count, nor do names: the place among the reached ones does.
                Base::Stage(base) => format!("stage {}", reached.range(..base).count()),
                Base::Outside(reference) => {
                    self.out.edges.push(Edge {
                        kind: EdgeKind::From,
                        reference: reference.clone(),
                        platform: platform.clone(),
                        stage: *index,
                        span: stage.base.span,
                    });
                    format!("image \"{}\"", quoted(reference))
                }
            };
            let header = ResolvedInstruction { text: format!("FROM{} {base}", from.text), span: stage.span };
            let mut instructions = vec![header];
            let triggers = if let Base::Stage(base) = from.base { self.triggers(base) } else { Vec::new() };
            let own = &self.dockerfile.stages[*index].instructions;
            instructions.extend(walk::instructions(self, &mut state, reached, triggers.into_iter().chain(own)));
            if position + 1 == reached.len() {
                self.out.triggers = walk::left_triggers(self, *index);
            }
            states.insert(*index, state);
            self.out.stages.push(ResolvedStage {
                index: *index,
                name: stage.name.as_ref().map(|name| name.text.clone()),
                line: self.dockerfile.source.line_column(stage.span.start).0,
                span: stage.span,
                base: from.base.clone(),
                platform,
                instructions,
            });
        }
    }

    /// Notes the globals that a `FROM` uses. What BuildKit sets by itself follows from the platform.
    fn use_globals(&mut self, used: &BTreeSet<String>) {
        for name in used.intersection(&self.set_globals) {
            if let Some(Value::Known(value)) = self.globals.values.get(name) {
                self.out.args.entry(name.clone()).or_insert_with(|| value.clone());
            }
        }
    }

    fn finish(mut self) -> Resolved {
        for (name, value) in self.inputs.args {
            if ALWAYS_USED.contains(&name.as_str()) {
                self.out.args.entry(name.clone()).or_insert_with(|| value.clone());
            }
            let is_predefined = PROXIES.contains(&name.to_ascii_uppercase().as_str()) || name.starts_with("BUILDKIT_");
            if !self.out.args.contains_key(name) && !is_predefined {
                self.out.unused_args.insert(name.clone());
            }
        }
        self.out.diagnostics = self.problems.finish();
        self.out
    }
}
