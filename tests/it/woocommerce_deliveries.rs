//! Deliveries captured from a real WooCommerce: in any order, any number of times, they end in the same balances.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::fs;
use std::net::SocketAddr;
use std::process::{Command, Stdio};
use std::sync::Arc;
use std::time::Duration;

use http::{HeaderMap, HeaderName, HeaderValue, Method};
use onhand::channels::{ChannelSettings, Fault, Reply, Request, Webhook, Wire, platform};
use onhand::domain::clock::Timestamp;
use onhand::domain::stock::Basis;
use onhand::ledger::Ledger;
use onhand::ledger::counts::{self, Counted};
use onhand::ledger::record::{Intake, Says};
use onhand::ledger::sqlite::Sqlite;

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;

use crate::fixtures::shared;
use crate::listen::{Process, free};
use crate::store::{Still, at, balances, channel, ledger, place, rules, sku};

/// No call is needed to read a webhook.
struct NoWire;

#[async_trait::async_trait]
impl Wire for NoWire {
    async fn send(&self, request: Request) -> Result<Reply, Fault> {
        panic!("called {request:?}")
    }

    fn now(&self) -> Timestamp {
        at(0)
    }
}

struct Delivery {
    name: String,
    headers: HeaderMap,
    body: Vec<u8>,
}

fn deliveries() -> Option<Vec<Delivery>> {
    let folder = shared("fixtures/woocommerce/webhooks")?;
    let mut found: Vec<_> = fs::read_dir(folder)
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .filter(|path| path.extension().is_some_and(|ext| ext == "body"))
        .map(|path| {
            let text = fs::read_to_string(path.with_extension("headers.json")).unwrap();
            let json: serde_json::Value = serde_json::from_str(&text).unwrap();
            let pairs: Vec<(String, String)> =
                serde_json::from_value(json["headers"].clone()).unwrap();
            let headers = pairs.into_iter().map(|(name, value)| {
                (
                    name.parse::<HeaderName>().unwrap(),
                    HeaderValue::from_str(&value).unwrap(),
                )
            });
            let name = path.file_stem().unwrap().to_string_lossy().into_owned();
            Delivery {
                name,
                headers: headers.collect(),
                body: fs::read(&path).unwrap(),
            }
        })
        .collect();
    found.sort_by(|a, b| a.name.cmp(&b.name));
    assert_eq!(found.len(), 14);
    Some(found)
}

fn settings() -> ChannelSettings {
    ChannelSettings {
        id: channel("shop"),
        base_url: "https://shop.example".into(),
        webhook_secrets: vec!["whsec_onhand_fixture".into()],
        credentials: BTreeMap::from([("key".into(), "ck".into()), ("secret".into(), "cs".into())]),
        locations: vec![place()],
        options: BTreeMap::new(),
        hook_url: None,
    }
}

async fn end_state(order: &[&Delivery]) -> [(i64, i64); 2] {
    taken_in(&ledger(), order).await
}

async fn taken_in(ledger: &Ledger, order: &[&Delivery]) -> [(i64, i64); 2] {
    let shop = (platform("woocommerce").unwrap().open)(&settings()).unwrap();
    let counted_at = Timestamp::parse("2026-11-25T05:00:00Z").unwrap();
    let rows = ["MUG-1", "TEE-S"].map(|text| Counted {
        sku: sku(text),
        location: place(),
        units: 1000,
        basis: Basis::OnHand,
        set_aside: None,
        at: counted_at,
    });
    ledger
        .write(move |t| counts::count(t, &rows, "test", counted_at))
        .await
        .unwrap();
    for delivery in order {
        let hook = Webhook {
            method: &Method::POST,
            query: "",
            headers: &delivery.headers,
            body: &delivery.body,
        };
        let receipt = shop.receive(&NoWire, &hook, counted_at).await.unwrap();
        let says = Says::Understood {
            snapshots: receipt.snapshots,
            levels: receipt.levels,
            hints: receipt.hints,
            ignored: receipt.ignored,
        };
        let intake = Intake {
            channel: channel("shop"),
            received_at: counted_at,
            topic: receipt.topic,
            delivery: receipt.delivery_id,
            happened_at: receipt.happened_at,
            raw: delivery.body.clone(),
            solicited: false,
            says,
        };
        ledger.record(intake).await.unwrap();
    }
    assert_eq!(ledger.verify().await.unwrap(), Vec::<String>::new());
    let mut found = [(0, 0); 2];
    for (n, text) in ["MUG-1", "TEE-S"].into_iter().enumerate() {
        let now = balances(ledger, text).await;
        found[n] = (now.on_hand, now.committed);
    }
    found
}

#[tokio::test]
async fn any_order_and_repetition_ends_in_the_same_balances() {
    let Some(all) = deliveries() else { return };
    let expected = [(1000, 2), (1000, 2)];
    // Forwards, backwards, each twice, and rotations with a stride that is coprime to 14.
    let forwards: Vec<_> = all.iter().collect();
    let backwards: Vec<_> = all.iter().rev().collect();
    let twice: Vec<_> = all.iter().chain(all.iter().rev()).collect();
    let mut orders = vec![forwards, backwards, twice];
    for stride in [3, 5, 9, 11, 13] {
        for start in 0..14 {
            orders.push((0..28).map(|n| &all[(start + n * stride) % 14]).collect());
        }
    }
    for order in orders {
        let names: Vec<_> = order
            .iter()
            .map(|delivery| delivery.name.as_str())
            .collect();
        assert_eq!(end_state(&order).await, expected, "{names:?}");
    }
}

#[tokio::test]
async fn one_changed_byte_is_forged() {
    let Some(all) = deliveries() else { return };
    let shop = (platform("woocommerce").unwrap().open)(&settings()).unwrap();
    for delivery in all
        .iter()
        .filter(|delivery| delivery.name != "01-ping-on-create")
    {
        let mut body = delivery.body.clone();
        let middle = body.len() / 2;
        body[middle] ^= 1;
        let hook = Webhook {
            method: &Method::POST,
            query: "",
            headers: &delivery.headers,
            body: &body,
        };
        assert_eq!(
            shop.receive(&NoWire, &hook, at(0)).await,
            Err(Fault::Forged),
            "{}",
            delivery.name
        );
    }
}

/// What the deliveries say of buyers, except countries and what is too short to be told from anything else.
fn personal(all: &[Delivery]) -> Vec<String> {
    let mut found = Vec::new();
    for delivery in all {
        let Ok(body) = serde_json::from_slice::<serde_json::Value>(&delivery.body) else {
            continue;
        };
        for part in ["billing", "shipping"] {
            for (key, value) in body[part].as_object().into_iter().flatten() {
                if key != "country" {
                    found.extend(value.as_str().map(|text| format!("{text:?}")));
                }
            }
        }
        for key in ["customer_ip_address", "customer_user_agent", "order_key"] {
            found.extend(body[key].as_str().map(|text| format!("{text:?}")));
        }
    }
    found.retain(|text| text.len() > "\"\"".len() + 2);
    found.sort();
    found.dedup();
    found
}

#[tokio::test]
async fn nothing_of_the_buyer_is_in_the_store() {
    let Some(all) = deliveries() else { return };
    let folder = tempfile::tempdir().unwrap();
    let store = Box::new(Sqlite::open(&folder.path().join("onhand.db")).unwrap());
    let ledger = Ledger::inline(store, rules(), Arc::new(Still(1_000_000)));
    taken_in(&ledger, &all.iter().collect::<Vec<_>>()).await;
    let mut told = personal(&all);
    assert!(
        told.contains(&"\"ada@example.test\"".to_owned()),
        "{told:?}"
    );
    told.push("ada@example.test".to_owned());
    let mut searched = 0;
    for entry in fs::read_dir(folder.path()).unwrap() {
        let bytes = fs::read(entry.unwrap().path()).unwrap();
        searched += bytes.len();
        let text = String::from_utf8_lossy(&bytes);
        for part in &told {
            assert!(!text.contains(part), "{part} is in the store");
        }
    }
    assert!(searched > 50_000, "the store and its log: {searched} bytes");
}

/// Headers that belong to the connection that the delivery was captured from.
const OF_THE_CONNECTION: [&str; 4] = ["host", "connection", "content-length", "transfer-encoding"];

/// Posts a delivery; the whole answer.
async fn post(hooks: SocketAddr, delivery: &Delivery, body: &[u8]) -> String {
    let mut head = format!(
        "POST /hooks/shop HTTP/1.1\r\nhost: x\r\nconnection: close\r\ncontent-length: {}\r\n",
        body.len()
    );
    for (name, value) in &delivery.headers {
        if !OF_THE_CONNECTION.contains(&name.as_str()) {
            write!(head, "{name}: {}\r\n", value.to_str().unwrap()).unwrap();
        }
    }
    head.push_str("\r\n");
    let mut stream = TcpStream::connect(hooks).await.unwrap();
    stream.write_all(head.as_bytes()).await.unwrap();
    stream.write_all(body).await.unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).await.unwrap();
    answer
}

/// The seller of the smallest useful settings, whose shop cannot be reached.
struct Seller {
    folder: tempfile::TempDir,
    hooks: SocketAddr,
}

impl Seller {
    fn open() -> Self {
        let seller = Self {
            folder: tempfile::tempdir().unwrap(),
            hooks: free(),
        };
        let config = format!(
            r#"mode = "manage"
[store]
url = "sqlite:data/onhand.db"
[listen]
address = "{}"
admin_address = "127.0.0.1:0"
[locations.main]
authority = "onhand"
[channels.shop]
platform = "woocommerce"
base_url = "http://{}"
webhook_secrets = ["env:SHOP_SECRET"]
credentials = {{ key = "env:SHOP_KEY", secret = "env:SHOP_PASS" }}
locations = ["main"]
[buffers]
default = "0"
"#,
            seller.hooks,
            free()
        );
        fs::write(seller.folder.path().join("config.toml"), config).unwrap();
        let stock = "sku,location,on_hand\nMUG-1,main,1000\nTEE-S,main,1000\n";
        fs::write(seller.folder.path().join("stock.csv"), stock).unwrap();
        seller.says(&["stock", "import", "stock.csv"]);
        seller
    }

    fn command(&self, args: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_onhand"));
        command
            .current_dir(self.folder.path())
            .args(args)
            .env("SHOP_SECRET", "whsec_onhand_fixture")
            .env("SHOP_KEY", "ck")
            .env("SHOP_PASS", "cs")
            .stdout(Stdio::null())
            .stderr(Stdio::null());
        command
    }

    /// What a command that ends with 0 says on stdout.
    fn says(&self, args: &[&str]) -> String {
        let mut command = self.command(args);
        let found = command.stdout(Stdio::piped()).output().unwrap();
        let text = String::from_utf8(found.stdout).unwrap();
        assert!(found.status.success(), "{args:?}: {text}");
        text
    }

    async fn listen(&self) -> Process {
        let process = Process(self.command(&["listen"]).spawn().unwrap());
        let open = async {
            while TcpStream::connect(self.hooks).await.is_err() {
                tokio::time::sleep(Duration::from_millis(20)).await;
            }
        };
        let opened = tokio::time::timeout(Duration::from_mins(1), open).await;
        opened.expect("the listener opens its door");
        process
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_listener_ends_in_the_same_balances_after_a_kill() {
    let Some(all) = deliveries() else { return };
    let seller = Seller::open();
    let shuffled = |start: usize, stride: usize| (0..28).map(move |n| (start + n * stride) % 14);
    let first = seller.listen().await;
    for n in shuffled(4, 5).take(17) {
        let answer = post(seller.hooks, &all[n], &all[n].body).await;
        assert!(
            answer.starts_with("HTTP/1.1 200"),
            "{}: {answer}",
            all[n].name
        );
    }
    // SIGKILL.
    drop(first);
    let _second = seller.listen().await;
    for n in shuffled(9, 11) {
        let answer = post(seller.hooks, &all[n], &all[n].body).await;
        assert!(
            answer.starts_with("HTTP/1.1 200"),
            "{}: {answer}",
            all[n].name
        );
    }
    let paid = &all[1];
    let mut changed = paid.body.clone();
    changed[100] ^= 1;
    let answer = post(seller.hooks, paid, &changed).await;
    assert!(answer.starts_with("HTTP/1.1 401"), "{answer}");
    assert!(answer.ends_with("\r\n\r\n"), "its body is empty: {answer}");
    let shown = seller.says(&["stock", "show", "--format", "json"]);
    let shown: serde_json::Value = serde_json::from_str(&shown).unwrap();
    let found: Vec<_> = shown["skus"]
        .as_array()
        .unwrap()
        .iter()
        .map(|row| {
            let place = &row["locations"][0];
            (
                row["sku"].as_str().unwrap(),
                place["committed"].as_i64().unwrap(),
                place["on_hand"].as_i64().unwrap(),
            )
        })
        .collect();
    assert_eq!(found, [("MUG-1", 2, 1000), ("TEE-S", 2, 1000)]);
    seller.says(&["verify"]);
}
