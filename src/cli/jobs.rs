//! The jobs of a CI service that build a plan: how many it takes, and how long each image took when it was built last.

use std::collections::BTreeMap;
use std::num::NonZeroUsize;
use std::path::Path;
use std::time::Duration;

use super::project::SelectionArgs;
use super::{Settings, last_build};
use crate::ci::{Invocation, github, travis};
use crate::model::ImageName;
use crate::plan::{self, Jobs, Packing, Plan};
use crate::ui::{self, words};

/// A CI service, by what it takes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Service {
    /// Matrices of at most 256 jobs.
    Github,
    /// Pipelines of any number of jobs.
    Gitlab,
    /// Builds of at most 200 jobs.
    Travis,
}

/// The jobs that build a plan: an image each as far as the service takes so many, else and with `shards` as few as keep
/// the time short. `state` is where past builds are remembered.
pub(super) fn jobs(
    plan: &Plan,
    shards: Option<NonZeroUsize>,
    service: Service,
    state: Option<&Path>,
    settings: &Settings,
) -> anyhow::Result<Jobs> {
    let recorded: BTreeMap<ImageName, Duration> = match state {
        Some(state) => {
            let builds = last_build::read(&last_build::folder(state, &plan.project))?;
            builds.into_iter().map(|(name, build)| (name, build.took)).collect()
        }
        None => BTreeMap::new(),
    };
    let all = plan::jobs(plan, &recorded, Packing::Single { at_most: usize::MAX });
    let n_layers = all.layers().len().max(1);
    let at_most = match service {
        Service::Github => github::JOBS_AT_MOST,
        Service::Gitlab => usize::MAX,
        // One is left for the job that promotes.
        Service::Travis if all.jobs.len() < travis::JOBS_AT_MOST => usize::MAX,
        Service::Travis => (travis::JOBS_AT_MOST - 1) / n_layers,
    };
    let jobs = match shards {
        None => plan::jobs(plan, &recorded, Packing::Single { at_most }),
        Some(n) => {
            let jobs = plan::jobs(plan, &recorded, Packing::Shards(n.get().min(at_most)));
            ui::notes(&guessed(&jobs, plan.to_build()), &settings.ui);
            jobs
        }
    };
    Ok(jobs)
}

/// How the times were guessed that are not known.
fn guessed(jobs: &Jobs, to_build: usize) -> Vec<String> {
    match jobs.n_guessed {
        0 => Vec::new(),
        n if n == to_build => {
            vec!["no build of these images is remembered here: all are taken to need the same time".to_owned()]
        }
        n => {
            let guess = words::took(jobs.guess);
            let images = words::images(n);
            vec![format!(
                "no build of {images} is remembered here: each is taken to need {guess}, the median of the others"
            )]
        }
    }
}

/// How windlass was called, for the jobs.
pub(super) fn invocation(selection: &SelectionArgs, settings: &Settings) -> Invocation {
    let build_args = selection.build_args.iter();
    Invocation {
        global: settings.called.clone(),
        images: selection.images.clone(),
        build_args: build_args
            .flat_map(|(name, value)| ["--build-arg".to_owned(), format!("{name}={value}")])
            .collect(),
    }
}
