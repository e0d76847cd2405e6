use super::*;
use crate::sales::harvest::{Sale, Sink};

const WINDOW: Window = Window { start: 0, end: 48 };

fn sales(rows: &[(u16, u64, u32, i32, u32)]) -> Sales {
    let mut sales = Sales::new();
    for &(file, order, line, hour, milli) in rows {
        sales.file(file);
        sales.sale(Sale {
            order,
            line,
            sku: 0,
            channel: 0,
            hour,
            second: 0,
            milli,
            day_hours: 0,
            further: false,
        });
    }
    sales
}

#[track_caller]
fn check(
    rows: &[(u16, u64, u32, i32, u32)],
    counted: u64,
    duplicates: u64,
    expected: &[(usize, f64)],
) {
    let sales = sales(rows);
    let mut found = Market::new(&sales, 1, WINDOW, true);
    let demand = found.demand(0, &mut Vec::new()).unwrap();
    assert_eq!((found.counted, found.duplicates.0), (counted, duplicates));
    let mut sold: Vec<_> = demand
        .sold
        .iter()
        .map(|order| (order.hour, order.units))
        .collect();
    sold.sort_by(|a, b| a.partial_cmp(b).unwrap());
    assert_eq!(sold, expected);
}

#[test]
fn equal_lines_of_one_order_are_two_and_copies_of_them_none() {
    check(
        &[(0, 1, 0, 5, 1_000), (0, 1, 0, 5, 1_000)],
        2,
        0,
        &[(5, 2.0)],
    );
    check(
        &[
            (0, 1, 0, 5, 1_000),
            (0, 1, 0, 5, 1_000),
            (1, 1, 0, 5, 1_000),
            (1, 2, 0, 6, 1_000),
        ],
        3,
        1,
        &[(5, 2.0), (6, 1.0)],
    );
    // The later file knows one line more.
    check(
        &[
            (0, 1, 0, 5, 1_000),
            (1, 1, 0, 5, 1_000),
            (1, 1, 0, 5, 3_000),
        ],
        2,
        1,
        &[(5, 4.0)],
    );
    // Lines with names are the same wherever they stand.
    check(
        &[
            (0, 1, 7, 5, 1_000),
            (0, 1, 7, 5, 1_000),
            (1, 1, 7, 5, 1_000),
            (1, 1, 9, 5, 1_000),
        ],
        2,
        2,
        &[(5, 2.0)],
    );
}

#[test]
fn rows_outside_the_window_tell_when_a_sku_was_first_sold() {
    let old = sales(&[(0, 1, 0, -5, 1_000), (0, 2, 0, 7, 1_000)]);
    let mut found = Market::new(&old, 1, WINDOW, true);
    assert_eq!(found.demand(0, &mut Vec::new()).unwrap().first, 0);
    assert_eq!((found.counted, found.outside), (1, (1, 1_000)));
    assert_eq!(found.fates, [Fate::Outside, Fate::Counted]);
    let young = sales(&[(0, 2, 0, 7, 1_000)]);
    let mut found = Market::new(&young, 1, WINDOW, false);
    assert_eq!(found.demand(0, &mut Vec::new()).unwrap().first, 7);
}

#[test]
fn an_order_of_several_skus_is_one_order_of_the_shop() {
    let mut sales = sales(&[(0, 1, 0, 5, 1_000), (0, 2, 0, 5, 1_000)]);
    sales.sku = vec![0, 1];
    sales.order = vec![9, 9];
    let mut found = Market::new(&sales, 2, WINDOW, false);
    let both = [
        found.demand(0, &mut Vec::new()),
        found.demand(1, &mut Vec::new()),
    ];
    assert!(
        both.iter()
            .all(|demand| demand.as_ref().is_some_and(|demand| demand.sold.len() == 1))
    );
    assert_eq!((found.shop.hours(), found.shop.orders(5)), (48, 1.0));
    let busy: f64 = (0..48).map(|hour| found.shop.weight(hour)).sum();
    assert!((busy - 3.0).abs() < 1e-9);
}

#[test]
fn an_order_in_two_places_is_one_order_of_the_shop() {
    let apart = sales(&[
        (0, 1, 0, 5, 1_000),
        (0, 2, 0, 6, 1_000),
        (0, 1, 0, 5, 1_000),
    ]);
    let mut found = Market::new(&apart, 1, WINDOW, false);
    assert_eq!((found.shop.orders(5), found.shop.orders(6)), (1.0, 1.0));
    let demand = found.demand(0, &mut Vec::new()).unwrap();
    assert_eq!(
        demand.sold,
        [
            Sold {
                hour: 5,
                units: 2.0
            },
            Sold {
                hour: 6,
                units: 1.0
            }
        ]
    );
}
