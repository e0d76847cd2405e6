//! What all imports have in common: the same summary, dry runs, and what follows once goods are known.

use serde::Serialize;

use super::seller::Seller;
use super::sheet::{Rejected, Sheet};
use crate::exit::{Failure, Found};
use crate::ledger::counts::book_parked;
use crate::ledger::tables::{Result as StoreResult, Tables};
use crate::output::{Cell, Format, Out};

/// Most rejections in a table; all of them are in JSON and CSV.
const REJECTED_SHOWN: usize = 50;

/// What an import did.
#[derive(Debug, Serialize)]
pub(super) struct Summary<C> {
    pub(super) file: String,
    pub(super) dry_run: bool,
    pub(super) accepted: usize,
    /// Of the accepted ones, how many changed something.
    pub(super) changed: usize,
    pub(super) rejected: Vec<Rejected>,
    pub(super) unknown_columns: Vec<String>,
    /// SKUs whose stock changed because orders that had waited for them could be booked.
    pub(super) booked_skus: usize,
    pub(super) changes: Vec<C>,
}

impl<C: Serialize> Summary<C> {
    /// Writes it: rejections as rows, the numbers as talk, everything in JSON.
    pub(super) fn write(
        mut self,
        schema: &str,
        what: &str,
        out: &mut Out,
    ) -> Result<Found, Failure> {
        self.rejected.sort_by_key(|row| row.line);
        for column in &self.unknown_columns {
            out.note(format!("{}: the column {column:?} is not used", self.file));
        }
        match out.format() {
            Format::Json => out.json(schema, &self)?,
            Format::Csv => out.csv(HEADERS, rows(&self.rejected))?,
            Format::Table if self.rejected.is_empty() => {}
            Format::Table => {
                let shown = self
                    .rejected
                    .get(..REJECTED_SHOWN)
                    .unwrap_or(&self.rejected);
                out.table(HEADERS, &rows(shown))?;
                if shown.len() < self.rejected.len() {
                    let more = self.rejected.len().saturating_sub(shown.len());
                    out.note(format!("and {more} more; --format csv lists all of them"));
                }
            }
        }
        let would = if self.dry_run {
            " (dry run: nothing was changed)"
        } else {
            ""
        };
        out.note(format!(
            "{what}: {} accepted, {} rejected, {} changed something{would}",
            self.accepted,
            self.rejected.len(),
            self.changed
        ));
        if self.booked_skus > 0 {
            out.note(format!(
                "orders that had waited were booked; stock of {} SKUs changed",
                self.booked_skus
            ));
        }
        Ok(Found::when(!self.rejected.is_empty()))
    }
}

const HEADERS: &[&str] = &["file", "line", "reason"];

fn rows(rejected: &[Rejected]) -> Vec<Vec<Cell>> {
    let row = |row: &Rejected| {
        let line = i64::try_from(row.line).unwrap_or(i64::MAX);
        vec![
            row.file.as_str().into(),
            line.into(),
            row.reason.as_str().into(),
        ]
    };
    rejected.iter().map(row).collect()
}

impl<C> Summary<C> {
    /// For a file that was read, with what could not be.
    pub(super) fn of(sheet: Sheet, dry_run: bool, accepted: usize) -> Self {
        Self {
            file: sheet.file,
            dry_run,
            accepted,
            changed: 0,
            rejected: sheet.rejected,
            unknown_columns: sheet.unknown,
            booked_skus: 0,
            changes: Vec::new(),
        }
    }
}

/// Runs work in a write transaction. A dry run sees everything that the work does, and rolls it back.
pub(super) async fn write<R: Send + 'static>(
    seller: &Seller,
    dry_run: bool,
    work: impl FnMut(&mut dyn Tables) -> StoreResult<R> + Send + 'static,
) -> Result<R, Failure> {
    let ledger = &seller.ledger;
    Ok(if dry_run {
        ledger.rehearse(work).await?
    } else {
        ledger.write(work).await?
    })
}

/// Books orders that waited for goods to be known; how many SKUs that changed.
pub(super) async fn book_waiting(seller: &Seller) -> Result<usize, Failure> {
    let (rules, now) = (seller.book_rules.clone(), seller.now());
    let touched = seller
        .ledger
        .write(move |tables| book_parked(tables, &rules, now))
        .await?;
    Ok(touched.len())
}
