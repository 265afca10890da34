//! Kills all that a process started, where no process namespace does.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;

use rustix::io::Errno;
use rustix::process::{Pid, Signal, WaitOptions, getpid, kill_process, wait};

/// Kills all descendants of this process, which must be the one that adopts them, and waits for their end.
pub(super) fn kill() -> anyhow::Result<()> {
    // First nothing may start others any more, else there would always be one that was not seen.
    let mut stopped = BTreeSet::new();
    loop {
        let new: Vec<i32> =
            below(getpid().as_raw_nonzero().get())?.into_iter().filter(|pid| stopped.insert(*pid)).collect();
        if new.is_empty() {
            break;
        }
        signal(&new, Signal::STOP)?;
    }
    signal(&stopped.into_iter().collect::<Vec<_>>(), Signal::KILL)?;
    loop {
        match wait(WaitOptions::empty()) {
            Ok(_) | Err(Errno::INTR) => {}
            Err(Errno::CHILD) => return Ok(()),
            Err(error) => return Err(error.into()),
        }
    }
}

fn signal(pids: &[i32], signal: Signal) -> anyhow::Result<()> {
    for pid in pids.iter().filter_map(|pid| Pid::from_raw(*pid)) {
        match kill_process(pid, signal) {
            Ok(()) | Err(Errno::SRCH) => {}
            Err(error) => return Err(error.into()),
        }
    }
    Ok(())
}

/// All that descend from a process, as /proc tells it.
fn below(ancestor: i32) -> anyhow::Result<BTreeSet<i32>> {
    let mut children: BTreeMap<i32, Vec<i32>> = BTreeMap::new();
    for entry in fs::read_dir("/proc")? {
        let name = entry?.file_name();
        let Some(pid) = name.to_str().and_then(|name| name.parse::<i32>().ok()) else { continue };
        if let Some(parent) = parent_of(pid) {
            children.entry(parent).or_default().push(pid);
        }
    }
    let mut below = BTreeSet::new();
    let mut next = vec![ancestor];
    while let Some(pid) = next.pop() {
        for child in children.get(&pid).into_iter().flatten() {
            if below.insert(*child) {
                next.push(*child);
            }
        }
    }
    Ok(below)
}

/// The parent of a process; none of one that has ended.
pub(super) fn parent_of(pid: i32) -> Option<i32> {
    parent_in(&fs::read_to_string(format!("/proc/{pid}/stat")).ok()?)
}

/// The parent in a line of /proc/PID/stat; the name before it may hold anything.
fn parent_in(stat: &str) -> Option<i32> {
    let (_, rest) = stat.rsplit_once(')')?;
    rest.split_whitespace().nth(1)?.parse().ok()
}

#[cfg(test)]
mod tests {
    #[test]
    fn names_of_programs_hide_no_parent() {
        assert_eq!(super::parent_in("12 (a ) S 7 (x) R 34 12 12"), Some(34));
        assert_eq!(super::parent_in("12 (sh) S 1 12 12"), Some(1));
        assert_eq!(super::parent_in(""), None);
    }
}
