//! Rows to line items: each is counted, ignored by a rule, or rejected, and nothing else. Nothing disappears.

use std::borrow::Cow;
use std::collections::HashSet;

use chrono_tz::Tz;

use super::cells::{self, MILLI, NoQuantity};
use super::columns::{Asked, BoundRule};
use super::error::SalesError;
use super::facts::{self, Direction, Facts, OrderCells};
use super::goods::{Catalog, Goods, Place, Shelf};
use super::harvest::{Harvest, Map, NO_HOUR, Rejected, Sale, Sink};
use super::lines::Line;
use super::moment::{self, Moment, NoMoment, Resolution};
use super::packed;
use super::profile::{DayOrder, Decimal};
use super::records::{Broken, Rows};
use super::shape::Shape;
use super::zone::Wall;
use super::zones::Zones;

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
    terms: &'a Terms<'a>,
    facts: Option<&'a Facts>,
    /// Cells of orders in other files, for orders that are cut across files.
    elsewhere: &'a [&'a OrderCells],
    file: u16,
    path: &'a str,
    harvest: Harvest<S>,
    shelf: Shelf,
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
    /// The day of the last counted row, and how many rows of it are not in the tally yet.
    fresh_rows: (i32, u64),
}

/// A time, understood.
#[derive(Debug, Clone, Copy)]
struct When {
    utc_s: i64,
    hour: i32,
    /// Seconds of the wall clock at which the day begins, if only that is known.
    day_s: Option<i64>,
    day_hours: u8,
    resolution: Resolution,
    note: &'static str,
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
        shape: &'a Shape,
        terms: &'a Terms<'a>,
        facts: Option<&'a Facts>,
        elsewhere: &'a [&'a OrderCells],
        (file, path): (u16, &'a str),
    ) -> Self {
        let mut harvest: Harvest<S> = Harvest::new();
        harvest.sink.file(file);
        let name = shape.profile.channel.as_str();
        let default_channel = (harvest.channels.number(name), facts::hash(name.as_bytes()));
        Self {
            shape,
            terms,
            facts,
            elsewhere,
            file,
            path,
            harvest,
            shelf: Shelf::default(),
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
            fresh_rows: (0, 0),
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
        let fresh_rows = self.fresh_rows;
        self.harvest.tally.note_day(fresh_rows);
        Ok(self.harvest)
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
        let sku = match columns.item {
            Some(item) if self.terms.item_as_sku && sku.trim_ascii().is_empty() => rows.cell(item),
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
        let sku_place = self.shelf.place(
            sku,
            &self.shape.profile.sku,
            self.terms.catalog,
            &mut self.harvest.skus,
        );
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

    /// The row passed all rules: it counts unless a cell of it cannot.
    fn count(&mut self, rows: &impl Rows, mut said: Said<'_>, sku: &[u8], order_name: Option<u64>) {
        if self.is_kit(sku, order_name) {
            return self.ignore(rows, &said, "kit_parent");
        }
        if said.sku.one.is_none() {
            match self.shelf.goods(said.sku) {
                Goods::Empty if matches!(said.milli, Err(NoQuantity::Empty)) => {
                    return self.ignore(rows, &said, "no_item");
                }
                Goods::Empty => return self.ignore(rows, &said, "empty_sku"),
                Goods::Damaged { says, .. } => {
                    let says = says.clone();
                    return self.refuse(rows, &said, says);
                }
                Goods::One(_) | Goods::Bundle { .. } => {}
            }
        }
        let milli = match said.milli {
            Ok(milli) if milli < 0 => return self.ignore(rows, &said, "return"),
            Ok(0) => return self.ignore(rows, &said, "zero_quantity"),
            Ok(milli) => milli,
            Err(why) => return self.refuse(rows, &said, no_quantity(why).to_owned()),
        };
        let Ok(when) = said.when else {
            return self.refuse(rows, &said, self.no_time(rows));
        };
        if when.utc_s > self.terms.latest_s {
            return self.refuse(rows, &said, "the time is in the future".to_owned());
        }
        if self.replaced && memchr::memmem::find(said.order, REPLACED).is_some() {
            return self.refuse(
                rows,
                &said,
                "the order holds bytes that the file's encoding does not know".to_owned(),
            );
        }
        if self.is_repeated(rows) {
            return self.ignore(rows, &said, "duplicate");
        }
        let numeric = self
            .shape
            .columns
            .sku
            .is_some_and(|column| rows.is_number(column));
        self.harvest.tally.odd.numeric_skus += u64::from(numeric);
        if said.note.is_empty() && numeric {
            said.note = Cow::Borrowed("sku_numeric_cell_leading_zeros_lost?");
        }
        if said.note.is_empty() {
            said.note = Cow::Borrowed(when.note);
        }
        if self.terms.end_s.is_some_and(|end_s| when.utc_s >= end_s) {
            return self.ignore(rows, &said, "outside_window");
        }
        self.sell(rows, &said, when, milli, order_name);
    }

    #[inline]
    fn sell(
        &mut self,
        rows: &impl Rows,
        said: &Said<'_>,
        when: When,
        milli: i64,
        order_name: Option<u64>,
    ) {
        let tally = &mut self.harvest.tally;
        tally.counted += 1;
        tally.odd.fractions += u64::from(milli % MILLI != 0);
        see_time(tally, when);
        let day = when.hour.div_euclid(24);
        if self.fresh_rows.0 == day {
            self.fresh_rows.1 += 1;
        } else {
            tally.note_day(std::mem::replace(&mut self.fresh_rows, (day, 1)));
        }
        if self.terms.lines {
            self.line(rows, said, true, &said.note.clone());
        }
        let order = if S::ORDERS {
            self.order_key(rows, said, order_name)
        } else {
            0
        };
        let line = match self
            .shape
            .columns
            .line
            .filter(|_| S::ORDERS)
            .map(|column| rows.cell(column).trim_ascii())
        {
            Some(cell) if !cell.is_empty() && cell != b"0" => short_hash(cell),
            _ => 0,
        };
        let mut sale = Sale {
            order,
            line,
            sku: 0,
            channel: said.channel.0,
            hour: when.hour,
            second: if S::SECONDS {
                u16::try_from(when.utc_s.rem_euclid(3_600)).unwrap_or(0)
            } else {
                0
            },
            milli: u32::try_from(milli).unwrap_or(u32::MAX),
            day_hours: when.day_hours,
            further: false,
        };
        if let Some(sku) = said.sku.one {
            sale.sku = sku;
            return self.harvest.sink.sale(sale);
        }
        match self.shelf.goods(said.sku) {
            Goods::One(sku) => {
                sale.sku = *sku;
                self.harvest.sink.sale(sale);
            }
            Goods::Bundle { parts, .. } => {
                for (sku, units) in parts {
                    sale.sku = *sku;
                    sale.milli = u32::try_from(milli * i64::from(*units)).unwrap_or(u32::MAX);
                    self.harvest.sink.sale(sale);
                    sale.further = true;
                }
            }
            Goods::Empty | Goods::Damaged { .. } => {}
        }
    }

    /// What tells this order from all others.
    fn order_key(&self, rows: &impl Rows, said: &Said<'_>, order_name: Option<u64>) -> u64 {
        let Some(name) = order_name else {
            // Without a name each row is an order of its own.
            let place = [rows.line().to_le_bytes(), self.begin.to_le_bytes()];
            return facts::hash(place.as_flattened()) ^ facts::hash(self.path.as_bytes());
        };
        let key = self
            .shape
            .columns
            .key
            .map(|column| self.filled(rows, column, order_name));
        let name = match key {
            Some(key) if !key.is_empty() => facts::hash(key),
            _ => name,
        };
        name ^ said.channel.1
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

    /// The first rule that holds.
    #[inline]
    fn rule(&self, rows: &impl Rows, said: &Said<'_>, order: Option<u64>) -> Option<&'a BoundRule> {
        let shape: &'a Shape = self.shape;
        shape.columns.rules.iter().find(|rule| {
            rule.when.iter().all(|condition| match condition.asked {
                Asked::Column(column) => condition.of(self.filled(rows, column, order)),
                Asked::Order => condition.of(said.order),
                Asked::Sku if said.sku.one.is_some() && condition.only_filled.is_some() => {
                    condition.only_filled == Some(true)
                }
                Asked::Sku => condition.of(self.sku_text(said.sku).as_bytes()),
                #[expect(clippy::cast_precision_loss, reason = "compared with small bounds")]
                Asked::Quantity => said
                    .milli
                    .is_ok_and(|milli| condition.bounds(milli as f64 / 1_000.0)),
            })
        })
    }

    fn sku_text(&self, place: Place) -> &str {
        match self.shelf.goods(place) {
            Goods::Empty => "",
            Goods::One(name) | Goods::Bundle { name, .. } => self.harvest.skus.word(*name),
            Goods::Damaged { text, .. } => text,
        }
    }

    fn is_kit(&self, sku: &[u8], order: Option<u64>) -> bool {
        self.facts.is_some_and(|facts| {
            !facts.parents.is_empty()
                && facts
                    .parents
                    .contains(&facts::parent_key(order.unwrap_or(0), sku))
        })
    }

    /// Whether a row repeats one of this file in every column that makes a line what it is.
    fn is_repeated(&mut self, rows: &impl Rows) -> bool {
        let once = &self.shape.columns.once;
        if once.is_empty() {
            return false;
        }
        let key = once
            .iter()
            .enumerate()
            .fold(0, |key: u64, (place, &column)| {
                let place = u32::try_from(place).unwrap_or(0);
                key ^ facts::hash(rows.cell(column).trim_ascii()).rotate_left(place * 7)
            });
        !self.once.insert(key)
    }

    #[inline]
    fn channel(&mut self, rows: &impl Rows) -> (u32, u64) {
        // Without orders the channel is asked for by those who look at rows only.
        let Some(column) = self
            .shape
            .columns
            .channel
            .filter(|_| S::ORDERS || self.terms.lines)
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

    #[inline]
    fn when(&mut self, rows: &impl Rows) -> Result<Result<When, NoMoment>, Stop> {
        let columns = &self.shape.columns;
        let Some(column) = columns.time else {
            return self.day_total();
        };
        let mut cell = rows.cell(column);
        let first_row;
        if cell.is_empty() && self.orders_matter {
            first_row = self
                .filled(rows, column, facts::order_name(columns, rows))
                .to_vec();
            cell = &first_row;
        }
        let alone = columns.clock.is_none() && columns.zone.is_none();
        if alone && let Some(when) = self.same_hour(cell) {
            return Ok(Ok(when));
        }
        if alone
            && self.last_time.0 == cell
            && let Some(when) = self.last_time.1
        {
            return Ok(Ok(when));
        }
        let moment = match moment::iso(cell) {
            Some(moment) if columns.clock.is_none() => Ok(moment),
            _ => self.written(rows, column, cell)?,
        };
        let moment = match moment {
            Ok(moment) => moment,
            Err(why) => return Ok(Err(why)),
        };
        let when = self.instant(moment, columns.zone.map(|column| rows.cell(column)))?;
        if let (true, Some(0), Some(hour)) = (alone, moment.offset_s, cell.first_chunk()) {
            self.last_hour = (*hour, when.utc_s.div_euclid(3_600) * 3_600);
        }
        if alone && when.note.is_empty() {
            self.last_time.0.clear();
            self.last_time.0.extend_from_slice(cell);
            self.last_time.1 = Some(when);
        }
        Ok(Ok(when))
    }

    /// A time such as `2026-11-01T05:30:00Z` in the hour of the last one: most rows of an export.
    #[inline]
    fn same_hour(&mut self, cell: &[u8]) -> Option<When> {
        let (hour, rest) = cell.split_first_chunk::<HOUR_BYTES>()?;
        let &[m1, m2, b':', s1, s2, b'Z'] = rest else {
            return None;
        };
        if *hour != self.last_hour.0 || self.shape.profile.time.posted {
            return None;
        }
        let digit = |byte: u8| Some(i64::from(byte.wrapping_sub(b'0'))).filter(|digit| *digit < 10);
        let (minute, second) = (digit(m1)? * 10 + digit(m2)?, digit(s1)? * 10 + digit(s2)?);
        if minute > 59 || second > 59 {
            return None;
        }
        let utc_s = self.last_hour.1 + minute * 60 + second;
        self.last_s = Some(utc_s);
        Some(When {
            utc_s,
            hour: hour_of(self.last_hour.1),
            day_s: None,
            day_hours: 0,
            resolution: Resolution::Second,
            note: "",
        })
    }

    /// A time in any form.
    fn written(
        &self,
        rows: &impl Rows,
        column: usize,
        cell: &[u8],
    ) -> Result<Result<Moment, NoMoment>, Stop> {
        let cell = String::from_utf8_lossy(cell);
        let date = cells::trimmed(&cell);
        if rows.is_number(column)
            && let Some(moment) = date.parse().ok().and_then(moment::from_serial)
        {
            return Ok(Ok(moment));
        }
        let text = joined(
            date,
            self.shape.columns.clock.map(|column| rows.cell(column)),
        );
        let order = self
            .facts
            .and_then(|facts| facts.order(self.shape, self.terms));
        let by_clock = || {
            let upper = text.to_ascii_uppercase();
            if upper.ends_with("AM") || upper.ends_with("PM") {
                DayOrder::MonthFirst
            } else {
                DayOrder::DayFirst
            }
        };
        match moment::any(&text, order) {
            Err(NoMoment::Order) if self.facts.is_none() => Err(Stop::NeedFacts),
            Err(NoMoment::Order) if self.shape.profile.time.by_clock => {
                Ok(moment::any(&text, Some(by_clock())))
            }
            Err(NoMoment::Order) => {
                let disagree = self.facts.is_some_and(|facts| facts.dates_disagree);
                let says = if disagree {
                    "some of its dates have the day first and some the month"
                } else {
                    "its dates can be read with the day or the month first"
                };
                Err(self.ask(says, "say --dates day-first or --dates month-first"))
            }
            other => Ok(other),
        }
    }

    /// The instant or the day of a written time.
    #[inline]
    fn instant(&mut self, moment: Moment, zone_cell: Option<&[u8]>) -> Result<When, Stop> {
        let posted = self.shape.profile.time.posted;
        if moment.resolution == Resolution::Day {
            let resolution = if posted {
                Resolution::Posted
            } else {
                Resolution::Day
            };
            return Ok(self.day(moment.wall_s, zone_cell, resolution));
        }
        let (utc_s, note) = match moment.offset_s {
            Some(offset_s) => (moment.wall_s - i64::from(offset_s), ""),
            None => self.local(moment.wall_s, zone_cell)?,
        };
        self.last_s = Some(utc_s);
        if posted {
            let wall_s = self
                .zones
                .of(zone_cell)
                .map_or(utc_s, |zone| zone.wall(utc_s));
            let day = self.day(
                wall_s.div_euclid(DAY_S) * DAY_S,
                zone_cell,
                Resolution::Posted,
            );
            return Ok(When {
                utc_s,
                day_s: None,
                ..day
            });
        }
        Ok(When {
            utc_s,
            hour: hour_of(utc_s),
            day_s: None,
            day_hours: 0,
            resolution: moment.resolution,
            note,
        })
    }

    fn local(
        &mut self,
        wall_s: i64,
        zone_cell: Option<&[u8]>,
    ) -> Result<(i64, &'static str), Stop> {
        let Some(zone) = self.zones.of(zone_cell) else {
            let hint = "say the shop's zone, such as --tz Europe/London";
            return Err(Stop::Failed(SalesError::file(
                self.path,
                "its times have no zone",
                hint,
            )));
        };
        let wall = zone.utc(wall_s);
        let direction = match (wall, self.facts) {
            (Wall::Twice(..), None) => return Err(Stop::NeedFacts),
            (_, Some(facts)) => facts.direction,
            (_, None) => Direction::Mixed,
        };
        let (utc_s, twice) = facts::chosen(wall, self.last_s, direction);
        let note = if twice {
            self.harvest.tally.odd.ambiguous += 1;
            "ambiguous_local_time"
        } else if matches!(wall, Wall::Never(_)) {
            self.harvest.tally.odd.missing += 1;
            "nonexistent_local_time"
        } else {
            ""
        };
        Ok((utc_s, note))
    }

    /// A local day. Without a zone it is taken as a day in UTC.
    fn day(&mut self, wall_s: i64, zone_cell: Option<&[u8]>, resolution: Resolution) -> When {
        let begin = |zone: Option<&mut super::zone::Zone>, wall_s: i64| match zone
            .map(|zone| zone.utc(wall_s))
        {
            None => wall_s,
            Some(Wall::Once(at) | Wall::Twice(at, _) | Wall::Never(at)) => at,
        };
        let utc_s = begin(self.zones.of(zone_cell), wall_s);
        let next_s = begin(self.zones.of(zone_cell), wall_s + DAY_S);
        When {
            utc_s,
            hour: hour_of(utc_s),
            day_s: Some(wall_s),
            day_hours: u8::try_from((next_s - utc_s) / 3_600).unwrap_or(24),
            resolution,
            note: "",
        }
    }

    fn day_total(&mut self) -> Result<Result<When, NoMoment>, Stop> {
        match self.terms.day_s {
            Some(day_s) => Ok(Ok(self.day(day_s, None, Resolution::Day))),
            None => Err(Stop::Failed(SalesError::file(
                self.path,
                format!("a {} does not say its day", self.shape.profile.about),
                "say it, such as --date 2026-11-25",
            ))),
        }
    }

    fn no_time(&self, rows: &impl Rows) -> String {
        let column = self.shape.columns.time.unwrap_or_default();
        let text = String::from_utf8_lossy(rows.cell(column)).into_owned();
        if cells::trimmed(&text).is_empty() {
            "the time is empty".to_owned()
        } else {
            format!("{:?} is no time", short(&text))
        }
    }

    fn ignore(&mut self, rows: &impl Rows, said: &Said<'_>, reason: &str) {
        let number = self.harvest.reasons.number(reason);
        let hour = said.when.map_or(NO_HOUR, |when| when.hour);
        if let Ok(when) = said.when {
            see_time(&mut self.harvest.tally, when);
        }
        let sum = self.harvest.ignored.entry((number, hour)).or_default();
        sum.0 += 1;
        sum.1 += said.milli.unwrap_or(0);
        if self.terms.lines {
            self.line(rows, said, false, reason);
        }
    }

    fn refuse(&mut self, rows: &impl Rows, said: &Said<'_>, reason: String) {
        if self.terms.lines {
            self.line(rows, said, false, &reason);
        }
        self.reject(rows.line(), reason);
    }

    fn reject(&mut self, line: u64, reason: impl Into<String>) {
        self.harvest.tally.rejected += 1;
        self.harvest.rejected.push(Rejected {
            file: self.file,
            line,
            reason: reason.into(),
        });
    }

    fn line(&mut self, rows: &impl Rows, said: &Said<'_>, counted: bool, reason: &str) {
        let channel_cell = self
            .shape
            .columns
            .channel
            .map(|column| rows.cell(column).trim_ascii());
        // A row that does not count is not given a channel that it does not name.
        let nowhere = !counted && channel_cell.is_some_and(<[u8]>::is_empty);
        let channel = if nowhere {
            ""
        } else {
            self.harvest.channels.word(said.channel.0)
        };
        let line = Line {
            file: self.file,
            stands_at: rows.line(),
            order: String::from_utf8_lossy(said.order).into_owned(),
            sku: self.sku_text(said.sku).to_owned(),
            milli: said.milli.ok(),
            at: said.when.ok().map(shown),
            hour: said.when.map_or(NO_HOUR, |when| when.hour),
            resolution: said.when.map_or(Resolution::None, |when| when.resolution),
            channel: channel.to_owned(),
            counted,
            reason: reason.to_owned(),
            sale: counted.then(|| self.harvest.sink.len()),
        };
        self.harvest.lines.push(line);
    }
}

fn see_time(tally: &mut super::harvest::FileTally, when: When) {
    // A day may have sold until its end.
    let last_s = if when.day_s.is_some() {
        when.utc_s + i64::from(when.day_hours) * 3_600 - 1
    } else {
        when.utc_s
    };
    tally.first_s = Some(
        tally
            .first_s
            .map_or(when.utc_s, |first| first.min(when.utc_s)),
    );
    tally.last_s = Some(tally.last_s.map_or(last_s, |last| last.max(last_s)));
    if !tally.resolutions.contains(&when.resolution) {
        tally.resolutions.push(when.resolution);
    }
}

/// Date and clock as one text.
pub(super) fn joined<'t>(date: &'t str, clock: Option<&[u8]>) -> Cow<'t, str> {
    let clock = clock.map(String::from_utf8_lossy);
    match clock.as_deref().map(cells::trimmed) {
        None | Some("") => Cow::Borrowed(date),
        Some(clock) => Cow::Owned(format!("{} {clock}", cells::trimmed(date))),
    }
}

fn hour_of(utc_s: i64) -> i32 {
    i32::try_from(utc_s.div_euclid(3_600)).unwrap_or(i32::MAX)
}

fn shown(when: When) -> String {
    let format = if when.day_s.is_some() {
        "%Y-%m-%d"
    } else {
        "%Y-%m-%dT%H:%M:%SZ"
    };
    let seconds = when.day_s.unwrap_or(when.utc_s);
    chrono::DateTime::from_timestamp(seconds, 0)
        .map_or_else(String::new, |at| at.format(format).to_string())
}

/// A hash that is never 0.
fn short_hash(cell: &[u8]) -> u32 {
    let [_, _, _, _, a, b, c, d] = facts::hash(cell).to_le_bytes();
    u32::from_le_bytes([a, b, c, d]) | 1
}

fn short(text: &str) -> String {
    text.chars().take(40).collect()
}

const fn no_quantity(why: NoQuantity) -> &'static str {
    match why {
        NoQuantity::Empty => "the quantity is empty",
        NoQuantity::TooMany => "the quantity is larger than four million: that is another column",
        NoQuantity::Sign | NoQuantity::Not => "the quantity is no number",
    }
}
