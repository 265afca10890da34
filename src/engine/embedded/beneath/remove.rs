//! Removes trees that somebody else made: of any depth, and closed to their owner.

use std::ffi::{OsStr, OsString};
use std::io;
use std::os::fd::{AsFd as _, BorrowedFd, OwnedFd};
use std::os::unix::ffi::OsStrExt as _;
use std::path::Path;

use rustix::fs::{AtFlags, CWD, Dir, Mode, OFlags, RenameFlags};
use rustix::io::Errno;

use super::directory_itself;

/// So many directories are open at once; what is deeper is moved up. Arbitrary, far below the usual 1,024 files.
const DEEPEST: usize = 64;

/// Removes a file, or a folder with all below it; where there is nothing, that is fine. No link is followed.
///
/// # Errors
/// When something can't be removed.
pub fn remove_tree(path: &Path) -> io::Result<()> {
    let name = path.file_name().ok_or(Errno::INVAL)?;
    let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
    match rustix::fs::openat(CWD, folder, OFlags::PATH | OFlags::DIRECTORY | OFlags::CLOEXEC, Mode::empty()) {
        Ok(folder) => remove_below(folder.as_fd(), name),
        Err(Errno::NOENT) => Ok(()),
        Err(error) => Err(error.into()),
    }
}

/// One directory that is being emptied.
struct Level {
    fd: OwnedFd,
    name: OsString,
    left: Vec<OsString>,
}

pub(super) fn remove_below(folder: BorrowedFd<'_>, name: &OsStr) -> io::Result<()> {
    let Some(first) = unlink_or_enter(folder, name)? else { return Ok(()) };
    let mut levels = vec![first];
    let mut n_moved = 0;
    while let Some(level) = levels.last_mut() {
        if let Some(name) = level.left.pop() {
            let Some(inner) = unlink_or_enter(level.fd.as_fd(), &name)? else { continue };
            if levels.len() < DEEPEST {
                levels.push(inner);
                continue;
            }
            drop(inner);
            let moved = move_up(&levels[DEEPEST - 1], &name, &levels[0], &mut n_moved)?;
            levels[0].left.push(moved);
        } else {
            let Some(Level { fd: _, name, left: _ }) = levels.pop() else { break };
            let above = levels.last().map_or(folder, |level| level.fd.as_fd());
            absent_is_fine(rustix::fs::unlinkat(above, &name, AtFlags::REMOVEDIR))?;
        }
    }
    Ok(())
}

/// Removes what is no directory, and an empty one; opens what is left.
fn unlink_or_enter(folder: BorrowedFd<'_>, name: &OsStr) -> io::Result<Option<Level>> {
    match rustix::fs::unlinkat(folder, name, AtFlags::empty()) {
        Ok(()) | Err(Errno::NOENT | Errno::NOTDIR) => return Ok(None),
        Err(Errno::ISDIR | Errno::PERM) => {}
        Err(error) => return Err(error.into()),
    }
    match rustix::fs::unlinkat(folder, name, AtFlags::REMOVEDIR) {
        Ok(()) | Err(Errno::NOENT) => return Ok(None),
        Err(Errno::NOTEMPTY | Errno::EXIST | Errno::ACCESS) => {}
        Err(error) => return Err(error.into()),
    }
    let fd = match rustix::fs::openat(folder, name, directory_itself(), Mode::empty()) {
        Err(Errno::ACCESS) => {
            rustix::fs::chmodat(folder, name, Mode::RWXU, AtFlags::empty())?;
            rustix::fs::openat(folder, name, directory_itself(), Mode::empty())?
        }
        other => other?,
    };
    let mode = Mode::from_raw_mode(rustix::fs::fstat(&fd)?.st_mode);
    if !mode.contains(Mode::RWXU) {
        // Root may do without; whoever may not change it is told by what fails next.
        let _closed = rustix::fs::fchmod(&fd, Mode::RWXU);
    }
    let mut left = Vec::new();
    for entry in Dir::read_from(&fd)? {
        let entry = entry?;
        let name = entry.file_name().to_bytes();
        if name != b"." && name != b".." {
            left.push(OsStr::from_bytes(name).to_owned());
        }
    }
    Ok(Some(Level { fd, name: name.to_owned(), left }))
}

fn move_up(from: &Level, name: &OsStr, to: &Level, n_moved: &mut u64) -> io::Result<OsString> {
    loop {
        let moved = OsString::from(format!("moved-{n_moved}"));
        *n_moved += 1;
        match rustix::fs::renameat_with(&from.fd, name, &to.fd, &moved, RenameFlags::NOREPLACE) {
            Ok(()) => return Ok(moved),
            Err(Errno::EXIST) => {}
            Err(error) => return Err(error.into()),
        }
    }
}

fn absent_is_fine(result: rustix::io::Result<()>) -> io::Result<()> {
    match result {
        Ok(()) | Err(Errno::NOENT) => Ok(()),
        Err(error) => Err(error.into()),
    }
}
