//! The demo's town: two emulated marketplaces with the same goods, and shoppers who want them.

use std::collections::BTreeMap;
use std::net::{Ipv4Addr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use rand::rngs::StdRng;
use rand::{RngExt, SeedableRng};
use tokio::time::{Instant, sleep};

use crate::domain::clock::Timestamp;
use crate::domain::ids::{ChannelId, LocationId, Sku};
use crate::domain::stock::Basis;
use crate::exit::Failure;
use crate::ledger::counts::Counted;
use crate::sandbox::{
    Conduct, Faults, Goods, Happening, Market, Marketplace, Running, Shopify, ShopifyOptions,
    ShopifyVariant, WooCommerce, WooOptions, WooProduct,
};

/// Goods, and how many of each there are: a few fast ones, many that run out.
pub(super) const GOODS: usize = 24;
/// Pause between two shoppers of one marketplace, in ms.
const PAUSE_MS: u64 = 60;
/// Webhook topics that must be subscribed before shoppers come, per marketplace.
const TOPICS_MIN: usize = 4;

/// Two marketplaces.
pub(super) struct Town {
    shopify: Running<Shopify>,
    woo: Running<WooCommerce>,
    seed: u64,
    visits: std::sync::atomic::AtomicU64,
}

fn faults() -> Faults {
    Faults {
        duplicate_delivery: 0.10,
        reorder_delivery: 0.10,
        reorder_ms: 1_500,
        lost_delivery: 0.03,
        too_many_requests: 0.02,
        server_error: 0.02,
        lost_answer: 0.02,
        slow_answer: 0.03,
        slow_ms: 300,
        firewall_page: 0.005,
    }
}

fn sku(n: usize) -> String {
    format!("DEMO-{n:02}")
}

fn units(n: usize) -> i64 {
    [3, 8, 15, 40, 120, 1].get(n % 6).copied().unwrap_or(10)
}

/// Free ports for the listener's two doors.
pub(super) fn ports() -> Result<(SocketAddr, SocketAddr), Failure> {
    let free = || {
        std::net::TcpListener::bind((Ipv4Addr::LOCALHOST, 0))
            .and_then(|l| l.local_addr().map(|at| (l, at)))
    };
    let (_first, hooks) = free().map_err(Failure::Start)?;
    let (_second, admin) = free().map_err(Failure::Start)?;
    Ok((hooks, admin))
}

/// What lies on the shelf, by SKU.
pub(super) fn opening() -> impl Iterator<Item = (String, i64)> {
    (0..GOODS).map(|n| (sku(n), units(n)))
}

/// The same as a count.
pub(super) fn opening_stock(at: Timestamp) -> Vec<Counted> {
    let row = |(sku, units): (String, i64)| Counted {
        sku: Sku::new(&sku).expect("a plain word is a name"),
        location: LocationId::new("main").expect("a plain word is a name"),
        units,
        basis: Basis::OnHand,
        set_aside: None,
        at,
    };
    opening().map(row).collect()
}

impl Town {
    /// Opens the marketplaces on free ports of this machine.
    pub(super) async fn open(seed: u64) -> Result<Self, Failure> {
        let conduct = |salt| Conduct {
            seed: seed ^ salt,
            faults: faults(),
            ..Conduct::default()
        };
        let shopify = ShopifyOptions {
            conduct: conduct(1),
            catalogue: opening()
                .map(|(sku, units)| ShopifyVariant::new(sku, units))
                .collect(),
            retry_speedup: 2_000,
            ..ShopifyOptions::default()
        };
        let woo = WooOptions {
            conduct: conduct(2),
            catalogue: opening()
                .map(|(sku, units)| WooProduct::new(sku, units))
                .collect(),
            ..WooOptions::default()
        };
        let failed = |error: crate::sandbox::SandboxError| {
            Failure::Call(format!("start the sandbox: {error}"))
        };
        let shopify = Market::start_shopify(&shopify).await.map_err(failed)?;
        let woo = Market::start_woocommerce(&woo).await.map_err(failed)?;
        Ok(Self {
            shopify,
            woo,
            seed,
            visits: std::sync::atomic::AtomicU64::new(0),
        })
    }

    /// Closes them.
    pub(super) async fn close(self) {
        self.shopify.stop().await;
        self.woo.stop().await;
    }

    /// Each marketplace under the channel that it is.
    pub(super) fn markets(&self) -> BTreeMap<ChannelId, Arc<dyn Marketplace>> {
        let id = |text| ChannelId::new(text).expect("a plain word is a name");
        let shopify: Arc<dyn Marketplace> = self.shopify.emulator();
        let woo: Arc<dyn Marketplace> = self.woo.emulator();
        BTreeMap::from([(id("shopify"), shopify), (id("woo"), woo)])
    }

    /// The `config.toml` of a seller in this town.
    pub(super) fn config(&self, (hooks, admin): (SocketAddr, SocketAddr)) -> String {
        let location = self.shopify.locations().first().map_or(0, |(id, _)| *id);
        format!(
            r#"[store]
url = "sqlite:onhand.db"
[listen]
address = "{hooks}"
admin_address = "{admin}"
public_url = "http://{hooks}"
[lanes]
sweep_s = 2
orders_s = 5
batch_b_s = 3
batch_c_s = 5
orders_overlap_s = 20
[retry]
delays_s = [1, 1, 2, 2, 5, 5, 10]
[locations.store]
[locations.main]
authority = "onhand"
[channels.shopify]
platform = "shopify"
base_url = "{}"
location = "{location}"
webhook_secrets = ["env:DEMO_SHOPIFY_SECRET"]
credentials = {{ token = "env:DEMO_SHOPIFY_TOKEN" }}
locations = ["main"]
[channels.woo]
platform = "woocommerce"
base_url = "{}"
webhook_secrets = ["env:DEMO_WOO_SECRET"]
credentials = {{ key = "env:DEMO_WOO_KEY", secret = "env:DEMO_WOO_CONSUMER_SECRET" }}
locations = ["main"]
"#,
            self.shopify.base_url(),
            self.woo.base_url(),
        )
    }

    /// Secrets by the variables that the settings name; made anew for every run.
    pub(super) fn secrets(&self) -> Vec<(String, String)> {
        [
            ("DEMO_SHOPIFY_SECRET", self.shopify.client_secret()),
            ("DEMO_SHOPIFY_TOKEN", self.shopify.token()),
            ("DEMO_WOO_SECRET", self.woo.webhook_secret()),
            ("DEMO_WOO_KEY", self.woo.consumer_key()),
            ("DEMO_WOO_CONSUMER_SECRET", self.woo.consumer_secret()),
        ]
        .map(|(name, value)| (name.to_owned(), value.to_owned()))
        .to_vec()
    }

    /// Waits until the listener is ready and has subscribed to what it needs.
    pub(super) async fn wait_open(&self, hooks: SocketAddr, most: Duration) -> Result<(), Failure> {
        let began = Instant::now();
        while began.elapsed() < most {
            let connected = tokio::net::TcpStream::connect(hooks).await.is_ok();
            let subscribed = self.markets().values().all(|market| {
                let log = market.log();
                let topics = log
                    .iter()
                    .filter(|entry| matches!(entry.happening, Happening::Subscribed { .. }));
                topics.count() >= TOPICS_MIN
            });
            if connected && subscribed {
                return Ok(());
            }
            sleep(Duration::from_millis(100)).await;
        }
        Err(Failure::Start(std::io::Error::other(format!(
            "the listener was not ready within {} s",
            most.as_secs()
        ))))
    }

    /// Shoppers at both counters for so long.
    pub(super) async fn shop(&self, long: Duration) {
        let began = Instant::now();
        let visit = self
            .visits
            .fetch_add(1, std::sync::atomic::Ordering::Relaxed);
        let mut dice = StdRng::seed_from_u64(self.seed.wrapping_add(visit));
        let markets: Vec<_> = self.markets().into_values().collect();
        let mut orders = Vec::new();
        while began.elapsed() < long {
            for market in &markets {
                let goods = sku(dice.random_range(0..GOODS));
                let units = if dice.random_bool(0.8) { 1 } else { 2 };
                // A shopper who finds too little goes away; the marketplace's journal tells of it.
                if let Ok(sold) = market.buy(Goods::Sku(&goods), units) {
                    orders.push((Arc::clone(market), sold.order));
                }
            }
            if dice.random_bool(0.05) && !orders.is_empty() {
                let (market, order) = orders.swap_remove(dice.random_range(0..orders.len()));
                // An order that has gone too far to be changed stays as it is.
                drop(if dice.random_bool(0.5) {
                    market.cancel(order)
                } else {
                    market.fulfil(order)
                });
            }
            sleep(Duration::from_millis(
                dice.random_range(PAUSE_MS / 2..PAUSE_MS * 2),
            ))
            .await;
        }
    }

    /// Whether no webhook is on its way.
    pub(super) fn at_rest(&self) -> bool {
        self.markets()
            .values()
            .all(|market| market.next_due_ms().is_none())
    }
}
