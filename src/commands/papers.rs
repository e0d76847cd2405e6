//! What commands about papers have in common: who says so, when, where; rows that the books take or refuse one by one.

use std::collections::BTreeMap;
use std::sync::Arc;

use super::imports::{Summary, write};
use super::seller::Seller;
use super::sheet::{Row, Sheet};
use crate::cli::Saying;
use crate::config::Authority;
use crate::domain::clock::Timestamp;
use crate::domain::ids::{DocumentId, LocationId, Sku};
use crate::domain::quantity::QUANTITY_MAX;
use crate::domain::receipt::Leave;
use crate::exit::{Failure, Found};
use crate::ledger::moves::{Moved, Taken, Terms};
use crate::ledger::tables::{Result as StoreResult, Tables};
use crate::output::{Cell, Format, Out};

/// Rows in one transaction: few enough that webhooks do not wait for their commit.
const ROWS_PER_WRITE: usize = 500;

/// Who says so: the name that was given, else the one that the person is logged in with.
pub(super) fn by(saying: &Saying, seller: &Seller) -> String {
    let given = saying.by.clone();
    let login = || seller.env.get("USER").filter(|name| !name.is_empty());
    given
        .or_else(|| login().map(str::to_owned))
        .unwrap_or_else(|| "user".to_owned())
}

/// What rows are taken by.
pub(super) fn terms(saying: &Saying, leave: Leave, seller: &Seller) -> Terms {
    Terms {
        by: by(saying, seller),
        leave,
        now: seller.now(),
    }
}

/// A time that was given, or now.
///
/// # Errors
/// If it has not come yet.
pub(super) fn moment(at: Option<Timestamp>, now: Timestamp) -> Result<Timestamp, Failure> {
    match at {
        Some(at) if at > now => Err(Failure::call(format!(
            "enter what was so at {at}: that time has not come yet; hint: check --at"
        ))),
        Some(at) => Ok(at),
        None => Ok(now),
    }
}

/// A declared location whose stock is said here and not by a warehouse.
///
/// # Errors
/// What is wrong, in words.
pub(super) fn counted_here(seller: &Seller, named: Option<&str>) -> Result<LocationId, String> {
    let location = seller.location(named)?;
    match seller.settings.locations.get(&location) {
        Some(Authority::Warehouse(channel)) => Err(format!(
            "{channel} says what is at {location}; hint: change it there, or set locations.{location}.authority"
        )),
        Some(Authority::Onhand) | None => Ok(location),
    }
}

/// A time in a column; `None` if there is nothing.
///
/// # Errors
/// What is wrong, in words.
pub(super) fn time(sheet: &Sheet, row: &Row, column: &str) -> Result<Option<Timestamp>, String> {
    let Some(text) = sheet.field(row, column).map(str::trim) else {
        return Ok(None);
    };
    if text.is_empty() {
        return Ok(None);
    }
    let read = Timestamp::parse_utc(text);
    read.map(Some).ok_or_else(|| {
        format!("{column} is {text:?}, which is no time; hint: write it like 2026-11-25T03:20:38Z")
    })
}

/// A time in a column that has come, or the one that holds for the whole file.
///
/// # Errors
/// What is wrong, in words.
pub(super) fn past(
    sheet: &Sheet,
    row: &Row,
    column: &str,
    (at, now): (Timestamp, Timestamp),
) -> Result<Timestamp, String> {
    match time(sheet, row, column)? {
        Some(found) if found > now => Err(format!("{column} is {found}, which has not come yet")),
        Some(found) => Ok(found),
        None => Ok(at),
    }
}

/// The goods of a row.
///
/// # Errors
/// What is wrong, in words.
pub(super) fn sku(sheet: &Sheet, row: &Row) -> Result<Sku, String> {
    Sku::new(&sheet.name(row, "sku")?).map_err(|error| error.to_string())
}

/// The name of a paper.
///
/// # Errors
/// What is wrong, in words.
pub(super) fn document(sheet: &Sheet, row: &Row, column: &str) -> Result<DocumentId, String> {
    DocumentId::new(sheet.name(row, column)?.trim()).map_err(|error| error.to_string())
}

/// Units in a column that has to be there.
///
/// # Errors
/// What is wrong, in words.
pub(super) fn units(sheet: &Sheet, row: &Row, column: &str) -> Result<u32, String> {
    let found = sheet.whole(row, column, 0, i64::from(QUANTITY_MAX))?;
    let found =
        found.ok_or_else(|| format!("{column} is empty; hint: write 0 if there is nothing"))?;
    u32::try_from(found).map_err(|error| error.to_string())
}

/// Rows that were read, with their lines; of two with one key neither says what the other does not, so the second is
/// refused with the line of the first.
pub(super) fn unique<R, K: Ord>(
    sheet: &mut Sheet,
    read: impl Fn(&Sheet, &Row) -> Result<R, String>,
    key: impl Fn(&R) -> K,
    same: &str,
) -> Vec<(u64, R)> {
    let mut first: BTreeMap<K, u64> = BTreeMap::new();
    let mut taken = Vec::new();
    for row in std::mem::take(&mut sheet.rows) {
        match read(sheet, &row) {
            Err(reason) => sheet.reject(row.line, reason),
            Ok(found) => {
                if let Some(line) = first.get(&key(&found)) {
                    sheet.reject(row.line, format!("line {line} says it already: {same}"));
                } else {
                    first.insert(key(&found), row.line);
                    taken.push((row.line, found));
                }
            }
        }
    }
    taken
}

/// Work that takes rows, each by itself.
pub(super) type Take<R> = fn(&mut dyn Tables, &[R], &Terms) -> StoreResult<Vec<Taken>>;

/// Hands rows to the books and says what became of them.
pub(super) async fn take<R: Clone + Send + Sync + 'static>(
    mut sheet: Sheet,
    rows: Vec<(u64, R)>,
    work: Take<R>,
    (terms, dry_run): (Terms, bool),
    (seller, out): (&Seller, &mut Out),
) -> Result<Summary<Moved>, Failure> {
    // A rehearsal is one piece: a later row may build on an earlier one.
    let at_once = if dry_run { rows.len() } else { ROWS_PER_WRITE };
    let bar = out.progress(u64::try_from(rows.len()).ok(), "rows");
    let (mut changes, mut changed, mut accepted) = (Vec::new(), 0, 0);
    for chunk in rows.chunks(at_once.max(1)) {
        let only: Arc<[R]> = chunk.iter().map(|(_, row)| row.clone()).collect();
        let terms = terms.clone();
        let taken = write(seller, dry_run, move |tables| work(tables, &only, &terms)).await?;
        for ((line, _), taken) in chunk.iter().zip(taken) {
            match taken {
                Ok(moved) => {
                    accepted += 1;
                    changed += usize::from(!moved.is_empty());
                    changes.extend(moved);
                }
                Err(reason) => sheet.reject(*line, reason),
            }
        }
        bar.inc(u64::try_from(chunk.len()).unwrap_or(0));
    }
    bar.finish_and_clear();
    let mut summary = Summary::of(sheet, dry_run, accepted);
    (summary.changed, summary.changes) = (changed, changes);
    Ok(summary)
}

/// Headers of a table of what was moved.
pub(super) const MOVED_HEADERS: &[&str] = &[
    "sku",
    "location",
    "on_hand",
    "set_aside",
    "incoming",
    "now_on_hand",
    "now_incoming",
    "now_available",
];

/// What was moved, as rows under [`MOVED_HEADERS`].
pub(super) fn moved_rows(changes: &[Moved]) -> Vec<Vec<Cell>> {
    let signed = |units: i64| -> Cell { format!("{units:+}").into() };
    let row = |change: &Moved| {
        vec![
            change.sku.as_str().into(),
            change.location.as_str().into(),
            signed(change.moved.on_hand),
            signed(change.moved.set_aside),
            signed(change.moved.incoming),
            change.now.on_hand.into(),
            change.now.incoming.into(),
            change.now.available().into(),
        ]
    };
    changes.iter().map(row).collect()
}

/// Writes what became of a file.
pub(super) fn tell(
    summary: Summary<Moved>,
    schema: &str,
    what: &str,
    out: &mut Out,
) -> Result<Found, Failure> {
    if out.format() == Format::Table && !summary.changes.is_empty() {
        out.table(MOVED_HEADERS, &moved_rows(&summary.changes))?;
    }
    summary.write(schema, what, out)
}

/// Writes what became of a single piece of news.
pub(super) fn tell_one(
    taken: Taken,
    doing: &str,
    schema: &str,
    dry_run: bool,
    out: &mut Out,
) -> Result<Found, Failure> {
    let moved = taken.map_err(|reason| Failure::call(format!("{doing}: {reason}")))?;
    let body = serde_json::json!({ "dry_run": dry_run, "changes": moved });
    out.result(schema, &body, MOVED_HEADERS, &moved_rows(&moved))?;
    if moved.is_empty() {
        out.note("nothing changed");
    } else if dry_run {
        out.note("dry run: nothing was changed");
    }
    Ok(Found::Nothing)
}
