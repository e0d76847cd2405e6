//! The rows of a store, as they are written and read back.

use std::collections::BTreeSet;

use serde::{Deserialize, Serialize};

use crate::domain::clock::Timestamp;
use crate::domain::ids::{ChannelId, LocationId, OrderId, Sku};
use crate::domain::message::Hint;
use crate::domain::quantity::Balance;
use crate::domain::stock::{Balances, Count, StockEntry};
use crate::domain::tier::Kept;

/// What became of a message.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Outcome {
    /// It changed something.
    Applied,
    /// It said nothing new.
    Duplicate,
    /// Nothing follows from it; the reason is kept.
    Ignored,
    /// It could not be understood, or names goods that are not known; kept for later.
    Parked,
}

impl Outcome {
    /// One word.
    pub const fn word(self) -> &'static str {
        match self {
            Self::Applied => "applied",
            Self::Duplicate => "duplicate",
            Self::Ignored => "ignored",
            Self::Parked => "parked",
        }
    }
}

/// One message as it is kept.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct EventRow {
    /// Where it came from.
    pub channel: ChannelId,
    /// In the platform's words.
    pub topic: String,
    /// The platform's id of the delivery.
    pub delivery: Option<String>,
    /// The order or listing that it is about.
    pub subject: Option<String>,
    /// When it happened, by the platform's clock.
    pub happened_at: Option<Timestamp>,
    /// When it came.
    pub received_at: Timestamp,
    /// What became of it.
    pub outcome: Outcome,
    /// Why, where nothing followed.
    pub reason: Option<String>,
    /// The reduced content of an understood message, the raw bytes of a parked one.
    pub body: Option<Vec<u8>>,
}

/// One row of the audit, without its place in the chain.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AuditRow {
    /// When.
    pub at: Timestamp,
    /// What kind of thing, such as `message` or `push`.
    pub kind: &'static str,
    /// The channel, where there is one.
    pub channel: Option<ChannelId>,
    /// The order, SKU or listing.
    pub subject: String,
    /// Everything else, as JSON.
    pub detail: String,
}

/// A row of the audit as it is read back.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct AuditEntry {
    /// Its place.
    pub id: i64,
    /// When.
    pub at: Timestamp,
    /// What kind of thing.
    pub kind: String,
    /// The channel, where there is one.
    pub channel: Option<String>,
    /// The order, SKU or listing.
    pub subject: String,
    /// Everything else.
    pub detail: serde_json::Value,
}

/// A tier as it is kept.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct KeptTier {
    /// The tier, and how long it was slower than that.
    pub kept: Kept,
    /// The end of the last window.
    pub as_of: Timestamp,
    /// The SKU was missing in it.
    pub stale: bool,
}

/// A hint whose time has come.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HintRow {
    /// Whose.
    pub channel: ChannelId,
    /// What to fetch.
    pub hint: Hint,
    /// When it was asked for the last time.
    pub asked_at: Timestamp,
    /// Failures in a row.
    pub failures: u32,
}

/// What the store knows of a channel.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct ChannelState {
    /// Orders changed up to then are in the books.
    pub orders_through: Timestamp,
    /// When the last complete read of its orders began.
    pub orders_read_at: Option<Timestamp>,
    /// Why nothing is sent to it, if it is held.
    pub held: Option<String>,
    /// Its access token, as its wire wrote it.
    pub token: Option<String>,
    /// It asked not to be called before then.
    pub closed_until: Option<Timestamp>,
    /// When the last webhook came.
    pub last_hook_at: Option<Timestamp>,
}

/// Something given up, in either direction.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct DeadLetter {
    /// Whose.
    pub channel: ChannelId,
    /// `push`, `read`, `fetch` or `order`.
    pub kind: String,
    /// The listing or the hint.
    pub what: String,
    /// Why, in words.
    pub reason: String,
    /// The platform's last answer.
    pub answer: Option<String>,
    /// How often it was tried.
    pub attempts: u32,
    /// When it was given up.
    pub at: Timestamp,
}

/// One row of stock.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StockLine {
    /// The goods.
    pub sku: Sku,
    /// Where.
    pub location: LocationId,
    /// What is there.
    pub balances: Balances,
    /// The last opening or count.
    pub count: Option<Count>,
    /// What that count or the last receipt found.
    pub reference: Option<Balance>,
}

/// A message as it is read back, without its content.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct EventLine {
    /// Its number.
    pub id: i64,
    /// Where it came from.
    pub channel: ChannelId,
    /// In the platform's words.
    pub topic: String,
    /// The platform's id of the delivery.
    pub delivery: Option<String>,
    /// The order or listing that it is about.
    pub subject: Option<String>,
    /// When it happened, by the platform's clock.
    pub happened_at: Option<Timestamp>,
    /// When it came.
    pub received_at: Timestamp,
    /// What became of it, in a word.
    pub outcome: String,
    /// Why, where nothing followed.
    pub reason: Option<String>,
}

/// An entry of the books as it is read back.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct EntryLine {
    /// Its number.
    pub id: i64,
    /// What it moved, and why.
    pub entry: StockEntry,
    /// When it was written.
    pub recorded_at: Timestamp,
}

/// What is older than this is forgotten, kind by kind.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Horizon {
    /// Contents of messages that were parked; that they came, and why they were parked, stays.
    pub parked: Timestamp,
    /// Messages.
    pub events: Timestamp,
    /// Rows of the audit.
    pub audit: Timestamp,
    /// Work that was handed over and answered.
    pub requests: Timestamp,
}

/// How much was forgotten.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize)]
pub struct Forgotten {
    /// Contents of parked messages.
    pub bodies: usize,
    /// Messages.
    pub events: usize,
    /// Rows of the audit.
    pub audit_rows: usize,
}

impl Forgotten {
    /// Whether there was nothing that is too old.
    pub fn is_nothing(self) -> bool {
        self == Self::default()
    }
}

/// What is to be erased for a buyer.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Erasure {
    /// The buyer's orders.
    pub orders: BTreeSet<(ChannelId, OrderId)>,
    /// Texts such as an e-mail address: messages that hold one, in whatever case, lose their content.
    pub texts: Vec<String>,
}

/// How much there is of everything.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize)]
pub struct Totals {
    /// Messages that were kept.
    pub messages: i64,
    /// Orders.
    pub orders: i64,
    /// Entries of the books.
    pub entries: i64,
    /// SKUs that are known.
    pub skus: i64,
    /// Listings.
    pub listings: i64,
    /// Rows of the audit.
    pub audit_rows: i64,
}
