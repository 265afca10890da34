//! Volumes in Compose's short syntax (Compose specification, "volumes", short syntax), without its anonymous volumes
//! and relative paths: what a container writes must be found again, on whatever host it runs.

use std::fmt;

/// What is mounted at a path of a container.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Mount {
    /// What.
    pub source: MountSource,
    /// Whether the container may not write to it.
    pub read_only: bool,
}

/// Where the files of a mount are.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub enum MountSource {
    /// A volume of the project.
    Volume(String),
    /// A folder or file of the host, by its absolute path.
    Host(String),
}

impl fmt::Display for MountSource {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Volume(name) => f.write_str(name),
            Self::Host(path) => f.write_str(path),
        }
    }
}

/// Writes a mount as [`parse_mount`] reads it.
pub(super) fn format_mount(path: &str, mount: &Mount) -> String {
    let mode = if mount.read_only { ":ro" } else { "" };
    format!("{}:{path}{mode}", mount.source)
}

/// Reads `source:path[:ro|:rw]`: the path in the container, and what is mounted there.
pub(super) fn parse_mount(text: &str) -> Result<(String, Mount), String> {
    let mut parts = text.split(':');
    let (Some(source), Some(path), mode, None) = (parts.next(), parts.next(), parts.next(), parts.next()) else {
        return Err(format!("`{text}` is no volume: expected `name:/path`, `/host/path:/path`, and `:ro` behind it"));
    };
    let read_only = match mode {
        None | Some("rw") => false,
        Some("ro") => true,
        Some(other) => return Err(format!("`{other}` is no way to mount a volume: expected `ro` or `rw`")),
    };
    let path = absolute(path).ok_or_else(|| format!("`{path}` is no absolute path below `/` in the container"))?;
    let source = if source.starts_with(['/', '.', '~']) {
        let source = if source == "/" { Some(source.to_owned()) } else { absolute(source) };
        MountSource::Host(source.ok_or_else(|| "a path of the host is written in full, from `/`".to_owned())?)
    } else if is_volume_name(source) {
        MountSource::Volume(source.to_owned())
    } else {
        return Err(format!("`{source}` is no name for a volume: letters, digits, `_`, `.` and `-`, 64 at most"));
    };
    Ok((path, Mount { source, read_only }))
}

/// The path without needless slashes, if it is absolute, is not `/` and climbs nowhere.
pub(super) fn absolute(path: &str) -> Option<String> {
    let parts: Vec<&str> = path.strip_prefix('/')?.split('/').filter(|part| !part.is_empty()).collect();
    let plain = !parts.is_empty() && parts.iter().all(|part| !matches!(*part, "." | "..") && !part.contains('\0'));
    plain.then(|| format!("/{}", parts.join("/")))
}

fn is_volume_name(text: &str) -> bool {
    text.len() <= 64
        && text.starts_with(|c: char| c.is_ascii_alphanumeric())
        && text.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'_' | b'.' | b'-'))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn short_syntax_is_read() {
        for (text, expected) in [
            ("db:/var/lib/db", "db:/var/lib/db"),
            ("db:/var//lib/db/:rw", "db:/var/lib/db"),
            ("/etc/app:/etc/app:ro", "/etc/app:/etc/app:ro"),
            ("/:/host:ro", "/:/host:ro"),
            ("/data", "error: `/data` is no volume: expected `name:/path`, `/host/path:/path`, and `:ro` behind it"),
            ("./x:/x", "error: a path of the host is written in full, from `/`"),
            ("/a/../b:/x", "error: a path of the host is written in full, from `/`"),
            ("db:data", "error: `data` is no absolute path below `/` in the container"),
            ("db:/", "error: `/` is no absolute path below `/` in the container"),
            ("db:/a/../b", "error: `/a/../b` is no absolute path below `/` in the container"),
            ("-db:/x", "error: `-db` is no name for a volume: letters, digits, `_`, `.` and `-`, 64 at most"),
            ("db:/x:z", "error: `z` is no way to mount a volume: expected `ro` or `rw`"),
        ] {
            let read = match parse_mount(text) {
                Ok((path, mount)) => format_mount(&path, &mount),
                Err(why) => format!("error: {why}"),
            };
            assert_eq!(read, expected, "{text}");
        }
    }
}
