//! Where a path of a root file system leads. Only for roots in which nothing runs: another process could put a link
//! into the way between the look and the use.

use std::collections::VecDeque;
use std::ffi::{OsStr, OsString};
use std::io;
use std::os::unix::fs::DirBuilderExt as _;
use std::path::{Component, Path, PathBuf};

/// How many links one path may lead through (the kernel's number).
const LINKS_AT_MOST: usize = 40;

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
    let mut ahead: VecDeque<OsString> = names(path);
    let mut place = Place { there: PathBuf::new(), missing: Vec::new() };
    let mut links = 0;
    while let Some(name) = ahead.pop_front() {
        if name == OsStr::new("..") {
            if place.missing.pop().is_none() {
                place.there.pop();
            }
            continue;
        }
        if !place.missing.is_empty() {
            place.missing.push(name);
            continue;
        }
        let next = place.there.join(&name);
        let whole = root.join(&next);
        match std::fs::symlink_metadata(&whole) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => place.missing.push(name),
            Err(error) => return Err(error),
            Ok(metadata) if metadata.is_symlink() => {
                links += 1;
                if links > LINKS_AT_MOST {
                    return Err(io::Error::from(io::ErrorKind::TooManyLinks));
                }
                let target = std::fs::read_link(&whole)?;
                if target.is_absolute() {
                    place.there.clear();
                }
                for name in names(&target).into_iter().rev() {
                    ahead.push_front(name);
                }
            }
            Ok(_) => place.there = next,
        }
    }
    Ok(place)
}

fn names(path: &Path) -> VecDeque<OsString> {
    let name = |part| match part {
        Component::Normal(name) => Some(name.to_owned()),
        Component::ParentDir => Some("..".into()),
        Component::RootDir | Component::CurDir | Component::Prefix(_) => None,
    };
    path.components().filter_map(name).collect()
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
