//! Finding and greeting an engine.

use std::time::Duration;

use bollard::{API_DEFAULT_VERSION, ClientVersion, Docker};
use tokio::io::AsyncWriteExt as _;

use super::auth::with_url_safe_credentials;
use super::failure::innermost;
use super::upgrade::{open, read_head};

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
    let client = |version: &ClientVersion| {
        let docker = if let Some(path) = host.strip_prefix("unix://") {
            Docker::connect_with_unix(path, CALL_SECONDS, version)
        } else if host.starts_with("tcp://") || host.starts_with("http://") {
            Docker::connect_with_http(host, CALL_SECONDS, version)
        } else {
            return Err(ConnectError::Address(host.to_owned()));
        };
        docker.map(with_url_safe_credentials).map_err(unreachable)
    };
    let docker = client(API_DEFAULT_VERSION)?;
    let greeting = async {
        match greet(host).await {
            Some(theirs) if theirs < *API_DEFAULT_VERSION => client(&theirs),
            Some(_) => Ok(docker),
            None => docker.negotiate_version().await.map_err(unreachable),
        }
    };
    let silent = || ConnectError::Silent { host: host.to_owned(), limit };
    tokio::time::timeout(limit, greeting).await.unwrap_or_else(|_| Err(silent()))
}

/// The version that the engine says it speaks. To be asked for its whole version, it would run programs of its own (Docker
/// 20.10), which takes longer than all the rest of a look at it; so it is asked for as Docker's own client does.
async fn greet(host: &str) -> Option<ClientVersion> {
    let (mut stream, _hangup) = open(host).await.ok()?;
    stream.write_all(b"GET /_ping HTTP/1.1\r\nHost: docker\r\nConnection: close\r\n\r\n").await.ok()?;
    let head = read_head(&mut stream).await.ok()?;
    api_version(&head)
}

/// The `Api-Version` of an answer's head (Docker Engine API, `GET /_ping`).
fn api_version(head: &str) -> Option<ClientVersion> {
    let fields = head.lines().skip(1).filter_map(|line| line.split_once(':'));
    let (_, version) = fields.into_iter().find(|(name, _)| name.eq_ignore_ascii_case("api-version"))?;
    let (major, minor) = version.trim().split_once('.')?;
    Some(ClientVersion { major_version: major.parse().ok()?, minor_version: minor.parse().ok()? })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_version_stands_in_the_head() {
        let version = |head: &str| api_version(head).map(|version| version.to_string());
        let docker = "HTTP/1.1 200 OK\r\nApi-Version: 1.41\r\nOstype: linux\r\n\r\n";
        assert_eq!(version(docker).as_deref(), Some("1.41"));
        assert_eq!(version("HTTP/1.1 200 OK\r\nAPI-VERSION:1.40\r\n\r\n").as_deref(), Some("1.40"), "Podman");
        for other in ["", "HTTP/1.1 404 Not Found\r\n\r\n", "HTTP/1.1 200 OK\r\nApi-Version: new\r\n\r\n"] {
            assert_eq!(version(other), None, "{other}");
        }
    }
}
