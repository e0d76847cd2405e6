//! What reading gathers: sales in columns of numbers, what was ignored by reason and hour, what was rejected, and the words
//! that the numbers stand for. Two harvests can be brought together, so that parts of a file are read side by side.

use std::collections::{BTreeMap, HashMap};

use foldhash::fast::FixedState;

use super::lines::Line;
use super::moment::Resolution;
use super::overlap::Span;

/// The hour of what has no time.
pub(super) const NO_HOUR: i32 = i32::MIN;

/// A map with a fast, fixed hash: the same file gives the same order everywhere.
pub(super) type Map<K, V> = HashMap<K, V, FixedState>;

/// Words by number.
#[derive(Debug, Clone, Default)]
pub(super) struct Words {
    by_word: Map<String, u32>,
    words: Vec<String>,
}

impl Words {
    /// The number of a word.
    pub(super) fn number(&mut self, word: &str) -> u32 {
        if let Some(&known) = self.by_word.get(word) {
            return known;
        }
        let number = u32::try_from(self.words.len()).unwrap_or(u32::MAX);
        self.by_word.insert(word.to_owned(), number);
        self.words.push(word.to_owned());
        number
    }

    pub(super) fn word(&self, number: u32) -> &str {
        self.words.get(number as usize).map_or("", String::as_str)
    }

    pub(super) fn all(&self) -> &[String] {
        &self.words
    }

    /// For each word of `other`, its number here.
    fn join(&mut self, other: &Self) -> Vec<u32> {
        other.words.iter().map(|word| self.number(word)).collect()
    }
}

/// One counted row.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Sale {
    /// Its order, hashed with its channel.
    pub(super) order: u64,
    /// What tells it from other rows of the order, hashed; 0 if nothing does.
    pub(super) line: u32,
    pub(super) sku: u32,
    pub(super) channel: u32,
    /// Hours since 1970 in UTC; of a day, the hour in which it begins.
    pub(super) hour: i32,
    /// Seconds of that hour, where they are asked for.
    pub(super) second: u16,
    /// Thousandths of units.
    pub(super) milli: u32,
    /// Hours of the day, if only the day is known; else 0.
    pub(super) day_hours: u8,
    /// Its row was taken already, with another part of the same bundle.
    pub(super) further: bool,
}

/// Takes counted rows.
pub(super) trait Sink: Sized + Send {
    /// Whether orders have to be told apart.
    const ORDERS: bool;
    /// Whether seconds are asked for.
    const SECONDS: bool = false;
    fn new() -> Self;
    fn sale(&mut self, sale: Sale);
    /// Takes what another one took after it; numbers of words are changed as told.
    fn join(&mut self, other: Self, skus: &[u32], channels: &[u32]);
    /// From here on, rows are of this file.
    fn file(&mut self, file: u16);
    fn len(&self) -> usize;
}

/// Every counted row.
#[derive(Debug, Default)]
pub(super) struct Sales {
    pub(super) order: Vec<u64>,
    pub(super) sku: Vec<u32>,
    pub(super) channel: Vec<u16>,
    pub(super) hour: Vec<i32>,
    pub(super) milli: Vec<u32>,
    /// Empty while no row has one.
    pub(super) line: Vec<u32>,
    /// Empty while all times are known.
    pub(super) day_hours: Vec<u8>,
    /// Where rows of each file begin.
    pub(super) files: Vec<(usize, u16)>,
    /// Places of further parts of bundles, rising: they are no rows of their own.
    pub(super) further: Vec<usize>,
}

impl Sink for Sales {
    const ORDERS: bool = true;

    fn new() -> Self {
        Self::default()
    }

    #[inline]
    fn sale(&mut self, sale: Sale) {
        let n = self.order.len();
        if sale.further {
            self.further.push(n);
        }
        self.order.push(sale.order);
        self.sku.push(sale.sku);
        self.channel
            .push(u16::try_from(sale.channel).unwrap_or(u16::MAX));
        self.hour.push(sale.hour);
        self.milli.push(sale.milli);
        if sale.line != 0 || !self.line.is_empty() {
            self.line.resize(n, 0);
            self.line.push(sale.line);
        }
        if sale.day_hours != 0 || !self.day_hours.is_empty() {
            self.day_hours.resize(n, 0);
            self.day_hours.push(sale.day_hours);
        }
    }

    fn join(&mut self, mut other: Self, skus: &[u32], channels: &[u32]) {
        let n = self.order.len();
        if n == 0 {
            // Into nothing: what is there is taken rather than copied, and only its numbers change.
            self.order = std::mem::take(&mut other.order);
            self.hour = std::mem::take(&mut other.hour);
            self.milli = std::mem::take(&mut other.milli);
        }
        self.order.append(&mut other.order);
        let sku = |sku: u32| skus.get(sku as usize).copied().unwrap_or(sku);
        self.sku.extend(other.sku.iter().map(|&number| sku(number)));
        self.channel.extend(other.channel.iter().map(|&channel| {
            let number = channels.get(usize::from(channel)).copied();
            number
                .and_then(|number| u16::try_from(number).ok())
                .unwrap_or(channel)
        }));
        self.hour.append(&mut other.hour);
        self.milli.append(&mut other.milli);
        if !self.line.is_empty() || !other.line.is_empty() {
            self.line.resize(n, 0);
            self.line.append(&mut other.line);
            self.line.resize(self.order.len(), 0);
        }
        if !self.day_hours.is_empty() || !other.day_hours.is_empty() {
            self.day_hours.resize(n, 0);
            self.day_hours.append(&mut other.day_hours);
            self.day_hours.resize(self.order.len(), 0);
        }
        self.further
            .extend(other.further.iter().map(|place| place + n));
        self.files
            .extend(other.files.iter().map(|(from, file)| (from + n, *file)));
    }

    fn file(&mut self, file: u16) {
        self.files.push((self.order.len(), file));
    }

    fn len(&self) -> usize {
        self.order.len()
    }
}

impl AsRef<Self> for Sales {
    fn as_ref(&self) -> &Self {
        self
    }
}

/// Rows by day, counted without a search for each: days that share a place are told apart by their number.
#[derive(Debug)]
pub(super) struct Days {
    recent: Vec<(i32, u64)>,
    counted: BTreeMap<i32, u64>,
}

impl Default for Days {
    fn default() -> Self {
        Self {
            recent: vec![(0, 0); 512],
            counted: BTreeMap::new(),
        }
    }
}

impl Days {
    /// One more row of this day.
    #[inline]
    pub(super) fn note(&mut self, day: i32) {
        let place = day.cast_unsigned() as usize % self.recent.len();
        let Some(recent) = self.recent.get_mut(place) else {
            return;
        };
        if recent.0 != day {
            let (other, n_rows) = std::mem::replace(recent, (day, 0));
            *self.counted.entry(other).or_default() += n_rows;
        }
        recent.1 += 1;
    }

    /// Days with rows.
    pub(super) fn all(mut self) -> BTreeMap<i32, u64> {
        for (day, n_rows) in self.recent {
            *self.counted.entry(day).or_default() += n_rows;
        }
        self.counted.retain(|_, n_rows| *n_rows > 0);
        self.counted
    }
}

/// A row that cannot be read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Rejected {
    /// Which file, by number.
    pub(super) file: u16,
    /// Its line.
    pub(super) line: u64,
    /// Why.
    pub(super) reason: String,
}

/// Warnings that are counted rather than repeated.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(super) struct Oddities {
    /// Wall clocks that happened twice.
    pub(super) ambiguous: u64,
    /// Wall clocks that did not happen.
    pub(super) missing: u64,
    /// Cells other than SKU and quantity that could not be decoded.
    pub(super) undecodable: u64,
    /// Quantities that are not whole.
    pub(super) fractions: u64,
    /// SKUs that came as numbers.
    pub(super) numeric_skus: u64,
}

/// What was found in one file.
#[derive(Debug, Clone, Default)]
pub(super) struct FileTally {
    pub(super) read: u64,
    pub(super) counted: u64,
    pub(super) rejected: u64,
    pub(super) first_s: Option<i64>,
    pub(super) last_s: Option<i64>,
    pub(super) odd: Oddities,
    pub(super) resolutions: Vec<Resolution>,
    /// The channels of a tool's export.
    pub(super) channels: Vec<Span>,
    /// Counted rows by day, since 1970 in UTC.
    pub(super) rows_by_day: BTreeMap<i32, u64>,
}

impl FileTally {
    fn join(&mut self, other: Self) {
        self.read += other.read;
        self.counted += other.counted;
        self.rejected += other.rejected;
        self.first_s = [self.first_s, other.first_s].into_iter().flatten().min();
        self.last_s = self.last_s.max(other.last_s);
        self.odd.ambiguous += other.odd.ambiguous;
        self.odd.missing += other.odd.missing;
        self.odd.undecodable += other.odd.undecodable;
        self.odd.fractions += other.odd.fractions;
        self.odd.numeric_skus += other.odd.numeric_skus;
        for resolution in other.resolutions {
            if !self.resolutions.contains(&resolution) {
                self.resolutions.push(resolution);
            }
        }
        self.channels.extend(other.channels);
        for (day, n_rows) in other.rows_by_day {
            *self.rows_by_day.entry(day).or_default() += n_rows;
        }
    }
}

/// What was ignored: rows and thousandths of units, by reason and hour.
pub(super) type Ignored = Map<(u32, i32), (u64, i64)>;

/// Everything that was read.
#[derive(Debug)]
pub(super) struct Harvest<S> {
    pub(super) sink: S,
    pub(super) skus: Words,
    pub(super) channels: Words,
    pub(super) reasons: Words,
    pub(super) ignored: Ignored,
    pub(super) rejected: Vec<Rejected>,
    pub(super) lines: Vec<Line>,
    pub(super) tally: FileTally,
}

impl<S: Sink> Harvest<S> {
    pub(super) fn new() -> Self {
        Self {
            sink: S::new(),
            skus: Words::default(),
            channels: Words::default(),
            reasons: Words::default(),
            ignored: Map::default(),
            rejected: Vec::new(),
            lines: Vec::new(),
            tally: FileTally::default(),
        }
    }

    /// Takes what was read after it. `lines_before` is added to the lines of what is told by line.
    pub(super) fn join(&mut self, other: Self, lines_before: u64) {
        let skus = self.skus.join(&other.skus);
        let channels = self.channels.join(&other.channels);
        let reasons = self.reasons.join(&other.reasons);
        let n_sales = self.sink.len();
        self.sink.join(other.sink, &skus, &channels);
        for ((reason, hour), (rows, milli)) in other.ignored {
            let reason = reasons.get(reason as usize).copied().unwrap_or(reason);
            let sum = self.ignored.entry((reason, hour)).or_default();
            sum.0 += rows;
            sum.1 += milli;
        }
        self.rejected
            .extend(other.rejected.into_iter().map(|mut row| {
                row.line += lines_before;
                row
            }));
        self.lines.extend(other.lines.into_iter().map(|mut line| {
            line.stands_at += lines_before;
            line.sale = line.sale.map(|sale| sale + n_sales);
            line
        }));
        self.tally.join(other.tally);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn days_that_share_a_place_are_counted_apart() {
        let mut days = Days::default();
        for day in [0, 512, 0, -512, 5, 5, -1] {
            days.note(day);
        }
        let expected = BTreeMap::from([(-512, 1), (-1, 1), (0, 2), (5, 2), (512, 1)]);
        assert_eq!(days.all(), expected);
    }
}
