//! The jobs that build a plan as matrices of GitHub Actions, one a layer.

use serde_json::json;

use crate::ci::words;
use crate::plan::{Job, Jobs};

/// How many jobs a matrix may make (GitHub Actions, "Using a matrix for your jobs": 256 a workflow run).
pub const JOBS_AT_MOST: usize = 256;

/// `{"layer-count": N, "layers": [MATRIX, …]}`: each layer as a job's `strategy.matrix` takes it. An entry has `images`,
/// the words for `windlass build`; `name`, for people; and `seconds`, how long it is expected to take.
pub fn matrix(jobs: &Jobs) -> String {
    let entry = |job: &&Job| json!({ "name": words::name(job), "images": words::images(job), "seconds": job.expected.as_secs() });
    let layers: Vec<_> =
        jobs.layers().iter().map(|layer| json!({ "include": layer.iter().map(entry).collect::<Vec<_>>() })).collect();
    json!({ "layer-count": layers.len(), "layers": layers }).to_string()
}
