//! Finds Dockerfiles below a folder, and names them.

use std::borrow::Cow;
use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use ignore::WalkBuilder;
use ignore::gitignore::{Gitignore, GitignoreBuilder};

use crate::diag::Diagnostic;
use crate::model::ImageName;

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
pub fn discover(root: &Path, project: &str, declared: &Declared) -> Discovered {
    let mut builder = GitignoreBuilder::new(root);
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
    let Listed { mut paths, mut linked, warnings } = dockerfiles(root, ignored);
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

fn dockerfiles(root: &Path, ignored: Gitignore) -> Listed {
    let in_git = root.ancestors().any(|ancestor| ancestor.join(".git").exists());
    let walk = WalkBuilder::new(root)
        .standard_filters(false)
        .git_ignore(true)
        // Above a folder that no git knows, any `.gitignore` belongs to somebody else.
        .parents(in_git)
        .require_git(false)
        .filter_entry(move |entry| {
            let is_folder = entry.file_type().is_some_and(|kind| kind.is_dir());
            entry.file_name() != ".git" && !ignored.matched(entry.path(), is_folder).is_ignore()
        })
        .build();
    let (mut paths, mut links, mut warnings) = (Vec::new(), Vec::new(), Vec::new());
    for entry in walk {
        let entry = match entry {
            Ok(entry) => entry,
            Err(e) => {
                warnings.push(Diagnostic::warning(format!("not searched for Dockerfiles: {e}")));
                continue;
            }
        };
        let path = entry.path().strip_prefix(root).expect("a walk stays below its root").to_string_lossy();
        if entry.path_is_symlink() {
            links.extend(linked_folder(root, entry.path()));
        }
        let is_file = || entry.path().metadata().is_ok_and(|metadata| metadata.is_file());
        if given_name(split(&path).1).is_none() || !is_file() {
            continue;
        }
        match path {
            Cow::Borrowed(path) => paths.push(path.to_owned()),
            Cow::Owned(lossy) => {
                warnings.push(Diagnostic::warning(format!("no image is made of `{lossy}`: its path is not UTF-8")));
            }
        }
    }
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
