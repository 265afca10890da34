//! What instructions show of the contexts and arguments that nobody wrote down.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use std::sync::Arc;

use super::proposal::{Entry, Proposal};
use crate::cli::project::context_paths;
use crate::config::ProjectPath;
use crate::diag::{Severity, SourceText};
use crate::dockerfile::{self, Command, Dockerfile, ResolveInputs, Resolved};
use crate::model::Platform;
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
