//! A world: two marketplaces with their buyers, one seller, and the steps that chance chooses between.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::atomic::AtomicI64;
use std::sync::{Arc, Mutex};

use http::{HeaderMap, HeaderName, HeaderValue, Method};
use onhand::broker::Rings;
use onhand::channels::{Channel, ChannelSettings, Fault, Webhook, platform};
use onhand::domain::catalog::{Fulfilment, Mapping};
use onhand::domain::clock::Clock;
use onhand::domain::ids::{ChannelId, ListingKey};
use onhand::domain::stock::Basis;
use onhand::ledger::Ledger;
use onhand::ledger::counts::{self, Counted};
use onhand::ledger::sqlite::Sqlite;
use onhand::ledger::tables::{CatalogRow, ListingState, Selection};
use onhand::runtime::desk::Desk;
use onhand::sandbox::{
    Conduct, Faults, Goods, Marketplace, Shopify, ShopifyOptions, ShopifyVariant, WooCommerce,
    WooOptions, WooProduct,
};
use rand::rngs::StdRng;
use rand::{RngExt, SeedableRng};

use super::judge::shipped;
use super::process::{Process, SharedStore, WorldClock, WorldWire, book_rules, wires};
use crate::store::{channel, place, sku};

pub(super) const SKUS: [&str; 4] = ["FAST", "SLOW", "LAST", "PACK"];
pub(super) const OPENING: [i64; 4] = [40, 12, 1, 6];
/// When worlds begin.
pub(super) const START_MS: i64 = 1_795_000_000_000;

pub(super) struct World {
    pub(super) seed: u64,
    pub(super) dice: StdRng,
    pub(super) clock: WorldClock,
    pub(super) store: SharedStore,
    pub(super) markets: BTreeMap<ChannelId, Arc<dyn Marketplace>>,
    pub(super) channels: BTreeMap<ChannelId, Arc<dyn Channel>>,
    pub(super) wires: BTreeMap<ChannelId, WorldWire>,
    pub(super) process: Process,
    pub(super) orders: Vec<(ChannelId, u64)>,
    pub(super) came_in: BTreeMap<String, i64>,
    pub(super) violations: Arc<Mutex<Vec<String>>>,
}

pub(super) fn shop() -> ChannelId {
    channel("shop")
}

pub(super) fn web() -> ChannelId {
    channel("web")
}

pub(super) fn now<T>(future: impl Future<Output = T>) -> T {
    // Every future of these worlds is ready when it is first polled: nothing in them waits.
    futures_util::FutureExt::now_or_never(future).expect("nothing waits in a simulated world")
}

pub(super) fn open_channel(
    name: &str,
    id: &ChannelId,
    base_url: &str,
    secret: &str,
    pairs: &[(&str, &str)],
    options: &[(&str, String)],
) -> Arc<dyn Channel> {
    let settings = ChannelSettings {
        id: id.clone(),
        base_url: base_url.to_owned(),
        webhook_secrets: vec![secret.into()],
        credentials: pairs
            .iter()
            .map(|(k, v)| ((*k).to_owned(), (*v).into()))
            .collect(),
        locations: vec![place()],
        options: options
            .iter()
            .map(|(k, v)| ((*k).to_owned(), v.clone()))
            .collect(),
        hook_url: Some(format!("http://127.0.0.1:9/hooks/{id}")),
    };
    Arc::from((platform(name).unwrap().open)(&settings).unwrap())
}

/// Two marketplaces with the same goods, on the world's clock.
pub(super) fn open_markets(
    seed: u64,
    faults: &Faults,
    clock: &WorldClock,
) -> (Arc<WooCommerce>, Arc<Shopify>) {
    let ticking = clock.clone();
    let conduct = || Conduct {
        clock: {
            let clock = ticking.clone();
            Arc::new(move || clock.millis())
        },
        seed,
        faults: *faults,
        ..Conduct::default()
    };
    let woo = Arc::new(WooCommerce::new(&WooOptions {
        conduct: conduct(),
        catalogue: SKUS
            .iter()
            .zip(OPENING)
            .map(|(text, units)| WooProduct::new(*text, units))
            .collect(),
        ..WooOptions::default()
    }));
    let shopify = Arc::new(Shopify::new(&ShopifyOptions {
        conduct: conduct(),
        catalogue: SKUS
            .iter()
            .zip(OPENING)
            .map(|(text, units)| ShopifyVariant::new(*text, units))
            .collect(),
        ..ShopifyOptions::default()
    }));
    (woo, shopify)
}

impl World {
    pub(super) fn new(seed: u64, faults: &Faults) -> Self {
        let clock = WorldClock(Arc::new(AtomicI64::new(START_MS)));
        let (woo, shopify) = open_markets(seed, faults, &clock);
        let pairs = [
            ("key", woo.consumer_key()),
            ("secret", woo.consumer_secret()),
        ];
        let woo_channel = open_channel(
            "woocommerce",
            &shop(),
            woo.base_url(),
            woo.webhook_secret(),
            &pairs,
            &[],
        );
        let location = shopify.locations()[0].0.to_string();
        let shopify_channel = open_channel(
            "shopify",
            &web(),
            shopify.base_url(),
            shopify.client_secret(),
            &[("token", shopify.token())],
            &[("location", location)],
        );
        let channels = BTreeMap::from([(shop(), woo_channel), (web(), shopify_channel)]);
        let token = Some(shopify.token().to_owned());
        let markets: BTreeMap<ChannelId, Arc<dyn Marketplace>> =
            BTreeMap::from([(shop(), woo as _), (web(), shopify as _)]);
        let store = SharedStore(Arc::new(Mutex::new(Sqlite::in_memory().unwrap())));
        let violations = Arc::new(Mutex::new(Vec::new()));
        let wires = wires(&markets, &channels, token, &clock, &store, &violations);
        let process = Process::start(&store, &channels, &wires, &clock, seed);
        let mut world = Self {
            seed,
            dice: StdRng::seed_from_u64(seed),
            clock,
            store,
            markets,
            channels,
            wires,
            process,
            orders: Vec::new(),
            came_in: SKUS
                .iter()
                .zip(OPENING)
                .map(|(text, units)| ((*text).to_owned(), units))
                .collect(),
            violations,
        };
        world.open();
        world
    }

    /// Opening stock, listings and subscriptions, as a seller sets them up.
    pub(super) fn open(&mut self) {
        let rows: Vec<_> = SKUS
            .iter()
            .zip(OPENING)
            .map(|(text, units)| self.counted(text, units))
            .collect();
        let ledger = self.process.desk.ledger.clone();
        let then = self.clock.now();
        now(ledger.write(move |t| counts::count(t, &rows, "opening", then))).unwrap();
        for id in [shop(), web()] {
            self.retrying(|world| {
                now(world.channels[&id].subscriptions(&world.wires[&id], true)).map(drop)
            });
            let mut cursor = None;
            let mut rows = Vec::new();
            loop {
                let page = self.retrying(|world| {
                    now(world.channels[&id].listings(&world.wires[&id], cursor.clone()))
                });
                for found in page.items {
                    let mapping = Mapping {
                        sku: sku(&found.sku),
                        factor: 1,
                        location: None,
                        fulfilment: Fulfilment::Merchant,
                    };
                    rows.push(CatalogRow {
                        key: ListingKey {
                            channel: id.clone(),
                            listing: found.listing,
                        },
                        alias: found.alias,
                        their_sku: Some(found.sku),
                        mapping: Some(mapping),
                        not_publishable: found.not_publishable,
                    });
                }
                cursor = page.next;
                if cursor.is_none() {
                    break;
                }
            }
            assert_eq!(rows.len(), SKUS.len());
            now(ledger.write(move |t| t.put_listings(&rows))).unwrap();
        }
        self.clock.advance(10_000);
        self.process.desk.bell.sweep();
    }

    pub(super) fn retrying<T>(&self, mut call: impl FnMut(&Self) -> Result<T, Fault>) -> T {
        let mut last = None;
        for _ in 0..200 {
            match call(self) {
                Ok(found) => return found,
                Err(fault) => last = Some(fault),
            }
            self.clock.advance(1_000);
        }
        panic!("seed {}: set-up never got through: {last:?}", self.seed)
    }

    pub(super) fn counted(&self, text: &str, units: i64) -> Counted {
        Counted {
            sku: sku(text),
            location: place(),
            units,
            basis: Basis::OnHand,
            set_aside: None,
            at: self.clock.now(),
        }
    }

    pub(super) fn step(&mut self) {
        let id = if self.dice.random_bool(0.5) {
            shop()
        } else {
            web()
        };
        let text = SKUS[self.dice.random_range(0..SKUS.len())];
        match self.dice.random_range(0..100) {
            0..25 => self.buy(&id, text),
            25..29 => self.undo(),
            29..54 => self.deliver(false),
            54..57 => self.deliver(true),
            57..80 => self.deliver_stock(&id),
            80..86 => {
                now(self.process.fetcher.turn()).unwrap();
            }
            86..88 => {
                let then = self.clock.now();
                now(self.process.fetcher.ask_orders(then)).unwrap();
            }
            88..90 => self.other_process(text),
            90..92 => self.crash(),
            _ => {
                let ms = self.dice.random_range(1..20_000);
                self.clock.advance(ms);
            }
        }
        let ms = self.dice.random_range(1..50);
        self.clock.advance(ms);
    }

    pub(super) fn buy(&mut self, id: &ChannelId, text: &str) {
        let units = self.dice.random_range(1..=2);
        if let Ok(sold) = self.markets[id].buy(Goods::Sku(text), units) {
            self.orders.push((id.clone(), sold.order));
        }
    }

    pub(super) fn undo(&mut self) {
        if self.orders.is_empty() {
            return;
        }
        let (id, order) = self
            .orders
            .swap_remove(self.dice.random_range(0..self.orders.len()));
        let market = &self.markets[&id];
        // What cannot be done in the order's state is refused by the marketplace.
        let done = if self.dice.random_bool(0.5) {
            market.cancel(order)
        } else {
            market.fulfil(order)
        };
        drop(done);
    }

    /// Hands due webhooks over. With `crash`, the process dies after it took one in and before it answered.
    pub(super) fn deliver(&mut self, crash: bool) {
        for id in [shop(), web()] {
            let market = Arc::clone(&self.markets[&id]);
            for delivery in market.take_deliveries() {
                let headers: HeaderMap = delivery
                    .headers
                    .iter()
                    .filter_map(|(k, v)| {
                        Some((
                            k.parse::<HeaderName>().ok()?,
                            HeaderValue::from_str(v).ok()?,
                        ))
                    })
                    .collect();
                let hook = Webhook {
                    method: &Method::POST,
                    query: "",
                    headers: &headers,
                    body: &delivery.body,
                };
                let received_at = self.clock.now();
                let read = now(self.channels[&id].receive(&self.wires[&id], &hook, received_at));
                let intake = Desk::intake(&id, read, &delivery.body, received_at)
                    .unwrap_or_else(|| panic!("seed {}: {} was forged", self.seed, delivery.topic));
                now(self.process.desk.take_in(intake)).unwrap();
                if crash {
                    self.crash();
                    market.settle(&delivery, None);
                } else {
                    market.settle(&delivery, Some(200));
                }
            }
        }
    }

    /// A turn of a lane, often with a buyer at the counter while the call is under way.
    pub(super) fn deliver_stock(&mut self, id: &ChannelId) {
        if self.dice.random_bool(0.4) {
            let (market, text) = (
                Arc::clone(&self.markets[id]),
                SKUS[self.dice.random_range(0..SKUS.len())],
            );
            *self.wires[id].meanwhile.lock().unwrap() =
                Some(Box::new(move || drop(market.buy(Goods::Sku(text), 1))));
        }
        let lane = self.process.lanes.get_mut(id).unwrap();
        let rings = lane.mailbox.take();
        now(lane.look(&rings)).unwrap();
        now(lane.turn()).unwrap();
        self.wires[id].meanwhile.lock().unwrap().take();
    }

    /// Another process writes to the store: goods come in and the shelf is counted, and nobody rings.
    pub(super) fn other_process(&mut self, text: &str) {
        let other = Ledger::inline(
            Box::new(self.store.clone()),
            book_rules(&self.channels),
            Arc::new(self.clock.clone()),
        );
        *self.came_in.entry(text.to_owned()).or_default() += self.dice.random_range(0..4);
        // What leaves or comes in the second of the count is on neither side of it.
        self.clock.advance(3_000);
        let row = self.counted(text, self.on_the_shelf(text));
        let then = self.clock.now();
        now(other.write(move |t| counts::count(t, std::slice::from_ref(&row), "count", then)))
            .unwrap();
        self.clock.advance(3_000);
    }

    /// What really lies there: what came in, less what the marketplaces' orders shipped.
    pub(super) fn on_the_shelf(&self, text: &str) -> i64 {
        let came_in = self.came_in.get(text).copied().unwrap_or(0);
        let shipped: i64 = self
            .markets
            .values()
            .map(|market| shipped(&market.log(), text))
            .sum();
        came_in - shipped
    }

    pub(super) fn crash(&mut self) {
        self.process = Process::start(
            &self.store,
            &self.channels,
            &self.wires,
            &self.clock,
            self.seed,
        );
    }

    pub(super) fn listings(&self) -> Vec<ListingState> {
        now(self
            .process
            .desk
            .ledger
            .read(|t| t.listings(&Selection::default())))
        .unwrap()
    }

    /// Buyers go home; everything that waits is worked off.
    pub(super) fn calm_down(&mut self) {
        for _ in 0..600 {
            self.deliver(false);
            let then = self.clock.now();
            now(self.process.fetcher.ask_orders(then)).unwrap();
            now(self.process.fetcher.turn()).unwrap();
            for id in [shop(), web()] {
                let lane = self.process.lanes.get_mut(&id).unwrap();
                now(lane.look(&Rings {
                    sweep: true,
                    orders: BTreeSet::from([id.clone()]),
                    ..Rings::default()
                }))
                .unwrap();
                now(lane.turn()).unwrap();
            }
            self.clock.advance(5_000);
            let quiet = self.listings().iter().all(|listing| !listing.dirty());
            if quiet
                && self
                    .markets
                    .values()
                    .all(|market| market.next_due_ms().is_none())
            {
                return;
            }
        }
    }
}
