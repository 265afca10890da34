//! Decides which manifest a host goes back to. Pure.

use std::fmt;
use std::str::FromStr;

/// How a run ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Outcome {
    /// The host runs what the manifest says.
    Done,
    /// It does not, because something is wrong with what the manifest says.
    Failed,
    /// The same, and what served before serves again.
    Restored,
    /// It was broken off, by somebody or by an engine that did not answer: nothing is known of what the manifest says.
    Cut,
}

impl fmt::Display for Outcome {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Done => "done",
            Self::Failed => "failed",
            Self::Restored => "restored",
            Self::Cut => "cut",
        })
    }
}

impl Outcome {
    /// Whether the manifest was tried and is not good: the same again would end the same.
    pub fn is_bad(self) -> bool {
        match self {
            Self::Failed | Self::Restored => true,
            Self::Done | Self::Cut => false,
        }
    }
}

impl FromStr for Outcome {
    type Err = ();

    fn from_str(text: &str) -> Result<Self, ()> {
        match text {
            "done" => Ok(Self::Done),
            "failed" => Ok(Self::Failed),
            "restored" => Ok(Self::Restored),
            "cut" => Ok(Self::Cut),
            _ => Err(()),
        }
    }
}

/// One record of a history.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Entry {
    /// Its place, from 1.
    pub sequence: u64,
    /// The manifest's serial.
    pub serial: u64,
    /// When the run ended, in seconds since 1970.
    pub at: i64,
    /// How.
    pub outcome: Outcome,
}

/// The record of what a host runs: the last that was done.
pub fn current(entries: &[Entry]) -> Option<&Entry> {
    done(entries).max_by_key(|entry| entry.sequence)
}

/// The record to go back to. After a run that failed, which may have changed a part of the host, it is what ran before;
/// else the highest serial below the current one. Going back again goes further back, never to what was just left.
pub fn former(entries: &[Entry]) -> Option<&Entry> {
    let current = current(entries)?;
    if entries.iter().any(|entry| entry.sequence > current.sequence) {
        return Some(current);
    }
    let current = current.serial;
    done(entries).filter(|entry| entry.serial < current).max_by_key(|entry| (entry.serial, entry.sequence))
}

/// The last record of a serial that was done.
pub fn of_serial(entries: &[Entry], serial: u64) -> Option<&Entry> {
    done(entries).filter(|entry| entry.serial == serial).max_by_key(|entry| entry.sequence)
}

fn done(entries: &[Entry]) -> impl Iterator<Item = &Entry> {
    entries.iter().filter(|entry| entry.outcome == Outcome::Done)
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;

    /// Serials in the order in which they were applied; `!` behind one that failed.
    pub(in crate::apply) fn read(text: &str) -> Vec<Entry> {
        let read = |(place, word): (usize, &str)| Entry {
            sequence: place as u64 + 1,
            serial: word.trim_end_matches('!').parse().unwrap(),
            at: 0,
            outcome: if word.ends_with('!') { Outcome::Restored } else { Outcome::Done },
        };
        text.split_whitespace().enumerate().map(read).collect()
    }

    fn serials(text: &str) -> (Option<u64>, Option<u64>) {
        let entries = read(text);
        (current(&entries).map(|entry| entry.serial), former(&entries).map(|entry| entry.serial))
    }

    #[test]
    fn the_way_back_leads_further_back() {
        assert_eq!(serials(""), (None, None));
        assert_eq!(serials("1"), (Some(1), None));
        assert_eq!(serials("1 2 3"), (Some(3), Some(2)));
        assert_eq!(serials("1 2 3 2"), (Some(2), Some(1)), "back again");
        assert_eq!(serials("1 2 3 2 1"), (Some(1), None));
        assert_eq!(serials("1 2 3!"), (Some(2), Some(2)), "what failed is undone first");
        assert_eq!(serials("1 2 3! 2"), (Some(2), Some(1)));
        assert_eq!(serials("1 2! 3"), (Some(3), Some(1)), "nor what is gone back to");
        assert_eq!(serials("7 5"), (Some(5), None));
    }
}
