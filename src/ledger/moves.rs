//! What people move, receive, hold and change, in the books: papers against what is known of them, entries for what is
//! new, an audit row for each (rules R9, R11, R45, R46, R49).
//!
//! Every row is taken or refused by itself, with its reason. The same row twice changes nothing.

use std::collections::{BTreeMap, BTreeSet};

use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

use super::StoreError;
use super::life::{Paper, PaperKind};
use super::record::BookRules;
use super::tables::{AuditRow, Result, Tables, Wanted};
use crate::domain::clock::Timestamp;
use crate::domain::decide::{self, Books};
use crate::domain::hold::{self, Hold};
use crate::domain::ids::{DocumentId, LocationId, Sku};
use crate::domain::quantity::Balance;
use crate::domain::receipt::{self, Leave, PurchaseLine, ReceiptLine};
use crate::domain::stock::{Balances, Cause, Movement, Overflow, StockEntry};
use crate::domain::transfer::{self, Goods, TransferLine, TransferNews};

/// What every row is taken by.
#[derive(Debug, Clone)]
pub struct Terms {
    /// Who or what says so.
    pub by: String,
    /// What is taken although it is not as expected.
    pub leave: Leave,
    /// The time.
    pub now: Timestamp,
}

/// What one row moved at one place, and what is there now.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Moved {
    /// The goods.
    pub sku: Sku,
    /// Where.
    pub location: LocationId,
    /// The differences.
    pub moved: Movement,
    /// What is there now.
    pub now: Balances,
}

/// What became of one row: what it moved (nothing, if it was known), or why it is not taken.
pub type Taken = std::result::Result<Vec<Moved>, String>;

/// News of a transfer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TransferRow {
    /// Which transfer.
    pub transfer: DocumentId,
    /// What is said of it.
    pub news: TransferNews,
    /// When that was so.
    pub at: Timestamp,
}

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

/// A change by a difference.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Adjustment {
    /// The goods.
    pub sku: Sku,
    /// Where.
    pub location: LocationId,
    /// To what is there.
    pub on_hand: Balance,
    /// To what is set aside.
    pub set_aside: Balance,
    /// Why.
    pub reason: String,
    /// When it took effect.
    pub at: Timestamp,
}

/// Books that are open for a few rows.
struct Desk<'t> {
    tables: &'t mut dyn Tables,
    books: Books,
    terms: &'t Terms,
}

impl<'t> Desk<'t> {
    fn open(
        tables: &'t mut dyn Tables,
        skus: impl IntoIterator<Item = Sku>,
        terms: &'t Terms,
    ) -> Result<Self> {
        let skus: BTreeSet<_> = skus.into_iter().collect();
        tables.add_skus(&skus)?;
        let wanted = Wanted {
            skus,
            ..Wanted::default()
        };
        let books = tables.gather(&wanted)?;
        Ok(Self {
            tables,
            books,
            terms,
        })
    }

    /// Books entries and tells what they moved. What does not fit is refused, and nothing of it is booked.
    fn post(&mut self, entries: Vec<StockEntry>) -> Result<Taken> {
        let mut sums: BTreeMap<(Sku, LocationId), Movement> = BTreeMap::new();
        for entry in &entries {
            let sum = sums
                .entry((entry.sku.clone(), entry.location.clone()))
                .or_default();
            *sum = sum.and(entry.movement).map_err(too_large)?;
        }
        let before = self.books.clone();
        if self.books.post(entries, &mut BTreeSet::new()).is_err() {
            self.books = before;
            return Ok(Err("the numbers are larger than can be counted".to_owned()));
        }
        let moved = |((sku, location), moved): ((Sku, LocationId), Movement)| {
            let row = self.books.stock.get(&(sku.clone(), location.clone()));
            Moved {
                now: row.map(|row| row.balances).unwrap_or_default(),
                sku,
                location,
                moved,
            }
        };
        Ok(Ok(sums.into_iter().map(moved).collect()))
    }

    /// Writes what was booked, and the story of it.
    fn close(self, kind: &'static str, told: &[(String, Sku, &[Moved])]) -> Result<()> {
        self.tables.write_books(&self.books, self.terms.now)?;
        let rows = told.iter().filter(|(.., moved)| !moved.is_empty());
        let rows: Result<Vec<_>> = rows
            .map(|(what, sku, moved)| {
                let detail =
                    serde_json::json!({ "what": what, "by": self.terms.by, "moved": moved });
                Ok(AuditRow {
                    at: self.terms.now,
                    kind,
                    channel: None,
                    subject: sku.as_str().to_owned(),
                    detail: detail.to_string(),
                })
            })
            .collect();
        self.tables.audit(&rows?)
    }
}

fn too_large(error: Overflow) -> StoreError {
    StoreError::Other(error.to_string())
}

fn state<T: DeserializeOwned>(paper: Option<&Paper>) -> Result<Option<T>> {
    paper
        .map(|paper| {
            serde_json::from_str(&paper.state)
                .map_err(|error| StoreError::Damaged(error.to_string()))
        })
        .transpose()
}

fn text<T: Serialize>(state: &T) -> Result<String> {
    serde_json::to_string(state).map_err(|error| StoreError::Other(error.to_string()))
}

/// What became of each row, as the audit tells it.
fn told(
    rows: impl Iterator<Item = (String, Sku)>,
    taken: &[Taken],
) -> Vec<(String, Sku, &[Moved])> {
    rows.zip(taken)
        .filter_map(|((what, sku), taken)| Some((what, sku, taken.as_deref().ok()?)))
        .collect()
}

/// Takes news of transfers in (rule R45).
///
/// # Errors
/// As the store.
pub fn transfer(
    tables: &mut dyn Tables,
    rows: &[TransferRow],
    terms: &Terms,
) -> Result<Vec<Taken>> {
    let ids = rows.iter().map(|row| row.transfer.clone()).collect();
    let mut papers = tables.papers(PaperKind::Transfer, &ids)?;
    let mut desk = Desk::open(tables, rows.iter().map(|row| row.news.sku.clone()), terms)?;
    let mut changed = BTreeSet::new();
    let mut taken = Vec::with_capacity(rows.len());
    for row in rows {
        let key = (row.transfer.clone(), row.news.sku.as_str().to_owned());
        let known: Option<TransferLine> = state(papers.get(&key))?;
        let line = match transfer::learn(known.as_ref(), &row.news, row.at, terms.leave.over) {
            Ok(line) => line,
            Err(error) => {
                taken.push(Err(error.to_string()));
                continue;
            }
        };
        let entries = transfer::entries(&row.transfer, known.as_ref(), &line, &terms.by)
            .map_err(too_large)?;
        let found = desk.post(entries)?;
        if found.is_ok() {
            papers.insert(key.clone(), transfer_paper(&row.transfer, &line)?);
            changed.insert(key);
        }
        taken.push(found);
    }
    let papers: Vec<_> = changed
        .iter()
        .filter_map(|key| papers.remove(key))
        .collect();
    desk.tables.put_papers(PaperKind::Transfer, &papers)?;
    let names = rows
        .iter()
        .map(|row| (row.transfer.as_str().to_owned(), row.news.sku.clone()));
    desk.close("transfer", &told(names, &taken))?;
    Ok(taken)
}

fn transfer_paper(id: &DocumentId, line: &TransferLine) -> Result<Paper> {
    Ok(Paper {
        id: id.clone(),
        line: line.sku.as_str().to_owned(),
        sku: line.sku.clone(),
        open: line.told().on_the_way() > 0,
        until: None,
        state: text(line)?,
    })
}

/// Ends a transfer: what is on the way is where `goods` says. `None` if no transfer has this name.
///
/// # Errors
/// As the store.
pub fn cancel_transfer(
    tables: &mut dyn Tables,
    id: &DocumentId,
    goods: Option<Goods>,
    at: Timestamp,
    terms: &Terms,
) -> Result<Option<Taken>> {
    let papers = tables.papers(PaperKind::Transfer, &BTreeSet::from([id.clone()]))?;
    if papers.is_empty() {
        return Ok(None);
    }
    let skus: Vec<_> = papers.values().map(|paper| paper.sku.clone()).collect();
    let mut desk = Desk::open(tables, skus, terms)?;
    let (mut ended, mut entries) = (Vec::new(), Vec::new());
    for paper in papers.values() {
        let Some(known) = state::<TransferLine>(Some(paper))? else {
            continue;
        };
        match transfer::cancel(&known, goods, at) {
            Ok(line) => {
                let more = transfer::entries(id, Some(&known), &line, &terms.by);
                entries.extend(more.map_err(too_large)?);
                ended.push(transfer_paper(id, &line)?);
            }
            Err(error) => return Ok(Some(Err(format!("{}: {error}", known.sku)))),
        }
    }
    let taken = desk.post(entries)?;
    let mut names = Vec::new();
    if let Ok(moved) = &taken {
        desk.tables.put_papers(PaperKind::Transfer, &ended)?;
        for paper in &ended {
            let of = moved.iter().filter(|moved| moved.sku == paper.sku);
            names.push((
                id.as_str().to_owned(),
                paper.sku.clone(),
                of.cloned().collect(),
            ));
        }
    }
    let told: Vec<(String, Sku, &[Moved])> = names
        .iter()
        .map(|(what, sku, moved): &(String, Sku, Vec<Moved>)| {
            (what.clone(), sku.clone(), moved.as_slice())
        })
        .collect();
    desk.close("transfer", &told)?;
    Ok(Some(taken))
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

/// Changes stock by differences, with a reason and a person (rule R49).
///
/// # Errors
/// As the store.
pub fn adjust(tables: &mut dyn Tables, rows: &[Adjustment], terms: &Terms) -> Result<Vec<Taken>> {
    let mut desk = Desk::open(tables, rows.iter().map(|row| row.sku.clone()), terms)?;
    let mut taken = Vec::with_capacity(rows.len());
    for row in rows {
        taken.push(desk.post(vec![StockEntry {
            sku: row.sku.clone(),
            location: row.location.clone(),
            movement: Movement {
                on_hand: row.on_hand,
                set_aside: row.set_aside,
                ..Movement::default()
            },
            at: row.at,
            cause: Cause::Adjustment {
                reason: row.reason.clone(),
                by: terms.by.clone(),
            },
        }])?);
    }
    let names = rows.iter().map(|row| (row.reason.clone(), row.sku.clone()));
    desk.close("adjustment", &told(names, &taken))?;
    Ok(taken)
}

/// Keeps units for something, or changes for how many or how long.
///
/// # Errors
/// As the store.
pub fn keep(
    tables: &mut dyn Tables,
    id: &DocumentId,
    said: &Hold,
    at: Timestamp,
    terms: &Terms,
) -> Result<Taken> {
    let papers = tables.papers(PaperKind::Hold, &BTreeSet::from([id.clone()]))?;
    let known: Option<Hold> = state(papers.values().next())?;
    match hold::keep(id, known.as_ref(), said.clone(), terms.now) {
        Err(error) => Ok(Err(error.to_string())),
        Ok(kept) => turn(tables, id, known.as_ref(), &kept, at, terms),
    }
}

/// Ends a hold. `None` if no hold has this name.
///
/// # Errors
/// As the store.
pub fn release(
    tables: &mut dyn Tables,
    id: &DocumentId,
    at: Timestamp,
    terms: &Terms,
) -> Result<Option<Taken>> {
    let papers = tables.papers(PaperKind::Hold, &BTreeSet::from([id.clone()]))?;
    let Some(known) = state::<Hold>(papers.values().next())? else {
        return Ok(None);
    };
    let mut over = known.clone();
    over.over = true;
    turn(tables, id, Some(&known), &over, at, terms).map(Some)
}

/// Turns one state of a hold into the next.
fn turn(
    tables: &mut dyn Tables,
    id: &DocumentId,
    old: Option<&Hold>,
    new: &Hold,
    at: Timestamp,
    terms: &Terms,
) -> Result<Taken> {
    let mut desk = Desk::open(tables, [new.sku.clone()], terms)?;
    let taken = desk.post(
        hold::entry(id, old, new, at, &terms.by)
            .into_iter()
            .collect(),
    )?;
    let Ok(moved) = &taken else {
        return Ok(taken);
    };
    let paper = Paper {
        id: id.clone(),
        line: String::new(),
        sku: new.sku.clone(),
        open: !new.over,
        until: new.until.filter(|_| !new.over),
        state: text(new)?,
    };
    desk.tables.put_papers(PaperKind::Hold, &[paper])?;
    let told = [(id.as_str().to_owned(), new.sku.clone(), moved.as_slice())];
    desk.close("hold", &told)?;
    Ok(taken)
}

/// Enters what has come about by time alone: holds that ended, pending orders that were not paid, listings whose quantity
/// changes with the time. Returns whether there was anything.
///
/// # Errors
/// If a number does not fit, or as the store.
pub fn pass_time(tables: &mut dyn Tables, rules: &BookRules, now: Timestamp) -> Result<bool> {
    let terms = Terms {
        by: "time".to_owned(),
        leave: Leave::default(),
        now,
    };
    let holds = tables.due_papers(PaperKind::Hold, now)?;
    for paper in &holds {
        let at = paper.until.unwrap_or(now);
        release(tables, &paper.id, at, &terms)?;
    }
    let orders = tables.lapsing_orders(now)?;
    if !orders.is_empty() {
        let wanted = Wanted {
            orders: orders.clone(),
            folding: rules
                .iter()
                .map(|(id, books)| (id.clone(), books.folding))
                .collect(),
            ..Wanted::default()
        };
        let mut books = tables.gather(&wanted)?;
        for key in &orders {
            if let Some(channel) = rules.get(&key.0) {
                decide::lapse(&mut books, key, &channel.rules, now).map_err(too_large)?;
            }
        }
        tables.write_books(&books, now)?;
    }
    let opened = tables.pass_until(now)?;
    Ok(!holds.is_empty() || !orders.is_empty() || opened > 0)
}
