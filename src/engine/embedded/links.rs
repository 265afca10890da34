//! Where a path leads below a root that is not this process's: symbolic links are followed inside it. For whoever only
//! looks; who opens files that others filled goes by [`Root`](super::beneath::Root).

use std::ffi::{OsStr, OsString};
use std::path::{Component, Path, PathBuf};

use rustix::io::Errno;

/// As many links the kernel follows (`MAXSYMLINKS`).
pub(super) const LINKS_AT_MOST: usize = 40;

/// Where a path leads, links on the way followed, and the last one too where `target` tells of it. `target` is asked what
/// a link leads to, with the path so far and whether it is the last; of what is no link it tells nothing. Nothing leads
/// out. What is not there is taken as it is written.
///
/// # Errors
/// Those of `target`, and `ELOOP` after more than `links_at_most` links.
pub(super) fn follow<E: From<Errno>>(
    path: &Path,
    links_at_most: usize,
    mut target: impl FnMut(&Path, bool) -> Result<Option<PathBuf>, E>,
) -> Result<PathBuf, E> {
    let mut at = PathBuf::new();
    let mut links_left = links_at_most;
    let mut rest = components(path);
    rest.reverse();
    while let Some(part) = rest.pop() {
        if part == ".." {
            at.pop();
            continue;
        }
        let next = at.join(&part);
        let Some(target) = target(&next, rest.is_empty())? else {
            at = next;
            continue;
        };
        links_left = links_left.checked_sub(1).ok_or(Errno::LOOP)?;
        if target.is_absolute() {
            at.clear();
        }
        rest.extend(components(&target).into_iter().rev());
    }
    Ok(at)
}

/// The components of a path that is seen from the root, `..` included.
pub(super) fn components(path: &Path) -> Vec<OsString> {
    let parts = path.components().filter_map(|component| match component {
        Component::Normal(name) => Some(name),
        Component::ParentDir => Some(OsStr::new("..")),
        Component::RootDir | Component::CurDir | Component::Prefix(_) => None,
    });
    parts.map(OsStr::to_owned).collect()
}
