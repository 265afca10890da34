//! Where the real parts are: `scripts/test` starts them and says so in the environment.

/// The address of an engine that belongs to the tests alone: `unix:///…`.
pub(crate) fn docker_host() -> String {
    part("WINDLASS_TEST_DOCKER_HOST")
}

/// Host and port of a registry without authentication, on plain HTTP: `127.0.0.1:5000`.
pub(crate) fn registry() -> String {
    part("WINDLASS_TEST_REGISTRY")
}

/// Where `busybox-static` is installed: what the tests' base images are made from.
pub(crate) const BUSYBOX: &str = "/bin/busybox";

#[expect(clippy::disallowed_methods, reason = "the parts are named in the environment")]
fn part(name: &str) -> String {
    std::env::var(name).unwrap_or_else(|_| panic!("`{name}` is not set: run `scripts/test`, which starts the parts"))
}
