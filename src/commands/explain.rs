//! `explain`: why each listing of a SKU shows what it shows, as a sum of named parts.

use std::collections::BTreeSet;

use serde::Serialize;

use super::known::expect_known;
use super::seller::Seller;
use crate::cli::Explain;
use crate::domain::bundle;
use crate::domain::clock::Timestamp;
use crate::domain::delivery::Shown;
use crate::domain::desired::Part;
use crate::domain::ids::{ChannelId, ListingId, LocationId, Sku};
use crate::domain::stock::Movement;
use crate::domain::tier::Tier;
use crate::exit::{Failure, Found};
use crate::ledger::StoreError;
use crate::ledger::life::Alias;
use crate::ledger::tables::{EntryLine, ListingState, Selection};
use crate::output::{Cell, Format, Out};

#[derive(Serialize)]
struct Explained {
    sku: Sku,
    /// Names that it had, and until when.
    names: Vec<Alias>,
    channels: Vec<ExplainedListing>,
    /// What made the stock what it is; the entries add up to it.
    #[serde(skip_serializing_if = "Option::is_none")]
    history: Option<Vec<Entered>>,
}

/// One entry of the books.
#[derive(Serialize)]
struct Entered {
    at: Timestamp,
    recorded_at: Timestamp,
    location: LocationId,
    moved: Movement,
    cause: String,
}

impl Entered {
    fn of(line: EntryLine) -> Self {
        Self {
            at: line.entry.at,
            recorded_at: line.recorded_at,
            location: line.entry.location,
            moved: line.entry.movement,
            cause: line.entry.cause.words(),
        }
    }

    fn words(&self) -> String {
        format!(
            "  {}  {} at {} ({})",
            self.at,
            super::audit::moves(self.moved),
            self.location,
            self.cause
        )
    }
}

/// The parts add up to `desired`.
#[derive(Serialize)]
struct ExplainedListing {
    channel: ChannelId,
    listing: ListingId,
    desired: i64,
    /// What we know that it shows; null if we cannot say.
    shown: Option<i64>,
    shown_as_of: Option<Timestamp>,
    verified_at: Option<Timestamp>,
    until: Option<Timestamp>,
    parts: Vec<Part>,
    /// Units owed at locations that others do not pay for.
    shortage: i64,
    limited_by: Option<Sku>,
    tier: Tier,
    /// Why the two numbers may differ for now.
    waiting: Vec<String>,
}

/// Explains one SKU.
pub(super) async fn explain(
    args: Explain,
    seller: &Seller,
    out: &mut Out,
) -> Result<Found, Failure> {
    if let Some(channel) = &args.channel {
        seller.configured(channel)?;
    }
    expect_known(seller, &args.sku).await?;
    let listings = fed_by(&args, seller).await?;
    let held = held(seller).await?;
    let sku = args.sku.clone();
    let wanted = args.history;
    let read = seller.ledger.read(move |tables| {
        let history = if wanted {
            Some(tables.entries_of_sku(&sku)?)
        } else {
            None
        };
        Ok((tables.aliases(&sku)?, history))
    });
    let (names, history) = read.await?;
    let body = Explained {
        names,
        history: history.map(|lines| lines.into_iter().map(Entered::of).collect()),
        channels: listings
            .iter()
            .map(|state| explained(state, seller, &held))
            .collect(),
        sku: args.sku,
    };
    if body.channels.is_empty() {
        out.note(format!(
            "no listing shows {}; hint: `onhand listings import` says which do",
            body.sku
        ));
    }
    if out.format() == Format::Table {
        for name in &body.names {
            let Alias {
                alias, sku, until, ..
            } = name;
            out.note(format!("{sku} was called {alias} until {until}"));
        }
        for listing in &body.channels {
            out.text(&story(listing))?;
        }
        if let Some(history) = &body.history {
            let lines: Vec<_> = history.iter().map(Entered::words).collect();
            out.text(&format!("entries of {}\n{}", body.sku, lines.join("\n")))?;
        }
        return Ok(Found::Nothing);
    }
    let headers = &["channel", "listing", "part", "units"];
    let rows: Vec<Vec<Cell>> = body.channels.iter().flat_map(rows).collect();
    out.result("onhand.explain/1", &body, headers, &rows)?;
    Ok(Found::Nothing)
}

/// Listings that show this SKU, or a bundle with it; for a bundle those that show it.
async fn fed_by(args: &Explain, seller: &Seller) -> Result<Vec<ListingState>, Failure> {
    let (sku, channel) = (args.sku.clone(), args.channel.clone());
    let read = seller.ledger.read(move |tables| {
        let needs = bundle::needs(&sku, &tables.recipes()?)
            .map_err(|error| StoreError::Damaged(error.to_string()))?;
        let skus: BTreeSet<Sku> = needs.into_iter().map(|need| need.sku).collect();
        let which = Selection {
            channel: channel.clone(),
            skus: Some(skus),
            ..Selection::default()
        };
        let shows = |state: &ListingState| {
            let itself = state
                .mapping
                .as_ref()
                .is_some_and(|mapping| mapping.sku == sku);
            itself || state.feeds.iter().any(|feed| feed.sku == sku)
        };
        let mut found = tables.listings(&which)?;
        found.retain(shows);
        // A comparison that found no difference verified, too.
        let verified = tables.verified(&found.iter().map(|state| state.key.clone()).collect())?;
        for state in &mut found {
            state.verified_at = verified.get(&state.key).copied();
        }
        Ok(found)
    });
    Ok(read.await?)
}

/// Channels that nothing is sent to, and why.
async fn held(seller: &Seller) -> Result<Vec<(ChannelId, String)>, Failure> {
    let configured = super::channels::states(seller).await?;
    let why = |(id, state): (ChannelId, crate::ledger::tables::ChannelState)| {
        let config = seller.settings.channels.get(&id)?;
        let why = super::channels::quiet(config, &state)?;
        Some((id, why))
    };
    Ok(configured.into_iter().filter_map(why).collect())
}

fn explained(
    state: &ListingState,
    seller: &Seller,
    held: &[(ChannelId, String)],
) -> ExplainedListing {
    let channel = &state.key.channel;
    let own = state
        .mapping
        .as_ref()
        .and_then(|mapping| mapping.location.as_ref());
    let desired = seller.policy.desired(channel, own, &state.feeds);
    let mut waiting = Vec::new();
    if let Some(why) = &state.not_publishable {
        waiting.push(format!("its quantity cannot be set: {why}"));
    } else if !state.publishable() {
        let counted = state.feeds.iter().any(|feed| feed.tracked);
        waiting.push(if counted || state.feeds.is_empty() {
            "the marketplace holds the goods, so nothing is sent".to_owned()
        } else {
            "its stock is not counted, so nothing is sent".to_owned()
        });
    }
    waiting.extend(
        held.iter()
            .filter(|(id, _)| id == channel)
            .map(|(_, why)| why.clone()),
    );
    if state.failures > 0 {
        waiting.push(format!(
            "{} failures in a row; not before {}",
            state.failures, state.due_at
        ));
    }
    if state.dirty() && state.publishable() {
        waiting.push("a change is waiting to be sent".to_owned());
    }
    let (shown, shown_as_of) = match state.shown {
        Shown::Known { quantity, as_of } => (Some(quantity), Some(as_of)),
        Shown::Unknown { .. } => (None, None),
    };
    ExplainedListing {
        channel: channel.clone(),
        listing: state.key.listing.clone(),
        desired: i64::from(desired.quantity),
        shown,
        shown_as_of,
        verified_at: state.verified_at,
        until: desired.until,
        parts: desired.because.parts,
        shortage: desired.because.shortage,
        limited_by: desired.because.limited_by,
        tier: seller.policy.fastest(&state.feeds),
        waiting,
    }
}

fn rows(listing: &ExplainedListing) -> Vec<Vec<Cell>> {
    let line = |name: &str, units: Option<i64>| -> Vec<Cell> {
        vec![
            listing.channel.as_str().into(),
            listing.listing.as_str().into(),
            name.into(),
            units.into(),
        ]
    };
    let parts = listing
        .parts
        .iter()
        .map(|part| line(&part.name, Some(part.units)));
    parts
        .chain([
            line("desired", Some(listing.desired)),
            line("shown", listing.shown),
        ])
        .collect()
}

fn story(listing: &ExplainedListing) -> String {
    let mut lines = vec![format!(
        "{} {} (tier {})",
        listing.channel, listing.listing, listing.tier
    )];
    for part in &listing.parts {
        lines.push(format!("  {:>+8}  {}", part.units, part.name));
    }
    let limited = match &listing.limited_by {
        Some(sku) => format!(", which {sku} allows"),
        None => String::new(),
    };
    lines.push(format!(
        "  {:>8}  should be shown{limited}",
        listing.desired
    ));
    lines.push(match (listing.shown, listing.shown_as_of) {
        (Some(shown), Some(at)) => format!("  {shown:>8}  is shown, as of {at}"),
        _ => format!("  {:>8}  what is shown is not known", "?"),
    });
    if let Some(at) = listing.verified_at {
        lines.push(format!("  {:>8}  last read back at {at}", ""));
    }
    if let Some(at) = listing.until {
        lines.push(format!("  {:>8}  changes by itself at {at}", ""));
    }
    if listing.shortage > 0 {
        lines.push(format!(
            "  {:>8}  units are owed at a location that others do not pay for",
            listing.shortage
        ));
    }
    lines.extend(
        listing
            .waiting
            .iter()
            .map(|why| format!("  {:>8}  {why}", "")),
    );
    lines.join("\n")
}
