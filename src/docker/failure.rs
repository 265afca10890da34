//! What a call to an engine meets.

use bollard::errors::Error;

/// A call that did not do what it was asked to.
#[derive(Debug, thiserror::Error)]
pub enum Failure {
    /// The engine understood and says no: trying again gives the same.
    #[error("{0}")]
    Refused(String),
    /// The engine, or the registry behind it, does not answer properly: trying again may help.
    #[error("{0}")]
    Unreachable(String),
}

/// What registries and engines write into an error that trying again does not mend.
const FINAL: [&str; 11] = [
    "no space left on device",
    "denied",
    "unauthorized",
    "no basic auth credentials",
    "authentication required",
    "manifest unknown",
    "not found",
    "no such",
    "does not exist",
    "invalid reference",
    "no matching manifest",
];

impl From<Error> for Failure {
    fn from(error: Error) -> Self {
        match error {
            Error::DockerResponseServerError { status_code, message } if status_code < 500 && status_code != 429 => {
                Self::Refused(message)
            }
            Error::DockerResponseServerError { message, .. } => Self::from_message(message),
            Error::DockerStreamError { error } => Self::from_message(error),
            other => Self::Unreachable(innermost(&other)),
        }
    }
}

impl Failure {
    /// Reads a failure that comes as a text alone, as failures of registries do.
    pub(super) fn from_message(message: String) -> Self {
        let lower = message.to_lowercase();
        if FINAL.iter().any(|text| lower.contains(text)) { Self::Refused(message) } else { Self::Unreachable(message) }
    }
}

/// The text of the innermost cause, which names the operating system's error; the outer ones only say "client".
pub fn innermost(error: &dyn std::error::Error) -> String {
    let mut error = error;
    while let Some(source) = error.source() {
        error = source;
    }
    error.to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_trying_again_does_not_mend_is_refused() {
        for text in [
            "denied: requested access to the resource is denied",
            "unauthorized: authentication required",
            "no basic auth credentials",
            "manifest for a/b:c not found: manifest unknown: manifest unknown",
        ] {
            assert!(matches!(Failure::from_message(text.to_owned()), Failure::Refused(_)), "{text}");
        }
        for text in ["received unexpected HTTP status: 503 Service Unavailable", "connection reset by peer"] {
            assert!(matches!(Failure::from_message(text.to_owned()), Failure::Unreachable(_)), "{text}");
        }
        let busy = Error::DockerResponseServerError { status_code: 429, message: "slow down".to_owned() };
        assert!(matches!(Failure::from(busy), Failure::Unreachable(_)));
    }
}
