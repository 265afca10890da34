//! Fingerprints, content hashes, and why two fingerprints differ. Values in, values out: what is hashed was read
//! by others.

mod base;
mod feed;
mod files;
mod fingerprint;
mod label;
mod reason;
mod trees;

pub use base::BaseId;
pub use files::{argument, injected, instructions, tests};
pub use fingerprint::{Fingerprint, InputHash};
pub use reason::Reason;
pub use trees::{Trees, entry};

/// The version of everything that is hashed: it is hashed too, and it begins the label. Another meaning of any
/// field, another order or another framing needs another number.
pub const SCHEMA: u32 = 2;
