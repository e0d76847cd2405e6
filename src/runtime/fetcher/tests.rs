//! Reading orders page by page: what is kept when it breaks off, and what closes a dead letter.

use std::collections::VecDeque;
use std::sync::Mutex;

use async_trait::async_trait;

use super::*;
use crate::broker::Doorbell;
use crate::channels::Profile;
use crate::domain::catalog::Folding;
use crate::domain::clock::Clock;
use crate::domain::decide::ChannelRules;
use crate::domain::ids::LocationId;
use crate::domain::order::Version;
use crate::ledger::Ledger;
use crate::ledger::record::ChannelBooks;
use crate::ledger::sqlite::Sqlite;
use crate::runtime::testing::{Open, Script, Scripted, profile};

const NOW_MS: i64 = 10_000_000_000;
const OVERLAP_MS: i64 = 1_000;

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
        at(NOW_MS)
    }
}

type Answer = Result<Page<OrderSnapshot>, Fault>;

/// A platform that answers in the order of its script; `stop` is told to stop after so many pages.
#[derive(Debug)]
struct Fake {
    profile: Profile,
    pages: Mutex<VecDeque<Answer>>,
    asked: Mutex<Vec<String>>,
    stop_after: Option<(usize, CancellationToken)>,
}

impl Fake {
    fn answer(&self, asked: String) -> Answer {
        let mut all = self.asked.lock().unwrap();
        all.push(asked);
        if let Some((n_pages, stop)) = &self.stop_after
            && all.len() == *n_pages
        {
            stop.cancel();
        }
        self.pages.lock().unwrap().pop_front().unwrap()
    }

    fn asked(&self) -> Vec<String> {
        std::mem::take(&mut *self.asked.lock().unwrap())
    }
}

#[async_trait]
impl Script for Fake {
    fn profile(&self) -> &Profile {
        &self.profile
    }
    async fn order(&self, order: &OrderId) -> Result<OrderSnapshot, Fault> {
        self.answer(format!("order {order}"))
            .map(|mut page| page.items.remove(0))
    }
    async fn orders_since(&self, since: Timestamp, cursor: Option<Cursor>) -> Answer {
        let from = cursor.map_or_else(|| since.millis().to_string(), |cursor| cursor.0);
        self.answer(format!("since {from}"))
    }
    async fn open_orders(&self, cursor: Option<Cursor>) -> Answer {
        self.answer(format!("open {:?}", cursor.map(|cursor| cursor.0)))
    }
}

fn order(id: &str, changed_at: i64) -> OrderSnapshot {
    OrderSnapshot {
        pending: None,
        channel: shop(),
        order: OrderId::new(id).unwrap(),
        version: Version {
            at: at(changed_at),
            rank: 0,
        },
        placed_at: at(changed_at),
        lines: Vec::new(),
        read_at: None,
    }
}

#[expect(clippy::unnecessary_wraps, reason = "a script holds results")]
fn page(items: Vec<OrderSnapshot>, next: Option<&str>) -> Answer {
    Ok(Page {
        items,
        next: next.map(|next| Cursor(next.to_owned())),
        unreadable: Vec::new(),
    })
}

struct Scene {
    fake: Arc<Fake>,
    fetcher: Fetcher,
    stop: CancellationToken,
}

fn scene(pages: Vec<Answer>, stop_after: Option<usize>) -> Scene {
    let stop = CancellationToken::new();
    let fake = Arc::new(Fake {
        profile: profile(),
        pages: Mutex::new(pages.into()),
        asked: Mutex::default(),
        stop_after: stop_after.map(|n_pages| (n_pages, stop.clone())),
    });
    let books = ChannelBooks {
        rules: ChannelRules {
            location: LocationId::new("main").unwrap(),
            clock_skew_ms: 0,
        },
        folding: Folding::default(),
        delivery_id_unique: false,
    };
    let store = Box::new(Sqlite::in_memory().unwrap());
    let rules = BTreeMap::from([(shop(), books)]);
    let desk = Desk {
        ledger: Ledger::inline(store, rules, Arc::new(Still)),
        bell: Doorbell::default(),
        clock: Arc::new(Still),
    };
    let source = Source {
        channel: Arc::new(Scripted(Arc::clone(&fake))),
        line: Arc::new(Open),
    };
    let fetcher = Fetcher {
        mailbox: desk.bell.listen(),
        desk,
        sources: BTreeMap::from([(shop(), source)]),
        ladder: Ladder {
            waits_ms: vec![0],
            jitter_pct: 0,
        },
        orders_ms: 60_000,
        overlap_ms: OVERLAP_MS,
        dice: Box::new(|| 0),
    };
    Scene {
        fake,
        fetcher,
        stop,
    }
}

impl Scene {
    async fn read_orders(&mut self) -> ChannelState {
        self.fetcher.ask_orders(at(NOW_MS)).await.unwrap();
        self.fetcher.turn_until(&self.stop).await.unwrap();
        let read = self
            .fetcher
            .desk
            .ledger
            .read(|tables| tables.channel(&shop()));
        read.await.unwrap()
    }

    async fn ask(&self, hint: Hint) {
        let asked = [(shop(), hint)];
        let ask = self
            .fetcher
            .desk
            .ledger
            .write(move |tables| tables.ask(&asked, at(NOW_MS)));
        ask.await.unwrap();
    }

    async fn letters(&self) -> Vec<(String, String)> {
        let read = self
            .fetcher
            .desk
            .ledger
            .read(|tables| tables.dead_letters());
        let letters = read.await.unwrap().into_iter();
        letters.map(|letter| (letter.kind, letter.what)).collect()
    }
}

#[tokio::test]
async fn a_read_that_breaks_off_goes_on_from_where_it_stopped() {
    let refused = || Err(Fault::Rejected("planted".to_owned()));
    let mut scene = scene(
        vec![
            page(vec![order("1", 1)], Some("more")),
            page(vec![order("2", 2)], None),
            page(vec![order("3", 9_000_000_000)], Some("b")),
            page(vec![order("4", 9_100_000_000)], Some("c")),
            refused(),
            // Then it begins again.
            page(vec![order("1", 1)], None),
            page(vec![order("4", 9_100_000_000)], Some("d")),
            page(vec![order("5", NOW_MS + 5)], Some("e")),
            page(vec![], None),
            // And the time after that.
            page(vec![], None),
        ],
        None,
    );
    let state = scene.read_orders().await;
    let first = NOW_MS - FIRST_READ_MS;
    assert_eq!(
        scene.fake.asked(),
        [
            "open None",
            "open Some(\"more\")",
            &format!("since {first}"),
            "since b",
            "since c"
        ]
    );
    assert_eq!(
        (state.orders_through, state.orders_read_at),
        (at(9_100_000_000), None),
        "what is not complete is no evidence"
    );
    let state = scene.read_orders().await;
    let again = 9_100_000_000 - OVERLAP_MS;
    assert_eq!(
        scene.fake.asked(),
        ["open None", &format!("since {again}"), "since d", "since e"]
    );
    assert_eq!(
        (state.orders_through, state.orders_read_at),
        (at(NOW_MS), Some(at(NOW_MS)))
    );
    scene.read_orders().await;
    let later = NOW_MS - OVERLAP_MS;
    assert_eq!(scene.fake.asked(), [format!("since {later}")]);
}

#[tokio::test]
async fn a_stop_ends_a_long_read_between_two_pages() {
    let pages = (0..10)
        .map(|n| page(vec![order("1", n)], Some("more")))
        .collect();
    let mut scene = scene(pages, Some(3));
    let state = scene.read_orders().await;
    assert_eq!(scene.fake.asked().len(), 3);
    assert_eq!(state.orders_read_at, None);
    let own = BTreeSet::from([shop()]);
    let due = scene
        .fetcher
        .desk
        .ledger
        .read(move |tables| tables.due_hints(&own, at(NOW_MS), 10));
    let failures: Vec<_> = due
        .await
        .unwrap()
        .iter()
        .map(|hint| hint.failures)
        .collect();
    assert_eq!(failures, [0], "it is read after the next start");
}

#[tokio::test]
async fn a_fetch_that_was_given_up_and_works_later_closes_its_letter() {
    let refused = || Err(Fault::Rejected("planted".to_owned()));
    let mut scene = scene(
        vec![refused(), refused(), page(vec![order("7", 5)], None)],
        None,
    );
    let hint = Hint::Order(OrderId::new("7").unwrap());
    scene.ask(hint.clone()).await;
    scene.fetcher.turn().await.unwrap();
    scene.fetcher.turn().await.unwrap();
    assert_eq!(scene.letters().await, [("fetch".to_owned(), named(&hint))]);
    scene.ask(hint).await;
    scene.fetcher.turn().await.unwrap();
    assert_eq!(scene.letters().await, []);
}

#[tokio::test]
async fn an_order_that_is_understood_later_closes_its_letter() {
    let unread = Page {
        items: Vec::new(),
        next: None,
        unreadable: vec![Unread {
            what: "7".to_owned(),
            why: "planted".to_owned(),
        }],
    };
    let mut scene = scene(
        vec![
            page(vec![], None),
            Ok(unread),
            page(vec![order("7", NOW_MS)], None),
        ],
        None,
    );
    scene.read_orders().await;
    let letter = ("order".to_owned(), "7".to_owned());
    assert_eq!(scene.letters().await, [letter]);
    scene.read_orders().await;
    assert_eq!(scene.letters().await, []);
}

#[tokio::test]
async fn news_of_listings_are_rung_for_who_reads_them() {
    let mut scene = scene(Vec::new(), None);
    scene.ask(Hint::Listings).await;
    scene.fetcher.turn().await.unwrap();
    let rings = scene.fetcher.mailbox.take();
    assert_eq!(rings.listings, BTreeSet::from([shop()]));
}
