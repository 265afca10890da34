//! From Dockerfiles and configuration to images in order, each with its content hash.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use rayon::prelude::*;

use crate::config::SecretFrom;
use crate::diag::{Diagnostic, Diagnostics, Severity, SourceText};
use crate::dockerfile;
use crate::graph::{self, Cycle, Dependencies};
use crate::hash::{Fingerprint, Trees};
use crate::model::{ImageName, Nodes, ProjectName, Repository, RepositoryPrefix};

use super::draft::{Draft, Folder, Inputs, declare, drafts};
use super::fingerprint::{BLOCK, Hashes, names, own};
use super::image::{GitOrigin, Image, NamedFolder, Outline, Resolved, SecretSource, SecretValue};
use super::meaning::{Heard, Meaning, Reader};
use super::names::Names;
use super::prefix;
use super::visible::{ImageTrees, Visible};
use super::wanted::{self, Wanted};

/// Images whose Dockerfiles are understood, before any of their contexts was looked at.
#[derive(Debug)]
pub struct Understood {
    /// The project's name.
    pub project: ProjectName,
    /// The text of the configuration.
    pub(super) config: Arc<SourceText>,
    pub(super) images: BTreeMap<ImageName, UnderstoodImage>,
    /// The names of the build arguments that are given to every image that knows them.
    build_args: BTreeSet<String>,
    /// In order; names of images that are there no more are passed over.
    layers: Vec<Vec<ImageName>>,
    pub(super) chosen: BTreeSet<ImageName>,
    prefix: RepositoryPrefix,
    /// What the user should hear; [`Resolved`] gets what is left here.
    pub notes: Vec<String>,
    /// What is likely not meant as it is written; [`Resolved`] gets what is left here.
    pub warnings: Vec<Diagnostic>,
}

/// An image whose Dockerfile is understood.
#[derive(Debug)]
pub(super) struct UnderstoodImage {
    pub(super) draft: Box<Draft>,
    meaning: Meaning,
    pub(super) wants: Wants,
}

/// What an image wants of its contexts.
#[derive(Debug)]
pub(super) struct Wants {
    pub(super) own: Wanted,
    /// Of the folders that have names, those that are used.
    pub(super) named: BTreeMap<String, Wanted>,
}

/// Reads the Dockerfiles, understands their references and orders the images.
///
/// # Errors
/// Everything that is wrong with any of the files.
pub fn understand(inputs: Inputs<'_>) -> Result<Understood, Diagnostics> {
    let Inputs { project, config, mut images, build_args, unreadable } = inputs;
    images.sort_by(|a, b| a.name.cmp(&b.name));
    let mut diagnostics = config.warnings.clone();
    let places: Vec<_> = images.iter().map(|image| (image.name.clone(), Arc::clone(&image.dockerfile))).collect();
    let (drafts, names) = rayon::join(
        || drafts(images, build_args, config, &mut diagnostics),
        || Names::new(places.iter().map(|(name, dockerfile)| (name, dockerfile.path())), &unreadable),
    );
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
    let mut reader = Reader { config, names: &names, prefix: &prefix, has_registry, heard: Heard::default() };
    let meanings = reader.read_all(&drafts);
    reader.warn_of_unknown();
    reader.warn_of_others();
    notes.extend(reader.notes());
    diagnostics.append(&mut reader.heard.diagnostics);
    let layers = match graph::layers(&dependencies(&drafts, &meanings)) {
        Ok(layers) => layers.into_iter().map(|layer| layer.into_iter().cloned().collect()).collect(),
        Err(cycle) => {
            diagnostics.push(circle(&cycle, &drafts, &meanings));
            Vec::new()
        }
    };
    if diagnostics.iter().any(|d| d.severity == Severity::Error) {
        return Err(Diagnostics(diagnostics));
    }
    let images = with_wants(drafts, meanings);
    let chosen = images.keys().cloned().collect();
    let config = Arc::clone(&config.source);
    let build_args = build_args.iter().map(|(name, _)| name.clone()).collect();
    Ok(Understood { project, config, images, build_args, layers, chosen, prefix, notes, warnings: diagnostics })
}

impl Understood {
    /// The images, every one after its parents.
    pub fn outlines(&self) -> impl Iterator<Item = Outline<'_>> {
        let layers = self.layers.iter().enumerate();
        let names = layers.flat_map(|(layer, names)| names.iter().map(move |name| (layer, name)));
        names.filter_map(|(layer, name)| {
            let UnderstoodImage { draft, meaning: Meaning { references, edges, bases: _ }, wants: _ } =
                self.images.get(name)?;
            let dockerfile::Resolved { remote_files, repositories, .. } = &draft.resolved;
            let dockerfile = &draft.inputs.dockerfile;
            Some(Outline { name, layer, dockerfile, references, remote_files, repositories, edges })
        })
    }

    /// Warns of the build arguments of the command line that no image has a use for.
    pub fn warn_of_unused_args(&mut self) {
        let drafts = || self.images.values().map(|image| &image.draft);
        let is_used = |name: &String| {
            drafts().any(|draft| draft.args.contains_key(name) && !draft.resolved.unused_args.contains(name))
        };
        let unused = self.build_args.iter().filter(|name| !is_used(name)).map(|name| {
            let declared: BTreeSet<&str> = drafts().flat_map(|draft| &draft.declared).map(String::as_str).collect();
            let message = format!("no chosen image has a use for the build argument `{name}`");
            Diagnostic::warning(message).hint(declare(name, declared))
        });
        let unused: Vec<Diagnostic> = unused.collect();
        self.warnings.extend(unused);
    }

    /// Which folders any image wants something of, as [`Folder::listing`] numbers them.
    pub fn folders(&self) -> BTreeSet<usize> {
        let folders =
            self.images.values().flat_map(|UnderstoodImage { draft, wants: Wants { own, named }, .. }| {
                let inputs = &draft.inputs;
                let named = named.iter().map(|(name, wanted)| (&inputs.named_contexts[name], wanted));
                named.chain([(&inputs.context, own)])
            });
        folders.filter(|(_, wanted)| !wanted.is_nothing()).map(|(folder, _)| folder.listing).collect()
    }
}

/// Says of every image what it wants of its contexts.
fn with_wants(drafts: Vec<Box<Draft>>, meanings: Vec<Meaning>) -> BTreeMap<ImageName, UnderstoodImage> {
    let leaving: BTreeSet<ImageName> =
        drafts.iter().filter(|d| d.resolved.triggers_read).map(|d| d.inputs.name.clone()).collect();
    let image = |(mut draft, meaning): (Box<Draft>, Meaning)| {
        let own = wanted::of_own_context(&draft, &meaning, |parent| leaving.contains(parent));
        let is_used = |name: &&String| draft.resolved.edges.iter().any(|edge| edge.reference == **name);
        let named = draft.inputs.named_contexts.keys().filter(is_used);
        let named = named.map(|name| (name.clone(), wanted::of_named_context(&draft, name))).collect();
        // What is wanted of sources, and what references mean, is known now.
        draft.resolved.sources = Vec::new();
        draft.references = Vec::new();
        (draft.inputs.name.clone(), UnderstoodImage { draft, meaning, wants: Wants { own, named } })
    };
    drafts.into_par_iter().zip(meanings).map(image).collect::<Vec<_>>().into_iter().collect()
}

impl Visible {
    /// Hashes the images. `nodes` are what was read of each listing: [`Visible::wanted`], closed up.
    ///
    /// # Errors
    /// [`Visible::errors`], and images whose repository can't have their name.
    pub fn resolve(self, nodes: &[Arc<Nodes>]) -> Result<Resolved, Diagnostics> {
        if self.is_broken() { Err(Diagnostics(self.errors())) } else { self.resolve_rest(nodes) }
    }

    /// Hashes the images that can be: all but those with something wrong, and those that are made from them.
    ///
    /// # Errors
    /// Images whose repository can't have their name.
    pub fn resolve_rest(self, nodes: &[Arc<Nodes>]) -> Result<Resolved, Diagnostics> {
        let trees = self.trees(nodes);
        let mut broken: BTreeSet<ImageName> = self.broken().keys().cloned().collect();
        let Understood { project, config: _, build_args: _, images, layers, mut chosen, prefix, notes, mut warnings } =
            self.understood;
        let (of, mut images): (Vec<ImageName>, Vec<Option<_>>) =
            images.into_iter().zip(trees).map(|((name, image), trees)| (name, Some((image, trees)))).unzip();
        let mut take = |name: &ImageName| images[of.binary_search(name).ok()?].take();
        let (mut whole, mut errors) = (Vec::with_capacity(of.len()), Vec::new());
        for (layer, names) in layers.iter().enumerate() {
            for name in names {
                let Some((understood, trees)) = take(name) else { continue };
                if understood.meaning.edges.iter().any(|edge| broken.contains(&edge.parent)) {
                    broken.insert(name.clone());
                }
                if broken.contains(name) {
                    continue;
                }
                match prefix.repository(name) {
                    Ok(repository) => whole.push(Whole { layer, repository, image: understood, trees }),
                    Err(error) => errors.push(Diagnostic::error(error.to_string())),
                }
            }
        }
        if !errors.is_empty() {
            warnings.extend(errors);
            return Err(Diagnostics(warnings));
        }
        chosen.retain(|name| !broken.contains(name));
        Ok(Resolved { project, images: hashed(whole), chosen, notes, warnings })
    }
}

fn dependencies<'a>(drafts: &'a [Box<Draft>], meanings: &'a [Meaning]) -> Dependencies<&'a ImageName> {
    let parents = |meaning: &'a Meaning| meaning.edges.iter().map(|edge| &edge.parent).collect();
    drafts.iter().zip(meanings).map(|(draft, meaning)| (&draft.inputs.name, parents(meaning))).collect()
}

/// A circle with the line that makes each of its steps.
fn circle(cycle: &Cycle<&ImageName>, drafts: &[Box<Draft>], meanings: &[Meaning]) -> Diagnostic {
    let mut diagnostic = Diagnostic::error(format!("images are made from one another in a circle: {cycle}"));
    for (image, parent) in cycle.edges() {
        let of_image = drafts.iter().zip(meanings).find(|(draft, _)| draft.inputs.name == **image);
        let edge = of_image.and_then(|(_, meaning)| meaning.edges.iter().find(|edge| edge.parent == **parent));
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

/// An image of which everything is known but its hashes.
struct Whole {
    layer: usize,
    repository: Repository,
    image: UnderstoodImage,
    trees: ImageTrees,
}

/// Hashes images, one layer after another: first what is their own, which takes most of the time.
fn hashed(images: Vec<Whole>) -> Vec<Box<Image>> {
    let own = |hashed: &mut Trees, Whole { image: UnderstoodImage { draft, meaning, .. }, trees, .. }: &Whole| {
        own(draft, &meaning.bases, trees, hashed)
    };
    let own: Vec<Fingerprint> = images.par_iter().with_min_len(BLOCK).map_init(Trees::default, own).collect();
    let (mut resolved, mut hashes) = (Vec::with_capacity(images.len()), Hashes::default());
    let mut rest = images.into_iter().zip(own).peekable();
    while let Some(layer) = rest.peek().map(|(image, _)| image.layer) {
        let of_layer: Vec<_> = std::iter::from_fn(|| rest.next_if(|(image, _)| image.layer == layer)).collect();
        let image = |(image, own)| Box::new(hashed_image(image, own, &hashes));
        let of_layer: Vec<Box<Image>> = of_layer.into_par_iter().with_min_len(BLOCK).map(image).collect();
        hashes.add(&of_layer);
        resolved.extend(of_layer);
    }
    resolved
}

/// One image, whose parents are hashed.
fn hashed_image(
    Whole { layer, repository, image, trees }: Whole,
    mut fingerprint: Fingerprint,
    hashes: &Hashes,
) -> Image {
    let UnderstoodImage { draft, meaning, wants } = image;
    let Draft { inputs, args, declared: _, syntax, instructions: _, stages: _, references: _, resolved } = *draft;
    let Meaning { references, edges, bases: _ } = meaning;
    let ImageTrees { context, mut named, injected } = trees;
    let named_folder = |(name, folder): (String, Folder)| {
        let tree = named.remove(&name).unwrap_or_default();
        (name, NamedFolder { root: folder.root, tree })
    };
    let config = inputs.config;
    let parents = edges.iter().map(|edge| edge.parent.clone()).collect();
    fingerprint.parents = hashes.of(&parents);
    let content_hash = fingerprint.content_hash();
    let (content, tested) = names(&repository, &content_hash, &inputs.test);
    Image {
        layer,
        content,
        tested,
        repository,
        testing: config.tags.testing.clone(),
        latest: config.tags.latest.clone(),
        previous: config.tags.previous.clone(),
        dockerfile: inputs.dockerfile,
        context_root: inputs.context.root,
        context,
        whole_context: match wants.own {
            Wanted::Whole(why) => Some(why),
            Wanted::Sources(_) => None,
        },
        named_contexts: inputs.named_contexts.into_iter().map(named_folder).collect(),
        injected,
        target: config.target.as_ref().map(|target| target.value.clone()),
        context_names: config.contexts.keys().cloned().collect(),
        used_args: resolved.args,
        args,
        platform: config.platform.clone(),
        secrets: config
            .secrets
            .iter()
            .map(|secret| SecretSource { id: secret.id.value.clone(), from: secret_value(&secret.from) })
            .collect(),
        references,
        remote_files: resolved.remote_files,
        repositories: resolved.repositories,
        frontend: syntax,
        git: config.git.as_ref().zip(inputs.commit).map(|(git, commit)| GitOrigin {
            remote: git.remote.value.clone(),
            reference: git.reference.value.clone(),
            commit,
        }),
        parents,
        edges,
        fingerprint,
        content_hash,
        test: inputs.test,
        timeout: config.timeout,
        retries: config.retries,
        labels: config.labels.clone(),
        name: inputs.name,
    }
}

fn secret_value(from: &SecretFrom) -> SecretValue {
    match from {
        SecretFrom::Env(name) => SecretValue::Env(name.clone()),
        SecretFrom::File(path) => SecretValue::File(path.into()),
    }
}
