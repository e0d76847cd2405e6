//! The state of an emulated Shopify shop, and the movements of its stock.
//!
//! Levels follow Shopify's own arithmetic: `on_hand = available + committed`, a sale moves units from
//! available to committed, fulfilment takes them out of committed and `on_hand`.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use super::cost::Bucket;
use super::{ShopifyOptions, ShopifyVariant};
use crate::sandbox::stage::{Delivery, Stage};

/// A variant and its inventory item.
#[derive(Debug)]
pub(super) struct Variant {
    pub(super) product: u64,
    pub(super) id: u64,
    pub(super) sku: String,
    pub(super) tracked: bool,
    pub(super) oversells: bool,
    pub(super) bundle: bool,
    pub(super) updated_ms: i64,
}

/// What one location holds of one item.
#[derive(Debug, Clone, Copy)]
pub(super) struct Level {
    pub(super) available: i64,
    pub(super) committed: i64,
    pub(super) active: bool,
    pub(super) updated_ms: i64,
}

impl Level {
    pub(super) fn on_hand(&self) -> i64 {
        self.available.saturating_add(self.committed)
    }
}

/// A line of an order.
#[derive(Debug, Clone)]
pub(super) struct Line {
    pub(super) id: u64,
    pub(super) item: u64,
    pub(super) units: i64,
    pub(super) refunded: i64,
    pub(super) fulfilled: bool,
    /// Which location gave how many of the units still held.
    pub(super) drawn: Vec<(u64, i64)>,
    /// Which location sent how many.
    pub(super) sent: Vec<(u64, i64)>,
}

impl Line {
    pub(super) fn current(&self) -> i64 {
        self.units - self.refunded
    }

    pub(super) fn unfulfilled(&self) -> i64 {
        if self.fulfilled { 0 } else { self.current() }
    }

    /// Ships everything that is left.
    pub(super) fn fulfil(&mut self) {
        self.fulfilled = true;
        self.sent.clone_from(&self.drawn);
    }

    /// Takes `units` of what the line still holds, by location.
    pub(super) fn give_back(&mut self, units: i64) -> Vec<(u64, i64)> {
        let mut left = units;
        let mut given = Vec::new();
        for (location, held) in &mut self.drawn {
            let part = left.min(*held);
            if part > 0 {
                *held -= part;
                left -= part;
                given.push((*location, part));
            }
        }
        given
    }
}

/// A part of a refund.
#[derive(Debug, Clone)]
pub(super) struct RefundLine {
    pub(super) line: u64,
    pub(super) units: i64,
    /// `CANCEL`, `RETURN` or `NO_RESTOCK`.
    pub(super) kind: &'static str,
    pub(super) location: Option<u64>,
}

/// A refund.
#[derive(Debug, Clone)]
pub(super) struct Refund {
    pub(super) id: u64,
    pub(super) created_ms: i64,
    pub(super) lines: Vec<RefundLine>,
}

/// An order.
#[derive(Debug, Clone)]
pub(super) struct Order {
    pub(super) id: u64,
    pub(super) number: u64,
    pub(super) created_ms: i64,
    pub(super) updated_ms: i64,
    pub(super) cancelled_ms: Option<i64>,
    pub(super) lines: Vec<Line>,
    pub(super) refunds: Vec<Refund>,
    /// The location of the till that it was sold at.
    pub(super) till: Option<u64>,
    /// Fulfilment orders by the location that they are assigned to.
    pub(super) routes: BTreeMap<u64, u64>,
}

/// A webhook subscription.
#[derive(Debug)]
pub(super) struct Hook {
    /// As in the header: `orders/create`.
    pub(super) topic: String,
    pub(super) url: String,
    pub(super) created_ms: i64,
}

/// The whole shop.
pub(super) struct Shop {
    pub(super) stage: Stage<Delivery>,
    pub(super) domain: String,
    pub(super) client_secret: String,
    pub(super) retry_speedup: i64,
    /// Names by id.
    pub(super) locations: BTreeMap<u64, String>,
    /// Locations that were deactivated.
    pub(super) closed: BTreeSet<u64>,
    /// By inventory item.
    pub(super) variants: BTreeMap<u64, Variant>,
    /// By inventory item and location.
    pub(super) levels: BTreeMap<(u64, u64), Level>,
    pub(super) orders: BTreeMap<u64, Order>,
    pub(super) hooks: BTreeMap<u64, Hook>,
    /// Idempotency key to the request it came with, and whether that succeeded.
    pub(super) keys: HashMap<String, (String, bool)>,
    pub(super) bucket: Bucket,
    last_id: u64,
}

impl Shop {
    /// Opens a shop with the catalogue of the options.
    pub(super) fn open(options: &ShopifyOptions, client_secret: String) -> Self {
        let stage = Stage::new(options.conduct.clone());
        let now_ms = stage.now_ms();
        let mut shop = Self {
            stage,
            domain: "sandbox.myshopify.com".to_owned(),
            client_secret,
            retry_speedup: i64::from(options.retry_speedup.max(1)),
            locations: BTreeMap::new(),
            closed: BTreeSet::new(),
            variants: BTreeMap::new(),
            levels: BTreeMap::new(),
            orders: BTreeMap::new(),
            hooks: BTreeMap::new(),
            keys: HashMap::new(),
            bucket: Bucket::full(options.bucket_size, options.restore_per_s, now_ms),
            // Real ids are beyond 32 bits; a connector that reads them as i32 must fail here too.
            last_id: 51_000_000_000_000,
        };
        for name in &options.locations {
            let id = shop.new_id();
            shop.locations.insert(id, name.clone());
        }
        for one in &options.catalogue {
            shop.stock(one, now_ms);
        }
        shop
    }

    /// Puts a variant in; the id of its inventory item.
    pub(super) fn stock(&mut self, one: &ShopifyVariant, now_ms: i64) -> u64 {
        let item = self.new_id();
        let variant = Variant {
            product: self.new_id(),
            id: self.new_id(),
            sku: one.sku.clone(),
            tracked: one.tracked,
            oversells: one.oversells,
            bundle: one.bundle,
            updated_ms: now_ms,
        };
        self.variants.insert(item, variant);
        for (location, available) in self.locations.keys().zip(&one.available) {
            if let Some(available) = *available {
                let level = Level {
                    available,
                    committed: 0,
                    active: true,
                    updated_ms: now_ms,
                };
                self.levels.insert((item, *location), level);
            }
        }
        item
    }

    /// An id that was never used.
    pub(super) fn new_id(&mut self) -> u64 {
        self.last_id += 1;
        self.last_id
    }

    /// The active levels of an item.
    pub(super) fn levels_of(&self, item: u64) -> impl Iterator<Item = (u64, &Level)> {
        self.levels
            .range((item, 0)..=(item, u64::MAX))
            .filter(|(_, level)| level.active)
            .map(|((_, location), level)| (*location, level))
    }

    /// Units a shopper could buy: available over the active levels.
    pub(super) fn shown(&self, item: u64) -> i64 {
        self.levels_of(item).map(|(_, level)| level.available).sum()
    }

    /// The inventory item of a SKU; the first one if several share it.
    pub(super) fn item_of(&self, sku: &str) -> Option<u64> {
        self.variants
            .iter()
            .find_map(|(item, one)| (one.sku == sku).then_some(*item))
    }

    /// Changes a level by these amounts and stamps it.
    pub(super) fn shift(&mut self, item: u64, location: u64, available: i64, committed: i64) {
        let now_ms = self.stage.now_ms();
        if let Some(level) = self.levels.get_mut(&(item, location)) {
            level.available = level.available.saturating_add(available);
            level.committed = level.committed.saturating_add(committed);
            level.updated_ms = now_ms;
        }
    }
}
