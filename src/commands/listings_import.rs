//! `listings import`: which channel item is which SKU, as people say it.

use std::collections::{BTreeMap, BTreeSet};

use super::imports::{Summary, book_waiting, write};
use super::seller::Seller;
use super::sheet::{self, Row, Sheet, needed, wanted};
use crate::cli::ListingsImport;
use crate::domain::catalog::{Fulfilment, Mapping};
use crate::domain::ids::{ChannelId, ListingId, ListingKey, Sku};
use crate::exit::{Failure, Found};
use crate::ledger::tables::{CatalogRow, ListingState, Selection};
use crate::output::Out;

/// Rows in one transaction: few enough that webhooks do not wait for their commit.
const ROWS_PER_WRITE: usize = 500;
/// Most units of a SKU in one listing; more is a slip of columns.
const FACTOR_MAX: i64 = 1_000_000;

/// Takes mappings in.
pub(super) async fn import(
    args: ListingsImport,
    seller: &Seller,
    out: &mut Out,
) -> Result<Found, Failure> {
    let mut sheet = sheet::read(
        &args.file,
        &[
            needed("channel"),
            needed("listing"),
            needed("sku"),
            wanted("factor"),
            wanted("location"),
            wanted("fulfilment"),
        ],
    )?;
    let known = Known::read(seller).await?;
    let rows = unique(&mut sheet, seller, &known);
    let new: BTreeSet<&str> = rows
        .iter()
        .filter_map(|row| row.mapping.as_ref())
        .map(|mapping| mapping.sku.as_str())
        .filter(|sku| !known.skus.contains(*sku))
        .collect();
    if !new.is_empty() {
        let some: Vec<_> = new.iter().take(5).map(|sku| format!("{sku:?}")).collect();
        out.warning(format!(
            "{} SKUs were not known before and have no stock, such as {}; their listings will show 0",
            new.len(),
            some.join(", ")
        ));
        let names = new.iter().filter_map(|name| Sku::new(name).ok()).collect();
        for (old, now) in renamed(seller, names).await? {
            out.warning(format!(
                "{old} is called {now} now; hint: write {now}, if it is meant"
            ));
        }
    }
    let mut summary = Summary::<()>::of(sheet, args.dry_run, rows.len());
    for chunk in rows.chunks(ROWS_PER_WRITE) {
        let chunk = chunk.to_vec();
        summary.changed += write(seller, args.dry_run, move |tables| {
            tables.put_listings(&chunk)
        })
        .await?;
    }
    if !args.dry_run {
        summary.booked_skus = book_waiting(seller).await?;
    }
    summary.write("onhand.listings_import/1", "listings", out)
}

/// Which of these names were other SKUs', and what those are called now.
async fn renamed(seller: &Seller, names: Vec<Sku>) -> Result<Vec<(Sku, Sku)>, Failure> {
    let read = seller.ledger.read(move |tables| {
        let mut found = Vec::new();
        for name in &names {
            let mut had = tables.aliases(name)?.into_iter();
            found.extend(
                had.rfind(|had| had.alias == *name)
                    .map(|had| (had.alias, had.sku)),
            );
        }
        Ok(found)
    });
    Ok(read.await?)
}

/// What the store knows already.
struct Known {
    listings: BTreeMap<ListingKey, ListingState>,
    /// Listings by the other id that orders name them by.
    aliases: BTreeMap<(ChannelId, ListingId), ListingId>,
    skus: BTreeSet<Sku>,
}

impl Known {
    async fn read(seller: &Seller) -> Result<Self, Failure> {
        let read = seller
            .ledger
            .read(|tables| Ok((tables.listings(&Selection::default())?, tables.skus()?)));
        let (listings, skus) = read.await?;
        let alias = |state: &ListingState| {
            let alias = state.alias.clone()?;
            Some((
                (state.key.channel.clone(), alias),
                state.key.listing.clone(),
            ))
        };
        let mut aliases = BTreeMap::new();
        for (alias, listing) in listings.iter().filter_map(alias) {
            // Of several places of one good, the first.
            aliases.entry(alias).or_insert(listing);
        }
        Ok(Self {
            aliases,
            listings: listings
                .into_iter()
                .map(|state| (state.key.clone(), state))
                .collect(),
            skus,
        })
    }
}

/// Reads one row.
fn mapped(sheet: &Sheet, row: &Row, seller: &Seller, known: &Known) -> Result<CatalogRow, String> {
    let channel = sheet.name(row, "channel")?;
    let (channel, _) = seller
        .settings
        .channels
        .get_key_value(channel.as_str())
        .ok_or_else(|| {
            format!("no channel is called {channel:?}; hint: write it as in config.toml")
        })?;
    let named = |error: crate::domain::ids::NameError| error.to_string();
    let listing = ListingId::new(&sheet.name(row, "listing")?).map_err(named)?;
    let listing = known
        .aliases
        .get(&(channel.clone(), listing.clone()))
        .cloned()
        .unwrap_or(listing);
    let sku = sheet.sku(row, &known.skus)?;
    let factor = sheet.whole(row, "factor", 1, FACTOR_MAX)?.unwrap_or(1);
    let location = sheet
        .field(row, "location")
        .map(|name| seller.location(Some(name)))
        .transpose()?;
    let fulfilment = match sheet.field(row, "fulfilment").map(str::trim) {
        None | Some("" | "merchant") => Fulfilment::Merchant,
        Some("channel") => Fulfilment::Channel,
        Some(other) => {
            return Err(format!(
                "fulfilment is {other:?}; hint: merchant if you ship, channel if the marketplace does"
            ));
        }
    };
    let key = ListingKey {
        channel: channel.clone(),
        listing,
    };
    // What discovery found of it stays.
    let before = known.listings.get(&key);
    Ok(CatalogRow {
        alias: None,
        their_sku: None,
        not_publishable: before.and_then(|state| state.not_publishable.clone()),
        key,
        mapping: Some(Mapping {
            sku,
            factor: u32::try_from(factor).map_err(|error| error.to_string())?,
            location,
            fulfilment,
        }),
    })
}

/// One row per listing; of two that differ neither is taken, for either could be right.
fn unique(sheet: &mut Sheet, seller: &Seller, known: &Known) -> Vec<CatalogRow> {
    let mut by_key: BTreeMap<ListingKey, Vec<(u64, CatalogRow)>> = BTreeMap::new();
    for row in std::mem::take(&mut sheet.rows) {
        match mapped(sheet, &row, seller, known) {
            Ok(found) => by_key
                .entry(found.key.clone())
                .or_default()
                .push((row.line, found)),
            Err(reason) => sheet.reject(row.line, reason),
        }
    }
    let mut taken = Vec::with_capacity(by_key.len());
    for (_, mut rows) in by_key {
        let (first_line, first) = rows.remove(0);
        let agree = rows.iter().all(|(_, other)| *other == first);
        for (line, _) in &rows {
            let says = if agree { "the same as" } else { "contradicts" };
            sheet.reject(*line, format!("{says} line {first_line}: same listing"));
        }
        if agree {
            taken.push(first);
        } else {
            sheet.reject(first_line, "a later line contradicts it: same listing");
        }
    }
    taken
}
