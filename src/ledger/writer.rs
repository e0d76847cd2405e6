//! The owner of the store: one thread that takes whatever is waiting into one transaction, syncs once, and answers all.
//!
//! A commit costs a sync, so that grouping is what makes durable intake fast. If one of a group's jobs fails or panics,
//! each runs by itself, so that one failure is one answer. If the store itself fails, all are answered so: what another
//! process holds or a full disk refuses may work later; after a failed sync nothing is known of what was written, so the
//! thread ends and only a restart reads what is there (rule F8). Reads go to a second connection on a thread of its own.

use std::fmt;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::{Arc, Mutex, PoisonError, mpsc};
use std::thread;

use tokio::sync::{oneshot, watch};

use super::StoreError;
use super::incidents::watch;
use super::record::{BookRules, Intake, RecordError, Recorded, Says, record};
use super::tables::{Result, Store, Tables};
use crate::domain::clock::Clock;
use crate::planted;

/// Most jobs in one transaction: enough to spread a sync, few enough that the first does not wait for the last.
const GROUP_MAX: usize = 128;
/// Most jobs that wait; more callers wait for room.
const WAITING_MAX: usize = 4096;

type Work = Box<dyn FnMut(&mut dyn Tables) -> Result<()> + Send>;
type Done = Box<dyn FnOnce(Result<()>) + Send>;
type Alone = Box<dyn FnOnce(&mut dyn Store) + Send>;

enum Job {
    /// A message to take in.
    Record(Intake, oneshot::Sender<Result<Recorded>>),
    /// Anything else, grouped with others; may run more than once, and only its last run counts.
    Work(Work, Done),
    /// Something that needs the store for itself.
    Alone(Alone),
}

/// How messages are booked, and the time at which.
#[derive(Clone)]
struct Desk {
    rules: Arc<BookRules>,
    clock: Arc<dyn Clock>,
}

/// The books, to be shared by all that use them.
#[derive(Clone)]
pub struct Ledger {
    way: Way,
}

#[derive(Clone)]
enum Way {
    /// Over threads that own the connections.
    Threads {
        writer: mpsc::SyncSender<Job>,
        reader: mpsc::SyncSender<Job>,
        /// Closed when the writing thread has ended.
        lives: watch::Receiver<()>,
    },
    /// In place: the simulation wants the same steps in every run.
    Inline(Arc<Mutex<Box<dyn Store>>>, Desk),
}

impl fmt::Debug for Ledger {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Ledger")
    }
}

impl Ledger {
    /// Starts the threads that own a store: one connection writes, one reads.
    pub fn start(
        writer: Box<dyn Store>,
        reader: Box<dyn Store>,
        rules: impl Into<BookRules>,
        clock: Arc<dyn Clock>,
    ) -> Self {
        let desk = Desk {
            rules: Arc::new(rules.into()),
            clock,
        };
        let spawn = |mut store: Box<dyn Store>, desk: Desk, writes: bool| {
            let (sender, jobs) = mpsc::sync_channel(WAITING_MAX);
            let (life, lives) = watch::channel(());
            thread::spawn(move || {
                let _life = life;
                while let Ok(first) = jobs.recv() {
                    let group = gather(first, &jobs);
                    let ran = run_group(store.as_mut(), &desk, group, writes);
                    if let (Err(error), true) = (ran, writes) {
                        tracing::error!(%error, "the store is not written any more: {error}");
                        break;
                    }
                }
            });
            (sender, lives)
        };
        let (writer, lives) = spawn(writer, desk.clone(), true);
        let (reader, _) = spawn(reader, desk, false);
        let way = Way::Threads {
            writer,
            reader,
            lives,
        };
        Self { way }
    }

    /// A ledger whose every step is done when the call returns, without threads.
    pub fn inline(
        store: Box<dyn Store>,
        rules: impl Into<BookRules>,
        clock: Arc<dyn Clock>,
    ) -> Self {
        Self {
            way: Way::Inline(
                Arc::new(Mutex::new(store)),
                Desk {
                    rules: Arc::new(rules.into()),
                    clock,
                },
            ),
        }
    }

    /// Whether the store can be read, and is still written.
    ///
    /// # Errors
    /// Why not.
    pub async fn well(&self) -> Result<()> {
        if let Way::Threads { lives, .. } = &self.way
            && lives.has_changed().is_err()
        {
            return Err(StoreError::Closed);
        }
        self.read(|tables| tables.fact("plan")).await.map(drop)
    }

    /// Waits until the store is not written any more; it is not before a restart.
    pub async fn ended(&self) {
        match &self.way {
            Way::Threads { lives, .. } => {
                let mut lives = lives.clone();
                while lives.changed().await.is_ok() {}
            }
            Way::Inline(..) => std::future::pending().await,
        }
    }

    /// Takes one verified message in; durable when this returns.
    ///
    /// # Errors
    /// [`StoreError`] if the store cannot take it; nothing of it is kept then, and its sender must be told so.
    pub async fn record(&self, intake: Intake) -> Result<Recorded> {
        let Some(intake) = planted::early(intake) else {
            return Ok(Recorded::nothing_yet());
        };
        let (sender, answer) = oneshot::channel();
        self.hand(Job::Record(intake, sender), true).await?;
        answer.await.unwrap_or(Err(StoreError::Closed))
    }

    /// Runs work in a write transaction, together with whatever else is waiting. It may run more than once.
    ///
    /// # Errors
    /// What the work returned, or the store's.
    pub async fn write<R: Send + 'static>(
        &self,
        work: impl FnMut(&mut dyn Tables) -> Result<R> + Send + 'static,
    ) -> Result<R> {
        self.work(work, true).await
    }

    /// Runs work in a write transaction of its own, and rolls it back: what would be.
    ///
    /// # Errors
    /// What the work returned, or the store's.
    pub async fn rehearse<R: Send + 'static>(
        &self,
        mut work: impl FnMut(&mut dyn Tables) -> Result<R> + Send + 'static,
    ) -> Result<R> {
        let (sender, answer) = oneshot::channel();
        let alone: Alone = Box::new(move |store| {
            let mut found = None;
            let ran = store.rehearse(&mut |tables| {
                found = Some(work(tables)?);
                Ok(())
            });
            drop(sender.send(ran.and_then(|()| found.ok_or(StoreError::Closed))));
        });
        self.hand(Job::Alone(alone), true).await?;
        answer.await.unwrap_or(Err(StoreError::Closed))
    }

    /// Runs work over one consistent snapshot.
    ///
    /// # Errors
    /// What the work returned, or the store's.
    pub async fn read<R: Send + 'static>(
        &self,
        work: impl FnMut(&mut dyn Tables) -> Result<R> + Send + 'static,
    ) -> Result<R> {
        self.work(work, false).await
    }

    /// Whether another process has written to the store since the last call.
    ///
    /// # Errors
    /// If the store cannot be asked.
    pub async fn changed_by_others(&self) -> Result<bool> {
        let (sender, answer) = oneshot::channel();
        let alone: Alone = Box::new(move |store| drop(sender.send(store.changed_by_others())));
        self.hand(Job::Alone(alone), true).await?;
        answer.await.unwrap_or(Err(StoreError::Closed))
    }

    /// Replays the books and walks the audit chain; what is broken, in words.
    ///
    /// # Errors
    /// If the store cannot be read.
    pub async fn verify(&self) -> Result<Vec<String>> {
        let (sender, answer) = oneshot::channel();
        let alone: Alone = Box::new(move |store| drop(sender.send(store.verify())));
        self.hand(Job::Alone(alone), false).await?;
        answer.await.unwrap_or(Err(StoreError::Closed))
    }

    /// Leaves no trace of what was overwritten in any log beside the store; whether that could be done.
    ///
    /// # Errors
    /// If the store cannot be written.
    pub async fn fold_log(&self) -> Result<bool> {
        let (sender, answer) = oneshot::channel();
        let alone: Alone = Box::new(move |store| drop(sender.send(store.fold_log())));
        self.hand(Job::Alone(alone), true).await?;
        answer.await.unwrap_or(Err(StoreError::Closed))
    }

    async fn work<R: Send + 'static>(
        &self,
        mut work: impl FnMut(&mut dyn Tables) -> Result<R> + Send + 'static,
        writes: bool,
    ) -> Result<R> {
        let (sender, answer) = oneshot::channel();
        let slot = Arc::new(Mutex::new(None));
        let filled = Arc::clone(&slot);
        let run: Work = Box::new(move |tables| {
            let found = work(tables)?;
            *filled.lock().unwrap_or_else(PoisonError::into_inner) = Some(found);
            Ok(())
        });
        let done: Done = Box::new(move |result| {
            let found = slot.lock().unwrap_or_else(PoisonError::into_inner).take();
            drop(sender.send(result.and_then(|()| found.ok_or(StoreError::Closed))));
        });
        self.hand(Job::Work(run, done), writes).await?;
        answer.await.unwrap_or(Err(StoreError::Closed))
    }

    async fn hand(&self, job: Job, writes: bool) -> Result<()> {
        match &self.way {
            Way::Inline(store, desk) => {
                let mut store = store.lock().unwrap_or_else(PoisonError::into_inner);
                run_group(store.as_mut(), desk, vec![job], writes)
            }
            Way::Threads { writer, reader, .. } => {
                let sender = if writes { writer } else { reader };
                match sender.try_send(job) {
                    Ok(()) => Ok(()),
                    Err(mpsc::TrySendError::Disconnected(_)) => Err(StoreError::Closed),
                    Err(mpsc::TrySendError::Full(job)) => {
                        let sender = sender.clone();
                        let sent =
                            tokio::task::spawn_blocking(move || sender.send(job).is_ok()).await;
                        if matches!(sent, Ok(true)) {
                            Ok(())
                        } else {
                            Err(StoreError::Closed)
                        }
                    }
                }
            }
        }
    }
}

/// The first job and whatever else is waiting.
fn gather(first: Job, jobs: &mpsc::Receiver<Job>) -> Vec<Job> {
    let mut group = vec![first];
    while group.len() < GROUP_MAX
        && let Ok(job) = jobs.try_recv()
    {
        group.push(job);
    }
    group
}

/// Runs a group and answers it.
///
/// # Errors
/// If the disk failed: the store must not be written any more.
fn run_group(store: &mut dyn Store, desk: &Desk, group: Vec<Job>, writes: bool) -> Result<()> {
    let (mut intakes, mut answers, mut works, mut alone) =
        (Vec::new(), Vec::new(), Vec::new(), Vec::new());
    for job in group {
        match job {
            Job::Record(intake, answer) => {
                intakes.push(intake);
                answers.push(answer);
            }
            Job::Work(work, done) => works.push((work, done)),
            Job::Alone(job) => alone.push(job),
        }
    }
    let together = transact(store, desk, writes, &mut |tables| {
        let recorded = take_in(tables, desk, &mut intakes)?;
        works.iter_mut().try_for_each(|(work, _)| work(tables))?;
        Ok(recorded)
    });
    match together {
        Ok(recorded) => {
            for (answer, found) in answers.into_iter().zip(recorded) {
                drop(answer.send(Ok(found)));
            }
            for (_, done) in works {
                done(Ok(()));
            }
        }
        // The store said no, and would to each of them.
        Err(error @ (StoreError::Busy | StoreError::Full | StoreError::Disk(_))) => {
            for answer in answers {
                drop(answer.send(Err(error.clone())));
            }
            for (_, done) in works {
                done(Err(error.clone()));
            }
            if matches!(error, StoreError::Disk(_)) {
                return Err(error);
            }
        }
        Err(_) => one_by_one(
            store,
            desk,
            writes,
            intakes.into_iter().zip(answers).collect(),
            works,
        )?,
    }
    for job in alone {
        // Its caller learns of a panic from the answer that does not come.
        drop(catch_unwind(AssertUnwindSafe(|| job(store))));
    }
    Ok(())
}

/// After a job of a group failed: each in a transaction of its own, so that only what fails by itself fails.
fn one_by_one(
    store: &mut dyn Store,
    desk: &Desk,
    writes: bool,
    intakes: Vec<(Intake, oneshot::Sender<Result<Recorded>>)>,
    works: Vec<(Work, Done)>,
) -> Result<()> {
    let mut broken = Ok(());
    for (intake, answer) in intakes {
        let mut one = vec![intake];
        let result = broken.clone().and_then(|()| {
            transact(store, desk, true, &mut |tables| {
                take_in(tables, desk, &mut one)
            })
        });
        broken = broken.and(failed_disk(&result));
        let found = result.and_then(|mut found| found.pop().ok_or(StoreError::Closed));
        drop(answer.send(found));
    }
    for (mut work, done) in works {
        let result = broken
            .clone()
            .and_then(|()| transact(store, desk, writes, &mut |tables| work(tables)));
        broken = broken.and(failed_disk(&result));
        done(result);
    }
    broken
}

fn failed_disk<T>(result: &Result<T>) -> Result<()> {
    match result {
        Err(error @ StoreError::Disk(_)) => Err(error.clone()),
        _ => Ok(()),
    }
}

/// One transaction. A panic within it rolls it back and is an answer like any other.
///
/// Everything in it is read as of one moment, and whoever moved stock, in whatever way: if more is promised than there is,
/// that is written down in the same transaction.
fn transact<R>(
    store: &mut dyn Store,
    desk: &Desk,
    writes: bool,
    work: &mut dyn FnMut(&mut dyn Tables) -> Result<R>,
) -> Result<R> {
    let mut found = None;
    let mut run = |tables: &mut dyn Tables| {
        let now = desk.clock.now();
        tables.stand_at(now, &desk.rules.promises);
        found = Some(work(tables)?);
        if writes {
            watch(tables, &desk.rules, now)?;
        }
        Ok(())
    };
    let ran = catch_unwind(AssertUnwindSafe(|| {
        if writes {
            store.write(&mut run)
        } else {
            store.read(&mut run)
        }
    }));
    ran.map_err(|_| StoreError::Other("what was to be done in it panicked".to_owned()))??;
    found.ok_or(StoreError::Closed)
}

/// Takes messages in; one that cannot be decided is parked raw, and the transaction is begun again by the caller.
fn take_in(tables: &mut dyn Tables, desk: &Desk, intakes: &mut [Intake]) -> Result<Vec<Recorded>> {
    if intakes.is_empty() {
        return Ok(Vec::new());
    }
    // Nothing is written before everything is decided, so a poisonous message can be parked and the batch decided again
    // within the same transaction.
    loop {
        match record(tables, &desk.rules, intakes, desk.clock.now()) {
            Ok(recorded) => return Ok(recorded),
            Err(RecordError::Store(error)) => return Err(error),
            Err(RecordError::Poison { index, reason }) => match intakes.get_mut(index) {
                Some(intake) if !matches!(intake.says, Says::Unreadable { .. }) => {
                    intake.says = Says::Unreadable { reason };
                }
                _ => return Err(StoreError::Other(reason)),
            },
        }
    }
}

#[cfg(test)]
mod tests;
