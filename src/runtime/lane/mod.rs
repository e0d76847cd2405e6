//! Delivery to one channel: finds what is dirty, picks what is most urgent, sends it, and writes down what came of it.
//!
//! A permit of the channel's limiter is taken first, then the rows are gathered and the quantity computed, then it is
//! sent: no number grows old in a queue (design D5). One lane owns a channel, so that one call per listing is in flight.

pub mod only;
mod settle;
mod story;
#[cfg(test)]
mod tests;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use async_trait::async_trait;
use tokio_util::sync::CancellationToken;
use tracing::{info, warn};

use self::only::Only;
use self::settle::{ChannelTrouble, Sent, Settlement, settlement};
use self::story::{Call, letter, story};
use crate::broker::{Mailbox, Mark, Rings};
use crate::channels::{Channel, Update, Verdict, Which, Wire};
use crate::domain::clock::{Clock, Timestamp};
use crate::domain::delivery::{Position, Rules, Shown, Step, step};
use crate::domain::desired::Desired;
use crate::domain::ids::{ChannelId, ListingId, ListingKey};
use crate::domain::lane::{Dirty, Lane as Way, LaneRules, due, lane, urgency};
use crate::domain::message::Hint;
use crate::domain::policy::Policy;
use crate::domain::retry::Ladder;
use crate::ledger::tables::{ListingState, Selection, Settled};
use crate::ledger::{Ledger, StoreError};
use crate::planted::{self, Bug};

/// Longest that a lane sleeps without looking, in ms.
const NAP_MAX_MS: i64 = 1_000;
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

/// One channel's lane.
pub struct Lane {
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
    /// Where news come in.
    pub mailbox: Arc<Mailbox>,
    /// For asking that orders be read.
    pub ask: crate::broker::Doorbell,
    only: Only,
    waiting: BTreeMap<ListingId, Waiting>,
    orders_read_at: Option<Timestamp>,
}

impl std::fmt::Debug for Lane {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Lane({})", self.id)
    }
}

/// What a lane needs, without its own memory.
#[expect(missing_debug_implementations, reason = "holds a closure")]
pub struct Parts {
    /// See [`Lane`].
    pub id: ChannelId,
    /// See [`Lane`].
    pub channel: Arc<dyn Channel>,
    /// See [`Lane`].
    pub line: Arc<dyn Line>,
    /// See [`Lane`].
    pub ledger: Ledger,
    /// See [`Lane`].
    pub terms: Terms,
    /// See [`Lane`].
    pub clock: Arc<dyn Clock>,
    /// See [`Lane`].
    pub dice: Box<dyn FnMut() -> u16 + Send + Sync>,
    /// See [`Lane`].
    pub bell: crate::broker::Doorbell,
}

/// A dirty listing and when its turn is.
#[derive(Debug, Clone, Copy)]
struct Waiting {
    since: Timestamp,
    due: Timestamp,
    urgency: (u8, i64, Timestamp),
    mark: Option<Mark>,
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
        let Parts {
            id,
            channel,
            line,
            ledger,
            terms,
            clock,
            dice,
            bell,
        } = parts;
        let mailbox = bell.listen();
        Self {
            id,
            channel,
            line,
            ledger,
            terms,
            clock,
            dice,
            mailbox,
            ask: bell,
            only: Only::All,
            waiting: BTreeMap::new(),
            orders_read_at: None,
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
            let turned = match self.look(&rings).await {
                Ok(()) => self.turn().await,
                Err(error) => Err(error),
            };
            let failed = turned.is_err();
            let nap = match turned {
                Ok(turn) if !turn.is_idle() => 0,
                Ok(_) => self.nap_ms(),
                Err(error) => {
                    warn!(channel = %self.id, %error, "delivery to {} waits for the store", self.id);
                    NAP_MAX_MS
                }
            };
            let nap = std::time::Duration::from_millis(u64::try_from(nap).unwrap_or(0));
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

    /// Milliseconds until the next turn is due, at most [`NAP_MAX_MS`].
    fn nap_ms(&self) -> i64 {
        let now = self.clock.now();
        let next = self
            .waiting
            .values()
            .map(|waiting| waiting.due.since(now))
            .min();
        next.unwrap_or(NAP_MAX_MS).clamp(1, NAP_MAX_MS)
    }

    /// How many listings wait, and since when the oldest does.
    pub fn backlog(&self) -> (usize, Option<Timestamp>) {
        (
            self.waiting.len(),
            self.waiting.values().map(|waiting| waiting.since).min(),
        )
    }

    /// Takes news in: finds which listings are dirty and when their turns are.
    ///
    /// # Errors
    /// As the store.
    pub async fn look(&mut self, rings: &Rings) -> Result<(), StoreError> {
        if rings.orders.contains(&self.id) {
            let now = self.clock.now();
            for waiting in self.waiting.values_mut() {
                waiting.due = waiting.due.min(now);
            }
        }
        let skus = (!rings.sweep).then(|| rings.skus.keys().cloned().collect::<BTreeSet<_>>());
        if skus.as_ref().is_some_and(BTreeSet::is_empty) {
            return Ok(());
        }
        let which = Selection {
            channel: Some(self.id.clone()),
            skus,
            dirty: true,
            ..Selection::default()
        };
        let found = self
            .ledger
            .read(move |tables| tables.listings(&which))
            .await?;
        let now = self.clock.now();
        for state in found {
            let mark = state
                .feeds
                .iter()
                .find_map(|feed| rings.skus.get(&feed.sku))
                .copied();
            self.enqueue(&state, mark, now);
        }
        Ok(())
    }

    fn enqueue(&mut self, state: &ListingState, mark: Option<Mark>, now: Timestamp) {
        let desired = self.desired(state);
        if !self.allowed(state, &desired) {
            self.waiting.remove(&state.key.listing);
            return;
        }
        planted::bind(&state.key, desired.quantity);
        let since = self
            .waiting
            .get(&state.key.listing)
            .map_or(now, |waiting| waiting.since);
        let dirty = Dirty {
            tier: self.terms.policy.fastest(&state.feeds),
            desired: i64::from(desired.quantity),
            shown: match state.shown {
                Shown::Known { quantity, .. } => Some(quantity),
                Shown::Unknown { .. } => None,
            },
            buffer: self.terms.policy.largest_buffer(&state.feeds),
            since,
        };
        let way: Way = lane(dirty, self.terms.rules);
        let waiting = Waiting {
            since,
            due: due(way, since, self.terms.rules).max(state.due_at),
            urgency: urgency(dirty, now, self.terms.rules),
            mark: self
                .waiting
                .get(&state.key.listing)
                .and_then(|waiting| waiting.mark)
                .or(mark),
        };
        self.waiting.insert(state.key.listing.clone(), waiting);
    }

    fn desired(&self, state: &ListingState) -> Desired {
        let own = state
            .mapping
            .as_ref()
            .and_then(|mapping| mapping.location.as_ref());
        self.terms.policy.desired(&self.id, own, &state.feeds)
    }

    fn allowed(&self, state: &ListingState, desired: &Desired) -> bool {
        let tier = self.terms.policy.fastest(&state.feeds);
        self.only
            .allows(&state.key, tier, i64::from(desired.quantity))
    }

    /// What a listing should show now.
    pub fn desired_now(&self, state: &ListingState) -> i64 {
        i64::from(self.desired(state).quantity)
    }

    /// One turn: the most urgent listings that are due, at most one call's worth.
    ///
    /// # Errors
    /// As the store.
    pub async fn turn(&mut self) -> Result<Turn, StoreError> {
        if !self.any_due() || self.held().await? {
            return Ok(Turn::default());
        }
        let wire = self.line.open().await;
        // What was sold while the permit was waited for goes with this call, not with the next.
        let rings = self.mailbox.take();
        self.look(&rings).await?;
        let mut turn = Turn::default();
        for _ in 0..PICKS_PER_PERMIT {
            let picked = self.pick();
            if picked.is_empty() || turn.sent > 0 || turn.read > 0 {
                break;
            }
            self.take_turn(wire.as_ref(), &picked, &mut turn).await?;
        }
        Ok(turn)
    }

    /// Does what is to be done for the listings that were picked.
    async fn take_turn(
        &mut self,
        wire: &dyn Wire,
        picked: &[ListingId],
        turn: &mut Turn,
    ) -> Result<(), StoreError> {
        let (states, orders_read) = self.gather(picked).await?;
        self.orders_read_at = orders_read;
        let plan = self.plan(picked, states, orders_read);
        turn.sent += plan.send.len();
        turn.acknowledged += plan.acknowledge.len();
        turn.read += plan.read.len();
        turn.waiting += plan.wait.len();
        self.acknowledge(plan.acknowledge).await?;
        self.await_orders(plan.wait).await?;
        // Sends go first: behind a slow read their quantities would be as old as it took.
        if !plan.send.is_empty() {
            self.send(wire, plan.send).await?;
        }
        if !plan.read.is_empty() {
            self.read(wire, plan.read).await?;
        }
        Ok(())
    }

    fn any_due(&self) -> bool {
        let now = self.clock.now();
        self.waiting.values().any(|waiting| waiting.due <= now)
    }

    async fn held(&self) -> Result<bool, StoreError> {
        let id = self.id.clone();
        Ok(self
            .ledger
            .read(move |tables| tables.channel(&id))
            .await?
            .held
            .is_some())
    }

    fn pick(&self) -> Vec<ListingId> {
        let now = self.clock.now();
        let mut due: Vec<_> = self
            .waiting
            .iter()
            .filter(|(_, waiting)| waiting.due <= now)
            .collect();
        due.sort_by(|(a, x), (b, y)| x.urgency.cmp(&y.urgency).then_with(|| a.cmp(b)));
        let most = self.channel.profile().batch_max.max(1);
        due.into_iter()
            .take(most)
            .map(|(listing, _)| listing.clone())
            .collect()
    }

    async fn gather(
        &self,
        picked: &[ListingId],
    ) -> Result<(Vec<ListingState>, Option<Timestamp>), StoreError> {
        let key = |listing: &ListingId| ListingKey {
            channel: self.id.clone(),
            listing: listing.clone(),
        };
        let which = Selection {
            keys: Some(picked.iter().map(key).collect()),
            ..Selection::default()
        };
        let id = self.id.clone();
        self.ledger
            .read(move |tables| {
                Ok((
                    tables.listings(&which)?,
                    tables.channel(&id)?.orders_read_at,
                ))
            })
            .await
    }

    /// Decides for each listing that was picked.
    fn plan(
        &mut self,
        picked: &[ListingId],
        states: Vec<ListingState>,
        orders_read: Option<Timestamp>,
    ) -> Steps {
        let profile = self.channel.profile();
        let rules = Rules {
            compare_and_set: profile.compare_and_set,
            orders_visible_after_ms: profile.orders_visible_after_ms,
        };
        let mut steps = Steps::default();
        let mut states: BTreeMap<_, _> = states
            .into_iter()
            .map(|state| (state.key.listing.clone(), state))
            .collect();
        for listing in picked {
            let Some(state) = states
                .remove(listing)
                .filter(|state| state.dirty() && state.publishable())
            else {
                self.waiting.remove(listing);
                continue;
            };
            let mut desired = self.desired(&state);
            if !self.allowed(&state, &desired) {
                self.waiting.remove(listing);
                continue;
            }
            desired.quantity = planted::bound(&state.key, desired.quantity);
            let position = Position {
                shown: state.shown,
                stale: state.stale,
                orders_read,
            };
            let stand_in = state.shown.stand_in();
            match step(desired.quantity, position, rules) {
                _ if planted::is(Bug::AcknowledgedWhileUnknown)
                    && stand_in == Some(i64::from(desired.quantity)) =>
                {
                    steps.acknowledge.push(state);
                }
                Step::AwaitOrders if planted::is(Bug::RaiseWithoutEvidence) => {
                    steps.send.push((state, desired, stand_in));
                }
                Step::Acknowledge => steps.acknowledge.push(state),
                Step::AwaitOrders => steps.wait.push(state),
                Step::Read => steps.read.push(state),
                Step::Send { compare } => steps.send.push((state, desired, compare)),
            }
        }
        steps
    }

    /// What shows what it should is done without a call.
    async fn acknowledge(&mut self, states: Vec<ListingState>) -> Result<(), StoreError> {
        if states.is_empty() {
            return Ok(());
        }
        for state in &states {
            self.waiting.remove(&state.key.listing);
        }
        let settled: Vec<_> = states
            .iter()
            .map(|state| Settled {
                key: state.key.clone(),
                shown: state.shown,
                compared: None,
                stale: false,
                acked: Some(state.feed_version()),
                verified_at: None,
                failures: 0,
                due_at: self.clock.now(),
            })
            .collect();
        self.ledger
            .write(move |tables| tables.settle(&settled))
            .await
    }

    /// Raises wait, and the channel's orders are asked for.
    async fn await_orders(&mut self, states: Vec<ListingState>) -> Result<(), StoreError> {
        if states.is_empty() {
            return Ok(());
        }
        let now = self.clock.now();
        for state in &states {
            if let Some(waiting) = self.waiting.get_mut(&state.key.listing) {
                waiting.due = now.plus(EVIDENCE_WAIT_MS);
            }
        }
        let hint = [(self.id.clone(), Hint::Orders)];
        self.ledger
            .write(move |tables| tables.ask(&hint, now))
            .await?;
        self.ask.asked();
        Ok(())
    }

    /// Reads what listings show of which nothing is known.
    async fn read(&mut self, wire: &dyn Wire, states: Vec<ListingState>) -> Result<(), StoreError> {
        // Marked as under way, so that an order that comes in meanwhile leaves what was read uncertain. After a crash 0
        // stands in: everything above it needs the orders to be read first.
        let marked: Vec<_> = states.iter().map(|state| (state.key.clone(), 0)).collect();
        self.ledger
            .write(move |tables| tables.begin_send(&marked))
            .await?;
        let began = self.clock.now();
        let ids: Vec<_> = states
            .iter()
            .map(|state| state.key.listing.clone())
            .collect();
        let mut shows: BTreeMap<ListingId, Option<i64>> = BTreeMap::new();
        let trouble = match self.channel.levels(wire, Which::These(&ids)).await {
            Ok(page) => {
                shows.extend(
                    page.items
                        .into_iter()
                        .map(|level| (level.listing, level.shows)),
                );
                "the channel does not list it; hint: discover the listings again".to_owned()
            }
            Err(fault) => fault.to_string(),
        };
        let ladder = self.terms.ladder.clone();
        let mut outcomes = Vec::with_capacity(states.len());
        for state in states {
            let dice = (self.dice)();
            let sent = Sent {
                state: &state,
                quantity: 0,
                compared: false,
                ended: self.clock.now(),
                dice,
            };
            let outcome = match shows.get(&state.key.listing) {
                Some(Some(quantity)) => {
                    let mut known = settlement(
                        &sent,
                        Ok(Verdict::Stale {
                            shows: Some(*quantity),
                        }),
                        &ladder,
                    );
                    known.settled.shown = Shown::Known {
                        quantity: *quantity,
                        as_of: began,
                    };
                    (known.settled.stale, known.settled.failures) = (state.stale, 0);
                    (known.settled.due_at, known.settled.verified_at) = (began, Some(began));
                    known.word = "read";
                    known
                }
                Some(None) => settlement(
                    &sent,
                    Ok(Verdict::Refused("the channel does not count it".to_owned())),
                    &ladder,
                ),
                None => settlement(
                    &sent,
                    Err(crate::channels::Fault::Transient(trouble.clone())),
                    &ladder,
                ),
            };
            outcomes.push((state, outcome));
        }
        self.write_down(outcomes, "read", began, &BTreeMap::new())
            .await
    }

    /// Sends quantities and writes down what came of each.
    async fn send(
        &mut self,
        wire: &dyn Wire,
        send: Vec<(ListingState, Desired, Option<i64>)>,
    ) -> Result<(), StoreError> {
        let sending: Vec<_> = send
            .iter()
            .map(|(s, d, _)| (s.key.clone(), i64::from(d.quantity)))
            .collect();
        self.ledger
            .write(move |tables| tables.begin_send(&sending))
            .await?;
        let updates: Vec<_> = send
            .iter()
            .map(|(state, desired, compare)| Update {
                listing: state.key.listing.clone(),
                quantity: desired.quantity,
                compare: *compare,
                key: intent(state, desired, *compare),
            })
            .collect();
        let began = self.clock.now();
        let answers = self.channel.publish(wire, &updates).await;
        assert_eq!(
            answers.len(),
            updates.len(),
            "one answer per update is the contract of a channel"
        );
        let ended = self.clock.now();
        let ladder = self.terms.ladder.clone();
        let mut outcomes = Vec::with_capacity(send.len());
        let mut quantities = BTreeMap::new();
        for ((state, desired, compare), answer) in send.into_iter().zip(answers) {
            let compared = compare.is_some() && self.holds_every_order(&state);
            let dice = (self.dice)();
            let quantity = i64::from(desired.quantity);
            let outcome = settlement(
                &Sent {
                    state: &state,
                    quantity,
                    compared,
                    ended,
                    dice,
                },
                answer,
                &ladder,
            );
            quantities.insert(state.key.listing.clone(), desired);
            outcomes.push((state, outcome));
        }
        self.write_down(outcomes, "push", began, &quantities).await
    }

    /// Whether the number that a write was compared with held every order until then: it came from such a write itself,
    /// or the channel's orders have been read since.
    fn holds_every_order(&self, state: &ListingState) -> bool {
        let profile = self.channel.profile();
        let Shown::Known { as_of, .. } = state.shown else {
            return false;
        };
        let late_enough = as_of.plus(profile.orders_visible_after_ms);
        let read = self.orders_read_at.is_some_and(|read| read > late_enough);
        profile.compare_and_set && (state.compared || read)
    }

    async fn write_down(
        &mut self,
        outcomes: Vec<(ListingState, Settlement)>,
        kind: &'static str,
        began: Timestamp,
        quantities: &BTreeMap<ListingId, Desired>,
    ) -> Result<(), StoreError> {
        let now = self.clock.now();
        let call = Call {
            kind,
            compares: self.channel.profile().compare_and_set,
            orders_read_at: self.orders_read_at,
            began,
            ended: now,
        };
        let (mut settled, mut audit, mut dead, mut lost) =
            (Vec::new(), Vec::new(), Vec::new(), None);
        for (state, mut outcome) in outcomes {
            if planted::is(Bug::NoVersionCheckOnRetry) && state.failures > 0 {
                self.newest(&mut outcome.settled).await?;
            }
            let listing = &state.key.listing;
            let mark = self.waiting.get(listing).and_then(|waiting| waiting.mark);
            audit.extend(story(
                &call,
                &state,
                &outcome,
                quantities.get(listing),
                mark,
            ));
            if let Some(reason) = &outcome.dead {
                warn!(channel = %self.id, listing = %listing, reason, "gave up {kind} of {listing} on {}", self.id);
                dead.push(letter(&state, kind, reason, now));
            }
            match &outcome.channel {
                Some(ChannelTrouble::Throttled(after)) => self.line.throttled(*after),
                Some(ChannelTrouble::AuthLost(why)) => {
                    lost = Some(format!("credentials are not accepted: {why}"));
                }
                None => {}
            }
            if outcome.settled.acked.is_some() {
                self.waiting.remove(listing);
                info!(channel = %self.id, listing = %listing, word = outcome.word, "{kind} of {listing} on {}: {}", self.id, outcome.word);
            } else if let Some(waiting) = self.waiting.get_mut(listing) {
                waiting.due = outcome.settled.due_at;
            }
            settled.push(outcome.settled);
        }
        let id = self.id.clone();
        self.ledger
            .write(move |tables| {
                tables.settle(&settled)?;
                for turn in settled.iter().filter(|turn| turn.acked.is_some()) {
                    tables.close_dead_letter(
                        &turn.key.channel,
                        "push",
                        turn.key.listing.as_str(),
                    )?;
                }
                dead.iter()
                    .try_for_each(|letter| tables.add_dead_letter(letter))?;
                if let Some(why) = &lost {
                    let state = tables.channel(&id)?;
                    let held = crate::ledger::tables::ChannelState {
                        held: Some(why.clone()),
                        ..state
                    };
                    tables.set_channel(&id, &held)?;
                }
                tables.audit(&audit)
            })
            .await?;
        // Stock may have changed while the call was under way: what is dirty still is looked at again.
        self.look_again(quantities.keys().cloned().collect()).await
    }

    /// The planted bug: what was sent counts for whatever is the newest version now.
    async fn newest(&self, settled: &mut Settled) -> Result<(), StoreError> {
        let (states, _) = self
            .gather(std::slice::from_ref(&settled.key.listing))
            .await?;
        let newest = states.first().map(ListingState::feed_version);
        settled.acked = settled.acked.and(newest);
        Ok(())
    }

    async fn look_again(&mut self, listings: Vec<ListingId>) -> Result<(), StoreError> {
        let keys: BTreeSet<_> = listings
            .into_iter()
            .map(|listing| ListingKey {
                channel: self.id.clone(),
                listing,
            })
            .collect();
        if keys.is_empty() {
            return Ok(());
        }
        let which = Selection {
            keys: Some(keys),
            dirty: true,
            ..Selection::default()
        };
        let found = self
            .ledger
            .read(move |tables| tables.listings(&which))
            .await?;
        let now = self.clock.now();
        for state in found {
            self.enqueue(&state, None, now);
        }
        Ok(())
    }
}

/// What is to be done with the listings of a turn.
#[derive(Debug, Default)]
struct Steps {
    acknowledge: Vec<ListingState>,
    wait: Vec<ListingState>,
    read: Vec<ListingState>,
    send: Vec<(ListingState, Desired, Option<i64>)>,
}

/// The same text for the same intent, a new one for a new intent (rule R62): what is sent over what, for which version,
/// at which try.
fn intent(state: &ListingState, desired: &Desired, compare: Option<i64>) -> String {
    let text = format!(
        "{}|{}|{}|{compare:?}|{}|{}|{}",
        state.key.channel,
        state.key.listing,
        desired.quantity,
        state.feed_version(),
        state.failures,
        state.shown.as_of().millis(),
    );
    uuid::Uuid::new_v5(&uuid::Uuid::NAMESPACE_URL, text.as_bytes()).to_string()
}
