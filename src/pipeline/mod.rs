//! Drives a plan: builds, tests, promotes, publishes. The decisions are pure; only `drive` acts.

mod promote;
mod schedule;

pub use promote::{Channel, TagMove, promote};
pub use schedule::Schedule;
