//! `report` and `recommend` as people type them.

use serde_json::{Value, json};

use crate::commands::{Desk, SHOP};

const HEAD: &str = "date,sku,channel,order,units,cost,currency,reason\n";

fn desk(more: &str, incidents: &str) -> Desk {
    let config = format!("{more}\n{SHOP}");
    let rows = format!("{HEAD}{incidents}");
    let desk = Desk::with(&[
        ("config.toml", &config),
        ("s.csv", "sku,on_hand\nA,50\nB,3\n"),
        ("i.csv", &rows),
    ]);
    desk.check("stock import s.csv", 0, &[]);
    desk.check("incidents import i.csv", 0, &["0 rejected"]);
    desk
}

/// S14: amounts in different currencies are never added without a rate of a day.
#[test]
fn s14_each_currency_has_its_line_and_a_total_needs_dated_rates() {
    let rows = "2026-10-02,A,shop,1,1,40,USD,\n2026-10-05,A,shop,2,1,40,USD,\n\
                2026-10-09,A,shop,3,1,30,EUR,\n2026-10-20,B,shop,4,1,5000,JPY,\n";
    let line = "report cost --since 2026-10-01 --until 2026-10-30";
    let without = desk("", rows);
    let found = without.json(line, 0);
    let told: Vec<_> = found["by_currency"]
        .as_array()
        .unwrap()
        .iter()
        .map(|one| {
            (
                one["currency"].clone(),
                one["amount"].clone(),
                one["added"].clone(),
            )
        })
        .collect();
    assert_eq!(
        told,
        [
            (json!("EUR"), json!("30.00"), json!(false)),
            (json!("JPY"), json!("5,000"), json!(false)),
            (json!("USD"), json!("80.00"), json!(true)),
        ]
    );
    assert_eq!(
        (&found["incidents"], &found["total_per_month"]),
        (&json!(4), &Value::Null)
    );
    assert_eq!(found["recommendation"]["decided"], false);
    without.check(line, 0, &["costs in EUR, JPY are not added", "5,000"]);

    let rates = "[costs.rates]\nEUR = [\"1.00 on 2026-01-01\", \"1.10 on 2026-10-08\", \"9 on 2026-10-10\"]\n\
                 JPY = [\"0.0070 on 2026-10-01\"]\n";
    let found = desk(rates, rows).json(line, 0);
    assert_eq!(
        found["rates"],
        json!([
            { "currency": "EUR", "of": "2026-10-08", "rate": 1.1 },
            { "currency": "JPY", "of": "2026-10-01", "rate": 0.007 },
        ])
    );
    let total = found["total_per_month"].as_f64().unwrap();
    // 80 + 30 × 1.10 + 5,000 × 0.007 over one month of 30 days.
    assert!((total - 148.0).abs() < 1e-6, "{total}");
}

#[test]
fn a_change_is_compared_and_a_short_time_is_told() {
    let before = (0..12).map(|n| format!("2026-09-{:02},A,shop,b{n},1,,,\n", 1 + 2 * n));
    let rows = before.collect::<Vec<_>>().concat();
    let desk = desk("", &(rows + "2026-10-20,A,shop,a1,1,,,\n"));
    let line = "report cost --since 2026-09-01 --until 2026-10-30 --change 2026-10-01";
    let change = desk.json(line, 0)["change"].clone();
    assert_eq!(
        (
            &change["incidents_before"],
            &change["incidents_after"],
            &change["verdict"]
        ),
        (&json!(12), &json!(1), &json!("fewer"))
    );
    desk.check(
        "report cost --since 2026-10-15 --until 2026-10-24",
        0,
        &["only 10 days were watched"],
    );
    desk.check(
        "report cost --since 2026-09-01 --change 2026-08-01",
        2,
        &["nothing was watched on one side; hint:"],
    );
    desk.check(
        "report cost --since 2099-01-01",
        2,
        &["hint: name an earlier day"],
    );
}

#[test]
fn bounds_of_the_settings_decide_and_wrong_ones_are_told() {
    let rows = (1..=24).map(|n| format!("2026-10-{n:02},A,shop,o{n},1,,,\n"));
    let rows = rows.collect::<Vec<_>>().concat();
    let line = "report cost --since 2026-10-01 --until 2026-10-30";
    let usual = desk("", &rows).json(line, 0);
    assert_eq!(usual["total_per_month"], 1_800.0);
    assert_eq!(usual["recommendation"]["tier"], "near_real_time");
    assert_eq!(usual["recommendation"]["decided"], false);
    assert!(
        usual["recommendation"]["months_to_decide"]
            .as_u64()
            .unwrap()
            > 0
    );
    let wide = "[costs]\nbatch_below = 5000\nreal_time_above = 9000\nlifetime_value = \"100..300..900\"\nmargin = 4\n";
    let wide = desk(wide, &rows).json(line, 0);
    assert_eq!(wide["recommendation"]["tier"], "batch");
    assert_eq!(wide["indirect"]["lost_customers"]["likely"], 24.0 * 120.0);
    assert_eq!(wide["cost_per_incident"], 195.0);
    let chance = wide["allowed_chance"].as_f64().unwrap();
    assert!((chance - 4.0 / 199.0).abs() < 1e-9);
    for (settings, says) in [
        ("[costs]\nrefund = \"9..5\"\n", "costs.refund"),
        ("[costs]\ncurrency = \"eur\"\n", "three capital letters"),
        (
            "[costs]\nbatch_below = 900\nreal_time_above = 100\n",
            "the bounds of [costs] cross",
        ),
        (
            "[costs.rates]\nEUR = [\"1.1\"]\n",
            "write it like \"1.0832 on 2026-11-20\"",
        ),
        (
            "[costs.health]\namazon = \"2.5\"\n",
            "write it like \"2.5% in 7 days\"",
        ),
        ("[costs]\nrefnd = 1\n", "did you mean `refund`?"),
    ] {
        let desk = Desk::with(&[("config.toml", settings)]);
        desk.check("report cost", 2, &[says]);
    }
}

#[test]
fn every_report_is_whole_in_every_format_and_writes_its_page() {
    let desk = desk("", "");
    for (name, code) in [
        ("cost", 0),
        ("latency", 0),
        ("drift", 0),
        ("stock", 0),
        // Nothing was compared: that asks for something.
        ("weekly", 1),
    ] {
        let line = format!("report {name} --out {name}.html");
        let found = desk.json(&line, code);
        assert_eq!(found["schema"], format!("onhand.report_{name}/1"));
        let page = std::fs::read_to_string(desk.0.path().join(format!("{name}.html"))).unwrap();
        assert!(
            page.contains("default-src 'none'") && !page.contains("<script"),
            "{name}"
        );
        let csv = desk.run(&format!("report {name} --quiet --format csv"));
        assert_eq!(csv.status.code(), Some(code));
        assert!(csv.stdout.contains(&b','), "{name}");
    }
    desk.check(
        "report cost --out no/such/folder.html",
        3,
        &["no/such/folder.html"],
    );
}

/// R91, R94: what exports say of cancelled orders stands in for incidents, and is called that.
#[cfg(feature = "sales")]
#[test]
fn cancelled_orders_of_exports_stand_in_and_are_called_so() {
    use std::fmt::Write as _;

    let mut text = "order id,time,sku,quantity,status\n".to_owned();
    for n in 0..200 {
        let status = match n % 50 {
            0 => "cancelled",
            1 => "cancelled by buyer",
            2 if n < 100 => "cancelled by seller: out of stock",
            _ => "shipped",
        };
        writeln!(
            text,
            "{n},2026-10-{:02}T10:{:02}:00Z,A,1,{status}",
            1 + n % 28,
            n % 60
        )
        .unwrap();
    }
    let desk = Desk::with(&[("config.toml", SHOP), ("orders.csv", &text)]);
    let found = desk.json("report cost orders.csv", 0);
    let stand_in = &found["stand_in"];
    assert_eq!(
        (
            &stand_in["orders"],
            &stand_in["cancelled"],
            &stand_in["no_stock"],
            &stand_in["by_buyer"]
        ),
        (&json!(200), &json!(4), &json!(2), &json!(4))
    );
    assert_eq!(
        (&found["basis"], &found["incidents"]),
        (&json!("cancelled_orders"), &json!(6))
    );
    // What only stands in may be none at all, so that only little decides.
    assert_eq!(found["interval_95"][0], 0.0);
    desk.check(
        "report cost orders.csv",
        0,
        &["cancelled orders of the exports stand in"],
    );
}

#[cfg(feature = "sales")]
#[test]
fn batch_is_said_to_be_enough_where_it_is() {
    use std::fmt::Write as _;

    let sales = |channels: usize, per_day: usize| {
        let mut text = "order id,time,sku,quantity,channel\n".to_owned();
        for day in 1..=20 {
            for n in 0..per_day {
                let (hour, minute) = (8 + n * 7 % 12, n * 13 % 60);
                writeln!(
                    text,
                    "{day}-{n},2026-10-{day:02}T{hour:02}:{minute:02}:{:02}Z,A,1,c{}",
                    n % 60,
                    (n + day) % channels
                )
                .unwrap();
            }
        }
        text
    };
    for (channels, per_day, reasons) in [
        (1, 120, json!(["one_channel"])),
        (3, 30, json!(["few_orders"])),
        (3, 1, json!(["few_orders", "slow_goods"])),
        (3, 120, json!([])),
    ] {
        let text = sales(channels, per_day);
        let desk = Desk::with(&[("config.toml", SHOP), ("sales.csv", &text)]);
        let found = desk.json("recommend sales.csv", 0);
        let advice = &found["recommendation"];
        assert_eq!(advice["batch_is_enough"], reasons, "{channels} {per_day}");
        assert_eq!(advice["tier"], "batch", "no cost is known");
        assert_eq!(advice["decided"], reasons != json!([]));
        if channels == 3 {
            let prevented = &found["prevented_pct"];
            let (all, near) = (
                prevented["all_real_time"].as_f64(),
                prevented["near_real_time"].as_f64(),
            );
            assert!(all >= near && all <= Some(100.0), "{prevented}");
        }
    }
    let pre_order = format!("[promises.backorder]\nA = 500\n{SHOP}");
    let desk = Desk::with(&[("config.toml", &pre_order), ("sales.csv", &sales(3, 120))]);
    let found = desk.json("recommend sales.csv", 0);
    assert_eq!(
        found["recommendation"]["batch_is_enough"],
        json!(["nothing_stocked"])
    );
    let bare = Desk::with(&[("config.toml", SHOP)]);
    bare.check("recommend", 2, &["no order has a time; hint:"]);
}
