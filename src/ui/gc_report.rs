//! What `windlass gc` did.

use super::words;
use crate::engine::embedded::store::Collected;

/// The names that were taken away, a line each, then how much went and stayed.
pub fn text(collected: &Collected) -> String {
    let Collected { removed, kept, names } = collected;
    let lines: String = names.iter().map(|name| format!("untagged  {name}\n")).collect();
    format!("{lines}removed {}, kept {}\n", words::size(*removed), words::size(*kept))
}

/// The same as JSON, sizes in bytes.
pub fn json(collected: &Collected) -> String {
    let Collected { removed, kept, names } = collected;
    let json = serde_json::json!({ "removed": removed, "kept": kept, "untagged": names });
    format!("{json:#}\n")
}
