//! Compares one channel with the books (design §7): every level page by page, each mismatch a second time, then judged.
//!
//! Nothing is sent here and no stock is moved: what comes out are [`Findings`], and [`repair`] hands what is to be
//! repaired to the ledger, so that the lanes send it by the same rules as everything else. What was read is kept every second,
//! so that a run that broke off is gone on with. Memory: what the channel's listings should show ([`Expected`]), two pages,
//! and what differs ([`SUSPECTS_MAX`]).

mod expected;
mod read;
pub mod repair;
mod second;
#[cfg(test)]
mod tests;

use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;

use serde::Serialize;

use super::desk::Desk;
use super::fetcher::Source;
use crate::domain::clock::Timestamp;
use crate::domain::drift::{Class, Edits, Repair, Tally};
use crate::domain::ids::{ChannelId, ListingId, Sku};
use crate::domain::policy::Policy;
use crate::ledger::StoreError;
use crate::ledger::runs::{Reached, RunRow};

pub use expected::{Due, Expected};

/// Listings of one channel that are looked at twice. Where more differ it is no drift but a first sync or another shop.
pub const SUSPECTS_MAX: usize = 100_000;
/// Lines about what is no drift (in flight, unmapped) that are told one by one; all are counted.
const TOLD_MAX: usize = 500;
/// Listings that a whole reading may lack, beyond a tenth of them, before it is not believed.
const ABSENT_FREE: usize = 20;

/// Told how many more listings were looked at.
pub type Progress = Arc<dyn Fn(usize) + Send + Sync>;

/// One channel to compare.
pub struct Round {
    /// Whose.
    pub id: ChannelId,
    /// Its language, and the way out.
    pub source: Source,
    /// The books.
    pub desk: Desk,
    /// What decides what is shown.
    pub policy: Arc<Policy>,
    /// What its listings should show.
    pub expected: Expected,
    /// How it is judged.
    pub terms: Terms,
    /// What the reading of all channels' orders brought in, and when the oldest order of each last changed.
    pub swept: Arc<BTreeMap<Sku, Timestamp>>,
    /// What the reading of this channel's orders brought in.
    pub sold_here: BTreeMap<Sku, Timestamp>,
    /// Who wants to know how far it is.
    pub progress: Progress,
}

impl fmt::Debug for Round {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Round({})", self.id)
    }
}

/// How a channel is judged.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Terms {
    /// What is younger than this is under way, in ms.
    pub in_flight_ms: i64,
    /// How old a run may be to be gone on with, in ms; 0: every run begins anew.
    pub resume_ms: i64,
    /// What is done about edits.
    pub edits: Edits,
}

/// One listing that there is something to say about.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Line {
    /// Whose.
    pub channel: ChannelId,
    /// Which.
    pub listing: ListingId,
    /// What it is of ours.
    pub sku: Option<Sku>,
    /// What we believed that it shows.
    pub shown: Option<i64>,
    /// What it should show.
    pub desired: Option<i64>,
    /// What it shows.
    pub live: Option<i64>,
    /// What the difference is.
    pub class: Class,
    /// What to do about it.
    #[serde(skip)]
    pub repair: Repair,
    /// The feed version that it was judged by.
    pub version: i64,
    /// When the look at it began.
    #[serde(skip)]
    pub looked_at: Timestamp,
}

/// What came of comparing one channel.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Findings {
    /// The channel.
    pub channel: ChannelId,
    /// The number of the run.
    pub run: i64,
    /// When the run began.
    pub started_at: Timestamp,
    /// An earlier run that broke off was gone on with.
    pub resumed: bool,
    /// Pages that were read, by this run and the one before.
    pub pages: u32,
    /// Units that the channel should show.
    pub units: u64,
    /// What was counted.
    pub tally: Tally,
    /// One per listing, by listing.
    pub lines: Vec<Line>,
    /// Why the reading is incomplete, if it is: nothing may be done on its basis.
    pub incomplete: Option<String>,
}

impl Round {
    /// Compares the channel.
    ///
    /// # Errors
    /// As the store. What the platform does wrong is [`Findings::incomplete`].
    pub async fn compare(self) -> Result<Findings, StoreError> {
        let (mut run, resumed) = self.begin().await?;
        let mut found = Findings {
            channel: self.id.clone(),
            run: run.id,
            started_at: run.started_at,
            resumed,
            pages: run.reached.pages,
            units: self.expected.units(),
            tally: Tally::default(),
            lines: Vec::new(),
            incomplete: None,
        };
        if !run.reached.read_all {
            found.incomplete = self.read(&mut run, &mut found).await?.err();
            found.pages = run.reached.pages;
        }
        if found.incomplete.is_none() {
            found.incomplete = self.look_again(&run, &mut found).await?.err();
        }
        if found.incomplete.is_none() {
            self.sold_here(&mut found).await?;
        }
        found.lines.sort_by(|a, b| a.listing.cmp(&b.listing));
        Ok(found)
    }

    /// The run that broke off, if the channel still has the same listings, or a new one.
    async fn begin(&self) -> Result<(RunRow, bool), StoreError> {
        let (id, now, resume_ms) = (self.id.clone(), self.now(), self.terms.resume_ms);
        let list = self.expected.digest();
        self.desk
            .ledger
            .write(move |tables| {
                if let Some(open) = tables.open_run(&id)?
                    && (0..resume_ms).contains(&now.since(open.started_at))
                    && open.reached.list == list
                {
                    return Ok((open, true));
                }
                let new = RunRow {
                    id: tables.begin_run(&id, now)?,
                    channel: id.clone(),
                    started_at: now,
                    reached: Reached {
                        list: list.clone(),
                        ..Reached::default()
                    },
                    finished_at: None,
                    result: None,
                };
                Ok((new, false))
            })
            .await
    }

    fn now(&self) -> Timestamp {
        self.desk.clock.now()
    }
}
