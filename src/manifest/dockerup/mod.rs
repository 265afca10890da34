//! Files of dockerup (barchart/dockerup): its `dockerup.conf`, and containers as its `containers.d` and EC2 user-data have
//! them, in our words. What stands in the field is read as dockerup meant it; a key that says nothing is warned of.

mod conf;
mod translate;
mod words;

use std::collections::BTreeMap;
use std::sync::Arc;

use serde_json::{Map, Value};

pub use conf::{DockerupConf, dockerup_conf};
pub use translate::LOGS as DOCKERUP_LOGS;

use super::ContainerEntry;
use super::locate::locate;
use super::problem::{Part, PathStep};
use super::read::unreadable;
use crate::diag::{Diagnostic, Diagnostics, Location, SourceText};

/// Containers of dockerup, in our words.
#[derive(Debug, Default)]
pub struct Dockerup {
    /// The containers by their names with us.
    pub containers: BTreeMap<String, ContainerEntry>,
    /// Where each stands.
    pub places: BTreeMap<String, Location>,
    /// What is not as it was written, and why.
    pub warnings: Vec<Diagnostic>,
}

/// Reads files with containers: one a file, or several below `containers`. Where `pull` is false no image is pulled.
///
/// # Errors
/// Everything that can't be read or makes no sense; two containers of one name among it.
pub fn dockerup_containers(sources: &[Arc<SourceText>], pull: bool) -> Result<Dockerup, Diagnostics> {
    let (mut read, mut errors) = (Dockerup::default(), Vec::new());
    for source in sources {
        match serde_json::from_str::<Value>(source.text()) {
            Err(error) => errors.push(unreadable(source, &error, "file of dockerup")),
            Ok(value) => {
                for (path, value) in entries(value) {
                    let mut at = At { source, path, errors: &mut errors, warnings: &mut read.warnings };
                    let Some((name, entry)) = translate::container(&mut at, &value, pull) else { continue };
                    if read.containers.contains_key(&name) {
                        at.error(Some("name"), format!("there are two containers `{name}`"));
                    }
                    let place = locate(source.text(), &at.path, Part::Value);
                    read.places.insert(name.clone(), Location::new(source, place));
                    read.containers.insert(name, entry);
                }
            }
        }
    }
    if errors.is_empty() { Ok(read) } else { Err(Diagnostics(errors)) }
}

/// The containers of a file, with where they stand.
fn entries(value: Value) -> Vec<(Vec<PathStep>, Value)> {
    match value {
        Value::Object(mut map) if map.get("containers").is_some_and(Value::is_array) && !map.contains_key("image") => {
            let Some(Value::Array(list)) = map.remove("containers") else { return Vec::new() };
            let path = |index| vec![PathStep::Key("containers".to_owned()), PathStep::Index(index)];
            list.into_iter().enumerate().map(|(index, value)| (path(index), value)).collect()
        }
        one => vec![(Vec::new(), one)],
    }
}

/// Where the reading stands, and what was found.
struct At<'a> {
    source: &'a Arc<SourceText>,
    path: Vec<PathStep>,
    errors: &'a mut Vec<Diagnostic>,
    warnings: &'a mut Vec<Diagnostic>,
}

impl At<'_> {
    fn place(&self, diagnostic: Diagnostic, key: Option<&str>, part: Part) -> Diagnostic {
        let path: Vec<PathStep> =
            self.path.iter().cloned().chain(key.map(|key| PathStep::Key(key.to_owned()))).collect();
        diagnostic.at(self.source, locate(self.source.text(), &path, part), "")
    }

    /// Says what is wrong with the value of a key, or with the container.
    fn error(&mut self, key: Option<&str>, message: impl Into<String>) {
        let error = self.place(Diagnostic::error(message), key, Part::Value);
        self.errors.push(error);
    }

    /// Says what is not as it was written.
    fn warn(&mut self, key: &str, message: impl Into<String>) {
        let warning = self.place(Diagnostic::warning(message), Some(key), Part::Key);
        self.warnings.push(warning);
    }

    /// Walks into an item of a list.
    fn item<T>(&mut self, key: &str, index: usize, walk: impl FnOnce(&mut At<'_>) -> T) -> T {
        let path = self.path.iter().cloned().chain([PathStep::Key(key.to_owned()), PathStep::Index(index)]).collect();
        walk(&mut At { source: self.source, path, errors: self.errors, warnings: self.warnings })
    }

    /// The map that stands here.
    fn map<'v>(&mut self, value: &'v Value) -> Option<&'v Map<String, Value>> {
        let map = value.as_object();
        if map.is_none() {
            self.error(None, "expected a map");
        }
        map
    }

    /// A text, number or truth value as the text that it was written as; nothing where there is none.
    fn text(&mut self, map: &Map<String, Value>, key: &str) -> Option<String> {
        match map.get(key)? {
            Value::Null => None,
            Value::String(text) => Some(text.clone()),
            Value::Number(number) => Some(number.to_string()),
            Value::Bool(value) => Some(value.to_string()),
            Value::Array(_) | Value::Object(_) => {
                self.error(Some(key), "expected a text or a number");
                None
            }
        }
    }

    /// A truth value, however it was written.
    fn truth(&mut self, map: &Map<String, Value>, key: &str) -> Option<bool> {
        match self.text(map, key)?.to_ascii_lowercase().as_str() {
            "true" | "yes" | "1" => Some(true),
            "false" | "no" | "0" => Some(false),
            _ => {
                self.error(Some(key), "expected `true` or `false`");
                None
            }
        }
    }

    /// The items of a list.
    fn list<'v>(&mut self, map: &'v Map<String, Value>, key: &str) -> &'v [Value] {
        match map.get(key) {
            None | Some(Value::Null) => &[],
            Some(Value::Array(list)) => list,
            Some(_) => {
                self.error(Some(key), "expected a list");
                &[]
            }
        }
    }

    /// The texts of a map.
    fn texts(&mut self, map: &Map<String, Value>, key: &str) -> BTreeMap<String, String> {
        let inner = match map.get(key) {
            None | Some(Value::Null) => return BTreeMap::new(),
            Some(Value::Object(inner)) => inner,
            Some(_) => {
                self.error(Some(key), "expected a map");
                return BTreeMap::new();
            }
        };
        let path = self.path.iter().cloned().chain([PathStep::Key(key.to_owned())]).collect();
        let mut at = At { source: self.source, path, errors: self.errors, warnings: self.warnings };
        inner.keys().filter_map(|key| Some((key.clone(), at.text(inner, key)?))).collect()
    }

    /// Warns of keys that nobody reads.
    fn known(&mut self, map: &Map<String, Value>, known: &[&str]) {
        for key in map.keys().filter(|key| !known.contains(&key.as_str())) {
            self.warn(key, format!("`{key}` says nothing to dockerup, and nothing here"));
        }
    }
}
