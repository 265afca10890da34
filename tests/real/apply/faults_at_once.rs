//! The fault suite: several runs at once.
//!
//! What must hold: one works, the others do nothing and name it; what was wanted runs, and the next run changes nothing.

use std::fmt;
use std::process::Child;

use super::faults::{Lane, Order, is_full, side_by_side};
use super::lab::Ran;
use super::proxy::When;

struct Trial {
    order: Order,
    n: usize,
    /// The call after which all others are started while the first waits; where there is none, all are started at once.
    at: Option<usize>,
}

impl fmt::Display for Trial {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { order, n, at } = self;
        write!(f, "{order:?}, {n} runs, {at:?}")
    }
}

/// Whether a run did nothing and says who works.
fn names(ran: &Ran, holders: &[u32]) -> bool {
    let says = |pid: &u32| {
        let holder =
            format!("error: another run works on `PROJECT`: process {pid}\nhint: wait for it, and try again\n");
        ran.stderr == holder
    };
    ran.exit == Some(5) && ran.stdout.is_empty() && holders.iter().any(says)
}

fn check(lane: &mut Lane, trial: &Trial) -> Result<(), String> {
    for version in &mut lane.versions {
        *version = 1 - *version;
    }
    lane.write_manifest(trial.order);
    lane.proxy.arm(None);
    let ended = |children: Vec<Child>| -> Vec<Ran> {
        children.into_iter().map(|child| lane.lab.ran(child.wait_with_output().unwrap())).collect()
    };
    match trial.at {
        None => {
            let children: Vec<Child> = (0..trial.n).map(|_| lane.start(&[])).collect();
            let pids: Vec<u32> = children.iter().map(Child::id).collect();
            let all = ended(children);
            let (worked, others): (Vec<&Ran>, Vec<&Ran>) = all.iter().partition(|ran| ran.exit == Some(0));
            if worked.is_empty() || !others.iter().all(|ran| names(ran, &pids)) {
                return Err(format!("{pids:?}: {all:#?}"));
            }
        }
        Some(at) => {
            lane.proxy.hold(at, When::After);
            let mut first = lane.start(&[]);
            let is_held = lane.proxy.is_held(&mut first);
            let others = ended((1..trial.n).map(|_| lane.start(&[])).collect());
            lane.proxy.let_go();
            let pid = first.id();
            let first = lane.lab.ran(first.wait_with_output().unwrap());
            if !is_held || first.exit != Some(0) || !others.iter().all(|ran| names(ran, &[pid])) {
                return Err(format!("{pid}: {first:#?}\n{others:#?}"));
            }
        }
    }
    lane.is_as_wanted()?;
    lane.converges(&[]).map(drop)
}

#[test]
fn one_of_many_runs_works_and_the_others_name_it() {
    let mut trials = Vec::new();
    for order in Order::ALL {
        for n in [2, 4, 8, 16] {
            let at = [None, Some(1), Some(7), Some(15)];
            trials.extend(at.map(|at| Trial { order, n, at }));
        }
    }
    let trials: Vec<Trial> = trials.into_iter().step_by(if is_full() { 1 } else { 13 }).collect();
    side_by_side(
        &trials,
        |lane, trial| lane.ports.is_some() == (trial.order == Order::Swap),
        |number, trial| Lane::new(10 + number, trial.order, true),
        check,
    );
}
