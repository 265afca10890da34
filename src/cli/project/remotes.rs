//! Brings the files of images that are kept in git elsewhere.

use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;

use futures_util::StreamExt as _;

use crate::cli::{Refusal, Settings, block_on, lock_file, until_interrupted};
use crate::config::{Config, GitSource, ImageConfig, Lock, ProjectPath};
use crate::diag::{Diagnostic, Span};
use crate::model::{GitCommit, GitPin, GitRemote, ImageName};
use crate::source::{Cache, GitSettings, RemoteError, RemoteRefs, Wanted};
use crate::ui;

/// How many repositories are asked at once.
const AT_ONCE: usize = 4;

/// What of the lock file is passed over, and looked up anew.
#[derive(Debug, Clone, Copy)]
pub(in crate::cli) enum Anew<'a> {
    /// Nothing.
    Nothing,
    /// Everything.
    All,
    /// What these name: refs as the lock file has them, or images.
    Named(&'a [String]),
}

impl Anew<'_> {
    fn is_meant(&self, pin: &GitPin, image: &ImageName) -> bool {
        match self {
            Self::Nothing => false,
            Self::All => true,
            Self::Named(names) => names.iter().any(|name| *name == pin.to_string() || name == image.as_str()),
        }
    }
}

/// The files of images that are kept elsewhere.
#[derive(Debug, Default)]
pub(super) struct Brought {
    /// The folder with the repository's files, by the image. Images of which something was said are missing.
    pub(super) folders: BTreeMap<ImageName, PathBuf>,
    /// What each ref means.
    pub(super) commits: BTreeMap<GitPin, GitCommit>,
    /// What the repositories said that were asked, by their addresses without credentials.
    pub(super) asked: BTreeMap<GitRemote, RemoteRefs>,
}

/// An image whose files are kept elsewhere.
struct Image<'a> {
    name: &'a ImageName,
    config: &'a ImageConfig,
    git: &'a GitSource,
}

/// Brings what the configuration names, each repository asked once for its refs and once for its files, and only for
/// what neither the lock file nor the cache has.
///
/// # Errors
/// When git does not get through, or somebody interrupts it. What is wrong with the configuration is said.
pub(super) fn bring(
    config: &Config,
    lock: Option<&Lock>,
    anew: Anew<'_>,
    settings: &Settings,
    diagnostics: &mut Vec<Diagnostic>,
) -> anyhow::Result<Brought> {
    let images = config.images.iter();
    let images: Vec<Image<'_>> =
        images.filter_map(|(name, config)| Some(Image { name, config, git: config.git.as_ref()? })).collect();
    if images.is_empty() {
        return Ok(Brought::default());
    }
    let cache = cache(settings)?;
    let known = known(&images, lock, anew);
    let open =
        images.iter().filter_map(|image| Some((image, image.git.pin()?))).filter(|(_, pin)| !known.contains_key(pin));
    let open: Vec<(&Image<'_>, GitPin)> = open.collect();
    if let Some(why) = nobody_is_asked(settings).filter(|_| !open.is_empty()) {
        diagnostics.extend(open.iter().map(|(image, pin)| not_locked(config, image, pin, why)));
        return Ok(Brought::default());
    }
    block_on(until_interrupted(settings, async {
        let remotes: BTreeSet<&GitRemote> = open.iter().map(|(image, _)| &image.git.remote.value).collect();
        let refs = each(remotes, async |remote| cache.refs(remote).await).await?;
        let mut commits = known;
        for (image, pin) in open {
            match refs[&image.git.remote.value].find(&image.git.reference.value) {
                Ok(commit) => drop(commits.insert(pin, commit)),
                Err(problem) => {
                    let error = Diagnostic::error(problem.to_string());
                    let error = error.at(&config.source, image.git.reference.span, "");
                    diagnostics.push(problem.hint().into_iter().fold(error, Diagnostic::hint));
                }
            }
        }
        let folders = folders(&images, &commits, &cache, config, settings, diagnostics).await?;
        let asked = refs.into_iter().map(|(remote, refs)| (remote.without_credentials(), refs)).collect();
        Ok(Brought { folders, commits, asked })
    }))
}

/// The cache that this run fetches into.
pub(in crate::cli) fn cache(settings: &Settings) -> Result<Cache, Refusal> {
    let folder = settings.cache().ok_or_else(|| {
        let message = "there is no folder to fetch git repositories into";
        Refusal::usage_with_hint(message, "name one in `WINDLASS_CACHE`, or set `HOME`")
    })?;
    let count = settings.environment.get("GIT_CONFIG_COUNT").and_then(|count| count.parse().ok());
    let settings = GitSettings {
        may_prompt: settings.may_prompt,
        has_terminal: settings.has_terminal,
        offline: settings.offline,
        config_count: count.unwrap_or(0),
    };
    Ok(Cache::new(folder.join("git"), settings))
}

/// What the lock file says of the refs, as far as it shall be believed.
fn known(images: &[Image<'_>], lock: Option<&Lock>, anew: Anew<'_>) -> BTreeMap<GitPin, GitCommit> {
    let pins = images.iter().filter_map(|image| Some((image, image.git.pin()?)));
    let refused: BTreeSet<GitPin> =
        pins.clone().filter(|(image, pin)| anew.is_meant(pin, image.name)).map(|(_, pin)| pin).collect();
    let pins = pins.map(|(_, pin)| pin).filter(|pin| !refused.contains(pin));
    pins.filter_map(|pin| lock?.git.get(&pin).cloned().map(|commit| (pin, commit))).collect()
}

fn nobody_is_asked(settings: &Settings) -> Option<&'static str> {
    match (settings.locked, settings.offline) {
        (true, _) => Some("`--locked`"),
        (false, true) => Some("`--offline`"),
        (false, false) => None,
    }
}

fn not_locked(config: &Config, image: &Image<'_>, pin: &GitPin, why: &str) -> Diagnostic {
    Diagnostic::error(format!("`{pin}` is not in {}, and {why} asks nobody", lock_file::FILE))
        .at(&config.source, image.git.reference.span, "")
        .hint("`windlass lock` adds what is missing")
}

/// The folders with the files of the images whose commits are known.
async fn folders(
    images: &[Image<'_>],
    commits: &BTreeMap<GitPin, GitCommit>,
    cache: &Cache,
    config: &Config,
    settings: &Settings,
    diagnostics: &mut Vec<Diagnostic>,
) -> Result<BTreeMap<ImageName, PathBuf>, RemoteError> {
    let mut wanted: BTreeMap<&GitRemote, BTreeSet<Wanted>> = BTreeMap::new();
    let mut places = Vec::new();
    for image in images {
        let GitSource { remote, reference, .. } = image.git;
        let commit = reference.value.commit().or_else(|| commits.get(&image.git.pin()?).cloned());
        let Some(commit) = commit else { continue };
        let files = files(image, commit);
        wanted.entry(&remote.value).or_default().insert(files.clone());
        places.push((image, files));
    }
    let fetched = wanted.iter().filter(|(remote, wanted)| !cache.has(remote, wanted));
    let fetched: Vec<String> = fetched.map(|(remote, _)| format!("`{remote}` is fetched")).collect();
    ui::notes(&fetched, &settings.ui);
    let brought = each(wanted.keys().copied(), async |remote| match cache.check_out(remote, &wanted[remote]).await {
        // What is wrong with the configuration is no reason to leave off.
        Err(error @ (RemoteError::NoCommit { .. } | RemoteError::NoFolder { .. })) => Ok(Err(error)),
        outcome => outcome.map(Ok),
    });
    let brought = brought.await?;
    let mut folders = BTreeMap::new();
    for (image, files) in places {
        let GitSource { remote, reference, path, .. } = image.git;
        match &brought[&remote.value] {
            Ok(trees) => drop(folders.insert(image.name.clone(), trees[&files].clone())),
            Err(error) => {
                let span = if matches!(error, RemoteError::NoFolder { .. }) { path.span } else { reference.span };
                diagnostics.push(refused(config, image, error, span));
            }
        }
    }
    Ok(folders)
}

fn refused(config: &Config, image: &Image<'_>, error: &RemoteError, span: Span) -> Diagnostic {
    let diagnostic = Diagnostic::error(error.to_string()).at(&config.source, span, "");
    match error {
        RemoteError::NoCommit { .. } if image.git.pin().is_some() => diagnostic
            .hint("where windlass.lock says this commit, `windlass lock --update` looks up what the ref is now"),
        _ => diagnostic,
    }
}

/// What is wanted of a commit for an image: its folder alone, unless something outside of that is named.
fn files(image: &Image<'_>, commit: GitCommit) -> Wanted {
    let GitSource { path, submodules, .. } = image.git;
    let is_inside = |file: &ProjectPath| !file.seen_from(&path.value).starts_with("..");
    let alone = !submodules && image.config.dockerfile.as_ref().is_none_or(|file| is_inside(&file.value));
    let path = path.value.below_root().filter(|_| alone).cloned();
    Wanted { commit, path, submodules: *submodules, git_dir: false }
}

/// Asks each repository, several at a time.
pub(in crate::cli) async fn each<'a, T>(
    remotes: impl IntoIterator<Item = &'a GitRemote>,
    ask: impl AsyncFn(&'a GitRemote) -> Result<T, RemoteError>,
) -> Result<BTreeMap<&'a GitRemote, T>, RemoteError> {
    let asked = futures_util::stream::iter(remotes).map(async |remote| Ok((remote, ask(remote).await?)));
    let answers: Vec<Result<_, RemoteError>> = asked.buffer_unordered(AT_ONCE).collect().await;
    answers.into_iter().collect()
}
