//! The rows of comparing and of the schedule.

use crate::domain::clock::Timestamp;
use crate::domain::ids::{ChannelId, ListingId};

/// A run of reconcile over one channel.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RunRow {
    /// Its number.
    pub id: i64,
    /// The channel.
    pub channel: ChannelId,
    /// When it began.
    pub started_at: Timestamp,
    /// Pages that are kept.
    pub pages: u32,
    /// Where the next page begins; `None` at the beginning.
    pub cursor: Option<String>,
    /// The last page was read.
    pub read_all: bool,
    /// What was counted so far, as its owner wrote it.
    pub tally: Option<String>,
    /// When it was finished.
    pub finished_at: Option<Timestamp>,
    /// What came of it, as its owner wrote it.
    pub result: Option<String>,
}

/// A listing that differed at the first look.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Suspect {
    /// Which.
    pub listing: ListingId,
    /// What it showed; `None`: the channel did not count it.
    pub shows: Option<i64>,
}

/// What one page of levels said.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct PageSeen {
    /// Listings that show what they should.
    pub agreed: Vec<ListingId>,
    /// Listings that do not.
    pub suspects: Vec<Suspect>,
    /// When the reading of the page began.
    pub read_at: Timestamp,
    /// Where the next page begins; `None`: this was the last.
    pub next: Option<String>,
    /// What was counted so far.
    pub tally: String,
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
