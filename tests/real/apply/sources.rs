//! Manifests from several places, and from a web server.

use std::fs;
use std::io::{Read as _, Write as _};
use std::net::TcpListener;

use expect_test::expect;
use sha2::{Digest as _, Sha256};

use super::lab::Lab;

/// Keeps what `deploy.json` says under another name.
fn keep_as(lab: &Lab, name: &str) {
    fs::rename(lab.path("deploy.json"), lab.path(name)).unwrap();
}

#[test]
fn several_manifests_are_one() {
    let lab = Lab::new("sources");
    lab.manifest(3, r#""web": {"image": "one", "stop_grace": "1s", "ports": ["127.0.0.1:9:80"]}"#);
    keep_as(&lab, "web.json");
    lab.manifest(4, r#""db": {"image": "one", "stop_grace": "1s", "ports": ["127.0.0.1:9:80"]}"#);
    keep_as(&lab, "clash.json");
    lab.manifest(4, r#""db": {"image": "one", "stop_grace": "1s"}"#);
    keep_as(&lab, "db.json");
    lab.run(&["apply", "web.json", "web.json"]).is(expect![[r#"
        error: the container `web` stands in `web.json` and in `web.json`
        exit 2
    "#]]);
    let clash = lab.run(&["apply", "web.json", "clash.json"]);
    assert!(clash.exit == Some(2) && clash.stderr.contains("is published by `db` too"), "{clash:?}");
    assert_eq!(lab.containers(), "", "nothing was touched");
    lab.manifest(3, r#""web": {"image": "one", "stop_grace": "1s"}"#);
    keep_as(&lab, "web.json");
    let ran = lab.run(&["apply", "web.json", "db.json"]);
    assert_eq!(ran.exit, Some(0), "{ran:?}");
    assert_eq!(lab.containers(), "PROJECT-db running\nPROJECT-web running");
    assert_eq!(
        lab.run(&["apply", "web.json", "db.json"]).stdout,
        "nothing to do: the host runs serial 7 of `PROJECT`\n"
    );
    let other = fs::read_to_string(lab.path("db.json")).unwrap().replace(&lab.project, "another");
    fs::write(lab.path("other.json"), other).unwrap();
    lab.run(&["apply", "web.json", "other.json"]).is(expect![[r#"
        error: `web.json` is of the project `PROJECT`, and `other.json` of `another`
        exit 2
    "#]]);
}

#[test]
fn a_manifest_of_a_web_server_is_what_its_address_says() {
    let lab = Lab::new("source-web");
    lab.manifest(1, r#""web": {"image": "one", "stop_grace": "1s"}"#);
    let text = fs::read(lab.path("deploy.json")).unwrap();
    fs::remove_file(lab.path("deploy.json")).unwrap();
    let digest: String = Sha256::digest(&text).iter().map(|byte| format!("{byte:02x}")).collect();
    let server = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = format!("http://{}/deploy.json?token=secret", server.local_addr().unwrap());
    let serving = std::thread::spawn(move || {
        for _ in 0..2 {
            let (mut stream, _) = server.accept().unwrap();
            let (mut asked, mut chunk) = (Vec::new(), [0; 1024]);
            while !asked.ends_with(b"\r\n\r\n") {
                let n = stream.read(&mut chunk).unwrap();
                asked.extend_from_slice(&chunk[..n]);
            }
            let head = format!("HTTP/1.1 200 OK\r\nContent-Length: {}\r\nConnection: close\r\n\r\n", text.len());
            stream.write_all(&[head.as_bytes(), &text].concat()).unwrap();
        }
    });
    let refused = lab.run(&["apply", &address]);
    assert!(refused.exit == Some(2) && refused.stderr.contains("is named without its sha256"), "{refused:?}");
    let other = lab.run(&["apply", &format!("{address}#sha256:{}", "0".repeat(64))]);
    assert!(other.exit == Some(2) && other.stderr.contains(&format!("has the sha256 {digest}")), "{other:?}");
    assert!(!other.stderr.contains("secret"), "{other:?}");
    assert_eq!(lab.containers(), "");
    let ran = lab.run(&["apply", &format!("{address}#sha256:{digest}")]);
    assert_eq!((ran.exit, lab.containers().as_str()), (Some(0), "PROJECT-web running"), "{ran:?}");
    serving.join().unwrap();
    let gone = lab.run(&["apply", &format!("{address}#sha256:{digest}")]);
    assert_eq!((gone.exit, lab.containers().as_str()), (Some(3), "PROJECT-web running"), "{gone:?}");
}
