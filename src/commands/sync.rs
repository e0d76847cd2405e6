//! `sync`: every listing that differs is corrected now. Beside a daemon that delivers, the daemon does it.

use std::path::Path;

use serde::Serialize;

use super::channels::{quiet, states};
use super::lock::DeliveryLock;
use super::pass::{Delivery, pass};
use super::plan_file::{PlanFile, PlanLine, refused};
use super::requests::{self, Answer, Request, waiting};
use super::seller::Seller;
use crate::cli::SyncOnce;
use crate::config::Mode;
use crate::domain::brake::{Change, Stopped, Whole, brake};
use crate::domain::delivery::Shown;
use crate::domain::ids::{ChannelId, ListingId};
use crate::exit::{Failure, Found};
use crate::ledger::tables::{ListingState, Selection};
use crate::output::{Cell, Out};
use crate::runtime::lane::only::Only;

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
    #[serde(skip)]
    plan: PlanFile,
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
    #[serde(skip)]
    feed_version: i64,
}

impl Line {
    fn planned(&self) -> PlanLine {
        PlanLine {
            channel: self.channel.clone(),
            listing: self.listing.clone(),
            sku: self.sku.clone(),
            shown: self.shown,
            live: self.live,
            desired: self.desired,
            class: self.class.to_owned(),
            action: self.action.clone(),
            feed_version: self.feed_version,
        }
    }
}

const HEADERS: &[&str] = &[
    "channel", "listing", "sku", "shown", "desired", "class", "action",
];

/// Sends what differs, or only tells.
pub(super) async fn sync(
    args: SyncOnce,
    seller: &Seller,
    delivery: &Delivery,
    out: &mut Out,
) -> Result<Found, Failure> {
    let channel = args.channel.as_ref();
    if let Some(id) = channel {
        seller.configured(id)?;
    }
    let mut only = args.tier.tiers().map_or(Only::All, Only::Tiers);
    let before = waiting(seller, channel, &only).await?;
    if args.dry_run || args.plan.is_some() {
        let report = Report {
            dry_run: true,
            ..report(seller, channel, &only, before, None).await?
        };
        if let Some(path) = &args.plan {
            report.plan.write(path)?;
            out.note(format!(
                "{} lines are in {}",
                report.plan.lines.len(),
                path.display()
            ));
        }
        say(&report, out)?;
        return Ok(Found::when(report.in_flight + report.drifted > 0));
    }
    refuse_observed(seller, channel)?;
    if let Some(path) = &args.apply {
        only = planned(path, seller).await?;
    }
    let work = Work {
        channel,
        only: &only,
        yes_lower: args.yes_lower,
        // Whoever made the plan looked at it.
        brakes: args.apply.is_none(),
    };
    let Some((by, before)) = send(&work, before, seller, delivery, out).await? else {
        return Ok(Found::Something);
    };
    let report = report(seller, channel, &only, before, Some(by)).await?;
    say(&report, out)?;
    Ok(Found::when(report.dirty_after > 0))
}

/// What is to be sent.
struct Work<'a> {
    channel: Option<&'a ChannelId>,
    only: &'a Only,
    yes_lower: Option<usize>,
    brakes: bool,
}

/// Sends by itself, or has the process that delivers do it; who did, and how many listings waited. `None`: a brake stopped
/// it.
async fn send(
    work: &Work<'_>,
    before: usize,
    seller: &Seller,
    delivery: &Delivery,
    out: &mut Out,
) -> Result<Option<(String, usize)>, Failure> {
    let channels = seller.settings.channels.keys();
    let wanted: Vec<_> = channels
        .filter(|id| work.channel.is_none_or(|only| only == *id))
        .collect();
    match delivery.take(seller, wanted, "sync").await {
        Ok(_delivering) => {
            if work.brakes
                && let Some(stopped) = stopped(work, seller).await?
            {
                out.warning(stopped);
                return Ok(None);
            }
            let open = delivery.open(seller).await?;
            let passed = pass(seller, &open, work.channel, work.only).await;
            open.close().await;
            passed?;
            Ok(Some(("this process".to_owned(), before)))
        }
        Err(Failure::Held(holder)) if DeliveryLock::serves(&holder) => {
            out.note(format!("{holder} delivers; it does the work"));
            let request = Request::Sync {
                channel: work.channel.cloned(),
            };
            match requests::hand_over(&request, &holder, seller).await? {
                Answer::Swept { dirty_before, .. } => Ok(Some((holder, dirty_before))),
                Answer::NotUnderstood => Err(Failure::Held(format!(
                    "{holder}, which does not know this kind of work,"
                ))),
            }
        }
        Err(failure) => Err(failure),
    }
}

/// What a brake says about everything that would be sent.
async fn stopped(work: &Work<'_>, seller: &Seller) -> Result<Option<Stopped>, Failure> {
    let which = Selection {
        channel: work.channel.cloned(),
        ..Selection::default()
    };
    let found = seller
        .ledger
        .read(move |tables| tables.listings(&which))
        .await?;
    let publishable: Vec<_> = found.iter().filter(|state| state.publishable()).collect();
    let changes = publishable
        .iter()
        .filter(|state| state.dirty() && requests::allows(work.only, state, seller))
        .map(|state| Change {
            from: state.shown.stand_in(),
            to: desired(state, seller),
        });
    let shown = publishable
        .iter()
        .filter_map(|state| u64::try_from(state.shown.stand_in()?).ok());
    let whole = Whole {
        listings: publishable.len(),
        units: shown.fold(0, u64::saturating_add),
    };
    Ok(brake(
        changes,
        whole,
        seller.settings.reconcile.brakes,
        work.yes_lower,
    ))
}

/// Exactly what a plan says, if all of it is still so.
async fn planned(path: &Path, seller: &Seller) -> Result<Only, Failure> {
    let plan = PlanFile::read(path, "sync", &seller.settings.digest())?;
    let now = report(seller, None, &Only::All, 0, None).await?.plan;
    let moved = plan.moved(&now);
    // Lines that came since are not part of it and stay for the next run.
    if !moved.is_empty() {
        return Err(refused(path, &moved));
    }
    let exactly = |line: &PlanLine| (line.key(), line.desired);
    Ok(Only::Exactly(plan.lines.iter().map(exactly).collect()))
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

async fn report(
    seller: &Seller,
    channel: Option<&ChannelId>,
    only: &Only,
    dirty_before: usize,
    by: Option<String>,
) -> Result<Report, Failure> {
    let channels = states(seller).await?;
    let which = Selection {
        channel: channel.cloned(),
        ..Selection::default()
    };
    let found = seller
        .ledger
        .read(move |tables| tables.listings(&which))
        .await?;
    let in_plan = |state: &ListingState| match only {
        Only::Exactly(planned) => planned.contains_key(&state.key),
        Only::All | Only::Tiers(_) | Only::Listings(_) => requests::allows(only, state, seller),
    };
    let publishable: Vec<_> = found
        .iter()
        .filter(|state| in_plan(state))
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
    let open = lines.iter().filter(|line| !line.action.starts_with("none"));
    let plan = PlanFile::new(
        "sync",
        seller.settings.digest(),
        seller.now(),
        open.map(Line::planned).collect(),
    );
    Ok(Report {
        digest: plan.digest.clone(),
        compared: publishable.len(),
        in_flight: lines.len() - drifted,
        drifted,
        drift_pct: share_pct(drifted, publishable.len()),
        incomplete: false,
        dry_run: false,
        by,
        dirty_before,
        dirty_after: waiting(seller, channel, only).await?,
        lines,
        plan,
    })
}

/// A listing that differs, or of which we cannot say.
fn line(state: &ListingState, seller: &Seller) -> Option<Line> {
    let desired = desired(state, seller);
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
        _ if !state.dirty() => {
            "none: it was refused; `onhand reconcile --apply` tries anew".to_owned()
        }
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
        feed_version: state.feed_version(),
    })
}

fn desired(state: &ListingState, seller: &Seller) -> i64 {
    let own = state
        .mapping
        .as_ref()
        .and_then(|mapping| mapping.location.as_ref());
    let found = seller.policy.desired(&state.key.channel, own, &state.feeds);
    i64::from(found.quantity)
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
