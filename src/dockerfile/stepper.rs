//! Turns instructions into steps. What [`resolve()`](super::resolve()) leaves open because the base image decides it is
//! known here.

use std::collections::BTreeMap;

use super::args::is_proxy;
use super::ast::{
    ArgDeclaration, Command, CommandLine, Dockerfile, Heredoc, Instruction, Mount, MountKey, MountType, Network, Run,
    Security, Transfer, TransferSource, Word,
};
use super::expand::{Expansion, Quotes, Reading, Scope, Value, expand};
use super::resolved::ResolveInputs;
use super::run::go_bool;
use super::step::{CommandText, MountStep, RunStep, Sharing, Step, StepError, TransferOf, TransferStep};
use super::{from, heredoc, mount, original};
use crate::diag::Span;

/// The variables of a stage, while it is carried out.
#[derive(Debug, Clone, Default)]
pub struct Variables {
    scope: Scope,
}

impl Variables {
    /// What stages that are built on this one begin with: the image's own environment counts over what `ARG` set
    /// (BuildKit, `dispatchStages`).
    #[must_use]
    pub fn with_environment<'e>(&self, environment: impl IntoIterator<Item = (&'e str, &'e str)>) -> Self {
        let mut variables = self.clone();
        for (name, value) in environment {
            variables.set(name, value);
        }
        variables
    }

    fn set(&mut self, name: &str, value: &str) {
        self.scope.values.insert(name.to_owned(), Value::Known(value.to_owned()));
    }

    /// What a command that is run gets: all of them.
    pub fn environment(&self) -> BTreeMap<String, String> {
        let known = self.scope.values.iter().filter_map(|(name, value)| match value {
            Value::Known(value) => Some((name.clone(), value.clone())),
            Value::Unknown => None,
        });
        known.collect()
    }
}

/// Turns the instructions of one Dockerfile into steps.
#[derive(Debug)]
pub struct Stepper<'a> {
    dockerfile: &'a Dockerfile,
    args: &'a BTreeMap<String, String>,
    globals: BTreeMap<String, String>,
}

impl<'a> Stepper<'a> {
    /// For a Dockerfile that [`resolve()`](super::resolve()) takes with the same inputs.
    pub fn new(dockerfile: &'a Dockerfile, inputs: &ResolveInputs<'a>) -> Self {
        Self { dockerfile, args: inputs.args, globals: from::globals(dockerfile, inputs) }
    }

    /// The build arguments that every command sees though nothing declares them (Dockerfile reference, "Predefined
    /// ARGs").
    pub fn proxies(&self) -> impl Iterator<Item = (&str, &str)> {
        self.args.iter().filter(|(name, _)| is_proxy(name)).map(|(name, value)| (name.as_str(), value.as_str()))
    }

    /// The next instruction of a stage as a step; the variables that it sets are set.
    ///
    /// # Errors
    /// When a word of it can't be expanded, or comes to something that it can't be.
    pub fn step(&self, instruction: &Instruction, variables: &mut Variables) -> Result<Step, StepError> {
        Ok(match &instruction.command {
            Command::Add(add) => {
                let step = self.transfer(&add.transfer, true, variables)?;
                let checksum = self.optional(add.checksum.as_ref(), variables)?;
                let keep_git_dir = add.keep_git_dir.unwrap_or(false);
                Step::Transfer(TransferStep { checksum, unpack: add.unpack, keep_git_dir, ..step })
            }
            Command::Copy(copy) => {
                let step = self.transfer(&copy.transfer, false, variables)?;
                let from = copy.from.as_ref().map(|from| from.text.clone());
                Step::Transfer(TransferStep { from, parents: copy.parents, ..step })
            }
            Command::Arg(declarations) => {
                let all = declarations.iter().map(|declaration| self.arg(declaration, variables));
                Step::Arg(all.collect::<Result<_, _>>()?)
            }
            Command::Cmd(line) => Step::Cmd(text_of(line)),
            Command::Entrypoint(line) => Step::Entrypoint(text_of(line)),
            Command::Env(pairs) => {
                let pairs = self.pairs(pairs, variables)?;
                pairs.iter().for_each(|(name, value)| variables.set(name, value));
                Step::Env(pairs)
            }
            Command::Label(pairs) => Step::Label(self.pairs(pairs, variables)?),
            Command::Expose(words) => {
                let mut ports = Vec::new();
                for word in words {
                    let reading = Reading::words(self.escape());
                    ports.extend(self.expanded(&word.text, word.span, reading, variables)?.words);
                }
                Step::Expose(ports)
            }
            Command::Healthcheck(healthcheck) => Step::Healthcheck(healthcheck.clone()),
            Command::Maintainer(name) => Step::Maintainer(name.text.clone()),
            Command::Onbuild(trigger) => Step::Onbuild(original::text(self.dockerfile, trigger)),
            Command::Run(run) => Step::Run(self.run(run, variables)?),
            Command::Shell(words) => Step::Shell(words.iter().map(|word| word.text.clone()).collect()),
            Command::Stopsignal(word) => Step::Stopsignal(self.word(word, variables)?),
            Command::User(word) => Step::User(self.word(word, variables)?),
            Command::Volume(words) => {
                Step::Volume(words.iter().map(|word| self.word(word, variables)).collect::<Result<_, _>>()?)
            }
            Command::Workdir(word) => Step::Workdir(self.word(word, variables)?),
        })
    }

    fn escape(&self) -> char {
        self.dockerfile.directives.escape.char()
    }

    fn expanded(
        &self,
        text: &str,
        span: Span,
        reading: Reading,
        variables: &Variables,
    ) -> Result<Expansion, StepError> {
        expand(text, reading, &variables.scope).map_err(|message| StepError { span, message })
    }

    fn word(&self, word: &Word, variables: &Variables) -> Result<String, StepError> {
        self.expanded(&word.text, word.span, Reading::word(self.escape()), variables).map(|expansion| expansion.text)
    }

    fn optional(&self, word: Option<&Word>, variables: &Variables) -> Result<Option<String>, StepError> {
        word.map(|word| self.word(word, variables)).transpose()
    }

    fn pairs(&self, pairs: &[super::ast::Pair], variables: &Variables) -> Result<Vec<(String, String)>, StepError> {
        pairs.iter().map(|pair| Ok((self.word(&pair.name, variables)?, self.word(&pair.value, variables)?))).collect()
    }

    fn arg(
        &self,
        declaration: &ArgDeclaration,
        variables: &mut Variables,
    ) -> Result<(String, Option<String>), StepError> {
        let name = &declaration.name.text;
        let value = match (self.args.get(name), &declaration.default) {
            (Some(given), _) => Some(given.clone()),
            (None, Some(default)) => Some(self.word(default, variables)?),
            (None, None) => self.globals.get(name).cloned(),
        };
        if let Some(value) = &value {
            variables.set(name, value);
        }
        Ok((name.clone(), value))
    }

    fn run(&self, run: &Run, variables: &Variables) -> Result<RunStep, StepError> {
        let (command, script) = match (&run.command, run.heredocs.as_slice()) {
            (line, []) => (text_of(line), None),
            (CommandLine::Shell(word), [only]) if word.text == only.opener.text => {
                let content = heredoc::content(only);
                match content.starts_with("#!") {
                    true => {
                        (CommandText::Shell(format!("/dev/pipes/{}", only.name)), Some((only.name.clone(), content)))
                    }
                    false => (CommandText::Shell(content), None),
                }
            }
            (line, heredocs) => (with_heredocs(line, heredocs), None),
        };
        let mounts = run.mounts.iter().map(|mount| self.mount(mount, variables));
        Ok(RunStep {
            command,
            script,
            mounts: mounts.collect::<Result<_, _>>()?,
            network: run.network.unwrap_or(Network::Default),
            security: run.security.unwrap_or(Security::Sandbox),
        })
    }

    fn mount(&self, mount: &Mount, variables: &Variables) -> Result<MountStep, StepError> {
        let wrong = |message: String| StepError { span: mount.span, message };
        let text = |key| -> Result<Option<String>, StepError> {
            let value = self.optional(mount.value(key), variables)?;
            Ok(value.filter(|value| !value.is_empty()))
        };
        let flag = |key| -> Result<Option<bool>, StepError> {
            let is_said = mount.options.iter().any(|option| option.key == key);
            let value = self.optional(mount.value(key), variables)?;
            match value {
                Some(value) => {
                    go_bool(&value).map(Some).ok_or_else(|| wrong(format!("`{value}` is neither `true` nor `false`")))
                }
                None => Ok(is_said.then_some(true)),
            }
        };
        let number = |key, radix| -> Result<Option<u32>, StepError> {
            let value = text(key)?;
            let read = |value: String| {
                u32::from_str_radix(&value, radix).map_err(|_| wrong(format!("`{value}` is no number")))
            };
            value.map(read).transpose()
        };
        let named = text(MountKey::Type)?.unwrap_or_default();
        let kind = mount::kind(mount, |_| named.clone()).ok_or_else(|| wrong(format!("`{named}` is no mount type")))?;
        let read_only = match (flag(MountKey::ReadOnly)?, flag(MountKey::ReadWrite)?) {
            (Some(read_only), None) => read_only,
            (None, Some(read_write)) => !read_write,
            (Some(read_only), Some(read_write)) => read_only && !read_write,
            (None, None) => kind == MountType::Bind,
        };
        let sharing = match text(MountKey::Sharing)?.map(|text| text.to_ascii_lowercase()).as_deref() {
            None | Some("shared") => Sharing::Shared,
            Some("private") => Sharing::Private,
            Some("locked") => Sharing::Locked,
            Some(other) => return Err(wrong(format!("`{other}` is no sharing mode"))),
        };
        let size = text(MountKey::Size)?;
        let size = size.map(|size| mount::bytes(&size).ok_or_else(|| wrong(format!("`{size}` is no size"))));
        Ok(MountStep {
            kind,
            from: mount.value(MountKey::From).map(|from| from.text.clone()).filter(|from| !from.is_empty()),
            source: text(MountKey::Source)?,
            target: text(MountKey::Target)?,
            id: text(MountKey::Id)?,
            env: text(MountKey::Env)?,
            read_only,
            required: flag(MountKey::Required)?.unwrap_or(false),
            sharing,
            size: size.transpose()?,
            mode: number(MountKey::Mode, 8)?,
            uid: number(MountKey::Uid, 10)?,
            gid: number(MountKey::Gid, 10)?,
            span: mount.span,
        })
    }

    fn transfer(&self, transfer: &Transfer, is_add: bool, variables: &Variables) -> Result<TransferStep, StepError> {
        let Transfer { sources, destination, json: _, chown, chmod, link, excludes } = transfer;
        let source = |source: &TransferSource| match source {
            TransferSource::Path(word) => self.word(word, variables).map(TransferOf::Path),
            TransferSource::Heredoc(heredoc) => {
                let mut content = heredoc::content(heredoc);
                if heredoc.expand {
                    let reading = Reading { quotes: Quotes::Ignore, ..Reading::word('\\') };
                    content = self.expanded(&content, heredoc.opener.span, reading, variables)?.text;
                }
                Ok(TransferOf::File { name: heredoc.name.clone(), content })
            }
        };
        let not_empty = |value: Option<String>| value.filter(|value| !value.is_empty());
        Ok(TransferStep {
            is_add,
            from: None,
            sources: sources.iter().map(source).collect::<Result<_, _>>()?,
            destination: self.word(destination, variables)?,
            chown: not_empty(self.optional(chown.as_ref(), variables)?),
            chmod: not_empty(self.optional(chmod.as_ref(), variables)?),
            link: *link,
            parents: false,
            excludes: excludes.iter().map(|exclude| exclude.text.clone()).collect(),
            checksum: None,
            unpack: None,
            keep_git_dir: false,
        })
    }
}

fn text_of(line: &CommandLine) -> CommandText {
    match line {
        CommandLine::Shell(word) => CommandText::Shell(word.text.clone()),
        CommandLine::Exec(words) => CommandText::Exec(words.iter().map(|word| word.text.clone()).collect()),
    }
}

/// The command's line with the heredocs below it, for the shell to read (BuildKit, `dispatchRun`).
fn with_heredocs(line: &CommandLine, heredocs: &[Heredoc]) -> CommandText {
    match line {
        CommandLine::Shell(word) => {
            let below = heredocs.iter().map(|heredoc| format!("\n{}{}", heredoc.content.text, heredoc.name));
            CommandText::Shell(word.text.clone() + &below.collect::<String>())
        }
        exec @ CommandLine::Exec(_) => text_of(exec),
    }
}
