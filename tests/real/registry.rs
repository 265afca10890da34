//! The registry client against Debian's docker-registry, with skopeo as the oracle.

use std::path::Path;

use expect_test::expect;
use windlass::model::{Platform, Reference};
use windlass::registry::{Error, Keychain, Options, Registry};

use crate::parts;
use crate::registry_images::{Images, digest_of, inspect, write_config};

fn client(keychain: Keychain) -> Registry {
    Registry::new(Options::new(keychain), |retry| panic!("it had to be tried again: {retry:?}"))
}

fn reference(name: &str) -> Reference {
    format!("{}/registry-test/{name}", parts::registry()).parse().unwrap()
}

/// Looks `name` up for a platform, compares with what skopeo finds, and returns the label that names the image.
async fn check_look_up(name: &str, platform: &str) -> Option<String> {
    let reference = reference(name);
    let found = client(Keychain::empty()).look_up(&reference, &platform.parse().unwrap()).await.unwrap()?;
    let digest = client(Keychain::empty()).digest_of(&reference).await.unwrap();
    assert_eq!(Some(found.digest), digest);
    assert_eq!(found.digest.to_string(), digest_of(&inspect(&reference.to_string(), &[])));
    let by_digest = reference.repository().with_digest(found.manifest).to_string();
    assert_eq!(found.manifest.to_string(), digest_of(&inspect(&by_digest, &[])));
    let config = inspect(&by_digest, &["--config"]);
    assert_eq!(found.id.to_string(), digest_of(&config));
    let config: serde_json::Value = serde_json::from_slice(&config).unwrap();
    assert_eq!(serde_json::to_value(&found.labels).unwrap(), config["config"]["Labels"]);
    Some(found.labels["for"].clone())
}

#[tokio::test]
async fn images_are_found_as_skopeo_finds_them() {
    let target = |name: &str| format!("docker://{}", reference(name));
    Images::make(&["amd64"]).copy_to(&target("single:oci"), &["--dest-tls-verify=false"]);
    Images::make(&["amd64"]).copy_to(&target("single:v2s2"), &["--dest-tls-verify=false", "--format=v2s2"]);
    let both = Images::make(&["arm64", "amd64"]);
    both.copy_to(&target("multi:oci"), &["--dest-tls-verify=false"]);
    both.copy_to(&target("multi:v2s2"), &["--dest-tls-verify=false", "--format=v2s2"]);
    for (name, platform, expected) in [
        ("single:oci", "linux/amd64", Some("amd64")),
        ("single:oci", "linux/arm64", None),
        ("single:v2s2", "linux/amd64", Some("amd64")),
        ("multi:oci", "linux/amd64", Some("amd64")),
        ("multi:oci", "linux/arm64", Some("arm64")),
        ("multi:oci", "linux/riscv64", None),
        ("multi:v2s2", "linux/arm64", Some("arm64")),
        ("multi:none", "linux/amd64", None),
        ("none:none", "linux/amd64", None),
    ] {
        assert_eq!(check_look_up(name, platform).await.as_deref(), expected, "{name} for {platform}");
    }
    assert_eq!(client(Keychain::empty()).exists(&reference("multi:none")).await, Ok(false));
    assert_eq!(client(Keychain::empty()).exists(&reference("none")).await, Ok(false));
}

#[tokio::test]
async fn a_tag_moves_with_its_very_bytes() {
    let registry = client(Keychain::empty());
    for (kind, architectures) in [("single", &["amd64"][..]), ("multi", &["amd64", "arm64"][..])] {
        for format in ["oci", "v2s2"] {
            let name = |tag: &str| reference(&format!("move-{kind}-{format}:{tag}"));
            let arguments = ["--dest-tls-verify=false", &format!("--format={format}")];
            Images::make(architectures).copy_to(&format!("docker://{}", name("testing")), &arguments);
            Images::make(&["s390x"]).copy_to(&format!("docker://{}", name("latest")), &arguments);
            let tested = registry.digest_of(&name("testing")).await.unwrap().unwrap();
            let former = registry.digest_of(&name("latest")).await.unwrap().unwrap();
            let repository = name("latest").repository().clone();

            registry.retag(&repository, former, &"previous".parse().unwrap()).await.unwrap();
            registry.retag(&repository, tested, &"latest".parse().unwrap()).await.unwrap();
            registry.retag(&repository, tested, &"latest".parse().unwrap()).await.unwrap();

            let bytes = |tag| inspect(&name(tag).to_string(), &[]);
            assert_eq!(bytes("latest"), bytes("testing"));
            for (tag, digest) in [("latest", tested), ("testing", tested), ("previous", former)] {
                assert_eq!(registry.digest_of(&name(tag)).await, Ok(Some(digest)), "{tag} of {kind} {format}");
                assert_eq!(digest_of(&bytes(tag)), digest.to_string());
            }
        }
    }
    let nothing = digest_of(b"nothing").parse().unwrap();
    let repository = reference("move-single-oci").repository().clone();
    let error = registry.retag(&repository, nothing, &"latest".parse().unwrap()).await.unwrap_err();
    assert!(matches!(error, Error::NotFound { .. }), "{error}");
}

#[tokio::test]
async fn a_registry_with_passwords_is_opened_by_the_right_one() {
    let (host, user, password) = parts::registry_auth();
    let name = format!("{host}/registry-test/locked:1");
    let credentials = format!("{user}:{password}");
    let images = Images::make(&["amd64"]);
    images.copy_to(&format!("docker://{name}"), &["--dest-tls-verify=false", "--dest-creds", &credentials]);
    let reference: Reference = name.parse().unwrap();
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("config.json");
    let platform: Platform = "linux/amd64".parse().unwrap();

    write_config(&file, &host, &user, &password);
    let registry = client(Keychain::load(&file).unwrap());
    let found = registry.look_up(&reference, &platform).await.unwrap().unwrap();
    assert_eq!(found.digest.to_string(), digest_of(&inspect(&name, &["--creds", &credentials])));
    registry.retag(reference.repository(), found.digest, &"2".parse().unwrap()).await.unwrap();
    let moved = reference.repository().with_tag(&"2".parse().unwrap());
    assert_eq!(registry.digest_of(&moved).await, Ok(Some(found.digest)));

    let told = |error: Error| format!("{error}\n{}", error.hint().unwrap()).replace(&host, "HOST");
    let error = client(Keychain::load(Path::new("/nonexistent")).unwrap()).digest_of(&reference).await.unwrap_err();
    expect![[r#"
        looking up `HOST/registry-test/locked:1`: registry `HOST` does not allow it: 401 Unauthorized
        log in with `docker login HOST`"#]]
    .assert_eq(&told(error));
    write_config(&file, &host, &user, "wrong");
    let error = client(Keychain::load(&file).unwrap()).look_up(&reference, &platform).await.unwrap_err();
    expect![[r#"
        reading `HOST/registry-test/locked:1`: registry `HOST` does not allow it: 401 Unauthorized: authentication required
        the credentials at hand do not suffice: log in with `docker login HOST` as somebody who may"#]].assert_eq(&told(error));
}
