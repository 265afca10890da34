//! `diff`: which steps lead from what is on a host to what is wanted. The notation is told in `apply_world`.
//!
//! A container on the host may carry, behind `~`: `next` for its name, `created`, `exited`, `done`, `restarting`,
//! `paused`, `dead` for what it does, `starting` or `unhealthy` for its health, `off` where it is on no network, `new`
//! where it was made after everything else was started. `foreign:NAME=PORTS` is a container of somebody else.

use std::collections::{BTreeMap, BTreeSet};

use expect_test::{Expect, expect};
use jiff::Timestamp;
use windlass::apply::{
    Action, Emptying, Health, HostState, ObservedContainer, ObservedNetwork, Refusal, RunState, diff,
};
use windlass::manifest::{EnvValue, FileContent, Network, NetworkSpec, RestartPolicy, Subnet};

use crate::apply_world::{desired, image_id, manifest, port, read_container, read_manifest};

fn read_host(text: &str) -> HostState {
    let mut host = HostState { networks: [("shop".to_owned(), ObservedNetwork::Ours)].into(), ..HostState::default() };
    host.images = (1..=9).map(|version| image_id(version).to_string()).collect();
    let tokens: Vec<&str> = text.split_whitespace().collect();
    // A link gives a name to another container, so all of them together say which names each has.
    let plain = tokens.iter().filter(|token| !token.starts_with("foreign:"));
    let together: BTreeMap<_, _> =
        plain.map(|token| read_container(token.split_once('~').map_or(token, |(plain, _)| plain))).collect();
    let together = desired(&manifest(1, together));
    host.networks.extend(together.networks.keys().map(|name| (name.clone(), ObservedNetwork::Ours)));
    for token in tokens {
        if let Some(name) = token.strip_prefix("foreign:") {
            let (name, ports) = name.split_once('=').unwrap_or((name, ""));
            let ports = ports.split(',').filter(|port| !port.is_empty());
            host.foreign.insert(name.to_owned(), ports.map(|host| port(host.parse().unwrap())).collect());
            continue;
        }
        let mut parts = token.split('~');
        let (container, spec) = read_container(parts.next().unwrap());
        let flags: BTreeSet<&str> = parts.collect();
        let alone = desired(&manifest(1, [(container.clone(), spec.clone())]));
        let wanted = &alone.containers[&container];
        let second = |n| Timestamp::from_second(n).unwrap();
        let observed = ObservedContainer {
            container: container.clone(),
            spec: wanted.hash.to_string(),
            serial: Some(1),
            image: wanted.image.id.unwrap().to_string(),
            run: RunState::Running,
            health: if spec.healthcheck.is_some() { Health::Healthy } else { Health::Unchecked },
            created: second(if flags.contains("new") { 3 } else { 1 }),
            started: Some(second(if flags.contains("new") { 4 } else { 2 })),
            networks: together.containers[&container].networks.clone(),
            is_elsewhere: false,
            ports: spec.ports.clone(),
            keep: false,
            may_end: spec.restart == RestartPolicy::No,
            stop_grace: spec.stop_grace,
            known: wanted.known(),
        };
        let mut name = format!("shop-{container}");
        let mut observed = observed;
        for flag in flags {
            match flag {
                "next" => name = format!("{name}.next-{}", wanted.hash.short()),
                "created" => (observed.run, observed.started) = (RunState::Created, None),
                "exited" => observed.run = RunState::Exited(143),
                "done" => observed.run = RunState::Exited(0),
                "restarting" => observed.run = RunState::Restarting,
                "paused" => observed.run = RunState::Paused,
                "dead" => observed.run = RunState::Dead,
                "starting" => observed.health = Health::Starting,
                "unhealthy" => observed.health = Health::Unhealthy,
                "off" => observed.networks.clear(),
                "new" => {}
                other => panic!("`{other}` says nothing of a container"),
            }
        }
        host.volumes.extend(alone.volumes());
        host.containers.insert(name, observed);
    }
    host
}

/// Names without the hash, which says nothing to a reader.
fn plain(text: &str) -> String {
    let mut parts = text.split(".next-");
    let first = parts.next().unwrap().to_owned();
    parts.fold(first, |shown, rest| format!("{shown}.next{}", &rest[12..]))
}

fn show(outcome: Result<Vec<windlass::apply::Step>, Refusal>) -> String {
    let shown = match outcome {
        Err(refusal) => format!("refused: {refusal}\n"),
        Ok(steps) if steps.is_empty() => "nothing to do\n".to_owned(),
        Ok(steps) => steps
            .iter()
            .map(|step| {
                let undo: Vec<String> = step.undo.iter().map(Action::to_string).collect();
                let undo = if undo.is_empty() { String::new() } else { format!("\n    else {}", undo.join(", ")) };
                format!("{}, because {}{undo}\n", step.action, step.cause)
            })
            .collect(),
    };
    assert!(!shown.contains("hunter2"), "a secret is shown");
    plain(&shown)
}

#[expect(clippy::needless_pass_by_value, reason = "expect-test's own shape")]
fn check(wanted: &str, host: &str, expected: Expect) {
    let wanted = desired(&read_manifest(wanted));
    expected.assert_eq(&show(diff(&wanted, &read_host(host), Emptying::Refused)));
}

#[test]
fn an_empty_host_gets_everything_in_order() {
    let wanted = desired(&read_manifest("web#2&db<c:job%cache db#1!%data job#3?<h:db"));
    let observed = HostState::default();
    expect![[r#"
        pull `registry.example/v1@sha256:0101010101010101010101010101010101010101010101010101010101010101`, because it is not on the host
        pull `registry.example/v3@sha256:0303030303030303030303030303030303030303030303030303030303030303`, because it is not on the host
        pull `registry.example/v2@sha256:0202020202020202020202020202020202020202020202020202020202020202`, because it is not on the host
        create network `shop`, because it is not on the host
        create volume `shop-cache`, because it is not on the host
        create volume `shop-data`, because it is not on the host
        create `shop-db`, because it is not on the host
        start `shop-db`, because it is not on the host
        wait until `shop-db` is good, 1m at most, because it was started
        create `shop-job`, because it is not on the host
        start `shop-job`, because it is not on the host
        wait until `shop-job` has completed, 1m at most, because it was started
        create `shop-web`, because it is not on the host
        start `shop-web`, because it is not on the host
        wait until `shop-web` is good, 1m at most, because it was started
    "#]].assert_eq(&show(diff(&wanted, &observed, Emptying::Refused)));
}

#[test]
fn a_host_that_is_as_wanted_is_left_alone() {
    check(
        "db#1 web#2<db",
        "db#1 web#2<db",
        expect![[r#"
        nothing to do
    "#]],
    );
    check(
        "job#1? web#2<c:job",
        "job#1?~done web#2<c:job",
        expect![[r#"
        nothing to do
    "#]],
    );
    check(
        "",
        "",
        expect![[r#"
            nothing to do
        "#]],
    );
    check(
        "db#1 web#2<db",
        "db#1 web#2<db foreign:something",
        expect![[r#"
        nothing to do
    "#]],
    );
}

/// What timed out goes on running, and others wait for the end of its next version; whom nobody waits for is no job.
#[test]
fn a_job_runs_once_at_a_time() {
    check(
        "job#2? web#2<c:job",
        "job#1? web#2<c:job",
        expect![[r#"
        create `shop-job.next`, because its image changed
        stop `shop-job`, because the new one starts after it has stopped: others wait for its end
        start `shop-job.next`, because its image changed
        wait until `shop-job.next` has completed, 1m at most, because it was started
        remove `shop-job`, because the new one is good
        rename `shop-job.next` to `shop-job`, because it takes the place of the former one
    "#]],
    );
    check(
        "job#3? web#2<c:job",
        "job#1?~done job#2?~next web#2<c:job",
        expect![[r#"
        create `shop-job.next`, because its image changed
        stop `shop-job.next`, because the new one starts after it has stopped: others wait for its end
        start `shop-job.next`, because its image changed
        wait until `shop-job.next` has completed, 1m at most, because it was started
        remove `shop-job`, because the new one is good
        remove `shop-job.next`, because an interrupted run left it
        rename `shop-job.next` to `shop-job`, because it takes the place of the former one
    "#]],
    );
    check(
        "job#2?=start-first web#2<c:job",
        "job#1? web#2<c:job",
        expect![[r#"
            create `shop-job.next`, because its image changed
            start `shop-job.next`, because its image changed
            wait until `shop-job.next` has completed, 1m at most, because it was started
            stop `shop-job`, because the new one is good
            remove `shop-job`, because the new one is good
            rename `shop-job.next` to `shop-job`, because it takes the place of the former one
        "#]],
    );
    check(
        "job#2? web#2<c:job",
        "job#1 web#2<c:job",
        expect![[r#"
        create `shop-job.next`, because its image changed
            else stop `shop-job.next`, remove `shop-job.next`
        start `shop-job.next`, because its image changed
            else stop `shop-job.next`, remove `shop-job.next`
        wait until `shop-job.next` has completed, 1m at most, because it was started
            else stop `shop-job.next`, remove `shop-job.next`
        stop `shop-job`, because the new one is good
        remove `shop-job`, because the new one is good
        rename `shop-job.next` to `shop-job`, because it takes the place of the former one
    "#]],
    );
    check(
        "job#2? web#2",
        "job#1? web#2",
        expect![[r#"
        create `shop-job.next`, because its image changed
            else stop `shop-job.next`, remove `shop-job.next`
        start `shop-job.next`, because its image changed
            else stop `shop-job.next`, remove `shop-job.next`
        wait until `shop-job.next` is good, 1m at most, because it was started
            else stop `shop-job.next`, remove `shop-job.next`
        stop `shop-job`, because the new one is good
        remove `shop-job`, because the new one is good
        rename `shop-job.next` to `shop-job`, because it takes the place of the former one
    "#]],
    );
    check(
        "job#2?@80 web#2<c:job",
        "job#1? web#2<c:job other#1@80",
        expect![[r#"
        create `shop-job.next`, because its image changed
            else stop `shop-job.next`, remove `shop-job.next`, start `shop-other`
        stop `shop-job`, because the new one starts after it has stopped: others wait for its end
            else stop `shop-job.next`, remove `shop-job.next`, start `shop-other`
        stop `shop-other`, because `job` needs its port
            else stop `shop-job.next`, remove `shop-job.next`, start `shop-other`
        start `shop-job.next`, because its image changed
            else stop `shop-job.next`, remove `shop-job.next`, start `shop-other`
        wait until `shop-job.next` has completed, 1m at most, because it was started
            else stop `shop-job.next`, remove `shop-job.next`, start `shop-other`
        remove `shop-job`, because the new one is good
        rename `shop-job.next` to `shop-job`, because it takes the place of the former one
        remove `shop-other`, because the manifest does not have it any more
    "#]],
    );
}

#[test]
fn the_new_one_is_started_first_where_it_can() {
    check(
        "db#1 web#2<db",
        "db#9 web#2<db",
        expect![[r#"
            create `shop-db.next`, because its image changed
                else stop `shop-db.next`, remove `shop-db.next`
            start `shop-db.next`, because its image changed
                else stop `shop-db.next`, remove `shop-db.next`
            wait until `shop-db.next` is good, 1m at most, because it was started
                else stop `shop-db.next`, remove `shop-db.next`
            connect `shop-db.next` to network `shop`, because it is good
                else stop `shop-db.next`, remove `shop-db.next`
            wait until `shop-db.next` is good, 1m at most, because it is good
                else stop `shop-db.next`, remove `shop-db.next`
            take its names on network `shop` from `shop-db`, because the new one is good
                else connect `shop-db` to network `shop`, stop `shop-db.next`, remove `shop-db.next`
            let `shop-db` end what it is at for 1s, because the new one is good
            stop `shop-db`, because the new one is good
            remove `shop-db`, because the new one is good
            rename `shop-db.next` to `shop-db`, because it takes the place of the former one
        "#]],
    );
    check(
        "web#2!",
        "web#1!",
        expect![[r#"
            create `shop-web.next`, because its image changed
                else stop `shop-web.next`, remove `shop-web.next`
            start `shop-web.next`, because its image changed
                else stop `shop-web.next`, remove `shop-web.next`
            wait until `shop-web.next` is good, 1m at most, because it was started
                else stop `shop-web.next`, remove `shop-web.next`
            connect `shop-web.next` to network `shop`, because it is good
                else stop `shop-web.next`, remove `shop-web.next`
            wait until `shop-web.next` is good, 1m at most, because it is good
                else stop `shop-web.next`, remove `shop-web.next`
            take its names on network `shop` from `shop-web`, because the new one is good
                else connect `shop-web` to network `shop`, stop `shop-web.next`, remove `shop-web.next`
            let `shop-web` end what it is at for 1s, because the new one is good
            stop `shop-web`, because the new one is good
            remove `shop-web`, because the new one is good
            rename `shop-web.next` to `shop-web`, because it takes the place of the former one
        "#]],
    );
    check(
        "web#2@80",
        "web#1@81",
        expect![[r#"
            create `shop-web.next`, because its image changed
                else stop `shop-web.next`, remove `shop-web.next`
            start `shop-web.next`, because its image changed
                else stop `shop-web.next`, remove `shop-web.next`
            wait until `shop-web.next` is good, 1m at most, because it was started
                else stop `shop-web.next`, remove `shop-web.next`
            connect `shop-web.next` to network `shop`, because it is good
                else stop `shop-web.next`, remove `shop-web.next`
            wait until `shop-web.next` is good, 1m at most, because it is good
                else stop `shop-web.next`, remove `shop-web.next`
            take its names on network `shop` from `shop-web`, because the new one is good
                else connect `shop-web` to network `shop`, stop `shop-web.next`, remove `shop-web.next`
            let `shop-web` end what it is at for 1s, because the new one is good
            stop `shop-web`, because the new one is good
            remove `shop-web`, because the new one is good
            rename `shop-web.next` to `shop-web`, because it takes the place of the former one
        "#]],
    );
    check(
        "web#2%data=start-first",
        "web#1%data",
        expect![[r#"
            create `shop-web.next`, because its image changed
                else stop `shop-web.next`, remove `shop-web.next`
            start `shop-web.next`, because its image changed
                else stop `shop-web.next`, remove `shop-web.next`
            wait until `shop-web.next` is good, 1m at most, because it was started
                else stop `shop-web.next`, remove `shop-web.next`
            connect `shop-web.next` to network `shop`, because it is good
                else stop `shop-web.next`, remove `shop-web.next`
            wait until `shop-web.next` is good, 1m at most, because it is good
                else stop `shop-web.next`, remove `shop-web.next`
            take its names on network `shop` from `shop-web`, because the new one is good
                else connect `shop-web` to network `shop`, stop `shop-web.next`, remove `shop-web.next`
            let `shop-web` end what it is at for 1s, because the new one is good
            stop `shop-web`, because the new one is good
            remove `shop-web`, because the new one is good
            rename `shop-web.next` to `shop-web`, because it takes the place of the former one
        "#]],
    );
}

#[test]
fn the_old_one_is_stopped_first_where_it_has_to_be() {
    check(
        "web#2@80",
        "web#1@80",
        expect![[r#"
            create `shop-web.next`, because its image changed
                else stop `shop-web.next`, remove `shop-web.next`, start `shop-web`
            stop `shop-web`, because the new one starts after it has stopped: both bind 127.0.0.1:80/tcp
                else stop `shop-web.next`, remove `shop-web.next`, start `shop-web`
            start `shop-web.next`, because its image changed
                else stop `shop-web.next`, remove `shop-web.next`, start `shop-web`
            wait until `shop-web.next` is good, 1m at most, because it was started
                else stop `shop-web.next`, remove `shop-web.next`, start `shop-web`
            remove `shop-web`, because the new one is good
            rename `shop-web.next` to `shop-web`, because it takes the place of the former one
        "#]],
    );
    check(
        "web#2%data",
        "web#1%data",
        expect![[r#"
            create `shop-web.next`, because its image changed
                else stop `shop-web.next`, remove `shop-web.next`, start `shop-web`
            stop `shop-web`, because the new one starts after it has stopped: both write to `/data`
                else stop `shop-web.next`, remove `shop-web.next`, start `shop-web`
            start `shop-web.next`, because its image changed
                else stop `shop-web.next`, remove `shop-web.next`, start `shop-web`
            wait until `shop-web.next` is good, 1m at most, because it was started
                else stop `shop-web.next`, remove `shop-web.next`, start `shop-web`
            remove `shop-web`, because the new one is good
            rename `shop-web.next` to `shop-web`, because it takes the place of the former one
        "#]],
    );
    check(
        "web#2=stop-first",
        "web#1",
        expect![[r#"
            create `shop-web.next`, because its image changed
                else stop `shop-web.next`, remove `shop-web.next`, start `shop-web`
            stop `shop-web`, because the new one starts after it has stopped: `stop-first`
                else stop `shop-web.next`, remove `shop-web.next`, start `shop-web`
            start `shop-web.next`, because its image changed
                else stop `shop-web.next`, remove `shop-web.next`, start `shop-web`
            wait until `shop-web.next` is good, 1m at most, because it was started
                else stop `shop-web.next`, remove `shop-web.next`, start `shop-web`
            remove `shop-web`, because the new one is good
            rename `shop-web.next` to `shop-web`, because it takes the place of the former one
        "#]],
    );
    check(
        "web#2@80=stop",
        "web#1@80",
        expect![[r#"
            create `shop-web.next`, because its image changed
            stop `shop-web`, because the new one starts after it has stopped: both bind 127.0.0.1:80/tcp
            start `shop-web.next`, because its image changed
            wait until `shop-web.next` is good, 1m at most, because it was started
            remove `shop-web`, because the new one is good
            rename `shop-web.next` to `shop-web`, because it takes the place of the former one
        "#]],
    );
}

#[test]
fn dependants_are_restarted_when_they_link_or_ask() {
    check(
        "db#2 web#1&db",
        "db#1 web#1&db",
        expect![[r#"
            create `shop-db.next`, because its image changed
                else stop `shop-db.next`, remove `shop-db.next`
            start `shop-db.next`, because its image changed
                else stop `shop-db.next`, remove `shop-db.next`
            wait until `shop-db.next` is good, 1m at most, because it was started
                else stop `shop-db.next`, remove `shop-db.next`
            connect `shop-db.next` to network `shop`, because it is good
                else stop `shop-db.next`, remove `shop-db.next`
            wait until `shop-db.next` is good, 1m at most, because it is good
                else stop `shop-db.next`, remove `shop-db.next`
            take its names on network `shop` from `shop-db`, because the new one is good
                else connect `shop-db` to network `shop`, stop `shop-db.next`, remove `shop-db.next`
            let `shop-db` end what it is at for 1s, because the new one is good
            stop `shop-db`, because the new one is good
            remove `shop-db`, because the new one is good
            rename `shop-db.next` to `shop-db`, because it takes the place of the former one
            restart `shop-web`, because `db` was replaced
            wait until `shop-web` is good, 1m at most, because it was started
        "#]],
    );
    check(
        "db#2 web#1<r:db",
        "db#1 web#1<r:db",
        expect![[r#"
            create `shop-db.next`, because its image changed
                else stop `shop-db.next`, remove `shop-db.next`
            start `shop-db.next`, because its image changed
                else stop `shop-db.next`, remove `shop-db.next`
            wait until `shop-db.next` is good, 1m at most, because it was started
                else stop `shop-db.next`, remove `shop-db.next`
            connect `shop-db.next` to network `shop`, because it is good
                else stop `shop-db.next`, remove `shop-db.next`
            wait until `shop-db.next` is good, 1m at most, because it is good
                else stop `shop-db.next`, remove `shop-db.next`
            take its names on network `shop` from `shop-db`, because the new one is good
                else connect `shop-db` to network `shop`, stop `shop-db.next`, remove `shop-db.next`
            let `shop-db` end what it is at for 1s, because the new one is good
            stop `shop-db`, because the new one is good
            remove `shop-db`, because the new one is good
            rename `shop-db.next` to `shop-db`, because it takes the place of the former one
            restart `shop-web`, because `db` was replaced
            wait until `shop-web` is good, 1m at most, because it was started
        "#]],
    );
    check(
        "db#2 web#1<db",
        "db#1 web#1<db",
        expect![[r#"
            create `shop-db.next`, because its image changed
                else stop `shop-db.next`, remove `shop-db.next`
            start `shop-db.next`, because its image changed
                else stop `shop-db.next`, remove `shop-db.next`
            wait until `shop-db.next` is good, 1m at most, because it was started
                else stop `shop-db.next`, remove `shop-db.next`
            connect `shop-db.next` to network `shop`, because it is good
                else stop `shop-db.next`, remove `shop-db.next`
            wait until `shop-db.next` is good, 1m at most, because it is good
                else stop `shop-db.next`, remove `shop-db.next`
            take its names on network `shop` from `shop-db`, because the new one is good
                else connect `shop-db` to network `shop`, stop `shop-db.next`, remove `shop-db.next`
            let `shop-db` end what it is at for 1s, because the new one is good
            stop `shop-db`, because the new one is good
            remove `shop-db`, because the new one is good
            rename `shop-db.next` to `shop-db`, because it takes the place of the former one
        "#]],
    );
    check(
        "db#2 web#1&db",
        "db#2~new web#1&db",
        expect![[r#"
            restart `shop-web`, because `db` was replaced
            wait until `shop-web` is good, 1m at most, because it was started
        "#]],
    );
    check(
        "db#2 web#3&db",
        "db#1 web#1&db",
        expect![[r#"
            create `shop-db.next`, because its image changed
                else stop `shop-db.next`, remove `shop-db.next`
            start `shop-db.next`, because its image changed
                else stop `shop-db.next`, remove `shop-db.next`
            wait until `shop-db.next` is good, 1m at most, because it was started
                else stop `shop-db.next`, remove `shop-db.next`
            connect `shop-db.next` to network `shop`, because it is good
                else stop `shop-db.next`, remove `shop-db.next`
            wait until `shop-db.next` is good, 1m at most, because it is good
                else stop `shop-db.next`, remove `shop-db.next`
            take its names on network `shop` from `shop-db`, because the new one is good
                else connect `shop-db` to network `shop`, stop `shop-db.next`, remove `shop-db.next`
            let `shop-db` end what it is at for 1s, because the new one is good
            stop `shop-db`, because the new one is good
            remove `shop-db`, because the new one is good
            rename `shop-db.next` to `shop-db`, because it takes the place of the former one
            create `shop-web.next`, because its image changed
                else stop `shop-web.next`, remove `shop-web.next`
            start `shop-web.next`, because its image changed
                else stop `shop-web.next`, remove `shop-web.next`
            wait until `shop-web.next` is good, 1m at most, because it was started
                else stop `shop-web.next`, remove `shop-web.next`
            connect `shop-web.next` to network `shop`, because it is good
                else stop `shop-web.next`, remove `shop-web.next`
            wait until `shop-web.next` is good, 1m at most, because it is good
                else stop `shop-web.next`, remove `shop-web.next`
            take its names on network `shop` from `shop-web`, because the new one is good
                else connect `shop-web` to network `shop`, stop `shop-web.next`, remove `shop-web.next`
            let `shop-web` end what it is at for 1s, because the new one is good
            stop `shop-web`, because the new one is good
            remove `shop-web`, because the new one is good
            rename `shop-web.next` to `shop-web`, because it takes the place of the former one
        "#]],
    );
}

#[test]
fn an_interrupted_run_is_taken_up_where_it_was_left() {
    check(
        "web#2",
        "web#1 web#2~next~created",
        expect![[r#"
            take its names on network `shop` from `shop-web.next`, because its names on the network are not as wanted
                else stop `shop-web.next`, remove `shop-web.next`
            start `shop-web.next`, because it does not run: never started
                else stop `shop-web.next`, remove `shop-web.next`
            wait until `shop-web.next` is good, 1m at most, because it was started
                else stop `shop-web.next`, remove `shop-web.next`
            connect `shop-web.next` to network `shop`, because it is good
                else stop `shop-web.next`, remove `shop-web.next`
            wait until `shop-web.next` is good, 1m at most, because it is good
                else stop `shop-web.next`, remove `shop-web.next`
            take its names on network `shop` from `shop-web`, because the new one is good
                else connect `shop-web` to network `shop`, stop `shop-web.next`, remove `shop-web.next`
            let `shop-web` end what it is at for 1s, because the new one is good
            stop `shop-web`, because the new one is good
            remove `shop-web`, because the new one is good
            rename `shop-web.next` to `shop-web`, because it takes the place of the former one
        "#]],
    );
    check(
        "web#2",
        "web#1 web#2~next",
        expect![[r#"
            wait until `shop-web.next` is good, 1m at most, because it was started
                else stop `shop-web.next`, remove `shop-web.next`
            take its names on network `shop` from `shop-web`, because the new one is good
                else connect `shop-web` to network `shop`, stop `shop-web.next`, remove `shop-web.next`
            let `shop-web` end what it is at for 1s, because the new one is good
            stop `shop-web`, because the new one is good
            remove `shop-web`, because the new one is good
            rename `shop-web.next` to `shop-web`, because it takes the place of the former one
        "#]],
    );
    check(
        "web#2",
        "web#1~exited web#2~next",
        expect![[r#"
            wait until `shop-web.next` is good, 1m at most, because it was started
                else stop `shop-web.next`, remove `shop-web.next`, start `shop-web`
            remove `shop-web`, because the new one is good
            rename `shop-web.next` to `shop-web`, because it takes the place of the former one
        "#]],
    );
    check(
        "web#2",
        "web#2~next",
        expect![[r#"
            wait until `shop-web.next` is good, 1m at most, because it was started
            rename `shop-web.next` to `shop-web`, because it takes the place of the former one
        "#]],
    );
    check(
        "web#2@80",
        "web#1@80~exited web#2@80~next~created",
        expect![[r#"
            start `shop-web.next`, because it does not run: never started
                else stop `shop-web.next`, remove `shop-web.next`, start `shop-web`
            wait until `shop-web.next` is good, 1m at most, because it was started
                else stop `shop-web.next`, remove `shop-web.next`, start `shop-web`
            remove `shop-web`, because the new one is good
            rename `shop-web.next` to `shop-web`, because it takes the place of the former one
        "#]],
    );
    check(
        "web#2@80",
        "web#1@80~exited web#2@80~next",
        expect![[r#"
            wait until `shop-web.next` is good, 1m at most, because it was started
                else stop `shop-web.next`, remove `shop-web.next`, start `shop-web`
            remove `shop-web`, because the new one is good
            rename `shop-web.next` to `shop-web`, because it takes the place of the former one
        "#]],
    );
    check(
        "web#2",
        "web#2~created",
        expect![[r#"
            start `shop-web`, because it does not run: never started
            wait until `shop-web` is good, 1m at most, because it was started
        "#]],
    );
    check(
        "web#3",
        "web#1 web#2~next~created",
        expect![[r#"
            create `shop-web.next`, because its image changed
                else stop `shop-web.next`, remove `shop-web.next`
            start `shop-web.next`, because its image changed
                else stop `shop-web.next`, remove `shop-web.next`
            wait until `shop-web.next` is good, 1m at most, because it was started
                else stop `shop-web.next`, remove `shop-web.next`
            connect `shop-web.next` to network `shop`, because it is good
                else stop `shop-web.next`, remove `shop-web.next`
            wait until `shop-web.next` is good, 1m at most, because it is good
                else stop `shop-web.next`, remove `shop-web.next`
            take its names on network `shop` from `shop-web`, because the new one is good
                else connect `shop-web` to network `shop`, stop `shop-web.next`, remove `shop-web.next`
            let `shop-web` end what it is at for 1s, because the new one is good
            stop `shop-web`, because the new one is good
            remove `shop-web`, because the new one is good
            remove `shop-web.next`, because an interrupted run left it
            rename `shop-web.next` to `shop-web`, because it takes the place of the former one
        "#]],
    );
    check(
        "web#3@80",
        "web#1@80~exited web#2@80~next",
        expect![[r#"
            create `shop-web.next`, because its image changed
                else stop `shop-web.next`, remove `shop-web.next`, start `shop-web.next`
            stop `shop-web.next`, because the new one starts after it has stopped: both bind 127.0.0.1:80/tcp
                else stop `shop-web.next`, remove `shop-web.next`, start `shop-web.next`
            start `shop-web.next`, because its image changed
                else stop `shop-web.next`, remove `shop-web.next`, start `shop-web.next`
            wait until `shop-web.next` is good, 1m at most, because it was started
                else stop `shop-web.next`, remove `shop-web.next`, start `shop-web.next`
            remove `shop-web`, because the new one is good
            remove `shop-web.next`, because an interrupted run left it
            rename `shop-web.next` to `shop-web`, because it takes the place of the former one
        "#]],
    );
    check(
        "web#1",
        "web#1 web#2~next",
        expect![[r#"
            wait until `shop-web` is good, 1m at most, because it was started
            take its names on network `shop` from `shop-web.next`, because the new one is good
                else connect `shop-web.next` to network `shop`, stop `shop-web`, remove `shop-web`
            let `shop-web.next` end what it is at for 1s, because the new one is good
            stop `shop-web.next`, because an interrupted run left it
            remove `shop-web.next`, because an interrupted run left it
        "#]],
    );
    check(
        "web#1@80",
        "web#1@80~exited web#2@80~next",
        expect![[r#"
            stop `shop-web.next`, because the new one starts after it has stopped: both bind 127.0.0.1:80/tcp
                else stop `shop-web`, remove `shop-web`, start `shop-web.next`
            start `shop-web`, because it does not run: exited (143)
                else stop `shop-web`, remove `shop-web`, start `shop-web.next`
            wait until `shop-web` is good, 1m at most, because it was started
                else stop `shop-web`, remove `shop-web`, start `shop-web.next`
            remove `shop-web.next`, because an interrupted run left it
        "#]],
    );
    check(
        "web#1",
        "web#1~dead",
        expect![[r#"
            create `shop-web.next`, because it does not run: dead
            start `shop-web.next`, because it does not run: dead
            wait until `shop-web.next` is good, 1m at most, because it was started
            remove `shop-web`, because the new one is good
            rename `shop-web.next` to `shop-web`, because it takes the place of the former one
        "#]],
    );
}

#[test]
fn a_port_is_taken_over_where_somebody_asks_for_that() {
    check(
        "db#1 web#2@80&db=swap",
        "db#1 web#1@80&db",
        expect![[r#"
            create network `shop.gate`, because it is not on the host
            create `shop-web.next`, because its image changed
                else stop `shop-web.next`, remove `shop-web.next`
            connect `shop-db` to network `shop.gate`, because `web` needs it before it takes over a port
                else stop `shop-web.next`, remove `shop-web.next`
            start `shop-web.next`, because its image changed
                else stop `shop-web.next`, remove `shop-web.next`
            wait until `shop-web.next` is good, 1m at most, because it was started
                else stop `shop-web.next`, remove `shop-web.next`
            take `shop-web` off network `shop.gate`, because the new one takes over its port
                else take `shop-web.next` off network `shop.gate`, take `shop-web.next` off network `shop`, connect `shop-web` to network `shop`, stop `shop-web.next`, remove `shop-web.next`
            take `shop-web` off network `shop`, because the new one takes over its port
                else take `shop-web.next` off network `shop.gate`, take `shop-web.next` off network `shop`, connect `shop-web` to network `shop`, stop `shop-web.next`, remove `shop-web.next`
            connect `shop-web.next` to network `shop`, because the new one takes over its port
                else take `shop-web.next` off network `shop.gate`, take `shop-web.next` off network `shop`, connect `shop-web` to network `shop`, stop `shop-web.next`, remove `shop-web.next`
            wait until `shop-web.next` is good, 1m at most, because it was started
                else take `shop-web.next` off network `shop.gate`, take `shop-web.next` off network `shop`, connect `shop-web` to network `shop`, stop `shop-web.next`, remove `shop-web.next`
            stop `shop-web`, because the new one is good
            remove `shop-web`, because the new one is good
            rename `shop-web.next` to `shop-web`, because it takes the place of the former one
        "#]],
    );
    check(
        "web#2@80=swap",
        "web#1@80 web#2@80~next~off",
        expect![[r#"
            wait until `shop-web.next` is good, 1m at most, because it was started
                else stop `shop-web.next`, remove `shop-web.next`
            take `shop-web` off network `shop.gate`, because the new one takes over its port
                else take `shop-web.next` off network `shop.gate`, take `shop-web.next` off network `shop`, connect `shop-web` to network `shop`, stop `shop-web.next`, remove `shop-web.next`
            take `shop-web` off network `shop`, because the new one takes over its port
                else take `shop-web.next` off network `shop.gate`, take `shop-web.next` off network `shop`, connect `shop-web` to network `shop`, stop `shop-web.next`, remove `shop-web.next`
            connect `shop-web.next` to network `shop`, because the new one takes over its port
                else take `shop-web.next` off network `shop.gate`, take `shop-web.next` off network `shop`, connect `shop-web` to network `shop`, stop `shop-web.next`, remove `shop-web.next`
            wait until `shop-web.next` is good, 1m at most, because it was started
                else take `shop-web.next` off network `shop.gate`, take `shop-web.next` off network `shop`, connect `shop-web` to network `shop`, stop `shop-web.next`, remove `shop-web.next`
            stop `shop-web`, because the new one is good
            remove `shop-web`, because the new one is good
            rename `shop-web.next` to `shop-web`, because it takes the place of the former one
        "#]],
    );
    check(
        "web#2@80=swap",
        "web#1@80~off web#2@80~next~off",
        expect![[r#"
            connect `shop-web.next` to network `shop`, because the new one takes over its port
                else take `shop-web.next` off network `shop.gate`, take `shop-web.next` off network `shop`, connect `shop-web` to network `shop`, stop `shop-web.next`, remove `shop-web.next`
            wait until `shop-web.next` is good, 1m at most, because it was started
                else take `shop-web.next` off network `shop.gate`, take `shop-web.next` off network `shop`, connect `shop-web` to network `shop`, stop `shop-web.next`, remove `shop-web.next`
            stop `shop-web`, because the new one is good
            remove `shop-web`, because the new one is good
            rename `shop-web.next` to `shop-web`, because it takes the place of the former one
        "#]],
    );
    check(
        "web#2@80=swap",
        "web#1@80~off web#2@80~next",
        expect![[r#"
            wait until `shop-web.next` is good, 1m at most, because it was started
                else stop `shop-web.next`, remove `shop-web.next`, connect `shop-web` to network `shop`
            let `shop-web` end what it is at for 1s, because the new one is good
            stop `shop-web`, because the new one is good
            remove `shop-web`, because the new one is good
            rename `shop-web.next` to `shop-web`, because it takes the place of the former one
        "#]],
    );
    check(
        "web#2@80=swap",
        "web#1@80 web#2@80~next~off~created",
        expect![[r#"
            create network `shop.gate`, because it is not on the host
            start `shop-web.next`, because it does not run: never started
                else stop `shop-web.next`, remove `shop-web.next`
            wait until `shop-web.next` is good, 1m at most, because it was started
                else stop `shop-web.next`, remove `shop-web.next`
            take `shop-web` off network `shop.gate`, because the new one takes over its port
                else take `shop-web.next` off network `shop.gate`, take `shop-web.next` off network `shop`, connect `shop-web` to network `shop`, stop `shop-web.next`, remove `shop-web.next`
            take `shop-web` off network `shop`, because the new one takes over its port
                else take `shop-web.next` off network `shop.gate`, take `shop-web.next` off network `shop`, connect `shop-web` to network `shop`, stop `shop-web.next`, remove `shop-web.next`
            connect `shop-web.next` to network `shop`, because the new one takes over its port
                else take `shop-web.next` off network `shop.gate`, take `shop-web.next` off network `shop`, connect `shop-web` to network `shop`, stop `shop-web.next`, remove `shop-web.next`
            wait until `shop-web.next` is good, 1m at most, because it was started
                else take `shop-web.next` off network `shop.gate`, take `shop-web.next` off network `shop`, connect `shop-web` to network `shop`, stop `shop-web.next`, remove `shop-web.next`
            stop `shop-web`, because the new one is good
            remove `shop-web`, because the new one is good
            rename `shop-web.next` to `shop-web`, because it takes the place of the former one
        "#]],
    );
    check(
        "web#3@80=swap",
        "web#1@80~off web#2@80~next~off",
        expect![[r#"
            create network `shop.gate`, because it is not on the host
            create `shop-web.next`, because its image changed
                else stop `shop-web.next`, remove `shop-web.next`
            start `shop-web.next`, because its image changed
                else stop `shop-web.next`, remove `shop-web.next`
            connect `shop-web.next` to network `shop`, because the new one takes over its port
                else take `shop-web.next` off network `shop.gate`, take `shop-web.next` off network `shop`, connect `shop-web` to network `shop`, stop `shop-web.next`, remove `shop-web.next`
            wait until `shop-web.next` is good, 1m at most, because it was started
                else take `shop-web.next` off network `shop.gate`, take `shop-web.next` off network `shop`, connect `shop-web` to network `shop`, stop `shop-web.next`, remove `shop-web.next`
            stop `shop-web`, because the new one is good
            remove `shop-web`, because the new one is good
            stop `shop-web.next`, because an interrupted run left it
            remove `shop-web.next`, because an interrupted run left it
            rename `shop-web.next` to `shop-web`, because it takes the place of the former one
        "#]],
    );
    check(
        "web#1@80=swap",
        "web#1@80~off web#2@80~next",
        expect![[r#"
            wait until `shop-web` is good, 1m at most, because it was started
                else stop `shop-web`, remove `shop-web`
            take `shop-web.next` off network `shop.gate`, because the new one takes over its port
                else take `shop-web` off network `shop.gate`, take `shop-web` off network `shop`, connect `shop-web.next` to network `shop`, stop `shop-web`, remove `shop-web`
            take `shop-web.next` off network `shop`, because the new one takes over its port
                else take `shop-web` off network `shop.gate`, take `shop-web` off network `shop`, connect `shop-web.next` to network `shop`, stop `shop-web`, remove `shop-web`
            connect `shop-web` to network `shop`, because the new one takes over its port
                else take `shop-web` off network `shop.gate`, take `shop-web` off network `shop`, connect `shop-web.next` to network `shop`, stop `shop-web`, remove `shop-web`
            wait until `shop-web` is good, 1m at most, because it was started
                else take `shop-web` off network `shop.gate`, take `shop-web` off network `shop`, connect `shop-web.next` to network `shop`, stop `shop-web`, remove `shop-web`
            stop `shop-web.next`, because an interrupted run left it
            remove `shop-web.next`, because an interrupted run left it
        "#]],
    );
    check(
        "web#2=swap",
        "web#1",
        expect![[r#"
            create `shop-web.next`, because its image changed
                else stop `shop-web.next`, remove `shop-web.next`
            start `shop-web.next`, because its image changed
                else stop `shop-web.next`, remove `shop-web.next`
            wait until `shop-web.next` is good, 1m at most, because it was started
                else stop `shop-web.next`, remove `shop-web.next`
            connect `shop-web.next` to network `shop`, because it is good
                else stop `shop-web.next`, remove `shop-web.next`
            wait until `shop-web.next` is good, 1m at most, because it is good
                else stop `shop-web.next`, remove `shop-web.next`
            take its names on network `shop` from `shop-web`, because the new one is good
                else connect `shop-web` to network `shop`, stop `shop-web.next`, remove `shop-web.next`
            let `shop-web` end what it is at for 1s, because the new one is good
            stop `shop-web`, because the new one is good
            remove `shop-web`, because the new one is good
            rename `shop-web.next` to `shop-web`, because it takes the place of the former one
        "#]],
    );
    check(
        "web#2@80=swap",
        "web#1@80~exited",
        expect![[r#"
        create `shop-web.next`, because its image changed
            else stop `shop-web.next`, remove `shop-web.next`, start `shop-web`
        start `shop-web.next`, because its image changed
            else stop `shop-web.next`, remove `shop-web.next`, start `shop-web`
        wait until `shop-web.next` is good, 1m at most, because it was started
            else stop `shop-web.next`, remove `shop-web.next`, start `shop-web`
        remove `shop-web`, because the new one is good
        rename `shop-web.next` to `shop-web`, because it takes the place of the former one
    "#]],
    );
}

#[test]
fn what_does_not_run_or_serve_is_mended() {
    check(
        "web#1",
        "web#1~exited",
        expect![[r#"
            start `shop-web`, because it does not run: exited (143)
            wait until `shop-web` is good, 1m at most, because it was started
        "#]],
    );
    check(
        "web#1",
        "web#1~paused",
        expect![[r#"
            unpause `shop-web`, because it does not run: paused
            wait until `shop-web` is good, 1m at most, because it was started
        "#]],
    );
    check(
        "web#1",
        "web#1~restarting",
        expect![[r#"
            wait until `shop-web` is good, 1m at most, because it is restarting
        "#]],
    );
    check(
        "web#1!",
        "web#1!~starting",
        expect![[r#"
            wait until `shop-web` is good, 1m at most, because its health is starting
        "#]],
    );
    check(
        "web#1!",
        "web#1!~unhealthy",
        expect![[r#"
            wait until `shop-web` is good, 1m at most, because its health is unhealthy
        "#]],
    );
    check(
        "web#1",
        "web#1~off",
        expect![[r#"
            connect `shop-web` to network `shop`, because its names on the network are not as wanted
            wait until `shop-web` is good, 1m at most, because it was started
        "#]],
    );
    check(
        "web#1+shop",
        "web#1",
        expect![[r#"
            connect `shop-web` to network `shop`, because its names on the network are not as wanted
            wait until `shop-web` is good, 1m at most, because it was started
        "#]],
    );
    check(
        "job#1?",
        "job#1?~exited",
        expect![[r#"
            start `shop-job`, because it does not run: exited (143)
            wait until `shop-job` is good, 1m at most, because it was started
        "#]],
    );
    check(
        "job#2?",
        "job#1?~done",
        expect![[r#"
            create `shop-job.next`, because its image changed
            start `shop-job.next`, because its image changed
            wait until `shop-job.next` is good, 1m at most, because it was started
            remove `shop-job`, because the new one is good
            rename `shop-job.next` to `shop-job`, because it takes the place of the former one
        "#]],
    );
}

#[test]
fn what_left_the_manifest_goes_last() {
    check(
        "db#2",
        "db#1 web#1 old#1~exited",
        expect![[r#"
            create `shop-db.next`, because its image changed
                else stop `shop-db.next`, remove `shop-db.next`
            start `shop-db.next`, because its image changed
                else stop `shop-db.next`, remove `shop-db.next`
            wait until `shop-db.next` is good, 1m at most, because it was started
                else stop `shop-db.next`, remove `shop-db.next`
            connect `shop-db.next` to network `shop`, because it is good
                else stop `shop-db.next`, remove `shop-db.next`
            wait until `shop-db.next` is good, 1m at most, because it is good
                else stop `shop-db.next`, remove `shop-db.next`
            take its names on network `shop` from `shop-db`, because the new one is good
                else connect `shop-db` to network `shop`, stop `shop-db.next`, remove `shop-db.next`
            let `shop-db` end what it is at for 1s, because the new one is good
            stop `shop-db`, because the new one is good
            remove `shop-db`, because the new one is good
            rename `shop-db.next` to `shop-db`, because it takes the place of the former one
            remove `shop-old`, because the manifest does not have it any more
            stop `shop-web`, because the manifest does not have it any more
            remove `shop-web`, because the manifest does not have it any more
        "#]],
    );
    check(
        "www#1@80",
        "web#1@80",
        expect![[r#"
            create `shop-www`, because it is not on the host
                else stop `shop-www`, remove `shop-www`, start `shop-web`
            stop `shop-web`, because `www` needs its port
                else stop `shop-www`, remove `shop-www`, start `shop-web`
            start `shop-www`, because it is not on the host
                else stop `shop-www`, remove `shop-www`, start `shop-web`
            wait until `shop-www` is good, 1m at most, because it was started
                else stop `shop-www`, remove `shop-www`, start `shop-web`
            remove `shop-web`, because the manifest does not have it any more
        "#]],
    );
    check(
        "a#2@80 b#2@81",
        "a#1@81 b#1@80",
        expect![[r#"
            create `shop-a.next`, because its image changed
                else stop `shop-a.next`, remove `shop-a.next`, start `shop-b`
            stop `shop-b`, because `a` needs its port
                else stop `shop-a.next`, remove `shop-a.next`, start `shop-b`
            start `shop-a.next`, because its image changed
                else stop `shop-a.next`, remove `shop-a.next`, start `shop-b`
            wait until `shop-a.next` is good, 1m at most, because it was started
                else stop `shop-a.next`, remove `shop-a.next`, start `shop-b`
            connect `shop-a.next` to network `shop`, because it is good
                else stop `shop-a.next`, remove `shop-a.next`, start `shop-b`
            wait until `shop-a.next` is good, 1m at most, because it is good
                else stop `shop-a.next`, remove `shop-a.next`, start `shop-b`
            take its names on network `shop` from `shop-a`, because the new one is good
                else connect `shop-a` to network `shop`, stop `shop-a.next`, remove `shop-a.next`
            let `shop-a` end what it is at for 1s, because the new one is good
            stop `shop-a`, because the new one is good
            remove `shop-a`, because the new one is good
            rename `shop-a.next` to `shop-a`, because it takes the place of the former one
            create `shop-b.next`, because its image changed
                else stop `shop-b.next`, remove `shop-b.next`, start `shop-b`
            start `shop-b.next`, because its image changed
                else stop `shop-b.next`, remove `shop-b.next`, start `shop-b`
            wait until `shop-b.next` is good, 1m at most, because it was started
                else stop `shop-b.next`, remove `shop-b.next`, start `shop-b`
            remove `shop-b`, because the new one is good
            rename `shop-b.next` to `shop-b`, because it takes the place of the former one
        "#]],
    );
}

#[test]
fn what_should_not_be_done_is_refused() {
    check(
        "",
        "db#1 web#1",
        expect![[r#"
        refused: the manifest has no containers, and the host has 2 of the project
    "#]],
    );
    check(
        "a#1&b b#1&c c#1<a",
        "",
        expect![[r#"
        refused: containers depend on one another: a -> b -> c -> a
    "#]],
    );
    check(
        "web#1",
        "foreign:shop-web",
        expect![[r#"
        refused: a container `shop-web` is there and is not ours
    "#]],
    );
    check(
        "db#1 web#2@8080",
        "db#1 web#1 foreign:proxy=9090,8080",
        expect![[r#"
        refused: `web` wants the port 127.0.0.1:8080/tcp, which the container `proxy` has, and that is not ours
    "#]],
    );
    check(
        "web#1@8080",
        "web#1@8080 foreign:proxy=8081",
        expect![[r#"
        nothing to do
    "#]],
    );
    let wanted = desired(&read_manifest("web#1"));
    let foreign =
        HostState { networks: [("shop".to_owned(), ObservedNetwork::Foreign)].into(), ..HostState::default() };
    expect![[r#"
        refused: a network `shop` is there and is not ours
    "#]]
    .assert_eq(&show(diff(&wanted, &foreign, Emptying::Refused)));
    let mut with_subnet = read_manifest("net:lan=x web#1,lan");
    for network in with_subnet.networks.values_mut() {
        let subnet = Subnet { subnet: "10.1.0.0/16".parse().unwrap(), gateway: None, ip_range: None };
        *network = Network::Own(NetworkSpec { subnets: vec![subnet], ..NetworkSpec::default() });
    }
    let refused = |theirs: &str, subnet: &str| {
        let subnets = [(theirs.to_owned(), vec![subnet.parse().unwrap()])].into();
        let networks = [("shop-lan".to_owned(), ObservedNetwork::Shared)].into();
        let host = HostState { subnets, networks, images: read_host("").images, ..HostState::default() };
        diff(&desired(&with_subnet), &host, Emptying::Refused).err().map(|refusal| refusal.to_string())
    };
    assert_eq!(refused("theirs", "10.0.0.0/16"), None);
    expect!["the network `shop-lan.51802dea` is to be made with 10.1.0.0/16, and `shop-lan` has addresses of that"]
        .assert_eq(&refused("shop-lan", "10.1.2.0/24").unwrap());
    assert!(refused("theirs", "10.0.0.0/8").is_some());
    let wanted = desired(&read_manifest("web#1%data"));
    let name = BTreeSet::from(["shop-data".to_owned()]);
    let foreign = HostState { volumes: name.clone(), volumes_of_others: name, ..HostState::default() };
    expect![[r#"
        refused: a volume `shop-data` is there and is not ours
    "#]]
    .assert_eq(&show(diff(&wanted, &foreign, Emptying::Refused)));
    let full = |host: &str| HostState { room: Some(1 << 20), ..read_host(host) };
    expect![[r#"
        refused: where the engine keeps containers 1024 kB are left, and 32768 kB is the least that anything is created with
    "#]]
    .assert_eq(&show(diff(&desired(&read_manifest("web#2")), &full("web#1"), Emptying::Refused)));
    // Nothing is created: what is there is removed, and makes room.
    assert!(diff(&desired(&read_manifest("web#1")), &full("web#1 db#1"), Emptying::Refused).is_ok());
    let mut local = read_manifest("web#1");
    for image in local.images.values_mut() {
        image.reference = None;
    }
    expect![[r#"
        refused: the engine does not have the image `v1` of `web`, and it was not pushed to a registry
    "#]]
    .assert_eq(&show(diff(&desired(&local), &HostState::default(), Emptying::Refused)));
    let mut unpulled = read_manifest("web#1");
    for container in unpulled.containers.values_mut() {
        container.update.pull = false;
    }
    expect![[r#"
        refused: the engine does not have the image `v1` of `web`, and it may not be pulled
    "#]]
    .assert_eq(&show(diff(&desired(&unpulled), &HostState::default(), Emptying::Refused)));
}

#[test]
fn everything_goes_where_somebody_asks_for_it() {
    let nothing = desired(&read_manifest(""));
    expect![[r#"
        stop `shop-db`, because the manifest does not have it any more
        remove `shop-db`, because the manifest does not have it any more
        remove `shop-web`, because the manifest does not have it any more
        remove network `shop`, because the manifest does not have it any more
    "#]]
    .assert_eq(&show(diff(&nothing, &read_host("db#1%data web#1~exited"), Emptying::Allowed)));
}

#[test]
fn containers_of_old_are_still_known() {
    // Hosts carry these: a change here re-creates every container there is. Hash something new only where it is set.
    let text = include_str!("../../testdata/manifests/full.json");
    let manifest = windlass::manifest::parse(&windlass::diag::SourceText::new("full.json", text)).unwrap();
    let mut manifest = manifest;
    for file in manifest.containers.values_mut().flat_map(|spec| spec.files.values_mut()) {
        file.content = FileContent::Text(EnvValue::new("what was read"));
    }
    let shown: String = desired(&manifest).containers.iter().map(|(name, c)| format!("{name} {}\n", c.hash)).collect();
    expect![[r#"
        agent 1:9821d55f947f13f6770b84fc78da462efda38f95b6392006587041623ff2d2c5
        confined 1:91b2c69408a3857f16ed08a9c0b047fd3f73b91b0ee7c5924eb2fdb17792c83f
        crowd 1:51c46ef0bca616e2846058a892908a530714b8853f145003255b117b29cb0730
        db 1:e151ee2ce09912b94d648d208a23f33eda2bf3a317e7c7db2e25835d009e7af5
        last 1:4b226ca7f172151442c89b4e01a81189311dd14fdb043862f73fbd1a409e49df
        last-2 1:4b226ca7f172151442c89b4e01a81189311dd14fdb043862f73fbd1a409e49df
        last-3 1:4b226ca7f172151442c89b4e01a81189311dd14fdb043862f73fbd1a409e49df
        live 1:b7607ce8702cb9cbadc4f9c41c566ed4bd4650bde6f6c6e44a4dad240575ef87
        lonely 1:76c87e4498f6d9d3e46b45ffcad3952462b3902811a2edff5036b7d59ce88d79
        machine 1:06448f1de5930ac197400f44ad8ca7a916592dfa751c62fe9aae59f3fb492446
        migrate 1:f8dfa188746907a2f3cf6e20c6f1ae4ff6283e490c83ce207fcc7dbbd9a63da5
        plain 1:51c46ef0bca616e2846058a892908a530714b8853f145003255b117b29cb0730
        proxy 1:b5c9801567145d4c39d96e4fc0eacbcddae13f726257baebfe4940c02386458a
        spare 1:51c46ef0bca616e2846058a892908a530714b8853f145003255b117b29cb0730
        web 1:77140ddfe279137ea7d3803c04e78e5c69ea336ed132ab9fd441d57a26b2b2e1
        worker 1:b5e5f64234fecd0cb2934e4196496149fa6f88713bbef82faed41f367570ce77
    "#]]
    .assert_eq(&shown);
}

/// Podman takes a port when a container starts, so there is nothing to take over.
#[test]
fn where_ports_are_taken_at_the_start_the_old_one_stops_first() {
    let wanted = desired(&read_manifest("web#2@80=swap dns#2=swap,lan:5"));
    let host = HostState { ports_at_start: true, ..read_host("web#1@80 dns#1,lan:5") };
    expect![[r#"
        create network `shop.gate`, because it is not on the host
        create `shop-dns.next`, because its image changed
            else stop `shop-dns.next`, remove `shop-dns.next`
        start `shop-dns.next`, because its image changed
            else stop `shop-dns.next`, remove `shop-dns.next`
        wait until `shop-dns.next` is good, 1m at most, because it was started
            else stop `shop-dns.next`, remove `shop-dns.next`
        take `shop-dns` off network `shop.gate`, because the new one takes over its address
            else take `shop-dns.next` off network `shop.gate`, take `shop-dns.next` off network `shop-lan`, connect `shop-dns` to network `shop-lan`, stop `shop-dns.next`, remove `shop-dns.next`
        take `shop-dns` off network `shop-lan`, because the new one takes over its address
            else take `shop-dns.next` off network `shop.gate`, take `shop-dns.next` off network `shop-lan`, connect `shop-dns` to network `shop-lan`, stop `shop-dns.next`, remove `shop-dns.next`
        connect `shop-dns.next` to network `shop-lan`, because the new one takes over its address
            else take `shop-dns.next` off network `shop.gate`, take `shop-dns.next` off network `shop-lan`, connect `shop-dns` to network `shop-lan`, stop `shop-dns.next`, remove `shop-dns.next`
        wait until `shop-dns.next` is good, 1m at most, because it was started
            else take `shop-dns.next` off network `shop.gate`, take `shop-dns.next` off network `shop-lan`, connect `shop-dns` to network `shop-lan`, stop `shop-dns.next`, remove `shop-dns.next`
        stop `shop-dns`, because the new one is good
        remove `shop-dns`, because the new one is good
        rename `shop-dns.next` to `shop-dns`, because it takes the place of the former one
        create `shop-web.next`, because its image changed
            else stop `shop-web.next`, remove `shop-web.next`, start `shop-web`
        stop `shop-web`, because the new one starts after it has stopped: both bind 127.0.0.1:80/tcp
            else stop `shop-web.next`, remove `shop-web.next`, start `shop-web`
        start `shop-web.next`, because its image changed
            else stop `shop-web.next`, remove `shop-web.next`, start `shop-web`
        wait until `shop-web.next` is good, 1m at most, because it was started
            else stop `shop-web.next`, remove `shop-web.next`, start `shop-web`
        remove `shop-web`, because the new one is good
        rename `shop-web.next` to `shop-web`, because it takes the place of the former one
    "#]].assert_eq(&show(diff(&wanted, &host, Emptying::Refused)));
}

#[test]
fn files_that_it_is_told_of_change_while_it_runs() {
    check(
        "web#1^conf^live:2^same:1",
        "web#1^conf^live:1^same:1",
        expect![[r#"
            put a file into `shop-web`, because what is in its files changed
            send SIGHUP to `shop-web`, because what is in its files changed
            note which files `shop-web` knows, because what is in its files changed
            wait until `shop-web` is good, 1m at most, because what is in its files changed
        "#]],
    );
    check(
        "web#1^live:2<r:db db#2",
        "web#1^live:1<r:db db#1",
        expect![[r#"
            create `shop-db.next`, because its image changed
                else stop `shop-db.next`, remove `shop-db.next`
            start `shop-db.next`, because its image changed
                else stop `shop-db.next`, remove `shop-db.next`
            wait until `shop-db.next` is good, 1m at most, because it was started
                else stop `shop-db.next`, remove `shop-db.next`
            connect `shop-db.next` to network `shop`, because it is good
                else stop `shop-db.next`, remove `shop-db.next`
            wait until `shop-db.next` is good, 1m at most, because it is good
                else stop `shop-db.next`, remove `shop-db.next`
            take its names on network `shop` from `shop-db`, because the new one is good
                else connect `shop-db` to network `shop`, stop `shop-db.next`, remove `shop-db.next`
            let `shop-db` end what it is at for 1s, because the new one is good
            stop `shop-db`, because the new one is good
            remove `shop-db`, because the new one is good
            rename `shop-db.next` to `shop-db`, because it takes the place of the former one
            put a file into `shop-web`, because what is in its files changed
            restart `shop-web`, because `db` was replaced
            note which files `shop-web` knows, because what is in its files changed
            wait until `shop-web` is good, 1m at most, because what is in its files changed
        "#]],
    );
    check(
        "web#1^live:2",
        "web#1^live:1~exited",
        expect![[r#"
        put a file into `shop-web`, because what is in its files changed
        start `shop-web`, because it does not run: exited (143)
        wait until `shop-web` is good, 1m at most, because it was started
    "#]],
    );
    check(
        "web#1^live:2",
        "web#1^live:1~paused",
        expect![[r#"
            unpause `shop-web`, because it does not run: paused
            put a file into `shop-web`, because what is in its files changed
            send SIGHUP to `shop-web`, because what is in its files changed
            note which files `shop-web` knows, because what is in its files changed
            wait until `shop-web` is good, 1m at most, because what is in its files changed
        "#]],
    );
    check(
        "web#1^live:2",
        "web#1^live:1~created",
        expect![[r#"
        put a file into `shop-web`, because it does not run: never started
        start `shop-web`, because it does not run: never started
        wait until `shop-web` is good, 1m at most, because it was started
    "#]],
    );
    check(
        "job#1?^live:2",
        "job#1?^live:1~done",
        expect![[r#"
        nothing to do
    "#]],
    );
    check(
        "web#1^live:2^more:1",
        "web#1^live:2",
        expect![[r#"
        create `shop-web.next`, because its configuration changed
            else stop `shop-web.next`, remove `shop-web.next`
        put 2 files into `shop-web.next`, because its configuration changed
            else stop `shop-web.next`, remove `shop-web.next`
        start `shop-web.next`, because its configuration changed
            else stop `shop-web.next`, remove `shop-web.next`
        wait until `shop-web.next` is good, 1m at most, because it was started
            else stop `shop-web.next`, remove `shop-web.next`
        connect `shop-web.next` to network `shop`, because it is good
            else stop `shop-web.next`, remove `shop-web.next`
        wait until `shop-web.next` is good, 1m at most, because it is good
            else stop `shop-web.next`, remove `shop-web.next`
        take its names on network `shop` from `shop-web`, because the new one is good
            else connect `shop-web` to network `shop`, stop `shop-web.next`, remove `shop-web.next`
        let `shop-web` end what it is at for 1s, because the new one is good
        stop `shop-web`, because the new one is good
        remove `shop-web`, because the new one is good
        rename `shop-web.next` to `shop-web`, because it takes the place of the former one
    "#]],
    );
    check(
        "web#1*2^live:2",
        "web#1^live:1 web-2#1+web^live:1",
        expect![[r#"
            put a file into `shop-web`, because what is in its files changed
            send SIGHUP to `shop-web`, because what is in its files changed
            note which files `shop-web` knows, because what is in its files changed
            wait until `shop-web` is good, 1m at most, because what is in its files changed
            put a file into `shop-web-2`, because what is in its files changed
            send SIGHUP to `shop-web-2`, because what is in its files changed
            note which files `shop-web-2` knows, because what is in its files changed
            wait until `shop-web-2` is good, 1m at most, because what is in its files changed
        "#]],
    );
}

#[test]
fn replicas_are_replaced_one_after_another() {
    check(
        "web#2*2",
        "web#1 web-2#1+web",
        expect![[r#"
        create `shop-web.next`, because its image changed
            else stop `shop-web.next`, remove `shop-web.next`
        start `shop-web.next`, because its image changed
            else stop `shop-web.next`, remove `shop-web.next`
        wait until `shop-web.next` is good, 1m at most, because it was started
            else stop `shop-web.next`, remove `shop-web.next`
        connect `shop-web.next` to network `shop`, because it is good
            else stop `shop-web.next`, remove `shop-web.next`
        wait until `shop-web.next` is good, 1m at most, because it is good
            else stop `shop-web.next`, remove `shop-web.next`
        take its names on network `shop` from `shop-web`, because the new one is good
            else connect `shop-web` to network `shop`, stop `shop-web.next`, remove `shop-web.next`
        let `shop-web` end what it is at for 1s, because the new one is good
        stop `shop-web`, because the new one is good
        remove `shop-web`, because the new one is good
        rename `shop-web.next` to `shop-web`, because it takes the place of the former one
        create `shop-web-2.next`, because its image changed
            else stop `shop-web-2.next`, remove `shop-web-2.next`
        start `shop-web-2.next`, because its image changed
            else stop `shop-web-2.next`, remove `shop-web-2.next`
        wait until `shop-web-2.next` is good, 1m at most, because it was started
            else stop `shop-web-2.next`, remove `shop-web-2.next`
        connect `shop-web-2.next` to network `shop`, because it is good
            else stop `shop-web-2.next`, remove `shop-web-2.next`
        wait until `shop-web-2.next` is good, 1m at most, because it is good
            else stop `shop-web-2.next`, remove `shop-web-2.next`
        take its names on network `shop` from `shop-web-2`, because the new one is good
            else connect `shop-web-2` to network `shop`, stop `shop-web-2.next`, remove `shop-web-2.next`
        let `shop-web-2` end what it is at for 1s, because the new one is good
        stop `shop-web-2`, because the new one is good
        remove `shop-web-2`, because the new one is good
        rename `shop-web-2.next` to `shop-web-2`, because it takes the place of the former one
    "#]],
    );
    check(
        "web#2*2/2",
        "",
        expect![[r#"
        create `shop-web`, because it is not on the host
        start `shop-web`, because it is not on the host
        create `shop-web-2`, because it is not on the host
        start `shop-web-2`, because it is not on the host
        wait until `shop-web` is good, 1m at most, because it was started
        wait until `shop-web-2` is good, 1m at most, because it was started
    "#]],
    );
}

#[test]
fn a_replica_that_is_added_is_found_once_it_is_good() {
    check(
        "web#1*2",
        "web#1",
        expect![[r#"
        create `shop-web-2`, because it is not on the host
        start `shop-web-2`, because it is not on the host
        wait until `shop-web-2` is good, 1m at most, because it was started
        connect `shop-web-2` to network `shop`, because it is good
        wait until `shop-web-2` is good, 1m at most, because it is good
    "#]],
    );
}

#[test]
fn a_container_is_moved_to_another_network_while_it_runs() {
    check(
        "web#1,lan db#1",
        "web#1 db#1",
        expect![[r#"
            create network `shop-lan`, because it is not on the host
            connect `shop-web` to network `shop-lan`, because its names on the network are not as wanted
            take `shop-web` off network `shop`, because it is not wanted on that network
        "#]],
    );
    check(
        "net:lan=two web#1,lan,default",
        "web#1,lan,default",
        expect![[r#"
            create network `shop-lan.2e2c24b4`, because it is not on the host
            connect `shop-web` to network `shop-lan.2e2c24b4`, because its names on the network are not as wanted
            take `shop-web` off network `shop-lan`, because it is not wanted on that network
            remove network `shop-lan`, because the manifest does not have it any more
        "#]],
    );
    check(
        "web#1",
        "web#1,lan,default",
        expect![[r#"
        take `shop-web` off network `shop-lan`, because it is not wanted on that network
        remove network `shop-lan`, because the manifest does not have it any more
    "#]],
    );
    check(
        "web#2,lan!",
        "web#1!",
        expect![[r#"
            create network `shop-lan`, because it is not on the host
            connect `shop-web` to network `shop-lan`, because its names on the network are not as wanted
            create `shop-web.next`, because its image changed
                else stop `shop-web.next`, remove `shop-web.next`
            start `shop-web.next`, because its image changed
                else stop `shop-web.next`, remove `shop-web.next`
            wait until `shop-web.next` is good, 1m at most, because it was started
                else stop `shop-web.next`, remove `shop-web.next`
            connect `shop-web.next` to network `shop-lan`, because it is good
                else stop `shop-web.next`, remove `shop-web.next`
            wait until `shop-web.next` is good, 1m at most, because it is good
                else stop `shop-web.next`, remove `shop-web.next`
            take its names on network `shop` from `shop-web`, because the new one is good
                else connect `shop-web` to network `shop`, stop `shop-web.next`, remove `shop-web.next`
            let `shop-web` end what it is at for 1s, because the new one is good
            stop `shop-web`, because the new one is good
            remove `shop-web`, because the new one is good
            rename `shop-web.next` to `shop-web`, because it takes the place of the former one
        "#]],
    );
    check(
        "web#2,lan,default",
        "web#1,lan,default",
        expect![[r#"
        create `shop-web.next`, because its image changed
            else stop `shop-web.next`, remove `shop-web.next`
        connect `shop-web.next` to network `shop-lan`, because its image changed
            else stop `shop-web.next`, remove `shop-web.next`
        start `shop-web.next`, because its image changed
            else stop `shop-web.next`, remove `shop-web.next`
        wait until `shop-web.next` is good, 1m at most, because it was started
            else stop `shop-web.next`, remove `shop-web.next`
        connect `shop-web.next` to network `shop`, because it is good
            else stop `shop-web.next`, remove `shop-web.next`
        connect `shop-web.next` to network `shop-lan`, because it is good
            else stop `shop-web.next`, remove `shop-web.next`
        wait until `shop-web.next` is good, 1m at most, because it is good
            else stop `shop-web.next`, remove `shop-web.next`
        take its names on network `shop` from `shop-web`, because the new one is good
            else connect `shop-web` to network `shop`, connect `shop-web` to network `shop-lan`, stop `shop-web.next`, remove `shop-web.next`
        take its names on network `shop-lan` from `shop-web`, because the new one is good
            else connect `shop-web` to network `shop`, connect `shop-web` to network `shop-lan`, stop `shop-web.next`, remove `shop-web.next`
        let `shop-web` end what it is at for 1s, because the new one is good
        stop `shop-web`, because the new one is good
        remove `shop-web`, because the new one is good
        rename `shop-web.next` to `shop-web`, because it takes the place of the former one
    "#]],
    );
}

#[test]
fn who_is_replaced_comes_onto_the_new_network_before_anybody_leaves_the_old_one() {
    check(
        "net:lan=two db#2,lan web#2&db,lan",
        "db#1,lan web#1&db,lan",
        expect![[r#"
        create network `shop-lan.2e2c24b4`, because it is not on the host
        connect `shop-db` to network `shop-lan.2e2c24b4`, because its names on the network are not as wanted
        connect `shop-web` to network `shop-lan.2e2c24b4`, because its names on the network are not as wanted
        create `shop-db.next`, because its image changed
            else stop `shop-db.next`, remove `shop-db.next`
        start `shop-db.next`, because its image changed
            else stop `shop-db.next`, remove `shop-db.next`
        wait until `shop-db.next` is good, 1m at most, because it was started
            else stop `shop-db.next`, remove `shop-db.next`
        connect `shop-db.next` to network `shop-lan.2e2c24b4`, because it is good
            else stop `shop-db.next`, remove `shop-db.next`
        wait until `shop-db.next` is good, 1m at most, because it is good
            else stop `shop-db.next`, remove `shop-db.next`
        take its names on network `shop-lan` from `shop-db`, because the new one is good
            else connect `shop-db` to network `shop-lan`, stop `shop-db.next`, remove `shop-db.next`
        let `shop-db` end what it is at for 1s, because the new one is good
        stop `shop-db`, because the new one is good
        remove `shop-db`, because the new one is good
        rename `shop-db.next` to `shop-db`, because it takes the place of the former one
        create `shop-web.next`, because its image changed
            else stop `shop-web.next`, remove `shop-web.next`
        start `shop-web.next`, because its image changed
            else stop `shop-web.next`, remove `shop-web.next`
        wait until `shop-web.next` is good, 1m at most, because it was started
            else stop `shop-web.next`, remove `shop-web.next`
        connect `shop-web.next` to network `shop-lan.2e2c24b4`, because it is good
            else stop `shop-web.next`, remove `shop-web.next`
        wait until `shop-web.next` is good, 1m at most, because it is good
            else stop `shop-web.next`, remove `shop-web.next`
        take its names on network `shop-lan` from `shop-web`, because the new one is good
            else connect `shop-web` to network `shop-lan`, stop `shop-web.next`, remove `shop-web.next`
        let `shop-web` end what it is at for 1s, because the new one is good
        stop `shop-web`, because the new one is good
        remove `shop-web`, because the new one is good
        rename `shop-web.next` to `shop-web`, because it takes the place of the former one
        remove network `shop-lan`, because the manifest does not have it any more
    "#]],
    );
}

#[test]
fn an_address_is_one_containers_at_a_time() {
    check(
        "web#2,lan:5",
        "web#1,lan:5",
        expect![[r#"
        create `shop-web.next`, because its image changed
            else stop `shop-web.next`, remove `shop-web.next`, start `shop-web`
        stop `shop-web`, because the new one starts after it has stopped: both have the address 10.0.0.5
            else stop `shop-web.next`, remove `shop-web.next`, start `shop-web`
        start `shop-web.next`, because its image changed
            else stop `shop-web.next`, remove `shop-web.next`, start `shop-web`
        wait until `shop-web.next` is good, 1m at most, because it was started
            else stop `shop-web.next`, remove `shop-web.next`, start `shop-web`
        remove `shop-web`, because the new one is good
        rename `shop-web.next` to `shop-web`, because it takes the place of the former one
    "#]],
    );
    check(
        "web#2,default,lan:5=swap",
        "web#1,default,lan:5",
        expect![[r#"
        create network `shop.gate`, because it is not on the host
        create `shop-web.next`, because its image changed
            else stop `shop-web.next`, remove `shop-web.next`
        start `shop-web.next`, because its image changed
            else stop `shop-web.next`, remove `shop-web.next`
        wait until `shop-web.next` is good, 1m at most, because it was started
            else stop `shop-web.next`, remove `shop-web.next`
        take `shop-web` off network `shop.gate`, because the new one takes over its address
            else take `shop-web.next` off network `shop.gate`, take `shop-web.next` off network `shop`, take `shop-web.next` off network `shop-lan`, connect `shop-web` to network `shop`, connect `shop-web` to network `shop-lan`, stop `shop-web.next`, remove `shop-web.next`
        take `shop-web` off network `shop`, because the new one takes over its address
            else take `shop-web.next` off network `shop.gate`, take `shop-web.next` off network `shop`, take `shop-web.next` off network `shop-lan`, connect `shop-web` to network `shop`, connect `shop-web` to network `shop-lan`, stop `shop-web.next`, remove `shop-web.next`
        take `shop-web` off network `shop-lan`, because the new one takes over its address
            else take `shop-web.next` off network `shop.gate`, take `shop-web.next` off network `shop`, take `shop-web.next` off network `shop-lan`, connect `shop-web` to network `shop`, connect `shop-web` to network `shop-lan`, stop `shop-web.next`, remove `shop-web.next`
        connect `shop-web.next` to network `shop`, because the new one takes over its address
            else take `shop-web.next` off network `shop.gate`, take `shop-web.next` off network `shop`, take `shop-web.next` off network `shop-lan`, connect `shop-web` to network `shop`, connect `shop-web` to network `shop-lan`, stop `shop-web.next`, remove `shop-web.next`
        connect `shop-web.next` to network `shop-lan`, because the new one takes over its address
            else take `shop-web.next` off network `shop.gate`, take `shop-web.next` off network `shop`, take `shop-web.next` off network `shop-lan`, connect `shop-web` to network `shop`, connect `shop-web` to network `shop-lan`, stop `shop-web.next`, remove `shop-web.next`
        wait until `shop-web.next` is good, 1m at most, because it was started
            else take `shop-web.next` off network `shop.gate`, take `shop-web.next` off network `shop`, take `shop-web.next` off network `shop-lan`, connect `shop-web` to network `shop`, connect `shop-web` to network `shop-lan`, stop `shop-web.next`, remove `shop-web.next`
        stop `shop-web`, because the new one is good
        remove `shop-web`, because the new one is good
        rename `shop-web.next` to `shop-web`, because it takes the place of the former one
    "#]],
    );
    check(
        "web#1,lan db#1,lan:5",
        "web#1,lan:5 db#1,lan",
        expect![[r#"
        create `shop-db.next`, because its configuration changed
            else stop `shop-db.next`, remove `shop-db.next`, start `shop-web`
        stop `shop-web`, because `db` needs its address
            else stop `shop-db.next`, remove `shop-db.next`, start `shop-web`
        start `shop-db.next`, because its configuration changed
            else stop `shop-db.next`, remove `shop-db.next`, start `shop-web`
        wait until `shop-db.next` is good, 1m at most, because it was started
            else stop `shop-db.next`, remove `shop-db.next`, start `shop-web`
        connect `shop-db.next` to network `shop-lan`, because it is good
            else stop `shop-db.next`, remove `shop-db.next`, start `shop-web`
        wait until `shop-db.next` is good, 1m at most, because it is good
            else stop `shop-db.next`, remove `shop-db.next`, start `shop-web`
        take its names on network `shop-lan` from `shop-db`, because the new one is good
            else connect `shop-db` to network `shop-lan`, stop `shop-db.next`, remove `shop-db.next`
        let `shop-db` end what it is at for 1s, because the new one is good
        stop `shop-db`, because the new one is good
        remove `shop-db`, because the new one is good
        rename `shop-db.next` to `shop-db`, because it takes the place of the former one
        create `shop-web.next`, because its configuration changed
            else stop `shop-web.next`, remove `shop-web.next`, start `shop-web`
        start `shop-web.next`, because its configuration changed
            else stop `shop-web.next`, remove `shop-web.next`, start `shop-web`
        wait until `shop-web.next` is good, 1m at most, because it was started
            else stop `shop-web.next`, remove `shop-web.next`, start `shop-web`
        remove `shop-web`, because the new one is good
        rename `shop-web.next` to `shop-web`, because it takes the place of the former one
    "#]],
    );
    check(
        "web#1,lan:5",
        "web#1,lan:5~off",
        expect![[r#"
        connect `shop-web` to network `shop-lan`, because its names on the network are not as wanted
        wait until `shop-web` is good, 1m at most, because it was started
    "#]],
    );
}

#[test]
fn networks_of_others_are_there_or_nothing_is_done() {
    check(
        "net:lan=external:theirs web#1,lan",
        "web#1",
        expect![[r#"
        refused: there is no network `theirs`, and it is none of the project's
    "#]],
    );
}
