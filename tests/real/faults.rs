//! A world that refuses: engines and registries that are gone, silent or closed, and a full disk. Each is told in
//! bounded time, with its exit code, and nothing is lost.

use std::fs;
use std::io::Write as _;
use std::os::unix::net::UnixListener;
use std::process::Command;

use crate::parts;
use crate::project::{Project, docker, said};

/// Whether `text` has every part.
fn holds(text: &str, parts: &[&str]) {
    for part in parts {
        assert!(text.contains(part), "`{part}` in {text}");
    }
}

#[test]
fn an_engine_that_is_not_there_is_exit_3_with_its_address() {
    let project = Project::with_base("faultnoengine");
    let said = said(&project.command(&["--host", "unix:///nonexistent/engine.sock", "build"]).output().unwrap());
    assert_eq!(said.code, Some(3));
    holds(&said.stderr, &["unix:///nonexistent/engine.sock", "hint:", "windlass doctor"]);
}

#[test]
fn an_engine_that_says_nothing_is_exit_3_in_bounded_time() {
    let project = Project::with_base("faultsilent");
    let socket = project.path("silent.sock");
    let _listener = UnixListener::bind(&socket).unwrap();
    let host = format!("unix://{}", socket.display());
    let said = said(&project.command(&["--host", &host, "build"]).output().unwrap());
    assert_eq!(said.code, Some(3), "{}", said.stderr);
    holds(&said.stderr, &["did not answer within", &host]);
}

#[test]
fn an_engine_that_talks_nonsense_is_exit_3() {
    let project = Project::with_base("faultnonsense");
    let socket = project.path("nonsense.sock");
    let listener = UnixListener::bind(&socket).unwrap();
    let server = std::thread::spawn(move || {
        let (mut stream, _) = listener.accept().unwrap();
        stream.write_all(b"this is no HTTP\r\n\r\n").unwrap();
    });
    let said = said(&project.command(&["--host", &format!("unix://{}", socket.display()), "build"]).output().unwrap());
    assert_eq!(said.code, Some(3), "{}", said.stderr);
    server.join().unwrap();
}

#[test]
fn the_time_that_timeout_allows_is_exit_124() {
    let project = Project::with_base("faulttimeout");
    project
        .write("base/Dockerfile", &(project.read("base/Dockerfile") + "RUN [\"/bin/busybox\", \"sleep\", \"600\"]\n"));
    let said = project.run(&["--timeout", "3s", "build"]);
    assert_eq!(said.code, Some(124), "{}", said.stderr);
    holds(&said.stderr, &["--timeout"]);
}

#[test]
fn a_registry_that_is_down_is_exit_3_and_nothing_is_promoted() {
    let project = Project::with_base("faultdown");
    project.write("windlass.yaml", "version: 1\nproject: faultdown\nregistry: 127.0.0.1:9/faultdown\n");
    let said = project.run(&["build", "--push"]);
    assert_eq!(said.code, Some(3), "{}", said.stderr);
    holds(&said.stderr, &["127.0.0.1:9", "does not answer"]);
    assert_eq!(docker(&["image", "ls", "--quiet", "127.0.0.1:9/faultdown/base:latest"]), "");
    // Without a push the registry is only a place to find things: its absence is told, and the build goes on.
    let said = project.run(&["build"]);
    assert_eq!(said.code, Some(0), "{}", said.stderr);
    holds(&said.stderr, &["warning", "127.0.0.1:9"]);
}

#[test]
fn a_registry_that_wants_a_login_is_told_with_the_way_to_log_in() {
    let project = Project::with_base("faultlogin");
    let (address, ..) = parts::registry_auth();
    project.write("windlass.yaml", &format!("version: 1\nproject: faultlogin\nregistry: {address}/faultlogin\n"));
    let said = project.run(&["build", "--push"]);
    assert_eq!(said.code, Some(1), "{}", said.stderr);
    holds(&said.stderr, &["does not allow it", &format!("docker login {address}")]);
}

#[test]
fn a_full_disk_leaves_the_former_manifest() {
    let project = Project::with_base("faultfull");
    project.write("full/deploy.json", "");
    let full = project.path("full");
    let mount = Command::new("mount").args(["-t", "tmpfs", "-o", "size=16k", "tmpfs"]).arg(&full).status().unwrap();
    assert!(mount.success(), "a small file system is mounted");
    let deploy = ["build", "--manifest", "full/deploy.json"];
    project.ok(&deploy);
    let former = project.read("full/deploy.json");
    let filled = fs::write(full.join("filler"), vec![0; 64 << 10]);
    assert!(filled.is_err(), "the disk is full");
    project.write("base/Dockerfile", &(project.read("base/Dockerfile") + "LABEL changed=yes\n"));
    let said = project.run(&deploy);
    let left: Vec<_> = fs::read_dir(&full).unwrap().map(|entry| entry.unwrap().file_name()).collect();
    let manifest = project.read("full/deploy.json");
    assert!(Command::new("umount").arg(&full).status().unwrap().success());
    assert_eq!(said.code, Some(1), "{}", said.stderr);
    holds(&said.stderr, &["writing the deploy manifest", "full/deploy.json", "No space left on device"]);
    assert_eq!(manifest, former);
    assert_eq!(left.len(), 2, "no temporary file stays: {left:?}");
}

#[test]
fn a_manifest_of_a_newer_version_is_not_written_over() {
    let project = Project::with_base("faultnewer");
    let newer = "{\n  \"version\": 99,\n  \"project\": \"faultnewer\"\n}\n";
    project.write("deploy.json", newer);
    let said = project.run(&["build", "--manifest", "deploy.json"]);
    assert_eq!(said.code, Some(2), "{}", said.stderr);
    holds(&said.stderr, &["deploy.json:2:14", "99"]);
    assert_eq!(project.read("deploy.json"), newer);
}
