//! `reconcile` and `sync` against two emulated shops over loopback, on a clock that the tests put forward.

mod differences;
mod gate;
mod plans;
mod processes;
mod schedule;
mod told;

use std::io::Write;
use std::path::Path;
use std::process::{Command, Stdio};
use std::sync::atomic::{AtomicI64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use onhand::channels::PLATFORMS;
use onhand::cli::{Reconcile, SyncOnce};
use onhand::commands::{Seller, reconcile_once, sync_once};
use onhand::config::{Environment, load};
use onhand::domain::clock::{Clock, Timestamp};
use onhand::domain::ids::{LocationId, Sku};
use onhand::domain::stock::Basis;
use onhand::ledger::StoreError;
use onhand::ledger::counts::{self, Counted};
use onhand::ledger::tables::Tables;
use onhand::output::{Format, Out, Wishes};
use onhand::sandbox::{
    Conduct, Goods, Happening, Market, Marketplace, Running, Shopify, ShopifyOptions,
    ShopifyVariant, WooCommerce, WooOptions, WooProduct,
};
use serde_json::Value;

const MINUTE_MS: i64 = 60_000;
/// How long anything may take before a test gives up.
const PATIENCE: Duration = Duration::from_mins(1);

/// The wall clock, put forward by the test.
#[derive(Debug, Clone, Default)]
struct Ahead(Arc<AtomicI64>);

impl Ahead {
    fn now_ms(&self) -> i64 {
        let wall = std::time::SystemTime::UNIX_EPOCH.elapsed().unwrap();
        i64::try_from(wall.as_millis()).unwrap() + self.0.load(Ordering::SeqCst)
    }

    fn pass(&self, minutes: i64) {
        self.0.fetch_add(minutes * MINUTE_MS, Ordering::SeqCst);
    }
}

impl Clock for Ahead {
    fn now(&self) -> Timestamp {
        Timestamp::from_millis(self.now_ms())
    }
}

/// What a command wrote.
#[derive(Clone, Default)]
struct Paper(Arc<Mutex<Vec<u8>>>);

impl Write for Paper {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        self.0.lock().unwrap().extend_from_slice(bytes);
        Ok(bytes.len())
    }
    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

impl Paper {
    fn text(&self) -> String {
        String::from_utf8(self.0.lock().unwrap().clone()).unwrap()
    }
}

/// Exit code, the document, and what was said beside it.
pub(crate) struct Ended {
    code: u8,
    pub(crate) body: Value,
    talk: String,
}

pub(crate) struct Desk {
    pub(crate) woo: Running<WooCommerce>,
    shopify: Running<Shopify>,
    folder: tempfile::TempDir,
    clock: Ahead,
    seller: Seller,
}

impl Desk {
    /// Both shops with these goods in stock; `more` is added to the settings, `woo_more` to WooCommerce's table.
    async fn open(goods: &[(&str, i64)], more: &str, woo_more: &str) -> Self {
        let clock = Ahead::default();
        let shop_clock = clock.clone();
        let conduct = || Conduct {
            clock: {
                let clock = shop_clock.clone();
                Arc::new(move || clock.now_ms())
            },
            ..Conduct::default()
        };
        let woo = WooOptions {
            conduct: conduct(),
            catalogue: goods
                .iter()
                .map(|(sku, units)| WooProduct::new(*sku, *units))
                .collect(),
            ..WooOptions::default()
        };
        let shopify = ShopifyOptions {
            conduct: conduct(),
            // Never throttles, so that each page is asked for once.
            bucket_size: 1e9,
            catalogue: goods
                .iter()
                .map(|(sku, units)| ShopifyVariant::new(*sku, *units))
                .collect(),
            ..ShopifyOptions::default()
        };
        let woo = Market::start_woocommerce(&woo).await.unwrap();
        let shopify = Market::start_shopify(&shopify).await.unwrap();
        let folder = tempfile::tempdir().unwrap();
        let location = shopify.locations()[0].0;
        let config = format!(
            r#"[store]
url = "sqlite:onhand.db"
{more}
[channels.web]
platform = "shopify"
base_url = "{}"
location = "{location}"
webhook_secrets = ["env:WEB_SECRET"]
credentials = {{ token = "env:WEB_TOKEN" }}
[channels.shop]
platform = "woocommerce"
base_url = "{}"
webhook_secrets = ["env:SHOP_SECRET"]
credentials = {{ key = "env:SHOP_KEY", secret = "env:SHOP_CONSUMER" }}
{woo_more}
"#,
            shopify.base_url(),
            woo.base_url(),
        );
        std::fs::write(folder.path().join("config.toml"), config).unwrap();
        let seller = open_seller(folder.path(), &secrets(&woo, &shopify), &clock);
        let desk = Self {
            woo,
            shopify,
            folder,
            clock,
            seller,
        };
        desk.count_all(goods).await;
        desk
    }

    /// As [`Desk::open`], with everything sent and read back once.
    pub(crate) async fn at_rest(goods: &[(&str, i64)], more: &str, woo_more: &str) -> Self {
        let desk = Self::open(goods, more, woo_more).await;
        assert_eq!(desk.reconcile(Reconcile::default()).await.code, 0);
        let sent = desk.sync(SyncOnce::default()).await;
        assert_eq!(sent.code, 0, "{}", sent.body);
        desk.clock.pass(10);
        let read = desk.reconcile(Reconcile::default()).await;
        assert_eq!(
            (read.code, &read.body["drifted"]),
            (0, &0.into()),
            "{}",
            read.body
        );
        desk.clock.pass(10);
        desk
    }

    async fn count(&self, sku: &str, units: i64) {
        self.count_all(&[(sku, units)]).await;
    }

    async fn count_all(&self, goods: &[(&str, i64)]) {
        let now = self.clock.now();
        let row = |&(sku, units): &(&str, i64)| Counted {
            sku: Sku::new(sku).unwrap(),
            location: LocationId::new("main").unwrap(),
            units,
            basis: Basis::OnHand,
            set_aside: None,
            at: now,
        };
        let rows: Vec<_> = goods.iter().map(row).collect();
        self.seller
            .ledger
            .write(move |t| counts::count(t, &rows, "test", now))
            .await
            .unwrap();
    }

    /// Waits until the store says so; another process writes to it, so that nobody rings.
    async fn until<R: Send + 'static>(
        &self,
        what: &str,
        says: impl FnMut(&mut dyn Tables) -> Result<Option<R>, StoreError> + Clone + Send + 'static,
    ) -> R {
        let mut tick = tokio::time::interval(Duration::from_millis(20));
        let wait = async {
            loop {
                tick.tick().await;
                let mut look = says.clone();
                if let Some(found) = self.seller.ledger.read(move |t| look(t)).await.unwrap() {
                    return found;
                }
            }
        };
        let found = tokio::time::timeout(PATIENCE, wait).await;
        found.unwrap_or_else(|_| panic!("never happened: {what}"))
    }

    /// Puts another address in the place of Shopify's.
    fn lead_shopify_over(&self, address: std::net::SocketAddr) {
        let path = self.folder.path().join("config.toml");
        let config = std::fs::read_to_string(&path).unwrap();
        let led = config.replace(self.shopify.base_url(), &format!("http://{address}"));
        std::fs::write(path, led).unwrap();
    }

    pub(crate) async fn reconcile(&self, args: Reconcile) -> Ended {
        let (data, talk) = (Paper::default(), Paper::default());
        let mut out = Out::to(wishes(), data.clone(), talk.clone());
        let done = reconcile_once(args, &self.seller, &mut out).await;
        ended(done, &data, &talk)
    }

    async fn sync(&self, args: SyncOnce) -> Ended {
        let (data, talk) = (Paper::default(), Paper::default());
        let mut out = Out::to(wishes(), data.clone(), talk.clone());
        let done = sync_once(args, &self.seller, &mut out).await;
        ended(done, &data, &talk)
    }

    fn shown(&self, sku: &str) -> [Option<i64>; 2] {
        [
            self.woo.shown(Goods::Sku(sku)),
            self.shopify.shown(Goods::Sku(sku)),
        ]
    }

    async fn on_hand(&self, sku: &str) -> i64 {
        let rows = self.seller.ledger.read(|t| t.stock()).await.unwrap();
        let row = rows.into_iter().find(|row| row.sku.as_str() == sku);
        row.unwrap().balances.on_hand
    }

    /// A file of the folder in which commands run.
    #[cfg(feature = "sales")]
    pub(crate) fn file(&self, name: &str) -> std::path::PathBuf {
        self.folder.path().join(name)
    }

    pub(crate) fn command(&self, args: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_onhand"));
        command
            .current_dir(self.folder.path())
            .args(args)
            .envs(secrets(&self.woo, &self.shopify))
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped());
        command
    }
}

fn secrets(woo: &WooCommerce, shopify: &Shopify) -> Vec<(String, String)> {
    [
        ("WEB_SECRET", shopify.client_secret()),
        ("WEB_TOKEN", shopify.token()),
        ("SHOP_SECRET", woo.webhook_secret()),
        ("SHOP_KEY", woo.consumer_key()),
        ("SHOP_CONSUMER", woo.consumer_secret()),
    ]
    .map(|(name, value)| (name.to_owned(), value.to_owned()))
    .to_vec()
}

fn open_seller(folder: &Path, secrets: &[(String, String)], clock: &Ahead) -> Seller {
    let env: Environment = secrets.iter().cloned().collect();
    let loaded = load(Some(&folder.join("config.toml")), &env, PLATFORMS).unwrap();
    Seller::open(loaded.settings, env, Arc::new(clock.clone())).unwrap()
}

fn wishes() -> Wishes {
    Wishes {
        format: Format::Json,
        ..Wishes::default()
    }
}

fn ended(
    done: Result<onhand::exit::Found, onhand::exit::Failure>,
    data: &Paper,
    talk: &Paper,
) -> Ended {
    let (code, error) = match done {
        Ok(found) => (found.exit_code(), String::new()),
        Err(failure) => (failure.exit_code(), failure.to_string()),
    };
    let text = data.text();
    Ended {
        code,
        body: serde_json::from_str(&text).unwrap_or(Value::Null),
        talk: talk.text() + &error,
    }
}

fn apply() -> Reconcile {
    Reconcile {
        apply: Some(None),
        ..Reconcile::default()
    }
}

/// Channel, class, shown, desired, live and action of each line.
fn lines(body: &Value) -> Vec<String> {
    let text = |value: &Value| {
        value
            .as_str()
            .map_or_else(|| value.to_string(), str::to_owned)
    };
    let line = |line: &Value| {
        ["channel", "class", "shown", "desired", "live", "action"]
            .map(|key| text(&line[key]))
            .join(" ")
    };
    body["lines"].as_array().unwrap().iter().map(line).collect()
}

fn writes(market: &impl Marketplace) -> usize {
    market
        .log()
        .iter()
        .filter(|entry| matches!(entry.happening, Happening::Write { .. }))
        .count()
}

fn text(found: &std::process::Output) -> String {
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    format!("{}{}", text(&found.stdout), text(&found.stderr))
}
