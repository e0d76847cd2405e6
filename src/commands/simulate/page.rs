//! What was found as a page: the curve over latency with the seller's own position, what it costs, the SKUs that oversell
//! most, and what each figure means.

use super::answer::{Answer, Row};
use super::show::{self, HEADERS, SKU_HEADERS, small, span};
use crate::domain::money::Currency;
use crate::output::chart::{Axis, Bar, Bars, Chart, Lines, Mark, Series};
use crate::output::html::{Figure, Page, Part, Tone, Verdict};

/// Curves that can be told apart.
const CURVES_MAX: usize = 5;
/// Bars on one picture.
const BARS_MAX: usize = 24;

/// The page. `current_s` is the latency that the seller has now.
pub(super) fn page(answer: &Answer<'_>, currency: Currency, current_s: Option<f64>) -> Page {
    let own = current_s.and_then(|seconds| at(answer, seconds));
    let from = own.or_else(|| answer.scenarios.get(show::worst(&answer.scenarios)?));
    let fastest = from.and_then(|row| fastest(answer, row));
    Page {
        title: "What would be oversold".to_owned(),
        about: format!(
            "Your own orders of {:.0} hours up to {}, sold again under other latencies and buffers. Reading: {}.",
            answer.observed_hours,
            answer.as_of.to_seconds_text(),
            answer.reading
        ),
        verdict: verdict(from, fastest, own.is_some(), currency),
        figures: figures(answer, own, fastest, currency),
        parts: parts(answer, own, currency),
        footer: format!("onhand {}, seed {}", env!("CARGO_PKG_VERSION"), answer.seed),
    }
}

/// The seller's own scenario: the first of that latency.
fn at<'r>(answer: &'r Answer<'_>, seconds: f64) -> Option<&'r Row> {
    let is = |row: &&Row| row.latency_s.total_cmp(&seconds).is_eq();
    answer.scenarios.iter().find(is)
}

/// What it is compared with: the shortest latency with the same buffer, told as events where there are both.
fn fastest<'r>(answer: &'r Answer<'_>, than: &Row) -> Option<&'r Row> {
    let same = |row: &&Row| row.buffer == than.buffer;
    answer.scenarios.iter().filter(same).min_by(|a, b| {
        let by_latency = a.latency_s.total_cmp(&b.latency_s);
        by_latency.then(b.mode.cmp(&a.mode))
    })
}

/// A scenario in words.
fn words(row: &Row) -> String {
    let told = match row.mode {
        crate::domain::oversell::Mode::Batch => format!("synced every {}", span(row.latency_s)),
        crate::domain::oversell::Mode::Event => format!("told within {}", span(row.latency_s)),
    };
    if row.buffer == "0" {
        told
    } else {
        format!("{told}, {} withheld", row.buffer)
    }
}

fn amount(row: &Row, currency: Currency) -> String {
    match row.cost_per_month {
        Some(cost) => format!("{} a month", currency.about(cost)),
        None => format!("{} per stockout", currency.about(row.cost_per_stockout)),
    }
}

fn verdict(
    from: Option<&Row>,
    fastest: Option<&Row>,
    now: bool,
    currency: Currency,
) -> Option<Verdict> {
    let (from, fastest) = from.zip(fastest)?;
    let (more, less) = (
        from.oversold_units_per_stockout,
        fastest.oversold_units_per_stockout,
    );
    if more <= 0.0 {
        return Some(Verdict {
            says: "Nothing is oversold in any of these scenarios.".to_owned(),
            tone: Tone::Good,
        });
    }
    let who = if now { "Now, " } else { "If " };
    Some(Verdict {
        says: format!(
            "{who}{}, a stockout oversells {} units ({}); {} it is {} ({}), {:.1} % less.",
            words(from),
            small(more).plain(),
            amount(from, currency),
            words(fastest),
            small(less).plain(),
            amount(fastest, currency),
            100.0 * (1.0 - less / more)
        ),
        tone: Tone::Plain,
    })
}

fn figures(
    answer: &Answer<'_>,
    own: Option<&Row>,
    fastest: Option<&Row>,
    currency: Currency,
) -> Vec<Figure> {
    let per_stockout = |name: &str, row: &Row| {
        let limits = row.interval_95.map_or(String::new(), |[low, high]| {
            format!(" ({} to {})", small(low).plain(), small(high).plain())
        });
        Figure::new(
            format!("{name}: {}", words(row)),
            format!("{}{limits} units", small(row.oversold_units_per_stockout).plain()),
        )
        .meaning(
            "Units oversold per stockout: the mean over every place where the stock could have run out, with 95 % limits \
             from drawing the days again.",
        )
    };
    let mut found = Vec::new();
    found.extend(own.map(|row| per_stockout("Now", row)));
    found.extend(fastest.map(|row| per_stockout("Fastest", row)));
    found.push(
        Figure::new(
            "Stockouts a month",
            answer
                .stockouts_per_month
                .map_or("not known".to_owned(), |number| format!("{number:.1}")),
        )
        .meaning(
            "How often a SKU ran out while it was listed, in 30 days. It is not guessed from sales: it comes from \
             --stockouts or from the store. Without it nothing is said per month.",
        ),
    );
    found.push(
        Figure::new(
            "One oversold order",
            currency.about(answer.cost_per_incident),
        )
        .meaning("What one costs, all in all: --incident-cost, or [costs] of the settings."),
    );
    if answer.peak > 1.0 {
        found.push(
            Figure::new("Peak", format!("{} times", answer.peak)).meaning(
                "Everything sells so many times as fast as it did; stockouts a month come as many times as often.",
            ),
        );
    }
    found
}

fn parts(answer: &Answer<'_>, own: Option<&Row>, currency: Currency) -> Vec<Part> {
    let mut parts = vec![Part::Chart {
        title: "Oversold units per stockout, by latency".to_owned(),
        about: "How late a sale reaches the other channels, or how often they are synced. Both axes go by factors. The band \
                is 95 % of what other days could have given."
            .to_owned(),
        chart: Chart::Lines(curve(answer, own)),
    }];
    if answer.stockouts_per_month.is_some() {
        parts.push(Part::Chart {
            title: "Cost a month".to_owned(),
            about: format!(
                "In {currency}: stockouts a month, times orders oversold at each, times what one costs. The lines are \
                 95 % limits of the sales; the number of stockouts is taken as it is."
            ),
            chart: Chart::Bars(costs(answer, currency)),
        });
    }
    parts.push(Part::Table {
        title: "Scenarios".to_owned(),
        headers: HEADERS.to_vec(),
        rows: answer.scenarios.iter().map(show::row).collect(),
    });
    let (title, rows) = show::worst_skus(answer);
    parts.push(Part::Table {
        title,
        headers: SKU_HEADERS.to_vec(),
        rows,
    });
    parts.push(terms());
    parts
}

fn curve(answer: &Answer<'_>, own: Option<&Row>) -> Lines {
    let mut series: Vec<(Series, String)> = Vec::new();
    for row in &answer.scenarios {
        let name = match row.buffer.as_str() {
            "0" => row.mode.word().to_owned(),
            buffer => format!("{}, {buffer} withheld", row.mode.word()),
        };
        if !series.iter().any(|(_, known)| *known == name) {
            let fresh = Series {
                name: name.clone(),
                ..Series::default()
            };
            series.push((fresh, name.clone()));
        }
        let Some((line, _)) = series.iter_mut().find(|(_, known)| *known == name) else {
            continue;
        };
        let (x, y) = (row.latency_s, row.oversold_units_per_stockout);
        line.points.push((x, y));
        // More bands than those of one buffer would lie over each other.
        let banded = answer.scenarios.first().map(|first| &first.buffer) == Some(&row.buffer);
        let limits = row.interval_95.filter(|[low, _]| banded && *low > 0.0);
        if let Some([low, high]) = limits {
            line.band.push((x, low, high));
        }
    }
    let mut ticks: Vec<f64> = answer.scenarios.iter().map(|row| row.latency_s).collect();
    ticks.sort_by(f64::total_cmp);
    ticks.dedup();
    let mut lines: Vec<Series> = series.into_iter().map(|(line, _)| line).collect();
    for line in &mut lines {
        line.points.sort_by(|a, b| a.0.total_cmp(&b.0));
        line.band.sort_by(|a, b| a.0.total_cmp(&b.0));
    }
    lines.truncate(CURVES_MAX);
    Lines {
        x: Axis::log("latency, or time between syncs")
            .with_ticks(ticks.into_iter().map(|seconds| (seconds, span(seconds)))),
        y: Axis::log("units oversold per stockout"),
        series: lines,
        marks: own
            .map(|row| Mark {
                name: format!("you are here: {}", span(row.latency_s)),
                x: row.latency_s,
                y: row.oversold_units_per_stockout,
            })
            .into_iter()
            .collect(),
        ..Lines::default()
    }
}

fn costs(answer: &Answer<'_>, currency: Currency) -> Bars {
    let bar = |row: &Row| {
        let cost = row.cost_per_month?;
        let bar = Bar::new(words(row), cost).saying(currency.about(cost));
        Some(match row.cost_interval_95 {
            Some([low, high]) => bar.between(low, high),
            None => bar,
        })
    };
    Bars {
        bars: answer
            .scenarios
            .iter()
            .filter_map(bar)
            .take(BARS_MAX)
            .collect(),
        ..Bars::default()
    }
}

fn terms() -> Part {
    let term = |word: &str, means: &str| (word.to_owned(), means.to_owned());
    Part::Terms {
        title: "What the figures mean".to_owned(),
        terms: vec![
            term(
                "units/stockout",
                "Pairs of units that were sold on different channels and did not see each other, over all units sold. This \
                 is exactly the mean of what is oversold over every place where the stock could have run out.",
            ),
            term(
                "orders/stockout",
                "The same with every order as one unit, over the number of orders: bulk orders weigh less in it. Costs go \
                 by it.",
            ),
            term(
                "stockouts hit %",
                "Share of stockouts at which anything is oversold.",
            ),
            term(
                "lost",
                "Units per stockout that buyers were refused although channels that know everything would have sold them.",
            ),
            term(
                "stranded",
                "Units per stockout that are left on the shelf while no channel shows any.",
            ),
            term(
                "units/month, % of units, cost/month",
                "With the number of stockouts a month; empty where that is not known.",
            ),
            term(
                "buffer",
                "Units withheld from every channel; a share is one of the reference stock. What a buffer leaves is replayed \
                 order by order from a sample of places.",
            ),
        ],
    }
}
