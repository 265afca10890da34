//! Files of web servers that are no registries: what they hold, without keeping them.

use std::fs::File;
use std::io::{self, Seek as _, Write as _};

use reqwest::header::{LAST_MODIFIED, LOCATION};
use reqwest::{Response, StatusCode, Url};
use sha2::{Digest as _, Sha256};

use super::{Again, Registry};
use crate::model::{Digest, HttpUrl};

/// So often a server may lead elsewhere, as for browsers (RFC 9110 section 15.4 says: some limit).
pub(super) const REDIRECTIONS_AT_MOST: usize = 10;

/// Why a file could not be had. No text holds the query of an address.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum DownloadError {
    /// The server does not want, or answers nonsense: the same question gets the same answer.
    #[error("fetching `{url}`: {why}")]
    Refused {
        /// The address.
        url: String,
        /// What the server says.
        why: String,
    },
    /// Nothing answers there, not in time, or not to the end.
    #[error("fetching `{url}`: {why}")]
    Unreachable {
        /// The address.
        url: String,
        /// What the attempt met.
        why: String,
    },
}

impl DownloadError {
    /// Whether trying the same again may help.
    pub fn again(&self) -> Again {
        match self {
            Self::Refused { .. } => Again::Never,
            Self::Unreachable { .. } => Again::BackOff,
        }
    }
}

impl Registry {
    /// The sha256 of what a web server has at an address; nothing where it has nothing there. It is asked without
    /// credentials, as builders ask.
    ///
    /// # Errors
    /// When the server does not answer, or refuses.
    pub async fn sha256_of(&self, url: &HttpUrl) -> Result<Option<Digest>, DownloadError> {
        let doing = format!("fetching `{}`", url.without_query());
        self.again(&doing, DownloadError::again, || self.sha256_once(url)).await
    }

    /// Writes what a web server has at an address into a file, in the place of what it held; gives back its sha256 and when the server says that
    /// it was changed, in seconds since 1970. It is asked without credentials.
    ///
    /// # Errors
    /// When the server does not answer, refuses, or has nothing there; when the file can't be written.
    pub async fn fetch(&self, url: &HttpUrl, file: &mut File) -> Result<(Digest, Option<i64>), DownloadError> {
        let doing = format!("fetching `{}`", url.without_query());
        let missing =
            || DownloadError::Refused { url: url.without_query().to_owned(), why: "nothing is there".to_owned() };
        // Each attempt begins anew, and none runs beside another.
        let file = &*file;
        let attempt = async || {
            let unwritten = |error: io::Error| DownloadError::Refused {
                url: url.without_query().to_owned(),
                why: format!("writing what it has: {error}"),
            };
            let mut writer = file;
            writer.set_len(0).and_then(|()| writer.rewind()).map_err(unwritten)?;
            let mut failed = None;
            let taken = |chunk: &[u8]| {
                if failed.is_none() {
                    failed = writer.write_all(chunk).err();
                }
            };
            let fetched = self.fetch_once(url, taken).await?;
            match failed {
                Some(error) => Err(unwritten(error)),
                None => fetched.ok_or_else(missing),
            }
        };
        self.again(&doing, DownloadError::again, attempt).await
    }

    async fn sha256_once(&self, url: &HttpUrl) -> Result<Option<Digest>, DownloadError> {
        Ok(self.fetch_once(url, |_| {}).await?.map(|(digest, _)| digest))
    }

    /// Reads what is at an address, piece by piece; gives back its sha256 and when it was changed.
    async fn fetch_once(
        &self,
        url: &HttpUrl,
        mut taken: impl FnMut(&[u8]),
    ) -> Result<Option<(Digest, Option<i64>)>, DownloadError> {
        let shown = || url.without_query().to_owned();
        let unreachable = |why: String| DownloadError::Unreachable { url: shown(), why };
        let refused = |why: String| DownloadError::Refused { url: shown(), why };
        let asked = Url::parse(url.as_str()).map_err(|error| refused(error.to_string()))?;
        let mut response = self.follow(asked, &unreachable, &refused).await?;
        match response.status() {
            StatusCode::OK => {}
            StatusCode::NOT_FOUND | StatusCode::GONE => return Ok(None),
            status if status.is_server_error() || status == StatusCode::TOO_MANY_REQUESTS => {
                return Err(unreachable(format!("the server answers {status}")));
            }
            status => return Err(refused(format!("the server answers {status}"))),
        }
        let transport = self.session().transport();
        let (mut hash, mut size) = (Sha256::new(), 0);
        let promised = response.content_length();
        let modified = response.headers().get(LAST_MODIFIED).and_then(|value| value.to_str().ok());
        let modified = modified.and_then(|text| jiff::fmt::rfc2822::DateTimeParser::new().parse_timestamp(text).ok());
        let modified = modified.map(jiff::Timestamp::as_second);
        while let Some(chunk) = transport.in_time(response.chunk()).await.map_err(&unreachable)? {
            size += chunk.len() as u64;
            hash.update(&chunk);
            taken(&chunk);
        }
        if promised.is_some_and(|promised| promised != size) {
            return Err(unreachable("the answer ends early".to_owned()));
        }
        Ok(Some((Digest::from_bytes(hash.finalize().into()), modified)))
    }

    /// The first answer that leads nowhere else.
    async fn follow(
        &self,
        mut url: Url,
        unreachable: &impl Fn(String) -> DownloadError,
        refused: &impl Fn(String) -> DownloadError,
    ) -> Result<Response, DownloadError> {
        let transport = self.session().transport();
        for _ in 0..=REDIRECTIONS_AT_MOST {
            let client = transport.client_for(&url).map_err(refused)?;
            let response = transport.in_time(client.get(url.clone()).send()).await.map_err(unreachable)?;
            // One client follows as long as it may itself ask what it is led to.
            let led = response.headers().get(LOCATION).filter(|_| response.status().is_redirection());
            let Some(led) = led.and_then(|led| led.to_str().ok()) else { return Ok(response) };
            url = response.url().join(led).map_err(|error| refused(format!("it leads to no address: {error}")))?;
            if !matches!(url.scheme(), "http" | "https") {
                return Err(refused(format!("it leads to an address of `{}`", url.scheme())));
            }
        }
        Err(refused("it leads from one address to the next".to_owned()))
    }
}
