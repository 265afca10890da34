//! A proxy before the tests' registry: it writes down what it is asked, and answers wrongly where that is wanted.

use std::io::{self, BufRead as _, BufReader, Read as _, Write as _};
use std::net::{Shutdown, TcpListener, TcpStream};
use std::sync::{Arc, Mutex, MutexGuard};

/// How a registry answers wrongly.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Wrong {
    /// With this status.
    Status(u16),
    /// With half of what it has.
    Cut,
    /// With other bytes of the same length.
    Other,
    /// Not at all.
    Silent,
}

#[derive(Debug, Default)]
struct State {
    asked: Vec<String>,
    wrong: Option<Wrong>,
}

/// It ends with the test's process.
#[derive(Debug)]
pub(crate) struct RegistryProxy {
    /// Host and port.
    pub(crate) address: String,
    state: Arc<Mutex<State>>,
}

impl RegistryProxy {
    /// Starts one before a registry.
    pub(crate) fn start(registry: &str) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap().to_string();
        let state = Arc::<Mutex<State>>::default();
        let (shared, registry) = (Arc::clone(&state), registry.to_owned());
        std::thread::spawn(move || {
            for client in listener.incoming().flatten() {
                let (state, registry) = (Arc::clone(&shared), registry.clone());
                // Whoever asked may be gone: that is no fault of the test.
                std::thread::spawn(move || drop(serve(&client, &registry, &state)));
            }
        });
        Self { address, state }
    }

    /// From here on it answers wrongly, or rightly.
    pub(crate) fn answers(&self, wrong: Option<Wrong>) {
        self.state().wrong = wrong;
    }

    /// What it was asked since the last call, `METHOD path` each.
    pub(crate) fn asked(&self) -> Vec<String> {
        std::mem::take(&mut self.state().asked)
    }

    /// How much it was asked since then.
    pub(crate) fn n_asked(&self) -> usize {
        self.state().asked.len()
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap()
    }
}

/// Serves one question without a body: the registry is asked to close the connection after its answer, so that its end is
/// known.
fn serve(mut client: &TcpStream, registry: &str, state: &Mutex<State>) -> io::Result<()> {
    let mut reader = BufReader::new(client);
    let mut head = String::new();
    while !head.ends_with("\r\n\r\n") {
        if reader.read_line(&mut head)? == 0 {
            return Ok(());
        }
    }
    let asked = head.lines().next().unwrap().rsplit_once(' ').unwrap().0.to_owned();
    let wrong = {
        let mut state = state.lock().unwrap();
        state.asked.push(asked);
        state.wrong
    };
    match wrong {
        Some(Wrong::Status(status)) => {
            let code = match status {
                401 => "UNAUTHORIZED",
                404 => "MANIFEST_UNKNOWN",
                429 => "TOOMANYREQUESTS",
                _ => "UNKNOWN",
            };
            let body = format!(r#"{{"errors": [{{"code": "{code}", "message": "it does not want"}}]}}"#);
            let head = format!("HTTP/1.1 {status} x\r\nContent-Type: application/json\r\nConnection: close\r\n");
            write!(client, "{head}Content-Length: {}\r\n\r\n{body}", body.len())?;
            return client.shutdown(Shutdown::Both);
        }
        // Until who asks has had enough.
        Some(Wrong::Silent) => return reader.read(&mut [0]).map(drop),
        Some(Wrong::Cut | Wrong::Other) | None => {}
    }
    let lines = head.trim_end().lines().filter(|line| !line.to_lowercase().starts_with("connection:"));
    let head: String = lines.chain(["Connection: close", ""]).map(|line| format!("{line}\r\n")).collect();
    let mut upstream = TcpStream::connect(registry)?;
    upstream.write_all(head.as_bytes())?;
    let mut answer = Vec::new();
    upstream.read_to_end(&mut answer)?;
    let body = answer.windows(4).position(|bytes| bytes == b"\r\n\r\n").map_or(answer.len(), |at| at + 4);
    match wrong {
        Some(Wrong::Cut) => answer.truncate(body + (answer.len() - body) / 2),
        Some(Wrong::Other) => answer[body..].iter_mut().for_each(|byte| *byte ^= 1),
        Some(Wrong::Status(_) | Wrong::Silent) | None => {}
    }
    client.write_all(&answer)?;
    client.shutdown(Shutdown::Both)
}
