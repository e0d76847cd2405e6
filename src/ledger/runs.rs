//! What a store must know of comparing channels and of the schedule. Part of [`super::tables::Tables`].

use std::collections::{BTreeMap, BTreeSet};

use super::tables::Result;
use crate::domain::clock::Timestamp;
use crate::domain::ids::{ChannelId, ListingId, ListingKey, Sku};
use crate::domain::policy::Supply;

/// A run of reconcile over one channel.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RunRow {
    /// Its number.
    pub id: i64,
    /// The channel.
    pub channel: ChannelId,
    /// When it began.
    pub started_at: Timestamp,
    /// How far its reading came.
    pub reached: Reached,
    /// When it was finished.
    pub finished_at: Option<Timestamp>,
    /// What came of it, as its owner wrote it.
    pub result: Option<String>,
}

/// How far the reading of a channel's levels came.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Reached {
    /// Pages that were read.
    pub pages: u32,
    /// Where the next page begins; `None` at the beginning and at the end.
    pub cursor: Option<String>,
    /// The last page was read.
    pub read_all: bool,
    /// Listings of nobody that were seen.
    pub unmapped: usize,
    /// Which listings were seen, as bits.
    pub seen: Vec<u8>,
    /// The digest of the list that the bits belong to.
    pub list: String,
}

/// A listing that differed at the first look.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Suspect {
    /// Which.
    pub listing: ListingId,
    /// What it showed; `None`: the channel did not count it.
    pub shows: Option<i64>,
}

/// What feeds listings, SKU by SKU: many rows in few pieces of memory.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Shelf {
    /// The goods, by SKU.
    pub supplies: Vec<Supply>,
    fed: Vec<Fed>,
    names: String,
}

/// One row: the goods, the channel's place among those that were asked for, where the listing's name ends, units.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Fed {
    supply: u32,
    channel: u16,
    ends: u32,
    units: u32,
}

impl Shelf {
    /// Adds a listing that the last of the supplies feeds.
    pub(super) fn feed(&mut self, channel: usize, listing: &str, units: u32) {
        self.names.push_str(listing);
        // A shelf holds some ten thousand rows, and names are short.
        let number = |n: usize| u32::try_from(n).unwrap_or(u32::MAX);
        self.fed.push(Fed {
            supply: number(self.supplies.len().saturating_sub(1)),
            channel: u16::try_from(channel).unwrap_or(u16::MAX),
            ends: number(self.names.len()),
            units,
        });
    }

    /// Rows so far.
    pub fn len(&self) -> usize {
        self.fed.len()
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.fed.is_empty()
    }

    /// The goods, the channel's place among those that were asked for, the listing, and units of the goods in one of it.
    pub fn rows(&self) -> impl Iterator<Item = (&Supply, usize, &str, u32)> {
        let mut begins = 0;
        self.fed.iter().filter_map(move |fed| {
            let ends = usize::try_from(fed.ends).ok()?;
            let listing = self.names.get(std::mem::replace(&mut begins, ends)..ends)?;
            let supply = self.supplies.get(usize::try_from(fed.supply).ok()?)?;
            Some((supply, usize::from(fed.channel), listing, fed.units))
        })
    }
}

/// Why the number of a listing does not follow from its goods alone.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Apart {
    /// It is none of our goods.
    Unmapped,
    /// Its number is not ours to set.
    NotOurs,
    /// It sells from a place of its own.
    OwnPlace,
}

/// The last slot of a job, and what became of it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SlotRow {
    /// The job.
    pub job: String,
    /// The channel that it is for; `None`: not for one alone.
    pub channel: Option<ChannelId>,
    /// The slot.
    pub slot: Timestamp,
    /// When its run began.
    pub started_at: Option<Timestamp>,
    /// When its run ended; `None` while it runs.
    pub finished_at: Option<Timestamp>,
    /// How it ended, in words.
    pub outcome: Option<String>,
    /// Runs so far.
    pub runs: i64,
    /// Slots that passed while nothing ran the schedule; each gap was made up for by one run.
    pub missed: i64,
    /// Slots that came while the run before them was still going.
    pub skipped: i64,
}

/// How many listings a channel has.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct ListingCounts {
    /// All of them.
    pub all: usize,
    /// Those that wait to be sent.
    pub dirty: usize,
    /// Those of which nobody said what they are of ours.
    pub unmapped: usize,
}

/// The rows of comparisons and of the schedule.
#[expect(
    clippy::missing_errors_doc,
    reason = "each fails as the store does, with a StoreError"
)]
pub trait Runs {
    // What should be shown.

    /// What feeds listings of these channels, by SKU, after this one, until there are `most` rows or SKUs.
    fn shelf(&mut self, channels: &[ChannelId], after: Option<&Sku>, most: usize) -> Result<Shelf>;
    /// Listings whose number does not follow from their goods alone, after this one.
    fn apart(
        &mut self,
        channel: &ChannelId,
        after: Option<&ListingId>,
        most: usize,
    ) -> Result<Vec<(ListingId, Apart)>>;
    /// The number of the last entry of the books, 0 for none.
    fn last_entry(&mut self) -> Result<i64>;
    /// SKUs with entries after this one, and after this SKU.
    fn moved_since(&mut self, entry: i64, after: Option<&Sku>, most: usize) -> Result<Vec<Sku>>;
    /// Whether any listing of a channel is known that may be sent to.
    fn lists_any(&mut self, channel: &ChannelId) -> Result<bool>;

    /// How many listings each channel has.
    fn count_listings(&mut self) -> Result<BTreeMap<ChannelId, ListingCounts>>;

    // Runs.

    /// The last run over a channel, if it was not finished.
    fn open_run(&mut self, channel: &ChannelId) -> Result<Option<RunRow>>;
    /// Begins a run, and drops one that was not finished; its number.
    fn begin_run(&mut self, channel: &ChannelId, now: Timestamp) -> Result<i64>;
    /// Keeps how far a run came, and what differed since it was last kept: all of it, or nothing.
    fn keep_run(&mut self, run: i64, reached: &Reached, suspects: &[Suspect]) -> Result<()>;
    /// What differed at the first look, by listing.
    fn suspects(&mut self, run: i64, most: usize) -> Result<Vec<Suspect>>;
    /// A second look agreed with these listings.
    fn agreed(
        &mut self,
        run: i64,
        channel: &ChannelId,
        listings: &[ListingId],
        at: Timestamp,
    ) -> Result<()>;
    /// What differed at both looks: all others are verified by the run.
    fn differed(&mut self, run: i64, channel: &ChannelId, suspects: &[Suspect]) -> Result<()>;
    /// Finishes a run.
    fn end_run(&mut self, run: i64, now: Timestamp, result: &str) -> Result<()>;
    /// The last finished runs, newest first.
    fn runs(&mut self, most: usize) -> Result<Vec<RunRow>>;
    /// When a read last agreed with each of these listings, as far as any did.
    fn verified(&mut self, keys: &BTreeSet<ListingKey>) -> Result<BTreeMap<ListingKey, Timestamp>>;
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
}
