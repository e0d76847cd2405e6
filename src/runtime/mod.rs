//! What waits, reads and sends: the real clock, the way out to the platforms, how fast it may be used, and the door that
//! webhooks come in by.
//!
//! Nothing here decides what stock is or what is sent; it decides when, how often, and what a failure means.
#![warn(clippy::indexing_slicing)]

pub mod admin;
pub mod clock;
pub mod cron;
pub mod desk;
pub mod fetcher;
pub mod hooks;
pub mod lane;
pub mod limiter;
pub mod reception;
pub mod reconcile;
pub mod server;
pub mod wire;

#[cfg(test)]
mod testing;
