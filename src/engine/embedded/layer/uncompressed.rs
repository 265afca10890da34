//! What a compressed archive holds. Its first bytes say how it is compressed, as manifests are often wrong about it.

use std::io::{self, BufRead, BufReader, Read};

use flate2::bufread::MultiGzDecoder;

/// The first bytes of gzip (RFC 1952) and of the frames of zstd (RFC 8878), those that are skipped included.
const GZIP: &[u8] = &[0x1f, 0x8b];
const ZSTD: &[u8] = &[0x28, 0xb5, 0x2f, 0xfd];
const ZSTD_SKIPPED: &[u8] = &[0x2a, 0x4d, 0x18];

/// Length of what is read at once, in bytes. Arbitrary.
const BUFFER: usize = 64 << 10;

/// Reads as what was compressed: gzip, zstd, or nothing.
pub struct Uncompressed<R: Read>(Form<R>);

enum Form<R: Read> {
    Plain(BufReader<R>),
    Gzip(Box<MultiGzDecoder<BufReader<R>>>),
    Zstd(zstd::Decoder<'static, BufReader<R>>),
}

impl<R: Read> Uncompressed<R> {
    /// Looks at the first bytes.
    ///
    /// # Errors
    /// When they can't be read.
    pub fn new(from: R) -> io::Result<Self> {
        let mut from = BufReader::with_capacity(BUFFER, from);
        let first = from.fill_buf()?;
        let is_zstd = first.starts_with(ZSTD)
            || first.first().is_some_and(|byte| byte >> 4 == 5) && first[1..].starts_with(ZSTD_SKIPPED);
        Ok(Self(if first.starts_with(GZIP) {
            Form::Gzip(Box::new(MultiGzDecoder::new(from)))
        } else if is_zstd {
            Form::Zstd(zstd::Decoder::with_buffer(from)?)
        } else {
            Form::Plain(from)
        }))
    }
}

impl<R: Read> Read for Uncompressed<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        match &mut self.0 {
            Form::Plain(from) => from.read(buffer),
            Form::Gzip(from) => from.read(buffer),
            Form::Zstd(from) => from.read(buffer),
        }
    }
}
