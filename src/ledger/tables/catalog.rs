//! The rows of listings: what they are of ours, what they show, and what became of their turn.

use std::collections::BTreeSet;

use crate::domain::catalog::{Fulfilment, Mapping};
use crate::domain::clock::Timestamp;
use crate::domain::delivery::Shown;
use crate::domain::ids::{ChannelId, ListingId, ListingKey, Sku};
use crate::domain::policy::Supply;

/// A listing to be put into the catalog: from an import or from discovery.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CatalogRow {
    /// Whose and which.
    pub key: ListingKey,
    /// Another id by which orders name it.
    pub alias: Option<ListingId>,
    /// Their SKU text.
    pub their_sku: Option<String>,
    /// What it is of ours; `None` keeps the mapping that is there.
    pub mapping: Option<Mapping>,
    /// Why its quantity cannot be set; `None`: it can.
    pub not_publishable: Option<String>,
}

/// Everything that delivery needs to know of one listing, read in one snapshot.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ListingState {
    /// Whose and which.
    pub key: ListingKey,
    /// Their SKU text.
    pub their_sku: Option<String>,
    /// Another id by which orders name it.
    pub alias: Option<ListingId>,
    /// What it is of ours.
    pub mapping: Option<Mapping>,
    /// Why its quantity cannot be set.
    pub not_publishable: Option<String>,
    /// What we believe it shows.
    pub shown: Shown,
    /// What is shown was set by a write that the platform compared with a number that held every order until then.
    pub compared: bool,
    /// The last compare failed.
    pub stale: bool,
    /// When a read last agreed with what was sent.
    pub verified_at: Option<Timestamp>,
    /// The feed version that was last acknowledged.
    pub acked: Option<i64>,
    /// Failures in a row.
    pub failures: u32,
    /// Not before then.
    pub due_at: Timestamp,
    /// What feeds it.
    pub feeds: Vec<Supply>,
}

impl ListingState {
    /// The sum of the versions of what feeds it.
    pub fn feed_version(&self) -> i64 {
        self.feeds.iter().map(|feed| feed.version).sum()
    }

    /// The one dirty test.
    pub fn dirty(&self) -> bool {
        self.acked != Some(self.feed_version())
    }

    /// Whether a quantity may be sent to it at all.
    pub fn publishable(&self) -> bool {
        let ours = self
            .mapping
            .as_ref()
            .is_some_and(|mapping| mapping.fulfilment == Fulfilment::Merchant);
        let counted = self.feeds.iter().any(|feed| feed.tracked);
        ours && self.not_publishable.is_none() && counted
    }
}

/// Which listings to read.
#[derive(Debug, Clone, Default)]
pub struct Selection {
    /// Only of this channel.
    pub channel: Option<ChannelId>,
    /// Only these.
    pub keys: Option<BTreeSet<ListingKey>>,
    /// Only what these SKUs feed.
    pub skus: Option<BTreeSet<Sku>>,
    /// Only dirty ones that can be published.
    pub dirty: bool,
}

/// What became of a listing's turn.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Settled {
    /// Which.
    pub key: ListingKey,
    /// What it shows now as far as we know.
    pub shown: Shown,
    /// Whether the platform compared before it set what is shown, with a number that held every order until then; `None`:
    /// what is shown is as it was.
    pub compared: Option<bool>,
    /// The last compare failed.
    pub stale: bool,
    /// The feed version that is acknowledged by this; `None` leaves it dirty.
    pub acked: Option<i64>,
    /// A read agreed.
    pub verified_at: Option<Timestamp>,
    /// Failures in a row.
    pub failures: u32,
    /// Not again before then.
    pub due_at: Timestamp,
}
