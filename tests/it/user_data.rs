//! EC2 user-data: what it may be, and what is wrong with it. None of it is told: it has secrets.

use std::io::Write as _;

use assert_cmd::Command;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use expect_test::{Expect, expect};
use flate2::Compression;
use flate2::write::GzEncoder;
use windlass::manifest::{UserData, user_data};

use crate::metadata_server::{self, MetadataServer};

/// No text that is told has it.
const CANARY: &str = "canary-7f3a";

fn packed(bytes: &[u8]) -> Vec<u8> {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::best());
    encoder.write_all(bytes).unwrap();
    encoder.finish().unwrap()
}

/// As `base64` of coreutils writes it.
fn in_lines(bytes: &[u8]) -> Vec<u8> {
    let text = STANDARD.encode(bytes);
    let lines: Vec<String> =
        text.as_bytes().chunks(76).map(|line| String::from_utf8_lossy(line).into_owned()).collect();
    (lines.join("\n") + "\n").into_bytes()
}

fn shown(bytes: &[u8]) -> String {
    match user_data(bytes) {
        Ok(UserData::Manifest(text)) => format!("manifest {}", text.text()),
        Ok(UserData::Dockerup(text)) => format!("dockerup {}", text.text()),
        Ok(UserData::Address(address)) => format!("address {address}"),
        Err(errors) => errors.to_string(),
    }
}

#[test]
fn it_is_found_however_it_is_packed() {
    for (text, expected) in [
        (r#"{"version": 1, "project": "shop"}"#, r#"manifest {"version": 1, "project": "shop"}"#),
        (r#"{"containers": []}"#, r#"dockerup {"containers": []}"#),
        ("oci://registry.example.com/shop/deploy:main\n", "address oci://registry.example.com/shop/deploy:main"),
        ("https://host/deploy.json#sha256:00", "address https://host/deploy.json#sha256:00"),
    ] {
        let plain = text.as_bytes().to_vec();
        let all = [
            plain.clone(),
            packed(&plain),
            in_lines(&plain),
            in_lines(&packed(&plain)),
            packed(&in_lines(&plain)),
            in_lines(&in_lines(&packed(&plain))),
        ];
        for bytes in all {
            assert_eq!(shown(&bytes), expected);
        }
    }
}

#[test]
fn what_it_is_not_is_told_without_its_text() {
    let bomb = packed(&vec![b' '; 2 << 20]);
    assert!(bomb.len() < 16 << 10);
    let cut = &packed(format!("{{\"containers\": \"{CANARY}\"}}").as_bytes())[..20];
    let mut told = String::new();
    for bytes in [
        b"" as &[u8],
        b" \n",
        b"#cloud-config\npassword: canary-7f3a\n",
        b"#!/bin/sh\necho canary-7f3a\n",
        b"oci://x/canary-7f3a and more",
        b"[\"canary-7f3a\"]",
        b"{\"version\": 1, \"canary-7f3a\"",
        b"{\"version\": canary-7f3a}",
        b"\xff\xfe",
        &bomb,
        cut,
    ] {
        told += &format!("{}\n", shown(bytes));
    }
    assert!(!told.contains(CANARY), "{told}");
    expect![[r#"
        error: the user-data is empty
        error: the user-data is empty
        error: the user-data is no manifest, and no address of one
        error: the user-data is no manifest, and no address of one
        error: the user-data is no manifest, and no address of one
        error: the user-data is no manifest, and no address of one
        user-data:1:29: error: the user-data ends in the middle
        user-data:1:13: error: expected value
        error: the user-data is not UTF-8
        error: the user-data has more than 1048576 bytes when it is decompressed
        error: the user-data is compressed, and can't be decompressed
    "#]]
    .assert_eq(&told);
}

/// Runs `apply` with a metadata service, and tells what it says. Nobody answers at the engine's address.
fn said(args: &[&str], user_data: metadata_server::UserData) -> String {
    let server = MetadataServer::start(user_data);
    let folder = tempfile::tempdir().unwrap();
    let mut command = Command::cargo_bin("windlass").unwrap();
    command.env_clear().env("AWS_EC2_METADATA_SERVICE_ENDPOINT", &server.endpoint).current_dir(folder.path());
    command.env("HOME", folder.path()).env("http_proxy", "http://127.0.0.1:1");
    let output = command.args(["--host", "unix:///nothing.sock", "apply", "--ec2"]).args(args).output().unwrap();
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).replace(&server.endpoint, "http://SERVICE/");
    let said = format!("{}{}exit {}\n", text(&output.stdout), text(&output.stderr), output.status.code().unwrap());
    let said = said.replace(server.endpoint.trim_end_matches('/'), "http://SERVICE");
    assert!(!said.contains(CANARY), "{said}");
    said
}

#[expect(clippy::needless_pass_by_value, reason = "expect-test's own shape")]
fn check(args: &[&str], user_data: metadata_server::UserData, expected: Expect) {
    expected.assert_eq(&said(args, user_data));
}

#[test]
fn what_can_not_be_read_is_told_before_anything_is_asked_of_the_engine() {
    use metadata_server::UserData::{Body, Cut, NoToken, Silent, Status};
    check(
        &[],
        Status(404),
        expect![[r#"
        error: the instance has no user-data
        hint: give it some, or leave `--ec2` away (`aws=true` in dockerup.conf)
        exit 2
    "#]],
    );
    check(
        &[],
        Status(403),
        expect![[r#"
        error: reading the user-data from `http://SERVICE`: the question for the user-data is answered with 403 Forbidden
        exit 1
    "#]],
    );
    check(
        &[],
        Status(500),
        expect![[r#"
        error: reading the user-data from `http://SERVICE`: the question for the user-data is answered with 500 Internal Server Error
        hint: is this an EC2 instance? in a container its hop limit has to be 2: `aws ec2 modify-instance-metadata-options --http-put-response-hop-limit 2`
        exit 3
    "#]],
    );
    check(
        &[],
        NoToken,
        expect![[r#"
        error: reading the user-data from `http://SERVICE`: no whole answer within 2 s
        hint: is this an EC2 instance? in a container its hop limit has to be 2: `aws ec2 modify-instance-metadata-options --http-put-response-hop-limit 2`
        exit 3
    "#]],
    );
    check(
        &[],
        Silent,
        expect![[r#"
        error: reading the user-data from `http://SERVICE`: no whole answer within 2 s
        hint: is this an EC2 instance? in a container its hop limit has to be 2: `aws ec2 modify-instance-metadata-options --http-put-response-hop-limit 2`
        exit 3
    "#]],
    );
    check(
        &[],
        Cut(b"{}".to_vec()),
        expect![[r#"
        error: reading the user-data from `http://SERVICE`: end of file before message length reached
        hint: is this an EC2 instance? in a container its hop limit has to be 2: `aws ec2 modify-instance-metadata-options --http-put-response-hop-limit 2`
        exit 3
    "#]],
    );
    check(
        &[],
        Body(vec![b' '; (16 << 10) + 1]),
        expect![[r#"
        error: reading the user-data from `http://SERVICE`: its answer has more than 16384 bytes
        exit 1
    "#]],
    );
    check(
        &[],
        Body(b"#cloud-config".to_vec()),
        expect![[r#"
        error: the user-data is no manifest, and no address of one
         |
         = hint: it is a deploy manifest, `{"containers": […]}` of dockerup, `oci://…` or `https://…#sha256:…`
        exit 2
    "#]],
    );
    check(
        &[],
        Body(b"oci://acme/deploy".to_vec()),
        expect![[r#"
        error: `oci://acme/deploy` does not begin with a registry
        hint: say which: `oci://registry.example.com/shop/deploy:main`
        exit 2
    "#]],
    );
    check(
        &[],
        Body(b"https://127.0.0.1:1/deploy.json".to_vec()),
        expect![[r#"
        error: `https://127.0.0.1:1/deploy.json` is named without its sha256
        hint: `https://127.0.0.1:1/deploy.json#sha256:…` says what has to be there
        exit 2
    "#]],
    );
    let manifest = r#"{"version": 1, "project": "shop", "serial": 1, "images": {},
"containers": {"web": {"image": "nothing", "env": {"TOKEN": "canary-7f3a"}}}}"#;
    check(
        &[],
        Body(manifest.into()),
        expect![[r#"
        error: there is no image `nothing`
        --> user-data:2:33
         = hint: an image from elsewhere is written with its digest
        exit 2
    "#]],
    );
    let mut all = String::new();
    for (right, wrong) in [
        (r#"{"TOKEN": "canary-7f3a"}"#, r#""TOKEN=canary-7f3a""#),
        (r#"{"TOKEN": "canary-7f3a"}"#, r#"{"TOKEN": canary-7f3a}"#),
        (r#"{"TOKEN": "canary-7f3a"}"#, r#"{"TOKEN": {"x": "canary-7f3a"}}"#),
        (r#""env": {"TOKEN": "canary-7f3a"}"#, r#""files": {"x": {"content": "canary-7f3a"}}"#),
    ] {
        let text = manifest.replace(right, wrong);
        assert_ne!(text, manifest);
        all += &said(&[], Body(text.into()));
    }
    expect![[r#"
        error: expected a map
        --> user-data:2:51
        exit 2
        error: expected value
        --> user-data:2:61
        exit 2
        error: expected a text (a number with a point has to be quoted)
        --> user-data:2:61
        exit 2
        error: there is no image `nothing`
        --> user-data:2:33
         = hint: an image from elsewhere is written with its digest

        error: `x` is no absolute path below `/` in the container
        --> user-data:2:54
        exit 2
    "#]]
    .assert_eq(&all);
    check(
        &[],
        Body(br#"{"containers": [{"name": "web", "env": "canary-7f3a"}]}"#.to_vec()),
        expect![[r#"
        error: a container needs a `name` and an `image`
        --> user-data:1:17
        exit 2
    "#]],
    );
    check(
        &["deploy.json"],
        Body(br#"{"containers": []}"#.to_vec()),
        expect![[r#"
            error: the user-data has containers of dockerup, which are a project of their own
            hint: name no manifest beside `--ec2`
            exit 2
        "#]],
    );
    check(
        &["--project", "shop"],
        Body(manifest.into()),
        expect![[r#"
        error: `--project` is for containers of dockerup, and the user-data is a manifest, which names its own
        exit 2
    "#]],
    );
}
