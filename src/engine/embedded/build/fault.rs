//! Why a build ended without an image.

use std::time::Duration;

use crate::engine::Error;
use crate::engine::context::Changed;

/// Why a build, or a stage of it, came to nothing.
#[derive(Debug)]
pub(in crate::engine::embedded) enum Fault {
    /// The image is at fault.
    Image { message: String, line: usize, hint: Option<String> },
    /// This engine, or this machine, can't do what is asked.
    Unsupported { message: String, hint: String },
    /// The machine is at fault: no space, no rights.
    Machine(anyhow::Error),
    /// A registry or server is at fault.
    Unreachable(anyhow::Error),
    /// A file of the context is not what it was.
    Changed(Changed),
    /// A command took longer than the build may.
    TimedOut,
    /// Nobody waits for it any more.
    Stopped,
    /// A stage that is needed failed; that one tells why.
    Elsewhere,
}

impl Fault {
    pub(super) fn image(message: String, line: usize) -> Self {
        Self::Image { message, line, hint: None }
    }

    /// What an instruction met: a file of the context that changed, no space, or something that is wrong with it.
    pub(super) fn at(line: usize, error: anyhow::Error) -> Self {
        let changed = error.chain().find_map(|cause| {
            let io = cause.downcast_ref::<std::io::Error>().and_then(|io| io.get_ref()?.downcast_ref::<Changed>());
            cause.downcast_ref::<Changed>().or(io).cloned()
        });
        let no_space = || {
            let kinds =
                error.chain().filter_map(|cause| cause.downcast_ref::<std::io::Error>()).map(std::io::Error::kind);
            kinds
                .into_iter()
                .any(|kind| matches!(kind, std::io::ErrorKind::StorageFull | std::io::ErrorKind::QuotaExceeded))
        };
        match changed {
            Some(changed) => Self::Changed(changed),
            None if no_space() => Self::Machine(error),
            None => Self::image(format!("{error:#}"), line),
        }
    }

    /// Which of two faults says more of why a build failed.
    pub(super) fn or(self, other: Self) -> Self {
        match (&self, &other) {
            (Self::Elsewhere | Self::Stopped, _) => other,
            _ => self,
        }
    }

    /// What the engine's user is told.
    pub(in crate::engine::embedded) fn explain(self, what: &str, limit: Duration) -> Error {
        match self {
            Self::Image { message, line, hint } => Error::Image { message, line: Some(line), hint },
            Self::Unsupported { message, hint } => Error::Unsupported { message, hint },
            Self::Machine(error) => Error::Refused(error),
            Self::Unreachable(error) => Error::Unreachable(error),
            Self::Changed(changed) => changed.into(),
            Self::TimedOut => Error::TimedOut { what: what.to_owned(), limit },
            Self::Stopped | Self::Elsewhere => Error::Unreachable(anyhow::anyhow!("{what} was stopped")),
        }
    }
}
