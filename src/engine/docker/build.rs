//! Which builder builds, for how long, and what comes of it.

use std::sync::atomic::{AtomicU64, Ordering};

use anyhow::anyhow;

use super::{DockerEngine, Route, buildkit, classic, images};
use crate::engine::{BuildRequest, BuiltImage, Error};
use crate::event::Sink;

/// Builds, with BuildKit where the engine has it.
pub(super) async fn build(
    engine: &DockerEngine,
    request: &BuildRequest<'_>,
    events: &dyn Sink,
) -> Result<BuiltImage, Error> {
    if let Some(name) = request.named.keys().next() {
        let message =
            format!("the named context `{name}` is a folder, and engines behind a Docker socket are given none");
        let hint =
            "build it with `--engine embedded`, make an image of the folder, or copy it into the context".to_owned();
        return Err(Error::Unsupported { message, hint });
    }
    let building = async {
        let name = match engine.route {
            Route::BuildKit => {
                let keychain = engine.options.keychain.clone();
                buildkit::build(&engine.host, &id(engine), keychain, request, events).await?
            }
            Route::Classic => classic::build(engine, request, events).await?,
        };
        let name = name.unwrap_or_else(|| request.tag.to_string());
        let missing = || Error::Unreachable(anyhow!("the engine built `{}` and has no `{name}`", request.image));
        let built = images::find(engine, &name).await?.ok_or_else(missing)?;
        Ok(BuiltImage { image: request.image.clone(), id: built.id })
    };
    match tokio::time::timeout(request.timeout, building).await {
        Ok(outcome) => outcome,
        Err(_) => Err(Error::TimedOut { what: format!("building `{}`", request.image), limit: request.timeout }),
    }
}

/// A name for one build among all that the engine runs: the run's, the process's and a number.
fn id(engine: &DockerEngine) -> String {
    static BUILDS: AtomicU64 = AtomicU64::new(0);
    let run: String = engine.options.run.chars().filter(char::is_ascii_alphanumeric).collect();
    format!("windlass-{run}-{}-{}", std::process::id(), BUILDS.fetch_add(1, Ordering::Relaxed))
}
