//! `status`, `verify` and `dlq list`: how the seller's channels and books are.

use std::collections::{BTreeMap, BTreeSet};

use serde::Serialize;

use super::channels::{quiet, states};
use super::reconcile::{self, LastDrift};
use super::seller::Seller;
use crate::domain::clock::Timestamp;
use crate::domain::ids::ChannelId;
use crate::exit::{Failure, Found};
use crate::ledger::runs::ListingCounts;
use crate::ledger::tables::{ChannelState, DeadLetter, Tables, Totals};
use crate::output::{Cell, Out};

#[derive(Serialize)]
struct Status {
    channels: Vec<ChannelStatus>,
    dead_letters: usize,
    totals: Totals,
}

#[derive(Serialize)]
struct ChannelStatus {
    channel: ChannelId,
    platform: String,
    mode: &'static str,
    /// Why nothing is sent to it, if nothing is.
    quiet: Option<String>,
    last_hook_at: Option<Timestamp>,
    orders_read_at: Option<Timestamp>,
    listings: usize,
    /// Of these, listings that are nothing of ours yet.
    unmapped_listings: usize,
    dirty_listings: usize,
    hints_waiting: usize,
    parked_orders: usize,
    dead_letters: usize,
    /// What the last whole comparison found.
    drift: Option<LastDrift>,
}

/// What one read of the store finds.
struct Facts {
    listings: BTreeMap<ChannelId, ListingCounts>,
    drift: BTreeMap<ChannelId, LastDrift>,
    hints: BTreeMap<ChannelId, usize>,
    parked: BTreeMap<ChannelId, usize>,
    dead: BTreeMap<ChannelId, usize>,
    totals: Totals,
}

fn tally(channels: impl IntoIterator<Item = ChannelId>) -> BTreeMap<ChannelId, usize> {
    let mut counts = BTreeMap::new();
    for channel in channels {
        *counts.entry(channel).or_default() += 1;
    }
    counts
}

fn facts(tables: &mut dyn Tables) -> crate::ledger::tables::Result<Facts> {
    // Hints that were put off count, too.
    let ever = Timestamp::from_millis(i64::MAX);
    let hints = tables.due_hints(&BTreeSet::new(), ever, usize::MAX)?;
    Ok(Facts {
        listings: tables.count_listings()?,
        drift: reconcile::last(tables)?,
        hints: tally(hints.into_iter().map(|hint| hint.channel)),
        parked: tally(
            tables
                .parked_orders()?
                .into_iter()
                .map(|(channel, _)| channel),
        ),
        dead: tally(
            tables
                .dead_letters()?
                .into_iter()
                .map(|letter| letter.channel),
        ),
        totals: tables.totals()?,
    })
}

/// How each channel is, as the one document that `status` and the operator's page show.
pub(super) async fn document(seller: &Seller) -> Result<serde_json::Value, Failure> {
    let status = gather(seller).await?;
    serde_json::to_value(&status).map_err(|error| Failure::Call(error.to_string()))
}

async fn gather(seller: &Seller) -> Result<Status, Failure> {
    let states = states(seller).await?;
    let facts = seller.ledger.read(facts).await?;
    let channels: Vec<_> = states
        .into_iter()
        .filter_map(|(id, state)| one(id, &state, seller, &facts))
        .collect();
    Ok(Status {
        channels,
        dead_letters: facts.dead.values().sum(),
        totals: facts.totals,
    })
}

/// Shows how each channel is.
pub(super) async fn status(seller: &Seller, out: &mut Out) -> Result<Found, Failure> {
    let body = gather(seller).await?;
    let rows: Vec<_> = body.channels.iter().map(row).collect();
    let headers = &[
        "channel",
        "platform",
        "mode",
        "quiet",
        "last_hook_at",
        "orders_read_at",
        "listings",
        "unmapped",
        "dirty",
        "hints",
        "parked",
        "dead",
        "drift_%",
        "compared_at",
    ];
    out.result("onhand.status/1", &body, headers, &rows)?;
    if body.channels.is_empty() {
        out.note("the settings name no channel; hint: write one as [channels.shop]");
    }
    let unmapped: usize = body.channels.iter().map(|one| one.unmapped_listings).sum();
    if unmapped > 0 {
        out.note(format!(
            "{unmapped} listings are not mapped; `onhand listings check` names them"
        ));
    }
    if body.channels.iter().any(|one| one.drift.is_none()) {
        out.note("not every channel was compared yet; hint: `onhand reconcile` does, and changes nothing");
    }
    if body.dead_letters > 0 {
        out.note(format!(
            "{} dead letters; `onhand dlq list` names them",
            body.dead_letters
        ));
    }
    Ok(Found::Nothing)
}

fn one(
    id: ChannelId,
    state: &ChannelState,
    seller: &Seller,
    facts: &Facts,
) -> Option<ChannelStatus> {
    let config = seller.settings.channels.get(&id)?;
    let count = |counts: &BTreeMap<ChannelId, usize>| counts.get(&id).copied().unwrap_or(0);
    let listings = facts.listings.get(&id).copied().unwrap_or_default();
    Some(ChannelStatus {
        platform: config.platform.clone(),
        mode: config.mode.word(),
        quiet: quiet(config, state),
        last_hook_at: state.last_hook_at,
        orders_read_at: state.orders_read_at,
        listings: listings.all,
        unmapped_listings: listings.unmapped,
        dirty_listings: listings.dirty,
        drift: facts.drift.get(&id).cloned(),
        hints_waiting: count(&facts.hints),
        parked_orders: count(&facts.parked),
        dead_letters: count(&facts.dead),
        channel: id,
    })
}

fn whole(count: usize) -> Cell {
    Cell::Whole(i64::try_from(count).unwrap_or(i64::MAX))
}

fn when(at: Option<Timestamp>) -> Cell {
    at.map(|at| at.to_string()).into()
}

fn row(status: &ChannelStatus) -> Vec<Cell> {
    vec![
        status.channel.as_str().into(),
        status.platform.as_str().into(),
        status.mode.into(),
        status.quiet.clone().into(),
        when(status.last_hook_at),
        when(status.orders_read_at),
        whole(status.listings),
        whole(status.unmapped_listings),
        whole(status.dirty_listings),
        whole(status.hints_waiting),
        whole(status.parked_orders),
        whole(status.dead_letters),
        status
            .drift
            .as_ref()
            .map_or(Cell::from(None::<i64>), LastDrift::rate),
        when(status.drift.as_ref().map(|drift| drift.at)),
    ]
}

/// Replays the books and walks the audit chain.
pub(super) async fn verify(seller: &Seller, out: &mut Out) -> Result<Found, Failure> {
    let broken = seller.ledger.verify().await?;
    let totals = seller.ledger.read(|tables| tables.totals()).await?;
    let ok = broken.is_empty();
    let rows: Vec<Vec<Cell>> = if ok {
        vec![vec![
            format!(
                "ok: {} entries, {} orders, {} messages and {} rows of the audit agree",
                totals.entries, totals.orders, totals.messages, totals.audit_rows
            )
            .into(),
        ]]
    } else {
        broken
            .iter()
            .map(|says| vec![says.as_str().into()])
            .collect()
    };
    let body = serde_json::json!({ "ok": ok, "broken": broken, "totals": totals });
    out.result("onhand.verify/1", &body, &["result"], &rows)?;
    Ok(Found::when(!ok))
}

/// Lists what was given up.
pub(super) async fn dead_letters(seller: &Seller, out: &mut Out) -> Result<Found, Failure> {
    let letters = seller.ledger.read(|tables| tables.dead_letters()).await?;
    let row = |letter: &DeadLetter| -> Vec<Cell> {
        vec![
            letter.at.to_string().into(),
            letter.channel.as_str().into(),
            letter.kind.as_str().into(),
            letter.what.as_str().into(),
            letter.attempts.into(),
            letter.reason.as_str().into(),
            letter.answer.clone().into(),
        ]
    };
    let rows: Vec<_> = letters.iter().map(row).collect();
    let headers = &[
        "at", "channel", "kind", "what", "attempts", "reason", "answer",
    ];
    let body = serde_json::json!({ "dead_letters": letters });
    out.result("onhand.dlq_list/1", &body, headers, &rows)?;
    Ok(Found::when(!letters.is_empty()))
}
