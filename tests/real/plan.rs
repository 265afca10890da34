//! `windlass plan` against what a real engine has.

use std::process::Command;

use expect_test::{Expect, expect};

use crate::parts;
use crate::project::Project;

/// What `plan` says of each image and how it ends: `name: verdict, why`, without the hashes.
fn plan(project: &Project, args: &[&str]) -> String {
    let said = project.run(&[&["plan", "--exit-code"], args].concat());
    let rows = said.stdout.lines().skip(1).take_while(|line| !line.is_empty());
    let row = |line: &str| {
        let words: Vec<&str> = line.split_whitespace().collect();
        format!("{} {}: {}\n", words[1], words[2], words[4..].join(" ")).replace(": \n", "\n")
    };
    format!("{}{}exit {}\n", rows.map(row).collect::<String>(), said.stderr, said.code.unwrap())
}

#[expect(clippy::needless_pass_by_value, reason = "expect-test's own shape")]
fn check(project: &Project, args: &[&str], expected: Expect) {
    expected.assert_eq(&plan(project, args).replace(&project.registry(), "REGISTRY"));
}

#[test]
fn a_plan_tells_what_a_build_will_do_and_why() {
    let project = Project::with_base("planbuild");
    let registry = project.registry();
    project.write("api/Dockerfile", &format!("ARG LEVEL=1\nFROM {registry}/base\nARG LEVEL\nCOPY data /data\n"));
    project.write("api/data", "1\n");
    check(
        &project,
        &[],
        expect![[r#"
        base build: never built
        api build: never built
        exit 10
    "#]],
    );
    assert_eq!(project.build(&[]).0, Some(0));
    check(
        &project,
        &[],
        expect![[r#"
        base fresh
        api fresh
        exit 0
    "#]],
    );
    check(
        &project,
        &["--build-arg", "LEVEL=2"],
        expect![[r#"
            base fresh
            api build: the argument LEVEL changed
            exit 10
        "#]],
    );
    project.write("api/data", "2\n");
    check(
        &project,
        &[],
        expect![[r#"
        base fresh
        api build: files changed
        exit 10
    "#]],
    );
    // No instruction reads it.
    project.write("api/data", "1\n").write("base/more", "");
    check(
        &project,
        &["api"],
        expect![[r#"
        base fresh
        api fresh
        exit 0
    "#]],
    );
    project.write("base/busybox", "another");
    check(
        &project,
        &["api"],
        expect![[r#"
        base build: files changed
        api build: base changed
        exit 10
    "#]],
    );
    check(
        &project,
        &["base", "-q"],
        expect![[r#"
        base build: files changed
        exit 10
    "#]],
    );
}

#[test]
fn what_failed_its_tests_is_told_so() {
    let project = Project::with_base("planfailed");
    let config = project.read("windlass.yaml");
    project.write(
        "windlass.yaml",
        &format!("{config}images: {{ base: {{ test: {{ run: [{{ cmd: [\"false\"] }}] }} }} }}\n"),
    );
    assert_eq!(project.build(&[]).0, Some(1));
    check(
        &project,
        &[],
        expect![[r#"
        base build: built, but its tests have not passed
        exit 10
    "#]],
    );
}

#[test]
fn the_json_follows_its_schema() {
    let project = Project::with_base("planjson");
    project.write("schema.json", &project.ok(&["schema", "plan"]));
    project.write("plan.json", &project.ok(&["plan", "--format", "json"]));
    let golden = concat!(env!("CARGO_MANIFEST_DIR"), "/testdata/plan/plan.json");
    for file in [&project.path("plan.json"), std::path::Path::new(golden)] {
        let mut command = Command::new(parts::tool("check-jsonschema"));
        let output = command.arg("--schemafile").arg(project.path("schema.json")).arg(file).output().unwrap();
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stdout));
    }
}

/// What `plan --why` says, the ids of commits and images aside.
fn why(project: &Project, args: &[&str]) -> String {
    let hexes = regex::Regex::new("[0-9a-f]{12,}").unwrap();
    hexes.replace_all(&project.ok(&[&["plan", "-q", "--why"], args].concat()), "HEX").into_owned()
}

#[test]
fn what_changed_since_the_last_build_is_told_as_far_as_it_is_remembered() {
    let project = Project::with_base("whyshop");
    let registry = project.registry();
    let web = |text: &str| project.write("web/Dockerfile", &format!("FROM {registry}/base\nARG LEVEL=1\n{text}\n"));
    web("COPY page /page");
    project.write("web/page", "1").write(".gitignore", "/base/busybox\n");
    let git = |words: &str| {
        let commit = format!("git init -q . && git add . && git -c user.name=t -c user.email=t@example.com {words}");
        assert!(Command::new("sh").args(["-ec", &commit]).current_dir(project.path("")).status().unwrap().success());
    };
    git("commit -qm first");
    expect![[r#"
        `web` was never built, as far as this machine and its registry tell
    "#]]
    .assert_eq(&why(&project, &["web"]));
    project.ok(&["build", "--build-arg", "LEVEL=2"]);
    web("COPY page /page\nRUN true");
    project.write("web/page", "2");
    expect![[r#"
        `web` is not the same as at its last build

        web
          web/Dockerfile:4: + RUN true
          file changed: page
          argument LEVEL: "2" -> "1"
    "#]]
    .assert_eq(&why(&project, &["web"]));
    let same_level = why(&project, &["web", "--build-arg", "LEVEL=2"]);
    expect![[r#"
        `web` is not the same as at its last build

        web
          web/Dockerfile:4: + RUN true
          file changed: page
    "#]]
    .assert_eq(&same_level);
    // Nothing is remembered here, but the image tells its commit.
    std::fs::remove_dir_all(project.state().join("windlass")).unwrap();
    assert_eq!(why(&project, &["web", "--build-arg", "LEVEL=2"]), same_level);
    // Nor is the commit here any more: the label has the hashes.
    std::fs::remove_dir_all(project.path(".git")).unwrap();
    expect![[r#"
        `web` is not the same as at its last build

        web
          the Dockerfile changed
          files changed
          the argument LEVEL changed
    "#]]
    .assert_eq(&why(&project, &["web"]));
    project.remove_images();
}
