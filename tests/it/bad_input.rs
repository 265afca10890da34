//! Bad input through the program itself: the exit code, and what is said where. No engine is asked: what is wrong with
//! a project is known before.

use std::ffi::OsStr;
use std::fs;
use std::os::unix::ffi::OsStrExt as _;
use std::os::unix::fs::symlink;
use std::os::unix::net::UnixListener;
use std::path::Path;
use std::process::Command;

use expect_test::{Expect, expect};

const BASE: &str = "FROM scratch\nCOPY . /\n";

/// Writes files below a folder: paths with their texts.
pub(crate) fn write(root: &Path, files: &[(&str, &str)]) {
    for (path, text) in files {
        let path = root.join(path);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, text).unwrap();
    }
}

/// Runs `windlass plan` where no engine answers: its exit code, and what it says.
fn plan(root: &Path) -> String {
    let mut command = Command::new(env!("CARGO_BIN_EXE_windlass"));
    command
        .current_dir(root)
        .env_clear()
        .env("DOCKER_HOST", "unix:///nonexistent/engine.sock")
        .args(["plan", "--quiet"]);
    let output = command.output().unwrap();
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    format!("exit {}\n{}{}", output.status.code().unwrap(), text(&output.stdout), text(&output.stderr))
}

#[expect(clippy::needless_pass_by_value, reason = "expect-test's own shape")]
fn check(files: &[(&str, &str)], expected: Expect) {
    let folder = tempfile::tempdir().unwrap();
    write(folder.path(), files);
    expected.assert_eq(&plan(folder.path()));
}

#[test]
fn a_misspelt_key() {
    check(
        &[("windlass.yaml", "version: 1\nimages:\n  a: { contxt: a }\n")],
        expect![[r#"
        exit 2
        error: unknown key `contxt` of image `a`
         --> windlass.yaml:3:8
          |
        3 |   a: { contxt: a }
          |        ^^^^^^
          |
          = hint: did you mean `context`?
    "#]],
    );
}

#[test]
fn a_wrong_type() {
    check(
        &[("windlass.yaml", "version: 1\ndefaults: { timeout: [30m] }\n")],
        expect![[r#"
        exit 2
        error: expected a duration such as `30s`, found a list
         --> windlass.yaml:2:22
          |
        2 | defaults: { timeout: [30m] }
          |                      ^^^^^
    "#]],
    );
}

#[test]
fn an_unknown_stage() {
    let config = "version: 1\nimages:\n  a: { context: a, target: bild }\n";
    check(
        &[("windlass.yaml", config), ("a/Dockerfile", "FROM scratch AS build\n")],
        expect![[r#"
        exit 2
        error: the Dockerfile has no stage `bild`
         --> a/Dockerfile:1:1
          |
        1 | FROM scratch AS build
          | ^^^^^^^^^^^^^^^^^^^^^ the last stage
          |
          = hint: did you mean `build`?
    "#]],
    );
}

#[test]
fn a_cycle() {
    let files = [
        ("windlass.yaml", "version: 1\nregistry: r.test/x\n"),
        ("a/Dockerfile", "FROM r.test/x/b\n"),
        ("b/Dockerfile", "FROM scratch\nCOPY --from=r.test/x/a / /\n"),
    ];
    check(
        &files,
        expect![[r#"
        exit 2
        error: images are made from one another in a circle: a -> b -> a
         --> a/Dockerfile:1:6
          |
        1 | FROM r.test/x/b
          |      ^^^^^^^^^^ `a` is made from `b` here
          |
         ::: b/Dockerfile:2:13
          |
        2 | COPY --from=r.test/x/a / /
          |             ---------- `b` is made from `a` here
    "#]],
    );
}

#[test]
fn a_missing_context() {
    check(
        &[("windlass.yaml", "version: 1\nimages:\n  a: { context: nowhere }\n")],
        expect![[r#"
        exit 2
        error: the context `nowhere` is no folder of the project
         --> windlass.yaml:3:17
          |
        3 |   a: { context: nowhere }
          |                 ^^^^^^^
    "#]],
    );
}

#[test]
fn an_image_that_is_needed_and_unknown() {
    let config = "version: 1\nimages:\n  a: { context: a, needs: [basse] }\n";
    let files = [("windlass.yaml", config), ("a/Dockerfile", BASE), ("base/Dockerfile", BASE)];
    check(
        &files,
        expect![[r#"
        exit 2
        error: `needs` names the image `basse`, which the project does not have
         --> windlass.yaml:3:28
          |
        3 |   a: { context: a, needs: [basse] }
          |                            ^^^^^
          |
          = hint: did you mean `base`?
    "#]],
    );
}

#[test]
fn an_empty_dockerfile() {
    check(
        &[("a/Dockerfile", "")],
        expect![[r#"
        exit 2
        error: the Dockerfile is empty
         --> a/Dockerfile:1:1
          |
        1 |
          | ^
          |
          = hint: it begins with `FROM image`
    "#]],
    );
}

#[test]
fn a_heredoc_without_an_end() {
    check(
        &[("a/Dockerfile", "FROM scratch\nRUN <<EOF\necho\n")],
        expect![[r#"
        exit 2
        error: the heredoc `EOF` is not closed
         --> a/Dockerfile:2:5
          |
        2 | RUN <<EOF
          |     ^^^^^ opened here
          |
          = hint: end it with a line that says `EOF` and nothing else
    "#]],
    );
}

#[test]
fn a_dockerfile_that_is_no_text() {
    let folder = tempfile::tempdir().unwrap();
    write(folder.path(), &[("a/Dockerfile", "")]);
    fs::write(folder.path().join("a/Dockerfile"), b"FROM \xff\xfe\n").unwrap();
    expect![[r#"
        exit 2
        error: `a/Dockerfile` is no text in UTF-8
         --> a/Dockerfile:1:6
          |
        1 | FROM 
          |      ^ what follows is no character
    "#]]
    .assert_eq(&plan(folder.path()));
}

#[test]
fn a_dockerfile_of_ten_megabytes_is_read() {
    let folder = tempfile::tempdir().unwrap();
    let text = format!("FROM scratch\n{}", "LABEL key=\"some value that is repeated\"\n".repeat(256 << 10));
    assert!(text.len() > 10 << 20);
    write(folder.path(), &[("a/Dockerfile", &text)]);
    let said = plan(folder.path());
    assert!(said.starts_with("exit 0\n"), "{}", &said[..said.len().min(1000)]);
}

#[test]
fn entries_that_no_image_can_hold() {
    let folder = tempfile::tempdir().unwrap();
    let root = folder.path();
    write(root, &[("a/Dockerfile", BASE), ("b/Dockerfile", BASE), ("b/.dockerignore", "*\n")]);
    // Nothing that this image sees is among them.
    write(root, &[("c/Dockerfile", "FROM scratch\nCOPY Dockerfile fi[fx]e s*x /\n")]);
    for context in ["a", "b", "c"] {
        let made = Command::new("mkfifo").arg(root.join(context).join("fifo")).status().unwrap();
        assert!(made.success());
        drop(UnixListener::bind(root.join(context).join("socket")).unwrap());
        fs::write(root.join(context).join(OsStr::from_bytes(b"not-\xff-utf8")), "").unwrap();
        symlink("loop", root.join(context).join("loop")).unwrap();
    }
    expect![[r#"
        exit 2
        error: `a/fifo` is a fifo, which no image can hold
         --> a/Dockerfile:2:6
          |
        2 | COPY . /
          |      ^
          |
          = hint: if the image does not need it, add a line `fifo` to the context's .dockerignore

        error: `a/socket` is a socket, which no image can hold
         --> a/Dockerfile:2:6
          |
        2 | COPY . /
          |      ^
          |
          = hint: if the image does not need it, add a line `socket` to the context's .dockerignore

        error: the name of `a/not-�-utf8` is not UTF-8
         --> a/Dockerfile:2:6
          |
        2 | COPY . /
          |      ^
          |
          = hint: if the image does not need it, add a line `not-?-utf8` to the context's .dockerignore
    "#]]
    .assert_eq(&plan(root));
}

#[test]
fn a_big_sparse_file_and_a_symlink_loop_are_no_mistakes() {
    let folder = tempfile::tempdir().unwrap();
    let root = folder.path();
    write(root, &[("a/Dockerfile", BASE)]);
    symlink("loop", root.join("a/loop")).unwrap();
    fs::File::create(root.join("a/big")).unwrap().set_len(64 << 20).unwrap();
    assert!(plan(root).starts_with("exit 0\n"));
}

#[test]
fn sources_that_are_not_in_the_context() {
    let folder = tempfile::tempdir().unwrap();
    let root = folder.path();
    let text = "FROM scratch\nCOPY srcc/main.c nothing /\nCOPY a/Dockerfile *.none none* src /\nCOPY out /\nCOPY dir/* /\n\
        ADD secret.pem .git /\nRUN --mount=source=main.c,target=/m true\nCOPY *.lnk /\nCOPY --parents src/x /\n";
    write(root, &[("a/Dockerfile", text), ("a/src/main.c", ""), ("a/secret.pem", ""), ("a/.dockerignore", "*.pem\n")]);
    symlink("../../etc/passwd", root.join("a/out")).unwrap();
    symlink("nowhere", root.join("a/dangling.lnk")).unwrap();
    expect![[r#"
        exit 2
        error: `srcc/main.c` is not in the context `a`
         --> a/Dockerfile:2:6
          |
        2 | COPY srcc/main.c nothing /
          |      ^^^^^^^^^^^
          |
          = hint: did you mean `src/main.c`?

        error: `nothing` is not in the context `a`
         --> a/Dockerfile:2:18
          |
        2 | COPY srcc/main.c nothing /
          |                  ^^^^^^^
          |
          = hint: paths are seen from the context's folder, wherever the Dockerfile lies

        error: `a/Dockerfile` is not in the context `a`
         --> a/Dockerfile:3:6
          |
        3 | COPY a/Dockerfile *.none none* src /
          |      ^^^^^^^^^^^^
          |
          = hint: did you mean `Dockerfile`?

        error: `out` leads to nothing in the context `a`
         --> a/Dockerfile:4:6
          |
        4 | COPY out /
          |      ^^^
          |
          = hint: the link `out` leads to `../../etc/passwd`, and no link leads out of the context

        error: `dir` is not in the context `a`
         --> a/Dockerfile:5:6
          |
        5 | COPY dir/* /
          |      ^^^^^
          |
          = hint: paths are seen from the context's folder, wherever the Dockerfile lies

        error: `secret.pem` is not in the context `a`
         --> a/Dockerfile:6:5
          |
        6 | ADD secret.pem .git /
          |     ^^^^^^^^^^
          |
          = hint: the context's .dockerignore leaves it out

        error: `.git` is not in the context `a`
         --> a/Dockerfile:6:16
          |
        6 | ADD secret.pem .git /
          |                ^^^^
          |
          = hint: `.git` is left out unless the context's .dockerignore has a line `!.git`

        error: `main.c` is not in the context `a`
         --> a/Dockerfile:7:13
          |
        7 | RUN --mount=source=main.c,target=/m true
          |             ^^^^^^^^^^^^^^^^^^^^^^^
          |
          = hint: did you mean `src/main.c`?

        error: `dangling.lnk` leads to nothing in the context `a`
         --> a/Dockerfile:8:6
          |
        8 | COPY *.lnk /
          |      ^^^^^
          |
          = hint: the link `dangling.lnk` leads to `nowhere`, and no link leads out of the context

        error: `src/x` is not in the context `a`
         --> a/Dockerfile:9:16
          |
        9 | COPY --parents src/x /
          |                ^^^^^
          |
          = hint: paths are seen from the context's folder, wherever the Dockerfile lies
    "#]]
    .assert_eq(&plan(root));
}
