//! Files that are put into a container, through the engine's archive endpoint.

use std::collections::{BTreeMap, BTreeSet};

use bollard::Docker;
use bollard::query_parameters::UploadToContainerOptionsBuilder;
use tar::{Builder, EntryType, Header};

use super::Failure;
use super::answer::answer;
use super::archive;

/// A file to put into a container.
#[derive(Debug, Clone)]
pub struct NewFile {
    /// What is in it.
    pub content: Vec<u8>,
    /// Its numeric owner.
    pub uid: u32,
    /// Its numeric group.
    pub gid: u32,
    /// Its mode.
    pub mode: u32,
}

/// Puts files into a container by their absolute paths; what is there is replaced. Folders that are missing on the way are
/// made, root's and open to read: the engine itself would make them open to everybody.
pub async fn put(docker: &Docker, container: &str, files: &BTreeMap<String, NewFile>) -> Result<(), Failure> {
    let folders: BTreeSet<&str> = files.keys().flat_map(|path| folders_on_the_way(path)).collect();
    let mut missing = BTreeSet::new();
    for folder in folders {
        let is_in_missing = missing.iter().any(|outer: &&str| folder.starts_with(&format!("{outer}/")));
        if is_in_missing || archive::stat(docker, container, folder).await?.is_none() {
            missing.insert(folder);
        }
    }
    let archive =
        pack(&missing, files).map_err(|error| Failure::Refused(format!("no archive can be made: {error}")))?;
    let options = UploadToContainerOptionsBuilder::new().path("/").build();
    answer(docker, docker.upload_to_container(container, Some(options), bollard::body_full(archive.into()))).await
}

/// The folders that a path leads through, the outermost first.
fn folders_on_the_way(path: &str) -> impl Iterator<Item = &str> {
    path.char_indices().skip(1).filter(|(_, letter)| *letter == '/').map(|(at, _)| &path[..at])
}

fn pack(folders: &BTreeSet<&str>, files: &BTreeMap<String, NewFile>) -> std::io::Result<Vec<u8>> {
    let mut archive = Builder::new(Vec::new());
    for folder in folders {
        let mut header = Header::new_gnu();
        header.set_entry_type(EntryType::Directory);
        header.set_mode(0o755);
        header.set_uid(0);
        header.set_gid(0);
        header.set_size(0);
        archive.append_data(&mut header, folder.trim_start_matches('/'), std::io::empty())?;
    }
    for (path, NewFile { content, uid, gid, mode }) in files {
        let mut header = Header::new_gnu();
        header.set_mode(*mode);
        header.set_uid(u64::from(*uid));
        header.set_gid(u64::from(*gid));
        header.set_size(content.len() as u64);
        archive.append_data(&mut header, path.trim_start_matches('/'), content.as_slice())?;
    }
    archive.into_inner()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn folders_come_before_what_is_in_them() {
        assert_eq!(folders_on_the_way("/a/b/c").collect::<Vec<_>>(), ["/a", "/a/b"]);
        let file = NewFile { content: b"x".to_vec(), uid: 1, gid: 2, mode: 0o4640 };
        let bytes = pack(&["/new", "/new/er"].into(), &[("/new/er/x".to_owned(), file)].into()).unwrap();
        let mut archive = tar::Archive::new(bytes.as_slice());
        let shown = archive.entries().unwrap().map(|entry| {
            let entry = entry.unwrap();
            let header = entry.header();
            let path = entry.path().unwrap().display().to_string();
            (path, header.mode().unwrap(), header.uid().unwrap(), header.gid().unwrap(), header.size().unwrap())
        });
        let expected = [("new", 0o755, 0, 0, 0), ("new/er", 0o755, 0, 0, 0), ("new/er/x", 0o4640, 1, 2, 1)];
        assert_eq!(
            shown.collect::<Vec<_>>(),
            expected.map(|(path, mode, uid, gid, size)| (path.to_owned(), mode, uid, gid, size))
        );
    }
}
