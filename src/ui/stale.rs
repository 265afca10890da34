//! The names that stand for something else than windlass.lock says, for people and programs.

use std::collections::BTreeSet;

use schemars::{JsonSchema, Schema};
use serde::Serialize;

use super::{Color, Paint, paint};
use crate::model::{ContainerName, ImageName};

/// The version of the JSON. It grows when something that is there changes its meaning or leaves.
pub const VERSION: u32 = 1;

/// A name whose entry is not, or no longer, what the name stands for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Stale {
    /// The name, as Dockerfiles give it.
    pub name: String,
    /// What the lock file says; none where it says nothing.
    pub locked: Option<String>,
    /// What is behind the name now; none where nothing is behind it any more.
    pub now: Option<String>,
    /// The images of the project that are made from it.
    pub images: BTreeSet<ImageName>,
    /// The containers that run it.
    pub containers: BTreeSet<ContainerName>,
}

/// What `windlass plan --stale --format json` prints.
#[derive(Debug, Clone, Serialize, JsonSchema)]
pub struct StaleJson {
    /// The version of this shape: 1.
    pub version: u32,
    /// The names that stand for something else than windlass.lock says, sorted; empty where there is none.
    pub stale: Vec<NameJson>,
}

/// A name that stands for something else than windlass.lock says.
#[derive(Debug, Clone, Serialize, JsonSchema)]
pub struct NameJson {
    /// The name as Dockerfiles give it, their arguments filled in.
    pub name: String,
    /// What windlass.lock says; null where it says nothing.
    pub locked: Option<String>,
    /// What is behind the name now; null where nothing is.
    pub now: Option<String>,
    /// The images of the project that are made from it, by name.
    pub images: Vec<String>,
    /// The containers of `deploy` that run it, by name.
    pub containers: Vec<String>,
}

/// The names in their wire form.
pub fn json(names: &[Stale]) -> StaleJson {
    let name = |Stale { name, locked, now, images, containers }: &Stale| NameJson {
        name: name.clone(),
        locked: locked.clone(),
        now: now.clone(),
        images: images.iter().map(ToString::to_string).collect(),
        containers: containers.iter().map(ToString::to_string).collect(),
    };
    StaleJson { version: VERSION, stale: names.iter().map(name).collect() }
}

/// The JSON Schema of [`StaleJson`].
pub fn schema() -> Schema {
    schemars::schema_for!(StaleJson)
}

/// A line a name.
pub fn text(names: &[Stale], color: Color) -> String {
    if names.is_empty() {
        return "every name stands for what windlass.lock says\n".to_owned();
    }
    let rows: Vec<[String; 4]> = names.iter().map(row).collect();
    let head = ["NAME", "LOCKED", "NOW", "MADE FROM IT"].map(str::to_owned);
    let width = |column: usize| rows.iter().chain([&head]).map(|row| row[column].chars().count()).max().unwrap_or(0);
    let widths = [width(0), width(1), width(2)];
    let line = |[name, locked, now, images]: &[String; 4], color: Color| {
        let [name_width, locked_width, now_width] = widths;
        let name = paint(&format!("{name:name_width$}"), Paint::Name, color);
        format!("{name}  {locked:locked_width$}  {now:now_width$}  {images}\n")
    };
    rows.iter().fold(line(&head, Color::Never), |text, row| text + &line(row, color))
}

fn row(Stale { name, locked, now, images, containers }: &Stale) -> [String; 4] {
    let containers = containers.iter().map(|container| format!("(container {container})"));
    let images: Vec<String> = images.iter().map(ToString::to_string).chain(containers).collect();
    let locked = locked.as_deref().map_or("not locked", short);
    [name.clone(), locked.to_owned(), now.as_deref().map_or("gone", short).to_owned(), images.join(" ")]
}

/// As much of a digest as a person compares.
fn short(digest: &str) -> &str {
    let hex = digest.strip_prefix("sha256:").unwrap_or(digest);
    hex.get(..12).unwrap_or(hex)
}
