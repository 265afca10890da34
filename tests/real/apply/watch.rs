//! `apply --watch`: what it wakes for, and what ends it.

use std::fs;
use std::process::{Child, Command};
use std::time::{Duration, Instant};

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;

use super::faults::is_full;
use super::lab::{Lab, docker};
use super::proxy::Proxy;
use crate::parts;

/// Waits until something holds; fails where it does not after a time in which everything happens by far.
pub(crate) fn until(what: &str, holds: impl Fn() -> bool) {
    let since = Instant::now();
    while !holds() {
        assert!(since.elapsed() < Duration::from_secs(60), "{what}");
        std::thread::yield_now();
    }
}

/// What Docker's client knows of a container; nothing where it is not there.
pub(crate) fn known(lab: &Lab, format: &str) -> String {
    let label = format!("label=dev.windlass.project={}", lab.project);
    let ids = docker(&["ps", "--quiet", "--no-trunc", "--filter", &label]);
    let ids: Vec<&str> = ids.lines().collect();
    match ids.as_slice() {
        [id] if format == "id" => (*id).to_owned(),
        [id] => {
            // It may be gone by now.
            let mut client = Command::new("docker");
            let output =
                client.args(["-H", &parts::docker_host(), "inspect", "--format", format, id]).output().unwrap();
            String::from_utf8(output.stdout).unwrap().trim_end().to_owned()
        }
        _ => String::new(),
    }
}

/// It ends with its test, however that ends.
pub(crate) struct Watching(pub(crate) Child);

impl Drop for Watching {
    fn drop(&mut self) {
        // One that has ended can't be killed, which is as good.
        let _killed = self.0.kill();
        let _ended = self.0.wait();
    }
}

#[test]
fn what_is_lost_is_mended_and_what_is_new_is_applied() {
    let lab = Lab::new("watch");
    let web = |image: &str| {
        format!(r#""web": {{"image": "{image}", "stop_grace": "1s", "update": {{"healthy_for": "0s"}}}}"#)
    };
    lab.manifest(1, &web("one"));
    let mut watching = Watching(lab.start(&["apply", "--watch", "--interval", "1h"]));
    let pid = Pid::from_raw(watching.0.id().try_into().unwrap());
    let image = |lab: &Lab| known(lab, "{{.Image}}");
    let networks = |lab: &Lab| known(lab, "{{range $name, $end := .NetworkSettings.Networks}}{{$name}}{{end}}");
    until("it is started", || image(&lab) == lab.image("one"));
    until("it is done", || lab.run(&["history", "--format", "json"]).stdout.contains("\"done\""));
    let first = known(&lab, "id");
    docker(&["rm", "--force", &lab.name("web")]);
    until("it is there again", || !["", &first].contains(&known(&lab, "id").as_str()));
    until("it is on its network", || networks(&lab) == lab.project);
    docker(&["network", "disconnect", "--force", &lab.project, &lab.name("web")]);
    until("it is on its network again", || networks(&lab) == lab.project);
    fs::write(lab.path("deploy.json"), "{").unwrap();
    kill(pid, Signal::SIGHUP).unwrap();
    kill(pid, Signal::SIGHUP).unwrap();
    lab.manifest(2, &web("two"));
    kill(pid, Signal::SIGHUP).unwrap();
    until("the new one runs", || image(&lab) == lab.image("two"));
    until("all of it is done", || lab.run(&["history", "--format", "json"]).stdout.contains("\"current\": 2"));
    kill(pid, Signal::SIGTERM).unwrap();
    let ended = watching.0.wait().unwrap();
    assert_eq!(ended.code(), Some(0));
    assert_eq!(lab.run(&["apply", "--dry-run", "--exit-code"]).exit, Some(0), "all is as wanted");
    let refused = lab.run_with_input(&["apply", "--watch", "-"], "{}");
    assert_eq!((refused.exit, refused.stdout.as_str()), (Some(2), ""));
}

/// The resident memory of a process in kB, and the number of its descriptors.
fn held(pid: u32) -> (u64, usize) {
    let status = fs::read_to_string(format!("/proc/{pid}/status")).unwrap();
    let memory = status.lines().find_map(|line| line.strip_prefix("VmRSS:")?.split_whitespace().next());
    (memory.unwrap().parse().unwrap(), fs::read_dir(format!("/proc/{pid}/fd")).unwrap().count())
}

#[test]
fn cycles_take_neither_memory_nor_descriptors() {
    let n_cycles = if is_full() { 1_000 } else { 100 };
    let lab = Lab::new("watch-cycles");
    let proxy = Proxy::start(&lab.path("engine.sock"), &lab.project);
    lab.manifest(1, r#""web": {"image": "one", "stop_grace": "1s", "update": {"healthy_for": "0s"}}"#);
    lab.apply();
    let mut watching = Watching(lab.start(&["--host", &proxy.address(), "apply", "--watch", "--interval", "1ms"]));
    let held_after = |share: usize| {
        proxy.wait_for_looks(n_cycles * share / 10);
        held(watching.0.id())
    };
    let all: Vec<(u64, usize)> = (1..=10).map(held_after).collect();
    println!("{all:?}");
    assert_eq!(proxy.changes(), Vec::<String>::new());
    // What differs from one moment to the next are connections in their middle. A leak at each cycle would be many times this.
    let most = |all: &[(u64, usize)]| (all.iter().map(|held| held.0).max(), all.iter().map(|held| held.1).max());
    let (early, late) = (most(&all[1..4]), most(&all[7..]));
    assert!(late.0 <= early.0.map(|memory| memory + 2048), "{all:?} kB and descriptors");
    assert!(late.1 <= early.1.map(|n| n + 8), "{all:?} kB and descriptors");
    kill(Pid::from_raw(watching.0.id().try_into().unwrap()), Signal::SIGTERM).unwrap();
    assert_eq!(watching.0.wait().unwrap().code(), Some(0));
}
