//! What a host allows containers beyond what every container may: a file that its root writes.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use serde::Deserialize;

use super::read::{Version, other_version, unreadable};
use super::scalars::{Keys, unique_map};
use super::wire::VERSION;
use crate::diag::{Diagnostic, Diagnostics, SourceText, Span};
use crate::model::{ContainerName, ProjectName};

/// What a host allows. The default is nothing.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Policy {
    /// What is allowed to whom: `PROJECT/CONTAINER`, with `*` for any of either.
    allow: BTreeMap<String, BTreeSet<String>>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct PolicyFile {
    #[serde(rename = "version")]
    _version: u64,
    #[serde(default, deserialize_with = "unique_map")]
    allow: BTreeMap<String, BTreeSet<String>>,
}

/// The beginnings of what can be allowed by name.
const KINDS: [&str; 5] = ["bind:/", "cap:", "device:/dev/", "hosts_file:", "security_opt:"];

impl Policy {
    /// Reads a policy.
    ///
    /// # Errors
    /// What is wrong with it, with its place.
    pub fn parse(source: &Arc<SourceText>) -> Result<Self, Diagnostics> {
        let text = source.text();
        let one = |diagnostic| Diagnostics(vec![diagnostic]);
        let Keys(Version { version }) =
            serde_json::from_str(text).map_err(|error| one(unreadable(source, &error, "policy")))?;
        if version != VERSION {
            return Err(one(other_version(source, version, "policy")));
        }
        let Keys(PolicyFile { allow, .. }) =
            serde_json::from_str(text).map_err(|error| one(unreadable(source, &error, "policy")))?;
        let place = |word: &str| {
            let quoted = format!("\"{word}\"");
            text.find(&quoted).map_or(Span::new(0, 0), |at| Span::new(at, at + quoted.len()))
        };
        let is_pattern = |text: &str| {
            text.split_once('/').is_some_and(|(project, container)| {
                (project == "*" || project.parse::<ProjectName>().is_ok())
                    && (container == "*" || container.parse::<ContainerName>().is_ok())
            })
        };
        let is_power = |text: &str| {
            matches!(text, "privileged" | "pid:host" | "cgroup:host" | "ipc:host" | "network:host")
                || KINDS.iter().any(|kind| text.starts_with(kind) && (*kind == "bind:/" || text.len() > kind.len()))
        };
        let patterns = allow.keys().filter(|pattern| !is_pattern(pattern)).map(|pattern| {
            Diagnostic::error(format!("`{pattern}` names no containers"))
                .at(source, place(pattern), "")
                .hint("expected `PROJECT/CONTAINER`, with `*` for any of either")
        });
        let powers = allow.values().flatten().filter(|power| !is_power(power)).map(|power| {
            Diagnostic::error(format!("`{power}` can't be allowed"))
                .at(source, place(power), "")
                .hint("expected `privileged`, `pid:host`, `cgroup:host`, `ipc:host`, `network:host`, `cap:NAME`, `device:/dev/…`, `hosts_file:NAME`, `security_opt:…` or `bind:/…`")
        });
        let wrong: Vec<Diagnostic> = patterns.chain(powers).collect();
        if wrong.is_empty() { Ok(Self { allow }) } else { Err(Diagnostics(wrong)) }
    }

    /// Whether a container is allowed what has this name. A path that may be mounted may be mounted with all below it.
    pub fn allows(&self, project: &ProjectName, container: &ContainerName, power: &str) -> bool {
        let patterns =
            [format!("{project}/{container}"), format!("{project}/*"), format!("*/{container}"), "*/*".to_owned()];
        let allowed = patterns.iter().filter_map(|pattern| self.allow.get(pattern)).flatten();
        allowed.into_iter().any(|allowed| match (allowed.strip_prefix("bind:"), power.strip_prefix("bind:")) {
            (Some("/"), Some(_)) => true,
            (Some(folder), Some(path)) => {
                let rest = path.strip_prefix(folder.trim_end_matches('/'));
                rest.is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
            }
            _ => allowed == power,
        })
    }
}
