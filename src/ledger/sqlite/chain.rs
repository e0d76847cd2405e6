//! The audit: rows chained by their digests, so that a change of the past shows.

use rusqlite::{Connection, OptionalExtension, Row, params};
use sha2::{Digest, Sha256};

use super::books::value;
use super::facts;
use crate::domain::clock::Timestamp;
use crate::domain::ids::ChannelId;
use crate::ledger::StoreError;
use crate::ledger::tables::{AuditEntry, AuditRow, Result};

/// The fact that says where the audit was cut: the number of the last row that is gone, and its digest in hex.
const CUT: &str = "audit_cut";

/// Where the audit was cut: the last row that is gone, and its digest.
pub(super) fn cut(db: &Connection) -> Result<Option<(i64, Vec<u8>)>> {
    let Some(text) = facts::fact(db, CUT)? else {
        return Ok(None);
    };
    let read = text
        .split_once(' ')
        .and_then(|(id, digest)| Some((id.parse().ok()?, hex::decode(digest).ok()?)));
    read.map(Some)
        .ok_or_else(|| StoreError::Damaged(format!("the fact {CUT} is {text:?}")))
}

/// The digest of one row of the audit: over the digest before it and everything in it, each part with its length.
pub(super) fn link(before: &[u8], id: i64, at: i64, parts: [&str; 4]) -> Vec<u8> {
    let mut hash = Sha256::new();
    hash.update(before);
    hash.update(id.to_be_bytes());
    hash.update(at.to_be_bytes());
    for part in parts {
        hash.update(u64::try_from(part.len()).unwrap_or(u64::MAX).to_be_bytes());
        hash.update(part.as_bytes());
    }
    hash.finalize().to_vec()
}

pub(super) fn audit(db: &Connection, rows: &[AuditRow]) -> Result<()> {
    if rows.is_empty() {
        return Ok(());
    }
    let last = db
        .prepare_cached("SELECT id, digest FROM audit ORDER BY id DESC LIMIT 1")?
        .query_row([], |row| {
            Ok((row.get::<_, i64>(0)?, row.get::<_, Vec<u8>>(1)?))
        })
        .optional()?;
    // A chain that was cut to its end goes on from the cut.
    let (mut id, mut digest) = match last {
        Some(last) => last,
        None => cut(db)?.unwrap_or_default(),
    };
    let mut insert = db.prepare_cached(
        "INSERT INTO audit (id, at, kind, channel, subject, detail, digest) VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7)",
    )?;
    for row in rows {
        id += 1;
        let channel = row.channel.as_ref().map(ChannelId::as_str);
        let parts = [row.kind, channel.unwrap_or(""), &row.subject, &row.detail];
        digest = link(&digest, id, row.at.millis(), parts);
        insert.execute(params![
            id,
            row.at.millis(),
            row.kind,
            channel,
            row.subject,
            row.detail,
            digest
        ])?;
    }
    Ok(())
}

/// What an entry is read back from.
const ENTRY: &str = "SELECT id, at, kind, channel, subject, detail FROM audit";

pub(super) fn audit_of(db: &Connection, subject: &str) -> Result<Vec<AuditEntry>> {
    let mut read = db.prepare_cached(&format!("{ENTRY} WHERE subject = ?1 ORDER BY id"))?;
    let mut rows = read.query([subject])?;
    let mut found = Vec::new();
    while let Some(row) = rows.next()? {
        found.push(entry(row)?);
    }
    Ok(found)
}

/// Gives every row of one kind since a time.
pub(super) fn audit_since(
    db: &Connection,
    kind: &str,
    since: Timestamp,
    take: &mut dyn FnMut(AuditEntry),
) -> Result<()> {
    let mut read =
        db.prepare_cached(&format!("{ENTRY} WHERE kind = ?1 AND at >= ?2 ORDER BY id"))?;
    let mut rows = read.query(params![kind, since.millis()])?;
    while let Some(row) = rows.next()? {
        take(entry(row)?);
    }
    Ok(())
}

fn entry(row: &Row<'_>) -> Result<AuditEntry> {
    Ok(AuditEntry {
        id: row.get(0)?,
        at: Timestamp::from_millis(row.get(1)?),
        kind: row.get(2)?,
        channel: row.get(3)?,
        subject: row.get(4)?,
        detail: value(&row.get::<_, String>(5)?)?,
    })
}

/// Cuts the beginning of the audit, and keeps the digest from which the rest follows.
pub(super) fn cut_before(db: &Connection, before: Timestamp, limit: i64) -> Result<usize> {
    let mut read = db.prepare_cached("SELECT id, at, digest FROM audit ORDER BY id LIMIT ?1")?;
    let mut rows = read.query([limit])?;
    let mut last: Option<(i64, Vec<u8>)> = None;
    while let Some(row) = rows.next()? {
        if row.get::<_, i64>(1)? >= before.millis() {
            break;
        }
        last = Some((row.get(0)?, row.get(2)?));
    }
    let Some((id, digest)) = last else {
        return Ok(0);
    };
    let gone = db
        .prepare_cached("DELETE FROM audit WHERE id <= ?1")?
        .execute([id])?;
    facts::set_fact(db, CUT, &format!("{id} {}", hex::encode(digest)))?;
    Ok(gone)
}
