//! `windlass plan --stale`: which names stand for something else than windlass.lock says.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use super::bases::{Now, all_now};
use super::plan::Format;
use super::project::{self, Anew, Outlined, SelectionArgs};
use super::{
    Exit, Refusal, Settings, bases, block_on, connect, containers, lock_file, remote_files, remote_refs,
    until_interrupted,
};
use crate::config::Config;
use crate::event::Sink;
use crate::model::{GitCommit, GitPin, GitRemote, ImageName};
use crate::plan::{Choice, MovingBase, MovingRef, Understood};
use crate::registry::RetryPolicy;
use crate::source::RemoteRefs;
use crate::ui::{self, Reporter, stale};

pub(super) fn run(selection: &SelectionArgs, format: Format, settings: &Settings) -> anyhow::Result<Exit> {
    let is_json = match format {
        Format::Text => false,
        Format::Json => true,
        Format::Dot | Format::Mermaid | Format::Svg | Format::GithubMatrix | Format::Gitlab | Format::Travis => {
            return Err(Refusal::usage("`--stale` is told as `text` or `json`").into());
        }
    };
    let SelectionArgs { images, build_args } = selection;
    let Outlined { config, understood, lock, names, asked, .. } =
        project::outline(settings, build_args, Choice::Words(images), Anew::Nothing)?;
    ui::warn(&understood.warnings, &settings.ui);
    ui::notes(&understood.notes, &settings.ui);
    let Some(lock) = lock else {
        let message = format!("there is no {} to compare with", lock_file::FILE);
        return Err(Refusal::usage_with_hint(message, "`windlass lock` writes it").into());
    };
    if settings.offline {
        return Err(Refusal::usage("`--stale` asks registries, and `--offline` asks none").into());
    }
    let bases = bases::with(understood.moving_bases(), &containers::bases(&config, &names)?);
    let files = understood.moving_files();
    let reporter = Arc::new(Reporter::new(&settings.ui, 0));
    let events: Arc<dyn Sink> = Arc::<Reporter>::clone(&reporter);
    let wanted = bases.iter().map(|(reference, base)| (reference, base, lock.bases.get(reference))).collect();
    let found = block_on(until_interrupted(settings, async {
        let registry = connect::registry(settings, RetryPolicy::default(), events)?;
        let found = all_now(&registry, wanted).await?;
        let fetched = remote_files::all_now(&registry, files.keys().collect(), &*reporter).await?;
        Ok((found, fetched, refs(&config, &understood, &asked, settings).await?))
    }));
    reporter.end();
    let (found, fetched, refs) = found?;
    let names = found.into_iter().filter_map(|(reference, now)| {
        let locked = lock.bases.get(&reference).map(|locked| locked.digest);
        let now = match now {
            Now::Same => return None,
            Now::Other(manifests) => Some(manifests.digest),
            Now::Gone => None,
        };
        let MovingBase { images, containers, .. } = bases[&reference].clone();
        Some(stale::Stale { name: reference.to_string(), locked: text(locked), now: text(now), images, containers })
    });
    let others = fetched.into_iter().filter_map(|(url, now)| {
        let locked = lock.http.get(&url).copied();
        let (name, images) = (url.without_query().to_owned(), files[&url].images.clone());
        let containers = BTreeSet::new();
        (locked.is_none() || locked != now).then(|| stale::Stale {
            name,
            locked: text(locked),
            now: text(now),
            images,
            containers,
        })
    });
    let moved = refs.into_iter().filter_map(|(pin, (now, images))| {
        let locked = lock.git.get(&pin);
        let is_same = locked.is_some() && locked == now.as_ref();
        let (name, containers) = (pin.to_string(), BTreeSet::new());
        (!is_same).then(|| stale::Stale { name, locked: text(locked), now: text(now), images, containers })
    });
    let names: Vec<stale::Stale> = names.chain(others).chain(moved).collect();
    let answer = match is_json {
        false => stale::text(&names, settings.ui.color),
        true => serde_json::to_string_pretty(&stale::json(&names))? + "\n",
    };
    ui::print(answer.as_bytes())?;
    Ok(if names.is_empty() { Exit::Done } else { Exit::Changes })
}

/// What refs mean now, none where they mean nothing, and the images that they are for.
type Refs = BTreeMap<GitPin, (Option<GitCommit>, BTreeSet<ImageName>)>;

async fn refs(
    config: &Config,
    understood: &Understood,
    asked: &BTreeMap<GitRemote, RemoteRefs>,
    settings: &Settings,
) -> anyhow::Result<Refs> {
    let mut refs = Refs::new();
    // Of one repository, windlass.yaml may know the credentials.
    let mut addresses: BTreeMap<GitPin, &GitRemote> = BTreeMap::new();
    for image in understood.outlines() {
        let git = config.images.get(image.name).and_then(|image| image.git.as_ref());
        let Some((git, pin)) = git.and_then(|git| Some((git, git.pin()?))) else { continue };
        addresses.insert(pin.clone(), &git.remote.value);
        refs.entry(pin).or_default().1.insert(image.name.clone());
    }
    let added = understood.moving_refs();
    for (pin, MovingRef { images, places: _ }) in &added {
        addresses.entry(pin.clone()).or_insert(pin.remote());
        refs.entry(pin.clone()).or_default().1.extend(images.iter().cloned());
    }
    let found = remote_refs::of_remotes(addresses.values().copied().collect(), asked, settings).await?;
    for (pin, remote) in addresses {
        let now = found[remote].find(pin.reference()).ok();
        refs.entry(pin).or_default().0 = now;
    }
    Ok(refs)
}

fn text(digest: Option<impl ToString>) -> Option<String> {
    digest.map(|digest| digest.to_string())
}
