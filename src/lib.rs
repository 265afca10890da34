//! Turns a tree of Dockerfiles and git sources into tested, published images and into running containers.
//!
//! The layers and what each may import are in `ARCHITECTURE.md`; `tests/it/tidy.rs` holds the code to them.

pub mod diag;
pub mod docker;
pub mod engine;
pub mod event;
pub mod model;
