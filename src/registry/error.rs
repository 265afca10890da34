//! Why a registry did not do what it was asked.

use std::path::PathBuf;
use std::time::Duration;

use super::retry::Again;

/// Why a registry did not do what it was asked. `doing` says what that was: "reading `ghcr.io/acme/api:latest`".
/// No text holds a secret or the query of a URL.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Error {
    /// 401 or 403: who asks is unknown, or may not.
    #[error("{doing}: registry `{registry}` does not allow it: {why}")]
    Unauthorized {
        /// The registry's host and port.
        registry: String,
        /// What was being done.
        doing: String,
        /// The status, and what the registry says to it.
        why: String,
        /// Whether the request went without credentials, because none are known.
        anonymous: bool,
    },
    /// 404: the repository, manifest or blob does not exist, or is hidden from who asks.
    #[error("{doing}: registry `{registry}` does not have it")]
    NotFound {
        /// The registry's host and port.
        registry: String,
        /// What was being done.
        doing: String,
    },
    /// 429: later.
    #[error("{doing}: registry `{registry}` answers 429, too many requests{}", wait_asked(*.retry_after))]
    TooManyRequests {
        /// The registry's host and port.
        registry: String,
        /// What was being done.
        doing: String,
        /// How long the registry asks to wait, where it does.
        retry_after: Option<Duration>,
    },
    /// 5xx: the registry is broken, perhaps only now.
    #[error("{doing}: registry `{registry}` fails: {why}")]
    Failing {
        /// The registry's host and port.
        registry: String,
        /// What was being done.
        doing: String,
        /// The status, and what the registry says to it.
        why: String,
        /// How long the registry asks to wait, where it does.
        retry_after: Option<Duration>,
    },
    /// Any other 4xx: the registry understood, and does not want.
    #[error("{doing}: registry `{registry}` refuses: {why}")]
    Refused {
        /// The registry's host and port.
        registry: String,
        /// What was being done.
        doing: String,
        /// The status, and what the registry says to it.
        why: String,
    },
    /// Nothing answers there, or not in time.
    #[error("{doing}: registry `{registry}` does not answer: {why}")]
    Unreachable {
        /// The registry's host and port.
        registry: String,
        /// What was being done.
        doing: String,
        /// What the attempt met.
        why: String,
    },
    /// This machine lacks what a connection needs: the certificates that vouch for servers.
    #[error("{doing}: no connection to registry `{registry}` can be prepared: {why}")]
    NotEquipped {
        /// The registry's host and port.
        registry: String,
        /// What was being done.
        doing: String,
        /// What is missing.
        why: String,
    },
    /// The answer ended before it was whole.
    #[error("{doing}: the answer of registry `{registry}` ends early")]
    Truncated {
        /// The registry's host and port.
        registry: String,
        /// What was being done.
        doing: String,
    },
    /// The answer is whole and wrong: another digest, no JSON, a certificate that nobody vouches for.
    #[error("{doing}: the answer of registry `{registry}` is wrong: {why}")]
    Protocol {
        /// The registry's host and port.
        registry: String,
        /// What was being done.
        doing: String,
        /// What is wrong.
        why: String,
    },
    /// A file of this machine that is sent or received can't be read or written.
    #[error("{doing}: {why}")]
    Local {
        /// What was being done.
        doing: String,
        /// What the operating system says.
        why: String,
    },
    /// A file of credentials can't be read.
    #[error("`{}` holds no readable credentials: {why}", file.display())]
    CredentialsFile {
        /// The file.
        file: PathBuf,
        /// What is wrong.
        why: String,
    },
    /// A program that keeps credentials does not hand them out.
    #[error("`{program}` gives no credentials for `{registry}`: {why}")]
    CredentialsHelper {
        /// The program's name.
        program: String,
        /// The registry's host and port.
        registry: String,
        /// What is wrong.
        why: String,
        /// The file that names the program.
        file: PathBuf,
    },
}

impl Error {
    /// What to do about it, where that is known.
    pub fn hint(&self) -> Option<String> {
        match self {
            Self::Unauthorized { registry, anonymous: true, .. } => {
                Some(format!("log in with `docker login{}`", login_operand(registry)))
            }
            Self::Unauthorized { registry, anonymous: false, .. } => Some(format!(
                "the credentials at hand do not suffice: log in with `docker login{}` as somebody who may",
                login_operand(registry)
            )),
            Self::Unreachable { registry, .. } => Some(format!("check that `{registry}` is up and its name is right")),
            Self::NotEquipped { .. } => {
                Some("install `ca-certificates`, or name a file of certificates in `SSL_CERT_FILE`".to_owned())
            }
            Self::CredentialsHelper { program, file, .. } => Some(format!(
                "`{}` names this helper: install or mend `{program}`, or take its name out",
                file.display()
            )),
            Self::NotFound { .. }
            | Self::TooManyRequests { .. }
            | Self::Failing { .. }
            | Self::Refused { .. }
            | Self::Truncated { .. }
            | Self::Protocol { .. }
            | Self::Local { .. }
            | Self::CredentialsFile { .. } => None,
        }
    }

    /// Whether trying the same again may help, and when.
    pub fn again(&self) -> Again {
        match self {
            Self::TooManyRequests { retry_after, .. } | Self::Failing { retry_after, .. } => {
                retry_after.map_or(Again::BackOff, Again::After)
            }
            Self::Unreachable { .. } | Self::Truncated { .. } => Again::BackOff,
            Self::Unauthorized { .. }
            | Self::NotFound { .. }
            | Self::Refused { .. }
            | Self::NotEquipped { .. }
            | Self::Protocol { .. }
            | Self::Local { .. }
            | Self::CredentialsFile { .. }
            | Self::CredentialsHelper { .. } => Again::Never,
        }
    }
}

fn wait_asked(retry_after: Option<Duration>) -> String {
    retry_after.map_or_else(String::new, |wait| format!(", and asks to wait {}s", wait.as_secs()))
}

/// `docker login` takes Docker Hub where it is given no registry.
fn login_operand(registry: &str) -> String {
    if registry == "docker.io" { String::new() } else { format!(" {registry}") }
}
