//! Papers of people, what changes by time alone, and the stock as it was.

use std::collections::{BTreeMap, BTreeSet};

use rusqlite::{Connection, Row, params};

use super::books::{json, name, stock_line, value};
use crate::domain::clock::Timestamp;
use crate::domain::hold::Hold;
use crate::domain::ids::{ChannelId, DocumentId, ListingKey, LocationId, OrderId, Sku};
use crate::domain::quantity::Balance;
use crate::ledger::life::{Paper, PaperKind};
use crate::ledger::sqlite::life::Meanwhile;
use crate::ledger::tables::{ListingState, Result, StockLine};

const COLUMNS: &str = "p.id, p.line, p.sku, p.open, p.until, p.state";

fn paper(row: &Row<'_>) -> Result<Paper> {
    Ok(Paper {
        id: name(&row.get::<_, String>(0)?)?,
        line: row.get(1)?,
        sku: name(&row.get::<_, String>(2)?)?,
        open: row.get(3)?,
        until: row.get::<_, Option<i64>>(4)?.map(Timestamp::from_millis),
        state: row.get(5)?,
    })
}

pub(super) fn of(
    db: &Connection,
    kind: PaperKind,
    ids: &BTreeSet<DocumentId>,
) -> Result<BTreeMap<(DocumentId, String), Paper>> {
    let mut read = db.prepare_cached(&format!(
        "SELECT {COLUMNS} FROM json_each(?2) k CROSS JOIN paper p ON p.kind = ?1 AND p.id = k.value"
    ))?;
    let mut rows = read.query(params![kind.word(), json(ids)?])?;
    let mut found = BTreeMap::new();
    while let Some(row) = rows.next()? {
        let paper = paper(row)?;
        found.insert((paper.id.clone(), paper.line.clone()), paper);
    }
    Ok(found)
}

pub(super) fn open(db: &Connection, kind: PaperKind) -> Result<Vec<Paper>> {
    let mut read = db.prepare_cached(&format!(
        "SELECT {COLUMNS} FROM paper p WHERE p.kind = ?1 AND p.open ORDER BY p.id, p.line"
    ))?;
    let mut rows = read.query([kind.word()])?;
    let mut found = Vec::new();
    while let Some(row) = rows.next()? {
        found.push(paper(row)?);
    }
    Ok(found)
}

pub(super) fn due(db: &Connection, kind: PaperKind, now: Timestamp) -> Result<Vec<Paper>> {
    let mut read = db.prepare_cached(&format!(
        "SELECT {COLUMNS} FROM paper p WHERE p.open AND p.until IS NOT NULL AND p.until <= ?2 AND p.kind = ?1
         ORDER BY p.until, p.id, p.line"
    ))?;
    let mut rows = read.query(params![kind.word(), now.millis()])?;
    let mut found = Vec::new();
    while let Some(row) = rows.next()? {
        found.push(paper(row)?);
    }
    Ok(found)
}

pub(super) fn put(db: &Connection, kind: PaperKind, papers: &[Paper]) -> Result<()> {
    let mut write = db.prepare_cached(
        "INSERT INTO paper (kind, id, line, sku, open, until, state) VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7)
         ON CONFLICT DO UPDATE SET sku = ?4, open = ?5, until = ?6, state = ?7",
    )?;
    for paper in papers {
        write.execute(params![
            kind.word(),
            paper.id.as_str(),
            paper.line,
            paper.sku.as_str(),
            paper.open,
            paper.until.map(Timestamp::millis),
            paper.state,
        ])?;
    }
    Ok(())
}

pub(super) fn lapsing_orders(
    db: &Connection,
    now: Timestamp,
) -> Result<BTreeSet<(ChannelId, OrderId)>> {
    let mut read = db
        .prepare_cached("SELECT channel, id FROM orders WHERE until IS NOT NULL AND until <= ?1")?;
    let mut rows = read.query([now.millis()])?;
    let mut found = BTreeSet::new();
    while let Some(row) = rows.next()? {
        found.insert((
            name(&row.get::<_, String>(0)?)?,
            name(&row.get::<_, String>(1)?)?,
        ));
    }
    Ok(found)
}

pub(super) fn next_moment(db: &Connection) -> Result<Option<Timestamp>> {
    let mut read = db.prepare_cached(
        "SELECT MIN(at) FROM (
           SELECT MIN(until) AS at FROM paper WHERE open AND until IS NOT NULL
           UNION ALL SELECT MIN(until) FROM orders WHERE until IS NOT NULL
           UNION ALL SELECT MIN(until) FROM listing WHERE until IS NOT NULL)",
    )?;
    let at: Option<i64> = read.query_row([], |row| row.get(0))?;
    Ok(at.map(Timestamp::from_millis))
}

pub(super) fn note_until(db: &Connection, moments: &[(ListingKey, Timestamp)]) -> Result<()> {
    let mut write =
        db.prepare_cached("UPDATE listing SET until = ?3 WHERE channel = ?1 AND listing = ?2")?;
    for (key, until) in moments {
        write.execute(params![
            key.channel.as_str(),
            key.listing.as_str(),
            until.millis()
        ])?;
    }
    Ok(())
}

pub(super) fn pass_until(db: &Connection, now: Timestamp) -> Result<usize> {
    let mut open = db.prepare_cached(
        "UPDATE listing SET acked = NULL, until = NULL WHERE until IS NOT NULL AND until <= ?1",
    )?;
    Ok(open.execute([now.millis()])?)
}

pub(super) fn held_at(
    db: &Connection,
    sku: &Sku,
    location: &LocationId,
    at: Timestamp,
) -> Result<Balance> {
    let mut read = db.prepare_cached(
        "SELECT COALESCE(SUM(set_aside), 0) FROM entry
         WHERE sku = ?1 AND location = ?2 AND at <= ?3 AND set_aside <> 0
           AND cause ->> 'kind' IN ('hold', 'release')",
    )?;
    Ok(read.query_row(
        params![sku.as_str(), location.as_str(), at.millis()],
        |row| row.get(0),
    )?)
}

pub(super) fn note_aside(
    db: &Connection,
    sku: &Sku,
    location: &LocationId,
    at: Timestamp,
) -> Result<()> {
    db.prepare_cached(
        "INSERT INTO stock (sku, location, on_hand, committed, set_aside, incoming, aside_at)
         VALUES (?1, ?2, 0, 0, 0, 0, ?3)
         ON CONFLICT DO UPDATE SET aside_at = MAX(COALESCE(aside_at, ?3), ?3)",
    )?
    .execute(params![sku.as_str(), location.as_str(), at.millis()])?;
    Ok(())
}

pub(super) fn note_reference(
    db: &Connection,
    sku: &Sku,
    location: &LocationId,
    units: Balance,
) -> Result<()> {
    db.prepare_cached("UPDATE stock SET reference = ?3 WHERE sku = ?1 AND location = ?2")?
        .execute(params![sku.as_str(), location.as_str(), units])?;
    Ok(())
}

pub(super) fn stock_at(db: &Connection, at: Timestamp, as_written: bool) -> Result<Vec<StockLine>> {
    let time = if as_written { "recorded_at" } else { "at" };
    let mut read = db.prepare_cached(&format!(
        "SELECT sku, location, SUM(on_hand), SUM(committed), SUM(set_aside), SUM(incoming), NULL, NULL, NULL
         FROM entry WHERE {time} <= ?1 GROUP BY sku, location ORDER BY sku, location"
    ))?;
    let mut rows = read.query([at.millis()])?;
    let mut found = Vec::new();
    while let Some(row) = rows.next()? {
        found.push(stock_line(row)?);
    }
    Ok(found)
}

pub(super) fn out_of_stock(
    db: &Connection,
    now: Timestamp,
) -> Result<Vec<(Sku, Timestamp, Timestamp)>> {
    let mut read = db.prepare_cached(
        "SELECT sku, at, SUM(on_hand - committed - set_aside) FROM entry WHERE at <= ?1 GROUP BY sku, at ORDER BY sku, at",
    )?;
    let mut rows = read.query([now.millis()])?;
    let mut found: Vec<(Sku, Timestamp, Timestamp)> = Vec::new();
    let mut current: Option<(String, Balance, Option<Timestamp>)> = None;
    let mut end = |(sku, _, since): (String, Balance, Option<Timestamp>), until| -> Result<()> {
        if let Some(since) = since {
            found.push((name(&sku)?, since, until));
        }
        Ok(())
    };
    while let Some(row) = rows.next()? {
        let (sku, at): (String, _) = (row.get(0)?, Timestamp::from_millis(row.get(1)?));
        let moved: Balance = row.get(2)?;
        let (sku, before, since) = match current.take() {
            Some((known, before, since)) if known == sku => (sku, before, since),
            other => {
                other.map_or(Ok(()), |last| end(last, now))?;
                (sku, 0, None)
            }
        };
        let available = before + moved;
        current = Some(match since {
            Some(since) if available > 0 => {
                end((sku.clone(), before, Some(since)), at)?;
                (sku, available, None)
            }
            None if available <= 0 => (sku, available, Some(at)),
            since => (sku, available, since),
        });
    }
    current.map_or(Ok(()), |last| end(last, now))?;
    Ok(found)
}

pub(super) fn stock_of(db: &Connection, skus: &BTreeSet<Sku>) -> Result<Vec<StockLine>> {
    let mut read = db.prepare_cached(
        "SELECT s.sku, s.location, s.on_hand, s.committed, s.set_aside, s.incoming, s.counted_at, s.basis, s.reference
         FROM json_each(?1) k CROSS JOIN stock s ON s.sku = k.value ORDER BY s.sku, s.location",
    )?;
    let mut rows = read.query([json(skus)?])?;
    let mut found = Vec::new();
    while let Some(row) = rows.next()? {
        found.push(stock_line(row)?);
    }
    Ok(found)
}

pub(super) fn ordered_since(db: &Connection, sku: &Sku, since: Timestamp) -> Result<Balance> {
    let mut read = db.prepare_cached(
        "SELECT COALESCE(SUM(committed - on_hand), 0) FROM entry
         WHERE sku = ?1 AND at >= ?2 AND orders IS NOT NULL",
    )?;
    Ok(read.query_row(params![sku.as_str(), since.millis()], |row| row.get(0))?)
}

/// Adds to what feeds listings what depends on the moment: whether it is counted, holds that end, what was ordered today.
pub(super) fn add_moment(
    db: &Connection,
    found: &mut [ListingState],
    meanwhile: &Meanwhile,
) -> Result<()> {
    let supplies = || found.iter().flat_map(|listing| &listing.feeds);
    let skus: BTreeSet<Sku> = supplies().map(|supply| supply.sku.clone()).collect();
    let mut holds: BTreeMap<Sku, Vec<(LocationId, u32, Timestamp)>> = BTreeMap::new();
    let mut read = db.prepare_cached(
        "SELECT p.state FROM json_each(?1) k CROSS JOIN paper p ON p.kind = 'hold' AND p.open AND p.sku = k.value
         WHERE p.until IS NOT NULL",
    )?;
    let mut rows = read.query([json(&skus)?])?;
    while let Some(row) = rows.next()? {
        let hold: Hold = value(&row.get::<_, String>(0)?)?;
        if let Some(until) = hold.until {
            let kept = (hold.location, hold.units, until);
            holds.entry(hold.sku).or_default().push(kept);
        }
    }
    let mut ordered = BTreeMap::new();
    let (since, _) = meanwhile.promises.day(meanwhile.now);
    for sku in skus
        .iter()
        .filter(|sku| meanwhile.promises.daily.contains_key(*sku))
    {
        ordered.insert(sku.clone(), ordered_since(db, sku, since)?);
    }
    for supply in found.iter_mut().flat_map(|listing| &mut listing.feeds) {
        supply.tracked = meanwhile.promises.tracks(&supply.sku);
        supply.as_of = meanwhile.now;
        supply.holds = holds.get(&supply.sku).cloned().unwrap_or_default();
        supply.ordered_today = ordered.get(&supply.sku).copied().unwrap_or(0);
    }
    Ok(())
}
