//! Where manifests come from: files, standard input, web servers, registries; and what several of them say together.

use std::collections::BTreeMap;
use std::io::{Read as _, Seek as _};
use std::path::Path;
use std::sync::{Arc, Mutex, PoisonError};

use anyhow::Context as _;

use super::{Refusal, Settings, block_on, connect, container_files, manifest_artifact, until_interrupted};
use crate::diag::{Diagnostic, Diagnostics, SourceText, Span};
use crate::event::NoSink;
use crate::manifest::{self, Manifest, UserData};
use crate::model::{ContainerName, Digest, HttpUrl, ImageDigest, Reference};
use crate::registry::{DownloadError, RetryPolicy};

/// What was fetched already: while it is the same it is not fetched again.
#[derive(Debug, Default)]
pub(super) struct Fetched(Mutex<BTreeMap<String, (ImageDigest, Vec<u8>)>>);

impl Fetched {
    fn get(&self, source: &str) -> Option<(ImageDigest, Vec<u8>)> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).get(source).cloned()
    }

    fn keep(&self, source: &str, digest: ImageDigest, bytes: &[u8]) {
        let mut all = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        all.insert(source.to_owned(), (digest, bytes.to_vec()));
    }
}

/// Reads all manifests, and puts them together with that of an instance's user-data.
pub(super) fn read(
    sources: &[String],
    user_data: Option<UserData>,
    fetched: &Fetched,
    settings: &Settings,
) -> anyhow::Result<Manifest> {
    if let Some(UserData::Dockerup(_)) = user_data {
        let message = "the user-data has containers of dockerup, which are a project of their own";
        return Err(Refusal::usage_with_hint(message, "name no manifest beside `--ec2`").into());
    }
    let mut all = Vec::new();
    for source in sources {
        all.push((source.as_str(), read_one(source, fetched, settings)?));
    }
    match user_data {
        None | Some(UserData::Dockerup(_)) => {}
        Some(UserData::Manifest(text)) => {
            all.push(("user-data", container_files::read(manifest::parse(&text)?, None, &settings.environment)?));
        }
        Some(UserData::Address(address)) => all.push(("user-data", read_one(&address, fetched, settings)?)),
    }
    together(all)
}

/// Reads one: from a file below the root, from standard input where it is `-`, from a web server, or from a registry.
pub(super) fn read_one(source: &str, fetched: &Fetched, settings: &Settings) -> anyhow::Result<Manifest> {
    if let Some(reference) = manifest_artifact::reference(source)? {
        return parsed(source, of_registry(source, &reference, fetched, settings)?, None, settings);
    }
    if source.starts_with("https://") || source.starts_with("http://") {
        let (url, text) = of_web_server(source, fetched, settings)?;
        return parsed(url.without_query(), text, None, settings);
    }
    if source == "-" {
        let mut bytes = Vec::new();
        std::io::stdin().lock().read_to_end(&mut bytes).context("reading standard input")?;
        return parsed("standard input", bytes, None, settings);
    }
    let path = settings.root.join(source);
    let bytes = match std::fs::read(&path) {
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => {
            let message = format!("there is no deploy manifest `{source}`");
            return Err(Refusal::usage_with_hint(message, "`windlass build` writes one; or name another").into());
        }
        read => read.with_context(|| format!("reading `{source}`"))?,
    };
    parsed(source, bytes, path.parent(), settings)
}

/// What a text says, with what is in the files beside it.
fn parsed(shown: &str, bytes: Vec<u8>, folder: Option<&Path>, settings: &Settings) -> anyhow::Result<Manifest> {
    let text = String::from_utf8(bytes).map_err(|error| {
        let at = error.utf8_error().valid_up_to();
        let readable = String::from_utf8_lossy(&error.as_bytes()[..at]).into_owned();
        let source = SourceText::new(shown, readable);
        let diagnostic = Diagnostic::error("the deploy manifest is not UTF-8").at(&source, Span::new(at, at), "");
        Diagnostics(vec![diagnostic])
    })?;
    container_files::read(manifest::parse(&SourceText::new(shown, text))?, folder, &settings.environment)
}

/// What a registry has there.
fn of_registry(source: &str, reference: &Reference, fetched: &Fetched, settings: &Settings) -> anyhow::Result<Vec<u8>> {
    let known = fetched.get(source);
    let read = manifest_artifact::read(reference, known.as_ref(), settings);
    let Some((digest, bytes)) = block_on(until_interrupted(settings, read))? else {
        let message = format!("the registry has no deploy manifest `{reference}`");
        let hint = "`windlass build --push --manifest oci://…` puts one there";
        return Err(Refusal::usage_with_hint(message, hint).into());
    };
    fetched.keep(source, digest, &bytes);
    Ok(bytes)
}

/// What a web server has at an address that says by its fragment what that has to be.
fn of_web_server(source: &str, fetched: &Fetched, settings: &Settings) -> anyhow::Result<(HttpUrl, Vec<u8>)> {
    let (address, digest) = source.split_once('#').unwrap_or((source, ""));
    let url = address.parse::<HttpUrl>().map_err(|error| Refusal::usage(format!("this is {error}")))?;
    let shown = url.without_query();
    let digest: Digest = digest.parse().map_err(|_| {
        let hint = format!("`{shown}#sha256:…` says what has to be there");
        Refusal::usage_with_hint(format!("`{shown}` is named without its sha256"), hint)
    })?;
    if let Some((_, bytes)) = fetched.get(source) {
        return Ok((url, bytes));
    }
    if settings.offline {
        return Err(Refusal::usage(format!("`{shown}` can't be fetched with `--offline`")).into());
    }
    let mut file = tempfile::tempfile().context("making a file for what is fetched")?;
    let (found, _) = block_on(until_interrupted(settings, async {
        let registry = connect::registry(settings, RetryPolicy::default(), Arc::new(NoSink))?;
        registry.fetch(&url, &mut file).await.map_err(|error| match error {
            DownloadError::Refused { .. } => Refusal::usage(error.to_string()).into(),
            DownloadError::Unreachable { .. } => anyhow::Error::from(error),
        })
    }))?;
    if found != digest {
        let message = format!("`{shown}` has the sha256 {}, and {} is wanted", found.hex(), digest.hex());
        return Err(Refusal::usage(message).into());
    }
    let mut bytes = Vec::new();
    file.rewind().and_then(|()| file.read_to_end(&mut bytes)).context("reading what was fetched")?;
    fetched.keep(source, ImageDigest::new(digest), &bytes);
    Ok((url, bytes))
}

/// What manifests say together, checked as if it stood in one.
fn together(all: Vec<(&str, Manifest)>) -> anyhow::Result<Manifest> {
    let n_sources = all.len();
    let mut all = all.into_iter();
    let Some((first, mut whole)) = all.next() else { return Err(Refusal::usage("no manifest is named").into()) };
    let mut owners: BTreeMap<ContainerName, &str> = whole.containers.keys().map(|name| (name.clone(), first)).collect();
    for (source, other) in all {
        let Manifest { project, revision, serial, created, images, networks, containers } = other;
        if project != whole.project {
            let message = format!("`{first}` is of the project `{}`, and `{source}` of `{project}`", whole.project);
            return Err(Refusal::usage(message).into());
        }
        for (name, image) in images {
            if whole.images.get(&name).is_some_and(|known| *known != image) {
                return Err(
                    Refusal::usage(format!("`{source}` has another image `{name}` than those before it")).into()
                );
            }
            whole.images.insert(name, image);
        }
        for (name, network) in networks {
            if whole.networks.get(&name).is_some_and(|known| *known != network) {
                return Err(
                    Refusal::usage(format!("`{source}` has another network `{name}` than those before it")).into()
                );
            }
            whole.networks.insert(name, network);
        }
        for (name, container) in containers {
            if let Some(owner) = owners.insert(name.clone(), source) {
                return Err(
                    Refusal::usage(format!("the container `{name}` stands in `{owner}` and in `{source}`")).into()
                );
            }
            whole.containers.insert(name, container);
        }
        whole.serial = whole.serial.saturating_add(serial);
        whole.revision = whole.revision.filter(|known| Some(known) == revision.as_ref());
        whole.created = whole.created.max(created);
    }
    if n_sources == 1 {
        return Ok(whole);
    }
    Ok(manifest::parse(&SourceText::new("all of them together", manifest::to_json(&whole)))?)
}
