//! Reads what images are made from: folders, `.gitignore`, `.dockerignore`, git's revision.
