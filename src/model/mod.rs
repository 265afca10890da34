//! The words of the project as types: names, digests, references, platforms, file trees and what an image's
//! test asks for. Knows nothing of files, sockets, clocks or wire formats.

mod blob;
mod digest;
mod duration;
mod git;
mod glob;
mod http;
mod listing;
mod name;
pub mod path;
mod path_patterns;
mod pattern;
mod platform;
mod reference;
mod size;
mod test_spec;
mod tree;
pub mod wildcard;

pub use blob::{BlobHasher, BlobId};
pub use digest::{ContentHash, Digest, DigestError, ImageDigest, ImageId};
pub use duration::{DurationError, format_duration, parse_duration};
pub use git::{GitAddress, GitCommit, GitNameError, GitPin, GitRef, GitRemote};
pub use http::{HttpUrl, HttpUrlError};
pub use listing::{Listing, Ranges, Refusal, Sight};
pub use name::{ContainerName, ImageName, NameError, ProjectName};
pub use path_patterns::{MatchedAbove, PathPatterns};
pub use pattern::{Pattern, PatternError};
pub use platform::{Platform, PlatformError};
pub use reference::{Reference, ReferenceError, Repository, RepositoryPrefix, Tag};
pub use size::{format_size, parse_size};
pub use test_spec::{
    CommandTest, ContainerOptions, Environment, ExecutableBy, FileContentTest, FileExistenceTest, LicenseTest,
    MetadataTest, StreamMatch, TestSpec, ValueMatch,
};
pub use tree::{InjectedFile, Node, Nodes, Tree, TreePath, TreePathError};

/// The label under which an image carries its [`ContentHash`].
pub const LABEL_CONTENT_HASH: &str = "dev.windlass.content-hash";
/// The label under which an image carries the revision of its source (OCI image specification, "Pre-Defined Annotation
/// Keys").
pub const LABEL_REVISION: &str = "org.opencontainers.image.revision";
/// The label under which an image carries its [`ImageName`].
pub const LABEL_IMAGE: &str = "dev.windlass.image";
/// The label under which an image carries the fingerprint that its content hash was made of.
pub const LABEL_FINGERPRINT: &str = "dev.windlass.fingerprint";
