//! The calls of a lane, and what is written down of them.

use std::collections::{BTreeMap, BTreeSet};

use tracing::{info, warn};

use super::Lane;
use super::claim::close_letters;
use super::settle::{ChannelTrouble, Sent, Settlement, seen, settlement};
use super::story::{Call, letter, story};
use crate::channels::{Fault, Update, Which, Wire};
use crate::domain::clock::Timestamp;
use crate::domain::delivery::Shown;
use crate::domain::desired::Desired;
use crate::domain::ids::{ListingId, ListingKey};
use crate::ledger::StoreError;
use crate::ledger::tables::{ChannelState, ListingState, Selection, Settled, Tables};
use crate::planted::{self, Bug};

impl Lane {
    /// Reads what listings show of which nothing is known.
    pub(super) async fn read(
        &mut self,
        wire: &dyn Wire,
        states: Vec<ListingState>,
        orders_read_at: Option<Timestamp>,
    ) -> Result<(), StoreError> {
        let began = self.parts.clock.now();
        let ids: Vec<_> = states
            .iter()
            .map(|state| state.key.listing.clone())
            .collect();
        let mut shows: BTreeMap<ListingId, Option<i64>> = BTreeMap::new();
        let trouble = match self.parts.channel.levels(wire, Which::These(&ids)).await {
            Ok(page) => {
                let levels = page.items.into_iter();
                shows.extend(levels.map(|level| (level.listing, level.shows)));
                let text = "the channel does not list it; hint: discover the listings again";
                Fault::Transient(text.to_owned())
            }
            Err(fault) => of_read(fault),
        };
        let mut outcomes = Vec::with_capacity(states.len());
        for state in states {
            let sent = self.sent(&state, 0, false);
            let ladder = &self.parts.terms.ladder;
            let outcome = match shows.get(&state.key.listing) {
                Some(shows) => seen(&sent, *shows, began),
                None => settlement(&sent, Err(trouble.clone()), ladder),
            };
            outcomes.push((state, outcome));
        }
        let call = self.call("read", began, orders_read_at);
        self.write_down(outcomes, call, &BTreeMap::new()).await
    }

    /// Sends quantities and writes down what came of each.
    pub(super) async fn send(
        &mut self,
        wire: &dyn Wire,
        send: Vec<(ListingState, Desired, Option<i64>)>,
        orders_read_at: Option<Timestamp>,
    ) -> Result<(), StoreError> {
        let updates: Vec<_> = send
            .iter()
            .map(|(state, desired, compare)| Update {
                listing: state.key.listing.clone(),
                quantity: desired.quantity,
                compare: *compare,
                key: intent(state, desired, *compare),
            })
            .collect();
        let began = self.parts.clock.now();
        let answers = self.parts.channel.publish(wire, &updates).await;
        assert_eq!(
            answers.len(),
            updates.len(),
            "one answer per update is the contract of a channel"
        );
        let mut outcomes = Vec::with_capacity(send.len());
        let mut quantities = BTreeMap::new();
        for ((state, desired, compare), answer) in send.into_iter().zip(answers) {
            let compared = compare.is_some() && self.holds_every_order(&state, orders_read_at);
            let sent = self.sent(&state, i64::from(desired.quantity), compared);
            let outcome = settlement(&sent, answer, &self.parts.terms.ladder);
            quantities.insert(state.key.listing.clone(), desired);
            outcomes.push((state, outcome));
        }
        let call = self.call("push", began, orders_read_at);
        self.write_down(outcomes, call, &quantities).await
    }

    fn sent<'a>(&mut self, state: &'a ListingState, quantity: i64, compared: bool) -> Sent<'a> {
        Sent {
            state,
            quantity,
            compared,
            ended: self.parts.clock.now(),
            settling_ms: self.parts.channel.profile().settling_ms,
            dice: (self.parts.dice)(),
        }
    }

    fn call(
        &self,
        kind: &'static str,
        began: Timestamp,
        orders_read_at: Option<Timestamp>,
    ) -> Call {
        Call {
            kind,
            compares: self.parts.channel.profile().compare_and_set,
            orders_read_at,
            began,
            ended: self.parts.clock.now(),
        }
    }

    /// Whether the number that a write was compared with held every order until then: it came from such a write itself,
    /// or the channel's orders have been read since.
    fn holds_every_order(&self, state: &ListingState, orders_read_at: Option<Timestamp>) -> bool {
        let profile = self.parts.channel.profile();
        let Shown::Known { as_of, .. } = state.shown else {
            return false;
        };
        let late_enough = as_of.plus(profile.orders_visible_after_ms);
        let read = orders_read_at.is_some_and(|read| read > late_enough);
        profile.compare_and_set && (state.compared || read)
    }

    async fn write_down(
        &mut self,
        outcomes: Vec<(ListingState, Settlement)>,
        call: Call,
        quantities: &BTreeMap<ListingId, Desired>,
    ) -> Result<(), StoreError> {
        let (mut settled, mut audit, mut dead) = (Vec::new(), Vec::new(), Vec::new());
        let (mut right, mut trouble) = (Vec::new(), None);
        for (state, mut outcome) in outcomes {
            if planted::is(Bug::NoVersionCheckOnRetry) && state.failures > 0 {
                self.newest(&mut outcome.settled).await?;
            }
            let listing = &state.key.listing;
            let mark = self.queue.get(listing).and_then(|waiting| waiting.mark);
            let desired = quantities.get(listing);
            audit.extend(story(&call, &state, &outcome, desired, mark));
            if let Some(given_up) = &outcome.dead {
                self.tell(call.kind, listing, &given_up.reason);
                dead.push(letter(&state.key, call.kind, given_up, call.ended));
            }
            trouble = trouble.max(outcome.channel);
            if outcome.settled.acked.is_some() {
                right.extend(outcome.dead.is_none().then(|| state.key.clone()));
                self.queue.remove(listing);
                info!(channel = %self.parts.id, listing = %listing, word = outcome.word, "{} of {listing}: {}", call.kind, outcome.word);
            } else {
                self.queue.delay(listing, outcome.settled.due_at, false);
            }
            settled.push(outcome.settled);
        }
        let held = match trouble {
            Some(ChannelTrouble::Throttled(after)) => {
                self.parts.line.throttled(after);
                None
            }
            Some(ChannelTrouble::AuthLost(why)) => {
                Some(format!("credentials are not accepted: {why}"))
            }
            None => None,
        };
        let id = self.parts.id.clone();
        let again: Vec<_> = settled.iter().map(|turn| turn.key.clone()).collect();
        let work = move |tables: &mut dyn Tables| {
            tables.settle(&settled)?;
            right
                .iter()
                .try_for_each(|key| close_letters(tables, key))?;
            dead.iter()
                .try_for_each(|letter| tables.add_dead_letter(letter))?;
            if held.is_some() {
                let state = tables.channel(&id)?;
                let held = held.clone();
                tables.set_channel(&id, &ChannelState { held, ..state })?;
            }
            tables.audit(&audit)
        };
        self.parts.ledger.write(work).await?;
        // Stock may have changed while the call was under way: what is dirty still is looked at again.
        self.look_again(again).await
    }

    fn tell(&self, kind: &str, listing: &ListingId, reason: &str) {
        let id = &self.parts.id;
        warn!(channel = %id, listing = %listing, reason, "gave up {kind} of {listing} on {id}");
    }

    /// The planted bug: what was sent counts for whatever is the newest version now.
    async fn newest(&self, settled: &mut Settled) -> Result<(), StoreError> {
        let which = Selection {
            keys: Some(BTreeSet::from([settled.key.clone()])),
            ..Selection::default()
        };
        let ledger = &self.parts.ledger;
        let states = ledger.read(move |tables| tables.listings(&which)).await?;
        let newest = states.first().map(ListingState::feed_version);
        settled.acked = settled.acked.and(newest);
        Ok(())
    }

    async fn look_again(&mut self, keys: Vec<ListingKey>) -> Result<(), StoreError> {
        let which = Selection {
            keys: Some(keys.into_iter().collect()),
            dirty: true,
            ..Selection::default()
        };
        let ledger = &self.parts.ledger;
        let found = ledger.read(move |tables| tables.listings(&which)).await?;
        let now = self.parts.clock.now();
        for state in found {
            self.enqueue(&state, None, now);
        }
        Ok(())
    }
}

/// A read that failed changed nothing, and what is refused of a page says nothing of one listing.
fn of_read(fault: Fault) -> Fault {
    match fault {
        Fault::Throttled { .. } | Fault::Unauthorized(_) | Fault::Transient(_) => fault,
        other => Fault::Transient(other.to_string()),
    }
}

/// The same text for the same intent, a new one for a new intent (rule R62): what is sent over what, for which version.
fn intent(state: &ListingState, desired: &Desired, compare: Option<i64>) -> String {
    let text = format!(
        "{}|{}|{}|{compare:?}|{}|{}",
        state.key.channel,
        state.key.listing,
        desired.quantity,
        state.feed_version(),
        state.shown.as_of().millis(),
    );
    uuid::Uuid::new_v5(&uuid::Uuid::NAMESPACE_URL, text.as_bytes()).to_string()
}
