//! What the owner of the store does when the store or its work fails.

use std::collections::BTreeMap;
use std::time::Duration;

use super::super::testing::{Exposed, Weather};
use super::*;
use crate::domain::clock::Timestamp;

#[derive(Debug)]
struct Still;

impl Clock for Still {
    fn now(&self) -> Timestamp {
        Timestamp::from_millis(1)
    }
}

fn ledger(weather: &Arc<Weather>) -> Ledger {
    let calm = Arc::new(Weather::default());
    Ledger::start(
        Exposed::new(weather),
        Exposed::new(&calm),
        BTreeMap::new(),
        Arc::new(Still),
    )
}

async fn note(ledger: &Ledger, text: &'static str) -> Result<()> {
    ledger
        .write(move |tables| tables.set_fact("noted", text))
        .await
}

/// What was noted, by the connection that writes.
async fn noted(ledger: &Ledger) -> Option<String> {
    ledger.write(|tables| tables.fact("noted")).await.unwrap()
}

#[tokio::test]
async fn a_full_disk_is_said_once_and_works_again_when_there_is_room() {
    let weather = Arc::new(Weather::default());
    let ledger = ledger(&weather);
    for error in [StoreError::Full, StoreError::Busy] {
        let before = weather.writes();
        weather.fail(error.clone());
        assert_eq!(note(&ledger, "a").await, Err(error));
        assert_eq!(weather.writes(), before + 1, "it is not tried again");
    }
    assert_eq!(note(&ledger, "b").await, Ok(()));
    assert_eq!(noted(&ledger).await.as_deref(), Some("b"));
    assert_eq!(ledger.well().await, Ok(()));
}

#[tokio::test]
async fn after_a_failed_sync_nothing_is_written_any_more() {
    let weather = Arc::new(Weather::default());
    let ledger = ledger(&weather);
    let failed = StoreError::Disk("planted".to_owned());
    weather.fail(failed.clone());
    assert_eq!(note(&ledger, "a").await, Err(failed));
    let ended = tokio::time::timeout(Duration::from_mins(1), ledger.ended()).await;
    ended.expect("the writing ends");
    assert_eq!(note(&ledger, "b").await, Err(StoreError::Closed));
    assert_eq!(ledger.well().await, Err(StoreError::Closed));
    assert_eq!(weather.writes(), 1, "the sync is not tried again");
}

#[tokio::test]
async fn work_that_panics_is_answered_and_the_next_is_done() {
    let weather = Arc::new(Weather::default());
    let ledger = ledger(&weather);
    let panics = ledger.write(|tables| -> Result<()> {
        tables.set_fact("noted", "half")?;
        panic!("planted")
    });
    assert!(matches!(panics.await, Err(StoreError::Other(says)) if says.contains("panicked")));
    assert_eq!(noted(&ledger).await, None, "nothing of it is kept");
    assert_eq!(note(&ledger, "b").await, Ok(()));
}

#[tokio::test]
async fn a_panic_costs_the_others_of_its_group_nothing() {
    let weather = Arc::new(Weather::default());
    let ledger = ledger(&weather);
    let (came, reached) = mpsc::channel();
    let (let_on, on) = mpsc::channel();
    *weather.gate.lock().unwrap() = Some((came, on));
    let first = tokio::spawn({
        let ledger = ledger.clone();
        async move { note(&ledger, "first").await }
    });
    tokio::task::spawn_blocking(move || reached.recv().unwrap())
        .await
        .unwrap();
    // These two wait together, and become one group.
    let both = tokio::spawn(async move {
        let panics = ledger.write(|_| -> Result<()> { panic!("planted") });
        let fine = ledger.write(|tables| tables.set_fact("noted", "fine"));
        tokio::join!(panics, fine)
    });
    tokio::task::yield_now().await;
    let_on.send(()).unwrap();
    assert_eq!(first.await.unwrap(), Ok(()));
    let (panicked, fine) = both.await.unwrap();
    assert!(panicked.is_err());
    assert_eq!(fine, Ok(()));
}

#[tokio::test]
async fn a_rehearsal_tells_what_would_be_and_changes_nothing() {
    let weather = Arc::new(Weather::default());
    let ledger = ledger(&weather);
    let would = ledger.rehearse(|tables| {
        tables.set_fact("noted", "rehearsed")?;
        tables.fact("noted")
    });
    assert_eq!(would.await.unwrap().as_deref(), Some("rehearsed"));
    assert_eq!(noted(&ledger).await, None);
    let refused = ledger.rehearse(|_| -> Result<()> { Err(StoreError::Busy) });
    assert_eq!(refused.await, Err(StoreError::Busy));
}
