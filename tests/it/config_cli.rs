//! `windlass config` and `windlass schema` as they are called: standard output, standard error, exit code.

use std::fs;
use std::os::unix::fs::symlink;

use assert_cmd::Command;
use expect_test::{Expect, expect};

/// A folder `My Shop` with a file in it, and `windlass` started there.
fn windlass(file: &str, text: &str) -> (tempfile::TempDir, Command) {
    let parent = tempfile::tempdir().unwrap();
    let folder = parent.path().join("My Shop");
    fs::create_dir(&folder).unwrap();
    if !file.is_empty() {
        fs::write(folder.join(file), text).unwrap();
    }
    let mut command = Command::cargo_bin("windlass").unwrap();
    command.current_dir(folder).env_clear();
    (parent, command)
}

/// What it answers, what it tells and how it ends, one below the other.
fn check(command: &mut Command, expected: &Expect) {
    let output = command.output().unwrap();
    let text = |bytes: &[u8]| String::from_utf8(bytes.to_vec()).unwrap();
    let (stdout, stderr) = (text(&output.stdout), text(&output.stderr));
    let folder = command.get_current_dir().unwrap().canonicalize().unwrap();
    let stderr = stderr.replace(folder.to_str().unwrap(), "/folder");
    expected.assert_eq(&format!("{stdout}--\n{stderr}-- exit {}\n", output.status.code().unwrap()));
}

#[test]
fn what_holds_is_printed() {
    let text = "version: 1\nimages: { api: { context: ., secrets: [{ id: npm, env: NPM_TOKEN }] } }\n";
    let (_folder, mut command) = windlass("windlass.yaml", text);
    check(
        command.arg("config").env("NPM_TOKEN", "hunter2"),
        &expect![[r#"
            version: 1
            project: my-shop
            tags:
              testing: testing
              latest: latest
              previous: previous
            defaults:
              platforms: [linux/amd64]
              timeout: 30m
              retries: 0
            images:
              api:
                context: "."
                secrets:
                  - id: npm
                    env: NPM_TOKEN
                platforms: [linux/amd64]
                timeout: 30m
                retries: 0
                tags:
                  testing: testing
                  latest: latest
                  previous: previous
            --
            -- exit 0
        "#]],
    );
    let (_folder, mut command) = windlass("", "");
    check(
        command.args(["config", "--format", "json"]),
        &expect![[r#"
            {
              "version": 1,
              "project": "my-shop",
              "tags": {
                "testing": "testing",
                "latest": "latest",
                "previous": "previous"
              },
              "defaults": {
                "platforms": [
                  "linux/amd64"
                ],
                "timeout": "30m",
                "retries": 0
              }
            }
            --
            -- exit 0
        "#]],
    );
}

#[test]
fn another_file_is_read_when_asked_for() {
    let (_folder, mut command) = windlass("other.yaml", "version: 1\nprojekt: x\n");
    check(
        command.args(["config", "--file", "other.yaml"]),
        &expect![[r#"
        --
        error: unknown key `projekt` of the file
         --> other.yaml:2:1
          |
        2 | projekt: x
          | ^^^^^^^
          |
          = hint: did you mean `project`?
        -- exit 2
    "#]],
    );
    let (_folder, mut command) = windlass("other.yaml", "");
    check(
        command.args(["config", "--file", "missing.yaml"]),
        &expect![[r#"
        --
        error: the configuration file `/folder/missing.yaml` is not there
        -- exit 2
    "#]],
    );
}

#[test]
fn what_is_wrong_is_told_and_ends_with_2() {
    let text = "version: 1\nimages:\n  api: { contxt: ., timeout: 5 }\n";
    let (_folder, mut command) = windlass("windlass.yaml", text);
    check(
        command.arg("config"),
        &expect![[r#"
        --
        error: unknown key `contxt` of image `api`
         --> windlass.yaml:3:10
          |
        3 |   api: { contxt: ., timeout: 5 }
          |          ^^^^^^
          |
          = hint: did you mean `context`?

        error: `5` is no duration: it has no unit: write seconds as in `30s`
         --> windlass.yaml:3:30
          |
        3 |   api: { contxt: ., timeout: 5 }
          |                              ^
        -- exit 2
    "#]],
    );
    let (_folder, mut command) = windlass("windlass.yaml", text);
    check(
        command.arg("config").env("GITHUB_ACTIONS", "true"),
        &expect![[r#"
        --
        error: unknown key `contxt` of image `api`
         --> windlass.yaml:3:10
          |
        3 |   api: { contxt: ., timeout: 5 }
          |          ^^^^^^
          |
          = hint: did you mean `context`?

        error: `5` is no duration: it has no unit: write seconds as in `30s`
         --> windlass.yaml:3:30
          |
        3 |   api: { contxt: ., timeout: 5 }
          |                              ^
        ::error file=windlass.yaml,line=3,col=10::unknown key `contxt` of image `api`%0Ahint: did you mean `context`?
        ::error file=windlass.yaml,line=3,col=30::`5` is no duration: it has no unit: write seconds as in `30s`
        -- exit 2
    "#]],
    );
    let (_folder, mut command) = windlass("windlass.yaml", &"#".repeat(10_000_000));
    check(
        command.arg("config"),
        &expect![[r#"
        --
        error: the file is 10000000 bytes long, 1048576 at most are read
        --> windlass.yaml:1:1
        -- exit 2
    "#]],
    );
    let (_folder, mut command) = windlass("windlass.yml", "version: 1\n");
    check(
        command.arg("config"),
        &expect![[r#"
        --
        error: `windlass.yml` is not read
         |
         = hint: name it `windlass.yaml`
        -- exit 2
    "#]],
    );
    let (folder, mut command) = windlass("windlass.yaml", "");
    fs::write(folder.path().join("My Shop/windlass.yaml"), b"version: 1 # \xff\n").unwrap();
    check(
        command.arg("config"),
        &expect![[r#"
            --
            error: `windlass.yaml` is no text in UTF-8
             --> windlass.yaml:1:14
              |
            1 | version: 1 # 
              |              ^ what follows is no character
            -- exit 2
        "#]],
    );
    let (folder, mut command) = windlass("", "");
    fs::create_dir(folder.path().join("My Shop/windlass.yaml")).unwrap();
    check(
        command.arg("config"),
        &expect![[r#"
        --
        error: `windlass.yaml` is no regular file
        -- exit 2
    "#]],
    );
    let (folder, mut command) = windlass("", "");
    symlink("nowhere", folder.path().join("My Shop/windlass.yaml")).unwrap();
    check(
        command.arg("config"),
        &expect![[r#"
        --
        error: `windlass.yaml` does not exist
        -- exit 2
    "#]],
    );
}

#[test]
fn schemas_are_printed() {
    let plan = format!("{:#}\n", windlass::ui::plan_json::schema().to_value());
    let stale = format!("{:#}\n", windlass::ui::stale::schema().to_value());
    for (of, schema) in [
        ("config", windlass::config::schema()),
        ("manifest", windlass::manifest::schema()),
        ("plan", plan),
        ("stale", stale),
    ] {
        let (_folder, mut command) = windlass("", "");
        command.args(["schema", of]).assert().success().stdout(schema).stderr("");
    }
}
