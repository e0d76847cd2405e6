//! What must be true of a world at its end.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::atomic::Ordering;

use onhand::broker::Rings;
use onhand::domain::clock::{Clock, Timestamp};
use onhand::domain::delivery::Shown;
use onhand::domain::ids::{ListingKey, Sku};
use onhand::domain::stock::Cause;
use onhand::ledger::tables::ListingState;
use onhand::sandbox::{Entry, Goods, Happening};

use super::world::{World, now, shop, web};
use crate::store::{at, place, sku};

/// How long one round of the calm at the end takes, in ms.
const ROUND_MS: i64 = 5_000;
/// Most rounds until nothing waits: three times all rungs of the ladder, for faults go on.
const ROUNDS_MAX: usize = 600;
/// After this long an order is in every read of orders, in ms.
const VISIBLE_MS: i64 = 10_000;

impl World {
    /// Buyers go home; everything that waits is worked off. Nothing may wait longer than the retries take.
    fn calm_down(&mut self) {
        let began = self.clock.now();
        for round in 0..ROUNDS_MAX {
            self.deliver();
            if round % 12 == 0 {
                let then = self.clock.now();
                now(self.process.fetcher.ask_orders(then)).unwrap();
            }
            now(self.process.fetcher.turn()).unwrap();
            for id in [shop(), web()] {
                let lane = self.process.lanes.get_mut(&id).unwrap();
                let rings = Rings {
                    sweep: true,
                    ..lane.mailbox.take()
                };
                now(lane.look(&rings)).unwrap();
                self.wires[&id].judge.turn();
                now(lane.turn()).unwrap();
            }
            self.clock.advance(ROUND_MS);
            self.look();
            if self.is_calm(began) {
                return;
            }
        }
        let open: Vec<_> = self
            .listings()
            .into_iter()
            .filter(ListingState::dirty)
            .collect();
        panic!(
            "seed {}: not calm after {ROUNDS_MAX} rounds: {open:?}",
            self.seed
        );
    }

    /// Nothing is dirty, nothing is on its way, and every channel's orders were read since the buyers went.
    fn is_calm(&self, began: Timestamp) -> bool {
        let ids = [shop(), web()];
        let read = now(self.process.desk.ledger.read(move |t| {
            let mut late = true;
            for id in &ids {
                let read = t.channel(id)?.orders_read_at;
                late &= read.is_some_and(|read| read > began.plus(VISIBLE_MS));
            }
            Ok(late)
        }))
        .unwrap();
        read && self.listings().iter().all(|listing| !listing.dirty())
            && self
                .markets
                .values()
                .all(|market| market.next_due_ms().is_none())
    }

    /// What must be true of every world at its end.
    pub(super) fn check(&mut self) {
        self.calm_down();
        let seed = self.seed;
        let violations = self.violations.lock().unwrap().clone();
        assert!(violations.is_empty(), "seed {seed}: {violations:?}");
        let broken = now(self.process.desk.ledger.verify()).unwrap();
        assert!(broken.is_empty(), "seed {seed}: {broken:?}");
        self.what_was_answered_is_kept();
        self.every_message_is_accounted_for();
        let unseen = self.every_order_counts_once();
        self.books_hold_every_order(&unseen);
        self.shops_show_what_they_should();
        for market in self.markets.values() {
            for (fault, times) in market.fault_counts() {
                *self.faults.entry(fault).or_default() += times;
            }
        }
    }

    /// What was refused is told of, and waits for a person or the next change; all else shows what it should, and no
    /// letter tells of it.
    fn shops_show_what_they_should(&self) {
        let seed = self.seed;
        let letters = now(self.process.desk.ledger.read(|t| t.dead_letters())).unwrap();
        let given_up = |key: &ListingKey| {
            letters
                .iter()
                .any(|l| l.channel == key.channel && l.what == key.listing.as_str())
        };
        for listing in self.listings() {
            let key = &listing.key;
            if given_up(key) && matches!(listing.shown, Shown::Unknown { .. }) {
                continue;
            }
            assert!(
                !given_up(key),
                "seed {seed}: a letter tells of {key}: {letters:?}"
            );
            let desired = self.process.lanes[&key.channel].desired_now(&listing);
            let goods = Goods::Sku(listing.their_sku.as_deref().unwrap());
            let shows = self.markets[&key.channel].shown(goods);
            let right =
                shows == Some(desired) || (desired == 0 && shows.is_some_and(|shown| shown <= 0));
            let shown = listing.shown;
            assert!(
                right,
                "seed {seed}: {key} shows {shows:?}, should {desired}: {shown:?}"
            );
        }
    }

    /// Each answered message is in the store, once, with what became of it (I2, I5).
    pub(super) fn what_was_answered_is_kept(&mut self) {
        let answered = self.answered.lock().unwrap();
        let fresh = answered[self.looked_for..].to_vec();
        self.looked_for = answered.len();
        drop(answered);
        for message in fresh {
            let Some(delivery) = message.delivery.clone() else {
                continue;
            };
            let kept = now(self
                .process
                .desk
                .ledger
                .read(move |t| t.events_of(&delivery)))
            .unwrap();
            let found = kept.iter().any(|event| {
                let told = event.reason.is_some() || event.outcome == "applied";
                event.channel == message.channel
                    && event.delivery == message.delivery
                    && event.received_at == message.received_at
                    && event.outcome == message.outcome.word()
                    && told
            });
            if !found {
                let text = format!("answered and lost: {message:?}");
                self.violations.lock().unwrap().push(text);
            }
        }
    }

    /// Kept messages are those that were handed over and those that we asked for, and no others (I3, I5).
    fn every_message_is_accounted_for(&self) {
        let mut subjects: BTreeSet<String> = self
            .listings()
            .iter()
            .map(|listing| listing.key.listing.as_str().to_owned())
            .collect();
        for market in self.markets.values() {
            subjects.extend(
                market
                    .log()
                    .iter()
                    .filter_map(|entry| match entry.happening {
                        Happening::Sale { order, .. } => Some(order.to_string()),
                        _ => None,
                    }),
            );
        }
        let (asked, total) = now(self.process.desk.ledger.read(move |t| {
            let mut asked = BTreeSet::new();
            for subject in &subjects {
                let events = t.events_of(subject)?;
                let ours = events.into_iter().filter(|event| event.delivery.is_none());
                asked.extend(
                    ours.filter(|event| event.topic == "fetch" || event.topic == "sweep")
                        .map(|event| event.id),
                );
            }
            Ok((asked.len(), t.totals()?.messages))
        }))
        .unwrap();
        let handed = self.handed.load(Ordering::SeqCst);
        let asked = u64::try_from(asked).unwrap();
        assert_eq!(
            u64::try_from(total).unwrap(),
            handed + asked,
            "seed {}: kept messages, of {handed} handed over and {asked} asked for",
            self.seed
        );
    }

    /// Whatever came of an order, in how many messages ever: its units are promised once, or have left once (I4).
    ///
    /// Returns what left the shelf unseen: an order of which nothing was heard until it had shipped, with a count between
    /// its placing and its shipping. Whether the count found it gone cannot be known; the books take it that it did.
    fn every_order_counts_once(&self) -> BTreeMap<Sku, i64> {
        let mut unseen: BTreeMap<Sku, i64> = BTreeMap::new();
        for (id, market) in &self.markets {
            for (order, fate) in fates(&market.log()) {
                let (entries, events) = now(self.process.desk.ledger.read(move |t| {
                    let order = order.to_string();
                    Ok((t.entries_of_order(&order)?, t.events_of(&order)?))
                }))
                .unwrap();
                let (mut promised, mut left) = (0, 0);
                for line in entries {
                    if matches!(&line.entry.cause, Cause::Order { channel, .. } if channel == id) {
                        promised += line.entry.movement.committed;
                        left -= line.entry.movement.on_hand;
                    }
                }
                let counted = |from: Timestamp, to: Timestamp| {
                    let within = |at: Timestamp| from <= at && at <= to;
                    self.counts
                        .iter()
                        .any(|(sku, at)| *sku == fate.sku && within(*at))
                };
                let heard = events.iter().filter(|event| event.channel == *id);
                let heard = heard.map(|event| event.received_at).min();
                let right = match fate.gone {
                    None => (promised, left) == (fate.units, 0),
                    Some(_) if (promised, left) == (0, fate.units) => true,
                    // A later count found it gone.
                    Some(gone) if counted(gone, at(i64::MAX)) => (promised, left) == (0, 0),
                    Some(gone) => {
                        *unseen.entry(fate.sku.clone()).or_default() += fate.units;
                        let between = counted(fate.placed, gone) && heard >= Some(gone);
                        between && (promised, left) == (0, 0)
                    }
                };
                assert!(
                    right,
                    "seed {}: order {order} of {id}: {promised} promised, {left} left: {fate:?}",
                    self.seed
                );
            }
        }
        unseen
    }

    /// Conservation: what is promised and gone is what the marketplaces sold and did not take back.
    pub(super) fn books_hold_every_order(&self, unseen: &BTreeMap<Sku, i64>) {
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
            let unseen = unseen.get(&row.sku).copied().unwrap_or(0);
            let came_in = self.came_in[row.sku.as_str()] + unseen;
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
                self.on_the_shelf(row.sku.as_str()) + unseen,
                "seed {}: {}",
                self.seed,
                row.sku
            );
        }
    }
}

/// What became of an order; orders of these worlds have one line.
#[derive(Debug)]
struct Fate {
    sku: Sku,
    units: i64,
    placed: Timestamp,
    gone: Option<Timestamp>,
}

fn fates(log: &[Entry]) -> BTreeMap<u64, Fate> {
    let mut fates: BTreeMap<u64, Fate> = BTreeMap::new();
    for entry in log {
        match &entry.happening {
            Happening::Sale {
                order,
                sku: text,
                units,
                ..
            } => {
                let fate = Fate {
                    sku: sku(text),
                    units: *units,
                    placed: at(entry.at_ms),
                    gone: None,
                };
                fates.insert(*order, fate);
            }
            Happening::Cancelled { order, units, .. } => {
                fates.get_mut(order).unwrap().units -= units;
            }
            Happening::Fulfilled { order } => {
                fates.get_mut(order).unwrap().gone = Some(at(entry.at_ms));
            }
            _ => {}
        }
    }
    fates
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
