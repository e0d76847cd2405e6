//! Deliveries captured from a real WooCommerce: in any order, any number of times, they end in the same balances.

use std::collections::BTreeMap;
use std::fs;
use std::sync::Arc;

use http::{HeaderMap, HeaderName, HeaderValue, Method};
use onhand::channels::{ChannelSettings, Fault, Reply, Request, Webhook, Wire, platform};
use onhand::domain::clock::Timestamp;
use onhand::domain::stock::Basis;
use onhand::ledger::Ledger;
use onhand::ledger::counts::{self, Counted};
use onhand::ledger::record::{Intake, Says};
use onhand::ledger::sqlite::Sqlite;

use crate::fixtures::shared;
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
