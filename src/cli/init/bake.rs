//! The targets of a file of docker buildx bake, in JSON or HCL.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::{Map, Value};

use super::declared::{Target, TargetContext};
use super::hcl;
use crate::config::ProjectPath;

/// The targets of a JSON file.
pub(super) fn json(file: &str, text: &str, notes: &mut Vec<String>) -> Result<Vec<Target>, String> {
    let parsed: Value = serde_json::from_str(text).map_err(|error| error.to_string())?;
    let variables = parsed["variable"].as_object().into_iter().flatten();
    let variables = variables.filter_map(|(name, variable)| Some((name.clone(), scalar(&variable["default"])?)));
    let variables: BTreeMap<String, String> = variables.collect();
    let targets = parsed["target"].as_object().cloned().unwrap_or_default();
    let targets = targets.into_iter().map(|(name, target)| (name, interpolated(target, &variables))).collect();
    Ok(self::targets(file, &targets, notes))
}

/// The targets of an HCL file.
pub(super) fn hcl(file: &str, text: &str, notes: &mut Vec<String>) -> Result<Vec<Target>, String> {
    let targets = hcl::targets(file, text, notes)?;
    Ok(self::targets(file, &targets, notes))
}

/// The value with `${NAME}` replaced in all of its texts; what asks for more than a variable's default is left out.
fn interpolated(value: Value, variables: &BTreeMap<String, String>) -> Value {
    match value {
        Value::String(text) => text_of(&text, variables).map_or(Value::Null, Value::String),
        Value::Array(values) => values.into_iter().map(|value| interpolated(value, variables)).collect(),
        Value::Object(fields) => {
            fields.into_iter().map(|(name, value)| (name, interpolated(value, variables))).collect()
        }
        other => other,
    }
}

fn text_of(text: &str, variables: &BTreeMap<String, String>) -> Option<String> {
    let mut pieces = text.split("${");
    let mut out = pieces.next().unwrap_or_default().to_owned();
    for piece in pieces {
        let (name, rest) = piece.split_once('}')?;
        out.push_str(variables.get(name.trim())?);
        out.push_str(rest);
    }
    Some(out)
}

/// The targets that make an image: those that others inherit from alone, `_common`, have no Dockerfile of their own.
fn targets(file: &str, targets: &Map<String, Value>, notes: &mut Vec<String>) -> Vec<Target> {
    let inherited: BTreeSet<&str> = targets.values().flat_map(|target| texts(&target["inherits"])).collect();
    let mut found = Vec::new();
    for name in targets.keys().filter(|name| !name.starts_with('_')) {
        let target = whole(name, targets, &mut Vec::new());
        let names_image = ["dockerfile", "context", "tags"].iter().any(|key| targets[name].get(key).is_some());
        if inherited.contains(name.as_str()) && !names_image {
            continue;
        }
        match read(file, name, &target) {
            Some(target) => found.push(target),
            None => notes.push(format!("`{name}` of {file} is passed over: its context is no folder of the project")),
        }
    }
    found
}

/// A target with what it inherits; what comes later counts, and its own fields before all.
fn whole(name: &str, targets: &Map<String, Value>, above: &mut Vec<String>) -> Map<String, Value> {
    let mut whole = Map::new();
    let Some(own) = targets.get(name).and_then(Value::as_object) else { return whole };
    if above.iter().any(|seen| seen == name) {
        return whole;
    }
    above.push(name.to_owned());
    for parent in own.get("inherits").into_iter().flat_map(texts) {
        merge(&mut whole, self::whole(parent, targets, above));
    }
    above.pop();
    merge(&mut whole, own.clone());
    whole
}

/// Maps are merged, everything else is replaced.
fn merge(into: &mut Map<String, Value>, from: Map<String, Value>) {
    for (name, value) in from {
        match (into.get_mut(&name), value) {
            (Some(Value::Object(into)), Value::Object(fields)) => merge(into, fields),
            (_, value) => drop(into.insert(name, value)),
        }
    }
}

fn read(file: &str, name: &str, target: &Map<String, Value>) -> Option<Target> {
    let text = |key: &str| target.get(key).and_then(Value::as_str);
    if target.get("dockerfile-inline").is_some() || target.get("context").is_some_and(|context| !context.is_string()) {
        return None;
    }
    let context = text("context").unwrap_or(".");
    if context.contains("://") {
        return None;
    }
    let context = ProjectPath::ROOT.join(context).ok()?;
    let dockerfile = context.join(text("dockerfile").unwrap_or("Dockerfile")).ok()?.below_root()?.clone();
    let pairs = |key: &str| target.get(key).and_then(Value::as_object).into_iter().flatten();
    let contexts = pairs("contexts").filter_map(|(name, context)| {
        let context = match context.as_str()?.split_once(':') {
            Some(("target", target)) => TargetContext::Target(target.to_owned()),
            Some(_) => return None,
            None => TargetContext::Folder(ProjectPath::ROOT.join(context.as_str()?).ok()?),
        };
        Some((name.clone(), context))
    });
    Some(Target {
        file: file.to_owned(),
        name: name.to_owned(),
        context,
        dockerfile,
        args: pairs("args").filter_map(|(name, value)| Some((name.clone(), scalar(value)?))).collect(),
        target: text("target").filter(|target| !target.is_empty()).map(str::to_owned),
        tags: target.get("tags").into_iter().flat_map(texts).map(str::to_owned).collect(),
        contexts: contexts.collect(),
    })
}

fn texts(value: &Value) -> impl Iterator<Item = &str> {
    value.as_array().into_iter().flatten().filter_map(Value::as_str)
}

fn scalar(value: &Value) -> Option<String> {
    match value {
        Value::String(text) => Some(text.clone()),
        Value::Number(number) => Some(number.to_string()),
        Value::Bool(yes) => Some(yes.to_string()),
        Value::Null | Value::Array(_) | Value::Object(_) => None,
    }
}
