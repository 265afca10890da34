//! What the sources of `COPY` and `ADD` stand for (moby/buildkit, `dispatchCopy` and `solver/llbsolver/file`;
//! tonistiigi/fsutil, `copy`). What comes before the first wildcard is followed through symbolic links, and so is what
//! a pattern finds; links between wildcards are not.

use std::path::{Path, PathBuf};

use rustix::io::Errno;

use super::origin::{Origin, Seen};
use crate::engine::embedded::links;
use crate::model::wildcard::{has_wildcard, name_matches};
use crate::model::{MatchedAbove, PathPatterns};

/// A path that leads through more links than this leads nowhere (containerd/continuity, `fs.RootPath`).
const LINKS_AT_MOST: usize = 255;

/// Something that a source stands for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Match {
    /// The path that was named, its last name the one that a copy gets.
    pub(super) named: PathBuf,
    /// Where that leads.
    pub(super) path: PathBuf,
}

/// A source leads to nothing.
#[derive(Debug, thiserror::Error)]
#[error("`/{}` is not there", .0.display())]
pub(super) struct NotThere(pub(super) PathBuf);

/// The paths that a pattern stands for, in order; none where it has wildcards and finds nothing.
///
/// # Errors
/// When a path without wildcards leads nowhere, or the origin can't be read.
pub(super) fn matches(origin: &Origin<'_>, pattern: &str) -> anyhow::Result<Vec<Match>> {
    let parts: Vec<String> = crate::model::path::names(pattern.split('/'));
    let n_plain = parts.iter().take_while(|part| !has_wildcard(part)).count();
    let base: PathBuf = parts[..n_plain].iter().collect();
    if n_plain == parts.len() {
        let path = follow(origin, &base)?.ok_or_else(|| NotThere(base.clone()))?;
        return Ok(vec![Match { named: base, path }]);
    }
    let Some(followed) = follow(origin, &base)? else { return Err(NotThere(base).into()) };
    let mut found = vec![followed];
    for (i, part) in parts.iter().enumerate().skip(n_plain) {
        let is_last = i + 1 == parts.len();
        let mut next = Vec::new();
        for folder in found {
            for name in origin.names(&folder)? {
                let path = folder.join(&name);
                let is_folder = || Ok::<_, anyhow::Error>(matches!(origin.look(&path)?, Seen::Directory));
                if name_matches(part, &name.to_string_lossy()) && (is_last || is_folder()?) {
                    next.push(path);
                }
            }
        }
        found = next;
    }
    let mut all = Vec::new();
    for named in found {
        if let Some(path) = follow(origin, &named)? {
            all.push(Match { named, path });
        }
    }
    Ok(all)
}

/// Where a path leads, every link followed; none where it leads nowhere. Nothing leads out.
pub(super) fn follow(origin: &Origin<'_>, path: &Path) -> anyhow::Result<Option<PathBuf>> {
    let led = links::follow(path, LINKS_AT_MOST, |next, is_last| match origin.look(next) {
        Ok(Seen::Symlink(target)) => Ok(Some(target)),
        Ok(Seen::Directory) => Ok(None),
        Ok(Seen::File | Seen::Special(_)) if is_last => Ok(None),
        Ok(Seen::Nothing | Seen::File | Seen::Special(_)) => Err(Lost::Nowhere),
        Err(error) => Err(Lost::Unreadable(error)),
    });
    match led {
        Ok(path) => Ok(Some(path)),
        Err(Lost::Nowhere) => Ok(None),
        Err(Lost::Unreadable(error)) => Err(error),
    }
}

/// Why a path leads to nothing.
enum Lost {
    Nowhere,
    Unreadable(anyhow::Error),
}

impl From<Errno> for Lost {
    /// Too many links.
    fn from(_: Errno) -> Self {
        Self::Nowhere
    }
}

/// What `--parents` and `--exclude` leave of a directory, by paths seen from it.
#[derive(Default)]
pub(super) struct Filter {
    /// Everything where there is none.
    include: PathPatterns,
    exclude: PathPatterns,
}

/// What patterns said of the directories above.
#[derive(Default, Clone)]
pub(super) struct Above {
    included: MatchedAbove,
    excluded: MatchedAbove,
}

/// What a filter says of a path.
pub(super) struct Said {
    /// Whether it is copied.
    pub(super) wanted: bool,
    /// Whether something below it may be.
    pub(super) goes_on: bool,
    /// For what is below it.
    pub(super) above: Above,
}

impl Filter {
    /// Reads the patterns.
    ///
    /// # Errors
    /// When one of them is none.
    pub(super) fn new(include: Option<&str>, excludes: &[String]) -> anyhow::Result<Self> {
        let mut filter = Self::default();
        let wrong = |why: String| anyhow::anyhow!(why);
        if let Some(include) = include {
            filter.include.push(&crate::model::path::names(include.split('/')).join("/")).map_err(wrong)?;
        }
        for exclude in excludes {
            filter.exclude.push(exclude).map_err(wrong)?;
        }
        Ok(filter)
    }

    pub(super) fn says(&self, path: &Path, above: &Above) -> Said {
        let seen = path.to_string_lossy();
        let (includes, included) = self.include.matches_folder(&seen, &above.included);
        let (excludes, excluded) = self.exclude.matches_folder(&seen, &above.excluded);
        let wanted = (includes || self.include.is_empty()) && !excludes;
        let goes_on = !excludes || self.exclude.has_exceptions_below(&seen);
        Said { wanted, goes_on, above: Above { included, excluded } }
    }
}
