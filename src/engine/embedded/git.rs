//! What `ADD` takes of git repositories: whoever opens the engine says how they are fetched.

use std::fmt;
use std::path::PathBuf;
use std::sync::Arc;

use futures_util::future::BoxFuture;

use crate::engine::Error;
use crate::model::{GitCommit, GitRef, GitRemote};

/// What is fetched.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct GitWanted {
    /// The repository.
    pub remote: GitRemote,
    /// What of it.
    pub reference: GitRef,
    /// Whether `.git` belongs to the files, as in a shallow clone of the one commit: the same bytes each time.
    pub git_dir: bool,
}

/// The files of a commit, submodules included.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct GitFiles {
    /// Which commit the ref stood for.
    pub commit: GitCommit,
    /// Where its files are, without git's own unless they are wanted. They stay as they are.
    pub folder: PathBuf,
}

type Fetching = BoxFuture<'static, Result<GitFiles, Error>>;

/// Fetches repositories.
#[derive(Clone)]
pub struct GitClient(Arc<dyn Fn(GitWanted) -> Fetching + Send + Sync>);

impl GitClient {
    /// One that fetches so. An error is [`Error::Image`], without a line, where trying again gives the same.
    pub fn new<F>(fetch: impl Fn(GitWanted) -> F + Send + Sync + 'static) -> Self
    where
        F: Future<Output = Result<GitFiles, Error>> + Send + 'static,
    {
        Self(Arc::new(move |wanted| Box::pin(fetch(wanted))))
    }

    /// Brings what a ref stands for.
    ///
    /// # Errors
    /// When there is no such thing, or the repository does not answer.
    pub async fn fetch(&self, wanted: GitWanted) -> Result<GitFiles, Error> {
        (self.0)(wanted).await
    }
}

impl fmt::Debug for GitClient {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("GitClient")
    }
}
