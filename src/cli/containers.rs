//! The images of others that containers run.

use std::collections::{BTreeMap, BTreeSet};

use super::Refusal;
use super::bases::Bases;
use crate::config::Config;
use crate::diag::Diagnostics;
use crate::manifest::{ContainerSpec, ImageSource};
use crate::model::{ContainerName, ImageDigest, ImageName, Reference};

/// The images that containers take from elsewhere by a name without a digest. `names` are those of the project's images.
///
/// # Errors
/// What is wrong with the containers.
pub(super) fn bases(config: &Config, names: &BTreeSet<ImageName>) -> Result<Bases, Diagnostics> {
    Ok(of(&config.deploy.containers(names)?, config))
}

/// The same for containers that were read.
pub(super) fn of(containers: &BTreeMap<ContainerName, ContainerSpec>, config: &Config) -> Bases {
    let mut bases = Bases::new();
    for (name, container) in containers {
        let ImageSource::External(reference) = &container.image else { continue };
        if reference.digest().is_some() {
            continue;
        }
        let base = bases.entry(reference.clone()).or_default();
        base.platforms.insert(config.unnamed_image().platform);
        base.containers.insert(name.clone());
        base.places.extend(config.deploy.image_place(name));
    }
    bases
}

/// The containers with the digests of the images that they take from elsewhere: a manifest names them by no other name.
///
/// # Errors
/// Where one is not known.
pub(super) fn pinned(
    mut containers: BTreeMap<ContainerName, ContainerSpec>,
    digests: &BTreeMap<Reference, ImageDigest>,
) -> Result<BTreeMap<ContainerName, ContainerSpec>, Refusal> {
    for (name, container) in &mut containers {
        let ImageSource::External(reference) = &mut container.image else { continue };
        if reference.digest().is_some() {
            continue;
        }
        let unknown = || {
            let message = format!("the digest of `{reference}`, which the container `{name}` runs, is not known");
            Refusal::usage_with_hint(
                message,
                "`windlass lock` writes it into windlass.lock; or name it `NAME@sha256:…`",
            )
        };
        let digest = *digests.get(reference).ok_or_else(unknown)?;
        *reference = reference.repository().with_digest(digest);
    }
    Ok(containers)
}
