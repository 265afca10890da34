//! The store of the embedded engine: images, names, what is remembered, and what killed processes leave.

use std::fs::{self, File};
use std::path::Path;
use std::time::{Duration, SystemTime};

use expect_test::expect;
use windlass::engine::embedded::beneath::{Attributes, Root};
use windlass::engine::embedded::images::{self, History, ImageConfig};
use windlass::engine::embedded::layer::{Layer, MediaType, Overlay, write};
use windlass::engine::embedded::store::{GcLimits, Store};
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

const LONG_AGO: Duration = Duration::from_secs(1_000_000_000);
const DAY: Duration = Duration::from_secs(86_400);

/// Makes all files of a store look as if they had been used long ago.
fn age(folder: &Path) {
    for part in ["blobs/sha256", "names", "ids", "cache", "origins", "locks"] {
        for entry in fs::read_dir(folder.join("store").join(part)).unwrap() {
            let file = File::options().read(true).open(entry.unwrap().path()).unwrap();
            file.set_modified(SystemTime::UNIX_EPOCH + LONG_AGO).unwrap();
        }
    }
}

/// The day after tomorrow of what was made just now.
fn later() -> SystemTime {
    SystemTime::UNIX_EPOCH + LONG_AGO + 2 * DAY
}

fn n_files(folder: &Path, part: &str) -> usize {
    fs::read_dir(folder.join("store").join(part)).unwrap().count()
}

#[test]
fn what_nobody_used_goes_and_what_a_name_stands_for_stays() {
    let place = tempfile::tempdir().unwrap();
    let [named, old] = ["acme/named", "acme/old"].map(|name| name.parse().unwrap());
    let store = open(place.path());
    let layers = ["a", "b", "c"].map(|text| layer(&store, text));
    let images = layers.each_ref().map(|layer| images::save(&store, &config(), std::slice::from_ref(layer)).unwrap());
    store.name(&named, images[0].manifest).unwrap();
    store.name(&old, images[1].manifest).unwrap();
    store.unpacked(&layers[0]).unwrap();
    store.remember(&images[2].id.digest().to_owned(), b"value").unwrap();
    drop(store);
    age(place.path());

    let store = open(place.path());
    assert_eq!(store.find(&named).unwrap(), Some(images[0].manifest));
    let limits = GcLimits { unused_for: Some(DAY), bytes: None };
    let collected = store.gc(&limits, later()).unwrap();
    assert_eq!(collected.names, ["docker.io/acme/old:latest"]);
    assert!(collected.removed > 0 && collected.kept > 0);
    assert_eq!(
        ["blobs/sha256", "names", "ids", "cache", "layers-user"].map(|part| n_files(place.path(), part)),
        [3, 1, 1, 0, 0]
    );
    assert_eq!(images::load(&store, images[0].manifest).unwrap(), images[0]);
    assert!(store.unpacked(&layers[0]).unwrap().is_dir());
    assert!(images::load(&store, images[1].manifest).is_err());
    store.remember(images[2].id.digest(), b"value").unwrap();
    drop(store);
    age(place.path());

    let store = open(place.path());
    let limits = GcLimits { unused_for: None, bytes: Some(u64::MAX) };
    assert_eq!(store.gc(&limits, later()).unwrap().removed, 0);
    let collected = store.gc(&GcLimits { bytes: Some(0), ..limits }, later()).unwrap();
    assert_eq!((collected.kept, collected.names), (0, vec!["docker.io/acme/named:latest".to_owned()]));
    assert_eq!(
        ["blobs/sha256", "names", "ids", "cache", "layers-user"].map(|part| n_files(place.path(), part)),
        [0; 5]
    );
}

#[test]
fn cache_mounts_and_layers_of_other_users_go_too() {
    let place = tempfile::tempdir().unwrap();
    let store = open(place.path());
    fs::write(store.cache_mount("old").unwrap().path().join("file"), "text").unwrap();
    drop(store.private_cache_mount("new").unwrap());
    let shared = layer(&store, "a");
    store.in_form(Overlay::Trusted).unpacked(&shared).unwrap();
    store.unpacked(&shared).unwrap();
    drop(store);
    age(place.path());

    let store = open(place.path());
    let in_use = store.private_cache_mount("new").unwrap();
    let limits = GcLimits { unused_for: Some(DAY), bytes: Some(0) };
    store.gc(&limits, later()).unwrap();
    assert!(in_use.path().is_dir());
    assert_eq!(
        ["mounts", "locks", "layers", "layers-user", "blobs/sha256"].map(|part| n_files(place.path(), part)),
        [1, 1, 0, 0, 0]
    );
    assert!(store.cache_mount("old").unwrap().is_new());
}

#[test]
fn what_another_run_uses_stays() {
    let place = tempfile::tempdir().unwrap();
    let store = open(place.path());
    let layers = ["used", "unused"].map(|text| layer(&store, text));
    for layer in &layers {
        store.unpacked(layer).unwrap();
    }
    drop(store);
    age(place.path());
    let user = open(place.path());
    let folder = user.unpacked(&layers[0]).unwrap();
    let everything = GcLimits { unused_for: Some(Duration::ZERO), bytes: Some(0) };
    open(place.path()).gc(&everything, later()).unwrap();
    assert!(folder.is_dir());
    assert_eq!(n_files(place.path(), "layers-user"), 1);
    assert_eq!(n_files(place.path(), "blobs/sha256"), 0);
    drop(user);
    age(place.path());
    open(place.path()).gc(&everything, later()).unwrap();
    assert_eq!(n_files(place.path(), "layers-user"), 0);
}

/// Works in the store that the environment names: what the next test starts several times.
#[test]
#[expect(clippy::disallowed_methods, reason = "the test that starts this process names the store in the environment")]
fn one_of_several_processes() {
    let Ok(folder) = std::env::var("WINDLASS_TEST_SHARED_STORE") else { return };
    let folder = Path::new(&folder);
    for round in 0..20 {
        let store = open(folder);
        let shared = layer(&store, &format!("of all {round}"));
        let own = layer(&store, &format!("of {} {round}", std::process::id()));
        for layer in [&shared, &own] {
            assert!(store.unpacked(layer).unwrap().join("file").is_file());
        }
        let mut config = config();
        config.history.clear();
        let image = images::save(&store, &config, &[shared.clone(), own]).unwrap();
        let name = format!("shared/{}:{round}", std::process::id()).parse().unwrap();
        store.name(&name, image.manifest).unwrap();
        store.gc(&GcLimits { unused_for: Some(Duration::ZERO), bytes: Some(0) }, SystemTime::now()).unwrap();
        let found = store.find(&name).unwrap().unwrap();
        assert_eq!(images::load(&store, found).unwrap(), image);
        for layer in &image.layers {
            assert!(store.has_blob(layer).unwrap());
            assert!(store.unpacked(layer).unwrap().join("file").is_file());
        }
    }
}

#[test]
fn several_processes_share_a_store_and_one_is_killed() {
    let place = tempfile::tempdir().unwrap();
    let start = || {
        std::process::Command::new(std::env::current_exe().unwrap())
            .args(["--exact", "embedded_store::one_of_several_processes"])
            .env("WINDLASS_TEST_SHARED_STORE", place.path())
            .stdout(std::process::Stdio::null())
            .spawn()
            .unwrap()
    };
    let (mut killed, others) = (start(), [start(), start()]);
    // It has a folder of its own by then, and is in the middle of something.
    while !place.path().join("store/scratch").is_dir() || n_files(place.path(), "scratch") == 0 {
        std::thread::yield_now();
    }
    killed.kill().unwrap();
    killed.wait().unwrap();
    for mut other in others {
        assert!(other.wait().unwrap().success());
    }
    drop(open(place.path()));
    assert_eq!(n_files(place.path(), "scratch"), 0);
}
