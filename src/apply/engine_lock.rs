//! Who on this machine works on a project of an engine, wherever it keeps its state: a name of the kernel, which is given back
//! when its holder ends, and which leaves nothing behind. Runs on other machines, or in containers with a network of their own,
//! are not seen.

use std::fs;
use std::io;
use std::os::fd::AsRawFd as _;
use std::os::linux::net::SocketAddrExt as _;
use std::os::unix::fs::{FileTypeExt as _, MetadataExt as _};
use std::os::unix::net::{SocketAddr, UnixListener};
use std::path::Path;

use nix::errno::Errno;
use nix::sys::socket::{
    AddressFamily, SockFlag, SockType, UnixAddr, UnixCredentials, connect, getsockopt, socket, sockopt::PeerCredentials,
};
use sha2::{Digest as _, Sha256};

use crate::model::ProjectName;

/// How often a name that was given back in between is asked for again. Arbitrary.
const TRIES: usize = 100;

/// What became of it.
#[derive(Debug)]
pub(super) enum Name {
    /// It is ours until this is dropped.
    Ours(#[expect(dead_code, reason = "it is held")] UnixListener),
    /// Somebody has it who can't work on the engine, or there are no such names here: nothing is known of others.
    Unknown,
    /// This process has it, where that can be seen from here.
    Held(Option<u32>),
}

/// Takes the name of a project of an engine.
pub(super) fn take(address: &str, project: &ProjectName) -> Name {
    let mut hash = Sha256::new();
    for part in ["windlass apply 1", address, project.as_str()] {
        hash.update((part.len() as u64).to_le_bytes());
        hash.update(part);
    }
    let name = format!("windlass/{:x}", hash.finalize());
    for _ in 0..TRIES {
        match SocketAddr::from_abstract_name(&name).and_then(|name| UnixListener::bind_addr(&name)) {
            Ok(listener) => return Name::Ours(listener),
            Err(error) if error.kind() == io::ErrorKind::AddrInUse => {}
            // Who confines this process need not give it any.
            Err(_) => return Name::Unknown,
        }
        match holder(&name) {
            Ok(holder) if may_reach(address, &holder) => {
                return Name::Held(u32::try_from(holder.pid()).ok().filter(|pid| *pid > 0));
            }
            Ok(_) => return Name::Unknown,
            Err(Errno::ECONNREFUSED) => {}
            // So many have asked that the kernel tells no more of them.
            Err(_) => return Name::Held(None),
        }
    }
    Name::Held(None)
}

/// Who has a name. Nobody is waited for, as nobody answers.
fn holder(name: &str) -> nix::Result<UnixCredentials> {
    let flags = SockFlag::SOCK_NONBLOCK | SockFlag::SOCK_CLOEXEC;
    let socket = socket(AddressFamily::Unix, SockType::Stream, flags, None)?;
    connect(socket.as_raw_fd(), &UnixAddr::new_abstract(name.as_bytes())?)?;
    getsockopt(&socket, PeerCredentials)
}

/// Whether somebody can work on an engine at all: else anybody on the machine could keep others from it by a name.
fn may_reach(address: &str, who: &UnixCredentials) -> bool {
    let ours = nix::unistd::getuid().as_raw();
    if [0, ours].contains(&who.uid()) {
        return true;
    }
    let Some(found) = address.strip_prefix("unix://").and_then(|path| fs::metadata(Path::new(path)).ok()) else {
        return true;
    };
    let status = fs::read_to_string(format!("/proc/{}/status", who.pid())).unwrap_or_default();
    found.file_type().is_socket() && may_write(found.mode(), (found.uid(), found.gid()), who.uid(), &groups(&status))
}

/// Whether a user may write to a file of this mode and owner.
fn may_write(mode: u32, (owner, group): (u32, u32), user: u32, groups: &[u32]) -> bool {
    let write = match () {
        () if user == owner => 0o200,
        () if groups.contains(&group) => 0o020,
        () => 0o002,
    };
    mode & write != 0
}

/// The groups of a process, as its `status` in /proc tells them.
fn groups(status: &str) -> Vec<u32> {
    let of_groups =
        status.lines().filter_map(|line| line.strip_prefix("Gid:").or_else(|| line.strip_prefix("Groups:")));
    of_groups.flat_map(str::split_whitespace).filter_map(|group| group.parse().ok()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn who_may_not_write_to_the_socket_keeps_nobody_from_it() {
        let docker = (0, 998);
        assert!(may_write(
            0o140_660,
            docker,
            1000,
            &groups("Name:\tx\nGid:\t1000\t1000\t1000\t1000\nGroups:\t4 998 \n")
        ));
        assert!(!may_write(0o140_660, docker, 1000, &groups("Gid:\t1000\t1000\t1000\t1000\nGroups:\t4 27 \n")));
        assert!(!may_write(0o140_660, docker, 1000, &groups("")), "one that has ended");
        assert!(may_write(0o140_600, (1000, 1000), 1000, &[]), "a rootless engine is its user's");
        assert!(may_write(0o140_666, docker, 1000, &[]));
    }
}
