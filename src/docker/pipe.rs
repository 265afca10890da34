//! A body that is sent while it is written, and never held.

use std::io::{self, Write};

use prost::bytes::Bytes;
use tokio::sync::mpsc;
use tokio_stream::wrappers::ReceiverStream;

/// Bytes that are sent at once.
const CHUNK: usize = 64 * 1024;
/// How many chunks wait for the connection: what bounds the memory that a body of any size takes.
const CHUNKS_WAITING: usize = 8;

/// What `write` writes, on a thread of its own. Its error ends the body.
pub fn body<F>(write: F) -> ReceiverStream<io::Result<Bytes>>
where
    F: FnOnce(&mut dyn Write) -> io::Result<()> + Send + 'static,
{
    let (chunks, outgoing) = mpsc::channel(CHUNKS_WAITING);
    // It can't be aborted, and ends when the stream is dropped.
    tokio::task::spawn_blocking(move || {
        let mut pipe = Pipe { chunks: chunks.clone(), waiting: Vec::with_capacity(CHUNK) };
        if let Err(error) = write(&mut pipe).and_then(|()| pipe.flush()) {
            // There may be nobody left to hear it.
            let _heard = chunks.blocking_send(Err(error));
        }
    });
    ReceiverStream::new(outgoing)
}

/// Writes what is sent to a channel.
struct Pipe {
    chunks: mpsc::Sender<io::Result<Bytes>>,
    waiting: Vec<u8>,
}

impl Write for Pipe {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.waiting.extend_from_slice(bytes);
        if self.waiting.len() >= CHUNK {
            self.flush()?;
        }
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        let chunk = std::mem::replace(&mut self.waiting, Vec::with_capacity(CHUNK));
        self.chunks.blocking_send(Ok(chunk.into())).map_err(|_| io::ErrorKind::BrokenPipe.into())
    }
}
