//! What people move, receive, hold and change, in the books: papers against what is known of them, entries for what is
//! new, an audit row for each (rules R9, R11, R45, R46, R49).
//!
//! Every row is taken or refused by itself, with its reason. The same row twice changes nothing.

mod holds;
mod receipts;
mod transfers;

use std::collections::{BTreeMap, BTreeSet};

pub use holds::{keep, pass_time, release};
pub use receipts::{PurchaseRow, ReceiptRow, purchase, receive};
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
pub use transfers::{TransferRow, cancel_transfer, transfer};

use super::StoreError;
use super::life::Paper;
use super::tables::{AuditRow, Result, Tables, Wanted};
use crate::domain::clock::Timestamp;
use crate::domain::decide::Books;
use crate::domain::ids::{LocationId, Sku};
use crate::domain::quantity::Balance;
use crate::domain::receipt::Leave;
use crate::domain::stock::{Balances, Cause, Movement, Overflow, StockEntry};

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
