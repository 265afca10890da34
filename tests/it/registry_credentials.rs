//! Who we are to which registry, by Docker's file and by helper programs.

use std::fs;
use std::path::Path;
use std::time::Duration;

use expect_test::expect;
use windlass::registry::{Credentials, Error, Helpers, Keychain};

fn keychain(text: &str) -> Keychain {
    Keychain::parse(text, Path::new("/home/me/.docker/config.json")).unwrap()
}

/// Everything a test may see of credentials: their `Debug` hides the secret, this does not.
fn spelt(credentials: &Credentials) -> String {
    match credentials {
        Credentials::Anonymous => "anonymous".to_owned(),
        Credentials::Password { username, password } => format!("{username} with {password}"),
        Credentials::IdentityToken(token) => format!("identity {token}"),
        Credentials::RegistryToken(token) => format!("token {token}"),
    }
}

async fn check(text: &str, registry: &str, expected: &str) {
    let credentials = keychain(text).credentials_for(registry).await.unwrap();
    assert_eq!(spelt(&credentials), expected, "{registry} in {text}");
}

fn told(error: &Error) -> String {
    format!("{error}\n{}", error.hint().unwrap_or_default())
}

#[tokio::test]
async fn entries_are_found_as_docker_finds_them() {
    // base64 of `me:pa:ss`.
    let me = r#""auth": "bWU6cGE6c3M=""#;
    for (key, registry) in [
        ("ghcr.io", "ghcr.io"),
        ("https://ghcr.io", "ghcr.io"),
        ("http://ghcr.io/v1/", "ghcr.io"),
        ("127.0.0.1:5000", "127.0.0.1:5000"),
        ("[::1]:5000", "[::1]:5000"),
        ("https://index.docker.io/v1/", "docker.io"),
        ("docker.io", "docker.io"),
        ("https://registry-1.docker.io/v2/", "docker.io"),
    ] {
        check(&format!(r#"{{"auths": {{"{key}": {{{me}}}}}}}"#), registry, "me with pa:ss").await;
    }
    for (key, registry) in [("ghcr.io", "ghcr.io.example"), ("127.0.0.1:5000", "127.0.0.1:5001"), ("a.b", "docker.io")]
    {
        check(&format!(r#"{{"auths": {{"{key}": {{{me}}}}}}}"#), registry, "anonymous").await;
    }
    let both = format!(r#"{{"auths": {{"https://a.b/v1": {{"username": "no"}}, "a.b": {{{me}}}}}}}"#);
    check(&both, "a.b", "me with pa:ss").await;
}

#[tokio::test]
async fn entries_say_who_we_are_in_several_ways() {
    for (entry, expected) in [
        (r#"{"username": "me", "password": "p"}"#, "me with p"),
        (r#"{"auth": "bWU6cABwAAA="}"#, "me with p\0p"),
        (r#"{"auth": "", "username": "me", "password": "p"}"#, "me with p"),
        (r#"{"auth": "bWU6", "identitytoken": "t"}"#, "identity t"),
        (r#"{"registrytoken": "t", "identitytoken": "u"}"#, "token t"),
        (r#"{"email": "me@example.org", "of_the_future": {}}"#, "anonymous"),
        ("{}", "anonymous"),
        ("null", "anonymous"),
    ] {
        check(&format!(r#"{{"auths": {{"a.b": {entry}}}, "HttpHeaders": {{}}}}"#), "a.b", expected).await;
    }
    for empty in ["", " \n", "{}", r#"{"auths": null, "credHelpers": null, "credsStore": ""}"#] {
        check(empty, "a.b", "anonymous").await;
    }
}

#[test]
fn nothing_secret_is_shown() {
    let all = [
        Credentials::Anonymous,
        Credentials::Password { username: "me".to_owned(), password: "hunter2".to_owned() },
        Credentials::IdentityToken("hunter2".to_owned()),
        Credentials::RegistryToken("hunter2".to_owned()),
    ];
    expect![[r#"[Anonymous, Password("me", …), IdentityToken(…), RegistryToken(…)]"#]].assert_eq(&format!("{all:?}"));
    let keychain = keychain(r#"{"auths": {"a.b": {"username": "me", "password": "hunter2"}}}"#);
    expect![[r#"Keychain("/home/me/.docker/config.json": ["a.b"])"#]].assert_eq(&format!("{keychain:?}"));
}

#[test]
fn a_file_that_cannot_be_understood_is_named_and_not_quoted() {
    for (text, expected) in [
        ("{\n  oops", expect!["`c.json` holds no readable credentials: no JSON at line 2, column 3"]),
        (
            "{\n \"auths\": \"hunter2\"}",
            expect!["`c.json` holds no readable credentials: a value of the wrong type at line 2, column 19"],
        ),
        ("[]", expect!["`c.json` holds no readable credentials: a value of the wrong type at line 1, column 2"]),
    ] {
        expected.assert_eq(&Keychain::parse(text, Path::new("c.json")).unwrap_err().to_string());
    }
}

#[tokio::test]
async fn a_bad_entry_fails_only_its_registry() {
    for (auth, expected) in [
        (
            "###",
            expect![
                "`/home/me/.docker/config.json` holds no readable credentials: the entry for `a.b` has an `auth` that is no base64"
            ],
        ),
        (
            "bWU=",
            expect![
                "`/home/me/.docker/config.json` holds no readable credentials: the entry for `a.b` has an `auth` without a colon"
            ],
        ),
        (
            "/w==",
            expect![
                "`/home/me/.docker/config.json` holds no readable credentials: the entry for `a.b` has an `auth` that is no UTF-8"
            ],
        ),
    ] {
        let keychain = keychain(&format!(r#"{{"auths": {{"a.b": {{"auth": "{auth}"}}}}}}"#));
        expected.assert_eq(&keychain.credentials_for("a.b").await.unwrap_err().to_string());
        assert_eq!(keychain.credentials_for("c.d").await, Ok(Credentials::Anonymous));
    }
}

#[tokio::test]
async fn a_file_is_loaded_where_there_is_one() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("config.json");
    assert_eq!(Keychain::load(&file).unwrap().credentials_for("a.b").await, Ok(Credentials::Anonymous));
    fs::write(&file, r#"{"auths": {"a.b": {"registrytoken": "t"}}}"#).unwrap();
    let found = Keychain::load(&file).unwrap().credentials_for("a.b").await;
    assert_eq!(found, Ok(Credentials::RegistryToken("t".to_owned())));
    assert!(matches!(Keychain::load(folder.path()), Err(Error::CredentialsFile { .. })));
}

/// The folder of `docker-credential-test`, which answers by the server that it is asked for. It lies there ready, as
/// a program that was only just written may still be open for writing in a process that another test starts.
const HELPERS: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/it/registry_helpers");

async fn ask_helper(config: &str, registry: &str, limit: Duration) -> Result<Credentials, Error> {
    let search_path = Some(format!("{HELPERS}:/usr/bin:/bin").into());
    keychain(config).with_helpers(Helpers { search_path, limit }).credentials_for(registry).await
}

const MINUTE: Duration = Duration::from_secs(60);
const STORE: &str = r#"{"credsStore": "test", "auths": {"a.b": {"username": "not", "password": "asked"}}}"#;

#[tokio::test]
async fn helpers_are_asked_before_the_file() {
    let own = r#"{"credsStore": "missing", "credHelpers": {"a.b": "test", "https://index.docker.io/v1/": "test"}}"#;
    let overruled = r#"{"credsStore": "test", "credHelpers": {"a.b": ""}, "auths": {"a.b": {"registrytoken": "t"}}}"#;
    for (config, registry, expected) in [
        (STORE, "a.b", "get with secret of a.b"),
        (STORE, "docker.io", "get with secret of https://index.docker.io/v1/"),
        (own, "a.b", "get with secret of a.b"),
        (own, "docker.io", "get with secret of https://index.docker.io/v1/"),
        (overruled, "a.b", "token t"),
        (STORE, "token.example", "identity t"),
        (STORE, "empty.example", "anonymous"),
        (STORE, "unknown.example", "anonymous"),
    ] {
        let credentials = ask_helper(config, registry, MINUTE).await.unwrap();
        assert_eq!(spelt(&credentials), expected, "{registry} in {config}");
    }
}

#[tokio::test]
async fn a_helper_that_fails_is_named() {
    for (registry, limit, expected) in [
        (
            "locked.example",
            MINUTE,
            expect![[r#"
            `docker-credential-test` gives no credentials for `locked.example`: the vault is locked, see https://x.example
            `/home/me/.docker/config.json` names this helper: install or mend `docker-credential-test`, or take its name out"#]],
        ),
        (
            "leaking.example",
            MINUTE,
            expect![[r#"
            `docker-credential-test` gives no credentials for `leaking.example`: it failed
            `/home/me/.docker/config.json` names this helper: install or mend `docker-credential-test`, or take its name out"#]],
        ),
        (
            "silent.example",
            MINUTE,
            expect![[r#"
            `docker-credential-test` gives no credentials for `silent.example`: it failed
            `/home/me/.docker/config.json` names this helper: install or mend `docker-credential-test`, or take its name out"#]],
        ),
        (
            "nonsense.example",
            MINUTE,
            expect![[r#"
            `docker-credential-test` gives no credentials for `nonsense.example`: its answer is no credentials
            `/home/me/.docker/config.json` names this helper: install or mend `docker-credential-test`, or take its name out"#]],
        ),
        (
            "endless.example",
            MINUTE,
            expect![[r#"
            `docker-credential-test` gives no credentials for `endless.example`: it failed
            `/home/me/.docker/config.json` names this helper: install or mend `docker-credential-test`, or take its name out"#]],
        ),
        (
            "hanging.example",
            Duration::from_millis(200),
            expect![[r#"
            `docker-credential-test` gives no credentials for `hanging.example`: it did not end within 0.2s
            `/home/me/.docker/config.json` names this helper: install or mend `docker-credential-test`, or take its name out"#]],
        ),
    ] {
        expected.assert_eq(&told(&ask_helper(STORE, registry, limit).await.unwrap_err()));
    }
}

#[tokio::test]
async fn a_helper_that_cannot_be_run_is_named() {
    for (config, expected) in [
        (
            r#"{"credHelpers": {"a.b": "missing"}}"#,
            expect![[r#"
            `docker-credential-missing` gives no credentials for `a.b`: it is not installed
            `/home/me/.docker/config.json` names this helper: install or mend `docker-credential-missing`, or take its name out"#]],
        ),
        (
            r#"{"credsStore": "../../evil"}"#,
            expect![[r#"
            `docker-credential-../../evil` gives no credentials for `a.b`: the name of a helper holds no `/`
            `/home/me/.docker/config.json` names this helper: install or mend `docker-credential-../../evil`, or take its name out"#]],
        ),
    ] {
        expected.assert_eq(&told(&ask_helper(config, "a.b", MINUTE).await.unwrap_err()));
    }
}
