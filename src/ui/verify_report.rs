//! In what images that were built once more differ.

use serde_json::{Value, json};

use super::{Color, Paint, paint, words};
use crate::engine::embedded::{Change, Difference};
use crate::model::ImageName;

/// So many files of a layer are told. Arbitrary: what makes one differ shows in the first few.
const FILES_AT_MOST: usize = 20;

/// A line for each image, below it in what it differs, and the count.
pub fn text(verified: &[(ImageName, Vec<Difference>)], color: Color) -> String {
    let width = verified.iter().map(|(name, _)| name.as_str().len()).max().unwrap_or(0);
    let mut text = String::new();
    for (name, differences) in verified {
        let name = paint(&format!("{name:width$}", name = name.as_str()), Paint::Name, color);
        let verdict = match differences.is_empty() {
            true => paint("same", Paint::Good, color),
            false => paint("differs", Paint::Bad, color),
        };
        text.push_str(&format!("{name}  {verdict}\n"));
        differences.iter().for_each(|difference| text.push_str(&told(difference)));
    }
    let n_differ = verified.iter().filter(|(_, differences)| !differences.is_empty()).count();
    let said = match (verified.len(), n_differ) {
        (n, 0) => format!("{} came out the same", words::images(n)),
        (n, n_differ) => format!("{n_differ} of {} differ", words::images(n)),
    };
    format!("{text}\n{said}\n")
}

fn told(difference: &Difference) -> String {
    match difference {
        Difference::Configuration(key) => format!("  configuration: {key}\n"),
        Difference::Layers { before, after } => format!("  {before} layers before, {after} now\n"),
        Difference::Packing { layer, step } => {
            format!("  layer {layer}, {step}\n    the same files, packed otherwise\n")
        }
        Difference::Files { layer, step, files } => {
            let mut text = format!("  layer {layer}, {step}\n");
            for (path, change) in files.iter().take(FILES_AT_MOST) {
                text.push_str(&match change {
                    Change::Added => format!("    added    {path}\n"),
                    Change::Removed => format!("    removed  {path}\n"),
                    Change::Changed(what) => format!("    changed  {path} ({})\n", what.join(", ")),
                });
            }
            match files.len().saturating_sub(FILES_AT_MOST) {
                0 => text,
                more => text + &format!("    and {more} more\n"),
            }
        }
    }
}

/// The same as JSON, with every file.
pub fn json(verified: &[(ImageName, Vec<Difference>)]) -> String {
    let images: Vec<Value> = verified
        .iter()
        .map(|(name, differences)| {
            let differences: Vec<Value> = differences.iter().map(difference).collect();
            json!({ "image": name.as_str(), "same": differences.is_empty(), "differences": differences })
        })
        .collect();
    format!("{:#}\n", json!({ "images": images }))
}

fn difference(difference: &Difference) -> Value {
    match difference {
        Difference::Configuration(key) => json!({ "kind": "configuration", "key": key }),
        Difference::Layers { before, after } => json!({ "kind": "layers", "before": before, "after": after }),
        Difference::Packing { layer, step } => json!({ "kind": "packing", "layer": layer, "step": step }),
        Difference::Files { layer, step, files } => {
            let files: Vec<Value> = files
                .iter()
                .map(|(path, change)| match change {
                    Change::Added => json!({ "path": path, "change": "added" }),
                    Change::Removed => json!({ "path": path, "change": "removed" }),
                    Change::Changed(what) => json!({ "path": path, "change": "changed", "what": what }),
                })
                .collect();
            json!({ "kind": "files", "layer": layer, "step": step, "files": files })
        }
    }
}
