//! The hashes of single inputs: instructions, build arguments, injected files.

use crate::model::{ContentHash, InjectedFile, TestSpec};

use super::InputHash;
use super::feed::Feed;

/// Hashes instructions, each in its canonical form: expanded, comments and white space aside, heredoc bodies
/// included.
pub fn instructions<'a>(canonical: impl IntoIterator<Item = &'a str>) -> InputHash {
    let mut feed = Feed::new("instructions");
    let mut count = 0;
    for instruction in canonical {
        feed.text(instruction);
        count += 1;
    }
    feed.count(count);
    InputHash::from_bytes(feed.finish())
}

/// Hashes the value of a build argument: whoever may read an image's labels is told no value, which can be a secret.
pub fn argument(name: &str, value: &str) -> InputHash {
    let mut feed = Feed::new("argument");
    feed.text(name);
    feed.text(value);
    InputHash::from_bytes(feed.finish())
}

/// Hashes what is asked of an image with this content hash: no input of the image, but of the word that it is tested.
pub fn tests(content: &ContentHash, tests: &TestSpec) -> InputHash {
    let mut feed = Feed::new("tests");
    feed.bytes(content.digest().as_bytes());
    // Names every field; should its form ever be another, all that comes of it is that tests run once more.
    feed.text(&format!("{tests:?}"));
    InputHash::from_bytes(feed.finish())
}

/// Hashes one injected file: owner, mode and content.
pub fn injected(file: &InjectedFile) -> InputHash {
    // The path is the key under which the fingerprint keeps the hash.
    let InjectedFile { path: _, content, mode, uid, gid } = file;
    let mut feed = Feed::new("injected file");
    feed.bytes(content);
    feed.number(u64::from(*mode));
    feed.number(u64::from(*uid));
    feed.number(u64::from(*gid));
    InputHash::from_bytes(feed.finish())
}
