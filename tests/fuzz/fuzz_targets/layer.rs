//! Unpacks any bytes as a layer, in a folder in memory, and looks at what is beside it. Run in the project's root:
//!
//! ```text
//! mkdir -p tests/fuzz/corpus/layer
//! RUSTC_BOOTSTRAP=1 cargo fuzz run --fuzz-dir tests/fuzz --sanitizer none layer tests/fuzz/corpus/layer \
//!     -- -max_len=8192 -max_total_time=300
//! ```
#![no_main]

use std::fs;
use std::path::Path;

use libfuzzer_sys::fuzz_target;
use windlass::engine::embedded::layer::{Archive, Limits, Overlay, apply};

const LIMITS: Limits = Limits { bytes: 1 << 20, entries: 64 };

fuzz_target!(|bytes: &[u8]| {
    // Most changes break a checksum: each is mended, so that what follows is looked at.
    let mut mended = bytes.to_vec();
    for block in mended.chunks_exact_mut(512) {
        block[148..156].fill(b' ');
        let sum: u32 = block.iter().map(|byte| u32::from(*byte)).sum();
        block[148..156].copy_from_slice(format!("{sum:06o}\0 ").as_bytes());
    }
    for bytes in [bytes, &mended] {
        let mut archive = Archive::new(bytes);
        while let Ok(Some(_)) = archive.next_entry() {}
        unpack(bytes);
    }
});

fn unpack(bytes: &[u8]) {
    let place = tempfile::tempdir_in("/dev/shm").expect("there is a file system in memory");
    let (inside, outside) = (place.path().join("inside"), place.path().join("outside"));
    fs::create_dir(&inside).expect("the folder is new");
    fs::write(&outside, "mine").expect("the folder is new");
    let _refused = apply(bytes, &inside, Overlay::User, &LIMITS);
    assert_eq!(fs::read(&outside).expect("it is still there"), b"mine");
    assert_eq!(names(place.path()), 2);
}

fn names(folder: &Path) -> usize {
    fs::read_dir(folder).expect("it is still there").count()
}
