//! Runs of reconcile, page by page, and the slots of the schedule.

use std::collections::{BTreeMap, BTreeSet};

use rusqlite::{Connection, OptionalExtension as _, Row, params};

use super::books::{json, name};
use super::delivery::PUBLISHABLE;
use crate::domain::clock::Timestamp;
use crate::domain::ids::{ChannelId, ListingId, ListingKey, Sku};
use crate::ledger::tables::{PageSeen, Result, RunRow, SlotRow, Suspect};

const RUN: &str =
    "SELECT id, channel, started_at, pages, cursor, read_all, tally, finished_at, result FROM run";

fn run(row: &Row<'_>) -> Result<RunRow> {
    Ok(RunRow {
        id: row.get(0)?,
        channel: name(&row.get::<_, String>(1)?)?,
        started_at: Timestamp::from_millis(row.get(2)?),
        pages: row.get(3)?,
        cursor: row.get(4)?,
        read_all: row.get(5)?,
        tally: row.get(6)?,
        finished_at: row.get::<_, Option<i64>>(7)?.map(Timestamp::from_millis),
        result: row.get(8)?,
    })
}

/// The last run over a channel, if it was not finished.
pub(super) fn open_run(db: &Connection, channel: &ChannelId) -> Result<Option<RunRow>> {
    let mut read = db.prepare_cached(&format!(
        "{RUN} WHERE channel = ?1 AND finished_at IS NULL ORDER BY id DESC LIMIT 1"
    ))?;
    let mut rows = read.query([channel.as_str()])?;
    rows.next()?.map(run).transpose()
}

/// Begins a run; what an unfinished one had kept is gone.
pub(super) fn begin_run(db: &Connection, channel: &ChannelId, now: Timestamp) -> Result<i64> {
    let of = "run IN (SELECT id FROM run WHERE channel = ?1 AND finished_at IS NULL)";
    db.execute(
        &format!("DELETE FROM suspect WHERE {of}"),
        [channel.as_str()],
    )?;
    db.execute(
        "DELETE FROM run WHERE channel = ?1 AND finished_at IS NULL",
        [channel.as_str()],
    )?;
    Ok(db
        .prepare_cached("INSERT INTO run (channel, started_at) VALUES (?1, ?2)")?
        .insert(params![channel.as_str(), now.millis()])?)
}

/// Keeps what one page said and where the next begins: all of it, or nothing.
pub(super) fn keep_page(
    db: &Connection,
    id: i64,
    channel: &ChannelId,
    page: &PageSeen,
) -> Result<()> {
    let mut seen = db.prepare_cached(
        "UPDATE listing SET seen_in = ?2, verified_at = COALESCE(?4, verified_at)
         WHERE channel = ?1 AND listing IN (SELECT value FROM json_each(?3))",
    )?;
    let (channel, read_at) = (channel.as_str(), page.read_at.millis());
    seen.execute(params![channel, id, json(&page.agreed)?, read_at])?;
    let differing: Vec<_> = page.suspects.iter().map(|one| &one.listing).collect();
    seen.execute(params![channel, id, json(&differing)?, None::<i64>])?;
    let mut suspect = db.prepare_cached(
        "INSERT INTO suspect (run, listing, shows) VALUES (?1, ?2, ?3) ON CONFLICT DO UPDATE SET shows = ?3",
    )?;
    for one in &page.suspects {
        suspect.execute(params![id, one.listing.as_str(), one.shows])?;
    }
    db.prepare_cached(
        "UPDATE run SET pages = pages + 1, cursor = ?2, read_all = ?3, tally = ?4 WHERE id = ?1",
    )?
    .execute(params![
        id,
        page.next,
        page.next.is_none(),
        page.tally.as_str()
    ])?;
    Ok(())
}

/// What differed at the first look, in the order of listings, after this one.
pub(super) fn suspects(
    db: &Connection,
    id: i64,
    after: Option<&ListingId>,
    most: usize,
) -> Result<Vec<Suspect>> {
    let mut read = db.prepare_cached(
        "SELECT listing, shows FROM suspect WHERE run = ?1 AND listing > ?2 ORDER BY listing LIMIT ?3",
    )?;
    let after = after.map_or("", ListingId::as_str);
    let mut rows = read.query(params![id, after, i64::try_from(most).unwrap_or(i64::MAX)])?;
    let mut found = Vec::new();
    while let Some(row) = rows.next()? {
        found.push(Suspect {
            listing: name(&row.get::<_, String>(0)?)?,
            shows: row.get(1)?,
        });
    }
    Ok(found)
}

/// Listings that may be sent to and that a run did not see.
pub(super) fn unseen(
    db: &Connection,
    id: i64,
    channel: &ChannelId,
    most: usize,
) -> Result<BTreeSet<ListingId>> {
    let mut read = db.prepare_cached(&format!(
        "SELECT l.listing FROM listing l WHERE l.channel = ?1 AND l.seen_in IS NOT ?2 AND {PUBLISHABLE}
         ORDER BY l.listing LIMIT ?3"
    ))?;
    let most = i64::try_from(most).unwrap_or(i64::MAX);
    let mut rows = read.query(params![channel.as_str(), id, most])?;
    let mut found = BTreeSet::new();
    while let Some(row) = rows.next()? {
        found.insert(name(&row.get::<_, String>(0)?)?);
    }
    Ok(found)
}

/// How many listings that may be sent to a run saw.
pub(super) fn seen(db: &Connection, id: i64, channel: &ChannelId) -> Result<usize> {
    let count: i64 = db
        .prepare_cached(&format!(
            "SELECT COUNT(*) FROM listing l WHERE l.channel = ?1 AND l.seen_in = ?2 AND {PUBLISHABLE}"
        ))?
        .query_row(params![channel.as_str(), id], |row| row.get(0))?;
    Ok(usize::try_from(count).unwrap_or(0))
}

/// How many listings of a channel may be sent to.
pub(super) fn publishable(db: &Connection, channel: &ChannelId) -> Result<usize> {
    let count: i64 = db
        .prepare_cached(&format!(
            "SELECT COUNT(*) FROM listing l WHERE l.channel = ?1 AND {PUBLISHABLE}"
        ))?
        .query_row([channel.as_str()], |row| row.get(0))?;
    Ok(usize::try_from(count).unwrap_or(0))
}

/// Finishes a run.
pub(super) fn end_run(db: &Connection, id: i64, now: Timestamp, result: &str) -> Result<()> {
    db.prepare_cached("DELETE FROM suspect WHERE run = ?1")?
        .execute([id])?;
    db.prepare_cached("UPDATE run SET finished_at = ?2, result = ?3 WHERE id = ?1")?
        .execute(params![id, now.millis(), result])?;
    Ok(())
}

/// The last finished runs, newest first.
pub(super) fn runs(db: &Connection, most: usize) -> Result<Vec<RunRow>> {
    let mut read = db.prepare_cached(&format!(
        "{RUN} WHERE finished_at IS NOT NULL ORDER BY id DESC LIMIT ?1"
    ))?;
    let mut rows = read.query([i64::try_from(most).unwrap_or(i64::MAX)])?;
    let mut found = Vec::new();
    while let Some(row) = rows.next()? {
        found.push(run(row)?);
    }
    Ok(found)
}

/// Notes that a read agreed with what should be shown.
pub(super) fn verified(db: &Connection, keys: &[ListingKey], at: Timestamp) -> Result<()> {
    let mut write = db.prepare_cached(
        "UPDATE listing SET verified_at = ?3 WHERE channel = ?1 AND listing = ?2",
    )?;
    for key in keys {
        write.execute(params![
            key.channel.as_str(),
            key.listing.as_str(),
            at.millis()
        ])?;
    }
    Ok(())
}

/// What listings showed before the last quantity was sent to them, as far as that is known.
pub(super) fn sent_over(
    db: &Connection,
    keys: &BTreeSet<ListingKey>,
) -> Result<BTreeMap<ListingKey, i64>> {
    let mut read = db.prepare_cached(
        "SELECT previous FROM listing WHERE channel = ?1 AND listing = ?2 AND previous IS NOT NULL",
    )?;
    let mut found = BTreeMap::new();
    for key in keys {
        let previous = read
            .query_row([key.channel.as_str(), key.listing.as_str()], |row| {
                row.get(0)
            })
            .optional()?;
        if let Some(previous) = previous {
            found.insert(key.clone(), previous);
        }
    }
    Ok(found)
}

/// When the books of these SKUs were last written.
pub(super) fn last_moved(
    db: &Connection,
    skus: &BTreeSet<Sku>,
) -> Result<BTreeMap<Sku, Timestamp>> {
    let mut read = db.prepare_cached("SELECT MAX(recorded_at) FROM entry WHERE sku = ?1")?;
    let mut found = BTreeMap::new();
    for sku in skus {
        let at: Option<i64> = read.query_row([sku.as_str()], |row| row.get(0))?;
        if let Some(at) = at {
            found.insert(sku.clone(), Timestamp::from_millis(at));
        }
    }
    Ok(found)
}

/// Opens listings again, so that they get a turn although nothing of theirs changed.
pub(super) fn reopen(db: &Connection, keys: &BTreeSet<ListingKey>) -> Result<()> {
    let mut write = db.prepare_cached(
        "UPDATE listing SET acked = NULL, failures = 0, due_at = 0 WHERE channel = ?1 AND listing = ?2",
    )?;
    for key in keys {
        write.execute([key.channel.as_str(), key.listing.as_str()])?;
    }
    Ok(())
}

/// Every slot that was had.
pub(super) fn slots(db: &Connection) -> Result<Vec<SlotRow>> {
    let mut read = db.prepare_cached(
        "SELECT job, channel, slot, started_at, finished_at, outcome, runs, missed, skipped FROM slot
         ORDER BY job, channel",
    )?;
    let mut rows = read.query([])?;
    let mut found = Vec::new();
    while let Some(row) = rows.next()? {
        let channel: String = row.get(1)?;
        let time = |at: Option<i64>| at.map(Timestamp::from_millis);
        found.push(SlotRow {
            job: row.get(0)?,
            channel: (!channel.is_empty()).then(|| name(&channel)).transpose()?,
            slot: Timestamp::from_millis(row.get(2)?),
            started_at: time(row.get(3)?),
            finished_at: time(row.get(4)?),
            outcome: row.get(5)?,
            runs: row.get(6)?,
            missed: row.get(7)?,
            skipped: row.get(8)?,
        });
    }
    Ok(found)
}

/// Takes a slot: only one process gets it. Nobody does if another one has had it meanwhile.
pub(super) fn claim_slot(
    db: &Connection,
    before: Option<Timestamp>,
    row: &SlotRow,
) -> Result<bool> {
    let channel = row.channel.as_ref().map_or("", ChannelId::as_str);
    let known: Option<i64> = db
        .prepare_cached("SELECT slot FROM slot WHERE job = ?1 AND channel = ?2")?
        .query_row([row.job.as_str(), channel], |row| row.get(0))
        .optional()?;
    if known != before.map(Timestamp::millis) {
        return Ok(false);
    }
    db.prepare_cached(
        "INSERT INTO slot (job, channel, slot, started_at, finished_at, outcome, runs, missed, skipped)
         VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9)
         ON CONFLICT DO UPDATE SET slot = ?3, started_at = ?4, finished_at = ?5, outcome = ?6, runs = ?7, missed = ?8,
           skipped = ?9",
    )?
    .execute(params![
        row.job,
        channel,
        row.slot.millis(),
        row.started_at.map(Timestamp::millis),
        row.finished_at.map(Timestamp::millis),
        row.outcome,
        row.runs,
        row.missed,
        row.skipped,
    ])?;
    Ok(true)
}

/// Notes how the run of a job ended.
pub(super) fn end_slot(
    db: &Connection,
    job: &str,
    channel: Option<&ChannelId>,
    now: Timestamp,
    outcome: &str,
) -> Result<()> {
    let channel = channel.map_or("", ChannelId::as_str);
    db.prepare_cached(
        "UPDATE slot SET finished_at = ?3, outcome = ?4, runs = runs + 1 WHERE job = ?1 AND channel = ?2",
    )?
    .execute(params![job, channel, now.millis(), outcome])?;
    Ok(())
}
