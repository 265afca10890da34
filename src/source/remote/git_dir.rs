//! `.git` as a shallow clone of one commit has it. It is written here and not by git, whose packs and indexes depend on its
//! version, its settings and its zlib: of one commit it is the same bytes wherever and whenever that is done.

use std::collections::BTreeSet;
use std::fs::{self, File};
use std::io::{self, BufRead, BufReader, BufWriter, Write as _};
use std::path::Path;
use std::process::Stdio;

use libdeflater::{Adler32, Crc};
use sha1::Sha1;
use sha2::{Digest, Sha256};

use super::RemoteError;
use super::cache::{FETCH_WITHIN, Repository, cache_error};
use super::program::{output, output_of_input, said};
use crate::model::{GitCommit, GitRemote};

/// Writes the folder, with `HEAD` at the commit and nothing of its history, no branch and no tag. What else is there, such as
/// examples of hooks, git does without.
pub(super) async fn write(
    repository: &Repository<'_>,
    commit: &GitCommit,
    staging: &Path,
    to: &Path,
) -> Result<(), RemoteError> {
    let failed = |why| RemoteError::Failed { remote: repository.remote.to_string(), why };
    let mut show = repository.git();
    show.args(["cat-file", "commit", commit.as_str()]);
    let header = repository.local(show).await?;
    let header = header.split("\n\n").next().unwrap_or_default();
    let mut list = repository.git();
    list.args(["ls-tree", "-r", "-t", "-z", "--full-tree", commit.as_str()]);
    let listed = output(list, repository.remote, FETCH_WITHIN).await?;
    if !listed.status.success() {
        return Err(failed(said(&listed)));
    }
    let entries =
        entries(&listed.stdout).ok_or_else(|| failed("`git ls-tree` says what is not understood".to_owned()))?;
    let tree = header.lines().find_map(|line| line.strip_prefix("tree "));
    let tree = tree.ok_or_else(|| failed(format!("{commit} is no commit")))?;
    let ids: BTreeSet<&str> = entries.iter().filter(|entry| !entry.is_submodule()).map(|entry| entry.id).collect();
    let ids: BTreeSet<&str> = ids.into_iter().chain([commit.as_str(), tree]).collect();
    // As they follow one another in the pack.
    let asked: String = ids.iter().map(|id| format!("{id}\n")).collect();
    let objects = staging.join("objects");
    let made = File::create(&objects).map_err(|error| cache_error(&objects, &error))?;
    let mut read = repository.git();
    read.args(["cat-file", "--batch"]).stdout(Stdio::from(made));
    let done = output_of_input(read, asked, repository.remote, FETCH_WITHIN).await?;
    if !done.status.success() {
        return Err(failed(said(&done)));
    }
    let write = || -> io::Result<()> {
        let objects = BufReader::new(File::open(&objects)?);
        match commit.as_str().len() {
            64 => of_hash::<Sha256>(to, objects, ids.len(), &entries)?,
            _ => of_hash::<Sha1>(to, objects, ids.len(), &entries)?,
        }
        fs::create_dir_all(to.join("refs/heads"))?;
        fs::write(to.join("HEAD"), format!("{commit}\n"))?;
        fs::write(to.join("config"), config(repository.remote, commit))?;
        // A commit without parents is all of its history.
        if header.lines().any(|line| line.starts_with("parent ")) {
            fs::write(to.join("shallow"), format!("{commit}\n"))?;
        }
        Ok(())
    };
    write().map_err(|error| cache_error(to, &error))
}

/// As `git init` and `git remote add` write it.
fn config(remote: &GitRemote, commit: &GitCommit) -> String {
    let (version, extension) = match commit.as_str().len() {
        64 => (1, "[extensions]\n\tobjectformat = sha256\n"),
        _ => (0, ""),
    };
    let address = remote.to_string();
    let address = match address.contains(['"', '\\', ';']) {
        true => format!("\"{}\"", address.replace('\\', "\\\\").replace('"', "\\\"")),
        false => address,
    };
    format!(
        "[core]\n\trepositoryformatversion = {version}\n\tfilemode = true\n\tbare = false\n\tlogallrefupdates = true\n\
         {extension}[remote \"origin\"]\n\turl = {address}\n\tfetch = +refs/heads/*:refs/remotes/origin/*\n"
    )
}

/// What a commit has at a path.
struct Entry<'a> {
    mode: u32,
    /// In hex.
    id: &'a str,
    path: &'a [u8],
}

const FOLDER: u32 = 0o040_000;
const LINK: u32 = 0o120_000;
const SUBMODULE: u32 = 0o160_000;

impl Entry<'_> {
    fn is_submodule(&self) -> bool {
        self.mode == SUBMODULE
    }

    /// The mode as an index has it: of files it tells whether they can be run (git `create_ce_mode`).
    fn mode_in_index(&self) -> u32 {
        match self.mode {
            LINK | SUBMODULE => self.mode,
            mode if mode & 0o100 != 0 => 0o100_755,
            _ => 0o100_644,
        }
    }
}

/// Reads what `git ls-tree -z` lists: `MODE TYPE ID`, a tab and the path.
fn entries(listed: &[u8]) -> Option<Vec<Entry<'_>>> {
    let entry = |line| {
        let tab = <[u8]>::iter(line).position(|byte| *byte == b'\t')?;
        let mut words = std::str::from_utf8(&line[..tab]).ok()?.split(' ');
        let mode = u32::from_str_radix(words.next()?, 8).ok()?;
        Some(Entry { mode, id: words.nth(1)?, path: &line[tab + 1..] })
    };
    listed.split(|byte| *byte == 0).filter(|line| !line.is_empty()).map(entry).collect()
}

/// Pack, its index, and the index of the files.
fn of_hash<D: Digest>(to: &Path, objects: impl BufRead, n: usize, entries: &[Entry<'_>]) -> io::Result<()> {
    let folder = to.join("objects/pack");
    fs::create_dir_all(&folder)?;
    let half = folder.join("half");
    let (packed, name) = pack::<D>(&half, objects, n)?;
    fs::rename(&half, folder.join(format!("pack-{}.pack", hex(&name))))?;
    pack_index::<D>(&folder.join(format!("pack-{}.idx", hex(&name))), &packed, &name)?;
    index::<D>(&to.join("index"), entries)
}

/// An object in a pack.
struct Packed {
    id: Vec<u8>,
    crc: u32,
    offset: u64,
}

/// Writes a pack (gitformat-pack(5)) of what `git cat-file --batch` prints: every object whole, and as it is. Compressed it is
/// with the layer that it comes into, and so no compressor's version is in it. Gives back what is in it, and its checksum.
fn pack<D: Digest>(path: &Path, mut objects: impl BufRead, n: usize) -> io::Result<(Vec<Packed>, Vec<u8>)> {
    let wrong =
        |what: &str| io::Error::new(io::ErrorKind::InvalidData, format!("git does not give the object `{what}`"));
    let mut out = Sums::<D>::create(path)?;
    out.put(b"PACK")?;
    out.put(&2_u32.to_be_bytes())?;
    out.put(&u32::try_from(n).map_err(|_| wrong("beyond 2^32"))?.to_be_bytes())?;
    let mut packed = Vec::with_capacity(n);
    let mut line = String::new();
    for _ in 0..n {
        line.clear();
        objects.read_line(&mut line)?;
        let mut words = line.split_whitespace();
        let id = words.next().and_then(unhex).ok_or_else(|| wrong(&line))?;
        let kind = match words.next() {
            Some("commit") => 1,
            Some("tree") => 2,
            Some("blob") => 3,
            _ => return Err(wrong(&line)),
        };
        let size: u64 = words.next().and_then(|size| size.parse().ok()).ok_or_else(|| wrong(&line))?;
        out.crc = Crc::new();
        let offset = out.n_written;
        // Four bits of the length stand beside the kind, seven in each further byte.
        let mut byte = kind << 4 | (size & 15) as u8;
        let mut rest = size >> 4;
        while rest > 0 {
            out.put(&[byte | 0x80])?;
            byte = (rest & 0x7f) as u8;
            rest >>= 7;
        }
        out.put(&[byte])?;
        stored(&mut out, &mut objects, size)?;
        objects.read_exact(&mut [0])?;
        packed.push(Packed { id, crc: out.crc.sum(), offset });
    }
    Ok((packed, out.finish()?))
}

/// Writes bytes in zlib's format, as they are (RFC 1950; RFC 1951, section 3.2.4).
fn stored<D: Digest>(out: &mut Sums<D>, from: &mut impl BufRead, size: u64) -> io::Result<()> {
    let mut block = vec![0; usize::from(u16::MAX)];
    let (mut left, mut sum) = (size, Adler32::new());
    out.put(&[0x78, 0x01])?;
    loop {
        let length = u16::try_from(left).unwrap_or(u16::MAX);
        let block = &mut block[..usize::from(length)];
        from.read_exact(block)?;
        left -= u64::from(length);
        out.put(&[u8::from(left == 0)])?;
        out.put(&length.to_le_bytes())?;
        out.put(&(!length).to_le_bytes())?;
        out.put(block)?;
        sum.update(block);
        if left == 0 {
            return out.put(&sum.sum().to_be_bytes());
        }
    }
}

/// Writes the index of a pack, whose objects are in the order of their ids (gitformat-pack(5), version 2).
fn pack_index<D: Digest>(path: &Path, packed: &[Packed], name: &[u8]) -> io::Result<()> {
    let mut out = Sums::<D>::create(path)?;
    out.put(b"\xfftOc")?;
    out.put(&2_u32.to_be_bytes())?;
    let mut n_up_to = 0_u32;
    for first in 0..=u8::MAX {
        while packed.get(n_up_to as usize).is_some_and(|object| object.id.first() == Some(&first)) {
            n_up_to += 1;
        }
        out.put(&n_up_to.to_be_bytes())?;
    }
    for object in packed {
        out.put(&object.id)?;
    }
    for object in packed {
        out.put(&object.crc.to_be_bytes())?;
    }
    // What does not fit into 31 bits is in a table behind.
    let mut far = Vec::new();
    for Packed { offset, .. } in packed {
        let near = u32::try_from(*offset).ok().filter(|near| near >> 31 == 0);
        let near = near.unwrap_or_else(|| {
            far.push(*offset);
            1 << 31 | (far.len() - 1) as u32
        });
        out.put(&near.to_be_bytes())?;
    }
    for offset in far {
        out.put(&offset.to_be_bytes())?;
    }
    out.put(name)?;
    out.finish().map(drop)
}

/// Writes an index that knows nothing of files on a disk (gitformat-index(5), version 2): git compares their contents.
fn index<D: Digest>(path: &Path, entries: &[Entry<'_>]) -> io::Result<()> {
    let mut files: Vec<&Entry<'_>> = entries.iter().filter(|entry| entry.mode != FOLDER).collect();
    files.sort_by_key(|entry| entry.path);
    let mut out = Sums::<D>::create(path)?;
    out.put(b"DIRC")?;
    out.put(&2_u32.to_be_bytes())?;
    out.put(&u32::try_from(files.len()).unwrap_or(u32::MAX).to_be_bytes())?;
    for file in files {
        let id = unhex(file.id).unwrap_or_default();
        out.put(&[0; 24])?;
        out.put(&file.mode_in_index().to_be_bytes())?;
        out.put(&[0; 12])?;
        out.put(&id)?;
        out.put(&u16::try_from(file.path.len()).unwrap_or(u16::MAX).min(0xfff).to_be_bytes())?;
        out.put(file.path)?;
        // At least one zero, up to a multiple of eight.
        let length = 42 + id.len() + file.path.len();
        out.put(&[0; 8][..8 - length % 8])?;
    }
    out.finish().map(drop)
}

/// A file that ends with the checksum of itself.
struct Sums<D> {
    out: BufWriter<File>,
    hash: D,
    crc: Crc,
    n_written: u64,
}

impl<D: Digest> Sums<D> {
    fn create(path: &Path) -> io::Result<Self> {
        Ok(Self { out: BufWriter::new(File::create(path)?), hash: D::new(), crc: Crc::new(), n_written: 0 })
    }

    fn put(&mut self, bytes: &[u8]) -> io::Result<()> {
        self.hash.update(bytes);
        self.crc.update(bytes);
        self.n_written += bytes.len() as u64;
        self.out.write_all(bytes)
    }

    /// Adds the checksum; gives it back.
    fn finish(mut self) -> io::Result<Vec<u8>> {
        let sum = self.hash.finalize().to_vec();
        self.out.write_all(&sum)?;
        self.out.flush()?;
        Ok(sum)
    }
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

fn unhex(text: &str) -> Option<Vec<u8>> {
    let digits = text.as_bytes().chunks_exact(2);
    let digit = |digit: u8| char::from(digit).to_digit(16);
    digits.map(|pair| u8::try_from(digit(pair[0])? << 4 | digit(pair[1])?).ok()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_lies_beyond_two_gigabytes_is_found() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("x.idx");
        let offsets = [12, (1 << 31) - 1, 1 << 31, (1 << 40) + 5];
        let object = |(offset, first): (&u64, u8)| Packed { id: [first; 20].to_vec(), crc: 7, offset: *offset };
        let packed: Vec<Packed> = offsets.iter().zip([0, 1, 1, 255]).map(object).collect();
        pack_index::<Sha1>(&path, &packed, &[9; 20]).unwrap();
        let mut git = std::process::Command::new("git");
        let output = git.arg("show-index").stdin(File::open(&path).unwrap()).output().unwrap();
        let said = String::from_utf8(output.stdout).unwrap();
        let expected: String = packed.iter().map(|p| format!("{} {} (00000007)\n", p.offset, hex(&p.id))).collect();
        assert_eq!(said, expected);
    }

    #[test]
    fn addresses_are_quoted_where_git_would_misread_them() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("config");
        let commit: GitCommit = "1".repeat(40).parse().unwrap();
        for address in ["https://me:pass@host/x.git", "ssh://git@host/a;b", "git@host:a\\b\"c", "https://host/a'b"] {
            let remote: GitRemote = address.parse().unwrap();
            fs::write(&path, config(&remote, &commit)).unwrap();
            let mut git = std::process::Command::new("git");
            let output = git.arg("config").arg("--file").arg(&path).arg("remote.origin.url").output().unwrap();
            assert_eq!(String::from_utf8(output.stdout).unwrap(), format!("{remote}\n"));
        }
    }
}
