//! A thin typed client of the Docker Engine API, which Podman serves too. Knows endpoints, time-outs and the
//! API's oddities; decides nothing.

pub mod archive;
mod auth;
pub mod commands;
mod connect;
mod failure;
mod images;
mod upgrade;

pub use connect::{ConnectError, connect};
pub use failure::Failure;
pub use images::{find, pull, push, tag, untag};
pub use upgrade::{Hangup, Upgraded, upgrade};
