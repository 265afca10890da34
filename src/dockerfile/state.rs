//! What one instruction leaves to the next, and a stage to those built on it: variables, platform, shell.

use std::collections::{BTreeMap, BTreeSet};

use super::ast::{Dockerfile, Escape};
use super::expand::{Expansion, Scope, Value};
use super::resolved::Base;
use crate::model::Platform;

/// The search path of stages and commands that nobody gives one (BuildKit, `system.DefaultPathEnvUnix`).
pub const DEFAULT_PATH: &str = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";

/// What is in force where an instruction stands.
#[derive(Clone)]
pub(super) struct State {
    /// The stage, by its index in the file.
    pub(super) index: usize,
    pub(super) platform: Platform,
    pub(super) scope: Scope,
    /// The variables that the image keeps: set by `ENV`, not by `ARG` alone.
    kept: BTreeSet<String>,
    /// What kept variables hold that an `ARG` of this stage hides.
    hidden: BTreeMap<String, Value>,
    /// The variables that only an `ARG` of this stage sets.
    from_args: BTreeSet<String>,
    /// What `ARG` declares without giving it a value.
    pub(super) declared: BTreeSet<String>,
    /// Whether text for the shell is read by a POSIX shell, as far as can be told.
    pub(super) shell_is_posix: bool,
}

impl State {
    /// The state before the first instruction of a stage that is built on no other.
    pub(super) fn new(base: &Base, platform: &Platform, dockerfile: &Dockerfile) -> Self {
        let is_windows = platform.os == "windows";
        let shell_is_posix = !is_windows && dockerfile.directives.escape == Escape::Backslash;
        let mut state = Self { shell_is_posix, ..Self::blank(0, platform) };
        state.scope.open = *base != Base::Scratch;
        if !state.scope.open && !is_windows {
            state.keep("PATH", Value::Known(DEFAULT_PATH.to_owned()));
        }
        state
    }

    /// The state in which nothing is known or in force.
    pub(super) fn blank(index: usize, platform: &Platform) -> Self {
        Self {
            index,
            platform: platform.clone(),
            scope: Scope::default(),
            kept: BTreeSet::new(),
            hidden: BTreeMap::new(),
            from_args: BTreeSet::new(),
            declared: BTreeSet::new(),
            shell_is_posix: false,
        }
    }

    /// Makes the last state of a stage the first one of a stage built on it. That one gets the variables of the image
    /// over those of its arguments (BuildKit, `dispatchStages`).
    pub(super) fn inherit(&mut self, index: usize) {
        self.index = index;
        self.scope.values.append(&mut self.hidden);
        let from_args = std::mem::take(&mut self.from_args);
        if self.scope.open {
            // The base image may have variables of these names, too.
            self.scope.values.extend(from_args.into_iter().map(|name| (name, Value::Unknown)));
        }
    }

    /// How many variables it holds.
    pub(super) fn size(&self) -> usize {
        self.scope.values.len()
    }

    /// What `ARG` does.
    pub(super) fn set_arg(&mut self, name: &str, expansion: &Expansion) {
        let former = self.scope.values.insert(name.to_owned(), value(expansion));
        match former {
            Some(former) if self.kept.contains(name) => {
                self.hidden.entry(name.to_owned()).or_insert(former);
            }
            _ => {
                self.from_args.insert(name.to_owned());
            }
        }
    }

    /// What `ENV` does.
    pub(super) fn set_env(&mut self, name: &Expansion, expansion: &Expansion) {
        if name.known {
            self.keep(&name.text, value(expansion));
        } else {
            // Which variable this sets is not known: it may be any.
            self.scope.open = true;
            self.scope.values.values_mut().for_each(|value| *value = Value::Unknown);
            self.hidden.values_mut().for_each(|value| *value = Value::Unknown);
        }
    }

    fn keep(&mut self, name: &str, value: Value) {
        self.hidden.remove(name);
        self.from_args.remove(name);
        self.kept.insert(name.to_owned());
        self.scope.values.insert(name.to_owned(), value);
    }
}

fn value(expansion: &Expansion) -> Value {
    if expansion.known { Value::Known(expansion.text.clone()) } else { Value::Unknown }
}
