//! A channel that hands out pages at a steady pace, as a platform that answers ten calls a second does.

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use onhand::channels::{
    Channel, Cursor, Fault, Finding, Level, Listing, Page, Profile, Quota, Receipt, Reply, Request,
    SubscriptionReport, Token, Update, Verdict, Webhook, Which, Wire,
};
use onhand::domain::clock::{Clock, Timestamp};
use onhand::domain::ids::{ListingId, OrderId};
use onhand::domain::order::OrderSnapshot;
use onhand::runtime::clock::SystemClock;
use onhand::runtime::fetcher::Source;
use onhand::runtime::lane::Line;
use tokio::time::{Instant, sleep_until};

use super::store::UNITS;
use super::{PAGE, Wishes};

#[derive(Debug)]
struct Shelf {
    profile: Profile,
    salt: usize,
    wishes: Wishes,
    pause: Option<Duration>,
    began: Instant,
}

/// How many listings of a channel differ.
pub(crate) fn drifted(wishes: Wishes) -> usize {
    (0..wishes.skus).filter(|n| differs(*n, wishes)).count()
}

/// Spread evenly, so that every page has about as many.
fn differs(n: usize, wishes: Wishes) -> bool {
    (n * wishes.drift_per_million) % 1_000_000 < wishes.drift_per_million
}

/// A channel, and the way out to it.
pub(crate) fn source(salt: usize, wishes: Wishes, pause: Option<Duration>) -> Source {
    let profile = Profile {
        platform: "bench",
        compare_and_set: true,
        batch_max: 250,
        calls_at_once: 1,
        calls_per_second: 1_000.0,
        burst: 1_000,
        settling_ms: 0,
        orders_visible_after_ms: 0,
        delivery_id_unique: true,
        forged_status: 401,
        clock_skew_ms: 0,
        call_timeout_ms: 5_000,
    };
    Source {
        channel: Arc::new(Shelf {
            profile,
            salt,
            wishes,
            pause,
            began: Instant::now(),
        }),
        line: Arc::new(Open),
    }
}

impl Shelf {
    fn level(&self, n: usize) -> Level {
        let more = 1 + i64::try_from(self.salt).unwrap();
        Level {
            listing: ListingId::new(&format!("{n:08}")).unwrap(),
            shows: Some(if differs(n, self.wishes) {
                UNITS + more
            } else {
                UNITS
            }),
            at: None,
        }
    }
}

#[async_trait]
impl Channel for Shelf {
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
    async fn publish(&self, _: &dyn Wire, _: &[Update]) -> Vec<Result<Verdict, Fault>> {
        unreachable!()
    }
    async fn collect(&self, _: &dyn Wire, _: &[String]) -> Vec<Result<Verdict, Fault>> {
        unreachable!()
    }
    async fn levels(&self, _: &dyn Wire, which: Which<'_>) -> Result<Page<Level>, Fault> {
        let (items, next) = match which {
            Which::All(cursor) => {
                let page: usize = cursor.map_or(0, |cursor| cursor.0.parse().unwrap());
                if let Some(pause) = self.pause {
                    sleep_until(self.began + pause * u32::try_from(page + 1).unwrap()).await;
                }
                let end = ((page + 1) * PAGE).min(self.wishes.skus);
                let items = (page * PAGE..end).map(|n| self.level(n)).collect();
                (
                    items,
                    (end < self.wishes.skus).then(|| Cursor((page + 1).to_string())),
                )
            }
            Which::These(ids) => {
                if let Some(pause) = self.pause {
                    tokio::time::sleep(pause).await;
                }
                let number = |id: &ListingId| id.as_str().parse().unwrap();
                (ids.iter().map(|id| self.level(number(id))).collect(), None)
            }
        };
        Ok(Page {
            items,
            next,
            unreadable: Vec::new(),
        })
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
        SystemClock.now()
    }
}

#[async_trait]
impl Line for Open {
    async fn open(&self) -> Box<dyn Wire> {
        Box::new(Open)
    }
    fn throttled(&self, _: Option<u64>) {}
}
