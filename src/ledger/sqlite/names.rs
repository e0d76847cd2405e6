//! Names that SKUs had, and orders that were booked under other mappings.

use std::collections::{BTreeMap, BTreeSet};

use rusqlite::{Connection, params};

use super::books::{json, name, value};
use crate::domain::catalog::Folding;
use crate::domain::clock::Timestamp;
use crate::domain::decide::Booked;
use crate::domain::ids::{ChannelId, ListingId, OrderId, Sku};
use crate::ledger::StoreError;
use crate::ledger::life::Alias;
use crate::ledger::tables::Result;

/// Columns that hold a SKU, table by table. Entries are the same facts under another name, so their texts follow.
const COLUMNS: [(&str, &str); 9] = [
    ("stock", "sku"),
    ("entry", "sku"),
    ("recipe", "bundle"),
    ("recipe", "component"),
    ("listing", "sku"),
    ("feed", "sku"),
    ("paper", "sku"),
    ("incident", "sku"),
    ("incident_line", "sku"),
];

pub(super) fn booked_orders(
    db: &Connection,
    channel: Option<&ChannelId>,
    listing: Option<&ListingId>,
) -> Result<BTreeSet<(ChannelId, OrderId)>> {
    let mut read = db.prepare_cached(
        "SELECT DISTINCT l.channel, l.orders FROM order_line l
         WHERE l.booked IS NOT NULL AND (?1 IS NULL OR l.channel = ?1)
           AND (?2 IS NULL OR l.listing = ?2 OR l.listing IN
             (SELECT a.alias FROM listing a WHERE a.channel = l.channel AND a.listing = ?2))",
    )?;
    let mut rows = read.query(params![
        channel.map(ChannelId::as_str),
        listing.map(ListingId::as_str)
    ])?;
    let mut found = BTreeSet::new();
    while let Some(row) = rows.next()? {
        found.insert((
            name(&row.get::<_, String>(0)?)?,
            name(&row.get::<_, String>(1)?)?,
        ));
    }
    Ok(found)
}

/// Gives a SKU another name (rule R37). What is promised, counted and owed stays with the goods; the old name is free, and
/// leads here until something else has it.
pub(super) fn rename(db: &Connection, old: &Sku, new: &Sku, now: Timestamp) -> Result<()> {
    let taken: bool = db.query_row(
        "SELECT EXISTS (SELECT 1 FROM sku WHERE sku = ?1)",
        [new.as_str()],
        |row| row.get(0),
    )?;
    if taken {
        return Err(StoreError::Other(format!(
            "{new} is another SKU already; hint: two SKUs do not become one"
        )));
    }
    let lowered = Folding { case: true }.key(new.as_str());
    db.execute(
        "UPDATE sku SET sku = ?2, lowered = ?3, version = version + 1 WHERE sku = ?1",
        params![old.as_str(), new.as_str(), lowered],
    )?;
    for (table, column) in COLUMNS {
        db.execute(
            &format!("UPDATE {table} SET {column} = ?2 WHERE {column} = ?1"),
            [old.as_str(), new.as_str()],
        )?;
    }
    db.execute(
        "UPDATE paper SET state = json_set(state, '$.sku', ?2) WHERE state ->> 'sku' = ?1",
        [old.as_str(), new.as_str()],
    )?;
    booked_lines(db, old, new)?;
    let since: Option<i64> = db.query_row(
        "SELECT MAX(until) FROM sku_alias WHERE sku = ?1",
        [old.as_str()],
        |row| row.get(0),
    )?;
    db.execute(
        "UPDATE sku_alias SET sku = ?2 WHERE sku = ?1",
        [old.as_str(), new.as_str()],
    )?;
    db.execute(
        "INSERT INTO sku_alias (alias, sku, since, until, lowered) VALUES (?1, ?2, ?3, ?4, ?5)",
        params![
            old.as_str(),
            new.as_str(),
            since,
            now.millis(),
            Folding { case: true }.key(old.as_str())
        ],
    )?;
    Ok(())
}

/// What order lines were booked as follows, so that a later message compares with what it did.
fn booked_lines(db: &Connection, old: &Sku, new: &Sku) -> Result<()> {
    let mut read = db.prepare(
        "SELECT DISTINCT l.channel, l.orders, l.line, l.booked FROM entry e
         CROSS JOIN order_line l ON l.channel = e.channel AND l.orders = e.orders
         WHERE e.sku = ?1 AND e.orders IS NOT NULL AND l.booked IS NOT NULL",
    )?;
    let mut rows = read.query([new.as_str()])?;
    let mut changed = Vec::new();
    while let Some(row) = rows.next()? {
        let mut booked: Booked = value(&row.get::<_, String>(3)?)?;
        for need in &mut booked.needs {
            if need.sku == *old {
                need.sku = new.clone();
            }
        }
        if let Some((sold, _)) = &mut booked.sold
            && sold == old
        {
            *sold = new.clone();
        }
        let keys: [String; 3] = [row.get(0)?, row.get(1)?, row.get(2)?];
        changed.push((keys, json(&booked)?));
    }
    let mut write = db.prepare(
        "UPDATE order_line SET booked = ?4 WHERE channel = ?1 AND orders = ?2 AND line = ?3",
    )?;
    for ([channel, order, line], booked) in changed {
        write.execute(params![channel, order, line, booked])?;
    }
    Ok(())
}

pub(super) fn aliases(db: &Connection, sku: &Sku) -> Result<Vec<Alias>> {
    let mut read = db.prepare_cached(
        "SELECT alias, sku, since, until FROM sku_alias WHERE sku = ?1 OR alias = ?1 ORDER BY until",
    )?;
    let mut rows = read.query([sku.as_str()])?;
    let mut found = Vec::new();
    while let Some(row) = rows.next()? {
        found.push(Alias {
            alias: name(&row.get::<_, String>(0)?)?,
            sku: name(&row.get::<_, String>(1)?)?,
            since: row.get::<_, Option<i64>>(2)?.map(Timestamp::from_millis),
            until: Timestamp::from_millis(row.get(3)?),
        });
    }
    Ok(found)
}

/// SKUs by names that they had, for texts that are no SKU's now; the last one that had a name has it.
pub(super) fn by_alias(
    db: &Connection,
    lowered: &BTreeSet<String>,
) -> Result<BTreeMap<String, Vec<(Sku, Sku)>>> {
    let mut read = db.prepare_cached(
        "SELECT a.alias, a.sku, a.lowered FROM json_each(?1) k CROSS JOIN sku_alias a ON a.lowered = k.value
         ORDER BY a.until",
    )?;
    let mut rows = read.query([json(lowered)?])?;
    let mut found: BTreeMap<String, Vec<(Sku, Sku)>> = BTreeMap::new();
    while let Some(row) = rows.next()? {
        let (alias, sku): (Sku, Sku) = (
            name(&row.get::<_, String>(0)?)?,
            name(&row.get::<_, String>(1)?)?,
        );
        let names = found.entry(row.get(2)?).or_default();
        names.retain(|(known, _)| *known != alias);
        names.push((alias, sku));
    }
    Ok(found)
}
