//! Images that an engine has: looked up, named, pulled and pushed.

use std::time::Duration;

use bollard::Docker;
use bollard::auth::DockerCredentials;
use bollard::errors::Error;
use bollard::models::ImageInspect;
use bollard::query_parameters::{
    CreateImageOptionsBuilder, ImportImageOptionsBuilder, PushImageOptionsBuilder, RemoveImageOptionsBuilder,
    TagImageOptionsBuilder,
};
use futures_util::{Stream, StreamExt};
use prost::bytes::Bytes;

use super::Failure;
use crate::model::{ImageDigest, Reference};

/// How long an engine may say nothing of a transfer. It tells of every few hundred kilobytes, and has no limit of
/// its own for a registry that keeps a connection open in silence. Arbitrary, above the longest pause seen.
const STALLED_AFTER: Duration = Duration::from_secs(300);

/// Looks an image up by a name, digest or id, without asking a registry.
pub async fn find(docker: &Docker, name: &str) -> Result<Option<ImageInspect>, Failure> {
    match docker.inspect_image(name).await {
        Ok(image) => Ok(Some(image)),
        Err(Error::DockerResponseServerError { status_code: 404, .. }) => Ok(None),
        Err(error) => Err(error.into()),
    }
}

/// Gives the image called `name`, a name or an id, one more name.
pub async fn tag(docker: &Docker, name: &str, reference: &Reference) -> Result<(), Failure> {
    let options = TagImageOptionsBuilder::new().repo(&reference.repository().to_string());
    let options = options.tag(reference.tag_or_latest().unwrap_or_default());
    Ok(docker.tag_image(name, Some(options.build())).await?)
}

/// Takes a name away; what has no other name and no container goes with it. A name that is not there is fine.
pub async fn untag(docker: &Docker, reference: &Reference) -> Result<(), Failure> {
    let options = RemoveImageOptionsBuilder::new().noprune(true).build();
    match docker.remove_image(&reference.to_string(), Some(options), None).await {
        Ok(_) | Err(Error::DockerResponseServerError { status_code: 404, .. }) => Ok(()),
        Err(error) => Err(error.into()),
    }
}

/// Pulls by tag or digest; `said` takes what the engine tells of it, line by line.
pub async fn pull(
    docker: &Docker,
    reference: &Reference,
    credentials: Option<DockerCredentials>,
    said: &(dyn Fn(&str) + Sync),
) -> Result<(), Failure> {
    let tag = reference.digest().map(|d| d.to_string()).or_else(|| reference.tag_or_latest().map(str::to_owned));
    let options =
        CreateImageOptionsBuilder::new().from_image(&reference.repository().to_string()).tag(&tag.unwrap_or_default());
    let mut progress = docker.create_image(Some(options.build()), None, credentials);
    while let Some(info) = next(&mut progress).await? {
        // Progress bars come with numbers; what is left is worth a line.
        if let (Some(status), None) = (info.status, info.progress_detail.and_then(|p| p.current)) {
            said(&status);
        }
    }
    Ok(())
}

/// Pushes what a tag names and tells the manifest's digest; `said` takes what the engine tells of it.
pub async fn push(
    docker: &Docker,
    reference: &Reference,
    credentials: Option<DockerCredentials>,
    said: &(dyn Fn(&str) + Sync),
) -> Result<ImageDigest, Failure> {
    let Some(tag) = reference.tag_or_latest() else {
        return Err(Failure::Refused(format!("`{reference}` names a manifest by digest: only a tag can be pushed")));
    };
    let repository = reference.repository().to_string();
    let options = PushImageOptionsBuilder::new().tag(tag).build();
    let mut progress = docker.push_image(&repository, Some(options), credentials);
    let mut digest = None;
    while let Some(info) = next(&mut progress).await? {
        let (Some(status), None) = (info.status, info.progress_detail.and_then(|p| p.current)) else { continue };
        digest = pushed_digest(&status).or(digest);
        // Of a layer it counts what came of it, not that its turn will come.
        if !["Preparing", "Waiting"].contains(&status.as_str()) {
            said(&status);
        }
    }
    digest.ok_or_else(|| Failure::Unreachable(format!("the engine pushed `{reference}` and tells no digest of it")))
}

/// Loads images from an archive of `docker save`, such as other tools write them.
pub async fn load(
    docker: &Docker,
    archive: impl Stream<Item = std::io::Result<Bytes>> + Send + 'static,
) -> Result<(), Failure> {
    let options = ImportImageOptionsBuilder::new().quiet(true).build();
    let mut progress = std::pin::pin!(docker.import_image(options, bollard::body_try_stream(archive), None));
    while let Some(info) = next(&mut progress).await? {
        if let Some(message) = info.error_detail.and_then(|error| error.message) {
            return Err(Failure::Refused(message));
        }
    }
    Ok(())
}

/// The next word of a transfer; none at its end.
async fn next<T>(progress: &mut (impl Stream<Item = Result<T, Error>> + Unpin)) -> Result<Option<T>, Failure> {
    match tokio::time::timeout(STALLED_AFTER, progress.next()).await {
        Ok(word) => Ok(word.transpose()?),
        Err(_) => Err(Failure::Unreachable(format!("it stood still for {} s", STALLED_AFTER.as_secs()))),
    }
}

/// Reads the digest out of `latest: digest: sha256:… size: 123`, the last line of a push.
fn pushed_digest(status: &str) -> Option<ImageDigest> {
    let (_, rest) = status.split_once("digest: ")?;
    rest.split_whitespace().next()?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_last_line_of_a_push_tells_the_digest() {
        let digest = format!("sha256:{}", "ab".repeat(32));
        assert_eq!(pushed_digest(&format!("1.2: digest: {digest} size: 528")), digest.parse().ok());
        for text in ["", "digest: ", "latest: digest: sha256:12 size: 3", "The push refers to repository [a/b]"] {
            assert_eq!(pushed_digest(text), None, "{text}");
        }
    }
}
