//! Guesses from which folder the sources of a Dockerfile are seen.

use std::path::Path;

use crate::model::wildcard::{has_wildcard, name_matches};

/// The folder at or above `own`, below the root with `/`, `.` for the root itself, from which most of the sources are
/// there; the nearest of several. None where no source is there from any.
pub fn nearest_context(root: &Path, own: &str, sources: &[&str]) -> Option<String> {
    let mut folder = Some(own).filter(|own| *own != ".").unwrap_or_default();
    let mut best: Option<(usize, &str)> = None;
    loop {
        let there = sources.iter().filter(|source| is_there(&root.join(folder), source)).count();
        if there > best.map_or(0, |(most, _)| most) {
            best = Some((there, folder));
        }
        if folder.is_empty() {
            break;
        }
        folder = folder.rsplit_once('/').map_or("", |(above, _)| above);
    }
    best.map(|(_, folder)| if folder.is_empty() { ".".to_owned() } else { folder.to_owned() })
}

/// Whether a source of `COPY` is in a folder. The folder itself is in every one, and says nothing.
fn is_there(folder: &Path, source: &str) -> bool {
    let source = source.trim_matches('/');
    let mut components = source.split('/').filter(|component| !matches!(*component, "" | ".")).peekable();
    if components.peek().is_none() || source.split('/').any(|component| component == "..") {
        return false;
    }
    let mut at = folder.to_owned();
    for component in components {
        if has_wildcard(component) {
            let Ok(mut entries) = at.read_dir() else { return false };
            return entries.any(|entry| {
                entry.is_ok_and(|entry| entry.file_name().to_str().is_some_and(|name| name_matches(component, name)))
            });
        }
        at.push(component);
    }
    at.symlink_metadata().is_ok()
}
