//! Loads the project that a command works on: configuration, Dockerfiles, contexts, tests. What is wrong with any of
//! them is said at once.

mod find;
mod read;
mod remotes;
mod seen_from;
mod templates;

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

pub(super) use self::remotes::{Anew, cache, each};
pub(super) use self::seen_from::context_paths;

use self::find::Sources;
pub(super) use self::find::declared_paths;
use self::remotes::Brought;
use super::{Refusal, Settings, lock_file, threads};
use crate::config::{Config, Lock};
use crate::diag::{Diagnostic, Diagnostics, Severity};
use crate::model::{GitCommit, GitPin, GitRemote, ImageName};
use crate::plan::{self, Choice, Inputs, Resolved, Understood};
use crate::source::{self, Folders, RemoteRefs, Revision};

/// Where a build writes the deploy manifest when nobody says otherwise. The file belongs to no context: an image that
/// held it would change with every build of itself.
pub(super) const MANIFEST: &str = "deploy.json";

/// Which images a command works on.
#[derive(Debug, Clone, Default, clap::Args)]
pub(super) struct SelectionArgs {
    /// Only these images, and what building them needs: `NAME`, a glob (`web-*`) or the path of a folder (`./services/`);
    /// `+NAME` with all that it is made from, `NAME+` with all that is made from it [default: all].
    #[arg(value_name = "IMAGE")]
    pub(super) images: Vec<String>,
    /// Set a build argument of every image whose Dockerfile declares it.
    #[arg(long = "build-arg", value_name = "NAME=VALUE", value_parser = build_arg)]
    pub(super) build_args: Vec<(String, String)>,
}

/// Reads `NAME=VALUE`.
pub(super) fn build_arg(text: &str) -> Result<(String, String), &'static str> {
    match text.split_once('=') {
        Some((name, value)) if !name.is_empty() => Ok((name.to_owned(), value.to_owned())),
        _ => Err("expected `NAME=VALUE`"),
    }
}

/// A project whose Dockerfiles are understood; the files that images take from their contexts need not be there.
pub(super) struct Outlined {
    /// What `windlass.yaml` says.
    pub(super) config: Config,
    /// The names of all images, those that are not selected too.
    pub(super) names: BTreeSet<ImageName>,
    /// What `windlass.lock` says, where there is one.
    pub(super) lock: Option<Lock>,
    /// The selected images and what they are made from.
    pub(super) understood: Understood,
    /// What each ref of a git repository means, those of images that are not selected too.
    pub(super) commits: BTreeMap<GitPin, GitCommit>,
    /// What the repositories said that were asked for that, by their addresses without credentials.
    pub(super) asked: BTreeMap<GitRemote, RemoteRefs>,
    /// The contexts of all images.
    contexts: read::Contexts,
}

/// A project as a command works on it.
#[derive(Clone)]
pub(super) struct Project {
    /// What `windlass.yaml` says.
    pub(super) config: Config,
    /// The names of all images, those that are not selected too.
    pub(super) names: BTreeSet<ImageName>,
    /// What `windlass.lock` says, where there is one.
    pub(super) lock: Option<Lock>,
    /// The selected images and what they are made from.
    pub(super) resolved: Resolved,
}

/// Loads the project at the root that the settings name. `manifest` is where its build writes the deploy manifest,
/// relative to the root; none means the usual place.
///
/// # Errors
/// [`Diagnostics`]: everything that is wrong with its Dockerfiles, with the selection, or with what the selected images
/// take.
pub(super) fn load(settings: &Settings, selection: &SelectionArgs, manifest: Option<&Path>) -> anyhow::Result<Project> {
    let choice = Choice::Words(&selection.images);
    let outlined =
        read_as_far_as(Look::at(Depth::Files, settings), settings, &selection.build_args, choice, Anew::Nothing)?;
    let declared = declared_paths(&outlined.config);
    outlined.load(settings, manifest).map_err(|errors| gathered(errors, &declared, settings).into())
}

/// Loads some of a project's images, as far as they are there and can be hashed. The others are told, each with the first
/// thing that is wrong with it. `folders` are those of the root that the settings name.
///
/// # Errors
/// [`Diagnostics`]: everything that is wrong with its Dockerfiles.
pub(super) fn load_rest(
    settings: &Settings,
    folders: Folders,
    names: &BTreeSet<ImageName>,
    build_args: &[(String, String)],
    manifest: Option<&Path>,
) -> anyhow::Result<(Project, BTreeMap<ImageName, Diagnostic>)> {
    let Outlined { config, names, lock, understood, commits: _, asked: _, contexts } = read_as_far_as(
        Look { depth: Depth::Files, folders },
        settings,
        build_args,
        Choice::Names(names),
        Anew::Nothing,
    )?;
    let (resolved, broken) = read::rest(understood, contexts, &manifest_path(settings, manifest))?;
    Ok((Project { config, names, lock, resolved }, broken))
}

/// Reads the Dockerfiles of a project, and chooses images.
///
/// # Errors
/// [`Diagnostics`]: everything that is wrong with them, or with the choice.
pub(super) fn outline(
    settings: &Settings,
    build_args: &[(String, String)],
    choice: Choice<'_>,
    anew: Anew<'_>,
) -> anyhow::Result<Outlined> {
    read_as_far_as(Look::at(Depth::Dockerfiles, settings), settings, build_args, choice, anew)
}

/// Where a project is looked at, and what of it.
struct Look {
    depth: Depth,
    /// Those of the root that the settings name.
    folders: Folders,
}

impl Look {
    /// As it is.
    fn at(depth: Depth, settings: &Settings) -> Self {
        Self { depth, folders: Folders::of(&settings.root) }
    }
}

/// What of a project is looked at.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Depth {
    /// Its Dockerfiles.
    Dockerfiles,
    /// Its Dockerfiles, and what images take from their contexts.
    Files,
}

fn read_as_far_as(
    look: Look,
    settings: &Settings,
    build_args: &[(String, String)],
    choice: Choice<'_>,
    anew: Anew<'_>,
) -> anyhow::Result<Outlined> {
    let config = super::config::read(settings)?;
    let declared = declared_paths(&config);
    outline_with(config, look, settings, build_args, choice, anew).map_err(|error| {
        match error.downcast::<Diagnostics>() {
            Ok(errors) => gathered(errors, &declared, settings).into(),
            Err(error) => error,
        }
    })
}

/// Says of many files that are wrong in one way what is wrong with all.
fn gathered(errors: Diagnostics, declared: &BTreeSet<String>, settings: &Settings) -> Diagnostics {
    seen_from::gathered(templates::gathered(errors), declared, &settings.root)
}

/// Loads all images of the project as if its configuration were this. What is wrong with many files in one way is said
/// of each.
///
/// # Errors
/// As [`load`].
pub(super) fn load_with(config: Config, settings: &Settings) -> anyhow::Result<Project> {
    let (look, all) = (Look::at(Depth::Files, settings), Choice::Words(&[]));
    Ok(outline_with(config, look, settings, &[], all, Anew::Nothing)?.load(settings, None)?)
}

fn outline_with(
    config: Config,
    look: Look,
    settings: &Settings,
    build_args: &[(String, String)],
    choice: Choice<'_>,
    anew: Anew<'_>,
) -> anyhow::Result<Outlined> {
    threads::share()?;
    let Look { depth, folders } = look;
    let project = super::config::project(&config, settings);
    let mut diagnostics = Vec::new();
    let lock = lock_file::read(&settings.root).unwrap_or_else(|Diagnostics(errors)| {
        diagnostics.extend(errors);
        None
    });
    let brought = remotes::bring(&config, lock.as_ref(), anew, settings, &mut diagnostics)?;
    let Sources { images, mut unreadable, notes } =
        find::sources(&settings.root, &folders, &project, &config, &brought, &mut diagnostics);
    let mut read = read::images(folders, images, &config, &brought.commits, settings, &mut diagnostics);
    unreadable.extend(read.unreadable);
    let inputs = Inputs { project, config: &config, images: read.images, build_args, unreadable };
    let open = || {
        if depth == Depth::Files {
            read.contexts.open_repositories();
        }
    };
    let (understood, ()) = rayon::join(|| plan::understand(inputs), open);
    let understood = understood.map(|mut understood| {
        diagnostics.append(&mut understood.warnings);
        understood
    });
    let mut understood = all_or_nothing(understood, &mut diagnostics)?;
    understood.warnings = diagnostics;
    understood.notes.splice(0..0, notes);
    let names: BTreeSet<ImageName> = understood.outlines().map(|image| image.name.clone()).collect();
    // Names choose what there is of them.
    if names.is_empty() && matches!(choice, Choice::Words(_)) {
        let message = format!("no Dockerfile was found below `{}`", settings.root.display());
        let hint = "`-C DIR` names the project's root; `Dockerfile`, `Dockerfile.NAME`, `NAME.Dockerfile` and \
                    `Containerfile` are found, where neither .gitignore nor `ignore` in windlass.yaml hides them";
        return Err(Refusal::usage_with_hint(message, hint).into());
    }
    let mut understood = understood.choose(choice)?;
    understood.warn_of_unused_args();
    let Brought { commits, asked, folders: _ } = brought;
    Ok(Outlined { config, names, lock, understood, commits, asked, contexts: read.contexts })
}

impl Outlined {
    /// Looks at what the chosen images take.
    fn load(self, settings: &Settings, manifest: Option<&Path>) -> Result<Project, Diagnostics> {
        let Self { config, names, lock, understood, commits: _, asked: _, contexts } = self;
        let resolved = read::contexts(understood, contexts, &manifest_path(settings, manifest))?;
        Ok(Project { config, names, lock, resolved })
    }
}

fn manifest_path(settings: &Settings, manifest: Option<&Path>) -> PathBuf {
    settings.root.join(manifest.unwrap_or_else(|| Path::new(MANIFEST)))
}

/// The revision that is checked out, if git knows one; why it does not say is noted. Only what is written into images
/// and manifests needs it, and git looks at the whole tree for it. `manifest` is that of [`load`], and makes nothing dirty.
pub(super) fn revision(settings: &Settings, manifest: Option<&Path>, notes: &mut Vec<String>) -> Option<Revision> {
    let manifest = manifest_path(settings, manifest);
    source::revision(&settings.root, manifest.strip_prefix(&settings.root).ok()).unwrap_or_else(|error| {
        notes.push(format!("git does not tell the revision: {error}"));
        None
    })
}

/// What was said while the files were read comes before what was said of their meaning; any error is enough to stop.
fn all_or_nothing<T>(result: Result<T, Diagnostics>, diagnostics: &mut Vec<Diagnostic>) -> Result<T, Diagnostics> {
    let has_errors = diagnostics.iter().any(|diagnostic| diagnostic.severity == Severity::Error);
    match result {
        Ok(value) if !has_errors => Ok(value),
        Ok(_) => Err(Diagnostics(std::mem::take(diagnostics))),
        Err(Diagnostics(more)) => {
            diagnostics.extend(more);
            Err(Diagnostics(std::mem::take(diagnostics)))
        }
    }
}
