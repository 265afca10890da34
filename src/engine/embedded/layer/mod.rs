//! Layers: a folder in the form of overlayfs's upper directories on one side, a compressed tar archive on the other
//! (OCI image specification, "Image Layer Filesystem Changeset").
//!
//! In a folder, a character device 0:0 says that a name is gone from the layers below, and the attribute
//! [`Overlay::opaque`] of a directory that nothing of them shows through it. In the archive that is `.wh.NAME`, and
//! `.wh..wh..opq` in the directory.

mod apply;
mod archive;
mod gzip;
mod header;
pub(in crate::engine::embedded) mod text;
mod uncompressed;
mod walk;

mod write;

use std::path::Path;

use serde::{Deserialize, Serialize};

pub use apply::{Limits, apply};
pub use archive::{Archive, Entry, EntryKind};
pub(in crate::engine::embedded) use header::of_file as header_of_file;
pub use uncompressed::Uncompressed;

pub use write::write;

use crate::model::Digest;

/// Whose attributes say that a directory is opaque.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Overlay {
    /// `trusted.overlay.opaque`: mounts of the machine's root.
    Trusted,
    /// `user.overlay.opaque`: mounts in a user namespace with `userxattr`, and folders that are only copied.
    User,
}

impl Overlay {
    /// The attribute that is `y` on a directory through which nothing of the layers below shows.
    pub const fn opaque(self) -> &'static str {
        match self {
            Self::Trusted => "trusted.overlay.opaque",
            Self::User => "user.overlay.opaque",
        }
    }
}

/// The attribute that is `y` on an empty file which says that what is below the layer is gone. Where it can, the device
/// 0:0 says that; an overlay lets nobody make that one, and folders in it are only copied.
pub(in crate::engine::embedded) const GONE: &str = "user.overlay.whiteout";

/// How a layer's blob is packed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub enum MediaType {
    /// A tar archive as it is.
    #[serde(rename = "application/vnd.oci.image.layer.v1.tar")]
    Tar,
    /// Compressed with gzip (RFC 1952).
    #[serde(rename = "application/vnd.oci.image.layer.v1.tar+gzip")]
    Gzip,
    /// Compressed with zstd (RFC 8878).
    #[serde(rename = "application/vnd.oci.image.layer.v1.tar+zstd")]
    Zstd,
}

impl MediaType {
    /// As it is written in manifests.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Tar => "application/vnd.oci.image.layer.v1.tar",
            Self::Gzip => "application/vnd.oci.image.layer.v1.tar+gzip",
            Self::Zstd => "application/vnd.oci.image.layer.v1.tar+zstd",
        }
    }

    /// As it is written in Docker's manifests ("Image Manifest Version 2, Schema 2"; the last one is BuildKit's).
    pub const fn as_docker_str(self) -> &'static str {
        match self {
            Self::Tar => "application/vnd.docker.image.rootfs.diff.tar",
            Self::Gzip => "application/vnd.docker.image.rootfs.diff.tar.gzip",
            Self::Zstd => "application/vnd.docker.image.rootfs.diff.tar.zstd",
        }
    }
}

/// One layer of an image.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Layer {
    /// The digest of the tar archive.
    #[serde(with = "text")]
    pub diff_id: Digest,
    /// The digest of the blob that holds it.
    #[serde(with = "text")]
    pub blob: Digest,
    /// The blob's length in bytes.
    pub size: u64,
    /// How the blob is packed.
    pub media_type: MediaType,
}

/// What begins the name of a file that says that another is gone.
const WHITEOUT: &[u8] = b".wh.";
/// What is in a directory that is opaque.
const OPAQUE_WHITEOUT: &[u8] = b".wh..wh..opq";
/// No path is longer on Linux (`PATH_MAX`, less the byte that ends it).
const LONGEST_PATH: usize = 4095;

/// Whether an extended attribute belongs to an image: file capabilities and what programs keep for themselves. All
/// others are the machine's (`security.selinux`, access lists), the overlay's or ours.
fn is_of_an_image(name: &[u8]) -> bool {
    let ours = name.starts_with(b"user.overlay.") || name.starts_with(b"user.windlass.");
    name == b"security.capability" || name.starts_with(b"user.") && !ours
}

pub(in crate::engine::embedded) fn shown(path: &[u8]) -> String {
    String::from_utf8_lossy(path).escape_default().to_string()
}

fn path_of(bytes: &[u8]) -> &Path {
    use std::os::unix::ffi::OsStrExt as _;
    Path::new(std::ffi::OsStr::from_bytes(bytes))
}
