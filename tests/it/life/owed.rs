//! What is owed, and what may be (rules R16 to R20, and R91).

use std::collections::BTreeMap;
use std::collections::BTreeSet;

use onhand::domain::clock::Timestamp;
use onhand::domain::incident::{Helped, LineKey, Remedy};
use onhand::domain::promise::{Backorder, Promises};
use onhand::ledger::incidents::{self, Reported};
use onhand::ledger::tables::Selection;

use super::{House, at, line_key, order, receipt, sku};

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
