//! Files that are written whole: whoever reads meanwhile, or after a crash, finds the former one or the new one.

use std::fs::File;
use std::io::{self, Write as _};
use std::os::unix::fs::PermissionsExt;
use std::path::Path;

/// Whose a file is to read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Readers {
    /// Everybody's.
    All,
    /// Its owner's alone: it may hold a secret.
    Owner,
}

/// Writes a file in the place of a former one.
///
/// # Errors
/// When its folder can't be written to; then the former file stays.
pub(super) fn write(path: &Path, text: &str, readers: Readers) -> io::Result<()> {
    write_with(path, readers, |file| file.write_all(text.as_bytes()))
}

/// The same of what `write` writes.
///
/// # Errors
/// Those of `write`, and when the folder can't be written to; then the former file stays.
pub(super) fn write_with<E: From<io::Error>>(
    path: &Path,
    readers: Readers,
    write: impl FnOnce(&mut File) -> Result<(), E>,
) -> Result<(), E> {
    let folder = path.parent().filter(|p| !p.as_os_str().is_empty()).unwrap_or_else(|| Path::new("."));
    // A temporary file is private.
    let mut file = tempfile::Builder::new().prefix(".windlass-").tempfile_in(folder)?;
    write(file.as_file_mut())?;
    if readers == Readers::All {
        file.as_file().set_permissions(PermissionsExt::from_mode(0o644))?;
    }
    file.as_file().sync_all()?;
    file.persist(path).map_err(|error| error.error)?;
    Ok(())
}
