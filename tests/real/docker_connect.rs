//! Greeting an engine, and being refused by none.

use std::os::unix::net::UnixListener;
use std::time::Duration;

use windlass::docker::{ConnectError, connect};

use crate::parts;

#[tokio::test]
async fn a_real_engine_is_greeted() {
    let docker = connect(&parts::docker_host(), Duration::from_secs(10)).await.unwrap();
    assert!(docker.version().await.unwrap().api_version.is_some());
}

#[tokio::test]
async fn a_missing_socket_is_unreachable() {
    let error = connect("unix:///nonexistent/docker.sock", Duration::from_secs(10)).await.unwrap_err();
    assert!(matches!(error, ConnectError::Unreachable { .. }), "{error:?}");
}

#[tokio::test]
async fn a_silent_socket_is_given_up() {
    let folder = tempfile::tempdir().unwrap();
    let socket = folder.path().join("docker.sock");
    let _listener = UnixListener::bind(&socket).unwrap();
    let error = connect(&format!("unix://{}", socket.display()), Duration::from_millis(200)).await.unwrap_err();
    assert!(matches!(error, ConnectError::Silent { .. }), "{error:?}");
}
