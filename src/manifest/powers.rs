//! What a container may do to its host beyond what every container may. Each of it has a name, and runs only where the
//! host's policy allows that name.

use std::collections::BTreeSet;
use std::fmt;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::problem::Problems;
use super::validate::{Wrong, items};
use super::volume::absolute;
use super::wire::ContainerEntry;
use super::{ContainerSpec, MountSource, NetworkMode};

/// What a container may do beyond what every container may.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Powers {
    /// Anything.
    pub privileged: bool,
    /// Capabilities on top of those that the engine gives.
    pub cap_add: BTreeSet<String>,
    /// Devices of the host.
    pub devices: BTreeSet<Device>,
    /// Options for what confines it, as the engine takes them.
    pub security_opt: BTreeSet<String>,
    /// Whose processes it sees; its own where nothing is said.
    pub pid: Option<Namespace>,
    /// Whose control groups it sees; what the engine is set up for where nothing is said.
    pub cgroup: Option<Namespace>,
    /// Whose shared memory it has; its own where nothing is said.
    pub ipc: Option<Namespace>,
}

/// A namespace that is not the container's own.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Namespace {
    /// The host's.
    Host,
}

/// A device of the host.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Device {
    /// Its path on the host.
    pub host: String,
    /// Its path in the container.
    pub container: String,
    /// What may be done with it: letters of `rwm`, for reading, writing and making nodes.
    pub access: String,
}

impl fmt::Display for Device {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self { host, container, access } if access == "rwm" && host == container => f.write_str(host),
            Self { host, container, access } if access == "rwm" => write!(f, "{host}:{container}"),
            Self { host, container, access } => write!(f, "{host}:{container}:{access}"),
        }
    }
}

/// The capabilities that engines give where nothing is said (moby, `oci/caps/defaults.go`): to give them back after
/// `cap_drop: [ALL]` is no power.
const DEFAULT_CAPABILITIES: [&str; 14] = [
    "AUDIT_WRITE",
    "CHOWN",
    "DAC_OVERRIDE",
    "FOWNER",
    "FSETID",
    "KILL",
    "MKNOD",
    "NET_BIND_SERVICE",
    "NET_RAW",
    "SETFCAP",
    "SETGID",
    "SETPCAP",
    "SETUID",
    "SYS_CHROOT",
];

/// Folders and files of the host through which all of it can be read or changed, even where they can't be written to.
const DANGEROUS: [&str; 12] = [
    "/boot",
    "/dev",
    "/etc/shadow",
    "/etc/windlass",
    "/proc",
    "/root",
    "/run",
    "/sys",
    "/var/lib/containerd",
    "/var/lib/docker",
    "/var/lib/windlass",
    "/var/run",
];
/// Those through which it can be changed where they can be written to.
const DANGEROUS_TO_WRITE: [&str; 7] = ["/bin", "/etc", "/lib", "/lib64", "/sbin", "/usr", "/var/spool/cron"];

/// Checks what is written of it.
pub(super) fn read(problems: &mut Problems, entry: &ContainerEntry) -> Powers {
    Powers {
        privileged: entry.privileged.unwrap_or(false),
        cap_add: items(problems, "cap_add", &entry.cap_add, capability).into_iter().collect(),
        devices: items(problems, "devices", &entry.devices, device).into_iter().collect(),
        security_opt: items(problems, "security_opt", &entry.security_opt, security_option).into_iter().collect(),
        pid: entry.pid,
        cgroup: entry.cgroup,
        ipc: entry.ipc,
    }
}

/// Writes it into an entry as [`read`] reads it.
pub(super) fn write(powers: &Powers, entry: &mut ContainerEntry) {
    let Powers { privileged, cap_add, devices, security_opt, pid, cgroup, ipc } = powers;
    entry.privileged = privileged.then_some(true);
    entry.cap_add = cap_add.iter().cloned().collect();
    entry.devices = devices.iter().map(ToString::to_string).collect();
    entry.security_opt = security_opt.iter().cloned().collect();
    entry.pid = *pid;
    entry.cgroup = *cgroup;
    entry.ipc = *ipc;
}

/// Reads the name of a capability, with or without `CAP_`.
pub(super) fn capability(text: &str) -> Result<String, Wrong> {
    let is_name = !text.is_empty() && text.bytes().all(|b| b.is_ascii_uppercase() || b == b'_');
    let name = text.strip_prefix("CAP_").unwrap_or(text);
    if is_name {
        Ok(name.to_owned())
    } else {
        Err(Wrong::from(format!("`{text}` is no capability: expected `ALL` or `NET_RAW`")))
    }
}

fn device(text: &str) -> Result<Device, Wrong> {
    let parts: Vec<&str> = text.split(':').collect();
    let (host, container, access) = match parts.as_slice() {
        [host] => (*host, *host, "rwm"),
        [host, container] => (*host, *container, "rwm"),
        [host, container, access] => (*host, *container, *access),
        _ => ("", "", ""),
    };
    let is_access = !access.is_empty()
        && access.len() <= 3
        && access.chars().all(|letter| "rwm".contains(letter) && access.matches(letter).count() == 1);
    match absolute(host).zip(absolute(container)) {
        Some((host, container)) if is_access && host.starts_with("/dev/") => {
            Ok(Device { host, container, access: access.to_owned() })
        }
        _ => Err(format!("`{text}` is no device: expected `/dev/host[:/dev/inside[:rwm]]`").into()),
    }
}

fn security_option(text: &str) -> Result<String, Wrong> {
    let (name, value) = text.split_once(['=', ':']).unwrap_or((text, ""));
    match (name, value) {
        ("no-new-privileges", "" | "true") => Ok("no-new-privileges".to_owned()),
        ("apparmor" | "label" | "seccomp", value) if !value.is_empty() && !value.contains('\0') => {
            Ok(format!("{name}={value}"))
        }
        _ => {
            let known = "expected `no-new-privileges`, `apparmor=…`, `label=…` or `seccomp=…`";
            Err(format!("`{text}` confines nothing: {known}").into())
        }
    }
}

/// What a host has to allow a container, by the names that a policy has for it.
pub fn powers_wanted(spec: &ContainerSpec) -> BTreeSet<String> {
    let Powers { privileged, cap_add, devices, security_opt, pid, cgroup, ipc } = &spec.powers;
    let mut wanted = BTreeSet::new();
    wanted.extend(privileged.then(|| "privileged".to_owned()));
    let more = cap_add.iter().filter(|name| !DEFAULT_CAPABILITIES.contains(&name.as_str()));
    wanted.extend(more.map(|name| format!("cap:{name}")));
    wanted.extend(devices.iter().map(|device| format!("device:{}", device.host)));
    let weaker = security_opt.iter().filter(|option| *option != "no-new-privileges");
    wanted.extend(weaker.map(|option| format!("security_opt:{option}")));
    wanted.extend(spec.hosts_file.iter().map(|name| format!("hosts_file:{name}")));
    wanted.extend(pid.map(|Namespace::Host| "pid:host".to_owned()));
    wanted.extend((spec.joins.network == NetworkMode::Host).then(|| "network:host".to_owned()));
    wanted.extend(cgroup.map(|Namespace::Host| "cgroup:host".to_owned()));
    wanted.extend(ipc.map(|Namespace::Host| "ipc:host".to_owned()));
    for mount in spec.volumes.values() {
        if let MountSource::Host(path) = &mount.source {
            wanted.extend(bind_wanted(path, mount.read_only));
        }
    }
    wanted
}

/// What a host has to allow for one of its paths to be mounted; nothing where it is harmless.
pub fn bind_wanted(path: &str, read_only: bool) -> Option<String> {
    let path = if path == "/" { "" } else { path.trim_end_matches('/') };
    let holds =
        |outer: &str, inner: &str| inner == outer || inner.strip_prefix(outer).is_some_and(|r| r.starts_with('/'));
    let is_near = |other: &str| holds(other, path) || holds(path, other);
    let is_dangerous = DANGEROUS.iter().any(|other| is_near(other))
        || (!read_only && DANGEROUS_TO_WRITE.iter().any(|other| is_near(other)));
    is_dangerous.then(|| format!("bind:{}", if path.is_empty() { "/" } else { path }))
}
