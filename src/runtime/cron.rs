//! Runs jobs at their slots. Those come from `domain::schedule` over our own clock and from a table in the store; the ticker
//! only wakes us.
//!
//! A slot is taken by writing it down before its run begins, so that it is had once, whatever restarts or clocks do. A job
//! of a channel never overlaps itself: a slot that comes meanwhile is skipped, and counted. A run that panics or fails is
//! an outcome, and the next slot comes all the same.

use std::collections::{BTreeMap, BTreeSet};
use std::panic::AssertUnwindSafe;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use async_trait::async_trait;
use futures_util::FutureExt as _;
use tokio::sync::Notify;
use tokio_cron_scheduler::{Job, JobScheduler};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;
use tracing::{error, info, warn};

use crate::domain::clock::{Clock, Timestamp};
use crate::domain::ids::ChannelId;
use crate::domain::schedule::Timing;
use crate::ledger::runs::SlotRow;
use crate::ledger::{Ledger, StoreError};

/// When the ticker wakes us, in its own words: every second.
const EVERY_SECOND: &str = "* * * * * *";
/// We look at least this often by the steady clock: the ticker follows the wall clock, and stands still while that is
/// put back.
const LOOK_LEAST: Duration = Duration::from_secs(5);

/// One job, for one channel or for none alone.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Entry {
    /// Its name, by which its slots are kept.
    pub job: &'static str,
    /// The channel.
    pub channel: Option<ChannelId>,
    /// When it runs.
    pub timing: Timing,
}

/// What is done at a slot.
#[async_trait]
pub trait Work: Send + Sync {
    /// Does it; how it ended, in words. It should end soon after `stop`.
    ///
    /// # Errors
    /// Why it failed, in words.
    async fn run(
        &self,
        job: &'static str,
        channel: Option<&ChannelId>,
        stop: &CancellationToken,
    ) -> Result<String, String>;
}

type Key = (&'static str, Option<ChannelId>);

/// The jobs of one store.
pub struct Cron {
    entries: Vec<Entry>,
    ledger: Ledger,
    clock: Arc<dyn Clock>,
    work: Arc<dyn Work>,
    running: Arc<Mutex<BTreeSet<Key>>>,
    tasks: TaskTracker,
    stop: CancellationToken,
    /// The first look makes up for runs that broke off with the process.
    looked: bool,
}

impl std::fmt::Debug for Cron {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Cron({} jobs)", self.entries.len())
    }
}

/// What is to be done about an entry now.
enum Step {
    Nothing,
    /// It was never seen: its first slot is the next one.
    Register(SlotRow),
    Run(SlotRow),
    Skip(SlotRow),
}

impl Cron {
    /// A schedule that has not begun.
    pub fn new(
        entries: Vec<Entry>,
        ledger: Ledger,
        clock: Arc<dyn Clock>,
        work: Arc<dyn Work>,
    ) -> Self {
        Self {
            entries,
            ledger,
            clock,
            work,
            running: Arc::default(),
            tasks: TaskTracker::new(),
            stop: CancellationToken::new(),
            looked: false,
        }
    }

    /// Runs until it is stopped, then lets runs under way end for so long. Whether all of them did.
    ///
    /// # Errors
    /// If the ticker cannot be started, in its words.
    pub async fn run(mut self, stop: CancellationToken, goodbye: Duration) -> Result<bool, String> {
        let wake = Arc::new(Notify::new());
        let mut ticker = ticker(&wake).await.map_err(|error| error.to_string())?;
        while !stop.is_cancelled() {
            if let Err(error) = self.look().await {
                warn!(%error, "the schedule waits for the store");
            }
            tokio::select! {
                () = stop.cancelled() => break,
                () = wake.notified() => (),
                () = tokio::time::sleep(LOOK_LEAST) => (),
            }
        }
        if let Err(error) = ticker.shutdown().await {
            warn!(%error, "the ticker did not stop");
        }
        Ok(self.finish(goodbye).await)
    }

    /// Tells runs under way to stop, and waits for them for so long; whether all ended.
    pub async fn finish(self, goodbye: Duration) -> bool {
        self.stop.cancel();
        self.tasks.close();
        let ended = tokio::time::timeout(goodbye, self.tasks.wait())
            .await
            .is_ok();
        if !ended {
            warn!("some runs did not end in time; what they did until now is kept");
        }
        ended
    }

    /// Waits until nothing runs.
    pub async fn idle(&self) {
        self.tasks.close();
        self.tasks.wait().await;
        self.tasks.reopen();
    }

    /// Starts whatever is due; how many runs were started.
    ///
    /// # Errors
    /// As the store: nothing more is started, and what was not is due the next time.
    pub async fn look(&mut self) -> Result<usize, StoreError> {
        let now = self.clock.now();
        let known = self.known().await?;
        let mut started = 0;
        for entry in &self.entries {
            let row = known.get(&(entry.job, entry.channel.clone()));
            if matches!(self.step(entry, row, now), Step::Nothing) {
                continue;
            }
            started += usize::from(self.act(entry, now).await?);
        }
        self.looked = true;
        Ok(started)
    }

    async fn known(&self) -> Result<BTreeMap<Key, SlotRow>, StoreError> {
        let rows = self.ledger.read(|tables| tables.slots()).await?;
        let named = |row: SlotRow| {
            let entry = self.entries.iter().find(|entry| entry.job == row.job)?;
            Some(((entry.job, row.channel.clone()), row))
        };
        Ok(rows.into_iter().filter_map(named).collect())
    }

    /// Decides for one entry.
    fn step(&self, entry: &Entry, row: Option<&SlotRow>, now: Timestamp) -> Step {
        let key = (entry.job, entry.channel.clone());
        let runs = self.running().contains(&key);
        let Some(row) = row else {
            if entry.timing == Timing::Off {
                return Step::Nothing;
            }
            return Step::Register(SlotRow {
                job: entry.job.to_owned(),
                channel: entry.channel.clone(),
                slot: now,
                started_at: None,
                finished_at: None,
                outcome: None,
                runs: 0,
                missed: 0,
                skipped: 0,
            });
        };
        let broke_off = row.started_at.is_some() && row.finished_at.is_none() && !runs;
        let due = entry.timing.due(Timing::believed(row.slot, now), now);
        let began = |slot, missed: u32| SlotRow {
            slot,
            started_at: Some(now),
            finished_at: None,
            outcome: None,
            missed: row.missed + i64::from(missed),
            ..row.clone()
        };
        match due {
            Some(due) if runs => Step::Skip(SlotRow {
                slot: due.slot,
                skipped: row.skipped + 1 + i64::from(due.missed),
                ..row.clone()
            }),
            Some(due) => Step::Run(began(due.slot, due.missed)),
            None if broke_off && !self.looked && entry.timing != Timing::Off => {
                Step::Run(began(row.slot, 0))
            }
            None => Step::Nothing,
        }
    }

    /// Takes the slot and starts its run; whether a run was started.
    async fn act(&self, entry: &Entry, now: Timestamp) -> Result<bool, StoreError> {
        // Once more within the transaction: the row may have changed since it was read.
        let known = self.known().await?;
        let key = (entry.job, entry.channel.clone());
        let before = known.get(&key).map(|row| row.slot);
        let (row, runs) = match self.step(entry, known.get(&key), now) {
            Step::Nothing => return Ok(false),
            Step::Register(row) => (row, false),
            Step::Run(row) => (row, true),
            Step::Skip(row) => {
                info!(
                    job = entry.job,
                    "{} is still running: its slot is skipped", entry.job
                );
                (row, false)
            }
        };
        if runs {
            self.running().insert(key.clone());
        }
        let claim = row.clone();
        let claimed = self
            .ledger
            .write(move |tables| tables.claim_slot(before, &claim))
            .await;
        if !runs {
            return claimed.map(|_| false);
        }
        if !matches!(claimed, Ok(true)) {
            self.running().remove(&key);
            return claimed.map(|_| false);
        }
        self.spawn(key);
        Ok(true)
    }

    fn spawn(&self, key: Key) {
        let (work, ledger, clock) = (
            Arc::clone(&self.work),
            self.ledger.clone(),
            Arc::clone(&self.clock),
        );
        let (running, stop) = (Arc::clone(&self.running), self.stop.child_token());
        self.tasks.spawn(async move {
            let (job, channel) = (key.0, key.1.clone());
            let run = AssertUnwindSafe(work.run(job, channel.as_ref(), &stop)).catch_unwind();
            let outcome = match run.await {
                Ok(Ok(says)) => says,
                Ok(Err(why)) => {
                    warn!(job, "{job} failed: {why}");
                    format!("failed: {why}")
                }
                Err(_) => {
                    error!(job, "{job} broke off: a mistake in this program");
                    "broke off: a mistake in this program".to_owned()
                }
            };
            let now = clock.now();
            let ended = ledger
                .write(move |tables| tables.end_slot(job, channel.as_ref(), now, &outcome))
                .await;
            if let Err(error) = ended {
                warn!(job, %error, "how {job} ended could not be kept");
            }
            running
                .lock()
                .unwrap_or_else(PoisonError::into_inner)
                .remove(&key);
        });
    }

    fn running(&self) -> std::sync::MutexGuard<'_, BTreeSet<Key>> {
        self.running.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The ticker. It keeps one offset for ever and knows no slot table, so it is trusted with nothing but waking us.
async fn ticker(
    wake: &Arc<Notify>,
) -> Result<JobScheduler, tokio_cron_scheduler::JobSchedulerError> {
    let ticker = JobScheduler::new().await?;
    let wake = Arc::clone(wake);
    let tick = Job::new_async(EVERY_SECOND, move |_, _| {
        let wake = Arc::clone(&wake);
        Box::pin(async move { wake.notify_one() })
    })?;
    ticker.add(tick).await?;
    ticker.start().await?;
    Ok(ticker)
}

#[cfg(test)]
mod tests;
