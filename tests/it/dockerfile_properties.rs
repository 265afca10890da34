//! What holds for every text: nothing panics, spans lie in the text, reading what was written changes nothing.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;

use proptest::collection::vec;
use proptest::prelude::*;
use proptest::sample::{Index, select};
use regex::Regex;
use windlass::diag::{Severity, SourceText, Span};
use windlass::dockerfile::{
    ArgDeclaration, Command, CommandLine, Dockerfile, Escape, Flag, Healthcheck, Heredoc, Instruction, Pair, Parsed,
    ResolveInputs, Resolved, Transfer, TransferSource, Word, parse, pin, resolve,
};
use windlass::model::Platform;

use crate::dockerfile_testdata::testdata;

/// What Dockerfiles are made of, and what breaks them.
const PIECES: [&str; 60] = [
    "FROM a\n",
    "FROM a AS b\n",
    "FROM b\n",
    "FROM ",
    " AS ",
    "RUN ",
    "COPY ",
    "ADD ",
    "ENV ",
    "ARG ",
    "LABEL ",
    "ONBUILD ",
    "HEALTHCHECK ",
    "CMD ",
    "EXPOSE ",
    "VOLUME ",
    "SHELL ",
    "USER ",
    "# escape=`\n",
    "# syntax=x\n",
    "#",
    "--from=",
    "--mount=",
    "--chown=",
    "--platform=",
    "type=secret,id=",
    "from=b,",
    "target=/x",
    "=",
    ",",
    " ",
    "  ",
    "\t",
    "\n",
    "\r\n",
    "\\\n",
    "`\n",
    "\\",
    "`",
    "\"",
    "'",
    "$",
    "${",
    "}",
    ":-",
    "%%",
    "//",
    "A",
    "B",
    "A=1",
    "<<E",
    "<<-'E'",
    "E\n",
    "[",
    "]",
    "[\"a\", \"b\"]",
    "\u{feff}",
    "ä",
    "漢",
    "\u{85}",
];

fn pieces() -> impl Strategy<Value = String> {
    vec(select(&PIECES[..]), 0..60).prop_map(|pieces| pieces.concat())
}

/// A Dockerfile of `testdata` with some of its text replaced by pieces or by other parts of it.
fn mutated() -> impl Strategy<Value = String> {
    let all: Vec<String> = testdata().into_iter().map(|(_, text)| text).collect();
    let edit = (any::<Index>(), 0..12_usize, select(&PIECES[..]));
    (select(all), vec(edit, 1..8)).prop_map(|(mut text, edits)| {
        for (at, n_removed, piece) in edits {
            let mut bounds: Vec<usize> = text.char_indices().map(|(at, _)| at).collect();
            bounds.push(text.len());
            let start = at.index(bounds.len());
            let end = (start + n_removed).min(bounds.len() - 1);
            text.replace_range(bounds[start]..bounds[end], piece);
        }
        text
    })
}

fn resolve_it(dockerfile: &Dockerfile, target: Option<&str>) -> Resolved {
    let args = BTreeMap::from([("A".to_owned(), "given".to_owned()), ("VERSION".to_owned(), String::new())]);
    let contexts = BTreeSet::from(["tools".to_owned()]);
    let platform = Platform::linux_amd64();
    let (target_platform, build_platform) = (&platform, &platform);
    resolve(dockerfile, &ResolveInputs { args: &args, target, target_platform, build_platform, contexts: &contexts })
}

/// Every span that a value shows lies in the text, on the bounds of characters.
fn assert_spans(value: &impl std::fmt::Debug, text: &str) {
    let spans = Regex::new(r"Span \{ start: (\d+), end: (\d+) \}").unwrap();
    for found in spans.captures_iter(&format!("{value:?}")) {
        let (start, end): (usize, usize) = (found[1].parse().unwrap(), found[2].parse().unwrap());
        assert!(start <= end && text.get(start..end).is_some(), "{start}..{end} of {} in {text:?}", text.len());
    }
}

fn has_errors(parsed: &Parsed) -> bool {
    parsed.diagnostics.iter().any(|diagnostic| diagnostic.severity == Severity::Error)
}

fn check(text: &str) {
    let source = SourceText::new("Dockerfile", text);
    let parsed = parse(&source);
    let Dockerfile { source: _, directives, global_args, stages } = &parsed.dockerfile;
    assert_spans(&(directives, global_args, stages), text);
    let targets: Vec<Option<&str>> =
        stages.iter().filter_map(|s| s.name.as_ref()).map(|n| Some(n.text.as_str())).collect();
    for target in targets.into_iter().take(4).chain([None, Some("nothing")]) {
        let mut resolved = resolve_it(&parsed.dockerfile, target);
        let said = std::mem::take(&mut resolved.diagnostics);
        assert_spans(&resolved, text);
        assert!(said.iter().chain(&parsed.diagnostics).all(|d| {
            d.primary.iter().chain(&d.related).all(|(location, _)| text.get(location.span.range()).is_some())
        }));
        let pins: Vec<(Span, String)> =
            resolved.edges.iter().map(|edge| (edge.span, text[edge.span.range()].to_owned())).collect();
        assert_eq!(pin(text, &pins), text, "pinned to what is written");
        assert_eq!(pin(text, &[]), text);
    }
    if !has_errors(&parsed) {
        assert_stable(&parsed);
    }
}

/// A Dockerfile that is written anew is read as it was, and then is written in the same way.
fn assert_stable(parsed: &Parsed) {
    let written = write(&parsed.dockerfile);
    let again = parse(&SourceText::new("Dockerfile", written.clone()));
    assert!(!has_errors(&again), "{:?} in\n{written}", again.diagnostics);
    assert_eq!(write(&again.dockerfile), written);
    let texts = |parsed: &Parsed| {
        let stages = resolve_it(&parsed.dockerfile, None).stages;
        stages.into_iter().flat_map(|stage| stage.instructions).map(|i| i.text).collect::<Vec<_>>()
    };
    assert_eq!(texts(parsed), texts(&again), "{written}");
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 150, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn any_text_is_read(text in any::<String>()) {
        check(&text);
    }

    #[test]
    fn any_pieces_are_read(text in pieces()) {
        check(&text);
        check(&format!("FROM a\n{text}"));
    }

    #[test]
    fn mutated_dockerfiles_are_read(text in mutated()) {
        check(&text);
    }
}

#[test]
fn testdata_is_stable() {
    for (_, text) in testdata() {
        check(&text);
    }
}

/// Writes a Dockerfile, one line an instruction.
fn write(dockerfile: &Dockerfile) -> String {
    let escape = dockerfile.directives.escape;
    let mut text = String::new();
    let directives = [("syntax", &dockerfile.directives.syntax), ("check", &dockerfile.directives.check)];
    for (name, value) in directives {
        if let Some(value) = value {
            writeln!(text, "# {name}={}", value.text).unwrap();
        }
    }
    writeln!(text, "# escape={}", escape.char()).unwrap();
    for argument in &dockerfile.global_args {
        writeln!(text, "ARG {}", arg(argument)).unwrap();
    }
    for stage in &dockerfile.stages {
        let platform = stage.platform.iter().map(|p| format!("--platform={} ", escaped(&p.text, escape)));
        let name = stage.name.iter().map(|name| format!(" AS {}", name.text));
        let (platform, name): (String, String) = (platform.collect(), name.collect());
        writeln!(text, "FROM {platform}{}{name}", stage.base.text).unwrap();
        for instruction in &stage.instructions {
            let (line, heredocs) = line(instruction, escape);
            writeln!(text, "{line}").unwrap();
            for heredoc in heredocs {
                writeln!(text, "{}{}", heredoc.content.text, heredoc.name).unwrap();
            }
        }
    }
    text
}

/// A flag's value with everything escaped that could end or change it.
fn escaped(value: &str, escape: Escape) -> String {
    let mut text = String::new();
    for character in value.chars() {
        if character.is_whitespace() || matches!(character, '"' | '\'') || character == escape.char() {
            text.push(escape.char());
        }
        text.push(character);
    }
    text
}

fn arg(declaration: &ArgDeclaration) -> String {
    let default = declaration.default.as_ref();
    default
        .map_or_else(|| declaration.name.text.clone(), |default| format!("{}={}", declaration.name.text, default.text))
}

fn json(words: &[Word]) -> String {
    serde_json::to_string(&words.iter().map(|word| &word.text).collect::<Vec<_>>()).unwrap()
}

fn line(instruction: &Instruction, escape: Escape) -> (String, Vec<Heredoc>) {
    let mut text = instruction.command.keyword().to_owned();
    if let Command::Onbuild(inner) = &instruction.command {
        let (line, heredocs) = line(inner, escape);
        return (format!("{text} {line}"), heredocs);
    }
    for Flag { name, value } in &instruction.flags {
        let value: String = value.iter().map(|value| format!("={}", escaped(&value.text, escape))).collect();
        write!(text, " --{}{value}", name.text).unwrap();
    }
    let (arguments, heredocs) = arguments(&instruction.command);
    if arguments.starts_with("--") {
        text.push_str(" --");
    }
    (format!("{text} {arguments}"), heredocs)
}

fn arguments(command: &Command) -> (String, Vec<Heredoc>) {
    let joined = |words: &[Word]| words.iter().map(|word| word.text.as_str()).collect::<Vec<_>>().join(" ");
    let line = |line: &CommandLine| match line {
        CommandLine::Shell(word) => word.text.clone(),
        CommandLine::Exec(words) => json(words),
    };
    let plain = match command {
        Command::Add(add) => return transfer(&add.transfer),
        Command::Copy(copy) => return transfer(&copy.transfer),
        Command::Run(run) => return (line(&run.command), run.heredocs.clone()),
        Command::Arg(args) => args.iter().map(arg).collect::<Vec<_>>().join(" "),
        Command::Cmd(command) | Command::Entrypoint(command) => line(command),
        Command::Env(all) | Command::Label(all) => all.iter().map(pair).collect::<Vec<_>>().join(" "),
        Command::Expose(words) => joined(words),
        Command::Healthcheck(Healthcheck::None) => "NONE".to_owned(),
        Command::Healthcheck(Healthcheck::Check { command, .. }) => format!("CMD {}", line(command)),
        Command::Maintainer(word) | Command::Stopsignal(word) | Command::User(word) | Command::Workdir(word) => {
            word.text.clone()
        }
        Command::Onbuild(_) => String::new(),
        Command::Shell(words) | Command::Volume(words) => json(words),
    };
    (plain, Vec::new())
}

fn pair(pair: &Pair) -> String {
    format!("{}{}{}", pair.name.text, if pair.assigned { "=" } else { " " }, pair.value.text)
}

fn transfer(transfer: &Transfer) -> (String, Vec<Heredoc>) {
    let mut words = Vec::new();
    let mut heredocs = Vec::new();
    for source in &transfer.sources {
        match source {
            TransferSource::Path(word) => words.push(word.clone()),
            TransferSource::Heredoc(heredoc) => {
                words.push(heredoc.opener.clone());
                heredocs.push(heredoc.clone());
            }
        }
    }
    words.push(transfer.destination.clone());
    // No string of JSON holds a tab: what was words stays words.
    let joined = || words.iter().map(|word| word.text.as_str()).collect::<Vec<_>>().join("\t");
    (if transfer.json { json(&words) } else { joined() }, heredocs)
}
