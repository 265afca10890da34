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

const DOCUMENTATION: &str = "docs/configuration.md";
const MADE_BELOW: &str = "UPDATE_EXPECT=1 cargo test writes it. -->\n";

#[test]
fn the_documentation_has_every_key() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join(DOCUMENTATION);
    let text = fs::read_to_string(&path).unwrap();
    let (by_hand, _) = text.split_once(MADE_BELOW).unwrap();
    let schema: Value = serde_json::from_str(&config::schema()).unwrap();
    let mut made = String::new();
    section(&mut made, &schema, "The file", &schema);
    // In the order in which one leads to the next.
    for id in [
        "tags",
        "defaults",
        "image",
        "named_context",
        "secret",
        "file",
        "file_from",
        "test",
        "run",
        "deploy",
        "container",
        "network",
        "AttachmentEntry",
        "DependencyEntry",
        "FileEntry",
        "HealthcheckEntry",
        "LoggingEntry",
        "ProbeEntry",
        "SubnetEntry",
        "UpdateEntry",
    ] {
        section(&mut made, &schema, id, &schema["$defs"][id]);
    }
    expect_file![path].assert_eq(&format!("{by_hand}{MADE_BELOW}{made}"));
    let shown = schema["$defs"].as_object().unwrap().keys().filter(|id| !made.contains(&format!("## {id}\n")));
    let not_shown: Vec<_> = shown.filter(|id| schema["$defs"][id]["properties"].is_object()).collect();
    assert!(not_shown.is_empty(), "{not_shown:?}");
}

fn section(out: &mut String, root: &Value, title: &str, shape: &Value) {
    use std::fmt::Write as _;
    let about = shape["description"].as_str().unwrap().replace('\n', " ");
    write!(out, "\n## {title}\n\n{about}\n\n| key | value | meaning |\n|---|---|---|\n").unwrap();
    let required = |key: &str| shape["required"].as_array().is_some_and(|keys| keys.iter().any(|k| k == key));
    for (key, property) in shape["properties"].as_object().unwrap() {
        let must = if required(key) { " (must be given)" } else { "" };
        let about = property["description"].as_str().unwrap().replace('\n', " ");
        let default = match &property["default"] {
            Value::Null => String::new(),
            default => format!(" Default: `{default}`."),
        };
        let meaning = format!("{about}{default}").replace('|', "\\|");
        writeln!(out, "| `{key}`{must} | {} | {meaning} |", kind(root, property)).unwrap();
    }
}

/// What a value is, in a few words.
fn kind(root: &Value, schema: &Value) -> String {
    let list = |key: &str| schema[key].as_array().map(Vec::as_slice).unwrap_or_default();
    if let Some(reference) = schema["$ref"].as_str() {
        let id = reference.trim_start_matches("#/$defs/");
        return match root["$defs"][id]["properties"].is_object() {
            true => format!("[{id}](#{})", id.to_lowercase()),
            false => kind(root, &root["$defs"][id]),
        };
    }
    let alternatives: Vec<String> = [list("anyOf"), list("oneOf")].concat().iter().map(|s| kind(root, s)).collect();
    if !alternatives.is_empty() {
        let named: BTreeSet<&str> = alternatives.iter().map(String::as_str).filter(|kind| *kind != "nothing").collect();
        return Vec::from_iter(named).join(" or ");
    }
    if let Some(word) = schema["const"].as_str() {
        return format!("`{word}`");
    }
    if !list("enum").is_empty() {
        return list("enum")
            .iter()
            .map(|word| format!("`{}`", word.as_str().unwrap()))
            .collect::<Vec<_>>()
            .join(" or ");
    }
    let types = match &schema["type"] {
        Value::Array(types) => types.iter().filter_map(Value::as_str).collect(),
        other => Vec::from_iter(other.as_str()),
    };
    let of = |inner: &Value| match kind(root, inner).as_str() {
        "" => String::new(),
        kind => format!(" of {kind}"),
    };
    let in_words = |name: &str| match name {
        "array" => format!("list{}", of(&schema["items"])),
        "object" => format!("map{}", of(&schema["additionalProperties"])),
        "boolean" => "`true` or `false`".to_owned(),
        "integer" => match (&schema["minimum"], &schema["maximum"]) {
            (Value::Null, _) | (_, Value::Null) => "number".to_owned(),
            (least, most) if least == most => format!("`{least}`"),
            (least, most) => format!("number from {least} to {most}"),
        },
        "string" => "text".to_owned(),
        _ => "nothing".to_owned(),
    };
    // Numbers and booleans that may stand for texts are texts.
    let is_text = types.contains(&"string");
    let stands = |name: &&str| !(is_text && matches!(*name, "number" | "integer" | "boolean")) && *name != "null";
    let mut words: Vec<String> = types.into_iter().filter(stands).map(in_words).collect();
    if words.is_empty() {
        words.push("nothing".to_owned());
    }
    words.join(" or ")
}

#[test]
fn examples_of_the_documentation_are_read() {
    let text = fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join(DOCUMENTATION)).unwrap();
    let examples: Vec<&str> = text.split("```yaml\n").skip(1).map(|rest| rest.split("```").next().unwrap()).collect();
    assert!(examples.len() > 3);
    for example in examples {
        parse(example).unwrap_or_else(|said| panic!("{said}\n{example}"));
    }
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

#[test]
fn what_is_said_is_bounded() {
    let said = |text: &str| parse(text).unwrap_err().0;
    let long = said(&format!("version: 1\n{}: x\n", "ä".repeat(500_000)));
    assert!(long.iter().all(|said| said.message.len() < 600));
    let many: String = (0..50_000).map(|n| format!("key{n}: x\n")).collect();
    let many = said(&format!("version: 1\n{many}"));
    assert_eq!((many.len(), many[100].message.as_str()), (101, "49900 more errors are not shown"));
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
