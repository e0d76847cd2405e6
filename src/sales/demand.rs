//! Counted rows to orders of each SKU, within the window: copies over overlapping exports are taken out, lines of one order
//! are summed, and the shop's hours are counted.

use super::harvest::Sales;
use crate::domain::velocity::{Shop, Sold, SoldOnDay};

/// Hours from `start` to before `end`, counted since 1970 in UTC.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Window {
    pub(super) start: i32,
    pub(super) end: i32,
}

impl Window {
    /// The hour within the window, if it is in it.
    pub(super) fn at(self, hour: i32) -> Option<usize> {
        (self.start..self.end)
            .contains(&hour)
            .then(|| usize::try_from(hour - self.start).unwrap_or(0))
    }

    pub(super) fn hours(self) -> usize {
        usize::try_from(self.end - self.start).unwrap_or(0)
    }

    /// A row whose day lies in the window at least in part is in it.
    pub(super) fn holds(self, hour: i32, day_hours: u8) -> bool {
        let last = hour + i32::from(day_hours.max(1)) - 1;
        last >= self.start && hour < self.end
    }
}

/// What became of each counted row.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Fate {
    Counted,
    Outside,
    Duplicate,
}

/// One SKU's orders.
#[derive(Debug, Clone, Default)]
pub(super) struct Demand {
    pub(super) sold: Vec<Sold>,
    pub(super) days: Vec<SoldOnDay>,
    /// The hour of its first sale in the window, 0 if it sold before.
    pub(super) first: usize,
    /// Channel and thousandths.
    pub(super) channels: Vec<(u16, u64)>,
}

/// The orders of a whole shop, and what became of its rows.
#[derive(Debug)]
pub(super) struct Market<'a> {
    sales: &'a Sales,
    window: Window,
    by_sku: BySku,
    /// Rows of one order follow one another, and every order is in one place.
    together: bool,
    pub(super) shop: Shop,
    pub(super) counted: u64,
    pub(super) outside: (u64, i64),
    pub(super) duplicates: (u64, i64),
    /// One per counted row, if that was asked for.
    pub(super) fates: Vec<Fate>,
}

/// A row of one SKU.
#[derive(Debug, Clone, Copy)]
pub(super) struct Row {
    /// Its place among the counted rows.
    pub(super) idx: u32,
    pub(super) order: u64,
    line: u32,
    pub(super) file: u16,
    pub(super) hour: i32,
    pub(super) milli: u32,
    pub(super) channel: u16,
    pub(super) day_hours: u8,
    /// 0 for further parts of bundles, 1 for all others.
    rows: u8,
}

/// Rows by SKU: the places where each begins, and the rows in that order.
#[derive(Debug)]
struct BySku {
    begins: Vec<u32>,
    rows: Vec<u32>,
}

impl BySku {
    fn new(sales: &Sales, n_skus: usize) -> Self {
        let mut begins = vec![0_u32; n_skus + 1];
        for &sku in &sales.sku {
            if let Some(count) = begins.get_mut(sku as usize + 1) {
                *count += 1;
            }
        }
        let mut sum = 0;
        for begin in &mut begins {
            sum += *begin;
            *begin = sum;
        }
        let mut next = begins.clone();
        let mut rows = vec![0_u32; sales.sku.len()];
        for (idx, &sku) in sales.sku.iter().enumerate() {
            if let Some(place) = next.get_mut(sku as usize) {
                if let Some(row) = rows.get_mut(*place as usize) {
                    *row = u32::try_from(idx).unwrap_or(u32::MAX);
                }
                *place += 1;
            }
        }
        Self { begins, rows }
    }

    fn of(&self, sku: usize) -> &[u32] {
        let at = |idx: usize| self.begins.get(idx).map_or(0, |begin| *begin as usize);
        self.rows.get(at(sku)..at(sku + 1)).unwrap_or_default()
    }
}

impl<'a> Market<'a> {
    /// Counts the shop's orders. SKUs are then taken one after another, so that their orders are not all held at once.
    pub(super) fn new(sales: &'a Sales, n_skus: usize, window: Window, fates: bool) -> Self {
        let orders = Orders::of(sales, window);
        Self {
            sales,
            window,
            by_sku: BySku::new(sales, n_skus),
            together: orders.together && sales.line.is_empty(),
            shop: orders.shop(window),
            counted: 0,
            outside: (0, 0),
            duplicates: (0, 0),
            fates: if fates {
                vec![Fate::Counted; sales.order.len()]
            } else {
                Vec::new()
            },
        }
    }

    /// The demand of one SKU within the window; nothing if there is none. `rows` are then those of the SKU without copies,
    /// lines of one order together.
    pub(super) fn demand(&mut self, sku: u32, rows: &mut Vec<Row>) -> Option<Demand> {
        gather(self.sales, self.by_sku.of(sku as usize), rows);
        let first = rows.iter().map(|row| row.hour).min()?;
        if !self.together {
            rows.sort_unstable_by_key(|row| (row.order, row.line, row.file, row.idx));
            duplicates(rows, self);
        }
        let mut demand = Demand {
            first: self.window.at(first).unwrap_or(0),
            ..Demand::default()
        };
        sum(rows, self.window, &mut demand, self);
        // Mostly they are in order already, and then this looks at each once.
        demand.sold.sort_by_key(|order| order.hour);
        (!demand.sold.is_empty() || !demand.days.is_empty()).then_some(demand)
    }
}

fn gather(sales: &Sales, places: &[u32], rows: &mut Vec<Row>) {
    rows.clear();
    for &idx in places {
        let at = idx as usize;
        let file = sales.files.partition_point(|(from, _)| *from <= at);
        let get = |column: &[u32]| column.get(at).copied().unwrap_or(0);
        rows.push(Row {
            idx,
            order: sales.order.get(at).copied().unwrap_or(0),
            line: get(&sales.line),
            file: file
                .checked_sub(1)
                .and_then(|n| sales.files.get(n))
                .map_or(0, |(_, file)| *file),
            hour: sales.hour.get(at).copied().unwrap_or(0),
            milli: get(&sales.milli),
            channel: sales.channel.get(at).copied().unwrap_or(0),
            day_hours: sales.day_hours.get(at).copied().unwrap_or(0),
            rows: u8::from(sales.further.binary_search(&at).is_err()),
        });
    }
}

/// Takes out rows that another export holds, too (rule R76): the same line of an order, or, where lines have no name, as
/// many rows of the order as an earlier file has. Two equal lines of one order in one file are two lines.
fn duplicates(rows: &mut Vec<Row>, market: &mut Market<'_>) {
    let (mut kept, mut last, mut most, mut here) = (0_usize, None, 0_usize, 0_usize);
    for idx in 0..rows.len() {
        let Some(&row) = rows.get(idx) else {
            return;
        };
        let line = (row.order, row.line);
        let in_file = (line, row.file);
        match last {
            Some((known, _)) if known != line => (most, here) = (0, 0),
            Some(known) if known != in_file => {
                most = most.max(here);
                here = 0;
            }
            None => (most, here) = (0, 0),
            Some(_) => {}
        }
        last = Some(in_file);
        here += 1;
        let again = if row.line == 0 {
            here <= most
        } else {
            here + most > 1
        };
        if again {
            market.duplicates.0 += u64::from(row.rows);
            market.duplicates.1 += i64::from(row.milli);
            market.note(row.idx, Fate::Duplicate);
            continue;
        }
        if let Some(slot) = rows.get_mut(kept) {
            *slot = row;
        }
        kept += 1;
    }
    rows.truncate(kept);
}

/// Sums the lines of each order.
fn sum(rows: &[Row], window: Window, demand: &mut Demand, market: &mut Market<'_>) {
    let mut last: Option<(u64, bool)> = None;
    for row in rows {
        if !window.holds(row.hour, row.day_hours) {
            market.outside.0 += u64::from(row.rows);
            market.outside.1 += i64::from(row.milli);
            market.note(row.idx, Fate::Outside);
            continue;
        }
        market.counted += u64::from(row.rows);
        let milli = u64::from(row.milli);
        match demand
            .channels
            .iter_mut()
            .find(|(channel, _)| *channel == row.channel)
        {
            Some((_, sum)) => *sum += milli,
            None => demand.channels.push((row.channel, milli)),
        }
        let units = f64::from(row.milli) / 1_000.0;
        let (this, by_day) = ((row.order, row.day_hours != 0), row.day_hours != 0);
        let again = last == Some(this);
        last = Some(this);
        if by_day {
            let hour = i64::from(row.hour) - i64::from(window.start);
            match demand.days.last_mut().filter(|_| again) {
                Some(day) => day.units += units,
                None => demand.days.push(SoldOnDay {
                    hour,
                    hours: usize::from(row.day_hours),
                    units,
                }),
            }
            continue;
        }
        let hour = window.at(row.hour).unwrap_or(0);
        match demand.sold.last_mut().filter(|_| again) {
            Some(order) => {
                order.units += units;
                order.hour = order.hour.min(hour);
            }
            None => demand.sold.push(Sold { hour, units }),
        }
    }
}

impl Market<'_> {
    fn note(&mut self, idx: u32, fate: Fate) {
        if let Some(slot) = self.fates.get_mut(idx as usize) {
            *slot = fate;
        }
    }
}

/// Orders of the whole shop by hour.
#[derive(Debug)]
struct Orders {
    counts: Vec<f64>,
    /// No order stands in two places of the files.
    together: bool,
}

impl Orders {
    /// The orders of all rows in the window. Rows of one order mostly follow one another: then counting where the order
    /// changes is enough, and only whether that is so has to be found out.
    fn of(sales: &Sales, window: Window) -> Self {
        let mut counts = vec![0.0; window.hours()];
        let (mut seen, mut days, mut last) = (Vec::new(), Vec::new(), None);
        let mut ends = file_ends(sales).peekable();
        for (idx, (&order, &hour)) in sales.order.iter().zip(&sales.hour).enumerate() {
            let day_hours = sales.day_hours.get(idx).copied().unwrap_or(0);
            while ends.next_if_eq(&idx).is_some() {
                // The same order in another file is in another place.
                last = None;
            }
            if last == Some((order, hour)) {
                continue;
            }
            last = Some((order, hour));
            seen.push(order);
            if !window.holds(hour, day_hours) {
                continue;
            }
            if day_hours > 0 {
                days.push((order, i64::from(hour - window.start)));
            } else if let Some(count) = window.at(hour).and_then(|hour| counts.get_mut(hour)) {
                *count += 1.0;
            }
        }
        let n_runs = seen.len();
        seen.sort_unstable();
        seen.dedup();
        let together = seen.len() == n_runs;
        drop(seen);
        if !together {
            counts = counted_once(sales, window);
        }
        if counts.iter().all(|count| *count == 0.0) {
            spread(days, &mut counts);
        }
        Self { counts, together }
    }

    fn shop(self, window: Window) -> Shop {
        let first_hour_of_day = usize::try_from(window.start.rem_euclid(24)).unwrap_or(0);
        Shop::new(self.counts, first_hour_of_day)
    }
}

/// Where rows of another file begin.
fn file_ends(sales: &Sales) -> impl Iterator<Item = usize> {
    sales
        .files
        .windows(2)
        .filter(|pair| matches!(pair, [(_, a), (_, b)] if a != b))
        .filter_map(|pair| pair.get(1).map(|(from, _)| *from))
}

/// Orders by the hour of their first row, wherever their rows stand.
fn counted_once(sales: &Sales, window: Window) -> Vec<f64> {
    let mut orders: Vec<(u64, u32)> = Vec::new();
    for (idx, (&order, &hour)) in sales.order.iter().zip(&sales.hour).enumerate() {
        let timed = sales.day_hours.get(idx).copied().unwrap_or(0) == 0;
        let Some(hour) = window.at(hour).filter(|_| timed) else {
            continue;
        };
        let run = (order, u32::try_from(hour).unwrap_or(0));
        if orders.last() != Some(&run) {
            orders.push(run);
        }
    }
    orders.sort_unstable();
    orders.dedup_by_key(|(order, _)| *order);
    let mut counts = vec![0.0; window.hours()];
    for (_, hour) in orders {
        if let Some(count) = counts.get_mut(hour as usize) {
            *count += 1.0;
        }
    }
    counts
}

/// If no order has a time, each day's orders are spread over 08 to 22 of the day.
fn spread(mut days: Vec<(u64, i64)>, counts: &mut [f64]) {
    days.sort_unstable();
    days.dedup_by_key(|(order, _)| *order);
    for (_, day) in days {
        for hour in day + 8..day + 22 {
            if let Some(count) = usize::try_from(hour)
                .ok()
                .and_then(|hour| counts.get_mut(hour))
            {
                *count += 1.0 / 14.0;
            }
        }
    }
}

#[cfg(test)]
mod tests;
