//! An engine of a test's own, beside that of all tests: one that may be killed, and whose disk may be full.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicU8, Ordering};
use std::time::{Duration, Instant};

use tempfile::TempDir;

use super::lab::{Lab, docker};

/// It ends with the test, with all that it made.
pub(crate) struct OwnEngine {
    folder: TempDir,
    process: Child,
    bridge: Bridge,
    /// Whether its data is on a file system of its own.
    is_mounted: bool,
}

impl OwnEngine {
    /// Starts one that has the lab's good images; its data is on a file system of so many bytes where that is asked for.
    pub(crate) fn start(lab: &Lab, disk: Option<u64>) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let data = folder.path().join("data");
        fs::create_dir(&data).unwrap();
        if let Some(size) = disk {
            let mut mount = Command::new("mount");
            mount.args(["-t", "tmpfs", "-o", &format!("size={size}"), "tmpfs"]).arg(&data);
            assert!(mount.status().unwrap().success(), "a small file system is mounted");
        }
        let bridge = Bridge::new();
        let process = started(folder.path(), &bridge);
        let engine = Self { folder, process, bridge, is_mounted: disk.is_some() };
        engine.wait();
        let images = engine.folder.path().join("images.tar").display().to_string();
        docker(&["save", "--output", &images, lab.image("one"), lab.image("two")]);
        engine.docker(&["load", "--quiet", "--input", &images]);
        fs::remove_file(images).unwrap();
        engine
    }

    /// Its socket.
    pub(crate) fn socket(&self) -> PathBuf {
        self.folder.path().join("engine.sock")
    }

    /// Where its data is.
    pub(crate) fn data(&self) -> PathBuf {
        self.folder.path().join("data")
    }

    /// Its process.
    pub(crate) fn pid(&self) -> u32 {
        self.process.id()
    }

    /// Runs Docker's client.
    pub(crate) fn docker(&self, args: &[&str]) -> String {
        let output = self.client(args).output().unwrap();
        assert!(output.status.success(), "docker {args:?}: {}", String::from_utf8_lossy(&output.stderr));
        String::from_utf8(output.stdout).unwrap().trim_end().to_owned()
    }

    fn client(&self, args: &[&str]) -> Command {
        let mut client = Command::new("docker");
        client.args(["-H", &format!("unix://{}", self.socket().display())]).args(args);
        client
    }

    /// Starts it again once it has ended.
    pub(crate) fn start_again(&mut self) {
        self.process.wait().unwrap();
        self.process = started(self.folder.path(), &self.bridge);
        self.wait();
    }

    /// Until it answers: then all containers run that it starts by itself.
    fn wait(&self) {
        let since = Instant::now();
        while !self.client(&["version"]).output().unwrap().status.success() {
            let log = self.folder.path().join("log");
            assert!(since.elapsed() < Duration::from_secs(120), "{}", fs::read_to_string(log).unwrap());
        }
    }
}

/// The bridge of its containers that are on no other network. It can't be without one: who has none removes that of the
/// engine of all tests.
struct Bridge(String);

impl Bridge {
    fn new() -> Self {
        static NUMBER: AtomicU8 = AtomicU8::new(0);
        let number = NUMBER.fetch_add(1, Ordering::Relaxed);
        let bridge = Self(format!("wl{}n{number}", std::process::id()));
        bridge.ip(&["link", "add", "name", &bridge.0, "type", "bridge"]);
        bridge.ip(&["address", "add", &format!("10.213.{number}.1/24"), "dev", &bridge.0]);
        bridge.ip(&["link", "set", &bridge.0, "up"]);
        bridge
    }

    fn ip(&self, args: &[&str]) {
        assert!(Command::new("ip").args(args).status().unwrap().success(), "ip {args:?} of {}", self.0);
    }
}

impl Drop for Bridge {
    fn drop(&mut self) {
        let _removed = Command::new("ip").args(["link", "delete", &self.0]).status();
    }
}

/// No rules of packet filters are its business: those are of the engine of all tests.
fn started(folder: &Path, bridge: &Bridge) -> Child {
    let log = fs::File::options().create(true).append(true).open(folder.join("log")).unwrap();
    // One that was killed left it, and containerd has died with it.
    for left in ["pid", "run/containerd/containerd.pid"].map(|name| folder.join(name)) {
        if left.exists() {
            fs::remove_file(&left).unwrap();
        }
    }
    let mut engine = Command::new("dockerd");
    let at = |name: &str| folder.join(name).display().to_string();
    engine.args([
        "--host",
        &format!("unix://{}", at("engine.sock")),
        "--data-root",
        &at("data"),
        "--exec-root",
        &at("run"),
    ]);
    engine.args([
        "--pidfile",
        &at("pid"),
        "--iptables=false",
        "--bridge",
        &bridge.0,
        "--exec-opt",
        "native.cgroupdriver=cgroupfs",
    ]);
    engine.stdin(Stdio::null()).stdout(log.try_clone().unwrap()).stderr(log).spawn().unwrap()
}

impl Drop for OwnEngine {
    /// What can't be removed fails no test.
    fn drop(&mut self) {
        let said = |args: &[&str]| {
            let output = self.client(args).output().unwrap();
            String::from_utf8_lossy(&output.stdout).lines().map(str::to_owned).collect::<Vec<_>>()
        };
        for id in said(&["ps", "--all", "--quiet"]) {
            said(&["rm", "--force", &id]);
        }
        for id in said(&["network", "ls", "--quiet", "--filter", "type=custom"]) {
            said(&["network", "rm", &id]);
        }
        let terminated = Command::new("kill").args(["-TERM", &self.process.id().to_string()]).status();
        let _ended = terminated.and_then(|_| self.process.wait());
        if self.is_mounted {
            let _unmounted = Command::new("umount").args(["--lazy"]).arg(self.data()).status();
        }
    }
}
