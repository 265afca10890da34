//! Waiting for an engine's answer, never for ever.

use bollard::Docker;
use bollard::errors::Error;
use std::future::Future;

use super::Failure;
use super::failure::innermost;

/// The engine's answer, within the time that the client allows a call.
pub(super) async fn answer<T>(docker: &Docker, call: impl Future<Output = Result<T, Error>>) -> Result<T, Failure> {
    let limit = docker.timeout();
    match tokio::time::timeout(limit, call).await {
        // The client holds the time against the head of an answer, this against the whole.
        Err(_) | Ok(Err(Error::RequestTimeoutError)) => {
            Err(Failure::Unreachable(format!("the engine did not answer within {} s", limit.as_secs())))
        }
        Ok(answer) => answer.map_err(failure),
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
