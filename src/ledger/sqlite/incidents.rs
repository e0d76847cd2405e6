//! Incidents and the order lines that lost.

use std::collections::{BTreeMap, BTreeSet};

use rusqlite::{Connection, Row, params};

use super::books::{json, name, value};
use crate::domain::clock::Timestamp;
use crate::domain::ids::{LineId, LocationId, Sku};
use crate::domain::incident::{LineKey, LostLine};
use crate::ledger::life::{Incident, Incidents, PromisedRow};
use crate::ledger::tables::Result;

/// An order line from channel, order and line; an empty line is none.
fn key(row: &Row<'_>, first: usize) -> Result<LineKey> {
    let line: String = row.get(first + 2)?;
    Ok(LineKey {
        channel: name(&row.get::<_, String>(first)?)?,
        order: name(&row.get::<_, String>(first + 1)?)?,
        line: (!line.is_empty())
            .then(|| name::<LineId>(&line))
            .transpose()?,
    })
}

fn line_text(key: &LineKey) -> &str {
    key.line.as_ref().map_or("", LineId::as_str)
}

/// Reads the entries of one SKU: only of a SKU that is short, or was, so that the way of every message need not keep a
/// list of open lines.
pub(super) fn promised(
    db: &Connection,
    sku: &Sku,
    places: &BTreeSet<LocationId>,
    and: &BTreeSet<LineKey>,
) -> Result<Vec<PromisedRow>> {
    let asked: Vec<_> = and
        .iter()
        .map(|key| (&key.channel, &key.order, line_text(key)))
        .collect();
    let mut read = db.prepare_cached(
        "SELECT e.channel, e.orders, e.cause ->> 'line' AS line, SUM(e.committed), -SUM(e.on_hand),
           (SELECT o.record ->> 'placed_at' FROM orders o WHERE o.channel = e.channel AND o.id = e.orders)
         FROM entry e
         WHERE e.sku = ?1 AND e.orders IS NOT NULL AND e.location IN (SELECT value FROM json_each(?2))
         GROUP BY e.channel, e.orders, line
         HAVING SUM(e.committed) > 0 OR EXISTS (
           SELECT 1 FROM json_each(?3) k
           WHERE k.value ->> 0 = e.channel AND k.value ->> 1 = e.orders AND k.value ->> 2 = line)",
    )?;
    let mut rows = read.query(params![sku.as_str(), json(places)?, json(&asked)?])?;
    let mut found = Vec::new();
    while let Some(row) = rows.next()? {
        let placed: Option<String> = row.get(5)?;
        found.push(PromisedRow {
            key: key(row, 0)?,
            placed_at: placed
                .and_then(|text| Timestamp::parse(&text))
                .unwrap_or_default(),
            committed: row.get(3)?,
            shipped: row.get(4)?,
        });
    }
    Ok(found)
}

pub(super) fn with_incident(db: &Connection, skus: &BTreeSet<Sku>) -> Result<BTreeSet<Sku>> {
    let mut read = db.prepare_cached(
        "SELECT DISTINCT i.sku FROM json_each(?1) k CROSS JOIN incident i ON i.sku = k.value
         WHERE i.closed_at IS NULL",
    )?;
    let mut rows = read.query([json(skus)?])?;
    let mut found = BTreeSet::new();
    while let Some(row) = rows.next()? {
        found.insert(name(&row.get::<_, String>(0)?)?);
    }
    Ok(found)
}

pub(super) fn read(db: &Connection, which: &Incidents) -> Result<Vec<Incident>> {
    let mut read = db.prepare_cached(
        "SELECT id, sku, pool, source, opened_at, closed_at, happened_on, reason, cost, currency, evidence FROM incident
         WHERE (?1 IS NULL OR id IN (SELECT value FROM json_each(?1)))
           AND (?2 IS NULL OR sku IN (SELECT value FROM json_each(?2)))
           AND (NOT ?3 OR closed_at IS NULL)
         ORDER BY opened_at, id",
    )?;
    let ids = which.ids.as_ref().map(json).transpose()?;
    let skus = which.skus.as_ref().map(json).transpose()?;
    let mut rows = read.query(params![ids, skus, which.open])?;
    let mut found = Vec::new();
    while let Some(row) = rows.next()? {
        let (pool, evidence): (Option<String>, String) = (row.get(2)?, row.get(10)?);
        found.push(Incident {
            id: row.get(0)?,
            sku: name(&row.get::<_, String>(1)?)?,
            pool: pool.as_deref().map(name).transpose()?,
            source: row.get(3)?,
            opened_at: Timestamp::from_millis(row.get(4)?),
            closed_at: row.get::<_, Option<i64>>(5)?.map(Timestamp::from_millis),
            happened_on: row.get(6)?,
            reason: row.get(7)?,
            cost: row.get(8)?,
            currency: row.get(9)?,
            evidence: value(&evidence)?,
            lines: Vec::new(),
        });
    }
    let ids: Vec<_> = found.iter().map(|incident| incident.id).collect();
    let mut lines = lines(db, &ids)?;
    for incident in &mut found {
        incident.lines = lines.remove(&incident.id).unwrap_or_default();
    }
    Ok(found)
}

fn lines(db: &Connection, ids: &[i64]) -> Result<BTreeMap<i64, Vec<LostLine>>> {
    let mut read = db.prepare_cached(
        "SELECT l.channel, l.orders, l.line, l.incident, l.placed_at, l.units, l.helped
         FROM json_each(?1) k CROSS JOIN incident_line l ON l.incident = k.value
         ORDER BY l.incident, l.placed_at, l.channel, l.orders, l.line",
    )?;
    let mut rows = read.query([json(&ids)?])?;
    let mut found: BTreeMap<i64, Vec<LostLine>> = BTreeMap::new();
    while let Some(row) = rows.next()? {
        let helped: Option<String> = row.get(6)?;
        found.entry(row.get(3)?).or_default().push(LostLine {
            key: key(row, 0)?,
            placed_at: Timestamp::from_millis(row.get(4)?),
            units: row.get(5)?,
            helped: helped.as_deref().map(value).transpose()?,
        });
    }
    Ok(found)
}

pub(super) fn of_lines(
    db: &Connection,
    sku: &Sku,
    lines: &BTreeSet<LineKey>,
) -> Result<BTreeSet<i64>> {
    // People may name an order without a line; it is the same incident.
    let mut read = db.prepare_cached(
        "SELECT DISTINCT incident FROM incident_line
         WHERE sku = ?1 AND channel = ?2 AND orders = ?3 AND (line = ?4 OR line = '' OR ?4 = '')",
    )?;
    let mut found = BTreeSet::new();
    for key in lines {
        let mut rows = read.query(params![
            sku.as_str(),
            key.channel.as_str(),
            key.order.as_str(),
            line_text(key)
        ])?;
        while let Some(row) = rows.next()? {
            found.insert(row.get(0)?);
        }
    }
    Ok(found)
}

pub(super) fn put(db: &Connection, incident: &Incident) -> Result<i64> {
    let new = incident.id == 0;
    let id = (!new).then_some(incident.id);
    db.prepare_cached(
        "INSERT INTO incident (id, sku, pool, source, opened_at, closed_at, happened_on, reason, cost, currency, evidence)
         VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11)
         ON CONFLICT (id) DO UPDATE SET pool = ?3, closed_at = ?6, happened_on = ?7, reason = ?8, cost = ?9, currency = ?10",
    )?
    .execute(params![
        id,
        incident.sku.as_str(),
        incident.pool.as_ref().map(LocationId::as_str),
        incident.source,
        incident.opened_at.millis(),
        incident.closed_at.map(Timestamp::millis),
        incident.happened_on,
        incident.reason,
        incident.cost,
        incident.currency,
        json(&incident.evidence)?,
    ])?;
    let id = id.unwrap_or_else(|| db.last_insert_rowid());
    db.prepare_cached("DELETE FROM incident_line WHERE incident = ?1")?
        .execute([id])?;
    let mut write = db.prepare_cached(
        "INSERT INTO incident_line (sku, channel, orders, line, incident, placed_at, units, helped)
         VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8)
         ON CONFLICT DO UPDATE SET incident = ?5, placed_at = ?6, units = ?7, helped = ?8",
    )?;
    for line in &incident.lines {
        write.execute(params![
            incident.sku.as_str(),
            line.key.channel.as_str(),
            line.key.order.as_str(),
            line_text(&line.key),
            id,
            line.placed_at.millis(),
            line.units,
            line.helped.as_ref().map(json).transpose()?,
        ])?;
    }
    Ok(id)
}
