//! `stock import`: counted stock from a CSV file. A row is an observation at a time, so that what sold since stays sold.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use super::imports::{Summary, book_waiting, write};
use super::known::BUNDLE;
use super::papers::counted_here;
use super::seller::Seller;
use super::sheet::{self, Row, Sheet, needed, wanted};
use crate::cli::StockImport;
use crate::domain::bundle::Recipes;
use crate::domain::clock::Timestamp;
use crate::domain::ids::{LocationId, Sku};
use crate::domain::quantity::QUANTITY_MAX;
use crate::domain::stock::Basis;
use crate::exit::{Failure, Found};
use crate::ledger::counts::{self, Counted, Variance};
use crate::output::{Cell, Format, Out};

/// Rows in one transaction: few enough that webhooks do not wait for their commit.
const ROWS_PER_WRITE: usize = 500;
/// The least that may be counted as available: a channel that sells below zero says so.
const AVAILABLE_MIN: i64 = -(QUANTITY_MAX as i64);

/// Takes in counted stock.
pub(super) async fn import(
    args: StockImport,
    seller: &Seller,
    out: &mut Out,
) -> Result<Found, Failure> {
    let now = seller.now();
    let at = args.at.unwrap_or(now);
    if at > now {
        return Err(Failure::call(format!(
            "import stock of {at}: that time has not come yet; hint: check --at"
        )));
    }
    let mut sheet = sheet::read(
        &args.file,
        &[
            needed("sku"),
            wanted("on_hand"),
            wanted("available"),
            wanted("location"),
            wanted("as_of"),
            wanted("set_aside"),
        ],
    )?;
    let basis = basis(&sheet)?;
    let known = seller
        .ledger
        .read(|tables| Ok((tables.recipes()?, tables.skus()?)));
    let (recipes, skus) = known.await?;
    let limits = Limits {
        seller,
        recipes: &recipes,
        skus: &skus,
        basis,
        at,
        now,
    };
    let counted = unique(&mut sheet, counted(&limits));
    let padded = counted.iter().filter(|row| is_padded(&row.sku)).count();
    if padded > 0 {
        out.note(format!(
            "{padded} SKUs begin or end with a blank; they are kept as they are"
        ));
    }
    let by = format!("import {}", sheet.file);
    let mut summary = Summary::of(sheet, args.dry_run, counted.len());
    let bar = out.progress(u64::try_from(counted.len()).ok(), "rows");
    for chunk in counted.chunks(ROWS_PER_WRITE) {
        let (chunk, by): (Arc<[Counted]>, _) = (Arc::from(chunk), by.clone());
        let n_rows = chunk.len();
        let count = move |tables: &mut dyn crate::ledger::tables::Tables| {
            counts::count(tables, &chunk, &by, now)
        };
        let found = write(seller, args.dry_run, count).await?;
        summary.changes.extend(
            found
                .into_iter()
                .filter(|found: &Variance| found.variance != 0),
        );
        bar.inc(u64::try_from(n_rows).unwrap_or(0));
    }
    bar.finish_and_clear();
    summary.changed = summary.changes.len();
    if !args.dry_run {
        summary.booked_skus = book_waiting(seller).await?;
    } else if out.format() == Format::Table && !summary.changes.is_empty() {
        show_changes(&summary.changes, out)?;
    }
    summary.write("onhand.stock_import/1", "stock", out)
}

/// What the numbers of the file count.
fn basis(sheet: &Sheet) -> Result<Basis, Failure> {
    match (sheet.has("on_hand"), sheet.has("available")) {
        (true, false) => Ok(Basis::OnHand),
        (false, true) => Ok(Basis::Available),
        (both, _) => Err(Failure::File {
            path: sheet.file.clone(),
            problem: if both {
                "its header has on_hand and available".to_owned()
            } else {
                "its header lacks on_hand".to_owned()
            },
            hint: "on_hand counts what is there, available leaves out what is promised to orders; name one of them",
        }),
    }
}

/// What rows are checked against.
struct Limits<'a> {
    seller: &'a Seller,
    recipes: &'a Recipes,
    skus: &'a BTreeSet<Sku>,
    basis: Basis,
    at: Timestamp,
    now: Timestamp,
}

/// Reads one row.
fn counted(limits: &Limits<'_>) -> impl Fn(&Sheet, &Row) -> Result<Counted, String> {
    move |sheet, row| {
        let sku = sheet.sku(row, limits.skus)?;
        if limits.recipes.contains_key(&sku) {
            return Err(BUNDLE.to_owned());
        }
        let location = counted_here(limits.seller, sheet.field(row, "location"))?;
        let most = i64::from(QUANTITY_MAX);
        let units = match limits.basis {
            Basis::OnHand => sheet.whole(row, "on_hand", 0, most)?,
            Basis::Available => sheet.whole(row, "available", AVAILABLE_MIN, most)?,
        };
        let units =
            units.ok_or("the number of units is empty; hint: write 0 if there is nothing")?;
        let at = match sheet.field(row, "as_of").map(str::trim) {
            None | Some("") => limits.at,
            Some(text) => Timestamp::parse_utc(text).ok_or_else(|| {
                format!(
                    "as_of is {text:?}, which is no time; hint: write it like 2026-11-25T03:20:38Z"
                )
            })?,
        };
        if at > limits.now {
            return Err(format!("as_of is {at}, which has not come yet"));
        }
        Ok(Counted {
            sku,
            location,
            units,
            basis: limits.basis,
            set_aside: sheet.whole(row, "set_aside", 0, most)?,
            at,
        })
    }
}

/// The rows that say one thing each. The same place and time twice with the same numbers counts once; with different ones
/// neither is taken, for either could be right.
fn unique(
    sheet: &mut Sheet,
    read: impl Fn(&Sheet, &Row) -> Result<Counted, String>,
) -> Vec<Counted> {
    let mut by_place: BTreeMap<(Sku, LocationId, Timestamp), Vec<(u64, Counted)>> = BTreeMap::new();
    for row in std::mem::take(&mut sheet.rows) {
        match read(sheet, &row) {
            Ok(found) => by_place
                .entry((found.sku.clone(), found.location.clone(), found.at))
                .or_default()
                .push((row.line, found)),
            Err(reason) => sheet.reject(row.line, reason),
        }
    }
    let mut taken = Vec::with_capacity(by_place.len());
    for mut rows in by_place.into_values() {
        let (first_line, first) = rows.remove(0);
        let agree = rows.iter().all(|(_, other)| *other == first);
        for (line, _) in &rows {
            let says = if agree { "the same as" } else { "contradicts" };
            sheet.reject(
                *line,
                format!("{says} line {first_line}: same SKU, location and time"),
            );
        }
        if agree {
            taken.push((first_line, first));
        } else {
            sheet.reject(
                first_line,
                "a later line contradicts it: same SKU, location and time",
            );
        }
    }
    taken.sort_by_key(|(line, row)| (row.at, *line));
    taken.into_iter().map(|(_, row)| row).collect()
}

fn is_padded(sku: &Sku) -> bool {
    sku.as_str() != sku.as_str().trim()
}

fn show_changes(changes: &[Variance], out: &mut Out) -> Result<(), Failure> {
    let rows: Vec<Vec<Cell>> = changes
        .iter()
        .map(|change| {
            vec![
                change.sku.as_str().into(),
                change.location.as_str().into(),
                change.book.into(),
                change.counted.into(),
                change.variance.into(),
            ]
        })
        .collect();
    Ok(out.table(&["sku", "location", "book", "counted", "variance"], &rows)?)
}
