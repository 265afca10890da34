//! Which images changed since a commit, in repositories that the `git` program makes.

use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;
use std::process::Command;

use expect_test::{Expect, expect};
use tempfile::TempDir;

use crate::bad_input::write;
use crate::plan::windlass;

/// Runs git as nobody in particular; it has to succeed.
pub(crate) fn git(folder: &Path, args: &[&str]) -> String {
    let settings = ["-c", "user.name=t", "-c", "user.email=t@example.com", "-c", "protocol.file.allow=always"];
    let mut command = Command::new("git");
    command.env_remove("GIT_DIR").env("GIT_CONFIG_GLOBAL", "/dev/null").env("GIT_CONFIG_SYSTEM", "/dev/null");
    let output = command.arg("-C").arg(folder).args(settings).args(args).output().unwrap();
    assert!(output.status.success(), "git {args:?}: {}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).unwrap().trim().to_owned()
}

pub(crate) fn commit(folder: &Path) -> String {
    git(folder, &["add", "--all"]);
    git(folder, &["commit", "--quiet", "--allow-empty", "--message", "work"]);
    git(folder, &["rev-parse", "HEAD"])
}

/// `base`; `api` made from it; `docs` beside both; what is in `cache` folders is ignored. All is committed, on `main`.
fn shop() -> TempDir {
    let folder = tempfile::tempdir().unwrap();
    write(
        folder.path(),
        &[
            (".gitignore", "cache/\n*.key\n"),
            ("base/Dockerfile", "FROM scratch\nCOPY . /\n"),
            ("base/file", "1"),
            ("api/Dockerfile", "FROM base\nARG LEVEL=1\nCOPY . /$LEVEL\n"),
            ("api/src/main", "1"),
            ("api/src/other", "2"),
            ("docs/Dockerfile", "FROM scratch\nCOPY . /\n"),
            ("docs/page", "1"),
        ],
    );
    git(folder.path(), &["init", "--quiet", "--initial-branch", "main", "."]);
    commit(folder.path());
    folder
}

/// The images that changed since a commit: those that `--force` would build.
pub(crate) fn changed(folder: &Path, name: &str, words: &[&str]) -> String {
    let args = ["plan", "--offline", "-q", "--host", "unix:///nowhere", "--force", "--format", "json", "--since", name];
    let mut command = assert_cmd::Command::cargo_bin("windlass").unwrap();

    let output = command.env_clear().env("PATH", "/usr/local/bin:/usr/bin:/bin");
    let output = output.arg("-C").arg(folder).args(args).args(words).output().unwrap();
    let json: serde_json::Value = serde_json::from_slice(&output.stdout)
        .unwrap_or_else(|e| panic!("{e}: {}", String::from_utf8_lossy(&output.stderr)));
    let is_forced = |image: &&serde_json::Value| image["reasons"][0]["kind"] == "forced";
    let images = json["images"].as_array().unwrap().iter().filter(is_forced);
    images.map(|image| image["name"].as_str().unwrap()).collect::<Vec<_>>().join(" ")
}

/// Checks what a change to the committed project changes, committed or not.
fn check(change: impl Fn(&Path), expected: &str) {
    let folder = shop();
    change(folder.path());
    assert_eq!(changed(folder.path(), "HEAD", &[]), expected, "not committed");
    commit(folder.path());
    assert_eq!(changed(folder.path(), "HEAD~1", &[]), expected, "committed");
    assert_eq!(changed(folder.path(), "HEAD", &[]), "", "nothing since");
    assert_eq!(git(folder.path(), &["status", "--porcelain"]), "", "the work tree is as it was");
}

#[test]
fn an_image_changed_when_what_it_is_made_from_did() {
    check(|_| {}, "");
    check(|root| write(root, &[("docs/page", "2")]), "docs");
    check(|root| write(root, &[("base/file", "2")]), "base api");
    check(|root| write(root, &[("api/new", "")]), "api");
    check(|root| fs::remove_file(root.join("api/src/other")).unwrap(), "api");
    check(|root| fs::rename(root.join("api/src/other"), root.join("api/src/another")).unwrap(), "api");
    check(|root| fs::set_permissions(root.join("docs/page"), fs::Permissions::from_mode(0o755)).unwrap(), "docs");
    check(|root| fs::set_permissions(root.join("docs/page"), fs::Permissions::from_mode(0o600)).unwrap(), "");
    check(|root| write(root, &[("api/Dockerfile", "# why\nFROM base\n\nARG LEVEL=1\nCOPY . /$LEVEL\n")]), "api");
    check(|root| write(root, &[("windlass.yaml", "version: 1\nimages:\n  api: { args: { LEVEL: \"2\" } }\n")]), "api");
    check(|root| write(root, &[("windlass.yaml", "version: 1\nimages:\n  api: { args: { LEVEL: \"1\" } }\n")]), "");
    check(|root| write(root, &[("web/Dockerfile", "FROM api\n"), ("README", "")]), "web");
    check(|root| fs::remove_dir_all(root.join("docs")).unwrap(), "");
    check(|root| fs::rename(root.join("docs"), root.join("pages")).unwrap(), "pages");
}

#[test]
fn what_git_ignores_is_the_same_at_every_commit() {
    check(|root| write(root, &[("api/cache/object", "1"), ("api/secret.key", "2")]), "");
    check(|root| fs::create_dir_all(root.join("api/empty")).unwrap(), "");
}

#[test]
fn a_branch_is_compared_with_where_it_parted() {
    let folder = shop();
    let root = folder.path();
    git(root, &["checkout", "--quiet", "-b", "topic"]);
    write(root, &[("api/src/main", "2")]);
    commit(root);
    git(root, &["checkout", "--quiet", "main"]);
    write(root, &[("docs/page", "2")]);
    commit(root);
    git(root, &["checkout", "--quiet", "topic"]);
    assert_eq!(changed(root, "main", &[]), "api");
    assert_eq!(changed(root, "main", &["docs"]), "");
    assert_eq!(changed(root, "main", &["base+"]), "api");
    write(root, &[("base/file", "3")]);
    assert_eq!(changed(root, "main", &["base"]), "base");
}

/// Texts that are found by links, by the configuration alone, by links to folders; files that git converts, links, empty
/// folders. `HEAD` is what the tree is.
fn knotty(config: &str) -> TempDir {
    let folder = tempfile::tempdir().unwrap();
    let root = folder.path();
    write(
        root,
        &[
            ("windlass.yaml", config),
            ("common/image.txt", "FROM scratch\nCOPY . /\n"),
            ("linked/data", "1"),
            ("real/inner/Dockerfile", "FROM scratch\nCOPY *.txt *.id /\n"),
            ("real/inner/lines.txt", "a\nb\n"),
            ("real/inner/version.id", "$Id$\n"),
            ("real/inner/structure.yaml", "schemaVersion: 2.0.0\nfileExistenceTests: [{ name: there, path: /run }]\n"),
            (".gitattributes", "lines.txt text eol=crlf\n*.id ident\n"),
            ("builds/app.txt", "FROM scratch\nCOPY --from=shared data /\nCOPY --exclude=key app run /\nCOPY key /\n"),
            ("builds/app.txt.dockerignore", "*.txt\n"),
            ("builds/app", "1"),
            ("builds/run", "2"),
            ("shared/data", "3"),
            ("keys/one", "secret"),
        ],
    );
    let link = |target: &str, at: &str| std::os::unix::fs::symlink(target, root.join(at)).unwrap();
    link("../common/image.txt", "linked/Dockerfile");
    link("real", "group");
    link("data", "linked/to-data");
    link("/nowhere", "linked/dangling");
    fs::set_permissions(root.join("builds/run"), fs::Permissions::from_mode(0o755)).unwrap();
    git(root, &["init", "--quiet", "."]);
    git(root, &["commit", "--quiet", "--allow-empty", "--message", "nothing"]);
    commit(root);
    check_out_again(root);
    folder
}

/// What git converts is then as it checks it out, and not as it was written.
fn check_out_again(root: &Path) {
    for converted in ["real/inner/lines.txt", "real/inner/version.id"] {
        fs::remove_file(root.join(converted)).unwrap();
        git(root, &["checkout", "--", converted]);
    }
}

#[test]
fn nothing_changed_since_the_commit_that_the_tree_is_of() {
    let app = |structure: &str| {
        format!(
            "version: 1\nimages:\n  app:\n    context: builds\n    dockerfile: app.txt\n    contexts: {{ shared: shared }}\n    \
             files: [{{ path: key, from: {{ file: keys/one }} }}]\n    test: {{ structure: [{structure}] }}\n"
        )
    };
    for structure in ["real/inner/structure.yaml", "group/inner/structure.yaml"] {
        let config = app(structure);
        let change = |path: &str, expected: &str| {
            let folder = knotty(&config);
            assert_eq!(changed(folder.path(), "HEAD~1", &[]), "app group-inner inner linked", "all was made");
            assert_eq!(changed(folder.path(), "HEAD", &[]), "", "nothing was changed");
            fs::write(folder.path().join(path), "FROM scratch\nCOPY . /\nLABEL changed=1\n").unwrap();
            commit(folder.path());
            check_out_again(folder.path());
            assert_eq!(changed(folder.path(), "HEAD~1", &[]), expected, "{path}");
            assert_eq!(changed(folder.path(), "HEAD", &[]), "", "{path}");
        };
        change("common/image.txt", "linked");
        change("linked/data", "linked");
        change("real/inner/lines.txt", "group-inner inner");
        change("real/inner/version.id", "group-inner inner");
        change("builds/app.txt", "app");
        change("builds/app.txt.dockerignore", "");
        change("builds/run", "app");
        change("shared/data", "app");
        change("keys/one", "app");
    }
}

#[test]
fn a_project_may_lie_below_the_top_of_its_repository() {
    let folder = tempfile::tempdir().unwrap();
    let root = folder.path().join("examples/shop");
    write(
        folder.path(),
        &[
            (".gitignore", "/examples/*/hidden\n"),
            ("examples/shop/Dockerfile", "FROM scratch\nCOPY page /\n"),
            ("examples/shop/page", "1"),
            ("examples/shop/hidden/Dockerfile", "FROM scratch\n"),
            ("elsewhere", "1"),
        ],
    );
    git(folder.path(), &["init", "--quiet", "."]);
    commit(folder.path());
    write(folder.path(), &[("elsewhere", "2")]);
    assert_eq!(changed(&root, "HEAD", &[]), "");
    write(folder.path(), &[("examples/shop/page", "2")]);
    assert_eq!(changed(&root, "HEAD", &[]), "shop");
}

#[expect(clippy::needless_pass_by_value, reason = "expect-test's own shape")]
fn refused(folder: &Path, name: &str, expected: Expect) {
    let said = windlass(folder, &["plan", "--offline", "--host", "unix:///nowhere", "--since", name]);
    let hashes = regex::Regex::new("[0-9a-f]{16}").unwrap();
    expected.assert_eq(&hashes.replace_all(&said.replace(folder.to_str().unwrap(), "FOLDER"), "HASH"));
}

#[test]
fn commits_that_are_not_here_are_refused_with_the_way_to_bring_them() {
    let folder = shop();
    let root = folder.path();
    refused(
        root,
        "v1",
        expect![[r#"
        error: git knows no commit `v1`
        hint: `git fetch` brings what is not here; `git branch --all` lists what is
        ---
        exit 2
    "#]],
    );
    refused(
        root,
        "--all",
        expect![[r#"
        error: unexpected argument '--all' found

          tip: to pass '--all' as a value, use '-- --all'

        Usage: windlass plan --offline --host <ADDRESS> [IMAGE]...

        For more information, try '--help'.
        ---
        exit 2
    "#]],
    );
    git(root, &["tag", "v1"]);
    write(root, &[("docs/page", "2")]);
    commit(root);
    git(root, &["branch", "v1"]);
    refused(
        root,
        "v1",
        expect![[r#"
        error: `v1` is the name of several commits: `refs/heads/v1`, `refs/tags/v1`
        hint: write the whole name
        ---
        exit 2
    "#]],
    );
    write(root, &[("docs/page", "3")]);
    commit(root);
    let clone = tempfile::tempdir().unwrap();
    let from = format!("file://{}", root.display());
    git(clone.path(), &["clone", "--quiet", "--depth", "1", "--branch", "main", &from, "shop"]);
    refused(
        &clone.path().join("shop"),
        "HEAD~1",
        expect![[r#"
        error: this clone is shallow, and does not reach back to `HEAD~1`
        hint: `git fetch --deepen=100` brings more of the history, `git fetch --unshallow` all of it; in GitHub Actions set `fetch-depth: 0` of actions/checkout, in GitLab CI `GIT_DEPTH: 0`, in Travis CI `git: {depth: false}`
        ---
        exit 2
    "#]],
    );
    git(&clone.path().join("shop"), &["fetch", "--quiet", "--depth", "1", "origin", "refs/tags/v1:refs/tags/old"]);
    refused(
        &clone.path().join("shop"),
        "old",
        expect![[r#"
        error: this clone is shallow, and does not reach back to `old`
        hint: `git fetch --deepen=100` brings more of the history, `git fetch --unshallow` all of it; in GitHub Actions set `fetch-depth: 0` of actions/checkout, in GitLab CI `GIT_DEPTH: 0`, in Travis CI `git: {depth: false}`
        ---
        exit 2
    "#]],
    );
    let nowhere = tempfile::tempdir().unwrap();
    write(nowhere.path(), &[("Dockerfile", "FROM scratch\n")]);
    refused(
        nowhere.path(),
        "HEAD",
        expect![[r#"
        error: `FOLDER` is in no git repository, or git is not installed
        ---
        exit 2
    "#]],
    );
}

#[test]
fn a_graph_shows_what_changed_and_what_that_is_made_from() {
    let folder = shop();
    let root = folder.path();
    let graph = |args: &[&str]| windlass(root, &[&["graph", "-q", "--since", "HEAD"], args].concat());
    expect![[r#"
        ---
        exit 0
    "#]]
    .assert_eq(&graph(&[]));
    write(root, &[("api/src/main", "2"), ("web/Dockerfile", "FROM scratch\nCOPY --from=api / /\n")]);
    expect![[r#"
        ---
        base  base/Dockerfile

        api  api/Dockerfile
          FROM base  api/Dockerfile:1:6

        web  web/Dockerfile
          COPY --from api  web/Dockerfile:2:13
        exit 0
    "#]]
    .assert_eq(&graph(&[]));
    expect![[r#"
        ---
        flowchart LR
          n0["base"]
          n1["api"]
          n0 -->|"FROM"| n1
          classDef fresh fill:#d5f0d5,stroke:#4a7a4a,color:#000
          classDef build fill:#ffe0b3,stroke:#a0671a,color:#000
          classDef outside fill:none,stroke-dasharray:4
        exit 0
    "#]]
    .assert_eq(&graph(&["api", "--format", "mermaid"]));
    let said = windlass(root, &["graph", "-q", "--since", "nowhere"]);
    assert!(said.ends_with("exit 2\n"), "{said}");
}

#[test]
fn where_the_project_was_not_right_all_counts_as_changed() {
    let folder = shop();
    write(folder.path(), &[("docs/Dockerfile", "FORM scratch\n")]);
    commit(folder.path());
    write(folder.path(), &[("docs/Dockerfile", "FROM scratch\n")]);
    refused(
        folder.path(),
        "HEAD",
        expect![[r#"
            note: all images count as changed since `HEAD`, because it has errors: docs/Dockerfile:1:1: error: unknown instruction `FORM`
            note: no engine answers at `unix:///nowhere`: Socket not found: /nowhere; the plan is made without an engine
            note: `base` is taken for the project's image, not for Docker Hub's: api/Dockerfile:1:6
            ---
            LAYER  IMAGE  VERDICT  HASH              WHY
                0  base   build    HASH  never built
                0  docs   build    HASH  never built
                1  api    build    HASH  never built

            3 images to build
            exit 0
        "#]],
    );
}

/// What `plan --why` says, the ids of commits aside.
#[expect(clippy::needless_pass_by_value, reason = "expect-test's own shape")]
fn check_why(folder: &Path, args: &[&str], expected: Expect) {
    let said = windlass(folder, &[&["plan", "--offline", "-q", "--host", "unix:///nowhere", "--why"], args].concat());
    let ids = regex::Regex::new("[0-9a-f]{12}").unwrap();
    expected.assert_eq(&ids.replace_all(&said, "COMMIT"));
}

#[test]
fn what_changed_since_a_commit_is_told_down_to_line_and_file() {
    let folder = shop();
    let root = folder.path();
    git(root, &["tag", "v1"]);
    check_why(
        root,
        &["api", "--against", "v1"],
        expect![[r#"
        ---
        `api` is the same as at `v1` (COMMIT)
        exit 0
    "#]],
    );
    write(root, &[("base/file", "2"), ("base/new", "1"), ("api/cache/ignored", "1")]);
    commit(root);
    fs::remove_file(root.join("api/src/other")).unwrap();
    write(
        root,
        &[("api/Dockerfile", "FROM base\nARG LEVEL=2\nENV A=b\nCOPY . /$LEVEL\n"), ("web/Dockerfile", "FROM api\n")],
    );
    check_why(
        root,
        &["api", "--against", "v1"],
        expect![[r#"
            ---
            `api` is not the same as at `v1` (COMMIT)

            api
              api/Dockerfile:3: + ENV A=b
              file changed: Dockerfile
              file removed: src/other
              argument LEVEL: "1" -> "2"
              base changed

            base
              file changed: file
              file added: new
            exit 0
        "#]],
    );
    check_why(
        root,
        &["api", "--against", "HEAD"],
        expect![[r#"
            ---
            `api` is not the same as at `HEAD` (COMMIT)

            api
              api/Dockerfile:3: + ENV A=b
              file changed: Dockerfile
              file removed: src/other
              argument LEVEL: "1" -> "2"
            exit 0
        "#]],
    );
    check_why(
        root,
        &["web", "--against", "v1"],
        expect![[r#"
        ---
        `web` was not there at `v1`
        exit 0
    "#]],
    );
    check_why(
        root,
        &["docs", "--against", "v1"],
        expect![[r#"
        ---
        `docs` is the same as at `v1` (COMMIT)
        exit 0
    "#]],
    );
    check_why(
        root,
        &["docs"],
        expect![[r#"
        ---
        `docs` was never built, as far as this machine and its registry tell
        exit 0
    "#]],
    );
    check_why(
        root,
        &["dogs"],
        expect![[r#"
        error: the project has no image `dogs`
         |
         = hint: did you mean `docs`?
        ---
        exit 2
    "#]],
    );
    check_why(
        root,
        &["*"],
        expect![[r#"
        error: `--why` explains one image, and `*` chooses several
        ---
        exit 2
    "#]],
    );
    check_why(
        root,
        &["api", "--format", "dot"],
        expect![[r#"
        error: `--why` is told as text or JSON
        ---
        exit 2
    "#]],
    );
    write(root, &[("api/Dockerfile", "FORM base\n")]);
    commit(root);
    write(root, &[("api/Dockerfile", "FROM base\n")]);
    check_why(
        root,
        &["api", "--against", "HEAD"],
        expect![[r#"
        error: unknown instruction `FORM`
         --> api/Dockerfile:1:1
          |
        1 | FORM base
          | ^^^^
          |
          = hint: did you mean `FROM`?
        ---
        exit 2
    "#]],
    );
}

#[test]
fn a_base_that_moved_in_the_lock_file_is_told_with_both_digests() {
    let folder = shop();
    let root = folder.path();
    let lock = |digit: &str| {
        let digest = digit.repeat(64);
        let text = format!(
            "version: 1\nbases:\n  debian:12:\n    digest: sha256:{digest}\n    linux/amd64: sha256:{digest}\n"
        );
        write(root, &[("windlass.lock", &text)]);
    };
    write(root, &[("base/Dockerfile", "FROM debian:12\n"), ("windlass.yaml", "version: 1\nregistry: shop.test\n")]);
    write(root, &[("api/Dockerfile", "FROM shop.test/base\n")]);
    lock("1");
    commit(root);
    assert_eq!(changed(root, "HEAD", &[]), "");
    lock("2");
    assert_eq!(changed(root, "HEAD", &[]), "base api");
    check_why(
        root,
        &["api", "--against", "HEAD"],
        expect![[r#"
        ---
        `api` is not the same as at `HEAD` (COMMIT)

        api
          base changed

        base
          debian:12: sha256:COMMITCOMMITCOMMITCOMMITCOMMIT1111 -> sha256:COMMITCOMMITCOMMITCOMMITCOMMIT2222
        exit 0
    "#]],
    );
}
