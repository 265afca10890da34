//! The instructions of one stage in order: what each means with the variables that are in force where it stands.

use std::collections::BTreeSet;

use super::ast::{ArgDeclaration, Command, Instruction, Pair, Word};
use super::canonical::{Text, quoted};
use super::expand::{Expansion, Reading, Value};
use super::reach::Reached;
use super::resolve::Resolver;
use super::resolved::ResolvedInstruction;
use super::state::State;
use super::values;

/// Resolves instructions in order.
pub(super) fn instructions<'a>(
    resolver: &mut Resolver<'_>,
    state: &mut State,
    reached: &Reached,
    instructions: impl Iterator<Item = &'a Instruction>,
) -> Vec<ResolvedInstruction> {
    let mut walk = Walk { resolver, state, reached, place: 1, is_trigger: false };
    walk.all(instructions)
}

/// The triggers that a stage leaves to images built on it, as written: nothing in them is expanded before they run.
pub(super) fn left_triggers(resolver: &mut Resolver<'_>, index: usize) -> Vec<ResolvedInstruction> {
    let triggers = resolver.triggers[index].clone();
    let mut state = State::blank(index, resolver.inputs.target_platform);
    let reached = Reached::nothing();
    // Those of the stages before, which the target is built on, ran already.
    resolver.out.triggers_read = false;
    let mut walk = Walk { resolver, state: &mut state, reached: &reached, place: 1, is_trigger: true };
    walk.all(triggers.into_iter())
}

pub(super) struct Walk<'r, 'a, 's> {
    pub(super) resolver: &'r mut Resolver<'a>,
    pub(super) state: &'s mut State,
    pub(super) reached: &'s Reached,
    /// The place of the instruction in its stage, behind the `FROM`.
    place: usize,
    /// Whether the instruction only waits for the images built on this one: then it is taken as it is written.
    pub(super) is_trigger: bool,
}

impl Walk<'_, '_, '_> {
    /// Resolves instructions until there are no more, or there is too much of them; those with errors are left out.
    fn all<'i>(&mut self, instructions: impl Iterator<Item = &'i Instruction>) -> Vec<ResolvedInstruction> {
        let mut resolved = Vec::new();
        for instruction in instructions {
            let text = self.instruction(instruction);
            let n_bytes = text.as_ref().map_or(1, |(text, _)| text.len());
            if let Some((text, written)) = text {
                resolved.push(ResolvedInstruction { text, written, span: instruction.span });
                self.place += 1;
            }
            if self.resolver.spend(n_bytes, instruction.span).is_none() {
                break;
            }
        }
        resolved
    }

    /// The canonical text of an instruction, and how it is written where that is not the same, its effects noted; none
    /// where it has an error.
    fn instruction(&mut self, instruction: &Instruction) -> Option<(String, Option<String>)> {
        let mut text = Text::new(instruction.command.keyword());
        let posix = self.state.shell_is_posix;
        match &instruction.command {
            Command::Add(add) => self.add(add, instruction.span, &mut text)?,
            Command::Arg(declarations) => {
                for declaration in declarations {
                    self.arg(declaration, &mut text)?;
                }
            }
            Command::Cmd(line) | Command::Entrypoint(line) => {
                text.command(line, posix);
            }
            Command::Copy(copy) => self.copy(copy, &mut text)?,
            Command::Env(pairs) => {
                for (name, value) in self.pairs(pairs, &mut text)? {
                    if !self.is_trigger {
                        self.state.set_env(&name, &value);
                    }
                }
            }
            Command::Expose(ports) => self.expose(ports, &mut text)?,
            Command::Healthcheck(healthcheck) => {
                text.healthcheck(healthcheck, posix);
            }
            Command::Label(pairs) => {
                self.pairs(pairs, &mut text)?;
            }
            Command::Maintainer(name) => {
                text.literal(&name.text);
            }
            Command::Onbuild(trigger) => {
                let is_trigger = std::mem::replace(&mut self.is_trigger, true);
                let inner = self.instruction(trigger);
                self.is_trigger = is_trigger;
                text.trigger(&inner?);
            }
            Command::Run(run) => {
                for mount in &run.mounts {
                    self.mount(mount, &mut text)?;
                }
                text.run(run, posix);
            }
            Command::Shell(words) => {
                if !self.is_trigger {
                    self.state.shell_is_posix = words.first().is_some_and(|shell| is_posix(&shell.text));
                }
                text.literals(words);
            }
            Command::Stopsignal(word) => {
                let signal = self.expand(word)?;
                self.expect(word, &signal, values::is_signal(&signal.text), "no signal");
                text.expanded(&signal);
            }
            Command::User(word) | Command::Workdir(word) => {
                text.expanded(&self.expand(word)?);
            }
            Command::Volume(words) => {
                for word in words {
                    let path = self.expand(word)?;
                    self.expect(word, &path, !path.text.is_empty(), "empty: no path");
                    text.expanded(&path);
                }
            }
        }
        Some(text.finish())
    }

    pub(super) fn expand(&mut self, word: &Word) -> Option<Expansion> {
        self.expand_as(word, Reading::word(self.resolver.dockerfile.directives.escape.char()))
    }

    fn expand_as(&mut self, word: &Word, reading: Reading) -> Option<Expansion> {
        if self.is_trigger {
            return Some(as_written(&word.text));
        }
        let expansion = self.resolver.expand_text(&word.text, word.span, reading, &self.state.scope)?;
        for name in expansion.unset.difference(&self.state.declared) {
            let is_global = self.resolver.globals.values.contains_key(name);
            let hint = is_global.then(|| format!("`ARG {name}` in this stage makes it seen here"));
            self.resolver.problems.warning(word.span, format!("variable `{name}` is not defined"), "", hint);
        }
        Some(expansion)
    }

    /// Says that a word came to something wrong, where that is known.
    fn expect(&mut self, word: &Word, expansion: &Expansion, is_good: bool, what: &str) {
        if is_good || !expansion.known || self.is_trigger {
            return;
        }
        let said = if expansion.text.is_empty() { &word.text } else { &expansion.text };
        self.resolver.problems.error(word.span, format!("`{said}` is {what}"), "");
    }

    fn arg(&mut self, declaration: &ArgDeclaration, text: &mut Text) -> Option<()> {
        let name = &declaration.name.text;
        text.literal(name);
        if self.is_trigger {
            if let Some(default) = &declaration.default {
                text.flag("default", &quoted(&default.text));
            }
            return Some(());
        }
        let value = match (self.resolver.inputs.args.get(name), &declaration.default) {
            (Some(given), _) => as_written(given),
            (None, Some(default)) => self.expand(default)?,
            (None, None) => match self.resolver.globals.values.get(name) {
                Some(Value::Known(value)) => as_written(value),
                Some(Value::Unknown) | None => {
                    self.state.declared.insert(name.clone());
                    let (stage, place) = (self.resolver.out.stages.len(), self.place);
                    self.resolver.without_value.push((stage, place, name.clone()));
                    return Some(());
                }
            },
        };
        self.state.set_arg(name, &value);
        // The value is said with the arguments, and here only where it is another one or not known.
        if value.known {
            let said = self.resolver.out.args.entry(name.clone()).or_insert_with(|| value.text.clone());
            if *said == value.text {
                return Some(());
            }
        }
        text.flag_expanded("value", &value);
        Some(())
    }

    /// Expands all pairs with the variables before the instruction.
    fn pairs(&mut self, pairs: &[Pair], text: &mut Text) -> Option<Vec<(Expansion, Expansion)>> {
        let mut expanded = Vec::with_capacity(pairs.len());
        for pair in pairs {
            let (name, value) = (self.expand(&pair.name)?, self.expand(&pair.value)?);
            text.expanded(&name).expanded(&value);
            expanded.push((name, value));
        }
        Some(expanded)
    }

    fn expose(&mut self, ports: &[Word], text: &mut Text) -> Option<()> {
        let (mut exposed, mut written) = (BTreeSet::new(), BTreeSet::new());
        let mut has_variables = false;
        for port in ports {
            let reading = Reading::words(self.resolver.dockerfile.directives.escape.char());
            let expansion = self.expand_as(port, reading)?;
            for word in &expansion.words {
                self.expect(port, &expansion, values::is_port(word), "no port");
            }
            let said: Vec<String> = match expansion.known {
                true => expansion.words.iter().map(|word| quoted(word)).collect(),
                false => vec![expansion.canonical],
            };
            has_variables |= expansion.written.is_some();
            written.extend(expansion.written.map_or_else(|| said.clone(), |written| vec![written]));
            exposed.extend(said);
        }
        // The order of ports is no matter.
        let joined = |ports: BTreeSet<String>| ports.into_iter().collect::<Vec<_>>().join("\" \"");
        let written = has_variables.then(|| joined(written));
        if !exposed.is_empty() || written.is_some() {
            text.expanded(&Expansion { canonical: joined(exposed), written, ..Expansion::default() });
        }
        Some(())
    }
}

pub(super) fn as_written(text: &str) -> Expansion {
    let words = text.split_whitespace().map(str::to_owned).collect();
    Expansion { text: text.to_owned(), canonical: quoted(text), known: true, words, ..Expansion::default() }
}

fn is_posix(shell: &str) -> bool {
    let name = shell.rsplit('/').next().unwrap_or_default();
    matches!(name, "sh" | "ash" | "bash" | "dash" | "ksh" | "zsh")
}
