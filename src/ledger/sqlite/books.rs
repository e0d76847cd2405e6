//! Gathering and writing the books. The small side of every join is the batch's own list of keys (`json_each`), with
//! `CROSS JOIN` so that it drives: a plain join let SQLite scan the large table.

use std::collections::{BTreeMap, BTreeSet};

use rusqlite::{Connection, Row, params};
use serde::Serialize;
use serde::de::DeserializeOwned;

use super::names::by_alias;
use crate::domain::bundle::{self, Need, Recipes};
use crate::domain::catalog::{Folding, Fulfilment, Mapping};
use crate::domain::clock::Timestamp;
use crate::domain::decide::{Books, LineRow, ListingRow, OrderRow, StockRow};
use crate::domain::delivery::Shown;
use crate::domain::ids::{ChannelId, ListingId, LocationId, OrderId, Sku};
use crate::domain::stock::{Balances, Basis, Count};
use crate::ledger::StoreError;
use crate::ledger::tables::{Result, StockLine, Wanted};

/// A text column as one of our names.
pub(super) fn name<T: std::str::FromStr>(text: &str) -> Result<T>
where
    T::Err: std::fmt::Display,
{
    text.parse()
        .map_err(|error: T::Err| StoreError::Damaged(error.to_string()))
}

/// A JSON column as a value.
pub(super) fn value<T: DeserializeOwned>(text: &str) -> Result<T> {
    serde_json::from_str(text).map_err(|error| StoreError::Damaged(error.to_string()))
}

/// A value as a JSON column or list of keys.
pub(super) fn json<T: Serialize>(value: &T) -> Result<String> {
    serde_json::to_string(value).map_err(|error| StoreError::Other(error.to_string()))
}

/// Four balances from four columns.
pub(super) fn balances(row: &Row<'_>, first: usize) -> rusqlite::Result<Balances> {
    Ok(Balances {
        on_hand: row.get(first)?,
        committed: row.get(first + 1)?,
        set_aside: row.get(first + 2)?,
        incoming: row.get(first + 3)?,
    })
}

/// What we believe that a listing shows, from `known`, `shown`, `shown_at`.
pub(super) fn shown(row: &Row<'_>, first: usize) -> rusqlite::Result<Shown> {
    let (known, quantity): (bool, Option<i64>) = (row.get(first)?, row.get(first + 1)?);
    let as_of = Timestamp::from_millis(row.get(first + 2)?);
    Ok(match quantity {
        Some(quantity) if known => Shown::Known { quantity, as_of },
        last => Shown::Unknown { last, as_of },
    })
}

/// The columns of [`shown`].
pub(super) fn shown_columns(shown: Shown) -> (bool, Option<i64>, i64) {
    match shown {
        Shown::Known { quantity, as_of } => (true, Some(quantity), as_of.millis()),
        Shown::Unknown { last, as_of } => (false, last, as_of.millis()),
    }
}

pub(super) fn basis_word(basis: Basis) -> &'static str {
    match basis {
        Basis::OnHand => "on_hand",
        Basis::Available => "available",
    }
}

fn count(at: Option<i64>, basis: Option<&str>) -> Option<Count> {
    let basis = if basis == Some("available") {
        Basis::Available
    } else {
        Basis::OnHand
    };
    at.map(|at| Count {
        at: Timestamp::from_millis(at),
        basis,
    })
}

pub(super) fn mapping(
    sku: Option<String>,
    factor: u32,
    location: Option<String>,
    fulfilment: &str,
) -> Result<Option<Mapping>> {
    let Some(sku) = sku else { return Ok(None) };
    Ok(Some(Mapping {
        sku: name(&sku)?,
        factor,
        location: location.as_deref().map(name).transpose()?,
        fulfilment: if fulfilment == "channel" {
            Fulfilment::Channel
        } else {
            Fulfilment::Merchant
        },
    }))
}

/// Reads every row that a batch can touch.
pub(super) fn gather(db: &Connection, wanted: &Wanted) -> Result<Books> {
    let mut books = Books {
        recipes: recipes(db)?,
        ..Books::default()
    };
    orders(db, wanted, &mut books)?;
    let mut named = wanted.listings.clone();
    let mut words = wanted.texts.clone();
    for ((channel, _), order) in &books.orders {
        for line in order.lines.values() {
            named.extend(
                line.listing
                    .clone()
                    .map(|listing| (channel.clone(), listing)),
            );
            let asked = wanted.every_text || line.booked.is_none();
            if asked && !line.sku_text.is_empty() {
                words.insert((channel.clone(), line.sku_text.clone()));
            }
        }
    }
    listings(db, &named, &mut books)?;
    texts(db, &words, &wanted.folding, &mut books)?;
    let skus = touched(&books, &wanted.skus);
    stock(db, &skus, &mut books)?;
    Ok(books)
}

/// Every SKU whose stock a batch over these books can change.
fn touched(books: &Books, wanted: &BTreeSet<Sku>) -> BTreeSet<Sku> {
    let mut skus = wanted.clone();
    let mapped = books
        .listings
        .values()
        .filter_map(|row| row.mapping.as_ref())
        .map(|mapping| &mapping.sku);
    for sold in mapped.chain(books.texts.values()) {
        let needs = bundle::needs(sold, &books.recipes).unwrap_or_default();
        skus.extend(needs.into_iter().map(|need| need.sku));
    }
    for order in books.orders.values() {
        let booked = order.lines.values().filter_map(|line| line.booked.as_ref());
        skus.extend(booked.flat_map(|booked| booked.needs.iter().map(|need| need.sku.clone())));
    }
    skus
}

fn orders(db: &Connection, wanted: &Wanted, books: &mut Books) -> Result<()> {
    if wanted.orders.is_empty() {
        return Ok(());
    }
    let keys = json(&wanted.orders)?;
    let mut read = db.prepare_cached(
        "SELECT o.channel, o.id, o.record FROM json_each(?1) k CROSS JOIN orders o
         ON o.channel = k.value ->> 0 AND o.id = k.value ->> 1",
    )?;
    let mut rows = read.query([&keys])?;
    while let Some(row) = rows.next()? {
        let (channel, id, record): (String, String, String) =
            (row.get(0)?, row.get(1)?, row.get(2)?);
        let order = OrderRow {
            record: value(&record)?,
            lines: BTreeMap::new(),
        };
        books.orders.insert((name(&channel)?, name(&id)?), order);
    }
    let mut read = db.prepare_cached(
        "SELECT l.channel, l.orders, l.line, l.listing, l.sku_text, l.location, l.taken, l.booked
         FROM json_each(?1) k CROSS JOIN order_line l ON l.channel = k.value ->> 0 AND l.orders = k.value ->> 1",
    )?;
    let mut rows = read.query([&keys])?;
    while let Some(row) = rows.next()? {
        let (channel, id, line): (String, String, String) = (row.get(0)?, row.get(1)?, row.get(2)?);
        let (listing, location, booked): (Option<String>, Option<String>, Option<String>) =
            (row.get(3)?, row.get(5)?, row.get(7)?);
        let found = LineRow {
            listing: listing.as_deref().map(name).transpose()?,
            sku_text: row.get(4)?,
            location: location.as_deref().map(name).transpose()?,
            taken: row.get(6)?,
            booked: booked.as_deref().map(value).transpose()?,
        };
        let key = (name::<ChannelId>(&channel)?, name::<OrderId>(&id)?);
        if let Some(order) = books.orders.get_mut(&key) {
            order.lines.insert(name(&line)?, found);
        }
    }
    Ok(())
}

fn listings(
    db: &Connection,
    named: &BTreeSet<(ChannelId, ListingId)>,
    books: &mut Books,
) -> Result<()> {
    if named.is_empty() {
        return Ok(());
    }
    let keys = json(named)?;
    for sql in [
        "SELECT l.channel, l.listing, l.alias, l.sku, l.factor, l.location, l.fulfilment, l.known, l.shown, l.shown_at, l.sending IS NOT NULL, l.moved_at, l.compared
         FROM json_each(?1) k CROSS JOIN listing l ON l.channel = k.value ->> 0 AND l.listing = k.value ->> 1",
        "SELECT l.channel, l.listing, l.alias, l.sku, l.factor, l.location, l.fulfilment, l.known, l.shown, l.shown_at, l.sending IS NOT NULL, l.moved_at, l.compared
         FROM json_each(?1) k CROSS JOIN listing l ON l.channel = k.value ->> 0 AND l.alias = k.value ->> 1",
    ] {
        let mut read = db.prepare_cached(sql)?;
        let mut rows = read.query([&keys])?;
        while let Some(row) = rows.next()? {
            let (channel, listing): (String, String) = (row.get(0)?, row.get(1)?);
            let (channel, listing): (ChannelId, ListingId) = (name(&channel)?, name(&listing)?);
            if let Some(alias) = row.get::<_, Option<String>>(2)? {
                let named = books.aliases.entry((channel.clone(), name(&alias)?));
                named.or_default().insert(listing.clone());
            }
            let fulfilment: String = row.get(6)?;
            let found = ListingRow {
                mapping: mapping(row.get(3)?, row.get(4)?, row.get(5)?, &fulfilment)?,
                shown: shown(row, 7)?,
                sending: row.get(10)?,
                moved_at: Timestamp::from_millis(row.get(11)?),
                compared: row.get(12)?,
            };
            books.listings.insert((channel, listing), found);
        }
    }
    Ok(())
}

/// Which SKU of ours each text is: byte for byte, else without blanks at the ends, else as the channel folds; a text that
/// could be several is none.
fn texts(
    db: &Connection,
    words: &BTreeSet<(ChannelId, String)>,
    folding: &BTreeMap<ChannelId, Folding>,
    books: &mut Books,
) -> Result<()> {
    if words.is_empty() {
        return Ok(());
    }
    let exact = Folding::default();
    let lowered = Folding { case: true };
    let keys: BTreeSet<_> = words.iter().map(|(_, text)| lowered.key(text)).collect();
    let mut ours: BTreeMap<String, Vec<Sku>> = BTreeMap::new();
    let mut read = db.prepare_cached(
        "SELECT s.sku FROM json_each(?1) k CROSS JOIN sku s ON s.lowered = k.value",
    )?;
    let mut rows = read.query([json(&keys)?])?;
    while let Some(row) = rows.next()? {
        let sku: Sku = name(&row.get::<_, String>(0)?)?;
        ours.entry(lowered.key(sku.as_str())).or_default().push(sku);
    }
    // A name that a SKU had leads to it, unless the name is another SKU's now (rule R37).
    let had = by_alias(db, &keys)?;
    for (channel, text) in words {
        let fold = folding.get(channel).copied().unwrap_or(exact);
        let now = ours.get(&lowered.key(text)).map_or(&[][..], Vec::as_slice);
        let now: Vec<_> = now.iter().map(|sku| (sku, sku)).collect();
        let before = had.get(&lowered.key(text)).map_or(&[][..], Vec::as_slice);
        let before: Vec<_> = before.iter().map(|(alias, sku)| (alias, sku)).collect();
        let found = nearest(text, &now, fold).or_else(|| nearest(text, &before, fold));
        if let Some(sku) = found {
            books.texts.insert((channel.clone(), text.clone()), sku);
        }
    }
    Ok(())
}

/// The one of these whose name is the text: byte for byte, else without blanks at the ends, else as the channel folds.
fn nearest(text: &str, names: &[(&Sku, &Sku)], fold: Folding) -> Option<Sku> {
    let exact = Folding::default();
    let only = |test: &dyn Fn(&str) -> bool| {
        let mut found = names.iter().filter(|(called, _)| test(called.as_str()));
        let first = found.next();
        first
            .filter(|_| found.next().is_none())
            .map(|(_, sku)| (*sku).clone())
    };
    only(&|called| called == text)
        .or_else(|| only(&|called| exact.key(called) == exact.key(text)))
        .or_else(|| only(&|called| fold.key(called) == fold.key(text)))
}

fn stock(db: &Connection, skus: &BTreeSet<Sku>, books: &mut Books) -> Result<()> {
    if skus.is_empty() {
        return Ok(());
    }
    let keys = json(skus)?;
    let mut read = db.prepare_cached(
        "SELECT s.sku, s.version FROM json_each(?1) k CROSS JOIN sku s ON s.sku = k.value",
    )?;
    let mut rows = read.query([&keys])?;
    while let Some(row) = rows.next()? {
        books
            .versions
            .insert(name(&row.get::<_, String>(0)?)?, row.get(1)?);
    }
    let mut read = db.prepare_cached(
        "SELECT s.sku, s.location, s.on_hand, s.committed, s.set_aside, s.incoming, s.counted_at, s.basis, s.reference, s.aside_at
         FROM json_each(?1) k CROSS JOIN stock s ON s.sku = k.value",
    )?;
    let mut rows = read.query([&keys])?;
    while let Some(row) = rows.next()? {
        let line = stock_line(row)?;
        let aside_at: Option<i64> = row.get(9)?;
        books.stock.insert(
            (line.sku, line.location),
            StockRow {
                balances: line.balances,
                count: line.count,
                aside_at: aside_at.map(Timestamp::from_millis),
            },
        );
    }
    Ok(())
}

/// One row of stock, from sku, location, four balances, `counted_at`, basis, reference.
pub(super) fn stock_line(row: &Row<'_>) -> Result<StockLine> {
    let (sku, location): (String, String) = (row.get(0)?, row.get(1)?);
    let basis: Option<String> = row.get(7)?;
    Ok(StockLine {
        sku: name(&sku)?,
        location: name::<LocationId>(&location)?,
        balances: balances(row, 2)?,
        count: count(row.get(6)?, basis.as_deref()),
        reference: row.get(8)?,
    })
}

/// All recipes.
pub(super) fn recipes(db: &Connection) -> Result<Recipes> {
    let mut recipes = Recipes::new();
    let mut read = db
        .prepare_cached("SELECT bundle, component, units FROM recipe ORDER BY bundle, component")?;
    let mut rows = read.query([])?;
    while let Some(row) = rows.next()? {
        let (bundle, component): (String, String) = (row.get(0)?, row.get(1)?);
        let need = Need {
            sku: name(&component)?,
            units: row.get(2)?,
        };
        recipes.entry(name(&bundle)?).or_default().push(need);
    }
    Ok(recipes)
}

/// Writes what changed in the books.
pub(super) fn write(db: &Connection, books: &Books, recorded_at: Timestamp) -> Result<()> {
    write_orders(db, books)?;
    let mut insert = db.prepare_cached(
        "INSERT INTO entry (sku, location, on_hand, committed, set_aside, incoming, at, recorded_at, cause, channel, orders)
         VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11)",
    )?;
    let mut moved = BTreeSet::new();
    for entry in &books.entries {
        let (channel, order) = match entry.cause.line() {
            Some((channel, order, _)) => (Some(channel.as_str()), Some(order.as_str())),
            None => (None, None),
        };
        let change = entry.movement;
        insert.execute(params![
            entry.sku.as_str(),
            entry.location.as_str(),
            change.on_hand,
            change.committed,
            change.set_aside,
            change.incoming,
            entry.at.millis(),
            recorded_at.millis(),
            json(&entry.cause)?,
            channel,
            order,
        ])?;
        moved.insert((entry.sku.clone(), entry.location.clone()));
    }
    let mut upsert = db.prepare_cached(
        "INSERT INTO stock (sku, location, on_hand, committed, set_aside, incoming) VALUES (?1, ?2, ?3, ?4, ?5, ?6)
         ON CONFLICT DO UPDATE SET on_hand = ?3, committed = ?4, set_aside = ?5, incoming = ?6",
    )?;
    let mut version = db.prepare_cached("UPDATE sku SET version = ?2 WHERE sku = ?1")?;
    let mut raised = BTreeSet::new();
    for key in &moved {
        if let Some(StockRow { balances: now, .. }) = books.stock.get(key) {
            let (sku, location) = (key.0.as_str(), key.1.as_str());
            upsert.execute(params![
                sku,
                location,
                now.on_hand,
                now.committed,
                now.set_aside,
                now.incoming
            ])?;
        }
        raised.insert(key.0.clone());
    }
    add_skus(db, &raised)?;
    for sku in &raised {
        version.execute(params![
            sku.as_str(),
            books.versions.get(sku).copied().unwrap_or(0)
        ])?;
    }
    write_beliefs(db, books)
}

/// What we believe that listings show.
fn write_beliefs(db: &Connection, books: &Books) -> Result<()> {
    let mut believe = db.prepare_cached(
        "UPDATE listing SET known = ?3, shown = ?4, shown_at = ?5, moved_at = ?6, compared = ?7 WHERE channel = ?1 AND listing = ?2",
    )?;
    for key in &books.changed_listings {
        if let Some(row) = books.listings.get(key) {
            let (known, quantity, at) = shown_columns(row.shown);
            believe.execute(params![
                key.0.as_str(),
                key.1.as_str(),
                known,
                quantity,
                at,
                row.moved_at.millis(),
                row.compared
            ])?;
        }
    }
    let mut reopen =
        db.prepare_cached("UPDATE listing SET acked = NULL WHERE channel = ?1 AND listing = ?2")?;
    for (channel, listing) in &books.reopened {
        reopen.execute([channel.as_str(), listing.as_str()])?;
    }
    let mut disturb = db.prepare_cached(
        "UPDATE listing SET disturbed = 1, moved_meanwhile = moved_meanwhile + ?3 WHERE channel = ?1 AND listing = ?2",
    )?;
    for ((channel, listing), moved) in &books.disturbed {
        disturb.execute(params![channel.as_str(), listing.as_str(), moved])?;
    }
    Ok(())
}

fn write_orders(db: &Connection, books: &Books) -> Result<()> {
    let mut order = db.prepare_cached(
        "INSERT INTO orders (channel, id, record, until) VALUES (?1, ?2, ?3, ?4)
         ON CONFLICT DO UPDATE SET record = ?3, until = ?4",
    )?;
    let mut line = db.prepare_cached(
        "INSERT INTO order_line (channel, orders, line, listing, sku_text, location, taken, booked)
         VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8) ON CONFLICT DO UPDATE SET taken = ?7, booked = ?8",
    )?;
    for key in &books.changed_orders {
        let Some(row) = books.orders.get(key) else {
            continue;
        };
        let (channel, id) = (key.0.as_str(), key.1.as_str());
        let until = row.record.ends_at().map(Timestamp::millis);
        order.execute(params![channel, id, json(&row.record)?, until])?;
        for (line_id, found) in &row.lines {
            line.execute(params![
                channel,
                id,
                line_id.as_str(),
                found.listing.as_ref().map(ListingId::as_str),
                found.sku_text,
                found.location.as_ref().map(LocationId::as_str),
                found.taken,
                found.booked.as_ref().map(json).transpose()?,
            ])?;
        }
    }
    Ok(())
}

/// Makes SKUs known.
pub(super) fn add_skus(db: &Connection, skus: &BTreeSet<Sku>) -> Result<()> {
    let mut insert =
        db.prepare_cached("INSERT OR IGNORE INTO sku (sku, lowered) VALUES (?1, ?2)")?;
    for sku in skus {
        insert.execute(params![
            sku.as_str(),
            Folding { case: true }.key(sku.as_str())
        ])?;
    }
    Ok(())
}
