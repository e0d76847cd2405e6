//! What `classify` says on a terminal and in CSV.

use std::collections::BTreeMap;

use super::Answer;
use crate::cli::Classify;
use crate::domain::tier::Tier;
use crate::exit::Failure;
use crate::output::{Cell, Out};
use crate::sales::{Classified, SkuReport};

/// Most SKUs, changes and gaps in a table; all of them are in CSV and JSON.
const SKUS_SHOWN: usize = 50;
const CHANGES_SHOWN: usize = 20;
const ROWS_SHOWN: usize = 20;

/// Columns of the CSV of SKUs.
const SKU_HEADERS: &[&str] = &[
    "sku",
    "tier",
    "peak_units_per_hour",
    "shop_peak",
    "own_peak",
    "own_peak_se",
    "own_peak_lower",
    "peak_orders_per_hour",
    "units",
    "share_pct",
    "units_class",
    "orders",
    "exposure_hours",
    "order_cap",
    "max_hour_units",
    "last_14d_peak",
    "rising",
    "provisional",
    "borderline",
    "pinned",
];

/// Columns of the CSV of SKUs by their largest hour: nothing else is measured then.
const MAX_HOUR_HEADERS: &[&str] = &[
    "sku",
    "tier",
    "max_hour_units",
    "units",
    "share_pct",
    "units_class",
];

/// Columns of the CSV of rows.
pub(super) const LINE_HEADERS: &[&str] = &[
    "file",
    "line",
    "order",
    "sku",
    "quantity",
    "at_utc",
    "resolution",
    "channel",
    "counted",
    "reason",
];

/// Columns of rejected rows.
pub(super) const REJECT_HEADERS: &[&str] = &["file", "line", "reason"];

/// A quantity: whole where it is.
pub(super) fn amount(units: f64) -> Cell {
    if units.fract() == 0.0 && units.abs() < 1e15 {
        #[expect(clippy::cast_possible_truncation, reason = "whole and small")]
        Cell::Whole(units as i64)
    } else {
        Cell::Decimal(units, 3)
    }
}

fn count(n: u64) -> Cell {
    Cell::Whole(i64::try_from(n).unwrap_or(i64::MAX))
}

fn share(part: f64, whole: f64) -> f64 {
    if whole > 0.0 {
        100.0 * part / whole
    } else {
        0.0
    }
}

fn total_units(found: &Classified) -> f64 {
    found.skus.iter().map(|sku| sku.units).sum()
}

/// Every SKU by name, with what was measured, and the columns.
pub(super) fn skus(
    found: &Classified,
    max_hour: bool,
) -> (&'static [&'static str], Vec<Vec<Cell>>) {
    if !max_hour {
        return (SKU_HEADERS, all_skus(found));
    }
    let total = total_units(found);
    let row = |sku: &SkuReport| {
        vec![
            sku.sku.as_str().into(),
            sku.tier.letter().into(),
            amount(sku.max_hour_units),
            amount(sku.units),
            Cell::Decimal(share(sku.units, total), 3),
            format!("{:?}", sku.units_class).into(),
        ]
    };
    (MAX_HOUR_HEADERS, found.skus.iter().map(row).collect())
}

/// Every SKU with everything, by name.
fn all_skus(found: &Classified) -> Vec<Vec<Cell>> {
    let total = total_units(found);
    let yes = |flag: bool| Cell::from(if flag { "yes" } else { "" });
    let row = |sku: &SkuReport| {
        vec![
            sku.sku.as_str().into(),
            sku.tier.letter().into(),
            Cell::Decimal(sku.peak_units_per_hour, 6),
            Cell::Decimal(sku.shop_peak, 6),
            Cell::Decimal(sku.own_peak, 6),
            Cell::Decimal(sku.own_peak_se, 6),
            Cell::Decimal(sku.own_peak_lower, 6),
            Cell::Decimal(sku.peak_orders_per_hour, 6),
            amount(sku.units),
            Cell::Decimal(share(sku.units, total), 3),
            format!("{:?}", sku.units_class).into(),
            count(sku.orders),
            count(sku.exposure_hours),
            amount(sku.order_cap),
            amount(sku.max_hour_units),
            Cell::Decimal(sku.last_14d_peak, 6),
            yes(sku.rising),
            yes(sku.provisional),
            yes(sku.borderline),
            yes(sku.pinned),
        ]
    };
    found.skus.iter().map(row).collect()
}

/// Every row, if rows were asked for.
pub(super) fn lines(found: &Classified) -> Vec<Vec<Cell>> {
    let row = |line: &crate::sales::LineReport| {
        vec![
            line.file.as_str().into(),
            count(line.line),
            line.order.as_str().into(),
            line.sku.as_str().into(),
            line.quantity.as_f64().map_or(Cell::Empty, amount),
            line.at_utc.clone().map_or(Cell::Empty, Cell::Text),
            line.resolution.into(),
            line.channel.as_str().into(),
            Cell::from(if line.counted { "yes" } else { "no" }),
            line.reason.as_str().into(),
        ]
    };
    found.lines.iter().flatten().map(row).collect()
}

/// Every rejected row.
pub(super) fn rejects(found: &Classified) -> Vec<Vec<Cell>> {
    let row = |row: &crate::sales::RejectedRow| {
        vec![
            row.file.as_str().into(),
            count(row.line),
            row.reason.as_str().into(),
        ]
    };
    found.rejected.iter().map(row).collect()
}

/// What was ignored, and why.
pub(super) fn ignored(found: &Classified) -> Vec<Vec<Cell>> {
    let row = |reason: &crate::sales::Ignored| {
        vec![
            reason.reason.as_str().into(),
            count(reason.rows),
            amount(reason.units),
        ]
    };
    found.ignored.iter().map(row).collect()
}

/// SKUs, units and share of sales of each tier.
pub(super) fn tiers(found: &Classified) -> Vec<Vec<Cell>> {
    let total = total_units(found);
    let mut sums: BTreeMap<Tier, (u64, f64)> = Tier::WORDS
        .iter()
        .map(|(_, tier)| (*tier, (0, 0.0)))
        .collect();
    for sku in &found.skus {
        let sum = sums.entry(sku.tier).or_default();
        sum.0 += 1;
        sum.1 += sku.units;
    }
    let n_skus = found.skus.len() as u64;
    #[expect(clippy::cast_precision_loss, reason = "a share of SKUs")]
    let of_skus = |n: u64| Cell::Decimal(share(n as f64, n_skus as f64), 1);
    sums.iter()
        .map(|(tier, (n, units))| {
            vec![
                tier.letter().into(),
                count(*n),
                of_skus(*n),
                amount(*units),
                Cell::Decimal(share(*units, total), 1),
            ]
        })
        .collect()
}

/// The fastest first.
pub(super) fn fastest(found: &Classified) -> Vec<&SkuReport> {
    let mut skus: Vec<&SkuReport> = found.skus.iter().collect();
    skus.sort_by(|a, b| {
        b.peak_units_per_hour
            .total_cmp(&a.peak_units_per_hour)
            .then_with(|| a.sku.cmp(&b.sku))
    });
    skus
}

/// Words about one SKU.
pub(super) fn remarks(sku: &SkuReport) -> String {
    let words = [
        (sku.pinned, "pinned"),
        (sku.rising, "rising"),
        (sku.provisional, "provisional"),
        (sku.borderline, "borderline"),
        (sku.has_days, "days only in part"),
    ];
    let said: Vec<_> = words
        .iter()
        .filter(|(so, _)| *so)
        .map(|(_, word)| *word)
        .collect();
    said.join(", ")
}

/// Tiers, the fastest SKUs, what was ignored, and what would change.
pub(super) fn table(answer: &Answer<'_>, with_lines: bool, out: &mut Out) -> Result<(), Failure> {
    let found = answer.found;
    if with_lines {
        out.table(LINE_HEADERS, &lines(found))?;
        out.text("")?;
    }
    out.table(
        &["tier", "skus", "skus %", "units", "units %"],
        &tiers(found),
    )?;
    out.text("")?;
    let skus = fastest(found);
    let total = total_units(found);
    let rows: Vec<_> = skus
        .iter()
        .take(SKUS_SHOWN)
        .map(|sku| {
            vec![
                sku.sku.as_str().into(),
                sku.tier.letter().into(),
                Cell::Decimal(sku.peak_units_per_hour, 2),
                Cell::Decimal(sku.peak_orders_per_hour, 2),
                amount(sku.max_hour_units),
                Cell::Decimal(sku.last_14d_peak, 2),
                amount(sku.units),
                Cell::Decimal(share(sku.units, total), 2),
                count(sku.orders),
                remarks(sku).into(),
            ]
        })
        .collect();
    let headers = [
        "sku",
        "tier",
        "peak/h",
        "orders/h",
        "max hour",
        "last 14 d",
        "units",
        "units %",
        "orders",
        "remarks",
    ];
    out.table(&headers, &rows)?;
    more(skus.len(), SKUS_SHOWN, "SKUs", out);
    if !found.ignored.is_empty() {
        out.text("")?;
        out.table(&["ignored", "rows", "units"], &ignored(found))?;
    }
    if !found.rejected.is_empty() {
        out.text("")?;
        let rows = rejects(found);
        out.table(REJECT_HEADERS, rows.get(..ROWS_SHOWN).unwrap_or(&rows))?;
        more(rows.len(), ROWS_SHOWN, "rejected rows", out);
    }
    changes(answer, out)
}

fn changes(answer: &Answer<'_>, out: &mut Out) -> Result<(), Failure> {
    let known: Vec<_> = answer
        .changes
        .iter()
        .filter(|change| change.from.is_some())
        .collect();
    if known.is_empty() {
        return Ok(());
    }
    let rows: Vec<Vec<Cell>> = known
        .iter()
        .take(CHANGES_SHOWN)
        .map(|change| {
            vec![
                change.sku.as_str().into(),
                change.from.map_or(Cell::Empty, |tier| tier.letter().into()),
                change.to.letter().into(),
                change.measured.letter().into(),
                change.why.as_str().into(),
            ]
        })
        .collect();
    out.text("")?;
    out.table(&["changed", "stored", "now", "measured", "why"], &rows)?;
    more(known.len(), CHANGES_SHOWN, "changes", out);
    Ok(())
}

fn more(n: usize, shown: usize, what: &str, out: &mut Out) {
    if n > shown {
        out.note(format!(
            "and {} more {what}; --format csv or json tells all of them",
            n - shown
        ));
    }
}

/// The numbers, as talk.
pub(super) fn notes(answer: &Answer<'_>, args: &Classify, out: &mut Out) {
    let (found, rows) = (answer.found, answer.found.rows);
    out.note(format!(
        "read {} rows: {} counted, {} ignored, {} rejected; {} h up to {}",
        rows.read,
        rows.counted,
        rows.ignored,
        rows.rejected,
        found.window_hours,
        found.as_of.to_seconds_text()
    ));
    for file in &found.files {
        let days = match file.days_without_sales {
            0 => String::new(),
            n => format!(", {n} days without sales"),
        };
        out.note(format!(
            "{}: {} ({}), {} rows, times to the {}{days}",
            file.file,
            file.format,
            file.encoding,
            file.read,
            file.resolution.join(" and ")
        ));
    }
    if !found.gaps.is_empty() {
        let skus: std::collections::BTreeSet<&str> =
            found.gaps.iter().map(|gap| gap.sku.as_str()).collect();
        out.note(format!(
            "{} SKUs have gaps that chance does not explain; --format json lists them, --censor-gaps leaves them out",
            skus.len()
        ));
    }
    let n_changed = answer
        .changes
        .iter()
        .filter(|change| change.from != Some(change.to))
        .count();
    if answer.applied {
        out.note(format!(
            "kept: {n_changed} tiers changed, {} SKUs are not in the files and keep theirs",
            answer.stale
        ));
    } else if !args.apply
        && n_changed > 0
        && answer.changes.iter().any(|change| change.from.is_some())
    {
        out.note(format!("--apply would change {n_changed} stored tiers"));
    }
}
