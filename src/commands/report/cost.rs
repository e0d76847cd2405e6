//! `report cost`: what overselling costs in a month, how sure that is, and which way of syncing pays.

use std::collections::BTreeMap;

#[cfg(feature = "sales")]
use super::cost_answer::StandIn;
use super::cost_answer::{Answer, Basis, Makings, ReportedCost};
use super::lost::{self, Lost};
use super::{DAY_MS, begin_of, cost_page, write_page};
use crate::cli::ReportCost;
use crate::commands::seller::Seller;
use crate::domain::clock::Timestamp;
use crate::domain::cost::{Health, health};
use crate::domain::ids::ChannelId;
use crate::domain::tier::Tier;
use crate::exit::{Failure, Found};
use crate::output::{Cell, Format, Out};

/// The word that its JSON begins with.
const SCHEMA: &str = "onhand.report_cost/1";

/// Tells it.
pub(super) async fn cost(
    args: &ReportCost,
    seller: &Seller,
    out: &mut Out,
) -> Result<Found, Failure> {
    let answer = answered(args, seller, out).await?;
    tell(&answer, out)?;
    write_page(args.out.as_deref(), || cost_page::page(&answer))?;
    Ok(Found::Nothing)
}

/// The same from the books alone, over all that is known.
#[cfg(feature = "sales")]
pub(in crate::commands) async fn from_books(seller: &Seller) -> Result<Answer, Failure> {
    let lost = lost::read(seller).await?;
    let (since, until) = window(None, None, seller, &lost).await?;
    let facts = facts(seller, &lost, until).await?;
    Ok(Answer::of(
        &seller.settings.costs,
        facts.makings(since, until, lost),
    ))
}

#[cfg_attr(
    not(feature = "sales"),
    expect(unused_variables, reason = "progress is that of reading exports")
)]
async fn answered(args: &ReportCost, seller: &Seller, out: &mut Out) -> Result<Answer, Failure> {
    let lost = lost::read(seller).await?;
    let named = (args.since, args.until);
    #[cfg(feature = "sales")]
    let stand_in = match &args.exports.0 {
        Some(exports) => Some(super::exports::read(exports, seller, out).await?),
        None => None,
    };
    #[cfg(feature = "sales")]
    let span = stand_in.as_ref().and_then(StandIn::span);
    #[cfg(not(feature = "sales"))]
    let span = None;
    // What exports tell is of their own time; without incidents in the books it is that which was watched.
    let (since, until) = match span {
        Some(span) if lost.is_empty() && named == (None, None) => span,
        _ => window(args.since, args.until, seller, &lost).await?,
    };
    let facts = facts(seller, &lost, until).await?;
    let mut makings = facts.makings(since, until, lost);
    makings.change = args.change.map(begin_of);
    if let Some(change) = makings.change
        && !(since < change && change < until)
    {
        return Err(Failure::call(format!(
            "compare before and after {}: nothing was watched on one side; hint: a day between {} and {}",
            super::day_text(change),
            super::day_text(since),
            super::day_text(until)
        )));
    }
    #[cfg(feature = "sales")]
    if let Some(found) = stand_in {
        makings.take(found);
    }
    Ok(Answer::of(&seller.settings.costs, makings))
}

/// Since when incidents would have been seen, and until when.
async fn window(
    since: Option<chrono::NaiveDate>,
    until: Option<chrono::NaiveDate>,
    seller: &Seller,
    lost: &[Lost],
) -> Result<(Timestamp, Timestamp), Failure> {
    let now = seller.now();
    let end = until.map_or(now, |day| begin_of(day).plus(DAY_MS).min(now));
    let begin = if let Some(day) = since {
        begin_of(day)
    } else {
        let began = seller.ledger.read(|tables| tables.began()).await?;
        let first = lost.iter().map(|lost| lost.at).min();
        began.into_iter().chain(first).min().unwrap_or(end)
    };
    if since.is_some() && begin >= end {
        return Err(Failure::call(
            "count incidents: --since is not before the end; hint: name an earlier day",
        ));
    }
    Ok((begin, end))
}

/// What the store says beside the incidents.
struct Facts {
    fast_skus: Option<usize>,
    health: BTreeMap<ChannelId, Health>,
}

impl Facts {
    fn makings(self, since: Timestamp, until: Timestamp, lost: Vec<Lost>) -> Makings {
        Makings {
            since,
            until,
            lost,
            basis: Basis::Incidents,
            change: None,
            fast_skus: self.fast_skus,
            health: self.health,
            stand_in: None,
        }
    }
}

async fn facts(seller: &Seller, lost: &[Lost], until: Timestamp) -> Result<Facts, Failure> {
    let tiers = seller.ledger.read(|tables| tables.tiers()).await?;
    let pins = &seller.settings.tiers.pin;
    let pinned = pins.values().filter(|tier| **tier == Tier::A).count();
    let measured = tiers
        .iter()
        .filter(|(sku, kept)| kept.kept.tier == Tier::A && !pins.contains_key(*sku))
        .count();
    let fast_skus = (!tiers.is_empty() || !pins.is_empty()).then_some(pinned + measured);
    let mut judged = BTreeMap::new();
    for (id, channel) in &seller.settings.channels {
        let costs = &seller.settings.costs;
        let limit = costs.health_of(id.as_str());
        let Some(limit) = limit.or_else(|| costs.health_of(&channel.platform)) else {
            continue;
        };
        let since = until.plus(-DAY_MS * i64::from(limit.days));
        let orders = seller
            .ledger
            .read(move |tables| tables.orders_since(since))
            .await?;
        let cancelled = lost.iter().filter(|lost| {
            lost.channel == *id
                && lost.outcome == lost::Outcome::Cancelled
                && since <= lost.at
                && lost.at < until
        });
        let cancelled = u64::try_from(cancelled.count()).unwrap_or(u64::MAX);
        let of = orders.get(id).copied().unwrap_or(0);
        judged.insert(id.clone(), health(cancelled, of, limit.share));
    }
    Ok(Facts {
        fast_skus,
        health: judged,
    })
}

fn tell(answer: &Answer, out: &mut Out) -> Result<(), Failure> {
    for warning in answer.warnings() {
        out.warning(warning);
    }
    if out.format() == Format::Json {
        return Ok(out.json(SCHEMA, answer)?);
    }
    let rows = rows(answer);
    let headers = &["figure", "per month", "from", "to"];
    match out.format() {
        Format::Csv => out.csv(headers, &rows)?,
        Format::Table | Format::Json => {
            out.table(headers, &rows)?;
            if !answer.by_currency.is_empty() {
                let told: Vec<_> = answer.by_currency.iter().map(currency_row).collect();
                out.table(&["currency", "incidents", "told to have cost"], &told)?;
            }
        }
    }
    out.note(answer.sentence());
    Ok(())
}

fn currency_row(told: &ReportedCost) -> Vec<Cell> {
    vec![
        told.currency.as_str().into(),
        Cell::Whole(i64::try_from(told.incidents).unwrap_or(i64::MAX)),
        told.amount.as_str().into(),
    ]
}

/// One row a figure.
fn rows(answer: &Answer) -> Vec<Vec<Cell>> {
    let decimals = answer.currency.decimals();
    let money = |value: f64| Cell::Decimal(value, decimals);
    let mut rows = vec![vec![
        "incidents".into(),
        Cell::Decimal(answer.incidents_per_month, 2),
        Cell::Decimal(answer.incidents_interval_95[0], 2),
        Cell::Decimal(answer.incidents_interval_95[1], 2),
    ]];
    for (name, range) in answer.parts() {
        rows.push(vec![
            name.into(),
            money(range.likely),
            money(range.low),
            money(range.high),
        ]);
    }
    let limits = answer.interval_95;
    rows.push(vec![
        format!("cost in {}, 95 % limits", answer.currency).into(),
        answer.total_per_month.map_or(Cell::Empty, money),
        limits.map_or(Cell::Empty, |[low, _]| money(low)),
        limits.map_or(Cell::Empty, |[_, high]| money(high)),
    ]);
    rows
}
