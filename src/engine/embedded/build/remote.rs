//! `ADD` from a web server or a git repository.

use std::io::{self, Read as _};
use std::path::PathBuf;

use super::chosen::choose_path;
use super::copy::{self, Target};
use super::fault::Fault;
use super::key::Key;
use super::origin::{Origin, Seen};
use super::stage::Place;
use super::{Work, archive};
use crate::dockerfile::{TransferOf, TransferStep};
use crate::engine::Error;
use crate::engine::embedded::canvas::Canvas;
use crate::engine::embedded::git::{GitFiles, GitWanted};
use crate::engine::embedded::view::View;
use crate::model::{Digest, GitAddress, GitNameError, HttpUrl};
use crate::registry::DownloadError;

/// What was fetched.
pub(super) enum Fetched {
    File(FetchedFile),
    /// Files of a repository.
    Folder {
        files: GitFiles,
        /// Which folder of them.
        path: String,
        /// Whether `.git` is one of them.
        git_dir: bool,
    },
}

/// A file that was fetched.
pub(super) struct FetchedFile {
    /// The sha256 of what it holds.
    pub(super) digest: Digest,
    /// The name that it gets in a directory.
    pub(super) name: String,
    /// Where it lies; in the store, by its digest.
    pub(super) file: PathBuf,
    /// When the server says that it was changed, in seconds since 1970.
    pub(super) modified: Option<i64>,
}

impl Work<'_> {
    /// Fetches the sources of `ADD` that are elsewhere.
    pub(super) fn fetch(&self, step: &TransferStep, place: &Place) -> Result<Vec<Fetched>, Fault> {
        if !step.is_add {
            return Ok(Vec::new());
        }
        let remote = step.sources.iter().filter(|source| source.is_remote());
        remote.map(|source| self.fetch_one(source, step, place)).collect()
    }

    fn fetch_one(&self, source: &TransferOf, step: &TransferStep, place: &Place) -> Result<Fetched, Fault> {
        let TransferOf::Path(address) = source else { return Err(Fault::Elsewhere) };
        if source.is_repository() {
            return self.fetch_git(address, step, place);
        }
        let url: HttpUrl = match address.parse() {
            Ok(url) => url,
            Err(error) => return Err(Fault::image(format!("a source can't be fetched: {error}"), place.line)),
        };
        let without_query = url.without_query();
        let name = without_query.trim_end_matches('/').rsplit('/').next().unwrap_or_default();
        if name.is_empty() || without_query.ends_with('/') && step.destination.ends_with('/') {
            let message = format!("`{without_query}` ends with no file's name, and the destination is a directory");
            return Err(Fault::image(message, place.line));
        }
        let wanted = match step.checksum.as_deref().map(str::parse::<Digest>) {
            Some(Ok(digest)) => Some(digest),
            Some(Err(_)) => return Err(Fault::image("`--checksum` is no `sha256:…`".to_owned(), place.line)),
            None => None,
        };
        // What is known by its checksum and there is not fetched again.
        if let Some(digest) = wanted.filter(|digest| self.store.blob_path(digest).is_file()) {
            let (name, file) = (name.to_owned(), self.store.blob_path(&digest));
            return Ok(Fetched::File(FetchedFile { digest, name, file, modified: None }));
        }
        let mut blob = self.store.new_blob().map_err(Fault::Machine)?;
        let fetched = self.runtime.block_on(self.registry.fetch(&url, blob.file()));
        let (digest, modified) = match fetched {
            Ok(fetched) => fetched,
            Err(error @ DownloadError::Unreachable { .. }) => return Err(Fault::Unreachable(error.into())),
            Err(error @ DownloadError::Refused { .. }) => {
                return Err(Fault::image(error.to_string(), place.line));
            }
        };
        if let Some(wanted) = wanted.filter(|wanted| *wanted != digest) {
            let message = format!("`{without_query}` has the checksum {digest}, not {wanted}");
            let hint = Some("did the file change on purpose? Then write its new checksum".to_owned());
            return Err(Fault::Image { message, line: place.line, hint });
        }
        self.store.keep_blob(blob, &digest).map_err(Fault::Machine)?;
        let file = self.store.blob_path(&digest);
        Ok(Fetched::File(FetchedFile { digest, name: name.to_owned(), file, modified }))
    }

    fn fetch_git(&self, address: &str, step: &TransferStep, place: &Place) -> Result<Fetched, Fault> {
        let address: GitAddress =
            address.parse().map_err(|error: GitNameError| Fault::image(error.to_string(), place.line))?;
        let remote = address.remote.clone();
        // Of a folder, BuildKit keeps none either (its git source, `checkout`).
        let git_dir = step.keep_git_dir && address.path.is_none();
        let wanted = GitWanted { remote: address.remote, reference: address.reference, git_dir };
        let files = self.runtime.block_on(self.git.fetch(wanted));
        let files = files.map_err(|error| match error {
            Error::Image { message, line: _, hint } => Fault::Image { message, line: place.line, hint },
            Error::Unsupported { message, hint } => Fault::Unsupported { message, hint },
            other => Fault::Unreachable(other.into()),
        })?;
        // As BuildKit, which takes the beginning of an id as well (its git source, `validateChecksum`).
        let is_id = |text: &str| text.len() >= 7 && text.bytes().all(|b| matches!(b, b'0'..=b'9' | b'a'..=b'f'));
        match step.checksum.as_deref() {
            Some(checksum) if !is_id(checksum) => {
                let message = "`--checksum` of a repository is the id of a commit".to_owned();
                Err(Fault::image(message, place.line))
            }
            Some(checksum) if !files.commit.as_str().starts_with(checksum) => {
                let message = format!("`{remote}` has the commit {} there, not {checksum}", files.commit);
                let hint = Some("did it move on purpose? Then write its new commit".to_owned());
                Err(Fault::Image { message, line: place.line, hint })
            }
            Some(_) | None => {
                let path = address.path.map_or_else(|| "/".to_owned(), |path| path.to_string());
                Ok(Fetched::Folder { files, path, git_dir })
            }
        }
    }
}

impl Fetched {
    /// Feeds what it is.
    pub(super) fn feed(&self, key: &mut Key) {
        match self {
            Self::File(file) => key.bytes(file.digest.as_bytes()),
            Self::Folder { files, path, git_dir } => {
                key.text(files.commit.as_str());
                key.text(path);
                if *git_dir {
                    key.text(".git");
                }
            }
        }
    }

    /// Puts it where it belongs. Files of a repository have the modes that git knows and no time of their own: `epoch`.
    pub(super) fn put(
        &self,
        canvas: &mut Canvas,
        (excludes, epoch): (&[String], u64),
        target: &Target<'_>,
    ) -> anyhow::Result<()> {
        let (files, path) = match self {
            Self::File(file) => return file.put(canvas, target),
            Self::Folder { files, path, git_dir: _ } => (files, path),
        };
        let view = View::new(std::slice::from_ref(&files.folder), canvas.view().overlay());
        let origin = Origin::Folder(&view, epoch);
        for chosen in choose_path(&origin, path, excludes)? {
            let is_folder = chosen.items.first().is_some_and(|item| matches!(item.seen, Seen::Directory));
            anyhow::ensure!(is_folder, "`{path}` is no folder of the repository");
            copy::copy(canvas, &origin, &chosen, &Target { unpack: false, ..*target })?;
        }
        Ok(())
    }
}

impl FetchedFile {
    /// Puts it where it belongs; an archive is unpacked only where that is asked.
    fn put(&self, canvas: &mut Canvas, target: &Target<'_>) -> anyhow::Result<()> {
        let open = || std::fs::File::open(&self.file);
        if target.unpack
            && let Some(tar) = archive::open(Box::new(open()?))?
        {
            let folder = canvas.create_folders(target.path, target.owner.unwrap_or((0, 0)))?;
            return archive::unpack(canvas, tar, &folder);
        }
        let modified = (self.modified.unwrap_or(0), 0);
        copy::write(canvas, &self.name, io::BufReader::new(open()?).by_ref(), (0o600, modified), target)
    }
}
