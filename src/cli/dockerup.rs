//! Containers of dockerup's files: applied as they stand, or written down as ours.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use anyhow::Context as _;

use super::{Exit, Refusal, Settings, block_on, connect, deploy, until_interrupted};
use crate::apply::History;
use crate::config;
use crate::diag::{Diagnostic, Diagnostics, SourceText};
use crate::engine::{Engine as _, StoredImage};
use crate::event::NoSink;
use crate::manifest::{
    self, Dockerup, DockerupConf, Externals, ImageSource, Manifest, ManifestImage, MountSource, PathStep,
};
use crate::model::{ContentHash, ImageName, ProjectName, Reference};
use crate::registry::RetryPolicy;
use crate::ui;

/// Where dockerup's own files are; what is written below it is looked for below the folder that is named.
const HOME: &str = "/etc/dockerup";
/// The project that dockerup's containers become.
pub(super) const PROJECT: &str = "dockerup";

/// What `windlass import` is asked.
#[derive(Debug, clap::Args)]
pub(super) struct ImportArgs {
    #[command(subcommand)]
    from: From,
}

#[derive(Debug, clap::Subcommand)]
enum From {
    /// Print a windlass.yaml with the containers of dockerup's files.
    Dockerup {
        /// The folder with `dockerup.conf` and `containers.d`.
        #[arg(value_name = "DIR", default_value = HOME)]
        folder: PathBuf,
    },
}

/// Prints the file that says the same.
pub(super) fn import(args: &ImportArgs, settings: &Settings) -> anyhow::Result<Exit> {
    let From::Dockerup { folder } = &args.from;
    let Dockerup { containers, warnings, .. } = read(&settings.root.join(folder), None)?.1;
    ui::warn(&warnings, &settings.ui);
    ui::print(config::deploy_text(PROJECT, &containers).as_bytes())?;
    Ok(Exit::Done)
}

/// What `dockerup.conf` says of how it is run.
pub(super) fn said(folder: &Path, settings: &Settings) -> anyhow::Result<DockerupConf> {
    let (conf, read) = read(&settings.root.join(folder), None)?;
    ui::warn(&read.warnings, &settings.ui);
    if conf.login {
        let message =
            "`username` and `password` of dockerup.conf are not used: `docker login` says who images are pulled as";
        ui::warn(&[Diagnostic::warning(message)], &settings.ui);
    }
    Ok(conf)
}

/// Reads all files of dockerup, and what an instance was started with.
fn read(folder: &Path, user_data: Option<Arc<SourceText>>) -> anyhow::Result<(DockerupConf, Dockerup)> {
    let path = folder.join("dockerup.conf");
    let text = match fs::read_to_string(&path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => String::new(),
        text => text.with_context(|| format!("reading `{}`", path.display()))?,
    };
    let (conf, mut warnings) = manifest::dockerup_conf(&SourceText::new(path.display().to_string(), text))?;
    let confdir = Path::new(conf.confdir.as_deref().unwrap_or("/etc/dockerup/containers.d"));
    let confdir = confdir.strip_prefix(HOME).map_or_else(|_| confdir.to_owned(), |below| folder.join(below));
    let reading = || format!("reading the folder `{}`", confdir.display());
    let mut paths = Vec::new();
    for entry in fs::read_dir(&confdir).with_context(reading)? {
        let path = entry.with_context(reading)?.path();
        if path.extension().is_some_and(|extension| extension == "json") {
            paths.push(path);
        }
    }
    paths.sort();
    let source = |path: &PathBuf| -> anyhow::Result<Arc<SourceText>> {
        let text = fs::read_to_string(path).with_context(|| format!("reading `{}`", path.display()))?;
        Ok(SourceText::new(path.display().to_string(), text))
    };
    let mut sources = paths.iter().map(source).collect::<anyhow::Result<Vec<_>>>()?;
    sources.extend(user_data);
    let mut read = manifest::dockerup_containers(&sources, conf.pull)?;
    warnings.append(&mut read.warnings);
    Ok((conf, Dockerup { warnings, ..read }))
}

/// What the files of a folder and an instance's user-data say, with each image by its digest, or by its id where the engine
/// alone has it.
pub(super) fn manifest(
    folder: Option<&Path>,
    user_data: Option<Arc<SourceText>>,
    project: &ProjectName,
    state: &Path,
    settings: &Settings,
) -> anyhow::Result<Manifest> {
    let Dockerup { containers: entries, places, .. } = match folder {
        Some(folder) => read(&settings.root.join(folder), user_data)?.1,
        None => manifest::dockerup_containers(&Vec::from_iter(user_data), true)?,
    };
    let mut containers =
        manifest::validate_containers(Some(project), &entries, &BTreeSet::new(), &BTreeMap::new(), Externals::Named)
            .map_err(|problems| {
                let diagnostic = |problem: &manifest::Problem| {
                    let name = match problem.path.first() {
                        Some(PathStep::Key(name)) => name.as_str(),
                        Some(PathStep::Index(_)) | None => "",
                    };
                    let diagnostic = Diagnostic::error(problem.to_string());
                    let diagnostic = Diagnostic { hint: problem.hint.clone(), ..diagnostic };
                    match places.get(name) {
                        Some(place) => diagnostic.at(&place.source, place.span, ""),
                        None => diagnostic,
                    }
                };
                Diagnostics(problems.iter().map(diagnostic).collect())
            })?;
    let references: BTreeMap<Reference, bool> = containers
        .values()
        .filter_map(|container| match &container.image {
            ImageSource::External(reference) if reference.digest().is_none() => {
                Some((reference.clone(), container.update.pull))
            }
            ImageSource::External(_) | ImageSource::Own(_) => None,
        })
        .collect();
    let found = block_on(until_interrupted(settings, look_up(&references, settings)))?;
    let mut images = BTreeMap::new();
    for container in containers.values_mut() {
        let ImageSource::External(reference) = &container.image else { continue };
        match found.get(reference) {
            None => {}
            Some(Found::Pinned(pinned)) => container.image = ImageSource::External(pinned.clone()),
            Some(Found::Local(name, image)) => {
                images.insert(name.clone(), image.clone());
                container.image = ImageSource::Own(name.clone());
            }
        }
    }
    let manifest = Manifest {
        project: project.clone(),
        revision: None,
        serial: 1,
        created: None,
        images,
        networks: BTreeMap::new(),
        containers,
    };
    numbered(manifest, state)
}

/// Makes the folders of the host that dockerup made for the logs of its containers.
pub(super) fn make_log_folders(manifest: &Manifest) -> anyhow::Result<()> {
    for mount in manifest.containers.values().flat_map(|container| container.volumes.values()) {
        if let MountSource::Host(path) = &mount.source
            && Path::new(path).parent() == Some(Path::new(manifest::DOCKERUP_LOGS))
        {
            fs::create_dir_all(path).with_context(|| format!("making the folder `{path}`"))?;
        }
    }
    Ok(())
}

/// What an image is to be known by.
enum Found {
    /// What a registry has.
    Pinned(Reference),
    /// What the engine alone has.
    Local(ImageName, ManifestImage),
}

/// Asks the registry for every image that may be pulled, else the engine.
async fn look_up(
    references: &BTreeMap<Reference, bool>,
    settings: &Settings,
) -> anyhow::Result<BTreeMap<Reference, Found>> {
    let engine = connect::engine(settings, connect::Allowed::default()).await?;
    let registry = connect::registry(settings, RetryPolicy::default(), Arc::new(NoSink))?;
    let mut all = BTreeMap::new();
    for (reference, may_pull) in references {
        let stored = engine.find(reference).await?;
        let found = match (stored, *may_pull && !settings.offline) {
            (Some(stored), false) => local(reference, &stored)?,
            // An image that nobody ever pulled is pulled even where updates are not, as dockerup did.
            (stored, _) => match (registry.digest_of(reference).await, stored) {
                (Ok(Some(digest)), _) => Found::Pinned(reference.repository().with_digest(digest)),
                (Ok(None), Some(stored)) => local(reference, &stored)?,
                (Ok(None), None) => {
                    return Err(Refusal::usage(format!("no registry has the image `{reference}`")).into());
                }
                (Err(error), _) => return Err(error.into()),
            },
        };
        all.insert(reference.clone(), found);
    }
    Ok(all)
}

fn local(reference: &Reference, stored: &StoredImage) -> anyhow::Result<Found> {
    let name =
        reference.to_string().replace([':', '/'], "-").parse().or_else(|_| reference.repository().path().parse())?;
    let content_hash = ContentHash::new(*stored.id.digest());
    let image = ManifestImage { reference: None, id: stored.id, content_hash, tag: reference.tag().cloned() };
    Ok(Found::Local(name, image))
}

/// The manifest with the serial that it had when it was first seen, or the next one.
fn numbered(mut manifest: Manifest, state: &Path) -> anyhow::Result<Manifest> {
    let history = History::new(state, &manifest.project);
    let entries = history.entries()?;
    let Some(last) = entries.iter().max_by_key(|entry| (entry.serial, entry.sequence)) else { return Ok(manifest) };
    let known = deploy::recorded(&history, last)?;
    manifest.serial = last.serial;
    if manifest != known {
        manifest.serial += 1;
    }
    Ok(manifest)
}
