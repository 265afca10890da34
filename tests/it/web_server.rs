//! A web server in this process, on a real socket, that answers each path as it is told to.

use std::collections::BTreeMap;
use std::io::{BufRead as _, BufReader, Write as _};
use std::net::{TcpListener, TcpStream};
use std::sync::{Arc, Mutex};

/// What is at a path.
#[derive(Debug, Clone)]
pub(crate) enum Page {
    Body(Vec<u8>),
    /// The body, whose length is told too long.
    Cut(Vec<u8>),
    Status(u16),
    LeadsTo(String),
}

#[derive(Default)]
struct State {
    pages: BTreeMap<String, Page>,
    log: Vec<String>,
}

pub(crate) struct Web {
    pub(crate) address: String,
    state: Arc<Mutex<State>>,
}

impl Web {
    pub(crate) fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap().to_string();
        let state = Arc::<Mutex<State>>::default();
        let shared = Arc::clone(&state);
        // It ends with the process.
        std::thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                let state = Arc::clone(&shared);
                std::thread::spawn(move || answer(&stream, &state));
            }
        });
        Self { address, state }
    }

    pub(crate) fn put(&self, path: &str, page: Page) {
        self.state.lock().unwrap().pages.insert(path.to_owned(), page);
    }

    /// What was asked since the last call, sorted, a line each.
    pub(crate) fn log(&self) -> String {
        let mut log = std::mem::take(&mut self.state.lock().unwrap().log);
        log.sort();
        log.join("\n")
    }
}

/// Answers one question, and closes the connection.
fn answer(mut stream: &TcpStream, state: &Mutex<State>) {
    let mut lines = BufReader::new(stream).lines().map_while(Result::ok);
    let Some(first) = lines.next() else { return };
    let has_credentials = lines.take_while(|line| !line.is_empty()).any(|line| {
        let line = line.to_lowercase();
        line.starts_with("authorization") || line.starts_with("cookie")
    });
    let mut words = first.split(' ');
    let (method, path) = (words.next().unwrap(), words.next().unwrap_or_default());
    let page = {
        let mut state = state.lock().unwrap();
        state.log.push(format!("{method} {path}{}", if has_credentials { " with credentials" } else { "" }));
        state.pages.get(path).cloned().unwrap_or(Page::Status(404))
    };
    let (status, header, body, length) = match page {
        Page::Body(body) => (200, String::new(), body.clone(), body.len()),
        Page::Cut(body) => (200, String::new(), body.clone(), body.len() + 1),
        Page::Status(status) => (status, String::new(), Vec::new(), 0),
        Page::LeadsTo(url) => (302, format!("Location: {url}\r\n"), Vec::new(), 0),
    };
    let head = format!("HTTP/1.1 {status} x\r\nContent-Length: {length}\r\n{header}Connection: close\r\n\r\n");
    // Whoever asked may be gone.
    let _sent = stream.write_all(head.as_bytes()).and_then(|()| stream.write_all(&body));
}
