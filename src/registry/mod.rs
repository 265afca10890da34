//! A client of OCI registries: credentials, digests, retags, retries. Decides nothing, shows nothing, keeps no
//! secret in a text.

mod client;
mod credentials;
mod download;
mod error;
mod helper;
mod manifest;
mod retry;
mod session;
mod text;
mod transport;

pub use client::{Options, Registry, RemoteImage, RemoteManifests};
pub use credentials::{Credentials, Helpers, Keychain};
pub use download::DownloadError;
pub use error::Error;
pub use retry::{Again, Retry, RetryPolicy};
