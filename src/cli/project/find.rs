//! Which images the project has, and where their Dockerfiles and contexts are.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use super::remotes::Brought;
use crate::config::{Config, GitSource, ImageConfig, ProjectPath, Spanned};
use crate::diag::{Diagnostic, did_you_mean};
use crate::model::{ImageName, ProjectName, TreePath};
use crate::source::{Declared, Discovered, Folders, Found, discover};

/// What paths are relative to: the project's root, or that of a git repository elsewhere.
#[derive(Debug, Clone)]
pub(super) struct Home {
    pub(super) root: PathBuf,
    /// What stands before a path that is shown; empty for the project.
    prefix: String,
}

impl Home {
    pub(super) fn project(root: &Path) -> Self {
        Self { root: root.to_owned(), prefix: String::new() }
    }

    fn elsewhere(git: &GitSource, root: &Path) -> Self {
        let GitSource { remote, reference, .. } = git;
        // Whether something leads out of it is seen by real paths.
        let root = root.canonicalize().unwrap_or_else(|_| root.to_owned());
        Self { root, prefix: format!("{}#{}:", remote.value, reference.value) }
    }

    /// The path as people know it.
    pub(super) fn shown(&self, path: &str) -> String {
        format!("{}{path}", self.prefix)
    }

    /// Where a path leads; nowhere where that is outside of a repository, which others may write to.
    fn real(&self, path: &ProjectPath) -> Option<PathBuf> {
        let path = self.root.join(path.as_str());
        let is_inside = || path.canonicalize().is_ok_and(|real| real.starts_with(&self.root));
        (self.prefix.is_empty() || is_inside()).then_some(path)
    }

    fn has_file(&self, path: &ProjectPath) -> bool {
        self.real(path).is_some_and(|path| path.is_file())
    }
}

/// Where an image comes from.
pub(super) struct ImageSource {
    pub(super) name: ImageName,
    pub(super) config: Arc<ImageConfig>,
    pub(super) home: Home,
    /// Below the home's root.
    pub(super) dockerfile: TreePath,
    pub(super) context: ProjectPath,
}

/// The images of a project.
#[derive(Default)]
pub(super) struct Sources {
    /// By name.
    pub(super) images: Vec<ImageSource>,
    /// The images whose Dockerfile or context is not known, because something is wrong that was said.
    pub(super) unreadable: BTreeSet<ImageName>,
    /// What the user should hear.
    pub(super) notes: Vec<String>,
}

/// The images that the configuration declares, and those that are discovered besides them.
///
/// An image that the configuration gives a context, or a git repository, is declared; one without takes the Dockerfile
/// that discovery finds for its name.
pub(super) fn sources(
    root: &Path,
    folders: &Folders,
    project: &ProjectName,
    config: &Config,
    brought: &Brought,
    diagnostics: &mut Vec<Diagnostic>,
) -> Sources {
    let here = Home::project(root);
    let mut declared: BTreeMap<&ImageName, Place> = BTreeMap::new();
    for (name, image) in &config.images {
        let place = match (&image.git, &image.context) {
            (Some(git), _) => brought.folders.get(name).map(|folder| (Home::elsewhere(git, folder), &git.path)),
            (None, context) => context.as_ref().map(|context| (here.clone(), context)),
        };
        let place = place.and_then(|(home, context)| declared_place(home, context, config, image, diagnostics));
        declared.extend(place.map(|place| (name, place)));
    }
    let is_declared = |image: &ImageConfig| image.context.is_some() || image.git.is_some();
    let in_project = declared.values().filter(|place| place.home.prefix.is_empty());
    let to_discover = Declared {
        dockerfiles: in_project.map(|place| place.dockerfile.to_string()).collect(),
        names: config.images.iter().filter(|(_, image)| is_declared(image)).map(|(name, _)| name.clone()).collect(),
        ignored: config.ignore.clone(),
    };
    let Discovered { found, ambiguous, longer, diagnostics: of_discovery } =
        discover(folders, project.as_str(), &to_discover);
    diagnostics.extend(of_discovery);
    let mut found: BTreeMap<ImageName, Found> = found.into_iter().map(|f| (f.name.clone(), f)).collect();
    let found_names: BTreeSet<ImageName> = found.keys().cloned().collect();
    let mut sources = Sources {
        images: Vec::with_capacity(config.images.len() + found.len()),
        unreadable: ambiguous.into_keys().collect(),
        notes: Vec::from_iter(of_longer_names(&longer)),
    };
    for (name, image) in &config.images {
        let place = match (is_declared(image), declared.remove(name), found.remove(name)) {
            (true, Some(declared), other) => {
                let error = other.map(|other| claimed_twice(config, image, name, &declared, &other.path));
                diagnostics.extend(error);
                declared
            }
            (false, _, Some(found)) => place(&here, &found),
            (false, _, None) if sources.unreadable.contains(name) => continue,
            (false, _, None) => {
                diagnostics.push(not_found(config, image, name, &found_names));
                sources.unreadable.insert(name.clone());
                continue;
            }
            (true, None, _) => {
                sources.unreadable.insert(name.clone());
                continue;
            }
        };
        sources.images.push(place.of(name, Arc::new(image.clone())));
    }
    let unnamed = Arc::new(config.unnamed_image());
    for (name, found) in found {
        sources.images.push(place(&here, &found).of(&name, Arc::clone(&unnamed)));
    }
    sources
}

/// Says that images are called by more than usual, with some of them.
fn of_longer_names(names: &[ImageName]) -> Option<String> {
    let shown: Vec<String> = names.iter().take(3).map(|name| format!("`{name}`")).collect();
    let more = if names.len() > shown.len() { " …" } else { "" };
    let what = format!("folders stand before names that several Dockerfiles would have: {}{more}", shown.join(" "));
    (!names.is_empty()).then_some(what)
}

/// Where a Dockerfile and its context are.
struct Place {
    home: Home,
    dockerfile: TreePath,
    context: ProjectPath,
}

impl Place {
    fn of(self, name: &ImageName, config: Arc<ImageConfig>) -> ImageSource {
        let Self { home, dockerfile, context } = self;
        ImageSource { name: name.clone(), config, home, dockerfile, context }
    }
}

/// The Dockerfile, and its folder as the context.
fn place(here: &Home, found: &Found) -> Place {
    let dockerfile = found.path.parse().expect("what a walk finds has a plain path");
    let context = found.folder().parse::<TreePath>().map_or(ProjectPath::ROOT, ProjectPath::from);
    Place { home: here.clone(), dockerfile, context }
}

/// The paths of the Dockerfiles that the configuration gives a context, whether they are there or not.
pub(in crate::cli) fn declared_paths(config: &Config) -> BTreeSet<String> {
    let with_context = config.images.values().filter_map(|image| Some((image, image.context.as_ref()?)));
    let paths = with_context.flat_map(|(image, context)| match &image.dockerfile {
        Some(dockerfile) => vec![dockerfile.value.clone()],
        None => ["Dockerfile", "Containerfile"].iter().filter_map(|file| context.value.join(file).ok()).collect(),
    });
    paths.map(|path| path.to_string()).collect()
}

/// The Dockerfile of an image with a context: the one that is named, else the one that stands in the context.
fn declared_place(
    home: Home,
    context: &Spanned<ProjectPath>,
    config: &Config,
    image: &ImageConfig,
    diagnostics: &mut Vec<Diagnostic>,
) -> Option<Place> {
    if !home.real(&context.value).is_some_and(|path| path.is_dir()) {
        let message = format!("the context `{}` is no folder of the project", context.value);
        diagnostics.push(Diagnostic::error(message).at(&config.source, context.span, ""));
        return None;
    }
    let dockerfile = match &image.dockerfile {
        Some(dockerfile) if !home.has_file(&dockerfile.value) => {
            let message = format!("the Dockerfile `{}` does not exist", home.shown(dockerfile.value.as_str()));
            let hint = format!("the path is seen from the context, `{}`", context.value);
            diagnostics.push(Diagnostic::error(message).at(&config.source, dockerfile.span, "").hint(hint));
            return None;
        }
        Some(dockerfile) => Some(dockerfile.value.clone()),
        None => {
            let candidates = ["Dockerfile", "Containerfile"].map(|file| context.value.join(file));
            candidates.into_iter().filter_map(Result::ok).find(|path| home.has_file(path))
        }
    };
    let Some(dockerfile) = dockerfile.as_ref().and_then(ProjectPath::below_root) else {
        let message = format!("the context `{}` has no Dockerfile", home.shown(context.value.as_str()));
        let error = Diagnostic::error(message).at(&config.source, context.span, "");
        diagnostics.push(error.hint("`dockerfile` beside it names one that is called otherwise"));
        return None;
    };
    Some(Place { dockerfile: dockerfile.clone(), context: context.value.clone(), home })
}

fn claimed_twice(config: &Config, image: &ImageConfig, name: &ImageName, declared: &Place, other: &str) -> Diagnostic {
    let dockerfile = declared.home.shown(declared.dockerfile.as_str());
    Diagnostic::error(format!("the image name `{name}` is claimed by `{dockerfile}` and `{other}`"))
        .at(&config.source, image.span, format!("declared with `{dockerfile}`"))
        .hint(format!("declare `{other}` below `images` under a name of its own"))
}

fn not_found(config: &Config, image: &ImageConfig, name: &ImageName, found: &BTreeSet<ImageName>) -> Diagnostic {
    let error = Diagnostic::error(format!("no Dockerfile makes the image `{name}`")).at(&config.source, image.span, "");
    let longer = format!("-{name}");
    let longer: Vec<String> =
        found.iter().filter(|found| found.as_str().ends_with(&longer)).map(|name| format!("`{name}`")).collect();
    if !longer.is_empty() {
        return error.hint(format!("several would: they are called {}", longer.join(", ")));
    }
    match did_you_mean(name.as_str(), found.iter().map(ImageName::as_str)) {
        Some(meant) => error.hint(format!("did you mean `{meant}`?")),
        None => error.hint("`context` says in which folder it stands"),
    }
}
