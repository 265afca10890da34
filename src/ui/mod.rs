//! Shows events and answers to people and programs: terminal, plain lines, JSON, GitHub, tables, graphs.

pub mod apply_report;
pub mod build_report;
pub mod deed_json;
mod diagnostics;
pub mod gc_report;
mod layout;
pub mod lock_report;
mod output;
mod plan_graph;
pub mod plan_json;
mod plan_reasons;
mod plan_svg;
mod plan_table;
pub mod plan_why;
mod progress;
mod reason_json;
pub mod stale;
pub mod verify_report;
pub mod words;

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

pub use diagnostics::{diagnostics, github_annotation, refuse, warn};
pub use output::{Paint, error, paint, print};
pub use plan_graph::Graph;
pub use plan_reasons::{notes, reason, reasons};
pub use plan_table::{counts, table};
pub use progress::{Record, Recorded, Reporter, failures};

/// Whether colour is used.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Color {
    /// Colour, whatever the output is.
    Always,
    /// No colour.
    Never,
}

/// How progress is shown.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Progress {
    /// A live view.
    Tty,
    /// A line an event.
    Plain,
    /// Groups and annotations of GitHub Actions.
    Github,
    /// A JSON object an event.
    Json,
    /// Nothing.
    Quiet,
}

/// How things are shown.
#[derive(Clone)]
pub struct Ui {
    /// Whether colour is used.
    pub color: Color,
    /// How progress is shown.
    pub progress: Progress,
    /// The time since the program started.
    pub clock: Arc<dyn Fn() -> Duration + Send + Sync>,
}

impl fmt::Debug for Ui {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Ui").field("color", &self.color).field("progress", &self.progress).finish_non_exhaustive()
    }
}
