//! `report stock`: what is short, and what runs out next at the rate at which it sells.

use std::collections::{BTreeMap, BTreeSet};

use serde::Serialize;

use super::{DAY_MS, day_text, footer, write_page};
use crate::cli::ReportDays;
use crate::commands::seller::Seller;
use crate::domain::clock::Timestamp;
use crate::domain::ids::Sku;
use crate::domain::quantity::Balance;
use crate::domain::stock::Balances;
use crate::exit::{Failure, Found};
use crate::output::html::{Figure, Page, Part, Tone, Verdict};
use crate::output::{Cell, Out};

/// The word that its JSON begins with.
const SCHEMA: &str = "onhand.report_stock/1";
/// SKUs on the page; all of them are in CSV and JSON.
const SHOWN: usize = 100;
/// What runs out within so many days is told in the figures.
const SOON_DAYS: f64 = 7.0;
const HEADERS: &[&str] = &[
    "sku",
    "state",
    "available",
    "on hand",
    "committed",
    "incoming",
    "sold a day",
    "days left",
];

#[derive(Debug, Serialize)]
struct Row {
    sku: Sku,
    /// `short`, `out`, `ending` or `there`.
    state: &'static str,
    available: Balance,
    on_hand: Balance,
    committed: Balance,
    incoming: Balance,
    sold_per_day: f64,
    /// Null if it does not sell, or there is none.
    days_left: Option<f64>,
}

#[derive(Debug, Serialize)]
struct Answer {
    since: Timestamp,
    until: Timestamp,
    skus: Vec<Row>,
    short: usize,
    out: usize,
    ending: usize,
}

/// Tells it.
pub(super) async fn stock(
    args: &ReportDays,
    seller: &Seller,
    out: &mut Out,
) -> Result<Found, Failure> {
    let until = seller.now();
    let since = until.plus(-DAY_MS * i64::from(args.days));
    let read = seller
        .ledger
        .read(move |tables| Ok((tables.stock()?, tables.sold_since(since)?, tables.began()?)));
    let (lines, sold, began) = read.await?;
    let mut held: BTreeMap<Sku, Balances> = BTreeMap::new();
    for line in lines {
        let sum = held.entry(line.sku).or_default();
        *sum = Balances {
            on_hand: sum.on_hand.saturating_add(line.balances.on_hand),
            committed: sum.committed.saturating_add(line.balances.committed),
            set_aside: sum.set_aside.saturating_add(line.balances.set_aside),
            incoming: sum.incoming.saturating_add(line.balances.incoming),
        };
    }
    let mut units: BTreeMap<Sku, Balance> = BTreeMap::new();
    for row in sold {
        let sum = units.entry(row.sku).or_default();
        *sum = sum.saturating_add(row.units);
    }
    let seen_since = began.map_or(since, |began| began.max(since));
    let untracked = &seller.settings.promises.untracked;
    let answer = answered(&held, &units, untracked, (since, seen_since, until));
    let rows: Vec<_> = answer.skus.iter().map(row).collect();
    out.result(SCHEMA, &answer, HEADERS, &rows)?;
    out.note(sentence(&answer));
    write_page(args.out.as_deref(), || page(&answer))?;
    Ok(Found::when(answer.short > 0))
}

fn answered(
    held: &BTreeMap<Sku, Balances>,
    units: &BTreeMap<Sku, Balance>,
    untracked: &BTreeSet<Sku>,
    (since, seen_since, until): (Timestamp, Timestamp, Timestamp),
) -> Answer {
    #[expect(
        clippy::cast_precision_loss,
        reason = "units and times are far below 2^52"
    )]
    let real = |number: i64| number as f64;
    // A day at least: an hour's sales are no rate.
    let days = (real(until.since(seen_since)) / real(DAY_MS)).max(1.0);
    let one = |(sku, held): (&Sku, &Balances)| {
        let available = held.available();
        let sold_per_day = real(units.get(sku).copied().unwrap_or(0)) / days;
        let days_left =
            (sold_per_day > 0.0 && available > 0).then(|| real(available) / sold_per_day);
        Row {
            sku: sku.clone(),
            state: match (available, days_left) {
                (..0, _) => "short",
                (0, _) => "out",
                (_, Some(left)) if left < SOON_DAYS => "ending",
                _ => "there",
            },
            available,
            on_hand: held.on_hand,
            committed: held.committed,
            incoming: held.incoming,
            sold_per_day,
            days_left,
        }
    };
    let counted = held.iter().filter(|(sku, _)| !untracked.contains(*sku));
    let mut skus: Vec<Row> = counted.map(one).collect();
    // What is worst first: short, out, then by how soon.
    let left = |row: &Row| match row.state {
        "short" | "out" => -1.0,
        _ => row.days_left.unwrap_or(f64::INFINITY),
    };
    skus.sort_by(|a, b| {
        left(a)
            .total_cmp(&left(b))
            .then(a.available.cmp(&b.available))
            .then_with(|| a.sku.cmp(&b.sku))
    });
    let count = |state: &str| skus.iter().filter(|row| row.state == state).count();
    Answer {
        since,
        until,
        short: count("short"),
        out: count("out"),
        ending: count("ending"),
        skus,
    }
}

fn row(row: &Row) -> Vec<Cell> {
    vec![
        row.sku.as_str().into(),
        row.state.into(),
        row.available.into(),
        row.on_hand.into(),
        row.committed.into(),
        row.incoming.into(),
        Cell::Decimal(row.sold_per_day, 2),
        row.days_left
            .map_or(Cell::Empty, |days| Cell::Decimal(days, 1)),
    ]
}

fn sentence(answer: &Answer) -> String {
    format!(
        "{} SKUs are short, {} out of stock, {} run out within a week at the rate at which they sell",
        answer.short, answer.out, answer.ending
    )
}

fn page(answer: &Answer) -> Page {
    let shown = answer.skus.len().min(SHOWN);
    Page {
        title: "What is short, and what runs out next".to_owned(),
        about: format!("At {}.", answer.until.to_seconds_text()),
        verdict: Some(Verdict {
            says: format!("{}.", sentence(answer)),
            tone: Tone::of(answer.short == 0),
        }),
        figures: vec![
            Figure::new("Short", answer.short.to_string())
                .toned(Tone::of(answer.short == 0))
                .meaning("SKUs of which more is promised than there is."),
            Figure::new("Out of stock", answer.out.to_string())
                .meaning("SKUs of which nothing is left to sell."),
            Figure::new("Run out within a week", answer.ending.to_string()).meaning(
                "What is left, over the units that were ordered a day since the date below, is less than seven days.",
            ),
        ],
        parts: vec![Part::Table {
            title: if shown < answer.skus.len() {
                format!("The first {shown} of {} SKUs", answer.skus.len())
            } else {
                "SKUs".to_owned()
            },
            headers: HEADERS.to_vec(),
            rows: answer.skus.iter().take(SHOWN).map(row).collect(),
        }],
        footer: format!(
            "{} Sales are those since {}.",
            footer(answer.until),
            day_text(answer.since)
        ),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_worst_comes_first() {
        let sku = |text: &str| Sku::new(text).unwrap();
        let held = |on_hand, committed| Balances {
            on_hand,
            committed,
            ..Balances::default()
        };
        let stock = BTreeMap::from([
            (sku("long"), held(900, 0)),
            (sku("idle"), held(5, 0)),
            (sku("ending"), held(12, 0)),
            (sku("out"), held(3, 3)),
            (sku("short"), held(1, 4)),
            (sku("gift"), held(-9, 0)),
        ]);
        let units = BTreeMap::from([(sku("long"), 30), (sku("ending"), 60)]);
        let day = |day: i64| Timestamp::from_millis(day * DAY_MS);
        let untracked = BTreeSet::from([sku("gift")]);
        let answer = answered(&stock, &units, &untracked, (day(0), day(0), day(30)));
        let told: Vec<_> = answer
            .skus
            .iter()
            .map(|row| (row.sku.as_str(), row.state))
            .collect();
        assert_eq!(
            told,
            [
                ("short", "short"),
                ("out", "out"),
                ("ending", "ending"),
                ("long", "there"),
                ("idle", "there")
            ]
        );
        assert_eq!(answer.skus[2].days_left, Some(6.0));
    }
}
