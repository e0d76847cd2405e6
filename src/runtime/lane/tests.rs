//! A lane over a scripted platform. What many lanes and shops do together is in the simulation.

use std::collections::{BTreeMap, VecDeque};
use std::sync::Mutex;
use std::sync::atomic::{AtomicI64, AtomicUsize, Ordering};

use super::*;
use crate::channels::{Fault, Level, Page, Profile, Update, Verdict, Which};
use crate::domain::catalog::{Fulfilment, Mapping};
use crate::domain::ids::{ListingKey, LocationId, Sku};
use crate::domain::stock::Basis;
use crate::domain::tier::Tier;
use crate::ledger::counts::{self, Counted};
use crate::ledger::sqlite::Sqlite;
use crate::ledger::tables::{CatalogRow, ChannelState, DeadLetter, Settled, Tables};
use crate::runtime::testing::{Open, Script, Scripted, profile};

fn at(ms: i64) -> Timestamp {
    Timestamp::from_millis(ms)
}

fn shop() -> ChannelId {
    ChannelId::new("shop").unwrap()
}

fn key(listing: &str) -> ListingKey {
    ListingKey {
        channel: shop(),
        listing: ListingId::new(listing).unwrap(),
    }
}

#[derive(Debug)]
struct Hand(AtomicI64);

impl Clock for Hand {
    fn now(&self) -> Timestamp {
        at(self.0.load(Ordering::SeqCst))
    }
}

type Answer = Result<Verdict, Fault>;

/// A platform that says what its script says, then takes everything; it remembers what it was asked.
#[derive(Debug)]
struct Fake {
    profile: Profile,
    script: Mutex<VecDeque<Answer>>,
    shows: Mutex<Option<i64>>,
    calls: Mutex<Vec<String>>,
}

#[async_trait]
impl Script for Fake {
    fn profile(&self) -> &Profile {
        &self.profile
    }
    async fn publish(&self, updates: &[Update]) -> Vec<Answer> {
        let named = updates
            .iter()
            .map(|one| format!("{}={}", one.listing, one.quantity.units()));
        let call = format!("set {}", named.collect::<Vec<_>>().join(" "));
        self.calls.lock().unwrap().push(call);
        let mut script = self.script.lock().unwrap();
        let answer = |_| script.pop_front().unwrap_or(Ok(Verdict::Applied));
        updates.iter().map(answer).collect()
    }
    async fn levels(&self, which: Which<'_>) -> Result<Page<Level>, Fault> {
        let Which::These(listings) = which else {
            unreachable!()
        };
        let mut calls = self.calls.lock().unwrap();
        calls.extend(listings.iter().map(|listing| format!("read {listing}")));
        let Some(units) = *self.shows.lock().unwrap() else {
            return Err(Fault::Transient("busy".to_owned()));
        };
        let level = |listing: &ListingId| Level {
            listing: listing.clone(),
            shows: Some(units),
            at: None,
        };
        Ok(Page {
            items: listings.iter().map(level).collect(),
            next: None,
            unreadable: Vec::new(),
        })
    }
}

/// Counts permits. While the first is waited for, one of `sells` is sold; with `shut` none is ever given.
struct Gate {
    permits: AtomicUsize,
    sells: Option<&'static str>,
    shut: bool,
    ledger: Ledger,
    bell: Doorbell,
}

#[async_trait]
impl Line for Gate {
    async fn open(&self) -> Box<dyn Wire> {
        if self.shut {
            std::future::pending::<()>().await;
        }
        let first = self.permits.fetch_add(1, Ordering::SeqCst) == 0;
        if let Some(text) = self.sells.filter(|_| first) {
            stock(&self.ledger, text, 3).await;
            let mark = Mark {
                sold_at: None,
                received_at: at(1),
            };
            self.bell
                .changed(&BTreeSet::from([Sku::new(text).unwrap()]), mark);
        }
        Box::new(Open)
    }
    fn throttled(&self, _: Option<u64>) {}
}

/// Counts so many units of a SKU.
async fn stock(ledger: &Ledger, text: &str, units: i64) {
    let row = Counted {
        sku: Sku::new(text).unwrap(),
        location: LocationId::new("main").unwrap(),
        units,
        basis: Basis::OnHand,
        set_aside: None,
        at: at(1),
    };
    let counted = ledger
        .write(move |tables| counts::count(tables, std::slice::from_ref(&row), "test", at(1)));
    counted.await.unwrap();
}

/// Offers a SKU under its own name, which shows `shown` (`None`: nothing is known); clean or dirty.
async fn offer(ledger: &Ledger, text: &'static str, shown: Option<i64>, clean: bool) {
    let row = CatalogRow {
        key: key(text),
        alias: None,
        their_sku: None,
        mapping: Some(Mapping {
            sku: Sku::new(text).unwrap(),
            factor: 1,
            location: None,
            fulfilment: Fulfilment::Merchant,
        }),
        not_publishable: None,
    };
    let work = move |tables: &mut dyn Tables| {
        tables.put_listings(std::slice::from_ref(&row))?;
        let which = Selection::default();
        let states = tables.listings(&which)?;
        let state = states.iter().find(|state| state.key == key(text));
        let Some(quantity) = shown else {
            return Ok(());
        };
        tables.settle(&[Settled {
            key: key(text),
            shown: Shown::Known {
                quantity,
                as_of: at(1),
            },
            compared: Some(false),
            stale: false,
            acked: state.map(ListingState::feed_version).filter(|_| clean),
            verified_at: None,
            failures: 0,
            due_at: at(0),
        }])
    };
    ledger.write(work).await.unwrap();
}

/// A lane and everything around it.
struct Scene {
    lane: Lane,
    fake: Arc<Fake>,
    gate: Arc<Gate>,
    clock: Arc<Hand>,
    ledger: Ledger,
}

/// What is on offer: a name, what it shows, and whether that is acknowledged. Of each there are 5 units.
type Offer = (&'static str, Option<i64>, bool);

impl Scene {
    async fn new(offers: &[Offer], profile: Profile, sells: Option<&'static str>) -> Self {
        let clock = Arc::new(Hand(AtomicI64::new(1_000_000)));
        let store = Box::new(Sqlite::in_memory().unwrap());
        let ledger = Ledger::inline(store, BTreeMap::new(), Arc::<Hand>::clone(&clock));
        for &(text, shown, clean) in offers {
            stock(&ledger, text, 5).await;
            offer(&ledger, text, shown, clean).await;
        }
        let bell = Doorbell::default();
        let fake = Arc::new(Fake {
            profile,
            script: Mutex::default(),
            shows: Mutex::default(),
            calls: Mutex::default(),
        });
        let gate = Arc::new(Gate {
            permits: AtomicUsize::new(0),
            sells,
            shut: false,
            ledger: ledger.clone(),
            bell: bell.clone(),
        });
        let mut lane = Lane::new(Parts {
            id: shop(),
            channel: Arc::new(Scripted(Arc::clone(&fake))),
            line: Arc::<Gate>::clone(&gate),
            ledger: ledger.clone(),
            terms: terms(),
            clock: Arc::<Hand>::clone(&clock),
            dice: Box::new(|| 0),
            bell,
        });
        lane.look(&everything()).await.unwrap();
        Self {
            lane,
            fake,
            gate,
            clock,
            ledger,
        }
    }

    fn says(&self, answer: &Answer, times: usize) {
        let answers = std::iter::repeat_n(answer.clone(), times);
        self.fake.script.lock().unwrap().extend(answers);
    }

    fn calls(&self) -> Vec<String> {
        self.fake.calls.lock().unwrap().clone()
    }

    async fn letters(&self) -> Vec<DeadLetter> {
        let read = self.ledger.read(|tables| tables.dead_letters());
        read.await.unwrap()
    }

    /// Turns until nothing is due, and goes to the time of the next turn; whether there is one.
    async fn next_turn(&mut self) -> bool {
        while !self.lane.turn().await.unwrap().is_idle() {}
        let most = Duration::from_hours(24);
        let wait = self.lane.queue.next_in(self.clock.now(), most);
        let ms = i64::try_from(wait.as_millis()).unwrap();
        self.clock.0.fetch_add(ms, Ordering::SeqCst);
        wait < most
    }
}

fn everything() -> Rings {
    Rings {
        sweep: true,
        ..Rings::default()
    }
}

fn terms() -> Terms {
    Terms {
        policy: Arc::new(Policy {
            unclassified: Some(Tier::A),
            places: BTreeMap::from([(shop(), vec![LocationId::new("main").unwrap()])]),
            ..Policy::default()
        }),
        rules: LaneRules {
            batch_b_ms: 60_000,
            batch_c_ms: 300_000,
            near_empty: 9,
            age_max_ms: 900_000,
        },
        ladder: Ladder::default(),
    }
}

fn batches_of(batch_max: usize) -> Profile {
    Profile {
        batch_max,
        ..profile()
    }
}

#[tokio::test]
async fn what_is_sold_while_a_permit_is_waited_for_goes_with_that_call() {
    let offers = [("A", Some(9), false), ("B", Some(5), true)];
    let mut scene = Scene::new(&offers, batches_of(50), Some("B")).await;
    assert_eq!(scene.lane.turn().await.unwrap().sent, 2);
    assert_eq!(scene.calls(), ["set B=3 A=5"]);
    assert_eq!(scene.gate.permits.load(Ordering::SeqCst), 1);
}

#[tokio::test]
async fn what_needs_no_call_shares_one_permit_and_leaves_it_to_what_does() {
    let offers = [
        ("A", Some(5), false),
        ("B", Some(5), false),
        ("C", Some(9), false),
    ];
    let mut scene = Scene::new(&offers, batches_of(1), None).await;
    let (mut acknowledged, mut turns) = (0, 0);
    while acknowledged < 2 {
        acknowledged += scene.lane.turn().await.unwrap().acknowledged;
        turns += 1;
    }
    assert!(turns <= 2, "{turns} turns");
    assert_eq!(scene.gate.permits.load(Ordering::SeqCst), turns);
    assert_eq!(scene.calls(), ["set C=5"]);
}

#[tokio::test]
async fn no_quantity_waits_for_a_read_and_grows_old() {
    let offers = [("A", None, false), ("B", Some(9), false)];
    let mut scene = Scene::new(&offers, batches_of(50), None).await;
    scene.lane.turn().await.unwrap();
    assert_eq!(scene.calls(), ["set B=5", "read A"]);
}

#[tokio::test]
async fn after_an_outage_longer_than_the_ladder_the_number_goes_out_and_the_letter_closes() {
    let mut scene = Scene::new(&[("A", Some(9), false)], batches_of(50), None).await;
    let tries = terms().ladder.waits_ms.len() + 1;
    scene.says(
        &Err(Fault::Transient("no connection".to_owned())),
        tries + 2,
    );
    for n in 1..=tries + 2 {
        assert!(scene.next_turn().await, "try {n} is followed by another");
        let told = scene.letters().await;
        let attempts = told.first().map(|letter| letter.attempts);
        let wanted = u32::try_from(n).ok().filter(|_| n >= tries);
        assert_eq!(attempts, wanted, "try {n}");
    }
    assert!(!scene.next_turn().await, "it is done");
    assert_eq!(scene.calls().len(), tries + 3);
    assert_eq!(scene.letters().await, []);
}

#[tokio::test]
async fn accepted_is_not_applied() {
    let mut scene = Scene::new(&[("A", Some(9), false)], batches_of(50), None).await;
    scene.says(&Ok(Verdict::Accepted), 1);
    *scene.fake.shows.lock().unwrap() = Some(9);
    while scene.next_turn().await {}
    // The read shows the old number, so it is sent again.
    assert_eq!(scene.calls(), ["set A=5", "read A", "set A=5"]);
}

#[tokio::test]
async fn what_may_be_below_zero_is_read_before_zero_is_written() {
    let mut scene = Scene::new(&[("A", Some(2), false)], batches_of(50), None).await;
    stock(&scene.ledger, "A", 0).await;
    scene.says(&Err(Fault::Unknown("cut".to_owned())), 1);
    *scene.fake.shows.lock().unwrap() = Some(-3);
    while scene.next_turn().await {}
    assert_eq!(scene.calls(), ["set A=0", "read A"]);
}

#[tokio::test]
async fn a_held_channel_sleeps() {
    let mut scene = Scene::new(&[("A", Some(9), false)], batches_of(50), None).await;
    let hold = |tables: &mut dyn Tables| {
        let held = Some("told to".to_owned());
        let state = ChannelState {
            held,
            ..ChannelState::default()
        };
        tables.set_channel(&shop(), &state)
    };
    scene.ledger.write(hold).await.unwrap();
    let stop = CancellationToken::new();
    let nap = scene.lane.go(&Rings::default(), &stop).await.unwrap();
    assert_eq!(nap, NAP_MAX);
    assert_eq!(scene.calls(), [""; 0]);
}

#[tokio::test]
async fn a_lane_that_waits_for_a_permit_can_be_stopped() {
    let scene = Scene::new(&[("A", Some(9), false)], batches_of(50), None).await;
    let mut lane = scene.lane;
    lane.parts.line = Arc::new(Gate {
        permits: AtomicUsize::new(0),
        sells: None,
        shut: true,
        ledger: scene.ledger.clone(),
        bell: Doorbell::default(),
    });
    let stop = CancellationToken::new();
    let running = tokio::spawn(lane.run(stop.clone()));
    tokio::task::yield_now().await;
    stop.cancel();
    running.await.unwrap();
}

#[tokio::test]
async fn fault_42_a_ring_that_was_lost_costs_a_sweep_and_no_update() {
    let mut scene = Scene::new(&[("A", Some(5), true)], batches_of(50), None).await;
    assert!(scene.lane.turn().await.unwrap().is_idle());
    // Whoever carries the news was down: the stock changed, and nobody rang.
    stock(&scene.ledger, "A", 3).await;
    scene.lane.look(&Rings::default()).await.unwrap();
    assert!(scene.lane.turn().await.unwrap().is_idle());
    scene.lane.look(&everything()).await.unwrap();
    while !scene.lane.turn().await.unwrap().is_idle() {}
    // It comes back and tells late, and twice: there is nothing left to do.
    let late = Rings {
        skus: BTreeMap::from([(
            Sku::new("A").unwrap(),
            Mark {
                sold_at: None,
                received_at: at(1),
            },
        )]),
        ..Rings::default()
    };
    for _ in 0..2 {
        scene.lane.look(&late).await.unwrap();
        assert!(scene.lane.turn().await.unwrap().is_idle());
    }
    assert_eq!(scene.calls(), ["set A=3"]);
}
