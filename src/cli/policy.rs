//! What the host allows containers beyond what every container may.

use std::collections::BTreeSet;
use std::fs::{self, File};
use std::io::{self, Read as _};
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};

use anyhow::Context as _;

use super::Refusal;
use crate::diag::SourceText;
use crate::manifest::{ContainerSpec, Manifest, MountSource, Policy, bind_wanted, powers_wanted};
use crate::ui::words;

/// Where a host says what it allows.
const DEFAULT: &str = "/etc/windlass/policy.json";

/// Where the host says what it allows.
#[derive(Debug, Clone, clap::Args)]
pub(super) struct PolicyArgs {
    /// What the host allows containers beyond what every container may; root's alone to write [default: `/etc/windlass/policy.json`, where there is one].
    #[arg(long, value_name = "FILE", env = "WINDLASS_POLICY")]
    policy: Option<PathBuf>,
}

impl PolicyArgs {
    /// Refuses a manifest that wants more than the host allows.
    pub(super) fn check(&self, manifest: &Manifest) -> anyhow::Result<()> {
        let wanted = manifest.containers.iter().map(|(name, spec)| (name, wanted(spec)));
        let wanted: Vec<_> = wanted.filter(|(_, powers)| !powers.is_empty()).collect();
        if wanted.is_empty() {
            return Ok(());
        }
        let path = self.policy.as_deref().unwrap_or(Path::new(DEFAULT));
        let policy = read(path, self.policy.is_some())?;
        let mut refused = Vec::new();
        for (name, powers) in wanted {
            let powers: Vec<String> =
                powers.into_iter().filter(|power| !policy.allows(&manifest.project, name, power)).collect();
            if !powers.is_empty() {
                refused.push(format!("`{name}` wants {}", words::these(&powers)));
            }
        }
        if refused.is_empty() {
            return Ok(());
        }
        let message = format!("this host does not allow what is wanted: {}", refused.join("; "));
        let hint = format!("root can allow it in `{}`, which docs/deploying.md describes", path.display());
        Err(Refusal::usage_with_hint(message, hint).into())
    }
}

/// What a container wants, with the paths of the host as they are written and as they lead.
fn wanted(spec: &ContainerSpec) -> BTreeSet<String> {
    let mut all = powers_wanted(spec);
    for mount in spec.volumes.values() {
        if let MountSource::Host(path) = &mount.source
            && let Ok(target) = fs::canonicalize(path)
        {
            all.extend(bind_wanted(&target.to_string_lossy(), mount.read_only));
        }
    }
    all
}

/// The policy in a file; one that nobody asked for may be missing.
fn read(path: &Path, is_asked_for: bool) -> anyhow::Result<Policy> {
    let reading = || format!("reading the policy `{}`", path.display());
    let mut file = match File::open(path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound && !is_asked_for => return Ok(Policy::default()),
        opened => opened.with_context(reading)?,
    };
    let about = file.metadata().with_context(reading)?;
    if about.uid() != 0 || about.mode() & 0o022 != 0 {
        let message = format!("the policy `{}` is not root's alone to write", path.display());
        let hint = format!("`chown root {0} && chmod go-w {0}`", path.display());
        return Err(Refusal::usage_with_hint(message, hint).into());
    }
    let mut text = String::new();
    file.read_to_string(&mut text).with_context(reading)?;
    Ok(Policy::parse(&SourceText::new(path.display().to_string(), text))?)
}
