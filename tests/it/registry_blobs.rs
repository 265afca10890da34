//! Blobs from and to a registry that fails.

use std::fs;
use std::io::Read as _;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use expect_test::{Expect, expect};
use windlass::model::{Digest, Repository};
use windlass::registry::{Error, Keychain, Options, Registry, RetryPolicy};

use crate::registry_server::{Fault, Lock, Server, digest_of};

const CONTENT: &str = "what the blob holds";

struct Client {
    registry: Registry,
    retries: Arc<Mutex<String>>,
}

/// A client that tries twice, and waits for the next byte for as long as `deadline`.
fn client(deadline: Duration) -> Client {
    let retry = RetryPolicy { attempts: 2, first_wait: Duration::from_millis(1), ..RetryPolicy::default() };
    let retries = Arc::new(Mutex::new(String::new()));
    let told = Arc::clone(&retries);
    let options = Options { retry, deadline, ..Options::new(Keychain::empty()) };
    let tell =
        move |retry: windlass::registry::Retry| told.lock().unwrap().push_str(&format!("again: {}\n", retry.why));
    Client { registry: Registry::new(options, tell), retries }
}

fn story(server: &Server, client: &Client, outcome: Result<String, Error>) -> String {
    let outcome = outcome.unwrap_or_else(|error| error.to_string());
    let text = format!("{outcome}\n{}{}", client.retries.lock().unwrap(), server.log());
    let text = text.replace(&server.address(), "HOST").replace(&digest_of(CONTENT.as_bytes()), "DIGEST");
    text.replace(&digest_of(CONTENT.as_bytes()).replace(':', "%3A"), "DIGEST")
}

fn digest() -> Digest {
    digest_of(CONTENT.as_bytes()).parse().unwrap()
}

fn repository(server: &Server) -> Repository {
    format!("{}/app", server.address()).parse().unwrap()
}

async fn check_download(faults: &[Fault], size: usize, deadline: Duration, expected: Expect) {
    let server = Server::start(Lock::Open).await;
    server.put_blob("app", CONTENT);
    server.fail(faults);
    let client = client(deadline);
    let mut file = tempfile::tempfile().unwrap();
    let outcome = client.registry.download(&repository(&server), &digest(), size as u64, &file).await;
    let mut read = String::new();
    std::io::Seek::rewind(&mut file).unwrap();
    file.read_to_string(&mut read).unwrap();
    expected.assert_eq(&story(&server, &client, outcome.map(|()| read)));
}

const LONG: Duration = Duration::from_secs(60);
const SHORT: Duration = Duration::from_millis(500);

#[tokio::test]
async fn a_blob_is_fetched_whole_or_not_at_all() {
    check_download(
        &[],
        CONTENT.len(),
        LONG,
        expect![[r#"
        what the blob holds
        GET /v2/app/blobs/DIGEST by nobody: 200"#]],
    )
    .await;
    check_download(
        &[Fault::Truncate],
        CONTENT.len(),
        LONG,
        expect![[r#"
        what the blob holds
        again: the answer of registry `HOST` ends early
        GET /v2/app/blobs/DIGEST by nobody: Truncate
        GET /v2/app/blobs/DIGEST by nobody: 200"#]],
    )
    .await;
    check_download(
        &[Fault::Close, Fault::Truncate],
        CONTENT.len(),
        LONG,
        expect![[r#"
        fetching `HOST/app@DIGEST`: the answer of registry `HOST` ends early
        again: registry `HOST` does not answer: connection closed before message completed
        GET /v2/app/blobs/DIGEST by nobody: Close
        GET /v2/app/blobs/DIGEST by nobody: Truncate"#]],
    )
    .await;
    check_download(
        &[Fault::Hang, Fault::Hang],
        CONTENT.len(),
        SHORT,
        expect![[r#"
        fetching `HOST/app@DIGEST`: registry `HOST` does not answer: no whole answer within 0.5s
        again: registry `HOST` does not answer: no whole answer within 0.5s
        GET /v2/app/blobs/DIGEST by nobody: Hang
        GET /v2/app/blobs/DIGEST by nobody: Hang"#]],
    )
    .await;
    check_download(
        &[Fault::Answer(404, "", "")],
        CONTENT.len(),
        LONG,
        expect![[r#"
        fetching `HOST/app@DIGEST`: registry `HOST` does not have it
        GET /v2/app/blobs/DIGEST by nobody: 404"#]],
    )
    .await;
}

#[tokio::test]
async fn another_blob_than_was_asked_for_is_refused() {
    check_download(&[Fault::Garble], CONTENT.len(), LONG, expect![[r#"
        fetching `HOST/app@DIGEST`: the answer of registry `HOST` is wrong: its digest is sha256:8f9766922130d8114a4187f9f71fa334ff978c8b691738dc0a080ce0278b36b7, not DIGEST
        GET /v2/app/blobs/DIGEST by nobody: Garble"#]]).await;
    check_download(
        &[],
        3,
        LONG,
        expect![[r#"
        fetching `HOST/app@DIGEST`: the answer of registry `HOST` is wrong: it is longer than 3 bytes
        GET /v2/app/blobs/DIGEST by nobody: 200"#]],
    )
    .await;
    check_download(
        &[],
        CONTENT.len() + 1,
        LONG,
        expect![[r#"
        fetching `HOST/app@DIGEST`: the answer of registry `HOST` ends early
        again: the answer of registry `HOST` ends early
        GET /v2/app/blobs/DIGEST by nobody: 200
        GET /v2/app/blobs/DIGEST by nobody: 200"#]],
    )
    .await;
}

async fn check_upload(lock: Lock, faults: &[Fault], others: &[&str], deadline: Duration, expected: Expect) {
    let server = Server::start(lock).await;
    server.fail(faults);
    let client = client(deadline);
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("blob");
    fs::write(&file, CONTENT).unwrap();
    let others: Vec<Repository> =
        others.iter().map(|name| name.replace("HOST", &server.address()).parse().unwrap()).collect();
    let size = CONTENT.len() as u64;
    let outcome = client.registry.upload(&repository(&server), &digest(), size, &file, &others).await;
    expected.assert_eq(&story(&server, &client, outcome.map(|how| format!("{how:?}"))));
}

const NOT_THERE: Fault = Fault::Answer(404, "", "");
const BEGUN: Fault = Fault::Answer(202, "Location: /v2/app/blobs/uploads/1?state=a%2Fb", "");

#[tokio::test]
async fn a_blob_is_sent_where_it_is_not_there() {
    check_upload(
        Lock::Open,
        &[NOT_THERE, BEGUN],
        &[],
        LONG,
        expect![[r#"
        Sent
        HEAD /v2/app/blobs/DIGEST by nobody: 404
        POST /v2/app/blobs/uploads/ by nobody: 202
        PUT /v2/app/blobs/uploads/1?state=a%2Fb&digest=DIGEST by nobody: 201"#]],
    )
    .await;
    check_upload(
        Lock::Open,
        &[Fault::Answer(200, "", "")],
        &["HOST/other"],
        LONG,
        expect![[r#"
        WasThere
        HEAD /v2/app/blobs/DIGEST by nobody: 200"#]],
    )
    .await;
    check_upload(
        Lock::TokenForAll,
        &[NOT_THERE, BEGUN],
        &[],
        LONG,
        expect![[r#"
        Sent
        HEAD /v2/app/blobs/DIGEST by nobody: 401
        GET /token?scope=repository%3Aapp%3Apull%2Cpush&service=the+service by nobody: 200
        HEAD /v2/app/blobs/DIGEST by Bearer: 404
        POST /v2/app/blobs/uploads/ by Bearer: 202
        PUT /v2/app/blobs/uploads/1?state=a%2Fb&digest=DIGEST by Bearer: 201"#]],
    )
    .await;
}

#[tokio::test]
async fn a_blob_of_another_repository_is_mounted_where_the_registry_lets_it() {
    let mounted = Fault::Answer(201, "", "");
    check_upload(
        Lock::Open,
        &[NOT_THERE, mounted],
        &["elsewhere.example/b", "HOST/app", "HOST/other"],
        LONG,
        expect![[r#"
            Mounted
            HEAD /v2/app/blobs/DIGEST by nobody: 404
            POST /v2/app/blobs/uploads/?mount=DIGEST&from=other by nobody: 201"#]],
    )
    .await;
    check_upload(
        Lock::Open,
        &[NOT_THERE, BEGUN],
        &["HOST/other"],
        LONG,
        expect![[r#"
        Sent
        HEAD /v2/app/blobs/DIGEST by nobody: 404
        POST /v2/app/blobs/uploads/?mount=DIGEST&from=other by nobody: 202
        PUT /v2/app/blobs/uploads/1?state=a%2Fb&digest=DIGEST by nobody: 201"#]],
    )
    .await;
    let refused = Fault::Answer(403, "", "");
    check_upload(
        Lock::Open,
        &[NOT_THERE, refused, BEGUN],
        &["HOST/other"],
        LONG,
        expect![[r#"
        Sent
        HEAD /v2/app/blobs/DIGEST by nobody: 404
        POST /v2/app/blobs/uploads/?mount=DIGEST&from=other by nobody: 403
        POST /v2/app/blobs/uploads/ by nobody: 202
        PUT /v2/app/blobs/uploads/1?state=a%2Fb&digest=DIGEST by nobody: 201"#]],
    )
    .await;
    check_upload(Lock::TokenForAll, &[NOT_THERE, mounted], &["HOST/other"], LONG, expect![[r#"
        Mounted
        HEAD /v2/app/blobs/DIGEST by nobody: 401
        GET /token?scope=repository%3Aapp%3Apull%2Cpush&service=the+service by nobody: 200
        HEAD /v2/app/blobs/DIGEST by Bearer: 404
        POST /v2/app/blobs/uploads/?mount=DIGEST&from=other by nobody: 401
        GET /token?scope=repository%3Aapp%3Apull%2Cpush&scope=repository%3Aother%3Apull&service=the+service by nobody: 200
        POST /v2/app/blobs/uploads/?mount=DIGEST&from=other by Bearer: 201"#]]).await;
}

#[tokio::test]
async fn a_registry_that_fails_in_the_middle_is_begun_with_again() {
    let broken = Fault::Answer(500, "", "");
    check_upload(
        Lock::Open,
        &[NOT_THERE, BEGUN, broken, NOT_THERE, BEGUN],
        &[],
        LONG,
        expect![[r#"
        Sent
        again: registry `HOST` fails: 500 Internal Server Error
        HEAD /v2/app/blobs/DIGEST by nobody: 404
        POST /v2/app/blobs/uploads/ by nobody: 202
        PUT /v2/app/blobs/uploads/1?state=a%2Fb&digest=DIGEST by nobody: 500
        HEAD /v2/app/blobs/DIGEST by nobody: 404
        POST /v2/app/blobs/uploads/ by nobody: 202
        PUT /v2/app/blobs/uploads/1?state=a%2Fb&digest=DIGEST by nobody: 201"#]],
    )
    .await;
    check_upload(
        Lock::Open,
        &[NOT_THERE, BEGUN, Fault::Hang, Fault::Hang],
        &[],
        SHORT,
        expect![[r#"
        pushing `HOST/app@DIGEST`: registry `HOST` does not answer: no whole answer within 0.5s
        again: registry `HOST` does not answer: no whole answer within 0.5s
        HEAD /v2/app/blobs/DIGEST by nobody: 404
        POST /v2/app/blobs/uploads/ by nobody: 202
        PUT /v2/app/blobs/uploads/1?state=a%2Fb&digest=DIGEST by nobody: Hang
        HEAD /v2/app/blobs/DIGEST by nobody: Hang"#]],
    )
    .await;
    check_upload(
        Lock::Open,
        &[NOT_THERE, Fault::Answer(202, "", "")],
        &[],
        LONG,
        expect![[r#"
        pushing `HOST/app@DIGEST`: the answer of registry `HOST` is wrong: it does not say where the blob goes
        HEAD /v2/app/blobs/DIGEST by nobody: 404
        POST /v2/app/blobs/uploads/ by nobody: 202"#]],
    )
    .await;
    let strange = Fault::Answer(202, "Location: file:///etc/passwd", "");
    check_upload(
        Lock::Open,
        &[NOT_THERE, strange],
        &[],
        LONG,
        expect![[r#"
        pushing `HOST/app@DIGEST`: the answer of registry `HOST` is wrong: the blob would go to an address of `file`
        HEAD /v2/app/blobs/DIGEST by nobody: 404
        POST /v2/app/blobs/uploads/ by nobody: 202"#]],
    )
    .await;
}
