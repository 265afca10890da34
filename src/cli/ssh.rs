//! What `build --ssh` and `verify --ssh` do: agents of SSH for `RUN --mount=type=ssh`.

use std::os::unix::fs::FileTypeExt as _;
use std::path::PathBuf;

use super::{Refusal, Settings};
use crate::engine::SshAgent;

/// What `build`, `verify` and `ci github build` are asked.
#[derive(Debug, Clone, Default, clap::Args)]
pub(super) struct SshArgs {
    /// Give `RUN --mount=type=ssh` an agent: `default`, that of SSH_AUTH_SOCK, or `ID=SOCKET`. May be said several times.
    #[arg(long, value_name = "ID[=SOCKET]", env = "WINDLASS_SSH")]
    ssh: Vec<String>,
}

/// The agents, each of which is a socket.
///
/// # Errors
/// When one is not there, or is something else.
pub(super) fn agents(args: &SshArgs, settings: &Settings) -> Result<Vec<SshAgent>, Refusal> {
    args.ssh.iter().map(|text| agent(text, settings)).collect()
}

fn agent(text: &str, settings: &Settings) -> Result<SshAgent, Refusal> {
    let (id, path) = text.split_once('=').map_or((text, None), |(id, path)| (id, Some(path)));
    if id.is_empty() {
        return Err(Refusal::usage_with_hint(format!("`--ssh {text}` names no id"), "write `--ssh default`"));
    }
    let socket = match path {
        Some(path) => settings.root.join(path),
        None => {
            let missing = || {
                let message = format!("`--ssh {text}` is to come from `SSH_AUTH_SOCK`, which is not set");
                Refusal::usage_with_hint(
                    message,
                    "start an agent, as `eval $(ssh-agent)` and `ssh-add` do, or name its socket",
                )
            };
            PathBuf::from(settings.environment.get("SSH_AUTH_SOCK").ok_or_else(missing)?)
        }
    };
    let refused = |why: &str, hint: String| {
        Err(Refusal::usage_with_hint(format!("`--ssh {text}`: `{}` {why}", socket.display()), hint))
    };
    match std::fs::metadata(&socket) {
        Ok(found) if found.file_type().is_socket() => Ok(SshAgent { id: id.to_owned(), socket }),
        Ok(found) if found.is_file() => {
            let hint = format!("give a key to an agent, and name that: `ssh-add {}`", socket.display());
            refused("is a file, not the socket of an agent", hint)
        }
        Ok(_) => refused("is not the socket of an agent", "name the socket that `ssh-agent` tells".to_owned()),
        Err(error) => refused(&format!("can't be used: {error}"), "is the agent running?".to_owned()),
    }
}
