//! The jobs that build a plan as a child pipeline of GitLab CI.

use std::fmt::Write as _;

use super::words::{self, Invocation};
use crate::plan::Jobs;

/// How many jobs a job may wait for by name (GitLab, `needs`: 50 unless the instance says otherwise).
const NEEDS_AT_MOST: usize = 50;

/// The text of the pipeline. Every job waits for the very jobs that it needs, whatever its stage; one that needs too
/// many for GitLab waits for all stages before its own. Jobs extend `.windlass`, to which another file that is
/// included beside this one adds what all need: an image, tags, a login.
pub fn pipeline(jobs: &Jobs, invocation: &Invocation) -> String {
    let layers = jobs.layers();
    let stages: Vec<String> = (0..layers.len()).map(|layer| quoted(&stage(layer))).collect();
    let mut text = String::from("# Written by `windlass plan --format gitlab`.\n");
    let stages: String = stages.iter().map(|stage| format!("{stage}, ")).collect();
    say(&mut text, &format!("stages: [{stages}promote]\n\n.windlass: {{}}\n"));
    for job in &jobs.jobs {
        let needs: Vec<String> = job.needs.iter().map(|need| quoted(&name(&words::name(&jobs.jobs[*need])))).collect();
        say(&mut text, &format!("\n{}:\n", quoted(&name(&words::name(job)))));
        say(&mut text, &format!("  extends: .windlass\n  stage: {}\n", quoted(&stage(job.layer))));
        if needs.len() <= NEEDS_AT_MOST {
            say(&mut text, &format!("  needs: [{}]\n", needs.join(", ")));
        }
        say(&mut text, &format!("  script:\n    - {}\n", quoted(&invocation.build(job))));
    }
    let promote = quoted(&invocation.promote());
    say(&mut text, &format!("\npromote:\n  extends: .windlass\n  stage: promote\n  script:\n    - {promote}\n"));
    text
}

/// Some names of images, such as `default` and `pages`, mean something else to GitLab.
fn name(job: &str) -> String {
    format!("build {job}")
}

fn stage(layer: usize) -> String {
    format!("layer {layer}")
}

/// A string as JSON writes it, which YAML reads too.
fn quoted(text: &str) -> String {
    serde_json::Value::from(text).to_string()
}

fn say(text: &mut String, more: &str) {
    text.write_str(more).expect("writing to a String does not fail");
}
