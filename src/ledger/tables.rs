//! What a store must be able to do within one transaction. Whatever can be is set-based: a batch is a handful of
//! statements, however many rows it touches.

use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};

use super::StoreError;
use super::life::Life;
use super::review::Review;
use super::runs::Runs;
use crate::domain::bundle::Recipes;
use crate::domain::catalog::{Folding, Fulfilment, Mapping};
use crate::domain::clock::Timestamp;
use crate::domain::decide::Books;
use crate::domain::delivery::Shown;
use crate::domain::ids::{ChannelId, ListingId, ListingKey, LocationId, OrderId, Sku};
use crate::domain::message::Hint;
use crate::domain::policy::Supply;
use crate::domain::quantity::Balance;
use crate::domain::stock::{Balances, Count, StockEntry};
use crate::domain::tier::Kept;

/// Shorthand of this room.
pub type Result<T> = std::result::Result<T, StoreError>;

/// Which rows a batch can touch.
#[derive(Debug, Clone, Default)]
pub struct Wanted {
    /// Orders, with their lines and what they booked.
    pub orders: BTreeSet<(ChannelId, OrderId)>,
    /// Listings by id or alias.
    pub listings: BTreeSet<(ChannelId, ListingId)>,
    /// SKU texts of channels.
    pub texts: BTreeSet<(ChannelId, String)>,
    /// SKUs of ours.
    pub skus: BTreeSet<Sku>,
    /// How each channel's SKU texts are compared; exact for those that are missing.
    pub folding: BTreeMap<ChannelId, Folding>,
    /// The texts of lines that are booked already, too: their goods may have become others.
    pub every_text: bool,
}

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

/// The rows of one transaction.
#[expect(
    clippy::missing_errors_doc,
    reason = "each fails as the store does, with a StoreError"
)]
pub trait Tables: Life + Review + Runs {
    // The books.

    /// Reads every row that a batch can touch, those of bundles' components too.
    fn gather(&mut self, wanted: &Wanted) -> Result<Books>;
    /// Writes what changed in them.
    fn write_books(&mut self, books: &Books, recorded_at: Timestamp) -> Result<()>;
    /// Keeps messages; their ids, in order.
    fn add_events(&mut self, events: &[EventRow]) -> Result<Vec<i64>>;
    /// Which of these deliveries were kept before.
    fn seen_deliveries(
        &mut self,
        ids: &BTreeSet<(ChannelId, String)>,
    ) -> Result<BTreeSet<(ChannelId, String)>>;
    /// Parked order lines that name one of these listings or SKU texts; every parked line without a filter.
    fn parked_orders(&mut self) -> Result<BTreeSet<(ChannelId, OrderId)>>;
    /// The book balance of what is on hand at a time: entries that took effect by then.
    fn on_hand_at(&mut self, sku: &Sku, location: &LocationId, at: Timestamp) -> Result<Balances>;
    /// When it was last counted how many are set aside.
    fn set_aside_at(&mut self, sku: &Sku, location: &LocationId) -> Result<Option<Timestamp>>;
    /// Notes a count on a stock row, and what it found.
    fn note_count(
        &mut self,
        sku: &Sku,
        location: &LocationId,
        count: Count,
        reference: Balance,
    ) -> Result<()>;
    /// All rows of stock, by SKU and location.
    fn stock(&mut self) -> Result<Vec<StockLine>>;
    /// Makes SKUs known; those that are there stay as they are.
    fn add_skus(&mut self, skus: &BTreeSet<Sku>) -> Result<()>;

    // The catalog.

    /// Recipes of all bundles.
    fn recipes(&mut self) -> Result<Recipes>;
    /// Replaces the recipes of these bundles; an empty recipe removes it. Rebuilds what they feed.
    fn put_recipes(&mut self, recipes: &Recipes) -> Result<()>;
    /// Puts listings in, maps them, and rebuilds what feeds those that changed. Returns how many changed.
    fn put_listings(&mut self, rows: &[CatalogRow]) -> Result<usize>;

    // Delivery.

    /// Listings with everything that delivery needs, by channel and listing.
    fn listings(&mut self, which: &Selection) -> Result<Vec<ListingState>>;
    /// Marks listings as being sent to, with the quantity that is on its way.
    fn begin_send(&mut self, sending: &[(ListingKey, i64)]) -> Result<()>;
    /// These listings show what they should, as of these feed versions: done without a call.
    fn acknowledge(&mut self, done: &[(ListingKey, i64)]) -> Result<()>;
    /// Writes down what became of their turn.
    fn settle(&mut self, settled: &[Settled]) -> Result<()>;
    /// Doubts every listing that is dirty or was being sent to: at start, and when a lease was taken over.
    fn doubt_open(&mut self) -> Result<usize>;
    /// Raises the versions of SKUs whose plan changed.
    fn raise_versions(&mut self, skus: &BTreeSet<Sku>) -> Result<()>;
    /// Tiers that were classified.
    fn tiers(&mut self) -> Result<BTreeMap<Sku, KeptTier>>;
    /// Keeps these tiers; the others stay.
    fn set_tiers(&mut self, tiers: &BTreeMap<Sku, KeptTier>) -> Result<()>;

    // Work that waits.

    /// Asks for things to be fetched; what is asked already is only asked again.
    fn ask(&mut self, hints: &[(ChannelId, Hint)], now: Timestamp) -> Result<()>;
    /// Hints of these channels (of all, if none are named) whose time has come, oldest first.
    fn due_hints(
        &mut self,
        of: &BTreeSet<ChannelId>,
        now: Timestamp,
        most: usize,
    ) -> Result<Vec<HintRow>>;
    /// Takes a hint away, unless it was asked again since.
    fn hint_done(&mut self, hint: &HintRow) -> Result<()>;
    /// Puts a hint off.
    fn hint_later(&mut self, hint: &HintRow, due_at: Timestamp) -> Result<()>;
    /// Keeps what was given up; one letter per thing.
    fn add_dead_letter(&mut self, letter: &DeadLetter) -> Result<()>;
    /// Closes the letter of something that worked after all.
    fn close_dead_letter(&mut self, channel: &ChannelId, kind: &str, what: &str) -> Result<()>;
    /// Closes the letters about these orders: not understood, not fetched or not booked before, and here now.
    fn close_letters_of(&mut self, orders: &BTreeSet<(ChannelId, OrderId)>) -> Result<()>;
    /// All dead letters, oldest first.
    fn dead_letters(&mut self) -> Result<Vec<DeadLetter>>;

    // Facts.

    /// What is known of a channel.
    fn channel(&mut self, channel: &ChannelId) -> Result<ChannelState>;
    /// Writes what is known of a channel, except when it was last heard and until when it is closed.
    fn set_channel(&mut self, channel: &ChannelId, state: &ChannelState) -> Result<()>;
    /// These channels asked not to be called before then.
    fn close_until(&mut self, closed: &BTreeMap<ChannelId, Timestamp>) -> Result<()>;
    /// A webhook of each of these channels came.
    fn heard(&mut self, channels: &BTreeSet<ChannelId>, at: Timestamp) -> Result<()>;
    /// A fact of the store.
    fn fact(&mut self, name: &str) -> Result<Option<String>>;
    /// Sets a fact of the store.
    fn set_fact(&mut self, name: &str, value: &str) -> Result<()>;
    /// Appends to the audit.
    fn audit(&mut self, rows: &[AuditRow]) -> Result<()>;
    /// The audit of one subject, oldest first.
    fn audit_of(&mut self, subject: &str) -> Result<Vec<AuditEntry>>;

    // Looking back.

    /// Messages about an order or a listing, oldest first; else the message with this number; else those with this id of
    /// their delivery.
    fn events_of(&mut self, subject: &str) -> Result<Vec<EventLine>>;
    /// Entries that an order caused, on whatever channel it has this name; oldest first.
    fn entries_of_order(&mut self, order: &str) -> Result<Vec<EntryLine>>;
    /// Entries of one SKU, oldest first.
    fn entries_of_sku(&mut self, sku: &Sku) -> Result<Vec<EntryLine>>;
    /// Every SKU that is known.
    fn skus(&mut self) -> Result<BTreeSet<Sku>>;
    // Keeping and erasing.

    /// One chunk of what is too old: at most `most` rows of each kind. The audit stays verifiable after its cut.
    fn forget(&mut self, before: Horizon, most: usize) -> Result<Forgotten>;
    /// Messages whose content is to be erased.
    fn erasable(&mut self, what: &Erasure) -> Result<BTreeSet<i64>>;
    /// Removes the content of messages; that they came, and what became of them, stays. How many had any.
    fn erase(&mut self, events: &BTreeSet<i64>) -> Result<usize>;

    // Work that is handed over to the process that delivers.

    /// Leaves work; its number.
    fn hand_over(&mut self, what: &str, now: Timestamp) -> Result<i64>;
    /// Work that nobody has answered yet, oldest first: its number, and what.
    fn pending_requests(&mut self) -> Result<Vec<(i64, String)>>;
    /// Says what became of work; the first answer stands.
    fn answer(&mut self, id: i64, result: &str) -> Result<()>;
    /// What became of work, if that is known yet.
    fn result_of(&mut self, id: i64) -> Result<Option<String>>;

    /// How much there is of everything.
    fn totals(&mut self) -> Result<Totals>;
}

/// A store: transactions over [`Tables`].
pub trait Store: Send {
    /// Runs the work in one write transaction: all of it is durable when this returns, or nothing of it happened.
    ///
    /// # Errors
    /// What the work returned, or what went wrong with the transaction.
    fn write(&mut self, work: &mut dyn FnMut(&mut dyn Tables) -> Result<()>) -> Result<()>;
    /// Runs the work in a write transaction that is rolled back at its end: what would be, and nothing happened.
    ///
    /// # Errors
    /// What the work returned, or what went wrong with the transaction.
    fn rehearse(&mut self, work: &mut dyn FnMut(&mut dyn Tables) -> Result<()>) -> Result<()> {
        let mut done = false;
        let rolled_back = self.write(&mut |tables| {
            work(tables)?;
            done = true;
            Err(StoreError::Closed)
        });
        if done { Ok(()) } else { rolled_back }
    }
    /// Runs the work over one consistent snapshot.
    ///
    /// # Errors
    /// What the work returned.
    fn read(&mut self, work: &mut dyn FnMut(&mut dyn Tables) -> Result<()>) -> Result<()>;
    /// Whether another connection has written since the last call.
    ///
    /// # Errors
    /// If the store cannot be asked.
    fn changed_by_others(&mut self) -> Result<bool>;
    /// Replays the entries from empty, walks the audit chain and checks every identity; what is broken, in words.
    ///
    /// # Errors
    /// If the store cannot be read.
    fn verify(&mut self) -> Result<Vec<String>>;
    /// Leaves no trace of what was overwritten in any log beside the store. Whether that could be done: another process
    /// may be reading.
    ///
    /// # Errors
    /// If the store cannot be written.
    fn fold_log(&mut self) -> Result<bool> {
        Ok(true)
    }
}
