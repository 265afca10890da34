//! What is particular to a CI service: how it is told results. Knows nothing of how they came about.

pub mod github;
