//! What `apply` does when something is wrong: with the manifest, with an image, with what it is run beside.

use std::fs;

use expect_test::{Expect, expect};
use windlass::apply::{History, Lock};

use super::lab::{Lab, ask, docker, free_port, shown};
use crate::parts;

#[test]
fn an_image_that_ends_at_once_leaves_the_old_one_serving() {
    let lab = Lab::new("crash");
    lab.manifest(1, r#""web": {"image": "one", "stop_grace": "2s"}"#);
    lab.apply();
    let before = lab.inspect("web", "{{.Id}} {{.State.StartedAt}}");
    lab.manifest(
        2,
        r#""web": {"image": "crash", "stop_grace": "2s", "restart": "no", "update": {"healthy_for": "10s"}}"#,
    );
    lab.run(&["apply"]).is(expect![[r#"
        web | create `PROJECT-web.next` (its image changed)
        web | start `PROJECT-web.next` (its image changed)
        web | wait until `PROJECT-web.next` is good, 1m at most (it was started)
        note: going back to what served before
        error: `web` is not good; what served before serves again
          caused by: `PROJECT-web.next` ended with exit code 3; it wrote last:
            it does not work
        exit 4
    "#]]);
    assert_eq!(lab.inspect("web", "{{.Id}} {{.State.StartedAt}}"), before, "it was never touched");
    assert_eq!(lab.containers(), "PROJECT-web running");
    let history: serde_json::Value = serde_json::from_str(&lab.run(&["history", "--format", "json"]).stdout).unwrap();
    assert_eq!(history["entries"][1]["outcome"], "restored");
    assert_eq!(history["current"], 1);
}

#[test]
fn an_image_that_is_not_well_leaves_the_old_one_serving() {
    let lab = Lab::new("sick");
    lab.manifest(1, r#""web": {"image": "one", "stop_grace": "2s"}"#);
    lab.apply();
    lab.manifest(2, r#""web": {"image": "sick", "stop_grace": "2s"}"#);
    lab.run(&["apply"]).is(expect![[r#"
        web | create `PROJECT-web.next` (its image changed)
        web | start `PROJECT-web.next` (its image changed)
        web | wait until `PROJECT-web.next` is good, 1m at most (it was started)
        note: going back to what served before
        error: `web` is not good; what served before serves again
          caused by: `PROJECT-web.next` is unhealthy: not well
        exit 4
    "#]]);
    assert_eq!(lab.asks("web", "web"), "one");
    assert_eq!(lab.containers(), "PROJECT-web running");
}

#[test]
fn a_port_goes_back_to_the_old_one_when_the_new_one_is_bad() {
    let lab = Lab::new("port-back");
    let port = free_port();
    let web = |image: &str| format!(r#""web": {{"image": "{image}", "ports": ["{port}:80"], "stop_grace": "2s"}}"#);
    lab.manifest(1, &web("one"));
    lab.apply();
    for (serial, bad) in [(2, "crash"), (3, "absent"), (4, "sick")] {
        lab.manifest(serial, &web(bad));
        let ran = lab.run(&["apply"]);
        assert_eq!(ran.exit, Some(4), "{bad}: {ran:?}");
        assert_eq!(ask(port).unwrap(), "one", "after {bad}");
        assert_eq!(lab.containers(), "PROJECT-web running", "after {bad}");
    }
}

#[test]
fn what_was_changed_before_a_failure_is_told_and_taken_back_by_a_rollback() {
    let lab = Lab::new("others");
    let both = |db: &str, web: &str| {
        let entry = |name: &str, image: &str, rest: &str| {
            format!(r#""{name}": {{"image": "{image}", "stop_grace": "0s"{rest}}}"#)
        };
        format!("{}, {}", entry("db", db, ""), entry("web", web, r#", "links": ["db"]"#))
    };
    let images = || {
        let image = |name| docker(&["inspect", "--format", "{{.Config.Image}}", &lab.name(name)]);
        [image("db"), image("web")]
    };
    lab.manifest(1, &both("one", "one"));
    lab.apply();
    let before = images();
    lab.manifest(2, &both("two", "sick"));
    let ran = lab.run(&["apply"]);
    assert_eq!(ran.exit, Some(1), "the host is not as it was: {ran:?}");
    let end = ran.stderr.split_once("error: ").unwrap().1;
    expect![[r#"
        `web` is not good; what served before serves again; changed already, and left so: `db`
          caused by: `PROJECT-web.next` is unhealthy: not well
        hint: `windlass rollback` takes back what was changed, `windlass apply` goes on from it
    "#]]
    .assert_eq(end);
    assert_ne!(images(), before);
    lab.run(&["rollback"]);
    assert_eq!(images(), before);
}

#[test]
fn what_is_known_to_be_bad_is_not_tried_again_where_somebody_asks_for_that() {
    let lab = Lab::new("skip-bad");
    let port = free_port();
    let web = |image: &str| format!(r#""web": {{"image": "{image}", "ports": ["{port}:80"], "stop_grace": "0s"}}"#);
    lab.manifest(1, &web("sick"));
    assert_eq!(lab.run(&["apply", "--skip-bad"]).exit, Some(1));
    lab.run(&["apply", "--skip-bad"]).is(expect![[r#"
        error: serial 1 was tried and is not good
        hint: the next serial will be tried; without `--skip-bad` this one is tried again
        exit 1
    "#]]);
    lab.manifest(2, &web("one"));
    lab.apply();
    lab.manifest(3, &web("crash"));
    assert_eq!(lab.run(&["apply", "--skip-bad"]).exit, Some(4), "the first time it is tried");
    let before = lab.now();
    lab.run(&["apply", "--skip-bad"]).is(expect![[r#"
        error: serial 3 was tried and is not good; the host is kept at serial 2
        hint: the next serial will be tried; without `--skip-bad` this one is tried again
        nothing to do: the host runs serial 2 of `PROJECT`
        exit 4
    "#]]);
    assert_eq!(lab.events_since(&before), Vec::<String>::new());
    docker(&["rm", "--force", &lab.name("web")]);
    assert_eq!(lab.run(&["apply", "--skip-bad"]).exit, Some(4));
    assert_eq!(ask(port).unwrap(), "one", "what is kept is mended too");
    assert_eq!(lab.run(&["apply"]).exit, Some(4), "who asks for it gets it tried again");
    lab.manifest(4, &web("two"));
    assert_eq!(lab.run(&["apply", "--skip-bad"]).exit, Some(0));
    assert_eq!(ask(port).unwrap(), "two");
}

#[test]
fn two_projects_share_no_volume() {
    let lab = Lab::new("volume");
    lab.manifest(1, r#""web": {"image": "one", "stop_grace": "0s", "volumes": ["a-b:/data"]}"#);
    lab.apply();
    let other = Lab::new("volume-a");
    other.manifest(1, r#""web": {"image": "one", "stop_grace": "0s", "volumes": ["b:/data"]}"#);
    other.run(&["apply"]).is(expect![[r#"
        error: a volume `PROJECT-b` is there and is not ours
        hint: remove or rename it
        exit 1
    "#]]);
    assert_eq!(other.containers(), "");
}

#[test]
fn a_first_version_that_is_bad_is_left_to_be_looked_at() {
    let lab = Lab::new("first");
    lab.manifest(1, r#""web": {"image": "sick", "stop_grace": "0s"}"#);
    lab.run(&["apply"]).is(expect![[r#"
        note: create network `PROJECT`: it is not on the host
        web | create `PROJECT-web` (it is not on the host)
        web | start `PROJECT-web` (it is not on the host)
        web | wait until `PROJECT-web` is good, 1m at most (it was started)
        error: `web` is not good
          caused by: `PROJECT-web` is unhealthy: not well
        hint: `docker logs PROJECT-web` shows all that it wrote; mend what is wrong, and apply again: there is nothing yet to go back to
        exit 1
    "#]]);
    assert_eq!(lab.containers(), "PROJECT-web running");
    lab.run(&["apply"]).is(expect![[r#"
        web | wait until `PROJECT-web` is good, 1m at most (its health is unhealthy)
        error: `web` is not good
          caused by: `PROJECT-web` is unhealthy: not well
        hint: `docker logs PROJECT-web` shows all that it wrote; mend what is wrong, and apply again: there is nothing yet to go back to
        exit 1
    "#]]);
    let status = lab.run(&["status"]);
    let words: Vec<&str> = status.stdout.lines().nth(1).unwrap().split_whitespace().collect();
    // The fifth says since when, in seconds.
    let (before, after) = (&words[..4], &words[5..]);
    assert_eq!(before, ["PROJECT-web", "sick", "running", "unhealthy"], "{status:?}");
    assert_eq!(after, ["1", "not", "ready"], "{status:?}");
    assert_eq!(status.exit, Some(0));
}

#[test]
fn a_failure_is_left_as_it_is_where_somebody_asks_for_that() {
    let lab = Lab::new("on-failure");
    let web = |image: &str| {
        format!(r#""web": {{"image": "{image}", "stop_grace": "0s", "update": {{"on_failure": "stop"}}}}"#)
    };
    lab.manifest(1, &web("one"));
    lab.apply();
    lab.manifest(2, &web("sick"));
    assert_eq!(lab.run(&["apply"]).exit, Some(1));
    assert_eq!(lab.containers(), "PROJECT-web running\nPROJECT-web.next running");
    lab.manifest(3, &web("two"));
    lab.apply();
    assert_eq!(lab.containers(), "PROJECT-web running");
    assert_eq!(lab.asks("web", "web"), "two");
}

/// Checks that a text is refused as a manifest and that nothing changes by it.
fn check_refused(lab: &Lab, text: &str, expected: Expect) {
    fs::write(lab.path("deploy.json"), text).unwrap();
    let before = lab.now();
    lab.run(&["apply"]).is(expected);
    assert_eq!(lab.events_since(&before), Vec::<String>::new());
    assert_eq!(lab.containers(), "PROJECT-web running");
}

#[test]
fn a_manifest_that_is_wrong_changes_nothing() {
    let lab = Lab::new("refused");
    lab.manifest(1, r#""web": {"image": "one", "stop_grace": "0s"}"#);
    lab.apply();
    let good = fs::read_to_string(lab.path("deploy.json")).unwrap();
    check_refused(
        &lab,
        &good.replace("\"version\": 1", "\"version\": 2"),
        expect![[r#"
        error: this deploy manifest is of version 2, and only version 1 is known
         --> deploy.json:1:13
          |
        1 | {"version": 2, "project": "PROJECT", "serial": 1,
          |             ^
          |
          = hint: a newer windlass wrote it: update windlass on this host
        exit 2
    "#]],
    );
    check_refused(
        &lab,
        &good[..good.len() - 10],
        expect![[r#"
            error: the deploy manifest ends in the middle
             --> deploy.json:3:51
              |
            3 | "containers": {"web": {"image": "one", "stop_grace
              |                                                   ^
              |
              = hint: it was cut off or is still being written: make it again
            exit 2
        "#]],
    );
    check_refused(
        &lab,
        &good.replace("\"image\": \"one\"", "\"image\": \"onr\""),
        expect![[r#"
        error: there is no image `onr`
         --> deploy.json:3:33
          |
        3 | "containers": {"web": {"image": "onr", "stop_grace": "0s"}}}
          |                                 ^^^^^
          |
          = hint: did you mean `one`?
        exit 2
    "#]],
    );
    check_refused(
        &lab,
        &good.replace("stop_grace", "stop_grase"),
        expect![[r#"
        error: unknown key `stop_grase`
         --> deploy.json:3:40
          |
        3 | "containers": {"web": {"image": "one", "stop_grase": "0s"}}}
          |                                        ^^^^^^^^^^^^
          |
          = hint: did you mean `stop_grace`?
        exit 2
    "#]],
    );
    check_refused(
        &lab,
        "",
        expect![[r#"
        error: the deploy manifest is empty
         --> deploy.json:1:1
          |
        1 |
          | ^
        exit 2
    "#]],
    );
    check_refused(
        &lab,
        "{\"version\": 1, \"project\": \"x\", \"serial\": 1, \"images\": {}, \"cont\": 1}",
        expect![[r#"
            error: unknown key `cont`
             --> deploy.json:1:59
              |
            1 | {"version": 1, "project": "x", "serial": 1, "images": {}, "cont": 1}
              |                                                           ^^^^^^
              |
              = hint: known are version, project, revision, serial, created, images, networks, containers
            exit 2
        "#]],
    );
    fs::remove_file(lab.path("deploy.json")).unwrap();
    lab.run(&["apply"]).is(expect![[r#"
        error: there is no deploy manifest `deploy.json`
        hint: `windlass build` writes one; or name another
        exit 2
    "#]]);
    fs::write(lab.path("deploy.json"), b"{\"version\": 1, \xff").unwrap();
    lab.run(&["apply"]).is(expect![[r#"
        error: the deploy manifest is not UTF-8
         --> deploy.json:1:16
          |
        1 | {"version": 1, 
          |                ^
        exit 2
    "#]]);
}

#[test]
fn an_image_that_is_nowhere_changes_nothing() {
    let lab = Lab::new("nowhere");
    lab.manifest(1, r#""web": {"image": "one", "stop_grace": "0s"}"#);
    lab.apply();
    let digest = format!("sha256:{}", "ab".repeat(32));
    let entry = format!(r#""gone": {{"id": "{digest}", "content_hash": "{digest}"}}"#);
    lab.manifest_with_images(2, &entry, r#""web": {"image": "gone"}"#);
    lab.run(&["apply"]).is(expect![[r#"
        error: the engine does not have the image `gone` of `web`, and it was not pushed to a registry
        hint: push it with `windlass build --push`
        exit 1
    "#]]);
    let reference = format!("{}/windlass-test/gone@{digest}", parts::registry());
    let entry = format!(r#""gone": {{"id": "{digest}", "content_hash": "{digest}", "reference": "{reference}"}}"#);
    lab.manifest_with_images(2, &entry, r#""web": {"image": "gone"}"#);
    let ran = lab.run(&["apply"]);
    assert_eq!(ran.exit, Some(1), "{ran:?}");
    assert!(ran.stderr.contains("not found") || ran.stderr.contains("manifest unknown"), "{ran:?}");
    assert_eq!(lab.containers(), "PROJECT-web running");
}

#[test]
fn images_are_pulled_by_digest_and_looked_at() {
    let lab = Lab::new("pulled");
    let repository = format!("{}/windlass-test-apply-pulled", parts::registry());
    let tag = format!("{repository}:{}", std::process::id());
    let container = docker(&["create", lab.image("one")]);
    let id = docker(&["commit", "--message", &tag, &container, &tag]);
    docker(&["rm", &container]);
    docker(&["push", &tag]);
    let digest = docker(&["image", "inspect", "--format", "{{index .RepoDigests 0}}", &tag]);
    docker(&["rmi", "--force", &id]);
    let entry = |id: &str| format!(r#""web": {{"id": "{id}", "content_hash": "{id}", "reference": "{digest}"}}"#);
    let web = r#""web": {"image": "web", "stop_grace": "0s"}"#;

    lab.manifest_with_images(1, &entry(&format!("sha256:{}", "ab".repeat(32))), web);
    let wrong = lab.run(&["apply"]);
    assert_eq!(wrong.exit, Some(1), "{wrong:?}");
    assert!(wrong.stderr.contains("and the manifest says"), "{wrong:?}");
    assert_eq!(lab.containers(), "");

    docker(&["rmi", "--force", &id]);
    lab.manifest_with_images(1, &entry(&id), web);
    assert_eq!(lab.run(&["--offline", "apply"]).exit, Some(1), "nothing is pulled offline");
    lab.apply();
    assert_eq!(lab.inspect("web", "{{.Image}}"), id);
    assert_eq!(lab.run(&["apply", "--dry-run"]).stdout, "nothing to do\n");
    docker(&["rm", "--force", &lab.name("web")]);
    docker(&["rmi", "--force", &id]);
}

#[test]
fn one_run_at_a_time_works_on_a_project() {
    let lab = Lab::new("lock");
    lab.manifest(1, r#""web": {"image": "one", "stop_grace": "0s"}"#);
    let project = lab.project.parse().unwrap();
    let history = History::new(&lab.state(), &project);
    history.make_folder().unwrap();
    let lock = Lock::take(history.folder(), &lab.address(), &project).unwrap();
    // By the file that they share, and by the engine's address.
    for ran in [lab.run(&["apply"]), lab.run(&["apply", "--state-dir", "elsewhere"])] {
        assert_eq!(ran.exit, Some(5));
        let holder = format!("process {}", std::process::id());
        assert_eq!(
            ran.stderr.replace(&holder, "process PID"),
            "error: another run works on `PROJECT`: process PID\nhint: wait for it, and try again\n"
        );
    }
    assert_eq!(lab.run(&["apply", "--dry-run"]).exit, Some(0), "who only looks needs no lock");
    assert_eq!(lab.containers(), "");
    drop(lock);
    lab.apply();
}

#[test]
fn names_that_somebody_else_has_are_left_to_them() {
    let lab = Lab::new("taken");
    lab.manifest(1, r#""web": {"image": "one"}"#);
    docker(&["create", "--name", &lab.name("web"), lab.image("two")]);
    let container = lab.run(&["apply"]);
    docker(&["rm", &lab.name("web")]);
    docker(&["network", "create", &lab.project]);
    let network = lab.run(&["apply"]);
    docker(&["network", "rm", &lab.project]);
    container.is(expect![[r#"
        error: a container `PROJECT-web` is there and is not ours
        hint: remove or rename it
        exit 1
    "#]]);
    network.is(expect![[r#"
        error: a network `PROJECT` is there and is not ours
        hint: remove or rename it
        exit 1
    "#]]);
}

#[test]
fn a_port_that_somebody_else_has_stops_nothing_of_ours() {
    let lab = Lab::new("port-taken");
    let (port, free) = (free_port(), free_port());
    let web = |image: &str, port: u16| {
        format!(r#""web": {{"image": "{image}", "stop_grace": "0s", "ports": ["127.0.0.1:{port}:80"]}}"#)
    };
    lab.manifest(1, &web("one", free));
    lab.apply();
    let other = format!("{}-other", lab.project);
    docker(&["run", "--detach", "--name", &other, "--publish", &format!("127.0.0.1:{port}:80"), lab.image("two")]);
    lab.manifest(2, &web("two", port));
    let ran = lab.run(&["apply"]);
    docker(&["rm", "--force", &other]);
    assert_eq!((ran.exit, ran.stdout.as_str()), (Some(1), ""));
    expect![[r#"
        error: `web` wants the port 127.0.0.1:PORT/tcp, which the container `PROJECT-other` has, and that is not ours
        hint: stop it, or choose another port
    "#]]
    .assert_eq(&ran.stderr.replace(&port.to_string(), "PORT"));
    assert_eq!(ask(free).unwrap(), "one");
    lab.apply();
}

#[test]
fn a_host_that_is_not_there_is_told_as_that() {
    let lab = Lab::new("no-engine");
    lab.manifest(1, r#""web": {"image": "one"}"#);
    let missing = format!("unix://{}", shown(&lab.path("nothing.sock")));
    lab.run(&["--host", &missing, "apply"]).is(expect![[r#"
        error: no engine answers at `unix://FOLDER/nothing.sock`: Socket not found: FOLDER/nothing.sock
        hint: start it, or name another with `--host`; `windlass doctor` tells what is there
        exit 3
    "#]]);
    let silent = lab.path("silent.sock");
    let _listener = std::os::unix::net::UnixListener::bind(&silent).unwrap();
    let silent = format!("unix://{}", shown(&silent));
    lab.run(&["--host", &silent, "--timeout", "300ms", "apply"]).is(expect![[r#"
        error: the time that `--timeout` allows is over
        hint: what was begun may be half done: the same command finishes it
        exit 124
    "#]]);
}

#[test]
fn secrets_are_told_to_nobody() {
    const CANARY: &str = "canary-7f3a";
    let lab = Lab::new("secrets");
    let web =
        |image: &str| format!(r#""web": {{"image": "{image}", "stop_grace": "0s", "env": {{"TOKEN": "{CANARY}"}}}}"#);
    lab.manifest(1, &web("one"));
    let mut said = String::new();
    let mut say = |args: &[&str]| {
        let ran = lab.run(args);
        said.push_str(&ran.stdout);
        said.push_str(&ran.stderr);
    };
    say(&["apply", "--dry-run"]);
    say(&["apply", "--dry-run", "--format", "json"]);
    say(&["apply", "--format", "json", "--progress", "json"]);
    say(&["status", "--format", "json"]);
    lab.manifest(2, &web("absent"));
    say(&["apply"]);
    say(&["history"]);
    assert!(!said.contains(CANARY), "{said}");
    assert!(!lab.inspect("web", "{{json .Config.Labels}}").contains(CANARY));
    assert!(lab.inspect("web", "{{json .Config.Env}}").contains(CANARY), "the container has it");
    let folder = lab.state().join(&lab.project);
    let mode = |path: &std::path::Path| {
        use std::os::unix::fs::PermissionsExt as _;
        fs::metadata(path).unwrap().permissions().mode() & 0o777
    };
    assert_eq!(mode(&folder), 0o700);
    for record in fs::read_dir(folder.join("history")).unwrap() {
        assert_eq!(mode(&record.unwrap().path()), 0o600);
    }
}
