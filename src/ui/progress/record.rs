//! What is remembered of a run: how each image stands, how long it took, and the output that led to a failure.

use std::collections::{BTreeMap, VecDeque};
use std::time::Duration;

use crate::event::{Event, Failure, Outcome, Phase};
use crate::model::ImageName;
use crate::ui::{Color, Paint, paint, words};

/// How much of one step's output is kept, in bytes; older lines go first.
const KEPT_BYTES: usize = 4 << 20;

/// What is known of one image.
#[derive(Debug, Clone, Default)]
pub struct Recorded {
    /// What is being done to it.
    pub phase: Option<Phase>,
    /// The step that it is at, as the builder names it.
    pub step: String,
    /// How it ended.
    pub outcome: Option<Outcome>,
    /// How long it took, once it ended.
    pub took: Duration,
    /// The container kept of a failed test.
    pub kept: Option<String>,
    /// The tests that failed, with why.
    pub failed_tests: Vec<(String, String)>,
    started: Option<Duration>,
    lines: VecDeque<String>,
    n_bytes: usize,
    n_cut: usize,
}

impl Recorded {
    /// The lines that the last step wrote.
    pub fn lines(&self) -> impl Iterator<Item = &str> {
        self.lines.iter().map(String::as_str)
    }

    fn forget_output(&mut self) {
        self.lines.clear();
        (self.n_bytes, self.n_cut) = (0, 0);
    }

    fn keep(&mut self, line: &str) {
        let line = words::last_drawn(line);
        self.n_bytes += line.len();
        self.lines.push_back(line.to_owned());
        while self.n_bytes > KEPT_BYTES && self.lines.len() > 1 {
            self.n_bytes -= self.lines.pop_front().map_or(0, |line| line.len());
            self.n_cut += 1;
        }
    }
}

/// What is known of every image that events told of.
#[derive(Debug, Clone, Default)]
pub struct Record {
    /// The images.
    pub images: BTreeMap<ImageName, Recorded>,
}

impl Record {
    /// How many images ended in this way.
    pub fn count(&self, of: impl Fn(&Outcome) -> bool) -> usize {
        self.images.values().filter_map(|image| image.outcome.as_ref()).filter(|outcome| of(outcome)).count()
    }

    pub(super) fn take(&mut self, event: &Event, at: Duration) {
        match event {
            Event::Started { image, phase } => {
                let image = self.of(image);
                image.phase = Some(*phase);
                image.started.get_or_insert(at);
                image.step.clear();
                image.forget_output();
            }
            Event::Step { image, name, .. } => {
                let image = self.of(image);
                image.step.clone_from(name);
                image.forget_output();
            }
            Event::Output { image, line, .. } => self.of(image).keep(line),
            Event::Tested { image, test, failure: Some(why) } => {
                self.of(image).failed_tests.push((test.clone(), why.clone()));
            }
            Event::Kept { image, container } => self.of(image).kept = Some(container.clone()),
            Event::Finished { image, outcome } => {
                let image = self.of(image);
                image.took = at.saturating_sub(image.started.unwrap_or(at));
                image.outcome = Some(outcome.clone());
                image.phase = None;
            }
            Event::Tested { failure: None, .. }
            | Event::Pushed { .. }
            | Event::Promoted { .. }
            | Event::Retrying { .. }
            | Event::Applying { .. }
            | Event::Warning(_)
            | Event::Note(_) => {}
        }
    }

    fn of(&mut self, image: &ImageName) -> &mut Recorded {
        self.images.entry(image.clone()).or_default()
    }
}

/// Every failure with its place, its output and what to do about it.
pub(super) fn failures(record: &Record, color: Color) -> String {
    let mut text = String::new();
    for (name, image) in &record.images {
        let Some(Outcome::Failed(failure)) = &image.outcome else { continue };
        text.push_str(&one_failure(name, image, failure, color));
    }
    text
}

fn one_failure(name: &ImageName, image: &Recorded, failure: &Failure, color: Color) -> String {
    let mut text = format!(
        "\n{}: `{name}` failed: {}\n",
        paint("error", Paint::Bad, color),
        failure.message.replace('\n', "\n  | ")
    );
    match &failure.place {
        Some((file, Some(line))) => text.push_str(&format!("  --> {file}:{line}\n")),
        Some((file, None)) => text.push_str(&format!("  --> {file}\n")),
        None => {}
    }
    if !image.step.is_empty() && failure.phase == Phase::Build {
        text.push_str(&format!("  step: {}\n", image.step));
    }
    for (test, why) in &image.failed_tests {
        text.push_str(&format!("  test: {test}: {}\n", why.replace('\n', "\n  | ")));
    }
    if image.n_cut > 0 {
        text.push_str(&format!("  | ({} lines before these were not kept)\n", image.n_cut));
    }
    for line in image.lines() {
        text.push_str(&format!("  | {line}\n"));
    }
    let kept = image.kept.as_ref().map(|container| format!("the container is kept as `{container}`"));
    for hint in failure.hint.iter().chain(&kept) {
        text.push_str(&format!("{}: {hint}\n", paint("hint", Paint::Hint, color)));
    }
    text
}
