//! `COPY`, `ADD` and `WORKDIR`: layers that are written without running anything.

use std::path::{Path, PathBuf};

use super::chosen::{Chosen, choose, choose_path};
use super::copy::{self, Target};
use super::fault::Fault;
use super::key::Key;
use super::mode::Chmod;
use super::origin::{Origin, Seen};
use super::select::NotThere;
use super::stage::{Place, State};
use super::{Given, Work, config, users};
use crate::dockerfile::{TransferOf, TransferStep};
use crate::engine::context::{Context, Kind};
use crate::engine::embedded::canvas::Canvas;
use crate::engine::embedded::layer::Layer;
use crate::engine::embedded::view::View;

impl Work<'_> {
    /// `COPY` and `ADD`.
    pub(super) fn transfer(&self, state: &State, step: &TransferStep, place: &Place) -> Result<Option<Layer>, Fault> {
        let at = |error| Fault::at(place.line, error);
        let chmod = match &step.chmod {
            Some(text) => match Chmod::read(text) {
                Some(chmod) => Some(chmod),
                None => return Err(Fault::image(format!("`{text}` is no mode"), place.line)),
            },
            None => None,
        };
        let given = self.given(step.from.as_deref(), place)?;
        let destination = destination(state, &step.destination);
        let is_folder = step.destination.ends_with('/') || step.destination == "." || step.destination.ends_with("/.");
        if step.sources.len() > 1 && !is_folder {
            let keyword = if step.is_add { "ADD" } else { "COPY" };
            let message = format!("{keyword} with more than one source needs a destination that ends with `/`");
            return Err(Fault::image(message, place.line));
        }
        // What is read from a stage is known by that stage's layers, of which nothing need be unpacked.
        let not_there = |error| self.not_there(error, place);
        let of_context = match &given {
            Given::Context(context) => Some(choose(&Origin::Context(context), step).map_err(not_there)?),
            Given::Layers(_) => None,
        };
        let fetched = self.fetch(step, place)?;
        let key = {
            let mut key = Key::new(if step.is_add { "add" } else { "copy" });
            if !step.link {
                self.feed_layers(&mut key, &state.layers);
            }
            key.text(&format!("{} {is_folder}", destination.display()));
            for text in [&step.chown, &step.chmod] {
                key.maybe(text.as_deref());
            }
            key.text(&format!("{:?} {} {:?}", step.unpack, step.parents, step.excludes));
            key.number(self.job.epoch);
            key.all(step.sources.iter(), |key, source| match source {
                TransferOf::Path(path) => key.text(path),
                TransferOf::File { name, content } => {
                    key.text(name);
                    key.text(content);
                }
            });
            match (&given, &of_context) {
                (Given::Context(context), Some(chosen)) => feed_chosen(&mut key, context, chosen),
                (Given::Context(_), None) => {}
                (Given::Layers(layers), _) => self.feed_layers(&mut key, layers),
            }
            key.all(fetched.iter(), |key, fetched| fetched.feed(key));
            key.finish()
        };
        self.once(&key, place, || {
            let lowers = self.folders(&state.layers)?;
            let below = if step.link { self.view(&[]) } else { self.view(&lowers) };
            let owner = step.chown.as_ref().map(|owner| users::of_owner(&self.view(&lowers), owner));
            let owner = owner.transpose().map_err(at)?;
            let view;
            let origin = match &given {
                Given::Context(context) => Origin::Context(context),
                Given::Layers(layers) => {
                    view = self.view(&self.folders(layers)?);
                    Origin::Layers(&view)
                }
            };
            let chosen = match of_context {
                Some(chosen) => chosen,
                None => choose(&origin, step).map_err(not_there)?,
            };
            let unpack = step.is_add && step.unpack.unwrap_or(true);
            let target = Target { path: &destination, is_folder, owner, chmod: chmod.as_ref(), unpack };
            self.paint(&below, |canvas| {
                for chosen in &chosen {
                    copy::copy(canvas, &origin, chosen, &target)?;
                }
                for source in &step.sources {
                    if let TransferOf::File { name, content } = source {
                        let epoch = i64::try_from(self.job.epoch).unwrap_or(i64::MAX);
                        copy::write(canvas, name, content.as_bytes(), (0o644, (epoch, 0)), &target)?;
                    }
                }
                let target = Target { unpack: step.unpack == Some(true), ..target };
                let of_step = (&*step.excludes, self.job.epoch);
                fetched.iter().try_for_each(|fetched| fetched.put(canvas, of_step, &target))
            })
            .map_err(at)
        })
    }

    /// A folder that a stage begins with, as one layer.
    pub(super) fn of_folder(&self, context: &Context, place: &Place) -> Result<Option<Layer>, Fault> {
        let key = {
            let mut key = Key::new("folder");
            key.bytes(&context.digest());
            key.number(self.job.epoch);
            key.finish()
        };
        self.once(&key, place, || {
            let origin = Origin::Context(context);
            let all = choose_path(&origin, "/", &[]).map_err(|error| Fault::at(place.line, error))?;
            let target = Target { path: Path::new(""), is_folder: true, owner: None, chmod: None, unpack: false };
            let painted = self.paint(&self.view(&[]), |canvas| {
                all.iter().try_for_each(|chosen| copy::copy(canvas, &origin, chosen, &target))
            });
            painted.map_err(|error| Fault::at(place.line, error))
        })
    }

    /// `WORKDIR`: makes the directory where it is not there. It belongs to the user (BuildKit, `dispatchWorkdir`).
    pub(super) fn workdir(&self, state: &State, path: &str, place: &Place) -> Result<Option<Layer>, Fault> {
        let at = |error| Fault::at(place.line, error);
        let key = {
            let mut key = Key::new("workdir");
            self.feed_layers(&mut key, &state.layers);
            key.text(path);
            key.text(&state.config.config.user);
            key.number(self.job.epoch);
            key.finish()
        };
        self.once(&key, place, || {
            let view = self.view(&self.folders(&state.layers)?);
            let user = Some(state.config.config.user.as_str()).filter(|user| !user.is_empty());
            let owner = user.map(|user| users::of_owner(&view, user)).transpose().map_err(at)?;
            let path = Path::new(path.trim_start_matches('/'));
            self.paint(&view, |canvas| canvas.create_folders(path, owner.unwrap_or((0, 0))).map(drop)).map_err(at)
        })
    }

    /// Writes a layer; none where nothing came of it.
    fn paint(
        &self,
        below: &View,
        work: impl FnOnce(&mut Canvas) -> anyhow::Result<()>,
    ) -> anyhow::Result<Option<Layer>> {
        let scratch = self.store.scratch()?;
        let folder = scratch.path().join("layer");
        std::fs::create_dir(&folder)?;
        let mut canvas = Canvas::new(folder.clone(), below, self.job.epoch);
        canvas.set_root(below)?;
        work(&mut canvas)?;
        if !canvas.is_touched() {
            return Ok(None);
        }
        self.write_layer(&folder).map(Some)
    }

    /// Why a path of the context leads to nothing.
    fn not_there(&self, error: anyhow::Error, place: &Place) -> Fault {
        if !error.is::<NotThere>() {
            return Fault::at(place.line, error);
        }
        let hint = Some("is it left out by .dockerignore?".to_owned());
        Fault::Image { message: format!("{error}: nothing to copy"), line: place.line, hint }
    }
}

/// Feeds what is copied of the context: paths, kinds, modes, contents.
pub(super) fn feed_chosen(key: &mut Key, context: &Context, chosen: &[Chosen]) {
    key.all(chosen.iter(), |key, chosen| {
        key.bytes(chosen.name.as_os_str().as_encoded_bytes());
        key.all(chosen.items.iter(), |key, item| {
            key.bytes(item.below.as_os_str().as_encoded_bytes());
            key.number(u64::from(item.is_on_the_way));
            let entry = item.from.to_str().and_then(|path| context.get(path));
            if let Some(entry) = entry {
                let (uid, gid) = entry.owner();
                [entry.mode(), uid, gid].into_iter().for_each(|number| key.number(u64::from(number)));
                match &entry.kind {
                    Kind::Directory => key.text("directory"),
                    Kind::File { content, .. } => key.bytes(content.as_bytes()),
                    Kind::Symlink { target } => key.text(&format!("link {target}")),
                    Kind::Injected(file) => key.bytes(&file.content),
                }
            }
            if let Seen::Directory = item.seen {
                key.text("folder");
            }
        });
    });
}

/// Where something goes, seen from the root.
fn destination(state: &State, path: &str) -> PathBuf {
    config::absolute(&state.config, path).trim_start_matches('/').into()
}
