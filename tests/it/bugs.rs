//! Bugs that software of this kind had: each case by its number, over the real books or the real program.

use std::collections::BTreeMap;
use std::sync::Arc;

use onhand::domain::bundle::Need;
use onhand::domain::ids::{LineId, ListingId, OrderId};
use onhand::domain::order::{LineTarget, OrderSnapshot};
use onhand::ledger::Ledger;
use onhand::ledger::record::{Intake, Says};
use onhand::ledger::sqlite::Sqlite;
use onhand::ledger::tables::Outcome;
use proptest::prelude::*;

use crate::commands::{Desk, SHOP};
use crate::life::{House, order, sku};
use crate::store::{Still, balances, intake, rules};

/// Keys that look like numbers stay texts: in tables, in files, on the command line.
#[test]
fn s12_numeric_skus_are_texts_everywhere() {
    let config = format!("{SHOP}\n[tiers.pin]\n\"00123\" = \"C\"\n1234567891234 = \"B\"\n");
    let desk = Desk::with(&[
        ("config.toml", &config),
        ("s.csv", "sku,on_hand\n00123,5\n1234567891234,6\n"),
        (
            "l.csv",
            "channel,listing,sku\nshop,1,00123\nshop,2,1234567891234\n",
        ),
    ]);
    desk.check("stock import s.csv", 0, &[]);
    desk.check("listings import l.csv", 0, &[]);
    let found = desk.json("explain 00123", 0);
    assert_eq!(
        (&found["sku"], &found["channels"][0]["tier"]),
        (&"00123".into(), &"C".into())
    );
    let found = desk.json("explain 1234567891234", 0);
    assert_eq!(found["channels"][0]["tier"], "B");
    desk.check("explain 123", 2, &["no SKU is called \"123\""]);
}

/// Keys of the user keep their case; variables set settings and never what the user named.
#[test]
fn s13_keys_keep_their_case() {
    let config = format!("{SHOP}\n[buffers.sku]\n\"ABC-1\" = 3\n\"abc-1\" = 5\n");
    let desk = Desk::with(&[
        ("config.toml", &config),
        ("s.csv", "sku,on_hand\nABC-1,10\nabc-1,10\n"),
        ("l.csv", "channel,listing,sku\nshop,1,ABC-1\nshop,2,abc-1\n"),
        ("wrong.toml", "[bufers]\ndefault = 1\n"),
    ]);
    desk.check("stock import s.csv", 0, &[]);
    desk.check("listings import l.csv", 0, &[]);
    for (name, shown) in [("ABC-1", 7), ("abc-1", 5)] {
        let found = desk.json(&format!("explain {name}"), 0);
        assert_eq!(found["channels"][0]["desired"], shown, "{name}");
    }
    let with = |name: &str, value: &str| {
        let mut command = std::process::Command::new(env!("CARGO_BIN_EXE_onhand"));
        command.arg("status").current_dir(desk.0.path()).env_clear();
        command.env(name, value).output().unwrap().status.code()
    };
    assert_eq!(with("ONHAND_LANES__SWEEP_S", "7"), Some(0));
    assert_eq!(with("ONHAND_BUFFERS__SKU__ABC-1", "1"), Some(2));
    desk.check("status --config wrong.toml", 2, &["bufers"]);
}

/// Callback, webhook and status change of one order book it once, in any order.
#[tokio::test]
async fn s25_two_code_paths_are_one_sale() {
    for versions in [[5, 6, 7], [7, 6, 5], [6, 7, 5]] {
        let house = House::new();
        house.count("A", "main", 10, 0).await;
        for version in versions.into_iter().chain(versions) {
            let mut found = order("shop", "500", version, "A", (2, 0, 0));
            found.placed_at = crate::life::at(5);
            house.say(found).await;
        }
        assert_eq!(house.at("A", "main").await.committed, 2);
        house.whole().await;
    }
}

/// Ten copies at one instant and one more later: one effect, the others are duplicates of it.
#[tokio::test]
async fn s26_copies_at_one_instant_are_one_effect() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("onhand.db");
    let store = || Box::new(Sqlite::open(&path).unwrap());
    let ledger = Ledger::start(store(), store(), rules(), Arc::new(Still(1_000_000)));
    ledger
        .write(|t| t.add_skus(&[sku("A")].into()))
        .await
        .unwrap();
    let message = || paid("1", 3);
    let copies: Vec<_> = (0..10)
        .map(|_| {
            let ledger = ledger.clone();
            tokio::spawn(async move { ledger.record(message()).await.unwrap().outcome })
        })
        .collect();
    let mut outcomes = Vec::new();
    for copy in copies {
        outcomes.push(copy.await.unwrap());
    }
    outcomes.push(ledger.record(message()).await.unwrap().outcome);
    let count = |wanted| outcomes.iter().filter(|found| **found == wanted).count();
    assert_eq!(
        (count(Outcome::Applied), count(Outcome::Duplicate)),
        (1, 10)
    );
    assert_eq!(balances(&ledger, "A").await.committed, 3);
}

fn paid(id: &str, units: u32) -> Intake {
    says(order("shop", id, 5, "A", (units, 0, 0)))
}

fn says(snapshot: OrderSnapshot) -> Intake {
    let understood = Says::Understood {
        snapshots: vec![snapshot],
        levels: Vec::new(),
        hints: Vec::new(),
        ignored: None,
    };
    intake("shop", None, understood)
}

/// The update comes before the creation.
#[tokio::test]
async fn s27_an_update_of_an_unknown_order_creates_it() {
    let house = House::new();
    house.count("A", "main", 10, 0).await;
    let mut updated = order("shop", "1", 7, "A", (3, 0, 0));
    updated.placed_at = crate::life::at(5);
    house.say(updated).await;
    house.say(order("shop", "1", 5, "A", (2, 0, 0))).await;
    assert_eq!(house.at("A", "main").await.committed, 3);
}

/// Refund with restock, then cancel: once.
#[tokio::test]
async fn s28_refund_and_cancel_put_back_once() {
    let house = House::new();
    house.count("A", "main", 10, 0).await;
    for (version, target, on_hand) in [
        (5, (0, 1, 0), 9),
        (6, (0, 1, 1), 10),
        (7, (0, 1, 1), 10),
        (8, (0, 1, 5), 10),
    ] {
        house.say(order("shop", "1", version, "A", target)).await;
        assert_eq!(house.at("A", "main").await.available(), on_hand);
    }
    house.whole().await;
}

/// Ship 3 of 10, cancel 3, credit 5 with restock: 4 of those never left, 1 comes back.
#[tokio::test]
async fn s29_partial_shipments_cancels_and_credits_add_up() {
    let house = House::new();
    house.count("A", "main", 100, 0).await;
    for (version, target) in [
        (5, (10, 0, 0)),
        (6, (7, 3, 0)),
        (7, (4, 3, 0)),
        (8, (0, 3, 1)),
    ] {
        house.say(order("shop", "1", version, "A", target)).await;
    }
    let now = house.at("A", "main").await;
    assert_eq!((now.on_hand, now.committed), (98, 0));
    house.whole().await;
}

/// A cancel of what was never reserved books nothing, in any order.
#[tokio::test]
async fn s32_a_cancel_of_nothing_books_nothing() {
    for versions in [[5, 6], [6, 5]] {
        let house = House::new();
        house.count("A", "main", 10, 0).await;
        for version in versions {
            house.say(order("shop", "1", version, "A", (0, 0, 0))).await;
        }
        assert_eq!(house.at("A", "main").await.committed, 0);
    }
}

/// Lines are added, raised and removed.
#[tokio::test]
async fn s33_edits_of_an_order_move_stock() {
    let house = House::new();
    house.count("A", "main", 10, 0).await;
    house.count("B", "main", 10, 0).await;
    let edited = |version, lines: &[(&str, &str, u32)]| {
        let mut found = order("shop", "1", version, "A", (0, 0, 0));
        found.placed_at = crate::life::at(5);
        let first = found.lines.remove(0);
        for (line, text, units) in lines {
            let mut next = first.clone();
            (next.line, next.sku) = (LineId::new(line).unwrap(), (*text).to_owned());
            next.target.committed = *units;
            found.lines.push(next);
        }
        found
    };
    for (version, lines, expected) in [
        (5, vec![("1", "A", 1)], (1, 0)),
        (6, vec![("1", "A", 2), ("2", "B", 1)], (2, 1)),
        (7, vec![("1", "A", 2), ("2", "B", 0)], (2, 0)),
        (8, vec![("1", "A", 2)], (2, 0)),
    ] {
        house.say(edited(version, &lines)).await;
        let now = (
            house.at("A", "main").await.committed,
            house.at("B", "main").await.committed,
        );
        assert_eq!(now, expected, "{version}");
    }
    house.whole().await;
}

/// Somebody edits the file: `verify` names what does not follow from the entries.
#[tokio::test]
async fn s34_a_negative_promise_is_found_by_verify() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("onhand.db");
    let ledger = Ledger::inline(
        Box::new(Sqlite::open(&path).unwrap()),
        rules(),
        Arc::new(Still(1_000_000)),
    );
    ledger
        .write(|t| t.add_skus(&[sku("A")].into()))
        .await
        .unwrap();
    ledger.record(paid("1", 2)).await.unwrap();
    let edit = onhand::ledger::sqlite::open(&path).unwrap();
    edit.execute("UPDATE stock SET committed = -2", []).unwrap();
    let broken = ledger.verify().await.unwrap().join("\n");
    for part in ["A at main", "\"committed\":-2", "\"committed\":2"] {
        assert!(broken.contains(part), "{part}: {broken}");
    }
}

/// A component that a recipe names twice is needed twice. Numbers of S35, and of S36 for two components.
#[tokio::test]
async fn s35_s36_components_are_summed_and_the_scarcest_decides() {
    let house = House::new();
    let need = |text: &str, units| Need {
        sku: sku(text),
        units,
    };
    house.count("C", "main", 5, 0).await;
    house.count("P", "main", 8, 0).await;
    house.count("Q", "main", 4258, 0).await;
    let recipes = BTreeMap::from([
        (sku("X"), vec![need("C", 1), need("C", 2)]),
        (sku("KIT"), vec![need("P", 2), need("Q", 2)]),
    ]);
    house
        .ledger
        .write(move |t| t.put_recipes(&recipes))
        .await
        .unwrap();
    house.map("10", "X", None).await;
    house.map("20", "KIT", None).await;
    assert_eq!(house.desired("10").await.0, 1);
    let mut sold = order("shop", "1", 5, "", (1, 0, 0));
    sold.lines[0].listing = Some(ListingId::new("10").unwrap());
    house.say(sold).await;
    assert_eq!(house.at("C", "main").await.committed, 3);
    house.say(order("shop", "2", 5, "P", (14, 0, 0))).await;
    house.say(order("shop", "3", 5, "Q", (168, 0, 0))).await;
    assert_eq!(house.at("P", "main").await.available(), -6);
    assert_eq!(house.desired("20").await.0, 0);
    house.whole().await;
}

/// Two workers book a thousand each.
#[tokio::test]
async fn s38_two_workers_lose_no_update() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("onhand.db");
    let store = || Box::new(Sqlite::open(&path).unwrap());
    let ledger = Ledger::start(store(), store(), rules(), Arc::new(Still(1_000_000)));
    ledger
        .write(|t| t.add_skus(&[sku("A")].into()))
        .await
        .unwrap();
    let mut tasks = Vec::new();
    for n in 0..2_000 {
        let ledger = ledger.clone();
        let message = paid(&n.to_string(), 1);
        tasks.push(tokio::spawn(async move {
            drop(ledger.record(message).await.unwrap());
        }));
    }
    for task in tasks {
        task.await.unwrap();
    }
    assert_eq!(balances(&ledger, "A").await.committed, 2_000);
}

/// Two processes write to one file: none of them fails, nothing is lost.
#[tokio::test]
async fn s67_two_processes_share_a_store() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("onhand.db");
    let open = || {
        let store = || Box::new(Sqlite::open(&path).unwrap());
        Ledger::start(store(), store(), rules(), Arc::new(Still(1_000_000)))
    };
    let (daemon, cli) = (open(), open());
    daemon
        .write(|t| t.add_skus(&[sku("A")].into()))
        .await
        .unwrap();
    let mut tasks = Vec::new();
    for n in 0..400 {
        let ledger = if n % 2 == 0 {
            daemon.clone()
        } else {
            cli.clone()
        };
        let message = paid(&n.to_string(), 1);
        tasks.push(tokio::spawn(async move {
            drop(ledger.record(message).await.unwrap());
        }));
    }
    for task in tasks {
        task.await.unwrap();
    }
    assert_eq!(balances(&cli, "A").await.committed, 400);
    assert!(daemon.verify().await.unwrap().is_empty());
}

/// What is for trying out and what is real are checked against each other before the first call.
#[test]
fn s74_a_sandbox_is_never_the_real_shop() {
    let with = |more: &str, url: &str| {
        let config = SHOP.replace("https://shop.example", url);
        let desk = Desk::with(&[("config.toml", &format!("{config}{more}\n"))]);
        desk.run("status").status.code()
    };
    assert_eq!(with("", "https://shop.example"), Some(0));
    assert_eq!(with("sandbox = true", "https://shop.example"), Some(2));
    assert_eq!(with("", "https://sandbox.walmartapis.com"), Some(2));
}

/// Why the number is what it is: the parts add up, and the entries behind them name who and what.
#[test]
fn s77_every_change_says_why() {
    let desk = Desk::with(&[
        ("config.toml", &format!("{SHOP}\n[buffers]\ndefault = 2\n")),
        ("s.csv", "sku,on_hand\nMUG,10\n"),
        ("r.csv", "sku,quantity,reference\nMUG,5,R1\n"),
        ("l.csv", "channel,listing,sku\nshop,1,MUG\n"),
    ]);
    desk.check("stock import s.csv", 0, &[]);
    desk.check("stock receive r.csv --by ann", 0, &[]);
    desk.check("listings import l.csv", 0, &[]);
    desk.check("stock adjust MUG -1 --reason broken --by bob", 0, &[]);
    desk.check("stock hold fair MUG 3 --reason fair --by eve", 0, &[]);
    desk.check("stock set MUG 13 --reason recount", 0, &[]);
    desk.check(
        "explain MUG --channel shop --history",
        0,
        &[
            "+13  on_hand main",
            "-3  set_aside main",
            "-2  buffer (default)",
            "8  should be shown",
            "receipt R1, by ann",
            "broken, by bob",
            "hold fair for fair, by eve",
            "counted 13 by user: recount",
        ],
    );
    let found = desk.json("explain MUG --history", 0);
    let history = found["history"].as_array().unwrap();
    let sum: i64 = history
        .iter()
        .map(|entry| entry["moved"]["on_hand"].as_i64().unwrap())
        .sum();
    assert_eq!(sum, 13);
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(40))]

    /// Cancel and resume, as often as you like: the order of five holds none or five.
    #[test]
    fn s31_cancel_and_resume_hold_none_or_all(open in prop::collection::vec(any::<bool>(), 1..12)) {
        let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
        runtime.block_on(async {
            let house = House::new();
            house.count("A", "main", 9, 0).await;
            for (n, open) in open.iter().enumerate() {
                let version = 5 + i64::try_from(n).unwrap();
                let mut found = order("shop", "1", version, "A", (if *open { 5 } else { 0 }, 0, 0));
                found.placed_at = crate::life::at(5);
                (found.order, found.lines[0].target) = (
                    OrderId::new("1").unwrap(),
                    LineTarget { committed: if *open { 5 } else { 0 }, ..LineTarget::default() },
                );
                house.say(found).await;
                assert_eq!(house.at("A", "main").await.committed, if *open { 5 } else { 0 });
            }
            house.whole().await;
        });
    }
}
