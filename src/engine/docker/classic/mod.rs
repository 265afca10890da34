//! Builds with the classic builder: a tar to `POST /build`, a container for each instruction (Docker Engine API,
//! "Build an image").

mod progress;
mod tarball;

use std::collections::BTreeMap;
use std::io::Read;
use std::sync::Arc;

use bollard::errors::Error::{DockerResponseServerError, DockerStreamError};
use bollard::models::BuildInfo;
use bollard::query_parameters::BuildImageOptionsBuilder;
use futures_util::{Stream, StreamExt};

use self::progress::Progress;
use super::complaint::Complaint;
use super::outline::Outline;
use super::trouble::Trouble;
use super::{DockerEngine, Route, images};
use crate::docker::Failure;
use crate::engine::context::{Context, Kind, change_behind};
use crate::engine::{BuildRequest, Error};
use crate::event::{Event, Sink};
use crate::model::InjectedFile;

/// What the Dockerfile is called in the tar, unless the context has that name for something else.
const DOCKERFILE: &str = ".windlass.dockerfile";
const IGNORE_FILE: &str = ".dockerignore";

/// How often a build is begun whose cache is pulled away.
const ATTEMPTS: usize = 10;

/// Builds and names the image; tells what the engine calls it, where the engine tells.
pub(super) async fn build(
    engine: &DockerEngine,
    request: &BuildRequest<'_>,
    events: &dyn Sink,
) -> Result<Option<String>, Error> {
    if let Some(secret) = request.secrets.first() {
        return Err(Error::Unsupported {
            message: format!(
                "`{}` has the secret `{}`, and the classic builder carries none",
                request.image, secret.id
            ),
            hint: "use an engine with BuildKit, such as Docker since 18.09".to_owned(),
        });
    }
    let outline = Outline::of(request);
    if let (Some(agent), true) = (request.ssh.first(), outline.wants_agents) {
        return Err(Error::Unsupported {
            message: format!(
                "`{}` mounts an agent of SSH, and the classic builder carries `{}` to no command",
                request.image, agent.id
            ),
            hint: "use an engine with BuildKit, such as Docker since 18.09, or `--engine embedded`".to_owned(),
        });
    }
    for file in request.injected.iter().filter(|file| (file.uid, file.gid) != (0, 0)) {
        let InjectedFile { path, uid, gid, .. } = file;
        let warning = format!("the classic builder copies `{path}` for root: write `COPY --chown={uid}:{gid}`");
        events.send(Event::Warning(format!("{}: {warning}", request.image)));
    }
    let mut context = Context::of(request)?;
    // It builds stages that nobody needs, whose files are not in the context.
    let dockerfile = add_dockerfile(&mut context, request, &outline.reached())?;
    let options = BuildImageOptionsBuilder::new()
        .dockerfile(&dockerfile)
        .t(&request.tag.to_string())
        .buildargs(&request.args.clone().into_iter().collect())
        .labels(&request.labels.clone().into_iter().collect())
        .target(request.target.unwrap_or_default())
        .platform(&request.platform.to_string())
        .nocache(request.no_cache)
        .rm(true)
        // Else the containers of a build that fails, or is given up, stay.
        .forcerm(true);
    let mut credentials = BTreeMap::new();
    for registry in outline.registries() {
        if let Some(ours) = images::credentials_for(engine, &registry).await? {
            credentials.insert(registry, ours);
        }
    }
    let credentials = (!credentials.is_empty()).then(|| credentials.into_iter().collect());
    let context = Arc::new(context);
    let (options, mut attempt) = (options.build(), 1);
    loop {
        let (trouble, mut progress) = (Trouble::default(), Progress::of(request.image));
        let tar = bollard::body_try_stream(tarball::stream(Arc::clone(&context), trouble.clone()));
        let messages = engine.docker.build_image(options.clone(), credentials.clone(), Some(tar));
        match follow(messages, &mut progress, events).await {
            Ok(()) => return Ok(progress.id),
            Err(error) => match trouble.what() {
                Some(changed) => return Err(changed.into()),
                None if attempt < ATTEMPTS && is_cache_race(&error) => attempt += 1,
                None => return Err(explain(error, &progress, &outline)),
            },
        }
    }
}

/// Tells what a build tells, to its end.
async fn follow(
    mut messages: impl Stream<Item = Result<BuildInfo, bollard::errors::Error>> + Unpin,
    progress: &mut Progress,
    events: &dyn Sink,
) -> Result<(), bollard::errors::Error> {
    while let Some(message) = messages.next().await {
        for event in progress.take(message?) {
            events.send(event);
        }
    }
    for event in progress.end() {
        events.send(event);
    }
    Ok(())
}

/// Whether the builder's cache met an image that somebody removed meanwhile: it lists all that were built on the same
/// parent, of any build, and gives up where it can't read one (moby, `daemon/images/cache.go`).
fn is_cache_race(error: &bollard::errors::Error) -> bool {
    matches!(error, DockerStreamError { error } if error.starts_with("unable to find image \"sha256:"))
}

fn explain(error: bollard::errors::Error, progress: &Progress, outline: &Outline) -> Error {
    let message = match error {
        DockerResponseServerError { status_code: 400..500, message } => message,
        DockerStreamError { error } => error,
        other => {
            let why = anyhow::Error::new(Failure::from(other));
            return Error::Unreachable(why.context("building with the classic builder"));
        }
    };
    let message = message.replace(&format!(" ({DOCKERFILE})"), "");
    let (place, instruction) = progress.at();
    Complaint { route: Route::Classic, message: &message, place, instruction }.explain(outline)
}

/// Puts the Dockerfile into the context, and hides it there from `COPY . .`: what the ignore file names besides
/// itself is taken away when the tar is unpacked, as Docker's own client has it.
fn add_dockerfile(context: &mut Context, request: &BuildRequest<'_>, text: &str) -> Result<String, Error> {
    let mut name = DOCKERFILE.to_owned();
    while context.get(&name).is_some() {
        name.push('_');
    }
    let file = |name: &str, content: Vec<u8>, mode: u32| InjectedFile {
        path: name.parse().expect("the names are plain"),
        content,
        mode,
        uid: 0,
        gid: 0,
    };
    let hidden = match context.get(IGNORE_FILE) {
        None => Some((format!("{IGNORE_FILE}\n{name}\n").into_bytes(), 0o644)),
        Some(entry) => match &entry.kind {
            // Docker reads no patterns out of these, and the Dockerfile stays visible.
            Kind::Directory | Kind::Symlink { .. } => None,
            Kind::File { .. } | Kind::Injected(_) => {
                let mut content = Vec::new();
                let read = context.reader().open(entry)?.read_to_end(&mut content);
                read.map_err(|error| change_behind(entry, &error))?;
                content.extend_from_slice(format!("\n{name}\n").as_bytes());
                // Podman leaves out what the patterns name, though it belongs to the context.
                for file in request.injected {
                    content.extend_from_slice(format!("!{}\n", file.path).as_bytes());
                }
                Some((content, entry.mode()))
            }
        },
    };
    context.inject(file(&name, text.as_bytes().to_owned(), 0o644))?;
    if let Some((content, mode)) = hidden {
        context.inject(file(IGNORE_FILE, content, mode))?;
    }
    Ok(name)
}
