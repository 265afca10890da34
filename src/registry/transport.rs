//! One request and its answer: where a registry is, how long it may take, how much it may say, and which error a
//! refusal is.

use std::collections::BTreeSet;
use std::net::IpAddr;
use std::path::PathBuf;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use reqwest::header::{AUTHORIZATION, CONTENT_LENGTH, HeaderMap, HeaderName, HeaderValue, LOCATION};
use reqwest::redirect::Policy;
use reqwest::{Client, ClientBuilder, Method, Response, StatusCode, Url};
use serde::Deserialize;

use super::Error;
use super::download::REDIRECTIONS_AT_MOST;
use super::stream;
use super::text::shown;

/// No manifest, configuration or token is longer, in bytes. Registries cap manifests at 4 MiB; arbitrary above that.
const LONGEST_BODY: usize = 8 << 20;

/// Who is asked, and for what: the words of every error.
#[derive(Debug, Clone, Copy)]
pub(super) struct About<'a> {
    /// The registry's host and port.
    pub(super) registry: &'a str,
    /// What is being done: "reading `ghcr.io/acme/api:latest`".
    pub(super) doing: &'a str,
}

/// A question to a registry or its token server.
#[derive(Debug, Clone)]
pub(super) struct Request {
    pub(super) method: Method,
    pub(super) url: Url,
    pub(super) headers: Vec<(HeaderName, HeaderValue)>,
    pub(super) body: Body,
}

/// What a request brings.
#[derive(Debug, Clone)]
pub(super) enum Body {
    Bytes(Vec<u8>),
    /// A file that is read while it is sent, and its length in bytes.
    File(PathBuf, u64),
}

impl Body {
    pub(super) const EMPTY: Self = Self::Bytes(Vec::new());
}

/// A whole answer, whatever its status.
#[derive(Debug)]
pub(super) struct Answer {
    pub(super) status: StatusCode,
    pub(super) headers: HeaderMap,
    pub(super) body: Vec<u8>,
    /// The host that answered, where it is another than the one asked: a store that blobs are redirected to.
    pub(super) elsewhere: Option<String>,
}

/// Sends requests, each within a deadline.
pub(super) struct Transport {
    plain_http: BTreeSet<String>,
    deadline: Duration,
    loopback: OnceLock<Result<Client, String>>,
    plain: OnceLock<Result<Client, String>>,
    tls: OnceLock<Result<Client, String>>,
}

impl Transport {
    pub(super) fn new(plain_http: BTreeSet<String>, deadline: Duration) -> Self {
        Self { plain_http, deadline, loopback: OnceLock::new(), plain: OnceLock::new(), tls: OnceLock::new() }
    }

    /// The URL of `path` in the registry: plain HTTP on this machine, as for Docker, and where it is asked for.
    pub(super) fn url(&self, about: About<'_>, path: &str) -> Result<Url, Error> {
        let host = if about.registry == "docker.io" { "registry-1.docker.io" } else { about.registry };
        let scheme = if self.is_plain(about.registry) { "http" } else { "https" };
        Url::parse(&format!("{scheme}://{host}{path}"))
            .map_err(|error| about.unreachable(format!("its name makes no URL: {error}")))
    }

    /// Whether the registry is spoken to without TLS.
    pub(super) fn is_plain(&self, registry: &str) -> bool {
        self.plain_http.contains(registry) || is_loopback(host_without_port(registry))
    }

    /// Sends a request with `authorization` and reads the whole answer.
    pub(super) async fn send(
        &self,
        about: About<'_>,
        request: &Request,
        authorization: Option<&HeaderValue>,
    ) -> Result<Answer, Error> {
        let response = self.open(about, request, authorization).await?;
        self.read(about, request, response).await
    }

    /// Sends a request with `authorization`; the answer is still to be read. What the client itself may not follow,
    /// because another one has the certificates for it, is followed without authorization.
    pub(super) async fn open(
        &self,
        about: About<'_>,
        request: &Request,
        authorization: Option<&HeaderValue>,
    ) -> Result<Response, Error> {
        let Request { method, url, headers, body } = request;
        let client = self.client_for(url).map_err(|why| about.not_equipped(why))?;
        let mut builder = client.request(method.clone(), url.clone());
        for (name, value) in headers {
            builder = builder.header(name, value);
        }
        if let Some(value) = authorization {
            builder = builder.header(AUTHORIZATION, value);
        }
        let n_sent = Arc::new(AtomicU64::new(0));
        let mut patience = 1;
        builder = match body {
            Body::Bytes(bytes) => builder.body(bytes.clone()),
            Body::File(path, size) => {
                let file = tokio::fs::File::open(path).await.map_err(|error| about.local(&error))?;
                // A registry that has all of a great blob hashes it before it answers.
                patience += size >> 30;
                builder.header(CONTENT_LENGTH, *size).body(stream::body(file, Arc::clone(&n_sent)))
            }
        };
        let mut response = self.while_it_moves(about, builder, &n_sent, patience).await?;
        for _ in 0..REDIRECTIONS_AT_MOST {
            let led = response.headers().get(LOCATION).filter(|_| response.status().is_redirection());
            let Some(led) = led.and_then(|led| led.to_str().ok()) else { break };
            let url = response.url().join(led).map_err(|_| about.protocol("it leads to no address"))?;
            let client = self.client_for(&url).map_err(|why| about.not_equipped(why))?;
            response = self.while_it_moves(about, client.request(method.clone(), url), &n_sent, 1).await?;
        }
        Ok(response)
    }

    /// Waits for an answer as long as something is sent: for so many deadlines in which nothing is.
    async fn while_it_moves(
        &self,
        about: About<'_>,
        builder: reqwest::RequestBuilder,
        n_sent: &AtomicU64,
        patience: u64,
    ) -> Result<Response, Error> {
        let mut answer = std::pin::pin!(builder.send());
        let (mut n_before, mut n_waits) = (0, 0);
        loop {
            if let Ok(answer) = tokio::time::timeout(self.deadline, &mut answer).await {
                return answer.map_err(|error| about.failed(&error));
            }
            let n_now = n_sent.load(Ordering::Relaxed);
            n_waits = if n_now == n_before { n_waits + 1 } else { 0 };
            n_before = n_now;
            if n_waits == patience {
                return Err(self.too_late(about));
            }
        }
    }

    /// Reads the whole answer to a request.
    pub(super) async fn read(&self, about: About<'_>, request: &Request, response: Response) -> Result<Answer, Error> {
        let answer = tokio::time::timeout(self.deadline, whole(about, &request.url, response)).await;
        answer.unwrap_or_else(|_| Err(self.too_late(about)))
    }

    fn too_late(&self, about: About<'_>) -> Error {
        about.unreachable(format!("no whole answer within {}s", self.deadline.as_secs_f32()))
    }

    /// How long nothing may happen.
    pub(super) fn deadline(&self) -> Duration {
        self.deadline
    }

    /// Waits for the next part of an answer; why there is none is told without the address.
    pub(super) async fn in_time<T>(&self, part: impl Future<Output = Result<T, reqwest::Error>>) -> Result<T, String> {
        match tokio::time::timeout(self.deadline, part).await {
            Ok(part) => part.map_err(|error| innermost(&error)),
            Err(_) => Err(format!("nothing comes within {}s", self.deadline.as_secs_f32())),
        }
    }

    /// A client for each way: this machine is reached past any proxy, and only TLS needs the system's certificates,
    /// which an image made from scratch may lack.
    pub(super) fn client_for(&self, url: &Url) -> Result<&Client, String> {
        let (slot, suit): (_, fn(ClientBuilder) -> ClientBuilder) = match way(url) {
            Way::Loopback => (&self.loopback, |builder| builder.no_proxy().tls_certs_only([])),
            Way::Plain => (&self.plain, |builder| builder.tls_certs_only([])),
            Way::Tls => (&self.tls, |builder| builder),
        };
        let client = slot.get_or_init(|| {
            // It fails where a provider is there already, which is as good.
            let _already_there = rustls::crypto::ring::default_provider().install_default();
            let redirect = Policy::custom(|attempt| match attempt.previous() {
                // What it has no certificates for, another client asks.
                [.., last] if way(last) != Way::Tls && way(attempt.url()) == Way::Tls => attempt.stop(),
                _ => Policy::default().redirect(attempt),
            });
            let builder = suit(Client::builder().user_agent(USER_AGENT).referer(false).redirect(redirect));
            builder.build().map_err(|error| {
                let why = innermost(&error);
                why.strip_prefix("unexpected error: ").unwrap_or(&why).to_owned()
            })
        });
        client.as_ref().map_err(Clone::clone)
    }
}

/// How a server is reached.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Way {
    Loopback,
    Plain,
    Tls,
}

fn way(url: &Url) -> Way {
    match (url.scheme(), is_loopback(url.host_str().unwrap_or_default())) {
        ("http", true) => Way::Loopback,
        ("http", false) => Way::Plain,
        _ => Way::Tls,
    }
}

pub(super) const USER_AGENT: &str = concat!("windlass/", env!("CARGO_PKG_VERSION"));

async fn whole(about: About<'_>, asked: &Url, mut response: Response) -> Result<Answer, Error> {
    let mut body = Vec::new();
    loop {
        match response.chunk().await {
            Ok(Some(chunk)) if body.len() + chunk.len() > LONGEST_BODY => {
                return Err(about.protocol(format!("it is longer than {} MiB", LONGEST_BODY >> 20)));
            }
            Ok(Some(chunk)) => body.extend_from_slice(&chunk),
            Ok(None) => break,
            Err(_) => return Err(about.truncated()),
        }
    }
    let elsewhere = elsewhere(asked, &response);
    Ok(Answer { status: response.status(), headers: std::mem::take(response.headers_mut()), body, elsewhere })
}

/// The host that answered, where it is another than the one asked.
pub(super) fn elsewhere(asked: &Url, response: &Response) -> Option<String> {
    let answered = response.url();
    (answered.origin() != asked.origin()).then(|| authority(answered))
}

/// Host and, where it is written, port.
pub(super) fn authority(url: &Url) -> String {
    let host = url.host_str().unwrap_or_default();
    url.port().map_or_else(|| host.to_owned(), |port| format!("{host}:{port}"))
}

impl About<'_> {
    pub(super) fn protocol(&self, why: impl Into<String>) -> Error {
        Error::Protocol { registry: self.registry.to_owned(), doing: self.doing.to_owned(), why: why.into() }
    }

    pub(super) fn unreachable(&self, why: impl Into<String>) -> Error {
        Error::Unreachable { registry: self.registry.to_owned(), doing: self.doing.to_owned(), why: why.into() }
    }

    pub(super) fn not_found(&self) -> Error {
        Error::NotFound { registry: self.registry.to_owned(), doing: self.doing.to_owned() }
    }

    /// A file of this machine can't be read or written.
    pub(super) fn local(&self, error: &std::io::Error) -> Error {
        Error::Local { doing: self.doing.to_owned(), why: error.to_string() }
    }

    fn not_equipped(&self, why: String) -> Error {
        Error::NotEquipped { registry: self.registry.to_owned(), doing: self.doing.to_owned(), why }
    }

    pub(super) fn truncated(&self) -> Error {
        Error::Truncated { registry: self.registry.to_owned(), doing: self.doing.to_owned() }
    }

    pub(super) fn failed(&self, error: &reqwest::Error) -> Error {
        if let Some(tls) = causes(error).find_map(|cause| cause.downcast_ref::<rustls::Error>()) {
            return self.protocol(tls_fault(tls));
        }
        self.unreachable(innermost(error))
    }

    /// The error that an answer without success is.
    pub(super) fn refusal(&self, answer: &Answer, anonymous: bool) -> Error {
        let (registry, doing) = (self.registry.to_owned(), self.doing.to_owned());
        let retry_after = retry_after(&answer.headers);
        let why = why(answer);
        match (answer.status.as_u16(), &answer.elsewhere) {
            (429, _) => Error::TooManyRequests { registry, doing, retry_after },
            (500.., _) => Error::Failing { registry, doing, why, retry_after },
            // Not the registry says so: neither other credentials nor another name would help.
            (400..500, Some(host)) => self.protocol(format!("it leads to `{host}`, which answers {why}")),
            (401 | 403, None) => Error::Unauthorized { registry, doing, why, anonymous },
            (404, None) => Error::NotFound { registry, doing },
            (400..500, None) => Error::Refused { registry, doing, why },
            _ => self.protocol(why),
        }
    }
}

/// What is wrong with how a server introduces itself.
fn tls_fault(error: &rustls::Error) -> String {
    use rustls::{CertificateError, Error};
    match error {
        Error::InvalidMessage(_) => "it is no TLS; a registry on plain HTTP must be listed as such".to_owned(),
        Error::InvalidCertificate(CertificateError::UnknownIssuer) => {
            "its certificate is from no authority that this machine trusts".to_owned()
        }
        Error::InvalidCertificate(CertificateError::Other(other))
            if other.to_string().contains("CaUsedAsEndEntity") =>
        {
            "its certificate is an authority's own (`CA:TRUE`), which is not accepted of a server".to_owned()
        }
        other => shown(&other.to_string()),
    }
}

/// The status and what is said to it.
fn why(answer: &Answer) -> String {
    let reason = answer.status.canonical_reason().map_or_else(String::new, |reason| format!(" {reason}"));
    let said = said(&answer.body).map_or_else(String::new, |said| format!(": {said}"));
    format!("{}{reason}{said}", answer.status.as_u16())
}

/// The error body of the distribution specification ("Error Codes"); `details` is what token servers answer.
#[derive(Deserialize)]
struct Envelope {
    #[serde(default)]
    errors: Vec<EnvelopeError>,
    #[serde(default)]
    details: Option<String>,
}

#[derive(Deserialize)]
struct EnvelopeError {
    #[serde(default)]
    code: String,
    #[serde(default)]
    message: String,
}

fn said(body: &[u8]) -> Option<String> {
    let Envelope { errors, details } = serde_json::from_slice(body).ok()?;
    let first = errors.into_iter().next().map(|e| if e.message.is_empty() { e.code } else { e.message });
    first.or(details).map(|text| shown(&text)).filter(|text| !text.is_empty())
}

/// `Retry-After` in seconds, or as a date that the answer's own `Date` is taken from, so that no clock is needed.
fn retry_after(headers: &HeaderMap) -> Option<Duration> {
    let text = |name| headers.get(name).and_then(|value: &HeaderValue| value.to_str().ok()).map(str::trim);
    let asked = text("retry-after")?;
    if let Ok(seconds) = asked.parse() {
        return Some(Duration::from_secs(seconds));
    }
    let date = |text: &str| jiff::fmt::rfc2822::DateTimeParser::new().parse_timestamp(text).ok();
    let wait = date(asked)?.as_second() - date(text("date")?)?.as_second();
    Some(Duration::from_secs(u64::try_from(wait).unwrap_or(0)))
}

/// The host of `host:port`, and of `[v6]:port` without the brackets.
fn host_without_port(registry: &str) -> &str {
    match registry.strip_prefix('[').and_then(|rest| rest.split_once(']')) {
        Some((address, _)) => address,
        None => registry.split_once(':').map_or(registry, |(host, _)| host),
    }
}

/// Whether the host is this machine: `localhost`, 127.0.0.0/8, `::1`.
fn is_loopback(host: &str) -> bool {
    let address = host.trim_start_matches('[').trim_end_matches(']').parse::<IpAddr>();
    host.eq_ignore_ascii_case("localhost") || address.is_ok_and(|address| address.is_loopback())
}

fn causes<'a>(
    error: &'a (dyn std::error::Error + 'static),
) -> impl Iterator<Item = &'a (dyn std::error::Error + 'static)> {
    std::iter::successors(Some(error), |error| {
        // An `io::Error` shows the source of what it holds, not what it holds.
        let held = error.downcast_ref::<std::io::Error>().and_then(std::io::Error::get_ref);
        held.map(|held| held as &(dyn std::error::Error + 'static)).or_else(|| error.source())
    })
}

/// The innermost cause: it names what the operating system or TLS says, and never the URL.
pub(super) fn innermost(error: &(dyn std::error::Error + 'static)) -> String {
    causes(error).last().map_or_else(String::new, |cause| shown(&cause.to_string()))
}
