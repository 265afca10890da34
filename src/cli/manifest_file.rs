//! The deploy manifest as a file: read, and written so that it is whole or not there.

use std::io::Write as _;
use std::path::Path;

use anyhow::Context as _;

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

/// Writes a manifest in the place of a former one: whoever reads meanwhile, or after a crash, finds one of the two.
///
/// # Errors
/// When the folder can't be written to; then the former manifest stays.
pub(super) fn write(path: &Path, manifest: &Manifest) -> anyhow::Result<()> {
    let write = || -> std::io::Result<()> {
        let folder = path.parent().filter(|p| !p.as_os_str().is_empty()).unwrap_or_else(|| Path::new("."));
        let mut file = tempfile::Builder::new().prefix(".deploy-").suffix(".json").tempfile_in(folder)?;
        file.write_all(manifest::to_json(manifest).as_bytes())?;
        // A temporary file is private. A manifest is for others to read, unless its environments may hold passwords.
        if manifest.containers.values().all(|container| container.env.is_empty()) {
            file.as_file().set_permissions(std::os::unix::fs::PermissionsExt::from_mode(0o644))?;
        }
        file.as_file().sync_all()?;
        file.persist(path)?;
        Ok(())
    };
    write().with_context(|| format!("writing the deploy manifest `{}`", path.display()))
}
