use super::*;
use crate::domain::bundle::Need;
use crate::domain::catalog::{Fulfilment, Mapping};
use crate::domain::delivery::Shown;
use crate::domain::ids::{ListingId, LocationId};
use crate::domain::message::Level;
use crate::domain::order::{LineSnapshot, LineTarget, Version};
use crate::domain::stock::{Balances, Basis, Count};

fn shop() -> ChannelId {
    ChannelId::new("shop").unwrap()
}

fn main_place() -> LocationId {
    LocationId::new("main").unwrap()
}

fn sku(text: &str) -> Sku {
    Sku::new(text).unwrap()
}

fn rules() -> ChannelRules {
    ChannelRules {
        location: main_place(),
        clock_skew_ms: 2000,
    }
}

fn books(stock: &[(&str, i64)]) -> Books {
    let mut books = Books::default();
    for (text, on_hand) in stock {
        let balances = Balances {
            on_hand: *on_hand,
            ..Balances::default()
        };
        books.stock.insert(
            (sku(text), main_place()),
            StockRow {
                balances,
                ..StockRow::default()
            },
        );
        books.texts.insert((shop(), (*text).to_owned()), sku(text));
    }
    books
}

fn sold(order: &str, at: i64, text: &str, committed: u32) -> OrderSnapshot {
    OrderSnapshot {
        read_at: None,
        pending: None,
        channel: shop(),
        order: OrderId::new(order).unwrap(),
        version: Version {
            at: Timestamp::from_millis(at),
            rank: 0,
        },
        placed_at: Timestamp::from_millis(at),
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

#[track_caller]
fn available(books: &Books, text: &str, expected: i64) {
    assert_eq!(
        books.stock[&(sku(text), main_place())].balances.available(),
        expected,
        "{text}"
    );
}

#[test]
fn ten_copies_of_a_message_are_one_sale() {
    let mut books = books(&[("A", 10)]);
    for _ in 0..10 {
        decide(&mut books, &sold("500", 5000, "A", 2), &rules()).unwrap();
    }
    available(&books, "A", 8);
    assert_eq!(books.entries.len(), 1);
    assert_eq!(books.versions[&sku("A")], 1);
}

#[test]
fn a_bundle_books_all_its_components() {
    let mut books = books(&[("A", 10), ("B", 10), ("X", 0)]);
    let need = |text, units| Need {
        sku: sku(text),
        units,
    };
    books
        .recipes
        .insert(sku("X"), vec![need("A", 2), need("B", 1)]);
    decide(&mut books, &sold("1", 5000, "X", 3), &rules()).unwrap();
    available(&books, "A", 4);
    available(&books, "B", 7);
    // A later recipe does not touch what was ordered.
    books.recipes.insert(sku("X"), vec![need("A", 5)]);
    decide(&mut books, &sold("1", 6000, "X", 0), &rules()).unwrap();
    available(&books, "A", 10);
    available(&books, "B", 10);
}

#[test]
fn an_unknown_sku_is_parked_and_booked_when_it_is_mapped() {
    let mut books = books(&[("A", 10)]);
    let found = decide(&mut books, &sold("1", 5000, "NEW", 2), &rules()).unwrap();
    assert_eq!(found.parked.len(), 1);
    available(&books, "A", 10);
    let mapping = Mapping {
        sku: sku("A"),
        factor: 3,
        location: None,
        fulfilment: Fulfilment::Merchant,
    };
    let row = ListingRow {
        mapping: Some(mapping),
        shown: Shown::default(),
        sending: false,
        compared: false,
        moved_at: Timestamp::default(),
    };
    books
        .listings
        .insert((shop(), ListingId::new("10").unwrap()), row);
    rebook(&mut books, &(shop(), OrderId::new("1").unwrap()), &rules()).unwrap();
    available(&books, "A", 4);
    assert_eq!(
        books.entries[0].at,
        Timestamp::from_millis(5000),
        "with its original time"
    );
}

#[test]
fn a_sale_lowers_what_its_own_channel_shows_by_difference() {
    let mut books = books(&[("A", 10)]);
    let key = (shop(), ListingId::new("10").unwrap());
    let shown = Shown::Known {
        quantity: 10,
        as_of: Timestamp::from_millis(1000),
    };
    books.listings.insert(
        key.clone(),
        ListingRow {
            mapping: None,
            shown,
            sending: false,
            compared: false,
            moved_at: Timestamp::default(),
        },
    );
    let mut check = |snapshot: OrderSnapshot, quantity| {
        decide(&mut books, &snapshot, &rules()).unwrap();
        let expected = Shown::Known {
            quantity,
            as_of: Timestamp::from_millis(1000),
        };
        assert_eq!(books.listings[&key].shown, expected);
    };
    check(sold("1", 5000, "A", 2), 8);
    check(sold("1", 5000, "A", 2), 8);
    check(sold("1", 6000, "A", 3), 7);
    check(sold("1", 7000, "A", 0), 10);
}

#[test]
fn an_oversold_sku_goes_below_zero() {
    let mut books = books(&[("A", 1)]);
    decide(&mut books, &sold("1", 5000, "A", 4), &rules()).unwrap();
    available(&books, "A", -3);
}

#[test]
fn a_level_is_believed_only_when_it_is_clearly_newer() {
    let key = (shop(), ListingId::new("10").unwrap());
    let believed = Shown::Known {
        quantity: 10,
        as_of: Timestamp::from_millis(1000),
    };
    let check = |shows: Option<i64>, at: i64, sending: bool, expected: Observed, shown: i64| {
        let mut books = books(&[("A", 10)]);
        books.listings.insert(
            key.clone(),
            ListingRow {
                mapping: None,
                shown: believed,
                sending,
                compared: false,
                moved_at: Timestamp::from_millis(500),
            },
        );
        let level = Level {
            listing: key.1.clone(),
            shows,
            at: Some(Timestamp::from_millis(at)),
        };
        let found = observe(
            &mut books,
            &shop(),
            &level,
            Timestamp::from_millis(9000),
            &rules(),
        );
        assert_eq!(
            std::mem::discriminant(&found),
            std::mem::discriminant(&expected),
            "{found:?}"
        );
        assert_eq!(books.listings[&key].shown.stand_in(), Some(shown));
        assert_eq!(
            books.reopened.len(),
            usize::from(found == Observed::Differs)
        );
    };
    check(Some(10), 5000, false, Observed::Agrees, 10);
    check(Some(7), 5000, false, Observed::Differs, 7);
    check(Some(7), 2999, false, Observed::Nothing(""), 10);
    check(Some(7), 5000, true, Observed::Nothing(""), 10);
    check(None, 5000, false, Observed::Nothing(""), 10);
}

#[test]
fn what_a_count_saw_is_not_taken_again_when_its_message_is_late() {
    let shipped = |at: i64| {
        let mut shipped = sold("1", at, "A", 0);
        shipped.placed_at = Timestamp::from_millis(1000);
        shipped.lines[0].target = LineTarget {
            shipped: 3,
            ..LineTarget::default()
        };
        shipped
    };
    let check = |shipped_at: i64, expected: i64| {
        let mut books = books(&[("A", 20)]);
        let mut open = sold("1", 1000, "A", 3);
        open.lines[0].target.taken_by_channel = 0;
        decide(&mut books, &open, &rules()).unwrap();
        // Counted at 5000: 17 are on the shelf if the 3 had left by then, else 20.
        let row = books.stock.get_mut(&(sku("A"), main_place())).unwrap();
        row.count = Some(Count {
            at: Timestamp::from_millis(5000),
            basis: Basis::OnHand,
        });
        row.balances.on_hand = if shipped_at <= 5000 { 17 } else { 20 };
        decide(&mut books, &shipped(shipped_at), &rules()).unwrap();
        assert_eq!(
            books.stock[&(sku("A"), main_place())].balances.on_hand,
            expected
        );
    };
    check(4000, 17);
    check(6000, 17);
}

#[test]
fn an_order_that_came_and_went_unseen_leaves_what_is_shown_unknown() {
    let key = (shop(), ListingId::new("10").unwrap());
    let check = |known_at: i64, certain: bool| {
        let mut books = books(&[("A", 10)]);
        let shown = Shown::Known {
            quantity: 10,
            as_of: Timestamp::from_millis(known_at),
        };
        let row = ListingRow {
            mapping: None,
            shown,
            sending: false,
            compared: false,
            moved_at: Timestamp::default(),
        };
        books.listings.insert(key.clone(), row);
        let mut cancelled = sold("1", 60_000, "A", 0);
        cancelled.placed_at = Timestamp::from_millis(30_000);
        decide(&mut books, &cancelled, &rules()).unwrap();
        assert_eq!(
            matches!(books.listings[&key].shown, Shown::Known { .. }),
            certain,
            "{known_at}"
        );
        assert_eq!(books.reopened.is_empty(), certain);
    };
    check(20_000, true);
    check(29_000, false);
    check(45_000, false);
    check(61_000, false);
    check(63_000, true);
}

#[test]
fn after_a_compared_write_every_sale_came_later_whatever_the_clocks_say() {
    let key = (shop(), ListingId::new("10").unwrap());
    let mut books = books(&[("A", 10)]);
    let shown = Shown::Known {
        quantity: 10,
        as_of: Timestamp::from_millis(60_000),
    };
    let moved_at = Timestamp::default();
    books.listings.insert(
        key.clone(),
        ListingRow {
            mapping: None,
            shown,
            sending: false,
            compared: true,
            moved_at,
        },
    );
    decide(&mut books, &sold("1", 50_000, "A", 2), &rules()).unwrap();
    let expected = Shown::Known {
        quantity: 8,
        as_of: Timestamp::from_millis(60_000),
    };
    assert_eq!(books.listings[&key].shown, expected);
}

/// Rule R44: goods that a channel counts at two places are two listings of one alias, and each follows its own place.
#[test]
fn r44_what_is_shown_follows_the_place_that_units_are_taken_at() {
    let mut books = books(&[("A", 10)]);
    let alias = ListingId::new("10").unwrap();
    for (id, place) in [("5", "main"), ("5@2", "east")] {
        let listing = ListingId::new(id).unwrap();
        let mapping = Mapping {
            sku: sku("A"),
            factor: 1,
            location: Some(LocationId::new(place).unwrap()),
            fulfilment: Fulfilment::Merchant,
        };
        let row = ListingRow {
            mapping: Some(mapping),
            shown: Shown::Known {
                quantity: 10,
                as_of: Timestamp::from_millis(1000),
            },
            sending: false,
            compared: false,
            moved_at: Timestamp::default(),
        };
        let named = books.aliases.entry((shop(), alias.clone())).or_default();
        named.insert(listing.clone());
        books.listings.insert((shop(), listing), row);
    }
    let part = |taken| crate::domain::order::Part {
        location: LocationId::new("east").unwrap(),
        target: LineTarget {
            committed: 1,
            ..LineTarget::default()
        },
        damaged: 0,
        taken,
    };
    let mut check = |at: i64, units, place: Option<&str>, east, shown: [i64; 2]| {
        let mut snapshot = sold("1", at, "A", units);
        snapshot.placed_at = Timestamp::from_millis(5000);
        snapshot.lines[0].location = place.map(|place| LocationId::new(place).unwrap());
        snapshot.lines[0].elsewhere = east;
        for _ in 0..2 {
            decide(&mut books, &snapshot, &rules()).unwrap();
        }
        let found = ["5", "5@2"].map(|id| {
            let key = (shop(), ListingId::new(id).unwrap());
            books.listings[&key].shown.stand_in().unwrap()
        });
        assert_eq!(found, shown, "{at}");
    };
    check(5000, 3, None, Vec::new(), [7, 10]);
    check(9000, 3, Some("main"), vec![part(1)], [8, 9]);
    check(12_000, 3, Some("east"), Vec::new(), [10, 7]);
    check(15_000, 1, None, Vec::new(), [10, 9]);
    // Given back at the other place.
    check(18_000, 0, Some("east"), vec![], [10, 10]);
}
