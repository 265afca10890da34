//! The calls that no crate wraps safely. Nothing else here is `unsafe`.

use std::io;
use std::os::fd::AsRawFd as _;

use nix::libc;
use nix::unistd::{ForkResult, fork};

/// Forks this process, which must have one thread.
///
/// # Errors
/// When there is no room for another process.
///
/// # Panics
/// In a process with several threads: what the others hold would be held for ever in the child.
pub(super) fn fork_alone() -> io::Result<ForkResult> {
    let threads = std::fs::read_dir("/proc/self/task").map_or(1, Iterator::count);
    assert!(threads == 1, "only a process with one thread may fork");
    #[expect(unsafe_code, reason = "fork is sound where no other thread holds anything, which was just looked at")]
    Ok(unsafe { fork() }?)
}

/// Has every file from `first` on closed at the next exec: nothing that windlass was started with leaks into a command.
pub(super) fn close_at_exec_from(first: u32) -> io::Result<()> {
    #[expect(
        unsafe_code,
        reason = "close_range with this flag closes nothing now, so that no owner of a file is cheated"
    )]
    let outcome = unsafe { libc::syscall(libc::SYS_close_range, first, libc::c_uint::MAX, libc::CLOSE_RANGE_CLOEXEC) };
    if outcome == 0 { Ok(()) } else { Err(io::Error::last_os_error()) }
}

/// Turns the loopback of this network namespace on.
pub(super) fn loopback_up() -> io::Result<()> {
    let socket = std::net::UdpSocket::bind("0.0.0.0:0")?;
    #[expect(unsafe_code, reason = "ifreq is plain data, for which zeroes are a value")]
    let mut request: libc::ifreq = unsafe { std::mem::zeroed() };
    request.ifr_name[0] = b'l'.cast_signed() as libc::c_char;
    request.ifr_name[1] = b'o'.cast_signed() as libc::c_char;
    request.ifr_ifru.ifru_flags = (libc::IFF_UP | libc::IFF_RUNNING) as libc::c_short;
    #[expect(unsafe_code, reason = "SIOCSIFFLAGS reads one ifreq, which lives on through the call")]
    let outcome = unsafe { libc::ioctl(socket.as_raw_fd(), libc::SIOCSIFFLAGS, &raw const request) };
    if outcome == 0 { Ok(()) } else { Err(io::Error::last_os_error()) }
}

/// Gives every signal its default again: Rust ignores SIGPIPE, and whoever started windlass may have ignored others.
pub(super) fn default_signals() {
    for number in 1..libc::SIGRTMIN() {
        #[expect(unsafe_code, reason = "SIG_DFL is no code of ours; numbers that can't be set are refused")]
        unsafe {
            libc::signal(number, libc::SIG_DFL);
        }
    }
}
