//! A channel that hands out pages at a steady pace, as a platform that answers ten calls a second does.

use std::collections::BTreeSet;
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

use super::store::{RANGE, SPREAD, UNITS};
use super::{PAGE, Wishes};

#[derive(Debug)]
struct Shelf {
    profile: Profile,
    salt: usize,
    wishes: Wishes,
    pause: Option<Duration>,
    began: Instant,
    /// Those that differ: only they are asked for by their ids.
    odd: Vec<usize>,
}

/// Numbers of a channel's listings in the order of its pages: none that SKUs or ids would follow.
pub(crate) fn order(wishes: Wishes) -> impl Fn(usize) -> usize {
    move |n| (n * 611_953 + 1) % wishes.skus
}

/// How many of them answer to a question.
pub(crate) fn count(wishes: Wishes, what: impl Fn(usize, Wishes) -> bool) -> usize {
    (0..wishes.skus).filter(|n| what(*n, wishes)).count()
}

/// Spread evenly, so that every page has about as many.
pub(crate) fn differs(n: usize, wishes: Wishes) -> bool {
    (n * wishes.drift_per_million) % 1_000_000 < wishes.drift_per_million && !missing(n, wishes)
}

/// The channel does not have it.
pub(crate) fn missing(n: usize, wishes: Wishes) -> bool {
    ((n + 7) * wishes.missing_per_million) % 1_000_000 < wishes.missing_per_million
}

/// What a listing shows.
pub(crate) fn shows(n: usize, salt: usize, wishes: Wishes) -> i64 {
    let more = 1 + i64::try_from(salt).unwrap();
    if differs(n, wishes) {
        UNITS + more
    } else {
        UNITS
    }
}

/// The id of a listing.
pub(crate) fn id(n: usize) -> String {
    format!("{:012}", (n * SPREAD) % RANGE)
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
            odd: (0..wishes.skus).filter(|n| differs(*n, wishes)).collect(),
        }),
        line: Arc::new(Open),
    }
}

impl Shelf {
    fn level(&self, n: usize) -> Level {
        Level {
            listing: ListingId::new(&id(n)).unwrap(),
            shows: Some(shows(n, self.salt, self.wishes)),
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
                let there = (page * PAGE..end).map(order(self.wishes));
                let there = there.filter(|n| !missing(*n, self.wishes));
                let items = there.map(|n| self.level(n)).collect();
                (
                    items,
                    (end < self.wishes.skus).then(|| Cursor((page + 1).to_string())),
                )
            }
            Which::These(ids) => {
                if let Some(pause) = self.pause {
                    tokio::time::sleep(pause).await;
                }
                let wanted: BTreeSet<&str> = ids.iter().map(ListingId::as_str).collect();
                let there = self
                    .odd
                    .iter()
                    .filter(|n| wanted.contains(id(**n).as_str()));
                (there.map(|n| self.level(*n)).collect(), None)
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
