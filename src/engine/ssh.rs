//! Agents of SSH for `RUN --mount=type=ssh`: what a build says to one goes to its socket here, and nowhere else.

use std::path::PathBuf;

/// An agent that builds may use.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SshAgent {
    /// The id that the Dockerfile mounts it by.
    pub id: String,
    /// The socket where it listens.
    pub socket: PathBuf,
}

/// The id of a mount that says none, or an empty one.
pub(super) const DEFAULT_ID: &str = "default";
