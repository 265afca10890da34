//! How `apply` itself finds out whether a new container is good: for images that bring no health check, and engines that run
//! none.

use std::fmt;
use std::time::Duration;

use super::ProbeEntry;
use super::lifecycle;
use super::port::parse_port;
use super::problem::Problems;
use crate::model::format_duration;

/// How long one try may take where nothing is said. Arbitrary.
const DEFAULT_TIMEOUT: Duration = Duration::from_secs(5);

/// What `apply` tries again and again while it waits for a container to become good.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Probe {
    /// What is tried.
    pub what: ProbeWhat,
    /// How long one try may take.
    pub timeout: Duration,
}

/// What a probe tries.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ProbeWhat {
    /// A command in the container, which has to end with code 0.
    Command(Vec<String>),
    /// A GET over HTTP, which has to be answered with a status from 200 to 399.
    Http {
        /// The port in the container.
        port: u16,
        /// The path with its query, from `/` on.
        path: String,
    },
    /// A connection to a port in the container, which has to be taken.
    Tcp(u16),
}

impl fmt::Display for ProbeWhat {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Command(words) => write!(f, "`{}`", words.join(" ")),
            Self::Http { port, path } => write!(f, "GET :{port}{path}"),
            Self::Tcp(port) => write!(f, "port {port}"),
        }
    }
}

/// Checks what is written of a probe; nothing where it does not say what is tried.
pub(super) fn read(problems: &mut Problems, entry: &ProbeEntry) -> Option<Probe> {
    let ProbeEntry { command, http, tcp, timeout } = entry;
    let timeout = lifecycle::positive(problems, "timeout", timeout.as_ref()).unwrap_or(DEFAULT_TIMEOUT);
    let what = match (command, http, tcp) {
        (Some(words), None, None) => {
            if words.first().is_none_or(String::is_empty) {
                problems.value("command", "the command is empty", None);
            }
            ProbeWhat::Command(words.clone())
        }
        (None, Some(text), None) => problems.read("http", parse_http(text))?,
        (None, None, Some(text)) => ProbeWhat::Tcp(problems.read("tcp", parse_port(text))?),
        _ => {
            let hint = "give one of `command`, `http` and `tcp`".to_owned();
            problems.value("command", "what is tried has to be said once", Some(hint));
            return None;
        }
    };
    Some(Probe { what, timeout })
}

/// Reads `8080/health`, or `8080` for `/`.
fn parse_http(text: &str) -> Result<ProbeWhat, String> {
    let at = text.find('/').unwrap_or(text.len());
    let (port, path) = text.split_at(at);
    if !path.bytes().all(|b| b.is_ascii_graphic()) {
        return Err(format!("`{path}` is no path: expected letters, digits and signs of ASCII without blanks"));
    }
    let path = if path.is_empty() { "/" } else { path };
    Ok(ProbeWhat::Http { port: parse_port(port)?, path: path.to_owned() })
}

/// Writes a probe as [`read`] reads it.
pub(super) fn write(Probe { what, timeout }: &Probe) -> ProbeEntry {
    let (command, http, tcp) = match what {
        ProbeWhat::Command(words) => (Some(words.clone()), None, None),
        ProbeWhat::Http { port, path } => (None, Some(format!("{port}{path}")), None),
        ProbeWhat::Tcp(port) => (None, None, Some(port.to_string())),
    };
    ProbeEntry { command, http, tcp, timeout: (*timeout != DEFAULT_TIMEOUT).then(|| format_duration(*timeout)) }
}
