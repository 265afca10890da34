//! Folders as they were when somebody first looked into them: each is listed once, whoever asks, so that looking for
//! Dockerfiles and listing contexts cost one pass.

use std::collections::BTreeMap;
use std::ffi::OsStr;
use std::io;
use std::mem::MaybeUninit;
use std::os::unix::ffi::OsStrExt as _;
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, OnceLock, PoisonError};

use rustix::fs::{FileType, Mode, OFlags, RawDir};

use super::digest::Digest;

/// Holds what the kernel tells of a folder at once: some hundred entries.
const BUFFER: usize = 16 << 10;

/// The folders below a project's root, and those elsewhere that links of its contexts lead to.
#[derive(Debug)]
pub struct Folders {
    /// Absolute, without symbolic links where it exists.
    root: PathBuf,
    top: Folder,
    elsewhere: Mutex<BTreeMap<PathBuf, Arc<Folder>>>,
}

/// One folder.
#[derive(Debug, Default)]
pub(super) struct Folder(OnceLock<Result<Entries, Box<NotListed>>>);

/// An entry with its name, or with its path below a root.
pub(super) type Named<'a> = (&'a [u8], Kind);

/// Why a folder can't be listed.
#[derive(Debug)]
pub(super) struct NotListed(io::ErrorKind, String);

/// What is in a folder.
#[derive(Debug)]
pub(super) struct Entries {
    /// The names, one behind the other: a piece of memory for each would be most of what listing takes.
    names: Box<[u8]>,
    /// In the order of their names.
    entries: Box<[Entry]>,
}

/// One thing in a folder: where its name begins, how long that is, and what it is.
#[derive(Debug)]
struct Entry(u32, u32, Kind);

/// What an entry is; a link is not followed.
#[derive(Debug)]
pub(super) enum Kind {
    Folder(Folder),
    /// With what it holds, once somebody read it.
    File(OnceLock<Digest>),
    Symlink,
    Fifo,
    Socket,
    Device,
    /// The operating system does not say what it is.
    Unknown(Box<NotListed>),
}

impl NotListed {
    /// The error as it was.
    pub(super) fn error(&self) -> io::Error {
        io::Error::new(self.0, self.1.as_str())
    }
}

impl From<io::Error> for Box<NotListed> {
    fn from(error: io::Error) -> Self {
        Self::new(NotListed(error.kind(), error.to_string()))
    }
}

impl Entry {
    /// Its name among those of its folder.
    fn name<'a>(&self, names: &'a [u8]) -> &'a [u8] {
        let Self(start, length, _) = self;
        &names[*start as usize..][..*length as usize]
    }
}

impl Entries {
    /// The entries, and their names behind one another.
    fn sorted(names: Vec<u8>, mut entries: Vec<Entry>) -> Self {
        entries.sort_unstable_by(|a, b| a.name(&names).cmp(b.name(&names)));
        Self { names: names.into_boxed_slice(), entries: entries.into_boxed_slice() }
    }

    /// The entries by name.
    pub(super) fn iter(&self) -> impl Iterator<Item = (&OsStr, &Kind)> {
        self.entries.iter().map(|entry| (self.name(entry), &entry.2))
    }

    /// The entry at a place in that order.
    pub(super) fn get(&self, place: usize) -> Option<(&OsStr, &Kind)> {
        self.entries.get(place).map(|entry| (self.name(entry), &entry.2))
    }

    /// What the entry of this name is.
    pub(super) fn find(&self, name: &str) -> Option<&Kind> {
        let found = self.entries.binary_search_by(|entry| self.name(entry).cmp(OsStr::new(name)));
        found.ok().map(|place| &self.entries[place].2)
    }

    fn name(&self, entry: &Entry) -> &OsStr {
        OsStr::from_bytes(entry.name(&self.names))
    }
}

impl Folders {
    /// The folders of the project at a root; none is listed yet.
    pub fn of(root: &Path) -> Self {
        // Who lists it says why it is not there.
        let root = root.canonicalize().unwrap_or_else(|_| root.to_owned());
        Self { root, top: Folder::default(), elsewhere: Mutex::default() }
    }

    /// The folders of a root of which it is known what lies in them: `entries` are paths below it, with `/`.
    pub(super) fn told<'a>(root: &Path, entries: impl Iterator<Item = Named<'a>>) -> Self {
        // By how deep they are, the root being 0: the deepest is put into the one above it first.
        let mut folders: BTreeMap<(usize, &[u8]), Vec<Named<'_>>> = BTreeMap::new();
        let split = |path: &'a [u8]| match path.iter().rposition(|byte| *byte == b'/') {
            Some(end) => (&path[..end], &path[end + 1..]),
            None => (&path[..0], path),
        };
        let depth = |folder: &[u8]| match folder.is_empty() {
            true => 0,
            false => 1 + folder.iter().filter(|byte| **byte == b'/').count(),
        };
        for (path, kind) in entries {
            let (folder, name) = split(path);
            folders.entry((depth(folder), folder)).or_default().push((name, kind));
        }
        let mut top = Folder::told(Vec::new());
        while let Some(((depth, path), entries)) = folders.pop_last() {
            let folder = Folder::told(entries);
            match depth.checked_sub(1) {
                Some(above) => {
                    let (parent, name) = split(path);
                    folders.entry((above, parent)).or_default().push((name, Kind::Folder(folder)));
                }
                None => top = folder,
            }
        }
        Self { top, ..Self::of(root) }
    }

    /// The root, without symbolic links.
    pub fn root(&self) -> &Path {
        &self.root
    }

    /// The root's folder.
    pub(super) fn top(&self) -> &Folder {
        &self.top
    }

    /// The absolute path of a folder without symbolic links. Of what is listed it is known without asking the operating
    /// system.
    pub fn real_path(&self, folder: PathBuf) -> PathBuf {
        match self.below(&folder).and_then(|below| self.top.below(below)) {
            Some(_) => folder,
            None => folder.canonicalize().unwrap_or(folder),
        }
    }

    /// Whether an absolute path names a file, be it by a link.
    pub fn is_file(&self, path: &Path) -> bool {
        let below = self.below(path);
        let (folder, name) = below.map_or(("", ""), |path| path.rsplit_once('/').unwrap_or(("", path)));
        let listed = below.and_then(|_| self.top.below(folder)).and_then(Folder::listed);
        match listed.map(|entries| entries.find(name)) {
            Some(None) => false,
            Some(Some(Kind::File(_))) => true,
            Some(Some(_)) | None => path.is_file(),
        }
    }

    fn below<'a>(&self, path: &'a Path) -> Option<&'a str> {
        let (path, root) = (path.as_os_str().to_str()?, self.root.as_os_str().to_str()?);
        let below = path.strip_prefix(root)?;
        if below.is_empty() { Some("") } else { below.strip_prefix('/') }
    }

    /// Does something with the folder at an absolute path without symbolic links.
    pub(super) fn with<T>(&self, path: &Path, work: impl FnOnce(&Folder) -> T) -> T {
        match self.below(path).and_then(|below| self.top.below(below)) {
            Some(folder) => work(folder),
            None => {
                let mut elsewhere = self.elsewhere.lock().unwrap_or_else(PoisonError::into_inner);
                let folder = Arc::clone(elsewhere.entry(path.to_owned()).or_default());
                drop(elsewhere);
                work(&folder)
            }
        }
    }
}

impl Folder {
    /// One of which it is known what lies in it.
    pub(super) fn told(entries: Vec<Named<'_>>) -> Self {
        let (mut names, mut placed) = (Vec::new(), Vec::with_capacity(entries.len()));
        for (name, kind) in entries {
            placed.push(Entry(names.len() as u32, name.len() as u32, kind));
            names.extend_from_slice(name);
        }
        Self(OnceLock::from(Ok(Entries::sorted(names, placed))))
    }

    /// What is in it, if somebody looked and it can be listed.
    pub(super) fn listed(&self) -> Option<&Entries> {
        self.0.get()?.as_ref().ok()
    }

    /// What is in it; `path` is where it is.
    pub(super) fn entries(&self, path: &Path) -> &Result<Entries, Box<NotListed>> {
        self.0.get_or_init(|| Ok(list(path)?))
    }

    /// The folder at a path below it, where that was listed and is reached by listed folders alone.
    pub(super) fn below(&self, path: &str) -> Option<&Self> {
        let mut at = self;
        for name in path.split('/').filter(|name| !name.is_empty()) {
            let Kind::Folder(below) = at.listed()?.find(name)? else { return None };
            at = below;
        }
        at.listed().map(|_| at)
    }
}

/// Asks the kernel itself: the C library's way takes one call more, and a large piece of memory, for each folder.
fn list(path: &Path) -> io::Result<Entries> {
    let folder = rustix::fs::open(path, OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC, Mode::empty())?;
    let mut buffer = [MaybeUninit::uninit(); BUFFER];
    let mut listed = RawDir::new(folder, &mut buffer);
    let (mut names, mut entries) = (Vec::new(), Vec::new());
    while let Some(entry) = listed.next() {
        let entry = entry?;
        let name = entry.file_name().to_bytes();
        if name != b"." && name != b".." {
            let kind = kind(path, OsStr::from_bytes(name), entry.file_type());
            // No folder holds four gigabytes of names.
            entries.push(Entry(names.len() as u32, name.len() as u32, kind));
            names.extend_from_slice(name);
        }
    }
    Ok(Entries::sorted(names, entries))
}

fn kind(folder: &Path, name: &OsStr, told: FileType) -> Kind {
    match told {
        FileType::Directory => Kind::Folder(Folder::default()),
        FileType::RegularFile => Kind::File(OnceLock::new()),
        FileType::Symlink => Kind::Symlink,
        FileType::Fifo => Kind::Fifo,
        FileType::Socket => Kind::Socket,
        FileType::BlockDevice | FileType::CharacterDevice => Kind::Device,
        // Some file systems keep it elsewhere than in folders.
        FileType::Unknown => match folder.join(name).symlink_metadata() {
            Ok(metadata) => match FileType::from_raw_mode(metadata.mode()) {
                FileType::Unknown => Kind::Device,
                known => kind(folder, name, known),
            },
            Err(e) => Kind::Unknown(e.into()),
        },
    }
}
