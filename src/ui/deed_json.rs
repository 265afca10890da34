//! What a run of `apply` did, as one line of JSON: for the audit log, and for who is told. The keys are an interface.

use serde::Serialize;

use crate::model::ProjectName;

const VERSION: u32 = 1;

/// Something that was done.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Deed {
    /// To which container.
    pub container: String,
    /// What.
    pub action: String,
    /// Why.
    pub cause: String,
}

/// Which run it is.
#[derive(Debug, Clone, Copy)]
pub struct Run<'a> {
    /// The project.
    pub project: &'a ProjectName,
    /// The manifest's serial.
    pub serial: u64,
    /// Whose run it is: user and process.
    pub by: (u32, u32),
}

#[derive(Serialize)]
struct Line<'a> {
    version: u32,
    event: &'a str,
    at: String,
    project: String,
    serial: u64,
    user: u32,
    process: u32,
    #[serde(skip_serializing_if = "Option::is_none")]
    outcome: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    error: Option<&'a str>,
    #[serde(skip_serializing_if = "<[Deed]>::is_empty")]
    done: &'a [Deed],
}

/// That a run begins to change something.
pub fn began(at: jiff::Timestamp, run: Run<'_>) -> String {
    line(at, "began", run, (None, None, &[]))
}

/// How it ended, and what it had begun.
pub fn ended(at: jiff::Timestamp, run: Run<'_>, outcome: &str, error: Option<&str>, done: &[Deed]) -> String {
    line(at, "ended", run, (Some(outcome), error, done))
}

fn line(
    at: jiff::Timestamp,
    event: &str,
    Run { project, serial, by: (user, process) }: Run<'_>,
    (outcome, error, done): (Option<&str>, Option<&str>, &[Deed]),
) -> String {
    let (at, project) = (at.to_string(), project.to_string());
    let line = Line { version: VERSION, event, at, project, serial, user, process, outcome, error, done };
    let mut text = serde_json::to_string(&line).expect("texts, numbers and lists are valid JSON");
    text.push('\n');
    text
}
