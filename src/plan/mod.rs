//! Decides what is built, in which order and why. Pure: everything that it needs is handed to it.
//!
//! In steps, because each needs what only the one before it lets somebody look up. [`understand()`] reads the Dockerfiles:
//! then it is known which folders are worth listing. [`Understood::look`] says which of their files any image can see:
//! those are read. [`Visible::resolve`] hashes them: then it can be looked up what is there already, and [`decide()`]
//! makes a [`Plan`]. What is not chosen is left after the first step ([`Understood::choose`]): nothing of its files
//! is looked at, so that nothing that is wrong with them concerns the others.

mod bases;
mod decide;
mod draft;
mod facts;
mod fingerprint;
mod image;
mod meaning;
mod names;
mod pick;
mod prefix;
mod resolve;
mod select;
mod shard;
mod visible;
mod wanted;
mod why;

pub use crate::hash::{BaseId, Reason};
pub use bases::{KnownBase, MovingBase, MovingFile, MovingRef};
pub use decide::{Known, KnownImage, Labelled, Lookup, Plan, PlannedImage, Verdict, decide};
pub use draft::{Folder, ImageInputs, Inputs};
pub use facts::{Details, Facts, InstructionFact, Listing, is_secretive};
pub use image::{
    Edge, EdgeKind, GitOrigin, Image, NamedFolder, Outline, PinTo, PinnedReference, Resolved, SecretSource, SecretValue,
};
pub use resolve::{Understood, understand};
pub use select::Choice;
pub use shard::{Job, Jobs, Packing, jobs};
pub use visible::Visible;
pub use wanted::WhyWhole;
pub use why::{ArgValue, Change, Explained, How, why};
