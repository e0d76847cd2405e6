//! The rows of one SQLite transaction, as far as the life of stock is concerned: each method in the file it belongs to.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use super::tables::Rows;
use super::{incidents, names, papers};
use crate::domain::clock::Timestamp;
use crate::domain::ids::{ChannelId, DocumentId, ListingId, ListingKey, LocationId, OrderId, Sku};
use crate::domain::incident::LineKey;
use crate::domain::promise::Promises;
use crate::domain::quantity::Balance;
use crate::ledger::life::{Alias, Incident, Incidents, Life, Paper, PaperKind, PromisedRow};
use crate::ledger::tables::{Result, StockLine};

/// What a transaction remembers while it runs.
#[derive(Debug, Default)]
pub(super) struct Meanwhile {
    /// SKUs whose stock was written.
    pub(super) moved: BTreeSet<Sku>,
    /// The moment at which everything is read.
    pub(super) now: Timestamp,
    /// What is promised beyond the shelf.
    pub(super) promises: Arc<Promises>,
}

impl Life for Rows<'_> {
    fn stand_at(&mut self, now: Timestamp, promises: &Arc<Promises>) {
        (self.1.now, self.1.promises) = (now, Arc::clone(promises));
    }

    fn moved(&mut self) -> BTreeSet<Sku> {
        std::mem::take(&mut self.1.moved)
    }

    fn papers(
        &mut self,
        kind: PaperKind,
        ids: &BTreeSet<DocumentId>,
    ) -> Result<BTreeMap<(DocumentId, String), Paper>> {
        papers::of(self.0, kind, ids)
    }

    fn open_papers(&mut self, kind: PaperKind) -> Result<Vec<Paper>> {
        papers::open(self.0, kind)
    }

    fn due_papers(&mut self, kind: PaperKind, now: Timestamp) -> Result<Vec<Paper>> {
        papers::due(self.0, kind, now)
    }

    fn put_papers(&mut self, kind: PaperKind, rows: &[Paper]) -> Result<()> {
        papers::put(self.0, kind, rows)
    }

    fn lapsing_orders(&mut self, now: Timestamp) -> Result<BTreeSet<(ChannelId, OrderId)>> {
        papers::lapsing_orders(self.0, now)
    }

    fn next_moment(&mut self) -> Result<Option<Timestamp>> {
        papers::next_moment(self.0)
    }

    fn note_until(&mut self, moments: &[(ListingKey, Timestamp)]) -> Result<()> {
        papers::note_until(self.0, moments)
    }

    fn pass_until(&mut self, now: Timestamp) -> Result<usize> {
        papers::pass_until(self.0, now)
    }

    fn held_at(&mut self, sku: &Sku, location: &LocationId, at: Timestamp) -> Result<Balance> {
        papers::held_at(self.0, sku, location, at)
    }

    fn note_aside(&mut self, sku: &Sku, location: &LocationId, at: Timestamp) -> Result<()> {
        papers::note_aside(self.0, sku, location, at)
    }

    fn note_reference(&mut self, sku: &Sku, location: &LocationId, units: Balance) -> Result<()> {
        papers::note_reference(self.0, sku, location, units)
    }

    fn stock_at(&mut self, at: Timestamp, as_written: bool) -> Result<Vec<StockLine>> {
        papers::stock_at(self.0, at, as_written)
    }

    fn out_of_stock(&mut self, now: Timestamp) -> Result<Vec<(Sku, Timestamp, Timestamp)>> {
        papers::out_of_stock(self.0, now)
    }

    fn stock_of(&mut self, skus: &BTreeSet<Sku>) -> Result<Vec<StockLine>> {
        papers::stock_of(self.0, skus)
    }

    fn ordered_since(&mut self, sku: &Sku, since: Timestamp) -> Result<Balance> {
        papers::ordered_since(self.0, sku, since)
    }

    fn promised(
        &mut self,
        sku: &Sku,
        places: &BTreeSet<LocationId>,
        and: &BTreeSet<LineKey>,
    ) -> Result<Vec<PromisedRow>> {
        incidents::promised(self.0, sku, places, and)
    }

    fn with_incident(&mut self, skus: &BTreeSet<Sku>) -> Result<BTreeSet<Sku>> {
        incidents::with_incident(self.0, skus)
    }

    fn incidents(&mut self, which: &Incidents) -> Result<Vec<Incident>> {
        incidents::read(self.0, which)
    }

    fn incidents_of_lines(
        &mut self,
        sku: &Sku,
        lines: &BTreeSet<LineKey>,
    ) -> Result<BTreeSet<i64>> {
        incidents::of_lines(self.0, sku, lines)
    }

    fn put_incident(&mut self, incident: &Incident) -> Result<i64> {
        incidents::put(self.0, incident)
    }

    fn booked_orders(
        &mut self,
        channel: Option<&ChannelId>,
        listing: Option<&ListingId>,
    ) -> Result<BTreeSet<(ChannelId, OrderId)>> {
        names::booked_orders(self.0, channel, listing)
    }

    fn rename_sku(&mut self, old: &Sku, new: &Sku, now: Timestamp) -> Result<()> {
        names::rename(self.0, old, new, now)
    }

    fn aliases(&mut self, sku: &Sku) -> Result<Vec<Alias>> {
        names::aliases(self.0, sku)
    }
}
