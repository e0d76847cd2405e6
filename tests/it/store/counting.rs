//! Counts in any order.

use onhand::domain::order::LineTarget;
use onhand::domain::stock::Basis;
use onhand::ledger::counts::{self, Counted};

use super::{at, balances, intake, ledger, open, order, place, says, sku, whole};

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
