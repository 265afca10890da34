//! The fault suite: `apply` is killed, interrupted, refused, cut off and left without an answer at each of its calls
//! that change something. Docker's own client says what came of it.
//!
//! What must hold: after the fault something serves, unless windlass was killed while the order is stop-first; the second
//! run makes the host what is wanted; the third changes nothing. Start-first and when swapped, one of each container runs
//! after every call.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::process::{Child, Command};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use super::lab::{Lab, Ran, ask, docker, free_port};
use super::proxy::{Fault, Proxy};
use crate::parts;

/// The containers: the second links to the first, and the third to the second.
pub(super) const NAMES: [&str; 3] = ["db", "api", "web"];
/// What they are made from: the first two in turn, the others where somebody asks for them.
pub(super) const IMAGES: [&str; 9] = ["one", "two", "slow", "short", "later", "crash", "sick", "absent", "foreign"];
/// How many projects are worked on at once. Arbitrary; the engine does most of the work and does not do it faster for more.
const LANES: usize = 6;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Order {
    /// Found by its names once it is started.
    StartFirst,
    /// Found by its names once it is good.
    Gated,
    StopFirst,
    Swap,
}

impl Order {
    pub(super) const ALL: [Self; 4] = [Self::StartFirst, Self::Gated, Self::StopFirst, Self::Swap];
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
    for order in Order::ALL {
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
pub(super) struct Lane {
    pub(super) lab: Lab,
    pub(super) proxy: Proxy,
    serial: u64,
    /// Which of the images each container is made from.
    pub(super) versions: [usize; 3],
    /// The port of the host that each binds, where they are to take them over.
    pub(super) ports: Option<[u16; 3]>,
    linked: bool,
    /// How long each has to be good, and for how long that is waited for; something usual where nothing is said.
    pub(super) patience: Option<[&'static str; 2]>,
    /// What else is said of each container.
    pub(super) more: &'static str,
}

impl Lane {
    pub(super) fn new(number: usize, order: Order, linked: bool) -> Self {
        let lab = Lab::new(&format!("faults-{number}"));
        let proxy = Proxy::start(&lab.path("engine.sock"), &lab.project);
        let ports = (order == Order::Swap).then(|| NAMES.map(|_| free_port()));
        let mut lane = Self { lab, proxy, serial: 0, versions: [0; 3], ports, linked, patience: None, more: "" };
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

    pub(super) fn write_manifest(&mut self, order: Order) {
        self.serial += 1;
        let [healthy_for, timeout] = self.patience.unwrap_or([if order == Order::Gated { "50ms" } else { "0s" }, "1m"]);
        let entry = |at: usize| {
            let links = at
                .checked_sub(1)
                .filter(|_| self.linked)
                .map_or(String::new(), |before| format!(r#""{}:behind""#, NAMES[before]));
            let port = self.ports.map_or(String::new(), |ports| format!(r#""{}:80""#, ports[at]));
            format!(
                r#""{}": {{"image": "{}", "links": [{links}], "ports": [{port}], "stop_signal": "SIGKILL", "stop_grace": "1s",{}
"update": {{"order": "{order}", "healthy_for": "{healthy_for}", "timeout": "{timeout}", "drain": "0s"}}}}"#,
                NAMES[at],
                IMAGES[self.versions[at]],
                self.more.replace("NAME", NAMES[at])
            )
        };
        let entries: Vec<String> = (0..NAMES.len()).map(entry).collect();
        self.lab.manifest(self.serial, &entries.join(",\n"));
    }

    pub(super) fn is_linked(&self) -> bool {
        self.linked
    }

    /// Starts `apply` through the proxy.
    pub(super) fn start(&self, more: &[&str]) -> Child {
        let address = self.proxy.address();
        let child = self.lab.start(&[&["--host", &address, "apply"], more].concat());
        self.proxy.victim_is(child.id());
        child
    }

    /// Runs `apply` through the proxy.
    pub(super) fn apply(&self, fault: Option<(usize, Fault)>) -> Ran {
        self.proxy.arm(fault);
        // Only a run that meets an engine that hangs has to give up soon.
        let is_hung = matches!(fault, Some((_, Fault::HangBefore | Fault::HangAfter)));
        let child = self.start(&["--engine-timeout", if is_hung { "10s" } else { "60s" }]);
        self.lab.ran(child.wait_with_output().unwrap())
    }

    /// The second run, which makes the host what is wanted, and the third, which changes nothing. Tells what ran after each call
    /// of the second.
    pub(super) fn converges(&self, more: &[&str]) -> Result<Vec<BTreeSet<String>>, String> {
        let run = || {
            self.proxy.arm(None);
            self.lab.ran(self.start(more).wait_with_output().unwrap())
        };
        let second = run();
        let running = self.proxy.running();
        if second.exit != Some(0) {
            return Err(format!("the second run fails: {second:#?}"));
        }
        self.is_as_wanted().map_err(|why| format!("after the second run {why}; second {second:#?}"))?;
        let third = run();
        let changes = self.proxy.changes();
        if third.exit != Some(0) || !changes.is_empty() {
            return Err(format!("the third run changes something: {changes:#?}\n{third:#?}"));
        }
        Ok(running)
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
        running.extend(self.converges(&[]).map_err(|why| wrong(&why))?);
        let all_run = |running: &BTreeSet<String>| NAMES.iter().all(|name| running.contains(*name));
        if trial.order != Order::StopFirst && !running.iter().all(all_run) {
            return Err(wrong(&format!("not all ran all the time: {running:#?}")));
        }
        Ok(())
    }

    /// All containers of the project.
    pub(super) fn found(&self) -> Vec<Found> {
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
    pub(super) fn is_as_wanted(&self) -> Result<(), String> {
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
pub(super) fn answer_of(port: u16) -> String {
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
pub(super) struct Found {
    pub(super) name: String,
    pub(super) image: String,
    pub(super) runs: bool,
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
    let has_ports = |trial: &Trial| trial.order == Order::Swap;
    side_by_side(
        &trials,
        |lane, trial| lane.ports.is_some() == has_ports(trial) && lane.linked == trial.linked,
        |number, trial| Lane::new(number, trial.order, trial.linked),
        Lane::check,
    );
}

/// Makes trials side by side, each lane one after another, for as long as it fits what is tried.
pub(super) fn side_by_side<T: fmt::Display + Sync>(
    trials: &[T],
    fits: impl Fn(&Lane, &T) -> bool + Sync,
    new: impl Fn(usize, &T) -> Lane + Sync,
    check: impl Fn(&mut Lane, &T) -> Result<(), String> + Sync,
) {
    // An engine has some thirty networks to give, and each lane may need two.
    static ONE_AT_A_TIME: Mutex<()> = Mutex::new(());
    let _others_wait = ONE_AT_A_TIME.lock().unwrap_or_else(PoisonError::into_inner);
    let next = AtomicUsize::new(0);
    let failures = Mutex::new(Vec::new());
    std::thread::scope(|scope| {
        for number in 0..LANES {
            let (next, failures, fits, new, check) = (&next, &failures, &fits, &new, &check);
            scope.spawn(move || {
                let mut lane: Option<Lane> = None;
                while let Some(trial) = trials.get(next.fetch_add(1, Ordering::Relaxed)) {
                    lane = lane.filter(|lane| fits(lane, trial));
                    let outcome = check(lane.get_or_insert_with(|| new(number, trial)), trial);
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
