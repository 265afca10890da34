//! GitHub Actions: the outputs and the summary of a step, and the matrices of jobs. What is shown while a run goes on is
//! `ui`'s.

mod matrix;
mod step;
mod summary;
mod tell;

pub use matrix::{JOBS_AT_MOST, matrix};
pub use step::Step;
pub use summary::{Row, State, Summary};
pub use tell::digests;
