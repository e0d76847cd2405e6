//! `report weekly`: the three numbers to watch, their trend, and what to do about each.

use serde::Serialize;

use super::latency::{Times, pushes};
use super::lost::{self, Lost, Outcome};
use super::{DAY_MS, drift, weekly_page, write_page};
use crate::cli::ReportWeekly;
use crate::commands::seller::Seller;
use crate::domain::clock::Timestamp;
use crate::domain::drift::{Health, Share, Tally};
use crate::domain::stats;
use crate::exit::{Failure, Found};
use crate::output::{Cell, Out};

/// The word that its JSON begins with.
const SCHEMA: &str = "onhand.report_weekly/1";
const WEEK_MS: i64 = 7 * DAY_MS;
/// Real time is faster than this, in ms. The published line.
const REAL_TIME_MS: i64 = 5_000;
/// A number has risen or fallen if it did by more than this, in percent.
const STEADY_PCT: f64 = 10.0;

/// One week.
#[derive(Debug, Clone, Serialize)]
pub(super) struct Week {
    pub(super) since: Timestamp,
    /// Orders that could not be served.
    pub(super) incidents: usize,
    /// Quantities that channels took.
    pub(super) pushes: usize,
    /// From the sale to the channel's answer; null if nothing was sent for one.
    pub(super) latency_p95_ms: Option<i64>,
    /// Listings that were compared.
    pub(super) compared: usize,
    /// Of them, listings that differed.
    pub(super) discrepancies: usize,
    /// Null if nothing was compared.
    pub(super) drift_pct: Option<f64>,
    #[serde(skip)]
    drift: Share,
}

/// Which way a number goes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum Trend {
    Rising,
    Steady,
    Falling,
    /// There is nothing to compare with.
    Unknown,
}

impl Trend {
    fn of(now: Option<f64>, before: Option<f64>) -> Self {
        let (Some(now), Some(before)) = (now, before) else {
            return Self::Unknown;
        };
        let change = now - before;
        if change.abs() <= before.abs() * STEADY_PCT / 100.0 {
            Self::Steady
        } else if change > 0.0 {
            Self::Rising
        } else {
            Self::Falling
        }
    }

    /// For people.
    pub(super) const fn words(self) -> &'static str {
        match self {
            Self::Rising => "rising",
            Self::Steady => "steady",
            Self::Falling => "falling",
            Self::Unknown => "nothing to compare with",
        }
    }
}

/// One number to watch.
#[derive(Debug, Clone, Serialize)]
pub(super) struct Watched {
    /// This week; null if it is not known.
    pub(super) this_week: Option<f64>,
    /// The weeks before, on average; null if they are not known.
    pub(super) before: Option<f64>,
    pub(super) trend: Trend,
    /// Something is to be done.
    pub(super) asks: bool,
    /// What.
    pub(super) advice: String,
}

#[derive(Debug, Clone, Serialize)]
pub(super) struct Answer {
    pub(super) since: Timestamp,
    pub(super) until: Timestamp,
    pub(super) incidents: Watched,
    pub(super) latency_p95_ms: Watched,
    pub(super) discrepancies: Watched,
    /// Oldest first; the last one is this week.
    pub(super) weeks: Vec<Week>,
}

impl Answer {
    /// The numbers with their names.
    pub(super) fn watched(&self) -> [(&'static str, &Watched); 3] {
        [
            ("incidents", &self.incidents),
            ("p95 latency, ms", &self.latency_p95_ms),
            ("discrepancies", &self.discrepancies),
        ]
    }

    /// In a sentence.
    pub(super) fn sentence(&self) -> String {
        let asking: Vec<_> = self
            .watched()
            .iter()
            .filter(|(_, watched)| watched.asks)
            .map(|(_, watched)| watched.advice.clone())
            .collect();
        if asking.is_empty() {
            "Nothing has to be done this week".to_owned()
        } else {
            asking.join("; ")
        }
    }

    /// Whether something is to be done.
    pub(super) fn asks(&self) -> bool {
        self.watched().iter().any(|(_, watched)| watched.asks)
    }
}

/// Tells it.
pub(super) async fn weekly(
    args: &ReportWeekly,
    seller: &Seller,
    out: &mut Out,
) -> Result<Found, Failure> {
    let until = seller.now();
    let since = until.plus(-WEEK_MS * i64::from(args.weeks));
    let lost = lost::read(seller).await?;
    let weeks = weeks(seller, &lost, since, until).await?;
    let answer = judged(&weeks, &lost, &seller.settings.reconcile, since, until);
    let rows: Vec<_> = answer.watched().iter().map(row).collect();
    let headers = &["number", "this week", "before", "trend", "what to do"];
    out.result(SCHEMA, &answer, headers, &rows)?;
    write_page(args.out.as_deref(), || weekly_page::page(&answer))?;
    Ok(Found::when(answer.asks()))
}

fn row((name, watched): &(&'static str, &Watched)) -> Vec<Cell> {
    let number = |value: Option<f64>, decimals| {
        value.map_or(Cell::Empty, |value| Cell::Decimal(value, decimals))
    };
    vec![
        (*name).into(),
        number(watched.this_week, 0),
        number(watched.before, 1),
        watched.trend.words().into(),
        watched.advice.as_str().into(),
    ]
}

async fn weeks(
    seller: &Seller,
    lost: &[Lost],
    since: Timestamp,
    until: Timestamp,
) -> Result<Vec<Week>, Failure> {
    let pushes = pushes(seller, since).await?;
    let runs = drift::runs(seller, since).await?;
    let mut found = Vec::new();
    let mut begin = since;
    while begin < until {
        let end = begin.plus(WEEK_MS);
        // A platform's clock may be ahead: this week has no end.
        let inside = |at: Timestamp| begin <= at && (at < end || end >= until);
        let sent: Vec<_> = pushes.iter().filter(|push| inside(push.at)).collect();
        let times = Times::of(sent.iter().filter_map(|push| push.since_sale()).collect());
        let mut tally = Tally::default();
        for (_, point) in runs.iter().filter(|(at, _)| inside(*at)) {
            tally.add(&point.tally);
        }
        let incidents = lost.iter().filter(|lost| lost.counts() && inside(lost.at));
        found.push(Week {
            since: begin,
            incidents: incidents.count(),
            pushes: sent.len(),
            latency_p95_ms: times.map(|times| times.p95),
            compared: tally.compared,
            discrepancies: tally.drifted(),
            drift_pct: (tally.compared > 0).then(|| drift::percent(&tally)),
            drift: tally.rate(),
        });
        begin = end;
    }
    Ok(found)
}

/// What the weeks say.
fn judged(
    weeks: &[Week],
    lost: &[Lost],
    settings: &crate::config::ReconcileSettings,
    since: Timestamp,
    until: Timestamp,
) -> Answer {
    let (this, before) = weeks
        .split_last()
        .map_or((None, weeks), |(this, before)| (Some(this), before));
    let mean = |of: &dyn Fn(&Week) -> Option<f64>| {
        let known: Vec<f64> = before.iter().filter_map(of).collect();
        (!known.is_empty()).then(|| known.iter().sum::<f64>() / super::real(known.len()))
    };
    let watched = |of: &dyn Fn(&Week) -> Option<f64>, (asks, advice): (bool, String)| {
        let (now, before) = (this.and_then(of), mean(of));
        Watched {
            this_week: now,
            before,
            trend: Trend::of(now, before),
            asks,
            advice,
        }
    };
    #[expect(
        clippy::cast_precision_loss,
        reason = "some hours are far below 2^52 ms"
    )]
    let latency = |week: &Week| week.latency_p95_ms.map(|ms| ms as f64);
    Answer {
        since,
        until,
        incidents: watched(
            &|week| Some(super::real(week.incidents)),
            about_incidents(this, before, lost),
        ),
        latency_p95_ms: watched(&latency, about_latency(this)),
        discrepancies: watched(
            &|week| (week.compared > 0).then(|| super::real(week.discrepancies)),
            about_drift(this, settings),
        ),
        weeks: weeks.to_vec(),
    }
}

fn about_incidents(this: Option<&Week>, before: &[Week], lost: &[Lost]) -> (bool, String) {
    let open = lost
        .iter()
        .filter(|lost| lost.outcome == Outcome::Open)
        .count();
    if open > 0 {
        return (
            true,
            format!(
                "{open} oversold orders still wait: settle them (onhand incidents list --open)"
            ),
        );
    }
    let now = this.map_or(0, |week| week.incidents);
    let earlier: usize = before.iter().map(|week| week.incidents).sum();
    let whole = |count: usize| u64::try_from(count).unwrap_or(u64::MAX);
    let ratio = stats::compared(whole(earlier), super::real(before.len()), whole(now), 1.0);
    match ratio {
        Some(found) if found.interval.low > 1.0 => (
            true,
            "more incidents than chance explains: see which SKUs, and raise their buffers (onhand report cost)".to_owned(),
        ),
        _ if now > 0 => (false, "as many as before, within chance".to_owned()),
        _ => (false, "none".to_owned()),
    }
}

fn about_latency(this: Option<&Week>) -> (bool, String) {
    match this.and_then(|week| week.latency_p95_ms) {
        None => (false, "nothing was sent for a sale".to_owned()),
        Some(ms) if ms >= REAL_TIME_MS => (
            true,
            "slower than real time: see which channel (onhand report latency, onhand status)"
                .to_owned(),
        ),
        Some(_) => (false, "real time".to_owned()),
    }
}

fn about_drift(this: Option<&Week>, settings: &crate::config::ReconcileSettings) -> (bool, String) {
    let Some(week) = this.filter(|week| week.compared > 0) else {
        return (
            true,
            "nothing was compared: let the schedule run reconcile (onhand schedule --list)"
                .to_owned(),
        );
    };
    match Health::of(week.drift, settings.healthy, settings.alarm) {
        Health::Healthy => (false, "healthy".to_owned()),
        Health::Watch => (false, "above the healthy line: watch it".to_owned()),
        Health::Alarm => (
            true,
            "above the alarm line, something is broken: see what differs (onhand reconcile --report FILE.html)".to_owned(),
        ),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn week(n: i64, incidents: usize, p95: Option<i64>, (compared, drifted): (usize, u32)) -> Week {
        let millionths = drifted * 1_000_000 / u32::try_from(compared.max(1)).unwrap();
        Week {
            since: Timestamp::from_millis(n * WEEK_MS),
            incidents,
            pushes: 10,
            latency_p95_ms: p95,
            compared,
            discrepancies: drifted as usize,
            drift_pct: None,
            drift: Share::from_millionths(millionths),
        }
    }

    fn judge(weeks: &[Week]) -> Answer {
        let at = Timestamp::from_millis;
        judged(
            weeks,
            &[],
            &crate::config::ReconcileSettings::default(),
            at(0),
            at(9),
        )
    }

    #[test]
    fn a_quiet_week_asks_for_nothing() {
        let calm = |n| week(n, 1, Some(900), (1_000, 0));
        let answer = judge(&[calm(0), calm(1), calm(2)]);
        assert!(!answer.asks(), "{}", answer.sentence());
        assert_eq!(answer.incidents.trend, Trend::Steady);
        assert_eq!(answer.sentence(), "Nothing has to be done this week");
    }

    #[test]
    fn each_number_can_ask() {
        let calm = |n| week(n, 1, Some(900), (1_000, 0));
        let answer = judge(&[calm(0), calm(1), week(2, 12, Some(6_000), (1_000, 20))]);
        for (name, watched) in answer.watched() {
            assert!(watched.asks, "{name}");
            assert_eq!(watched.trend, Trend::Rising, "{name}");
        }
        let blind = judge(&[week(0, 0, None, (0, 0))]);
        assert!(blind.discrepancies.asks && !blind.latency_p95_ms.asks);
        assert_eq!(blind.incidents.trend, Trend::Unknown);
        // Two where one was is chance.
        let chance = judge(&[calm(0), calm(1), week(2, 2, Some(900), (1_000, 0))]);
        assert!(!chance.asks());
    }
}
