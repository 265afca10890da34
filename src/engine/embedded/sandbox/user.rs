//! Takes a normal user's windlass into a user namespace, of which it is root: without leaving the process, so that its
//! id, signals, terminal and exit code stay what they were.
//!
//! A namespace is entered by a process with one thread, and its ids are mapped from outside, by the programs
//! `newuidmap` and `newgidmap` where the user has subordinate ids. So the process executes itself twice: to be alone
//! (`ENTER`), which starts a process that stays outside (`MAP`) and enters, and once more to be root in there.

use std::convert::Infallible;
use std::ffi::OsString;
use std::fs;
use std::io::{self, Read as _, Write as _};
use std::os::fd::{AsFd as _, OwnedFd};
use std::os::unix::net::UnixStream;
use std::os::unix::process::CommandExt as _;
use std::path::Path;
use std::process::{Command, ExitCode, Stdio};

use anyhow::{Context as _, bail};
use nix::sched::{CloneFlags, unshare};
use nix::unistd::{Gid, Uid, User, getgid, getppid, getuid};

use super::Sandbox;

const SELF: &str = "/proc/self/exe";
const TRY: &str = "\u{1}windlass-try-user-namespace";
const ENTER: &str = "\u{1}windlass-enter-user-namespace";
const DESCRIBE: &str = "\u{1}windlass-describe";
const MAP: &str = "\u{1}windlass-map-ids";

/// Executes this program again with `arguments`, its name not among them, as root of a user namespace: with the user's
/// subordinate ids, or with the user's own id alone where there are none. It returns only when that is impossible.
///
/// # Errors
/// When the machine lets normal users have no namespaces.
pub fn enter_user_namespace(arguments: impl IntoIterator<Item = OsString>) -> anyhow::Result<Infallible> {
    let tried = Command::new(SELF).arg0("windlass").arg(TRY).stdin(Stdio::null()).output()?;
    if !tried.status.success() {
        bail!("this machine gives normal users no namespaces: {}", String::from_utf8_lossy(&tried.stderr).trim());
    }
    let error = Command::new(SELF).arg0("windlass").arg(ENTER).args(arguments).exec();
    Err(error).context("executing windlass again")
}

/// Has a process of its own find out what works in a user namespace.
pub(super) fn describe(scratch: &Path) -> anyhow::Result<String> {
    let told =
        Command::new(SELF).arg0("windlass").args([ENTER, DESCRIBE]).arg(scratch).stdin(Stdio::null()).output()?;
    if !told.status.success() {
        let why = String::from_utf8_lossy(&told.stderr).trim().trim_start_matches("error: ").to_owned();
        bail!("this machine gives normal users no namespaces: {why}");
    }
    Ok(String::from_utf8(told.stdout)?)
}

/// Does what a process under one of the hidden first arguments of this module is there for.
pub(super) fn enter_hidden_verb(verb: &std::ffi::OsStr) -> Option<ExitCode> {
    let outcome = match verb.to_str()? {
        TRY => unshare(CloneFlags::CLONE_NEWUSER).map_err(Into::into),
        ENTER => enter().map(|never| match never {}),
        MAP => map(),
        DESCRIBE => std::env::args_os().nth(2).context("no folder").and_then(|scratch| {
            let sandbox = Sandbox::find_out(Path::new(&scratch))?;
            Ok(io::stdout().write_all(sandbox.to_string().as_bytes())?)
        }),
        _ => return None,
    };
    let Err(error) = outcome else { return Some(ExitCode::SUCCESS) };
    // There is no user interface yet, and nobody else to tell it.
    let _told = writeln!(io::stderr(), "error: {error:#}");
    Some(ExitCode::FAILURE)
}

fn enter() -> anyhow::Result<Infallible> {
    let (uid, gid) = (getuid(), getgid());
    let (mut ours, theirs) = UnixStream::pair()?;
    let mut mapper =
        Command::new(SELF).arg(MAP).stdin(OwnedFd::from(theirs)).stdout(Stdio::null()).stderr(Stdio::null()).spawn()?;
    unshare(CloneFlags::CLONE_NEWUSER).context("entering a user namespace")?;
    ours.write_all(b"!")?;
    let mut mapped = [0_u8; 2];
    // A mapper that was killed maps nothing.
    let _n_bytes = ours.read_exact(&mut mapped);
    mapper.wait()?;
    if mapped[0] != b'u' {
        fs::write("/proc/self/uid_map", format!("0 {uid} 1")).context("mapping the user's id")?;
    }
    if mapped[1] != b'g' {
        fs::write("/proc/self/setgroups", "deny").context("giving groups up")?;
        fs::write("/proc/self/gid_map", format!("0 {gid} 1")).context("mapping the group's id")?;
    }
    let arguments = std::env::args_os().skip(2);
    Err(Command::new(SELF).arg0("windlass").args(arguments).exec()).context("executing windlass again")
}

/// Maps the subordinate ids of the user for the process that started this one, and tells which of both maps it wrote.
fn map() -> anyhow::Result<()> {
    let mut control = UnixStream::from(io::stdin().as_fd().try_clone_to_owned()?);
    control.read_exact(&mut [0])?;
    let (uid, gid) = (getuid(), getgid());
    let name = User::from_uid(uid).ok().flatten().map(|user| user.name).unwrap_or_default();
    let read = |path: &str| fs::read_to_string(path).map(|text| subordinate(&text, &name, uid)).unwrap_or_default();
    let (users, groups) = (read("/etc/subuid"), read("/etc/subgid"));
    let pid = getppid().to_string();
    let run = |program: &str, own: u32, ranges: &[(u32, u32)]| {
        // Both or none: a file could not belong to a user without belonging to a group.
        if users.is_empty() || groups.is_empty() {
            return false;
        }
        Command::new(program).arg(&pid).args(map_arguments(own, ranges)).status().is_ok_and(|status| status.success())
    };
    let has_users = run("newuidmap", Uid::as_raw(uid), &users);
    let has_groups = has_users && run("newgidmap", Gid::as_raw(gid), &groups);
    control.write_all(&[if has_users { b'u' } else { b'-' }, if has_groups { b'g' } else { b'-' }])?;
    Ok(())
}

/// The ranges of a user in /etc/subuid or /etc/subgid, first id and number of each (subuid(5)).
fn subordinate(text: &str, name: &str, uid: Uid) -> Vec<(u32, u32)> {
    let uid = uid.to_string();
    let range = |line: &str| {
        let mut parts = line.trim().split(':');
        let (owner, first, n_ids) = (parts.next()?, parts.next()?.parse().ok()?, parts.next()?.parse().ok()?);
        (owner == uid || (!name.is_empty() && owner == name)).then_some((first, n_ids))
    };
    text.lines().filter_map(range).filter(|(_, n_ids)| *n_ids > 0).collect()
}

/// What maps the user's own id to 0 and the ranges to what follows, as newuidmap takes it.
fn map_arguments(own: u32, ranges: &[(u32, u32)]) -> Vec<String> {
    let mut words = vec![0, own, 1];
    let mut next = 1_u32;
    for (first, n_ids) in ranges {
        words.extend([next, *first, *n_ids]);
        next = next.saturating_add(*n_ids);
    }
    words.iter().map(u32::to_string).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn subordinate_ids_are_found_by_name_and_number() {
        let text = "root:1:2\nana:100000:65536\n\n# ana:5:6\n1000:300000:10\nana:x:1\nanabel:7:8\nana:9:0\n";
        let ranges = subordinate(text, "ana", Uid::from_raw(1000));
        assert_eq!(ranges, [(100_000, 65536), (300_000, 10)]);
        assert_eq!(subordinate(text, "", Uid::from_raw(2)), []);
        assert_eq!(map_arguments(1000, &ranges).join(" "), "0 1000 1 1 100000 65536 65537 300000 10");
    }
}
