//! A lane over a channel that writes down what it is asked.

use std::sync::Mutex;

use super::super::*;
use crate::broker::Doorbell;
use crate::channels::{
    Cursor, Fault, Finding, Listing, Page, Profile, Quota, Receipt, Reply, Request,
    SubscriptionReport, Token, Webhook,
};
use crate::domain::catalog::{Fulfilment, Mapping};
use crate::domain::ids::{LocationId, OrderId, Sku};
use crate::domain::message::Level;
use crate::domain::order::OrderSnapshot;
use crate::domain::stock::Basis;
use crate::ledger::counts::{Counted, count};
use crate::ledger::sqlite::Sqlite;
use crate::ledger::tables::CatalogRow;
use crate::runtime::testing::profile;

#[derive(Debug)]
struct Noon;

impl Clock for Noon {
    fn now(&self) -> Timestamp {
        Timestamp::from_millis(1_795_000_000_000)
    }
}

#[derive(Debug)]
struct Fake(Profile, Mutex<Vec<String>>);

#[async_trait]
impl Channel for Fake {
    fn profile(&self) -> &Profile {
        &self.0
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
        let mut asked = self.1.lock().unwrap();
        let said = updates.iter().map(|update| {
            asked.push(format!(
                "set {} to {}",
                update.listing,
                update.quantity.units()
            ));
            Ok(Verdict::Applied)
        });
        said.collect()
    }
    async fn collect(&self, _: &dyn Wire, _: &[String]) -> Vec<Result<Verdict, Fault>> {
        unreachable!()
    }
    async fn levels(&self, _: &dyn Wire, which: Which<'_>) -> Result<Page<Level>, Fault> {
        let Which::These(listings) = which else {
            unreachable!()
        };
        let mut asked = self.1.lock().unwrap();
        asked.extend(listings.iter().map(|listing| format!("read {listing}")));
        Err(Fault::Transient("busy".to_owned()))
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

struct Open;

#[async_trait]
impl Wire for Open {
    async fn send(&self, _: Request) -> Result<Reply, Fault> {
        unreachable!()
    }
    fn now(&self) -> Timestamp {
        Noon.now()
    }
}

#[async_trait]
impl Line for Open {
    async fn open(&self) -> Box<dyn Wire> {
        Box::new(Open)
    }
    fn throttled(&self, _: Option<u64>) {}
}

fn place() -> LocationId {
    LocationId::new("main").unwrap()
}

fn key(listing: &str) -> ListingKey {
    ListingKey {
        channel: ChannelId::new("web").unwrap(),
        listing: ListingId::new(listing).unwrap(),
    }
}

/// Three units, and two listings of them: of the first nothing is known, and the second shows too much.
async fn books() -> Ledger {
    let ledger = Ledger::inline(
        Box::new(Sqlite::in_memory().unwrap()),
        BTreeMap::new(),
        Arc::new(Noon),
    );
    let sku = Sku::new("A").unwrap();
    let row = Counted {
        sku: sku.clone(),
        location: place(),
        units: 3,
        basis: Basis::OnHand,
        set_aside: None,
        at: Noon.now(),
    };
    let listed = ["1", "2"].map(|listing| CatalogRow {
        key: key(listing),
        alias: None,
        their_sku: None,
        mapping: Some(Mapping {
            sku: sku.clone(),
            factor: 1,
            location: None,
            fulfilment: Fulfilment::Merchant,
        }),
        not_publishable: None,
    });
    let too_much = Settled {
        key: key("2"),
        shown: Shown::Known {
            quantity: 9,
            as_of: Noon.now(),
        },
        compared: Some(false),
        stale: false,
        acked: None,
        verified_at: None,
        failures: 0,
        due_at: Noon.now(),
    };
    let write = move |tables: &mut dyn crate::ledger::tables::Tables| {
        count(tables, std::slice::from_ref(&row), "test", Noon.now())?;
        tables.put_listings(&listed)?;
        tables.settle(std::slice::from_ref(&too_much))
    };
    ledger.write(write).await.unwrap();
    ledger
}

#[tokio::test]
async fn a_quantity_waited_for_a_read_and_grew_old() {
    let channel = Arc::new(Fake(profile(), Mutex::default()));
    let places = BTreeMap::from([(key("1").channel, vec![place()])]);
    let mut lane = Lane::new(Parts {
        id: key("1").channel,
        channel: Arc::<Fake>::clone(&channel),
        line: Arc::new(Open),
        ledger: books().await,
        terms: Terms {
            policy: Arc::new(Policy {
                places,
                ..Policy::default()
            }),
            rules: LaneRules {
                batch_b_ms: 0,
                batch_c_ms: 0,
                near_empty: 3,
                age_max_ms: 1,
            },
            ladder: Ladder::default(),
        },
        clock: Arc::new(Noon),
        dice: Box::new(|| 0),
        bell: Doorbell::default(),
    });
    let all = Rings {
        sweep: true,
        ..Rings::default()
    };
    lane.look(&all).await.unwrap();
    lane.turn().await.unwrap();
    let asked = channel.1.lock().unwrap().clone();
    assert_eq!(asked, ["set 2 to 3", "read 1"]);
}
