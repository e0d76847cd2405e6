//! Drift over runs, as it was kept: for the page of `reconcile` and for reports.

use std::collections::BTreeMap;

use super::summary::{Kept, percent};
use crate::config::ReconcileSettings;
use crate::domain::clock::Timestamp;
use crate::domain::drift::{Class, Share, Tally};
use crate::ledger::runs::RunRow;
use crate::output::Cell;
use crate::output::chart::{Bar, Bars, Bound, Chart};
use crate::output::html::Part;

/// Runs of one channel that the trend is drawn from.
pub(in crate::commands) const RUNS_MAX: usize = 400;
/// Points that are drawn.
pub(in crate::commands) const POINTS_MAX: usize = 30;

/// One point of the trend: runs that were finished together.
#[derive(Debug, Default)]
pub(in crate::commands) struct Point {
    pub(in crate::commands) tally: Tally,
    pub(in crate::commands) sent: usize,
    pub(in crate::commands) adjusted: usize,
    pub(in crate::commands) orders_found: usize,
}

/// The last finished runs, oldest first: those of one command share their moment.
pub(in crate::commands) fn points(runs: Vec<RunRow>, most: usize) -> Vec<(Timestamp, Point)> {
    let mut found: BTreeMap<Timestamp, Point> = BTreeMap::new();
    for run in runs {
        let kept = run.result.as_deref().map(serde_json::from_str::<Kept>);
        let (Some(at), Some(Ok(kept))) = (run.finished_at, kept) else {
            continue;
        };
        let point = found.entry(at).or_default();
        point.tally.add(&kept.tally);
        point.sent += kept.sent;
        point.adjusted += kept.adjusted;
        point.orders_found += kept.orders_found;
    }
    let skip = found.len().saturating_sub(most);
    found.into_iter().skip(skip).collect()
}

/// The rate of each run, with the lines that it is judged by.
pub(in crate::commands) fn chart(
    points: &[(Timestamp, Point)],
    health: &ReconcileSettings,
) -> Part {
    let bar = |(at, point): &(Timestamp, Point)| {
        let label = at.to_seconds_text().replace('T', " ");
        let rate = point.tally.rate();
        Bar::new(label, percent(rate)).saying(rate.to_string())
    };
    let bound = |name: &str, share: Share| Bound::new(format!("{name} {share}"), percent(share));
    // A line far beyond every run would only make them small.
    let most = points.iter().map(|(_, point)| point.tally.rate()).max();
    let near = most.unwrap_or(health.healthy).max(health.healthy);
    let bounds = [
        bound("healthy below", health.healthy),
        bound("alarm above", health.alarm),
    ];
    let shown = bounds
        .into_iter()
        .filter(|bound| bound.value <= 10.0 * percent(near));
    Part::Chart {
        title: "Drift over runs".to_owned(),
        about: "The share of the compared listings that differ, of each run, oldest first."
            .to_owned(),
        chart: Chart::Bars(Bars {
            unit: "drift, %".to_owned(),
            bars: points.iter().map(bar).collect(),
            bounds: shown.collect(),
        }),
    }
}

/// Every run.
pub(in crate::commands) fn table(points: &[(Timestamp, Point)]) -> Part {
    let one = |(at, point): &(Timestamp, Point)| {
        vec![
            Cell::from(at.to_seconds_text()),
            whole(point.tally.compared),
            whole(point.tally.drifted()),
            rate(point.tally.rate()),
            whole(point.tally.of(Class::InFlight)),
            whole(point.orders_found),
            whole(point.sent),
            whole(point.adjusted),
        ]
    };
    Part::Table {
        title: "Runs".to_owned(),
        headers: vec![
            "At",
            "Compared",
            "Differed",
            "Drift %",
            "In flight",
            "Orders found",
            "Sent",
            "Adjusted",
        ],
        rows: points.iter().rev().map(one).collect(),
    }
}

fn whole(count: usize) -> Cell {
    Cell::Whole(i64::try_from(count).unwrap_or(i64::MAX))
}

fn rate(share: Share) -> Cell {
    Cell::Decimal(percent(share), 4)
}
