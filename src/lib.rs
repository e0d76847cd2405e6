//! onhand keeps a seller's stock right on every channel at once, so that the same unit is never sold twice.

pub mod channels;
pub mod config;
pub mod domain;
pub mod output;
