//! `listings show` and `listings check`: which channel item is which SKU, and where that is open.

use std::collections::{BTreeMap, BTreeSet};

use serde::Serialize;

use super::matching::{Match, Ours};
use super::seller::Seller;
use crate::cli::ListingsShow;
use crate::domain::catalog::{Fulfilment, collision};
use crate::domain::delivery::Shown;
use crate::domain::ids::{ChannelId, ListingId, LocationId, Sku};
use crate::exit::{Failure, Found};
use crate::ledger::tables::{ListingState, Selection};
use crate::output::{Cell, Out};

#[derive(Serialize)]
struct ShownListing {
    channel: ChannelId,
    listing: ListingId,
    alias: Option<ListingId>,
    their_sku: Option<String>,
    sku: Option<Sku>,
    factor: Option<u32>,
    location: Option<LocationId>,
    fulfilment: Option<Fulfilment>,
    shown: Option<i64>,
    not_publishable: Option<String>,
}

/// Shows the catalog.
pub(super) async fn show(
    args: ListingsShow,
    seller: &Seller,
    out: &mut Out,
) -> Result<Found, Failure> {
    let listings: Vec<_> = read(&args, seller).await?.into_iter().map(shown).collect();
    let headers = &[
        "channel",
        "listing",
        "their_sku",
        "sku",
        "factor",
        "location",
        "shown",
        "not_publishable",
    ];
    let rows: Vec<Vec<Cell>> = listings.iter().map(row).collect();
    let body = serde_json::json!({ "listings": listings });
    out.result("onhand.listings_show/1", &body, headers, &rows)?;
    if listings.is_empty() {
        out.note("no listing is known yet; hint: `onhand listings discover` reads them from the channels");
    }
    Ok(Found::Nothing)
}

async fn read(args: &ListingsShow, seller: &Seller) -> Result<Vec<ListingState>, Failure> {
    if let Some(channel) = &args.channel {
        seller.configured(channel)?;
    }
    let which = Selection {
        channel: args.channel.clone(),
        ..Selection::default()
    };
    Ok(seller
        .ledger
        .read(move |tables| tables.listings(&which))
        .await?)
}

fn shown(state: ListingState) -> ShownListing {
    let mapping = state.mapping.as_ref();
    ShownListing {
        sku: mapping.map(|mapping| mapping.sku.clone()),
        factor: mapping.map(|mapping| mapping.factor),
        location: mapping.and_then(|mapping| mapping.location.clone()),
        fulfilment: mapping.map(|mapping| mapping.fulfilment),
        channel: state.key.channel,
        listing: state.key.listing,
        alias: state.alias,
        their_sku: state.their_sku,
        shown: match state.shown {
            Shown::Known { quantity, .. } => Some(quantity),
            Shown::Unknown { .. } => None,
        },
        not_publishable: state.not_publishable,
    }
}

fn row(listing: &ShownListing) -> Vec<Cell> {
    vec![
        listing.channel.as_str().into(),
        listing.listing.as_str().into(),
        listing.their_sku.clone().into(),
        listing.sku.as_ref().map(Sku::as_str).into(),
        listing.factor.into(),
        listing.location.as_ref().map(LocationId::as_str).into(),
        listing.shown.into(),
        listing.not_publishable.clone().into(),
    ]
}

/// One thing about a listing that is open.
#[derive(Debug, Clone, Serialize)]
pub(super) struct Open {
    pub(super) channel: ChannelId,
    pub(super) listing: Option<ListingId>,
    /// `unmapped`, `duplicate` or `ambiguous`.
    pub(super) problem: &'static str,
    pub(super) says: String,
}

/// The header of a table of them.
pub(super) const OPEN_HEADERS: &[&str] = &["channel", "listing", "problem", "says"];

impl Open {
    /// As a row under [`OPEN_HEADERS`].
    pub(super) fn row(&self) -> Vec<Cell> {
        vec![
            self.channel.as_str().into(),
            self.listing.as_ref().map(ListingId::as_str).into(),
            self.problem.into(),
            self.says.as_str().into(),
        ]
    }
}

/// Names what is open.
pub(super) async fn check(
    args: ListingsShow,
    seller: &Seller,
    out: &mut Out,
) -> Result<Found, Failure> {
    let listings = read(&args, seller).await?;
    let skus = seller.ledger.read(|tables| tables.skus()).await?;
    let mut open = collisions(&args, seller, &skus);
    open.extend(open_ones(seller, &listings, &skus));
    let rows: Vec<_> = open.iter().map(Open::row).collect();
    let body = serde_json::json!({ "listings": listings.len(), "problems": open });
    if open.is_empty() {
        out.note(format!("{} listings, and nothing is open", listings.len()));
    }
    out.result("onhand.listings_check/1", &body, OPEN_HEADERS, &rows)?;
    Ok(Found::when(!open.is_empty()))
}

/// Two SKUs of ours that a channel cannot tell apart.
fn collisions(args: &ListingsShow, seller: &Seller, skus: &BTreeSet<Sku>) -> Vec<Open> {
    let asked = |id: &&ChannelId| args.channel.as_ref().is_none_or(|only| only == *id);
    let one = |id: &ChannelId| {
        let folding = seller.book_rules.get(id)?.folding;
        let (one, other) = collision(folding, skus)?;
        Some(Open {
            channel: id.clone(),
            listing: None,
            problem: "ambiguous",
            says: format!(
                "our SKUs {:?} and {:?} are one to this channel; hint: rename one of them, or map by listing",
                one.as_str(),
                other.as_str()
            ),
        })
    };
    seller
        .settings
        .channels
        .keys()
        .filter(asked)
        .filter_map(one)
        .collect()
}

fn open_ones(seller: &Seller, listings: &[ListingState], skus: &BTreeSet<Sku>) -> Vec<Open> {
    let folding = |channel: &ChannelId| {
        let books = seller.book_rules.get(channel);
        books.map(|books| books.folding).unwrap_or_default()
    };
    let text = |listing: &ListingState| listing.their_sku.clone().unwrap_or_default();
    let key = |listing: &ListingState| folding(&listing.key.channel).key(&text(listing));
    let mut same: BTreeMap<ChannelId, Twins> = BTreeMap::new();
    let mut ours: BTreeMap<&ChannelId, Ours<'_>> = BTreeMap::new();
    for listing in listings {
        let channel = &listing.key.channel;
        let goods = listing.alias.as_ref().unwrap_or(&listing.key.listing);
        let twins = same.entry(channel.clone()).or_default();
        twins.add(key(listing), goods);
        ours.entry(channel)
            .or_insert_with(|| Ours::new(skus, folding(channel)));
    }
    let one = |listing: &ListingState| {
        if listing.mapping.is_some() {
            return None;
        }
        let text = text(listing);
        let twins = same.get(&listing.key.channel)?.of(&key(listing));
        let found = ours.get(&listing.key.channel)?.find(&text);
        let (problem, says) = say(&text, twins, found);
        Some(Open {
            channel: listing.key.channel.clone(),
            listing: Some(listing.key.listing.clone()),
            problem,
            says,
        })
    };
    listings.iter().filter_map(one).collect()
}

/// On how many different goods of a channel each SKU text stands. Listings of one alias are the same goods at several
/// places.
#[derive(Debug, Default)]
pub(super) struct Twins(BTreeMap<String, BTreeSet<ListingId>>);

impl Twins {
    /// Adds a listing, by the id or alias that orders name it by.
    pub(super) fn add(&mut self, text: String, goods: &ListingId) {
        self.0.entry(text).or_default().insert(goods.clone());
    }

    /// How many there are of a text.
    pub(super) fn of(&self, text: &str) -> usize {
        self.0.get(text).map_or(0, BTreeSet::len)
    }
}

/// Why a listing that is not mapped is open.
pub(super) fn say(text: &str, twins: usize, found: Match<'_>) -> (&'static str, String) {
    let hint = "map it with `onhand listings import`";
    if text.is_empty() {
        return ("unmapped", format!("it has no SKU; hint: {hint}"));
    }
    if twins > 1 {
        return (
            "duplicate",
            format!(
                "its SKU {text:?} stands on {twins} listings; hint: {hint}, if they are the same goods"
            ),
        );
    }
    match found {
        Match::Several(several) => {
            let names: Vec<_> = several
                .iter()
                .map(|sku| format!("{:?}", sku.as_str()))
                .collect();
            (
                "ambiguous",
                format!(
                    "its SKU {text:?} could be {}; hint: {hint}",
                    names.join(" or ")
                ),
            )
        }
        Match::None => (
            "unmapped",
            format!("its SKU {text:?} is none of ours; hint: import its stock, or {hint}"),
        ),
        Match::One(sku) => (
            "unmapped",
            format!(
                "its SKU is our {:?}; hint: `onhand listings discover` maps it",
                sku.as_str()
            ),
        ),
    }
}
