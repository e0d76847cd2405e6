//! What reports look back at. Part of [`super::tables::Tables`].

use std::collections::BTreeMap;

use super::tables::{AuditEntry, Result};
use crate::domain::clock::Timestamp;
use crate::domain::ids::{ChannelId, OrderId, Sku};
use crate::domain::quantity::Balance;

/// One order of one SKU, as its entries say; its lines of that SKU are summed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SoldRow {
    /// The goods: a bundle's are its parts.
    pub sku: Sku,
    /// Where.
    pub channel: ChannelId,
    /// Which order.
    pub order: OrderId,
    /// When it was placed.
    pub at: Timestamp,
    /// Units that it asked for, whatever became of them.
    pub units: Balance,
}

/// The rows of one transaction, as far as reports are concerned.
#[expect(
    clippy::missing_errors_doc,
    reason = "each fails as the store does, with a StoreError"
)]
pub trait Review {
    /// When the books began: the first entry was written.
    fn began(&mut self) -> Result<Option<Timestamp>>;
    /// Orders that were placed since a time and that we have to serve, by channel.
    fn orders_since(&mut self, since: Timestamp) -> Result<BTreeMap<ChannelId, u64>>;
    /// Orders of SKUs that were placed since a time, by SKU, then time.
    fn sold_since(&mut self, since: Timestamp) -> Result<Vec<SoldRow>>;
    /// Gives every row of the audit of one kind since a time, oldest first.
    fn audit_since(
        &mut self,
        kind: &str,
        since: Timestamp,
        take: &mut dyn FnMut(AuditEntry),
    ) -> Result<()>;
}
