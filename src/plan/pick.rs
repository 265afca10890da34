//! Which entries of a context the sources of `COPY`, `ADD` and bind mounts stand for (moby/buildkit, `dispatchCopy` and
//! `solver/llbsolver/file`; tonistiigi/fsutil, `copy`). A path is followed through symbolic links, and each link counts
//! with what it leads to; links below a directory that is copied stay links.

use std::collections::BTreeSet;

use crate::dockerfile::{ContextSource, Reader, SourceKind};
use crate::model::path::{is_below, names};
use crate::model::wildcard::{has_wildcard, name_matches};
use crate::model::{Listing, MatchedAbove, PathPatterns, Ranges, Refusal, Sight, TreePath};

/// A path that leads through more links than this leads nowhere (containerd/continuity, `fs.RootPath`).
const LINKS_AT_MOST: usize = 255;

/// What one image gets of one context.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Picked {
    /// The places in the listing.
    pub(super) places: Ranges,
    /// Those of them whose mode does not count, as it is given by `--chmod`.
    pub(super) modeless: Ranges,
    /// The injected files.
    pub(super) injected: BTreeSet<TreePath>,
    /// Why some of it can't be part of an image, each with the source that wants it.
    pub(super) refused: Vec<(Refusal, usize)>,
    /// The sources that lead to nothing, each with the path that does.
    pub(super) missing: Vec<(usize, String)>,
}

/// The whole of a context.
pub(super) fn everything(listing: &Listing, injected: &BTreeSet<&TreePath>) -> Picked {
    let mut pick = Pick::new(listing, injected);
    pick.all_of("");
    pick.finish()
}

/// What the sources stand for, the injected files being there in the place of what the listing has.
pub(super) fn pick(listing: &Listing, injected: &BTreeSet<&TreePath>, sources: &[ContextSource]) -> Picked {
    let mut pick = Pick::new(listing, injected);
    for (number, source) in sources.iter().enumerate() {
        pick.number = number;
        pick.modeless = source.reader != Reader::Mount && source.chmod.as_deref().is_some_and(is_octal);
        if let SourceKind::Path(path) = &source.what {
            pick.source(path, source);
        }
    }
    pick.finish()
}

/// Whether a mode is given whatever it was before; `u+x` is not.
fn is_octal(mode: &str) -> bool {
    mode.bytes().all(|byte| byte.is_ascii_digit())
}

struct Pick<'a> {
    listing: &'a Listing,
    injected: &'a BTreeSet<&'a TreePath>,
    /// Which source is being picked.
    number: usize,
    /// Whether the modes of what is picked do not count.
    modeless: bool,
    /// The places that were picked, and whether their mode does not count.
    places: Vec<(std::ops::Range<usize>, bool)>,
    picked: BTreeSet<TreePath>,
    refused: BTreeSet<(usize, usize)>,
    root_refused: Option<usize>,
    missing: Vec<(usize, String)>,
}

/// Why a path leads to nothing.
enum Lost {
    Nowhere,
    /// At this path there is something that can't be part of an image.
    Refused(String),
}

/// What stands at a path.
enum Found<'a> {
    Nothing,
    Directory,
    File,
    Symlink(&'a str),
    Refused,
}

impl<'a> Pick<'a> {
    fn new(listing: &'a Listing, injected: &'a BTreeSet<&'a TreePath>) -> Self {
        Self {
            listing,
            injected,
            number: 0,
            modeless: false,
            places: Vec::new(),
            picked: BTreeSet::new(),
            refused: BTreeSet::new(),
            root_refused: None,
            missing: Vec::new(),
        }
    }

    fn finish(self) -> Picked {
        let entries = self.listing.entries();
        let mut refused = self.root_refused.and_then(|number| Some((self.listing.refusal()?.clone(), number)));
        let hidden: Ranges =
            self.injected.iter().filter_map(|path| self.listing.find(path.as_str())).map(one).collect();
        let places = |modeless: bool| {
            let picked = self.places.iter().filter(|(_, is)| *is == modeless).map(|(range, _)| range.clone());
            picked.collect::<Ranges>().without(&hidden)
        };
        let (counting, modeless) = (places(false), places(true));
        let refused = self
            .refused
            .iter()
            .filter_map(|(place, number)| match &entries[*place].1 {
                Sight::Refused(refusal) => Some((Refusal::clone(refusal), *number)),
                Sight::Directory | Sight::File | Sight::Symlink { .. } => None,
            })
            .chain(refused.take())
            .collect();
        Picked {
            places: counting.iter().chain(modeless.iter()).collect(),
            modeless: modeless.without(&counting),
            injected: self.picked,
            refused,
            missing: self.missing,
        }
    }

    /// Picks what one source stands for.
    fn source(&mut self, path: &str, source: &ContextSource) {
        if source.reader == Reader::Mount {
            if let Some(found) = self.expect(&components(path)) {
                self.all_of(&found);
            }
            return;
        }
        let (base, include) = match path.split_once("/./").filter(|_| source.parents) {
            Some((base, pattern)) => (base, Some(pattern)),
            None if source.parents => ("", Some(path)),
            None => (path, None),
        };
        let mut filter = Filter::default();
        // What no engine takes is said where the Dockerfile is read, or by the engine.
        let _good = include.map(|include| filter.include.push(&components(include).join("/")));
        for exclude in &source.excludes {
            let _good = filter.exclude.push(exclude);
        }
        // A path of `--parents` without any wildcard has to be there; BuildKit follows it to see.
        if include.is_some() && !components(path).iter().any(|part| has_wildcard(part)) {
            self.expect(&components(path));
        }
        for path in self.matches(base) {
            match self.look(&path) {
                Found::Directory if !filter.is_idle() => self.filtered(&path, &filter),
                Found::Directory | Found::File => self.all_of(&path),
                Found::Nothing | Found::Symlink(_) | Found::Refused => {}
            }
        }
    }

    /// The paths that a pattern stands for, their links followed. What comes before the first wildcard is followed
    /// too; links between the wildcards are not.
    fn matches(&mut self, pattern: &str) -> Vec<String> {
        let parts = components(pattern);
        let n_plain = parts.iter().take_while(|part| !has_wildcard(part)).count();
        let Some(base) = self.expect(&parts[..n_plain]) else { return Vec::new() };
        if n_plain < parts.len() && matches!(self.look(&base), Found::File) {
            self.missing.push((self.number, parts.join("/")));
        }
        let mut paths = vec![base];
        for (i, part) in parts.iter().enumerate().skip(n_plain) {
            let is_last = i + 1 == parts.len();
            let mut next = Vec::new();
            for folder in paths {
                let names = self.names(&folder);
                let below = names.into_iter().filter(|name| name_matches(part, name)).map(|name| join(&folder, &name));
                let below: Vec<String> = below.collect();
                for path in below {
                    match self.look(&path) {
                        _ if is_last => next.extend(self.expect(&components(&path))),
                        Found::Directory => next.push(path),
                        Found::Refused => self.refuse(&path),
                        Found::Nothing | Found::File | Found::Symlink(_) => {}
                    }
                }
            }
            paths = next;
        }
        paths
    }

    /// Where a path leads that has to lead somewhere: if it does not, that is noted.
    fn expect(&mut self, parts: &[String]) -> Option<String> {
        match self.follow(parts) {
            Ok(path) => return Some(path),
            Err(Lost::Nowhere) => self.missing.push((self.number, parts.join("/"))),
            Err(Lost::Refused(path)) => self.refuse(&path),
        }
        None
    }

    /// Where a path leads, every link on the way picked. Nothing leads out of the context.
    fn follow(&mut self, parts: &[String]) -> Result<String, Lost> {
        if self.listing.refusal().is_some() && !parts.is_empty() {
            self.root_refused.get_or_insert(self.number);
        }
        let mut links_left = LINKS_AT_MOST;
        let mut at = String::new();
        let mut rest: Vec<String> = parts.iter().rev().cloned().collect();
        while let Some(part) = rest.pop() {
            match part.as_str() {
                "" | "." => continue,
                ".." => {
                    at.truncate(at.rfind('/').unwrap_or(0));
                    continue;
                }
                _ => {}
            }
            let next = join(&at, &part);
            match self.look(&next) {
                Found::Directory => at = next,
                Found::File if rest.is_empty() => at = next,
                Found::Nothing | Found::File => return Err(Lost::Nowhere),
                Found::Refused => return Err(Lost::Refused(next)),
                Found::Symlink(target) => {
                    links_left = links_left.checked_sub(1).ok_or(Lost::Nowhere)?;
                    if target.starts_with('/') {
                        at.clear();
                    }
                    rest.extend(target.split('/').rev().map(str::to_owned));
                    self.entry(&next);
                }
            }
        }
        Ok(at)
    }

    fn look(&self, path: &str) -> Found<'a> {
        if path.is_empty() {
            return Found::Directory;
        }
        if self.injected.iter().any(|injected| injected.as_str() == path) {
            return Found::File;
        }
        match self.listing.find(path).map(|place| &self.listing.entries()[place].1) {
            Some(Sight::Directory) => Found::Directory,
            Some(Sight::File) => Found::File,
            Some(Sight::Symlink { target }) => Found::Symlink(target),
            Some(Sight::Refused(_)) => Found::Refused,
            None if self.injected.iter().any(|injected| is_below(injected.as_str(), path)) => Found::Directory,
            None => Found::Nothing,
        }
    }

    /// The names of what is in a folder, injected files and their folders included.
    fn names(&mut self, folder: &str) -> BTreeSet<String> {
        if folder.is_empty() && self.listing.refusal().is_some() {
            self.root_refused.get_or_insert(self.number);
        }
        let injected = self.injected.iter().filter(|path| is_below(path.as_str(), folder)).map(|path| {
            let below = path.as_str()[folder.len()..].trim_start_matches('/');
            below.split('/').next().unwrap_or_default().to_owned()
        });
        injected.chain(self.listing.names(folder).into_iter().map(str::to_owned)).collect()
    }

    /// Picks a file, or a directory with all that is below it.
    fn all_of(&mut self, path: &str) {
        self.entry(path);
        let below = self.listing.below(path);
        self.refused.extend(self.listing.refused_in(&below).iter().map(|place| (*place, self.number)));
        self.places.push((below, self.modeless));
        let injected = self.injected.iter().filter(|injected| is_below(injected.as_str(), path));
        self.picked.extend(injected.map(|injected| (*injected).clone()));
    }

    /// Picks the entry at a path and the folders that it lies in.
    fn entry(&mut self, path: &str) {
        if path.is_empty() {
            if self.listing.refusal().is_some() {
                self.root_refused.get_or_insert(self.number);
            }
            return;
        }
        let folders = path.match_indices('/').map(|(end, _)| &path[..end]);
        let places: Vec<usize> = folders.chain([path]).filter_map(|path| self.listing.find(path)).collect();
        self.places.extend(places.into_iter().map(|place| (one(place), self.modeless)));
        self.picked
            .extend(self.injected.iter().filter(|injected| injected.as_str() == path).map(|path| (*path).clone()));
    }

    fn refuse(&mut self, path: &str) {
        self.refused.extend(self.listing.find(path).map(|place| (place, self.number)));
    }

    /// Picks what the filter leaves of a directory.
    fn filtered(&mut self, base: &str, filter: &Filter) {
        self.entry(base);
        let mut folders = vec![(base.to_owned(), MatchedAbove::default(), MatchedAbove::default())];
        while let Some((folder, included_above, excluded_above)) = folders.pop() {
            for name in self.names(&folder) {
                let path = join(&folder, &name);
                let seen = path[base.len()..].trim_start_matches('/').to_owned();
                let (includes, included) = filter.include.matches_folder(&seen, &included_above);
                let (excludes, excluded) = filter.exclude.matches_folder(&seen, &excluded_above);
                let wanted = (includes || filter.include.is_empty()) && !excludes;
                let found = self.look(&path);
                match found {
                    Found::Directory => {
                        if wanted {
                            self.entry(&path);
                        }
                        if !excludes || filter.exclude.has_exceptions_below(&seen) {
                            folders.push((path, included, excluded));
                        }
                    }
                    Found::Refused if wanted => self.refuse(&path),
                    Found::File | Found::Symlink(_) if wanted => self.entry(&path),
                    Found::File | Found::Symlink(_) | Found::Refused | Found::Nothing => {}
                }
            }
        }
    }
}

/// What `--parents` and `--exclude` leave of a directory, by paths seen from it.
#[derive(Default)]
struct Filter {
    /// Everything where there is none.
    include: PathPatterns,
    exclude: PathPatterns,
}

impl Filter {
    fn is_idle(&self) -> bool {
        self.include.is_empty() && self.exclude.is_empty()
    }
}

/// The names on a path as a Dockerfile has it.
fn components(path: &str) -> Vec<String> {
    names(path.split('/'))
}

fn join(folder: &str, name: &str) -> String {
    if folder.is_empty() { name.to_owned() } else { format!("{folder}/{name}") }
}

const fn one(place: usize) -> std::ops::Range<usize> {
    place..place + 1
}
