//! The second look: whatever differed or was missing is read once more by its id, and judged by the books of that moment.

use std::collections::{BTreeMap, BTreeSet};

use super::expected::Seen;
use super::read::{PAGE_TRIES, own_location};
use super::{ABSENT_FREE, Findings, Line, Round, SUSPECTS_MAX, TOLD_MAX};
use crate::channels::{Fault, Which};
use crate::domain::buffer::Buffers;
use crate::domain::clock::Timestamp;
use crate::domain::drift::{Class, Compared, Look, Repair, classify, repair};
use crate::domain::ids::{ListingId, ListingKey, Sku};
use crate::domain::policy::Policy;
use crate::ledger::StoreError;
use crate::ledger::runs::{RunRow, Suspect};
use crate::ledger::tables::{ListingState, Selection};

/// What the books say of a listing beside its state.
#[derive(Debug, Default)]
struct Beside {
    previous: BTreeMap<ListingKey, i64>,
    verified: BTreeMap<ListingKey, Timestamp>,
    moved: BTreeMap<Sku, Timestamp>,
}

/// One listing, looked at twice.
struct Twice<'a> {
    state: &'a ListingState,
    first: Look,
    second: Look,
    looked_at: Timestamp,
}

/// What the first look found of each listing.
fn first_looks(unseen: Vec<ListingId>, suspects: Vec<Suspect>) -> Vec<(ListingId, Look)> {
    let mut looks: BTreeMap<ListingId, Look> = unseen
        .into_iter()
        .map(|listing| (listing, Look::Absent))
        .collect();
    looks.extend(suspects.into_iter().map(|suspect| {
        let look = suspect.shows.map_or(Look::NotCounted, Look::Shows);
        (suspect.listing, look)
    }));
    looks.into_iter().collect()
}

impl Round {
    /// Looks at the suspects again. The inner error says why the reading is incomplete.
    pub(super) async fn look_again(
        &self,
        run: &RunRow,
        found: &mut Findings,
    ) -> Result<Result<(), String>, StoreError> {
        let number = run.id;
        let suspects = self
            .desk
            .ledger
            .read(move |tables| tables.suspects(number, SUSPECTS_MAX + 1))
            .await?;
        let seen = Seen::kept(run.reached.seen.clone());
        let (mut n_seen, mut n_all, mut unseen) = (0_usize, 0_usize, Vec::new());
        for n in self.expected.compared() {
            n_all += 1;
            if seen.has(n) {
                n_seen += 1;
            } else if unseen.len() <= SUSPECTS_MAX {
                unseen.extend(self.expected.listing(n));
            }
        }
        if n_seen == 0 && n_all > 0 {
            return Ok(Err(format!(
                "{} answered with none of its {n_all} listings, which is not believed: absent is not zero",
                self.id
            )));
        }
        if suspects.len() + unseen.len() > SUSPECTS_MAX {
            return Ok(Err(format!(
                "more than {SUSPECTS_MAX} listings of {} differ or are missing, which is no drift; hint: send what waits with \
                 `onhand sync` first, and look whether it is the right shop",
                self.id
            )));
        }
        found.tally.compared = n_seen.saturating_sub(suspects.len());
        let unmapped = run.reached.unmapped;
        if unmapped > 0 {
            found.tally.classes.insert(Class::Unmapped, unmapped);
        }
        let looks = first_looks(unseen, suspects);
        let gross = Policy {
            buffers: Buffers::default(),
            ..(*self.policy).clone()
        };
        let mut differed = Vec::new();
        for some in looks.chunks(self.source.channel.profile().batch_max.max(1)) {
            if let Err(fault) = self.judge(some, &gross, &mut differed, found).await? {
                return Ok(Err(format!(
                    "the second look at {} was cut off: {fault}",
                    self.id
                )));
            }
        }
        let own = self.id.clone();
        self.desk
            .ledger
            .write(move |tables| tables.differed(number, &own, &differed))
            .await?;
        let absent = found.tally.of(Class::NotListed);
        if absent > ABSENT_FREE && absent.saturating_mul(10) > n_all {
            return Ok(Err(format!(
                "{absent} of {n_all} listings of {} were not in its answer, which is not believed: absent is not zero; hint: \
                 `onhand listings discover` shows what it still sells",
                self.id
            )));
        }
        Ok(Ok(()))
    }

    /// Reads some listings again and judges each.
    async fn judge(
        &self,
        looks: &[(ListingId, Look)],
        gross: &Policy,
        differed: &mut Vec<Suspect>,
        found: &mut Findings,
    ) -> Result<Result<(), Fault>, StoreError> {
        let ids: Vec<_> = looks.iter().map(|(listing, _)| listing.clone()).collect();
        let (shows, looked_at) = match self.levels_of(&ids).await {
            Ok(read) => read,
            Err(fault) => return Ok(Err(fault)),
        };
        let (states, beside) = self.books_of(&ids).await?;
        let mut agreed = Vec::new();
        for (listing, first) in looks {
            let Some(state) = states.get(listing).filter(|state| state.publishable()) else {
                continue;
            };
            let second = shows.get(listing).map_or(Look::Absent, |shows| {
                shows.map_or(Look::NotCounted, Look::Shows)
            });
            let seen = Twice {
                state,
                first: *first,
                second,
                looked_at,
            };
            let line = self.line(&seen, gross, &beside);
            found.tally.count(line.as_ref().map(|line| line.class));
            let Some(line) = line else {
                agreed.push(listing.clone());
                continue;
            };
            differed.push(Suspect {
                listing: listing.clone(),
                shows: second.shows(),
            });
            let told = line.class.is_drift() || line.class == Class::NotListed;
            if told || found.tally.of(line.class) <= TOLD_MAX {
                found.lines.push(line);
            }
        }
        (self.progress)(looks.len());
        let (run, own) = (found.run, self.id.clone());
        self.desk
            .ledger
            .write(move |tables| tables.agreed(run, &own, &agreed, looked_at))
            .await?;
        Ok(Ok(()))
    }

    fn line(&self, seen: &Twice<'_>, gross: &Policy, beside: &Beside) -> Option<Line> {
        let state = seen.state;
        let own = own_location(state);
        let desired = i64::from(self.desired(state).quantity);
        let skus = || state.feeds.iter().map(|feed| &feed.sku);
        let compared = Compared {
            desired,
            shown: state.shown,
            previous: beside.previous.get(&state.key).copied(),
            verified_at: beside.verified.get(&state.key).copied(),
            dirty: state.dirty(),
            moved_at: skus()
                .filter_map(|sku| beside.moved.get(sku))
                .max()
                .copied(),
            order_found: skus().filter_map(|sku| self.swept.get(sku)).min().copied(),
            unbuffered: i64::from(gross.desired(&self.id, own, &state.feeds).quantity),
            promised: self.promised(state),
            first: seen.first,
            second: seen.second,
            looked_at: seen.looked_at,
        };
        let class = classify(&compared, self.terms.in_flight_ms)?;
        let live = seen.second.shows();
        Some(Line {
            channel: self.id.clone(),
            listing: state.key.listing.clone(),
            sku: state.mapping.as_ref().map(|mapping| mapping.sku.clone()),
            shown: state.shown.stand_in(),
            desired: Some(desired),
            live,
            class,
            repair: repair(class, desired, live, self.terms.edits),
            version: state.feed_version(),
            looked_at: seen.looked_at,
        })
    }

    /// Units of the listing that are promised and not shipped, of its scarcest part.
    fn promised(&self, state: &ListingState) -> i64 {
        let plan = self
            .policy
            .plan(&self.id, own_location(state), &state.feeds);
        let of_feed = |feed: &crate::domain::desired::Feed| {
            let committed: i64 = feed
                .places
                .iter()
                .map(|(_, balances)| balances.committed)
                .fold(0, i64::saturating_add);
            committed / i64::from(feed.units.max(1))
        };
        plan.feeds.iter().map(of_feed).max().unwrap_or(0)
    }

    /// What these listings show, and when the reading began.
    async fn levels_of(
        &self,
        ids: &[ListingId],
    ) -> Result<(BTreeMap<ListingId, Option<i64>>, Timestamp), Fault> {
        let mut tries = 0;
        loop {
            let wire = self.source.line.open().await;
            let began = self.now();
            let read = self
                .source
                .channel
                .levels(wire.as_ref(), Which::These(ids))
                .await;
            tries += 1;
            match read {
                Err(Fault::Transient(_) | Fault::Unknown(_) | Fault::Unreadable(_))
                    if tries < PAGE_TRIES => {}
                Err(Fault::Throttled { after_ms }) if tries < PAGE_TRIES => {
                    self.source.line.throttled(after_ms);
                }
                Err(fault) => return Err(fault),
                Ok(page) => {
                    let levels = page.items.into_iter();
                    let shows = levels.map(|level| (level.listing, level.shows)).collect();
                    return Ok((shows, began));
                }
            }
        }
    }

    /// The books of these listings in one snapshot.
    async fn books_of(
        &self,
        ids: &[ListingId],
    ) -> Result<(BTreeMap<ListingId, ListingState>, Beside), StoreError> {
        let keys: BTreeSet<_> = ids.iter().map(|listing| self.key(listing)).collect();
        self.desk
            .ledger
            .read(move |tables| {
                let which = Selection {
                    keys: Some(keys.clone()),
                    ..Selection::default()
                };
                let states = tables.listings(&which)?;
                let feeds = states.iter().flat_map(|state| &state.feeds);
                let skus = feeds.map(|feed| feed.sku.clone()).collect();
                let beside = Beside {
                    previous: tables.sent_over(&keys)?,
                    verified: tables.verified(&keys)?,
                    moved: tables.last_moved(&skus)?,
                };
                let states = states
                    .into_iter()
                    .map(|state| (state.key.listing.clone(), state))
                    .collect();
                Ok((states, beside))
            })
            .await
    }

    /// Sales of this channel that only the reading of its orders brought in, where the channel shows what it should: they
    /// are booked now, and nothing is sent over them.
    pub(super) async fn sold_here(&self, found: &mut Findings) -> Result<(), StoreError> {
        if self.sold_here.is_empty() {
            return Ok(());
        }
        let which = Selection {
            channel: Some(self.id.clone()),
            skus: Some(self.sold_here.keys().take(TOLD_MAX).cloned().collect()),
            ..Selection::default()
        };
        let states = self
            .desk
            .ledger
            .read(move |tables| tables.listings(&which))
            .await?;
        let told: BTreeSet<_> = found
            .lines
            .iter()
            .map(|line| line.listing.clone())
            .collect();
        for state in states {
            if told.contains(&state.key.listing) || !state.publishable() {
                continue;
            }
            let desired = i64::from(self.desired(&state).quantity);
            found.lines.push(Line {
                channel: self.id.clone(),
                listing: state.key.listing.clone(),
                sku: state.mapping.as_ref().map(|mapping| mapping.sku.clone()),
                shown: state.shown.stand_in(),
                desired: Some(desired),
                live: Some(desired),
                class: Class::SaleFound,
                repair: Repair::Tell,
                version: state.feed_version(),
                looked_at: found.started_at,
            });
        }
        Ok(())
    }
}
