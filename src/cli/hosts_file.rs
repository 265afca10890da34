//! Writes the names of containers into the host's file of host names.

use std::collections::BTreeMap;
use std::fs;
use std::io::{self, Write as _};
use std::net::IpAddr;
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};

use anyhow::Context as _;

use super::whole_file::{self, Readers};
use crate::apply::with_block;
use crate::model::ProjectName;

/// Which file that is.
#[derive(Debug, Clone, clap::Args)]
pub(super) struct HostsFileArgs {
    /// The file where the host finds names that containers ask for with `hosts_file`.
    #[arg(long, value_name = "FILE", default_value = "/etc/hosts", env = "WINDLASS_HOSTS_FILE")]
    hosts_file: PathBuf,
}

impl HostsFileArgs {
    /// The file.
    pub(super) fn path(&self) -> &Path {
        &self.hosts_file
    }

    /// Brings the project's block up to date; whether that changed anything. A file that says so already is not touched.
    ///
    /// # Errors
    /// When it can't be read or written; it is as it was then.
    pub(super) fn update(&self, project: &ProjectName, names: &BTreeMap<String, IpAddr>) -> anyhow::Result<bool> {
        let path = &self.hosts_file;
        let text = match fs::read_to_string(path) {
            // Who wants no names needs no file.
            Err(_) if names.is_empty() => return Ok(false),
            Err(error) if error.kind() == io::ErrorKind::NotFound => String::new(),
            text => text.with_context(|| format!("reading `{}`", path.display()))?,
        };
        let wanted = with_block(&text, project, names);
        if wanted == text {
            return Ok(false);
        }
        write(path, &wanted).with_context(|| format!("writing `{}`", path.display()))?;
        Ok(true)
    }
}

/// Writes a file that is there whole or as it was, with its owner and mode.
fn write(path: &Path, text: &str) -> io::Result<()> {
    // What it is a link to is replaced, not the link.
    let path = &fs::canonicalize(path).unwrap_or_else(|_| path.to_owned());
    let former = fs::metadata(path).ok();
    let readers = if former.is_some() { Readers::Owner } else { Readers::All };
    let written = whole_file::write_with(path, readers, |file| {
        if let Some(former) = &former {
            std::os::unix::fs::fchown(&*file, Some(former.uid()), Some(former.gid()))?;
            file.set_permissions(former.permissions())?;
        }
        file.write_all(text.as_bytes())
    });
    match written {
        // In a container the file is mounted, and can't be replaced.
        Err(error) if error.kind() == io::ErrorKind::ResourceBusy => fs::write(path, text),
        written => written,
    }
}
