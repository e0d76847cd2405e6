//! Listings: what they are of ours, what feeds them, what they show, and their turns.

use std::collections::{BTreeMap, BTreeSet};

use rusqlite::{Connection, Row, params};

use super::books::{balances, json, mapping, name, recipes, shown, shown_columns};
use crate::domain::bundle::{self, Recipes};
use crate::domain::catalog::{Fulfilment, Mapping};
use crate::domain::clock::Timestamp;
use crate::domain::ids::{ChannelId, ListingId, ListingKey, LocationId, Sku};
use crate::domain::policy::Supply;
use crate::ledger::StoreError;
use crate::ledger::runs::ListingCounts;
use crate::ledger::tables::{CatalogRow, ListingState, Result, Selection, Settled};

/// The dirty test, over `l`: the acknowledged version is not the sum of the versions of what feeds it.
const DIRTY: &str = "l.acked IS NOT (SELECT SUM(s.version) FROM feed f JOIN sku s ON s.sku = f.sku
      WHERE f.channel = l.channel AND f.listing = l.listing)";
/// What may be sent to, over `l`.
pub(super) const PUBLISHABLE: &str =
    "l.sku IS NOT NULL AND l.not_publishable IS NULL AND l.fulfilment = 'merchant'";
const COLUMNS: &str = "l.channel, l.listing, l.alias, l.their_sku, l.sku, l.factor, l.location, l.fulfilment,
      l.not_publishable, l.known, l.shown, l.shown_at, l.stale, l.verified_at, l.acked, l.failures, l.due_at, l.compared";

/// Listings with everything that delivery needs.
pub(super) fn listings(db: &Connection, which: &Selection) -> Result<Vec<ListingState>> {
    let keys = which.keys.as_ref().map(|keys| {
        keys.iter()
            .map(|k| (&k.channel, &k.listing))
            .collect::<Vec<_>>()
    });
    let (source, list) = match (&keys, &which.skus) {
        (Some(keys), _) => (
            "json_each(?1) k CROSS JOIN listing l ON l.channel = k.value ->> 0 AND l.listing = k.value ->> 1",
            json(keys)?,
        ),
        (None, Some(skus)) => (
            "(SELECT DISTINCT f.channel, f.listing FROM json_each(?1) k CROSS JOIN feed f ON f.sku = k.value) x
             CROSS JOIN listing l ON l.channel = x.channel AND l.listing = x.listing",
            json(skus)?,
        ),
        (None, None) => ("listing l", "[]".to_owned()),
    };
    let mut tests = vec!["?1 IS NOT NULL AND (?2 IS NULL OR l.channel = ?2)"];
    if which.dirty {
        tests.extend([PUBLISHABLE, DIRTY]);
    }
    let sql = format!(
        "SELECT {COLUMNS} FROM {source} WHERE {} ORDER BY l.channel, l.listing",
        tests.join(" AND ")
    );
    let mut found = Vec::new();
    let mut read = db.prepare_cached(&sql)?;
    let mut rows = read.query(params![list, which.channel.as_ref().map(ChannelId::as_str)])?;
    while let Some(row) = rows.next()? {
        found.push(listing(row)?);
    }
    add_feeds(db, &mut found)?;
    Ok(found)
}

/// How many listings each channel has, and how many of them are dirty and may be sent to.
pub(super) fn count_listings(db: &Connection) -> Result<BTreeMap<ChannelId, ListingCounts>> {
    let sql = format!(
        "SELECT l.channel, COUNT(*), COALESCE(SUM({PUBLISHABLE} AND {DIRTY}), 0), COALESCE(SUM(l.sku IS NULL), 0) FROM listing l GROUP BY l.channel"
    );
    let mut read = db.prepare_cached(&sql)?;
    let mut rows = read.query([])?;
    let mut found = BTreeMap::new();
    while let Some(row) = rows.next()? {
        let channel = name(&row.get::<_, String>(0)?)?;
        let count = |column| {
            row.get::<_, i64>(column)
                .map(|count| usize::try_from(count).unwrap_or(0))
        };
        let counts = ListingCounts {
            all: count(1)?,
            dirty: count(2)?,
            unmapped: count(3)?,
        };
        found.insert(channel, counts);
    }
    Ok(found)
}

fn listing(row: &Row<'_>) -> Result<ListingState> {
    let (channel, id): (String, String) = (row.get(0)?, row.get(1)?);
    let (alias, fulfilment): (Option<String>, String) = (row.get(2)?, row.get(7)?);
    Ok(ListingState {
        key: ListingKey {
            channel: name(&channel)?,
            listing: name(&id)?,
        },
        alias: alias.as_deref().map(name).transpose()?,
        their_sku: row.get(3)?,
        mapping: mapping(row.get(4)?, row.get(5)?, row.get(6)?, &fulfilment)?,
        not_publishable: row.get(8)?,
        shown: shown(row, 9)?,
        stale: row.get(12)?,
        verified_at: row.get::<_, Option<i64>>(13)?.map(Timestamp::from_millis),
        acked: row.get(14)?,
        failures: row.get(15)?,
        due_at: Timestamp::from_millis(row.get(16)?),
        compared: row.get(17)?,
        feeds: Vec::new(),
    })
}

/// Adds what feeds each listing, and what the books say of it.
fn add_feeds(db: &Connection, found: &mut [ListingState]) -> Result<()> {
    let keys: Vec<_> = found
        .iter()
        .map(|l| (&l.key.channel, &l.key.listing))
        .collect();
    let mut feeds: BTreeMap<ListingKey, Vec<Supply>> = BTreeMap::new();
    let mut read = db.prepare_cached(
        "SELECT f.channel, f.listing, f.sku, f.units, s.version, t.tier FROM json_each(?1) k
         CROSS JOIN feed f ON f.channel = k.value ->> 0 AND f.listing = k.value ->> 1
         CROSS JOIN sku s ON s.sku = f.sku LEFT JOIN tier t ON t.sku = f.sku ORDER BY f.sku",
    )?;
    let mut rows = read.query([json(&keys)?])?;
    let mut skus = BTreeSet::new();
    while let Some(row) = rows.next()? {
        let (channel, listing, sku): (String, String, String) =
            (row.get(0)?, row.get(1)?, row.get(2)?);
        let key = ListingKey {
            channel: name(&channel)?,
            listing: name(&listing)?,
        };
        let sku: Sku = name(&sku)?;
        let tier: Option<String> = row.get(5)?;
        skus.insert(sku.clone());
        feeds.entry(key).or_default().push(Supply {
            tier: tier.as_deref().map(name).transpose()?,
            ..Supply::new(sku, row.get(3)?, row.get(4)?)
        });
    }
    let mut places: BTreeMap<Sku, Vec<_>> = BTreeMap::new();
    let mut read = db.prepare_cached(
        "SELECT s.sku, s.location, s.on_hand, s.committed, s.set_aside, s.incoming, s.reference
         FROM json_each(?1) k CROSS JOIN stock s ON s.sku = k.value ORDER BY s.sku, s.location",
    )?;
    let mut rows = read.query([json(&skus)?])?;
    while let Some(row) = rows.next()? {
        let (sku, location): (String, String) = (row.get(0)?, row.get(1)?);
        places.entry(name(&sku)?).or_default().push((
            name::<LocationId>(&location)?,
            balances(row, 2)?,
            row.get(6)?,
        ));
    }
    for listing in found {
        listing.feeds = feeds.remove(&listing.key).unwrap_or_default();
        for feed in &mut listing.feeds {
            feed.places = places.get(&feed.sku).cloned().unwrap_or_default();
        }
    }
    Ok(())
}

/// Marks listings as being sent to.
pub(super) fn begin_send(db: &Connection, sending: &[(ListingKey, i64)]) -> Result<()> {
    let mut mark = db.prepare_cached(
        "UPDATE listing SET sending = ?3, previous = shown, disturbed = 0, moved_meanwhile = 0 WHERE channel = ?1 AND listing = ?2",
    )?;
    for (key, quantity) in sending {
        mark.execute(params![
            key.channel.as_str(),
            key.listing.as_str(),
            quantity
        ])?;
    }
    Ok(())
}

/// Acknowledges feed versions; one that is acknowledged never falls.
pub(super) fn acknowledge(db: &Connection, done: &[(ListingKey, i64)]) -> Result<()> {
    let mut write = db.prepare_cached(
        "UPDATE listing SET acked = MAX(COALESCE(acked, ?3), ?3), stale = 0, failures = 0
         WHERE channel = ?1 AND listing = ?2",
    )?;
    for (key, version) in done {
        write.execute(params![key.channel.as_str(), key.listing.as_str(), version])?;
    }
    Ok(())
}

/// Writes down what became of calls. An acknowledged version never falls: an older one leaves it as it is.
pub(super) fn settle(db: &Connection, settled: &[Settled]) -> Result<()> {
    let mut write = db.prepare_cached(
        "UPDATE listing SET known = ?3 AND (COALESCE(?11, compared) OR NOT disturbed),
           shown = CASE WHEN COALESCE(?11, compared) THEN ?4 - moved_meanwhile ELSE ?4 END, shown_at = ?5, stale = ?6, compared = COALESCE(?11, compared),
           acked = CASE WHEN disturbed AND NOT COALESCE(?11, compared) THEN NULL WHEN ?7 IS NULL OR acked > ?7 THEN acked ELSE ?7 END,
           verified_at = COALESCE(?8, verified_at), failures = ?9, due_at = ?10,
           sending = NULL, disturbed = 0, moved_meanwhile = 0
         WHERE channel = ?1 AND listing = ?2",
    )?;
    for turn in settled {
        let (known, quantity, at) = shown_columns(turn.shown);
        write.execute(params![
            turn.key.channel.as_str(),
            turn.key.listing.as_str(),
            known,
            quantity,
            at,
            turn.stale,
            turn.acked,
            turn.verified_at.map(Timestamp::millis),
            turn.failures,
            turn.due_at.millis(),
            turn.compared,
        ])?;
    }
    Ok(())
}

/// Doubts every listing that is dirty or was being sent to. What was on its way may have arrived: the lower of the two
/// numbers stands in for the raise test.
pub(super) fn doubt_open(db: &Connection) -> Result<usize> {
    let sql = format!(
        "UPDATE listing AS l SET known = 0, compared = 0, sending = NULL,
           shown = CASE WHEN sending IS NULL THEN shown ELSE MIN(COALESCE(shown, sending), sending) END
         WHERE l.sending IS NOT NULL OR ({PUBLISHABLE} AND {DIRTY})"
    );
    Ok(db.execute(&sql, [])?)
}

/// Puts listings in, maps them, and rebuilds what feeds those that changed.
pub(super) fn put_listings(db: &Connection, rows: &[CatalogRow]) -> Result<usize> {
    let recipes = recipes(db)?;
    let mut insert =
        db.prepare_cached("INSERT OR IGNORE INTO listing (channel, listing) VALUES (?1, ?2)")?;
    let mut describe = db.prepare_cached(
        "UPDATE listing SET alias = COALESCE(?3, alias), their_sku = COALESCE(?4, their_sku), not_publishable = ?5
         WHERE channel = ?1 AND listing = ?2",
    )?;
    let mut changed = 0;
    for row in rows {
        let (channel, listing) = (row.key.channel.as_str(), row.key.listing.as_str());
        let new = insert.execute([channel, listing])? > 0;
        let alias = row.alias.as_ref().map(ListingId::as_str);
        describe.execute(params![
            channel,
            listing,
            alias,
            row.their_sku,
            row.not_publishable
        ])?;
        let mapped = match &row.mapping {
            Some(mapping) => map(db, &row.key, mapping, &recipes)?,
            None => false,
        };
        changed += usize::from(new || mapped);
    }
    Ok(changed)
}

/// Maps one listing; whether that changed anything.
fn map(db: &Connection, key: &ListingKey, mapping: &Mapping, recipes: &Recipes) -> Result<bool> {
    let fulfilment = match mapping.fulfilment {
        Fulfilment::Merchant => "merchant",
        Fulfilment::Channel => "channel",
    };
    let location = mapping.location.as_ref().map(LocationId::as_str);
    let changed =
        db.prepare_cached(
            "UPDATE listing SET sku = ?3, factor = ?4, location = ?5, fulfilment = ?6, acked = NULL
             WHERE channel = ?1 AND listing = ?2
               AND (sku IS NOT ?3 OR factor <> ?4 OR location IS NOT ?5 OR fulfilment <> ?6)",
        )?
        .execute(params![
            key.channel.as_str(),
            key.listing.as_str(),
            mapping.sku.as_str(),
            mapping.factor,
            location,
            fulfilment
        ])? > 0;
    if changed {
        feed(db, key, &mapping.sku, mapping.factor, recipes)?;
    }
    Ok(changed)
}

/// Rebuilds what feeds one listing.
fn feed(
    db: &Connection,
    key: &ListingKey,
    sku: &Sku,
    factor: u32,
    recipes: &Recipes,
) -> Result<()> {
    let (channel, listing) = (key.channel.as_str(), key.listing.as_str());
    let needs =
        bundle::needs(sku, recipes).map_err(|error| StoreError::Other(error.to_string()))?;
    super::books::add_skus(
        db,
        &needs
            .iter()
            .map(|need| need.sku.clone())
            .chain([sku.clone()])
            .collect(),
    )?;
    db.prepare_cached("DELETE FROM feed WHERE channel = ?1 AND listing = ?2")?
        .execute([channel, listing])?;
    let mut insert = db.prepare_cached(
        "INSERT INTO feed (channel, listing, sku, units) VALUES (?1, ?2, ?3, ?4)",
    )?;
    for need in needs {
        let too_many = || {
            StoreError::Other(format!(
                "{sku} needs more units of {} than can be counted",
                need.sku
            ))
        };
        let units = need.units.checked_mul(factor).ok_or_else(too_many)?;
        insert.execute(params![channel, listing, need.sku.as_str(), units])?;
    }
    Ok(())
}

/// Replaces the recipes of these bundles and rebuilds what feeds the listings that show them.
pub(super) fn put_recipes(db: &Connection, new: &Recipes) -> Result<()> {
    for (bundle, needs) in new {
        db.execute("DELETE FROM recipe WHERE bundle = ?1", [bundle.as_str()])?;
        for need in needs {
            db.execute(
                "INSERT INTO recipe (bundle, component, units) VALUES (?1, ?2, ?3)
                 ON CONFLICT DO UPDATE SET units = units + ?3",
                params![bundle.as_str(), need.sku.as_str(), need.units],
            )?;
        }
    }
    let all = recipes(db)?;
    bundle::check(&all).map_err(|error| StoreError::Other(error.to_string()))?;
    let mut shown = Vec::new();
    let mut read =
        db.prepare("SELECT channel, listing, sku, factor FROM listing WHERE sku IS NOT NULL")?;
    let mut rows = read.query([])?;
    while let Some(row) = rows.next()? {
        let (channel, listing, sku): (String, String, String) =
            (row.get(0)?, row.get(1)?, row.get(2)?);
        let key = ListingKey {
            channel: name(&channel)?,
            listing: name(&listing)?,
        };
        shown.push((key, name::<Sku>(&sku)?, row.get::<_, u32>(3)?));
    }
    // A changed bundle may stand inside other bundles, so every listing of a bundle is rebuilt.
    for (key, sku, factor) in shown {
        if all.contains_key(&sku) || new.contains_key(&sku) {
            feed(db, &key, &sku, factor, &all)?;
            db.execute(
                "UPDATE listing SET acked = NULL WHERE channel = ?1 AND listing = ?2",
                [key.channel.as_str(), key.listing.as_str()],
            )?;
        }
    }
    super::books::add_skus(db, &new.keys().cloned().collect())
}
