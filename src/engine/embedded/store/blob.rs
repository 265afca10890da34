//! Blobs that are being written.

use std::fs::{self, File};
use std::path::PathBuf;

use anyhow::Context as _;

use super::Store;
use crate::model::Digest;

/// A file that becomes a blob when its digest is known; dropped before, it is gone.
#[derive(Debug)]
pub struct NewBlob {
    path: PathBuf,
    file: File,
}

impl NewBlob {
    /// The file.
    pub fn file(&mut self) -> &mut File {
        &mut self.file
    }
}

impl Drop for NewBlob {
    fn drop(&mut self) {
        // It is not there where it became a blob; else the folder of unfinished files goes with the process.
        let _gone = fs::remove_file(&self.path);
    }
}

impl Store {
    /// An empty file to write a blob to.
    ///
    /// # Errors
    /// When it can't be made.
    pub fn new_blob(&self) -> anyhow::Result<NewBlob> {
        let (path, file) = self.inner.unfinished.new_file().context("making a file in the store")?;
        Ok(NewBlob { path, file })
    }

    /// Makes what was written the blob with a digest, which the caller has checked.
    ///
    /// # Errors
    /// When it can't be moved.
    pub fn keep_blob(&self, blob: NewBlob, digest: &Digest) -> anyhow::Result<()> {
        let path = self.blob_path(digest);
        fs::rename(&blob.path, &path).with_context(|| format!("moving a blob to `{}`", path.display()))?;
        drop(blob);
        Ok(())
    }
}
