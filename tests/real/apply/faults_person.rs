//! The fault suite: a person meddles with the project while it is applied, before and after each of the calls that change
//! something.
//!
//! What must hold: the run mends what was done to the host in its middle, and says so by its exit code; the next changes
//! nothing.

use std::fmt;
use std::process::Command;

use super::faults::{Lane, NAMES, Order, is_full, side_by_side};
use super::proxy::When;
use crate::parts;

/// The container that is replaced, of [`NAMES`]. It links to the first, and the third to it.
const REPLACED: usize = 1;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Whom {
    /// Who has the name.
    Old,
    /// Who is to have it.
    New,
    /// Who is linked to.
    Neighbour,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Deed {
    Removes(Whom),
    Stops(Whom),
    Disconnects(Whom),
    /// With everybody taken off it before.
    RemovesNetwork,
    /// With those before that have it.
    RemovesVolume,
}

const DEEDS: [Deed; 11] = [
    Deed::Removes(Whom::Old),
    Deed::Removes(Whom::New),
    Deed::Removes(Whom::Neighbour),
    Deed::Stops(Whom::Old),
    Deed::Stops(Whom::New),
    Deed::Stops(Whom::Neighbour),
    Deed::Disconnects(Whom::Old),
    Deed::Disconnects(Whom::New),
    Deed::Disconnects(Whom::Neighbour),
    Deed::RemovesNetwork,
    Deed::RemovesVolume,
];

struct Trial {
    order: Order,
    deed: Deed,
    at: usize,
    when: When,
}

impl fmt::Display for Trial {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { order, deed, at, when } = self;
        write!(f, "{order:?}, a person {deed:?} {when:?} call {at}")
    }
}

fn all_trials() -> Vec<Trial> {
    let mut trials = Vec::new();
    for order in Order::ALL {
        let n_calls = match order {
            Order::StartFirst | Order::StopFirst => 6,
            Order::Gated | Order::Swap => 10,
        };
        for at in 1..=n_calls {
            for when in When::ALL {
                trials.extend(DEEDS.map(|deed| Trial { order, deed, at, when }));
            }
        }
    }
    trials
}

/// Does it, as far as it can be done at the time.
fn act(lane: &Lane, deed: Deed) {
    let run = |args: &[&str]| {
        let mut client = Command::new("docker");
        let output = client.args(["-H", &parts::docker_host()]).args(args).output().unwrap();
        String::from_utf8(output.stdout).unwrap()
    };
    let (network, old) = (&lane.lab.project, lane.lab.name(NAMES[REPLACED]));
    let new = run(&["ps", "--all", "--quiet", "--filter", &format!("name=^/{old}.next-")]);
    let name_of = |whom| match whom {
        Whom::Old => old.clone(),
        Whom::New => new.trim().to_owned(),
        Whom::Neighbour => lane.lab.name(NAMES[0]),
    };
    match deed {
        Deed::Removes(whom) => drop(run(&["rm", "--force", &name_of(whom)])),
        Deed::Stops(whom) => drop(run(&["stop", &name_of(whom)])),
        Deed::Disconnects(whom) => drop(run(&["network", "disconnect", "--force", network, &name_of(whom)])),
        Deed::RemovesNetwork => {
            let label = format!("label=dev.windlass.project={network}");
            for id in run(&["ps", "--all", "--quiet", "--filter", &label]).lines() {
                run(&["network", "disconnect", "--force", network, id]);
            }
            run(&["network", "rm", network]);
        }
        Deed::RemovesVolume => {
            run(&["rm", "--force", &old, new.trim()]);
            run(&["volume", "rm", "--force", &old]);
        }
    }
}

fn check(lane: &mut Lane, trial: &Trial) -> Result<(), String> {
    lane.versions[REPLACED] = 1 - lane.versions[REPLACED];
    lane.write_manifest(trial.order);
    lane.proxy.arm(None);
    lane.proxy.hold(trial.at, trial.when);
    let mut child = lane.start(&[]);
    if lane.proxy.is_held(&mut child) {
        act(lane, trial.deed);
        lane.proxy.let_go();
    }
    let first = lane.lab.ran(child.wait_with_output().unwrap());
    let calls = lane.proxy.changes();
    let wrong = |what: &str| format!("{what}\ncalls: {calls:#?}\nfirst {first:#?}");
    if calls.len() < trial.at {
        return Err(wrong("there are fewer calls"));
    }
    if first.exit != Some(0) {
        return Err(wrong("it was not mended in the same run"));
    }
    lane.is_as_wanted().map_err(|why| wrong(&format!("after the first run {why}")))?;
    // What is known to be bad would not be tried again.
    lane.converges(&["--skip-bad"]).map_err(|why| wrong(&why)).map(drop)
}

#[test]
fn what_a_person_does_meanwhile_is_mended_in_the_same_run() {
    let trials = all_trials().into_iter().step_by(if is_full() { 1 } else { 61 }).collect::<Vec<_>>();
    side_by_side(
        &trials,
        |lane, trial| lane.ports.is_some() == (trial.order == Order::Swap),
        |number, trial| {
            let mut lane = Lane::new(20 + number, trial.order, true);
            lane.more = r#""volumes": ["NAME:/data"],"#;
            lane.write_manifest(trial.order);
            lane.lab.apply();
            lane
        },
        check,
    );
}
