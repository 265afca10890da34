//! Words that are said in more than one place.

use std::fmt::Display;
use std::time::Duration;

use crate::event::Phase;

/// `1 image`, `2 images`.
pub fn images(n: usize) -> String {
    match n {
        1 => "1 image".to_owned(),
        n => format!("{n} images"),
    }
}

/// `1 name`, `2 names`.
pub fn names(n: usize) -> String {
    match n {
        1 => "1 name".to_owned(),
        n => format!("{n} names"),
    }
}

/// `1 change`, `2 changes`.
pub fn changes(n: usize) -> String {
    match n {
        1 => "1 change".to_owned(),
        n => format!("{n} changes"),
    }
}

/// Things in backticks, all of a few and the first of many: `a`, `b` and 3 more.
pub fn these(things: &[impl Display]) -> String {
    /// More than this are counted, not told. Arbitrary.
    const AT_MOST: usize = 5;
    let told: Vec<String> = things.iter().take(AT_MOST).map(|thing| format!("`{thing}`")).collect();
    match (things.len() - told.len(), told.split_last()) {
        (0, None) => String::new(),
        (0, Some((last, []))) => last.clone(),
        (0, Some((last, others))) => format!("{} and {last}", others.join(", ")),
        (more, _) => format!("{} and {more} more", told.join(", ")),
    }
}

/// A time as people tell it: `0.4s`, `12s`, `3m 05s`, `2h 10m`.
pub fn took(time: Duration) -> String {
    match time.as_secs() {
        0..10 => format!("{:.1}s", time.as_secs_f64()),
        seconds @ 10..60 => format!("{seconds}s"),
        seconds @ 60..3600 => format!("{}m {:02}s", seconds / 60, seconds % 60),
        seconds => format!("{}h {:02}m", seconds / 3600, seconds % 3600 / 60),
    }
}

/// An amount of bytes as people tell it: `0 B`, `1.5 KB`, `20 MB`, `3.2 GB`; powers of 1000.
pub fn size(bytes: u64) -> String {
    const UNITS: [&str; 5] = ["B", "KB", "MB", "GB", "TB"];
    let mut amount = bytes as f64;
    let mut unit = 0;
    // What would be shown as 1000 is one of the next unit.
    while amount >= 999.5 && unit + 1 < UNITS.len() {
        (amount, unit) = (amount / 1000.0, unit + 1);
    }
    let digits = usize::from(unit > 0 && amount < 9.95);
    format!("{amount:.digits$} {}", UNITS[unit])
}

/// What a terminal would show of a line that a program drew over with carriage returns. A log must not hold the
/// returns themselves: some readers take what follows for a line of its own, and GitHub for a command.
pub(super) fn last_drawn(line: &str) -> &str {
    line.rsplit('\r').find(|drawn| !drawn.is_empty()).unwrap_or_default()
}

/// What is being done, as a verb in progress.
pub(super) fn doing(phase: Phase) -> &'static str {
    match phase {
        Phase::Build => "building",
        Phase::Test => "testing",
        Phase::Push => "pushing",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_are_told_as_people_do() {
        let cases = [(0, "0 B"), (999, "999 B"), (1_500, "1.5 KB"), (9_960, "10 KB"), (999_600, "1.0 MB")];
        for (bytes, text) in cases.into_iter().chain([(3_210_000_000, "3.2 GB"), (u64::MAX, "18446744 TB")]) {
            assert_eq!(size(bytes), text);
        }
    }

    #[test]
    fn times_are_told_as_people_do() {
        let cases = [(40, "0.0s"), (9_940, "9.9s"), (59_900, "59s"), (65_000, "1m 05s"), (7_860_000, "2h 11m")];
        for (milliseconds, text) in cases {
            assert_eq!(took(Duration::from_millis(milliseconds)), text);
        }
    }
}
