//! Tiers that were classified.

use std::collections::BTreeMap;

use rusqlite::{Connection, params};

use super::books::name;
use crate::domain::clock::Timestamp;
use crate::domain::ids::Sku;
use crate::domain::tier::Kept;
use crate::ledger::tables::{KeptTier, Result};

/// All of them.
pub(super) fn tiers(db: &Connection) -> Result<BTreeMap<Sku, KeptTier>> {
    let mut read = db.prepare_cached("SELECT sku, tier, below, as_of, stale FROM tier")?;
    let mut rows = read.query([])?;
    let mut found = BTreeMap::new();
    while let Some(row) = rows.next()? {
        let (sku, tier): (String, String) = (row.get(0)?, row.get(1)?);
        let kept = Kept {
            tier: name(&tier)?,
            below: row.get(2)?,
        };
        let as_of = Timestamp::from_millis(row.get(3)?);
        let stale = row.get(4)?;
        found.insert(name(&sku)?, KeptTier { kept, as_of, stale });
    }
    Ok(found)
}

/// Writes these; the others stay.
pub(super) fn set_tiers(db: &Connection, tiers: &BTreeMap<Sku, KeptTier>) -> Result<()> {
    let mut write = db.prepare_cached(
        "INSERT INTO tier (sku, tier, below, as_of, stale) VALUES (?1, ?2, ?3, ?4, ?5)
         ON CONFLICT (sku) DO UPDATE SET tier = ?2, below = ?3, as_of = ?4, stale = ?5",
    )?;
    for (sku, kept) in tiers {
        write.execute(params![
            sku.as_str(),
            kept.kept.tier.letter(),
            kept.kept.below,
            kept.as_of.millis(),
            kept.stale
        ])?;
    }
    Ok(())
}
