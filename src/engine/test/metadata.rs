//! What an image's configuration says against what it must say.

use bollard::models::ImageConfig;

use super::environment;
use crate::model::{MetadataTest, ValueMatch};

/// All that is not as it must be.
pub(in crate::engine) fn failures(test: &MetadataTest, config: &ImageConfig) -> Vec<String> {
    let MetadataTest {
        env,
        unbound_env,
        labels,
        entrypoint,
        cmd,
        exposed_ports,
        unexposed_ports,
        volumes,
        unmounted_volumes,
        workdir,
        user,
    } = test;
    let mut failures = Vec::new();
    let actual = environment::of_image(config.env.as_deref().unwrap_or_default());
    for (name, expected) in env {
        failures.extend(value_failure(&format!("variable `{name}`"), expected, actual.get(name)));
    }
    for name in unbound_env.iter().filter(|name| actual.contains_key(*name)) {
        failures.push(format!("variable `{name}` is set, and may not be"));
    }
    for (name, expected) in labels {
        let actual = config.labels.as_ref().and_then(|labels| labels.get(name));
        failures.extend(value_failure(&format!("label `{name}`"), expected, actual));
    }
    failures.extend(list_failure("entrypoint", entrypoint.as_deref(), config.entrypoint.as_deref()));
    failures.extend(list_failure("cmd", cmd.as_deref(), config.cmd.as_deref()));
    let ports = config.exposed_ports.as_deref().unwrap_or_default();
    for port in exposed_ports.iter().filter(|port| !exposes(ports, port)) {
        failures.push(format!("port {port} is not exposed"));
    }
    for port in unexposed_ports.iter().filter(|port| exposes(ports, port)) {
        failures.push(format!("port {port} is exposed, and may not be"));
    }
    let mounts = config.volumes.as_deref().unwrap_or_default();
    for volume in volumes.iter().filter(|volume| !mounts.contains(volume)) {
        failures.push(format!("`{volume}` is no volume"));
    }
    for volume in unmounted_volumes.iter().filter(|volume| mounts.contains(volume)) {
        failures.push(format!("`{volume}` is a volume, and may not be"));
    }
    failures.extend(text_failure("workdir", workdir.as_deref(), config.working_dir.as_deref()));
    failures.extend(text_failure("user", user.as_deref(), config.user.as_deref()));
    failures
}

fn value_failure(what: &str, expected: &ValueMatch, actual: Option<&String>) -> Option<String> {
    let Some(actual) = actual else { return Some(format!("{what} is not set")) };
    match expected {
        ValueMatch::Exactly(expected) if expected == actual => None,
        ValueMatch::Exactly(expected) => Some(format!("{what} is `{actual}`, not `{expected}`")),
        ValueMatch::Pattern(pattern) if pattern.is_match(actual) => None,
        ValueMatch::Pattern(pattern) => {
            Some(format!("{what} is `{actual}`, which `{}` does not match", pattern.as_str()))
        }
    }
}

fn list_failure(what: &str, expected: Option<&[String]>, actual: Option<&[String]>) -> Option<String> {
    let (expected, actual) = (expected?, actual.unwrap_or_default());
    (expected != actual).then(|| format!("{what} is {actual:?}, not {expected:?}"))
}

fn text_failure(what: &str, expected: Option<&str>, actual: Option<&str>) -> Option<String> {
    let (expected, actual) = (expected?, actual.unwrap_or_default());
    (expected != actual).then(|| format!("{what} is `{actual}`, not `{expected}`"))
}

/// Whether a port is among those that are exposed, which carry a protocol each (`8080/tcp`).
fn exposes(exposed: &[String], port: &str) -> bool {
    exposed.iter().any(|e| e == port || e.split_once('/').is_some_and(|(number, _)| number == port))
}
