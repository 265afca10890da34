//! Clients ask for the service without a pause while it is replaced, by its name on the network and by its port.
//!
//! Here a few replacements are made and nothing is measured: the machine may be busy with anything.
//! `WINDLASS_TEST_AVAILABILITY=all` makes 50 of each kind, and holds the gaps against what is promised.

use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use super::lab::{Lab, ask, docker, free_port};

/// How many replacements are made of each kind, and whether the gaps are held against what is promised.
#[expect(clippy::disallowed_methods, reason = "the command that asks for all says so in the environment")]
fn n_updates() -> (usize, bool) {
    let is_full = std::env::var_os("WINDLASS_TEST_AVAILABILITY").is_some_and(|value| value == "all");
    (if is_full { 50 } else { 3 }, is_full)
}

/// A service that is healthy once it answers, and whoever else is in the project.
fn service(image: &str, update: &str, others: &str) -> String {
    format!(
        r#""web": {{"image": "{image}", "stop_grace": "2s",
  "healthcheck": {{"test": "wget -q -O - http://127.0.0.1/version", "interval": "200ms", "retries": 20}},
  {update}}}{others}"#
    )
}

#[test]
fn start_first_loses_no_request_by_name() {
    let (n_updates, is_full) = n_updates();
    let lab = Lab::new("available-name");
    let client = r#", "client": {"image": "one", "stop_grace": "1s", "stop_signal": "SIGKILL", "command": ["/bin/sh", "-c",
  "while :; do said=$(wget -q -O - http://web/version 2>&1) && echo $said || echo failed: $said; done"]}"#;
    let update = r#""update": {"order": "start-first", "healthy_for": "300ms"}"#;
    for serial in 0..=n_updates {
        let image = ["one", "two"][serial % 2];
        lab.manifest(serial as u64 + 1, &service(image, update, client));
        lab.apply();
    }
    let log = docker(&["logs", &lab.name("client")]);
    // The client came up beside the first one.
    let asked: Vec<&str> = log.lines().skip_while(|line| line.starts_with("failed")).collect();
    let failed: Vec<_> = asked.iter().enumerate().filter(|(_, line)| line.starts_with("failed")).collect();
    assert!(failed.is_empty(), "{} of {}: {failed:?}", failed.len(), asked.len());
    let n_changes = asked.windows(2).filter(|pair| pair[0] != pair[1]).count();
    assert!(n_changes >= n_updates, "each replacement was seen: {n_changes}");
    assert!(!is_full || asked.len() >= 10_000, "{}", asked.len());
}

/// The longest time between two answers of a port, while a project is brought from one image to the other and back.
fn longest_gap(lab: &Lab, update: &str, port: u16, n_updates: usize) -> Duration {
    let update = format!(r#""ports": ["{port}:80"], {update}"#);
    lab.manifest(1, &service("one", &update, ""));
    lab.apply();
    let is_over = AtomicBool::new(false);
    std::thread::scope(|scope| {
        let asking = scope.spawn(|| {
            let (mut last, mut longest) = (Instant::now(), Duration::ZERO);
            while !is_over.load(Ordering::Relaxed) {
                if ask(port).is_ok() {
                    longest = longest.max(last.elapsed());
                    last = Instant::now();
                } else {
                    std::thread::yield_now();
                }
            }
            longest.max(last.elapsed())
        });
        let updates = scope.spawn(|| {
            for serial in 1..=n_updates {
                let image = ["one", "two"][serial % 2];
                lab.manifest(serial as u64 + 1, &service(image, &update, ""));
                lab.apply();
                // Docker opens a port before the container's network is up. Who asks in between has the host look for an
                // address that nobody has yet, and look again a second later: each gap is one of its own.
                while !ask(port).is_ok_and(|said| said == image) {}
            }
        });
        let updated = updates.join();
        is_over.store(true, Ordering::Relaxed);
        let longest = asking.join().unwrap();
        updated.unwrap();
        longest
    })
}

#[test]
fn swap_and_stop_first_are_back_at_the_port_soon() {
    let (n_updates, is_full) = n_updates();
    for (name, update, promised) in [
        ("swap", r#""update": {"order": "swap", "healthy_for": "0s"}"#, Duration::from_millis(500)),
        (
            "stop",
            r#""stop_signal": "SIGKILL", "update": {"order": "stop-first", "healthy_for": "0s"}"#,
            Duration::from_millis(1500),
        ),
    ] {
        let lab = Lab::new(&format!("available-{name}"));
        let port = free_port();
        let longest = longest_gap(&lab, update, port, n_updates);
        println!("{name}: the port was away for {longest:?} at most");
        assert!(!is_full || longest <= promised, "{name}: {longest:?}");
        assert_eq!(ask(port).unwrap(), ["one", "two"][n_updates % 2]);
    }
}
