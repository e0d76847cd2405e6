//! `listings discover`: what the channels sell, read from them, and mapped where there is nothing to guess.

use std::collections::{BTreeMap, BTreeSet};

use indicatif::ProgressBar;
use serde::Serialize;

use super::imports::{book_waiting, write};
use super::listings::{OPEN_HEADERS, Open, say};
use super::matching::{Match, Ours};
use super::seller::{OpenChannel, Seller};
use crate::channels::Listing;
use crate::cli::ListingsDiscover;
use crate::domain::catalog::{Fulfilment, Mapping};
use crate::domain::ids::{ChannelId, ListingId, ListingKey, Sku};
use crate::exit::{Failure, Found};
use crate::ledger::tables::{CatalogRow, Selection};
use crate::output::{Cell, Out, Wishes};

/// Most pages of one channel: a cursor that never ends is a fault of the platform.
const PAGES_MAX: usize = 20_000;
/// Rows in one transaction.
const ROWS_PER_WRITE: usize = 500;

/// What was found in one channel.
#[derive(Debug, Serialize)]
struct Discovered {
    channel: ChannelId,
    listings: usize,
    mapped: usize,
    changed: usize,
    not_publishable: usize,
}

/// Reads all wanted channels, then stores: a reading that fails changes nothing of its channel.
pub(super) async fn discover(
    args: ListingsDiscover,
    seller: &Seller,
    out: &mut Out,
) -> Result<Found, Failure> {
    let open = seller
        .open_channels(args.channel.as_ref().map(std::slice::from_ref))
        .await?;
    if open.channels.is_empty() {
        out.note("the settings name no channel; hint: write one as [channels.shop]");
    }
    let mut discovered = Vec::new();
    let mut problems = Vec::new();
    let mut failed = None;
    for (id, channel) in &open.channels {
        match read(id, channel, out.progress(None, "listings")).await {
            Ok(found) => {
                let one = keep(id, found, args.dry_run, seller, &mut problems, out).await?;
                discovered.push(one);
            }
            Err(failure) if failed.is_none() => failed = Some(failure),
            Err(failure) => out.error(&failure),
        }
    }
    open.close().await;
    if !args.dry_run {
        book_waiting(seller).await?;
    }
    let rows: Vec<_> = problems.iter().map(Open::row).collect();
    for one in &discovered {
        out.note(format!(
            "{}: {} listings, {} newly mapped, {} cannot be published to",
            one.channel, one.listings, one.mapped, one.not_publishable
        ));
    }
    let body = serde_json::json!({
        "dry_run": args.dry_run,
        "channels": discovered,
        "problems": problems,
    });
    out.result(
        "onhand.listings_discover/1",
        &body,
        OPEN_HEADERS,
        &rows as &[Vec<Cell>],
    )?;
    match failed {
        Some(failure) => Err(failure),
        None => Ok(Found::when(!problems.is_empty())),
    }
}

/// Reads the listings of one channel and maps what has exactly one of our SKUs; what is open stays for
/// `listings check`.
pub(super) async fn refresh(
    id: &ChannelId,
    open: &OpenChannel,
    seller: &Seller,
) -> Result<(), Failure> {
    let mut silent = Out::to(Wishes::default(), std::io::sink(), std::io::sink());
    let found = read(id, open, ProgressBar::hidden()).await?;
    keep(id, found, false, seller, &mut Vec::new(), &mut silent).await?;
    book_waiting(seller).await?;
    Ok(())
}

/// Every listing of a channel.
async fn read(
    id: &ChannelId,
    open: &OpenChannel,
    bar: ProgressBar,
) -> Result<Vec<Listing>, Failure> {
    let mut found = Vec::new();
    let mut cursor = None;
    for _ in 0..PAGES_MAX {
        let wire = open.wire.under(open.limiter.permit().await);
        let page = open.channel.listings(&wire, cursor).await;
        let page = page.map_err(|fault| Failure::Platform {
            doing: "read the listings of",
            channel: id.clone(),
            fault,
        })?;
        bar.inc(u64::try_from(page.items.len()).unwrap_or(0));
        found.extend(page.items);
        cursor = page.next;
        if cursor.is_none() {
            bar.finish_and_clear();
            return Ok(found);
        }
    }
    Err(Failure::Incomplete(format!(
        "read the listings of {id}: there are more than {PAGES_MAX} pages"
    )))
}

/// Stores what was read, and maps what has exactly one of our SKUs.
async fn keep(
    id: &ChannelId,
    found: Vec<Listing>,
    dry_run: bool,
    seller: &Seller,
    problems: &mut Vec<Open>,
    out: &mut Out,
) -> Result<Discovered, Failure> {
    let which = Selection {
        channel: Some(id.clone()),
        ..Selection::default()
    };
    let known = seller
        .ledger
        .read(move |tables| Ok((tables.listings(&which)?, tables.skus()?)))
        .await?;
    let (before, skus) = known;
    let mapped_before: BTreeSet<ListingId> = before
        .into_iter()
        .filter(|state| state.mapping.is_some())
        .map(|state| state.key.listing)
        .collect();
    let folding = seller
        .book_rules
        .get(id)
        .map(|books| books.folding)
        .unwrap_or_default();
    let ours = Ours::new(&skus, folding);
    let mut twins: BTreeMap<String, usize> = BTreeMap::new();
    for listing in &found {
        *twins.entry(folding.key(&listing.sku)).or_default() += 1;
    }
    let mut rows = Vec::with_capacity(found.len());
    let mut mapped = 0;
    for listing in found {
        if let Some(remark) = &listing.remark {
            out.note(format!("{id}: {}: {remark}", listing.listing));
        }
        let n_twins = twins.get(&folding.key(&listing.sku)).copied().unwrap_or(0);
        let mut mapping = None;
        if !mapped_before.contains(&listing.listing) {
            match (ours.find(&listing.sku), n_twins) {
                (Match::One(sku), 1) => mapping = Some(simple(sku)),
                (found, n_twins) => {
                    let (problem, says) = say(&listing.sku, n_twins, found);
                    problems.push(Open {
                        channel: id.clone(),
                        listing: Some(listing.listing.clone()),
                        problem,
                        says,
                    });
                }
            }
        }
        mapped += usize::from(mapping.is_some());
        rows.push(row(id, listing, mapping));
    }
    let mut changed = 0;
    for chunk in rows.chunks(ROWS_PER_WRITE) {
        let chunk = chunk.to_vec();
        changed += write(seller, dry_run, move |tables| tables.put_listings(&chunk)).await?;
    }
    Ok(Discovered {
        channel: id.clone(),
        listings: rows.len(),
        mapped,
        changed,
        not_publishable: rows
            .iter()
            .filter(|row| row.not_publishable.is_some())
            .count(),
    })
}

fn simple(sku: &Sku) -> Mapping {
    Mapping {
        sku: sku.clone(),
        factor: 1,
        location: None,
        fulfilment: Fulfilment::Merchant,
    }
}

fn row(id: &ChannelId, listing: Listing, mapping: Option<Mapping>) -> CatalogRow {
    CatalogRow {
        key: ListingKey {
            channel: id.clone(),
            listing: listing.listing,
        },
        alias: listing.alias,
        their_sku: (!listing.sku.is_empty()).then_some(listing.sku),
        mapping,
        not_publishable: listing.not_publishable,
    }
}
