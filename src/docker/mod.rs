//! A thin typed client of the Docker Engine API, which Podman serves too. Knows endpoints, time-outs and the
//! API's oddities; decides nothing.

mod connect;

pub use connect::{ConnectError, connect};
