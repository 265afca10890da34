//! The registry client against a registry that fails.

use std::collections::BTreeSet;
use std::path::Path;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use expect_test::{Expect, expect};
use windlass::model::{ImageDigest, Platform, Reference, Repository, Tag};
use windlass::registry::{Error, Keychain, Options, Registry, RemoteImage, Retry, RetryPolicy};

use crate::registry_server::{Fault, Lock, Server, digest_of};

const OCI: &str = "application/vnd.oci.image.manifest.v1+json";
const INDEX: &str = "application/vnd.oci.image.index.v1+json";

/// A client, and every further try that it tells of.
struct Client {
    registry: Registry,
    retries: Arc<Mutex<Vec<Retry>>>,
}

fn options() -> Options {
    let retry =
        RetryPolicy { attempts: 3, first_wait: Duration::from_millis(1), longest_wait: Duration::from_secs(10) };
    Options { retry, ..Options::new(Keychain::empty()) }
}

fn client(options: Options) -> Client {
    let retries = Arc::new(Mutex::new(Vec::new()));
    let told = Arc::clone(&retries);
    Client { registry: Registry::new(options, move |retry| told.lock().unwrap().push(retry)), retries }
}

fn keychain(server: &Server, entry: &str) -> Keychain {
    Keychain::parse(&format!(r#"{{"auths": {{"{}": {entry}}}}}"#, server.address()), Path::new("config.json")).unwrap()
}

/// `me` with the password `pass`.
const ME: &str = r#"{"auth": "bWU6cGFzcw=="}"#;

fn platform() -> Platform {
    "linux/amd64".parse().unwrap()
}

/// Puts an image at `app:1`; returns its manifest's digest.
fn put_image(server: &Server) -> ImageDigest {
    let config = r#"{"os":"linux","architecture":"amd64","config":{"Labels":{"a":"b"}}}"#;
    server.put_blob("app", config);
    let manifest = format!(r#"{{"schemaVersion":2,"config":{{"digest":"{}"}}}}"#, digest_of(config.as_bytes()));
    server.put_manifest("app", "1", OCI, &manifest).parse().unwrap()
}

fn repository(server: &Server) -> Repository {
    format!("{}/app", server.address()).parse().unwrap()
}

fn app(server: &Server) -> Reference {
    repository(server).with_tag(&"1".parse().unwrap())
}

/// The outcome, the further tries and the requests, with the server's address and digests made constant.
fn story<T: std::fmt::Debug>(server: &Server, client: &Client, outcome: Result<T, Error>) -> String {
    let mut text = match outcome {
        Ok(value) => format!("{value:?}\n"),
        Err(error) => {
            let hint = error.hint().map_or_else(String::new, |hint| format!("hint: {hint}\n"));
            format!("{error}\n{hint}")
        }
    };
    for retry in std::mem::take(&mut *client.retries.lock().unwrap()) {
        text.push_str(&format!("try {} of {}, as {}\n", retry.attempt, retry.what, retry.why));
    }
    text.push_str(&server.log());
    told(server, &text)
}

fn told(server: &Server, text: &str) -> String {
    let image = server.manifest("app", "1").map_or_else(String::new, |(_, manifest)| digest_of(manifest.as_bytes()));
    let text = text.replace(&server.address(), "HOST");
    let text = if image.is_empty() { text } else { text.replace(&image, "DIGEST") };
    text.replace(&digest_of(b"other"), "OTHER")
}

async fn check_digest_of(faults: &[Fault], expected: Expect) {
    let server = Server::start(Lock::Open).await;
    put_image(&server);
    server.fail(faults);
    let client = client(options());
    let outcome = client.registry.digest_of(&app(&server)).await;
    expected.assert_eq(&story(&server, &client, outcome));
}

#[tokio::test]
async fn a_digest_is_one_head() {
    check_digest_of(
        &[],
        expect![[r#"
        Some(DIGEST)
        HEAD /v2/app/manifests/1 by nobody: 200"#]],
    )
    .await;
    check_digest_of(
        &[Fault::NoDigest],
        expect![[r#"
        Some(DIGEST)
        HEAD /v2/app/manifests/1 by nobody: NoDigest
        GET /v2/app/manifests/1 by nobody: 200"#]],
    )
    .await;
}

#[tokio::test]
async fn what_is_not_there_is_nothing() {
    let server = Server::start(Lock::Open).await;
    let client = client(options());
    let outcome = client.registry.digest_of(&app(&server)).await;
    expect![[r#"
        None
        HEAD /v2/app/manifests/1 by nobody: 404"#]]
    .assert_eq(&story(&server, &client, outcome));
    let outcome = client.registry.exists(&app(&server)).await;
    expect![[r#"
        false
        HEAD /v2/app/manifests/1 by nobody: 404"#]]
    .assert_eq(&story(&server, &client, outcome));
    let outcome = client.registry.look_up(&app(&server), &platform()).await;
    expect![[r#"
        None
        GET /v2/app/manifests/1 by nobody: 404"#]]
    .assert_eq(&story(&server, &client, outcome));
    let digest = digest_of(b"other").parse().unwrap();
    let outcome = client.registry.retag(&repository(&server), digest, &"2".parse().unwrap()).await;
    expect![[r#"
        tagging `HOST/app@OTHER` as `2`: registry `HOST` does not have it
        GET /v2/app/manifests/OTHER by nobody: 404"#]]
    .assert_eq(&story(&server, &client, outcome));
}

#[tokio::test]
async fn what_passes_is_tried_again() {
    let busy = Fault::Answer(429, "Retry-After: 0", "");
    let broken = Fault::Answer(503, "", r#"{"errors":[{"code":"UNAVAILABLE","message":"restarting\u001b[2J"}]}"#);
    check_digest_of(
        &[busy, broken],
        expect![[r#"
        Some(DIGEST)
        try 2 of looking up `HOST/app:1`, as registry `HOST` answers 429, too many requests, and asks to wait 0s
        try 3 of looking up `HOST/app:1`, as registry `HOST` fails: 503 Service Unavailable
        HEAD /v2/app/manifests/1 by nobody: 429
        HEAD /v2/app/manifests/1 by nobody: 503
        HEAD /v2/app/manifests/1 by nobody: 200"#]],
    )
    .await;
    check_digest_of(
        &[Fault::Close, Fault::Answer(500, "", "")],
        expect![[r#"
        Some(DIGEST)
        try 2 of looking up `HOST/app:1`, as registry `HOST` does not answer: connection closed before message completed
        try 3 of looking up `HOST/app:1`, as registry `HOST` fails: 500 Internal Server Error
        HEAD /v2/app/manifests/1 by nobody: Close
        HEAD /v2/app/manifests/1 by nobody: 500
        HEAD /v2/app/manifests/1 by nobody: 200"#]],
    )
    .await;
}

#[tokio::test]
async fn what_does_not_pass_ends() {
    check_digest_of(
        &[Fault::Answer(502, "", "<html>"); 3],
        expect![[r#"
            looking up `HOST/app:1`: registry `HOST` fails: 502 Bad Gateway
            try 2 of looking up `HOST/app:1`, as registry `HOST` fails: 502 Bad Gateway
            try 3 of looking up `HOST/app:1`, as registry `HOST` fails: 502 Bad Gateway
            HEAD /v2/app/manifests/1 by nobody: 502
            HEAD /v2/app/manifests/1 by nobody: 502
            HEAD /v2/app/manifests/1 by nobody: 502"#]],
    )
    .await;
    check_digest_of(
        &[Fault::Answer(429, "", ""); 3],
        expect![[r#"
            looking up `HOST/app:1`: registry `HOST` answers 429, too many requests
            try 2 of looking up `HOST/app:1`, as registry `HOST` answers 429, too many requests
            try 3 of looking up `HOST/app:1`, as registry `HOST` answers 429, too many requests
            HEAD /v2/app/manifests/1 by nobody: 429
            HEAD /v2/app/manifests/1 by nobody: 429
            HEAD /v2/app/manifests/1 by nobody: 429"#]],
    )
    .await;
    check_digest_of(
        &[Fault::Answer(429, "Retry-After: 3600", "")],
        expect![[r#"
        looking up `HOST/app:1`: registry `HOST` answers 429, too many requests, and asks to wait 3600s
        HEAD /v2/app/manifests/1 by nobody: 429"#]],
    )
    .await;
}

#[tokio::test]
async fn what_is_refused_is_not_tried_again() {
    check_digest_of(
        &[Fault::Answer(401, "WWW-Authenticate: Basic realm=x", "")],
        expect![[r#"
        looking up `HOST/app:1`: registry `HOST` does not allow it: 401 Unauthorized
        hint: log in with `docker login HOST`
        HEAD /v2/app/manifests/1 by nobody: 401"#]],
    )
    .await;
    check_digest_of(
        &[Fault::Answer(401, "WWW-Authenticate: Negotiate", "")],
        expect![[r#"
        looking up `HOST/app:1`: the answer of registry `HOST` is wrong: 401 without a challenge that is understood
        HEAD /v2/app/manifests/1 by nobody: 401"#]],
    )
    .await;
    check_digest_of(
        &[Fault::Answer(403, "", "")],
        expect![[r#"
        looking up `HOST/app:1`: registry `HOST` does not allow it: 403 Forbidden
        hint: log in with `docker login HOST`
        HEAD /v2/app/manifests/1 by nobody: 403"#]],
    )
    .await;
    check_digest_of(
        &[Fault::Answer(400, "", "")],
        expect![[r#"
        looking up `HOST/app:1`: registry `HOST` refuses: 400 Bad Request
        HEAD /v2/app/manifests/1 by nobody: 400"#]],
    )
    .await;
    check_digest_of(
        &[Fault::Answer(304, "", "")],
        expect![[r#"
        looking up `HOST/app:1`: the answer of registry `HOST` is wrong: 304 Not Modified
        HEAD /v2/app/manifests/1 by nobody: 304"#]],
    )
    .await;
    check_digest_of(
        &[Fault::Answer(200, "Docker-Content-Digest: sha512:00", "")],
        expect![[r#"
        looking up `HOST/app:1`: the answer of registry `HOST` is wrong: its digest is no sha256
        HEAD /v2/app/manifests/1 by nobody: 200"#]],
    )
    .await;
    check_digest_of(
        &[Fault::Answer(200, "", ""), Fault::Answer(200, "", "<html>log in to this café</html>")],
        expect![[r#"
            looking up `HOST/app:1`: the answer of registry `HOST` is wrong: it is no manifest
            HEAD /v2/app/manifests/1 by nobody: 200
            GET /v2/app/manifests/1 by nobody: 200"#]],
    )
    .await;
}

#[tokio::test]
async fn the_wait_is_the_one_asked_for() {
    for (headers, seconds) in
        [("Retry-After: 7", 7), ("Date: Wed, 21 Oct 2026 07:28:50 GMT\nRetry-After: Wed, 21 Oct 2026 07:28:58 GMT", 8)]
    {
        let server = Server::start(Lock::Open).await;
        server.fail(&[Fault::Answer(429, headers, "")]);
        let (tell, mut hear) = tokio::sync::mpsc::unbounded_channel();
        let registry = Registry::new(options(), move |retry| tell.send(retry).unwrap());
        let reference = app(&server);
        let wait = tokio::select! {
            outcome = registry.digest_of(&reference) => panic!("it did not wait: {outcome:?}"),
            retry = hear.recv() => retry.unwrap().wait,
        };
        assert_eq!(wait.as_secs(), seconds, "{headers}");
    }
}

#[tokio::test]
async fn a_registry_that_is_down_or_silent_is_given_up() {
    let down = client(options());
    let error = down.registry.digest_of(&"127.0.0.1:1/app:1".parse().unwrap()).await.unwrap_err();
    expect![[r#"
        looking up `127.0.0.1:1/app:1`: registry `127.0.0.1:1` does not answer: Connection refused (os error 111)
        check that `127.0.0.1:1` is up and its name is right"#]]
    .assert_eq(&format!("{error}\n{}", error.hint().unwrap()));
    assert_eq!(down.retries.lock().unwrap().len(), 2);

    let server = Server::start(Lock::Open).await;
    put_image(&server);
    server.fail(&[Fault::Hang; 3]);
    let hasty = client(Options { deadline: Duration::from_millis(100), ..options() });
    let outcome = hasty.registry.digest_of(&app(&server)).await;
    expect![[r#"
        looking up `HOST/app:1`: registry `HOST` does not answer: no whole answer within 0.1s
        hint: check that `HOST` is up and its name is right
        try 2 of looking up `HOST/app:1`, as registry `HOST` does not answer: no whole answer within 0.1s
        try 3 of looking up `HOST/app:1`, as registry `HOST` does not answer: no whole answer within 0.1s
        HEAD /v2/app/manifests/1 by nobody: Hang
        HEAD /v2/app/manifests/1 by nobody: Hang
        HEAD /v2/app/manifests/1 by nobody: Hang"#]]
    .assert_eq(&story(&server, &hasty, outcome));
}

async fn check_look_up(faults: &[Fault], expected: Expect) {
    let server = Server::start(Lock::Open).await;
    put_image(&server);
    server.fail(faults);
    let client = client(options());
    let outcome = client.registry.look_up(&app(&server), &platform()).await;
    expected.assert_eq(&story(&server, &client, outcome));
}

/// Lets one request pass.
const PASS: Fault = Fault::NoDigest;

#[tokio::test]
async fn an_image_is_its_manifest_and_its_configuration() {
    check_look_up(&[], expect![[r#"
        Some(RemoteImage { digest: DIGEST, manifest: DIGEST, id: sha256:b3c9f48b8da73113a95f9d68b72059ab74c0d63688216e7383c9b3bdc09d6c14, labels: {"a": "b"} })
        GET /v2/app/manifests/1 by nobody: 200
        GET /v2/app/blobs/sha256:b3c9f48b8da73113a95f9d68b72059ab74c0d63688216e7383c9b3bdc09d6c14 by nobody: 200"#]]).await;
    check_look_up(&[Fault::Truncate, PASS, Fault::Truncate], expect![[r#"
        Some(RemoteImage { digest: DIGEST, manifest: DIGEST, id: sha256:b3c9f48b8da73113a95f9d68b72059ab74c0d63688216e7383c9b3bdc09d6c14, labels: {"a": "b"} })
        try 2 of reading `HOST/app:1`, as the answer of registry `HOST` ends early
        try 3 of reading `HOST/app:1`, as the answer of registry `HOST` ends early
        GET /v2/app/manifests/1 by nobody: Truncate
        GET /v2/app/manifests/1 by nobody: NoDigest
        GET /v2/app/blobs/sha256:b3c9f48b8da73113a95f9d68b72059ab74c0d63688216e7383c9b3bdc09d6c14 by nobody: Truncate
        GET /v2/app/manifests/1 by nobody: 200
        GET /v2/app/blobs/sha256:b3c9f48b8da73113a95f9d68b72059ab74c0d63688216e7383c9b3bdc09d6c14 by nobody: 200"#]]).await;
    check_look_up(
        &[Fault::Truncate; 3],
        expect![[r#"
            reading `HOST/app:1`: the answer of registry `HOST` ends early
            try 2 of reading `HOST/app:1`, as the answer of registry `HOST` ends early
            try 3 of reading `HOST/app:1`, as the answer of registry `HOST` ends early
            GET /v2/app/manifests/1 by nobody: Truncate
            GET /v2/app/manifests/1 by nobody: Truncate
            GET /v2/app/manifests/1 by nobody: Truncate"#]],
    )
    .await;
}

#[tokio::test]
async fn a_wrong_image_is_refused() {
    check_look_up(&[Fault::Garble], expect![[r#"
        reading `HOST/app:1`: the answer of registry `HOST` is wrong: its digest is sha256:64b7f4a4d7925b0683350670d7b0dac097281f42118ad7f63d79fc9bf1b72401, not DIGEST
        GET /v2/app/manifests/1 by nobody: Garble"#]]).await;
    check_look_up(
        &[Fault::OtherDigest],
        expect![[r#"
        reading `HOST/app:1`: the answer of registry `HOST` is wrong: its digest is DIGEST, not OTHER
        GET /v2/app/manifests/1 by nobody: OtherDigest"#]],
    )
    .await;
    check_look_up(&[PASS, Fault::Garble], expect![[r#"
        reading `HOST/app:1`: the answer of registry `HOST` is wrong: its digest is sha256:ac4dd05e3ce52c2b3676bfd1fc9471fb7ee98acc8b158867a4f8062c12f51394, not sha256:b3c9f48b8da73113a95f9d68b72059ab74c0d63688216e7383c9b3bdc09d6c14
        GET /v2/app/manifests/1 by nobody: NoDigest
        GET /v2/app/blobs/sha256:b3c9f48b8da73113a95f9d68b72059ab74c0d63688216e7383c9b3bdc09d6c14 by nobody: Garble"#]]).await;
    check_look_up(
        &[PASS, Fault::Answer(404, "", "")],
        expect![[r#"
        reading `HOST/app:1`: registry `HOST` does not have it
        GET /v2/app/manifests/1 by nobody: NoDigest
        GET /v2/app/blobs/sha256:b3c9f48b8da73113a95f9d68b72059ab74c0d63688216e7383c9b3bdc09d6c14 by nobody: 404"#]],
    )
    .await;
}

#[tokio::test]
async fn a_store_that_blobs_are_redirected_to_is_told_no_secret() {
    let (server, store) = (Server::start(Lock::Basic).await, Server::start(Lock::Open).await);
    put_image(&server);
    put_image(&store);
    let config = server.blobs("app").pop().unwrap();
    let client = client(Options { keychain: keychain(&server, ME), ..options() });
    let location = |query: &str| format!("Location: http://{}{config}{query}", store.address());

    server.fail(&[PASS, Fault::Answer(307, location("").leak(), "")]);
    let outcome = client.registry.look_up(&app(&server), &platform()).await;
    expect![[r#"
        Some(RemoteImage { digest: DIGEST, manifest: DIGEST, id: sha256:b3c9f48b8da73113a95f9d68b72059ab74c0d63688216e7383c9b3bdc09d6c14, labels: {"a": "b"} })
        GET /v2/app/manifests/1 by nobody: 401
        GET /v2/app/manifests/1 by Basic: NoDigest
        GET /v2/app/blobs/sha256:b3c9f48b8da73113a95f9d68b72059ab74c0d63688216e7383c9b3bdc09d6c14 by Basic: 307"#]].assert_eq(&story(&server, &client, outcome));
    expect!["GET /v2/app/blobs/sha256:b3c9f48b8da73113a95f9d68b72059ab74c0d63688216e7383c9b3bdc09d6c14 by nobody: 200"]
        .assert_eq(&told(&store, &store.log()));

    server.fail(&[PASS, Fault::Answer(307, location("?signature=secret").leak(), "")]);
    store.fail(&[Fault::Answer(401, "WWW-Authenticate: Basic realm=here", "<Error>")]);
    let outcome = client.registry.look_up(&app(&server), &platform()).await;
    expect![[r#"
        reading `HOST/app:1`: the answer of registry `HOST` is wrong: it leads to `STORE`, which answers 401 Unauthorized
        GET /v2/app/manifests/1 by Basic: NoDigest
        GET /v2/app/blobs/sha256:b3c9f48b8da73113a95f9d68b72059ab74c0d63688216e7383c9b3bdc09d6c14 by Basic: 307"#]]
    .assert_eq(&story(&server, &client, outcome).replace(&store.address(), "STORE"));
    expect!["GET /v2/app/blobs/sha256:b3c9f48b8da73113a95f9d68b72059ab74c0d63688216e7383c9b3bdc09d6c14?signature=secret by nobody: 401"].assert_eq(&told(&store, &store.log()));
}

#[tokio::test]
async fn a_manifest_must_be_one() {
    for (manifest, expected) in [
        ("{", expect!["reading `HOST/app:1`: the answer of registry `HOST` is wrong: it is no manifest"]),
        ("[]", expect!["reading `HOST/app:1`: the answer of registry `HOST` is wrong: it is no manifest"]),
        (
            r#"{"schemaVersion":1}"#,
            expect![
                "reading `HOST/app:1`: the answer of registry `HOST` is wrong: a manifest of schema version 1 is not supported"
            ],
        ),
        (
            r#"{"schemaVersion":2}"#,
            expect![
                "reading `HOST/app:1`: the answer of registry `HOST` is wrong: it is neither a manifest nor an index"
            ],
        ),
        (
            r#"{"schemaVersion":2,"mediaType":"text/html","config":{"digest":"sha256:0"}}"#,
            expect![
                "reading `HOST/app:1`: the answer of registry `HOST` is wrong: a manifest of type `text/html` is not supported"
            ],
        ),
        (
            r#"{"schemaVersion":2,"config":{"digest":"sha256:0"}}"#,
            expect![
                "reading `HOST/app:1`: the answer of registry `HOST` is wrong: it names a digest that is no sha256"
            ],
        ),
        (
            r#"{"schemaVersion":2,"config":{"digest":"sha512:00"},"manifests":[]}"#,
            expect![
                "reading `HOST/app:1`: the answer of registry `HOST` is wrong: it is neither a manifest nor an index"
            ],
        ),
    ] {
        let server = Server::start(Lock::Open).await;
        server.put_manifest("app", "1", OCI, manifest);
        let error = client(options()).registry.look_up(&app(&server), &platform()).await.unwrap_err();
        expected.assert_eq(&told(&server, &error.to_string()));
    }
    let server = Server::start(Lock::Open).await;
    server.put_manifest("app", "1", OCI, &" ".repeat((8 << 20) + 1));
    let error = client(options()).registry.look_up(&app(&server), &platform()).await.unwrap_err();
    expect!["reading `HOST/app:1`: the answer of registry `HOST` is wrong: it is longer than 8 MiB"]
        .assert_eq(&told(&server, &error.to_string()));
}

/// Puts an image for a platform, by digest alone; returns the index's entry for it.
fn put_part(server: &Server, os: &str, architecture: &str, variant: &str, name: &str) -> String {
    let config = format!(
        r#"{{"os":"{os}","architecture":"{architecture}","variant":"{variant}","config":{{"Labels":{{"name":"{name}"}}}}}}"#
    );
    let config = server.put_blob("app", &config);
    let digest =
        server.put_manifest("app", name, OCI, &format!(r#"{{"schemaVersion":2,"config":{{"digest":"{config}"}}}}"#));
    format!(
        r#"{{"digest":"{digest}","platform":{{"os":"{os}","architecture":"{architecture}","variant":"{variant}"}}}}"#
    )
}

#[tokio::test]
async fn an_index_leads_to_the_image_for_the_platform() {
    let server = Server::start(Lock::Open).await;
    let parts = [
        put_part(&server, "linux", "arm", "v6", "arm6"),
        put_part(&server, "linux", "arm64", "", "arm64"),
        put_part(&server, "linux", "amd64", "v3", "amd64v3"),
        put_part(&server, "linux", "amd64", "", "amd64"),
        put_part(&server, "unknown", "unknown", "", "attestation"),
    ];
    let index = format!(r#"{{"schemaVersion":2,"manifests":[{}]}}"#, parts.join(","));
    let digest: ImageDigest = server.put_manifest("app", "1", INDEX, &index).parse().unwrap();
    let client = client(options());
    for (wanted, expected) in [
        ("linux/amd64", Some("amd64")),
        ("linux/amd64/v3", Some("amd64v3")),
        ("linux/amd64/v2", None),
        ("linux/arm64", Some("arm64")),
        ("linux/arm64/v8", Some("arm64")),
        ("linux/arm/v6", Some("arm6")),
        ("linux/arm", None),
        ("windows/amd64", None),
    ] {
        let found = client.registry.look_up(&app(&server), &wanted.parse().unwrap()).await.unwrap();
        assert_eq!(found.as_ref().map(|image| image.labels["name"].as_str()), expected, "{wanted}");
        if let Some(RemoteImage { digest: found, manifest, id, labels }) = found {
            let (_, text) = server.manifest("app", &labels["name"]).unwrap();
            assert_eq!(found, digest);
            assert_eq!(manifest.to_string(), digest_of(text.as_bytes()));
            assert!(text.contains(&id.to_string()));
        }
    }
    server.put_manifest("app", "1", INDEX, &format!(r#"{{"schemaVersion":2,"manifests":[{{"digest":"{digest}","platform":{{"os":"linux","architecture":"amd64"}}}}]}}"#));
    let error = client.registry.look_up(&app(&server), &platform()).await.unwrap_err();
    expect!["reading `HOST/app:1`: the answer of registry `HOST` is wrong: it is an index within an index"]
        .assert_eq(&told(&server, &error.to_string()));
}

#[tokio::test]
async fn an_image_for_another_platform_is_none() {
    let server = Server::start(Lock::Open).await;
    put_image(&server);
    let found = client(options()).registry.look_up(&app(&server), &"linux/arm64".parse().unwrap()).await;
    assert_eq!(found, Ok(None));
}

async fn check_retag(faults: &[Fault], expected: Expect) -> Server {
    let server = Server::start(Lock::Open).await;
    let digest = put_image(&server);
    server.fail(faults);
    let client = client(options());
    let tag: Tag = "latest".parse().unwrap();
    let outcome = client.registry.retag(&repository(&server), digest, &tag).await;
    expected.assert_eq(&story(&server, &client, outcome));
    server
}

#[tokio::test]
async fn a_tag_moves_without_a_blob() {
    let server = check_retag(
        &[],
        expect![[r#"
        ()
        GET /v2/app/manifests/DIGEST by nobody: 200
        PUT /v2/app/manifests/latest by nobody: 201"#]],
    )
    .await;
    assert_eq!(server.manifest("app", "latest"), server.manifest("app", "1"));
    let server = check_retag(
        &[PASS, Fault::Answer(500, "", ""), PASS, Fault::NoDigest],
        expect![[r#"
        ()
        try 2 of tagging `HOST/app@DIGEST` as `latest`, as registry `HOST` fails: 500 Internal Server Error
        GET /v2/app/manifests/DIGEST by nobody: NoDigest
        PUT /v2/app/manifests/latest by nobody: 500
        GET /v2/app/manifests/DIGEST by nobody: NoDigest
        PUT /v2/app/manifests/latest by nobody: NoDigest
        HEAD /v2/app/manifests/latest by nobody: 200"#]],
    )
    .await;
    assert_eq!(server.manifest("app", "latest"), server.manifest("app", "1"));
}

#[tokio::test]
async fn a_tag_that_would_name_something_else_is_refused() {
    let server = check_retag(&[Fault::Garble], expect![[r#"
        tagging `HOST/app@DIGEST` as `latest`: the answer of registry `HOST` is wrong: its digest is sha256:64b7f4a4d7925b0683350670d7b0dac097281f42118ad7f63d79fc9bf1b72401, not DIGEST
        GET /v2/app/manifests/DIGEST by nobody: Garble"#]]).await;
    assert_eq!(server.manifest("app", "latest"), None);
    check_retag(
        &[PASS, Fault::OtherDigest],
        expect![[r#"
        tagging `HOST/app@DIGEST` as `latest`: the answer of registry `HOST` is wrong: its digest is OTHER, not DIGEST
        GET /v2/app/manifests/DIGEST by nobody: NoDigest
        PUT /v2/app/manifests/latest by nobody: OtherDigest"#]],
    )
    .await;
    check_retag(
        &[PASS, Fault::NoDigest, Fault::OtherDigest],
        expect![[r#"
        tagging `HOST/app@DIGEST` as `latest`: the answer of registry `HOST` is wrong: its digest is OTHER, not DIGEST
        GET /v2/app/manifests/DIGEST by nobody: NoDigest
        PUT /v2/app/manifests/latest by nobody: NoDigest
        HEAD /v2/app/manifests/latest by nobody: OtherDigest"#]],
    )
    .await;
    check_retag(&[PASS, Fault::Answer(201, "", ""), Fault::Answer(404, "", "")], expect![[r#"
        tagging `HOST/app@DIGEST` as `latest`: the answer of registry `HOST` is wrong: the tag is not there after it was written
        GET /v2/app/manifests/DIGEST by nobody: NoDigest
        PUT /v2/app/manifests/latest by nobody: 201
        HEAD /v2/app/manifests/latest by nobody: 404"#]]).await;
    let server = check_retag(
        &[PASS, Fault::Answer(400, "", r#"{"errors":[{"code":"MANIFEST_INVALID"}]}"#)],
        expect![[r#"
            tagging `HOST/app@DIGEST` as `latest`: registry `HOST` refuses: 400 Bad Request: MANIFEST_INVALID
            GET /v2/app/manifests/DIGEST by nobody: NoDigest
            PUT /v2/app/manifests/latest by nobody: 400"#]],
    )
    .await;
    assert_eq!(server.manifest("app", "latest"), None);
}

/// Looks up and moves a tag at a registry behind a lock, with the credentials of `entry`.
async fn check_lock(lock: Lock, entry: &str, expected: Expect) {
    let server = Server::start(lock).await;
    let digest = put_image(&server);
    let client = client(Options { keychain: keychain(&server, entry), ..options() });
    let outcome = client.registry.digest_of(&app(&server)).await;
    let read = story(&server, &client, outcome);
    let outcome = client.registry.retag(&repository(&server), digest, &"2".parse().unwrap()).await;
    let written = story(&server, &client, outcome);
    expected.assert_eq(&format!("{read}\n{written}"));
}

#[tokio::test]
async fn passwords_open_basic_locks() {
    check_lock(
        Lock::Basic,
        ME,
        expect![[r#"
            Some(DIGEST)
            HEAD /v2/app/manifests/1 by nobody: 401
            HEAD /v2/app/manifests/1 by Basic: 200
            ()
            GET /v2/app/manifests/DIGEST by Basic: 200
            PUT /v2/app/manifests/2 by Basic: 201"#]],
    )
    .await;
    check_lock(
        Lock::Basic,
        r#"{"username": "me", "password": "wrong"}"#,
        expect![[r#"
        looking up `HOST/app:1`: registry `HOST` does not allow it: 401 Unauthorized
        hint: the credentials at hand do not suffice: log in with `docker login HOST` as somebody who may
        HEAD /v2/app/manifests/1 by nobody: 401
        HEAD /v2/app/manifests/1 by Basic: 401
        tagging `HOST/app@DIGEST` as `2`: registry `HOST` does not allow it: 401 Unauthorized: authentication required
        hint: the credentials at hand do not suffice: log in with `docker login HOST` as somebody who may
        GET /v2/app/manifests/DIGEST by nobody: 401
        GET /v2/app/manifests/DIGEST by Basic: 401"#]],
    )
    .await;
    check_lock(
        Lock::Basic,
        "{}",
        expect![[r#"
        looking up `HOST/app:1`: registry `HOST` does not allow it: 401 Unauthorized
        hint: log in with `docker login HOST`
        HEAD /v2/app/manifests/1 by nobody: 401
        tagging `HOST/app@DIGEST` as `2`: registry `HOST` does not allow it: 401 Unauthorized: authentication required
        hint: log in with `docker login HOST`
        GET /v2/app/manifests/DIGEST by nobody: 401"#]],
    )
    .await;
    check_lock(Lock::Basic, r#"{"identitytoken": "refresh"}"#, expect![[r#"
        looking up `HOST/app:1`: registry `HOST` does not allow it: it asks for a password, and the credentials at hand are a token
        hint: the credentials at hand do not suffice: log in with `docker login HOST` as somebody who may
        HEAD /v2/app/manifests/1 by nobody: 401
        tagging `HOST/app@DIGEST` as `2`: registry `HOST` does not allow it: it asks for a password, and the credentials at hand are a token
        hint: the credentials at hand do not suffice: log in with `docker login HOST` as somebody who may
        GET /v2/app/manifests/DIGEST by nobody: 401"#]]).await;
}

#[tokio::test]
async fn token_servers_are_asked() {
    check_lock(
        Lock::TokenForAll,
        "{}",
        expect![[r#"
            Some(DIGEST)
            HEAD /v2/app/manifests/1 by nobody: 401
            GET /token?scope=repository%3Aapp%3Apull&service=the+service by nobody: 200
            HEAD /v2/app/manifests/1 by Bearer: 200
            ()
            GET /v2/app/manifests/DIGEST by nobody: 401
            GET /token?scope=repository%3Aapp%3Apull%2Cpush&service=the+service by nobody: 200
            GET /v2/app/manifests/DIGEST by Bearer: 200
            PUT /v2/app/manifests/2 by Bearer: 201"#]],
    )
    .await;
    check_lock(
        Lock::TokenForMe,
        ME,
        expect![[r#"
            Some(DIGEST)
            HEAD /v2/app/manifests/1 by nobody: 401
            GET /token?scope=repository%3Aapp%3Apull&service=the+service by Basic: 200
            HEAD /v2/app/manifests/1 by Bearer: 200
            ()
            GET /v2/app/manifests/DIGEST by nobody: 401
            GET /token?scope=repository%3Aapp%3Apull%2Cpush&service=the+service by Basic: 200
            GET /v2/app/manifests/DIGEST by Bearer: 200
            PUT /v2/app/manifests/2 by Bearer: 201"#]],
    )
    .await;
    check_lock(Lock::TokenForMe, "{}", expect![[r#"
        looking up `HOST/app:1`: getting a token from `HOST`: registry `HOST` does not allow it: 401 Unauthorized: incorrect username or password
        hint: log in with `docker login HOST`
        HEAD /v2/app/manifests/1 by nobody: 401
        GET /token?scope=repository%3Aapp%3Apull&service=the+service by nobody: 401
        tagging `HOST/app@DIGEST` as `2`: getting a token from `HOST`: registry `HOST` does not allow it: 401 Unauthorized: incorrect username or password
        hint: log in with `docker login HOST`
        GET /v2/app/manifests/DIGEST by nobody: 401
        GET /token?scope=repository%3Aapp%3Apull%2Cpush&service=the+service by nobody: 401"#]]).await;
    check_lock(Lock::TokenForRefresh, r#"{"identitytoken": "refresh"}"#, expect![[r#"
        Some(DIGEST)
        HEAD /v2/app/manifests/1 by nobody: 401
        POST /token scope=repository%3Aapp%3Apull&service=the+service&grant_type=refresh_token&client_id=windlass&refresh_token=refresh by nobody: 200
        HEAD /v2/app/manifests/1 by Bearer: 200
        ()
        GET /v2/app/manifests/DIGEST by nobody: 401
        POST /token scope=repository%3Aapp%3Apull%2Cpush&service=the+service&grant_type=refresh_token&client_id=windlass&refresh_token=refresh by nobody: 200
        GET /v2/app/manifests/DIGEST by Bearer: 200
        PUT /v2/app/manifests/2 by Bearer: 201"#]]).await;
    check_lock(
        Lock::TokenForRefresh,
        r#"{"registrytoken": "stale"}"#,
        expect![[r#"
        looking up `HOST/app:1`: registry `HOST` does not allow it: 401 Unauthorized
        hint: the credentials at hand do not suffice: log in with `docker login HOST` as somebody who may
        HEAD /v2/app/manifests/1 by nobody: 401
        HEAD /v2/app/manifests/1 by Bearer: 401
        tagging `HOST/app@DIGEST` as `2`: registry `HOST` does not allow it: 401 Unauthorized: authentication required
        hint: the credentials at hand do not suffice: log in with `docker login HOST` as somebody who may
        GET /v2/app/manifests/DIGEST by nobody: 401
        GET /v2/app/manifests/DIGEST by Bearer: 401"#]],
    )
    .await;
}

#[tokio::test]
async fn tokens_that_expired_are_renewed() {
    let server = Server::start(Lock::TokenForMe).await;
    put_image(&server);
    server.tokens_expire_after(2);
    let client = client(Options { keychain: keychain(&server, ME), ..options() });
    for _ in 0..3 {
        assert_eq!(client.registry.exists(&app(&server)).await, Ok(true));
    }
    expect![[r#"
        HEAD /v2/app/manifests/1 by nobody: 401
        GET /token?scope=repository%3Aapp%3Apull&service=the+service by Basic: 200
        HEAD /v2/app/manifests/1 by Bearer: 200
        HEAD /v2/app/manifests/1 by Bearer: 200
        HEAD /v2/app/manifests/1 by Bearer: 401
        GET /token?scope=repository%3Aapp%3Apull&service=the+service by Basic: 200
        HEAD /v2/app/manifests/1 by Bearer: 200"#]]
    .assert_eq(&server.log());
}

async fn check_token_faults(faults: &[Fault], expected: Expect) {
    let server = Server::start(Lock::TokenForMe).await;
    put_image(&server);
    server.fail_tokens(faults);
    let client = client(Options { keychain: keychain(&server, ME), ..options() });
    let outcome = client.registry.digest_of(&app(&server)).await;
    expected.assert_eq(&story(&server, &client, outcome));
}

#[tokio::test]
async fn token_servers_fail_too() {
    check_token_faults(&[Fault::Answer(429, "Retry-After: 0", ""), Fault::Answer(503, "", "")], expect![[r#"
        Some(DIGEST)
        try 2 of looking up `HOST/app:1`, as getting a token from `HOST`: registry `HOST` answers 429, too many requests, and asks to wait 0s
        try 3 of looking up `HOST/app:1`, as getting a token from `HOST`: registry `HOST` fails: 503 Service Unavailable
        HEAD /v2/app/manifests/1 by nobody: 401
        GET /token?scope=repository%3Aapp%3Apull&service=the+service by Basic: 429
        HEAD /v2/app/manifests/1 by nobody: 401
        GET /token?scope=repository%3Aapp%3Apull&service=the+service by Basic: 503
        HEAD /v2/app/manifests/1 by nobody: 401
        GET /token?scope=repository%3Aapp%3Apull&service=the+service by Basic: 200
        HEAD /v2/app/manifests/1 by Bearer: 200"#]]).await;
    check_token_faults(&[Fault::Answer(404, "", "")], expect![[r#"
        looking up `HOST/app:1`: getting a token from `HOST`: the answer of registry `HOST` is wrong: its token server answers 404
        HEAD /v2/app/manifests/1 by nobody: 401
        GET /token?scope=repository%3Aapp%3Apull&service=the+service by Basic: 404"#]]).await;
    check_token_faults(&[Fault::Answer(200, "", "{}")], expect![[r#"
        looking up `HOST/app:1`: getting a token from `HOST`: the answer of registry `HOST` is wrong: its token server answers no token
        HEAD /v2/app/manifests/1 by nobody: 401
        GET /token?scope=repository%3Aapp%3Apull&service=the+service by Basic: 200"#]]).await;
    check_token_faults(&[Fault::Answer(200, "", r#"{"token":""}"#)], expect![[r#"
        looking up `HOST/app:1`: getting a token from `HOST`: the answer of registry `HOST` is wrong: its token server answers no token
        HEAD /v2/app/manifests/1 by nobody: 401
        GET /token?scope=repository%3Aapp%3Apull&service=the+service by Basic: 200"#]]).await;
    check_token_faults(
        &[Fault::Answer(200, "", r#"{"token":"a\nb"}"#)],
        expect![[r#"
        looking up `HOST/app:1`: the answer of registry `HOST` is wrong: the token is no text for a header
        HEAD /v2/app/manifests/1 by nobody: 401
        GET /token?scope=repository%3Aapp%3Apull&service=the+service by Basic: 200"#]],
    )
    .await;
    check_token_faults(&[Fault::Garble], expect![[r#"
        looking up `HOST/app:1`: getting a token from `HOST`: the answer of registry `HOST` is wrong: its token server answers no token
        HEAD /v2/app/manifests/1 by nobody: 401
        GET /token?scope=repository%3Aapp%3Apull&service=the+service by Basic: Garble"#]]).await;
}

#[tokio::test]
async fn a_token_server_must_be_safe() {
    for (lock, expected) in [
        (
            Lock::TokenFrom("nowhere"),
            expect![[r#"
            looking up `HOST/app:1`: the answer of registry `HOST` is wrong: its token server has no readable URL
            HEAD /v2/app/manifests/1 by nobody: 401"#]],
        ),
        (
            Lock::TokenFrom("ftp://127.0.0.1/token"),
            expect![[r#"
            looking up `HOST/app:1`: the answer of registry `HOST` is wrong: its token server is not on HTTPS
            HEAD /v2/app/manifests/1 by nobody: 401"#]],
        ),
    ] {
        let server = Server::start(lock).await;
        let client = client(Options { keychain: keychain(&server, ME), ..options() });
        let outcome = client.registry.digest_of(&app(&server)).await;
        expected.assert_eq(&story(&server, &client, outcome));
    }
}

/// An address of this machine that does not look like one.
#[tokio::test]
async fn others_are_on_https_unless_listed() {
    let server = Server::start(Lock::Open).await;
    put_image(&server);
    let address = server.address().replace("127.0.0.1", "0.0.0.0");
    let reference: Reference = format!("{address}/app:1").parse().unwrap();
    let error = client(options()).registry.digest_of(&reference).await.unwrap_err();
    expect!["looking up `HOST/app:1`: the answer of registry `HOST` is wrong: it is no TLS; a registry on plain HTTP must be listed as such"]
        .assert_eq(&error.to_string().replace(&address, "HOST"));
    let listed = Options { plain_http: BTreeSet::from([address]), ..options() };
    assert_eq!(client(listed).registry.exists(&reference).await, Ok(true));
}

#[tokio::test]
async fn calls_may_run_on_any_thread() {
    let server = Server::start(Lock::Open).await;
    put_image(&server);
    let (registry, reference) = (client(options()).registry, app(&server));
    assert_eq!(tokio::spawn(async move { registry.exists(&reference).await }).await.unwrap(), Ok(true));
}
