//! The first look: every level, page by page. What a page says is compared in a fraction of the time that the next one takes.

use std::collections::BTreeSet;
use std::pin::pin;
use std::time::Duration;

use tokio::time::{Instant, sleep_until};
use tracing::warn;

use super::expected::{Due, Seen};
use super::{Findings, Line, Round, SUSPECTS_MAX, TOLD_MAX};
use crate::channels::{Cursor, Fault, Level, Page, Which};
use crate::domain::clock::Timestamp;
use crate::domain::drift::{Class, Repair, agrees};
use crate::domain::ids::{ListingId, ListingKey};
use crate::ledger::StoreError;
use crate::ledger::runs::{RunRow, Suspect};
use crate::ledger::tables::ListingState;

/// Most pages of one channel: a cursor that never ends is a fault of the platform.
const PAGES_MAX: u32 = 100_000;
/// How often one page is tried before the reading is incomplete.
pub(super) const PAGE_TRIES: u32 = 4;
/// How often it is kept how far the reading came: what a crash costs.
const KEEP_EVERY: Duration = Duration::from_secs(1);

/// One page, and when its reading began.
struct Arrived {
    page: Page<Level>,
    began: Timestamp,
}

/// How far the reading is, and what is not kept yet.
struct Reading<'r> {
    run: &'r mut RunRow,
    seen: Seen,
    suspects: Vec<Suspect>,
    kept_at: Instant,
}

impl Round {
    /// Reads from where the run stands to the end. The inner error says why the reading is incomplete; what was read until
    /// then is kept.
    pub(super) async fn read(
        &self,
        run: &mut RunRow,
        found: &mut Findings,
    ) -> Result<Result<(), String>, StoreError> {
        let mut reading = Reading {
            seen: Seen::kept(std::mem::take(&mut run.reached.seen)),
            suspects: Vec::new(),
            kept_at: Instant::now(),
            run,
        };
        let ended = self.pages(&mut reading, found).await?;
        if ended.is_ok() {
            self.outdated(&mut reading).await?;
        }
        reading.run.reached.read_all = ended.is_ok();
        self.keep(&mut reading).await?;
        Ok(ended)
    }

    async fn pages(
        &self,
        reading: &mut Reading<'_>,
        found: &mut Findings,
    ) -> Result<Result<(), String>, StoreError> {
        let mut circle = BTreeSet::new();
        loop {
            let next = reading.run.reached.cursor.clone().map(Cursor);
            let arrived = match self.next(next, reading).await? {
                Ok(arrived) => arrived,
                Err(fault) => return Ok(Err(self.cut_off(&fault))),
            };
            self.compare_page(arrived, reading, found);
            let reached = &reading.run.reached;
            match &reached.cursor {
                None => return Ok(Ok(())),
                Some(_) if reached.pages >= PAGES_MAX => {
                    return Ok(Err(format!("{} has more than {PAGES_MAX} pages", self.id)));
                }
                Some(cursor) if circle.contains(cursor) => {
                    return Ok(Err(format!("{}: its pages lead in a circle", self.id)));
                }
                Some(cursor) => circle.insert(cursor.clone()),
            };
        }
    }

    /// The next page. While it is on its way, or if the pages follow each other too quickly for that, what was read is kept.
    async fn next(
        &self,
        cursor: Option<Cursor>,
        reading: &mut Reading<'_>,
    ) -> Result<Result<Arrived, Fault>, StoreError> {
        if reading.kept_at.elapsed() >= KEEP_EVERY {
            self.keep(reading).await?;
        }
        let mut page = pin!(self.page(cursor));
        loop {
            tokio::select! {
                biased;
                page = &mut page => return Ok(page),
                () = sleep_until(reading.kept_at + KEEP_EVERY) => self.keep(reading).await?,
            }
        }
    }

    fn cut_off(&self, fault: &Fault) -> String {
        format!(
            "the reading of the levels of {} was cut off: {fault}",
            self.id
        )
    }

    /// One page; trouble that passes is tried again.
    async fn page(&self, cursor: Option<Cursor>) -> Result<Arrived, Fault> {
        let mut tries = 0;
        loop {
            let wire = self.source.line.open().await;
            let began = self.now();
            let which = Which::All(cursor.clone());
            let read = self.source.channel.levels(wire.as_ref(), which).await;
            tries += 1;
            match read {
                Err(Fault::Transient(_) | Fault::Unknown(_) | Fault::Unreadable(_))
                    if tries < PAGE_TRIES => {}
                Err(Fault::Throttled { after_ms }) if tries < PAGE_TRIES => {
                    self.source.line.throttled(after_ms);
                }
                read => return read.map(|page| Arrived { page, began }),
            }
        }
    }

    /// Compares one page with what should be shown.
    fn compare_page(&self, arrived: Arrived, reading: &mut Reading<'_>, found: &mut Findings) {
        let Arrived { page, began } = arrived;
        let n_items = page.items.len();
        for unread in &page.unreadable {
            warn!(channel = %self.id, "{}: {}: {}", self.id, unread.what, unread.why);
        }
        for level in page.items {
            let number = self.expected.find(&level.listing);
            match number.and_then(|n| Some((n, self.expected.due(n)?))) {
                None | Some((_, Due::Unmapped | Due::Open)) => {
                    reading.run.reached.unmapped += 1;
                    if reading.run.reached.unmapped <= TOLD_MAX {
                        found.lines.push(self.unmapped(&level, began));
                    }
                }
                Some((_, Due::Nothing)) => {}
                Some((n, Due::Shows(due))) => {
                    reading.seen.add(n);
                    let agreed = |shows| agrees(shows, i64::from(due));
                    if !level.shows.is_some_and(agreed) {
                        reading.suspects.push(Suspect {
                            listing: level.listing,
                            shows: level.shows,
                        });
                    }
                }
            }
        }
        let reached = &mut reading.run.reached;
        reached.cursor = page.next.map(|cursor| cursor.0);
        reached.pages += 1;
        (self.progress)(n_items);
    }

    /// What agreed with the books as they were is looked at again if they moved meanwhile (rule R70).
    async fn outdated(&self, reading: &mut Reading<'_>) -> Result<(), StoreError> {
        let most = SUSPECTS_MAX + 1;
        let moved = self
            .expected
            .outdated(&self.desk, &self.policy, &self.id, most);
        let known: BTreeSet<_> = reading
            .suspects
            .iter()
            .map(|one| one.listing.clone())
            .collect();
        for listing in moved.await? {
            let number = self.expected.find(&listing);
            if let Some(n) = number.filter(|n| reading.seen.has(*n))
                && let Some(Due::Shows(due)) = self.expected.due(n)
                && !known.contains(&listing)
            {
                reading.suspects.push(Suspect {
                    listing,
                    shows: Some(i64::from(due)),
                });
            }
        }
        Ok(())
    }

    /// Keeps how far the reading came.
    async fn keep(&self, reading: &mut Reading<'_>) -> Result<(), StoreError> {
        let run = reading.run.id;
        reading.kept_at = Instant::now();
        reading.run.reached.seen = reading.seen.bytes().to_vec();
        let (reached, suspects) = (
            reading.run.reached.clone(),
            std::mem::take(&mut reading.suspects),
        );
        self.desk
            .ledger
            .write(move |tables| tables.keep_run(run, &reached, &suspects))
            .await
    }

    pub(super) fn key(&self, listing: &ListingId) -> ListingKey {
        ListingKey {
            channel: self.id.clone(),
            listing: listing.clone(),
        }
    }

    pub(super) fn desired(&self, state: &ListingState) -> crate::domain::desired::Desired {
        self.policy
            .desired(&self.id, own_location(state), &state.feeds)
    }

    fn unmapped(&self, level: &Level, began: Timestamp) -> Line {
        Line {
            channel: self.id.clone(),
            listing: level.listing.clone(),
            sku: None,
            shown: None,
            desired: None,
            live: level.shows,
            class: Class::Unmapped,
            repair: Repair::Tell,
            version: 0,
            looked_at: began,
        }
    }
}

/// The location of its own, if the listing has one.
pub(super) fn own_location(state: &ListingState) -> Option<&crate::domain::ids::LocationId> {
    state.mapping.as_ref()?.location.as_ref()
}
