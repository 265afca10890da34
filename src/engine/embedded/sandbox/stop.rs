//! Telling what runs to stop.

use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::sync::Arc;

use rustix::event::{EventfdFlags, PollFd, PollFlags, Timespec, eventfd, poll};

/// Says from any thread that all that was begun with it, or will be, is to stop. Clones are the same.
#[derive(Debug, Clone)]
pub struct Stop(Arc<OwnedFd>);

impl Stop {
    /// One that nobody stopped yet.
    ///
    /// # Errors
    /// When the process may open no more files.
    pub fn new() -> anyhow::Result<Self> {
        Ok(Self(Arc::new(eventfd(0, EventfdFlags::CLOEXEC | EventfdFlags::NONBLOCK)?)))
    }

    /// Kills what runs, and lets nothing begin any more.
    pub fn stop(&self) {
        // The counter can only refuse when it stands near 2^64, and then it is readable, which is all it is for.
        let _written = rustix::io::write(&*self.0, &1_u64.to_ne_bytes());
    }

    /// Whether [`Self::stop`] was called.
    pub fn is_stopped(&self) -> bool {
        let mut fds = [PollFd::new(&*self.0, PollFlags::IN)];
        let at_once = Timespec { tv_sec: 0, tv_nsec: 0 };
        poll(&mut fds, Some(&at_once)).is_ok_and(|ready| ready > 0)
    }
}

impl AsFd for Stop {
    /// Readable once it is stopped, for ever.
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.0.as_fd()
    }
}
