//! Drives a plan to its end: the loop that starts images as the schedule hands them out, pushes those that are made
//! beside the making of others, and the promotion of all once all are tested.

use std::collections::{BTreeMap, VecDeque};

use futures_util::StreamExt as _;
use futures_util::stream::{self, FuturesUnordered};

use super::publish::{Broken, promote_image, publish};
use super::{Schedule, make};
use crate::engine::{Engine, Secret, SshAgent};
use crate::event::{Event, Outcome, Sink};
use crate::model::{ImageDigest, ImageId, ImageName};
use crate::plan::{Plan, PlannedImage};
use crate::registry::Registry;

/// How many images are pushed at once: a push waits for the registry more than it needs of this machine.
const PUSHED_AT_ONCE: usize = 8;

/// The channels of how many images are moved at once: three short questions each, which wait for one another.
const MOVED_AT_ONCE: usize = 8;

/// Everything that a run needs.
pub struct Run<'a, E> {
    /// What to make.
    pub plan: &'a Plan,
    /// What makes it.
    pub engine: &'a E,
    /// Where images are looked up that the engine does not have; none means nowhere.
    pub registry: Option<&'a Registry>,
    /// Whether what passed its tests is pushed. Needs a registry.
    pub push: bool,
    /// Whether the channels move once all is green.
    pub promote: bool,
    /// The secrets of each image, read already.
    pub secrets: &'a BTreeMap<ImageName, Vec<Secret>>,
    /// The agents of SSH that any image may use.
    pub ssh: &'a [SshAgent],
    /// Labels that every image gets, besides its own.
    pub labels: &'a BTreeMap<String, String>,
    /// How many images are made at once.
    pub jobs: usize,
    /// Whether nothing of the builder's cache is used.
    pub no_cache: bool,
    /// The time that files of contexts carry, in seconds since 1970.
    pub source_date_epoch: u64,
    /// Who is told.
    pub events: &'a dyn Sink,
}

/// An image that is there and passed its tests.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Made {
    /// What engines know it by.
    pub id: ImageId,
    /// What the registry serves it by, where it was pushed or found there.
    pub digest: Option<ImageDigest>,
    /// Whether the engine has it; else only the registry does.
    pub local: bool,
}

/// How a run ended.
#[derive(Debug, Clone, Default)]
pub struct Report {
    /// How each image ended.
    pub outcomes: BTreeMap<ImageName, Outcome>,
    /// The images that are there.
    pub made: BTreeMap<ImageName, Made>,
    /// Whether an engine or registry that could not be reached is all that failed.
    pub unreachable: bool,
}

impl Report {
    /// Whether every image is there and passed its tests.
    pub fn all_green(&self) -> bool {
        self.outcomes.values().all(|outcome| match outcome {
            Outcome::Unchanged | Outcome::Built => true,
            Outcome::Failed(_) | Outcome::Blocked(_) => false,
        })
    }
}

/// Makes every image of the plan that is not there, then moves the channels of all if all are green and that is asked.
///
/// A failure blocks only what depends on it: an image that can't be pushed is there for what is made from it. Dropping
/// the future stops everything; running again goes on from what is there.
/// What fails is in the report, an image whose channels could not be moved among it.
pub async fn drive<E: Engine>(run: &Run<'_, E>) -> Report {
    let images: Vec<_> = run.plan.images.iter().map(|p| (p.image.name.clone(), p.image.parents.clone())).collect();
    let planned: BTreeMap<_, _> = run.plan.images.iter().map(|planned| (&planned.image.name, planned)).collect();
    let mut schedule = Schedule::new(&images, run.jobs);
    let (mut running, mut to_push, mut n_pushed) = (FuturesUnordered::new(), VecDeque::new(), 0);
    let mut report = Report::default();
    let mut failures_are_unreachable = Vec::new();
    loop {
        while let Some(name) = schedule.start_next() {
            running.push(work(run, planned[&name], Task::Make));
        }
        while n_pushed < PUSHED_AT_ONCE
            && let Some((name, made, outcome)) = to_push.pop_front()
        {
            n_pushed += 1;
            running.push(work(run, planned[&name], Task::Push(made, outcome)));
        }
        let Some((name, worked)) = running.next().await else { break };
        let outcome = match worked {
            Worked::Made(Ok((made, outcome))) => {
                schedule.succeeded(&name);
                // What only the registry has is there.
                if run.push && made.local {
                    to_push.push_back((name, made, outcome));
                    continue;
                }
                report.made.insert(name.clone(), made);
                outcome
            }
            Worked::Pushed(Ok((made, outcome))) => {
                n_pushed -= 1;
                report.made.insert(name.clone(), made);
                outcome
            }
            Worked::Made(Err(Broken { failure, unreachable })) => {
                failures_are_unreachable.push(unreachable);
                for (blocked, by) in schedule.failed(&name) {
                    end(run, &mut report, blocked, Outcome::Blocked(by));
                }
                Outcome::Failed(failure)
            }
            Worked::Pushed(Err(Broken { failure, unreachable })) => {
                n_pushed -= 1;
                failures_are_unreachable.push(unreachable);
                Outcome::Failed(failure)
            }
        };
        end(run, &mut report, name, outcome);
    }
    if run.promote && report.all_green() {
        let images = run.plan.images.iter().map(|planned| &*planned.image);
        let promoted = images.map(|image| promote_image(run, image, &report.made[&image.name]));
        let mut promoted = stream::iter(promoted.collect::<Vec<_>>()).buffered(MOVED_AT_ONCE);
        let mut broken = None;
        while let (None, Some((image, moved, result))) = (&broken, promoted.next().await) {
            moved.into_iter().for_each(|moved| run.events.send(moved));
            broken = result.err().map(|why| (image, why));
        }
        // Those that are under way stay where they are: what was moved is whole, and the next run moves the rest.
        drop(promoted);
        if let Some((image, Broken { failure, unreachable })) = broken {
            failures_are_unreachable.push(unreachable);
            end(run, &mut report, image.name.clone(), Outcome::Failed(failure));
        }
    }
    report.unreachable = !failures_are_unreachable.is_empty() && failures_are_unreachable.iter().all(|u| *u);
    report
}

/// What is to be done for an image.
enum Task {
    Make,
    Push(Made, Outcome),
}

/// What came of it.
enum Worked {
    Made(Result<(Made, Outcome), Broken>),
    Pushed(Result<(Made, Outcome), Broken>),
}

async fn work<E: Engine>(run: &Run<'_, E>, planned: &PlannedImage, task: Task) -> (ImageName, Worked) {
    let worked = match task {
        Task::Make => Worked::Made(make::make(run, planned).await),
        Task::Push(made, outcome) => {
            let digest = publish(run, &planned.image, made.id).await;
            Worked::Pushed(digest.map(|digest| (Made { digest, ..made }, outcome)))
        }
    };
    (planned.image.name.clone(), worked)
}

fn end<E>(run: &Run<'_, E>, report: &mut Report, image: ImageName, outcome: Outcome) {
    run.events.send(Event::Finished { image: image.clone(), outcome: outcome.clone() });
    report.outcomes.insert(image, outcome);
}
