//! Runs a command beneath a supervisor and hands on what it writes.

use std::io::{self, Read};
use std::net::Shutdown;
use std::os::fd::OwnedFd;
use std::os::unix::net::UnixStream;
use std::os::unix::process::CommandExt as _;
use std::path::Path;
use std::process::{Child, Stdio};
use std::time::Duration;

use anyhow::Context as _;
use rustix::event::{PollFd, PollFlags, poll};
use rustix::fs::OFlags;
use rustix::io::Errno;
use rustix::time::{Itimerspec, TimerfdClockId, TimerfdFlags, TimerfdTimerFlags, timerfd_create, timerfd_settime};

use super::Stop;
use super::cgroup::Group;
use super::child::SUPERVISE;
use super::command::Ended;
use super::task::{First, Report, Task};
use crate::event::Stream;

/// How much of a stream is handed on at once, in bytes: what a pipe holds.
const CHUNK: usize = 64 << 10;

/// A command's supervisor. Dropping it kills the command and waits for its end.
struct Supervisor {
    child: Child,
    control: UnixStream,
}

impl Drop for Supervisor {
    fn drop(&mut self) {
        // Both fail only where there is nothing to end any more.
        let _hung_up = self.control.shutdown(Shutdown::Both);
        let _ended = self.child.wait();
    }
}

/// Who hears of a command's first process.
pub(super) type Started<'a> = &'a (dyn Fn(First) + Sync);

/// Runs `task` to its end, in `group` where there is one; `said` gets what it writes, in the order of each stream, and is waited for.
pub(super) fn run(
    program: &Path,
    task: &Task,
    group: Option<&Group>,
    said: &(dyn Fn(Stream, &[u8]) + Sync),
    started: Option<Started<'_>>,
    stop: &Stop,
) -> anyhow::Result<Ended> {
    if stop.is_stopped() {
        return Ok(Ended::Stopped);
    }
    let timer = task.command.limits.time.map(timer).transpose()?;
    let (control, theirs) = UnixStream::pair()?;
    let child = std::process::Command::new(program)
        .arg0("windlass")
        .arg(SUPERVISE)
        .env_clear()
        .stdin(OwnedFd::from(theirs))
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .with_context(|| format!("starting `{}`", program.display()))?;
    let mut supervisor = Supervisor { child, control };
    let mut stdout = supervisor.child.stdout.take().map(OwnedFd::from).map(Output::new).transpose()?;
    let mut stderr = supervisor.child.stderr.take().map(OwnedFd::from).map(Output::new).transpose()?;
    if let Some(group) = group {
        group.add(supervisor.child.id()).context("limiting a command")?;
    }
    task.send(&mut supervisor.control).context("telling a command's supervisor what to do")?;
    supervisor.control.set_nonblocking(true)?;

    let mut reported = Vec::new();
    let (mut cut_short, mut started) = (None, started);
    let mut chunk = vec![0; CHUNK];
    loop {
        let is_ready = wait(
            &supervisor.control,
            stdout.as_ref(),
            stderr.as_ref(),
            cut_short.is_none().then_some((stop, timer.as_ref())),
        )?;
        if is_ready.stdout {
            hand_on(&mut stdout, Stream::Stdout, &mut chunk, said)?;
        }
        if is_ready.stderr {
            hand_on(&mut stderr, Stream::Stderr, &mut chunk, said)?;
        }
        if is_ready.stop || is_ready.timer {
            cut_short = Some(if is_ready.stop { Ended::Stopped } else { Ended::TimedOut });
            supervisor.control.shutdown(Shutdown::Write)?;
        }
        if is_ready.control && read_on(&mut supervisor.control, &mut reported, &mut chunk)? {
            break;
        }
        if let Some((tell, pid)) = started.zip(Report::started(&reported)) {
            tell(First { pid, supervisor: supervisor.child.id() });
            started = None;
        }
    }
    // The supervisor is gone, and with it all that could write.
    while hand_on(&mut stdout, Stream::Stdout, &mut chunk, said)? {}
    while hand_on(&mut stderr, Stream::Stderr, &mut chunk, said)? {}
    let report = Report::first(&reported);
    Ok(match (cut_short, report) {
        // It came to its end before it could be killed.
        (_, Some(Report::Exited(code))) => Ended::Exited(code),
        (Some(ended), _) => ended,
        (None, Some(Report::Signalled(signal))) => Ended::Signalled(signal),
        (None, Some(Report::NotStarted(why))) => Ended::NotStarted(why),
        (None, Some(Report::Trouble(why))) => anyhow::bail!("{why}"),
        (None, Some(Report::Started(_)) | None) => anyhow::bail!("the command's supervisor was killed"),
    })
}

fn timer(limit: Duration) -> anyhow::Result<OwnedFd> {
    let timer = timerfd_create(TimerfdClockId::Boottime, TimerfdFlags::CLOEXEC)?;
    // Zero would never go off.
    let limit = limit.max(Duration::from_nanos(1));
    let once =
        Itimerspec { it_interval: Duration::ZERO.try_into()?, it_value: limit.try_into().context("too long a time")? };
    timerfd_settime(&timer, TimerfdTimerFlags::empty(), &once)?;
    Ok(timer)
}

/// The reading end of a pipe, that never waits.
struct Output(std::fs::File);

impl Output {
    fn new(pipe: OwnedFd) -> io::Result<Self> {
        rustix::fs::fcntl_setfl(&pipe, OFlags::NONBLOCK)?;
        Ok(Self(pipe.into()))
    }
}

/// What need not be waited for.
struct IsReady {
    control: bool,
    stdout: bool,
    stderr: bool,
    stop: bool,
    timer: bool,
}

/// Waits until there is something to do.
fn wait(
    control: &UnixStream,
    stdout: Option<&Output>,
    stderr: Option<&Output>,
    ends: Option<(&Stop, Option<&OwnedFd>)>,
) -> anyhow::Result<IsReady> {
    let outputs = [stdout, stderr].map(|output| output.map(|output| PollFd::new(&output.0, PollFlags::IN)));
    let ends = ends.map_or([None, None], |(stop, timer)| {
        [Some(PollFd::new(stop, PollFlags::IN)), timer.map(|timer| PollFd::new(timer, PollFlags::IN))]
    });
    let all = [Some(PollFd::new(control, PollFlags::IN))].into_iter().chain(outputs).chain(ends);
    let (at, mut fds): (Vec<usize>, Vec<PollFd<'_>>) = all.enumerate().filter_map(|(i, fd)| Some((i, fd?))).unzip();
    loop {
        match poll(&mut fds, None) {
            Ok(_) => break,
            Err(Errno::INTR) => {}
            Err(error) => return Err(error.into()),
        }
    }
    let is_ready = |i: usize| at.iter().zip(&fds).any(|(at, fd)| *at == i && !fd.revents().is_empty());
    Ok(IsReady {
        control: is_ready(0),
        stdout: is_ready(1),
        stderr: is_ready(2),
        stop: is_ready(3),
        timer: is_ready(4),
    })
}

/// Hands one chunk of a stream on, and forgets the stream at its end. Tells whether there was one.
fn hand_on(
    output: &mut Option<Output>,
    stream: Stream,
    chunk: &mut [u8],
    said: &(dyn Fn(Stream, &[u8]) + Sync),
) -> anyhow::Result<bool> {
    let Some(Output(pipe)) = output else { return Ok(false) };
    match pipe.read(chunk) {
        Ok(0) => *output = None,
        Ok(n_bytes) => {
            said(stream, &chunk[..n_bytes]);
            return Ok(true);
        }
        Err(error) if error.kind() == io::ErrorKind::Interrupted => return Ok(true),
        Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
        Err(error) => return Err(error).context("reading what a command writes"),
    }
    Ok(false)
}

/// Takes what the supervisor reports; tells whether it hung up.
fn read_on(control: &mut UnixStream, reported: &mut Vec<u8>, chunk: &mut [u8]) -> anyhow::Result<bool> {
    match control.read(chunk) {
        Ok(0) => Ok(true),
        Ok(n_bytes) => {
            reported.extend_from_slice(&chunk[..n_bytes]);
            Ok(false)
        }
        Err(error) if matches!(error.kind(), io::ErrorKind::WouldBlock | io::ErrorKind::Interrupted) => Ok(false),
        Err(error) if error.kind() == io::ErrorKind::ConnectionReset => Ok(true),
        Err(error) => Err(error).context("listening to a command's supervisor"),
    }
}
