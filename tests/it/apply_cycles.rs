//! Rounds of a watch loop against a simulated host that loses something all the time: they take neither memory nor
//! descriptors.

use std::fs;
use std::process::Command;

use jiff::Timestamp;
use windlass::apply::undo::Outcome;
use windlass::apply::{Behaviour, Emptying, Error, History, Lock, RunState, SimulatedHost, World, converge};
use windlass::event::NoSink;

use crate::apply_world::{assert_serves, desired, image_names, read_manifest};

const N_CYCLES: usize = 10_000;
/// Until here everything was done once.
const N_FIRST: usize = 2_000;

/// What is wanted, one after the other; the third is bad.
const WANTED: [&str; 4] = [
    "db#1%data web#1!&db@80=swap job#1?<h:web",
    "db#2%data web#1!&db@80=swap job#1?<h:web",
    "db#2%data web#3!&db@80=swap job#1?<h:web",
    "db#2%data web#2!&db@80=swap,lan job#2?<h:web",
];

/// The resident memory in pages, and the number of descriptors.
fn held() -> (u64, usize) {
    let memory = fs::read_to_string("/proc/self/statm").unwrap();
    let memory = memory.split(' ').nth(1).unwrap().parse().unwrap();
    (memory, fs::read_dir("/proc/self/fd").unwrap().count())
}

fn cycles() {
    let bad = image_names(3).map(|name| (name, Behaviour::Crashing));
    let host = SimulatedHost::new(World { behaviours: bad.into(), ..World::default() });
    let state = tempfile::tempdir().unwrap();
    let manifests = WANTED.map(read_manifest);
    let mut at = Vec::new();
    for cycle in 0..N_CYCLES {
        let place = cycle / 100 % WANTED.len();
        let manifest = &manifests[place];
        meddle(&mut host.world(), cycle);
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        let wanted = desired(manifest);
        let outcome = runtime.block_on(converge(&host, &wanted, Emptying::Refused, &NoSink, std::future::pending()));
        let outcome = match outcome {
            Ok(_) => {
                assert_serves(&host.world(), manifest);
                Outcome::Done
            }
            Err(Error::Step(failure)) if place == 2 => {
                if failure.is_undone() {
                    Outcome::Restored
                } else {
                    Outcome::Failed
                }
            }
            Err(error) => panic!("cycle {cycle}: {error}"),
        };
        // They take longer than all the rest.
        if cycle % 10 == 0 {
            let history = History::new(state.path(), &manifest.project);
            history.make_folder().unwrap();
            let address = state.path().display().to_string();
            let _lock = Lock::take(history.folder(), &address, &manifest.project).unwrap();
            history.record(manifest, Timestamp::UNIX_EPOCH, outcome).unwrap();
        }
        if [N_FIRST, N_CYCLES].contains(&(cycle + 1)) {
            at.push(held());
        }
    }
    let [(memory_at_first, descriptors_at_first), (memory, descriptors)] = at[..] else { panic!("{at:?}") };
    assert_eq!(descriptors, descriptors_at_first, "descriptors");
    // A leak of 33 bytes a cycle would be more.
    assert!(
        memory <= memory_at_first + 64,
        "{memory_at_first} pages after {N_FIRST} cycles, {memory} after {N_CYCLES}"
    );
}

/// Takes something away.
fn meddle(world: &mut World, cycle: usize) {
    let names: Vec<String> = world.containers.keys().cloned().collect();
    let Some(name) = names.get(cycle % names.len().max(1)) else { return };
    let found = world.containers.get_mut(name).unwrap();
    match cycle % 5 {
        0 => drop(world.containers.remove(name)),
        1 if found.observed.run == RunState::Running => found.observed.run = RunState::Exited(137),
        2 if found.observed.run == RunState::Running => found.observed.run = RunState::Paused,
        3 => found.observed.networks.clear(),
        _ => {}
    }
}

#[test]
#[expect(clippy::disallowed_methods, reason = "what is measured is a process, which has to be one of its own")]
fn ten_thousand_cycles_take_neither_memory_nor_descriptors() {
    const VARIABLE: &str = "WINDLASS_TEST_CYCLES";
    if std::env::var_os(VARIABLE).is_some() {
        return cycles();
    }
    let name = "apply_cycles::ten_thousand_cycles_take_neither_memory_nor_descriptors";
    let mut own = Command::new(std::env::current_exe().unwrap());
    let output = own.args([name, "--exact", "--nocapture"]).env(VARIABLE, "1").output().unwrap();
    let said = String::from_utf8_lossy(&output.stdout).into_owned() + &String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success() && said.contains("1 passed"), "{said}");
}
