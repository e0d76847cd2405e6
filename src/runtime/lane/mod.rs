//! Delivery to one channel: finds what is dirty, picks what is most urgent, sends it, and writes down what came of it.
//!
//! A permit of the channel's limiter is taken first, then the rows are gathered and the quantity computed, then it is
//! sent: no number grows old in a queue (design D5). One lane owns a channel, so that one call per listing is in flight.

mod calls;
mod claim;
pub mod only;
mod queue;
mod settle;
mod story;
#[cfg(test)]
mod tests;

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use tokio_util::sync::CancellationToken;
use tracing::warn;

use self::claim::{Claim, Steps, desired};
use self::only::Only;
use self::queue::{Queue, Waiting};
use crate::broker::{Doorbell, Mailbox, Mark, Rings};
use crate::channels::{Channel, Wire};
use crate::domain::clock::{Clock, Timestamp};
use crate::domain::delivery::{Rules, Shown};
use crate::domain::ids::{ChannelId, ListingId};
use crate::domain::lane::{Dirty, LaneRules, due, lane, urgency};
use crate::domain::policy::Policy;
use crate::domain::retry::Ladder;
use crate::ledger::tables::{ListingState, Selection};
use crate::ledger::{Ledger, StoreError};
use crate::planted;

/// Longest that a lane sleeps without looking.
const NAP_MAX: Duration = Duration::from_secs(1);
/// Picks under one permit while they need no call, so that what only has to be acknowledged does not spend the quota;
/// few enough that a sale which comes meanwhile hardly waits.
const PICKS_PER_PERMIT: usize = 16;
/// How long a raise waits for the orders to be read before it asks again, in ms.
const EVIDENCE_WAIT_MS: i64 = 2_000;

/// The way to the platform, one permit at a time.
#[async_trait]
pub trait Line: Send + Sync {
    /// Waits for a permit; calls over the wire that it gives are covered by it.
    async fn open(&self) -> Box<dyn Wire>;
    /// The platform asked to slow down in an answer that only its language understands.
    fn throttled(&self, after_ms: Option<u64>);
}

/// What is the same for all lanes.
#[derive(Debug, Clone)]
pub struct Terms {
    /// The seller's plan.
    pub policy: Arc<Policy>,
    /// How often batches run, and what escalates.
    pub rules: LaneRules,
    /// When to try again.
    pub ladder: Ladder,
}

/// What a lane works with.
#[expect(missing_debug_implementations, reason = "holds a closure")]
pub struct Parts {
    /// Whose.
    pub id: ChannelId,
    /// Its language.
    pub channel: Arc<dyn Channel>,
    /// The way out.
    pub line: Arc<dyn Line>,
    /// The books.
    pub ledger: Ledger,
    /// The plan.
    pub terms: Terms,
    /// The time.
    pub clock: Arc<dyn Clock>,
    /// Chance between 0 and 999, to spread retries.
    pub dice: Box<dyn FnMut() -> u16 + Send + Sync>,
    /// Where news come from, and where orders are asked for.
    pub bell: Doorbell,
}

/// One channel's lane.
pub struct Lane {
    parts: Parts,
    /// Where news come in.
    pub mailbox: Arc<Mailbox>,
    only: Only,
    queue: Queue,
}

impl std::fmt::Debug for Lane {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Lane({})", self.parts.id)
    }
}

/// What a turn came to.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Turn {
    /// Listings that were sent to.
    pub sent: usize,
    /// Listings that show what they should, without a call.
    pub acknowledged: usize,
    /// Listings that were read.
    pub read: usize,
    /// Listings that wait for the orders to be read.
    pub waiting: usize,
}

impl Turn {
    /// Whether anything was done.
    pub fn is_idle(self) -> bool {
        self.sent == 0 && self.acknowledged == 0 && self.read == 0
    }
}

impl Lane {
    /// A lane that has looked at nothing yet; [`Lane::look`] with a sweep finds what is dirty.
    pub fn new(parts: Parts) -> Self {
        Self {
            mailbox: parts.bell.listen(),
            parts,
            only: Only::All,
            queue: Queue::default(),
        }
    }

    /// The same lane, for some listings alone.
    #[must_use]
    pub fn for_only(self, only: Only) -> Self {
        Self { only, ..self }
    }

    /// Delivers until it is stopped. A failing store is waited for; it ends only with `stop`.
    pub async fn run(mut self, stop: CancellationToken) {
        let mut rings = Rings {
            sweep: true,
            ..Rings::default()
        };
        while !stop.is_cancelled() {
            let went = self.go(&rings, &stop).await;
            let failed = went.is_err();
            let nap = went.unwrap_or_else(|error| {
                let id = &self.parts.id;
                warn!(channel = %id, %error, "delivery to {id} waits for the store");
                NAP_MAX
            });
            tokio::select! {
                () = stop.cancelled() => break,
                () = self.mailbox.rung(), if !nap.is_zero() => (),
                () = tokio::time::sleep(nap) => (),
            }
            rings = self.mailbox.take();
            // What had been rung for was taken out of the mailbox and may not be in the queue.
            rings.sweep |= failed;
        }
    }

    /// Takes news in and has one turn; how long to sleep then. No permit is waited for once `stop` is called.
    async fn go(
        &mut self,
        rings: &Rings,
        stop: &CancellationToken,
    ) -> Result<Duration, StoreError> {
        self.look(rings).await?;
        if self.queue.any_due(self.parts.clock.now()) {
            if self.held().await? {
                return Ok(NAP_MAX);
            }
            let wire = tokio::select! {
                () = stop.cancelled() => return Ok(Duration::ZERO),
                wire = self.parts.line.open() => wire,
            };
            if !self.turn_over(wire).await?.is_idle() {
                return Ok(Duration::ZERO);
            }
        }
        Ok(self.queue.next_in(self.parts.clock.now(), NAP_MAX))
    }

    /// How many listings wait, and since when the oldest does.
    pub fn backlog(&self) -> (usize, Option<Timestamp>) {
        self.queue.backlog()
    }

    /// Takes news in: finds which listings are dirty and when their turns are.
    ///
    /// # Errors
    /// As the store.
    pub async fn look(&mut self, rings: &Rings) -> Result<(), StoreError> {
        let now = self.parts.clock.now();
        if rings.orders.contains(&self.parts.id) {
            self.queue.orders_were_read(now);
        }
        let skus = (!rings.sweep).then(|| rings.skus.keys().cloned().collect::<BTreeSet<_>>());
        if skus.as_ref().is_some_and(BTreeSet::is_empty) {
            return Ok(());
        }
        let which = Selection {
            channel: Some(self.parts.id.clone()),
            skus,
            dirty: true,
            ..Selection::default()
        };
        let ledger = &self.parts.ledger;
        for state in ledger.read(move |tables| tables.listings(&which)).await? {
            let mut feeds = state.feeds.iter();
            let mark = feeds.find_map(|feed| rings.skus.get(&feed.sku)).copied();
            self.enqueue(&state, mark, now);
        }
        Ok(())
    }

    fn enqueue(&mut self, state: &ListingState, mark: Option<Mark>, now: Timestamp) {
        let Terms { policy, rules, .. } = &self.parts.terms;
        let desired = desired(policy, state);
        if !self.only.allows_state(state, policy, &desired) {
            self.queue.remove(&state.key.listing);
            return;
        }
        planted::bind(&state.key, desired.quantity);
        let before = self.queue.get(&state.key.listing);
        let since = before.map_or(now, |waiting| waiting.since);
        let dirty = Dirty {
            tier: policy.fastest(&state.feeds),
            desired: i64::from(desired.quantity),
            shown: match state.shown {
                Shown::Known { quantity, .. } => Some(quantity),
                Shown::Unknown { .. } => None,
            },
            buffer: policy.largest_buffer(&state.feeds),
            since,
        };
        let waiting = Waiting {
            since,
            due: due(lane(dirty, *rules), since, *rules).max(state.due_at),
            urgency: urgency(dirty, now, *rules),
            mark: before.and_then(|waiting| waiting.mark).or(mark),
            for_orders: false,
        };
        self.queue.put(state.key.listing.clone(), waiting);
    }

    /// What a listing should show now.
    pub fn desired_now(&self, state: &ListingState) -> i64 {
        i64::from(desired(&self.parts.terms.policy, state).quantity)
    }

    /// One turn: the most urgent listings that are due, at most one call's worth.
    ///
    /// # Errors
    /// As the store.
    pub async fn turn(&mut self) -> Result<Turn, StoreError> {
        if !self.queue.any_due(self.parts.clock.now()) || self.held().await? {
            return Ok(Turn::default());
        }
        let wire = self.parts.line.open().await;
        self.turn_over(wire).await
    }

    /// A turn under a permit.
    async fn turn_over(&mut self, wire: Box<dyn Wire>) -> Result<Turn, StoreError> {
        // What was sold while the permit was waited for goes with this call, not with the next.
        let rings = self.mailbox.take();
        self.look(&rings).await?;
        let mut turn = Turn::default();
        for _ in 0..PICKS_PER_PERMIT {
            let channel = &self.parts.channel;
            let most = channel.profile().batch_max.max(1);
            let call_of = |listing| channel.serial_key(listing);
            let picked = self.queue.pick(self.parts.clock.now(), most, call_of);
            if picked.is_empty() || turn.sent > 0 || turn.read > 0 {
                break;
            }
            let steps = self.claim(picked).await?;
            turn.sent += steps.send.len();
            turn.acknowledged += steps.acknowledged;
            turn.read += steps.read.len();
            turn.waiting += steps.wait.len();
            self.take(wire.as_ref(), steps).await?;
        }
        Ok(turn)
    }

    /// Decides what is to be done with the listings that were picked.
    async fn claim(&self, listings: Vec<ListingId>) -> Result<Steps, StoreError> {
        let profile = self.parts.channel.profile();
        let claim = Claim {
            id: self.parts.id.clone(),
            listings,
            policy: Arc::clone(&self.parts.terms.policy),
            only: self.only.clone(),
            rules: Rules {
                compare_and_set: profile.compare_and_set,
                orders_visible_after_ms: profile.orders_visible_after_ms,
            },
            now: self.parts.clock.now(),
        };
        let ledger = &self.parts.ledger;
        ledger.write(move |tables| claim.make(tables)).await
    }

    /// Does it.
    async fn take(&mut self, wire: &dyn Wire, steps: Steps) -> Result<(), StoreError> {
        for listing in &steps.done {
            self.queue.remove(listing);
        }
        let again = self.parts.clock.now().plus(EVIDENCE_WAIT_MS);
        for listing in &steps.wait {
            self.queue.delay(listing, again, true);
        }
        if !steps.wait.is_empty() {
            self.parts.bell.asked();
        }
        let orders_read_at = steps.orders_read_at;
        // Sends go first: behind a slow read their quantities would be as old as it took.
        if !steps.send.is_empty() {
            self.send(wire, steps.send, orders_read_at).await?;
        }
        if !steps.read.is_empty() {
            self.read(wire, steps.read, orders_read_at).await?;
        }
        Ok(())
    }

    async fn held(&self) -> Result<bool, StoreError> {
        let id = self.parts.id.clone();
        let ledger = &self.parts.ledger;
        let state = ledger.read(move |tables| tables.channel(&id)).await?;
        Ok(state.held.is_some())
    }
}
