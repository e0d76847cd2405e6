//! Which way of syncing pays: one recommendation for every cost, with or without fast goods, exactly on a bound, too (rule
//! R96). It is decided on what is sure of the cost, not on what is likely.
#![expect(
    clippy::float_arithmetic,
    reason = "statistics: differences and quotients of bounded amounts"
)]

use serde::{Deserialize, Serialize};

use super::stats::Interval;

/// A way of syncing, slowest first.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum SyncTier {
    /// Batches of a quarter of an hour or so, and reconciliation.
    Batch,
    /// Batches of 1 to 5 minutes, with buffers.
    NearRealTime,
    /// Each sale by itself, within seconds.
    RealTime,
}

impl SyncTier {
    /// One word.
    pub const fn word(self) -> &'static str {
        match self {
            Self::Batch => "batch",
            Self::NearRealTime => "near_real_time",
            Self::RealTime => "real_time",
        }
    }

    /// For people.
    pub const fn words(self) -> &'static str {
        match self {
            Self::Batch => "batch sync with reconciliation",
            Self::NearRealTime => "near-real-time sync (1 to 5 minutes) with buffers",
            Self::RealTime => "real-time sync",
        }
    }
}

/// Costs in a month at which the recommendation changes, in the seller's currency.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Bounds {
    /// Below this, batch is good enough. At it, it is not.
    pub batch_below: f64,
    /// Above this, real time pays if there are fast goods. At it, it does not.
    pub real_time_above: f64,
}

/// What pays at a cost in a month.
pub fn sync_tier(cost: f64, fast_goods: bool, bounds: &Bounds) -> SyncTier {
    if cost > bounds.real_time_above && fast_goods {
        SyncTier::RealTime
    } else if cost >= bounds.batch_below {
        SyncTier::NearRealTime
    } else {
        SyncTier::Batch
    }
}

/// What to do, and whether that is sure.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Decision {
    /// What the lower limit of the cost pays for: do this.
    pub tier: SyncTier,
    /// What the upper limit would pay for: more than this is not to be expected.
    pub most: SyncTier,
    /// Fast goods that are not synced in real time get buffers, whatever overselling costs.
    pub protect_fast: bool,
}

impl Decision {
    /// Both limits say the same.
    pub fn decided(self) -> bool {
        self.tier == self.most
    }
}

/// Decides between the limits of a cost in a month.
pub fn decide(cost: Interval, fast_goods: bool, bounds: &Bounds) -> Decision {
    let tier = sync_tier(cost.low, fast_goods, bounds);
    Decision {
        tier,
        most: sync_tier(cost.high, fast_goods, bounds),
        protect_fast: fast_goods && tier != SyncTier::RealTime,
    }
}

/// What another way of syncing costs.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Outlay {
    /// In a month, more than now.
    pub running: f64,
    /// Once.
    pub setup: f64,
}

/// What it brings.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub struct Return {
    /// In a month; negative if it costs more than it saves.
    pub saving_per_month: f64,
    /// Months until the setup is paid for; `None`: never.
    pub payback_months: Option<f64>,
    /// What a year brings of what it costs, in percent; `None` where it costs nothing.
    pub first_year_pct: Option<f64>,
}

/// What fewer incidents bring: `prevented` in a month, at `each`.
pub fn returns(prevented: f64, each: f64, outlay: &Outlay) -> Return {
    let saving = prevented.mul_add(each, -outlay.running);
    let spent = outlay.running.mul_add(12.0, outlay.setup);
    Return {
        saving_per_month: saving,
        payback_months: (saving > 0.0).then(|| outlay.setup.max(0.0) / saving),
        first_year_pct: (spent > 0.0)
            .then(|| 100.0 * (prevented * each).mul_add(12.0, -spent) / spent),
    }
}

/// What is known of how a seller sells.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Trade {
    /// Channels that sell the same goods.
    pub channels: usize,
    /// Orders a day, all channels together.
    pub orders_per_day: f64,
    /// Units a day of the SKU that sells most, made to order and pre-ordered ones left out; 0 if there is none.
    pub most_units_per_day: f64,
    /// SKUs that have to be on the shelf to be sold.
    pub stocked_skus: usize,
}

/// Orders a day below which batch is good enough. The published figure.
pub const FEW_ORDERS: f64 = 50.0;
/// Units a day of a SKU below which batch is good enough for it. The published figure.
pub const FEW_UNITS: f64 = 2.0;

/// Why batch is good enough whatever the rest says.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum BatchReason {
    /// A channel knows its own sales.
    OneChannel,
    /// Hardly two orders meet.
    FewOrders,
    /// No SKU sells fast enough.
    SlowGoods,
    /// Nothing can run out.
    NothingStocked,
}

impl BatchReason {
    /// For people.
    pub const fn words(self) -> &'static str {
        match self {
            Self::OneChannel => "there is one channel only, and it knows its own sales",
            Self::FewOrders => "there are fewer than 50 orders a day",
            Self::SlowGoods => "no SKU sells 2 units a day",
            Self::NothingStocked => "everything is made to order or pre-ordered",
        }
    }
}

/// Every reason for which batch is good enough; empty if it is not.
pub fn batch_is_enough(trade: &Trade) -> Vec<BatchReason> {
    [
        (trade.channels <= 1, BatchReason::OneChannel),
        (trade.stocked_skus == 0, BatchReason::NothingStocked),
        (trade.orders_per_day < FEW_ORDERS, BatchReason::FewOrders),
        (
            trade.stocked_skus > 0 && trade.most_units_per_day < FEW_UNITS,
            BatchReason::SlowGoods,
        ),
    ]
    .into_iter()
    .filter_map(|(holds, reason)| holds.then_some(reason))
    .collect()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const BOUNDS: Bounds = Bounds {
        batch_below: 500.0,
        real_time_above: 2_000.0,
    };

    #[test]
    fn r96_every_cost_has_one_answer_on_the_bounds_too() {
        use SyncTier::{Batch, NearRealTime, RealTime};
        for (cost, with_fast, without) in [
            (0.0, Batch, Batch),
            (499.99, Batch, Batch),
            (500.0, NearRealTime, NearRealTime),
            (2_000.0, NearRealTime, NearRealTime),
            (2_000.01, RealTime, NearRealTime),
            (1e9, RealTime, NearRealTime),
        ] {
            assert_eq!(sync_tier(cost, true, &BOUNDS), with_fast, "{cost}");
            assert_eq!(sync_tier(cost, false, &BOUNDS), without, "{cost}");
        }
    }

    #[test]
    fn it_is_decided_on_the_limits() {
        let decide = |low, high, fast| decide(Interval::new(low, high), fast, &BOUNDS);
        let month_of_18 = decide(800.0, 2_134.0, true);
        assert!(!month_of_18.decided() && month_of_18.protect_fast);
        assert_eq!(month_of_18.tier, SyncTier::NearRealTime);
        // Without fast goods the upper bound decides nothing.
        assert!(decide(800.0, 2_134.0, false).decided());
        let sure = decide(2_001.0, 9_000.0, true);
        assert!(sure.decided() && !sure.protect_fast);
        let cheap = decide(0.0, 276.0, true);
        assert!(
            cheap.decided() && cheap.protect_fast,
            "A is protected in any case"
        );
    }

    #[test]
    fn returns_are_as_published() {
        let outlay = Outlay {
            running: 500.0,
            setup: 12_000.0,
        };
        let near = |found: f64, right: f64| assert!((found - right).abs() < 1e-6, "{found}");
        let found = returns(58.5, 75.0, &outlay);
        near(found.saving_per_month, 3_887.5);
        near(found.payback_months.unwrap(), 3.086_817);
        let found = returns(58.5, 195.0, &outlay);
        near(found.saving_per_month, 10_907.5);
        near(found.payback_months.unwrap(), 1.100_160);
        let never = returns(5.0, 75.0, &outlay);
        assert_eq!(never.payback_months, None);
        assert!(never.first_year_pct.unwrap() < 0.0);
        let free = Outlay {
            running: 0.0,
            setup: 0.0,
        };
        let free = returns(1.0, 75.0, &free);
        assert_eq!(
            (free.payback_months, free.first_year_pct),
            (Some(0.0), None)
        );
    }

    #[test]
    fn batch_is_enough_where_nothing_can_meet() {
        let busy = Trade {
            channels: 3,
            orders_per_day: 400.0,
            most_units_per_day: 90.0,
            stocked_skus: 200,
        };
        assert_eq!(batch_is_enough(&busy), []);
        for (trade, reason) in [
            (
                Trade {
                    channels: 1,
                    ..busy
                },
                BatchReason::OneChannel,
            ),
            (
                Trade {
                    orders_per_day: 49.9,
                    ..busy
                },
                BatchReason::FewOrders,
            ),
            (
                Trade {
                    most_units_per_day: 1.9,
                    ..busy
                },
                BatchReason::SlowGoods,
            ),
            (
                Trade {
                    stocked_skus: 0,
                    most_units_per_day: 0.0,
                    ..busy
                },
                BatchReason::NothingStocked,
            ),
        ] {
            assert_eq!(batch_is_enough(&trade), [reason]);
        }
    }

    proptest! {
        #[test]
        fn more_cost_never_asks_for_slower_sync(
            one in 0.0_f64..5_000.0, other in 0.0_f64..5_000.0, fast in any::<bool>(),
        ) {
            let (low, high) = (one.min(other), one.max(other));
            prop_assert!(sync_tier(low, fast, &BOUNDS) <= sync_tier(high, fast, &BOUNDS));
            let found = decide(Interval::new(low, high), fast, &BOUNDS);
            prop_assert_eq!(found.protect_fast, fast && found.tier != SyncTier::RealTime);
        }
    }
}
