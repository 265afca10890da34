//! Containers that run for long: looked at, made, started, stopped, renamed, removed. Every call has the
//! client's time to be answered in, and what is done already is no failure.

use std::time::Duration;

use bollard::Docker;
use bollard::errors::Error;
use bollard::models::{ContainerCreateBody, ContainerInspectResponse, ContainerSummary};
use bollard::query_parameters::{
    CreateContainerOptionsBuilder, KillContainerOptionsBuilder, ListContainersOptionsBuilder, LogsOptionsBuilder,
    RemoveContainerOptionsBuilder, RenameContainerOptionsBuilder, RestartContainerOptionsBuilder,
    StartContainerOptions, StopContainerOptionsBuilder,
};
use futures_util::StreamExt;
use tokio::time::Instant;

use super::Failure;
use super::answer::{answer, unless_missing};

/// The folder of the engine's machine where containers are kept.
pub async fn data_folder(docker: &Docker) -> Result<Option<String>, Failure> {
    Ok(docker.info().await?.docker_root_dir)
}

/// Whether the engine takes the ports of a container when that starts, be it on no network that leads to the host: as Podman
/// does, whose containers are watched by a process each that holds them.
pub async fn takes_ports_at_start(docker: &Docker) -> Result<bool, Failure> {
    let version = answer(docker, docker.version()).await?;
    Ok(version.components.iter().flatten().any(|component| component.name == "Podman Engine"))
}

/// All containers of the engine, whatever they do.
pub async fn list(docker: &Docker) -> Result<Vec<ContainerSummary>, Failure> {
    let options = ListContainersOptionsBuilder::new().all(true).build();
    settled(docker, || docker.list_containers(Some(options.clone()))).await
}

/// What the engine knows of a container; nothing where it is not there.
pub async fn inspect(docker: &Docker, name: &str) -> Result<Option<ContainerInspectResponse>, Failure> {
    settled(docker, || unless_missing(docker.inspect_container(name, None))).await
}

/// The engine's answer once no container in it is between two states: what has ended is `stopped` to Podman until it is tidied up,
/// some tenths of a second long, which is no word of the protocol.
async fn settled<T, F>(docker: &Docker, ask: impl Fn() -> F) -> Result<T, Failure>
where
    F: Future<Output = Result<T, Error>>,
{
    let started = Instant::now();
    loop {
        match answer(docker, ask()).await {
            Err(Failure::Unreachable(why)) if why.contains(STOPPED) && started.elapsed() < docker.timeout() => {
                tokio::time::sleep(Duration::from_millis(50)).await;
            }
            outcome => return outcome,
        }
    }
}

/// What the client says of that word.
const STOPPED: &str = "unknown variant `stopped`";

/// Makes a container without starting it.
pub async fn create(docker: &Docker, name: &str, body: ContainerCreateBody) -> Result<(), Failure> {
    let options = CreateContainerOptionsBuilder::new().name(name).build();
    answer(docker, docker.create_container(Some(options), body)).await.map(drop)
}

/// Starts a container; one that runs stays as it is.
pub async fn start(docker: &Docker, name: &str) -> Result<(), Failure> {
    answer(docker, docker.start_container(name, None::<StartContainerOptions>)).await
}

/// Asks a container to stop and kills it after its grace; one that does not run or is not there stays as it is.
pub async fn stop(docker: &Docker, name: &str, grace: Duration) -> Result<(), Failure> {
    let options = StopContainerOptionsBuilder::new().t(seconds(grace)).build();
    let docker = &docker.clone().with_timeout(grace + docker.timeout());
    answer(docker, unless_missing(docker.stop_container(name, Some(options)))).await.map(drop)
}

/// Stops a container as [`stop`] does and starts it.
pub async fn restart(docker: &Docker, name: &str, grace: Duration) -> Result<(), Failure> {
    let options = RestartContainerOptionsBuilder::new().t(seconds(grace)).build();
    let docker = &docker.clone().with_timeout(grace + docker.timeout());
    answer(docker, docker.restart_container(name, Some(options))).await
}

/// Sends a signal to a container; one that does not run or is not there gets none.
pub async fn signal(docker: &Docker, name: &str, signal: &str) -> Result<(), Failure> {
    let options = KillContainerOptionsBuilder::new().signal(signal).build();
    match answer(docker, unless_missing(docker.kill_container(name, Some(options)))).await {
        // In Docker's words, and in Podman's.
        Err(Failure::Refused(message)) if message.contains("not running") => Ok(()),
        other => other.map(drop),
    }
}

/// Lets a frozen container go on.
pub async fn unpause(docker: &Docker, name: &str) -> Result<(), Failure> {
    answer(docker, docker.unpause_container(name)).await
}

/// Gives a container another name.
pub async fn rename(docker: &Docker, from: &str, to: &str) -> Result<(), Failure> {
    answer(docker, docker.rename_container(from, RenameContainerOptionsBuilder::new().name(to).build())).await
}

/// Removes a container, be it running; its volumes stay, those without a name included, because nobody can tell
/// whether they hold the only copy of something. One that is not there is fine.
pub async fn remove(docker: &Docker, name: &str) -> Result<(), Failure> {
    let options = RemoveContainerOptionsBuilder::new().force(true).v(false).build();
    answer(docker, unless_missing(docker.remove_container(name, Some(options)))).await.map(drop)
}

/// The last lines that a container wrote to either stream.
pub async fn last_lines(docker: &Docker, name: &str, n_lines: usize) -> Result<Vec<String>, Failure> {
    let options = LogsOptionsBuilder::new().stdout(true).stderr(true).tail(&n_lines.to_string()).build();
    let mut chunks = docker.logs(name, Some(options));
    let read = async {
        let mut text = String::new();
        while let Some(chunk) = chunks.next().await.transpose()? {
            text.push_str(&String::from_utf8_lossy(&chunk.into_bytes()));
        }
        Ok(text.lines().map(str::to_owned).collect())
    };
    answer(docker, read).await
}

/// Whole seconds, as the API counts, and at least one. With none Docker sends the signal to stop and the one to kill at
/// once; where the first was enough, it takes the second one's failure for a lost end, and some seconds later (20.10)
/// notes that end for whatever runs then, be it started anew.
fn seconds(grace: Duration) -> i32 {
    i32::try_from(grace.as_millis().div_ceil(1000)).unwrap_or(i32::MAX).max(1)
}
