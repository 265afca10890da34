//! An engine pushes for us with the credentials of Docker's file.

use std::io::Write as _;
use std::process::{Command, Stdio};
use std::time::Duration;

use expect_test::expect;
use windlass::engine::docker::{Builder, DockerEngine, Options};
use windlass::engine::{Engine as _, Error};
use windlass::event::NoSink;
use windlass::model::{ImageDigest, Reference};
use windlass::registry::{self, Keychain, Registry, RetryPolicy};

use crate::parts;
use crate::registry_images::{Images, write_config};

async fn engine(keychain: Keychain) -> DockerEngine {
    let retry = RetryPolicy { attempts: 1, ..RetryPolicy::default() };
    let run = "registry-push".to_owned();
    let options = Options { builder: Builder::Best, run, answers_within: Duration::from_secs(30), keychain, retry };
    DockerEngine::connect(&parts::docker_host(), options).await.unwrap()
}

/// Brings an image for `architecture` to the engine as `reference` and has it pushed. Each test has an architecture
/// of its own: Docker 20.10 stumbles over an image that is loaded while its last name is taken away.
async fn push(architecture: &str, reference: &Reference, keychain: Keychain) -> Result<ImageDigest, Error> {
    let target = format!("docker-daemon:{reference}");
    Images::make(&[architecture]).copy_to(&target, &["--dest-daemon-host", &parts::docker_host()]);
    let engine = engine(keychain).await;
    let pushed = engine.push(&"app".parse().unwrap(), reference, &NoSink).await;
    engine.untag(reference).await.unwrap();
    pushed
}

/// The file that `docker login` writes.
fn log_in(registry: &str, user: &str, password: &str) -> Keychain {
    let folder = tempfile::tempdir().unwrap();
    let mut docker = Command::new("docker")
        .args(["--host", &parts::docker_host(), "--config", folder.path().to_str().unwrap()])
        .args(["login", "--username", user, "--password-stdin", registry])
        .stdin(Stdio::piped())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    docker.stdin.take().unwrap().write_all(password.as_bytes()).unwrap();
    assert!(docker.wait().unwrap().success());
    Keychain::load(&folder.path().join("config.json")).unwrap()
}

fn keychain(registry: &str, user: &str, password: &str) -> Keychain {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("config.json");
    write_config(&file, registry, user, password);
    Keychain::load(&file).unwrap()
}

#[tokio::test]
async fn a_password_with_every_letter_of_base64_is_understood() {
    let (host, user, password) = parts::registry_auth();
    let reference: Reference = format!("{host}/registry-test/pushed:1").parse().unwrap();
    let keychain = log_in(&host, &user, &password);
    let digest = push("amd64", &reference, keychain.clone()).await.unwrap();
    let registry = Registry::new(registry::Options::new(keychain.clone()), |retry| panic!("{retry:?}"));
    let served = registry.look_up(&reference, &"linux/amd64".parse().unwrap()).await.unwrap().unwrap();
    assert_eq!(served.digest, digest);
    let engine = engine(keychain).await;
    let pulled = engine.pull(&reference, &NoSink).await.unwrap();
    engine.untag(&reference).await.unwrap();
    assert_eq!(pulled.id, served.id);
}

#[tokio::test]
async fn a_wrong_password_and_none_are_refused() {
    let (host, user, _) = parts::registry_auth();
    let reference: Reference = format!("{host}/registry-test/refused:1").parse().unwrap();
    for (keychain, expected) in [
        (
            keychain(&host, &user, "wrong"),
            expect!["pushing `HOST/registry-test/refused:1`: unauthorized: authentication required"],
        ),
        (Keychain::empty(), expect!["pushing `HOST/registry-test/refused:1`: no basic auth credentials"]),
    ] {
        let error = push("arm64", &reference, keychain).await.unwrap_err();
        assert!(matches!(error, Error::Refused(_)), "{error:?}");
        expected.assert_eq(&error.to_string().replace(&host, "HOST"));
    }
}

#[tokio::test]
async fn nobody_may_push_where_everybody_may() {
    let reference: Reference = format!("{}/registry-test/open:1", parts::registry()).parse().unwrap();
    let digest = push("s390x", &reference, Keychain::empty()).await.unwrap();
    let registry = Registry::new(registry::Options::new(Keychain::empty()), |retry| panic!("{retry:?}"));
    assert_eq!(registry.digest_of(&reference).await, Ok(Some(digest)));
}
