//! What git's index knows of a work tree: the ids of the files that are as they were when git looked at them last.
//!
//! An id is used only where the bytes in the work tree are those of the blob, beyond doubt: the file's status is the
//! one that the index holds, the index is younger than the file, and nothing converts content between the two.
//! Wherever one of these is not known, the file is read.

use std::collections::{BTreeMap, BTreeSet};
use std::fs::File;
use std::io::{self, Read as _};
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};
use std::process::Child;

use gix_index::decode::Options;
use gix_index::entry::{Flags, Mode};
use nix::fcntl::AtFlags;
use nix::sys::stat::{FileStat, fstatat};
use sha1::{Digest as _, Sha1};

use crate::model::BlobId;

use super::git::{GitError, command, git, git_reading, start, told};

/// A repository whose index can be used.
pub(super) struct Repository {
    /// The folder that the index's paths are relative to, without symbolic links.
    pub(super) top: PathBuf,
    /// The same, opened.
    folder: File,
    index: gix_index::File,
    /// When the index was written, in seconds since 1970.
    written: i64,
    /// Whether a file of attributes may say that a content is converted.
    pub(super) has_attributes: bool,
}

/// What the attributes say of a file.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct Conversion {
    /// Whether the bytes in the work tree may be others than those of the blob.
    pub(super) converts: bool,
    /// Whether git-lfs keeps the content: its filter puts the file in the place of a pointer.
    pub(super) is_lfs: bool,
}

/// Opens the repository of a folder that has a `.git`; none where its index is of no use: it has none yet, its ids are
/// not SHA-1, git converts every file, or is not installed.
///
/// # Errors
/// When git refuses the folder, or its index can't be read. The files have to be read then.
pub(super) fn open(folder: &Path) -> Result<Option<Repository>, GitError> {
    // Git is asked two things at once, and both answers are taken.
    let settings = start(command(folder, &["var", "-l"]));
    let ask = ["rev-parse", "--show-object-format", "--show-toplevel", "--git-path", "index"];
    let places = git(folder, &[ask.as_slice(), &["--git-path", "info/attributes"]].concat());
    let settings = told(settings.and_then(Child::wait_with_output));
    let Some(places) = places? else { return Ok(None) };
    let [format, top, index, attributes] = places.lines().collect::<Vec<_>>()[..] else { return Ok(None) };
    let (index, attributes) = (folder.join(index), folder.join(attributes));
    // A repository may be told to have its work tree elsewhere.
    if format != "sha1" || Path::new(top) != folder || !index.exists() {
        return Ok(None);
    }
    let settings = settings?.unwrap_or_default();
    let Some(attributes_of_user) = attributes_of_user(&settings) else { return Ok(None) };
    let (index, written) = read_index(&index).map_err(|e| GitError(format!("`{}`: {e}", index.display())))?;
    let has_attributes = attributes_of_user || attributes.exists() || folder.join(".gitattributes").exists() || {
        let is_attributes = |path: &[u8]| path.ends_with(b".gitattributes");
        index.entries().iter().any(|entry| is_attributes(entry.path(&index)))
    };
    let top = folder.to_owned();
    let folder = File::open(folder).map_err(|e| GitError(e.to_string()))?;
    Ok(Some(Repository { top, folder, index, written, has_attributes }))
}

/// Whether there may be attributes that hold in all repositories, told by `git var -l`; none where line ends are
/// converted in every text.
pub(super) fn attributes_of_user(settings: &str) -> Option<bool> {
    let values = |name: &str| settings.lines().filter_map(move |line| line.strip_prefix(name)).collect::<Vec<_>>();
    let is_false = |value: &&str| matches!(value.to_lowercase().as_str(), "=false" | "=no" | "=off" | "=0");
    if settings.is_empty() || !values("core.autocrlf").iter().all(is_false) {
        return None;
    }
    // Git before 2.41 does not tell the places.
    let files = ["GIT_ATTR_SYSTEM=", "GIT_ATTR_GLOBAL="].map(values);
    Some(files.iter().any(Vec::is_empty) || files.iter().flatten().any(|file| Path::new(file).exists()))
}

/// Reads an index; the second answer is when it was written.
fn read_index(path: &Path) -> Result<(gix_index::File, i64), String> {
    let written = path.metadata().map_err(|e| e.to_string())?.mtime();
    let folder = path.parent().expect("an index lies in a folder");
    let is_shared = |entry: io::Result<std::fs::DirEntry>| {
        entry.is_ok_and(|entry| entry.file_name().as_encoded_bytes().starts_with(b"sharedindex."))
    };
    let is_split = folder.read_dir().map_err(|e| e.to_string())?.any(is_shared);
    // The checksum is compared here, by a faster SHA-1 and beside the decoding; that of a part that is kept in a file
    // of its own is left to the decoder.
    // What several threads decode is held twice while it is put together.
    let options = Options { thread_limit: Some(1), ..Options::default() };
    let decode = || gix_index::File::at(path, gix_index::hash::Kind::Sha1, !is_split, options);
    let (index, checksum) = rayon::join(decode, || checksum(path));
    let index = index.map_err(|e| e.to_string())?;
    match index.checksum() {
        Some(stored) if stored.as_bytes() != checksum.map_err(|e| e.to_string())? => {
            Err("its checksum is not that of its content".to_owned())
        }
        _ => Ok((index, written)),
    }
}

/// The SHA-1 of all of a file but its last 20 bytes.
fn checksum(path: &Path) -> io::Result<[u8; 20]> {
    let file = File::open(path)?;
    let size = file.metadata()?.len().saturating_sub(20);
    let (mut content, mut sha1, mut buffer) = (file.take(size), Sha1::new(), vec![0; 128 << 10]);
    loop {
        match content.read(&mut buffer)? {
            0 => return Ok(sha1.finalize().into()),
            n => sha1.update(&buffer[..n]),
        }
    }
}

impl Repository {
    /// The status of a file by its path below the top; a link is not followed.
    pub(super) fn status(&self, path: &str) -> Option<FileStat> {
        fstatat(&self.folder, path, AtFlags::AT_SYMLINK_NOFOLLOW).ok()
    }

    /// The id of a file that is as git saw it last, by its path below the top and its status now. `place` is where the
    /// entry is likely to be, and becomes where the next one is.
    pub(super) fn clean(&self, path: &str, status: &FileStat, place: &mut usize) -> Option<BlobId> {
        let entries = self.index.entries();
        let is_here = |place: usize| entries.get(place).is_some_and(|entry| entry.path(&self.index) == path.as_bytes());
        if !is_here(*place) {
            *place = entries.partition_point(|entry| **entry.path(&self.index) < *path.as_bytes());
        }
        let entry = entries.get(*place).filter(|_| is_here(*place))?;
        *place += 1;
        let is_file = entry.mode == Mode::FILE || entry.mode == Mode::FILE_EXECUTABLE;
        let untrusted = Flags::ASSUME_VALID | Flags::SKIP_WORKTREE | Flags::INTENT_TO_ADD;
        if !is_file || entry.stage_raw() != 0 || entry.flags.intersects(untrusted) || !is_same(&entry.stat, status) {
            return None;
        }
        // What was written within the second in which the index was may have been written again after git looked
        // (git's "racy" entries; it counts in seconds, too).
        if i64::from(entry.stat.mtime.secs) >= self.written {
            return None;
        }
        Some(BlobId::from_bytes(entry.id.as_bytes().try_into().ok()?))
    }

    /// The folders of submodules, relative to the top.
    pub(super) fn submodules(&self) -> impl Iterator<Item = String> {
        let links = self.index.entries().iter().filter(|entry| entry.mode == Mode::COMMIT);
        links.map(|entry| String::from_utf8_lossy(entry.path(&self.index)).into_owned())
    }

    /// What the attributes say of files, which are named by their paths below the top; of the others nothing is said.
    ///
    /// # Errors
    /// When git fails.
    pub(super) fn conversions(&self, paths: &BTreeSet<String>) -> Result<BTreeMap<String, Conversion>, GitError> {
        let input: Vec<u8> = paths.iter().flat_map(|path| [path.as_bytes(), b"\0"].concat()).collect();
        let answer = git_reading(&self.top, &["check-attr", "--stdin", "-z", "--all"], &input)?;
        Ok(conversions(&answer))
    }
}

/// What the attributes say of files, by path, of an answer of `git check-attr -z --all`.
pub(super) fn conversions(answer: &[u8]) -> BTreeMap<String, Conversion> {
    let mut attributes: BTreeMap<String, Vec<Attribute<'_>>> = BTreeMap::new();
    let fields: Vec<&[u8]> = answer.split(|byte| *byte == 0).collect();
    for field in fields.chunks_exact(3) {
        let path = String::from_utf8_lossy(field[0]).into_owned();
        attributes.entry(path).or_default().push((field[1], field[2]));
    }
    attributes.into_iter().map(|(path, attributes)| (path, conversion(&attributes))).collect()
}

/// Whether two statuses are of one state of a file, compared like git does (`match_stat_data` in its read-cache.c),
/// nanoseconds included. Git marks entries that it has doubts about with a size of 0.
fn is_same(known: &gix_index::entry::Stat, now: &FileStat) -> bool {
    // The index holds the low 32 bits of each.
    let time = |seconds: i64, nanoseconds: i64| (seconds as u32, nanoseconds as u32);
    known.size != 0
        && known.size == now.st_size as u32
        && (known.mtime.secs, known.mtime.nsecs) == time(now.st_mtime, now.st_mtime_nsec)
        && (known.ctime.secs, known.ctime.nsecs) == time(now.st_ctime, now.st_ctime_nsec)
        && known.ino == now.st_ino as u32
        && known.uid == now.st_uid
        && known.gid == now.st_gid
}

/// The name of an attribute and its value, as `git check-attr` tells them.
type Attribute<'a> = (&'a [u8], &'a [u8]);

/// What attributes mean for a content (gitattributes(5), "Checking-out and checking-in"). Of what can be set in
/// several ways, every one counts that may convert.
fn conversion(attributes: &[Attribute<'_>]) -> Conversion {
    let value = |name: &str| attributes.iter().find(|(n, _)| *n == name.as_bytes()).map(|(_, value)| *value);
    let is_set = |name: &str| value(name).is_some_and(|value| value != b"unset");
    let line_ends = value("text") != Some(b"unset") && ["text", "crlf", "eol"].into_iter().any(is_set);
    Conversion {
        converts: line_ends || ["filter", "ident", "working-tree-encoding"].into_iter().any(is_set),
        is_lfs: value("filter") == Some(b"lfs"),
    }
}
