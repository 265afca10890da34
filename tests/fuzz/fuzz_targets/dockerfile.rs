//! Reads, resolves and pins any text. Run in the project's root, where the Dockerfiles of `testdata` are the seeds:
//!
//! ```text
//! mkdir -p tests/fuzz/corpus/dockerfile
//! RUSTC_BOOTSTRAP=1 cargo fuzz run --fuzz-dir tests/fuzz --sanitizer none dockerfile \
//!     tests/fuzz/corpus/dockerfile testdata/dockerfiles \
//!     -- -dict=tests/fuzz/dockerfile.dict -max_len=4096 -max_total_time=300
//! ```
#![no_main]

use std::collections::{BTreeMap, BTreeSet};

use libfuzzer_sys::fuzz_target;
use windlass::diag::{Diagnostic, SourceText, Span};
use windlass::dockerfile::{ResolveInputs, parse, pin, resolve};
use windlass::model::Platform;

fuzz_target!(|text: &str| {
    let source = SourceText::new("Dockerfile", text);
    let parsed = parse(&source);
    assert_places(&parsed.diagnostics, text);
    for stage in &parsed.dockerfile.stages {
        assert_span(stage.span, text);
        for instruction in &stage.instructions {
            assert_span(instruction.span, text);
        }
    }
    let args = BTreeMap::from([("A".to_owned(), "given".to_owned())]);
    let contexts = BTreeSet::from(["tools".to_owned()]);
    let platform = Platform::linux_amd64();
    let first = parsed.dockerfile.stages.iter().find_map(|stage| stage.name.as_ref());
    for target in [None, first.map(|name| name.text.as_str())] {
        let inputs = ResolveInputs {
            args: &args,
            target,
            target_platform: &platform,
            build_platform: &platform,
            contexts: &contexts,
        };
        let resolved = resolve(&parsed.dockerfile, &inputs);
        assert_places(&resolved.diagnostics, text);
        for source in &resolved.sources {
            assert_span(source.span, text);
        }
        let written = |span: Span| text.get(span.range()).expect("an edge's span lies in the text").to_owned();
        let pins: Vec<(Span, String)> = resolved.edges.iter().map(|edge| (edge.span, written(edge.span))).collect();
        assert_eq!(pin(text, &pins), text, "pinned to what is written");
    }
});

fn assert_span(span: Span, text: &str) {
    assert!(text.get(span.range()).is_some(), "{span:?} of {} bytes", text.len());
}

fn assert_places(diagnostics: &[Diagnostic], text: &str) {
    for diagnostic in diagnostics {
        for (location, _) in diagnostic.primary.iter().chain(&diagnostic.related) {
            assert_span(location.span, text);
        }
    }
}
