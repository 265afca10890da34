//! The containers below `deploy`: written as in a deploy manifest, checked by its rules, pointed at in `windlass.yaml`.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use serde::Deserialize as _;
use serde_json::Value as Json;

use super::read::Findings;
use super::yaml::{Entry, Node, Scalar, ScalarKind, Value};
use crate::diag::{Diagnostic, Diagnostics, Location, SourceText, Span, did_you_mean};
use crate::manifest::{
    ContainerEntry, ContainerSpec, Externals, Network, NetworkEntry, NetworkSpec, Part, PathStep, Problem,
    validate_containers, validate_networks,
};
use crate::model::{ContainerName, ImageName, ProjectName};

/// The keys of a container whose values have known keys too, so that `x-` may stand in them.
const WITH_KEYS: [&str; 2] = ["healthcheck", "update"];

/// Stands for an image where none is given or another key is read by itself.
const ANY_IMAGE: &str = "any";

/// What runs on hosts.
#[derive(Debug, Clone, Default)]
pub struct Deploy {
    entries: BTreeMap<String, ContainerEntry>,
    network_entries: BTreeMap<String, NetworkEntry>,
    networks: BTreeMap<String, Network>,
    project: Option<ProjectName>,
    /// Where the containers are written.
    written: Option<(Arc<SourceText>, Node)>,
}

impl Deploy {
    /// The containers as they are written, by name.
    pub fn entries(&self) -> &BTreeMap<String, ContainerEntry> {
        &self.entries
    }

    /// The networks as they are written, by name.
    pub fn network_entries(&self) -> &BTreeMap<String, NetworkEntry> {
        &self.network_entries
    }

    /// The networks, checked, by name.
    pub fn networks(&self) -> &BTreeMap<String, Network> {
        &self.networks
    }

    /// Where the image of a container is written.
    pub fn image_place(&self, container: &ContainerName) -> Option<Location> {
        let (source, node) = self.written.as_ref()?;
        let value = |node: &'_ Node, key: &str| match &node.value {
            Value::Map(entries) => entries.iter().find(|entry| entry.key == key).map(|entry| entry.value.clone()),
            Value::List(_) | Value::Scalar(_) => None,
        };
        let image = value(&value(node, container.as_str())?, "image")?;
        Some(Location::new(source, image.span))
    }

    /// The containers, checked, with their defaults.
    ///
    /// # Errors
    /// What is wrong with them once all images of the project are known: one that is named is none of these.
    pub fn containers(
        &self,
        images: &BTreeSet<ImageName>,
    ) -> Result<BTreeMap<ContainerName, ContainerSpec>, Diagnostics> {
        let Some((source, node)) = &self.written else { return Ok(BTreeMap::new()) };
        validate_containers(self.project.as_ref(), &self.entries, images, &self.networks, Externals::Named).map_err(
            |problems| {
                let mut findings = Findings::new(source);
                for problem in problems {
                    say(&mut findings, node, problem);
                }
                findings.into_diagnostics()
            },
        )
    }

    /// Reads the containers and says what is wrong with them whichever images there are.
    pub(super) fn read(
        findings: &mut Findings,
        node: Option<&Node>,
        networks: Option<&Node>,
        project: Option<ProjectName>,
        images: &BTreeSet<ImageName>,
    ) -> Self {
        let network_entries = networks.map(|node| read_networks(findings, node)).unwrap_or_default();
        let networks = validate_networks(&network_entries).unwrap_or_else(|problems| {
            problems.into_iter().zip(networks.iter().cycle()).for_each(|(problem, node)| say(findings, node, problem));
            // One that is wrong is a network nevertheless: that is one mistake, not two.
            let names = network_entries.keys().cloned();
            names.map(|name| (name, Network::Own(NetworkSpec::default()))).collect()
        });
        let Some(node) = node else { return Self { network_entries, networks, project, ..Self::default() } };
        let written = findings.map(node, "a map of containers by name").unwrap_or_default();
        let written = written.iter().filter(|entry| !entry.key.starts_with("x-"));
        let entries: BTreeMap<String, ContainerEntry> =
            written.map(|entry| (entry.key.clone(), container(findings, entry))).collect();
        // Discovery may know more images than the file: any name may be one of them.
        let named = entries.values().filter_map(|entry| entry.image.parse().ok());
        let images = images.iter().cloned().chain(named).collect();
        for problem in validate_containers(project.as_ref(), &entries, &images, &networks, Externals::Named)
            .err()
            .into_iter()
            .flatten()
        {
            say(findings, node, problem);
        }
        Self {
            entries,
            network_entries,
            networks,
            project,
            written: Some((Arc::clone(findings.source()), node.clone())),
        }
    }
}

/// The networks that can be read.
fn read_networks(findings: &mut Findings, node: &Node) -> BTreeMap<String, NetworkEntry> {
    let written = findings.map(node, "a map of networks by name").unwrap_or_default();
    let mut all = BTreeMap::new();
    for entry in written.iter().filter(|entry| !entry.key.starts_with("x-")) {
        let is_nothing = entry.value.is_nothing();
        let json = if is_nothing { Json::Object(serde_json::Map::new()) } else { to_json(&entry.value, true) };
        let outcome = match json {
            Json::Object(_) => NetworkEntry::deserialize(json).map_err(|error| error.to_string()),
            _ => Err("invalid type: something else, expected a map".to_owned()),
        };
        match outcome {
            Ok(read) => drop(all.insert(entry.key.clone(), read)),
            Err(error) => {
                let owner = format!("network `{}`", entry.key);
                let said = unreadable(findings.source(), &owner, &entry.key, entry, &error);
                findings.add(said);
            }
        }
    }
    all
}

/// One container. Every key is read by itself, so that each says what is wrong with it; the container is then what
/// is right in it.
fn container(findings: &mut Findings, entry: &Entry) -> ContainerEntry {
    let owner = format!("container `{}`", entry.key);
    let entries = findings.map(&entry.value, &format!("a map with the keys of {owner}"));
    if entries.is_some_and(|entries| !entries.iter().any(|entry| entry.key == "image")) {
        findings.error(entry.key_span, format!("{owner} has no `image`"), "");
    }
    let mut object = serde_json::Map::from_iter([("image".to_owned(), Json::from(ANY_IMAGE))]);
    for inner in entries.unwrap_or_default().iter().filter(|entry| !entry.key.starts_with("x-")) {
        // `key:` with nothing after it is as good as no key, as everywhere in the file.
        if inner.value.is_nothing() && inner.key != "image" && known_keys().contains(&inner.key) {
            continue;
        }
        if let Some(json) = readable(findings, &owner, inner) {
            object.insert(inner.key.clone(), json);
        }
    }
    ContainerEntry::deserialize(Json::Object(object)).expect("what can be read by itself can be read together")
}

/// The value of a container's key, if it can be read.
fn readable(findings: &mut Findings, owner: &str, entry: &Entry) -> Option<Json> {
    let Entry { key, value, .. } = entry;
    let has_keys = WITH_KEYS.contains(&key.as_str());
    let mut read = |json: &Json, at: &Entry| {
        let alone = [("image".to_owned(), Json::from(ANY_IMAGE)), (key.clone(), json.clone())];
        let outcome = ContainerEntry::deserialize(Json::Object(alone.into_iter().collect()));
        let Err(error) = outcome else { return true };
        let said = unreadable(findings.source(), owner, key, at, &error.to_string());
        findings.add(said);
        false
    };
    let json = to_json(value, has_keys);
    match (&value.value, &json) {
        (Value::Map(inner), Json::Object(object)) => {
            let inner = inner.iter().filter_map(|entry| object.get(&entry.key).map(|json| (entry, json)));
            let alone = |entry: &Entry, json: &Json| Json::from_iter([(entry.key.clone(), json.clone())]);
            let right = inner.filter(|(entry, json)| read(&alone(entry, json), entry));
            let right = right.map(|(entry, json)| (entry.key.clone(), json.clone())).collect();
            read(&right, entry).then_some(right)
        }
        _ => read(&json, entry).then_some(json),
    }
}

/// The keys of a container, as serde names them when it meets one that it does not know.
fn known_keys() -> Vec<String> {
    let schema = schemars::schema_for!(ContainerEntry);
    let properties = schema.get("properties").and_then(Json::as_object);
    properties.map(|properties| properties.keys().cloned().collect()).unwrap_or_default()
}

/// The value as JSON. Numbers that JSON would write otherwise stay texts, as they are written.
fn to_json(node: &Node, has_keys: bool) -> Json {
    match &node.value {
        Value::List(nodes) => nodes.iter().map(|node| to_json(node, false)).collect(),
        Value::Map(entries) => {
            let passed_over = |entry: &&Entry| !(has_keys && entry.key.starts_with("x-"));
            let entries = entries.iter().filter(passed_over);
            Json::Object(entries.map(|entry| (entry.key.clone(), to_json(&entry.value, false))).collect())
        }
        Value::Scalar(scalar) => scalar_to_json(scalar),
    }
}

fn scalar_to_json(scalar: &Scalar) -> Json {
    match scalar.kind() {
        ScalarKind::Nothing => Json::Null,
        ScalarKind::Boolean(value) if scalar.text == value.to_string() => Json::Bool(value),
        ScalarKind::Integer(value) if scalar.text == value.to_string() => Json::from(value),
        ScalarKind::Boolean(_) | ScalarKind::Integer(_) | ScalarKind::Number | ScalarKind::Text => {
            Json::from(scalar.text.as_str())
        }
    }
}

/// What serde says about the value of one key, in our words and at its place.
fn unreadable(source: &Arc<SourceText>, owner: &str, key: &str, at: &Entry, said: &str) -> Diagnostic {
    let Entry { key: inner, key_span, value } = at;
    let words: Vec<&str> = said.split('`').skip(1).step_by(2).collect();
    match words.as_slice() {
        [unknown, known @ ..] if said.starts_with("unknown field") => {
            let (span, owner) = match find_key(value, unknown) {
                _ if *unknown == key => (*key_span, owner.to_owned()),
                _ if unknown == inner => (*key_span, format!("`{key}`")),
                Some(deeper) => (deeper, format!("`{inner}`")),
                None => (*key_span, format!("`{key}`")),
            };
            let hint = match did_you_mean(unknown, known.iter().copied()) {
                Some(near) => format!("did you mean `{near}`?"),
                None => format!("its keys are {}", super::read::quoted(known)),
            };
            Diagnostic::error(format!("unknown key `{unknown}` of {owner}")).at(source, span, "").hint(hint)
        }
        [unknown, known @ ..] if said.starts_with("unknown variant") => {
            let hint = match did_you_mean(unknown, known.iter().copied()) {
                Some(near) => format!("did you mean `{near}`?"),
                None => format!("it is one of {}", super::read::quoted(known)),
            };
            let span = find_text(value, unknown).unwrap_or(value.span);
            Diagnostic::error(format!("`{unknown}` means nothing for `{inner}`")).at(source, span, "").hint(hint)
        }
        _ => {
            let message = match said.strip_prefix("invalid type: ").and_then(|said| said.split_once(", expected ")) {
                Some((found, expected)) => format!("expected {}, found {}", in_words(expected), in_words(found)),
                None => format!("`{inner}` of {owner} can't be read: {said}"),
            };
            Diagnostic::error(message).at(source, first(value), "")
        }
    }
}

/// serde's names of types in ours.
fn in_words(name: &str) -> String {
    match name {
        "sequence" | "a sequence" => "a list".to_owned(),
        "map" => "a map".to_owned(),
        "null" => "nothing".to_owned(),
        "a string" | "a text (a number with a point has to be quoted)" => "a text".to_owned(),
        "a boolean" => "`true` or `false`".to_owned(),
        "u32" => "a whole number from 0".to_owned(),
        // The value follows: `string "many"`, `` integer `5` ``.
        _ => match name.split_once(' ') {
            Some(("string", text)) => format!("the text `{}`", text.trim_matches('"')),
            Some(("integer", number)) => format!("the number {number}"),
            Some(("boolean", value)) => format!("the boolean {value}"),
            _ => name.to_owned(),
        },
    }
}

/// Where a value starts: the whole of it where it is short.
fn first(node: &Node) -> Span {
    match &node.value {
        Value::Scalar(_) => node.span,
        Value::List(nodes) => nodes.first().map_or(node.span, first),
        Value::Map(entries) => entries.first().map_or(node.span, |entry| entry.key_span),
    }
}

fn find_key(node: &Node, key: &str) -> Option<Span> {
    match &node.value {
        Value::Scalar(_) => None,
        Value::List(nodes) => nodes.iter().find_map(|node| find_key(node, key)),
        Value::Map(entries) => entries
            .iter()
            .find_map(|entry| if entry.key == key { Some(entry.key_span) } else { find_key(&entry.value, key) }),
    }
}

fn find_text(node: &Node, text: &str) -> Option<Span> {
    match &node.value {
        Value::Scalar(scalar) => (scalar.text == text).then_some(node.span),
        Value::List(nodes) => nodes.iter().find_map(|node| find_text(node, text)),
        Value::Map(entries) => entries.iter().find_map(|entry| find_text(&entry.value, text)),
    }
}

/// Says a problem at its place: as far along its path as the text goes.
fn say(findings: &mut Findings, containers: &Node, problem: Problem) {
    let Problem { path, part, message, hint } = problem;
    let mut node = containers;
    let mut span = containers.span;
    for step in &path {
        let next = match (step, &node.value) {
            (PathStep::Key(key), Value::Map(entries)) => {
                entries.iter().find(|entry| entry.key == *key).map(|entry| (&entry.value, entry.key_span))
            }
            // A list of names is the short form of a map.
            (PathStep::Key(key), Value::List(nodes)) => {
                nodes.iter().find(|node| find_text(node, key).is_some()).map(|node| (node, node.span))
            }
            (PathStep::Index(index), Value::List(nodes)) => nodes.get(*index).map(|node| (node, node.span)),
            (PathStep::Index(_), Value::Map(_)) | (_, Value::Scalar(_)) => None,
        };
        let Some((value, key_span)) = next else { break };
        node = value;
        span = match (part, &value.value) {
            (Part::Value, Value::Scalar(_)) if !value.is_nothing() => value.span,
            (Part::Key | Part::Value, _) => key_span,
        };
    }
    let diagnostic = Diagnostic { hint, ..Diagnostic::error(message).at(findings.source(), span, "") };
    findings.add(diagnostic);
}
