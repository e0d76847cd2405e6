//! What `recommend` tells: what to do, for which SKUs, what it costs and saves, and how sure that is.

use std::collections::BTreeSet;

use serde::Serialize;

use super::sold::{SkuSold, Sold};
use crate::cli::Latency;
use crate::commands::report::{CostAnswer, real};
use crate::config::CostSettings;
use crate::domain::cost::allowed_chance;
use crate::domain::decision::{
    BatchReason, Outlay, Return, SyncTier, Trade, batch_is_enough, decide, returns,
};
use crate::domain::money::Currency;
use crate::domain::oversell::share::{Gain, Step, real_time_curve, skus_for};
use crate::domain::promise::Promises;
use crate::domain::stats::Interval;
use crate::domain::tier::Tier;
use crate::output::Cell;

/// Share of stockouts at which a buffer may fail, without a word on what a sale earns.
const CHANCE_USUAL: f64 = 0.05;
/// Points of the curve that are told; more cannot be told apart.
const CURVE_MAX: usize = 200;

/// What it is made from.
#[derive(Debug)]
pub(super) struct Makings<'a> {
    pub(super) sold: Sold,
    pub(super) cost: Option<CostAnswer>,
    pub(super) costs: &'a CostSettings,
    pub(super) promises: &'a Promises,
    pub(super) now: Latency,
    pub(super) real_time: Latency,
    /// Of what can be prevented.
    pub(super) target_pct: u32,
}

/// How one SKU is to be synced.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum Lane {
    /// Each sale by itself.
    RealTime,
    /// Every minute or few.
    NearRealTime,
    /// Every quarter of an hour or so.
    Batch,
}

impl Lane {
    const fn word(self) -> &'static str {
        match self {
            Self::RealTime => "real time",
            Self::NearRealTime => "near real time",
            Self::Batch => "batch",
        }
    }
}

/// One SKU.
#[derive(Debug, Clone, Serialize)]
pub(super) struct SkuAdvice {
    pub(super) sku: String,
    pub(super) tier: Tier,
    pub(super) sync: Lane,
    /// Of all that is oversold now, in percent.
    pub(super) share_pct: f64,
    pub(super) oversold_orders_per_stockout_now: f64,
    pub(super) oversold_orders_per_stockout_real_time: f64,
    /// Units to keep back; null if none.
    pub(super) buffer: Option<u32>,
}

/// A point of the curve.
#[derive(Debug, Clone, Copy, Serialize)]
pub(super) struct Point {
    pub(super) skus: usize,
    pub(super) skus_pct: f64,
    pub(super) prevented_pct: f64,
}

/// How the seller sells.
#[derive(Debug, Clone, Serialize)]
pub(super) struct TradeTold {
    pub(super) channels: Vec<String>,
    pub(super) days: f64,
    pub(super) orders_per_day: f64,
    pub(super) most_units_per_day: f64,
    pub(super) stocked_skus: usize,
    /// Made to order, pre-ordered, or not counted: they cannot be oversold.
    pub(super) exempt_skus: usize,
}

/// What to do.
#[derive(Debug, Clone, Serialize)]
pub(super) struct Advice {
    pub(super) tier: SyncTier,
    /// In one sentence.
    pub(super) reason: String,
    /// More sentences: what it saves, how sure it is, what else holds.
    pub(super) details: Vec<String>,
    /// It is sure: the limits of the cost say one thing, or batch is enough whatever it is.
    pub(super) decided: bool,
    /// Reasons for which batch is good enough; empty if there are none.
    pub(super) batch_is_enough: Vec<BatchReason>,
    pub(super) months_to_decide: Option<u32>,
}

/// Of what is oversold now, in percent.
#[derive(Debug, Clone, Copy, Serialize)]
pub(super) struct Prevented {
    pub(super) near_real_time: f64,
    pub(super) all_real_time: f64,
    /// By the SKUs that are recommended for real time.
    pub(super) chosen: f64,
}

/// What a way of syncing would save in a month.
#[derive(Debug, Clone, Copy, Serialize)]
pub(super) struct Choice {
    pub(super) tier: SyncTier,
    /// SKUs that would be synced like this.
    pub(super) skus: usize,
    /// Of what is oversold now, in percent.
    pub(super) prevented_pct: f64,
    /// Null if no incidents were watched for, so that no cost is known.
    pub(super) saving: Option<Saving>,
}

/// What is saved in a month.
#[derive(Debug, Clone, Copy, Serialize)]
pub(super) struct Saving {
    #[serde(flatten)]
    pub(super) returns: Return,
    /// 95 %, for incidents are few.
    pub(super) saving_interval_95: [f64; 2],
}

/// Everything that is told.
#[derive(Debug, Clone, Serialize)]
pub(super) struct Answer {
    pub(super) recommendation: Advice,
    pub(super) trade: TradeTold,
    /// `exports` or `books`.
    pub(super) orders_from: &'static str,
    pub(super) orders_without_time: u64,
    pub(super) now_s: f64,
    pub(super) real_time_s: f64,
    pub(super) currency: Currency,
    pub(super) prevented_pct: Prevented,
    /// What overselling costs; null if that is not known.
    pub(super) cost_per_month: Option<f64>,
    /// What faster ways of syncing would bring.
    pub(super) choices: [Choice; 2],
    /// SKUs that bring the wanted share, and those of tier A.
    pub(super) real_time_skus: usize,
    pub(super) target_pct: u32,
    /// SKUs that bring this share of what can be prevented, in percent of all.
    pub(super) skus_for_target_pct: Option<f64>,
    pub(super) buffer_chance_pct: f64,
    pub(super) curve: Vec<Point>,
    /// Worst first.
    pub(super) skus: Vec<SkuAdvice>,
    pub(super) warnings: Vec<String>,
}

impl Answer {
    /// From what was read.
    pub(super) fn of(makings: Makings<'_>) -> Self {
        let mut makings = makings;
        let all = makings.sold.skus.len();
        let exempt = |sku: &SkuSold| is_exempt(&sku.sku, makings.promises);
        makings.sold.skus.retain(|sku| !exempt(sku));
        let sold = &makings.sold;
        let gains: Vec<Gain> = sold
            .skus
            .iter()
            .map(|sku| Gain {
                now: sku.blind[0],
                real_time: sku.blind[2].min(sku.blind[0]),
            })
            .collect();
        let curve = real_time_curve(&gains);
        let target = target(&curve, makings.target_pct);
        let trade = trade(sold, all - sold.skus.len());
        let recommendation = advised(&makings, &trade);
        let chosen = chosen(sold, &curve, target.unwrap_or(0));
        let skus = advice(&makings, &curve, &chosen, recommendation.tier);
        let prevented = prevented(sold, &chosen);
        let choice = |tier, skus, prevented_pct| Choice {
            tier,
            skus,
            prevented_pct,
            saving: saving(&makings, tier, prevented_pct),
        };
        let choices = [
            choice(
                SyncTier::NearRealTime,
                sold.skus.len(),
                prevented.near_real_time,
            ),
            choice(SyncTier::RealTime, chosen.len(), prevented.chosen),
        ];
        let mut answer = Self {
            recommendation,
            trade,
            orders_from: sold.from,
            orders_without_time: sold.without_time,
            now_s: seconds(makings.now),
            real_time_s: seconds(makings.real_time),
            currency: makings.costs.currency,
            prevented_pct: prevented,
            cost_per_month: seen(&makings).and_then(|cost| cost.total_per_month),
            choices,
            real_time_skus: chosen.len(),
            target_pct: makings.target_pct,
            skus_for_target_pct: target
                .map(|count| 100.0 * real(count) / real(sold.skus.len().max(1))),
            buffer_chance_pct: 100.0 * chance(&makings),
            curve: points(&curve),
            skus,
            warnings: sold.warnings.clone(),
        };
        answer.recommendation.details = answer.details();
        answer
    }

    /// The lines for `[buffers.sku]`.
    pub(super) fn config_lines(&self) -> Vec<String> {
        let line = |sku: &SkuAdvice| {
            let units = sku.buffer?;
            Some(format!(
                "{} = {units}",
                toml::Value::String(sku.sku.clone())
            ))
        };
        self.skus.iter().filter_map(line).collect()
    }

    /// What the recommendation brings; nothing for batch, which changes nothing.
    pub(super) fn saving(&self) -> Option<&Saving> {
        let tier = self.recommendation.tier;
        let choice = self.choices.iter().find(|choice| choice.tier == tier)?;
        choice.saving.as_ref()
    }

    fn details(&self) -> Vec<String> {
        let share = &self.prevented_pct;
        let mut lines = vec![format!(
            "Of what your own orders oversell now, real time for every SKU would prevent {:.1} %, batches of a minute {:.1} %.",
            share.all_real_time, share.near_real_time
        )];
        if let Some(pct) = self.skus_for_target_pct {
            lines.push(format!(
                "{pct:.1} % of the SKUs bring {} % of what real time can prevent; with tier A those are {} SKUs, which prevent {:.1} \
                 % of all.",
                self.target_pct, self.real_time_skus, share.chosen
            ));
        }
        lines.extend(self.choices.iter().filter_map(|choice| self.brings(choice)));
        if self.cost_per_month.is_none() {
            lines.push(
                "What that saves is not known, for no incidents are: let the books run, or enter them with `onhand incidents import`."
                    .to_owned(),
            );
        }
        lines
    }

    /// What one way of syncing would bring.
    fn brings(&self, choice: &Choice) -> Option<String> {
        let saving = choice.saving.as_ref()?;
        let money = |value: f64| self.currency.about(value);
        let [low, high] = saving.saving_interval_95;
        let payback = match saving.returns.payback_months {
            Some(months) if months > 0.0 => format!("it pays back in {months:.1} months"),
            Some(_) => "nothing has to be paid back".to_owned(),
            None => "it never pays back".to_owned(),
        };
        Some(format!(
            "With {} for {} SKUs you would save {} a month, running costs taken off ({} to {} with 95 % certainty); {payback}.",
            choice.tier.words(),
            choice.skus,
            money(saving.returns.saving_per_month),
            money(low),
            money(high)
        ))
    }
}

/// What is made to order, may be backordered, or is not counted cannot be oversold by late syncing.
fn is_exempt(sku: &str, promises: &Promises) -> bool {
    promises.daily.contains_key(sku)
        || promises.backorder.contains_key(sku)
        || promises.untracked.contains(sku)
}

fn seconds(latency: Latency) -> f64 {
    #[expect(clippy::cast_precision_loss, reason = "at most a week")]
    let ms = latency.ms as f64;
    ms / 1_000.0
}

/// The fewest SKUs that bring this share of what all of them would.
fn target(curve: &[Step], pct: u32) -> Option<usize> {
    let best = curve.last().map_or(0.0, |step| step.prevented_pct);
    if best <= 0.0 {
        return None;
    }
    skus_for(curve, best * f64::from(pct) / 100.0 - 1e-9)
}

fn trade(sold: &Sold, exempt_skus: usize) -> TradeTold {
    let days = sold.days.max(1.0);
    let most = sold.skus.iter().map(|sku| sku.units / days);
    TradeTold {
        channels: sold.channels.iter().cloned().collect(),
        days: sold.days,
        orders_per_day: sold.orders / days,
        most_units_per_day: most.fold(0.0, f64::max),
        stocked_skus: sold.skus.len(),
        exempt_skus,
    }
}

fn chance(makings: &Makings<'_>) -> f64 {
    let each = makings.cost.as_ref().map(|cost| cost.cost_per_incident);
    let each = each.unwrap_or_else(|| makings.costs.prices().each().likely);
    makings
        .costs
        .margin
        .map_or(CHANCE_USUAL, |margin| allowed_chance(margin.to_f64(), each))
        .clamp(0.001, 0.5)
}

/// What overselling costs, if anything was watched.
fn seen<'m>(makings: &'m Makings<'_>) -> Option<&'m CostAnswer> {
    let cost = makings.cost.as_ref();
    cost.filter(|cost| cost.months_observed > 0.0)
}

/// SKUs for real time, by their places: those that gain most, and those of tier A.
fn chosen(sold: &Sold, curve: &[Step], most: usize) -> BTreeSet<usize> {
    let fast = |idx: &usize| sold.skus.get(*idx).is_some_and(|sku| sku.tier == Tier::A);
    let best = curve.iter().take(most).map(|step| step.sku_idx);
    best.chain((0..sold.skus.len()).filter(fast)).collect()
}

/// What to do: what is sure of the cost decides, unless nothing faster could prevent anything.
fn advised(makings: &Makings<'_>, trade: &TradeTold) -> Advice {
    let reasons = batch_is_enough(&Trade {
        channels: trade.channels.len(),
        orders_per_day: trade.orders_per_day,
        most_units_per_day: trade.most_units_per_day,
        stocked_skus: trade.stocked_skus,
    });
    // These two are facts; the others are rules of thumb, which a cost that was seen overrules.
    let nothing_to_prevent = reasons.iter().any(|reason| {
        matches!(
            reason,
            BatchReason::OneChannel | BatchReason::NothingStocked
        )
    });
    let fast_goods = makings.sold.skus.iter().any(|sku| sku.tier == Tier::A);
    let seen = seen(makings);
    let limits = seen.and_then(|cost| cost.interval_95);
    let bounds = makings.costs.bounds();
    let decision = limits.map(|[low, high]| decide(Interval::new(low, high), fast_goods, &bounds));
    let words: Vec<_> = reasons.iter().map(|reason| reason.words()).collect();
    let pays = decision.is_some_and(|decision| decision.tier > SyncTier::Batch);
    if nothing_to_prevent || (!reasons.is_empty() && !pays) {
        return Advice {
            tier: SyncTier::Batch,
            reason: format!("Batch sync is good enough: {}.", words.join(", and ")),
            details: Vec::new(),
            decided: true,
            batch_is_enough: reasons,
            months_to_decide: Some(0),
        };
    }
    match (seen, decision) {
        (Some(cost), Some(decision)) => Advice {
            tier: decision.tier,
            reason: cost_reason(cost, decision.tier, decision.decided()),
            details: Vec::new(),
            decided: decision.decided() && cost.recommendation.decided,
            batch_is_enough: reasons,
            months_to_decide: cost.recommendation.months_to_decide,
        },
        _ => Advice {
            tier: SyncTier::Batch,
            reason: "Undecided: what overselling costs is not known yet. Until it is, batch sync, with buffers for fast SKUs."
                .to_owned(),
            details: Vec::new(),
            decided: false,
            batch_is_enough: reasons,
            months_to_decide: None,
        },
    }
}

fn cost_reason(cost: &CostAnswer, tier: SyncTier, decided: bool) -> String {
    let money = |value: f64| cost.currency.about(value);
    let total = cost.total_per_month.map_or("unknown".to_owned(), money);
    let [low, high] = cost.interval_95.unwrap_or_default();
    let limits = format!("{} to {} with 95 % certainty", money(low), money(high));
    if decided {
        format!(
            "Use {}: overselling costs {total} a month ({limits}).",
            tier.words()
        )
    } else {
        format!(
            "Undecided between {} and {}: overselling costs {total} a month ({limits}). Until it is sure: {}.",
            tier.words(),
            cost.recommendation.at_most.words(),
            tier.words()
        )
    }
}

/// The SKUs, worst first.
fn advice(
    makings: &Makings<'_>,
    curve: &[Step],
    chosen: &BTreeSet<usize>,
    tier: SyncTier,
) -> Vec<SkuAdvice> {
    let sold = &makings.sold;
    let all: f64 = sold.skus.iter().map(|sku| sku.blind[0]).sum();
    let chance = chance(makings);
    let alone = sold.channels.len() <= 1;
    let one = |step: &Step| {
        let sku = sold.skus.get(step.sku_idx)?;
        let [now, _, real_time] = sku.per_stockout();
        let sync = match tier {
            SyncTier::RealTime if chosen.contains(&step.sku_idx) => Lane::RealTime,
            SyncTier::RealTime | SyncTier::Batch => Lane::Batch,
            SyncTier::NearRealTime => Lane::NearRealTime,
        };
        let latency = match sync {
            Lane::RealTime => makings.real_time,
            Lane::NearRealTime => Latency {
                ms: makings.now.ms.min(60_000),
            },
            Lane::Batch => makings.now,
        };
        // Fast goods are protected in any case; near real time comes with buffers.
        let protected = !alone && (sku.tier == Tier::A || sync == Lane::NearRealTime);
        let units = sku.buffer(latency, chance);
        Some(SkuAdvice {
            sku: sku.sku.clone(),
            tier: sku.tier,
            sync,
            share_pct: if all > 0.0 {
                100.0 * sku.blind[0] / all
            } else {
                0.0
            },
            oversold_orders_per_stockout_now: now,
            oversold_orders_per_stockout_real_time: real_time,
            buffer: (protected && units > 0).then_some(units),
        })
    };
    curve.iter().filter_map(one).collect()
}

fn prevented(sold: &Sold, chosen: &BTreeSet<usize>) -> Prevented {
    // Sums begin with 0: that of nothing is -0 otherwise.
    let sum = |of: &dyn Fn(usize, &SkuSold) -> f64| {
        let parts = sold.skus.iter().enumerate();
        parts.fold(0.0, |sum, (idx, sku)| sum + of(idx, sku))
    };
    let now = sum(&|_, sku| sku.blind[0]);
    let pct = |part: f64| {
        if now > 0.0 {
            (100.0 * part / now).max(0.0)
        } else {
            0.0
        }
    };
    let gain = |sku: &SkuSold, idx: usize| {
        let left = sku.blind.get(idx).copied().unwrap_or(0.0);
        (sku.blind[0] - left).max(0.0)
    };
    Prevented {
        near_real_time: pct(sum(&|_, sku| gain(sku, 1))),
        all_real_time: pct(sum(&|_, sku| gain(sku, 2))),
        chosen: pct(sum(&|idx, sku| {
            if chosen.contains(&idx) {
                gain(sku, 2)
            } else {
                0.0
            }
        })),
    }
}

/// What a way of syncing saves of what overselling costs. Batches of a minute run in what is there; what real time costs is in
/// [costs].
fn saving(makings: &Makings<'_>, tier: SyncTier, prevented_pct: f64) -> Option<Saving> {
    let cost = seen(makings)?;
    let [low, high] = cost.interval_95?;
    let share = prevented_pct / 100.0;
    let outlay = match tier {
        SyncTier::RealTime => makings.costs.outlay(),
        SyncTier::NearRealTime | SyncTier::Batch => Outlay {
            running: 0.0,
            setup: 0.0,
        },
    };
    Some(Saving {
        returns: returns(
            cost.incidents_per_month * share,
            cost.cost_per_incident,
            &outlay,
        ),
        saving_interval_95: [low, high].map(|limit| limit.mul_add(share, -outlay.running)),
    })
}

fn points(curve: &[Step]) -> Vec<Point> {
    let step = curve.len().div_ceil(CURVE_MAX).max(1);
    let last = curve.len().saturating_sub(1);
    let kept = curve.iter().enumerate();
    kept.filter(|(idx, _)| (idx + 1).is_multiple_of(step) || *idx == 0 || *idx == last)
        .map(|(idx, step)| Point {
            skus: idx + 1,
            skus_pct: step.skus_pct,
            prevented_pct: step.prevented_pct,
        })
        .collect()
}

/// One row a SKU.
pub(super) fn row(sku: &SkuAdvice) -> Vec<Cell> {
    vec![
        sku.sku.as_str().into(),
        sku.tier.letter().into(),
        sku.sync.word().into(),
        Cell::Decimal(sku.share_pct, 2),
        Cell::Decimal(sku.oversold_orders_per_stockout_now, 4),
        Cell::Decimal(sku.oversold_orders_per_stockout_real_time, 4),
        sku.buffer.into(),
    ]
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sku(name: &str, tier: Tier, blind: [f64; 3]) -> SkuSold {
        SkuSold {
            sku: name.to_owned(),
            tier,
            units: 3_000.0,
            orders: 2_000.0,
            blind,
            least_share: 1.0 / 3.0,
            peak: 10.0,
        }
    }

    fn sold(channels: &[&str]) -> Sold {
        Sold {
            skus: vec![
                sku("fast", Tier::A, [900.0, 60.0, 5.0]),
                sku("slow", Tier::C, [90.0, 6.0, 1.0]),
                sku("rare", Tier::C, [10.0, 1.0, 0.0]),
            ],
            channels: channels
                .iter()
                .map(ToString::to_string)
                .collect::<BTreeSet<_>>(),
            orders: 6_000.0,
            days: 30.0,
            from: "books",
            ..Sold::default()
        }
    }

    fn answer(sold: Sold) -> Answer {
        let ms = |ms| Latency { ms };
        Answer::of(Makings {
            sold,
            cost: None,
            costs: &CostSettings::default(),
            promises: &Promises::default(),
            now: ms(900_000),
            real_time: ms(5_000),
            target_pct: 80,
        })
    }

    #[test]
    fn without_a_known_cost_fast_goods_get_buffers_and_nothing_is_decided() {
        let found = answer(sold(&["a", "b", "c"]));
        assert!(!found.recommendation.decided);
        assert_eq!(found.recommendation.tier, SyncTier::Batch);
        let buffers: Vec<_> = found
            .skus
            .iter()
            .map(|sku| (sku.sku.as_str(), sku.buffer))
            .collect();
        // 10 an hour, a third each, a quarter of an hour: the published 4 units at 5 %.
        assert_eq!(buffers, [("fast", Some(4)), ("slow", None), ("rare", None)]);
        assert_eq!(found.config_lines(), ["\"fast\" = 4"]);
        assert!(found.saving().is_none() && found.choices.iter().all(|one| one.saving.is_none()));
        assert_eq!(found.real_time_skus, 1);
        assert!((found.prevented_pct.all_real_time - 99.4).abs() < 1e-9);
        assert_eq!(found.curve.len(), 3);
        assert!((found.skus_for_target_pct.unwrap() - 100.0 / 3.0).abs() < 1e-9);
    }

    #[test]
    fn with_one_channel_batch_is_enough_and_no_buffer_is_needed() {
        let found = answer(sold(&["a"]));
        assert!(found.recommendation.decided);
        assert_eq!(
            found.recommendation.batch_is_enough,
            [BatchReason::OneChannel]
        );
        assert!(found.skus.iter().all(|sku| sku.buffer.is_none()));
        assert!(
            found
                .recommendation
                .reason
                .starts_with("Batch sync is good enough")
        );
    }

    #[test]
    fn few_orders_make_batch_enough_but_fast_goods_stay_protected() {
        let few = Sold {
            orders: 300.0,
            ..sold(&["a", "b"])
        };
        let found = answer(few);
        assert_eq!(
            found.recommendation.batch_is_enough,
            [BatchReason::FewOrders]
        );
        assert_eq!(found.skus[0].buffer, Some(4));
    }
}
