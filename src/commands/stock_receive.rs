//! `stock receive` and `stock expect`: goods that arrived, and goods that were ordered.

use super::imports::book_waiting;
use super::known::BUNDLE;
use super::papers::{
    counted_here, document, moment, past, sku, take, tell, terms, time, unique, units,
};
use super::seller::Seller;
use super::sheet::{self, Row, Sheet, needed, wanted};
use crate::cli::{StockExpect, StockReceive};
use crate::domain::bundle::Recipes;
use crate::domain::clock::Timestamp;
use crate::domain::receipt::{Condition, Leave, ReceiptLine};
use crate::exit::{Failure, Found};
use crate::ledger::moves::{self, PurchaseRow, ReceiptRow};
use crate::output::Out;

/// What rows are read against.
struct Limits<'a> {
    seller: &'a Seller,
    recipes: &'a Recipes,
    at: Timestamp,
    now: Timestamp,
}

/// Takes receipts in.
pub(super) async fn receive(
    args: StockReceive,
    seller: &Seller,
    out: &mut Out,
) -> Result<Found, Failure> {
    let now = seller.now();
    let at = moment(args.at, now)?;
    let mut sheet = sheet::read(
        &args.file,
        &[
            needed("sku"),
            needed("quantity"),
            needed("reference"),
            wanted("location"),
            wanted("po"),
            wanted("line"),
            wanted("condition"),
            wanted("received_at"),
        ],
    )?;
    let recipes = seller.ledger.read(|tables| tables.recipes()).await?;
    let limits = Limits {
        seller,
        recipes: &recipes,
        at,
        now,
    };
    let rows = unique(
        &mut sheet,
        |sheet, row| receipt(&limits, sheet, row),
        |row| {
            (
                row.reference.clone(),
                row.purchase.clone(),
                row.line.clone(),
            )
        },
        "same reference and goods; hint: give each its own `line`",
    );
    let leave = Leave {
        over: args.over,
        correct: args.correct,
    };
    let terms = (terms(&args.saying, leave, seller), args.saying.dry_run);
    let mut summary = take(sheet, rows, moves::receive, terms, (seller, out)).await?;
    if !args.saying.dry_run {
        summary.booked_skus = book_waiting(seller).await?;
    }
    tell(summary, "onhand.stock_receive/1", "receipts", out)
}

/// Reads one receipt.
fn receipt(limits: &Limits<'_>, sheet: &Sheet, row: &Row) -> Result<ReceiptRow, String> {
    let sku = sku(sheet, row)?;
    if limits.recipes.contains_key(&sku) {
        return Err(BUNDLE.to_owned());
    }
    let condition = match sheet.field(row, "condition").map(str::trim) {
        None | Some("") => Condition::Sellable,
        Some(word) => {
            let known = Condition::WORDS.iter().find(|(known, _)| *known == word);
            known.map(|(_, condition)| *condition).ok_or_else(|| {
                format!("condition is {word:?}; hint: sellable, damaged or inspect")
            })?
        }
    };
    let purchase = match sheet.field(row, "po").map(str::trim) {
        None | Some("") => None,
        Some(_) => Some(document(sheet, row, "po")?),
    };
    let line = sheet.field(row, "line").map(str::trim);
    Ok(ReceiptRow {
        reference: document(sheet, row, "reference")?,
        purchase,
        line: line
            .filter(|line| !line.is_empty())
            .unwrap_or(sku.as_str())
            .to_owned(),
        receipt: ReceiptLine {
            location: counted_here(limits.seller, sheet.field(row, "location"))?,
            units: units(sheet, row, "quantity")?,
            sku,
            condition,
        },
        at: past(sheet, row, "received_at", (limits.at, limits.now))?,
    })
}

/// Takes purchase orders in.
pub(super) async fn expect(
    args: StockExpect,
    seller: &Seller,
    out: &mut Out,
) -> Result<Found, Failure> {
    let now = seller.now();
    let at = moment(args.at, now)?;
    let mut sheet = sheet::read(
        &args.file,
        &[
            needed("po"),
            needed("sku"),
            needed("quantity"),
            wanted("line"),
            wanted("location"),
            wanted("due"),
        ],
    )?;
    let recipes = seller.ledger.read(|tables| tables.recipes()).await?;
    let read = |sheet: &Sheet, row: &Row| -> Result<PurchaseRow, String> {
        let sku = sku(sheet, row)?;
        if recipes.contains_key(&sku) {
            return Err(BUNDLE.to_owned());
        }
        let line = sheet.field(row, "line").map(str::trim);
        Ok(PurchaseRow {
            purchase: document(sheet, row, "po")?,
            line: line
                .filter(|line| !line.is_empty())
                .unwrap_or(sku.as_str())
                .to_owned(),
            sku,
            location: seller.location(sheet.field(row, "location"))?,
            units: units(sheet, row, "quantity")?,
            due: time(sheet, row, "due")?,
            at,
        })
    };
    let rows = unique(
        &mut sheet,
        read,
        |row| (row.purchase.clone(), row.line.clone()),
        "same purchase order and goods; hint: give each its own `line`",
    );
    let terms = (
        terms(&args.saying, Leave::default(), seller),
        args.saying.dry_run,
    );
    let summary = take(sheet, rows, moves::purchase, terms, (seller, out)).await?;
    tell(summary, "onhand.stock_expect/1", "purchase orders", out)
}
