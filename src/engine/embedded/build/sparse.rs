//! Files with holes in archives of the PAX form (GNU tar manual, "Storing Sparse Files"): version 1.0, which GNU tar writes.
//! The older form of GNU is the `tar` crate's to read.

use std::fs::File;
use std::io::{self, BufRead, BufReader, Read, Seek as _, SeekFrom};
use std::path::PathBuf;

use anyhow::{Context as _, bail};

/// The unit of an archive, and of the map that precedes the data.
const BLOCK: u64 = 512;
/// No map has more pieces. Arbitrary.
const PIECES_AT_MOST: u64 = 1 << 20;

/// What the headers say of such a file.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Sparse {
    /// Its path: that of the entry is another.
    pub(super) path: PathBuf,
    size: u64,
}

impl Sparse {
    /// Reads the headers of an entry; none where the file has no holes.
    pub(super) fn of<'a>(headers: impl Iterator<Item = (&'a [u8], &'a [u8])>) -> anyhow::Result<Option<Self>> {
        let (mut version, mut path, mut size, mut is_sparse) = ([None; 2], None, None, false);
        for (key, value) in headers {
            let Some(key) = key.strip_prefix(b"GNU.sparse.") else { continue };
            is_sparse = true;
            let number = || std::str::from_utf8(value).ok()?.parse::<u64>().ok();
            match key {
                b"major" => version[0] = number(),
                b"minor" => version[1] = number(),
                b"name" => path = std::str::from_utf8(value).ok().map(PathBuf::from),
                b"realsize" => size = number(),
                _ => {}
            }
        }
        match (version, path, size) {
            _ if !is_sparse => Ok(None),
            ([Some(1), Some(0)], Some(path), Some(size)) => Ok(Some(Self { path, size })),
            _ => bail!(
                "the archive has a sparse file in a form that is not supported: write it with `--sparse-version=1.0`"
            ),
        }
    }

    /// Writes the file, whose holes stay holes.
    pub(super) fn write(&self, entry: impl Read, file: &mut File) -> anyhow::Result<()> {
        let mut entry = BufReader::new(entry);
        let mut read = 0;
        let n_pieces = number(&mut entry, &mut read)?;
        if n_pieces > PIECES_AT_MOST {
            bail!("a sparse file has {n_pieces} pieces");
        }
        let mut pieces = Vec::new();
        for _ in 0..n_pieces {
            pieces.push((number(&mut entry, &mut read)?, number(&mut entry, &mut read)?));
        }
        io::copy(&mut entry.by_ref().take(read.next_multiple_of(BLOCK) - read), &mut io::sink())?;
        file.set_len(self.size)?;
        for (offset, length) in pieces {
            if offset.checked_add(length).is_none_or(|end| end > self.size) {
                bail!("a piece of a sparse file lies outside of it");
            }
            file.seek(SeekFrom::Start(offset))?;
            if io::copy(&mut entry.by_ref().take(length), file)? != length {
                bail!("a sparse file ends too early");
            }
        }
        Ok(())
    }
}

/// A number on a line of its own.
fn number(from: &mut impl BufRead, read: &mut u64) -> anyhow::Result<u64> {
    let mut line = Vec::new();
    // More digits no number of 64 bits has.
    *read += from.take(21).read_until(b'\n', &mut line)? as u64;
    let text = std::str::from_utf8(&line).ok().and_then(|line| line.strip_suffix('\n'));
    text.and_then(|text| text.parse().ok()).context("the map of a sparse file can't be read")
}
