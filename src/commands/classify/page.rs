//! What was found as a page: the shop's week, the velocity curve, what moves, what was left out.

use super::Answer;
use super::show;
use crate::domain::tier::Tier;
use crate::output::Cell;
use crate::output::chart::{Axis, Bound, Chart, Heat, Lines, Series};
use crate::output::html::{Figure, Page, Part, Tone};
use crate::sales::Classified;

/// SKUs in the table of the fastest.
const FASTEST_SHOWN: usize = 25;
/// What is slower than this is drawn there.
const PEAK_LEAST: f64 = 0.01;
/// SKUs in the table of movers.
const MOVERS_SHOWN: usize = 15;

/// The page.
pub(super) fn page(answer: &Answer<'_>) -> Page {
    let found = answer.found;
    let rows = found.rows;
    Page {
        title: "How fast each SKU sells".to_owned(),
        about: format!(
            "{} hours up to {}, times in {}.",
            found.window_hours,
            found.as_of.to_seconds_text(),
            found.timezone
        ),
        verdict: None,
        figures: vec![
            Figure::new("Rows read", rows.read.to_string())
                .meaning("Rows of the files below their headers: counted, ignored and rejected ones together."),
            Figure::new("Counted", rows.counted.to_string())
                .meaning("Rows that are demand inside the window."),
            Figure::new("Ignored", rows.ignored.to_string())
                .meaning("Rows that are no demand, such as refunds, cancelled by buyers, shipping lines, or outside the window; each with its reason below."),
            Figure::new("Rejected", rows.rejected.to_string())
                .toned(Tone::of(rows.rejected == 0))
                .meaning("Rows that are no sale as they stand: without a time, a quantity or a SKU that can be read. Each is in --rejects with its line."),
            Figure::new("SKUs", found.skus.len().to_string())
                .meaning("SKUs that were sold in the window."),
        ],
        parts: parts(answer),
        footer: format!(
            "onhand {}. A sells 10 or more units an hour in peak hours, B 2 to below 10, C below 2.",
            env!("CARGO_PKG_VERSION")
        ),
    }
}

fn parts(answer: &Answer<'_>) -> Vec<Part> {
    let found = answer.found;
    let mut parts = vec![Part::Table {
        title: "Tiers".to_owned(),
        headers: vec!["tier", "SKUs", "SKUs %", "units", "units %"],
        rows: show::tiers(found),
    }];
    if !found.warnings.is_empty() {
        parts.push(Part::List {
            title: "To be careful about".to_owned(),
            lines: found.warnings.clone(),
        });
    }
    if let Some(heat) = &found.heat {
        parts.push(Part::Chart {
            title: "The shop's week".to_owned(),
            about: format!(
                "Orders by day of the week and hour of the day, in {}; darker is more.",
                heat.timezone
            ),
            chart: Chart::Heat(Heat {
                rows: ["Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun"]
                    .iter()
                    .map(ToString::to_string)
                    .zip(heat.rows.iter().cloned())
                    .collect(),
            }),
        });
    }
    parts.push(curve(found));
    parts.push(fastest(found));
    parts.push(movers(found));
    if !answer.changes.is_empty() {
        parts.push(changes(answer));
    }
    parts.push(Part::Table {
        title: "Left out, and why".to_owned(),
        headers: vec!["reason", "rows", "units"],
        rows: show::ignored(found),
    });
    if !found.rejected.is_empty() {
        let rows = show::rejects(found);
        parts.push(Part::Table {
            title: "Rejected rows (the first hundred)".to_owned(),
            headers: vec!["file", "line", "reason"],
            rows: rows.into_iter().take(100).collect(),
        });
    }
    parts.push(files(found));
    parts
}

fn curve(found: &Classified) -> Part {
    let fastest = show::fastest(found);
    let peaks = (1_u32..).map(f64::from).zip(fastest.iter());
    let points = peaks.map(|(rank, sku)| (rank, sku.peak_units_per_hour.max(PEAK_LEAST)));
    Part::Chart {
        title: "Velocity curve".to_owned(),
        about: "Peak units an hour of each SKU, fastest first, on a logarithmic scale; the lines are the bounds of A and B."
            .to_owned(),
        chart: Chart::Lines(Lines {
            x: Axis::new("SKUs, fastest first"),
            y: Axis::log("peak units an hour"),
            series: vec![Series {
                name: "peak units an hour".to_owned(),
                points: points.collect(),
                band: Vec::new(),
            }],
            across: vec![
                Bound::new("A from 10 on", Tier::A.least_peak()),
                Bound::new("B from 2 on", Tier::B.least_peak()),
            ],
            ..Lines::default()
        }),
    }
}

fn fastest(found: &Classified) -> Part {
    let row = |sku: &&crate::sales::SkuReport| {
        vec![
            sku.sku.as_str().into(),
            sku.tier.letter().into(),
            Cell::Decimal(sku.peak_units_per_hour, 2),
            show::amount(sku.max_hour_units),
            show::amount(sku.units),
            Cell::Whole(i64::try_from(sku.orders).unwrap_or(i64::MAX)),
            show::remarks(sku).into(),
        ]
    };
    Part::Table {
        title: "The fastest".to_owned(),
        headers: vec![
            "SKU", "tier", "peak/h", "max hour", "units", "orders", "remarks",
        ],
        rows: show::fastest(found)
            .iter()
            .take(FASTEST_SHOWN)
            .map(row)
            .collect(),
    }
}

/// SKUs whose last 14 days differ most from the whole window.
fn movers(found: &Classified) -> Part {
    let mut moved: Vec<_> = found
        .skus
        .iter()
        .filter(|sku| sku.orders >= 5)
        .map(|sku| (sku, sku.last_14d_peak - sku.peak_units_per_hour))
        .collect();
    moved.sort_by(|a, b| {
        b.1.abs()
            .total_cmp(&a.1.abs())
            .then_with(|| a.0.sku.cmp(&b.0.sku))
    });
    Part::Table {
        title: "Top movers: the last 14 days against the whole window".to_owned(),
        headers: vec!["SKU", "tier", "peak/h", "last 14 days", "difference"],
        rows: moved
            .into_iter()
            .take(MOVERS_SHOWN)
            .map(|(sku, difference)| {
                vec![
                    sku.sku.as_str().into(),
                    sku.tier.letter().into(),
                    Cell::Decimal(sku.peak_units_per_hour, 2),
                    Cell::Decimal(sku.last_14d_peak, 2),
                    Cell::Decimal(difference, 2),
                ]
            })
            .collect(),
    }
}

fn changes(answer: &Answer<'_>) -> Part {
    Part::Table {
        title: if answer.applied {
            "Tiers that changed"
        } else {
            "Tiers that --apply would change"
        }
        .to_owned(),
        headers: vec!["SKU", "stored", "now", "measured", "why"],
        rows: answer
            .changes
            .iter()
            .filter(|change| change.from.is_some())
            .take(100)
            .map(|change| {
                vec![
                    change.sku.as_str().into(),
                    change.from.map_or(Cell::Empty, |tier| tier.letter().into()),
                    change.to.letter().into(),
                    change.measured.letter().into(),
                    change.why.as_str().into(),
                ]
            })
            .collect(),
    }
}

fn files(found: &Classified) -> Part {
    let text = |text: &Option<String>| text.clone().map_or(Cell::Empty, Cell::Text);
    Part::Table {
        title: "Files".to_owned(),
        headers: vec![
            "file",
            "format",
            "encoding",
            "rows",
            "times",
            "zone",
            "first",
            "last",
            "days without sales",
        ],
        rows: found
            .files
            .iter()
            .map(|file| {
                vec![
                    file.file.as_str().into(),
                    file.format.as_str().into(),
                    file.encoding.as_str().into(),
                    Cell::Whole(i64::try_from(file.read).unwrap_or(i64::MAX)),
                    file.resolution.join(", ").into(),
                    text(&file.timezone),
                    text(&file.first),
                    text(&file.last),
                    Cell::Whole(i64::try_from(file.days_without_sales).unwrap_or(i64::MAX)),
                ]
            })
            .collect(),
    }
}
