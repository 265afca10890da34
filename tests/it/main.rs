//! The integration tests: one program, one module a subject.
#![expect(clippy::unwrap_used, reason = "a test that cannot unwrap fails, which is what it should")]

mod apply_converges;
mod apply_diff;
mod apply_history;
mod apply_world;
mod bad_input;
mod config;
mod config_cli;
mod dockerfile;
mod dockerfile_diagnostics;
mod dockerfile_pin;
mod dockerfile_properties;
mod dockerfile_size;
mod dockerfile_testdata;
mod exact;
mod git_files;
mod git_sources;
mod hash;
mod init;
mod lock;
mod manifest;
mod pipeline;
mod plan;
mod plan_files;
mod plan_jobs;
mod plan_select;
mod plan_since;
mod plan_verdicts;
mod plan_why;
mod registry_credentials;
mod registry_faults;
mod registry_server;
mod sketch;
mod source;
mod structure;
mod tidy;
