//! The sandbox of the embedded engine in each of its modes, as root of the machine to begin with.
//!
//! A program of its own: a sandbox starts the program that it is in once more, which must enter its hidden verb before
//! anything else.

mod cases;
mod modes;
mod world;

use std::process::ExitCode;

fn main() -> ExitCode {
    if let Some(exit) = windlass::engine::embedded::sandbox::enter_hidden_verb() {
        return exit;
    }
    let words: Vec<String> = std::env::args().skip(1).filter(|word| !word.starts_with('-')).collect();
    match words.split_first() {
        Some((first, rest)) if first == modes::INSIDE => modes::inside(rest),
        Some((first, [folder])) if first == modes::HANG => modes::hang(folder),
        _ => world::run(&[modes::ALL, cases::ALL].concat(), &words),
    }
}
