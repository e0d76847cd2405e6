//! `recommend`: what to do about overselling, from what it costs and from what faster syncing would have prevented among the
//! seller's own orders.

mod answer;
mod page;
mod sold;

use super::report::{self, CostAnswer};
use super::runtime;
use super::sales_files;
use super::seller::Seller;
use crate::channels::PLATFORMS;
use crate::cli::{Global, Recommend};
use crate::config::{Environment, Settings, load};
use crate::exit::{Failure, Found};
use crate::output::{Cell, Format, Out};

use answer::{Answer, Makings};
use sold::{Look, Sold};

/// The word that its JSON begins with.
const SCHEMA: &str = "onhand.recommend/1";
/// SKUs in the table; all of them are in CSV and JSON.
const SKUS_SHOWN: usize = 20;
const HEADERS: &[&str] = &[
    "sku",
    "tier",
    "sync",
    "share %",
    "orders/stockout now",
    "in real time",
    "buffer",
];

/// Recommends.
///
/// The slow work is done here, on the thread of the process and outside any runtime.
pub(super) fn recommend(
    args: &Recommend,
    global: &Global,
    env: &Environment,
    out: &mut Out,
) -> Result<Found, Failure> {
    let loaded = load(global.config.as_deref(), env, PLATFORMS)?;
    for warning in &loaded.warnings {
        out.warning(warning);
    }
    let settings = loaded.settings;
    let named = args.exports.0.is_some();
    let seller = sales_files::opened(settings.clone(), !named, env)?;
    let runtime = runtime()?;
    let look = Look {
        now: args.now,
        real_time: args.real_time,
        pins: &settings.tiers.pin,
    };
    let sold = match (&args.exports.0, &seller) {
        (Some(exports), seller) => {
            let catalog = match seller {
                Some(seller) => runtime.block_on(sales_files::catalog(seller))?,
                None => crate::sales::Catalog::default(),
            };
            sold::of_exports(exports, catalog, &look, out)?
        }
        (None, Some(seller)) => runtime.block_on(sold::of_books(seller, &look))?,
        (None, None) => return Err(Failure::call("recommend: there are no orders to look at")),
    };
    if sold.skus.is_empty() {
        return Err(Failure::call(
            "recommend: no order has a time; hint: name exports with the time of each order, or run it when the books have some",
        ));
    }
    let cost = match &seller {
        Some(seller) => Some(runtime.block_on(report::cost_from_books(seller))?),
        None => None,
    };
    let answer = answered(args, &settings, sold, cost);
    tell(&answer, out)?;
    report::write_page(args.report.as_deref(), || page::page(&answer))?;
    Ok(Found::Nothing)
}

fn answered(args: &Recommend, settings: &Settings, sold: Sold, cost: Option<CostAnswer>) -> Answer {
    Answer::of(Makings {
        sold,
        cost,
        costs: &settings.costs,
        promises: &settings.promises,
        now: args.now,
        real_time: args.real_time,
        target_pct: args.target,
    })
}

fn tell(answer: &Answer, out: &mut Out) -> Result<(), Failure> {
    for warning in &answer.warnings {
        out.warning(warning);
    }
    let all: Vec<Vec<Cell>> = answer.skus.iter().map(answer::row).collect();
    match out.format() {
        Format::Json => return Ok(out.json(SCHEMA, answer)?),
        Format::Csv => out.csv(HEADERS, &all)?,
        Format::Table => {
            let shown = all.get(..all.len().min(SKUS_SHOWN)).unwrap_or(&all);
            out.table(HEADERS, shown)?;
        }
    }
    out.note(&answer.recommendation.reason);
    for line in &answer.recommendation.details {
        out.note(line);
    }
    let lines = answer.config_lines();
    if !lines.is_empty() {
        out.note(format!(
            "to write into config.toml:\n[buffers.sku]\n{}",
            lines.join("\n")
        ));
    }
    Ok(())
}

/// The tiers that the store keeps, for orders of the books.
async fn kept_tiers(
    seller: &Seller,
) -> Result<std::collections::BTreeMap<crate::domain::ids::Sku, crate::domain::tier::Tier>, Failure>
{
    let tiers = seller.ledger.read(|tables| tables.tiers()).await?;
    Ok(tiers
        .into_iter()
        .map(|(sku, kept)| (sku, kept.kept.tier))
        .collect())
}
