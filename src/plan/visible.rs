//! What each image can see of its contexts, once those are listed.

use std::collections::{BTreeMap, BTreeSet};
use std::ops::Range;
use std::sync::Arc;

use rayon::prelude::*;

use crate::diag::{Diagnostic, Location, Span, did_you_mean};
use crate::model::{ImageName, InjectedFile, Listing, Nodes, Ranges, Refusal, Sight, Tree, TreePath};

use super::draft::{Draft, Folder};
use super::pick::{Picked, everything, pick};
use super::resolve::{Understood, UnderstoodImage};
use super::wanted::Wanted;

/// Images of which it is known what they can see of their contexts.
#[derive(Debug)]
pub struct Visible {
    pub(super) understood: Understood,
    /// Of every image, in the order of their names.
    picks: Vec<Picks>,
    /// Of every listing what any image sees of it.
    wanted: Vec<Ranges>,
    problems: Problems,
}

/// Everything that images want and that no image can hold. What is one mistake is said once, however many images share it.
#[derive(Debug, Default)]
struct Problems {
    /// The first of each image with any.
    broken: BTreeMap<ImageName, Diagnostic>,
    /// What is not there, by place and message: images may share a Dockerfile and a context.
    missing: BTreeMap<(String, Span, String), Diagnostic>,
    refused: BTreeMap<Refusal, Diagnostic>,
    others: Vec<Diagnostic>,
}

/// What an image sees of its contexts.
#[derive(Debug)]
struct Picks {
    own: Picked,
    named: BTreeMap<String, Picked>,
}

/// The files that an image sees.
pub(super) struct ImageTrees {
    pub(super) context: Tree,
    pub(super) named: BTreeMap<String, Tree>,
    pub(super) injected: Vec<InjectedFile>,
}

impl Understood {
    /// Says of every image what it can see of its contexts. `listings` are those that [`Folder::listing`] numbers.
    pub fn look(mut self, listings: &[Listing]) -> Visible {
        let images: Vec<&UnderstoodImage> = self.images.values().collect();
        let picks: Vec<Picks> = images.par_iter().map(|image| Picks::of(image, listings)).collect();
        let (mut problems, mut warnings) = (Problems::default(), Vec::new());
        let mut ranges: Vec<Vec<Range<usize>>> = listings.iter().map(|_| Vec::new()).collect();
        for (UnderstoodImage { draft, wants, .. }, Picks { own, named }) in images.into_iter().zip(&picks) {
            let (injected, none) = (injected(draft), BTreeSet::new());
            let inputs = &draft.inputs;
            let named = named.iter().map(|(name, picked)| {
                let (folder, wanted) = (&inputs.named_contexts[name], &wants.named[name]);
                (folder, wanted, picked, &none)
            });
            let all = std::iter::once((&inputs.context, &wants.own, own, &injected)).chain(named);
            for (folder, wanted, picked, injected) in all {
                problems.of(draft, wanted, picked, &listings[folder.listing], injected);
                ranges[folder.listing].extend(picked.places.iter());
            }
            problems.others(draft);
            for file in inputs.config.files.iter().filter(|file| !own.injected.contains(&file.path.value)) {
                let message = format!("`{}` has no use for the file `{}`", inputs.dockerfile.path(), file.path.value);
                warnings.push(Diagnostic::warning(message).at(&self.config, file.path.span, ""));
            }
        }
        self.warnings.extend(warnings);
        let wanted = ranges.into_iter().map(Ranges::from_iter).collect();
        Visible { understood: self, picks, wanted, problems }
    }
}

impl Picks {
    fn of(UnderstoodImage { draft, wants, .. }: &UnderstoodImage, listings: &[Listing]) -> Self {
        let see = |folder: &Folder, wanted: &Wanted, injected: &BTreeSet<&TreePath>| match wanted {
            Wanted::Whole(_) => everything(&listings[folder.listing], injected),
            Wanted::Sources(sources) => pick(&listings[folder.listing], injected, sources),
        };
        let (contexts, none) = (&draft.inputs.named_contexts, BTreeSet::new());
        let named = wants.named.iter().map(|(name, wanted)| (name.clone(), see(&contexts[name], wanted, &none)));
        Self { own: see(&draft.inputs.context, &wants.own, &injected(draft)), named: named.collect() }
    }
}

/// The paths that the configuration adds to an image's context.
fn injected(draft: &Draft) -> BTreeSet<&TreePath> {
    draft.inputs.injected.iter().map(|file| &file.path).collect()
}

impl Problems {
    /// Notes what is wrong with what an image wants of a context.
    fn of(
        &mut self,
        draft: &Draft,
        wanted: &Wanted,
        picked: &Picked,
        listing: &Listing,
        injected: &BTreeSet<&TreePath>,
    ) {
        for (number, path) in &picked.missing {
            let Some(location) = location(draft, wanted, *number) else { continue };
            let error = not_there(listing, path, injected, &location);
            let place = (location.source.path().to_owned(), location.span, error.message.clone());
            self.breaks(draft, &error);
            self.missing.entry(place).or_insert(error);
        }
        for (refusal, number) in &picked.refused {
            let error = refused(refusal.clone(), location(draft, wanted, *number));
            self.breaks(draft, &error);
            self.refused.entry(refusal.clone()).or_insert(error);
        }
    }

    /// Notes what is wrong with an image that was known before.
    fn others(&mut self, draft: &Draft) {
        for error in &draft.inputs.problems {
            self.breaks(draft, error);
            if !self.others.contains(error) {
                self.others.push(error.clone());
            }
        }
    }

    fn breaks(&mut self, draft: &Draft, error: &Diagnostic) {
        self.broken.entry(draft.inputs.name.clone()).or_insert_with(|| error.clone());
    }
}

/// The instruction that wants something, or what makes the whole context count.
fn location(draft: &Draft, wanted: &Wanted, number: usize) -> Option<Location> {
    match wanted {
        Wanted::Whole(why) => why.location().cloned(),
        Wanted::Sources(sources) => {
            sources.get(number).map(|source| Location::new(&draft.inputs.dockerfile, source.span))
        }
    }
}

/// Among how many entries of a context one of the same name is looked for: arbitrary, for an error is to come soon.
const ENTRIES_AT_MOST: usize = 10_000;

/// Says that a source leads to nothing, and why.
fn not_there(
    listing: &Listing,
    path: &str,
    injected: &BTreeSet<&TreePath>,
    Location { source, span }: &Location,
) -> Diagnostic {
    let context = match listing.shown() {
        "" => "the context".to_owned(),
        shown => format!("the context `{shown}`"),
    };
    if let Some((link, target)) = link_on_the_way(listing, path) {
        let error = Diagnostic::error(format!("`{path}` leads to nothing in {context}")).at(source, *span, "");
        return error.hint(format!("the link `{link}` leads to `{target}`, and no link leads out of the context"));
    }
    let error = Diagnostic::error(format!("`{path}` is not in {context}")).at(source, *span, "");
    if listing.hides(path) {
        return error.hint(match path.split('/').next() {
            Some(".git") => "`.git` is left out unless the context's .dockerignore has a line `!.git`",
            _ => "the context's .dockerignore leaves it out",
        });
    }
    let (folder, name) = path.rsplit_once('/').unwrap_or(("", path));
    let injected = injected.iter().map(|file| file.as_str());
    let meant = did_you_mean(name, listing.names(folder)).map(|name| match folder {
        "" => name.to_owned(),
        folder => format!("{folder}/{name}"),
    });
    let all = || listing.entries().iter().take(ENTRIES_AT_MOST).map(|(path, _)| path.as_str()).chain(injected);
    let elsewhere = || all().find(|other| other.rsplit('/').next() == Some(name)).map(str::to_owned);
    match meant.or_else(elsewhere) {
        Some(meant) => error.hint(format!("did you mean `{meant}`?")),
        None => error.hint("paths are seen from the context's folder, wherever the Dockerfile lies"),
    }
}

/// The first link on the way of a path, and where it leads.
fn link_on_the_way<'a>(listing: &'a Listing, path: &'a str) -> Option<(&'a str, &'a str)> {
    let folders = path.match_indices('/').map(|(end, _)| &path[..end]);
    folders.chain([path]).find_map(|path| match &listing.entries()[listing.find(path)?].1 {
        Sight::Symlink { target } => Some((path, target.as_str())),
        Sight::Directory | Sight::File | Sight::Refused(_) => None,
    })
}

fn refused(Refusal { message, hint }: Refusal, location: Option<Location>) -> Diagnostic {
    let error = Diagnostic { hint, ..Diagnostic::error(message) };
    match location {
        Some(Location { source, span }) => error.at(&source, span, ""),
        None => error,
    }
}

impl Visible {
    /// Whether there is any image that can't be hashed.
    pub(super) fn is_broken(&self) -> bool {
        !self.problems.broken.is_empty()
    }

    /// The images that can't be hashed, each with the first thing that is wrong with it. Those that are made from them,
    /// and can't be hashed either, are not among them.
    pub fn broken(&self) -> &BTreeMap<ImageName, Diagnostic> {
        &self.problems.broken
    }

    /// Everything that the images want and no image can hold, after the warnings.
    pub fn errors(&self) -> Vec<Diagnostic> {
        let Problems { broken: _, missing, refused, others } = &self.problems;
        let all = self.understood.warnings.iter().chain(others).chain(missing.values()).chain(refused.values());
        all.cloned().collect()
    }

    /// What any image sees of each listing: what has to be read.
    pub fn wanted(&self) -> &[Ranges] {
        &self.wanted
    }

    /// The instruction that takes an entry of a context, that of the first image that does. `number` is that of the
    /// listing.
    pub fn taker(&self, number: usize, listing: &Listing, path: &TreePath) -> Option<Location> {
        let place = listing.find(path.as_str())?;
        self.understood.images.values().find_map(|UnderstoodImage { draft, wants, .. }| {
            let inputs = &draft.inputs;
            let named = wants.named.iter().map(|(name, wanted)| (&inputs.named_contexts[name], wanted));
            let all = std::iter::once((&inputs.context, &wants.own)).chain(named);
            all.filter(|(folder, _)| folder.listing == number).find_map(|(_, wanted)| match wanted {
                Wanted::Whole(why) => why.location().cloned(),
                Wanted::Sources(sources) => {
                    let takes = |source: &&_| {
                        pick(listing, &BTreeSet::new(), std::slice::from_ref(*source)).places.contains(place)
                    };
                    sources.iter().find(takes).map(|source| Location::new(&inputs.dockerfile, source.span))
                }
            })
        })
    }

    /// Takes what every image sees out of what was read: of each listing the wanted places, closed up. The images are in
    /// the order of their names.
    pub(super) fn trees(&self, nodes: &[Arc<Nodes>]) -> Vec<ImageTrees> {
        let closed_up: Vec<_> = self.wanted.iter().map(Ranges::closed_up).collect();
        let tree = |folder: &Folder, picked: &Picked| {
            let closed_up = |ranges: &Ranges| ranges.iter().map(&closed_up[folder.listing]).collect::<Ranges>();
            Tree::part_of(&nodes[folder.listing], closed_up(&picked.places), &closed_up(&picked.modeless))
        };
        let trees = |(image, Picks { own, named }): (&UnderstoodImage, &Picks)| {
            let inputs = &image.draft.inputs;
            let named =
                named.iter().map(|(name, picked)| (name.clone(), tree(&inputs.named_contexts[name], picked))).collect();
            let injected = inputs.injected.iter().filter(|file| own.injected.contains(&file.path)).cloned().collect();
            ImageTrees { context: tree(&inputs.context, own), named, injected }
        };
        let images: Vec<&UnderstoodImage> = self.understood.images.values().collect();
        images.into_par_iter().zip(&self.picks).map(trees).collect()
    }
}
