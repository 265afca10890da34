//! The engine that is in the program itself: no daemon, and no right that the machine does not give anyway.

pub mod beneath;
pub mod images;
pub mod layer;
pub mod sandbox;
pub mod store;
