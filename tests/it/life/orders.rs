//! Orders: returns, exchanges, pending ones, tills, shipping, pre-orders (rules R9 to R15).

use std::collections::BTreeMap;

use onhand::domain::ids::LineId;
use onhand::domain::order::{LineTarget, Part, Pending};
use onhand::domain::promise::{Backorder, Promises};
use onhand::domain::receipt::Condition;
use onhand::ledger::counts;

use super::{House, at, counted, order, place, receipt, sku};

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
