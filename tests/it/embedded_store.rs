//! The store of the embedded engine: images, names, what is remembered, and what killed processes leave.

use std::fs;
use std::path::Path;

use expect_test::expect;
use windlass::engine::embedded::beneath::{Attributes, Root};
use windlass::engine::embedded::images::{self, History, ImageConfig};
use windlass::engine::embedded::layer::{Layer, MediaType, Overlay, write};
use windlass::engine::embedded::store::Store;
use windlass::model::{Digest, Platform};

fn open(folder: &Path) -> Store {
    Store::open(&folder.join("store"), Overlay::User).unwrap()
}

fn layer(store: &Store, text: &str) -> Layer {
    let scratch = store.scratch().unwrap();
    fs::write(scratch.path().join("file"), text).unwrap();
    let attributes = Attributes { owner: (0, 0), mode: 0o644, mtime: 0 };
    Root::open(scratch.path()).unwrap().set_attributes(Path::new("file"), &attributes).unwrap();
    write(scratch.path(), store, 1).unwrap()
}

fn config() -> ImageConfig {
    let mut config = ImageConfig::scratch(&Platform::linux_amd64());
    config.created = Some("1970-01-01T00:00:01Z".to_owned());
    config.config.env = vec!["PATH=/bin".to_owned()];
    config.config.cmd = Some(vec!["/bin/sh".to_owned()]);
    config.config.exposed_ports = [("80/tcp".to_owned(), images::Empty {})].into();
    config.history = vec![
        History { created_by: Some("COPY file /".to_owned()), ..History::default() },
        History { created_by: Some("CMD /bin/sh".to_owned()), empty_layer: true, ..History::default() },
    ];
    config
}

#[test]
fn an_image_is_read_as_it_was_saved() {
    let place = tempfile::tempdir().unwrap();
    let store = open(place.path());
    let layers = [layer(&store, "a")];
    let saved = images::save(&store, &config(), &layers).unwrap();
    assert_eq!(images::load(&store, saved.manifest).unwrap(), saved);
    assert_eq!(images::save(&store, &config(), &layers).unwrap(), saved);
    assert_eq!(store.by_id(&saved.id).unwrap(), Some(saved.manifest));
    let text = |digest: &Digest| String::from_utf8(store.blob(digest).unwrap().unwrap()).unwrap();
    expect![[r#"{"schemaVersion":2,"mediaType":"application/vnd.oci.image.manifest.v1+json","config":{"mediaType":"application/vnd.oci.image.config.v1+json","digest":"sha256:847e2c5fb62316cc3e39cd3624abfa6c0281967ff6ff08a0b36daec3833d931a","size":351},"layers":[{"mediaType":"application/vnd.oci.image.layer.v1.tar+gzip","digest":"sha256:023bb11011552c463e374e27990a45c887f2c467d4524435e595f569eb0c2042","size":83}]}"#]].assert_eq(&text(saved.manifest.digest()));
    expect![[r#"{"created":"1970-01-01T00:00:01Z","architecture":"amd64","os":"linux","config":{"ExposedPorts":{"80/tcp":{}},"Env":["PATH=/bin"],"Cmd":["/bin/sh"]},"rootfs":{"type":"layers","diff_ids":["sha256:0d9d3ce8f660b6a897cde304feb7f50952b7d3d138dcdeefe1ef4b9b22d25f9d"]},"history":[{"created_by":"COPY file /"},{"created_by":"CMD /bin/sh","empty_layer":true}]}"#]].assert_eq(&text(saved.id.digest()));
    let error = images::save(&store, &config(), &[]).unwrap_err();
    expect!["the history of an image tells of 1 layers, and it has 0"].assert_eq(&error.to_string());
}

#[test]
fn a_name_stands_for_one_image_until_it_is_taken_away() {
    let place = tempfile::tempdir().unwrap();
    let store = open(place.path());
    let first = images::save(&store, &config(), &[layer(&store, "a")]).unwrap().manifest;
    let second = images::save(&store, &config(), &[layer(&store, "b")]).unwrap().manifest;
    let name = "acme/api".parse().unwrap();
    assert_eq!(store.find(&name).unwrap(), None);
    store.name(&name, first).unwrap();
    store.name(&name, second).unwrap();
    store.name(&"acme/api:1".parse().unwrap(), first).unwrap();
    assert_eq!(store.find(&"docker.io/acme/api:latest".parse().unwrap()).unwrap(), Some(second));
    let by_digest = |digest| format!("other/name@{digest}").parse().unwrap();
    assert_eq!(store.find(&by_digest(first)).unwrap(), Some(first));
    let absent = windlass::model::ImageDigest::new(Digest::from_bytes([1; 32]));
    assert_eq!(store.find(&by_digest(absent)).unwrap(), None);
    store.unname(&name).unwrap();
    store.unname(&name).unwrap();
    assert_eq!(store.find(&name).unwrap(), None);
    assert_eq!(store.find(&"acme/api:1".parse().unwrap()).unwrap(), Some(first));
}

#[test]
fn what_is_remembered_comes_back_whole_or_not_at_all() {
    let place = tempfile::tempdir().unwrap();
    let store = open(place.path());
    let key = Digest::from_bytes([7; 32]);
    assert_eq!(store.cached(&key).unwrap(), None);
    for value in [&b"one"[..], b"", b"two"] {
        store.remember(&key, value).unwrap();
        assert_eq!(store.cached(&key).unwrap().as_deref(), Some(value));
    }
    let file = place.path().join("store/cache").join(key.hex());
    for length in [0, 10, 33] {
        let whole = fs::read(&file).unwrap();
        fs::write(&file, &whole[..length]).unwrap();
        assert_eq!(store.cached(&key).unwrap(), None, "{length}");
        fs::write(&file, whole).unwrap();
    }
    let blob = store.put_blob(b"whole").unwrap();
    fs::write(store.blob_path(&blob), b"wrong").unwrap();
    assert_eq!(store.blob(&blob).unwrap(), None);
}

#[test]
fn a_layer_is_unpacked_from_its_blob_and_taken_over_as_a_folder() {
    let place = tempfile::tempdir().unwrap();
    let store = open(place.path());
    let layer = layer(&store, "text");
    let folder = store.unpacked(&layer).unwrap();
    assert_eq!(fs::read_to_string(folder.join("file")).unwrap(), "text");
    assert_eq!(folder.file_name().unwrap().to_str().unwrap(), &layer.diff_id.hex()[..24]);
    let scratch = store.scratch().unwrap();
    let again = scratch.path().join("again");
    fs::create_dir(&again).unwrap();
    assert_eq!(store.adopt(&again, &layer).unwrap(), folder);
    assert!(!again.exists());
    assert_eq!(fs::read_to_string(folder.join("file")).unwrap(), "text");

    let wrong = Layer { diff_id: Digest::from_bytes([1; 32]), ..layer };
    let error = format!("{:#}", store.unpacked(&wrong).unwrap_err());
    let hex = "01".repeat(32);
    let told = format!("unpacking the layer `sha256:{hex}`: the archive has the digest `{}`", layer.diff_id);
    assert_eq!(error, told);
    let absent =
        Layer { blob: wrong.diff_id, diff_id: Digest::from_bytes([2; 32]), media_type: MediaType::Tar, size: 1 };
    assert!(store.unpacked(&absent).is_err());
    assert!(store.has_blob(&layer).unwrap() && !store.has_blob(&absent).unwrap());
}

#[test]
fn a_scratch_folder_goes_when_it_is_dropped_and_no_other_run_takes_it_before() {
    let place = tempfile::tempdir().unwrap();
    let store = open(place.path());
    let scratch = store.scratch().unwrap();
    let left = place.path().join("store/scratch/1-1");
    // Closed to its owner, and deeper than any path is long.
    fs::create_dir(&left).unwrap();
    let mut deep = rustix::fs::open(&left, rustix::fs::OFlags::PATH, rustix::fs::Mode::empty()).unwrap();
    for _ in 0..3000 {
        rustix::fs::mkdirat(&deep, "deeper", rustix::fs::Mode::RWXU).unwrap();
        let inner = rustix::fs::openat(&deep, "deeper", rustix::fs::OFlags::PATH, rustix::fs::Mode::empty()).unwrap();
        deep = inner;
    }
    rustix::fs::chmod(&left, rustix::fs::Mode::empty()).unwrap();
    let other = open(place.path());
    assert!(!left.exists());
    assert!(scratch.path().is_dir());
    let path = scratch.path().to_owned();
    drop(scratch);
    assert!(!path.exists());
    drop((store, other));
    assert_eq!(fs::read_dir(place.path().join("store/scratch")).unwrap().count(), 0);
}
