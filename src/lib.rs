//! onhand keeps a seller's stock right on every channel at once, so that the same unit is never sold twice.
//!
//! The rooms and who may import whom; arrows never turn back:
//! - [`domain`] is pure: what stock is, what a listing shows, when to send it. It imports nothing of ours.
//! - [`broker`] is the doorbell between the ledger and delivery. It imports `domain`.
//! - [`channels`] speak the platforms' languages over an injected wire. They import `domain`.
//! - [`config`] reads `config.toml` and the environment into settings. It imports `channels` and `domain`.
//! - [`ledger`] keeps the books in one durable store. It imports `domain`.
//! - [`output`] is the one door to stdout and stderr.
//! - [`runtime`] waits, reads and sends: the clock, the wire, the limiter, the listener. It imports `broker`,
//!   `channels`, `domain` and `ledger`.
//! - [`cli`] is what can be typed, [`commands`] what is done then, [`exit`] how it ends. They may import everything.
//! - [`planted`] holds bugs for tests of the tests; without its feature it is empty. It imports `domain`.
//! - `sales` (a cargo feature) reads sales exports and says how fast each SKU sells. It imports `domain`.
//! - [`sandbox`] emulates the platforms for trials and tests. It shares no code with `channels`.

pub mod broker;
pub mod channels;
pub mod cli;
pub mod commands;
pub mod config;
pub mod domain;
pub mod exit;
pub mod ledger;
pub mod output;
pub mod planted;
pub mod runtime;
#[cfg(feature = "sales")]
pub mod sales;
pub mod sandbox;
