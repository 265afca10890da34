//! `windlass lock`.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use super::bases::{Bases, Now, all_now, at_places, now};
use super::project::{self, Anew, Outlined};
use super::remote_files::Files;
use super::remote_refs::Refs;
use super::{
    Exit, Refusal, Settings, bases, block_on, connect, containers, lock_file, remote_files, remote_refs,
    until_interrupted,
};
use crate::config::{Lock, LockedBase};
use crate::diag::{Diagnostic, Diagnostics, did_you_mean};
use crate::engine::Engine as _;
use crate::event::{Event, Sink};
use crate::model::{GitCommit, GitPin, GitRemote, HttpUrl, ImageName, Reference};
use crate::plan::{Choice, MovingBase};
use crate::registry::{self, Registry, RemoteManifests, RetryPolicy};
use crate::source::RemoteRefs;
use crate::ui::{self, Reporter, lock_report};

const EXAMPLES: &str = "\
Examples:
  windlass lock                       add what windlass.lock lacks, drop what nothing uses
  windlass lock --update              look everything up anew
  windlass lock --update debian:12    only this name
  windlass lock --update api          only what the image `api` is made from";

/// What `windlass lock` is asked.
#[derive(Debug, clap::Args)]
#[command(before_help = EXAMPLES)]
pub(super) struct LockArgs {
    /// Look up anew what is there already: all, or what is named, an image of others, the address of a file that `ADD`
    /// fetches, a ref of a git repository as `ADDRESS#REF`, or an image of the project.
    #[arg(long, value_name = "NAME", num_args = 0..)]
    update: Option<Vec<String>>,
}

pub(super) fn run(args: &LockArgs, settings: &Settings) -> anyhow::Result<Exit> {
    let refresh = match args.update.as_deref() {
        None => Anew::Nothing,
        Some([]) => Anew::All,
        Some(names) => Anew::Named(names),
    };
    let Outlined { config, understood, lock: former, names: images, commits, asked, .. } =
        project::outline(settings, &[], Choice::Words(&[]), refresh)?;
    ui::notes(&understood.notes, &settings.ui);
    ui::warn(&understood.warnings, &settings.ui);
    let moving = Moving {
        bases: bases::with(understood.moving_bases(), &containers::bases(&config, &images)?),
        files: understood.moving_files(),
        refs: understood.moving_refs(),
        commits,
        asked,
    };
    let update = match refresh {
        Anew::Nothing => Update::default(),
        Anew::All => Update {
            bases: moving.bases.keys().cloned().collect(),
            files: moving.files.keys().cloned().collect(),
            refs: moving.refs.keys().filter(|pin| !moving.commits.contains_key(pin)).cloned().collect(),
        },
        Anew::Named(names) => named(names, &images, &moving)?,
    };
    let known = former.clone().unwrap_or_default();
    let reporter = Arc::new(Reporter::new(&settings.ui, 0));
    let lock = block_on(until_interrupted(settings, anew(&known, &moving, &update, settings, &reporter)));
    reporter.end();
    let lock = lock?;
    // A project that needs no file gets none.
    if former.as_ref() != Some(&lock) && (former.is_some() || lock != Lock::default()) {
        lock_file::write(&settings.root, &lock)?;
    }
    ui::print(lock_report::text(&known, &lock, settings.ui.color).as_bytes())?;
    Ok(Exit::Done)
}

/// What the project takes of others by names that may move.
struct Moving {
    bases: Bases,
    files: Files,
    /// What Dockerfiles name of git repositories.
    refs: Refs,
    /// What windlass.yaml names of them, looked up already.
    commits: BTreeMap<GitPin, GitCommit>,
    /// What repositories said that were asked for that.
    asked: BTreeMap<GitRemote, RemoteRefs>,
}

/// What is looked up anew, but for what windlass.yaml names.
#[derive(Default)]
struct Update {
    bases: BTreeSet<Reference>,
    files: BTreeSet<HttpUrl>,
    refs: BTreeSet<GitPin>,
}

/// What names stand for: names of others' images themselves, or of the project's images made from them.
fn named(names: &[String], images: &BTreeSet<ImageName>, moving: &Moving) -> Result<Update, Refusal> {
    let Moving { bases, files, refs, commits, asked: _ } = moving;
    let pins: BTreeSet<&GitPin> = refs.keys().chain(commits.keys()).collect();
    let mut chosen = Update::default();
    for name in names {
        let reference = name.parse::<Reference>().ok().filter(|reference| bases.contains_key(reference));
        let image = images.iter().find(|image| image.as_str() == name);
        let pin = pins.iter().find(|pin| pin.to_string() == *name);
        let file = files.keys().find(|url| url.as_str() == name);
        if reference.is_none() && image.is_none() && file.is_none() && pin.is_none() {
            let texts = bases.keys().map(ToString::to_string).chain(pins.iter().map(ToString::to_string));
            let texts: Vec<String> = texts.chain(files.keys().map(ToString::to_string)).collect();
            let images = images.iter().map(ImageName::as_str);
            let hint = match did_you_mean(name, texts.iter().map(String::as_str).chain(images)) {
                Some(meant) => format!("did you mean `{meant}`?"),
                None => "`windlass graph` shows what each image is made from".to_owned(),
            };
            let message = format!("`{name}` is no image of the project, and none is made from it");
            return Err(Refusal::usage_with_hint(message, hint));
        }
        chosen.bases.extend(reference);
        chosen.files.extend(file.cloned());
        let fetched = files.iter().filter(|(_, file)| image.is_some_and(|image| file.images.contains(image)));
        chosen.files.extend(fetched.map(|(url, _)| url.clone()));
        // What windlass.yaml names too was looked up anew to read the project.
        chosen.refs.extend(pin.filter(|pin| !commits.contains_key(pin)).map(|pin| GitPin::clone(pin)));
        let taken = refs.iter().filter(|(_, named)| image.is_some_and(|image| named.images.contains(image)));
        chosen.refs.extend(taken.map(|(pin, _)| pin.clone()));
        let of_image = |base: &MovingBase| image.is_some_and(|image| base.images.contains(image));
        chosen.bases.extend(bases.iter().filter(|(_, base)| of_image(base)).map(|(reference, _)| reference.clone()));
    }
    Ok(chosen)
}

/// The lock as it should be: what is known of the bases, and looked up where it is not, or shall be anew.
async fn anew(
    known: &Lock,
    moving: &Moving,
    update: &Update,
    settings: &Settings,
    reporter: &Arc<Reporter>,
) -> anyhow::Result<Lock> {
    let Moving { bases, files, refs, commits, asked } = moving;
    let mut lock = Lock { git: commits.clone(), ..Lock::default() };
    let (mut missing, mut partial) = (Vec::new(), Vec::new());
    for (reference, base) in bases {
        let locked = known.bases.get(reference);
        match locked.filter(|_| !update.bases.contains(reference)) {
            Some(locked) if base.platforms.iter().all(|platform| locked.platforms.contains_key(platform)) => {
                lock.bases.insert(reference.clone(), cut(locked, base));
            }
            Some(locked) => partial.push((reference, base, locked)),
            None => missing.push((reference, base, locked)),
        }
    }
    let kept = |url: &HttpUrl| known.http.get(url).filter(|_| !update.files.contains(url)).copied();
    lock.http = files.keys().filter_map(|url| Some((url.clone(), kept(url)?))).collect();
    for pin in refs.keys().filter(|pin| !commits.contains_key(pin)) {
        lock.git.extend(known.git.get(pin).map(|commit| (pin.clone(), commit.clone())));
    }
    let open = refs.keys().filter(|pin| update.refs.contains(pin) || !lock.git.contains_key(pin));
    let open: Vec<&GitPin> = open.collect();
    if missing.is_empty() && partial.is_empty() && lock.http.len() == files.len() && open.is_empty() {
        return Ok(lock);
    }
    if settings.offline {
        let message = "something is to be looked up, and `--offline` asks nobody";
        return Err(Refusal::usage(message).into());
    }
    let events: Arc<dyn Sink> = Arc::<Reporter>::clone(reporter);
    let registry = connect::registry(settings, RetryPolicy::default(), events)?;
    let mut found = all_now(&registry, missing).await?;
    for (reference, base, locked) in partial {
        found.insert(reference.clone(), completed(&registry, reference, base, locked).await?);
    }
    let mut errors = Vec::new();
    let fetched = files.keys().filter(|url| !lock.http.contains_key(*url)).collect::<Vec<_>>();
    for (url, digest) in remote_files::all_now(&registry, fetched, &**reporter).await? {
        match digest {
            Some(digest) => drop(lock.http.insert(url, digest)),
            None => errors.push(remote_files::gone(&url, &files[&url], known)),
        }
    }
    for (pin, now) in remote_refs::all_now(open.into_iter(), asked, settings).await? {
        match now {
            Ok(commit) => drop(lock.git.insert(pin.clone(), commit)),
            Err(problem) => errors.push(remote_refs::gone(pin, &problem, &refs[pin], known)),
        }
    }
    for (reference, now) in found {
        let base = &bases[&reference];
        let entry = match now {
            Now::Same => known.bases.get(&reference).map(|locked| cut(locked, base)),
            Now::Other(manifests) => entry(&reference, base, &manifests, &mut errors),
            Now::Gone if is_local(&reference, settings).await => {
                reporter.send(Event::Note(format!("`{reference}` is on this machine's engine alone, and not locked")));
                None
            }
            Now::Gone => {
                errors.push(gone(&reference, base, known));
                None
            }
        };
        lock.bases.extend(entry.map(|entry| (reference, entry)));
    }
    if errors.is_empty() { Ok(lock) } else { Err(Diagnostics(errors).into()) }
}

/// The entry for the platforms that are wanted, and no others.
fn cut(locked: &LockedBase, base: &MovingBase) -> LockedBase {
    let wanted = locked.platforms.iter().filter(|(platform, _)| base.platforms.contains(platform));
    LockedBase { digest: locked.digest, platforms: wanted.map(|(p, digest)| (p.clone(), *digest)).collect() }
}

/// What a name stands for whose entry lacks a platform: the image that is locked, as long as it is there for all.
async fn completed(
    registry: &Registry,
    reference: &Reference,
    base: &MovingBase,
    locked: &LockedBase,
) -> Result<Now, registry::Error> {
    let same = registry.manifests_of(&reference.repository().with_digest(locked.digest)).await?;
    match same.filter(|same| base.platforms.iter().all(|platform| same.for_platform(platform).is_some())) {
        Some(same) => Ok(Now::Other(same)),
        None => now(registry, reference, &base.platforms, Some(locked)).await,
    }
}

fn entry(
    reference: &Reference,
    base: &MovingBase,
    manifests: &RemoteManifests,
    errors: &mut Vec<Diagnostic>,
) -> Option<LockedBase> {
    let mut platforms = BTreeMap::new();
    for platform in &base.platforms {
        match manifests.for_platform(platform) {
            Some(digest) => drop(platforms.insert(platform.clone(), digest)),
            None => {
                let message = format!("`{reference}` has no image for {platform}");
                errors.push(at_places(Diagnostic::error(message), &base.places));
            }
        }
    }
    (platforms.len() == base.platforms.len()).then_some(LockedBase { digest: manifests.digest, platforms })
}

/// Whether the engine, if one answers, has an image by this name, which no registry has.
async fn is_local(reference: &Reference, settings: &Settings) -> bool {
    match connect::engine(settings, connect::Allowed::default()).await {
        Ok(engine) => engine.find(reference).await.is_ok_and(|found| found.is_some()),
        // An engine that does not answer has nothing to show; the error then is that the registry does not have it.
        Err(_unreachable) => false,
    }
}

fn gone(reference: &Reference, base: &MovingBase, known: &Lock) -> Diagnostic {
    let registry = reference.repository().registry();
    let error = match known.bases.get(reference) {
        None => Diagnostic::error(format!("`{reference}` is not in the registry `{registry}`")),
        Some(LockedBase { digest, .. }) => {
            let message = format!("`{reference}` is not in the registry `{registry}` any more");
            Diagnostic::error(message).hint(format!("windlass.lock still has it as {digest}"))
        }
    };
    at_places(error, &base.places)
}
