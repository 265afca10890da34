//! Where a path of a root file system leads. Only for roots in which nothing runs: another process could put a link
//! into the way between the look and the use.

use std::ffi::OsString;
use std::io;
use std::os::unix::fs::DirBuilderExt as _;
use std::path::{Path, PathBuf};

use crate::engine::embedded::links::{LINKS_AT_MOST, follow};

/// What a path leads to, links followed, with the root as `/`.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Place {
    /// What is there of it, below the root: no part of it is a link.
    pub(super) there: PathBuf,
    /// What is not there.
    pub(super) missing: Vec<OsString>,
}

impl Place {
    /// The whole path below the root.
    pub(super) fn below_root(&self) -> PathBuf {
        self.there.iter().chain(self.missing.iter().map(OsString::as_os_str)).collect()
    }
}

/// Follows `path` from `root`, never above it.
pub(super) fn find(root: &Path, path: &Path) -> io::Result<Place> {
    let led = follow(path, LINKS_AT_MOST, |next, _| match std::fs::symlink_metadata(root.join(next)) {
        Ok(metadata) if metadata.is_symlink() => std::fs::read_link(root.join(next)).map(Some),
        Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
        Ok(_) | Err(_) => Ok(None),
    })?;
    let is_there = |path: &&Path| std::fs::symlink_metadata(root.join(path)).is_ok();
    let there = led.ancestors().find(is_there).unwrap_or(Path::new("")).to_owned();
    let missing = led.strip_prefix(&there).expect("it is an ancestor").iter().map(ToOwned::to_owned).collect();
    Ok(Place { there, missing })
}

/// What is made at the end of a path.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    Folder,
    File,
}

/// Makes `missing` below a folder: folders (0755), and at the end an empty file or a folder.
pub(super) fn make(folder: &Path, missing: &[OsString], kind: Kind) -> io::Result<()> {
    let mut path = folder.to_owned();
    for (i, name) in missing.iter().enumerate() {
        path.push(name);
        if i + 1 == missing.len() && kind == Kind::File {
            std::fs::File::create_new(&path)?;
        } else {
            std::fs::DirBuilder::new().mode(0o755).create(&path)?;
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use std::ffi::OsStr;

    use super::*;

    #[test]
    fn paths_never_leave_the_root() {
        let folder = tempfile::tempdir().unwrap();
        let root = folder.path();
        std::fs::create_dir_all(root.join("usr/lib")).unwrap();
        for (link, target) in [
            ("lib", "usr/lib"),
            ("up", "../../../usr"),
            ("absolute", "/usr/lib"),
            ("gone", "/var/nothing"),
            ("loop", "loop"),
        ] {
            std::os::unix::fs::symlink(target, root.join(link)).unwrap();
        }
        for (path, there, missing) in [
            ("/", "", ""),
            ("/usr", "usr", ""),
            ("lib/x/y", "usr/lib", "x/y"),
            ("/up/lib", "usr/lib", ""),
            ("/absolute/../lib", "usr/lib", ""),
            ("/gone/x", "", "var/nothing/x"),
            ("/gone/../../../usr", "usr", ""),
            ("/../../etc/./passwd", "", "etc/passwd"),
        ] {
            let place = find(root, Path::new(path)).unwrap();
            assert_eq!(
                (place.there.as_path(), place.missing.join(OsStr::new("/"))),
                (Path::new(there), missing.into()),
                "{path}"
            );
        }
        assert!(find(root, Path::new("/loop/x")).is_err());
    }
}
