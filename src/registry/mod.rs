//! A client of OCI registries: credentials, digests, retags, blobs, retries. Decides nothing, shows nothing, keeps no
//! secret in a text.

mod artifact;
mod blobs;
mod client;
mod credentials;
mod download;
mod error;
mod helper;
mod manifest;
mod manifests;
mod retry;
mod session;
mod stream;
mod text;
mod transport;
mod user_data;
mod webhook;

pub use blobs::Brought;
pub use client::{Options, Registry, RemoteImage, RemoteManifests};
pub use credentials::{Credentials, Helpers, Keychain};
pub use download::DownloadError;
pub use error::Error;
pub use manifest::choose;
pub use manifests::RemoteManifest;
pub use retry::{Again, Retry, RetryPolicy};
pub use user_data::{UserDataError, user_data};
