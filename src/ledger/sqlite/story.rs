//! What happened, read back for people: messages, entries, and how much there is of everything.

use std::collections::BTreeSet;

use rusqlite::{Connection, OptionalExtension as _, Row, params};

use super::books::{balances, name, value};
use crate::domain::clock::Timestamp;
use crate::domain::ids::Sku;
use crate::domain::stock::{Movement, StockEntry};
use crate::ledger::tables::{EntryLine, EventLine, Result, Totals};

const EVENT: &str = "SELECT id, channel, topic, delivery, subject, happened_at, received_at, outcome, reason FROM event";
const ENTRY: &str = "SELECT id, sku, location, on_hand, committed, set_aside, incoming, at, recorded_at, cause FROM entry";

/// Messages about a subject; else the message with this number; else those of this delivery.
pub(super) fn events_of(db: &Connection, subject: &str) -> Result<Vec<EventLine>> {
    let number: Option<i64> = subject.parse().ok();
    for test in ["subject = ?1", "id = ?2", "delivery = ?1"] {
        let mut read = db.prepare_cached(&format!(
            "{EVENT} WHERE {test} AND (?1 IS NOT NULL OR ?2 IS NOT NULL) ORDER BY received_at, id"
        ))?;
        let mut rows = read.query(params![subject, number])?;
        let mut found = Vec::new();
        while let Some(row) = rows.next()? {
            found.push(event(row)?);
        }
        if !found.is_empty() {
            return Ok(found);
        }
    }
    Ok(Vec::new())
}

fn event(row: &Row<'_>) -> Result<EventLine> {
    Ok(EventLine {
        id: row.get(0)?,
        channel: name(&row.get::<_, String>(1)?)?,
        topic: row.get(2)?,
        delivery: row.get(3)?,
        subject: row.get(4)?,
        happened_at: row.get::<_, Option<i64>>(5)?.map(Timestamp::from_millis),
        received_at: Timestamp::from_millis(row.get(6)?),
        outcome: row.get(7)?,
        reason: row.get(8)?,
    })
}

pub(super) fn entries_of_order(db: &Connection, order: &str) -> Result<Vec<EntryLine>> {
    entries(db, "orders = ?1", order)
}

pub(super) fn entries_of_sku(db: &Connection, sku: &Sku) -> Result<Vec<EntryLine>> {
    entries(db, "sku = ?1", sku.as_str())
}

fn entries(db: &Connection, test: &str, key: &str) -> Result<Vec<EntryLine>> {
    let mut read = db.prepare_cached(&format!("{ENTRY} WHERE {test} ORDER BY id"))?;
    let mut rows = read.query([key])?;
    let mut found = Vec::new();
    while let Some(row) = rows.next()? {
        let moved = balances(row, 3)?;
        let entry = StockEntry {
            sku: name(&row.get::<_, String>(1)?)?,
            location: name(&row.get::<_, String>(2)?)?,
            movement: Movement {
                on_hand: moved.on_hand,
                committed: moved.committed,
                set_aside: moved.set_aside,
                incoming: moved.incoming,
            },
            at: Timestamp::from_millis(row.get(7)?),
            cause: value(&row.get::<_, String>(9)?)?,
        };
        found.push(EntryLine {
            id: row.get(0)?,
            entry,
            recorded_at: Timestamp::from_millis(row.get(8)?),
        });
    }
    Ok(found)
}

pub(super) fn skus(db: &Connection) -> Result<BTreeSet<Sku>> {
    let mut read = db.prepare_cached("SELECT sku FROM sku")?;
    let mut rows = read.query([])?;
    let mut found = BTreeSet::new();
    while let Some(row) = rows.next()? {
        found.insert(name(&row.get::<_, String>(0)?)?);
    }
    Ok(found)
}

pub(super) fn totals(db: &Connection) -> Result<Totals> {
    let totals = db
        .query_row(
            "SELECT (SELECT COUNT(*) FROM event), (SELECT COUNT(*) FROM orders), (SELECT COUNT(*) FROM entry),
               (SELECT COUNT(*) FROM sku), (SELECT COUNT(*) FROM listing), (SELECT COUNT(*) FROM audit)",
            [],
            |row| {
                Ok(Totals {
                    messages: row.get(0)?,
                    orders: row.get(1)?,
                    entries: row.get(2)?,
                    skus: row.get(3)?,
                    listings: row.get(4)?,
                    audit_rows: row.get(5)?,
                })
            },
        )
        .optional()?;
    Ok(totals.unwrap_or_default())
}
