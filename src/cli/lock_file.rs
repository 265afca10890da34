//! `windlass.lock` as a file: read, and written so that it is whole or as it was.

use std::path::Path;

use anyhow::Context as _;

use super::whole_file::{self, Readers};
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

/// Writes the lock file in the place of a former one.
///
/// # Errors
/// When the folder can't be written to; then the former file stays.
pub(super) fn write(root: &Path, lock: &Lock) -> anyhow::Result<()> {
    whole_file::write(&root.join(FILE), &lock.to_text(), Readers::All).with_context(|| format!("writing `{FILE}`"))
}
