//! Each SKU's orders with the moments at which they were made, for counting what channels did not see of each other.
//!
//! A file whose times are all at whole minutes is taken to tell minutes and no seconds: an order of it was made somewhere in
//! its minute. Orders of which only the day is known are counted apart: they cannot be early or late.

use std::collections::BTreeSet;

use super::demand::{Row, Window};
use super::harvest::{Sale, Sales, Sink};
use super::rows::Watch;
use super::{Classified, Request, Result, SkuReport, by_peak, read};
use crate::domain::oversell::Order;

/// Milliseconds of an hour.
const HOUR_MS: i64 = 3_600_000;
/// Where an order lies whose time is told to the second, in milliseconds.
const SECOND_MS: u32 = 1_000;
/// The same, to the minute.
const MINUTE_MS: u32 = 60_000;

/// One SKU's orders in the window.
#[derive(Debug)]
pub struct SkuOrders<'a> {
    /// What was measured of it.
    pub sku: &'a SkuReport,
    /// Its orders with a time, by time; milliseconds since 1970.
    pub orders: Vec<Order>,
    /// Orders of which only the day is known.
    pub by_day: u64,
}

/// Reads exports, says how fast each SKU sells, and gives its orders, one SKU after another and in no order.
///
/// # Errors
/// As [`super::classify`].
pub fn orders(
    request: &Request,
    watch: &dyn Watch,
    take: &mut dyn FnMut(SkuOrders<'_>),
) -> Result<Classified> {
    let mut found = read::all::<Timed>(
        &request.files,
        &request.asked,
        &request.terms(),
        request.wins,
        watch,
    )?;
    let seconds = std::mem::take(&mut found.harvest.sink.seconds);
    let exact = exact_files(&found.harvest.sink.sales, &seconds);
    let mut seen = |sku: &SkuReport, rows: &[Row], window: Window| {
        take(of_sku(sku, rows, window, &seconds, &exact));
    };
    Ok(by_peak(request, found, &mut seen))
}

/// Every counted row, with its second.
#[derive(Debug)]
struct Timed {
    sales: Sales,
    seconds: Vec<u16>,
}

impl AsRef<Sales> for Timed {
    fn as_ref(&self) -> &Sales {
        &self.sales
    }
}

impl Sink for Timed {
    const ORDERS: bool = true;
    const SECONDS: bool = true;

    fn new() -> Self {
        Self {
            sales: Sales::new(),
            seconds: Vec::new(),
        }
    }

    #[inline]
    fn sale(&mut self, sale: Sale) {
        self.seconds.push(sale.second);
        self.sales.sale(sale);
    }

    fn join(&mut self, other: Self, skus: &[u32], channels: &[u32]) {
        if self.seconds.is_empty() {
            self.seconds = other.seconds;
        } else {
            self.seconds.extend_from_slice(&other.seconds);
        }
        self.sales.join(other.sales, skus, channels);
    }

    fn file(&mut self, file: u16) {
        self.sales.file(file);
    }

    fn len(&self) -> usize {
        self.sales.len()
    }
}

/// Files that tell seconds.
fn exact_files(sales: &Sales, seconds: &[u16]) -> BTreeSet<u16> {
    let ends = sales.files.iter().skip(1).map(|(from, _)| *from);
    let ends = ends.chain(std::iter::once(seconds.len()));
    sales
        .files
        .iter()
        .zip(ends)
        .filter(|((from, _), end)| {
            let rows = seconds.get(*from..*end).unwrap_or_default();
            rows.iter().any(|second| second % 60 != 0)
        })
        .map(|((_, file), _)| *file)
        .collect()
}

fn of_sku<'a>(
    sku: &'a SkuReport,
    rows: &[Row],
    window: Window,
    seconds: &[u16],
    exact: &BTreeSet<u16>,
) -> SkuOrders<'a> {
    let mut found = SkuOrders {
        sku,
        orders: Vec::with_capacity(rows.len()),
        by_day: 0,
    };
    let mut last = None;
    for row in rows {
        if !window.holds(row.hour, row.day_hours) {
            continue;
        }
        let this = (row.order, row.day_hours != 0);
        let again = last.replace(this) == Some(this);
        if row.day_hours != 0 {
            found.by_day += u64::from(!again);
            continue;
        }
        let second = seconds.get(row.idx as usize).copied().unwrap_or(0);
        let at_ms = i64::from(row.hour) * HOUR_MS + i64::from(second) * 1_000;
        let units = f64::from(row.milli) / 1_000.0;
        match found.orders.last_mut().filter(|_| again) {
            Some(order) => {
                order.units += units;
                order.at_ms = order.at_ms.min(at_ms);
            }
            None => found.orders.push(Order {
                at_ms,
                spread_ms: if exact.contains(&row.file) {
                    SECOND_MS
                } else {
                    MINUTE_MS
                },
                channel: row.channel,
                units,
            }),
        }
    }
    // Mostly they are in order already, and then this looks at each once.
    found.orders.sort_by_key(|order| order.at_ms);
    found
}
