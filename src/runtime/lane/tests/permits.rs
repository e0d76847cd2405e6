//! What a permit covers. Everything else about lanes is in the simulation.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};

use super::super::*;
use crate::broker::Doorbell;
use crate::channels::{
    Cursor, Fault, Finding, Level, Listing, Page, Profile, Quota, Receipt, Reply, Request,
    SubscriptionReport, Token, Webhook,
};
use crate::domain::catalog::{Fulfilment, Mapping};
use crate::domain::ids::{LocationId, OrderId, Sku};
use crate::domain::order::OrderSnapshot;
use crate::domain::stock::Basis;
use crate::domain::tier::Tier;
use crate::ledger::counts::{self, Counted};
use crate::ledger::sqlite::Sqlite;
use crate::ledger::tables::{CatalogRow, Tables};
use crate::runtime::testing::profile;

fn at(ms: i64) -> Timestamp {
    Timestamp::from_millis(ms)
}

fn shop() -> ChannelId {
    ChannelId::new("shop").unwrap()
}

#[derive(Debug)]
struct Still;

impl Clock for Still {
    fn now(&self) -> Timestamp {
        at(1_000_000)
    }
}

/// A platform that takes every quantity and remembers each call.
#[derive(Debug)]
struct Fake {
    profile: Profile,
    calls: Mutex<Vec<BTreeSet<String>>>,
}

#[async_trait]
impl Channel for Fake {
    fn profile(&self) -> &Profile {
        &self.profile
    }
    async fn receive(&self, _: &dyn Wire, _: &Webhook<'_>, _: Timestamp) -> Result<Receipt, Fault> {
        unreachable!()
    }
    async fn order(&self, _: &dyn Wire, _: &OrderId) -> Result<OrderSnapshot, Fault> {
        unreachable!()
    }
    async fn orders_since(
        &self,
        _: &dyn Wire,
        _: Timestamp,
        _: Option<Cursor>,
    ) -> Result<Page<OrderSnapshot>, Fault> {
        unreachable!()
    }
    async fn publish(&self, _: &dyn Wire, updates: &[Update]) -> Vec<Result<Verdict, Fault>> {
        let listings = updates.iter().map(|update| update.listing.to_string());
        self.calls.lock().unwrap().push(listings.collect());
        updates.iter().map(|_| Ok(Verdict::Applied)).collect()
    }
    async fn collect(&self, _: &dyn Wire, _: &[String]) -> Vec<Result<Verdict, Fault>> {
        unreachable!()
    }
    async fn levels(&self, _: &dyn Wire, _: Which<'_>) -> Result<Page<Level>, Fault> {
        unreachable!()
    }
    async fn listings(&self, _: &dyn Wire, _: Option<Cursor>) -> Result<Page<Listing>, Fault> {
        unreachable!()
    }
    async fn subscriptions(&self, _: &dyn Wire, _: bool) -> Result<SubscriptionReport, Fault> {
        unreachable!()
    }
    async fn check(&self, _: &dyn Wire) -> Result<Vec<Finding>, Fault> {
        unreachable!()
    }
    async fn refresh(&self, _: &dyn Wire, _: Option<&Token>) -> Result<Token, Fault> {
        unreachable!()
    }
    fn quota(&self, _: &Reply) -> Option<Quota> {
        None
    }
}

struct NoWire;

#[async_trait]
impl Wire for NoWire {
    async fn send(&self, _: Request) -> Result<Reply, Fault> {
        unreachable!()
    }
    fn now(&self) -> Timestamp {
        Still.now()
    }
}

/// Counts permits, and sells one of `sells` while the first is waited for.
struct Slow {
    permits: AtomicUsize,
    sells: Option<&'static str>,
    ledger: Ledger,
    bell: Doorbell,
}

#[async_trait]
impl Line for Slow {
    async fn open(&self) -> Box<dyn Wire> {
        let first = self.permits.fetch_add(1, Ordering::SeqCst) == 0;
        if let Some(text) = self.sells.filter(|_| first) {
            stock(&self.ledger, text, 3).await;
            let mark = Mark {
                sold_at: None,
                received_at: Still.now(),
            };
            self.bell
                .changed(&BTreeSet::from([Sku::new(text).unwrap()]), mark);
        }
        Box::new(NoWire)
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

/// Offers a SKU under its own name, which shows `shown`; clean or dirty.
async fn offer(ledger: &Ledger, text: &'static str, shown: i64, clean: bool) {
    let key = ListingKey {
        channel: shop(),
        listing: ListingId::new(text).unwrap(),
    };
    let row = CatalogRow {
        key: key.clone(),
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
    let which = Selection {
        keys: Some(BTreeSet::from([key.clone()])),
        ..Selection::default()
    };
    let work = move |tables: &mut dyn Tables| {
        tables.put_listings(std::slice::from_ref(&row))?;
        let version = tables
            .listings(&which)?
            .first()
            .map(ListingState::feed_version);
        let turn = Settled {
            key: key.clone(),
            shown: Shown::Known {
                quantity: shown,
                as_of: at(1),
            },
            compared: Some(false),
            stale: false,
            acked: version.filter(|_| clean),
            verified_at: None,
            failures: 0,
            due_at: at(0),
        };
        tables.settle(&[turn])
    };
    ledger.write(work).await.unwrap();
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

/// A lane over goods A, B and C, 5 units of each, that has looked at everything.
async fn lane_over(
    offers: &[(&'static str, i64, bool)],
    batch_max: usize,
    sells: Option<&'static str>,
) -> (Lane, Arc<Fake>, Arc<Slow>) {
    let store = Box::new(Sqlite::in_memory().unwrap());
    let ledger = Ledger::inline(store, BTreeMap::new(), Arc::new(Still));
    for &(text, shown, clean) in offers {
        stock(&ledger, text, 5).await;
        offer(&ledger, text, shown, clean).await;
    }
    let bell = Doorbell::default();
    let fake = Arc::new(Fake {
        profile: Profile {
            batch_max,
            ..profile()
        },
        calls: Mutex::default(),
    });
    let slow = Arc::new(Slow {
        permits: AtomicUsize::new(0),
        sells,
        ledger: ledger.clone(),
        bell: bell.clone(),
    });
    let mut lane = Lane::new(Parts {
        id: shop(),
        channel: Arc::clone(&fake) as _,
        line: Arc::clone(&slow) as _,
        ledger,
        terms: terms(),
        clock: Arc::new(Still),
        dice: Box::new(|| 0),
        bell,
    });
    let rings = Rings {
        sweep: true,
        ..Rings::default()
    };
    lane.look(&rings).await.unwrap();
    (lane, fake, slow)
}

#[tokio::test]
async fn what_is_sold_while_a_permit_is_waited_for_goes_with_that_call() {
    let offers = [("A", 9, false), ("B", 5, true)];
    let (mut lane, fake, slow) = lane_over(&offers, 50, Some("B")).await;
    assert_eq!(lane.turn().await.unwrap().sent, 2);
    let both = BTreeSet::from(["A".to_owned(), "B".to_owned()]);
    assert_eq!(*fake.calls.lock().unwrap(), [both]);
    assert_eq!(slow.permits.load(Ordering::SeqCst), 1);
}

#[tokio::test]
async fn what_needs_no_call_shares_one_permit_and_leaves_it_to_what_does() {
    let offers = [("A", 5, false), ("B", 5, false), ("C", 9, false)];
    let (mut lane, fake, slow) = lane_over(&offers, 1, None).await;
    let (mut acknowledged, mut turns) = (0, 0);
    while acknowledged < 2 {
        acknowledged += lane.turn().await.unwrap().acknowledged;
        turns += 1;
    }
    assert!(turns <= 2, "{turns} turns");
    assert_eq!(slow.permits.load(Ordering::SeqCst), turns);
    assert_eq!(
        *fake.calls.lock().unwrap(),
        [BTreeSet::from(["C".to_owned()])]
    );
}
