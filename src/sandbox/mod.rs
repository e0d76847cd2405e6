//! Emulated marketplaces on loopback, for `onhand demo`, `onhand sandbox` and tests.
//!
//! They behave as the platforms do, traps included, and write down everything that happens: the journal is
//! the judge of what `onhand` did. They share no code with `channels`, so that one mistake cannot hide on
//! both sides, and import nothing but the outside world.
//!
//! Two ways to drive one:
//! - [`Market::start_shopify`] and its sister open a real HTTP server and send real webhooks;
//! - [`Shopify::new`] and its sister give the same emulator without sockets and timers: the caller
//!   passes requests to [`Marketplace::answer`], carries what [`Marketplace::take_deliveries`] hands out and
//!   reports with [`Marketplace::settle`], on a clock of its own ([`Conduct::clock`]).

#![cfg_attr(not(test), warn(clippy::indexing_slicing))]

mod faults;
mod journal;
mod market;
mod server;
mod shopify;
mod sign;
mod stage;
#[cfg(test)]
mod tests;
mod woocommerce;

pub use faults::{Fault, FaultCounts, Faults};
pub use journal::{Entry, Happening};
pub use market::{CounterError, Goods, Marketplace, Sold};
pub use server::{Running, SandboxError};
pub use shopify::{Shopify, ShopifyOptions, ShopifyVariant};
pub use stage::{Answer, Clock, Conduct, Delivery, wall_clock};
pub use woocommerce::{WooCommerce, WooOptions, WooProduct};

/// The place where emulated shops are opened.
#[derive(Debug, Clone, Copy)]
pub struct Market;

impl Market {
    /// Opens a Shopify with server and webhooks.
    ///
    /// # Errors
    /// If the address is not on loopback or cannot be used.
    pub async fn start_shopify(options: &ShopifyOptions) -> Result<Running<Shopify>, SandboxError> {
        let (listener, base_url) = server::bind(options.bind).await?;
        server::run(listener, Shopify::at(options, base_url))
    }

    /// Opens a WooCommerce with server and webhooks.
    ///
    /// # Errors
    /// If the address is not on loopback or cannot be used.
    pub async fn start_woocommerce(
        options: &WooOptions,
    ) -> Result<Running<WooCommerce>, SandboxError> {
        let (listener, base_url) = server::bind(options.bind).await?;
        server::run(listener, WooCommerce::at(options, base_url))
    }
}

/// A file of the shared fixtures. None, loudly, where the folder is missing; a failure in CI.
#[cfg(test)]
fn shared_fixture(path: &std::path::Path) -> Option<String> {
    let found = std::fs::read_to_string(path).ok();
    if found.is_none() {
        assert!(
            std::env::var_os("CI").is_none(),
            "{} is missing",
            path.display()
        );
        eprintln!(
            "SKIPPED: {} is missing, shapes are not checked against it",
            path.display()
        );
    }
    found
}
