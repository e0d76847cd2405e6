//! Pairs of orders on different channels that did not see each other: closer in time than the latency, or between the same
//! two syncs.
//!
//! Let a SKU's whole history be sold from a pool of Q units, and add up what is oversold for every Q from 1 to all units sold.
//! That sum is the number of blind pairs of units, whatever the demand is, as long as a channel sells what it still shows. So
//! the mean over every place where the stock could have run out is that number over the units sold. A channel that only takes
//! whole orders oversells about a fifth less.
//!
//! A peak at which everything sells so many times as fast is the same count with so many times the latency.

use super::{Mode, Order};

/// What is oversold per stockout.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub struct PerStockout {
    /// Units, if the stockout comes at a random unit.
    pub units: f64,
    /// Orders, if every order is of one unit and the stockout comes at a random order. Bulk orders weigh less in it.
    pub orders: f64,
}

/// What a pair of orders adds.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Blind {
    /// The place of the later order.
    pub later_idx: usize,
    /// The place of the latency in what was asked.
    pub latency_idx: usize,
    /// How likely the pair is blind.
    pub weight: f64,
    /// Pairs of units, times the weight.
    pub units: f64,
}

/// What is oversold per stockout at each latency (the interval of syncs, for [`Mode::Batch`]), in milliseconds.
///
/// All zeros for no orders, or orders of one channel only.
pub fn per_stockout(orders: &[Order], mode: Mode, latencies_ms: &[f64]) -> Vec<PerStockout> {
    let mut found = vec![PerStockout::default(); latencies_ms.len()];
    each(orders, mode, latencies_ms, |blind| {
        if let Some(sum) = found.get_mut(blind.latency_idx) {
            sum.units += blind.units;
            sum.orders += blind.weight;
        }
    });
    let units: f64 = orders.iter().map(|order| order.units).sum();
    let n_orders = super::whole(orders.len());
    for sum in &mut found {
        sum.units = if units > 0.0 { sum.units / units } else { 0.0 };
        sum.orders /= n_orders.max(1.0);
    }
    found
}

/// Calls `take` for each pair of orders and each latency at which they may be blind to each other.
///
/// Takes time in proportion to the orders, times those within the longest latency.
pub fn each(orders: &[Order], mode: Mode, latencies_ms: &[f64], mut take: impl FnMut(Blind)) {
    let mut longest_first: Vec<(usize, f64)> = latencies_ms.iter().copied().enumerate().collect();
    longest_first.sort_by(|a, b| b.1.total_cmp(&a.1));
    let Some(&(_, longest)) = longest_first.first() else {
        return;
    };
    let spread = orders.iter().map(|order| order.spread_ms).max();
    let reach = longest + f64::from(spread.unwrap_or(0));
    for (later_idx, later) in orders.iter().enumerate() {
        for earlier in orders.iter().take(later_idx).rev() {
            let apart = apart(earlier, later);
            if apart >= reach {
                break;
            }
            if earlier.channel == later.channel {
                continue;
            }
            let units = earlier.units * later.units;
            for &(latency_idx, latency) in &longest_first {
                let weight = weight(mode, latency, apart, earlier.spread_ms, later.spread_ms);
                if weight <= 0.0 {
                    break;
                }
                take(Blind {
                    later_idx,
                    latency_idx,
                    weight,
                    units: units * weight,
                });
            }
        }
    }
}

fn apart(earlier: &Order, later: &Order) -> f64 {
    super::millis(later.at_ms.saturating_sub(earlier.at_ms))
}

/// How likely two orders are blind to each other whose earliest moments lie so far apart.
///
/// Each was made somewhere in its own spread, evenly. In batch mode the syncs have a random phase. All in one unit of time.
pub fn weight(mode: Mode, latency: f64, apart: f64, earlier_spread: u32, later_spread: u32) -> f64 {
    let (earlier_spread, later_spread) = (f64::from(earlier_spread), f64::from(later_spread));
    let (least, most) = (apart - earlier_spread, apart + later_spread);
    if least >= latency || latency <= 0.0 {
        return 0.0;
    }
    let middle = f64::midpoint(least, most);
    let known = earlier_spread <= 0.0 && later_spread <= 0.0;
    match mode {
        Mode::Event if known || (most <= latency && least >= -latency) => 1.0,
        Mode::Batch if known || (most <= latency && least >= 0.0) => 1.0 - middle / latency,
        mode if earlier_spread <= 0.0 || later_spread <= 0.0 => {
            (once(mode, latency, most) - once(mode, latency, least)) / (most - least)
        }
        mode => {
            // The mean over two even spreads is the second difference of the second integral.
            let twice = |x: f64| twice(mode, latency, x);
            let sum = twice(most) + twice(least) - twice(apart) - twice(least + later_spread);
            (sum / (earlier_spread * later_spread)).clamp(0.0, 1.0)
        }
    }
}

/// The integral from 0 of how likely two orders are blind that are so far apart.
fn once(mode: Mode, latency: f64, x: f64) -> f64 {
    let within = x.clamp(-latency, latency);
    match mode {
        Mode::Event => within,
        Mode::Batch => within - within * within.abs() / (2.0 * latency),
    }
}

/// The integral of that.
fn twice(mode: Mode, latency: f64, x: f64) -> f64 {
    let far = x.abs();
    let within = far.min(latency);
    let beyond = (far - within) * once(mode, latency, latency);
    match mode {
        Mode::Event => within * within / 2.0 + beyond,
        Mode::Batch => within * within / 2.0 - within * within * within / (6.0 * latency) + beyond,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(mode: Mode, latency_s: f64, spread_s: u32, expected: &[(u32, f64)]) {
        for &(cells, weight) in expected {
            let apart = f64::from(cells * spread_s);
            let found = super::weight(mode, latency_s, apart, spread_s, spread_s);
            assert!((found - weight).abs() < 1e-6, "{cells}: {found} {weight}");
        }
    }

    #[test]
    fn times_without_seconds_are_spread_over_their_minute() {
        check(Mode::Event, 60.0, 60, &[(0, 1.0), (1, 0.5), (2, 0.0)]);
        check(
            Mode::Event,
            5.0,
            60,
            &[(0, 0.159_722), (1, 0.003_472), (2, 0.0)],
        );
        let quarter = [
            (0, 0.977_778),
            (1, 0.933_333),
            (14, 0.066_667),
            (15, 0.011_111),
            (16, 0.0),
        ];
        check(Mode::Batch, 900.0, 60, &quarter);
        check(
            Mode::Batch,
            60.0,
            60,
            &[(0, 0.666_667), (1, 0.166_667), (2, 0.0)],
        );
    }

    #[test]
    fn a_known_time_is_a_spread_of_nothing() {
        for mode in [Mode::Event, Mode::Batch] {
            for apart in [0.0, 1.0, 4.9, 5.0, 5.1] {
                let exact = weight(mode, 5.0, apart, 0, 0);
                let one_sided = weight(mode, 5.0, apart, 0, 2);
                let by_steps: f64 = (0..2_000)
                    .map(|step| weight(mode, 5.0, apart + (f64::from(step) + 0.5) / 1_000.0, 0, 0))
                    .sum();
                assert!(
                    (one_sided - by_steps / 2_000.0).abs() < 1e-3,
                    "{mode:?} {apart}"
                );
                let blind = match mode {
                    Mode::Event => f64::from(u8::from(apart < 5.0)),
                    Mode::Batch => (1.0 - apart / 5.0).max(0.0),
                };
                assert!((exact - blind).abs() < 1e-12);
            }
        }
    }

    #[test]
    fn one_channel_knows_its_own_stock() {
        let order = |at_ms, channel| Order {
            at_ms,
            spread_ms: 0,
            channel,
            units: 2.0,
        };
        let alone = [order(0, 1), order(1, 1), order(2, 1)];
        assert_eq!(
            per_stockout(&alone, Mode::Event, &[1_000.0]),
            [PerStockout::default()]
        );
        assert_eq!(
            per_stockout(&[], Mode::Batch, &[1.0]),
            [PerStockout::default()]
        );
        let two = [order(0, 1), order(1, 1), order(2, 2)];
        // Two pairs of orders, four pairs of units each; six units and three orders.
        let found = per_stockout(&two, Mode::Event, &[1_000.0, 0.0, 2.0]);
        let expected = [(8.0 / 6.0, 2.0 / 3.0), (0.0, 0.0), (4.0 / 6.0, 1.0 / 3.0)];
        for (found, (units, orders)) in found.iter().zip(expected) {
            assert!((found.units - units).abs() < 1e-12 && (found.orders - orders).abs() < 1e-12);
        }
    }
}
