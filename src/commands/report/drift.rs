//! `report drift`: how much channels differed from the books, run by run of `reconcile`.

use serde::Serialize;

use super::{DAY_MS, day_text, footer, write_page};
use crate::cli::ReportDays;
use crate::commands::reconcile::trend::{self, Point};
use crate::commands::seller::Seller;
use crate::config::ReconcileSettings;
use crate::domain::clock::Timestamp;
use crate::domain::drift::{Class, Health, Tally};
use crate::exit::{Failure, Found};
use crate::output::html::{Figure, Page, Part, Tone, Verdict};
use crate::output::{Cell, Out};

/// The word that its JSON begins with.
const SCHEMA: &str = "onhand.report_drift/1";
/// Runs of single channels that are read; more than a year of them.
const RUNS_MAX: usize = 20_000;
/// Bars that can be told apart.
const BARS_MAX: usize = 60;
const HEADERS: &[&str] = &[
    "at",
    "compared",
    "drifted",
    "drift %",
    "in flight",
    "orders found",
    "sent",
    "adjusted",
];

#[derive(Debug, Serialize)]
struct Run {
    at: Timestamp,
    compared: usize,
    drifted: usize,
    drift_pct: f64,
    in_flight: usize,
    orders_found: usize,
    sent: usize,
    adjusted: usize,
}

#[derive(Debug, Serialize)]
struct Answer {
    since: Timestamp,
    until: Timestamp,
    /// All runs together.
    compared: usize,
    drifted: usize,
    drift_pct: f64,
    /// Of the last run; null without one.
    health: Option<Health>,
    runs: Vec<Run>,
}

/// Runs that were finished since a time, oldest first.
pub(super) async fn runs(
    seller: &Seller,
    since: Timestamp,
) -> Result<Vec<(Timestamp, Point)>, Failure> {
    let rows = seller.ledger.read(|tables| tables.runs(RUNS_MAX)).await?;
    let mut points = trend::points(rows, usize::MAX);
    points.retain(|(at, _)| *at >= since);
    Ok(points)
}

/// A drift rate, in percent.
pub(super) fn percent(tally: &Tally) -> f64 {
    f64::from(tally.rate().millionths()) / 10_000.0
}

/// Tells it.
pub(super) async fn drift(
    args: &ReportDays,
    seller: &Seller,
    out: &mut Out,
) -> Result<Found, Failure> {
    let until = seller.now();
    let since = until.plus(-DAY_MS * i64::from(args.days));
    let points = runs(seller, since).await?;
    let settings = &seller.settings.reconcile;
    let answer = answered(&points, settings, since, until);
    let rows: Vec<_> = answer.runs.iter().map(row).collect();
    out.result(SCHEMA, &answer, HEADERS, &rows)?;
    out.note(sentence(&answer));
    write_page(args.out.as_deref(), || page(&answer, &points, settings))?;
    Ok(Found::when(answer.health == Some(Health::Alarm)))
}

fn answered(
    points: &[(Timestamp, Point)],
    settings: &ReconcileSettings,
    since: Timestamp,
    until: Timestamp,
) -> Answer {
    let mut all = Tally::default();
    for (_, point) in points {
        all.add(&point.tally);
    }
    let run = |(at, point): &(Timestamp, Point)| Run {
        at: *at,
        compared: point.tally.compared,
        drifted: point.tally.drifted(),
        drift_pct: percent(&point.tally),
        in_flight: point.tally.of(Class::InFlight),
        orders_found: point.orders_found,
        sent: point.sent,
        adjusted: point.adjusted,
    };
    let last = points.last().map(|(_, point)| point.tally.rate());
    Answer {
        since,
        until,
        compared: all.compared,
        drifted: all.drifted(),
        drift_pct: percent(&all),
        health: last.map(|rate| Health::of(rate, settings.healthy, settings.alarm)),
        runs: points.iter().map(run).collect(),
    }
}

fn row(run: &Run) -> Vec<Cell> {
    let whole = |count: usize| Cell::Whole(i64::try_from(count).unwrap_or(i64::MAX));
    vec![
        run.at.to_seconds_text().into(),
        whole(run.compared),
        whole(run.drifted),
        Cell::Decimal(run.drift_pct, 4),
        whole(run.in_flight),
        whole(run.orders_found),
        whole(run.sent),
        whole(run.adjusted),
    ]
}

fn sentence(answer: &Answer) -> String {
    match answer.health {
        None => "no run of `onhand reconcile` was finished in this time".to_owned(),
        Some(health) => {
            let word = match health {
                Health::Healthy => "the last run was healthy",
                Health::Watch => "the last run is to be watched",
                Health::Alarm => "the last run is an alarm: something is broken",
            };
            format!(
                "{} of {} listings differed over {} runs ({:.4} %); {word}",
                answer.drifted,
                answer.compared,
                answer.runs.len(),
                answer.drift_pct
            )
        }
    }
}

fn page(answer: &Answer, points: &[(Timestamp, Point)], settings: &ReconcileSettings) -> Page {
    let tone = match answer.health {
        Some(Health::Alarm) => Tone::Bad,
        Some(Health::Healthy) => Tone::Good,
        Some(Health::Watch) | None => Tone::Plain,
    };
    let shown = points.get(points.len().saturating_sub(BARS_MAX)..);
    Page {
        title: "How much channels differed from the books".to_owned(),
        about: format!("{} to {}.", day_text(answer.since), day_text(answer.until)),
        verdict: Some(Verdict {
            says: format!("{}.", sentence(answer)),
            tone,
        }),
        figures: vec![
            Figure::new("Runs", answer.runs.len().to_string())
                .meaning("Finished comparisons of all channels with the books."),
            Figure::new("Compared", answer.compared.to_string())
                .meaning("Listings that were compared, over all runs."),
            Figure::new("Differed", answer.drifted.to_string()).meaning(
                "Listings that showed something else than they should, at a second look as well, and for which nothing was \
                 under way.",
            ),
            Figure::new("Drift", format!("{:.4} %", answer.drift_pct)).meaning(
                "The quotient of the two. Below the healthy line all is well, above the alarm line something is broken; both \
                 are in [reconcile].",
            ),
        ],
        parts: vec![
            trend::chart(shown.unwrap_or(points), settings),
            Part::Table {
                title: "Runs".to_owned(),
                headers: HEADERS.to_vec(),
                rows: answer.runs.iter().rev().map(row).collect(),
            },
        ],
        footer: footer(answer.until),
    }
}
