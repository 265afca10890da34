//! Turns a tree of Dockerfiles and git sources into tested, published images and into running containers.
//!
//! The layers and what each may import are in `ARCHITECTURE.md`; `tests/it/tidy.rs` holds the code to them.

pub mod apply;
pub mod ci;
pub mod cli;
pub mod config;
pub mod diag;
pub mod docker;
pub mod dockerfile;
pub mod engine;
pub mod event;
pub mod graph;
pub mod hash;
pub mod manifest;
pub mod model;
pub mod pipeline;
pub mod plan;
pub mod registry;
pub mod source;
pub mod ui;
