//! Dockerfiles that are huge or made to take long.

use std::sync::mpsc;
use std::thread;
use std::time::Duration;

use expect_test::{Expect, expect};

use crate::dockerfile::{With, resolved};

/// Reads and resolves, which must be done within a minute even in a slow build on a busy machine: what takes the square
/// of these sizes is not. Shows the first lines that were said.
fn check(text: String, expected: &Expect) {
    let (done, is_done) = mpsc::channel();
    thread::spawn(move || done.send(resolved(&text, &With::default()).1));
    let said = is_done.recv_timeout(Duration::from_secs(60)).expect("it takes too long");
    let first: Vec<String> = said.lines().take(2).map(|line| line.chars().take(120).collect()).collect();
    expected.assert_eq(&first.join("\n"));
}

/// Lines that are made from their number, a megabyte of them.
fn megabyte(line: impl Fn(usize) -> String) -> String {
    let n_bytes = line(10_000).len();
    (0..1_000_000 / n_bytes).map(line).collect()
}

#[test]
fn ten_megabytes_are_read() {
    check(format!("FROM a\nRUN <<E\n{}E\n", format!("{}\n", "0123456789".repeat(6_000)).repeat(160)), &expect![[""]]);
    check(
        format!("FROM a\nRUN {}\n", "x".repeat(10_000_000)),
        &expect!["Dockerfile:2:1: error: a line of 10000004 bytes: Docker takes 65535 at most"],
    );
    check(
        "x".repeat(10_000_000),
        &expect![[r#"
        Dockerfile:1:1: error: a line of 10000000 bytes: Docker takes 65535 at most
        Dockerfile:1:1: error: unknown instruction"#]],
    );
    check(
        format!("FROM a\n{}", "nonsense\n".repeat(1_000_000)),
        &expect![[r#"
        Dockerfile:2:1: error: unknown instruction `nonsense`
        Dockerfile:3:1: error: unknown instruction `nonsense`"#]],
    );
}

#[test]
fn what_grows_with_the_square_does_not_grow_so_here() {
    let chain = |n: usize| format!("FROM s{} AS s{n}\nENV A{n}=\n", n.saturating_sub(1));
    check(megabyte(chain), &expect![[""]]);
    check(megabyte(|n| format!("FROM s AS s{n}\nCOPY --from=x{n} a b\n")), &expect![[""]]);
    check(
        megabyte(|n| format!("FROM $X AS s{n}\n")),
        &expect![[r#"
            Dockerfile:1:6: warning: variable `X` is not defined
            Dockerfile:1:6: error: `$X` needs a value of the build argument `X`"#]],
    );
    check(
        format!("FROM scratch AS s\n{}", megabyte(|n| format!("ONBUILD RUN {n}\n"))) + &"FROM s\n".repeat(100_000),
        &expect![[""]],
    );
    check(megabyte(|n| format!("COPY <<A{n} /x\nA{n}\n")).replacen("COPY", "FROM a\nCOPY", 1), &expect![[""]]);
    check(
        format!("FROM a\nCOPY {} /x\n", "<<A ".repeat(10_000)),
        &expect![[r#"
        Dockerfile:2:6: error: the heredoc `A` is not closed
          hint: end it with a line that says `A` and nothing else"#]],
    );
}

#[test]
fn what_doubles_is_stopped() {
    check(
        format!("FROM scratch\nENV A=0123456789\n{}", "ENV A=$A$A\n".repeat(100)),
        &expect!["Dockerfile:23:7: error: the Dockerfile comes to more than 64 MiB of text"],
    );
    check(
        format!("FROM scratch\nENV A={}\n", "${A:-".repeat(10_000)),
        &expect!["Dockerfile:2:7: error: variables are nested more than 64 deep"],
    );
    let long = "a".repeat(60_000);
    check(
        format!("FROM scratch\nENV A={long}\n{}", "ENV B=${A%%*a*a*a*b}\n".repeat(10_000)),
        &expect!["Dockerfile:19:7: error: the Dockerfile comes to more than 64 MiB of text"],
    );
    check(
        format!("FROM scratch\nENV A={long}\nENV B=${{A#{}}}\n", "*a".repeat(1_000)),
        &expect!["Dockerfile:3:7: error: the pattern has 2000 bytes: 1024 at most"],
    );
}
