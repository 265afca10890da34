//! The engine that was chosen when the program started.

use std::time::Duration;

use super::docker::DockerEngine;
use super::embedded::EmbeddedEngine;
use super::{BuildRequest, BuiltImage, Engine, Error, StoredImage, TestVerdict};
use crate::event::Sink;
use crate::model::{ImageDigest, ImageId, ImageName, Reference, TestSpec};

/// One of the engines.
#[derive(Debug)]
pub enum AnyEngine {
    /// Docker's or Podman's, behind a socket.
    Docker(Box<DockerEngine>),
    /// The one in the program itself.
    Embedded(EmbeddedEngine),
}

/// Asks the one that it is.
macro_rules! ask {
    ($engine:expr, $name:ident($($argument:expr),*)) => {
        match $engine {
            AnyEngine::Docker(engine) => engine.$name($($argument),*).await,
            AnyEngine::Embedded(engine) => engine.$name($($argument),*).await,
        }
    };
}

impl Engine for AnyEngine {
    fn takes_checksums(&self, frontend: Option<&str>) -> bool {
        match self {
            Self::Docker(engine) => engine.takes_checksums(frontend),
            Self::Embedded(engine) => engine.takes_checksums(frontend),
        }
    }

    async fn build(&self, request: &BuildRequest<'_>, events: &dyn Sink) -> Result<BuiltImage, Error> {
        ask!(self, build(request, events))
    }

    async fn test(
        &self,
        image: &BuiltImage,
        spec: &TestSpec,
        timeout: Duration,
        events: &dyn Sink,
    ) -> Result<TestVerdict, Error> {
        ask!(self, test(image, spec, timeout, events))
    }

    async fn has_no_names(&self) -> Result<bool, Error> {
        ask!(self, has_no_names())
    }

    async fn find(&self, reference: &Reference) -> Result<Option<StoredImage>, Error> {
        ask!(self, find(reference))
    }

    async fn tag(&self, id: &ImageId, reference: &Reference) -> Result<(), Error> {
        ask!(self, tag(id, reference))
    }

    async fn untag(&self, reference: &Reference) -> Result<(), Error> {
        ask!(self, untag(reference))
    }

    async fn pull(&self, reference: &Reference, events: &dyn Sink) -> Result<StoredImage, Error> {
        ask!(self, pull(reference, events))
    }

    async fn push(&self, image: &ImageName, reference: &Reference, events: &dyn Sink) -> Result<ImageDigest, Error> {
        ask!(self, push(image, reference, events))
    }

    async fn clean_up(&self) -> Result<(), Error> {
        ask!(self, clean_up())
    }
}
