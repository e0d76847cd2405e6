//! `onhand simulate` as people type it.

use std::fmt::Write as _;
use std::io::Read as _;

use serde_json::Value;

use super::Folder;
use crate::fixtures::shared;

/// The real orders, with the channel that the reference figures were made with, and a profile that knows of it.
fn with_channels(folder: &Folder) -> Option<()> {
    let data = shared("data")?;
    let packed = std::fs::File::open(data.join("online-retail.csv.gz")).unwrap();
    let mut text = String::new();
    flate2::read::GzDecoder::new(packed)
        .read_to_string(&mut text)
        .unwrap();
    let mut out = String::with_capacity(text.len() + (2 << 20));
    for (idx, line) in text.lines().enumerate() {
        let invoice = line.split(',').next().unwrap().trim_matches('"');
        let number = invoice.trim_start_matches(|c: char| c.is_ascii_alphabetic());
        if let Ok(number) = number.parse::<u64>() {
            writeln!(out, "{},{line}", number % 3).unwrap();
        } else {
            assert_eq!(idx, 0, "a row without an invoice number: {line}");
            writeln!(out, "Channel,{line}").unwrap();
        }
    }
    folder.file("retail.csv", out);
    let profile = include_str!("../../../data/online-retail.toml");
    let profile = profile.replace("[columns]", "[columns]\nchannel = [\"Channel\"]");
    folder.file("retail.toml", profile);
    Some(())
}

fn scenario<'a>(scenarios: &'a Value, mode: &str, latency_s: u64, buffer: &str) -> &'a Value {
    let is = |row: &&Value| {
        row["mode"] == mode && row["latency_s"] == latency_s && row["buffer"] == buffer
    };
    scenarios.as_array().unwrap().iter().find(is).unwrap()
}

#[test]
fn pairs_of_real_orders_are_those_of_the_reference() {
    let folder = Folder::new();
    if with_channels(&folder).is_none() {
        return;
    }
    let found = folder.json(
        "simulate retail.csv --export retail.toml --latency 5s,1m,5m,15m,60m --sku [28][52]*",
        0,
    );
    assert_eq!(found["channels"], serde_json::json!(["0", "1", "2"]));
    assert_eq!(found["reading"], "incidents per stockout");
    let path = shared("data").unwrap().join("online-retail-expected.json");
    let expected: Value = serde_json::from_str(&std::fs::read_to_string(path).unwrap()).unwrap();
    let mut n_compared = 0;
    for (sku, expected) in expected["pair_counts"]["skus"].as_object().unwrap() {
        let is = |row: &&Value| row["sku"] == sku.as_str();
        let ours = found["skus"].as_array().unwrap().iter().find(is).unwrap();
        for (key, mode, of) in [
            ("batch_units", "batch", "oversold_units_per_stockout"),
            ("event_units", "event", "oversold_units_per_stockout"),
            ("batch_orders", "batch", "oversold_orders_per_stockout"),
        ] {
            for (latency, number) in expected[key].as_object().unwrap() {
                let seconds = match latency.as_str() {
                    "5s" => 5,
                    "1min" => 60,
                    "5min" => 300,
                    "15min" => 900,
                    "60min" => 3_600,
                    other => panic!("{other}"),
                };
                let ours = scenario(&ours["scenarios"], mode, seconds, "0")[of]
                    .as_f64()
                    .unwrap();
                let number = number.as_f64().unwrap();
                assert!(
                    (ours - number).abs() < 1e-6,
                    "{sku} {key} {latency}: {ours} {number}"
                );
                n_compared += 1;
            }
        }
    }
    assert_eq!(n_compared, 45);
    // The page quotes them.
    let page = include_str!("../../../docs/oversell-model.md");
    for (sku, key, begins) in [
        ("85123A", "batch_units", "| 85123A | units |"),
        ("85123A", "batch_orders", "| | orders |"),
        ("22086", "batch_units", "| 22086 | units |"),
        ("22086", "batch_orders", "| | orders |"),
    ] {
        let numbers = &expected["pair_counts"]["skus"][sku][key];
        let told: Vec<_> = ["5s", "1min", "5min", "15min", "60min"]
            .iter()
            .map(|latency| format!("{:.3}", numbers[latency].as_f64().unwrap()))
            .collect();
        let row = format!("{begins} {} |", told.join(" | "));
        assert!(page.contains(&row), "the page does not say: {row}");
    }
}

/// Two channels that sell the same SKU within seconds of each other, every hour of ten days; and one that only one sells.
fn two_channels() -> String {
    let mut text = "order,time,sku,quantity,channel\n".to_owned();
    for day in 1..=10 {
        for hour in 8..18 {
            writeln!(
                text,
                "a{day}-{hour},2026-11-{day:02}T{hour:02}:00:07Z,MUG-1,1,web"
            )
            .unwrap();
            writeln!(
                text,
                "b{day}-{hour},2026-11-{day:02}T{hour:02}:00:17Z,MUG-1,1,till"
            )
            .unwrap();
            writeln!(
                text,
                "c{day}-{hour},2026-11-{day:02}T{hour:02}:30:05Z,CUP-1,2,web"
            )
            .unwrap();
        }
    }
    text
}

#[test]
fn what_two_channels_oversell_by_hand() {
    let folder = Folder::new();
    folder.file("sales.csv", two_channels());
    let found = folder.json(
        "simulate sales.csv --latency 5s,60s --buffer 0,1 --stockouts 6 --incident-cost 10 --sku MUG-*",
        0,
    );
    // Each hour two units, 10 s apart: one pair of 200 / 200 units within a minute, none within 5 s.
    let slow = scenario(&found["scenarios"], "event", 60, "0");
    assert_eq!(
        (&slow["orders"], &slow["units"]),
        (&200.into(), &200.into())
    );
    assert_eq!(slow["oversold_units_per_stockout"], 0.5);
    assert_eq!(slow["oversold_orders_per_stockout"], 0.5);
    assert_eq!(slow["stockouts_oversold_pct"], 50);
    assert_eq!(slow["oversold_units_per_month"], 3);
    assert_eq!(slow["cost_per_month"], 30);
    assert_eq!(slow["interval_95"], serde_json::json!([0.5, 0.5]));
    // A whole day sells 20, the export 200 in some 9.4 days: 3 of 600 and more a month.
    let share = slow["share_of_units_pct"].as_f64().unwrap();
    assert!((0.45..0.5).contains(&share), "{share}");
    let fast = scenario(&found["scenarios"], "event", 5, "0");
    assert_eq!(fast["oversold_units_per_stockout"], 0);
    // 50 s of a minute's phases lie before or after both orders.
    let batch = scenario(&found["scenarios"], "batch", 60, "0");
    let pairs = batch["oversold_units_per_stockout"].as_f64().unwrap();
    assert!((pairs - 0.5 * 50.0 / 60.0).abs() < 1e-6, "{pairs}");
    // One withheld: the last unit stays, and is never sold twice.
    let safe = scenario(&found["scenarios"], "event", 60, "1");
    assert_eq!(
        (
            &safe["oversold_units_per_stockout"],
            &safe["cost_per_month"]
        ),
        (&0.into(), &0.into())
    );
    assert!(safe["stranded_units"].as_f64().unwrap() >= 0.5);
    assert_eq!(found["skus"].as_array().unwrap().len(), 1);
    assert_eq!(found["tiers"][0]["skus"], 1);
}

#[test]
fn nothing_is_said_per_month_unless_it_is_known() {
    let folder = Folder::new();
    folder.file("sales.csv", two_channels());
    let found = folder.json("simulate sales.csv --latency 1m", 0);
    let row = scenario(&found["scenarios"], "event", 60, "0");
    for key in [
        "oversold_units_per_month",
        "share_of_units_pct",
        "cost_per_month",
    ] {
        assert_eq!(row[key], Value::Null, "{key}");
    }
    assert_eq!(found["stockouts_per_month"], Value::Null);
    assert!(row["cost_per_stockout"].as_f64().unwrap() > 0.0);
    folder.file("out.csv", "sku,per_month\nMUG-1,4\nOTHER,9\n");
    let found = folder.json(
        "simulate sales.csv --latency 1m --stockouts out.csv --peak 10",
        0,
    );
    assert_eq!(found["stockouts_per_month"], 40);
    assert_eq!(found["stockouts_from"], "file");
    let row = scenario(&found["scenarios"], "event", 60, "0");
    // At ten times the speed both orders of an hour, and no others, are within a minute: half a unit at each of 40.
    assert_eq!(row["oversold_units_per_month"], 20);
    let (_, talk) = folder.check("simulate sales.csv --stockouts none.csv", 2);
    assert!(talk.contains("none.csv"), "{talk}");
    folder.file("bad.csv", "sku,per_month\nMUG-1,often\n");
    let (_, talk) = folder.check("simulate sales.csv --stockouts bad.csv", 2);
    assert!(
        talk.contains("bad.csv:2") && talk.contains("hint"),
        "{talk}"
    );
}

#[test]
fn the_same_call_gives_the_same_figures() {
    let folder = Folder::new();
    folder.file("sales.csv", two_channels());
    let run = |line: &str| folder.check(line, 0).0;
    let line = "simulate sales.csv --buffer 0,1,10% --stockouts 3 --format csv";
    assert_eq!(run(line), run(line));
    let rows: Vec<_> = run(line).lines().map(ToOwned::to_owned).collect();
    // All, one tier, two SKUs, of 2 modes with 4 latencies with 3 buffers; and a header.
    assert_eq!(rows.len(), 1 + 4 * 2 * 4 * 3);
    assert!(rows[0].starts_with("scope,name,mode,latency_s,buffer,allocation,orders,units,"));
}

#[test]
fn what_cannot_be_simulated_is_refused_with_what_to_use() {
    let folder = Folder::new();
    folder.file("sales.csv", two_channels());
    for (flags, says) in [
        ("--buffer risk", "write units"),
        ("--allocation partitioned", "--allocation shared"),
        ("--allocation auto", "--allocation shared"),
        ("--latency 5", "write it like"),
        ("--peak 0", "is no peak"),
        ("--sku [", "--sku"),
    ] {
        let (_, talk) = folder.check(&format!("simulate sales.csv {flags}"), 2);
        assert!(talk.contains(says), "{flags}: {talk}");
    }
    let (_, talk) = folder.check("simulate sales.csv --sku NOTHING", 0);
    assert!(talk.contains("no SKU is left"), "{talk}");
    let (_, talk) = folder.check("simulate sales.csv --sku CUP-1", 0);
    assert!(talk.contains("of one channel"), "{talk}");
}

#[test]
fn days_without_a_time_are_left_out_and_told() {
    let folder = Folder::new();
    let mut text = "order,time,sku,quantity,channel\n".to_owned();
    text.push_str("1,2026-11-02,A,1,web\n2,2026-11-02,A,3,till\n");
    folder.file("days.csv", text);
    let found = folder.json("simulate days.csv --latency 1m --tz UTC", 0);
    assert_eq!(found["orders_without_time"], 2);
    assert_eq!(found["scenarios"][0]["units"], 0);
    // With exact times of the same orders in another file nothing is spread over a minute.
    folder.file("exact.csv", "order,time,sku,quantity,channel\n1,2026-11-02T10:00:01Z,A,1,web\n2,2026-11-02T10:00:04Z,A,1,till\n");
    let found = folder.json("simulate exact.csv --latency 5s --mode event", 0);
    assert_eq!(found["scenarios"][0]["oversold_units_per_stockout"], 0.5);
}

#[test]
fn the_report_says_what_the_json_says() {
    let folder = Folder::new();
    folder.file("sales.csv", two_channels());
    let found = folder.json(
        "simulate sales.csv --latency 5s,5m --current 1m --stockouts 6 --report page.html",
        0,
    );
    let page = std::fs::read_to_string(folder.path().join("page.html")).unwrap();
    assert!(page.contains("you are here: 1 min"), "where the seller is");
    assert!(page.contains("<svg") && !page.contains("<script"));
    // What the seller has now is a point of the curve, although it was not asked for.
    let now = scenario(&found["scenarios"], "batch", 60, "0");
    let number = |row: &Value, key: &str| row[key].as_f64().unwrap();
    let says = format!(
        "Now, synced every 1 min, a stockout oversells {:.4} units ({:.0} USD a month); told within 5 s it is 0.0000",
        number(now, "oversold_units_per_stockout"),
        number(now, "cost_per_month"),
    );
    assert!(page.contains(&says), "{says}");
    for row in found["scenarios"].as_array().unwrap() {
        let cell = format!("{:.4}", number(row, "oversold_units_per_stockout"));
        assert!(page.contains(&cell), "{cell}");
    }
}
