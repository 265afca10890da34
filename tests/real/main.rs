//! Tests against real engines, registries and tools. `scripts/test` starts those and runs this program; without
//! them every test fails, because a suite that was asked for and cannot run has not passed.
#![expect(clippy::unwrap_used, reason = "a test that cannot unwrap fails, which is what it should")]
#![expect(clippy::disallowed_methods, reason = "what has to end in bounded time is held against the clock")]

mod action;
mod apply;
mod build;
mod config_schema;
mod conformance;
mod docker_connect;
mod dockerfile_buildkit;
mod dockerfile_oracle;
mod embedded_build;
mod embedded_commands;
mod embedded_files;
mod embedded_registry;
mod engine_build;
mod engine_build_limits;
mod engine_build_registry;
mod example;
mod faults;
mod git_sources;
mod image_tests;
mod lock;
#[path = "../it/metadata_server.rs"]
#[expect(dead_code, reason = "not all that it can do is done to it here")]
mod metadata_server;
mod parts;
mod pipelines;
mod plan;
mod plan_context;
mod plan_sources;
mod project;
mod registry;
mod registry_images;
mod registry_push;
mod registry_tls;
mod scripts;
mod ssh;
#[path = "../it/web_server.rs"]
#[expect(dead_code, reason = "not all that it can do is done to it here")]
mod web_server;
mod workflows;
