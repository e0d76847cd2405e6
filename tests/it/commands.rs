//! The real binary in folders of its own: what people type, and what they get.

use std::fs;
use std::process::{Command, Output, Stdio};
use std::sync::Arc;

use onhand::domain::clock::Clock;
use onhand::domain::ids::{LineId, OrderId};
use onhand::domain::order::{LineSnapshot, LineTarget, OrderSnapshot, Version};
use onhand::ledger::Ledger;
use onhand::ledger::record::{Intake, Says};
use onhand::ledger::sqlite::Sqlite;
use onhand::ledger::tables::{AuditRow, DeadLetter};
use onhand::sandbox::{Market, WooOptions, WooProduct};
use serde_json::Value;
use tempfile::TempDir;

use crate::store::{Still, at, channel, rules};

pub(crate) const SHOP: &str = r#"
[channels.shop]
platform = "woocommerce"
base_url = "https://shop.example"
webhook_secrets = ["env:SHOP_SECRET"]
credentials = { key = "env:SHOP_KEY", secret = "env:SHOP_PASS" }
"#;

/// A folder with files, in which commands run.
pub(crate) struct Desk(pub(crate) TempDir);

impl Desk {
    pub(crate) fn with(files: &[(&str, &str)]) -> Self {
        let desk = Self(tempfile::tempdir().unwrap());
        for (name, text) in files {
            desk.file(name, text.as_bytes());
        }
        desk
    }

    pub(crate) fn file(&self, name: &str, bytes: &[u8]) {
        fs::write(self.0.path().join(name), bytes).unwrap();
    }

    fn command(&self, line: &str) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_onhand"));
        command
            .args(line.split_whitespace())
            .current_dir(self.0.path())
            .env_clear()
            .stdin(Stdio::null());
        command
    }

    pub(crate) fn run(&self, line: &str) -> Output {
        self.command(line).output().unwrap()
    }

    /// Runs a command that must end with this code and say this on stdout or stderr.
    #[track_caller]
    pub(crate) fn check(&self, line: &str, code: i32, says: &[&str]) -> String {
        let found = self.run(line);
        let text = both(&found);
        assert_eq!(found.status.code(), Some(code), "{line}:\n{text}");
        for part in says {
            assert!(text.contains(part), "{line}: no {part:?} in:\n{text}");
        }
        text
    }

    #[track_caller]
    pub(crate) fn json(&self, line: &str, code: i32) -> Value {
        let found = self.run(&format!("{line} --format json"));
        assert_eq!(found.status.code(), Some(code), "{line}: {}", both(&found));
        let text = String::from_utf8(found.stdout).unwrap();
        assert!(
            text.starts_with("{\n  \"schema\": \"onhand."),
            "{line}: {text}"
        );
        serde_json::from_str(&text).unwrap()
    }
}

fn both(found: &Output) -> String {
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    format!("{}{}", text(&found.stdout), text(&found.stderr))
}

#[test]
fn what_is_wrong_with_the_settings_ends_with_2() {
    for (files, line, says) in [
        (vec![("config.toml", "mode = ")], "status", "config.toml:1:"),
        (
            vec![("config.toml", "[listen]\nadress = \"127.0.0.1:1\"\n")],
            "status",
            "did you mean `address`?",
        ),
        (vec![], "status --config none.toml", "no such file"),
        (
            vec![("config.toml", SHOP)],
            "channels check",
            "SHOP_KEY is not set",
        ),
        (
            vec![("config.toml", SHOP)],
            "listings discover",
            "SHOP_PASS is not set",
        ),
        (
            vec![("config.toml", &*format!("mode = \"observe\"\n{SHOP}"))],
            "channels subscribe",
            "its mode is observe",
        ),
        (
            vec![("config.toml", SHOP)],
            "channels subscribe",
            "public_url",
        ),
        (
            vec![("config.toml", SHOP)],
            "channels hold shpo",
            "one of shop",
        ),
    ] {
        Desk::with(&files).check(line, 2, &[says]);
    }
}

#[test]
fn what_is_wrong_with_the_call_or_a_file_ends_with_2() {
    for (files, line, says) in [
        (vec![], "stock import none.csv", "no such file"),
        (vec![("s.csv", "")], "stock import s.csv", "lacks sku"),
        (
            vec![("s.csv", "sku,onhand\nA,5\n")],
            "stock import s.csv",
            "lacks on_hand",
        ),
        (
            vec![("s.csv", "sku,on_hand,available\nA,5,5\n")],
            "stock import s.csv",
            "name one of them",
        ),
        (
            vec![("l.csv", "listing,sku\n1,A\n")],
            "listings import l.csv",
            "lacks channel",
        ),
        (
            vec![("b.csv", "bundle,component,quantity\nA,B,1\nB,C,1\nC,B,1\n")],
            "bundles import b.csv",
            "B > C > B",
        ),
        (vec![], "stock set A -5", "-5 is not in 0..=1000000000"),
        (
            vec![],
            "stock set A 1 --at 2999-01-01T00:00:00Z",
            "has not come yet",
        ),
        (
            vec![],
            "stock set A 1 --at yesterday",
            "2026-11-25T03:20:38Z",
        ),
        (vec![], "stock set A 1 --location moon", "one of main"),
        (vec![], "explain A", "no SKU is called \"A\""),
        (vec![], "explain A --channel x", "no channel is called x"),
        (
            vec![],
            "status --format yaml",
            "possible values: table, json, csv",
        ),
        (vec![], "stok", "similar subcommand exists: 'stock'"),
    ] {
        Desk::with(&files).check(line, 2, &[says]);
    }
}

#[test]
fn init_writes_settings_that_work_and_never_overwrites() {
    let desk = Desk::with(&[]);
    desk.check("init", 0, &["wrote config.toml"]);
    desk.check("status", 0, &[]);
    desk.check("init", 2, &["it is there already"]);
    desk.check("init --config other.toml", 0, &[]);
    desk.check("init --config no/folder.toml", 3, &["no/folder.toml"]);
}

#[test]
fn stock_is_counted_and_bad_rows_are_named() {
    let rows = "sku;on_hand;as_of\nMUG-1;5;\n0870;7;\nX;-1;\nY;1000000001;\nZ;1.5;\n;3;\nMUG-1;6;\nOLD;1;soon\n\
                NEW;1;2999-01-01T00:00:00Z\nA;1\n";
    let desk = Desk::with(&[("s.csv", rows)]);
    desk.check(
        "stock import s.csv",
        1,
        &[
            "line 2",
            "below 0",
            "between 0 and 1000000000",
            "no whole number",
            "sku is empty",
            "is no time",
            "has not come yet",
            "it has 2 fields, the header 3",
            "1 accepted, 9 rejected",
        ],
    );
    let shown = desk.json("stock show", 0);
    assert_eq!(shown["skus"][0]["sku"], "0870", "a SKU is no number");
    assert_eq!(shown["skus"][0]["available"], 7);
    let place = &shown["skus"][0]["locations"][0];
    for (key, value) in [
        ("on_hand", 7),
        ("committed", 0),
        ("set_aside", 0),
        ("incoming", 0),
        ("available", 7),
    ] {
        assert_eq!(place[key], value, "{key}");
    }
    assert_eq!(shown["skus"].as_array().unwrap().len(), 1);
}

#[test]
fn a_dry_run_changes_nothing_and_repeating_changes_nothing_more() {
    let desk = Desk::with(&[("s.csv", "sku,on_hand,set_aside\nA,5,1\nB,6,\n")]);
    let dry = desk.json("stock import s.csv --dry-run", 0);
    assert_eq!((&dry["accepted"], &dry["changed"]), (&2.into(), &2.into()));
    assert_eq!(desk.json("stock show", 0)["skus"], Value::Array(vec![]));
    assert_eq!(desk.json("stock import s.csv", 0)["changed"], 2);
    let again = desk.json("stock import s.csv", 0);
    assert_eq!(
        (&again["accepted"], &again["changed"]),
        (&2.into(), &0.into())
    );
    let shown = desk.json("stock show A", 0);
    assert_eq!(shown["skus"][0]["available"], 4, "one unit is set aside");
    desk.check("verify", 0, &["ok: "]);
}

#[test]
fn a_formula_in_a_sku_is_disarmed_in_csv_and_comes_back_as_it_was() {
    let desk = Desk::with(&[("s.csv", "sku,on_hand\n=1+1,5\n")]);
    desk.check("stock import s.csv", 0, &[]);
    let csv = desk.check("stock show --format csv", 0, &["'=1+1,main,5"]);
    desk.file("back.csv", csv.replace("available", "left").as_bytes());
    let again = desk.json("stock import back.csv", 0);
    assert_eq!(
        (&again["accepted"], &again["changed"]),
        (&1.into(), &0.into())
    );
}

#[test]
fn a_set_number_has_its_reason_in_the_audit() {
    let desk = Desk::with(&[]);
    desk.check("stock set MUG-1 4 --reason theft", 0, &["MUG-1"]);
    desk.check("audit MUG-1", 0, &["on_hand +4 at main", "user: theft"]);
    desk.check("audit NOTHING", 1, &["nothing is known"]);
    desk.check("explain mug-1", 2, &["no SKU is called \"mug-1\""]);
    assert_eq!(desk.json("audit MUG-1", 0)["story"][0]["kind"], "entry");
}

#[test]
fn the_parts_of_an_explanation_add_up() {
    let config = format!("{SHOP}\n[buffers]\ndefault = \"1\"\n");
    let desk = Desk::with(&[
        ("config.toml", &config),
        ("s.csv", "sku,on_hand\nMUG,9\nLAMP,3\n"),
        (
            "l.csv",
            "channel,listing,sku,factor\nshop,1,MUG,\nshop,2,MUG,6\nshop,3,SET,\nnowhere,4,MUG,\nshop,5,MUG,0\n",
        ),
        (
            "b.csv",
            "bundle,component,quantity\nSET,MUG,2\nSET,LAMP,1\n",
        ),
    ]);
    desk.check("stock import s.csv", 0, &[]);
    desk.check("bundles import b.csv", 0, &["1 accepted"]);
    desk.check("bundles import b.csv", 0, &["0 changed"]);
    desk.check("bundles show", 0, &["SET     LAMP"]);
    desk.check(
        "listings import l.csv",
        1,
        &["no channel is called \"nowhere\"", "between 1 and 1000000"],
    );
    let explained = desk.json("explain MUG", 0);
    let channels = explained["channels"].as_array().unwrap();
    let desired: Vec<_> = channels
        .iter()
        .map(|c| c["desired"].as_i64().unwrap())
        .collect();
    assert_eq!(desired, [8, 1, 2]);
    for channel in channels {
        let parts = channel["parts"].as_array().unwrap();
        let sum: i64 = parts
            .iter()
            .map(|part| part["units"].as_i64().unwrap())
            .sum();
        assert_eq!(sum, channel["desired"].as_i64().unwrap(), "{channel}");
        assert_eq!(channel["shown"], Value::Null);
    }
    desk.check("explain SET", 0, &["2  should be shown", "LAMP allows"]);
    desk.check("listings show", 0, &["shop     3"]);
    desk.check("stock set SET 3", 2, &["it is a bundle"]);
    assert_eq!(desk.json("status", 0)["channels"][0]["dirty_listings"], 3);
}

#[test]
fn a_held_channel_says_why_until_it_is_released() {
    let desk = Desk::with(&[("config.toml", SHOP)]);
    desk.check(
        "channels hold shop --reason moving",
        0,
        &["shop is held: moving"],
    );
    desk.check("status", 0, &["the channel is held: moving"]);
    desk.check("audit shop", 0, &["reason moving"]);
    desk.check("channels release shop", 0, &["shop is released"]);
    assert_eq!(desk.json("status", 0)["channels"][0]["quiet"], Value::Null);
}

#[test]
fn a_store_that_cannot_be_used_ends_with_4_or_3() {
    let desk = Desk::with(&[]);
    desk.check("stock set A 1", 0, &[]);
    let store = desk.0.path().join("data/onhand.db");
    for extra in ["-wal", "-shm"] {
        let path = format!("{}{extra}", store.display());
        drop(fs::remove_file(path));
    }
    fs::write(&store, "this is no store at all ".repeat(200)).unwrap();
    desk.check("verify", 4, &["it is damaged"]);
    desk.check("verify --quiet", 4, &["it is damaged"]);
    fs::remove_dir_all(desk.0.path().join("data")).unwrap();
    desk.file("data", b"a file where the folder should be");
    desk.check("verify", 3, &["open the store"]);
}

#[test]
fn nobody_who_reads_is_success() {
    let desk = Desk::with(&[]);
    for line in [
        "completions bash",
        "man",
        "stock show",
        "--help",
        "status --format json",
    ] {
        let (reader, writer) = std::io::pipe().unwrap();
        drop(reader);
        let status = desk
            .command(line)
            .stdout(writer)
            .stderr(Stdio::null())
            .status();
        assert_eq!(status.unwrap().code(), Some(0), "{line}");
    }
}

#[test]
fn every_format_of_every_looking_command_is_whole() {
    let desk = Desk::with(&[("config.toml", SHOP), ("s.csv", "sku,on_hand\nA,1\n")]);
    desk.check("stock import s.csv", 0, &[]);
    for (line, code) in [
        ("stock show", 0),
        ("listings show", 0),
        ("listings check", 0),
        ("bundles show", 0),
        ("explain A", 0),
        ("audit A", 0),
        ("verify", 0),
        ("status", 0),
        ("dlq list", 0),
        ("incidents list", 0),
        ("stock transfer", 0),
        ("listings rebook", 0),
    ] {
        desk.json(line, code);
        let quiet = desk.run(&format!("{line} --quiet --format csv"));
        assert_eq!(quiet.status.code(), Some(code), "{line}");
        assert!(quiet.stderr.is_empty(), "{line}: {}", both(&quiet));
        assert!(
            quiet.stdout.contains(&b','.to_owned()) || line == "verify",
            "{line}"
        );
    }
}

#[cfg(feature = "sales")]
#[test]
fn the_help_of_every_command() {
    use std::fmt::Write as _;

    let desk = Desk::with(&[]);
    let mut text = String::new();
    for line in [
        "",
        "init",
        "stock show",
        "stock import",
        "stock set",
        "stock count",
        "stock receive",
        "stock expect",
        "stock transfer",
        "stock adjust",
        "stock hold",
        "stock release",
        "stock rename",
        "listings show",
        "listings import",
        "listings discover",
        "listings check",
        "listings rebook",
        "bundles show",
        "bundles import",
        "incidents list",
        "incidents add",
        "incidents import",
        "incidents resolve",
        "channels check",
        "channels subscribe",
        "channels hold",
        "channels release",
        "explain",
        "audit",
        "erase",
        "recommend",
        "report cost",
        "report latency",
        "report drift",
        "report stock",
        "report weekly",
        "sync",
        "status",
        "verify",
        "dlq list",
        "completions",
        "man",
    ] {
        let help = desk.check(&format!("{line} --help"), 0, &["Usage: onhand"]);
        writeln!(text, "---- onhand {line} --help\n{help}").unwrap();
    }
    insta::assert_snapshot!(text);
}

/// An order of one line, as its webhook says it.
pub(crate) fn order(id: &str, text: &str, units: u32) -> Intake {
    let line = LineSnapshot {
        line: LineId::new("1").unwrap(),
        listing: None,
        sku: text.to_owned(),
        location: None,
        elsewhere: Vec::new(),
        target: LineTarget {
            committed: units,
            taken_by_channel: units,
            ..LineTarget::default()
        },
    };
    let snapshot = OrderSnapshot {
        pending: None,
        channel: channel("shop"),
        order: OrderId::new(id).unwrap(),
        version: Version {
            at: at(5_000),
            rank: 0,
        },
        placed_at: at(5_000),
        read_at: None,
        lines: vec![line],
    };
    Intake {
        channel: channel("shop"),
        received_at: at(6_000),
        topic: "order.created".to_owned(),
        delivery: Some("d-1".to_owned()),
        happened_at: Some(at(5_000)),
        raw: Vec::new(),
        solicited: false,
        says: Says::Understood {
            snapshots: vec![snapshot],
            levels: Vec::new(),
            hints: Vec::new(),
            ignored: None,
        },
    }
}

#[tokio::test]
async fn an_order_that_waited_for_its_goods_is_booked_and_told_as_one_story() {
    let desk = Desk::with(&[
        ("config.toml", SHOP),
        (
            "s.csv",
            "sku,available,as_of\nMUG-1,5,1970-01-01T00:00:01Z\n",
        ),
        ("l.csv", "channel,listing,sku\nshop,10,MUG-1\n"),
    ]);
    desk.check("status", 0, &[]);
    let store = desk.0.path().join("data/onhand.db");
    let open = || Box::new(Sqlite::open(&store).unwrap());
    let ledger = Ledger::inline(open(), rules(), Arc::new(Still(7_000)));
    ledger.record(order("4711", "mug-1", 2)).await.unwrap();
    assert_eq!(desk.json("status", 0)["channels"][0]["parked_orders"], 1);
    let found = desk.json("stock import s.csv", 0);
    assert_eq!(found["booked_skus"], 1, "the shop does not care about case");
    assert_eq!(desk.json("stock show", 0)["skus"][0]["available"], 3);
    desk.check("listings import l.csv", 0, &[]);
    desk.check(
        "explain MUG-1",
        0,
        &["-2  committed main", "3  should be shown"],
    );
    for subject in ["4711", "1", "d-1"] {
        let story = &desk.json(&format!("audit {subject}"), 0)["story"];
        assert_eq!(story[0]["kind"], "message", "{story}");
        assert_eq!(story[1]["kind"], "entry", "{story}");
        assert_eq!(story.as_array().unwrap().len(), 2, "{story}");
    }
    let now = onhand::runtime::clock::SystemClock.now();
    let push = AuditRow {
        at: now,
        kind: "push",
        channel: Some(channel("shop")),
        subject: "MUG-1".to_owned(),
        detail: r#"{"quantity":3,"outcome":"applied","before":{"Known":{"quantity":5,"as_of":"2026-11-25T03:20:38Z"}}}"#
            .to_owned(),
    };
    ledger
        .write(move |tables| tables.audit(std::slice::from_ref(&push)))
        .await
        .unwrap();
    desk.check("audit 4711", 0, &["push", "3 applied: 5 before"]);
    desk.check("audit 4711", 0, &["committed +2 at main", "delivery d-1"]);
    desk.check("audit 4711 --since 2999-01-01T00:00:00Z", 1, &[]);
    desk.check("verify", 0, &["1 orders"]);
    let raw = onhand::ledger::sqlite::open(&store).unwrap();
    raw.execute("UPDATE stock SET on_hand = on_hand + 1", [])
        .unwrap();
    desk.check("verify", 1, &["MUG-1 at main", "entries give"]);
    assert_eq!(desk.json("verify", 1)["ok"], false);
}

#[tokio::test]
async fn dead_letters_are_listed_and_end_with_1() {
    let desk = Desk::with(&[("config.toml", SHOP)]);
    desk.check("dlq list", 0, &[]);
    let store = desk.0.path().join("data/onhand.db");
    let ledger = Ledger::inline(
        Box::new(Sqlite::open(&store).unwrap()),
        rules(),
        Arc::new(Still(7_000)),
    );
    let letter = DeadLetter {
        channel: channel("shop"),
        kind: "push".to_owned(),
        what: "10".to_owned(),
        reason: "refused".to_owned(),
        answer: Some("\u{1b}[2Jno such product".to_owned()),
        attempts: 6,
        at: at(5_000),
    };
    ledger
        .write(move |tables| tables.add_dead_letter(&letter))
        .await
        .unwrap();
    let text = desk.check(
        "dlq list",
        1,
        &["no such product", "1970-01-01T00:00:05.000Z"],
    );
    assert!(
        !text.contains('\u{1b}'),
        "an answer cannot act on a terminal"
    );
    assert_eq!(desk.json("dlq list", 1)["dead_letters"][0]["attempts"], 6);
    desk.check("status", 0, &["1 dead letters"]);
}

/// A shop on loopback, and settings that reach it.
async fn shop(
    products: &[(&str, i64)],
) -> (onhand::sandbox::Running<onhand::sandbox::WooCommerce>, Desk) {
    let catalogue = products
        .iter()
        .map(|(sku, stock)| WooProduct::new(*sku, *stock))
        .collect();
    let options = WooOptions {
        catalogue,
        ..WooOptions::default()
    };
    let running = Market::start_woocommerce(&options).await.unwrap();
    let base_url = onhand::sandbox::Marketplace::base_url(&*running.emulator()).to_owned();
    let config = format!("[listen]\npublic_url = \"https://stock.example\"\n{SHOP}")
        .replace("https://shop.example", &base_url);
    let desk = Desk::with(&[("config.toml", &config)]);
    (running, desk)
}

fn keyed(desk: &Desk, shop: &onhand::sandbox::WooCommerce, line: &str) -> Output {
    desk.command(line)
        .env("SHOP_SECRET", shop.webhook_secret())
        .env("SHOP_KEY", shop.consumer_key())
        .env("SHOP_PASS", shop.consumer_secret())
        .output()
        .unwrap()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_shop_is_discovered_checked_and_subscribed_to() {
    let (running, desk) = shop(&[("MUG-1", 5), ("lamp", 3), ("CHAIR", 2), ("", 1)]).await;
    let shop = running.emulator();
    desk.file(
        "s.csv",
        b"sku,on_hand
MUG-1,5
LAMP,3
",
    );
    desk.check("stock import s.csv", 0, &[]);
    let found = keyed(&desk, &shop, "listings discover --format json");
    assert_eq!(found.status.code(), Some(1), "{}", both(&found));
    let body: Value = serde_json::from_slice(&found.stdout).unwrap();
    assert_eq!(body["channels"][0]["listings"], 4, "{body}");
    assert_eq!(
        body["channels"][0]["mapped"], 2,
        "WooCommerce does not care about case: {body}"
    );
    let again = keyed(&desk, &shop, "listings discover --format json");
    let body: Value = serde_json::from_slice(&again.stdout).unwrap();
    assert_eq!(body["channels"][0]["changed"], 0, "{body}");
    desk.check(
        "listings check",
        1,
        &["\"CHAIR\" is none of ours", "it has no SKU"],
    );
    desk.check("explain LAMP", 0, &["3  should be shown"]);
    desk.check("audit shop", 0, &["call", "outcome reply"]);

    let found = keyed(&desk, &shop, "channels check");
    assert_eq!(found.status.code(), Some(1), "{}", both(&found));
    assert!(
        both(&found).contains("channels subscribe"),
        "{}",
        both(&found)
    );
    let found = keyed(&desk, &shop, "channels subscribe");
    assert!(
        both(&found).contains("created or revived"),
        "{}",
        both(&found)
    );
    let found = keyed(&desk, &shop, "channels check");
    assert!(!both(&found).contains("missing: "), "{}", both(&found));
    desk.check("verify", 0, &["ok: "]);
    running.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_shop_that_does_not_answer_ends_with_3_and_refused_keys_are_a_finding() {
    let (running, desk) = shop(&[("MUG-1", 5)]).await;
    let shop = running.emulator();
    let refused = desk
        .command("channels check")
        .env("SHOP_SECRET", "x".repeat(40))
        .env("SHOP_KEY", format!("ck_{}", "0".repeat(40)))
        .env("SHOP_PASS", format!("cs_{}", "0".repeat(40)))
        .output()
        .unwrap();
    assert_eq!(refused.status.code(), Some(1), "{}", both(&refused));
    assert!(!both(&refused).contains("cs_0000"), "no secret is repeated");
    running.stop().await;
    let gone = keyed(&desk, &shop, "listings discover");
    assert_eq!(gone.status.code(), Some(3), "{}", both(&gone));
    assert!(
        both(&gone).contains("read the listings of shop"),
        "{}",
        both(&gone)
    );
}

#[tokio::test]
async fn a_buyer_is_erased_on_request_and_the_audit_tells_of_it() {
    let desk = Desk::with(&[("config.toml", SHOP)]);
    desk.check("stock set MUG-1 5", 0, &[]);
    for (line, says) in [
        ("erase", "nothing is named"),
        ("erase --order shop", "2 values required"),
        ("erase --text ann", "shorter than 4"),
    ] {
        desk.check(line, 2, &[says]);
    }
    let store = desk.0.path().join("data/onhand.db");
    let open = || Box::new(Sqlite::open(&store).unwrap());
    let ledger = Ledger::inline(open(), rules(), Arc::new(Still(7_000)));
    ledger.record(order("4711", "MUG-1", 2)).await.unwrap();
    let line = "erase --order shop 4711 4712";
    let dry = desk.json(&format!("{line} --dry-run"), 0);
    assert_eq!(
        (&dry["messages"], &dry["dry_run"]),
        (&1.into(), &true.into())
    );
    assert_eq!(desk.json(line, 0)["messages"], 1);
    assert_eq!(desk.json(line, 1)["messages"], 0, "it is gone");
    desk.check("erase --order shpo 4711", 1, &["no channel is called shpo"]);
    desk.check("audit 4711", 0, &["erase", "committed +2"]);
    desk.check("verify", 0, &["ok: "]);
}

/// A `listen` process on free ports; killed with its owner.
struct Listening(std::process::Child);

impl Listening {
    fn start(desk: &Desk, shop: &onhand::sandbox::WooCommerce) -> Self {
        let free = || {
            let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
            listener.local_addr().unwrap()
        };
        let (hooks, admin) = (free(), free());
        let line = format!("listen --addr {hooks} --admin-addr {admin}");
        let child = with_keys(&mut desk.command(&line), shop)
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        Self(child)
    }
}

impl Drop for Listening {
    fn drop(&mut self) {
        drop(self.0.kill());
        drop(self.0.wait());
    }
}

fn with_keys<'a>(command: &'a mut Command, shop: &onhand::sandbox::WooCommerce) -> &'a mut Command {
    command
        .env("SHOP_SECRET", shop.webhook_secret())
        .env("SHOP_KEY", shop.consumer_key())
        .env("SHOP_PASS", shop.consumer_secret())
}

/// Repeats a command until it ends with this code.
async fn until(desk: &Desk, shop: &onhand::sandbox::WooCommerce, line: &str, code: i32) -> Output {
    let mut found = keyed(desk, shop, line);
    for _ in 0..150 {
        if found.status.code() == Some(code) {
            return found;
        }
        tokio::time::sleep(std::time::Duration::from_millis(100)).await;
        found = keyed(desk, shop, line);
    }
    panic!("{line} never ended with {code}: {}", both(&found))
}

fn body(found: &Output) -> Value {
    serde_json::from_slice(&found.stdout).unwrap_or_else(|_| panic!("{}", both(found)))
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_sync_without_a_daemon_sends_by_itself() {
    let (running, desk) = shop(&[("MUG-1", 5), ("LAMP", 3)]).await;
    let shop = running.emulator();
    desk.file("s.csv", b"sku,on_hand\nMUG-1,2\nLAMP,9\n");
    desk.check("stock import s.csv", 0, &[]);
    assert_eq!(
        keyed(&desk, &shop, "listings discover").status.code(),
        Some(0)
    );

    let dry = desk.json("sync --dry-run", 1);
    assert_eq!(
        (&dry["compared"], &dry["in_flight"]),
        (&2.into(), &2.into())
    );
    assert_eq!(dry["lines"].as_array().unwrap().len(), 2, "{dry}");
    assert_eq!(dry["lines"][0]["live"], Value::Null);
    let again = desk.json("sync --dry-run", 1);
    assert_eq!(again["digest"], dry["digest"], "nothing was sent");

    let found = keyed(&desk, &shop, "sync --format json");
    assert_eq!(found.status.code(), Some(0), "{}", both(&found));
    let report = body(&found);
    assert_eq!(report["dirty_before"], 2, "{report}");
    assert_eq!(report["dirty_after"], 0, "{report}");
    assert_eq!(report["lines"], Value::Array(vec![]), "{report}");
    for (sku, units) in [("MUG-1", 2), ("LAMP", 9)] {
        let goods = onhand::sandbox::Goods::Sku(sku);
        let shown = onhand::sandbox::Marketplace::shown(&*shop, goods);
        assert_eq!(shown, Some(units), "{sku}");
    }
    desk.check("sync --dry-run", 0, &["2 listings compared, 0 would"]);
    desk.check("sync --channel shpo", 2, &["one of shop"]);
    let config = fs::read_to_string(desk.0.path().join("config.toml")).unwrap();
    desk.file(
        "config.toml",
        format!("mode = \"observe\"\n{config}").as_bytes(),
    );
    desk.check("sync", 2, &["the mode is observe"]);
    desk.check("sync --dry-run", 0, &[]);
    desk.check("verify", 0, &["ok: "]);
    running.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn beside_a_daemon_a_sync_is_handed_over_and_another_plan_is_refused() {
    let (running, desk) = shop(&[("MUG-1", 5)]).await;
    let shop = running.emulator();
    desk.check("stock set MUG-1 5", 0, &[]);
    let listening = Listening::start(&desk, &shop);
    let holder = format!("process {}", listening.0.id());
    // The plan is written down at the start; then the daemon finds the listings.
    until(&desk, &shop, "listings check", 0).await;
    let found = keyed(&desk, &shop, "listen");
    assert_eq!(found.status.code(), Some(4), "{}", both(&found));
    assert!(both(&found).contains(&holder), "{}", both(&found));
    let found = until(&desk, &shop, "sync --format json", 0).await;
    assert_eq!(body(&found)["by"], *holder, "{}", both(&found));
    assert_eq!(body(&found)["dirty_after"], 0);

    let config = fs::read_to_string(desk.0.path().join("config.toml")).unwrap();
    let other = format!("{config}\n[buffers]\ndefault = \"2\"\n");
    desk.file("other.toml", other.as_bytes());
    let (lost, new) = ("- buffer default 0", "+ buffer default 2");
    for line in ["sync", "channels subscribe"] {
        let line = format!("{line} --config other.toml");
        desk.check(&line, 2, &["another plan", &holder, lost, new]);
    }
    for line in [
        "status",
        "stock set MUG-1 4",
        "sync --dry-run --channel shop",
    ] {
        let found = desk.run(&format!("{line} --config other.toml"));
        assert_ne!(found.status.code(), Some(2), "{line}: {}", both(&found));
        let told = String::from_utf8_lossy(&found.stderr).into_owned();
        assert!(told.contains(new), "{line}: {told}");
    }
    until(&desk, &shop, "sync", 0).await;
    drop(listening);
    desk.check("status --config other.toml", 0, &[]);
    desk.check("verify", 0, &["ok: "]);
    running.stop().await;
}
