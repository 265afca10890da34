//! The values of secrets, read when they are needed and never before.

use std::collections::BTreeMap;

use anyhow::Context as _;

use super::{Refusal, Settings};
use crate::engine::Secret;
use crate::event::{Event, Outcome, Sink};
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

/// Passes events on with the values of secrets replaced: a build may print what it was trusted with.
pub(super) struct Masked<'a> {
    events: &'a dyn Sink,
    values: Vec<String>,
}

/// A shorter value is no secret, and would be found in any text.
const SHORTEST: usize = 4;

impl<'a> Masked<'a> {
    pub(super) fn new(events: &'a dyn Sink, secrets: &BTreeMap<ImageName, Vec<Secret>>) -> Self {
        let texts = secrets.values().flatten().filter_map(|secret| std::str::from_utf8(&secret.value).ok());
        // What is printed is printed by lines.
        let lines = texts.flat_map(str::lines).map(str::trim).filter(|line| line.len() >= SHORTEST);
        Self { events, values: lines.map(str::to_owned).collect() }
    }

    fn mask(&self, text: &mut String) {
        for value in self.values.iter().filter(|value| !value.is_empty()) {
            if text.contains(value) {
                *text = text.replace(value, "***");
            }
        }
    }
}

impl Sink for Masked<'_> {
    fn send(&self, mut event: Event) {
        match &mut event {
            Event::Output { line: text, .. } | Event::Step { name: text, .. } | Event::Warning(text) => self.mask(text),
            Event::Tested { failure: Some(text), .. } => self.mask(text),
            Event::Finished { outcome: Outcome::Failed(failure), .. } => self.mask(&mut failure.message),
            Event::Started { .. }
            | Event::Tested { failure: None, .. }
            | Event::Kept { .. }
            | Event::Finished { .. }
            | Event::Pushed { .. }
            | Event::Promoted { .. }
            | Event::Retrying { .. }
            | Event::Applying { .. }
            | Event::Note(_) => {}
        }
        self.events.send(event);
    }
}
