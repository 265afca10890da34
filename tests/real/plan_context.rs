//! What belongs to a context, held against what `docker build` sends.

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;
use std::process::{Command, Stdio};

use tempfile::TempDir;
use windlass::diag::SourceText;
use windlass::model::{Node, Ranges};
use windlass::source::{ContextRequest, Folders, Repositories, list_contexts, load_contexts};

use crate::parts;

const FILES: &str = "Dockerfile a.md b.txt src/main.rs src/lib.rs src/bin/x.rs src/target/y docs/a.md docs/deep/c.md \
    docs/deep/d.txt target/z .env node_modules/x/index.js a/b/c/d a/b/e a/bb/e x[1] empty/";

fn make(root: &Path) {
    for file in FILES.split_whitespace() {
        let path = root.join(file);
        if file.ends_with('/') {
            fs::create_dir_all(path).unwrap();
        } else {
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(&path, if file == "Dockerfile" { "FROM scratch\nCOPY . /\n" } else { "x" }).unwrap();
        }
    }
}

fn docker(args: &[&str]) -> Command {
    let mut command = Command::new("docker");
    command.args(["-H", &parts::docker_host()]).args(args).env("DOCKER_BUILDKIT", "0").stderr(Stdio::piped());
    command
}

/// What arrives in an image that copies its whole context; none where the builder refuses.
fn arrived(root: &Path, image: &str) -> Option<BTreeSet<String>> {
    // The cache could hold the very same image of another test, which removes it meanwhile.
    let built = docker(&["build", "-q", "--no-cache", "-t", image]).arg(root).output().unwrap();
    if !built.status.success() {
        let said = String::from_utf8_lossy(&built.stderr);
        // With nothing to copy, and with an illegal pattern, the builder stops.
        assert!(
            said.contains("no source files") || said.contains("no such file") || said.contains("pattern"),
            "{said}"
        );
        return None;
    }
    docker(&["rm", "-f", image]).output().unwrap();
    let created = docker(&["create", "--name", image, image, "x"]).output().unwrap();
    assert!(created.status.success(), "{created:?}");
    let mut export = docker(&["export", image]).stdout(Stdio::piped()).spawn().unwrap();
    let mut archive = tar::Archive::new(export.stdout.take().unwrap());
    let paths = archive
        .entries()
        .unwrap()
        .map(|entry| entry.unwrap().path().unwrap().to_str().unwrap().trim_end_matches('/').to_owned());
    // An engine adds mount points to every container.
    let added = |path: &String| {
        ["dev", "proc", "sys", "etc"].iter().any(|top| path == top || path.starts_with(&format!("{top}/")))
            || path == ".dockerenv"
    };
    let paths = paths.filter(|path| !added(path)).collect();
    assert!(export.wait().unwrap().success());
    docker(&["rm", "-f", image]).output().unwrap();
    docker(&["rmi", "-f", image]).output().unwrap();
    Some(paths)
}

fn ours(root: &Path) -> Option<BTreeSet<String>> {
    let ignore = SourceText::new(".dockerignore", fs::read_to_string(root.join(".dockerignore")).unwrap());
    let request = ContextRequest { root: root.canonicalize().unwrap(), shown: String::new(), ignore: Some(ignore) };
    let listings = list_contexts(&Folders::of(root), &[request]).ok()?;
    Some(listings[0].entries().iter().map(|(path, _)| path.to_string()).collect())
}

/// Texts of lines chosen by a small generator of fixed seed.
fn generated(count: usize) -> Vec<String> {
    // Not here is what the clients of Docker 20.10 and 28 read in two ways: `**s`, exceptions for a folder after
    // patterns for what is in it (`docs/**`, `!docs`), and exceptions that begin with a wildcard.
    const LINES: &str = concat!(
        r"*|**|!**|*.md|**/*.md|docs|!docs/*.md|src/*|!src/bin|**/target|target/|/target|!src/target/y|./a|a/b|",
        r"!a/b/c|a/*/c|a/b*|a/**/e|?.txt|[a-c].md|[^a].txt|x\[1\]|x[1]|.*|!.env|node_modules|**/x*|a/../src|#src|",
        r" src|! src/lib.rs|empty|!Dockerfile|Dockerfile|.dockerignore||",
    );
    let mut state = 42_u64;
    let mut next = |bound: usize| {
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (state >> 33) as usize % bound
    };
    let lines: Vec<&str> = LINES.split('|').collect();
    (0..count).map(|_| (0..1 + next(5)).map(|_| format!("{}\n", lines[next(lines.len())])).collect()).collect()
}

#[test]
fn a_context_holds_what_docker_build_sends() {
    let folder = TempDir::new().unwrap();
    make(folder.path());
    let mut differences = Vec::new();
    for (i, text) in generated(25).into_iter().enumerate() {
        fs::write(folder.path().join(".dockerignore"), &text).unwrap();
        let (ours, theirs) = (ours(folder.path()), arrived(folder.path(), &format!("plan-ignore-{i}")));
        let nothing = BTreeSet::new();
        let (ours, theirs) = (ours.unwrap_or_default(), theirs.unwrap_or(nothing));
        if ours != theirs {
            let ours_only: Vec<_> = ours.difference(&theirs).collect();
            let theirs_only: Vec<_> = theirs.difference(&ours).collect();
            differences.push(format!("{text}ours only: {ours_only:?}\ntheirs only: {theirs_only:?}\n"));
        }
    }
    assert!(differences.is_empty(), "{}", differences.join("\n"));
}

#[test]
fn a_file_of_2_gib_is_hashed_in_little_memory() {
    let folder = TempDir::new().unwrap();
    let file = fs::File::create(folder.path().join("large")).unwrap();
    file.set_len(2 << 30).unwrap();
    let peak = || {
        let status = fs::read_to_string("/proc/self/status").unwrap();
        let line = status.lines().find(|line| line.starts_with("VmHWM:")).unwrap();
        line.split_whitespace().nth(1).unwrap().parse::<u64>().unwrap()
    };
    let before = peak();
    let request = ContextRequest { root: folder.path().canonicalize().unwrap(), shown: String::new(), ignore: None };
    let (folders, requests) = (Folders::of(folder.path()), [request]);
    let listings = list_contexts(&folders, &requests).unwrap();
    let nodes =
        load_contexts(&folders, Repositories::default(), &requests, listings, &[Ranges::from(0..1)]).unwrap().nodes;
    let (_, node) = nodes[0].first().unwrap();
    assert!(matches!(node, Node::File { size: 2_147_483_648, .. }), "{node:?}");
    let more = peak().saturating_sub(before);
    assert!(more < 50_000, "{more} kB more");
}
