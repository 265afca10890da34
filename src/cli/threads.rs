//! The threads that work is shared by. Where the machine starts none, because of a limit or for want of memory, the one
//! that is there does it all.

use std::io;
use std::sync::{Mutex, OnceLock};
use std::thread;
use std::time::Duration;

use rayon::{ThreadPoolBuildError, ThreadPoolBuilder};
use tokio::runtime::Builder;

/// How many threads serve sockets.
const SERVING: usize = 2;

/// Starts the threads that share what a plan has to do, if nobody did yet.
///
/// # Errors
/// Where not even this thread can work in their place.
pub(super) fn share() -> anyhow::Result<()> {
    static STARTED: OnceLock<Result<(), String>> = OnceLock::new();
    let start = || {
        let Err(_) = ThreadPoolBuilder::new().build_global() else { return Ok(()) };
        let alone = ThreadPoolBuilder::new().num_threads(1).use_current_thread().build();
        // This thread is the pool for as long as it lives.
        alone.map(std::mem::forget).map_err(|error: ThreadPoolBuildError| error.to_string())
    };
    let started = STARTED.get_or_init(start).clone();
    started.map_err(|why| anyhow::anyhow!("no threads can be started: {why}"))
}

/// Runs a command that talks over sockets to its end, on threads of its own. Nothing that it started outlives it.
pub(super) fn block_on<T>(command: impl Future<Output = anyhow::Result<T>>) -> anyhow::Result<T> {
    // The runtime would hang where only some of its threads can be started.
    match can_start(SERVING + 1) {
        true => run(Builder::new_multi_thread().worker_threads(SERVING), command),
        false => block_on_this_thread(command),
    }
}

/// The same without threads, for a few short questions.
pub(super) fn block_on_this_thread<T>(command: impl Future<Output = anyhow::Result<T>>) -> anyhow::Result<T> {
    run(&mut Builder::new_current_thread(), command)
}

fn run<T>(builder: &mut Builder, command: impl Future<Output = anyhow::Result<T>>) -> anyhow::Result<T> {
    let runtime = builder.enable_all().build()?;
    let outcome = runtime.block_on(command);
    runtime.shutdown_timeout(Duration::from_secs(5));
    outcome
}

/// Whether so many threads can be there at once.
fn can_start(count: usize) -> bool {
    let gate = Mutex::new(());
    thread::scope(|scope| {
        // None ends before all have begun.
        let _closed = gate.lock();
        let wait = || drop(gate.lock());
        let started: io::Result<Vec<_>> =
            (0..count).map(|_| thread::Builder::new().spawn_scoped(scope, wait)).collect();
        started.is_ok()
    })
}
