//! What `build --output` and `build --load` do: images as files, and into another engine.

use std::collections::BTreeSet;
use std::fmt;
use std::io::{self, Write as _};
use std::path::{Path, PathBuf};
use std::str::FromStr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use anyhow::Context as _;

use super::build::{BuildArgs, Built};
use super::whole_file::{self, Readers};
use super::{Refusal, Settings, connect};
use crate::docker;
use crate::engine::embedded::EmbeddedEngine;
use crate::engine::embedded::images::{self, MediaTypes, Named};
use crate::engine::embedded::store::Store;
use crate::engine::{AnyEngine, Engine as _};
use crate::event::{Event, Sink};
use crate::model::ImageName;
use crate::ui::words;

/// Where images are put besides the engine.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Output {
    /// A folder in the OCI image layout.
    Oci(PathBuf),
    /// A file as `docker save` writes it.
    DockerArchive(PathBuf),
}

impl FromStr for Output {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        match text.split_once(':').filter(|(_, path)| !path.is_empty()) {
            Some(("oci", folder)) => Ok(Self::Oci(folder.into())),
            Some(("docker-archive", file)) => Ok(Self::DockerArchive(file.into())),
            Some(_) | None => Err("expected `oci:DIR` or `docker-archive:FILE`".to_owned()),
        }
    }
}

impl fmt::Display for Output {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Oci(folder) => write!(f, "oci:{}", folder.display()),
            Self::DockerArchive(file) => write!(f, "docker-archive:{}", file.display()),
        }
    }
}

/// What `build` and `ci github build` are asked.
#[derive(Debug, Clone, Default, clap::Args)]
pub(super) struct ExportArgs {
    /// Put the chosen images there too: `oci:DIR`, a folder in the OCI image layout, or `docker-archive:FILE`, as `docker
    /// save` writes it (embedded engine). May be said several times.
    #[arg(long, value_name = "KIND:PATH", env = "WINDLASS_OUTPUT")]
    output: Vec<Output>,
    /// Load the chosen images into the Docker or Podman that answers, where the embedded engine built them.
    #[arg(long, env = "WINDLASS_LOAD", value_parser = clap::builder::BoolishValueParser::new())]
    load: bool,
    /// In whose words manifests are pushed: `docker` for registries that take no others (embedded engine, `oci` by default;
    /// Docker pushes in its own).
    #[arg(long, value_enum, value_name = "WHOSE", env = "WINDLASS_MEDIA_TYPES", hide_possible_values = true)]
    media_types: Option<Words>,
}

/// `--media-types`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
enum Words {
    /// The OCI image specification's.
    Oci,
    /// Docker's.
    Docker,
}

/// Has the engine push in the words that are asked for.
pub(super) fn set_media_types(args: &ExportArgs, engine: &mut AnyEngine) -> Result<(), Refusal> {
    match (args.media_types, engine) {
        (None, _) | (Some(Words::Docker), AnyEngine::Docker(_)) => {}
        (Some(Words::Oci), AnyEngine::Docker(_)) => {
            let message = "Docker pushes in its own words: `--media-types oci` needs the embedded engine";
            return Err(Refusal::usage_with_hint(message, "add `--engine embedded`"));
        }
        (Some(Words::Oci), AnyEngine::Embedded(engine)) => engine.set_media_types(MediaTypes::Oci),
        (Some(Words::Docker), AnyEngine::Embedded(engine)) => engine.set_media_types(MediaTypes::Docker),
    }
    Ok(())
}

/// What can't be put anywhere is known before anything is built.
pub(super) async fn check(args: &ExportArgs, engine: &AnyEngine, settings: &Settings) -> anyhow::Result<()> {
    for output in &args.output {
        if !matches!(engine, AnyEngine::Embedded(_)) {
            let message = format!("`--output {output}` needs the embedded engine");
            return Err(Refusal::usage_with_hint(message, "add `--engine embedded`").into());
        }
        match output {
            Output::Oci(folder) => images::check_layout(&settings.root.join(folder))
                .map_err(|error| Refusal::usage(format!("`--output {output}`: {error:#}")))?,
            Output::DockerArchive(file) => {
                let file = settings.root.join(file);
                let refuse = |why: &str| Refusal::usage(format!("`--output {output}`: {why}"));
                if file.exists() && !file.is_file() {
                    return Err(refuse("it is no regular file").into());
                }
                if !file.parent().is_some_and(Path::is_dir) {
                    return Err(refuse("its folder is not there").into());
                }
            }
        }
    }
    if args.load && matches!(engine, AnyEngine::Embedded(_)) {
        connect::address(settings, connect::ANSWERS_WITHIN).await?;
    }
    Ok(())
}

/// Says when somebody has stopped waiting.
struct Waiting(Arc<AtomicBool>);

impl Drop for Waiting {
    fn drop(&mut self) {
        self.0.store(true, Ordering::Relaxed);
    }
}

/// Writes as long as somebody waits for it.
struct WhileWaiting<W> {
    to: W,
    is_over: Arc<AtomicBool>,
}

impl<W: io::Write> io::Write for WhileWaiting<W> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        // Not `Interrupted`, after which one tries again.
        if self.is_over.load(Ordering::Relaxed) { Err(io::ErrorKind::BrokenPipe.into()) } else { self.to.write(bytes) }
    }

    fn flush(&mut self) -> io::Result<()> {
        self.to.flush()
    }
}

/// Puts images into files, on a thread of its own that ends with who waits for it.
async fn write_files(store: &Store, images: &[Named], output: &Output, settings: &Settings) -> anyhow::Result<()> {
    let (store, images, output, root) = (store.clone(), images.to_vec(), output.clone(), settings.root.clone());
    let is_over = Arc::new(AtomicBool::new(false));
    let _waiting = Waiting(Arc::clone(&is_over));
    let writing = tokio::task::spawn_blocking(move || match output {
        Output::Oci(folder) => images::write_oci(&store, &images, &root.join(folder)),
        Output::DockerArchive(file) => {
            let path = root.join(&file);
            // A link stays one.
            let path = if path.exists() { path.canonicalize()? } else { path };
            whole_file::write_with(&path, Readers::All, |to| {
                let mut to = WhileWaiting { to: io::BufWriter::with_capacity(1 << 20, to), is_over };
                images::write_docker_archive(&store, &images, &mut to)?;
                anyhow::Ok(to.flush()?)
            })
            .with_context(|| format!("writing `{}`", file.display()))
        }
    });
    writing.await?
}

/// Puts the chosen images where they are asked for, under the names that they have on the engine.
pub(super) async fn export(
    BuildArgs { export: args, no_promote, .. }: &BuildArgs,
    built: &Built,
    chosen: &BTreeSet<ImageName>,
    engine: &AnyEngine,
    settings: &Settings,
    events: &dyn Sink,
) -> anyhow::Result<()> {
    // Images that another engine built are there already.
    let AnyEngine::Embedded(engine) = engine else { return Ok(()) };
    if args.output.is_empty() && !args.load {
        return Ok(());
    }
    let images = named(built, chosen, *no_promote, engine, events).await?;
    let what = words::images(images.len());
    for output in &args.output {
        write_files(engine.store(), &images, output, settings).await?;
        events.send(Event::Note(format!("{what} written to {output}")));
    }
    if args.load {
        let (address, other) = connect::docker(settings, connect::ANSWERS_WITHIN).await?;
        let store = engine.store().clone();
        let archive =
            docker::body(move |out| images::write_docker_archive(&store, &images, out).map_err(io::Error::other));
        docker::load(&other, archive).await.with_context(|| format!("loading images into {address}"))?;
        events.send(Event::Note(format!("{what} loaded into {address}")));
    }
    Ok(())
}

/// The images, pulled where only the registry has them.
async fn named(
    built: &Built,
    chosen: &BTreeSet<ImageName>,
    no_promote: bool,
    engine: &EmbeddedEngine,
    events: &dyn Sink,
) -> anyhow::Result<Vec<Named>> {
    let mut named = Vec::new();
    for image in built.plan.images.iter().map(|planned| &planned.image).filter(|image| chosen.contains(&image.name)) {
        let made = built.report.made.get(&image.name).context("an image of a green build was not made")?;
        if !made.local {
            engine.pull(&image.content, events).await?;
        }
        // With `--no-promote` its channel names what was promoted before.
        let name = if no_promote { image.content.clone() } else { image.latest_reference() };
        named.push(Named { image: engine.image_of(&made.id)?, name: Some(name) });
    }
    Ok(named)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_output_is_a_kind_and_a_path() {
        for text in ["oci:out", "docker-archive:a:b.tar"] {
            assert_eq!(text.parse::<Output>().unwrap().to_string(), text);
        }
        for text in ["out", "oci:", "tar:out", "oci"] {
            assert!(text.parse::<Output>().is_err(), "{text}");
        }
    }
}
