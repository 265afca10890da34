//! Removes images of former manifests from a host, once nothing needs them.

use std::collections::BTreeSet;
use std::path::Path;

use super::deploy::{self, HostArgs};
use super::{Settings, block_on, connect, until_interrupted};
use crate::apply::{History, Pulled, gc};
use crate::manifest::Manifest;
use crate::ui::{self, words};

/// How many are kept.
#[derive(Debug, Clone, Copy, clap::Args)]
pub(super) struct KeepArgs {
    /// So many manifests that ran before keep their images on the host, so that the way back needs no registry. Images that
    /// windlass pulled for others are removed after a run that changed something.
    #[arg(long, value_name = "NUMBER", default_value_t = 3, env = "WINDLASS_KEEP_GENERATIONS")]
    keep_generations: usize,
}

impl KeepArgs {
    /// Removes what was pulled for the project and is needed by nothing on this host: neither by what runs nor by what the
    /// way back of any project leads to.
    ///
    /// # Errors
    /// When it is not known what is needed, or the engine does not remove it.
    pub(super) fn remove_needless(
        self,
        state: &Path,
        history: &History,
        manifest: &Manifest,
        host: HostArgs,
        settings: &Settings,
    ) -> anyhow::Result<()> {
        let pulled = Pulled::new(history);
        let references = pulled.references()?;
        if references.is_empty() {
            return Ok(());
        }
        let needed = self.needed(state, manifest)?;
        let removed = block_on(until_interrupted(settings, async {
            let host = connect::host(settings, host.engine_timeout).await?;
            Ok(host.remove_images(&references, &needed).await?)
        }))?;
        if removed.n_removed > 0 {
            let n = words::images(removed.n_removed);
            ui::notes(&[format!("removed {n} that nothing needs any more")], &settings.ui);
        }
        if removed.gone.is_empty() { Ok(()) } else { pulled.forget(&removed.gone) }
    }

    fn needed(self, state: &Path, manifest: &Manifest) -> anyhow::Result<BTreeSet<String>> {
        let mut needed = gc::images(manifest);
        for project in History::projects(state)? {
            let history = History::new(state, &project);
            for entry in gc::kept(&history.entries()?, self.keep_generations) {
                needed.extend(gc::images(&deploy::recorded(&history, &entry)?));
            }
        }
        Ok(needed)
    }
}
