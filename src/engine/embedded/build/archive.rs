//! Archives that `ADD` unpacks: tar, as it is or compressed with gzip, bzip2, xz or zstd (Dockerfile reference, "ADD").

use std::io::{self, BufReader, Cursor, Read};
use std::path::{Path, PathBuf};

use anyhow::Context as _;
use rustix::fs::FileType;

use super::sparse::Sparse;
use crate::engine::embedded::canvas::{Attributes, Canvas};
use crate::engine::embedded::links::components;

/// A tar archive is blocks of this many bytes (POSIX, `pax`).
const BLOCK: usize = 512;

/// A stream as the archive in it; none where it is no archive.
pub(super) fn open<'a>(mut file: Box<dyn Read + 'a>) -> anyhow::Result<Option<tar::Archive<Box<dyn Read + 'a>>>> {
    let mut head = Vec::with_capacity(BLOCK);
    file.by_ref().take(BLOCK as u64).read_to_end(&mut head)?;
    let whole: Box<dyn Read + 'a> = Box::new(Cursor::new(head.clone()).chain(file));
    let mut plain: Box<dyn Read + 'a> = match head.as_slice() {
        [0x1f, 0x8b, 8, ..] => Box::new(flate2::read::MultiGzDecoder::new(whole)),
        [b'B', b'Z', b'h', ..] => Box::new(bzip2::read::MultiBzDecoder::new(whole)),
        [0xfd, b'7', b'z', b'X', b'Z', 0, ..] => Box::new(liblzma::read::XzDecoder::new_multi_decoder(whole)),
        [0x28, 0xb5, 0x2f, 0xfd, ..] => Box::new(zstd::stream::read::Decoder::with_buffer(BufReader::new(whole))?),
        _ => whole,
    };
    let mut first = Vec::with_capacity(BLOCK);
    // What can't be decompressed only looks like it, and is copied as it is.
    if plain.by_ref().take(BLOCK as u64).read_to_end(&mut first).is_err() || !is_header(&first) {
        return Ok(None);
    }
    Ok(Some(tar::Archive::new(Box::new(Cursor::new(first).chain(plain)))))
}

/// Whether a block is a tar header: its checksum says so (POSIX, `ustar`: the sum of all bytes, its own field as
/// blanks).
fn is_header(block: &[u8]) -> bool {
    if block.len() < BLOCK {
        return false;
    }
    let header = tar::Header::from_byte_slice(block);
    let sum: u32 = block[..148].iter().chain(&block[156..]).map(|byte| u32::from(*byte)).sum();
    header.cksum().is_ok_and(|written| written == sum + 8 * u32::from(b' '))
}

/// Unpacks an archive into a directory; who owns what is in it, it says itself. Nothing of it leads out of the image: links are resolved inside it.
pub(super) fn unpack(
    canvas: &mut Canvas,
    mut archive: tar::Archive<Box<dyn Read + '_>>,
    folder: &Path,
) -> anyhow::Result<()> {
    let mut folders = Vec::new();
    for entry in archive.entries()? {
        let mut entry = entry.context("reading the archive")?;
        let sparse = match entry.pax_extensions()? {
            Some(extensions) => {
                let extensions: Vec<_> = extensions.collect::<io::Result<_>>()?;
                Sparse::of(extensions.iter().map(|extension| (extension.key_bytes(), extension.value_bytes())))?
            }
            None => None,
        };
        let written = match &sparse {
            Some(sparse) => sparse.path.clone(),
            None => entry.path()?.into_owned(),
        };
        let parts = components(&written);
        if parts.iter().any(|part| part == "..") {
            anyhow::bail!("the archive has a path with `..`: `{}`", written.display());
        }
        let Some((name, above)) = parts.split_last() else { continue };
        let parent =
            canvas.create_folders(&above.iter().fold(folder.to_owned(), |path, part| path.join(part)), (0, 0))?;
        let place = parent.join(name);
        let header = entry.header();
        let number = |value: io::Result<u64>| value.ok().and_then(|value| u32::try_from(value).ok()).unwrap_or(0);
        let attributes = Attributes {
            mode: header.mode().unwrap_or(0o644) & 0o7777,
            owner: (number(header.uid()), number(header.gid())),
            modified: (header.mtime().ok().and_then(|time| i64::try_from(time).ok()).unwrap_or(0), 0),
        };
        let kind = header.entry_type();
        let found = canvas.view().look(&place)?;
        if found.is_some_and(|found| found.metadata.is_dir()) && !kind.is_dir() {
            canvas.remove(&place)?;
        }
        match kind {
            tar::EntryType::Directory => {
                canvas.set_folder(&place, attributes)?;
                // What is unpacked into it changes its time.
                folders.push((place, attributes));
            }
            tar::EntryType::Regular | tar::EntryType::Continuous | tar::EntryType::GNUSparse => {
                let mut file = canvas.create_file(&place)?;
                let unpacked = match &sparse {
                    Some(sparse) => sparse.write(&mut entry, &mut file),
                    None => io::copy(&mut entry, &mut file).map(drop).map_err(Into::into),
                };
                unpacked.with_context(|| format!("unpacking `{}`", written.display()))?;
                canvas.finish(&place, attributes)?;
            }
            tar::EntryType::Symlink => {
                let target = entry.link_name()?.context("the archive has a link that leads nowhere")?.into_owned();
                canvas.symlink(&place, &target, attributes)?;
            }
            tar::EntryType::Link => {
                let target = entry.link_name()?.context("the archive has a link that leads nowhere")?.into_owned();
                let target: PathBuf = components(&target).iter().fold(folder.to_owned(), |path, part| path.join(part));
                canvas.link_or_copy(&place, &target)?;
                // Docker gives what is linked to the attributes that are said here.
                canvas.finish(&place, attributes)?;
            }
            tar::EntryType::Char | tar::EntryType::Block | tar::EntryType::Fifo => {
                let number = |value: io::Result<Option<u32>>| value.ok().flatten().unwrap_or(0);
                let device = (number(header.device_major()), number(header.device_minor()));
                let kind = match kind {
                    tar::EntryType::Char => FileType::CharacterDevice,
                    tar::EntryType::Block => FileType::BlockDevice,
                    _ => FileType::Fifo,
                };
                canvas.device(&place, kind, device, attributes)?;
            }
            // What follows is said with the entry that it belongs to, or is of no meaning for files.
            _ => {}
        }
    }
    folders.into_iter().rev().try_for_each(|(place, attributes)| canvas.finish(&place, attributes))
}
