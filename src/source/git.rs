//! Runs the `git` program: it knows where repositories are, whom they trust and what is configured.

use std::io::{self, Write as _};
use std::path::Path;
use std::process::{Child, Command, Output, Stdio};
use std::thread;

/// Git was asked and refused, such as for a folder of somebody else.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct GitError(pub(super) String);

/// What says to git where it is. A hook of git finds these set, and they would hold for every repository that is asked
/// about.
pub(super) const PLACES: [&str; 9] = [
    "GIT_DIR",
    "GIT_WORK_TREE",
    "GIT_INDEX_FILE",
    "GIT_OBJECT_DIRECTORY",
    "GIT_ALTERNATE_OBJECT_DIRECTORIES",
    "GIT_COMMON_DIR",
    "GIT_NAMESPACE",
    "GIT_PREFIX",
    "GIT_SHALLOW_FILE",
];

/// Git in a folder of this machine.
pub(super) fn command(folder: &Path, args: &[&str]) -> Command {
    let mut git = Command::new("git");
    for place in PLACES {
        git.env_remove(place);
    }
    // Without the lock, asking for the status does not disturb whoever works in the tree.
    git.arg("-C").arg(folder).args(args).env("GIT_OPTIONAL_LOCKS", "0");
    git
}

/// Runs a command to its end, with something to read for it.
///
/// # Errors
/// When it can't be run, or ends well without reading all.
pub(super) fn output(mut command: Command, input: &[u8]) -> io::Result<Output> {
    if input.is_empty() {
        return start(command)?.wait_with_output();
    }
    let mut child = command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn()?;
    let mut stdin = child.stdin.take().expect("its input is a pipe");
    thread::scope(|scope| {
        // Git answers while it reads: who writes all before reading would wait for ever. Without a thread it is given
        // nothing to read, and ends.
        let written = thread::Builder::new().spawn_scoped(scope, move || stdin.write_all(input));
        let output = child.wait_with_output()?;
        let written = written?;
        let written = written.join().expect("writing to a pipe does not panic");
        // One that fails early says why itself.
        if output.status.success() { written.map(|()| output) } else { Ok(output) }
    })
}

/// Starts a command that has nothing to read; what it says is kept.
///
/// # Errors
/// When it can't be run.
pub(super) fn start(mut command: Command) -> io::Result<Child> {
    command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn()
}

/// Runs git in a folder; none where it is not installed. Of a command that fails without a word, such as
/// `rev-parse --quiet` before the first commit, the answer is empty.
///
/// # Errors
/// What git says of why it fails.
pub(super) fn git(folder: &Path, args: &[&str]) -> Result<Option<String>, GitError> {
    told(output(command(folder, args), &[]))
}

/// What git said, as [`git`] has it.
///
/// # Errors
/// What git says of why it fails.
pub(super) fn told(output: io::Result<Output>) -> Result<Option<String>, GitError> {
    match output {
        Ok(output) => answer(&output).map(|answer| Some(String::from_utf8_lossy(answer).trim().to_owned())),
        Err(e) if e.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(e) => Err(GitError(e.to_string())),
    }
}

/// The same with something to read for git, and with the bytes that it answers; it must be installed.
///
/// # Errors
/// What git says of why it fails.
pub(super) fn git_reading(folder: &Path, args: &[&str], input: &[u8]) -> Result<Vec<u8>, GitError> {
    let output = output(command(folder, args), input).map_err(|e| GitError(e.to_string()))?;
    Ok(answer(&output)?.to_owned())
}

fn answer(output: &Output) -> Result<&[u8], GitError> {
    let said = String::from_utf8_lossy(&output.stderr);
    if !output.status.success() && !said.trim().is_empty() {
        return Err(GitError(said.trim().to_owned()));
    }
    Ok(&output.stdout)
}
