//! Decides what is built, in which order and why. Pure: everything that it needs is handed to it.
//!
//! Two steps, because what is already there can only be looked up once the content hashes are known:
//! [`resolve()`] makes [`Resolved`] of what was read, then [`decide()`] makes a [`Plan`] of it and of what was [`Known`].

mod bases;
mod decide;
mod draft;
mod fingerprint;
mod image;
mod meaning;
mod names;
mod prefix;
mod resolve;
mod select;
mod shard;

pub use crate::hash::{BaseId, Reason};
pub use bases::{KnownBase, MovingBase};
pub use decide::{Known, KnownImage, Labelled, Lookup, Plan, PlannedImage, Verdict, decide};
pub use draft::{ImageInputs, Inputs};
pub use image::{Edge, EdgeKind, Image, NamedFolder, PinTo, PinnedReference, Resolved, SecretSource, SecretValue};
pub use resolve::resolve;
pub use shard::{Job, Jobs, Packing, jobs};
