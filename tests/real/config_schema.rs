//! The JSON Schema of `windlass.yaml`, as a validator that editors use understands it, against our own reader.

use std::fs;
use std::path::Path;
use std::process::Command;

use windlass::config;
use windlass::diag::SourceText;

use crate::parts;

const SCHEMA: &str = "testdata/config/schema.json";

/// Values of an image's keys that are right.
const RIGHT: &[&str] = &[
    "context: services/api",
    "context: .",
    "{ context: a, dockerfile: ../b/Dockerfile }",
    "target: runtime",
    "args: { A: 1.10, B: true, C: '', x_1: text }",
    "args:",
    "contexts: { a: b, 'c.d/e': { image: team/f }, x-note: [] }",
    "secrets: [{ id: a.b-c_1, env: A }, { id: b, file: /run/b, x-note: 1 }]",
    "files: [{ path: a, from: { env: A }, mode: 0640, user: root, group: 33 }]",
    "files: [{ path: a, from: { text: 1 }, mode: '4755', user: '7' }]",
    "needs: [a, a.b, a_b/c--d, '1']",
    "platforms: [linux/arm64/v8]",
    "timeout: 1d2h3m4s5ms",
    "retries: 10",
    "tags: { testing: 1.10, latest: A_b-c.d, previous: '1' }",
    "labels: { a.b/c: true, d: 1 }",
    "test: { run: [{ cmd: [x, 1, -v], stdout: [a, 1], stderr: '^$', exit: 255, timeout: 1s, env: { A: 1 } }] }",
    "test: { structure: [a.yaml], healthy: 10s }",
    "test:",
    "git: https://example.com/x.git",
    "{ git: 'git@example.com:x.git', ref: v1.2, path: docker, submodules: true, dockerfile: api.Dockerfile }",
    "x-anything: { at: [all] }",
];

/// Values of an image's keys that are wrong, for the schema too.
const WRONG: &[&str] = &[
    "context: /srv",
    "context: 1",
    "context:",
    "context: [a]",
    "target: true",
    "args: [A=1]",
    "args: { A: [1] }",
    "args: { A-B: 1 }",
    "args: { A: }",
    "contexts: { 'a b': c }",
    "contexts: { a: { image: A } }",
    "contexts: { a: { path: b } }",
    "secrets: [{ id: a }]",
    "secrets: [{ env: A }]",
    "secrets: [{ id: a, env: A, file: b }]",
    "secrets: [{ id: 'a b', env: A }]",
    "secrets: [{ id: a, env: 1A }]",
    "secrets: { id: a, env: A }",
    "files: [{ path: a }]",
    "files: [{ from: { env: A } }]",
    "files: [{ path: a, from: {} }]",
    "files: [{ path: a, from: { env: A }, mode: rwx }]",
    "files: [{ path: a, from: { env: A }, user: me }]",
    "needs: a",
    "needs: [A]",
    "needs: [a//b]",
    "platforms: [linux]",
    "platforms: []",
    "platforms: [linux/amd64, linux/arm64]",
    "timeout: 30",
    "timeout: 1.5s",
    "timeout: ''",
    "timeout: 5m1h",
    "retries: 11",
    "retries: -1",
    "retries: '1'",
    "tags: { testing: '' }",
    "tags: { testing: a b }",
    "tags: { stable: a }",
    "labels: { dev.windlass.image: a }",
    "labels: { a: [] }",
    "test: { run: [{ cmd: x }] }",
    "test: { run: [{ cmd: [] }] }",
    "test: { run: [{ stdout: x }] }",
    "test: { run: [{ cmd: [x], exit: 256 }] }",
    "test: { run: [{ cmd: [x], stdout: { a: b } }] }",
    "test: { structure: a.yaml }",
    "test: { healthy: soon }",
    "git: [https://example.com/x.git]",
    "git:",
];

/// Values that only the reader finds wrong: a schema can't tell.
const WRONG_TO_THE_READER: &[&str] = &[
    "context: ../x",
    "dockerfile: Dockerfile",
    "needs: [a, a]",
    "timeout: 400d",
    "timeout: 0s",
    "files: [{ path: a, from: { env: A }, mode: 64 }]",
    "tags: { testing: latest }",
    "test: { run: [{ cmd: [x], stdout: '(' }] }",
];

/// The files that the validator refuses, by name, or all of it where it can't be told.
fn refused(files: &[String]) -> Vec<String> {
    let output = Command::new(parts::tool("check-jsonschema"))
        .args(["--schemafile", SCHEMA, "--output-format", "json"])
        .args(files)
        .current_dir(env!("CARGO_MANIFEST_DIR"))
        .output()
        .unwrap();
    let said = String::from_utf8_lossy(&output.stdout);
    let json: serde_json::Value = serde_json::from_str(&said).unwrap_or_else(|e| panic!("{e}: {said}"));
    let errors = ["errors", "parse_errors"].iter().filter_map(|list| json[list].as_array()).flatten();
    let mut names: Vec<String> = errors.map(|error| error["filename"].as_str().unwrap().to_owned()).collect();
    names.sort();
    names.dedup();
    names
}

fn is_read(text: &str) -> bool {
    config::parse(&SourceText::new("windlass.yaml", text)).is_ok()
}

#[test]
fn the_schema_is_one() {
    let mut command = Command::new(parts::tool("check-jsonschema"));
    let output = command.args(["--check-metaschema", SCHEMA]).current_dir(env!("CARGO_MANIFEST_DIR")).output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stdout));
}

#[test]
fn the_schema_and_the_reader_agree() {
    let folder = tempfile::tempdir().unwrap();
    let write = |cases: &[&str]| -> Vec<(String, String)> {
        let file = |case: &&str| {
            let image = if case.starts_with('{') { (*case).to_owned() } else { format!("\n    {case}") };
            let text = format!("version: 1\nimages:\n  api: {image}\n");
            let number = fs::read_dir(folder.path()).unwrap().count();
            let path = folder.path().join(format!("{number:03}.yaml")).to_str().unwrap().to_owned();
            fs::write(&path, &text).unwrap();
            (path, text)
        };
        cases.iter().map(file).collect()
    };
    let (right, wrong, only_reader) = (write(RIGHT), write(WRONG), write(WRONG_TO_THE_READER));
    let all: Vec<String> =
        [&right, &wrong, &only_reader].iter().flat_map(|c| c.iter().map(|(p, _)| p.clone())).collect();
    let refused = refused(&all);
    let mut findings = Vec::new();
    for (cases, by_reader, by_schema) in [(right, false, false), (wrong, true, true), (only_reader, true, false)] {
        for (path, text) in cases {
            if is_read(&text) == by_reader {
                findings.push(format!("the reader {} {text}", if by_reader { "takes" } else { "refuses" }));
            }
            if refused.contains(&path) != by_schema {
                findings.push(format!("the schema {} {text}", if by_schema { "takes" } else { "refuses" }));
            }
        }
    }
    assert!(findings.is_empty(), "{}", findings.join("\n"));
}

#[test]
fn samples_are_as_right_for_the_schema_as_for_the_reader() {
    let samples = |folder: &str| -> Vec<String> {
        let folder = Path::new("testdata/config").join(folder);
        let entries = Path::new(env!("CARGO_MANIFEST_DIR")).join(&folder).read_dir().unwrap();
        let names = entries.map(|entry| entry.unwrap().file_name().into_string().unwrap());
        let mut paths: Vec<_> = names.filter(|name| name.ends_with(".yaml")).collect();
        paths.sort();
        paths.iter().map(|name| folder.join(name).to_str().unwrap().to_owned()).collect()
    };
    assert_eq!(refused(&samples("valid")), Vec::<String>::new());
    // A schema does not see what several values say together.
    let mut invalid = samples("invalid");
    let together = "testdata/config/invalid/containers-together.yaml";
    invalid.retain(|path| path != together);
    assert_eq!(refused(&invalid), invalid);
    assert_eq!(refused(&[together.to_owned()]), Vec::<String>::new());
}
