//! Slots, gaps, overlaps and stops, on a clock that the tests set.

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
        let entry = |(job, channel, when, zone): &(&'static str, Option<&str>, &str, &str)| Entry {
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
async fn fault_19_a_job_runs_at_its_slots_and_once_for_all_it_missed() {
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
async fn fault_18_daily_jobs_run_once_on_both_nights_of_every_zone() {
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
async fn fault_17_a_clock_that_jumps_runs_nothing_twice_and_stops_nothing() {
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
