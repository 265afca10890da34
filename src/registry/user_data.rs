//! What an EC2 instance was started with, as its metadata service tells it (Amazon EC2 User Guide, "Use the Instance Metadata
//! Service", version 2 alone: a token first).

use std::time::Duration;

use reqwest::header::{HeaderName, HeaderValue};
use reqwest::redirect::Policy;
use reqwest::{Client, Method, RequestBuilder, StatusCode};

use super::transport::{USER_AGENT, innermost};
use super::{Again, RetryPolicy};
use crate::model::HttpUrl;

/// EC2 takes no user-data that is longer, in bytes.
const AT_MOST: usize = 16 << 10;

/// How long a token is good, in seconds: for the question that follows, some times over.
const TOKEN_TTL: &str = "60";

/// How long one answer may take. It comes from the machine itself; arbitrary, AWS's own tools give it one second.
const DEADLINE: Duration = Duration::from_secs(2);

/// Why user-data could not be had.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum UserDataError {
    /// The service does not want, or answers nonsense.
    #[error("reading the user-data from `{endpoint}`: {why}")]
    Refused {
        /// The service's address.
        endpoint: String,
        /// What it says.
        why: String,
    },
    /// Nothing answers there, not in time, or not to the end.
    #[error("reading the user-data from `{endpoint}`: {why}")]
    Unreachable {
        /// The service's address.
        endpoint: String,
        /// What the attempt met.
        why: String,
    },
}

impl UserDataError {
    /// Whether trying the same again may help.
    pub fn again(&self) -> Again {
        match self {
            Self::Refused { .. } => Again::Never,
            Self::Unreachable { .. } => Again::BackOff,
        }
    }
}

/// The user-data of the instance whose metadata service is at `endpoint`; nothing where it has none. Neither a proxy nor another
/// server is asked.
///
/// # Errors
/// When the service does not answer, refuses, or has more than EC2 takes.
pub async fn user_data(endpoint: &HttpUrl, retry: RetryPolicy) -> Result<Option<Vec<u8>>, UserDataError> {
    let asking = Asking { endpoint: endpoint.without_query().trim_end_matches('/') };
    let client = asking.client()?;
    retry.run("reading the user-data", UserDataError::again, |_| {}, || asking.once(&client)).await
}

struct Asking<'a> {
    endpoint: &'a str,
}

impl Asking<'_> {
    fn refused(&self, why: impl Into<String>) -> UserDataError {
        UserDataError::Refused { endpoint: self.endpoint.to_owned(), why: why.into() }
    }

    fn unreachable(&self, why: impl Into<String>) -> UserDataError {
        UserDataError::Unreachable { endpoint: self.endpoint.to_owned(), why: why.into() }
    }

    fn client(&self) -> Result<Client, UserDataError> {
        // It fails where a provider is there already, which is as good.
        let _already_there = rustls::crypto::ring::default_provider().install_default();
        let builder = Client::builder().user_agent(USER_AGENT).no_proxy().redirect(Policy::none()).tls_certs_only([]);
        builder.build().map_err(|error| self.refused(innermost(&error)))
    }

    async fn once(&self, client: &Client) -> Result<Option<Vec<u8>>, UserDataError> {
        let ttl =
            (HeaderName::from_static("x-aws-ec2-metadata-token-ttl-seconds"), HeaderValue::from_static(TOKEN_TTL));
        let asked = client.request(Method::PUT, format!("{}/latest/api/token", self.endpoint)).header(ttl.0, ttl.1);
        let token = match self.answer(asked).await? {
            (StatusCode::OK, token) => token,
            (status, _) => return Err(self.refusal(status, "the question for a token")),
        };
        let mut token = HeaderValue::from_bytes(&token).map_err(|_| self.refused("its token is none"))?;
        token.set_sensitive(true);
        let asked = client.get(format!("{}/latest/user-data", self.endpoint)).header("x-aws-ec2-metadata-token", token);
        match self.answer(asked).await? {
            (StatusCode::OK, data) => Ok(Some(data)),
            (StatusCode::NOT_FOUND, _) => Ok(None),
            (status, _) => Err(self.refusal(status, "the question for the user-data")),
        }
    }

    fn refusal(&self, status: StatusCode, asked: &str) -> UserDataError {
        let why = format!("{asked} is answered with {status}");
        if status.is_server_error() || status == StatusCode::TOO_MANY_REQUESTS {
            self.unreachable(why)
        } else {
            self.refused(why)
        }
    }

    async fn answer(&self, asked: RequestBuilder) -> Result<(StatusCode, Vec<u8>), UserDataError> {
        let whole = async {
            let failed = |error: reqwest::Error| self.unreachable(innermost(&error));
            let mut response = asked.send().await.map_err(failed)?;
            let mut body = Vec::new();
            while let Some(chunk) = response.chunk().await.map_err(failed)? {
                if body.len() + chunk.len() > AT_MOST {
                    return Err(self.refused(format!("its answer has more than {AT_MOST} bytes")));
                }
                body.extend_from_slice(&chunk);
            }
            Ok((response.status(), body))
        };
        let late = || self.unreachable(format!("no whole answer within {} s", DEADLINE.as_secs()));
        tokio::time::timeout(DEADLINE, whole).await.unwrap_or_else(|_| Err(late()))
    }
}
