//! The deploy manifest: what is read, what is written, and what is refused with which words.

use std::fs;
use std::path::Path;

use expect_test::{Expect, expect, expect_file};
use proptest::prelude::*;
use windlass::diag::{Diagnostics, SourceText};
use windlass::manifest::{self, Manifest};

fn testdata(name: &str) -> String {
    fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("testdata/manifests").join(name)).unwrap()
}

fn parse(text: &str) -> Result<Manifest, Diagnostics> {
    manifest::parse(&SourceText::new("deploy.json", text))
}

#[expect(clippy::needless_pass_by_value, reason = "expect-test's own shape")]
fn check(text: &str, expected: Expect) {
    let said = match parse(text) {
        Ok(manifest) => manifest::to_json(&manifest),
        Err(Diagnostics(diagnostics)) => {
            let hint = |hint: Option<&String>| hint.map(|hint| format!("\n  hint: {hint}")).unwrap_or_default();
            diagnostics.iter().map(|d| format!("{d}{}\n", hint(d.hint.as_ref()))).collect()
        }
    };
    expected.assert_eq(&said);
}

/// A manifest of one image `api`, whose containers are written here.
fn with_containers(containers: &str) -> String {
    let digest = format!("sha256:{}", "a".repeat(64));
    format!(
        r#"{{"version": 1, "project": "shop", "serial": 1,
"images": {{"api": {{"id": "{digest}", "content_hash": "{digest}"}}}},
"containers": {containers}
}}"#
    )
}

#[test]
fn every_key_is_read_and_written_in_one_way() {
    let manifest = parse(&testdata("full.json")).unwrap();
    let written = manifest::to_json(&manifest);
    expect_file!["../../testdata/manifests/full.canonical.json"].assert_eq(&written);
    assert_eq!(parse(&written).unwrap(), manifest, "what is written reads back as the same");
}

/// What systemd needs in a container, where that says nothing of it itself.
#[test]
fn systemd_finds_what_it_needs() {
    let check = |said: &str, expected: Expect| {
        let text = with_containers(&format!(r#"{{"web": {{"image": "api", "systemd": true{said}}}}}"#));
        let written = manifest::to_json(&parse(&text).unwrap());
        let web: serde_json::Value = serde_json::from_str(&written).unwrap();
        let web = &web["containers"]["web"];
        let found = ["tmpfs", "volumes", "cgroup", "stop_signal", "env"].map(|key| format!("{key}: {}\n", web[key]));
        expected.assert_eq(&found.concat());
    };
    check(
        "",
        expect![[r#"
        tmpfs: ["/run:mode=755","/run/lock","/tmp:exec,mode=1777"]
        volumes: ["/sys/fs/cgroup:/sys/fs/cgroup"]
        cgroup: "host"
        stop_signal: "SIGRTMIN+3"
        env: {"container":"oci"}
    "#]],
    );
    check(
        r#", "tmpfs": ["/run:size=1m", "/x"], "stop_signal": "SIGPWR", "env": {"container": "docker", "A": "1"}"#,
        expect![[r#"
            tmpfs: ["/run:size=1m","/run/lock","/tmp:exec,mode=1777","/x"]
            volumes: ["/sys/fs/cgroup:/sys/fs/cgroup"]
            cgroup: "host"
            stop_signal: "SIGPWR"
            env: {"A":"1","container":"docker"}
        "#]],
    );
    check(
        r#", "volumes": ["runs:/run", "/sys/fs/cgroup:/sys/fs/cgroup:ro", "/srv:/tmp"]"#,
        expect![[r#"
        tmpfs: ["/run/lock"]
        volumes: ["runs:/run","/sys/fs/cgroup:/sys/fs/cgroup:ro","/srv:/tmp"]
        cgroup: "host"
        stop_signal: "SIGRTMIN+3"
        env: {"container":"oci"}
    "#]],
    );
}

#[test]
fn the_schema_is_as_published() {
    expect_file!["../../testdata/manifests/schema.json"].assert_eq(&manifest::schema());
}

#[test]
fn every_key_has_a_description_in_the_schema() {
    let schema: serde_json::Value = serde_json::from_str(&manifest::schema()).unwrap();
    let definitions = schema["$defs"].as_object().unwrap().values().chain([&schema]);
    for properties in definitions.filter_map(|definition| definition["properties"].as_object()) {
        for (key, property) in properties {
            assert!(property["description"].is_string(), "`{key}` says nothing");
        }
    }
}

#[test]
fn secrets_are_not_shown() {
    let text = with_containers(r#"{"web": {"image": "api", "env": {"TOKEN": "hunter2"}}}"#);
    let manifest = parse(&text).unwrap();
    assert!(!format!("{manifest:?}").contains("hunter2"));
    assert!(manifest::to_json(&manifest).contains("hunter2"));
}

#[test]
fn texts_that_are_no_manifest_are_refused() {
    check(
        "",
        expect![[r#"
        deploy.json:1:1: error: the deploy manifest is empty
    "#]],
    );
    check(
        " \n",
        expect![[r#"
        deploy.json:1:1: error: the deploy manifest is empty
    "#]],
    );
    check(
        "{",
        expect![[r#"
        deploy.json:1:2: error: the deploy manifest ends in the middle
          hint: it was cut off or is still being written: make it again
    "#]],
    );
    check(
        "null",
        expect![[r#"
            deploy.json:1:4: error: invalid type: null, expected a map
        "#]],
    );
    check(
        "[]",
        expect![[r#"
            deploy.json:1:1: error: invalid type: sequence, expected a map
        "#]],
    );
    check(
        "{}",
        expect![[r#"
        deploy.json:1:2: error: the key `version` is missing
    "#]],
    );
    check(
        "{\"version\": \"1\"}",
        expect![[r#"
            deploy.json:1:13: error: invalid type: string "1", expected a whole number from 0
        "#]],
    );
    check(
        "{\"version\": 2, \"something\": \"else\"}",
        expect![[r#"
        deploy.json:1:13: error: this deploy manifest is of version 2, and only version 1 is known
          hint: a newer windlass wrote it: update windlass on this host
    "#]],
    );
    check(
        "{\"version\": 0}",
        expect![[r#"
        deploy.json:1:13: error: this deploy manifest is of version 0, and only version 1 is known
    "#]],
    );
    check(
        "{\"version\": 1,\n \"serial\": 1}",
        expect![[r#"
        deploy.json:2:13: error: the key `project` is missing
    "#]],
    );
    check(
        "{\"version\": 1,\n \"projekt\": \"x\"}",
        expect![[r#"
        deploy.json:2:2: error: unknown key `projekt`
          hint: did you mean `project`?
    "#]],
    );
    check(
        "{\"version\": 1, \"version\": 1}",
        expect![[r#"
        deploy.json:1:16: error: `version` stands here twice
    "#]],
    );
    check(
        "{\"version\": 1, \"project\": \"shop\", \"serial\": -1}",
        expect![[r#"
            deploy.json:1:46: error: invalid value: integer `-1`, expected a whole number from 0
        "#]],
    );
    check(
        "{\"version\": 1, \"project\": \"shop\", \"serial\": 1} {}",
        expect![[r#"
        deploy.json:1:48: error: trailing characters
    "#]],
    );
    check(
        "{\"version\": 1, \"project\": \"Shop\", \"serial\": 1, \"created\": \"yesterday\"}",
        expect![[r#"
        deploy.json:1:27: error: `Shop` is no name for a project: lower-case letters, digits and `-` between them, at most 40 characters
        deploy.json:1:59: error: `yesterday` is no time: expected RFC 3339, such as `2026-11-22T06:55:31Z`
    "#]],
    );
}

#[test]
fn a_half_written_manifest_is_refused_wherever_it_ends() {
    let text = testdata("full.json");
    let whole = text.trim_end();
    for end in (1..whole.len()).filter(|end| whole.is_char_boundary(*end)) {
        let Diagnostics(diagnostics) = parse(&whole[..end]).unwrap_err();
        assert_eq!(diagnostics[0].message, "the deploy manifest ends in the middle", "cut at {end}");
    }
}

#[test]
fn an_unknown_image_is_refused_with_its_place() {
    check(
        &with_containers(r#"{"web": {"image": "apo"}}"#),
        expect![[r#"
        deploy.json:3:33: error: there is no image `apo`
          hint: did you mean `api`?
    "#]],
    );
    check(
        &with_containers(r#"{"web": {"image": "redis"}}"#),
        expect![[r#"
        deploy.json:3:33: error: there is no image `redis`
          hint: an image from elsewhere is written with its digest
    "#]],
    );
    check(
        &with_containers(r#"{"web": {"image": "redis:7"}}"#),
        expect![[r#"
        deploy.json:3:33: error: `redis:7` has no digest
          hint: write `redis@sha256:…`, so that it is always the same
    "#]],
    );
    check(
        &with_containers(r#"{"web": {"image": "Redis:7"}}"#),
        expect![[r#"
        deploy.json:3:33: error: `Redis:7` is no image reference: a repository is written in lower case
          hint: expected an image of the project or a reference to one from elsewhere
    "#]],
    );
    check(
        &with_containers(r#"{"web": {"image": "redis@sha256:123"}}"#),
        expect![[r#"
        deploy.json:3:33: error: `redis@sha256:123` is no image reference: what follows `@` is no sha256 digest
          hint: expected an image of the project or a reference to one from elsewhere
    "#]],
    );
}

#[test]
fn a_host_name_that_others_ask_for_is_refused() {
    check(
        &with_containers(
            r#"{
  "web": {"image": "api", "hostname": "web"},
  "db": {"image": "api", "hostname": "front", "links": ["web:front"]},
  "one": {"image": "api", "hostname": "one", "update": {"order": "stop-first"}},
  "two": {"image": "api", "hostname": "two", "volumes": ["x:/x"]},
  "many": {"image": "api", "hostname": "many", "replicas": 2, "update": {"order": "stop-first"}},
  "last": {"image": "api", "hostname": "many-2"}
}"#,
        ),
        expect![[r#"
            deploy.json:4:39: error: `web` would lead to a new container before it is good
              hint: leave it away: the container is found by its names once it is good; or ask for `stop-first`
            deploy.json:5:38: error: `front` is a name of `web` on the network
              hint: choose another one
            deploy.json:8:40: error: `many` would lead to a new container before it is good
              hint: leave it away: the container is found by its names once it is good; or ask for `stop-first`
            deploy.json:9:40: error: `many-2` is a name of `many` on the network
              hint: choose another one
        "#]],
    );
}

#[test]
fn replicas_have_names_that_nobody_else_has() {
    check(
        &with_containers(
            r#"{
  "web": {"image": "api", "replicas": 3},
  "web-2": {"image": "api"},
  "db": {"image": "api", "aliases": ["web-3"]},
  "abcdefghijklmnopqrstuvwxyz-abcdefghijklm": {"image": "api", "replicas": 2}
}"#,
        ),
        expect![[r#"
            deploy.json:4:39: error: one of them would be `web-2`, as another container is
            deploy.json:6:37: error: `web-3` is the name of another container
            deploy.json:7:76: error: `abcdefghijklmnopqrstuvwxyz-abcdefghijklm-2` is no name for a container: lower-case letters, digits and `-` between them, at most 40 characters
        "#]],
    );
}

#[test]
fn everything_wrong_is_told_at_once() {
    check(
        &with_containers(
            r#"{
  "Web": {"image": "api"},
  "web": {
    "image": "api",
    "hostname": "-x",
    "user": "",
    "working_dir": "app",
    "env": {"A=B": "1"},
    "labels": {"dev.windlass.project": "x"},
    "ports": ["80:80", "81:x", "0.0.0.0:80:81"],
    "volumes": ["data:/a", "other:/a", "/b"],
    "aliases": ["a b"],
    "links": ["dbx", "web:x y"],
    "depends_on": ["nobody"],
    "healthcheck": {"test": ["pg_isready"], "interval": "5", "timeout": "0s", "retries": 0},
    "restart": "sometimes",
    "stop_signal": "TERM",
    "stop_grace": "ten seconds",
    "cpus": "two", "memory": "much", "pids_limit": 0, "shm_size": 0,
    "ulimits": {"files": 1, "nofile": "2:1", "core": -1}, "sysctls": {"a b": 1},
    "tmpfs": ["run", "/run:size=1;m", "/x", "/x/:size=1m"], "cap_drop": ["net_raw"], "extra_hosts": ["host", "a b:::1"], "dns": ["localhost"],
    "update": {"order": "start-first", "healthy_for": "1 s", "timeout": "0s", "probe": {"http": "web/x", "tcp": 1, "timeout": "1"}}
  },
  "probed": {"image": "api", "replicas": 0, "update": {"probe": {"http": "80 /x"}}},
  "tried": {"image": "api", "replicas": 2, "ports": ["90:90"], "network_mode": "container:db", "hosts_file": ["a b", "x.test"], "hostname": "x", "aliases": ["y"], "update": {"batch": 0, "probe": {"command": []}}},
  "asked": {"image": "api", "replicas": 101, "network_mode": "hosts", "volumes_from": ["db:x", "nobody", "db", "db:ro"], "signals": {"x": "SIGHUP", "db": "HUP"}, "cpu_shares": 1, "env_file": ["../x", "/etc/passwd"], "update": {"probe": {"tcp": 65536}}},
  "db": {"image": "nothing", "healthcheck": {}, "restart": "on-failure:x"}
}"#,
        ),
        expect![[r#"
            deploy.json:4:3: error: `Web` is no name for a container: lower-case letters, digits and `-` between them, at most 40 characters
            deploy.json:7:17: error: `-x` is no host name
            deploy.json:8:13: error: the user is empty
            deploy.json:9:20: error: `app` is no absolute path
            deploy.json:10:13: error: `A=B` is no name for an environment variable
            deploy.json:11:16: error: the label `dev.windlass.project` can't be set
              hint: `dev.windlass.…` is ours
            deploy.json:12:24: error: `x` is no port: expected a number from 1 to 65535
            deploy.json:12:32: error: `0.0.0.0:80/tcp` is published twice, here and as `127.0.0.1:80:80/tcp`
            deploy.json:13:28: error: `/a` is mounted twice, here and from `data`
            deploy.json:13:40: error: `/b` is no volume: expected `name:/path`, `/host/path:/path`, and `:ro` behind it
            deploy.json:14:17: error: `a b` is no host name
            deploy.json:15:15: error: there is no container `dbx`
              hint: did you mean `db`?
            deploy.json:15:22: error: `x y` is no host name
            deploy.json:16:5: error: there is no container `nobody`
            deploy.json:17:29: error: this is no health check
              hint: write `[CMD, word, …]`, `[CMD-SHELL, line]` or `[NONE]`
            deploy.json:17:57: error: `5` is no duration: it has no unit: write seconds as in `30s`
            deploy.json:17:73: error: it has to be longer than nothing
            deploy.json:17:90: error: at least 1 is needed
            deploy.json:18:16: error: `sometimes` is no restart policy: expected `always`, `unless-stopped`, `no`, `on-failure` or `on-failure:N`
            deploy.json:19:20: error: `TERM` is no signal: expected `SIGTERM` or a number
            deploy.json:20:19: error: `ten seconds` is no duration: expected whole numbers with units from long to short (d, h, m, s, ms), such as `90s` or `1h30m`
            deploy.json:21:13: error: `two` is no number of processors: expected one such as `1.5`, 0.001 at least
            deploy.json:21:30: error: `much` is no size: expected a whole number and `b`, `k`, `m`, `g` or `t`
            deploy.json:21:52: error: at least 1 is needed
            deploy.json:21:67: error: it has to be more than nothing
            deploy.json:22:26: error: `files` is no limit: known are core, cpu, data, fsize, locks, memlock, msgqueue, nice, nofile, nproc, rss, rtprio, rttime, sigpending, stack
            deploy.json:22:39: error: `2:1` is no limit: expected a number, or `soft:hard` with the lower one first
            deploy.json:22:54: error: `-1` is no limit: expected a number, or `soft:hard` with the lower one first
            deploy.json:22:71: error: `a b` is no setting of the kernel
            deploy.json:23:15: error: `run` is no absolute path below `/` in the container
            deploy.json:23:22: error: `size=1;m` are no options of a mount: expected some such as `size=64m,mode=1777`
            deploy.json:23:45: error: `/x/:size=1m` is mounted where another one is
            deploy.json:23:74: error: `net_raw` is no capability: expected `ALL` or `NET_RAW`
            deploy.json:23:102: error: `host` names no host: expected `name:address` or `name:host-gateway`
            deploy.json:23:110: error: `a b:::1` names no host: expected `name:address` or `name:host-gateway`
            deploy.json:23:130: error: `localhost` is no address
            deploy.json:24:25: error: `start-first` can't be done: `127.0.0.1:80/tcp` can't be bound twice
              hint: leave `order` away, or publish no fixed port of the host
            deploy.json:24:55: error: `1 s` is no duration: expected whole numbers with units from long to short (d, h, m, s, ms), such as `90s` or `1h30m`
            deploy.json:24:73: error: it has to be longer than nothing
            deploy.json:24:79: error: what is tried has to be said once
              hint: give one of `command`, `http` and `tcp`
            deploy.json:24:127: error: `1` is no duration: it has no unit: write seconds as in `30s`
            deploy.json:26:42: error: there can be 1 to 100 of a container
            deploy.json:26:74: error: `80 ` is no port: expected a number from 1 to 65535
            deploy.json:27:41: error: only one of them could have `127.0.0.1:90/tcp`
              hint: publish no fixed port of the host
            deploy.json:27:53: error: it says nothing where `network_mode` is `container:db`
            deploy.json:27:110: error: it says nothing where `network_mode` is `container:db`
            deploy.json:27:111: error: `a b` is no host name
            deploy.json:27:141: error: it says nothing where `network_mode` is `container:db`
            deploy.json:27:157: error: it says nothing where `network_mode` is `container:db`
            deploy.json:27:184: error: at least 1 is needed
            deploy.json:27:208: error: the command is empty
            deploy.json:28:41: error: there can be 1 to 100 of a container
            deploy.json:28:62: error: `hosts` is no network mode: expected `none`, `host` or `container:NAME`
            deploy.json:28:88: error: `x` is no way to mount volumes: expected `ro` or `rw`
            deploy.json:28:96: error: there is no container `nobody`
            deploy.json:28:112: error: `db` stands here twice
            deploy.json:28:134: error: there is no container `x`
            deploy.json:28:155: error: `HUP` is no signal: expected `SIGHUP` or a number
            deploy.json:28:177: error: a share is from 2 to 262144
            deploy.json:28:193: error: `../x` is no path of a file beside the manifest, or below it
            deploy.json:28:201: error: `/etc/passwd` is no path of a file beside the manifest, or below it
            deploy.json:28:245: error: `65536` is no port: expected a number from 1 to 65535
            deploy.json:29:19: error: there is no image `nothing`
              hint: an image from elsewhere is written with its digest
            deploy.json:29:30: error: the health check says nothing
            deploy.json:29:60: error: `on-failure:x` is no restart policy: expected `always`, `unless-stopped`, `no`, `on-failure` or `on-failure:N`
        "#]],
    );
    let digest = format!("sha256:{}", "a".repeat(64));
    check(
        &format!(
            r#"{{"version": 1, "project": "shop", "serial": 1, "images": {{
  "Api": {{"id": "{digest}", "content_hash": "{digest}"}},
  "api": {{"id": "sha256:12", "content_hash": "abc", "reference": "ghcr.io/acme/api:latest", "tag": "a b"}},
  "web": {{"id": "{digest}", "content_hash": "{digest}", "reference": "UP@{digest}"}}
}}, "containers": {{"web": {{"image": "api"}}}}}}"#
        ),
        expect![[r#"
            deploy.json:2:3: error: `Api` is no name for an image: lower-case letters, digits, and `.`, `_`, `-` between them, components parted by `/`, at most 200 characters
            deploy.json:3:46: error: `abc` is no sha256 digest: expected `sha256:` and 64 lower-case hex digits
            deploy.json:3:66: error: `ghcr.io/acme/api:latest` has no digest: expected `repository@sha256:…`
            deploy.json:3:100: error: `a b` is no tag: a tag is letters, digits, `_`, `.` and `-`, at most 128 characters
            deploy.json:4:196: error: `UP@sha256:aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa` is no image reference: a repository is written in lower case
        "#]],
    );
}

#[test]
fn files_and_powers_that_make_no_sense_are_refused() {
    check(
        &with_containers(
            r#"{"web": {"image": "api", "read_only": true,
    "files": {
      "etc/x": {"content": ""}, "/a/../b": {"content": ""}, "/a": {"content": ""}, "/a/b": {"content": ""}, "/a//b": {"content": ""},
      "/x1": {}, "/x2": {"content": "", "env": "A"}, "/x3": {"file": "../x"}, "/x4": {"file": "/x"}, "/x5": {"env": "A=B"},
      "/x6": {"content": "", "owner": "root"}, "/x7": {"content": "", "owner": "1:2:3"}, "/x9": {"content": "", "on_change": "HUP"}, "/.windlass-files": {"content": ""}, "/x8": {"content": "", "mode": "999"}},
    "cap_add": ["net_admin"], "devices": ["sda", "/etc/x", "/dev/a:/dev/b:rwx", "/dev/a:/dev/b:rr", "/dev/a:b"],
    "security_opt": ["unconfined", "seccomp", "no-new-privileges:false"], "logging": {"driver": ""}
}}"#,
        ),
        expect![[r#"
            deploy.json:4:14: error: they can't be put into a container that is `read_only`
            deploy.json:5:7: error: `etc/x` is no absolute path below `/` in the container
            deploy.json:5:33: error: `/a/../b` is no absolute path below `/` in the container
            deploy.json:5:84: error: `/a/b` is where another file is
            deploy.json:5:109: error: `/a//b` is where another file is
            deploy.json:6:7: error: what is in the file has to be said once
              hint: give one of `content`, `file` and `env`
            deploy.json:6:37: error: what is in the file has to be said once
              hint: give one of `content`, `file` and `env`
            deploy.json:6:70: error: `../x` is no path of a file beside the manifest, or below it
            deploy.json:6:95: error: `/x` is no path of a file beside the manifest, or below it
            deploy.json:6:117: error: `A=B` is no name for an environment variable
            deploy.json:7:39: error: `root` is no owner: expected numbers, `uid` or `uid:gid`
            deploy.json:7:80: error: `1:2:3` is no owner: expected numbers, `uid` or `uid:gid`
            deploy.json:7:126: error: `HUP` is nothing that can be done: expected `replace`, or a signal such as `SIGHUP`
            deploy.json:7:134: error: `/.windlass-files` is ours
            deploy.json:7:202: error: `999` is no mode: expected one such as `0640`
            deploy.json:8:17: error: `net_admin` is no capability: expected `ALL` or `NET_RAW`
            deploy.json:8:43: error: `sda` is no device: expected `/dev/host[:/dev/inside[:rwm]]`
            deploy.json:8:50: error: `/etc/x` is no device: expected `/dev/host[:/dev/inside[:rwm]]`
            deploy.json:8:60: error: `/dev/a:/dev/b:rwx` is no device: expected `/dev/host[:/dev/inside[:rwm]]`
            deploy.json:8:81: error: `/dev/a:/dev/b:rr` is no device: expected `/dev/host[:/dev/inside[:rwm]]`
            deploy.json:8:101: error: `/dev/a:b` is no device: expected `/dev/host[:/dev/inside[:rwm]]`
            deploy.json:9:22: error: `unconfined` confines nothing: expected `no-new-privileges`, `apparmor=…`, `label=…` or `seccomp=…`
            deploy.json:9:36: error: `seccomp` confines nothing: expected `no-new-privileges`, `apparmor=…`, `label=…` or `seccomp=…`
            deploy.json:9:47: error: `no-new-privileges:false` confines nothing: expected `no-new-privileges`, `apparmor=…`, `label=…` or `seccomp=…`
            deploy.json:9:97: error: the driver is not said
        "#]],
    );
    check(
        &with_containers(r#"{"web": {"image": "api", "pid": "container:db"}}"#),
        expect![[r#"
        deploy.json:3:47: error: unknown value `container:db`
          hint: known are host
    "#]],
    );
    let large = "x".repeat(windlass::manifest::FILES_AT_MOST);
    let text = format!(
        r#"{{"web": {{"image": "api", "files": {{"/a": {{"content": "{large}"}},
    "/b": {{"content": "x"}}}}}}}}"#
    );
    check(
        &with_containers(&text),
        expect![[r#"
        deploy.json:4:5: error: all files together have 1048577 bytes, and 1048576 is the most
    "#]],
    );
}

#[test]
fn misspelt_keys_and_words_are_suggested() {
    check(
        &with_containers(r#"{"web": {"imge": "api"}}"#),
        expect![[r#"
        deploy.json:3:24: error: unknown key `imge`
          hint: did you mean `image`?
    "#]],
    );
    check(
        &with_containers(r#"{"web": {"image": "api", "qqqqqq": 1}}"#),
        expect![[r#"
            deploy.json:3:40: error: unknown key `qqqqqq`
              hint: known are image, command, entrypoint, hostname, user, working_dir, env, env_file, labels, ports, volumes, volumes_from, network_mode, networks, signals, aliases, hosts_file, links, depends_on, healthcheck, restart, stop_signal, stop_grace, cpus, cpu_shares, memory, pids_limit, shm_size, ulimits, init, read_only, tmpfs, systemd, cap_drop, sysctls, extra_hosts, dns, files, logging, privileged, cap_add, devices, security_opt, pid, cgroup, ipc, keep, replicas, update
        "#]],
    );
    check(
        &with_containers(r#"{"web": {"image": "api", "update": {"order": "startfirst"}}}"#),
        expect![[r#"
        deploy.json:3:60: error: unknown value `startfirst`
          hint: did you mean `start-first`?
    "#]],
    );
    check(
        &with_containers(r#"{"web": {"image": "api", "healthcheck": {"tests": []}}}"#),
        expect![[r#"
        deploy.json:3:56: error: unknown key `tests`
          hint: did you mean `test`?
    "#]],
    );
    check(
        &with_containers(r#"{"web": {"image": "api", "depends_on": {"db": {"condition": "service_healthy"}}}}"#),
        expect![[r#"
            deploy.json:3:75: error: unknown value `service_healthy`
              hint: known are started, healthy, completed
        "#]],
    );
    check(
        &with_containers(r#"{"web": {"image": "api", "links": ["wbe"]}}"#),
        expect![[r#"
            deploy.json:3:50: error: there is no container `wbe`
              hint: did you mean `web`?
        "#]],
    );
}

#[test]
fn wrong_types_are_refused() {
    check(
        &with_containers(r#"{"web": {}}"#),
        expect![[r#"
        deploy.json:3:24: error: the key `image` is missing
    "#]],
    );
    check(
        &with_containers(r#"{"web": null}"#),
        expect![[r#"
            deploy.json:3:26: error: invalid type: null, expected a map
        "#]],
    );
    check(
        &with_containers(r#"[]"#),
        expect![[r#"
        deploy.json:3:13: error: invalid type: sequence, expected a map
    "#]],
    );
    check(
        &with_containers(r#"{"web": {"image": "api", "command": "serve --port 80"}}"#),
        expect![[r#"
            deploy.json:3:51: error: invalid type: string "serve --port 80", expected a list of words, such as [serve, --port, "80"]
        "#]],
    );
    check(
        &with_containers(r#"{"web": {"image": "api", "env": {"A": 1.10}}}"#),
        expect![[r#"
        deploy.json:3:56: error: invalid type: floating point `1.1`, expected a text (a number with a point has to be quoted)
    "#]],
    );
    check(
        &with_containers(r#"{"web": {"image": "api", "env": {"A": null}}}"#),
        expect![[r#"
        deploy.json:3:56: error: invalid type: null, expected a text (a number with a point has to be quoted)
    "#]],
    );
    check(
        &with_containers(r#"{"web": {"image": "api", "env": ["A=1"]}}"#),
        expect![[r#"
        deploy.json:3:45: error: invalid type: sequence, expected a map
    "#]],
    );
    check(
        &with_containers(r#"{"web": {"image": "api", "depends_on": "db"}}"#),
        expect![[r#"
        deploy.json:3:54: error: invalid type: string "db", expected a list of container names, or a map such as {db: {condition: healthy}}
    "#]],
    );
    check(
        &with_containers(r#"{"web": {"image": "api", "healthcheck": {"test": 1}}}"#),
        expect![[r#"
        deploy.json:3:64: error: invalid type: integer `1`, expected a line for the shell, or a list such as [CMD, pg_isready]
    "#]],
    );
    check(
        &with_containers(r#"{"web": {"image": "api", "healthcheck": {"test": "x", "retries": -1}}}"#),
        expect![[r#"
            deploy.json:3:81: error: invalid value: integer `-1`, expected a whole number from 0
        "#]],
    );
    check(
        &with_containers(r#"{"web": {"image": "api"}, "web": {"image": "api"}}"#),
        expect![[r#"
        deploy.json:3:41: error: `web` stands here twice
    "#]],
    );
    check(
        &with_containers(r#"{"web": {"image": "api", "depends_on": ["web", "web"]}}"#),
        expect![[r#"
        deploy.json:3:67: error: `web` stands here twice
    "#]],
    );
}

#[test]
fn what_contradicts_another_container_is_refused() {
    check(
        &with_containers(r#"{"a": {"image": "api", "links": ["a"]}}"#),
        expect![[r#"
        deploy.json:3:16: error: containers depend on one another: a -> a
          hint: take one of the links or dependencies away
    "#]],
    );
    check(
        &with_containers(
            r#"{"a": {"image": "api", "links": ["b"]},
"b": {"image": "api", "depends_on": ["c"]},
"c": {"image": "api", "links": ["a:x"]}}"#,
        ),
        expect![[r#"
            deploy.json:3:16: error: containers depend on one another: a -> b -> c -> a
              hint: take one of the links or dependencies away
        "#]],
    );
    check(
        &with_containers(
            r#"{"a": {"image": "api", "ports": ["80:80"]},
"b": {"image": "api", "ports": ["79:79", "0.0.0.0:80:80"]}}"#,
        ),
        expect![[r#"
            deploy.json:4:32: error: `0.0.0.0:80/tcp` is published by `a` too
        "#]],
    );
    check(
        &with_containers(
            r#"{"a": {"image": "api", "aliases": ["b"]}, "b": {"image": "api"},
"c": {"image": "api", "links": ["b:a"], "depends_on": {"b": {"condition": "completed"}}}}"#,
        ),
        expect![[r#"
            deploy.json:3:49: error: `b` is the name of another container
            deploy.json:4:32: error: `a` is the name of another container
            deploy.json:4:56: error: `b` never completes: it is started again whenever it ends
              hint: give `b` `restart: on-failure` or `restart: "no"`
        "#]],
    );
}

proptest! {
    #[test]
    fn no_text_makes_it_panic(cut in 0usize..3000, put in r#"[\[\]{}",:\\0-9a-z é\x00-]{0,6}"#, drop in 0usize..40) {
        let text = testdata("full.json");
        let boundary = |mut at: usize| {
            at = at.min(text.len());
            while !text.is_char_boundary(at) {
                at -= 1;
            }
            at
        };
        let (start, end) = (boundary(cut), boundary(cut + drop));
        let mutated = format!("{}{put}{}", &text[..start], &text[end..]);
        match parse(&mutated) {
            Ok(manifest) => prop_assert_eq!(parse(&manifest::to_json(&manifest)).unwrap(), manifest),
            Err(Diagnostics(diagnostics)) => prop_assert!(diagnostics.iter().all(|d| d.primary.is_some())),
        }
    }
}
