//! What must be true of every call as it happens, and of the store after every step.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};

use onhand::domain::clock::Timestamp;
use onhand::domain::delivery::Shown;
use onhand::domain::ids::{ChannelId, ListingKey};
use onhand::domain::policy::Policy;
use onhand::ledger::tables::{ListingState, Selection, Store};
use onhand::sandbox::{Happening, Marketplace};

use super::process::SharedStore;

/// What the books said when a call began.
pub(super) type Beliefs = (Vec<ListingState>, Option<Timestamp>);

/// Looks at what each call to one channel wrote.
pub(super) struct Judge {
    pub(super) id: ChannelId,
    pub(super) market: Arc<dyn Marketplace>,
    pub(super) visible_after_ms: i64,
    pub(super) compares: bool,
    pub(super) store: SharedStore,
    pub(super) policy: Arc<Policy>,
    pub(super) violations: Arc<Mutex<Vec<String>>>,
    pub(super) seen: AtomicU64,
    pub(super) before: Mutex<Option<Beliefs>>,
    /// What the books allowed when the first call of a publish began: when one item of a batch is refused, the others go
    /// again within the same publish.
    pub(super) allowed: Mutex<BTreeMap<ListingKey, i64>>,
}

impl Judge {
    /// A turn of the lane begins.
    pub(super) fn turn(&self) {
        self.allowed.lock().unwrap().clear();
    }

    /// A call begins.
    pub(super) fn begin(&self, publishes: bool) {
        let news = self.market.log_since(self.seen.load(Ordering::SeqCst));
        if let Some(last) = news.last() {
            self.seen.store(last.sequence, Ordering::SeqCst);
        }
        let beliefs = publishes.then(|| self.beliefs());
        for listing in beliefs.iter().flat_map(|(listings, _)| listings) {
            let mut allowed = self.allowed.lock().unwrap();
            let first = allowed.entry(listing.key.clone());
            first.or_insert_with(|| wanted(&self.policy, listing));
        }
        let open = std::mem::replace(&mut *self.before.lock().unwrap(), beliefs);
        if open.is_some() {
            self.accuse("two writing calls at once");
        }
    }

    /// It took effect, or not.
    pub(super) fn end(&self) {
        let Some((listings, read_at)) = self.before.lock().unwrap().take() else {
            return;
        };
        for entry in self.market.log_since(self.seen.load(Ordering::SeqCst)) {
            let Happening::Write { item, from, to, .. } = entry.happening else {
                continue;
            };
            let named = |l: &&ListingState| l.key.listing.as_str() == item.to_string();
            if let Some(listing) = listings.iter().find(named) {
                self.judge(listing, read_at, from, to);
            }
        }
    }

    /// No more than the books allowed when it was sent; and a raise beyond what we believed needs the orders to have been
    /// read since, or a compare (design D8).
    fn judge(&self, listing: &ListingState, read_at: Option<Timestamp>, from: i64, to: i64) {
        let (key, shown) = (&listing.key, listing.shown);
        let allowed = self.allowed.lock().unwrap()[key].max(wanted(&self.policy, listing));
        if to < 0 || to > allowed {
            self.accuse(&format!("{key} was set to {to}, the books allow {allowed}"));
        }
        let compared = self.compares && matches!(shown, Shown::Known { .. }) && !listing.stale;
        let lower = shown.stand_in().is_some_and(|stand_in| to <= stand_in);
        let evidence = read_at.is_some_and(|read| read > shown.as_of().plus(self.visible_after_ms));
        if to > from && !(compared || lower || evidence) {
            self.accuse(&format!(
                "{key} was raised from {from} to {to} without evidence ({shown:?})"
            ));
        }
    }

    fn accuse(&self, text: &str) {
        let text = format!("{}: {text}", self.id);
        self.violations.lock().unwrap().push(text);
    }

    fn beliefs(&self) -> Beliefs {
        let (mut found, id) = (None, self.id.clone());
        let which = Selection {
            channel: Some(id.clone()),
            ..Selection::default()
        };
        self.store
            .clone()
            .read(&mut |t| {
                found = Some((t.listings(&which)?, t.channel(&id)?.orders_read_at));
                Ok(())
            })
            .unwrap();
        found.unwrap()
    }
}

/// What a listing should show by the books as they were read.
pub(super) fn wanted(policy: &Policy, listing: &ListingState) -> i64 {
    let own = listing.mapping.as_ref().and_then(|m| m.location.as_ref());
    let desired = policy.desired(&listing.key.channel, own, &listing.feeds);
    i64::from(desired.quantity)
}

/// The versions that were seen, which may only rise.
#[derive(Debug, Default)]
pub(super) struct Versions(BTreeMap<ListingKey, (i64, i64)>);

impl Versions {
    /// Looks at the listings after a step; what is wrong with them, in words.
    pub(super) fn look(
        &mut self,
        listings: &[ListingState],
        policy: &Policy,
        given_up: impl Fn(&ListingKey) -> bool,
    ) -> Vec<String> {
        let mut wrong = Vec::new();
        for listing in listings {
            let (key, feed) = (&listing.key, listing.feed_version());
            let (fed, acked) = self.0.entry(key.clone()).or_default();
            if feed < *fed {
                wrong.push(format!("{key}: its version fell from {fed} to {feed}"));
            }
            if let Some(now) = listing.acked
                && (now < *acked || now > feed)
            {
                wrong.push(format!(
                    "{key}: acknowledged {now} after {acked}, of {feed}"
                ));
            }
            (*fed, *acked) = (feed, listing.acked.unwrap_or(*acked));
            // What is clean shows what it should, for all that we know, unless it was given up and told of.
            let wanted = wanted(policy, listing);
            let right = match listing.shown {
                Shown::Known { quantity, .. } => {
                    quantity == wanted || (wanted == 0 && quantity <= 0)
                }
                Shown::Unknown { .. } => false,
            };
            if !listing.dirty() && !right && !given_up(key) {
                let shown = listing.shown;
                wrong.push(format!("{key} is acknowledged at {wanted}, but {shown:?}"));
            }
        }
        wrong
    }
}
