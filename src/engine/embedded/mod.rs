//! The engine that is in the program itself: no daemon, and no right that the machine does not give anyway.

pub mod beneath;
mod build;
mod canvas;
mod carried;
mod compare;
mod engine;
mod git;
pub mod images;
pub mod layer;
mod links;
mod on_disk;
pub mod sandbox;
pub mod store;
mod test;
mod view;

pub use carried::Written;
pub use compare::{Change, Difference, compare};
pub use engine::{EmbeddedEngine, Options, open_store};
pub use git::{GitClient, GitFiles, GitWanted};
