//! Rows to line items: each is counted, ignored by a rule, or rejected, and nothing else. Nothing disappears.

mod count;
mod when;

use std::borrow::Cow;
use std::collections::HashSet;

use chrono_tz::Tz;

use super::cells::{self, NoQuantity};
use super::error::SalesError;
use super::facts::{self, Facts, OrderCells};
use super::goods::{Catalog, Place, Shelf};
use super::harvest::{Days, Harvest, Map, Sink};
use super::moment::NoMoment;
use super::overlap::Beside;
use super::packed;
use super::profile::{DayOrder, Decimal};
use super::records::{Broken, Rows};
use super::shape::Shape;
use super::zones::Zones;
use when::When;
pub(super) use when::joined;

/// Rows between two words to whoever watches.
const ROWS_PER_WORD: u64 = 1 << 16;
/// Bytes of a time up to its hour: `2026-11-01T05:`.
const HOUR_BYTES: usize = 14;
/// What stands for bytes that could not be decoded.
const REPLACED: &[u8] = "\u{fffd}".as_bytes();
/// Seconds of a day.
const DAY_S: i64 = 86_400;
/// Most channels of one run; more is a column that is none.
const CHANNELS_MAX: usize = 60_000;

/// What rows are read against, whatever the file.
#[derive(Debug)]
pub(super) struct Terms<'a> {
    pub(super) catalog: &'a Catalog,
    pub(super) tz: Option<Tz>,
    pub(super) decimal: Option<Decimal>,
    pub(super) dates: Option<DayOrder>,
    /// The day of totals, in seconds of the wall clock.
    pub(super) day_s: Option<i64>,
    /// Later times are mistakes.
    pub(super) latest_s: i64,
    /// Rows from here on are after the window.
    pub(super) end_s: Option<i64>,
    /// Whether every row is kept.
    pub(super) lines: bool,
    /// Whether item numbers stand in for empty SKUs.
    pub(super) item_as_sku: bool,
}

/// Why reading stopped before the end.
#[derive(Debug)]
pub(super) enum Stop {
    /// It cannot go on.
    Failed(SalesError),
    /// The bytes are no UTF-8.
    NotUtf8,
    /// Lines end with a lone CR, too.
    LoneReturn,
    /// What a cell means is told by the whole file only.
    NeedFacts,
}

/// Hears how far reading has come.
pub trait Watch: Sync {
    /// So many more bytes and rows.
    fn seen(&self, bytes: u64, rows: u64);
}

/// Reads the rows of one file, or of a part of it.
pub(super) struct Reading<'a, S> {
    shape: &'a Shape,
    beside: Beside<'a>,
    terms: &'a Terms<'a>,
    facts: Option<&'a Facts>,
    /// Cells of orders in other files, for orders that are cut across files.
    elsewhere: &'a [&'a OrderCells],
    file: u16,
    path: &'a str,
    harvest: Harvest<S>,
    shelf: Shelf,
    /// Places of the SKUs of the records at hand.
    places: Vec<Option<Place>>,
    /// Which of them the current record is.
    nth: usize,
    zones: Zones,
    /// By cell: number and hash of the channel.
    channels: Map<Box<[u8]>, (u32, u64)>,
    default_channel: (u32, u64),
    last_channel: (Vec<u8>, (u32, u64)),
    last_time: (Vec<u8>, Option<When>),
    /// The first bytes of a time in UTC up to its hour, and the seconds of that hour.
    last_hour: ([u8; HOUR_BYTES], i64),
    /// Whether orders have to be told apart.
    orders_matter: bool,
    /// Bytes that could not be decoded were replaced.
    replaced: bool,
    last_s: Option<i64>,
    once: HashSet<u64>,
    fresh: bool,
    /// Where the part of the file begins.
    begin: u64,
    /// Counted rows by day.
    days: Days,
}

/// What a row says, before it is decided whether it counts.
struct Said<'r> {
    order: &'r [u8],
    milli: Result<i64, NoQuantity>,
    when: Result<When, NoMoment>,
    channel: (u32, u64),
    sku: Place,
    note: Cow<'static, str>,
}

impl<'a, S: Sink> Reading<'a, S> {
    pub(super) fn new(
        beside: Beside<'a>,
        terms: &'a Terms<'a>,
        facts: Option<&'a Facts>,
        elsewhere: &'a [&'a OrderCells],
        (file, path): (u16, &'a str),
    ) -> Self {
        let mut harvest: Harvest<S> = Harvest::new();
        let shape = beside.shape();
        harvest.sink.file(file);
        let name = shape.profile.channel.as_str();
        let default_channel = (harvest.channels.number(name), facts::hash(name.as_bytes()));
        Self {
            shape,
            beside,
            terms,
            facts,
            elsewhere,
            file,
            path,
            harvest,
            shelf: Shelf::default(),
            places: Vec::new(),
            nth: 0,
            zones: Zones::new(&shape.profile.time, terms.tz),
            channels: Map::default(),
            default_channel,
            last_channel: (Vec::new(), default_channel),
            last_time: (Vec::new(), None),
            last_hour: ([0; HOUR_BYTES], 0),
            replaced: shape.forced || !shape.encoded.is_utf8(),
            orders_matter: S::ORDERS
                || shape.columns.order_cells.iter().any(Option::is_some)
                || shape.columns.parent.is_some(),
            last_s: None,
            once: HashSet::new(),
            fresh: true,
            begin: 0,
            days: Days::default(),
        }
    }

    /// These rows begin with this byte of their file, and are not its first ones.
    pub(super) const fn begins_at(&mut self, byte: u64) {
        self.fresh = false;
        self.begin = byte;
    }

    /// Reads all rows that begin before `end`, after so many records that are none.
    pub(super) fn read(
        mut self,
        rows: &mut impl Rows,
        n_skipped: usize,
        end: u64,
        watch: &dyn Watch,
    ) -> Result<Harvest<S>, Stop> {
        let (mut n_records, mut told) = (0_u64, 0_u64);
        while rows.bytes() < end {
            let more = match rows.advance() {
                Ok(more) => more,
                Err(Broken::OpenQuote { line }) => {
                    n_records += 1;
                    self.harvest.tally.read += 1;
                    self.reject(line, "a quote is opened in this line and never closed");
                    continue;
                }
                Err(Broken::Io(error)) => {
                    return Err(Stop::Failed(SalesError::io(self.path, &error)));
                }
                Err(Broken::NotUtf8) => return Err(Stop::NotUtf8),
                Err(Broken::LoneReturn) => return Err(Stop::LoneReturn),
            };
            if !more {
                break;
            }
            match rows.at_hand() {
                0 => self.nth += 1,
                n => self.look_ahead(rows, n),
            }
            n_records += 1;
            if n_records > n_skipped as u64 {
                self.row(rows)?;
            }
            if n_records.is_multiple_of(ROWS_PER_WORD) {
                let bytes = rows.bytes();
                watch.seen(bytes - told, ROWS_PER_WORD);
                told = bytes;
            }
        }
        watch.seen(rows.bytes().saturating_sub(told), n_records % ROWS_PER_WORD);
        self.harvest.tally.rows_by_day = self.days.all();
        let channels = &self.harvest.channels;
        self.harvest.tally.channels = self.beside.spans(|channel| channels.word(channel));
        Ok(self.harvest)
    }

    /// Looks up the SKUs of the records at hand.
    fn look_ahead(&mut self, rows: &impl Rows, n_records: usize) {
        self.nth = 0;
        let texts = |column| (0..n_records).map(move |record| rows.cell_at_hand(record, column));
        match self.shape.columns.sku {
            Some(column) => self.shelf.places(texts(column), &mut self.places),
            None => self.places.clear(),
        }
    }

    #[inline]
    fn row(&mut self, rows: &impl Rows) -> Result<(), Stop> {
        let fresh = std::mem::take(&mut self.fresh);
        if self.shape.columns.packed.is_empty() {
            let columns = &self.shape.columns;
            let sku = columns.sku.map_or(&[][..], |column| rows.cell(column));
            let quantity = columns.quantity.map_or(&[][..], |column| rows.cell(column));
            if (sku.is_empty() || quantity.is_empty() || fresh)
                && self.is_none(rows, sku, quantity, fresh)
            {
                return Ok(());
            }
            return self.item(rows, sku, quantity);
        }
        self.packed(rows)
    }

    /// Whether a record is no row at all: blank, a footer, an explanation of the columns.
    fn is_none(&self, rows: &impl Rows, sku: &[u8], quantity: &[u8], fresh: bool) -> bool {
        let layout = &self.shape.profile.layout;
        let padding = |cell: &[u8]| {
            std::str::from_utf8(cell).is_ok_and(|text| cells::trimmed(text).is_empty())
        };
        if fresh && layout.description_row && cells::number(quantity, Some(Decimal::Point)).is_err()
        {
            return true;
        }
        if !padding(sku) || !padding(quantity) {
            return false;
        }
        let junk = |cell: &[u8]| {
            let text = String::from_utf8_lossy(cell);
            layout.junk.iter().any(|junk| text.contains(junk.as_str()))
        };
        (0..rows.width()).all(|idx| padding(rows.cell(idx)))
            || junk(rows.cell(0))
            || junk(rows.cell(1))
    }

    fn packed(&mut self, rows: &impl Rows) -> Result<(), Stop> {
        if (0..rows.width()).all(|idx| rows.cell(idx).trim_ascii().is_empty()) {
            return Ok(());
        }
        let Some(kind) = self.shape.profile.layout.packed else {
            return Ok(());
        };
        let mut n_items = 0_usize;
        for &column in &self.shape.columns.packed {
            let cell = String::from_utf8_lossy(rows.cell(column));
            for item in packed::items(&cell, kind) {
                n_items += 1;
                self.item(rows, item.sku.as_bytes(), item.quantity.as_bytes())?;
            }
        }
        if n_items == 0 {
            self.item(rows, b"", b"")?;
        }
        Ok(())
    }

    /// One item: what it says, and whether it counts.
    #[inline]
    fn item(&mut self, rows: &impl Rows, sku: &[u8], quantity: &[u8]) -> Result<(), Stop> {
        let columns = &self.shape.columns;
        let mut looked_up = self.places.get(self.nth).copied().flatten();
        let sku = match columns.item {
            Some(item) if self.terms.item_as_sku && sku.trim_ascii().is_empty() => {
                looked_up = None;
                rows.cell(item)
            }
            _ => sku,
        };
        if columns.quantity.is_some_and(|idx| {
            quantity.first().is_some_and(u8::is_ascii_alphabetic)
                && columns.header.repeats(idx, quantity)
        }) {
            return Ok(());
        }
        self.harvest.tally.read += 1;
        let decimal = self.decimal();
        if self.replaced {
            self.note_replaced(rows);
        }
        let milli = match cells::quantity(quantity, decimal) {
            Err(NoQuantity::Sign) => {
                return Err(self.ask(
                    "1.000 may be one or a thousand",
                    "say --decimal point or --decimal comma",
                ));
            }
            other => other,
        };
        let order_name = if self.orders_matter {
            facts::order_name(columns, rows)
        } else {
            None
        };
        let when = self.when(rows)?;
        let channel = self.channel(rows);
        let sku_place = match looked_up {
            Some(place) if columns.packed.is_empty() => place,
            _ => self.shelf.place(
                sku,
                &self.shape.profile.sku,
                self.terms.catalog,
                &mut self.harvest.skus,
            ),
        };
        let order_cell = columns
            .order
            .iter()
            .map(|&column| rows.cell(column).trim_ascii())
            .find(|cell| !cell.is_empty());
        let mut said = Said {
            order: order_cell.unwrap_or_default(),
            milli,
            when,
            channel,
            sku: sku_place,
            note: Cow::Borrowed(""),
        };
        let rule = self.rule(rows, &said, order_name);
        if let Some(rule) = rule {
            if !rule.count {
                self.ignore(rows, &said, &rule.reason);
                return Ok(());
            }
            said.note = Cow::Owned(rule.reason.clone());
        }
        self.count(rows, said, sku, order_name);
        Ok(())
    }

    /// Counts rows with bytes that could not be decoded, where they do no harm.
    fn note_replaced(&mut self, rows: &impl Rows) {
        let columns = &self.shape.columns;
        let matters = |idx: usize| {
            Some(idx) == columns.sku
                || Some(idx) == columns.quantity
                || columns.order.contains(&idx)
        };
        let replaced = |idx: usize| memchr::memmem::find(rows.cell(idx), REPLACED).is_some();
        if (0..rows.width()).any(|idx| !matters(idx) && replaced(idx)) {
            self.harvest.tally.odd.undecodable += 1;
        }
    }

    /// A cell, or what stands in its column on the first row of its order.
    fn filled<'r>(&'r self, rows: &'r impl Rows, column: usize, order: Option<u64>) -> &'r [u8] {
        let cell = rows.cell(column).trim_ascii();
        if !cell.is_empty() {
            return cell;
        }
        let place = self
            .shape
            .columns
            .order_cells
            .iter()
            .position(|known| *known == Some(column));
        let (Some(place), Some(order)) = (place, order) else {
            return cell;
        };
        let here = self.facts.and_then(|facts| facts.cells.get(order, place));
        here.or_else(|| {
            self.elsewhere
                .iter()
                .find_map(|cells| cells.get(order, place))
        })
        .map_or(cell, str::as_bytes)
    }

    #[inline]
    fn channel(&mut self, rows: &impl Rows) -> (u32, u64) {
        // Without orders the channel is asked for by those who look at rows, and by exports of many channels.
        let Some(column) = self
            .shape
            .columns
            .channel
            .filter(|_| S::ORDERS || self.terms.lines || self.shape.profile.aggregator)
        else {
            return self.default_channel;
        };
        let cell = rows.cell(column);
        if self.last_channel.0 == cell && !cell.is_empty() {
            return self.last_channel.1;
        }
        let known = self.known_channel(cell);
        self.last_channel.0.clear();
        self.last_channel.0.extend_from_slice(cell);
        self.last_channel.1 = known;
        known
    }

    fn known_channel(&mut self, cell: &[u8]) -> (u32, u64) {
        if let Some(&known) = self.channels.get(cell) {
            return known;
        }
        let text = String::from_utf8_lossy(cell);
        let text = cells::trimmed(&text);
        let known = if text.is_empty() || self.channels.len() >= CHANNELS_MAX {
            self.default_channel
        } else {
            let lower = text.to_lowercase();
            let named = self
                .shape
                .profile
                .channels
                .iter()
                .find(|(name, _)| name.to_lowercase() == lower)
                .map_or(lower, |(_, name)| name.clone());
            (
                self.harvest.channels.number(&named),
                facts::hash(named.as_bytes()),
            )
        };
        self.channels.insert(Box::from(cell), known);
        known
    }

    fn decimal(&self) -> Option<Decimal> {
        self.terms
            .decimal
            .or(self.shape.profile.layout.decimal)
            .or(self.facts.and_then(|facts| facts.decimal))
    }

    /// Another look at the whole file, or, after that, a question to the user.
    fn ask(&self, problem: &str, hint: &str) -> Stop {
        if self.facts.is_none() {
            return Stop::NeedFacts;
        }
        Stop::Failed(SalesError::file(self.path, problem, hint))
    }
}
