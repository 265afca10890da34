//! A file as the body of a request, read while it is sent.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use futures_util::stream;
use reqwest::Body;
use tokio::fs::File;
use tokio::io::AsyncReadExt as _;

/// How much is read at once, in bytes. Arbitrary: each reading goes to another thread and back.
const PART: usize = 256 << 10;

/// The file from where it is to its end; `n_sent` counts what the connection took.
pub(super) fn body(file: File, n_sent: Arc<AtomicU64>) -> Body {
    Body::wrap_stream(stream::try_unfold((file, n_sent), |(mut file, n_sent)| async move {
        let mut part = Vec::with_capacity(PART);
        let n_read = file.read_buf(&mut part).await?;
        n_sent.fetch_add(n_read as u64, Ordering::Relaxed);
        Ok::<_, std::io::Error>((n_read > 0).then_some((part, (file, n_sent))))
    }))
}
