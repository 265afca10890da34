//! Blobs: fetched into files and sent from them, whatever their length (distribution specification, "Pulling blobs",
//! "Pushing a blob monolithically", "Mounting a blob from another repository").

use std::fs::File;
use std::io::{Seek as _, SeekFrom, Write as _};
use std::path::Path;

use reqwest::header::{CONTENT_LENGTH, CONTENT_TYPE, HeaderValue, LOCATION};
use reqwest::{Method, StatusCode, Url};
use sha2::{Digest as _, Sha256};

use super::session::Access;
use super::transport::{About, Answer, Body, Request};
use super::{Error, Registry};
use crate::model::{Digest, ImageDigest, Repository};

/// How a blob came to where it should be.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Brought {
    /// It was there.
    WasThere,
    /// It was in another repository of the same registry.
    Mounted,
    /// Its bytes were sent or received.
    Sent,
}

impl Registry {
    /// Fetches a blob of `size` bytes into a file, instead of what the file holds.
    ///
    /// # Errors
    /// When the registry does not answer, stops in the middle, refuses, or sends something else; when the file can't
    /// be written.
    pub async fn download(
        &self,
        repository: &Repository,
        digest: &Digest,
        size: u64,
        file: &File,
    ) -> Result<(), Error> {
        let doing = format!("fetching `{}`", repository.with_digest(ImageDigest::new(*digest)));
        let about = About { registry: repository.registry(), doing: &doing };
        self.trying(&doing, || self.download_once(about, repository, digest, size, file)).await
    }

    async fn download_once(
        &self,
        about: About<'_>,
        repository: &Repository,
        digest: &Digest,
        size: u64,
        mut file: &File,
    ) -> Result<(), Error> {
        let transport = self.session().transport();
        let url = transport.url(about, &blob_path(repository, digest))?;
        let request = Request { method: Method::GET, url, headers: Vec::new(), body: Body::EMPTY };
        let mut response = self.session().open(about, repository, &Access::Pull, &request).await?;
        file.set_len(0).and_then(|()| file.seek(SeekFrom::Start(0))).map_err(|error| about.local(&error))?;
        let (mut hash, mut n_received) = (Sha256::new(), 0);
        loop {
            let next = tokio::time::timeout(transport.deadline(), response.chunk()).await;
            let chunk = match next {
                Ok(Ok(Some(chunk))) => chunk,
                Ok(Ok(None)) => break,
                Ok(Err(_)) => return Err(about.truncated()),
                Err(_) => {
                    let seconds = transport.deadline().as_secs_f32();
                    return Err(about.unreachable(format!("nothing comes within {seconds}s")));
                }
            };
            n_received += chunk.len() as u64;
            if n_received > size {
                return Err(about.protocol(format!("it is longer than {size} bytes")));
            }
            hash.update(&chunk);
            file.write_all(&chunk).map_err(|error| about.local(&error))?;
        }
        if n_received < size {
            return Err(about.truncated());
        }
        let found = Digest::from_bytes(hash.finalize().into());
        if found == *digest { Ok(()) } else { Err(about.protocol(format!("its digest is {found}, not {digest}"))) }
    }

    /// Sees to it that a repository has a blob, whose `size` bytes are in a file. Where one of the repositories
    /// `others` of the same registry has it, it is taken from there if the registry lets it.
    ///
    /// # Errors
    /// When the registry does not answer, stops in the middle, or refuses; when the file can't be read.
    pub async fn upload(
        &self,
        repository: &Repository,
        digest: &Digest,
        size: u64,
        file: &Path,
        others: &[Repository],
    ) -> Result<Brought, Error> {
        let doing = format!("pushing `{}`", repository.with_digest(ImageDigest::new(*digest)));
        let about = About { registry: repository.registry(), doing: &doing };
        let body = Body::File(file.to_owned(), size);
        self.trying(&doing, || self.upload_once(about, repository, digest, &body, others)).await
    }

    pub(super) async fn upload_once(
        &self,
        about: About<'_>,
        repository: &Repository,
        digest: &Digest,
        body: &Body,
        others: &[Repository],
    ) -> Result<Brought, Error> {
        if self.has_blob_once(about, repository, digest).await? {
            return Ok(Brought::WasThere);
        }
        let mut begun = None;
        let mountable = |other: &&Repository| other.registry() == repository.registry() && *other != repository;
        if let Some(other) = others.iter().find(mountable) {
            let query = format!("?mount={digest}&from={}", other.path());
            // Whatever a registry has against it: it may be sent as well.
            if let Ok((url, answer)) =
                self.begin_upload(about, repository, &Access::PushFrom(other.clone()), &query).await
            {
                if answer.status == StatusCode::CREATED {
                    return Ok(Brought::Mounted);
                }
                begun = Some((url, answer));
            }
        }
        let (url, answer) = match begun {
            Some(begun) => begun,
            None => self.begin_upload(about, repository, &Access::Push, "").await?,
        };
        let target = upload_target(about, &url, &answer, digest)?;
        let is_elsewhere = target.origin() != url.origin();
        let headers = vec![(CONTENT_TYPE, HeaderValue::from_static("application/octet-stream"))];
        let request = Request { method: Method::PUT, url: target, headers, body: body.clone() };
        if is_elsewhere {
            // Another host is told nothing of who we are: the address itself is what lets in.
            let answer = self.session().transport().send(about, &request, None).await?;
            if !answer.status.is_success() {
                return Err(about.refusal(&answer, false));
            }
        } else {
            self.session().ask(about, repository, &Access::Push, &request).await?;
        }
        Ok(Brought::Sent)
    }

    async fn begin_upload(
        &self,
        about: About<'_>,
        repository: &Repository,
        access: &Access,
        query: &str,
    ) -> Result<(Url, Answer), Error> {
        let path = format!("/v2/{}/blobs/uploads/{query}", repository.path());
        let url = self.session().transport().url(about, &path)?;
        let headers = vec![(CONTENT_LENGTH, HeaderValue::from_static("0"))];
        let request = Request { method: Method::POST, url: url.clone(), headers, body: Body::EMPTY };
        let answer = self.session().ask(about, repository, access, &request).await?;
        Ok((url, answer))
    }

    async fn has_blob_once(&self, about: About<'_>, repository: &Repository, digest: &Digest) -> Result<bool, Error> {
        let url = self.session().transport().url(about, &blob_path(repository, digest))?;
        let request = Request { method: Method::HEAD, url, headers: Vec::new(), body: Body::EMPTY };
        match self.session().ask(about, repository, &Access::Push, &request).await {
            Ok(_) => Ok(true),
            Err(Error::NotFound { .. }) => Ok(false),
            Err(error) => Err(error),
        }
    }
}

fn blob_path(repository: &Repository, digest: &Digest) -> String {
    format!("/v2/{}/blobs/{digest}", repository.path())
}

/// Where the bytes go: what the registry answered, with the digest that they will have.
fn upload_target(about: About<'_>, asked: &Url, answer: &Answer, digest: &Digest) -> Result<Url, Error> {
    let location = answer.headers.get(LOCATION).and_then(|location| location.to_str().ok());
    let location = location.ok_or_else(|| about.protocol("it does not say where the blob goes"))?;
    let mut target = asked.join(location).map_err(|_| about.protocol("the blob would go to no address"))?;
    if !matches!(target.scheme(), "http" | "https") {
        return Err(about.protocol(format!("the blob would go to an address of `{}`", target.scheme())));
    }
    target.query_pairs_mut().append_pair("digest", &digest.to_string());
    Ok(target)
}
