//! `stock count`: what was counted while orders went on. Nothing is frozen: the book of the moment is compared.

use std::sync::Arc;

use super::imports::{Summary, book_waiting, write};
use super::known::BUNDLE;
use super::papers::{by, counted_here, moment, past, sku, unique};
use super::seller::Seller;
use super::sheet::{self, Row, Sheet, needed, wanted};
use crate::cli::StockCount;
use crate::domain::bundle::Recipes;
use crate::domain::clock::Timestamp;
use crate::domain::quantity::QUANTITY_MAX;
use crate::domain::stock::Basis;
use crate::exit::{Failure, Found};
use crate::ledger::counts::{BinCount, Counted, Picked, Variance, count_bins};
use crate::output::{Cell, Format, Out};

/// Rows in one transaction: few enough that webhooks do not wait for their commit.
const ROWS_PER_WRITE: usize = 500;
const HEADERS: &[&str] = &[
    "sku",
    "location",
    "book",
    "counted",
    "picked",
    "variance",
    "later",
    "on_hand",
    "available",
];

/// What rows are read against.
struct Limits<'a> {
    seller: &'a Seller,
    recipes: &'a Recipes,
    picked_included: bool,
    at: Timestamp,
    now: Timestamp,
}

/// Takes counts in.
pub(super) async fn count(
    args: StockCount,
    seller: &Seller,
    out: &mut Out,
) -> Result<Found, Failure> {
    let now = seller.now();
    let at = moment(args.at, now)?;
    let mut sheet = sheet::read(
        &args.file,
        &[
            needed("sku"),
            needed("counted"),
            wanted("location"),
            wanted("counted_at"),
            wanted("picked"),
        ],
    )?;
    if args.picked_included && sheet.has("picked") {
        return Err(Failure::call(format!(
            "{}: its column picked says how many were not counted, --picked-included says that all were; hint: leave one out",
            sheet.file
        )));
    }
    let recipes = seller.ledger.read(|tables| tables.recipes()).await?;
    let limits = Limits {
        seller,
        recipes: &recipes,
        picked_included: args.picked_included,
        at,
        now,
    };
    let mut bins = unique(
        &mut sheet,
        |sheet, row| bin(&limits, sheet, row),
        |bin: &BinCount| {
            let counted = &bin.counted;
            (counted.sku.clone(), counted.location.clone(), counted.at)
        },
        "same SKU, location and time",
    );
    // Older counts first: each is compared with a book that knows the ones before it.
    bins.sort_by_key(|(line, bin)| (bin.counted.at, *line));
    let bins: Vec<_> = bins.into_iter().map(|(_, bin)| bin).collect();
    let dry_run = args.saying.dry_run;
    let said_by = format!("{} in {}", by(&args.saying, seller), sheet.file);
    let mut summary = Summary::of(sheet, dry_run, bins.len());
    let at_once = if dry_run { bins.len() } else { ROWS_PER_WRITE };
    for chunk in bins.chunks(at_once.max(1)) {
        let (chunk, said_by): (Arc<[BinCount]>, _) = (Arc::from(chunk), said_by.clone());
        let work = move |tables: &mut dyn crate::ledger::tables::Tables| {
            count_bins(tables, &chunk, &said_by, now)
        };
        summary.changes.extend(write(seller, dry_run, work).await?);
    }
    let differs = |found: &&Variance| found.variance != 0;
    summary.changed = summary.changes.iter().filter(differs).count();
    if !dry_run {
        summary.booked_skus = book_waiting(seller).await?;
    }
    if out.format() == Format::Table && !summary.changes.is_empty() {
        out.table(HEADERS, &rows(&summary.changes))?;
    }
    summary.write("onhand.stock_count/1", "counts", out)
}

/// Reads one row.
fn bin(limits: &Limits<'_>, sheet: &Sheet, row: &Row) -> Result<BinCount, String> {
    let sku = sku(sheet, row)?;
    if limits.recipes.contains_key(&sku) {
        return Err(BUNDLE.to_owned());
    }
    let most = i64::from(QUANTITY_MAX);
    let units = sheet.whole(row, "counted", 0, most)?;
    let picked = sheet.whole(row, "picked", 0, most)?;
    Ok(BinCount {
        counted: Counted {
            sku,
            location: counted_here(limits.seller, sheet.field(row, "location"))?,
            units: units.ok_or("counted is empty; hint: write 0 if there is nothing")?,
            basis: Basis::OnHand,
            set_aside: None,
            at: past(sheet, row, "counted_at", (limits.at, limits.now))?,
        },
        picked: match picked {
            _ if limits.picked_included => Picked::Included,
            Some(units) => Picked::Apart(units),
            None => Picked::Unsaid,
        },
    })
}

fn rows(found: &[Variance]) -> Vec<Vec<Cell>> {
    let row = |found: &Variance| {
        vec![
            found.sku.as_str().into(),
            found.location.as_str().into(),
            found.book.into(),
            found.counted.into(),
            found.picked.into(),
            found.variance.into(),
            found.later.into(),
            found.on_hand.into(),
            found.available.into(),
        ]
    };
    found.iter().map(row).collect()
}
