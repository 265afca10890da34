//! The deploy manifest as it is written: which keys there are and of what type. What the texts in it mean is
//! checked by `validate`, so that everything wrong with a file is told at once and at its place.

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::scalars;
use super::{
    AttachmentEntry, DependencyEntry, EnvValue, FileEntry, HealthcheckEntry, LoggingEntry, Namespace, NetworkEntry,
    UpdateEntry,
};

/// The version of the format that this module reads and writes.
pub(super) const VERSION: u64 = 1;

/// What a build published and what a host shall run of it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(title = "windlass deploy manifest")]
pub(super) struct ManifestFile {
    /// The version of this format: 1.
    pub(super) version: u64,
    /// The project: what the names of its containers, network and volumes on a host begin with.
    pub(super) project: String,
    /// The source revision that the images were built from, as people know it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) revision: Option<String>,
    /// Grows with every manifest of a project, so that the later of two is known.
    pub(super) serial: u64,
    /// When the manifest was made (RFC 3339).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) created: Option<String>,
    /// The images by name.
    #[serde(default, deserialize_with = "scalars::entries")]
    pub(super) images: BTreeMap<String, ImageEntry>,
    /// The networks that containers can be on, by name. `default` is the project's, which needs no entry.
    #[serde(default, deserialize_with = "scalars::entries", skip_serializing_if = "BTreeMap::is_empty")]
    pub(super) networks: BTreeMap<String, NetworkEntry>,
    /// The containers by name. A container of the project that is not here is removed from the host.
    #[serde(default, deserialize_with = "scalars::entries")]
    pub(super) containers: BTreeMap<String, ContainerEntry>,
}

/// An image of a manifest.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct ImageEntry {
    /// `repository@sha256:…`: what to pull. Left away where the image was not pushed; then the host's engine must
    /// have it already.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) reference: Option<String>,
    /// The digest of the image's configuration, `sha256:…`: what engines name it by.
    pub(super) id: String,
    /// The hash of everything that the image was built from, `sha256:…`.
    pub(super) content_hash: String,
    /// The tag that the image had when the manifest was made. For people: nothing is looked up by it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) tag: Option<String>,
}

/// A container as it is written in a deploy manifest and below `deploy.containers` of windlass.yaml.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct ContainerEntry {
    /// The name of an image of the project, or a reference to one from elsewhere (in a manifest with its digest).
    pub image: String,
    /// The command, one word an item; the image's where left away.
    #[serde(default, deserialize_with = "scalars::words", skip_serializing_if = "Option::is_none")]
    #[schemars(schema_with = "scalars::words_schema")]
    pub command: Option<Vec<String>>,
    /// The entrypoint, one word an item; the image's where left away. `[]` is none.
    #[serde(default, deserialize_with = "scalars::words", skip_serializing_if = "Option::is_none")]
    #[schemars(schema_with = "scalars::words_schema")]
    pub entrypoint: Option<Vec<String>>,
    /// The host name inside; `NAME.PROJECT` where left away. On the network it is one more name, which it has from its start: so it may be none of those
    /// that are asked for.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(schema_with = "scalars::text_schema")]
    pub hostname: Option<String>,
    /// `user[:group]`, by name or number; the image's where left away.
    #[serde(default, deserialize_with = "scalars::optional_text", skip_serializing_if = "Option::is_none")]
    #[schemars(schema_with = "scalars::scalar_schema")]
    pub user: Option<String>,
    /// The working directory; the image's where left away.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(schema_with = "scalars::text_schema")]
    pub working_dir: Option<String>,
    /// Environment variables on top of the image's.
    #[serde(default, deserialize_with = "scalars::unique_map", skip_serializing_if = "BTreeMap::is_empty")]
    #[schemars(schema_with = "scalars::scalar_map_schema")]
    pub env: BTreeMap<String, EnvValue>,
    /// Files beside the deploy manifest, or below it, with environment variables, `NAME=value` a line, that are read by
    /// `apply`. The later of two that say the same counts, and `env` more than any.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub env_file: Vec<String>,
    /// Labels on top of the image's. `dev.windlass.` is ours.
    #[serde(default, deserialize_with = "scalars::text_map", skip_serializing_if = "BTreeMap::is_empty")]
    #[schemars(schema_with = "scalars::scalar_map_schema")]
    pub labels: BTreeMap<String, String>,
    /// Published ports, `[[address:]host:]container[/tcp|udp|sctp]`, ranges as `8000-8002:80-82`. Without an address
    /// they are bound to 127.0.0.1; without a host port the engine picks one.
    #[serde(default, deserialize_with = "scalars::text_list", skip_serializing_if = "Vec::is_empty")]
    #[schemars(schema_with = "scalars::scalar_list_schema")]
    pub ports: Vec<String>,
    /// Volumes, `name:/path[:ro]` for a named volume of the project, `/host/path:/path[:ro]` for a bind mount.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub volumes: Vec<String>,
    /// Containers whose volumes it has too, `name[:ro]`. It is made anew when one of them is.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub volumes_from: Vec<String>,
    /// `none`, `host` (which the host has to allow) or `container:NAME`, whose network it shares: it is made anew or restarted
    /// with that one. The project's network where left away.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(schema_with = "scalars::text_schema")]
    pub network_mode: Option<String>,
    /// The networks that it is on: a list of names, or how it is on each by name. The project's network, which is `default`,
    /// where left away.
    #[serde(default, deserialize_with = "scalars::networks", skip_serializing_if = "BTreeMap::is_empty")]
    #[schemars(schema_with = "scalars::networks_schema")]
    pub networks: BTreeMap<String, AttachmentEntry>,
    /// Signals that other containers get once this one was replaced, `web: SIGHUP`.
    #[serde(default, deserialize_with = "scalars::text_map", skip_serializing_if = "BTreeMap::is_empty")]
    #[schemars(schema_with = "scalars::scalar_map_schema")]
    pub signals: BTreeMap<String, String>,
    /// Further names of the container on its networks.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub aliases: Vec<String>,
    /// Names by which the host itself finds it: `apply` keeps them in `/etc/hosts`. The host has to allow each.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub hosts_file: Vec<String>,
    /// Containers that this one talks to, `name` or `name:alias`: they are started before it, have the alias on the
    /// project's network, and this one is restarted when they are replaced.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub links: Vec<String>,
    /// Containers that have to be there first: a list of names, or what is waited for by name.
    #[serde(default, deserialize_with = "scalars::depends_on", skip_serializing_if = "BTreeMap::is_empty")]
    #[schemars(schema_with = "scalars::depends_on_schema")]
    pub depends_on: BTreeMap<String, DependencyEntry>,
    /// How the engine finds out whether the container is healthy; the image's way where left away.
    #[serde(default, deserialize_with = "scalars::optional_keys", skip_serializing_if = "Option::is_none")]
    pub healthcheck: Option<HealthcheckEntry>,
    /// What the engine does when the container ends: `always` (the default), `unless-stopped`, `no`, `on-failure` or
    /// `on-failure:N`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(schema_with = "scalars::restart_schema")]
    pub restart: Option<String>,
    /// The signal that asks the container to stop, `SIGTERM` or a number; the image's where left away.
    #[serde(default, deserialize_with = "scalars::optional_text", skip_serializing_if = "Option::is_none")]
    #[schemars(schema_with = "scalars::scalar_schema")]
    pub stop_signal: Option<String>,
    /// How long it may take to stop before it is killed, at least a second (default `10s`).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(schema_with = "scalars::duration_schema")]
    pub stop_grace: Option<String>,
    /// How many processors it may keep busy, such as `1.5`, quoted; without a limit where left away.
    #[serde(default, deserialize_with = "scalars::optional_text", skip_serializing_if = "Option::is_none")]
    #[schemars(schema_with = "scalars::scalar_schema")]
    pub cpus: Option<String>,
    /// Its share of the processors where they are short, from 2 on (the engine's default is 1024).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cpu_shares: Option<u32>,
    /// How much memory it may use, such as `512m` (`b`, `k`, `m`, `g`); without a limit where left away.
    #[serde(default, deserialize_with = "scalars::optional_text", skip_serializing_if = "Option::is_none")]
    #[schemars(schema_with = "scalars::scalar_schema")]
    pub memory: Option<String>,
    /// How many processes and threads it may have; without a limit where left away.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub pids_limit: Option<u32>,
    /// The size of `/dev/shm`, such as `128m` (the engine's default is 64 MB).
    #[serde(default, deserialize_with = "scalars::optional_text", skip_serializing_if = "Option::is_none")]
    #[schemars(schema_with = "scalars::scalar_schema")]
    pub shm_size: Option<String>,
    /// Limits of its processes by name, such as `nofile: 1024` or `nofile: "1024:4096"` (soft and hard).
    #[serde(default, deserialize_with = "scalars::text_map", skip_serializing_if = "BTreeMap::is_empty")]
    #[schemars(schema_with = "scalars::scalar_map_schema")]
    pub ulimits: BTreeMap<String, String>,
    /// Whether a small init is its first process, which passes signals on and reaps what others leave behind (default
    /// false).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub init: Option<bool>,
    /// Whether nothing can be written but to volumes and `tmpfs` (default false).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub read_only: Option<bool>,
    /// Folders in memory, `/path` or `/path:size=64m,mode=1777`.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub tmpfs: Vec<String>,
    /// Whether systemd is its first process (default false): `/run`, `/run/lock` and `/tmp` are in memory, the host's
    /// `/sys/fs/cgroup` is there with `cgroup: host`, which the host has to allow, `SIGRTMIN+3` asks it to stop, and the
    /// variable `container` tells it where it is. What the container says of any of these itself counts more.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub systemd: Option<bool>,
    /// Capabilities that are taken from it, such as `NET_RAW`; `ALL` takes all.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub cap_drop: Vec<String>,
    /// Settings of the kernel that are its own, such as `net.core.somaxconn: 1024`.
    #[serde(default, deserialize_with = "scalars::text_map", skip_serializing_if = "BTreeMap::is_empty")]
    #[schemars(schema_with = "scalars::scalar_map_schema")]
    pub sysctls: BTreeMap<String, String>,
    /// Further names in `/etc/hosts`, `name:address`; `name:host-gateway` is the host.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub extra_hosts: Vec<String>,
    /// The name servers, in this order; the host's where left away.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub dns: Vec<String>,
    /// Files that it finds, by their paths in it. A changed file replaces the container, or sends it a signal.
    #[serde(default, deserialize_with = "scalars::entries", skip_serializing_if = "BTreeMap::is_empty")]
    pub files: BTreeMap<String, FileEntry>,
    /// What becomes of what it writes to its standard streams; what the engine is set up for where left away.
    #[serde(default, deserialize_with = "scalars::optional_keys", skip_serializing_if = "Option::is_none")]
    pub logging: Option<LoggingEntry>,
    /// Whether it may do anything to its host (default false). The host has to allow it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub privileged: Option<bool>,
    /// Capabilities that it gets, such as `NET_ADMIN`; `ALL` is all of them. Those that the engine gives to nobody unasked
    /// the host has to allow.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub cap_add: Vec<String>,
    /// Devices of the host, `/dev/host[:/dev/inside[:rwm]]`. The host has to allow them.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub devices: Vec<String>,
    /// What confines it, such as `no-new-privileges` or `apparmor=PROFILE`. All but the first the host has to allow.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub security_opt: Vec<String>,
    /// `host`: it sees the processes of the host, which has to allow it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub pid: Option<Namespace>,
    /// `host`: it sees the host's control groups, which has to allow it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cgroup: Option<Namespace>,
    /// `host`: it has the host's shared memory, which has to allow it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ipc: Option<Namespace>,
    /// Whether it stays as it is when it leaves the manifest (default false).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub keep: Option<bool>,
    /// How many of it there are (default 1). All have its name on the network; the second is `NAME-2` besides, and so on.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub replicas: Option<u32>,
    /// How a newer version takes the place of a running one.
    #[serde(default, deserialize_with = "scalars::optional_keys", skip_serializing_if = "Option::is_none")]
    pub update: Option<UpdateEntry>,
}
