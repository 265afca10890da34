//! `windlass.lock` as a file: read, and written so that it is whole or as it was.

use std::io::Write as _;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;

use anyhow::Context as _;

use crate::config::Lock;
use crate::diag::Diagnostics;
use crate::source::read_text;

/// What the file is called, at the project's root.
pub(super) const FILE: &str = "windlass.lock";

/// Reads the lock file of a project; none where there is no file.
///
/// # Errors
/// When it can't be read, or everything that is wrong with it.
pub(super) fn read(root: &Path) -> Result<Option<Lock>, Diagnostics> {
    let path = root.join(FILE);
    // A dangling link is no missing file: somebody meant one to be there.
    if path.symlink_metadata().is_err() {
        return Ok(None);
    }
    Lock::parse(&read_text(&path, FILE)?).map(Some)
}

/// Writes the lock file in the place of a former one: whoever reads meanwhile, or after a crash, finds one of the two.
///
/// # Errors
/// When the folder can't be written to; then the former file stays.
pub(super) fn write(root: &Path, lock: &Lock) -> anyhow::Result<()> {
    let write = || -> std::io::Result<()> {
        let mut file = tempfile::Builder::new().prefix(".windlass-").suffix(".lock").tempfile_in(root)?;
        file.write_all(lock.to_text().as_bytes())?;
        file.as_file().set_permissions(PermissionsExt::from_mode(0o644))?;
        file.as_file().sync_all()?;
        file.persist(root.join(FILE))?;
        Ok(())
    };
    write().with_context(|| format!("writing `{FILE}`"))
}
