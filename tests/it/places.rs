//! The real `listen` process against an emulated Shopify with goods at two places of ours.

use std::net::SocketAddr;
use std::process::{Command, Stdio};
use std::time::Duration;

use onhand::sandbox::{
    Goods, Happening, Market, Marketplace, Running, Shopify, ShopifyOptions, ShopifyVariant,
};

use crate::listen::{Process, free};

/// How long anything may take before a test gives up; nothing is asserted about how long it takes.
const PATIENCE: Duration = Duration::from_mins(1);

struct Shop {
    shopify: Running<Shopify>,
    folder: tempfile::TempDir,
    hooks: SocketAddr,
    /// Shopify's ids of the warehouse, which is `main`, and of the store.
    main: u64,
    store: u64,
}

impl Shop {
    /// Five mugs in the warehouse and three in the store; nine tees in the warehouse only.
    async fn open() -> Self {
        let variant = |sku: &str, available: &[Option<i64>]| ShopifyVariant {
            available: available.to_vec(),
            ..ShopifyVariant::new(sku, 0)
        };
        let options = ShopifyOptions {
            locations: vec!["Warehouse".to_owned(), "Store".to_owned()],
            catalogue: vec![
                variant("MUG", &[Some(5), Some(3)]),
                variant("TEE", &[Some(9), None]),
            ],
            ..ShopifyOptions::default()
        };
        let shopify = Market::start_shopify(&options).await.unwrap();
        let places = shopify.locations();
        let shop = Self {
            main: places[0].0,
            store: places[1].0,
            shopify,
            folder: tempfile::tempdir().unwrap(),
            hooks: free(),
        };
        shop.write("config.toml", &shop.config());
        shop.write(
            "stock.csv",
            "sku,location,on_hand\nMUG,main,5\nMUG,store,3\nTEE,main,9\nTEE,store,2\n",
        );
        let (code, text) = shop.output("stock import stock.csv");
        assert_eq!(code, 0, "{text}");
        shop
    }

    fn write(&self, name: &str, text: &str) {
        std::fs::write(self.folder.path().join(name), text).unwrap();
    }

    fn config(&self) -> String {
        format!(
            r#"[store]
url = "sqlite:onhand.db"
[listen]
address = "{hooks}"
admin_address = "127.0.0.1:0"
public_url = "http://{hooks}"
[lanes]
orders_s = 2
[locations.main]
[locations.store]
[channels.web]
platform = "shopify"
base_url = "{}"
places = ["{}=main", "{}=store"]
webhook_secrets = ["env:WEB_SECRET"]
credentials = {{ token = "env:WEB_TOKEN" }}
"#,
            self.shopify.base_url(),
            self.main,
            self.store,
            hooks = self.hooks,
        )
    }

    fn command(&self, line: &str) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_onhand"));
        command
            .current_dir(self.folder.path())
            .args(line.split_whitespace())
            .env("WEB_SECRET", self.shopify.client_secret())
            .env("WEB_TOKEN", self.shopify.token())
            .stdout(Stdio::null())
            .stderr(Stdio::null());
        command
    }

    fn output(&self, line: &str) -> (i32, String) {
        let piped = self
            .command(line)
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .output();
        let found = piped.unwrap();
        let text = [found.stdout, found.stderr].concat();
        (
            found.status.code().unwrap(),
            String::from_utf8(text).unwrap(),
        )
    }

    /// Waits until it is so; the emulator rings when anything happens in it.
    async fn until(&self, what: &str, is: impl Fn() -> bool) {
        let bell = self.shopify.bell();
        let wait = async {
            let mut tick = tokio::time::interval(Duration::from_millis(50));
            while !is() {
                tokio::select! {
                    () = bell.notified() => (),
                    _ = tick.tick() => (),
                }
            }
        };
        let done = tokio::time::timeout(PATIENCE, wait).await;
        assert!(
            done.is_ok(),
            "never happened: {what}\n{}",
            self.output("audit MUG").1
        );
    }

    /// Waits until the books hold these rows of `stock show`.
    async fn books(&self, what: &str, rows: &[&str]) {
        let hold = || {
            let text = self.output("stock show --format csv").1;
            rows.iter().all(|row| text.contains(row))
        };
        self.until(what, hold).await;
    }

    async fn listen(&self) -> Process {
        let process = Process(self.command("listen").spawn().unwrap());
        let subscribed = |entry: &onhand::sandbox::Entry| matches!(&entry.happening, Happening::Subscribed { topic, .. } if topic == "fulfillment_orders/moved");
        self.until("it subscribed", || {
            self.shopify.log().iter().any(subscribed)
        })
        .await;
        let known = || self.output("listings show --format csv").1;
        self.until("its listings are known", || {
            known().contains(&format!("@{}", self.store))
        })
        .await;
        process
    }

    fn available(&self, sku: &str, location: u64) -> i64 {
        let item = self.shopify.item(sku).unwrap();
        self.shopify.level(item, location).unwrap().0
    }
}

/// An order of six is sent from two places, then from one, and comes back at the other (rules R44, R9 and R17).
#[tokio::test(flavor = "multi_thread")]
async fn r44_promises_are_where_shopify_assigns_them_and_follow_a_move() {
    let shop = Shop::open().await;
    let _listener = shop.listen().await;
    let sold = shop.shopify.buy(Goods::Sku("MUG"), 6).unwrap();
    shop.books(
        "each place promises what it sends",
        &["MUG,main,5,5,0,0,0", "MUG,store,3,1,0,0,2"],
    )
    .await;
    shop.shopify.move_order(sold.order, shop.store).unwrap();
    shop.books(
        "the promise moved",
        &["MUG,main,5,0,0,0,5", "MUG,store,3,6,0,0,-3"],
    )
    .await;
    shop.until("Shopify shows so, and what is owed stays owed", || {
        (
            shop.available("MUG", shop.main),
            shop.available("MUG", shop.store),
        ) == (5, -3)
    })
    .await;
    shop.shopify.fulfil(sold.order).unwrap();
    shop.books("it was sent from there", &["MUG,store,-3,0,0,0,-3"])
        .await;
    shop.shopify
        .put_back(sold.order, sold.line, 2, shop.main)
        .unwrap();
    shop.books(
        "two came back elsewhere",
        &["MUG,main,7,0,0,0,7", "MUG,store,-3,0,0,0,-3"],
    )
    .await;
    shop.shopify
        .sell_at(shop.main, &[(Goods::Sku("MUG"), 1)])
        .unwrap();
    shop.books("one was sold over the counter", &["MUG,main,6,0,0,0,6"])
        .await;
    shop.until("Shopify shows all of it", || {
        (
            shop.available("MUG", shop.main),
            shop.available("MUG", shop.store),
        ) == (6, -3)
    })
    .await;
    let (code, text) = shop.output("verify");
    assert_eq!(code, 0, "{text}");
}

/// Each place shows its own stock; a place that stocks an item later is found; a closed one stops no other (rule R43, bug
/// case S62). What is not mapped is told of.
#[tokio::test(flavor = "multi_thread")]
async fn r43_s62_each_place_shows_its_own_and_a_closed_one_stops_no_other() {
    let shop = Shop::open().await;
    let _listener = shop.listen().await;
    let (code, text) = shop.output("channels check");
    assert_eq!(code, 0, "{text}");
    shop.shopify
        .stock_at(Goods::Sku("TEE"), shop.store, 7)
        .unwrap();
    shop.until("the store shows what it has", || {
        shop.available("TEE", shop.store) == 2
    })
    .await;
    assert_eq!(shop.available("TEE", shop.main), 9);
    shop.write(
        "count.csv",
        "sku,location,counted\nMUG,main,4\nMUG,store,2\n",
    );
    shop.output("stock count count.csv");
    shop.until("each shows its own", || {
        (
            shop.available("MUG", shop.main),
            shop.available("MUG", shop.store),
        ) == (4, 2)
    })
    .await;

    shop.shopify.close(shop.store);
    shop.write(
        "count.csv",
        "sku,location,counted\nMUG,main,3\nMUG,store,1\n",
    );
    shop.output("stock count count.csv");
    shop.until("the open one goes on", || {
        shop.available("MUG", shop.main) == 3
    })
    .await;
    shop.until("the closed one is told of", || {
        shop.output("dlq list")
            .1
            .contains(&format!("@{}", shop.store))
    })
    .await;
    let (code, text) = shop.output("channels check");
    assert_eq!(code, 1, "{text}");
    assert!(
        text.contains("takes") || text.contains("no active location"),
        "{text}"
    );

    shop.shopify.add(&ShopifyVariant::new("LAMP", 4));
    shop.until("what is not mapped is told of", || {
        let (code, text) = shop.output("listings check --format csv");
        code == 1 && text.contains("LAMP")
    })
    .await;
    let (_, text) = shop.output("status --format json");
    assert!(text.contains("\"unmapped_listings\": 1"), "{text}");
    let item = shop.shopify.item("LAMP").unwrap();
    let (_, text) = shop.output(&format!("audit {item}"));
    assert_eq!(
        text.matches("unmapped").count(),
        2,
        "its kind and its problem, once: {text}"
    );
}
