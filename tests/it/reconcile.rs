//! `reconcile` and `sync` against two emulated shops over loopback, on a clock that the tests put forward.

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
use onhand::ledger::counts::{self, Counted};
use onhand::output::{Format, Out, Wishes};
use onhand::sandbox::{
    Conduct, Goods, Happening, Market, Marketplace, Running, Shopify, ShopifyOptions,
    ShopifyVariant, WooCommerce, WooOptions, WooProduct,
};
use serde_json::Value;

const MINUTE_MS: i64 = 60_000;

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
        for (sku, units) in goods {
            desk.count(sku, *units).await;
        }
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
        let row = Counted {
            sku: Sku::new(sku).unwrap(),
            location: LocationId::new("main").unwrap(),
            units,
            basis: Basis::OnHand,
            set_aside: None,
            at: self.clock.now(),
        };
        let now = self.clock.now();
        self.seller
            .ledger
            .write(move |t| counts::count(t, std::slice::from_ref(&row), "test", now))
            .await
            .unwrap();
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

#[tokio::test(flavor = "multi_thread")]
async fn a_sale_whose_message_was_lost_is_booked_and_not_sent_over() {
    let desk = Desk::at_rest(&[("MUG", 5), ("TEE", 9)], "", "").await;
    let before = writes(&*desk.woo);
    desk.woo.buy(Goods::Sku("MUG"), 2).unwrap();
    desk.clock.pass(10);
    let told = desk.reconcile(Reconcile::default()).await;
    assert_eq!(
        lines(&told.body),
        ["shop sale_found 3 3 3 booked", "web sale_found 5 3 5 lower"],
        "{}",
        told.body
    );
    assert_eq!(told.code, 1, "one of four is over the limit");
    assert_eq!(
        (
            &told.body["compared"],
            &told.body["drifted"],
            &told.body["drift_pct"]
        ),
        (&4.into(), &1.into(), &25.0.into())
    );
    assert_eq!(desk.shown("MUG"), [Some(3), Some(5)], "nothing was sent");

    desk.clock.pass(10);
    let repaired = desk.reconcile(apply()).await;
    assert_eq!(desk.shown("MUG"), [Some(3), Some(3)], "{}", repaired.body);
    assert_eq!(writes(&*desk.woo), before, "nothing was sent over the sale");

    let again = desk.reconcile(apply()).await;
    assert_eq!(
        (again.code, &again.body["drifted"]),
        (0, &0.into()),
        "{}",
        again.body
    );
    assert_eq!(again.body["lines"], Value::Array(vec![]));
}

#[tokio::test(flavor = "multi_thread")]
async fn an_edit_is_put_back_after_a_second_look() {
    let desk = Desk::at_rest(&[("MUG", 5), ("TEE", 9)], "", "").await;
    desk.woo.edit_stock(Goods::Sku("MUG"), 10).unwrap();
    desk.shopify.edit_stock(Goods::Sku("TEE"), 2).unwrap();
    desk.clock.pass(10);
    let repaired = desk.reconcile(apply()).await;
    assert_eq!(
        lines(&repaired.body),
        [
            "shop edited 5 5 10 lower: sent 5",
            "web edited 9 9 2 raise: sent 9"
        ],
        "{}",
        repaired.talk
    );
    assert_eq!(desk.shown("MUG"), [Some(5), Some(5)]);
    assert_eq!(desk.shown("TEE"), [Some(9), Some(9)]);
    let again = desk.reconcile(Reconcile::default()).await;
    assert_eq!(
        (again.code, &again.body["drifted"]),
        (0, &0.into()),
        "{}",
        again.body
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn an_edit_is_taken_into_the_stock_where_the_settings_say_so() {
    let desk = Desk::at_rest(&[("MUG", 5)], "", "edits = \"adjust\"").await;
    desk.woo.edit_stock(Goods::Sku("MUG"), 8).unwrap();
    desk.clock.pass(10);
    let told = desk.reconcile(Reconcile::default()).await;
    assert_eq!(lines(&told.body), ["shop edited 5 5 8 adjust +3"]);
    assert_eq!(desk.on_hand("MUG").await, 5, "only told");
    desk.clock.pass(10);
    let repaired = desk.reconcile(apply()).await;
    assert_eq!(
        lines(&repaired.body),
        ["shop edited 5 5 8 adjusted +3"],
        "{}",
        repaired.talk
    );
    assert_eq!(desk.on_hand("MUG").await, 8);
    assert_eq!(desk.shown("MUG"), [Some(8), Some(8)]);
    desk.clock.pass(10);
    let again = desk.reconcile(apply()).await;
    assert_eq!(
        (again.code, &again.body["drifted"]),
        (0, &0.into()),
        "{}",
        again.body
    );
    assert_eq!(
        desk.seller.ledger.verify().await.unwrap(),
        Vec::<String>::new()
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn an_edit_is_only_told_where_the_settings_say_so() {
    let desk = Desk::at_rest(&[("MUG", 5)], "", "edits = \"report\"").await;
    desk.woo.edit_stock(Goods::Sku("MUG"), 8).unwrap();
    desk.clock.pass(10);
    let told = desk.reconcile(apply()).await;
    assert_eq!(lines(&told.body), ["shop edited 5 5 8 none: only told"]);
    assert_eq!(desk.shown("MUG"), [Some(8), Some(5)]);
    assert_eq!(told.code, 1);
    let allowed = desk
        .reconcile(Reconcile {
            fail_over: Some("100%".parse().unwrap()),
            ..Reconcile::default()
        })
        .await;
    assert_eq!(allowed.code, 0, "{}", allowed.body);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_was_accepted_and_not_applied_is_sent_again() {
    let desk = Desk::open(&[("MUG", 9)], "", "").await;
    desk.count("MUG", 5).await;
    desk.reconcile(Reconcile::default()).await;
    assert_eq!(desk.sync(SyncOnce::default()).await.code, 0);
    assert_eq!(desk.shown("MUG"), [Some(5), Some(5)]);
    // As if the write had been answered and never happened: nobody has read it since.
    desk.woo.edit_stock(Goods::Sku("MUG"), 9).unwrap();
    let soon = desk.reconcile(apply()).await;
    assert_eq!(
        (soon.code, &soon.body["in_flight"]),
        (0, &1.into()),
        "{}",
        soon.body
    );
    assert_eq!(desk.shown("MUG")[0], Some(9), "it may still be on its way");
    desk.clock.pass(10);
    let repaired = desk.reconcile(apply()).await;
    assert_eq!(
        lines(&repaired.body),
        ["shop not_applied 5 5 9 lower: sent 5"]
    );
    assert_eq!(desk.shown("MUG"), [Some(5), Some(5)]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_reading_that_was_cut_off_ends_with_5_and_does_nothing() {
    let mut desk = Desk::at_rest(&[("MUG", 5)], "", "").await;
    desk.shopify.edit_stock(Goods::Sku("MUG"), 8).unwrap();
    let gone = Market::start_woocommerce(&WooOptions::default())
        .await
        .unwrap();
    std::mem::replace(&mut desk.woo, gone).stop().await;
    desk.clock.pass(10);
    let cut = desk
        .reconcile(Reconcile {
            channel: Some("shop".parse().unwrap()),
            ..apply()
        })
        .await;
    assert_eq!(cut.code, 5, "{}", cut.talk);
    assert_eq!(cut.body["incomplete"], true);
    assert!(
        cut.talk.contains("orders of shop could not be read"),
        "{}",
        cut.talk
    );
    assert_eq!(cut.body["lines"], Value::Array(vec![]));
    // The channel that can be read is repaired all the same, and the other still tells of itself.
    let rest = desk.reconcile(apply()).await;
    assert_eq!(rest.code, 5, "{}", rest.talk);
    assert_eq!(
        desk.shopify.shown(Goods::Sku("MUG")),
        Some(5),
        "{}",
        rest.body
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_run_that_broke_off_is_gone_on_with() {
    let names: Vec<String> = (0..650).map(|n| format!("SKU-{n:04}")).collect();
    let goods: Vec<(&str, i64)> = names.iter().map(|name| (name.as_str(), 5)).collect();
    let desk = Desk::open(&goods, "", "").await;
    let shop = || Reconcile {
        channel: Some("shop".parse().unwrap()),
        ..Reconcile::default()
    };
    let full = desk.reconcile(shop()).await;
    assert_eq!(full.body["channels"][0]["resumed"], false, "{}", full.talk);
    let pages = full.body["channels"][0]["pages"].as_u64().unwrap();
    assert!(pages >= 7, "{}", full.body);
    desk.clock.pass(10);

    let kept = {
        let run = desk.reconcile(shop());
        let look = async {
            let id = "shop".parse::<onhand::domain::ids::ChannelId>().unwrap();
            loop {
                let own = id.clone();
                let open = desk
                    .seller
                    .ledger
                    .read(move |t| t.open_run(&own))
                    .await
                    .unwrap();
                if let Some(run) = open.filter(|run| run.reached.pages >= 2) {
                    break run.reached.pages;
                }
                tokio::time::sleep(Duration::from_millis(5)).await;
            }
        };
        tokio::select! {
            biased;
            kept = look => kept,
            ended = run => panic!("it was over too soon: {}", ended.body),
        }
    };
    assert!(u64::from(kept) < pages);
    let rest = desk.reconcile(shop()).await;
    let channel = &rest.body["channels"][0];
    assert_eq!(channel["resumed"], true, "{}", rest.body);
    assert_eq!(
        channel["pages"].as_u64(),
        Some(pages),
        "no page was read twice"
    );
    assert_eq!(rest.body["compared"], full.body["compared"]);
    let anew = desk
        .reconcile(Reconcile {
            full: true,
            ..shop()
        })
        .await;
    assert_eq!(anew.body["channels"][0]["resumed"], false);
}

fn plan_in(desk: &Desk) -> std::path::PathBuf {
    desk.folder.path().join("plan.json")
}

#[tokio::test(flavor = "multi_thread")]
async fn a_plan_is_sent_exactly_or_not_at_all() {
    let desk = Desk::at_rest(&[("MUG", 5), ("TEE", 9)], "", "").await;
    desk.count("MUG", 3).await;
    let path = plan_in(&desk);
    let planned = desk
        .sync(SyncOnce {
            plan: Some(path.clone()),
            ..SyncOnce::default()
        })
        .await;
    assert_eq!(planned.code, 1, "something would be sent");
    let file: Value = serde_json::from_str(&std::fs::read_to_string(&path).unwrap()).unwrap();
    assert_eq!(file["lines"].as_array().unwrap().len(), 2, "{file}");
    assert_eq!(file["digest"], planned.body["digest"]);
    let apply = || SyncOnce {
        apply: Some(path.clone()),
        ..SyncOnce::default()
    };
    desk.count("MUG", 2).await;
    let refused = desk.sync(apply()).await;
    assert_eq!(refused.code, 5, "{}", refused.talk);
    assert!(refused.talk.contains("the world moved"), "{}", refused.talk);
    assert_eq!(desk.shown("MUG"), [Some(5), Some(5)]);
    desk.count("MUG", 3).await;
    let versions = desk.sync(apply()).await;
    assert_eq!(
        versions.code, 5,
        "the number is the same, what it follows from is not"
    );

    desk.sync(SyncOnce {
        plan: Some(path.clone()),
        ..SyncOnce::default()
    })
    .await;
    // What came after the plan is not part of it.
    desk.count("TEE", 1).await;
    let sent = desk.sync(apply()).await;
    assert_eq!(sent.code, 0, "{} {}", sent.body, sent.talk);
    assert_eq!(desk.shown("MUG"), [Some(3), Some(3)]);
    assert_eq!(desk.shown("TEE"), [Some(9), Some(9)]);
    assert_eq!(desk.sync(SyncOnce::default()).await.code, 0);
    let empty = desk
        .sync(SyncOnce {
            plan: Some(path.clone()),
            ..SyncOnce::default()
        })
        .await;
    assert_eq!(
        (empty.code, &empty.body["lines"]),
        (0, &Value::Array(vec![]))
    );
    std::fs::write(&path, "{}").unwrap();
    assert_eq!(desk.sync(apply()).await.code, 2);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_comparison_is_applied_exactly_as_it_was_planned() {
    let desk = Desk::at_rest(&[("MUG", 5), ("TEE", 9)], "", "").await;
    desk.woo.edit_stock(Goods::Sku("MUG"), 8).unwrap();
    desk.clock.pass(10);
    let path = plan_in(&desk);
    let planned = desk
        .reconcile(Reconcile {
            plan: Some(path.clone()),
            ..Reconcile::default()
        })
        .await;
    assert_eq!(planned.code, 1, "{}", planned.talk);
    desk.woo.edit_stock(Goods::Sku("MUG"), 7).unwrap();
    desk.clock.pass(10);
    let exactly = || Reconcile {
        apply: Some(Some(path.clone())),
        ..Reconcile::default()
    };
    let refused = desk.reconcile(exactly()).await;
    assert_eq!(refused.code, 5, "{}", refused.talk);
    assert_eq!(desk.shown("MUG")[0], Some(7));
    desk.woo.edit_stock(Goods::Sku("MUG"), 8).unwrap();
    desk.clock.pass(10);
    let sent = desk.reconcile(exactly()).await;
    assert_eq!(
        lines(&sent.body),
        ["shop edited 5 5 8 lower: sent 5"],
        "{}",
        sent.talk
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn mass_lowering_stops_and_asks() {
    let names: Vec<String> = (0..12).map(|n| format!("SKU-{n:02}")).collect();
    let goods: Vec<(&str, i64)> = names.iter().map(|name| (name.as_str(), 9)).collect();
    let desk = Desk::at_rest(&goods, "[reconcile]\nbrake_free = 2", "").await;
    for (sku, _) in &goods {
        desk.woo.edit_stock(Goods::Sku(sku), 20).unwrap();
    }
    desk.clock.pass(10);
    let stopped = desk.reconcile(apply()).await;
    assert_eq!(stopped.code, 1, "{}", stopped.talk);
    assert!(
        stopped
            .talk
            .contains("12 of 12 listings would be lowered (100%)"),
        "{}",
        stopped.talk
    );
    assert!(stopped.talk.contains("--yes-lower 12"), "{}", stopped.talk);
    assert_eq!(stopped.body["stopped"]["lowered"], 12);
    assert_eq!(
        desk.shown("SKU-00"),
        [Some(20), Some(9)],
        "nothing was sent"
    );
    let meant = desk
        .reconcile(Reconcile {
            yes_lower: Some(12),
            ..apply()
        })
        .await;
    assert_eq!(meant.body["stopped"], Value::Null, "{}", meant.talk);
    assert_eq!(desk.shown("SKU-11"), [Some(9), Some(9)]);

    for (sku, _) in &goods {
        desk.count(sku, 0).await;
    }
    let stopped = desk.sync(SyncOnce::default()).await;
    assert_eq!(stopped.code, 1, "{}", stopped.talk);
    assert!(
        stopped.talk.contains("24 of 24 listings would be set to 0"),
        "{}",
        stopped.talk
    );
    assert_eq!(desk.shown("SKU-00"), [Some(9), Some(9)]);
    let meant = desk
        .sync(SyncOnce {
            yes_lower: Some(24),
            ..SyncOnce::default()
        })
        .await;
    assert_eq!(meant.code, 0, "{}", meant.talk);
    assert_eq!(desk.shown("SKU-00"), [Some(0), Some(0)]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_sync_of_one_tier_leaves_the_others() {
    let tiers = "[tiers.pin]\nMUG = \"B\"\nTEE = \"C\"";
    let desk = Desk::at_rest(&[("MUG", 50), ("TEE", 50)], tiers, "").await;
    desk.count("MUG", 40).await;
    desk.count("TEE", 40).await;
    let slow = desk
        .sync(SyncOnce {
            tier: onhand::cli::TierChoice::C,
            ..SyncOnce::default()
        })
        .await;
    assert_eq!(slow.code, 0, "{}", slow.body);
    assert_eq!(desk.shown("TEE"), [Some(40), Some(40)]);
    assert_eq!(desk.shown("MUG"), [Some(50), Some(50)]);
}

fn text(found: &std::process::Output) -> String {
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    format!("{}{}", text(&found.stdout), text(&found.stderr))
}

/// Holds a lock file as another process would.
fn held(desk: &Desk, name: &str, says: &str) -> std::fs::File {
    let path = desk.folder.path().join(name);
    let mut file = std::fs::File::options()
        .create(true)
        .truncate(false)
        .write(true)
        .open(path)
        .unwrap();
    file.lock().unwrap();
    file.set_len(0).unwrap();
    file.write_all(says.as_bytes()).unwrap();
    file
}

#[tokio::test(flavor = "multi_thread")]
async fn one_works_and_the_other_says_who_does() {
    let desk = Desk::open(&[("MUG", 5)], "", "").await;
    desk.reconcile(Reconcile::default()).await;
    for (lock, says, args) in [
        (
            "onhand.db.lock",
            "process 77 with `onhand sync`",
            vec!["sync"],
        ),
        ("onhand.db.reconcile.lock", "process 77", vec!["reconcile"]),
        ("onhand.db.schedule.lock", "process 77", vec!["schedule"]),
    ] {
        let other = held(&desk, lock, says);
        let found = desk.command(&args).output().unwrap();
        assert_eq!(found.status.code(), Some(4), "{args:?}: {}", text(&found));
        assert!(
            text(&found).contains("process 77"),
            "{args:?}: {}",
            text(&found)
        );
        drop(other);
    }
    desk.count("MUG", 4).await;
    let both = [
        desk.command(&["sync"]).spawn().unwrap(),
        desk.command(&["sync"]).spawn().unwrap(),
    ];
    let ids = both.each_ref().map(std::process::Child::id);
    let ended = both.map(|child| child.wait_with_output().unwrap());
    let codes = ended.each_ref().map(|found| found.status.code().unwrap());
    assert!(
        codes.contains(&0) && codes.iter().all(|code| [0, 4].contains(code)),
        "{codes:?}"
    );
    for (found, other) in ended.iter().zip([ids[1], ids[0]]) {
        if found.status.code() == Some(4) {
            assert!(
                text(found).contains(&format!("process {other}")),
                "{}",
                text(found)
            );
        }
    }
    assert_eq!(desk.shown("MUG"), [Some(4), Some(4)]);
}

#[tokio::test(flavor = "multi_thread")]
async fn beside_a_daemon_the_daemon_sends_what_a_comparison_found() {
    let desk = Desk::at_rest(
        &[("MUG", 5)],
        "[listen]\naddress = \"127.0.0.1:0\"\nadmin_address = \"127.0.0.1:0\"\n[reconcile]\nin_flight_s = 1",
        "",
    )
    .await;
    let mut daemon = desk.command(&["listen", "--schedule"]);
    let mut daemon = daemon
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    let lock = desk.folder.path().join("onhand.db.schedule.lock");
    let id = daemon.id().to_string();
    while std::fs::read_to_string(&lock).unwrap_or_default() != format!("process {id}") {
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    desk.woo.edit_stock(Goods::Sku("MUG"), 9).unwrap();
    desk.clock.pass(10);
    let found = desk.reconcile(apply()).await;
    assert_eq!(
        found.body["by"],
        format!("process {id}"),
        "{} {}",
        found.body,
        found.talk
    );
    let asked = Command::new("kill").args(["-TERM", &id]).status().unwrap();
    assert!(asked.success());
    assert_eq!(daemon.wait().unwrap().code(), Some(0), "it ends by itself");
}

#[tokio::test(flavor = "multi_thread")]
async fn the_schedule_says_what_runs_next_and_stops_when_told() {
    let when = "[schedule]\ntimezone = \"Europe/Berlin\"\n[schedule.sync_b]\nwhen = \"1s\"\n\
                [schedule.reconcile]\nwhen = \"off\"";
    let desk = Desk::open(&[("MUG", 5)], when, "").await;
    let found = desk
        .command(&["schedule", "--list", "--format", "json"])
        .output()
        .unwrap();
    assert_eq!(found.status.code(), Some(0), "{}", text(&found));
    let body: Value = serde_json::from_slice(&found.stdout).unwrap();
    assert_eq!(body["schema"], "onhand.schedule/1");
    let jobs = body["jobs"].as_array().unwrap();
    let job = |name: &str| jobs.iter().find(|job| job["job"] == name).unwrap();
    assert_eq!(
        jobs.iter().filter(|job| job["job"] == "sync_b").count(),
        2,
        "one per channel"
    );
    let daily = job("reconcile_full");
    assert!(
        daily["next_local"]
            .as_str()
            .unwrap()
            .contains("T03:30:00+0"),
        "{daily}"
    );
    assert!(
        daily["next_utc"].as_str().unwrap().ends_with(":30:00.000Z"),
        "{daily}"
    );
    assert_eq!(job("reconcile")["next_utc"], Value::Null, "it is off");

    let mut running = desk.command(&["schedule"]);
    let mut running = running
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    let ran = || async {
        let rows = desk.seller.ledger.read(|t| t.slots()).await.unwrap();
        rows.iter()
            .filter(|row| row.job == "sync_b" && row.runs > 1)
            .count()
    };
    while ran().await < 2 {
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    let id = running.id().to_string();
    assert!(
        Command::new("kill")
            .args(["-TERM", &id])
            .status()
            .unwrap()
            .success()
    );
    assert_eq!(running.wait().unwrap().code(), Some(0));
    assert_eq!(
        desk.seller.ledger.verify().await.unwrap(),
        Vec::<String>::new()
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_report_tells_the_trend_and_its_csv_runs_no_formula() {
    let desk = Desk::at_rest(&[("=1+1", 5), ("007", 9)], "", "").await;
    desk.woo.edit_stock(Goods::Sku("=1+1"), 50).unwrap();
    desk.woo.edit_stock(Goods::Sku("007"), 1).unwrap();
    desk.clock.pass(10);
    let path = desk.folder.path().join("drift.html");
    let found = desk
        .reconcile(Reconcile {
            report: Some(path.clone()),
            ..Reconcile::default()
        })
        .await;
    assert_eq!(found.code, 1, "{}", found.talk);
    let page = std::fs::read_to_string(&path).unwrap();
    for part in [
        "Drift over runs",
        "SKUs that are furthest off",
        "What was done",
        "edited",
        "=1+1",
        "50%",
    ] {
        assert!(page.contains(part), "{part}");
    }
    let (data, talk) = (Paper::default(), Paper::default());
    let csv = Wishes {
        format: Format::Csv,
        ..Wishes::default()
    };
    let mut out = Out::to(csv, data.clone(), talk.clone());
    desk.clock.pass(10);
    reconcile_once(Reconcile::default(), &desk.seller, &mut out)
        .await
        .map(onhand::exit::Found::exit_code)
        .unwrap();
    let text = data.text();
    assert!(
        text.starts_with("channel,listing,sku,shown,desired,live,class,action\n"),
        "{text}"
    );
    assert!(text.contains(",'=1+1,5,5,50,edited,"), "{text}");
    assert!(text.contains(",007,9,9,1,edited,"), "{text}");
    assert!(
        talk.text()
            .contains("2 of 4 listings compared differ (50%)"),
        "{}",
        talk.text()
    );
}
