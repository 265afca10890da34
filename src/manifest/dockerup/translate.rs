//! One container of dockerup in our words.

use std::collections::BTreeMap;

use serde_json::{Map, Value};

use super::{At, words};
use crate::manifest::validate::is_host_name;
use crate::manifest::{ContainerEntry, DependencyEntry, EnvValue, Order, UpdateEntry};
use crate::model::ContainerName;

/// Every key of a container.
const KEYS: [&str; 16] = [
    "type",
    "name",
    "image",
    "cpu",
    "memory",
    "entrypoint",
    "command",
    "privileged",
    "network",
    "volumes",
    "portMappings",
    "env",
    "restart",
    "update",
    "links",
    "signal",
];

/// The folder of the host where dockerup gives each container one for its logs, and where the container finds it.
pub const LOGS: &str = "/var/log/ext";

/// The container and its name with us; nothing where it has none, or no image.
pub(super) fn container(at: &mut At<'_>, value: &Value, pull: bool) -> Option<(String, ContainerEntry)> {
    let map = at.map(value)?;
    at.known(map, &KEYS);
    if let Some(kind) = at.text(map, "type").filter(|kind| kind != "docker") {
        at.error(Some("type"), format!("`{kind}` is no type: dockerup knows `docker` alone"));
    }
    let (Some(written), Some(image)) = (at.text(map, "name"), at.text(map, "image")) else {
        at.error(None, "a container needs a `name` and an `image`");
        return None;
    };
    let name = our_name(&written);
    if name.parse::<ContainerName>().is_err() {
        at.error(Some("name"), format!("`{written}` can't be the name of a container here"));
        return None;
    }
    let mut aliases = Vec::new();
    if name != written {
        at.warn("name", format!("`{written}` is called `{name}` here"));
        aliases.extend(Some(written.clone()).filter(|text| is_host_name(text)));
    }
    let network_mode = network(at, map);
    let is_apart = network_mode.is_some();
    let mut volumes = vec![format!("{LOGS}/{written}:{LOGS}")];
    let mut volumes_from = Vec::new();
    mounts(at, map, &name, &mut volumes, &mut volumes_from);
    let (ports, has_fixed) = ports(at, map);
    let links = at.texts(map, "links");
    let mut depends_on = BTreeMap::new();
    if is_apart {
        for (key, is_said) in [("portMappings", !ports.is_empty()), ("links", !links.is_empty())] {
            if is_said {
                at.warn(key, "it says nothing on this network");
            }
        }
        depends_on.extend(links.keys().map(|name| (our_name(name), DependencyEntry::default())));
        aliases.clear();
    }
    let mut env: BTreeMap<String, EnvValue> =
        at.texts(map, "env").into_iter().map(|(key, text)| (key, EnvValue::new(text))).collect();
    env.entry("DOCKER_IMAGE".to_owned()).or_insert_with(|| EnvValue::new(image.clone()));
    let link = |(name, alias): (&String, &String)| format!("{}:{alias}", our_name(name));
    let cpu_shares = at.text(map, "cpu").and_then(|text| {
        let shares = text.parse::<u32>();
        if shares.is_err() {
            at.error(Some("cpu"), format!("`{text}` is no number of shares"));
        }
        // dockerup's engine took less than the kernel's least for that.
        shares.ok().filter(|shares| *shares > 0).map(|shares| shares.max(2))
    });
    let signals = at.texts(map, "signal").into_iter().map(|(name, signal)| (our_name(&name), signal));
    let entry = ContainerEntry {
        command: command(at, map, "command"),
        entrypoint: command(at, map, "entrypoint"),
        cpu_shares,
        memory: at.text(map, "memory"),
        privileged: at.truth(map, "privileged").filter(|is_so| *is_so),
        restart: restart(at, map),
        update: update(at, map, pull, has_fixed && !is_apart),
        links: links.iter().filter(|_| !is_apart).map(link).collect(),
        signals: signals.collect(),
        ports: if is_apart { Vec::new() } else { ports },
        env,
        volumes,
        volumes_from,
        network_mode,
        aliases,
        depends_on,
        image: tagged(&image),
        ..ContainerEntry::default()
    };
    Some((name, entry))
}

/// The name that a container has with us: lower case, and `-` for what is no letter or digit.
fn our_name(written: &str) -> String {
    written.to_ascii_lowercase().replace(['_', '.'], "-")
}

/// Docker's tag where none is written.
fn tagged(image: &str) -> String {
    let last = image.rsplit('/').next().unwrap_or(image);
    if last.contains([':', '@']) { image.to_owned() } else { format!("{image}:latest") }
}

fn network(at: &mut At<'_>, map: &Map<String, Value>) -> Option<String> {
    let text = at.text(map, "network")?;
    match (text.as_str(), text.strip_prefix("container:")) {
        ("bridge", _) => None,
        ("none" | "host", _) => Some(text),
        (_, Some(name)) => Some(format!("container:{}", our_name(name))),
        _ => {
            at.error(
                Some("network"),
                format!("`{text}` is no network: expected `bridge`, `none`, `host` or `container:NAME`"),
            );
            None
        }
    }
}

fn mounts(at: &mut At<'_>, map: &Map<String, Value>, name: &str, volumes: &mut Vec<String>, from: &mut Vec<String>) {
    for (index, value) in at.list(map, "volumes").iter().enumerate() {
        at.item("volumes", index, |at| {
            let Some(volume) = at.map(value) else { return };
            at.known(volume, &["containerPath", "hostPath", "mode", "from"]);
            let mode = match at.text(volume, "mode").map(|mode| mode.to_ascii_lowercase()).as_deref() {
                Some("ro") => ":ro",
                None | Some("rw") => "",
                Some(_) => {
                    at.error(Some("mode"), "expected `ro` or `rw`");
                    ""
                }
            };
            match (at.text(volume, "from"), at.text(volume, "containerPath"), at.text(volume, "hostPath")) {
                (Some(other), None, None) => from.push(format!("{}{mode}", our_name(&other))),
                (None, Some(path), Some(host)) => volumes.push(format!("{host}:{path}{mode}")),
                (None, Some(path), None) => {
                    // With us it has a name, so that the next container of its name finds what is in it.
                    let plain: String = path.chars().map(|c| if c.is_ascii_alphanumeric() { c } else { '-' }).collect();
                    volumes.push(format!("{name}-{}:{path}{mode}", plain.trim_matches('-')));
                }
                _ => at.error(None, "a volume has a `containerPath`, or `from` alone"),
            }
        });
    }
}

/// The published ports, and whether any of them has a fixed port of the host.
fn ports(at: &mut At<'_>, map: &Map<String, Value>) -> (Vec<String>, bool) {
    let (mut ports, mut has_fixed) = (Vec::new(), false);
    for (index, value) in at.list(map, "portMappings").iter().enumerate() {
        at.item("portMappings", index, |at| {
            let Some(port) = at.map(value) else { return };
            at.known(port, &["containerPort", "hostPort"]);
            let Some(inside) = at.text(port, "containerPort") else {
                return at.error(None, "a port has a `containerPort`");
            };
            // dockerup binds to every address of the host.
            let outside = at.text(port, "hostPort").filter(|port| !port.is_empty());
            has_fixed |= outside.is_some();
            ports.push(format!("0.0.0.0:{}:{inside}", outside.unwrap_or_default()));
        });
    }
    (ports, has_fixed)
}

/// A command that is a list of words, or a text.
fn command(at: &mut At<'_>, map: &Map<String, Value>, key: &str) -> Option<Vec<String>> {
    if let Some(Value::Array(list)) = map.get(key) {
        let words: Option<Vec<String>> = list.iter().map(|word| word.as_str().map(str::to_owned)).collect();
        if words.is_none() {
            at.error(Some(key), "expected a list of texts");
        }
        return words;
    }
    let text = at.text(map, key)?;
    let words = words::split(&text);
    if words.is_none() {
        at.error(Some(key), "a quote is not closed");
    }
    words
}

fn restart(at: &mut At<'_>, map: &Map<String, Value>) -> Option<String> {
    let text = at.text(map, "restart")?;
    match text.as_str() {
        "always" => None,
        "on-failure" => Some(text),
        // What dockerup says here no engine knows.
        "never" | "no" => Some("no".to_owned()),
        _ => {
            at.error(
                Some("restart"),
                format!("`{text}` is no restart policy: expected `always`, `on-failure` or `never`"),
            );
            None
        }
    }
}

fn update(at: &mut At<'_>, map: &Map<String, Value>, pull: bool, has_fixed: bool) -> Option<UpdateEntry> {
    let (mut pulls, mut eager) = (pull, false);
    match map.get("update") {
        None | Some(Value::Null) => {}
        Some(Value::Object(update)) => {
            for key in update.keys() {
                match key.as_str() {
                    "pull" => pulls &= at.truth(update, key).unwrap_or(true),
                    "eager" => eager = at.truth(update, key).unwrap_or(false),
                    "rolling" => {
                        if at.truth(update, key) == Some(true) {
                            at.warn("update", "`rolling` never did anything; `replicas` do that here");
                        }
                    }
                    _ => at.warn("update", format!("`{key}` says nothing to dockerup, and nothing here")),
                }
            }
        }
        Some(_) => at.error(Some("update"), "expected a map"),
    }
    let order = eager.then_some(if has_fixed { Order::Swap } else { Order::StartFirst });
    let update = UpdateEntry { order, pull: (!pulls).then_some(false), ..UpdateEntry::default() };
    (update != UpdateEntry::default()).then_some(update)
}
