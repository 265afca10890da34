//! `ADD` from a web server or a git repository.

use std::io::{self, Read as _};
use std::path::PathBuf;

use super::copy::{self, Target};
use super::fault::Fault;
use super::stage::Place;
use super::{Work, archive};
use crate::dockerfile::{TransferOf, TransferStep};
use crate::engine::embedded::canvas::Canvas;
use crate::model::{Digest, HttpUrl};
use crate::registry::DownloadError;

/// A file that was fetched.
pub(super) struct Fetched {
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
        let url: HttpUrl = match address.parse() {
            Ok(url) if !is_git(address) => url,
            Ok(_) | Err(_) => {
                return Err(Fault::Unsupported {
                    message: format!("line {}: the embedded engine adds no git repository", place.line),
                    hint: "name the repository with `git:` in windlass.yaml, or build it with `--engine docker`"
                        .to_owned(),
                });
            }
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
            return Ok(Fetched { digest, name: name.to_owned(), file: self.store.blob_path(&digest), modified: None });
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
        Ok(Fetched { digest, name: name.to_owned(), file: self.store.blob_path(&digest), modified })
    }
}

/// Whether an address is of a git repository (BuildKit, `gitutil.ParseGitRef`).
fn is_git(address: &str) -> bool {
    let plain = address.split(['#', '?']).next().unwrap_or_default();
    !address.starts_with("http") || plain.ends_with(".git")
}

impl Fetched {
    /// Puts it where it belongs; an archive is unpacked only where that is asked.
    pub(super) fn put(&self, canvas: &mut Canvas, target: &Target<'_>) -> anyhow::Result<()> {
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
