//! Files that people write by hand, read whole.

use std::fs::File;
use std::io::{self, Read as _};
use std::path::Path;
use std::sync::Arc;

use crate::diag::{Diagnostic, Diagnostics, SourceText, Span};

/// More than any Dockerfile or configuration that somebody wrote; arbitrary.
const BYTES_AT_MOST: u64 = 64 << 20;

/// Reads a text file; `shown` is what the user calls it.
///
/// # Errors
/// The file can't be read, is no file, is no UTF-8, or is longer than 64 MiB.
pub fn read_text(path: &Path, shown: &str) -> Result<Arc<SourceText>, Diagnostics> {
    let bytes = read_bytes(path, shown)?;
    match String::from_utf8(bytes) {
        Ok(text) => Ok(SourceText::new(shown, text)),
        Err(e) => {
            let end = e.utf8_error().valid_up_to();
            let text = String::from_utf8_lossy(&e.as_bytes()[..end]).into_owned();
            let error = Diagnostic::error(format!("`{shown}` is no text in UTF-8"));
            refuse(error.at(&SourceText::new(shown, text), Span::new(end, end), "what follows is no character"))
        }
    }
}

/// Reads a file, such as one that the configuration adds to a context; `shown` is what the user calls it.
///
/// # Errors
/// The file can't be read, is no file, or is longer than 64 MiB.
pub fn read_bytes(path: &Path, shown: &str) -> Result<Vec<u8>, Diagnostics> {
    let cannot_read_it = |e| Diagnostics(vec![cannot_read(shown, &e)]);
    // A fifo would keep `open` waiting for its writer.
    let metadata = path.metadata().map_err(cannot_read_it)?;
    if !metadata.is_file() {
        return refuse(Diagnostic::error(format!("`{shown}` is no regular file")));
    }
    if metadata.len() > BYTES_AT_MOST {
        return refuse(Diagnostic::error(format!("`{shown}` is longer than {} MiB", BYTES_AT_MOST >> 20)));
    }
    let mut bytes = Vec::new();
    let file = File::open(path).map_err(cannot_read_it)?;
    file.take(BYTES_AT_MOST).read_to_end(&mut bytes).map_err(cannot_read_it)?;
    Ok(bytes)
}

fn refuse<T>(diagnostic: Diagnostic) -> Result<T, Diagnostics> {
    Err(Diagnostics(vec![diagnostic]))
}

/// What to say of a path that the operating system refuses.
pub(super) fn cannot_read(shown: &str, error: &io::Error) -> Diagnostic {
    match error.kind() {
        io::ErrorKind::NotFound => Diagnostic::error(format!("`{shown}` does not exist")),
        io::ErrorKind::PermissionDenied => Diagnostic::error(format!("`{shown}` may not be read: permission denied")),
        _ => Diagnostic::error(format!("`{shown}` cannot be read: {error}")),
    }
}
