//! Manifests that are wrong, by hand and by mutation of one that says everything: each is refused, at a place in its text,
//! before anything is asked of the engine. Nobody answers at the engine's address, so a run that asked would end with 3.

use std::fs;
use std::process::Command;

use serde_json::Value;
use windlass::diag::SourceText;
use windlass::manifest;

const FULL: &str = include_str!("../../testdata/manifests/full.json");

/// What is done to the value at a place.
#[derive(Debug, Clone, Copy)]
enum Mutation {
    /// It becomes something that no key takes.
    OfNoType,
    /// Its key stands there twice.
    Twice,
    /// It gets a key that nobody knows.
    UnknownKey,
    /// It is left away.
    Missing,
}

/// Every place of a value, outer ones first.
fn places(value: &Value) -> Vec<Vec<String>> {
    let mut all = vec![Vec::new()];
    let inner: Vec<(String, &Value)> = match value {
        Value::Object(map) => map.iter().map(|(key, value)| (key.clone(), value)).collect(),
        Value::Array(list) => list.iter().enumerate().map(|(index, value)| (index.to_string(), value)).collect(),
        _ => Vec::new(),
    };
    for (step, value) in inner {
        all.extend(places(value).into_iter().map(|rest| [vec![step.clone()], rest].concat()));
    }
    all
}

/// Writes a value with a mutation at a place: a line an entry, so that places in the text tell something.
fn write(value: &Value, place: Option<&[String]>, mutation: Mutation) -> String {
    let is_here = place.is_some_and(<[String]>::is_empty);
    if is_here && matches!(mutation, Mutation::OfNoType) {
        return "[[{}]]".to_owned();
    }
    let below = |step: &str| {
        place.and_then(|place| place.split_first()).filter(|(first, _)| *first == step).map(|(_, rest)| rest)
    };
    match value {
        Value::Object(map) => {
            let mut entries = Vec::new();
            for (key, value) in map {
                let inner = below(key);
                let is_meant = inner.is_some_and(<[String]>::is_empty);
                let text = format!("{}: {}", Value::from(key.as_str()), write(value, inner, mutation));
                match mutation {
                    Mutation::Missing if is_meant => {}
                    Mutation::Twice if is_meant => entries.extend([text.clone(), text]),
                    _ => entries.push(text),
                }
            }
            if is_here && matches!(mutation, Mutation::UnknownKey) {
                entries.push(r#""unheard-of": 1"#.to_owned());
            }
            format!("{{\n{}\n}}", entries.join(",\n"))
        }
        Value::Array(list) => {
            let item = |(index, value)| write(value, below(&usize::to_string(&index)), mutation);
            format!("[{}]", list.iter().enumerate().map(item).collect::<Vec<_>>().join(", "))
        }
        scalar => scalar.to_string(),
    }
}

/// Maps whose keys are names that people give.
fn has_names(place: &[String]) -> bool {
    let last = place.last().map(String::as_str).unwrap_or_default();
    place.len() > 1
        && matches!(last, "env" | "labels" | "options" | "sysctls" | "ulimits" | "signals" | "files" | "depends_on")
        || matches!(last, "images" | "containers") && place.len() == 1
}

fn mutated() -> Vec<String> {
    let full: Value = serde_json::from_str(FULL).unwrap();
    let at = |place: &[String]| {
        place.iter().fold(&full, |value, step| match value {
            Value::Object(map) => &map[step],
            Value::Array(list) => &list[step.parse::<usize>().unwrap()],
            _ => panic!("a scalar holds nothing"),
        })
    };
    let mut all = Vec::new();
    for place in places(&full) {
        all.push(write(&full, Some(&place), Mutation::OfNoType));
        let is_entry = place.split_last().is_some_and(|(_, map)| at(map).is_object());
        if is_entry {
            all.push(write(&full, Some(&place), Mutation::Twice));
        }
        if at(&place).is_object() && !has_names(&place) {
            all.push(write(&full, Some(&place), Mutation::UnknownKey));
        }
        let is_needed = matches!(
            place.last().map(String::as_str),
            Some("version" | "project" | "serial" | "id" | "content_hash" | "driver")
        ) || place.len() == 3 && place[2] == "image";
        if is_needed {
            all.push(write(&full, Some(&place), Mutation::Missing));
        }
    }
    let text = write(&full, None, Mutation::OfNoType);
    all.extend((0..text.trim_end().len()).step_by(97).map(|end| text[..end].to_owned()));
    all
}

/// A manifest with one container `web`, which says this, and others.
fn says(keys: &str, others: &str) -> String {
    let id = format!("sha256:{}", "a".repeat(64));
    format!(
        r#"{{"version": 1, "project": "shop", "serial": 1, "images": {{"api": {{"id": "{id}", "content_hash": "{id}"}}}},
"containers": {{"web": {{"image": "api"{keys}}}{others}}}}}"#
    )
}

fn by_hand() -> Vec<String> {
    let keys = [
        r#""image": "api:latest""#,
        r#""volumes": ["../up:/x"]"#,
        r#""volumes": ["/a/../etc:/x"]"#,
        r#""volumes": ["x:/a/../../etc"]"#,
        r#""volumes": ["a/b:/x"]"#,
        r#""files": {"/etc/../x": {"content": ""}}"#,
        r#""files": {"x": {"content": ""}}"#,
        r#""files": {"/x": {"file": "../secret"}}"#,
        r#""files": {"/x": {"file": "/etc/shadow"}}"#,
        r#""files": {"/x": {"file": "a//b"}}"#,
        r#""files": {"/x": {"content": "a", "env": "B"}}"#,
        r#""files": {"/x": {"content": "a", "mode": "rwx"}}"#,
        r#""files": {"/x": {"content": "a", "owner": "root"}}"#,
        r#""files": {"/x": {"content": "a", "on_change": "restart"}}"#,
        r#""files": {"/.windlass-files": {"content": "a"}}"#,
        r#""files": {"/x": {"content": "a"}, "/x/y": {"content": "b"}}"#,
        r#""env_file": ["../.env"]"#,
        r#""env": {"A=B": 1}"#,
        r#""env": {"A": 1.5}"#,
        r#""ports": ["65536:80"]"#,
        r#""ports": ["80:0"]"#,
        r#""ports": ["99999999999999999999:80"]"#,
        r#""ports": ["80-82:80-81"]"#,
        r#""ports": ["300.0.0.1:80:80"]"#,
        r#""ports": ["80:80/icmp"]"#,
        r#""ports": ["80:80", "80:81"]"#,
        r#""replicas": 4294967296"#,
        r#""replicas": -1"#,
        r#""replicas": 0"#,
        r#""replicas": 2, "ports": ["80:80"]"#,
        r#""memory": "99999999999g""#,
        r#""memory": "-1""#,
        r#""cpus": "1e9""#,
        r#""cpu_shares": 999999999"#,
        r#""pids_limit": 99999999999"#,
        r#""stop_grace": "99999999999999999999s""#,
        r#""stop_grace": "1""#,
        r#""restart": "never""#,
        r#""hostname": "a b""#,
        r#""hostname": "web""#,
        r#""aliases": ["-x"]"#,
        r#""links": ["web"]"#,
        r#""links": ["nobody"]"#,
        r#""depends_on": ["web"]"#,
        r#""depends_on": {"web": {"condition": "ready"}}"#,
        r#""healthcheck": {"test": []}"#,
        r#""healthcheck": {"test": ["RUN", "x"]}"#,
        r#""update": {"order": "first"}"#,
        r#""update": {"batch": 0}"#,
        r#""update": {"probe": {}}"#,
        r#""update": {"probe": {"tcp": 0}}"#,
        r#""networks": ["lan"]"#,
        r#""networks": {"default": {"ipv4_address": "10.0.0.1"}}"#,
        r#""networks": {"default": {"ipv4_address": 7}}"#,
        r#""networks": {"default": {"aliases": ["a b"]}}"#,
        r#""networks": {"default": {"mac": "x"}}"#,
        r#""networks": ["default", "default"]"#,
        r#""networks": ["default"], "network_mode": "none""#,
        r#""network_mode": "bridge""#,
        r#""network_mode": "host", "ports": ["80:80"]"#,
        r#""network_mode": "container:web""#,
        r#""volumes_from": ["web"]"#,
        r#""signals": {"web": "KILL"}"#,
        r#""labels": {"dev.windlass.project": "other"}"#,
        r#""devices": ["/etc/passwd"]"#,
        r#""devices": ["/dev/../etc/passwd"]"#,
        r#""cap_add": ["everything"]"#,
        r#""security_opt": ["nothing"]"#,
        r#""pid": "container:web""#,
        r#""read_only": true, "files": {"/x": {"content": ""}}"#,
        r#""unheard-of": 1"#,
        r#""Command": ["x"]"#,
        r#""command": "sh -c x""#,
    ];
    let mut all: Vec<String> = keys.iter().map(|keys| says(&format!(", {keys}"), "")).collect();
    // The image stands there twice then, which is wrong already: once more with the other in its place.
    all.push(says("", "").replace(r#""image": "api""#, r#""image": "redis:7""#));
    let others = [
        r#""db": {"image": "api", "links": ["web"]}, "a": {"image": "api", "links": ["b"]}, "b": {"image": "api", "depends_on": ["a"]}"#,
        r#""db": {"image": "api", "ports": ["80:80"]}, "other": {"image": "api", "ports": ["0.0.0.0:80:81"]}"#,
        r#""web": {"image": "api"}"#,
        r#""../web": {"image": "api"}"#,
        r#""We b": {"image": "api"}"#,
        r#""db": {"image": "api", "aliases": ["web"]}"#,
        r#""db": {"image": "api", "hostname": "web"}"#,
        r#""db": {"image": "api", "aliases": ["db.shop"]}"#,
        r#""db": {"image": "api", "aliases": ["web.shop"]}"#,
        r#""db": {"image": "api"}, "x": {"image": "api", "links": ["db:x.shop"]}"#,
        r#""two": {"image": "api", "replicas": 2}, "two-2": {"image": "api"}"#,
        r#""db": {"image": "api"}, "x": {"image": "api", "depends_on": {"db": {"condition": "completed"}}}"#,
        r#""db": {"image": "api", "network_mode": "none"}, "x": {"image": "api", "links": ["db"]}"#,
    ];
    all.extend(others.iter().map(|others| says("", &format!(", {others}"))));
    let good = says("", "");
    for (from, to) in [
        (r#""version": 1"#, r#""version": 2"#),
        (r#""version": 1"#, r#""version": "1""#),
        (r#""version": 1"#, r#""version": 99999999999999999999999"#),
        (r#""serial": 1"#, r#""serial": -1"#),
        (r#""serial": 1"#, r#""serial": 18446744073709551616"#),
        (r#""project": "shop""#, r#""project": "../shop""#),
        (r#""project": "shop""#, r#""project": """#),
        ("sha256:a", "sha512:a"),
        ("sha256:a", "sha256:g"),
        (r#""api": {"#, r#""../api": {"#),
    ] {
        all.push(good.replacen(from, to, 1));
    }
    for networks in [
        r#""lan": []"#,
        r#""l.an": {}"#,
        r#""lan": {"external": "bridge"}"#,
        r#""lan": {"external": "x", "internal": true}"#,
        r#""lan": {"subnets": [{}]}"#,
        r#""lan": {"subnets": [{"subnet": "10.0.0.1/8"}]}"#,
        r#""lan": {"subnets": [{"subnet": "10.0.0.0/8"}, {"subnet": "11.0.0.0/8"}]}"#,
        r#""lan": {"subnets": [{"subnet": "10.0.0.0/8", "gateway": "11.0.0.1"}]}"#,
        r#""lan": {"subnets": [{"subnet": "10.0.0.0/8", "ip_range": "11.0.0.0/16"}]}"#,
        r#""lan": {"source_ip": "here"}"#,
        r#""lan": {"source_ip": "10.0.0.1", "internal": true}"#,
        r#""lan": {"options": {"com.docker.network.host_ipv4": "10.0.0.1"}}"#,
        r#""lan": {"driver": "overlay"}"#,
    ] {
        all.push(good.replacen(r#""serial": 1"#, &format!(r#""serial": 1, "networks": {{{networks}}}"#), 1));
    }
    all.extend(["", " \n", "null", "[]", "{}", "\u{feff}{}", "not JSON"].map(str::to_owned));
    assert!(manifest::parse(&SourceText::new("deploy.json", good)).is_ok(), "what the others are made from is right");
    all
}

#[test]
fn every_bad_manifest_is_refused_at_a_place() {
    let (hand, mutated) = (by_hand(), mutated());
    assert!(hand.len() >= 80 && mutated.len() >= 350, "{} by hand, {} by mutation", hand.len(), mutated.len());
    for text in hand.iter().chain(&mutated) {
        let errors = manifest::parse(&SourceText::new("deploy.json", text.as_str())).expect_err(text);
        assert!(errors.0.iter().all(|error| error.primary.is_some()), "{errors}\n{text}");
    }
}

#[test]
fn a_bad_manifest_touches_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let all = by_hand();
    let mutated = mutated();
    // All of those by hand, and of the others as many as make 200: each is a run of the program.
    let step = mutated.len() / 130;
    for text in all.iter().chain(mutated.iter().step_by(step)) {
        fs::write(folder.path().join("deploy.json"), text).unwrap();
        let ran = Command::new(env!("CARGO_BIN_EXE_windlass"))
            .args(["apply", "--host", "unix:///there/is/no/engine.sock", "--state-dir", "state"])
            .current_dir(folder.path())
            .env("HOME", folder.path())
            .output()
            .unwrap();
        let said = String::from_utf8_lossy(&ran.stderr);
        let first = said.lines().find(|line| line.contains("deploy.json:")).unwrap_or_else(|| panic!("{said}\n{text}"));
        let mut place = first.rsplit("deploy.json:").next().unwrap().split([':', ' ']);
        let numbers = [place.next(), place.next()].map(|number| number.and_then(|number| number.parse::<usize>().ok()));
        assert!(numbers.iter().all(Option::is_some), "{first}");
        assert_eq!((ran.status.code(), ran.stdout.len()), (Some(2), 0), "{said}\n{text}");
        assert!(!folder.path().join("state").exists(), "nothing is remembered");
    }
}
