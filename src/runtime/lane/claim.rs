//! What is to be done with the listings whose turn has come: read, decided and marked in one transaction, so that nothing
//! can change between what was read and what is marked.

use std::collections::BTreeMap;
use std::sync::Arc;

use super::only::Only;
use crate::domain::clock::Timestamp;
use crate::domain::delivery::{Position, Rules, Step, step};
use crate::domain::desired::Desired;
use crate::domain::ids::{ChannelId, ListingId, ListingKey};
use crate::domain::message::Hint;
use crate::domain::policy::Policy;
use crate::ledger::StoreError;
use crate::ledger::tables::{ListingState, Selection, Tables};
use crate::planted::{self, Bug};

/// Kinds of dead letters that an acknowledged listing closes.
pub(super) const LETTERS: [&str; 2] = ["push", "read"];

/// The listings whose turn has come, and by what it is decided.
#[derive(Debug, Clone)]
pub(super) struct Claim {
    /// Whose.
    pub(super) id: ChannelId,
    /// Which.
    pub(super) listings: Vec<ListingId>,
    /// The plan.
    pub(super) policy: Arc<Policy>,
    /// What may be sent to.
    pub(super) only: Only,
    /// The platform's rules.
    pub(super) rules: Rules,
    /// The time.
    pub(super) now: Timestamp,
}

/// What is to be done with each.
#[derive(Debug, Default)]
pub(super) struct Steps {
    /// Shows what it should, or is no longer to be sent to: done.
    pub(super) done: Vec<ListingId>,
    /// How many of those were acknowledged.
    pub(super) acknowledged: usize,
    /// Raises that wait for the orders to be read.
    pub(super) wait: Vec<ListingId>,
    /// To be read.
    pub(super) read: Vec<ListingState>,
    /// To be sent: how much, over what.
    pub(super) send: Vec<(ListingState, Desired, Option<i64>)>,
    /// When the last complete read of the channel's orders began.
    pub(super) orders_read_at: Option<Timestamp>,
}

impl Claim {
    /// Decides, and writes down what was acknowledged, what is under way, and that orders are to be read.
    ///
    /// # Errors
    /// As the store.
    pub(super) fn make(&self, tables: &mut dyn Tables) -> Result<Steps, StoreError> {
        let key = |listing: &ListingId| ListingKey {
            channel: self.id.clone(),
            listing: listing.clone(),
        };
        let which = Selection {
            keys: Some(self.listings.iter().map(key).collect()),
            ..Selection::default()
        };
        let mut steps = Steps {
            orders_read_at: tables.channel(&self.id)?.orders_read_at,
            done: self.listings.clone(),
            ..Steps::default()
        };
        let (mut acknowledged, mut moments) = (Vec::new(), Vec::new());
        let mut states: BTreeMap<_, _> = tables
            .listings(&which)?
            .into_iter()
            .filter(|state| state.dirty() && state.publishable())
            .map(|state| (state.key.listing.clone(), state))
            .collect();
        // The most urgent first, as they were picked.
        for state in self.listings.iter().filter_map(|id| states.remove(id)) {
            let until = desired(&self.policy, &state).until;
            moments.extend(until.map(|until| (state.key.clone(), until)));
            self.decide(state, &mut steps, &mut acknowledged);
        }
        tables.note_until(&moments)?;
        steps.acknowledged = acknowledged.len();
        tables.acknowledge(&acknowledged)?;
        for (key, _) in &acknowledged {
            close_letters(tables, key)?;
        }
        // A read is marked as under way, too, so that an order that comes in meanwhile leaves what was read uncertain.
        // After a crash 0 stands in: everything above it needs the orders to be read first.
        let reads = steps.read.iter().map(|state| (state.key.clone(), 0));
        let sends = steps
            .send
            .iter()
            .map(|(state, desired, _)| (state.key.clone(), i64::from(desired.quantity)));
        let marks: Vec<_> = reads.chain(sends).collect();
        tables.begin_send(&marks)?;
        if !steps.wait.is_empty() {
            tables.ask(&[(self.id.clone(), Hint::Orders)], self.now)?;
        }
        Ok(steps)
    }

    fn decide(
        &self,
        state: ListingState,
        steps: &mut Steps,
        acknowledged: &mut Vec<(ListingKey, i64)>,
    ) {
        let mut desired = desired(&self.policy, &state);
        if !self.only.allows_state(&state, &self.policy, &desired) {
            return;
        }
        desired.quantity = planted::bound(&state.key, desired.quantity);
        let position = Position {
            shown: state.shown,
            stale: state.stale,
            orders_read: steps.orders_read_at,
        };
        let stand_in = state.shown.stand_in();
        let listing = state.key.listing.clone();
        match step(desired.quantity, position, self.rules) {
            _ if planted::is(Bug::AcknowledgedWhileUnknown)
                && stand_in == Some(i64::from(desired.quantity)) =>
            {
                acknowledged.push((state.key.clone(), state.feed_version()));
                return;
            }
            Step::AwaitOrders if planted::is(Bug::RaiseWithoutEvidence) => {
                steps.send.push((state, desired, stand_in));
            }
            Step::Acknowledge => {
                acknowledged.push((state.key.clone(), state.feed_version()));
                return;
            }
            Step::AwaitOrders => steps.wait.push(listing.clone()),
            Step::Read => steps.read.push(state),
            Step::Send { compare } => steps.send.push((state, desired, compare)),
        }
        steps.done.retain(|done| *done != listing);
    }
}

/// What a listing should show now.
pub(super) fn desired(policy: &Policy, state: &ListingState) -> Desired {
    let own = state
        .mapping
        .as_ref()
        .and_then(|mapping| mapping.location.as_ref());
    policy.desired(&state.key.channel, own, &state.feeds)
}

/// A listing is right: what was given up of it is settled.
pub(super) fn close_letters(tables: &mut dyn Tables, key: &ListingKey) -> Result<(), StoreError> {
    LETTERS
        .iter()
        .try_for_each(|kind| tables.close_dead_letter(&key.channel, kind, key.listing.as_str()))
}
