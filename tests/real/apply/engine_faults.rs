//! The engine itself goes wrong: it is killed after each of the calls that change something, or its disk is full from then on.
//!
//! What must hold: once the engine runs again something serves; the second run makes the host what is wanted, and the third
//! changes nothing. On a full disk nothing is begun, so that what served goes on.

use std::fs;
use std::io::Write as _;

use super::faults::is_full;
use super::lab::{Lab, docker, free_port};
use super::own_engine::OwnEngine;
use super::proxy::{Fault, Proxy};
use crate::parts;

/// What is replaced, in each of the orders; with how many calls that change something.
const ORDERS: [(&str, usize); 3] = [("start-first", 5), ("stop-first", 5), ("swap", 8)];

struct Trials {
    lab: Lab,
    engine: OwnEngine,
    proxy: Proxy,
    serial: u64,
    port: u16,
}

impl Trials {
    fn new(name: &str, disk: Option<u64>) -> Self {
        let lab = Lab::new(name);
        let engine = OwnEngine::start(&lab, disk);
        let proxy = Proxy::before(&engine.socket(), &lab.path("engine.sock"), &lab.project);
        let mut trials = Self { lab, engine, proxy, serial: 0, port: free_port() };
        trials.manifest("swap");
        trials.apply(None, Some(0));
        trials
    }

    /// Wants the other image.
    fn manifest(&mut self, order: &str) {
        self.serial += 1;
        let (image, port) = (self.image(), self.port);
        let ports = if order == "start-first" { String::new() } else { format!(r#""{port}:80""#) };
        let web = format!(
            r#""web": {{"image": "{image}", "ports": [{ports}], "stop_signal": "SIGKILL", "stop_grace": "1s",
"update": {{"order": "{order}", "healthy_for": "0s", "drain": "0s"}}}}"#
        );
        self.lab.manifest(self.serial, &web);
    }

    fn image(&self) -> &'static str {
        ["one", "two"][(self.serial % 2) as usize]
    }

    /// Runs `apply` through the proxy, and tells the calls that changed something.
    fn apply(&self, fault: Option<(usize, Fault)>, exit: Option<i32>) -> Vec<String> {
        self.proxy.arm(fault);
        self.proxy.victim_is(self.engine.pid());
        let ran = self.lab.run(&["--host", &self.proxy.address(), "apply"]);
        let calls = self.proxy.changes();
        assert!(exit.is_none() || ran.exit == exit, "{fault:?}: {calls:#?} {ran:#?}");
        calls
    }

    /// The project's containers, `name state image` each.
    fn containers(&self) -> Vec<String> {
        let label = format!("label=dev.windlass.project={}", self.lab.project);
        let format = "{{.Names}} {{.State}} {{.Image}}";
        let listed = self.engine.docker(&["ps", "--all", "--no-trunc", "--filter", &label, "--format", format]);
        listed.lines().map(|line| self.lab.plain(line)).collect()
    }

    fn serves(&self, when: &str) {
        let found = self.containers();
        assert!(
            found.iter().any(|line| line.starts_with("PROJECT-web") && line.contains(" running ")),
            "{when}: {found:#?}"
        );
    }

    /// The second run, and the third.
    fn converges(&self, when: &str) {
        self.apply(None, Some(0));
        assert_eq!(self.containers(), [format!("PROJECT-web running {}", self.lab.image(self.image()))], "{when}");
        assert_eq!(self.apply(None, Some(0)), Vec::<String>::new(), "{when}");
    }
}

#[test]
fn an_engine_that_is_killed_after_any_call_loses_nothing() {
    let mut trials = Trials::new("engine-killed", None);
    let all: Vec<_> = ORDERS.into_iter().flat_map(|(order, n)| (1..=n).map(move |at| (order, at))).collect();
    for (order, at) in all.into_iter().step_by(if is_full() { 1 } else { 4 }) {
        // What it replaces has the ports that the order needs.
        trials.manifest(order);
        trials.apply(None, Some(0));
        trials.manifest(order);
        let calls = trials.apply(Some((at, Fault::KillEngine)), None);
        let when = format!("{order}, killed after call {at} of {calls:#?}");
        assert!(calls.len() >= at, "{when}");
        trials.engine.start_again();
        trials.serves(&when);
        trials.converges(&when);
    }
}

#[test]
fn a_full_disk_of_the_engine_loses_nothing() {
    let mut trials = Trials::new("engine-full", Some(256 << 20));
    let filler = trials.engine.data().join("filler");
    let fill = || {
        let mut file = fs::File::create(&filler).unwrap();
        while file.write_all(&[0; 1 << 16]).is_ok() {}
        while file.write_all(&[0]).is_ok() {}
    };
    for (order, _) in ORDERS {
        trials.manifest(order);
        trials.apply(None, Some(0));
        let before = trials.containers();
        trials.manifest(order);
        fill();
        let calls = trials.apply(None, Some(1));
        assert_eq!((calls, trials.containers()), (Vec::new(), before), "{order}: nothing was begun");
        fs::remove_file(&filler).unwrap();
        trials.converges(order);
    }

    // There is room to begin with, and not for the image.
    let tag = format!("{}/{}:{}", parts::registry(), trials.lab.project, std::process::id());
    let container =
        docker(&["run", "--detach", trials.lab.image("one"), "dd", "if=/dev/urandom", "of=/big", "bs=1M", "count=64"]);
    docker(&["wait", &container]);
    let id = docker(&["commit", &container, &tag]);
    docker(&["rm", &container]);
    docker(&["push", "--quiet", &tag]);
    let digest = docker(&["image", "inspect", "--format", "{{index .RepoDigests 0}}", &tag]);
    docker(&["rmi", "--force", &id]);
    let entry = format!(r#""big": {{"id": "{id}", "content_hash": "{id}", "reference": "{digest}"}}"#);
    let before = trials.containers();
    trials.serial += 1;
    let web =
        r#""web": {"image": "big", "command": ["sleep", "1000"], "stop_grace": "0s", "update": {"healthy_for": "0s"}}"#;
    trials.lab.manifest_with_images(trials.serial, &entry, web);
    fill();
    let file = fs::File::options().write(true).open(&filler).unwrap();
    file.set_len(file.metadata().unwrap().len() - (40 << 20)).unwrap();
    drop(file);
    trials.apply(None, Some(1));
    assert_eq!(trials.containers(), before, "nothing but the pull was begun");
    fs::remove_file(&filler).unwrap();
    trials.apply(None, Some(0));
    assert_eq!(trials.containers(), [format!("PROJECT-web running {}", trials.lab.plain(&digest))]);
    assert_eq!(trials.apply(None, Some(0)), Vec::<String>::new());
}

#[test]
fn a_full_disk_of_the_state_loses_nothing() {
    let lab = Lab::new("state-full");
    let web = |image: &str| {
        format!(r#""web": {{"image": "{image}", "stop_grace": "0s", "update": {{"healthy_for": "0s"}}}}"#)
    };
    let state = lab.path("small");
    fs::create_dir(&state).unwrap();
    let mount =
        std::process::Command::new("mount").args(["-t", "tmpfs", "-o", "size=64k", "tmpfs"]).arg(&state).status();
    assert!(mount.unwrap().success(), "a small file system is mounted");
    let apply = || lab.run(&["apply", "--state-dir", "small"]);
    lab.manifest(1, &web("one"));
    let first = apply();
    lab.manifest(2, &web("two"));
    let filled = fs::write(state.join("filler"), vec![0; 128 << 10]);
    let full = apply();
    let served = lab.containers();
    fs::remove_file(state.join("filler")).unwrap();
    let second = apply();
    let since = lab.now();
    let third = apply();
    let events = lab.events_since(&since);
    assert!(std::process::Command::new("umount").arg(&state).status().unwrap().success());
    assert!(filled.is_err() && first.exit == Some(0), "{first:?}");
    assert!(full.exit == Some(1) && full.stderr.contains("No space left on device"), "{full:?}");
    assert_eq!(served, "PROJECT-web running", "{full:?}");
    assert_eq!((second.exit, lab.asks("web", "web").as_str()), (Some(0), "two"), "{second:?}");
    assert_eq!((third.exit, events), (Some(0), Vec::new()), "{third:?}");
}
