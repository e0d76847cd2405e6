//! What `report cost` tells: the figures, the decision and why, before and after a change.
#![cfg_attr(
    not(feature = "sales"),
    expect(dead_code, reason = "only exports give what stands in for incidents")
)]

use std::collections::BTreeMap;

use serde::Serialize;

use super::lost::{Lost, Outcome};
use super::{DAY_MS, day, day_text, real};
use crate::config::CostSettings;
use crate::domain::clock::Timestamp;
use crate::domain::cost::{self, Case, Direct, Health, Indirect, Method, Monthly, Range, monthly};
use crate::domain::decision::{self, Decision, Return, SyncTier, decide, returns};
use crate::domain::ids::{ChannelId, Sku};
use crate::domain::money::{Amount, Currency, Rate};
use crate::domain::stats::{self, Interval};

/// SKUs that are named as the worst.
const SKUS_SHOWN: usize = 20;

/// What incidents were counted from.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub(in crate::commands) enum Basis {
    /// Incidents of the books, and those that people told of.
    Incidents,
    /// Cancelled orders of exports, which stand in for incidents: at most so many.
    CancelledOrders,
}

/// Cancelled orders of exports.
#[derive(Debug, Clone, Default, Serialize)]
pub(in crate::commands) struct StandIn {
    /// Orders in them.
    pub(in crate::commands) orders: usize,
    /// Cancelled, and not told by whom or why.
    pub(in crate::commands) cancelled: usize,
    /// Cancelled by the seller for want of stock, as the export says.
    pub(in crate::commands) no_stock: usize,
    /// Cancelled by the buyer, as the export says; these are left out.
    pub(in crate::commands) by_buyer: usize,
    /// Share of the orders that were cancelled and may be incidents, in percent, with its limits.
    pub(in crate::commands) rate_pct: f64,
    /// Its 95 % limits (Clopper and Pearson).
    pub(in crate::commands) rate_interval_95: [f64; 2],
    /// What they are, in words.
    pub(in crate::commands) note: &'static str,
    /// Days of those that may be incidents.
    #[serde(skip)]
    pub(in crate::commands) days: Vec<i64>,
    /// Orders that the export says were cancelled for want of stock.
    #[serde(skip)]
    pub(in crate::commands) for_stock: Vec<(String, i64)>,
    /// From the first row to the last.
    #[serde(skip)]
    pub(in crate::commands) from: Option<(Timestamp, Timestamp)>,
}

impl StandIn {
    /// From the first row to the last.
    pub(super) fn span(&self) -> Option<(Timestamp, Timestamp)> {
        self.from
    }
}

/// What it is made from.
#[derive(Debug)]
pub(in crate::commands) struct Makings {
    pub(super) since: Timestamp,
    pub(super) until: Timestamp,
    pub(super) lost: Vec<Lost>,
    pub(super) basis: Basis,
    pub(super) change: Option<Timestamp>,
    /// SKUs of tier A; `None`: nothing was classified.
    pub(super) fast_skus: Option<usize>,
    pub(super) health: BTreeMap<ChannelId, Health>,
    pub(super) stand_in: Option<StandIn>,
}

impl Makings {
    /// Takes what exports tell. Without incidents in the books it is all that is known.
    #[cfg(feature = "sales")]
    pub(super) fn take(&mut self, found: StandIn) {
        if self.lost.is_empty() {
            self.basis = Basis::CancelledOrders;
        }
        self.stand_in = Some(found);
    }
}

/// Units, lines and orders are three counts (rule R91).
#[derive(Debug, Clone, Copy, Default, Serialize)]
pub(in crate::commands) struct Counts {
    pub(super) orders: usize,
    pub(super) lines: usize,
    pub(super) units: i64,
    pub(super) cancelled: usize,
    pub(super) substituted: usize,
    pub(super) open: usize,
    pub(super) not_told: usize,
    /// Oversold and served in the end: no incidents.
    pub(super) served: usize,
}

/// What was told to have cost so much.
#[derive(Debug, Clone, Serialize)]
pub(super) struct ReportedCost {
    pub(super) currency: Currency,
    pub(super) incidents: usize,
    /// Exact, as its currency is written.
    pub(super) amount: String,
    /// It is in the total.
    pub(super) added: bool,
}

/// One SKU.
#[derive(Debug, Clone, Serialize)]
pub(super) struct SkuCost {
    pub(super) sku: Sku,
    pub(super) incidents: usize,
    pub(super) units: i64,
}

/// One week.
#[derive(Debug, Clone, Serialize)]
pub(super) struct Week {
    pub(super) since: String,
    pub(super) incidents: usize,
}

/// What to do.
#[derive(Debug, Clone, Serialize)]
pub(in crate::commands) struct Recommendation {
    /// What is sure to pay.
    pub(in crate::commands) tier: SyncTier,
    /// In a sentence.
    pub(in crate::commands) reason: String,
    /// The limits say one thing.
    pub(in crate::commands) decided: bool,
    /// Months more until they do, if it goes on as it did; 0 if they do, null if not within ten years.
    pub(in crate::commands) months_to_decide: Option<u32>,
    /// What the upper limit would pay for.
    pub(in crate::commands) at_most: SyncTier,
    /// Tier A SKUs get buffers, whatever overselling costs.
    pub(in crate::commands) protect_tier_a: bool,
    /// SKUs of tier A; null if nothing was classified, and then they are taken to be there.
    pub(in crate::commands) tier_a_skus: Option<usize>,
    pub(in crate::commands) batch_below: f64,
    pub(in crate::commands) real_time_above: f64,
    /// Other prices within their ranges would change it.
    pub(in crate::commands) depends_on_prices: bool,
}

/// Before and after a change.
#[derive(Debug, Clone, Serialize)]
pub(super) struct Change {
    pub(super) date: String,
    pub(super) months_before: f64,
    pub(super) incidents_before: usize,
    pub(super) months_after: f64,
    pub(super) incidents_after: usize,
    /// Incidents in a month after, over those before.
    pub(super) ratio: Option<f64>,
    /// 95 % limits; the upper one is null where nothing was before.
    pub(super) ratio_interval_95: Option<[Option<f64>; 2]>,
    /// `fewer`, `more` or `not_sure`.
    pub(super) verdict: &'static str,
}

/// Everything that is told.
#[derive(Debug, Clone, Serialize)]
pub(in crate::commands) struct Answer {
    pub(in crate::commands) basis: Basis,
    pub(super) since: Timestamp,
    pub(super) until: Timestamp,
    pub(super) days_observed: f64,
    pub(in crate::commands) months_observed: f64,
    /// Too few days to speak of months.
    pub(super) short: bool,
    pub(in crate::commands) incidents: usize,
    pub(in crate::commands) incidents_per_month: f64,
    pub(in crate::commands) incidents_interval_95: [f64; 2],
    pub(super) counts: Counts,
    pub(in crate::commands) currency: Currency,
    /// What one incident costs, on average.
    pub(in crate::commands) cost_per_incident: f64,
    pub(super) by_currency: Vec<ReportedCost>,
    pub(super) rates: Vec<Rate>,
    pub(super) direct: Option<Direct>,
    pub(super) indirect: Option<Indirect>,
    pub(super) lifetime_value_known: bool,
    pub(in crate::commands) total_per_month: Option<f64>,
    /// If every price is at its end.
    pub(super) total_range: Option<[f64; 2]>,
    /// At likely prices, for incidents are few.
    pub(in crate::commands) interval_95: Option<[f64; 2]>,
    pub(super) interval_method: Method,
    pub(super) dispersion: f64,
    pub(in crate::commands) recommendation: Recommendation,
    /// If real time prevented every incident: at most this.
    pub(super) real_time_at_best: Option<Return>,
    /// How often a buffer may fail, by what a sale earns; null without `margin`.
    pub(super) allowed_chance: Option<f64>,
    pub(super) change: Option<Change>,
    pub(super) health: BTreeMap<ChannelId, Health>,
    pub(in crate::commands) stand_in: Option<StandIn>,
    pub(super) skus: Vec<SkuCost>,
    pub(super) weeks: Vec<Week>,
}

impl Answer {
    /// From what was read.
    pub(super) fn of(costs: &CostSettings, makings: Makings) -> Self {
        let Makings { since, until, .. } = makings;
        let inside = |at: Timestamp| since <= at && at < until;
        let seen: Vec<&Lost> = makings.lost.iter().filter(|lost| inside(lost.at)).collect();
        let incidents: Vec<&Lost> = seen.iter().copied().filter(|lost| lost.counts()).collect();
        let (cases, unpriced, rates) = cases(&incidents, &makings, costs);
        // Less than a day tells nothing of a month.
        let days = Some(real_days(since, until)).filter(|days| *days >= 1.0);
        let days = days.unwrap_or(0.0);
        let found = monthly(&cases, days, &costs.prices());
        let known = !unpriced;
        let counted = counted(&seen);
        let fast = makings.fast_skus.is_none_or(|count| count > 0);
        let limits = limits(&found, makings.basis);
        let recommendation = recommended(&found, limits, fast, known, &makings, costs);
        let per_month = if found.months > 0.0 {
            real(cases.len()) / found.months
        } else {
            0.0
        };
        let times = if found.months > 0.0 {
            1.0 / found.months
        } else {
            0.0
        };
        let counted_limits = counting(&found).times(times);
        Self {
            basis: makings.basis,
            since,
            until,
            days_observed: days,
            months_observed: found.months,
            short: found.short(),
            incidents: cases.len(),
            incidents_per_month: per_month,
            incidents_interval_95: [counted_limits.low, counted_limits.high],
            counts: counted,
            currency: costs.currency,
            cost_per_incident: found.each,
            by_currency: by_currency(&incidents, costs),
            rates,
            direct: known.then_some(found.direct),
            indirect: known.then_some(found.indirect),
            lifetime_value_known: costs.lifetime_value.is_some(),
            total_per_month: known.then_some(found.total.likely),
            total_range: known.then_some([found.total.low, found.total.high]),
            interval_95: known.then_some([limits.low, limits.high]),
            interval_method: found.method,
            dispersion: found.dispersion,
            recommendation,
            real_time_at_best: known.then(|| returns(per_month, found.each, &costs.outlay())),
            allowed_chance: costs
                .margin
                .map(|margin| cost::allowed_chance(margin.to_f64(), found.each)),
            change: makings.change.map(|at| change(at, since, until, &cases)),
            health: makings.health,
            stand_in: makings.stand_in,
            skus: skus(&incidents),
            weeks: weeks(&cases, since, until),
        }
    }

    /// What a month is made of.
    pub(super) fn parts(&self) -> Vec<(&'static str, Range)> {
        let (Some(direct), Some(indirect)) = (&self.direct, &self.indirect) else {
            return Vec::new();
        };
        vec![
            ("refunds", direct.refund),
            ("another shipment", direct.shipping),
            ("service time", direct.service),
            ("as people told", direct.reported),
            ("lost customers", indirect.lost_customers),
            ("penalties", indirect.penalties),
        ]
    }

    /// The decision in one sentence.
    pub(in crate::commands) fn sentence(&self) -> String {
        self.recommendation.reason.clone()
    }

    /// What to be careful about.
    pub(super) fn warnings(&self) -> Vec<String> {
        let mut found = Vec::new();
        if self.short {
            found.push(format!(
                "only {:.0} days were watched: too few to speak of months",
                self.days_observed.floor()
            ));
        }
        if self.total_per_month.is_none() {
            let missing: Vec<_> = self
                .by_currency
                .iter()
                .filter(|told| !told.added)
                .map(|told| told.currency.to_string())
                .collect();
            found.push(format!(
                "costs in {} are not added, for [costs.rates] has no rate for them",
                missing.join(", ")
            ));
        }
        if self.basis == Basis::CancelledOrders {
            found.push(
                "no incident is known: cancelled orders of the exports stand in, and they may have other reasons".to_owned(),
            );
        }
        for (channel, health) in &self.health {
            if health.margin_orders < 0 {
                found.push(format!(
                    "{channel} judges by cancelled orders: {:.2} % of {}, and {} % is the limit; {} too many",
                    health.rate_pct,
                    health.orders,
                    health.limit_pct,
                    -health.margin_orders
                ));
            }
        }
        found
    }
}

/// Incidents as they are priced; whether one has a cost that cannot be added; the rates that were used.
fn cases(
    incidents: &[&Lost],
    makings: &Makings,
    costs: &CostSettings,
) -> (Vec<Case>, bool, Vec<Rate>) {
    let mut rates = Vec::new();
    let mut unpriced = false;
    let mut cases: Vec<Case> = Vec::with_capacity(incidents.len());
    for lost in incidents {
        let case = lost.case(costs.currency, &costs.rates, &mut rates);
        unpriced |= case.is_none();
        cases.push(case.unwrap_or(Case {
            day: day(lost.at),
            cost: None,
            cancelled: lost.outcome.cancelled(),
        }));
    }
    let plain = |day: i64| Case {
        day,
        cost: None,
        cancelled: true,
    };
    if let Some(found) = &makings.stand_in {
        if makings.basis == Basis::CancelledOrders {
            cases.extend(found.days.iter().map(|day| plain(*day)));
        }
        // Where the export names the seller and the lack of stock, it is evidence.
        let known = |order: &str| incidents.iter().any(|lost| lost.order.as_str() == order);
        let more = found.for_stock.iter().filter(|(order, _)| !known(order));
        cases.extend(more.map(|(_, day)| plain(*day)));
    }
    rates.sort_unstable();
    (cases, unpriced, rates)
}

fn real_days(since: Timestamp, until: Timestamp) -> f64 {
    #[expect(
        clippy::cast_precision_loss,
        reason = "some years are far below 2^52 ms"
    )]
    let ms = until.since(since).max(0) as f64;
    #[expect(clippy::cast_precision_loss, reason = "a day is far below 2^52 ms")]
    let day = DAY_MS as f64;
    ms / day
}

/// The limits that are decided on. What only stands in for incidents may be none at all.
fn limits(found: &Monthly, basis: Basis) -> Interval {
    match basis {
        Basis::Incidents => found.interval,
        Basis::CancelledOrders => Interval::new(0.0, found.interval.high),
    }
}

/// Limits of the number of incidents.
fn counting(found: &Monthly) -> Interval {
    let n = real(found.incidents);
    let exact = stats::poisson(n);
    if found.dispersion > 1.0 {
        exact.around(stats::clustered(n, found.dispersion))
    } else {
        exact
    }
}

fn counted(seen: &[&Lost]) -> Counts {
    let mut counts = Counts::default();
    for lost in seen {
        match lost.outcome {
            Outcome::Served => {
                counts.served += 1;
                continue;
            }
            Outcome::Cancelled => counts.cancelled += 1,
            Outcome::Substituted => counts.substituted += 1,
            Outcome::Open => counts.open += 1,
            Outcome::NotTold => counts.not_told += 1,
        }
        counts.orders += 1;
        counts.lines += lost.lines;
        counts.units = counts.units.saturating_add(lost.units);
    }
    counts
}

fn by_currency(incidents: &[&Lost], costs: &CostSettings) -> Vec<ReportedCost> {
    let mut sums: BTreeMap<Currency, (usize, Amount, bool)> = BTreeMap::new();
    for lost in incidents {
        for (currency, amount) in &lost.costs {
            let has_rate = *currency == costs.currency
                || costs.rates.on(*currency, super::date_of(lost.at)).is_some();
            let sum = sums
                .entry(*currency)
                .or_insert((0, Amount::default(), true));
            *sum = (sum.0 + 1, sum.1.plus(*amount), sum.2 && has_rate);
        }
    }
    let told =
        |(currency, (incidents, amount, added)): (Currency, (usize, Amount, bool))| ReportedCost {
            currency,
            incidents,
            amount: amount.written(currency),
            added,
        };
    sums.into_iter().map(told).collect()
}

fn recommended(
    found: &Monthly,
    limits: Interval,
    fast: bool,
    known: bool,
    makings: &Makings,
    costs: &CostSettings,
) -> Recommendation {
    let bounds = costs.bounds();
    let decision = decide(limits, fast, &bounds);
    let says = |cost: f64| decision::sync_tier(cost, fast, &bounds);
    let decided = known && found.months > 0.0 && decision.decided();
    let months_to_decide = match (decided, makings.basis) {
        (true, _) => Some(0),
        (false, Basis::Incidents) if known && found.months > 0.0 => found.months_to(says),
        // More of what only stands in decides nothing.
        (false, _) => None,
    };
    let at_ends = [found.total.low, found.total.high].map(says);
    Recommendation {
        tier: decision.tier,
        reason: reason(
            found,
            limits,
            decision,
            (decided, known, months_to_decide),
            makings,
            costs,
        ),
        decided,
        months_to_decide,
        at_most: decision.most,
        protect_tier_a: decision.protect_fast,
        tier_a_skus: makings.fast_skus,
        batch_below: bounds.batch_below,
        real_time_above: bounds.real_time_above,
        depends_on_prices: at_ends.iter().any(|tier| *tier != says(found.total.likely)),
    }
}

fn reason(
    found: &Monthly,
    limits: Interval,
    decision: Decision,
    (decided, known, months): (bool, bool, Option<u32>),
    makings: &Makings,
    costs: &CostSettings,
) -> String {
    let money = |value: f64| costs.currency.about(value);
    let protect = if decision.protect_fast {
        " Fast SKUs (tier A) get buffers in any case."
    } else {
        ""
    };
    if found.months <= 0.0 {
        return format!(
            "Undecided: nothing was watched yet. Until then: {}.{protect}",
            decision.tier.words()
        );
    }
    if !known {
        return format!(
            "Undecided: some costs are in currencies without a rate, so that there is no total. Until then: {}.{protect}",
            decision.tier.words()
        );
    }
    let what = match makings.basis {
        Basis::Incidents => format!(
            "overselling costs {} a month ({} to {} with 95 % certainty)",
            money(found.total.likely),
            money(limits.low),
            money(limits.high)
        ),
        Basis::CancelledOrders => format!(
            "overselling costs at most {} a month, if every cancelled order was one",
            money(limits.high)
        ),
    };
    if decided {
        let words = decision.tier.words();
        return format!("Use {words}: {what}.{protect}");
    }
    let wait = match months {
        Some(months) => format!("about {months} more months like this would decide"),
        None if makings.basis == Basis::CancelledOrders => {
            "only incidents themselves decide".to_owned()
        }
        None => "more months like this would not decide, for it lies on a bound".to_owned(),
    };
    format!(
        "Undecided between {} and {}: {what}; {wait}. Until then: {}.{protect}",
        decision.tier.words(),
        decision.most.words(),
        decision.tier.words()
    )
}

fn change(at: Timestamp, since: Timestamp, until: Timestamp, cases: &[Case]) -> Change {
    let month = cost::MONTH_DAYS;
    let (before, after) = (real_days(since, at) / month, real_days(at, until) / month);
    let n_before = cases.iter().filter(|case| case.day < day(at)).count();
    let n_after = cases.len() - n_before;
    let whole = |count: usize| u64::try_from(count).unwrap_or(u64::MAX);
    let found = stats::compared(whole(n_before), before, whole(n_after), after);
    let finite = |value: f64| value.is_finite().then_some(value);
    Change {
        date: day_text(at),
        months_before: before,
        incidents_before: n_before,
        months_after: after,
        incidents_after: n_after,
        ratio: found.and_then(|found| finite(found.ratio)),
        ratio_interval_95: found
            .map(|found| [finite(found.interval.low), finite(found.interval.high)]),
        verdict: match found {
            Some(found) if found.interval.high < 1.0 => "fewer",
            Some(found) if found.interval.low > 1.0 => "more",
            _ => "not_sure",
        },
    }
}

fn skus(incidents: &[&Lost]) -> Vec<SkuCost> {
    let mut sums: BTreeMap<&Sku, (usize, i64)> = BTreeMap::new();
    for lost in incidents {
        for (sku, units) in &lost.skus {
            let sum = sums.entry(sku).or_default();
            *sum = (sum.0 + 1, sum.1.saturating_add(*units));
        }
    }
    let mut found: Vec<SkuCost> = sums
        .into_iter()
        .map(|(sku, (incidents, units))| SkuCost {
            sku: sku.clone(),
            incidents,
            units,
        })
        .collect();
    found.sort_by(|a, b| (b.incidents, b.units, &a.sku).cmp(&(a.incidents, a.units, &b.sku)));
    found.truncate(SKUS_SHOWN);
    found
}

/// Weeks that end with the window, oldest first; the first may be shorter.
fn weeks(cases: &[Case], since: Timestamp, until: Timestamp) -> Vec<Week> {
    let (first, last) = (day(since), day(until.plus(-1)));
    let mut found = Vec::new();
    let mut end = last;
    while end >= first && found.len() < 53 {
        let begin = (end - 6).max(first);
        let incidents = cases
            .iter()
            .filter(|case| (begin..=end).contains(&case.day));
        found.push(Week {
            since: day_text(Timestamp::from_millis(begin * DAY_MS)),
            incidents: incidents.count(),
        });
        end = begin - 1;
    }
    found.reverse();
    found
}
