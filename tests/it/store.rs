//! What every store must do: written once, run over each.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use onhand::domain::catalog::{Folding, Fulfilment, Mapping};
use onhand::domain::clock::{Clock, Timestamp};
use onhand::domain::decide::ChannelRules;
use onhand::domain::delivery::Shown;
use onhand::domain::ids::{ChannelId, LineId, ListingId, ListingKey, LocationId, OrderId, Sku};
use onhand::domain::message::{Hint, Level};
use onhand::domain::order::{LineSnapshot, LineTarget, OrderSnapshot, Version};
use onhand::domain::stock::{Balances, Basis};
use onhand::ledger::Ledger;
use onhand::ledger::counts::{self, Counted};
use onhand::ledger::record::{BookRules, ChannelBooks, Intake, Says};
use onhand::ledger::sqlite::Sqlite;
use onhand::ledger::tables::{
    CatalogRow, ChannelState, Erasure, Horizon, Outcome, Selection, Settled,
};

/// A clock that stands still.
#[derive(Debug)]
pub(crate) struct Still(pub(crate) i64);

impl Clock for Still {
    fn now(&self) -> Timestamp {
        at(self.0)
    }
}

pub(crate) fn at(ms: i64) -> Timestamp {
    Timestamp::from_millis(ms)
}

pub(crate) fn sku(text: &str) -> Sku {
    Sku::new(text).unwrap()
}

pub(crate) fn channel(text: &str) -> ChannelId {
    ChannelId::new(text).unwrap()
}

pub(crate) fn place() -> LocationId {
    LocationId::new("main").unwrap()
}

pub(crate) fn rules() -> BookRules {
    let books = |fold, unique| ChannelBooks {
        rules: ChannelRules {
            location: place(),
            clock_skew_ms: 2000,
        },
        folding: Folding { case: fold },
        delivery_id_unique: unique,
    };
    BTreeMap::from([
        (channel("shop"), books(true, false)),
        (channel("web"), books(false, true)),
    ])
    .into()
}

pub(crate) fn ledger() -> Ledger {
    Ledger::inline(
        Box::new(Sqlite::in_memory().unwrap()),
        rules(),
        Arc::new(Still(1_000_000)),
    )
}

fn order(from: &str, id: &str, version: i64, text: &str, committed: u32) -> OrderSnapshot {
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
            listing: Some(ListingId::new("10").unwrap()),
            sku: text.to_owned(),
            location: None,
            elsewhere: Vec::new(),
            target: LineTarget {
                committed,
                taken_by_channel: committed,
                ..LineTarget::default()
            },
        }],
    }
}

pub(crate) fn intake(from: &str, delivery: Option<&str>, says: Says) -> Intake {
    Intake {
        channel: channel(from),
        received_at: at(900_000),
        topic: "order".into(),
        delivery: delivery.map(str::to_owned),
        happened_at: None,
        raw: b"raw".to_vec(),
        solicited: false,
        says,
    }
}

fn says(snapshots: Vec<OrderSnapshot>, levels: Vec<Level>) -> Says {
    Says::Understood {
        snapshots,
        levels,
        hints: Vec::new(),
        ignored: None,
    }
}

async fn open(ledger: &Ledger, text: &str, units: i64) {
    let row = Counted {
        sku: sku(text),
        location: place(),
        units,
        basis: Basis::OnHand,
        set_aside: None,
        at: at(1),
    };
    ledger
        .write(move |t| counts::count(t, std::slice::from_ref(&row), "test", at(1)))
        .await
        .unwrap();
}

async fn map(ledger: &Ledger, from: &str, listing: &str, text: &str, factor: u32) {
    let mapping = Mapping {
        sku: sku(text),
        factor,
        location: None,
        fulfilment: Fulfilment::Merchant,
    };
    let row = CatalogRow {
        key: key(from, listing),
        alias: None,
        their_sku: None,
        mapping: Some(mapping),
        not_publishable: None,
    };
    ledger
        .write(move |t| t.put_listings(std::slice::from_ref(&row)))
        .await
        .unwrap();
}

fn key(from: &str, listing: &str) -> ListingKey {
    ListingKey {
        channel: channel(from),
        listing: ListingId::new(listing).unwrap(),
    }
}

pub(crate) async fn balances(ledger: &Ledger, text: &str) -> Balances {
    let wanted = sku(text);
    let rows = ledger.read(|t| t.stock()).await.unwrap();
    rows.into_iter()
        .find(|row| row.sku == wanted)
        .map(|row| row.balances)
        .unwrap_or_default()
}

async fn dirty(ledger: &Ledger) -> Vec<String> {
    let which = Selection {
        dirty: true,
        ..Selection::default()
    };
    let found = ledger.read(move |t| t.listings(&which)).await.unwrap();
    found
        .iter()
        .map(|listing| listing.key.to_string())
        .collect()
}

async fn settle(ledger: &Ledger, listing: ListingKey, shown: Shown, acked: Option<i64>) {
    let turn = Settled {
        key: listing,
        shown,
        compared: Some(false),
        stale: false,
        acked,
        verified_at: None,
        failures: 0,
        due_at: at(0),
    };
    ledger
        .write(move |t| t.settle(std::slice::from_ref(&turn)))
        .await
        .unwrap();
}

async fn feed_version(ledger: &Ledger, listing: &ListingKey) -> i64 {
    let which = Selection {
        keys: Some(BTreeSet::from([listing.clone()])),
        ..Selection::default()
    };
    ledger.read(move |t| t.listings(&which)).await.unwrap()[0].feed_version()
}

async fn whole(ledger: &Ledger) {
    assert_eq!(ledger.verify().await.unwrap(), Vec::<String>::new());
}

#[tokio::test]
async fn a_message_changes_stock_once_however_often_it_comes() {
    let ledger = ledger();
    open(&ledger, "A", 10).await;
    let mut outcomes = Vec::new();
    for _ in 0..3 {
        let found = ledger
            .record(intake(
                "shop",
                Some("same"),
                says(vec![order("shop", "1", 5, "A", 2)], vec![]),
            ))
            .await;
        outcomes.push(found.unwrap().outcome);
    }
    assert_eq!(
        outcomes,
        [Outcome::Applied, Outcome::Duplicate, Outcome::Duplicate]
    );
    assert_eq!(balances(&ledger, "A").await.available(), 8);
    whole(&ledger).await;
}

#[tokio::test]
async fn a_delivery_id_skips_work_only_where_it_is_unique() {
    let ledger = ledger();
    open(&ledger, "A", 10).await;
    for from in ["shop", "web"] {
        for id in ["1", "2"] {
            let message = says(vec![order(from, id, 5, "A", 1)], vec![]);
            ledger
                .record(intake(from, Some("same"), message))
                .await
                .unwrap();
        }
    }
    assert_eq!(
        balances(&ledger, "A").await.committed,
        3,
        "two orders at shop, one at web"
    );
    whole(&ledger).await;
}

#[tokio::test]
async fn a_channel_knows_when_it_was_last_heard_and_a_read_is_not_hearing() {
    let ledger = ledger();
    let last = |text: &'static str| {
        let ledger = ledger.clone();
        async move {
            let id = channel(text);
            let state = ledger.read(move |t| t.channel(&id)).await.unwrap();
            state.last_hook_at
        }
    };
    let mut asked = intake("shop", None, says(Vec::new(), Vec::new()));
    asked.solicited = true;
    ledger.record(asked).await.unwrap();
    assert_eq!(last("shop").await, None);

    let came = intake("shop", None, says(Vec::new(), Vec::new()));
    ledger.record(came).await.unwrap();
    let heard = last("shop").await;
    assert!(heard.is_some());
    assert_eq!(last("other").await, None);

    // Who writes the rest of the row does not forget it.
    ledger
        .write(|t| t.set_channel(&channel("shop"), &ChannelState::default()))
        .await
        .unwrap();
    assert_eq!(last("shop").await, heard);
}

#[tokio::test]
async fn the_same_message_under_two_deliveries_is_one_sale() {
    let ledger = ledger();
    open(&ledger, "A", 10).await;
    for delivery in ["a", "b"] {
        let message = says(vec![order("web", "1", 5, "A", 2)], vec![]);
        ledger
            .record(intake("web", Some(delivery), message))
            .await
            .unwrap();
    }
    assert_eq!(balances(&ledger, "A").await.committed, 2);
}

#[tokio::test]
async fn case_is_folded_only_where_the_channel_folds_it() {
    let ledger = ledger();
    open(&ledger, "MUG-1", 10).await;
    ledger
        .record(intake(
            "shop",
            None,
            says(vec![order("shop", "1", 5, "mug-1 ", 1)], vec![]),
        ))
        .await
        .unwrap();
    let found = ledger
        .record(intake(
            "web",
            None,
            says(vec![order("web", "1", 5, "mug-1", 1)], vec![]),
        ))
        .await
        .unwrap();
    assert_eq!(found.outcome, Outcome::Parked);
    assert_eq!(balances(&ledger, "MUG-1").await.committed, 1);
}

#[tokio::test]
async fn a_parked_line_is_booked_when_its_mapping_arrives() {
    let ledger = ledger();
    open(&ledger, "A", 10).await;
    let found = ledger
        .record(intake(
            "shop",
            None,
            says(vec![order("shop", "1", 5, "NEW", 2)], vec![]),
        ))
        .await
        .unwrap();
    assert_eq!(found.outcome, Outcome::Parked);
    assert!(found.reason.unwrap().contains("NEW"));
    map(&ledger, "shop", "10", "A", 3).await;
    let booked = ledger
        .write(|t| counts::book_parked(t, &rules(), at(2_000_000)))
        .await
        .unwrap();
    assert_eq!(booked, BTreeSet::from([sku("A")]));
    assert_eq!(balances(&ledger, "A").await.available(), 4);
    whole(&ledger).await;
}

#[tokio::test]
async fn what_cannot_be_understood_is_kept_and_stops_nothing() {
    let ledger = ledger();
    let found = ledger
        .record(intake(
            "shop",
            None,
            Says::Unreadable {
                reason: "no JSON".into(),
            },
        ))
        .await
        .unwrap();
    assert_eq!(
        (found.outcome, found.reason.as_deref()),
        (Outcome::Parked, Some("no JSON"))
    );
    let stranger = ledger
        .record(intake(
            "nobody",
            None,
            says(vec![order("nobody", "1", 5, "A", 1)], vec![]),
        ))
        .await;
    assert_eq!(stranger.unwrap().outcome, Outcome::Parked);
}

#[tokio::test]
async fn numbers_beyond_range_are_parked_and_the_books_stay_whole() {
    let ledger = ledger();
    open(&ledger, "A", i64::MAX).await;
    let mut returned = order("shop", "1", 5, "A", 0);
    returned.placed_at = at(0);
    let mut later = order("shop", "2", 5, "A", 0);
    later.lines[0].target = LineTarget {
        shipped: 5,
        returned: 5,
        ..LineTarget::default()
    };
    ledger
        .record(intake("shop", None, says(vec![returned, later], vec![])))
        .await
        .unwrap();
    map(&ledger, "shop", "10", "A", u32::MAX).await;
    let found = ledger
        .record(intake(
            "shop",
            None,
            says(vec![order("shop", "3", 6, "A", u32::MAX)], vec![]),
        ))
        .await;
    assert_eq!(found.unwrap().outcome, Outcome::Parked);
    whole(&ledger).await;
}

#[tokio::test]
async fn an_order_that_does_not_fit_stops_no_other_that_waited() {
    let ledger = ledger();
    for (id, text) in [("1", "HUGE"), ("2", "A"), ("3", "HUGE")] {
        let mut sold = order("shop", id, 5, text, if text == "A" { 2 } else { u32::MAX });
        sold.lines[0].listing = None;
        ledger
            .record(intake("shop", None, says(vec![sold], vec![])))
            .await
            .unwrap();
    }
    // A bundle of so many that no number holds them.
    let need = onhand::domain::bundle::Need {
        sku: sku("PART"),
        units: u32::MAX,
    };
    let recipes = BTreeMap::from([(sku("HUGE"), vec![need])]);
    ledger
        .write(move |t| {
            t.add_skus(&BTreeSet::from([sku("HUGE"), sku("PART"), sku("A")]))?;
            t.put_recipes(&recipes)
        })
        .await
        .unwrap();
    for _ in 0..2 {
        ledger
            .write(|t| counts::book_parked(t, &rules(), at(2_000_000)))
            .await
            .unwrap();
    }
    assert_eq!(balances(&ledger, "A").await.committed, 2);
    let letters = ledger.read(|t| t.dead_letters()).await.unwrap();
    let named: Vec<_> = letters.iter().map(|letter| letter.what.as_str()).collect();
    assert_eq!(named, ["1", "3"]);
    whole(&ledger).await;
}

#[tokio::test]
async fn a_count_repeated_changes_nothing_and_keeps_later_sales() {
    let ledger = ledger();
    open(&ledger, "A", 20).await;
    let mut shipped = order("shop", "1", 500, "A", 0);
    shipped.lines[0].target = LineTarget {
        shipped: 3,
        ..LineTarget::default()
    };
    ledger
        .record(intake("shop", None, says(vec![shipped], vec![])))
        .await
        .unwrap();
    // Counted at 100, before the 3 left at 500; entered now.
    let row = Counted {
        sku: sku("A"),
        location: place(),
        units: 19,
        basis: Basis::OnHand,
        set_aside: None,
        at: at(100),
    };
    for expected in [-1, 0] {
        let row = row.clone();
        let found = ledger
            .write(move |t| counts::count(t, std::slice::from_ref(&row), "test", at(600)))
            .await
            .unwrap();
        assert_eq!((found[0].variance, found[0].on_hand), (expected, 16));
    }
    whole(&ledger).await;
}

/// Every order of these numbers.
fn permutations(of: &[usize]) -> Vec<Vec<usize>> {
    if of.is_empty() {
        return vec![Vec::new()];
    }
    let mut found = Vec::new();
    for (place, first) in of.iter().enumerate() {
        let mut rest = of.to_vec();
        rest.remove(place);
        for mut order in permutations(&rest) {
            order.insert(0, *first);
            found.push(order);
        }
    }
    found
}

#[tokio::test]
async fn counts_of_different_times_in_any_order_and_repetition_give_the_same_balances() {
    let row = |ms, units, basis, set_aside| Counted {
        sku: sku("A"),
        location: place(),
        units,
        basis,
        set_aside,
        at: at(ms),
    };
    let counts = [
        row(100, 7, Basis::OnHand, Some(1)),
        row(200, 12, Basis::Available, Some(3)),
        row(300, 10, Basis::OnHand, None),
        row(400, 9, Basis::Available, None),
    ];
    let mut shipped = order("shop", "1", 250, "A", 0);
    shipped.lines[0].target.shipped = 2;
    for latest in 1..=counts.len() {
        let days: Vec<_> = (0..latest).collect();
        let mut expected = None;
        for order in permutations(&days) {
            let ledger = ledger();
            let message = intake("shop", None, says(vec![shipped.clone()], vec![]));
            for n in order.iter().chain(order.iter().rev()).chain(&days) {
                let row = counts[*n].clone();
                let entered =
                    ledger.write(move |t| counts::count(t, std::slice::from_ref(&row), "x", at(9)));
                entered.await.unwrap();
                ledger.record(message.clone()).await.unwrap();
            }
            let found = balances(&ledger, "A").await;
            assert_eq!(
                *expected.get_or_insert(found),
                found,
                "{order:?} of {latest}"
            );
            whole(&ledger).await;
            let repeat = counts[latest - 1].clone();
            let repeated =
                ledger.write(move |t| counts::count(t, std::slice::from_ref(&repeat), "x", at(9)));
            assert_eq!(repeated.await.unwrap()[0].variance, 0, "{order:?}");
        }
    }
}

#[tokio::test]
async fn an_older_count_invents_no_stock() {
    let ledger = ledger();
    let row = |ms, units, set_aside| Counted {
        sku: sku("A"),
        location: place(),
        units,
        basis: Basis::OnHand,
        set_aside,
        at: at(ms),
    };
    for (row, variance) in [
        (row(200, 10, Some(0)), 10),
        (row(100, 7, Some(2)), 7),
        (row(100, 7, Some(2)), 0),
        (row(200, 10, Some(0)), 0),
    ] {
        let entered =
            ledger.write(move |t| counts::count(t, std::slice::from_ref(&row), "x", at(900)));
        let found = entered.await.unwrap();
        assert_eq!((found[0].variance, found[0].on_hand), (variance, 10));
        assert_eq!(balances(&ledger, "A").await.set_aside, 0);
    }
    let then = |ms| ledger.read(move |t| t.on_hand_at(&sku("A"), &place(), at(ms)));
    assert_eq!(
        then(150).await.unwrap().on_hand,
        7,
        "as it was counted then"
    );
    assert_eq!(then(250).await.unwrap().on_hand, 10);
    whole(&ledger).await;
}

#[tokio::test]
async fn a_listing_is_dirty_until_its_feed_version_is_acknowledged() {
    let ledger = ledger();
    open(&ledger, "A", 10).await;
    map(&ledger, "web", "7", "A", 1).await;
    let listing = key("web", "7");
    assert_eq!(dirty(&ledger).await, ["web:7"]);
    let version = feed_version(&ledger, &listing).await;
    settle(
        &ledger,
        listing.clone(),
        Shown::Known {
            quantity: 10,
            as_of: at(5),
        },
        Some(version),
    )
    .await;
    assert!(dirty(&ledger).await.is_empty());
    ledger
        .record(intake(
            "shop",
            None,
            says(vec![order("shop", "1", 5, "A", 2)], vec![]),
        ))
        .await
        .unwrap();
    assert_eq!(dirty(&ledger).await, ["web:7"]);
    // An older acknowledgement that comes late neither cleans it nor lowers what was acknowledged.
    settle(
        &ledger,
        listing.clone(),
        Shown::Known {
            quantity: 10,
            as_of: at(6),
        },
        Some(version),
    )
    .await;
    assert_eq!(dirty(&ledger).await, ["web:7"]);
    let newest = feed_version(&ledger, &listing).await;
    settle(
        &ledger,
        listing.clone(),
        Shown::Known {
            quantity: 8,
            as_of: at(7),
        },
        Some(newest),
    )
    .await;
    settle(
        &ledger,
        listing,
        Shown::Known {
            quantity: 8,
            as_of: at(8),
        },
        Some(version),
    )
    .await;
    assert!(dirty(&ledger).await.is_empty());
}

#[tokio::test]
async fn a_component_makes_every_bundle_dirty_that_contains_it() {
    let ledger = ledger();
    open(&ledger, "A", 10).await;
    open(&ledger, "B", 10).await;
    let need = |text: &str, units| onhand::domain::bundle::Need {
        sku: sku(text),
        units,
    };
    let recipes = BTreeMap::from([
        (sku("X"), vec![need("A", 2), need("B", 1)]),
        (sku("Y"), vec![need("X", 2)]),
    ]);
    map(&ledger, "web", "x", "X", 1).await;
    map(&ledger, "web", "y", "Y", 1).await;
    ledger
        .write(move |t| t.put_recipes(&recipes))
        .await
        .unwrap();
    for listing in ["x", "y"] {
        let listing = key("web", listing);
        let version = feed_version(&ledger, &listing).await;
        settle(
            &ledger,
            listing,
            Shown::Known {
                quantity: 1,
                as_of: at(5),
            },
            Some(version),
        )
        .await;
    }
    assert!(dirty(&ledger).await.is_empty());
    ledger
        .record(intake(
            "shop",
            None,
            says(vec![order("shop", "1", 5, "B", 1)], vec![]),
        ))
        .await
        .unwrap();
    assert_eq!(dirty(&ledger).await, ["web:x", "web:y"]);
}

#[tokio::test]
async fn a_recipe_with_a_cycle_changes_nothing() {
    let ledger = ledger();
    let need = |text: &str| onhand::domain::bundle::Need {
        sku: sku(text),
        units: 1,
    };
    let good = BTreeMap::from([(sku("X"), vec![need("A")])]);
    let keep = good.clone();
    ledger.write(move |t| t.put_recipes(&good)).await.unwrap();
    let circle = BTreeMap::from([(sku("X"), vec![need("Y")]), (sku("Y"), vec![need("X")])]);
    let error = ledger
        .write(move |t| t.put_recipes(&circle))
        .await
        .unwrap_err();
    assert!(error.to_string().contains("contains itself"), "{error}");
    assert_eq!(ledger.read(|t| t.recipes()).await.unwrap(), keep);
}

#[tokio::test]
async fn at_start_everything_open_is_doubted() {
    let ledger = ledger();
    open(&ledger, "A", 10).await;
    map(&ledger, "web", "7", "A", 1).await;
    let listing = key("web", "7");
    let version = feed_version(&ledger, &listing).await;
    settle(
        &ledger,
        listing.clone(),
        Shown::Known {
            quantity: 10,
            as_of: at(5),
        },
        Some(version),
    )
    .await;
    assert_eq!(
        ledger.write(|t| t.doubt_open()).await.unwrap(),
        0,
        "nothing is open"
    );
    let sending = [(listing.clone(), 6)];
    ledger.write(move |t| t.begin_send(&sending)).await.unwrap();
    assert_eq!(ledger.write(|t| t.doubt_open()).await.unwrap(), 1);
    let which = Selection {
        keys: Some(BTreeSet::from([listing])),
        ..Selection::default()
    };
    let found = ledger.read(move |t| t.listings(&which)).await.unwrap();
    assert_eq!(
        found[0].shown,
        Shown::Unknown {
            last: Some(6),
            as_of: at(5)
        },
        "the lower stands in"
    );
}

#[tokio::test]
async fn a_sale_while_a_call_is_under_way_leaves_what_is_shown_unknown() {
    let ledger = ledger();
    open(&ledger, "A", 10).await;
    map(&ledger, "shop", "10", "A", 1).await;
    let listing = key("shop", "10");
    settle(
        &ledger,
        listing.clone(),
        Shown::Known {
            quantity: 10,
            as_of: at(5),
        },
        Some(1),
    )
    .await;
    let sending = [(listing.clone(), 9)];
    ledger.write(move |t| t.begin_send(&sending)).await.unwrap();
    ledger
        .record(intake(
            "shop",
            None,
            says(vec![order("shop", "1", 90_000, "A", 2)], vec![]),
        ))
        .await
        .unwrap();
    settle(
        &ledger,
        listing.clone(),
        Shown::Known {
            quantity: 9,
            as_of: at(91_000),
        },
        Some(1),
    )
    .await;
    let which = Selection {
        keys: Some(BTreeSet::from([listing])),
        ..Selection::default()
    };
    let found = ledger.read(move |t| t.listings(&which)).await.unwrap();
    assert_eq!(
        found[0].shown,
        Shown::Unknown {
            last: Some(9),
            as_of: at(91_000)
        }
    );
    assert!(found[0].dirty());
}

#[tokio::test]
async fn a_level_that_nobody_accounted_for_opens_the_listing_and_asks_for_orders() {
    let ledger = ledger();
    open(&ledger, "A", 10).await;
    map(&ledger, "web", "7", "A", 1).await;
    let listing = key("web", "7");
    let version = feed_version(&ledger, &listing).await;
    settle(
        &ledger,
        listing.clone(),
        Shown::Known {
            quantity: 10,
            as_of: at(5),
        },
        Some(version),
    )
    .await;
    let level = |shows| Level {
        listing: ListingId::new("7").unwrap(),
        shows: Some(shows),
        at: Some(at(60_000)),
    };
    let echo = ledger
        .record(intake("web", None, says(vec![], vec![level(10)])))
        .await
        .unwrap();
    assert_eq!((echo.outcome, echo.reopened), (Outcome::Duplicate, false));
    let edit = ledger
        .record(intake("web", None, says(vec![], vec![level(7)])))
        .await
        .unwrap();
    assert_eq!(
        (edit.outcome, edit.reopened, edit.asked),
        (Outcome::Applied, true, true)
    );
    assert_eq!(dirty(&ledger).await, ["web:7"]);
    let hints = ledger
        .read(|t| t.due_hints(&BTreeSet::new(), at(2_000_000), 10))
        .await
        .unwrap();
    assert_eq!(hints[0].hint, Hint::Orders);
    assert_eq!(
        balances(&ledger, "A").await.on_hand,
        10,
        "levels never move master"
    );
}

#[tokio::test]
async fn a_hint_that_is_asked_again_is_not_taken_away_by_an_older_fetch() {
    let ledger = ledger();
    let hint = (channel("web"), Hint::Order(OrderId::new("5").unwrap()));
    let ask = |when: i64| {
        let hint = hint.clone();
        move |t: &mut dyn onhand::ledger::tables::Tables| {
            t.ask(std::slice::from_ref(&hint), at(when))
        }
    };
    ledger.write(ask(10)).await.unwrap();
    let first = ledger
        .read(|t| t.due_hints(&BTreeSet::new(), at(100), 10))
        .await
        .unwrap()
        .remove(0);
    let mut failed = first.clone();
    failed.failures = 2;
    ledger
        .write(move |t| t.hint_later(&failed, at(15)))
        .await
        .unwrap();
    ledger.write(ask(20)).await.unwrap();
    ledger.write(move |t| t.hint_done(&first)).await.unwrap();
    let left = ledger
        .read(|t| t.due_hints(&BTreeSet::new(), at(100), 10))
        .await
        .unwrap();
    assert_eq!(left.len(), 1, "asked again since");
    assert_eq!(left[0].failures, 0, "it worked in between");
}

#[tokio::test]
async fn many_at_once_are_all_durable_and_counted_once() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("onhand.db");
    let store = || Box::new(Sqlite::open(&path).unwrap());
    let ledger = Ledger::start(store(), store(), rules(), Arc::new(Still(1_000_000)));
    open(&ledger, "A", 1000).await;
    let mut tasks = Vec::new();
    for n in 0..300 {
        let ledger = ledger.clone();
        let message = says(
            vec![order("shop", &(n % 150).to_string(), 5, "A", 1)],
            vec![],
        );
        tasks.push(tokio::spawn(async move {
            ledger.record(intake("shop", None, message)).await.unwrap()
        }));
    }
    for task in tasks {
        task.await.unwrap();
    }
    assert_eq!(balances(&ledger, "A").await.committed, 150);
    drop(ledger);
    let again = Ledger::inline(store(), rules(), Arc::new(Still(2_000_000)));
    assert_eq!(balances(&again, "A").await.committed, 150);
    whole(&again).await;
}

#[tokio::test]
async fn one_changed_byte_is_found() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("onhand.db");
    let ledger = Ledger::inline(
        Box::new(Sqlite::open(&path).unwrap()),
        rules(),
        Arc::new(Still(1)),
    );
    open(&ledger, "A", 10).await;
    ledger
        .record(intake(
            "shop",
            None,
            says(vec![order("shop", "1", 5, "A", 2)], vec![]),
        ))
        .await
        .unwrap();
    whole(&ledger).await;
    for (sql, expected) in [
        ("UPDATE stock SET committed = -2", "entries give"),
        (
            "UPDATE audit SET detail = replace(detail, 'applied', 'ignored')",
            "was changed",
        ),
    ] {
        onhand::ledger::sqlite::open(&path)
            .unwrap()
            .execute(sql, [])
            .unwrap();
        let broken = ledger.verify().await.unwrap().join("\n");
        assert!(broken.contains(expected), "{sql}: {broken}");
    }
}

fn horizon(parked: i64, events: i64, audit: i64) -> Horizon {
    Horizon {
        parked: at(parked),
        events: at(events),
        audit: at(audit),
        requests: at(0),
    }
}

/// An unreadable message that came at a time.
fn unreadable(received: i64, raw: &[u8]) -> Intake {
    let mut intake = intake(
        "shop",
        None,
        Says::Unreadable {
            reason: "no JSON".into(),
        },
    );
    (intake.received_at, intake.raw) = (at(received), raw.to_vec());
    intake
}

/// A store in a file, and a way to ask it in SQL.
fn in_file() -> (tempfile::TempDir, Ledger, rusqlite::Connection) {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("onhand.db");
    let store = Box::new(Sqlite::open(&path).unwrap());
    let ledger = Ledger::inline(store, rules(), Arc::new(Still(1_000_000)));
    let sql = onhand::ledger::sqlite::open(&path).unwrap();
    (folder, ledger, sql)
}

fn count(sql: &rusqlite::Connection, of: &str) -> i64 {
    sql.query_row(&format!("SELECT COUNT(*) FROM {of}"), [], |row| row.get(0))
        .unwrap()
}

#[tokio::test]
async fn what_is_too_old_is_forgotten_in_chunks_and_the_books_stay_whole() {
    let (_folder, ledger, sql) = in_file();
    open(&ledger, "A", 10).await;
    for n in 0..7 {
        ledger.record(unreadable(1_000 + n, b"raw")).await.unwrap();
    }
    let message = says(vec![order("shop", "1", 5, "A", 2)], vec![]);
    ledger.record(intake("shop", None, message)).await.unwrap();
    // Bodies first: that they came, and why they were parked, stays.
    let chunk = || ledger.write(|t| t.forget(horizon(1_005, 0, 0), 2));
    let mut bodies = Vec::new();
    for _ in 0..4 {
        bodies.push(chunk().await.unwrap().bodies);
    }
    assert_eq!(bodies, [2, 2, 1, 0]);
    let kept = "event WHERE outcome = 'parked' AND reason = 'no JSON'";
    assert_eq!(count(&sql, kept), 7);
    assert_eq!(count(&sql, &format!("{kept} AND body IS NULL")), 5);
    // Then the rows.
    let gone = ledger
        .write(|t| t.forget(horizon(0, 10_000, 10_000), 100))
        .await
        .unwrap();
    // The opening count is in the audit, too.
    assert_eq!((gone.events, gone.audit_rows), (7, 8));
    assert_eq!(count(&sql, "event"), 1);
    assert_eq!(balances(&ledger, "A").await.available(), 8);
    whole(&ledger).await;
    let again = ledger.write(|t| t.forget(horizon(0, 10_000, 10_000), 100));
    assert!(again.await.unwrap().is_nothing());
}

#[tokio::test]
async fn the_audit_is_checked_from_where_it_was_cut() {
    let (_folder, ledger, sql) = in_file();
    for n in 0..5 {
        ledger.record(unreadable(1_000 + n, b"raw")).await.unwrap();
    }
    ledger
        .write(|t| t.forget(horizon(0, 0, 1_002), 100))
        .await
        .unwrap();
    whole(&ledger).await;
    sql.execute("UPDATE audit SET subject = 'other' WHERE id = 3", [])
        .unwrap();
    let broken = ledger.verify().await.unwrap().join("\n");
    assert!(broken.contains("audit row 3"), "the first left: {broken}");
    sql.execute("UPDATE audit SET subject = 'order' WHERE id = 3", [])
        .unwrap();
    whole(&ledger).await;
    // What was cut without leave is missed.
    sql.execute("DELETE FROM audit WHERE id = 3", []).unwrap();
    assert!(!ledger.verify().await.unwrap().is_empty());
}

#[tokio::test]
async fn an_audit_that_was_cut_to_its_end_goes_on_from_there() {
    let (_folder, ledger, sql) = in_file();
    for n in 0..3 {
        ledger.record(unreadable(1_000 + n, b"raw")).await.unwrap();
    }
    let all = |n| ledger.write(move |t| t.forget(horizon(0, 0, 9_000), n));
    assert_eq!(all(2).await.unwrap().audit_rows, 2);
    assert_eq!(all(2).await.unwrap().audit_rows, 1);
    ledger.record(unreadable(9_000, b"raw")).await.unwrap();
    assert_eq!(count(&sql, "audit WHERE id = 4"), 1);
    whole(&ledger).await;
}

#[tokio::test]
async fn what_concerns_a_buyer_is_erased_and_the_books_stay() {
    let (folder, ledger, sql) = in_file();
    open(&ledger, "A", 10).await;
    for id in ["4711", "4712"] {
        let message = says(vec![order("shop", id, 5, "A", 2)], vec![]);
        ledger.record(intake("shop", None, message)).await.unwrap();
    }
    let raw: [&[u8]; 4] = [
        b"{\"id\":4711,\"email\":\"Ann@Example.com\",\"id\":",
        b"{\"id\":9,\"email\":\"ANN@example.com\"",
        b"{\"id\":10,\"email\":\"bob@example.com\"",
        b"\xff\xfe",
    ];
    for body in raw {
        ledger.record(unreadable(900_000, body)).await.unwrap();
    }
    let found = |orders: &[&str], texts: &[&str]| {
        let named = |id: &&str| (channel("shop"), OrderId::new(id).unwrap());
        let what = Erasure {
            orders: orders.iter().map(named).collect(),
            texts: texts.iter().map(|&text| text.to_owned()).collect(),
        };
        ledger.read(move |t| t.erasable(&what))
    };
    assert_eq!(found(&["4711"], &[]).await.unwrap(), BTreeSet::from([1, 3]));
    let other = Erasure {
        orders: BTreeSet::from([(channel("web"), OrderId::new("4711").unwrap())]),
        texts: Vec::new(),
    };
    let other = ledger.read(move |t| t.erasable(&other)).await.unwrap();
    assert!(other.is_empty(), "another channel's order of this number");
    let ids = found(&["4711"], &["ann@example.com"]).await.unwrap();
    assert_eq!(ids, BTreeSet::from([1, 3, 4]));
    assert_eq!(ledger.write(move |t| t.erase(&ids)).await.unwrap(), 3);
    assert!(ledger.fold_log().await.unwrap());
    for entry in std::fs::read_dir(folder.path()).unwrap() {
        let path = entry.unwrap().path();
        let text = String::from_utf8_lossy(&std::fs::read(&path).unwrap()).to_lowercase();
        assert!(!text.contains("ann@example.com"), "{}", path.display());
        let main = path.extension().is_some_and(|ext| ext == "db");
        assert_eq!(text.contains("bob@example.com"), main);
    }
    assert_eq!(count(&sql, "event"), 6);
    assert_eq!(balances(&ledger, "A").await.available(), 6);
    whole(&ledger).await;
}

#[tokio::test]
async fn work_that_is_handed_over_is_answered_once() {
    let ledger = ledger();
    let ask = |what: &'static str| ledger.write(move |t| t.hand_over(what, at(500)));
    let (first, second) = (ask("sync").await.unwrap(), ask("other").await.unwrap());
    assert!(first < second);
    let waiting = || ledger.read(|t| t.pending_requests());
    assert_eq!(
        waiting().await.unwrap(),
        [(first, "sync".to_owned()), (second, "other".to_owned())]
    );
    let result = || ledger.read(move |t| t.result_of(first));
    assert_eq!(result().await.unwrap(), None);
    for says in ["done", "done again"] {
        ledger.write(move |t| t.answer(first, says)).await.unwrap();
    }
    assert_eq!(result().await.unwrap().as_deref(), Some("done"));
    assert_eq!(waiting().await.unwrap().len(), 1);
    // What was answered is forgotten, what waits is not.
    let mut before = horizon(0, 0, 0);
    before.requests = at(501);
    ledger.write(move |t| t.forget(before, 10)).await.unwrap();
    assert_eq!(result().await.unwrap(), None);
    assert_eq!(waiting().await.unwrap().len(), 1);
}
