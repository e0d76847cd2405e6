//! What is told: every scenario, for all goods, for each tier and for each SKU.

use serde::ser::SerializeSeq as _;
use serde::{Serialize, Serializer};

use super::terms::Stockouts;
use super::work::{self, Done, Whole};
use crate::domain::clock::Timestamp;
use crate::domain::cost::MONTH_DAYS;
use crate::domain::oversell::Mode;
use crate::domain::oversell::limits::{Limits, limits};
use crate::domain::oversell::scenario::{Grid, Scenario};
use crate::domain::oversell::study::{Days, Figures, Sums};
use crate::domain::tier::Tier;

/// Hours of a month.
const MONTH_HOURS: f64 = MONTH_DAYS * 24.0;

/// Everything that is told.
#[derive(Debug, Serialize)]
pub(super) struct Answer<'a> {
    /// Which readings of an "oversell rate" there are.
    pub(super) reading: &'static str,
    /// The end of the window.
    pub(super) as_of: Timestamp,
    /// Hours from the first order in it to its end.
    #[serde(serialize_with = "plain")]
    pub(super) observed_hours: f64,
    /// Channels that sold.
    pub(super) channels: Vec<String>,
    /// Everything sells so many times as fast.
    #[serde(serialize_with = "plain")]
    pub(super) peak: f64,
    /// Stockouts a month, while listed; null if that is not known.
    #[serde(serialize_with = "plain_option")]
    pub(super) stockouts_per_month: Option<f64>,
    /// Where that is known from: `flag`, `file` or `store`.
    pub(super) stockouts_from: Option<&'static str>,
    /// What one oversold order costs.
    #[serde(serialize_with = "plain")]
    pub(super) cost_per_incident: f64,
    /// Of every cost.
    pub(super) currency: String,
    /// Orders of which only the day is known: they are in none of the figures.
    pub(super) orders_without_time: u64,
    /// The draws can be repeated with it.
    pub(super) seed: u32,
    /// All goods.
    pub(super) scenarios: Vec<Row>,
    /// Each tier that sold.
    pub(super) tiers: Vec<TierRows>,
    /// SKUs, by name.
    pub(super) skus: Skus<'a>,
}

/// The scenarios of a tier.
#[derive(Debug, Serialize)]
pub(super) struct TierRows {
    pub(super) tier: Tier,
    /// Its SKUs.
    pub(super) skus: usize,
    pub(super) scenarios: Vec<Row>,
}

/// SKUs that are told, by name. Their rows are made one SKU at a time: all of them at once would take more memory than
/// everything else.
#[derive(Debug)]
pub(super) struct Skus<'a> {
    skus: Vec<&'a Done>,
    makings: &'a Makings<'a>,
    all: Sums,
}

/// The scenarios of a SKU.
#[derive(Debug, Serialize)]
pub(super) struct SkuRows {
    pub(super) sku: String,
    pub(super) tier: Tier,
    pub(super) scenarios: Vec<Row>,
}

/// One scenario.
#[derive(Debug, Clone, Serialize)]
pub(super) struct Row {
    pub(super) mode: Mode,
    #[serde(serialize_with = "plain")]
    pub(super) latency_s: f64,
    pub(super) buffer: String,
    pub(super) allocation: &'static str,
    /// Orders with a time.
    #[serde(serialize_with = "plain")]
    pub(super) orders: f64,
    /// Their units.
    #[serde(serialize_with = "plain")]
    pub(super) units: f64,
    #[serde(serialize_with = "plain")]
    pub(super) oversold_units_per_stockout: f64,
    #[serde(serialize_with = "plain")]
    pub(super) oversold_orders_per_stockout: f64,
    /// Stockouts at which anything is oversold.
    #[serde(serialize_with = "plain")]
    pub(super) stockouts_oversold_pct: f64,
    #[serde(serialize_with = "plain_option")]
    pub(super) oversold_units_per_month: Option<f64>,
    #[serde(serialize_with = "plain_option")]
    pub(super) share_of_units_pct: Option<f64>,
    /// Per stockout: refused although there.
    #[serde(serialize_with = "plain")]
    pub(super) lost_units: f64,
    /// Per stockout: left while no channel shows any.
    #[serde(serialize_with = "plain")]
    pub(super) stranded_units: f64,
    #[serde(serialize_with = "plain")]
    pub(super) cost_per_stockout: f64,
    #[serde(serialize_with = "plain_option")]
    pub(super) cost_per_month: Option<f64>,
    /// Of the units per stockout; not for single SKUs.
    pub(super) interval_95: Option<[f64; 2]>,
    /// Of the cost per month, as far as the sales tell: the number of stockouts is taken as it is.
    pub(super) cost_interval_95: Option<[f64; 2]>,
}

/// What all rows are made with.
#[derive(Debug)]
pub(super) struct Makings<'a> {
    pub(super) grid: &'a Grid,
    pub(super) stockouts: &'a Stockouts,
    pub(super) cost_per_incident: f64,
    pub(super) observed_hours: f64,
    pub(super) seed: u32,
}

/// Rows of all goods, of the tiers, and of the SKUs: of all, or of so many that oversell most.
pub(super) fn rows<'a>(
    whole: &'a Whole,
    makings: &'a Makings<'a>,
    top: Option<usize>,
) -> (Vec<Row>, Vec<TierRows>, Skus<'a>) {
    let grid = makings.grid;
    let mut days = Days::default();
    for tier in &whole.tiers {
        days.add(tier);
    }
    let all = days.total(grid);
    let everything: Vec<&Done> = whole.skus.iter().collect();
    let scenarios = makings.group(&days, &all, &all, &everything);
    let tiers = [Tier::A, Tier::B, Tier::C].into_iter().zip(&whole.tiers);
    let tiers = tiers
        .map(|(tier, days)| {
            let skus: Vec<&Done> = whole.skus.iter().filter(|sku| sku.tier == tier).collect();
            TierRows {
                tier,
                skus: skus.len(),
                scenarios: makings.group(days, &days.total(grid), &all, &skus),
            }
        })
        .filter(|tier| tier.skus > 0)
        .collect();
    let skus = Skus::new(everything, top, makings, all);
    (scenarios, tiers, skus)
}

impl<'a> Skus<'a> {
    fn new(
        mut skus: Vec<&'a Done>,
        top: Option<usize>,
        makings: &'a Makings<'a>,
        all: Sums,
    ) -> Self {
        if let Some(top) = top {
            skus.sort_by(|a, b| b.weight().total_cmp(&a.weight()).then(a.name.cmp(&b.name)));
            skus.truncate(top);
            skus.sort_by(|a, b| a.name.cmp(&b.name));
        }
        Self { skus, makings, all }
    }

    /// How many are told.
    pub(super) const fn len(&self) -> usize {
        self.skus.len()
    }

    /// One after the other, by name.
    pub(super) fn iter(&self) -> impl Iterator<Item = SkuRows> {
        self.skus.iter().map(|sku| self.of(sku))
    }

    /// So many that oversell most, the worst first.
    pub(super) fn worst(&self, most: usize) -> Vec<SkuRows> {
        let mut skus = self.skus.clone();
        skus.sort_by(|a, b| b.weight().total_cmp(&a.weight()).then(a.name.cmp(&b.name)));
        skus.into_iter()
            .take(most)
            .map(|sku| self.of(sku))
            .collect()
    }

    fn of(&self, sku: &Done) -> SkuRows {
        SkuRows {
            sku: sku.name.clone(),
            tier: sku.tier,
            scenarios: self.makings.sku(sku, &self.all),
        }
    }
}

impl Serialize for Skus<'_> {
    fn serialize<S: Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
        let mut list = to.serialize_seq(Some(self.skus.len()))?;
        for sku in self.iter() {
            list.serialize_element(&sku)?;
        }
        list.end()
    }
}

impl Makings<'_> {
    /// Stockouts a month of one SKU, with the peak: what sells faster runs out more often.
    fn stockouts_of(&self, sku: &Done, all: &Sums) -> Option<f64> {
        let usual = match self.stockouts {
            Stockouts::Unknown => return None,
            Stockouts::All(number) if all.units > 0.0 => number * sku.sums.units / all.units,
            Stockouts::All(_) => 0.0,
            Stockouts::BySku { per_month, .. } => per_month.get(&sku.name).copied().unwrap_or(0.0),
        };
        Some(usual * self.grid.peak)
    }

    fn sku(&self, sku: &Done, all: &Sums) -> Vec<Row> {
        let stockouts = self.stockouts_of(sku, all);
        let row = |(idx, scenario): (usize, &Scenario)| {
            let figures = sku.sums.figures(idx, scenario, all);
            let monthly = stockouts.map(|n| (n * figures.units, n * figures.orders));
            self.row(scenario, &sku.sums, figures, monthly, None)
        };
        self.grid.scenarios().iter().enumerate().map(row).collect()
    }

    /// Rows of several SKUs together.
    fn group(&self, days: &Days, sums: &Sums, all: &Sums, skus: &[&Done]) -> Vec<Row> {
        let limits = limits(days, self.grid, work::limits_dice(self.seed));
        let scenarios = self.grid.scenarios();
        let row = |((idx, scenario), limits): ((usize, &Scenario), Limits)| {
            let figures = sums.figures(idx, scenario, all);
            let monthly = self.monthly(idx, scenario, figures, skus, all);
            self.row(scenario, sums, figures, monthly, Some(limits))
        };
        scenarios.iter().enumerate().zip(limits).map(row).collect()
    }

    /// Units and orders oversold a month.
    fn monthly(
        &self,
        idx: usize,
        scenario: &Scenario,
        figures: Figures,
        skus: &[&Done],
        all: &Sums,
    ) -> Option<(f64, f64)> {
        let mut sum = (0.0, 0.0);
        for sku in skus {
            let n = self.stockouts_of(sku, all)?;
            // Where stockouts come wherever units are sold, the figures of all goods hold.
            let of = match self.stockouts {
                Stockouts::BySku { .. } => sku.sums.figures(idx, scenario, all),
                Stockouts::All(_) | Stockouts::Unknown => figures,
            };
            sum.0 += n * of.units;
            sum.1 += n * of.orders;
        }
        Some(sum)
    }

    fn row(
        &self,
        scenario: &Scenario,
        sums: &Sums,
        figures: Figures,
        monthly: Option<(f64, f64)>,
        limits: Option<Limits>,
    ) -> Row {
        let cost = self.cost_per_incident;
        let sold_per_month =
            sums.units / self.observed_hours.max(1.0) * MONTH_HOURS * self.grid.peak;
        let share = |(units, _): (f64, f64)| {
            if sold_per_month > 0.0 {
                100.0 * units / sold_per_month
            } else {
                0.0
            }
        };
        // Limits of the orders per stockout are those of the cost, which is in proportion to them.
        let scaled = |(limits, (_, orders)): (Limits, (f64, f64))| {
            let times = if figures.orders > 0.0 {
                cost * orders / figures.orders
            } else {
                0.0
            };
            [limits.orders.0 * times, limits.orders.1 * times]
        };
        #[expect(clippy::cast_precision_loss, reason = "at most a week")]
        let latency_s = scenario.latency_ms as f64 / 1_000.0;
        Row {
            mode: scenario.mode,
            latency_s,
            buffer: scenario.buffer.to_string(),
            allocation: "shared",
            orders: sums.orders,
            units: sums.units,
            oversold_units_per_stockout: figures.units,
            oversold_orders_per_stockout: figures.orders,
            stockouts_oversold_pct: figures.hit_pct,
            oversold_units_per_month: monthly.map(|(units, _)| units),
            share_of_units_pct: monthly.map(share),
            lost_units: figures.lost_units,
            stranded_units: figures.stranded_units,
            cost_per_stockout: cost * figures.orders,
            cost_per_month: monthly.map(|(_, orders)| cost * orders),
            interval_95: limits.map(|limits| [limits.units.0, limits.units.1]),
            cost_interval_95: limits.zip(monthly).map(scaled),
        }
    }
}

/// A number that is written without a fraction where it has none.
#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde asks for it")]
fn plain<S: Serializer>(number: &f64, to: S) -> Result<S::Ok, S::Error> {
    if number.fract() == 0.0 && number.abs() < 1e15 {
        #[expect(clippy::cast_possible_truncation, reason = "whole and small")]
        to.serialize_i64(*number as i64)
    } else {
        to.serialize_f64(*number)
    }
}

#[expect(clippy::ref_option, reason = "serde asks for it")]
fn plain_option<S: Serializer>(number: &Option<f64>, to: S) -> Result<S::Ok, S::Error> {
    match number {
        Some(number) => plain(number, to),
        None => to.serialize_none(),
    }
}
