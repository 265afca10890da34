//! From Dockerfiles and configuration to images in order, each with its content hash.

use std::collections::BTreeMap;

use crate::config::SecretFrom;
use crate::diag::{Diagnostic, Diagnostics, Severity};
use crate::graph::{self, Cycle, Dependencies};
use crate::model::{ImageName, ReferenceError, RepositoryPrefix};

use super::draft::{Draft, Inputs, drafts};
use super::fingerprint::{Trees, chain, content_tag, own};
use super::image::{Image, Resolved, SecretSource, SecretValue};
use super::meaning::{Meaning, Reader};
use super::names::Names;
use super::prefix;

/// Reads the Dockerfiles, understands their references, orders and hashes the images.
///
/// # Errors
/// Everything that is wrong with any of the files.
pub fn resolve(inputs: Inputs<'_>) -> Result<Resolved, Diagnostics> {
    let Inputs { project, config, mut images, unreadable } = inputs;
    images.sort_by(|a, b| a.name.cmp(&b.name));
    let mut diagnostics = config.warnings.clone();
    let drafts = drafts(images, config, &mut diagnostics);
    let places = drafts.iter().map(|draft| (&draft.inputs.name, draft.inputs.dockerfile.path()));
    let names = Names::new(places, &unreadable);
    let mut notes = Vec::new();
    let (prefix, has_registry) = match &config.registry {
        Some(registry) => {
            diagnostics.extend(prefix::forgotten(&registry.value, &drafts, &names));
            (registry.value.clone(), true)
        }
        None => {
            let inferred = prefix::infer(&project, &drafts, &names);
            notes.extend(inferred.note);
            diagnostics.extend(inferred.warning);
            (inferred.prefix, inferred.is_named)
        }
    };
    let mut reader = Reader {
        config,
        names: &names,
        prefix: &prefix,
        has_registry,
        bare: BTreeMap::new(),
        others: BTreeMap::new(),
        unknown: BTreeMap::new(),
        diagnostics: &mut diagnostics,
    };
    let meanings: BTreeMap<ImageName, Meaning> =
        drafts.iter().map(|draft| (draft.inputs.name.clone(), reader.read(draft))).collect();
    reader.warn_of_unknown();
    reader.warn_of_others();
    notes.extend(reader.notes());
    let layers = match graph::layers(&dependencies(&meanings)) {
        Ok(layers) => layers,
        Err(cycle) => {
            diagnostics.push(circle(&cycle, &meanings));
            Vec::new()
        }
    };
    if diagnostics.iter().any(|d| d.severity == Severity::Error) {
        return Err(Diagnostics(diagnostics));
    }
    let images = ordered(drafts, meanings, &layers, &prefix, &mut diagnostics);
    if diagnostics.iter().any(|d| d.severity == Severity::Error) {
        return Err(Diagnostics(diagnostics));
    }
    let chosen = images.iter().map(|image| image.name.clone()).collect();
    Ok(Resolved { project, images, chosen, notes, warnings: diagnostics })
}

fn dependencies(meanings: &BTreeMap<ImageName, Meaning>) -> Dependencies<ImageName> {
    let parents = |meaning: &Meaning| meaning.edges.iter().map(|edge| edge.parent.clone()).collect();
    meanings.iter().map(|(name, meaning)| (name.clone(), parents(meaning))).collect()
}

/// A circle with the line that makes each of its steps.
fn circle(cycle: &Cycle<ImageName>, meanings: &BTreeMap<ImageName, Meaning>) -> Diagnostic {
    let mut diagnostic = Diagnostic::error(format!("images are made from one another in a circle: {cycle}"));
    for (image, parent) in cycle.edges() {
        let edge = meanings[image].edges.iter().find(|edge| edge.parent == *parent);
        let edge = edge.expect("an edge of the graph stands somewhere");
        let (source, span) = (&edge.location.source, edge.location.span);
        let label = format!("`{image}` is made from `{parent}` here");
        diagnostic = match diagnostic.primary {
            None => diagnostic.at(source, span, label),
            Some(_) => diagnostic.related(source, span, label),
        };
    }
    diagnostic
}

/// The images in their order, hashed.
fn ordered(
    drafts: Vec<Draft>,
    mut meanings: BTreeMap<ImageName, Meaning>,
    layers: &[Vec<ImageName>],
    prefix: &RepositoryPrefix,
    diagnostics: &mut Vec<Diagnostic>,
) -> Vec<Image> {
    let mut drafts: BTreeMap<ImageName, Draft> = drafts.into_iter().map(|d| (d.inputs.name.clone(), d)).collect();
    let mut trees = Trees::default();
    let mut images = Vec::with_capacity(drafts.len());
    for (layer, names) in layers.iter().enumerate() {
        for name in names {
            let draft = drafts.remove(name).expect("a layer names images");
            let meaning = meanings.remove(name).expect("every image was read");
            match image(draft, meaning, layer, prefix, &mut trees) {
                Ok(image) => images.push(image),
                Err(error) => diagnostics.push(Diagnostic::error(error.to_string())),
            }
        }
    }
    chain(&mut images);
    images
}

/// One image, its fingerprint without parents yet.
fn image(
    draft: Draft,
    meaning: Meaning,
    layer: usize,
    prefix: &RepositoryPrefix,
    trees: &mut Trees,
) -> Result<Image, ReferenceError> {
    let repository = prefix.repository(&draft.inputs.name)?;
    let fingerprint = own(&draft, &meaning.bases, trees);
    let Draft { inputs, args, syntax: _, resolved: _ } = draft;
    let Meaning { references, edges, bases: _ } = meaning;
    let config = inputs.config;
    let content_hash = fingerprint.content_hash();
    let content = repository.with_tag(&content_tag(&content_hash));
    Ok(Image {
        layer,
        tested: content.clone(),
        content,
        repository,
        testing: config.tags.testing,
        latest: config.tags.latest,
        previous: config.tags.previous,
        dockerfile: inputs.dockerfile,
        context_root: inputs.context_root,
        context: inputs.context,
        named_contexts: inputs.named_contexts,
        injected: inputs.injected,
        target: config.target.map(|target| target.value),
        args,
        platform: config.platform,
        secrets: config
            .secrets
            .into_iter()
            .map(|secret| SecretSource { id: secret.id.value, from: secret_value(secret.from) })
            .collect(),
        references,
        parents: edges.iter().map(|edge| edge.parent.clone()).collect(),
        edges,
        fingerprint,
        content_hash,
        test: inputs.test,
        timeout: config.timeout,
        retries: config.retries,
        labels: config.labels,
        name: inputs.name,
    })
}

fn secret_value(from: SecretFrom) -> SecretValue {
    match from {
        SecretFrom::Env(name) => SecretValue::Env(name),
        SecretFrom::File(path) => SecretValue::File(path.into()),
    }
}
