//! Connections that leave HTTP/1.1 behind: BuildKit's services are reached so (Docker Engine API, `POST /grpc` and
//! `POST /session`).

use std::io;
use std::net::Shutdown;
use std::os::unix::net::UnixStream as StdUnixStream;
use std::pin::Pin;
use std::task::{Context, Poll};

use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt, ReadBuf};
use tokio::net::{TcpStream, UnixStream};
use tonic::transport::server::Connected;

use super::Failure;

/// A connection that speaks another protocol now.
#[derive(Debug)]
pub enum Upgraded {
    /// To a socket of this machine.
    Unix(UnixStream),
    /// To another machine.
    Tcp(TcpStream),
}

/// Ends a connection when it is dropped, whoever holds the connection itself.
#[derive(Debug)]
pub struct Hangup(Socket);

#[derive(Debug)]
enum Socket {
    Unix(StdUnixStream),
    Tcp(std::net::TcpStream),
}

/// An answer's head is a few hundred bytes; more is none.
const HEAD_AT_MOST: usize = 16 * 1024;

/// Asks the engine at `host` to go on in HTTP/2 at `path`.
///
/// # Errors
/// [`Failure::Refused`] when the engine knows no such path, as Podman knows none of BuildKit's.
pub async fn upgrade(host: &str, path: &str, headers: &[(&str, &str)]) -> Result<(Upgraded, Hangup), Failure> {
    let unreachable = |error: io::Error| Failure::Unreachable(error.to_string());
    let (mut stream, hangup) = open(host).await.map_err(unreachable)?;
    let mut request = format!("POST {path} HTTP/1.1\r\nHost: docker\r\nConnection: Upgrade\r\nUpgrade: h2c\r\n");
    for (name, value) in headers {
        request.push_str(&format!("{name}: {value}\r\n"));
    }
    request.push_str("\r\n");
    stream.write_all(request.as_bytes()).await.map_err(unreachable)?;
    let head = read_head(&mut stream).await.map_err(unreachable)?;
    let status = head.lines().next().unwrap_or_default();
    match status.split(' ').nth(1) {
        Some("101") => Ok((stream, hangup)),
        _ => Err(Failure::Refused(format!("the engine answers `{status}` to `POST {path}`"))),
    }
}

/// A connection to the engine at `host`, and what ends it.
pub(super) async fn open(host: &str) -> io::Result<(Upgraded, Hangup)> {
    if let Some(path) = host.strip_prefix("unix://") {
        let stream = UnixStream::connect(path).await?.into_std()?;
        let hangup = Hangup(Socket::Unix(stream.try_clone()?));
        return Ok((Upgraded::Unix(UnixStream::from_std(stream)?), hangup));
    }
    let address = host.split_once("://").map_or(host, |(_, address)| address);
    let stream = TcpStream::connect(address.trim_end_matches('/')).await?.into_std()?;
    let hangup = Hangup(Socket::Tcp(stream.try_clone()?));
    Ok((Upgraded::Tcp(TcpStream::from_std(stream)?), hangup))
}

/// Reads up to the blank line and not a byte more: what follows is the other protocol's.
pub(super) async fn read_head(stream: &mut Upgraded) -> io::Result<String> {
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        if head.len() == HEAD_AT_MOST {
            return Err(io::Error::other("the engine's answer is no HTTP"));
        }
        head.push(stream.read_u8().await?);
    }
    Ok(String::from_utf8_lossy(&head).into_owned())
}

impl Drop for Hangup {
    fn drop(&mut self) {
        // A connection that is closed already can't be closed again, which is as good.
        let _closed = match &self.0 {
            Socket::Unix(stream) => stream.shutdown(Shutdown::Both),
            Socket::Tcp(stream) => stream.shutdown(Shutdown::Both),
        };
    }
}

impl AsyncRead for Upgraded {
    fn poll_read(self: Pin<&mut Self>, cx: &mut Context<'_>, buffer: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        match self.get_mut() {
            Self::Unix(stream) => Pin::new(stream).poll_read(cx, buffer),
            Self::Tcp(stream) => Pin::new(stream).poll_read(cx, buffer),
        }
    }
}

impl AsyncWrite for Upgraded {
    fn poll_write(self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        match self.get_mut() {
            Self::Unix(stream) => Pin::new(stream).poll_write(cx, bytes),
            Self::Tcp(stream) => Pin::new(stream).poll_write(cx, bytes),
        }
    }

    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        match self.get_mut() {
            Self::Unix(stream) => Pin::new(stream).poll_flush(cx),
            Self::Tcp(stream) => Pin::new(stream).poll_flush(cx),
        }
    }

    fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        match self.get_mut() {
            Self::Unix(stream) => Pin::new(stream).poll_shutdown(cx),
            Self::Tcp(stream) => Pin::new(stream).poll_shutdown(cx),
        }
    }
}

impl Connected for Upgraded {
    type ConnectInfo = ();

    fn connect_info(&self) {}
}
