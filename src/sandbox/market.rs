//! What every emulated marketplace can do, whatever its platform: answer requests, hand out deliveries,
//! serve shoppers, and tell what happened.
//!
//! Nothing here waits or sends: the HTTP server and the simulation drive the same methods.

use std::sync::Arc;

use bytes::Bytes;
use chrono::{DateTime, SecondsFormat, Utc};
use http::Request;
use serde_json::Value;
use tokio::sync::Notify;

use super::faults::FaultCounts;
use super::journal::Entry;
use super::stage::{Answer, Delivery};

/// What a shopper or an employee points at.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Goods<'a> {
    /// By SKU, exactly as the shop spells it; the first one if several share it.
    Sku(&'a str),
    /// By id: a Shopify inventory item, or a WooCommerce product or variation.
    Item(u64),
}

/// One line of an order that went through.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Sold {
    /// The order.
    pub order: u64,
    /// Its line.
    pub line: u64,
    /// Who holds the stock.
    pub item: u64,
    /// Units sold.
    pub units: i64,
    /// Units shown before.
    pub shown_before: i64,
    /// Units shown after.
    pub shown_after: i64,
}

/// Why a shopper or an employee could not do something.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum CounterError {
    /// Fewer units are shown than wanted.
    #[error("sell {units} of {sku:?}: the shop shows {shown}")]
    NotEnough {
        /// What was wanted.
        sku: String,
        /// How many.
        units: i64,
        /// What is shown.
        shown: i64,
    },
    /// The shop has no such goods.
    #[error("find {0}: not in the catalogue")]
    UnknownGoods(String),
    /// The shop has no such order, or no such line in it.
    #[error("find order {order}, line {line:?}")]
    UnknownOrder {
        /// The order.
        order: u64,
        /// The line, if one was named.
        line: Option<u64>,
    },
    /// The number of units makes no sense here.
    #[error("use {units} units: at most {most} are possible here, at least 1")]
    BadUnits {
        /// What was asked.
        units: i64,
        /// What would be possible.
        most: i64,
    },
    /// The order is past the point where this is possible.
    #[error("change order {order}: it is {state}")]
    WrongState {
        /// The order.
        order: u64,
        /// Its state.
        state: String,
    },
    /// The shop does not count these goods.
    #[error("edit item {0}: its stock is not counted here")]
    NotCounted(u64),
}

/// An emulated marketplace.
///
/// Methods are synchronous and take the shop's own lock; none waits. Time comes from the shop's clock.
pub trait Marketplace: Send + Sync {
    /// `shopify` or `woocommerce`.
    fn platform(&self) -> &'static str;
    /// The shop's address, without a slash at the end.
    fn base_url(&self) -> &str;
    /// Answers one request of the platform's interface.
    fn answer(&self, request: Request<Bytes>) -> Answer;
    /// Takes the webhook requests that are due. Each must be sent once and then settled.
    fn take_deliveries(&self) -> Vec<Delivery>;
    /// When the next delivery is due, in the shop's milliseconds.
    fn next_due_ms(&self) -> Option<i64>;
    /// Reports the answer to a delivery; none if there was no answer. Retries and disabling follow from it.
    fn settle(&self, delivery: &Delivery, status: Option<u16>);
    /// How long the platform waits for the answer to a delivery, in seconds.
    fn delivery_timeout_s(&self) -> u64;
    /// The shop's clock, in milliseconds since 1970.
    fn now_ms(&self) -> i64;
    /// Rings when a delivery is put in the outbox.
    fn bell(&self) -> Arc<Notify>;
    /// The journal after entry `sequence`; 0 for all.
    fn log_since(&self, sequence: u64) -> Vec<Entry>;
    /// The faults played so far.
    fn fault_counts(&self) -> FaultCounts;
    /// Units a shopper could buy now; none if the shop does not know or does not count them.
    fn shown(&self, goods: Goods<'_>) -> Option<i64>;
    /// Places one order; all lines or none.
    ///
    /// # Errors
    /// [`CounterError::NotEnough`] as the platform would, or unknown goods, or units below 1.
    fn order(&self, lines: &[(Goods<'_>, i64)]) -> Result<Vec<Sold>, CounterError>;
    /// Cancels an order and puts its units back.
    ///
    /// # Errors
    /// If the order is unknown, cancelled already or (Shopify) fulfilled.
    fn cancel(&self, order: u64) -> Result<(), CounterError>;
    /// Refunds units of a line, and puts them back for sale if `restock`.
    ///
    /// # Errors
    /// If the line is unknown, or has fewer units left.
    fn refund(&self, order: u64, line: u64, units: i64, restock: bool) -> Result<(), CounterError>;
    /// Ships an order.
    ///
    /// # Errors
    /// If the order is unknown or cancelled.
    fn fulfil(&self, order: u64) -> Result<(), CounterError>;
    /// Changes the shown number by hand, as an employee in the back office.
    ///
    /// # Errors
    /// If the goods are unknown or not counted.
    fn edit_stock(&self, goods: Goods<'_>, units: i64) -> Result<(), CounterError>;

    /// The whole journal.
    fn log(&self) -> Vec<Entry> {
        self.log_since(0)
    }

    /// Sells `units` of one thing.
    ///
    /// # Errors
    /// As [`Marketplace::order`].
    fn buy(&self, goods: Goods<'_>, units: i64) -> Result<Sold, CounterError> {
        let sold = self.order(&[(goods, units)])?;
        let unknown = || CounterError::UnknownGoods(format!("{goods:?}"));
        sold.into_iter().next().ok_or_else(unknown)
    }
}

/// Puts a field into a JSON object; anything else stays as it is.
pub(crate) fn put(object: &mut Value, name: &str, value: Value) {
    if let Some(object) = object.as_object_mut() {
        object.insert(name.to_owned(), value);
    }
}

/// A time as the platforms write it, in whole seconds of UTC: `2026-06-25T01:33:56Z`.
pub(crate) fn iso(at_ms: i64) -> String {
    DateTime::<Utc>::from_timestamp_millis(at_ms)
        .unwrap_or_default()
        .to_rfc3339_opts(SecondsFormat::Secs, true)
}
