//! An image's tests in containers of a real engine: time-outs, output, containers that are kept, the HEALTHCHECK.

mod verdicts;

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::Mutex;
use std::time::Duration;

use expect_test::{Expect, expect};
use windlass::config::structure;
use windlass::diag::SourceText;
use windlass::engine::docker::{Builder, DockerEngine, Options};
use windlass::engine::{BuiltImage, Engine, TestVerdict};
use windlass::event::{Event, NoSink, Sink};
use windlass::model::{CommandTest, FileExistenceTest, Pattern, StreamMatch, TestSpec};
use windlass::registry::{Keychain, RetryPolicy};

use crate::parts;

const LONG: Duration = Duration::from_secs(600);

/// Docker's command, against the engine of the tests.
fn docker(arguments: &[&str]) -> String {
    let output = Command::new("docker")
        .arg("-H")
        .arg(parts::docker_host())
        .args(arguments)
        // The engine may be older than what a newer command builds with by itself.
        .env("DOCKER_BUILDKIT", "0")
        .output()
        .unwrap();
    assert!(output.status.success(), "docker {arguments:?}: {}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).unwrap().trim().to_owned()
}

fn testdata(path: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("testdata/structure").join(path)
}

/// Builds a stage of the images that structure files are run against.
fn build(stage: &str) -> (BuiltImage, String) {
    let context = tempfile::tempdir().unwrap();
    fs::copy(parts::BUSYBOX, context.path().join("busybox")).unwrap();
    for file in ["Dockerfile", "latin1", "text"] {
        fs::copy(testdata("image").join(file), context.path().join(file)).unwrap();
    }
    let name = format!("windlass-image-tests/{stage}");
    // The cache could meet an image that another test removes meanwhile.
    docker(&["build", "-q", "--no-cache", "--target", stage, "-t", &name, context.path().to_str().unwrap()]);
    let id = docker(&["image", "inspect", "-f", "{{.Id}}", &name]).parse().unwrap();
    (BuiltImage { image: stage.parse().unwrap(), id }, name)
}

/// The run id of a test: what an earlier process left behind is not this one's.
fn run_id(run: &str) -> String {
    format!("{run}-{}", std::process::id())
}

/// An engine whose containers are a test's own.
async fn engine(run: &str) -> DockerEngine {
    let options = Options {
        builder: Builder::Best,
        run: run_id(run),
        answers_within: Duration::from_secs(60),
        keychain: Keychain::empty(),
        retry: RetryPolicy::default(),
    };
    DockerEngine::connect(&parts::docker_host(), options).await.unwrap()
}

/// What a run left on the engine: containers by name where they are kept, and images.
fn left_of(run: &str) -> Vec<String> {
    let label = format!("label=dev.windlass.run={}", run_id(run));
    let containers = docker(&["ps", "-a", "--filter", &label, "--format", "{{.Names}} {{.State}}"]);
    let images = docker(&["images", "-a", "-q", "--filter", &label]);
    containers.lines().map(str::to_owned).chain(images.lines().map(|_| "an image".to_owned())).collect()
}

/// Keeps every event that it is sent.
#[derive(Default)]
struct Events(Mutex<Vec<Event>>);

impl Sink for Events {
    fn send(&self, event: Event) {
        self.0.lock().unwrap().push(event);
    }
}

impl Events {
    /// One a line: what was tested, written and kept.
    fn show(&self) -> String {
        let line = |event: &Event| match event {
            Event::Tested { test, failure: None, .. } => format!("passed {test}\n"),
            Event::Tested { test, failure: Some(failure), .. } => format!("failed {test}: {failure}\n"),
            Event::Output { stream, line, .. } => format!("{stream:?}| {line}\n"),
            Event::Kept { container, .. } => format!("kept {container}\n"),
            other => format!("{other:?}\n"),
        };
        self.0.lock().unwrap().iter().map(line).collect()
    }
}

/// Runs tests under a run id of their own and shows what was told of them.
async fn check(run: &str, image: &BuiltImage, spec: &TestSpec, timeout: Duration, expected: Expect) -> TestVerdict {
    let events = Events::default();
    let verdict = engine(run).await.test(image, spec, timeout, &events).await.unwrap();
    expected.assert_eq(&events.show());
    verdict
}

/// A command of the image's shell.
fn shell(name: &str, line: &str) -> CommandTest {
    CommandTest::new(name.to_owned(), ["sh", "-c", line].map(str::to_owned).to_vec())
}

fn commands(commands: Vec<CommandTest>) -> TestSpec {
    TestSpec { commands, ..TestSpec::default() }
}

fn found(pattern: &str) -> StreamMatch {
    StreamMatch { expected: vec![Pattern::new(pattern).unwrap()], excluded: Vec::new() }
}

fn healthy_within(seconds: u64) -> TestSpec {
    TestSpec { healthy_within: Some(Duration::from_secs(seconds)), ..TestSpec::default() }
}

#[tokio::test]
async fn a_command_that_takes_too_long_is_killed() {
    let (image, _) = build("plain");
    let sleeps = CommandTest {
        timeout: Some(Duration::from_secs(1)),
        ..shell("sleeps", "echo asleep; echo tired >&2; sleep 1000")
    };
    let endless = CommandTest { timeout: Some(Duration::from_secs(1)), ..shell("endless", "yes") };
    let spec = commands(vec![sleeps, shell("passes", "true")]);
    let verdict = check(
        "time-out",
        &image,
        &spec,
        LONG,
        expect![[r#"
        Stdout| asleep
        Stderr| tired
        failed Command Test: sleeps: it took longer than 1s and was killed
        kept windlass-failed-plain-sleeps
        passed Command Test: passes
    "#]],
    )
    .await;
    assert_eq!(left_of("time-out"), ["windlass-failed-plain-sleeps exited"]);
    docker(&["rm", "-v", &verdict.kept.unwrap()]);

    let verdict = engine("endless").await.test(&image, &commands(vec![endless]), LONG, &NoSink).await.unwrap();
    assert_eq!(verdict.results[0].1.as_deref(), Some("it took longer than 1s and was killed"));
    docker(&["rm", "-v", &verdict.kept.unwrap()]);
}

#[tokio::test]
async fn all_tests_together_have_a_time_too() {
    let (image, _) = build("plain");
    let mut spec = commands(vec![shell("sleeps through", "sleep 1000"), shell("never runs", "true")]);
    spec.append(healthy_within(1000));
    let verdict = check(
        "all-time-out",
        &image,
        &spec,
        Duration::from_secs(2),
        expect![[r#"
            failed Command Test: sleeps through: it took longer than what was left of 2s for all tests and was killed
            kept windlass-failed-plain-sleeps-through
            failed Command Test: never runs: not run: all tests together may take 2s
            failed Healthcheck: not run: all tests together may take 2s
        "#]],
    )
    .await;
    docker(&["rm", "-v", &verdict.kept.unwrap()]);
}

#[tokio::test]
async fn the_container_of_the_first_failure_is_kept() {
    let (image, _) = build("plain");
    let absent = FileExistenceTest {
        name: "absent".to_owned(),
        path: "/absent".to_owned(),
        global_env: [].into(),
        should_exist: true,
        permissions: None,
        uid: None,
        gid: None,
        executable_by: None,
    };
    let setup = ["sh", "-c", "echo set up > /tmp/setup"].map(str::to_owned).to_vec();
    let spec = TestSpec {
        commands: vec![
            shell("passes", "true"),
            CommandTest {
                setup: vec![setup.clone(), setup],
                stdout: found("nothing"),
                ..shell("fails: first/1", "echo out; cat /tmp/setup")
            },
            shell("fails second", "exit 2"),
        ],
        file_existence: vec![absent],
        ..TestSpec::default()
    };
    let expected = || {
        expect![[r#"
            passed Command Test: passes
            Stdout| out
            Stdout| set up
            failed Command Test: fails: first/1: `nothing` is not found in standard output
            kept windlass-failed-plain-fails-first-1
            failed Command Test: fails second: exit code 2, not 0
            failed File Existence Test: absent: `/absent` does not exist
        "#]]
    };
    for run in ["kept-1", "kept-2"] {
        check(run, &image, &spec, LONG, expected()).await;
        let kept = "windlass-failed-plain-fails-first-1 exited";
        assert_eq!(left_of(run), [kept, "an image", "an image"], "what setup made is what it stands on");
        engine(run).await.clean_up().await.unwrap();
        assert_eq!(left_of(run), [kept, "an image", "an image"], "it is not this run's to remove any more");
    }
    assert!(left_of("kept-1").is_empty(), "the newer one took its place");
    assert_eq!(docker(&["start", "-a", "windlass-failed-plain-fails-first-1"]), "out\nset up");
    docker(&["rm", "-v", "windlass-failed-plain-fails-first-1"]);
    engine("kept-2").await.clean_up().await.unwrap();
    assert!(left_of("kept-2").is_empty());
}

#[tokio::test]
async fn a_container_of_somebody_else_keeps_its_name() {
    let (image, name) = build("plain");
    docker(&["create", "--name", "windlass-failed-plain-taken", &name]);
    check("taken", &image, &commands(vec![shell("taken", "false")]), LONG, expect![[r#"
        failed Command Test: taken: exit code 1, not 0
        Warning("the container of `Command Test: taken` is not kept: `windlass-failed-plain-taken` is the name of another")
    "#]]).await;
    assert!(left_of("taken").is_empty());
    docker(&["rm", "-v", "windlass-failed-plain-taken"]);
}

#[tokio::test]
async fn files_of_an_image_without_a_command_are_read() {
    let (image, _) = build("bare");
    let spec = structure::parse(&SourceText::new(
        "bare.yaml",
        "{schemaVersion: 2.0.0, fileExistenceTests: [{name: busybox, path: /bin/busybox, isExecutableBy: any}]}",
    ));
    check(
        "bare",
        &image,
        &spec.unwrap(),
        LONG,
        expect![[r#"
        passed File Existence Test: busybox
    "#]],
    )
    .await;
    assert!(left_of("bare").is_empty());
}

/// Tells when a setup has failed, which is when its test is on its way.
struct Notice(tokio::sync::Notify);

impl Sink for Notice {
    fn send(&self, event: Event) {
        if matches!(event, Event::Warning(_)) {
            self.0.notify_one();
        }
    }
}

#[tokio::test]
async fn a_dropped_run_is_cleaned_up() {
    let (image, _) = build("plain");
    let setup = vec![["sh", "-c", "exit 1"].map(str::to_owned).to_vec()];
    let spec = commands(vec![CommandTest { setup, ..shell("sleeps", "sleep 1000") }]);
    let notice = Notice(tokio::sync::Notify::new());
    let engine = engine("dropped").await;
    tokio::select! {
        verdict = engine.test(&image, &spec, LONG, &notice) => panic!("{verdict:?}"),
        () = notice.0.notified() => {}
    }
    engine.clean_up().await.unwrap();
    assert_eq!(left_of("dropped"), [""; 0]);
}

#[tokio::test]
async fn output_of_any_kind_and_size_is_matched() {
    let (image, _) = build("plain");
    let ten_megabytes = "yes 0123456789abcdef | head -c 10000000; echo; echo the end";
    let spec = commands(vec![
        CommandTest { stdout: found("^caf. ol.\n$"), ..shell("bytes", "cat /etc/latin1") },
        CommandTest { stdout: found("(?m)^the end$"), ..shell("10 MB", ten_megabytes) },
        CommandTest { stderr: found("(?m)^the end$"), ..shell("10 MB of errors", &format!("({ten_megabytes}) >&2")) },
        CommandTest {
            stdout: StreamMatch { expected: Vec::new(), excluded: vec![Pattern::new("the end").unwrap()] },
            ..shell("too much", "yes 0123456789abcdef | head -c 17000000; echo the end")
        },
    ]);
    let verdict = engine("sizes").await.test(&image, &spec, LONG, &NoSink).await.unwrap();
    docker(&["rm", "-v", verdict.kept.as_ref().unwrap()]);
    let failures: Vec<_> = verdict.results.iter().map(|(_, failure)| failure.as_deref()).collect();
    let too_much = "standard output has 17000008 bytes, of which the first 16 MiB were searched";
    assert_eq!(failures, [None, None, None, Some(too_much)]);
}

#[tokio::test]
async fn what_a_failed_test_wrote_is_shown() {
    let (image, _) = build("plain");
    let line = "cat /etc/latin1; printf 'no end'; yes 0123456789abcde | head -c 1048576 >&2; exit 1";
    let events = Events::default();
    let spec = commands(vec![shell("writes", "echo not shown"), shell("fails", line)]);
    let verdict = engine("shown").await.test(&image, &spec, LONG, &events).await.unwrap();
    docker(&["rm", "-v", &verdict.kept.unwrap()]);
    let shown = events.show();
    let lines: Vec<&str> = shown.lines().collect();
    assert_eq!(
        lines[..4],
        [
            "passed Command Test: writes",
            "Stdout| caf\u{fffd} ol\u{fffd}",
            "Stdout| no end",
            "Stderr| [786432 bytes before this are not shown]"
        ]
    );
    assert!(lines[4..16388].iter().all(|line| *line == "Stderr| 0123456789abcde"));
    assert_eq!(lines[16388..], ["failed Command Test: fails: exit code 1, not 0", "kept windlass-failed-plain-fails"]);
}

#[tokio::test]
async fn an_image_becomes_healthy_or_is_said_not_to() {
    for (stage, expected) in [
        (
            "healthy",
            expect![[r#"
            passed Healthcheck
        "#]],
        ),
        (
            "slow",
            expect![[r#"
            passed Healthcheck
        "#]],
        ),
        (
            "unhealthy",
            expect![[r#"
                Stdout| starting
                failed Healthcheck: it took longer than 2s to become healthy: its last check exited with 1: not yet
                kept windlass-failed-unhealthy-Healthcheck
            "#]],
        ),
        (
            "crashing",
            expect![[r#"
            Stdout| starting
            Stderr| no database
            failed Healthcheck: it exited with 7 before it was healthy
            kept windlass-failed-crashing-Healthcheck
        "#]],
        ),
        (
            "unchecked",
            expect![[r#"
            failed Healthcheck: the image has no HEALTHCHECK
        "#]],
        ),
        (
            "plain",
            expect![[r#"
            failed Healthcheck: the image has no HEALTHCHECK
        "#]],
        ),
    ] {
        let run = format!("health-{stage}");
        let within = if stage == "unhealthy" { 2 } else { 60 };
        let verdict = check(&run, &build(stage).0, &healthy_within(within), LONG, expected).await;
        let kept = verdict.kept.iter().map(|kept| format!("{kept} exited")).collect::<Vec<_>>();
        assert_eq!(left_of(&run), kept, "only a kept one is left, and runs no longer");
        verdict.kept.iter().for_each(|kept| drop(docker(&["rm", "-v", kept])));
    }
}
