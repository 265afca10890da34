//! A JSON object an event, a line each. The keys are an interface: a new one may come, none changes its meaning
//! while `version` stays.

use std::io::{self, Write as _};
use std::time::Duration;

use serde::Serialize;

use super::{Record, Show, Talk};
use crate::diag::{Diagnostic, Severity};
use crate::event::{Event, Outcome, Phase, Stream};

const VERSION: u32 = 1;

pub(super) struct Json {
    out: Talk,
}

impl Json {
    pub(super) fn new(out: Talk) -> Self {
        Self { out }
    }
}

/// The line of what is wrong with a text.
pub(in crate::ui) fn diagnostic(diagnostic: &Diagnostic, at: Duration) -> String {
    let place = diagnostic.primary.as_ref().map(|(location, _)| {
        let (line, column) = location.source.line_column(location.span.start);
        (location.source.path(), line, column)
    });
    line(
        at,
        Fact::Diagnostic {
            severity: match diagnostic.severity {
                Severity::Error => "error",
                Severity::Warning => "warning",
            },
            message: &diagnostic.message,
            file: place.map(|(file, _, _)| file),
            line: place.map(|(_, line, _)| line),
            column: place.map(|(_, _, column)| column),
            hint: diagnostic.hint.as_deref(),
        },
    )
}

/// The line of why a command came to no end of its own.
pub(in crate::ui) fn error(error: &anyhow::Error, hint: Option<&str>, at: Duration) -> String {
    let causes = error.chain().skip(1).map(ToString::to_string).collect();
    line(at, Fact::Error { message: error.to_string(), causes, hint })
}

/// The line of what was inferred or assumed.
pub(in crate::ui) fn note(text: &str, at: Duration) -> String {
    line(at, Fact::Note { text })
}

fn line(at: Duration, fact: Fact<'_>) -> String {
    let milliseconds = u64::try_from(at.as_millis()).unwrap_or(u64::MAX);
    let line = Line { version: VERSION, milliseconds, fact };
    serde_json::to_string(&line).expect("texts and numbers can be written as JSON") + "\n"
}

impl Show for Json {
    fn is_for_programs(&self) -> bool {
        true
    }

    fn show(&mut self, event: &Event, _record: &Record, at: Duration) -> io::Result<()> {
        self.out.write_all(line(at, wire(event)).as_bytes())
    }
}

#[derive(Serialize)]
struct Line<'a> {
    version: u32,
    /// Since the program started.
    milliseconds: u64,
    fact: Fact<'a>,
}

#[derive(Serialize)]
#[serde(tag = "event", rename_all = "kebab-case")]
enum Fact<'a> {
    Started {
        image: &'a str,
        phase: &'static str,
    },
    Step {
        image: &'a str,
        number: Option<usize>,
        of: Option<usize>,
        name: &'a str,
        cached: bool,
    },
    Output {
        image: &'a str,
        stream: &'static str,
        line: &'a str,
    },
    Tested {
        image: &'a str,
        test: &'a str,
        failure: Option<&'a str>,
    },
    Kept {
        image: &'a str,
        container: &'a str,
    },
    Unchanged {
        image: &'a str,
    },
    Built {
        image: &'a str,
    },
    Failed {
        image: &'a str,
        phase: &'static str,
        message: &'a str,
        file: Option<&'a str>,
        line: Option<usize>,
    },
    Blocked {
        image: &'a str,
        by: Vec<&'a str>,
    },
    Pushed {
        image: &'a str,
        reference: String,
        digest: String,
    },
    Promoted {
        image: &'a str,
        reference: String,
        to: String,
    },
    Retrying {
        what: &'a str,
        why: &'a str,
        attempt: u32,
    },
    Applying {
        container: &'a str,
        action: &'a str,
        cause: &'a str,
    },
    Warning {
        text: &'a str,
    },
    Diagnostic {
        severity: &'static str,
        message: &'a str,
        file: Option<&'a str>,
        line: Option<usize>,
        column: Option<usize>,
        hint: Option<&'a str>,
    },
    Error {
        message: String,
        causes: Vec<String>,
        hint: Option<&'a str>,
    },
    Note {
        text: &'a str,
    },
}

fn wire(event: &Event) -> Fact<'_> {
    match event {
        Event::Started { image, phase } => Fact::Started { image: image.as_str(), phase: phase_word(*phase) },
        Event::Step { image, number, name, cached } => Fact::Step {
            image: image.as_str(),
            number: number.map(|(number, _)| number),
            of: number.map(|(_, of)| of),
            name,
            cached: *cached,
        },
        Event::Output { image, stream, line } => {
            Fact::Output { image: image.as_str(), stream: stream_word(*stream), line }
        }
        Event::Tested { image, test, failure } => {
            Fact::Tested { image: image.as_str(), test, failure: failure.as_deref() }
        }
        Event::Kept { image, container } => Fact::Kept { image: image.as_str(), container },
        Event::Finished { image, outcome } => ended(image.as_str(), outcome),
        Event::Pushed { image, reference, digest } => {
            Fact::Pushed { image: image.as_str(), reference: reference.to_string(), digest: digest.to_string() }
        }
        Event::Promoted { image, reference, to } => {
            Fact::Promoted { image: image.as_str(), reference: reference.to_string(), to: to.to_string() }
        }
        Event::Retrying { what, why, attempt } => Fact::Retrying { what, why, attempt: *attempt },
        Event::Applying { container, action, cause, is_change: _ } => {
            Fact::Applying { container: container.as_str(), action, cause }
        }
        Event::Warning(text) => Fact::Warning { text },
        Event::Note(text) => Fact::Note { text },
    }
}

fn ended<'a>(image: &'a str, outcome: &'a Outcome) -> Fact<'a> {
    match outcome {
        Outcome::Unchanged => Fact::Unchanged { image },
        Outcome::Built => Fact::Built { image },
        Outcome::Failed(failure) => Fact::Failed {
            image,
            phase: phase_word(failure.phase),
            message: &failure.message,
            file: failure.place.as_ref().map(|(file, _)| file.as_str()),
            line: failure.place.as_ref().and_then(|(_, line)| *line),
        },
        Outcome::Blocked(by) => Fact::Blocked { image, by: by.iter().map(|parent| parent.as_str()).collect() },
    }
}

fn phase_word(phase: Phase) -> &'static str {
    match phase {
        Phase::Build => "build",
        Phase::Test => "test",
        Phase::Push => "push",
    }
}

fn stream_word(stream: Stream) -> &'static str {
    match stream {
        Stream::Stdout => "stdout",
        Stream::Stderr => "stderr",
    }
}
