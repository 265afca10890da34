//! Names Dockerfiles after the places where they lie.

use std::collections::{BTreeMap, BTreeSet};

use super::discover::{Found, given_name, split};
use crate::diag::Diagnostic;
use crate::model::ImageName;

/// Dockerfiles with their names.
#[derive(Default)]
pub(super) struct Named {
    /// In the order of their paths.
    pub(super) found: Vec<Found>,
    /// The names that several have, however many folders stand before them, with their paths.
    pub(super) ambiguous: BTreeMap<ImageName, Vec<String>>,
    /// The names that have folders before them because others would have the same, in the order of the names.
    pub(super) longer: Vec<ImageName>,
    /// The errors of ambiguous and impossible names.
    pub(super) diagnostics: Vec<Diagnostic>,
}

impl Named {
    /// Adds what was named after this.
    pub(super) fn append(&mut self, later: Self) {
        let Self { found, ambiguous, longer, diagnostics } = later;
        self.found.extend(found);
        self.found.sort_by(|a, b| a.path.cmp(&b.path));
        self.ambiguous.extend(ambiguous);
        self.longer.extend(longer);
        self.diagnostics.extend(diagnostics);
    }
}

/// A Dockerfile, and the words that its name can be made of: the project, its folders, its NAME.
struct Place<'a> {
    path: &'a str,
    words: Vec<String>,
    /// How many of the words make the name, from the end.
    n_taken: usize,
    is_longer: bool,
}

/// Names the Dockerfiles at these paths. Each is called by its last word; where that is a version, or another would be
/// called the same, by as many folders before it as it takes. `taken` are names that others have already.
pub(super) fn names(paths: &[String], project: &str, taken: &BTreeSet<ImageName>) -> Named {
    let mut named = Named::default();
    let mut places = Vec::with_capacity(paths.len());
    for path in paths {
        let mut place = Place::new(path, project);
        match place.name().parse::<ImageName>() {
            Ok(_) => {
                place.pass_versions();
                places.push(place);
            }
            Err(error) => {
                let diagnostic = Diagnostic::error(format!("`{path}` makes no image name: {error}"));
                let hint = "give the image a name in windlass.yaml, with this file as its `dockerfile`";
                named.diagnostics.push(diagnostic.hint(hint));
            }
        }
    }
    while lengthen(&mut places, taken) {}
    let mut by_name: BTreeMap<String, Vec<&Place<'_>>> = BTreeMap::new();
    for place in &places {
        by_name.entry(place.name()).or_default().push(place);
    }
    for (text, places) in by_name {
        let path = || places[0].path;
        match text.parse::<ImageName>() {
            Ok(name) if places.len() == 1 => {
                named.longer.extend(places[0].is_longer.then(|| name.clone()));
                named.found.push(Found { name, path: path().to_owned() });
            }
            Ok(name) => {
                named.diagnostics.push(of_one_name(&name, &places));
                named.ambiguous.insert(name, places.iter().map(|place| place.path.to_owned()).collect());
            }
            Err(error) => {
                named.diagnostics.push(Diagnostic::error(format!("`{}` makes no image name: {error}", path())));
            }
        }
    }
    named.found.sort_by(|a, b| a.path.cmp(&b.path));
    named
}

/// Gives those that share a name one more folder each, whoever has none left keeps it; whether any got one. The project
/// tells nobody apart but its root folder from another of the same name.
fn lengthen(places: &mut [Place<'_>], taken: &BTreeSet<ImageName>) -> bool {
    let mut by_name: BTreeMap<String, Vec<usize>> = BTreeMap::new();
    for (index, place) in places.iter().enumerate() {
        by_name.entry(place.name()).or_default().push(index);
    }
    let mut any = false;
    for (name, members) in by_name {
        let is_taken = name.parse().is_ok_and(|name: ImageName| taken.contains(&name));
        if members.len() < 2 && !is_taken {
            continue;
        }
        let most = members.iter().map(|index| places[*index].n_left()).max().unwrap_or(0);
        let is_kept = is_taken || members.iter().any(|index| places[*index].n_left() == 0);
        let at_least = if most > 1 || !is_kept { 2 } else { 1 };
        for index in members {
            if places[index].n_left() >= at_least {
                places[index].lengthen();
                any = true;
            }
        }
    }
    any
}

impl<'a> Place<'a> {
    fn new(path: &'a str, project: &str) -> Self {
        let (folder, file) = split(path);
        let words = std::iter::once(project).chain(folder.split('/')).chain(given_name(file));
        let words: Vec<String> = words.map(word).filter(|word| !word.is_empty()).collect();
        let n_taken = words.len().min(1);
        Self { path, words, n_taken, is_longer: false }
    }

    fn name(&self) -> String {
        self.words[self.n_left()..].join("-")
    }

    /// How many words are left, the project among them.
    fn n_left(&self) -> usize {
        self.words.len() - self.n_taken
    }

    fn lengthen(&mut self) {
        self.n_taken += 1;
        self.is_longer = true;
        self.pass_versions();
    }

    /// A name that begins with a version says nothing: what it is a version of comes before it.
    fn pass_versions(&mut self) {
        while self.n_left() > 0 && is_version(&self.words[self.words.len() - self.n_taken]) {
            self.n_taken += 1;
        }
    }
}

/// A folder or NAME as a word of a name: capitals become small, and what no name can have becomes `-`.
fn word(text: &str) -> String {
    let mut word = String::with_capacity(text.len());
    for c in text.chars().flat_map(char::to_lowercase) {
        match c {
            'a'..='z' | '0'..='9' => word.push(c),
            '.' | '_' if !word.ends_with(['.', '_', '-']) => word.push(c),
            _ if !word.ends_with(['.', '_', '-']) => word.push('-'),
            _ => {}
        }
    }
    word.trim_matches(['.', '_', '-']).to_owned()
}

/// Whether a word is a version with or without a variant, or a moving one: `3.12`, `v2`, `8.1-alpine`, `latest`.
fn is_version(word: &str) -> bool {
    if matches!(word, "latest" | "stable" | "edge" | "nightly") {
        return true;
    }
    let rest = word.strip_prefix('v').unwrap_or(word).trim_start_matches(|c: char| c.is_ascii_digit());
    rest.len() < word.trim_start_matches('v').len() && (rest.is_empty() || rest.starts_with(['.', '-', '_']))
}

fn of_one_name(name: &ImageName, places: &[&Place<'_>]) -> Diagnostic {
    let paths: Vec<_> = places.iter().map(|place| format!("`{}`", place.path)).collect();
    let (last, others) = paths.split_last().expect("a name is claimed by a path");
    Diagnostic::error(format!("the image name `{name}` is claimed by {} and {last}", others.join(", ")))
        .hint("name them apart in windlass.yaml, as `windlass init` does, or leave some out with `ignore`")
}
