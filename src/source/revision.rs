//! The revision of a work tree, asked of the `git` program.

use std::path::Path;

use super::git::{GitError, git};

/// What is checked out.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Revision {
    /// The commit's id in hex.
    pub commit: String,
    /// When it was committed, in seconds since 1970.
    pub time: i64,
    /// Whether files below the folder differ from the commit, or are unknown to git and not ignored.
    pub dirty: bool,
}

impl Revision {
    /// The commit's id, and `-dirty` where that is not all.
    pub fn shown(&self) -> String {
        if self.dirty { format!("{}-dirty", self.commit) } else { self.commit.clone() }
    }
}

/// The revision of the work tree that a folder lies in, which a file below the folder, `except`, does not make dirty; none outside git, before the first commit, and where no
/// `git` program is installed.
///
/// # Errors
/// When git refuses for another reason.
pub fn revision(folder: &Path, except: Option<&Path>) -> Result<Option<Revision>, GitError> {
    if !folder.ancestors().any(|ancestor| ancestor.join(".git").exists()) {
        return Ok(None);
    }
    let Some(head) = git(folder, &["rev-parse", "--verify", "--quiet", "HEAD"])? else { return Ok(None) };
    if head.is_empty() {
        return Ok(None);
    }
    let time = git(folder, &["log", "-1", "--format=%ct", "HEAD"])?.unwrap_or_default();
    let time = time.parse().map_err(|_| GitError(format!("`{time}` is no time")))?;
    let except = except.map(|path| format!(":(exclude){}", path.display()));
    let mut status = vec!["status", "--porcelain", "--", "."];
    status.extend(except.as_deref());
    let status = git(folder, &status)?.unwrap_or_default();
    Ok(Some(Revision { commit: head, time, dirty: !status.is_empty() }))
}
