//! One stockout under batch sync with independent buyers and fixed buffers, exactly: from sync to sync, the stock that is left
//! decides what each channel may sell until the next one.

use statrs::distribution::{Discrete, Poisson};

/// What happens per stockout.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Outcome {
    /// The chance that at least one unit is oversold.
    pub chance: f64,
    /// Units oversold, in the mean.
    pub units: f64,
    /// Units left on the shelf while no channel shows any, in the mean.
    pub stranded: f64,
}

/// A channel: what it sells per hour, and how many units are withheld from it.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Channel {
    /// Units per hour.
    pub rate: f64,
    /// Units withheld.
    pub buffer: usize,
}

/// More demand in one interval than its mean and so many standard deviations, and some units, does not come.
const DEVIATIONS: f64 = 12.0;
const TAIL_LEAST: f64 = 30.0;

/// So many intervals' worth of stock is large: where it began does not matter any more.
const INTERVALS: f64 = 12.0;

/// One stockout with syncs every `interval` hours, from a stock that is large beside what an interval sells.
///
/// Takes time with the cube of what an interval sells; some hundred units are quick.
pub fn stockout(channels: &[Channel], interval: f64) -> Outcome {
    let rate: f64 = channels.iter().map(|channel| channel.rate).sum();
    let most = channels.iter().map(|channel| channel.buffer).max();
    let start = ceil(INTERVALS * rate * interval) + 3 * most.unwrap_or(0) + 40;
    let demands: Vec<Vec<f64>> = channels
        .iter()
        .map(|channel| demand(channel.rate * interval))
        .collect();
    let mut by_stock: Vec<Outcome> = Vec::with_capacity(start + 1);
    for stock in 0..=start {
        let sold = sold(channels, &demands, stock);
        let next = after(&sold, &by_stock, stock);
        by_stock.push(next);
    }
    by_stock.pop().unwrap_or(closed(0))
}

/// No channel shows any.
fn closed(stock: usize) -> Outcome {
    Outcome {
        chance: 0.0,
        units: 0.0,
        stranded: super::whole(stock),
    }
}

/// From this stock on, by the chances of what is sold until the next sync. What sells nothing comes again.
fn after(sold: &[f64], by_stock: &[Outcome], stock: usize) -> Outcome {
    let again = sold.first().copied().unwrap_or(1.0);
    if sold.len() < 2 || again >= 1.0 {
        return closed(stock);
    }
    let mut sum = Outcome {
        chance: 0.0,
        units: 0.0,
        stranded: 0.0,
    };
    for (n, &chance) in sold.iter().enumerate().skip(1) {
        let Some(left) = stock.checked_sub(n) else {
            sum.chance += chance;
            sum.units += chance * super::whole(n - stock);
            continue;
        };
        let Some(then) = by_stock.get(left) else {
            continue;
        };
        sum.chance += chance * then.chance;
        sum.units += chance * then.units;
        sum.stranded += chance * then.stranded;
    }
    let once = 1.0 - again;
    Outcome {
        chance: sum.chance / once,
        units: sum.units / once,
        stranded: sum.stranded / once,
    }
}

/// Chances of 0, 1, 2 … units wanted.
fn demand(mean: f64) -> Vec<f64> {
    let Ok(wanted) = Poisson::new(mean) else {
        return vec![1.0];
    };
    let most = ceil(mean + DEVIATIONS * mean.sqrt() + TAIL_LEAST);
    (0..).take(most).map(|n| wanted.pmf(n)).collect()
}

/// Chances of 0, 1, 2 … units sold until the next sync by all channels together.
fn sold(channels: &[Channel], demands: &[Vec<f64>], stock: usize) -> Vec<f64> {
    let mut all = vec![1.0];
    for (channel, demand) in channels.iter().zip(demands) {
        let shown = stock.saturating_sub(channel.buffer);
        let mut one: Vec<f64> = demand.iter().copied().take(shown + 1).collect();
        // What is wanted beyond what is shown is not sold.
        let rest = demand.iter().skip(shown + 1).sum::<f64>();
        if let Some(last) = one.last_mut() {
            *last += rest;
        }
        all = together(&all, &one);
    }
    all
}

fn together(a: &[f64], b: &[f64]) -> Vec<f64> {
    let mut sums = vec![0.0; (a.len() + b.len()).saturating_sub(1)];
    for (n, x) in a.iter().enumerate() {
        for (sum, y) in sums.iter_mut().skip(n).zip(b) {
            *sum += x * y;
        }
    }
    sums
}

/// The least whole number above; the bounds are small.
#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "a count of units within an interval"
)]
fn ceil(x: f64) -> usize {
    x.ceil().clamp(0.0, 1e6) as usize
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(rate: f64, hours: f64, shares: &[f64], buffers: &[usize], expected: [f64; 3]) {
        let channels: Vec<_> = shares
            .iter()
            .zip(buffers)
            .map(|(share, &buffer)| Channel {
                rate: rate * share,
                buffer,
            })
            .collect();
        let found = stockout(&channels, hours);
        for (found, expected) in [found.chance, found.units, found.stranded]
            .iter()
            .zip(expected)
        {
            assert!(
                (found - expected).abs() < 1e-6,
                "{buffers:?}: {found} {expected}"
            );
        }
    }

    #[test]
    fn buffers_trade_overselling_for_units_left() {
        let thirds = [1.0 / 3.0; 3];
        for (buffers, expected) in [
            ([0, 0, 0], [0.572_107, 0.833_333, 0.0]),
            ([1, 1, 1], [0.210_337, 0.261_226, 0.427_893]),
            ([2, 2, 2], [0.041_405, 0.050_889, 1.217_556]),
            ([3, 3, 3], [0.008_395, 0.009_484, 2.176_151]),
            ([4, 4, 4], [0.000_952, 0.001_089, 3.167_756]),
            ([0, 4, 4], [0.004_781, 0.005_668, 0.0]),
        ] {
            check(10.0, 0.25, &thirds, &buffers, expected);
        }
        check(
            10.0,
            0.25,
            &[0.8, 0.2],
            &[2, 0],
            [0.012_181, 0.013_061, 0.0],
        );
        check(
            10.0,
            0.25,
            &[0.8, 0.2],
            &[0, 5],
            [0.004_245, 0.004_498, 0.0],
        );
        let shares = [0.5, 0.3, 0.2];
        check(
            60.0,
            1.0 / 12.0,
            &shares,
            &[3, 4, 5],
            [0.029_549, 0.040_428, 2.144_673],
        );
    }

    #[test]
    fn without_buffers_it_is_the_closed_form() {
        for (rate, minutes, shares, chance) in [
            (10.0, 5.0, [1.0 / 3.0; 3].as_slice(), 0.248_723),
            (10.0, 1.0, &[1.0 / 3.0; 3], 0.054_488),
            (10.0, 1.0 / 12.0, &[1.0 / 3.0; 3], 0.004_622),
            (60.0, 15.0, &[0.5, 0.3, 0.2], 0.933_087),
            (2.0, 15.0, &[0.6, 0.4], 0.118_471),
        ] {
            let hours = minutes / 60.0;
            let units = super::super::formula::batch(rate, hours, 0.0, shares);
            check(rate, hours, shares, &[0, 0, 0], [chance, units, 0.0]);
        }
        // The rate behind the published table.
        for (seconds, chance) in [
            (900.0, 0.745_843),
            (300.0, 0.391_987),
            (60.0, 0.092_946),
            (5.0, 0.007_997),
        ] {
            let hours = seconds / 3_600.0;
            let units = 17.32 * hours / 3.0;
            check(
                17.32,
                hours,
                &[1.0 / 3.0; 3],
                &[0, 0, 0],
                [chance, units, 0.0],
            );
        }
    }

    #[test]
    fn nothing_sells_nothing() {
        let still = |buffer| Channel { rate: 0.0, buffer };
        assert!(stockout(&[], 0.25).chance.abs() < 1e-12);
        assert!(stockout(&[still(0), still(2)], 0.25).units.abs() < 1e-12);
        let one = Channel {
            rate: 10.0,
            buffer: 0,
        };
        assert!(stockout(&[one], 0.25).units.abs() < 1e-12);
    }
}
