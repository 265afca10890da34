//! What a folder holds before any file of it was read, and parts of it. Whoever wants a part names places: numbers of
//! entries in the order of their paths, so that a folder with all that is below it is one range.

use std::ops::Range;

use super::path::is_below;
use super::path_patterns::PathPatterns;
use super::tree::{TreePath, walk_order};

/// One entry of a folder whose content was not read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Sight {
    /// A directory.
    Directory,
    /// A regular file.
    File,
    /// A symbolic link.
    Symlink {
        /// Where it points, as it is stored.
        target: String,
    },
    /// What no image can hold, or may not be looked at: who wants it is told why, and nobody else.
    Refused(Box<Refusal>),
}

/// Why something can't be part of an image.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Refusal {
    /// What is wrong, in the words of a diagnostic.
    pub message: String,
    /// What to do about it.
    pub hint: Option<String>,
}

/// The entries of a folder in the order of their paths; every directory that holds an entry is an entry too.
#[derive(Debug, Clone, Default)]
pub struct Listing {
    entries: Vec<(TreePath, Sight)>,
    /// The places of what is refused.
    refused: Vec<usize>,
    /// Why there are no entries.
    refusal: Option<Refusal>,
    shown: String,
    hidden: PathPatterns,
}

impl Listing {
    /// Puts entries in order, the first where two have one path, and adds the directories that they need: an exception
    /// to `.dockerignore` may lie in a folder that is ignored itself.
    pub fn new(mut entries: Vec<(TreePath, Sight)>) -> Self {
        if !entries.is_sorted_by(|(one, _), (other, _)| one < other) {
            entries.sort_by(|(one, _), (other, _)| one.cmp(other));
            entries.dedup_by(|(later, _), (earlier, _)| later == earlier);
        }
        let folder_is_there = |pair: &[(TreePath, Sight)]| {
            let (last, folder) = (pair[0].0.as_str(), pair[1].0.folders().last());
            folder.is_none_or(|folder| last == folder || is_below(last, folder))
        };
        let first_is_top = entries.first().is_none_or(|(path, _)| path.folders().next().is_none());
        if first_is_top && entries.windows(2).all(folder_is_there) {
            return Self::of_all(entries);
        }
        let mut all: Vec<(TreePath, Sight)> = Vec::with_capacity(entries.len());
        for (path, sight) in entries {
            let last = all.last().map_or("", |(last, _)| last.as_str());
            let is_there = |folder: &str| last == folder || is_below(last, folder);
            let missing: Vec<TreePath> = path.folders().filter(|folder| !is_there(folder)).map(plain).collect();
            all.extend(missing.into_iter().map(|folder| (folder, Sight::Directory)));
            all.push((path, sight));
        }
        Self::of_all(all)
    }

    /// A folder that can't be listed at all.
    pub fn refused(refusal: Refusal) -> Self {
        Self { refusal: Some(refusal), ..Self::default() }
    }

    fn of_all(entries: Vec<(TreePath, Sight)>) -> Self {
        let refused = entries.iter().enumerate().filter(|(_, (_, sight))| matches!(sight, Sight::Refused(_)));
        Self { refused: refused.map(|(place, _)| place).collect(), entries, ..Self::default() }
    }

    /// Why the folder can't be listed, where that is so.
    pub fn refusal(&self) -> Option<&Refusal> {
        self.refusal.as_ref()
    }

    /// The same without the entry at a path.
    #[must_use]
    pub fn without(mut self, path: &TreePath) -> Self {
        if self.refusal.is_none() && self.find(path.as_str()).is_some() {
            self.entries.retain(|(other, _)| other != path);
            let Self { shown, hidden, .. } = self;
            return Self { shown, hidden, ..Self::of_all(self.entries) };
        }
        self
    }

    /// The same with what the user calls the folder, empty for the project's root, and the patterns of what is left out.
    #[must_use]
    pub fn called(self, shown: &str, hidden: PathPatterns) -> Self {
        Self { shown: shown.to_owned(), hidden, ..self }
    }

    /// What the user calls the folder; empty for the project's root.
    pub fn shown(&self) -> &str {
        &self.shown
    }

    /// Whether something at this path would be left out.
    pub fn hides(&self, path: &str) -> bool {
        self.hidden.matches_from_the_root(path)
    }

    /// The places of what is refused within a range.
    pub fn refused_in(&self, range: &Range<usize>) -> &[usize] {
        let start = self.refused.partition_point(|place| *place < range.start);
        let end = self.refused.partition_point(|place| *place < range.end);
        self.refused.get(start..end).unwrap_or_default()
    }

    /// The entries in the order of their paths.
    pub fn entries(&self) -> &[(TreePath, Sight)] {
        &self.entries
    }

    /// The entries at these places, to be made into something else.
    pub fn into_wanted(self, places: &Ranges) -> Vec<(TreePath, Sight)> {
        let (mut entries, mut at) = (self.entries.into_iter(), 0);
        let mut wanted = Vec::with_capacity(places.len());
        for range in places.iter() {
            wanted.extend(entries.by_ref().skip(range.start - at).take(range.len()));
            at = range.end;
        }
        wanted
    }

    /// The place of a path.
    pub fn find(&self, path: &str) -> Option<usize> {
        self.entries.binary_search_by(|(other, _)| walk_order(other.as_str(), path)).ok()
    }

    /// The places of all that is below a folder, which need not be an entry; the empty path is the root.
    pub fn below(&self, folder: &str) -> Range<usize> {
        if folder.is_empty() {
            return 0..self.entries.len();
        }
        let start = self.entries.partition_point(|(path, _)| walk_order(path.as_str(), folder).is_le());
        let below = self.entries[start..].partition_point(|(path, _)| is_below(path.as_str(), folder));
        start..start + below
    }

    /// The names of what is in a folder itself.
    pub fn names(&self, folder: &str) -> Vec<&str> {
        let Range { mut start, end } = self.below(folder);
        let mut names = Vec::new();
        while start < end {
            let (path, sight) = &self.entries[start];
            names.push(path.as_str().rsplit_once('/').map_or(path.as_str(), |(_, name)| name));
            start += 1;
            if *sight == Sight::Directory {
                start += self.entries[start..end].partition_point(|(other, _)| is_below(other.as_str(), path.as_str()));
            }
        }
        names
    }
}

fn plain(folder: &str) -> TreePath {
    folder.parse().expect("what a plain path begins with is plain")
}

/// Places of a listing: ranges in order, none of which touches another.
#[derive(Debug, Clone, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct Ranges(Vec<(usize, usize)>);

impl Ranges {
    /// The places in order.
    pub fn places(&self) -> impl Iterator<Item = usize> {
        self.0.iter().flat_map(|(start, end)| *start..*end)
    }

    /// The ranges in order.
    pub fn iter(&self) -> impl Iterator<Item = Range<usize>> {
        self.0.iter().map(|(start, end)| *start..*end)
    }

    /// Whether a place is among them.
    pub fn contains(&self, place: usize) -> bool {
        let after = self.0.partition_point(|(start, _)| *start <= place);
        after > 0 && place < self.0[after - 1].1
    }

    /// How many places there are.
    pub fn len(&self) -> usize {
        self.0.iter().map(|(start, end)| end - start).sum()
    }

    /// Whether there is no place.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// These places without those.
    #[must_use]
    pub fn without(&self, others: &Self) -> Self {
        let (mut left, mut next) = (Vec::new(), 0);
        for &(mut start, end) in &self.0 {
            while others.0.get(next).is_some_and(|(_, to)| *to <= start) {
                next += 1;
            }
            let cuts = others.0[next..].iter().take_while(|(from, _)| *from < end);
            for &(from, to) in cuts {
                if start < from {
                    left.push((start, from));
                }
                start = to;
            }
            if start < end {
                left.push((start, end));
            }
        }
        Self(left)
    }

    /// Where places that are among these come to lie when all others are thrown away.
    pub fn closed_up(&self) -> impl Fn(Range<usize>) -> Range<usize> {
        let mut kept = 0;
        let mut ranks = Vec::with_capacity(self.0.len());
        for (start, end) in &self.0 {
            ranks.push((*start, kept));
            kept += end - start;
        }
        move |range: Range<usize>| {
            let (start, rank) = ranks[ranks.partition_point(|(start, _)| *start <= range.start) - 1];
            rank + range.start - start..rank + range.end - start
        }
    }
}

impl From<Range<usize>> for Ranges {
    fn from(range: Range<usize>) -> Self {
        Self::from_iter(std::iter::once(range))
    }
}

impl FromIterator<Range<usize>> for Ranges {
    fn from_iter<T: IntoIterator<Item = Range<usize>>>(ranges: T) -> Self {
        let mut ranges: Vec<(usize, usize)> =
            ranges.into_iter().filter(|range| !range.is_empty()).map(|range| (range.start, range.end)).collect();
        ranges.sort_unstable();
        let mut merged: Vec<(usize, usize)> = Vec::new();
        for (start, end) in ranges {
            match merged.last_mut() {
                Some((_, last)) if start <= *last => *last = end.max(*last),
                _ => merged.push((start, end)),
            }
        }
        Self(merged)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn listing(paths: &str) -> Listing {
        let entry = |path: &str| match path.strip_suffix('/') {
            Some(folder) => (folder.parse().unwrap(), Sight::Directory),
            None => (path.parse().unwrap(), Sight::File),
        };
        Listing::new(paths.split(' ').map(entry).collect())
    }

    #[test]
    fn a_folder_is_one_range_and_brings_the_folders_it_lies_in() {
        let listing = listing("b/c/d a/x a-b a/y/z b/c-d a/y/");
        let paths: Vec<&str> = listing.entries().iter().map(|(path, _)| path.as_str()).collect();
        assert_eq!(paths, ["a", "a/x", "a/y", "a/y/z", "a-b", "b", "b/c", "b/c/d", "b/c-d"]);
        assert_eq!(listing.find("a-b"), Some(4));
        assert_eq!(listing.find("a/z"), None);
        assert_eq!((listing.below("a"), listing.below("b/c"), listing.below("")), (1..4, 7..8, 0..9));
        assert_eq!((listing.below("a/x"), listing.below("nothing").len()), (2..2, 0));
        assert_eq!(listing.names(""), ["a", "a-b", "b"]);
        assert_eq!(listing.names("a"), ["x", "y"]);
        assert_eq!(listing.names("nothing"), Vec::<&str>::new());
    }

    fn ranges(text: &str) -> Ranges {
        let range = |word: &str| word.split_once('-').map(|(start, end)| start.parse().unwrap()..end.parse().unwrap());
        text.split(' ').filter_map(range).collect()
    }

    #[test]
    fn ranges_are_sets() {
        assert_eq!(ranges("5-7 1-3 2-4 7-7"), ranges("1-4 5-7"));
        assert_eq!(ranges("1-3 3-5"), ranges("1-5"));
        let cases = [
            ("0-9", "2-3 5-7", "0-2 3-5 7-9"),
            ("0-2 4-6 8-9", "1-5", "0-1 5-6 8-9"),
            ("0-2 4-6", "0-9", ""),
            ("3-4", "0-1 5-6", "3-4"),
            ("0-3 5-6", "3-5", "0-3 5-6"),
        ];
        for (these, those, left) in cases {
            assert_eq!(ranges(these).without(&ranges(those)), ranges(left), "{these} without {those}");
        }
        let kept = ranges("2-4 7-9");
        assert_eq!((kept.len(), kept.contains(3), kept.contains(4), kept.contains(0)), (4, true, false, false));
        assert_eq!((kept.closed_up()(3..4), kept.closed_up()(7..9)), (1..2, 2..4));
    }
}
