//! The refs of git repositories that `ADD` names: what windlass.lock says of them, and what they mean now.

use std::collections::{BTreeMap, BTreeSet};

use super::bases::at_places;
use super::{Settings, lock_file, project};
use crate::config::Lock;
use crate::diag::Diagnostic;
use crate::model::{GitCommit, GitPin, GitRemote};
use crate::plan::MovingRef;
use crate::source::{RefProblem, RemoteRefs};

/// The refs that may come to mean another commit.
pub(super) type Refs = BTreeMap<GitPin, MovingRef>;

/// What repositories say now: those that were asked already are not asked again.
///
/// # Errors
/// When git can't be run, or does not get through.
pub(super) async fn of_remotes<'a>(
    remotes: BTreeSet<&'a GitRemote>,
    asked: &BTreeMap<GitRemote, RemoteRefs>,
    settings: &Settings,
) -> anyhow::Result<BTreeMap<&'a GitRemote, RemoteRefs>> {
    let (mut known, mut open) = (BTreeMap::new(), BTreeSet::new());
    for remote in remotes {
        match asked.get(&remote.without_credentials()) {
            Some(refs) => drop(known.insert(remote, refs.clone())),
            None => drop(open.insert(remote)),
        }
    }
    if !open.is_empty() {
        let cache = project::cache(settings)?;
        known.extend(project::each(open, async |remote| cache.refs(remote).await).await?);
    }
    Ok(known)
}

/// What each ref means now, or why it means nothing.
///
/// # Errors
/// As [`of_remotes`].
pub(super) async fn all_now<'a>(
    pins: impl Iterator<Item = &'a GitPin> + Clone,
    asked: &BTreeMap<GitRemote, RemoteRefs>,
    settings: &Settings,
) -> anyhow::Result<BTreeMap<&'a GitPin, Result<GitCommit, RefProblem>>> {
    let refs = of_remotes(pins.clone().map(GitPin::remote).collect(), asked, settings).await?;
    Ok(pins.map(|pin| (pin, refs[pin.remote()].find(pin.reference()))).collect())
}

/// The refs that the lock file says nothing of.
pub(super) fn missing(refs: &Refs, lock: Option<&Lock>) -> Vec<Diagnostic> {
    let is_missing = |pin: &GitPin| lock.is_none_or(|lock| !lock.git.contains_key(pin));
    let error = |(pin, named): (&GitPin, &MovingRef)| {
        let error = Diagnostic::error(format!("`{pin}` is not in {}", lock_file::FILE));
        at_places(error, &named.places).hint("`windlass lock` adds what is missing")
    };
    refs.iter().filter(|(pin, _)| is_missing(pin)).map(error).collect()
}

/// Says that a ref means nothing.
pub(super) fn gone(pin: &GitPin, problem: &RefProblem, named: &MovingRef, known: &Lock) -> Diagnostic {
    let error = at_places(Diagnostic::error(format!("`{}`: {problem}", pin.remote())), &named.places);
    let locked = known.git.get(pin).map(|commit| format!("windlass.lock still has it as {commit}"));
    problem.hint().into_iter().chain(locked).fold(error, Diagnostic::hint)
}
