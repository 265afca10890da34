//! Reads any bytes as EC2 user-data, and what they turn out to be. Run in the project's root:
//!
//! ```text
//! mkdir -p tests/fuzz/corpus/user_data
//! RUSTC_BOOTSTRAP=1 cargo fuzz run --fuzz-dir tests/fuzz --sanitizer none user_data \
//!     tests/fuzz/corpus/user_data testdata/manifests -- -max_len=16384 -max_total_time=300
//! ```
#![no_main]

use libfuzzer_sys::fuzz_target;
use windlass::diag::Diagnostic;
use windlass::manifest::{self, UserData};

fuzz_target!(|bytes: &[u8]| match manifest::user_data(bytes) {
    Err(errors) => assert_places(&errors.0),
    Ok(UserData::Manifest(text)) => {
        if let Err(errors) = manifest::parse(&text) {
            assert_places(&errors.0);
        }
    }
    Ok(UserData::Dockerup(text)) => match manifest::dockerup_containers(&[text], true) {
        Err(errors) => assert_places(&errors.0),
        Ok(read) => assert_places(&read.warnings),
    },
    Ok(UserData::Address(address)) => assert!(!address.contains(char::is_whitespace)),
});

/// Each place is in its text, and no text is shown.
fn assert_places(diagnostics: &[Diagnostic]) {
    for (location, _) in diagnostics.iter().flat_map(|diagnostic| diagnostic.primary.iter().chain(&diagnostic.related)) {
        assert!(location.source.is_secret() && location.source.text().get(location.span.range()).is_some());
    }
}
