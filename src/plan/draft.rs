//! What a plan is made from, and the reading of its Dockerfiles.

use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;
use std::sync::Arc;

use rayon::prelude::*;

use crate::config::{Config, ImageConfig, NamedContext};
use crate::diag::{Diagnostic, Severity, SourceText, did_you_mean};
use crate::dockerfile::{self, NeededId, ResolveInputs, ResolvedInstruction, is_predefined};
use crate::hash::{self, InputHash};
use crate::model::{GitCommit, ImageName, InjectedFile, ProjectName, Reference, ReferenceError, TestSpec};

use super::facts::is_secretive;

/// Everything that a plan is made from.
#[derive(Debug)]
pub struct Inputs<'a> {
    /// The project's name.
    pub project: ProjectName,
    /// The configuration; the default one where the project has none.
    pub config: &'a Config,
    /// The images, in any order.
    pub images: Vec<ImageInputs>,
    /// Build arguments for every image that knows them, over those of the configuration.
    pub build_args: &'a [(String, String)],
    /// Images that the project has but that could not be read, which was said already.
    pub unreadable: BTreeSet<ImageName>,
}

/// What one image is made from.
#[derive(Debug)]
pub struct ImageInputs {
    /// Its name.
    pub name: ImageName,
    /// What the configuration says of it, or what holds where it says nothing.
    pub config: Arc<ImageConfig>,
    /// The Dockerfile.
    pub dockerfile: Arc<SourceText>,
    /// The build context.
    pub context: Folder,
    /// The named contexts that are folders.
    pub named_contexts: BTreeMap<String, Folder>,
    /// The files that the configuration adds to the context.
    pub injected: Vec<InjectedFile>,
    /// The tests, those of files read.
    pub test: TestSpec,
    /// The commit that its files are of, where they are kept in a git repository elsewhere.
    pub commit: Option<GitCommit>,
    /// What is wrong with its named contexts, with its secrets, with the files that the configuration adds, or with those
    /// of tests. It concerns no other image.
    pub problems: Vec<Diagnostic>,
}

/// A folder that an image reads from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Folder {
    /// What its paths are relative to; absolute.
    pub root: PathBuf,
    /// Which of the listings that [`Understood::look`](super::Understood::look) is given is the folder's.
    pub listing: usize,
}

/// An image whose Dockerfile was read, but whose references were not understood yet.
#[derive(Debug)]
pub(super) struct Draft {
    pub(super) inputs: ImageInputs,
    /// The build arguments that it is given.
    pub(super) args: BTreeMap<String, String>,
    /// The names of those that its Dockerfile declares.
    pub(super) declared: BTreeSet<String>,
    /// The frontend that BuildKit reads the Dockerfile with, where it names one.
    pub(super) syntax: Option<String>,
    /// The hashes of the instructions that count: as they are, and with every variable as it is written.
    pub(super) instructions: (InputHash, InputHash),
    /// The names of the stages that are reached.
    pub(super) stages: Vec<String>,
    /// What its edges name, if it can be an image, in their order.
    pub(super) references: Vec<Result<Reference, ReferenceError>>,
    /// What it means, without stages and triggers, which take most of the room, and without sources once it is known
    /// what is wanted of them: nobody asks for them again.
    pub(super) resolved: dockerfile::Resolved,
}

impl Draft {
    /// What it needs besides its own context, with what that names if it can be an image.
    pub(super) fn edges(&self) -> impl Iterator<Item = (&dockerfile::Edge, &Result<Reference, ReferenceError>)> {
        self.resolved.edges.iter().zip(&self.references)
    }
}

/// Reads the Dockerfiles; what is wrong with them, and with what the configuration says of them, is said.
pub(super) fn drafts(
    images: Vec<ImageInputs>,
    build_args: &[(String, String)],
    config: &Config,
    diagnostics: &mut Vec<Diagnostic>,
) -> Vec<Box<Draft>> {
    // Images may share a file: then its errors are the same, and said once.
    let n_images = images.len();
    let (mut files, mut known): (Vec<Vec<(usize, ImageInputs)>>, _) = (Vec::with_capacity(n_images), BTreeMap::new());
    for (number, inputs) in images.into_iter().enumerate() {
        let file = *known.entry(Arc::as_ptr(&inputs.dockerfile)).or_insert(files.len());
        match files.get_mut(file) {
            Some(images) => images.push((number, inputs)),
            None => files.push(vec![(number, inputs)]),
        }
    }
    let read = |images: Vec<(usize, ImageInputs)>| {
        // What is written takes much more room than what it means, so it goes at once.
        let dockerfile::Parsed { dockerfile, diagnostics } = dockerfile::parse(&images[0].1.dockerfile);
        let drafts =
            images.into_iter().map(|(number, inputs)| (number, draft(inputs, &dockerfile, build_args, config)));
        (diagnostics, drafts.collect::<Vec<_>>())
    };
    let mut drafts: Vec<Option<Box<Draft>>> = Vec::new();
    drafts.resize_with(n_images, || None);
    for (of_file, of_images) in files.into_par_iter().map(read).collect::<Vec<_>>() {
        diagnostics.extend(of_file);
        let is_shared = of_images.len() > 1;
        for (number, (draft, against_config)) in of_images {
            let new = draft.resolved.diagnostics.iter().filter(|d| !is_shared || !diagnostics.contains(d)).cloned();
            diagnostics.extend(new.chain(against_config).collect::<Vec<_>>());
            drafts[number] = Some(draft);
        }
    }
    drafts.into_iter().flatten().collect()
}

/// Reads one Dockerfile, with what the configuration gives and it does not take.
fn draft(
    mut inputs: ImageInputs,
    dockerfile: &dockerfile::Dockerfile,
    build_args: &[(String, String)],
    config: &Config,
) -> (Box<Draft>, Vec<Diagnostic>) {
    let declared: BTreeSet<String> =
        dockerfile.declared_args().map(|declaration| declaration.name.text.clone()).collect();
    let args = inputs.config.args.iter().map(|(name, value)| (name.clone(), value.value.clone()));
    let known = build_args.iter().filter(|(name, _)| declared.contains(name) || is_predefined(name));
    let args: BTreeMap<String, String> = args.chain(known.cloned()).collect();
    let contexts: BTreeSet<String> = inputs.config.contexts.keys().cloned().collect();
    let mut resolved = dockerfile::resolve(
        dockerfile,
        &ResolveInputs {
            args: &args,
            target: inputs.config.target.as_ref().map(|target| target.value.as_str()),
            target_platform: &inputs.config.platform,
            build_platform: &inputs.config.platform,
            contexts: &contexts,
        },
    );
    // Where the value of what may be a secret is in an address, that is nothing to be written down.
    resolved.repositories.retain(|repository| !repository.variables.iter().any(|name| is_secretive(name)));
    let against_config = config_against_dockerfile(&inputs, config, &resolved, &declared);
    inputs.problems.extend(missing_secrets(&inputs, &resolved));
    let syntax = dockerfile.directives.syntax.as_ref().map(|syntax| syntax.text.clone());
    let instructions = hashed(syntax.as_deref(), &resolved);
    resolved.triggers = Vec::new();
    let stages = std::mem::take(&mut resolved.stages).into_iter().filter_map(|stage| stage.name).collect();
    let references = resolved.edges.iter().map(|edge| edge.reference.parse()).collect();
    (Box::new(Draft { inputs, args, declared, syntax, instructions, stages, references, resolved }), against_config)
}

/// The hashes of the instructions that count, behind the frontend that reads them.
fn hashed(syntax: Option<&str>, resolved: &dockerfile::Resolved) -> (InputHash, InputHash) {
    let syntax = syntax.map(|syntax| format!("# syntax={syntax}"));
    let hashed = |text: fn(&ResolvedInstruction) -> &str| {
        hash::instructions(syntax.as_deref().into_iter().chain(resolved.instructions().map(text)))
    };
    (hashed(|instruction| &instruction.text), hashed(ResolvedInstruction::as_written))
}

/// What the configuration gives and the Dockerfile does not take.
fn config_against_dockerfile(
    inputs: &ImageInputs,
    config: &Config,
    resolved: &dockerfile::Resolved,
    declared: &BTreeSet<String>,
) -> Vec<Diagnostic> {
    // Of a file with errors it is not known what it takes.
    if resolved.diagnostics.iter().any(|d| d.severity == Severity::Error) {
        return Vec::new();
    }
    let path = inputs.dockerfile.path();
    let mut diagnostics = Vec::new();
    for name in &resolved.unused_args {
        // Those of the command line are told once for all images.
        let Some(given) = inputs.config.args.get(name) else { continue };
        let message = format!("`{path}` has no use for the build argument `{name}`");
        let warning = Diagnostic::warning(message).at(&config.source, given.span, "");
        diagnostics.push(warning.hint(declare(name, declared.iter().map(String::as_str))));
    }
    for (name, context) in &inputs.config.contexts {
        if !resolved.edges.iter().any(|edge| edge.reference == *name) {
            let what = match &context.value {
                NamedContext::Image(_) => "the image",
                NamedContext::Folder(_) => "the folder",
            };
            let message = format!("`{path}` has no use for {what} that is given the name `{name}`");
            diagnostics.push(Diagnostic::warning(message).at(&config.source, context.span, ""));
        }
    }
    for secret in &inputs.config.secrets {
        if !resolved.secrets.iter().any(|needed| needed.id == secret.id.value) {
            let message = format!("`{path}` has no use for the secret `{}`", secret.id.value);
            diagnostics.push(Diagnostic::warning(message).at(&config.source, secret.id.span, ""));
        }
    }
    diagnostics
}

/// How a build argument comes to be used that is not.
pub(super) fn declare<'a>(name: &str, declared: impl IntoIterator<Item = &'a str> + Clone) -> String {
    if declared.clone().into_iter().any(|other| other == name) {
        return format!("no stage that is built declares it: an `ARG {name}` there does");
    }
    match did_you_mean(name, declared) {
        Some(meant) => format!("did you mean `{meant}`?"),
        None => format!("`ARG {name}` in the Dockerfile declares it; one that none does changes nothing"),
    }
}

/// The secrets that an image can't be built without, and is not given.
fn missing_secrets(inputs: &ImageInputs, resolved: &dockerfile::Resolved) -> Vec<Diagnostic> {
    let is_given = |id: &String| inputs.config.secrets.iter().any(|secret| secret.id.value == *id);
    let missing = resolved.secrets.iter().filter(|needed| needed.required && !is_given(&needed.id));
    let error = |needed: &NeededId| {
        let (id, image) = (&needed.id, &inputs.name);
        let hint =
            format!("give it in windlass.yaml: `secrets: [{{ id: {id}, env: VARIABLE }}]` of the image `{image}`");
        let message = format!("the secret `{id}` is required, and the image `{image}` is given none");
        Diagnostic::error(message).at(&inputs.dockerfile, needed.span, "").hint(hint)
    };
    missing.map(error).collect()
}
