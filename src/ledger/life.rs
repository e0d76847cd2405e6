//! What a store must know of the life of stock between two sales: papers of people, moments that pass, incidents, names
//! that SKUs had. Part of [`super::tables::Tables`].

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use serde::Serialize;

use super::tables::{Result, StockLine};
use crate::domain::clock::Timestamp;
use crate::domain::ids::{ChannelId, DocumentId, ListingId, ListingKey, LocationId, OrderId, Sku};
use crate::domain::incident::{LineKey, LostLine};
use crate::domain::promise::Promises;
use crate::domain::quantity::Balance;

/// What kind of paper something is written on.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum PaperKind {
    /// Goods on their way between two places of ours.
    Transfer,
    /// Goods that were ordered.
    Purchase,
    /// Goods that arrived.
    Receipt,
    /// Units that are kept for something.
    Hold,
}

impl PaperKind {
    /// One word.
    pub const fn word(self) -> &'static str {
        match self {
            Self::Transfer => "transfer",
            Self::Purchase => "purchase",
            Self::Receipt => "receipt",
            Self::Hold => "hold",
        }
    }
}

/// One line of a paper.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Paper {
    /// Which paper.
    pub id: DocumentId,
    /// Which line of it.
    pub line: String,
    /// The goods.
    pub sku: Sku,
    /// Something may still come of it.
    pub open: bool,
    /// When it changes by time alone.
    pub until: Option<Timestamp>,
    /// What is known of it, as JSON.
    pub state: String,
}

/// A line that was promised units of a SKU at some places, as its entries say.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PromisedRow {
    /// Which.
    pub key: LineKey,
    /// When its order was placed.
    pub placed_at: Timestamp,
    /// Units that it is promised now; 0: none any more.
    pub committed: Balance,
    /// Units that left the shelf for it.
    pub shipped: Balance,
}

/// One incident.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Incident {
    /// Its number; 0 until it has one.
    pub id: i64,
    /// The goods.
    pub sku: Sku,
    /// The first of the places that stand in for each other; none if people said nothing of it.
    pub pool: Option<LocationId>,
    /// `ledger` or `person`.
    pub source: String,
    /// When it was opened.
    pub opened_at: Timestamp,
    /// When nothing was owed any more.
    pub closed_at: Option<Timestamp>,
    /// The day that people named.
    pub happened_on: Option<String>,
    /// Why, as people said.
    pub reason: Option<String>,
    /// What it cost, as people wrote it.
    pub cost: Option<String>,
    /// In which currency.
    pub currency: Option<String>,
    /// What the books and the listings said when it was opened.
    pub evidence: serde_json::Value,
    /// The order lines that lost.
    pub lines: Vec<LostLine>,
}

impl Incident {
    /// Units that were missing, at most, all lines together.
    pub fn units(&self) -> Balance {
        self.lines
            .iter()
            .fold(0, |sum: Balance, line| sum.saturating_add(line.units))
    }
}

/// Which incidents to read.
#[derive(Debug, Clone, Default)]
pub struct Incidents {
    /// Only these.
    pub ids: Option<BTreeSet<i64>>,
    /// Only of these SKUs.
    pub skus: Option<BTreeSet<Sku>>,
    /// Only those that are not closed.
    pub open: bool,
}

/// A name that a SKU had.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Alias {
    /// The name.
    pub alias: Sku,
    /// The SKU that had it.
    pub sku: Sku,
    /// From when on, if that is known.
    pub since: Option<Timestamp>,
    /// Until when.
    pub until: Timestamp,
}

/// The rows of one transaction, as far as the life of stock is concerned.
#[expect(
    clippy::missing_errors_doc,
    reason = "each fails as the store does, with a StoreError"
)]
pub trait Life {
    /// The moment at which everything is read, and what the seller promises beyond the shelf.
    fn stand_at(&mut self, now: Timestamp, promises: &Arc<Promises>);
    /// SKUs whose stock was written in this transaction since the last call.
    fn moved(&mut self) -> BTreeSet<Sku>;

    /// Lines of papers.
    fn papers(
        &mut self,
        kind: PaperKind,
        ids: &BTreeSet<DocumentId>,
    ) -> Result<BTreeMap<(DocumentId, String), Paper>>;
    /// All lines of papers of which something may still come.
    fn open_papers(&mut self, kind: PaperKind) -> Result<Vec<Paper>>;
    /// Open lines of papers whose time has come.
    fn due_papers(&mut self, kind: PaperKind, now: Timestamp) -> Result<Vec<Paper>>;
    /// Writes lines of papers.
    fn put_papers(&mut self, kind: PaperKind, papers: &[Paper]) -> Result<()>;

    /// Pending orders whose time has come.
    fn lapsing_orders(&mut self, now: Timestamp) -> Result<BTreeSet<(ChannelId, OrderId)>>;
    /// When the next thing happens by time alone.
    fn next_moment(&mut self) -> Result<Option<Timestamp>>;
    /// When what listings should show changes by time alone.
    fn note_until(&mut self, moments: &[(ListingKey, Timestamp)]) -> Result<()>;
    /// Opens the listings whose time has come: what was acknowledged of them is taken back. How many.
    fn pass_until(&mut self, now: Timestamp) -> Result<usize>;

    /// Units that holds set aside at a time: no part of what people count.
    fn held_at(&mut self, sku: &Sku, location: &LocationId, at: Timestamp) -> Result<Balance>;
    /// Somebody said how many units were set aside at a time.
    fn note_aside(&mut self, sku: &Sku, location: &LocationId, at: Timestamp) -> Result<()>;
    /// What the last receipt brought.
    fn note_reference(&mut self, sku: &Sku, location: &LocationId, units: Balance) -> Result<()>;
    /// The stock as it was: by when things took effect, or by when they were written down.
    fn stock_at(&mut self, at: Timestamp, as_written: bool) -> Result<Vec<StockLine>>;
    /// When SKUs had nothing to sell at any place, from their first entry on: since when and until when, `now` at the latest.
    fn out_of_stock(&mut self, now: Timestamp) -> Result<Vec<(Sku, Timestamp, Timestamp)>>;
    /// The stock of some SKUs.
    fn stock_of(&mut self, skus: &BTreeSet<Sku>) -> Result<Vec<StockLine>>;

    /// By how much orders lowered what is available of a SKU since a time.
    fn ordered_since(&mut self, sku: &Sku, since: Timestamp) -> Result<Balance>;
    /// Order lines that entries of a SKU at these places name: those that are promised something, and these.
    fn promised(
        &mut self,
        sku: &Sku,
        places: &BTreeSet<LocationId>,
        and: &BTreeSet<LineKey>,
    ) -> Result<Vec<PromisedRow>>;
    /// SKUs among these of which an incident is open.
    fn with_incident(&mut self, skus: &BTreeSet<Sku>) -> Result<BTreeSet<Sku>>;
    /// Incidents, oldest first.
    fn incidents(&mut self, which: &Incidents) -> Result<Vec<Incident>>;
    /// The incidents that these order lines of a SKU are in.
    fn incidents_of_lines(&mut self, sku: &Sku, lines: &BTreeSet<LineKey>)
    -> Result<BTreeSet<i64>>;
    /// Writes an incident with its lines; its number.
    fn put_incident(&mut self, incident: &Incident) -> Result<i64>;

    /// Orders with lines of this listing, or of any, that are booked.
    fn booked_orders(
        &mut self,
        channel: Option<&ChannelId>,
        listing: Option<&ListingId>,
    ) -> Result<BTreeSet<(ChannelId, OrderId)>>;
    /// Gives a SKU another name, everywhere.
    fn rename_sku(&mut self, old: &Sku, new: &Sku, now: Timestamp) -> Result<()>;
    /// Names that a SKU had, and SKUs that had this name.
    fn aliases(&mut self, sku: &Sku) -> Result<Vec<Alias>>;
}
