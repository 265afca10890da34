//! Containers that run one command to its end, and what it wrote.

use std::time::Duration;

use bollard::Docker;
use bollard::container::LogOutput;
use bollard::errors::Error;
use bollard::exec::StartExecResults;
use bollard::models::ExecConfig;
use bollard::query_parameters::{
    AttachContainerOptionsBuilder, InspectContainerOptions, KillContainerOptions, RemoveContainerOptionsBuilder,
    WaitContainerOptions, WaitContainerOptionsBuilder,
};
use futures_util::{Stream, StreamExt};

use super::Failure;

/// How much of each stream is kept, in bytes. Arbitrary: more than any log that a person reads, and little enough
/// for one command at a time to have.
pub const CAPTURED_AT_MOST: usize = 16 << 20;

/// The beginning of what was written to one stream.
#[derive(Debug, Default)]
pub struct Captured {
    bytes: Vec<u8>,
    lost: u64,
}

impl Captured {
    /// Takes a piece of what was written.
    pub fn take(&mut self, bytes: &[u8]) {
        let fitting = bytes.len().min(CAPTURED_AT_MOST - self.bytes.len());
        self.bytes.extend_from_slice(&bytes[..fitting]);
        self.lost += (bytes.len() - fitting) as u64;
    }

    /// How many bytes were written behind the [`CAPTURED_AT_MOST`] that are kept.
    pub fn lost(&self) -> u64 {
        self.lost
    }

    /// The text; each byte that is not UTF-8 becomes a U+FFFD, as Go's patterns see it.
    pub fn text(&self) -> String {
        lossy(&self.bytes)
    }
}

/// What a command wrote. A terminal makes one stream of both, which is standard output then.
#[derive(Debug, Default)]
pub struct Output {
    /// Standard output.
    pub stdout: Captured,
    /// Standard error.
    pub stderr: Captured,
}

impl Output {
    fn take(&mut self, written: &LogOutput) {
        match written {
            LogOutput::StdErr { message } => self.stderr.take(message),
            LogOutput::StdOut { message } | LogOutput::Console { message } => self.stdout.take(message),
            LogOutput::StdIn { .. } => {}
        }
    }

    /// Takes all of a stream of output.
    pub async fn take_all(
        &mut self,
        mut written: impl Stream<Item = Result<LogOutput, Error>> + Unpin,
    ) -> Result<(), Failure> {
        while let Some(written) = written.next().await {
            self.take(&written?);
        }
        Ok(())
    }
}

/// The text of bytes, with one U+FFFD for each byte that is not UTF-8.
pub fn lossy(bytes: &[u8]) -> String {
    let mut text = String::with_capacity(bytes.len());
    for chunk in bytes.utf8_chunks() {
        text.push_str(chunk.valid());
        text.extend(chunk.invalid().iter().map(|_| char::REPLACEMENT_CHARACTER));
    }
    text
}

/// How a command ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Ended {
    /// With an exit code; a signal's is 128 and its number.
    Exited(i64),
    /// It was killed, because it took too long.
    TimedOut,
    /// It never began: why, in the engine's words.
    NotStarted(String),
}

/// Starts a created container and listens to it until its command ends, at most for `limit`: then it is killed.
///
/// Whoever drops this leaves the container as it is.
pub async fn run_to_end(
    docker: &Docker,
    container: &str,
    limit: Duration,
    output: &mut Output,
) -> Result<Ended, Failure> {
    // Listening begins before the command does, or the first lines of a short one would be lost.
    let options = AttachContainerOptionsBuilder::new().stdout(true).stderr(true).stream(true).build();
    let attached = match docker.attach_container(container, Some(options)).await {
        Ok(attached) => attached,
        // Podman prepares the command here already, and finds out that it can't be run.
        Err(Error::DockerResponseServerError { message, .. }) => return Ok(Ended::NotStarted(message)),
        Err(error) => return Err(error.into()),
    };
    if let Some(why) = start(docker, container).await? {
        return Ok(Ended::NotStarted(why));
    }
    let listen = output.take_all(attached.output);
    let both = async { tokio::try_join!(listen, exit_code(docker, container)) };
    match tokio::time::timeout(limit, both).await {
        Ok(ended) => ended.map(|((), code)| Ended::Exited(code)),
        Err(_) => {
            kill(docker, container).await?;
            Ok(Ended::TimedOut)
        }
    }
}

/// Starts a container; an engine that can't run its command says why.
pub async fn start(docker: &Docker, container: &str) -> Result<Option<String>, Failure> {
    match docker.start_container(container, None).await {
        Ok(()) => Ok(None),
        Err(Error::DockerResponseServerError { message, .. }) => Ok(Some(message)),
        Err(error) => Err(error.into()),
    }
}

/// Waits until a started container ends.
async fn exit_code(docker: &Docker, container: &str) -> Result<i64, Failure> {
    match docker.wait_container(container, None::<WaitContainerOptions>).next().await {
        Some(Ok(ended)) => Ok(ended.status_code),
        Some(Err(Error::DockerContainerWaitError { code, .. })) => Ok(code),
        Some(Err(error)) => Err(error.into()),
        None => Err(Failure::Unreachable(format!("the engine does not tell how `{container}` ended"))),
    }
}

/// Runs a command in a running container, at most for `limit`: then it is left to itself. Tells its exit code; nothing
/// where it took too long or the engine could not run it.
pub async fn exec(
    docker: &Docker,
    container: &str,
    command: &[String],
    limit: Duration,
    output: &mut Output,
) -> Result<Option<i64>, Failure> {
    let config = ExecConfig {
        attach_stdout: Some(true),
        attach_stderr: Some(true),
        cmd: Some(command.to_vec()),
        ..ExecConfig::default()
    };
    let exec = docker.create_exec(container, config).await?.id;
    let listen = async {
        match docker.start_exec(&exec, None).await {
            Ok(StartExecResults::Attached { output: written, .. }) => output.take_all(written).await,
            Ok(StartExecResults::Detached) | Err(Error::DockerResponseServerError { .. }) => Ok(()),
            Err(error) => Err(error.into()),
        }
    };
    match tokio::time::timeout(limit, listen).await {
        Ok(listened) => listened?,
        Err(_) => return Ok(None),
    }
    Ok(docker.inspect_exec(&exec).await?.exit_code)
}

/// Whether the engine is Podman, which needs help in places.
pub async fn is_podman(docker: &Docker) -> Result<bool, Failure> {
    let components = docker.version().await?.components.unwrap_or_default();
    Ok(components.iter().any(|component| component.name.starts_with("Podman")))
}

/// Kills a container; one that runs no longer is fine.
pub async fn kill(docker: &Docker, container: &str) -> Result<(), Failure> {
    let Err(error) = docker.kill_container(container, None::<KillContainerOptions>).await else { return Ok(()) };
    // It may have ended by itself, and Podman waits only so long to see it end.
    match docker.inspect_container(container, None::<InspectContainerOptions>).await {
        Ok(found) if found.state.as_ref().and_then(|state| state.running) == Some(false) => Ok(()),
        Err(Error::DockerResponseServerError { status_code: 404, .. }) => Ok(()),
        Ok(_) | Err(_) => Err(error.into()),
    }
}

/// How long a removal that somebody else began may take. Arbitrary.
const REMOVED_WITHIN: Duration = Duration::from_secs(30);

/// Removes a container with its unnamed volumes, whether it runs or not. One that is gone is fine, one that is being
/// removed is waited for.
pub async fn remove(docker: &Docker, container: &str) -> Result<(), Failure> {
    let options = RemoveContainerOptionsBuilder::new().force(true).v(true).build();
    match docker.remove_container(container, Some(options)).await {
        Ok(()) | Err(Error::DockerResponseServerError { status_code: 404, .. }) => Ok(()),
        Err(Error::DockerResponseServerError { status_code: 409, message }) => {
            let options = WaitContainerOptionsBuilder::new().condition("removed").build();
            let mut gone = docker.wait_container(container, Some(options));
            match tokio::time::timeout(REMOVED_WITHIN, gone.next()).await {
                // Whatever the answer, there is nothing more to wait for.
                Ok(_) => Ok(()),
                Err(_) => Err(Failure::Unreachable(message)),
            }
        }
        Err(error) => Err(error.into()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_bad_byte_is_one_character() {
        assert_eq!(lossy(b"a\xe2\x82z\xffb\xc3\xa9"), "a\u{fffd}\u{fffd}z\u{fffd}b\u{e9}");
    }

    #[test]
    fn what_does_not_fit_is_counted() {
        let mut captured = Captured::default();
        let chunk = vec![b'x'; CAPTURED_AT_MOST - 1];
        captured.take(&chunk);
        captured.take(b"yz!");
        assert_eq!((captured.bytes.len(), captured.bytes.last(), captured.lost()), (CAPTURED_AT_MOST, Some(&b'y'), 2));
    }
}
