//! What the references of a Dockerfile stand for: images of the project, folders, images of others.

use std::collections::{BTreeMap, BTreeSet};

use rayon::prelude::*;

use crate::config::{Config, NamedContext};
use crate::diag::{Diagnostic, Location, did_you_mean};
use crate::dockerfile;
use crate::model::{ImageName, Reference, ReferenceError, RepositoryPrefix};

use super::draft::Draft;
use super::image::{Edge, EdgeKind, PinTo, PinnedReference};
use super::names::Names;

/// So many images are told by name in one note, and the others counted; arbitrary.
const NAMED_AT_MOST: usize = 10;

/// So many images are understood by one thread at least: there is little to each.
const BLOCK: usize = 64;

/// What the references of one image stand for.
#[derive(Debug, Default)]
pub(super) struct Meaning {
    pub(super) references: Vec<PinnedReference>,
    pub(super) edges: Vec<Edge>,
    /// The images of others, as they are written.
    pub(super) bases: BTreeSet<Reference>,
}

/// Understands references, and gathers what is to be said of them.
pub(super) struct Reader<'a> {
    pub(super) config: &'a Config,
    pub(super) names: &'a Names,
    pub(super) prefix: &'a RepositoryPrefix,
    /// Whether the configuration or references say the prefix: then it stands before every name that means an image of
    /// the project.
    pub(super) has_registry: bool,
    pub(super) heard: Heard,
}

/// What is to be said of references.
#[derive(Debug, Default)]
pub(super) struct Heard {
    /// The bare names that were taken for images of the project, each with its places.
    bare: BTreeMap<String, Vec<Location>>,
    /// The bare names that images of the project have and that were taken for Docker Hub's, each with its places.
    others: BTreeMap<Reference, Vec<Location>>,
    /// What stands below the project's registry and is no image of it, with the name there and its places.
    unknown: BTreeMap<Reference, (ImageName, Vec<Location>)>,
    pub(super) diagnostics: Vec<Diagnostic>,
}

impl Heard {
    /// Adds what was heard of images after these.
    fn append(&mut self, Self { bare, others, unknown, diagnostics }: Self) {
        for (name, places) in bare {
            self.bare.entry(name).or_default().extend(places);
        }
        for (reference, places) in others {
            self.others.entry(reference).or_default().extend(places);
        }
        for (reference, (name, places)) in unknown {
            self.unknown.entry(reference).or_insert_with(|| (name, Vec::new())).1.extend(places);
        }
        self.diagnostics.extend(diagnostics);
    }
}

impl Reader<'_> {
    /// Understands all references of images, several images at a time.
    pub(super) fn read_all(&mut self, drafts: &[Box<Draft>]) -> Vec<Meaning> {
        let &mut Self { config, names, prefix, has_registry, heard: _ } = self;
        let read = |drafts: &[Box<Draft>]| {
            let mut reader = Reader { config, names, prefix, has_registry, heard: Heard::default() };
            let meanings: Vec<Meaning> = drafts.iter().map(|draft| reader.read(draft)).collect();
            (meanings, reader.heard)
        };
        let read: Vec<_> = drafts.par_chunks(BLOCK).map(read).collect();
        let mut all = Vec::with_capacity(drafts.len());
        for (meanings, heard) in read {
            all.extend(meanings);
            self.heard.append(heard);
        }
        all
    }

    /// Understands all references of an image.
    fn read(&mut self, draft: &Draft) -> Meaning {
        let n_edges = draft.resolved.edges.len();
        let mut meaning = Meaning {
            references: Vec::with_capacity(n_edges),
            edges: Vec::with_capacity(n_edges),
            bases: BTreeSet::new(),
        };
        for (edge, reference) in draft.edges() {
            self.reference(draft, edge, reference, &mut meaning);
        }
        for needed in &draft.inputs.config.needs {
            let location = Location::new(&self.config.source, needed.span);
            if self.exists(&needed.value, &location, "`needs`") {
                meaning.edges.push(Edge { parent: needed.value.clone(), kind: EdgeKind::Needs, location });
            }
        }
        meaning
    }

    fn reference(
        &mut self,
        draft: &Draft,
        edge: &dockerfile::Edge,
        reference: &Result<Reference, ReferenceError>,
        meaning: &mut Meaning,
    ) {
        let location = Location::new(&draft.inputs.dockerfile, edge.span);
        let context = draft.inputs.config.contexts.get(&edge.reference);
        let (parent, kind) = match context.map(|context| (&context.value, context.span)) {
            Some((NamedContext::Folder(_), _)) => return,
            Some((NamedContext::Image(name), span)) => {
                let place = Location::new(&self.config.source, span);
                if !self.exists(name, &place, "a named context") {
                    return;
                }
                (name.clone(), EdgeKind::NamedContext)
            }
            None => match reference {
                Ok(reference) => match self.parent(draft, reference, &location) {
                    Some(parent) => (parent, kind(edge.kind)),
                    None => {
                        let to = PinTo::External { name: reference.clone(), digest: None };
                        meaning.references.push(PinnedReference {
                            span: edge.span,
                            platform: edge.platform.clone(),
                            to,
                        });
                        meaning.bases.insert(reference.clone());
                        return;
                    }
                },
                Err(error) => return self.refuse(draft, &edge.reference, &error.to_string(), &location),
            },
        };
        meaning.references.push(PinnedReference {
            span: edge.span,
            platform: edge.platform.clone(),
            to: PinTo::Parent(parent.clone()),
        });
        let edge = Edge { parent, kind, location };
        if !meaning.edges.contains(&edge) {
            meaning.edges.push(edge);
        }
    }

    /// The image of the project that a reference names.
    fn parent(&mut self, draft: &Draft, reference: &Reference, location: &Location) -> Option<ImageName> {
        // Whoever writes a digest means that very image, and not what becomes of it.
        if reference.digest().is_some() {
            return None;
        }
        if let Some(path) = self.prefix.image_of(reference.repository()) {
            let meant = self.names.find(&path, reference.tag());
            // What is only like its name is another image, which this one takes after.
            let meant = meant.filter(|name| **name != draft.inputs.name || **name == path);
            if meant.is_none() && !self.names.has(&path) {
                self.heard
                    .unknown
                    .entry(reference.clone())
                    .or_insert_with(|| (path, Vec::new()))
                    .1
                    .push(location.clone());
            }
            return meant.cloned();
        }
        self.bare_parent(draft, reference, location)
    }

    /// The image that a name without any registry means, which could be one of Docker Hub's official images. It can't
    /// where the project has a registry, where it would be the image itself, and where its tag is none of ours.
    fn bare_parent(&mut self, draft: &Draft, reference: &Reference, location: &Location) -> Option<ImageName> {
        let text = reference.repository().to_string();
        let name = text.parse::<ImageName>().ok().filter(|name| !text.contains('/') && self.names.has(name))?;
        if name == draft.inputs.name {
            return None;
        }
        let tags = &draft.inputs.config.tags;
        let ours = [&tags.latest, &tags.testing, &tags.previous];
        let is_ours = reference.tag().is_none_or(|tag| tag.as_str() == "latest" || ours.contains(&tag));
        if self.has_registry || !is_ours {
            // Below a registry of its own the project's image is not called so, and a tag of others says it twice.
            if !self.has_registry || is_ours {
                self.heard.others.entry(reference.clone()).or_default().push(location.clone());
            }
            return None;
        }
        self.heard.bare.entry(text).or_default().push(location.clone());
        Some(name)
    }

    fn exists(&mut self, name: &ImageName, location: &Location, by: &str) -> bool {
        let exists = self.names.has(name);
        if !exists {
            let message = format!("{by} names the image `{name}`, which the project does not have");
            let error = Diagnostic::error(message).at(&location.source, location.span, "");
            self.heard.diagnostics.push(match self.names.nearest(name.as_str()) {
                Some(meant) => error.hint(format!("did you mean `{meant}`?")),
                None => error,
            });
        }
        exists
    }

    fn refuse(&mut self, draft: &Draft, reference: &str, why: &str, location: &Location) {
        let error = Diagnostic::error(why).at(&location.source, location.span, "");
        let stages = draft.stages.iter().map(String::as_str);
        let meant = did_you_mean(reference, stages.chain(draft.inputs.config.contexts.keys().map(String::as_str)));
        self.heard.diagnostics.push(match meant {
            Some(meant) => error.hint(format!("did you mean `{meant}`?")),
            None => error,
        });
    }

    /// What was assumed, in words.
    pub(super) fn notes(&mut self) -> Vec<String> {
        let mut notes = Vec::new();
        let names: Vec<String> = self.heard.bare.keys().map(|name| format!("`{name}`")).collect();
        let what = match names.split_last() {
            None => None,
            Some((name, [])) => Some(format!("{name} is taken for the project's image")),
            Some((_, others)) if others.len() >= NAMED_AT_MOST => {
                let (named, more) = (names[..NAMED_AT_MOST].join(", "), names.len() - NAMED_AT_MOST);
                Some(format!("{named} and {more} more are taken for the project's images"))
            }
            Some((last, others)) => {
                Some(format!("{} and {last} are taken for the project's images", others.join(", ")))
            }
        };
        let places: Vec<&Location> = self.heard.bare.values().flatten().collect();
        notes.extend(what.map(|what| format!("{what}, not for Docker Hub's: {}", first_of(&places))));
        for (reference, places) in &self.heard.others {
            let places = first_of(&places.iter().collect::<Vec<_>>());
            let name = format!("{}/{}", self.prefix, reference.repository());
            notes.push(format!("`{reference}` is taken for Docker Hub's, not for the project's `{name}`: {places}"));
        }
        notes
    }

    /// Warns of names below the project's own registry that are almost the name of an image.
    pub(super) fn warn_of_unknown(&mut self) {
        for (reference, (name, places)) in std::mem::take(&mut self.heard.unknown) {
            let Some(meant) = self.names.nearest(name.as_str()).filter(|_| !self.names.has_tags_of(&name)) else {
                continue;
            };
            let message = format!(
                "`{reference}` stands below the project's registry, but the project has no image `{name}`{}",
                and_more(&places)
            );
            let place = places.first().expect("what was named has a place");
            let warning = Diagnostic::warning(message).at(&place.source, place.span, "");
            self.heard.diagnostics.push(warning.hint(format!("did you mean `{}/{meant}`?", self.prefix)));
        }
    }

    /// Warns where names without the registry that the configuration gives mean images of others.
    pub(super) fn warn_of_others(&mut self) {
        let Some(registry) = &self.config.registry else { return };
        for (reference, places) in std::mem::take(&mut self.heard.others) {
            let ours = format!("{}/{}", registry.value, reference.repository());
            let message = format!(
                "`{reference}` is Docker Hub's: the project's image `{}` is `{ours}`{}",
                reference.repository(),
                and_more(&places)
            );
            let place = places.first().expect("what was taken for something has a place");
            let warning = Diagnostic::warning(message).at(&place.source, place.span, "");
            self.heard.diagnostics.push(warning.hint(format!("write `{ours}` to build on the project's image")));
        }
    }
}

/// How often something stands elsewhere.
fn and_more(places: &[Location]) -> String {
    match places.len() - 1 {
        0 => String::new(),
        1 => " (and once more)".to_owned(),
        more => format!(" (and {more} times more)"),
    }
}

fn first_of(places: &[&Location]) -> String {
    let first = places.first().expect("what was taken for something has a place");
    if places.len() > 1 { format!("{first} and {} more", places.len() - 1) } else { first.to_string() }
}

fn kind(kind: dockerfile::EdgeKind) -> EdgeKind {
    match kind {
        dockerfile::EdgeKind::From => EdgeKind::From,
        dockerfile::EdgeKind::CopyFrom => EdgeKind::CopyFrom,
        dockerfile::EdgeKind::MountFrom => EdgeKind::Mount,
    }
}
