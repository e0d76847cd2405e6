//! `schedule`: what runs by the clock, until it is told to stop; and what runs next.

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use chrono::{DateTime, SecondsFormat};
use chrono_tz::Tz;
use serde::Serialize;
use tokio::signal::unix::{SignalKind, signal};
use tokio_util::sync::CancellationToken;

use super::lock::WorkLock;
use super::pass::Delivery;
use super::seller::{OpenChannels, Seller};
use super::{daemon, exports, keeping, reconcile, sync};
use crate::broker::Doorbell;
use crate::cli::{Reconcile, Schedule, SyncOnce, TierChoice};
use crate::config::{Job, Mode};
use crate::domain::clock::Timestamp;
use crate::domain::ids::ChannelId;
use crate::domain::schedule::Timing;
use crate::exit::{Failure, Found};
use crate::ledger::runs::SlotRow;
use crate::output::{Cell, Out, Wishes};
use crate::runtime::cron::{Cron, Entry, Work};
use crate::runtime::desk::Desk;
use crate::runtime::fetcher::sweep_orders;

/// The name of the lock: one process runs the schedule of a store.
const WORK: &str = "schedule";

/// What is done at the slots.
struct Jobs {
    seller: Arc<Seller>,
    open: Arc<OpenChannels>,
    delivery: Delivery,
    bell: Doorbell,
}

#[async_trait]
impl Work for Jobs {
    async fn run(
        &self,
        name: &'static str,
        channel: Option<&ChannelId>,
        stop: &CancellationToken,
    ) -> Result<String, String> {
        let jobs = &self.seller.settings.schedule.jobs;
        let job = jobs.iter().find(|one| one.job.word() == name);
        let job = job.ok_or_else(|| format!("no job is called {name}"))?.job;
        if job == Job::Retention {
            // It stops by itself between two chunks.
            let gone = keeping::forget(&self.seller, stop).await;
            return gone
                .map(|gone| {
                    format!(
                        "{} messages, {} rows of the audit",
                        gone.events, gone.audit_rows
                    )
                })
                .map_err(|error| error.to_string());
        }
        tokio::select! {
            done = self.work(job, channel) => done.map_err(|failure| failure.to_string()),
            () = stop.cancelled() => Err("stopped; the next run goes on from here".to_owned()),
        }
    }
}

impl Jobs {
    async fn work(&self, job: Job, channel: Option<&ChannelId>) -> Result<String, Failure> {
        let mut silent = Out::to(Wishes::default(), std::io::sink(), std::io::sink());
        let seller = &*self.seller;
        let sync = |tier| SyncOnce {
            channel: channel.cloned(),
            tier,
            ..SyncOnce::default()
        };
        let compare = |full| Reconcile {
            full,
            apply: seller.settings.schedule.apply.then_some(None),
            ..Reconcile::default()
        };
        let found = match job {
            Job::SyncB => {
                sync::sync(sync(TierChoice::B), seller, &self.delivery, &mut silent).await?
            }
            Job::SyncC => {
                sync::sync(sync(TierChoice::C), seller, &self.delivery, &mut silent).await?
            }
            Job::Reconcile => {
                reconcile::reconcile(compare(false), seller, &self.delivery, &mut silent).await?
            }
            Job::ReconcileFull => {
                reconcile::reconcile(compare(true), seller, &self.delivery, &mut silent).await?
            }
            Job::Orders => return self.orders(channel).await,
            Job::Classify => {
                let folder = seller.settings.schedule.exports.as_deref();
                let folder = folder.unwrap_or(std::path::Path::new(""));
                return exports::refresh(seller, folder)
                    .await
                    .map_err(Failure::Call);
            }
            Job::Retention => return Ok(String::new()),
        };
        Ok(match found {
            Found::Nothing => "done",
            Found::Something => "done, and something was found",
        }
        .to_owned())
    }

    async fn orders(&self, channel: Option<&ChannelId>) -> Result<String, Failure> {
        let Some((id, open)) = channel.and_then(|id| self.open.channels.get_key_value(id)) else {
            return Ok("no channel".to_owned());
        };
        let desk = Desk {
            ledger: self.seller.ledger.clone(),
            bell: self.bell.clone(),
            clock: Arc::clone(&self.seller.clock),
        };
        let overlap_s = self.seller.settings.lanes.orders_overlap_s;
        let overlap_ms = i64::try_from(overlap_s.saturating_mul(1_000)).unwrap_or(i64::MAX);
        let source = daemon::source(open);
        let now = self.seller.now();
        let read = sweep_orders(&source, &desk, id, overlap_ms, now).await?;
        let swept = read.map_err(|fault| Failure::Platform {
            doing: "read the orders of",
            channel: id.clone(),
            fault,
        })?;
        self.bell.orders_read(id);
        Ok(format!("{} orders found", swept.orders))
    }
}

/// The entries of the settings: jobs of channels once for each.
fn entries(seller: &Seller) -> Vec<Entry> {
    let settings = &seller.settings;
    let mut found = Vec::new();
    for job in &settings.schedule.jobs {
        if job.job == Job::Classify && settings.schedule.exports.is_none() {
            continue;
        }
        let entry = |channel| Entry {
            job: job.job.word(),
            channel,
            timing: job.timing.clone(),
        };
        if !job.job.per_channel() {
            found.push(entry(None));
            continue;
        }
        for config in settings.channels.values() {
            // Nothing is ever sent to a channel that is only observed.
            if job.job == Job::Orders || config.mode == Mode::Manage {
                found.push(entry(Some(config.id.clone())));
            }
        }
    }
    found
}

/// Runs the schedule until it is stopped, and lets runs under way end.
///
/// # Errors
/// [`Failure::Running`] if another process does; [`Failure::Call`] if the ticker cannot be started.
pub(super) async fn run(
    seller: &Arc<Seller>,
    open: &Arc<OpenChannels>,
    bell: Doorbell,
    stop: CancellationToken,
) -> Result<(), Failure> {
    let _lock = WorkLock::take(&seller.settings.store_path(), WORK)?;
    let jobs = Jobs {
        seller: Arc::clone(seller),
        open: Arc::clone(open),
        delivery: Delivery::over(Arc::clone(open)),
        bell,
    };
    let cron = Cron::new(
        entries(seller),
        seller.ledger.clone(),
        Arc::clone(&seller.clock),
        Arc::new(jobs),
    );
    let goodbye = Duration::from_secs(seller.settings.schedule.goodbye_s);
    cron.run(stop, goodbye)
        .await
        .map(drop)
        .map_err(|error| Failure::Call(format!("start the schedule: {error}")))
}

/// Runs in the foreground until SIGINT or SIGTERM, then ends runs under way and exits 0.
pub(super) async fn schedule(seller: Seller, out: &mut Out) -> Result<Found, Failure> {
    let seller = Arc::new(seller);
    if seller.settings.schedule.exports.is_some() && !exports::CAN_CLASSIFY {
        out.warning("[schedule] exports is set, and this build cannot read exports");
    }
    let open = Arc::new(seller.open_channels(None).await?);
    let stop = CancellationToken::new();
    let mut interrupt = signal(SignalKind::interrupt()).map_err(Failure::Start)?;
    let mut terminate = signal(SignalKind::terminate()).map_err(Failure::Start)?;
    out.note(format!(
        "{} jobs run by the clock; `onhand schedule --list` shows when",
        entries(&seller).len()
    ));
    let ended = {
        let mut running = std::pin::pin!(run(&seller, &open, Doorbell::default(), stop.clone()));
        tokio::select! {
            ended = &mut running => ended,
            _ = interrupt.recv() => { stop.cancel(); running.await }
            _ = terminate.recv() => { stop.cancel(); running.await }
        }
    };
    close(open).await;
    ended?;
    Ok(Found::Nothing)
}

/// Waits until every call is in the audit, if nobody else uses the channels any more.
pub(super) async fn close(open: Arc<OpenChannels>) {
    if let Some(open) = Arc::into_inner(open) {
        open.close().await;
    }
}

/// One job as it is shown.
#[derive(Debug, Serialize)]
struct Planned {
    job: &'static str,
    channel: Option<ChannelId>,
    when: String,
    timezone: String,
    /// In its zone.
    next_local: Option<String>,
    next_utc: Option<Timestamp>,
    last_slot: Option<Timestamp>,
    running: bool,
    outcome: Option<String>,
    runs: i64,
    missed: i64,
    skipped: i64,
}

/// Shows when each job runs next.
pub(super) async fn list(_: Schedule, seller: &Seller, out: &mut Out) -> Result<Found, Failure> {
    let rows = seller.ledger.read(|tables| tables.slots()).await?;
    let now = seller.now();
    let all: Vec<_> = entries(seller)
        .into_iter()
        .map(|entry| {
            let own = |row: &&SlotRow| row.job == entry.job && row.channel == entry.channel;
            next(&entry, rows.iter().find(own), seller, now)
        })
        .collect();
    let cells: Vec<_> = all.iter().map(row).collect();
    let headers = &[
        "job",
        "channel",
        "when",
        "timezone",
        "next_local",
        "next_utc",
        "last_slot",
        "runs",
        "missed",
        "skipped",
        "outcome",
    ];
    let body = serde_json::json!({ "jobs": all });
    out.result("onhand.schedule/1", &body, headers, &cells)?;
    Ok(Found::Nothing)
}

fn next(entry: &Entry, row: Option<&SlotRow>, seller: &Seller, now: Timestamp) -> Planned {
    let jobs = &seller.settings.schedule.jobs;
    let own = jobs.iter().find(|one| one.job.word() == entry.job);
    let zone = own.map_or(Tz::UTC, |one| one.zone);
    // What was missed runs as soon as the schedule does.
    let overdue = row.is_some_and(|row| {
        entry
            .timing
            .due(Timing::believed(row.slot, now), now)
            .is_some()
    });
    let next = if overdue {
        Some(now)
    } else {
        entry.timing.next_after(now)
    };
    let began = row.filter(|row| row.started_at.is_some());
    Planned {
        job: entry.job,
        channel: entry.channel.clone(),
        when: entry.timing.to_string(),
        timezone: zone.name().to_owned(),
        next_local: next.and_then(|at| local(at, zone)),
        next_utc: next,
        last_slot: began.map(|row| row.slot),
        running: began.is_some_and(|row| row.finished_at.is_none()),
        outcome: row.and_then(|row| row.outcome.clone()),
        runs: row.map_or(0, |row| row.runs),
        missed: row.map_or(0, |row| row.missed),
        skipped: row.map_or(0, |row| row.skipped),
    }
}

fn local(at: Timestamp, zone: Tz) -> Option<String> {
    let at = DateTime::from_timestamp_millis(at.millis())?;
    Some(
        at.with_timezone(&zone)
            .to_rfc3339_opts(SecondsFormat::Secs, false),
    )
}

fn row(next: &Planned) -> Vec<Cell> {
    let time = |at: Option<Timestamp>| Cell::from(at.map(Timestamp::to_seconds_text));
    vec![
        next.job.into(),
        next.channel
            .as_ref()
            .map(|id| id.as_str().to_owned())
            .into(),
        next.when.as_str().into(),
        next.timezone.as_str().into(),
        next.next_local.clone().into(),
        time(next.next_utc),
        time(next.last_slot),
        next.runs.into(),
        next.missed.into(),
        next.skipped.into(),
        if next.running {
            Cell::from("running")
        } else {
            next.outcome.clone().into()
        },
    ]
}
