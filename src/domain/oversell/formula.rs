//! What buyers who come independently of each other would oversell: closed forms. Rates are per hour, times in hours.
//!
//! Real buyers come in bursts and in bulk; [`super::pairs`] counts what they did. These forms say how a figure moves with
//! rate, latency and shares, and what a table of the field assumes.

use statrs::distribution::{Discrete, Poisson};

/// The chance that two units were sold on different channels: 0 for one channel, 2/3 for three equal ones.
///
/// `shares` are those of the channels; they add up to 1.
pub fn mixing(shares: &[f64]) -> f64 {
    1.0 - shares.iter().map(|share| share * share).sum::<f64>()
}

/// Units oversold per stockout when channels are synced every `interval` and what is read takes `delay` to be shown.
pub fn batch(rate: f64, interval: f64, delay: f64, shares: &[f64]) -> f64 {
    rate * (interval / 2.0 + delay) * mixing(shares)
}

/// Units oversold per stockout when each sale is told by itself. `channels` are share and latency of each channel that
/// is told; where latency varies, its mean counts.
pub fn event(rate: f64, channels: &[(f64, f64)]) -> f64 {
    let blind = channels
        .iter()
        .map(|(share, latency)| share * (1.0 - share) * latency);
    rate * blind.sum::<f64>()
}

/// The mean latency when a share of the sales is never told and found by a comparison every `compared_every` only.
pub fn mean_latency(latency: f64, lost_share: f64, compared_every: f64) -> f64 {
    (1.0 - lost_share) * latency + lost_share * compared_every / 2.0
}

/// By how much bursts that all channels share multiply what is oversold, for a rate that is gamma distributed. Bursts of
/// one channel alone change nothing.
pub fn shared_bursts(shape: f64) -> f64 {
    1.0 + 1.0 / shape
}

/// What a month oversells.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Month {
    /// Units.
    pub units: f64,
    /// Of the units sold, in percent.
    pub share_pct: f64,
}

/// A month of a SKU of which `demand` units are sold, bought `per_cycle` units at a time; `run_out` is the share of cycles
/// that end with none left while the SKU is listed.
pub fn month(demand: f64, per_cycle: f64, run_out: f64, per_stockout: f64) -> Month {
    Month {
        units: demand / per_cycle * run_out * per_stockout,
        share_pct: 100.0 * run_out * per_stockout / per_cycle,
    }
}

/// Units oversold if one interval can eat the whole stock, so that what channels show runs out first. For a rate times
/// interval of more than a third of the stock; never more than the stock times the channels but one.
///
/// Zero for a rate or interval of zero.
pub fn within_one_interval(rate: f64, interval: f64, shares: &[f64], stock: u64) -> f64 {
    let sold = |share: f64| capped_mean(rate * share * interval, stock);
    let shown: f64 = shares.iter().map(|&share| sold(share)).sum();
    shown - sold(1.0)
}

/// The mean of what is sold from so many units, if buyers come independently.
fn capped_mean(mean: f64, stock: u64) -> f64 {
    let Ok(wanted) = Poisson::new(mean) else {
        return 0.0;
    };
    let missing = |n: u64| super::whole_u64(stock - n) * wanted.pmf(n);
    super::whole_u64(stock) - (0..stock).map(missing).sum::<f64>()
}

/// The rate at which units are sold where units are sold: per hour, from clock hours of one hour each.
///
/// A stockout comes where units sell, so bursts weigh more than in the mean. An order does not meet itself. `hours` are
/// the units of each hour, `orders` those of each order.
pub fn rate_at_sale(hours: &[f64], orders: &[f64]) -> f64 {
    let squares = |values: &[f64]| values.iter().map(|value| value * value).sum::<f64>();
    let units: f64 = orders.iter().sum();
    if units > 0.0 {
        (squares(hours) - squares(orders)) / units
    } else {
        0.0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const THIRDS: [f64; 3] = [1.0 / 3.0; 3];

    #[track_caller]
    fn near(found: f64, expected: f64) {
        assert!((found - expected).abs() < 1e-6, "{found} {expected}");
    }

    #[test]
    fn rates_latencies_and_shares() {
        let rows: [(f64, f64, &[f64], [f64; 3]); 6] = [
            (10.0, 15.0, &THIRDS, [0.666_667, 0.833_333, 1.666_667]),
            (10.0, 5.0, &THIRDS, [0.666_667, 0.277_778, 0.555_556]),
            (10.0, 1.0, &THIRDS, [0.666_667, 0.055_556, 0.111_111]),
            (10.0, 1.0 / 12.0, &THIRDS, [0.666_667, 0.004_630, 0.009_259]),
            (60.0, 15.0, &[0.5, 0.3, 0.2], [0.62, 4.65, 9.3]),
            (2.0, 15.0, &[0.6, 0.4], [0.48, 0.12, 0.24]),
        ];
        for (rate, minutes, shares, [mixed, by_batch, by_event]) in rows {
            let hours = minutes / 60.0;
            let channels: Vec<_> = shares.iter().map(|&share| (share, hours)).collect();
            near(mixing(shares), mixed);
            near(batch(rate, hours, 0.0, shares), by_batch);
            near(event(rate, &channels), by_event);
        }
        near(mixing(&[1.0]), 0.0);
        near(
            batch(10.0, 0.2, 0.15, &THIRDS),
            batch(10.0, 0.5, 0.0, &THIRDS),
        );
        let apart = [(0.5, 2.0 / 3_600.0), (0.3, 1.0 / 6.0), (0.2, 1.0 / 60.0)];
        near(event(12.0, &apart), 0.453_667);
        near(batch(10.0, 0.25, 0.0, &THIRDS) * shared_bursts(2.0), 1.25);
        near(mean_latency(3.0, 0.001, 4.0 * 3_600.0), 10.197);
    }

    #[test]
    fn a_month_has_as_many_stockouts_as_cycles_that_run_out() {
        let found = month(7_200.0, 500.0, 0.05, 0.833_333_333);
        near(found.units, 0.6);
        near(found.share_pct, 0.008_333);
    }

    #[test]
    fn a_flash_sale_cannot_oversell_more_than_is_shown() {
        near(within_one_interval(1_000.0, 0.25, &THIRDS, 50), 99.999_778);
        near(within_one_interval(400.0, 0.25, &THIRDS, 50), 49.979_706);
        near(
            within_one_interval(1_000.0, 0.25, &[0.95, 0.03, 0.02], 100),
            12.5,
        );
        near(
            within_one_interval(1_000.0, 0.25, &[0.5, 0.3, 0.2], 100),
            124.954_475,
        );
        near(within_one_interval(0.0, 0.25, &THIRDS, 100), 0.0);
    }

    #[test]
    fn a_bulk_order_does_not_meet_itself() {
        // Hours of twelve, eight, eight and five single units, and one order of five.
        let hours = [12.0, 8.0, 8.0, 5.0, 5.0];
        let mut orders = vec![1.0; 33];
        orders.push(5.0);
        near(rate_at_sale(&hours, &orders), 6.947_368);
        near(rate_at_sale(&[80_995.0], &[80_995.0]), 0.0);
        near(rate_at_sale(&[], &[]), 0.0);
    }
}
