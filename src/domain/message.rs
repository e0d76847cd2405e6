//! What messages and reads say beside orders: levels, hints, and what a channel sells.

use serde::{Deserialize, Serialize};

use super::clock::Timestamp;
use super::ids::{ListingId, LocationId, OrderId};

/// Something that a message points at and does not carry.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", tag = "kind", content = "what")]
pub enum Hint {
    /// Fetch this order.
    Order(OrderId),
    /// Read what this listing shows.
    Level(ListingId),
    /// Sweep the orders since the watermark.
    Orders,
    /// The listings of the channel changed: discover them again.
    Listings,
}

/// A quantity that a channel reports.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Level {
    /// Whose.
    pub listing: ListingId,
    /// What it shows, in what the platform takes; may be negative (Shopify). `None`: it does not track a quantity.
    pub shows: Option<i64>,
    /// When that was true, by the platform's clock; `None`: at the time of the read.
    pub at: Option<Timestamp>,
}

/// What a channel sells, as discovery found it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Listing {
    /// Its id, as `publish` takes it.
    pub listing: ListingId,
    /// Another id by which orders name it; several listings that show the same goods at several places have one alias.
    pub alias: Option<ListingId>,
    /// Which of our places it shows, where the settings say; `None`: those that the channel sells from.
    pub location: Option<LocationId>,
    /// Their SKU text; empty if there is none.
    pub sku: String,
    /// Why its quantity cannot be set: untracked, computed by the platform, held by the marketplace.
    pub not_publishable: Option<String>,
    /// What a person should know about it, such as `sells below zero`.
    pub remark: Option<String>,
}
