//! The real `listen` process against emulated marketplaces: what comes in is corrected elsewhere, and what must not
//! happen does not.

use std::io::{Read as _, Write as _};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::time::Duration;

use onhand::sandbox::{
    Goods, Happening, Market, Marketplace, Running, Shopify, ShopifyOptions, ShopifyVariant,
    WooCommerce, WooOptions, WooProduct,
};

/// How long anything may take before a test gives up; nothing is asserted about how long it takes.
const PATIENCE: Duration = Duration::from_mins(1);

struct Shops {
    woo: Running<WooCommerce>,
    shopify: Running<Shopify>,
    folder: tempfile::TempDir,
    hooks: SocketAddr,
}

/// A process that is killed when its test ends, however it ends.
pub(crate) struct Process(pub(crate) Child);

impl Drop for Process {
    fn drop(&mut self) {
        drop(self.0.kill());
        drop(self.0.wait());
    }
}

pub(crate) fn free() -> SocketAddr {
    TcpListener::bind("127.0.0.1:0")
        .unwrap()
        .local_addr()
        .unwrap()
}

impl Shops {
    async fn open(mode: &str) -> Self {
        let goods = [("MUG", 5), ("TEE", 9)];
        let woo = WooOptions {
            catalogue: goods
                .iter()
                .map(|(sku, units)| WooProduct::new(*sku, *units))
                .collect(),
            ..WooOptions::default()
        };
        let shopify = ShopifyOptions {
            catalogue: goods
                .iter()
                .map(|(sku, units)| ShopifyVariant::new(*sku, *units))
                .collect(),
            ..ShopifyOptions::default()
        };
        let shops = Self {
            woo: Market::start_woocommerce(&woo).await.unwrap(),
            shopify: Market::start_shopify(&shopify).await.unwrap(),
            folder: tempfile::tempdir().unwrap(),
            hooks: free(),
        };
        shops.write("config.toml", &shops.config(mode));
        shops.write("stock.csv", "sku,on_hand\nMUG,5\nTEE,9\n");
        assert!(
            shops
                .command(&["stock", "import", "stock.csv"])
                .status()
                .unwrap()
                .success()
        );
        shops
    }

    fn path(&self) -> &Path {
        self.folder.path()
    }

    fn write(&self, name: &str, text: &str) {
        std::fs::write(self.path().join(name), text).unwrap();
    }

    fn config(&self, mode: &str) -> String {
        let location = self.shopify.locations()[0].0;
        format!(
            r#"mode = "{mode}"
[store]
url = "sqlite:onhand.db"
[listen]
address = "{hooks}"
admin_address = "127.0.0.1:0"
public_url = "http://{hooks}"
[lanes]
orders_s = 2
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
"#,
            self.shopify.base_url(),
            self.woo.base_url(),
            hooks = self.hooks,
        )
    }

    fn command(&self, args: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_onhand"));
        command
            .current_dir(self.path())
            .args(args)
            .env("WEB_SECRET", self.shopify.client_secret())
            .env("WEB_TOKEN", self.shopify.token())
            .env("SHOP_SECRET", self.woo.webhook_secret())
            .env("SHOP_KEY", self.woo.consumer_key())
            .env("SHOP_CONSUMER", self.woo.consumer_secret())
            .stdout(Stdio::null())
            .stderr(Stdio::null());
        command
    }

    fn listen(&self) -> Process {
        Process(self.command(&["listen"]).spawn().unwrap())
    }

    fn output(&self, args: &[&str]) -> (i32, String) {
        let found = self
            .command(args)
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .output()
            .unwrap();
        let text = [found.stdout, found.stderr].concat();
        (
            found.status.code().unwrap(),
            String::from_utf8(text).unwrap(),
        )
    }

    /// Waits until it is so; the emulators ring when anything happens in them.
    async fn until(&self, what: &str, is: impl Fn() -> bool) {
        let rings = [self.woo.bell(), self.shopify.bell()];
        let wait = async {
            let mut tick = tokio::time::interval(Duration::from_millis(50));
            while !is() {
                tokio::select! {
                    () = rings[0].notified() => (),
                    () = rings[1].notified() => (),
                    _ = tick.tick() => (),
                }
            }
        };
        let done = tokio::time::timeout(PATIENCE, wait).await;
        assert!(done.is_ok(), "never happened: {what}");
    }

    fn subscribed(&self) -> bool {
        let subscriptions = |market: &dyn Marketplace| {
            market
                .log()
                .iter()
                .filter(|entry| matches!(entry.happening, Happening::Subscribed { .. }))
                .count()
        };
        subscriptions(&*self.woo.emulator()) >= 7 && subscriptions(&*self.shopify.emulator()) >= 8
    }

    fn shown(&self, sku: &str) -> [Option<i64>; 2] {
        [
            self.woo.shown(Goods::Sku(sku)),
            self.shopify.shown(Goods::Sku(sku)),
        ]
    }
}

fn writes(market: &Arc<impl Marketplace>) -> usize {
    market
        .log()
        .iter()
        .filter(|entry| matches!(entry.happening, Happening::Write { .. }))
        .count()
}

#[tokio::test(flavor = "multi_thread")]
async fn fault_43_a_sale_lowers_the_other_channel_a_second_listener_is_refused_and_one_after_a_kill_goes_on()
 {
    let shops = Shops::open("manage").await;
    let first = shops.listen();
    shops
        .until("the listener subscribed", || shops.subscribed())
        .await;
    shops.woo.buy(Goods::Sku("MUG"), 2).unwrap();
    shops
        .until("Shopify shows 3 mugs", || {
            shops.shown("MUG") == [Some(3), Some(3)]
        })
        .await;
    let (code, text) = shops.output(&["listen"]);
    assert_eq!(code, 4, "{text}");
    assert!(
        text.contains(&format!("process {}", first.0.id())),
        "{text}"
    );
    drop(first);
    // Sold while nobody listens: WooCommerce's message is lost for ever, the reading of orders finds it.
    shops.woo.buy(Goods::Sku("MUG"), 1).unwrap();
    shops.shopify.buy(Goods::Sku("TEE"), 4).unwrap();
    let _second = shops.listen();
    shops
        .until("both show 2 mugs", || {
            shops.shown("MUG") == [Some(2), Some(2)]
        })
        .await;
    shops
        .until("both show 5 tees", || {
            shops.shown("TEE") == [Some(5), Some(5)]
        })
        .await;
    let (code, text) = shops.output(&["verify"]);
    assert_eq!(code, 0, "{text}");
    let (code, text) = shops.output(&["explain", "MUG", "--format", "json"]);
    assert_eq!(code, 0, "{text}");
}

#[tokio::test(flavor = "multi_thread")]
async fn an_observer_books_what_is_sold_and_sends_nothing() {
    let shops = Shops::open("observe").await;
    let _listener = shops.listen();
    shops.woo.buy(Goods::Sku("MUG"), 2).unwrap();
    let books = || shops.output(&["stock", "show", "--format", "csv"]).1;
    shops
        .until("the sale is in the books", || {
            books().contains("MUG,main,5,2,0,0,3")
        })
        .await;
    assert_eq!(shops.shown("MUG"), [Some(3), Some(5)]);
    assert_eq!(
        writes(&shops.woo.emulator()) + writes(&shops.shopify.emulator()),
        0
    );
    let hooks =
        |entry: &onhand::sandbox::Entry| matches!(entry.happening, Happening::Subscribed { .. });
    assert!(
        !shops.woo.log().iter().any(hooks),
        "an observer subscribes to nothing"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn what_cannot_start_says_why() {
    let shops = Shops::open("manage").await;
    let _taken = TcpListener::bind(shops.hooks).unwrap();
    let (code, text) = shops.output(&["listen"]);
    assert_eq!(code, 3, "{text}");
    assert!(text.contains("another program listens there"), "{text}");
    let (code, text) = shops.output(&["listen", "--addr", "0.0.0.0:0"]);
    assert_eq!(code, 2, "{text}");
    assert!(text.contains("behind_proxy"), "{text}");
    let (code, text) = shops.output(&["listen", "--admin-addr", "0.0.0.0:0"]);
    assert_eq!(code, 2, "{text}");
    assert!(text.contains("admin_token"), "{text}");
}

/// Whether the listener answers, which it does once it answers signals, too.
fn answers(hooks: SocketAddr) -> bool {
    let ask = || -> std::io::Result<String> {
        let mut stream = TcpStream::connect(hooks)?;
        stream.write_all(b"GET /healthz HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n")?;
        let mut says = String::new();
        stream.read_to_string(&mut says)?;
        Ok(says)
    };
    ask().is_ok_and(|says| says.starts_with("HTTP/1.1 200"))
}

fn tell(process: &Process, signal: &str) {
    let id = process.0.id().to_string();
    let told = Command::new("kill").args([signal, &id]).status().unwrap();
    assert!(told.success());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_listener_ends_when_it_is_told_and_at_once_when_it_is_told_twice() {
    let shops = Shops::open("manage").await;
    let mut calm = shops.listen();
    shops
        .until("the listener answers", || answers(shops.hooks))
        .await;
    tell(&calm, "-TERM");
    assert_eq!(calm.0.wait().unwrap().code(), Some(0));

    // A platform that takes every connection and says nothing: calls to it end when they time out.
    let silent = TcpListener::bind("127.0.0.1:0").unwrap();
    let config = shops.config("manage");
    let dead = format!("http://{}", silent.local_addr().unwrap());
    shops.write("config.toml", &config.replace(shops.woo.base_url(), &dead));
    let (reached, call) = std::sync::mpsc::channel();
    std::thread::spawn(move || {
        let mut calls = Vec::new();
        while let Ok((stream, _)) = silent.accept() {
            calls.push(stream);
            // Only the first is waited for.
            reached.send(()).unwrap_or_default();
        }
    });
    let mut stuck = shops.listen();
    tokio::task::spawn_blocking(move || call.recv_timeout(PATIENCE).unwrap())
        .await
        .unwrap();
    shops
        .until("the listener answers", || answers(shops.hooks))
        .await;
    tell(&stuck, "-TERM");
    shops
        .until("its door is closed", || !answers(shops.hooks))
        .await;
    tell(&stuck, "-TERM");
    // Either nothing had to be waited for, or the second signal cut the waiting short.
    let code = stuck.0.wait().unwrap().code();
    assert!(matches!(code, Some(0 | 130)), "{code:?}");
}

/// A deploy in the middle of a rush: what was sold before, during and after it is booked once, and both shops agree.
#[tokio::test(flavor = "multi_thread")]
async fn fault_49_a_stop_under_load_loses_nothing() {
    let shops = Shops::open("manage").await;
    shops.write("more.csv", "sku,on_hand\nMUG,134\nTEE,9\n");
    let (code, text) = shops.output(&["stock", "import", "more.csv"]);
    assert_eq!(code, 0, "{text}");
    shops.woo.edit_stock(Goods::Sku("MUG"), 134).unwrap();
    shops.shopify.edit_stock(Goods::Sku("MUG"), 134).unwrap();
    let mut first = shops.listen();
    shops
        .until("the listener subscribed", || shops.subscribed())
        .await;
    let sell = |times: i64| {
        for _ in 0..times {
            shops.woo.buy(Goods::Sku("MUG"), 1).unwrap();
            shops.shopify.buy(Goods::Sku("MUG"), 1).unwrap();
        }
    };
    sell(20);
    shops
        .until("some messages were answered", || {
            let answered = |market: &dyn Marketplace| {
                let log = market.log().into_iter();
                log.filter(|entry| {
                    matches!(
                        entry.happening,
                        Happening::DeliveryAnswered { accepted: true, .. }
                    )
                })
                .count()
            };
            answered(&*shops.woo.emulator()) > 5 && answered(&*shops.shopify.emulator()) > 5
        })
        .await;
    sell(20);
    tell(&first, "-TERM");
    sell(20);
    let ended = tokio::task::spawn_blocking(move || first.0.wait().unwrap());
    assert_eq!(ended.await.unwrap().code(), Some(0));
    sell(5);
    let _second = shops.listen();
    shops
        .until("both show what is left", || {
            shops.shown("MUG") == [Some(4), Some(4)]
        })
        .await;
    let (code, text) = shops.output(&["stock", "show", "--format", "json"]);
    assert_eq!(code, 0, "{text}");
    // Behind the document stands what was said beside it.
    let mut documents = serde_json::Deserializer::from_str(&text).into_iter::<serde_json::Value>();
    let body = documents.next().unwrap().unwrap();
    let skus = body["skus"].as_array().unwrap();
    let mug = skus.iter().find(|one| one["sku"] == "MUG").unwrap();
    assert_eq!(mug["available"], 4, "{mug}");
    let (code, text) = shops.output(&["verify"]);
    assert_eq!(code, 0, "{text}");
}
