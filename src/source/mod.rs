//! Reads what images are made from: folders, `.gitignore`, `.dockerignore`, git's revision. Decides nothing about
//! images, and reads neither clock nor environment.

mod checkout;
mod commit;
mod context;
mod digest;
mod discover;
mod folders;
mod git;
mod git_ignore;
mod git_index;
mod ignore_file;
mod names;
mod nearest;
mod remote;
mod repositories;
mod revision;
mod text;
mod walk;

pub use checkout::{Checkout, check_out};
pub use commit::{Commit, CommitError};
pub use context::{ContextRequest, Loaded, Unread, UnreadFile, list_contexts, load_contexts};
pub use discover::{Declared, Discovered, Found, discover};
pub use folders::Folders;
pub use git::GitError;
pub use ignore_file::IgnoreFile;
pub use nearest::nearest_context;
pub use remote::{Cache, GitSettings, RefProblem, RemoteError, RemoteRefs, Wanted};
pub use repositories::Repositories;
pub use revision::{Revision, revision};
pub use text::{read_bytes, read_text};
