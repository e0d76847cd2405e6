//! How long things are kept, and what is erased for a buyer. Balances and their entries are never touched.

use std::collections::BTreeSet;

use rusqlite::{Connection, OptionalExtension, params};

use super::books::json;
use super::chain;
use crate::domain::clock::Timestamp;
use crate::ledger::tables::{Erasure, Forgotten, Horizon, Result};

/// One chunk of what is too old, at most `most` rows of each kind.
pub(super) fn forget(db: &Connection, before: Horizon, most: usize) -> Result<Forgotten> {
    let limit = i64::try_from(most).unwrap_or(i64::MAX);
    let bodies = db
        .prepare_cached(
            "UPDATE event SET body = NULL WHERE id IN (SELECT id FROM event
               WHERE outcome = 'parked' AND received_at < ?1 AND body IS NOT NULL LIMIT ?2)",
        )?
        .execute(params![before.parked.millis(), limit])?;
    // The index leads with the outcome, so all of them are named.
    let events = db
        .prepare_cached(
            "DELETE FROM event WHERE id IN (SELECT id FROM event
               WHERE outcome IN ('applied', 'duplicate', 'ignored', 'parked') AND received_at < ?1 LIMIT ?2)",
        )?
        .execute(params![before.events.millis(), limit])?;
    db.prepare_cached("DELETE FROM request WHERE asked_at < ?1 AND result IS NOT NULL")?
        .execute([before.requests.millis()])?;
    Ok(Forgotten {
        bodies,
        events,
        audit_rows: chain::cut_before(db, before.audit, limit)?,
    })
}

/// Messages whose content concerns these orders or holds one of these texts.
pub(super) fn erasable(db: &Connection, what: &Erasure) -> Result<BTreeSet<i64>> {
    let named: Vec<_> = what
        .orders
        .iter()
        .map(|(channel, order)| Named {
            channel: channel.as_str(),
            order: order.as_str(),
            // As it stands in what we keep of a message that we understood.
            quoted: format!("\"order\":{}", serde_json::json!(order.as_str())).into_bytes(),
        })
        .collect();
    let texts: Vec<_> = what.texts.iter().flat_map(|text| spellings(text)).collect();
    let mut read = db.prepare_cached(
        "SELECT id, channel, subject, outcome, body FROM event WHERE body IS NOT NULL ORDER BY id",
    )?;
    let mut rows = read.query([])?;
    let mut found = BTreeSet::new();
    while let Some(row) = rows.next()? {
        let (channel, subject): (String, Option<String>) = (row.get(1)?, row.get(2)?);
        let body: Vec<u8> = row.get(4)?;
        let concerns = named.iter().any(|named| {
            named.channel == channel
                && match &subject {
                    Some(subject) => subject == named.order || holds(&body, &named.quoted),
                    // A message that was not understood: its number anywhere in it is enough.
                    None => holds(&body, named.order.as_bytes()),
                }
        });
        let lowered = || String::from_utf8_lossy(&body).to_lowercase();
        if concerns || (!texts.is_empty() && texts.iter().any(|text| lowered().contains(text))) {
            found.insert(row.get(0)?);
        }
    }
    Ok(found)
}

struct Named<'a> {
    channel: &'a str,
    order: &'a str,
    quoted: Vec<u8>,
}

fn holds(body: &[u8], part: &[u8]) -> bool {
    !part.is_empty() && body.windows(part.len()).any(|window| window == part)
}

/// How a text may be written in a message, in lower case: as it is, with everything beyond ASCII escaped as PHP does in
/// JSON, and as in a form.
fn spellings(text: &str) -> BTreeSet<String> {
    use percent_encoding::{NON_ALPHANUMERIC, utf8_percent_encode};
    let escaped: String = text
        .encode_utf16()
        .map(|unit| match u8::try_from(unit) {
            Ok(b'/') => "\\/".to_owned(),
            Ok(byte) if byte.is_ascii() => char::from(byte).to_string(),
            _ => format!("\\u{unit:04x}"),
        })
        .collect();
    [
        text.to_owned(),
        escaped,
        utf8_percent_encode(text, NON_ALPHANUMERIC).to_string(),
    ]
    .iter()
    .map(|spelling| spelling.to_lowercase())
    .filter(|spelling| !spelling.is_empty())
    .collect()
}

/// Removes the content of messages; that they came, and what became of them, stays.
pub(super) fn erase(db: &Connection, events: &BTreeSet<i64>) -> Result<usize> {
    Ok(db
        .prepare_cached(
            "UPDATE event SET body = NULL
             WHERE body IS NOT NULL AND id IN (SELECT value FROM json_each(?1))",
        )?
        .execute([json(events)?])?)
}

/// Leaves work for the process that delivers.
pub(super) fn hand_over(db: &Connection, what: &str, now: Timestamp) -> Result<i64> {
    Ok(db
        .prepare_cached("INSERT INTO request (asked_at, what) VALUES (?1, ?2)")?
        .insert(params![now.millis(), what])?)
}

/// Work that nobody has answered yet, oldest first.
pub(super) fn pending_requests(db: &Connection) -> Result<Vec<(i64, String)>> {
    let mut read =
        db.prepare_cached("SELECT id, what FROM request WHERE result IS NULL ORDER BY id")?;
    let rows = read.query_map([], |row| Ok((row.get(0)?, row.get(1)?)))?;
    Ok(rows.collect::<rusqlite::Result<_>>()?)
}

/// Says what became of it; the first answer stands.
pub(super) fn answer(db: &Connection, id: i64, result: &str) -> Result<()> {
    db.prepare_cached("UPDATE request SET result = ?2 WHERE id = ?1 AND result IS NULL")?
        .execute(params![id, result])?;
    Ok(())
}

/// What became of it, if that is known yet.
pub(super) fn result_of(db: &Connection, id: i64) -> Result<Option<String>> {
    let found = db
        .prepare_cached("SELECT result FROM request WHERE id = ?1")?
        .query_row([id], |row| row.get(0))
        .optional()?;
    Ok(found.flatten())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_is_found_however_it_is_written() {
        for (text, body) in [
            ("ann@example.com", "{\"email\":\"Ann@Example.com\"}"),
            ("Jörg Müller", "{\"name\":\"J\\u00f6rg M\\u00fcller\"}"),
            ("Jörg", "name=J%C3%B6rg"),
            ("a/b", "{\"x\":\"a\\/b\"}"),
        ] {
            let body = body.to_lowercase();
            let found = spellings(text).iter().any(|text| body.contains(text));
            assert!(found, "{text} in {body}");
        }
    }
}
