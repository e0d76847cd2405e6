//! What overselling costs in a month: at once (refund, another shipment, time) and later (customers who do not come back,
//! penalties), each between limits, and how sure the number of incidents makes it.
//!
//! An incident is an order that could not be served because units were not there (rule R91). What people wrote down as its
//! cost stands for what it cost at once; the others get the seller's prices. Source: section 6 of the notes on maths.
#![expect(
    clippy::float_arithmetic,
    reason = "statistics: sums and quotients of bounded amounts"
)]

use serde::{Deserialize, Serialize};

use super::drift::Share;
use super::stats::{self, Interval};

/// Days of a month.
pub const MONTH_DAYS: f64 = 30.0;
/// Fewer days than this are too few to speak of months (rule R93).
pub const DAYS_LEAST: f64 = 14.0;
/// Months ahead that are looked at for a decision.
const MONTHS_AHEAD_MAX: u32 = 120;

/// What something costs.
#[derive(Debug, Clone, Copy, PartialEq, Default, Serialize)]
pub struct Range {
    /// At least.
    pub low: f64,
    /// Likely.
    pub likely: f64,
    /// At most.
    pub high: f64,
}

impl Range {
    /// Known exactly.
    pub const fn exactly(value: f64) -> Self {
        Self {
            low: value,
            likely: value,
            high: value,
        }
    }

    /// The sum.
    #[must_use]
    pub fn plus(self, other: Self) -> Self {
        Self {
            low: self.low + other.low,
            likely: self.likely + other.likely,
            high: self.high + other.high,
        }
    }

    /// So many times; never negative.
    #[must_use]
    pub fn times(self, times: f64) -> Self {
        Self {
            low: self.low * times,
            likely: self.likely * times,
            high: self.high * times,
        }
    }
}

/// What one incident costs, in the seller's currency.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Prices {
    /// Fees that are not given back, and what is given beyond the price.
    pub refund: Range,
    /// Another shipment, or shipping something else.
    pub shipping: Range,
    /// Time of people; that for the refund is in it.
    pub service: Range,
    /// What a customer brings over the years; `None`: not known, so that lost customers cost nothing here.
    pub lifetime_value: Option<Range>,
    /// Share of customers with a cancelled order who do not come back.
    pub customers_lost: f64,
    /// What a channel takes.
    pub penalty: Range,
}

impl Prices {
    /// What an incident costs at once.
    pub fn direct(&self) -> Range {
        self.refund.plus(self.shipping).plus(self.service)
    }

    /// What a cancelled order costs later, by customers who do not come back.
    pub fn customer(&self) -> Range {
        self.lifetime_value
            .map_or_else(Range::default, |value| value.times(self.customers_lost))
    }

    /// What a cancelled order costs, all in all.
    pub fn each(&self) -> Range {
        self.direct().plus(self.customer()).plus(self.penalty)
    }
}

/// One incident.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Case {
    /// Its day, counted from any day.
    pub day: i64,
    /// What it cost at once, if somebody wrote that down.
    pub cost: Option<f64>,
    /// The order was cancelled, so that the customer may be lost.
    pub cancelled: bool,
}

/// What incidents cost in a month, likely and between which prices.
#[derive(Debug, Clone, Copy, PartialEq, Default, Serialize)]
pub struct Direct {
    /// See [`Prices::refund`].
    pub refund: Range,
    /// See [`Prices::shipping`].
    pub shipping: Range,
    /// See [`Prices::service`].
    pub service: Range,
    /// Of incidents whose cost was written down.
    pub reported: Range,
    /// All of these.
    pub total: Range,
}

/// What they cost later.
#[derive(Debug, Clone, Copy, PartialEq, Default, Serialize)]
pub struct Indirect {
    /// Customers who do not come back.
    pub lost_customers: Range,
    /// What channels take.
    pub penalties: Range,
    /// Both.
    pub total: Range,
}

/// How the limits were found.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Method {
    /// Incidents of one price, not clustered: exact limits of the count.
    Poisson,
    /// Wider, for incidents come on the same days or have unequal costs.
    Compound,
}

/// What overselling costs in a month.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Monthly {
    /// How long it was watched.
    pub months: f64,
    /// How many incidents there were.
    pub incidents: usize,
    /// At once.
    pub direct: Direct,
    /// Later.
    pub indirect: Indirect,
    /// Both: likely, and if every price is at its end.
    pub total: Range,
    /// What it may be at likely prices, for incidents are few: 95 %.
    pub interval: Interval,
    /// Variance of incidents a day over their mean.
    pub dispersion: f64,
    /// How the interval was found.
    pub method: Method,
    /// What one incident costs, on average.
    pub each: f64,
}

/// What these incidents cost in a month, seen over so many days. Zeros if there are no days.
pub fn monthly(cases: &[Case], days: f64, prices: &Prices) -> Monthly {
    let months = days.max(0.0) / MONTH_DAYS;
    let per_month = if months > 0.0 { 1.0 / months } else { 0.0 };
    let priced = count(cases.iter().filter(|case| case.cost.is_none()).count());
    let reported = cases
        .iter()
        .filter_map(|case| case.cost)
        .fold(0.0, |sum, cost| sum + cost);
    let cancelled = count(cases.iter().filter(|case| case.cancelled).count());
    let mut direct = Direct {
        refund: prices.refund.times(priced * per_month),
        shipping: prices.shipping.times(priced * per_month),
        service: prices.service.times(priced * per_month),
        reported: Range::exactly(reported * per_month),
        total: Range::default(),
    };
    direct.total = direct
        .refund
        .plus(direct.shipping)
        .plus(direct.service)
        .plus(direct.reported);
    let mut indirect = Indirect {
        lost_customers: prices.customer().times(cancelled * per_month),
        penalties: prices.penalty.times(count(cases.len()) * per_month),
        total: Range::default(),
    };
    indirect.total = indirect.lost_customers.plus(indirect.penalties);
    let total = direct.total.plus(indirect.total);
    let amounts: Vec<f64> = cases.iter().map(|case| amount(case, prices)).collect();
    let dispersion = stats::dispersion(&daily(cases, days));
    let (limits, method) = limits(&amounts, dispersion, prices);
    let n = count(cases.len());
    Monthly {
        months,
        incidents: cases.len(),
        direct,
        indirect,
        total,
        interval: limits.times(per_month),
        dispersion,
        method,
        each: if n > 0.0 {
            amounts.iter().sum::<f64>() / n
        } else {
            prices.each().likely
        },
    }
}

/// What one incident cost, likely.
fn amount(case: &Case, prices: &Prices) -> f64 {
    let direct = case.cost.unwrap_or_else(|| prices.direct().likely);
    let later = if case.cancelled {
        prices.customer().likely
    } else {
        0.0
    };
    direct + later + prices.penalty.likely
}

/// Limits of the sum: exact ones where all amounts are the same and days are like each other; else the wider of those and
/// what a compound Poisson sum has.
fn limits(amounts: &[f64], dispersion: f64, prices: &Prices) -> (Interval, Method) {
    let n = count(amounts.len());
    let Some(first) = amounts.first() else {
        let none = stats::poisson(0.0).times(prices.each().likely);
        return (none, Method::Poisson);
    };
    let mean = amounts.iter().sum::<f64>() / n;
    let exact = stats::poisson(n).times(mean);
    let equal = amounts.iter().all(|amount| (amount - first).abs() < 1e-9);
    if equal && dispersion <= 1.0 {
        return (exact, Method::Poisson);
    }
    // The spread of a clustered sum is so many times as wide.
    let times = dispersion.max(1.0).sqrt();
    let sum = mean * n;
    let plain = stats::compound(amounts.iter().copied());
    let reach = (plain.high - sum) * times;
    let wide = Interval::new((sum - reach).max(0.0), sum + reach);
    (exact.around(wide), Method::Compound)
}

/// Incidents of each day.
fn daily(cases: &[Case], days: f64) -> Vec<u32> {
    let first = cases.iter().map(|case| case.day).min().unwrap_or(0);
    let last = cases.iter().map(|case| case.day).max().unwrap_or(0);
    let spanned = usize::try_from(last.saturating_sub(first).saturating_add(1)).unwrap_or(1);
    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "days of a window of some years"
    )]
    let n = (days.clamp(1.0, 36_600.0).ceil() as usize).max(spanned.min(36_600));
    let mut found = vec![0_u32; n];
    for case in cases {
        let idx = usize::try_from(case.day.saturating_sub(first)).unwrap_or(0);
        if let Some(day) = found.get_mut(idx) {
            *day = day.saturating_add(1);
        }
    }
    found
}

impl Monthly {
    /// The limits if it went on as it did for so many months more.
    pub fn after(&self, months: f64) -> Interval {
        if self.months <= 0.0 {
            return self.interval;
        }
        let longer = (self.months + months) / self.months;
        let n = count(self.incidents) * longer;
        let all = self.months + months;
        let exact = stats::poisson(n).times(self.each / all);
        match self.method {
            Method::Poisson => exact,
            Method::Compound => {
                // A spread falls with the root of the time.
                let reach = (self.interval.high - self.total.likely) / longer.sqrt();
                let likely = self.total.likely;
                exact.around(Interval::new((likely - reach).max(0.0), likely + reach))
            }
        }
    }

    /// After how many more months the limits would say one thing, if it went on as it did. 0 if they do now; `None` if they
    /// would not within ten years.
    pub fn months_to<T: PartialEq>(&self, says: impl Fn(f64) -> T) -> Option<u32> {
        (0..=MONTHS_AHEAD_MAX).find(|months| {
            let limits = if *months == 0 {
                self.interval
            } else {
                self.after(f64::from(*months))
            };
            says(limits.low) == says(limits.high)
        })
    }

    /// It was watched for too short a time to speak of months.
    pub fn short(&self) -> bool {
        self.months * MONTH_DAYS < DAYS_LEAST
    }
}

/// How a channel judges the seller: its cancelled orders by its own base (rule R94).
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub struct Health {
    /// Orders that the seller cancelled for want of stock.
    pub cancelled: u64,
    /// Orders that the seller serves himself; what the channel serves is outside.
    pub orders: u64,
    /// Their quotient, in percent.
    pub rate_pct: f64,
    /// The channel's limit, in percent.
    pub limit_pct: f64,
    /// Orders that may still be cancelled; negative if there are too many.
    pub margin_orders: i64,
}

/// Cancelled orders against a channel's limit. What buyers cancelled, and pending orders, are not among them.
pub fn health(cancelled: u64, orders: u64, limit: Share) -> Health {
    let allowed = orders.saturating_mul(u64::from(limit.millionths())) / 1_000_000;
    let signed = |number: u64| i64::try_from(number).unwrap_or(i64::MAX);
    Health {
        cancelled,
        orders,
        rate_pct: if orders > 0 {
            100.0 * big(cancelled) / big(orders)
        } else {
            0.0
        },
        limit_pct: f64::from(limit.millionths()) / 10_000.0,
        margin_orders: signed(allowed).saturating_sub(signed(cancelled)),
    }
}

/// The chance of overselling per stockout that costs as much as the sales that preventing it would cost: withholding the
/// last unit costs `margin`, overselling it costs `cost`.
pub fn allowed_chance(margin: f64, cost: f64) -> f64 {
    if margin + cost > 0.0 {
        margin / (margin + cost)
    } else {
        0.0
    }
}

#[expect(clippy::cast_precision_loss, reason = "counts are far below 2^52")]
fn big(number: u64) -> f64 {
    number as f64
}

#[expect(clippy::cast_precision_loss, reason = "counts are far below 2^52")]
fn count(number: usize) -> f64 {
    number as f64
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn prices(direct: f64, lifetime_value: Option<f64>) -> Prices {
        Prices {
            refund: Range::exactly(direct),
            shipping: Range::default(),
            service: Range::default(),
            lifetime_value: lifetime_value.map(Range::exactly),
            customers_lost: 0.4,
            penalty: Range::default(),
        }
    }

    /// Incidents on days of their own, so that they are not clustered.
    fn apart(costs: impl IntoIterator<Item = Option<f64>>) -> Vec<Case> {
        (0..)
            .zip(costs)
            .map(|(day, cost)| Case {
                day,
                cost,
                cancelled: true,
            })
            .collect()
    }

    #[track_caller]
    fn near(found: f64, right: f64) {
        assert!((found - right).abs() < 1e-6, "{found} is not {right}");
    }

    /// 30 orders a day, 2 % of them, 75 each; and what that says for sure.
    #[test]
    fn a_month_of_18_does_not_decide() {
        let found = monthly(&apart([None; 18]), 30.0, &prices(75.0, None));
        near(found.total.likely, 1_350.0);
        assert!((found.interval.low - 800.096).abs() < 1e-3);
        assert!((found.interval.high - 2_133.582).abs() < 1e-3);
        assert_eq!(found.method, Method::Poisson);
        assert!(!found.short());
        let with_lost = prices(75.0, Some(300.0));
        near(with_lost.each().likely, 195.0);
        let found = monthly(&apart([None; 18]), 60.0, &with_lost);
        near(found.total.likely, 9.0 * 195.0);
        near(found.indirect.total.likely, 9.0 * 120.0);
    }

    #[test]
    fn unequal_costs_have_the_published_limits() {
        let costs = [25.0, 40.0, 75.0, 75.0, 75.0, 150.0, 150.0, 300.0].map(Some);
        let found = monthly(&apart(costs), 30.0, &prices(75.0, None));
        near(found.total.likely, 890.0);
        assert!(found.interval.low <= 890.0 - 769.395_089);
        assert!(found.interval.high >= 890.0 + 769.395_089);
        assert_eq!(found.method, Method::Compound);
        near(found.direct.reported.likely, 890.0);
    }

    #[test]
    fn a_flash_day_widens_the_limits() {
        let flash: Vec<Case> = apart([None; 18])
            .into_iter()
            .map(|case| Case {
                day: case.day / 9,
                ..case
            })
            .collect();
        let calm = monthly(&apart([None; 18]), 30.0, &prices(75.0, None));
        let found = monthly(&flash, 30.0, &prices(75.0, None));
        assert!(found.dispersion > 8.0, "{}", found.dispersion);
        assert!(found.interval.low < calm.interval.low);
        assert!(found.interval.high > calm.interval.high);
    }

    #[test]
    fn nothing_seen_is_not_nothing() {
        let found = monthly(&[], 30.0, &prices(75.0, None));
        near(found.total.likely, 0.0);
        near(found.interval.high, 3.688_879_454 * 75.0);
        assert!(monthly(&[], 10.0, &prices(75.0, None)).short());
        near(monthly(&[], 0.0, &prices(75.0, None)).interval.high, 0.0);
    }

    #[test]
    fn more_months_narrow_the_limits_until_they_decide() {
        let found = monthly(&apart([None; 18]), 30.0, &prices(75.0, None));
        let class = |cost: f64| u8::from(cost > 500.0) + u8::from(cost > 2_000.0);
        let months = found.months_to(class).unwrap();
        assert!(months > 0);
        let limits = found.after(f64::from(months));
        assert_eq!(class(limits.low), class(limits.high));
        let before = found.after(f64::from(months - 1));
        assert_ne!(class(before.low), class(before.high));
        // Exactly on a bound it never will.
        let on_it = monthly(&apart([None; 20]), 30.0, &prices(100.0, None));
        assert_eq!(on_it.months_to(class), None);
    }

    /// Rule R94 with its numbers: 11 of 400, not of 1,000.
    #[test]
    fn r94_s75_a_limit_is_judged_on_the_channels_own_base() {
        let limit: Share = "2.5%".parse().unwrap();
        let found = health(11, 400, limit);
        near(found.rate_pct, 2.75);
        assert_eq!(found.margin_orders, -1);
        assert_eq!(health(3, 400, limit).margin_orders, 7);
        assert_eq!(health(0, 0, limit).margin_orders, 0);
    }

    #[test]
    fn the_allowed_chance_weighs_a_sale_against_an_incident() {
        near(allowed_chance(4.0, 75.0), 4.0 / 79.0);
        near(allowed_chance(12.5, 195.0), 12.5 / 207.5);
        near(allowed_chance(0.0, 0.0), 0.0);
    }

    proptest! {
        #[test]
        fn limits_hold_the_cost_and_parts_add_up(
            days in prop::collection::vec((0_i64..60, prop::option::of(0.0_f64..500.0), any::<bool>()), 0..80),
        ) {
            let cases: Vec<_> = days
                .into_iter()
                .map(|(day, cost, cancelled)| Case { day, cost, cancelled })
                .collect();
            let found = monthly(&cases, 60.0, &prices(75.0, Some(300.0)));
            let likely = found.total.likely;
            prop_assert!(found.interval.low <= likely + 1e-9 && likely <= found.interval.high + 1e-9);
            prop_assert!((found.direct.total.likely + found.indirect.total.likely - likely).abs() < 1e-6);
            prop_assert!((found.each * count(found.incidents) - likely * found.months).abs() < 1e-6);
        }
    }
}
