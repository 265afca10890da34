//! Drives a plan: builds, tests, promotes, publishes. The decisions are pure; only `drive` acts.

mod describe;
mod drive;
mod known;
mod make;
mod promote;
mod publish;
mod schedule;

pub use describe::{About, describe};
pub use drive::{Made, Report, Run, drive};
pub use known::{LookupError, look_up};
pub use make::build;
pub use promote::{Channel, TagMove, promote};
pub use schedule::Schedule;
