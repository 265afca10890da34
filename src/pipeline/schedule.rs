//! Which image may start now. A value: the loop around it only awaits.

use std::collections::{BTreeMap, BTreeSet};

use crate::model::ImageName;

/// Where an image stands.
#[derive(Debug, Clone, PartialEq, Eq)]
enum State {
    /// Some of its parents have not succeeded yet.
    Waiting,
    /// It was handed out.
    Running,
    /// It succeeded, failed or was blocked.
    Done,
}

/// The images that are still to be made, and how many may be in the making at once.
///
/// An image starts when all its parents succeeded; those with the longest chain of images below them start first,
/// because they hold up the most, and images with equal chains start in the order of their names.
#[derive(Debug)]
pub struct Schedule {
    states: BTreeMap<ImageName, State>,
    parents: BTreeMap<ImageName, BTreeSet<ImageName>>,
    children: BTreeMap<ImageName, BTreeSet<ImageName>>,
    /// The number of images on the longest chain that begins with this one.
    chains: BTreeMap<ImageName, usize>,
    n_running: usize,
    jobs: usize,
}

impl Schedule {
    /// Schedules images, given in topological order with their parents. Parents that are not among the images
    /// count as made. At most `jobs` run at once, at least one.
    pub fn new(images: &[(ImageName, BTreeSet<ImageName>)], jobs: usize) -> Self {
        let names: BTreeSet<&ImageName> = images.iter().map(|(name, _)| name).collect();
        let mut schedule = Self {
            states: BTreeMap::new(),
            parents: BTreeMap::new(),
            children: BTreeMap::new(),
            chains: BTreeMap::new(),
            n_running: 0,
            jobs: jobs.max(1),
        };
        for (name, parents) in images {
            let parents: BTreeSet<ImageName> = parents.iter().filter(|p| names.contains(p)).cloned().collect();
            for parent in &parents {
                schedule.children.entry(parent.clone()).or_default().insert(name.clone());
            }
            schedule.states.insert(name.clone(), State::Waiting);
            schedule.parents.insert(name.clone(), parents);
        }
        for (name, _) in images.iter().rev() {
            let longest = schedule.children_of(name).filter_map(|c| schedule.chains.get(c)).max();
            let chain = 1 + longest.copied().unwrap_or(0);
            schedule.chains.insert(name.clone(), chain);
        }
        schedule
    }

    /// Hands out the next image that may start, if there is one and a place is free.
    pub fn start_next(&mut self) -> Option<ImageName> {
        if self.n_running >= self.jobs {
            return None;
        }
        let ready =
            self.states.iter().filter(|(name, state)| **state == State::Waiting && self.parents[*name].is_empty());
        let (next, _) = ready.max_by(|(a, _), (b, _)| self.chains[*a].cmp(&self.chains[*b]).then_with(|| b.cmp(a)))?;
        let next = next.clone();
        self.states.insert(next.clone(), State::Running);
        self.n_running += 1;
        Some(next)
    }

    /// Takes note that an image that was handed out is there now.
    pub fn succeeded(&mut self, name: &ImageName) {
        self.end(name);
        for child in self.children.get(name).cloned().unwrap_or_default() {
            if let Some(parents) = self.parents.get_mut(&child) {
                parents.remove(name);
            }
        }
    }

    /// Takes note that an image that was handed out failed; returns all that depend on it, which now never start,
    /// each with those of its parents that failed or are blocked.
    pub fn failed(&mut self, name: &ImageName) -> Vec<(ImageName, Vec<ImageName>)> {
        self.end(name);
        let mut lost = BTreeSet::from([name.clone()]);
        let mut unseen = vec![name.clone()];
        while let Some(next) = unseen.pop() {
            for child in self.children.get(&next).cloned().unwrap_or_default() {
                if lost.insert(child.clone()) {
                    unseen.push(child);
                }
            }
        }
        let mut blocked = Vec::new();
        for image in lost.iter().filter(|image| *image != name) {
            if self.states.insert(image.clone(), State::Done) == Some(State::Waiting) {
                let by = self.parents[image].iter().filter(|p| lost.contains(p)).cloned().collect();
                blocked.push((image.clone(), by));
            }
        }
        blocked
    }

    /// Whether nothing runs and nothing can start any more.
    pub fn is_done(&self) -> bool {
        self.states.values().all(|state| *state == State::Done)
    }

    fn end(&mut self, name: &ImageName) {
        if self.states.insert(name.clone(), State::Done) == Some(State::Running) {
            self.n_running -= 1;
        }
    }

    fn children_of(&self, name: &ImageName) -> impl Iterator<Item = &ImageName> {
        self.children.get(name).into_iter().flatten()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn name(text: &str) -> ImageName {
        text.parse().unwrap()
    }

    /// Reads `a b<a c<a,b`: images with their parents.
    fn schedule(text: &str, jobs: usize) -> Schedule {
        let images: Vec<_> = text
            .split_whitespace()
            .map(|entry| match entry.split_once('<') {
                Some((image, parents)) => (name(image), parents.split(',').map(name).collect()),
                None => (name(entry), BTreeSet::new()),
            })
            .collect();
        Schedule::new(&images, jobs)
    }

    fn start_all(schedule: &mut Schedule) -> Vec<String> {
        std::iter::from_fn(|| schedule.start_next()).map(|n| n.to_string()).collect()
    }

    #[test]
    fn an_image_starts_when_its_parents_are_there() {
        let mut schedule = schedule("a b c<a,b d<c", 9);
        assert_eq!(start_all(&mut schedule), ["a", "b"]);
        schedule.succeeded(&name("a"));
        assert_eq!(start_all(&mut schedule), [""; 0]);
        schedule.succeeded(&name("b"));
        assert_eq!(start_all(&mut schedule), ["c"]);
        schedule.succeeded(&name("c"));
        assert_eq!(start_all(&mut schedule), ["d"]);
        assert!(!schedule.is_done());
        schedule.succeeded(&name("d"));
        assert!(schedule.is_done());
    }

    #[test]
    fn no_more_run_than_there_are_jobs_and_long_chains_go_first() {
        let mut schedule = schedule("a b c d<c e<d", 2);
        assert_eq!(start_all(&mut schedule), ["c", "a"]);
        schedule.succeeded(&name("a"));
        assert_eq!(start_all(&mut schedule), ["b"]);
    }

    #[test]
    fn a_failure_blocks_only_what_depends_on_it() {
        let mut schedule = schedule("a b c<a d<c,b e<b", 9);
        assert_eq!(start_all(&mut schedule), ["a", "b"]);
        let blocked = schedule.failed(&name("a"));
        assert_eq!(blocked, [(name("c"), vec![name("a")]), (name("d"), vec![name("c")])]);
        schedule.succeeded(&name("b"));
        assert_eq!(start_all(&mut schedule), ["e"]);
        schedule.succeeded(&name("e"));
        assert!(schedule.is_done());
    }

    #[test]
    fn what_two_failures_block_is_told_once() {
        let mut schedule = schedule("a b c<a,b", 9);
        start_all(&mut schedule);
        assert_eq!(schedule.failed(&name("a")).len(), 1);
        assert_eq!(schedule.failed(&name("b")).len(), 0);
        assert!(schedule.is_done());
    }

    #[test]
    fn parents_that_are_not_made_in_this_run_do_not_hold_up() {
        assert_eq!(start_all(&mut schedule("b<a", 1)), ["b"]);
    }
}
