//! The files of a commit, as far as they have to be read: what a file holds is told by its id, and most are never
//! written. The work tree and its index are only read.

use std::collections::{BTreeMap, BTreeSet};
use std::ffi::OsStr;
use std::fs;
use std::os::unix::ffi::OsStrExt as _;
use std::path::{Component, Path, PathBuf};
use std::sync::OnceLock;

use crate::model::{BlobId, Node};

use super::commit::{Commit, CommitError, git, refused};
use super::discover::given_name;
use super::folders::{Folder, Folders, Kind};
use super::git_index::{attributes_of_user, conversions};

/// The files of a commit below a folder of the work tree. Those that are read as texts lie in a folder of their own,
/// which is removed with the value.
#[derive(Debug)]
pub struct Checkout {
    /// Where the copy of the folder is. It has the same name.
    pub root: PathBuf,
    /// The top of the repository's work tree.
    top: PathBuf,
    /// The path of the folder below it, with a `/` at its end where it is not the top itself.
    below: String,
    /// What the commit has below the folder, and what was taken over, by path.
    entries: BTreeMap<Vec<u8>, Told>,
    /// Whether all of it is written.
    is_whole: bool,
    folder: tempfile::TempDir,
}

/// What is known of an entry.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Told {
    /// A file with what it holds.
    File(Node),
    /// A file that is written, and has to be read to know what it holds.
    Written,
    Symlink,
    /// An empty folder, or the place of a submodule.
    Folder,
}

/// Takes out the files of a commit below `root`. Of what git does not know, because it is ignored or an empty folder,
/// nothing can be said: of `inputs`, paths below `root`, such ones are taken over as they are. What lies in submodules is
/// not there.
///
/// Written are the files that are found by their names: Dockerfiles, and what says what is ignored. What else is to be
/// read has to be asked for ([`Checkout::write`]).
///
/// # Errors
/// When git or the file system refuses.
pub fn check_out(root: &Path, commit: &Commit, inputs: &BTreeSet<PathBuf>) -> Result<Checkout, CommitError> {
    let asked = ["rev-parse", "--show-object-format", "--show-prefix", "--show-toplevel"];
    let said = git(root, &asked, &[], None)?.all_well()?;
    let mut said = said.splitn(3, '\n');
    let mut next = || said.next().unwrap_or_default();
    let (object_format, below, top) = (next(), next().to_owned(), PathBuf::from(next()));
    let folder = tempfile::tempdir().map_err(|error| refused(&error))?;
    let out = folder.path().join("tree").join(top.file_name().unwrap_or_else(|| OsStr::new("root")));
    let root_of_copy = out.join(&below);
    fs::create_dir_all(&root_of_copy).map_err(|error| refused(&error))?;
    // What is above the root can hide files from the search for Dockerfiles, which heeds it in repositories alone.
    git(&out, &["init", "--quiet", "."], &[], None)?.all_well()?;
    let (entries, is_whole) = (BTreeMap::new(), false);
    let mut checkout = Checkout { root: root_of_copy, top, below, entries, is_whole, folder };
    checkout.git(&["read-tree", &commit.id], &[])?;
    checkout.list(object_format)?;
    checkout.take_over(root, inputs)?;
    Ok(checkout)
}

impl Checkout {
    /// Asks git about the commit's files, in the top of the work tree.
    fn git(&self, args: &[&str], input: &[u8]) -> Result<Vec<u8>, CommitError> {
        git(&self.top, args, input, Some(&self.folder.path().join("index")))?.all_well_bytes()
    }

    /// Finds out what the commit has below the root, and writes what is found by its name.
    fn list(&mut self, object_format: &str) -> Result<(), CommitError> {
        let ignoring = Path::new(&self.below).ancestors().skip(1).map(|above| above.join(".gitignore"));
        let wanted = [PathBuf::from(&self.below)].into_iter().chain(ignoring);
        let wanted: Vec<String> = wanted.map(|path| format!(":(top,literal){}", path.display())).collect();
        let mut list = vec!["ls-files", "-s", "-z", "--"];
        list.extend(wanted.iter().map(String::as_str));
        let said = self.git(&list, &[])?;
        let (mut listed, mut above) = (Vec::new(), Vec::new());
        for file in said.split(|byte| *byte == 0).filter_map(Listed::parse) {
            match file.path.strip_prefix(self.below.as_bytes()) {
                Some(path) => listed.push(Listed { path, ..file }),
                None => above.push(file.path.to_vec()),
            }
        }
        self.put(&above)?;
        let Some(mut nodes) = self.nodes(&listed, object_format)? else {
            self.entries = listed.iter().map(|file| (file.path.to_vec(), file.told(None))).collect();
            return self.write_all();
        };
        self.entries = listed.iter().map(|file| (file.path.to_vec(), file.told(nodes.remove(file.path)))).collect();
        let is_needed = |path: &[u8], told: &Told| match told {
            Told::File(_) => is_read(path),
            Told::Written | Told::Symlink => true,
            Told::Folder => false,
        };
        let needed = self.entries.iter().filter(|(path, told)| is_needed(path, told));
        self.put_below(needed.map(|(path, _)| path.as_slice()))?;
        // A text may be a link to another file.
        let links = self.entries.iter().filter(|(path, told)| **told == Told::Symlink && is_read(path));
        let targets: BTreeSet<PathBuf> = links.filter_map(|(path, _)| self.target(OsStr::from_bytes(path))).collect();
        self.write(&targets)
    }

    /// What the files hold that git converts neither way, by path; none where ids do not tell it of any.
    fn nodes<'a>(
        &self,
        listed: &[Listed<'a>],
        object_format: &str,
    ) -> Result<Option<BTreeMap<&'a [u8], Node>>, CommitError> {
        let settings = git(&self.top, &["var", "-l"], &[], None)?.all_well()?;
        if object_format != "sha1" || attributes_of_user(&settings).is_none() {
            return Ok(None);
        }
        let files = || listed.iter().filter(|file| file.is_file());
        let paths: Vec<u8> = files().flat_map(|file| [self.below.as_bytes(), file.path, b"\0"].concat()).collect();
        let attributes = self.git(&["check-attr", "--cached", "--stdin", "-z", "--all"], &paths)?;
        let conversions = conversions(&attributes);
        let converts = |file: &Listed<'_>| {
            let path = [self.below.as_bytes(), file.path].concat();
            conversions.get(&*String::from_utf8_lossy(&path)).is_some_and(|conversion| conversion.converts)
        };
        let ids: Vec<u8> = files().flat_map(|file| [file.id.as_bytes(), b"\n"].concat()).collect();
        let sizes = self.git(&["cat-file", "--batch-check=%(objectsize)"], &ids)?;
        let sizes = String::from_utf8_lossy(&sizes);
        let nodes = files().zip(sizes.lines()).filter(|(file, _)| !converts(file));
        Ok(Some(nodes.filter_map(|(file, size)| Some((file.path, file.node(size.parse().ok()?)?))).collect()))
    }

    /// Sees to it that paths below the root can be looked at: files are written, folders made.
    ///
    /// # Errors
    /// When git or the file system refuses.
    pub fn write(&mut self, paths: &BTreeSet<PathBuf>) -> Result<(), CommitError> {
        let mut files = Vec::new();
        for path in paths.iter().filter_map(|path| plain(path)) {
            let is_through_link = |above: &Path| self.entries.get(above.as_os_str().as_bytes()) == Some(&Told::Symlink);
            if path.ancestors().any(is_through_link) {
                // Where it leads is known to the file system, if all is there.
                return self.write_all();
            }
            match self.entries.get(path.as_os_str().as_bytes()) {
                Some(_) => files.push(path.into_os_string().into_encoded_bytes()),
                None if self.has_below(&path) => {
                    fs::create_dir_all(self.root.join(path)).map_err(|error| refused(&error))?;
                }
                None => {}
            }
        }
        self.put_below(files.iter().map(Vec::as_slice))
    }

    fn write_all(&mut self) -> Result<(), CommitError> {
        self.is_whole = true;
        self.put_below(self.entries.keys().map(Vec::as_slice))
    }

    /// Writes files of the commit, by their paths below the root; what is there stays, such as what was taken over.
    fn put_below<'a>(&self, paths: impl Iterator<Item = &'a [u8]>) -> Result<(), CommitError> {
        let is_missing = |path: &&[u8]| self.root.join(OsStr::from_bytes(path)).symlink_metadata().is_err();
        let paths: Vec<Vec<u8>> = paths.filter(is_missing).map(|path| [self.below.as_bytes(), path].concat()).collect();
        self.put(&paths)
    }

    /// The same by their paths below the top.
    fn put(&self, paths: &[Vec<u8>]) -> Result<(), CommitError> {
        if paths.is_empty() {
            return Ok(());
        }
        let out = self.root.ancestors().nth(Path::new(&self.below).components().count()).unwrap_or(&self.root);
        let prefix = format!("--prefix={}/", out.display());
        let input: Vec<u8> = paths.iter().flat_map(|path| [path, b"\0".as_slice()].concat()).collect();
        self.git(&["checkout-index", "-z", "--stdin", &prefix], &input).map(drop)
    }

    /// Copies what git ignores, and empty folders.
    fn take_over(&mut self, root: &Path, inputs: &BTreeSet<PathBuf>) -> Result<(), CommitError> {
        let is_unknown = |path: &&PathBuf| {
            !self.entries.contains_key(path.as_os_str().as_bytes()) && !self.has_below(path) && path.is_relative()
        };
        let unknown: Vec<&PathBuf> = inputs.iter().filter(is_unknown).collect();
        let (mut names, mut taken) = (Vec::new(), Vec::new());
        for input in unknown {
            names.extend_from_slice(input.as_os_str().as_bytes());
            names.push(0);
            let is_empty = |path: &Path| fs::read_dir(path).is_ok_and(|mut entries| entries.next().is_none());
            if is_empty(&root.join(input)) {
                fs::create_dir_all(self.root.join(input)).map_err(|error| refused(&error))?;
                taken.push((input.as_os_str().as_bytes().to_vec(), Told::Folder));
            }
        }
        // It fails where nothing is ignored, without a word.
        let ignored = git(root, &["check-ignore", "-z", "--stdin"], &names, None)?.stdout;
        for path in ignored.split(|byte| *byte == 0).filter(|path| !path.is_empty()) {
            let below = Path::new(OsStr::from_bytes(path));
            let (from, to) = (root.join(below), self.root.join(below));
            let Ok(metadata) = from.symlink_metadata() else { continue };
            if to.symlink_metadata().is_ok() || metadata.is_dir() {
                continue;
            }
            if let Some(folder) = to.parent() {
                fs::create_dir_all(folder).map_err(|error| refused(&error))?;
            }
            let copied = if metadata.is_symlink() {
                taken.push((path.to_vec(), Told::Symlink));
                fs::read_link(&from).and_then(|target| std::os::unix::fs::symlink(target, &to))
            } else {
                taken.push((path.to_vec(), Told::Written));
                fs::copy(&from, &to).map(drop)
            };
            copied.map_err(|error| refused(&error))?;
        }
        self.entries.extend(taken);
        Ok(())
    }

    /// The folders as they were: what lies in them is known, if it is not all written.
    pub fn folders(&self) -> Folders {
        if self.is_whole {
            return Folders::of(&self.root);
        }
        let kind = |told: &Told| match told {
            Told::File(node) => Kind::File(OnceLock::from(Ok(node.clone()))),
            Told::Written => Kind::File(OnceLock::new()),
            Told::Symlink => Kind::Symlink,
            Told::Folder => Kind::Folder(Folder::told(Vec::new())),
        };
        Folders::told(&self.root, self.entries.iter().map(|(path, told)| (path.as_slice(), kind(told))))
    }

    /// Whether there is something in a folder.
    fn has_below(&self, folder: &Path) -> bool {
        let start = [folder.as_os_str().as_bytes(), b"/".as_slice()].concat();
        let first = self.entries.range(start.clone()..).next();
        folder.as_os_str().is_empty() || first.is_some_and(|(path, _)| path.starts_with(&start))
    }

    /// Where a link that is written leads, below the root.
    fn target(&self, link: &OsStr) -> Option<PathBuf> {
        let target = fs::read_link(self.root.join(link)).ok()?;
        plain(&Path::new(link).parent()?.join(target))
    }
}

/// A path below the root without `.` and `..`; none of one that leads out of it.
fn plain(path: &Path) -> Option<PathBuf> {
    let mut plain = PathBuf::new();
    for component in path.components() {
        match component {
            Component::Normal(name) => plain.push(name),
            Component::CurDir => {}
            Component::ParentDir if plain.pop() => {}
            Component::ParentDir | Component::RootDir | Component::Prefix(_) => return None,
        }
    }
    Some(plain)
}

/// Whether a file is read because of its name.
fn is_read(path: &[u8]) -> bool {
    let name = Path::new(OsStr::from_bytes(path)).file_name().unwrap_or_default().to_string_lossy();
    given_name(&name).is_some() || name.ends_with(".dockerignore") || name == ".gitignore"
}

/// A line of `git ls-files -s`.
struct Listed<'a> {
    mode: &'a str,
    id: &'a str,
    path: &'a [u8],
}

impl<'a> Listed<'a> {
    fn parse(line: &'a [u8]) -> Option<Self> {
        let tab = line.iter().position(|byte| *byte == b'\t')?;
        let mut words = str::from_utf8(&line[..tab]).ok()?.split(' ');
        Some(Self { mode: words.next()?, id: words.next()?, path: &line[tab + 1..] })
    }

    fn is_file(&self) -> bool {
        matches!(self.mode, "100644" | "100755")
    }

    fn node(&self, size: u64) -> Option<Node> {
        Some(Node::File { executable: self.mode == "100755", size, content: BlobId::from_hex(self.id)? })
    }

    fn told(&self, node: Option<Node>) -> Told {
        match (self.mode, node) {
            ("120000", _) => Told::Symlink,
            ("160000", _) => Told::Folder,
            (_, Some(node)) => Told::File(node),
            (_, None) => Told::Written,
        }
    }
}
