//! Runs of reconcile: how far each came, what differed, and what was verified.

use std::collections::{BTreeMap, BTreeSet};

use rusqlite::{Connection, OptionalExtension as _, Row, params};

use super::books::name;
use super::tables::Rows;
use super::{delivery, shelf, slots};
use crate::domain::clock::Timestamp;
use crate::domain::ids::{ChannelId, ListingId, ListingKey, Sku};
use crate::ledger::runs::{Apart, ListingCounts, Reached, RunRow, Runs, Shelf, SlotRow, Suspect};
use crate::ledger::tables::Result;

impl Runs for Rows<'_> {
    fn shelf(&mut self, channels: &[ChannelId], after: Option<&Sku>, most: usize) -> Result<Shelf> {
        shelf::shelf(self.0, &self.1, channels, after, most)
    }

    fn apart(
        &mut self,
        channel: &ChannelId,
        after: Option<&ListingId>,
        most: usize,
    ) -> Result<Vec<(ListingId, Apart)>> {
        shelf::apart(self.0, channel, after, most)
    }

    fn last_entry(&mut self) -> Result<i64> {
        shelf::last_entry(self.0)
    }

    fn moved_since(&mut self, entry: i64, after: Option<&Sku>, most: usize) -> Result<Vec<Sku>> {
        shelf::moved_since(self.0, entry, after, most)
    }

    fn lists_any(&mut self, channel: &ChannelId) -> Result<bool> {
        shelf::lists_any(self.0, channel)
    }

    fn count_listings(&mut self) -> Result<BTreeMap<ChannelId, ListingCounts>> {
        delivery::count_listings(self.0)
    }

    fn open_run(&mut self, channel: &ChannelId) -> Result<Option<RunRow>> {
        open_run(self.0, channel)
    }

    fn begin_run(&mut self, channel: &ChannelId, now: Timestamp) -> Result<i64> {
        begin_run(self.0, channel, now)
    }

    fn keep_run(&mut self, run: i64, reached: &Reached, suspects: &[Suspect]) -> Result<()> {
        keep_run(self.0, run, reached, suspects)
    }

    fn suspects(&mut self, run: i64, most: usize) -> Result<Vec<Suspect>> {
        suspects(self.0, run, most)
    }

    fn agreed(
        &mut self,
        run: i64,
        channel: &ChannelId,
        listings: &[ListingId],
        at: Timestamp,
    ) -> Result<()> {
        let mut verify = self.0.prepare_cached(VERIFY)?;
        let mut clear = self
            .0
            .prepare_cached("DELETE FROM suspect WHERE run = ?1 AND listing = ?2")?;
        for listing in listings {
            let listing = listing.as_str();
            verify.execute(params![channel.as_str(), listing, at.millis()])?;
            clear.execute(params![run, listing])?;
        }
        Ok(())
    }

    fn differed(&mut self, run: i64, channel: &ChannelId, suspects: &[Suspect]) -> Result<()> {
        differed(self.0, run, channel, suspects)
    }

    fn end_run(&mut self, run: i64, now: Timestamp, result: &str) -> Result<()> {
        end_run(self.0, run, now, result)
    }

    fn runs(&mut self, most: usize) -> Result<Vec<RunRow>> {
        runs(self.0, most)
    }

    fn verified(&mut self, keys: &BTreeSet<ListingKey>) -> Result<BTreeMap<ListingKey, Timestamp>> {
        verified(self.0, keys)
    }

    fn sent_over(&mut self, keys: &BTreeSet<ListingKey>) -> Result<BTreeMap<ListingKey, i64>> {
        sent_over(self.0, keys)
    }

    fn last_moved(&mut self, skus: &BTreeSet<Sku>) -> Result<BTreeMap<Sku, Timestamp>> {
        last_moved(self.0, skus)
    }

    fn reopen(&mut self, keys: &BTreeSet<ListingKey>) -> Result<()> {
        reopen(self.0, keys)
    }

    fn slots(&mut self) -> Result<Vec<SlotRow>> {
        slots::slots(self.0)
    }

    fn claim_slot(&mut self, before: Option<Timestamp>, row: &SlotRow) -> Result<bool> {
        slots::claim_slot(self.0, before, row)
    }

    fn end_slot(
        &mut self,
        job: &str,
        channel: Option<&ChannelId>,
        now: Timestamp,
        outcome: &str,
    ) -> Result<()> {
        slots::end_slot(self.0, job, channel, now, outcome)
    }
}

const VERIFY: &str = "UPDATE listing SET verified_at = ?3 WHERE channel = ?1 AND listing = ?2";
const RUN: &str = "SELECT id, channel, started_at, pages, cursor, read_all, tally, finished_at, result, seen, list FROM run";

fn run(row: &Row<'_>) -> Result<RunRow> {
    let unmapped: Option<String> = row.get(6)?;
    Ok(RunRow {
        id: row.get(0)?,
        channel: name(&row.get::<_, String>(1)?)?,
        started_at: Timestamp::from_millis(row.get(2)?),
        reached: Reached {
            pages: row.get(3)?,
            cursor: row.get(4)?,
            read_all: row.get(5)?,
            unmapped: unmapped.map_or(Ok(0), |text| name(&text))?,
            seen: row.get::<_, Option<Vec<u8>>>(9)?.unwrap_or_default(),
            list: row.get::<_, Option<String>>(10)?.unwrap_or_default(),
        },
        finished_at: row.get::<_, Option<i64>>(7)?.map(Timestamp::from_millis),
        result: row.get(8)?,
    })
}

/// The last run over a channel, if it was not finished.
fn open_run(db: &Connection, channel: &ChannelId) -> Result<Option<RunRow>> {
    let mut read = db.prepare_cached(&format!(
        "{RUN} WHERE channel = ?1 AND finished_at IS NULL ORDER BY id DESC LIMIT 1"
    ))?;
    let mut rows = read.query([channel.as_str()])?;
    rows.next()?.map(run).transpose()
}

/// Begins a run; what an unfinished one had kept is gone.
fn begin_run(db: &Connection, channel: &ChannelId, now: Timestamp) -> Result<i64> {
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

fn keep_run(db: &Connection, id: i64, reached: &Reached, suspects: &[Suspect]) -> Result<()> {
    keep_suspects(db, id, suspects)?;
    db.prepare_cached(
        "UPDATE run SET pages = ?2, cursor = ?3, read_all = ?4, tally = ?5, seen = ?6, list = ?7 WHERE id = ?1",
    )?
    .execute(params![
        id,
        reached.pages,
        reached.cursor,
        reached.read_all,
        reached.unmapped.to_string(),
        reached.seen,
        reached.list,
    ])?;
    Ok(())
}

fn keep_suspects(db: &Connection, id: i64, suspects: &[Suspect]) -> Result<()> {
    let mut keep = db.prepare_cached(
        "INSERT INTO suspect (run, listing, shows) VALUES (?1, ?2, ?3) ON CONFLICT DO UPDATE SET shows = ?3",
    )?;
    for one in suspects {
        keep.execute(params![id, one.listing.as_str(), one.shows])?;
    }
    Ok(())
}

fn suspects(db: &Connection, id: i64, most: usize) -> Result<Vec<Suspect>> {
    let mut read = db.prepare_cached(
        "SELECT listing, shows FROM suspect WHERE run = ?1 ORDER BY listing LIMIT ?2",
    )?;
    let mut rows = read.query(params![id, i64::try_from(most).unwrap_or(i64::MAX)])?;
    let mut found = Vec::new();
    while let Some(row) = rows.next()? {
        found.push(Suspect {
            listing: name(&row.get::<_, String>(0)?)?,
            shows: row.get(1)?,
        });
    }
    Ok(found)
}

/// The last whole run over a channel, and when it began.
fn whole_run(db: &Connection, channel: &ChannelId) -> Result<Option<(i64, i64)>> {
    let mut read = db.prepare_cached(
        "SELECT id, started_at FROM run WHERE channel = ?1 AND finished_at IS NOT NULL ORDER BY id DESC LIMIT 1",
    )?;
    Ok(read
        .query_row([channel.as_str()], |row| Ok((row.get(0)?, row.get(1)?)))
        .optional()?)
}

/// What the run before verified of them is written down, for they are exceptions of this one.
fn differed(db: &Connection, id: i64, channel: &ChannelId, suspects: &[Suspect]) -> Result<()> {
    let mut verify = db.prepare_cached(VERIFY)?;
    let key = |one: &Suspect| ListingKey {
        channel: channel.clone(),
        listing: one.listing.clone(),
    };
    for (key, at) in verified(db, &suspects.iter().map(key).collect())? {
        verify.execute(params![channel.as_str(), key.listing.as_str(), at.millis()])?;
    }
    keep_suspects(db, id, suspects)
}

/// The run stays with what differed in it; what differed in those before it is gone.
fn end_run(db: &Connection, id: i64, now: Timestamp, result: &str) -> Result<()> {
    db.prepare_cached(
        "DELETE FROM suspect WHERE run IN (
           SELECT old.id FROM run JOIN run old ON old.channel = run.channel AND old.finished_at IS NOT NULL WHERE run.id = ?1)",
    )?
    .execute([id])?;
    db.prepare_cached(
        "UPDATE run SET finished_at = ?2, result = ?3, seen = NULL, list = NULL WHERE id = ?1",
    )?
    .execute(params![id, now.millis(), result])?;
    Ok(())
}

fn runs(db: &Connection, most: usize) -> Result<Vec<RunRow>> {
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

/// The later of what stands at the listing, and the last whole run over the channel if the listing did not differ in it.
fn verified(
    db: &Connection,
    keys: &BTreeSet<ListingKey>,
) -> Result<BTreeMap<ListingKey, Timestamp>> {
    let mut own =
        db.prepare_cached("SELECT verified_at FROM listing WHERE channel = ?1 AND listing = ?2")?;
    let mut differed =
        db.prepare_cached("SELECT 1 FROM suspect WHERE run = ?1 AND listing = ?2")?;
    let mut runs = BTreeMap::new();
    let mut found = BTreeMap::new();
    for key in keys {
        if !runs.contains_key(&key.channel) {
            runs.insert(key.channel.clone(), whole_run(db, &key.channel)?);
        }
        let listing = key.listing.as_str();
        let at: Option<Option<i64>> = own
            .query_row([key.channel.as_str(), listing], |row| row.get(0))
            .optional()?;
        let Some(mut at) = at else {
            continue;
        };
        if let Some((run, began)) = runs.get(&key.channel).copied().flatten()
            && !differed.exists(params![run, listing])?
        {
            at = at.max(Some(began));
        }
        found.extend(at.map(|at| (key.clone(), Timestamp::from_millis(at))));
    }
    Ok(found)
}

/// What listings showed before the last quantity was sent to them, as far as that is known.
fn sent_over(db: &Connection, keys: &BTreeSet<ListingKey>) -> Result<BTreeMap<ListingKey, i64>> {
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
fn last_moved(db: &Connection, skus: &BTreeSet<Sku>) -> Result<BTreeMap<Sku, Timestamp>> {
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
fn reopen(db: &Connection, keys: &BTreeSet<ListingKey>) -> Result<()> {
    let mut write = db.prepare_cached(
        "UPDATE listing SET acked = NULL, failures = 0, due_at = 0 WHERE channel = ?1 AND listing = ?2",
    )?;
    for key in keys {
        write.execute([key.channel.as_str(), key.listing.as_str()])?;
    }
    Ok(())
}
