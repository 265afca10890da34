//! Why BuildKit did not build, out of what gRPC tells.

use std::error::Error as _;

use anyhow::anyhow;
use bollard_buildkit_proto::google::rpc;
use prost::Message;
use serde_json::Value;
use tonic::{Code, Status};

use super::super::Route;
use super::super::complaint::Complaint;
use super::super::outline::{Outline, Place};
use super::progress::numbered;
use crate::docker::innermost;
use crate::engine::Error;

/// Explains a failed solve; `failed` is the step that failed, by its name.
pub(super) fn explain(status: &Status, failed: Option<&str>, outline: &Outline) -> Error {
    // A daemon's errors come as `Unknown` and without a cause; the others are the connection's.
    let connection = match (status.source(), status.code()) {
        (Some(cause), _) => Some(innermost(cause)),
        (None, Code::Unavailable | Code::Cancelled | Code::DeadlineExceeded | Code::Unimplemented) => {
            Some(status.message().to_owned())
        }
        (None, _) => None,
    };
    if let Some(why) = connection {
        return Error::Unreachable(anyhow!("BuildKit: {why}"));
    }
    let line = line(status.details());
    let place = match (line, failed) {
        (Some(line), _) => Place::Line(line),
        (None, Some(name)) => Place::Named(name),
        (None, None) => Place::Unknown,
    };
    let numbered = failed.map(numbered).filter(|(number, _)| number.is_some());
    let instruction = numbered.as_ref().map(|(_, name)| without_stage(name));
    Complaint { route: Route::BuildKit, message: status.message(), place, instruction }.explain(outline)
}

fn without_stage(name: &str) -> &str {
    name.strip_prefix('[').and_then(|rest| rest.split_once("] ")).map_or(name, |(_, instruction)| instruction)
}

/// The line that the error's details name: newer daemons send the place in the Dockerfile along
/// (BuildKit `solver/errdefs`, `Source`), as JSON inside of protobuf.
fn line(details: &[u8]) -> Option<usize> {
    let details = rpc::Status::decode(details).ok()?.details;
    let sources = details.iter().filter(|detail| detail.type_url.ends_with("errdefs.Source+json"));
    let mut lines = sources.filter_map(|source| {
        let source: Value = serde_json::from_slice(&source.value).ok()?;
        source.pointer("/ranges/0/start/line")?.as_u64()
    });
    lines.next().and_then(|line| usize::try_from(line).ok()).filter(|line| *line > 0)
}

#[cfg(test)]
mod tests {
    use bollard_buildkit_proto::google::protobuf::Any;

    use super::*;

    #[test]
    fn the_line_is_read_out_of_the_details() {
        let detail = |name: &str, value: &str| Any {
            type_url: format!("github.com/moby/buildkit/{name}"),
            value: value.as_bytes().to_owned(),
        };
        let source = r#"{"info":{"filename":"Dockerfile"},"ranges":[{"start":{"line":4},"end":{"line":5}}]}"#;
        let details = vec![detail("stack.Stack+json", "{}"), detail("errdefs.Source+json", source)];
        let status = rpc::Status { details, ..rpc::Status::default() };
        assert_eq!(line(&status.encode_to_vec()), Some(4));
        assert_eq!(line(&[]), None);
        assert_eq!(line(b"\xff"), None);
    }
}
