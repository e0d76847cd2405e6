//! Transfers, receipts, counts, changes by hand, and the books of a moment (rules R45 to R49).

use onhand::domain::transfer::Goods;
use onhand::ledger::counts::{BinCount, Picked};

use super::{House, at, counted, order, receipt, sku};

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
