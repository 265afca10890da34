//! Our reader of Dockerfiles against the official one: BuildKit's parser in Go, by way of the Python package `dockerfile`
//! (3.4.0: heredocs are in it), on every Dockerfile in `testdata`.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command as Process;
use std::sync::Arc;

use serde_json::{Value, json};
use windlass::diag::SourceText;
use windlass::dockerfile::{
    ArgDeclaration, Command, CommandLine, Dockerfile, Flag, Healthcheck, Heredoc, Instruction, Pair,
};
use windlass::dockerfile::{Transfer, TransferSource, Word, parse};

use crate::parts;

/// Asks the official parser about all files at once: what it reads, or what it refuses.
const ASK: &str = r#"
import dockerfile, json, sys

def heredoc(h):
    return {"name": h.name, "fd": h.file_descriptor, "content": h.content}

def command(c):
    return {
        "cmd": c.cmd, "sub_cmd": c.sub_cmd, "json": c.json, "lines": [c.start_line, c.end_line],
        "flags": list(c.flags), "value": list(c.value), "heredocs": [heredoc(h) for h in c.heredocs],
    }

def read(path):
    with open(path, encoding="utf-8", newline="") as f:
        try:
            return [command(c) for c in dockerfile.parse_string(f.read())]
        except dockerfile.GoParseError as e:
            return str(e)

print(json.dumps([read(path) for path in sys.argv[1:]]))
"#;

/// Files of which the official parser says something else, and why we do not.
const MEANT: &[(&str, &str)] = &[
    ("heredoc-blank.Dockerfile", "`<< EOF` with a blank opens a heredoc in today's BuildKit; this parser is older"),
    (
        "json-trailing.Dockerfile",
        "text behind a JSON array makes it no array in today's BuildKit; this parser drops it",
    ),
];

#[test]
fn we_read_what_the_official_parser_reads() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("testdata/dockerfiles");
    let mut paths: Vec<PathBuf> = fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()).collect();
    paths.sort();
    assert!(paths.len() >= 100, "{} Dockerfiles in testdata", paths.len());
    let output = Process::new(parts::tool("python3")).args(["-c", ASK]).args(&paths).output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let answers: Vec<Value> = serde_json::from_slice(&output.stdout).unwrap();
    let mut differences = Vec::new();
    for (path, theirs) in paths.iter().zip(&answers) {
        let name = path.file_name().unwrap().to_str().unwrap();
        let source = SourceText::new(name, fs::read_to_string(path).unwrap());
        let parsed = parse(&source);
        let ours = ours(&parsed.dockerfile);
        let is_meant = MEANT.iter().any(|(meant, _)| *meant == name);
        let theirs = theirs.as_array().map_or_else(|| vec![theirs.clone()], |commands| global_args_first(commands));
        if (ours == theirs) == is_meant {
            let errors: Vec<String> = parsed.diagnostics.iter().map(ToString::to_string).collect();
            let at = ours.iter().zip(&theirs).position(|(a, b)| a != b).unwrap_or(ours.len().min(theirs.len()));
            let show = |all: &[Value]| all.get(at).map_or("nothing".to_owned(), ToString::to_string);
            differences.push(format!("{name}\n  ours   {}\n  theirs {}\n  {errors:?}", show(&ours), show(&theirs)));
        }
    }
    assert!(differences.is_empty(), "{} differences\n{}", differences.len(), differences.join("\n"));
}

/// What the official parser reports, with the arguments before the first `FROM` as one list: we keep no more of them.
fn global_args_first(commands: &[Value]) -> Vec<Value> {
    let n_global = commands.iter().take_while(|command| command["cmd"] == "ARG").count();
    let (global, rest) = commands.split_at(n_global);
    let args: Vec<Value> = global.iter().flat_map(|command| command["value"].as_array().cloned().unwrap()).collect();
    [Value::Array(args)].into_iter().chain(rest.iter().cloned().map(with_capitals)).collect()
}

/// A command with its keywords in capitals: we do not keep in which case they are written.
fn with_capitals(mut command: Value) -> Value {
    let raise = |word: &mut Value| {
        if let Some(text) = word.as_str() {
            *word = Value::String(text.to_uppercase());
        }
    };
    raise(&mut command["cmd"]);
    raise(&mut command["sub_cmd"]);
    if command["cmd"] == "FROM" && command["value"].as_array().unwrap().len() == 3 {
        raise(&mut command["value"][1]);
    } else if command["cmd"] == "HEALTHCHECK" || command["sub_cmd"] == "HEALTHCHECK" {
        raise(&mut command["value"][0]);
    }
    command
}

/// A Dockerfile as the official parser would report it.
fn ours(dockerfile: &Dockerfile) -> Vec<Value> {
    let mut all: Vec<Value> = vec![json!(args(&dockerfile.global_args))];
    for stage in &dockerfile.stages {
        let mut value = vec![stage.base.text.clone()];
        if let Some(name) = &stage.name {
            let written = &dockerfile.source.text()[name.span.range()];
            value.extend(["AS".to_owned(), written.to_owned()]);
        }
        let flags: Vec<String> = stage.platform.iter().map(|word| format!("--platform={}", word.text)).collect();
        let lines = [line(&dockerfile.source, stage.span.start), line(&dockerfile.source, stage.span.end)];
        all.push(json!({
            "cmd": "FROM", "sub_cmd": null, "json": false, "lines": lines,
            "flags": flags, "value": value, "heredocs": [],
        }));
        all.extend(stage.instructions.iter().map(|i| instruction(dockerfile, i)));
    }
    all
}

fn line(source: &Arc<SourceText>, offset: usize) -> usize {
    source.line_column(offset).0
}

fn instruction(dockerfile: &Dockerfile, instruction: &Instruction) -> Value {
    // Of ONBUILD the official parser reports the inner instruction, but flags and heredocs of the outer one, and it has
    // none.
    let (command, sub_command, flags, heredocs) = match &instruction.command {
        Command::Onbuild(inner) => (&inner.command, Some(inner.command.keyword()), Vec::new(), Vec::new()),
        command => (command, None, instruction.flags.iter().map(flag).collect(), heredocs(command)),
    };
    let (value, json) = value(dockerfile, command);
    let span = instruction.span;
    json!({
        "cmd": instruction.command.keyword(),
        "sub_cmd": sub_command,
        "json": json,
        "lines": [line(&dockerfile.source, span.start), line(&dockerfile.source, span.end)],
        "flags": flags,
        "value": value,
        "heredocs": heredocs,
    })
}

fn flag(flag: &Flag) -> String {
    let name = &flag.name.text;
    flag.value.as_ref().map_or_else(|| format!("--{name}"), |value| format!("--{name}={}", value.text))
}

fn heredocs(command: &Command) -> Vec<Value> {
    let of = |heredoc: &Heredoc| json!({"name": heredoc.name, "fd": heredoc.file_descriptor, "content": heredoc.content.text});
    let of_sources = |transfer: &Transfer| {
        let heredocs = transfer.sources.iter().filter_map(|source| match source {
            TransferSource::Heredoc(heredoc) => Some(of(heredoc)),
            TransferSource::Path(_) => None,
        });
        heredocs.collect()
    };
    match command {
        Command::Run(run) => run.heredocs.iter().map(of).collect(),
        Command::Copy(copy) => of_sources(&copy.transfer),
        Command::Add(add) => of_sources(&add.transfer),
        _ => Vec::new(),
    }
}

/// The arguments, and whether they are JSON.
fn value(dockerfile: &Dockerfile, command: &Command) -> (Vec<String>, bool) {
    let texts = |words: &[Word]| words.iter().map(|word| word.text.clone()).collect::<Vec<_>>();
    let line = |line: &CommandLine| match line {
        CommandLine::Shell(word) if word.text.is_empty() => (Vec::new(), false),
        CommandLine::Shell(word) => (vec![word.text.clone()], false),
        CommandLine::Exec(words) => (texts(words), true),
    };
    let pairs = |pairs: &[Pair]| {
        let both = pairs.iter().flat_map(|pair| [pair.name.text.clone(), pair.value.text.clone()]);
        (both.collect(), false)
    };
    let transfer = |transfer: &Transfer| {
        let sources = transfer.sources.iter().map(|source| match source {
            TransferSource::Path(word) => word.text.clone(),
            TransferSource::Heredoc(heredoc) => heredoc.opener.text.clone(),
        });
        (sources.chain([transfer.destination.text.clone()]).collect(), transfer.json)
    };
    match command {
        Command::Add(add) => transfer(&add.transfer),
        Command::Copy(copy) => transfer(&copy.transfer),
        Command::Arg(declarations) => (args(declarations), false),
        Command::Cmd(command) | Command::Entrypoint(command) => line(command),
        Command::Run(run) => line(&run.command),
        Command::Env(all) | Command::Label(all) => pairs(all),
        Command::Expose(words) => (texts(words), false),
        Command::Healthcheck(Healthcheck::None) => (vec!["NONE".to_owned()], false),
        Command::Healthcheck(Healthcheck::Check { command, .. }) => {
            let (value, json) = line(command);
            (["CMD".to_owned()].into_iter().chain(value).collect(), json)
        }
        Command::Maintainer(word) | Command::Stopsignal(word) | Command::User(word) | Command::Workdir(word) => {
            (vec![word.text.clone()], false)
        }
        Command::Onbuild(_) => (Vec::new(), false),
        Command::Shell(words) => (texts(words), true),
        Command::Volume(words) => (texts(words), is_json(dockerfile, words)),
    }
}

fn args(declarations: &[ArgDeclaration]) -> Vec<String> {
    let written = declarations.iter().map(|arg| match &arg.default {
        Some(default) => format!("{}={}", arg.name.text, default.text),
        None => arg.name.text.clone(),
    });
    written.collect()
}

/// Whether words stand in a JSON array: we do not keep that where it makes no difference.
fn is_json(dockerfile: &Dockerfile, words: &[Word]) -> bool {
    words.first().is_some_and(|word| dockerfile.source.text()[..word.span.start].trim_end().ends_with('['))
}
