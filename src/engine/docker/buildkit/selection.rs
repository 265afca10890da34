//! Which entries of a folder BuildKit asks for. The daemon does not choose: it says what it will look at, and
//! takes what it gets (BuildKit `session/filesync`, fsutil `FollowLinks`).

use std::collections::BTreeSet;

use tonic::metadata::MetadataMap;

use crate::engine::context::{Entry, Kind};
use crate::model::path::{is_below, names};
use crate::model::wildcard::{covers, excludes, name_matches};

/// What of a folder is asked for.
#[derive(Debug, Default)]
pub(super) struct Selection {
    /// Paths that are looked at, symbolic links on the way and at the end followed. None means everything.
    follow: Vec<String>,
    /// Patterns of more that is looked at.
    include: Vec<String>,
    /// Patterns of what is not.
    exclude: Vec<String>,
}

/// A link that leads to more links than this leads nowhere, as for Linux.
const LINKS_AT_MOST: usize = 40;

impl Selection {
    /// Reads the headers of a call.
    pub(super) fn of(metadata: &MetadataMap) -> Self {
        Self {
            follow: values(metadata, "followpaths"),
            include: values(metadata, "include-patterns"),
            exclude: values(metadata, "exclude-patterns"),
        }
    }

    /// The entries that are asked for and the directories above them, in their order. `entries` are a walk's.
    pub(super) fn select<'a>(&self, entries: &'a [Entry]) -> Vec<&'a Entry> {
        let mut followed = BTreeSet::new();
        for path in &self.follow {
            let parts: Vec<Part> = names(path.split('/')).into_iter().map(Part::Pattern).collect();
            Walk { entries, found: &mut followed }.step(entries, &parts, LINKS_AT_MOST);
        }
        let everything = self.include.is_empty() && self.follow.is_empty() || followed.contains("");
        let mut chosen = vec![false; entries.len()];
        // The entries on the way to the current one, and whether all below them is chosen.
        let mut above: Vec<(usize, bool)> = Vec::new();
        for (i, entry) in entries.iter().enumerate() {
            let path = entry.path.as_str();
            while above.last().is_some_and(|(parent, _)| !is_below(path, entries[*parent].path.as_str())) {
                above.pop();
            }
            let whole = everything
                || above.last().is_some_and(|(_, whole)| *whole)
                || followed.contains(path)
                || self.include.iter().any(|pattern| covers(pattern, path));
            if whole && !excludes(&self.exclude, path) {
                chosen[i] = true;
                for (parent, _) in &above {
                    chosen[*parent] = true;
                }
            }
            above.push((i, whole));
        }
        entries.iter().zip(chosen).filter_map(|(entry, chosen)| chosen.then_some(entry)).collect()
    }
}

/// One component of a path that is followed.
#[derive(Clone)]
enum Part {
    /// As somebody wrote it into a Dockerfile.
    Pattern(String),
    /// As a link's target has it.
    Name(String),
}

struct Walk<'a, 'b> {
    entries: &'a [Entry],
    /// Paths of what is found, each standing for all that is below it; the empty one is the folder itself.
    found: &'b mut BTreeSet<&'a str>,
}

impl<'a> Walk<'a, '_> {
    /// Goes on below a directory, of which `below` is all that it holds.
    fn step(&mut self, below: &'a [Entry], parts: &[Part], links_left: usize) {
        let Some((first, rest)) = parts.split_first() else {
            self.found.insert("");
            return;
        };
        let mut i = 0;
        while let Some(entry) = below.get(i) {
            let path = entry.path.as_str();
            let n_below = below[i + 1..].partition_point(|other| is_below(other.path.as_str(), path));
            let inside = &below[i + 1..i + 1 + n_below];
            i += 1 + n_below;
            let (folder, name) = path.rsplit_once('/').unwrap_or(("", path));
            let matches = match first {
                Part::Pattern(pattern) => name_matches(pattern, name),
                Part::Name(wanted) => wanted == name,
            };
            if !matches {
                continue;
            }
            match &entry.kind {
                Kind::Symlink { target } => {
                    self.found.insert(path);
                    if links_left > 0 {
                        let start = if target.starts_with('/') { "" } else { folder };
                        let target = names(start.split('/').chain(target.split('/')));
                        let parts: Vec<Part> = target.into_iter().map(Part::Name).chain(rest.iter().cloned()).collect();
                        self.step(self.entries, &parts, links_left - 1);
                    }
                }
                Kind::Directory if !rest.is_empty() => self.step(inside, rest, links_left),
                Kind::Directory | Kind::File { .. } | Kind::Injected(_) => {
                    if rest.is_empty() {
                        self.found.insert(path);
                    }
                }
            }
        }
    }
}

/// The values of a header. Newer daemons write what is not ASCII as in a URL's query and say so in another header.
fn values(metadata: &MetadataMap, key: &'static str) -> Vec<String> {
    let encoded = metadata.contains_key(format!("{key}-encoded"));
    let text = |bytes: &[u8]| {
        let bytes = if encoded { unescape(bytes) } else { bytes.to_owned() };
        String::from_utf8_lossy(&bytes).into_owned()
    };
    metadata.get_all(key).iter().map(|value| text(value.as_encoded_bytes())).collect()
}

/// Undoes Go's `url.QueryEscape`.
fn unescape(text: &[u8]) -> Vec<u8> {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text;
    while let Some((first, tail)) = rest.split_first() {
        let hex = tail.get(..2).and_then(|hex| std::str::from_utf8(hex).ok());
        let escaped = hex.and_then(|hex| u8::from_str_radix(hex, 16).ok()).filter(|_| *first == b'%');
        bytes.push(escaped.unwrap_or(if *first == b'+' { b' ' } else { *first }));
        rest = if escaped.is_some() { &tail[2..] } else { tail };
    }
    bytes
}

#[cfg(test)]
mod tests {
    use crate::model::BlobId;

    use super::*;

    /// Writes entries as `dir/`, `link>target` and `file`.
    fn entries(text: &str) -> Vec<Entry> {
        let entry = |word: &str| {
            let file = Kind::File { executable: false, size: 0, content: BlobId::from_bytes([0; 20]) };
            let (path, kind) = match (word.strip_suffix('/'), word.split_once('>')) {
                (Some(path), _) => (path, Kind::Directory),
                (_, Some((path, target))) => (path, Kind::Symlink { target: target.to_owned() }),
                _ => (word, file),
            };
            Entry { path: path.parse().unwrap(), kind }
        };
        text.split(' ').map(entry).collect()
    }

    const TREE: &str = "a/ a/b/ a/b/c a/b/d a/e a-x dir1/ dir1/f dir2>a/b l/ l/abs>/a/e l/up>../a l/self>self z";

    fn check(follow: &[&str], include: &[&str], exclude: &[&str], expected: &str) {
        let own = |words: &[&str]| words.iter().map(|word| (*word).to_owned()).collect();
        let selection = Selection { follow: own(follow), include: own(include), exclude: own(exclude) };
        let entries = entries(TREE);
        let chosen: Vec<&str> = selection.select(&entries).iter().map(|entry| entry.path.as_str()).collect();
        assert_eq!(chosen.join(" "), expected, "{follow:?} {include:?} {exclude:?}");
    }

    #[test]
    fn what_is_asked_for_is_sent_and_no_more() {
        let all = "a a/b a/b/c a/b/d a/e a-x dir1 dir1/f dir2 l l/abs l/up l/self z";
        check(&[], &[], &[], all);
        check(&["."], &[], &[], all);
        check(&["/"], &[], &[], all);
        check(&["a/.."], &[], &[], all);
        check(&["z"], &[], &[], "z");
        check(&["nothing"], &[], &[], "");
        check(&["/a/b"], &[], &[], "a a/b a/b/c a/b/d");
        check(&["a*"], &[], &[], "a a/b a/b/c a/b/d a/e a-x");
        check(&["a/b/c/more"], &[], &[], "");
        check(&["../../z"], &[], &[], "z");
        check(&[], &["a/*"], &[], "a a/b a/b/c a/b/d a/e");
        check(&["z"], &["dir1"], &[], "dir1 dir1/f z");
        check(&[], &[], &["a", "l", "dir?"], "a-x z");
        check(&[], &[], &["*", "!a/b/c"], "a a/b a/b/c");
    }

    #[test]
    fn links_are_sent_with_what_they_lead_to() {
        check(&["dir2"], &[], &[], "a a/b a/b/c a/b/d dir2");
        check(&["dir2/c"], &[], &[], "a a/b a/b/c dir2");
        check(&["dir*/c"], &[], &[], "a a/b a/b/c dir2");
        check(&["l/abs"], &[], &[], "a a/e l l/abs");
        check(&["l/up/e"], &[], &[], "a a/e l l/up");
        check(&["l/self"], &[], &[], "l l/self");
    }

    #[test]
    fn headers_beyond_ascii_are_read_in_either_way() {
        let mut metadata = MetadataMap::new();
        metadata.append("followpaths", "gr%C3%BCn+%2B1".parse().unwrap());
        assert_eq!(values(&metadata, "followpaths"), ["gr%C3%BCn+%2B1"]);
        metadata.insert("followpaths-encoded", "1".parse().unwrap());
        assert_eq!(values(&metadata, "followpaths"), ["grün +1"]);
        assert_eq!(unescape(b"%"), b"%");
        assert_eq!(unescape(b"%zz%4"), b"%zz%4");
    }
}
