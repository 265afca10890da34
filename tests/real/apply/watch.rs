//! `apply --watch`: what it wakes for, and what ends it.

use std::fs;
use std::process::{Child, Command};
use std::time::{Duration, Instant};

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;

use super::lab::{Lab, docker};
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
