//! `apply`, `rollback`, `status` and `history` on a real engine, through the program itself. What came of them is asked
//! of Docker's own client.

mod artifact;
mod audit;
mod availability;
mod bad_news;
mod dockerup;
mod ec2;
mod engine_faults;
mod example_host;
mod faults;
mod faults_at_once;
mod faults_images;
mod faults_person;
mod halted;
mod image_gc;
mod itself;
mod keys;
mod lab;
mod leftovers;
mod networks;
mod own_engine;
mod probe;
mod proxy;
mod pull_faults;
mod registry_proxy;
mod replicas;
mod sources;
mod watch;

use std::fs;

use expect_test::expect;
use lab::{Lab, ask, docker, free_port};

/// Two containers that are linked, with versions.
fn linked(db: &str, web: &str) -> String {
    format!(
        r#""db": {{"image": "{db}", "aliases": ["database"], "volumes": ["data:/data"], "stop_grace": "2s",
  "update": {{"healthy_for": "300ms"}}}},
"web": {{"image": "{web}", "links": ["db:store"], "stop_grace": "2s", "env": {{"TOKEN": "hunter2"}},
  "healthcheck": {{"test": "wget -q -O - http://127.0.0.1/version", "interval": "300ms"}},
  "update": {{"healthy_for": "300ms"}}}}"#
    )
}

#[test]
fn two_linked_containers_come_up_and_are_left_alone() {
    let lab = Lab::new("linked");
    lab.manifest(1, &linked("one", "one"));
    lab.run(&["apply"]).is(expect![[r#"
        note: create network `PROJECT`: it is not on the host
        note: create volume `PROJECT-data`: it is not on the host
        db | create `PROJECT-db` (it is not on the host)
        db | start `PROJECT-db` (it is not on the host)
        web | create `PROJECT-web` (it is not on the host)
        web | start `PROJECT-web` (it is not on the host)
        db | wait until `PROJECT-db` is good, 1m at most (it was started)
        web | wait until `PROJECT-web` is good, 1m at most (it was started)
        done in 6 changes: the host runs serial 1 of `PROJECT`
        exit 0
    "#]]);
    assert_eq!(lab.asks("web", "store"), "one", "the link's name");
    assert_eq!(lab.asks("web", "database"), "one", "the alias");
    assert_eq!(lab.asks("db", "web"), "one", "the container's name");
    assert_eq!(
        lab.inspect("web", "{{.Config.Hostname}} {{.HostConfig.RestartPolicy.Name}}"),
        format!("web.{} always", lab.project)
    );
    let before = lab.now();
    lab.run(&["apply"]).is(expect![[r#"
        nothing to do: the host runs serial 1 of `PROJECT`
        exit 0
    "#]]);
    assert_eq!(lab.events_since(&before), Vec::<String>::new(), "the engine was asked to do nothing");
    let mut status: serde_json::Value = serde_json::from_str(&lab.run(&["status", "--format", "json"]).stdout).unwrap();
    for container in status["containers"].as_array_mut().unwrap() {
        assert!(container["since"].take().is_string());
    }
    expect![[r#"
        {
          "as_wanted": true,
          "containers": [
            {
              "container": "db",
              "exit_code": null,
              "health": "unchecked",
              "image": "one",
              "name": "PROJECT-db",
              "serial": 1,
              "since": null,
              "state": "running",
              "verdict": "as-wanted"
            },
            {
              "container": "web",
              "exit_code": null,
              "health": "healthy",
              "image": "one",
              "name": "PROJECT-web",
              "serial": 1,
              "since": null,
              "state": "running",
              "verdict": "as-wanted"
            }
          ],
          "project": "PROJECT",
          "serial": 1,
          "version": 1
        }"#]]
    .assert_eq(&serde_json::to_string_pretty(&status).unwrap());
}

#[test]
fn a_change_replaces_and_the_old_one_goes_when_the_new_one_is_good() {
    let lab = Lab::new("change");
    lab.manifest(1, &linked("one", "one"));
    lab.apply();
    let before = lab.now();
    lab.manifest(2, &linked("one", "two"));
    lab.run(&["apply"]).is(expect![[r#"
        web | create `PROJECT-web.next` (its image changed)
        web | start `PROJECT-web.next` (its image changed)
        web | wait until `PROJECT-web.next` is good, 1m at most (it was started)
        web | connect `PROJECT-web.next` to network `PROJECT` (it is good)
        web | wait until `PROJECT-web.next` is good, 1m at most (it is good)
        web | take its names on network `PROJECT` from `PROJECT-web` (the new one is good)
        web | let `PROJECT-web` end what it is at for 1s (the new one is good)
        web | stop `PROJECT-web` (the new one is good)
        web | remove `PROJECT-web` (the new one is good)
        web | rename `PROJECT-web.next` to `PROJECT-web` (it takes the place of the former one)
        done in 7 changes: the host runs serial 2 of `PROJECT`
        exit 0
    "#]]);
    let events = lab.events_since(&before);
    expect![[r#"
        create PROJECT-web.next
        start PROJECT-web.next
        health_status: healthy PROJECT-web.next
        kill PROJECT-web
        die PROJECT-web
        stop PROJECT-web
        destroy PROJECT-web
        rename PROJECT-web"#]]
    .assert_eq(&events.join("\n"));
    assert_eq!(lab.asks("db", "web"), "two");
    assert_eq!(lab.inspect("web", "{{index .Config.Labels \"dev.windlass.serial\"}}"), "2");

    lab.manifest(3, &linked("two", "two"));
    lab.run(&["apply"]).is(expect![[r#"
        db | create `PROJECT-db.next` (its image changed)
        db | stop `PROJECT-db` (the new one starts after it has stopped: both write to `/data`)
        db | start `PROJECT-db.next` (its image changed)
        db | wait until `PROJECT-db.next` is good, 1m at most (it was started)
        db | remove `PROJECT-db` (the new one is good)
        db | rename `PROJECT-db.next` to `PROJECT-db` (it takes the place of the former one)
        web | restart `PROJECT-web` (`db` was replaced)
        web | wait until `PROJECT-web` is good, 1m at most (it was started)
        done in 6 changes: the host runs serial 3 of `PROJECT`
        exit 0
    "#]]);
    assert_eq!(lab.asks("web", "store"), "two");
    assert_eq!(lab.run(&["apply", "--dry-run"]).stdout, "nothing to do\n");
}

#[test]
fn a_dry_run_tells_and_changes_nothing() {
    let lab = Lab::new("dry-run");
    lab.manifest(1, &linked("one", "one"));
    let before = lab.now();
    lab.run(&["apply", "--dry-run", "--exit-code"]).is(expect![[r#"
        create network `PROJECT`, because it is not on the host
        create volume `PROJECT-data`, because it is not on the host
        db: create `PROJECT-db`, because it is not on the host
        db: start `PROJECT-db`, because it is not on the host
        web: create `PROJECT-web`, because it is not on the host
        web: start `PROJECT-web`, because it is not on the host
        db: wait until `PROJECT-db` is good, 1m at most, because it was started
        web: wait until `PROJECT-web` is good, 1m at most, because it was started
        exit 10
    "#]]);
    assert_eq!(lab.events_since(&before), Vec::<String>::new());
    assert_eq!(docker(&["network", "ls", "--quiet", "--filter", &format!("name={}", lab.project)]), "");
    assert!(!lab.path("state").exists(), "nothing is remembered of what was not done");
    let json: serde_json::Value =
        serde_json::from_str(&lab.run(&["apply", "--dry-run", "--format", "json"]).stdout).unwrap();
    assert_eq!(json["steps"][2]["action"], format!("create `{}`", "PROJECT-db"));
    assert_eq!(json["steps"][2]["changes"], true);
    lab.apply();
    assert_eq!(lab.run(&["apply", "--dry-run", "--exit-code"]).exit, Some(0));
}

#[test]
fn the_way_back_is_one_command() {
    let lab = Lab::new("rollback");
    lab.run(&["rollback"]).is(expect![[r#"
        error: nothing was applied on this host yet
        hint: `windlass apply` does
        exit 2
    "#]]);
    for (serial, version) in [(1, "one"), (2, "two")] {
        lab.manifest(serial, &format!(r#""web": {{"image": "{version}", "stop_grace": "2s"}}"#));
        lab.apply();
    }
    lab.run(&["rollback", "--dry-run"]).is(expect![[r#"
        web: create `PROJECT-web.next`, because its image changed
        web: start `PROJECT-web.next`, because its image changed
        web: wait until `PROJECT-web.next` is good, 1m at most, because it was started
        web: connect `PROJECT-web.next` to network `PROJECT`, because it is good
        web: wait until `PROJECT-web.next` is good, 1m at most, because it is good
        web: take its names on network `PROJECT` from `PROJECT-web`, because the new one is good
        web: let `PROJECT-web` end what it is at for 1s, because the new one is good
        web: stop `PROJECT-web`, because the new one is good
        web: remove `PROJECT-web`, because the new one is good
        web: rename `PROJECT-web.next` to `PROJECT-web`, because it takes the place of the former one
        exit 0
    "#]]);
    lab.run(&["rollback"]).is(expect![[r#"
        web | create `PROJECT-web.next` (its image changed)
        web | start `PROJECT-web.next` (its image changed)
        web | wait until `PROJECT-web.next` is good, 1m at most (it was started)
        web | connect `PROJECT-web.next` to network `PROJECT` (it is good)
        web | wait until `PROJECT-web.next` is good, 1m at most (it is good)
        web | take its names on network `PROJECT` from `PROJECT-web` (the new one is good)
        web | let `PROJECT-web` end what it is at for 1s (the new one is good)
        web | stop `PROJECT-web` (the new one is good)
        web | remove `PROJECT-web` (the new one is good)
        web | rename `PROJECT-web.next` to `PROJECT-web` (it takes the place of the former one)
        done in 7 changes: the host runs serial 1 of `PROJECT`
        exit 0
    "#]]);
    assert_eq!(lab.asks("web", "web"), "one");
    lab.run(&["rollback"]).is(expect![[r#"
        error: there is nothing to go back to: no earlier serial of `PROJECT` ran on this host
        hint: `windlass history` tells what there is
        exit 2
    "#]]);
    lab.run(&["rollback", "--to", "7"]).is(expect![[r#"
        error: serial 7 of `PROJECT` never ran on this host
        hint: `windlass history` tells what there is
        exit 2
    "#]]);
    lab.run(&["rollback", "--to", "2"]).is(expect![[r#"
        web | create `PROJECT-web.next` (its image changed)
        web | start `PROJECT-web.next` (its image changed)
        web | wait until `PROJECT-web.next` is good, 1m at most (it was started)
        web | connect `PROJECT-web.next` to network `PROJECT` (it is good)
        web | wait until `PROJECT-web.next` is good, 1m at most (it is good)
        web | take its names on network `PROJECT` from `PROJECT-web` (the new one is good)
        web | let `PROJECT-web` end what it is at for 1s (the new one is good)
        web | stop `PROJECT-web` (the new one is good)
        web | remove `PROJECT-web` (the new one is good)
        web | rename `PROJECT-web.next` to `PROJECT-web` (it takes the place of the former one)
        done in 7 changes: the host runs serial 2 of `PROJECT`
        exit 0
    "#]]);
    assert_eq!(lab.asks("web", "web"), "two");
    lab.manifest(1, r#""web": {"image": "one", "stop_grace": "2s"}"#);
    lab.run(&["apply"]).is(expect![[r#"
        error: the host runs serial 2, and this manifest is serial 1
        hint: `windlass rollback --to 1` goes back, `--allow-older` applies it
        exit 2
    "#]]);
    let history: serde_json::Value = serde_json::from_str(&lab.run(&["history", "--format", "json"]).stdout).unwrap();
    let serials: Vec<u64> =
        history["entries"].as_array().unwrap().iter().map(|entry| entry["serial"].as_u64().unwrap()).collect();
    assert_eq!(serials, [1, 2, 1, 2]);
    assert_eq!(history["current"], 2);
    lab.run(&["apply", "--allow-older"]).is(expect![[r#"
        web | create `PROJECT-web.next` (its image changed)
        web | start `PROJECT-web.next` (its image changed)
        web | wait until `PROJECT-web.next` is good, 1m at most (it was started)
        web | connect `PROJECT-web.next` to network `PROJECT` (it is good)
        web | wait until `PROJECT-web.next` is good, 1m at most (it is good)
        web | take its names on network `PROJECT` from `PROJECT-web` (the new one is good)
        web | let `PROJECT-web` end what it is at for 1s (the new one is good)
        web | stop `PROJECT-web` (the new one is good)
        web | remove `PROJECT-web` (the new one is good)
        web | rename `PROJECT-web.next` to `PROJECT-web` (it takes the place of the former one)
        done in 7 changes: the host runs serial 1 of `PROJECT`
        exit 0
    "#]]);
}

#[test]
fn what_left_the_manifest_goes_and_what_is_not_ours_stays() {
    let lab = Lab::new("removal");
    lab.manifest(1, &linked("one", "one"));
    lab.apply();
    // One has a name like ours, the other has our labels from an image that was made of our container.
    let (neighbour, copy) = (lab.name("neighbour"), "windlass-test-copy".to_owned());
    docker(&["run", "--detach", "--name", &neighbour, lab.image("one")]);
    docker(&["commit", &lab.name("web"), "windlass-test-apply:copy"]);
    docker(&["run", "--detach", "--name", &copy, "windlass-test-apply:copy"]);

    lab.manifest(
        2,
        r#""db": {"image": "one", "volumes": ["data:/data"], "aliases": ["database"], "stop_grace": "2s"}"#,
    );
    let ran = lab.run(&["apply"]);
    let status = lab.run(&["status", "--exit-code"]);
    lab.manifest(3, "");
    let refused = lab.run(&["apply"]);
    let emptied = lab.run(&["apply", "--allow-empty"]);
    let left = docker(&["ps", "--format", "{{.Names}}"]);
    docker(&["rm", "--force", &neighbour, &copy]);
    docker(&["rmi", "windlass-test-apply:copy"]);

    ran.is(expect![[r#"
        db | connect `PROJECT-db` to network `PROJECT` (its names on the network are not as wanted)
        db | wait until `PROJECT-db` is good, 1m at most (it was started)
        web | stop `PROJECT-web` (the manifest does not have it any more)
        web | remove `PROJECT-web` (the manifest does not have it any more)
        done in 3 changes: the host runs serial 2 of `PROJECT`
        exit 0
    "#]]);
    assert_eq!(status.exit, Some(0));
    refused.is(expect![[r#"
        error: the manifest has no containers, and the host has 1 of the project
        hint: `--allow-empty` removes them all
        exit 2
    "#]]);
    emptied.is(expect![[r#"
        db | stop `PROJECT-db` (the manifest does not have it any more)
        db | remove `PROJECT-db` (the manifest does not have it any more)
        note: remove network `PROJECT`: the manifest does not have it any more
        done in 3 changes: the host runs serial 3 of `PROJECT`
        exit 0
    "#]]);
    assert!(left.lines().any(|name| name == neighbour) && left.lines().any(|name| name == copy), "{left}");
    let volume = docker(&["volume", "ls", "--quiet", "--filter", &format!("name={}", lab.name("data"))]);
    assert_eq!(volume, lab.name("data"), "what containers wrote stays");
}

#[test]
fn a_port_of_the_host_is_handed_over() {
    let lab = Lab::new("port");
    let port = free_port();
    let web = |image: &str| format!(r#""web": {{"image": "{image}", "ports": ["{port}:80"], "stop_grace": "2s"}}"#);
    lab.manifest(1, &web("one"));
    lab.apply();
    assert_eq!(ask(port).unwrap(), "one");
    let address = lab.inspect("web", r#"{{(index (index .HostConfig.PortBindings "80/tcp") 0).HostIp}}"#);
    assert_eq!(address, "127.0.0.1", "only this host reaches it");
    lab.manifest(2, &web("two"));
    lab.apply();
    assert_eq!(ask(port).unwrap(), "two");
}

#[test]
fn a_port_of_the_host_is_taken_over() {
    let lab = Lab::new("swap");
    let port = free_port();
    let both = |web: &str, asks: &str| {
        format!(
            r#""db": {{"image": "one", "stop_grace": "1s"}},
"web": {{"image": "{web}", "ports": ["{port}:80"], "links": ["db:store"], "stop_grace": "1s",
  "healthcheck": {{"test": "wget -q -O - http://{asks}/version", "interval": "200ms", "retries": 2}},
  "update": {{"order": "swap", "healthy_for": "0s"}}}}"#
        )
    };
    lab.manifest(1, &both("one", "store"));
    lab.apply();
    let before = lab.now();
    lab.manifest(2, &both("two", "store"));
    lab.run(&["apply"]).is(expect![[r#"
        note: create network `PROJECT.gate`: it is not on the host
        web | create `PROJECT-web.next` (its image changed)
        web | connect `PROJECT-db` to network `PROJECT.gate` (`web` needs it before it takes over a port)
        web | start `PROJECT-web.next` (its image changed)
        web | wait until `PROJECT-web.next` is good, 1m at most (it was started)
        web | take `PROJECT-web` off network `PROJECT.gate` (the new one takes over its port)
        web | take `PROJECT-web` off network `PROJECT` (the new one takes over its port)
        web | connect `PROJECT-web.next` to network `PROJECT` (the new one takes over its port)
        web | wait until `PROJECT-web.next` is good, 1m at most (it was started)
        web | stop `PROJECT-web` (the new one is good)
        web | remove `PROJECT-web` (the new one is good)
        web | rename `PROJECT-web.next` to `PROJECT-web` (it takes the place of the former one)
        done in 10 changes: the host runs serial 2 of `PROJECT`
        exit 0
    "#]]);
    expect![[r#"
        create PROJECT-web.next
        start PROJECT-web.next
        health_status: healthy PROJECT-web.next
        kill PROJECT-web
        die PROJECT-web
        stop PROJECT-web
        destroy PROJECT-web
        rename PROJECT-web"#]]
    .assert_eq(&lab.events_since(&before).join("\n"));
    assert_eq!((ask(port).unwrap(), lab.asks("web", "store")), ("two".to_owned(), "one".to_owned()));
    lab.manifest(3, &both("one", "store"));
    lab.apply();
    assert_eq!((ask(port).unwrap(), lab.asks("db", "web")), ("one".to_owned(), "one".to_owned()));
    let serving = lab.inspect("web", "{{.Id}} {{.State.StartedAt}}");
    lab.manifest(4, &both("two", "nobody"));
    assert_eq!(lab.run(&["apply"]).exit, Some(4));
    assert_eq!(lab.inspect("web", "{{.Id}} {{.State.StartedAt}}"), serving, "it was never touched");
    assert_eq!(ask(port).unwrap(), "one");
    lab.manifest(5, "");
    lab.run(&["apply", "--allow-empty"]);
    assert_eq!(docker(&["network", "ls", "--quiet", "--filter", &format!("name={}", lab.project)]), "");
}

#[test]
fn a_job_runs_once_and_before_those_who_wait_for_it() {
    let lab = Lab::new("job");
    let containers = |image: &str| {
        format!(
            r#""job": {{"image": "{image}", "command": ["/bin/sh", "-c", "date +%s > /out/done"], "restart": "no",
  "volumes": ["out:/out"]}},
"web": {{"image": "one", "depends_on": {{"job": {{"condition": "completed"}}}}, "volumes": ["out:/out:ro"],
  "command": ["/bin/sh", "-c", "cat /out/done && exec sleep 1000"], "stop_grace": "0s"}}"#
        )
    };
    lab.manifest(1, &containers("one"));
    lab.run(&["apply"]).is(expect![[r#"
        note: create network `PROJECT`: it is not on the host
        note: create volume `PROJECT-out`: it is not on the host
        job | create `PROJECT-job` (it is not on the host)
        job | start `PROJECT-job` (it is not on the host)
        job | wait until `PROJECT-job` has completed, 1m at most (it was started)
        web | create `PROJECT-web` (it is not on the host)
        web | start `PROJECT-web` (it is not on the host)
        web | wait until `PROJECT-web` is good, 1m at most (it was started)
        done in 6 changes: the host runs serial 1 of `PROJECT`
        exit 0
    "#]]);
    assert_eq!(lab.containers(), "PROJECT-job exited\nPROJECT-web running");
    assert_eq!(lab.run(&["apply"]).stdout, "nothing to do: the host runs serial 1 of `PROJECT`\n");
    lab.manifest(2, &containers("two"));
    lab.apply();
    assert_eq!(lab.containers(), "PROJECT-job exited\nPROJECT-web running");
}

#[test]
fn a_job_that_was_too_slow_ends_before_its_next_version() {
    let lab = Lab::new("slow-job");
    let containers = |command: &str| {
        format!(
            r#""job": {{"image": "one", "command": ["/bin/sh", "-c", "{command}"], "restart": "no", "stop_grace": "1s",
  "update": {{"timeout": "300ms"}}}},
"web": {{"image": "one", "depends_on": {{"job": {{"condition": "completed"}}}}, "stop_grace": "1s",
  "update": {{"healthy_for": "0s"}}}}"#
        )
    };
    lab.manifest(1, &containers("sleep 1000"));
    lab.run(&["apply"]).is(expect![[r#"
        note: create network `PROJECT`: it is not on the host
        job | create `PROJECT-job` (it is not on the host)
        job | start `PROJECT-job` (it is not on the host)
        job | wait until `PROJECT-job` has completed, 300ms at most (it was started)
        error: `job` is not good
          caused by: `PROJECT-job` has not completed within 0.3s
        hint: `docker logs PROJECT-job` shows all that it wrote; mend what is wrong, and apply again: there is nothing yet to go back to
        exit 1
    "#]]);
    lab.manifest(2, &containers("exit 3"));
    lab.run(&["apply"]).is(expect![[r#"
        job | create `PROJECT-job.next` (its configuration changed)
        job | stop `PROJECT-job` (the new one starts after it has stopped: others wait for its end)
        job | start `PROJECT-job.next` (its configuration changed)
        job | wait until `PROJECT-job.next` has completed, 300ms at most (it was started)
        error: `job` is not good
          caused by: `PROJECT-job.next` ended with exit code 3
        hint: `docker logs PROJECT-job.next` shows all that it wrote; mend what is wrong, and apply again: there is nothing yet to go back to
        exit 1
    "#]]);
    let status = lab.run(&["status"]);
    expect![[r#"
        CONTAINER                                     IMAGE  STATE         HEALTH  SINCE  SERIAL  VERDICT
        PROJECT-job                    one    exited (137)  -       -      1       differs
        PROJECT-job.next  -      exited (3)    -       -      2       not in place
        PROJECT-web                    one    -             -       -      -       missing
        note: a run that failed, was cut off or is underway made `PROJECT-job.next`; the next lets it take its place or removes it
    "#]].assert_eq(&format!("{}{}", status.stdout, status.stderr));
    lab.manifest(3, &containers("exit 0"));
    lab.run(&["apply"]).is(expect![[r#"
        job | create `PROJECT-job.next` (its configuration changed)
        job | start `PROJECT-job.next` (its configuration changed)
        job | wait until `PROJECT-job.next` has completed, 300ms at most (it was started)
        job | remove `PROJECT-job` (the new one is good)
        job | remove `PROJECT-job.next` (an interrupted run left it)
        job | rename `PROJECT-job.next` to `PROJECT-job` (it takes the place of the former one)
        web | create `PROJECT-web` (it is not on the host)
        web | start `PROJECT-web` (it is not on the host)
        web | wait until `PROJECT-web` is good, 1m at most (it was started)
        done in 7 changes: the host runs serial 3 of `PROJECT`
        exit 0
    "#]]);
    assert_eq!(lab.containers(), "PROJECT-job exited\nPROJECT-web running");
}

#[test]
fn a_manifest_may_come_from_elsewhere() {
    let lab = Lab::new("input");
    lab.manifest(1, r#""web": {"image": "one", "stop_grace": "0s"}"#);
    let text = fs::read_to_string(lab.path("deploy.json")).unwrap();
    fs::remove_file(lab.path("deploy.json")).unwrap();
    assert_eq!(lab.run_with_input(&["apply", "-"], &text).exit, Some(0));
    assert_eq!(lab.containers(), "PROJECT-web running");
    assert_eq!(lab.run(&["status", "--exit-code"]).exit, Some(0), "the host remembers what is wanted");
}
