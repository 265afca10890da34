//! Mount points that an image lacks. They are made in a folder that comes between the layers and what takes the
//! changes, so that a committed layer shows nothing of them.

use std::collections::BTreeMap;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use super::attributes;
use super::command::{Command, Mount, Source};
use super::place::{self, Kind};

/// What must be there before a command begins, whatever it is.
const ALWAYS: [(&str, Kind); 5] = [
    ("/proc", Kind::Folder),
    ("/sys", Kind::Folder),
    ("/dev", Kind::Folder),
    ("/etc/resolv.conf", Kind::File),
    ("/etc/hosts", Kind::File),
];

/// Mount points by their paths below the root, with what is there of the path.
pub(super) type Missing = BTreeMap<PathBuf, (PathBuf, Kind)>;

/// The mount points of a command that the root file system lacks.
pub(super) fn missing(root: &Path, command: &Command) -> io::Result<Missing> {
    let mut missing = Missing::new();
    let mut wanted: Vec<(&Path, Kind)> = ALWAYS.iter().map(|(path, kind)| (Path::new(*path), *kind)).collect();
    for mount in &command.mounts {
        wanted.push((Path::new(&mount.target), kind_of(mount)?));
    }
    let mut mounted: Vec<PathBuf> = Vec::new();
    for (path, kind) in wanted {
        let place = place::find(root, path)?;
        let below_root = place.below_root();
        // What lies in another mount is made there, when that is mounted.
        if mounted.iter().any(|folder| below_root.starts_with(folder)) {
            continue;
        }
        if !place.missing.is_empty() {
            missing.insert(below_root.clone(), (place.there, kind));
        }
        mounted.push(below_root);
    }
    Ok(missing)
}

/// Whether something is mounted on a folder or on a file.
pub(super) fn kind_of(mount: &Mount) -> io::Result<Kind> {
    Ok(match &mount.source {
        Source::Folder(path) if fs::metadata(path)?.is_dir() => Kind::Folder,
        Source::Tmpfs { .. } => Kind::Folder,
        Source::Folder(_) | Source::Layers { .. } | Source::Secret { .. } | Source::Socket(_) => Kind::File,
    })
}

/// Makes mount points in the empty folder `stub`. Folders on the way to them that the root has get everything of
/// those, which they will hide.
pub(super) fn make(stub: &Path, root: &Path, missing: &Missing) -> io::Result<()> {
    for (path, (there, kind)) in missing {
        let mut folder = PathBuf::new();
        for name in there {
            folder.push(name);
            let copy = stub.join(&folder);
            if !copy.exists() {
                fs::create_dir(&copy)?;
            }
        }
        let rest: Vec<_> = path.strip_prefix(there).expect("what is there is the beginning").iter().collect();
        let mut folder = stub.join(there);
        let mut rest = rest.into_iter().map(ToOwned::to_owned).collect::<Vec<_>>();
        // Another mount point may have made the first of them.
        while !rest.is_empty() && folder.join(&rest[0]).is_dir() {
            folder.push(rest.remove(0));
        }
        place::make(&folder, &rest, *kind)?;
    }
    // Last, as making an entry changes the time of its folder.
    for (there, _) in missing.values() {
        for folder in there.ancestors().filter(|folder| !folder.as_os_str().is_empty()) {
            attributes::copy(&root.join(folder), &stub.join(folder))?;
        }
    }
    Ok(())
}
