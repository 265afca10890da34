//! `windlass init` on repositories as people lay them out, each distilled to a few lines.

use std::fs;
use std::path::Path;

use expect_test::{Expect, expect};
use tempfile::TempDir;

use crate::plan::windlass;

/// A folder `shop` with these files, paths with their texts.
fn shop(files: &[(&str, &str)]) -> TempDir {
    let parent = TempDir::new().unwrap();
    for (path, text) in files {
        let path = parent.path().join("shop").join(path);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, text).unwrap();
    }
    parent
}

/// What `init` writes, what it says, and what the project is made of then: the graph has no errors.
#[expect(clippy::needless_pass_by_value, reason = "expect-test's own shape")]
fn check(files: &[(&str, &str)], args: &[&str], expected: Expect) {
    let parent = shop(files);
    let folder = parent.path().join("shop");
    let printed = windlass(&folder, &[&["init", "--print"], args].concat());
    let written = windlass(&folder, &[&["init"], args].concat());
    assert!(written.ends_with("exit 0\n"), "{written}");
    let text = fs::read_to_string(folder.join("windlass.yaml")).unwrap();
    assert!(printed.contains(&format!("---\n{text}exit 0\n")), "{printed}");
    let graph = windlass(&folder, &["graph"]);
    assert!(graph.ends_with("exit 0\n"), "{graph}");
    expected
        .assert_eq(&printed.replace(said(&folder).as_str(), "/shop").replace("---\n", &format!("---\n{graph}---\n")));
}

fn said(folder: &Path) -> String {
    folder.canonicalize().unwrap().display().to_string()
}

#[test]
fn what_the_dockerfiles_say_is_not_written() {
    check(
        &[("base/Dockerfile", "FROM scratch\n"), ("api/Dockerfile", "FROM base\nCOPY main /\n"), ("api/main", "")],
        &[],
        expect![[r#"
            ---
            note: `base` is taken for the project's image, not for Docker Hub's: api/Dockerfile:1:6
            ---
            base  base/Dockerfile

            api  api/Dockerfile
              FROM base  api/Dockerfile:1:6
            exit 0
            ---
            # What the Dockerfiles here do not say themselves, as `windlass init` found it.
            version: 1
            # The name of this folder, so that a clone elsewhere is called the same.
            project: shop
            exit 0
        "#]],
    );
}

#[test]
fn contexts_names_registry_and_arguments_are_found() {
    check(
        &[
            ("docker/NodeBase/Dockerfile", "FROM debian:12\nCOPY entrypoint.sh /\n"),
            ("docker/NodeBase/entrypoint.sh", ""),
            (
                "docker/Browser/Dockerfile",
                "ARG TAG\nFROM acme/node-base:${TAG}\nCOPY docker/Browser/*.conf shared/ /etc/\n",
            ),
            ("docker/Browser/a.conf", ""),
            ("shared/x", ""),
            ("docker/grid/Dockerfile", "ARG TAG=12\nFROM acme/node-base:${TAG}\nCOPY grid/run /\n"),
            ("docker/grid/run", ""),
            ("docker/emulator/Dockerfile", "ARG NAME\nARG VERSION\nFROM $NAME/android:$VERSION\n"),
            ("ci/lts/Dockerfile", "FROM scratch\n"),
            ("ci/Dockerfile.lts", "FROM scratch\n"),
        ],
        &[],
        expect![[r#"
            ---
            ---
            ci-lts  ci/Dockerfile.lts

            ci-lts-2  ci/lts/Dockerfile

            node-base  docker/NodeBase/Dockerfile
              outside debian:12  docker/NodeBase/Dockerfile:1:6

            browser  docker/Browser/Dockerfile
              FROM node-base  docker/Browser/Dockerfile:2:6

            grid  docker/grid/Dockerfile
              FROM node-base  docker/grid/Dockerfile:2:6
            exit 0
            ---
            # What the Dockerfiles here do not say themselves, as `windlass init` found it.
            version: 1
            # The name of this folder, so that a clone elsewhere is called the same.
            project: shop
            # FROM lines put this before the project's images.
            registry: acme
            # Dockerfiles that can't be planned as they are. Take a line out once its cause is mended.
            ignore:
              # `$NAME/android:$VERSION` needs values of the build arguments `NAME` and `VERSION`
              - /docker/emulator/Dockerfile
            images:
              # FROM wants a value, and other Dockerfiles give this one.
              # What COPY takes is there seen from this context, and not from the Dockerfile's folder.
              browser: { context: ".", dockerfile: docker/Browser/Dockerfile, args: { TAG: "12" } }
              # Several Dockerfiles would have this name.
              ci-lts: { context: ci, dockerfile: Dockerfile.lts }
              ci-lts-2: { context: ci/lts }
              # What COPY takes is there seen from this context, and not from the Dockerfile's folder.
              grid: { context: docker, dockerfile: grid/Dockerfile }
              # docker/Browser/Dockerfile:2:6 calls it so.
              node-base: { context: docker/NodeBase }
            exit 0
        "#]],
    );
}

/// Tags that say the folders' words in another order; `php` is not only the project's.
#[test]
fn what_tags_say_in_other_words_than_folders_is_found() {
    check(
        &[
            ("ros/noetic/ubuntu/focal/ros-core/Dockerfile", "FROM ubuntu:focal\n"),
            ("ros/noetic/ubuntu/focal/ros-base/Dockerfile", "FROM ros:noetic-ros-core-focal\n"),
            ("ros/noetic/ubuntu/focal/desktop/Dockerfile", "ARG D=focal\nFROM ros:noetic-ros-base-$D\n"),
            ("ros/noetic/debian/buster/ros-core/Dockerfile", "FROM debian:buster\n"),
            ("php/8.1/apache/Dockerfile", "FROM php:8.3-apache\n"),
            ("shop/Dockerfile", "FROM php:8.1-apache\nCOPY --from=ros:noetic-ros-core-buster /ros /\n"),
        ],
        &[],
        expect![[r#"
            ---
            note: folders stand before names that several Dockerfiles would have: `buster-ros-core` `focal-ros-core`
            ---
            apache  php/8.1/apache/Dockerfile
              outside php:8.3-apache  php/8.1/apache/Dockerfile:1:6

            buster-ros-core  ros/noetic/debian/buster/ros-core/Dockerfile
              outside debian:buster  ros/noetic/debian/buster/ros-core/Dockerfile:1:6

            focal-ros-core  ros/noetic/ubuntu/focal/ros-core/Dockerfile
              outside ubuntu:focal  ros/noetic/ubuntu/focal/ros-core/Dockerfile:1:6

            ros-base  ros/noetic/ubuntu/focal/ros-base/Dockerfile
              named context focal-ros-core  ros/noetic/ubuntu/focal/ros-base/Dockerfile:1:6

            shop  shop/Dockerfile
              named context buster-ros-core  shop/Dockerfile:2:13
              outside php:8.1-apache  shop/Dockerfile:1:6

            desktop  ros/noetic/ubuntu/focal/desktop/Dockerfile
              named context ros-base  ros/noetic/ubuntu/focal/desktop/Dockerfile:2:6
            exit 0
            ---
            # What the Dockerfiles here do not say themselves, as `windlass init` found it.
            version: 1
            # The name of this folder, so that a clone elsewhere is called the same.
            project: shop
            images:
              # The project's folders make what FROM names in other words.
              desktop: { context: ros/noetic/ubuntu/focal/desktop, contexts: { ros:noetic-ros-base-focal: { image: ros-base } } }
              ros-base: { context: ros/noetic/ubuntu/focal/ros-base, contexts: { ros:noetic-ros-core-focal: { image: focal-ros-core } } }
              shop: { context: shop, contexts: { ros:noetic-ros-core-buster: { image: buster-ros-core } } }
            exit 0
        "#]],
    );
}

#[test]
fn compose_says_what_is_built() {
    check(
        &[
            (".env", "# values\nGO_VERSION=1.26\nDOCKERFILE=./web/Dockerfile\n"),
            (
                "compose.yaml",
                "services:\n  db: { image: postgres }\n  front:\n    build: { context: ., dockerfile: \"${DOCKERFILE}\", args: [GO=$GO_VERSION, UNKNOWN=1] }\n  \
                 worker:\n    build: { context: worker, target: run, args: { MODE: fast, SIZE: \"${SIZE:-1}\" } }\n  slow:\n    \
                 build: { context: worker, target: run, args: { MODE: slow } }\n  gone:\n    build: ${NOWHERE}\n  away: { build: away }\n",
            ),
            ("web/Dockerfile", "ARG GO=1.25\nFROM golang:$GO\nCOPY web/main.go /\n"),
            ("web/main.go", ""),
            ("worker/Dockerfile", "FROM scratch AS run\nARG MODE\nARG SIZE=1\nCOPY Dockerfile /\nFROM scratch\n"),
            ("demo/compose.yml", "services: { web: { build: app } }\n"),
            ("demo/app/Dockerfile", "FROM scratch\n"),
        ],
        &[],
        expect![[r#"
            note: `away` of compose.yaml is passed over: `away/Dockerfile` is not there
            ---
            ---
            app  demo/app/Dockerfile

            front  web/Dockerfile
              outside golang:1.26  web/Dockerfile:2:6

            slow  worker/Dockerfile

            worker  worker/Dockerfile
            exit 0
            ---
            # What the Dockerfiles here do not say themselves, as `windlass init` found it.
            version: 1
            # The name of this folder, so that a clone elsewhere is called the same.
            project: shop
            images:
              # As compose.yaml builds it.
              front: { context: ".", dockerfile: web/Dockerfile, args: { GO: "1.26" } }
              slow: { context: worker, target: run, args: { MODE: slow } }
              worker: { context: worker, target: run, args: { MODE: fast } }
            exit 0
        "#]],
    );
}

const BAKE: &str = r#"
variable "REGISTRY" { default = "ghcr.io/acme" }
variable "TAG" {}
group "default" { targets = ["base", "api"] }
target "_common" {
  context = "."
  args = { GO = "1.26" }
}
target "base" {
  inherits = ["_common"]
  dockerfile = "docker/base.Dockerfile"
  tags = ["${REGISTRY}/base:${TAG}"]
}
target "api" {
  inherits = ["_common"]
  dockerfile = "docker/api.Dockerfile"
  contexts = { root = "target:base", schema = "schema" }
  tags = ["${REGISTRY}/api:1"]
}
target "tool" {
  name = "tool-${kind}"
  matrix = { kind = ["small", "big"] }
  dockerfile = "docker/tool.Dockerfile"
  args = { KIND = kind, DATE = timestamp() }
}
target "elsewhere" { context = "https://example.invalid/repo.git" }
"#;

const BAKED: [(&str, &str); 4] = [
    ("docker/base.Dockerfile", "FROM scratch\nARG GO=1.26\n"),
    ("docker/api.Dockerfile", "FROM root\nARG GO=1.25\nCOPY --from=schema /x /x\n"),
    ("docker/tool.Dockerfile", "FROM scratch\nARG KIND\n"),
    ("schema/x", ""),
];

#[test]
fn bake_says_what_is_built() {
    check(
        &[&BAKED[..], &[("docker-bake.hcl", BAKE)]].concat(),
        &[],
        expect![[r#"
        note: docker-bake.hcl: `tool.args.DATE` can't be known without bake, and is left out
        note: `elsewhere` of docker-bake.hcl is passed over: its context is no folder of the project
        ---
        ---
        base  docker/base.Dockerfile

        tool-big  docker/tool.Dockerfile

        tool-small  docker/tool.Dockerfile

        api  docker/api.Dockerfile
          named context base  docker/api.Dockerfile:1:6
        exit 0
        ---
        # What the Dockerfiles here do not say themselves, as `windlass init` found it.
        version: 1
        # The name of this folder, so that a clone elsewhere is called the same.
        project: shop
        # What is built here is tagged so.
        registry: ghcr.io/acme
        images:
          # As docker-bake.hcl builds it.
          api: { context: ".", dockerfile: docker/api.Dockerfile, args: { GO: "1.26" }, contexts: { root: { image: base }, schema: schema } }
          base: { context: ".", dockerfile: docker/base.Dockerfile }
          tool-big: { context: ".", dockerfile: docker/tool.Dockerfile, args: { KIND: big } }
          tool-small: { context: ".", dockerfile: docker/tool.Dockerfile, args: { KIND: small } }
        exit 0
    "#]],
    );
}

#[test]
fn a_bake_file_that_lies_elsewhere_is_named() {
    let json = r#"{"variable": {"V": {"default": "2"}},
        "target": {"t": {"dockerfile": "docker/tool.Dockerfile", "args": {"KIND": "v${V}"}}, "u": {"context": "${NONE}"}}}"#;
    check(
        &[&BAKED[..], &[("ci/t.json", json)]].concat(),
        &["--from", "ci/t.json"],
        expect![[r#"
        note: `u` of ci/t.json is passed over: its context is no folder of the project
        ---
        ---
        api  docker/api.Dockerfile
          outside root  docker/api.Dockerfile:1:6
          outside schema  docker/api.Dockerfile:3:13

        base  docker/base.Dockerfile

        tool  docker/tool.Dockerfile
        exit 0
        ---
        # What the Dockerfiles here do not say themselves, as `windlass init` found it.
        version: 1
        # The name of this folder, so that a clone elsewhere is called the same.
        project: shop
        images:
          # As ci/t.json builds `t`.
          tool: { context: ".", dockerfile: docker/tool.Dockerfile, args: { KIND: v2 } }
        exit 0
    "#]],
    );
}

#[test]
fn nothing_is_written_over() {
    let parent = shop(&[("a/Dockerfile", "FROM scratch\n"), ("windlass.yaml", "version: 1\nproject: mine\n")]);
    let folder = parent.path().join("shop");
    expect![[r#"
        error: `windlass.yaml` is there already
        hint: `--force` writes it anew, `--print` shows what would be written
        ---
        exit 2
    "#]]
    .assert_eq(&windlass(&folder, &["init"]));
    expect![[r#"
        note: `windlass.yaml` is written; `windlass plan` shows what it makes
        ---
        exit 0
    "#]]
    .assert_eq(&windlass(&folder, &["init", "--force"]));
    let text = fs::read_to_string(folder.join("windlass.yaml")).unwrap();
    assert!(text.contains("project: shop\n"), "{text}");
    expect![[r#"
        error: the file `nowhere.hcl` is not there
        ---
        exit 2
    "#]]
    .assert_eq(&windlass(&folder, &["init", "--print", "--from", "nowhere.hcl"]));
    let parent = shop(&[("README", "")]);
    let folder = parent.path().join("shop");
    expect![[r#"
        error: no Dockerfile was found below `/shop`
        hint: `-C DIR` names the project's root
        ---
        exit 2
    "#]]
    .assert_eq(&windlass(&folder, &["init"]).replace(said(&folder).as_str(), "/shop"));
}
