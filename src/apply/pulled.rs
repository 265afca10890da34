//! Which images were pulled for a project: of all that an engine has, those alone are ours to remove.
//!
//! They stand in a file beside the history, a reference a line, noted before the engine is asked for them: what a run pulled that
//! was killed just then is known too. One that never came is forgotten once nothing needs it.

use std::collections::BTreeSet;
use std::fs::{self, OpenOptions};
use std::io::{self, Write as _};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::PathBuf;
use std::sync::{Mutex, PoisonError};

use anyhow::Context as _;

use super::desired::Desired;
use super::history::{History, write_whole};
use super::host::{Host, HostError};
use super::state::HostState;
use super::step::Action;
use crate::model::Reference;

/// The images that were pulled for a project.
#[derive(Debug)]
pub struct Pulled {
    file: PathBuf,
}

impl Pulled {
    /// Those of the project that has this history.
    pub fn new(history: &History) -> Self {
        Self { file: history.folder().join("pulled") }
    }

    /// All that are noted. A line that was cut off is none.
    ///
    /// # Errors
    /// When the file can't be read; where there is none, nothing was pulled.
    pub fn references(&self) -> anyhow::Result<BTreeSet<Reference>> {
        match fs::read_to_string(&self.file) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(BTreeSet::new()),
            text => {
                let text = text.with_context(|| format!("reading `{}`", self.file.display()))?;
                Ok(text.lines().filter_map(|line| line.parse().ok()).collect())
            }
        }
    }

    fn add(&self, reference: &Reference) -> io::Result<()> {
        let mut file = OpenOptions::new().append(true).create(true).mode(0o600).open(&self.file)?;
        // What was cut off before is a line of its own.
        file.write_all(format!("\n{reference}\n").as_bytes())
    }

    /// Forgets those that are not on the host any more.
    ///
    /// # Errors
    /// When the file can't be written; it is as it was then.
    pub fn forget(&self, gone: &BTreeSet<Reference>) -> anyhow::Result<()> {
        let left = self.references()?;
        let left: String = left.difference(gone).map(|reference| format!("{reference}\n")).collect();
        write_whole(&self.file, &left).with_context(|| format!("writing `{}`", self.file.display()))
    }
}

/// A host of which is noted what it pulls.
#[derive(Debug)]
pub struct Noting<'a, H> {
    host: &'a H,
    pulled: &'a Pulled,
    failure: Mutex<Option<io::Error>>,
}

impl<'a, H> Noting<'a, H> {
    /// Notes what a host pulls from here on.
    pub fn new(host: &'a H, pulled: &'a Pulled) -> Self {
        Self { host, pulled, failure: Mutex::new(None) }
    }

    /// Why something could not be noted.
    pub fn failure(self) -> Option<io::Error> {
        self.failure.into_inner().unwrap_or_else(PoisonError::into_inner)
    }
}

impl<H: Host> Host for Noting<'_, H> {
    async fn observe(&self, desired: &Desired) -> Result<HostState, HostError> {
        self.host.observe(desired).await
    }

    async fn perform(&self, action: &Action) -> Result<(), HostError> {
        if let Action::Pull { reference, id: _ } = action
            && let Err(error) = self.pulled.add(reference)
        {
            *self.failure.lock().unwrap_or_else(PoisonError::into_inner) = Some(error);
        }
        self.host.perform(action).await
    }
}
