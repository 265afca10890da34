//! `windlass.yaml` as people write it: what is read, and what is said about what can't be.

use std::fs;
use std::path::{Path, PathBuf};

use expect_test::expect_file;
use windlass::config;
use windlass::diag::SourceText;

fn folder(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("testdata/config").join(name)
}

/// The names and texts of the YAML files of a folder, in the order of their names.
fn samples(name: &str) -> Vec<(String, String)> {
    let mut paths: Vec<_> = fs::read_dir(folder(name)).unwrap().map(|entry| entry.unwrap().path()).collect();
    paths.retain(|path| path.extension().is_some_and(|extension| extension == "yaml"));
    paths.sort();
    assert!(!paths.is_empty(), "no samples in {name}");
    let stem = |path: &Path| path.file_stem().unwrap().to_str().unwrap().to_owned();
    paths.iter().map(|path| (stem(path), fs::read_to_string(path).unwrap())).collect()
}

#[test]
fn what_is_right_is_read() {
    for (name, text) in samples("valid") {
        let config = config::parse(&SourceText::new("windlass.yaml", text)).unwrap_or_else(|e| panic!("{name}:\n{e}"));
        assert_eq!(config.warnings, [], "{name}");
    }
}

#[test]
fn the_schema_is_as_published() {
    expect_file![folder("schema.json")].assert_eq(&config::schema());
}
