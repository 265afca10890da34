//! The deploy manifest: its wire format, its validation and its schema. Opens no file.
//!
//! [`ContainerEntry`] is how a container is written, here and below `deploy.containers` of windlass.yaml;
//! [`ContainerSpec`] is the same checked, with defaults filled in.

mod confines;
mod container;
mod dockerup;
mod files;
mod joins;
mod lifecycle;
mod locate;
mod networks;
mod parts;
mod policy;
mod port;
mod powers;
mod probe;
mod problem;
mod read;
mod scalars;
mod together;
mod user_data;
mod validate;
mod volume;
mod wire;
mod write;

use std::collections::BTreeMap;

pub use confines::Confines;
pub use container::{
    Condition, ContainerSpec, DEFAULT_DRAIN, DEFAULT_HEALTHY_FOR, DEFAULT_STOP_GRACE, DEFAULT_UPDATE_TIMEOUT,
    Dependency, EnvValue, Healthcheck, ImageSource, Logging, OnFailure, Order, REPLICAS_AT_MOST, RestartPolicy, Update,
};
pub use dockerup::{DOCKERUP_LOGS, Dockerup, DockerupConf, dockerup_conf, dockerup_containers};
pub use files::{FILES_AT_MOST, FILES_NOTE, File, FileContent, OnChange};
pub use joins::{Joins, NetworkMode};
pub use networks::{Attachment, Cidr, DEFAULT_NETWORK, Network, NetworkSpec, SOURCE_IP, Subnet, validate_networks};
pub use parts::{
    AttachmentEntry, DependencyEntry, FileEntry, HealthcheckEntry, LoggingEntry, NetworkEntry, ProbeEntry, SubnetEntry,
    UpdateEntry,
};
pub use policy::Policy;
pub use port::{PortBinding, Protocol};
pub use powers::{Device, Namespace, Powers, bind_wanted, powers_wanted};
pub use probe::{Probe, ProbeWhat};
pub use problem::{Part, PathStep, Problem};
pub use read::parse;
pub use together::{container_dependencies, default_host_name, replica_names};
pub use user_data::{UserData, user_data};
pub use validate::{Externals, OUR_LABELS, validate_containers};
pub use volume::{Mount, MountSource};
pub use wire::ContainerEntry;
pub use write::{schema, to_json};

use crate::model::{ContainerName, ContentHash, ImageId, ImageName, ProjectName, Reference, Tag};

/// What a build published and what a host shall run of it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Manifest {
    /// The project.
    pub project: ProjectName,
    /// The source revision that the images were built from, as people know it.
    pub revision: Option<String>,
    /// Grows with every manifest of a project, so that the later of two is known.
    pub serial: u64,
    /// When the manifest was made.
    pub created: Option<jiff::Timestamp>,
    /// The images by name.
    pub images: BTreeMap<ImageName, ManifestImage>,
    /// The networks that containers can be on besides the project's, and what that is like, by name.
    pub networks: BTreeMap<String, Network>,
    /// The containers by name. Each image from elsewhere carries its digest, and each of the project's own is among
    /// the images.
    pub containers: BTreeMap<ContainerName, ContainerSpec>,
}

/// An image of a manifest.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ManifestImage {
    /// What to pull, with its digest; nothing where the image was not pushed.
    pub reference: Option<Reference>,
    /// What engines name it by.
    pub id: ImageId,
    /// The hash of everything that it was built from.
    pub content_hash: ContentHash,
    /// The tag that it had when the manifest was made; nothing is looked up by it.
    pub tag: Option<Tag>,
}
