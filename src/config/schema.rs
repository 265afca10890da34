//! The JSON Schema of `windlass.yaml`, made from the table of its keys.

use serde_json::{Map, Value as Json, json};

use super::keys::{FILE, HOST_LABEL, Key, Kind, Shape};
use crate::manifest::{ContainerEntry, NetworkEntry};

/// The JSON Schema of `windlass.yaml` (draft 2020-12), indented, with a line end at the end.
pub fn schema() -> String {
    let mut definitions = Map::new();
    let mut root = shape(&FILE, &mut definitions);
    root["$schema"] = json!("https://json-schema.org/draft/2020-12/schema");
    root["title"] = json!(FILE.id);
    root["$defs"] = Json::Object(definitions);
    let mut text = serde_json::to_string_pretty(&root).expect("texts, numbers and maps by text are valid JSON");
    text.push('\n');
    text
}

fn shape(shape: &Shape, definitions: &mut Map<String, Json>) -> Json {
    let Shape { id: _, about, keys, required, one_of } = shape;
    let properties: Map<String, Json> =
        keys.iter().map(|key| (key.name.to_owned(), property(key, definitions))).collect();
    let mut schema = json!({
        "description": about,
        "type": "object",
        "properties": properties,
        "patternProperties": { "^x-": {} },
        "additionalProperties": false,
    });
    if !required.is_empty() {
        schema["required"] = json!(required);
    }
    if !one_of.is_empty() {
        schema["oneOf"] = one_of.iter().map(|key| json!({ "required": [key] })).collect();
    }
    schema
}

fn property(key: &Key, definitions: &mut Map<String, Json>) -> Json {
    let Key { name: _, kind, about, default } = key;
    let mut schema = value(kind, definitions);
    schema["description"] = json!(about);
    if !default.is_empty() {
        schema["default"] = serde_json::from_str(default).expect("the defaults of the table are JSON");
    }
    schema
}

fn value(kind: &Kind, definitions: &mut Map<String, Json>) -> Json {
    match kind {
        Kind::Text => json!({ "type": "string", "minLength": 1 }),
        Kind::Written => json!({ "type": ["string", "number", "boolean"] }),
        Kind::Formed(pattern) => json!({ "type": "string", "pattern": pattern }),
        Kind::FormedOrNumber(pattern) => json!({ "type": ["string", "number"], "pattern": pattern }),
        Kind::Boolean => json!({ "type": "boolean" }),
        Kind::Integer(least, most) => json!({ "type": "integer", "minimum": least, "maximum": most }),
        Kind::Patterns => {
            // Not of the format `regex`: validators take that for the regular expressions of JavaScript.
            let pattern = value(&Kind::Written, definitions);
            json!({ "anyOf": [pattern, { "type": "array", "items": pattern }] })
        }
        Kind::List(element) => or_nothing(&json!({ "type": "array", "items": value(element, definitions) })),
        Kind::ShortList(element, least, most) => {
            let mut schema = json!({ "type": "array", "items": value(element, definitions), "minItems": least });
            if *most != usize::MAX {
                schema["maxItems"] = json!(most);
            }
            schema
        }
        Kind::Texts(keys) => or_nothing(&json!({
            "type": "object",
            "propertyNames": { "pattern": keys },
            "additionalProperties": value(&Kind::Written, definitions),
        })),
        Kind::Named(names, element) => named(names, &value(element, definitions)),
        Kind::Shape(inner) => {
            if !definitions.contains_key(inner.id) {
                // Taken before its parts are made, so that a shape within itself would end.
                definitions.insert(inner.id.to_owned(), Json::Null);
                let made = shape(inner, definitions);
                definitions.insert(inner.id.to_owned(), made);
            }
            let reference = json!({ "$ref": format!("#/$defs/{}", inner.id) });
            if inner.required.is_empty() && inner.one_of.is_empty() { or_nothing(&reference) } else { reference }
        }
        Kind::Either(one, other) => json!({ "anyOf": [value(one, definitions), value(other, definitions)] }),
        Kind::Containers => {
            let container = container(definitions);
            named(HOST_LABEL, &container)
        }
        Kind::Networks => {
            let schema = Json::Object(derived::<NetworkEntry>(definitions));
            definitions.insert("network".to_owned(), schema);
            named(HOST_LABEL, &or_nothing(&json!({ "$ref": "#/$defs/network" })))
        }
    }
}

/// Things by names that people give: keys that start with `x-` name nothing.
fn named(names: &str, element: &Json) -> Json {
    or_nothing(&json!({
        "type": "object",
        "patternProperties": { "^x-": {} },
        "propertyNames": { "anyOf": [{ "pattern": names }, { "pattern": "^x-" }] },
        "additionalProperties": element,
    }))
}

/// `key:` with nothing after it is an empty map or list.
fn or_nothing(schema: &Json) -> Json {
    json!({ "anyOf": [schema, { "type": "null" }] })
}

fn allow_points(schema: &mut Json) {
    match schema {
        Json::Object(inner) => inner.values_mut().for_each(allow_points),
        Json::Array(types) if types.contains(&json!("string")) => {
            types.iter_mut().filter(|name| **name == "integer").for_each(|name| *name = json!("number"));
        }
        Json::Array(inner) => inner.iter_mut().for_each(allow_points),
        Json::Null | Json::Bool(_) | Json::Number(_) | Json::String(_) => {}
    }
}

/// The schema of what the deploy manifest has too; what it is made of goes to the definitions.
fn derived<T: schemars::JsonSchema>(definitions: &mut Map<String, Json>) -> Map<String, Json> {
    let Json::Object(mut schema) = schemars::schema_for!(T).to_value() else {
        unreachable!("the schema of a struct is an object")
    };
    if let Some(Json::Object(inner)) = schema.remove("$defs") {
        definitions.extend(inner);
    }
    schema.retain(|key, _| !matches!(key.as_str(), "$schema" | "title"));
    schema
}

/// A container as the deploy manifest has it, with what is allowed besides in `windlass.yaml`: keys that start with
/// `x-`, and keys with nothing after them.
fn container(definitions: &mut Map<String, Json>) -> Json {
    let mut container = derived::<ContainerEntry>(definitions);
    let properties = container.get_mut("properties").and_then(Json::as_object_mut);
    for (name, property) in properties.into_iter().flatten().filter(|(name, _)| *name != "image") {
        let description = property.as_object_mut().and_then(|property| property.remove("description"));
        *property = or_nothing(property);
        property["description"] = description.unwrap_or_else(|| json!(name));
    }
    definitions.insert("container".to_owned(), Json::Object(container));
    // Numbers with a point are taken as they are written here; JSON would write them otherwise.
    definitions.values_mut().for_each(allow_points);
    for id in ["container", "HealthcheckEntry", "UpdateEntry"] {
        definitions[id]["patternProperties"] = json!({ "^x-": {} });
    }
    json!({ "$ref": "#/$defs/container" })
}
