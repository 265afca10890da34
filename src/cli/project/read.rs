//! Reads what images are made from.

use std::collections::{BTreeMap, BTreeSet};
use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use rayon::prelude::*;

use super::find::{Home, ImageSource};
use crate::cli::Settings;
use crate::config::{self, Config, FileConfig, FileFrom, GitSource, NamedContext, ProjectPath, TestConfig};
use crate::diag::{Diagnostic, Diagnostics, Location, SourceText, Span};
use crate::model::{GitCommit, GitPin, ImageName, InjectedFile, Listing, TestSpec, TreePath};
use crate::plan::{Folder, ImageInputs, Resolved, Understood, Visible};
use crate::source::{
    ContextRequest, Folders, Loaded, Repositories, Unread, UnreadFile, list_contexts, load_contexts, read_bytes,
    read_text,
};

/// The images as they are read, before any of their contexts is looked at.
pub(super) struct ReadImages {
    pub(super) images: Vec<ImageInputs>,
    /// The names of those whose Dockerfile can't be read.
    pub(super) unreadable: BTreeSet<ImageName>,
    /// The contexts that they name, no two alike.
    pub(super) contexts: Contexts,
}

/// What is found out of an image beside all others.
struct Ahead {
    /// What its Dockerfile is called.
    shown: String,
    dockerfile: Result<Arc<SourceText>, Diagnostics>,
    context: Located,
}

impl Ahead {
    fn of(ImageSource { home, dockerfile, context, .. }: &ImageSource, folders: &Folders) -> Self {
        let shown = home.shown(dockerfile.as_str());
        let text = read_text(&home.root.join(dockerfile.as_str()), &shown);
        let context = Located::of(home, context, Some(dockerfile.as_str()), folders);
        Self { shown, dockerfile: text, context }
    }
}

/// A folder that is a context, and the file that says what is ignored in it.
struct Located {
    /// Absolute, without symbolic links.
    root: PathBuf,
    shown: String,
    /// Below the root of its home.
    ignore: Option<String>,
}

impl Located {
    /// The `.dockerignore` beside its Dockerfile comes before the folder's own.
    fn of(home: &Home, context: &ProjectPath, dockerfile: Option<&str>, folders: &Folders) -> Self {
        let beside = dockerfile.map(|dockerfile| format!("{dockerfile}.dockerignore"));
        let own = context.join(".dockerignore").map(|path| path.to_string()).ok();
        let ignore = [beside, own].into_iter().flatten().find(|path| folders.is_file(&home.root.join(path)));
        let below = context.below_root().map_or("", |path| path.as_str());
        // Loading the context says it, if the folder is gone by now.
        Self { root: folders.real_path(home.root.join(below)), shown: home.shown(below), ignore }
    }
}

/// The contexts of images, and the folders that they are in.
pub(super) struct Contexts {
    folders: Folders,
    requests: Vec<ContextRequest>,
    repositories: Repositories,
}

impl Contexts {
    /// Opens the repositories that they lie in, which takes a while, before anything of them is known.
    pub(super) fn open_repositories(&mut self) {
        self.repositories = Repositories::above(&self.requests);
    }
}

/// Reads the images. Of those whose Dockerfile can't be read the name is left, and that is said; other things that can't
/// be read are missing, which is among the image's problems.
pub(super) fn images(
    folders: Folders,
    sources: Vec<ImageSource>,
    config: &Config,
    commits: &BTreeMap<GitPin, GitCommit>,
    settings: &Settings,
    diagnostics: &mut Vec<Diagnostic>,
) -> ReadImages {
    let ahead: Vec<Ahead> = sources.par_iter().map(|source| Ahead::of(source, &folders)).collect();
    let mut reader = Reader {
        here: Home::project(&settings.root),
        folders: &folders,
        config,
        commits,
        settings,
        texts: BTreeMap::new(),
        contexts: Vec::with_capacity(sources.len()),
        known: BTreeMap::new(),
        diagnostics,
    };
    let (mut images, mut unreadable) = (Vec::with_capacity(sources.len()), BTreeSet::new());
    for (source, ahead) in sources.into_iter().zip(ahead) {
        match reader.image(source, ahead) {
            Ok(image) => images.push(image),
            Err(name) => drop(unreadable.insert(name)),
        }
    }
    let requests = reader.contexts;
    ReadImages { images, unreadable, contexts: Contexts { folders, requests, repositories: Repositories::default() } }
}

/// Looks at the contexts as far as the images need them, and hashes the images. `manifest` belongs to no context.
pub(super) fn contexts(understood: Understood, contexts: Contexts, manifest: &Path) -> Result<Resolved, Diagnostics> {
    let (visible, loaded) = seen(understood, contexts, manifest)?;
    match loaded {
        Ok(Loaded { nodes, notes }) => Ok(with_notes(visible.resolve(&nodes)?, notes)),
        Err(Diagnostics(more)) => {
            let mut errors = visible.errors();
            let is_new = |error: &Diagnostic| errors.iter().all(|other| other.message != error.message);
            let more: Vec<Diagnostic> = more.into_iter().filter(is_new).collect();
            errors.extend(more);
            Err(Diagnostics(errors))
        }
    }
}

/// The same for those images that can be hashed. Of the others the first thing is told that is wrong with each.
pub(super) fn rest(
    understood: Understood,
    contexts: Contexts,
    manifest: &Path,
) -> Result<(Resolved, BTreeMap<ImageName, Diagnostic>), Diagnostics> {
    let (visible, loaded) = seen(understood, contexts, manifest)?;
    let broken = visible.broken().clone();
    let Loaded { nodes, notes } = loaded?;
    Ok((with_notes(visible.resolve_rest(&nodes)?, notes), broken))
}

fn with_notes(mut resolved: Resolved, notes: Vec<String>) -> Resolved {
    resolved.notes.extend(notes);
    resolved
}

/// What the images see of their contexts, and what is in that.
fn seen(
    understood: Understood,
    contexts: Contexts,
    manifest: &Path,
) -> Result<(Visible, Result<Loaded, Diagnostics>), Diagnostics> {
    let Contexts { folders, requests, repositories } = contexts;
    // Of a folder that nobody wants anything of nothing is looked at.
    let wanted: Vec<usize> = understood.folders().into_iter().collect();
    let looked_at: Vec<ContextRequest> = wanted.iter().map(|place| requests[*place].clone()).collect();
    let mut listings: Vec<Listing> = requests.iter().map(|_| Listing::default()).collect();
    for ((listing, request), place) in list_contexts(&folders, &looked_at)?.into_iter().zip(&looked_at).zip(wanted) {
        let path = manifest.strip_prefix(&request.root).ok().and_then(Path::to_str);
        listings[place] = match path.and_then(|path| path.parse::<TreePath>().ok()) {
            Some(path) => listing.without(&path),
            None => listing,
        };
    }
    let visible = understood.look(&listings);
    let loaded = load_contexts(&folders, repositories, &requests, listings, visible.wanted());
    let loaded = loaded.map_err(|unread| placed(unread, &visible, &folders, &requests));
    Ok((visible, loaded))
}

/// Says of files that can't be read which instruction takes them. Their contexts are listed once more for that, which
/// costs little, as no folder is.
fn placed(Unread(files): Unread, visible: &Visible, folders: &Folders, requests: &[ContextRequest]) -> Diagnostics {
    let mut listings: BTreeMap<usize, Option<Listing>> = BTreeMap::new();
    let placed = files.into_iter().map(|UnreadFile { context, path, error }| {
        let list = || list_contexts(folders, &requests[context..=context]).ok()?.pop();
        let listing = listings.entry(context).or_insert_with(list);
        match listing.as_ref().and_then(|listing| visible.taker(context, listing, &path)) {
            Some(Location { source, span }) => error.at(&source, span, ""),
            None => error,
        }
    });
    Diagnostics(placed.collect())
}

struct Reader<'a> {
    here: Home,
    folders: &'a Folders,
    config: &'a Config,
    /// What each ref of a git repository means.
    commits: &'a BTreeMap<GitPin, GitCommit>,
    settings: &'a Settings,
    /// The texts that were read, so that a file that several images share is read, and complained about, once.
    texts: BTreeMap<String, Option<Arc<SourceText>>>,
    contexts: Vec<ContextRequest>,
    /// Where in `contexts` that of a folder with an ignore file is.
    known: BTreeMap<(OsString, Option<String>), usize>,
    diagnostics: &'a mut Vec<Diagnostic>,
}

impl Reader<'_> {
    fn image(&mut self, source: ImageSource, ahead: Ahead) -> Result<ImageInputs, ImageName> {
        let dockerfile = self.text(ahead.shown, |_| ahead.dockerfile);
        let context = self.folder(&source.home, ahead.context);
        let (mut named_contexts, mut problems) = (BTreeMap::new(), Vec::new());
        for (name, context) in &source.config.contexts {
            match &context.value {
                NamedContext::Image(_) => {}
                NamedContext::Folder(path) if self.root().join(path.as_str()).is_dir() => {
                    let located = Located::of(&self.here, path, None, self.folders);
                    named_contexts.insert(name.clone(), self.folder(&self.here.clone(), located));
                }
                NamedContext::Folder(path) => {
                    let message = format!("the context `{path}` is no folder of the project");
                    problems.push(Diagnostic::error(message).at(&self.config.source, context.span, ""));
                }
            }
        }
        let injected = source.config.files.iter().map(|file| self.injected(file, &mut problems)).collect();
        let test = self.test(&source.config.test, &mut problems);
        let ImageSource { name, config, .. } = source;
        match dockerfile {
            Some(dockerfile) => {
                let pin = config.git.as_ref().and_then(GitSource::pin);
                let commit = pin.and_then(|pin| self.commits.get(&pin).cloned());
                let commit = commit.or_else(|| config.git.as_ref()?.reference.value.commit());
                Ok(ImageInputs { name, config, dockerfile, context, named_contexts, injected, test, commit, problems })
            }
            None => Err(name),
        }
    }

    fn root(&self) -> &Path {
        &self.settings.root
    }

    /// Notes a folder as a context.
    fn folder(&mut self, home: &Home, Located { root, shown, ignore }: Located) -> Folder {
        let ignore =
            ignore.and_then(|path| self.text(home.shown(&path), |shown| read_text(&home.root.join(&path), shown)));
        let key = (root.clone().into_os_string(), ignore.as_ref().map(|ignore| ignore.text().to_owned()));
        let contexts = &mut self.contexts;
        let listing = *self.known.entry(key).or_insert_with(|| {
            contexts.push(ContextRequest { root: root.clone(), shown, ignore });
            contexts.len() - 1
        });
        Folder { root, listing }
    }

    /// The text of what is called so; what is wrong with it is said once.
    fn text(
        &mut self,
        shown: String,
        read: impl FnOnce(&str) -> Result<Arc<SourceText>, Diagnostics>,
    ) -> Option<Arc<SourceText>> {
        if let Some(text) = self.texts.get(&shown) {
            return text.clone();
        }
        let text = told(read(&shown), self.diagnostics);
        self.texts.insert(shown, text.clone());
        text
    }

    /// A file that the configuration adds; an empty one in the place of one that can't be read.
    fn injected(&self, file: &FileConfig, problems: &mut Vec<Diagnostic>) -> InjectedFile {
        let FileConfig { path, from, mode, uid, gid } = file;
        let content = match from {
            FileFrom::Text(text) => Some(text.as_bytes().to_vec()),
            FileFrom::File(file) => self.told_at(file_bytes(&self.settings.root, file), path.span, problems),
            FileFrom::Env(name) => {
                let value = self.settings.environment.get(name);
                if value.is_none() {
                    let message = format!("the content of `{}` is to come from `{name}`, which is not set", path.value);
                    let error = Diagnostic::error(message).at(&self.config.source, path.span, "");
                    problems.push(error.hint(format!("set `{name}` in the environment")));
                }
                value.map(|value| value.as_bytes().to_vec())
            }
        };
        let content = content.unwrap_or_default();
        InjectedFile { path: path.value.clone(), content, mode: *mode, uid: *uid, gid: *gid }
    }

    fn test(&self, config: &TestConfig, problems: &mut Vec<Diagnostic>) -> TestSpec {
        let TestConfig { run, structure, healthy } = config;
        let mut spec = TestSpec { commands: run.clone(), healthy_within: *healthy, ..TestSpec::default() };
        for path in structure {
            let text = read_text(&self.settings.root.join(path.value.as_str()), path.value.as_str());
            let parsed = self.told_at(text, path.span, problems).map(|text| config::structure::parse(&text));
            if let Some(more) = parsed.and_then(|parsed| told(parsed, problems)) {
                spec.append(more);
            }
        }
        spec
    }

    /// Says what is wrong with what the configuration names where it does.
    fn told_at<T>(&self, result: Result<T, Diagnostics>, span: Span, problems: &mut Vec<Diagnostic>) -> Option<T> {
        let at = |error: Diagnostic| error.at(&self.config.source, span, "");
        let result = result.map_err(|Diagnostics(errors)| Diagnostics(errors.into_iter().map(at).collect()));
        told(result, problems)
    }
}

fn told<T>(result: Result<T, Diagnostics>, problems: &mut Vec<Diagnostic>) -> Option<T> {
    result.map_err(|Diagnostics(errors)| problems.extend(errors)).ok()
}

fn file_bytes(root: &Path, file: &str) -> Result<Vec<u8>, Diagnostics> {
    read_bytes(&root.join(file), file)
}
