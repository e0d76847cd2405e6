//! The seller's own orders, and what channels did not see of each other among them: now, in near real time, in real time.

use std::collections::{BTreeMap, BTreeSet};

use super::kept_tiers;
use crate::cli::{Exports, Latency};
use crate::commands::report::{DAY_MS, real};
use crate::commands::sales_files::{self, Bar};
use crate::commands::seller::Seller;
use crate::domain::clock::{Clock as _, Timestamp};
use crate::domain::ids::Sku;
use crate::domain::oversell::{Mode, Order, pairs};
use crate::domain::stats;
use crate::domain::tier::Tier;
use crate::exit::Failure;
use crate::ledger::review::SoldRow;
use crate::output::Out;
use crate::runtime::clock::SystemClock;
use crate::sales::{self, Catalog};

/// Near real time is a batch of a minute.
const NEAR_MS: f64 = 60_000.0;
/// Days of the books that are looked at.
const BOOKS_DAYS: i64 = 90;
/// Milliseconds of an hour.
const HOUR_MS: f64 = 3_600_000.0;

/// What is asked of the orders.
#[derive(Debug)]
pub(super) struct Look<'a> {
    /// How often channels are synced now.
    pub(super) now: Latency,
    /// How late a sale would be in real time.
    pub(super) real_time: Latency,
    /// Tiers that are set by hand.
    pub(super) pins: &'a BTreeMap<Sku, Tier>,
}

/// One SKU.
#[derive(Debug, Clone)]
pub(super) struct SkuSold {
    pub(super) sku: String,
    pub(super) tier: Tier,
    pub(super) units: f64,
    pub(super) orders: f64,
    /// Pairs of orders that do not see each other: now, in near real time, in real time.
    pub(super) blind: [f64; 3],
    /// Share of its units that its least channel sold: what that one sees least of.
    pub(super) least_share: f64,
    /// Units an hour in peak hours.
    pub(super) peak: f64,
}

/// Everything that was sold.
#[derive(Debug, Clone, Default)]
pub(super) struct Sold {
    /// SKUs with orders that have a time.
    pub(super) skus: Vec<SkuSold>,
    pub(super) channels: BTreeSet<String>,
    /// Orders, as far as they can be told apart by SKU: an order of two SKUs is two.
    pub(super) orders: f64,
    pub(super) days: f64,
    /// Orders of which only the day is known: they are in none of the figures.
    pub(super) without_time: u64,
    /// `exports` or `books`.
    pub(super) from: &'static str,
    pub(super) warnings: Vec<String>,
}

impl Look<'_> {
    fn blind(&self, orders: &[Order]) -> [f64; 3] {
        #[expect(clippy::cast_precision_loss, reason = "at most a week")]
        let ms = |latency: Latency| latency.ms as f64;
        let batch = pairs::per_stockout(
            orders,
            Mode::Batch,
            &[ms(self.now), NEAR_MS.min(ms(self.now))],
        );
        let event = pairs::per_stockout(orders, Mode::Event, &[ms(self.real_time)]);
        let n = real(orders.len());
        let pairs_of =
            |found: Option<&pairs::PerStockout>| found.map_or(0.0, |found| found.orders * n);
        [
            pairs_of(batch.first()),
            pairs_of(batch.get(1)),
            pairs_of(event.first()),
        ]
    }

    fn pinned(&self, sku: &str, measured: Tier) -> Tier {
        self.pins.get(sku).copied().unwrap_or(measured)
    }
}

/// The smallest of the channels' shares.
fn least_share(units: impl Iterator<Item = f64>) -> f64 {
    let units: Vec<f64> = units.filter(|units| *units > 0.0).collect();
    let sum: f64 = units.iter().sum();
    let least = units.iter().copied().fold(f64::INFINITY, f64::min);
    if sum > 0.0 { least / sum } else { 1.0 }
}

/// From exports.
pub(super) fn of_exports(
    exports: &Exports,
    catalog: Catalog,
    look: &Look<'_>,
    out: &mut Out,
) -> Result<Sold, Failure> {
    let mut request = sales_files::request(exports, SystemClock.now())?;
    request.catalog = catalog;
    let bar = Bar::new(out.progress_of_bytes(sales::size(&request.files)));
    let mut sold = Sold {
        from: "exports",
        ..Sold::default()
    };
    let mut first_ms: Option<i64> = None;
    let found = sales::orders(&request, &bar, &mut |one| {
        sold.without_time += one.by_day;
        sold.orders += real(one.orders.len());
        sold.channels.extend(one.sku.channels.keys().cloned());
        let first = one.orders.first().map(|order| order.at_ms);
        first_ms = first_ms.into_iter().chain(first).min();
        if one.orders.is_empty() {
            return;
        }
        sold.skus.push(SkuSold {
            sku: one.sku.sku.clone(),
            tier: look.pinned(&one.sku.sku, one.sku.tier),
            units: one.orders.iter().map(|order| order.units).sum(),
            orders: real(one.orders.len()),
            blind: look.blind(&one.orders),
            least_share: least_share(one.sku.channels.values().copied()),
            peak: one.sku.peak_units_per_hour,
        });
    });
    bar.finish();
    let found = found?;
    sold.days = first_ms.map_or(0.0, |first| span_days(first, found.as_of));
    sold.warnings.clone_from(&found.warnings);
    if !found.rejected.is_empty() {
        sold.warnings.push(format!(
            "{} rows could not be read; hint: `onhand classify --rejects FILE` says which",
            found.rejected.len()
        ));
    }
    sold.skus.sort_by(|a, b| a.sku.cmp(&b.sku));
    Ok(sold)
}

#[expect(
    clippy::cast_precision_loss,
    reason = "some years are far below 2^52 ms"
)]
fn span_days(first_ms: i64, until: Timestamp) -> f64 {
    (until.millis().saturating_sub(first_ms).max(0) as f64 / DAY_MS as f64).max(1.0)
}

/// From the books.
pub(super) async fn of_books(seller: &Seller, look: &Look<'_>) -> Result<Sold, Failure> {
    let until = seller.now();
    let since = until.plus(-DAY_MS * BOOKS_DAYS);
    let rows = seller
        .ledger
        .read(move |tables| tables.sold_since(since))
        .await?;
    let tiers = kept_tiers(seller).await?;
    let usual = seller.settings.tiers.default;
    let mut sold = Sold {
        from: "books",
        orders: real(rows.len()),
        ..Sold::default()
    };
    let names: BTreeSet<_> = rows.iter().map(|row| row.channel.clone()).collect();
    let places: BTreeMap<_, u16> = names.iter().zip(0..).collect();
    sold.channels = names.iter().map(|name| name.as_str().to_owned()).collect();
    let first = rows.iter().map(|row| row.at.millis()).min();
    sold.days = first.map_or(0.0, |first| span_days(first, until));
    for of_sku in rows.chunk_by(|a, b| a.sku == b.sku) {
        let Some(SoldRow { sku, .. }) = of_sku.first() else {
            continue;
        };
        let orders: Vec<Order> = of_sku
            .iter()
            .map(|row| Order {
                at_ms: row.at.millis(),
                spread_ms: 0,
                channel: places.get(&row.channel).copied().unwrap_or(0),
                units: units(row.units),
            })
            .collect();
        let measured = tiers.get(sku).copied().unwrap_or(usual);
        let mut by_channel: BTreeMap<u16, f64> = BTreeMap::new();
        for order in &orders {
            *by_channel.entry(order.channel).or_default() += order.units;
        }
        sold.skus.push(SkuSold {
            sku: sku.as_str().to_owned(),
            tier: look.pinned(sku.as_str(), measured),
            units: orders.iter().map(|order| order.units).sum(),
            orders: real(orders.len()),
            blind: look.blind(&orders),
            least_share: least_share(by_channel.into_values()),
            peak: busiest(&orders),
        });
    }
    Ok(sold)
}

#[expect(clippy::cast_precision_loss, reason = "units are far below 2^52")]
fn units(number: i64) -> f64 {
    number as f64
}

/// The rate at which units sell where they sell (see [`crate::domain::oversell::formula::rate_at_sale`]).
fn busiest(orders: &[Order]) -> f64 {
    let mut hours: BTreeMap<i64, f64> = BTreeMap::new();
    for order in orders {
        #[expect(clippy::cast_possible_truncation, reason = "a whole number of ms")]
        let hour = order.at_ms.div_euclid(HOUR_MS as i64);
        *hours.entry(hour).or_default() += order.units;
    }
    let hours: Vec<f64> = hours.into_values().collect();
    let each: Vec<f64> = orders.iter().map(|order| order.units).collect();
    crate::domain::oversell::formula::rate_at_sale(&hours, &each).max(0.0)
}

impl SkuSold {
    /// Oversold orders per stockout: now, in near real time, in real time.
    pub(super) fn per_stockout(&self) -> [f64; 3] {
        self.blind.map(|pairs| {
            if self.orders > 0.0 {
                pairs / self.orders
            } else {
                0.0
            }
        })
    }

    /// Units that are kept back so that at most this share of stockouts oversells: what the least channel does not see of
    /// the others in the time in which it does not see it.
    pub(super) fn buffer(&self, latency: Latency, chance: f64) -> u32 {
        #[expect(clippy::cast_precision_loss, reason = "at most a week")]
        let hours = latency.ms as f64 / HOUR_MS;
        stats::poisson_quantile(self.peak * (1.0 - self.least_share) * hours, 1.0 - chance)
    }
}
