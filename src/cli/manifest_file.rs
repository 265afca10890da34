//! The deploy manifest as a file: read, and written so that it is whole or not there.

use std::path::Path;

use anyhow::Context as _;

use super::whole_file::{self, Readers};
use crate::diag::SourceText;
use crate::manifest::{self, Manifest};

/// Reads a manifest; none where there is no file.
///
/// # Errors
/// When the file can't be read, or holds no manifest.
pub(super) fn read(path: &Path) -> anyhow::Result<Option<Manifest>> {
    match std::fs::read_to_string(path) {
        Ok(text) => Ok(Some(manifest::parse(&SourceText::new(path.display().to_string(), text))?)),
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(error).with_context(|| format!("reading `{}`", path.display())),
    }
}

/// Writes a manifest in the place of a former one.
///
/// # Errors
/// When the folder can't be written to; then the former manifest stays.
pub(super) fn write(path: &Path, manifest: &Manifest) -> anyhow::Result<()> {
    // A manifest is for others to read, unless its environments may hold passwords.
    let is_open = manifest.containers.values().all(|container| container.env.is_empty());
    let readers = if is_open { Readers::All } else { Readers::Owner };
    let written = whole_file::write(path, &manifest::to_json(manifest), readers);
    written.with_context(|| format!("writing the deploy manifest `{}`", path.display()))
}
