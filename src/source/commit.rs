//! Commits, as the `git` program knows them.

use std::io;
use std::path::{Path, PathBuf};

use super::git;

/// What git does not tell.
#[derive(Debug, thiserror::Error)]
pub enum CommitError {
    /// The folder lies in no work tree, or there is no `git` program.
    #[error("`{0}` is in no git repository, or git is not installed")]
    NoGit(PathBuf),
    /// No commit has this name.
    #[error("git knows no commit `{0}`")]
    Unknown(String),
    /// Several commits have this name.
    #[error("`{name}` is the name of several commits: {candidates}")]
    Ambiguous {
        /// The name.
        name: String,
        /// By which longer names git knows them.
        candidates: String,
    },
    /// The commits that are here do not reach so far back.
    #[error("this clone is shallow, and does not reach back to `{0}`")]
    Shallow(String),
    /// Git refused something, or could not be run.
    #[error("git: {0}")]
    Refused(String),
}

/// A commit whose files can be looked at.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Commit {
    /// What it was called.
    pub name: String,
    /// Its id in hex.
    pub id: String,
}

impl Commit {
    /// The commit of a name: a branch, a tag, an id, or anything else that git understands.
    ///
    /// # Errors
    /// When there is none or more than one.
    pub fn find(folder: &Path, name: &str) -> Result<Self, CommitError> {
        if name.is_empty() || name.starts_with('-') {
            return Err(CommitError::Unknown(name.to_owned()));
        }
        ambiguous(folder, name)?;
        let said = git(folder, &["rev-parse", "--verify", &format!("{name}^{{commit}}")], &[], None)?;
        match said.ok {
            true => Ok(Self { name: name.to_owned(), id: said.line() }),
            false if said.stderr.contains("ambiguous") => {
                let candidates: Vec<&str> =
                    said.stderr.lines().filter_map(|line| line.strip_prefix("hint:   ")).collect();
                Err(CommitError::Ambiguous { name: name.to_owned(), candidates: candidates.join(", ") })
            }
            false if is_shallow(folder)? => Err(CommitError::Shallow(name.to_owned())),
            false => Err(CommitError::Unknown(name.to_owned())),
        }
    }

    /// Where what is checked out parted from this commit: this commit itself, if it is an ancestor, or has nothing in
    /// common with it.
    ///
    /// # Errors
    /// When too little of the history is here to tell.
    pub fn parted(self, folder: &Path) -> Result<Self, CommitError> {
        let said = git(folder, &["merge-base", "HEAD", &self.id], &[], None)?;
        match said.ok {
            true => Ok(Self { id: said.line(), ..self }),
            false if is_shallow(folder)? => Err(CommitError::Shallow(self.name)),
            false => Ok(self),
        }
    }
}

/// Refuses a name that is both a branch and a tag, or the like, where those are different commits: git itself takes
/// one of them, with a warning that nobody reads in a CI job.
fn ambiguous(folder: &Path, name: &str) -> Result<(), CommitError> {
    let full: Vec<String> = ["tags", "heads", "remotes"].map(|kind| format!("refs/{kind}/{name}")).into();
    let mut args = vec!["for-each-ref", "--format=%(objectname) %(*objectname) %(refname)"];
    args.extend(full.iter().map(String::as_str));
    let said = git(folder, &args, &[], None)?.all_well()?;
    let mut found: Vec<(&str, &str)> = Vec::new();
    for line in said.lines() {
        let Some((objects, reference)) = line.rsplit_once(' ') else { continue };
        // An annotated tag is an object of its own, that names the commit.
        let commit = objects.split(' ').rfind(|object| !object.is_empty()).unwrap_or_default();
        if full.iter().any(|full| full == reference) {
            found.push((commit, reference));
        }
    }
    if found.iter().all(|(commit, _)| *commit == found[0].0) {
        return Ok(());
    }
    let candidates = found.iter().map(|(_, reference)| format!("`{reference}`")).collect::<Vec<_>>().join(", ");
    Err(CommitError::Ambiguous { name: name.to_owned(), candidates })
}

fn is_shallow(folder: &Path) -> Result<bool, CommitError> {
    Ok(git(folder, &["rev-parse", "--is-shallow-repository"], &[], None)?.line() == "true")
}

/// What git answered.
pub(super) struct Said {
    ok: bool,
    pub(super) stdout: Vec<u8>,
    stderr: String,
}

impl Said {
    fn line(&self) -> String {
        String::from_utf8_lossy(&self.stdout).trim_end_matches('\n').to_owned()
    }

    pub(super) fn all_well(self) -> Result<String, CommitError> {
        if self.ok { Ok(self.line()) } else { Err(CommitError::Refused(self.stderr.trim().to_owned())) }
    }

    pub(super) fn all_well_bytes(self) -> Result<Vec<u8>, CommitError> {
        if self.ok { Ok(self.stdout) } else { Err(CommitError::Refused(self.stderr.trim().to_owned())) }
    }
}

/// Runs git in a folder, if that lies in a work tree, with something to read for it; `index` stands in for the work
/// tree's own.
pub(super) fn git(folder: &Path, args: &[&str], input: &[u8], index: Option<&Path>) -> Result<Said, CommitError> {
    let mut command = git::command(folder, args);
    // What git says is read, so it says it in English.
    command.env("LC_ALL", "C");
    if let Some(index) = index {
        command.env("GIT_INDEX_FILE", index);
    }
    let output = match git::output(command, input) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Err(CommitError::NoGit(folder.to_owned())),
        output => output.map_err(|error| refused(&error))?,
    };
    let stderr = String::from_utf8_lossy(&output.stderr).into_owned();
    if stderr.contains("not a git repository") {
        return Err(CommitError::NoGit(folder.to_owned()));
    }
    Ok(Said { ok: output.status.success(), stdout: output.stdout, stderr })
}

pub(super) fn refused(error: &io::Error) -> CommitError {
    CommitError::Refused(error.to_string())
}
