//! `report weekly` as a page.

use super::weekly::{Answer, Watched, Week};
use super::{day_text, footer, real};
use crate::output::Cell;
use crate::output::chart::{Bar, Bars, Chart};
use crate::output::html::{Figure, Page, Part, Tone, Verdict};

/// The page.
pub(super) fn page(answer: &Answer) -> Page {
    let number = |watched: &Watched, unit: &str| {
        watched
            .this_week
            .map_or("not known".to_owned(), |value| format!("{value:.0}{unit}"))
    };
    let tone = |watched: &Watched| if watched.asks { Tone::Bad } else { Tone::Plain };
    Page {
        title: "The week in three numbers".to_owned(),
        about: format!(
            "The week up to {}, against the weeks since {}.",
            day_text(answer.until),
            day_text(answer.since)
        ),
        verdict: Some(Verdict {
            says: format!("{}.", answer.sentence()),
            tone: Tone::of(!answer.asks()),
        }),
        figures: vec![
            Figure::new("Incidents", number(&answer.incidents, ""))
                .toned(tone(&answer.incidents))
                .meaning("Orders that could not be served because units were not there, this week."),
            Figure::new("p95 latency", number(&answer.latency_p95_ms, " ms"))
                .toned(tone(&answer.latency_p95_ms))
                .meaning(
                    "95 % of what was sent for sales this week was answered by its channel within this time after the sale.",
                ),
            Figure::new("Discrepancies", number(&answer.discrepancies, ""))
                .toned(tone(&answer.discrepancies))
                .meaning(
                    "Listings that showed something else than they should when reconcile looked, at a second look as well, over \
                     all of this week's runs.",
                ),
        ],
        parts: parts(answer),
        footer: footer(answer.until),
    }
}

fn parts(answer: &Answer) -> Vec<Part> {
    let row = |(name, watched): &(&'static str, &Watched)| {
        let decimal = |value: Option<f64>, decimals| {
            value.map_or(Cell::Empty, |value| Cell::Decimal(value, decimals))
        };
        vec![
            (*name).into(),
            decimal(watched.this_week, 0),
            decimal(watched.before, 1),
            watched.trend.words().into(),
            watched.advice.as_str().into(),
        ]
    };
    #[expect(clippy::cast_precision_loss, reason = "a length on a picture")]
    let ms = |week: &Week| week.latency_p95_ms.map(|ms| ms as f64);
    vec![
        Part::Table {
            title: "What to do".to_owned(),
            headers: vec!["number", "this week", "before", "trend", "what to do"],
            rows: answer.watched().iter().map(row).collect(),
        },
        chart(answer, "Incidents by week", "incidents", |week| {
            Some((real(week.incidents), week.incidents.to_string()))
        }),
        chart(answer, "p95 latency by week", "ms", |week| {
            ms(week).map(|value| (value, format!("{value:.0} ms")))
        }),
        chart(answer, "Discrepancies by week", "listings", |week| {
            let of = format!("{} of {}", week.discrepancies, week.compared);
            (week.compared > 0).then(|| (real(week.discrepancies), of))
        }),
    ]
}

fn chart(
    answer: &Answer,
    title: &str,
    unit: &str,
    of: impl Fn(&Week) -> Option<(f64, String)>,
) -> Part {
    let bar = |week: &Week| {
        let label = day_text(week.since);
        match of(week) {
            Some((value, says)) => Bar::new(label, value).saying(says),
            None => Bar::new(label, 0.0).saying("not known"),
        }
    };
    Part::Chart {
        title: title.to_owned(),
        about: "Each bar is the week that begins on that day; the last one is this week."
            .to_owned(),
        chart: Chart::Bars(Bars {
            unit: unit.to_owned(),
            bars: answer.weeks.iter().map(bar).collect(),
            bounds: Vec::new(),
        }),
    }
}
