//! In which repositories of registries a blob is: from there it need not be sent again.

use std::fs;

use anyhow::Context as _;

use super::{Store, absent_is_none};
use crate::model::{Digest, Repository};

/// So many are remembered of a blob; the last ones. Arbitrary.
const AT_MOST: usize = 8;

impl Store {
    /// The repositories that a blob was pulled from or pushed to, the last one first.
    ///
    /// # Errors
    /// When that can't be read.
    pub fn origins(&self, blob: &Digest) -> anyhow::Result<Vec<Repository>> {
        let text = absent_is_none(fs::read_to_string(self.part("origins").join(blob.hex())))
            .with_context(|| format!("reading where the blob `{blob}` is"))?;
        Ok(text.unwrap_or_default().lines().filter_map(|line| line.parse().ok()).collect())
    }

    /// Remembers that a repository has a blob.
    ///
    /// # Errors
    /// When that can't be written.
    pub fn add_origin(&self, blob: &Digest, repository: &Repository) -> anyhow::Result<()> {
        let mut origins = self.origins(blob)?;
        if origins.first() == Some(repository) {
            return Ok(());
        }
        origins.retain(|origin| origin != repository);
        origins.insert(0, repository.clone());
        origins.truncate(AT_MOST);
        // Docker Hub's familiar form is read as what it was written from.
        let text: String = origins.iter().map(|origin| format!("{origin}\n")).collect();
        self.write_whole(&self.part("origins").join(blob.hex()), text.as_bytes())
    }
}
