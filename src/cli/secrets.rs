//! The values of secrets, read when they are needed and never before.

use std::collections::BTreeMap;

use anyhow::Context as _;

use super::{Refusal, Settings};
use crate::engine::Secret;
use crate::model::ImageName;
use crate::plan::{Plan, SecretSource, SecretValue, Verdict};

/// The secrets of every image that is built.
///
/// # Errors
/// When a variable is not set or a file can't be read.
pub(super) fn read(plan: &Plan, settings: &Settings) -> anyhow::Result<BTreeMap<ImageName, Vec<Secret>>> {
    let mut secrets = BTreeMap::new();
    for planned in plan.images.iter().filter(|planned| planned.verdict != Verdict::Fresh) {
        let image = &planned.image;
        let values = image.secrets.iter().map(|source| value(&image.name, source, settings));
        secrets.insert(image.name.clone(), values.collect::<anyhow::Result<Vec<Secret>>>()?);
    }
    Ok(secrets)
}

fn value(image: &ImageName, source: &SecretSource, settings: &Settings) -> anyhow::Result<Secret> {
    let SecretSource { id, from } = source;
    let value = match from {
        SecretValue::Env(name) => {
            let missing = || {
                let message = format!("the secret `{id}` of `{image}` is to come from `{name}`, which is not set");
                Refusal::usage_with_hint(message, format!("set `{name}` in the environment"))
            };
            settings.environment.get(name).ok_or_else(missing)?.as_bytes().to_vec()
        }
        SecretValue::File(path) => {
            let path = settings.root.join(path);
            std::fs::read(&path)
                .with_context(|| format!("reading the secret `{id}` of `{image}` from `{}`", path.display()))?
        }
    };
    Ok(Secret { id: id.clone(), value })
}
