//! What a step tells of a plan or a run.

use serde_json::json;

use super::{Row, State, Summary};
use crate::event::{Failure, Outcome};
use crate::model::Reference;
use crate::pipeline::Report;
use crate::plan::{Plan, PlannedImage, Verdict};
use crate::ui::{self, Record, Recorded};

impl Summary {
    /// What would be built.
    pub fn of_plan(plan: &Plan) -> Self {
        Self::of(plan, |planned| {
            let state = match planned.verdict {
                Verdict::Fresh => State::Unchanged,
                Verdict::Build(_) => State::ToBuild,
            };
            Some((state, None))
        })
    }

    /// What became of a plan.
    pub fn of_run(plan: &Plan, report: &Report, record: &Record) -> Self {
        Self::of(plan, |PlannedImage { image, .. }| {
            let state = match report.outcomes.get(&image.name)? {
                Outcome::Unchanged => State::Unchanged,
                Outcome::Built => State::Built,
                Outcome::Failed(failure) => State::Failed(story(failure, record.images.get(&image.name))),
                Outcome::Blocked(parents) => State::Blocked(parents.clone()),
            };
            let digest = report.made.get(&image.name).and_then(|made| made.digest);
            Some((state, digest.map(|digest| image.repository.with_digest(digest))))
        })
    }

    fn of(plan: &Plan, told: impl Fn(&PlannedImage) -> Option<(State, Option<Reference>)>) -> Self {
        let row = |planned: &PlannedImage| {
            let (state, pushed) = told(planned)?;
            let why = match &planned.verdict {
                Verdict::Fresh => String::new(),
                Verdict::Build(reasons) => ui::reasons(reasons),
            };
            let parents = planned.image.parents.iter().cloned().collect();
            Some(Row { image: planned.image.name.clone(), parents, state, why, pushed })
        };
        Self {
            project: plan.project.to_string(),
            rows: plan.images.iter().filter_map(row).collect(),
            notes: plan.notes.clone(),
        }
    }
}

/// Everything that led to a failure, what matters most at the end.
fn story(failure: &Failure, recorded: Option<&Recorded>) -> String {
    let mut lines: Vec<String> = Vec::new();
    if let Some(recorded) = recorded {
        lines.extend(recorded.lines().map(str::to_owned));
        lines.extend(recorded.failed_tests.iter().map(|(test, why)| format!("{test}: {why}")));
    }
    let place = match &failure.place {
        Some((path, Some(line))) => format!("{path}:{line}: "),
        Some((path, None)) => format!("{path}: "),
        None => String::new(),
    };
    lines.push(format!("{place}{}", failure.message));
    lines.extend(failure.hint.iter().map(|hint| format!("hint: {hint}")));
    lines.join("\n")
}

/// What each pushed image can be pulled by, by name.
pub fn digests(plan: &Plan, report: &Report) -> String {
    let pushed = plan.images.iter().filter_map(|PlannedImage { image, .. }| {
        let digest = report.made.get(&image.name)?.digest?;
        Some((image.name.to_string(), json!(image.repository.with_digest(digest).to_string())))
    });
    serde_json::Value::Object(pushed.collect()).to_string()
}
