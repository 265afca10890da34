//! The images that have to be built as jobs of a CI pipeline: which job builds which of them, and after which jobs.

use std::cmp::Reverse;
use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use crate::model::ImageName;

use super::decide::{Plan, PlannedImage, Verdict};

/// What an image is taken to need where nothing at all is recorded. Arbitrary: only the proportions matter, and then
/// all are equal.
const GUESS: Duration = Duration::from_secs(60);

/// How images become jobs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Packing {
    /// A job for each image, and at most so many in a layer.
    Single {
        /// What the CI service takes.
        at_most: usize,
    },
    /// As few jobs as keep the time short: at most so many in a layer.
    Shards(usize),
}

/// One job.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Job {
    /// What it builds: never nothing, parents first.
    pub images: Vec<ImageName>,
    /// How many jobs follow one another up to this one: 0 for one that waits for none.
    pub layer: usize,
    /// The jobs that have to be done before, by their place in [`Jobs::jobs`]; no more than have to be said, because
    /// they wait for others themselves.
    pub needs: BTreeSet<usize>,
    /// How long it is expected to take.
    pub expected: Duration,
}

/// The jobs that build a plan, those of a layer after those of the layers before.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Jobs {
    /// The jobs.
    pub jobs: Vec<Job>,
    /// How many images have no recorded time, and are taken to need `guess`.
    pub n_guessed: usize,
    /// The median of the times that are recorded; a minute where none is.
    pub guess: Duration,
}

impl Jobs {
    /// The jobs of each layer.
    pub fn layers(&self) -> Vec<Vec<&Job>> {
        let mut layers: Vec<Vec<&Job>> = Vec::new();
        for job in &self.jobs {
            if layers.len() <= job.layer {
                layers.resize(job.layer + 1, Vec::new());
            }
            layers[job.layer].push(job);
        }
        layers
    }
}

/// Splits what a plan builds into jobs. `recorded` says how long images took when they were built last.
///
/// With [`Packing::Shards`] images that nothing is gained by parting stay together: such a group is a chain of images of
/// which each is made from the one before alone, or an image with all that is made from it, or images that are connected
/// in any way, the last two as long as they take no longer than an even share of the whole. The groups of a layer are
/// then dealt to its jobs, the longest first, each to the job that has least to do.
pub fn jobs(plan: &Plan, recorded: &BTreeMap<ImageName, Duration>, packing: Packing) -> Jobs {
    let to_build: Vec<&PlannedImage> = plan.images.iter().filter(|planned| planned.verdict != Verdict::Fresh).collect();
    let mut times: Vec<Duration> =
        to_build.iter().filter_map(|planned| recorded.get(&planned.image.name)).copied().collect();
    times.sort_unstable();
    let guess = times.get(times.len() / 2).copied().unwrap_or(GUESS);
    let images = Images::new(&to_build, |name| recorded.get(name).copied().unwrap_or(guess));
    let (groups, at_most) = match packing {
        Packing::Single { at_most } => ((0..to_build.len()).map(|i| vec![i]).collect(), at_most),
        Packing::Shards(n) => (images.groups(n.max(1)), n),
    };
    let names = |indices: &[usize]| indices.iter().map(|i| to_build[*i].image.name.clone()).collect();
    let dealt = images.deal(groups, at_most.max(1));
    let job_of: BTreeMap<usize, usize> =
        dealt.iter().enumerate().flat_map(|(job, (_, indices))| indices.iter().map(move |i| (*i, job))).collect();
    let mut jobs: Vec<Job> = Vec::with_capacity(dealt.len());
    for (number, (layer, indices)) in dealt.iter().enumerate() {
        let parents = indices.iter().flat_map(|i| &images.parents[*i]).map(|parent| job_of[parent]);
        jobs.push(Job {
            images: names(indices),
            layer: *layer,
            needs: without_implied(&parents.filter(|job| *job != number).collect(), &jobs),
            expected: indices.iter().map(|i| images.times[*i]).sum(),
        });
    }
    Jobs { jobs, n_guessed: to_build.len() - times.len(), guess }
}

/// Of jobs to wait for, those that none of the others waits for itself.
fn without_implied(needs: &BTreeSet<usize>, jobs: &[Job]) -> BTreeSet<usize> {
    let mut implied = BTreeSet::new();
    let mut waiting: Vec<usize> = needs.iter().copied().collect();
    while let Some(job) = waiting.pop() {
        waiting.extend(jobs[job].needs.iter().copied().filter(|need| implied.insert(*need)));
    }
    needs.difference(&implied).copied().collect()
}

/// The images that are built, by their place, parents first.
struct Images {
    times: Vec<Duration>,
    parents: Vec<BTreeSet<usize>>,
    children: Vec<BTreeSet<usize>>,
}

impl Images {
    fn new(to_build: &[&PlannedImage], time: impl Fn(&ImageName) -> Duration) -> Self {
        let places: BTreeMap<&ImageName, usize> =
            to_build.iter().enumerate().map(|(place, planned)| (&planned.image.name, place)).collect();
        let mut images = Self {
            times: to_build.iter().map(|planned| time(&planned.image.name)).collect(),
            parents: vec![BTreeSet::new(); to_build.len()],
            children: vec![BTreeSet::new(); to_build.len()],
        };
        for (place, planned) in to_build.iter().enumerate() {
            for parent in planned.image.parents.iter().filter_map(|parent| places.get(parent)) {
                images.parents[place].insert(*parent);
                images.children[*parent].insert(place);
            }
        }
        images
    }

    fn time(&self, images: &[usize]) -> Duration {
        images.iter().map(|i| self.times[*i]).sum()
    }

    /// The images in groups that stay together, each with its images in order, in an order in which each group comes
    /// after those that it needs.
    fn groups(&self, n_shards: usize) -> Vec<Vec<usize>> {
        let n = self.times.len();
        let share = self.times.iter().sum::<Duration>() / u32::try_from(n_shards).unwrap_or(u32::MAX);
        // The first image of the group that an image belongs to; never a later one.
        let mut first: Vec<usize> = (0..n).collect();
        for component in self.components() {
            if self.time(&component) <= share {
                component.iter().for_each(|i| first[*i] = component[0]);
            }
        }
        for root in 0..n {
            if first[root] != root {
                continue;
            }
            if let Some(family) = self.family(root, share)
                && family.iter().all(|i| first[*i] == *i)
            {
                family.iter().for_each(|i| first[*i] = root);
            }
        }
        for image in 0..n {
            if let (Some(parent), 1) = (self.parents[image].first(), self.parents[image].len())
                && self.children[*parent].len() == 1
                && first[image] == image
            {
                let head = first[*parent];
                first.iter_mut().filter(|f| **f == image).for_each(|f| *f = head);
            }
        }
        let mut groups: BTreeMap<usize, Vec<usize>> = BTreeMap::new();
        for (image, head) in first.into_iter().enumerate() {
            groups.entry(head).or_default().push(image);
        }
        groups.into_values().collect()
    }

    /// Sets of images of which none is made from one of another set.
    fn components(&self) -> Vec<Vec<usize>> {
        let mut seen = vec![false; self.times.len()];
        let mut components = Vec::new();
        for start in 0..self.times.len() {
            let mut component = BTreeSet::new();
            let mut waiting = vec![start];
            while let Some(image) = waiting.pop() {
                if !std::mem::replace(&mut seen[image], true) {
                    component.insert(image);
                    waiting.extend(self.parents[image].iter().chain(&self.children[image]));
                }
            }
            if !component.is_empty() {
                components.push(component.into_iter().collect());
            }
        }
        components
    }

    /// An image and all that is made from it, where that is made from nothing else that is built, and takes no longer
    /// than `at_most`.
    fn family(&self, root: usize, at_most: Duration) -> Option<BTreeSet<usize>> {
        let mut family = BTreeSet::from([root]);
        let mut time = self.times[root];
        let mut waiting = vec![root];
        while let Some(image) = waiting.pop() {
            for child in &self.children[image] {
                if family.insert(*child) {
                    time += self.times[*child];
                    waiting.push(*child);
                }
            }
            if time > at_most {
                return None;
            }
        }
        let is_inside = |image: &usize| *image == root || self.parents[*image].is_subset(&family);
        (time <= at_most && family.iter().all(is_inside)).then_some(family)
    }

    /// Deals groups to jobs: the layer of each job and its images in order, layer after layer.
    fn deal(&self, groups: Vec<Vec<usize>>, at_most: usize) -> Vec<(usize, Vec<usize>)> {
        let mut layer_of = vec![0; self.times.len()];
        let mut layers: Vec<Vec<Vec<usize>>> = Vec::new();
        for group in groups {
            let inside: BTreeSet<usize> = group.iter().copied().collect();
            let parents = group.iter().flat_map(|i| &self.parents[*i]).filter(|parent| !inside.contains(parent));
            let layer = parents.map(|parent| layer_of[*parent] + 1).max().unwrap_or(0);
            group.iter().for_each(|i| layer_of[*i] = layer);
            layers.resize_with(layers.len().max(layer + 1), Vec::new);
            layers[layer].push(group);
        }
        let mut dealt = Vec::new();
        for (layer, groups) in layers.into_iter().enumerate() {
            dealt.extend(self.deal_layer(groups, at_most).into_iter().map(|images| (layer, images)));
        }
        dealt
    }

    /// Deals the groups of a layer to its jobs, in the order of their first images.
    fn deal_layer(&self, mut groups: Vec<Vec<usize>>, at_most: usize) -> Vec<Vec<usize>> {
        if groups.len() > at_most {
            let mut jobs: Vec<(Duration, Vec<usize>)> = vec![(Duration::ZERO, Vec::new()); at_most];
            groups.sort_by_key(|group| Reverse(self.time(group)));
            for group in groups {
                let least = jobs.iter_mut().min_by_key(|(time, _)| *time).expect("a layer has at least one job");
                least.0 += self.time(&group);
                least.1.extend(group);
            }
            groups = jobs.into_iter().map(|(_, images)| images).collect();
        }
        groups.iter_mut().for_each(|images| images.sort_unstable());
        groups.sort();
        groups
    }
}
