//! Who did what to a host, when: written down for good, and told to who wants to know.

use std::fs::OpenOptions;
use std::io::{self, Write as _};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::PathBuf;
use std::process::Stdio;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::io::AsyncWriteExt as _;
use tokio::process::Command;

use super::{Settings, block_on, connect, deploy};
use crate::apply::History;
use crate::event::{Event, NoSink, Sink};
use crate::model::{HttpUrl, ProjectName};
use crate::registry::RetryPolicy;
use crate::ui::deed_json::{self, Deed, Run};

/// The log in the project's folder.
const FILE: &str = "audit.jsonl";
/// How long a command may take that is told. Arbitrary; nobody waits for longer to see that a deploy is done.
const TOLD_WITHIN: Duration = Duration::from_secs(30);

/// Who is told.
#[derive(Debug, Clone, clap::Args)]
pub(super) struct NotifyArgs {
    /// Run this with the shell after a run that changed something; it reads what was done, as JSON, from standard input.
    #[arg(long, value_name = "COMMAND", env = "WINDLASS_NOTIFY")]
    notify: Option<String>,
    /// Post the same to this address.
    #[arg(long, value_name = "URL", env = "WINDLASS_NOTIFY_URL")]
    notify_url: Option<HttpUrl>,
}

/// Writes down what is done while it passes what happens on.
pub(super) struct Audit<'a> {
    inner: &'a dyn Sink,
    file: PathBuf,
    project: &'a ProjectName,
    serial: u64,
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    deeds: Vec<Deed>,
    failure: Option<io::Error>,
}

impl Sink for Audit<'_> {
    fn send(&self, event: Event) {
        if let Event::Applying { container, action, cause, is_change: true } = &event {
            let mut state = self.state();
            if state.deeds.is_empty() {
                let line = deed_json::began(deploy::now(), self.run());
                state.failure = self.append(&line).err();
            }
            state.deeds.push(Deed { container: container.to_string(), action: action.clone(), cause: cause.clone() });
        }
        self.inner.send(event);
    }
}

impl<'a> Audit<'a> {
    pub(super) fn new(inner: &'a dyn Sink, history: &History, project: &'a ProjectName, serial: u64) -> Self {
        Self { inner, file: history.folder().join(FILE), project, serial, state: Mutex::default() }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn run(&self) -> Run<'a> {
        let by = (nix::unistd::getuid().as_raw(), std::process::id());
        Run { project: self.project, serial: self.serial, by }
    }

    /// Adds a line, which is there whole or not at all, and stays.
    fn append(&self, line: &str) -> io::Result<()> {
        let mut file = OpenOptions::new().create(true).append(true).mode(0o600).open(&self.file)?;
        file.write_all(line.as_bytes())?;
        file.sync_all()
    }

    /// Writes down how it ended, and tells who wants to know; nobody where nothing was done. Gives back what went wrong
    /// with that, which fails nothing.
    pub(super) fn ended(
        &self,
        outcome: &str,
        error: Option<&str>,
        notify: &NotifyArgs,
        settings: &Settings,
    ) -> Vec<String> {
        let mut state = self.state();
        if state.deeds.is_empty() {
            return Vec::new();
        }
        let line = deed_json::ended(deploy::now(), self.run(), outcome, error, &state.deeds);
        let failure = state.failure.take().or_else(|| self.append(&line).err());
        let mut warnings = Vec::new();
        warnings
            .extend(failure.map(|error| format!("the audit log `{}` can't be written: {error}", self.file.display())));
        warnings.extend(notify.tell(&line, settings));
        warnings
    }
}

impl NotifyArgs {
    fn tell(&self, line: &str, settings: &Settings) -> Vec<String> {
        let Self { notify, notify_url } = self;
        let told = block_on(async {
            let mut warnings = Vec::new();
            if let Some(command) = notify {
                let told = tokio::time::timeout(TOLD_WITHIN, run(command, line)).await;
                let told = told.unwrap_or_else(|_| Err(format!("it took longer than {}s", TOLD_WITHIN.as_secs())));
                warnings.extend(told.err().map(|why| format!("`{command}` was not told: {why}")));
            }
            if let Some(url) = notify_url {
                let registry = connect::registry(settings, RetryPolicy::default(), Arc::new(NoSink))?;
                warnings.extend(registry.tell(url, line.to_owned()).await.err().map(|error| error.to_string()));
            }
            Ok(warnings)
        });
        told.unwrap_or_else(|error: anyhow::Error| vec![format!("nobody was told: {error:#}")])
    }
}

/// Runs a command of the shell with a text on its standard input; what it writes goes where ours does.
async fn run(command: &str, line: &str) -> Result<(), String> {
    let text = |error: io::Error| error.to_string();
    let mut child = Command::new("/bin/sh");
    let child = child.args(["-c", command]).stdin(Stdio::piped()).stdout(Stdio::null()).kill_on_drop(true);
    let mut child = child.spawn().map_err(text)?;
    if let Some(mut input) = child.stdin.take() {
        match input.write_all(line.as_bytes()).await {
            // Who does not want to read it knows enough.
            Err(error) if error.kind() == io::ErrorKind::BrokenPipe => {}
            written => written.map_err(text)?,
        }
    }
    let status = child.wait().await.map_err(text)?;
    if status.success() { Ok(()) } else { Err(status.to_string()) }
}
