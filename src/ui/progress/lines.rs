//! A line an event, each beginning with the image's name: for logs, and for people who read them with `grep`.

use std::io::{self, Write as _};
use std::time::Duration;

use super::{Record, Show, Talk};
use crate::event::{Event, Outcome};
use crate::ui::{Color, Paint, paint, words};

pub(super) struct Lines {
    out: Talk,
    color: Color,
}

impl Lines {
    pub(super) fn new(out: Talk, color: Color) -> Self {
        Self { out, color }
    }
}

impl Show for Lines {
    fn show(&mut self, event: &Event, record: &Record, _at: Duration) -> io::Result<()> {
        match line(event, record, self.color) {
            Some(line) => writeln!(self.out, "{line}"),
            None => Ok(()),
        }
    }
}

/// What is said of an event in one line, where anything is.
pub(super) fn line(event: &Event, record: &Record, color: Color) -> Option<String> {
    let line = match event {
        Event::Started { image, phase } => format!("{image} | {}", words::doing(*phase)),
        Event::Step { image, number, name, cached } => {
            let number = number.map_or_else(String::new, |(number, of)| format!("[{number}/{of}] "));
            let cached = if *cached { " (cached)" } else { "" };
            format!("{image} | {number}{name}{cached}")
        }
        Event::Output { image, line, .. } => format!("{image} |   {}", words::last_drawn(line)),
        Event::Tested { image, test, failure: None } => {
            format!("{image} | {} {test}", paint("passed", Paint::Good, color))
        }
        Event::Tested { image, test, failure: Some(why) } => {
            format!("{image} | {} {test}: {why}", paint("failed", Paint::Bad, color))
        }
        Event::Kept { image, container } => format!("{image} | container kept as `{container}`"),
        Event::Finished { image, outcome } => {
            let took = record.images.get(image).map_or(Duration::ZERO, |image| image.took);
            format!("{image} | {}", outcome_words(outcome, took, color))
        }
        Event::Pushed { image, reference, digest } => format!("{image} | pushed {reference}@{digest}"),
        Event::Promoted { image, reference, to } => format!("{image} | {reference} is now {}", &to.hex()[..12]),
        Event::Retrying { what, why, attempt } => format!("{what}: {why}; try {attempt}"),
        Event::Applying { container, action, cause, is_change: _ } => format!("{container} | {action} ({cause})"),
        Event::Warning(text) => format!("{}: {text}", paint("warning", Paint::Bad, color)),
        Event::Note(text) => format!("note: {text}"),
    };
    Some(line)
}

/// How an image ended, in words.
pub(super) fn outcome_words(outcome: &Outcome, took: Duration, color: Color) -> String {
    match outcome {
        Outcome::Unchanged => "unchanged".to_owned(),
        Outcome::Built => format!("{} in {}", paint("built", Paint::Good, color), words::took(took)),
        Outcome::Failed(failure) => {
            format!("{} after {}: {}", paint("failed", Paint::Bad, color), words::took(took), failure.message)
        }
        Outcome::Blocked(parents) => {
            let parents: Vec<String> = parents.iter().map(|parent| format!("`{parent}`")).collect();
            format!("{} by {}", paint("blocked", Paint::Bad, color), parents.join(", "))
        }
    }
}
