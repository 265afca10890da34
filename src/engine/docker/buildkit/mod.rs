//! Builds with BuildKit through the daemon's `/grpc` and `/session` (BuildKit `api/services/control`).

mod agents;
mod failure;
mod file_sync;
mod progress;
mod selection;
mod session;

use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use bollard_buildkit_proto::moby::buildkit::v1::control_client::ControlClient;
use bollard_buildkit_proto::moby::buildkit::v1::{SolveRequest, SolveResponse, StatusRequest};
use hyper_util::rt::TokioIo;
use sha2::{Digest as _, Sha256};
use tonic::transport::{Channel, Endpoint};
use tonic::{Response, Status};

use self::agents::Agents;
use self::file_sync::Folders;
use self::progress::Progress;
use self::session::Session;
use super::outline::Outline;
use super::trouble::Trouble;
use crate::docker::{Failure, Hangup, upgrade};
use crate::engine::context::Context;
use crate::engine::{BuildRequest, Error};
use crate::event::Sink;
use crate::model::{Digest, InjectedFile};
use crate::registry::Keychain;

/// The largest message that BuildKit sends (its `defaults.DefaultMaxRecvMsgSize`).
const MESSAGE_AT_MOST: usize = 16 << 20;
/// The most that headers may hold: BuildKit puts every path that it wants into them, and the reasons of a failure.
/// The usual 16 KiB are soon full; Go's own limit is this one.
const HEADERS_AT_MOST: u32 = 16 << 20;
/// How long what is left of a build's progress is waited for when the build has ended. Arbitrary.
const LAST_WORDS: Duration = Duration::from_secs(3);

/// Whether the engine at `host` has BuildKit.
pub(super) async fn is_there(host: &str) -> Result<bool, Failure> {
    match upgrade(host, "/grpc", &[]).await {
        Ok(_connection) => Ok(true),
        Err(Failure::Refused(_)) => Ok(false),
        Err(unreachable) => Err(unreachable),
    }
}

/// Builds and names the image; tells what the engine calls it. `id` is this build's alone.
pub(super) async fn build(
    host: &str,
    id: &str,
    keychain: Keychain,
    request: &BuildRequest<'_>,
    events: &dyn Sink,
) -> Result<Option<String>, Error> {
    let context = Arc::new(Context::of(request)?);
    let trouble = Trouble::default();
    let session = Session {
        id: id.to_owned(),
        shared_key: shared_key(&context, request.dockerfile),
        folders: Folders { context, dockerfile: Arc::new(dockerfile(request)), trouble: trouble.clone() },
        secrets: request.secrets.iter().map(|secret| (secret.id.clone(), secret.value.clone())).collect(),
        agents: Agents(request.ssh.to_vec()),
        keychain,
    };
    let unreachable = |failure: Failure| Error::Unreachable(anyhow::Error::new(failure).context("reaching BuildKit"));
    let (serving, _session_ends) = session.open(host).await.map_err(unreachable)?;
    let (client, _build_ends) = control(host).await.map_err(unreachable)?;
    let solving = solve(client, id, request, events);
    tokio::select! {
        // Neither is polled again once the other is done: both end with this function.
        outcome = solving => match trouble.what() {
            Some(changed) => Err(changed.into()),
            None => outcome,
        },
        () = serving => Err(Error::Unreachable(anyhow::anyhow!("the session with BuildKit ended"))),
    }
}

async fn control(host: &str) -> Result<(ControlClient<Channel>, Hangup), Failure> {
    let (connection, hangup) = upgrade(host, "/grpc", &[]).await?;
    let mut connection = Some(TokioIo::new(connection));
    let connect_once = tower::service_fn(move |_| {
        let connection = connection.take();
        async move { connection.ok_or_else(|| std::io::Error::other("the connection to BuildKit broke")) }
    });
    // The address is never looked up: the connection is there.
    let endpoint = Endpoint::from_static("http://buildkit").http2_max_header_list_size(HEADERS_AT_MOST);
    let channel = endpoint.connect_with_connector(connect_once).await;
    let channel = channel.map_err(|error| Failure::Unreachable(error.to_string()))?;
    let client = ControlClient::new(channel);
    Ok((client.max_decoding_message_size(MESSAGE_AT_MOST).max_encoding_message_size(MESSAGE_AT_MOST), hangup))
}

async fn solve(
    mut client: ControlClient<Channel>,
    id: &str,
    request: &BuildRequest<'_>,
    events: &dyn Sink,
) -> Result<Option<String>, Error> {
    let mut progress = Progress::of(request.image);
    match follow(&mut client, id, request, &mut progress, events).await {
        Ok(response) => Ok(response.into_inner().exporter_response.remove("containerimage.digest")),
        Err(status) => Err(failure::explain(&status, progress.failed.as_deref(), &Outline::of(request))),
    }
}

/// Asks for the build and watches it until it has ended.
async fn follow(
    client: &mut ControlClient<Channel>,
    id: &str,
    request: &BuildRequest<'_>,
    progress: &mut Progress,
    events: &dyn Sink,
) -> Result<Response<SolveResponse>, Status> {
    let mut watching = pin!(watch(client.clone(), id, progress, events));
    let mut solving = pin!(client.solve(solve_request(id, request)));
    let mut watched = false;
    let solved = loop {
        tokio::select! {
            // Both are kept over the turns of the loop, so that nothing is lost in either.
            solved = &mut solving => break solved,
            () = &mut watching, if !watched => watched = true,
        }
    };
    if !watched {
        // Whether all of the last words came changes nothing of the outcome.
        let _all = tokio::time::timeout(LAST_WORDS, watching).await;
    }
    solved
}

async fn watch(mut client: ControlClient<Channel>, id: &str, progress: &mut Progress, events: &dyn Sink) {
    // A build without its progress is a build still, and what breaks the connection breaks the build too.
    let Ok(response) = client.status(StatusRequest { r#ref: id.to_owned() }).await else { return };
    let mut messages = response.into_inner();
    while let Ok(Some(message)) = messages.message().await {
        for event in progress.take(message) {
            events.send(event);
        }
    }
}

fn solve_request(id: &str, request: &BuildRequest<'_>) -> SolveRequest {
    let mut attributes = vec![
        ("filename".to_owned(), DOCKERFILE.to_owned()),
        ("platform".to_owned(), request.platform.to_string()),
        // The images that were built before are here and nowhere else; the others are named by digest.
        ("image-resolve-mode".to_owned(), "local".to_owned()),
        // Newer BuildKits date the image by it, so that it is the same whenever it is built.
        ("build-arg:SOURCE_DATE_EPOCH".to_owned(), request.source_date_epoch.to_string()),
    ];
    let args = request.args.iter().map(|(name, value)| (format!("build-arg:{name}"), value.clone()));
    attributes.extend(args);
    attributes.extend(request.labels.iter().map(|(name, value)| (format!("label:{name}"), value.clone())));
    attributes.extend(request.target.map(|target| ("target".to_owned(), target.to_owned())));
    if request.no_cache {
        // No stage named means all of them.
        attributes.push(("no-cache".to_owned(), String::new()));
    }
    SolveRequest {
        r#ref: id.to_owned(),
        session: id.to_owned(),
        frontend: "dockerfile.v0".to_owned(),
        frontend_attrs: attributes.into_iter().collect(),
        // The daemon's own exporter, into its image store. Older daemons know no other fields for it.
        exporter_deprecated: "moby".to_owned(),
        exporter_attrs_deprecated: [("name".to_owned(), request.tag.to_string())].into(),
        ..SolveRequest::default()
    }
}

const DOCKERFILE: &str = "Dockerfile";

/// The folder that holds the Dockerfile, and an ignore file of its own: without one, BuildKit would apply the
/// context's a second time, to the injected files too (BuildKit `frontend/dockerui`).
fn dockerfile(request: &BuildRequest<'_>) -> Context {
    let file = |name: &str, text: &str| InjectedFile {
        path: name.parse().expect("the names are plain"),
        content: text.as_bytes().to_owned(),
        mode: 0o644,
        uid: 0,
        gid: 0,
    };
    let ignore = file("Dockerfile.dockerignore", "# What belongs to the context is chosen already.\n");
    Context::of_files(vec![file(DOCKERFILE, request.dockerfile), ignore], request.source_date_epoch)
}

/// What BuildKit finds the files of earlier builds by, of which it does not ask for those that look the same: by
/// size and time, and our times are all the same. So a key stands for one content alone.
fn shared_key(context: &Context, dockerfile: &str) -> String {
    let sha256 = Sha256::new().chain_update(context.digest()).chain_update(dockerfile);
    Digest::from_bytes(sha256.finalize().into()).hex()
}
