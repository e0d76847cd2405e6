//! For tests: a store that fails as disks and other processes make it fail.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, mpsc};

use super::StoreError;
use super::sqlite::Sqlite;
use super::tables::{Result, Store, Tables};

/// What the next writes meet.
#[derive(Debug, Default)]
pub(crate) struct Weather {
    /// One each; none: they succeed.
    pub(crate) failures: Mutex<VecDeque<StoreError>>,
    /// Writes that were tried.
    pub(crate) writes: Mutex<usize>,
    /// A write that waits here, before anything of it is done: it says that it came, and waits to be let on.
    pub(crate) gate: Mutex<Option<(mpsc::Sender<()>, mpsc::Receiver<()>)>>,
}

impl Weather {
    /// The next write fails so.
    pub(crate) fn fail(&self, error: StoreError) {
        self.failures.lock().unwrap().push_back(error);
    }

    /// How many writes were tried.
    pub(crate) fn writes(&self) -> usize {
        *self.writes.lock().unwrap()
    }
}

/// A store in memory, in that weather.
pub(crate) struct Exposed {
    store: Sqlite,
    weather: Arc<Weather>,
}

impl Exposed {
    pub(crate) fn new(weather: &Arc<Weather>) -> Box<Self> {
        Box::new(Self {
            store: Sqlite::in_memory().unwrap(),
            weather: Arc::clone(weather),
        })
    }
}

impl Store for Exposed {
    fn write(&mut self, work: &mut dyn FnMut(&mut dyn Tables) -> Result<()>) -> Result<()> {
        *self.weather.writes.lock().unwrap() += 1;
        let gate = self.weather.gate.lock().unwrap().take();
        if let Some((came, on)) = gate {
            came.send(()).unwrap();
            on.recv().unwrap();
        }
        let failure = self.weather.failures.lock().unwrap().pop_front();
        match failure {
            Some(error) => Err(error),
            None => self.store.write(work),
        }
    }

    fn read(&mut self, work: &mut dyn FnMut(&mut dyn Tables) -> Result<()>) -> Result<()> {
        self.store.read(work)
    }

    fn changed_by_others(&mut self) -> Result<bool> {
        self.store.changed_by_others()
    }

    fn verify(&mut self) -> Result<Vec<String>> {
        self.store.verify()
    }
}
