//! Reads Dockerfiles: text in, typed stages, edges and diagnostics out. Opens no file.
