//! `windlass init`: writes a `windlass.yaml` with what a repository's Dockerfiles do not say themselves, and nothing else.
//!
//! What is proposed is tried out: the project is loaded with it, and what can't be planned is left out by name.

mod bake;
mod compose;
mod declared;
mod guess;
mod hcl;
mod proposal;

use std::collections::BTreeSet;
use std::fs;
use std::path::PathBuf;

use anyhow::Context as _;

use self::proposal::{Entry, Proposal};
use super::project;
use super::{Exit, Refusal, Settings};
use crate::config::{self, Config};
use crate::diag::{Diagnostic, Diagnostics, Severity, SourceText};
use crate::model::ImageName;
use crate::plan::{Image, Resolved};
use crate::source::{Declared, Discovered, Folders, discover};
use crate::ui;

/// What `windlass init --help` shows before the options.
pub(super) const EXAMPLES: &str = "\
Examples:
  windlass init                                 look at this folder and write windlass.yaml
  windlass init --print                         only show what would be written
  windlass init --force                         write it anew
  windlass init --from ci/docker-bake.hcl       take the targets of this file, too";

/// What `windlass init` is asked.
#[derive(Debug, clap::Args)]
pub(super) struct InitArgs {
    /// Write to standard output, and no file.
    #[arg(long)]
    print: bool,
    /// Write over a file that is there.
    #[arg(long, conflicts_with = "print")]
    force: bool,
    /// A file of docker buildx bake or Compose to take targets from, besides those that are found. Its paths are seen
    /// from the root if it is of bake, else from its own folder.
    #[arg(long = "from", value_name = "FILE")]
    from: Vec<PathBuf>,
}

pub(super) fn run(args: &InitArgs, settings: &Settings) -> anyhow::Result<Exit> {
    let path = settings.file.clone().unwrap_or_else(|| settings.root.join(super::config::FILE));
    let shown = path.strip_prefix(&settings.root).unwrap_or(&path).display().to_string();
    if !args.print && !args.force && path.symlink_metadata().is_ok() {
        let hint = "`--force` writes it anew, `--print` shows what would be written";
        return Err(Refusal::usage_with_hint(format!("`{shown}` is there already"), hint).into());
    }
    let mut notes = Vec::new();
    let mut proposal = propose(args, settings, &mut notes)?;
    let left = try_out(&mut proposal, settings, &shown);
    let text = proposal.text();
    if args.print {
        ui::print(text.as_bytes())?;
    } else {
        fs::write(&path, &text).with_context(|| format!("writing `{}`", path.display()))?;
        notes.push(format!("`{shown}` is written; `windlass plan` shows what it makes"));
    }
    ui::notes(&notes, &settings.ui);
    ui::warn(&left, &settings.ui);
    Ok(Exit::Done)
}

/// What the files of the project show without being tried.
fn propose(args: &InitArgs, settings: &Settings, notes: &mut Vec<String>) -> anyhow::Result<Proposal> {
    let project = super::config::project(&Config::without_file(super::config::FILE), settings);
    let Discovered { found, ambiguous, .. } =
        discover(&Folders::of(&settings.root), project.as_str(), &Declared::default());
    if found.is_empty() && ambiguous.is_empty() {
        let message = format!("no Dockerfile was found below `{}`", settings.root.display());
        return Err(Refusal::usage_with_hint(message, "`-C DIR` names the project's root").into());
    }
    let mut proposal = Proposal::new(project);
    let of_one_name = ambiguous
        .iter()
        .flat_map(|(name, paths)| paths.iter().enumerate().map(move |(index, path)| (name, path, index)));
    for (name, path, index) in of_one_name {
        let name = if index == 0 { name.clone() } else { proposal.free_name(name.as_str()) };
        let mut entry = Entry::of(path);
        entry.why.push("Several Dockerfiles would have this name.".to_owned());
        entry.is_needed = true;
        proposal.images.insert(name, entry);
    }
    for found in found {
        proposal.images.insert(found.name, Entry::of(&found.path));
    }
    let targets = declared::targets(settings, &args.from, &proposal, notes)?;
    declared::take(&mut proposal, targets);
    guess::needless_args(&mut proposal, &settings.root);
    guess::args(&mut proposal, &settings.root);
    guess::contexts(&mut proposal, &settings.root);
    Ok(proposal)
}

/// How often the project is loaded at most; each time leaves out every Dockerfile with errors, and what is built on it is
/// then built on an image from elsewhere.
const ROUNDS_AT_MOST: usize = 5;

/// Loads the project with what is proposed. Dockerfiles that can't be planned are left out, the rest is learnt from what
/// the plan makes of it. Returns the errors that are left.
fn try_out(proposal: &mut Proposal, settings: &Settings, shown: &str) -> Vec<Diagnostic> {
    let mut left = Vec::new();
    for _ in 0..ROUNDS_AT_MOST {
        match load(proposal, settings, shown) {
            Ok(resolved) => {
                if !learn(proposal, &resolved) {
                    return Vec::new();
                }
            }
            Err(Diagnostics(errors)) => {
                left = errors.into_iter().filter(|error| error.severity == Severity::Error).collect();
                if !leave_out(proposal, &left) {
                    return left;
                }
            }
        }
    }
    left
}

fn load(proposal: &Proposal, settings: &Settings, shown: &str) -> Result<Resolved, Diagnostics> {
    let config = config::parse(&SourceText::new(shown, proposal.text()))?;
    match project::load_with(config, settings) {
        Ok(loaded) => Ok(loaded.resolved),
        Err(error) => {
            Err(error.downcast().unwrap_or_else(|error| Diagnostics(vec![Diagnostic::error(format!("{error:#}"))])))
        }
    }
}

/// Leaves out the Dockerfiles that have errors; whether there were any.
fn leave_out(proposal: &mut Proposal, errors: &[Diagnostic]) -> bool {
    let mut any = false;
    for error in errors {
        let Some((location, _)) = &error.primary else { continue };
        any |= proposal.leave_out(location.source.path(), &error.message);
    }
    any
}

/// Takes over what the plan knows better: the registry that the references name, and the names that they call images by.
/// Whether that was anything new.
fn learn(proposal: &mut Proposal, resolved: &Resolved) -> bool {
    let mut any = false;
    if let Some(registry) =
        resolved.images.first().and_then(|image| registry_of(image)).filter(|_| proposal.registry.is_none())
    {
        // Where no reference says one, the project's name stands for it, and nothing needs to be written.
        let said = (registry != resolved.project.as_str())
            .then(|| (registry, "FROM lines put this before the project's images.".to_owned()));
        let tagged = || Some((proposal.tagged.clone()?, "What is built here is tagged so.".to_owned()));
        proposal.registry = said.or_else(tagged);
        any |= proposal.registry.is_some();
    }
    any |= proposal.settle(resolved.images.iter().map(|image| (&image.name, image.dockerfile.path())));
    let mut renamed = BTreeSet::new();
    for edge in resolved.images.iter().flat_map(|image| &image.edges) {
        let written = &edge.location.source.text()[edge.location.span.range()];
        let Some(name) = said_name(written).filter(|name| *name != edge.parent) else { continue };
        let is_like = plain(name.as_str()) == plain(edge.parent.as_str());
        if is_like && renamed.insert(edge.parent.clone()) {
            any |= proposal.rename(&edge.parent, name, &format!("{} calls it so.", edge.location));
        }
    }
    any |= guess::parents(proposal, resolved);
    any
}

/// What stands before an image's name in its repository.
fn registry_of(image: &Image) -> Option<String> {
    let repository = image.repository.to_string();
    Some(repository.strip_suffix(image.name.as_str())?.strip_suffix('/')?.to_owned())
}

/// The last component of a reference as it is written, where no variable is in it.
fn said_name(written: &str) -> Option<ImageName> {
    let (_, last) = written.rsplit_once('/')?;
    last.split([':', '@']).next()?.parse().ok()
}

fn plain(name: &str) -> String {
    name.chars().filter(|c| c.is_ascii_alphanumeric()).collect()
}
