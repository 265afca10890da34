//! Topological order, layers, and cycles as paths. Knows nothing of images.
