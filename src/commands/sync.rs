//! `sync`: every listing that differs is corrected now. Beside a daemon that delivers, the daemon does it.

use std::time::Duration;

use serde::Serialize;
use sha2::{Digest, Sha256};
use tokio::time::{Instant, sleep};

use super::channels::{quiet, states};
use super::daemon;
use super::lock::DeliveryLock;
use super::requests::{self, Answer, LOOK_EVERY, Request, waiting};
use super::seller::{OpenChannels, Seller};
use crate::broker::Doorbell;
use crate::channels::Fault;
use crate::cli::SyncOnce;
use crate::config::Mode;
use crate::domain::clock::Timestamp;
use crate::domain::delivery::Shown;
use crate::domain::ids::{ChannelId, ListingId};
use crate::domain::lane::LaneRules;
use crate::exit::{Failure, Found};
use crate::ledger::tables::{ChannelState, ListingState, Selection};
use crate::output::{Cell, Out};
use crate::runtime::desk::Desk;

/// How long a pass of our own may take; what is left then is told.
const PASS_MAX: Duration = Duration::from_secs(30);

/// What the books say about every channel, without reading it.
#[derive(Debug, Serialize)]
struct Report {
    /// SHA-256 of the lines.
    digest: String,
    compared: usize,
    /// Changes that have not reached their channel.
    in_flight: usize,
    /// Listings that differ though nothing is under way.
    drifted: usize,
    drift_pct: f64,
    /// A reading was cut off; there was none.
    incomplete: bool,
    dry_run: bool,
    /// Who sent.
    by: Option<String>,
    dirty_before: usize,
    dirty_after: usize,
    lines: Vec<Line>,
}

#[derive(Debug, Serialize)]
struct Line {
    channel: ChannelId,
    listing: ListingId,
    sku: Option<String>,
    shown: Option<i64>,
    desired: i64,
    /// Not known: the channel was not read.
    live: Option<i64>,
    class: &'static str,
    action: String,
}

const HEADERS: &[&str] = &[
    "channel", "listing", "sku", "shown", "desired", "class", "action",
];

/// Sends what differs, or only tells.
pub(super) async fn sync(args: SyncOnce, seller: &Seller, out: &mut Out) -> Result<Found, Failure> {
    let only = args.channel.as_ref();
    if let Some(id) = only {
        seller.configured(id)?;
    }
    let before = waiting(seller, only).await?;
    if args.dry_run {
        let report = Report {
            dry_run: true,
            ..report(seller, only, before, None).await?
        };
        say(&report, out)?;
        return Ok(Found::when(report.in_flight + report.drifted > 0));
    }
    refuse_observed(seller, only)?;
    let (by, before) = match DeliveryLock::take(&seller.settings.store_path()) {
        Ok(lock) => {
            let open = seller.open_channels(None).await?;
            let passed = pass(seller, &open, only).await;
            open.close().await;
            drop(lock);
            passed?;
            ("this process".to_owned(), before)
        }
        Err(Failure::Held(holder)) => {
            out.note(format!("{holder} delivers; it does the work"));
            let request = Request::Sync {
                channel: only.cloned(),
            };
            match requests::hand_over(&request, &holder, seller).await? {
                Answer::Swept { dirty_before, .. } => (holder, dirty_before),
                Answer::NotUnderstood => {
                    return Err(Failure::Held(format!(
                        "{holder}, which does not know this kind of work,"
                    )));
                }
            }
        }
        Err(failure) => return Err(failure),
    };
    let report = report(seller, only, before, Some(by)).await?;
    say(&report, out)?;
    Ok(Found::when(report.dirty_after > 0))
}

fn refuse_observed(seller: &Seller, only: Option<&ChannelId>) -> Result<(), Failure> {
    let mut wanted = seller
        .settings
        .channels
        .values()
        .filter(|config| only.is_none_or(|id| *id == config.id))
        .peekable();
    if wanted.peek().is_some() && wanted.all(|config| config.mode == Mode::Observe) {
        return Err(Failure::call(
            "sync: the mode is observe, and nothing is sent; hint: --dry-run shows what would be",
        ));
    }
    Ok(())
}

/// One pass over all channels: orders are read first, so that nothing is raised over a sale that was not seen.
async fn pass(
    seller: &Seller,
    open: &OpenChannels,
    only: Option<&ChannelId>,
) -> Result<(), Failure> {
    daemon::prepare(seller).await?;
    let bell = Doorbell::default();
    let desk = Desk {
        ledger: seller.ledger.clone(),
        bell: bell.clone(),
        clock: std::sync::Arc::clone(&seller.clock),
    };
    let mut fetchers = daemon::fetchers(seller, open, &desk);
    let mut terms = daemon::terms(seller);
    // Now means now: no batch is waited for.
    terms.rules = LaneRules {
        batch_b_ms: 0,
        batch_c_ms: 0,
        ..terms.rules
    };
    let mut lanes = Vec::new();
    for (id, channel) in &open.channels {
        let sent_to = channel.mode == Mode::Manage && !channel.hold;
        if sent_to && only.is_none_or(|only| only == id) {
            lanes.push(daemon::lane(seller, id, channel, &terms, &bell));
        }
    }
    let (began, asked_at) = (Instant::now(), seller.now());
    for fetcher in &fetchers {
        fetcher.ask_orders(asked_at).await?;
    }
    bell.sweep();
    while began.elapsed() < PASS_MAX {
        for fetcher in &mut fetchers {
            while fetcher.turn().await? > 0 && began.elapsed() < PASS_MAX {}
        }
        for lane in &mut lanes {
            let rings = lane.mailbox.take();
            lane.look(&rings).await?;
            while !lane.turn().await?.is_idle() && began.elapsed() < PASS_MAX {}
        }
        if waiting(seller, only).await? == 0 {
            break;
        }
        sleep(LOOK_EVERY).await;
    }
    for (id, state) in states(seller).await? {
        let unread = unread_since(&state, asked_at);
        if unread && only.is_none_or(|only| *only == id) && waiting(seller, Some(&id)).await? > 0 {
            return Err(Failure::Platform {
                doing: "read the orders of",
                channel: id,
                fault: Fault::Transient(format!(
                    "that did not succeed within {} s, and its listings wait for it; hint: `onhand channels check` says more",
                    PASS_MAX.as_secs()
                )),
            });
        }
    }
    Ok(())
}

/// Whether the orders of a channel could not be read since then: what waits does so for the platform.
fn unread_since(state: &ChannelState, asked_at: Timestamp) -> bool {
    state.orders_read_at.is_none_or(|read| read < asked_at)
}

async fn report(
    seller: &Seller,
    only: Option<&ChannelId>,
    dirty_before: usize,
    by: Option<String>,
) -> Result<Report, Failure> {
    let channels = states(seller).await?;
    let which = Selection {
        channel: only.cloned(),
        ..Selection::default()
    };
    let found = seller
        .ledger
        .read(move |tables| tables.listings(&which))
        .await?;
    let publishable: Vec<_> = found
        .iter()
        .filter(|state| seller.settings.channels.contains_key(&state.key.channel))
        .filter(|state| state.publishable())
        .collect();
    let mut lines: Vec<_> = publishable
        .iter()
        .filter_map(|state| line(state, seller))
        .collect();
    for line in &mut lines {
        let config = seller.settings.channels.get(&line.channel);
        let why = config
            .zip(channels.get(&line.channel))
            .and_then(|(config, state)| quiet(config, state));
        if let Some(why) = why {
            line.action = format!("none: {why}");
        }
    }
    let drifted = lines.iter().filter(|line| line.class == "drift").count();
    Ok(Report {
        digest: digest(&lines),
        compared: publishable.len(),
        in_flight: lines.len() - drifted,
        drifted,
        drift_pct: share_pct(drifted, publishable.len()),
        incomplete: false,
        dry_run: false,
        by,
        dirty_before,
        dirty_after: waiting(seller, only).await?,
        lines,
    })
}

/// A listing that differs, or of which we cannot say.
fn line(state: &ListingState, seller: &Seller) -> Option<Line> {
    let own = state
        .mapping
        .as_ref()
        .and_then(|mapping| mapping.location.as_ref());
    let desired = seller
        .policy
        .desired(&state.key.channel, own, &state.feeds)
        .quantity;
    let desired = i64::from(desired);
    let (shown, class) = match state.shown {
        Shown::Known { quantity, .. } if state.dirty() => (Some(quantity), "in_flight"),
        Shown::Known { quantity, .. } => (Some(quantity), "drift"),
        Shown::Unknown { .. } => (None, "unknown"),
    };
    // A number below zero is left alone where nothing should be shown.
    let same = shown.is_some_and(|shown| shown == desired || (desired == 0 && shown <= 0));
    if same {
        return None;
    }
    let action = match state.shown.stand_in() {
        None => "read".to_owned(),
        Some(shown) if desired <= shown => "lower".to_owned(),
        Some(_) => "raise".to_owned(),
    };
    Some(Line {
        channel: state.key.channel.clone(),
        listing: state.key.listing.clone(),
        sku: state
            .mapping
            .as_ref()
            .map(|mapping| mapping.sku.as_str().to_owned()),
        shown,
        desired,
        live: None,
        class,
        action,
    })
}

fn digest(lines: &[Line]) -> String {
    let mut hash = Sha256::new();
    for line in lines {
        // A text that no name can imitate: names are quoted.
        hash.update(format!(
            "{:?} {:?} {:?} {}\n",
            line.channel, line.listing, line.shown, line.desired
        ));
    }
    hex::encode(hash.finalize())
}

fn share_pct(part: usize, whole: usize) -> f64 {
    let number = |count: usize| f64::from(u32::try_from(count).unwrap_or(u32::MAX));
    if whole == 0 {
        return 0.0;
    }
    number(part) * 100.0 / number(whole)
}

fn say(report: &Report, out: &mut Out) -> Result<(), Failure> {
    let row = |line: &Line| -> Vec<Cell> {
        vec![
            line.channel.as_str().into(),
            line.listing.as_str().into(),
            line.sku.clone().into(),
            line.shown.into(),
            line.desired.into(),
            line.class.into(),
            line.action.as_str().into(),
        ]
    };
    let rows: Vec<_> = report.lines.iter().map(row).collect();
    out.result("onhand.sync/1", report, HEADERS, &rows)?;
    match &report.by {
        Some(by) => out.note(format!(
            "{by}: {} listings waited, {} still do",
            report.dirty_before, report.dirty_after
        )),
        None => out.note(format!(
            "{} listings compared, {} would be called; a dry run: nothing was sent",
            report.compared,
            report.lines.len()
        )),
    }
    Ok(())
}
