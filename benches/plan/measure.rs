//! Runs commands and tells how long they took and how much memory they needed.

use std::ffi::OsString;
use std::fs::{self, File};
use std::io::{self, Read as _};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use nix::sys::resource::{UsageWho, getrusage};
use sha2::{Digest as _, Sha256};

/// A command as it is measured; its output is thrown away.
#[derive(Clone)]
pub(crate) struct Measured {
    pub(crate) folder: PathBuf,
    pub(crate) words: Vec<OsString>,
}

/// What one run took.
#[derive(Clone, Copy)]
pub(crate) struct Run {
    pub(crate) time: Duration,
    /// Largest resident memory, in KiB.
    pub(crate) memory: u64,
}

impl Measured {
    pub(crate) fn new(folder: &Path, words: &[&str]) -> Self {
        Self { folder: folder.to_owned(), words: words.iter().map(OsString::from).collect() }
    }

    /// Runs it in a process of this program's own (`measure`), as the memory of children is told of all of them at once.
    pub(crate) fn run(&self) -> io::Result<Run> {
        let this = std::env::current_exe()?;
        let output = Command::new(this).arg("measure").args(&self.words).current_dir(&self.folder).output()?;
        let said = String::from_utf8_lossy(&output.stdout);
        let numbers: Vec<u64> = said.split_whitespace().filter_map(|number| number.parse().ok()).collect();
        match numbers[..] {
            [time, memory] if output.status.success() => Ok(Run { time: Duration::from_nanos(time), memory }),
            _ => Err(io::Error::other(format!("{:?}: {}", self.words, String::from_utf8_lossy(&output.stderr)))),
        }
    }
}

/// The other side of [`Measured::run`].
pub(crate) fn measure(words: &[OsString]) -> io::Result<()> {
    let (program, args) = words.split_first().ok_or_else(|| io::Error::other("which command?"))?;
    #[expect(clippy::disallowed_methods, reason = "the clock is what measures")]
    let start = Instant::now();
    let status = Command::new(program).args(args).stdin(Stdio::null()).stdout(Stdio::null()).status()?;
    let time = start.elapsed();
    if !status.success() {
        return Err(io::Error::other(format!("{program:?} failed")));
    }
    let memory = getrusage(UsageWho::RUSAGE_CHILDREN)?.max_rss();
    println!("{} {memory}", time.as_nanos());
    Ok(())
}

/// Hashes all files below the working folder but those of git with sha256, on two threads: what any plan without
/// git's help has to do.
pub(crate) fn sha256() -> io::Result<()> {
    let (mut files, mut folders) = (Vec::new(), vec![PathBuf::from(".")]);
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(folder)? {
            let entry = entry?;
            if entry.file_type()?.is_file() {
                files.push(entry.path());
            } else if entry.file_name() != ".git" {
                folders.push(entry.path());
            }
        }
    }
    let next = AtomicUsize::new(0);
    let hash = || -> io::Result<u8> {
        let (mut buffer, mut sum) = (vec![0; 128 << 10], 0);
        while let Some(path) = files.get(next.fetch_add(1, Ordering::Relaxed)) {
            let (mut file, mut sha256) = (File::open(path)?, Sha256::new());
            loop {
                match file.read(&mut buffer)? {
                    0 => break,
                    n => sha256.update(&buffer[..n]),
                }
            }
            sum ^= sha256.finalize()[0];
        }
        Ok(sum)
    };
    thread::scope(|scope| {
        let (one, other) = (scope.spawn(hash), scope.spawn(hash));
        one.join().expect("hashing does not panic")?;
        other.join().expect("hashing does not panic")
    })?;
    Ok(())
}
