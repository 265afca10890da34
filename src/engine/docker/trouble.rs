//! A build's own troubles, which the engine would report in its words, late, or not at all.

use std::sync::{Arc, OnceLock};

use crate::engine::context::Changed;

/// Where those who send a context tell what they met, for those who wait for the build.
#[derive(Clone, Default)]
pub(super) struct Trouble(Arc<OnceLock<Changed>>);

impl Trouble {
    /// Keeps the first trouble, which is the cause of those that follow; gives it back.
    pub(super) fn tell(&self, changed: Changed) -> Changed {
        self.0.get_or_init(|| changed).clone()
    }

    /// What was met, if anything was.
    pub(super) fn what(&self) -> Option<Changed> {
        self.0.get().cloned()
    }
}
