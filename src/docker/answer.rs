//! Waiting for an engine's answer, never for ever.

use std::future::Future;
use std::time::Duration;

use bollard::errors::Error;

use super::Failure;
use super::failure::innermost;

/// How long an engine may take for what it has little work with. Starting a container on a busy machine takes
/// seconds; arbitrary, far above that.
pub(super) const ANSWERS_WITHIN: Duration = Duration::from_secs(60);

/// The engine's answer.
pub(super) async fn answer<T>(call: impl Future<Output = Result<T, Error>>) -> Result<T, Failure> {
    answer_within(ANSWERS_WITHIN, call).await
}

/// The engine's answer to what may take so long.
pub(super) async fn answer_within<T>(
    limit: Duration,
    call: impl Future<Output = Result<T, Error>>,
) -> Result<T, Failure> {
    match tokio::time::timeout(limit, call).await {
        Ok(answer) => answer.map_err(failure),
        Err(_) => Err(Failure::Unreachable(format!("the engine did not answer within {} s", limit.as_secs()))),
    }
}

/// Nothing where the engine does not have what is asked about.
pub(super) async fn unless_missing<T>(call: impl Future<Output = Result<T, Error>>) -> Result<Option<T>, Error> {
    match call.await {
        Ok(value) => Ok(Some(value)),
        Err(Error::DockerResponseServerError { status_code: 404, .. }) => Ok(None),
        Err(error) => Err(error),
    }
}

/// An engine that answers has understood: it says 500 to a port that is taken or a program that is not there, and
/// asking again changes neither.
fn failure(error: Error) -> Failure {
    match error {
        Error::DockerResponseServerError { message, .. } => Failure::Refused(message),
        other => Failure::Unreachable(innermost(&other)),
    }
}
