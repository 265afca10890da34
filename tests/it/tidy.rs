//! The law of the house: layers, file sizes, words. `ARCHITECTURE.md` explains, this file decides.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

/// What each layer may import, besides itself.
const LAYERS: &[(&str, &[&str])] = &[
    ("model", &[]),
    ("diag", &[]),
    ("graph", &[]),
    ("event", &["model"]),
    ("dockerfile", &["model", "diag"]),
    ("manifest", &["model", "diag", "graph"]),
    ("config", &["model", "diag", "manifest"]),
    ("hash", &["model"]),
    ("plan", &["model", "diag", "graph", "dockerfile", "config", "hash"]),
    ("source", &["model", "diag"]),
    ("docker", &["model"]),
    ("registry", &["model"]),
    ("engine", &["model", "diag", "event", "dockerfile", "docker", "registry"]),
    ("apply", &["model", "event", "graph", "manifest", "docker", "registry"]),
    ("pipeline", &["model", "event", "plan", "manifest", "engine", "registry"]),
    (
        "ui",
        &[
            "model",
            "diag",
            "graph",
            "event",
            "dockerfile",
            "config",
            "manifest",
            "hash",
            "plan",
            "source",
            "docker",
            "registry",
            "engine",
            "apply",
            "pipeline",
        ],
    ),
    (
        "ci",
        &[
            "model",
            "diag",
            "graph",
            "event",
            "dockerfile",
            "config",
            "manifest",
            "hash",
            "plan",
            "source",
            "docker",
            "registry",
            "engine",
            "apply",
            "pipeline",
            "ui",
        ],
    ),
];

/// Files that touch nothing outside the process: no file, socket, clock, environment or task.
const PURE: &[&str] = &[
    "src/model/",
    "src/diag/",
    "src/graph/",
    "src/event/",
    "src/dockerfile/",
    "src/config/",
    "src/manifest/",
    "src/hash/",
    "src/plan/",
    "src/apply/diff",
    "src/apply/desired",
    "src/apply/files",
    "src/apply/gc",
    "src/apply/hosts_file",
    "src/apply/progress",
    "src/apply/state",
    "src/apply/status",
    "src/apply/step",
    "src/apply/undo",
    "src/pipeline/schedule",
    "src/pipeline/promote",
];

/// What a pure file may not name.
const IMPURE: &[&str] = &[
    "std::fs",
    "std::env",
    "TcpStream",
    "UnixStream",
    "std::process",
    "std::thread",
    "tokio",
    "SystemTime",
    "Instant",
    "bollard",
];

/// Words that say that work is not done, or that name nothing.
const WORDS: &[&str] = &[
    "TODO",
    "FIXME",
    "XXX",
    "todo!",
    "unimplemented!",
    "for now",
    "simplified",
    "in a real implementation",
    "placeholder",
    "service image",
    "mod utils",
    "mod helpers",
    "mod common",
    "mod manager",
    "mod handler",
];

const LINES_AT_MOST: usize = 400;

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

fn files_below(folder: &Path, extension: &str) -> Vec<PathBuf> {
    let mut files = Vec::new();
    let mut folders = vec![folder.to_owned()];
    while let Some(folder) = folders.pop() {
        let Ok(entries) = fs::read_dir(&folder) else { continue };
        for entry in entries {
            let path = entry.unwrap().path();
            if path.is_dir() {
                if path.file_name().unwrap() != "target" {
                    folders.push(path);
                }
            } else if path.extension().is_some_and(|e| e == extension) {
                files.push(path);
            }
        }
    }
    files.sort();
    files
}

/// The file's path below the project, and its text.
fn sources(folder: &str, extension: &str) -> Vec<(String, String)> {
    let relative = |path: &Path| path.strip_prefix(root()).unwrap().to_str().unwrap().to_owned();
    let files = files_below(&root().join(folder), extension);
    files.iter().map(|path| (relative(path), fs::read_to_string(path).unwrap())).collect()
}

fn without_comments(text: &str) -> impl Iterator<Item = (usize, &str)> {
    text.lines().enumerate().map(|(i, line)| (i + 1, line)).filter(|(_, line)| !line.trim_start().starts_with("//"))
}

fn report(findings: &[String]) {
    assert!(findings.is_empty(), "\n{}\n", findings.join("\n"));
}

#[test]
fn layers_import_only_downwards() {
    let layers: BTreeMap<&str, &[&str]> = LAYERS.iter().copied().collect();
    let import = |line: &str| -> Vec<String> {
        line.match_indices("crate::")
            .map(|(at, _)| line[at + 7..].chars().take_while(|c| c.is_alphanumeric() || *c == '_').collect())
            .collect()
    };
    let mut findings = Vec::new();
    for (path, text) in sources("src", "rs") {
        let Some((layer, _)) = path.strip_prefix("src/").unwrap().split_once('/') else { continue };
        if layer == "cli" {
            continue;
        }
        let Some(allowed) = layers.get(layer) else {
            findings.push(format!("{path}: `{layer}` is no layer of the table"));
            continue;
        };
        for (line_number, line) in without_comments(&text) {
            for import in import(line) {
                if import != layer && !allowed.contains(&import.as_str()) {
                    findings.push(format!("{path}:{line_number}: `{layer}` may not import `{import}`"));
                }
            }
        }
    }
    report(&findings);
}

#[test]
fn pure_files_touch_nothing_outside() {
    let mut findings = Vec::new();
    for (path, text) in sources("src", "rs").into_iter().filter(|(path, _)| PURE.iter().any(|p| path.starts_with(p))) {
        for (line_number, line) in without_comments(&text) {
            for word in IMPURE.iter().filter(|w| line.contains(**w)) {
                findings.push(format!("{path}:{line_number}: a pure file names `{word}`"));
            }
        }
    }
    report(&findings);
}

/// A test that no `mod` names is compiled by nobody and missed by nobody.
#[test]
fn every_test_file_is_named() {
    let mut findings = Vec::new();
    for program in ["tests/it", "tests/real"] {
        let main = fs::read_to_string(root().join(program).join("main.rs")).unwrap();
        for entry in fs::read_dir(root().join(program)).unwrap() {
            let name = entry.unwrap().file_name().into_string().unwrap();
            let Some(module) = name.strip_suffix(".rs").filter(|module| *module != "main") else { continue };
            if !main.lines().any(|line| line == format!("mod {module};")) {
                findings.push(format!("{program}/main.rs has no `mod {module};`"));
            }
        }
    }
    report(&findings);
}

#[test]
fn files_are_short() {
    let mut findings = Vec::new();
    for (path, text) in sources("src", "rs") {
        let code = text.split("\n#[cfg(test)]\nmod tests").next().unwrap();
        let n_lines = code.lines().count();
        if n_lines > LINES_AT_MOST {
            findings.push(format!("{path}: {n_lines} lines, {LINES_AT_MOST} at most"));
        }
    }
    report(&findings);
}

#[test]
fn words_are_plain_and_nothing_is_half_done() {
    let mut findings = Vec::new();
    let texts = ["src", "tests/fuzz"].iter().flat_map(|folder| sources(folder, "rs"));
    for (path, text) in texts {
        for (i, line) in text.lines().enumerate() {
            for word in WORDS.iter().filter(|w| line.contains(**w)) {
                findings.push(format!("{path}:{}: `{word}`", i + 1));
            }
            if line.contains("#[allow(") || line.contains("#![allow(") {
                findings.push(format!("{path}:{}: `allow`: write `expect` with a reason", i + 1));
            }
        }
    }
    report(&findings);
}
