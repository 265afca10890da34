//! Decides which images have to stay for the way back. Pure.

use std::cmp::Reverse;
use std::collections::{BTreeMap, BTreeSet};

use super::undo::{self, Entry, Outcome};
use crate::manifest::{ImageSource, Manifest};
use crate::model::Reference;

/// The records whose images stay: what runs, so many serials to which the way back leads, and so many that ran last.
pub fn kept(entries: &[Entry], n_former: usize) -> BTreeSet<Entry> {
    let Some(current) = undo::current(entries) else { return BTreeSet::new() };
    let done = entries.iter().filter(|entry| entry.outcome == Outcome::Done);
    let mut last_of_serial: BTreeMap<u64, &Entry> = BTreeMap::new();
    for entry in done {
        let last = last_of_serial.entry(entry.serial).or_insert(entry);
        *last = (*last).max(entry);
    }
    let below = last_of_serial.range(..current.serial).rev().map(|(_, entry)| **entry).take(n_former);
    let mut latest: Vec<Entry> = last_of_serial.values().map(|entry| **entry).collect();
    latest.sort_by_key(|entry| Reverse(entry.sequence));
    below.chain(latest.into_iter().take(n_former.saturating_add(1))).chain([*current]).collect()
}

/// What engines may know the images of a manifest by.
pub fn images(manifest: &Manifest) -> BTreeSet<String> {
    let of_project = manifest.images.values();
    let ids = of_project.clone().map(|image| image.id.to_string());
    let references = of_project.filter_map(|image| image.reference.as_ref());
    let external = manifest.containers.values().filter_map(|container| match &container.image {
        ImageSource::Own(_) => None,
        ImageSource::External(reference) => Some(reference),
    });
    ids.chain(references.chain(external).filter_map(Reference::by_digest).map(|name| name.to_string())).collect()
}

#[cfg(test)]
mod tests {
    use super::undo::tests::read;
    use super::*;

    fn serials(text: &str, n_former: usize) -> Vec<u64> {
        let serials: BTreeSet<u64> = kept(&read(text), n_former).into_iter().map(|entry| entry.serial).collect();
        serials.into_iter().collect()
    }

    #[test]
    fn the_way_back_is_kept_and_what_ran_last() {
        assert!(serials("", 2).is_empty());
        assert_eq!(serials("1 2 3 4", 2), [2, 3, 4]);
        assert_eq!(serials("1 2 3 4", 0), [4]);
        assert_eq!(serials("1 2 3 4 5! 6!", 2), [2, 3, 4], "what failed is nothing to go back to");
        assert_eq!(serials("1 2 3 4 5 3", 1), [2, 3, 5], "and where it came from");
        assert_eq!(serials("1 2 3 2 3 2 3", 2), [1, 2, 3]);
        assert_eq!(serials("1 2", usize::MAX), [1, 2]);
    }
}
