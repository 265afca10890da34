//! Projects as people lay them out: what `windlass graph` makes of each, and what it says.

use std::path::Path;

use assert_cmd::Command;
use expect_test::{Expect, expect};
use tempfile::TempDir;

use crate::source::make;

/// Runs windlass; what it says first, then what it answers, then how it ends.
pub(crate) fn windlass(folder: &Path, args: &[&str]) -> String {
    let output = Command::cargo_bin("windlass").unwrap().env_clear().arg("-C").arg(folder).args(args).output().unwrap();
    let text = |bytes: &[u8]| String::from_utf8(bytes.to_vec()).unwrap();
    format!("{}---\n{}exit {}\n", text(&output.stderr), text(&output.stdout), output.status.code().unwrap())
}

#[expect(clippy::needless_pass_by_value, reason = "expect-test's own shape")]
fn check(project: &str, args: &[&str], expected: Expect) {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("testdata/projects").join(project);
    expected.assert_eq(&windlass(&folder, args));
}

#[test]
fn without_configuration_every_file_is_an_image_and_bare_names_are_edges() {
    check(
        "names",
        &["graph"],
        expect![[r#"
        note: `api`, `base` and `tool` are taken for the project's images, not for Docker Hub's: docker/Dockerfile.worker:2:18 and 3 more
        ---
        base  images/base/Dockerfile

        devcontainer  .devcontainer/Dockerfile
          outside debian:12  .devcontainer/Dockerfile:1:6

        tool  Tool/Containerfile

        api  docker/api.Dockerfile
          FROM base  docker/api.Dockerfile:1:6

        names  Dockerfile
          COPY --from tool  Dockerfile:2:13

        worker  docker/Dockerfile.worker
          FROM base  docker/Dockerfile.worker:1:6
          RUN --mount from api  docker/Dockerfile.worker:2:18
        exit 0
    "#]],
    );
}

#[test]
fn the_registry_is_inferred_from_the_from_lines() {
    check(
        "inferred",
        &["graph"],
        expect![[r#"
        note: `quay.io/acme` is taken for the project's registry, because stack/minimal/Dockerfile:4:6 names `quay.io/acme/base`; `registry: quay.io/acme` in windlass.yaml says so for good
        ---
        base  stack/base/Dockerfile
          outside debian:12  stack/base/Dockerfile:2:6

        minimal  stack/minimal/Dockerfile
          FROM base  stack/minimal/Dockerfile:4:6

        science  stack/science/Dockerfile
          FROM minimal  stack/science/Dockerfile:3:6
          outside busybox:1  stack/science/Dockerfile:4:13
        exit 0
    "#]],
    );
}

#[test]
fn a_habit_of_many_dockerfiles_is_one_error() {
    let folder = TempDir::new().unwrap();
    let write = |path: &str, text: &str| {
        let path = folder.path().join(path);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(path, text).unwrap();
    };
    write("shared/lib", "");
    for name in ["api", "cron", "mail", "shop", "web"] {
        write(&format!("src/{name}/Dockerfile"), "ARG V=1\nFROM scratch\nCOPY shared/lib /lib\nCOPY shared/*b /lib/\n");
    }
    write("own/Dockerfile", "FROM scratch\nCOPY missing /\n");
    expect![[r#"
        error: `missing` is not in the context `own`
         --> own/Dockerfile:2:6
          |
        2 | COPY missing /
          |      ^^^^^^^
          |
          = hint: paths are seen from the context's folder, wherever the Dockerfile lies

        error: what COPY takes is seen from another folder than the Dockerfile's own: `src/api/Dockerfile`, `src/cron/Dockerfile`, `src/mail/Dockerfile` and 2 more
         --> src/api/Dockerfile:3:6
          |
        3 | COPY shared/lib /lib
          |      ^^^^^^^^^^
          |
          = hint: `windlass init` writes the contexts into windlass.yaml, here `{ context: ., dockerfile: src/api/Dockerfile }`
        ---
        exit 2
    "#]].assert_eq(&windlass(folder.path(), &["plan", "--offline"]));
    for name in ["go", "java", "python", "ruby"] {
        write(&format!("templates/Dockerfile.{name}"), "{{ base }}\nRUN {{ install }}\nset x to y\n");
        write(&format!("tests/{name}/Dockerfile"), "ARG IMAGE\nFROM $IMAGE\n");
    }
    write("templates/part/Dockerfile", "RUN true {% if x %}\n");
    expect![[r#"
        error: `$IMAGE` needs a value of the build argument `IMAGE`
         --> tests/go/Dockerfile:2:6
          |
        2 | FROM $IMAGE
          |      ^^^^^^
          |
          = hint: give it in windlass.yaml: `args: { IMAGE: … }` of the image
          = note: the same at tests/java/Dockerfile:2:6, tests/python/Dockerfile:2:6, tests/ruby/Dockerfile:2:6

        error: no Dockerfiles, but templates of them: `templates/Dockerfile.go`, `templates/Dockerfile.java`, `templates/Dockerfile.python` and 2 more
         --> templates/Dockerfile.go:1:1
          |
        1 | {{ base }}
          | ^^
          |
          = hint: leave them out in windlass.yaml with `ignore: [/templates/]`, as `windlass init` does
        ---
        exit 2
    "#]].assert_eq(&windlass(folder.path(), &["graph"]));
}

#[test]
fn tags_are_folders_where_no_image_is_called_so_itself() {
    check(
        "tagged",
        &["graph"],
        expect![[r#"
            note: folders stand before names that several Dockerfiles would have: `base-alpine`
            note: `acme` is taken for the project's registry, because docker/sdk/Dockerfile.check:2:6 names `acme/php:8.3`; `registry: acme` in windlass.yaml says so for good
            note: `alpine:latest` is taken for Docker Hub's, not for the project's `acme/alpine`: docker/toolbox/latest/Dockerfile:1:6
            ---
            alpine  alpine/Dockerfile

            base-alpine  docker/base/alpine/Dockerfile
              outside alpine:3.20  docker/base/alpine/Dockerfile:1:6

            nodebase  NodeBase/Dockerfile
              outside acme/base:debian  NodeBase/Dockerfile:1:6

            sdk-11.0-rc  docker/sdk/11.0-rc/Dockerfile

            toolbox-latest  docker/toolbox/latest/Dockerfile
              outside alpine:latest  docker/toolbox/latest/Dockerfile:1:6

            hypertext-8.3  docker/hypertext/8.3/Dockerfile
              FROM base-alpine  docker/hypertext/8.3/Dockerfile:1:6

            nodechrome  NodeChrome/Dockerfile
              FROM nodebase  NodeChrome/Dockerfile:1:6

            php-8.3  docker/php/8.3/Dockerfile
              FROM base-alpine  docker/php/8.3/Dockerfile:1:6

            slim  docker/runtime/11.0/slim/Dockerfile
              FROM sdk-11.0-rc  docker/runtime/11.0/slim/Dockerfile:1:6

            check  docker/sdk/Dockerfile.check
              FROM php-8.3  docker/sdk/Dockerfile.check:2:6
              FROM slim  docker/sdk/Dockerfile.check:3:6

            nginx  docker/nginx/Dockerfile
              FROM toolbox-latest  docker/nginx/Dockerfile:1:6
              FROM php-8.3  docker/nginx/Dockerfile:2:6

            php-dev-8.3  docker/php-dev/8.3/Dockerfile
              FROM php-8.3  docker/php-dev/8.3/Dockerfile:2:6
            exit 0
        "#]],
    );
}

#[test]
fn a_registry_that_speaks_for_itself_alone_is_not_taken() {
    check(
        "undecided",
        &["graph"],
        expect![[r#"
        warning: images of the project's names stand below `ghcr.io/one` and `ghcr.io/two`: none is taken for its registry
         --> a/Dockerfile:1:6
          |
        1 | FROM ghcr.io/one/b
          |      ^^^^^^^^^^^^^ `ghcr.io/one/b` here
          |
         ::: c/Dockerfile:1:6
          |
        1 | FROM ghcr.io/two/b
          |      ------------- `ghcr.io/two/b` here
          |
          = hint: say `registry: ghcr.io/one` in windlass.yaml
        ---
        a  a/Dockerfile
          outside ghcr.io/one/b  a/Dockerfile:1:6

        b  b/Dockerfile

        c  c/Dockerfile
          outside ghcr.io/two/b  c/Dockerfile:1:6

        redis  redis/Dockerfile
          outside bitnami/redis:7  redis/Dockerfile:1:6
        exit 0
    "#]],
    );
}

#[test]
fn with_a_registry_bare_names_are_others_images() {
    check(
        "registry",
        &["graph"],
        expect![[r#"
            warning: `services/api/docker/Dockerfile` has no use for the build argument `UNUSED`
             --> windlass.yaml:8:53
              |
            8 |     args: { BASE: ghcr.io/acme/shop/python, UNUSED: "1" }
              |                                                     ^^^
              |
              = hint: `ARG UNUSED` in the Dockerfile declares it; one that none does changes nothing

            warning: `ghcr.io/acme/shop/wbe` stands below the project's registry, but the project has no image `wbe`
             --> migrations/Dockerfile:2:13
              |
            2 | COPY --from=ghcr.io/acme/shop/wbe /site /site
              |             ^^^^^^^^^^^^^^^^^^^^^
              |
              = hint: did you mean `ghcr.io/acme/shop/web`?

            warning: `python` is Docker Hub's: the project's image `python` is `ghcr.io/acme/shop/python`
             --> migrations/Dockerfile:1:6
              |
            1 | FROM python
              |      ^^^^^^
              |
              = hint: write `ghcr.io/acme/shop/python` to build on the project's image
            ---
            migrations  migrations/Dockerfile
              outside python  migrations/Dockerfile:1:6
              outside ghcr.io/acme/shop/wbe  migrations/Dockerfile:2:13

            python  python/Dockerfile
              outside python:3.12-slim  python/Dockerfile:1:6

            web  web/Dockerfile
              outside node:22  web/Dockerfile:1:6

            api  services/api/docker/Dockerfile
              FROM python  services/api/docker/Dockerfile:2:6
              named context web  services/api/docker/Dockerfile:3:13
              needs migrations  windlass.yaml:12:13
            exit 0
        "#]],
    );
}

#[test]
fn digests_and_foreign_tags_are_no_edges() {
    check(
        "pinned",
        &["graph"],
        expect![[r#"
            ---
            base  base/Dockerfile
              outside debian@sha256:0000000000000000000000000000000000000000000000000000000000000001  base/Dockerfile:1:6

            mirror  mirror/Dockerfile
              outside mirror:3  mirror/Dockerfile:1:6

            api  api/Dockerfile
              FROM base  api/Dockerfile:3:6
              outside pinned/base@sha256:0000000000000000000000000000000000000000000000000000000000000002  api/Dockerfile:2:6
              outside mirror:3  api/Dockerfile:5:13
            exit 0
        "#]],
    );
}

#[test]
fn a_circle_is_shown_with_its_lines() {
    check(
        "circle",
        &["graph"],
        expect![[r#"
        error: images are made from one another in a circle: app -> base -> tools -> app
         --> app/Dockerfile:2:18
          |
        2 | RUN --mount=from=circle/base,target=/base true
          |                  ^^^^^^^^^^^ `app` is made from `base` here
          |
         ::: base/Dockerfile:1:6
          |
        1 | FROM circle/tools
          |      ------------ `base` is made from `tools` here
          |
         ::: tools/Dockerfile:2:13
          |
        2 | COPY --from=circle/app /app /app
          |             ---------- `tools` is made from `app` here
        ---
        exit 2
    "#]],
    );
}

#[test]
fn everything_that_is_wrong_is_said_at_once() {
    check(
        "wrong",
        &["graph"],
        expect![[r#"
            error: the Dockerfile `data/Dockerfile.data` does not exist
             --> windlass.yaml:9:38
              |
            9 |   data: { context: data, dockerfile: Dockerfile.data }
              |                                      ^^^^^^^^^^^^^^^
              |
              = hint: the path is seen from the context, `data`

            error: the context `nowhere` is no folder of the project
             --> windlass.yaml:7:20
              |
            7 |   lost: { context: nowhere }
              |                    ^^^^^^^

            error: no Dockerfile makes the image `apj`
             --> windlass.yaml:8:3
              |
            8 |   apj: { target: final }
              |   ^^^
              |
              = hint: `context` says in which folder it stands

            error: unknown instruction `RNU`
             --> api/Dockerfile:2:1
              |
            2 | RNU make
              | ^^^
              |
              = hint: did you mean `RUN`?

            error: `needs` names the image `bsae`, which the project does not have
             --> windlass.yaml:5:32
              |
            5 |   api: { context: api, needs: [bsae, web] }
              |                                ^^^^
              |
              = hint: did you mean `base`?

            error: `Nobody` is no image reference: a repository is written in lower case
             --> web/Dockerfile:2:13
              |
            2 | COPY --from=Nobody /x /x
              |             ^^^^^^

            error: a named context names the image `dta`, which the project does not have
             --> windlass.yaml:6:51
              |
            6 |   web: { context: web, contexts: { data: { image: dta } } }
              |                                                   ^^^
              |
              = hint: did you mean `data`?

            error: images are made from one another in a circle: api -> web -> api
             --> windlass.yaml:5:38
              |
            5 |   api: { context: api, needs: [bsae, web] }
              |                                      ^^^ `api` is made from `web` here
              |
             ::: web/Dockerfile:1:6
              |
            1 | FROM ghcr.io/acme/api AS a
              |      ---------------- `web` is made from `api` here
            ---
            exit 2
        "#]],
    );
}

#[test]
fn a_selection_is_the_images_and_their_ancestors() {
    check(
        "names",
        &["graph", "api"],
        expect![[r#"
        note: `api`, `base` and `tool` are taken for the project's images, not for Docker Hub's: docker/Dockerfile.worker:2:18 and 3 more
        ---
        base  images/base/Dockerfile

        api  docker/api.Dockerfile
          FROM base  docker/api.Dockerfile:1:6
        exit 0
    "#]],
    );
    check(
        "names",
        &["graph", "apl", "nothing-like-it"],
        expect![[r#"
        error: the project has no image `apl`
         |
         = hint: did you mean `api`?

        error: the project has no image `nothing-like-it`
         |
         = hint: its images are base, devcontainer, tool, api, names, worker
        ---
        exit 2
    "#]],
    );
}

#[test]
fn graphs_are_written_for_graphviz_and_mermaid() {
    check(
        "inferred",
        &["graph", "--format", "dot", "-q"],
        expect![[r#"
            ---
            digraph "inferred" {
              rankdir=LR;
              node [shape=box, fontname=sans];
              edge [fontname=sans, fontsize=10];
              n0 [label="base"];
              n1 [label="minimal"];
              n2 [label="science"];
              n3 [label="busybox:1", style=dashed];
              n4 [label="debian:12", style=dashed];
              n0 -> n1 [label="FROM"];
              n1 -> n2 [label="FROM"];
              n3 -> n2;
              n4 -> n0;
            }
            exit 0
        "#]],
    );
    check(
        "inferred",
        &["graph", "--format", "mermaid", "-q"],
        expect![[r#"
            ---
            flowchart LR
              n0["base"]
              n1["minimal"]
              n2["science"]
              n3(["busybox:1"]):::outside
              n4(["debian:12"]):::outside
              n0 -->|"FROM"| n1
              n1 -->|"FROM"| n2
              n3 --> n2
              n4 --> n0
              classDef fresh fill:#d5f0d5,stroke:#4a7a4a,color:#000
              classDef build fill:#ffe0b3,stroke:#a0671a,color:#000
              classDef outside fill:none,stroke-dasharray:4
            exit 0
        "#]],
    );
}

#[test]
fn dockerfiles_that_cannot_be_read_are_errors_beside_all_others() {
    let folder = TempDir::new().unwrap();
    make(folder.path(), "a/Dockerfile=RUN b/Dockerfile=FROM");
    std::fs::write(folder.path().join("b/Dockerfile"), b"FROM \xff").unwrap();
    expect![[r#"
        error: `b/Dockerfile` is no text in UTF-8
         --> b/Dockerfile:1:6
          |
        1 | FROM 
          |      ^ what follows is no character

        error: RUN before the first FROM
         --> a/Dockerfile:1:1
          |
        1 | RUN
          | ^^^
          |
          = hint: only ARG may stand before it
        ---
        exit 2
    "#]]
    .assert_eq(&windlass(folder.path(), &["graph"]));
}

/// The content hash of each image, as a plan without an engine tells it.
fn hashes(folder: &Path) -> Vec<String> {
    let mut command = Command::cargo_bin("windlass").unwrap();
    command.env_clear().arg("-C").arg(folder).args(["plan", "--format", "json", "--host", "unix:///nowhere"]);
    let output = command.output().unwrap();
    let plan: serde_json::Value = serde_json::from_slice(&output.stdout).unwrap();
    plan["images"].as_array().unwrap().iter().map(|image| image["content_hash"].to_string()).collect()
}

#[test]
fn the_ignore_file_beside_the_dockerfile_comes_before_that_of_the_context() {
    let folder = TempDir::new().unwrap();
    let root = folder.path();
    make(root, "a/b/Dockerfile a/.dockerignore=one a/b/Dockerfile.dockerignore=two a/one a/two");
    std::fs::write(root.join("a/b/Dockerfile"), "FROM scratch\nCOPY . /\n").unwrap();
    std::fs::write(root.join("windlass.yaml"), "version: 1\nimages: { a: { context: a, dockerfile: b/Dockerfile } }\n")
        .unwrap();
    let before = hashes(root);
    make(root, "a/two=changed");
    assert_eq!(hashes(root), before, "what the file beside the Dockerfile ignores does not count");
    make(root, "a/one=changed");
    assert_ne!(hashes(root), before, "what only the context's file ignores does");
}

#[test]
fn the_place_of_a_clone_does_not_count_and_folders_with_names_do() {
    let clone = || {
        let folder = TempDir::new().unwrap();
        make(folder.path(), "api/Dockerfile docs/index docs/.dockerignore=drafts docs/drafts/new");
        std::fs::write(folder.path().join("api/Dockerfile"), "FROM scratch\nCOPY --from=docs . /docs\n").unwrap();
        let config = "version: 1\nproject: x\nimages: { api: { contexts: { docs: docs } } }\n";
        std::fs::write(folder.path().join("windlass.yaml"), config).unwrap();
        folder
    };
    let (one, other) = (clone(), clone());
    assert_eq!(hashes(one.path()), hashes(other.path()));
    make(other.path(), "docs/drafts/newer");
    assert_eq!(hashes(one.path()), hashes(other.path()));
    make(other.path(), "docs/index=changed");
    assert_ne!(hashes(one.path()), hashes(other.path()));
}

#[test]
fn images_may_share_a_dockerfile_and_its_mistakes_are_told_once() {
    let folder = TempDir::new().unwrap();
    make(folder.path(), "Dockerfile");
    std::fs::write(folder.path().join("Dockerfile"), "FROM scratch AS one\nFROM $NONE AS two\n").unwrap();
    let config = "version: 1\nimages: { a: { context: ., target: one }, b: { context: ., target: two } }\n";
    std::fs::write(folder.path().join("windlass.yaml"), config).unwrap();
    expect![[r#"
        warning: variable `NONE` is not defined
         --> Dockerfile:2:6
          |
        2 | FROM $NONE AS two
          |      ^^^^^

        error: `$NONE` needs a value of the build argument `NONE`
         --> Dockerfile:2:6
          |
        2 | FROM $NONE AS two
          |      ^^^^^
          |
          = hint: write `ARG NONE=…` before the first FROM
        ---
        exit 2
    "#]]
    .assert_eq(&windlass(folder.path(), &["graph"]));
}

#[test]
fn a_folder_without_dockerfiles_is_likely_not_the_one_that_is_meant() {
    let folder = TempDir::new().unwrap();
    let said = |args: &[&str]| windlass(folder.path(), args).replace(folder.path().to_str().unwrap(), "FOLDER");
    expect![[r#"
        error: no Dockerfile was found below `FOLDER`
        hint: `-C DIR` names the project's root; `Dockerfile`, `Dockerfile.NAME`, `NAME.Dockerfile` and `Containerfile` are found, where neither .gitignore nor `ignore` in windlass.yaml hides them
        ---
        exit 2
    "#]].assert_eq(&said(&["graph"]));
    assert_eq!(said(&["plan", "--offline"]), said(&["graph"]));
    assert_eq!(said(&["graph", "api"]), said(&["graph"]));
}

#[test]
fn a_registry_that_the_dockerfiles_were_not_told_of_is_suspected() {
    let folder = TempDir::new().unwrap();
    make(folder.path(), "base/Dockerfile api/Dockerfile");
    std::fs::write(folder.path().join("base/Dockerfile"), "FROM scratch\n").unwrap();
    std::fs::write(folder.path().join("api/Dockerfile"), "FROM old.example/shop/base\n").unwrap();
    std::fs::write(folder.path().join("windlass.yaml"), "version: 1\nregistry: new.example/shop\n").unwrap();
    expect![[r#"
        warning: images of the project's names are taken from `old.example/shop`, which is not its registry
         --> api/Dockerfile:1:6
          |
        1 | FROM old.example/shop/base
          |      ^^^^^^^^^^^^^^^^^^^^^ `old.example/shop/base` here
          |
          = hint: write `new.example/shop` there, or `registry: old.example/shop` in windlass.yaml, to build on the project's own
        ---
        api  api/Dockerfile
          outside old.example/shop/base  api/Dockerfile:1:6

        base  base/Dockerfile
        exit 0
    "#]].assert_eq(&windlass(folder.path(), &["graph"]));
    let json = windlass(folder.path(), &["graph", "--progress", "json"]);
    let (_, fact) = json.lines().next().unwrap().split_once("\"fact\":").unwrap();
    expect![[r#"{"event":"diagnostic","severity":"warning","message":"images of the project's names are taken from `old.example/shop`, which is not its registry","file":"api/Dockerfile","line":1,"column":6,"hint":"write `new.example/shop` there, or `registry: old.example/shop` in windlass.yaml, to build on the project's own"}}"#]].assert_eq(fact);
}

#[test]
fn files_and_tests_are_read_and_missing_ones_are_told() {
    let folder = TempDir::new().unwrap();
    make(folder.path(), "api/Dockerfile test.yaml");
    std::fs::write(folder.path().join("api/Dockerfile"), "FROM scratch\nRUN --mount=type=secret,id=npm,required x\n")
        .unwrap();
    std::fs::write(folder.path().join("test.yaml"), "schemaVersion: 2.0.0\ncomandTests: []\n").unwrap();
    let config = "version: 1\nimages:\n  api:\n    files:\n      - { path: a, from: { env: NOT_SET } }\n      \
        - { path: b, from: { file: missing } }\n    secrets: [{ id: npn, env: X }]\n    \
        test: { structure: [test.yaml, gone.yaml] }\n";
    std::fs::write(folder.path().join("windlass.yaml"), config).unwrap();
    expect![[r#"
        warning: `api/Dockerfile` has no use for the secret `npn`
         --> windlass.yaml:7:21
          |
        7 |     secrets: [{ id: npn, env: X }]
          |                     ^^^

        warning: `api/Dockerfile` has no use for the file `a`
         --> windlass.yaml:5:17
          |
        5 |       - { path: a, from: { env: NOT_SET } }
          |                 ^

        warning: `api/Dockerfile` has no use for the file `b`
         --> windlass.yaml:6:17
          |
        6 |       - { path: b, from: { file: missing } }
          |                 ^

        error: the content of `a` is to come from `NOT_SET`, which is not set
         --> windlass.yaml:5:17
          |
        5 |       - { path: a, from: { env: NOT_SET } }
          |                 ^
          |
          = hint: set `NOT_SET` in the environment

        error: `missing` does not exist
         --> windlass.yaml:6:17
          |
        6 |       - { path: b, from: { file: missing } }
          |                 ^

        error: unknown key `comandTests` of a container-structure-test file
         --> test.yaml:2:1
          |
        2 | comandTests: []
          | ^^^^^^^^^^^
          |
          = hint: did you mean `commandTests`?

        error: `gone.yaml` does not exist
         --> windlass.yaml:8:36
          |
        8 |     test: { structure: [test.yaml, gone.yaml] }
          |                                    ^^^^^^^^^

        error: the secret `npm` is required, and the image `api` is given none
         --> api/Dockerfile:2:13
          |
        2 | RUN --mount=type=secret,id=npm,required x
          |             ^^^^^^^^^^^^^^^^^^^^^^^^^^^
          |
          = hint: give it in windlass.yaml: `secrets: [{ id: npm, env: VARIABLE }]` of the image `api`
        ---
        exit 2
    "#]]
    .assert_eq(&windlass(folder.path(), &["plan", "--offline"]));
}

#[test]
fn graphs_are_drawn() {
    check(
        "inferred",
        &["graph", "--format", "svg", "-q"],
        expect![[r##"
            ---
            <svg xmlns="http://www.w3.org/2000/svg" width="416" height="114" viewBox="0 0 416 114" font-family="ui-monospace, SFMono-Regular, Menlo, Consolas, DejaVu Sans Mono, monospace" font-size="12">
            <title>inferred</title>
            <defs><marker id="tip" viewBox="0 0 8 8" refX="7" refY="4" markerWidth="7" markerHeight="7" orient="auto"><path d="M0 0.5 8 4 0 7.5Z" fill="#7d8590"/></marker></defs>
            <g transform="translate(8 8)">
            <path d="M290.8 12.0H290.8C311.5 12.0 311.5 29.0 332.2 29.0" fill="none" stroke="#7d8590" stroke-width="1.2" marker-end="url(#tip)"><title>science from busybox:1</title></path>
            <path d="M82.6 46.0H82.6C102.6 46.0 102.6 46.0 122.6 46.0" fill="none" stroke="#7d8590" stroke-width="1.2" marker-end="url(#tip)"><title>base from debian:12</title></path>
            <path d="M168.2 46.0H168.2C188.2 46.0 188.2 46.0 208.2 46.0" fill="none" stroke="#7d8590" stroke-width="1.2" marker-end="url(#tip)"><title>minimal from base: FROM</title></path>
            <path d="M276.0 46.0H290.8C311.5 46.0 311.5 29.0 332.2 29.0" fill="none" stroke="#7d8590" stroke-width="1.2" marker-end="url(#tip)"><title>science from minimal: FROM</title></path>
            <rect x="208.2" y="0.0" width="82.6" height="24.0" rx="4" fill="#f3f3f3" stroke="#8a8a8a" stroke-dasharray="4 3"/>
            <text x="249.5" y="16.2" text-anchor="middle" fill="#1b2430">busybox:1</text>
            <rect x="0.0" y="34.0" width="82.6" height="24.0" rx="4" fill="#f3f3f3" stroke="#8a8a8a" stroke-dasharray="4 3"/>
            <text x="41.3" y="50.2" text-anchor="middle" fill="#1b2430">debian:12</text>
            <rect x="122.6" y="34.0" width="45.6" height="24.0" rx="4" fill="#e8eef5" stroke="#5b6b7f"/>
            <text x="145.4" y="50.2" text-anchor="middle" fill="#1b2430">base</text>
            <rect x="208.2" y="34.0" width="67.8" height="24.0" rx="4" fill="#e8eef5" stroke="#5b6b7f"/>
            <text x="242.1" y="50.2" text-anchor="middle" fill="#1b2430">minimal</text>
            <rect x="332.2" y="17.0" width="67.8" height="24.0" rx="4" fill="#e8eef5" stroke="#5b6b7f"/>
            <text x="366.1" y="33.2" text-anchor="middle" fill="#1b2430">science</text>
            <g transform="translate(0.0 74.0)"><rect x="0.0" y="1.0" width="28.0" height="14.0" rx="4" fill="#f3f3f3" stroke="#8a8a8a" stroke-dasharray="4 3"/>
            <text x="36" y="13.2" fill="#7d8590">not the project's</text></g>
            <g transform="translate(175.8 74.0)"><path d="M0 8H28" stroke="#7d8590" stroke-width="1.2" marker-end="url(#tip)"/><text x="36" y="13.2" fill="#7d8590">FROM</text></g>
            </g>
            </svg>
            exit 0
        "##]],
    );
}
