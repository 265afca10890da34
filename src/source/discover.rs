//! Finds Dockerfiles below a folder, and names them.

use std::borrow::Cow;
use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use ignore::WalkBuilder;
use ignore::gitignore::{Gitignore, GitignoreBuilder};

use crate::diag::Diagnostic;
use crate::model::ImageName;

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
    /// The names that several Dockerfiles have.
    pub ambiguous: BTreeSet<ImageName>,
    /// The errors of ambiguous and impossible names, and warnings of folders that could not be looked into.
    pub diagnostics: Vec<Diagnostic>,
}

/// Finds `Dockerfile`, `Dockerfile.NAME`, `NAME.Dockerfile`, and the same with `Containerfile`, skipping `.git` and
/// what `.gitignore` files hide. A file without a NAME is called after its folder, and after the project where it
/// lies in the root; capitals become small, and `.`, `_`, `-` at its ends are left out (`.devcontainer`). `claimed`
/// are the paths that the configuration gives to images of its own: they are skipped, and so is what `ignored` hides,
/// patterns of a `.gitignore` at the root.
pub fn discover(root: &Path, project: &str, claimed: &BTreeSet<String>, ignored: &[String]) -> Discovered {
    let mut by_name: BTreeMap<ImageName, Vec<String>> = BTreeMap::new();
    let mut builder = GitignoreBuilder::new(root);
    let mut diagnostics = Vec::new();
    for pattern in ignored {
        if let Err(error) = builder.add_line(None, pattern) {
            diagnostics.push(Diagnostic::error(format!("`{pattern}` below `ignore` is no pattern: {error}")));
        }
    }
    let ignored = builder.build().unwrap_or_else(|error| {
        diagnostics.push(Diagnostic::error(format!("`ignore` can't be understood: {error}")));
        Gitignore::empty()
    });
    let (paths, warnings) = dockerfiles(root, ignored);
    diagnostics.extend(warnings);
    let mut discovered = Discovered { diagnostics, ..Discovered::default() };
    for path in paths.into_iter().filter(|path| !claimed.contains(path)) {
        match name(&path, project) {
            Ok(name) => by_name.entry(name).or_default().push(path),
            Err(diagnostic) => discovered.diagnostics.push(*diagnostic),
        }
    }
    for (name, paths) in by_name {
        match <[String; 1]>::try_from(paths) {
            Ok([path]) => discovered.found.push(Found { name, path }),
            Err(paths) => {
                discovered.diagnostics.push(two_of_one_name(&name, &paths));
                discovered.ambiguous.insert(name);
            }
        }
    }
    discovered.found.sort_by(|a, b| a.path.cmp(&b.path));
    discovered
}

/// Their paths, sorted, and what could not be looked into.
fn dockerfiles(root: &Path, ignored: Gitignore) -> (Vec<String>, Vec<Diagnostic>) {
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
    let (mut paths, mut warnings) = (Vec::new(), Vec::new());
    for entry in walk {
        let entry = match entry {
            Ok(entry) => entry,
            Err(e) => {
                warnings.push(Diagnostic::warning(format!("not searched for Dockerfiles: {e}")));
                continue;
            }
        };
        let path = entry.path().strip_prefix(root).expect("a walk stays below its root").to_string_lossy();
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
    (paths, warnings)
}

/// Ends of `Dockerfile.NAME` that make it no Dockerfile: the engines' own, and what templates and editors leave.
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
];

/// What the file's name says of the image: its NAME, or an empty one for the plain names; none for other files.
fn given_name(file: &str) -> Option<&str> {
    for plain in ["Dockerfile", "Containerfile"] {
        if file == plain {
            return Some("");
        }
        if let Some(name) = file.strip_prefix(plain).and_then(|rest| rest.strip_prefix('.')) {
            let end = name.rsplit('.').next().unwrap_or(name);
            return (!name.is_empty() && !name.ends_with('~') && !NOT_NAMES.contains(&end)).then_some(name);
        }
        if let Some(name) = file.strip_suffix(plain).and_then(|rest| rest.strip_suffix('.')) {
            return (!name.is_empty()).then_some(name);
        }
    }
    None
}

fn name(path: &str, project: &str) -> Result<ImageName, Box<Diagnostic>> {
    let (folder, file) = split(path);
    let given = match (given_name(file).unwrap_or_default(), split(folder).1) {
        ("", "") => project,
        ("", folder) => folder,
        (name, _) => name,
    };
    given.to_lowercase().trim_matches(['.', '_', '-']).parse().map_err(|e| {
        let diagnostic = Diagnostic::error(format!("`{path}` makes no image name: {e}"));
        Box::new(diagnostic.hint("give the image a name in windlass.yaml, with this file as its `dockerfile`"))
    })
}

fn two_of_one_name(name: &ImageName, paths: &[String]) -> Diagnostic {
    let paths: Vec<_> = paths.iter().map(|path| format!("`{path}`")).collect();
    let (last, others) = paths.split_last().expect("a name is claimed by a path");
    Diagnostic::error(format!("the image name `{name}` is claimed by {} and {last}", others.join(", ")))
        .hint("name them apart in windlass.yaml: two `images` with these files as their `dockerfile`")
}

/// The folder, empty for the root, and the last component.
fn split(path: &str) -> (&str, &str) {
    path.rsplit_once('/').unwrap_or(("", path))
}
