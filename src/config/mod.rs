//! Reads `windlass.yaml` and container-structure-test files: text in, values and diagnostics out. Opens no file.

mod deploy;
mod effective;
mod file;
mod git;
mod image;
mod keys;
mod lock;
mod path;
pub mod read;
mod schema;
pub mod structure;
mod test;
mod value;
pub mod yaml;

pub use deploy::Deploy;
pub use effective::{deploy_text, effective};
pub use file::parse;
pub use git::GitSource;
pub use lock::{LOCK_VERSION, Lock, LockedBase};
pub use path::{ProjectPath, ProjectPathError};
pub use read::Spanned;
pub use schema::schema;
pub use value::{
    ChannelTags, Config, Defaults, FileConfig, FileFrom, ImageConfig, NamedContext, SecretConfig, SecretFrom,
    TestConfig, VERSION,
};
