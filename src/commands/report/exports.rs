//! Cancelled orders in sales exports, as what they are: they stand in for incidents that nobody wrote down.
//!
//! Most exports do not say who cancelled an order, or why. What they say was the buyer is left out; where one names the
//! seller and the lack of stock, that is evidence.

use std::collections::BTreeMap;

use super::cost_answer::StandIn;
use super::{DAY_MS, real};
use crate::cli::Exports;
use crate::commands::sales_files::{self, Bar};
use crate::commands::seller::Seller;
use crate::domain::clock::Timestamp;
use crate::domain::stats;
use crate::exit::Failure;
use crate::output::Out;
use crate::sales::{self, Classified, LineReport};

/// What the figures are, for whoever reads them without the documentation.
const NOTE: &str = "cancelled orders are not incidents: fraud and changes of mind are among them unless the export names the buyer, \
                    so that they say at most how many there were";

/// What became of an order, least telling first.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Fate {
    Sold,
    ByBuyer,
    Cancelled,
    NoStock,
}

impl Fate {
    /// By the reason that the format gives; `None`: no order at all, such as an unpaid one.
    fn of(line: &LineReport) -> Option<Self> {
        match line.reason.as_str() {
            "cancelled_out_of_stock_counted" => Some(Self::NoStock),
            "cancelled" | "item_cancelled" => Some(Self::Cancelled),
            "cancelled_by_buyer" | "cancel_requested" => Some(Self::ByBuyer),
            _ if line.counted => Some(Self::Sold),
            _ => None,
        }
    }
}

/// Reads them.
pub(super) async fn read(
    exports: &Exports,
    seller: &Seller,
    out: &mut Out,
) -> Result<StandIn, Failure> {
    let mut request = sales_files::request(exports, seller.now())?;
    request.lines = true;
    request.catalog = sales_files::catalog(seller).await?;
    let hours = request.window_hours;
    let bar = Bar::new(out.progress_of_bytes(sales::size(&request.files)));
    let work = move || {
        let found = sales::classify(&request, &bar);
        bar.finish();
        found
    };
    let done = tokio::task::spawn_blocking(work).await;
    let found = done.map_err(|error| Failure::call(format!("read exports: {error}")))??;
    for warning in &found.warnings {
        out.warning(warning);
    }
    if !found.rejected.is_empty() {
        out.warning(format!(
            "{} rows of the exports could not be read; hint: `onhand classify --rejects FILE` says which",
            found.rejected.len()
        ));
    }
    let since = found.as_of.plus(-3_600_000 * i64::from(hours));
    Ok(counted(&found, since))
}

/// Counts orders by what became of them; one order is one, however many lines it has.
fn counted(found: &Classified, since: Timestamp) -> StandIn {
    let mut orders: BTreeMap<(&str, String), (Fate, i64)> = BTreeMap::new();
    for line in found.lines.iter().flatten() {
        let (Some(fate), Some(day)) = (Fate::of(line), day(line)) else {
            continue;
        };
        if (day + 1) * DAY_MS <= since.millis() {
            continue;
        }
        let name = if line.order.is_empty() {
            format!("{}:{}", line.file, line.line)
        } else {
            line.order.clone()
        };
        let known = orders.entry((&line.channel, name)).or_insert((fate, day));
        *known = (known.0.max(fate), known.1.min(day));
    }
    let mut told = StandIn {
        orders: orders.len(),
        note: NOTE,
        ..StandIn::default()
    };
    let (mut first, mut last) = (i64::MAX, i64::MIN);
    for ((_, order), (fate, day)) in &orders {
        (first, last) = (first.min(*day), last.max(*day));
        match fate {
            Fate::Sold => {}
            Fate::ByBuyer => told.by_buyer += 1,
            Fate::Cancelled => {
                told.cancelled += 1;
                told.days.push(*day);
            }
            Fate::NoStock => {
                told.no_stock += 1;
                told.for_stock.push((order.clone(), *day));
            }
        }
    }
    if told.orders > 0 {
        let part = told.cancelled + told.no_stock;
        let whole = |count: usize| u64::try_from(count).unwrap_or(u64::MAX);
        let limits = stats::share(whole(part), whole(told.orders));
        told.rate_pct = 100.0 * real(part) / real(told.orders);
        told.rate_interval_95 = [100.0 * limits.low, 100.0 * limits.high];
        let at = |day: i64| Timestamp::from_millis(day.saturating_mul(DAY_MS));
        told.from = Some((at(first), at(last + 1)));
    }
    told
}

/// The day of a row, counted since 1970.
fn day(line: &LineReport) -> Option<i64> {
    let day: String = line.at_utc.as_deref()?.chars().take(10).collect();
    let day: chrono::NaiveDate = day.parse().ok()?;
    Some(super::day(super::begin_of(day)))
}
