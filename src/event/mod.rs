//! Facts about a run, for whoever shows them. Nothing here knows a terminal, and events carry no time: who shows
//! them looks at its own clock.

use crate::model::{ContainerName, Digest, ImageDigest, ImageName, Reference};

/// What is being done to an image.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Phase {
    /// It is being built.
    Build,
    /// It is being tested.
    Test,
    /// It is being pushed.
    Push,
}

/// Which stream a line came from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Stream {
    /// Standard output.
    Stdout,
    /// Standard error.
    Stderr,
}

/// Why work on an image failed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Failure {
    /// What was being done.
    pub phase: Phase,
    /// What went wrong, in one line.
    pub message: String,
    /// The Dockerfile, relative to the project's root, with its line from 1 where it is known.
    pub place: Option<(String, Option<usize>)>,
    /// How to mend it, where that is known.
    pub hint: Option<String>,
}

/// How work on an image ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Outcome {
    /// It was there already, tested.
    Unchanged,
    /// It was built, and passed its tests.
    Built,
    /// It failed.
    Failed(Failure),
    /// It was not tried, because these parents failed.
    Blocked(Vec<ImageName>),
}

/// One fact.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Event {
    /// A phase of work on an image began.
    Started {
        /// The image.
        image: ImageName,
        /// What began.
        phase: Phase,
    },
    /// The builder came to an instruction, counted from 1.
    Step {
        /// The image.
        image: ImageName,
        /// Which instruction, where the builder numbers them.
        number: Option<(usize, usize)>,
        /// The instruction as the builder names it.
        name: String,
        /// Whether its result was in the builder's cache.
        cached: bool,
    },
    /// A line of output, without its line end.
    Output {
        /// The image.
        image: ImageName,
        /// From where.
        stream: Stream,
        /// The line; what is not UTF-8 in it was replaced.
        line: String,
    },
    /// A single test ended.
    Tested {
        /// The image.
        image: ImageName,
        /// The test's name.
        test: String,
        /// Nothing where it passed, else why it failed.
        failure: Option<String>,
    },
    /// The container of a failed test is kept for inspection.
    Kept {
        /// The image.
        image: ImageName,
        /// The container's name on the engine.
        container: String,
    },
    /// Work on an image ended.
    Finished {
        /// The image.
        image: ImageName,
        /// How.
        outcome: Outcome,
    },
    /// A manifest reached a registry.
    Pushed {
        /// The image.
        image: ImageName,
        /// Under which reference.
        reference: Reference,
        /// The manifest's digest.
        digest: ImageDigest,
    },
    /// A channel now names another image.
    Promoted {
        /// The image.
        image: ImageName,
        /// The channel's reference.
        reference: Reference,
        /// What it names now: an image id on an engine, a manifest's digest in a registry.
        to: Digest,
    },
    /// A refusing world is asked again.
    Retrying {
        /// What is tried.
        what: String,
        /// Why it has to be.
        why: String,
        /// Which try comes next, from 2.
        attempt: u32,
    },
    /// A step of `apply` began.
    Applying {
        /// The container.
        container: ContainerName,
        /// What is done.
        action: String,
        /// Why.
        cause: String,
        /// Whether something on the host changes by it; else it is a wait.
        is_change: bool,
    },
    /// A thing worth saying that fails nothing.
    Warning(String),
    /// A thing worth saying.
    Note(String),
}

/// Takes events. Called from any task, so it must not block for long.
pub trait Sink: Send + Sync {
    /// Takes one event.
    fn send(&self, event: Event);
}

/// Drops every event.
#[derive(Debug, Clone, Copy, Default)]
pub struct NoSink;

impl Sink for NoSink {
    fn send(&self, _event: Event) {}
}
