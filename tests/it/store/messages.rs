//! Messages: once, parked, beyond range, many at once.

use std::collections::BTreeMap;
use std::collections::BTreeSet;
use std::sync::Arc;

use onhand::domain::delivery::Shown;
use onhand::domain::ids::{ListingId, OrderId};
use onhand::domain::message::{Hint, Level};
use onhand::domain::order::LineTarget;
use onhand::ledger::record::Says;
use onhand::ledger::sqlite::Sqlite;
use onhand::ledger::tables::{ChannelState, Outcome};
use onhand::ledger::{Ledger, counts};

use super::{
    Still, at, balances, channel, dirty, feed_version, intake, key, ledger, map, open, order,
    rules, says, settle, sku, whole,
};

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
