//! Several containers of one kind: replaced a batch at a time, found by one name, never fewer than there should be.

use super::lab::{Lab, docker};

/// So many servers, and a client that asks for them without a pause.
fn servers(image: &str, replicas: u32, more: &str) -> String {
    format!(
        r#""web": {{"image": "{image}", "replicas": {replicas}, "stop_grace": "1s", "aliases": ["front"],
  "update": {{"healthy_for": "300ms", "probe": {{"http": "80/version"}}{more}}}}},
"client": {{"image": "one", "depends_on": ["web"], "stop_grace": "1s", "stop_signal": "SIGKILL", "command": ["/bin/sh", "-c",
  "while :; do said=$(wget -q -O - http://front/version 2>&1) && echo $said || echo failed: $said; done"]}}"#
    )
}

/// The servers that run, as their images call themselves.
fn versions(lab: &Lab) -> Vec<String> {
    let running = lab.containers();
    let servers = running.lines().filter(|line| line.contains("-web") && line.ends_with("running"));
    servers.map(|line| lab.asks("client", line.split(' ').next().unwrap().strip_prefix("PROJECT-").unwrap())).collect()
}

/// How many of them run, after each thing that happened since a moment.
fn running_since(lab: &Lab, since: &str, at_first: usize) -> Vec<usize> {
    let events = lab.events_since(since);
    let changes =
        events.iter().filter(|event| event.contains("-web")).filter_map(|event| match event.split(' ').next() {
            Some("start") => Some(1_isize),
            Some("die") => Some(-1),
            _ => None,
        });
    let count = |now: &mut usize, change: isize| {
        *now = now.checked_add_signed(change).unwrap();
        Some(*now)
    };
    changes.scan(at_first, count).collect()
}

#[test]
fn replicas() {
    let lab = Lab::new("replicas");
    lab.manifest(1, &servers("one", 3, ""));
    lab.apply();
    assert_eq!(versions(&lab), ["one", "one", "one"]);
    assert_eq!(lab.run(&["apply"]).stdout, "nothing to do: the host runs serial 1 of `PROJECT`\n");
    let before = lab.now();
    lab.manifest(2, &servers("two", 3, ""));
    lab.apply();
    assert_eq!(versions(&lab), ["two", "two", "two"]);
    assert_eq!(running_since(&lab, &before, 3), [4, 3, 4, 3, 4, 3], "start-first: never fewer than three");
    let log = docker(&["logs", &lab.name("client")]);
    // The client came up beside the first ones.
    let failed = log.lines().skip_while(|line| line.starts_with("failed")).filter(|line| line.starts_with("failed"));
    assert_eq!(failed.collect::<Vec<_>>(), Vec::<&str>::new());

    lab.manifest(3, &servers("two", 1, ""));
    lab.apply();
    assert_eq!(lab.containers(), "PROJECT-client running\nPROJECT-web running");
    lab.manifest(4, &servers("two", 2, ""));
    lab.apply();
    assert_eq!(versions(&lab), ["two", "two"]);

    lab.manifest(5, &servers("crash", 2, ""));
    assert_eq!(lab.run(&["apply"]).exit, Some(4), "the first is bad, and no other was begun with");
    assert_eq!(versions(&lab), ["two", "two"]);
}

#[test]
fn update_batch() {
    let lab = Lab::new("batch");
    let stop_first = r#", "batch": 2, "order": "stop-first""#;
    lab.manifest(1, &servers("one", 4, stop_first));
    lab.apply();
    let before = lab.now();
    lab.manifest(2, &servers("two", 4, stop_first));
    lab.apply();
    let running = running_since(&lab, &before, 4);
    assert_eq!((running.iter().min(), running.iter().max(), running.last()), (Some(&2), Some(&4), Some(&4)));
    assert_eq!(versions(&lab), ["two", "two", "two", "two"]);
}
