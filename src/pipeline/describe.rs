//! What was made, as a deploy manifest.

use std::collections::BTreeMap;

use super::Report;
use crate::manifest::{ContainerSpec, Manifest, ManifestImage, Network};
use crate::model::{ContainerName, ProjectName};
use crate::plan::Plan;

/// What a manifest says besides its images.
#[derive(Debug, Clone)]
pub struct About {
    /// The project.
    pub project: ProjectName,
    /// The source revision, as people know it.
    pub revision: Option<String>,
    /// When that revision was made.
    pub created: Option<jiff::Timestamp>,
    /// The containers to run.
    pub containers: BTreeMap<ContainerName, ContainerSpec>,
    /// The networks that they can be on.
    pub networks: BTreeMap<String, Network>,
}

/// Describes what a green run made. `former` is the manifest that the new one follows: the serial grows by one, and
/// stays where nothing else changed, so that the same input gives the same bytes. `serial` overrides both.
pub fn describe(
    plan: &Plan,
    report: &Report,
    about: About,
    former: Option<&Manifest>,
    serial: Option<u64>,
) -> Manifest {
    let About { project, revision, created, networks, containers } = about;
    let mut images = BTreeMap::new();
    for image in plan.images.iter().map(|planned| &planned.image) {
        let Some(made) = report.made.get(&image.name) else { continue };
        let reference = made.digest.map(|digest| image.repository.with_digest(digest));
        let tag = image.content.tag().cloned();
        let described = ManifestImage { reference, id: made.id, content_hash: image.content_hash, tag };
        images.insert(image.name.clone(), described);
    }
    let mut manifest = Manifest { project, revision, serial: 0, created, images, networks, containers };
    manifest.serial = serial.unwrap_or_else(|| match former {
        None => 1,
        Some(former) => {
            manifest.serial = former.serial;
            if manifest == *former { former.serial } else { former.serial.saturating_add(1) }
        }
    });
    manifest
}
