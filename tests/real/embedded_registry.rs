//! Images of the embedded engine's store from a real registry and to it; skopeo says what is there.

use std::path::Path;
use std::process::Command;
use std::sync::Mutex;

use windlass::engine::embedded::beneath::Root;
use windlass::engine::embedded::images::{self, Image, ImageConfig, MediaTypes, Moved, pull, push};
use windlass::engine::embedded::layer::{Layer, MediaType, Overlay, write};
use windlass::engine::embedded::store::Store;
use windlass::model::{Platform, Reference};
use windlass::registry::{self, Brought, Keychain, Registry};

use crate::parts;
use crate::project::docker;
use crate::registry_images::{Images, digest_of, inspect, write_config};

fn client(keychain: Keychain) -> Registry {
    Registry::new(registry::Options::new(keychain), |retry| panic!("{retry:?}"))
}

fn store(folder: &Path) -> Store {
    Store::open(folder, Overlay::Trusted).unwrap()
}

fn reference(text: &str) -> Reference {
    format!("{}/embedded/{text}", parts::registry()).parse().unwrap()
}

/// An image of layers with a file each.
fn image(store: &Store, contents: &[&[u8]]) -> Image {
    let mut layers = Vec::new();
    for (n, content) in contents.iter().enumerate() {
        let scratch = store.scratch().unwrap();
        let root = Root::open(scratch.path()).unwrap();
        let mut file = root.create_file(Path::new(&format!("file-{n}")), 0o644).unwrap();
        std::io::Write::write_all(&mut file, content).unwrap();
        layers.push(write(scratch.path(), store, 1).unwrap());
    }
    images::save(store, &ImageConfig::scratch(&Platform::linux_amd64()), &layers).unwrap()
}

/// What was told, without the order in which it happened.
async fn pushed(registry: &Registry, store: &Store, image: &Image, to: &Reference) -> Vec<Brought> {
    let told = Mutex::new(Vec::new());
    let digest = push(registry, store, image, to, MediaTypes::Oci, &|moved: Moved| told.lock().unwrap().push(moved))
        .await
        .unwrap();
    assert_eq!(digest, image.manifest);
    let mut told = told.into_inner().unwrap();
    told.sort_by_key(|moved| moved.blob);
    let sizes: u64 = image.layers.iter().map(|layer| layer.size).sum();
    assert!(told.iter().map(|moved| moved.size).sum::<u64>() > sizes);
    told.into_iter().map(|moved| moved.how).collect()
}

/// skopeo fetches every blob, and checks it.
fn assert_serves(reference: &Reference, image: &Image) {
    assert_eq!(digest_of(&inspect(&reference.to_string(), &[])), image.manifest.to_string());
    let folder = tempfile::tempdir().unwrap();
    let output = Command::new("skopeo")
        .args(["--insecure-policy", "copy", "--src-tls-verify=false", &format!("docker://{reference}")])
        .arg(format!("dir:{}", folder.path().display()))
        .output()
        .unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    for layer in &image.layers {
        assert_eq!(folder.path().join(layer.blob.hex()).metadata().unwrap().len(), layer.size);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn blobs_are_sent_once_and_mounted_into_another_repository() {
    let place = tempfile::tempdir().unwrap();
    let store = store(place.path());
    // New at each run, as the registry may be the one of the last run.
    let salt = format!("{:?}", std::time::SystemTime::now());
    let first = image(&store, &[salt.as_bytes(), &[7; 3_000_000]]);
    let second = image(&store, &[salt.as_bytes(), b"second", salt.repeat(2).as_bytes()]);
    let registry = client(Keychain::empty());
    let here = reference("sent:1");
    let brought = pushed(&registry, &store, &first, &here).await;
    assert!(brought.iter().filter(|how| **how == Brought::Sent).count() >= 2, "{brought:?}");
    assert_serves(&here, &first);
    assert_eq!(pushed(&registry, &store, &first, &reference("sent:2")).await, [Brought::WasThere; 3]);
    let brought = pushed(&registry, &store, &first, &reference("mounted:1")).await;
    assert!(!brought.contains(&Brought::Sent), "{brought:?}");
    assert_serves(&reference("mounted:1"), &first);
    let brought = pushed(&registry, &store, &second, &here).await;
    assert!(brought.contains(&Brought::WasThere), "{brought:?}");
    assert_serves(&here, &second);

    let other = tempfile::tempdir().unwrap();
    let other = self::store(other.path());
    let told = Mutex::new(0);
    let platform = Platform::linux_amd64();
    let back = pull(&registry, &other, &here, &platform, &|_| *told.lock().unwrap() += 1).await.unwrap();
    assert_eq!((back.clone(), *told.lock().unwrap()), (second.clone(), 4));
    for layer in &second.layers {
        assert!(other.unpacked(layer).unwrap().is_dir());
    }
    // What a digest stands for does not change: nobody is asked.
    let by_digest = here.repository().with_digest(second.manifest);
    pull(&registry, &other, &by_digest, &platform, &|_| {}).await.unwrap();
    let nobody: Reference = format!("127.0.0.1:1/embedded/sent@{}", second.manifest).parse().unwrap();
    assert_eq!(pull(&registry, &other, &nobody, &platform, &|_| panic!("asked")).await.unwrap(), back);
}

#[tokio::test(flavor = "multi_thread")]
async fn images_of_others_are_pulled_by_platform_and_pushed_as_they_are() {
    let place = tempfile::tempdir().unwrap();
    let store = store(place.path());
    let registry = client(Keychain::empty());
    for (name, arguments) in [("foreign:oci", &[][..]), ("foreign:docker", &["--format", "v2s2"][..])] {
        let from = reference(name);
        let arguments = [&["--dest-tls-verify=false"], arguments].concat();
        Images::make(&["arm64", "amd64"]).copy_to(&format!("docker://{from}"), &arguments);
        let image = pull(&registry, &store, &from, &Platform::linux_amd64(), &|_| {}).await.unwrap();
        assert_eq!(image.config.config.labels["for"], "amd64");
        assert_eq!(image.config.platform(), Platform::linux_amd64());
        let [Layer { media_type, .. }] = &image.layers[..] else { panic!("{:?}", image.layers) };
        assert!(matches!(media_type, MediaType::Tar | MediaType::Gzip));
        let folder = store.unpacked(&image.layers[0]).unwrap();
        assert_eq!(std::fs::read_to_string(folder.join("for")).unwrap(), "amd64");
        let to = reference("pushed-on:1");
        pushed(&registry, &store, &image, &to).await;
        assert_serves(&to, &image);
        let error = pull(&registry, &store, &from, &"linux/s390x".parse().unwrap(), &|_| {}).await.unwrap_err();
        assert_eq!(error.to_string(), format!("there is no image `{from}` for linux/s390x"));
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_image_in_dockers_words_has_the_same_blobs() {
    let place = tempfile::tempdir().unwrap();
    let store = store(place.path());
    let registry = client(Keychain::empty());
    let image = image(&store, &[b"one", b"two"]);
    let to = reference("words:docker");
    let digest = push(&registry, &store, &image, &to, MediaTypes::Docker, &|_| {}).await.unwrap();
    assert_ne!(digest, image.manifest);
    let raw: serde_json::Value = serde_json::from_slice(&inspect(&to.to_string(), &[])).unwrap();
    assert_eq!(raw["mediaType"], "application/vnd.docker.distribution.manifest.v2+json");
    assert_eq!(raw["config"]["mediaType"], "application/vnd.docker.container.image.v1+json");
    assert_eq!(raw["config"]["digest"], image.id.to_string());
    for (layer, expected) in raw["layers"].as_array().unwrap().iter().zip(&image.layers) {
        assert!(layer["mediaType"].as_str().unwrap().starts_with("application/vnd.docker.image.rootfs.diff.tar."));
        assert_eq!(layer["digest"], expected.blob.to_string());
    }
    // Docker itself takes it.
    let pulled = docker(&["pull", "--quiet", &to.to_string()]);
    assert!(pulled.contains("words:docker"), "{pulled}");
    assert_eq!(docker(&["image", "inspect", "--format", "{{.Id}}", &to.to_string()]).trim(), image.id.to_string());
    docker(&["image", "rm", &to.to_string()]);
}

#[tokio::test(flavor = "multi_thread")]
async fn zstd_layers_of_others_are_unpacked() {
    let place = tempfile::tempdir().unwrap();
    let store = store(place.path());
    let from = reference("zstd:1");
    let arguments = ["--dest-tls-verify=false", "--dest-compress-format", "zstd", "--format", "oci"];
    Images::make(&["amd64"]).copy_to(&format!("docker://{from}"), &arguments);
    let image = pull(&client(Keychain::empty()), &store, &from, &Platform::linux_amd64(), &|_| {}).await.unwrap();
    let folder = store.unpacked(&image.layers[0]).unwrap();
    assert_eq!(std::fs::read_to_string(folder.join("for")).unwrap(), "amd64");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_registry_with_a_password_takes_blobs_from_who_knows_it() {
    let (host, user, password) = parts::registry_auth();
    let place = tempfile::tempdir().unwrap();
    let store = store(&place.path().join("store"));
    let image = image(&store, &[b"secret"]);
    let file = place.path().join("config.json");
    write_config(&file, &host, &user, &password);
    let registry = client(Keychain::load(&file).unwrap());
    for name in ["locked", "locked-too"] {
        let to: Reference = format!("{host}/embedded/{name}:1").parse().unwrap();
        pushed(&registry, &store, &image, &to).await;
        assert_eq!(registry.digest_of(&to).await.unwrap(), Some(image.manifest));
    }
    let to: Reference = format!("{host}/embedded/nobody:1").parse().unwrap();
    let error = push(&client(Keychain::empty()), &store, &image, &to, MediaTypes::Oci, &|_| {}).await.unwrap_err();
    assert!(matches!(error.downcast_ref(), Some(registry::Error::Unauthorized { .. })), "{error:?}");
}
