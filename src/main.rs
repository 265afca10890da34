//! The `windlass` program.

use std::process::ExitCode;

use windlass::cli::{Environment, run};
use windlass::engine::embedded::sandbox::enter_hidden_verb;

/// A plan is made of many small pieces of memory, by several threads.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> ExitCode {
    if let Some(exit) = enter_hidden_verb() {
        return exit;
    }
    rustls::crypto::ring::default_provider().install_default().expect("nothing chose a TLS provider before main");
    run(std::env::args_os(), &Environment::of_this_process()).into()
}
