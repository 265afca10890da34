//! One line to one instruction.

use std::ops::Range;

use super::ast::{ArgDeclaration, Command, CommandLine, Escape, Heredoc, Instruction, Pair, Word};
use super::flags::Flags;
use super::lines::Line;
use super::problems::{Problems, suggestion};
use super::words::{self, Json, Statement};
use super::{healthcheck, run, transfer};
use crate::diag::Span;

/// All keywords.
pub(super) const KEYWORDS: [&str; 18] = [
    "ADD",
    "ARG",
    "CMD",
    "COPY",
    "ENTRYPOINT",
    "ENV",
    "EXPOSE",
    "FROM",
    "HEALTHCHECK",
    "LABEL",
    "MAINTAINER",
    "ONBUILD",
    "RUN",
    "SHELL",
    "STOPSIGNAL",
    "USER",
    "VOLUME",
    "WORKDIR",
];

/// A line that is about to be read as an instruction.
pub(super) struct Draft<'a, 'b> {
    pub(super) line: &'a Line<'b>,
    pub(super) escape: Escape,
    /// The keyword, in capitals.
    pub(super) name: &'static str,
    pub(super) keyword: Word,
    /// The arguments.
    pub(super) rest: Range<usize>,
    pub(super) flags: Flags,
    pub(super) heredocs: Vec<Heredoc>,
    /// The whole instruction.
    pub(super) span: Span,
}

impl<'a, 'b> Draft<'a, 'b> {
    /// Checks keyword and flags.
    pub(super) fn new(
        line: &'a Line<'b>,
        statement: Statement,
        escape: Escape,
        (heredocs, end): (Vec<Heredoc>, usize),
        problems: &mut Problems,
    ) -> Option<Self> {
        let Statement { keyword, flags, rest } = statement;
        let name = known_keyword(&keyword, problems)?;
        let span = Span::new(keyword.span.start, end);
        let flags = Flags::check(flags, name, problems);
        Some(Self { line, escape, name, keyword, rest, flags, heredocs, span })
    }

    /// The arguments as one text; an error where there are none.
    fn text(&self, what: &str, problems: &mut Problems) -> Option<Word> {
        if self.rest.is_empty() {
            self.missing(what, problems);
            return None;
        }
        Some(self.line.word(self.rest.clone()))
    }

    /// Says that the arguments are missing.
    pub(super) fn missing(&self, what: &str, problems: &mut Problems) {
        problems.error(self.keyword.span, format!("{} needs {what}", self.name), "nothing follows");
    }

    /// The arguments as JSON strings or blank-separated words, and whether they are JSON.
    pub(super) fn list(&self, problems: &mut Problems) -> Option<(Vec<Word>, bool)> {
        match words::json(self.line, self.rest.clone()) {
            Json::Strings(strings) => Some((strings, true)),
            Json::No => Some((words::blank_separated(self.line, self.rest.clone()), false)),
            Json::Others => {
                self.not_strings(&self.rest, problems);
                None
            }
        }
    }

    /// A range of the arguments as a command in one of its forms.
    pub(super) fn command_line(&self, range: Range<usize>, problems: &mut Problems) -> Option<CommandLine> {
        match words::json(self.line, range.clone()) {
            Json::Strings(strings) => Some(CommandLine::Exec(strings)),
            Json::No => Some(CommandLine::Shell(self.line.word(range))),
            Json::Others => {
                self.not_strings(&range, problems);
                None
            }
        }
    }

    fn not_strings(&self, range: &Range<usize>, problems: &mut Problems) {
        let span = self.line.span(range.clone());
        problems.error(span, format!("the JSON array of {} holds something else than strings", self.name), "");
    }
}

fn known_keyword(keyword: &Word, problems: &mut Problems) -> Option<&'static str> {
    let upper = keyword.text.to_ascii_uppercase();
    let known = KEYWORDS.into_iter().find(|known| *known == upper);
    if known.is_none() {
        let hint = suggestion(&upper, KEYWORDS);
        let message = match keyword.text.as_str() {
            "" => "a line is continued that says nothing".to_owned(),
            // A line of a thousand characters is no word to repeat.
            text if text.chars().count() > 40 => "unknown instruction".to_owned(),
            text => format!("unknown instruction `{text}`"),
        };
        problems.error_with_hint(keyword.span, message, "", hint);
    }
    known
}

/// Reads an instruction other than `FROM`; none where it can't be used, which was said then.
pub(super) fn read(draft: Draft<'_, '_>, problems: &mut Problems) -> Option<Instruction> {
    let flags = draft.flags.written();
    let span = draft.span;
    let command = match draft.name {
        "ADD" => Command::Add(transfer::add(draft, problems)?),
        "ARG" => Command::Arg(arg(&draft, problems)?),
        "CMD" => Command::Cmd(draft.command_line(draft.rest.clone(), problems)?),
        "COPY" => Command::Copy(transfer::copy(draft, problems)?),
        "ENTRYPOINT" => Command::Entrypoint(draft.command_line(draft.rest.clone(), problems)?),
        "ENV" => Command::Env(pairs(&draft, problems)?),
        "EXPOSE" => Command::Expose(expose(&draft, problems)?),
        "HEALTHCHECK" => Command::Healthcheck(healthcheck::read(&draft, problems)?),
        "LABEL" => Command::Label(pairs(&draft, problems)?),
        "MAINTAINER" => Command::Maintainer(draft.text("a name", problems)?),
        "ONBUILD" => Command::Onbuild(Box::new(onbuild(draft, problems)?)),
        "RUN" => Command::Run(run::read(draft, problems)?),
        "SHELL" => Command::Shell(shell(&draft, problems)?),
        "STOPSIGNAL" => Command::Stopsignal(draft.text("a signal", problems)?),
        "USER" => Command::User(draft.text("a user", problems)?),
        "VOLUME" => Command::Volume(volume(&draft, problems)?),
        "WORKDIR" => Command::Workdir(draft.text("a path", problems)?),
        // `FROM` opens a stage, and is read there.
        _ => return None,
    };
    Some(Instruction { span, flags, command })
}

/// Reads the arguments of `ARG`: `name` or `name=default`, several of them.
pub(super) fn arg(draft: &Draft<'_, '_>, problems: &mut Problems) -> Option<Vec<ArgDeclaration>> {
    let line = draft.line;
    let words = words::quoted_words(&line.text, draft.rest.clone(), draft.escape);
    if words.is_empty() {
        draft.missing("a name", problems);
        return None;
    }
    let mut declarations = Vec::with_capacity(words.len());
    for range in words {
        let (name, default) = match line.text[range.clone()].find('=') {
            Some(at) => (range.start..range.start + at, Some(line.word(range.start + at + 1..range.end))),
            None => (range.clone(), None),
        };
        if name.is_empty() {
            problems.error(line.span(range), "ARG without a name before `=`", "");
            return None;
        }
        declarations.push(ArgDeclaration { name: line.word(name), default });
    }
    Some(declarations)
}

fn pairs(draft: &Draft<'_, '_>, problems: &mut Problems) -> Option<Vec<Pair>> {
    let line = draft.line;
    let words = words::quoted_words(&line.text, draft.rest.clone(), draft.escape);
    let Some(first) = words.first() else {
        draft.missing("a name and a value", problems);
        return None;
    };
    if !line.text[first.clone()].contains('=') {
        let (name, value) = words::first_word(&line.text, draft.rest.clone());
        if value.is_empty() {
            let message = format!("{} needs a value for `{}`", draft.name, &line.text[name.clone()]);
            problems.error_with_hint(line.span(name), message, "", Some("write `name=value`".to_owned()));
            return None;
        }
        return Some(vec![Pair { name: line.word(name), value: line.word(value), assigned: false }]);
    }
    let mut pairs = Vec::with_capacity(words.len());
    for range in words {
        let text = &line.text[range.clone()];
        let Some(at) = text.find('=') else {
            let hint = "write `name=value`, and quote values with spaces".to_owned();
            problems.error_with_hint(line.span(range), format!("`{text}` has no `=`"), "", Some(hint));
            return None;
        };
        if at == 0 {
            problems.error(line.span(range), format!("{} without a name before `=`", draft.name), "");
            return None;
        }
        let (name, value) = (range.start..range.start + at, range.start + at + 1..range.end);
        pairs.push(Pair { name: line.word(name), value: line.word(value), assigned: true });
    }
    Some(pairs)
}

fn expose(draft: &Draft<'_, '_>, problems: &mut Problems) -> Option<Vec<Word>> {
    let ports = words::blank_separated(draft.line, draft.rest.clone());
    if ports.is_empty() {
        draft.missing("a port", problems);
        return None;
    }
    Some(ports)
}

fn shell(draft: &Draft<'_, '_>, problems: &mut Problems) -> Option<Vec<Word>> {
    match draft.command_line(draft.rest.clone(), problems)? {
        CommandLine::Exec(words) if !words.is_empty() => Some(words),
        CommandLine::Shell(text) if !text.text.is_empty() => {
            let hint = "write `SHELL [\"program\", \"argument\"]`".to_owned();
            problems.error_with_hint(text.span, "SHELL is a JSON array of strings", "", Some(hint));
            None
        }
        CommandLine::Exec(_) | CommandLine::Shell(_) => {
            draft.missing("a JSON array of strings", problems);
            None
        }
    }
}

fn volume(draft: &Draft<'_, '_>, problems: &mut Problems) -> Option<Vec<Word>> {
    let (words, _) = draft.list(problems)?;
    if words.is_empty() {
        draft.missing("a path", problems);
        return None;
    }
    if let Some(empty) = words.iter().find(|word| word.text.trim().is_empty()) {
        problems.error(empty.span, "VOLUME with an empty path", "");
        return None;
    }
    Some(words)
}

fn onbuild(draft: Draft<'_, '_>, problems: &mut Problems) -> Option<Instruction> {
    if draft.rest.is_empty() {
        draft.missing("an instruction", problems);
        return None;
    }
    let statement = words::statement(draft.line, draft.rest.clone(), draft.escape);
    let Draft { line, escape, heredocs, span, .. } = draft;
    let inner = Draft::new(line, statement, escape, (heredocs, span.end), problems)?;
    if let "ONBUILD" | "FROM" | "MAINTAINER" = inner.name {
        let message = format!("{} can't be an ONBUILD trigger", inner.name);
        problems.error(inner.keyword.span, message, "");
        return None;
    }
    read(inner, problems)
}
