//! An engine pushes for us with the credentials of Docker's file.

use std::time::Duration;

use expect_test::expect;
use windlass::engine::docker::{Builder, DockerEngine, Options};
use windlass::engine::{Engine as _, Error};
use windlass::event::NoSink;
use windlass::model::{ImageDigest, Reference};
use windlass::registry::{self, Keychain, Registry, RetryPolicy};

use crate::parts;
use crate::registry_images::{Images, write_config};

/// Brings an image to the engine as `reference` and has it pushed.
async fn push(reference: &Reference, keychain: Keychain) -> Result<ImageDigest, Error> {
    let host = parts::docker_host();
    let target = format!("docker-daemon:{reference}");
    Images::make(&["amd64"]).copy_to(&target, &["--dest-daemon-host", &host]);
    let retry = RetryPolicy { attempts: 1, ..RetryPolicy::default() };
    let run = "registry-push".to_owned();
    let options = Options { builder: Builder::Best, run, answers_within: Duration::from_secs(30), keychain, retry };
    let engine = DockerEngine::connect(&host, options).await.unwrap();
    let pushed = engine.push(&"app".parse().unwrap(), reference, &NoSink).await;
    engine.untag(reference).await.unwrap();
    pushed
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
    let keychain = keychain(&host, &user, &password);
    let digest = push(&reference, keychain.clone()).await.unwrap();
    let registry = Registry::new(registry::Options::new(keychain), |retry| panic!("{retry:?}"));
    assert_eq!(registry.digest_of(&reference).await, Ok(Some(digest)));
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
        let error = push(&reference, keychain).await.unwrap_err();
        assert!(matches!(error, Error::Refused(_)), "{error:?}");
        expected.assert_eq(&error.to_string().replace(&host, "HOST"));
    }
}

#[tokio::test]
async fn nobody_may_push_where_everybody_may() {
    let reference: Reference = format!("{}/registry-test/open:1", parts::registry()).parse().unwrap();
    let digest = push(&reference, Keychain::empty()).await.unwrap();
    let registry = Registry::new(registry::Options::new(Keychain::empty()), |retry| panic!("{retry:?}"));
    assert_eq!(registry.digest_of(&reference).await, Ok(Some(digest)));
}
