//! The report as a page: the rate and its trend, per channel and class, the worst SKUs, and what was done.

use std::collections::BTreeMap;

use super::summary::{HEADERS, Summary, row};
use super::trend::{self, POINTS_MAX, Point, RUNS_MAX};
use crate::commands::seller::Seller;
use crate::config::ReconcileSettings;
use crate::domain::clock::Timestamp;
use crate::domain::drift::{Class, Health};
use crate::exit::Failure;
use crate::output::Cell;
use crate::output::html::{Figure, Page, Part, Tone, Verdict};

/// SKUs that are named as the worst.
const WORST_MAX: usize = 20;
/// Lines that stand in the page; the others are in `--format csv`.
const LINES_MAX: usize = 1_000;

/// The page.
pub(super) async fn page(summary: &Summary, seller: &Seller) -> Result<Page, Failure> {
    let runs = seller.ledger.read(|tables| tables.runs(RUNS_MAX)).await?;
    let healthy = Health::of(
        summary.tally.rate(),
        seller.settings.reconcile.healthy,
        seller.settings.reconcile.alarm,
    );
    let tone = match (healthy, summary.why_incomplete()) {
        (Health::Alarm, _) | (_, Some(_)) => Tone::Bad,
        (Health::Watch, None) => Tone::Plain,
        (Health::Healthy, None) => Tone::Good,
    };
    let says = match summary.why_incomplete() {
        Some(why) => format!("Incomplete: {why}."),
        None => format!("{}.", summary.sentence()),
    };
    Ok(Page {
        title: "onhand reconcile".to_owned(),
        about: format!(
            "What every channel shows against the books at {}. A difference counts only if it stood at a second look.",
            seller.now().to_seconds_text()
        ),
        verdict: Some(Verdict { says, tone }),
        figures: figures(summary, tone),
        parts: parts(
            summary,
            &trend::points(runs, POINTS_MAX),
            &seller.settings.reconcile,
        ),
        footer: format!(
            "onhand {}, plan {}",
            env!("CARGO_PKG_VERSION"),
            summary.plan.digest
        ),
    })
}

fn figures(summary: &Summary, tone: Tone) -> Vec<Figure> {
    let figure = |label: &str, value: String, tone| Figure::new(label, value).toned(tone);
    let tally = &summary.tally;
    let orders: usize = summary.channels.iter().map(|one| one.orders_found).sum();
    vec![
        figure("Drift", tally.rate().to_string(), tone),
        figure("Differ", tally.drifted().to_string(), Tone::Plain),
        figure("Compared", tally.compared.to_string(), Tone::Plain),
        figure(
            "In flight",
            tally.of(Class::InFlight).to_string(),
            Tone::Plain,
        ),
        figure("Orders found", orders.to_string(), Tone::Plain),
    ]
}

fn whole(count: usize) -> Cell {
    Cell::Whole(i64::try_from(count).unwrap_or(i64::MAX))
}

fn parts(
    summary: &Summary,
    points: &[(Timestamp, Point)],
    health: &ReconcileSettings,
) -> Vec<Part> {
    let mut parts = vec![
        trend::chart(points, health),
        trend::table(points),
        channels(summary),
        classes(summary),
    ];
    parts.push(worst(summary));
    let shown = summary.lines.len().min(LINES_MAX);
    parts.push(Part::Table {
        title: if shown < summary.lines.len() {
            format!(
                "What was done: the first {shown} of {} lines",
                summary.lines.len()
            )
        } else {
            "What was done".to_owned()
        },
        headers: HEADERS.to_vec(),
        rows: summary.lines.iter().take(LINES_MAX).map(row).collect(),
    });
    parts
}

fn channels(summary: &Summary) -> Part {
    let one = |channel: &super::summary::Channel| {
        vec![
            Cell::from(channel.id.as_str()),
            whole(channel.compared),
            whole(channel.drifted),
            Cell::Decimal(channel.drift_pct, 4),
            whole(channel.in_flight),
            whole(channel.orders_found),
            Cell::from(
                channel
                    .incomplete
                    .clone()
                    .unwrap_or_else(|| "whole".to_owned()),
            ),
        ]
    };
    Part::Table {
        title: "Channels".to_owned(),
        headers: vec![
            "Channel",
            "Compared",
            "Differ",
            "Drift %",
            "In flight",
            "Orders found",
            "Reading",
        ],
        rows: summary.channels.iter().map(one).collect(),
    }
}

/// How many of each class each channel has.
fn classes(summary: &Summary) -> Part {
    let mut rows = Vec::new();
    for channel in &summary.channels {
        for class in Class::ALL {
            let count = channel.tally.of(class);
            if count > 0 {
                rows.push(vec![
                    Cell::from(channel.id.as_str()),
                    Cell::from(class.word()),
                    whole(count),
                    Cell::from(if class.is_drift() { "yes" } else { "no" }),
                ]);
            }
        }
    }
    Part::Table {
        title: "What the differences are".to_owned(),
        headers: vec!["Channel", "Class", "Listings", "Counts as drift"],
        rows,
    }
}

/// SKUs whose channels are furthest off.
fn worst(summary: &Summary) -> Part {
    let mut off: BTreeMap<&str, (i64, usize)> = BTreeMap::new();
    for told in summary
        .lines
        .iter()
        .filter(|told| told.line.class.is_drift())
    {
        let line = &told.line;
        let (Some(sku), Some(live), Some(desired)) = (&line.sku, line.live, line.desired) else {
            continue;
        };
        let units = live.saturating_sub(desired).saturating_abs();
        if units > 0 {
            let one = off.entry(sku.as_str()).or_default();
            *one = (one.0.saturating_add(units), one.1 + 1);
        }
    }
    let mut rows: Vec<_> = off.into_iter().collect();
    rows.sort_by(|a, b| b.1.cmp(&a.1).then_with(|| a.0.cmp(b.0)));
    Part::Table {
        title: "SKUs that are furthest off".to_owned(),
        headers: vec!["SKU", "Units off", "Listings"],
        rows: rows
            .into_iter()
            .take(WORST_MAX)
            .map(|(sku, (units, listings))| {
                vec![Cell::from(sku), Cell::Whole(units), whole(listings)]
            })
            .collect(),
    }
}
