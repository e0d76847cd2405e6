use super::*;

fn orders(hours: &[(usize, usize, f64)]) -> Vec<Sold> {
    let each = |&(hour, n, units): &(usize, usize, f64)| vec![Sold { hour, units }; n];
    let mut sold: Vec<Sold> = hours.iter().flat_map(each).collect();
    sold.sort_by_key(|order| order.hour);
    sold
}

#[track_caller]
fn near(found: f64, expected: f64) {
    assert!((found - expected).abs() < 1e-6, "{found} is not {expected}");
}

#[test]
fn an_order_counts_only_where_its_hour_is_busy_without_it() {
    let burst = |last| {
        own_peak(
            &orders(&[
                (10, 12, 1.0),
                (20, 8, 1.0),
                (30, 8, 1.0),
                (40, last, 1.0),
                (50, 1, 5.0),
            ]),
            5.0,
            168,
        )
    };
    for (found, error) in [(burst(5), 1.154_701), (burst(8), 1.154_701)] {
        near(found.rate, 4.0);
        near(found.error, error);
        near(found.lower, 2.100_518);
    }
    let bulk = own_peak(&orders(&[(3, 1, 80_995.0)]), 404_975.0, 2_160);
    assert_eq!((bulk.rate, bulk.lower), (0.0, 0.0));
    near(own_peak(&[], 5.0, 2_160).rate, 0.0);
}

#[test]
fn the_busiest_hours_share_what_ties_leave() {
    let mut counts = vec![9.0, 8.0, 7.0, 6.0, 5.0, 5.0, 5.0, 4.0, 3.0, 3.0, 3.0, 3.0];
    counts.resize(168, 0.0);
    let found = weights(&counts, 9);
    assert_eq!(
        found[..12],
        [
            1.0, 1.0, 1.0, 1.0, 1.0, 1.0, 1.0, 1.0, 0.25, 0.25, 0.25, 0.25
        ]
    );
    near(found.iter().sum(), 9.0);
    assert_eq!(ceil(0.05 * 168.0), 9);
    assert_eq!(ceil(0.05 * 2_160.0), 108);
    assert_eq!(weights(&[1.0], 0), [0.0]);
    assert_eq!(weights(&[1.0], 5), [1.0]);
}

#[test]
fn a_run_that_ended_for_lack_of_stock_is_faster_than_it_looks() {
    near(run_rate(&[(7.0, 0.4)]), 15.0);
    near(run_rate(&[(12.0, 1.0), (7.0, 0.4), (9.0, 1.0)]), 28.0 / 2.4);
    near(run_rate(&[]), 0.0);
}

#[test]
fn a_gap_beyond_chance_is_suspicious() {
    near((-9.6_f64).exp(), 6.772_874e-5);
    assert!(suspicious(12.0 * 0.8));
    assert!(!suspicious(11.0 * 0.8));
    // One order an hour for 100 hours, then none for 20, in a shop that sells all day.
    let shop = Shop::new(vec![10.0; 240], 0);
    let sold: Vec<Sold> = (0..100)
        .chain(120..240)
        .map(|hour| Sold { hour, units: 1.0 })
        .collect();
    assert_eq!(gaps(&sold, 0, &shop), [Hours { from: 100, to: 120 }]);
    let with = measure(&sold, &[], 0, &gaps(&sold, 0, &shop), &shop);
    assert_eq!(with.exposure_hours, 220);
    near(with.shop_peak, 1.0);
}

/// S22: 50 a day in January, then 1 on the first of February, then none in stock.
#[test]
fn days_without_stock_are_no_days_without_demand() {
    let hours = 59 * 24;
    let shop = Shop::new(vec![100.0; hours], 0);
    let mut sold: Vec<Sold> = (0..31 * 24)
        .map(|hour| Sold {
            hour,
            units: 50.0 / 24.0,
        })
        .collect();
    sold.push(Sold {
        hour: 31 * 24,
        units: 1.0,
    });
    let absent = [Hours {
        from: 31 * 24 + 1,
        to: hours,
    }];
    let found = measure(&sold, &[], 0, &absent, &shop);
    assert_eq!(found.exposure_hours, 31 * 24 + 1);
    assert!(
        (found.shop_peak * 24.0 - 50.0).abs() < 0.1,
        "{}",
        found.shop_peak * 24.0
    );
    let naive = measure(&sold, &[], 0, &[], &shop);
    assert!(naive.shop_peak * 24.0 < 30.0);
}

/// S24: one burst over the edge of an hour makes no tier A, whatever its largest hour.
#[test]
fn one_burst_makes_no_tier() {
    let mut counts = vec![0.0; 90 * 24];
    let mut sold = Vec::new();
    for day in 0..60 {
        let hour = day * 24 + 9;
        counts[hour] += 1.0;
        sold.push(Sold { hour, units: 1.0 });
    }
    // 24 units between 13:40 and 14:20 of a day without other sales.
    for hour in [70 * 24 + 13, 70 * 24 + 14] {
        counts[hour] += 12.0;
        sold.extend(vec![Sold { hour, units: 1.0 }; 12]);
    }
    let found = measure(&sold, &[], 0, &[], &Shop::new(counts, 0));
    near(found.max_hour_units, 12.0);
    near((found.own_peak_lower * 100.0).round() / 100.0, 0.72);
    assert_ne!(found.tier(), Tier::A);
}

/// S23: many orders in a weekly flash prove it; a few bulk orders of the same units do not.
#[test]
fn a_weekly_flash_counts_if_many_orders_made_it() {
    let flash = |n_orders: usize, units: f64| {
        let hours = 13 * 7 * 24;
        let (mut counts, mut sold) = (vec![0.0; hours], Vec::new());
        for day in 0..13 * 7 {
            let (n, each, at): (usize, f64, &[usize]) = match day % 7 {
                6 => (0, 0.0, &[]),
                5 => (n_orders, units, &[12, 13]),
                _ => (10, 1.0, &[10, 15]),
            };
            for hour in at.iter().map(|hour| day * 24 + hour) {
                counts[hour] += f64::from(u32::try_from(n).unwrap());
                sold.extend(vec![Sold { hour, units: each }; n]);
            }
        }
        measure(&sold, &[], 0, &[], &Shop::new(counts, 0))
    };
    let (many, few) = (flash(200, 1.0), flash(1, 200.0));
    assert_eq!((many.max_hour_units, few.max_hour_units), (200.0, 200.0));
    assert_eq!(many.tier(), Tier::A);
    assert!(
        few.peak < 15.0 && many.peak > 50.0,
        "{} {}",
        few.peak,
        many.peak
    );
}

#[test]
fn a_day_is_spread_as_the_shop_sold_on_it() {
    // Two peak hours of 40; the day's orders fell half into one of them.
    let mut counts = vec![0.0; 40];
    (counts[5], counts[6], counts[30]) = (8.0, 8.0, 9.0);
    let shop = Shop::new(counts, 0);
    let day = |hour| SoldOnDay {
        hour,
        hours: 24,
        units: 6.0,
    };
    near(shop.peak_share(&day(0)), 0.5);
    near(shop.peak_share(&day(24)), 1.0);
    near(measure(&[], &[day(24)], 0, &[], &shop).shop_peak, 6.0 / 3.0);
}

#[test]
fn few_orders_and_young_goods_are_provisional() {
    let shop = Shop::new(vec![1.0; 2_160], 0);
    let four = measure(
        &orders(&[(100, 2, 90.0), (101, 2, 90.0)]),
        &[],
        100,
        &[],
        &shop,
    );
    assert_eq!(four.tier(), Tier::C);
    assert!(four.provisional(2_160));
    let young = measure(&orders(&[(2_159, 9, 1.0)]), &[], 2_159, &[], &shop);
    assert_eq!(young.exposure_hours, 24);
    assert!(young.provisional(2_160));
}

#[test]
fn a_peak_near_a_bound_is_borderline() {
    let at = |peak, shop_peak_se| Velocity {
        peak,
        shop_peak: peak,
        shop_peak_se,
        ..Velocity::default()
    };
    assert!(at(10.4, 1.0).borderline());
    assert!(at(9.4, 1.0).borderline());
    assert!(!at(12.4, 1.0).borderline());
    assert!(!at(1.0, 0.1).borderline());
}
