//! Removes images that were pulled and that nobody needs any more.

use std::collections::BTreeSet;

use super::DockerHost;
use crate::apply::host::HostError;
use crate::docker::{self, containers};
use crate::model::Reference;

impl DockerHost {
    /// Removes those of the pulled images that are not `needed`, by whatever of its names, and tells which are not there any
    /// more. One that a container is made from, be it anybody's, stays, and so does one that somebody gave a tag.
    ///
    /// # Errors
    /// When the engine refuses one or does not answer; the next time the others are tried again.
    pub async fn remove_images(
        &self,
        pulled: &BTreeSet<Reference>,
        needed: &BTreeSet<String>,
    ) -> Result<Removed, HostError> {
        let mut removed = Removed::default();
        let by_name = pulled.iter().filter_map(|reference| Some((reference, reference.by_digest()?)));
        let needless: Vec<(&Reference, Reference)> =
            by_name.filter(|(_, name)| !needed.contains(&name.to_string())).collect();
        if needless.is_empty() {
            return Ok(removed);
        }
        let used = containers::list(&self.docker).await?.into_iter().filter_map(|container| container.image_id);
        let used: BTreeSet<String> = used.collect();
        for (reference, name) in needless {
            let Some(image) = self.image(&name.to_string()).await? else {
                removed.gone.insert(reference.clone());
                continue;
            };
            let id = image.id.unwrap_or_default();
            let is_tagged = image.repo_tags.is_some_and(|tags| !tags.is_empty());
            if is_tagged || needed.contains(&id) || used.contains(&id) {
                continue;
            }
            self.within("removing an image", docker::untag(&self.docker, &name)).await?;
            removed.gone.insert(reference.clone());
            removed.n_removed += 1;
        }
        Ok(removed)
    }
}

/// What became of images that nobody needs.
#[derive(Debug, Default)]
pub struct Removed {
    /// Those that are not on the host any more.
    pub gone: BTreeSet<Reference>,
    /// How many of them were there.
    pub n_removed: usize,
}
