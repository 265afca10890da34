//! The project as it was at a commit.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use super::Settings;
use super::project::{self, Project, SelectionArgs};
use crate::config::FileFrom;
use crate::diag::Diagnostics;
use crate::plan::{Image, Resolved};
use crate::source::{Checkout, Commit, check_out};
use crate::ui;

/// All images of the project as they were at a commit, with the build arguments that are given now.
///
/// # Errors
/// When git does not have the files, or [`Diagnostics`]: when the project was not right then.
pub(super) fn at(
    commit: &Commit,
    now: &Project,
    selection: &SelectionArgs,
    manifest: Option<&Path>,
    settings: &Settings,
) -> anyhow::Result<Resolved> {
    let Checkout { root, .. } = &check_out(&settings.root, commit, &inputs(now, settings))?;
    let file = |file: &PathBuf| file.strip_prefix(&settings.root).map_or_else(|_| file.clone(), |file| root.join(file));
    let then = Settings { root: root.clone(), file: settings.file.as_ref().map(file), ..settings.clone() };
    let selection = SelectionArgs { images: Vec::new(), build_args: selection.build_args.clone() };
    Ok(project::load(&then, &selection, manifest)?.resolved)
}

/// Leaves of what is chosen only the images that are not the same as they were when the work tree parted from a commit.
/// Where the project was not right then, none is.
pub(super) fn since(
    mut now: Project,
    name: &str,
    selection: &SelectionArgs,
    manifest: Option<&Path>,
    settings: &Settings,
) -> anyhow::Result<(Project, Commit)> {
    let commit = Commit::find(&settings.root, name)?.parted(&settings.root)?;
    let then = match at(&commit, &now, selection, manifest, settings) {
        Ok(then) => then.images,
        Err(error) => match error.downcast::<Diagnostics>() {
            Ok(Diagnostics(errors)) => {
                let first = errors.first().map(ToString::to_string).unwrap_or_default();
                let note = format!("all images count as changed since `{name}`, because it has errors: {first}");
                ui::notes(&[note], &settings.ui);
                Vec::new()
            }
            Err(error) => return Err(error),
        },
    };
    let is_same = |image: &&Image| then.iter().any(|t| t.name == image.name && t.content_hash == image.content_hash);
    let same: BTreeSet<_> = now.resolved.images.iter().filter(is_same).map(|image| image.name.clone()).collect();
    now.resolved = now.resolved.without(&same);
    Ok((now, commit))
}

/// What the images are made from, as paths below the root.
fn inputs(project: &Project, settings: &Settings) -> BTreeSet<PathBuf> {
    let root = &settings.root;
    let mut inputs: BTreeSet<PathBuf> = [PathBuf::from(project.config.source.path())].into();
    for image in &project.resolved.images {
        inputs.insert(image.dockerfile.path().into());
        let folders = image.named_contexts.values().map(|folder| (&folder.root, folder.tree.iter()));
        for (folder, tree) in folders.chain([(&image.context_root, image.context.iter())]) {
            let Ok(folder) = folder.strip_prefix(root) else { continue };
            inputs.insert(folder.join(".dockerignore"));
            inputs.extend(tree.map(|(path, _)| folder.join(path.as_str())));
        }
    }
    for image in project.config.images.values() {
        inputs.extend(image.test.structure.iter().map(|path| PathBuf::from(path.value.as_str())));
        inputs.extend(image.files.iter().filter_map(|file| match &file.from {
            FileFrom::File(path) => Some(PathBuf::from(path)),
            FileFrom::Env(_) | FileFrom::Text(_) => None,
        }));
    }
    inputs.into_iter().filter(|path| path.is_relative() && root.join(path).symlink_metadata().is_ok()).collect()
}
