//! Files of a container, read through the engine's archive endpoint: a tar of the path that is asked for.

use std::io::Read;

use bollard::Docker;
use bollard::errors::Error;
use bollard::query_parameters::{ContainerArchiveInfoOptionsBuilder, DownloadFromContainerOptionsBuilder};
use futures_util::StreamExt;
use tar::EntryType;

use super::Failure;

/// What a path is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Entry {
    /// Type, permissions and the bits above them.
    pub mode: Mode,
    /// Numeric owner.
    pub uid: u64,
    /// Numeric group.
    pub gid: u64,
    /// How many bytes a file has.
    pub size: u64,
}

/// Type and mode of a file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Mode {
    /// The type.
    pub kind: Kind,
    /// The permissions with setuid, setgid and sticky bit: at most `0o7777`.
    pub bits: u32,
}

/// Type of a file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// A file.
    File,
    /// A folder.
    Folder,
    /// A symbolic link.
    Symlink,
    /// A character device.
    CharDevice,
    /// A block device.
    BlockDevice,
    /// A named pipe.
    Fifo,
}

impl std::fmt::Display for Mode {
    /// As Go's `FileMode` writes it: letters for what is special, `-` for none, then nine permissions.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let kind = match self.kind {
            Kind::File => "",
            Kind::Folder => "d",
            Kind::Symlink => "L",
            Kind::CharDevice | Kind::BlockDevice => "D",
            Kind::Fifo => "p",
        };
        let bit = |bit: u32, letter| if self.bits & bit == 0 { "" } else { letter };
        let char_device = if self.kind == Kind::CharDevice { "c" } else { "" };
        let special = [kind, bit(0o4000, "u"), bit(0o2000, "g"), char_device, bit(0o1000, "t")].concat();
        f.write_str(if special.is_empty() { "-" } else { &special })?;
        for (i, letter) in "rwxrwxrwx".char_indices() {
            write!(f, "{}", if self.bits & (0o400 >> i) == 0 { '-' } else { letter })?;
        }
        Ok(())
    }
}

/// How much of an archive is read to learn what its first entry is: a header, and the long names and extended
/// attributes that may come before it.
const HEAD: usize = 256 << 10;

/// Tells what a path is; nothing where nothing is there. A link is told of, not followed.
pub async fn stat(docker: &Docker, container: &str, path: &str) -> Result<Option<Entry>, Failure> {
    let archive = download(docker, container, path, HEAD).await?;
    archive.map(|bytes| entry(&bytes)).transpose()
}

/// What reading a file gives.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Content {
    /// The bytes.
    Bytes(Vec<u8>),
    /// Nothing is there.
    Missing,
    /// It is no file.
    NoFile(Mode),
    /// It has this many bytes, which are too many.
    TooLarge(u64),
}

/// Reads a file of at most `limit` bytes. Links are followed.
pub async fn read(docker: &Docker, container: &str, path: &str, limit: usize) -> Result<Content, Failure> {
    let Some(head) = download(docker, container, path, HEAD).await? else { return Ok(Content::Missing) };
    let mut found = entry(&head)?;
    let mut target = path.to_owned();
    if found.mode.kind == Kind::Symlink {
        // The engine follows the whole chain, inside of the container's own root.
        let options = ContainerArchiveInfoOptionsBuilder::new().path(path).build();
        target = docker.get_container_archive_info(container, Some(options)).await?.link_target;
        match stat(docker, container, &target).await? {
            Some(entry) => found = entry,
            None => return Ok(Content::Missing),
        }
    }
    if found.mode.kind != Kind::File {
        return Ok(Content::NoFile(found.mode));
    }
    if found.size > limit as u64 {
        return Ok(Content::TooLarge(found.size));
    }
    // What is small came whole with its head.
    let archive = match target == path && head.len() < HEAD {
        true => Some(head),
        false => download(docker, container, &target, limit + HEAD).await?,
    };
    let Some(archive) = archive else { return Ok(Content::Missing) };
    let mut bytes = Vec::new();
    let mut entries = tar::Archive::new(archive.as_slice());
    let entry = entries.entries().map_err(|e| unreadable(&e))?.next();
    entry
        .transpose()
        .and_then(|entry| entry.map(|mut e| e.read_to_end(&mut bytes)).transpose())
        .map_err(|e| unreadable(&e))?;
    Ok(Content::Bytes(bytes))
}

fn unreadable(error: &std::io::Error) -> Failure {
    Failure::Unreachable(format!("the engine sent an archive that can't be read: {error}"))
}

/// The first bytes of a path's archive, about `limit`; nothing where nothing is there.
async fn download(docker: &Docker, container: &str, path: &str, limit: usize) -> Result<Option<Vec<u8>>, Failure> {
    let options = DownloadFromContainerOptionsBuilder::new().path(path).build();
    let mut chunks = Box::pin(docker.download_from_container(container, Some(options)));
    let mut bytes = Vec::new();
    while bytes.len() < limit {
        match chunks.next().await {
            None => break,
            Some(Ok(chunk)) => bytes.extend_from_slice(&chunk),
            Some(Err(error)) if nothing_there(&error) => return Ok(None),
            Some(Err(error)) => return Err(error.into()),
        }
    }
    Ok(Some(bytes))
}

/// Whether an engine says that a path is not there: by 404, and below a file in words.
fn nothing_there(error: &Error) -> bool {
    match error {
        Error::DockerResponseServerError { status_code: 404, .. } => true,
        Error::DockerResponseServerError { message, .. } => message.to_lowercase().contains("not a directory"),
        _ => false,
    }
}

fn entry(archive: &[u8]) -> Result<Entry, Failure> {
    let mut archive = tar::Archive::new(archive);
    let first = archive.entries().map_err(|e| unreadable(&e))?.next();
    let first = first.ok_or_else(|| Failure::Unreachable("the engine sent an empty archive".to_owned()))?;
    let first = first.map_err(|e| unreadable(&e))?;
    let header = first.header();
    let kind = match header.entry_type() {
        EntryType::Directory => Kind::Folder,
        EntryType::Symlink => Kind::Symlink,
        EntryType::Char => Kind::CharDevice,
        EntryType::Block => Kind::BlockDevice,
        EntryType::Fifo => Kind::Fifo,
        _ => Kind::File,
    };
    let number = |number: std::io::Result<u64>| number.map_err(|e| unreadable(&e));
    Ok(Entry {
        mode: Mode { kind, bits: header.mode().map_err(|e| unreadable(&e))? & 0o7777 },
        uid: number(header.uid())?,
        gid: number(header.gid())?,
        size: first.size(),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn modes_are_written_as_go_writes_them() {
        for (kind, bits, written) in [
            (Kind::File, 0o644, "-rw-r--r--"),
            (Kind::File, 0, "----------"),
            (Kind::File, 0o4755, "urwxr-xr-x"),
            (Kind::File, 0o6751, "ugrwxr-x--x"),
            (Kind::Folder, 0o1777, "dtrwxrwxrwx"),
            (Kind::Folder, 0o2755, "dgrwxr-xr-x"),
            (Kind::Symlink, 0o777, "Lrwxrwxrwx"),
            (Kind::CharDevice, 0o666, "Dcrw-rw-rw-"),
            (Kind::BlockDevice, 0o660, "Drw-rw----"),
            (Kind::Fifo, 0o600, "prw-------"),
        ] {
            assert_eq!(Mode { kind, bits }.to_string(), written);
        }
    }

    #[test]
    fn no_archive_panics() {
        for bytes in [&b""[..], b"x", &[0; 1024], &[b'x'; 512], &[0xff; 700]] {
            assert!(entry(bytes).is_err());
        }
    }
}
