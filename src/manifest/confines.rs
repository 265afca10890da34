//! What a container may use of its host, and what it finds there. The keys have the names and the meanings that they have
//! in Compose files (Compose specification, "services").

use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;

use super::problem::Problems;
use super::validate::{Wrong, is_host_name, items};
use super::volume::absolute;
use super::wire::ContainerEntry;
use crate::model::{format_size, parse_size};

/// What a container may use, and what it finds. The default is what the engine does where nothing is said.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Confines {
    /// Processor time, in thousandths of a processor; without a limit where there is none.
    pub milli_cpus: Option<u64>,
    /// Its share of the processors where they are short; the engine's default where nothing is said.
    pub cpu_shares: Option<u32>,
    /// Memory in bytes; without a limit where there is none.
    pub memory: Option<u64>,
    /// How many processes and threads there may be; without a limit where there is none.
    pub pids_limit: Option<u32>,
    /// The size of `/dev/shm` in bytes; 64 MB where nothing is said.
    pub shm_size: Option<u64>,
    /// Soft and hard limits of processes, by the names that `setrlimit` has for them in lower case.
    pub ulimits: BTreeMap<String, (u64, u64)>,
    /// Whether a small init is the first process, which passes signals on and reaps what others leave behind.
    pub init: bool,
    /// Whether nothing can be written but to volumes and `tmpfs`.
    pub read_only: bool,
    /// Folders in memory, with the options of their mounts.
    pub tmpfs: BTreeMap<String, String>,
    /// Capabilities that are taken from those that the engine gives; `ALL` is all of them.
    pub cap_drop: BTreeSet<String>,
    /// Settings of the kernel that belong to the container alone.
    pub sysctls: BTreeMap<String, String>,
    /// Further names in `/etc/hosts`, with an address or `host-gateway`, which is the host.
    pub extra_hosts: BTreeSet<(String, String)>,
    /// The name servers, in this order; the host's where there are none.
    pub dns: Vec<IpAddr>,
}

/// The shares that the kernel takes (cgroup v1, `cpu.shares`).
const CPU_SHARES: std::ops::RangeInclusive<u32> = 2..=262_144;

/// Checks what is written of it.
pub(super) fn read(problems: &mut Problems, entry: &ContainerEntry) -> Confines {
    let mut size = |key: &str, text: &Option<String>| {
        let text = text.as_ref()?;
        let size = problems.read(key, parse_size(text))?;
        if size == 0 {
            problems.value(key, "it has to be more than nothing", None);
        }
        Some(size)
    };
    let (memory, shm_size) = (size("memory", &entry.memory), size("shm_size", &entry.shm_size));
    if entry.cpu_shares.is_some_and(|shares| !CPU_SHARES.contains(&shares)) {
        let (least, most) = (CPU_SHARES.start(), CPU_SHARES.end());
        problems.value("cpu_shares", format!("a share is from {least} to {most}"), None);
    }
    if entry.pids_limit == Some(0) {
        problems.value("pids_limit", "at least 1 is needed", None);
    }
    let ulimits = problems.within("ulimits", |problems| {
        let read = |(name, text): (&String, &String)| Some((name.clone(), problems.read(name, ulimit(name, text))?));
        entry.ulimits.iter().filter_map(read).collect()
    });
    problems.within("sysctls", |problems| {
        let is_name =
            |name: &str| name.contains('.') && name.bytes().all(|b| b.is_ascii_alphanumeric() || b"._-/".contains(&b));
        for name in entry.sysctls.keys().filter(|name| !is_name(name)) {
            problems.key(name, format!("`{name}` is no setting of the kernel"), None);
        }
    });
    let mut tmpfs_by_path: BTreeMap<String, String> = BTreeMap::new();
    items(problems, "tmpfs", &entry.tmpfs, |text| {
        let (path, options) = tmpfs(text)?;
        match tmpfs_by_path.insert(path, options) {
            None => Ok(()),
            Some(_) => Err(format!("`{text}` is mounted where another one is").into()),
        }
    });
    let address = |text: &str| text.parse().map_err(|_| Wrong::from(format!("`{text}` is no address")));
    Confines {
        milli_cpus: entry.cpus.as_ref().and_then(|text| problems.read("cpus", parse_cpus(text))),
        cpu_shares: entry.cpu_shares,
        memory,
        pids_limit: entry.pids_limit,
        shm_size,
        ulimits,
        init: entry.init.unwrap_or(false),
        read_only: entry.read_only.unwrap_or(false),
        tmpfs: tmpfs_by_path,
        cap_drop: items(problems, "cap_drop", &entry.cap_drop, super::powers::capability).into_iter().collect(),
        sysctls: entry.sysctls.clone(),
        extra_hosts: items(problems, "extra_hosts", &entry.extra_hosts, extra_host).into_iter().collect(),
        dns: items(problems, "dns", &entry.dns, address),
    }
}

/// Writes it into an entry as [`read`] reads it.
pub(super) fn write(confines: &Confines, entry: &mut ContainerEntry) {
    let Confines {
        milli_cpus,
        cpu_shares,
        memory,
        pids_limit,
        shm_size,
        ulimits,
        init,
        read_only,
        tmpfs,
        cap_drop,
        sysctls,
        extra_hosts,
        dns,
    } = confines;
    let ulimit = |(soft, hard): &(u64, u64)| if soft == hard { soft.to_string() } else { format!("{soft}:{hard}") };
    let joined = |a: &String, b: &String| if b.is_empty() { a.clone() } else { format!("{a}:{b}") };
    entry.cpus = milli_cpus.map(format_cpus);
    entry.cpu_shares = *cpu_shares;
    entry.memory = memory.map(format_size);
    entry.pids_limit = *pids_limit;
    entry.shm_size = shm_size.map(format_size);
    entry.ulimits = ulimits.iter().map(|(name, limits)| (name.clone(), ulimit(limits))).collect();
    entry.init = init.then_some(true);
    entry.read_only = read_only.then_some(true);
    entry.tmpfs = tmpfs.iter().map(|(path, options)| joined(path, options)).collect();
    entry.cap_drop = cap_drop.iter().cloned().collect();
    entry.sysctls = sysctls.clone();
    entry.extra_hosts = extra_hosts.iter().map(|(name, address)| joined(name, address)).collect();
    entry.dns = dns.iter().map(ToString::to_string).collect();
}

/// Reads `1.5` into thousandths.
fn parse_cpus(text: &str) -> Result<u64, String> {
    let wrong = || format!("`{text}` is no number of processors: expected one such as `1.5`, 0.001 at least");
    let (whole, part) = text.split_once('.').unwrap_or((text, ""));
    let is_number = |text: &str| text.bytes().all(|b| b.is_ascii_digit());
    if whole.is_empty() || !is_number(whole) || !is_number(part) || part.len() > 3 {
        return Err(wrong());
    }
    let whole = whole.parse::<u32>().map_err(|_| wrong())?;
    let part = format!("{part:0<3}").parse::<u64>().map_err(|_| wrong())?;
    let milli = u64::from(whole) * 1000 + part;
    if milli == 0 { Err(wrong()) } else { Ok(milli) }
}

fn format_cpus(milli: u64) -> String {
    let text = format!("{}.{:03}", milli / 1000, milli % 1000);
    text.trim_end_matches('0').trim_end_matches('.').to_owned()
}

fn ulimit(name: &str, text: &str) -> Result<(u64, u64), String> {
    const NAMES: [&str; 15] = [
        "core",
        "cpu",
        "data",
        "fsize",
        "locks",
        "memlock",
        "msgqueue",
        "nice",
        "nofile",
        "nproc",
        "rss",
        "rtprio",
        "rttime",
        "sigpending",
        "stack",
    ];
    if !NAMES.contains(&name) {
        return Err(format!("`{name}` is no limit: known are {}", NAMES.join(", ")));
    }
    let (soft, hard) = text.split_once(':').unwrap_or((text, text));
    let number = |text: &str| text.parse::<u64>().ok().filter(|number| i64::try_from(*number).is_ok());
    match number(soft).zip(number(hard)) {
        Some((soft, hard)) if soft <= hard => Ok((soft, hard)),
        _ => Err(format!("`{text}` is no limit: expected a number, or `soft:hard` with the lower one first")),
    }
}

fn tmpfs(text: &str) -> Result<(String, String), Wrong> {
    let (path, options) = text.split_once(':').unwrap_or((text, ""));
    let path = absolute(path).ok_or_else(|| format!("`{path}` is no absolute path below `/` in the container"))?;
    if !options.bytes().all(|b| b.is_ascii_alphanumeric() || b"=,_%-".contains(&b)) {
        return Err(format!("`{options}` are no options of a mount: expected some such as `size=64m,mode=1777`").into());
    }
    Ok((path, options.to_owned()))
}

fn extra_host(text: &str) -> Result<(String, String), Wrong> {
    let (name, address) = text.split_once([':', '=']).unwrap_or((text, ""));
    let is_address = address == "host-gateway" || address.parse::<IpAddr>().is_ok();
    if !is_host_name(name) || !is_address {
        return Err(format!("`{text}` names no host: expected `name:address` or `name:host-gateway`").into());
    }
    Ok((name.to_owned(), address.to_owned()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_and_processors_are_read_and_written() {
        for (text, milli, written) in
            [("1.5", 1500, "1.5"), ("2", 2000, "2"), ("0.25", 250, "0.25"), ("0.001", 1, "0.001")]
        {
            assert_eq!((parse_cpus(text), format_cpus(milli)), (Ok(milli), written.to_owned()), "{text}");
        }
        for text in ["", ".5", "0", "0.000", "1.2345", "-1", "1e3", "4294967296"] {
            assert!(parse_cpus(text).is_err(), "{text}");
        }
    }
}
