//! Files of container-structure-test: what is read from them, and what is said of those that can't be.

use std::fs;
use std::path::Path;

use expect_test::{Expect, expect};
use proptest::prelude::*;
use windlass::config::structure;
use windlass::diag::SourceText;
use windlass::model::TestSpec;

fn testdata() -> std::path::PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("testdata/structure")
}

/// What is said of a text, one a line, each with its hint.
fn refused(text: &str) -> String {
    let Err(diagnostics) = structure::parse(&SourceText::new("t.yaml", text)) else { return "nothing\n".to_owned() };
    let show = |diagnostic: &windlass::diag::Diagnostic| {
        let hint = diagnostic.hint.as_ref().map_or(String::new(), |hint| format!(" ({hint})"));
        format!("{diagnostic}{hint}\n")
    };
    diagnostics.0.iter().map(show).collect()
}

fn check_refused(text: &str, expected: &Expect) {
    expected.assert_eq(&refused(text));
}

#[test]
fn every_key_is_read() {
    let text = r#"
schemaVersion: 2.0.0
globalEnvVars: [{key: A, value: 1.10}, {key: EMPTY}]
commandTests:
  - name: a command
    setup: [[apt-get, update], [touch, 1]]
    teardown: [[rm, x]]
    envVars: [{key: B, value: "$A"}]
    command: echo
    args: [a, 0x10, true]
    expectedOutput: ['^a']
    excludedOutput: ['b']
    expectedError: [c, d]
    excludedError: [e]
    exitCode: 3
fileContentTests: [{name: content, path: /a, expectedContents: [x], excludedContents: [y]}]
fileExistenceTests:
  - {name: all, path: /a, shouldExist: yes, permissions: -rw-r--r--, uid: 1, gid: 2, isExecutableBy: group}
  - {name: none, path: 5, uid: -1, permissions: ""}
metadataTest:
  envVars: [{key: A, value: b}, {key: C, value: '^d', isRegex: true}]
  unboundEnvVars: [{key: E}]
  labels: [{key: l, value: m, isRegex: no}]
  entrypoint: []
  cmd: [a, 1]
  exposedPorts: [80, "53/udp"]
  unexposedPorts: ["81"]
  volumes: [/v]
  unmountedVolumes: [/w]
  workdir: /
  user: 1000
licenseTests: [{debian: false, files: [/l]}]
containerRunOptions: {user: root, privileged: true, allocateTty: true, capabilities: [NET_ADMIN], envVars: []}
"#;
    let spec = structure::parse(&SourceText::new("t.yaml", text)).unwrap();
    expect![[r#"
        TestSpec {
            commands: [
                CommandTest {
                    name: "a command",
                    setup: [
                        [
                            "apt-get",
                            "update",
                        ],
                        [
                            "touch",
                            "1",
                        ],
                    ],
                    command: [
                        "echo",
                        "a",
                        "0x10",
                        "true",
                    ],
                    expand: true,
                    global_env: {
                        "A": "1.10",
                        "EMPTY": "",
                    },
                    env: {
                        "B": "$A",
                    },
                    options: ContainerOptions {
                        user: Some(
                            "root",
                        ),
                        privileged: true,
                        tty: true,
                        capabilities: [
                            "NET_ADMIN",
                        ],
                    },
                    exit_code: 3,
                    stdout: StreamMatch {
                        expected: [
                            "^a",
                        ],
                        excluded: [
                            "b",
                        ],
                    },
                    stderr: StreamMatch {
                        expected: [
                            "c",
                            "d",
                        ],
                        excluded: [
                            "e",
                        ],
                    },
                    timeout: None,
                },
            ],
            file_content: [
                FileContentTest {
                    name: "content",
                    path: "/a",
                    content: StreamMatch {
                        expected: [
                            "x",
                        ],
                        excluded: [
                            "y",
                        ],
                    },
                },
            ],
            file_existence: [
                FileExistenceTest {
                    name: "all",
                    path: "/a",
                    global_env: {
                        "A": "1.10",
                        "EMPTY": "",
                    },
                    should_exist: true,
                    permissions: Some(
                        "-rw-r--r--",
                    ),
                    uid: Some(
                        1,
                    ),
                    gid: Some(
                        2,
                    ),
                    executable_by: Some(
                        Group,
                    ),
                },
                FileExistenceTest {
                    name: "none",
                    path: "5",
                    global_env: {
                        "A": "1.10",
                        "EMPTY": "",
                    },
                    should_exist: true,
                    permissions: None,
                    uid: None,
                    gid: None,
                    executable_by: None,
                },
            ],
            licenses: [
                LicenseTest {
                    files: [
                        "/l",
                    ],
                },
            ],
            metadata: [
                MetadataTest {
                    env: [
                        (
                            "A",
                            Exactly(
                                "b",
                            ),
                        ),
                        (
                            "C",
                            Pattern(
                                "^d",
                            ),
                        ),
                    ],
                    unbound_env: [
                        "E",
                    ],
                    labels: [
                        (
                            "l",
                            Exactly(
                                "m",
                            ),
                        ),
                    ],
                    entrypoint: Some(
                        [],
                    ),
                    cmd: Some(
                        [
                            "a",
                            "1",
                        ],
                    ),
                    exposed_ports: [
                        "80",
                        "53/udp",
                    ],
                    unexposed_ports: [
                        "81",
                    ],
                    volumes: [
                        "/v",
                    ],
                    unmounted_volumes: [
                        "/w",
                    ],
                    workdir: Some(
                        "/",
                    ),
                    user: Some(
                        "1000",
                    ),
                },
            ],
            healthy_within: None,
        }
    "#]]
    .assert_eq(&format!("{spec:#?}\n"));
}

#[test]
fn files_that_the_real_tool_runs_are_read() {
    let mut n_files = 0;
    for folder in ["", "verdicts"] {
        for entry in fs::read_dir(testdata().join(folder)).unwrap().map(|entry| entry.unwrap().path()) {
            if entry.is_file() {
                let source = SourceText::new(entry.to_str().unwrap(), fs::read_to_string(&entry).unwrap());
                let spec = structure::parse(&source).unwrap_or_else(|diagnostics| panic!("{diagnostics}"));
                assert_ne!(spec, TestSpec::default());
                n_files += 1;
            }
        }
    }
    assert_eq!(n_files, 9);
}

#[test]
fn the_file_itself_must_be_one() {
    check_refused(
        "",
        &expect![[r#"
        t.yaml:1:1: error: a container-structure-test file has no `schemaVersion`
        t.yaml:1:1: error: the file has no test
    "#]],
    );
    check_refused(
        "{schemaVersion: 2.0.0}",
        &expect![[r#"
        t.yaml:1:1: error: the file has no test
    "#]],
    );
    check_refused(
        "{schemaVersion: 2.0.0, commandTests: [], metadataTest: {}, fileContentTests:}",
        &expect![[r#"
        t.yaml:1:1: error: the file has no test
    "#]],
    );
    check_refused(
        "{schemaVersion: 1.0.0, metadataTest: {user: a}}",
        &expect![[r#"
        t.yaml:1:17: error: schema `1.0.0` is not known: `2.0.0` is
    "#]],
    );
    check_refused(
        "{metadataTest: {user: a}}",
        &expect![[r#"
        t.yaml:1:1: error: a container-structure-test file has no `schemaVersion`
    "#]],
    );
    check_refused(
        "[1]",
        &expect![[r#"
        t.yaml:1:1: error: expected a map with the keys of a container-structure-test file, found a list
    "#]],
    );
    check_refused(
        "a: [",
        &expect![[r#"
        t.yaml:1:4: error: this is not YAML: `[` is never closed
    "#]],
    );
    check_refused(
        "schemaVersion: 2.0.0\ncommandTest: []\nmetadata: {}\n",
        &expect![[r#"
            t.yaml:2:1: error: unknown key `commandTest` of a container-structure-test file (did you mean `commandTests`?)
            t.yaml:3:1: error: unknown key `metadata` of a container-structure-test file (did you mean `metadataTest`?)
        "#]],
    );
}

#[test]
fn what_is_wrong_with_tests_is_all_said() {
    check_refused(
        r#"
schemaVersion: 2.0.0
commandTests:
  - nam: misspelt
    command: a
  - name: ""
    command:
    args: a b
    exitCode: -1
  - name: patterns
    command: a
    expectedOutput: ['(', 'ok', '(?=x)']
    excludedError: a
    setup: [a, [], [{}]]
    envVars: [{key: A, value: 1}, {key: A, value: 2}, {value: 3}, {key: "B=C", value: [1]}]
fileContentTests: [{name: a}, {path: /a, expectedContent: [a]}]
fileExistenceTests:
  - {name: a, path: /a, shouldExist: maybe, uid: root, gid: -2, isExecutableBy: me}
  - {name: a, path: /a, shouldExist: "yes", uid: "0"}
metadataTest:
  envVars: [{key: A, value: "(", isRegex: true}, {name: A}]
  unboundEnvVars: [A]
  exposedPorts: [http, 65536, 80/x, 8000-8010]
  cmd: a b
  user: [a]
  env: {}
licenseTests: [{debian: true}]
containerRunOptions: {user: a, envFile: x, envVars: [A], bindMounts: ["/a:/b"], priviliged: true}
"#,
        &expect![[r#"
            t.yaml:4:5: error: unknown key `nam` of a command test (did you mean `name`?)
            t.yaml:4:5: error: a command test has no `name`
            t.yaml:6:11: error: `name` is empty
            t.yaml:7:12: error: expected a text, found nothing
            t.yaml:8:11: error: expected a list of texts, found the text `a b` (write `[…]` around it, or `- ` before it on a line of its own)
            t.yaml:9:15: error: expected a whole number from 0 to 255, found the number `-1`
            t.yaml:12:22: error: `(` is no regular expression: unclosed group
            t.yaml:12:33: error: `(?=x)` is no regular expression: `(?` is followed by none of `i`, `m`, `s`, `U`, `:` and `P<name>`
            t.yaml:13:20: error: expected a list of excludedError, found the text `a` (write `[…]` around it, or `- ` before it on a line of its own)
            t.yaml:14:13: error: expected a list of texts, found the text `a` (write `[…]` around it, or `- ` before it on a line of its own)
            t.yaml:14:16: error: a command of `setup` has no word
            t.yaml:14:21: error: expected a text, found a map
            t.yaml:15:41: error: the variable `A` is given twice
            t.yaml:15:55: error: a variable has no `key`
            t.yaml:15:87: error: expected a text, found a list
            t.yaml:16:20: error: a file content test has no `path`
            t.yaml:16:31: error: a file content test has no `name`
            t.yaml:16:42: error: unknown key `expectedContent` of a file content test (did you mean `expectedContents`?)
            t.yaml:18:38: error: expected `true` or `false`, found the text `maybe`
            t.yaml:18:50: error: expected a whole number from -1 to 4294967295, found the text `root`
            t.yaml:18:61: error: expected a whole number from -1 to 4294967295, found the number `-2`
            t.yaml:18:81: error: expected `owner`, `group`, `other` or `any`, found the text `me`
            t.yaml:19:38: error: expected `true` or `false`, found the text `yes` (write `true` without quotes)
            t.yaml:19:50: error: expected a whole number from -1 to 4294967295, found the text `0` (write it without quotes)
            t.yaml:21:29: error: `(` is no regular expression: unclosed group
            t.yaml:21:50: error: a variable has no `key`
            t.yaml:21:51: error: unknown key `name` of a variable (its keys are `key`, `value`, `isRegex`)
            t.yaml:22:20: error: expected a map with the keys of a variable that is not set, found the text `A`
            t.yaml:23:18: error: expected a port such as `8080` or `53/udp`, found the text `http`
            t.yaml:23:24: error: expected a port such as `8080` or `53/udp`, found the number `65536`
            t.yaml:23:31: error: expected a port such as `8080` or `53/udp`, found the text `80/x`
            t.yaml:23:37: error: expected a port such as `8080` or `53/udp`, found the text `8000-8010`
            t.yaml:24:8: error: expected a list of texts, found the text `a b` (write `[…]` around it, or `- ` before it on a line of its own)
            t.yaml:25:9: error: expected a text, found a list
            t.yaml:26:3: error: unknown key `env` of a metadata test (its keys are `envVars`, `unboundEnvVars`, `labels`, `entrypoint`, `cmd`, `exposedPorts`, `unexposedPorts`, `volumes`, `unmountedVolumes`, `workdir`, `user`)
            t.yaml:27:25: error: the packages of Debian are not searched for licenses (write `debian: false`, and list the files to search under `files`)
            t.yaml:28:32: error: `envFile` would make the verdict depend on the host (write the variables with their values under `globalEnvVars`)
            t.yaml:28:44: error: `envVars` would make the verdict depend on the host (write the variables with their values under `globalEnvVars`)
            t.yaml:28:58: error: `bindMounts` would make the verdict depend on the host (let the image, or a stage of it that is for tests, hold what they need)
            t.yaml:28:81: error: unknown key `priviliged` of container run options (did you mean `privileged`?)
        "#]],
    );
}

proptest! {
    #[test]
    fn no_text_makes_it_panic(text in "[a-z{}\\[\\],:\"' \n-]{0,80}") {
        refused(&text);
        refused(&format!("schemaVersion: 2.0.0\ncommandTests:\n- {text}"));
        refused(&format!("schemaVersion: 2.0.0\nmetadataTest:\n  {text}"));
    }
}
