//! The slots of the schedule.

use rusqlite::{Connection, OptionalExtension as _, params};

use super::books::name;
use crate::domain::clock::Timestamp;
use crate::domain::ids::ChannelId;
use crate::ledger::runs::SlotRow;
use crate::ledger::tables::Result;

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
