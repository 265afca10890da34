//! Who we are to a registry, as Docker's `config.json` and Podman's `auth.json` say it.

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::fmt;
use std::path::{Path, PathBuf};
use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde::Deserialize;

use super::Error;
use super::helper;

/// Who we are to a registry. Its `Debug` shows no secret.
#[derive(Clone, PartialEq, Eq)]
pub enum Credentials {
    /// Nobody in particular.
    Anonymous,
    /// A user and a password, or a token that is used like one.
    Password {
        /// The user's name.
        username: String,
        /// The password; never shown, logged or stored.
        password: String,
    },
    /// A refresh token, for which the registry's token server gives access tokens (OAuth 2, as `az acr login` stores).
    IdentityToken(String),
    /// An access token, sent as it is.
    RegistryToken(String),
}

impl fmt::Debug for Credentials {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Anonymous => f.write_str("Anonymous"),
            Self::Password { username, password: _ } => write!(f, "Password({username:?}, …)"),
            Self::IdentityToken(_) => f.write_str("IdentityToken(…)"),
            Self::RegistryToken(_) => f.write_str("RegistryToken(…)"),
        }
    }
}

/// Where the credentials for each registry are: Docker's `config.json`, or Podman's `auth.json`, which has the same
/// shape. What else such a file holds is left alone.
#[derive(Clone)]
pub struct Keychain {
    file: PathBuf,
    auths: BTreeMap<String, Entry>,
    helpers: BTreeMap<String, String>,
    store: Option<String>,
    helpers_run: Helpers,
}

/// How the programs that keep credentials are run.
#[derive(Debug, Clone)]
pub struct Helpers {
    /// The folders they are looked for in, as in `PATH`; none means the process's own `PATH`.
    pub search_path: Option<OsString>,
    /// How long one may take.
    pub limit: Duration,
}

impl Default for Helpers {
    /// A minute, because some ask a cloud's servers; arbitrary.
    fn default() -> Self {
        Self { search_path: None, limit: Duration::from_secs(60) }
    }
}

impl Keychain {
    /// Knows nobody: every registry is asked anonymously.
    pub fn empty() -> Self {
        Self {
            file: PathBuf::new(),
            auths: BTreeMap::new(),
            helpers: BTreeMap::new(),
            store: None,
            helpers_run: Helpers::default(),
        }
    }

    /// Reads a file of credentials; one that does not exist knows nobody.
    ///
    /// # Errors
    /// When the file can't be read, or not understood.
    pub fn load(file: &Path) -> Result<Self, Error> {
        match std::fs::read_to_string(file) {
            Ok(text) => Self::parse(&text, file),
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(Self::empty()),
            Err(error) => Err(Error::CredentialsFile { file: file.to_owned(), why: error.to_string() }),
        }
    }

    /// Reads the text of a file of credentials; `file` is for messages. An empty text knows nobody, as for Docker.
    ///
    /// # Errors
    /// When the text is no JSON, or what is used of it has the wrong shape. The message quotes nothing of the text.
    pub fn parse(text: &str, file: &Path) -> Result<Self, Error> {
        if text.trim().is_empty() {
            return Ok(Self::empty());
        }
        let wire: Wire = serde_json::from_str(text).map_err(|error| Error::CredentialsFile {
            file: file.to_owned(),
            // serde_json's own words would quote the value, which may be a password.
            why: format!(
                "{} at line {}, column {}",
                if error.is_data() { "a value of the wrong type" } else { "no JSON" },
                error.line(),
                error.column()
            ),
        })?;
        let entries = wire.auths.unwrap_or_default().into_iter();
        Ok(Self {
            file: file.to_owned(),
            auths: entries.map(|(key, entry)| (key, entry.unwrap_or_default())).collect(),
            helpers: wire.cred_helpers.unwrap_or_default(),
            store: wire.creds_store.filter(|store| !store.is_empty()),
            helpers_run: Helpers::default(),
        })
    }

    /// The same, with its helpers run in another way.
    pub fn with_helpers(self, helpers: Helpers) -> Self {
        Self { helpers_run: helpers, ..self }
    }

    /// Who we are to the registry at `registry` (host and port; Docker Hub is `docker.io`). A helper is asked anew at
    /// each call, as what it hands out may expire.
    ///
    /// # Errors
    /// When the registry's entry can't be read, or its helper fails for another reason than to know nobody.
    pub async fn credentials_for(&self, registry: &str) -> Result<Credentials, Error> {
        match self.place_of(registry) {
            Place::Nowhere => Ok(Credentials::Anonymous),
            Place::Entry(key, entry) => entry.credentials().map_err(|why| Error::CredentialsFile {
                file: self.file.clone(),
                why: format!("the entry for `{key}` {why}"),
            }),
            Place::Helper(name) => {
                let program = format!("docker-credential-{name}");
                let answer = helper::get(&program, server_address(registry), &self.helpers_run).await;
                answer.map_err(|why| Error::CredentialsHelper {
                    program,
                    registry: registry.to_owned(),
                    why,
                    file: self.file.clone(),
                })
            }
        }
    }

    /// A registry's own helper, then the store, then the file: what stands first is asked alone, as Docker does.
    fn place_of(&self, registry: &str) -> Place<'_> {
        let names = names_of(&registry);
        if let Some(name) = names.iter().find_map(|name| self.helpers.get(*name)) {
            return if name.is_empty() { self.entry_of(names) } else { Place::Helper(name) };
        }
        match &self.store {
            Some(name) => Place::Helper(name),
            None => self.entry_of(names),
        }
    }

    fn entry_of(&self, names: &[&str]) -> Place<'_> {
        let exact = names.iter().find_map(|name| self.auths.get_key_value(*name));
        let by_host = || self.auths.iter().find(|(key, _)| names.contains(&host_of(key)));
        exact.or_else(by_host).map_or(Place::Nowhere, |(key, entry)| Place::Entry(key, entry))
    }
}

impl fmt::Debug for Keychain {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Keychain({:?}: {:?})", self.file, self.auths.keys())
    }
}

enum Place<'a> {
    Nowhere,
    Entry(&'a str, &'a Entry),
    Helper(&'a str),
}

/// The host of a key: keys may carry a scheme and a path (`https://registry.example/v1/`).
fn host_of(key: &str) -> &str {
    let rest = key.strip_prefix("https://").or_else(|| key.strip_prefix("http://")).unwrap_or(key);
    rest.split_once('/').map_or(rest, |(host, _)| host)
}

/// Docker Hub's key, from the time of its first protocol, which `docker login` still writes.
const DOCKER_HUB_KEY: &str = "https://index.docker.io/v1/";

/// What a helper calls the registry.
fn server_address(registry: &str) -> &str {
    if registry == "docker.io" { DOCKER_HUB_KEY } else { registry }
}

/// The keys that name a registry, the preferred one first.
fn names_of<'a>(registry: &'a &'a str) -> &'a [&'a str] {
    const DOCKER_HUB: &[&str] = &[DOCKER_HUB_KEY, "docker.io", "index.docker.io", "registry-1.docker.io"];
    if *registry == "docker.io" { DOCKER_HUB } else { std::slice::from_ref(registry) }
}

#[derive(Deserialize)]
struct Wire {
    auths: Option<BTreeMap<String, Option<Entry>>>,
    #[serde(rename = "credHelpers")]
    cred_helpers: Option<BTreeMap<String, String>>,
    #[serde(rename = "credsStore")]
    creds_store: Option<String>,
}

#[derive(Clone, Default, Deserialize)]
struct Entry {
    auth: Option<String>,
    username: Option<String>,
    password: Option<String>,
    identitytoken: Option<String>,
    registrytoken: Option<String>,
}

impl Entry {
    fn credentials(&self) -> Result<Credentials, &'static str> {
        let Self { auth, username, password, identitytoken, registrytoken } = self;
        let written = |text: &Option<String>| text.clone().filter(|text| !text.is_empty());
        if let Some(token) = written(registrytoken) {
            return Ok(Credentials::RegistryToken(token));
        }
        if let Some(token) = written(identitytoken) {
            return Ok(Credentials::IdentityToken(token));
        }
        let (username, password) = match written(auth) {
            Some(auth) => {
                let bytes = STANDARD.decode(auth.trim()).map_err(|_| "has an `auth` that is no base64")?;
                let text = String::from_utf8(bytes).map_err(|_| "has an `auth` that is no UTF-8")?;
                let (username, password) = text.split_once(':').ok_or("has an `auth` without a colon")?;
                // Some clients pad the password with zero bytes; Docker takes them off.
                (username.to_owned(), password.trim_end_matches('\0').to_owned())
            }
            None => (written(username).unwrap_or_default(), written(password).unwrap_or_default()),
        };
        if username.is_empty() && password.is_empty() {
            return Ok(Credentials::Anonymous);
        }
        Ok(Credentials::Password { username, password })
    }
}
