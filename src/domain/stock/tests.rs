use super::*;
use crate::domain::order::LineTarget;

fn target(committed: u32, shipped: u32, returned: u32) -> Here {
    Here {
        taken: 0,
        target: LineTarget {
            committed,
            shipped,
            returned,
            taken_by_channel: 0,
        },
        damaged: 0,
    }
}

#[track_caller]
fn check(now: Here, baseline: Option<(Here, Basis)>, on_hand: i64, committed: i64) {
    let movement = effect(now, baseline, 1).unwrap();
    assert_eq!(
        (movement.on_hand, movement.committed),
        (on_hand, committed),
        "{now:?} {baseline:?}"
    );
}

#[test]
fn an_order_line_promises_ships_and_returns() {
    check(target(4, 0, 0), None, 0, 4);
    check(target(0, 4, 0), None, -4, 0);
    check(target(0, 4, 1), None, -3, 0);
    // 100 in stock, order of 10, ship 3, cancel 3, credit 5 with restock: 4 were never shipped, 1 comes back.
    check(target(0, 3, 1), None, -2, 0);
}

#[test]
fn shipping_changes_nothing_that_is_for_sale() {
    let stock = Balances {
        on_hand: 50,
        ..Balances::default()
    };
    let open = stock
        .after(effect(target(4, 0, 0), None, 1).unwrap())
        .unwrap();
    let shipped = stock
        .after(effect(target(0, 4, 0), None, 1).unwrap())
        .unwrap();
    assert_eq!((open.available(), shipped.available()), (46, 46));
}

#[test]
fn what_a_count_holds_is_not_taken_again() {
    // Placed before the count and still open: promised, the shelf is not touched.
    check(
        target(3, 0, 0),
        Some((target(3, 0, 0), Basis::OnHand)),
        0,
        3,
    );
    // Shipped before the count: nothing.
    check(
        target(0, 3, 0),
        Some((target(0, 3, 0), Basis::OnHand)),
        0,
        0,
    );
    // Open at the count, shipped since: leaves the shelf.
    check(
        target(0, 3, 0),
        Some((target(3, 0, 0), Basis::OnHand)),
        -3,
        0,
    );
    // Shipped before, come back since: goes onto the shelf.
    check(
        target(0, 3, 2),
        Some((target(0, 3, 0), Basis::OnHand)),
        2,
        0,
    );
}

#[test]
fn a_count_of_what_was_for_sale_leaves_the_sale_out_of_available() {
    let counted = Balances {
        on_hand: 10,
        ..Balances::default()
    };
    for (now, available) in [
        (target(3, 0, 0), 10),
        (target(0, 3, 0), 10),
        (target(0, 0, 0), 13),
    ] {
        let movement = effect(now, Some((target(3, 0, 0), Basis::Available)), 1).unwrap();
        let after = counted.after(movement).unwrap();
        assert_eq!(after.available(), available, "{now:?}");
    }
}

#[test]
fn numbers_beyond_range_are_errors() {
    let full = Balances {
        on_hand: i64::MAX,
        ..Balances::default()
    };
    assert_eq!(
        full.after(Movement {
            on_hand: 1,
            ..Movement::default()
        }),
        Err(Overflow)
    );
    assert!(effect(target(u32::MAX, 0, 0), None, u32::MAX).is_err());
}
