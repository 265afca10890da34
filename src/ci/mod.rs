//! What is particular to a CI service.
