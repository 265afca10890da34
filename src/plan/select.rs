//! A part of a plan: some images are chosen, and what they are made from is looked at with them.

use std::collections::BTreeSet;

use crate::diag::{Diagnostic, Diagnostics, did_you_mean};
use crate::graph::{self, Dependencies};
use crate::model::ImageName;

use super::image::{Outline, Resolved};
use super::resolve::Understood;

/// What a word of the command line chooses.
struct Selector<'a> {
    what: What<'a>,
    /// `+word`: what it is made from is chosen too.
    with_ancestors: bool,
    /// `word+`: what is made from it is chosen too.
    with_descendants: bool,
}

enum What<'a> {
    /// The image of this name.
    Name(&'a str),
    /// The images whose names match.
    Glob(&'a str),
    /// The images whose Dockerfile is at or below a path that matches; empty means the root.
    Path(Vec<&'a str>),
}

impl<'a> Selector<'a> {
    fn read(word: &'a str) -> Self {
        let (word, with_ancestors) = word.strip_prefix('+').map_or((word, false), |word| (word, true));
        let (word, with_descendants) = word.strip_suffix('+').map_or((word, false), |word| (word, true));
        let what = if word == "." || word.starts_with("./") || word.ends_with('/') {
            What::Path(word.split('/').filter(|component| !matches!(*component, "" | ".")).collect())
        } else if word.contains(['*', '?']) {
            What::Glob(word)
        } else {
            What::Name(word)
        };
        Self { what, with_ancestors, with_descendants }
    }

    fn chooses(&self, image: &Outline<'_>) -> bool {
        match &self.what {
            What::Name(name) => image.name.as_str() == *name,
            What::Glob(glob) => matches(glob, image.name.as_str()),
            What::Path(folder) => lies_below(image.dockerfile.path(), folder),
        }
    }
}

/// Which images somebody wants.
#[derive(Debug, Clone, Copy)]
pub enum Choice<'a> {
    /// What words of a command line say; no word means all.
    ///
    /// A word is a name; a glob over names, in which `*` and `?` stand for anything but `/` and `**` for anything; or a
    /// path from the root, known by a leading `./` or a trailing `/`, that chooses the images whose Dockerfile lies
    /// there, and that may hold globs too. `+` before a word chooses also what the images are made from, `+` behind it
    /// what is made from them.
    Words(&'a [String]),
    /// Those of these that are there.
    Names(&'a BTreeSet<ImageName>),
}

impl Understood {
    /// Chooses images, and leaves away those that are neither chosen nor needed for a chosen one.
    ///
    /// # Errors
    /// Words that choose nothing.
    pub fn choose(mut self, choice: Choice<'_>) -> Result<Self, Diagnostics> {
        if let Choice::Words([]) = choice {
            return Ok(self);
        }
        let images: Vec<Outline<'_>> = self.outlines().collect();
        let parents: Dependencies<ImageName> =
            images.iter().map(|image| (image.name.clone(), parents(image))).collect();
        let chosen = match choice {
            Choice::Words(words) => by_words(words, &images, &parents)?,
            Choice::Names(names) => names.iter().filter(|name| parents.contains_key(name)).cloned().collect(),
        };
        let looked_at = graph::closure(&parents, chosen.iter().cloned());
        self.images.retain(|name, _| looked_at.contains(name));
        self.chosen = chosen;
        Ok(self)
    }
}

impl Resolved {
    /// The same with some images chosen no more. Of what nobody chose, what chosen ones may need stays.
    #[must_use]
    pub fn without(mut self, names: &BTreeSet<ImageName>) -> Self {
        self.chosen.retain(|name| !names.contains(name));
        let parents = self.images.iter().map(|image| (image.name.clone(), image.parents.clone())).collect();
        let looked_at = graph::closure(&parents, self.chosen.iter().cloned());
        self.images.retain(|image| looked_at.contains(&image.name));
        self
    }
}

fn parents(image: &Outline<'_>) -> BTreeSet<ImageName> {
    image.edges.iter().map(|edge| edge.parent.clone()).collect()
}

fn by_words(
    words: &[String],
    images: &[Outline<'_>],
    parents: &Dependencies<ImageName>,
) -> Result<BTreeSet<ImageName>, Diagnostics> {
    let mut diagnostics = Vec::new();
    let mut chosen = BTreeSet::new();
    for word in words {
        let selector = Selector::read(word);
        let matching = images.iter().filter(|image| selector.chooses(image));
        let mut named: BTreeSet<ImageName> = matching.map(|image| image.name.clone()).collect();
        if named.is_empty() {
            diagnostics.push(nothing_for(&selector, images));
        }
        if selector.with_ancestors {
            chosen.extend(graph::closure(parents, named.iter().cloned()));
        }
        if selector.with_descendants {
            // Parents come first, so that one pass reaches every distance.
            for image in images {
                if !parents[image.name].is_disjoint(&named) {
                    named.insert(image.name.clone());
                }
            }
        }
        chosen.append(&mut named);
    }
    if diagnostics.is_empty() { Ok(chosen) } else { Err(Diagnostics(diagnostics)) }
}

fn nothing_for(selector: &Selector<'_>, images: &[Outline<'_>]) -> Diagnostic {
    let names = || images.iter().map(|image| image.name.as_str());
    let (error, meant) = match &selector.what {
        What::Name(name) => {
            let error = Diagnostic::error(format!("the project has no image `{}`", name.escape_debug()));
            let folder: Vec<&str> = name.split('/').collect();
            if images.iter().any(|image| lies_below(image.dockerfile.path(), &folder)) {
                return error.hint(format!("`./{name}/` chooses the images below that folder"));
            }
            (error, did_you_mean(name, names()))
        }
        What::Glob(glob) => {
            (Diagnostic::error(format!("no image of the project has a name like `{}`", glob.escape_debug())), None)
        }
        What::Path(folder) => {
            let shown = folder.join("/");
            (Diagnostic::error(format!("no image of the project lies in `./{}`", shown.escape_debug())), None)
        }
    };
    match meant {
        Some(meant) => error.hint(format!("did you mean `{meant}`?")),
        None if images.is_empty() => error.hint("it has none at all: is this its root?"),
        None if images.len() > 20 => error.hint("`windlass plan` lists its images"),
        None => error.hint(format!("its images are {}", names().collect::<Vec<_>>().join(", "))),
    }
}

/// Whether a path is, or lies below, one whose components match.
fn lies_below(path: &str, components: &[&str]) -> bool {
    let ends = path.match_indices('/').map(|(end, _)| end).chain([path.len()]);
    let pattern = components.join("/");
    components.is_empty() || ends.into_iter().any(|end| matches(&pattern, &path[..end]))
}

/// Whether a glob matches a whole text. The work is bounded by the product of their lengths.
fn matches(glob: &str, text: &str) -> bool {
    let text: Vec<char> = text.chars().collect();
    // Which beginnings of the text what was read of the glob can match.
    let mut reached = vec![false; text.len() + 1];
    reached[0] = true;
    let mut rest = glob.chars().peekable();
    while let Some(c) = rest.next() {
        if c == '*' {
            let any = rest.next_if_eq(&'*').is_some();
            for end in 0..text.len() {
                reached[end + 1] |= reached[end] && (any || text[end] != '/');
            }
        } else {
            let fits = |t: char| if c == '?' { t != '/' } else { t == c };
            for end in (0..text.len()).rev() {
                reached[end + 1] = reached[end] && fits(text[end]);
            }
            reached[0] = false;
        }
    }
    reached[text.len()]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn globs_stop_at_slashes_unless_they_are_double() {
        let cases = [
            ("*", "api", true),
            ("a*", "api", true),
            ("*i", "api", true),
            ("a*x", "api", false),
            ("*", "team/api", false),
            ("**", "team/api", true),
            ("team/*", "team/api", true),
            ("t?am/api", "team/api", true),
            ("team?api", "team/api", false),
            ("**api", "team/api", true),
            ("", "api", false),
            ("*", "", true),
            ("a**b*c", "axx/xbxc", true),
        ];
        for (glob, text, expected) in cases {
            assert_eq!(matches(glob, text), expected, "{glob} {text}");
        }
        let long = "a".repeat(2_000);
        assert!(!matches(&("*a".repeat(200) + "b"), &long), "the work is bounded");
    }

    #[test]
    fn a_path_holds_what_lies_below_it() {
        for (pattern, expected) in [
            (vec![], true),
            (vec!["services"], true),
            (vec!["services", "api"], true),
            (vec!["services", "api", "Dockerfile"], true),
            (vec!["services", "ap"], false),
            (vec!["service"], false),
            (vec!["*"], true),
            (vec!["*", "api"], true),
            (vec!["**", "api"], true),
            (vec!["api"], false),
        ] {
            assert_eq!(lies_below("services/api/Dockerfile", &pattern), expected, "{pattern:?}");
        }
    }
}
