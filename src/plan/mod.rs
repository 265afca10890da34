//! Decides what is built, in which order and why. Pure: everything that it needs is handed to it.
