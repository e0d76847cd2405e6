//! `listings discover`: what the channels sell, read from them, and mapped where there is nothing to guess.

use std::collections::BTreeMap;

use indicatif::ProgressBar;
use serde::Serialize;
use tracing::warn;

use super::imports::{book_waiting, write};
use super::listings::{OPEN_HEADERS, Open, Twins, say};
use super::matching::{Match, Ours};
use super::seller::{OpenChannel, Seller};
use crate::channels::Listing;
use crate::cli::ListingsDiscover;
use crate::domain::catalog::{Fulfilment, Mapping};
use crate::domain::clock::Timestamp;
use crate::domain::ids::{ChannelId, ListingId, ListingKey, Sku};
use crate::exit::{Failure, Found};
use crate::ledger::tables::{AuditRow, CatalogRow, Selection};
use crate::output::{Cell, Out, Wishes};

/// Most pages of one channel: a cursor that never ends is a fault of the platform.
const PAGES_MAX: usize = 20_000;
/// Most listings that are not mapped that one reading tells of in the log.
const TOLD_MAX: usize = 10;
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
    /// What is new since the last reading, and not mapped.
    appeared: Vec<Open>,
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
    let kept = keep(id, found, false, seller, &mut Vec::new(), &mut silent).await?;
    tell_appeared(id, &kept.appeared);
    book_waiting(seller).await?;
    Ok(())
}

/// Says once what a channel sells since the last reading and nothing of ours is mapped to: its sales are subtracted nowhere
/// until it is.
fn tell_appeared(id: &ChannelId, appeared: &[Open]) {
    for open in appeared.iter().take(TOLD_MAX) {
        let listing = open.listing.as_ref().map_or("", ListingId::as_str);
        warn!(channel = %id, listing, "{id} sells {listing} now, which is not mapped: {}", open.says);
    }
    let rest = appeared.len().saturating_sub(TOLD_MAX);
    if rest > 0 {
        warn!(channel = %id, rest, "{rest} more are not mapped; hint: `onhand listings check` names them");
    }
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
        for unread in page.unreadable {
            warn!(channel = %id, "{id}: {}: {}", unread.what, unread.why);
        }
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

/// Writes the listings down, and that some appeared which are nothing of ours. How many changed.
async fn put(
    rows: &[CatalogRow],
    appeared: &[Open],
    dry_run: bool,
    seller: &Seller,
) -> Result<usize, Failure> {
    let mut changed = 0;
    for chunk in rows.chunks(ROWS_PER_WRITE) {
        let chunk = chunk.to_vec();
        changed += write(seller, dry_run, move |tables| tables.put_listings(&chunk)).await?;
    }
    if !appeared.is_empty() {
        let story = of_appeared(appeared, seller.now());
        write(seller, dry_run, move |tables| tables.audit(&story)).await?;
    }
    Ok(changed)
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
    let known_before: BTreeMap<ListingId, Option<Mapping>> = before
        .into_iter()
        .map(|state| (state.key.listing, state.mapping))
        .collect();
    let books = seller.book_rules.get(id);
    let folding = books.map(|books| books.folding).unwrap_or_default();
    let ours = Ours::new(&skus, folding);
    let mut twins = Twins::default();
    for listing in &found {
        let goods = listing.alias.as_ref().unwrap_or(&listing.listing);
        twins.add(folding.key(&listing.sku), goods);
    }
    let mut rows = Vec::with_capacity(found.len());
    let (mut mapped, mut appeared) = (0, Vec::new());
    for listing in found {
        if let Some(remark) = &listing.remark {
            out.note(format!("{id}: {}: {remark}", listing.listing));
        }
        let n_twins = twins.of(&folding.key(&listing.sku));
        let known = known_before.get(&listing.listing);
        let mapping = match (
            known.and_then(Option::as_ref),
            ours.find(&listing.sku),
            n_twins,
        ) {
            (Some(known), ..) => placed(known, &listing),
            (None, Match::One(sku), 1) => {
                mapped += 1;
                Some(simple(sku, &listing))
            }
            (None, found, n_twins) => {
                let (problem, says) = say(&listing.sku, n_twins, found);
                let open = Open {
                    channel: id.clone(),
                    listing: Some(listing.listing.clone()),
                    problem,
                    says,
                };
                // Of the first reading everything is new.
                if known.is_none() && !known_before.is_empty() {
                    appeared.push(open.clone());
                }
                problems.push(open);
                None
            }
        };
        rows.push(row(id, listing, mapping));
    }
    let changed = put(&rows, &appeared, dry_run, seller).await?;
    Ok(Discovered {
        channel: id.clone(),
        listings: rows.len(),
        mapped,
        changed,
        not_publishable: rows
            .iter()
            .filter(|row| row.not_publishable.is_some())
            .count(),
        appeared,
    })
}

/// The story of what appeared, under each listing: what alerts are made of.
fn of_appeared(appeared: &[Open], now: Timestamp) -> Vec<AuditRow> {
    let row = |open: &Open| AuditRow {
        at: now,
        kind: "unmapped",
        channel: Some(open.channel.clone()),
        subject: open
            .listing
            .as_ref()
            .map_or("", ListingId::as_str)
            .to_owned(),
        detail: serde_json::json!({ "problem": open.problem, "says": open.says }).to_string(),
    };
    appeared.iter().map(row).collect()
}

fn simple(sku: &Sku, listing: &Listing) -> Mapping {
    Mapping {
        sku: sku.clone(),
        factor: 1,
        location: listing.location.clone(),
        fulfilment: Fulfilment::Merchant,
    }
}

/// A mapping that does not say yet which place the listing shows, with the one that the settings name: else two listings
/// of the same goods would show the same units twice. What people said stays.
fn placed(known: &Mapping, listing: &Listing) -> Option<Mapping> {
    let location = listing
        .location
        .clone()
        .filter(|_| known.location.is_none())?;
    Some(Mapping {
        location: Some(location),
        ..known.clone()
    })
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
