//! What is wrong with a value, and where in the tree of keys it stands; the reader of the file knows the line.

use std::fmt;

/// One step from a map or list into what it holds.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub enum PathStep {
    /// To the value of a key.
    Key(String),
    /// To an item, counted from 0.
    Index(usize),
}

/// What of an entry is meant.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Part {
    /// The key at the end of the path.
    Key,
    /// The value there.
    Value,
}

/// Something wrong in a tree of keys: a diagnostic before its place in the text is known.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Problem {
    /// The way to it.
    pub path: Vec<PathStep>,
    /// What of it.
    pub part: Part,
    /// What is wrong.
    pub message: String,
    /// How to mend it.
    pub hint: Option<String>,
}

impl Problem {
    /// The same below a key.
    #[must_use]
    pub fn below(mut self, key: &str) -> Self {
        self.path.insert(0, PathStep::Key(key.to_owned()));
        self
    }
}

impl fmt::Display for Problem {
    /// `web.ports[0]: message`, for logs and tests.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (i, step) in self.path.iter().enumerate() {
            match step {
                PathStep::Key(key) if i == 0 => write!(f, "{key}")?,
                PathStep::Key(key) => write!(f, ".{key}")?,
                PathStep::Index(index) => write!(f, "[{index}]")?,
            }
        }
        write!(f, ": {}", self.message)
    }
}

/// Collects what is wrong while a tree is walked; knows where the walk stands.
#[derive(Debug, Default)]
pub(super) struct Problems {
    path: Vec<PathStep>,
    found: Vec<Problem>,
}

impl Problems {
    /// Says what is wrong with the value at a key of where the walk stands.
    pub(super) fn value(&mut self, key: &str, message: impl Into<String>, hint: Option<String>) {
        self.push(PathStep::Key(key.to_owned()), Part::Value, message.into(), hint);
    }

    /// Says what is wrong with a key itself.
    pub(super) fn key(&mut self, key: &str, message: impl Into<String>, hint: Option<String>) {
        self.push(PathStep::Key(key.to_owned()), Part::Key, message.into(), hint);
    }

    /// Says what is wrong with an item of a list.
    pub(super) fn item(&mut self, index: usize, message: impl Into<String>, hint: Option<String>) {
        self.push(PathStep::Index(index), Part::Value, message.into(), hint);
    }

    fn push(&mut self, step: PathStep, part: Part, message: String, hint: Option<String>) {
        let path = self.path.iter().cloned().chain([step]).collect();
        self.found.push(Problem { path, part, message, hint });
    }

    /// Walks into a key.
    pub(super) fn within<T>(&mut self, key: &str, walk: impl FnOnce(&mut Self) -> T) -> T {
        self.path.push(PathStep::Key(key.to_owned()));
        let value = walk(self);
        self.path.pop();
        value
    }

    /// The value of a key, where it can be read; else says why not.
    pub(super) fn read<T, E: fmt::Display>(&mut self, key: &str, read: Result<T, E>) -> Option<T> {
        read.map_err(|error| self.value(key, error.to_string(), None)).ok()
    }

    /// The value, if nothing was found to be wrong.
    pub(super) fn or<T>(self, value: T) -> Result<T, Vec<Problem>> {
        if self.found.is_empty() { Ok(value) } else { Err(self.found) }
    }
}
