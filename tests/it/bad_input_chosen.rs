//! What is wrong with the files of an image concerns that image and what is made from it: the others are planned.

use std::fs;
use std::path::Path;

use expect_test::{Expect, expect};
use tempfile::TempDir;

use crate::bad_input::write;
use crate::plan::windlass;
use crate::plan_since::{changed, commit, git};

/// `web` copies what an earlier step of its pipeline makes, `db` and `cache` lack what the configuration gives them,
/// `docs` has a bad .dockerignore, git-lfs has not fetched what `model` holds; `site` is made from `web`. Nothing is
/// wrong with `api`, and with `front` that is made from it.
fn shop() -> TempDir {
    let folder = tempfile::tempdir().unwrap();
    let config = "version: 1\nproject: shop\nimages:\n  db: { files: [{ path: key.pem, from: { env: KEY_PEM } }] }\n  \
        cache: { contexts: { made: made }, test: { structure: [checks.yaml] } }\n";
    write(
        folder.path(),
        &[
            ("windlass.yaml", config),
            (".gitignore", "dist/\n"),
            ("web/Dockerfile", "FROM scratch\nCOPY dist/ assets/*.css /\n"),
            ("web/assets/site.css", ""),
            ("site/Dockerfile", "FROM web\n"),
            ("db/Dockerfile", "FROM scratch\nCOPY key.pem /\n"),
            ("cache/Dockerfile", "FROM scratch\nCOPY --from=made / /\n"),
            ("docs/Dockerfile", "FROM scratch\nCOPY . /\n"),
            ("docs/.dockerignore", "[\n"),
            ("model/Dockerfile", "FROM scratch\nCOPY weights.bin /\n"),
            ("model/.gitattributes", "*.bin filter=lfs\n"),
            ("model/weights.bin", "version https://git-lfs.github.com/spec/v1\noid sha256:0\nsize 1\n"),
            ("api/Dockerfile", "FROM scratch\nCOPY main /\n"),
            ("api/main", "1"),
            ("front/Dockerfile", "FROM api\n"),
        ],
    );
    git(folder.path(), &["init", "--quiet", "--initial-branch", "main", "."]);
    commit(folder.path());
    folder
}

#[expect(clippy::needless_pass_by_value, reason = "expect-test's own shape")]
fn check(root: &Path, args: &[&str], expected: Expect) {
    let (command, args) = args.split_first().unwrap();
    let offline: &[&str] = if *command == "plan" { &["--offline", "--host", "unix:///nowhere"] } else { &[] };
    let said = windlass(root, &[&[*command, "-q"], offline, args].concat());
    let hashes = regex::Regex::new("[0-9a-f]{16}|[0-9a-f]{12}").unwrap();
    expected.assert_eq(&hashes.replace_all(&said, "HASH"));
}

#[test]
fn what_is_wrong_with_images_that_nobody_chose_is_not_asked() {
    let folder = shop();
    let root = folder.path();
    check(
        root,
        &["plan", "api"],
        expect![[r#"
        ---
        LAYER  IMAGE  VERDICT  HASH              WHY
            0  api    build    HASH  never built

        1 image to build
        exit 0
    "#]],
    );
    check(
        root,
        &["plan", "front", "./api/"],
        expect![[r#"
        ---
        LAYER  IMAGE  VERDICT  HASH              WHY
            0  api    build    HASH  never built
            1  front  build    HASH  never built

        2 images to build
        exit 0
    "#]],
    );
    check(
        root,
        &["plan", "site"],
        expect![[r#"
        error: `dist` is not in the context `web`
         --> web/Dockerfile:2:6
          |
        2 | COPY dist/ assets/*.css /
          |      ^^^^^
          |
          = hint: paths are seen from the context's folder, wherever the Dockerfile lies
        ---
        exit 2
    "#]],
    );
    check(
        root,
        &["plan", "--why", "front", "--against", "HEAD"],
        expect![[r#"
        ---
        `front` is the same as at `HEAD` (HASH)
        exit 0
    "#]],
    );
    check(
        root,
        &["plan", "api+", "--since", "HEAD", "--format", "dot"],
        expect![[r#"
        ---
        digraph "shop" {
          rankdir=LR;
          node [shape=box, fontname=sans];
          edge [fontname=sans, fontsize=10];
        }
        exit 0
    "#]],
    );
    write(root, &[("api/main", "2")]);
    assert_eq!(changed(root, "HEAD", &["api+"]), "api front");
}

#[test]
fn all_that_is_wrong_with_chosen_images_is_said_at_once() {
    let folder = shop();
    let root = folder.path();
    check(
        root,
        &["plan", "docs"],
        expect![[r#"
        error: `[` is no pattern: its `[` has no `]`
         --> docs/.dockerignore:1:1
          |
        1 | [
          | ^
          |
          = hint: a `\` takes the meaning from the character that follows it
        ---
        exit 2
    "#]],
    );
    fs::remove_file(root.join("docs/.dockerignore")).unwrap();
    check(
        root,
        &["plan"],
        expect![[r#"
            error: the context `made` is no folder of the project
             --> windlass.yaml:5:30
              |
            5 |   cache: { contexts: { made: made }, test: { structure: [checks.yaml] } }
              |                              ^^^^

            error: `checks.yaml` does not exist
             --> windlass.yaml:5:58
              |
            5 |   cache: { contexts: { made: made }, test: { structure: [checks.yaml] } }
              |                                                          ^^^^^^^^^^^

            error: the content of `key.pem` is to come from `KEY_PEM`, which is not set
             --> windlass.yaml:4:25
              |
            4 |   db: { files: [{ path: key.pem, from: { env: KEY_PEM } }] }
              |                         ^^^^^^^
              |
              = hint: set `KEY_PEM` in the environment

            error: `dist` is not in the context `web`
             --> web/Dockerfile:2:6
              |
            2 | COPY dist/ assets/*.css /
              |      ^^^^^
              |
              = hint: paths are seen from the context's folder, wherever the Dockerfile lies

            error: `model/weights.bin` is a pointer of git-lfs, not the file itself
             --> model/Dockerfile:2:6
              |
            2 | COPY weights.bin /
              |      ^^^^^^^^^^^
              |
              = hint: `git lfs pull` fetches the files that pointers stand for
            ---
            exit 2
        "#]],
    );
    check(
        root,
        &["plan", "--since", "HEAD"],
        expect![[r#"
            error: the context `made` is no folder of the project
             --> windlass.yaml:5:30
              |
            5 |   cache: { contexts: { made: made }, test: { structure: [checks.yaml] } }
              |                              ^^^^

            error: `checks.yaml` does not exist
             --> windlass.yaml:5:58
              |
            5 |   cache: { contexts: { made: made }, test: { structure: [checks.yaml] } }
              |                                                          ^^^^^^^^^^^

            error: the content of `key.pem` is to come from `KEY_PEM`, which is not set
             --> windlass.yaml:4:25
              |
            4 |   db: { files: [{ path: key.pem, from: { env: KEY_PEM } }] }
              |                         ^^^^^^^
              |
              = hint: set `KEY_PEM` in the environment

            error: `dist` is not in the context `web`
             --> web/Dockerfile:2:6
              |
            2 | COPY dist/ assets/*.css /
              |      ^^^^^
              |
              = hint: paths are seen from the context's folder, wherever the Dockerfile lies

            error: `model/weights.bin` is a pointer of git-lfs, not the file itself
             --> model/Dockerfile:2:6
              |
            2 | COPY weights.bin /
              |      ^^^^^^^^^^^
              |
              = hint: `git lfs pull` fetches the files that pointers stand for
            ---
            exit 2
        "#]],
    );
}

#[test]
fn what_is_made_from_what_is_known_without_any_file() {
    let folder = shop();
    let root = folder.path();
    check(
        root,
        &["graph"],
        expect![[r#"
            ---
            api  api/Dockerfile

            cache  cache/Dockerfile

            db  db/Dockerfile

            docs  docs/Dockerfile

            model  model/Dockerfile

            web  web/Dockerfile

            front  front/Dockerfile
              FROM api  front/Dockerfile:1:6

            site  site/Dockerfile
              FROM web  site/Dockerfile:1:6
            exit 0
        "#]],
    );
    check(
        root,
        &["graph", "site"],
        expect![[r#"
        ---
        web  web/Dockerfile

        site  site/Dockerfile
          FROM web  site/Dockerfile:1:6
        exit 0
    "#]],
    );
    check(
        root,
        &["lock"],
        expect![[r#"
        ---
        nothing to lock
        exit 0
    "#]],
    );
}

#[test]
fn images_that_were_wrong_at_a_commit_count_as_changed_since_and_no_others() {
    let folder = tempfile::tempdir().unwrap();
    let root = folder.path();
    let dockerfile = "FROM scratch\nCOPY main /\n";
    write(root, &[("api/Dockerfile", dockerfile), ("api/mian", ""), ("web/Dockerfile", "FROM api\n")]);
    write(root, &[("docs/Dockerfile", dockerfile), ("docs/main", "")]);
    git(root, &["init", "--quiet", "."]);
    commit(root);
    write(root, &[("api/main", "")]);
    assert_eq!(changed(root, "HEAD", &[]), "api web");
    assert_eq!(changed(root, "HEAD", &["docs"]), "");
    let offline = ["plan", "--offline", "--host", "unix:///nowhere"];
    let said = windlass(root, &[&offline[..], &["--since", "HEAD"]].concat());
    let note = said.lines().find(|line| line.contains("`HEAD`")).unwrap();
    expect!["note: `api` counts as changed since `HEAD`, where this is wrong: api/Dockerfile:2:6: error: `main` is not in the context `api`"].assert_eq(note);
    check(
        root,
        &["plan", "--why", "web", "--against", "HEAD"],
        expect![[r#"
        error: `main` is not in the context `api`, as it was at `HEAD`
         --> api/Dockerfile:2:6
          |
        2 | COPY main /
          |      ^^^^
          |
          = hint: did you mean `mian`?
        ---
        exit 2
    "#]],
    );
}
