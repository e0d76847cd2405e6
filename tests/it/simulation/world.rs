//! A world: two marketplaces with their buyers, one seller, and the steps that chance chooses between.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicI64, AtomicU64};
use std::sync::{Arc, Mutex};

use onhand::channels::{Channel, ChannelSettings, Fault, platform};
use onhand::domain::catalog::{Fulfilment, Mapping};
use onhand::domain::clock::{Clock, Timestamp};
use onhand::domain::ids::{ChannelId, ListingKey, Sku};
use onhand::domain::stock::Basis;
use onhand::ledger::counts::{self, Counted};
use onhand::ledger::sqlite::Sqlite;
use onhand::ledger::tables::CatalogRow;
use onhand::sandbox::{
    Conduct, FaultCounts, Faults, Marketplace, Shopify, ShopifyOptions, ShopifyVariant,
    WooCommerce, WooOptions, WooProduct,
};
use rand::SeedableRng;
use rand::rngs::StdRng;

use super::judge::Versions;
use super::process::{Process, SharedStore, WorldClock, WorldWire, wires};
use super::steps::Answered;
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
    /// What was counted when, after the opening.
    pub(super) counts: Vec<(Sku, Timestamp)>,
    pub(super) versions: Versions,
    /// Messages that were answered, and how many of them were looked for in the store.
    pub(super) answered: Arc<Mutex<Vec<Answered>>>,
    pub(super) looked_for: usize,
    /// Messages that were taken in, answered or not.
    pub(super) handed: Arc<AtomicU64>,
    /// How often each fault was played.
    pub(super) faults: FaultCounts,
    /// How often each thing happened that chance may do.
    pub(super) happened: BTreeMap<&'static str, u64>,
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
            counts: Vec::new(),
            versions: Versions::default(),
            answered: Arc::default(),
            looked_for: 0,
            handed: Arc::default(),
            faults: FaultCounts::new(),
            happened: BTreeMap::new(),
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
}
