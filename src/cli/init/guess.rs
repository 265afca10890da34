//! What instructions show of the contexts and arguments that nobody wrote down.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use std::sync::Arc;

use super::proposal::{Entry, NamedContext, Proposal};
use crate::cli::project::context_paths;
use crate::config::ProjectPath;
use crate::diag::{Severity, SourceText};
use crate::dockerfile::{self, Command, Dockerfile, ResolveInputs, Resolved};
use crate::model::{ImageName, Platform, Repository, TreePath};
use crate::plan::{self, PinTo};
use crate::source::{nearest_context, read_text};

/// Moves the contexts of Dockerfiles whose `COPY` lines are seen from a folder above their own.
pub(super) fn contexts(proposal: &mut Proposal, root: &Path) {
    for entry in proposal.images.values_mut().filter(|entry| !entry.is_declared) {
        let Some((_, _, resolved)) = read(root, entry) else { continue };
        let paths = context_paths(&resolved);
        let own = entry.context.as_str();
        if let Some(context) = nearest_context(root, own, &paths).filter(|context| context != own) {
            let context = ProjectPath::ROOT.join(&context).expect("a folder above one of the project's is one of them");
            entry.set_context(
                context,
                "What COPY takes is there seen from this context, and not from the Dockerfile's folder.".to_owned(),
            );
        }
    }
}

/// Gives build arguments that a `FROM` wants and has no default of the one default that other Dockerfiles give them.
pub(super) fn args(proposal: &mut Proposal, root: &Path) {
    let mut defaults: BTreeMap<String, BTreeSet<String>> = BTreeMap::new();
    let mut wanting = Vec::new();
    for (name, entry) in &proposal.images {
        let Some((_, dockerfile, resolved)) = read(root, entry) else { continue };
        for arg in &dockerfile.global_args {
            if let Some(default) = arg.default.as_ref().filter(|default| !default.text.contains('$')) {
                defaults.entry(arg.name.text.clone()).or_default().insert(default.text.clone());
            }
        }
        if resolved.diagnostics.iter().any(|said| said.severity == Severity::Error) {
            let without = dockerfile.global_args.iter().filter(|arg| arg.default.is_none());
            wanting.push((name.clone(), without.map(|arg| arg.name.text.clone()).collect::<Vec<_>>()));
        }
    }
    for (name, wanted) in wanting {
        let Some(entry) = proposal.images.get_mut(&name) else { continue };
        for arg in wanted.into_iter().filter(|arg| !entry.args.contains_key(arg)).collect::<Vec<_>>() {
            let Some(values) = defaults.get(&arg).filter(|values| values.len() == 1) else { continue };
            entry.args.extend(values.first().map(|value| (arg, value.clone())));
            let why = "FROM wants a value, and other Dockerfiles give this one.";
            if entry.why.last().is_none_or(|last| last != why) {
                entry.why.push(why.to_owned());
            }
        }
    }
}

/// Names the images that references say in other words than folders do: `ros:noetic-ros-base-focal` is what is made in
/// `ros/noetic/ubuntu/focal/ros-base`. A repository is the project's only if each of its tags that are taken, and these
/// are several, is made in exactly one folder. Whether there was any.
pub(super) fn parents(proposal: &mut Proposal, resolved: &plan::Resolved) -> bool {
    let places: Vec<Place> = proposal.images.iter().map(|(name, entry)| Place::of(name, &entry.dockerfile)).collect();
    let mut taken: BTreeMap<&Repository, Vec<Taken>> = BTreeMap::new();
    for image in &resolved.images {
        for pinned in &image.references {
            let PinTo::External { name, .. } = &pinned.to else { continue };
            let Some(tag) = name.tag().filter(|_| name.digest().is_none()) else { continue };
            let written = &image.dockerfile.text()[pinned.span.range()];
            let written = if written.contains('$') { name.to_string() } else { written.to_owned() };
            let folder = name.repository().path().rsplit('/').next().unwrap_or_default();
            let made = places.iter().filter(|place| place.image != image.name && place.is_said(folder, tag.as_str()));
            let made: Vec<&Place> = made.collect();
            let by = if let [one] = made.as_slice() { Some(one.image.clone()) } else { None };
            taken.entry(name.repository()).or_default().push(Taken { image: image.name.clone(), written, by });
        }
    }
    let mut any = false;
    for taken in taken.into_values().filter(|taken| taken.len() > 1 && taken.iter().all(|taken| taken.by.is_some())) {
        for Taken { image, written, by } in taken {
            let (Some(entry), Some(by)) = (proposal.images.get_mut(&image), by) else { continue };
            let is_new = entry.contexts.insert(written, NamedContext::Image(by)).is_none();
            let why = "The project's folders make what FROM names in other words.";
            if is_new && entry.why.iter().all(|said| said != why) {
                entry.why.push(why.to_owned());
            }
            any |= is_new;
        }
    }
    any
}

/// A reference of an image to another, and the image of the project that its words say.
struct Taken {
    image: ImageName,
    written: String,
    by: Option<ImageName>,
}

/// The folders that a Dockerfile lies in, each with its name and the words of that.
struct Place {
    image: ImageName,
    folders: Vec<(String, Vec<String>)>,
}

impl Place {
    fn of(image: &ImageName, dockerfile: &TreePath) -> Self {
        let folders = dockerfile.folders().last().unwrap_or_default().split('/');
        let folders = folders.map(|folder| (folder.to_lowercase(), words(folder).collect())).collect();
        Self { image: image.clone(), folders }
    }

    /// Whether the words of a tag are those of folders below one, the last folder's among them.
    fn is_said(&self, folder: &str, tag: &str) -> bool {
        let start = self.folders.iter().position(|(name, _)| name == folder);
        let Some((_, below)) = start.and_then(|start| self.folders[start..].split_first()) else { return false };
        let mut there: Vec<&String> = below.iter().flat_map(|(_, words)| words).collect();
        let said: Vec<String> = words(tag).collect();
        let is_there = |word: &String| {
            let place = there.iter().position(|other| *other == word);
            place.map(|place| there.swap_remove(place)).is_some()
        };
        below.last().is_some_and(|(_, last)| last.iter().all(|word| said.contains(word))) && said.iter().all(is_there)
    }
}

fn words(text: &str) -> impl Iterator<Item = String> {
    text.split('-').filter(|word| !word.is_empty()).map(str::to_lowercase)
}

/// Takes away the arguments that the Dockerfile does not declare, and those that it gives the same value anyway.
pub(super) fn needless_args(proposal: &mut Proposal, root: &Path) {
    for entry in proposal.images.values_mut().filter(|entry| !entry.args.is_empty()) {
        let Some((_, Dockerfile { global_args, stages, .. }, _)) = read(root, entry) else { continue };
        let of_stages = stages
            .iter()
            .flat_map(|stage| &stage.instructions)
            .flat_map(|instruction| if let Command::Arg(args) = &instruction.command { args.as_slice() } else { &[] });
        let mut defaults: BTreeMap<&str, Vec<&str>> = BTreeMap::new();
        for arg in global_args.iter().chain(of_stages) {
            let defaults = defaults.entry(&arg.name.text).or_default();
            defaults.extend(arg.default.as_ref().map(|default| default.text.as_str()));
        }
        let is_needed = |name: &String, value: &mut String| match defaults.get(name.as_str()) {
            None => false,
            Some(defaults) if defaults.is_empty() => !value.is_empty(),
            Some(defaults) => defaults.iter().any(|default| default != value),
        };
        entry.args.retain(is_needed);
    }
}

/// Reads a Dockerfile with the arguments that are known.
fn read(root: &Path, entry: &Entry) -> Option<(Arc<SourceText>, Dockerfile, Resolved)> {
    // What can't be read is said when the proposal is tried out.
    let text = read_text(&root.join(entry.dockerfile.as_str()), entry.dockerfile.as_str()).ok()?;
    let dockerfile = dockerfile::parse(&text).dockerfile;
    let contexts = entry.contexts.keys().cloned().collect();
    let platform = Platform::linux_amd64();
    let resolved = dockerfile::resolve(
        &dockerfile,
        &ResolveInputs {
            args: &entry.args,
            target: entry.target.as_deref(),
            target_platform: &platform,
            build_platform: &platform,
            contexts: &contexts,
        },
    );
    Some((text, dockerfile, resolved))
}
