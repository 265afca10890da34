//! Finds Dockerfiles below a folder, and names them.

use std::borrow::Cow;
use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};

use ignore::gitignore::{Gitignore, GitignoreBuilder};

use crate::diag::Diagnostic;
use crate::model::ImageName;

use super::folders::{Folder, Folders, Kind};
use super::git_ignore::Rules;
use super::names::{Named, names};

/// A Dockerfile that was found. Its context is the folder that it lies in.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Found {
    /// The name of the image that it makes.
    pub name: ImageName,
    /// Its path below the root, with `/`.
    pub path: String,
}

impl Found {
    /// The folder that the file lies in, below the root, with `/`; empty for the root itself.
    pub fn folder(&self) -> &str {
        split(&self.path).0
    }
}

/// What was found below a root.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Discovered {
    /// The Dockerfiles, in the order of their paths, each with a name that no other has.
    pub found: Vec<Found>,
    /// The names that several Dockerfiles have, with their paths.
    pub ambiguous: BTreeMap<ImageName, Vec<String>>,
    /// The names that have folders before them because several Dockerfiles would have the same, sorted.
    pub longer: Vec<ImageName>,
    /// The errors of ambiguous and impossible names, and warnings of folders that could not be looked into.
    pub diagnostics: Vec<Diagnostic>,
}

/// What the configuration says of discovery.
#[derive(Debug, Default)]
pub struct Declared {
    /// The paths of Dockerfiles that it gives to images of its own: they are skipped.
    pub dockerfiles: BTreeSet<String>,
    /// The names of those images: what is discovered gets others.
    pub names: BTreeSet<ImageName>,
    /// Patterns of a `.gitignore` at the root: what they hide is skipped.
    pub ignored: Vec<String>,
}

/// Finds `Dockerfile`, `Dockerfile.NAME`, `Dockerfile-NAME`, `NAME.Dockerfile`, `NAME.dockerfile`, and the same with
/// `Containerfile`, skipping `.git` and what `.gitignore` files hide. They lie in folders below the root, and in links to
/// such folders. A file is called after its NAME, else its folder,
/// else the project; capitals become small, and what no name can have becomes `-`. Before a version (`3.12-slim`), and
/// before names that several would have, stand as many of their folders as it takes; before a version the project, too.
pub fn discover(folders: &Folders, project: &str, declared: &Declared) -> Discovered {
    let mut builder = GitignoreBuilder::new(folders.root());
    let mut diagnostics = Vec::new();
    for pattern in &declared.ignored {
        if let Err(error) = builder.add_line(None, pattern) {
            diagnostics.push(Diagnostic::error(format!("`{pattern}` below `ignore` is no pattern: {error}")));
        }
    }
    let ignored = builder.build().unwrap_or_else(|error| {
        diagnostics.push(Diagnostic::error(format!("`ignore` can't be understood: {error}")));
        Gitignore::empty()
    });
    let Listed { mut paths, mut linked, warnings } = dockerfiles(folders, &ignored);
    diagnostics.extend(warnings);
    for paths in [&mut paths, &mut linked] {
        paths.retain(|path| !declared.dockerfiles.contains(path));
    }
    // A linked folder takes no name away from the folder itself.
    let mut named = names(&paths, project, &declared.names);
    let names_of_folders =
        named.found.iter().map(|found| &found.name).chain(named.ambiguous.keys()).chain(&declared.names);
    named.append(names(&linked, project, &names_of_folders.cloned().collect()));
    let Named { found, ambiguous, longer, diagnostics: of_names } = named;
    diagnostics.extend(of_names);
    Discovered { found, ambiguous, longer, diagnostics }
}

/// The paths of Dockerfiles, sorted.
struct Listed {
    /// Those in folders.
    paths: Vec<String>,
    /// Those in links to folders below the root.
    linked: Vec<String>,
    /// What could not be looked into.
    warnings: Vec<Diagnostic>,
}

/// What is found, in no order.
#[derive(Default)]
struct Finds {
    paths: Vec<String>,
    links: Vec<(String, String)>,
    warnings: Vec<Diagnostic>,
}

/// A folder to search.
struct Search<'a> {
    folder: &'a Folder,
    /// Where it is.
    path: PathBuf,
    rules: Rules,
}

fn dockerfiles(folders: &Folders, ignored: &Gitignore) -> Listed {
    let root = folders.root();
    let first = Search { folder: folders.top(), path: root.to_owned(), rules: Rules::above(root) };
    let all = Mutex::new(Finds::default());
    let shared = Shared { root, ignored, all: &all };
    rayon::scope(|scope| first.run(scope, &shared));
    let Finds { mut paths, mut links, mut warnings } = all.into_inner().unwrap_or_else(PoisonError::into_inner);
    links.sort();
    paths.sort();
    warnings.sort_by(|a: &Diagnostic, b| a.message.cmp(&b.message));
    let below = |(link, folder): &(String, String)| {
        let start = paths.partition_point(|path| path.as_str() < folder.as_str());
        let below = paths[start..].iter().map_while(|path| path.strip_prefix(folder.as_str()));
        below.map(|rest| format!("{link}{rest}")).collect::<Vec<_>>()
    };
    let mut linked: Vec<String> = links.iter().flat_map(below).collect();
    linked.sort();
    Listed { paths, linked, warnings }
}

/// What all searches of one run have in common.
struct Shared<'a> {
    root: &'a Path,
    ignored: &'a Gitignore,
    all: &'a Mutex<Finds>,
}

impl<'a> Search<'a> {
    /// Searches a folder, and sees to it that somebody searches those in it. A call for each would not do: folders may
    /// lie in one another deeper than a stack is.
    fn run<'s>(self, scope: &rayon::Scope<'s>, shared: &'s Shared<'a>)
    where
        'a: 's,
    {
        let mut finds = Finds::default();
        for below in finds.search(self, shared.root, shared.ignored) {
            scope.spawn(move |scope| below.run(scope, shared));
        }
        finds.add_to(shared.all);
    }
}

impl Finds {
    fn add_to(self, all: &Mutex<Self>) {
        let Self { paths, links, warnings } = self;
        if paths.is_empty() && links.is_empty() && warnings.is_empty() {
            return;
        }
        let mut all = all.lock().unwrap_or_else(PoisonError::into_inner);
        all.paths.extend(paths);
        all.links.extend(links);
        all.warnings.extend(warnings);
    }

    /// Searches one folder, and returns those in it that are to be searched.
    fn search<'a>(&mut self, search: Search<'a>, root: &Path, ignored: &Gitignore) -> Vec<Search<'a>> {
        let Search { folder, path, mut rules } = search;
        let entries = match folder.entries(&path) {
            Ok(entries) => entries,
            Err(e) => {
                let message = format!("not searched for Dockerfiles: {}: {}", path.display(), e.error());
                self.warnings.push(Diagnostic::warning(message));
                return Vec::new();
            }
        };
        // What lies above another repository does not hold in it.
        if path != root && entries.find(".git").is_some() {
            rules = Rules::default();
        }
        if entries.find(".gitignore").is_some() {
            rules = rules.with_file_of(&path);
        }
        let mut more = Vec::new();
        for (name, kind) in entries.iter() {
            let is_dockerfile = given_name(&name.to_string_lossy()).is_some();
            let is_folder = matches!(kind, Kind::Folder(_));
            if name == ".git" || !(is_dockerfile || is_folder || matches!(kind, Kind::Symlink)) {
                continue;
            }
            let at = path.join(name);
            if rules.hide(&at, is_folder) || ignored.matched(&at, is_folder).is_ignore() {
                continue;
            }
            match kind {
                Kind::Folder(folder) => more.push(Search { folder, path: at, rules: rules.clone() }),
                Kind::File(_) => self.dockerfile(&at, root),
                Kind::Symlink => {
                    self.links.extend(linked_folder(root, &at));
                    if is_dockerfile && at.is_file() {
                        self.dockerfile(&at, root);
                    }
                }
                Kind::Fifo | Kind::Socket | Kind::Device | Kind::Unknown(_) => {}
            }
        }
        more
    }

    fn dockerfile(&mut self, path: &Path, root: &Path) {
        match path.strip_prefix(root).expect("a search stays below its root").to_string_lossy() {
            Cow::Borrowed(path) => self.paths.push(path.to_owned()),
            Cow::Owned(lossy) => {
                let message = format!("no image is made of `{lossy}`: its path is not UTF-8");
                self.warnings.push(Diagnostic::warning(message));
            }
        }
    }
}

/// A link to another folder below the root that does not lie in that folder: both paths, with a `/` at the end.
fn linked_folder(root: &Path, link: &Path) -> Option<(String, String)> {
    let folder = link.canonicalize().ok().filter(|folder| folder.is_dir())?;
    let below = |path: &Path| Some(format!("{}/", path.strip_prefix(root).ok()?.to_str()?));
    let (from, to) = (below(link)?, below(&folder)?);
    (to != "/" && !from.starts_with(&to)).then_some((from, to))
}

/// Ends of `Dockerfile.NAME` that make it no Dockerfile: the engines' own, what templates and editors leave, and programs
/// about Dockerfiles.
const NOT_NAMES: &[&str] = &[
    "dockerignore",
    "j2",
    "jinja",
    "jinja2",
    "tmpl",
    "tpl",
    "template",
    "erb",
    "in",
    "m4",
    "mustache",
    "md",
    "txt",
    "bak",
    "orig",
    "rej",
    "old",
    "swp",
    "swo",
    "save",
    "py",
    "sh",
    "json",
    "yml",
    "yaml",
    "patch",
    "diff",
];

/// What the file's name says of the image: its NAME, or an empty one for the plain names; none for other files.
pub(super) fn given_name(file: &str) -> Option<&str> {
    for plain in ["Dockerfile", "Containerfile"] {
        if file == plain {
            return Some("");
        }
        if let Some(name) = file.strip_prefix(plain).and_then(|rest| rest.strip_prefix(['.', '-'])) {
            let end = name.rsplit('.').next().unwrap_or(name);
            return (!name.is_empty() && !name.ends_with('~') && !NOT_NAMES.contains(&end)).then_some(name);
        }
    }
    for end in [".Dockerfile", ".dockerfile", ".Containerfile", ".containerfile"] {
        if let Some(name) = file.strip_suffix(end) {
            return (!name.is_empty()).then_some(name);
        }
    }
    None
}

/// The folder, empty for the root, and the last component.
pub(super) fn split(path: &str) -> (&str, &str) {
    path.rsplit_once('/').unwrap_or(("", path))
}
