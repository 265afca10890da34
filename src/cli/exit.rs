//! Exit codes, and which error means which.

use super::deploy;
use crate::diag::Diagnostics;
use crate::docker::ConnectError;
use crate::engine;

/// How the program ends. The numbers are an interface: scripts branch on them.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Exit {
    /// Done, nothing to do included.
    Done = 0,
    /// An image failed to build, test or push, or `apply` did not converge.
    Failed = 1,
    /// The command line, the configuration or a Dockerfile is wrong.
    Usage = 2,
    /// The engine, the registry or git could not be reached: trying again may help.
    Unreachable = 3,
    /// `apply` failed, and the former state was restored.
    Restored = 4,
    /// Another run holds the lock.
    Locked = 5,
    /// There are changes to make; only told when asked by `--exit-code`.
    Changes = 10,
    /// It took longer than `--timeout` allows.
    TimedOut = 124,
    /// Interrupted by Ctrl-C or SIGTERM.
    Interrupted = 130,
}

impl From<Exit> for std::process::ExitCode {
    fn from(exit: Exit) -> Self {
        Self::from(exit as u8)
    }
}

/// Refusals that the command line itself makes.
#[derive(Debug, thiserror::Error)]
pub enum Refusal {
    /// The user asks for something that makes no sense.
    #[error("{message}")]
    Usage {
        /// What makes no sense.
        message: String,
        /// What to do instead.
        hint: Option<String>,
    },
    /// Ctrl-C or SIGTERM.
    #[error("interrupted")]
    Interrupted,
    /// `--timeout` ran out.
    #[error("the time that `--timeout` allows is over")]
    TimedOut,
}

impl Refusal {
    /// A refusal of what the user asked for.
    pub fn usage(message: impl Into<String>) -> Self {
        Self::Usage { message: message.into(), hint: None }
    }

    /// The same with what to do instead.
    pub fn usage_with_hint(message: impl Into<String>, hint: impl Into<String>) -> Self {
        Self::Usage { message: message.into(), hint: Some(hint.into()) }
    }
}

/// The exit code that an error means: the one place where this is decided.
pub(super) fn of(error: &anyhow::Error) -> Exit {
    error.chain().find_map(known).unwrap_or(Exit::Failed)
}

/// How the user may mend what an error tells of, where that is known.
pub(super) fn hint(error: &anyhow::Error) -> Option<String> {
    error.chain().find_map(|cause| {
        if let Some(Refusal::Usage { hint, .. }) = cause.downcast_ref() {
            return hint.clone();
        }
        if let Some((_, hint)) = deploy::meaning(cause) {
            return hint;
        }
        match cause.downcast_ref()? {
            engine::Error::Image { hint, .. } => hint.clone(),
            engine::Error::Unsupported { hint, .. } => Some(hint.clone()),
            engine::Error::Refused(_) | engine::Error::Unreachable(_) | engine::Error::TimedOut { .. } => None,
        }
    })
}

fn known(error: &(dyn std::error::Error + 'static)) -> Option<Exit> {
    if error.is::<Diagnostics>() {
        return Some(Exit::Usage);
    }
    if let Some(refusal) = error.downcast_ref::<Refusal>() {
        return Some(match refusal {
            Refusal::Usage { .. } => Exit::Usage,
            Refusal::Interrupted => Exit::Interrupted,
            Refusal::TimedOut => Exit::TimedOut,
        });
    }
    if let Some(connect) = error.downcast_ref::<ConnectError>() {
        return Some(match connect {
            ConnectError::Address(_) => Exit::Usage,
            ConnectError::Unreachable { .. } | ConnectError::Silent { .. } => Exit::Unreachable,
        });
    }
    if let Some((exit, _)) = deploy::meaning(error) {
        return Some(exit);
    }
    if let Some(engine) = error.downcast_ref::<engine::Error>() {
        return Some(match engine {
            engine::Error::Image { .. } => Exit::Failed,
            engine::Error::Unsupported { .. } => Exit::Usage,
            engine::Error::Refused(_) | engine::Error::Unreachable(_) => Exit::Unreachable,
            engine::Error::TimedOut { .. } => Exit::Failed,
        });
    }
    None
}
