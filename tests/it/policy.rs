//! What containers want of their host beyond what every container may, and what a host allows.

use expect_test::{Expect, expect};
use windlass::diag::SourceText;
use windlass::manifest::{Policy, bind_wanted, parse, powers_wanted};

#[test]
fn what_a_container_wants_has_a_name() {
    let text = include_str!("../../testdata/manifests/full.json");
    let manifest = parse(&SourceText::new("full.json", text)).unwrap();
    let mut shown = String::new();
    for (name, spec) in &manifest.containers {
        for power in powers_wanted(spec) {
            shown.push_str(&format!("{name} {power}\n"));
        }
    }
    expect![[r#"
        agent cap:NET_ADMIN
        agent device:/dev/fuse
        agent device:/dev/sda
        agent hosts_file:agent
        agent hosts_file:agent.test
        agent ipc:host
        agent pid:host
        agent privileged
        agent security_opt:apparmor=unconfined
        machine bind:/sys/fs/cgroup
        machine cgroup:host
    "#]]
    .assert_eq(&shown);
}

#[test]
fn some_paths_of_the_host_are_all_of_it() {
    for path in [
        "/",
        "/etc",
        "/etc/shadow",
        "/var",
        "/var/run/docker.sock",
        "/run",
        "/root/.ssh",
        "/proc",
        "/dev/sda",
        "/var/lib",
    ] {
        assert_eq!(bind_wanted(path, true), Some(format!("bind:{path}")), "{path}");
        assert_eq!(bind_wanted(path, false), Some(format!("bind:{path}")), "{path}");
    }
    for path in ["/etc/ssl/certs", "/usr/share", "/lib"] {
        assert_eq!((bind_wanted(path, true), bind_wanted(path, false)), (None, Some(format!("bind:{path}"))), "{path}");
    }
    for path in ["/srv/data", "/home/x", "/etcetera", "/runner", "/var/lib/postgres", "/var/log"] {
        assert_eq!((bind_wanted(path, true), bind_wanted(path, false)), (None, None), "{path}");
    }
}

#[test]
fn what_is_allowed_is_allowed_to_whom_it_names() {
    let text = r#"{"version": 1, "allow": {
        "shop/agent": ["privileged", "bind:/srv/x"],
        "shop/*": ["cap:NET_ADMIN"],
        "*/logs": ["bind:/var/log"],
        "lab/all": ["bind:/"]
    }}"#;
    let policy = Policy::parse(&SourceText::new("policy.json", text)).unwrap();
    let allows = |whom: &str, power: &str| {
        let (project, container) = whom.split_once('/').unwrap();
        policy.allows(&project.parse().unwrap(), &container.parse().unwrap(), power)
    };
    for (whom, power, expected) in [
        ("shop/agent", "privileged", true),
        ("shop/web", "privileged", false),
        ("shop/web", "cap:NET_ADMIN", true),
        ("other/web", "cap:NET_ADMIN", false),
        ("shop/web", "cap:NET_ADMINISTRATOR", false),
        ("shop/logs", "bind:/var/log", true),
        ("other/logs", "bind:/var/log/x", true),
        ("other/logs", "bind:/var/logs", false),
        ("other/logs", "bind:/var", false),
        ("lab/all", "bind:/etc", true),
        ("lab/all", "privileged", false),
    ] {
        assert_eq!(allows(whom, power), expected, "{whom} {power}");
    }
}

#[expect(clippy::needless_pass_by_value, reason = "expect-test's own shape")]
fn check(text: &str, expected: Expect) {
    let refused = Policy::parse(&SourceText::new("policy.json", text)).unwrap_err();
    let shown: String = refused.0.iter().map(|diagnostic| format!("{diagnostic}\n")).collect();
    expected.assert_eq(&shown);
}

#[test]
fn texts_that_are_no_policy_are_refused() {
    check(
        "",
        expect![[r#"
        policy.json:1:1: error: the policy ends in the middle
    "#]],
    );
    check(
        "{\"version\": 2}",
        expect![[r#"
        policy.json:1:13: error: this policy is of version 2, and only version 1 is known
    "#]],
    );
    check(
        "{\"version\": 1, \"alow\": {}}",
        expect![[r#"
        policy.json:1:16: error: unknown key `alow`
    "#]],
    );
    check(
        "{\"version\": 1, \"allow\": {\"web\": [\"privileged\"], \"a/b/c\": [\"root\", \"cap:\"]}}",
        expect![[r#"
        policy.json:1:49: error: `a/b/c` names no containers
        policy.json:1:26: error: `web` names no containers
        policy.json:1:67: error: `cap:` can't be allowed
        policy.json:1:59: error: `root` can't be allowed
    "#]],
    );
}
