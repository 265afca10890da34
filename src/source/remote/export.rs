//! Files of a commit, as a clone would have them.

use std::fs;
use std::io;
use std::path::Path;

use super::RemoteError;
use super::cache::{FETCH_WITHIN, Repository, Wanted, cache_error};
use super::git_dir;
use super::program::{output_of_input, run, said};
use crate::model::{GitCommit, TreePath};

/// Writes the files to a folder that is not there yet; it is there once all of them are in it.
pub(super) async fn export(repository: &Repository<'_>, wanted: &Wanted, to: &Path) -> Result<(), RemoteError> {
    let staging = repository.staging()?;
    let tree = staging.path().join("tree");
    fs::create_dir(&tree).map_err(|error| cache_error(&tree, &error))?;
    match (&wanted.path, wanted.submodules) {
        (_, true) => with_submodules(repository, wanted, &tree).await?,
        (path, false) => alone(repository, wanted, path.as_ref(), staging.path(), &tree).await?,
    }
    if wanted.git_dir {
        git_dir::write(repository, &wanted.commit, staging.path(), &tree.join(".git")).await?;
    }
    fs::rename(&tree, to).map_err(|error| cache_error(to, &error))
}

/// The files of the repository itself. Its `.gitattributes` hold wherever they are, so the index has all of it.
async fn alone(
    repository: &Repository<'_>,
    wanted: &Wanted,
    path: Option<&TreePath>,
    staging: &Path,
    tree: &Path,
) -> Result<(), RemoteError> {
    if let Some(path) = path {
        bring_folder(repository, wanted, path).await?;
    }
    let git = || {
        let mut git = repository.git();
        git.arg("--work-tree").arg(tree).env("GIT_INDEX_FILE", staging.join("index"));
        git.env("GIT_LITERAL_PATHSPECS", "1");
        git
    };
    let mut read = git();
    read.args(["read-tree", wanted.commit.as_str()]);
    repository.local(read).await?;
    let mut write = git();
    match path {
        Some(path) => write.current_dir(tree).args(["checkout", "--quiet", "--force", "--", path.as_str()]),
        None => write.current_dir(tree).args(["checkout-index", "--quiet", "--force", "--all"]),
    };
    // Files that only a filter can fetch may come from elsewhere.
    run(write, repository.remote, FETCH_WITHIN, failed).await.map(drop)
}

/// Makes sure that a folder is one, and that its files are here.
async fn bring_folder(repository: &Repository<'_>, wanted: &Wanted, path: &TreePath) -> Result<(), RemoteError> {
    let Wanted { commit, .. } = wanted;
    let mut find = repository.git();
    find.args(["ls-tree", "-d", "--full-tree", commit.as_str(), path.as_str()]).env("GIT_LITERAL_PATHSPECS", "1");
    let found = repository.local(find).await?;
    let mut words = found.split_whitespace().skip_while(|word| *word != "tree");
    let Some(folder) = words.nth(1) else {
        let remote = repository.remote.to_string();
        return Err(RemoteError::NoFolder { remote, commit: commit.clone(), path: path.clone() });
    };
    bring(repository, commit, folder).await
}

/// Makes sure that the files of a tree are here: where only those of a folder were fetched, git would fetch one file after
/// another, or find none.
async fn bring(repository: &Repository<'_>, commit: &GitCommit, tree: &str) -> Result<(), RemoteError> {
    let remote = || repository.remote.to_string();
    let mut list = repository.git();
    list.args(["rev-list", "--objects", "--missing=print", tree]);
    let listed = repository.local(list).await?;
    let missing = listed.lines().filter_map(|line| line.strip_prefix('?'));
    let ids: String = missing.map(|id| format!("{id}\n")).collect();
    if ids.is_empty() {
        return Ok(());
    }
    if repository.cache.settings.offline {
        return Err(RemoteError::NotCached { remote: remote(), commit: commit.clone() });
    }
    // As git itself brings missing objects (git `promisor-remote.c`).
    let mut git = repository.git();
    git.args(["-c", "fetch.negotiationAlgorithm=noop", "fetch", "--quiet", "origin", "--no-tags"]);
    git.args(["--no-write-fetch-head", "--no-recurse-submodules", "--filter=blob:none", "--stdin"]);
    let fetched = output_of_input(git, ids, repository.remote, FETCH_WITHIN).await?;
    match fetched.status.success() {
        true => Ok(()),
        false => Err(RemoteError::Unreachable { remote: remote(), why: said(&fetched) }),
    }
}

/// The files with those of submodules: from a clone that lasts as long as this.
async fn with_submodules(repository: &Repository<'_>, wanted: &Wanted, tree: &Path) -> Result<(), RemoteError> {
    bring(repository, &wanted.commit, &format!("{}^{{tree}}", wanted.commit)).await?;
    let git = || repository.cache.settings.git(tree, repository.remote);
    let mut init = git();
    let format = if wanted.commit.as_str().len() == 64 { "sha256" } else { "sha1" };
    init.args(["init", "--quiet", "--template=", &format!("--object-format={format}")]);
    repository.local(init).await?;
    let link = || -> io::Result<()> {
        let (objects, info) = (repository.bare.join("objects"), tree.join(".git/objects/info"));
        fs::create_dir_all(&info)?;
        fs::write(info.join("alternates"), format!("{}\n", objects.display()))?;
        match fs::copy(repository.bare.join("shallow"), tree.join(".git/shallow")) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
            Ok(_) | Err(_) => Ok(()),
        }
    };
    link().map_err(|error| cache_error(tree, &error))?;
    let mut checkout = git();
    checkout.args(["checkout", "--quiet", "--force", "--detach", wanted.commit.as_str()]);
    run(checkout, repository.remote, FETCH_WITHIN, failed).await?;
    let mut update = git();
    update.args(["submodule", "--quiet", "update", "--init", "--recursive", "--force", "--depth=1"]);
    run(update, repository.remote, FETCH_WITHIN, |remote, why| RemoteError::Unreachable { remote, why }).await?;
    without_git(tree).map_err(|error| cache_error(tree, &error))
}

fn failed(remote: String, why: String) -> RemoteError {
    RemoteError::Failed { remote, why }
}

/// Removes what belongs to git and not to the files: `.git` of the clone, and of every submodule.
fn without_git(tree: &Path) -> io::Result<()> {
    let mut folders = vec![tree.to_owned()];
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(&folder)? {
            let entry = entry?;
            let is_folder = entry.file_type()?.is_dir();
            match (entry.file_name() == ".git", is_folder) {
                (true, true) => fs::remove_dir_all(entry.path())?,
                (true, false) => fs::remove_file(entry.path())?,
                (false, true) => folders.push(entry.path()),
                (false, false) => {}
            }
        }
    }
    Ok(())
}
