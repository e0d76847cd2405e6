//! How sure a count is: 95 % limits of counts, of shares and of sums, and how two counts compare.
//!
//! Incidents are few, so limits are exact where they can be: Poisson for a count, Clopper and Pearson for a share. What is
//! known to be clustered (flash days) gets wider limits, never narrower ones.
#![expect(
    clippy::float_arithmetic,
    reason = "statistics: quantiles and quotients of bounded counts"
)]

use serde::Serialize;
use statrs::distribution::{Beta, ChiSquared, ContinuousCDF as _, Discrete as _, Poisson};

/// What each limit leaves out on its side: 95 % lie between the two.
const TAIL: f64 = 0.025;
/// Where a quantile is no longer looked for.
const COUNT_MAX: u32 = 100_000;
/// Standard errors from the middle to each limit.
pub const ERRORS: f64 = 1.959_963_984_540_054;

/// Two limits.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub struct Interval {
    /// The lower one.
    pub low: f64,
    /// The upper one.
    pub high: f64,
}

impl Interval {
    /// From here to there.
    pub const fn new(low: f64, high: f64) -> Self {
        Self { low, high }
    }

    /// The same in another unit; `times` is not negative.
    #[must_use]
    pub fn times(self, times: f64) -> Self {
        Self::new(self.low * times, self.high * times)
    }

    /// What holds both.
    #[must_use]
    pub fn around(self, other: Self) -> Self {
        Self::new(self.low.min(other.low), self.high.max(other.high))
    }
}

/// Exact limits of a count of independent events. `count` may be a fraction, for what is expected.
///
/// 0 has the limits 0 and 3.689.
pub fn poisson(count: f64) -> Interval {
    let half = |freedom: f64, share: f64| {
        ChiSquared::new(freedom).map_or(0.0, |chi| chi.inverse_cdf(share) / 2.0)
    };
    let low = if count > 0.0 {
        half(2.0 * count, TAIL)
    } else {
        0.0
    };
    Interval::new(low, half(2.0 * count + 2.0, 1.0 - TAIL))
}

/// The smallest count that a Poisson number with this mean does not exceed with this chance. 0 for a mean of 0; `chance` is
/// below 1.
pub fn poisson_quantile(mean: f64, chance: f64) -> u32 {
    let Ok(poisson) = Poisson::new(mean) else {
        return 0;
    };
    let mut sum = 0.0;
    for count in 0..COUNT_MAX {
        sum += poisson.pmf(u64::from(count));
        if sum >= chance {
            return count;
        }
    }
    COUNT_MAX
}

/// How clustered daily counts are: their variance over their mean. About 1 for independent events, 0 without any.
pub fn dispersion(daily: &[u32]) -> f64 {
    let n = whole(daily.len());
    let mean = daily.iter().map(|count| f64::from(*count)).sum::<f64>() / n;
    if n < 2.0 || mean <= 0.0 {
        return 0.0;
    }
    let squares = daily
        .iter()
        .map(|count| (f64::from(*count) - mean).powi(2))
        .sum::<f64>();
    squares / (n - 1.0) / mean
}

/// Limits of a clustered count: its spread is `dispersion` times that of independent events.
pub fn clustered(count: f64, dispersion: f64) -> Interval {
    let reach = ERRORS * (dispersion * count).sqrt();
    Interval::new((count - reach).max(0.0), count + reach)
}

/// Limits of a sum of unequal amounts, of which independent events bring one each (compound Poisson).
pub fn compound(amounts: impl IntoIterator<Item = f64>) -> Interval {
    let (sum, squares) = amounts
        .into_iter()
        .fold((0.0, 0.0), |(sum, squares), amount| {
            (sum + amount, amount.mul_add(amount, squares))
        });
    let reach = ERRORS * squares.sqrt();
    Interval::new((sum - reach).max(0.0), sum + reach)
}

/// Exact limits of the share `part` of `all` (Clopper and Pearson). 0 to 1 if there is nothing.
pub fn share(part: u64, all: u64) -> Interval {
    let (part, rest) = (count(part.min(all)), count(all.saturating_sub(part)));
    let quantile =
        |a: f64, b: f64, at: f64| Beta::new(a, b).map_or(at, |beta| beta.inverse_cdf(at));
    let low = if part > 0.0 {
        quantile(part, rest + 1.0, TAIL)
    } else {
        0.0
    };
    let high = if rest > 0.0 {
        quantile(part + 1.0, rest, 1.0 - TAIL)
    } else {
        1.0
    };
    Interval::new(low, high)
}

/// Limits of the share `part` of `all` after Wilson: near enough, and narrower.
pub fn wilson(part: u64, all: u64) -> Interval {
    if all == 0 {
        return Interval::new(0.0, 1.0);
    }
    let (n, share) = (count(all), count(part.min(all)) / count(all));
    let square = ERRORS * ERRORS;
    let middle = (share + square / (2.0 * n)) / (1.0 + square / n);
    let variance = share * (1.0 - share) / n + square / (4.0 * n * n);
    let reach = ERRORS * variance.sqrt() / (1.0 + square / n);
    Interval::new(middle - reach, middle + reach)
}

/// Before and after a change, over so much time each.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Compared {
    /// The rate after, over the rate before; infinite if there was nothing before.
    pub ratio: f64,
    /// Its limits.
    pub interval: Interval,
}

/// How the rate after a change compares with the one before: of all events, how many fell into the time after. `None` if
/// there were none, or one of the times is nothing.
pub fn compared(before: u64, before_time: f64, after: u64, after_time: f64) -> Option<Compared> {
    let all = before.saturating_add(after);
    if all == 0 || before_time <= 0.0 || after_time <= 0.0 {
        return None;
    }
    let scale = before_time / after_time;
    let odds = |share: f64| scale * share / (1.0 - share);
    let limits = share(after, all);
    Some(Compared {
        ratio: odds(count(after) / count(all)),
        interval: Interval::new(odds(limits.low), odds(limits.high)),
    })
}

#[expect(clippy::cast_precision_loss, reason = "counts are far below 2^52")]
fn count(number: u64) -> f64 {
    number as f64
}

#[expect(clippy::cast_precision_loss, reason = "counts are far below 2^52")]
fn whole(number: usize) -> f64 {
    number as f64
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[track_caller]
    fn near(found: Interval, (low, high): (f64, f64)) {
        for (found, right) in [(found.low, low), (found.high, high)] {
            assert!((found - right).abs() < 1e-6, "{found} is not {right}");
        }
    }

    #[test]
    fn counts_have_the_published_limits() {
        for (count, limits) in [
            (0.0, (0.0, 3.688_879)),
            (1.0, (0.025_318, 5.571_643)),
            (3.0, (0.618_672, 8.767_273)),
            (18.0, (10.667_941, 28.447_760)),
            (45.0, (32.823_309, 60.213_540)),
            (62.0, (47.535_044, 79.481_202)),
        ] {
            near(poisson(count), limits);
        }
    }

    #[test]
    fn shares_and_ratios_have_the_published_limits() {
        near(share(18, 900), (0.011_895, 0.031_425));
        near(wilson(18, 900), (0.012_688, 0.031_392));
        let found = compared(60, 1.0, 3, 1.0).unwrap();
        assert!((found.ratio - 0.05).abs() < 1e-12);
        near(found.interval, (0.010_030, 0.153_294));
        // Twice the time before halves the rate before.
        let longer = compared(60, 2.0, 3, 1.0).unwrap();
        near(longer.interval, (0.020_060, 0.306_588));
        assert_eq!(compared(0, 1.0, 0, 1.0), None);
        assert_eq!(compared(3, 1.0, 0, 0.0), None);
        assert!(compared(0, 1.0, 3, 1.0).unwrap().ratio.is_infinite());
        near(share(0, 0), (0.0, 1.0));
    }

    #[test]
    fn quantiles_are_the_published_buffers() {
        // Rate an hour, latency in hours, share of the channel; 5 %, 1 %, 0.1 %.
        for (rate, latency, share, buffers) in [
            (10.0, 0.25, 1.0 / 3.0, [4, 5, 7]),
            (10.0, 0.25, 0.8, [2, 3, 4]),
            (10.0, 0.25, 0.2, [5, 6, 8]),
            (60.0, 1.0 / 12.0, 0.5, [5, 7, 9]),
            (60.0, 0.25, 0.05, [21, 24, 27]),
            (100.0, 5.0 / 3_600.0, 0.2, [1, 1, 2]),
            (0.2, 0.25, 0.5, [0, 1, 1]),
        ] {
            let mean = rate * (1.0 - share) * latency;
            let found = [0.95, 0.99, 0.999].map(|chance| poisson_quantile(mean, chance));
            assert_eq!(found, buffers, "{rate} {latency} {share}");
        }
        assert_eq!(poisson_quantile(0.0, 0.95), 0);
    }

    #[test]
    fn clusters_and_unequal_amounts_widen_the_limits() {
        near(clustered(18.0, 2.5), (4.852_162, 31.147_838));
        let costs = [25.0, 40.0, 75.0, 75.0, 75.0, 150.0, 150.0, 300.0];
        let found = compound(costs);
        near(found, (890.0 - 769.395_090, 890.0 + 769.395_090));
        assert!((dispersion(&[0, 0, 6, 0]) - 6.0).abs() < 1e-12);
        assert!(dispersion(&[2, 2, 2]) < 1e-12);
        assert!(dispersion(&[]).abs() < 1e-12 && dispersion(&[0, 0]).abs() < 1e-12);
    }

    proptest! {
        #[test]
        fn limits_hold_what_they_are_of(part in 0_u64..2_000, more in 0_u64..2_000) {
            let all = part.saturating_add(more);
            let limits = poisson(count(part));
            prop_assert!(limits.low <= count(part) && count(part) <= limits.high);
            if all > 0 {
                let exact = share(part, all);
                let point = count(part) / count(all);
                prop_assert!(exact.low <= point && point <= exact.high, "{:?}", exact);
                prop_assert!(exact.low >= 0.0 && exact.high <= 1.0);
            }
        }
    }
}
