//! `examples/host`: the service, and the container, as their files say it.

use std::fs;
use std::path::Path;
use std::process::Command;

use super::lab::{Lab, docker, shown};
use super::watch::{known, until};
use crate::parts;

fn example(name: &str) -> String {
    fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("examples/host").join(name)).unwrap()
}

/// Removes a container with its test, however that ends.
struct Removed(String);

impl Drop for Removed {
    fn drop(&mut self) {
        let _removed =
            Command::new("docker").args(["-H", &parts::docker_host(), "rm", "--force", &self.0]).output().unwrap();
    }
}

#[test]
fn systemd_finds_nothing_wrong_with_the_service() {
    let folder = tempfile::tempdir().unwrap();
    let unit = folder.path().join("windlass-apply.service");
    let text = example("windlass-apply.service");
    let installed = text.replace("/usr/local/bin/windlass", env!("CARGO_BIN_EXE_windlass"));
    assert_ne!(installed, text);
    fs::write(&unit, installed).unwrap();
    let output = Command::new("systemd-analyze").arg("verify").arg(&unit).output().unwrap();
    assert!(output.status.success() && output.stderr.is_empty(), "{output:?}");
}

#[test]
fn the_container_keeps_its_host_at_the_manifest() {
    let lab = Lab::new("example-host");
    let web = |image: &str| {
        format!(
            r#""web": {{"image": "{image}", "stop_grace": "1s",
  "update": {{"healthy_for": "0s", "drain": "0s", "probe": {{"http": "80/version"}}}}}}"#
        )
    };
    lab.manifest(1, &web("one"));
    let readme = example("README.md");
    let command = readme.split("# docker run ").nth(1).unwrap().split("```").next().unwrap().replace("\\\n", " ");
    // The image has no libraries, which the program wants that tests are made of.
    let program = Path::new(env!("CARGO_BIN_EXE_windlass")).parent().unwrap();
    let (agent, socket) = (lab.name("agent"), parts::docker_host());
    let mounts = format!("--volume {}:/program:ro --volume /lib:/lib:ro --volume /lib64:/lib64:ro", shown(program));
    let there = [
        ("--name windlass ", format!("--name {agent} {mounts} --entrypoint /program/windlass ")),
        ("--volume /run/docker.sock:", format!("--volume {}:", socket.trim_start_matches("unix://"))),
        ("--volume /etc/windlass:", format!("--volume {}:", shown(&lab.path("")))),
        ("--volume /var/lib/windlass:", format!("--volume {}:", shown(&lab.path("kept")))),
        (" windlass apply ", format!(" {} apply ", lab.image("one"))),
    ];
    let command = there.into_iter().fold(command, |command, (old, new)| {
        assert_eq!(command.matches(old).count(), 1, "`{old}` in {command}");
        command.replace(old, &new)
    });
    let _removed = Removed(agent.clone());
    docker(&["run"].into_iter().chain(command.split_whitespace()).collect::<Vec<_>>());
    let runs = |image| {
        let done = format!("\"current\": {}", if image == "one" { 1 } else { 2 });
        until("it is applied", || {
            let history =
                ["exec", &agent, "/program/windlass", "history", "--project", &lab.project, "--format", "json"];
            let client = Command::new("docker").args(["-H", &socket]).args(history).output().unwrap();
            String::from_utf8_lossy(&client.stdout).contains(&done)
        });
        assert_eq!(known(&lab, "{{.Image}}"), lab.image(image));
    };
    runs("one");
    lab.manifest(2, &web("two"));
    docker(&["kill", "--signal", "HUP", &agent]);
    runs("two");
    docker(&["stop", &agent]);
    assert_eq!(docker(&["inspect", "--format", "{{.State.ExitCode}}", &agent]), "0");
}
