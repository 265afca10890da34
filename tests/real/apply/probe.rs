//! Health that windlass finds out itself: by a command in the container, over HTTP, by a connection.

use expect_test::expect;

use super::lab::Lab;

/// A web server that answers `/version`, and whoever follows has to pass a probe.
fn probed(image: &str, probe: &str, more: &str) -> String {
    format!(
        r#""web": {{"image": "{image}", "stop_grace": "1s", {more}
  "update": {{"healthy_for": "0s", "timeout": "2s", "probe": {probe}}}}}"#
    )
}

/// One that passes takes over, and one that does not leaves what served before.
fn check(name: &str, passes: &str, fails: &str) -> String {
    let lab = Lab::new(&format!("probe-{name}"));
    lab.manifest(1, &probed("one", passes, ""));
    lab.apply();
    assert_eq!(lab.run(&["apply"]).stdout, "nothing to do: the host runs serial 1 of `PROJECT`\n");
    lab.manifest(2, &probed("two", passes, ""));
    lab.apply();
    assert_eq!(lab.asks("web", "web"), "two", "it passed");
    lab.manifest(3, &probed("one", fails, ""));
    let ran = lab.run(&["apply"]);
    assert_eq!((ran.exit, lab.containers().as_str()), (Some(4), "PROJECT-web running"), "{ran:?}");
    assert_eq!(lab.asks("web", "web"), "two", "what served before serves");
    ran.stderr.lines().find(|line| line.contains("caused by")).unwrap().trim().to_owned()
}

#[test]
fn update_probe_command() {
    let said = check(
        "command",
        r#"{"command": ["wget", "-q", "-O", "/dev/null", "http://127.0.0.1/version"]}"#,
        r#"{"command": ["/bin/sh", "-c", "echo it is cold; exit 7"]}"#,
    );
    expect!["caused by: `PROJECT-web.next` was not good by `/bin/sh -c echo it is cold; exit 7` (exit code 7: it is cold) within 2s"]
        .assert_eq(&said);
}

#[test]
fn update_probe_http() {
    let said = check("http", r#"{"http": "80/version"}"#, r#"{"http": "80/nothing-there"}"#);
    expect!["caused by: `PROJECT-web.next` was not good by GET :80/nothing-there (status 404) within 2s"]
        .assert_eq(&said);
}

#[test]
fn update_probe_tcp() {
    let said = check("tcp", r#"{"tcp": 80}"#, r#"{"tcp": 81}"#);
    expect!["caused by: `PROJECT-web.next` was not good by port 81 (Connection refused (os error 111)) within 2s"]
        .assert_eq(&said);
}

#[test]
fn update_probe_timeout() {
    let said =
        check("timeout", r#"{"tcp": 80, "timeout": "1s"}"#, r#"{"command": ["sleep", "100"], "timeout": "200ms"}"#);
    expect!["caused by: `PROJECT-web.next` was not good by `sleep 100` (no answer after 0.2s) within 2s"]
        .assert_eq(&said);
}

#[test]
fn a_probe_that_passes_late_is_waited_for_and_holds_up_who_depends_on_it() {
    let lab = Lab::new("probe-late");
    let late = r#""command": ["/bin/sh", "-c", "sleep 2; httpd -p 80 -h /www; exec sleep 1000"],"#;
    let web = probed("one", r#"{"http": "80/version"}"#, late).replace("\"2s\"", "\"20s\"");
    let asks = r#""client": {"image": "one", "restart": "no", "depends_on": {"web": {"condition": "healthy"}},
  "command": ["wget", "-q", "-O", "/dev/null", "http://web/version"]}"#;
    lab.manifest(1, &format!("{web}, {asks}"));
    lab.apply();
    assert_eq!(lab.containers(), "PROJECT-client exited\nPROJECT-web running");
    assert_eq!(lab.inspect("client", "{{.State.ExitCode}}"), "0", "it asked once the other one answered");
}
