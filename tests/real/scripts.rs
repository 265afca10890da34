//! `scripts/parts` leaves nothing behind, however it ends.

use std::fs;
use std::io::{BufRead as _, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, UNIX_EPOCH};

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;

/// A run of `scripts/parts` that keeps everything in the folder `data`, beside whose command a container runs.
struct Run<'a> {
    data: &'a Path,
    script: Child,
    folder: PathBuf,
}

/// Starts a run, whose command goes on as `then` says once it is told to by the end of its input.
fn start<'a>(data: &'a Path, then: &str) -> Run<'a> {
    let command = format!(
        "set -e
        mkdir /run/context
        cp /bin/busybox /run/context/sh
        printf 'FROM scratch\\nCOPY sh /bin/sh\\n' >/run/context/Dockerfile
        DOCKER_BUILDKIT=0 docker build --quiet --tag shell /run/context >/dev/null 2>&1
        docker run --detach shell /bin/sh -c 'sleep 1000' >/dev/null
        echo ready
        cat
        {then}"
    );
    let mut script = Command::new(concat!(env!("CARGO_MANIFEST_DIR"), "/scripts/parts"))
        .args(["bash", "-c", &command])
        .env("TMPDIR", data)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let mut line = String::new();
    BufReader::new(script.stdout.take().unwrap()).read_line(&mut line).unwrap();
    assert_eq!(line, "ready\n");
    let folder =
        fs::read_dir(data).unwrap().map(|entry| entry.unwrap().path()).max_by_key(|path| modified(path)).unwrap();
    let run = Run { data, script, folder };
    assert_eq!(run.left().len(), 3, "a run is seen: {:?}", run.left());
    run
}

fn modified(path: &Path) -> std::time::SystemTime {
    path.metadata().unwrap().modified().unwrap()
}

impl Run<'_> {
    fn signal(&self, signal: Signal) {
        kill(Pid::from_raw(self.script.id().try_into().unwrap()), signal).unwrap();
    }

    /// How the script ended: its exit code, or none where it was killed.
    fn end(&mut self) -> Option<i32> {
        drop(self.script.stdin.take());
        self.script.wait().unwrap().code()
    }

    /// What is there of the run: `files`, `control groups`, `processes`. Its mounts and its network are in namespaces,
    /// which last no longer than its processes.
    fn left(&self) -> Vec<&'static str> {
        let name = self.folder.file_name().unwrap();
        let controllers = fs::read_dir("/sys/fs/cgroup").unwrap().map(|entry| entry.unwrap().path());
        let groups = controllers.chain(["/sys/fs/cgroup".into()]).any(|controller| controller.join(name).exists());
        let mut processes = fs::read_dir("/proc").unwrap().map(|entry| {
            // A process that ended meanwhile has no command line, and is not left.
            fs::read(entry.unwrap().path().join("cmdline")).unwrap_or_default()
        });
        let processes = processes.any(|line| String::from_utf8_lossy(&line).contains(self.folder.to_str().unwrap()));
        let all = [("files", self.folder.exists()), ("control groups", groups), ("processes", processes)];
        all.into_iter().filter_map(|(what, left)| left.then_some(what)).collect()
    }
}

fn check(then: &str, signal: Option<Signal>, code: i32) {
    let data = tempfile::tempdir().unwrap();
    let mut run = start(data.path(), then);
    if let Some(signal) = signal {
        run.signal(signal);
        // The input stays open: nothing but the signal ends the run.
        assert_eq!(run.script.wait().unwrap().code(), Some(code), "{signal}");
    } else {
        assert_eq!(run.end(), Some(code), "{then}");
    }
    assert_eq!(run.left(), [""; 0], "after `{then}`, {signal:?}");
    assert_eq!(fs::read_dir(run.data).unwrap().count(), 0);
}

#[test]
fn nothing_is_left_of_a_run() {
    check("exit 0", None, 0);
    check("exit 7", None, 7);
    check("exit 0", Some(Signal::SIGINT), 130);
    check("exit 0", Some(Signal::SIGTERM), 143);
    check("exit 0", Some(Signal::SIGHUP), 129);
}

/// Makes a run look as if it had begun long ago.
fn age(run: &Run<'_>) {
    fs::File::open(&run.folder).unwrap().set_modified(UNIX_EPOCH + Duration::from_secs(1)).unwrap();
}

#[test]
fn what_a_killed_run_leaves_the_next_one_removes() {
    let data = tempfile::tempdir().unwrap();
    let mut killed = start(data.path(), "exit 0");
    killed.signal(Signal::SIGKILL);
    assert_eq!(killed.end(), None);
    age(&killed);
    assert_eq!(start(data.path(), "exit 0").end(), Some(0));
    assert_eq!(killed.left(), [""; 0]);
}

#[test]
fn runs_leave_each_other_alone() {
    let data = tempfile::tempdir().unwrap();
    let mut first = start(data.path(), "[ -n \"$(docker ps --quiet)\" ]; exit 3");
    age(&first);
    assert_eq!(start(data.path(), "exit 4").end(), Some(4));
    assert_eq!(first.left().len(), 3, "{:?}", first.left());
    assert_eq!(first.end(), Some(3));
}
