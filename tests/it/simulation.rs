//! Seeded worlds: two emulated marketplaces, the real channels, books, lanes and fetcher, and everything that goes wrong
//! between them. One seed is one world, step for step; a failure prints it.
//!
//! Nothing sleeps and nothing runs beside: each step is one call that is done when it returns, on a clock that only the
//! world moves.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::atomic::{AtomicI64, AtomicU64, Ordering};
use std::sync::{Arc, Mutex};

use bytes::Bytes;
use http::{HeaderMap, HeaderName, HeaderValue, Method};
use onhand::broker::{Doorbell, Rings};
use onhand::channels::{
    Channel, ChannelSettings, Fault, Reply, Request, TokenPlace, Webhook, Wire, platform,
};
use onhand::domain::catalog::{Folding, Fulfilment, Mapping};
use onhand::domain::clock::{Clock, Timestamp};
use onhand::domain::decide::ChannelRules;
use onhand::domain::delivery::Shown;
use onhand::domain::ids::{ChannelId, ListingKey, Sku};
use onhand::domain::lane::LaneRules;
use onhand::domain::policy::Policy;
use onhand::domain::retry::Ladder;
use onhand::domain::stock::Basis;
use onhand::ledger::Ledger;
use onhand::ledger::counts::{self, Counted};
use onhand::ledger::record::{BookRules, ChannelBooks};
use onhand::ledger::sqlite::Sqlite;
use onhand::ledger::tables::{CatalogRow, ListingState, Selection, Store, Tables};
use onhand::runtime::desk::Desk;
use onhand::runtime::fetcher::{Fetcher, Source};
use onhand::runtime::lane::{Lane, Line, Parts, Terms};
use onhand::sandbox::{
    Answer, Conduct, Entry, Faults, Goods, Happening, Marketplace, Shopify, ShopifyOptions,
    ShopifyVariant, WooCommerce, WooOptions, WooProduct,
};
use rand::rngs::StdRng;
use rand::{RngExt, SeedableRng};

use crate::store::{at, channel, place, sku};

const SKUS: [&str; 4] = ["FAST", "SLOW", "LAST", "PACK"];
const OPENING: [i64; 4] = [40, 12, 1, 6];
/// When worlds begin.
const START_MS: i64 = 1_795_000_000_000;

/// The world's clock.
#[derive(Debug, Clone)]
struct WorldClock(Arc<AtomicI64>);

impl WorldClock {
    fn millis(&self) -> i64 {
        self.0.load(Ordering::SeqCst)
    }

    fn advance(&self, ms: i64) {
        self.0.fetch_add(ms, Ordering::SeqCst);
    }
}

impl Clock for WorldClock {
    fn now(&self) -> Timestamp {
        at(self.millis())
    }
}

/// What happens at a marketplace while a call to it is under way.
type Meanwhile = Arc<Mutex<Option<Box<dyn FnOnce() + Send>>>>;

/// A way to one emulated marketplace, without a socket.
#[derive(Clone)]
struct WorldWire {
    market: Arc<dyn Marketplace>,
    token: Option<String>,
    clock: WorldClock,
    meanwhile: Meanwhile,
    judge: Arc<Judge>,
}

#[async_trait::async_trait]
impl Wire for WorldWire {
    async fn send(&self, request: Request) -> Result<Reply, Fault> {
        let writes = request.method != Method::GET;
        let mut built = http::Request::builder()
            .method(request.method.clone())
            .uri(&request.url);
        for (name, value) in &request.headers {
            built = built.header(*name, value);
        }
        if let (TokenPlace::Header(name), Some(token)) = (request.token, &self.token) {
            built = built.header(name, token);
        }
        self.judge.look(false);
        let sell_first = self.clock.millis() % 2 == 0;
        let meanwhile = self.meanwhile.lock().unwrap().take();
        let late = match meanwhile {
            Some(sale) if sell_first => {
                sale();
                None
            }
            other => other,
        };
        self.clock.advance(40);
        let answer = self.market.answer(built.body(request.body).unwrap());
        self.judge.look(true);
        if let Some(sale) = late {
            sale();
        }
        self.clock.advance(40);
        match answer {
            Answer::DroppedAfterEffect => Err(Fault::Unknown("the connection was cut".into())),
            Answer::Response { response, .. } => reply(response, writes),
        }
    }

    fn now(&self) -> Timestamp {
        self.clock.now()
    }
}

/// The classes that the real wire makes of statuses.
fn reply(response: http::Response<Bytes>, writes: bool) -> Result<Reply, Fault> {
    let (head, body) = response.into_parts();
    let text = || {
        String::from_utf8_lossy(&body)
            .chars()
            .take(200)
            .collect::<String>()
    };
    match head.status.as_u16() {
        401 => Err(Fault::Unauthorized(text())),
        429 => Err(Fault::Throttled {
            after_ms: Some(1_000),
        }),
        500.. if writes => Err(Fault::Unknown(text())),
        500.. => Err(Fault::Transient(text())),
        status => Ok(Reply {
            status,
            headers: head.headers,
            body,
        }),
    }
}

#[async_trait::async_trait]
impl Line for WorldWire {
    async fn open(&self) -> Box<dyn Wire> {
        Box::new(self.clone())
    }

    fn throttled(&self, _after_ms: Option<u64>) {}
}

/// A store that several owners share, as processes share a file; it outlives crashes.
#[derive(Clone)]
struct SharedStore(Arc<Mutex<Sqlite>>);

impl Store for SharedStore {
    fn write(
        &mut self,
        work: &mut dyn FnMut(&mut dyn Tables) -> onhand::ledger::tables::Result<()>,
    ) -> onhand::ledger::tables::Result<()> {
        self.0.lock().unwrap().write(work)
    }

    fn read(
        &mut self,
        work: &mut dyn FnMut(&mut dyn Tables) -> onhand::ledger::tables::Result<()>,
    ) -> onhand::ledger::tables::Result<()> {
        self.0.lock().unwrap().read(work)
    }

    fn changed_by_others(&mut self) -> onhand::ledger::tables::Result<bool> {
        self.0.lock().unwrap().changed_by_others()
    }

    fn verify(&mut self) -> onhand::ledger::tables::Result<Vec<String>> {
        self.0.lock().unwrap().verify()
    }
}

/// The process that delivers; a crash drops it.
struct Process {
    desk: Desk,
    lanes: BTreeMap<ChannelId, Lane>,
    fetcher: Fetcher,
}

struct World {
    seed: u64,
    dice: StdRng,
    clock: WorldClock,
    store: SharedStore,
    markets: BTreeMap<ChannelId, Arc<dyn Marketplace>>,
    channels: BTreeMap<ChannelId, Arc<dyn Channel>>,
    wires: BTreeMap<ChannelId, WorldWire>,
    process: Process,
    orders: Vec<(ChannelId, u64)>,
    came_in: BTreeMap<String, i64>,
    violations: Arc<Mutex<Vec<String>>>,
}

fn shop() -> ChannelId {
    channel("shop")
}

fn web() -> ChannelId {
    channel("web")
}

fn now<T>(future: impl Future<Output = T>) -> T {
    // Every future of these worlds is ready when it is first polled: nothing in them waits.
    futures_util::FutureExt::now_or_never(future).expect("nothing waits in a simulated world")
}

fn book_rules(channels: &BTreeMap<ChannelId, Arc<dyn Channel>>) -> BookRules {
    let books = |channel: &Arc<dyn Channel>| ChannelBooks {
        rules: ChannelRules {
            location: place(),
            clock_skew_ms: channel.profile().clock_skew_ms,
        },
        folding: Folding {
            case: channel.profile().platform == "woocommerce",
        },
        delivery_id_unique: channel.profile().delivery_id_unique,
    };
    channels
        .iter()
        .map(|(id, channel)| (id.clone(), books(channel)))
        .collect()
}

fn open_channel(
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
fn open_markets(
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
    fn new(seed: u64, faults: &Faults) -> Self {
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
    fn open(&mut self) {
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

    fn retrying<T>(&self, mut call: impl FnMut(&Self) -> Result<T, Fault>) -> T {
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

    fn counted(&self, text: &str, units: i64) -> Counted {
        Counted {
            sku: sku(text),
            location: place(),
            units,
            basis: Basis::OnHand,
            set_aside: None,
            at: self.clock.now(),
        }
    }

    fn step(&mut self) {
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

    fn buy(&mut self, id: &ChannelId, text: &str) {
        let units = self.dice.random_range(1..=2);
        if let Ok(sold) = self.markets[id].buy(Goods::Sku(text), units) {
            self.orders.push((id.clone(), sold.order));
        }
    }

    fn undo(&mut self) {
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
    fn deliver(&mut self, crash: bool) {
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
    fn deliver_stock(&mut self, id: &ChannelId) {
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
    fn other_process(&mut self, text: &str) {
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
    fn on_the_shelf(&self, text: &str) -> i64 {
        let came_in = self.came_in.get(text).copied().unwrap_or(0);
        let shipped: i64 = self
            .markets
            .values()
            .map(|market| shipped(&market.log(), text))
            .sum();
        came_in - shipped
    }

    fn crash(&mut self) {
        self.process = Process::start(
            &self.store,
            &self.channels,
            &self.wires,
            &self.clock,
            self.seed,
        );
    }

    fn listings(&self) -> Vec<ListingState> {
        now(self
            .process
            .desk
            .ledger
            .read(|t| t.listings(&Selection::default())))
        .unwrap()
    }

    /// Buyers go home; everything that waits is worked off.
    fn calm_down(&mut self) {
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

    /// What must be true of every world at its end.
    fn check(&mut self) {
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
    fn books_hold_every_order(&self) {
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
fn shipped(log: &[Entry], text: &str) -> i64 {
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

/// The ways out, each with a judge that looks at every write as it happens.
fn wires(
    markets: &BTreeMap<ChannelId, Arc<dyn Marketplace>>,
    channels: &BTreeMap<ChannelId, Arc<dyn Channel>>,
    token: Option<String>,
    clock: &WorldClock,
    store: &SharedStore,
    violations: &Arc<Mutex<Vec<String>>>,
) -> BTreeMap<ChannelId, WorldWire> {
    let wire = |(id, market): (&ChannelId, &Arc<dyn Marketplace>)| {
        let judge = Judge {
            id: id.clone(),
            market: Arc::clone(market),
            visible_after_ms: channels[id].profile().orders_visible_after_ms,
            compares: channels[id].profile().compare_and_set,
            store: store.clone(),
            violations: Arc::clone(violations),
            seen: AtomicU64::new(0),
        };
        let wire = WorldWire {
            market: Arc::clone(market),
            token: token.clone(),
            clock: clock.clone(),
            meanwhile: Arc::default(),
            judge: Arc::new(judge),
        };
        (id.clone(), wire)
    };
    markets.iter().map(wire).collect()
}

/// Looks at what a call wrote: a raise beyond what we believed needs the orders to have been read since (design D8).
struct Judge {
    id: ChannelId,
    market: Arc<dyn Marketplace>,
    visible_after_ms: i64,
    compares: bool,
    store: SharedStore,
    violations: Arc<Mutex<Vec<String>>>,
    seen: AtomicU64,
}

impl Judge {
    /// Looks at what happened since the last look; judges it if a call just ended.
    fn look(&self, judges: bool) {
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

    fn beliefs(&self) -> (Vec<ListingState>, Option<Timestamp>) {
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

fn terms(channels: &BTreeMap<ChannelId, Arc<dyn Channel>>) -> Terms {
    let policy = Policy {
        places: channels
            .keys()
            .map(|id| (id.clone(), vec![place()]))
            .collect(),
        ..Policy::default()
    };
    let rules = LaneRules {
        batch_b_ms: 60_000,
        batch_c_ms: 300_000,
        near_empty: 3,
        age_max_ms: 600_000,
    };
    Terms {
        policy: Arc::new(policy),
        rules,
        ladder: Ladder::default(),
    }
}

impl Process {
    /// Starts as `listen` does: what was open is doubted, everything is looked at.
    fn start(
        store: &SharedStore,
        channels: &BTreeMap<ChannelId, Arc<dyn Channel>>,
        wires: &BTreeMap<ChannelId, WorldWire>,
        clock: &WorldClock,
        seed: u64,
    ) -> Self {
        let clock: Arc<dyn Clock> = Arc::new(clock.clone());
        let ledger = Ledger::inline(
            Box::new(store.clone()),
            book_rules(channels),
            Arc::clone(&clock),
        );
        now(ledger.write(|t| t.doubt_open())).unwrap();
        let bell = Doorbell::default();
        let terms = terms(channels);
        let dice = || {
            let mut dice = StdRng::seed_from_u64(seed);
            Box::new(move || dice.random_range(0..1000_u16))
                as Box<dyn FnMut() -> u16 + Send + Sync>
        };
        let lane = |(id, channel): (&ChannelId, &Arc<dyn Channel>)| {
            let lane = Lane::new(Parts {
                id: id.clone(),
                channel: Arc::clone(channel),
                line: Arc::new(wires[id].clone()),
                ledger: ledger.clone(),
                terms: terms.clone(),
                clock: Arc::clone(&clock),
                dice: dice(),
                bell: bell.clone(),
            });
            (id.clone(), lane)
        };
        let lanes = channels.iter().map(lane).collect();
        let desk = Desk {
            ledger,
            bell: bell.clone(),
            clock,
        };
        let source = |(id, channel): (&ChannelId, &Arc<dyn Channel>)| {
            (
                id.clone(),
                Source {
                    channel: Arc::clone(channel),
                    line: Arc::new(wires[id].clone()),
                },
            )
        };
        let fetcher = Fetcher {
            desk: desk.clone(),
            sources: channels.iter().map(source).collect(),
            ladder: Ladder::default(),
            orders_ms: 60_000,
            overlap_ms: 300_000,
            dice: dice(),
            mailbox: bell.listen(),
        };
        bell.sweep();
        Self {
            desk,
            lanes,
            fetcher,
        }
    }
}

fn run(seed: u64, faults: &Faults, steps: usize) -> World {
    let mut world = World::new(seed, faults);
    for _ in 0..steps {
        world.step();
    }
    world
}

#[test]
fn quiet_worlds_end_right() {
    for seed in 0..10 {
        run(seed, &Faults::default(), 150).check();
    }
}

#[test]
fn rough_worlds_end_right() {
    for seed in 100..130 {
        run(seed, &Faults::rough(), 200).check();
    }
}

#[test]
fn the_same_seed_is_the_same_world() {
    let trace = |seed| {
        let world = run(seed, &Faults::rough(), 150);
        world
            .markets
            .values()
            .map(|market| format!("{:?}", market.log()))
            .collect::<Vec<_>>()
    };
    assert_eq!(trace(7), trace(7));
}
