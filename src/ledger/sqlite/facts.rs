//! Messages, waiting work, channels and small facts.

use std::collections::{BTreeMap, BTreeSet};

use rusqlite::{Connection, OptionalExtension, params};

use super::books::{json, name, value};
use crate::domain::clock::Timestamp;
use crate::domain::ids::{ChannelId, OrderId};
use crate::domain::message::Hint;
use crate::ledger::tables::{ChannelState, DeadLetter, EventRow, HintRow, Result};

pub(super) fn add_events(db: &Connection, events: &[EventRow]) -> Result<Vec<i64>> {
    let mut insert = db.prepare_cached(
        "INSERT INTO event (channel, topic, delivery, subject, happened_at, received_at, outcome, reason, body)
         VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9)",
    )?;
    let mut ids = Vec::with_capacity(events.len());
    for event in events {
        ids.push(insert.insert(params![
            event.channel.as_str(),
            event.topic,
            event.delivery,
            event.subject,
            event.happened_at.map(Timestamp::millis),
            event.received_at.millis(),
            event.outcome.word(),
            event.reason,
            event.body,
        ])?);
    }
    Ok(ids)
}

pub(super) fn seen_deliveries(
    db: &Connection,
    ids: &BTreeSet<(ChannelId, String)>,
) -> Result<BTreeSet<(ChannelId, String)>> {
    let mut seen = BTreeSet::new();
    if ids.is_empty() {
        return Ok(seen);
    }
    let mut read = db.prepare_cached(
        "SELECT DISTINCT e.channel, e.delivery FROM json_each(?1) k
         CROSS JOIN event e ON e.channel = k.value ->> 0 AND e.delivery = k.value ->> 1",
    )?;
    let mut rows = read.query([json(ids)?])?;
    while let Some(row) = rows.next()? {
        seen.insert((name(&row.get::<_, String>(0)?)?, row.get(1)?));
    }
    Ok(seen)
}

pub(super) fn parked_orders(db: &Connection) -> Result<BTreeSet<(ChannelId, OrderId)>> {
    let mut read =
        db.prepare_cached("SELECT DISTINCT channel, orders FROM order_line WHERE booked IS NULL")?;
    let mut rows = read.query([])?;
    let mut found = BTreeSet::new();
    while let Some(row) = rows.next()? {
        found.insert((
            name(&row.get::<_, String>(0)?)?,
            name(&row.get::<_, String>(1)?)?,
        ));
    }
    Ok(found)
}

pub(super) fn ask(db: &Connection, hints: &[(ChannelId, Hint)], now: Timestamp) -> Result<()> {
    let mut insert = db.prepare_cached(
        "INSERT INTO hint (channel, hint, asked_at, due_at) VALUES (?1, ?2, ?3, ?3)
         ON CONFLICT DO UPDATE SET asked_at = ?3",
    )?;
    for (channel, hint) in hints {
        insert.execute(params![channel.as_str(), json(hint)?, now.millis()])?;
    }
    Ok(())
}

pub(super) fn due_hints(
    db: &Connection,
    of: &BTreeSet<ChannelId>,
    now: Timestamp,
    most: usize,
) -> Result<Vec<HintRow>> {
    let mut read = db.prepare_cached(
        "SELECT channel, hint, asked_at, failures FROM hint WHERE due_at <= ?1
           AND (?3 = '[]' OR channel IN (SELECT value FROM json_each(?3)))
         ORDER BY due_at, channel, hint LIMIT ?2",
    )?;
    let mut rows = read.query(params![
        now.millis(),
        i64::try_from(most).unwrap_or(i64::MAX),
        json(of)?,
    ])?;
    let mut found = Vec::new();
    while let Some(row) = rows.next()? {
        found.push(HintRow {
            channel: name(&row.get::<_, String>(0)?)?,
            hint: value(&row.get::<_, String>(1)?)?,
            asked_at: Timestamp::from_millis(row.get(2)?),
            failures: row.get(3)?,
        });
    }
    Ok(found)
}

/// Takes a hint away, unless it was asked again since it was read: then what was fetched may be older than the asking.
/// What failed before this success does not count any more.
pub(super) fn hint_done(db: &Connection, hint: &HintRow) -> Result<()> {
    let what = json(&hint.hint)?;
    let gone = db
        .prepare_cached("DELETE FROM hint WHERE channel = ?1 AND hint = ?2 AND asked_at <= ?3")?
        .execute(params![hint.channel.as_str(), what, hint.asked_at.millis()])?;
    if gone == 0 {
        db.prepare_cached("UPDATE hint SET failures = 0 WHERE channel = ?1 AND hint = ?2")?
            .execute(params![hint.channel.as_str(), what])?;
    }
    Ok(())
}

pub(super) fn hint_later(db: &Connection, hint: &HintRow, due_at: Timestamp) -> Result<()> {
    db.prepare_cached(
        "UPDATE hint SET failures = ?3, due_at = ?4 WHERE channel = ?1 AND hint = ?2",
    )?
    .execute(params![
        hint.channel.as_str(),
        json(&hint.hint)?,
        hint.failures,
        due_at.millis()
    ])?;
    Ok(())
}

pub(super) fn add_dead_letter(db: &Connection, letter: &DeadLetter) -> Result<()> {
    db.prepare_cached(
        "INSERT INTO dead_letter (channel, kind, what, reason, answer, attempts, first_at, last_at)
         VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?7)
         ON CONFLICT DO UPDATE SET reason = ?4, answer = ?5, attempts = attempts + ?6, last_at = ?7",
    )?
    .execute(params![
        letter.channel.as_str(),
        letter.kind,
        letter.what,
        letter.reason,
        letter.answer,
        letter.attempts,
        letter.at.millis()
    ])?;
    Ok(())
}

pub(super) fn close_dead_letter(
    db: &Connection,
    channel: &ChannelId,
    kind: &str,
    what: &str,
) -> Result<()> {
    db.prepare_cached("DELETE FROM dead_letter WHERE channel = ?1 AND kind = ?2 AND what = ?3")?
        .execute([channel.as_str(), kind, what])?;
    Ok(())
}

pub(super) fn close_letters_of(
    db: &Connection,
    orders: &BTreeSet<(ChannelId, OrderId)>,
) -> Result<()> {
    if orders.is_empty() {
        return Ok(());
    }
    let mut letters = BTreeSet::new();
    for (channel, order) in orders {
        letters.insert((channel, "order", order.as_str().to_owned()));
        letters.insert((channel, "fetch", json(&Hint::Order(order.clone()))?));
    }
    db.prepare_cached(
        "DELETE FROM dead_letter WHERE id IN (SELECT d.id FROM json_each(?1) k CROSS JOIN dead_letter d
           ON d.channel = k.value ->> 0 AND d.kind = k.value ->> 1 AND d.what = k.value ->> 2)",
    )?
    .execute([json(&letters)?])?;
    Ok(())
}

pub(super) fn dead_letters(db: &Connection) -> Result<Vec<DeadLetter>> {
    let mut read = db.prepare_cached(
        "SELECT channel, kind, what, reason, answer, attempts, last_at FROM dead_letter ORDER BY first_at, id",
    )?;
    let mut rows = read.query([])?;
    let mut found = Vec::new();
    while let Some(row) = rows.next()? {
        found.push(DeadLetter {
            channel: name(&row.get::<_, String>(0)?)?,
            kind: row.get(1)?,
            what: row.get(2)?,
            reason: row.get(3)?,
            answer: row.get(4)?,
            attempts: row.get(5)?,
            at: Timestamp::from_millis(row.get(6)?),
        });
    }
    Ok(found)
}

pub(super) fn channel(db: &Connection, channel: &ChannelId) -> Result<ChannelState> {
    let time = |millis: Option<i64>| millis.map(Timestamp::from_millis);
    let found = db
        .prepare_cached(
            "SELECT orders_through, orders_read_at, held, token, closed_until, last_hook_at FROM channel WHERE channel = ?1",
        )?
        .query_row([channel.as_str()], |row| {
            Ok(ChannelState {
                orders_through: Timestamp::from_millis(row.get(0)?),
                orders_read_at: time(row.get(1)?),
                held: row.get(2)?,
                token: row.get(3)?,
                closed_until: time(row.get(4)?),
                last_hook_at: time(row.get(5)?),
            })
        })
        .optional()?;
    Ok(found.unwrap_or_default())
}

pub(super) fn set_channel(
    db: &Connection,
    channel: &ChannelId,
    state: &ChannelState,
) -> Result<()> {
    db.prepare_cached(
        "INSERT INTO channel (channel, orders_through, orders_read_at, held, token) VALUES (?1, ?2, ?3, ?4, ?5)
         ON CONFLICT DO UPDATE SET orders_through = ?2, orders_read_at = ?3, held = ?4, token = ?5",
    )?
    .execute(params![
        channel.as_str(),
        state.orders_through.millis(),
        state.orders_read_at.map(Timestamp::millis),
        state.held,
        state.token,
    ])?;
    Ok(())
}

pub(super) fn close_until(db: &Connection, closed: &BTreeMap<ChannelId, Timestamp>) -> Result<()> {
    let mut close = db.prepare_cached(
        "INSERT INTO channel (channel, closed_until) VALUES (?1, ?2)
         ON CONFLICT DO UPDATE SET closed_until = ?2",
    )?;
    for (channel, until) in closed {
        close.execute(params![channel.as_str(), until.millis()])?;
    }
    Ok(())
}

pub(super) fn heard(db: &Connection, channels: &BTreeSet<ChannelId>, at: Timestamp) -> Result<()> {
    let mut hear = db.prepare_cached(
        "INSERT INTO channel (channel, last_hook_at) VALUES (?1, ?2)
         ON CONFLICT DO UPDATE SET last_hook_at = max(ifnull(last_hook_at, 0), ?2)",
    )?;
    for channel in channels {
        hear.execute(params![channel.as_str(), at.millis()])?;
    }
    Ok(())
}

pub(super) fn fact(db: &Connection, key: &str) -> Result<Option<String>> {
    let mut read = db.prepare_cached("SELECT value FROM fact WHERE name = ?1")?;
    Ok(read.query_row([key], |row| row.get(0)).optional()?)
}

pub(super) fn set_fact(db: &Connection, key: &str, text: &str) -> Result<()> {
    db.prepare_cached(
        "INSERT INTO fact (name, value) VALUES (?1, ?2) ON CONFLICT DO UPDATE SET value = ?2",
    )?
    .execute([key, text])?;
    Ok(())
}
