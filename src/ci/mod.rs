//! What CI services are told: GitHub's outputs and summary of a step, and the jobs of a plan in each service's own language.

pub mod github;
pub mod gitlab;
pub mod travis;
mod words;

pub use words::Invocation;
