//! Reads tar archives of anybody: ustar, pax and GNU headers. Whatever the bytes are, it holds no more than one long
//! header of them.

use std::ffi::{OsStr, OsString};
use std::io::{self, Read};
use std::ops::Range;
use std::os::unix::ffi::OsStrExt as _;

use anyhow::{Context as _, bail};
use tar::Header;

use super::shown;

const BLOCK: usize = 512;
/// Where the numbers of a header are (POSIX, "ustar Header Block").
const MODE: Range<usize> = 100..108;
const USER: Range<usize> = 108..116;
const GROUP: Range<usize> = 116..124;
const SIZE: Range<usize> = 124..136;
const MTIME: Range<usize> = 136..148;
const CHECKSUM: Range<usize> = 148..156;
const DEVICE_MAJOR: Range<usize> = 329..337;
const DEVICE_MINOR: Range<usize> = 337..345;
/// The longest header of long names and attributes, in bytes. Arbitrary: a name is at most 4 KiB, an attribute 64.
const LONGEST_EXTENSION: u64 = 1 << 20;

/// One file of an archive.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Entry {
    /// The path as it is written, `..` and leading `/` included.
    pub path: Vec<u8>,
    /// What it is.
    pub kind: EntryKind,
    /// Length of the content in bytes; none but files have one.
    pub size: u64,
    /// Permission bits with set-uid, set-gid and sticky.
    pub mode: u32,
    /// User and group.
    pub owner: (u32, u32),
    /// Seconds since 1970.
    pub mtime: i64,
    /// Extended attributes, in their order in the archive.
    pub xattrs: Vec<(OsString, Vec<u8>)>,
}

/// What an entry is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum EntryKind {
    /// A regular file.
    File,
    /// A directory.
    Directory,
    /// A symbolic link, with its target.
    Symlink(Vec<u8>),
    /// One more name of the file at this path of the archive.
    HardLink(Vec<u8>),
    /// A character device, with its major and minor number.
    CharacterDevice(u32, u32),
    /// A block device, with its major and minor number.
    BlockDevice(u32, u32),
    /// A named pipe.
    Fifo,
}

/// What precedes a header and says what does not fit into it.
#[derive(Debug, Default)]
struct Extension {
    path: Option<Vec<u8>>,
    link: Option<Vec<u8>>,
    size: Option<u64>,
    user: Option<u64>,
    group: Option<u64>,
    mtime: Option<i64>,
    xattrs: Vec<(OsString, Vec<u8>)>,
}

/// A tar archive that is read entry by entry; it reads as the content of the entry that came last.
#[derive(Debug)]
pub struct Archive<R> {
    from: R,
    /// What is left of the content.
    left: u64,
    /// What fills the last block of the content.
    padding: u64,
}

impl<R: Read> Archive<R> {
    /// Begins to read.
    pub fn new(from: R) -> Self {
        Self { from, left: 0, padding: 0 }
    }

    /// The next entry; what is left of the content of the last is skipped. Nothing is after the end mark, nor after
    /// the end of the bytes, which may lack the mark.
    ///
    /// # Errors
    /// When the bytes are no archive, end within an entry, or can't be read.
    pub fn next_entry(&mut self) -> anyhow::Result<Option<Entry>> {
        let mut extension = Extension::default();
        loop {
            let rest = std::mem::take(&mut self.left) + std::mem::take(&mut self.padding);
            if io::copy(&mut (&mut self.from).take(rest), &mut io::sink())? != rest {
                bail!("the archive ends within a file");
            }
            let mut block = [0; BLOCK];
            match read_full(&mut self.from, &mut block)? {
                0 => return Ok(None),
                BLOCK => {}
                _ => bail!("the archive ends within a header"),
            }
            if block == [0; BLOCK] {
                return Ok(None);
            }
            let header = Header::from_byte_slice(&block);
            verify(&block).context("the archive has a broken header")?;
            let size = number(&block[SIZE]).and_then(|size| u64::try_from(size).ok());
            let size = size.context("a header has no readable size")?;
            match block[156] {
                b'x' | b'X' => extension.read_pax(&self.extension(size)?)?,
                b'L' => extension.path = Some(without_zeros(self.extension(size)?)),
                b'K' => extension.link = Some(without_zeros(self.extension(size)?)),
                // Of all that follows, by tar's users: git's commit. And the name of a volume.
                b'g' | b'V' => self.content(size),
                _ => return self.entry(header, extension).map(Some),
            }
        }
    }

    /// The bytes after the archive's end mark are part of it for whoever hashes it: they are read to their end.
    ///
    /// # Errors
    /// When they can't be read.
    pub fn finish(mut self) -> io::Result<R> {
        io::copy(&mut self.from, &mut io::sink())?;
        Ok(self.from)
    }

    fn content(&mut self, size: u64) {
        self.left = size;
        self.padding = (BLOCK as u64 - size % BLOCK as u64) % BLOCK as u64;
    }

    fn extension(&mut self, size: u64) -> anyhow::Result<Vec<u8>> {
        if size > LONGEST_EXTENSION {
            bail!("a header of long names has {size} bytes; {LONGEST_EXTENSION} at most are read");
        }
        self.content(size);
        let mut bytes = Vec::new();
        self.read_to_end(&mut bytes)?;
        Ok(bytes)
    }

    fn entry(&mut self, header: &Header, extension: Extension) -> anyhow::Result<Entry> {
        let Extension { path, link, size, user, group, mtime, xattrs } = extension;
        let path = path.unwrap_or_else(|| header.path_bytes().into_owned());
        let in_context = || format!("the header of `{}`", shown(&path));
        let number = |name: &str, at: Range<usize>| {
            number(&header.as_bytes()[at]).with_context(in_context).with_context(|| format!("its {name} is no number"))
        };
        let device = || -> anyhow::Result<(u32, u32)> {
            let part = |at| Ok::<_, anyhow::Error>(u32::try_from(number("device", at)?)?);
            Ok((part(DEVICE_MAJOR)?, part(DEVICE_MINOR)?))
        };
        let link = || match &link {
            Some(link) => link.clone(),
            None => header.link_name_bytes().unwrap_or_default().into_owned(),
        };
        let kind = match header.as_bytes()[156] {
            // Archives older than POSIX mark a directory by its name alone.
            b'\0' if path.ends_with(b"/") => EntryKind::Directory,
            b'0' | b'\0' | b'7' => EntryKind::File,
            b'1' => EntryKind::HardLink(link()),
            b'2' => EntryKind::Symlink(link()),
            b'3' => device().map(|(major, minor)| EntryKind::CharacterDevice(major, minor))?,
            b'4' => device().map(|(major, minor)| EntryKind::BlockDevice(major, minor))?,
            b'5' => EntryKind::Directory,
            b'6' => EntryKind::Fifo,
            b'S' => bail!("`{}` is a sparse file, which is not supported", shown(&path)),
            other => bail!("`{}` is of the unknown type `{}`", shown(&path), other.escape_ascii()),
        };
        let size = match size {
            // Only files have content: some programs write the length of a link's target.
            _ if kind != EntryKind::File => 0,
            Some(size) => size,
            None => u64::try_from(number("size", SIZE)?).with_context(in_context)?,
        };
        let id = |from_extension: Option<u64>, at| -> anyhow::Result<u32> {
            let id = match from_extension {
                Some(id) => id,
                None => u64::try_from(number("owner", at)?).with_context(in_context)?,
            };
            u32::try_from(id).with_context(in_context).context("an owner is no number of 32 bits")
        };
        let owner = (id(user, USER)?, id(group, GROUP)?);
        let mtime = mtime.map_or_else(|| number("time", MTIME), Ok)?;
        // The type may be written there, too.
        let mode = u32::try_from(number("mode", MODE)? & 0o7777).expect("twelve bits are left");
        self.content(size);
        Ok(Entry { path, kind, size, mode, owner, mtime, xattrs })
    }
}

impl<R: Read> Read for Archive<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let at_most = usize::try_from(self.left).unwrap_or(usize::MAX).min(buffer.len());
        if at_most == 0 {
            return Ok(0);
        }
        let n_read = self.from.read(&mut buffer[..at_most])?;
        if n_read == 0 {
            return Err(io::Error::new(io::ErrorKind::UnexpectedEof, "the archive ends within a file"));
        }
        self.left -= n_read as u64;
        Ok(n_read)
    }
}

impl Extension {
    /// Reads `LENGTH KEY=VALUE\n` after the other (POSIX, "pax Extended Header").
    fn read_pax(&mut self, mut bytes: &[u8]) -> anyhow::Result<()> {
        // Some programs fill up with zeros.
        while bytes.first().is_some_and(|byte| *byte != 0) {
            let (key, value, rest) = pax_record(bytes).context("an extended header is broken")?;
            bytes = rest;
            let number = || std::str::from_utf8(value).ok().and_then(|text| text.parse::<u64>().ok());
            match key {
                b"path" => self.path = Some(without_zeros(value.to_vec())),
                b"linkpath" => self.link = Some(without_zeros(value.to_vec())),
                b"size" => self.size = Some(number().context("an extended header has no readable size")?),
                b"uid" => self.user = Some(number().context("an extended header has no readable owner")?),
                b"gid" => self.group = Some(number().context("an extended header has no readable group")?),
                b"mtime" => self.mtime = Some(seconds(value).context("an extended header has no readable time")?),
                _ if key.starts_with(b"GNU.sparse.") => bail!("it has a sparse file, which is not supported"),
                _ => {
                    if let Some(name) = key.strip_prefix(b"SCHILY.xattr.") {
                        self.xattrs.push((OsStr::from_bytes(name).to_owned(), value.to_vec()));
                    }
                }
            }
        }
        Ok(())
    }
}

/// Key and value of the first record, and what is after it.
fn pax_record(bytes: &[u8]) -> Option<(&[u8], &[u8], &[u8])> {
    let space = bytes.iter().take(20).position(|byte| *byte == b' ')?;
    let length: usize = std::str::from_utf8(&bytes[..space]).ok()?.parse().ok()?;
    let record = bytes.get(space + 1..length)?.strip_suffix(b"\n")?;
    let equals = record.iter().position(|byte| *byte == b'=')?;
    Some((&record[..equals], &record[equals + 1..], &bytes[length..]))
}

/// Whole seconds of a decimal number, rounded down.
fn seconds(value: &[u8]) -> Option<i64> {
    let text = std::str::from_utf8(value).ok()?;
    let (whole, fraction) = text.split_once('.').unwrap_or((text, ""));
    if !fraction.bytes().all(|byte| byte.is_ascii_digit()) {
        return None;
    }
    let rounded_up = whole.starts_with('-') && fraction.bytes().any(|byte| byte != b'0');
    whole.parse::<i64>().ok()?.checked_sub(i64::from(rounded_up))
}

/// The sum of the bytes, its own taken as spaces; some old programs took them as signed.
fn verify(block: &[u8; BLOCK]) -> anyhow::Result<()> {
    let expected = number(&block[CHECKSUM]).context("its checksum is no number")?;
    let others = || block[..CHECKSUM.start].iter().chain(&block[CHECKSUM.end..]);
    let unsigned = others().map(|byte| i64::from(*byte)).sum::<i64>() + 8 * 32;
    let signed = others().map(|byte| i64::from(byte.cast_signed())).sum::<i64>() + 8 * 32;
    if expected != unsigned && expected != signed {
        bail!("its checksum is {expected}, not {unsigned}");
    }
    Ok(())
}

/// A number of a header: octal digits among spaces and zeros, none of which mean 0; or, as GNU tar writes great and
/// negative ones, its bytes after a first one of 0x80 or 0xff.
fn number(field: &[u8]) -> Option<i64> {
    let (first, rest) = field.split_first()?;
    if first & 0x80 == 0 {
        let start = field.iter().position(|byte| !matches!(byte, b' ' | 0)).unwrap_or(field.len());
        let digits = field[start..].split(|byte| matches!(byte, b' ' | 0)).next()?;
        let add = |sum: i64, digit: &u8| match digit {
            b'0'..=b'7' => sum.checked_mul(8)?.checked_add(i64::from(digit - b'0')),
            _ => None,
        };
        return digits.iter().try_fold(0, add);
    }
    let start = match first {
        0xff => -1,
        _ => i64::from(first & 0x7f),
    };
    rest.iter().try_fold(start, |sum, byte| sum.checked_mul(256)?.checked_add(i64::from(*byte)))
}

fn without_zeros(mut bytes: Vec<u8>) -> Vec<u8> {
    let end = bytes.iter().position(|byte| *byte == 0).unwrap_or(bytes.len());
    bytes.truncate(end);
    bytes
}

/// Reads until the buffer is full or the bytes end.
fn read_full(from: &mut impl Read, buffer: &mut [u8]) -> io::Result<usize> {
    let mut n_filled = 0;
    while n_filled < buffer.len() {
        match from.read(&mut buffer[n_filled..]) {
            Ok(0) => break,
            Ok(n) => n_filled += n,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
    Ok(n_filled)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_read_as_each_tar_writes_them() {
        for (field, expected) in [
            (&b"0000644\0"[..], Some(0o644)),
            (b"   644 \0", Some(0o644)),
            (b"644 \0xyz", Some(0o644)),
            (b"\0\0\0\0", Some(0)),
            (b"    ", Some(0)),
            (b"77777777", Some(0o77_777_777)),
            (b"8", None),
            (b"-1", None),
            (b"\x80\0\0\x01\0", Some(256)),
            (b"\xff\xff\xff\xff\xfe", Some(-2)),
            (b"\x80\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff", None),
            (b"", None),
        ] {
            assert_eq!(number(field), expected, "{field:?}");
        }
    }

    #[test]
    fn times_are_rounded_down() {
        for (text, expected) in [
            ("1.9", Some(1)),
            ("-1", Some(-1)),
            ("-1.0", Some(-1)),
            ("-1.5", Some(-2)),
            ("1.", Some(1)),
            ("1.x", None),
            ("", None),
            ("99999999999999999999", None),
        ] {
            assert_eq!(seconds(text.as_bytes()), expected, "{text}");
        }
    }

    #[test]
    fn records_are_cut_by_their_length() {
        assert_eq!(pax_record(b"8 a=b=c\n\0"), Some((&b"a"[..], &b"b=c"[..], &b"\0"[..])));
        for bytes in [&b"8 a=b=c"[..], b"7 a=b=c\n", b"3 \n", b"0 ", b" a=b\n", b"99999999999999999999 a=b\n", b"-1 a"]
        {
            assert_eq!(pax_record(bytes), None, "{bytes:?}");
        }
    }
}
