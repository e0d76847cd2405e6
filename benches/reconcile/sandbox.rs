//! The real command over loopback HTTP: `onhand reconcile` against emulated Shopifies with many listings each.

use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use onhand::sandbox::{Market, Marketplace as _, Running, Shopify, ShopifyOptions, ShopifyVariant};

use super::shelf::{count, differs, missing, shows};
use super::store::UNITS;
use super::{Wishes, machine, store};

/// Levels on a page, and calls a second: Shopify's own most, and the pace that we keep towards it.
const PAGE: usize = 250;
const CALLS_PER_S: f64 = 7.0;
/// How often the child is looked at.
const LOOK: Duration = Duration::from_millis(20);
/// The ids of the emulated items: the first comes after the location, and each has a product and a variant behind it.
const LISTING: &str = "printf('%d', 51000000000002 + 3 * i)";

/// Fills shops and store, runs the command, and prints what it took.
pub(crate) fn run(folder: &std::path::Path, wishes: Wishes) {
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build()
        .unwrap();
    let began = Instant::now();
    let shops: Vec<_> = (0..wishes.channels)
        .map(|n| runtime.block_on(shop(n, wishes)))
        .collect();
    store::fill(&folder.join("onhand.db"), wishes, LISTING);
    println!(
        "# {} listings in {} emulated shops, and a store of them: filled in {:.0} s",
        wishes.skus,
        wishes.channels,
        began.elapsed().as_secs_f64()
    );
    std::fs::write(folder.join("config.toml"), config(&shops)).unwrap();
    let began = Instant::now();
    let mut child = command(folder, &shops).spawn().unwrap();
    let (cpu_s, peak_mib) = watch(&mut child);
    let wall = began.elapsed().as_secs_f64();
    let read = |name: &str| std::fs::read_to_string(folder.join(name)).unwrap();
    let body: serde_json::Value = serde_json::from_str(&read("out.json")).unwrap_or_default();
    let expected = [wishes.skus - count(wishes, missing), count(wishes, differs)];
    let found = [&body["compared"], &body["drifted"]];
    let expected = expected.map(|n| serde_json::Value::from(n * wishes.channels));
    assert!(
        found.into_iter().eq(&expected),
        "{} {}",
        body["compared"],
        read("talk.txt")
    );
    let pages = u32::try_from(wishes.skus.div_ceil(PAGE)).unwrap();
    let alone = f64::from(pages) / CALLS_PER_S;
    println!(
        "sandbox: {wall:.1} s wall, {cpu_s:.1} s of processors, {peak_mib:.0} MiB at most, {} compared, {} differ; {pages} pages a \
         channel at {CALLS_PER_S} a second alone {alone:.1} s, so {:.3} of them; load {}",
        body["compared"],
        body["drifted"],
        wall / alone,
        machine::load()
    );
    for shop in shops {
        runtime.block_on(shop.stop());
    }
}

/// One shop; what it does not have is not stocked at its location.
async fn shop(salt: usize, wishes: Wishes) -> Running<Shopify> {
    let variant = |n: usize| ShopifyVariant {
        available: vec![(!missing(n, wishes)).then(|| shows(n, salt, wishes))],
        ..ShopifyVariant::new(format!("SKU-{n:08}"), UNITS)
    };
    let options = ShopifyOptions {
        catalogue: (0..wishes.skus).map(variant).collect(),
        bucket_size: 1e9,
        ..ShopifyOptions::default()
    };
    Market::start_shopify(&options).await.unwrap()
}

fn config(shops: &[Running<Shopify>]) -> String {
    let channel = |(n, shop): (usize, &Running<Shopify>)| {
        format!(
            "[channels.c{n}]\nplatform = \"shopify\"\nbase_url = \"{}\"\nlocation = \"{}\"\nwebhook_secrets = [\"env:SECRET_{n}\"]\n\
             credentials = {{ token = \"env:TOKEN_{n}\" }}\n",
            shop.base_url(),
            shop.locations()[0].0
        )
    };
    let channels: Vec<String> = shops.iter().enumerate().map(channel).collect();
    "[store]\nurl = \"sqlite:onhand.db\"\n".to_owned() + &channels.concat()
}

fn command(folder: &std::path::Path, shops: &[Running<Shopify>]) -> Command {
    let file = |name: &str| Stdio::from(std::fs::File::create(folder.join(name)).unwrap());
    let mut command = Command::new(env!("CARGO_BIN_EXE_onhand"));
    command
        .current_dir(folder)
        .args(["reconcile", "--format", "json"])
        .stdout(file("out.json"))
        .stderr(file("talk.txt"));
    for (n, shop) in shops.iter().enumerate() {
        command.env(format!("SECRET_{n}"), shop.client_secret());
        command.env(format!("TOKEN_{n}"), shop.token());
    }
    command
}

/// Seconds of processor time and the most memory of a child, looked at until it ends.
fn watch(child: &mut Child) -> (f64, f64) {
    let (mut cpu_s, mut peak_mib) = (0.0_f64, 0.0_f64);
    while child.try_wait().unwrap().is_none() {
        cpu_s = cpu_s.max(machine::cpu_s(child.id()));
        peak_mib = peak_mib.max(machine::memory_mib(child.id(), "VmHWM"));
        std::thread::sleep(LOOK);
    }
    (cpu_s, peak_mib)
}
