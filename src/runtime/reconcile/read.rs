//! The first look: every level, page by page. While one page is compared with the books, the next is on its way.

use std::collections::{BTreeMap, BTreeSet};

use tracing::warn;

use super::{Findings, Line, Round, TOLD_MAX};
use crate::channels::{Cursor, Fault, Level, Page, Which};
use crate::domain::clock::Timestamp;
use crate::domain::drift::{Class, Repair, agrees};
use crate::domain::ids::{ListingId, ListingKey};
use crate::ledger::StoreError;
use crate::ledger::tables::{ListingState, PageSeen, RunRow, Selection, Suspect};

/// Most pages of one channel: a cursor that never ends is a fault of the platform.
const PAGES_MAX: u32 = 100_000;
/// How often one page is tried before the reading is incomplete.
pub(super) const PAGE_TRIES: u32 = 4;

/// One page, and when its reading began.
struct Arrived {
    page: Page<Level>,
    began: Timestamp,
}

impl Round<'_> {
    /// Reads from where the run stands to the end. The inner error says why the reading is incomplete; what was read until
    /// then is kept.
    pub(super) async fn read(
        &self,
        run: &RunRow,
        found: &mut Findings,
    ) -> Result<Result<(), String>, StoreError> {
        let mut unmapped = run
            .tally
            .as_deref()
            .map_or(0, |text| text.parse().unwrap_or(0));
        let mut seen = BTreeSet::new();
        let mut arrived = match self.page(run.cursor.clone().map(Cursor)).await {
            Ok(arrived) => arrived,
            Err(fault) => return Ok(Err(self.cut_off(&fault))),
        };
        loop {
            let next = arrived.page.next.clone();
            if next
                .as_ref()
                .is_some_and(|cursor| !seen.insert(cursor.0.clone()))
            {
                return Ok(Err(format!("{}: its pages lead in a circle", self.id)));
            }
            let following = async {
                match next {
                    Some(cursor) => Some(self.page(Some(cursor)).await),
                    None => None,
                }
            };
            let (kept, following) =
                tokio::join!(self.keep(run.id, arrived, &mut unmapped, found), following);
            kept?;
            arrived = match following {
                None => return Ok(Ok(())),
                Some(Ok(arrived)) if found.pages < PAGES_MAX => arrived,
                Some(Ok(_)) => {
                    return Ok(Err(format!("{} has more than {PAGES_MAX} pages", self.id)));
                }
                Some(Err(fault)) => return Ok(Err(self.cut_off(&fault))),
            };
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

    /// Compares one page with the books as they are now, and keeps what it said.
    async fn keep(
        &self,
        run: i64,
        arrived: Arrived,
        unmapped: &mut usize,
        found: &mut Findings,
    ) -> Result<(), StoreError> {
        let Arrived { page, began } = arrived;
        let states = self
            .states(page.items.iter().map(|level| &level.listing))
            .await?;
        let mut seen = PageSeen {
            read_at: began,
            next: page.next.map(|cursor| cursor.0),
            ..PageSeen::default()
        };
        let n_items = page.items.len();
        for unread in &page.unreadable {
            warn!(channel = %self.id, "{}: {}: {}", self.id, unread.what, unread.why);
        }
        for level in page.items {
            let Some(state) = states
                .get(&level.listing)
                .filter(|state| state.mapping.is_some())
            else {
                *unmapped += 1;
                if *unmapped <= TOLD_MAX {
                    found.lines.push(self.unmapped(&level, began));
                }
                continue;
            };
            if !state.publishable() {
                continue;
            }
            let desired = i64::from(self.desired(state).quantity);
            if level.shows.is_some_and(|shows| agrees(shows, desired)) {
                seen.agreed.push(level.listing);
            } else {
                seen.suspects.push(Suspect {
                    listing: level.listing,
                    shows: level.shows,
                });
            }
        }
        seen.tally = unmapped.to_string();
        let id = self.id.clone();
        self.desk
            .ledger
            .write(move |tables| tables.keep_page(run, &id, &seen))
            .await?;
        found.pages += 1;
        (self.progress)(n_items);
        Ok(())
    }

    /// What the books say of some listings.
    pub(super) async fn states<'l>(
        &self,
        listings: impl Iterator<Item = &'l ListingId>,
    ) -> Result<BTreeMap<ListingId, ListingState>, StoreError> {
        let keys = listings.map(|listing| self.key(listing)).collect();
        let which = Selection {
            keys: Some(keys),
            ..Selection::default()
        };
        let found = self
            .desk
            .ledger
            .read(move |tables| tables.listings(&which))
            .await?;
        Ok(found
            .into_iter()
            .map(|state| (state.key.listing.clone(), state))
            .collect())
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
