//! Health checks of Podman, which leaves them to timers of systemd: where there is none, nobody runs them but who asks for it
//! (Podman's own API, `GET /libpod/containers/{name}/healthcheck`).

use std::io;

use tokio::io::AsyncWriteExt as _;

use super::Failure;
use super::upgrade::{open, read_head};

/// Has the engine at `host` run a container's health check once; what came of it is what the engine tells from then on.
///
/// # Errors
/// [`Failure::Refused`] where the engine has no such call, as Docker has none.
pub async fn run_health_check(host: &str, name: &str) -> Result<(), Failure> {
    let unreachable = |error: io::Error| Failure::Unreachable(error.to_string());
    let (mut stream, _hangup) = open(host).await.map_err(unreachable)?;
    let path = format!("/v4.0.0/libpod/containers/{name}/healthcheck");
    let request = format!("GET {path} HTTP/1.1\r\nHost: podman\r\nConnection: close\r\n\r\n");
    stream.write_all(request.as_bytes()).await.map_err(unreachable)?;
    let head = read_head(&mut stream).await.map_err(unreachable)?;
    let status = head.lines().next().unwrap_or_default();
    match status.split(' ').nth(1) {
        // The second: it has ended meanwhile, which the next look sees.
        Some("200" | "409") => Ok(()),
        _ => Err(Failure::Refused(format!("the engine answers `{status}` to `GET {path}`"))),
    }
}
