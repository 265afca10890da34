//! Why an image is not what it was: from the image to the first causes, each down to its line and file.

use std::collections::BTreeMap;

use expect_test::{Expect, expect};
use windlass::model::ImageName;
use windlass::plan::{Details, Facts, Resolved, is_secretive, why};
use windlass::ui::Color;
use windlass::ui::plan_why::{Against, json, why as text};

use crate::sketch::{Sketch, project};

/// `base`; `httpd` on it; `web` on both; `worker` on `web`.
fn shop() -> Vec<Sketch> {
    vec![
        Sketch::new("base", "FROM debian:12\nCOPY . /\n").file("bin/sh*", "1").file("etc/passwd", "2"),
        Sketch::new(
            "httpd",
            "FROM shop/base\nARG PORT\nARG API_TOKEN\nCOPY . /srv/\nRUN serve --on $PORT $API_TOKEN\n",
        )
        .arg("PORT", "80")
        .arg("API_TOKEN", "abc"),
        Sketch::new("web", "FROM shop/httpd\nCOPY --from=shop/base /etc /etc\nRUN a\nRUN b\nRUN c\n"),
        Sketch::new("worker", "FROM shop/web\n"),
    ]
}

fn facts(resolved: &Resolved) -> BTreeMap<ImageName, Facts> {
    resolved.images.iter().map(|image| (image.name.clone(), Facts::of(image))).collect()
}

fn told(image: &str, before: &[Sketch], after: &[Sketch], forget: impl Fn(&mut Facts)) -> String {
    let (before, after) = (project(before).unwrap(), project(after).unwrap());
    let mut then = facts(&before);
    then.values_mut().for_each(forget);
    let explained = why(&image.parse().unwrap(), &facts(&after), &then);
    let path = |name: &ImageName| after.images.iter().find(|i| i.name == *name).unwrap().dockerfile.path();
    text(&explained, &Against::LastBuild, path, Color::Never)
}

#[expect(clippy::needless_pass_by_value, reason = "expect-test's own shape")]
fn check(image: &str, change: impl Fn(&mut Vec<Sketch>), expected: Expect) {
    let mut after = shop();
    change(&mut after);
    expected.assert_eq(&told(image, &shop(), &after, |_| {}));
}

#[test]
fn the_chain_of_parents_leads_to_the_first_causes() {
    check(
        "worker",
        |_| {},
        expect![[r#"
        `worker` is the same as at its last build
    "#]],
    );
    check(
        "base",
        |images| images[3].dockerfile.push_str("RUN x\n"),
        expect![[r#"
        `base` is the same as at its last build
    "#]],
    );
    check(
        "worker",
        |images| images[0].dockerfile.push_str("RUN x\n"),
        expect![[r#"
        `worker` is not the same as at its last build

        worker
          web changed

        web
          base changed
          httpd changed

        base
          base/Dockerfile:3: + RUN x

        httpd
          base changed
    "#]],
    );
    check(
        "worker",
        |images| images[3].dockerfile = "FROM shop/base\n".to_owned(),
        expect![[r#"
        `worker` is not the same as at its last build

        worker
          worker/Dockerfile:1: - FROM shop/web
          worker/Dockerfile:1: + FROM shop/base
          now made from base
          no longer made from web
    "#]],
    );
}

#[test]
fn instructions_are_told_with_their_lines() {
    let web = |text: &'static str| move |images: &mut Vec<Sketch>| images[2].dockerfile = text.to_owned();
    let whole = "FROM shop/httpd\nCOPY --from=shop/base /etc /etc\n";
    assert!(shop()[2].dockerfile.starts_with(whole));
    check(
        "web",
        web("# more\nFROM shop/httpd\nCOPY --from=shop/base /etc /etc\nRUN a\nRUN x\nRUN c\n"),
        expect![[r#"
        `web` is not the same as at its last build

        web
          web/Dockerfile:5: - RUN b
          web/Dockerfile:5: + RUN x
    "#]],
    );
    check(
        "web",
        web("FROM shop/httpd\nCOPY --from=shop/base /etc /etc\nRUN a\nRUN c\n"),
        expect![[r#"
        `web` is not the same as at its last build

        web
          web/Dockerfile:4: - RUN b
    "#]],
    );
    check(
        "web",
        web("FROM shop/httpd\nCOPY --from=shop/base /etc /etc\nRUN z\nRUN a\nRUN b\nRUN c\n"),
        expect![[r#"
        `web` is not the same as at its last build

        web
          web/Dockerfile:3: + RUN z
    "#]],
    );
    check(
        "web",
        web("FROM shop/httpd\nCOPY --from=shop/base /etc /etc\nRUN c\nRUN b\nRUN a\n"),
        expect![[r#"
        `web` is not the same as at its last build

        web
          web/Dockerfile:3: - RUN a
          web/Dockerfile:4: - RUN b
          web/Dockerfile:4: + RUN b
          web/Dockerfile:5: + RUN a
    "#]],
    );
    check(
        "web",
        web("FROM shop/httpd\nCOPY --from=shop/base /etc /etc\nRUN <<E\nlong\nE\nRUN \u{7} b\nRUN c\n"),
        expect![[r#"
            `web` is not the same as at its last build

            web
              web/Dockerfile:3: - RUN a
              web/Dockerfile:3: + RUN <<E long E
              web/Dockerfile:6: - RUN b
              web/Dockerfile:6: + RUN � b
        "#]],
    );
}

#[test]
fn files_arguments_and_bases_are_told_with_what_they_were() {
    check(
        "base",
        |images| {
            images[0].files =
                BTreeMap::from([("bin/sh".to_owned(), "1".to_owned()), ("etc/group".to_owned(), "3".to_owned())]);
            images[0].dockerfile = images[0].dockerfile.replace("debian:12", "debian:13");
        },
        expect![[r#"
            `base` is not the same as at its last build

            base
              base/Dockerfile:1: - FROM debian:12
              base/Dockerfile:1: + FROM debian:13
              file changed: bin/sh
              file added: etc/group
              file removed: etc/passwd
              no longer made from debian:12
              now made from debian:13
        "#]],
    );
    check(
        "httpd",
        |images| {
            images[1].args.insert("PORT".to_owned(), "90\n".to_owned());
            images[1].args.insert("API_TOKEN".to_owned(), "def".to_owned());
        },
        expect![[r#"
            `httpd` is not the same as at its last build

            httpd
              argument API_TOKEN: … -> …
              argument PORT: "80" -> "90\n"
        "#]],
    );
    check(
        "httpd",
        |images| drop(images[1].args.remove("PORT")),
        expect![[r#"
        `httpd` is not the same as at its last build

        httpd
          argument PORT: "80" -> not set
    "#]],
    );
    check(
        "base",
        |images| (0..30).for_each(|n| drop(images[0].files.insert(format!("f{n:02}"), String::new()))),
        expect![[r#"
            `base` is not the same as at its last build

            base
              file added: f00
              file added: f01
              file added: f02
              file added: f03
              file added: f04
              file added: f05
              file added: f06
              file added: f07
              file added: f08
              file added: f09
              file added: f10
              file added: f11
              file added: f12
              file added: f13
              file added: f14
              file added: f15
              file added: f16
              file added: f17
              file added: f18
              file added: f19
              and 10 more files
        "#]],
    );
}

/// An image whose instructions depend on arguments in every way in which they are filled in.
fn with_variables() -> Vec<Sketch> {
    let text = "ARG BASE=debian:12\nFROM $BASE\nARG LEVEL=1\nARG PORT=80\nENV DIR=/srv/$LEVEL\nCOPY . $DIR\n\
        LABEL level=\"$LEVEL\"\nEXPOSE $PORT 443\nONBUILD ADD $LEVEL /\nRUN make\n";
    vec![Sketch::new("web", text).file("page", "1")]
}

#[expect(clippy::needless_pass_by_value, reason = "expect-test's own shape")]
fn check_once(change: impl Fn(&mut Sketch), remembered: Expect, of_label: Expect) {
    let mut after = with_variables();
    change(&mut after[0]);
    remembered.assert_eq(&told("web", &with_variables(), &after, |_| {}));
    of_label.assert_eq(&told("web", &with_variables(), &after, |facts| facts.details = None));
}

#[test]
fn each_cause_is_told_once_whether_it_is_an_edit_or_a_value() {
    let edit = |from: &'static str, to: &'static str| {
        move |sketch: &mut Sketch| sketch.dockerfile = sketch.dockerfile.replace(from, to)
    };
    // A value alone, given or by default: no instruction was edited.
    check_once(
        |sketch| drop(sketch.args.insert("LEVEL".to_owned(), "2".to_owned())),
        expect![[r#"
        `web` is not the same as at its last build

        web
          argument LEVEL: "1" -> "2"
    "#]],
        expect![[r#"
        `web` is not the same as at its last build

        web
          the argument LEVEL changed
    "#]],
    );
    check_once(
        edit("PORT=80", "PORT=81"),
        expect![[r#"
        `web` is not the same as at its last build

        web
          argument PORT: "80" -> "81"
    "#]],
        expect![[r#"
        `web` is not the same as at its last build

        web
          the argument PORT changed
    "#]],
    );
    check_once(
        edit("debian:12", "debian:13"),
        expect![[r#"
        `web` is not the same as at its last build

        web
          argument BASE: "debian:12" -> "debian:13"
          no longer made from debian:12
          now made from debian:13
    "#]],
        expect![[r#"
        `web` is not the same as at its last build

        web
          the argument BASE changed
          no longer made from debian:12
          now made from debian:13
    "#]],
    );
    // An edit alone; what it does to other instructions is no cause.
    check_once(
        edit("DIR=/srv", "DIR=/var"),
        expect![[r#"
        `web` is not the same as at its last build

        web
          web/Dockerfile:5: - ENV DIR=/srv/$LEVEL
          web/Dockerfile:5: + ENV DIR=/var/$LEVEL
    "#]],
        expect![[r#"
        `web` is not the same as at its last build

        web
          the Dockerfile changed
    "#]],
    );
    check_once(
        edit("$PORT 443", "$PORT 444"),
        expect![[r#"
        `web` is not the same as at its last build

        web
          web/Dockerfile:8: - EXPOSE $PORT 443
          web/Dockerfile:8: + EXPOSE $PORT 444
    "#]],
        expect![[r#"
        `web` is not the same as at its last build

        web
          the Dockerfile changed
    "#]],
    );
    // Both.
    let both = |sketch: &mut Sketch| {
        edit("RUN make", "RUN make it")(sketch);
        sketch.args.insert("LEVEL".to_owned(), "2".to_owned());
    };
    check_once(
        both,
        expect![[r#"
        `web` is not the same as at its last build

        web
          web/Dockerfile:10: - RUN make
          web/Dockerfile:10: + RUN make it
          argument LEVEL: "1" -> "2"
    "#]],
        expect![[r#"
        `web` is not the same as at its last build

        web
          the Dockerfile changed
          the argument LEVEL changed
    "#]],
    );
    // Other ways to write the same are none.
    check_once(
        edit("COPY . $DIR", "COPY . ${DIR}"),
        expect![[r#"
        `web` is the same as at its last build
    "#]],
        expect![[r#"
        `web` is the same as at its last build
    "#]],
    );
}

#[test]
fn what_is_not_remembered_is_told_as_far_as_hashes_tell() {
    let mut after = shop();
    after[1].args.insert("PORT".to_owned(), "90".to_owned());
    after[1].files.insert("new".to_owned(), "1".to_owned());
    expect![[r#"
        `worker` is not the same as at its last build

        worker
          web changed

        web
          httpd changed

        httpd
          files changed
          the argument PORT changed
    "#]]
    .assert_eq(&told("worker", &shop(), &after, |facts| facts.details = None));
    let forget_files = |facts: &mut Facts| {
        let Some(Details { folders, .. }) = &mut facts.details else { return };
        folders.clear();
    };
    expect![[r#"
        `httpd` is not the same as at its last build

        httpd
          files changed
          argument PORT: "80" -> "90"
    "#]]
    .assert_eq(&told("httpd", &shop(), &after, forget_files));
    expect![[r#"
        `worker` was never built, as far as this machine and its registry tell
    "#]]
    .assert_eq(&told("worker", &[], &shop(), |_| {}));
}

#[test]
fn no_value_of_what_may_be_a_secret_is_kept() {
    for name in ["NPM_TOKEN", "npm_token", "DB_PASSWORD", "PGPASS", "SSH_PRIVATE", "apikey", "AUTH", "MYSQL_PWD"] {
        assert!(is_secretive(name), "{name}");
    }
    for name in ["VERSION", "RUST", "TARGETARCH", "HTTP_PROXY"] {
        assert!(!is_secretive(name), "{name}");
    }
    let resolved = project(&shop()).unwrap();
    let httpd = &facts(&resolved)[&"httpd".parse().unwrap()];
    assert!(!format!("{httpd:?}").contains("abc"), "{httpd:?}");
}

#[test]
fn programs_are_told_the_same() {
    let mut after = shop();
    after[0].files.insert("new".to_owned(), "1".to_owned());
    after[1].args.insert("PORT".to_owned(), "90".to_owned());
    after[2].dockerfile.push_str("RUN d\n");
    let (before, after) = (project(&shop()).unwrap(), project(&after).unwrap());
    let explained = why(&"web".parse().unwrap(), &facts(&after), &facts(&before));
    let against = Against::Commit { name: "main".to_owned(), id: "1234".repeat(10) };
    let hashes = regex::Regex::new("[0-9a-f]{64}").unwrap();
    let json = serde_json::to_string_pretty(&json(&explained, &against)).unwrap();
    expect![[r#"
        {
          "against": "1234123412341234123412341234123412341234",
          "images": [
            {
              "image": "web",
              "changes": [
                {
                  "change": "instruction",
                  "old": null,
                  "new": {
                    "line": 6,
                    "text": "RUN d"
                  }
                },
                {
                  "change": "reason",
                  "reason": {
                    "kind": "parent_changed",
                    "text": "base changed",
                    "subject": "base",
                    "old": "sha256:…",
                    "new": "sha256:…"
                  }
                },
                {
                  "change": "reason",
                  "reason": {
                    "kind": "parent_changed",
                    "text": "httpd changed",
                    "subject": "httpd",
                    "old": "sha256:…",
                    "new": "sha256:…"
                  }
                }
              ]
            },
            {
              "image": "base",
              "changes": [
                {
                  "change": "file",
                  "context": null,
                  "path": "new",
                  "how": "added"
                }
              ]
            },
            {
              "image": "httpd",
              "changes": [
                {
                  "change": "argument",
                  "name": "PORT",
                  "old": "80",
                  "new": "90"
                },
                {
                  "change": "reason",
                  "reason": {
                    "kind": "parent_changed",
                    "text": "base changed",
                    "subject": "base",
                    "old": "sha256:…",
                    "new": "sha256:…"
                  }
                }
              ]
            }
          ]
        }"#]]
    .assert_eq(&hashes.replace_all(&json, "…"));
}
