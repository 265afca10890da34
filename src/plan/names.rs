//! Which image of the project a reference below its registry means.

use std::collections::{BTreeMap, BTreeSet};

use crate::diag::did_you_mean;
use crate::model::{ImageName, Tag};

/// The images of a project, to be found by what people write for them.
pub(super) struct Names {
    exact: BTreeSet<ImageName>,
    /// Without what parts words: `NodeBase` in a folder's name is `node-base` in a registry.
    plain: BTreeMap<String, Vec<ImageName>>,
    places: Vec<(ImageName, Vec<String>)>,
    /// Which places have a word.
    by_word: BTreeMap<String, Vec<usize>>,
}

impl Names {
    /// Of images with the paths of their Dockerfiles, and of those whose Dockerfiles could not be read.
    pub(super) fn new<'a>(
        images: impl IntoIterator<Item = (&'a ImageName, &'a str)>,
        unreadable: &BTreeSet<ImageName>,
    ) -> Self {
        let mut names =
            Self { exact: unreadable.clone(), plain: BTreeMap::new(), places: Vec::new(), by_word: BTreeMap::new() };
        for (name, path) in images {
            names.exact.insert(name.clone());
            names.plain.entry(plain(name.as_str())).or_default().push(name.clone());
            let words = place(path);
            for word in words.iter().collect::<BTreeSet<_>>() {
                names.by_word.entry(word.clone()).or_default().push(names.places.len());
            }
            names.places.push((name.clone(), words));
        }
        names
    }

    /// Whether the project has an image of this name.
    pub(super) fn has(&self, name: &ImageName) -> bool {
        self.exact.contains(name)
    }

    /// The name that is most like a text.
    pub(super) fn nearest(&self, text: &str) -> Option<&str> {
        did_you_mean(text, self.exact.iter().map(ImageName::as_str))
    }

    /// The image that is called `path:tag` below the project's registry: the one whose Dockerfile lies in a folder
    /// `path/tag`, else the one that is called `path`, else one where the folder has less of a version than the tag,
    /// else one that is called `path` but for what parts the words.
    pub(super) fn find(&self, path: &ImageName, tag: Option<&Tag>) -> Option<&ImageName> {
        let words = words(&format!("{path}/{}", tag.map_or("latest", Tag::as_str)));
        let tagged = |is_same: fn(&str, &str) -> bool| self.at_place(&words, is_same);
        let plainly = || match self.plain.get(&plain(path.as_str())).map(Vec::as_slice) {
            Some([name]) => Some(name),
            _ => None,
        };
        tagged(|folder, said| folder == said)
            .or_else(|| self.exact.get(path))
            .or_else(|| tagged(|folder, said| folder == said || is_less_of_a_version(folder, said)))
            .or_else(plainly)
    }

    /// Whether Dockerfiles lie in folders below one that is called so: `path/3.12`.
    pub(super) fn has_tags_of(&self, path: &ImageName) -> bool {
        let path = words(path.as_str());
        let candidates = path.first().and_then(|word| self.by_word.get(word)).into_iter().flatten();
        candidates.map(|index| &self.places[*index].1).any(|place| place.windows(path.len()).any(|words| words == path))
    }

    /// The image whose place ends with these words, the highest one; none where several are as high.
    fn at_place(&self, words: &[String], is_same: fn(&str, &str) -> bool) -> Option<&ImageName> {
        let candidates = self.by_word.get(words.first()?)?.iter().map(|index| &self.places[*index]);
        let ends = |place: &[String]| {
            let tail = place.len().checked_sub(words.len()).map(|start| &place[start..]);
            tail.is_some_and(|tail| tail.iter().zip(words).all(|(folder, said)| is_same(folder, said)))
        };
        let mut found: Vec<_> = candidates.filter(|(_, place)| ends(place)).collect();
        found.sort_by_key(|(_, place)| place.len());
        match found.as_slice() {
            [(name, _)] => Some(name),
            [(name, first), (_, second), ..] if first.len() < second.len() => Some(name),
            _ => None,
        }
    }
}

/// Whether a folder is called after the beginning of a version: `10.0` for `10.0.11` and `10.0.0-rc.1`.
fn is_less_of_a_version(folder: &str, said: &str) -> bool {
    let is_more = |rest: &str| rest.starts_with(['.', '-']);
    is_version(folder) && is_version(said) && said.strip_prefix(folder).is_some_and(is_more)
}

/// Whether a word is numbers and dots, or so up to a `-`.
fn is_version(word: &str) -> bool {
    let numbers = word.split('-').next().unwrap_or(word);
    !numbers.is_empty() && numbers.chars().all(|c| c.is_ascii_digit() || c == '.')
}

/// Whether a word says that the version before it is none yet.
fn is_preliminary(word: &str) -> bool {
    let word = word.trim_end_matches(|c: char| c.is_ascii_digit() || c == '.');
    matches!(word, "alpha" | "beta" | "ea" | "preview" | "rc")
}

/// The words of the place where a Dockerfile lies: its folders, and what its name says besides that it is one.
fn place(path: &str) -> Vec<String> {
    let (folder, file) = path.rsplit_once('/').unwrap_or(("", path));
    let given = ["Dockerfile", "Containerfile", "dockerfile", "containerfile"].iter().find_map(|plain| {
        let given = file.strip_prefix(plain).or_else(|| file.strip_suffix(plain))?;
        Some(given.trim_matches(['.', '-']))
    });
    words(&format!("{folder}/{}", given.unwrap_or_default()))
}

/// The words of a path or tag; a preliminary version is one.
fn words(text: &str) -> Vec<String> {
    let mut words: Vec<String> = Vec::new();
    for word in text.split(['/', '-']).filter(|word| !word.is_empty()).map(str::to_lowercase) {
        match words.last_mut().filter(|last| is_preliminary(&word) && is_version(last)) {
            Some(version) => version.extend(["-", &word]),
            None => words.push(word),
        }
    }
    words
}

fn plain(text: &str) -> String {
    text.chars().filter(|c| !matches!(c, '-' | '_' | '.')).collect()
}
