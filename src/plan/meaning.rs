//! What the references of a Dockerfile stand for: images of the project, folders, images of others.

use std::collections::{BTreeMap, BTreeSet};

use crate::config::{Config, NamedContext};
use crate::diag::{Diagnostic, Location, did_you_mean};
use crate::dockerfile;
use crate::model::{ImageName, Reference, RepositoryPrefix};

use super::draft::Draft;
use super::image::{Edge, EdgeKind, PinTo, PinnedReference};

/// What the references of one image stand for.
#[derive(Default)]
pub(super) struct Meaning {
    pub(super) references: Vec<PinnedReference>,
    pub(super) edges: Vec<Edge>,
    /// The images of others, as they are written.
    pub(super) bases: BTreeSet<Reference>,
}

/// Understands references, and gathers what is to be said of them.
pub(super) struct Reader<'a> {
    pub(super) config: &'a Config,
    pub(super) names: &'a BTreeSet<ImageName>,
    pub(super) prefix: &'a RepositoryPrefix,
    /// The bare names that were taken for images of the project, each with its places.
    pub(super) bare: BTreeMap<String, Vec<Location>>,
    pub(super) notes: Vec<String>,
    pub(super) diagnostics: &'a mut Vec<Diagnostic>,
}

impl Reader<'_> {
    /// Understands all references of an image.
    pub(super) fn read(&mut self, draft: &Draft) -> Meaning {
        let mut meaning = Meaning::default();
        for edge in &draft.resolved.edges {
            self.reference(draft, edge, &mut meaning);
        }
        for needed in &draft.inputs.config.needs {
            let location = Location::new(&self.config.source, needed.span);
            if self.exists(&needed.value, &location, "`needs`") {
                meaning.edges.push(Edge { parent: needed.value.clone(), kind: EdgeKind::Needs, location });
            }
        }
        meaning
    }

    fn reference(&mut self, draft: &Draft, edge: &dockerfile::Edge, meaning: &mut Meaning) {
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
            None => match edge.reference.parse::<Reference>() {
                Ok(reference) => match self.parent(draft, &reference, &location) {
                    Some(parent) => (parent, kind(edge.kind)),
                    None => {
                        meaning
                            .references
                            .push(PinnedReference { span: edge.span, to: PinTo::External(reference.clone()) });
                        meaning.bases.insert(reference);
                        return;
                    }
                },
                Err(error) => return self.refuse(draft, &edge.reference, &error.to_string(), &location),
            },
        };
        meaning.references.push(PinnedReference { span: edge.span, to: PinTo::Parent(parent.clone()) });
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
        if let Some(name) = self.prefix.image_of(reference.repository()) {
            if self.names.contains(&name) {
                return Some(name);
            }
            self.suspect_misspelt(&name, reference, location);
            return None;
        }
        self.bare_parent(draft, reference, location)
    }

    /// The image that a name without any registry means, which could be one of Docker Hub's official images. It can't
    /// where the project has a registry, where it would be the image itself, and where its tag is none of ours.
    fn bare_parent(&mut self, draft: &Draft, reference: &Reference, location: &Location) -> Option<ImageName> {
        let text = reference.repository().to_string();
        let name = text.parse::<ImageName>().ok().filter(|name| !text.contains('/') && self.names.contains(name))?;
        if name == draft.inputs.name {
            return None;
        }
        let tags = &draft.inputs.config.tags;
        let ours = [&tags.latest, &tags.testing, &tags.previous];
        if !reference.tag().is_none_or(|tag| tag.as_str() == "latest" || ours.contains(&tag)) {
            self.notes
                .push(format!("`{reference}` in {location} is taken for Docker Hub's, not for the image `{name}`"));
            return None;
        }
        if let Some(registry) = &self.config.registry {
            let ours = format!("{}/{name}", registry.value);
            let message = format!("`{reference}` is Docker Hub's: the project's image `{name}` is `{ours}`");
            let warning = Diagnostic::warning(message).at(&location.source, location.span, "");
            self.diagnostics.push(warning.hint(format!("write `{ours}` to build on the project's image")));
            return None;
        }
        self.bare.entry(text).or_default().push(location.clone());
        Some(name)
    }

    /// Warns of a name below the project's own registry that is almost the name of an image.
    fn suspect_misspelt(&mut self, name: &ImageName, reference: &Reference, location: &Location) {
        if let Some(meant) = self.nearest(name.as_str()) {
            let message =
                format!("`{reference}` stands below the project's registry, but the project has no image `{name}`");
            let warning = Diagnostic::warning(message).at(&location.source, location.span, "");
            self.diagnostics.push(warning.hint(format!("did you mean `{}/{meant}`?", self.prefix)));
        }
    }

    fn exists(&mut self, name: &ImageName, location: &Location, by: &str) -> bool {
        let exists = self.names.contains(name);
        if !exists {
            let message = format!("{by} names the image `{name}`, which the project does not have");
            let error = Diagnostic::error(message).at(&location.source, location.span, "");
            self.diagnostics.push(match self.nearest(name.as_str()) {
                Some(meant) => error.hint(format!("did you mean `{meant}`?")),
                None => error,
            });
        }
        exists
    }

    fn refuse(&mut self, draft: &Draft, reference: &str, why: &str, location: &Location) {
        let error = Diagnostic::error(why).at(&location.source, location.span, "");
        let stages = draft.resolved.stages.iter().filter_map(|stage| stage.name.as_deref());
        let meant = did_you_mean(reference, stages.chain(draft.inputs.config.contexts.keys().map(String::as_str)));
        self.diagnostics.push(match meant {
            Some(meant) => error.hint(format!("did you mean `{meant}`?")),
            None => error,
        });
    }

    fn nearest(&self, name: &str) -> Option<&str> {
        did_you_mean(name, self.names.iter().map(ImageName::as_str))
    }

    /// What was assumed, in words.
    pub(super) fn notes(&mut self) -> Vec<String> {
        let mut notes = std::mem::take(&mut self.notes);
        let names: Vec<String> = self.bare.keys().map(|name| format!("`{name}`")).collect();
        let what = match names.split_last() {
            None => return notes,
            Some((name, [])) => format!("{name} is taken for the project's image"),
            Some((last, others)) => format!("{} and {last} are taken for the project's images", others.join(", ")),
        };
        let n_places = self.bare.values().map(Vec::len).sum::<usize>();
        let place = self.bare.values().flatten().next().expect("a name has a place");
        let more = if n_places > 1 { format!(" and {} more", n_places - 1) } else { String::new() };
        notes.push(format!("{what}, not for Docker Hub's: {place}{more}"));
        notes
    }
}

fn kind(kind: dockerfile::EdgeKind) -> EdgeKind {
    match kind {
        dockerfile::EdgeKind::From => EdgeKind::From,
        dockerfile::EdgeKind::CopyFrom => EdgeKind::CopyFrom,
        dockerfile::EdgeKind::MountFrom => EdgeKind::Mount,
    }
}
