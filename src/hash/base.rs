//! What stands behind the name of an image of others.

use std::fmt;
use std::str::FromStr;

use crate::model::{DigestError, ImageDigest, ImageId};

/// The image that a name of others stands for, in the terms of whoever tells it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum BaseId {
    /// What registries serve it by: the digest of its index, or of its manifest where there is no index.
    Registry(ImageDigest),
    /// What an engine knows it by: it came from no registry.
    Engine(ImageId),
}

/// What stands before an engine's id, which looks like a digest otherwise.
const OF_ENGINE: &str = "image:";

impl BaseId {
    /// The bytes that are hashed: those of the one are never those of the other.
    pub(super) fn hashed(&self) -> Vec<u8> {
        match self {
            Self::Registry(digest) => digest.digest().as_bytes().to_vec(),
            Self::Engine(id) => [OF_ENGINE.as_bytes(), id.digest().as_bytes()].concat(),
        }
    }
}

impl fmt::Display for BaseId {
    /// `sha256:…` of a registry, `image:sha256:…` of an engine.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Registry(digest) => write!(f, "{digest}"),
            Self::Engine(id) => write!(f, "{OF_ENGINE}{id}"),
        }
    }
}

impl FromStr for BaseId {
    type Err = DigestError;

    fn from_str(text: &str) -> Result<Self, DigestError> {
        match text.strip_prefix(OF_ENGINE) {
            Some(id) => id.parse().map(Self::Engine),
            None => text.parse().map(Self::Registry),
        }
    }
}
