//! What an image wants of its contexts, as far as its Dockerfile tells before any folder was looked at.

use std::fmt;

use crate::diag::Location;
use crate::dockerfile::{ContextSource, SourceKind};
use crate::model::ImageName;

use super::draft::Draft;
use super::image::EdgeKind;
use super::meaning::Meaning;

/// What an image wants of one context.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Wanted {
    /// All of it, because nobody can tell before the build what is read.
    Whole(WhyWhole),
    /// What these instructions read; they may name all of it, too.
    Sources(Vec<ContextSource>),
}

impl Wanted {
    /// Whether nothing of the context is looked at.
    pub(super) fn is_nothing(&self) -> bool {
        matches!(self, Self::Sources(sources) if sources.is_empty())
    }
}

/// Why it is not known what of a context an image reads.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum WhyWhole {
    /// The path of a source depends on what only the base image can tell.
    UnknownSource {
        /// The path, as far as it is known.
        path: String,
        /// Where it is written.
        location: Location,
    },
    /// A frontend of others reads the Dockerfile, and may read anything else.
    Frontend {
        /// As the Dockerfile names it.
        syntax: String,
    },
    /// It is built on an image that leaves it `ONBUILD` instructions which read its context.
    Triggers {
        /// The image of the project that does.
        parent: ImageName,
        /// Where it is named.
        location: Location,
    },
    /// It is built on an image of others which by its name leaves it `ONBUILD` instructions.
    TriggersOutside {
        /// As the Dockerfile names it.
        reference: String,
        /// Where it is named.
        location: Location,
    },
    /// It is built on the folder.
    Base {
        /// Where it is named.
        location: Location,
    },
}

impl WhyWhole {
    /// Where the Dockerfile says so.
    pub fn location(&self) -> Option<&Location> {
        match self {
            Self::UnknownSource { location, .. }
            | Self::Triggers { location, .. }
            | Self::TriggersOutside { location, .. }
            | Self::Base { location } => Some(location),
            Self::Frontend { .. } => None,
        }
    }
}

impl fmt::Display for WhyWhole {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::UnknownSource { path, location } => {
                write!(f, "the source `{path}` in {location} is not known before the build")
            }
            Self::Frontend { syntax } => write!(f, "the frontend `{syntax}` may read anything"),
            Self::Triggers { parent, location } => {
                write!(f, "the image `{parent}`, named in {location}, has `ONBUILD` instructions that read the context")
            }
            Self::TriggersOutside { reference, location } => {
                write!(f, "`{reference}` in {location} likely has `ONBUILD` instructions that read the context")
            }
            Self::Base { location } => write!(f, "{location} is built on it"),
        }
    }
}

/// What an image wants of its own context. `leaves_triggers` tells of an image of the project whether its `ONBUILD`
/// instructions read the context of those built on it.
pub(super) fn of_own_context(draft: &Draft, meaning: &Meaning, leaves_triggers: impl Fn(&ImageName) -> bool) -> Wanted {
    let foreign = draft.syntax.as_ref().filter(|syntax| !is_dockers(syntax));
    if let Some(syntax) = foreign {
        return Wanted::Whole(WhyWhole::Frontend { syntax: syntax.clone() });
    }
    let builds_on = [EdgeKind::From, EdgeKind::NamedContext];
    let parent = meaning.edges.iter().find(|edge| builds_on.contains(&edge.kind) && leaves_triggers(&edge.parent));
    if let Some(edge) = parent {
        let (parent, location) = (edge.parent.clone(), edge.location.clone());
        return Wanted::Whole(WhyWhole::Triggers { parent, location });
    }
    let location = |span| Location::new(&draft.inputs.dockerfile, span);
    let of_others = meaning.references.iter().find_map(|reference| match &reference.to {
        super::PinTo::External { name, .. } if name.to_string().contains("onbuild") => Some((name, reference.span)),
        super::PinTo::External { .. } | super::PinTo::Parent(_) => None,
    });
    if let Some((reference, span)) = of_others {
        let (reference, location) = (reference.to_string(), location(span));
        return Wanted::Whole(WhyWhole::TriggersOutside { reference, location });
    }
    of_sources(draft, None)
}

/// What an image wants of a folder that it gives a name.
pub(super) fn of_named_context(draft: &Draft, name: &str) -> Wanted {
    let edges = &draft.resolved.edges;
    let base = edges.iter().find(|edge| edge.reference == name && edge.kind == crate::dockerfile::EdgeKind::From);
    match base {
        Some(edge) => Wanted::Whole(WhyWhole::Base { location: Location::new(&draft.inputs.dockerfile, edge.span) }),
        None => of_sources(draft, Some(name)),
    }
}

fn of_sources(draft: &Draft, context: Option<&str>) -> Wanted {
    let sources = || draft.resolved.sources.iter().filter(|source| source.context.as_deref() == context);
    let unknown = sources().find_map(|source| match &source.what {
        SourceKind::UnknownPath(path) => Some((path, source.span)),
        SourceKind::Path(_) | SourceKind::Remote(_) | SourceKind::Inline(_) => None,
    });
    match unknown {
        Some((path, span)) => {
            let location = Location::new(&draft.inputs.dockerfile, span);
            Wanted::Whole(WhyWhole::UnknownSource { path: path.clone(), location })
        }
        None => {
            // Thousands of these are kept, so that room for more would be much.
            let mut wanted = Vec::with_capacity(sources().count());
            wanted.extend(sources().cloned());
            Wanted::Sources(wanted)
        }
    }
}

/// Whether a frontend is Docker's own, or a copy of it: what that reads of the context is known.
fn is_dockers(syntax: &str) -> bool {
    let name = syntax.rsplit('/').next().unwrap_or_default();
    name.starts_with("dockerfile")
}
