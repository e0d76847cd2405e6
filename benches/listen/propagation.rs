//! From a sale on one channel to the quantity on the other: open loop, so that an event that has to wait is late.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::{Duration, Instant};

use onhand::sandbox::{
    Happening, Market, Marketplace, Running, Shopify, ShopifyOptions, ShopifyVariant, WooCommerce,
    WooOptions, WooProduct,
};

use super::child::Seller;
use super::load::{self, Connection, FIRST_ORDER, FIRST_PRODUCT};
use super::{Wishes, machine};

/// Connections that events come over; one that waits for an answer makes its next event late.
const CONNECTIONS: usize = 32;
/// Units of each SKU before its one sale: so few that the change goes at once. What cannot run out soon waits for the
/// batch of its tier by design, 60 s, and would say nothing here.
const UNITS: i64 = 5;
/// How long to wait for what is missing after the last event.
const LAST_WAIT: Duration = Duration::from_secs(20);
/// How long the daemon may take to know its channels.
const READY_WAIT: Duration = Duration::from_mins(3);

/// Points of the emulated Shopify's bucket: so many that `onhand`'s own pace is the limit, not the standard plan's.
const BUCKET: f64 = 1_000_000.0;

/// The channel that has to learn of the sale.
enum Out {
    Shopify(Running<Shopify>),
    Woo(Running<WooCommerce>),
}

impl Out {
    async fn open(platform: &str, n_skus: usize) -> Self {
        let skus = (0..n_skus).map(load::sku);
        if platform == "shopify" {
            let options = ShopifyOptions {
                catalogue: skus.map(|sku| ShopifyVariant::new(sku, UNITS)).collect(),
                bucket_size: BUCKET,
                restore_per_s: BUCKET,
                ..ShopifyOptions::default()
            };
            Self::Shopify(Market::start_shopify(&options).await.unwrap())
        } else {
            let options = WooOptions {
                catalogue: skus.map(|sku| WooProduct::new(sku, UNITS)).collect(),
                ..WooOptions::default()
            };
            Self::Woo(Market::start_woocommerce(&options).await.unwrap())
        }
    }

    fn market(&self) -> Arc<dyn Marketplace> {
        match self {
            Self::Shopify(shop) => shop.emulator(),
            Self::Woo(shop) => shop.emulator(),
        }
    }

    fn item(&self, n: usize) -> u64 {
        let sku = load::sku(n);
        match self {
            Self::Shopify(shop) => shop.item(&sku),
            Self::Woo(shop) => shop.item(&sku),
        }
        .unwrap()
    }

    fn table(&self) -> String {
        let (platform, more) = match self {
            Self::Shopify(shop) => {
                let location = shop.locations().first().map_or(0, |(id, _)| *id);
                let more = format!(
                    "location = \"{location}\"\ncredentials = {{ token = \"env:OUT_KEY\" }}"
                );
                ("shopify", more)
            }
            Self::Woo(_) => (
                "woocommerce",
                "credentials = { key = \"env:OUT_KEY\", secret = \"env:OUT_KEY_SECRET\" }"
                    .to_owned(),
            ),
        };
        format!(
            "[channels.out]\nplatform = \"{platform}\"\nbase_url = \"{}\"\nwebhook_secrets = [\"env:OUT_SECRET\"]\n\
             locations = [\"main\"]\n{more}\n",
            self.market().base_url()
        )
    }

    fn secrets(&self) -> Vec<(&str, &str)> {
        match self {
            Self::Shopify(shop) => vec![
                ("OUT_SECRET", shop.client_secret()),
                ("OUT_KEY", shop.token()),
            ],
            Self::Woo(shop) => vec![
                ("OUT_SECRET", shop.webhook_secret()),
                ("OUT_KEY", shop.consumer_key()),
                ("OUT_KEY_SECRET", shop.consumer_secret()),
            ],
        }
    }
}

/// One event: when it was due on the steady clock and on the clock that the journal uses, and when it was accepted.
struct Event {
    due_ms: i64,
    accepted: Option<Duration>,
}

pub(crate) async fn run(wishes: &Wishes) {
    println!(
        "# propagation: due -> quantity written on the other channel, {} s a run, every event another SKU, all tier A",
        wishes.seconds
    );
    for (platform, limit) in [
        ("shopify", "7 calls/s after a burst of 40, 2 at once"),
        ("woocommerce", "2 calls/s of at most 50 listings each"),
    ] {
        for rate in [50, 500] {
            println!(
                "## to {platform} ({limit}), {rate} events/s, load average {}",
                machine::load()
            );
            one(wishes, platform, rate).await;
        }
    }
}

async fn one(wishes: &Wishes, platform: &str, rate: u64) {
    let n_events = usize::try_from(rate * wishes.seconds).unwrap();
    let out = Out::open(platform, n_events).await;
    let seller = Seller::open("manage", &out.table(), &out.secrets()).await;
    let items: Vec<u64> = (0..n_events).map(|n| out.item(n)).collect();
    let names = |first: usize| {
        (0..n_events)
            .map(|n| (first + n).to_string())
            .collect::<Vec<_>>()
    };
    let out_names = items.iter().map(u64::to_string).collect();
    seller
        .stock(
            n_events,
            UNITS,
            &[(load::CHANNEL, names(FIRST_PRODUCT)), ("out", out_names)],
        )
        .await;
    let _server = seller.listen();
    let market = out.market();
    if !ready(market.as_ref(), &seller).await {
        println!("no figure: the daemon was not ready\n{}", seller.log());
        return;
    }
    let seen = market.log().len();
    let events = send(&seller, rate, n_events).await;
    let ended = Instant::now();
    let arrived = loop {
        let arrived = writes(market.as_ref(), seen);
        if arrived.len() >= n_events || ended.elapsed() > LAST_WAIT {
            break arrived;
        }
        tokio::time::sleep(Duration::from_millis(100)).await;
    };
    report(&events, &items, &arrived);
    let calls = arrived
        .values()
        .collect::<std::collections::BTreeSet<_>>()
        .len();
    let (p50, p99) = machine::fdatasync(seller.folder.path());
    println!(
        "writes came at {calls} different ms; fdatasync of 4 KiB after it: p50 {:.2} ms, p99 {:.2} ms",
        p50.as_secs_f64() * 1000.0,
        p99.as_secs_f64() * 1000.0
    );
    let log = seller.log();
    if !log.trim().is_empty() {
        println!("{}", log.lines().take(8).collect::<Vec<_>>().join("\n"));
    }
}

/// Waits until the daemon has read the other channel's listings, subscribed, and has nothing to send.
async fn ready(market: &dyn Marketplace, seller: &Seller) -> bool {
    let began = Instant::now();
    while began.elapsed() < READY_WAIT {
        let subscribed = market
            .log()
            .iter()
            .any(|entry| matches!(entry.happening, Happening::Subscribed { .. }));
        if subscribed && seller.dirty("out").await == 0 {
            // The last subscriptions spend calls; a moment later the burst is there again.
            tokio::time::sleep(Duration::from_secs(8)).await;
            return true;
        }
        tokio::time::sleep(Duration::from_millis(200)).await;
    }
    false
}

/// When each item was first written, after so many entries of the journal.
fn writes(market: &dyn Marketplace, seen: usize) -> BTreeMap<u64, i64> {
    let mut arrived = BTreeMap::new();
    for entry in market.log_since(u64::try_from(seen).unwrap()) {
        if let Happening::Write { item, .. } = entry.happening {
            arrived.entry(item).or_insert(entry.at_ms);
        }
    }
    arrived
}

/// Sends each event when it is due.
async fn send(seller: &Seller, rate: u64, n_events: usize) -> Vec<Event> {
    let date = load::today();
    let address = seller.hooks;
    let (began, began_ms) = (Instant::now() + Duration::from_millis(100), wall_ms() + 100);
    let tasks: Vec<_> = (0..CONNECTIONS)
        .map(|first| {
            let date = date.clone();
            tokio::spawn(async move {
                let mut connection = Connection::open(address).await.unwrap();
                let mut sent = Vec::new();
                for n in (first..n_events).step_by(CONNECTIONS) {
                    let after = Duration::from_micros(1_000_000 * u64::try_from(n).unwrap() / rate);
                    let request = load::order(FIRST_ORDER + u64::try_from(n).unwrap(), n, &date);
                    tokio::time::sleep_until((began + after).into()).await;
                    let status = connection.ask(&request).await;
                    let accepted = matches!(status, Ok(200)).then(|| (began + after).elapsed());
                    let due_ms = began_ms + i64::try_from(after.as_millis()).unwrap();
                    sent.push((n, Event { due_ms, accepted }));
                }
                sent
            })
        })
        .collect();
    let mut events = Vec::new();
    for task in tasks {
        events.extend(task.await.unwrap());
    }
    events.sort_by_key(|(n, _)| *n);
    events.into_iter().map(|(_, event)| event).collect()
}

fn wall_ms() -> i64 {
    chrono::Utc::now().timestamp_millis()
}

fn report(events: &[Event], items: &[u64], arrived: &BTreeMap<u64, i64>) {
    let mut accepted: Vec<_> = events.iter().filter_map(|event| event.accepted).collect();
    let mut called: Vec<_> = events
        .iter()
        .zip(items)
        .filter_map(|(event, item)| {
            let late_ms = arrived.get(item)? - event.due_ms;
            Some(Duration::from_millis(u64::try_from(late_ms).unwrap_or(0)))
        })
        .collect();
    for (name, times) in [("accepted", &mut accepted), ("written", &mut called)] {
        times.sort_unstable();
        println!(
            "{name:9} p50 {:7.1}  p95 {:7.1}  p99 {:7.1}  max {:7.1} ms; missing {} of {}",
            load::at(times, 0.5),
            load::at(times, 0.95),
            load::at(times, 0.99),
            load::at(times, 1.0),
            events.len() - times.len(),
            events.len()
        );
    }
}
