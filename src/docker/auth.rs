//! The credentials that a request carries for registries.

use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, URL_SAFE};
use bollard::Docker;

/// The headers that carry credentials (Docker Engine API, "Authentication").
const HEADERS: [&str; 2] = ["x-registry-auth", "x-registry-config"];

/// Makes a client write credentials as the API asks for them: URL-safe base64 (RFC 4648 section 5). bollard writes
/// the standard alphabet, and Docker takes a `+` or `/` in it for "no credentials" without a word.
pub(super) fn with_url_safe_credentials(docker: Docker) -> Docker {
    docker.with_request_modifier(|mut request| {
        for name in HEADERS {
            let Some(value) = request.headers_mut().get_mut(name) else { continue };
            if let Some(url_safe) = value.to_str().ok().and_then(url_safe) {
                *value = url_safe.parse().expect("base64 is ASCII without controls");
            }
        }
        request
    })
}

/// The same bytes in the other alphabet; nothing where the text is not in the standard one.
fn url_safe(standard: &str) -> Option<String> {
    STANDARD.decode(standard).ok().map(|bytes| URL_SAFE.encode(bytes))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn both_letters_that_differ_are_written_for_urls() {
        assert_eq!(url_safe("+/+/Pz8="), Some("-_-_Pz8=".to_owned()));
        assert_eq!(url_safe("-_-_"), None, "it is in the right alphabet already");
    }
}
