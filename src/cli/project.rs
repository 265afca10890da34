//! Loads the project that a command works on: configuration, Dockerfiles, contexts, tests. What is wrong with any of
//! them is said at once.

mod find;
mod read;
mod remotes;
mod seen_from;
mod templates;

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

pub(super) use self::remotes::{Anew, cache};
pub(super) use self::seen_from::context_paths;

use self::find::Sources;
use super::{Refusal, Settings, lock_file};
use crate::config::{Config, Lock};
use crate::diag::{Diagnostic, Diagnostics, Severity};
use crate::model::{GitCommit, GitPin, ImageName};
use crate::plan::{self, Inputs, Resolved};
use crate::source::{self, Revision};

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
    /// What each ref of a git repository means, those of images that are not selected too.
    pub(super) commits: BTreeMap<GitPin, GitCommit>,
}

/// Loads the project at the root that the settings name. `manifest` is where its build writes the deploy manifest,
/// relative to the root; none means the usual place.
///
/// # Errors
/// [`Diagnostics`]: everything that is wrong with its files, or with the selection.
pub(super) fn load(settings: &Settings, selection: &SelectionArgs, manifest: Option<&Path>) -> anyhow::Result<Project> {
    load_anew(settings, selection, manifest, Anew::Nothing)
}

/// The same, where refs of git repositories are looked up though the lock file says what they are.
///
/// # Errors
/// As [`load`].
pub(super) fn load_anew(
    settings: &Settings,
    selection: &SelectionArgs,
    manifest: Option<&Path>,
    anew: Anew<'_>,
) -> anyhow::Result<Project> {
    let config = super::config::read(settings)?;
    let declared = find::declared_paths(&config);
    load_with(config, settings, selection, manifest, anew).map_err(|error| match error.downcast::<Diagnostics>() {
        Ok(errors) => seen_from::gathered(templates::gathered(errors), &declared, &settings.root).into(),
        Err(error) => error,
    })
}

/// Loads the project as if its configuration were this. What is wrong with many files in one way is said of each.
///
/// # Errors
/// As [`load`].
pub(super) fn load_with(
    config: Config,
    settings: &Settings,
    selection: &SelectionArgs,
    manifest: Option<&Path>,
    anew: Anew<'_>,
) -> anyhow::Result<Project> {
    let manifest = manifest_path(settings, manifest);
    let project = super::config::project(&config, settings);
    let mut diagnostics = Vec::new();
    let lock = lock_file::read(&settings.root).unwrap_or_else(|Diagnostics(errors)| {
        diagnostics.extend(errors);
        None
    });
    let brought = remotes::bring(&config, lock.as_ref(), anew, settings, &mut diagnostics)?;
    let Sources { images, mut unreadable, notes } =
        find::sources(&settings.root, &project, &config, &brought, &mut diagnostics);
    let read = read::images(images, &selection.build_args, &config, settings, &mut diagnostics);
    unreadable.extend(read.unreadable);
    let understood = plan::understand(Inputs { project, config: &config, images: read.images, unreadable });
    let understood = understood.map(|mut understood| {
        diagnostics.append(&mut understood.warnings);
        understood
    });
    let understood = all_or_nothing(understood, &mut diagnostics)?;
    let resolved = read::contexts(understood, &read.contexts, &manifest);
    let mut resolved = all_or_nothing(resolved, &mut diagnostics)?;
    resolved.warnings.splice(0..0, diagnostics);
    if resolved.images.is_empty() {
        let message = format!("no Dockerfile was found below `{}`", settings.root.display());
        let hint = "`-C DIR` names the project's root; `Dockerfile`, `Dockerfile.NAME`, `NAME.Dockerfile` and \
                    `Containerfile` are found, where neither .gitignore nor `ignore` in windlass.yaml hides them";
        return Err(Refusal::usage_with_hint(message, hint).into());
    }
    let names = resolved.images.iter().map(|image| image.name.clone()).collect();
    resolved.notes.splice(0..0, notes);
    Ok(Project { config, names, lock, commits: brought.commits, resolved: resolved.select(&selection.images)? })
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
