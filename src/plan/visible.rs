//! What each image can see of its contexts, once those are listed.

use std::collections::{BTreeMap, BTreeSet};
use std::ops::Range;
use std::sync::Arc;

use crate::diag::{Diagnostic, Diagnostics, Location, did_you_mean};
use crate::model::{ImageName, InjectedFile, Listing, Nodes, Ranges, Refusal, Sight, Tree, TreePath};

use super::draft::{Draft, Folder};
use super::pick::{Picked, everything, pick};
use super::resolve::Understood;
use super::wanted::Wanted;

/// Images of which it is known what they can see of their contexts.
#[derive(Debug)]
pub struct Visible<'a> {
    pub(super) understood: Understood<'a>,
    /// Of every image.
    picks: BTreeMap<ImageName, Picks>,
    /// Of every listing what any image sees of it.
    wanted: Vec<Ranges>,
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

impl<'a> Understood<'a> {
    /// Says of every image what it can see of its contexts. `listings` are those that [`Folder::listing`] numbers.
    ///
    /// # Errors
    /// Everything that an image wants and no image can hold.
    pub fn look(mut self, listings: &[Listing]) -> Result<Visible<'a>, Diagnostics> {
        let (mut picks, mut refusals, mut warnings) = (BTreeMap::new(), BTreeMap::new(), Vec::new());
        // By place and message: images that share a Dockerfile and a context share what is missing.
        let mut missing = BTreeMap::new();
        let mut ranges: Vec<Vec<Range<usize>>> = listings.iter().map(|_| Vec::new()).collect();
        for (draft, wants) in self.images.values().map(|image| (&image.draft, &image.wants)) {
            let injected: BTreeSet<&TreePath> = draft.inputs.injected.iter().map(|file| &file.path).collect();
            let mut see = |folder: &Folder, wanted: &Wanted, injected: &BTreeSet<&TreePath>| {
                let picked = match wanted {
                    Wanted::Whole(_) => everything(&listings[folder.listing], injected),
                    Wanted::Sources(sources) => pick(&listings[folder.listing], injected, sources),
                };
                for (refusal, number) in &picked.refused {
                    refusals.entry(refusal.clone()).or_insert_with(|| location(draft, wanted, *number));
                }
                for (number, path) in &picked.missing {
                    let Some(location) = location(draft, wanted, *number) else { continue };
                    let error = not_there(&listings[folder.listing], path, injected, &location);
                    let place = (location.source.path().to_owned(), location.span, error.message.clone());
                    missing.entry(place).or_insert(error);
                }
                ranges[folder.listing].extend(picked.places.iter());
                picked
            };
            let own = see(&draft.inputs.context, &wants.own, &injected);
            let none = BTreeSet::new();
            let named = wants
                .named
                .iter()
                .map(|(name, wanted)| (name.clone(), see(&draft.inputs.named_contexts[name], wanted, &none)));
            let named = named.collect();
            for file in draft.inputs.config.files.iter().filter(|file| !own.injected.contains(&file.path.value)) {
                let dockerfile = draft.inputs.dockerfile.path();
                let message = format!("`{dockerfile}` has no use for the file `{}`", file.path.value);
                warnings.push(Diagnostic::warning(message).at(&self.config.source, file.path.span, ""));
            }
            picks.insert(draft.inputs.name.clone(), Picks { own, named });
        }
        self.warnings.extend(warnings);
        if !refusals.is_empty() || !missing.is_empty() {
            let said = self.warnings.into_iter().chain(missing.into_values());
            return Err(Diagnostics(said.chain(refusals.into_iter().map(refused)).collect()));
        }
        let wanted = ranges.into_iter().map(Ranges::from_iter).collect();
        Ok(Visible { understood: self, picks, wanted })
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

fn refused((Refusal { message, hint }, location): (Refusal, Option<Location>)) -> Diagnostic {
    let mut error = Diagnostic::error(message);
    if let Some(Location { source, span }) = location {
        error = error.at(&source, span, "");
    }
    match hint {
        Some(hint) => error.hint(hint),
        None => error,
    }
}

impl Visible<'_> {
    /// What any image sees of each listing: what has to be read.
    pub fn wanted(&self) -> &[Ranges] {
        &self.wanted
    }

    /// Takes what every image sees out of what was read: of each listing the wanted places, closed up.
    pub(super) fn trees(&self, nodes: &[Arc<Nodes>]) -> BTreeMap<ImageName, ImageTrees> {
        let closed_up: Vec<_> = self.wanted.iter().map(Ranges::closed_up).collect();
        let tree = |folder: &Folder, picked: &Picked| {
            let closed_up = |ranges: &Ranges| ranges.iter().map(&closed_up[folder.listing]).collect::<Ranges>();
            Tree::part_of(&nodes[folder.listing], closed_up(&picked.places), &closed_up(&picked.modeless))
        };
        let trees = |(name, Picks { own, named }): (&ImageName, &Picks)| {
            let inputs = &self.understood.images[name].draft.inputs;
            let named =
                named.iter().map(|(name, picked)| (name.clone(), tree(&inputs.named_contexts[name], picked))).collect();
            let injected = inputs.injected.iter().filter(|file| own.injected.contains(&file.path)).cloned().collect();
            (name.clone(), ImageTrees { context: tree(&inputs.context, own), named, injected })
        };
        self.picks.iter().map(trees).collect()
    }
}
