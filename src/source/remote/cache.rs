//! The cache of repositories: a bare repository for each, and the files of the commits that were wanted of it.

use std::collections::{BTreeMap, BTreeSet};
use std::fs::{self, File, TryLockError};
use std::io;
use std::path::{Path, PathBuf};
use std::time::Duration;

use sha2::{Digest as _, Sha256};
use tokio::process::Command;

use super::export::export;
use super::program::{GitSettings, output, run, said};
use super::{RemoteError, RemoteRefs};
use crate::model::{Digest, GitCommit, GitRemote, TreePath};

/// How long a repository may take to list its refs. Arbitrary: a hundred times what a slow one takes.
const REFS_WITHIN: Duration = Duration::from_secs(60);
/// How long a repository may take to be fetched, or another run to be done with it. Arbitrary: gigabytes over a slow
/// line; one that stands still is given up earlier.
pub(super) const FETCH_WITHIN: Duration = Duration::from_secs(30 * 60);
/// How long git may take for what is here. Arbitrary.
const LOCAL_WITHIN: Duration = Duration::from_secs(60);
/// How often it is seen whether another run is done. Arbitrary.
const LOOK_AGAIN: Duration = Duration::from_millis(100);

/// A folder with what was fetched. It may be removed at any time when no run works on it.
#[derive(Debug, Clone)]
pub struct Cache {
    folder: PathBuf,
    pub(super) settings: GitSettings,
}

/// Files of a commit.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Wanted {
    /// Which commit.
    pub commit: GitCommit,
    /// Which folder of it; none means all of it.
    pub path: Option<TreePath>,
    /// Whether the files of submodules belong to it; then `path` is none.
    pub submodules: bool,
    /// Whether `.git` belongs to it, as in a shallow clone; then `path` is none.
    pub git_dir: bool,
}

impl Wanted {
    /// What the folder with the files is called.
    fn key(&self) -> String {
        let Self { commit, path, submodules, git_dir } = self;
        let path = path.as_ref().map(|path| format!("-{}", short_hash(path.as_str()))).unwrap_or_default();
        let and = |is_meant: bool, what: &'static str| if is_meant { what } else { "" };
        format!("{commit}{path}{}{}", and(*submodules, "-submodules"), and(*git_dir, "-git"))
    }
}

/// A repository in the cache, while no other run works on it.
pub(super) struct Repository<'a> {
    pub(super) cache: &'a Cache,
    pub(super) remote: &'a GitRemote,
    /// Where everything of the repository is.
    pub(super) folder: &'a Path,
    /// The bare repository in it.
    pub(super) bare: PathBuf,
    /// Held until all is done.
    _lock: File,
}

impl Cache {
    /// A cache in this folder, which need not be there yet.
    pub fn new(folder: PathBuf, settings: GitSettings) -> Self {
        Self { folder, settings }
    }

    /// The refs of a repository.
    ///
    /// # Errors
    /// When git can't be run, or does not get through in a minute.
    pub async fn refs(&self, remote: &GitRemote) -> Result<RemoteRefs, RemoteError> {
        // Not in any repository, whose own `origin` would be meant as well.
        let mut git = self.settings.git(Path::new("/"), remote);
        git.args(["ls-remote", "--quiet", "origin"]);
        let unreachable = |remote, why| RemoteError::Unreachable { remote, why };
        run(git, remote, REFS_WITHIN, unreachable).await.map(|text| RemoteRefs::parse(&text))
    }

    /// Whether all that is wanted of a repository is here, so that nobody is asked for it.
    pub fn has(&self, remote: &GitRemote, wanted: &BTreeSet<Wanted>) -> bool {
        let trees = self.folder_of(remote).join(TREES);
        wanted.iter().all(|wanted| trees.join(wanted.key()).is_dir())
    }

    fn folder_of(&self, remote: &GitRemote) -> PathBuf {
        self.folder.join(format!("{}-{}", plain(remote.name()), short_hash(&remote.to_string())))
    }

    /// The folders with the files that are wanted of a repository, which is asked for what is not in the cache alone:
    /// once for all of it. Files are there wholly or not at all, whenever this is interrupted.
    ///
    /// # Errors
    /// When git can't bring them; see [`RemoteError`].
    pub async fn check_out(
        &self,
        remote: &GitRemote,
        wanted: &BTreeSet<Wanted>,
    ) -> Result<BTreeMap<Wanted, PathBuf>, RemoteError> {
        let folder = self.folder_of(remote);
        let trees = folder.join(TREES);
        let place = |wanted: &Wanted| trees.join(wanted.key());
        let missing = || wanted.iter().filter(|wanted| !place(wanted).is_dir());
        if missing().next().is_some() {
            fs::create_dir_all(&trees).map_err(|error| cache_error(&trees, &error))?;
            let repository = Repository::open(self, remote, &folder).await?;
            // Another run may have brought some while this one waited.
            let missing: Vec<&Wanted> = missing().collect();
            repository.fetch(&missing).await?;
            for wanted in missing {
                export(&repository, wanted, &place(wanted)).await?;
            }
        }
        Ok(wanted.iter().map(|wanted| (wanted.clone(), place(wanted))).collect())
    }
}

impl<'a> Repository<'a> {
    /// Waits for other runs; what one of them left half done is removed.
    async fn open(cache: &'a Cache, remote: &'a GitRemote, folder: &'a Path) -> Result<Self, RemoteError> {
        let file = lock(&folder.join("lock"), remote).await?;
        let bare = folder.join("repository.git");
        remove_leftovers(folder, &bare).map_err(|error| cache_error(folder, &error))?;
        Ok(Self { cache, remote, folder, bare, _lock: file })
    }

    /// A command on the bare repository.
    pub(super) fn git(&self) -> Command {
        let mut git = self.cache.settings.git(self.folder, self.remote);
        git.arg("--git-dir").arg(&self.bare);
        git
    }

    /// Runs a command that needs nothing from elsewhere.
    pub(super) async fn local(&self, git: Command) -> Result<String, RemoteError> {
        run(git, self.remote, LOCAL_WITHIN, |remote, why| RemoteError::Failed { remote, why }).await
    }

    /// Brings the commits that are not there, all at once.
    async fn fetch(&self, wanted: &[&Wanted]) -> Result<(), RemoteError> {
        let commits: BTreeSet<&GitCommit> = wanted.iter().map(|wanted| &wanted.commit).collect();
        let Some(first) = commits.first() else { return Ok(()) };
        if !self.bare.is_dir() {
            self.init(first).await?;
        }
        let mut missing = Vec::new();
        for commit in commits {
            if !self.has(commit).await? {
                missing.push(commit);
            }
        }
        let Some(first) = missing.first() else { return Ok(()) };
        if self.cache.settings.offline {
            return Err(RemoteError::NotCached { remote: self.remote.to_string(), commit: (*first).clone() });
        }
        // Of a folder, the files of the others need not come.
        let is_partial = wanted.iter().all(|wanted| wanted.path.is_some());
        let mut git = self.git();
        git.args(["fetch", "--quiet", "--depth=1", "--no-tags", "--no-write-fetch-head", "--no-recurse-submodules"]);
        git.args(is_partial.then_some("--filter=blob:none")).arg("origin");
        git.args(missing.iter().map(|commit| format!("{commit}:{}", name_of(commit))));
        let fetched = output(git, self.remote, FETCH_WITHIN).await?;
        if fetched.status.success() {
            return Ok(());
        }
        let why = said(&fetched);
        if let Some(commit) = missing.iter().find(|commit| why.contains(&format!("not our ref {commit}"))) {
            return Err(RemoteError::NoCommit { remote: self.remote.to_string(), commit: (*commit).clone() });
        }
        // Old servers hand out the tips of branches and tags alone, plain web servers all or nothing.
        let is_old = ["unadvertised object", "shallow capabilities", "remote ref", "does not support"];
        if is_old.iter().any(|words| why.contains(words)) {
            return self.fetch_all(&missing).await;
        }
        Err(RemoteError::Unreachable { remote: self.remote.to_string(), why })
    }

    /// Brings everything that branches and tags lead to.
    async fn fetch_all(&self, missing: &[&GitCommit]) -> Result<(), RemoteError> {
        let mut git = self.git();
        git.args(["fetch", "--quiet", "--no-tags", "--no-write-fetch-head", "--no-recurse-submodules"]);
        git.args(self.bare.join("shallow").exists().then_some("--unshallow"));
        git.args(["origin", "+refs/heads/*:refs/all/heads/*", "+refs/tags/*:refs/all/tags/*"]);
        run(git, self.remote, FETCH_WITHIN, |remote, why| RemoteError::Unreachable { remote, why }).await?;
        for commit in missing {
            let mut git = self.git();
            git.args(["update-ref", &name_of(commit), commit.as_str()]);
            let named = output(git, self.remote, LOCAL_WITHIN).await?;
            if !named.status.success() {
                return Err(RemoteError::NoCommit { remote: self.remote.to_string(), commit: (*commit).clone() });
            }
        }
        Ok(())
    }

    /// Makes the bare repository, for ids as long as the commit's.
    async fn init(&self, commit: &GitCommit) -> Result<(), RemoteError> {
        let staging = self.staging()?;
        let mut git = self.cache.settings.git(self.folder, self.remote);
        let format = if commit.as_str().len() == 64 { "sha256" } else { "sha1" };
        git.args(["init", "--quiet", "--bare", "--template=", &format!("--object-format={format}")]);
        git.arg(staging.path().join("new"));
        self.local(git).await?;
        fs::rename(staging.path().join("new"), &self.bare).map_err(|error| cache_error(&self.bare, &error))
    }

    /// Whether a commit was fetched: only then it has a name.
    async fn has(&self, commit: &GitCommit) -> Result<bool, RemoteError> {
        let mut git = self.git();
        git.args(["rev-parse", "--verify", "--quiet", &name_of(commit)]);
        Ok(output(git, self.remote, LOCAL_WITHIN).await?.status.success())
    }

    /// A folder for what is not whole yet.
    pub(super) fn staging(&self) -> Result<tempfile::TempDir, RemoteError> {
        let staging = tempfile::Builder::new().prefix(STAGING).tempdir_in(self.folder);
        staging.map_err(|error| cache_error(self.folder, &error))
    }
}

/// Where the files are.
const TREES: &str = "trees";
/// What is not whole yet is called.
const STAGING: &str = ".half-";

/// What a commit that was fetched is called in the bare repository.
fn name_of(commit: &GitCommit) -> String {
    format!("refs/windlass/{commit}")
}

pub(super) fn cache_error(path: &Path, error: &io::Error) -> RemoteError {
    RemoteError::Cache { path: path.to_owned(), why: error.to_string() }
}

/// Waits until no other run holds the file.
async fn lock(path: &Path, remote: &GitRemote) -> Result<File, RemoteError> {
    let file = File::options().create(true).truncate(false).write(true).open(path);
    let file = file.map_err(|error| cache_error(path, &error))?;
    let held = async {
        loop {
            match file.try_lock() {
                Ok(()) => return Ok(()),
                Err(TryLockError::WouldBlock) => tokio::time::sleep(LOOK_AGAIN).await,
                Err(TryLockError::Error(error)) => return Err(cache_error(path, &error)),
            }
        }
    };
    match tokio::time::timeout(FETCH_WITHIN, held).await {
        Ok(held) => held.map(|()| file),
        Err(_elapsed) => Err(RemoteError::Busy { remote: remote.to_string() }),
    }
}

/// Removes what a killed run left: half files, and the locks of a git that is no more.
fn remove_leftovers(folder: &Path, bare: &Path) -> io::Result<()> {
    for entry in fs::read_dir(folder)? {
        let entry = entry?;
        if entry.file_name().to_string_lossy().starts_with(STAGING) {
            fs::remove_dir_all(entry.path())?;
        }
    }
    for folder in [bare.to_owned(), bare.join("refs/windlass")] {
        let entries = match fs::read_dir(&folder) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => continue,
            entries => entries?,
        };
        for entry in entries {
            let path = entry?.path();
            if path.extension().is_some_and(|extension| extension == "lock") {
                fs::remove_file(path)?;
            }
        }
    }
    Ok(())
}

/// Enough of a hash to tell the names of one cache apart.
fn short_hash(text: &str) -> String {
    Digest::from_bytes(Sha256::digest(text).into()).hex()[..16].to_owned()
}

/// A name that is a file's on every system.
fn plain(name: &str) -> String {
    name.chars().map(|c| if c.is_ascii_alphanumeric() || c == '-' { c } else { '_' }).take(40).collect()
}
