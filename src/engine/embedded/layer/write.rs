//! A folder becomes a layer.

use std::collections::BTreeMap;
use std::os::fd::AsFd;
use std::path::Path;

use anyhow::bail;
use tar::EntryType;

use super::super::store::Store;
use super::gzip::{Plain, pack};
use super::header::{Fields, encode};
use super::walk::{Found, What, opaque_mark_of, walk, whiteout_of};
use super::{Layer, MediaType};

/// Makes a layer of a folder in the form of the store's overlay, and puts it into the store. The same files give the
/// same bytes, whoever made them, when, in which order and on how many cores. Times after `epoch` (seconds since 1970)
/// become `epoch`, in the folder, too; sockets are left out, as every builder does.
///
/// # Errors
/// When the folder can't be read or the layer not be written, or where no layer can hold what is in it: a name that
/// begins with `.wh.`, a path of more than 4,095 bytes.
pub fn write(folder: &Path, store: &Store, epoch: u64) -> anyhow::Result<Layer> {
    let mut blob = store.new_blob()?;
    let sums = pack(blob.file(), |plain| {
        let mut names: BTreeMap<(u64, u64), Vec<u8>> = BTreeMap::new();
        walk(folder, store.overlay(), epoch, |found| put(plain, &mut names, &found))?;
        // Two blocks of zeros end an archive.
        plain.write(&[0; 1024])
    })?;
    store.keep_blob(blob, &sums.packed)?;
    Ok(Layer { diff_id: sums.plain, blob: sums.packed, size: sums.size, media_type: MediaType::Gzip })
}

/// Puts one file into the archive; `names` has the first name of each that has several.
fn put(plain: &mut Plain<'_, '_>, names: &mut BTreeMap<(u64, u64), Vec<u8>>, found: &Found<'_>) -> anyhow::Result<()> {
    let Found { path, metadata, what, xattrs } = found;
    let mut fields = Fields {
        path,
        entry_type: EntryType::Regular,
        link: b"",
        size: 0,
        mode: metadata.mode,
        owner: metadata.owner,
        mtime: u64::try_from(metadata.mtime).unwrap_or(0),
        device: metadata.device,
        xattrs,
    };
    match what {
        What::Whiteout => mark(plain, &whiteout_of(path)),
        What::Directory { is_opaque } => {
            let path = [path, b"/".as_slice()].concat();
            plain.write(&encode(&Fields { path: &path, entry_type: EntryType::Directory, ..fields })?)?;
            if *is_opaque { mark(plain, &opaque_mark_of(found.path)) } else { Ok(()) }
        }
        What::File(fd) => {
            if metadata.n_links > 1 {
                if let Some(first) = names.get(&metadata.identity) {
                    let fields = Fields { entry_type: EntryType::Link, link: first, xattrs: &[], ..fields };
                    return plain.write(&encode(&fields)?);
                }
                names.insert(metadata.identity, path.to_vec());
            }
            fields.size = metadata.size;
            plain.write(&encode(&fields)?)?;
            put_content(plain, fd, metadata.size)
        }
        What::Symlink { target } => {
            // Whatever the file system says of a link's mode, all of it is granted.
            let fields = Fields { entry_type: EntryType::Symlink, link: target, mode: 0o777, ..fields };
            plain.write(&encode(&fields)?)
        }
        What::Device => {
            let is_character = metadata.kind == super::super::beneath::Kind::CharacterDevice;
            fields.entry_type = if is_character { EntryType::Char } else { EntryType::Block };
            plain.write(&encode(&fields)?)
        }
        What::Fifo => plain.write(&encode(&Fields { entry_type: EntryType::Fifo, ..fields })?),
        What::Socket => Ok(()),
    }
}

/// An empty file whose name says something of the layers below.
fn mark(plain: &mut Plain<'_, '_>, path: &[u8]) -> anyhow::Result<()> {
    let fields = Fields {
        path,
        entry_type: EntryType::Regular,
        link: b"",
        size: 0,
        mode: 0,
        owner: (0, 0),
        mtime: 0,
        device: (0, 0),
        xattrs: &[],
    };
    plain.write(&encode(&fields)?)
}

/// Puts the content of a file, and zeros up to a whole block.
fn put_content(plain: &mut Plain<'_, '_>, fd: impl AsFd, size: u64) -> anyhow::Result<()> {
    let mut left = size;
    while left > 0 {
        let room = plain.room()?;
        let n_wanted = usize::try_from(left).unwrap_or(usize::MAX).min(room.len());
        let n_read = rustix::io::retry_on_intr(|| rustix::io::read(&fd, &mut room[..n_wanted]))?;
        if n_read == 0 {
            bail!("it became shorter while it was read");
        }
        plain.advance(n_read);
        left -= n_read as u64;
    }
    let padding = (512 - size % 512) % 512;
    plain.write(&[0; 512][..usize::try_from(padding).expect("it is less than 512")])
}
