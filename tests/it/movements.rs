//! What people type about receipts, transfers, counts, holds and incidents, and what they get.

use std::sync::Arc;

use onhand::ledger::Ledger;
use onhand::ledger::sqlite::Sqlite;
use serde_json::Value;

use crate::commands::{Desk, SHOP, order};
use crate::store::{Still, at, rules};

const PLACES: &str = "[locations.main]\n[locations.store]\n[channels.shop]\nplatform = \"woocommerce\"\n\
    base_url = \"https://shop.example\"\nwebhook_secrets = [\"env:SHOP_SECRET\"]\n\
    credentials = { key = \"env:SHOP_KEY\", secret = \"env:SHOP_PASS\" }\nlocations = [\"main\"]\n";

/// On hand, set aside, incoming and available of the first SKU at the first place.
#[track_caller]
fn first(desk: &Desk) -> (i64, i64, i64, i64) {
    let shown = desk.json("stock show", 0);
    let place = &shown["skus"][0]["locations"][0];
    let number = |key: &str| place[key].as_i64().unwrap();
    (
        number("on_hand"),
        number("set_aside"),
        number("incoming"),
        number("available"),
    )
}

#[test]
fn goods_are_ordered_and_arrive_once() {
    let desk = Desk::with(&[
        (
            "po.csv",
            "po,line,sku,quantity,due\nPO-1,1,MUG,100,2026-12-01\nPO-1,2,MUG,x,\n",
        ),
        (
            "r.csv",
            "sku,quantity,reference,po,line,condition\nMUG,60,R1,PO-1,1,\nMUG,3,RMA-7,,,damaged\nMUG,1,R1,PO-1,1,\n\
             MUG,1,R2,,,broken\nMUG,-1,R3,,,\nMUG,,R4,,,\n",
        ),
    ]);
    desk.check(
        "stock expect po.csv",
        1,
        &["line", "no time", "no whole number"],
    );
    desk.file("po.csv", b"po,line,sku,quantity\nPO-1,1,MUG,100\n");
    let dry = desk.json("stock expect po.csv --dry-run", 0);
    assert_eq!((&dry["accepted"], &dry["changed"]), (&1.into(), &1.into()));
    assert_eq!(desk.json("stock show", 0)["skus"], Value::Array(vec![]));
    desk.check("stock expect po.csv", 0, &["1 changed"]);
    desk.check("stock expect po.csv", 0, &["0 changed"]);
    assert_eq!(first(&desk), (0, 0, 100, 0), "incoming is not for sale");
    let text = desk.check(
        "stock receive r.csv --by ann",
        1,
        &[
            "line 2 says it already",
            "sellable, damaged or inspect",
            "below 0",
            "quantity is empty",
            "2 accepted, 4 rejected, 2 changed",
        ],
    );
    for line in ["4", "5", "6", "7"] {
        assert!(
            text.contains(&format!("r.csv     {line}")),
            "{line}: {text}"
        );
    }
    assert_eq!(first(&desk), (63, 3, 40, 60));
    let again = desk.json("stock receive r.csv", 1);
    assert_eq!(
        (&again["accepted"], &again["changed"]),
        (&2.into(), &0.into())
    );
    desk.file(
        "more.csv",
        b"sku,quantity,reference,po,line\nMUG,41,R9,PO-1,1\n",
    );
    desk.check(
        "stock receive more.csv",
        1,
        &["101 would have arrived of 100"],
    );
    desk.check("stock receive more.csv --over", 0, &["1 changed"]);
    desk.file(
        "more.csv",
        b"sku,quantity,reference,po,line\nMUG,40,R9,PO-1,1\n",
    );
    desk.check("stock receive more.csv", 1, &["known with 41", "--correct"]);
    desk.check("stock receive more.csv --correct", 0, &["1 changed"]);
    assert_eq!(first(&desk), (103, 3, 0, 100));
    desk.check(
        "audit MUG",
        0,
        &["receipt R1 of purchase order PO-1, by ann", "damaged"],
    );
    desk.check("verify", 0, &["ok: "]);
}

#[test]
fn a_transfer_is_sent_received_and_cut_short() {
    let desk = Desk::with(&[
        ("config.toml", PLACES),
        ("s.csv", "sku,on_hand,location\nMUG,40,main\n"),
        (
            "t.csv",
            "transfer,sku,from,to,quantity,received\nT1,MUG,main,store,40,\nT2,MUG,main,main,1,\nT3,MUG,main,moon,1,\n",
        ),
    ]);
    desk.check("stock import s.csv", 0, &[]);
    desk.check(
        "stock transfer t.csv",
        1,
        &[
            "from main to main",
            "one of main, store",
            "1 accepted, 2 rejected",
        ],
    );
    let way = desk.json("stock transfer", 0);
    assert_eq!(way["transfers"][0]["on_the_way"], 40);
    for (received, changed) in [(15, 1), (15, 0), (9, 0)] {
        let text =
            format!("transfer,sku,from,to,quantity,received\nT1,MUG,main,store,40,{received}\n");
        desk.file("t.csv", text.as_bytes());
        assert_eq!(desk.json("stock transfer t.csv", 0)["changed"], changed);
    }
    desk.file(
        "t.csv",
        b"transfer,sku,from,to,quantity,received\nT1,MUG,main,store,40,41\n",
    );
    desk.check(
        "stock transfer t.csv",
        1,
        &["41 were received and 40 were sent", "--over"],
    );
    desk.check(
        "stock transfer --cancel T1",
        2,
        &["25 units are on the way", "--goods"],
    );
    desk.check(
        "stock transfer --cancel T9 --goods lost",
        2,
        &["no transfer is called T9"],
    );
    desk.check(
        "stock transfer --cancel T1 --goods lost --dry-run",
        0,
        &["dry run"],
    );
    desk.check("stock transfer --cancel T1 --goods lost", 0, &[]);
    let shown = desk.json("stock show MUG", 0);
    let store = &shown["skus"][0]["locations"][1];
    assert_eq!(
        (&store["on_hand"], &store["incoming"]),
        (&15.into(), &0.into())
    );
    desk.check("stock transfer", 0, &["nothing is on the way"]);
    desk.check("audit MUG", 0, &["transfer T1"]);
    desk.check("verify", 0, &["ok: "]);
}

#[test]
fn what_is_changed_by_hand_has_a_reason_and_a_name() {
    let desk = Desk::with(&[("config.toml", SHOP), ("s.csv", "sku,on_hand\nMUG,10\n")]);
    desk.check("stock import s.csv", 0, &[]);
    desk.check("stock adjust MUG -2", 2, &["--reason"]);
    desk.check(
        "stock adjust LAMP -2 --reason broken",
        2,
        &["no SKU is called"],
    );
    desk.check(
        "stock adjust MUG -2 --reason broken --dry-run",
        0,
        &["dry run", "-2"],
    );
    desk.check("stock adjust MUG -2 --reason broken --by ann", 0, &[]);
    desk.check("stock set MUG 1 --dry-run", 0, &["dry run"]);
    assert_eq!(first(&desk), (8, 0, 0, 8));
    desk.check(
        "stock hold fair MUG 3 --reason fair --until 2999-01-01T00:00:00Z",
        0,
        &[],
    );
    desk.check(
        "stock hold fair MUG 3 --reason fair --until 1999-01-01T00:00:00Z",
        2,
        &["which is past"],
    );
    assert_eq!(first(&desk), (8, 3, 0, 5));
    desk.check("stock release fair --by bob", 0, &[]);
    desk.check("stock release fair", 0, &["nothing changed"]);
    desk.check("stock release none", 2, &["no hold is called none"]);
    assert_eq!(first(&desk), (8, 0, 0, 8));
    desk.check(
        "audit MUG",
        0,
        &[
            "broken, by ann",
            "hold fair for fair until 2999",
            "hold fair released, by bob",
        ],
    );
    desk.check("stock rename MUG CUP", 0, &[]);
    desk.check("stock rename MUG CUP", 2, &["no SKU is called \"MUG\""]);
    desk.check(
        "audit CUP",
        0,
        &["was called MUG until then", "broken, by ann"],
    );
    desk.check("explain CUP", 0, &["was called MUG"]);
    desk.check("verify", 0, &["ok: "]);
}

#[test]
fn a_count_says_what_it_compared_and_what_moved_since() {
    let desk = Desk::with(&[
        ("config.toml", SHOP),
        ("s.csv", "sku,on_hand,as_of\nMUG,20,2026-01-01T10:00:00Z\n"),
        (
            "c.csv",
            "sku,counted,counted_at\nMUG,19,2026-01-01T10:05:00Z\nMUG,x,\nMUG,1,2999-01-01T00:00:00Z\n",
        ),
        ("p.csv", "sku,counted,picked\nMUG,19,0\n"),
    ]);
    desk.check("stock import s.csv", 0, &[]);
    let found = desk.json("stock count c.csv --dry-run", 1);
    assert_eq!(found["rejected"].as_array().unwrap().len(), 2);
    let found = desk.json("stock count c.csv", 1);
    let count = &found["changes"][0];
    for (key, value) in [
        ("book", 20),
        ("counted", 19),
        ("variance", -1),
        ("later", 0),
        ("on_hand", 19),
        ("available", 19),
    ] {
        assert_eq!(count[key], value, "{key}");
    }
    assert_eq!(desk.json("stock count c.csv", 1)["changed"], 0);
    desk.check("stock count p.csv --picked-included", 2, &["leave one out"]);
    desk.check("stock count p.csv", 0, &["0 changed"]);
    let then = desk.json("stock show --at 2026-01-01T10:01:00Z", 0);
    assert_eq!(then["skus"][0]["available"], 20);
    desk.check("stock show --at 2999-01-01T00:00:00Z", 2, &["not come yet"]);
    desk.check("verify", 0, &["ok: "]);
}

#[test]
fn what_a_warehouse_says_is_not_said_here() {
    let config = format!(
        "[locations.depot]\nauthority = \"wms\"\n{}",
        SHOP.replace("channels.shop]", "channels.wms]\nrole = \"warehouse\"")
    );
    let desk = Desk::with(&[
        ("config.toml", &config),
        ("s.csv", "sku,on_hand\nMUG,20\n"),
        ("r.csv", "sku,quantity,reference\nMUG,20,R1\n"),
    ]);
    desk.check("stock import s.csv", 1, &["wms says what is at depot"]);
    desk.check("stock receive r.csv", 1, &["wms says what is at depot"]);
    desk.check("stock set MUG 5", 2, &["wms says what is at depot"]);
}

/// A desk with one unit, sold twice: 4711 has it, 4712 lost.
async fn oversold() -> Desk {
    let desk = Desk::with(&[
        ("config.toml", SHOP),
        ("s.csv", "sku,on_hand\nMUG-1,1\n"),
        ("l.csv", "channel,listing,sku\nshop,10,MUG-1\n"),
        (
            "i.csv",
            "date,sku,channel,order,units,cost,currency,reason\n2026-01-02,MUG-1,shop,4712,1,12.50,EUR,short\n\
             2026-01-02,MUG-1,shop,9,1,,,\n2026-01-02,MUG-1,nowhere,9,1,,,\n2026-01-02,MUG-1,shop,10,0,,,\n\
             tomorrow,MUG-1,shop,11,1,,,\n2026-01-02,MUG-1,shop,12,1,5,,\n",
        ),
    ]);
    desk.check("stock import s.csv", 0, &[]);
    desk.check("listings import l.csv", 0, &[]);
    desk.check("incidents list", 0, &["no incident is known"]);
    let store = desk.0.path().join("data/onhand.db");
    let ledger = Ledger::inline(
        Box::new(Sqlite::open(&store).unwrap()),
        rules(),
        Arc::new(Still(7_000)),
    );
    ledger.record(order("4711", "MUG-1", 1)).await.unwrap();
    let mut second = order("4712", "MUG-1", 1);
    second.received_at = at(6_500);
    ledger.record(second).await.unwrap();
    desk
}

#[tokio::test]
async fn an_oversell_is_listed_with_who_lost_and_is_resolved_by_people() {
    let desk = oversold().await;
    let found = desk.json("incidents list", 1);
    let incident = &found["incidents"][0];
    assert_eq!(incident["state"], "open");
    assert_eq!(
        (&incident["units"], &incident["orders"]),
        (&1.into(), &1.into())
    );
    assert_eq!(incident["lines"][0]["order"], "4712");
    assert_eq!(incident["evidence"]["available"], -1);
    desk.check("audit 4712", 0, &["incident"]);
    desk.check("explain MUG-1", 0, &["1  units are owed"]);
    desk.check(
        "incidents import i.csv",
        1,
        &[
            "no channel is called \"nowhere\"",
            "nothing was missing",
            "no day",
            "no currency",
            "2 accepted, 4 rejected, 2 changed",
        ],
    );
    assert_eq!(desk.json("incidents import i.csv", 1)["changed"], 0);
    let found = desk.json("incidents list", 1);
    let all = found["incidents"].as_array().unwrap();
    assert_eq!(all.len(), 2, "4712 is not counted twice: {found}");
    let ours = all.iter().find(|one| one["source"] == "ledger").unwrap();
    assert_eq!(
        (&ours["cost"], &ours["currency"]),
        (&"12.50".into(), &"EUR".into())
    );
    desk.check(
        "incidents add --date 2026-01-03 --sku MUG-1 --channel shop --order 77 --units 2 --cost 1,0 --currency EUR",
        2,
        &["no amount"],
    );
    desk.check(
        "incidents add --date 2026-01-03 --sku MUG-1 --channel shop --order 77 --units 2 --reason mixup",
        0,
        &["77"],
    );
    desk.check(
        "incidents resolve 99 --with cancel",
        2,
        &["no incident has the number 99"],
    );
    let id = &ours["id"];
    desk.check(
        &format!("incidents resolve {id} --with substitution --by ann"),
        0,
        &["1 lines were resolved", "substitution"],
    );
    desk.check("incidents list --open", 0, &[]);
    desk.check("verify", 0, &["ok: "]);
}

#[tokio::test]
async fn orders_are_moved_to_the_goods_that_a_corrected_mapping_names() {
    let desk = Desk::with(&[
        ("config.toml", SHOP),
        ("s.csv", "sku,on_hand\nRED,10\nBLUE,10\n"),
        ("l.csv", "channel,listing,sku\nshop,10,RED\n"),
    ]);
    desk.check("stock import s.csv", 0, &[]);
    desk.check("listings import l.csv", 0, &[]);
    let store = desk.0.path().join("data/onhand.db");
    let ledger = Ledger::inline(
        Box::new(Sqlite::open(&store).unwrap()),
        rules(),
        Arc::new(Still(7_000)),
    );
    let mut sold = order("4711", "", 2);
    if let onhand::ledger::record::Says::Understood { snapshots, .. } = &mut sold.says {
        let listing = onhand::domain::ids::ListingId::new("10").unwrap();
        snapshots[0].lines[0].listing = Some(listing);
    }
    ledger.record(sold).await.unwrap();
    desk.check("listings rebook", 0, &["0 lines"]);
    desk.file("l.csv", b"channel,listing,sku\nshop,10,BLUE\n");
    desk.check("listings import l.csv", 0, &["1 changed"]);
    desk.check(
        "listings rebook --dry-run",
        1,
        &["4711", "1 lines of 1 orders", "dry run"],
    );
    desk.check(
        "listings rebook --channel nowhere",
        2,
        &["no channel is called"],
    );
    desk.check(
        "listings rebook --channel shop --listing 11",
        0,
        &["0 lines"],
    );
    desk.check(
        "listings rebook --channel shop --listing 10",
        0,
        &["1 lines of 1 orders"],
    );
    let shown = desk.json("stock show", 0);
    assert_eq!(shown["skus"][0]["available"], 8, "BLUE");
    assert_eq!(shown["skus"][1]["available"], 10, "RED");
    desk.check("audit 4711", 0, &["was mapped to other goods"]);
    desk.check("verify", 0, &["ok: "]);
}
