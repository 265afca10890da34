//! Hashes, compresses and hashes again, in one pass and on all cores.
//!
//! The archive is cut into pieces of one length, and each becomes a member of its own of the gzip file (RFC 1952,
//! section 2.2: "a gzip file consists of a series of members"). So what comes out depends on neither the number of
//! cores nor what else they do.

use std::io::{self, Write};
use std::num::NonZero;
use std::sync::mpsc::{Receiver, Sender, SyncSender, channel, sync_channel};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::{Scope, ScopedJoinHandle};

use anyhow::{Context as _, anyhow};
use libdeflater::{CompressionLvl, Compressor};
use sha2::{Digest as _, Sha256};

use crate::model::Digest;

/// Length of a piece in bytes. Arbitrary: longer ones are 0.3 % smaller and do not fit into a core's cache. It is in
/// the digest of every layer, as are [`LEVEL`] and the version of libdeflate.
const PIECE: usize = 1 << 20;

/// As small as gzip's level 2, three times as fast.
const LEVEL: i32 = 1;

/// More cores wait for whoever reads the files. It bounds the memory: four pieces a core.
const CORES_AT_MOST: usize = 8;

/// What an archive and its compressed form are known by.
#[derive(Debug)]
pub(super) struct Sums {
    pub(super) plain: Digest,
    pub(super) packed: Digest,
    /// Length of the compressed form in bytes.
    pub(super) size: u64,
}

/// Compresses what `fill` writes to `out`.
pub(super) fn pack(
    out: &mut (dyn Write + Send),
    fill: impl FnOnce(&mut Plain<'_, '_>) -> anyhow::Result<()>,
) -> anyhow::Result<Sums> {
    std::thread::scope(|scope| {
        let mut plain = Plain {
            scope,
            sink: Sink::Idle(Packed { out, hash: Sha256::new(), size: 0 }),
            piece: vec![0; PIECE],
            n_filled: 0,
            hash: Sha256::new(),
        };
        fill(&mut plain)?;
        plain.finish()
    })
}

/// Takes the archive.
pub(super) struct Plain<'scope, 'env> {
    scope: &'scope Scope<'scope, 'env>,
    sink: Sink<'scope, 'env>,
    piece: Vec<u8>,
    n_filled: usize,
    hash: Sha256,
}

enum Sink<'scope, 'env> {
    /// No piece is full yet: most layers are shorter than one, and worth no thread.
    Idle(Packed<'env>),
    Busy(Pipeline<'scope>),
    Failed,
}

struct Pipeline<'scope> {
    pieces: Sender<Piece>,
    /// Where the next compressed pieces come from, in their order; its length bounds how many there are.
    order: SyncSender<Receiver<Vec<u8>>>,
    writer: ScopedJoinHandle<'scope, io::Result<(Digest, u64)>>,
}

struct Piece {
    bytes: Vec<u8>,
    packed: SyncSender<Vec<u8>>,
}

/// The compressed form as it is written.
struct Packed<'env> {
    out: &'env mut (dyn Write + Send),
    hash: Sha256,
    size: u64,
}

impl Packed<'_> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<()> {
        self.hash.update(bytes);
        self.size += bytes.len() as u64;
        self.out.write_all(bytes)
    }

    fn finish(self) -> (Digest, u64) {
        (Digest::from_bytes(self.hash.finalize().into()), self.size)
    }
}

impl<'scope, 'env: 'scope> Plain<'scope, 'env> {
    pub(super) fn write(&mut self, mut bytes: &[u8]) -> anyhow::Result<()> {
        while !bytes.is_empty() {
            let n = bytes.len().min(self.room()?.len());
            self.room()?[..n].copy_from_slice(&bytes[..n]);
            self.advance(n);
            bytes = &bytes[n..];
        }
        Ok(())
    }

    /// Where the next bytes may be put; never empty.
    pub(super) fn room(&mut self) -> anyhow::Result<&mut [u8]> {
        if self.n_filled == PIECE {
            self.hand_on()?;
        }
        Ok(&mut self.piece[self.n_filled..])
    }

    /// Says how many bytes were put into the room.
    pub(super) fn advance(&mut self, n: usize) {
        self.hash.update(&self.piece[self.n_filled..self.n_filled + n]);
        self.n_filled += n;
    }

    /// Gives the piece to whoever compresses.
    fn hand_on(&mut self) -> anyhow::Result<()> {
        let mut bytes = std::mem::replace(&mut self.piece, vec![0; PIECE]);
        bytes.truncate(self.n_filled);
        self.n_filled = 0;
        if let Sink::Idle(_) = self.sink
            && let Sink::Idle(packed) = std::mem::replace(&mut self.sink, Sink::Failed)
        {
            self.sink = Sink::Busy(start(self.scope, packed));
        }
        let Sink::Busy(pipeline) = &self.sink else { return Err(anyhow!("the layer is not written any more")) };
        let (packed, receiver) = sync_channel(1);
        let is_taken = pipeline.order.send(receiver).is_ok() && pipeline.pieces.send(Piece { bytes, packed }).is_ok();
        if is_taken {
            return Ok(());
        }
        self.end().map(|_| ())
    }

    /// Waits for the threads.
    fn end(&mut self) -> anyhow::Result<(Digest, u64)> {
        match std::mem::replace(&mut self.sink, Sink::Failed) {
            Sink::Idle(packed) => Ok(packed.finish()),
            Sink::Busy(Pipeline { pieces, order, writer }) => {
                drop((pieces, order));
                let written = writer.join().map_err(|_| anyhow!("the thread that writes it panicked"))?;
                written.context("writing the compressed layer")
            }
            Sink::Failed => Err(anyhow!("the layer is not written any more")),
        }
    }

    fn finish(mut self) -> anyhow::Result<Sums> {
        match &mut self.sink {
            Sink::Idle(packed) => {
                let bytes = compress(&mut compressor(), &self.piece[..self.n_filled]);
                packed.write(&bytes).context("writing the compressed layer")?;
            }
            Sink::Busy(_) if self.n_filled > 0 => self.hand_on()?,
            Sink::Busy(_) | Sink::Failed => {}
        }
        let (packed, size) = self.end()?;
        let plain = Digest::from_bytes(self.hash.finalize().into());
        Ok(Sums { plain, packed, size })
    }
}

fn start<'scope, 'env: 'scope>(scope: &'scope Scope<'scope, 'env>, mut out: Packed<'env>) -> Pipeline<'scope> {
    let n_cores = std::thread::available_parallelism().map_or(1, NonZero::get).min(CORES_AT_MOST);
    let (pieces, received) = channel::<Piece>();
    let received = Arc::new(Mutex::new(received));
    for _ in 0..n_cores {
        let received = Arc::clone(&received);
        scope.spawn(move || {
            let mut compressor = compressor();
            loop {
                let next = received.lock().unwrap_or_else(PoisonError::into_inner).recv();
                let Ok(Piece { bytes, packed }) = next else { return };
                // Nobody waits for it where the writing failed.
                let _unwanted = packed.send(compress(&mut compressor, &bytes));
            }
        });
    }
    let (order, in_order) = sync_channel::<Receiver<Vec<u8>>>(2 * n_cores);
    let writer = scope.spawn(move || {
        for packed in in_order {
            let bytes = packed.recv().map_err(|_| io::Error::other("the thread that compresses it panicked"))?;
            out.write(&bytes)?;
        }
        Ok(out.finish())
    });
    Pipeline { pieces, order, writer }
}

fn compressor() -> Compressor {
    Compressor::new(CompressionLvl::new(LEVEL).expect("libdeflate has this level"))
}

fn compress(compressor: &mut Compressor, bytes: &[u8]) -> Vec<u8> {
    let mut packed = vec![0; compressor.gzip_compress_bound(bytes.len())];
    let n = compressor.gzip_compress(bytes, &mut packed).expect("the bound is the longest that it gets");
    packed.truncate(n);
    packed
}

#[cfg(test)]
mod tests {
    use std::io::Read as _;

    use super::*;

    /// Text that is neither all alike nor all different.
    fn text(n_bytes: usize) -> Vec<u8> {
        let mut state = 1_u32;
        let mut bytes = Vec::with_capacity(n_bytes + 16);
        while bytes.len() < n_bytes {
            state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
            bytes.extend_from_slice(format!("{} ", state >> 20).as_bytes());
        }
        bytes.truncate(n_bytes);
        bytes
    }

    fn packed(bytes: &[u8], n_at_once: usize) -> (Vec<u8>, Sums) {
        let mut out = Vec::new();
        let write = |plain: &mut Plain<'_, '_>| bytes.chunks(n_at_once).try_for_each(|bytes| plain.write(bytes));
        let sums = pack(&mut out, write).unwrap();
        (out, sums)
    }

    #[test]
    fn what_is_packed_is_read_back_whatever_its_length() {
        for n_bytes in [0, 1, PIECE - 1, PIECE, PIECE + 1, 5 * PIECE, 5 * PIECE + 7] {
            let bytes = text(n_bytes);
            let (out, sums) = packed(&bytes, 100_000);
            let mut read = Vec::new();
            flate2::read::MultiGzDecoder::new(&*out).read_to_end(&mut read).unwrap();
            assert!(read == bytes, "{n_bytes}");
            assert_eq!(sums.plain, Digest::from_bytes(Sha256::digest(&bytes).into()));
            assert_eq!(sums.packed, Digest::from_bytes(Sha256::digest(&out).into()));
            assert_eq!(sums.size, out.len() as u64);
        }
    }

    #[test]
    fn how_it_is_written_does_not_count() {
        let bytes = text(3 * PIECE + 5);
        assert!(packed(&bytes, 511).0 == packed(&bytes, 2 * PIECE).0);
    }

    /// Every layer's digest hangs on this: another compressor, level, version or length of pieces makes all images
    /// new ones. Whoever changes it says so in the change log.
    #[test]
    fn the_compressor_is_the_one_that_was() {
        let expected = "sha256:a6ff3e96b758b33b00696a8bdd5736a29ce09c50584c731040424d2d69461f02";
        assert_eq!(packed(&text(2 * PIECE), PIECE).1.packed.to_string(), expected);
    }

    #[test]
    fn a_full_disk_is_told() {
        struct Full;
        impl Write for Full {
            fn write(&mut self, _: &[u8]) -> io::Result<usize> {
                Err(io::ErrorKind::StorageFull.into())
            }
            fn flush(&mut self) -> io::Result<()> {
                Ok(())
            }
        }
        for n_bytes in [1, 40 * PIECE] {
            let error = pack(&mut Full, |plain| plain.write(&text(n_bytes))).unwrap_err();
            assert_eq!(format!("{error:#}"), "writing the compressed layer: no storage space", "{n_bytes}");
        }
    }
}
