//! Replays the books from empty and walks the audit chain: what is stored must be what was entered.

use std::collections::BTreeMap;

use rusqlite::Connection;

use super::books::{balances, json, value};
use super::chain::{cut, link};
use crate::domain::decide::Booked;
use crate::domain::stock::{Balances, Movement};
use crate::ledger::tables::Result;

/// What is broken, in words; empty if nothing is.
pub(super) fn verify(db: &Connection) -> Result<Vec<String>> {
    let mut broken = Vec::new();
    let check: String = db.query_row("PRAGMA quick_check", [], |row| row.get(0))?;
    if check != "ok" {
        broken.push(format!("the file is damaged: {check}"));
    }
    replay(db, &mut broken)?;
    promises(db, &mut broken)?;
    chain(db, &mut broken)?;
    Ok(broken)
}

type Place = (String, String);

/// The sum of the entries of each place is what is stored there.
fn replay(db: &Connection, broken: &mut Vec<String>) -> Result<()> {
    let mut sums: BTreeMap<Place, Balances> = BTreeMap::new();
    let mut read = db.prepare(
        "SELECT sku, location, on_hand, committed, set_aside, incoming FROM entry ORDER BY id",
    )?;
    let mut rows = read.query([])?;
    while let Some(row) = rows.next()? {
        let found = balances(row, 2)?;
        let movement = Movement {
            on_hand: found.on_hand,
            committed: found.committed,
            set_aside: found.set_aside,
            incoming: found.incoming,
        };
        let place: Place = (row.get(0)?, row.get(1)?);
        let sum = sums.entry(place.clone()).or_default();
        match sum.after(movement) {
            Ok(after) => *sum = after,
            Err(error) => broken.push(format!("{} at {}: {error}", place.0, place.1)),
        }
    }
    let mut read =
        db.prepare("SELECT sku, location, on_hand, committed, set_aside, incoming FROM stock")?;
    let mut rows = read.query([])?;
    while let Some(row) = rows.next()? {
        let place: Place = (row.get(0)?, row.get(1)?);
        let (stored, replayed) = (balances(row, 2)?, sums.remove(&place).unwrap_or_default());
        if stored != replayed {
            let (sku, location) = place;
            broken.push(format!(
                "{sku} at {location}: stored {}, entries give {}",
                json(&stored)?,
                json(&replayed)?
            ));
        }
    }
    broken.extend(
        sums.into_keys()
            .map(|(sku, location)| format!("{sku} at {location}: entries without stock")),
    );
    Ok(())
}

/// What the order lines say that they moved is what their entries moved, and no line promises less than nothing.
fn promises(db: &Connection, broken: &mut Vec<String>) -> Result<()> {
    let mut expected: BTreeMap<Place, i64> = BTreeMap::new();
    let mut read = db
        .prepare("SELECT channel, orders, line, booked FROM order_line WHERE booked IS NOT NULL")?;
    let mut rows = read.query([])?;
    while let Some(row) = rows.next()? {
        let (channel, order, line): (String, String, String) =
            (row.get(0)?, row.get(1)?, row.get(2)?);
        let booked: Booked = value(&row.get::<_, String>(3)?)?;
        for (location, need, moved) in booked.movements() {
            if moved.committed < 0 {
                broken.push(format!(
                    "order {order} of {channel}, line {line}: promises {}",
                    moved.committed
                ));
            }
            let place = (need.sku.as_str().to_owned(), location.as_str().to_owned());
            *expected.entry(place).or_default() += moved.committed;
        }
    }
    let mut read = db.prepare("SELECT sku, location, committed FROM stock")?;
    let mut rows = read.query([])?;
    while let Some(row) = rows.next()? {
        let place: Place = (row.get(0)?, row.get(1)?);
        let (stored, lines): (i64, i64) = (row.get(2)?, expected.remove(&place).unwrap_or(0));
        if stored != lines {
            broken.push(format!(
                "{} at {}: committed {stored}, order lines say {lines}",
                place.0, place.1
            ));
        }
    }
    Ok(())
}

/// Every row of the audit follows from the one before.
fn chain(db: &Connection, broken: &mut Vec<String>) -> Result<()> {
    let mut read =
        db.prepare("SELECT id, at, kind, channel, subject, detail, digest FROM audit ORDER BY id")?;
    let mut rows = read.query([])?;
    // Retention may have cut the beginning; the digest of the last row that is gone was kept.
    let (_, mut before) = cut(db)?.unwrap_or_default();
    while let Some(row) = rows.next()? {
        let (id, at, digest): (i64, i64, Vec<u8>) = (row.get(0)?, row.get(1)?, row.get(6)?);
        let (kind, subject, detail): (String, String, String) =
            (row.get(2)?, row.get(4)?, row.get(5)?);
        let channel: Option<String> = row.get(3)?;
        let parts = [&*kind, channel.as_deref().unwrap_or(""), &subject, &detail];
        if link(&before, id, at, parts) != digest {
            broken.push(format!(
                "audit row {id} ({kind} {subject}) was changed, or one before it is missing"
            ));
        }
        before = digest;
    }
    Ok(())
}
