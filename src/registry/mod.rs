//! A client of OCI registries: credentials, digests, retags, retries. Decides nothing, shows nothing, keeps no
//! secret in a text.

mod credentials;
mod error;
mod helper;
mod retry;
mod text;

pub use credentials::{Credentials, Helpers, Keychain};
pub use error::Error;
pub use retry::{Again, Retry, RetryPolicy};
