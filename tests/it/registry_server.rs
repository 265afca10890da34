//! A small registry with its token server, in this process, on a real socket, that fails as it is told to.

use std::collections::{BTreeMap, VecDeque};
use std::sync::{Arc, Mutex};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use sha2::{Digest as _, Sha256};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinHandle;

/// What the registry does to one request instead of answering it.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Fault {
    /// Answers with this status, these header lines and this body.
    Answer(u16, &'static str, &'static str),
    /// Answers well, and closes the connection before the last byte.
    Truncate,
    /// Closes the connection without a byte.
    Close,
    /// Never answers.
    Hang,
    /// Answers with something else of the same length.
    Garble,
    /// Answers well, but without telling the digest.
    NoDigest,
    /// Answers well, and tells another digest.
    OtherDigest,
}

/// Whom the registry lets in.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) enum Lock {
    #[default]
    Open,
    /// `me` with the password `pass`.
    Basic,
    /// Who brings a token; the token server gives one to anybody.
    TokenForAll,
    /// Who brings a token; the token server gives one to `me` with the password `pass`.
    TokenForMe,
    /// Who brings a token; the token server gives one for the refresh token `refresh`.
    TokenForRefresh,
    /// Who brings a token; the challenge names this token server.
    TokenFrom(&'static str),
}

#[derive(Default)]
struct World {
    address: String,
    lock: Lock,
    /// How many requests a token is good for.
    token_uses: Option<u32>,
    tokens: BTreeMap<String, u32>,
    manifests: BTreeMap<String, (String, Vec<u8>)>,
    blobs: BTreeMap<String, Vec<u8>>,
    faults: VecDeque<Fault>,
    token_faults: VecDeque<Fault>,
    log: Vec<String>,
}

pub(crate) struct Server {
    world: Arc<Mutex<World>>,
    task: JoinHandle<()>,
}

impl Drop for Server {
    fn drop(&mut self) {
        self.task.abort();
    }
}

pub(crate) fn digest_of(bytes: &[u8]) -> String {
    Sha256::digest(bytes).iter().fold("sha256:".to_owned(), |text, byte| format!("{text}{byte:02x}"))
}

impl Server {
    pub(crate) async fn start(lock: Lock) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap().to_string();
        let world = Arc::new(Mutex::new(World { address, lock, ..World::default() }));
        let shared = Arc::clone(&world);
        let task = tokio::spawn(async move {
            let mut connections = tokio::task::JoinSet::new();
            loop {
                let (stream, _) = listener.accept().await.unwrap();
                connections.spawn(serve(stream, Arc::clone(&shared)));
            }
        });
        Self { world, task }
    }

    /// Host and port.
    pub(crate) fn address(&self) -> String {
        self.world.lock().unwrap().address.clone()
    }

    /// Does these, in turn, to the next requests for manifests and blobs that are let in.
    pub(crate) fn fail(&self, faults: &[Fault]) {
        self.world.lock().unwrap().faults.extend(faults);
    }

    /// Does these, in turn, to the next requests for tokens.
    pub(crate) fn fail_tokens(&self, faults: &[Fault]) {
        self.world.lock().unwrap().token_faults.extend(faults);
    }

    pub(crate) fn tokens_expire_after(&self, uses: u32) {
        self.world.lock().unwrap().token_uses = Some(uses);
    }

    /// Serves a manifest in `repository` by its digest, which is returned, and by `tag`.
    pub(crate) fn put_manifest(&self, repository: &str, tag: &str, media_type: &str, text: &str) -> String {
        let mut world = self.world.lock().unwrap();
        let digest = digest_of(text.as_bytes());
        for name in [tag, &digest] {
            let served = (media_type.to_owned(), text.as_bytes().to_vec());
            world.manifests.insert(format!("/v2/{repository}/manifests/{name}"), served);
        }
        digest
    }

    /// Serves a blob by its digest, which is returned.
    pub(crate) fn put_blob(&self, repository: &str, text: &str) -> String {
        let digest = digest_of(text.as_bytes());
        let mut world = self.world.lock().unwrap();
        world.blobs.insert(format!("/v2/{repository}/blobs/{digest}"), text.as_bytes().to_vec());
        digest
    }

    /// The paths of a repository's blobs.
    pub(crate) fn blobs(&self, repository: &str) -> Vec<String> {
        let world = self.world.lock().unwrap();
        world.blobs.keys().filter(|path| path.starts_with(&format!("/v2/{repository}/"))).cloned().collect()
    }

    /// The bytes and type that are served under a tag.
    pub(crate) fn manifest(&self, repository: &str, tag: &str) -> Option<(String, String)> {
        let world = self.world.lock().unwrap();
        let (media_type, bytes) = world.manifests.get(&format!("/v2/{repository}/manifests/{tag}"))?;
        Some((media_type.clone(), String::from_utf8(bytes.clone()).unwrap()))
    }

    /// Every request since the last call, one a line: method, path, who asked, status.
    pub(crate) fn log(&self) -> String {
        std::mem::take(&mut self.world.lock().unwrap().log).join("\n")
    }
}

struct Asked {
    method: String,
    path: String,
    headers: BTreeMap<String, String>,
    body: Vec<u8>,
}

struct Reply {
    status: u16,
    headers: Vec<String>,
    body: Vec<u8>,
}

impl Reply {
    fn new(status: u16, body: &str) -> Self {
        Self { status, headers: Vec::new(), body: body.as_bytes().to_vec() }
    }

    fn with(mut self, header: String) -> Self {
        self.headers.push(header);
        self
    }
}

/// Answers one request and closes the connection.
async fn serve(mut stream: TcpStream, world: Arc<Mutex<World>>) {
    let Some(asked) = read(&mut stream).await else { return };
    let (mut reply, fault) = world.lock().unwrap().answer(&asked);
    let mut cut = 0;
    match fault {
        Some(Fault::Hang) => std::future::pending().await,
        Some(Fault::Close) => return,
        Some(Fault::Truncate) => cut = 1,
        Some(Fault::Garble) => reply.body.fill(b'?'),
        Some(Fault::NoDigest) => reply.headers.retain(|header| !header.starts_with("Docker-Content-Digest")),
        Some(Fault::OtherDigest) => {
            reply.headers.retain(|header| !header.starts_with("Docker-Content-Digest"));
            reply = reply.with(format!("Docker-Content-Digest: {}", digest_of(b"other")));
        }
        Some(Fault::Answer(..)) | None => {}
    }
    let mut head =
        format!("HTTP/1.1 {} -\r\nConnection: close\r\nContent-Length: {}\r\n", reply.status, reply.body.len());
    for header in &reply.headers {
        head.push_str(&format!("{header}\r\n"));
    }
    let body = if asked.method == "HEAD" { &[] } else { &reply.body[..reply.body.len() - cut] };
    // The client may have gone away: what it makes of that is what is tested.
    let _gone = stream.write_all(&[head.as_bytes(), b"\r\n", body].concat()).await;
}

/// What a client that wants TLS says first; servers on plain HTTP take it for a bad request.
const TLS_HANDSHAKE: u8 = 0x16;

async fn read(stream: &mut TcpStream) -> Option<Asked> {
    let mut bytes = Vec::new();
    let head_end = loop {
        if stream.read_buf(&mut bytes).await.ok()? == 0 {
            return None;
        }
        if bytes[0] == TLS_HANDSHAKE {
            stream.write_all(b"HTTP/1.1 400 Bad Request\r\nConnection: close\r\n\r\n").await.ok()?;
            return None;
        }
        if let Some(end) = bytes.windows(4).position(|window| window == b"\r\n\r\n") {
            break end + 4;
        }
    };
    let head = String::from_utf8(bytes[..head_end].to_vec()).ok()?;
    let mut lines = head.lines();
    let mut words = lines.next()?.split(' ');
    let (method, path) = (words.next()?.to_owned(), words.next()?.to_owned());
    let headers: BTreeMap<String, String> =
        lines.filter_map(|line| line.split_once(": ")).map(|(k, v)| (k.to_lowercase(), v.to_owned())).collect();
    let length = headers.get("content-length").map_or(0, |length| length.parse().unwrap());
    let mut body = bytes[head_end..].to_vec();
    while body.len() < length {
        if stream.read_buf(&mut body).await.ok()? == 0 {
            return None;
        }
    }
    Some(Asked { method, path, headers, body })
}

impl World {
    fn answer(&mut self, asked: &Asked) -> (Reply, Option<Fault>) {
        let (reply, fault) = if asked.path.starts_with("/token") {
            (self.give_token(asked), self.token_faults.pop_front())
        } else if let Some(challenge) = self.refuse(asked) {
            let body = r#"{"errors":[{"code":"UNAUTHORIZED","message":"authentication required"}]}"#;
            (Reply::new(401, body).with(format!("WWW-Authenticate: {challenge}")), None)
        } else {
            // A fault of the answer comes instead of the answer: nothing is stored then.
            match self.faults.pop_front() {
                Some(Fault::Answer(status, headers, body)) => {
                    let fault = Fault::Answer(status, headers, body);
                    (Reply::new(status, body), Some(fault))
                }
                fault => (self.serve_content(asked), fault),
            }
        };
        let (mut reply, fault) = (reply, fault);
        if let Some(Fault::Answer(status, headers, body)) = fault {
            reply = Reply { headers: headers.lines().map(str::to_owned).collect(), ..Reply::new(status, body) };
        }
        let who = asked.headers.get("authorization").map_or("nobody", |value| value.split(' ').next().unwrap());
        let form = String::from_utf8_lossy(&asked.body);
        let form =
            if asked.path.starts_with("/token") && !form.is_empty() { format!(" {form}") } else { String::new() };
        let fate = match fault {
            None | Some(Fault::Answer(..)) => reply.status.to_string(),
            Some(fault) => format!("{fault:?}"),
        };
        self.log.push(format!("{} {}{form} by {who}: {fate}", asked.method, asked.path));
        (reply, fault)
    }

    /// The challenge, where who asks is not let in.
    fn refuse(&mut self, asked: &Asked) -> Option<String> {
        let given = asked.headers.get("authorization").map_or("", String::as_str);
        match self.lock {
            Lock::Open => None,
            Lock::Basic if given == basic() => None,
            Lock::Basic => Some("Basic realm=\"here\"".to_owned()),
            Lock::TokenForAll | Lock::TokenForMe | Lock::TokenForRefresh | Lock::TokenFrom(_) => {
                let wanted = if asked.method == "PUT" { "push" } else { "pull" };
                let token = given.strip_prefix("Bearer ").unwrap_or_default();
                if let Some(uses) = self.tokens.get_mut(token)
                    && *uses > 0
                    && token.contains(wanted)
                {
                    *uses -= 1;
                    return None;
                }
                let realm = match self.lock {
                    Lock::TokenFrom(realm) => realm.to_owned(),
                    _ => format!("http://{}/token", self.address),
                };
                Some(format!("Bearer realm=\"{realm}\",service=\"the service\""))
            }
        }
    }

    fn give_token(&mut self, asked: &Asked) -> Reply {
        let given = asked.headers.get("authorization").map_or("", String::as_str);
        let form = String::from_utf8_lossy(&asked.body);
        let welcome = match self.lock {
            Lock::TokenForMe => given == basic(),
            Lock::TokenForRefresh => form.contains("refresh_token=refresh"),
            _ => given.is_empty(),
        };
        if !welcome {
            return Reply::new(401, r#"{"details":"incorrect username or password"}"#);
        }
        let writes = asked.path.contains("push") || form.contains("push");
        let token = format!("{}-{}", self.tokens.len(), if writes { "pull,push" } else { "pull" });
        self.tokens.insert(token.clone(), self.token_uses.unwrap_or(u32::MAX));
        let name = if self.tokens.len().is_multiple_of(2) { "token" } else { "access_token" };
        Reply::new(200, &format!(r#"{{"{name}":"{token}","expires_in":60}}"#))
    }

    fn serve_content(&mut self, asked: &Asked) -> Reply {
        if asked.method == "PUT" {
            let served = (asked.headers["content-type"].clone(), asked.body.clone());
            self.manifests.insert(asked.path.clone(), served);
            return Reply::new(201, "").with(format!("Docker-Content-Digest: {}", digest_of(&asked.body)));
        }
        if let Some(bytes) = self.blobs.get(&asked.path) {
            return Reply { status: 200, headers: Vec::new(), body: bytes.clone() };
        }
        match self.manifests.get(&asked.path) {
            Some((media_type, bytes)) => Reply { status: 200, headers: Vec::new(), body: bytes.clone() }
                .with(format!("Content-Type: {media_type}"))
                .with(format!("Docker-Content-Digest: {}", digest_of(bytes))),
            None => Reply::new(404, r#"{"errors":[{"code":"MANIFEST_UNKNOWN","message":"manifest unknown"}]}"#),
        }
    }
}

fn basic() -> String {
    format!("Basic {}", STANDARD.encode("me:pass"))
}
