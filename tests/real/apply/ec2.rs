//! EC2 user-data on a real engine. A server of the test stands in for the metadata service.

use std::fs;
use std::io::Read as _;

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;

use super::lab::{Lab, docker};
use super::watch::{Watching, until};
use crate::metadata_server::{MetadataServer, UserData};

/// What `deploy.json` says; then it is not there any more.
fn taken(lab: &Lab) -> Vec<u8> {
    let text = fs::read(lab.path("deploy.json")).unwrap();
    fs::remove_file(lab.path("deploy.json")).unwrap();
    text
}

/// The id of a container, whatever it is doing; nothing where it is not there.
fn id(lab: &Lab, container: &str) -> String {
    docker(&["ps", "--all", "--quiet", "--no-trunc", "--filter", &format!("name=^{}$", lab.name(container))])
}

#[test]
fn user_data_is_a_manifest_and_what_is_garbage_keeps_what_runs() {
    let lab = Lab::new("ec2");
    let web = |image: &str| {
        format!(
            r#""web": {{"image": "{image}", "stop_grace": "0s", "env": {{"TOKEN": "hunter2"}}, "update": {{"healthy_for": "0s"}}}}"#
        )
    };
    lab.manifest(1, &web("one"));
    let server = MetadataServer::start(UserData::Body(taken(&lab)));
    let with = |args: &[&str]| lab.start_with(args, "AWS_EC2_METADATA_SERVICE_ENDPOINT", &server.endpoint);
    let ran = lab.ran(with(&["apply", "--ec2"]).wait_with_output().unwrap());
    assert_eq!((ran.exit, lab.containers().as_str()), (Some(0), "PROJECT-web running"), "{ran:?}");
    assert_eq!(
        server.asked(),
        [
            "PUT /latest/api/token x-aws-ec2-metadata-token-ttl-seconds: 60",
            "GET /latest/user-data x-aws-ec2-metadata-token: AQAEA-a-token=="
        ]
    );
    lab.manifest(1, r#""db": {"image": "one", "stop_grace": "0s"}"#);
    let ran = lab.ran(with(&["apply", "--ec2", "deploy.json"]).wait_with_output().unwrap());
    assert_eq!((ran.exit, lab.containers().as_str()), (Some(0), "PROJECT-db running\nPROJECT-web running"), "{ran:?}");

    server.asked();
    let mut watching = Watching(with(&["apply", "--watch", "--interval", "100ms", "--ec2", "deploy.json"]));
    // Two questions are one look: with the third the first look is over.
    until("it knows what is wanted", || server.n_asked() > 2);
    for bad in [
        UserData::Body(b"#cloud-config".to_vec()),
        UserData::Status(404),
        UserData::Status(500),
        UserData::Body(b"{".to_vec()),
    ] {
        server.asked();
        server.says(bad);
        until("it looks some times", || server.n_asked() > 6);
        let first = id(&lab, "web");
        docker(&["rm", "--force", &lab.name("web")]);
        until("what was wanted last is mended", || !["", &first].contains(&id(&lab, "web").as_str()));
    }
    lab.manifest(2, &web("two"));
    let text = taken(&lab);
    lab.manifest(1, r#""db": {"image": "one", "stop_grace": "0s"}"#);
    server.says(UserData::Body(text));
    until("the new one runs", || {
        let (name, image) = (format!("name=^{}$", lab.name("web")), format!("ancestor={}", lab.image("two")));
        !docker(&["ps", "--quiet", "--filter", &name, "--filter", &image]).is_empty()
    });
    kill(Pid::from_raw(watching.0.id().try_into().unwrap()), Signal::SIGTERM).unwrap();
    assert_eq!(watching.0.wait().unwrap().code(), Some(0));
    let mut said = String::new();
    watching.0.stderr.take().unwrap().read_to_string(&mut said).unwrap();
    assert!(said.contains("no manifest, and no address of one") && !said.contains("hunter2"), "{said}");
}
