//! Purchase orders, receipts, returns (rules R9 and R46).

use std::collections::{BTreeMap, BTreeSet};

use super::{Desk, Moved, Taken, Terms, state, text, told, too_large};
use crate::domain::clock::Timestamp;
use crate::domain::decide::Books;
use crate::domain::ids::{DocumentId, LocationId, Sku};
use crate::domain::quantity::Balance;
use crate::domain::receipt::{self, PurchaseLine, ReceiptLine};
use crate::domain::stock::{Cause, StockEntry};
use crate::ledger::life::{Paper, PaperKind};
use crate::ledger::tables::{Result, Tables};

/// A line of a purchase order.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PurchaseRow {
    /// Which order.
    pub purchase: DocumentId,
    /// Which line of it.
    pub line: String,
    /// The goods.
    pub sku: Sku,
    /// Where they are expected.
    pub location: LocationId,
    /// Units that are ordered, in all.
    pub units: u32,
    /// When they are expected.
    pub due: Option<Timestamp>,
    /// When they were ordered.
    pub at: Timestamp,
}

/// Goods that arrived.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ReceiptRow {
    /// The number of the receipt.
    pub reference: DocumentId,
    /// The purchase order and its line, if they were expected.
    pub purchase: Option<DocumentId>,
    /// Which line; the SKU where nobody names one.
    pub line: String,
    /// What arrived.
    pub receipt: ReceiptLine,
    /// When.
    pub at: Timestamp,
}

/// Takes lines of purchase orders in: what is expected (rule R46).
///
/// # Errors
/// As the store.
pub fn purchase(
    tables: &mut dyn Tables,
    rows: &[PurchaseRow],
    terms: &Terms,
) -> Result<Vec<Taken>> {
    let ids = rows.iter().map(|row| row.purchase.clone()).collect();
    let mut papers = tables.papers(PaperKind::Purchase, &ids)?;
    let mut desk = Desk::open(tables, rows.iter().map(|row| row.sku.clone()), terms)?;
    let mut changed = BTreeSet::new();
    let mut taken = Vec::with_capacity(rows.len());
    for row in rows {
        let key = (row.purchase.clone(), row.line.clone());
        let known: Option<PurchaseLine> = state(papers.get(&key))?;
        if let Some(other) = known.as_ref().filter(|known| known.sku != row.sku) {
            taken.push(Err(format!("this line is known as {}", other.sku)));
            continue;
        }
        let line = PurchaseLine {
            sku: row.sku.clone(),
            location: row.location.clone(),
            ordered: Some(row.units),
            received: known.as_ref().map_or(0, |known| known.received),
            due: row.due,
        };
        let cause = Cause::Purchase {
            purchase: row.purchase.clone(),
            by: terms.by.clone(),
        };
        let found = desk.post(receipt::purchase_entries(
            known.as_ref(),
            &line,
            row.at,
            &cause,
        ))?;
        if found.is_ok() {
            papers.insert(key.clone(), purchase_paper(&key, &line)?);
            changed.insert(key);
        }
        taken.push(found);
    }
    let papers: Vec<_> = changed
        .iter()
        .filter_map(|key| papers.remove(key))
        .collect();
    desk.tables.put_papers(PaperKind::Purchase, &papers)?;
    let names = rows
        .iter()
        .map(|row| (row.purchase.as_str().to_owned(), row.sku.clone()));
    desk.close("purchase", &told(names, &taken))?;
    Ok(taken)
}

fn purchase_paper((id, line): &(DocumentId, String), state: &PurchaseLine) -> Result<Paper> {
    Ok(Paper {
        id: id.clone(),
        line: line.clone(),
        sku: state.sku.clone(),
        open: state.open() > 0,
        until: None,
        state: text(state)?,
    })
}

/// Takes receipts in: once by purchase order, line and number (rule R46); returns are receipts, too (rule R9).
///
/// # Errors
/// As the store.
pub fn receive(tables: &mut dyn Tables, rows: &[ReceiptRow], terms: &Terms) -> Result<Vec<Taken>> {
    let ids = rows.iter().map(|row| row.reference.clone()).collect();
    let mut receipts = tables.papers(PaperKind::Receipt, &ids)?;
    let orders = rows.iter().filter_map(|row| row.purchase.clone()).collect();
    let mut purchases = tables.papers(PaperKind::Purchase, &orders)?;
    let mut desk = Desk::open(
        tables,
        rows.iter().map(|row| row.receipt.sku.clone()),
        terms,
    )?;
    let (mut new_receipts, mut new_purchases) = (BTreeSet::new(), BTreeSet::new());
    let mut taken = Vec::with_capacity(rows.len());
    for row in rows {
        let key = receipt_key(row);
        let order = row.purchase.clone().map(|id| (id, row.line.clone()));
        let known: Option<ReceiptLine> = state(receipts.get(&key))?;
        let purchase = match &order {
            Some(order) => Some(state(purchases.get(order))?.unwrap_or_else(|| unexpected(row))),
            None => None,
        };
        let after =
            match receipt::receive(known.as_ref(), purchase.as_ref(), &row.receipt, terms.leave) {
                Ok(after) => after,
                Err(error) => {
                    taken.push(Err(error.to_string()));
                    continue;
                }
            };
        let found = desk.post(entries(
            row,
            known.as_ref(),
            purchase.as_ref(),
            after.as_ref(),
            terms,
        )?)?;
        if found.is_ok() {
            let paper = Paper {
                id: key.0.clone(),
                line: key.1.clone(),
                sku: row.receipt.sku.clone(),
                open: false,
                until: None,
                state: text(&row.receipt)?,
            };
            receipts.insert(key.clone(), paper);
            new_receipts.insert(key);
            if let (Some(order), Some(after)) = (order, after) {
                purchases.insert(order.clone(), purchase_paper(&order, &after)?);
                new_purchases.insert(order);
            }
        }
        taken.push(found);
    }
    let papers: Vec<_> = new_receipts
        .iter()
        .filter_map(|key| receipts.remove(key))
        .collect();
    desk.tables.put_papers(PaperKind::Receipt, &papers)?;
    let papers: Vec<_> = new_purchases
        .iter()
        .filter_map(|key| purchases.remove(key))
        .collect();
    desk.tables.put_papers(PaperKind::Purchase, &papers)?;
    let names = rows
        .iter()
        .map(|row| (row.reference.as_str().to_owned(), row.receipt.sku.clone()));
    close_receipts(desk, rows, &taken, &told(names, &taken))?;
    Ok(taken)
}

/// A receipt is known by its number, its purchase order and its line.
fn receipt_key(row: &ReceiptRow) -> (DocumentId, String) {
    let order = row.purchase.as_ref().map_or("", DocumentId::as_str);
    (row.reference.clone(), format!("{order}/{}", row.line))
}

/// A line of a purchase order that nobody has told of yet.
fn unexpected(row: &ReceiptRow) -> PurchaseLine {
    PurchaseLine {
        sku: row.receipt.sku.clone(),
        location: row.receipt.location.clone(),
        ordered: None,
        received: 0,
        due: None,
    }
}

fn entries(
    row: &ReceiptRow,
    known: Option<&ReceiptLine>,
    purchase: Option<&PurchaseLine>,
    after: Option<&PurchaseLine>,
    terms: &Terms,
) -> Result<Vec<StockEntry>> {
    let cause = receipt::cause(
        &row.reference,
        row.purchase.as_ref(),
        row.receipt.condition,
        &terms.by,
    );
    let mut entries =
        receipt::receipt_entries(known, &row.receipt, row.at, &cause).map_err(too_large)?;
    if let (Some(before), Some(after)) = (purchase, after) {
        entries.extend(receipt::purchase_entries(
            Some(before),
            after,
            row.at,
            &cause,
        ));
    }
    Ok(entries)
}

/// The books are written first: what a receipt brought is noted on the rows that they made.
fn close_receipts(
    desk: Desk<'_>,
    rows: &[ReceiptRow],
    taken: &[Taken],
    told: &[(String, Sku, &[Moved])],
) -> Result<()> {
    let mut brought: BTreeMap<(Sku, LocationId), Balance> = BTreeMap::new();
    for (row, taken) in rows.iter().zip(taken) {
        let arrived = taken.as_ref().is_ok_and(|moved| !moved.is_empty());
        if arrived && row.receipt.condition == receipt::Condition::Sellable {
            let place = (row.receipt.sku.clone(), row.receipt.location.clone());
            let sum = brought.entry(place).or_default();
            *sum = sum.saturating_add(i64::from(row.receipt.units));
        }
    }
    desk.tables.write_books(&desk.books, desk.terms.now)?;
    for ((sku, location), units) in &brought {
        desk.tables.note_reference(sku, location, *units)?;
    }
    let written = Desk {
        books: Books::default(),
        ..desk
    };
    written.close("receipt", told)
}
