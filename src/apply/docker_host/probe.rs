//! Tries whether a container is good, where its manifest says what to try.

use std::collections::BTreeMap;
use std::net::{IpAddr, SocketAddr};

use bollard::Docker;
use bollard::models::ContainerInspectResponse;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;

use crate::docker::{Failure, commands};
use crate::manifest::{Probe, ProbeWhat};

/// A status line is no longer than this (RFC 9112 names no limit; servers keep theirs far below).
const STATUS_LINE_AT_MOST: u64 = 1024;

/// Tries once, and says why it did not go well.
pub(super) async fn succeeds(
    docker: &Docker,
    name: &str,
    found: &ContainerInspectResponse,
    probe: &Probe,
) -> Result<Result<(), String>, Failure> {
    let Probe { what, timeout } = probe;
    let too_late = || Err(format!("no answer after {}s", timeout.as_secs_f32()));
    let tried = async {
        match what {
            ProbeWhat::Command(words) => {
                let mut output = commands::Output::default();
                match commands::exec(docker, name, words, *timeout, &mut output).await {
                    Ok(Some(0)) => Ok(Ok(())),
                    Ok(Some(code)) => {
                        let written = format!("{}{}", output.stdout.text(), output.stderr.text());
                        let last = written.trim().lines().last().map_or_else(String::new, |line| format!(": {line}"));
                        Ok(Err(format!("exit code {code}{last}")))
                    }
                    Ok(None) => Ok(too_late()),
                    // It may have ended meanwhile, which the next look sees.
                    Err(Failure::Refused(why)) => Ok(Err(why)),
                    Err(failure) => Err(failure),
                }
            }
            ProbeWhat::Http { port, path } => {
                Ok(http(found, *port, path).await.unwrap_or_else(|error| Err(error.to_string())))
            }
            ProbeWhat::Tcp(port) => Ok(connect(found, *port).await.map(drop).map_err(|error| error.to_string())),
        }
    };
    let tried = match tokio::time::timeout(*timeout, tried).await {
        Ok(tried) => tried?,
        Err(_) => too_late(),
    };
    Ok(tried.map_err(|why| format!("was not good by {what} ({why})")))
}

async fn http(found: &ContainerInspectResponse, port: u16, path: &str) -> std::io::Result<Result<(), String>> {
    let (host, mut stream) = connect(found, port).await?;
    let request = format!(
        "GET {path} HTTP/1.1\r\nHost: {host}\r\nUser-Agent: windlass\r\nAccept: */*\r\nConnection: close\r\n\r\n"
    );
    stream.write_all(request.as_bytes()).await?;
    let mut line = Vec::new();
    let mut answer = stream.take(STATUS_LINE_AT_MOST);
    while !line.contains(&b'\n') && answer.read_buf(&mut line).await? > 0 {}
    let line = String::from_utf8_lossy(&line);
    let line = line.lines().next().unwrap_or_default();
    let status = line.strip_prefix("HTTP/").and_then(|rest| rest.split(' ').nth(1)?.parse::<u16>().ok());
    Ok(match status {
        Some(200..=399) => Ok(()),
        Some(status) => Err(format!("status {status}")),
        None => Err("the answer is not HTTP".to_owned()),
    })
}

/// A connection to a port of a container, by its address on the first of its networks that gives it one.
async fn connect(found: &ContainerInspectResponse, port: u16) -> std::io::Result<(SocketAddr, TcpStream)> {
    let networks = found.network_settings.as_ref().and_then(|settings| settings.networks.as_ref());
    let networks: BTreeMap<_, _> = networks.into_iter().flatten().collect();
    let address = networks.into_values().find_map(|endpoint| endpoint.ip_address.as_ref()?.parse::<IpAddr>().ok());
    let address = address.ok_or_else(|| std::io::Error::other("it has no address"))?;
    let address = SocketAddr::new(address, port);
    Ok((address, TcpStream::connect(address).await?))
}
