//! Checks how a container's health is found out, how it ends, is replaced and started again, and where its output goes.

use std::collections::BTreeSet;
use std::fmt;
use std::time::Duration;

use super::problem::Problems;
use super::{
    ContainerSpec, DEFAULT_DRAIN, DEFAULT_HEALTHY_FOR, DEFAULT_UPDATE_TIMEOUT, EnvValue, Healthcheck, HealthcheckEntry,
    Logging, LoggingEntry, Mount, MountSource, Namespace, Order, PortBinding, RestartPolicy, Update, UpdateEntry,
};
use crate::model::parse_duration;

pub(super) fn health(problems: &mut Problems, entry: &HealthcheckEntry) -> Option<Healthcheck> {
    let HealthcheckEntry { test, interval, timeout, retries, start_period } = entry;
    let words: Vec<&str> = test.iter().map(String::as_str).collect();
    let timed = interval.is_some() || timeout.is_some() || retries.is_some() || start_period.is_some();
    match words.as_slice() {
        ["NONE"] if timed => {
            problems.value("test", "`NONE` is no check, so its times say nothing", None);
            return None;
        }
        ["NONE"] => return Some(Healthcheck::None),
        [] if !timed => problems.value("test", "the health check says nothing", None),
        [] | ["CMD", _, ..] | ["CMD-SHELL", _] => {}
        _ => {
            let hint = "write `[CMD, word, …]`, `[CMD-SHELL, line]` or `[NONE]`";
            problems.value("test", "this is no health check", Some(hint.to_owned()));
        }
    }
    if *retries == Some(0) {
        problems.value("retries", "at least 1 is needed", None);
    }
    Some(Healthcheck::Check {
        test: (!test.is_empty()).then(|| test.clone()),
        interval: positive(problems, "interval", interval.as_ref()),
        timeout: positive(problems, "timeout", timeout.as_ref()),
        retries: *retries,
        start_period: duration(problems, "start_period", start_period.as_ref()),
    })
}

/// What systemd wants to find in memory, with the options of the mounts (systemd, "The Container Interface"): programs put
/// scripts into `/tmp` and run them.
const SYSTEMD_TMPFS: [(&str, &str); 3] = [("/run", "mode=755"), ("/run/lock", ""), ("/tmp", "exec,mode=1777")];
/// What it has to write to: its units are control groups below its own.
const CGROUPS: &str = "/sys/fs/cgroup";
/// What it takes for a request to halt (systemd(1)); it takes SIGTERM for another.
const SYSTEMD_STOP: &str = "SIGRTMIN+3";
/// The variable by which it knows that it is in a container, and the value for one of which no more is said.
const SYSTEMD_IS_IN: (&str, &str) = ("container", "oci");

/// Fills in what a container needs whose first process is systemd, where it says nothing of it itself. A manifest is written
/// with what comes of it. Its own view of control groups would have it take the host's root for its own.
pub(super) fn under_systemd(spec: &mut ContainerSpec) {
    for (path, options) in SYSTEMD_TMPFS.into_iter().filter(|(path, _)| !spec.volumes.contains_key(*path)) {
        spec.confines.tmpfs.entry(path.to_owned()).or_insert_with(|| options.to_owned());
    }
    let cgroups = Mount { source: MountSource::Host(CGROUPS.to_owned()), read_only: false };
    spec.volumes.entry(CGROUPS.to_owned()).or_insert(cgroups);
    spec.powers.cgroup = Some(Namespace::Host);
    spec.stop_signal.get_or_insert_with(|| SYSTEMD_STOP.to_owned());
    let (name, value) = SYSTEMD_IS_IN;
    spec.env.entry(name.to_owned()).or_insert_with(|| EnvValue::new(value));
}

pub(super) fn logging(problems: &mut Problems, entry: &LoggingEntry) -> Logging {
    let LoggingEntry { driver, options } = entry;
    let driver = driver.clone().unwrap_or_default();
    if driver.is_empty() {
        problems.value("driver", "the driver is not said", None);
    }
    Logging { driver, options: options.clone() }
}

pub(super) fn update(problems: &mut Problems, entry: &UpdateEntry, ports: &BTreeSet<PortBinding>) -> Update {
    let UpdateEntry { order, healthy_for, probe, timeout, drain, batch, on_failure, pull } = entry;
    if *order == Some(Order::StartFirst)
        && let Some(port) = ports.iter().find(|port| port.host.is_some())
    {
        let message = format!("`start-first` can't be done: `{}` can't be bound twice", port.host_side());
        problems.value("order", message, Some("leave `order` away, or publish no fixed port of the host".to_owned()));
    }
    if *batch == Some(0) {
        problems.value("batch", "at least 1 is needed", None);
    }
    Update {
        order: *order,
        healthy_for: duration(problems, "healthy_for", healthy_for.as_ref()).unwrap_or(DEFAULT_HEALTHY_FOR),
        probe: probe
            .as_ref()
            .and_then(|entry| problems.within("probe", |problems| super::probe::read(problems, entry))),
        timeout: positive(problems, "timeout", timeout.as_ref()).unwrap_or(DEFAULT_UPDATE_TIMEOUT),
        drain: duration(problems, "drain", drain.as_ref()).unwrap_or(DEFAULT_DRAIN),
        batch: batch.unwrap_or(1),
        on_failure: on_failure.unwrap_or_default(),
        pull: pull.unwrap_or(true),
    }
}

pub(super) fn duration(problems: &mut Problems, key: &str, text: Option<&String>) -> Option<Duration> {
    text.and_then(|text| problems.read(key, parse_duration(text)))
}

pub(super) fn positive(problems: &mut Problems, key: &str, text: Option<&String>) -> Option<Duration> {
    let duration = duration(problems, key, text)?;
    if duration.is_zero() {
        problems.value(key, "it has to be longer than nothing", None);
    }
    Some(duration)
}

pub(super) fn restart_policy(text: &str) -> Result<RestartPolicy, impl fmt::Display> {
    match text {
        "always" => Ok(RestartPolicy::Always),
        "unless-stopped" => Ok(RestartPolicy::UnlessStopped),
        "no" => Ok(RestartPolicy::No),
        "on-failure" => Ok(RestartPolicy::OnFailure(0)),
        _ => match text.strip_prefix("on-failure:").map(str::parse::<u32>) {
            Some(Ok(times)) => Ok(RestartPolicy::OnFailure(times)),
            _ => Err(format!(
                "`{text}` is no restart policy: expected `always`, `unless-stopped`, `no`, `on-failure` or `on-failure:N`"
            )),
        },
    }
}

pub(super) fn is_signal(text: &str) -> bool {
    let name = |name: &str| {
        !name.is_empty() && name.bytes().all(|b| b.is_ascii_uppercase() || b.is_ascii_digit() || b == b'+' || b == b'-')
    };
    text.strip_prefix("SIG").map_or_else(|| text.parse::<u8>().is_ok_and(|n| (1..=64).contains(&n)), name)
}
