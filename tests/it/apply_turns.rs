//! Which steps of a plan wait for which, and what becomes of those that are underway when one fails. The notation is told
//! in `apply_world`.

use std::collections::BTreeSet;
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};

use expect_test::{Expect, expect};
use windlass::apply::{
    Action, After, Behaviour, Desired, Emptying, Error, Former, Host, HostError, HostState, SimulatedHost, World,
    converge, diff,
};
use windlass::event::{Event, NoSink, Sink};
use windlass::manifest::Manifest;

use crate::apply_world::{desired, image_names, read_manifest};

fn apply(host: &impl Host, manifest: &Manifest, events: &dyn Sink) -> Result<(), Error> {
    let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
    let never = std::future::pending();
    runtime.block_on(converge(host, &desired(manifest), Emptying::Allowed, events, never)).map(drop)
}

/// Shows of each step its place, what it is, and the places of those that it comes after.
#[expect(clippy::needless_pass_by_value, reason = "expect-test's own shape")]
fn check(from: &str, to: &str, expected: Expect) {
    let host = SimulatedHost::default();
    apply(&host, &read_manifest(from), &NoSink).unwrap();
    let (to, runtime) = (desired(&read_manifest(to)), tokio::runtime::Builder::new_current_thread().build().unwrap());
    let observed = runtime.block_on(host.observe(&to)).unwrap();
    let mut shown = String::new();
    for (at, step) in diff(&to, &observed, Emptying::Refused).unwrap().iter().enumerate() {
        let After { all_before, also } = &step.after;
        let mut parts = Action::to_string(&step.action).split(".next-").map(str::to_owned).collect::<Vec<_>>();
        parts.iter_mut().skip(1).for_each(|part| *part = part[12..].to_owned());
        let action = parts.join(".next").replace(&format!("@{}", image_names(2)[0]), "");
        shown.push_str(&format!("{at} after 0..{all_before} {also:?}: {action}\n"));
    }
    expected.assert_eq(&shown);
}

#[test]
fn those_that_have_nothing_to_do_with_one_another_do_not_wait() {
    check(
        "",
        "a#1 b#2&a c#1",
        expect![[r#"
            0 after 0..0 []: pull `registry.example/v1@sha256:0101010101010101010101010101010101010101010101010101010101010101`
            1 after 0..0 []: pull `registry.example/v2`
            2 after 0..2 []: create network `shop`
            3 after 0..3 []: create `shop-a`
            4 after 0..3 [3]: start `shop-a`
            5 after 0..3 []: create `shop-c`
            6 after 0..3 [5]: start `shop-c`
            7 after 0..3 [4]: create `shop-b`
            8 after 0..3 [7]: start `shop-b`
            9 after 0..9 []: wait until `shop-a` is good, 1m at most
            10 after 0..9 []: wait until `shop-c` is good, 1m at most
            11 after 0..9 []: wait until `shop-b` is good, 1m at most
        "#]],
    );
    // What `b` needs is `a`'s port, and what leaves goes at the end.
    check(
        "a#1@80 b#1 c#1 gone#1",
        "a#2 b#2@80 c#2",
        expect![[r#"
            0 after 0..0 []: pull `registry.example/v2`
            1 after 0..1 []: create `shop-a.next`
            2 after 0..1 [1]: start `shop-a.next`
            3 after 0..1 [2]: wait until `shop-a.next` is good, 1m at most
            4 after 0..1 [3]: connect `shop-a.next` to network `shop`
            5 after 0..1 [4]: wait until `shop-a.next` is good, 1m at most
            6 after 0..1 [5]: take its names on network `shop` from `shop-a`
            7 after 0..1 [6]: let `shop-a` end what it is at for 1s
            8 after 0..1 [7]: stop `shop-a`
            9 after 0..1 [8]: remove `shop-a`
            10 after 0..1 [9]: rename `shop-a.next` to `shop-a`
            11 after 0..1 [10]: create `shop-b.next`
            12 after 0..1 [11]: start `shop-b.next`
            13 after 0..1 [12]: wait until `shop-b.next` is good, 1m at most
            14 after 0..1 [13]: connect `shop-b.next` to network `shop`
            15 after 0..1 [14]: wait until `shop-b.next` is good, 1m at most
            16 after 0..1 [15]: take its names on network `shop` from `shop-b`
            17 after 0..1 [16]: let `shop-b` end what it is at for 1s
            18 after 0..1 [17]: stop `shop-b`
            19 after 0..1 [18]: remove `shop-b`
            20 after 0..1 [19]: rename `shop-b.next` to `shop-b`
            21 after 0..1 []: create `shop-c.next`
            22 after 0..1 [21]: start `shop-c.next`
            23 after 0..1 [22]: wait until `shop-c.next` is good, 1m at most
            24 after 0..1 [23]: connect `shop-c.next` to network `shop`
            25 after 0..1 [24]: wait until `shop-c.next` is good, 1m at most
            26 after 0..1 [25]: take its names on network `shop` from `shop-c`
            27 after 0..1 [26]: let `shop-c` end what it is at for 1s
            28 after 0..1 [27]: stop `shop-c`
            29 after 0..1 [28]: remove `shop-c`
            30 after 0..1 [29]: rename `shop-c.next` to `shop-c`
            31 after 0..31 []: stop `shop-gone`
            32 after 0..31 [31]: remove `shop-gone`
        "#]],
    );
}

/// A host that counts how many actions are underway; those that were begun
/// last are done first.
struct Busy<'a> {
    host: &'a SimulatedHost,
    n_underway: AtomicUsize,
    most: AtomicUsize,
}

impl Host for Busy<'_> {
    async fn observe(&self, desired: &Desired) -> Result<HostState, HostError> {
        self.host.observe(desired).await
    }

    async fn perform(&self, action: &Action) -> Result<(), HostError> {
        let n = self.n_underway.fetch_add(1, Ordering::Relaxed) + 1;
        self.most.fetch_max(n, Ordering::Relaxed);
        for _ in 0..20 - n {
            tokio::task::yield_now().await;
        }
        let outcome = self.host.perform(action).await;
        self.n_underway.fetch_sub(1, Ordering::Relaxed);
        outcome
    }
}

#[derive(Default)]
struct Told(Mutex<Vec<String>>);

impl Sink for Told {
    fn send(&self, event: Event) {
        self.0.lock().unwrap().push(match event {
            Event::Applying { action, .. } => action,
            Event::Note(text) => text,
            other => format!("{other:?}"),
        });
    }
}

#[test]
fn four_are_underway_at_once_and_told_in_their_order() {
    let host = SimulatedHost::default();
    let busy = Busy { host: &host, n_underway: AtomicUsize::new(0), most: AtomicUsize::new(0) };
    let manifest = read_manifest("a#1 b#1 c#1 d#1 e#1 f#1");
    let told = Told::default();
    apply(&busy, &manifest, &told).unwrap();
    assert_eq!(busy.most.load(Ordering::Relaxed), 6, "all are waited for at the end");
    let first = desired(&manifest);
    let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
    let observed = runtime.block_on(SimulatedHost::default().observe(&first)).unwrap();
    let planned = diff(&first, &observed, Emptying::Refused).unwrap();
    let planned: Vec<String> = planned
        .iter()
        .map(|step| match step.container {
            Some(_) => step.action.to_string(),
            None => format!("{}: {}", step.action, step.cause),
        })
        .collect();
    assert_eq!(*told.0.lock().unwrap(), planned);
    let busy = Busy { host: &host, n_underway: AtomicUsize::new(0), most: AtomicUsize::new(0) };
    apply(&busy, &read_manifest("a#2 b#2 c#2 d#2 e#2 f#2"), &NoSink).unwrap();
    assert_eq!(busy.most.load(Ordering::Relaxed), 4, "what is replaced is there twice: not all at once");
}

#[test]
fn the_failure_of_one_takes_those_back_that_are_underway() {
    let crashing = image_names(3).map(|name| (name, Behaviour::Crashing));
    let host = SimulatedHost::new(World { behaviours: crashing.into(), ..World::default() });
    apply(&host, &read_manifest("a#1 b#1 c#1 d#1 e#1 f#1 g#1"), &NoSink).unwrap();
    let busy = Busy { host: &host, n_underway: AtomicUsize::new(0), most: AtomicUsize::new(0) };
    let told = Told::default();
    let error = apply(&busy, &read_manifest("a#2 b#3 c#2 d#2 e#2 f#2 g#2"), &told).unwrap_err();
    let Error::Step(failure) = error else { panic!("{error}") };
    assert_eq!((failure.container.as_ref().map(|name| name.as_str()), &failure.former), (Some("b"), &Former::Restored));
    let world = host.world();
    let names: Vec<&str> = world.containers.keys().map(String::as_str).collect();
    let all = ["a", "b", "c", "d", "e", "f", "g"].map(|name| format!("shop-{name}"));
    assert_eq!(names, all, "what was begun is at its end, or gone");
    let is_new = |name: &&&str| world.containers[**name].creation.image.contains("0202");
    let changed: BTreeSet<String> =
        names.iter().filter(is_new).map(|name| name.trim_start_matches("shop-").to_owned()).collect();
    let left: BTreeSet<String> = failure.others.iter().map(ToString::to_string).collect();
    assert_eq!(left, changed, "what is said to be changed is");
    assert!(!changed.contains("f") && !changed.contains("g"), "no other is begun with: {changed:?}");
    assert_eq!(world.containers["shop-b"].observed.run, windlass::apply::RunState::Running);
}
