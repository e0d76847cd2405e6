//! What feeds listings, in the order of SKUs: the tables are read side by side, each once, instead of looking up in them what
//! each listing needs.

use std::cmp::Ordering;

use rusqlite::fallible_streaming_iterator::FallibleStreamingIterator as _;
use rusqlite::{CachedStatement, Connection, Row, Rows, params};

use super::books::{balances, name, value};
use super::delivery::PUBLISHABLE;
use super::life::Meanwhile;
use super::papers::ordered_since;
use crate::domain::hold::Hold;
use crate::domain::ids::{ChannelId, ListingId, LocationId, Sku};
use crate::domain::policy::Supply;
use crate::ledger::runs::{Apart, Shelf};
use crate::ledger::tables::Result;

const FEEDS: &str =
    "SELECT sku, channel, listing, units FROM feed WHERE sku > ?1 ORDER BY sku, channel, listing";
const TIERS: &str = "SELECT sku, tier FROM tier WHERE sku > ?1 ORDER BY sku";
const STOCK: &str = "SELECT sku, location, on_hand, committed, set_aside, incoming, reference FROM stock WHERE sku > ?1
     ORDER BY sku, location";
const HOLDS: &str = "SELECT sku, state FROM paper WHERE kind = 'hold' AND open AND sku > ?1 AND until IS NOT NULL ORDER BY sku";

/// Rows in the order of SKUs. The next one is there before anybody asks for it.
struct Beside<'s>(Rows<'s>);

impl<'s> Beside<'s> {
    fn of(statement: &'s mut CachedStatement<'_>, after: &str) -> Result<Self> {
        let mut rows = statement.query([after])?;
        rows.advance()?;
        Ok(Self(rows))
    }

    /// Gives the rows of this SKU, and passes over those before it.
    fn rows(&mut self, sku: &str, mut each: impl FnMut(&Row<'_>) -> Result<()>) -> Result<()> {
        while let Some(row) = self.0.get() {
            let here = row.get_ref(0)?.as_str().map_err(rusqlite::Error::from)?;
            match here.cmp(sku) {
                Ordering::Less => {}
                Ordering::Equal => each(row)?,
                Ordering::Greater => break,
            }
            self.0.advance()?;
        }
        Ok(())
    }
}

pub(super) fn shelf(
    db: &Connection,
    meanwhile: &Meanwhile,
    channels: &[ChannelId],
    after: Option<&Sku>,
    most: usize,
) -> Result<Shelf> {
    let after = after.map_or("", Sku::as_str);
    let prepared = |sql| db.prepare_cached(sql);
    let (mut tiers, mut stock, mut holds) = (prepared(TIERS)?, prepared(STOCK)?, prepared(HOLDS)?);
    let mut tiers = Beside::of(&mut tiers, after)?;
    let mut stock = Beside::of(&mut stock, after)?;
    let mut holds = Beside::of(&mut holds, after)?;
    let (since, _) = meanwhile.promises.day(meanwhile.now);
    let mut places: Vec<LocationId> = Vec::new();
    let mut shelf = Shelf::default();
    let mut feeds = db.prepare_cached(FEEDS)?;
    let mut feeds = feeds.query([after])?;
    while let Some(row) = feeds.next()? {
        let text = |column| row.get_ref(column)?.as_str().map_err(rusqlite::Error::from);
        let sku = text(0)?;
        if shelf
            .supplies
            .last()
            .is_none_or(|last| last.sku.as_str() != sku)
        {
            if shelf.len().max(shelf.supplies.len()) >= most {
                break;
            }
            let mut supply = Supply::new(name(sku)?, 1, 0);
            tiers.rows(sku, |row| {
                supply.tier = Some(name(&row.get::<_, String>(1)?)?);
                Ok(())
            })?;
            stock.rows(sku, |row| {
                let place = row.get_ref(1)?.as_str().map_err(rusqlite::Error::from)?;
                let place = known(&mut places, place)?;
                supply.places.push((place, balances(row, 2)?, row.get(6)?));
                Ok(())
            })?;
            holds.rows(sku, |row| {
                let hold: Hold = value(&row.get::<_, String>(1)?)?;
                let kept = hold.until.map(|until| (hold.location, hold.units, until));
                supply.holds.extend(kept);
                Ok(())
            })?;
            supply.tracked = meanwhile.promises.tracks(&supply.sku);
            supply.as_of = meanwhile.now;
            if meanwhile.promises.daily.contains_key(&supply.sku) {
                supply.ordered_today = ordered_since(db, &supply.sku, since)?;
            }
            shelf.supplies.push(supply);
        }
        let channel = text(1)?;
        if let Some(channel) = channels.iter().position(|one| one.as_str() == channel) {
            shelf.feed(channel, text(2)?, row.get(3)?);
        }
    }
    Ok(shelf)
}

/// The same few names, made once.
fn known(places: &mut Vec<LocationId>, text: &str) -> Result<LocationId> {
    if let Some(place) = places.iter().find(|place| place.as_str() == text) {
        return Ok(place.clone());
    }
    let place: LocationId = name(text)?;
    places.push(place.clone());
    Ok(place)
}

pub(super) fn apart(
    db: &Connection,
    channel: &ChannelId,
    after: Option<&ListingId>,
    most: usize,
) -> Result<Vec<(ListingId, Apart)>> {
    let mut read = db.prepare_cached(
        "SELECT listing, sku IS NULL, fulfilment <> 'merchant' OR not_publishable IS NOT NULL
         FROM listing INDEXED BY listing_apart
         WHERE channel = ?1 AND listing > ?2
           AND (sku IS NULL OR location IS NOT NULL OR fulfilment <> 'merchant' OR not_publishable IS NOT NULL)
         ORDER BY listing LIMIT ?3",
    )?;
    let after = after.map_or("", ListingId::as_str);
    let most = i64::try_from(most).unwrap_or(i64::MAX);
    let mut rows = read.query(params![channel.as_str(), after, most])?;
    let mut found = Vec::new();
    while let Some(row) = rows.next()? {
        let why = match (row.get(1)?, row.get(2)?) {
            (true, _) => Apart::Unmapped,
            (false, true) => Apart::NotOurs,
            (false, false) => Apart::OwnPlace,
        };
        found.push((name(&row.get::<_, String>(0)?)?, why));
    }
    Ok(found)
}

pub(super) fn last_entry(db: &Connection) -> Result<i64> {
    let mut read = db.prepare_cached("SELECT COALESCE(MAX(id), 0) FROM entry")?;
    Ok(read.query_row([], |row| row.get(0))?)
}

pub(super) fn moved_since(
    db: &Connection,
    entry: i64,
    after: Option<&Sku>,
    most: usize,
) -> Result<Vec<Sku>> {
    let mut read = db.prepare_cached(
        "SELECT DISTINCT sku FROM entry NOT INDEXED WHERE id > ?1 AND sku > ?2 ORDER BY sku LIMIT ?3",
    )?;
    let after = after.map_or("", Sku::as_str);
    let mut rows = read.query(params![
        entry,
        after,
        i64::try_from(most).unwrap_or(i64::MAX)
    ])?;
    let mut found = Vec::new();
    while let Some(row) = rows.next()? {
        found.push(name(&row.get::<_, String>(0)?)?);
    }
    Ok(found)
}

pub(super) fn lists_any(db: &Connection, channel: &ChannelId) -> Result<bool> {
    let mut read = db.prepare_cached(&format!(
        "SELECT 1 FROM listing l WHERE l.channel = ?1 AND {PUBLISHABLE} LIMIT 1"
    ))?;
    Ok(read.exists([channel.as_str()])?)
}
