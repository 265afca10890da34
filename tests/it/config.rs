//! `windlass.yaml` as people write it: what is read, and what is said about what can't be.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

use expect_test::expect_file;
use proptest::prelude::*;
use proptest::sample::Index;
use serde_json::Value;
use windlass::config::{self, Config};
use windlass::diag::{Diagnostics, SourceText};
use windlass::ui;

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
        let config = parse(&text).unwrap_or_else(|e| panic!("{name}:\n{e}"));
        assert_eq!(config.warnings, [], "{name}");
    }
}

fn parse(text: &str) -> Result<Config, Diagnostics> {
    config::parse(&SourceText::new("windlass.yaml", text))
}

/// What holds, as `windlass config` writes it.
#[test]
fn what_holds_is_written_out_and_reads_back() {
    for (name, text) in samples("valid") {
        let written = config::effective(&parse(&text).unwrap()).to_yaml();
        expect_file![folder("valid").join(format!("{name}.effective"))].assert_eq(&written);
        let again = parse(&written).unwrap_or_else(|said| panic!("{name}:\n{said}\n{written}"));
        assert_eq!(config::effective(&again).to_yaml(), written, "{name}");
        let from_json = parse(&config::effective(&again).to_json()).unwrap();
        assert_eq!(config::effective(&from_json).to_yaml(), written, "{name}");
    }
}

/// The schema and the reader know the same keys: what is read of a file with every key has every key of the schema.
#[test]
fn every_key_of_the_schema_is_read() {
    let schema: Value = serde_json::from_str(&config::schema()).unwrap();
    let (_, full) = samples("valid").into_iter().find(|(name, _)| name == "full").unwrap();
    let holds: Value = serde_json::from_str(&config::effective(&parse(&full).unwrap()).to_json()).unwrap();
    let mut read = BTreeSet::new();
    visit(&schema, "the file", &schema, &holds, &mut read);
    let definitions = schema["$defs"].as_object().unwrap().iter().map(|(id, shape)| (id.as_str(), shape));
    let mut missing = Vec::new();
    for (owner, shape) in definitions.chain([("the file", &schema)]) {
        for (key, property) in shape["properties"].as_object().into_iter().flatten() {
            assert!(property["description"].as_str().is_some_and(|text| !text.is_empty()), "`{key}` says nothing");
            if !read.contains(&(owner.to_owned(), key.clone())) {
                missing.push(format!("`{key}` of {owner}"));
            }
        }
    }
    assert!(missing.is_empty(), "{missing:#?}");
}

/// Notes the keys of the value under the shape of the schema that they belong to.
fn visit(root: &Value, owner: &str, schema: &Value, value: &Value, read: &mut BTreeSet<(String, String)>) {
    if let Some(id) = schema["$ref"].as_str().and_then(|reference| reference.strip_prefix("#/$defs/")) {
        visit(root, id, &root["$defs"][id], value, read);
    }
    for one in ["anyOf", "oneOf"].iter().filter_map(|of| schema[of].as_array()).flatten() {
        visit(root, owner, one, value, read);
    }
    for item in value.as_array().into_iter().flatten() {
        visit(root, owner, &schema["items"], item, read);
    }
    for (key, inner) in value.as_object().into_iter().flatten() {
        if let Some(property) = schema["properties"].get(key) {
            read.insert((owner.to_owned(), key.clone()));
            visit(root, owner, property, inner, read);
        } else {
            visit(root, owner, &schema["additionalProperties"], inner, read);
        }
    }
}

/// Whatever is wrong is pointed at inside of the text, and can be shown.
fn must_not_panic(text: &str) {
    if let Err(Diagnostics(said)) = parse(text) {
        assert!(!said.is_empty());
        for (location, _) in said.iter().flat_map(|said| said.primary.iter().chain(&said.related)) {
            assert!(text.get(location.span.range()).is_some(), "{:?} of {text:?}", location.span);
        }
        ui::diagnostics(&said, ui::Color::Always);
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 300, ..ProptestConfig::default() })]

    #[test]
    fn no_text_makes_the_reader_panic(text in any::<String>()) {
        must_not_panic(&text);
        must_not_panic(&format!("version: 1\n{text}"));
    }

    #[test]
    fn no_mistake_in_a_file_makes_the_reader_panic(
        sample in any::<Index>(), at in any::<Index>(), length in 0..20_usize,
        piece in prop_oneof!["[-a0:.{}\\[\\],'\"*&<>|!#~ \n\t]{0,6}", any::<String>()],
        other in any::<Index>(),
    ) {
        let samples = [samples("valid"), samples("invalid")].concat();
        let text: Vec<char> = sample.get(&samples).1.chars().collect();
        let at = at.index(text.len() + 1);
        let end = (at + length).min(text.len());
        let mutated = |piece: &str| -> String {
            text[..at].iter().copied().chain(piece.chars()).chain(text[end..].iter().copied()).collect()
        };
        must_not_panic(&mutated(&piece));
        // A line of another sample in place of what was there.
        let lines: Vec<&str> = samples.iter().flat_map(|(_, text)| text.lines()).collect();
        must_not_panic(&mutated(lines[other.index(lines.len())]));
    }
}

#[test]
fn what_is_wrong_is_all_said_and_pointed_at() {
    for (name, text) in samples("invalid") {
        let said = match parse(&text) {
            Ok(_) => panic!("{name}.yaml is read"),
            Err(Diagnostics(said)) => ui::diagnostics(&said, ui::Color::Never),
        };
        expect_file![folder("invalid").join(format!("{name}.txt"))].assert_eq(&said);
    }
}

#[test]
fn the_schema_is_as_published() {
    expect_file![folder("schema.json")].assert_eq(&config::schema());
}
