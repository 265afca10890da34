//! Which images the project has, and where their Dockerfiles and contexts are.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use crate::config::{Config, ImageConfig, ProjectPath};
use crate::diag::{Diagnostic, did_you_mean};
use crate::model::{ImageName, ProjectName, TreePath};
use crate::source::{Declared, Discovered, Found, discover};

/// Where an image comes from.
pub(super) struct ImageSource {
    pub(super) name: ImageName,
    pub(super) config: ImageConfig,
    /// Below the root.
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
/// An image that the configuration gives a context is declared; one without takes the Dockerfile that discovery finds
/// for its name.
pub(super) fn sources(
    root: &Path,
    project: &ProjectName,
    config: &Config,
    diagnostics: &mut Vec<Diagnostic>,
) -> Sources {
    let declared: BTreeMap<&ImageName, TreePath> = config
        .images
        .iter()
        .filter_map(|(name, image)| Some((name, declared_dockerfile(root, config, image, diagnostics)?)))
        .collect();
    let to_discover = Declared {
        dockerfiles: declared.values().map(ToString::to_string).collect(),
        names: config
            .images
            .iter()
            .filter(|(_, image)| image.context.is_some())
            .map(|(name, _)| name.clone())
            .collect(),
        ignored: config.ignore.clone(),
    };
    let Discovered { found, ambiguous, longer, diagnostics: of_discovery } =
        discover(root, project.as_str(), &to_discover);
    diagnostics.extend(of_discovery);
    let mut found: BTreeMap<ImageName, Found> = found.into_iter().map(|f| (f.name.clone(), f)).collect();
    let found_names: BTreeSet<ImageName> = found.keys().cloned().collect();
    let mut sources =
        Sources { images: Vec::new(), unreadable: ambiguous, notes: Vec::from_iter(of_longer_names(&longer)) };
    for (name, image) in &config.images {
        let (dockerfile, context) = match (&image.context, declared.get(name), found.remove(name)) {
            (Some(context), Some(dockerfile), other) => {
                let error = other.map(|other| claimed_twice(config, image, name, dockerfile, &other.path));
                diagnostics.extend(error);
                (dockerfile.clone(), context.value.clone())
            }
            (None, _, Some(found)) => place(&found),
            (None, _, None) if sources.unreadable.contains(name) => continue,
            (None, _, None) => {
                diagnostics.push(not_found(config, image, name, &found_names));
                sources.unreadable.insert(name.clone());
                continue;
            }
            (Some(_), None, _) => {
                sources.unreadable.insert(name.clone());
                continue;
            }
        };
        sources.images.push(ImageSource { name: name.clone(), config: image.clone(), dockerfile, context });
    }
    for (name, found) in found {
        let (dockerfile, context) = place(&found);
        sources.images.push(ImageSource { name, config: config.unnamed_image(), dockerfile, context });
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

/// The Dockerfile, and its folder as the context.
fn place(found: &Found) -> (TreePath, ProjectPath) {
    let dockerfile = found.path.parse().expect("what a walk finds has a plain path");
    (dockerfile, found.folder().parse::<TreePath>().map_or(ProjectPath::ROOT, ProjectPath::from))
}

/// The Dockerfile of an image with a context: the one that is named, else the one that stands in the context.
fn declared_dockerfile(
    root: &Path,
    config: &Config,
    image: &ImageConfig,
    diagnostics: &mut Vec<Diagnostic>,
) -> Option<TreePath> {
    let context = image.context.as_ref()?;
    let is_file = |path: &ProjectPath| root.join(path.as_str()).is_file();
    if !root.join(context.value.as_str()).is_dir() {
        let message = format!("the context `{}` is no folder of the project", context.value);
        diagnostics.push(Diagnostic::error(message).at(&config.source, context.span, ""));
        return None;
    }
    if let Some(dockerfile) = &image.dockerfile {
        if !is_file(&dockerfile.value) {
            let message = format!("the Dockerfile `{}` does not exist", dockerfile.value);
            let hint = format!("the path is seen from the context, `{}`", context.value);
            diagnostics.push(Diagnostic::error(message).at(&config.source, dockerfile.span, "").hint(hint));
            return None;
        }
        return dockerfile.value.below_root().cloned();
    }
    let candidates = ["Dockerfile", "Containerfile"].map(|file| context.value.join(file));
    let found = candidates.into_iter().filter_map(Result::ok).find(is_file);
    if found.is_none() {
        let message = format!("the context `{}` has no Dockerfile", context.value);
        let error = Diagnostic::error(message).at(&config.source, context.span, "");
        diagnostics.push(error.hint("`dockerfile` beside `context` names one that is called otherwise"));
    }
    found.and_then(|path| path.below_root().cloned())
}

fn claimed_twice(
    config: &Config,
    image: &ImageConfig,
    name: &ImageName,
    dockerfile: &TreePath,
    other: &str,
) -> Diagnostic {
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
