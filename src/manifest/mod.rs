//! The deploy manifest: its wire format, its validation and its schema. Opens no file.
