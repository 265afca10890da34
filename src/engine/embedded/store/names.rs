//! What names stand for. A name is a file with the reference and the digest, so that ten thousand of them cost no more
//! than one.

use std::fs;
use std::io;
use std::path::PathBuf;

use anyhow::Context as _;
use sha2::{Digest as _, Sha256};

use super::Store;
use crate::model::{Digest, ImageDigest, ImageId, Reference};

impl Store {
    /// Gives an image a name; the name leaves whatever image had it.
    ///
    /// # Errors
    /// When it can't be written.
    pub fn name(&self, reference: &Reference, image: ImageDigest) -> anyhow::Result<()> {
        let key = key(reference);
        self.write_whole(&self.name_path(&key), format!("{key}\n{image}\n").as_bytes())
    }

    /// Takes a name away; one that is not there is fine.
    ///
    /// # Errors
    /// When it can't be removed.
    pub fn unname(&self, reference: &Reference) -> anyhow::Result<()> {
        match fs::remove_file(self.name_path(&key(reference))) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => {
                Err(error).with_context(|| format!("removing the name `{reference}`"))
            }
            _ => Ok(()),
        }
    }

    /// Whether nothing has a name.
    ///
    /// # Errors
    /// When that can't be told.
    pub fn has_no_names(&self) -> anyhow::Result<bool> {
        let names = self.part("names");
        let mut entries = fs::read_dir(&names).with_context(|| format!("listing `{}`", names.display()))?;
        Ok(entries.next().is_none())
    }

    /// The manifest that a name stands for, or that a reference names by its digest; nothing where there is none.
    ///
    /// # Errors
    /// When that can't be read.
    pub fn find(&self, reference: &Reference) -> anyhow::Result<Option<ImageDigest>> {
        if let Some(digest) = reference.digest() {
            return Ok(self.uses(&self.blob_path(digest.digest()))?.map(|_| digest));
        }
        let key = key(reference);
        let text = self.read_used(&self.name_path(&key)).with_context(|| format!("reading the name `{reference}`"))?;
        let text = text.and_then(|text| String::from_utf8(text).ok());
        let lines = text.as_deref().and_then(|text| text.strip_suffix('\n')?.split_once('\n'));
        Ok(lines.filter(|(name, _)| *name == key).and_then(|(_, digest)| digest.parse().ok()))
    }

    /// The manifest of the image with a configuration; nothing where there is none.
    ///
    /// # Errors
    /// When that can't be read.
    pub fn by_id(&self, id: &ImageId) -> anyhow::Result<Option<ImageDigest>> {
        let path = self.part("ids").join(id.digest().hex());
        let text = self.read_used(&path).with_context(|| format!("reading `{}`", path.display()))?;
        Ok(text.and_then(|text| String::from_utf8(text).ok()?.strip_suffix('\n')?.parse().ok()))
    }

    pub(in crate::engine::embedded) fn set_id(&self, id: &ImageId, image: ImageDigest) -> anyhow::Result<()> {
        self.write_whole(&self.part("ids").join(id.digest().hex()), format!("{image}\n").as_bytes())
    }

    fn name_path(&self, key: &str) -> PathBuf {
        self.part("names").join(Digest::from_bytes(Sha256::digest(key).into()).hex())
    }
}

/// The reference written out, with the tag that it has where none is written.
fn key(reference: &Reference) -> String {
    let repository = reference.repository();
    let tag = reference.tag_or_latest().unwrap_or_default();
    format!("{}/{}:{tag}", repository.registry(), repository.path())
}
