//! Groups and annotations of GitHub Actions (workflow commands). Images are built at the same time and groups can't
//! be nested or interleaved, so an image's lines are held back until it ends.

use std::collections::BTreeMap;
use std::io::{self, Write as _};
use std::time::Duration;

use super::{Record, Show, Talk, lines};
use crate::event::{Event, Outcome};
use crate::model::ImageName;
use crate::ui::Color;

/// How much of one image's output is held back, in bytes; what comes after is written when the group is.
const HELD_BYTES: usize = 16 << 20;

pub(super) struct Github {
    out: Talk,
    held: BTreeMap<ImageName, String>,
}

impl Github {
    pub(super) fn new(out: Talk) -> Self {
        Self { out, held: BTreeMap::new() }
    }

    fn hold(&mut self, image: &ImageName, line: &str) {
        let held = self.held.entry(image.clone()).or_default();
        if held.len() + line.len() <= HELD_BYTES {
            // A line that begins with `::` would be taken for a command.
            held.push_str(&line.replace('\n', "\n| "));
            held.push('\n');
        }
    }
}

impl Show for Github {
    fn show(&mut self, event: &Event, record: &Record, _at: Duration) -> io::Result<()> {
        let Some(line) = lines::line(event, record, Color::Never) else { return Ok(()) };
        match event {
            Event::Finished { image, outcome } => {
                let took = record.images.get(image).map_or(Duration::ZERO, |image| image.took);
                let title = format!("{image}: {}", lines::outcome_words(outcome, took, Color::Never));
                let held = self.held.remove(image).unwrap_or_default();
                if held.is_empty() {
                    writeln!(self.out, "{title}")?;
                } else {
                    write!(self.out, "::group::{}\n{held}::endgroup::\n", escape_data(&title))?;
                }
                match outcome {
                    Outcome::Failed(failure) => {
                        let file = failure.place.as_ref().map(|(file, _)| ("file", file.clone()));
                        let line = failure.place.as_ref().and_then(|(_, line)| line.map(|l| ("line", l.to_string())));
                        let properties: Vec<_> = file.into_iter().chain(line).collect();
                        let message = format!("{image}: {}", failure.message);
                        writeln!(self.out, "{}", annotation("error", &properties, &message))
                    }
                    Outcome::Unchanged | Outcome::Built | Outcome::Blocked(_) => Ok(()),
                }
            }
            Event::Warning(text) => writeln!(self.out, "{}", annotation("warning", &[], text)),
            Event::Started { image, .. }
            | Event::Step { image, .. }
            | Event::Output { image, .. }
            | Event::Tested { image, .. }
            | Event::Kept { image, .. }
            | Event::Pushed { image, .. } => {
                self.hold(image, &line);
                Ok(())
            }
            Event::Promoted { .. } | Event::Retrying { .. } | Event::Applying { .. } | Event::Note(_) => {
                writeln!(self.out, "{line}")
            }
        }
    }
}

/// A workflow command with properties: `::error file=F,line=L::MESSAGE`.
pub(in crate::ui) fn annotation(level: &str, properties: &[(&str, String)], message: &str) -> String {
    let written = properties.iter().map(|(name, value)| format!("{name}={}", escape_property(value)));
    let written = written.collect::<Vec<_>>().join(",");
    let space = if written.is_empty() { "" } else { " " };
    format!("::{level}{space}{written}::{}", escape_data(message))
}

fn escape_data(text: &str) -> String {
    text.replace('%', "%25").replace('\r', "%0D").replace('\n', "%0A")
}

fn escape_property(text: &str) -> String {
    escape_data(text).replace(':', "%3A").replace(',', "%2C")
}
