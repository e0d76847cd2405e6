//! Names and mappings (rules R31, R36, R37 and R38).

use onhand::domain::ids::ListingId;
use onhand::ledger::{StoreError, counts};

use super::{House, at, order, sku};

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
