//! Reads a deploy manifest: text in, a manifest or everything that is wrong with it out.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::str::FromStr;
use std::sync::Arc;

use serde::Deserialize;
use serde_json::error::Category;

use super::locate::locate;
use super::problem::Problems;
use super::scalars::Keys;
use super::wire::{ImageEntry, ManifestFile, VERSION};
use super::{
    Externals, Manifest, ManifestImage, Network, NetworkSpec, Part, PathStep, validate_containers, validate_networks,
};
use crate::diag::{Diagnostic, Diagnostics, SourceText, Span, did_you_mean};
use crate::model::{ImageName, Reference};

/// What is read here.
const WHAT: &str = "deploy manifest";

/// Reads a deploy manifest.
///
/// # Errors
/// Everything that is wrong with it, each with its place.
pub fn parse(source: &Arc<SourceText>) -> Result<Manifest, Diagnostics> {
    let text = source.text();
    if text.trim().is_empty() {
        let empty = Diagnostic::error("the deploy manifest is empty").at(source, Span::new(0, 0), "");
        return Err(Diagnostics(vec![empty]));
    }
    let one = |diagnostic| Diagnostics(vec![diagnostic]);
    let Keys(Version { version }) =
        serde_json::from_str(text).map_err(|error| one(unreadable(source, &error, WHAT)))?;
    if version != VERSION {
        return Err(one(other_version(source, version, WHAT)));
    }
    let Keys(file): Keys<ManifestFile> =
        serde_json::from_str(text).map_err(|error| one(unreadable(source, &error, WHAT)))?;
    manifest(&file).map_err(|problems| {
        let place = |problem: super::Problem| (locate(text, &problem.path, problem.part), problem);
        let mut placed: Vec<_> = problems.into_iter().map(place).collect();
        placed.sort_by_key(|(at, _)| *at);
        let diagnostic = |(at, problem): (Span, super::Problem)| Diagnostic {
            hint: problem.hint,
            ..Diagnostic::error(problem.message).at(source, at, "")
        };
        Diagnostics(placed.into_iter().map(diagnostic).collect())
    })
}

/// What is read before anything else: another version may look different in everything but this.
#[derive(Deserialize)]
pub(super) struct Version {
    pub(super) version: u64,
}

pub(super) fn other_version(source: &Arc<SourceText>, version: u64, what: &str) -> Diagnostic {
    let at = locate(source.text(), &[PathStep::Key("version".to_owned())], Part::Value);
    let message = format!("this {what} is of version {version}, and only version {VERSION} is known");
    let diagnostic = Diagnostic::error(message).at(source, at, "");
    if version > VERSION {
        diagnostic.hint("a newer windlass wrote it: update windlass on this host")
    } else {
        diagnostic
    }
}

/// What serde_json has to say, with its place and in our words.
pub(super) fn unreadable(source: &Arc<SourceText>, error: &serde_json::Error, what: &str) -> Diagnostic {
    let text = source.text();
    let offset = offset_of(text, error.line(), error.column());
    if error.classify() == Category::Eof {
        return Diagnostic::error(format!("the {what} ends in the middle"))
            .at(source, Span::new(text.len(), text.len()), "")
            .hint("it was cut off or is still being written: make it again");
    }
    let message = error.to_string();
    let message = message.split(" at line ").next().unwrap_or(&message);
    let quoted: Vec<&str> = message.split('`').skip(1).step_by(2).collect();
    let diagnostic = match quoted.as_slice() {
        [word, known @ ..] if message.starts_with("unknown ") => {
            let what = if message.starts_with("unknown field") { "key" } else { "value" };
            let diagnostic = Diagnostic::error(format!("unknown {what} `{word}`"));
            match did_you_mean(word, known.iter().copied()) {
                Some(near) => diagnostic.hint(format!("did you mean `{near}`?")),
                None => diagnostic.hint(format!("known are {}", known.join(", "))),
            }
        }
        [key] if message.starts_with("missing field") => Diagnostic::error(format!("the key `{key}` is missing")),
        [key] if message.starts_with("duplicate field") => Diagnostic::error(format!("`{key}` stands here twice")),
        _ if source.is_secret() => Diagnostic::error(without_values(message)),
        _ => Diagnostic::error(in_words(message)),
    };
    diagnostic.at(source, token_before(text, offset), "")
}

/// serde's message without the names of Rust's types.
fn in_words(message: &str) -> String {
    let plain = message.strip_suffix("expected u64").or_else(|| message.strip_suffix("expected u32"));
    plain.map_or_else(|| message.to_owned(), |start| format!("{start}expected a whole number from 0"))
}

/// What serde expects, without what it found instead.
fn without_values(message: &str) -> String {
    let expected = message.rsplit_once(", expected ").map(|(_, expected)| in_words(&format!("expected {expected}")));
    expected
        .unwrap_or_else(|| if message.contains(['"', '`']) { "this is wrong".to_owned() } else { in_words(message) })
}

/// The byte offset of serde_json's line and column, which count from 1 and in bytes.
fn offset_of(text: &str, line: usize, column: usize) -> usize {
    let line_start: usize = text.split_inclusive('\n').take(line.saturating_sub(1)).map(str::len).sum();
    let mut offset = (line_start + column).min(text.len());
    while !text.is_char_boundary(offset) {
        offset -= 1;
    }
    offset
}

/// The token that ends at an offset: serde_json tells where it stood when it had read what it refuses.
fn token_before(text: &str, offset: usize) -> Span {
    let before = text[..offset].trim_end();
    let start = match before.strip_suffix('"') {
        Some(inside) => inside.rfind('"').unwrap_or(inside.len()),
        None => before.char_indices().next_back().map_or(0, |(at, _)| at),
    };
    Span::new(start, before.len().max(start))
}

fn manifest(file: &ManifestFile) -> Result<Manifest, Vec<super::Problem>> {
    let ManifestFile { version: _, project, revision, serial, created, images, networks, containers } = file;
    let mut problems = Problems::default();
    let project = problems.read("project", project.parse());
    let created = created.as_ref().and_then(|text| problems.read("created", timestamp(text)));
    // A container may name an image whose entry is wrong: that is one mistake, not two.
    let names: BTreeSet<ImageName> = images.keys().filter_map(|name| name.parse().ok()).collect();
    let images = problems.within("images", |problems| read_images(problems, images));
    // One that is wrong is a network nevertheless: that is one mistake, not two.
    let all: BTreeMap<String, Network> =
        networks.keys().map(|name| (name.clone(), Network::Own(NetworkSpec::default()))).collect();
    let networks = validate_networks(networks)
        .map_err(|found| found.into_iter().map(|problem| problem.below("networks")).collect::<Vec<_>>());
    let containers =
        validate_containers(project.as_ref(), containers, &names, networks.as_ref().unwrap_or(&all), Externals::Pinned)
            .map_err(|found| found.into_iter().map(|problem| problem.below("containers")).collect::<Vec<_>>());
    match (problems.or((project, images)), networks, containers) {
        (Ok((Some(project), images)), Ok(networks), Ok(containers)) => {
            Ok(Manifest { project, revision: revision.clone(), serial: *serial, created, images, networks, containers })
        }
        (found, networks, containers) => {
            let found = found.err().into_iter().chain(networks.err()).chain(containers.err());
            Err(found.flatten().collect())
        }
    }
}

fn timestamp(text: &str) -> Result<jiff::Timestamp, String> {
    text.parse().map_err(|_| format!("`{text}` is no time: expected RFC 3339, such as `2026-11-22T06:55:31Z`"))
}

fn read_images(problems: &mut Problems, entries: &BTreeMap<String, ImageEntry>) -> BTreeMap<ImageName, ManifestImage> {
    let mut images = BTreeMap::new();
    for (name, ImageEntry { reference, id, content_hash, tag }) in entries {
        let image = problems.within(name, |problems| {
            Some(ManifestImage {
                reference: reference.as_ref().and_then(|text| problems.read("reference", pinned(text))),
                tag: tag.as_ref().and_then(|text| problems.read("tag", text.parse())),
                content_hash: problems.read("content_hash", content_hash.parse())?,
                id: problems.read("id", id.parse())?,
            })
        });
        match (ImageName::from_str(name), image) {
            (Err(error), _) => problems.key(name, error.to_string(), None),
            (Ok(name), Some(image)) => {
                images.insert(name, image);
            }
            (Ok(_), None) => {}
        }
    }
    images
}

fn pinned(text: &str) -> Result<Reference, impl fmt::Display> {
    match text.parse::<Reference>() {
        Ok(reference) if reference.digest().is_some() => Ok(reference),
        Ok(_) => Err(format!("`{text}` has no digest: expected `repository@sha256:…`")),
        Err(error) => Err(error.to_string()),
    }
}
