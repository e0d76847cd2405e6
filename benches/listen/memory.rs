//! What a daemon with many goods takes: memory at rest and after some sales, time to its first accepted webhook, size of
//! its store.

use std::time::{Duration, Instant};

use onhand::sandbox::{Market, Marketplace as _, ShopifyOptions};

use super::child::{Killed, Seller, size_mib};
use super::load::{self, Connection, FIRST_ORDER, FIRST_PRODUCT};
use super::{Wishes, machine};

/// The first product of the channel that does not sell.
const FIRST_ITEM: usize = 5_000_000;
/// Sales, one after the other.
const EVENTS: usize = 1_000;
/// How long a daemon is left alone before it is at rest.
const REST: Duration = Duration::from_secs(15);
/// Starts of an empty store.
const EMPTY_STARTS: usize = 5;

pub(crate) async fn run(wishes: &Wishes) {
    println!(
        "# memory: {} SKUs in 2 channels, load average {}",
        wishes.skus,
        machine::load()
    );
    empty_starts().await;
    let shop = Market::start_shopify(&ShopifyOptions::default())
        .await
        .unwrap();
    let location = shop.locations().first().map_or(0, |(id, _)| *id);
    let table = format!(
        "[channels.out]\nplatform = \"shopify\"\nbase_url = \"{}\"\nlocation = \"{location}\"\nlocations = [\"main\"]\n\
         webhook_secrets = [\"env:OUT_SECRET\"]\ncredentials = {{ token = \"env:OUT_KEY\" }}\n",
        shop.base_url()
    );
    let secrets = [
        ("OUT_SECRET", shop.client_secret()),
        ("OUT_KEY", shop.token()),
    ];
    let seller = Seller::open("manage", &table, &secrets).await;
    let names = |first: usize| {
        (0..wishes.skus)
            .map(|n| (first + n).to_string())
            .collect::<Vec<_>>()
    };
    let began = Instant::now();
    let channels = [
        (load::CHANNEL, names(FIRST_PRODUCT)),
        ("out", names(FIRST_ITEM)),
    ];
    seller.stock(wishes.skus, 100, &channels).await;
    println!(
        "filled in {:.1} s; the store has {:.1} MiB",
        began.elapsed().as_secs_f64(),
        size_mib(&seller.store())
    );

    drive(&seller).await;
}

/// Starts, rests, sells, rests.
async fn drive(seller: &Seller) {
    let began = Instant::now();
    let server = seller.listen();
    let took = load::first_accepted(seller.hooks, began).await;
    println!(
        "first webhook accepted after {} ms, {}",
        took.as_millis(),
        memory(&server)
    );
    let cpu = machine::cpu_s(server.0.id());
    tokio::time::sleep(REST).await;
    let used = machine::cpu_s(server.0.id()) - cpu;
    println!(
        "after {} s of rest ({used:.2} s of processor time): {}",
        REST.as_secs(),
        memory(&server)
    );
    let began = Instant::now();
    sell(seller).await;
    println!(
        "after {EVENTS} sales in {:.1} s, one at a time: {}",
        began.elapsed().as_secs_f64(),
        memory(&server)
    );
    tokio::time::sleep(REST).await;
    println!(
        "after {} s more: {}; the store has {:.1} MiB",
        REST.as_secs(),
        memory(&server),
        size_mib(&seller.store())
    );
    let log = seller.log();
    if !log.trim().is_empty() {
        println!("{}", log.lines().take(5).collect::<Vec<_>>().join("\n"));
    }
}

async fn empty_starts() {
    for _ in 0..EMPTY_STARTS {
        let empty = Seller::open("manage", "", &[]).await;
        let began = Instant::now();
        let server = empty.listen();
        let took = load::first_accepted(empty.hooks, began).await;
        println!(
            "start with an empty store: first webhook accepted after {} ms, {:.1} MiB",
            took.as_millis(),
            rss(&server)
        );
    }
}

async fn sell(seller: &Seller) {
    let date = load::today();
    let mut connection = Connection::open(seller.hooks).await.unwrap();
    for n in 0..EVENTS {
        let request = load::order(FIRST_ORDER + u64::try_from(n).unwrap(), n, &date);
        assert_eq!(connection.ask(&request).await.unwrap(), 200);
    }
}

fn rss(server: &Killed) -> f64 {
    machine::memory_mib(server.0.id(), "VmRSS")
}

fn memory(server: &Killed) -> String {
    let peak = machine::memory_mib(server.0.id(), "VmHWM");
    format!("resident {:.1} MiB (peak {peak:.1} MiB)", rss(server))
}
