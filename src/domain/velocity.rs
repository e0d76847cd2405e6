//! How fast a SKU sells in peak hours: the larger of its rate in the shop's busiest hours and of its own proven bursts.
//!
//! One order never makes a peak: an order counts towards a busy hour only if the hour would be busy without it, and the
//! shop's hours are chosen by the number of orders of all goods. Hours are clock hours of the window, the first one is 0.
//! Stock-outs are not held against a SKU: hours without stock are no exposure.
#![expect(
    clippy::arithmetic_side_effects,
    clippy::float_arithmetic,
    reason = "statistics: sums and quotients of bounded counts"
)]

use super::tier::Tier;

/// Share of the window's hours that are the shop's peak hours.
const SHOP_SHARE: f64 = 0.05;
/// Share of a SKU's hours that are its own busiest ones.
const OWN_SHARE: f64 = 0.01;
/// Fewest of a SKU's own busiest hours, and of the shop's peak hours that a rate is divided by.
const HOURS_LEAST: f64 = 3.0;
/// Standard errors below the estimate: one side, 95 %.
const ERRORS: f64 = 1.645;
/// Hours that a new SKU is at least taken to be there.
const EXPOSURE_LEAST: usize = 24;
/// An order counts with at most so many units, or so many times the median order.
const CAP_TIMES: f64 = 5.0;
/// Fewest orders for tier A or B.
pub const ORDERS_LEAST: usize = 5;
/// A gap without sales is suspicious if chance explains it less often than this.
const GAP_CHANCE: f64 = 1e-4;

/// One order of one SKU.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Sold {
    /// Its hour in the window.
    pub hour: usize,
    /// Its units, lines of the same SKU summed.
    pub units: f64,
}

/// An order of which only the day is known.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct SoldOnDay {
    /// The first hour of the day in the window; negative if the day began before it.
    pub hour: i64,
    /// Hours of the day: 23, 24 or 25.
    pub hours: usize,
    /// Its units.
    pub units: f64,
}

/// What the whole shop did in each hour of the window.
#[derive(Debug, Clone, PartialEq)]
pub struct Shop {
    orders: Vec<f64>,
    weights: Vec<f64>,
    /// Orders by hour of the day in UTC, where days of their own have none.
    by_hour_of_day: [f64; 24],
    /// The first hour of the window, as an hour of the day.
    first_hour_of_day: usize,
    weights_before: Vec<f64>,
    orders_before: Vec<f64>,
}

/// The hours of a window with the largest counts get weight 1, so many in all; ties at the threshold share what is left.
pub fn weights(counts: &[f64], n_hours: usize) -> Vec<f64> {
    let mut sorted = counts.to_vec();
    sorted.sort_by(|a, b| b.total_cmp(a));
    let Some(&threshold) = n_hours.checked_sub(1).and_then(|idx| sorted.get(idx)) else {
        return vec![if n_hours == 0 { 0.0 } else { 1.0 }; counts.len()];
    };
    let n_above = counts.iter().filter(|count| **count > threshold).count();
    let n_at = counts
        .iter()
        .filter(|count| same(**count, threshold))
        .count();
    let share = whole(n_hours - n_above) / whole(n_at);
    let weight = |count: &f64| {
        if same(*count, threshold) {
            share
        } else {
            f64::from(u8::from(*count > threshold))
        }
    };
    counts.iter().map(weight).collect()
}

impl Shop {
    /// From the orders of all goods in each hour. `first_hour_of_day` is the UTC hour of day of the window's first hour.
    pub fn new(orders: Vec<f64>, first_hour_of_day: usize) -> Self {
        let mut by_hour_of_day = [0.0; 24];
        for (hour, count) in orders.iter().enumerate() {
            if let Some(sum) = by_hour_of_day.get_mut((hour + first_hour_of_day) % 24) {
                *sum += count;
            }
        }
        let weights = weights(&orders, ceil(SHOP_SHARE * whole(orders.len())));
        let (weights_before, orders_before) = (running(&weights), running(&orders));
        Self {
            orders,
            weights,
            by_hour_of_day,
            first_hour_of_day,
            weights_before,
            orders_before,
        }
    }

    /// Hours of the window.
    pub fn hours(&self) -> usize {
        self.orders.len()
    }

    /// Orders of an hour.
    pub fn orders(&self, hour: usize) -> f64 {
        self.orders.get(hour).copied().unwrap_or(0.0)
    }

    /// The shop in its last hours.
    #[must_use]
    pub fn last(&self, hours: usize) -> Self {
        let from = self.hours().saturating_sub(hours);
        let orders = self.orders.get(from..).unwrap_or_default().to_vec();
        Self::new(orders, (self.first_hour_of_day + from) % 24)
    }

    /// The weight of an hour.
    pub fn weight(&self, hour: usize) -> f64 {
        self.weights.get(hour).copied().unwrap_or(0.0)
    }

    fn weight_of(&self, from: usize, to: usize) -> f64 {
        let before = |hour: usize| {
            self.weights_before
                .get(hour.min(self.hours()))
                .copied()
                .unwrap_or(0.0)
        };
        (before(to) - before(from)).max(0.0)
    }

    /// The share of a day's sales that fell into peak hours: by the shop's own orders of that day, else by its average day.
    fn peak_share(&self, day: &SoldOnDay) -> f64 {
        let hours = || {
            (0..day.hours).filter_map(|n| usize::try_from(day.hour + i64::try_from(n).ok()?).ok())
        };
        let share = |count: &dyn Fn(usize) -> f64| {
            let (mut peak, mut all) = (0.0, 0.0);
            for hour in hours().filter(|hour| *hour < self.hours()) {
                peak += self.weight(hour) * count(hour);
                all += count(hour);
            }
            (all > 0.0).then(|| peak / all)
        };
        let own = |hour: usize| self.orders.get(hour).copied().unwrap_or(0.0);
        let average = |hour: usize| {
            let of_day = (hour + self.first_hour_of_day) % 24;
            self.by_hour_of_day.get(of_day).copied().unwrap_or(0.0)
        };
        share(&own).or_else(|| share(&average)).unwrap_or(0.0)
    }

    /// Orders of a SKU that are expected from one hour to another: its rate, times how busy the shop was in between.
    fn expected(&self, orders_per_hour: f64, from: usize, to: usize) -> f64 {
        let before = |hour: usize| {
            let hour = hour.min(self.hours());
            self.orders_before.get(hour).copied().unwrap_or(0.0)
        };
        let mean = before(self.hours()) / whole(self.hours().max(1));
        if mean <= 0.0 {
            return 0.0;
        }
        let busy = before(to) - before(from);
        orders_per_hour * busy / mean
    }
}

/// Sums of what stands before each place, and of all at the end.
fn running(values: &[f64]) -> Vec<f64> {
    let sums = values.iter().scan(0.0, |sum, value| {
        *sum += value;
        Some(*sum)
    });
    std::iter::once(0.0).chain(sums).collect()
}

/// Everything that is said of one SKU.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Velocity {
    /// The larger of `shop_peak` and `own_peak_lower`, units an hour.
    pub peak: f64,
    /// Mean rate in the shop's peak hours.
    pub shop_peak: f64,
    /// Its standard error.
    pub shop_peak_se: f64,
    /// Rate of its own bursts, without the order that is looked at.
    pub own_peak: f64,
    /// Its standard error.
    pub own_peak_se: f64,
    /// Its lower bound.
    pub own_peak_lower: f64,
    /// Units that one order counts with at most.
    pub order_cap: f64,
    /// Hours in which it could have sold.
    pub exposure_hours: usize,
    /// The largest hour, whatever it was made of.
    pub max_hour_units: f64,
    /// All units.
    pub units: f64,
    /// All orders.
    pub orders: usize,
    /// Orders in the shop's peak hours.
    pub orders_in_peak: usize,
}

/// Hours from one to before another.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Hours {
    /// The first one.
    pub from: usize,
    /// The first one after.
    pub to: usize,
}

/// Measures one SKU.
///
/// `sold` is in the order of hours. `first` is the hour of its first sale, 0 if it sold before the window. `absent` are
/// hours without stock, in order and apart from each other.
pub fn measure(
    sold: &[Sold],
    days: &[SoldOnDay],
    first: usize,
    absent: &[Hours],
    shop: &Shop,
) -> Velocity {
    let cap = order_cap(
        sold.iter()
            .map(|order| order.units)
            .chain(days.iter().map(|day| day.units)),
    );
    let begin = first.min(shop.hours().saturating_sub(EXPOSURE_LEAST));
    let (mut exposure, mut weight) = (shop.hours() - begin, shop.weight_of(begin, shop.hours()));
    for gap in absent {
        let (from, to) = (gap.from.max(begin), gap.to.min(shop.hours()));
        if from < to {
            exposure -= to - from;
            weight -= shop.weight_of(from, to);
        }
    }
    let exposure = exposure.max(EXPOSURE_LEAST.min(shop.hours()));
    let (shop_peak, shop_peak_se) = shop_rate(sold, days, cap, weight, shop);
    let own = own_peak(sold, cap, exposure);
    Velocity {
        peak: shop_peak.max(own.lower),
        shop_peak,
        shop_peak_se,
        own_peak: own.rate,
        own_peak_se: own.error,
        own_peak_lower: own.lower,
        order_cap: cap,
        exposure_hours: exposure,
        max_hour_units: hour_sums(sold, f64::INFINITY)
            .into_iter()
            .fold(0.0, f64::max),
        units: sold
            .iter()
            .map(|order| order.units)
            .chain(days.iter().map(|day| day.units))
            .sum(),
        orders: sold.len() + days.len(),
        orders_in_peak: sold
            .iter()
            .filter(|order| shop.weight(order.hour) > 0.0)
            .count(),
    }
}

/// Five units, or five times the median order.
fn order_cap(units: impl Iterator<Item = f64>) -> f64 {
    let mut units: Vec<f64> = units.collect();
    let n = units.len();
    if n == 0 {
        return CAP_TIMES;
    }
    let (below, &mut upper, _) = units.select_nth_unstable_by(n / 2, f64::total_cmp);
    let median = if n % 2 == 1 {
        upper
    } else {
        f64::midpoint(below.iter().copied().fold(0.0, f64::max), upper)
    };
    (CAP_TIMES * median).max(CAP_TIMES)
}

/// Mean rate in the shop's peak hours, and its standard error.
fn shop_rate(sold: &[Sold], days: &[SoldOnDay], cap: f64, weight: f64, shop: &Shop) -> (f64, f64) {
    let hours = weight.max(HOURS_LEAST);
    let (mut sum, mut squares) = (0.0, 0.0);
    let timed = sold
        .iter()
        .map(|order| order.units.min(cap) * shop.weight(order.hour));
    let by_day = days
        .iter()
        .map(|day| day.units.min(cap) * shop.peak_share(day));
    for units in timed.chain(by_day) {
        sum += units;
        squares += units * units;
    }
    (sum / hours, squares.sqrt() / hours)
}

/// The rate of a SKU's own bursts.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct OwnPeak {
    /// Units an hour.
    pub rate: f64,
    /// Its standard error.
    pub error: f64,
    /// Its lower bound, never negative.
    pub lower: f64,
}

/// The mean of a SKU's busiest hours, each order counted only where its hour would be among them without it.
///
/// For orders that come by chance this is unbiased: what makes an hour look busy is not what is counted (the identity of
/// Mecke and Robbins).
pub fn own_peak(sold: &[Sold], cap: f64, exposure: usize) -> OwnPeak {
    let n_hours = (OWN_SHARE * whole(exposure)).ceil().max(HOURS_LEAST);
    let hours = hour_sums(sold, cap);
    let mut sums = hours.clone();
    sums.sort_by(|a, b| b.total_cmp(a));
    let threshold = sums.get(ceil(n_hours) - 1).copied().unwrap_or(0.0);
    let n_above = sums
        .iter()
        .filter(|sum| **sum > threshold && !same(**sum, threshold))
        .count();
    let n_at = sums.iter().filter(|sum| same(**sum, threshold)).count();
    let share = if n_at == 0 {
        0.0
    } else {
        (n_hours - whole(n_above)) / whole(n_at)
    };
    let (mut rate, mut squares) = (0.0, 0.0);
    let by_hour = sold.chunk_by(|a, b| a.hour == b.hour);
    for (orders, all) in by_hour.zip(hours) {
        for order in orders {
            let units = order.units.min(cap);
            let rest = all - units;
            let counts = if rest <= 0.0 || same(rest, 0.0) {
                0.0
            } else if same(rest, threshold) {
                share
            } else {
                f64::from(u8::from(rest > threshold))
            };
            rate += units * counts;
            squares += units * units * counts;
        }
    }
    let (rate, error) = (rate / n_hours, squares.sqrt() / n_hours);
    OwnPeak {
        rate,
        error,
        lower: (rate - ERRORS * error).max(0.0),
    }
}

/// Units of each hour with any; each order counts with at most `cap`.
fn hour_sums(sold: &[Sold], cap: f64) -> Vec<f64> {
    sold.chunk_by(|a, b| a.hour == b.hour)
        .map(|orders| orders.iter().map(|order| order.units.min(cap)).sum())
        .collect()
}

impl Velocity {
    /// The tier that the peak stands for. Few orders prove nothing: below [`ORDERS_LEAST`] it is C.
    pub fn tier(&self) -> Tier {
        if self.orders < ORDERS_LEAST {
            Tier::C
        } else {
            Tier::of_peak(self.peak)
        }
    }

    /// New, or few orders: the tier may change soon.
    pub fn provisional(&self, window_hours: usize) -> bool {
        let young = (14 * 24).min(window_hours);
        self.orders < ORDERS_LEAST || self.exposure_hours < young
    }

    /// Whether chance alone could have put it into another tier.
    pub fn borderline(&self) -> bool {
        let error = if self.shop_peak >= self.own_peak_lower {
            self.shop_peak_se
        } else {
            self.own_peak_se
        };
        let (low, high) = (self.peak - ERRORS * error, self.peak + ERRORS * error);
        [Tier::A, Tier::B].iter().any(|tier| {
            let bound = tier.least_peak();
            low < bound && bound <= high
        })
    }
}

/// The rate of a run that ended because stock ran out: the last unit ended it, so it does not count.
///
/// Runs are units and hours. Of several runs, each with its end known, it is the sum over the sum.
pub fn run_rate(runs: &[(f64, f64)]) -> f64 {
    let (units, hours) = runs.iter().fold((0.0, 0.0), |(units, hours), run| {
        (units + run.0, hours + run.1)
    });
    if hours <= 0.0 {
        return 0.0;
    }
    let less = if runs.len() == 1 { 1.0 } else { 0.0 };
    ((units - less) / hours).max(0.0)
}

/// Whether a gap in which so many sales were expected is more than chance.
pub fn suspicious(expected: f64) -> bool {
    (-expected).exp() < GAP_CHANCE
}

/// Gaps without sales that chance does not explain, of sales in the order of hours, by the SKU's own rate before each and the shop's hours within it. A gap
/// up to the end of the window is the last one; whether the SKU is out of stock or gone cannot be told.
pub fn gaps(sold: &[Sold], first: usize, shop: &Shop) -> Vec<Hours> {
    let mut found = Vec::new();
    for (n_before, last) in (1..).zip(sold.iter().map(|order| order.hour)) {
        let next = sold.get(n_before).map_or(shop.hours(), |order| order.hour);
        let (from, seen) = (last + 1, last + 1 - first.min(last));
        if next <= from || n_before < ORDERS_LEAST {
            continue;
        }
        let rate = whole(n_before) / whole(seen.max(EXPOSURE_LEAST));
        if suspicious(shop.expected(rate, from, next)) {
            found.push(Hours { from, to: next });
        }
    }
    found
}

#[expect(
    clippy::cast_precision_loss,
    reason = "hours and orders of a window are far below 2^52"
)]
const fn whole(n: usize) -> f64 {
    n as f64
}

#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "a share of the hours of a window"
)]
fn ceil(hours: f64) -> usize {
    // A share such as 0.05 is not exact: 0.05 · 2160 is 108 and must not become 109.
    (hours - 1e-9).ceil().max(0.0) as usize
}

/// Sums of the same units in another order differ in their last digits.
fn same(a: f64, b: f64) -> bool {
    (a - b).abs() < 1e-9
}

#[cfg(test)]
mod tests;
