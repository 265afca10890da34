//! Authentication: answers a registry's challenge with a password or a token, and remembers what was accepted
//! (distribution specification, "Token Authentication"; RFC 7617 for Basic).

use std::collections::BTreeMap;
use std::sync::{Mutex, PoisonError};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use http_auth::parser::ChallengeParser;
use reqwest::header::{CONTENT_TYPE, HeaderMap, HeaderValue, WWW_AUTHENTICATE};
use reqwest::{Method, Response, StatusCode, Url};
use serde::Deserialize;

use super::transport::{About, Answer, Body, Request, Transport, authority, elsewhere};
use super::{Credentials, Error, Keychain};
use crate::model::Repository;

/// What a token is asked for.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Access {
    /// Reading.
    Pull,
    /// Reading and writing.
    Push,
    /// Reading and writing, and reading another repository whose blobs are to be in this one, too.
    PushFrom(Repository),
}

/// A header that a registry may accept, and whether it was had without credentials.
#[derive(Clone)]
struct Grant {
    header: HeaderValue,
    anonymous: bool,
    /// Whether it says who we are, whatever we want; a token is for what it was asked for.
    for_everything: bool,
}

/// Asks registries in our name.
pub(super) struct Session {
    transport: Transport,
    keychain: Keychain,
    grants: Mutex<BTreeMap<(Repository, Access), Grant>>,
}

impl Session {
    pub(super) fn new(transport: Transport, keychain: Keychain) -> Self {
        Self { transport, keychain, grants: Mutex::new(BTreeMap::new()) }
    }

    pub(super) fn keychain(&self) -> &Keychain {
        &self.keychain
    }

    pub(super) fn transport(&self) -> &Transport {
        &self.transport
    }

    /// Sends a request, authenticates where the registry wants it, and returns an answer with success.
    pub(super) async fn ask(
        &self,
        about: About<'_>,
        repository: &Repository,
        access: &Access,
        request: &Request,
    ) -> Result<Answer, Error> {
        let response = self.open(about, repository, access, request).await?;
        self.transport.read(about, request, response).await
    }

    /// The same, with the answer still to be read.
    pub(super) async fn open(
        &self,
        about: About<'_>,
        repository: &Repository,
        access: &Access,
        request: &Request,
    ) -> Result<Response, Error> {
        let key = (repository.clone(), access.clone());
        let known = self.grants.lock().unwrap_or_else(PoisonError::into_inner).get(&key).cloned();
        let mut anonymous = known.as_ref().is_none_or(|grant| grant.anonymous);
        let mut response = self.transport.open(about, request, known.as_ref().map(|grant| &grant.header)).await?;
        // A token that was good may have expired, so a refusal of it is answered like one of nothing.
        // A store that the registry leads to is told nothing.
        if response.status() == StatusCode::UNAUTHORIZED && elsewhere(&request.url, &response).is_none() {
            let refused = self.transport.read(about, request, response).await?;
            let Some(grant) = self.grant(about, repository, access, &refused).await? else {
                return Err(about.refusal(&refused, anonymous));
            };
            anonymous = grant.anonymous;
            response = self.transport.open(about, request, Some(&grant.header)).await?;
            if response.status() != StatusCode::UNAUTHORIZED {
                self.remember(repository, access, &grant);
            }
        }
        if response.status().is_success() {
            return Ok(response);
        }
        let refused = self.transport.read(about, request, response).await?;
        Err(about.refusal(&refused, anonymous))
    }

    fn remember(&self, repository: &Repository, access: &Access, grant: &Grant) {
        let mut accesses = vec![access.clone()];
        if grant.for_everything {
            accesses.extend([Access::Pull, Access::Push]);
        }
        let mut grants = self.grants.lock().unwrap_or_else(PoisonError::into_inner);
        grants.extend(accesses.into_iter().map(|access| ((repository.clone(), access), grant.clone())));
    }

    /// Answers the challenge of a 401; nothing where only a password would do and there is none.
    async fn grant(
        &self,
        about: About<'_>,
        repository: &Repository,
        access: &Access,
        refused: &Answer,
    ) -> Result<Option<Grant>, Error> {
        let credentials = self.keychain.credentials_for(about.registry).await?;
        if let Credentials::RegistryToken(token) = &credentials {
            let header = header(about, format!("Bearer {token}"))?;
            return Ok(Some(Grant { header, anonymous: false, for_everything: true }));
        }
        match challenge(&refused.headers) {
            Some(Challenge::Bearer(server)) => {
                let question = self.token_question(about, &server, &scopes(repository, access), &credentials)?;
                let token = self.token(about, &question, &credentials).await?;
                let anonymous = credentials == Credentials::Anonymous;
                let header = header(about, format!("Bearer {token}"))?;
                Ok(Some(Grant { header, anonymous, for_everything: false }))
            }
            Some(Challenge::Basic) => match &credentials {
                Credentials::Password { username, password } => {
                    let header = basic(about, username, password)?;
                    Ok(Some(Grant { header, anonymous: false, for_everything: true }))
                }
                Credentials::Anonymous => Ok(None),
                Credentials::IdentityToken(_) | Credentials::RegistryToken(_) => Err(Error::Unauthorized {
                    registry: about.registry.to_owned(),
                    doing: about.doing.to_owned(),
                    why: "it asks for a password, and the credentials at hand are a token".to_owned(),
                    anonymous: false,
                }),
            },
            None => Err(about.protocol("401 without a challenge that is understood")),
        }
    }

    /// The request for a token: a GET with a password or nothing, a form for a refresh token (OAuth 2).
    fn token_question(
        &self,
        about: About<'_>,
        server: &TokenServer,
        scopes: &[String],
        credentials: &Credentials,
    ) -> Result<Request, Error> {
        let mut url = Url::parse(&server.realm).map_err(|_| about.protocol("its token server has no readable URL"))?;
        let secure = url.scheme() == "https" || url.scheme() == "http" && self.transport.is_plain(about.registry);
        if !secure {
            return Err(about.protocol("its token server is not on HTTPS"));
        }
        let mut fields: Vec<(&str, &str)> = scopes.iter().map(|scope| ("scope", scope.as_str())).collect();
        fields.extend(server.service.iter().map(|service| ("service", service.as_str())));
        let Credentials::IdentityToken(token) = credentials else {
            url.query_pairs_mut().extend_pairs(fields);
            return Ok(Request { method: Method::GET, url, headers: Vec::new(), body: Body::EMPTY });
        };
        fields.extend([("grant_type", "refresh_token"), ("client_id", "windlass"), ("refresh_token", token)]);
        let form = HeaderValue::from_static("application/x-www-form-urlencoded");
        let mut encoded = url.clone();
        encoded.query_pairs_mut().clear().extend_pairs(fields);
        let body = encoded.query().unwrap_or_default().as_bytes().to_vec();
        Ok(Request { method: Method::POST, url, headers: vec![(CONTENT_TYPE, form)], body: Body::Bytes(body) })
    }

    async fn token(&self, about: About<'_>, question: &Request, credentials: &Credentials) -> Result<String, Error> {
        let authorization = match credentials {
            Credentials::Password { username, password } => Some(basic(about, username, password)?),
            Credentials::Anonymous | Credentials::IdentityToken(_) | Credentials::RegistryToken(_) => None,
        };
        let server = authority(&question.url);
        let about = About { doing: &format!("{}: getting a token from `{server}`", about.doing), ..about };
        let answer = self.transport.send(about, question, authorization.as_ref()).await?;
        if answer.status == StatusCode::NOT_FOUND {
            // A missing token server is no missing image.
            return Err(about.protocol("its token server answers 404"));
        }
        if !answer.status.is_success() {
            return Err(about.refusal(&answer, *credentials == Credentials::Anonymous));
        }
        let Token { token, access_token } =
            serde_json::from_slice(&answer.body).map_err(|_| about.protocol("its token server answers no token"))?;
        let mut tokens = [token, access_token].into_iter().flatten();
        tokens.find(|token| !token.is_empty()).ok_or_else(|| about.protocol("its token server answers no token"))
    }
}

#[derive(Deserialize)]
struct Token {
    token: Option<String>,
    access_token: Option<String>,
}

#[derive(Debug, PartialEq, Eq)]
enum Challenge {
    Basic,
    Bearer(TokenServer),
}

/// Who gives tokens, and for which service, as the challenge names them.
#[derive(Debug, PartialEq, Eq)]
struct TokenServer {
    realm: String,
    service: Option<String>,
}

fn scopes(repository: &Repository, access: &Access) -> Vec<String> {
    let scope = |repository: &Repository, actions| format!("repository:{}:{actions}", repository.path());
    match access {
        Access::Pull => vec![scope(repository, "pull")],
        Access::Push => vec![scope(repository, "pull,push")],
        Access::PushFrom(source) => vec![scope(repository, "pull,push"), scope(source, "pull")],
    }
}

/// The challenge to answer: a token where one may be had, else a password.
fn challenge(headers: &HeaderMap) -> Option<Challenge> {
    let mut basic = None;
    for value in headers.get_all(WWW_AUTHENTICATE) {
        let Ok(text) = value.to_str() else { continue };
        for parsed in ChallengeParser::new(text).map_while(Result::ok) {
            let parameter = |name: &str| {
                let found = parsed.params.iter().find(|(key, _)| key.eq_ignore_ascii_case(name));
                found.map(|(_, value)| value.to_unescaped())
            };
            if parsed.scheme.eq_ignore_ascii_case("bearer")
                && let Some(realm) = parameter("realm")
            {
                return Some(Challenge::Bearer(TokenServer { realm, service: parameter("service") }));
            }
            if parsed.scheme.eq_ignore_ascii_case("basic") {
                basic = Some(Challenge::Basic);
            }
        }
    }
    basic
}

fn basic(about: About<'_>, username: &str, password: &str) -> Result<HeaderValue, Error> {
    header(about, format!("Basic {}", STANDARD.encode(format!("{username}:{password}"))))
}

/// A header that is not shown in any `Debug`.
fn header(about: About<'_>, text: String) -> Result<HeaderValue, Error> {
    let mut value = HeaderValue::try_from(text).map_err(|_| about.protocol("the token is no text for a header"))?;
    value.set_sensitive(true);
    Ok(value)
}
