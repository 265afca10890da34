//! Finding and greeting an engine.

use std::time::Duration;

use bollard::{API_DEFAULT_VERSION, Docker};

use super::auth::with_url_safe_credentials;
use super::failure::innermost;

/// An engine that can't be talked to.
#[derive(Debug, thiserror::Error)]
pub enum ConnectError {
    /// The address is of no kind that is known.
    #[error("`{0}` is no engine address: expected `unix:///path/to/socket`, `tcp://host:port` or `http://host:port`")]
    Address(String),
    /// Nothing answers there.
    #[error("no engine answers at `{host}`: {why}")]
    Unreachable {
        /// The address.
        host: String,
        /// What the attempt met.
        why: String,
    },
    /// Something is there and says nothing.
    #[error("the engine at `{host}` did not answer within {}s", limit.as_secs())]
    Silent {
        /// The address.
        host: String,
        /// How long it was waited for.
        limit: Duration,
    },
}

/// How long one call may wait for the first byte of its answer, in seconds. Long, because a pull or a build step
/// may think for minutes; what must be quicker has a limit of its own.
const CALL_SECONDS: u64 = 3600;

/// Connects to the engine at `host` (`unix://…`, `tcp://…` or `http://…`) and agrees on an API version.
///
/// # Errors
/// When the address can't be read, nothing answers, or no answer comes within `limit`.
pub async fn connect(host: &str, limit: Duration) -> Result<Docker, ConnectError> {
    let unreachable =
        |error: bollard::errors::Error| ConnectError::Unreachable { host: host.to_owned(), why: innermost(&error) };
    let docker = if let Some(path) = host.strip_prefix("unix://") {
        Docker::connect_with_unix(path, CALL_SECONDS, API_DEFAULT_VERSION)
    } else if host.starts_with("tcp://") || host.starts_with("http://") {
        Docker::connect_with_http(host, CALL_SECONDS, API_DEFAULT_VERSION)
    } else {
        return Err(ConnectError::Address(host.to_owned()));
    };
    let greeting = with_url_safe_credentials(docker.map_err(unreachable)?).negotiate_version();
    match tokio::time::timeout(limit, greeting).await {
        Ok(docker) => docker.map_err(unreachable),
        Err(_) => Err(ConnectError::Silent { host: host.to_owned(), limit }),
    }
}
