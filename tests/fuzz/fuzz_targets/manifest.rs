//! Reads any text as a deploy manifest, a policy and a file of dockerup, and writes again what could be read. Run in the
//! project's root, where the manifests of `testdata` are the seeds:
//!
//! ```text
//! mkdir -p tests/fuzz/corpus/manifest
//! RUSTC_BOOTSTRAP=1 cargo fuzz run --fuzz-dir tests/fuzz --sanitizer none manifest \
//!     tests/fuzz/corpus/manifest testdata/manifests -- -max_len=8192 -max_total_time=300
//! ```
#![no_main]

use std::collections::{BTreeMap, BTreeSet};

use libfuzzer_sys::fuzz_target;
use windlass::apply::Desired;
use windlass::diag::{Diagnostic, SourceText};
use windlass::manifest::{self, Externals, Policy};

fuzz_target!(|text: &str| {
    let source = SourceText::new("deploy.json", text);
    match manifest::parse(&source) {
        Err(errors) => assert_places(&errors.0, text),
        Ok(read) => {
            let written = manifest::to_json(&read);
            let again = manifest::parse(&SourceText::new("again.json", written.as_str())).expect("what is written is right");
            assert_eq!(read, again, "what is written says the same");
            // What is in files beside it is not read here.
            let _unread = Desired::new(&read);
        }
    }
    if let Err(errors) = Policy::parse(&source) {
        assert_places(&errors.0, text);
    }
    match manifest::dockerup_containers(&[source.clone()], true) {
        Err(errors) => assert_places(&errors.0, text),
        Ok(read) => {
            assert_places(&read.warnings, text);
            let _checked = manifest::validate_containers(
                None,
                &read.containers,
                &BTreeSet::new(),
                &BTreeMap::new(),
                Externals::Named,
            );
        }
    }
    match manifest::dockerup_conf(&source) {
        Err(errors) => assert_places(&errors.0, text),
        Ok((_, warnings)) => assert_places(&warnings, text),
    }
});

fn assert_places(diagnostics: &[Diagnostic], text: &str) {
    for (location, _) in diagnostics.iter().flat_map(|diagnostic| diagnostic.primary.iter().chain(&diagnostic.related)) {
        assert!(text.get(location.span.range()).is_some(), "{:?} of {} bytes", location.span, text.len());
    }
}
