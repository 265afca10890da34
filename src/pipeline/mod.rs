//! Drives a plan: builds, tests, promotes, publishes. The decisions are pure; only `drive` acts.
