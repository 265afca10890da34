//! The same verdicts, name by name, as the real container-structure-test gives.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use expect_test::{Expect, expect};
use windlass::config::structure;
use windlass::diag::SourceText;
use windlass::engine::embedded::images::{Chosen, load_oci};
use windlass::engine::{BuiltImage, Engine};
use windlass::event::NoSink;
use windlass::model::{Pattern, Platform, TestSpec};

use super::{LONG, build, check, docker, engine, testdata};
use crate::conformance::Embedded;
use crate::parts;

fn parse(path: &Path) -> TestSpec {
    let source = SourceText::new(path.to_str().unwrap(), fs::read_to_string(path).unwrap());
    structure::parse(&source).unwrap_or_else(|diagnostics| panic!("{diagnostics}"))
}

/// A verdict by name: `ok` or `FAIL`, and the name.
fn verdict_line(name: &str, passed: bool) -> String {
    format!("{} {name}", if passed { "ok" } else { "FAIL" })
}

/// What our runner says of a file.
async fn ours(image: &BuiltImage, file: &Path) -> Vec<String> {
    let engine = engine(&format!("verdicts-{}", file.file_stem().unwrap().display())).await;
    let verdict = engine.test(image, &parse(file), LONG, &NoSink).await.unwrap();
    if let Some(kept) = &verdict.kept {
        docker(&["rm", "-fv", kept]);
    }
    verdict.results.iter().map(|(name, failure)| verdict_line(name, failure.is_none())).collect()
}

/// What the engine says of a file that needs no daemon, of the same image.
async fn embedded(name: &str, file: &Path) -> Vec<String> {
    let folder = tempfile::tempdir().unwrap();
    let at = |name: &str| folder.path().join(name).to_str().unwrap().to_owned();
    docker(&["save", "--output", &at("image.tar"), name]);
    let (from, to) = (format!("docker-archive:{}", at("image.tar")), format!("oci:{}", at("layout")));
    let copied = Command::new("skopeo").args(["--insecure-policy", "copy", "--quiet", &from, &to]).status().unwrap();
    assert!(copied.success());
    let Embedded { engine, .. } = &Embedded::new();
    let platform = Platform::linux_amd64();
    let image = load_oci(engine.store(), Path::new(&at("layout")), Chosen::Only, &platform).unwrap();
    let image = BuiltImage { image: "image".parse().unwrap(), id: image.id };
    let verdict = engine.test(&image, &parse(file), LONG, &NoSink).await.unwrap();
    engine.clean_up().await.unwrap();
    verdict.results.iter().map(|(name, failure)| verdict_line(name, failure.is_none())).collect()
}

/// What the real tool says of files, in its own words: one result a test.
fn theirs(image: &str, files: &[&Path]) -> Vec<serde_json::Value> {
    let mut tool = Command::new(parts::tool("container-structure-test"));
    tool.args(["test", "--output", "json", "--image", image]).env("DOCKER_HOST", parts::docker_host());
    for file in files {
        tool.arg("--config").arg(file);
    }
    let output = tool.output().unwrap();
    let result: serde_json::Value = serde_json::from_slice(&output.stdout)
        .unwrap_or_else(|e| panic!("{e}: {}", String::from_utf8_lossy(&output.stderr)));
    result["Results"].as_array().unwrap().clone()
}

fn their_verdicts(results: &[serde_json::Value]) -> Vec<String> {
    results.iter().map(|r| verdict_line(r["Name"].as_str().unwrap(), r["Pass"].as_bool().unwrap())).collect()
}

/// Runs a file through both, and compares what they say of each test.
async fn same_verdicts(file: &str, expected: Expect) {
    let (image, name) = build("plain");
    let file = testdata("verdicts").join(file);
    let ours = ours(&image, &file).await.join("\n");
    expected.assert_eq(&ours);
    assert_eq!(embedded(&name, &file).await.join("\n"), ours, "{}", file.display());
    assert_eq!(ours, their_verdicts(&theirs(&name, &[&file])).join("\n"), "{}", file.display());
}

#[tokio::test]
async fn verdicts_of_commands_are_those_of_the_real_tool() {
    same_verdicts(
        "commands.yaml",
        expect![[r#"
            ok Command Test: exit code 0 is expected where none is given
            FAIL Command Test: exit code 1 is not 0
            ok Command Test: an exit code is expected
            FAIL Command Test: another exit code
            FAIL Command Test: exit code 0 is not 3
            ok Command Test: a high exit code
            ok Command Test: stdout and stderr are apart
            FAIL Command Test: expected output is missing
            FAIL Command Test: excluded output is there
            FAIL Command Test: expected error is missing
            FAIL Command Test: excluded error is there
            FAIL Command Test: several things at once
            FAIL Command Test: no such command
            FAIL Command Test: no such command and its exit code
            FAIL Command Test: a command that is a folder
            FAIL Command Test: a command that is not executable
            ok Command Test: arguments have no shell
            ok Command Test: numbers and booleans are arguments as they are written
            ok Command Test: the entrypoint is not used
            ok Command Test: neither is the cmd
            ok Command Test: the user is the image's
            ok Command Test: the workdir is the image's
            ok Command Test: the environment is the image's
            ok Command Test: variables of the image stand for their values
            ok Command Test: even where a shell would have read them
            ok Command Test: a command is named by a variable
            ok Command Test: setup changes what the command meets
            FAIL Command Test: each test begins with the image
            ok Command Test: a setup's exit code does not count
            ok Command Test: teardown changes no verdict
            ok Command Test: variables of its own are in the environment
            ok Command Test: what is not UTF-8 is a character each
            ok Command Test: empty output"#]],
    )
    .await;
}

#[tokio::test]
async fn verdicts_of_files_are_those_of_the_real_tool() {
    same_verdicts(
        "files.yaml",
        expect![[r#"
            ok File Content Test: content is there
            FAIL File Content Test: content is missing
            FAIL File Content Test: content may not be there
            ok File Content Test: nothing is asked of the content
            ok File Content Test: an empty file
            ok File Content Test: a file that is not UTF-8
            FAIL File Content Test: no such file
            FAIL File Content Test: no such file with nothing to be found
            FAIL File Content Test: a folder
            FAIL File Content Test: a pipe
            FAIL File Content Test: below a file
            ok File Content Test: through an absolute link
            ok File Content Test: through a linked folder
            FAIL File Content Test: through a dangling link
            ok File Content Test: a second name of a file
            ok File Content Test: a file that nobody may read
            FAIL File Content Test: a path with variables is taken as it is
            ok File Existence Test: a file exists
            ok File Existence Test: a file exists as it should
            FAIL File Existence Test: a file exists and should not
            FAIL File Existence Test: a file does not exist
            ok File Existence Test: a file does not exist as it should
            ok File Existence Test: the root exists
            ok File Existence Test: a folder exists
            ok File Existence Test: a folder exists with a slash behind
            ok File Existence Test: a link exists
            ok File Existence Test: a dangling link exists
            ok File Existence Test: below a file nothing exists
            FAIL File Existence Test: below a file nothing exists and should
            ok File Existence Test: a path without a slash before it
            ok File Existence Test: a path with dots
            ok File Existence Test: mode of a file
            FAIL File Existence Test: another mode
            ok File Existence Test: mode of a folder
            ok File Existence Test: mode of a sticky folder
            FAIL File Existence Test: mode of a sticky folder as ls writes it
            ok File Existence Test: mode with setuid and setgid
            ok File Existence Test: mode of a folder with setgid
            ok File Existence Test: mode of a link
            ok File Existence Test: mode of what nobody may
            ok File Existence Test: mode of what may not exist
            ok File Existence Test: owner and group
            FAIL File Existence Test: another owner
            FAIL File Existence Test: another group
            ok File Existence Test: root's
            FAIL File Existence Test: not root's
            ok File Existence Test: any owner
            ok File Existence Test: group of a folder
            ok File Existence Test: executable by its owner
            ok File Existence Test: executable by its group
            ok File Existence Test: executable by others
            ok File Existence Test: executable by any
            FAIL File Existence Test: not executable by its owner
            ok File Existence Test: executable by its group alone
            FAIL File Existence Test: not executable by others
            ok File Existence Test: executable by others alone
            FAIL File Existence Test: not executable by any
            ok License Test
            FAIL License Test
            FAIL License Test
            ok License Test"#]],
    )
    .await;
}

#[tokio::test]
async fn verdicts_of_everything_else_are_those_of_the_real_tool() {
    same_verdicts(
        "environment.yaml",
        expect![[r#"
            ok Command Test: they are in the environment
            ok Command Test: they stand for their values
            ok Command Test: a test's own come over them
            ok Command Test: setup has them too
            ok File Existence Test: they stand for their values in paths
            FAIL File Existence Test: and in paths that may not be"#]],
    )
    .await;
    same_verdicts("metadata-right.yaml", expect!["ok Metadata Test"]).await;
    same_verdicts(
        "options.yaml",
        expect![[r#"
            ok Command Test: the user is another
            ok Command Test: setup has the user too
            FAIL Command Test: it does not have all rights"#]],
    )
    .await;
    same_verdicts(
        "all.json",
        expect![[r#"
            ok Command Test: a command
            FAIL Command Test: another
            ok File Content Test: content
            ok File Existence Test: existence
            ok Metadata Test"#]],
    )
    .await;
}

/// Whether it can be had depends on where the engine runs: it is asked for, and then both say the same.
#[tokio::test]
async fn all_rights_are_asked_for() {
    let (image, name) = build("plain");
    let file = testdata("verdicts/privileged.yaml");
    let verdict = engine("privileged").await.test(&image, &parse(&file), LONG, &NoSink).await.unwrap();
    let passed = their_verdicts(&theirs(&name, &[&file])) == ["ok Command Test: it has all rights"];
    assert_eq!(verdict.passed(), passed);
    if let Some(kept) = &verdict.kept {
        assert_eq!(docker(&["inspect", "-f", "{{.HostConfig.Privileged}}", kept]), "true");
        docker(&["rm", "-fv", kept]);
    }
}

#[tokio::test]
async fn each_key_of_a_metadata_test_can_fail() {
    let (image, name) = build("plain");
    let folder = tempfile::tempdir().unwrap();
    let files: Vec<PathBuf> = [
        "envVars: [{key: FOO, value: ba}]",
        "envVars: [{key: NOTHING, value: ''}]",
        "envVars: [{key: FOO, value: '^a', isRegex: true}]",
        "unboundEnvVars: [{key: NOTHING}, {key: EMPTY}]",
        "labels: [{key: spaced, value: a}]",
        "labels: [{key: nothing, value: ''}]",
        "labels: [{key: spaced, value: '^b', isRegex: true}]",
        "entrypoint: [/bin/echo]",
        "entrypoint: []",
        "cmd: [a, b, c]",
        "cmd: [b c, a]",
        "exposedPorts: ['80']",
        "unexposedPorts: ['53']",
        "volumes: [/data/]",
        "unmountedVolumes: [/data]",
        "workdir: /work/",
        "user: '1000'",
        "{user: root, workdir: /, cmd: []}",
    ]
    .iter()
    .enumerate()
    .map(|(i, test)| {
        let file = folder.path().join(format!("{i}.yaml"));
        fs::write(&file, format!("schemaVersion: 2.0.0\nmetadataTest:\n  {test}\n")).unwrap();
        file
    })
    .collect();
    let mut spec = TestSpec::default();
    files.iter().for_each(|file| spec.append(parse(file)));
    let verdict = check(
        "metadata",
        &image,
        &spec,
        LONG,
        expect![[r#"
        failed Metadata Test: variable `FOO` is `bar`, not `ba`
        failed Metadata Test: variable `NOTHING` is not set
        failed Metadata Test: variable `FOO` is `bar`, which `^a` does not match
        failed Metadata Test: variable `EMPTY` is set, and may not be
        failed Metadata Test: label `spaced` is `a b`, not `a`
        failed Metadata Test: label `nothing` is not set
        failed Metadata Test: label `spaced` is `a b`, which `^b` does not match
        failed Metadata Test: entrypoint is ["/bin/echo", "entrypoint"], not ["/bin/echo"]
        failed Metadata Test: entrypoint is ["/bin/echo", "entrypoint"], not []
        failed Metadata Test: cmd is ["a", "b c"], not ["a", "b", "c"]
        failed Metadata Test: cmd is ["a", "b c"], not ["b c", "a"]
        failed Metadata Test: port 80 is not exposed
        failed Metadata Test: port 53 is exposed, and may not be
        failed Metadata Test: `/data/` is no volume
        failed Metadata Test: `/data` is a volume, and may not be
        failed Metadata Test: workdir is `/work`, not `/work/`
        failed Metadata Test: user is `1000:1000`, not `1000`
        failed Metadata Test: cmd is ["a", "b c"], not []; workdir is `/work`, not `/`; user is `1000:1000`, not `root`
    "#]],
    )
    .await;
    assert_eq!(verdict.kept, None, "there is no container to keep");
    let files: Vec<&Path> = files.iter().map(PathBuf::as_path).collect();
    assert_eq!(their_verdicts(&theirs(&name, &files)), vec!["FAIL Metadata Test"; files.len()]);
}

/// Where our verdict is another than the tool's:
///
/// - its Docker driver doesn't expand a test's own variables, though its README says so, nor put them into the
///   command, and drops them where there are `containerRunOptions`;
/// - it takes an empty variable for a mistake, and then leaves `Command Test:` away;
/// - it leaves that away where setup can't be run, too;
/// - it follows a relative link from `/`, not from where the link is;
/// - it takes pipes and devices for missing;
/// - its ports have no protocol, so that `8080/tcp` never matches;
/// - it reads a terminal's output as if it were two streams, and sends capabilities under a name that engines
///   have forgotten.
#[tokio::test]
async fn where_verdicts_differ_it_is_meant() {
    let (image, name) = build("devices");
    for (file, expected) in [
        (
            "differs.yaml",
            expect![[r#"
        ok Command Test: a variable of a test refers to the image's (theirs: FAIL Command Test: a variable of a test refers to the image's)
        ok Command Test: a variable of a test stands for its value in the command (theirs: FAIL Command Test: a variable of a test stands for its value in the command)
        ok Command Test: a variable may be empty (theirs: FAIL a variable may be empty)
        FAIL Command Test: a setup that can't be run (theirs: FAIL a setup that can't be run)
        ok File Content Test: through a relative link (theirs: FAIL File Content Test: through a relative link)
        ok File Existence Test: a pipe exists (theirs: FAIL File Existence Test: a pipe exists)
        ok File Existence Test: a device exists (theirs: FAIL File Existence Test: a device exists)
        ok Metadata Test (theirs: FAIL Metadata Test)
    "#]],
        ),
        (
            "differs-options.yaml",
            expect![[r#"
        ok Command Test: a terminal makes one stream of both (theirs: FAIL Command Test: a terminal makes one stream of both)
        ok Command Test: variables of a test are set beside options (theirs: FAIL Command Test: variables of a test are set beside options)
        ok Command Test: it has the capability (theirs: FAIL Command Test: it has the capability)
    "#]],
        ),
    ] {
        let file = testdata(file);
        let ours = ours(&image, &file).await;
        // It has no terminal to give.
        let without: Vec<String> = embedded(&name, &file).await;
        let differ: Vec<_> = without.iter().zip(&ours).filter(|(one, other)| one != other).collect();
        assert!(differ.iter().all(|(_, ours)| ours.contains("a terminal")), "{differ:?}");
        assert_eq!(without.len(), ours.len());
        let theirs = their_verdicts(&theirs(&name, &[&file]));
        assert_eq!(ours.len(), theirs.len());
        let both = ours.iter().zip(&theirs).filter(|(ours, theirs)| ours != theirs);
        expected.assert_eq(&both.map(|(ours, theirs)| format!("{ours} (theirs: {theirs})\n")).collect::<String>());
    }
}

/// Patterns of every kind, some of them none.
const PATTERNS: &[&str] = &[
    r#"{"status":"ok""#,
    r#"^\{"status":"ok","n":\[1,2\]}$"#,
    r#"(?m)^{"status":"ok","n":\[1,2]}$"#,
    "hello",
    "^hello",
    "(?m)^hello world$",
    "hello$",
    "end$",
    r"end\z",
    r"\A{",
    "HELLO",
    "(?i)HELLO",
    "(?i)STRASSE",
    "(?i)straße",
    "äö",
    "(?i)äö",
    "hel+o",
    "hel{2}o",
    "hel{3}o",
    "hel{2,}o",
    "hel{1,2}o",
    "hel{,2}o",
    "hel{02}o",
    "a{2}",
    r"a\{2}",
    "a{2",
    "a{1001}",
    "a{2,1}",
    "a**",
    "a+*",
    "a*?",
    "a*??",
    "(a*)*",
    "*",
    "a|*",
    "|*",
    "(*)",
    "^*",
    "$*",
    "()",
    "(",
    ")",
    "[",
    "[]",
    "[]a]",
    "[^]a]",
    "[[x]",
    r"[\[x]]",
    "a[&&]+b",
    "a[&&b]{3}",
    "[--a]x",
    "[a-]",
    "[a-c-e]",
    "[z-a]",
    r"[\d-z]",
    r"\d{4}",
    r"digits \d+ \d",
    r"digits \d+ \D{3}$",
    r"digits \d+ \D{3}\n",
    r"Stra\We",
    r"Stra\we",
    r"\s\s\S",
    r"é\s",
    r"\bÄ",
    r"\BÄ",
    "[[:alpha:]]+ world",
    "[[:^alpha:]]",
    "[[:nope:]]",
    "[[:word:]-]+",
    "[:alpha:]",
    r"\pL\p{Nd}",
    r"\p{Greek}",
    r"\p{Latin}ße",
    r"\p{^Latin}ße",
    r"\PLalt",
    r"\p{Nope}",
    r"\Q[x] ^$\E",
    r"\Qa&&b\E \[",
    r"\Q[x]",
    r"\\back/",
    r"\\back\/slash",
    r"\x41",
    r"\x{c4}Ö",
    r"\xc4",
    r"\x{110000}",
    r"\150ello",
    r"\0",
    r"\1",
    r"(l)\1",
    r"\u0041",
    r"\h",
    r"\Z",
    r"\_",
    "(?P<name>hello)",
    "(?P<1>hello)",
    "(?<n>hello)(?=x)",
];

#[tokio::test]
async fn patterns_mean_what_they_mean_to_the_real_tool() {
    let (_, name) = build("plain");
    let text = fs::read_to_string(testdata("image/text")).unwrap();
    let ours: Vec<&str> =
        PATTERNS.iter().copied().filter(|p| !Pattern::new(p).is_ok_and(|pattern| pattern.is_match(&text))).collect();

    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("patterns.json");
    let tests = serde_json::json!({
        "schemaVersion": "2.0.0",
        "fileContentTests": [{ "name": "patterns", "path": "/etc/text", "expectedContents": PATTERNS }],
    });
    fs::write(&file, tests.to_string()).unwrap();
    let result = theirs(&name, &[&file]).remove(0);
    let errors = result["Errors"].as_array().unwrap().iter().map(|error| error.as_str().unwrap());
    let theirs: Vec<&str> =
        errors.map(|e| e.split_once('\'').unwrap().1.split_once("' not found in").unwrap().0).collect();
    assert_eq!(ours, theirs);
}
