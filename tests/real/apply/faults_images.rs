//! The fault suite: images that are slow, that end at once, soon or later, are never well, have no program, or one for
//! another machine.
//!
//! What must hold: what is slow is waited for; what is bad leaves what served before, says so by its exit code, and is not
//! tried again by who does not ask for that; what ends later is started again.

use std::collections::BTreeSet;
use std::fmt;

use super::faults::{IMAGES, Lane, NAMES, Order, is_full, side_by_side};
use super::lab::{Lab, docker};
use super::proxy::{Proxy, When};
use super::watch::until;

struct Trial {
    order: Order,
    linked: bool,
    changed: &'static [usize],
    image: &'static str,
}

impl fmt::Display for Trial {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { order, linked, changed, image } = self;
        write!(f, "{order:?}, `{image}` for {changed:?}{}", if *linked { ", linked" } else { "" })
    }
}

fn check(lane: &mut Lane, trial: &Trial) -> Result<(), String> {
    let (before, is_good) = (lane.versions, trial.image == "slow");
    for at in trial.changed {
        lane.versions[*at] = IMAGES.iter().position(|image| *image == trial.image).unwrap();
    }
    // What ends by itself does so before it was good for so long.
    lane.patience = (!is_good).then_some(["1h", "2h"]);
    lane.write_manifest(trial.order);
    let first = lane.apply(None);
    let mut running = lane.proxy.running();
    let wrong = |what: &str| format!("{what}\nfirst {first:#?}");
    if first.exit != Some(if is_good { 0 } else { 4 }) {
        return Err(wrong("an exit code that says something else"));
    }
    if !is_good {
        lane.versions = before;
        lane.is_as_wanted().map_err(|why| wrong(&format!("what served before does not: {why}")))?;
        lane.proxy.arm(None);
        let again = lane.lab.ran(lane.start(&["--skip-bad"]).wait_with_output().unwrap());
        let calls = lane.proxy.changes();
        if again.exit != Some(4) || !calls.is_empty() {
            return Err(wrong(&format!("it is tried again: {calls:#?} {again:#?}")));
        }
        if trial.image == "foreign" && !first.stderr.contains("arm64") {
            return Err(wrong("it is not said that it is for another machine"));
        }
        for at in trial.changed {
            lane.versions[*at] = 1 - before[*at];
        }
        lane.patience = None;
        lane.write_manifest(trial.order);
    }
    running.extend(lane.converges(&[]).map_err(|why| wrong(&why))?);
    let all_run = |running: &BTreeSet<String>| NAMES.iter().all(|name| running.contains(*name));
    if trial.order != Order::StopFirst && !running.iter().all(all_run) {
        return Err(wrong(&format!("not all ran all the time: {running:#?}")));
    }
    if is_good {
        // What comes next is one of the usual ones.
        lane.versions = before;
        lane.write_manifest(trial.order);
        lane.converges(&[]).map_err(|why| wrong(&why))?;
    }
    Ok(())
}

#[test]
fn what_is_slow_is_waited_for_and_what_is_bad_leaves_what_served() {
    let sets: [(bool, &[usize]); 3] = [(true, &[1]), (true, &[0, 1, 2]), (false, &[0, 1, 2])];
    let mut trials = Vec::new();
    for order in Order::ALL {
        for (linked, changed) in sets {
            let images = ["slow", "short", "crash", "sick", "absent", "foreign"];
            trials.extend(images.map(|image| Trial { order, linked, changed, image }));
        }
    }
    let trials: Vec<Trial> = trials.into_iter().step_by(if is_full() { 1 } else { 13 }).collect();
    side_by_side(
        &trials,
        |lane, trial| lane.ports.is_some() == (trial.order == Order::Swap) && lane.is_linked() == trial.linked,
        |number, trial| {
            let lane = Lane::new(30 + number, trial.order, trial.linked);
            // What is remembered is so of the proxy's engine.
            lane.converges(&[]).unwrap();
            lane
        },
        check,
    );
}

#[test]
fn what_ends_later_is_started_again() {
    let lab = Lab::new("faults-later");
    let proxy = Proxy::start(&lab.path("engine.sock"), &lab.project);
    let host = proxy.address();
    let manifest = |serial, image: &str, restart: &str| {
        let web = format!(
            r#""web": {{"image": "{image}", "restart": "{restart}", "stop_signal": "SIGKILL", "stop_grace": "1s",
"update": {{"order": "start-first", "healthy_for": "0s"}}}}"#
        );
        lab.manifest(serial, &web);
    };
    let end = || docker(&["exec", &lab.name("web"), "touch", "/end"]);
    let apply = |what: &str| {
        proxy.arm(None);
        let ran = lab.run(&["--host", &host, "apply"]);
        assert_eq!((ran.exit, lab.containers().as_str()), (Some(0), "PROJECT-web running"), "{what}: {ran:?}");
        proxy.changes()
    };

    manifest(1, "later", "always");
    apply("at first");
    end();
    until("the engine starts it again", || lab.inspect("web", "{{.RestartCount}} {{.State.Running}}") == "1 true");
    assert_eq!(apply("started again"), Vec::<String>::new());

    manifest(2, "later", "no");
    apply("with nobody who starts it again");
    end();
    docker(&["wait", &lab.name("web")]);
    assert_eq!(apply("ended").len(), 1);
    assert_eq!(apply("started"), Vec::<String>::new());

    // It ends while the run that brought it is at its last call.
    manifest(3, "one", "no");
    apply("another one");
    manifest(4, "later", "no");
    proxy.arm(None);
    proxy.hold(5, When::After);
    let mut child = lab.start(&["--host", &host, "apply"]);
    assert!(proxy.is_held(&mut child));
    end();
    docker(&["wait", &lab.name("web")]);
    proxy.let_go();
    let ran = lab.ran(child.wait_with_output().unwrap());
    assert_eq!((ran.exit, lab.containers().as_str()), (Some(0), "PROJECT-web running"), "{ran:?}");
    assert_eq!(apply("mended in the same run"), Vec::<String>::new());
}
