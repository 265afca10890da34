//! The jobs that build a plan as stages of a build of Travis CI.

use std::fmt::Write as _;

use super::words::{self, Invocation};
use crate::plan::Jobs;

/// How many jobs a build of Travis CI may have.
pub const JOBS_AT_MOST: usize = 200;

/// The text of the configuration: a stage a layer, then one that moves the channels.
pub fn stages(jobs: &Jobs, invocation: &Invocation) -> String {
    let mut text = String::from("# Written by `windlass plan --format travis`.\njobs:\n  include:\n");
    let mut job = |stage: &str, name: &str, script: &str| {
        let [stage, name, script] = [stage, name, script].map(|text| serde_json::Value::from(text).to_string());
        write!(text, "    - stage: {stage}\n      name: {name}\n      script: {script}\n")
            .expect("writing to a String does not fail");
    };
    for built in &jobs.jobs {
        job(&format!("layer {}", built.layer), &words::name(built), &invocation.build(built));
    }
    job("promote", "promote", &invocation.promote());
    text
}
