//! Files that can't be read, or are many, through the program itself.

use std::fs;
use std::os::unix::fs::{PermissionsExt as _, symlink};
use std::path::Path;
use std::process::Command;

use expect_test::expect;

use crate::bad_input::write;

const PROGRAM: &str = env!("CARGO_BIN_EXE_windlass");

/// Runs `windlass plan` where no engine answers, by way of another program if one is named: its exit code, and what it
/// says.
fn plan(through: &[&str], root: &Path, args: &[&str]) -> String {
    let command = [through, &[PROGRAM, "plan", "--quiet", "--offline"], args].concat();
    let (program, args) = command.split_first().unwrap();
    let mut command = Command::new(program);
    command.current_dir(root).env_clear().env("PATH", "/usr/local/bin:/usr/bin:/bin");
    let output = command.env("DOCKER_HOST", "unix:///nonexistent/engine.sock").args(args).output().unwrap();
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    format!("exit {}\n{}{}", output.status.code().unwrap(), text(&output.stdout), text(&output.stderr))
}

/// Root may read everything, unless it has no capability left.
fn as_somebody_who_may_not() -> &'static [&'static str] {
    if nix::unistd::geteuid().is_root() { &["setpriv", "--bounding-set=-all", "--inh-caps=-all"] } else { &[] }
}

#[test]
fn a_folder_without_permission_is_an_error_of_the_images_that_copy_it() {
    let folder = tempfile::tempdir().unwrap();
    let root = folder.path();
    let copy = "FROM scratch\nCOPY . /\n";
    write(root, &[("a/Dockerfile", copy), ("a/locked/file", ""), ("a/secret", ""), ("b/Dockerfile", copy)]);
    write(root, &[("c/Dockerfile", copy), ("c/.dockerignore", "locked\n"), ("c/locked/file", "")]);
    write(root, &[("d/Dockerfile", "FROM scratch\nCOPY fine /\n"), ("d/fine", ""), ("d/locked/file", "")]);
    let locked = ["a/locked", "a/secret", "c/locked", "d/locked"].map(|path| root.join(path));
    let set_modes =
        |mode| locked.iter().for_each(|path| fs::set_permissions(path, fs::Permissions::from_mode(mode)).unwrap());
    set_modes(0o000);
    let through = as_somebody_who_may_not();
    let (all, others) = (plan(through, root, &[]), plan(through, root, &["b", "c", "d"]));
    set_modes(0o755);
    // Where no Dockerfile was looked for is warned of before.
    let errors = all.find("error: ").map(|start| &all[start..]).unwrap();
    assert!(all.starts_with("exit 2\n"), "{all}");
    expect![[r#"
        error: `a/locked` may not be read: permission denied
         --> a/Dockerfile:2:6
          |
        2 | COPY . /
          |      ^
          |
          = hint: if the image does not need it, add a line `locked` to the context's .dockerignore

        error: `a/secret` may not be read: permission denied
         --> a/Dockerfile:2:6
          |
        2 | COPY . /
          |      ^
          |
          = hint: if the image does not need it, add a line `secret` to the context's .dockerignore
    "#]]
    .assert_eq(errors);
    assert!(others.starts_with("exit 0\n"), "{others}");
}

/// The kernel's files say that they are empty, and are not: as one that grows between the look at it and its end.
#[test]
fn a_file_that_changes_while_it_is_read_is_an_error() {
    let folder = tempfile::tempdir().unwrap();
    let root = folder.path();
    let config = "version: 1\nimages:\n  a: { contexts: { kernel: kernel } }\n";
    write(root, &[("windlass.yaml", config), ("a/Dockerfile", "FROM scratch\nCOPY --from=kernel ostype /\n")]);
    symlink("/proc/sys/kernel", root.join("kernel")).unwrap();
    expect![[r#"
        exit 2
        error: `kernel/ostype` changes while it is read
         --> a/Dockerfile:2:20
          |
        2 | COPY --from=kernel ostype /
          |                    ^^^^^^
          |
          = hint: if the image does not need it, add a line `ostype` to the context's .dockerignore
    "#]]
    .assert_eq(&plan(&[], root, &[]));
}

#[test]
fn a_context_of_a_hundred_thousand_files_is_planned() {
    let folder = tempfile::tempdir().unwrap();
    let root = folder.path();
    write(root, &[("a/Dockerfile", "FROM scratch\nCOPY . /\n"), ("b/Dockerfile", "FROM scratch\nCOPY --from=a / /\n")]);
    for n in 0..100 {
        let below = root.join(format!("a/{n}"));
        fs::create_dir(&below).unwrap();
        (0..1000).for_each(|file| fs::write(below.join(file.to_string()), "").unwrap());
    }
    let said = plan(&[], root, &["--format", "json"]);
    let json: serde_json::Value = serde_json::from_str(said.strip_prefix("exit 0\n").unwrap()).unwrap();
    let files: Vec<&serde_json::Value> =
        json["images"].as_array().unwrap().iter().map(|image| &image["context"]["files"]).collect();
    assert_eq!(files, [100_001, 0]);
}

/// What stands before a command that can start so many processes and threads in all, itself included. Root is exempt from
/// such a limit, and all that a user runs counts unless it is in a namespace of its own.
fn with_threads(count: usize) -> Vec<String> {
    let as_nobody_else: &[&str] = match nix::unistd::geteuid().is_root() {
        true => &["setpriv", "--reuid=54321", "--inh-caps=+dac_override", "--ambient-caps=+dac_override"],
        false => &["unshare", "--user"],
    };
    let limit = format!("--nproc={count}");
    as_nobody_else.iter().copied().chain(["prlimit", &limit]).map(str::to_owned).collect()
}

#[test]
fn with_few_threads_or_none_a_plan_is_the_same() {
    let folder = tempfile::tempdir().unwrap();
    let root = folder.path();
    let copy = "FROM scratch\nCOPY . /\n";
    write(root, &[("a/Dockerfile", copy), ("a/x", "1"), ("b/Dockerfile", "FROM a\nCOPY y* /\n"), ("b/y", "2")]);
    let usual = plan(&[], root, &[]);
    assert!(usual.starts_with("exit 0\n"), "{usual}");
    for count in 1..8 {
        let through = with_threads(count);
        assert_eq!(plan(&through.iter().map(String::as_str).collect::<Vec<_>>(), root, &[]), usual, "{count}");
    }
}
