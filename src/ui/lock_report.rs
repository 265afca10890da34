//! What became of windlass.lock.

use std::collections::{BTreeMap, BTreeSet};

use super::{Color, Paint, paint, words};
use crate::config::Lock;

/// A line for every entry that came, went or changed, and the counts.
pub fn text(former: &Lock, now: &Lock, color: Color) -> String {
    let (former, now) = (entries(former), entries(now));
    let names: BTreeSet<&String> = former.keys().chain(now.keys()).collect();
    let changes = names.into_iter().filter_map(|name| match (former.get(name), now.get(name)) {
        (None, Some(new)) => Some(("added", Paint::Good, name, new.clone())),
        (Some(_), None) => Some(("removed", Paint::Hint, name, String::new())),
        (Some(old), Some(new)) if old != new => Some(("updated", Paint::Hint, name, format!("{old} -> {new}"))),
        (Some(_), Some(_)) | (None, None) => None,
    });
    let changes: Vec<_> = changes.collect();
    let width = changes.iter().map(|(_, _, name, _)| name.len()).max().unwrap_or(0);
    let mut text = String::new();
    for (word, meaning, name, what) in &changes {
        let word = paint(&format!("{word:7}"), *meaning, color);
        let name = paint(&format!("{name:width$}"), Paint::Name, color);
        text.push_str(format!("{word}  {name}  {what}").trim_end());
        text.push('\n');
    }
    let said = match (now.len(), changes.len()) {
        (0, 0) => "nothing to lock".to_owned(),
        (n, 0) => format!("windlass.lock is as it should be: {}", words::names(n)),
        (n, n_changes) => format!("\nwindlass.lock: {}, {}", words::names(n), words::changes(n_changes)),
    };
    text + &said + "\n"
}

/// Each name, and what stands behind it as far as it tells one from another.
fn entries(lock: &Lock) -> BTreeMap<String, String> {
    let Lock { bases, http, git } = lock;
    let bases = bases.iter().map(|(reference, base)| {
        let platforms: Vec<String> = base.platforms.keys().map(ToString::to_string).collect();
        (reference.to_string(), format!("{} {}", base.digest.short(), platforms.join(" ")))
    });
    let git = git.iter().map(|(pin, commit)| (pin.to_string(), commit.short().to_owned()));
    let http = http.iter().map(|(url, digest)| (url.without_query().to_owned(), digest.hex()[..12].to_owned()));
    bases.chain(http).chain(git).collect()
}
