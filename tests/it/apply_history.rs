//! What a host remembers of the manifests that were applied, and its lock.

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;

use jiff::Timestamp;
use nix::fcntl::{Flock, FlockArg};
use tempfile::TempDir;
use windlass::apply::undo::{Outcome, current, former};
use windlass::apply::{History, Lock, LockError, gc, host_folder};
use windlass::diag::SourceText;
use windlass::manifest::{self, Manifest};
use windlass::model::ProjectName;

use crate::apply_world::read_manifest;

fn serial(serial: u64) -> Manifest {
    Manifest { serial, ..read_manifest("web#1") }
}

fn at(seconds: i64) -> Timestamp {
    Timestamp::from_second(seconds).unwrap()
}

fn shop() -> ProjectName {
    "shop".parse().unwrap()
}

fn open(state: &Path) -> History {
    let history = History::new(state, &shop());
    history.make_folder().unwrap();
    history
}

fn file_names(state: &Path) -> Vec<String> {
    let read = fs::read_dir(state.join("shop/history")).unwrap();
    let mut names: Vec<String> = read.map(|file| file.unwrap().file_name().into_string().unwrap()).collect();
    names.sort();
    names
}

#[test]
fn a_record_is_the_manifest_itself() {
    let state = tempfile::tempdir().unwrap();
    let history = open(state.path());
    assert_eq!(history.entries().unwrap(), []);
    history.record(&serial(4), at(100), Outcome::Done).unwrap();
    history.record(&serial(4), at(200), Outcome::Done).unwrap();
    history.record(&serial(5), at(300), Outcome::Restored).unwrap();
    history.record(&serial(5), at(400), Outcome::Done).unwrap();
    let expected = ["000001-4-100-done.json", "000002-5-300-restored.json", "000003-5-400-done.json"];
    assert_eq!(file_names(state.path()), expected, "what says the same as the last is not written again");
    let entries = history.entries().unwrap();
    assert_eq!(current(&entries), Some(&entries[2]));
    let (_, text) = history.text(former(&entries).unwrap()).unwrap();
    assert_eq!(text, manifest::to_json(&serial(4)));
    assert_eq!(History::projects(state.path()).unwrap(), [shop()]);
}

#[test]
fn what_is_bad_is_known_by_its_whole_text() {
    let state = tempfile::tempdir().unwrap();
    let history = open(state.path());
    let outcome = |manifest: &Manifest| history.last_outcome(manifest).unwrap();
    history.record(&serial(4), at(100), Outcome::Done).unwrap();
    history.record(&serial(5), at(200), Outcome::Restored).unwrap();
    assert_eq!(outcome(&serial(5)), Some(Outcome::Restored));
    assert_eq!(outcome(&Manifest { revision: Some("other".to_owned()), ..serial(5) }), None);
    assert_eq!(outcome(&serial(6)), None);
    history.record(&serial(5), at(300), Outcome::Cut).unwrap();
    assert_eq!(outcome(&serial(5)), Some(Outcome::Cut), "the last one counts");
    assert!(!Outcome::Cut.is_bad() && !Outcome::Done.is_bad() && Outcome::Failed.is_bad());
}

#[test]
fn each_engine_has_a_folder_of_its_own() {
    let name = |address| host_folder(Path::new("/state"), address).display().to_string();
    assert_eq!(name("unix:///run/docker.sock"), "/state/hosts/run+docker.sock");
    assert_eq!(name("tcp://10.0.0.1:2375"), "/state/hosts/tcp:++10.0.0.1:2375");
    assert_eq!(name("unix:///run/a+b c.sock"), "/state/hosts/run+a%2bb%20c.sock");
    assert_eq!(name("unix://.."), "/state/hosts/%2e.");
}

#[test]
fn what_is_no_record_is_passed_over() {
    let state = tempfile::tempdir().unwrap();
    let history = open(state.path());
    history.record(&serial(4), at(100), Outcome::Done).unwrap();
    for name in [".record-half", "000009-5-1-exploded.json", "x.json", "000002-5-1-done.json.bak", "1-2-3-done-4.json"]
    {
        fs::write(state.path().join("shop/history").join(name), "{").unwrap();
    }
    assert_eq!(history.entries().unwrap().len(), 1);
    assert!(History::projects(&state.path().join("nowhere")).unwrap().is_empty());
    fs::create_dir(state.path().join("lost+found")).unwrap();
    assert_eq!(History::projects(state.path()).unwrap(), [shop()]);
}

#[test]
fn failures_are_forgotten_before_what_can_be_gone_back_to() {
    let state = tempfile::tempdir().unwrap();
    let history = open(state.path());
    history.record(&serial(1), at(0), Outcome::Done).unwrap();
    for n in 2..200 {
        history.record(&serial(n), at(0), Outcome::Failed).unwrap();
    }
    let entries = history.entries().unwrap();
    assert_eq!((entries.len(), entries[0].serial, entries[99].serial), (100, 1, 199));
    for n in 200..400 {
        history.record(&serial(n), at(0), Outcome::Done).unwrap();
    }
    let entries = history.entries().unwrap();
    assert_eq!((entries.len(), entries[0].serial, entries[99].serial), (100, 300, 399));
}

/// The address of an engine that nobody else has anything to do with.
fn engine(state: &TempDir) -> String {
    format!("unix://{}/engine.sock", state.path().display())
}

#[test]
fn runs_with_other_folders_for_their_state_know_of_one_another() {
    let (state, other) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let (history, of_other) = (open(state.path()), open(other.path()));
    let lock = Lock::take(history.folder(), &engine(&state), &shop()).unwrap();
    let error = Lock::take(of_other.folder(), &engine(&state), &shop()).unwrap_err();
    let LockError::Held { pid, .. } = error else { panic!("{error:?}") };
    assert_eq!(pid, Some(std::process::id()));
    assert_eq!(fs::read_to_string(of_other.folder().join("lock")).unwrap(), "", "nobody has that");
    // Another engine, and another project.
    drop(Lock::take(of_other.folder(), &engine(&other), &shop()).unwrap());
    drop(Lock::take(of_other.folder(), &engine(&state), &"shop-a".parse().unwrap()).unwrap());
    drop(lock);
    Lock::take(of_other.folder(), &engine(&state), &shop()).unwrap();
}

#[test]
fn a_lock_is_held_once_and_freed_with_its_holder() {
    let state = tempfile::tempdir().unwrap();
    let history = open(state.path());
    let lock = Lock::take(history.folder(), &engine(&state), &shop()).unwrap();
    let error = Lock::take(history.folder(), &engine(&state), &shop()).unwrap_err();
    let LockError::Held { pid, .. } = error else { panic!("{error:?}") };
    assert_eq!(pid, Some(std::process::id()));
    drop(lock);
    fs::write(history.folder().join("lock"), "not a number").unwrap();
    let lock = Lock::take(history.folder(), &engine(&state), &shop()).unwrap();
    assert!(fs::read_to_string(history.folder().join("lock")).unwrap().starts_with(&std::process::id().to_string()));
    drop(lock);
    let error = Lock::take(&state.path().join("nowhere"), &engine(&state), &shop()).unwrap_err();
    assert!(matches!(error, LockError::File { .. }), "{error:?}");
}

#[test]
fn a_holder_that_has_not_said_who_it_is_is_not_taken_for_the_one_before() {
    let state = tempfile::tempdir().unwrap();
    let history = open(state.path());
    drop(Lock::take(history.folder(), &engine(&state), &shop()).unwrap());
    let file = fs::File::open(history.folder().join("lock")).unwrap();
    let _held = Flock::lock(file, FlockArg::LockExclusive).unwrap();
    let error = Lock::take(history.folder(), &engine(&state), &shop()).unwrap_err();
    assert!(matches!(error, LockError::Held { pid: None, .. }), "{error:?}");
}

#[test]
fn of_several_projects_the_one_of_the_folder_is_meant() {
    const ENGINE: &str = "unix:///nowhere/engine.sock";
    let state = tempfile::tempdir().unwrap();
    let host = host_folder(state.path(), ENGINE);
    for (project, serial_of_it) in [("shop", 4), ("blog", 7)] {
        let history = History::new(&host, &project.parse().unwrap());
        history.make_folder().unwrap();
        history.record(&serial(serial_of_it), at(100), Outcome::Done).unwrap();
    }
    let folder = tempfile::tempdir().unwrap();
    let said = || {
        let mut windlass = assert_cmd::Command::cargo_bin("windlass").unwrap();
        let output = windlass
            .current_dir(folder.path())
            .args(["--host", ENGINE, "history", "--state-dir"])
            .arg(state.path())
            .output();
        let output = output.unwrap();
        let text = |bytes: Vec<u8>| String::from_utf8(bytes).unwrap();
        format!("{}{}exit {}", text(output.stdout), text(output.stderr), output.status.code().unwrap())
    };
    expect_test::expect![[r#"
        error: several projects were applied on this host: `blog`, `shop`
        hint: choose one with `--project`
        exit 2"#]]
    .assert_eq(&said());
    fs::write(folder.path().join("windlass.yaml"), "version: 1\nproject: blog\n").unwrap();
    expect_test::expect![[r#"
        SERIAL  APPLIED               OUTCOME
        7       1970-01-01T00:01:40Z  done     current
        exit 0"#]]
    .assert_eq(&said());
}

#[test]
fn an_image_is_known_by_its_id_and_by_digest() {
    let digest = |letter: &str| format!("sha256:{}", letter.repeat(64));
    let [a, b, c] = ["a", "b", "c"].map(digest);
    let text = format!(
        r#"{{"version": 1, "project": "shop", "serial": 1, "images": {{
"here": {{"id": "{a}", "content_hash": "{a}"}},
"there": {{"id": "{b}", "content_hash": "{a}", "reference": "registry.example/there:latest@{c}"}}}},
"containers": {{"web": {{"image": "there"}}, "db": {{"image": "registry.example/db:1@{a}"}}}}}}"#
    );
    let manifest = manifest::parse(&SourceText::new("deploy.json", text)).unwrap();
    let known = [a.clone(), b, format!("registry.example/there@{c}"), format!("registry.example/db@{a}")];
    assert_eq!(gc::images(&manifest), BTreeSet::from(known));
}
