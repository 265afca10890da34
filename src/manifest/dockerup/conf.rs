//! `dockerup.conf`: a key and a value a line.

use std::sync::Arc;
use std::time::Duration;

use crate::diag::{Diagnostic, Diagnostics, SourceText, Span};

/// What `dockerup.conf` says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DockerupConf {
    /// The folder with the containers.
    pub confdir: Option<String>,
    /// The engine's address.
    pub remote: Option<String>,
    /// From one look to the next.
    pub interval: Option<Duration>,
    /// Whether images are pulled.
    pub pull: bool,
    /// Whether EC2 user-data has containers, too.
    pub aws: bool,
    /// Whether it goes on.
    pub server: bool,
    /// Whether it says who images are pulled as.
    pub login: bool,
}

impl Default for DockerupConf {
    fn default() -> Self {
        Self { confdir: None, remote: None, interval: None, pull: true, aws: false, server: false, login: false }
    }
}

/// Reads `dockerup.conf`; `;` and `#` begin a comment. Tells what says nothing, too.
///
/// # Errors
/// Every line that can't be read.
pub fn dockerup_conf(source: &Arc<SourceText>) -> Result<(DockerupConf, Vec<Diagnostic>), Diagnostics> {
    let (mut conf, mut errors, mut warnings) = (DockerupConf::default(), Vec::new(), Vec::new());
    let mut start = 0;
    for whole in source.text().split_inclusive('\n') {
        let line = whole.trim();
        let at = start + (whole.len() - whole.trim_start().len());
        start += whole.len();
        if line.is_empty() || line.starts_with([';', '#', '[']) {
            continue;
        }
        let place = Span::new(at, at + line.len());
        let Some((key, value)) = line.split_once('=') else {
            errors.push(Diagnostic::error("expected `key=value`").at(source, place, ""));
            continue;
        };
        let (key, value) = (key.trim(), value.trim());
        let mut truth = |known: &mut bool| match value.to_ascii_lowercase().as_str() {
            "true" | "yes" | "1" => *known = true,
            "false" | "no" | "0" => *known = false,
            _ => errors.push(Diagnostic::error(format!("`{key}` is `true` or `false`")).at(source, place, "")),
        };
        match key {
            "confdir" => conf.confdir = Some(value.to_owned()),
            "remote" => conf.remote = Some(remote(value)),
            "pull" => truth(&mut conf.pull),
            "aws" => truth(&mut conf.aws),
            "server" => truth(&mut conf.server),
            "interval" => match value.parse() {
                Ok(seconds) if seconds > 0 => conf.interval = Some(Duration::from_secs(seconds)),
                _ => errors.push(Diagnostic::error("`interval` is a number of seconds").at(source, place, "")),
            },
            "username" | "password" | "email" => conf.login = true,
            _ => {
                let message = format!("`{key}` says nothing to dockerup, and nothing here");
                warnings.push(Diagnostic::warning(message).at(source, place, ""));
            }
        }
    }
    if errors.is_empty() { Ok((conf, warnings)) } else { Err(Diagnostics(errors)) }
}

/// The address with the slashes that dockerup's own default lacks: `unix://var/run/docker.sock`.
fn remote(text: &str) -> String {
    match text.strip_prefix("unix://") {
        Some(path) if !path.starts_with('/') => format!("unix:///{path}"),
        _ => text.to_owned(),
    }
}
