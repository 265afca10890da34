//! How long the pure part of `apply` takes on a simulated host, and whether a host that is looked after for long costs more
//! and more.
//!
//!     cargo bench --bench apply             500 containers, and 10,000 looks at a host
//!
//! Times are the least of many, so that other work on the machine does not count.

#![expect(clippy::print_stdout, reason = "the table is what it is for")]
#![expect(clippy::disallowed_methods, reason = "the clock is what it is for")]

use std::fmt::Write as _;
use std::fs;
use std::time::{Duration, Instant};

use windlass::apply::{Desired, Emptying, Host as _, SimulatedHost, World, converge, diff};
use windlass::diag::SourceText;
use windlass::event::NoSink;
use windlass::manifest;

const CONTAINERS: usize = 500;
const LOOKS: usize = 10_000;

/// A project of containers that link to one another, five to a group, with images of a version.
fn desired(n: usize, version: u8) -> Desired {
    let id = format!("sha256:{}", format!("{version:02x}").repeat(32));
    let mut containers = String::new();
    for i in 0..n {
        let links = if i % 5 == 0 { String::new() } else { format!(r#", "links": ["c{}"]"#, i - 1) };
        let port = if i % 5 == 4 { format!(r#", "ports": ["{}:80"]"#, 10_000 + i) } else { String::new() };
        let comma = if i == 0 { "" } else { ",\n" };
        write!(containers, r#"{comma}"c{i}": {{"image": "api", "env": {{"N": "{i}"}}{links}{port}}}"#)
            .expect("a String takes all");
    }
    let text = format!(
        r#"{{"version": 1, "project": "shop", "serial": {version}, "images": {{"api": {{"id": "{id}", "content_hash": "{id}",
"reference": "registry.example/api@{id}"}}}}, "containers": {{{containers}}}}}"#
    );
    let manifest = manifest::parse(&SourceText::new("deploy.json", text)).expect("the bench's manifest is right");
    Desired::new(&manifest).expect("the bench's manifest makes sense")
}

fn least(times: usize, mut what: impl FnMut()) -> Duration {
    let once = |_| {
        let start = Instant::now();
        what();
        start.elapsed()
    };
    (0..times).map(once).min().unwrap_or_default()
}

/// Resident memory in KiB, and open descriptors.
fn held() -> (u64, usize) {
    let status = fs::read_to_string("/proc/self/status").unwrap_or_default();
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"));
    let memory = line.and_then(|line| line.split_whitespace().next()?.parse().ok()).unwrap_or(0);
    (memory, fs::read_dir("/proc/self/fd").map_or(0, Iterator::count))
}

fn main() -> std::io::Result<()> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let (first, second) = (desired(CONTAINERS, 1), desired(CONTAINERS, 2));
    let host = SimulatedHost::new(World::default());
    let bring = |wanted: &Desired| {
        let done = runtime.block_on(converge(&host, wanted, Emptying::Refused, &NoSink, std::future::pending()));
        done.expect("a host in memory does what it is asked").len()
    };
    println!("{CONTAINERS} containers on a simulated host: {} steps to bring them up", bring(&first));
    let observed = runtime.block_on(host.observe(&first)).expect("a host in memory can be looked at");
    for (what, wanted) in [("nothing to do", &first), ("all changed", &second)] {
        let mut n_steps = 0;
        let time = least(50, || n_steps = diff(wanted, &observed, Emptying::Refused).map_or(0, |steps| steps.len()));
        println!("| diff, {what} | {n_steps} steps | {:.2} ms |", time.as_secs_f64() * 1e3);
    }
    let small = desired(20, 1);
    let host = SimulatedHost::new(World::default());
    let look = || {
        let done = runtime.block_on(converge(&host, &small, Emptying::Refused, &NoSink, std::future::pending()));
        done.expect("a host in memory does what it is asked");
    };
    (0..LOOKS / 10).for_each(|_| look());
    let before = held();
    (0..LOOKS).for_each(|_| look());
    let after = held();
    println!(
        "| {LOOKS} looks at 20 containers | {} KiB and {} descriptors before | {} KiB and {} after |",
        before.0, before.1, after.0, after.1
    );
    Ok(())
}
