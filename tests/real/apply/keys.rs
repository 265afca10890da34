//! What a container can say, a key a test: what came of it is seen from inside, or asked of Docker's own client.

use super::lab::{Lab, docker};

/// A container that says one thing more than the others.
fn with(key: &str, value: &str) -> Lab {
    let lab = Lab::new(&format!("key-{}", key.replace('_', "-")));
    lab.manifest(1, &format!(r#""web": {{"image": "one", "stop_grace": "1s", "{key}": {value}}}"#));
    lab.apply();
    assert_eq!(
        lab.run(&["apply"]).stdout,
        "nothing to do: the host runs serial 1 of `PROJECT`\n",
        "`{key}` is read back"
    );
    lab
}

/// What a line of the shell says inside.
fn inside(lab: &Lab, line: &str) -> String {
    docker(&["exec", &lab.name("web"), "/bin/sh", "-c", line])
}

#[test]
fn cpus() {
    assert_eq!(with("cpus", r#""0.5""#).inspect("web", "{{.HostConfig.NanoCpus}}"), "500000000");
}

#[test]
fn memory() {
    assert_eq!(with("memory", r#""64m""#).inspect("web", "{{.HostConfig.Memory}}"), "67108864");
}

#[test]
fn pids_limit() {
    assert_eq!(with("pids_limit", "50").inspect("web", "{{.HostConfig.PidsLimit}}"), "50");
}

#[test]
fn shm_size() {
    let lab = with("shm_size", r#""2m""#);
    assert_eq!(inside(&lab, "df -k /dev/shm | tail -n 1 | awk '{print $2}'"), "2048");
}

#[test]
fn ulimits() {
    let lab = with("ulimits", r#"{"nofile": "64:128"}"#);
    assert_eq!(inside(&lab, "ulimit -S -n; ulimit -H -n"), "64\n128");
}

#[test]
fn hostname() {
    assert_eq!(inside(&with("hostname", r#""elsewhere.example""#), "hostname"), "elsewhere.example");
    assert_eq!(inside(&with("working_dir", r#""/www""#), "hostname | cut -d . -f 1"), "web", "where nothing is said");
}

#[test]
fn init() {
    assert_eq!(inside(&with("init", "true"), "tr '\\0' ' ' < /proc/1/cmdline | cut -d ' ' -f 1"), "/sbin/docker-init");
}

#[test]
fn read_only() {
    assert_eq!(inside(&with("read_only", "true"), "touch /www/x 2>&1 | grep -c 'Read-only file system'"), "1");
}

#[test]
fn tmpfs() {
    let lab = with("tmpfs", r#"["/scratch:size=1m"]"#);
    assert_eq!(inside(&lab, "grep -c '^tmpfs /scratch tmpfs .*size=1024k' /proc/mounts"), "1");
}

#[test]
fn cap_drop() {
    let capabilities = |lab: &Lab| inside(lab, "grep CapBnd /proc/1/status | cut -f 2");
    assert_eq!(capabilities(&with("cap_drop", r#"["ALL"]"#)), "0000000000000000");
}

#[test]
fn sysctls() {
    let lab = with("sysctls", r#"{"net.core.somaxconn": 77}"#);
    assert_eq!(inside(&lab, "cat /proc/sys/net/core/somaxconn"), "77");
}

#[test]
fn extra_hosts() {
    let lab = with("extra_hosts", r#"["elsewhere:192.0.2.7"]"#);
    assert_eq!(inside(&lab, "grep elsewhere /etc/hosts"), "192.0.2.7\telsewhere");
}

#[test]
fn dns() {
    let lab = with("dns", r#"["192.0.2.53", "192.0.2.54"]"#);
    assert_eq!(lab.inspect("web", "{{json .HostConfig.Dns}}"), r#"["192.0.2.53","192.0.2.54"]"#);
}
