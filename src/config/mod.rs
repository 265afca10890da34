//! Reads `windlass.yaml` and container-structure-test files: text in, values and diagnostics out. Opens no file.

pub mod read;
pub mod yaml;
