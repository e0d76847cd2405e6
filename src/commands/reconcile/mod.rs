//! `reconcile`: orders first, then levels, then a second look, then classes, then a plan (design §7); repaired or only told.

mod apply;
mod last;
mod page;
mod summary;
pub(super) mod trend;

use std::collections::BTreeMap;
use std::sync::Arc;

use futures_util::future::join_all;
use tokio::task::JoinSet;

pub(super) use self::last::{LastDrift, last};
use self::summary::{Channel, Summary};
use super::channels::{quiet, states};
use super::lock::WorkLock;
use super::pass::Delivery;
use super::plan_file::{PlanFile, refused};
use super::seller::{OpenChannels, Seller};
use super::{daemon, discover};
use crate::broker::Doorbell;
use crate::channels::Fault;
use crate::cli::Reconcile;
use crate::domain::clock::Timestamp;
use crate::domain::drift::Tally;
use crate::domain::ids::{ChannelId, Sku};
use crate::exit::{Failure, Found};
use crate::ledger::StoreError;
use crate::output::{Out, Wishes, html};
use crate::runtime::desk::Desk;
use crate::runtime::fetcher::{Source, Swept, sweep_orders};
use crate::runtime::reconcile::{Expected, Findings, Progress, Round, Terms};

/// The name of the lock: one comparison at a time (rule R74).
const WORK: &str = "reconcile";

/// Compares, and repairs if it is told to.
pub(super) async fn reconcile(
    args: Reconcile,
    seller: &Seller,
    delivery: &Delivery,
    out: &mut Out,
) -> Result<Found, Failure> {
    if let Some(id) = &args.channel {
        seller.configured(id)?;
    }
    if let Some(path) = args.report.as_ref().or(args.plan.as_ref()) {
        // Found out now, not after an hour of reading.
        writable(path)?;
    }
    let planned = match &args.apply {
        Some(Some(path)) => Some((path, PlanFile::read(path, WORK, &seller.settings.digest())?)),
        _ => None,
    };
    let _lock = WorkLock::take(&seller.settings.store_path(), WORK)?;
    let open = delivery.open(seller).await?;
    if open.channels.is_empty() {
        out.note("the settings name no channel; hint: write one as [channels.shop]");
    }
    let done = async {
        let mut summary = compare(&args, seller, &open, out).await?;
        let applied = match &planned {
            Some((path, plan)) => match plan.moved(&summary.plan) {
                moved if moved.is_empty() => {
                    apply::apply(&args, &mut summary, seller, &open, delivery, out).await
                }
                moved => Err(refused(path, &moved)),
            },
            None if args.apply.is_some() => {
                apply::apply(&args, &mut summary, seller, &open, delivery, out).await
            }
            None => Ok(()),
        };
        summary.keep(seller).await?;
        applied.map(|()| summary)
    }
    .await;
    open.close().await;
    let summary = done?;
    tell(&args, &summary, seller, out).await
}

/// Compares all channels and only counts; `None` if some reading was incomplete.
pub(super) async fn tally(seller: &Seller) -> Result<Option<Tally>, Failure> {
    let mut silent = Out::to(Wishes::default(), std::io::sink(), std::io::sink());
    let open = seller.open_channels(None).await?;
    let compared = compare(&Reconcile::default(), seller, &open, &mut silent).await;
    open.close().await;
    let summary = compared?;
    summary.keep(seller).await?;
    Ok(summary.why_incomplete().is_none().then_some(summary.tally))
}

fn writable(path: &std::path::Path) -> Result<(), Failure> {
    let file = std::fs::File::options()
        .create(true)
        .append(true)
        .open(path);
    file.map(drop).map_err(|error| Failure::Disk {
        path: path.display().to_string(),
        problem: error.to_string(),
    })
}

/// Everything that is written and said.
async fn tell(
    args: &Reconcile,
    summary: &Summary,
    seller: &Seller,
    out: &mut Out,
) -> Result<Found, Failure> {
    if let Some(path) = &args.plan {
        summary.plan.write(path)?;
        out.note(format!(
            "{} lines are in {}",
            summary.plan.lines.len(),
            path.display()
        ));
    }
    summary.say(out)?;
    if let Some(path) = &args.report {
        let text = html::drawn(&page::page(summary, seller).await?)?;
        std::fs::write(path, text).map_err(|error| Failure::Disk {
            path: path.display().to_string(),
            problem: error.to_string(),
        })?;
        out.note(format!("the report is in {}", path.display()));
    }
    if let Some(stopped) = &summary.stopped {
        out.warning(stopped);
    }
    if let Some(why) = summary.why_incomplete() {
        return Err(Failure::Incomplete(why));
    }
    Ok(Found::when(
        summary.stopped.is_some() || summary.tally.rate() > summary.fail_over,
    ))
}

/// Reads and judges the channels.
async fn compare(
    args: &Reconcile,
    seller: &Seller,
    open: &OpenChannels,
    out: &mut Out,
) -> Result<Summary, Failure> {
    let desk = Desk {
        ledger: seller.ledger.clone(),
        bell: Doorbell::default(),
        clock: Arc::clone(&seller.clock),
    };
    let wanted = |id: &ChannelId| args.channel.as_ref().is_none_or(|only| only == id);
    let bar = out.progress(None, "reading listings and orders");
    let mut broken: BTreeMap<ChannelId, String> = BTreeMap::new();
    for (id, channel) in open.channels.iter().filter(|(id, _)| wanted(id)) {
        let own = id.clone();
        let known = seller
            .ledger
            .read(move |tables| tables.lists_any(&own))
            .await?;
        if (args.full || !known)
            && let Err(failure) = discover::refresh(id, channel, seller).await
        {
            broken.insert(id.clone(), failure.to_string());
        }
    }
    let mut sources: BTreeMap<ChannelId, Source> = open
        .channels
        .iter()
        .map(|(id, channel)| (id.clone(), daemon::source(channel)))
        .collect();
    let swept = sweep(seller, &sources, &desk).await;
    bar.finish_and_clear();
    let (swept, unswept) = swept?;
    for (id, why) in unswept {
        if !wanted(&id) {
            out.warning(format!("{why}; its sales may be missing in the books"));
        }
        broken.entry(id).or_insert(why);
    }
    sources.retain(|id, _| wanted(id) && !broken.contains_key(id));
    let compared = rounds(args, seller, &desk, sources, &swept, out).await?;
    let quiet = quiets(seller).await?;
    let mut channels = Vec::new();
    for found in compared {
        let orders = swept.get(&found.channel).map_or(0, |swept| swept.orders);
        channels.push(Channel::of(found, orders, &quiet));
    }
    channels.extend(
        broken
            .into_iter()
            .filter(|(id, _)| wanted(id))
            .map(|(id, why)| Channel::unread(id, why)),
    );
    Ok(Summary::of(channels, args, seller))
}

/// Compares these channels side by side, each on a task of its own: pages are understood on all processors.
async fn rounds(
    args: &Reconcile,
    seller: &Seller,
    desk: &Desk,
    mut sources: BTreeMap<ChannelId, Source>,
    swept: &BTreeMap<ChannelId, Swept>,
    out: &mut Out,
) -> Result<Vec<Findings>, Failure> {
    let policy = Arc::new(seller.policy.clone());
    let asked: Vec<_> = sources.keys().cloned().collect();
    let expected = Expected::read(desk, &policy, &asked).await?;
    let total: usize = expected.values().map(Expected::n_compared).sum();
    let bar = out.progress(Some(u64::try_from(total).unwrap_or(u64::MAX)), "levels");
    let progress: Progress = {
        let bar = bar.clone();
        Arc::new(move |n| bar.inc(u64::try_from(n).unwrap_or(0)))
    };
    let whole = Arc::new(all_swept(swept));
    let mut rounds = JoinSet::new();
    for (id, expected) in expected {
        if let Some(source) = sources.remove(&id) {
            let round = Round {
                source,
                desk: desk.clone(),
                policy: Arc::clone(&policy),
                expected,
                terms: terms(args, seller, &id),
                swept: Arc::clone(&whole),
                sold_here: swept
                    .get(&id)
                    .map_or_else(BTreeMap::new, |swept| swept.skus.clone()),
                progress: Arc::clone(&progress),
                id,
            };
            rounds.spawn(round.compare());
        }
    }
    let mut compared = Vec::new();
    while let Some(ended) = rounds.join_next().await {
        compared.push(ended.map_err(|error| StoreError::Other(error.to_string()))??);
    }
    bar.finish_and_clear();
    Ok(compared)
}

fn terms(args: &Reconcile, seller: &Seller, id: &ChannelId) -> Terms {
    let settings = &seller.settings.reconcile;
    let millis = |seconds: u64| i64::try_from(seconds.saturating_mul(1_000)).unwrap_or(i64::MAX);
    let edits = seller.settings.channels.get(id).map(|config| config.edits);
    Terms {
        in_flight_ms: millis(settings.in_flight_s),
        resume_ms: if args.full {
            0
        } else {
            millis(settings.resume_s)
        },
        edits: edits.unwrap_or_default(),
    }
}

type Sweeps = (BTreeMap<ChannelId, Swept>, BTreeMap<ChannelId, String>);

/// Reads the orders of every channel, also of those that are not compared: a sale there lowers what is due here. What could
/// not be read is told.
async fn sweep(
    seller: &Seller,
    sources: &BTreeMap<ChannelId, Source>,
    desk: &Desk,
) -> Result<Sweeps, StoreError> {
    let overlap_s = seller.settings.lanes.orders_overlap_s;
    let overlap_ms = i64::try_from(overlap_s.saturating_mul(1_000)).unwrap_or(i64::MAX);
    let one = |(id, source)| async move {
        let read: Result<Result<Swept, Fault>, StoreError> =
            sweep_orders(source, desk, id, overlap_ms, seller.now()).await;
        (id, read)
    };
    let mut found = (BTreeMap::new(), BTreeMap::new());
    for (id, read) in join_all(sources.iter().map(one)).await {
        match read? {
            Ok(swept) => drop(found.0.insert(id.clone(), swept)),
            Err(fault) => {
                let why = format!("the orders of {id} could not be read: {fault}");
                found.1.insert(id.clone(), why);
            }
        }
    }
    Ok(found)
}

fn all_swept(swept: &BTreeMap<ChannelId, Swept>) -> BTreeMap<Sku, Timestamp> {
    let mut whole: BTreeMap<Sku, Timestamp> = BTreeMap::new();
    for (sku, at) in swept.values().flat_map(|swept| &swept.skus) {
        let oldest = whole.entry(sku.clone()).or_insert(*at);
        *oldest = (*oldest).min(*at);
    }
    whole
}

/// Why nothing is sent to channels, where nothing is.
async fn quiets(seller: &Seller) -> Result<BTreeMap<ChannelId, String>, Failure> {
    let known = states(seller).await?;
    let why = |(id, state): (ChannelId, crate::ledger::tables::ChannelState)| {
        let config = seller.settings.channels.get(&id)?;
        Some((id, quiet(config, &state)?))
    };
    Ok(known.into_iter().filter_map(why).collect())
}
