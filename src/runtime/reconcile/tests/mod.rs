//! A channel that says what the test wants: pages that move, answers that are empty, levels that never take hold.

#![expect(clippy::indexing_slicing, reason = "a test may panic")]

mod expected;

use std::collections::VecDeque;
use std::sync::{Arc, Mutex};

use async_trait::async_trait;

use super::repair::{Taken, take_in};
use super::*;
use crate::broker::Doorbell;
use crate::channels::{Cursor, Fault, Level, Page, Profile, Which};
use crate::domain::catalog::{Folding, Fulfilment, Mapping};
use crate::domain::clock::Clock;
use crate::domain::decide::ChannelRules;
use crate::domain::delivery::Shown;
use crate::domain::ids::{ListingKey, LocationId};
use crate::domain::stock::Basis;
use crate::ledger::Ledger;
use crate::ledger::counts::{Counted, count};
use crate::ledger::record::ChannelBooks;
use crate::ledger::sqlite::Sqlite;
use crate::ledger::tables::{CatalogRow, Selection, Settled};
use crate::runtime::testing::{Open, Script, Scripted, profile};

const NOW_MS: i64 = 1_795_000_000_000;

#[derive(Debug)]
struct Noon;

impl Clock for Noon {
    fn now(&self) -> Timestamp {
        Timestamp::from_millis(NOW_MS)
    }
}

type Shows = Vec<(&'static str, Option<i64>)>;

/// Answers in order: pages of all levels, and levels that are asked for by id.
#[derive(Debug)]
struct Shelf {
    profile: Profile,
    pages: Mutex<VecDeque<Result<Shows, Fault>>>,
    again: Mutex<VecDeque<Shows>>,
    asked: Mutex<Vec<String>>,
}

#[async_trait]
impl Script for Shelf {
    fn profile(&self) -> &Profile {
        &self.profile
    }
    async fn levels(&self, which: Which<'_>) -> Result<Page<Level>, Fault> {
        let (shows, next) = match which {
            Which::All(cursor) => {
                let cursor = cursor.map_or_else(|| "start".to_owned(), |cursor| cursor.0);
                self.asked.lock().unwrap().push(cursor);
                let mut pages = self.pages.lock().unwrap();
                let page = pages
                    .pop_front()
                    .expect("a page that the test did not foresee")?;
                let next = (!pages.is_empty()).then(|| Cursor(format!("page {}", pages.len())));
                (page, next)
            }
            Which::These(ids) => {
                let ids: Vec<_> = ids.iter().map(ListingId::as_str).collect();
                self.asked.lock().unwrap().push(ids.join("+"));
                (
                    self.again.lock().unwrap().pop_front().unwrap_or_default(),
                    None,
                )
            }
        };
        let level = |(listing, shows): (&str, Option<i64>)| Level {
            listing: ListingId::new(listing).unwrap(),
            shows,
            at: None,
        };
        Ok(Page {
            items: shows.into_iter().map(level).collect(),
            next,
            unreadable: Vec::new(),
        })
    }
}

/// A shop `web` whose listings 1, 2, 3 should show 5 each, and did when they were last sent.
struct House {
    shelf: Arc<Shelf>,
    source: Source,
    desk: Desk,
    policy: Policy,
}

fn web() -> ChannelId {
    ChannelId::new("web").unwrap()
}

fn key(listing: &str) -> ListingKey {
    ListingKey {
        channel: web(),
        listing: ListingId::new(listing).unwrap(),
    }
}

/// Counts the goods, lists them, and notes that each shows 5 since an hour ago.
async fn stock(ledger: &Ledger, place: &LocationId) {
    let long_ago = Timestamp::from_millis(NOW_MS - 3_600_000);
    let own = place.clone();
    ledger
        .write(move |t| {
            for listing in ["1", "2", "3"] {
                let sku = Sku::new(&format!("SKU-{listing}")).unwrap();
                let counted = Counted {
                    sku: sku.clone(),
                    location: own.clone(),
                    units: 5,
                    basis: Basis::OnHand,
                    set_aside: None,
                    at: long_ago,
                };
                count(t, &[counted], "test", long_ago)?;
                t.put_listings(&[CatalogRow {
                    key: key(listing),
                    alias: None,
                    their_sku: None,
                    mapping: Some(Mapping {
                        sku,
                        factor: 1,
                        location: None,
                        fulfilment: Fulfilment::Merchant,
                    }),
                    not_publishable: None,
                }])?;
            }
            for state in t.listings(&Selection::default())? {
                let version = state.feed_version();
                t.settle(&[Settled {
                    key: state.key,
                    shown: Shown::Known {
                        quantity: 5,
                        as_of: long_ago,
                    },
                    compared: Some(false),
                    stale: false,
                    acked: Some(version),
                    verified_at: Some(long_ago),
                    failures: 0,
                    due_at: long_ago,
                }])?;
            }
            Ok(())
        })
        .await
        .unwrap();
}

impl House {
    async fn open(pages: Vec<Result<Shows, Fault>>, again: Vec<Shows>) -> Self {
        let place = LocationId::new("main").unwrap();
        let books = ChannelBooks {
            rules: ChannelRules {
                location: place.clone(),
                clock_skew_ms: 0,
            },
            folding: Folding::default(),
            delivery_id_unique: true,
        };
        let store = Box::new(Sqlite::in_memory().unwrap());
        let ledger = Ledger::inline(store, BTreeMap::from([(web(), books)]), Arc::new(Noon));
        stock(&ledger, &place).await;
        let shelf = Arc::new(Shelf {
            profile: profile(),
            pages: Mutex::new(pages.into()),
            again: Mutex::new(again.into()),
            asked: Mutex::default(),
        });
        Self {
            source: Source {
                channel: Arc::new(Scripted(Arc::clone(&shelf))),
                line: Arc::new(Open),
            },
            shelf,
            desk: Desk {
                ledger,
                bell: Doorbell::default(),
                clock: Arc::new(Noon),
            },
            policy: Policy {
                places: BTreeMap::from([(web(), vec![place])]),
                ..Policy::default()
            },
        }
    }

    async fn compare(&self) -> Findings {
        self.round().await.compare().await.unwrap()
    }

    async fn round(&self) -> Round {
        let policy = Arc::new(self.policy.clone());
        let expected = Expected::read(&self.desk, &policy, &[web()]).await;
        Round {
            id: web(),
            source: self.source.clone(),
            desk: self.desk.clone(),
            expected: expected.unwrap().remove(&web()).unwrap(),
            policy,
            terms: Terms {
                in_flight_ms: 60_000,
                resume_ms: 3_600_000,
                edits: Edits::PushBack,
            },
            swept: Arc::default(),
            sold_here: BTreeMap::new(),
            progress: Arc::new(|_| ()),
        }
    }

    fn asked(&self) -> Vec<String> {
        std::mem::take(&mut self.shelf.asked.lock().unwrap())
    }

    /// Listings that a lane would send to.
    async fn dirty(&self) -> Vec<String> {
        let which = Selection {
            dirty: true,
            ..Selection::default()
        };
        let found = self
            .desk
            .ledger
            .read(move |t| t.listings(&which))
            .await
            .unwrap();
        found
            .into_iter()
            .map(|state| state.key.listing.to_string())
            .collect()
    }
}

fn classes(found: &Findings) -> Vec<(String, Class)> {
    let line = |line: &Line| (line.listing.to_string(), line.class);
    found.lines.iter().map(line).collect()
}

#[tokio::test]
async fn fault_56_a_page_that_moves_while_it_is_read_causes_no_wrong_push() {
    // An item came in front, so that 2 slid from the second page to nowhere, 1 is seen twice, and once with an old number.
    let pages = vec![
        Ok(vec![("1", Some(4))]),
        Ok(vec![("1", Some(5)), ("3", Some(5))]),
    ];
    let again = vec![vec![("1", Some(5)), ("2", Some(5))]];
    let house = House::open(pages, again).await;
    let found = house.compare().await;
    assert_eq!(found.incomplete, None);
    assert_eq!(house.asked(), ["start", "page 1", "1+2"]);
    assert_eq!((found.tally.compared, found.tally.drifted()), (3, 0));
    assert_eq!(classes(&found), []);
    assert!(house.dirty().await.is_empty());
}

#[tokio::test]
async fn a_number_that_moves_between_the_looks_is_in_flight() {
    let pages = vec![Ok(vec![("1", Some(4)), ("2", Some(5)), ("3", Some(5))])];
    let house = House::open(pages, vec![vec![("1", Some(3))]]).await;
    let found = house.compare().await;
    assert_eq!(classes(&found), [("1".to_owned(), Class::InFlight)]);
    assert_eq!((found.tally.compared, found.tally.drifted()), (2, 0));
    let taken = take_in(&house.desk, &house.policy, &found.lines)
        .await
        .unwrap();
    assert!(taken.is_empty() && house.dirty().await.is_empty());
}

#[tokio::test]
async fn an_empty_answer_zeroes_nothing() {
    let house = House::open(vec![Ok(vec![])], vec![]).await;
    let found = house.compare().await;
    let why = found.incomplete.as_deref().unwrap();
    assert!(why.contains("none of its 3 listings"), "{why}");
    assert!(found.lines.is_empty() && house.dirty().await.is_empty());
    assert_eq!(house.asked(), ["start"], "it is not even looked at again");
}

#[tokio::test]
async fn what_is_absent_at_both_looks_is_told_and_not_touched() {
    let pages = vec![Ok(vec![("1", Some(5)), ("2", Some(5)), ("9", Some(7))])];
    let house = House::open(pages, vec![vec![]]).await;
    let found = house.compare().await;
    assert_eq!(
        classes(&found),
        [
            ("3".to_owned(), Class::NotListed),
            ("9".to_owned(), Class::Unmapped)
        ]
    );
    assert_eq!((found.tally.compared, found.tally.drifted()), (2, 0));
    let taken = take_in(&house.desk, &house.policy, &found.lines)
        .await
        .unwrap();
    assert!(taken.is_empty() && house.dirty().await.is_empty());
}

#[tokio::test]
async fn a_reading_that_breaks_off_is_incomplete_and_the_next_goes_on() {
    let gone = || Err(Fault::Rejected("no".to_owned()));
    let pages = vec![Ok(vec![("1", Some(9))]), gone()];
    let house = House::open(pages, vec![]).await;
    let found = house.compare().await;
    assert!(found.incomplete.unwrap().contains("was cut off"));
    assert!(house.dirty().await.is_empty());
    assert_eq!(house.asked(), ["start", "page 1"]);
    house
        .shelf
        .pages
        .lock()
        .unwrap()
        .extend([Ok(vec![("2", Some(5)), ("3", Some(5))])]);
    house
        .shelf
        .again
        .lock()
        .unwrap()
        .push_back(vec![("1", Some(9))]);
    let found = house.compare().await;
    assert!(found.resumed && found.incomplete.is_none());
    assert_eq!(
        house.asked(),
        ["page 1", "1"],
        "the first page is not read again"
    );
    assert_eq!(classes(&found), [("1".to_owned(), Class::Edited)]);
    let taken = take_in(&house.desk, &house.policy, &found.lines)
        .await
        .unwrap();
    assert_eq!(taken.get(&key("1")), Some(&Taken::Opened));
    assert_eq!(house.dirty().await, ["1"]);
}

#[tokio::test]
async fn what_moved_while_the_pages_were_read_is_looked_at_again() {
    let pages = vec![Ok(vec![("1", Some(5)), ("2", Some(5)), ("3", Some(5))])];
    let house = House::open(pages, vec![vec![("2", Some(5))]]).await;
    let round = house.round().await;
    let sold = Timestamp::from_millis(NOW_MS);
    house
        .desk
        .ledger
        .write(move |t| {
            let place = LocationId::new("main").unwrap();
            let sku = Sku::new("SKU-2").unwrap();
            crate::ledger::counts::adjust(t, (&sku, &place), -1, ("found broken", "test"), sold)
        })
        .await
        .unwrap();
    let found = round.compare().await.unwrap();
    assert_eq!(house.asked(), ["start", "2"]);
    assert_eq!(classes(&found), [("2".to_owned(), Class::InFlight)]);
    assert_eq!((found.tally.compared, found.tally.drifted()), (2, 0));
}

#[tokio::test]
async fn a_run_is_not_gone_on_with_over_another_catalogue() {
    let gone = || Err(Fault::Rejected("no".to_owned()));
    let house = House::open(vec![Ok(vec![("1", Some(5))]), gone()], vec![]).await;
    assert!(house.compare().await.incomplete.is_some());
    house
        .desk
        .ledger
        .write(|t| {
            let mapping = Mapping {
                sku: Sku::new("SKU-1").unwrap(),
                factor: 1,
                location: None,
                fulfilment: Fulfilment::Merchant,
            };
            t.put_listings(&[CatalogRow {
                key: key("4"),
                alias: None,
                their_sku: None,
                mapping: Some(mapping),
                not_publishable: None,
            }])
        })
        .await
        .unwrap();
    let all = ["1", "2", "3", "4"].map(|listing| (listing, Some(5)));
    house
        .shelf
        .pages
        .lock()
        .unwrap()
        .push_back(Ok(all.to_vec()));
    house.asked();
    let found = house.compare().await;
    assert!(!found.resumed && found.incomplete.is_none());
    assert_eq!(house.asked(), ["start"]);
    assert_eq!(found.tally.compared, 4);
}

#[tokio::test]
async fn a_whole_run_verifies_all_but_what_differed() {
    let pages = vec![Ok(vec![("1", Some(5)), ("2", Some(9)), ("3", Some(5))])];
    let house = House::open(pages, vec![vec![("2", Some(9))]]).await;
    let verified = || async {
        let keys = ["1", "2"].map(key).into_iter().collect();
        let read = house.desk.ledger.read(move |t| t.verified(&keys)).await;
        let read = read.unwrap();
        ["1", "2"].map(|listing| read[&key(listing)].millis() == NOW_MS)
    };
    let found = house.compare().await;
    assert_eq!(verified().await, [false, false], "it is not finished");
    let end = move |t: &mut dyn crate::ledger::tables::Tables| {
        t.end_run(found.run, Timestamp::from_millis(NOW_MS), "{}")
    };
    house.desk.ledger.write(end).await.unwrap();
    assert_eq!(verified().await, [true, false]);
}
