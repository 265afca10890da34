//! What was done to a host is written down, and told.

use std::fs;
use std::io::{Read as _, Write as _};
use std::net::TcpListener;
use std::os::unix::fs::PermissionsExt as _;

use serde_json::Value;

use super::lab::Lab;

/// The lines of the audit log; times and numbers of processes say nothing here.
fn lines(lab: &Lab) -> Vec<Value> {
    let path = lab.state().join(&lab.project).join("audit.jsonl");
    assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
    let text = fs::read_to_string(path).unwrap();
    let line = |line: &str| {
        let mut line: Value = serde_json::from_str(line).unwrap();
        assert!(line["at"].take().is_string() && line["process"].take().is_u64() && line["user"].take().is_u64());
        line
    };
    text.lines().map(line).collect()
}

fn summary(line: &Value) -> String {
    let done = line["done"].as_array().map_or(0, Vec::len);
    format!("{} {} {} {done}", line["event"], line["serial"], line["outcome"])
}

#[test]
fn what_was_done_is_written_down_and_told() {
    let lab = Lab::new("audit");
    let web = |image: &str| {
        format!(
            r#""web": {{"image": "{image}", "stop_grace": "1s", "env": {{"TOKEN": "hunter2"}}, "restart": "always"}}"#
        )
    };
    let hook = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("http://{}/hook?key=secret", hook.local_addr().unwrap());
    let posted = std::thread::spawn(move || {
        let (mut stream, _) = hook.accept().unwrap();
        let mut text = String::new();
        let mut chunk = [0; 4096];
        while !text.ends_with("}\n") {
            let n = stream.read(&mut chunk).unwrap();
            text.push_str(std::str::from_utf8(&chunk[..n]).unwrap());
        }
        stream.write_all(b"HTTP/1.1 204 No Content\r\nConnection: close\r\n\r\n").unwrap();
        text
    });
    let told = lab.path("told");
    let notify = format!("cat >> {}", told.display());
    lab.manifest(1, &web("one"));
    let ran = lab.run(&["apply", "--notify", &notify, "--notify-url", &url]);
    assert_eq!(ran.exit, Some(0), "{ran:?}");
    let posted = posted.join().unwrap();
    assert!(posted.starts_with("POST /hook?key=secret HTTP/1.1\r\n"), "{posted}");
    let line = fs::read_to_string(&told).unwrap();
    assert!(posted.ends_with(&line) && line.contains(r#""outcome":"done""#), "{posted}\n{line}");
    assert_eq!(lab.run(&["apply", "--notify", "false"]).stderr, "", "where nothing is done nobody is told");
    lab.manifest(2, &web("crash"));
    let failed = lab.run(&["apply", "--notify", "exit 3", "--notify-url", &url]);
    assert_eq!(failed.exit, Some(4), "{failed:?}");
    assert!(failed.stderr.contains("warning: `exit 3` was not told: exit status: 3"), "{failed:?}");
    assert!(failed.stderr.contains("/hook`: ") && !failed.stderr.contains("key=secret"), "{failed:?}");

    let lines = lines(&lab);
    let all: Vec<String> = lines.iter().map(summary).collect();
    assert_eq!(
        all,
        [r#""began" 1 null 0"#, r#""ended" 1 "done" 2"#, r#""began" 2 null 0"#, r#""ended" 2 "restored" 2"#]
    );
    assert_eq!(lines[1]["done"][0]["action"], format!("create `{}`", lab.name("web")));
    assert_eq!(lines[3]["error"], "`web` is not good; what served before serves again");
    assert!(!lines.iter().any(|line| line.to_string().contains("hunter2")));
}
