//! Repositories elsewhere, through the `git` program: what their refs are, and their files in a cache. Nobody's work
//! tree is touched, and git's own helpers are asked for credentials.

mod cache;
mod export;
mod git_dir;
mod program;
mod refs;

use std::path::PathBuf;

use crate::model::{GitCommit, TreePath};

pub use cache::{Cache, Wanted};
pub use program::GitSettings;
pub use refs::{RefProblem, RemoteRefs};

/// Why git did not bring what it was asked for. No text holds credentials.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum RemoteError {
    /// There is no `git` program.
    #[error("the program `git` is not installed")]
    NotInstalled,
    /// The repository did not answer, does not exist, or lets nobody in: git does not tell these apart reliably.
    #[error("git does not get through to `{remote}`: {why}")]
    Unreachable {
        /// The repository.
        remote: String,
        /// What git says.
        why: String,
    },
    /// The repository does not have the commit, or not any more.
    #[error("`{remote}` has no commit {commit}")]
    NoCommit {
        /// The repository.
        remote: String,
        /// The commit.
        commit: GitCommit,
    },
    /// The commit is not in the cache, and nobody may be asked.
    #[error("the commit {commit} of `{remote}` is not in the cache, and `--offline` fetches nothing")]
    NotCached {
        /// The repository.
        remote: String,
        /// The commit.
        commit: GitCommit,
    },
    /// The commit has no folder of this name.
    #[error("the commit {} of `{remote}` has no folder `{path}`", commit.short())]
    NoFolder {
        /// The repository.
        remote: String,
        /// The commit.
        commit: GitCommit,
        /// The folder.
        path: TreePath,
    },
    /// Git was there, and failed at work on this machine.
    #[error("git fails on files of `{remote}`: {why}")]
    Failed {
        /// The repository.
        remote: String,
        /// What git says.
        why: String,
    },
    /// The cache can't be used.
    #[error("the cache `{}` can't be used: {why}", path.display())]
    Cache {
        /// The file or folder.
        path: PathBuf,
        /// What the system says.
        why: String,
    },
    /// Another run works on the same repository, for too long.
    #[error("another run has been fetching `{remote}` for long")]
    Busy {
        /// The repository.
        remote: String,
    },
}
