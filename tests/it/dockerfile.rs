//! Reading Dockerfiles: what is said, what it means, and what is wrong with it.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;

use expect_test::{Expect, expect};
use windlass::diag::SourceText;
use windlass::dockerfile::{ResolveInputs, parse, resolve};
use windlass::model::Platform;

/// Reads and resolves, and shows everything that came of it.
fn check(text: &str, target: Option<&str>, args: &[(&str, &str)], expected: &Expect) {
    let source = SourceText::new("Dockerfile", text);
    let parsed = parse(&source);
    let args: BTreeMap<String, String> = args.iter().map(|(n, v)| ((*n).to_owned(), (*v).to_owned())).collect();
    let contexts = BTreeSet::new();
    let platform = Platform::linux_amd64();
    let inputs = ResolveInputs {
        args: &args,
        target,
        target_platform: &platform,
        build_platform: &platform,
        contexts: &contexts,
    };
    let resolved = resolve(&parsed.dockerfile, &inputs);
    let mut shown = String::new();
    for diagnostic in parsed.diagnostics.iter().chain(&resolved.diagnostics) {
        writeln!(shown, "{diagnostic}").unwrap();
    }
    for stage in &resolved.stages {
        writeln!(shown, "stage {} {:?} line {} {}", stage.index, stage.name, stage.line, stage.platform).unwrap();
        for instruction in &stage.instructions {
            writeln!(shown, "  {}", instruction.text).unwrap();
        }
    }
    for edge in &resolved.edges {
        writeln!(shown, "{:?} {} at `{}`", edge.kind, edge.reference, &text[edge.span.range()]).unwrap();
    }
    for source in &resolved.sources {
        writeln!(shown, "{:?} {:?} at `{}`", source.reader, source.what, &text[source.span.range()]).unwrap();
    }
    for (name, value) in &resolved.args {
        writeln!(shown, "arg {name}={value}").unwrap();
    }
    expected.assert_eq(&shown);
}

#[test]
fn a_build_in_two_stages() {
    check(
        "ARG VERSION=1.2\nFROM golang:${VERSION} AS build\nWORKDIR /src\nCOPY . .\nRUN --mount=type=cache,target=/go \\\n    go build   -o /app\n\nFROM scratch\nCOPY --from=build /app /app\nCMD [\"/app\"]\n",
        None,
        &[],
        &expect![[r#"
            stage 0 Some("build") line 2 linux/amd64
              FROM image "golang:1.2"
              WORKDIR "/src"
              COPY "." to "."
              RUN --mount --target="/go" --type="cache" shell "go build -o /app"
            stage 1 None line 8 linux/amd64
              FROM scratch
              COPY --from=stage 0 "/app" to "/app"
              CMD exec "/app"
            From golang:1.2 at `golang:${VERSION}`
            Copy Path(".") at `.`
            arg VERSION=1.2
        "#]],
    );
}
