//! The processes of a command: the supervisor, and beneath it the process that becomes the command. Both are windlass
//! itself under a hidden first argument, with one thread.
//!
//! The supervisor stays outside of the command's process namespace. When windlass is gone, or wants an end, it reads the
//! end of its standard input and kills the namespace's first process, with which all others die.

use std::convert::Infallible;
use std::ffi::CString;
use std::fs::File;
use std::io::{self, PipeReader};
use std::os::fd::AsFd as _;
use std::os::unix::ffi::OsStrExt as _;
use std::os::unix::fs::PermissionsExt as _;
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use anyhow::Context as _;
use nix::sched::{CloneFlags, setns, unshare};
use nix::sys::signal::SigSet;
use nix::unistd::{ForkResult, execve};
use rustix::event::{PollFd, PollFlags, poll};
use rustix::fs::{Mode, OFlags};
use rustix::process::{
    Pid, PidfdFlags, Resource, Rlimit, Signal, WaitOptions, getpid, pidfd_open, pidfd_send_signal, set_child_subreaper,
    set_parent_process_death_signal, setrlimit, umask, waitpid,
};

use super::command::{Command, Limits, Network};
use super::task::{First, Report, Task};
use super::{descendants, mounts, place, raw, rights, user};
use crate::dockerfile::DEFAULT_PATH;

/// The hidden first argument of a supervisor.
pub(super) const SUPERVISE: &str = "\u{1}windlass-supervise";

/// Does what a process under a hidden first argument is there for, and tells its exit code; any other process goes on
/// with none. It must be called first of all: the process may have no second thread.
pub fn enter_hidden_verb() -> Option<ExitCode> {
    let verb = std::env::args_os().nth(1)?;
    if verb != SUPERVISE {
        return user::enter_hidden_verb(&verb);
    }
    Some(match supervise() {
        Ok(()) => ExitCode::SUCCESS,
        Err(_) => ExitCode::FAILURE,
    })
}

/// Runs what standard input tells and reports there. An error here is one of talking to windlass: nobody is left to be
/// told of it.
fn supervise() -> io::Result<()> {
    let mut control = UnixStream::from(io::stdin().as_fd().try_clone_to_owned()?);
    let task = Task::receive(&mut control)?;
    let report = match contained(&task, &control) {
        Ok(report) => report,
        Err(error) => Report::Trouble(format!("{error:#}")),
    };
    report.send(&mut control)
}

/// Runs the command to its end, or kills it when windlass has hung up.
fn contained(task: &Task, control: &UnixStream) -> anyhow::Result<Report> {
    raw::close_at_exec_from(3).context("closing what others left open")?;
    rustix::process::setsid().context("leaving the terminal")?;
    let mut joined = Vec::new();
    if let Some(first) = task.joins {
        let Some(found) = namespaces_of(first)? else {
            return Ok(Report::NotStarted("what it belongs to has ended".to_owned()));
        };
        joined = found;
        // For the process that is started; the others are its own to enter.
        let (pids, _) = joined.remove(0);
        setns(pids, CloneFlags::CLONE_NEWPID).context("entering a process namespace")?;
    } else if task.has_namespaces {
        let mut namespaces = CloneFlags::CLONE_NEWPID | CloneFlags::CLONE_NEWUTS | CloneFlags::CLONE_NEWIPC;
        if task.command.network == Network::None {
            namespaces |= CloneFlags::CLONE_NEWNET;
        }
        unshare(namespaces).context("making namespaces")?;
    } else {
        // Processes that lose their parent become this one's, so that it finds them all.
        set_child_subreaper(Some(getpid())).context("adopting processes")?;
    }
    // Its other end is closed when the program is executed.
    let (executed, open_until_then) = io::pipe()?;
    let first = match raw::fork_alone().context("starting a process")? {
        ForkResult::Child => {
            let report = match become_the_command(task, joined) {
                Ok(Refused(why)) => Report::NotStarted(why),
                Err(error) => Report::Trouble(format!("{error:#}")),
            };
            let sent = report.send(&mut &*control);
            std::process::exit(i32::from(sent.is_err()));
        }
        ForkResult::Parent { child } => Pid::from_raw(child.as_raw()).context("a process has a positive id")?,
    };
    drop(open_until_then);
    // Else whoever reads the command's output waits for this process.
    let nowhere = rustix::fs::open("/dev/null", OFlags::RDWR | OFlags::CLOEXEC, Mode::empty())?;
    rustix::stdio::dup2_stdout(&nowhere)?;
    rustix::stdio::dup2_stderr(&nowhere)?;
    let report = wait(first, &executed, control);
    if !task.has_namespaces {
        descendants::kill()?;
    }
    report
}

/// The namespaces of a command that runs; none once it has ended.
fn namespaces_of(first: First) -> anyhow::Result<Option<Vec<(File, CloneFlags)>>> {
    let process = Path::new("/proc").join(first.pid.to_string());
    let open = |(name, kind): (&str, CloneFlags)| Ok((File::open(process.join("ns").join(name))?, kind));
    let kinds = [
        ("pid", CloneFlags::CLONE_NEWPID),
        ("uts", CloneFlags::CLONE_NEWUTS),
        ("ipc", CloneFlags::CLONE_NEWIPC),
        ("mnt", CloneFlags::CLONE_NEWNS),
    ];
    let opened: io::Result<Vec<_>> = kinds.into_iter().map(open).collect();
    // Whether they were its own: the id may be another process's by now.
    let is_it = descendants::parent_of(first.pid).and_then(|pid| pid.try_into().ok()) == Some(first.supervisor);
    match opened {
        Ok(namespaces) if is_it => Ok(Some(namespaces)),
        Err(error) if is_it && error.kind() != io::ErrorKind::NotFound => Err(error).context("looking at a process"),
        Ok(_) | Err(_) => Ok(None),
    }
}

fn wait(first: Pid, executed: &PipeReader, control: &UnixStream) -> anyhow::Result<Report> {
    let ended = pidfd_open(first, PidfdFlags::empty()).context("watching a process")?;
    let mut has_started = false;
    loop {
        let mut fds = vec![PollFd::new(&ended, PollFlags::IN), PollFd::new(control, PollFlags::IN)];
        fds.extend((!has_started).then(|| PollFd::new(executed, PollFlags::IN)));
        match poll(&mut fds, None) {
            Ok(_) if !fds[0].revents().is_empty() => break,
            Ok(_) if !fds[1].revents().is_empty() => {
                pidfd_send_signal(&ended, Signal::KILL).context("killing a process")?;
                break;
            }
            Ok(_) => {
                has_started = true;
                Report::Started(first.as_raw_nonzero().get()).send(&mut &*control)?;
            }
            Err(rustix::io::Errno::INTR) => {}
            Err(error) => return Err(error.into()),
        }
    }
    let (_, status) = waitpid(Some(first), WaitOptions::empty())?.context("a process that ended has a status")?;
    Ok(match (status.exit_status(), status.terminating_signal()) {
        (Some(code), _) => Report::Exited(code),
        (None, signal) => Report::Signalled(signal.unwrap_or_default()),
    })
}

/// Why a program was not executed.
struct Refused(String);

/// Makes everything as the command is to find it, and executes it. Returns only when that was refused.
fn become_the_command(task: &Task, joined: Vec<(File, CloneFlags)>) -> anyhow::Result<Refused> {
    set_parent_process_death_signal(Some(Signal::KILL))?;
    let command = &task.command;
    // Mount points are made with the modes they are asked with.
    umask(Mode::empty());
    let nothing = rustix::fs::open("/dev/null", OFlags::RDONLY | OFlags::CLOEXEC, Mode::empty())?;
    if task.joins.is_some() {
        // All is as it was made for the command that it joins.
        for (namespace, kind) in joined {
            setns(namespace, kind).context("entering a namespace")?;
        }
    } else if task.has_namespaces {
        rustix::system::sethostname(command.hostname.as_bytes()).context("setting the host name")?;
        if command.network == Network::None {
            raw::loopback_up().context("turning the loopback on")?;
        }
        mounts::set_up(task)?;
    } else {
        rustix::process::chroot(&task.root).context("changing the root")?;
        rustix::process::chdir("/")?;
    }
    umask(Mode::WGRP | Mode::WOTH);
    enter_folder(&command.cwd)?;
    rustix::stdio::dup2_stdin(&nothing)?;
    raw::default_signals();
    SigSet::empty().thread_set_mask()?;
    if task.limit_each {
        limit_each(&command.limits)?;
    }
    rights::take_on(command, task.may_set_groups)?;
    // Another user's process has lost it.
    set_parent_process_death_signal(Some(Signal::KILL))?;
    Ok(Refused(execute(command)?))
}

/// Limits each process where there is no control group to limit all together.
fn limit_each(limits: &Limits) -> io::Result<()> {
    for (resource, limit) in [(Resource::Data, limits.memory), (Resource::Nproc, limits.pids)] {
        if limit.is_some() {
            setrlimit(resource, Rlimit { current: limit, maximum: limit })?;
        }
    }
    Ok(())
}

/// Goes into the command's working directory, which is made where it is not there.
fn enter_folder(cwd: &str) -> anyhow::Result<()> {
    let place = place::find(Path::new("/"), Path::new(cwd))?;
    let there = Path::new("/").join(&place.there);
    place::make(&there, &place.missing, place::Kind::Folder).with_context(|| format!("making `{cwd}`"))?;
    std::env::set_current_dir(Path::new("/").join(place.below_root())).with_context(|| format!("entering `{cwd}`"))
}

/// Executes the program; tells why that was refused, in the words of Docker.
fn execute(command: &Command) -> anyhow::Result<String> {
    let name = command.argv.first().context("there is no command")?;
    let program = if name.contains('/') {
        let path = PathBuf::from(name);
        match std::fs::metadata(&path) {
            Ok(metadata) if metadata.is_dir() => return Ok(format!("exec: \"{name}\": is a directory")),
            Ok(metadata) if metadata.permissions().mode() & 0o111 == 0 => {
                return Ok(format!("exec: \"{name}\": permission denied"));
            }
            Ok(_) => path,
            Err(error) => return Ok(format!("exec: \"{name}\": stat {name}: {}", reason(&error))),
        }
    } else {
        match in_path(name, &command.env) {
            Some(path) => path,
            None => return Ok(format!("exec: \"{name}\": executable file not found in $PATH")),
        }
    };
    let program = CString::new(program.as_os_str().as_bytes())?;
    let argv = command.argv.iter().map(|word| CString::new(word.as_str())).collect::<Result<Vec<_>, _>>()?;
    let env = environment(&command.env)?;
    let refused: Result<Infallible, _> = execve(&program, &argv, &env);
    let error = match refused {
        Ok(never) => match never {},
        Err(errno) => io::Error::from(errno),
    };
    Ok(format!("exec {}: {}", program.to_string_lossy(), reason(&error)))
}

/// Each name once, where it was first, with the value that was last.
fn environment(env: &[(String, String)]) -> anyhow::Result<Vec<CString>> {
    let mut lines: Vec<(&str, &str)> = Vec::with_capacity(env.len());
    for (name, value) in env {
        match lines.iter_mut().find(|(known, _)| known == name) {
            Some(line) => line.1 = value,
            None => lines.push((name, value)),
        }
    }
    lines.iter().map(|(name, value)| Ok(CString::new(format!("{name}={value}"))?)).collect()
}

/// The first file of a name in the folders of `PATH` that may be executed.
fn in_path(name: &str, env: &[(String, String)]) -> Option<PathBuf> {
    let path = env.iter().rev().find(|(name, _)| name == "PATH").map_or(DEFAULT_PATH, |(_, path)| path);
    let folders = path.split(':').map(|folder| if folder.is_empty() { "." } else { folder });
    folders.map(|folder| Path::new(folder).join(name)).find(|path| {
        std::fs::metadata(path).is_ok_and(|metadata| metadata.is_file() && metadata.permissions().mode() & 0o111 != 0)
    })
}

/// An error in the kernel's words, as programs in C and Go show it.
fn reason(error: &io::Error) -> String {
    let text = error.to_string();
    let text = text.split(" (os error").next().unwrap_or_default();
    let mut letters = text.chars();
    letters.next().map(|first| first.to_lowercase().chain(letters).collect()).unwrap_or_default()
}
