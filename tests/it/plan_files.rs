//! Which files count for an image.

use expect_test::{Expect, expect};
use windlass::model::Node;
use windlass::plan::Image;

use crate::sketch::{Sketch, project};

/// The context of the examples in the Dockerfile reference and of BuildKit's own tests, with links and programs.
const FILES: &str = "a.txt b.md run* src/a.txt src/x/b.txt src/x/y/c.txt src/x/y/d.md src/run* docs/home.txt docs/index.md \
    link->src/x deep/link->../src/run up->../../etc/passwd loop->loop";

fn sketch(instructions: &str) -> Sketch {
    let image = Sketch::new("a", &format!("FROM scratch\n{instructions}\n"));
    FILES.split_whitespace().fold(image, |image, file| image.file(file, file))
}

fn show(image: &Image) -> String {
    let entry = |(path, node): (_, &Node)| match node {
        Node::Directory => None,
        Node::File { executable, .. } => Some(format!("{path}{}", if *executable { "*" } else { "" })),
        Node::Symlink { target } => Some(format!("{path}->{target}")),
    };
    let injected = image.injected.iter().map(|file| format!("{}+", file.path));
    let mut shown: Vec<String> = image.context.iter().filter_map(entry).chain(injected).collect();
    shown.sort();
    if shown.is_empty() { "nothing".to_owned() } else { shown.join(" ") }
}

fn image(sketch: Sketch) -> Image {
    *project(&[sketch]).unwrap().images.remove(0)
}

/// What counts, and why all of it does where that is so.
fn counts(sketch: Sketch) -> String {
    let image = image(sketch);
    let why = image.whole_context.as_ref().map_or(String::new(), |why| format!(": {why}"));
    format!("{}{why}\n", show(&image))
}

#[expect(clippy::needless_pass_by_value, reason = "expect-test's own shape")]
fn check(cases: &[&str], expected: Expect) {
    let shown = cases.iter().map(|case| format!("{case}\n  {}", counts(sketch(case))));
    expected.assert_eq(&shown.collect::<String>());
}

#[test]
fn sources_stand_for_files() {
    check(
        &[
            "RUN true",
            "COPY a.txt /",
            "COPY /src/../a.txt ./b.md /",
            "COPY src/x/y /",
            "COPY src/*.txt /",
            "COPY */*.txt /",
            "COPY link/b.txt /",
            "COPY lin[k] /",
            "COPY deep /",
            "COPY deep/link /",
            "COPY nothing* a.txt /",
            "COPY <<a.txt <<EOF /\nx\na.txt\ny\nEOF",
            "ADD https://example.invalid/a.txt git@example.invalid:a.git /",
            "ADD b.md https://example.invalid/a.txt /",
            "RUN --mount=source=docs,target=/m true",
            "RUN --mount=type=cache,target=/m --mount=type=tmpfs,target=/t true",
            "COPY --from=busybox /src /",
        ],
        expect![[r#"
            RUN true
              nothing
            COPY a.txt /
              a.txt
            COPY /src/../a.txt ./b.md /
              a.txt b.md
            COPY src/x/y /
              src/x/y/c.txt src/x/y/d.md
            COPY src/*.txt /
              src/a.txt
            COPY */*.txt /
              docs/home.txt src/a.txt
            COPY link/b.txt /
              link->src/x src/x/b.txt
            COPY lin[k] /
              link->src/x src/x/b.txt src/x/y/c.txt src/x/y/d.md
            COPY deep /
              deep/link->../src/run
            COPY deep/link /
              deep/link->../src/run src/run*
            COPY nothing* a.txt /
              a.txt
            COPY <<a.txt <<EOF /
            x
            a.txt
            y
            EOF
              nothing
            ADD https://example.invalid/a.txt git@example.invalid:a.git /
              nothing
            ADD b.md https://example.invalid/a.txt /
              b.md
            RUN --mount=source=docs,target=/m true
              docs/home.txt docs/index.md
            RUN --mount=type=cache,target=/m --mount=type=tmpfs,target=/t true
              nothing
            COPY --from=busybox /src /
              nothing
        "#]],
    );
}

/// `--parents` and `--exclude` as the Dockerfile reference has them.
#[test]
fn parents_and_excludes_are_minded() {
    check(
        &[
            "COPY --parents ./src/a.txt ./docs/home.txt /p/",
            "COPY --parents ./src/./x/*.txt /p/",
            "COPY --parents ./src/**/*.txt /p/",
            "COPY --parents src/x /p/",
            "COPY --parents src/x* /p/",
            "COPY --parents --exclude=**/*.md src/x /p/",
            "COPY --exclude=*.txt docs /d/",
            "COPY --exclude=**/*.md --exclude=x/y/c* src /d/",
            "COPY --exclude=* --exclude=!x src /d/",
            "COPY --exclude=x --exclude=!x/y src /d/",
            "ADD --exclude=*.md --exclude=*.txt . /d/",
        ],
        expect![[r#"
            COPY --parents ./src/a.txt ./docs/home.txt /p/
              docs/home.txt src/a.txt
            COPY --parents ./src/./x/*.txt /p/
              src/x/b.txt
            COPY --parents ./src/**/*.txt /p/
              src/a.txt src/x/b.txt src/x/y/c.txt
            COPY --parents src/x /p/
              src/x/b.txt src/x/y/c.txt src/x/y/d.md
            COPY --parents src/x* /p/
              src/x/b.txt src/x/y/c.txt src/x/y/d.md
            COPY --parents --exclude=**/*.md src/x /p/
              src/x/b.txt src/x/y/c.txt
            COPY --exclude=*.txt docs /d/
              docs/index.md
            COPY --exclude=**/*.md --exclude=x/y/c* src /d/
              src/a.txt src/run* src/x/b.txt
            COPY --exclude=* --exclude=!x src /d/
              src/x/b.txt src/x/y/c.txt src/x/y/d.md
            COPY --exclude=x --exclude=!x/y src /d/
              src/a.txt src/run* src/x/y/c.txt src/x/y/d.md
            ADD --exclude=*.md --exclude=*.txt . /d/
              deep/link->../src/run docs/home.txt docs/index.md link->src/x loop->loop run* src/a.txt src/run* src/x/b.txt src/x/y/c.txt src/x/y/d.md up->../../etc/passwd
        "#]],
    );
}

/// moby/buildkit#4374
#[test]
fn a_mode_that_is_given_does_not_count() {
    check(
        &[
            "COPY run src/run /",
            "COPY --chmod=755 run src/run /",
            "COPY --chmod=u+x run /",
            "COPY --chmod=644 src /\nCOPY src/run /",
            "ARG MODE=0755\nADD --chmod=$MODE src/run /",
            "RUN --mount=source=run,target=/run run",
        ],
        expect![[r#"
            COPY run src/run /
              run* src/run*
            COPY --chmod=755 run src/run /
              run src/run
            COPY --chmod=u+x run /
              run*
            COPY --chmod=644 src /
            COPY src/run /
              src/a.txt src/run* src/x/b.txt src/x/y/c.txt src/x/y/d.md
            ARG MODE=0755
            ADD --chmod=$MODE src/run /
              src/run
            RUN --mount=source=run,target=/run run
              run*
        "#]],
    );
}

#[test]
fn where_nobody_can_tell_all_of_the_context_counts() {
    let mut shown = String::new();
    let cases = [
        "FROM debian:12\nCOPY $WHERE /\n",
        "# syntax=example.invalid/mine:1\nFROM scratch\n",
        "# syntax=docker/dockerfile:1\nFROM scratch\n",
        "# syntax=mirror.invalid/docker/dockerfile-upstream:master\nFROM scratch\n",
        "FROM python:3-onbuild\n",
        "FROM shop/base\n",
        "FROM shop/idle\n",
        "FROM scratch\nCOPY --from=shop/base / /\n",
    ];
    for case in cases {
        let base = Sketch::new("base", "FROM scratch\nONBUILD COPY . /app\n");
        let idle = Sketch::new("idle", "FROM scratch\nONBUILD RUN true\nONBUILD ADD https://example.invalid/x /\n");
        let image = Sketch::new("a", case).file("x", "1").file("y", "1");
        let resolved = project(&[base, idle, image]).unwrap();
        let image = resolved.images.iter().find(|image| image.name.as_str() == "a").unwrap();
        let why = image.whole_context.as_ref().map_or(String::new(), |why| format!(": {why}"));
        shown.push_str(&format!("{case}  {}{why}\n", show(image)));
    }
    expect![[r#"
        FROM debian:12
        COPY $WHERE /
          x y: the source `$WHERE` in a/Dockerfile:2:6 is not known before the build
        # syntax=example.invalid/mine:1
        FROM scratch
          x y: the frontend `example.invalid/mine:1` may read anything
        # syntax=docker/dockerfile:1
        FROM scratch
          nothing
        # syntax=mirror.invalid/docker/dockerfile-upstream:master
        FROM scratch
          nothing
        FROM python:3-onbuild
          x y: `python:3-onbuild` in a/Dockerfile:1:6 likely has `ONBUILD` instructions that read the context
        FROM shop/base
          x y: the image `base`, named in a/Dockerfile:1:6, has `ONBUILD` instructions that read the context
        FROM shop/idle
          nothing
        FROM scratch
        COPY --from=shop/base / /
          nothing
    "#]]
    .assert_eq(&shown);
}

#[test]
fn files_of_the_configuration_count_where_they_are_read() {
    let with = |instructions: &str, injected: &[&str]| {
        let mut image = sketch(instructions);
        image.injected = injected.iter().map(|path| ((*path).to_owned(), "x".to_owned(), 0o600, 0)).collect();
        counts(image)
    };
    expect![[r#"
        a.txt b.md deep/link->../src/run docs/home.txt docs/index.md key+ link->src/x loop->loop run* src/a.txt+ src/run* src/x/b.txt src/x/y/c.txt src/x/y/d.md up->../../etc/passwd
        src/a.txt+
        new/deep/key+
        new/deep/key+
        new/deep/key+ new/other+
        link+
        b.md
    "#]].assert_eq(
        &[
            with("COPY . /", &["key", "src/a.txt"]),
            with("COPY src/a.txt /", &["key", "src/a.txt"]),
            with("COPY new/deep /", &["new/deep/key", "new/key"]),
            with("COPY n*/*/k* /", &["new/deep/key", "new/key"]),
            with("COPY --exclude=key new /", &["new/deep/key", "new/key", "new/other"]),
            with("COPY link /", &["link"]),
            with("COPY b.md /", &["key"]),
        ]
        .concat(),
    );
    let mut unread = sketch("COPY b.md /");
    unread.injected.push(("key".to_owned(), "x".to_owned(), 0o600, 0));
    let warnings = project(&[unread]).unwrap().warnings;
    assert_eq!(warnings[0].message, "`a/Dockerfile` has no use for the file `key`");
}

#[test]
fn files_and_their_bytes_are_counted() {
    assert_eq!(image(sketch("COPY run a.txt /")).files_and_bytes(), (2, 9));
}
