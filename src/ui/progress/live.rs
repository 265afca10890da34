//! The live view of a terminal: a line for the whole run, one for each image in the making, and a line that stays
//! for each that ended.

use std::collections::BTreeMap;
use std::io;
use std::time::Duration;

use indicatif::{MultiProgress, ProgressBar, ProgressDrawTarget, ProgressStyle};

use super::{Record, Show, lines};
use crate::event::Event;
use crate::model::ImageName;
use crate::ui::{Color, Paint, paint, words};

/// How often the view is drawn anew, in times a second.
const DRAWN_PER_SECOND: u8 = 5;

pub(super) struct Live {
    view: MultiProgress,
    whole: ProgressBar,
    running: BTreeMap<ImageName, ProgressBar>,
    color: Color,
}

impl Live {
    pub(super) fn new(n_images: usize, color: Color) -> Self {
        let view = MultiProgress::with_draw_target(ProgressDrawTarget::stderr_with_hz(DRAWN_PER_SECOND));
        let whole = view.add(ProgressBar::new(n_images as u64).with_style(style("{pos}/{len} images, {elapsed}")));
        whole.enable_steady_tick(Duration::from_millis(500));
        Self { view, whole, running: BTreeMap::new(), color }
    }

    fn bar(&mut self, image: &ImageName) -> &ProgressBar {
        self.running.entry(image.clone()).or_insert_with(|| {
            let bar = self.view.add(ProgressBar::new_spinner().with_style(style("  {spinner} {prefix} {wide_msg}")));
            bar.set_prefix(paint(image.as_str(), Paint::Name, self.color));
            bar.enable_steady_tick(Duration::from_millis(250));
            bar
        })
    }
}

impl Show for Live {
    fn show(&mut self, event: &Event, record: &Record, _at: Duration) -> io::Result<()> {
        match event {
            Event::Started { image, phase } => self.bar(image).set_message(words::doing(*phase)),
            Event::Step { image, number, name, .. } => {
                let number = number.map_or_else(String::new, |(number, of)| format!("[{number}/{of}] "));
                self.bar(image).set_message(printable(&format!("{number}{name}")));
            }
            Event::Output { image, line, .. } => {
                let step = record.images.get(image).map_or("", |image| image.step.as_str());
                let message = printable(&format!("{step}  {line}"));
                self.bar(image).set_message(message);
            }
            Event::Finished { image, .. } => {
                if let Some(bar) = self.running.remove(image) {
                    bar.finish_and_clear();
                }
                self.whole.inc(1);
                self.stay(event, record)?;
            }
            Event::Tested { failure: None, .. } | Event::Pushed { .. } => {}
            Event::Tested { failure: Some(_), .. }
            | Event::Kept { .. }
            | Event::Promoted { .. }
            | Event::Retrying { .. }
            | Event::Applying { .. }
            | Event::Warning(_)
            | Event::Note(_) => self.stay(event, record)?,
        }
        Ok(())
    }

    fn end(&mut self) {
        for bar in self.running.values() {
            bar.finish_and_clear();
        }
        self.whole.finish_and_clear();
    }
}

impl Live {
    /// Writes a line above the view that stays.
    fn stay(&self, event: &Event, record: &Record) -> io::Result<()> {
        lines::line(event, record, self.color).map_or(Ok(()), |line| self.view.println(line))
    }
}

/// Control characters of a build's output would draw outside of their line.
fn printable(text: &str) -> String {
    text.chars().map(|c| if c.is_control() { ' ' } else { c }).collect()
}

fn style(template: &str) -> ProgressStyle {
    ProgressStyle::with_template(template).expect("the templates of this file are well-formed")
}
