//! Listings: what is dirty, and what is doubted.

use std::collections::BTreeMap;
use std::collections::BTreeSet;

use onhand::domain::delivery::Shown;
use onhand::ledger::tables::Selection;

use super::{at, dirty, feed_version, intake, key, ledger, map, open, order, says, settle, sku};

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
