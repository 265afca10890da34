//! The `windlass` program.

use std::process::ExitCode;

use windlass::cli::{Environment, run};

fn main() -> ExitCode {
    rustls::crypto::ring::default_provider().install_default().expect("nothing chose a TLS provider before main");
    run(std::env::args_os(), &Environment::of_this_process()).into()
}
