//! What an instruction copies, before anything is copied: enough for a cache key, and what is then carried out.

use std::path::{Path, PathBuf};

use super::origin::{Origin, Seen};
use super::select::{Above, Filter, NotThere, follow, matches};
use crate::dockerfile::{TransferOf, TransferStep};

/// What one source stands for, once for each path that it finds.
pub(super) struct Chosen {
    /// The name that a file gets in a directory.
    pub(super) name: PathBuf,
    /// The entry itself, then, of a directory, all that is below it and wanted.
    pub(super) items: Vec<Item>,
}

/// One thing to copy.
pub(super) struct Item {
    /// Where it is in its origin.
    pub(super) from: PathBuf,
    /// Where it goes, seen from what was chosen; empty for that itself.
    pub(super) below: PathBuf,
    pub(super) seen: Seen,
    /// Whether it is a directory that is only there for what is in it.
    pub(super) is_on_the_way: bool,
}

/// Everything that the paths among the sources stand for, in order.
///
/// # Errors
/// When a path leads nowhere, or a pattern is none.
pub(super) fn choose(origin: &Origin<'_>, step: &TransferStep) -> anyhow::Result<Vec<Chosen>> {
    let mut chosen = Vec::new();
    for source in &step.sources {
        let TransferOf::Path(path) = source else { continue };
        if step.is_add && source.is_remote() {
            continue;
        }
        let (base, include) = match path.split_once("/./").filter(|_| step.parents) {
            Some((base, pattern)) => (base, Some(pattern)),
            None if step.parents => ("", Some(path.as_str())),
            None => (path.as_str(), None),
        };
        let filter = Filter::new(include, &step.excludes)?;
        if let (Some(include), false) = (include, crate::model::wildcard::has_wildcard(path)) {
            let wanted: PathBuf = Path::new(base).join(include.trim_start_matches('/'));
            if follow(origin, &wanted)?.is_none() {
                return Err(NotThere(crate::model::path::names(path.split('/')).iter().collect()).into());
            }
        }
        chosen.extend(chosen_of(origin, base, &filter)?);
    }
    Ok(chosen)
}

/// What one path or pattern stands for, with what is below it, but for what is excluded.
///
/// # Errors
/// As [`choose`].
pub(super) fn choose_path(origin: &Origin<'_>, path: &str, excludes: &[String]) -> anyhow::Result<Vec<Chosen>> {
    let filter = Filter::new(None, excludes)?;
    chosen_of(origin, path, &filter)
}

fn chosen_of(origin: &Origin<'_>, path: &str, filter: &Filter) -> anyhow::Result<Vec<Chosen>> {
    let chosen = matches(origin, path)?.into_iter().map(|found| {
        let name = found.named.file_name().map(PathBuf::from).unwrap_or_default();
        let mut items = Vec::new();
        add(origin, filter, &found.path, &mut items)?;
        Ok(Chosen { name, items })
    });
    chosen.collect()
}

fn add(origin: &Origin<'_>, filter: &Filter, from: &Path, items: &mut Vec<Item>) -> anyhow::Result<()> {
    let seen = origin.look(from)?;
    let is_folder = matches!(seen, Seen::Directory);
    items.push(Item { from: from.to_owned(), below: PathBuf::new(), seen, is_on_the_way: false });
    if is_folder {
        below(origin, filter, (from, Path::new("")), &Above::default(), items)?;
    }
    Ok(())
}

/// Adds what is wanted of a directory; tells whether there is anything.
fn below(
    origin: &Origin<'_>,
    filter: &Filter,
    (folder, seen_as): (&Path, &Path),
    above: &Above,
    items: &mut Vec<Item>,
) -> anyhow::Result<bool> {
    let n_before = items.len();
    for name in origin.names(folder)? {
        let (from, path) = (folder.join(&name), seen_as.join(&name));
        let said = filter.says(&path, above);
        let seen = origin.look(&from)?;
        let is_folder = matches!(seen, Seen::Directory);
        let place = items.len();
        items.push(Item { from: from.clone(), below: path.clone(), seen, is_on_the_way: !said.wanted });
        let goes_on = is_folder && said.goes_on;
        let has_any = goes_on && below(origin, filter, (&from, &path), &said.above, items)?;
        if !said.wanted && !has_any {
            items.truncate(place);
        }
    }
    Ok(items.len() > n_before)
}
