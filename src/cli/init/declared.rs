//! Targets that other tools' files declare: which image is made of which Dockerfile, and how.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use super::proposal::{Entry, NamedContext, Proposal, folder_of};
use super::{bake, compose};
use crate::cli::{Refusal, Settings};
use crate::config::ProjectPath;
use crate::diag::Diagnostics;
use crate::model::{ImageName, Reference, TreePath};
use crate::source::read_text;

/// A target of docker buildx bake, or a service of Compose that is built.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Target {
    /// The file, for people.
    pub(super) file: String,
    /// What the file calls it.
    pub(super) name: String,
    pub(super) context: ProjectPath,
    /// Below the root.
    pub(super) dockerfile: TreePath,
    pub(super) args: BTreeMap<String, String>,
    pub(super) target: Option<String>,
    /// The references that the result is given.
    pub(super) tags: Vec<String>,
    pub(super) contexts: BTreeMap<String, TargetContext>,
}

/// What stands behind a name in a target's Dockerfile.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum TargetContext {
    /// Another target of the file, by its name.
    Target(String),
    Folder(ProjectPath),
}

/// What Compose files are called, the first that is there counts.
const COMPOSE: [&str; 4] = ["compose.yaml", "compose.yml", "docker-compose.yaml", "docker-compose.yml"];
/// What bake files are called; all that are there count.
const BAKE: [&str; 4] =
    ["docker-bake.json", "docker-bake.hcl", "docker-bake.override.json", "docker-bake.override.hcl"];

/// The targets of the files that are there, and of those that are named. What can't be understood is noted.
pub(super) fn targets(
    settings: &Settings,
    named: &[std::path::PathBuf],
    proposal: &Proposal,
    notes: &mut Vec<String>,
) -> anyhow::Result<Vec<Target>> {
    let root = settings.root.as_path();
    let mut files: Vec<String> =
        BAKE.iter().filter(|file| root.join(file).is_file()).map(ToString::to_string).collect();
    for folder in folders(proposal) {
        let there = COMPOSE.iter().filter_map(|file| folder.join(file).ok());
        files.extend(there.map(|path| path.to_string()).find(|path| root.join(path).is_file()));
    }
    for path in named {
        let path = path.strip_prefix(root).unwrap_or(path).display().to_string();
        if !root.join(&path).is_file() {
            return Err(Refusal::usage(format!("the file `{path}` is not there")).into());
        }
        if !files.contains(&path) {
            files.push(path);
        }
    }
    let mut targets = Vec::new();
    for file in files {
        match read(root, &file, notes) {
            Ok(found) => targets.extend(found),
            Err(why) => notes.push(format!("`{file}` is passed over: {why}")),
        }
    }
    targets.retain(|target| {
        let is_there = root.join(target.dockerfile.as_str()).is_file() && root.join(target.context.as_str()).is_dir();
        if !is_there {
            notes.push(format!(
                "`{}` of {} is passed over: `{}` is not there",
                target.name, target.file, target.dockerfile
            ));
        }
        is_there
    });
    Ok(targets)
}

/// The root, and every folder that a Dockerfile lies in or below.
fn folders(proposal: &Proposal) -> BTreeSet<ProjectPath> {
    let mut folders = BTreeSet::from([ProjectPath::ROOT]);
    for entry in proposal.images.values() {
        let mut folder = folder_of(&entry.dockerfile);
        while let Some(path) = folder.below_root().cloned() {
            folders.insert(folder);
            folder = folder_of(&path);
        }
    }
    folders
}

fn read(root: &Path, file: &str, notes: &mut Vec<String>) -> Result<Vec<Target>, String> {
    let first = |Diagnostics(errors): Diagnostics| errors.first().map_or_else(String::new, ToString::to_string);
    let text = read_text(&root.join(file), file).map_err(first)?;
    match file.rsplit_once('.').map(|(_, end)| end) {
        Some("json") => bake::json(file, text.text(), notes),
        Some("hcl") => bake::hcl(file, text.text(), notes),
        _ => {
            let folder = file.rsplit_once('/').map_or("", |(folder, _)| folder);
            let variables = read_text(&root.join(folder).join(".env"), ".env");
            let variables = variables.map_or_else(|_| BTreeMap::new(), |text| compose::variables(text.text()));
            compose::targets(&text, folder, &variables).map_err(first)
        }
    }
}

/// Makes entries of targets. A Dockerfile that one target builds is called as its tags say, else as the target where the
/// file is the root's, else as it is found; of one that several build, each makes an image.
pub(super) fn take(proposal: &mut Proposal, targets: Vec<Target>) {
    let mut by_file: BTreeMap<TreePath, Vec<Target>> = BTreeMap::new();
    for target in targets {
        let of_file = by_file.entry(target.dockerfile.clone()).or_default();
        let is_new = |other: &Target| {
            (&other.context, &other.args, &other.target, &other.contexts)
                != (&target.context, &target.args, &target.target, &target.contexts)
        };
        if of_file.iter().all(is_new) {
            of_file.push(target);
        }
    }
    let mut n_tagged: BTreeMap<ImageName, usize> = BTreeMap::new();
    for (_, name) in by_file.values().flatten().filter_map(tagged) {
        *n_tagged.entry(name).or_default() += 1;
    }
    let mut names: BTreeMap<(String, String), ImageName> = BTreeMap::new();
    let mut wanted = Vec::new();
    let mut registries = BTreeSet::new();
    for (path, targets) in by_file {
        let found = proposal.images.iter().find(|(_, entry)| entry.dockerfile == path).map(|(name, _)| name.clone());
        found.iter().for_each(|name| drop(proposal.images.remove(name)));
        let is_alone = targets.len() == 1;
        for target in targets {
            let tag = tagged(&target).filter(|(_, name)| is_alone && n_tagged[name] == 1);
            let name = match (tag, &found) {
                (Some((registry, name)), _) if !proposal.images.contains_key(&name) => {
                    registries.insert(registry);
                    name
                }
                // In the root's own files every name is one of the whole project.
                (None, Some(found)) if is_alone && target.file.contains('/') => found.clone(),
                _ => proposal.free_name(&word(&target.name)),
            };
            let mut entry = Entry::of(path.as_str());
            entry.is_needed = Some(&name) != found.as_ref() || entry.context != target.context;
            entry.is_declared = true;
            entry.context = target.context.clone();
            entry.args = target.args.clone();
            entry.target = target.target.clone();
            entry.why.push(match name.as_str() == target.name {
                true => format!("As {} builds it.", target.file),
                false => format!("As {} builds `{}`.", target.file, target.name),
            });
            names.insert((target.file.clone(), target.name.clone()), name.clone());
            proposal.images.insert(name.clone(), entry);
            wanted.push((name, target));
        }
    }
    if let ([registry], true) = (registries.iter().collect::<Vec<_>>().as_slice(), proposal.tagged.is_none()) {
        proposal.tagged = Some((*registry).clone());
    }
    for (name, target) in wanted {
        let contexts = target.contexts.into_iter().filter_map(|(written, context)| {
            let context = match context {
                TargetContext::Folder(folder) => NamedContext::Folder(folder),
                TargetContext::Target(other) => NamedContext::Image(names.get(&(target.file.clone(), other))?.clone()),
            };
            Some((written, context))
        });
        if let Some(entry) = proposal.images.get_mut(&name) {
            entry.contexts = contexts.collect();
        }
    }
}

/// The last component of the repository that the first tag names, and what stands before it.
fn tagged(target: &Target) -> Option<(String, ImageName)> {
    let reference: Reference = target.tags.first()?.parse().ok()?;
    let repository = reference.repository().to_string();
    let (registry, name) = repository.rsplit_once('/')?;
    Some((registry.to_owned(), name.parse().ok()?))
}

/// A target's name as a name of an image.
fn word(text: &str) -> String {
    let word: String = text
        .chars()
        .map(|c| if c.is_ascii_alphanumeric() || c == '.' { c.to_ascii_lowercase() } else { '-' })
        .collect();
    let word = word.trim_matches(['.', '-']);
    if word.is_empty() { "image".to_owned() } else { word.to_owned() }
}
