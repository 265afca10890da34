//! Why an image is built, in words.

use std::fmt::Display;

use super::output::talk;
use super::progress::json;
use super::{Paint, Progress, Ui, paint};
use crate::plan::Reason;

/// More reasons than this are counted, not told. Arbitrary.
const REASONS_AT_MOST: usize = 3;

/// One reason in a few words.
pub fn reason(reason: &Reason) -> String {
    match reason {
        Reason::Forced => "asked for".to_owned(),
        Reason::NeverBuilt => "never built".to_owned(),
        Reason::NotPromoted => "built, but its tests have not passed".to_owned(),
        Reason::TestsChanged => "its tests changed".to_owned(),
        Reason::NotComparable => "built from inputs that are not known".to_owned(),
        Reason::DockerfileChanged => "the Dockerfile changed".to_owned(),
        Reason::ContextChanged => "files changed".to_owned(),
        Reason::NamedContextChanged { name } => format!("the context {name} changed"),
        Reason::ArgChanged { name } => format!("the argument {name} changed"),
        Reason::PlatformChanged { old, new } => format!("{old} -> {new}"),
        Reason::BaseAdded { reference } => format!("now made from {reference}"),
        Reason::BaseRemoved { reference } => format!("no longer made from {reference}"),
        Reason::BaseChanged { reference, .. } => format!("{reference} is another image"),
        Reason::RemoteFileChanged { url, .. } => format!("{} is another file", url.without_query()),
        Reason::RepositoryChanged { pin, .. } => format!("{pin} is another commit"),
        Reason::ParentAdded { parent } => format!("now made from {parent}"),
        Reason::ParentRemoved { parent } => format!("no longer made from {parent}"),
        Reason::ParentChanged { parent, .. } => format!("{parent} changed"),
        Reason::SecretsChanged { added, removed } => {
            let added = added.iter().map(|id| format!("now takes the secret {id}"));
            let removed = removed.iter().map(|id| format!("no longer takes the secret {id}"));
            added.chain(removed).collect::<Vec<_>>().join(", ")
        }
        Reason::FilesChanged { paths } => format!("added files changed: {}", list(paths)),
        Reason::LabelChanged { name } => format!("the label {name} changed"),
    }
}

/// The first reasons, and how many there are besides.
pub fn reasons(reasons: &[Reason]) -> String {
    let told: Vec<String> = reasons.iter().take(REASONS_AT_MOST).map(reason).collect();
    match reasons.len().saturating_sub(REASONS_AT_MOST) {
        0 => told.join(", "),
        more => format!("{}, and {more} more", told.join(", ")),
    }
}

/// Tells on standard error what was inferred or assumed, unless nothing shall be told but errors.
pub fn notes(notes: &[String], ui: &Ui) {
    let line = |note: &String| match ui.progress {
        Progress::Quiet => String::new(),
        Progress::Json => json::note(note, (ui.clock)()),
        Progress::Tty | Progress::Plain | Progress::Github => {
            format!("{}: {note}\n", paint("note", Paint::Hint, ui.color))
        }
    };
    notes.iter().for_each(|note| talk(&line(note)));
}

fn list(items: impl IntoIterator<Item = impl Display>) -> String {
    items.into_iter().map(|item| item.to_string()).collect::<Vec<_>>().join(" ")
}
