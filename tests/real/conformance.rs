//! Each folder of testdata/conformance is built by the embedded engine, by both builders of Docker and by buildah, and what came
//! out is compared: every file with mode, owner, link, attributes and content, and the configuration; and that what fails here
//! fails there. What none of them is new enough for stands in the case's `expected`, as the Dockerfile reference has it.

mod oracle;

use std::collections::{BTreeMap, BTreeSet};
use std::fs::{self, File};
use std::io::{Cursor, Read};
use std::path::{Path, PathBuf};
use std::time::Duration;

use expect_test::expect_file;
use futures_util::StreamExt as _;
use serde_json::Value;
use sha2::{Digest as _, Sha256};
use tempfile::TempDir;
use windlass::engine::Error;
use windlass::engine::embedded::layer::Uncompressed;
use windlass::engine::embedded::store::Store;
use windlass::engine::embedded::{self, EmbeddedEngine, GitClient, images};
use windlass::registry::{Keychain, Registry};

use self::oracle::Builders;
use crate::engine_build::{Build, Events, docker, run};
use crate::parts;

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

/// A build of a case, its context copied; what is in the folder `contexts` are named ones.
fn build_of(case: &Path) -> Build {
    let text = fs::read_to_string(case.join("Dockerfile")).unwrap();
    let mut build = Build::of("conformance", &text);
    build.name = format!("conformance/{}", name_of(case));
    // However busy the machine is.
    build.timeout = Duration::from_secs(1200);
    // With its links as they are.
    run("cp", &["-a", &format!("{}/.", case.display()), build.folder.path().to_str().unwrap()]);
    let _absent = fs::remove_file(build.folder.path().join("expected"));
    for folder in fs::read_dir(case.join("contexts")).into_iter().flatten() {
        let (folder, named) = (folder.unwrap(), tempfile::tempdir().unwrap());
        run("cp", &["-a", &format!("{}/.", folder.path().display()), named.path().to_str().unwrap()]);
        build.name_context(folder.file_name().to_str().unwrap(), named);
    }
    let _absent = fs::remove_dir_all(build.folder.path().join("contexts"));
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
            git: GitClient::new(async |_| unreachable!("no case adds a repository")),
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

/// What an image holds, as `docker save` tells.
fn files_of_archive(archive: impl Read) -> (BTreeMap<String, String>, Value) {
    let mut members: BTreeMap<String, Vec<u8>> = BTreeMap::new();
    let mut links = Vec::new();
    for entry in tar::Archive::new(archive).entries().unwrap() {
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
        (Outcome::Failed(why), Outcome::Built { .. }) => vec![format!("they fail: {why}")],
        (Outcome::Built { .. }, Outcome::Failed(why)) => vec![format!("we fail: {why}")],
        (Outcome::Built { files: theirs, config: their_config }, Outcome::Built { files, config }) => {
            let paths: BTreeSet<&String> = theirs.keys().chain(files.keys()).collect();
            let differ = paths.into_iter().filter(|path| theirs.get(*path) != files.get(*path));
            let mut lines: Vec<String> =
                differ.map(|path| format!("/{path}: they {:?}, we {:?}", theirs.get(path), files.get(path))).collect();
            if their_config != config {
                lines.push(format!("configuration: they {their_config}, we {config}"));
            }
            lines
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn images_are_what_other_builders_make() {
    let builders = Builders::start().await;
    let base = base();
    base.run(&builders.buildkit, &Events::default()).await.unwrap();
    let embedded = Embedded::new();
    base.run(&embedded.engine, &Events::default()).await.unwrap();
    builders.share(BASE);
    let cases = cases();
    let (embedded, done) = (&embedded, std::sync::Mutex::new(BTreeMap::new()));
    futures_util::stream::iter(&cases)
        .for_each_concurrent(4, async |case| {
            let ours = by_us(case, embedded).await;
            let mut compared = Vec::new();
            // One after the other: Docker's two builders call the image the same.
            for oracle in oracle::ALL.into_iter().filter(|oracle| oracle.is_asked(case)) {
                let (theirs, image) = oracle.builds(case, &builders).await;
                compared.push((oracle, differences(&theirs, &ours), image));
            }
            done.lock().unwrap().insert(name_of(case).to_owned(), (case, ours, compared));
        })
        .await;
    let Outcome::Built { files: of_base, .. } = outcome(Ok(embedded.files(BASE))) else { unreachable!() };
    let (mut failures, mut n_compared) = (Vec::new(), BTreeMap::new());
    let done = done.into_inner().unwrap();
    for (name, (_, _, compared)) in &done {
        for (oracle, differences, _image) in compared {
            *n_compared.entry(*oracle).or_insert(0_usize) += 1;
            match oracle.known_difference(name) {
                Some(_) if differences.is_empty() => {
                    failures.push(format!("{name}, {oracle:?}: no difference any more"));
                }
                None if !differences.is_empty() => {
                    failures.push(format!("{name}, {oracle:?}:\n    {}", differences.join("\n    ")));
                }
                Some(_) | None => {}
            }
        }
    }
    println!("compared: {n_compared:?}");
    let _images = docker(&["rmi", "--force", BASE]);
    assert!(failures.is_empty(), "{} of {n_compared:?} differ:\n{}", failures.len(), failures.join("\n"));
    for (name, (case, ours, _)) in &done {
        if name.starts_with("new-") {
            expect_file![case.join("expected")].assert_eq(&shown(ours, &of_base));
        }
    }
}

/// What a case came to, without what it is made from.
fn shown(ours: &Outcome, of_base: &BTreeMap<String, String>) -> String {
    match ours {
        Outcome::Failed(why) => format!("fails: {why}\n"),
        Outcome::Built { files, .. } => {
            let own = files.iter().filter(|(path, line)| of_base.get(*path) != Some(line));
            own.map(|(path, line)| format!("/{path} {line}\n")).collect()
        }
    }
}
