//! What is told of the exports: the counts, the SKUs, and what to be careful about.

mod warnings;
mod whole;

pub(super) use whole::whole;

use std::collections::BTreeMap;

use serde::Serialize;

use super::demand::{Demand, Window};
use super::harvest::Words;
use super::zone::Zone;
use crate::domain::abc::Class;
use crate::domain::clock::Timestamp;
use crate::domain::tier::Tier;
use crate::domain::velocity::{Hours, Shop, Velocity};

/// Rows by what became of them.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub struct Rows {
    /// All of them.
    pub read: u64,
    /// Within the window, and demand.
    pub counted: u64,
    /// Left out by a rule.
    pub ignored: u64,
    /// Not readable.
    pub rejected: u64,
}

/// Rows that a rule left out.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Ignored {
    /// Why.
    pub reason: String,
    /// How many.
    pub rows: u64,
    /// Their units.
    pub units: f64,
}

/// A row that cannot be read.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct RejectedRow {
    /// Its file.
    pub file: String,
    /// Its line.
    pub line: u64,
    /// Why.
    pub reason: String,
}

/// One file.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct FileReport {
    /// Its name.
    pub file: String,
    /// The profile that it was read by.
    pub format: String,
    /// How it is encoded.
    pub encoding: String,
    /// What stands between its cells.
    pub separator: String,
    /// The zone of its times without an offset; none if they have one, or are days.
    pub timezone: Option<String>,
    /// How exactly its times are known.
    pub resolution: Vec<&'static str>,
    /// Rows.
    pub read: u64,
    /// Rows that are demand, inside the window or not.
    pub demand: u64,
    /// Rows that cannot be read.
    pub rejected: u64,
    /// The first time.
    pub first: Option<String>,
    /// The last time.
    pub last: Option<String>,
    /// Days between them without a sale.
    pub days_without_sales: usize,
    /// Columns that rules would ask for and that are not there.
    pub missing_columns: Vec<String>,
}

/// One SKU.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct SkuReport {
    /// Its name.
    pub sku: String,
    /// Its tier: the measured one, or the one that is pinned.
    pub tier: Tier,
    /// The tier that its sales say.
    pub measured_tier: Tier,
    /// The tier is set by hand.
    pub pinned: bool,
    /// What the tier stands on.
    pub peak_units_per_hour: f64,
    /// Rate in the shop's peak hours.
    pub shop_peak: f64,
    /// Its standard error.
    pub shop_peak_se: f64,
    /// Rate of its own bursts.
    pub own_peak: f64,
    /// Its standard error.
    pub own_peak_se: f64,
    /// Its lower bound.
    pub own_peak_lower: f64,
    /// Units.
    pub units: f64,
    /// Orders.
    pub orders: u64,
    /// Orders in the shop's peak hours.
    pub orders_in_peak_hours: u64,
    /// The peak, with each order as one.
    pub peak_orders_per_hour: f64,
    /// Hours in which it could have sold.
    pub exposure_hours: u64,
    /// Units that one order counts with at most.
    pub order_cap: f64,
    /// The largest hour.
    pub max_hour_units: f64,
    /// The peak of the last 14 days by themselves.
    pub last_14d_peak: f64,
    /// The last 14 days would make a faster tier.
    pub rising: bool,
    /// New, or few orders.
    pub provisional: bool,
    /// Chance could have put it into another tier.
    pub borderline: bool,
    /// Some of its sales have no time of day.
    pub has_days: bool,
    /// Its class by share of all units: another thing than its tier.
    pub units_class: Class,
    /// Units by channel.
    pub channels: BTreeMap<String, f64>,
}

/// A time without sales that chance does not explain.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Gap {
    /// The SKU.
    pub sku: String,
    /// Since then.
    pub from: Timestamp,
    /// Until then.
    pub until: Timestamp,
    /// `out of stock?`, or, up to the end of the window, `out of stock or discontinued?`.
    pub reading: &'static str,
}

/// Orders of the shop by day of the week and hour, in its own zone.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Heat {
    /// The zone.
    pub timezone: String,
    /// Monday to Sunday, hours 0 to 23.
    pub rows: Vec<Vec<u64>>,
}

/// One row, as `--lines` tells it.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct LineReport {
    /// Its file.
    pub file: String,
    /// Its line.
    pub line: u64,
    /// Its order.
    pub order: String,
    /// Its SKU.
    pub sku: String,
    /// Units.
    pub quantity: serde_json::Value,
    /// An instant, or a local day.
    pub at_utc: Option<String>,
    /// How exactly it is known.
    pub resolution: &'static str,
    /// Its channel.
    pub channel: String,
    /// Whether it is demand in the window.
    pub counted: bool,
    /// Why not, or a note.
    pub reason: String,
}

/// Everything that is told.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Classified {
    /// The end of the window.
    pub as_of: Timestamp,
    /// Its hours.
    pub window_hours: u32,
    /// The shop's zone.
    pub timezone: String,
    /// Rows by what became of them.
    pub rows: Rows,
    /// What was left out, and why.
    pub ignored: Vec<Ignored>,
    /// What cannot be read.
    pub rejected: Vec<RejectedRow>,
    /// The SKUs, by name.
    pub skus: Vec<SkuReport>,
    /// The files.
    pub files: Vec<FileReport>,
    /// Times without sales that chance does not explain.
    pub gaps: Vec<Gap>,
    /// What to be careful about.
    pub warnings: Vec<String>,
    /// The end of the export looks incomplete: since this day.
    pub incomplete_since: Option<Timestamp>,
    /// Orders by day of the week and hour.
    #[serde(skip)]
    pub heat: Option<Heat>,
    /// Every row, if that was asked for.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub lines: Option<Vec<LineReport>>,
}

/// Rows after the window and copies are known.
#[derive(Debug, Clone, Copy)]
pub(super) struct Counts {
    pub(super) counted: u64,
    pub(super) outside: (u64, i64),
    pub(super) duplicates: (u64, i64),
}

#[expect(
    clippy::cast_precision_loss,
    reason = "units of one run are far below 2^52"
)]
fn units(milli: i64) -> f64 {
    milli as f64 / 1_000.0
}

fn instant(hour: i64) -> Timestamp {
    Timestamp::from_millis(hour * 3_600_000)
}

impl Gap {
    pub(super) fn new(sku: &str, hours: Hours, window: Window, end: usize) -> Self {
        let at = |hour: usize| instant(i64::from(window.start) + i64::try_from(hour).unwrap_or(0));
        let reading = if hours.to >= end {
            "out of stock or discontinued?"
        } else {
            "out of stock?"
        };
        Self {
            sku: sku.to_owned(),
            from: at(hours.from),
            until: at(hours.to),
            reading,
        }
    }
}

impl SkuReport {
    pub(super) fn new(
        name: &str,
        velocity: Velocity,
        last_14d_peak: f64,
        demand: &Demand,
        channels: &Words,
        window: Window,
    ) -> Self {
        let tier = velocity.tier();
        let channel = |&(channel, milli): &(u16, u64)| {
            let name = channels.word(u32::from(channel)).to_owned();
            (name, units(i64::try_from(milli).unwrap_or(i64::MAX)))
        };
        Self {
            sku: name.to_owned(),
            tier,
            measured_tier: tier,
            pinned: false,
            peak_units_per_hour: velocity.peak,
            shop_peak: velocity.shop_peak,
            shop_peak_se: velocity.shop_peak_se,
            own_peak: velocity.own_peak,
            own_peak_se: velocity.own_peak_se,
            own_peak_lower: velocity.own_peak_lower,
            units: velocity.units,
            orders: velocity.orders as u64,
            orders_in_peak_hours: velocity.orders_in_peak as u64,
            peak_orders_per_hour: 0.0,
            exposure_hours: velocity.exposure_hours as u64,
            order_cap: velocity.order_cap,
            max_hour_units: velocity.max_hour_units,
            last_14d_peak,
            rising: velocity.orders >= crate::domain::velocity::ORDERS_LEAST
                && Tier::of_peak(last_14d_peak) < tier,
            provisional: velocity.provisional(window.hours()),
            borderline: velocity.borderline(),
            has_days: !demand.days.is_empty(),
            units_class: Class::C,
            channels: demand.channels.iter().map(channel).collect(),
        }
    }

    /// By the largest hour alone.
    pub(super) fn of_max_hour(name: &str, most_milli: u64, milli: u64) -> Self {
        let of = |milli: u64| units(i64::try_from(milli).unwrap_or(i64::MAX));
        let peak = of(most_milli);
        Self {
            sku: name.to_owned(),
            tier: Tier::of_peak(peak),
            measured_tier: Tier::of_peak(peak),
            pinned: false,
            peak_units_per_hour: peak,
            shop_peak: 0.0,
            shop_peak_se: 0.0,
            own_peak: 0.0,
            own_peak_se: 0.0,
            own_peak_lower: 0.0,
            units: of(milli),
            orders: 0,
            orders_in_peak_hours: 0,
            peak_orders_per_hour: 0.0,
            exposure_hours: 0,
            order_cap: 0.0,
            max_hour_units: peak,
            last_14d_peak: 0.0,
            rising: false,
            provisional: false,
            borderline: false,
            has_days: false,
            units_class: Class::C,
            channels: BTreeMap::new(),
        }
    }
}

impl Heat {
    pub(super) fn new(shop: &Shop, window: Window, zone: Zone) -> Self {
        let mut sums = vec![vec![0.0_f64; 24]; 7];
        for hour in 0..window.hours() {
            let utc_hour = i64::from(window.start) + i64::try_from(hour).unwrap_or(0);
            let wall_hour = zone.wall(utc_hour * 3_600).div_euclid(3_600);
            // 1970-01-01 was a Thursday.
            let day = usize::try_from((wall_hour.div_euclid(24) + 3).rem_euclid(7)).unwrap_or(0);
            let of_day = usize::try_from(wall_hour.rem_euclid(24)).unwrap_or(0);
            if let Some(sum) = sums.get_mut(day).and_then(|row| row.get_mut(of_day)) {
                *sum += shop.orders(hour);
            }
        }
        #[expect(
            clippy::cast_possible_truncation,
            clippy::cast_sign_loss,
            reason = "counts of orders"
        )]
        let rows = sums
            .iter()
            .map(|row| row.iter().map(|sum| sum.round() as u64).collect())
            .collect();
        Self {
            timezone: zone.tz().name().to_owned(),
            rows,
        }
    }
}
