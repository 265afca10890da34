//! The parts of a container as they are written: which keys there are and of what type.

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::scalars;
use super::{Condition, EnvValue, OnFailure, Order};

/// A file that a container finds: one of `content`, `file` and `env` says what is in it.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct FileEntry {
    /// What is in it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(schema_with = "scalars::text_schema")]
    pub content: Option<EnvValue>,
    /// A file beside the deploy manifest, or below it, that is read by `apply`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub file: Option<String>,
    /// A variable in the environment of `apply`, which may be a secret.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub env: Option<String>,
    /// The numeric owner, `uid` or `uid:gid` (default `0:0`).
    #[serde(default, deserialize_with = "scalars::optional_text", skip_serializing_if = "Option::is_none")]
    #[schemars(schema_with = "scalars::scalar_schema")]
    pub owner: Option<String>,
    /// The mode, octal and quoted (default `"0644"`, of what comes from `env` `"0400"`).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(schema_with = "scalars::text_schema")]
    pub mode: Option<String>,
    /// What is done when it changes: `replace` (the default) makes the container anew; with a signal such as `SIGHUP` the
    /// container that runs gets the new file, and then the signal.
    #[serde(default, deserialize_with = "scalars::optional_text", skip_serializing_if = "Option::is_none")]
    #[schemars(schema_with = "scalars::scalar_schema")]
    pub on_change: Option<String>,
}

/// A network that containers can be on. Where one says something else than the network that is there, a new one is made and
/// containers move to it while they run.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct NetworkEntry {
    /// The engine's name of a network that is there already. It is neither made, changed nor removed, and nothing else can
    /// be said of it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(schema_with = "scalars::text_schema")]
    pub external: Option<String>,
    /// Its addresses: one IPv4 and one IPv6 subnet at most. The engine chooses one where there is none.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub subnets: Vec<SubnetEntry>,
    /// Whether it leads to nobody but those who are on it (default false).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub internal: Option<bool>,
    /// The IPv4 address of the host that those who are on it have where they go out
    /// (`com.docker.network.host_ipv4`, Docker 20.10 and later). They go out by this network, whichever else they are on.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(schema_with = "scalars::text_schema")]
    pub source_ip: Option<String>,
    /// Options of the engine's driver `bridge`, such as `com.docker.network.driver.mtu: 1400`.
    #[serde(default, deserialize_with = "scalars::text_map", skip_serializing_if = "BTreeMap::is_empty")]
    #[schemars(schema_with = "scalars::scalar_map_schema")]
    pub options: BTreeMap<String, String>,
}

/// A subnet of a network.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct SubnetEntry {
    /// Its addresses, `10.1.0.0/16`. No other network of the host may have any of them.
    pub subnet: String,
    /// The host's address in it; the engine chooses where left away.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub gateway: Option<String>,
    /// The part of it from which the engine gives addresses to those that ask for none: all of it where left away. Who asks
    /// for one asks for one outside.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ip_range: Option<String>,
}

/// How a container is on a network.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct AttachmentEntry {
    /// Its names there, besides those that it has on all its networks.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub aliases: Vec<String>,
    /// Its IPv4 address there, outside the `ip_range` of the subnet. Two containers can't have it at once, so the old one stops
    /// before a new one starts, unless `swap` hands it over.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(schema_with = "scalars::text_schema")]
    pub ipv4_address: Option<String>,
    /// Its IPv6 address there.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(schema_with = "scalars::text_schema")]
    pub ipv6_address: Option<String>,
}

/// What becomes of what a container writes to its standard streams.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct LoggingEntry {
    /// The engine's driver, such as `json-file`, `journald` or `none`. It has to be said.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(schema_with = "scalars::text_schema")]
    pub driver: Option<String>,
    /// The driver's options, such as `max-size: 10m`.
    #[serde(default, deserialize_with = "scalars::text_map", skip_serializing_if = "BTreeMap::is_empty")]
    #[schemars(schema_with = "scalars::scalar_map_schema")]
    pub options: BTreeMap<String, String>,
}

/// What is waited for of a container that has to be there first.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct DependencyEntry {
    /// `started` (the default), `healthy` or `completed` (it ended with exit code 0).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub condition: Option<Condition>,
    /// Whether this container is restarted when the other one is replaced (default false).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub restart: Option<bool>,
}

/// How the engine finds out whether a container is healthy (Docker's HEALTHCHECK).
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct HealthcheckEntry {
    /// `[CMD, word, …]`, `[CMD-SHELL, line]` (a text alone means the same), or `[NONE]` for none. Where left away,
    /// the image's check runs at the other times that are given here.
    #[serde(default, deserialize_with = "scalars::shell_or_words", skip_serializing_if = "Vec::is_empty")]
    #[schemars(schema_with = "scalars::shell_or_words_schema")]
    pub test: Vec<String>,
    /// From one check to the next (default `30s`).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(schema_with = "scalars::duration_schema")]
    pub interval: Option<String>,
    /// How long a check may take (default `30s`).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(schema_with = "scalars::duration_schema")]
    pub timeout: Option<String>,
    /// How many checks in a row have to fail (default 3).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub retries: Option<u32>,
    /// How long failing checks don't count after the start (default `0s`).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(schema_with = "scalars::duration_schema")]
    pub start_period: Option<String>,
}

/// How a newer version of a container takes the place of the running one.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct UpdateEntry {
    /// `start-first` (the default where both can run at once: no port of the host is bound, no volume written to),
    /// `stop-first`, or `swap`: both run, and the new one takes over the ports of the host once it is good.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub order: Option<Order>,
    /// How long a new container has to run, healthy where it has a check, before it counts as good (default `1s`).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(schema_with = "scalars::duration_schema")]
    pub healthy_for: Option<String>,
    /// What `apply` tries to find out whether a new container is good, besides the engine's health check: while it fails,
    /// the container is not good.
    #[serde(default, deserialize_with = "scalars::optional_keys", skip_serializing_if = "Option::is_none")]
    pub probe: Option<ProbeEntry>,
    /// How long a new container may take to become good (default `60s`).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(schema_with = "scalars::duration_schema")]
    pub timeout: Option<String>,
    /// How long the old container goes on, once the new one has its names on the network, so that it ends what it is at
    /// (default `1s`). Only where both run at once.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(schema_with = "scalars::duration_schema")]
    pub drain: Option<String>,
    /// How many of its replicas are replaced at a time (default 1); the next ones once those are good.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub batch: Option<u32>,
    /// What is done when it does not become good: `rollback` (the default) goes back to the former container, `stop`
    /// stops the run and leaves both as they are.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub on_failure: Option<OnFailure>,
    /// Whether an image that the engine lacks is pulled (the default); with `false` it has to be there.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub pull: Option<bool>,
}

/// What `apply` tries to find out whether a new container is good: one of `command`, `http` and `tcp`.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct ProbeEntry {
    /// A command in the container, one word an item, which has to end with code 0. It may not write much, and one that takes
    /// too long is left to itself.
    #[serde(default, deserialize_with = "scalars::words", skip_serializing_if = "Option::is_none")]
    #[schemars(schema_with = "scalars::words_schema")]
    pub command: Option<Vec<String>>,
    /// A port in the container and a path, `8080/health`: a GET has to be answered with a status from 200 to 399. It comes
    /// from where `apply` runs, so that has to be the host of the engine.
    #[serde(default, deserialize_with = "scalars::optional_text", skip_serializing_if = "Option::is_none")]
    #[schemars(schema_with = "scalars::scalar_schema")]
    pub http: Option<String>,
    /// A port in the container that has to take connections, from where `apply` runs.
    #[serde(default, deserialize_with = "scalars::optional_text", skip_serializing_if = "Option::is_none")]
    #[schemars(schema_with = "scalars::scalar_schema")]
    pub tcp: Option<String>,
    /// How long one try may take (default `5s`).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(schema_with = "scalars::duration_schema")]
    pub timeout: Option<String>,
}
