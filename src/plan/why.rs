//! Why an image is not what it was: every input that changed, down to the instruction and the file, and the chain of
//! parents to the first causes.

use std::collections::{BTreeMap, BTreeSet};

use crate::hash::Reason;
use crate::model::{ImageName, TreePath};

use super::facts::{Details, Facts, InstructionFact, Listing};

/// More pairs of instructions are not compared: a Dockerfile with so many has changed as a whole. Arbitrary.
const COMPARED_AT_MOST: usize = 4_000_000;

/// One image of the chain, and what changed of it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Explained {
    /// The image.
    pub image: ImageName,
    /// What changed, causes of its own before parents; nothing where it is the same.
    pub changes: Vec<Change>,
}

/// One thing that changed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Change {
    /// An instruction: none is one that was, or is, not there.
    Instruction {
        /// As it was.
        old: Option<InstructionFact>,
        /// As it is.
        new: Option<InstructionFact>,
    },
    /// A file, link or folder.
    Entry {
        /// The named context that it is in; none means the context.
        context: Option<String>,
        /// Where.
        path: TreePath,
        /// What happened to it.
        how: How,
    },
    /// A build argument.
    Arg {
        /// Its name.
        name: String,
        /// What it was.
        old: ArgValue,
        /// What it is.
        new: ArgValue,
    },
    /// Something else, or something of which nothing more is known.
    Other(Reason),
}

/// What happened to an entry of a folder.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum How {
    /// It came.
    Added,
    /// Its content, kind or mode is another.
    Changed,
    /// It went.
    Removed,
}

/// The value of a build argument, as far as it may be shown.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ArgValue {
    /// It is not used, or not set.
    Unset,
    /// It may be a secret, or nobody remembers it.
    Hidden,
    /// It is this.
    Known(String),
}

/// Explains an image, then the parents that changed, each before its own: the last are the first causes. An image of
/// which nothing is known from before is said never to have been built.
pub fn why(image: &ImageName, now: &BTreeMap<ImageName, Facts>, then: &BTreeMap<ImageName, Facts>) -> Vec<Explained> {
    let mut explained: Vec<Explained> = Vec::new();
    let mut waiting = vec![image.clone()];
    let mut seen = BTreeSet::from([image.clone()]);
    while !waiting.is_empty() {
        let mut next = Vec::new();
        for image in waiting {
            let Some(facts) = now.get(&image) else { continue };
            let changes = match then.get(&image) {
                None => vec![Change::Other(Reason::NeverBuilt)],
                Some(then) => changes(facts, then),
            };
            for change in &changes {
                if let Change::Other(Reason::ParentChanged { parent, .. } | Reason::ParentAdded { parent }) = change
                    && seen.insert(parent.clone())
                {
                    next.push(parent.clone());
                }
            }
            explained.push(Explained { image, changes });
        }
        waiting = next;
    }
    // A parent that is new to an image need not have changed itself.
    explained.retain(|explained| explained.image == *image || !explained.changes.is_empty());
    explained
}

/// Everything in which inputs differ from earlier ones.
fn changes(now: &Facts, then: &Facts) -> Vec<Change> {
    let mut changes = Vec::new();
    let details = now.details.as_ref().zip(then.details.as_ref());
    for reason in now.fingerprint.reasons_since(&then.fingerprint) {
        let found = match (&reason, details) {
            (Reason::DockerfileChanged, Some((now, then))) => instructions(&now.instructions, &then.instructions),
            (Reason::ContextChanged, Some((now, then))) => entries(None, now, then),
            (Reason::NamedContextChanged { name }, Some((now, then))) => entries(Some(name), now, then),
            (Reason::ArgChanged { name }, Some(_)) => {
                vec![Change::Arg { name: name.clone(), old: arg(then, name), new: arg(now, name) }]
            }
            _ => Vec::new(),
        };
        // What is not found in the details is told as it is known.
        changes.extend(if found.is_empty() { vec![Change::Other(reason)] } else { found });
    }
    changes
}

fn arg(facts: &Facts, name: &str) -> ArgValue {
    let known = facts.details.as_ref().and_then(|details| details.args.get(name));
    match (known, facts.fingerprint.args.contains_key(name)) {
        (_, false) => ArgValue::Unset,
        (Some(value), true) => ArgValue::Known(value.clone()),
        (None, true) => ArgValue::Hidden,
    }
}

/// The entries in which two listings differ, by path.
fn entries(context: Option<&String>, now: &Details, then: &Details) -> Vec<Change> {
    let name = context.map_or("", String::as_str);
    let nothing = Listing::new();
    let (Some(now), Some(then)) = (now.folders.get(name), then.folders.get(name).or(context.map(|_| &nothing))) else {
        return Vec::new();
    };
    let paths: BTreeSet<&TreePath> = now.keys().chain(then.keys()).collect();
    let how = |path: &TreePath| match (then.get(path), now.get(path)) {
        (None, _) => Some(How::Added),
        (Some(_), None) => Some(How::Removed),
        (Some(old), Some(new)) => (old != new).then_some(How::Changed),
    };
    let entry = |path: &TreePath| {
        let how = how(path)?;
        Some(Change::Entry { context: context.cloned(), path: path.clone(), how })
    };
    paths.into_iter().filter_map(entry).collect()
}

/// The instructions in which two lists differ: those that begin the same and go on otherwise, and what stands between
/// the same ones on both sides. One that took the place of another is told with it.
fn instructions(now: &[InstructionFact], then: &[InstructionFact]) -> Vec<Change> {
    let mut changes = Vec::new();
    let (mut old, mut new) = (0, 0);
    for (same_old, same_new) in common(then, now).into_iter().chain([(then.len(), now.len())]) {
        let (gone, come) = (&then[old..same_old], &now[new..same_new]);
        for place in 0..gone.len().max(come.len()) {
            changes.push(Change::Instruction { old: gone.get(place).cloned(), new: come.get(place).cloned() });
        }
        if let (Some(old), Some(new)) = (then.get(same_old), now.get(same_new))
            && old.hash != new.hash
        {
            changes.push(Change::Instruction { old: Some(old.clone()), new: Some(new.clone()) });
        }
        (old, new) = (same_old + 1, same_new + 1);
    }
    changes
}

/// A longest list of places at which both hold the same, or what begins the same, in order. Only what lies between a same beginning and a same
/// end is searched, so that long Dockerfiles with one change cost little.
fn common(old: &[InstructionFact], new: &[InstructionFact]) -> Vec<(usize, usize)> {
    let same = |a: &InstructionFact, b: &InstructionFact| a.hash == b.hash || a.text == b.text;
    let start = old.iter().zip(new).take_while(|(a, b)| same(a, b)).count();
    let rest = old[start..].iter().rev().zip(new[start..].iter().rev());
    let end = rest.take_while(|(a, b)| same(a, b)).count();
    let (middle_old, middle_new) = (&old[start..old.len() - end], &new[start..new.len() - end]);
    if middle_old.len().saturating_mul(middle_new.len()) > COMPARED_AT_MOST {
        return (0..start)
            .map(|i| (i, i))
            .chain((1..=end).rev().map(|back| (old.len() - back, new.len() - back)))
            .collect();
    }
    let width = middle_new.len() + 1;
    // How long the longest common list of the rests is.
    let mut longest = vec![0_u32; (middle_old.len() + 1) * width];
    for i in (0..middle_old.len()).rev() {
        for j in (0..middle_new.len()).rev() {
            longest[i * width + j] = if same(&middle_old[i], &middle_new[j]) {
                longest[(i + 1) * width + j + 1] + 1
            } else {
                longest[(i + 1) * width + j].max(longest[i * width + j + 1])
            };
        }
    }
    let mut places: Vec<(usize, usize)> = (0..start).map(|i| (i, i)).collect();
    let (mut i, mut j) = (0, 0);
    while i < middle_old.len() && j < middle_new.len() {
        if same(&middle_old[i], &middle_new[j]) {
            places.push((start + i, start + j));
            (i, j) = (i + 1, j + 1);
        } else if longest[(i + 1) * width + j] >= longest[i * width + j + 1] {
            i += 1;
        } else {
            j += 1;
        }
    }
    places.extend((1..=end).rev().map(|back| (old.len() - back, new.len() - back)));
    places
}
