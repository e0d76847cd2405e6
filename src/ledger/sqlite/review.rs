//! What reports look back at.

use std::collections::BTreeMap;

use rusqlite::{Connection, params};

use super::books::name;
use super::chain;
use super::tables::Rows;
use crate::domain::clock::Timestamp;
use crate::domain::ids::ChannelId;
use crate::ledger::review::{Review, SoldRow};
use crate::ledger::tables::{AuditEntry, Result};

/// Units that an entry asks for: promised, or taken from the shelf at once.
const ASKED: &str = "CASE WHEN committed > 0 THEN committed WHEN committed = 0 AND on_hand < 0 THEN -on_hand ELSE 0 END";

impl Review for Rows<'_> {
    fn began(&mut self) -> Result<Option<Timestamp>> {
        let at: Option<i64> =
            self.0
                .query_row("SELECT MIN(recorded_at) FROM entry", [], |row| row.get(0))?;
        Ok(at.map(Timestamp::from_millis))
    }

    fn orders_since(&mut self, since: Timestamp) -> Result<BTreeMap<ChannelId, u64>> {
        orders_since(self.0, since)
    }

    fn sold_since(&mut self, since: Timestamp) -> Result<Vec<SoldRow>> {
        sold_since(self.0, since)
    }

    fn audit_since(
        &mut self,
        kind: &str,
        since: Timestamp,
        take: &mut dyn FnMut(AuditEntry),
    ) -> Result<()> {
        chain::audit_since(self.0, kind, since, take)
    }
}

/// An order belongs to the time of its first entry.
fn orders_since(db: &Connection, since: Timestamp) -> Result<BTreeMap<ChannelId, u64>> {
    let mut read = db.prepare_cached(
        "SELECT channel, COUNT(*) FROM
           (SELECT channel, orders FROM entry WHERE orders IS NOT NULL AND channel IS NOT NULL
            GROUP BY channel, orders HAVING MIN(at) >= ?1)
         GROUP BY channel",
    )?;
    let mut rows = read.query([since.millis()])?;
    let mut found = BTreeMap::new();
    while let Some(row) = rows.next()? {
        let count: i64 = row.get(1)?;
        found.insert(
            name(&row.get::<_, String>(0)?)?,
            u64::try_from(count).unwrap_or(0),
        );
    }
    Ok(found)
}

fn sold_since(db: &Connection, since: Timestamp) -> Result<Vec<SoldRow>> {
    let mut read = db.prepare_cached(&format!(
        "SELECT sku, channel, orders, MIN(at) AS placed, SUM({ASKED}) AS units FROM entry
         WHERE orders IS NOT NULL AND channel IS NOT NULL
         GROUP BY sku, channel, orders HAVING placed >= ?1 AND units > 0 ORDER BY sku, placed, orders"
    ))?;
    let mut rows = read.query(params![since.millis()])?;
    let mut found = Vec::new();
    while let Some(row) = rows.next()? {
        found.push(SoldRow {
            sku: name(&row.get::<_, String>(0)?)?,
            channel: name(&row.get::<_, String>(1)?)?,
            order: name(&row.get::<_, String>(2)?)?,
            at: Timestamp::from_millis(row.get(3)?),
            units: row.get(4)?,
        });
    }
    Ok(found)
}
