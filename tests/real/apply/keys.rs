//! What a container can say, a key a test: what came of it is seen from inside, or asked of Docker's own client.

use std::fs;
use std::io::{BufRead as _, BufReader};
use std::os::unix::fs::PermissionsExt as _;
use std::process::{Command, Stdio};

use expect_test::expect;

use super::lab::{Lab, Ran, docker, shown};
use super::proxy::{Fault, Proxy};
use crate::parts;

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

/// The same, where the host has to allow it: it is refused before, and nothing is touched.
fn allowed(key: &str, value: &str, power: &str) -> Lab {
    let (lab, started) = once_allowed(key, value, power);
    assert_eq!(started.exit, Some(0), "{started:?}");
    let again = lab.run(&["apply", "--policy", &shown(&lab.path("policy.json"))]);
    assert_eq!(again.stdout, "nothing to do: the host runs serial 1 of `PROJECT`\n", "`{key}` is read back");
    lab
}

fn once_allowed(key: &str, value: &str, power: &str) -> (Lab, Ran) {
    let lab = Lab::new(&format!("key-{}", key.replace('_', "-")));
    lab.manifest(1, &format!(r#""web": {{"image": "one", "stop_grace": "1s", "{key}": {value}}}"#));
    let policy = lab.path("policy.json");
    let write = |allow: &str| fs::write(&policy, format!(r#"{{"version": 1, "allow": {{{allow}}}}}"#)).unwrap();
    let args = ["apply", "--policy", &shown(&policy)];
    write(&format!(r#""other/web": ["{power}"]"#));
    let refused = lab.run(&args);
    assert_eq!((refused.exit, lab.containers()), (Some(2), String::new()));
    let said = format!("error: this host does not allow what is wanted: `web` wants `{power}`\n");
    assert!(refused.stderr.starts_with(&said), "{}", refused.stderr);
    write(&format!(r#""{}/*": ["{power}"]"#, lab.project));
    let started = lab.run(&args);
    (lab, started)
}

/// What a line of the shell says inside.
fn inside(lab: &Lab, line: &str) -> String {
    docker(&["exec", &lab.name("web"), "/bin/sh", "-c", line])
}

/// Waits until a container has written a line.
fn wait_for_line(container: &str, line: &str) {
    let mut command = Command::new("docker");
    command.args(["-H", &parts::docker_host(), "logs", "--follow", container]);
    let mut client = command.stdout(Stdio::piped()).spawn().unwrap();
    let mut lines = BufReader::new(client.stdout.take().unwrap()).lines();
    assert!(lines.any(|found| found.unwrap() == line), "`{line}` was not written");
    client.kill().unwrap();
    client.wait().unwrap();
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

#[test]
fn privileged() {
    let (lab, _started) = once_allowed("privileged", "true", "privileged");
    // Where the engine is confined itself, it can't start what is not; it has made it.
    assert_eq!(lab.inspect("web", "{{.HostConfig.Privileged}}"), "true");
}

#[test]
fn cap_add() {
    let lab = allowed("cap_add", r#"["NET_ADMIN", "CHOWN"]"#, "cap:NET_ADMIN");
    assert_eq!(lab.inspect("web", "{{json .HostConfig.CapAdd}}"), r#"["CHOWN","NET_ADMIN"]"#);
    assert_eq!(inside(&lab, "ip link set lo mtu 1400 && echo done"), "done");
}

#[test]
fn devices() {
    let lab = allowed("devices", r#"["/dev/null:/dev/nothing:rw"]"#, "device:/dev/null");
    assert_eq!(inside(&lab, "echo x > /dev/nothing; wc -c < /dev/nothing"), "0");
}

#[test]
fn security_opt() {
    let lab = with("security_opt", r#"["no-new-privileges:true"]"#);
    assert_eq!(inside(&lab, "grep NoNewPrivs /proc/1/status | cut -f 2"), "1");
    let lab = allowed("security_opt", r#"["seccomp=unconfined"]"#, "security_opt:seccomp=unconfined");
    assert_eq!(inside(&lab, "grep ^Seccomp: /proc/1/status | cut -f 2"), "0");
}

#[test]
fn pid() {
    let lab = allowed("pid", r#""host""#, "pid:host");
    assert_eq!(inside(&lab, "[ $$ -gt 1 ] && [ -d /proc/1 ] && grep -c httpd /proc/1/cmdline || true"), "0");
    assert_eq!(lab.inspect("web", "{{.HostConfig.PidMode}}"), "host");
}

#[test]
fn cgroup() {
    let lab = allowed("cgroup", r#""host""#, "cgroup:host");
    assert_eq!(lab.inspect("web", "{{.HostConfig.CgroupnsMode}}"), "host");
    let of_init = |name: &str| fs::read_link(format!("/proc/{name}/ns/cgroup")).unwrap();
    assert_eq!(of_init(&lab.inspect("web", "{{.State.Pid}}")), of_init("self"));
}

#[test]
fn systemd() {
    let lab = Lab::new("key-systemd");
    lab.manifest(1, r#""web": {"image": "one", "stop_grace": "1s", "systemd": true, "tmpfs": ["/tmp:size=1m"]}"#);
    let policy = lab.path("policy.json");
    fs::write(&policy, r#"{"version": 1, "allow": {"*/web": ["cgroup:host", "bind:/sys/fs/cgroup"]}}"#).unwrap();
    let refused = lab.run(&["apply"]);
    assert_eq!((refused.exit, lab.containers()), (Some(2), String::new()));
    assert!(refused.stderr.contains("`web` wants `bind:/sys/fs/cgroup` and `cgroup:host`"), "{refused:?}");
    let args = ["apply", "--policy", &shown(&policy)];
    assert_eq!(lab.run(&args).exit, Some(0));
    assert_eq!(lab.run(&args).stdout, "nothing to do: the host runs serial 1 of `PROJECT`\n");
    let wanted = "{{.Config.StopSignal}} {{.HostConfig.CgroupnsMode}} {{json .HostConfig.Tmpfs}} {{json .Mounts}}";
    expect![[r#"SIGRTMIN+3 host {"/run":"mode=755","/run/lock":"","/tmp":"size=1m"} [{"Type":"bind","Source":"/sys/fs/cgroup","Destination":"/sys/fs/cgroup","Mode":"","RW":true,"Propagation":"rprivate"}]"#]].assert_eq(&lab.inspect("web", wanted));
    let mounted =
        "for path in /run /run/lock /tmp /sys/fs/cgroup; do grep -c \" $path \" /proc/mounts; done; echo $container";
    assert_eq!(inside(&lab, mounted), "1\n1\n1\n1\noci");
    assert_eq!(inside(&lab, "touch /run/x /run/lock/x /tmp/x && stat -c %a /run"), "755");
}

#[test]
fn ipc() {
    assert_eq!(allowed("ipc", r#""host""#, "ipc:host").inspect("web", "{{.HostConfig.IpcMode}}"), "host");
}

#[test]
fn logging() {
    let lab = with("logging", r#"{"driver": "json-file", "options": {"max-size": "1m"}}"#);
    assert_eq!(
        lab.inspect("web", "{{json .HostConfig.LogConfig}}"),
        r#"{"Type":"json-file","Config":{"max-size":"1m"}}"#
    );
}

#[test]
fn volumes_of_the_host() {
    let lab = allowed("volumes", r#"["/etc:/host"]"#, "bind:/etc");
    assert_eq!(inside(&lab, "[ -e /host/passwd ] && echo there"), "there");
}

#[test]
fn files() {
    let lab = Lab::new("key-files");
    let write = |serial: u64, level: &str| {
        lab.manifest(
            serial,
            &format!(
                r#""web": {{"image": "one", "stop_grace": "1s", "volumes": ["data:/data"], "files": {{
  "/etc/new/app.conf": {{"content": "level = {level}\n", "owner": "70:71", "mode": "0640"}},
  "/data/rules": {{"file": "web/rules.txt"}},
  "/www/token": {{"env": "HOME"}}}}}}"#
            ),
        );
    };
    fs::create_dir(lab.path("web")).unwrap();
    fs::write(lab.path("web/rules.txt"), "deny all\n").unwrap();
    write(1, "info");
    lab.apply();
    let look = "stat -c '%a %u:%g %n' /etc/new /etc/new/* /data/rules /www/token; cat /etc/new/app.conf /data/rules";
    let expected = "755 0:0 /etc/new\n640 70:71 /etc/new/app.conf\n644 0:0 /data/rules\n400 0:0 /www/token\n";
    assert_eq!(inside(&lab, look), format!("{expected}level = info\ndeny all"));
    assert_eq!(inside(&lab, "cat /www/token"), shown(lab.path("").as_path()).trim_end_matches('/'));
    assert_eq!(lab.run(&["apply"]).stdout, "nothing to do: the host runs serial 1 of `PROJECT`\n");
    let before = lab.inspect("web", "{{.Id}}");
    fs::write(lab.path("web/rules.txt"), "deny none\n").unwrap();
    lab.apply();
    assert_ne!(lab.inspect("web", "{{.Id}}"), before, "what is beside the manifest counts");
    assert_eq!(inside(&lab, "cat /data/rules"), "deny none");
    fs::remove_file(lab.path("web/rules.txt")).unwrap();
    assert_eq!(lab.run(&["status", "--exit-code"]).exit, Some(0), "the history has what was in it");
    let record = fs::read_dir(lab.state().join(&lab.project).join("history")).unwrap().next().unwrap().unwrap();
    assert_eq!(record.metadata().unwrap().permissions().mode() & 0o077, 0, "for nobody else to read");
    let refused = lab.run(&["apply"]);
    assert_eq!(refused.exit, Some(2));
    assert!(refused.stderr.contains("`/data/rules` of the container `web`: reading `web/rules.txt`"), "{refused:?}");
    std::os::unix::fs::symlink("/etc/passwd", lab.path("web/rules.txt")).unwrap();
    let refused = lab.run(&["apply"]);
    assert!(refused.stderr.contains("`web/rules.txt` leads out of the manifest's folder"), "{refused:?}");
}

#[test]
fn on_change() {
    let lab = Lab::new("key-on-change");
    let proxy = Proxy::start(&lab.path("engine.sock"), &lab.project);
    let write = |serial: u64, level: &str, rules: &str| {
        lab.manifest(
            serial,
            &format!(
                r#""web": {{"image": "one", "stop_grace": "1s", "volumes": ["conf:/conf"], "command": ["/bin/sh", "-c",
  "echo start $(cat /etc/level); trap 'echo heard $(cat /etc/level)' HUP; trap 'echo rules $(cat /conf/rules)' USR1; trap 'exit 0' TERM; while :; do sleep 1 & wait $!; done"],
 "update": {{"healthy_for": "300ms"}}, "files": {{
  "/etc/level": {{"content": "{level}", "on_change": "SIGHUP"}},
  "/conf/rules": {{"content": "{rules}", "on_change": "SIGUSR1", "owner": "70:71", "mode": "0640"}}}}}}"#
            ),
        );
    };
    let address = proxy.address();
    let run = |args: &[&str]| lab.run(&[&["--host", &address], args].concat());
    let apply = || run(&["apply"]);
    let log = || docker(&["logs", &lab.name("web")]);
    let says = |said: &str| wait_for_line(&lab.name("web"), said);
    write(1, "info", "deny");
    let ran = apply();
    assert_eq!(ran.exit, Some(0), "{ran:?}");
    let before = lab.inspect("web", "{{.Id}} {{.State.StartedAt}}");
    assert_eq!(inside(&lab, "stat -c '%a %u:%g' /.windlass-files /conf/rules"), "400 0:0\n640 70:71");
    proxy.arm(None);
    assert_eq!(apply().stdout, "nothing to do: the host runs serial 1 of `PROJECT`\n");
    assert_eq!(proxy.changes(), Vec::<String>::new());

    write(2, "debug", "deny");
    apply().is(expect![[r#"
        web | put a file into `PROJECT-web` (what is in its files changed)
        web | send SIGHUP to `PROJECT-web` (what is in its files changed)
        web | note which files `PROJECT-web` knows (what is in its files changed)
        web | wait until `PROJECT-web` is good, 1m at most (what is in its files changed)
        done in 3 changes: the host runs serial 2 of `PROJECT`
        exit 0
    "#]]);
    says("heard debug");
    assert_eq!(run(&["status", "--exit-code"]).exit, Some(0));
    proxy.arm(None);
    assert_eq!(apply().stdout, "nothing to do: the host runs serial 2 of `PROJECT`\n");
    assert_eq!(
        (proxy.changes(), log()),
        (Vec::new(), "start info\nheard debug".to_owned()),
        "one signal, and one alone"
    );

    // Killed between the file and its signal: the file is there, and nobody knows.
    write(3, "debug", "allow");
    proxy.arm(Some((2, Fault::KillBefore)));
    let child = lab.start(&["--host", &address, "apply"]);
    proxy.victim_is(child.id());
    assert_eq!(lab.ran(child.wait_with_output().unwrap()).exit, None);
    assert_eq!((inside(&lab, "cat /conf/rules"), log()), ("allow".to_owned(), "start info\nheard debug".to_owned()));
    assert_eq!(run(&["status", "deploy.json", "--exit-code"]).exit, Some(10));
    proxy.arm(None);
    assert_eq!(apply().exit, Some(0));
    says("rules allow");
    assert_eq!(log(), "start info\nheard debug\nrules allow");

    // The way back, too.
    assert_eq!(run(&["rollback", "--to", "1"]).exit, Some(0));
    says("heard info");
    says("rules deny");
    assert_eq!(lab.inspect("web", "{{.Id}} {{.State.StartedAt}}"), before, "it is the same all the time");
    docker(&["stop", "--time", "5", &lab.name("web")]);
    write(4, "warn", "deny");
    assert_eq!(apply().exit, Some(0));
    says("start warn");
}

#[test]
fn a_policy_that_others_can_write_is_none() {
    let lab = Lab::new("policy");
    lab.manifest(1, r#""web": {"image": "one", "privileged": true}"#);
    let policy = lab.path("policy.json");
    fs::write(&policy, r#"{"version": 1, "allow": {"*/*": ["privileged"]}}"#).unwrap();
    fs::set_permissions(&policy, fs::Permissions::from_mode(0o666)).unwrap();
    let refused = lab.run(&["apply", "--policy", &shown(&policy)]);
    assert_eq!((refused.exit, lab.containers()), (Some(2), String::new()));
    assert!(refused.stderr.contains("is not root's alone to write"), "{refused:?}");
    fs::set_permissions(&policy, fs::Permissions::from_mode(0o644)).unwrap();
    assert_eq!(lab.run(&["apply", "--dry-run", "--policy", &shown(&policy)]).exit, Some(0));
    fs::write(&policy, r#"{"version": 1, "allow": {"*/*": ["everything"]}}"#).unwrap();
    let refused = lab.run(&["apply", "--policy", &shown(&policy)]);
    assert!(refused.exit == Some(2) && refused.stderr.contains("`everything` can't be allowed"), "{refused:?}");
}

#[test]
fn cpu_shares() {
    assert_eq!(with("cpu_shares", "512").inspect("web", "{{.HostConfig.CpuShares}}"), "512");
}

#[test]
fn env_file() {
    let lab = Lab::new("key-env-file");
    lab.manifest(
        1,
        r#""web": {"image": "one", "stop_grace": "1s", "env_file": ["one.env", "two.env"], "env": {"C": "manifest"}}"#,
    );
    fs::write(lab.path("one.env"), "# first\n\nA=one\nB=one\nC=one\nEMPTY=\n").unwrap();
    fs::write(lab.path("two.env"), "  B=two = 'two'\n").unwrap();
    lab.apply();
    assert_eq!(inside(&lab, "echo $A/$B/$C/${EMPTY-unset}"), "one/two = 'two'/manifest/");
    assert_eq!(lab.run(&["apply"]).stdout, "nothing to do: the host runs serial 1 of `PROJECT`\n");
    fs::write(lab.path("two.env"), "B=three\nC\n").unwrap();
    let refused = lab.run(&["apply"]);
    assert_eq!(refused.exit, Some(2));
    assert!(
        refused.stderr.contains("`env_file` of the container `web`: two.env:2: expected `NAME=value`"),
        "{refused:?}"
    );
    fs::write(lab.path("two.env"), "B=three\n").unwrap();
    lab.apply();
    assert_eq!(inside(&lab, "echo $A/$B/$C"), "one/three/manifest");
}

#[test]
fn keep() {
    let lab = Lab::new("key-keep");
    let both =
        r#""web": {"image": "one", "stop_grace": "1s"}, "stays": {"image": "one", "stop_grace": "1s", "keep": true}"#;
    lab.manifest(1, both);
    lab.apply();
    let before = lab.inspect("stays", "{{.Id}} {{.State.StartedAt}}");
    lab.manifest(2, r#""web": {"image": "two", "stop_grace": "1s"}"#);
    lab.apply();
    assert_eq!(lab.inspect("stays", "{{.Id}} {{.State.StartedAt}}"), before);
    assert_eq!(lab.run(&["apply"]).stdout, "nothing to do: the host runs serial 2 of `PROJECT`\n");
    lab.manifest(3, both);
    lab.apply();
    assert_eq!(lab.inspect("stays", "{{.Id}} {{.State.StartedAt}}"), before, "it is ours again");
}

#[test]
fn volumes_from() {
    let lab = Lab::new("key-volumes-from");
    let both = |image: &str| {
        format!(
            r#""data": {{"image": "{image}", "stop_grace": "1s", "volumes": ["data:/data"]}},
"web": {{"image": "one", "stop_grace": "1s", "volumes_from": ["data:ro"]}}"#
        )
    };
    lab.manifest(1, &both("one"));
    lab.apply();
    docker(&["exec", &lab.name("data"), "/bin/sh", "-c", "echo here > /data/x"]);
    assert_eq!(inside(&lab, "cat /data/x; touch /data/y 2>&1 | grep -c 'Read-only file system'"), "here\n1");
    assert_eq!(lab.run(&["apply"]).stdout, "nothing to do: the host runs serial 1 of `PROJECT`\n");
    let before = lab.inspect("web", "{{.Id}}");
    lab.manifest(2, &both("two"));
    lab.apply();
    assert_ne!(lab.inspect("web", "{{.Id}}"), before, "it is made for the new one");
    assert_eq!(inside(&lab, "cat /data/x"), "here");
    assert_eq!(lab.run(&["apply"]).stdout, "nothing to do: the host runs serial 2 of `PROJECT`\n");
}

#[test]
fn network_mode_of_another_container() {
    let lab = Lab::new("key-network-of");
    let both = |image: &str| {
        format!(
            r#""db": {{"image": "{image}", "stop_grace": "1s"}},
"web": {{"image": "one", "stop_grace": "1s", "network_mode": "container:db", "command": ["/bin/sleep", "1000"], "stop_signal": "SIGKILL"}}"#
        )
    };
    lab.manifest(1, &both("one"));
    lab.apply();
    let ask = "wget -q -O - http://127.0.0.1/version";
    assert_eq!(inside(&lab, ask), "one", "the other's server is its own");
    assert_eq!(lab.run(&["apply"]).stdout, "nothing to do: the host runs serial 1 of `PROJECT`\n");
    lab.manifest(2, &both("two"));
    lab.apply();
    assert_eq!(inside(&lab, ask), "two");
    docker(&["restart", "--time", "1", &lab.name("db")]);
    let ran = lab.apply();
    assert!(ran.stderr.contains("restart `PROJECT-web` (`db` was replaced)"), "{ran:?}");
    assert_eq!(inside(&lab, ask), "two", "a network ends with the container that it came with");
    assert_eq!(lab.run(&["apply"]).stdout, "nothing to do: the host runs serial 2 of `PROJECT`\n");
}

#[test]
fn network_mode_host_and_none() {
    let lab = allowed("network_mode", r#""host""#, "network:host");
    assert_eq!(
        inside(&lab, "readlink /proc/self/ns/net"),
        fs::read_link("/proc/self/ns/net").unwrap().to_string_lossy()
    );
    let lab = with("network_mode", r#""none""#);
    assert_eq!(inside(&lab, "ls /sys/class/net"), "lo");
}

#[test]
fn signals() {
    let lab = Lab::new("key-signals");
    let both = |image: &str| {
        format!(
            r#""web": {{"image": "one", "stop_grace": "1s", "command": ["/bin/sh", "-c",
  "trap 'echo heard' HUP; trap 'exit 0' TERM; while :; do sleep 1 & wait $!; done"]}},
"conf": {{"image": "{image}", "stop_grace": "1s", "signals": {{"web": "SIGHUP"}}}}"#
        )
    };
    lab.manifest(1, &both("one"));
    lab.apply();
    assert_eq!(docker(&["logs", &lab.name("web")]), "", "the first one is no news");
    lab.manifest(2, &both("two"));
    let ran = lab.apply();
    assert!(ran.stderr.contains("send SIGHUP to `PROJECT-web` (`conf` was replaced)"), "{ran:?}");
    assert_eq!(lab.run(&["apply"]).stdout, "nothing to do: the host runs serial 2 of `PROJECT`\n");
    docker(&["stop", "--time", "5", &lab.name("web")]);
    assert_eq!(docker(&["logs", &lab.name("web")]), "heard");
}

#[test]
fn hosts_file() {
    let lab = Lab::new("key-hosts-file");
    let (hosts, policy) = (lab.path("hosts"), lab.path("policy.json"));
    let before = "127.0.0.1\tlocalhost\n# by hand\n";
    fs::write(&hosts, before).unwrap();
    fs::set_permissions(&hosts, fs::Permissions::from_mode(0o664)).unwrap();
    fs::write(&policy, r#"{"version": 1, "allow": {"*/web": ["hosts_file:web.test", "hosts_file:www.test"]}}"#)
        .unwrap();
    let (hosts_arg, policy_arg) = (shown(&hosts), shown(&policy));
    let args = ["apply", "--hosts-file", &hosts_arg, "--policy", &policy_arg];
    let web = |names: &str| format!(r#""web": {{"image": "one", "stop_grace": "1s", "hosts_file": [{names}]}}"#);
    lab.manifest(1, &web(r#""web.test", "bank.example""#));
    let refused = lab.run(&args);
    assert_eq!((refused.exit, fs::read_to_string(&hosts).unwrap().as_str()), (Some(2), before));
    assert!(refused.stderr.contains("`web` wants `hosts_file:bank.example`"), "{refused:?}");
    lab.manifest(1, &web(r#""web.test", "www.test""#));
    let ran = lab.run(&args);
    assert_eq!(ran.exit, Some(0), "{ran:?}");
    let address = || lab.inspect("web", "{{range .NetworkSettings.Networks}}{{.IPAddress}}{{end}}");
    let block = |address: &str| {
        let project = &lab.project;
        format!("# windlass {project}: begin\n{address} web.test\n{address} www.test\n# windlass {project}: end\n")
    };
    assert_eq!(fs::read_to_string(&hosts).unwrap(), format!("{before}{}", block(&address())));
    assert_eq!(fs::metadata(&hosts).unwrap().permissions().mode() & 0o777, 0o664);
    let written = fs::metadata(&hosts).unwrap().modified().unwrap();
    assert_eq!(lab.run(&args).stdout, "nothing to do: the host runs serial 1 of `PROJECT`\n");
    assert_eq!(fs::metadata(&hosts).unwrap().modified().unwrap(), written, "it is written where it changes");
    docker(&["rm", "--force", &lab.name("web")]);
    docker(&["run", "--detach", "--name", &lab.name("taker"), "--network", &lab.project, lab.image("one")]);
    let mended = lab.run(&args);
    docker(&["rm", "--force", &lab.name("taker")]);
    assert_eq!(mended.exit, Some(0), "{mended:?}");
    assert_eq!(fs::read_to_string(&hosts).unwrap(), format!("{before}{}", block(&address())), "another address");
    lab.manifest(2, r#""web": {"image": "one", "stop_grace": "1s"}"#);
    assert_eq!((lab.run(&args).exit, fs::read_to_string(&hosts).unwrap().as_str()), (Some(0), before));
}

#[test]
fn volumes_are_filled_from_the_image_while_they_are_empty() {
    let lab = Lab::new("key-volumes-seed");
    for (serial, image) in [(1, "one"), (2, "two")] {
        lab.manifest(serial, &format!(r#""web": {{"image": "{image}", "stop_grace": "1s", "volumes": ["www:/www"]}}"#));
        lab.apply();
        assert_eq!(inside(&lab, "cat /www/version"), "one", "what is there stays: {image}");
    }
    // One that is empty again when it is mounted anew gets what the image has by then.
    inside(&lab, "rm -r /www/*");
    lab.manifest(3, r#""web": {"image": "two", "stop_grace": "1s", "volumes": ["www:/www"], "env": {"A": "1"}}"#);
    lab.apply();
    assert_eq!(inside(&lab, "cat /www/version"), "two");
}
