//! GitHub Actions: the outputs and the summary of a step. What is shown while a run goes on is `ui`'s.

mod step;
mod summary;
mod tell;

pub use step::Step;
pub use summary::{Row, State, Summary};
pub use tell::{digests, matrix};
