//! Places, and where promises are (rules R40 to R44).

use onhand::domain::catalog::{Fulfilment, Mapping};
use onhand::domain::ids::{ListingId, ListingKey};
use onhand::domain::order::{LineTarget, Part};
use onhand::ledger::tables::{CatalogRow, Selection};

use super::{House, at, channel, order, place, sku};

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
