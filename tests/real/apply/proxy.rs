//! A proxy on the engine's socket: it counts the calls that change something, and lets one of them go wrong, or wait while
//! the test does something.

use std::collections::BTreeSet;
use std::io::{self, BufRead as _, BufReader, Read as _, Write as _};
use std::net::Shutdown;
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::{Path, PathBuf};
use std::process::Child;
use std::sync::{Arc, Condvar, Mutex, MutexGuard};
use std::time::Duration;

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;

use crate::parts;

/// What goes wrong with a call.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Fault {
    /// Windlass is killed before the engine gets the call.
    KillBefore,
    /// Windlass is killed after the engine has done it.
    KillAfter,
    /// Somebody presses Ctrl-C when the engine has done it.
    Interrupt,
    /// The engine does nothing and answers with 500.
    Refuse,
    /// The engine does it, and the connection is closed without an answer.
    LoseReply,
    /// The connection is closed, and the engine knows nothing of it.
    Drop,
    /// The engine gets nothing, and nobody answers.
    HangBefore,
    /// The engine does it, and nobody answers.
    HangAfter,
    /// The engine is killed after it has done it. It has to be a test's own.
    KillEngine,
}

impl Fault {
    /// What can be done to windlass, and to an engine that others need.
    pub(crate) const ALL: [Self; 8] = [
        Self::KillBefore,
        Self::KillAfter,
        Self::Interrupt,
        Self::Refuse,
        Self::LoseReply,
        Self::Drop,
        Self::HangBefore,
        Self::HangAfter,
    ];
}

/// When a call waits for the test.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum When {
    /// Before the engine gets it.
    Before,
    /// After the engine has done it, and before windlass knows.
    After,
}

impl When {
    pub(crate) const ALL: [Self; 2] = [Self::Before, Self::After];
}

/// What the proxy knows.
#[derive(Debug, Default)]
struct State {
    /// The calls that change something, since the proxy was armed.
    changes: Vec<String>,
    /// The call, counted from 1, that goes wrong, and how.
    fault: Option<(usize, Fault)>,
    /// The call, counted from 1, that waits for the test.
    holds: Option<(usize, When)>,
    /// Whether it waits now.
    is_held: bool,
    /// How often the containers were listed.
    n_looks: usize,
    /// What ran after each call that the engine did.
    running: Vec<BTreeSet<String>>,
    /// Who is to be killed: windlass, or the engine.
    victim: Option<Pid>,
}

/// A socket before the engine's. It ends with the test's process.
#[derive(Debug)]
pub(crate) struct Proxy {
    socket: PathBuf,
    shared: Arc<Shared>,
}

#[derive(Debug)]
struct Shared {
    /// The engine's socket.
    engine: PathBuf,
    project: String,
    state: Mutex<State>,
    /// Told when it is known who is to be killed, when a call is held or let go, and when somebody looks.
    known: Condvar,
}

impl Shared {
    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap()
    }
}

impl Proxy {
    /// Starts to listen on a socket, for a project.
    pub(crate) fn start(socket: &Path, project: &str) -> Self {
        Self::before(Path::new(parts::docker_host().trim_start_matches("unix://")), socket, project)
    }

    /// The same before another engine than that of all tests.
    pub(crate) fn before(engine: &Path, socket: &Path, project: &str) -> Self {
        let listener = UnixListener::bind(socket).unwrap();
        let (engine, project) = (engine.to_owned(), project.to_owned());
        let shared = Arc::new(Shared { engine, project, state: Mutex::default(), known: Condvar::new() });
        let proxy = Self { socket: socket.to_owned(), shared: Arc::clone(&shared) };
        std::thread::spawn(move || {
            for client in listener.incoming() {
                let (client, shared) = (client.unwrap(), Arc::clone(&shared));
                // A client that was killed leaves a connection that fails in any way: that is no fault of the test.
                std::thread::spawn(move || drop(serve(&client, &shared)));
            }
        });
        proxy
    }

    /// The address for `--host`.
    pub(crate) fn address(&self) -> String {
        format!("unix://{}", self.socket.display())
    }

    /// Counts from here, and lets the so-manieth call go wrong where that is asked for.
    pub(crate) fn arm(&self, fault: Option<(usize, Fault)>) {
        *self.shared.state() = State { fault, ..State::default() };
    }

    /// Says which process is to be killed; a fault that needs it waits until then.
    pub(crate) fn victim_is(&self, pid: u32) {
        self.shared.state().victim = Some(Pid::from_raw(pid.try_into().unwrap()));
        self.shared.known.notify_all();
    }

    /// Lets the so-manieth call wait.
    pub(crate) fn hold(&self, at: usize, when: When) {
        self.shared.state().holds = Some((at, when));
    }

    /// Waits until that call is held; tells of a windlass that ends without it.
    pub(crate) fn is_held(&self, windlass: &mut Child) -> bool {
        let mut state = self.shared.state();
        while !state.is_held {
            if windlass.try_wait().unwrap().is_some() {
                return false;
            }
            // The end of a process is told by nobody.
            state = self.shared.known.wait_timeout(state, Duration::from_millis(50)).unwrap().0;
        }
        true
    }

    /// Lets the call go on that is held.
    pub(crate) fn let_go(&self) {
        self.shared.state().is_held = false;
        self.shared.known.notify_all();
    }

    /// Waits until the containers were listed so often since the proxy was armed; fails where nobody lists them any more.
    pub(crate) fn wait_for_looks(&self, n: usize) {
        let mut state = self.shared.state();
        while state.n_looks < n {
            let before = state.n_looks;
            let is_new = |state: &mut State| state.n_looks == before;
            let (next, ended) = self.shared.known.wait_timeout_while(state, Duration::from_secs(60), is_new).unwrap();
            assert!(!ended.timed_out(), "nobody has listed the containers since {before} of {n} times");
            state = next;
        }
    }

    /// What ran, by its names in the manifest, after each call that the engine did since the proxy was armed.
    pub(crate) fn running(&self) -> Vec<BTreeSet<String>> {
        self.shared.state().running.clone()
    }

    /// The calls that changed something since the proxy was armed, `METHOD path` each.
    pub(crate) fn changes(&self) -> Vec<String> {
        self.shared.state().changes.clone()
    }
}

/// Serves one call: the engine is asked to close the connection after its answer, so that its end is known.
fn serve(client: &UnixStream, shared: &Shared) -> io::Result<()> {
    let mut reader = BufReader::new(client);
    let mut head = String::new();
    while !head.ends_with("\r\n\r\n") {
        if reader.read_line(&mut head)? == 0 {
            return Ok(());
        }
    }
    let header = |name: &str| {
        let find = |line: &str| {
            Some(line.split_once(':').filter(|(key, _)| key.eq_ignore_ascii_case(name))?.1.trim().to_owned())
        };
        head.lines().find_map(find)
    };
    let length = header("content-length").map_or(0, |length| length.parse().unwrap());
    let is_chunked = header("transfer-encoding").is_some();
    let mut body = vec![0; length];
    reader.read_exact(&mut body)?;
    while is_chunked && !body.ends_with(b"0\r\n\r\n") {
        let mut more = [0; 4096];
        let n = reader.read(&mut more)?;
        body.extend_from_slice(&more[..n]);
    }
    let forward = || -> io::Result<UnixStream> {
        let engine = UnixStream::connect(&shared.engine)?;
        let head = head.strip_suffix("\r\n").unwrap().to_owned() + "Connection: close\r\n\r\n";
        (&engine).write_all(head.as_bytes())?;
        (&engine).write_all(&body)?;
        Ok(engine)
    };
    if head.starts_with("GET ") || head.starts_with("HEAD ") {
        if head.lines().next().unwrap().contains("/containers/json?") {
            shared.state().n_looks += 1;
            shared.known.notify_all();
        }
        let mut engine = forward()?;
        // Who listens for events goes away in the middle of the answer.
        let (mut listens, to_engine) = (client.try_clone()?, engine.try_clone()?);
        let is_gone = std::thread::spawn(move || {
            let _nothing_more_is_asked = listens.read(&mut [0]);
            to_engine.shutdown(Shutdown::Both)
        });
        io::copy(&mut engine, &mut &*client)?;
        client.shutdown(Shutdown::Both)?;
        return is_gone.join().unwrap().or(Ok(()));
    }
    let done = || -> io::Result<Vec<u8>> {
        let mut answer = Vec::new();
        forward()?.read_to_end(&mut answer)?;
        let running = running(shared)?;
        shared.state().running.push(running);
        Ok(answer)
    };
    let (fault, holds) = count(&head, shared);
    if holds == Some(When::Before) {
        hold(shared);
    }
    match fault {
        None => {
            let answer = done()?;
            if holds == Some(When::After) {
                hold(shared);
            }
            (&mut &*client).write_all(&answer)?;
        }
        Some(Fault::KillBefore) => signal(shared, Signal::SIGKILL),
        Some(Fault::KillAfter | Fault::KillEngine) => {
            done()?;
            signal(shared, Signal::SIGKILL);
        }
        Some(Fault::Interrupt) => {
            let answer = done()?;
            signal(shared, Signal::SIGINT);
            (&mut &*client).write_all(&answer)?;
        }
        Some(Fault::Refuse) => {
            let text = r#"{"message": "the engine does not feel like it"}"#;
            let length = text.len();
            let head = "HTTP/1.1 500 Internal Server Error\r\nContent-Type: application/json\r\nConnection: close\r\n";
            write!(&mut &*client, "{head}Content-Length: {length}\r\n\r\n{text}")?;
        }
        Some(Fault::LoseReply) => drop(done()?),
        Some(Fault::Drop) => {}
        Some(Fault::HangBefore) => drop(reader.read(&mut [0])?),
        Some(Fault::HangAfter) => {
            done()?;
            let _nothing_more_comes = reader.read(&mut [0])?;
        }
    }
    client.shutdown(Shutdown::Both)
}

/// The names, in their manifest, of the project's containers that run.
fn running(shared: &Shared) -> io::Result<BTreeSet<String>> {
    let mut engine = UnixStream::connect(&shared.engine)?;
    let project = &shared.project;
    // Of the older protocol, whose answers come in one piece; the filter is `{"label":["dev.windlass.project=…"]}`.
    let filter = format!("%7B%22label%22%3A%5B%22dev.windlass.project%3D{project}%22%5D%7D");
    engine.write_all(format!("GET /containers/json?filters={filter} HTTP/1.0\r\n\r\n").as_bytes())?;
    let mut answer = String::new();
    engine.read_to_string(&mut answer)?;
    let listed: serde_json::Value = serde_json::from_str(answer.split_once("\r\n\r\n").unwrap().1)?;
    let name =
        |container: &serde_json::Value| container["Labels"]["dev.windlass.container"].as_str().map(str::to_owned);
    Ok(listed.as_array().unwrap().iter().filter_map(name).collect())
}

/// Counts a call that changes something, and tells what goes wrong with it and when it waits.
fn count(head: &str, shared: &Shared) -> (Option<Fault>, Option<When>) {
    let mut state = shared.state();
    let call = head.lines().next().unwrap().rsplit_once(' ').unwrap().0.to_owned();
    state.changes.push(call);
    let n = state.changes.len();
    let fault = state.fault.filter(|(at, _)| *at == n).map(|(_, fault)| fault);
    (fault, state.holds.filter(|(at, _)| *at == n).map(|(_, when)| when))
}

/// Waits until the test lets it go on.
fn hold(shared: &Shared) {
    let mut state = shared.state();
    state.is_held = true;
    shared.known.notify_all();
    drop(shared.known.wait_while(state, |state| state.is_held).unwrap());
}

fn signal(shared: &Shared, signal: Signal) {
    let state = shared.known.wait_while(shared.state(), |state| state.victim.is_none()).unwrap();
    // One that has ended by itself is waited for by the test: its number is not given to another process before.
    let _is_gone_already = kill(state.victim.unwrap(), signal).is_err();
}
