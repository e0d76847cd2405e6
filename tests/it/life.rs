//! The life of stock between two sales: every rule of places, movements, promises and incidents over a real store.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};

use onhand::domain::catalog::{Folding, Fulfilment, Mapping};
use onhand::domain::clock::{Clock, Timestamp};
use onhand::domain::decide::ChannelRules;
use onhand::domain::hold::Hold;
use onhand::domain::ids::{
    ChannelId, DocumentId, LineId, ListingId, ListingKey, LocationId, OrderId, Sku,
};
use onhand::domain::incident::{Helped, LineKey, Remedy, pools};
use onhand::domain::order::{LineSnapshot, LineTarget, OrderSnapshot, Part, Pending, Version};
use onhand::domain::policy::Policy;
use onhand::domain::promise::{Backorder, Promises};
use onhand::domain::receipt::{Condition, Leave, ReceiptLine};
use onhand::domain::stock::{Balances, Basis};
use onhand::domain::transfer::{Goods, TransferNews};
use onhand::ledger::counts::{self, BinCount, Counted, Picked, Variance};
use onhand::ledger::incidents::{self, Reported};
use onhand::ledger::life::{Incident, Incidents};
use onhand::ledger::moves::{self, Adjustment, PurchaseRow, ReceiptRow, Taken, Terms, TransferRow};
use onhand::ledger::record::{BookRules, ChannelBooks, Intake, Says};
use onhand::ledger::sqlite::Sqlite;
use onhand::ledger::tables::{CatalogRow, Selection};
use onhand::ledger::{Ledger, StoreError};

/// A clock that is set.
#[derive(Debug)]
pub(crate) struct SetClock(AtomicI64);

impl Clock for SetClock {
    fn now(&self) -> Timestamp {
        Timestamp::from_millis(self.0.load(Ordering::Relaxed))
    }
}

/// A minute, in ms.
const MINUTE: i64 = 60_000;

pub(crate) fn at(minute: i64) -> Timestamp {
    Timestamp::from_millis(minute * MINUTE)
}

pub(crate) fn sku(text: &str) -> Sku {
    Sku::new(text).unwrap()
}

fn place(text: &str) -> LocationId {
    LocationId::new(text).unwrap()
}

fn channel(text: &str) -> ChannelId {
    ChannelId::new(text).unwrap()
}

fn paper(text: &str) -> DocumentId {
    DocumentId::new(text).unwrap()
}

/// A seller: `shop` sells from `main` and `east`, `till` from `store` alone.
pub(crate) struct House {
    pub(crate) ledger: Ledger,
    clock: Arc<SetClock>,
    rules: BookRules,
    pub(crate) policy: Policy,
}

impl House {
    pub(crate) fn new() -> Self {
        Self::promising(Promises::default())
    }

    fn promising(promises: Promises) -> Self {
        let eligible = [
            ("shop", vec![place("main"), place("east")]),
            ("till", vec![place("store")]),
        ];
        let books = |places: &[LocationId]| ChannelBooks {
            rules: ChannelRules {
                location: places[0].clone(),
                clock_skew_ms: 0,
            },
            folding: Folding::default(),
            delivery_id_unique: false,
        };
        let rules = BookRules {
            channels: eligible
                .iter()
                .map(|(id, places)| (channel(id), books(places)))
                .collect(),
            pools: pools(eligible.iter().map(|(_, places)| places.as_slice())),
            promises: Arc::new(promises.clone()),
        };
        let policy = Policy {
            places: eligible
                .into_iter()
                .map(|(id, places)| (channel(id), places))
                .collect(),
            promises,
            ..Policy::default()
        };
        let clock = Arc::new(SetClock(AtomicI64::new(100_000 * MINUTE)));
        let store = Box::new(Sqlite::in_memory().unwrap());
        let ledger = Ledger::inline(store, rules.clone(), Arc::clone(&clock) as _);
        Self {
            ledger,
            clock,
            rules,
            policy,
        }
    }

    fn is_now(&self, minute: i64) {
        self.clock.0.store(minute * MINUTE, Ordering::Relaxed);
    }

    fn terms(&self) -> Terms {
        Terms {
            by: "ann".to_owned(),
            leave: Leave::default(),
            now: self.clock.now(),
        }
    }

    pub(crate) async fn count(
        &self,
        text: &str,
        location: &str,
        units: i64,
        minute: i64,
    ) -> Variance {
        let row = counted(text, location, units, minute);
        let now = self.clock.now();
        let work = move |t: &mut dyn onhand::ledger::tables::Tables| {
            counts::count(t, std::slice::from_ref(&row), "ann", now)
        };
        self.ledger.write(work).await.unwrap().remove(0)
    }

    async fn bin(&self, bin: BinCount) -> Variance {
        let now = self.clock.now();
        let work = move |t: &mut dyn onhand::ledger::tables::Tables| {
            counts::count_bins(t, std::slice::from_ref(&bin), "ann", now)
        };
        self.ledger.write(work).await.unwrap().remove(0)
    }

    async fn send(&self, id: &str, text: &str, (sent, received): (u32, u32), minute: i64) -> Taken {
        self.send_over(id, text, (sent, received), minute, false)
            .await
    }

    async fn send_over(
        &self,
        id: &str,
        text: &str,
        (sent, received): (u32, u32),
        minute: i64,
        over: bool,
    ) -> Taken {
        let row = TransferRow {
            transfer: paper(id),
            news: TransferNews {
                sku: sku(text),
                from: place("main"),
                to: place("store"),
                sent,
                received,
            },
            at: at(minute),
        };
        let mut terms = self.terms();
        terms.leave.over = over;
        let work = move |t: &mut dyn onhand::ledger::tables::Tables| {
            moves::transfer(t, std::slice::from_ref(&row), &terms)
        };
        self.ledger.write(work).await.unwrap().remove(0)
    }

    async fn cancel_transfer(&self, id: &str, goods: Option<Goods>, minute: i64) -> Taken {
        let (id, terms) = (paper(id), self.terms());
        let work = move |t: &mut dyn onhand::ledger::tables::Tables| {
            moves::cancel_transfer(t, &id, goods, at(minute), &terms)
        };
        self.ledger.write(work).await.unwrap().unwrap()
    }

    async fn expect(&self, po: &str, text: &str, units: u32) -> Taken {
        let row = PurchaseRow {
            purchase: paper(po),
            line: "1".to_owned(),
            sku: sku(text),
            location: place("main"),
            units,
            due: None,
            at: at(1),
        };
        let terms = self.terms();
        let work = move |t: &mut dyn onhand::ledger::tables::Tables| {
            moves::purchase(t, std::slice::from_ref(&row), &terms)
        };
        self.ledger.write(work).await.unwrap().remove(0)
    }

    async fn receive(&self, row: ReceiptRow) -> Taken {
        let terms = self.terms();
        let work = move |t: &mut dyn onhand::ledger::tables::Tables| {
            moves::receive(t, std::slice::from_ref(&row), &terms)
        };
        self.ledger.write(work).await.unwrap().remove(0)
    }

    async fn adjust(&self, text: &str, on_hand: i64, minute: i64) -> Taken {
        let row = Adjustment {
            sku: sku(text),
            location: place("main"),
            on_hand,
            set_aside: 0,
            reason: "broken".to_owned(),
            at: at(minute),
        };
        let terms = self.terms();
        let work = move |t: &mut dyn onhand::ledger::tables::Tables| {
            moves::adjust(t, std::slice::from_ref(&row), &terms)
        };
        self.ledger.write(work).await.unwrap().remove(0)
    }

    async fn keep(&self, id: &str, text: &str, units: u32, until: Option<i64>) -> Taken {
        let hold = Hold {
            sku: sku(text),
            location: place("main"),
            units,
            reason: "cart".to_owned(),
            until: until.map(at),
            over: false,
        };
        let (id, terms) = (paper(id), self.terms());
        let work = move |t: &mut dyn onhand::ledger::tables::Tables| {
            moves::keep(t, &id, &hold, terms.now, &terms)
        };
        self.ledger.write(work).await.unwrap()
    }

    async fn pass_time(&self) -> bool {
        let (rules, now) = (self.rules.clone(), self.clock.now());
        let work =
            move |t: &mut dyn onhand::ledger::tables::Tables| moves::pass_time(t, &rules, now);
        self.ledger.write(work).await.unwrap()
    }

    pub(crate) async fn say(&self, snapshot: OrderSnapshot) {
        let intake = Intake {
            channel: snapshot.channel.clone(),
            received_at: self.clock.now(),
            topic: "order".into(),
            delivery: None,
            happened_at: None,
            raw: Vec::new(),
            solicited: false,
            says: Says::Understood {
                snapshots: vec![snapshot],
                levels: Vec::new(),
                hints: Vec::new(),
                ignored: None,
            },
        };
        self.ledger.record(intake).await.unwrap();
    }

    pub(crate) async fn at(&self, text: &str, location: &str) -> Balances {
        let rows = self.ledger.read(|t| t.stock()).await.unwrap();
        let here = |row: &&onhand::ledger::tables::StockLine| {
            row.sku.as_str() == text && row.location.as_str() == location
        };
        rows.iter()
            .find(here)
            .map(|row| row.balances)
            .unwrap_or_default()
    }

    async fn incidents(&self) -> Vec<Incident> {
        let which = Incidents::default();
        self.ledger
            .read(move |t| t.incidents(&which))
            .await
            .unwrap()
    }

    /// What `shop` should show of a listing, and until when.
    pub(crate) async fn desired(&self, listing: &str) -> (u32, Option<Timestamp>) {
        let key = ListingKey {
            channel: channel("shop"),
            listing: ListingId::new(listing).unwrap(),
        };
        let which = Selection {
            keys: Some(BTreeSet::from([key])),
            ..Selection::default()
        };
        let state = self.ledger.read(move |t| t.listings(&which)).await.unwrap();
        let state = &state[0];
        let own = state
            .mapping
            .as_ref()
            .and_then(|mapping| mapping.location.as_ref());
        let found = self.policy.desired(&state.key.channel, own, &state.feeds);
        assert_eq!(
            found.because.sum(),
            i64::from(found.quantity),
            "{:?}",
            found.because
        );
        (found.quantity.units(), found.until)
    }

    pub(crate) async fn map(&self, listing: &str, text: &str, location: Option<&str>) {
        self.map_as(listing, text, location, 1).await;
    }

    async fn map_pack(&self, listing: &str, text: &str, factor: u32) {
        self.map_as(listing, text, None, factor).await;
    }

    async fn map_as(&self, listing: &str, text: &str, location: Option<&str>, factor: u32) {
        let row = CatalogRow {
            key: ListingKey {
                channel: channel("shop"),
                listing: ListingId::new(listing).unwrap(),
            },
            alias: None,
            their_sku: None,
            mapping: Some(Mapping {
                sku: sku(text),
                factor,
                location: location.map(place),
                fulfilment: Fulfilment::Merchant,
            }),
            not_publishable: None,
        };
        self.ledger
            .write(move |t| t.put_listings(std::slice::from_ref(&row)))
            .await
            .unwrap();
    }

    pub(crate) async fn whole(&self) {
        assert_eq!(self.ledger.verify().await.unwrap(), Vec::<String>::new());
    }
}

pub(crate) fn counted(text: &str, location: &str, units: i64, minute: i64) -> Counted {
    Counted {
        sku: sku(text),
        location: place(location),
        units,
        basis: Basis::OnHand,
        set_aside: None,
        at: at(minute),
    }
}

fn receipt(reference: &str, po: Option<&str>, text: &str, units: u32) -> ReceiptRow {
    ReceiptRow {
        reference: paper(reference),
        purchase: po.map(paper),
        line: "1".to_owned(),
        receipt: ReceiptLine {
            sku: sku(text),
            location: place("main"),
            units,
            condition: Condition::Sellable,
        },
        at: at(10),
    }
}

/// One line of one order: committed, shipped, returned; placed at minute 1.
pub(crate) fn order(
    from: &str,
    id: &str,
    version: i64,
    text: &str,
    target: (u32, u32, u32),
) -> OrderSnapshot {
    OrderSnapshot {
        pending: None,
        read_at: None,
        channel: channel(from),
        order: OrderId::new(id).unwrap(),
        version: Version {
            at: at(version),
            rank: 0,
        },
        placed_at: at(version),
        lines: vec![LineSnapshot {
            line: LineId::new("1").unwrap(),
            listing: None,
            sku: text.to_owned(),
            location: None,
            elsewhere: Vec::new(),
            target: LineTarget {
                committed: target.0,
                shipped: target.1,
                returned: target.2,
                taken_by_channel: target.0,
            },
        }],
    }
}

fn line_key(order: &str) -> LineKey {
    LineKey {
        channel: channel("shop"),
        order: OrderId::new(order).unwrap(),
        line: Some(LineId::new("1").unwrap()),
    }
}

/// Returned goods are for sale where they arrived, damaged ones are set aside there; a parcel that came back while the
/// order holds is promised again.
#[tokio::test]
async fn r9_returns_go_where_and_how_they_arrive() {
    let house = House::new();
    house.count("A", "main", 10, 1).await;
    house.say(order("shop", "1", 5, "A", (0, 4, 0))).await;
    assert_eq!(house.at("A", "main").await.on_hand, 6);
    let mut back = order("shop", "1", 9, "A", (0, 4, 3));
    back.lines[0].elsewhere = vec![Part {
        location: place("east"),
        target: LineTarget {
            returned: 3,
            ..LineTarget::default()
        },
        damaged: 1,
        taken: 0,
    }];
    house.say(back).await;
    let east = house.at("A", "east").await;
    assert_eq!((east.on_hand, east.set_aside, east.available()), (3, 1, 2));
    assert_eq!(house.at("A", "main").await.on_hand, 6, "nothing came here");
    // Un-fulfilled: the parcel came back, the order still holds.
    house.say(order("shop", "2", 5, "A", (0, 2, 0))).await;
    let before = house.at("A", "main").await;
    house.say(order("shop", "2", 6, "A", (2, 0, 0))).await;
    let after = house.at("A", "main").await;
    assert_eq!((after.on_hand, after.committed), (before.on_hand + 2, 2));
    assert_eq!(after.available(), before.available());
    // By hand: a receipt with its condition.
    let mut damaged = receipt("RMA-1", None, "A", 2);
    damaged.receipt.condition = Condition::Damaged;
    house.receive(damaged.clone()).await.unwrap();
    house.receive(damaged).await.unwrap();
    let now = house.at("A", "main").await;
    assert_eq!((now.on_hand, now.set_aside), (after.on_hand + 2, 2));
    house.whole().await;
}

/// An exchange is one leg back and one leg out, each by itself; the new leg can oversell.
#[tokio::test]
async fn r10_s43_an_exchange_is_two_legs() {
    let house = House::new();
    house.count("S", "main", 5, 1).await;
    house.count("M", "main", 0, 1).await;
    house.say(order("shop", "1", 5, "S", (0, 1, 0))).await;
    let mut exchanged = order("shop", "1", 9, "S", (0, 1, 1));
    let mut leg = exchanged.lines[0].clone();
    (leg.line, leg.sku) = (LineId::new("2").unwrap(), "M".to_owned());
    leg.target = LineTarget {
        committed: 1,
        ..LineTarget::default()
    };
    exchanged.lines.push(leg);
    house.say(exchanged).await;
    assert_eq!(house.at("S", "main").await.on_hand, 5);
    assert_eq!(house.at("M", "main").await.available(), -1);
    assert_eq!(house.incidents().await[0].sku.as_str(), "M");
    house.whole().await;
}

/// Drafts commit nothing; a pending order reserves until a time, and the end of it is an entry. Numbers of S42.
#[tokio::test]
async fn r11_s42_a_hold_is_extended_survives_a_failed_payment_and_ends_by_an_entry() {
    let house = House::new();
    house.count("A", "main", 1, 0).await;
    house.map("10", "A", None).await;
    let state = |minute, pending| {
        let mut found = order("shop", "1", minute, "A", (1, 0, 0));
        (found.pending, found.placed_at) = (Some(pending), at(1));
        found
    };
    house.is_now(1);
    house.say(state(1, Pending::Until(at(11)))).await;
    house.is_now(9);
    house.say(state(9, Pending::Until(at(69)))).await;
    house.is_now(20);
    house.say(state(20, Pending::AsBefore)).await;
    house.is_now(68);
    assert!(!house.pass_time().await, "not before its time");
    assert_eq!(house.desired("10").await.0, 0);
    let next = house.ledger.read(|t| t.next_moment()).await.unwrap();
    assert_eq!(next, Some(at(69)));
    house.is_now(69);
    assert!(house.pass_time().await);
    assert_eq!(house.desired("10").await.0, 1);
    let entries = house
        .ledger
        .read(|t| t.entries_of_sku(&sku("A")))
        .await
        .unwrap();
    let last = entries.last().unwrap();
    assert_eq!((last.entry.at, last.entry.movement.committed), (at(69), -1));
    assert!(last.entry.cause.words().contains("not paid in time"));
    assert!(!house.pass_time().await, "once");
    // Paid after all: it is promised again.
    house.say(order("shop", "1", 80, "A", (1, 0, 0))).await;
    assert_eq!(house.at("A", "main").await.committed, 1);
    house.whole().await;
}

/// A pending order of a marketplace reserves; that it is paid changes nothing; cancelled releases. Numbers of S76.
#[tokio::test]
async fn r11_s76_pending_reserves_and_paid_changes_nothing() {
    let house = House::new();
    house.count("A", "main", 10, 0).await;
    for id in ["1", "2"] {
        let mut pending = order("shop", id, 1, "A", (2, 0, 0));
        pending.pending = Some(Pending::Until(at(60)));
        house.say(pending).await;
    }
    assert_eq!(house.at("A", "main").await.committed, 4);
    let mut paid = order("shop", "1", 30, "A", (2, 0, 0));
    paid.placed_at = at(1);
    house.say(paid).await;
    house.say(order("shop", "2", 30, "A", (0, 0, 0))).await;
    assert_eq!(house.at("A", "main").await.committed, 2);
    house.is_now(61);
    assert!(!house.pass_time().await, "what is paid does not end");
    assert_eq!(house.at("A", "main").await.committed, 2);
    house.whole().await;
}

/// Units kept by name, with an end: for sale again when it comes, before and after anybody writes that down.
#[tokio::test]
async fn r11_a_held_unit_is_for_sale_again_when_its_time_comes() {
    let house = House::new();
    house.is_now(0);
    house.count("A", "main", 5, 0).await;
    house.map("10", "A", None).await;
    house.keep("cart-1", "A", 2, Some(10)).await.unwrap();
    assert!(
        house
            .keep("cart-1", "A", 2, Some(10))
            .await
            .unwrap()
            .is_empty()
    );
    assert_eq!(house.desired("10").await, (3, Some(at(10))));
    house.is_now(10);
    assert_eq!(house.desired("10").await, (5, None), "known by its time");
    assert!(house.pass_time().await);
    assert_eq!(house.at("A", "main").await.set_aside, 0);
    assert_eq!(house.desired("10").await, (5, None));
    // A count says how many are set aside beside what is held.
    house.keep("fair", "A", 2, None).await.unwrap();
    let mut row = counted("A", "main", 5, 10);
    row.set_aside = Some(1);
    house
        .ledger
        .write(move |t| counts::count(t, std::slice::from_ref(&row), "ann", at(10)))
        .await
        .unwrap();
    assert_eq!(house.at("A", "main").await.set_aside, 3);
    house.whole().await;
}

/// A sale at the till skips the promise: it lowers the shelf at once, hours late, and may go below zero.
#[tokio::test]
async fn r12_a_till_sale_that_comes_late_is_a_fact() {
    let house = House::new();
    house.count("A", "store", 1, 0).await;
    let mut late = order("till", "9", 60, "A", (0, 2, 0));
    late.placed_at = at(60);
    house.is_now(500);
    house.say(late).await;
    let now = house.at("A", "store").await;
    assert_eq!((now.on_hand, now.committed, now.available()), (-1, 0, -1));
    let found = house.incidents().await;
    assert_eq!(
        (found.len(), found[0].lines.len()),
        (1, 0),
        "nobody lost a unit"
    );
    house.count("A", "store", 3, 400).await;
    assert!(house.incidents().await[0].closed_at.is_some());
    house.whole().await;
}

/// Shipping changes nothing that is for sale.
#[tokio::test]
async fn r13_shipping_changes_nothing_that_is_for_sale() {
    let house = House::new();
    house.count("A", "main", 50, 0).await;
    house.say(order("shop", "1", 5, "A", (4, 0, 0))).await;
    assert_eq!(house.at("A", "main").await.available(), 46);
    house.say(order("shop", "1", 9, "A", (0, 4, 0))).await;
    assert_eq!(house.at("A", "main").await.available(), 46);
    house.whole().await;
}

/// A pre-order is one promise from placement to shipment, paid now or later.
#[tokio::test]
async fn r14_a_pre_order_is_one_promise() {
    let promises = Promises {
        backorder: BTreeMap::from([(sku("A"), Backorder::Incoming)]),
        ..Promises::default()
    };
    let house = House::promising(promises);
    house.count("A", "main", 0, 0).await;
    house.map("10", "A", None).await;
    assert_eq!(house.desired("10").await.0, 0);
    house.expect("PO-1", "A", 30).await.unwrap();
    assert_eq!(house.desired("10").await.0, 30);
    for version in [5, 6, 7] {
        house.say(order("shop", "1", version, "A", (2, 0, 0))).await;
    }
    assert_eq!(house.at("A", "main").await.committed, 2);
    assert_eq!(house.desired("10").await.0, 28);
    assert!(
        house.incidents().await.is_empty(),
        "inside what was ordered"
    );
    house
        .receive(receipt("R1", Some("PO-1"), "A", 30))
        .await
        .unwrap();
    assert_eq!(house.desired("10").await.0, 28);
    house.say(order("shop", "1", 20, "A", (0, 2, 0))).await;
    assert_eq!(house.desired("10").await.0, 28);
    house.whole().await;
}

/// A test order never counts; a replacement is goods without a price; nothing in the books asks for money.
#[tokio::test]
async fn r15_only_goods_count() {
    let house = House::new();
    house.count("A", "main", 5, 0).await;
    let mut test = order("shop", "test", 5, "A", (1, 0, 0));
    test.lines.clear();
    house.say(test).await;
    assert_eq!(house.at("A", "main").await.available(), 5);
    house
        .say(order("shop", "replacement", 5, "A", (1, 0, 0)))
        .await;
    assert_eq!(house.at("A", "main").await.available(), 4);
}

/// The books keep what is owed, an incident names who lost, by the time of their orders, with evidence; never twice.
#[tokio::test]
async fn r16_an_oversell_opens_one_incident_that_names_who_lost() {
    let house = House::new();
    house.count("A", "main", 2, 0).await;
    house.map("10", "A", None).await;
    // They come in another order than they were placed.
    house.say(order("shop", "late", 30, "A", (1, 0, 0))).await;
    house.say(order("shop", "first", 10, "A", (1, 0, 0))).await;
    assert!(house.incidents().await.is_empty());
    house.say(order("shop", "middle", 20, "A", (1, 0, 0))).await;
    house.say(order("shop", "middle", 20, "A", (1, 0, 0))).await;
    let found = house.incidents().await;
    assert_eq!(found.len(), 1);
    assert_eq!(found[0].source, "ledger");
    let lost: Vec<_> = found[0]
        .lines
        .iter()
        .map(|line| (line.key.order.as_str(), line.units))
        .collect();
    assert_eq!(lost, [("late", 1)]);
    assert_eq!(found[0].evidence["available"], -1);
    assert_eq!(found[0].evidence["listings"][0]["listing"], "10");
    assert_eq!(house.desired("10").await.0, 0, "nothing is shown");
    assert_eq!(
        house.at("A", "main").await.available(),
        -1,
        "and never clamped"
    );
    // One more: the same incident, one line more.
    house.say(order("shop", "later", 40, "A", (2, 0, 0))).await;
    let found = house.incidents().await;
    assert_eq!((found.len(), found[0].units()), (1, 3));
    // Cancelled: that one is out; goods come: the other has its unit.
    house.say(order("shop", "later", 50, "A", (0, 0, 0))).await;
    house.receive(receipt("R1", None, "A", 1)).await.unwrap();
    let found = house.incidents().await;
    let helped: Vec<_> = found[0]
        .lines
        .iter()
        .map(|line| line.helped.as_ref().unwrap().how)
        .collect();
    assert_eq!(helped, [Remedy::Restock, Remedy::Cancel]);
    assert!(found[0].closed_at.is_some());
    // A count takes the unit away again: the line is in the same incident, not in a second one.
    house.count("A", "main", 2, 90).await;
    let found = house.incidents().await;
    assert_eq!((found.len(), found[0].units()), (1, 3));
    assert!(found[0].closed_at.is_none());
    let told = house.ledger.read(|t| t.audit_of("late")).await.unwrap();
    assert!(told.iter().any(|row| row.kind == "incident"), "{told:?}");
    house.whole().await;
}

/// What a person says of one order, without its line.
fn reported(order: &str) -> Reported {
    Reported {
        date: "1970-01-01".to_owned(),
        at: at(10),
        sku: sku("A"),
        key: LineKey {
            line: None,
            ..line_key(order)
        },
        units: 1,
        cost: Some(("12.50".to_owned(), "EUR".to_owned())),
        reason: Some("short".to_owned()),
    }
}

/// What people say of an incident: it is not counted again, and their word stands.
#[tokio::test]
async fn r91_people_add_to_incidents_and_resolve_them() {
    let house = House::new();
    house.count("A", "main", 0, 0).await;
    house.say(order("shop", "4711", 10, "A", (1, 0, 0))).await;
    let rows = ["4711", "4712", "4714"].map(reported);
    let add = {
        let rows = rows.clone();
        move |t: &mut dyn onhand::ledger::tables::Tables| incidents::report(t, &rows, "ann", at(20))
    };
    let found = house.ledger.write(add.clone()).await.unwrap();
    assert_eq!(
        found.iter().map(|(_, new)| *new).collect::<Vec<_>>(),
        [true, true, true]
    );
    let again = house.ledger.write(add).await.unwrap();
    assert_eq!(
        again.iter().map(|(_, new)| *new).collect::<Vec<_>>(),
        [false, false, false]
    );
    let known = house.incidents().await;
    assert_eq!(
        known.len(),
        3,
        "one that the books knew, two that they did not"
    );
    let ours = known.iter().find(|i| i.source == "ledger").unwrap();
    assert_eq!((ours.lines.len(), ours.cost.as_deref()), (1, Some("12.50")));
    // The buyer took something else; the channel still says that the order holds.
    let (id, helped) = (
        ours.id,
        Helped {
            how: Remedy::Substitution,
            at: at(30),
            by: Some("ann".to_owned()),
        },
    );
    house
        .ledger
        .write(move |t| incidents::resolve(t, id, None, &helped))
        .await
        .unwrap();
    house.say(order("shop", "4713", 40, "A", (1, 0, 0))).await;
    // Told of before the message of its sale came: it is the same one.
    house.say(order("shop", "4714", 41, "A", (1, 0, 0))).await;
    let known = house.incidents().await;
    let lost = |order: &str| {
        known
            .iter()
            .flat_map(|incident| &incident.lines)
            .filter(|line| line.key.order.as_str() == order)
            .collect::<Vec<_>>()
    };
    assert_eq!(lost("4711").len(), 1);
    assert_eq!(
        lost("4711")[0].helped.as_ref().unwrap().how,
        Remedy::Substitution
    );
    for order in ["4713", "4714"] {
        assert_eq!(lost(order).len(), 1, "{order}");
        assert!(lost(order)[0].key.line.is_some(), "{order}");
    }
    house.whole().await;
}

/// Nothing is raised on a channel to hide what is owed: below zero it is left alone.
#[tokio::test]
async fn r17_s44_what_is_owed_is_not_repaired_on_the_channel() {
    let house = House::new();
    house.count("A", "main", 0, 0).await;
    house.map("10", "A", None).await;
    house.say(order("shop", "1", 5, "A", (10, 0, 0))).await;
    let now = house.at("A", "main").await;
    assert_eq!((now.on_hand, now.available()), (0, -10));
    assert_eq!(house.desired("10").await.0, 0);
    let position = onhand::domain::delivery::Position {
        shown: onhand::domain::delivery::Shown::Known {
            quantity: -10,
            as_of: at(6),
        },
        stale: false,
        orders_read: None,
    };
    let rules = onhand::domain::delivery::Rules {
        compare_and_set: true,
        orders_visible_after_ms: 0,
    };
    let nothing = onhand::domain::quantity::Quantity::ZERO;
    let step = onhand::domain::delivery::step(nothing, position, rules);
    assert_eq!(step, onhand::domain::delivery::Step::Acknowledge);
}

/// A place that owes does not eat another place's stock. Numbers of S37.
#[tokio::test]
async fn r18_s37_a_place_that_owes_does_not_eat_another() {
    let house = House::new();
    house.count("A", "main", 1, 0).await;
    house.count("A", "east", 3, 0).await;
    house.map("10", "A", None).await;
    house.map("11", "A", Some("east")).await;
    house.map("12", "A", Some("main")).await;
    house.say(order("shop", "1", 5, "A", (5, 0, 0))).await;
    assert_eq!(house.at("A", "main").await.available(), -4);
    assert_eq!(house.desired("10").await.0, 3);
    assert_eq!(house.desired("11").await.0, 3, "its own place");
    assert_eq!(house.desired("12").await.0, 0);
}

/// Sales inside the cap are backorders, beyond it oversells; a day's making is a cap, too.
#[tokio::test]
async fn r19_a_cap_bounds_what_is_sold_beyond_the_shelf() {
    let promises = Promises {
        backorder: BTreeMap::from([(sku("A"), Backorder::Units(3))]),
        daily: BTreeMap::from([(sku("CAKE"), 10)]),
        ..Promises::default()
    };
    let house = House::promising(promises);
    house.is_now(60);
    house.count("A", "main", 1, 0).await;
    house.count("CAKE", "main", 0, 0).await;
    house.map("10", "A", None).await;
    house.map("20", "CAKE", None).await;
    assert_eq!(house.desired("10").await.0, 4);
    house.say(order("shop", "1", 5, "A", (4, 0, 0))).await;
    assert_eq!(house.desired("10").await.0, 0);
    assert!(house.incidents().await.is_empty());
    house.say(order("shop", "2", 6, "A", (1, 0, 0))).await;
    let found = house.incidents().await;
    assert_eq!(
        (found[0].units(), found[0].lines[0].key.order.as_str()),
        (1, "2")
    );

    assert_eq!(house.desired("20").await.0, 10);
    house.say(order("shop", "3", 7, "CAKE", (7, 0, 0))).await;
    let day_ends = Timestamp::from_millis(86_400_000);
    assert_eq!(house.desired("20").await, (3, Some(day_ends)));
    assert_eq!(house.incidents().await.len(), 1, "it is being made");
    house.say(order("shop", "4", 8, "CAKE", (4, 0, 0))).await;
    let found = house.incidents().await;
    assert_eq!(
        (found.len(), found[1].units()),
        (2, 1),
        "more than a day's making"
    );
    house.is_now(24 * 60 + 1);
    assert_eq!(house.desired("20").await.0, 10, "a new day");
    house.whole().await;
}

/// What nobody counts is never sent and never missing.
#[tokio::test]
async fn r20_what_nobody_counts_is_never_sent_and_never_missing() {
    let promises = Promises {
        untracked: BTreeSet::from([sku("GIFT")]),
        ..Promises::default()
    };
    let house = House::promising(promises);
    house.count("MUG", "main", 4, 0).await;
    house.map("10", "GIFT", None).await;
    house.say(order("shop", "1", 5, "GIFT", (3, 0, 0))).await;
    assert!(house.incidents().await.is_empty());
    let need = |text| onhand::domain::bundle::Need {
        sku: sku(text),
        units: 1,
    };
    let recipes = BTreeMap::from([(sku("SET"), vec![need("GIFT"), need("MUG")])]);
    house
        .ledger
        .write(move |t| t.put_recipes(&recipes))
        .await
        .unwrap();
    house.map("11", "SET", None).await;
    assert_eq!(house.desired("11").await.0, 4, "only the mug limits");
    let all = house
        .ledger
        .read(|t| t.listings(&Selection::default()))
        .await
        .unwrap();
    let publishable: Vec<_> = all
        .iter()
        .filter(|state| state.publishable())
        .map(|state| state.key.listing.as_str())
        .collect();
    assert_eq!(publishable, ["11"]);
    house.whole().await;
}

/// Two offers of one SKU: ours follows our stock, the marketplace's own is never written, and neither zeroes the other.
/// What it ships from its own shelves moves nothing of ours. Numbers of S58.
#[tokio::test]
async fn r40_r41_r42_s58_what_the_marketplace_ships_is_another_pool() {
    let house = House::new();
    house.count("X", "main", 7, 0).await;
    house.map("10", "X", None).await;
    let fba = CatalogRow {
        key: ListingKey {
            channel: channel("shop"),
            listing: ListingId::new("11").unwrap(),
        },
        alias: None,
        their_sku: Some("X-FBA".to_owned()),
        mapping: Some(Mapping {
            sku: sku("X"),
            factor: 1,
            location: None,
            fulfilment: Fulfilment::Channel,
        }),
        not_publishable: None,
    };
    house
        .ledger
        .write(move |t| t.put_listings(std::slice::from_ref(&fba)))
        .await
        .unwrap();
    let mut sold = order("shop", "fba", 5, "X-FBA", (0, 2, 0));
    sold.lines[0].listing = Some(ListingId::new("11").unwrap());
    house.say(sold).await;
    assert_eq!(house.at("X", "main").await.on_hand, 7);
    let mut ours = order("shop", "fbm", 5, "X", (3, 0, 0));
    ours.lines[0].listing = Some(ListingId::new("10").unwrap());
    house.say(ours).await;
    assert_eq!(house.desired("10").await.0, 4);
    let all = house
        .ledger
        .read(|t| t.listings(&Selection::default()))
        .await
        .unwrap();
    let publishable: Vec<_> = all
        .iter()
        .filter(|state| state.publishable())
        .map(|state| state.key.listing.as_str())
        .collect();
    assert_eq!(publishable, ["10"]);
    house.whole().await;
}

/// A list of one place says nothing of the others.
#[tokio::test]
async fn r43_a_partial_list_of_places_zeroes_nothing() {
    let house = House::new();
    house.count("A", "main", 4, 0).await;
    house.count("A", "east", 3, 0).await;
    house.map("10", "A", None).await;
    house.count("A", "main", 5, 2).await;
    assert_eq!(house.at("A", "east").await.on_hand, 3);
    assert_eq!(house.desired("10").await.0, 8);
    // The back room is no place that the shop sells from.
    house.count("A", "store", 50, 2).await;
    assert_eq!(house.desired("10").await.0, 8);
}

/// Committed where the channel assigned it; assigned later, it moves; cancelled, it is released where it was.
#[tokio::test]
async fn r44_a_promise_follows_where_the_channel_assigns_it() {
    let assigned = |version, location: Option<&str>, target| {
        let mut found = order("shop", "1", version, "A", target);
        (found.placed_at, found.lines[0].location) = (at(5), location.map(place));
        found
    };
    let messages = [
        assigned(5, None, (2, 0, 0)),
        assigned(6, Some("east"), (2, 0, 0)),
        assigned(7, None, (1, 1, 0)),
    ];
    for order in [[0, 1, 2], [2, 1, 0], [1, 0, 2], [2, 0, 1]] {
        let house = House::new();
        house.count("A", "main", 5, 0).await;
        house.count("A", "east", 5, 0).await;
        house.say(messages[0].clone()).await;
        assert_eq!(house.at("A", "main").await.committed, 2, "at pool level");
        for n in order.into_iter().chain(order) {
            house.say(messages[n].clone()).await;
        }
        let (main, east) = (house.at("A", "main").await, house.at("A", "east").await);
        assert_eq!((main.on_hand, main.committed), (5, 0), "{order:?}");
        assert_eq!((east.on_hand, east.committed), (4, 1), "{order:?}");
        house.say(assigned(9, None, (0, 1, 0))).await;
        assert_eq!(house.at("A", "east").await.available(), 4);
        house.whole().await;
    }
}

/// An order that is sent from two places promises at each of them, and a message that does not say where moves nothing.
/// What comes back is where it came back.
#[tokio::test]
async fn r44_a_split_order_promises_at_each_place() {
    let split = |version, target, east: LineTarget| {
        let mut found = order("shop", "1", version, "A", target);
        (found.placed_at, found.lines[0].location) = (at(5), Some(place("main")));
        found.lines[0].elsewhere = vec![Part {
            location: place("east"),
            target: east,
            damaged: 0,
            taken: 0,
        }];
        found
    };
    let silent = |version, target| {
        let mut found = order("shop", "1", version, "A", target);
        found.placed_at = at(5);
        found
    };
    let (committed, none) = (
        |committed| LineTarget {
            committed,
            ..LineTarget::default()
        },
        LineTarget::default(),
    );
    let house = House::new();
    house.count("A", "main", 5, 0).await;
    house.count("A", "east", 5, 0).await;
    for (message, main, east) in [
        (silent(5, (3, 0, 0)), (5, 3), (5, 0)),
        (split(6, (3, 0, 0), committed(1)), (5, 2), (5, 1)),
        (silent(7, (3, 0, 0)), (5, 2), (5, 1)),
        // One was cancelled; which of them is not said.
        (silent(8, (2, 0, 0)), (5, 1), (5, 1)),
        (
            split(9, (1, 1, 0), LineTarget { shipped: 1, ..none }),
            (5, 1),
            (4, 0),
        ),
        (
            split(
                10,
                (0, 2, 1),
                LineTarget {
                    shipped: 1,
                    returned: 1,
                    ..none
                },
            ),
            (4, 0),
            (5, 0),
        ),
        (silent(11, (0, 2, 1)), (4, 0), (5, 0)),
    ] {
        house.say(message.clone()).await;
        house.say(message).await;
        let now = (house.at("A", "main").await, house.at("A", "east").await);
        assert_eq!((now.0.on_hand, now.0.committed), main);
        assert_eq!((now.1.on_hand, now.1.committed), east);
        house.whole().await;
    }
}

/// Cancelled units go back to the pool that they came from. Numbers of S45.
#[tokio::test]
async fn s45_cancelled_units_go_back_to_their_pool() {
    let house = House::new();
    house.count("A", "main", 5, 0).await;
    house.count("A", "east", 5, 0).await;
    let mut sold = order("shop", "1", 5, "A", (2, 0, 0));
    sold.lines[0].location = Some(place("east"));
    house.say(sold).await;
    house.say(order("shop", "1", 6, "A", (0, 0, 0))).await;
    for location in ["main", "east"] {
        assert_eq!(house.at("A", location).await.available(), 5, "{location}");
    }
}

/// One act: never at both places, never lost. Numbers of S41.
#[tokio::test]
async fn r45_s41_a_transfer_is_one_act_with_goods_on_the_way() {
    let house = House::new();
    house.count("A", "main", 40, 0).await;
    house.map("10", "A", None).await;
    house.send("T1", "A", (40, 0), 5).await.unwrap();
    let (main, store) = (house.at("A", "main").await, house.at("A", "store").await);
    assert_eq!((main.on_hand, store.incoming, store.on_hand), (0, 40, 0));
    house.say(order("shop", "1", 6, "A", (10, 0, 0))).await;
    assert_eq!(house.desired("10").await.0, 0);
    for received in [15, 15, 5, 40] {
        house.send("T1", "A", (40, received), 10).await.unwrap();
    }
    let store = house.at("A", "store").await;
    assert_eq!((store.on_hand, store.incoming), (40, 0));
    assert_eq!(house.at("A", "main").await.available(), -10, "owed here");
    assert!(house.send("T1", "A", (40, 45), 11).await.is_err());
    house
        .send_over("T1", "A", (40, 45), 11, true)
        .await
        .unwrap();
    assert_eq!(house.at("A", "store").await.on_hand, 45);
    // Cut short.
    house.count("B", "main", 10, 0).await;
    house.send("T2", "B", (10, 6), 5).await.unwrap();
    let refused = house.cancel_transfer("T2", None, 7).await.unwrap_err();
    assert!(refused.contains("4 units are on the way"), "{refused}");
    house
        .cancel_transfer("T2", Some(Goods::Source), 7)
        .await
        .unwrap();
    let (main, store) = (house.at("B", "main").await, house.at("B", "store").await);
    assert_eq!((main.on_hand, store.on_hand, store.incoming), (4, 6, 0));
    house.whole().await;
}

/// Ordered is incoming and not for sale; a receipt is one however often it is said.
#[tokio::test]
async fn r46_a_receipt_counts_once() {
    let house = House::new();
    house.count("A", "main", 0, 0).await;
    house.map("10", "A", None).await;
    house.expect("PO-1", "A", 100).await.unwrap();
    let now = house.at("A", "main").await;
    assert_eq!((now.incoming, now.available()), (100, 0));
    assert_eq!(house.desired("10").await.0, 0);
    for _ in 0..3 {
        house
            .receive(receipt("R1", Some("PO-1"), "A", 60))
            .await
            .unwrap();
    }
    let now = house.at("A", "main").await;
    assert_eq!((now.on_hand, now.incoming), (60, 40));
    assert!(
        house
            .receive(receipt("R1", Some("PO-1"), "A", 50))
            .await
            .is_err()
    );
    assert!(
        house
            .receive(receipt("R2", Some("PO-1"), "A", 41))
            .await
            .is_err()
    );
    house
        .receive(receipt("R2", Some("PO-1"), "A", 40))
        .await
        .unwrap();
    assert_eq!(house.at("A", "main").await.incoming, 0);
    // The same number for another order is another receipt.
    house.expect("PO-2", "A", 5).await.unwrap();
    house
        .receive(receipt("R1", Some("PO-2"), "A", 5))
        .await
        .unwrap();
    let now = house.at("A", "main").await;
    assert_eq!((now.on_hand, now.incoming), (105, 0));
    let stock = house.ledger.read(|t| t.stock()).await.unwrap();
    assert_eq!(
        stock[0].reference,
        Some(5),
        "shares are of the last receipt"
    );
    house.whole().await;
}

/// A movement that took effect before a count changes its variance and not the balance; one after it changes the balance.
/// Numbers of S39.
#[tokio::test]
async fn r47_s39_a_late_movement_changes_the_variance_of_the_count_it_precedes() {
    let house = House::new();
    house.receive(receipt("R1", None, "A", 57)).await.unwrap();
    house.adjust("A", -15, 20).await.unwrap();
    let found = house.count("A", "main", 1, 30).await;
    assert_eq!((found.book, found.variance, found.on_hand), (42, -41, 1));
    house.adjust("A", 1, 25).await.unwrap();
    assert_eq!(house.at("A", "main").await.on_hand, 1);
    let entries = house
        .ledger
        .read(|t| t.entries_of_sku(&sku("A")))
        .await
        .unwrap();
    let variance: i64 = entries
        .iter()
        .filter(|line| line.entry.at == at(30))
        .map(|line| line.entry.movement.on_hand)
        .sum();
    assert_eq!(variance, -42);
    house.adjust("A", -1, 35).await.unwrap();
    assert_eq!(house.at("A", "main").await.on_hand, 0);
    house.whole().await;
}

/// The book of the moment at which the bin was counted is compared; nothing is frozen. Numbers of S40.
#[tokio::test]
async fn r48_s40_what_moved_while_people_counted_stays_moved() {
    let house = House::new();
    house.count("A", "main", 20, 600).await;
    house.say(order("shop", "1", 620, "A", (3, 0, 0))).await;
    let found = house
        .bin(BinCount {
            counted: counted("A", "main", 19, 605),
            picked: Picked::Unsaid,
        })
        .await;
    assert_eq!((found.book, found.counted, found.variance), (20, 19, -1));
    assert_eq!((found.on_hand, found.available, found.later), (19, 16, 0));
    house.say(order("shop", "1", 640, "A", (0, 3, 0))).await;
    let again = house
        .bin(BinCount {
            counted: counted("A", "main", 19, 605),
            picked: Picked::Unsaid,
        })
        .await;
    assert_eq!((again.variance, again.later, again.on_hand), (0, -3, 16));
    house.whole().await;
}

/// Whether picked units are in the numbers is said, or only what lies outside of all that could be is a difference.
#[tokio::test]
async fn r47_picked_units_are_in_the_count_or_not() {
    for (picked, units, variance) in [
        (Picked::Included, 20, 0),
        (Picked::Included, 17, -3),
        (Picked::Apart(2), 18, 0),
        (Picked::Apart(0), 17, -3),
        (Picked::Unsaid, 20, 0),
        (Picked::Unsaid, 18, 0),
        (Picked::Unsaid, 17, 0),
        (Picked::Unsaid, 16, -1),
        (Picked::Unsaid, 21, 1),
    ] {
        let house = House::new();
        house.count("A", "main", 20, 0).await;
        house.say(order("shop", "1", 5, "A", (3, 0, 0))).await;
        let bin = BinCount {
            counted: counted("A", "main", units, 10),
            picked,
        };
        let found = house.bin(bin).await;
        assert_eq!(found.variance, variance, "{picked:?} {units}");
        assert_eq!(found.on_hand, 20 + variance);
        house.whole().await;
    }
}

/// A difference has a reason and a person; a number that is set is a count.
#[tokio::test]
async fn r49_a_change_by_hand_has_a_reason_and_a_person() {
    let house = House::new();
    house.count("A", "main", 10, 0).await;
    house.adjust("A", -2, 5).await.unwrap();
    let entries = house
        .ledger
        .read(|t| t.entries_of_sku(&sku("A")))
        .await
        .unwrap();
    let words: Vec<_> = entries
        .iter()
        .map(|line| line.entry.cause.words())
        .collect();
    assert_eq!(words, ["counted 10 by ann", "broken, by ann"]);
    assert_eq!(house.at("A", "main").await.on_hand, 8);
}

/// A renamed SKU keeps what is promised; a re-used name inherits nothing. Numbers of S30.
#[tokio::test]
async fn r37_s30_a_renamed_sku_keeps_its_promises_and_a_reused_name_has_none() {
    let house = House::new();
    house.count("OLD", "main", 1, 0).await;
    house.map("10", "OLD", None).await;
    house.say(order("shop", "1", 5, "OLD", (1, 0, 0))).await;
    let rename = |t: &mut dyn onhand::ledger::tables::Tables| -> Result<(), StoreError> {
        t.rename_sku(&sku("OLD"), &sku("NEW"), at(10))
    };
    house.ledger.write(rename).await.unwrap();
    assert_eq!(house.at("NEW", "main").await.available(), 0);
    assert_eq!(house.desired("10").await.0, 0);
    // Orders that still name the old one, and news of the one that was open.
    house.say(order("shop", "2", 11, "OLD", (1, 0, 0))).await;
    house.say(order("shop", "1", 12, "OLD", (0, 0, 0))).await;
    assert_eq!(house.at("NEW", "main").await.available(), 0);
    house.whole().await;
    let names = house.ledger.read(|t| t.aliases(&sku("NEW"))).await.unwrap();
    assert_eq!((names[0].alias.as_str(), names[0].until), ("OLD", at(10)));
    // Other goods get the old name.
    house.count("OLD", "main", 7, 20).await;
    assert_eq!(house.at("OLD", "main").await.available(), 7);
    house.say(order("shop", "3", 21, "OLD", (2, 0, 0))).await;
    assert_eq!(house.at("OLD", "main").await.available(), 5);
    assert_eq!(house.at("NEW", "main").await.committed, 1);
    house.whole().await;
}

/// A pack of six is six units: shown are whole packs, one sale takes six, and a new factor is for new orders.
#[tokio::test]
async fn r31_a_pack_is_its_units_and_its_factor_is_frozen_with_the_order() {
    let house = House::new();
    house.count("A", "main", 20, 0).await;
    house.map_pack("10", "A", 6).await;
    assert_eq!(house.desired("10").await.0, 3);
    let sold = |id: &str, version, committed| {
        let mut found = order("shop", id, version, "", (committed, 0, 0));
        found.lines[0].listing = Some(ListingId::new("10").unwrap());
        found
    };
    house.say(sold("1", 5, 1)).await;
    assert_eq!(house.at("A", "main").await.available(), 14);
    assert_eq!(house.desired("10").await.0, 2);
    house.map_pack("10", "A", 4).await;
    assert_eq!(house.desired("10").await.0, 3, "of 14");
    house.say(sold("2", 6, 1)).await;
    assert_eq!(house.at("A", "main").await.available(), 10);
    house.say(sold("1", 7, 0)).await;
    assert_eq!(house.at("A", "main").await.available(), 16, "six come back");
    house.whole().await;
}

/// Many listings of one SKU are normal: all of them show the same units.
#[tokio::test]
async fn r36_listings_of_one_sku_show_the_same() {
    let house = House::new();
    house.count("A", "main", 7, 0).await;
    for listing in ["10", "11", "12"] {
        house.map(listing, "A", None).await;
    }
    house.say(order("shop", "1", 5, "A", (2, 0, 0))).await;
    for listing in ["10", "11", "12"] {
        assert_eq!(house.desired(listing).await.0, 5, "{listing}");
    }
}

/// What is not known yet is kept and subtracted when it is known, at the time of its sale; news that come meanwhile count.
#[tokio::test]
async fn r38_an_unknown_sku_waits_and_is_booked_at_its_own_time() {
    let house = House::new();
    house.count("A", "main", 10, 0).await;
    let sold = |version, target| {
        let mut found = order("shop", "1", version, "LAUNCH", target);
        found.lines[0].listing = Some(ListingId::new("99").unwrap());
        found
    };
    house.say(sold(5, (4, 0, 0))).await;
    house.say(sold(6, (2, 0, 0))).await;
    assert_eq!(house.at("A", "main").await.available(), 10);
    let parked = || house.ledger.read(|t| t.parked_orders());
    assert_eq!(parked().await.unwrap().len(), 1);
    house.map("99", "A", None).await;
    let (rules, now) = (house.rules.clone(), at(50));
    let book =
        move |t: &mut dyn onhand::ledger::tables::Tables| counts::book_parked(t, &rules, now);
    house.ledger.write(book).await.unwrap();
    assert_eq!(house.at("A", "main").await.available(), 8);
    assert_eq!(parked().await.unwrap().len(), 0);
    let entries = house
        .ledger
        .read(|t| t.entries_of_sku(&sku("A")))
        .await
        .unwrap();
    assert_eq!(entries.last().unwrap().entry.at, at(6));
    house.whole().await;
}

/// A wrong mapping is corrected by entries; what shipped stays unless it is asked for; a factor is frozen with the order.
#[tokio::test]
async fn r31_r36_a_wrong_mapping_is_corrected_by_compensating_entries() {
    let house = House::new();
    for text in ["RED", "BLUE"] {
        house.count(text, "main", 10, 0).await;
    }
    house.map("10", "RED", None).await;
    let sold = |id: &str, version, target| {
        let mut found = order("shop", id, version, "", target);
        found.lines[0].listing = Some(ListingId::new("10").unwrap());
        found
    };
    house.say(sold("open", 5, (2, 0, 0))).await;
    house.say(sold("gone", 5, (0, 1, 0))).await;
    house.map("10", "BLUE", None).await;
    let rules = house.rules.clone();
    let rebook = move |shipped: bool| {
        let rules = rules.clone();
        move |t: &mut dyn onhand::ledger::tables::Tables| {
            let orders = t.booked_orders(None, None)?;
            let wanted = onhand::ledger::tables::Wanted {
                orders: orders.clone(),
                every_text: true,
                ..Default::default()
            };
            let mut books = t.gather(&wanted)?;
            let mut lines = 0;
            for key in &orders {
                let found =
                    onhand::domain::decide::remap(&mut books, key, &rules[&key.0].rules, shipped);
                lines += found.unwrap().0.len();
            }
            t.write_books(&books, at(20))?;
            Ok(lines)
        }
    };
    assert_eq!(house.ledger.write(rebook(false)).await.unwrap(), 1);
    assert_eq!(house.at("RED", "main").await.available(), 9);
    assert_eq!(house.at("BLUE", "main").await.available(), 8);
    house.whole().await;
    assert_eq!(house.ledger.write(rebook(false)).await.unwrap(), 0);
    assert_eq!(house.ledger.write(rebook(true)).await.unwrap(), 1);
    assert_eq!(house.at("RED", "main").await.available(), 10);
    assert_eq!(house.at("BLUE", "main").await.available(), 7);
    // The same story goes on with the new goods.
    house.say(sold("open", 30, (0, 0, 0))).await;
    assert_eq!(house.at("BLUE", "main").await.available(), 9);
    house.whole().await;
}

/// The books as of a moment: by when things took effect, or by what had been written down.
#[tokio::test]
async fn the_books_are_replayed_as_of_a_moment() {
    let house = House::new();
    house.is_now(10);
    house.count("A", "main", 10, 5).await;
    house.is_now(30);
    house.adjust("A", -2, 8).await.unwrap();
    let at_then = |minute, as_written| {
        let ledger = house.ledger.clone();
        async move {
            let rows = ledger
                .read(move |t| t.stock_at(at(minute), as_written))
                .await
                .unwrap();
            rows.first().map_or(0, |row| row.balances.on_hand)
        }
    };
    assert_eq!(at_then(4, false).await, 0);
    assert_eq!(at_then(6, false).await, 10);
    assert_eq!(at_then(9, false).await, 8);
    assert_eq!(at_then(20, true).await, 10, "nobody knew yet");
    assert_eq!(at_then(30, true).await, 8);
}

/// One fact that somebody tells the books.
#[derive(Debug, Clone)]
enum Fact {
    Count(Counted),
    Receipt(ReceiptRow),
    Transfer(TransferRow),
    Order(OrderSnapshot),
}

impl Fact {
    async fn tell(&self, house: &House) {
        match self.clone() {
            Self::Count(row) => {
                let work = move |t: &mut dyn onhand::ledger::tables::Tables| {
                    counts::count(t, std::slice::from_ref(&row), "ann", at(1_000))
                };
                house.ledger.write(work).await.unwrap();
            }
            Self::Receipt(row) => drop(house.receive(row).await),
            Self::Transfer(row) => {
                let terms = house.terms();
                let work = move |t: &mut dyn onhand::ledger::tables::Tables| {
                    moves::transfer(t, std::slice::from_ref(&row), &terms)
                };
                house.ledger.write(work).await.unwrap();
            }
            Self::Order(snapshot) => house.say(snapshot).await,
        }
    }
}

/// Receipts, transfers with partial news, orders with their lives, and at most one count of each place.
fn facts() -> impl proptest::strategy::Strategy<Value = Vec<Vec<Fact>>> {
    use proptest::prelude::*;
    let receipt = (1u32..20, 1i64..40, 0usize..3).prop_map(|(units, minute, n)| {
        let mut row = receipt(&format!("R{n}"), None, "A", units);
        row.at = at(minute);
        vec![Fact::Receipt(row)]
    });
    let transfer = (1u32..20, 0u32..20, 0u32..20, 1i64..20, 0usize..3).prop_map(
        |(sent, first, second, minute, n)| {
            let news = |received: u32, minute| {
                Fact::Transfer(TransferRow {
                    transfer: paper(&format!("T{n}-{sent}")),
                    news: TransferNews {
                        sku: sku("A"),
                        from: place("main"),
                        to: place("store"),
                        sent,
                        received: received.min(sent),
                    },
                    at: at(minute),
                })
            };
            // Each piece of news may come at any place among the others.
            vec![
                news(0, minute),
                news(first, minute + 5),
                news(second, minute + 15),
            ]
        },
    );
    let sold =
        (1u32..5, 1i64..30, 0usize..4, 0usize..3).prop_map(|(units, minute, n, where_from)| {
            let id = format!("{n}-{minute}");
            let state = |version, target, there: LineTarget| {
                let mut found = order("shop", &id, version, "A", target);
                found.placed_at = at(minute);
                // From the channel's own place, from another one, or from both.
                let split = where_from == 2;
                found.lines[0].location = (where_from == 1).then(|| place("east"));
                found.lines[0].elsewhere = split
                    .then(|| Part {
                        location: place("east"),
                        target: there,
                        damaged: 0,
                        taken: 0,
                    })
                    .into_iter()
                    .collect();
                Fact::Order(found)
            };
            let none = LineTarget::default();
            let (committed, returned) = (1, units / 2);
            vec![
                state(minute, (units, 0, 0), LineTarget { committed, ..none }),
                state(
                    minute + 4,
                    (units - 1, 1, 0),
                    LineTarget { committed, ..none },
                ),
                state(
                    minute + 9,
                    (0, units, returned),
                    LineTarget {
                        shipped: 1,
                        returned,
                        ..none
                    },
                ),
            ]
        });
    let count = |location: &'static str| {
        (0i64..40, 5i64..35).prop_map(move |(units, minute)| {
            vec![Fact::Count(counted("A", location, units, minute))]
        })
    };
    let moves = prop::collection::vec(prop_oneof![receipt, transfer, sold], 1..6);
    (
        moves,
        prop::option::of(count("main")),
        prop::option::of(count("store")),
    )
        .prop_map(|(mut all, main, store)| {
            all.extend(main);
            all.extend(store);
            all
        })
}

/// Facts in the order that the dice say. What belongs to one order stays in its own order: an order that is first seen when
/// it was shipped is dated by its placement. News of transfers stand by themselves.
fn mixed(groups: &[Vec<Fact>], dice: &[usize]) -> Vec<Fact> {
    let mut queues: Vec<std::collections::VecDeque<Fact>> = Vec::new();
    for group in groups {
        if matches!(group[0], Fact::Transfer(_)) {
            queues.extend(group.iter().map(|fact| [fact.clone()].into()));
        } else {
            queues.push(group.iter().cloned().collect());
        }
    }
    let mut mixed = Vec::new();
    let mut n = 0;
    while !queues.is_empty() {
        let pick = dice[n % dice.len()] % queues.len();
        n += 1;
        mixed.extend(queues[pick].pop_front());
        queues.retain(|queue| !queue.is_empty());
    }
    mixed
}

/// What every place holds.
async fn everywhere(house: &House) -> Vec<Balances> {
    let mut found = Vec::new();
    for location in ["main", "east", "store"] {
        found.push(house.at("A", location).await);
    }
    found
}

mod laws {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(60))]

        /// Design §4: the identities hold after every fact; and the same facts in any order end alike (rule R47).
        #[test]
        fn any_interleaving_keeps_the_identities_and_ends_alike(
            groups in facts(),
            dice in prop::collection::vec(0usize..1_000, 1..40),
            other in prop::collection::vec(0usize..1_000, 1..40),
        ) {
            let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
            runtime.block_on(async {
                let (one, two) = (House::new(), House::new());
                for house in [&one, &two] {
                    let known = BTreeSet::from([sku("A")]);
                    let known = house.ledger.write(move |t| t.add_skus(&known));
                    known.await.unwrap();
                }
                // Receipts of one number and transfers over their numbers are refused by what came first; each number
                // stands once here.
                let groups = once(groups);
                for fact in mixed(&groups, &dice) {
                    fact.tell(&one).await;
                    one.whole().await;
                    for held in everywhere(&one).await {
                        assert!(held.committed >= 0);
                        assert_eq!(held.available(), held.on_hand - held.committed - held.set_aside);
                    }
                }
                for fact in mixed(&groups, &other) {
                    fact.tell(&two).await;
                    // Said twice is said once.
                    fact.tell(&two).await;
                }
                two.whole().await;
                assert_eq!(everywhere(&one).await, everywhere(&two).await);
            });
        }
    }

    fn once(groups: Vec<Vec<Fact>>) -> Vec<Vec<Fact>> {
        let mut seen = BTreeSet::new();
        let name = |group: &Vec<Fact>| match &group[0] {
            Fact::Count(row) => format!("count {}", row.location),
            Fact::Receipt(row) => format!("receipt {}", row.reference),
            Fact::Transfer(row) => format!("transfer {}", row.transfer),
            Fact::Order(snapshot) => format!("order {}", snapshot.order),
        };
        let new = |group: &Vec<Fact>| seen.insert(name(group));
        let mut groups = groups;
        let mut new = new;
        groups.retain(|group| new(group));
        groups
    }
}
