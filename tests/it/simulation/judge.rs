//! What must be true: of each call as it happens, and of a world at its end.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};

use onhand::domain::clock::Timestamp;
use onhand::domain::delivery::Shown;
use onhand::domain::ids::{ChannelId, Sku};
use onhand::ledger::tables::{ListingState, Selection, Store};
use onhand::sandbox::{Entry, Goods, Happening, Marketplace};

use super::process::SharedStore;
use super::world::World;
use super::world::now;
use crate::store::{at, place, sku};

impl World {
    /// What must be true of every world at its end.
    pub(super) fn check(&mut self) {
        self.calm_down();
        let seed = self.seed;
        let broken = now(self.process.desk.ledger.verify()).unwrap();
        assert!(broken.is_empty(), "seed {seed}: {broken:?}");
        assert_eq!(
            *self.violations.lock().unwrap(),
            Vec::<String>::new(),
            "seed {seed}"
        );
        self.books_hold_every_order();
        let letters = now(self.process.desk.ledger.read(|t| t.dead_letters())).unwrap();
        let dead: BTreeSet<_> = letters
            .iter()
            .map(|letter| (letter.channel.clone(), letter.what.clone()))
            .collect();
        for listing in self.listings() {
            // What was given up is told of, and waits for a person or the next change.
            if dead.contains(&(
                listing.key.channel.clone(),
                listing.key.listing.as_str().to_owned(),
            )) {
                continue;
            }
            let desired = self.process.lanes[&listing.key.channel].desired_now(&listing);
            let shows = self.markets[&listing.key.channel]
                .shown(Goods::Sku(listing.their_sku.as_deref().unwrap()));
            let right =
                shows == Some(desired) || (desired == 0 && shows.is_some_and(|shown| shown <= 0));
            assert!(
                right,
                "seed {seed}: {} shows {shows:?}, should {desired}: {:?}",
                listing.key, listing.shown
            );
            assert!(
                !listing.dirty(),
                "seed {seed}: {} is still dirty",
                listing.key
            );
        }
    }

    /// Conservation: what is promised and gone is what the marketplaces sold and did not take back.
    pub(super) fn books_hold_every_order(&self) {
        let mut held: BTreeMap<Sku, i64> = BTreeMap::new();
        for market in self.markets.values() {
            for entry in market.log() {
                match entry.happening {
                    Happening::Sale {
                        sku: text, units, ..
                    } => *held.entry(sku(&text)).or_default() += units,
                    Happening::Cancelled {
                        sku: text, units, ..
                    } => *held.entry(sku(&text)).or_default() -= units,
                    _ => {}
                }
            }
        }
        let rows = now(self.process.desk.ledger.read(|t| t.stock())).unwrap();
        for row in rows {
            let entries = now(self.process.desk.ledger.read({
                let sku = row.sku.clone();
                move |t| t.on_hand_at(&sku, &place(), at(i64::MAX))
            }))
            .unwrap();
            assert_eq!(entries, row.balances, "seed {}", self.seed);
            let gone = held.get(&row.sku).copied().unwrap_or(0);
            let came_in = self.came_in[row.sku.as_str()];
            assert_eq!(
                row.balances.available(),
                came_in - gone,
                "seed {}: {} {:?}",
                self.seed,
                row.sku,
                row.balances
            );
            assert_eq!(
                row.balances.on_hand,
                self.on_the_shelf(row.sku.as_str()),
                "seed {}: {}",
                self.seed,
                row.sku
            );
        }
    }
}

/// Units of a SKU that a marketplace's orders shipped.
pub(super) fn shipped(log: &[Entry], text: &str) -> i64 {
    let fulfilled: BTreeSet<u64> = log
        .iter()
        .filter_map(|entry| match entry.happening {
            Happening::Fulfilled { order } => Some(order),
            _ => None,
        })
        .collect();
    log.iter()
        .map(|entry| match &entry.happening {
            Happening::Sale {
                order, sku, units, ..
            } if sku == text && fulfilled.contains(order) => *units,
            Happening::Cancelled {
                order, sku, units, ..
            } if sku == text && fulfilled.contains(order) => -units,
            _ => 0,
        })
        .sum()
}

/// Looks at what a call wrote: a raise beyond what we believed needs the orders to have been read since (design D8).
pub(super) struct Judge {
    pub(super) id: ChannelId,
    pub(super) market: Arc<dyn Marketplace>,
    pub(super) visible_after_ms: i64,
    pub(super) compares: bool,
    pub(super) store: SharedStore,
    pub(super) violations: Arc<Mutex<Vec<String>>>,
    pub(super) seen: AtomicU64,
}

impl Judge {
    /// Looks at what happened since the last look; judges it if a call just ended.
    pub(super) fn look(&self, judges: bool) {
        let news = self.market.log_since(self.seen.load(Ordering::SeqCst));
        let Some(last) = news.last() else { return };
        self.seen.store(last.sequence, Ordering::SeqCst);
        for entry in news.into_iter().filter(|_| judges) {
            let Happening::Write { item, from, to, .. } = entry.happening else {
                continue;
            };
            let (listings, read_at) = self.beliefs();
            let shown = listings
                .iter()
                .find(|l| l.key.listing.as_str() == item.to_string())
                .map(|l| (l.shown, l.stale));
            let Some((shown, stale)) = shown else {
                continue;
            };
            if to <= from {
                continue;
            }
            let compared = self.compares && matches!(shown, Shown::Known { .. }) && !stale;
            let lower = shown.stand_in().is_some_and(|stand_in| to <= stand_in);
            let evidence =
                read_at.is_some_and(|read| read > shown.as_of().plus(self.visible_after_ms));
            if !(compared || lower || evidence) {
                let text = format!(
                    "{}: {item} was raised from {from} to {to} without evidence ({shown:?})",
                    self.id
                );
                self.violations.lock().unwrap().push(text);
            }
        }
    }

    pub(super) fn beliefs(&self) -> (Vec<ListingState>, Option<Timestamp>) {
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
