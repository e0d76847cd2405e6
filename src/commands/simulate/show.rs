//! What `simulate` says on a terminal and in CSV.

use super::answer::{Answer, Row, TierRows};
use super::work::Whole;
use crate::exit::Failure;
use crate::output::{Cell, Format, Out};

/// The word that its JSON begins with.
const SCHEMA: &str = "onhand.simulate/1";
/// Most SKUs in a table; all of them are in CSV and JSON.
const SKUS_SHOWN: usize = 20;
/// Fewer channels oversell nothing.
const CHANNELS_LEAST: usize = 2;

/// Columns of the table of scenarios.
pub(super) const HEADERS: &[&str] = &[
    "mode",
    "latency",
    "buffer",
    "units/stockout",
    "95 %",
    "orders/stockout",
    "stockouts hit %",
    "lost",
    "stranded",
    "units/month",
    "% of units",
    "cost/month",
];

/// Columns of the table of SKUs.
pub(super) const SKU_HEADERS: &[&str] = &[
    "sku",
    "tier",
    "orders",
    "units",
    "units/stockout",
    "orders/stockout",
    "units/month",
];

/// Columns of the CSV.
const CSV_HEADERS: &[&str] = &[
    "scope",
    "name",
    "mode",
    "latency_s",
    "buffer",
    "allocation",
    "orders",
    "units",
    "oversold_units_per_stockout",
    "oversold_orders_per_stockout",
    "stockouts_oversold_pct",
    "oversold_units_per_month",
    "share_of_units_pct",
    "lost_units",
    "stranded_units",
    "cost_per_stockout",
    "cost_per_month",
    "interval_95_low",
    "interval_95_high",
    "cost_interval_95_low",
    "cost_interval_95_high",
];

/// Tells it all in the format that was asked for, and says how to read it.
pub(super) fn tell(answer: &Answer<'_>, whole: &Whole, out: &mut Out) -> Result<(), Failure> {
    match out.format() {
        Format::Json => out.json(SCHEMA, answer)?,
        Format::Csv => out.csv(CSV_HEADERS, all(answer))?,
        Format::Table => table(answer, out)?,
    }
    notes(answer, whole, out);
    Ok(())
}

/// A time as people write it.
pub(super) fn span(seconds: f64) -> String {
    let whole = |unit: f64| seconds >= unit && seconds % unit == 0.0;
    if whole(3_600.0) {
        format!("{} h", seconds / 3_600.0)
    } else if whole(60.0) {
        format!("{} min", seconds / 60.0)
    } else {
        format!("{seconds} s")
    }
}

/// A small number keeps its first digits.
pub(super) fn small(number: f64) -> Cell {
    let decimals = if number.abs() >= 100.0 {
        0
    } else if number.abs() >= 1.0 {
        2
    } else {
        4
    };
    Cell::Decimal(number, decimals)
}

/// A scenario.
pub(super) fn row(row: &Row) -> Vec<Cell> {
    let limits = row
        .interval_95
        .map(|[low, high]| format!("{}–{}", small(low).plain(), small(high).plain()));
    vec![
        row.mode.word().into(),
        span(row.latency_s).into(),
        row.buffer.as_str().into(),
        small(row.oversold_units_per_stockout),
        limits.into(),
        small(row.oversold_orders_per_stockout),
        Cell::Decimal(row.stockouts_oversold_pct, 2),
        small(row.lost_units),
        small(row.stranded_units),
        row.oversold_units_per_month.map_or(Cell::Empty, small),
        row.share_of_units_pct.map_or(Cell::Empty, small),
        row.cost_per_month
            .map_or(Cell::Empty, |cost| Cell::Decimal(cost, 2)),
    ]
}

/// The row to compare SKUs by: without a buffer where there is one, at the longest latency.
pub(super) fn worst(rows: &[Row]) -> Option<usize> {
    let by = |idx: &usize| {
        rows.get(*idx)
            .map_or(0.0, |row| row.oversold_units_per_stockout)
    };
    (0..rows.len()).max_by(|a, b| by(a).total_cmp(&by(b)).then(b.cmp(a)))
}

/// The SKUs that oversell most in the worst scenario, and which that is.
pub(super) fn worst_skus(answer: &Answer<'_>) -> (String, Vec<Vec<Cell>>) {
    let Some((worst, scenario)) =
        worst(&answer.scenarios).and_then(|idx| Some((idx, answer.scenarios.get(idx)?)))
    else {
        return (String::new(), Vec::new());
    };
    let title = format!(
        "SKUs that oversell most: {} {}, buffer {}",
        scenario.mode.word(),
        span(scenario.latency_s),
        scenario.buffer
    );
    let rows = answer.skus.worst(SKUS_SHOWN).into_iter().filter_map(|sku| {
        let row = sku.scenarios.get(worst)?;
        Some(vec![
            sku.sku.as_str().into(),
            sku.tier.letter().into(),
            Cell::Decimal(row.orders, 0),
            Cell::Decimal(row.units, 0),
            small(row.oversold_units_per_stockout),
            small(row.oversold_orders_per_stockout),
            row.oversold_units_per_month.map_or(Cell::Empty, small),
        ])
    });
    (title, rows.collect())
}

fn table(answer: &Answer<'_>, out: &mut Out) -> Result<(), Failure> {
    let rows: Vec<_> = answer.scenarios.iter().map(row).collect();
    out.table(HEADERS, &rows)?;
    let (title, rows) = worst_skus(answer);
    if rows.is_empty() {
        return Ok(());
    }
    out.text("")?;
    out.text(&title)?;
    out.table(SKU_HEADERS, &rows)?;
    Ok(())
}

/// Every scenario of all goods, of each tier, of each SKU.
fn all(answer: &Answer<'_>) -> impl Iterator<Item = Vec<Cell>> {
    let of = |scope: &str, name: &str, rows: &[Row]| -> Vec<Vec<Cell>> {
        rows.iter().map(|row| csv_row(scope, name, row)).collect()
    };
    let tier = move |tier: &TierRows| of("tier", tier.tier.letter(), &tier.scenarios);
    of("all", "", &answer.scenarios)
        .into_iter()
        .chain(answer.tiers.iter().flat_map(tier))
        .chain(
            answer
                .skus
                .iter()
                .flat_map(move |sku| of("sku", &sku.sku, &sku.scenarios)),
        )
}

fn csv_row(scope: &str, name: &str, row: &Row) -> Vec<Cell> {
    let number = |number: f64| Cell::Decimal(number, 6);
    let known = |value: Option<f64>| value.map_or(Cell::Empty, number);
    let pair = |limits: Option<[f64; 2]>| match limits {
        Some([low, high]) => [number(low), number(high)],
        None => [Cell::Empty, Cell::Empty],
    };
    let mut cells = vec![
        scope.into(),
        name.into(),
        row.mode.word().into(),
        Cell::Decimal(row.latency_s, 3),
        row.buffer.as_str().into(),
        row.allocation.into(),
        Cell::Decimal(row.orders, 0),
        Cell::Decimal(row.units, 3),
        number(row.oversold_units_per_stockout),
        number(row.oversold_orders_per_stockout),
        number(row.stockouts_oversold_pct),
        known(row.oversold_units_per_month),
        known(row.share_of_units_pct),
        number(row.lost_units),
        number(row.stranded_units),
        number(row.cost_per_stockout),
        known(row.cost_per_month),
    ];
    cells.extend(pair(row.interval_95));
    cells.extend(pair(row.cost_interval_95));
    cells
}

/// How to read it.
fn notes(answer: &Answer<'_>, whole: &Whole, out: &mut Out) {
    out.note(format!(
        "reading: {}; per stockout is the mean over every place where the stock could have run out",
        answer.reading
    ));
    let n_mixed = whole.skus.iter().filter(|sku| sku.mixed).count();
    let sold = answer.scenarios.first();
    let (orders, units) = sold.map_or((0.0, 0.0), |row| (row.orders, row.units));
    out.note(format!(
        "{} SKUs, {n_mixed} of them sold on more than one channel; {orders} orders of a SKU, {units} units in {:.0} h",
        whole.skus.len(),
        answer.observed_hours
    ));
    let told = match out.format() {
        Format::Table => SKUS_SHOWN.min(answer.skus.len()),
        Format::Json | Format::Csv => answer.skus.len(),
    };
    if told < whole.skus.len() {
        out.note(format!(
            "{told} SKUs are told; all of them with --format csv or json, without --top"
        ));
    }
    if answer.channels.len() < CHANNELS_LEAST && !whole.skus.is_empty() {
        out.warning(
            "all orders are of one channel, which knows its own stock, so that nothing can be oversold; hint: give the \
             exports of all channels, or --columns channel=…",
        );
    }
    if answer.channels.len() >= CHANNELS_LEAST && n_mixed == 0 {
        out.warning(
            "no SKU was sold on more than one channel, so that nothing can be oversold; hint: the same goods need the same SKU \
             in all exports, or a mapping in the store",
        );
    }
    if whole.skus.is_empty() {
        out.warning("no SKU is left to simulate; hint: check --sku, --window and the exports");
    }
    if answer.orders_without_time > 0 {
        out.note(format!(
            "{} orders have a day and no time; they cannot be early or late and are left out",
            answer.orders_without_time
        ));
    }
    match answer.stockouts_per_month {
        None => out.note(
            "how often stock runs out is not known, so nothing is said per month; hint: --stockouts N, or \
             --stockouts FILE.csv with columns sku and per_month",
        ),
        Some(number) => out.note(format!(
            "{number:.1} stockouts a month of 30 days (from the {}), each oversold order {}",
            answer.stockouts_from.unwrap_or("flag"),
            answer.cost_per_incident
        )),
    }
    if answer.peak > 1.0 {
        out.note(format!(
            "everything sells {} times as fast; per month is a month that is all like this",
            answer.peak
        ));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_told_in_their_largest_whole_unit() {
        for (seconds, says) in [
            (5.0, "5 s"),
            (0.5, "0.5 s"),
            (60.0, "1 min"),
            (90.0, "90 s"),
            (900.0, "15 min"),
            (7_200.0, "2 h"),
        ] {
            assert_eq!(span(seconds), says);
        }
    }
}
