//! References replaced where they are written, and nothing else.

use expect_test::{Expect, expect};
use windlass::diag::Span;
use windlass::dockerfile::pin;

use crate::dockerfile::{With, resolved};

/// Replaces every reference that leaves the Dockerfile, and reads the result: each is the new one now.
fn check(text: &str, expected: &Expect) {
    let (before, said) = resolved(text, &With::default());
    assert!(!said.contains("error"), "{said}");
    let replacements: Vec<(Span, String)> =
        before.edges.iter().map(|edge| (edge.span, "pinned@sha256:00".to_owned())).collect();
    let pinned = pin(text, &replacements);
    let (after, said) = resolved(&pinned, &With::default());
    assert!(!said.contains("error"), "{said}");
    assert_eq!(after.edges.len(), before.edges.len());
    assert!(after.edges.iter().all(|edge| edge.reference == "pinned@sha256:00"), "{pinned}");
    expected.assert_eq(&pinned.replace('\r', "␍"));
}

#[test]
fn references_are_replaced_where_they_are_written() {
    check(
        "# c\r\nARG V=1\r\nFROM  debian:${V} \\\r\n  AS a\r\nRUN x  \r\n",
        &expect![[r#"
            # c␍
            ARG V=1␍
            FROM  pinned@sha256:00 \␍
              AS a␍
            RUN x  ␍
        "#]],
    );
    check(
        "\u{feff}from --platform=linux/arm64 \"debian:12\" as a\nFROM a\nFROM scratch\nCOPY --from=1 / /\n",
        &expect![[r#"
            ﻿from --platform=linux/arm64 pinned@sha256:00 as a
            FROM a
            FROM scratch
            COPY --from=1 / /
        "#]],
    );
    check(
        "FROM debi\\\n# c\nan:\\\n12 AS x\n",
        &expect![[r#"
        FROM pinned@sha256:00 AS x
    "#]],
    );
    check(
        "FROM scratch\nCOPY --from=a:1 --from=b:2 x y\n".replace(" --from=b:2", "").as_str(),
        &expect![[r#"
        FROM scratch
        COPY --from=pinned@sha256:00 x y
    "#]],
    );
    check(
        "FROM scratch\nCOPY --from=\"a:1\" x y\nCOPY --from='b':2 x y\nCOPY --from=c\"d:1\" x y\nCOPY --chown=1 --from=d x y\n",
        &expect![[r#"
            FROM scratch
            COPY --from="pinned@sha256:00" x y
            COPY --from=pinned@sha256:00 x y
            COPY --from=pinned@sha256:00 x y
            COPY --chown=1 --from=pinned@sha256:00 x y
        "#]],
    );
    check(
        "FROM scratch\nRUN --mount=type=bind,from=a,target=/x --mount='from=b,target=/y' --mount=target=/z,from=\"c\" \\\n  --mount=target=/w,\\\"from=d\\\" x\n",
        &expect![[r#"
            FROM scratch
            RUN --mount=type=bind,from=pinned@sha256:00,target=/x --mount='from=pinned@sha256:00,target=/y' --mount=target=/z,from="pinned@sha256:00" \
              --mount=target=/w,\"from=pinned@sha256:00\" x
        "#]],
    );
    check(
        "# escape=`\nFROM deb`\nian\nCOPY --from=a`\nb c d\n",
        &expect![[r#"
        # escape=`
        FROM pinned@sha256:00
        COPY --from=pinned@sha256:00 c d
    "#]],
    );
}

#[test]
fn a_trigger_that_runs_twice_is_replaced_once() {
    check(
        "FROM a AS base\nONBUILD COPY --from=tools:1 x y\nFROM base AS one\nFROM base\nCOPY --from=one / /\n",
        &expect![[r#"
            FROM pinned@sha256:00 AS base
            ONBUILD COPY --from=pinned@sha256:00 x y
            FROM base AS one
            FROM base
            COPY --from=one / /
        "#]],
    );
}

#[test]
fn nothing_is_replaced_where_nothing_is_said() {
    for text in ["", "FROM a", "\u{feff}FROM a\r\n# ä"] {
        assert_eq!(pin(text, &[]), text);
    }
}

#[test]
fn spans_that_do_not_lie_in_the_text_are_left_out() {
    let replace = |start, end| (Span::new(start, end), "x".to_owned());
    assert_eq!(pin("äb", &[replace(1, 2), replace(2, 9), replace(3, 2), replace(9, 9)]), "äb");
    assert_eq!(pin("abc", &[replace(1, 2), replace(1, 2), replace(0, 3)]), "x");
    assert_eq!(pin("abc", &[replace(2, 3), replace(0, 1)]), "xbx");
}
