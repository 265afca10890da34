//! An instance metadata service as EC2's: who asks without a token that it gave gets nothing.

use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::{TcpListener, TcpStream};
use std::sync::{Arc, Mutex};

/// What it answers to the question for the user-data.
#[derive(Debug, Clone)]
pub(crate) enum UserData {
    Body(Vec<u8>),
    /// The body, whose length is told too long.
    Cut(Vec<u8>),
    Status(u16),
    /// Nothing, for as long as somebody waits.
    Silent,
    /// The answer to the question for a token never arrives, as behind a network of containers.
    NoToken,
}

#[derive(Debug)]
struct State {
    user_data: UserData,
    asked: Vec<String>,
}

/// It ends with the test's process.
#[derive(Debug)]
pub(crate) struct MetadataServer {
    /// Its address, for `AWS_EC2_METADATA_SERVICE_ENDPOINT`.
    pub(crate) endpoint: String,
    state: Arc<Mutex<State>>,
}

impl MetadataServer {
    pub(crate) fn start(user_data: UserData) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let endpoint = format!("http://{}/", listener.local_addr().unwrap());
        let state = Arc::new(Mutex::new(State { user_data, asked: Vec::new() }));
        let shared = Arc::clone(&state);
        std::thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                let state = Arc::clone(&shared);
                // Whoever asked may be gone.
                std::thread::spawn(move || drop(answer(&stream, &state)));
            }
        });
        Self { endpoint, state }
    }

    pub(crate) fn says(&self, user_data: UserData) {
        self.state.lock().unwrap().user_data = user_data;
    }

    /// How much it was asked since then.
    pub(crate) fn n_asked(&self) -> usize {
        self.state.lock().unwrap().asked.len()
    }

    /// What it was asked since the last call, with the headers that are its own.
    pub(crate) fn asked(&self) -> Vec<String> {
        std::mem::take(&mut self.state.lock().unwrap().asked)
    }
}

/// Answers one question, and closes the connection.
fn answer(mut stream: &TcpStream, state: &Mutex<State>) -> std::io::Result<()> {
    const TOKEN: &str = "AQAEA-a-token==";
    let mut reader = BufReader::new(stream);
    let mut lines = Vec::new();
    loop {
        let mut line = String::new();
        if reader.read_line(&mut line)? == 0 {
            return Ok(());
        }
        match line.trim_end() {
            "" => break,
            line => lines.push(line.to_owned()),
        }
    }
    let question = lines[0].rsplit_once(' ').unwrap().0.to_owned();
    let own = lines.iter().filter(|line| line.to_lowercase().starts_with("x-aws-"));
    let asked: Vec<&str> = [question.as_str()].into_iter().chain(own.map(String::as_str)).collect();
    let (asked, has_token) = (asked.join(" "), asked.contains(&format!("x-aws-ec2-metadata-token: {TOKEN}").as_str()));
    let user_data = {
        let mut state = state.lock().unwrap();
        state.asked.push(asked);
        state.user_data.clone()
    };
    let (status, body, length) = match (question.as_str(), user_data) {
        ("PUT /latest/api/token", UserData::NoToken) | (_, UserData::Silent) => return reader.read(&mut [0]).map(drop),
        ("PUT /latest/api/token", _) => (200, TOKEN.as_bytes().to_vec(), TOKEN.len()),
        _ if !has_token => (401, Vec::new(), 0),
        ("GET /latest/user-data", UserData::Body(body)) => (200, body.clone(), body.len()),
        ("GET /latest/user-data", UserData::Cut(body)) => (200, body.clone(), body.len() + 1),
        ("GET /latest/user-data", UserData::Status(status)) => (status, Vec::new(), 0),
        _ => (404, Vec::new(), 0),
    };
    write!(stream, "HTTP/1.1 {status} x\r\nContent-Length: {length}\r\nConnection: close\r\n\r\n")?;
    stream.write_all(&body)
}
