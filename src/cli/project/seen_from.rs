//! Dockerfiles whose `COPY` lines are seen from a folder above their own, which is a common habit: what is missing in all of
//! them is one mistake, and its remedy is one line each.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use std::sync::Arc;

use crate::diag::{Diagnostic, Diagnostics, Location, Severity, SourceText};
use crate::dockerfile::{self, ResolveInputs, Resolved, SourceKind};
use crate::model::Platform;
use crate::source::nearest_context;

/// How many Dockerfiles are named.
const NAMED_AT_MOST: usize = 3;

/// The paths that a Dockerfile takes out of its context, as far as they are known.
pub(in crate::cli) fn context_paths(resolved: &Resolved) -> Vec<&str> {
    let of_context = resolved.sources.iter().filter(|source| source.context.is_none());
    let path = of_context.filter_map(|source| match &source.what {
        SourceKind::Path(path) => Some(path.as_str()),
        SourceKind::UnknownPath(_) | SourceKind::Remote(_) | SourceKind::Inline(_) => None,
    });
    path.collect()
}

/// One error in the place of all that are said of sources that are there from another folder. `declared` are the
/// Dockerfiles that the configuration gives a context.
pub(super) fn gathered(Diagnostics(mut errors): Diagnostics, declared: &BTreeSet<String>, root: &Path) -> Diagnostics {
    let mut moved: BTreeMap<String, Option<Moved>> = BTreeMap::new();
    let mut first = None;
    errors.retain(|error| {
        let Some((location, _)) = error.primary.as_ref().filter(|_| error.severity == Severity::Error) else {
            return true;
        };
        let path = location.source.path();
        let moved = moved
            .entry(path.to_owned())
            .or_insert_with(|| (!declared.contains(path)).then(|| Moved::of(&location.source, root)).flatten());
        let is_of_source = moved.as_ref().is_some_and(|moved| moved.is_of_source(location));
        if is_of_source {
            first.get_or_insert_with(|| location.clone());
        }
        !is_of_source
    });
    let moved: Vec<(&String, &Moved)> =
        moved.iter().filter_map(|(path, moved)| Some((path, moved.as_ref()?))).collect();
    let (Some(location), Some((path, Moved { folder, .. }))) = (first, moved.first()) else {
        return Diagnostics(errors);
    };
    let named: Vec<String> = moved.iter().take(NAMED_AT_MOST).map(|(path, _)| format!("`{path}`")).collect();
    let n_more = moved.len() - named.len();
    let more = if n_more > 0 { format!(" and {n_more} more") } else { String::new() };
    let message =
        format!("what COPY takes is seen from another folder than the Dockerfile's own: {}{more}", named.join(", "));
    let seen = path.strip_prefix(&format!("{folder}/")).unwrap_or(path);
    let hint = format!(
        "`windlass init` writes the contexts into windlass.yaml, here `{{ context: {folder}, dockerfile: {seen} }}`"
    );
    errors.push(Diagnostic::error(message).at(&location.source, location.span, "").hint(hint));
    Diagnostics(errors)
}

/// A Dockerfile whose sources are there from another folder than its own.
struct Moved {
    /// Below the root, `.` for the root itself.
    folder: String,
    resolved: Resolved,
}

impl Moved {
    fn of(dockerfile: &Arc<SourceText>, root: &Path) -> Option<Self> {
        let platform = Platform::linux_amd64();
        let inputs = ResolveInputs {
            args: &BTreeMap::new(),
            target: None,
            target_platform: &platform,
            build_platform: &platform,
            contexts: &BTreeSet::new(),
        };
        let own = dockerfile.path().rsplit_once('/').map_or(".", |(folder, _)| folder);
        let resolved = dockerfile::resolve(&dockerfile::parse(dockerfile).dockerfile, &inputs);
        let folder = nearest_context(root, own, &context_paths(&resolved)).filter(|folder| folder != own)?;
        Some(Self { folder, resolved })
    }

    /// Whether a place is that of an instruction that takes something out of the context.
    fn is_of_source(&self, location: &Location) -> bool {
        self.resolved.sources.iter().any(|source| source.span == location.span)
    }
}
