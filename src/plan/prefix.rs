//! What stands before the names of the project's images where the configuration does not say it.

use std::collections::{BTreeMap, BTreeSet};

use crate::diag::{Diagnostic, Location};
use crate::model::{ImageName, ProjectName, Repository, RepositoryPrefix};

use super::draft::Draft;
use super::names::Names;

/// The prefix of a project, and what is to be said of how it was found.
pub(super) struct Prefix {
    pub(super) prefix: RepositoryPrefix,
    /// Whether references say it, and not the project's name alone.
    pub(super) is_named: bool,
    pub(super) note: Option<String>,
    pub(super) warning: Option<Diagnostic>,
}

/// What speaks for a prefix.
#[derive(Default)]
struct Candidate {
    /// The images of the project that are named below it.
    named: BTreeSet<ImageName>,
    /// The first place that does so, in the order of the images' names, and what it says.
    first: Option<(Location, String)>,
    /// Whether an image would be made from itself.
    is_absurd: bool,
}

/// Says that no reference names the project's images below its registry, where some are named below another: whoever
/// changed the one has forgotten the other.
pub(super) fn forgotten(registry: &RepositoryPrefix, drafts: &[Box<Draft>], names: &Names) -> Option<Diagnostic> {
    let candidates = candidates(drafts, names);
    if candidates.contains_key(registry) {
        return None;
    }
    let (prefix, candidate) = candidates.iter().max_by_key(|(_, candidate)| candidate.named.len())?;
    let (location, reference) = candidate.first.as_ref()?;
    let message = format!("images of the project's names are taken from `{prefix}`, which is not its registry");
    let warning = Diagnostic::warning(message).at(&location.source, location.span, format!("`{reference}` here"));
    Some(warning.hint(format!(
        "write `{registry}` there, or `registry: {prefix}` in windlass.yaml, to build on the project's own"
    )))
}

/// Infers the prefix from the references of the Dockerfiles: the one below which most of the project's images are
/// named. Where none is, it is the project's name.
pub(super) fn infer(project: &ProjectName, drafts: &[Box<Draft>], names: &Names) -> Prefix {
    let candidates = candidates(drafts, names);
    let most = candidates.values().map(|candidate| candidate.named.len()).max();
    let best: Vec<_> = candidates.iter().filter(|(_, candidate)| Some(candidate.named.len()) == most).collect();
    let of_project: RepositoryPrefix =
        project.as_str().parse().expect("the name of a project is a path of a repository");
    match best.as_slice() {
        [] => Prefix { prefix: of_project, is_named: false, note: None, warning: None },
        [(prefix, _)] if **prefix == of_project => {
            Prefix { prefix: of_project, is_named: true, note: None, warning: None }
        }
        [(prefix, candidate)] => {
            Prefix { prefix: (*prefix).clone(), is_named: true, note: candidate.note(prefix), warning: None }
        }
        several => Prefix { prefix: of_project, is_named: false, note: None, warning: Some(undecided(several)) },
    }
}

/// The prefixes below which references name images of the project.
fn candidates(drafts: &[Box<Draft>], names: &Names) -> BTreeMap<RepositoryPrefix, Candidate> {
    let mut candidates: BTreeMap<RepositoryPrefix, Candidate> = BTreeMap::new();
    for draft in drafts {
        for (edge, reference) in draft.edges() {
            let Ok(reference) = reference else { continue };
            if reference.digest().is_some() {
                continue;
            }
            let meant = splits(reference.repository())
                .filter_map(|(prefix, path)| Some((prefix, names.find(&path, reference.tag())?)));
            for (prefix, name) in meant {
                let candidate = candidates.entry(prefix).or_default();
                candidate.is_absurd |= *name == draft.inputs.name;
                candidate.named.insert(name.clone());
                candidate.first.get_or_insert_with(|| {
                    (Location::new(&draft.inputs.dockerfile, edge.span), edge.reference.clone())
                });
            }
        }
    }
    candidates.retain(|_, candidate| !candidate.is_absurd);
    candidates
}

impl Candidate {
    fn note(&self, prefix: &RepositoryPrefix) -> Option<String> {
        let (location, reference) = self.first.as_ref()?;
        Some(format!(
            "`{prefix}` is taken for the project's registry, because {location} names `{reference}`; \
             `registry: {prefix}` in windlass.yaml says so for good"
        ))
    }
}

fn undecided(several: &[(&RepositoryPrefix, &Candidate)]) -> Diagnostic {
    let prefixes: Vec<String> = several.iter().map(|(prefix, _)| format!("`{prefix}`")).collect();
    let message =
        format!("images of the project's names stand below {}: none is taken for its registry", prefixes.join(" and "));
    let mut diagnostic =
        Diagnostic::warning(message).hint(format!("say `registry: {}` in windlass.yaml", several[0].0));
    for (location, reference) in several.iter().filter_map(|(_, candidate)| candidate.first.as_ref()) {
        let label = format!("`{reference}` here");
        diagnostic = match diagnostic.primary {
            None => diagnostic.at(&location.source, location.span, label),
            Some(_) => diagnostic.related(&location.source, location.span, label),
        };
    }
    diagnostic
}

/// The ways to read a repository as a prefix and an image's name. Docker Hub's official images have none.
fn splits(repository: &Repository) -> impl Iterator<Item = (RepositoryPrefix, ImageName)> {
    let text = repository.to_string();
    let ends: Vec<usize> = text.match_indices('/').map(|(end, _)| end).collect();
    ends.into_iter().filter_map(move |end| Some((text[..end].parse().ok()?, text[end + 1..].parse().ok()?)))
}
