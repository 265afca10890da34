//! `RUN --mount=type=ssh`: a socket for one command, behind which an agent of this machine answers.
//!
//! The agent's own socket would not do: the command may be somebody else, and an agent answers nobody but its owner.

use std::fs::{self, File, Permissions};
use std::os::fd::AsRawFd as _;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};

use anyhow::Context as _;
use tokio::net::{UnixListener, UnixStream};
use tokio::runtime::Handle;
use tokio::task::{AbortHandle, JoinSet};

use crate::engine::embedded::layer::Overlay;

/// A socket that is answered for as long as this is kept.
pub(super) struct Forwarded {
    pub(super) path: PathBuf,
    answering: AbortHandle,
}

impl Forwarded {
    /// Makes a socket in a folder, with this mode and owner.
    pub(super) fn new(
        runtime: &Handle,
        overlay: Overlay,
        folder: &Path,
        agent: PathBuf,
        (mode, owner): (u32, (u32, u32)),
    ) -> anyhow::Result<Self> {
        fs::create_dir(folder)?;
        // The address of a socket holds 107 bytes, and a store may lie deeper.
        let short = File::open(folder)?;
        let address = format!("/proc/self/fd/{}/agent", short.as_raw_fd());
        let path = folder.join("agent");
        let entered = runtime.enter();
        let listener = UnixListener::bind(address).context("making a socket for an agent of SSH")?;
        drop(entered);
        overlay.set_owner(&path, owner)?;
        fs::set_permissions(&path, Permissions::from_mode(mode & 0o777))?;
        let answering = runtime.spawn(answer(listener, agent)).abort_handle();
        Ok(Self { path, answering })
    }
}

impl Drop for Forwarded {
    fn drop(&mut self) {
        self.answering.abort();
    }
}

/// Takes connections to the agent, until it is dropped: with it the connections end.
async fn answer(listener: UnixListener, agent: PathBuf) {
    let mut connections = JoinSet::new();
    while let Ok((mut theirs, _)) = listener.accept().await {
        let agent = agent.clone();
        connections.spawn(async move {
            // An agent that does not answer is one that hangs up.
            let Ok(mut ours) = UnixStream::connect(agent).await else { return };
            let _ended = tokio::io::copy_bidirectional(&mut theirs, &mut ours).await;
        });
        while connections.try_join_next().is_some() {}
    }
}
