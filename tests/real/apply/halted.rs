//! A container that somebody stops while it is waited for: that is mended in the same run, and says nothing of what is wanted.

use std::io::{BufRead as _, BufReader, Read as _};
use std::process::Output;

use expect_test::expect;

use super::lab::{Lab, Ran, docker};

/// Good once `/go` is there.
fn web(image: &str) -> String {
    format!(
        r#""web": {{"image": "{image}", "stop_grace": "1s",
  "update": {{"healthy_for": "0s", "drain": "0s", "probe": {{"command": ["test", "-e", "/go"]}}}}}}"#
    )
}

/// Applies, and each time that the new container is waited for does one of the deeds to it by Docker's client; after them it
/// lets it become good.
fn applied(lab: &Lab, more: &[&str], deeds: &[&[&str]]) -> Ran {
    let mut child = lab.start(&[&["apply"], more].concat());
    let mut stderr = BufReader::new(child.stderr.take().unwrap());
    let mut said = String::new();
    let label = format!("label=dev.windlass.project={}", lab.project);
    let mut is_waited_for = |said: &mut String| {
        let from = said.len();
        while stderr.read_line(said).unwrap() > 0 && !said[from..].contains("wait until") {}
        said[from..].contains("wait until")
    };
    let good: &[&str] = &["touch", "/go"];
    for deed in deeds.iter().copied().chain([good]) {
        if is_waited_for(&mut said) {
            let new = docker(&["ps", "--latest", "--quiet", "--filter", &label]);
            drop(if deed == good {
                docker(&["exec", &new, "touch", "/go"])
            } else {
                docker(&[deed, &[&new]].concat())
            });
        }
    }
    stderr.read_to_string(&mut said).unwrap();
    let ended = child.wait_with_output().unwrap();
    lab.ran(Output { stderr: said.into_bytes(), ..ended })
}

#[test]
fn what_is_stopped_while_it_is_waited_for_is_mended() {
    let lab = Lab::new("halted");
    lab.manifest(1, &web("one"));
    applied(&lab, &[], &[&["stop"]]).is(expect![[r#"
        note: create network `PROJECT`: it is not on the host
        web | create `PROJECT-web` (it is not on the host)
        web | start `PROJECT-web` (it is not on the host)
        web | wait until `PROJECT-web` is good, 1m at most (it was started)
        note: somebody stopped `PROJECT-web` meanwhile: the host is looked at again
        web | start `PROJECT-web` (it does not run: exited (0))
        web | wait until `PROJECT-web` is good, 1m at most (it was started)
        done in 1 change: the host runs serial 1 of `PROJECT`
        exit 0
    "#]]);
    lab.manifest(2, &web("two"));
    applied(&lab, &[], &[&["stop"], &["kill"]]).is(expect![[r#"
        web | create `PROJECT-web.next` (its image changed)
        web | start `PROJECT-web.next` (its image changed)
        web | wait until `PROJECT-web.next` is good, 1m at most (it was started)
        note: going back to what served before
        note: somebody stopped `PROJECT-web.next` meanwhile: the host is looked at again
        web | create `PROJECT-web.next` (its image changed)
        web | start `PROJECT-web.next` (its image changed)
        web | wait until `PROJECT-web.next` is good, 1m at most (it was started)
        note: going back to what served before
        note: somebody stopped `PROJECT-web.next` meanwhile: the host is looked at again
        web | create `PROJECT-web.next` (its image changed)
        web | start `PROJECT-web.next` (its image changed)
        web | wait until `PROJECT-web.next` is good, 1m at most (it was started)
        web | connect `PROJECT-web.next` to network `PROJECT` (it is good)
        web | wait until `PROJECT-web.next` is good, 1m at most (it is good)
        web | take its names on network `PROJECT` from `PROJECT-web` (the new one is good)
        web | stop `PROJECT-web` (the new one is good)
        web | remove `PROJECT-web` (the new one is good)
        web | rename `PROJECT-web.next` to `PROJECT-web` (it takes the place of the former one)
        done in 7 changes: the host runs serial 2 of `PROJECT`
        exit 0
    "#]]);
    assert_eq!(lab.asks("web", "web"), "two");
    lab.manifest(3, &web("one"));
    // Whoever does not leave it alone does not make it bad.
    applied(&lab, &[], &[&["stop"], &["stop"], &["stop"]]).is(expect![[r#"
        web | create `PROJECT-web.next` (its image changed)
        web | start `PROJECT-web.next` (its image changed)
        web | wait until `PROJECT-web.next` is good, 1m at most (it was started)
        note: going back to what served before
        note: somebody stopped `PROJECT-web.next` meanwhile: the host is looked at again
        web | create `PROJECT-web.next` (its image changed)
        web | start `PROJECT-web.next` (its image changed)
        web | wait until `PROJECT-web.next` is good, 1m at most (it was started)
        note: going back to what served before
        note: somebody stopped `PROJECT-web.next` meanwhile: the host is looked at again
        web | create `PROJECT-web.next` (its image changed)
        web | start `PROJECT-web.next` (its image changed)
        web | wait until `PROJECT-web.next` is good, 1m at most (it was started)
        note: going back to what served before
        error: `web`: could not wait until `PROJECT-web.next` is good, 1m at most; what served before serves again
          caused by: somebody stopped `PROJECT-web.next` meanwhile
        exit 3
    "#]]);
    assert_eq!(lab.asks("web", "web"), "two");
    assert_eq!(applied(&lab, &["--skip-bad"], &[]).exit, Some(0));
    assert_eq!(lab.asks("web", "web"), "one");
}

#[test]
fn what_ends_when_it_is_told_of_something_was_stopped_by_nobody() {
    let lab = Lab::new("told");
    let web = |content: &str| {
        format!(
            r#""web": {{"image": "one", "restart": "no", "stop_grace": "1s",
  "command": ["/bin/sh", "-c", "trap 'exit 3' HUP; while :; do sleep 1 & wait $!; done"],
  "files": {{"/etc/live": {{"content": "{content}", "on_change": "SIGHUP"}}}},
  "update": {{"healthy_for": "0s", "probe": {{"command": ["grep", "-q", "first", "/etc/live"]}}}}}}"#
        )
    };
    lab.manifest(1, &web("first"));
    lab.apply();
    lab.manifest(2, &web("second"));
    lab.run(&["apply"]).is(expect![[r#"
        web | put a file into `PROJECT-web` (what is in its files changed)
        web | send SIGHUP to `PROJECT-web` (what is in its files changed)
        web | note which files `PROJECT-web` knows (what is in its files changed)
        web | wait until `PROJECT-web` is good, 1m at most (what is in its files changed)
        error: `web` is not good
          caused by: `PROJECT-web` ended with exit code 3
        exit 1
    "#]]);
    lab.run(&["apply", "--skip-bad"]).is(expect![[r#"
        web | put a file into `PROJECT-web` (what is in its files changed)
        web | start `PROJECT-web` (it does not run: exited (3))
        web | wait until `PROJECT-web` is good, 1m at most (it was started)
        error: serial 2 was tried and is not good; the host is kept at serial 1
        hint: the next serial will be tried; without `--skip-bad` this one is tried again
        done in 2 changes: the host runs serial 1 of `PROJECT`
        exit 4
    "#]]);
}
