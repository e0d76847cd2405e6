//! Sales exports to velocity: file bytes, decoded → a profile found by the header → line items → demand → velocity → tiers.
//!
//! Nothing disappears: rows read are counted, ignored with a reason, or rejected with their line. Nothing is guessed: what
//! can be read two ways is asked. Memory grows with counted rows (some twenty bytes each), never with the bytes of files.
//! polars lives here and nowhere else, for tables that others read.
//!
//! [`profile`] is what a format is, as data; [`classify`] is the whole way, and [`orders`] gives each SKU's orders with their
//! times beside it.

mod cells;
mod columns;
mod demand;
mod encoding;
mod error;
mod facts;
pub mod frame;
mod goods;
mod harvest;
mod lines;
mod moment;
mod overlap;
mod packed;
mod peaks;
pub mod profile;
mod read;
mod records;
mod report;
mod rows;
mod shape;
mod sheet;
mod source;
mod timed;
mod zone;
mod zones;

use std::collections::BTreeMap;
use std::path::PathBuf;

use chrono_tz::Tz;

use demand::{Demand, Market, Row, Window};
use harvest::{Sales, Sink};
use peaks::Peaks;
use rows::Terms;

pub use error::{Result, SalesError};
pub use goods::Catalog;
pub use moment::Resolution;
pub use overlap::Wins;
pub use profile::{DayOrder, Decimal, Profile, built_in};
pub use read::size;
pub use report::{
    Classified, FileReport, Gap, Heat, Ignored, LineReport, RejectedRow, Rows, SkuReport,
};
pub use rows::Watch;
pub use shape::Asked;
pub use timed::{SkuOrders, orders};

use crate::domain::clock::Timestamp;
use crate::domain::velocity::{Hours, Shop, Sold, SoldOnDay, gaps, measure};

/// Times later than this after now are mistakes.
const FUTURE_S: i64 = 36 * 3_600;
/// Hours of the column that shows what changed lately.
const RECENT_HOURS: usize = 14 * 24;
/// The longest window.
pub const WINDOW_HOURS_MAX: u32 = 10 * 366 * 24;

/// What makes a tier.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Rule {
    /// The rate in peak hours (see [`crate::domain::velocity`]).
    #[default]
    Peak,
    /// The largest clock hour: a simple question that other tools answer, too. One bulk order makes a tier by it.
    MaxHour,
}

/// Hours in which a SKU was out of stock.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Absence {
    /// Since then.
    pub from: Timestamp,
    /// Until then.
    pub until: Timestamp,
}

/// What to classify, and how.
#[derive(Debug, Clone)]
pub struct Request {
    /// The exports.
    pub files: Vec<PathBuf>,
    /// What is known of how they are written.
    pub asked: Asked,
    /// The zone of times without one.
    pub tz: Option<Tz>,
    /// The sign before decimals.
    pub decimal: Option<Decimal>,
    /// Which comes first in a date of numbers.
    pub dates: Option<DayOrder>,
    /// The day of totals of one day.
    pub day: Option<chrono::NaiveDate>,
    /// Hours of the window.
    pub window_hours: u32,
    /// Its end; the end of the last row's hour without it.
    pub as_of: Option<Timestamp>,
    /// The time now.
    pub now: Timestamp,
    /// Whether every row is told.
    pub lines: bool,
    /// Whether item numbers stand in for empty SKUs.
    pub item_as_sku: bool,
    /// What makes a tier.
    pub rule: Rule,
    /// What the seller has.
    pub catalog: Catalog,
    /// When SKUs were out of stock.
    pub absent: BTreeMap<String, Vec<Absence>>,
    /// Which export counts where a tool's repeats a channel's own; without a word, such files are refused.
    pub wins: Option<Wins>,
    /// Whether gaps that chance does not explain are no exposure.
    pub censor_gaps: bool,
}

impl Request {
    /// These files, found out by themselves, over 90 days.
    pub fn new(files: Vec<PathBuf>, now: Timestamp) -> Self {
        Self {
            files,
            asked: Asked::default(),
            tz: None,
            decimal: None,
            dates: None,
            day: None,
            window_hours: 90 * 24,
            as_of: None,
            now,
            lines: false,
            item_as_sku: false,
            rule: Rule::Peak,
            catalog: Catalog::default(),
            absent: BTreeMap::new(),
            wins: None,
            censor_gaps: false,
        }
    }

    fn terms(&self) -> Terms<'_> {
        Terms {
            catalog: &self.catalog,
            tz: self.tz,
            decimal: self.decimal,
            dates: self.dates,
            day_s: self
                .day
                .map(|day| day.and_time(chrono::NaiveTime::MIN).and_utc().timestamp()),
            latest_s: self
                .now
                .millis()
                .max(self.as_of.map_or(0, Timestamp::millis))
                / 1_000
                + FUTURE_S,
            end_s: self.as_of.map(|at| at.millis().div_euclid(1_000)),
            lines: self.lines,
            item_as_sku: self.item_as_sku,
        }
    }

    /// The window, which ends with a whole hour.
    fn window(&self, last_s: Option<i64>) -> Window {
        let end_s = match self.as_of {
            Some(at) => {
                at.millis().div_euclid(1_000) + i64::from(at.millis().rem_euclid(1_000) > 0)
            }
            None => last_s.unwrap_or(0) + 1,
        };
        let end = i32::try_from(end_s.div_euclid(3_600) + i64::from(end_s.rem_euclid(3_600) > 0))
            .unwrap_or(i32::MAX);
        let hours = i32::try_from(self.window_hours.clamp(1, WINDOW_HOURS_MAX)).unwrap_or(i32::MAX);
        Window {
            start: end.saturating_sub(hours),
            end,
        }
    }
}

/// Reads exports and says how fast each SKU sells.
///
/// # Errors
/// [`SalesError`] for a file that cannot be read as sales; nothing is classified then.
pub fn classify(request: &Request, watch: &dyn Watch) -> Result<Classified> {
    match request.rule {
        Rule::Peak => {
            let found = read::all::<Sales>(
                &request.files,
                &request.asked,
                &request.terms(),
                request.wins,
                watch,
            )?;
            Ok(by_peak(request, found, &mut |_, _, _| {}))
        }
        Rule::MaxHour => by_max_hour(request, watch),
    }
}

/// Measures one SKU after another; `seen` is told of each, with its rows and the window.
fn by_peak<S: Sink + AsRef<Sales>>(
    request: &Request,
    found: read::Everything<S>,
    seen: &mut dyn FnMut(&SkuReport, &[Row], Window),
) -> Classified {
    let terms = request.terms();
    let window = request.window(
        found
            .files
            .iter()
            .filter_map(|file| file.tally.last_s)
            .max(),
    );
    let harvest = &found.harvest;
    let n_skus = harvest.skus.all().len();
    let mut market = Market::new(harvest.sink.as_ref(), n_skus, window, request.lines);
    let shop = market.shop.clone();
    let recent_shop = shop.last(RECENT_HOURS);
    let (mut skus, mut gaps_found, mut rows) = (Vec::new(), Vec::new(), Vec::new());
    for (number, name) in (0..).zip(harvest.skus.all()) {
        let Some(mut demand) = market.demand(number, &mut rows) else {
            continue;
        };
        let mut absent = absences(request.absent.get(name), window);
        let suspicious = gaps(&demand.sold, demand.first, &shop);
        let ends = window.hours();
        if absent.is_empty() && request.censor_gaps {
            // Whether a SKU that sells nothing until the end is out of stock or gone cannot be told.
            absent = suspicious
                .iter()
                .copied()
                .filter(|gap| gap.to < ends)
                .collect();
        }
        gaps_found.extend(
            suspicious
                .iter()
                .map(|gap| Gap::new(name, *gap, window, ends)),
        );
        let absent = believed(absent, &demand);
        let velocity = measure(&demand.sold, &demand.days, demand.first, &absent, &shop);
        let last_14d = recent(&demand, &shop, &recent_shop);
        let report = SkuReport::new(name, velocity, last_14d, &demand, &harvest.channels, window);
        let report = SkuReport {
            peak_orders_per_hour: orders_peak(&mut demand, &absent, &shop),
            ..report
        };
        seen(&report, &rows, window);
        skus.push(report);
    }
    skus.sort_by(|a, b| a.sku.cmp(&b.sku));
    let counts = report::Counts {
        counted: market.counted,
        outside: market.outside,
        duplicates: market.duplicates,
    };
    let fates = std::mem::take(&mut market.fates);
    let heat = Heat::new(&shop, window, shown_zone(&found, &terms));
    report::whole(
        request,
        found,
        window,
        skus,
        counts,
        gaps_found,
        Some(heat),
        &fates,
    )
}

/// The peak of the last 14 days by themselves.
fn recent(demand: &Demand, shop: &Shop, recent_shop: &Shop) -> f64 {
    let from = shop.hours() - recent_shop.hours();
    let begin = demand.sold.partition_point(|order| order.hour < from);
    let sold: Vec<Sold> = demand
        .sold
        .iter()
        .skip(begin)
        .map(|order| Sold {
            hour: order.hour - from,
            ..*order
        })
        .collect();
    let since = i64::try_from(from).unwrap_or(0);
    let in_it = |day: &&SoldOnDay| day.hour + i64::try_from(day.hours).unwrap_or(0) > since;
    let days: Vec<SoldOnDay> = demand
        .days
        .iter()
        .filter(in_it)
        .map(|day| SoldOnDay {
            hour: day.hour - since,
            ..*day
        })
        .collect();
    if sold.is_empty() && days.is_empty() {
        return 0.0;
    }
    measure(
        &sold,
        &days,
        demand.first.saturating_sub(from),
        &[],
        recent_shop,
    )
    .peak
}

/// The same rule with every order as one: orders an hour (rule R88).
fn orders_peak(demand: &mut Demand, absent: &[Hours], shop: &Shop) -> f64 {
    for order in &mut demand.sold {
        order.units = 1.0;
    }
    for day in &mut demand.days {
        day.units = 1.0;
    }
    measure(&demand.sold, &demand.days, demand.first, absent, shop).peak
}

fn absences(known: Option<&Vec<Absence>>, window: Window) -> Vec<Hours> {
    let hour = |at: Timestamp, up: bool| {
        let millis = at.millis() - i64::from(window.start) * 3_600_000;
        let hours = if up {
            millis.div_euclid(3_600_000) + i64::from(millis.rem_euclid(3_600_000) > 0)
        } else {
            millis.div_euclid(3_600_000)
        };
        usize::try_from(hours.max(0))
            .unwrap_or(0)
            .min(window.hours())
    };
    // The hour in which stock ran out, or came back, is exposure, too.
    let mut found: Vec<Hours> = known
        .into_iter()
        .flatten()
        .map(|absence| Hours {
            from: hour(absence.from, true),
            to: hour(absence.until, false),
        })
        .filter(|hours| hours.from < hours.to)
        .collect();
    found.sort_by_key(|hours| hours.from);
    let mut apart: Vec<Hours> = Vec::with_capacity(found.len());
    for hours in found {
        match apart.last_mut() {
            Some(last) if hours.from <= last.to => last.to = last.to.max(hours.to),
            _ => apart.push(hours),
        }
    }
    apart
}

/// Times without stock in which something was sold are none: the books are wrong about them, or the goods need no stock.
fn believed(mut absent: Vec<Hours>, demand: &Demand) -> Vec<Hours> {
    absent.retain(|hours| {
        let begin = demand.sold.partition_point(|order| order.hour < hours.from);
        demand
            .sold
            .get(begin)
            .is_none_or(|order| order.hour >= hours.to)
    });
    absent
}

fn shown_zone<S>(found: &read::Everything<S>, terms: &Terms<'_>) -> zone::Zone {
    let of_file = found
        .files
        .iter()
        .find_map(|file| facts::shown_zone(&file.shape, terms));
    of_file.unwrap_or_else(|| zone::Zone::new(terms.tz.unwrap_or(Tz::UTC)))
}

fn by_max_hour(request: &Request, watch: &dyn Watch) -> Result<Classified> {
    let terms = request.terms();
    let mut found =
        read::all::<Peaks>(&request.files, &request.asked, &terms, request.wins, watch)?;
    let window = request.window(
        found
            .files
            .iter()
            .filter_map(|file| file.tally.last_s)
            .max(),
    );
    let (mut counted, mut outside) = (0, (0, 0));
    let peaks = std::mem::replace(&mut found.harvest.sink, Peaks::new());
    let mut best = vec![(0_u64, 0_u64); found.harvest.skus.all().len()];
    peaks.hours(|sku, hour, milli, rows| match best.get_mut(sku as usize) {
        Some((most, sum)) if window.at(hour).is_some() => {
            *most = (*most).max(milli);
            *sum += milli;
            counted += rows;
        }
        _ => {
            outside.0 += rows;
            outside.1 += i64::try_from(milli).unwrap_or(i64::MAX);
        }
    });
    let words = found.harvest.skus.all();
    let mut skus: Vec<SkuReport> = words
        .iter()
        .zip(best)
        .filter(|(_, (_, sum))| *sum > 0)
        .map(|(name, (most, sum))| SkuReport::of_max_hour(name, most, sum))
        .collect();
    skus.sort_by(|a, b| a.sku.cmp(&b.sku));
    let counts = report::Counts {
        counted,
        outside,
        duplicates: (0, 0),
    };
    Ok(report::whole(
        request,
        found,
        window,
        skus,
        counts,
        Vec::new(),
        None,
        &[],
    ))
}
