//! Fingerprints, content hashes, and why two fingerprints differ.
