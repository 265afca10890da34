//! Properties of `apply` against a simulated host: whatever happened to the host, however a run was cut, the next one
//! brings it to what is wanted, and the one after that changes nothing.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::task::Poll;

use proptest::prelude::*;
use windlass::apply::{
    Action, Behaviour, Desired, Emptying, Endpoint, Error, Fault, Former, Health, Host, HostError, HostState, RunState,
    SimulatedContainer, SimulatedHost, World, converge,
};
use windlass::event::NoSink;
use windlass::manifest::{ContainerSpec, Manifest, Order, RestartPolicy};
use windlass::model::ContainerName;

use crate::apply_world::{assert_serves, desired, image_names, read_manifest, replicas, somebody_serves};

const NAMES: [&str; 4] = ["a", "b", "c", "d"];
/// The versions whose containers run well; those of the others don't.
const GOOD: std::ops::RangeInclusive<u8> = 1..=2;
const ANY: std::ops::RangeInclusive<u8> = 1..=5;

/// Something that happens to a host.
#[derive(Debug, Clone)]
enum Happening {
    /// A manifest is applied, and something goes wrong at the so-manieth call.
    Apply(String, Option<(usize, Fault)>),
    /// Somebody meddles with a container, by its place among those that are there.
    Stopped(usize),
    Paused(usize),
    Removed(usize),
    Disconnected(usize),
}

/// A container in the notation of `apply_world`, without what it depends on; then how it depends on those before it.
fn wish(versions: std::ops::RangeInclusive<u8>) -> impl Strategy<Value = Option<(String, Vec<u8>)>> {
    let flag = |probability, text: &'static str| {
        prop::bool::weighted(probability).prop_map(move |is_there| if is_there { text } else { "" })
    };
    let port = prop_oneof![3 => Just(""), 1 => Just("@80"), 1 => Just("@81"), 1 => Just("@82")];
    let order = prop_oneof![2 => Just(""), 1 => Just("=start-first"), 1 => Just("=stop-first"), 2 => Just("=swap")];
    let replicas = prop_oneof![4 => Just(""), 1 => Just("*2"), 1 => Just("*3"), 1 => Just("*3/2")];
    let network = prop_oneof![
        6 => Just(""), 1 => Just(",lan"), 1 => Just(",default,lan"), 1 => Just(",lan:5"), 1 => Just(",default,lan:6"),
    ];
    let order = (order, replicas, network);
    let files = prop_oneof![4 => Just(""), 1 => Just("^live:1"), 1 => Just("^live:2"), 1 => Just("^live:2^more:1")];
    let more = (flag(0.3, "+also^conf"), files).prop_map(|(alias, files)| format!("{alias}{files}"));
    let flags = (port, flag(0.5, "!"), flag(0.2, "?"), flag(0.2, "%data"), more, flag(0.2, "=stop"));
    let wish = (versions, flags, order, prop::collection::vec(0u8..9, 3)).prop_map(
        |(version, (port, check, job, volume, more, on_failure), (order, replicas, network), needs)| {
            // Two writers at once are what somebody asks for who asks for `start-first` or `swap` beside a volume.
            let is_beside = matches!(order, "=start-first" | "=swap");
            let order = if volume.is_empty() || !is_beside { order } else { "" };
            // Replicas bind no port of the host, and what they write to together they ask for.
            let replicas = if port.is_empty() && volume.is_empty() { replicas } else { "" };
            let replicas = if network.contains(':') { "" } else { replicas };
            let order = if network.contains(':') && order == "=start-first" { "" } else { order };
            (format!("{version}{port}{check}{job}{volume}{more}{on_failure}{order}{replicas}{network}"), needs)
        },
    );
    prop::option::weighted(0.8, wish)
}

fn any_manifest(versions: std::ops::RangeInclusive<u8>) -> impl Strategy<Value = String> {
    let said =
        prop_oneof![4 => Just(""), 1 => Just("net:lan=one"), 1 => Just("net:lan=two"), 1 => Just("net:default=one")];
    (prop::collection::vec(wish(versions), NAMES.len()), said).prop_map(|(wishes, said)| {
        let mut tokens: Vec<String> = Vec::new();
        for (name, wish) in NAMES.iter().zip(wishes) {
            let Some((mut flags, needs)) = wish else { continue };
            for port in ["@80", "@81", "@82"] {
                if tokens.iter().any(|token| token.contains(port)) {
                    flags = flags.replace(port, "");
                }
            }
            for address in [":5", ":6"] {
                if tokens.iter().any(|token| token.contains(&format!(",lan{address}"))) {
                    flags = flags.replace(&format!(",lan{address}"), ",lan");
                }
            }
            for (before, need) in tokens.iter().zip(needs) {
                let target = before.split('#').next().unwrap();
                flags.push_str(&match need {
                    1 => format!("<{target}"),
                    2 => format!("<h:{target}"),
                    3 if before.contains('?') => format!("<c:{target}"),
                    4 => format!("<r:{target}"),
                    5 => format!("&{target}:linked-{target}"),
                    6 => format!("|{target}"),
                    _ => String::new(),
                });
            }
            tokens.push(format!("{name}#{flags}"));
        }
        format!("{said} {}", tokens.join(" "))
    })
}

fn happening() -> impl Strategy<Value = Happening> {
    let fault = prop_oneof![Just(Fault::Refused), Just(Fault::ReplyLost), Just(Fault::Gone), Just(Fault::Gone)];
    let fault = prop::option::weighted(0.7, (1usize..40, fault));
    prop_oneof![
        8 => (any_manifest(ANY), fault).prop_map(|(manifest, fault)| Happening::Apply(manifest, fault)),
        1 => (0usize..9).prop_map(Happening::Stopped),
        1 => (0usize..9).prop_map(Happening::Paused),
        1 => (0usize..9).prop_map(Happening::Removed),
        1 => (0usize..9).prop_map(Happening::Disconnected),
    ]
}

/// A host that checks after every call that those who have to serve all the time do. What is asked of it at once is done
/// in another order than it was asked in.
struct Watched<'a> {
    host: &'a SimulatedHost,
    always: BTreeSet<ContainerName>,
    /// Those of them that are found by their names all the time.
    found: BTreeSet<ContainerName>,
    /// How many of them are found by the name that they share all the time.
    together: BTreeMap<ContainerName, usize>,
    n_asked: AtomicUsize,
}

impl Host for Watched<'_> {
    async fn observe(&self, desired: &Desired) -> Result<HostState, HostError> {
        self.host.observe(desired).await
    }

    async fn perform(&self, action: &Action) -> Result<(), HostError> {
        // Any numbers would do; these take turns in being longer and shorter than the ones before.
        for _ in 0..self.n_asked.fetch_add(7, Ordering::Relaxed) % 5 {
            tokio::task::yield_now().await;
        }
        let outcome = self.host.perform(action).await;
        for name in &self.always {
            assert!(somebody_serves(&self.host.world(), name), "`{name}` does not serve after: {action}");
        }
        for name in &self.found {
            assert!(somebody_is_found(&self.host.world(), name), "`{name}` is not found after: {action}");
        }
        for (name, n) in &self.together {
            let found = n_found(&self.host.world(), name);
            assert!(found >= *n, "{found} and not {n} are found as `{name}` after: {action}");
        }
        outcome
    }
}

/// The containers that serve and that nothing of what is wanted allows to stop, not even for a moment.
fn always_serving(world: &World, manifest: &Manifest) -> BTreeSet<ContainerName> {
    let serves =
        |name: &ContainerName, spec: &ContainerSpec| may_not_stop(world, name, spec) && somebody_serves(world, name);
    manifest.containers.iter().filter(|(name, spec)| serves(name, spec)).map(|(name, _)| name.clone()).collect()
}

/// Whether nothing of what is wanted allows what has a name to stop, not even for a moment.
fn may_not_stop(world: &World, name: &ContainerName, spec: &ContainerSpec) -> bool {
    let mut of_that_name = world.containers.values().filter(|found| found.observed.container == *name);
    let has_nothing = |spec: &ContainerSpec| {
        spec.ports.is_empty() && spec.volumes.is_empty() && spec.joins.addresses().next().is_none()
    };
    has_nothing(spec)
        && spec.restart != RestartPolicy::No
        && spec.update.order != Some(Order::StopFirst)
        && spec.links.is_empty()
        && spec.joins.volumes_from.is_empty()
        && !spec.depends_on.values().any(|dependency| dependency.restart)
        && of_that_name.all(|found| has_nothing(&found.creation.spec) && !found.observed.networks.is_empty())
}

/// Whether a container that serves is found by a name.
fn somebody_is_found(world: &World, name: &ContainerName) -> bool {
    world.containers.values().any(|found| {
        let observed = &found.observed;
        observed.container == *name
            && observed.run == RunState::Running
            && matches!(observed.health, Health::Unchecked | Health::Healthy)
            && observed.networks.values().any(|endpoint| endpoint.aliases.contains(name.as_str()))
    })
}

/// How many containers that serve are found by a name.
fn n_found(world: &World, name: &ContainerName) -> usize {
    let is_found = |found: &&SimulatedContainer| {
        let observed = &found.observed;
        observed.run == RunState::Running
            && matches!(observed.health, Health::Unchecked | Health::Healthy)
            && observed.networks.values().any(|endpoint| endpoint.aliases.contains(name.as_str()))
    };
    world.containers.values().filter(is_found).count()
}

/// Applies a manifest, and tells how many calls changed something.
fn apply(host: &SimulatedHost, manifest: &str, fault: Option<(usize, Fault)>) -> Result<usize, Error> {
    apply_until(host, manifest, fault, std::future::pending())
}

/// The same, until somebody wants it to stop.
fn apply_until(
    host: &SimulatedHost,
    manifest: &str,
    fault: Option<(usize, Fault)>,
    stop: impl Future<Output = ()>,
) -> Result<usize, Error> {
    let manifest = &read_manifest(manifest);
    let n_before = host.world().n_changes;
    host.world().fault = fault.map(|(at, fault)| (n_before + at, fault));
    let always = always_serving(&host.world(), manifest);
    // A name more, or one less, takes a container off its network for a moment.
    let wanted = desired(manifest);
    let has_its_names = |name: &&ContainerName| {
        let world = host.world();
        let mut of_that_name = world.containers.values().filter(|found| found.observed.container == **name);
        of_that_name.all(|found| {
            let on = &found.observed.networks;
            let is_same = |(network, wanted): (&String, &Endpoint)| on.get(network).is_none_or(|e| e.is_as(wanted));
            found.observed.has_names() && wanted.containers[*name].networks.iter().all(is_same)
        })
    };
    let found: BTreeSet<ContainerName> = always.iter().filter(has_its_names).cloned().collect();
    let of_it = |name: &ContainerName| -> Vec<ContainerName> {
        replicas(name, &manifest.containers[name]).iter().map(|name| name.parse().unwrap()).collect()
    };
    // One that is wanted to serve and did not, or has to stop, counts for nothing.
    let whole = found.iter().filter(|name| {
        of_it(name).iter().all(|name| {
            has_its_names(&name) && may_not_stop(&host.world(), name, &manifest.containers[&wanted.containers[name].of])
        })
    });
    let together = whole.map(|name| {
        let serving = of_it(name).into_iter().filter(|name| somebody_is_found(&host.world(), name)).count();
        (name.clone(), serving)
    });
    let together = together.collect();
    let watched = Watched { host, always, found, together, n_asked: AtomicUsize::new(n_before) };
    let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
    let outcome = runtime.block_on(converge(&watched, &desired(manifest), Emptying::Allowed, &NoSink, stop));
    host.world().fault = None;
    outcome.map(|_| host.world().n_changes - n_before)
}

fn happen(host: &SimulatedHost, happening: &Happening) {
    let nth = |at: usize| {
        let world = host.world();
        let names: Vec<String> = world.containers.keys().cloned().collect();
        names.get(at % names.len().max(1)).cloned()
    };
    match happening {
        Happening::Apply(manifest, fault) => {
            let names = NAMES.map(|name| name.parse::<ContainerName>().unwrap());
            let served = names.into_iter().filter(|name| somebody_serves(&host.world(), name));
            let served: BTreeSet<ContainerName> = served.collect();
            if let (Err(Error::Step(failure)), None) = (apply(host, manifest, *fault), fault)
                && let (Some(name), Former::Restored) = (&failure.container, &failure.former)
            {
                let is_back = !served.contains(name) || somebody_serves_or_starts(&host.world(), name);
                assert!(is_back, "what served before serves again: {failure:?}");
            }
        }
        Happening::Stopped(at) => {
            if let Some(name) = nth(*at) {
                let mut world = host.world();
                let run = &mut world.containers.get_mut(&name).unwrap().observed.run;
                // An engine stops nothing that was never started.
                if *run != RunState::Created {
                    *run = RunState::Exited(137);
                }
            }
        }
        Happening::Paused(at) => {
            if let Some(name) = nth(*at) {
                let mut world = host.world();
                let run = &mut world.containers.get_mut(&name).unwrap().observed.run;
                if *run == RunState::Running {
                    *run = RunState::Paused;
                }
            }
        }
        Happening::Removed(at) => {
            if let Some(name) = nth(*at) {
                host.world().containers.remove(&name);
            }
        }
        Happening::Disconnected(at) => {
            if let Some(name) = nth(*at) {
                let mut world = host.world();
                let networks = &mut world.containers.get_mut(&name).unwrap().observed.networks;
                drop(networks.pop_last());
                if at % 2 == 0 {
                    networks.clear();
                }
            }
        }
    }
}

/// Whether a container of this name runs; nobody has waited for the health of one that was started again.
fn somebody_serves_or_starts(world: &World, name: &ContainerName) -> bool {
    let is_of_that_name = |found: &&SimulatedContainer| found.observed.container == *name;
    world.containers.values().filter(is_of_that_name).any(|found| found.observed.run == RunState::Running)
}

fn host() -> SimulatedHost {
    let behaviour = |version| match version {
        3 => Behaviour::Crashing,
        4 => Behaviour::Unhealthy,
        _ => Behaviour::Unstartable,
    };
    let bad = ANY.filter(|version| !GOOD.contains(version));
    SimulatedHost::new(World {
        behaviours: bad.flat_map(|version| image_names(version).map(|name| (name, behaviour(version)))).collect(),
        foreign: [("somebody-elses".to_owned(), BTreeSet::new())].into(),
        ..World::default()
    })
}

#[test]
fn a_version_that_is_bad_ends_where_it_began() {
    for (good, bad) in [
        ("web#1", "web#3"),
        ("web#1!", "web#4!"),
        ("web#1", "web#5"),
        ("web#1@80", "web#3@80"),
        ("web#1@80!", "web#4@80!"),
        ("web#1%data", "web#5%data"),
        ("web#1@80", "other#3@80"),
        ("db#1 web#1&db", "db#3 web#1&db"),
        ("a#1", "a#3?=stop-first b#1<c:a"),
    ] {
        let host = host();
        apply(&host, good, None).unwrap();
        let error = apply(&host, bad, None).unwrap_err();
        let Error::Step(failure) = error else { panic!("{bad}: {error}") };
        assert_eq!(failure.former, Former::Restored, "{bad}");
        // One that was started again has its check to pass yet, which only a wait sees; nothing else is to do.
        assert_eq!(apply(&host, good, None).unwrap(), 0, "{bad}");
        assert_serves(&host.world(), &read_manifest(good));
    }
}

#[test]
fn a_run_that_is_stopped_leaves_what_served() {
    for (from, to) in [
        ("a#1 b#1&a c#1&b", "a#2 b#2&a c#2&b"),
        ("a#1@80 b#1@81&a", "a#2@80 b#2@81&a"),
        ("a#1%data! b#1<r:a", "a#2%data! b#2<r:a"),
        ("a#1@80=swap b#1@81!&a=swap", "a#2@80=swap b#2@81!&a=swap"),
    ] {
        let mut n = 0;
        loop {
            let host = host();
            apply(&host, from, None).unwrap();
            let n_before = host.world().n_changes;
            let stop = std::future::poll_fn(|_| {
                let is_there = host.world().n_changes >= n_before + n;
                if is_there { Poll::Ready(()) } else { Poll::Pending }
            });
            let outcome = apply_until(&host, to, None, stop);
            for name in read_manifest(from).containers.keys() {
                assert!(somebody_serves_or_starts(&host.world(), name), "`{name}` of `{to}`, stopped after {n}");
            }
            if outcome.is_ok() {
                break;
            }
            assert!(matches!(outcome, Err(Error::Stopped { .. })), "{outcome:?}");
            apply(&host, to, None).unwrap();
            assert_serves(&host.world(), &read_manifest(to));
            n += 1;
        }
        assert!(n > 8, "it was stopped in the middle: {n}");
    }
}

/// What ran before is what runs afterwards, and has read the new file; a run that is cut off in between is made up for.
#[test]
fn a_file_that_it_is_told_of_changes_while_it_runs() {
    let (first, second) = ("a#1@80^live:1^conf b#1&a^live:2", "a#1@80^live:2^conf b#1&a^live:2");
    for fault in [Fault::Refused, Fault::ReplyLost, Fault::Gone] {
        for at in 1..=3 {
            let host = host();
            apply(&host, first, None).unwrap();
            let before = host.world().containers.clone();
            apply(&host, second, Some((at, fault))).unwrap_err();
            apply(&host, second, None).unwrap();
            let world = host.world();
            assert_serves(&world, &read_manifest(second));
            for (name, then) in before {
                let now = &world.containers[&name].observed;
                assert_eq!(
                    (now.created, now.started),
                    (then.observed.created, then.observed.started),
                    "{fault:?} {at}"
                );
            }
            drop(world);
            assert_eq!(apply(&host, second, None).unwrap(), 0);
            assert_eq!(apply(&host, first, None).unwrap(), 3, "and back");
            assert_serves(&host.world(), &read_manifest(first));
        }
    }
}

/// A host on which somebody does something once so many calls have changed something.
struct Meddled<'a> {
    host: &'a SimulatedHost,
    at: usize,
    deed: &'a (dyn Fn(&mut World) + Sync),
    is_done: AtomicBool,
}

impl Host for Meddled<'_> {
    async fn observe(&self, desired: &Desired) -> Result<HostState, HostError> {
        self.host.observe(desired).await
    }

    async fn perform(&self, action: &Action) -> Result<(), HostError> {
        let outcome = self.host.perform(action).await;
        let mut world = self.host.world();
        if world.n_changes >= self.at && !self.is_done.swap(true, Ordering::Relaxed) {
            (self.deed)(&mut world);
        }
        outcome
    }
}

/// Applies a manifest on a host that somebody meddles with after so many calls, and tells whether there were so many.
fn is_mended(from: &str, to: &str, n: usize, deed: &(dyn Fn(&mut World) + Sync)) -> bool {
    let host = host();
    apply(&host, from, None).unwrap();
    let at = host.world().n_changes + n;
    let meddled = Meddled { host: &host, at, deed, is_done: AtomicBool::new(false) };
    let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
    let (wanted, never) = (desired(&read_manifest(to)), std::future::pending());
    let outcome = runtime.block_on(converge(&meddled, &wanted, Emptying::Refused, &NoSink, never));
    if !meddled.is_done.load(Ordering::Relaxed) {
        return false;
    }
    outcome.unwrap_or_else(|error| panic!("from `{from}` to `{to}`, after {n}: {error}"));
    assert_serves(&host.world(), &read_manifest(to));
    assert_eq!(apply(&host, to, None).unwrap(), 0, "from `{from}` to `{to}`, after {n}");
    true
}

#[test]
fn what_somebody_does_meanwhile_is_mended_in_the_same_run() {
    for (from, to) in [
        ("", "a#1 b#1&a c#1&b"),
        ("a#1 b#1&a c#1&b", "a#2 b#2&a c#2&b"),
        ("a#1 b#1&a c#1&b", "a#1 b#2!&a=start-first c#1&b"),
        ("a#1@80 b#1@81&a", "a#2@80 b#2@81&a"),
        ("a#1%data! b#1<r:a", "a#2%data! b#2<r:a"),
        ("a#1@80=swap b#1@81!&a=swap", "a#2@80=swap b#2@81!&a=swap"),
    ] {
        for at in 0..4 {
            let nth = |world: &World| world.containers.keys().nth(at).cloned();
            let removes = |world: &mut World| {
                nth(world).and_then(|name| world.containers.remove(&name));
            };
            let disconnects = |world: &mut World| {
                if let Some(name) = nth(world) {
                    world.containers.get_mut(&name).unwrap().observed.networks.clear();
                }
            };
            let removes_network = |world: &mut World| {
                world.networks.remove("shop");
                world.containers.values_mut().for_each(|found| found.observed.networks.clear());
            };
            let becomes = |run: RunState| {
                move |world: &mut World| {
                    if let Some(name) = nth(world)
                        && let Some(found) = world.containers.get_mut(&name)
                        && found.observed.run == RunState::Running
                    {
                        found.observed.run = run;
                    }
                }
            };
            let (stops, freezes) = (becomes(RunState::Exited(137)), becomes(RunState::Paused));
            let deeds: [&(dyn Fn(&mut World) + Sync); 5] = [&removes, &disconnects, &removes_network, &stops, &freezes];
            for deed in deeds {
                let n = (0..).find(|n| !is_mended(from, to, *n, deed)).unwrap();
                assert!(n > 4, "it was meddled with in the middle: {n}");
            }
        }
    }
}

#[test]
fn what_gave_its_port_away_is_told_to_be_lost() {
    let host = host();
    apply(&host, "a#1@81 b#1@80", None).unwrap();
    let error = apply(&host, "a#2@80 b#3@81", None).unwrap_err();
    let Error::Step(failure) = error else { panic!("{error}") };
    assert_eq!(failure.former, Former::Lost(HostError::Refused("`127.0.0.1:80/tcp` is taken".to_owned())));
    apply(&host, "a#2@80 b#2@81", None).unwrap();
    assert_serves(&host.world(), &read_manifest("a#2@80 b#2@81"));
}

/// A new one was good when the run failed at another container, and still has the name that it was made with.
#[test]
fn what_is_yet_to_take_its_name_leaves_its_networks_under_it() {
    let host = host();
    apply(&host, "a#1@81", None).unwrap();
    apply(&host, "a#1=stop b#3,lan:5 d#1<h:b", None).unwrap_err();
    apply(&host, "net:default=one a#1", None).unwrap();
    assert_serves(&host.world(), &read_manifest("net:default=one a#1"));
}

proptest! {
    #[test]
    fn from_any_reachable_state_one_run_leads_to_what_is_wanted(
        happenings in prop::collection::vec(happening(), 0..6),
        last in any_manifest(GOOD),
    ) {
        let host = host();
        for happening in &happenings {
            happen(&host, happening);
        }
        apply(&host, &last, None).unwrap();
        assert_serves(&host.world(), &read_manifest(&last));
        prop_assert!(host.world().foreign.contains_key("somebody-elses"));
        let n_before = host.world().n_changes;
        let again = apply(&host, &last, None).unwrap();
        prop_assert_eq!(again, 0, "nothing is left to do");
        prop_assert_eq!(host.world().n_changes, n_before);
    }
}
