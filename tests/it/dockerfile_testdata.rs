//! Every Dockerfile of `testdata`, by itself: it is read without errors, and so is what it means.

use std::fmt::Write as _;
use std::fs;
use std::path::{Path, PathBuf};

use expect_test::expect;

use crate::dockerfile::{With, resolved};

/// The Dockerfiles of `testdata`, with their names, in order.
pub(crate) fn testdata() -> Vec<(String, String)> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("testdata/dockerfiles");
    let mut paths: Vec<PathBuf> = fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()).collect();
    paths.sort();
    paths
        .iter()
        .map(|path| (path.file_name().unwrap().to_str().unwrap().to_owned(), fs::read_to_string(path).unwrap()))
        .collect()
}

#[test]
fn each_says_what_it_shows() {
    let all = testdata();
    assert!(all.len() >= 100, "{} Dockerfiles", all.len());
    for (name, text) in all {
        let comments = text.lines().filter(|line| line.trim_start_matches('\u{feff}').starts_with('#'));
        let says = |line: &str| line.trim_end().ends_with('.') && line.contains(' ');
        assert!(comments.take(4).any(says), "{name}: no comment says what it shows");
    }
}

#[test]
fn what_is_said_about_them() {
    let mut shown = String::new();
    for (name, text) in testdata() {
        let (_, said) = resolved(&text, &With::default());
        for line in said.lines() {
            writeln!(shown, "{}", line.replacen("Dockerfile", &name, 1)).unwrap();
        }
    }
    expect![[r#"
        comments-in-continuation.Dockerfile:9:1: warning: an empty line inside a continued instruction
          hint: remove it, or make it a comment: Docker will refuse it some day
        crlf-mixed.Dockerfile:7:1: warning: an empty line inside a continued instruction
          hint: remove it, or make it a comment: Docker will refuse it some day
        empty-lines-in-continuation.Dockerfile:4:1: warning: an empty line inside a continued instruction
          hint: remove it, or make it a comment: Docker will refuse it some day
        empty-lines-in-continuation.Dockerfile:6:1: warning: an empty line inside a continued instruction
          hint: remove it, or make it a comment: Docker will refuse it some day
        stage-same-name-twice.Dockerfile:4:16: warning: two stages are named `a`
    "#]]
    .assert_eq(&shown);
}
