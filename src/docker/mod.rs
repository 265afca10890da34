//! A thin typed client of the Docker Engine API, which Podman serves too. Knows endpoints, time-outs and the
//! API's oddities; decides nothing.

mod answer;
pub mod archive;
mod auth;
pub mod commands;
mod connect;
pub mod containers;
pub mod events;
mod failure;
pub mod files;
mod healthcheck;
mod images;
pub mod networks;
mod pipe;
mod upgrade;

pub use connect::{ConnectError, connect};
pub use failure::{Failure, innermost};
pub use healthcheck::run_health_check;
pub use images::{find, load, pull, push, tag, untag};
pub use pipe::body;
pub use upgrade::{Hangup, Upgraded, upgrade};
