//! What a store must be able to do within one transaction. Whatever can be is set-based: a batch is a handful of
//! statements, however many rows it touches.

mod catalog;
mod rows;
mod runs;

use std::collections::{BTreeMap, BTreeSet};

pub use catalog::{CatalogRow, ListingState, Selection, Settled};
pub use rows::{
    AuditEntry, AuditRow, ChannelState, DeadLetter, EntryLine, Erasure, EventLine, EventRow,
    Forgotten, HintRow, Horizon, KeptTier, Outcome, StockLine, Totals,
};
pub use runs::{PageSeen, RunRow, SlotRow, Suspect};

use super::StoreError;
use super::life::Life;
use crate::domain::bundle::Recipes;
use crate::domain::catalog::Folding;
use crate::domain::clock::Timestamp;
use crate::domain::decide::Books;
use crate::domain::ids::{ChannelId, ListingId, ListingKey, LocationId, OrderId, Sku};
use crate::domain::message::Hint;
use crate::domain::quantity::Balance;
use crate::domain::stock::{Balances, Count};

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

/// The rows of one transaction.
#[expect(
    clippy::missing_errors_doc,
    reason = "each fails as the store does, with a StoreError"
)]
pub trait Tables: Life {
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

    // Reconcile.

    /// The last run over a channel, if it was not finished.
    fn open_run(&mut self, channel: &ChannelId) -> Result<Option<RunRow>>;
    /// Begins a run, and drops one that was not finished; its number.
    fn begin_run(&mut self, channel: &ChannelId, now: Timestamp) -> Result<i64>;
    /// Keeps what one page said, and where the next begins.
    fn keep_page(&mut self, run: i64, channel: &ChannelId, page: &PageSeen) -> Result<()>;
    /// What differed at the first look, by listing, after this one.
    fn suspects(
        &mut self,
        run: i64,
        after: Option<&ListingId>,
        most: usize,
    ) -> Result<Vec<Suspect>>;
    /// Listings that may be sent to and that a run did not see.
    fn unseen(&mut self, run: i64, channel: &ChannelId, most: usize)
    -> Result<BTreeSet<ListingId>>;
    /// How many listings that may be sent to a run saw.
    fn seen(&mut self, run: i64, channel: &ChannelId) -> Result<usize>;
    /// How many listings of a channel may be sent to.
    fn publishable(&mut self, channel: &ChannelId) -> Result<usize>;
    /// Finishes a run.
    fn end_run(&mut self, run: i64, now: Timestamp, result: &str) -> Result<()>;
    /// The last finished runs, newest first.
    fn runs(&mut self, most: usize) -> Result<Vec<RunRow>>;
    /// Notes that a read agreed.
    fn verified(&mut self, keys: &[ListingKey], at: Timestamp) -> Result<()>;
    /// What listings showed before the last quantity was sent to them, as far as that is known.
    fn sent_over(&mut self, keys: &BTreeSet<ListingKey>) -> Result<BTreeMap<ListingKey, i64>>;
    /// When the books of SKUs were last written.
    fn last_moved(&mut self, skus: &BTreeSet<Sku>) -> Result<BTreeMap<Sku, Timestamp>>;
    /// Opens listings again, so that they get a turn although nothing of theirs changed.
    fn reopen(&mut self, keys: &BTreeSet<ListingKey>) -> Result<()>;

    // The schedule.

    /// The last slot of every job.
    fn slots(&mut self) -> Result<Vec<SlotRow>>;
    /// Takes a slot if the last one is still `before`; whether it was taken.
    fn claim_slot(&mut self, before: Option<Timestamp>, row: &SlotRow) -> Result<bool>;
    /// Notes how the run of a job ended.
    fn end_slot(
        &mut self,
        job: &str,
        channel: Option<&ChannelId>,
        now: Timestamp,
        outcome: &str,
    ) -> Result<()>;

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
