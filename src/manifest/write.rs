//! Writes a deploy manifest, always the same text for the same manifest: defaults are left away, maps are sorted.

use std::collections::BTreeMap;
use std::fmt;
use std::time::Duration;

use super::volume::format_mount;
use super::wire::{ImageEntry, ManifestFile, VERSION};
use super::{
    ContainerEntry, ContainerSpec, DEFAULT_DRAIN, DEFAULT_HEALTHY_FOR, DEFAULT_STOP_GRACE, DEFAULT_UPDATE_TIMEOUT,
    Dependency, DependencyEntry, Healthcheck, HealthcheckEntry, Logging, LoggingEntry, Manifest, ManifestImage,
    OnFailure, RestartPolicy, Update, UpdateEntry,
};
use crate::model::format_duration;

/// The manifest as JSON, indented, with a line end at the end. [`super::parse`] reads back the same manifest.
pub fn to_json(manifest: &Manifest) -> String {
    let Manifest { project, revision, serial, created, images, networks, containers } = manifest;
    let file = ManifestFile {
        version: VERSION,
        project: project.to_string(),
        revision: revision.clone(),
        serial: *serial,
        created: created.as_ref().map(ToString::to_string),
        images: images.iter().map(|(name, image)| (name.to_string(), image.into())).collect(),
        networks: super::networks::write(networks),
        containers: containers.iter().map(|(name, spec)| (name.to_string(), spec.into())).collect(),
    };
    pretty(&file)
}

/// The JSON Schema of the deploy manifest, indented, with a line end at the end.
pub fn schema() -> String {
    pretty(&schemars::schema_for!(ManifestFile))
}

fn pretty(value: &impl serde::Serialize) -> String {
    let mut text = serde_json::to_string_pretty(value).expect("texts, numbers and maps by text are valid JSON");
    text.push('\n');
    text
}

impl From<&ManifestImage> for ImageEntry {
    fn from(image: &ManifestImage) -> Self {
        let ManifestImage { reference, id, content_hash, tag } = image;
        Self {
            reference: written(reference.as_ref()),
            id: id.to_string(),
            content_hash: content_hash.to_string(),
            tag: written(tag.as_ref()),
        }
    }
}

impl From<&ContainerSpec> for ContainerEntry {
    fn from(spec: &ContainerSpec) -> Self {
        let ContainerSpec {
            image,
            command,
            entrypoint,
            hostname,
            user,
            working_dir,
            env,
            env_file,
            labels,
            ports,
            volumes,
            aliases,
            hosts_file,
            links,
            joins,
            depends_on,
            healthcheck,
            restart,
            stop_signal,
            stop_grace,
            confines,
            powers,
            files,
            logging,
            keep,
            replicas,
            update,
        } = spec;
        let mut entry = Self {
            image: image.to_string(),
            command: command.clone(),
            entrypoint: entrypoint.clone(),
            hostname: hostname.clone(),
            user: user.clone(),
            working_dir: working_dir.clone(),
            env: env.clone(),
            env_file: env_file.clone(),
            labels: labels.clone(),
            ports: ports.iter().map(ToString::to_string).collect(),
            volumes: volumes.iter().map(|(path, mount)| format_mount(path, mount)).collect(),
            volumes_from: Vec::new(),
            network_mode: None,
            networks: BTreeMap::new(),
            signals: BTreeMap::new(),
            aliases: aliases.iter().cloned().collect(),
            hosts_file: hosts_file.iter().cloned().collect(),
            links: links.iter().map(|(alias, name)| link(alias, name)).collect(),
            depends_on: depends_on.iter().map(|(name, d)| (name.to_string(), d.into())).collect(),
            healthcheck: healthcheck.as_ref().map(Into::into),
            restart: (*restart != RestartPolicy::default()).then(|| restart.to_string()),
            stop_signal: stop_signal.clone(),
            stop_grace: unless_default(*stop_grace, DEFAULT_STOP_GRACE),
            keep: keep.then_some(true),
            replicas: (*replicas != 1).then_some(*replicas),
            update: (*update != Update::default()).then(|| update.into()),
            cpus: None,
            cpu_shares: None,
            memory: None,
            pids_limit: None,
            shm_size: None,
            ulimits: BTreeMap::new(),
            init: None,
            read_only: None,
            tmpfs: Vec::new(),
            systemd: None,
            cap_drop: Vec::new(),
            sysctls: BTreeMap::new(),
            extra_hosts: Vec::new(),
            dns: Vec::new(),
            files: super::files::write(files),
            logging: logging.as_ref().map(|Logging { driver, options }| LoggingEntry {
                driver: Some(driver.clone()),
                options: options.clone(),
            }),
            privileged: None,
            cap_add: Vec::new(),
            devices: Vec::new(),
            security_opt: Vec::new(),
            pid: None,
            cgroup: None,
            ipc: None,
        };
        super::confines::write(confines, &mut entry);
        super::powers::write(powers, &mut entry);
        super::joins::write(joins, &mut entry);
        entry
    }
}

fn link(alias: &str, name: &crate::model::ContainerName) -> String {
    if alias == name.as_str() { alias.to_owned() } else { format!("{name}:{alias}") }
}

impl From<&Dependency> for DependencyEntry {
    fn from(dependency: &Dependency) -> Self {
        let Dependency { condition, restart } = dependency;
        Self { condition: Some(*condition), restart: restart.then_some(true) }
    }
}

impl From<&Healthcheck> for HealthcheckEntry {
    fn from(check: &Healthcheck) -> Self {
        match check {
            Healthcheck::None => Self { test: vec!["NONE".to_owned()], ..Self::default() },
            Healthcheck::Check { test, interval, timeout, retries, start_period } => Self {
                test: test.clone().unwrap_or_default(),
                interval: interval.map(format_duration),
                timeout: timeout.map(format_duration),
                retries: *retries,
                start_period: start_period.map(format_duration),
            },
        }
    }
}

impl From<&Update> for UpdateEntry {
    fn from(update: &Update) -> Self {
        let Update { order, healthy_for, probe, timeout, drain, batch, on_failure, pull } = update;
        Self {
            order: *order,
            healthy_for: unless_default(*healthy_for, DEFAULT_HEALTHY_FOR),
            probe: probe.as_ref().map(super::probe::write),
            timeout: unless_default(*timeout, DEFAULT_UPDATE_TIMEOUT),
            drain: unless_default(*drain, DEFAULT_DRAIN),
            batch: (*batch != 1).then_some(*batch),
            on_failure: (*on_failure != OnFailure::default()).then_some(*on_failure),
            pull: (!pull).then_some(false),
        }
    }
}

fn written<T: fmt::Display>(value: Option<&T>) -> Option<String> {
    value.map(ToString::to_string)
}

fn unless_default(duration: Duration, default: Duration) -> Option<String> {
    (duration != default).then(|| format_duration(duration))
}
