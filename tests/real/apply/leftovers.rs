//! Whatever was left behind or taken away, the next run makes the host what it should be.

use std::io::{BufRead as _, BufReader, Read as _};
use std::process::Output;
use std::time::Duration;

use expect_test::expect;
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use windlass::apply::{Action, Desired, DockerHost, Emptying, Endpoint, Host, diff};
use windlass::diag::SourceText;
use windlass::registry::{Keychain, RetryPolicy};

use super::lab::{Lab, ask, docker, free_port};
use crate::parts;

async fn host() -> DockerHost {
    let docker = windlass::docker::connect(&parts::docker_host(), Duration::from_secs(20)).await.unwrap();
    DockerHost::new(docker, Keychain::empty(), RetryPolicy::default(), Duration::from_secs(60))
}

/// What `deploy.json` wants.
fn desired(lab: &Lab) -> Desired {
    let text = std::fs::read_to_string(lab.path("deploy.json")).unwrap();
    Desired::new(&windlass::manifest::parse(&SourceText::new("deploy.json", text)).unwrap()).unwrap()
}

/// Does the first steps of what a run would do, and tells whether that was less than all.
async fn cut_after(lab: &Lab, n_steps: usize) -> bool {
    let desired = desired(lab);
    let host = host().await;
    let steps = diff(&desired, &host.observe(&desired).await.unwrap(), Emptying::Refused).unwrap();
    for step in steps.iter().take(n_steps) {
        host.perform(&step.action).await.unwrap();
    }
    n_steps < steps.len()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_container_that_was_renamed_is_connected_once() {
    let lab = Lab::new("connected");
    lab.manifest(1, &format!(r#""web": {{"image": "one", "stop_grace": "0s", "ports": ["{}:80"]}}"#, free_port()));
    lab.apply();
    let (name, network) = (lab.name("other"), lab.project.clone());
    docker(&["rename", &lab.name("web"), &name]);
    // The engine goes by the name that it had when it was connected, and would connect it a second time.
    let endpoint = Endpoint { aliases: ["web".to_owned()].into(), ..Endpoint::default() };
    let connect = Action::Connect { name: name.clone(), network: network.clone(), endpoint };
    host().await.perform(&connect).await.unwrap();
    docker(&["rm", "--force", &name]);
    docker(&["network", "rm", &network]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_container_that_a_killed_run_asked_for_is_taken_when_it_comes_late() {
    let lab = Lab::new("late");
    lab.manifest(1, r#""web": {"image": "one", "stop_grace": "0s", "update": {"healthy_for": "0s"}}"#);
    let desired = desired(&lab);
    let host = host().await;
    let steps = diff(&desired, &host.observe(&desired).await.unwrap(), Emptying::Refused).unwrap();
    let created = steps.iter().position(|step| matches!(step.action, Action::Create(_))).unwrap();
    for step in &steps[..=created] {
        host.perform(&step.action).await.unwrap();
    }
    host.perform(&steps[created].action).await.unwrap();
    docker(&["start", &lab.name("web")]);
    // It is not what somebody wants to make any more: it may serve.
    host.perform(&steps[created].action).await.unwrap_err();
    lab.apply();
    assert_eq!(lab.containers(), "PROJECT-web running");
}

/// A front with a port of the host, and a back that it links to; of two versions in turn.
fn version(port: u16, image: &str) -> String {
    format!(
        r#""back": {{"image": "{image}", "stop_grace": "0s", "update": {{"healthy_for": "0s"}}}},
"front": {{"image": "{image}", "ports": ["{port}:80"], "links": ["back"], "stop_grace": "0s",
  "update": {{"healthy_for": "0s"}}}}"#
    )
}

#[tokio::test(flavor = "multi_thread")]
async fn a_run_may_be_cut_after_any_step() {
    let lab = Lab::new("cut");
    let port = free_port();
    let mut is_cut = true;
    let mut n_steps = 0;
    while is_cut {
        let (serial, image) = (n_steps as u64 + 1, ["one", "two"][n_steps % 2]);
        lab.manifest(serial, &version(port, image));
        is_cut = cut_after(&lab, n_steps).await;
        let ran = lab.apply();
        assert_eq!(lab.containers(), "PROJECT-back running\nPROJECT-front running", "cut after {n_steps}: {ran:?}");
        assert_eq!((lab.asks("front", "back"), ask(port).unwrap()), (image.to_owned(), image.to_owned()));
        let before = lab.now();
        let again = lab.apply();
        assert_eq!(again.stderr, "", "cut after {n_steps}");
        assert_eq!(lab.events_since(&before), Vec::<String>::new(), "cut after {n_steps}");
        n_steps += 1;
    }
    assert!(n_steps > 10, "both containers were replaced: {n_steps} steps");
}

#[test]
fn an_interrupted_run_ends_with_its_code_and_is_taken_up() {
    let lab = Lab::new("interrupt");
    lab.manifest(1, r#""web": {"image": "one", "stop_grace": "0s"}"#);
    lab.apply();
    lab.manifest(2, r#""web": {"image": "two", "stop_grace": "0s", "update": {"healthy_for": "1h", "timeout": "2h"}}"#);
    let mut child = lab.start(&["apply"]);
    let mut stderr = BufReader::new(child.stderr.take().unwrap());
    let mut said = String::new();
    while !said.contains("wait until") {
        assert_ne!(stderr.read_line(&mut said).unwrap(), 0, "it ended too early: {said}");
    }
    kill(Pid::from_raw(child.id().try_into().unwrap()), Signal::SIGINT).unwrap();
    stderr.read_to_string(&mut said).unwrap();
    let ended = child.wait_with_output().unwrap();
    lab.ran(Output { stderr: said.into_bytes(), ..ended }).is(expect![[r#"
        web | create `PROJECT-web.next` (its image changed)
        web | start `PROJECT-web.next` (its image changed)
        web | wait until `PROJECT-web.next` is good, 2h at most (it was started)
        note: going back to what served before
        error: interrupted
        hint: what was begun may be half done: the same command finishes it
        exit 130
    "#]]);
    assert_eq!(lab.containers(), "PROJECT-web running");
    assert_eq!(lab.asks("web", "web"), "one", "what served before still does");
    lab.manifest(3, r#""web": {"image": "two", "stop_grace": "0s"}"#);
    lab.apply();
    assert_eq!(lab.containers(), "PROJECT-web running");
    assert_eq!(lab.asks("web", "web"), "two");
}

#[test]
fn what_a_person_did_is_mended() {
    let lab = Lab::new("meddled");
    let web = r#""db": {"image": "one", "stop_grace": "0s"},
"web": {"image": "one", "links": ["db:store"], "stop_grace": "0s"}"#;
    lab.manifest(1, web);
    lab.apply();
    let (db, name) = (lab.name("db"), lab.name("web"));
    docker(&["network", "disconnect", &lab.project, &db]);
    lab.run(&["apply"]).is(expect![[r#"
        db | connect `PROJECT-db` to network `PROJECT` (its names on the network are not as wanted)
        db | wait until `PROJECT-db` is good, 1m at most (it was started)
        done in 1 change: the host runs serial 1 of `PROJECT`
        exit 0
    "#]]);
    assert_eq!(lab.asks("web", "store"), "one");
    docker(&["stop", "--time", "60", &name]);
    lab.run(&["apply"]).is(expect![[r#"
        web | start `PROJECT-web` (it does not run: exited (0))
        web | wait until `PROJECT-web` is good, 1m at most (it was started)
        done in 1 change: the host runs serial 1 of `PROJECT`
        exit 0
    "#]]);
    docker(&["pause", &name]);
    lab.run(&["apply"]).is(expect![[r#"
        web | unpause `PROJECT-web` (it does not run: paused)
        web | wait until `PROJECT-web` is good, 1m at most (it was started)
        done in 1 change: the host runs serial 1 of `PROJECT`
        exit 0
    "#]]);
    docker(&["rm", "--force", &db]);
    lab.run(&["apply"]).is(expect![[r#"
        db | create `PROJECT-db` (it is not on the host)
        db | start `PROJECT-db` (it is not on the host)
        web | restart `PROJECT-web` (`db` was replaced)
        db | wait until `PROJECT-db` is good, 1m at most (it was started)
        web | wait until `PROJECT-web` is good, 1m at most (it was started)
        done in 3 changes: the host runs serial 1 of `PROJECT`
        exit 0
    "#]]);
    assert_eq!(lab.asks("web", "store"), "one");
    docker(&["rm", "--force", &name, &db]);
    docker(&["network", "rm", &lab.project]);
    assert_eq!(lab.run(&["status", "--exit-code"]).exit, Some(10));
    lab.apply();
    docker(&["stop", "--time", "60", &name, &db]);
    docker(&["network", "rm", &lab.project]);
    lab.run(&["apply"]).is(expect![[r#"
        note: create network `PROJECT`: it is not on the host
        db | connect `PROJECT-db` to network `PROJECT` (its names on the network are not as wanted)
        db | start `PROJECT-db` (it does not run: exited (0))
        web | connect `PROJECT-web` to network `PROJECT` (its names on the network are not as wanted)
        web | start `PROJECT-web` (it does not run: exited (0))
        db | wait until `PROJECT-db` is good, 1m at most (it was started)
        web | wait until `PROJECT-web` is good, 1m at most (it was started)
        done in 5 changes: the host runs serial 1 of `PROJECT`
        exit 0
    "#]]);
    assert_eq!(lab.asks("web", "store"), "one");
    assert_eq!(lab.run(&["apply", "--dry-run"]).stdout, "nothing to do\n");
}
