//! Files that people write by hand, read whole.

use std::fs::{File, OpenOptions};
use std::io::{self, Read as _};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::Path;
use std::sync::Arc;

use rustix::fs::OFlags;

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
    let no_file = || refuse(Diagnostic::error(format!("`{shown}` is no regular file")));
    // A fifo would keep `open` waiting for its writer.
    let opened = OpenOptions::new().read(true).custom_flags(OFlags::NONBLOCK.bits().cast_signed()).open(path);
    let mut file = match opened {
        Ok(file) => file,
        // A socket can't be opened at all.
        Err(_) if path.metadata().is_ok_and(|metadata| !metadata.is_file()) => return no_file(),
        Err(e) => return Err(cannot_read_it(e)),
    };
    let metadata = file.metadata().map_err(cannot_read_it)?;
    if !metadata.is_file() {
        return no_file();
    }
    if metadata.len() > BYTES_AT_MOST {
        return refuse(Diagnostic::error(format!("`{shown}` is longer than {} MiB", BYTES_AT_MOST >> 20)));
    }
    read_whole(&mut file, metadata.len()).map_err(cannot_read_it)
}

/// Reads a file of which the length is known, as it is of most: then two calls do, the second of which finds its end.
fn read_whole(file: &mut File, length: u64) -> io::Result<Vec<u8>> {
    let (mut bytes, mut read) = (vec![0; usize::try_from(length).unwrap_or(0) + 1], 0);
    loop {
        match file.read(&mut bytes[read..]) {
            Ok(0) => break,
            Ok(n) => read += n,
            Err(e) if e.kind() == io::ErrorKind::Interrupted => {}
            Err(e) => return Err(e),
        }
        if read == bytes.len() {
            file.take(BYTES_AT_MOST).read_to_end(&mut bytes)?;
            return Ok(bytes);
        }
    }
    bytes.truncate(read);
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
