//! `onhand listen` as a child with a store of its own, and a store with goods in it.

use std::collections::{BTreeMap, BTreeSet};
use std::fs::{self, File};
use std::net::{Ipv4Addr, SocketAddr, TcpListener};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::Arc;

use onhand::config;
use onhand::domain::catalog::{Fulfilment, Mapping};
use onhand::domain::clock::{Clock as _, Timestamp};
use onhand::domain::delivery::Shown;
use onhand::domain::ids::{ChannelId, ListingId, ListingKey, LocationId, Sku};
use onhand::domain::stock::Basis;
use onhand::ledger::Ledger;
use onhand::ledger::counts::{self, Counted};
use onhand::ledger::sqlite::{self, Sqlite};
use onhand::ledger::tables::{CatalogRow, Selection, Settled, Tables};
use onhand::runtime::clock::SystemClock;
use onhand::sandbox::{Market, Marketplace as _, Running, WooCommerce, WooOptions};
use tempfile::TempDir;

use super::load::{self, CHANNEL, SECRET};

/// Rows of goods in one transaction.
const ROWS_PER_WRITE: usize = 1_000;
/// How long before the run the goods were counted, in ms: orders of the run come after it.
const COUNTED_BEFORE_MS: i64 = 3_600_000;

/// A process that is killed when it goes out of scope.
pub(crate) struct Killed(pub(crate) Child);

impl Killed {
    /// SIGKILL, in the middle of whatever it does.
    pub(crate) fn kill(&mut self) {
        // One that ended by itself is dead as well.
        drop(self.0.kill());
        drop(self.0.wait());
    }
}

impl Drop for Killed {
    fn drop(&mut self) {
        self.kill();
    }
}

/// A free port of this machine.
pub(crate) fn port() -> SocketAddr {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
    listener.local_addr().unwrap()
}

/// A seller: a folder with settings and a store, and the shop whose orders come in.
pub(crate) struct Seller {
    pub(crate) folder: TempDir,
    pub(crate) hooks: SocketAddr,
    secrets: BTreeMap<String, String>,
    _shop: Running<WooCommerce>,
}

impl Seller {
    /// With `mode` for all channels and further tables of the settings.
    pub(crate) async fn open(mode: &str, more: &str, secrets: &[(&str, &str)]) -> Self {
        let shop = Market::start_woocommerce(&WooOptions::default())
            .await
            .unwrap();
        let folder = tempfile::tempdir().unwrap();
        let (hooks, admin) = (port(), port());
        let text = format!(
            r#"mode = "{mode}"
[store]
url = "sqlite:onhand.db"
[listen]
address = "{hooks}"
admin_address = "{admin}"
public_url = "http://{hooks}"
[locations.main]
authority = "onhand"
[channels.{CHANNEL}]
platform = "woocommerce"
base_url = "{}"
webhook_secrets = ["env:BENCH_SECRET"]
credentials = {{ key = "env:BENCH_KEY", secret = "env:BENCH_KEY_SECRET" }}
locations = ["main"]
{more}"#,
            shop.base_url()
        );
        fs::write(folder.path().join("config.toml"), text).unwrap();
        let own = [
            ("BENCH_SECRET", SECRET),
            ("BENCH_KEY", shop.consumer_key()),
            ("BENCH_KEY_SECRET", shop.consumer_secret()),
        ];
        let secrets = own.iter().chain(secrets);
        let secrets = secrets.map(|(name, value)| ((*name).to_owned(), (*value).to_owned()));
        Self {
            folder,
            hooks,
            secrets: secrets.collect(),
            _shop: shop,
        }
    }

    pub(crate) fn store(&self) -> PathBuf {
        self.folder.path().join("onhand.db")
    }

    /// Starts the daemon; it may not listen yet.
    pub(crate) fn listen(&self) -> Killed {
        let log = File::create(self.folder.path().join("log")).unwrap();
        let child = Command::new(env!("CARGO_BIN_EXE_onhand"))
            .arg("--config")
            .arg(self.folder.path().join("config.toml"))
            .arg("listen")
            .envs(&self.secrets)
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(log)
            .spawn()
            .unwrap();
        Killed(child)
    }

    /// What the daemon complained about.
    pub(crate) fn log(&self) -> String {
        fs::read_to_string(self.folder.path().join("log")).unwrap_or_default()
    }

    /// The books, opened beside the daemon.
    pub(crate) fn ledger(&self) -> Ledger {
        let store = Box::new(Sqlite::open(&self.store()).unwrap());
        Ledger::inline(store, BTreeMap::new(), Arc::new(SystemClock))
    }

    /// Listings of a channel that do not show what they should, as far as the store knows.
    pub(crate) async fn dirty(&self, channel: &str) -> usize {
        let which = Selection {
            channel: Some(ChannelId::new(channel).unwrap()),
            dirty: true,
            ..Selection::default()
        };
        let found = self.ledger().read(move |t| t.listings(&which)).await;
        found.unwrap().len()
    }

    /// Ids of the orders in the store.
    pub(crate) fn orders(&self) -> BTreeSet<u64> {
        let db = sqlite::open(&self.store()).unwrap();
        let mut read = db
            .prepare(
                "SELECT subject FROM event WHERE topic = 'order.created' AND outcome = 'applied'",
            )
            .unwrap();
        let ids = read.query_map([], |row| row.get::<_, String>(0)).unwrap();
        ids.map(|id| id.unwrap().parse().unwrap()).collect()
    }

    /// Puts goods into the store: so many SKUs with `units` each, offered in these channels under the ids that are given,
    /// and known to show what they should. Notes the plan, as a daemon would that ran before.
    pub(crate) async fn stock(&self, n_skus: usize, units: i64, channels: &[(&str, Vec<String>)]) {
        let ledger = self.ledger();
        let counted_at = Timestamp::from_millis(SystemClock.now().millis() - COUNTED_BEFORE_MS);
        let all: Vec<usize> = (0..n_skus).collect();
        for chunk in all.chunks(ROWS_PER_WRITE) {
            let rows: Vec<_> = chunk
                .iter()
                .map(|&n| counted(n, units, counted_at))
                .collect();
            let offers: Vec<_> = channels
                .iter()
                .flat_map(|(id, names)| chunk.iter().map(|&n| offer(id, &names[n], n)))
                .collect();
            let stored = ledger.write(move |tables| {
                counts::count(tables, &rows, "bench", counted_at)?;
                tables.put_listings(&offers)?;
                settle(tables, &offers, units, counted_at)
            });
            stored.await.unwrap();
        }
        let env = self.secrets.clone().into_iter().collect();
        let path = self.folder.path().join("config.toml");
        let loaded = config::load(Some(&path), &env, onhand::channels::PLATFORMS).unwrap();
        let plan = loaded.settings.plan_text();
        ledger
            .write(move |tables| tables.set_fact("plan", &plan))
            .await
            .unwrap();
    }
}

/// Size of a store, its log included, in MiB.
#[expect(clippy::cast_precision_loss, reason = "sizes of files")]
pub(crate) fn size_mib(store: &Path) -> f64 {
    let wal = store.with_extension("db-wal");
    let size = |path: &Path| fs::metadata(path).map_or(0, |data| data.len());
    (size(store) + size(&wal)) as f64 / 1_048_576.0
}

fn counted(n: usize, units: i64, at: Timestamp) -> Counted {
    Counted {
        sku: Sku::new(&load::sku(n)).unwrap(),
        location: LocationId::new("main").unwrap(),
        units,
        basis: Basis::OnHand,
        set_aside: None,
        at,
    }
}

fn offer(channel: &str, name: &str, n: usize) -> CatalogRow {
    CatalogRow {
        key: ListingKey {
            channel: ChannelId::new(channel).unwrap(),
            listing: ListingId::new(name).unwrap(),
        },
        alias: None,
        their_sku: Some(load::sku(n)),
        mapping: Some(Mapping {
            sku: Sku::new(&load::sku(n)).unwrap(),
            factor: 1,
            location: None,
            fulfilment: Fulfilment::Merchant,
        }),
        not_publishable: None,
    }
}

/// Notes that these listings show what they should.
fn settle(
    tables: &mut dyn Tables,
    offers: &[CatalogRow],
    units: i64,
    at: Timestamp,
) -> Result<(), onhand::ledger::StoreError> {
    let which = Selection {
        keys: Some(offers.iter().map(|row| row.key.clone()).collect()),
        ..Selection::default()
    };
    let turns: Vec<_> = tables
        .listings(&which)?
        .into_iter()
        .map(|state| Settled {
            acked: Some(state.feed_version()),
            key: state.key,
            shown: Shown::Known {
                quantity: units,
                as_of: at,
            },
            compared: Some(false),
            stale: false,
            verified_at: None,
            failures: 0,
            due_at: at,
        })
        .collect();
    tables.settle(&turns)
}
