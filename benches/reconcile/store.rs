//! A store with many listings, filled by SQL: what is measured is comparing, not importing.

use std::path::Path;

use onhand::domain::ids::LocationId;
use onhand::ledger::sqlite;

use super::Wishes;

/// Units of every SKU.
pub(crate) const UNITS: i64 = 50;

pub(crate) fn place() -> LocationId {
    LocationId::new("main").unwrap()
}

/// Makes listing ids that come in another order than the SKUs: `n` times a number that shares no factor with the range.
pub(crate) const SPREAD: usize = 2_654_435_761;
/// The range of listing ids, 12 digits.
pub(crate) const RANGE: usize = 1_000_000_000_000;

/// The ids of the listings that the bench's own channels name, in SQL.
pub(crate) fn spread() -> String {
    format!("printf('%012d', (i * {SPREAD}) % {RANGE})")
}

/// Every SKU `i` is listed on every channel under the id `listing`, was sent there long ago, and was read back.
pub(crate) fn fill(path: &Path, wishes: Wishes, listing: &str) {
    let db = sqlite::open(path).unwrap();
    db.pragma_update(None, "synchronous", "off").unwrap();
    // Built afterwards, in one go.
    let mut indexes = db
        .prepare("SELECT name, sql FROM sqlite_master WHERE type = 'index' AND tbl_name IN ('feed', 'listing') AND sql IS NOT NULL")
        .unwrap();
    let indexes: Vec<(String, String)> = indexes
        .query_map([], |row| Ok((row.get(0)?, row.get(1)?)))
        .unwrap()
        .map(Result::unwrap)
        .collect();
    for (name, _) in &indexes {
        db.execute_batch(&format!("DROP INDEX {name}")).unwrap();
    }
    let numbers = format!(
        "WITH RECURSIVE n(i) AS (SELECT 0 UNION ALL SELECT i + 1 FROM n WHERE i + 1 < {})",
        wishes.skus
    );
    let sku = "printf('SKU-%08d', i)";
    let channels = format!(
        "c(j) AS (SELECT 0 UNION ALL SELECT j + 1 FROM c WHERE j + 1 < {})",
        wishes.channels
    );
    db.execute_batch(&format!(
        "INSERT INTO sku (sku, version, lowered) {numbers} SELECT {sku}, 1, printf('sku-%08d', i) FROM n;
         INSERT INTO stock (sku, location, on_hand, committed, set_aside, incoming)
           {numbers} SELECT {sku}, 'main', {UNITS}, 0, 0, 0 FROM n;
         INSERT INTO listing (channel, listing, sku, known, shown, shown_at, acked, verified_at)
           {numbers}, {channels} SELECT 'c' || j, {listing}, {sku}, 1, {UNITS}, 1000, 1, 2000 FROM c CROSS JOIN n
           ORDER BY 1, 2;
         INSERT INTO feed (sku, channel, listing, units)
           {numbers}, {channels} SELECT {sku}, 'c' || j, {listing}, 1 FROM n CROSS JOIN c;"
    ))
    .unwrap();
    for (_, sql) in &indexes {
        db.execute_batch(sql).unwrap();
    }
    db.execute_batch("ANALYZE; PRAGMA wal_checkpoint(TRUNCATE);")
        .unwrap();
}
