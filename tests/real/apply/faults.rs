//! The fault suite: `apply` is killed, interrupted, refused, cut off and left without an answer at each of its calls
//! that change something. Docker's own client says what came of it.
//!
//! What must hold: after the fault something serves, unless windlass was killed while the order is stop-first; the second
//! run makes the host what is wanted; the third changes nothing. Start-first and when swapped, one of each container runs
//! after every call.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::process::Command;
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use super::lab::{Lab, Ran, ask, docker, free_port};
use super::proxy::{Fault, Proxy};
use crate::parts;

/// The containers: the second links to the first, and the third to the second.
const NAMES: [&str; 3] = ["db", "api", "web"];
/// What they are made from, in turn.
const IMAGES: [&str; 2] = ["one", "two"];
/// How many projects are worked on at once. Arbitrary; the engine does most of the work and does not do it faster for more.
const LANES: usize = 6;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Order {
    /// Found by its names once it is started.
    StartFirst,
    /// Found by its names once it is good.
    Gated,
    StopFirst,
    Swap,
}

impl fmt::Display for Order {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::StartFirst | Self::Gated => "start-first",
            Self::StopFirst => "stop-first",
            Self::Swap => "swap",
        })
    }
}

/// One run that something goes wrong with.
#[derive(Debug, Clone, Copy)]
struct Trial {
    order: Order,
    /// Whether each links to the one before; else they are replaced at once.
    linked: bool,
    /// Which of the containers are replaced.
    changed: &'static [usize],
    /// The call, counted from 1.
    at: usize,
    fault: Fault,
}

impl fmt::Display for Trial {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let changed: Vec<&str> = self.changed.iter().map(|at| NAMES[*at]).collect();
        let gated = if self.order == Order::Gated { ", gated" } else { "" };
        let linked = if self.linked { "linked" } else { "at once" };
        write!(
            f,
            "{}{gated}, {} changed, {linked}, {:?} at call {}",
            self.order,
            changed.join("+"),
            self.fault,
            self.at
        )
    }
}

/// Every trial: each fault at each call, for each set of containers that change.
fn all_trials() -> Vec<Trial> {
    // A replacement takes five calls, and three more where a port is taken over; the container that links to what was
    // replaced is restarted, and what a container links to is connected to the gate.
    let sets: [(bool, &[usize], usize, usize); 5] = [
        (true, &[0], 6, 9),
        (true, &[1], 6, 10),
        (true, &[2], 5, 9),
        (true, &[0, 1, 2], 15, 26),
        (false, &[0, 1, 2], 15, 24),
    ];
    let mut trials = Vec::new();
    for order in [Order::StartFirst, Order::Gated, Order::StopFirst, Order::Swap] {
        for (linked, changed, n_calls, n_calls_of_swap) in sets {
            let n_calls = match order {
                Order::StartFirst | Order::StopFirst => n_calls,
                // The names go from one to the other, each taken off the network and connected again.
                Order::Gated => n_calls + 4 * changed.len(),
                Order::Swap => n_calls_of_swap,
            };
            for at in 1..=n_calls {
                trials.extend(Fault::ALL.map(|fault| Trial { order, linked, changed, at, fault }));
            }
        }
    }
    trials
}

/// A project that trials are made with, one after another.
struct Lane {
    lab: Lab,
    proxy: Proxy,
    serial: u64,
    /// Which of the images each container is made from.
    versions: [usize; 3],
    /// The port of the host that each binds, where they are to take them over.
    ports: Option<[u16; 3]>,
    linked: bool,
}

impl Lane {
    fn new(number: usize, order: Order, linked: bool) -> Self {
        let lab = Lab::new(&format!("faults-{number}"));
        let proxy = Proxy::start(&lab.path("engine.sock"), &lab.project);
        let ports = (order == Order::Swap).then(|| NAMES.map(|_| free_port()));
        let mut lane = Self { lab, proxy, serial: 0, versions: [0; 3], ports, linked };
        lane.write_manifest(order);
        lane.lab.apply();
        if lane.ports.is_some() {
            // What the first of its trials would make beside all others.
            let (label, gate) =
                (format!("dev.windlass.project={0}", lane.lab.project), format!("{}.gate", lane.lab.project));
            docker(&["network", "create", "--internal", "--label", &label, &gate]);
        }
        lane
    }

    fn write_manifest(&mut self, order: Order) {
        self.serial += 1;
        let healthy_for = if order == Order::Gated { "50ms" } else { "0s" };
        let entry = |at: usize| {
            let links = at
                .checked_sub(1)
                .filter(|_| self.linked)
                .map_or(String::new(), |before| format!(r#""{}:behind""#, NAMES[before]));
            let port = self.ports.map_or(String::new(), |ports| format!(r#""{}:80""#, ports[at]));
            format!(
                r#""{}": {{"image": "{}", "links": [{links}], "ports": [{port}], "stop_signal": "SIGKILL", "stop_grace": "1s",
"update": {{"order": "{order}", "healthy_for": "{healthy_for}", "drain": "0s"}}}}"#,
                NAMES[at], IMAGES[self.versions[at]]
            )
        };
        let entries: Vec<String> = (0..NAMES.len()).map(entry).collect();
        self.lab.manifest(self.serial, &entries.join(",\n"));
    }

    /// Runs `apply` through the proxy.
    fn apply(&self, fault: Option<(usize, Fault)>) -> Ran {
        self.proxy.arm(fault);
        // Only a run that meets an engine that hangs has to give up soon.
        let is_hung = matches!(fault, Some((_, Fault::HangBefore | Fault::HangAfter)));
        let limit = if is_hung { "10s" } else { "60s" };
        let child = self.lab.start(&["--host", &self.proxy.address(), "apply", "--engine-timeout", limit]);
        self.proxy.victim_is(child.id());
        self.lab.ran(child.wait_with_output().unwrap())
    }

    /// Makes a trial, and tells what is wrong with what came of it.
    fn check(&mut self, trial: &Trial) -> Result<(), String> {
        let before = self.versions;
        for at in trial.changed {
            self.versions[*at] = 1 - self.versions[*at];
        }
        self.write_manifest(trial.order);
        let first = self.apply(Some((trial.at, trial.fault)));
        let calls = self.proxy.changes();
        let mut running = self.proxy.running();
        if calls.len() < trial.at {
            return Err(format!("there are {} calls only: {calls:#?}\n{first:?}", calls.len()));
        }
        let wrong = |what: &str| format!("{what}\ncalls: {calls:#?}\nfirst {first:#?}");
        let is_killed = matches!(trial.fault, Fault::KillBefore | Fault::KillAfter);
        let expected: &[Option<i32>] = match trial.fault {
            Fault::KillBefore | Fault::KillAfter => &[None],
            // At the end there may be nothing left to stop.
            Fault::Interrupt => &[Some(130), Some(0)],
            // An address that is refused is done without.
            Fault::Refuse if trial.order == Order::Gated => &[Some(0), Some(1), Some(4)],
            // What is not undone is a failure, what is undone has a code of its own.
            Fault::Refuse => &[Some(1), Some(4)],
            Fault::LoseReply | Fault::Drop | Fault::HangBefore | Fault::HangAfter | Fault::KillEngine => &[Some(3)],
        };
        if !expected.contains(&first.exit) {
            return Err(wrong("an exit code that says something else"));
        }
        if !is_killed || trial.order != Order::StopFirst {
            let found = self.found();
            for (at, name) in NAMES.iter().enumerate() {
                let versions = [IMAGES[before[at]], IMAGES[self.versions[at]]].map(|image| self.lab.image(image));
                // Between two networks nothing but a kill leaves the service.
                let is_reached = |found: &Found| is_killed || found.network.contains(&self.lab.project);
                // Who was killed while a name went from one to the other has left one that has it.
                let is_found = |found: &Found| {
                    is_killed && trial.order != Order::Gated || found.network.iter().any(|word| word == name)
                };
                let is_named = |found: &Found| found.name.starts_with(&self.lab.name(name)) && is_found(found);
                let serves = |found: &Found| is_named(found) && found.runs && is_reached(found);
                if !found.iter().any(|found| serves(found) && versions.contains(&found.image.as_str())) {
                    return Err(wrong(&format!("nothing serves as `{name}` after the fault: {found:#?}")));
                }
            }
        }
        for (at, port) in self.ports.into_iter().flatten().enumerate().filter(|_| !is_killed) {
            let (answer, versions) = (answer_of(port), [IMAGES[before[at]], IMAGES[self.versions[at]]]);
            if !versions.contains(&answer.as_str()) {
                return Err(wrong(&format!("the port of `{}` answers {answer:?} after the fault", NAMES[at])));
            }
        }
        let second = self.apply(None);
        if second.exit != Some(0) {
            return Err(wrong(&format!("the second run fails: {second:#?}")));
        }
        self.is_as_wanted().map_err(|why| wrong(&format!("after the second run {why}; second {second:#?}")))?;
        running.extend(self.proxy.running());
        let all_run = |running: &BTreeSet<String>| NAMES.iter().all(|name| running.contains(*name));
        if trial.order != Order::StopFirst && !running.iter().all(all_run) {
            return Err(wrong(&format!("not all ran all the time: {running:#?}\nsecond {second:#?}")));
        }
        let third = self.apply(None);
        let changes = self.proxy.changes();
        if third.exit != Some(0) || !changes.is_empty() {
            return Err(wrong(&format!("the third run changes something: {changes:#?}\n{third:#?}")));
        }
        Ok(())
    }

    /// All containers of the project.
    fn found(&self) -> Vec<Found> {
        let label = format!("label=dev.windlass.project={}", self.lab.project);
        let ids = docker(&["ps", "--all", "--quiet", "--filter", &label]);
        let format = "{{.Name}} {{.Image}} {{.State.Running}} {{range $name, $end := .NetworkSettings.Networks}}\
                      {{$name}} {{range $end.Aliases}}{{.}} {{end}}{{end}}";
        // What a killed run had asked for may be done only now: one that is gone since it was listed is not told of.
        let mut client = Command::new("docker");
        client.args(["-H", &parts::docker_host(), "inspect", "--format", format]).args(ids.lines());
        let inspected = String::from_utf8(client.output().unwrap().stdout).unwrap();
        let read = |line: &str| {
            let words: Vec<&str> = line.split_whitespace().collect();
            Found {
                name: words[0].trim_start_matches('/').to_owned(),
                image: words[1].to_owned(),
                runs: words[2] == "true",
                network: words[3..].iter().map(|word| (*word).to_owned()).collect(),
            }
        };
        inspected.lines().filter(|line| !line.is_empty()).map(read).collect()
    }

    /// Whether the host is what the manifest says, by what Docker's client tells.
    fn is_as_wanted(&self) -> Result<(), String> {
        let found: BTreeMap<String, Found> =
            self.found().into_iter().map(|found| (found.name.clone(), found)).collect();
        let wanted = NAMES.map(|name| self.lab.name(name));
        if found.len() != wanted.len() || !wanted.iter().all(|name| found.contains_key(name)) {
            return Err(format!("there are others, or some are missing: {found:#?}"));
        }
        for (at, name) in wanted.iter().enumerate() {
            let found = &found[name];
            let mut on_network = vec![self.lab.project.as_str(), NAMES[at]];
            if self.linked && at + 1 < NAMES.len() {
                on_network.push("behind");
            }
            let is_right = found.runs
                && found.image == self.lab.image(IMAGES[self.versions[at]])
                && on_network.iter().all(|word| found.network.iter().any(|has| has == word));
            if !is_right {
                return Err(format!("this is not as wanted: {found:#?}"));
            }
            let answer = self.ports.map(|ports| answer_of(ports[at]));
            if answer.as_deref().is_some_and(|answer| answer != IMAGES[self.versions[at]]) {
                return Err(format!("the port of `{name}` answers {answer:?}"));
            }
        }
        Ok(())
    }
}

/// What a port answers, or in the end why not: who has just been started may not listen yet.
fn answer_of(port: u16) -> String {
    let since = Instant::now();
    loop {
        match ask(port) {
            Ok(answer) => return answer,
            Err(error) if since.elapsed() > Duration::from_secs(20) => return error.to_string(),
            Err(_) => std::thread::yield_now(),
        }
    }
}

/// A container as Docker's client shows it.
#[derive(Debug)]
struct Found {
    name: String,
    image: String,
    runs: bool,
    /// The networks that it is on, and its names there.
    network: Vec<String>,
}

#[test]
fn no_fault_loses_the_service() {
    let mut trials = all_trials();
    if !is_full() {
        let n_faults = Fault::ALL.len();
        let is_in_sample = |(at, trial): &(usize, Trial)| {
            let share = match (trial.changed.len(), trial.order) {
                (1, _) => 4,
                _ => 16,
            };
            (at + at / n_faults).is_multiple_of(share)
        };
        trials = trials.into_iter().enumerate().filter(is_in_sample).map(|(_, trial)| trial).collect();
        assert!(trials.len() >= 150, "{}", trials.len());
    }
    let next = AtomicUsize::new(0);
    let failures = Mutex::new(Vec::new());
    std::thread::scope(|scope| {
        for number in 0..LANES {
            let (trials, next, failures) = (&trials, &next, &failures);
            scope.spawn(move || {
                let mut lane: Option<Lane> = None;
                while let Some(trial) = trials.get(next.fetch_add(1, Ordering::Relaxed)) {
                    let has_ports = trial.order == Order::Swap;
                    lane = lane.filter(|lane| lane.ports.is_some() == has_ports && lane.linked == trial.linked);
                    let new = || Lane::new(number, trial.order, trial.linked);
                    let outcome = lane.get_or_insert_with(new).check(trial);
                    if let Err(why) = outcome {
                        failures.lock().unwrap().push(format!("{trial}: {why}"));
                        // The next one begins anew, with nothing left of this one.
                        lane = None;
                    }
                }
            });
        }
    });
    let failures = failures.into_inner().unwrap();
    assert!(failures.is_empty(), "{} of {} trials:\n{}", failures.len(), trials.len(), failures.join("\n\n"));
}

/// Whether every trial is asked for, and not only the sample.
#[expect(clippy::disallowed_methods, reason = "the command that asks for all says so in the environment")]
pub(crate) fn is_full() -> bool {
    std::env::var_os("WINDLASS_TEST_FAULTS").is_some_and(|value| value == "all")
}
