//! Runs the `git` program in the same way everywhere: whatever the user set up for credentials, proxies and ssh holds,
//! and nothing that would give other files on another machine.

use std::path::Path;
use std::process::{Output, Stdio};
use std::time::Duration;

use nix::sys::signal::{Signal, killpg};
use nix::unistd::{Pid, getpgid};
use tokio::io::AsyncWriteExt as _;
use tokio::process::Command;

use super::super::git::PLACES;
use super::RemoteError;
use crate::model::GitRemote;

/// What `git` finds in the environment, as far as it must be known.
#[derive(Debug, Clone, Copy)]
pub struct GitSettings {
    /// Whether somebody is there to be asked for a password; helpers are asked in any case.
    pub may_prompt: bool,
    /// Whether this run belongs to a terminal, whose Ctrl-C reaches git too.
    pub has_terminal: bool,
    /// Whether no repository elsewhere may be asked.
    pub offline: bool,
    /// `GIT_CONFIG_COUNT` as it is set: how many settings the environment makes already.
    pub config_count: usize,
}

/// Files as any clone on Linux has them, and nothing besides what was asked for.
const CONFIG: [(&str, &str); 9] = [
    ("core.autocrlf", "false"),
    ("core.eol", "lf"),
    ("core.symlinks", "true"),
    ("core.fileMode", "true"),
    ("core.hooksPath", "/dev/null"),
    ("gc.auto", "0"),
    ("maintenance.auto", "false"),
    // A server that sends less than this for a minute is given up. Arbitrary.
    ("http.lowSpeedLimit", "100"),
    ("http.lowSpeedTime", "60"),
];

impl GitSettings {
    /// `git`, which knows the repository elsewhere as `origin`. Its address is handed over in the environment: neither
    /// the list of processes nor a file shows the credentials in it.
    pub(super) fn git(&self, folder: &Path, remote: &GitRemote) -> Command {
        let mut command = Command::new("git");
        command.current_dir(folder).stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
        command.kill_on_drop(true).env("LC_ALL", "C");
        for place in PLACES {
            command.env_remove(place);
        }
        let config = CONFIG.into_iter().chain([("remote.origin.url", remote.url())]);
        let mut count = self.config_count;
        for (key, value) in config {
            command.env(format!("GIT_CONFIG_KEY_{count}"), key).env(format!("GIT_CONFIG_VALUE_{count}"), value);
            count += 1;
        }
        command.env("GIT_CONFIG_COUNT", count.to_string());
        // What a repository names as its submodules must not lead to this machine's own files.
        let protocols = if remote.is_file() { "file:git:http:https:ssh" } else { "git:http:https:ssh" };
        command.env("GIT_ALLOW_PROTOCOL", protocols);
        if !self.may_prompt {
            command.env("GIT_TERMINAL_PROMPT", "0");
        }
        if !self.has_terminal {
            // At a terminal, ssh in a group of its own would be stopped where it asks for something.
            command.process_group(0);
        }
        if self.offline {
            command.env("GIT_NO_LAZY_FETCH", "1");
        }
        command
    }
}

/// Git and the programs that it runs for us, where they are a group of their own: all end when this is dropped.
struct Group(Option<Pid>);

impl Drop for Group {
    fn drop(&mut self) {
        if let Some(group) = self.0 {
            // A group that has ended already is what is wanted.
            let _gone = killpg(group, Signal::SIGKILL);
        }
    }
}

/// Runs a command to its end, whatever that is, in bounded time. Dropped, it ends the program.
pub(super) async fn output(command: Command, remote: &GitRemote, limit: Duration) -> Result<Output, RemoteError> {
    output_of_input(command, String::new(), remote, limit).await
}

/// The same with something on standard input.
pub(super) async fn output_of_input(
    mut command: Command,
    input: String,
    remote: &GitRemote,
    limit: Duration,
) -> Result<Output, RemoteError> {
    if !input.is_empty() {
        command.stdin(Stdio::piped());
    }
    let run = async {
        let mut child = command.spawn()?;
        let pid = child.id().and_then(|pid| i32::try_from(pid).ok()).map(Pid::from_raw);
        let mut group = Group(pid.filter(|pid| getpgid(Some(*pid)) == Ok(*pid)));
        if let Some(mut stdin) = child.stdin.take() {
            // Git reads all of it before it does anything; one that ends early tells why itself.
            let _closed = stdin.write_all(input.as_bytes()).await;
        }
        let output = child.wait_with_output().await;
        group.0 = None;
        output
    };
    match tokio::time::timeout(limit, run).await {
        Ok(Ok(output)) => Ok(output),
        Ok(Err(error)) if error.kind() == std::io::ErrorKind::NotFound => Err(RemoteError::NotInstalled),
        Ok(Err(error)) => Err(RemoteError::Failed { remote: remote.to_string(), why: error.to_string() }),
        Err(_elapsed) => {
            let why = format!("nothing was done within {}s", limit.as_secs());
            Err(RemoteError::Unreachable { remote: remote.to_string(), why })
        }
    }
}

/// Runs a command that has to succeed; returns what it prints. `failed` makes an error of what it says.
pub(super) async fn run(
    command: Command,
    remote: &GitRemote,
    limit: Duration,
    failed: fn(String, String) -> RemoteError,
) -> Result<String, RemoteError> {
    let output = output(command, remote, limit).await?;
    if output.status.success() {
        Ok(String::from_utf8_lossy(&output.stdout).into_owned())
    } else {
        Err(failed(remote.to_string(), said(&output)))
    }
}

/// The last of what git says of its failure, in a line, without credentials.
pub(super) fn said(output: &Output) -> String {
    let text = without_credentials(&String::from_utf8_lossy(&output.stderr));
    let words = ["fatal: ", "error: ", "remote: ", "ERROR: "];
    let lines = text.lines().map(str::trim).filter(|line| !line.is_empty());
    let lines = lines.map(|line| words.iter().fold(line, |line, word| line.strip_prefix(word).unwrap_or(line)));
    let advice = |line: &&str| {
        !matches!(*line, "Please make sure you have the correct access rights" | "and the repository exists.")
    };
    let lines: Vec<&str> = lines.filter(advice).take(4).collect();
    if lines.is_empty() { output.status.to_string() } else { lines.join("; ") }
}

/// The text with what stands before the `@` of its addresses taken out: `insteadOf` may have put a token there.
fn without_credentials(text: &str) -> String {
    let mut plain = String::with_capacity(text.len());
    let mut rest = text;
    while let Some((before, after)) = rest.split_once("://") {
        let ends_authority = |c: char| c == '/' || c == '\'' || c == '"' || c == '`' || c.is_whitespace();
        let (authority, path) = after.split_at(after.find(ends_authority).unwrap_or(after.len()));
        let host = authority.rsplit_once('@').map_or(authority, |(_, host)| host);
        plain.extend([before, "://", host]);
        rest = path;
    }
    plain + rest
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn credentials_are_taken_out_of_what_git_says() {
        for (said, shown) in [
            ("unable to access 'https://me:p@ss@host:1/x.git/': no", "unable to access 'https://host:1/x.git/': no"),
            ("https://token@host and ssh://git@host/x", "https://host and ssh://host/x"),
            ("nothing://", "nothing://"),
            ("mail me@host", "mail me@host"),
        ] {
            assert_eq!(without_credentials(said), shown);
        }
    }
}
