//! The tables of `docs/oversell-model.md`, computed anew.

use onhand::domain::oversell::formula::{batch, event, month};
use onhand::domain::oversell::recursion::{Channel, Outcome, stockout};

const THIRDS: &[f64] = &[1.0 / 3.0, 1.0 / 3.0, 1.0 / 3.0];
/// The rate behind the published table, in units an hour.
const RATE: f64 = 17.32;
/// Share of exposures that are a stockout while listed, in percent.
const RUN_OUT_PCT: f64 = 5.36;
/// Exposures a month of 100 SKUs.
const EXPOSURES: f64 = 1_500.0;

fn page() -> String {
    let path = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/oversell-model.md");
    std::fs::read_to_string(path).unwrap()
}

#[track_caller]
fn says(page: &str, row: &str) {
    assert!(page.contains(row), "the page does not say: {row}");
}

fn sold(rate: f64, seconds: f64, shares: &[f64], buffers: &[usize]) -> Outcome {
    let channels: Vec<_> = shares
        .iter()
        .zip(buffers)
        .map(|(share, &buffer)| Channel {
            rate: rate * share,
            buffer,
        })
        .collect();
    stockout(&channels, seconds / 3_600.0)
}

fn chance(rate: f64, seconds: f64) -> f64 {
    sold(rate, seconds, THIRDS, &[0, 0, 0]).chance
}

/// Dollars with a comma before the thousands.
fn dollars(amount: f64) -> String {
    let whole = format!("{amount:.0}");
    match whole.len().checked_sub(3) {
        Some(at @ 1..) => {
            let (thousands, rest) = whole.split_at(at);
            format!("${thousands},{rest}")
        }
        _ => format!("${whole}"),
    }
}

#[test]
fn independent_buyers() {
    let page = page();
    let rows: [(f64, &str, f64, &str, &[f64]); 6] = [
        (10.0, "15 min", 900.0, "thirds", THIRDS),
        (10.0, "5 min", 300.0, "thirds", THIRDS),
        (10.0, "1 min", 60.0, "thirds", THIRDS),
        (10.0, "5 s", 5.0, "thirds", THIRDS),
        (60.0, "15 min", 900.0, "50/30/20", &[0.5, 0.3, 0.2]),
        (2.0, "15 min", 900.0, "60/40", &[0.6, 0.4]),
    ];
    for (rate, time, seconds, name, shares) in rows {
        let hours = seconds / 3_600.0;
        let channels: Vec<_> = shares.iter().map(|&share| (share, hours)).collect();
        let (by_batch, by_event) = (batch(rate, hours, 0.0, shares), event(rate, &channels));
        let pct = 100.0 * sold(rate, seconds, shares, &[0, 0, 0]).chance;
        says(
            &page,
            &format!("| {rate} | {time} | {name} | {by_batch:.3} | {by_event:.3} | {pct:.1} % |"),
        );
    }
    for (name, buffers) in [
        ("0 0 0", [0, 0, 0]),
        ("1 1 1", [1, 1, 1]),
        ("2 2 2", [2, 2, 2]),
        ("4 4 4", [4, 4, 4]),
        ("0 4 4", [0, 4, 4]),
    ] {
        let found = sold(10.0, 900.0, THIRDS, &buffers);
        let (units, pct, left) = (found.units, 100.0 * found.chance, found.stranded);
        says(
            &page,
            &format!("| {name} | {units:.3} | {pct:.1} % | {left:.2} |"),
        );
    }
}

#[test]
fn the_published_table() {
    let page = page();
    for (time, seconds, rate, incidents, cost) in [
        ("15 min", 900.0, "3–5 %", "45–75", "$3,375–5,625"),
        ("5 min", 300.0, "1.5–2.5 %", "22–38", "$1,650–2,850"),
        ("1 min", 60.0, "0.5–1 %", "8–15", "$600–1,125"),
        ("5 s", 5.0, "< 0.1 %", "1–2", "$75–150"),
    ] {
        let ours = RUN_OUT_PCT * chance(RATE, seconds);
        let n = EXPOSURES * ours / 100.0;
        let dollars = dollars(75.0 * n);
        says(
            &page,
            &format!(
                "| {time} | {rate} | {ours:.2} % | {incidents} | {n:.1} | {cost} | {dollars} |"
            ),
        );
    }
    for rate in [2.0, 4.0, 9.0] {
        let slow = RUN_OUT_PCT * chance(rate, 900.0);
        let fast = RUN_OUT_PCT * chance(rate, 5.0);
        says(&page, &format!("| {rate} | {slow:.2} % | {fast:.3} % |"));
    }
}

#[test]
fn where_the_published_table_does_not_hold() {
    let page = page().replace('\n', " ");
    let cut = |before: f64, after: f64| 100.0 * (1.0 - after / before);
    let (quarter, five, real) = (chance(RATE, 900.0), chance(RATE, 300.0), chance(RATE, 5.0));
    says(
        &page,
        &format!(
            "here {:.0} % of the incidents and {:.0} % of the units",
            cut(quarter, five),
            cut(15.0, 5.0)
        ),
    );
    assert!((cut(five, real) - 98.0).abs() < 0.5 && (cut(300.0, 5.0) - 98.0).abs() < 0.5);
    let peak = RUN_OUT_PCT * chance(5.0 * RATE, 900.0);
    says(&page, &format!("for 5 times as much it is {peak:.2} %"));
    // As a share of units: one stockout in so many units gives 5 % and 3 %.
    let mean = batch(10.0, 0.25, 0.0, THIRDS);
    let apart = |pct: f64| 100.0 * mean / pct;
    says(
        &page,
        &format!("every {:.0} to {:.0} units", apart(5.0), apart(3.0)),
    );
    let usual = month(7_200.0, 500.0, 0.05, mean).share_pct;
    says(
        &page,
        &format!("one in twenty running out it is {usual:.3} %"),
    );
    says(&page, &format!("one whole interval; the mean is {mean:.2}"));
}
