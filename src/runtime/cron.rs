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
mod tests {
    use std::sync::atomic::{AtomicI64, Ordering};

    use super::*;
    use crate::ledger::sqlite::Sqlite;
    use tokio::sync::Semaphore;

    #[derive(Debug, Default)]
    struct Hand(AtomicI64);

    impl Clock for Hand {
        fn now(&self) -> Timestamp {
            Timestamp::from_millis(self.0.load(Ordering::SeqCst))
        }
    }

    impl Hand {
        fn set(&self, text: &str) {
            self.0
                .store(Timestamp::parse(text).unwrap().millis(), Ordering::SeqCst);
        }
    }

    /// Writes down what ran; each run waits for a permit.
    struct Diary(Mutex<Vec<String>>, Semaphore);

    #[async_trait]
    impl Work for Diary {
        async fn run(
            &self,
            job: &'static str,
            channel: Option<&ChannelId>,
            stop: &CancellationToken,
        ) -> Result<String, String> {
            let name = channel.map_or_else(|| job.to_owned(), |id| format!("{job} {id}"));
            self.0.lock().unwrap().push(name);
            assert!(job != "panics", "as planned");
            tokio::select! {
                permit = self.1.acquire() => permit.unwrap().forget(),
                () = stop.cancelled() => return Err("stopped".to_owned()),
            }
            Ok("done".to_owned())
        }
    }

    struct Office {
        clock: Arc<Hand>,
        diary: Arc<Diary>,
        ledger: Ledger,
        entries: Vec<Entry>,
    }

    impl Office {
        fn open(jobs: &[(&'static str, Option<&str>, &str, &str)], permits: usize) -> Self {
            let clock = Arc::new(Hand::default());
            clock.set("2026-11-25T10:00:00Z");
            let store = Box::new(Sqlite::in_memory().unwrap());
            let own: Arc<dyn Clock> = Arc::clone(&clock) as _;
            let entry =
                |(job, channel, when, zone): &(&'static str, Option<&str>, &str, &str)| Entry {
                    job,
                    channel: channel.map(|id| ChannelId::new(id).unwrap()),
                    timing: Timing::parse(when, zone.parse().unwrap()).unwrap(),
                };
            Self {
                diary: Arc::new(Diary(Mutex::default(), Semaphore::new(permits))),
                ledger: Ledger::inline(store, BTreeMap::new(), own),
                entries: jobs.iter().map(entry).collect(),
                clock,
            }
        }

        fn cron(&self) -> Cron {
            Cron::new(
                self.entries.clone(),
                self.ledger.clone(),
                Arc::clone(&self.clock) as _,
                Arc::clone(&self.diary) as _,
            )
        }

        fn ran(&self) -> Vec<String> {
            std::mem::take(&mut self.diary.0.lock().unwrap())
        }

        async fn row(&self) -> SlotRow {
            let rows = self.ledger.read(|tables| tables.slots()).await.unwrap();
            rows.into_iter().next().unwrap()
        }

        /// Looks at this time, and lets what was started end if it can.
        async fn look(&self, cron: &mut Cron, at: &str) -> usize {
            self.clock.set(at);
            let started = cron.look().await.unwrap();
            for _ in 0..20 {
                tokio::task::yield_now().await;
            }
            started
        }
    }

    #[tokio::test(start_paused = true)]
    async fn a_job_runs_at_its_slots_and_once_for_all_it_missed() {
        let office = Office::open(&[("sync", None, "5m", "UTC")], 100);
        let mut cron = office.cron();
        assert_eq!(
            office.look(&mut cron, "2026-11-25T10:01:00Z").await,
            0,
            "not at the start"
        );
        assert_eq!(office.look(&mut cron, "2026-11-25T10:04:59Z").await, 0);
        assert_eq!(office.look(&mut cron, "2026-11-25T10:05:00Z").await, 1);
        assert_eq!(
            office.look(&mut cron, "2026-11-25T10:05:01Z").await,
            0,
            "once per slot"
        );
        // The machine slept for two hours.
        assert_eq!(office.look(&mut cron, "2026-11-25T12:06:00Z").await, 1);
        assert_eq!(
            office.look(&mut cron, "2026-11-25T12:06:01Z").await,
            0,
            "no storm"
        );
        drop(cron);
        // So did the process, over night.
        let mut cron = office.cron();
        assert_eq!(office.look(&mut cron, "2026-11-26T07:00:00Z").await, 1);
        let row = office.row().await;
        assert_eq!((row.runs, row.missed, row.skipped), (3, 23 + 226, 0));
        assert_eq!(row.outcome.as_deref(), Some("done"));
        assert_eq!(office.ran().len(), 3);
    }

    #[tokio::test(start_paused = true)]
    async fn a_slow_run_skips_its_own_slots_and_no_other() {
        let jobs = [
            ("sync", Some("shop"), "5m", "UTC"),
            ("sync", Some("web"), "5m", "UTC"),
            ("orders", Some("shop"), "5m", "UTC"),
        ];
        let office = Office::open(&jobs, 0);
        let mut cron = office.cron();
        office.look(&mut cron, "2026-11-25T10:00:00Z").await;
        assert_eq!(office.look(&mut cron, "2026-11-25T10:05:00Z").await, 3);
        assert_eq!(office.look(&mut cron, "2026-11-25T10:10:00Z").await, 0);
        assert_eq!(office.look(&mut cron, "2026-11-25T10:15:00Z").await, 0);
        office.diary.1.add_permits(3);
        cron.idle().await;
        let rows = office.ledger.read(|tables| tables.slots()).await.unwrap();
        let counts: Vec<_> = rows.iter().map(|row| (row.runs, row.skipped)).collect();
        assert_eq!(counts, [(1, 2); 3]);
        assert_eq!(office.look(&mut cron, "2026-11-25T10:20:00Z").await, 3);
        office.diary.1.add_permits(3);
        cron.idle().await;
    }

    #[tokio::test(start_paused = true)]
    async fn daily_jobs_run_once_on_both_nights_of_every_zone() {
        for (zone, nights) in [
            (
                "Europe/Berlin",
                ["2026-03-29T00:00:00Z", "2026-10-25T00:00:00Z"],
            ),
            (
                "America/New_York",
                ["2026-03-08T04:00:00Z", "2026-11-01T04:00:00Z"],
            ),
            (
                "Australia/Lord_Howe",
                ["2026-04-04T12:00:00Z", "2026-10-03T12:00:00Z"],
            ),
        ] {
            for night in nights {
                let jobs = [
                    ("daily", None, "30 2 * * *", zone),
                    ("hourly", None, "1h", zone),
                ];
                let office = Office::open(&jobs, 1_000);
                let mut cron = office.cron();
                let begin = Timestamp::parse(night).unwrap();
                office.look(&mut cron, night).await;
                // A look every ten minutes of a whole day from the local midnight on.
                for n in 1..=144 {
                    let at = begin.plus(n * 600_000).to_string();
                    office.look(&mut cron, &at).await;
                }
                let ran = office.ran();
                let count = |job: &str| ran.iter().filter(|name| *name == job).count();
                assert_eq!((count("daily"), count("hourly")), (1, 24), "{zone} {night}");
            }
        }
    }

    #[tokio::test(start_paused = true)]
    async fn a_clock_that_jumps_runs_nothing_twice_and_stops_nothing() {
        let office = Office::open(&[("sync", None, "5m", "UTC")], 100);
        let mut cron = office.cron();
        office.look(&mut cron, "2026-11-25T10:00:00Z").await;
        assert_eq!(office.look(&mut cron, "2026-11-25T10:05:00Z").await, 1);
        assert_eq!(
            office.look(&mut cron, "2026-11-25T09:05:00Z").await,
            0,
            "an hour back"
        );
        assert_eq!(
            office.look(&mut cron, "2026-11-25T10:05:30Z").await,
            0,
            "had already"
        );
        assert_eq!(
            office.look(&mut cron, "2026-11-25T11:06:00Z").await,
            1,
            "an hour ahead: once"
        );
        assert_eq!(
            office.look(&mut cron, "2036-11-25T10:00:00Z").await,
            1,
            "ten years ahead: once"
        );
        assert_eq!(
            office.look(&mut cron, "2026-11-25T11:10:00Z").await,
            0,
            "and back"
        );
        assert_eq!(office.look(&mut cron, "2026-11-25T11:16:00Z").await, 0);
        assert_eq!(office.ran().len(), 3);
    }

    #[tokio::test(start_paused = true)]
    async fn a_panic_is_an_outcome_and_the_next_slot_comes() {
        let office = Office::open(&[("panics", None, "5m", "UTC")], 0);
        let mut cron = office.cron();
        office.look(&mut cron, "2026-11-25T10:00:00Z").await;
        assert_eq!(office.look(&mut cron, "2026-11-25T10:05:00Z").await, 1);
        cron.idle().await;
        assert!(office.row().await.outcome.unwrap().starts_with("broke off"));
        assert_eq!(office.look(&mut cron, "2026-11-25T10:10:00Z").await, 1);
    }

    #[tokio::test(start_paused = true)]
    async fn a_stop_lets_runs_end_and_a_run_that_broke_off_is_made_up_for() {
        let office = Office::open(&[("reconcile", None, "3h", "UTC")], 0);
        let mut cron = office.cron();
        office.look(&mut cron, "2026-11-25T10:00:00Z").await;
        assert_eq!(office.look(&mut cron, "2026-11-25T12:00:00Z").await, 1);
        assert!(
            cron.finish(Duration::from_secs(5)).await,
            "it ended when it was told to"
        );
        assert_eq!(
            office.row().await.outcome.as_deref(),
            Some("failed: stopped")
        );
        let mut cron = office.cron();
        assert_eq!(
            office.look(&mut cron, "2026-11-25T13:00:00Z").await,
            0,
            "it had its slot"
        );
        assert_eq!(office.look(&mut cron, "2026-11-25T15:00:00Z").await, 1);
        // As a kill does: nothing of the run is written down any more.
        let row = office.row().await;
        drop(cron);
        assert!(row.finished_at.is_none());
        let mut cron = office.cron();
        assert_eq!(
            office.look(&mut cron, "2026-11-25T15:00:10Z").await,
            1,
            "at once"
        );
        assert_eq!(office.look(&mut cron, "2026-11-25T15:00:20Z").await, 0);
    }

    #[tokio::test]
    async fn the_ticker_wakes_and_stops() {
        let wake = Arc::new(Notify::new());
        let mut ticking = ticker(&wake).await.unwrap();
        tokio::time::timeout(Duration::from_secs(20), wake.notified())
            .await
            .expect("it wakes");
        ticking.shutdown().await.unwrap();
    }
}
