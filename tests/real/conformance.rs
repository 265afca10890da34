//! Each folder of testdata/conformance is built by the embedded engine and by Docker, and what came out is compared: every
//! file with mode, owner, link, attributes and content, and the configuration; and that what fails here fails there.
//! What Docker 20.10 is too old for stands in the case's `expected`, as the Dockerfile reference has it.

use std::collections::{BTreeMap, BTreeSet};
use std::fs::{self, File};
use std::io::{Cursor, Read};
use std::path::{Path, PathBuf};

use expect_test::expect_file;
use futures_util::StreamExt as _;
use serde_json::Value;
use sha2::{Digest as _, Sha256};
use tempfile::TempDir;
use windlass::engine::Error;
use windlass::engine::docker::Builder;
use windlass::engine::embedded::layer::Uncompressed;
use windlass::engine::embedded::store::Store;
use windlass::engine::embedded::{self, EmbeddedEngine, images};
use windlass::registry::{Keychain, Registry};

use crate::engine_build::{Build, Events, docker, engine, run};
use crate::parts;

/// The cases in which the engine differs from Docker 20.10's BuildKit on purpose, and why.
const DIFFERENCES: &[(&str, &str)] = &[
    ("add-tar-dot-dot", "an archive with a path that leads up is refused"),
    ("add-tar-link-out", "a link of an archive is followed inside the image, Docker fails on it"),
    ("copy-chown-unknown-group", "the reference has it fail, Docker takes root"),
    ("copy-chown-unknown-user", "the reference has it fail, Docker takes root"),
    ("copy-two-files-no-slash", "the reference wants the slash, Docker lets one file replace the other"),
    ("run-mount-bind", MOUNT_POINTS),
    ("run-mount-bind-rw", MOUNT_POINTS),
    ("run-mount-bind-stage", MOUNT_POINTS),
    ("run-mount-cache", MOUNT_POINTS),
    ("run-mount-cache-empty-after", MOUNT_POINTS),
    ("run-mount-relative", MOUNT_POINTS),
    ("run-mount-tmpfs", MOUNT_POINTS),
    ("stage-copy-fifo", "pipes are copied, as BuildKit does since 0.9"),
    ("var-workdir-slash", "the path is cleaned, as BuildKit does since 0.13"),
];

const MOUNT_POINTS: &str = "mount points leave nothing in a layer, as BuildKit has it since 0.11";

const BASE: &str = "conformance/base";

/// What a build came to.
#[derive(Debug, PartialEq, Eq)]
enum Outcome {
    /// Every path with what is there, and the configuration.
    Built {
        files: BTreeMap<String, String>,
        config: Value,
    },
    Failed(String),
}

fn cases() -> Vec<PathBuf> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("testdata/conformance");
    let mut cases: Vec<PathBuf> = fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()).collect();
    cases.retain(|case| case.file_name().unwrap() != "base");
    cases.sort();
    cases
}

fn name_of(case: &Path) -> &str {
    case.file_name().unwrap().to_str().unwrap()
}

/// A build of a case, its context copied.
fn build_of(case: &Path) -> Build {
    let text = fs::read_to_string(case.join("Dockerfile")).unwrap();
    let mut build = Build::of("conformance", &text);
    build.name = format!("conformance/{}", name_of(case));
    // With its links as they are.
    run("cp", &["-a", &format!("{}/.", case.display()), build.folder.path().to_str().unwrap()]);
    let _absent = fs::remove_file(build.folder.path().join("expected"));
    build
}

fn base() -> Build {
    let mut build = build_of(&Path::new(env!("CARGO_MANIFEST_DIR")).join("testdata/conformance/base"));
    fs::copy(parts::BUSYBOX, build.folder.path().join("busybox")).unwrap();
    build.read_tree();
    build
}

pub(crate) struct Embedded {
    pub(crate) engine: EmbeddedEngine,
    store: Store,
    _folder: TempDir,
}

impl Embedded {
    pub(crate) fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let registry = Registry::new(windlass::registry::Options::new(Keychain::empty()), |_| {});
        let program = env!("CARGO_BIN_EXE_windlass").into();
        let path = folder.path().join("store");
        let options = embedded::Options {
            store: path.clone(),
            program,
            registry,
            offline: false,
            remembers: true,
            allow_insecure: false,
        };
        let engine = EmbeddedEngine::open(options).unwrap();
        let store = Store::open(&path, embedded::layer::Overlay::Trusted).unwrap();
        Self { engine, store, _folder: folder }
    }

    /// What an image holds, read from its blobs.
    pub(crate) fn files(&self, name: &str) -> (BTreeMap<String, String>, Value) {
        let digest = self.store.find(&name.parse().unwrap()).unwrap().unwrap();
        let image = images::load(&self.store, digest).unwrap();
        let mut files = BTreeMap::new();
        for layer in &image.layers {
            let blob = File::open(self.store.blob_path(&layer.blob)).unwrap();
            lay_over(&mut files, Uncompressed::new(blob).unwrap());
        }
        let config = self.store.blob(image.id.digest()).unwrap().unwrap();
        (files, serde_json::from_slice(&config).unwrap())
    }
}

/// Puts a layer's archive over files (OCI image specification, "Applying Changesets").
fn lay_over(files: &mut BTreeMap<String, String>, tar: impl Read) {
    let mut archive = tar::Archive::new(tar);
    let mut added: BTreeMap<String, String> = BTreeMap::new();
    for entry in archive.entries().unwrap() {
        let mut entry = entry.unwrap();
        let path = entry.path().unwrap().to_str().unwrap().trim_matches('/').trim_start_matches("./").to_owned();
        let (folder, name) = path.rsplit_once('/').unwrap_or(("", &path));
        let below = |folder: &str| if folder.is_empty() { String::new() } else { format!("{folder}/") };
        if name == ".wh..wh..opq" {
            files.retain(|path, _| !path.starts_with(&below(folder)));
            continue;
        }
        if let Some(gone) = name.strip_prefix(".wh.") {
            let gone = format!("{}{gone}", below(folder));
            files.retain(|path, _| *path != gone && !path.starts_with(&format!("{gone}/")));
            continue;
        }
        if path.is_empty() || path == "." {
            continue;
        }
        let xattrs: Vec<String> = {
            let extensions = entry.pax_extensions().unwrap();
            let pairs = extensions.into_iter().flatten().map(|extension| extension.unwrap());
            let pairs = pairs.filter(|pair| pair.key_bytes().starts_with(b"SCHILY.xattr."));
            pairs.map(|pair| format!("{:?}={:?}", pair.key(), pair.value_bytes())).collect()
        };
        let header = entry.header().clone();
        let owner = format!("{}:{}", header.uid().unwrap(), header.gid().unwrap());
        let mode = header.mode().unwrap() & 0o7777;
        let line = match header.entry_type() {
            tar::EntryType::Link => {
                let target = entry.link_name().unwrap().unwrap().to_str().unwrap().trim_start_matches('/').to_owned();
                added.get(&target).or_else(|| files.get(&target)).unwrap().clone()
            }
            tar::EntryType::Directory => format!("{mode:04o} {owner} directory"),
            tar::EntryType::Symlink => {
                format!("{owner} -> {}", entry.link_name().unwrap().unwrap().display())
            }
            tar::EntryType::Regular | tar::EntryType::GNUSparse => {
                let mut content = Vec::new();
                entry.read_to_end(&mut content).unwrap();
                let text = String::from_utf8(content.clone()).ok().filter(|text| text.len() < 80);
                let shown = text.map(|text| format!("{text:?}"));
                let shown = shown.unwrap_or_else(|| format!("{} bytes {:x}", content.len(), Sha256::digest(&content)));
                format!("{mode:04o} {owner} {shown}")
            }
            tar::EntryType::Fifo => format!("{mode:04o} {owner} pipe"),
            other => {
                let (major, minor) = (header.device_major().unwrap(), header.device_minor().unwrap());
                format!("{mode:04o} {owner} {other:?} {major:?}:{minor:?}")
            }
        };
        if !line.ends_with(" directory") {
            files.retain(|other, _| !other.starts_with(&format!("{path}/")));
        }
        let line = if xattrs.is_empty() { line } else { format!("{line} {xattrs:?}") };
        files.insert(path.clone(), line.clone());
        added.insert(path, line);
    }
}

/// What an image of Docker's holds, as `docker save` tells.
fn files_of_docker(name: &str) -> (BTreeMap<String, String>, Value) {
    let args = ["-H", &parts::docker_host(), "save", name];
    let saved = std::process::Command::new("docker").args(args).output().unwrap();
    assert!(saved.status.success(), "{}", String::from_utf8_lossy(&saved.stderr));
    let mut members: BTreeMap<String, Vec<u8>> = BTreeMap::new();
    let mut links = Vec::new();
    for entry in tar::Archive::new(Cursor::new(saved.stdout)).entries().unwrap() {
        let mut entry = entry.unwrap();
        let path = entry.path().unwrap().to_str().unwrap().to_owned();
        let mut content = Vec::new();
        entry.read_to_end(&mut content).unwrap();
        match entry.link_name().unwrap() {
            Some(target) => links.push((path, target.to_str().unwrap().trim_start_matches("../").to_owned())),
            None => drop(members.insert(path, content)),
        }
    }
    // A layer that is there twice is once a link.
    for (path, target) in links {
        members.insert(path, members[&target].clone());
    }
    let manifest: Value = serde_json::from_slice(&members["manifest.json"]).unwrap();
    let mut files = BTreeMap::new();
    for layer in manifest[0]["Layers"].as_array().unwrap() {
        lay_over(&mut files, Cursor::new(&members[layer.as_str().unwrap()]));
    }
    let config = &members[manifest[0]["Config"].as_str().unwrap()];
    (files, serde_json::from_slice(config).unwrap())
}

/// What of a configuration counts; that nothing is said is the same as an empty list.
fn of_config(config: &Value) -> Value {
    let mut counts = BTreeMap::new();
    let keys = [
        "User",
        "ExposedPorts",
        "Env",
        "Entrypoint",
        "Cmd",
        "Volumes",
        "WorkingDir",
        "Labels",
        "StopSignal",
        "Healthcheck",
        "Shell",
        "OnBuild",
    ];
    for key in keys {
        let value = &config["config"][key];
        let is_empty = value.is_null()
            || value.as_str().is_some_and(str::is_empty)
            || value.as_array().is_some_and(Vec::is_empty)
            || value.as_object().is_some_and(serde_json::Map::is_empty);
        if !is_empty {
            counts.insert(key, value.clone());
        }
    }
    for key in ["os", "architecture", "author"] {
        counts.insert(key, config[key].clone());
    }
    serde_json::to_value(counts).unwrap()
}

fn outcome(built: Result<(BTreeMap<String, String>, Value), Error>) -> Outcome {
    match built {
        Ok((files, config)) => Outcome::Built { files, config: of_config(&config) },
        Err(Error::Image { message, .. } | Error::Unsupported { message, .. }) => Outcome::Failed(message),
        Err(error) => panic!("{error:#}"),
    }
}

/// What Docker makes, and its image, which is to stay until no other case can be the same image.
async fn by_docker(case: &Path, builder: Builder) -> (Outcome, Build) {
    let mut build = build_of(case);
    build.read_tree();
    let built = build.run(&engine(builder).await, &Events::default()).await;
    let name = build.name.clone();
    (outcome(built.map(|_| files_of_docker(&name))), build)
}

async fn by_us(case: &Path, embedded: &Embedded) -> Outcome {
    let mut build = build_of(case);
    // Dropped, it is removed from Docker: that must not be the one that Docker builds.
    build.name.push_str("-ours");
    build.read_tree();
    let built = build.run(&embedded.engine, &Events::default()).await;
    outcome(built.map(|_| embedded.files(&build.name)))
}

/// Says how two outcomes differ, a line each.
fn differences(theirs: &Outcome, ours: &Outcome) -> Vec<String> {
    match (theirs, ours) {
        (Outcome::Failed(_), Outcome::Failed(_)) => Vec::new(),
        (Outcome::Failed(why), Outcome::Built { .. }) => vec![format!("Docker fails: {why}")],
        (Outcome::Built { .. }, Outcome::Failed(why)) => vec![format!("we fail: {why}")],
        (Outcome::Built { files: theirs, config: their_config }, Outcome::Built { files, config }) => {
            let paths: BTreeSet<&String> = theirs.keys().chain(files.keys()).collect();
            let differ = paths.into_iter().filter(|path| theirs.get(*path) != files.get(*path));
            let mut lines: Vec<String> = differ
                .map(|path| format!("/{path}: Docker {:?}, we {:?}", theirs.get(path), files.get(path)))
                .collect();
            if their_config != config {
                lines.push(format!("configuration: Docker {their_config}, we {config}"));
            }
            lines
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn images_are_what_docker_makes() {
    let docker_engine = engine(Builder::Best).await;
    let base = base();
    base.run(&docker_engine, &Events::default()).await.unwrap();
    let embedded = Embedded::new();
    base.run(&embedded.engine, &Events::default()).await.unwrap();
    let cases = cases();
    let (new, common): (Vec<_>, Vec<_>) = cases.iter().partition(|case| name_of(case).starts_with("new-"));
    let (embedded, done) = (&embedded, std::sync::Mutex::new(BTreeMap::new()));
    futures_util::stream::iter(&common)
        .for_each_concurrent(4, async |case| {
            let ((theirs, image), ours) = tokio::join!(by_docker(case, Builder::Best), by_us(case, embedded));
            done.lock().unwrap().insert(name_of(case).to_owned(), (differences(&theirs, &ours), image));
        })
        .await;
    let mut failures = Vec::new();
    for (case, (differences, _image)) in done.into_inner().unwrap() {
        match DIFFERENCES.iter().find(|(known, _)| *known == case) {
            Some(_) if differences.is_empty() => failures.push(format!("{case}: it does not differ any more")),
            None if !differences.is_empty() => failures.push(format!("{case}:\n    {}", differences.join("\n    "))),
            Some(_) | None => {}
        }
    }
    let Outcome::Built { files: of_base, .. } = outcome(Ok(embedded.files(BASE))) else { unreachable!() };
    for case in new {
        let shown = match by_us(case, embedded).await {
            Outcome::Failed(why) => format!("fails: {why}\n"),
            Outcome::Built { files, .. } => {
                let own = files.iter().filter(|(path, line)| of_base.get(*path) != Some(line));
                own.map(|(path, line)| format!("/{path} {line}\n")).collect()
            }
        };
        expect_file![case.join("expected")].assert_eq(&shown);
    }
    let _images = docker(&["rmi", "--force", BASE]);
    assert!(failures.is_empty(), "{} of {} cases differ:\n{}", failures.len(), common.len(), failures.join("\n"));
}
