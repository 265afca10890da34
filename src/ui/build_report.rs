//! How a build ended, for people and for programs.

use std::collections::BTreeMap;
use std::time::Duration;

use schemars::JsonSchema;
use serde::Serialize;

use super::{Color, Paint, Record, paint, words};
use crate::event::Outcome;
use crate::model::ImageName;
use crate::pipeline::Report;
use crate::plan::{Image, Plan};

/// The version of [`json`]'s shape.
pub const VERSION: u32 = 1;

/// A line an image in the order of the plan, and the counts.
pub fn text(plan: &Plan, report: &Report, record: &Record, color: Color) -> String {
    let mut text = String::new();
    let images = || plan.images.iter().map(|planned| &planned.image);
    let width = images().map(|image| image.name.as_str().len()).max().unwrap_or(0);
    for image in images() {
        let Some(outcome) = report.outcomes.get(&image.name) else { continue };
        let took = record.images.get(&image.name).map_or(Duration::ZERO, |recorded| recorded.took);
        let detail = match outcome {
            Outcome::Unchanged | Outcome::Built => made_as(image, report),
            Outcome::Failed(failure) => failure.message.clone(),
            Outcome::Blocked(by) => format!("by {}", by.iter().map(ImageName::as_str).collect::<Vec<_>>().join(", ")),
        };
        let took = if took.is_zero() { String::new() } else { words::took(took) };
        let word = painted(outcome, color);
        text.push_str(format!("{:width$}  {word}  {took:>7}  {detail}", image.name).trim_end());
        text.push('\n');
    }
    text.push_str(&format!("\n{}\n", counts(report)));
    text
}

/// `2 built, 3 unchanged, 1 failed, 1 blocked`; what there is none of is left out.
pub fn counts(report: &Report) -> String {
    let mut by_word: BTreeMap<usize, (usize, &'static str)> = BTreeMap::new();
    for outcome in report.outcomes.values() {
        let (rank, word) = ranked(outcome);
        by_word.entry(rank).or_insert((0, word)).0 += 1;
    }
    let counts: Vec<String> = by_word.values().map(|(n, word)| format!("{n} {word}")).collect();
    if counts.is_empty() { "no images".to_owned() } else { counts.join(", ") }
}

fn ranked(outcome: &Outcome) -> (usize, &'static str) {
    match outcome {
        Outcome::Built => (0, "built"),
        Outcome::Unchanged => (1, "unchanged"),
        Outcome::Failed(_) => (2, "failed"),
        Outcome::Blocked(_) => (3, "blocked"),
    }
}

fn painted(outcome: &Outcome, color: Color) -> String {
    let word = format!("{:9}", ranked(outcome).1);
    match outcome {
        Outcome::Built => paint(&word, Paint::Good, color),
        Outcome::Unchanged => word,
        Outcome::Failed(_) | Outcome::Blocked(_) => paint(&word, Paint::Bad, color),
    }
}

/// What to pull it by where it was pushed, else its name on the engine.
fn made_as(image: &Image, report: &Report) -> String {
    match report.made.get(&image.name).and_then(|made| made.digest) {
        Some(digest) => image.repository.with_digest(digest).to_string(),
        None => image.content.to_string(),
    }
}

/// The whole result of `windlass build --format json`.
#[derive(Debug, Serialize, JsonSchema)]
pub struct BuildJson {
    /// The version of this shape: 1.
    pub version: u32,
    /// Whether every image is there and passed its tests.
    pub green: bool,
    /// The images in the order of the plan.
    pub images: Vec<ImageJson>,
    /// The deploy manifest that was written: a path below the project's root, or its address in a registry with its digest; null
    /// where none was.
    pub manifest: Option<String>,
}

/// One image.
#[derive(Debug, Serialize, JsonSchema)]
pub struct ImageJson {
    /// Its name.
    pub name: String,
    /// `built`, `unchanged`, `failed` or `blocked`.
    pub outcome: String,
    /// Why it failed, in one line.
    pub error: Option<String>,
    /// Which of its parents failed or are blocked.
    pub blocked_by: Vec<String>,
    /// What it was made from: `sha256:…`.
    pub content_hash: String,
    /// What engines know it by: `sha256:…`.
    pub id: Option<String>,
    /// What registries serve it by: `repository@sha256:…`; null where it was not pushed.
    pub reference: Option<String>,
}

/// The result as a value that serialises to JSON.
pub fn json(plan: &Plan, report: &Report, manifest: Option<String>) -> BuildJson {
    let image = |image: &Image| {
        let outcome = report.outcomes.get(&image.name)?;
        let (error, blocked_by) = match outcome {
            Outcome::Built | Outcome::Unchanged => (None, Vec::new()),
            Outcome::Failed(failure) => (Some(failure.message.clone()), Vec::new()),
            Outcome::Blocked(by) => (None, by.iter().map(ToString::to_string).collect()),
        };
        let made = report.made.get(&image.name);
        let digest = made.and_then(|made| made.digest);
        Some(ImageJson {
            name: image.name.to_string(),
            outcome: ranked(outcome).1.to_owned(),
            error,
            blocked_by,
            content_hash: image.content_hash.to_string(),
            id: made.map(|made| made.id.to_string()),
            reference: digest.map(|digest| image.repository.with_digest(digest).to_string()),
        })
    };
    let images = plan.images.iter().filter_map(|planned| image(&planned.image)).collect();
    BuildJson { version: VERSION, green: report.all_green(), images, manifest }
}
