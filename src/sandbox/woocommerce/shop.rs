//! The state of an emulated WooCommerce shop, and who holds which stock in it.
//!
//! A variation counts its own stock, or leans on its parent, or is not counted at all; the holder of a stock
//! is whoever really counts. Writes to anyone else are answered 200 and change nothing, as the real one does.

use std::collections::{BTreeMap, HashMap};

use super::{WooOptions, WooProduct};
use crate::sandbox::stage::Stage;

/// What a product is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    Simple,
    Variable,
    Variation { parent: u64 },
}

/// A product or variation.
#[derive(Debug, Clone)]
pub(super) struct Product {
    pub(super) id: u64,
    pub(super) kind: Kind,
    pub(super) sku: String,
    pub(super) name: String,
    /// Whether it counts its own stock.
    pub(super) counts: bool,
    pub(super) stock: i64,
    pub(super) backorders: bool,
    pub(super) created_ms: i64,
    pub(super) modified_ms: i64,
    pub(super) n_sold: i64,
}

/// A line of an order.
#[derive(Debug, Clone)]
pub(super) struct Line {
    pub(super) id: u64,
    /// The product or variation that was bought.
    pub(super) goods: u64,
    pub(super) units: i64,
    pub(super) refunded: i64,
    /// `_reduced_stock`: units that this line holds of somebody's stock.
    pub(super) reduced: i64,
    /// `_restock_refunded_items`.
    pub(super) restocked: i64,
}

/// An order.
#[derive(Debug, Clone)]
pub(super) struct Order {
    pub(super) id: u64,
    pub(super) status: &'static str,
    pub(super) key: String,
    pub(super) created_ms: i64,
    pub(super) modified_ms: i64,
    pub(super) completed_ms: Option<i64>,
    pub(super) lines: Vec<Line>,
    /// Ids and units of its refunds.
    pub(super) refunds: Vec<(u64, i64)>,
}

/// A webhook.
#[derive(Debug, Clone)]
pub(super) struct Hook {
    pub(super) id: u64,
    pub(super) name: String,
    pub(super) topic: String,
    pub(super) url: String,
    pub(super) secret: String,
    /// `active`, `paused` or `disabled`.
    pub(super) status: String,
    pub(super) created_ms: i64,
    pub(super) modified_ms: Option<i64>,
    /// Failures in a row; stays at 6 when the hook is disabled.
    pub(super) n_failed: u32,
    /// The ping was not answered yet.
    pub(super) pending: bool,
}

/// What waits in the outbox; the body is written when it leaves.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Letter {
    pub(super) hook: u64,
    /// The order or product; none for a ping.
    pub(super) resource: Option<u64>,
}

/// The whole shop.
pub(super) struct Shop {
    pub(super) stage: Stage<Letter>,
    pub(super) base_url: String,
    pub(super) offset_ms: i64,
    pub(super) products: BTreeMap<u64, Product>,
    /// Ids of what is no variation.
    pub(super) tops: Vec<u64>,
    pub(super) variations: Vec<u64>,
    pub(super) orders: BTreeMap<u64, Order>,
    pub(super) hooks: BTreeMap<u64, Hook>,
    /// OAuth nonces and their times, in seconds.
    pub(super) nonces: HashMap<String, i64>,
    last_id: u64,
    last_line: u64,
}

impl Shop {
    /// Opens a shop with the catalogue of the options.
    pub(super) fn open(options: &WooOptions, base_url: String) -> Self {
        let mut shop = Self {
            stage: Stage::new(options.conduct.clone()),
            base_url,
            offset_ms: i64::from(options.utc_offset_h) * 3_600_000,
            products: BTreeMap::new(),
            tops: Vec::new(),
            variations: Vec::new(),
            orders: BTreeMap::new(),
            hooks: BTreeMap::new(),
            nonces: HashMap::new(),
            last_id: 9,
            last_line: 0,
        };
        for one in &options.catalogue {
            shop.add(one);
        }
        shop
    }

    fn add(&mut self, one: &WooProduct) {
        let kind = if one.variations.is_empty() {
            Kind::Simple
        } else {
            Kind::Variable
        };
        let parent = self.add_one(kind, &one.sku, &one.name, one.stock, one.backorders);
        for (sku, stock) in &one.variations {
            let name = format!("{} - {sku}", one.name);
            self.add_one(
                Kind::Variation { parent },
                sku,
                &name,
                *stock,
                one.backorders,
            );
        }
    }

    fn add_one(
        &mut self,
        kind: Kind,
        sku: &str,
        name: &str,
        stock: Option<i64>,
        backorders: bool,
    ) -> u64 {
        let now_ms = self.stage.now_ms();
        let id = self.new_id();
        let product = Product {
            id,
            kind,
            sku: sku.to_owned(),
            name: name.to_owned(),
            counts: stock.is_some(),
            stock: stock.unwrap_or(0),
            backorders,
            created_ms: now_ms,
            modified_ms: now_ms,
            n_sold: 0,
        };
        match kind {
            Kind::Simple | Kind::Variable => self.tops.push(id),
            Kind::Variation { .. } => self.variations.push(id),
        }
        self.products.insert(id, product);
        id
    }

    /// A post id that was never used; products, variations and orders share them.
    pub(super) fn new_id(&mut self) -> u64 {
        self.last_id += 1;
        self.last_id
    }

    /// An order line id that was never used.
    pub(super) fn new_line(&mut self) -> u64 {
        self.last_line += 1;
        self.last_line
    }

    /// Who counts the stock of a product: itself, its parent, or nobody.
    pub(super) fn holder(&self, id: u64) -> Option<u64> {
        let one = self.products.get(&id)?;
        if one.counts {
            return Some(id);
        }
        match one.kind {
            Kind::Variation { parent } => self
                .products
                .get(&parent)
                .filter(|one| one.counts)
                .map(|one| one.id),
            Kind::Simple | Kind::Variable => None,
        }
    }

    /// The `stock_quantity` of a product: its own, its parent's, or none.
    pub(super) fn quantity(&self, id: u64) -> Option<i64> {
        let holder = self.holder(id)?;
        self.products.get(&holder).map(|one| one.stock)
    }

    /// The first product or variation with exactly this SKU.
    pub(super) fn by_sku(&self, sku: &str) -> Option<u64> {
        self.products
            .values()
            .find(|one| one.sku == sku)
            .map(|one| one.id)
    }

    /// Adds to a stock and stamps its holder.
    pub(super) fn shift(&mut self, holder: u64, units: i64) {
        let now_ms = self.stage.now_ms();
        if let Some(one) = self.products.get_mut(&holder) {
            one.stock = one.stock.saturating_add(units);
            one.modified_ms = now_ms;
        }
    }
}
