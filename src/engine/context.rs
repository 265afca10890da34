//! What a builder is given to read: the request's tree with the injected files in it. Files are read from the
//! folder only when they are sent, and only as they were when the tree was hashed.

use std::fs::File;
use std::io::{self, Read};
use std::os::fd::OwnedFd;
use std::path::{Path, PathBuf};

use nix::errno::Errno;
use nix::fcntl::{OFlag, open, openat};
use nix::sys::stat::Mode;
use sha2::{Digest as _, Sha256};

use super::{BuildRequest, Error, NamedContext};
use crate::model::{BlobHasher, BlobId, InjectedFile, Node, TreePath};

/// A build context. Nothing of its folder is open or in memory.
pub(super) struct Context {
    root: PathBuf,
    entries: Vec<Entry>,
    /// The time that every entry carries, in seconds since 1970.
    pub(super) mtime: u64,
}

/// One thing in a context.
pub(super) struct Entry {
    pub(super) path: TreePath,
    pub(super) kind: Kind,
}

/// What an entry is.
pub(super) enum Kind {
    /// A directory of the tree, or one that an injected file needs.
    Directory,
    /// A file of the folder.
    File { executable: bool, size: u64, content: BlobId },
    /// A symbolic link of the tree.
    Symlink { target: String },
    /// A file that the request brings along.
    Injected(InjectedFile),
}

impl Entry {
    /// Permission bits. A clone's umask must not count, so that there are two modes of files in a tree.
    pub(super) fn mode(&self) -> u32 {
        match &self.kind {
            Kind::Directory | Kind::File { executable: true, .. } => 0o755,
            Kind::File { executable: false, .. } => 0o644,
            Kind::Symlink { .. } => 0o777,
            Kind::Injected(file) => file.mode & 0o7777,
        }
    }

    /// Numeric owner and group: root, as whoever has the folder is nobody in the image.
    pub(super) fn owner(&self) -> (u32, u32) {
        match &self.kind {
            Kind::Injected(file) => (file.uid, file.gid),
            Kind::Directory | Kind::File { .. } | Kind::Symlink { .. } => (0, 0),
        }
    }

    /// Length of the content in bytes; that of its target for a link.
    pub(super) fn size(&self) -> u64 {
        match &self.kind {
            Kind::Directory => 0,
            Kind::File { size, .. } => *size,
            Kind::Symlink { target } => target.len() as u64,
            Kind::Injected(file) => file.content.len() as u64,
        }
    }
}

impl Context {
    /// Puts the injected files into the tree.
    ///
    /// # Errors
    /// When one of them can't be where it shall be.
    pub(super) fn of(request: &BuildRequest<'_>) -> Result<Self, Error> {
        let own = NamedContext { root: request.context_root, tree: request.context };
        let mut context = Self::of_folder(own, request.source_date_epoch);
        for file in request.injected {
            context.inject(file.clone())?;
        }
        Ok(context)
    }

    /// A folder's tree as it stands, every entry of one time.
    pub(super) fn of_folder(NamedContext { root, tree }: NamedContext<'_>, mtime: u64) -> Self {
        let mut entries: Vec<Entry> = tree.iter().map(|(path, node)| entry(path, node)).collect();
        entries.sort_by(|a, b| components(a.path.as_str()).cmp(components(b.path.as_str())));
        Self { root: root.to_owned(), entries, mtime }
    }

    /// Puts a file in, and the directories that it needs; it hides a file or a link.
    ///
    /// # Errors
    /// When it can't be where it shall be.
    pub(super) fn inject(&mut self, file: InjectedFile) -> Result<(), Error> {
        let path = file.path.as_str();
        let parents = path.match_indices('/').map(|(end, _)| &path[..end]);
        for parent in parents {
            match self.get(parent).map(|entry| &entry.kind) {
                Some(Kind::Directory) => {}
                Some(Kind::File { .. } | Kind::Symlink { .. } | Kind::Injected(_)) => {
                    return Err(misplaced(&file, &format!("`{parent}` is no directory in the context")));
                }
                None => {
                    let path = parent.parse().expect("what is before a slash of a plain path is a plain path");
                    self.put(Entry { path, kind: Kind::Directory });
                }
            }
        }
        if let Some(Entry { kind: Kind::Directory, .. }) = self.get(path) {
            return Err(misplaced(&file, "it is a directory in the context"));
        }
        self.put(Entry { path: file.path.clone(), kind: Kind::Injected(file) });
        Ok(())
    }

    fn put(&mut self, entry: Entry) {
        match self.place(entry.path.as_str()) {
            Ok(index) => self.entries[index] = entry,
            Err(index) => self.entries.insert(index, entry),
        }
    }

    fn place(&self, path: &str) -> Result<usize, usize> {
        self.entries.binary_search_by(|entry| components(entry.path.as_str()).cmp(components(path)))
    }

    /// A folder of these files alone, which are written in the order of a walk.
    pub(super) fn of_files(files: Vec<InjectedFile>, mtime: u64) -> Self {
        let entry = |file: InjectedFile| Entry { path: file.path.clone(), kind: Kind::Injected(file) };
        Self { root: PathBuf::new(), entries: files.into_iter().map(entry).collect(), mtime }
    }

    /// The entries as a walk meets them: a directory before what it holds, names in the order of their bytes.
    pub(super) fn entries(&self) -> &[Entry] {
        &self.entries
    }

    /// The entry at a path.
    pub(super) fn get(&self, path: &str) -> Option<&Entry> {
        self.place(path).ok().map(|index| &self.entries[index])
    }

    /// The names in a directory, in order.
    pub(super) fn names<'a>(&'a self, folder: &'a str) -> impl Iterator<Item = &'a str> {
        let first = match self.place(folder) {
            _ if folder.is_empty() => 0,
            Ok(place) => place + 1,
            Err(_) => self.entries.len(),
        };
        let inside = move |path: &'a str| match folder {
            "" => Some(path),
            _ => path.strip_prefix(folder)?.strip_prefix('/'),
        };
        let below = self.entries[first..].iter().map_while(move |entry| inside(entry.path.as_str()));
        below.filter(|rest| !rest.contains('/'))
    }

    /// A digest of all that is in it: two contexts with one digest hold the same.
    pub(super) fn digest(&self) -> [u8; 32] {
        let mut sha256 = Sha256::new();
        let mut feed = |bytes: &[u8]| {
            sha256.update((bytes.len() as u64).to_le_bytes());
            sha256.update(bytes);
        };
        for entry in &self.entries {
            let (uid, gid) = entry.owner();
            feed(entry.path.as_str().as_bytes());
            for number in [entry.mode(), uid, gid] {
                feed(&number.to_le_bytes());
            }
            match &entry.kind {
                Kind::Directory => feed(b"directory"),
                Kind::File { content, .. } => feed(content.as_bytes()),
                Kind::Symlink { target } => feed(format!("symlink {target}").as_bytes()),
                Kind::Injected(file) => feed(&Sha256::digest(&file.content)),
            }
        }
        sha256.finalize().into()
    }

    /// Something to read the files with.
    pub(super) fn reader(&self) -> Reader<'_> {
        Reader { folder: &self.root, root: None, open: Vec::new() }
    }
}

fn entry(path: &TreePath, node: &Node) -> Entry {
    let kind = match node {
        Node::Directory => Kind::Directory,
        Node::File { executable, size, content } => {
            Kind::File { executable: *executable, size: *size, content: *content }
        }
        Node::Symlink { target } => Kind::Symlink { target: target.clone() },
    };
    Entry { path: path.clone(), kind }
}

fn components(path: &str) -> impl Iterator<Item = &str> {
    path.split('/')
}

fn misplaced(file: &InjectedFile, why: &str) -> Error {
    Error::Image {
        message: format!("the file `{}` can't be put into the context: {why}", file.path),
        line: None,
        hint: Some("give it another path".to_owned()),
    }
}

/// A file is not what it was when the tree was hashed. Sending it would make an image that belies its content hash.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{path}` changed since the context was read: {what}")]
pub(super) struct Changed {
    path: String,
    what: String,
}

impl From<Changed> for Error {
    fn from(changed: Changed) -> Self {
        let hint = "leave the context alone while it is built, and build again";
        Self::Image { message: changed.to_string(), line: None, hint: Some(hint.to_owned()) }
    }
}

/// Opens files of a context. No symbolic link is followed on the way, wherever the folder has got one since.
pub(super) struct Reader<'a> {
    folder: &'a Path,
    root: Option<OwnedFd>,
    /// The directories on the way to the file opened last, as the next one is likely beside it.
    open: Vec<(String, OwnedFd)>,
}

impl Reader<'_> {
    /// Opens what an entry holds; a directory and a link hold nothing.
    pub(super) fn open<'e>(&mut self, entry: &'e Entry) -> Result<Box<dyn Read + 'e>, Changed> {
        match &entry.kind {
            Kind::Directory | Kind::Symlink { .. } => Ok(Box::new(io::empty())),
            Kind::Injected(file) => Ok(Box::new(file.content.as_slice())),
            Kind::File { size, content, .. } => {
                let path = entry.path.as_str();
                let changed = |what| Changed { path: path.to_owned(), what };
                let file = self.open_path(path).map_err(|error| changed(moved(error)))?;
                let status = file.metadata().map_err(|error| changed(unreadable(&error)))?;
                if !status.is_file() {
                    return Err(changed("it is no regular file any more".to_owned()));
                }
                if status.len() != *size {
                    return Err(changed(format!("it has {} bytes and had {size}", status.len())));
                }
                Ok(Box::new(Hashed { file, path, left: *size, content: *content, read: BlobHasher::new(*size) }))
            }
        }
    }

    fn open_path(&mut self, path: &str) -> Result<File, Errno> {
        let (folder, name) = path.rsplit_once('/').unwrap_or(("", path));
        let folders: Vec<&str> = folder.split('/').filter(|name| !name.is_empty()).collect();
        let n_shared = self.open.iter().zip(&folders).take_while(|((open, _), wanted)| open == *wanted).count();
        self.open.truncate(n_shared);
        for folder in &folders[n_shared..] {
            let fd = self.open_beside(folder, OFlag::O_DIRECTORY)?;
            self.open.push(((*folder).to_owned(), fd));
        }
        // A fifo in the file's place would block the opening.
        self.open_beside(name, OFlag::O_NONBLOCK).map(File::from)
    }

    fn open_beside(&mut self, name: &str, flags: OFlag) -> Result<OwnedFd, Errno> {
        let read = OFlag::O_RDONLY | OFlag::O_CLOEXEC;
        if self.root.is_none() {
            // The folder itself may be reached by links: that is how somebody named it.
            self.root = Some(open(self.folder, read | OFlag::O_DIRECTORY, Mode::empty())?);
        }
        let folder = self.open.last().map(|(_, fd)| fd).or(self.root.as_ref());
        openat(folder.expect("the root was opened"), name, read | flags | OFlag::O_NOFOLLOW, Mode::empty())
    }
}

fn moved(error: Errno) -> String {
    match error {
        Errno::ENOENT => "it is gone".to_owned(),
        Errno::ELOOP | Errno::ENOTDIR => "it is a symbolic link, or reached by one".to_owned(),
        other => format!("it can't be opened: {}", other.desc().to_lowercase()),
    }
}

fn unreadable(error: &io::Error) -> String {
    format!("it can't be read: {error}")
}

/// A file that ends well only if it held what the tree says.
struct Hashed<'a> {
    file: File,
    path: &'a str,
    left: u64,
    content: BlobId,
    read: BlobHasher,
}

impl Read for Hashed<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        if buffer.is_empty() {
            return Ok(0);
        }
        let changed = |what: &str| io::Error::other(Changed { path: self.path.to_owned(), what: what.to_owned() });
        if self.left == 0 {
            return if self.read.clone().finish() == self.content {
                Ok(0)
            } else {
                Err(changed("it has another content"))
            };
        }
        let at_most = usize::try_from(self.left).unwrap_or(usize::MAX).min(buffer.len());
        let n_read = self.file.read(&mut buffer[..at_most])?;
        if n_read == 0 {
            return Err(changed("it became shorter"));
        }
        self.read.update(&buffer[..n_read]);
        self.left -= n_read as u64;
        Ok(n_read)
    }
}

/// What reading an entry met, said of the entry.
pub(super) fn change_behind(entry: &Entry, error: &io::Error) -> Changed {
    let change = error.get_ref().and_then(|error| error.downcast_ref::<Changed>());
    change.cloned().unwrap_or_else(|| Changed { path: entry.path.to_string(), what: unreadable(error) })
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;

    fn injected(path: &str) -> InjectedFile {
        InjectedFile { path: path.parse().unwrap(), content: b"new".to_vec(), mode: 0o600, uid: 1, gid: 2 }
    }

    fn context(root: &Path, paths: &[&str]) -> Context {
        let mut entries = Vec::new();
        for path in paths {
            let kind = match (path.strip_suffix('/'), path.strip_suffix('@')) {
                (Some(_), _) => Kind::Directory,
                (_, Some(_)) => Kind::Symlink { target: "/".to_owned() },
                _ => Kind::File { executable: false, size: 3, content: BlobId::of(b"old") },
            };
            entries.push(Entry { path: path.trim_end_matches(['/', '@']).parse().unwrap(), kind });
        }
        Context { root: root.to_owned(), entries, mtime: 0 }
    }

    fn paths(context: &Context) -> Vec<&str> {
        context.entries().iter().map(|entry| entry.path.as_str()).collect()
    }

    #[test]
    fn injected_files_bring_their_directories_and_hide_what_was_there() {
        let mut context = context(Path::new("/nowhere"), &["a/", "a/file", "a-b", "link@"]);
        for path in ["a/new/key", "a/file", "link"] {
            context.inject(injected(path)).unwrap();
        }
        assert_eq!(paths(&context), ["a", "a/file", "a/new", "a/new/key", "a-b", "link"]);
        let file = context.get("a/file").unwrap();
        assert_eq!((file.mode(), file.owner(), file.size()), (0o600, (1, 2), 3));
        assert!(matches!(context.get("link").unwrap().kind, Kind::Injected(_)));
    }

    #[test]
    fn an_injected_file_goes_through_nothing_and_replaces_no_directory() {
        for path in ["a", "a/file/below", "link/below"] {
            let mut context = context(Path::new("/nowhere"), &["a/", "a/file", "link@"]);
            assert!(matches!(context.inject(injected(path)), Err(Error::Image { .. })), "{path}");
            assert_eq!(paths(&context), ["a", "a/file", "link"]);
        }
    }

    #[test]
    fn what_is_read_is_what_was_hashed() {
        let root = tempfile::tempdir().unwrap();
        let context = context(root.path(), &["a/", "a/old", "old"]);
        let read = |path: &str| {
            let mut text = String::new();
            let entry = context.get(path).unwrap();
            context.reader().open(entry)?.read_to_string(&mut text).map_err(|error| change_behind(entry, &error))?;
            Ok::<_, Changed>(text)
        };
        fs::create_dir(root.path().join("a")).unwrap();
        fs::write(root.path().join("a/old"), "old").unwrap();
        assert_eq!(read("a/old"), Ok("old".to_owned()));
        assert_eq!(read("old").unwrap_err().to_string(), "`old` changed since the context was read: it is gone");
        fs::write(root.path().join("old"), "new").unwrap();
        assert_eq!(
            read("old").unwrap_err().to_string(),
            "`old` changed since the context was read: it has another content"
        );
    }

    #[test]
    fn each_part_counts_in_the_digest() {
        let root = Path::new("/nowhere");
        let mut digests = vec![context(root, &["a"]).digest(), context(root, &["a/"]).digest()];
        digests.extend([context(root, &["a@"]).digest(), context(root, &["b"]).digest(), context(root, &[]).digest()]);
        let file = injected("a");
        let files = [
            InjectedFile { mode: 0, ..file.clone() },
            InjectedFile { uid: 9, ..file.clone() },
            InjectedFile { content: b"x".to_vec(), ..file.clone() },
            file,
        ];
        digests.extend(files.map(|file| Context::of_files(vec![file], 0).digest()));
        digests.sort_unstable();
        digests.dedup();
        assert_eq!(digests.len(), 9);
    }
}
