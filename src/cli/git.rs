//! The repositories that `ADD` names, for the embedded engine: fetched into the cache of this machine, by git.

use std::collections::BTreeSet;

use super::{Settings, project};
use crate::engine::Error;
use crate::engine::embedded::{GitClient, GitFiles, GitWanted};
use crate::source::{Cache, RemoteError, Wanted};

/// Fetches as images are fetched whose files are in git elsewhere. What stands in the way is said once something is
/// fetched: most builds fetch nothing.
pub(super) fn client(settings: &Settings) -> GitClient {
    let cache = project::cache(settings).map_err(|refusal| refusal.to_string());
    let offline = settings.offline;
    GitClient::new(move |wanted| {
        let cache = cache.clone();
        async move {
            let cache = cache.map_err(|why| Error::Refused(anyhow::anyhow!(why)))?;
            fetch(&cache, offline, &wanted).await
        }
    })
}

async fn fetch(cache: &Cache, offline: bool, wanted: &GitWanted) -> Result<GitFiles, Error> {
    let GitWanted { remote, reference, git_dir } = wanted;
    let commit = match reference.commit() {
        Some(commit) => commit,
        None if offline => {
            let error = anyhow::anyhow!("what `{reference}` of `{remote}` is now is not asked with `--offline`");
            return Err(Error::Refused(error));
        }
        None => cache.refs(remote).await.map_err(explain)?.find(reference).map_err(|problem| Error::Image {
            message: format!("`{remote}`: {problem}"),
            line: None,
            hint: problem.hint(),
        })?,
    };
    let wanted = Wanted { commit: commit.clone(), path: None, submodules: true, git_dir: *git_dir };
    let folders = cache.check_out(remote, &BTreeSet::from([wanted])).await.map_err(explain)?;
    let folder = folders.into_values().next().expect("what was wanted is there, or an error was");
    Ok(GitFiles { commit, folder })
}

fn explain(error: RemoteError) -> Error {
    match error {
        RemoteError::NoCommit { .. } | RemoteError::NoFolder { .. } => {
            Error::Image { message: error.to_string(), line: None, hint: None }
        }
        RemoteError::Unreachable { .. } | RemoteError::Busy { .. } => Error::Unreachable(error.into()),
        RemoteError::NotInstalled
        | RemoteError::NotCached { .. }
        | RemoteError::Failed { .. }
        | RemoteError::Cache { .. } => Error::Refused(error.into()),
    }
}
