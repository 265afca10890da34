//! The files that images fetch from web servers: what windlass.lock says of them, and what is there now.

use std::collections::BTreeMap;

use futures_util::{StreamExt as _, TryStreamExt as _};

use super::bases::at_places;
use super::lock_file;
use crate::config::Lock;
use crate::diag::Diagnostic;
use crate::event::{Event, Sink};
use crate::model::{Digest, HttpUrl};
use crate::plan::MovingFile;
use crate::registry::{DownloadError, Registry};
use crate::ui::words;

/// How many files are fetched at once: they may be large.
const AT_ONCE: usize = 4;

/// The files that no lock pins yet, by their addresses.
pub(super) type Files = BTreeMap<HttpUrl, MovingFile>;

/// What is at each address now, nothing where nothing is: every file is fetched once, which is told because it may take
/// its time, and nothing of it kept.
pub(super) async fn all_now(
    registry: &Registry,
    urls: Vec<&HttpUrl>,
    events: &dyn Sink,
) -> Result<BTreeMap<HttpUrl, Option<Digest>>, DownloadError> {
    if !urls.is_empty() {
        let shown: Vec<&str> = urls.iter().map(|url| url.without_query()).collect();
        events.send(Event::Note(format!("fetching {} to learn the sha256", words::these(&shown))));
    }
    let fetch = async |url: &HttpUrl| Ok((url.clone(), registry.sha256_of(url).await?));
    futures_util::stream::iter(urls).map(fetch).buffer_unordered(AT_ONCE).try_collect().await
}

/// The files that the lock file says nothing of.
pub(super) fn missing(files: &Files, lock: Option<&Lock>) -> Vec<Diagnostic> {
    let is_missing = |url: &HttpUrl| lock.is_none_or(|lock| !lock.http.contains_key(url));
    let error = |(url, file): (&HttpUrl, &MovingFile)| {
        let error = Diagnostic::error(format!("`{}` is not in {}", url.without_query(), lock_file::FILE));
        at_places(error, &file.places).hint("`windlass lock` adds what is missing")
    };
    files.iter().filter(|(url, _)| is_missing(url)).map(error).collect()
}

/// Says that nothing is at an address.
pub(super) fn gone(url: &HttpUrl, file: &MovingFile, known: &Lock) -> Diagnostic {
    let error = match known.http.get(url) {
        None => Diagnostic::error(format!("there is nothing at `{}`", url.without_query())),
        Some(digest) => Diagnostic::error(format!("there is nothing at `{}` any more", url.without_query()))
            .hint(format!("windlass.lock still has it as {digest}")),
    };
    at_places(error, &file.places)
}
