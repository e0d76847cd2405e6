//! `simulate`: the seller's own orders, sold again under other latencies and buffers.

mod answer;
mod page;
mod show;
mod terms;
mod work;

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use super::runtime;
use super::sales_files::{self, Bar};
use crate::channels::PLATFORMS;
use crate::cli::{Global, Simulate};
use crate::config::{Environment, load};
use crate::domain::clock::Clock as _;
use crate::domain::ids::Sku;
use crate::domain::money::Currency;
use crate::domain::quantity::Balance;
use crate::domain::tier::Tier;
use crate::exit::{Failure, Found};
use crate::output::Out;
use crate::output::html::drawn;
use crate::runtime::clock::SystemClock;
use crate::sales::{self, Classified, SkuOrders};

use answer::{Answer, Makings};
use terms::{Known, Stockouts};
use work::{Task, Whole};

/// What is printed if nobody said how often stock runs out.
const PER_STOCKOUT: &str = "incidents per stockout";
/// What is printed else.
const ALL_READINGS: &str = "incidents per stockout, oversold units per month, share of units sold";

/// Sells the orders of exports again, and tells what would have been oversold.
///
/// The slow work is done here, on threads of its own and outside any runtime.
pub(super) fn simulate(
    args: &Simulate,
    global: &Global,
    env: &Environment,
    out: &mut Out,
) -> Result<Found, Failure> {
    let loaded = load(global.config.as_deref(), env, PLATFORMS)?;
    for warning in &loaded.warnings {
        out.warning(warning);
    }
    let settings = loaded.settings;
    let costs = settings.costs.clone();
    let pins = settings.tiers.pin.clone();
    let (grid, pattern) = (terms::grid(args), terms::pattern(args)?);
    let said = Stockouts::said(args)?;
    let mut request = sales_files::request(&args.exports, SystemClock.now())?;
    let mut known = Known::default();
    if let Some(seller) = sales_files::opened(settings, false, env)? {
        let runtime = runtime()?;
        request.catalog = runtime.block_on(sales_files::catalog(&seller))?;
        known = runtime.block_on(Known::read(&seller, said.is_none()))?;
    }
    let stockouts = said.unwrap_or_else(|| match known.stockouts.take() {
        Some(per_month) => Stockouts::BySku {
            per_month,
            source: "store",
        },
        None => Stockouts::Unknown,
    });
    let chosen = Chosen {
        pattern,
        pins,
        references: known.references,
        cover: args.cover,
        window_hours: request.window_hours,
    };
    let bar = Bar::new(out.progress_of_bytes(sales::size(&request.files)));
    let mut seen = Seen::default();
    let (whole, found) = work::all(&grid, args.seed, |give| {
        sales::orders(&request, &bar, &mut |orders| {
            if let Some(task) = chosen.task(orders, &mut seen) {
                give(task);
            }
        })
    });
    bar.finish();
    let found = found?;
    let makings = Makings {
        grid: &grid,
        stockouts: &stockouts,
        cost_per_incident: args
            .incident_cost
            .unwrap_or_else(|| costs.prices().each().likely),
        observed_hours: seen.hours(&found),
        seed: args.seed,
    };
    let answer = answered(&whole, &makings, &found, seen, (costs.currency, args.top));
    for warning in &found.warnings {
        out.warning(warning);
    }
    show::tell(&answer, &whole, out)?;
    if let Some(path) = &args.report {
        let page = page::page(&answer, costs.currency, args.current.map(terms::seconds));
        write(path, &drawn(&page)?)?;
    }
    Ok(Found::when(!found.rejected.is_empty()))
}

fn write(path: &Path, text: &str) -> Result<(), Failure> {
    std::fs::write(path, text).map_err(|error| Failure::Disk {
        path: path.display().to_string(),
        problem: error.to_string(),
    })
}

/// What is looked at, and what is known of it.
struct Chosen {
    pattern: Option<glob::Pattern>,
    pins: BTreeMap<Sku, Tier>,
    references: BTreeMap<String, Balance>,
    /// Days of sales that are the reference stock of what the store does not know.
    cover: u32,
    window_hours: u32,
}

/// What came by while SKUs were read.
#[derive(Debug, Default)]
struct Seen {
    channels: BTreeSet<String>,
    by_day: u64,
    first_ms: Option<i64>,
}

impl Seen {
    /// Hours from the first order to the end of the window.
    fn hours(&self, found: &Classified) -> f64 {
        let since_ms = self
            .first_ms
            .map_or(0, |first| found.as_of.millis() - first);
        #[expect(
            clippy::cast_precision_loss,
            reason = "some years are far below 2^52 ms"
        )]
        let hours = since_ms.max(0) as f64 / 3_600_000.0;
        hours.max(1.0)
    }
}

impl Chosen {
    /// A SKU to go through, if it is looked at.
    fn task(&self, found: SkuOrders<'_>, seen: &mut Seen) -> Option<Task> {
        let name = &found.sku.sku;
        if self
            .pattern
            .as_ref()
            .is_some_and(|pattern| !pattern.matches(name))
        {
            return None;
        }
        seen.by_day += found.by_day;
        seen.channels.extend(found.sku.channels.keys().cloned());
        let first = found.orders.first().map(|order| order.at_ms);
        seen.first_ms = seen.first_ms.into_iter().chain(first).min();
        Some(Task {
            name: name.clone(),
            tier: self
                .pins
                .get(name.as_str())
                .copied()
                .unwrap_or(found.sku.tier),
            reference: self.reference(name, found.sku.units),
            orders: found.orders,
        })
    }

    /// The stock that a share is taken of.
    fn reference(&self, name: &str, units: f64) -> Balance {
        if let Some(known) = self.references.get(name) {
            return *known;
        }
        let days = f64::from(self.window_hours) / 24.0;
        #[expect(clippy::cast_possible_truncation, reason = "units of one SKU")]
        let stock = (units / days * f64::from(self.cover)).round() as i64;
        stock
    }
}

fn answered<'a>(
    whole: &'a Whole,
    makings: &'a Makings<'a>,
    found: &Classified,
    seen: Seen,
    (currency, top): (Currency, Option<usize>),
) -> Answer<'a> {
    let (scenarios, tiers, skus) = answer::rows(whole, makings, top);
    let known = match makings.stockouts {
        Stockouts::Unknown => None,
        Stockouts::All(number) => Some(*number),
        Stockouts::BySku { per_month, .. } => {
            let of = |sku: &work::Done| per_month.get(&sku.name).copied().unwrap_or(0.0);
            Some(whole.skus.iter().map(of).sum())
        }
    };
    Answer {
        reading: if known.is_some() {
            ALL_READINGS
        } else {
            PER_STOCKOUT
        },
        as_of: found.as_of,
        observed_hours: makings.observed_hours,
        channels: seen.channels.into_iter().collect(),
        peak: makings.grid.peak,
        stockouts_per_month: known.map(|number: f64| number * makings.grid.peak),
        stockouts_from: makings.stockouts.source(),
        cost_per_incident: makings.cost_per_incident,
        currency: currency.as_str().to_owned(),
        orders_without_time: seen.by_day,
        seed: makings.seed,
        scenarios,
        tiers,
        skus,
    }
}
