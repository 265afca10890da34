//! Files of dockerup: a key a test, and what stands in the field.

use expect_test::{Expect, expect};
use windlass::diag::SourceText;
use windlass::{config, manifest};

/// What the import of one container prints, without what every container has; warnings and errors first.
#[expect(clippy::needless_pass_by_value, reason = "expect-test's own shape")]
fn check(keys: &str, expected: Expect) {
    let text = format!(r#"{{"type": "docker", "name": "web", "image": "acme/web:1"{keys}}}"#);
    expected.assert_eq(&imported(&[&text]));
}

fn imported(texts: &[&str]) -> String {
    let sources: Vec<_> =
        texts.iter().enumerate().map(|(n, text)| SourceText::new(format!("{n}.json"), *text)).collect();
    match manifest::dockerup_containers(&sources, true) {
        Err(errors) => errors.to_string(),
        Ok(read) => {
            let warnings: Vec<String> = read.warnings.iter().map(|warning| format!("{warning}\n")).collect();
            let text = config::deploy_text("dockerup", &read.containers);
            let entries = &read.containers;
            let checked = manifest::validate_containers(
                None,
                entries,
                &Default::default(),
                &Default::default(),
                manifest::Externals::Named,
            );
            let problems = checked.err().unwrap_or_default();
            let problems: Vec<String> = problems.iter().map(|problem| format!("invalid: {problem}\n")).collect();
            let every = [
                "version: 1",
                "project: dockerup",
                "deploy:",
                "  containers:",
                "    web:",
                "      image: acme/web:1",
                "      env:",
                "        DOCKER_IMAGE: acme/web:1",
                "      volumes: [/var/log/ext/web:/var/log/ext]",
            ];
            let lines = text.lines().filter(|line| !every.contains(line)).map(|line| format!("{line}\n"));
            format!("{}{}says\n{}", warnings.concat(), problems.concat(), lines.collect::<String>())
        }
    }
}

#[test]
fn the_sample_of_its_readme() {
    let sample = r#"{
	"type": "docker",
	"name": "registry",
	"image": "registry",
	"portMappings": [
		{
			"containerPort": "5000",
			"hostPort": "5000"
		}
	],
	"env": {
		"STANDALONE": "false",
		"SETTINGS_FLAVOR": "s3",
		"MIRROR_SOURCE_INDEX": "https://index.docker.io registry"
	}
}"#;
    expect![[r#"
        says
            registry:
                DOCKER_IMAGE: registry
                MIRROR_SOURCE_INDEX: "https://index.docker.io registry"
                SETTINGS_FLAVOR: s3
                STANDALONE: "false"
              image: registry:latest
              ports: ["0.0.0.0:5000:5000"]
              volumes: [/var/log/ext/registry:/var/log/ext]
    "#]]
    .assert_eq(&imported(&[sample]));
    // The sample file that comes with it, and user-data, have a list.
    let list = format!(r#"{{"containers": [{sample}, {{"name": "logs", "image": "example/logs"}}]}}"#);
    expect![[r#"
        says
            logs:
                DOCKER_IMAGE: example/logs
              image: example/logs:latest
              volumes: [/var/log/ext/logs:/var/log/ext]
            registry:
                DOCKER_IMAGE: registry
                MIRROR_SOURCE_INDEX: "https://index.docker.io registry"
                SETTINGS_FLAVOR: s3
                STANDALONE: "false"
              image: registry:latest
              ports: ["0.0.0.0:5000:5000"]
              volumes: [/var/log/ext/registry:/var/log/ext]
    "#]]
    .assert_eq(&imported(&[&list]));
}

#[test]
fn name() {
    let text = r#"{"name": "My_App.1", "image": "a/b:1", "links": {"DB_1": "db"}, "volumes": [{"from": "DB_1"}]}"#;
    expect![[r#"
        0.json:1:2: warning: `My_App.1` is called `my-app-1` here
        1.json:1:2: warning: `DB_1` is called `db-1` here
        says
            db-1:
              aliases: [DB_1]
                DOCKER_IMAGE: a/db:1
              image: a/db:1
              volumes: [/var/log/ext/DB_1:/var/log/ext]
            my-app-1:
              aliases: [My_App.1]
                DOCKER_IMAGE: a/b:1
              image: a/b:1
              links: [db-1:db]
              volumes: [/var/log/ext/My_App.1:/var/log/ext]
              volumes_from: [db-1]
    "#]]
    .assert_eq(&imported(&[text, r#"{"name": "DB_1", "image": "a/db:1"}"#]));
    expect![[r#"
        0.json:1:10: error: `a b` can't be the name of a container here
        1.json:1:1: error: a container needs a `name` and an `image`
        2.json:1:1: error: expected a map
        3.json:1:2: error: the file of dockerup ends in the middle"#]]
    .assert_eq(&imported(&[r#"{"name": "a b", "image": "x"}"#, r#"{"image": "x"}"#, "[]", "{"]));
    let same = r#"{"name": "a", "image": "x"}"#;
    expect!["1.json:1:10: error: there are two containers `a`"].assert_eq(&imported(&[same, same]));
}

#[test]
fn type_() {
    let text = r#"{"type": "rkt", "name": "web", "image": "x"}"#;
    expect!["0.json:1:10: error: `rkt` is no type: dockerup knows `docker` alone"].assert_eq(&imported(&[text]));
}

#[test]
fn image() {
    let text = r#"{"name": "web", "image": "localhost:5000/a/b"}"#;
    expect![[r#"
        says
                DOCKER_IMAGE: localhost:5000/a/b
              image: localhost:5000/a/b:latest
    "#]]
    .assert_eq(&imported(&[text]));
}

#[test]
fn cpu() {
    check(
        r#", "cpu": 10"#,
        expect![[r#"
            says
                  cpu_shares: 10
        "#]],
    );
    check(
        r#", "cpu": "1""#,
        expect![[r#"
            says
                  cpu_shares: 2
        "#]],
    );
    check(r#", "cpu": "half""#, expect!["0.json:1:65: error: `half` is no number of shares"]);
}

#[test]
fn memory() {
    check(
        r#", "memory": "2048m""#,
        expect![[r#"
            says
                  memory: 2048m
        "#]],
    );
    check(
        r#", "memory": 1048576"#,
        expect![[r#"
            says
                  memory: "1048576"
        "#]],
    );
}

#[test]
fn entrypoint() {
    check(
        r#", "entrypoint": "/bin/bash""#,
        expect![[r#"
            says
                  entrypoint: [/bin/bash]
        "#]],
    );
}

#[test]
fn command() {
    check(
        r#", "command": "/usr/bin/nginx -g 'daemon off;'""#,
        expect![[r#"
            says
                  command: [/usr/bin/nginx, "-g", "daemon off;"]
        "#]],
    );
    check(
        r#", "command": ["a", "b c"]"#,
        expect![[r#"
            says
                  command: [a, "b c"]
        "#]],
    );
    check(r#", "command": "a 'b""#, expect!["0.json:1:69: error: a quote is not closed"]);
}

#[test]
fn privileged() {
    check(
        r#", "privileged": true"#,
        expect![[r#"
            says
                  privileged: true
        "#]],
    );
    check(
        r#", "privileged": "no""#,
        expect![[r#"
        says
    "#]],
    );
    check(r#", "privileged": "maybe""#, expect!["0.json:1:72: error: expected `true` or `false`"]);
}

#[test]
fn network() {
    check(
        r#", "network": "bridge""#,
        expect![[r#"
        says
    "#]],
    );
    check(
        r#", "network": "none""#,
        expect![[r#"
            says
                  network_mode: none
        "#]],
    );
    check(
        r#", "network": "host", "portMappings": [{"containerPort": 80}]"#,
        expect![[r#"
            0.json:1:77: warning: it says nothing on this network
            says
                  network_mode: host
        "#]],
    );
    check(
        r#", "network": "overlay""#,
        expect!["0.json:1:69: error: `overlay` is no network: expected `bridge`, `none`, `host` or `container:NAME`"],
    );
}

#[test]
fn volumes() {
    check(
        r#", "volumes": [{"containerPath": "/data", "hostPath": "/mnt/data"}, {"containerPath": "/storage/a b"},
  {"containerPath": "/etc/passwd", "hostPath": "/etc/passwd", "mode": "RO"}]"#,
        expect![[r#"
            says
                  volumes: [/var/log/ext/web:/var/log/ext, /mnt/data:/data, "web-storage-a-b:/storage/a b", /etc/passwd:/etc/passwd:ro]
        "#]],
    );
    check(
        r#", "volumes": [{"hostPath": "/x"}, {"containerPath": "/x", "mode": "z", "size": 1}, 7]"#,
        expect![[r#"
        0.json:1:70: error: a volume has a `containerPath`, or `from` alone
        0.json:1:122: error: expected `ro` or `rw`
        0.json:1:139: error: expected a map"#]],
    );
}

#[test]
fn port_mappings() {
    check(
        r#", "portMappings": [{"containerPort": 8080}, {"containerPort": "53/udp", "hostPort": "5353"}]"#,
        expect![[r#"
            says
                  ports: ["0.0.0.0::8080", "0.0.0.0:5353:53/udp"]
        "#]],
    );
    check(r#", "portMappings": [{"hostPort": 1}]"#, expect!["0.json:1:75: error: a port has a `containerPort`"]);
}

#[test]
fn env() {
    check(
        r#", "env": {"A": 1, "B": "x y", "DOCKER_IMAGE": "mine"}"#,
        expect![[r#"
            says
                    A: "1"
                    B: "x y"
                    DOCKER_IMAGE: mine
        "#]],
    );
}

#[test]
fn restart() {
    check(
        r#", "restart": "always""#,
        expect![[r#"
        says
    "#]],
    );
    check(
        r#", "restart": "on-failure""#,
        expect![[r#"
            says
                  restart: on-failure
        "#]],
    );
    check(
        r#", "restart": "never""#,
        expect![[r#"
            says
                  restart: "no"
        "#]],
    );
    check(
        r#", "restart": "sometimes""#,
        expect!["0.json:1:69: error: `sometimes` is no restart policy: expected `always`, `on-failure` or `never`"],
    );
}

#[test]
fn update() {
    check(
        r#", "update": {"pull": false, "eager": true}"#,
        expect![[r#"
            says
                  update:
                    order: start-first
                    pull: false
        "#]],
    );
    check(
        r#", "update": {"eager": true}, "portMappings": [{"containerPort": 80, "hostPort": 80}]"#,
        expect![[r#"
            says
                  ports: ["0.0.0.0:80:80"]
                  update:
                    order: swap
        "#]],
    );
    check(
        r#", "update": {"rolling": true, "colour": 1}"#,
        expect![[r#"
            0.json:1:58: warning: `colour` says nothing to dockerup, and nothing here
            0.json:1:58: warning: `rolling` never did anything; `replicas` do that here
            says
        "#]],
    );
}

#[test]
fn links_and_signal() {
    let text = r#"{"name": "web", "image": "x", "links": {"db": "database"}, "signal": {"db": "SIGHUP"}}"#;
    expect![[r#"
        says
            db:
                DOCKER_IMAGE: x
              image: x:latest
              volumes: [/var/log/ext/db:/var/log/ext]
                DOCKER_IMAGE: x
              image: x:latest
              links: [db:database]
              signals:
                db: SIGHUP
    "#]]
    .assert_eq(&imported(&[text, r#"{"name": "db", "image": "x"}"#]));
}

#[test]
fn what_says_nothing_is_warned_of() {
    check(
        r#", "colour": "red""#,
        expect![[r#"
            0.json:1:58: warning: `colour` says nothing to dockerup, and nothing here
            says
        "#]],
    );
}

#[test]
fn the_configuration() {
    let read = |text: &str| match manifest::dockerup_conf(&SourceText::new("dockerup.conf", text)) {
        Ok((conf, warnings)) => format!("{conf:?}\n{}", windlass::diag::Diagnostics(warnings)),
        Err(errors) => errors.to_string(),
    };
    let sample = "; Container configuration files\nconfdir=/etc/dockerup/containers.d\n\n; Docker remote socket\n\
        remote=unix://var/run/docker.sock\n\n# Polling\ninterval=60\naws=false\n pull = yes\nserver=true\n";
    expect![[r#"
        DockerupConf { confdir: Some("/etc/dockerup/containers.d"), remote: Some("unix:///var/run/docker.sock"), interval: Some(60s), pull: true, aws: false, server: true, login: false }
    "#]].assert_eq(&read(sample));
    expect![[r#"
        DockerupConf { confdir: None, remote: None, interval: None, pull: false, aws: true, server: false, login: true }
        dockerup.conf:4:1: warning: `colour` says nothing to dockerup, and nothing here"#]]
    .assert_eq(&read("username=me\npassword=a=b\nemail=x@y\ncolour=red\npull=no\naws=1\n"));
    expect![[r#"
        dockerup.conf:1:1: error: `interval` is a number of seconds
        dockerup.conf:2:1: error: expected `key=value`
        dockerup.conf:3:1: error: `aws` is `true` or `false`"#]]
    .assert_eq(&read("interval=soon\npull\naws=perhaps\n"));
}
