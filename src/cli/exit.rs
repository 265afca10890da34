//! Exit codes, and which error means which.

use super::deploy;
use crate::diag::Diagnostics;
use crate::docker::ConnectError;
use crate::engine;
use crate::pipeline::LookupError;
use crate::registry::{self, Again, DownloadError, UserDataError};
use crate::source::{CommitError, RemoteError};

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
    /// The manifest was tried before and is not good, and nobody wants it to be tried again.
    #[error("serial {serial} was tried and is not good{}", kept.map_or_else(String::new, |kept| format!("; the host is kept at serial {kept}")))]
    KnownBad {
        /// Its serial.
        serial: u64,
        /// The serial that the host runs instead, where it runs one.
        kept: Option<u64>,
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

/// What an error means to whoever ran the program: the one place where this is decided.
pub(super) struct Meaning {
    pub(super) exit: Exit,
    /// How to mend it, where that is known.
    pub(super) hint: Option<String>,
}

/// The meaning of the first cause that has one; what nobody knows is a failure.
pub(super) fn meaning(error: &anyhow::Error) -> Meaning {
    error.chain().find_map(known).unwrap_or(Meaning { exit: Exit::Failed, hint: None })
}

/// What to do after work was dropped: every command goes on from what is there.
const AGAIN: &str = "what was begun may be half done: the same command finishes it";

fn known(error: &(dyn std::error::Error + 'static)) -> Option<Meaning> {
    let plain = |exit| Some(Meaning { exit, hint: None });
    if error.is::<Diagnostics>() {
        return plain(Exit::Usage);
    }
    if let Some(refusal) = error.downcast_ref::<Refusal>() {
        return match refusal {
            Refusal::Usage { hint, .. } => Some(Meaning { exit: Exit::Usage, hint: hint.clone() }),
            Refusal::KnownBad { serial: _, kept } => {
                let exit = if kept.is_some() { Exit::Restored } else { Exit::Failed };
                let hint = "the next serial will be tried; without `--skip-bad` this one is tried again";
                Some(Meaning { exit, hint: Some(hint.to_owned()) })
            }
            Refusal::Interrupted => Some(Meaning { exit: Exit::Interrupted, hint: Some(AGAIN.to_owned()) }),
            Refusal::TimedOut => Some(Meaning { exit: Exit::TimedOut, hint: Some(AGAIN.to_owned()) }),
        };
    }
    if let Some(connect) = error.downcast_ref::<ConnectError>() {
        return match connect {
            ConnectError::Address(_) => plain(Exit::Usage),
            ConnectError::Unreachable { .. } | ConnectError::Silent { .. } => {
                let hint = "start it, or name another with `--host`; `windlass doctor` tells what is there";
                Some(Meaning { exit: Exit::Unreachable, hint: Some(hint.to_owned()) })
            }
        };
    }
    if let Some(lookup) = error.downcast_ref::<LookupError>() {
        return Some(match lookup {
            LookupError::Engine(error) => of_engine(error),
            LookupError::Registry(error) => of_registry(error),
        });
    }
    if let Some(remote) = error.downcast_ref::<RemoteError>() {
        return Some(of_remote(remote));
    }
    if let Some(download) = error.downcast_ref::<DownloadError>() {
        let hint = "where a file needs credentials, or is another each time, say its checksum with `ADD --checksum`";
        return Some(match download {
            DownloadError::Refused { .. } => Meaning { exit: Exit::Failed, hint: Some(hint.to_owned()) },
            DownloadError::Unreachable { .. } => Meaning { exit: Exit::Unreachable, hint: None },
        });
    }
    if let Some(user_data) = error.downcast_ref::<UserDataError>() {
        return Some(match user_data {
            UserDataError::Refused { .. } => Meaning { exit: Exit::Failed, hint: None },
            UserDataError::Unreachable { .. } => {
                let hint = "is this an EC2 instance? in a container its hop limit has to be 2: `aws ec2 modify-instance-metadata-options \
                            --http-put-response-hop-limit 2`";
                Meaning { exit: Exit::Unreachable, hint: Some(hint.to_owned()) }
            }
        });
    }
    if let Some(commit) = error.downcast_ref() {
        return Some(of_commit(commit));
    }
    if let Some((exit, hint)) = deploy::meaning(error) {
        return Some(Meaning { exit, hint });
    }
    error.downcast_ref().map(of_engine).or_else(|| error.downcast_ref().map(of_registry))
}

fn of_commit(error: &CommitError) -> Meaning {
    let hint = match error {
        CommitError::NoGit(_) => None,
        CommitError::Unknown(_) => Some("`git fetch` brings what is not here; `git branch --all` lists what is"),
        CommitError::Ambiguous { .. } => Some("write the whole name"),
        CommitError::Shallow(_) => Some(
            "`git fetch --deepen=100` brings more of the history, `git fetch --unshallow` all of it; in GitHub Actions set \
             `fetch-depth: 0` of actions/checkout, in GitLab CI `GIT_DEPTH: 0`, in Travis CI `git: {depth: false}`",
        ),
        CommitError::Refused(_) => return Meaning { exit: Exit::Unreachable, hint: None },
    };
    Meaning { exit: Exit::Usage, hint: hint.map(str::to_owned) }
}

fn of_engine(error: &engine::Error) -> Meaning {
    match error {
        engine::Error::Image { hint, .. } => Meaning { exit: Exit::Failed, hint: hint.clone() },
        engine::Error::Unsupported { hint, .. } => Meaning { exit: Exit::Usage, hint: Some(hint.clone()) },
        engine::Error::Refused(_) => Meaning { exit: Exit::Failed, hint: None },
        engine::Error::Unreachable(_) | engine::Error::TimedOut { .. } => {
            Meaning { exit: Exit::Unreachable, hint: None }
        }
    }
}

fn of_remote(error: &RemoteError) -> Meaning {
    let (exit, hint) = match error {
        RemoteError::NotInstalled => (Exit::Unreachable, Some("install git")),
        RemoteError::Unreachable { .. } => (
            Exit::Unreachable,
            Some("try `git ls-remote` with the same address: credentials and proxies are git's own"),
        ),
        RemoteError::NotCached { .. } => {
            (Exit::Usage, Some("without `--offline`, or by `build --locked`, it is fetched"))
        }
        RemoteError::NoCommit { .. } | RemoteError::NoFolder { .. } => (Exit::Usage, None),
        RemoteError::Failed { .. } => (Exit::Failed, None),
        RemoteError::Cache { .. } => (Exit::Failed, Some("`WINDLASS_CACHE` names another folder")),
        RemoteError::Busy { .. } => (Exit::Locked, None),
    };
    Meaning { exit, hint: hint.map(str::to_owned) }
}

fn of_registry(error: &registry::Error) -> Meaning {
    let exit = if error.again() == Again::Never { Exit::Failed } else { Exit::Unreachable };
    Meaning { exit, hint: error.hint() }
}
