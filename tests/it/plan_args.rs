//! Build arguments that nothing takes: given on the command line or in windlass.yaml.

use std::path::Path;

use expect_test::{Expect, expect};
use tempfile::TempDir;

use crate::bad_input::write;
use crate::plan::windlass;

/// `base` declares `VERSION`; `api` is made from it; `docs` declares `THEME` in a stage that it does not build.
fn shop() -> TempDir {
    let folder = tempfile::tempdir().unwrap();
    write(
        folder.path(),
        &[
            ("windlass.yaml", "version: 1\nproject: shop\nimages:\n  docs: { target: plain }\n"),
            ("base/Dockerfile", "ARG TAG=12\nFROM debian:$TAG\nARG VERSION\nRUN make $VERSION\n"),
            ("api/Dockerfile", "FROM base\n"),
            ("docs/Dockerfile", "FROM scratch AS plain\nFROM plain AS themed\nARG THEME\nRUN make $THEME\n"),
        ],
    );
    folder
}

fn planned(root: &Path, args: &[&str]) -> String {
    windlass(root, &[&["plan", "-q", "--offline", "--host", "unix:///nowhere"], args].concat())
}

#[expect(clippy::needless_pass_by_value, reason = "expect-test's own shape")]
fn warned(root: &Path, args: &[&str], expected: Expect) {
    let said = windlass(root, &[&["graph"], args].concat());
    expected.assert_eq(said.split("---\n").next().unwrap());
    assert!(said.ends_with("exit 0\n"), "{said}");
}

#[test]
fn arguments_of_the_command_line_that_no_chosen_image_takes_are_told_once() {
    let folder = shop();
    let root = folder.path();
    warned(
        root,
        &["--build-arg", "VERSION=1", "--build-arg", "TAG=13"],
        expect![[r#"
        note: `base` is taken for the project's image, not for Docker Hub's: api/Dockerfile:1:6
    "#]],
    );
    warned(
        root,
        &["--build-arg", "VERSOIN=1", "--build-arg", "OTHER=2"],
        expect![[r#"
        note: `base` is taken for the project's image, not for Docker Hub's: api/Dockerfile:1:6
        warning: no chosen image has a use for the build argument `OTHER`
         |
         = hint: `ARG OTHER` in the Dockerfile declares it; one that none does changes nothing

        warning: no chosen image has a use for the build argument `VERSOIN`
         |
         = hint: did you mean `VERSION`?
    "#]],
    );
    warned(
        root,
        &["--build-arg", "THEME=dark"],
        expect![[r#"
        note: `base` is taken for the project's image, not for Docker Hub's: api/Dockerfile:1:6
        warning: no chosen image has a use for the build argument `THEME`
         |
         = hint: no stage that is built declares it: an `ARG THEME` there does
    "#]],
    );
    // What a chosen image is made from is built with the argument too.
    warned(
        root,
        &["api", "--build-arg", "VERSION=1"],
        expect![[r#"
        note: `base` is taken for the project's image, not for Docker Hub's: api/Dockerfile:1:6
    "#]],
    );
    warned(
        root,
        &["docs", "--build-arg", "VERSION=1"],
        expect![[r#"
        note: `base` is taken for the project's image, not for Docker Hub's: api/Dockerfile:1:6
        warning: no chosen image has a use for the build argument `VERSION`
         |
         = hint: `ARG VERSION` in the Dockerfile declares it; one that none does changes nothing
    "#]],
    );
}

#[test]
fn predefined_arguments_need_no_declaration_and_do_not_count() {
    let folder = shop();
    let plain = planned(folder.path(), &[]);
    let proxies = ["--build-arg", "HTTP_PROXY=http://proxy.test:1", "--build-arg", "no_proxy=*"];
    assert_eq!(planned(folder.path(), &proxies), plain);
    let reproducible = ["--build-arg", "SOURCE_DATE_EPOCH=0"];
    assert_ne!(planned(folder.path(), &reproducible), plain, "timestamps are part of an image");
}

#[test]
fn arguments_of_the_configuration_are_told_where_they_are() {
    let folder = shop();
    let config = "version: 1\nimages:\n  base: { args: { VERSOIN: \"1\", VERSION: \"2\" } }\n  \
        docs: { target: plain, args: { THEME: dark, OTHER: x } }\n";
    write(folder.path(), &[("windlass.yaml", config)]);
    // Given twice, it is the image's own that is told.
    warned(
        folder.path(),
        &["--build-arg", "THEME=light"],
        expect![[r#"
        note: `base` is taken for the project's image, not for Docker Hub's: api/Dockerfile:1:6
        warning: `base/Dockerfile` has no use for the build argument `VERSOIN`
         --> windlass.yaml:3:28
          |
        3 |   base: { args: { VERSOIN: "1", VERSION: "2" } }
          |                            ^^^
          |
          = hint: did you mean `VERSION`?

        warning: `docs/Dockerfile` has no use for the build argument `OTHER`
         --> windlass.yaml:4:54
          |
        4 |   docs: { target: plain, args: { THEME: dark, OTHER: x } }
          |                                                      ^
          |
          = hint: `ARG OTHER` in the Dockerfile declares it; one that none does changes nothing

        warning: `docs/Dockerfile` has no use for the build argument `THEME`
         --> windlass.yaml:4:41
          |
        4 |   docs: { target: plain, args: { THEME: dark, OTHER: x } }
          |                                         ^^^^
          |
          = hint: no stage that is built declares it: an `ARG THEME` there does

        warning: no chosen image has a use for the build argument `THEME`
         |
         = hint: no stage that is built declares it: an `ARG THEME` there does
    "#]],
    );
}
