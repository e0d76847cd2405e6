//! What only the whole file tells: cells that stand on the first row of an order, which number of a date is the day, which
//! sign is before decimals, whether rows are in the order of time, which rows are kits.

use std::collections::HashSet;
use std::hash::BuildHasher;

use foldhash::quality::FixedState;

use super::cells::{self, Vote};
use super::columns::Columns;
use super::harvest::{Map, Words};
use super::moment::{self, NoMoment};
use super::profile::{DayOrder, Decimal};
use super::records::{Broken, Rows};
use super::rows::Terms;
use super::shape::Shape;
use super::zone::{Wall, Zone};
use super::zones::Zones;

/// A fixed hash of good quality: orders are told apart by it.
pub(super) fn hash(bytes: &[u8]) -> u64 {
    FixedState::default().hash_one(bytes)
}

/// In which way times go through a file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Direction {
    /// Oldest first.
    Forward,
    /// Newest first.
    Backward,
    /// Neither.
    Mixed,
}

/// Cells that stand on the first row of an order.
#[derive(Debug, Default)]
pub(super) struct OrderCells {
    /// By hash of the order's name: words, one per column.
    by_order: Map<u64, Box<[u32]>>,
    words: Words,
}

impl OrderCells {
    /// The filled cell of an order in this column, by its place among the order's columns.
    pub(super) fn get(&self, order: u64, place: usize) -> Option<&str> {
        let word = self.by_order.get(&order)?.get(place)?;
        Some(self.words.word(*word)).filter(|text| !text.is_empty())
    }

    fn note(&mut self, order: u64, columns: &Columns, rows: &impl Rows) {
        let empty = self.words.number("");
        let n = columns.order_cells.len();
        let known = self
            .by_order
            .entry(order)
            .or_insert_with(|| vec![empty; n].into_boxed_slice());
        for (slot, column) in known.iter_mut().zip(&columns.order_cells) {
            let Some(column) = column.filter(|_| *slot == empty) else {
                continue;
            };
            let cell = String::from_utf8_lossy(rows.cell(column));
            let text = cells::trimmed(&cell);
            if !text.is_empty() {
                *slot = self.words.number(text);
            }
        }
    }
}

/// What the whole file told.
#[derive(Debug)]
pub(super) struct Facts {
    pub(super) cells: OrderCells,
    /// Kits: hashes of order and SKU text.
    pub(super) parents: HashSet<u64>,
    pub(super) dates: Option<DayOrder>,
    /// Dates contradict each other.
    pub(super) dates_disagree: bool,
    pub(super) decimal: Option<Decimal>,
    pub(super) direction: Direction,
}

/// A row of a kit's part names the kit; both are of one order.
pub(super) fn parent_key(order: u64, sku: &[u8]) -> u64 {
    let text = String::from_utf8_lossy(sku);
    order ^ hash(cells::trimmed(&text).as_bytes()).rotate_left(17)
}

/// The name of a row's order, hashed.
pub(super) fn order_name(columns: &Columns, rows: &impl Rows) -> Option<u64> {
    columns
        .order
        .iter()
        .map(|&column| rows.cell(column).trim_ascii())
        .find(|cell| !cell.is_empty())
        .map(hash)
}

/// Reads all rows for what they tell together.
///
/// # Errors
/// If the bytes cannot be read.
pub(super) fn survey(
    shape: &Shape,
    terms: &Terms<'_>,
    rows: &mut impl Rows,
) -> Result<Facts, Broken> {
    let columns = &shape.columns;
    let (mut cells, mut parents) = (OrderCells::default(), HashSet::new());
    let (mut dates, mut decimals) = (DateVotes::default(), DecimalVotes::default());
    let mut paths = Paths::new(shape, terms);
    let mut n_passed = 0;
    loop {
        match rows.advance() {
            Ok(true) => {}
            Ok(false) => break,
            Err(Broken::OpenQuote { .. }) => {
                n_passed += 1;
                continue;
            }
            Err(other) => return Err(other),
        }
        n_passed += 1;
        if n_passed <= shape.n_skipped {
            continue;
        }
        let order = order_name(columns, rows);
        if let Some(order) = order.filter(|_| !columns.order_cells.is_empty()) {
            cells.note(order, columns, rows);
        }
        if let Some(parent) = columns
            .parent
            .map(|column| rows.cell(column))
            .filter(|p| !p.trim_ascii().is_empty())
        {
            parents.insert(parent_key(order.unwrap_or(0), parent));
        }
        for column in [columns.price, columns.quantity].into_iter().flatten() {
            decimals.see(rows.cell(column));
        }
        if let Some(time) = columns.time {
            let text = String::from_utf8_lossy(rows.cell(time));
            dates.see(&text);
            let clock = columns.clock.map(|column| rows.cell(column));
            paths.see(
                &super::rows::joined(&text, clock),
                columns.zone.map(|column| rows.cell(column)),
            );
        }
    }
    let order = dates.order();
    Ok(Facts {
        cells,
        parents,
        dates: order,
        dates_disagree: dates.day_first && dates.month_first,
        decimal: decimals.decimal(),
        direction: paths.direction(order.or(shape.profile.time.order)),
    })
}

/// What dates of numbers say of their order.
#[derive(Debug, Default)]
struct DateVotes {
    day_first: bool,
    month_first: bool,
    half_days: bool,
}

impl DateVotes {
    fn see(&mut self, text: &str) {
        if let Some(((first, second), half_days)) = moment::numbers(text) {
            self.day_first |= first > 12;
            self.month_first |= second > 12;
            self.half_days |= half_days;
        }
    }

    fn order(&self) -> Option<DayOrder> {
        match (self.day_first, self.month_first) {
            (true, false) => Some(DayOrder::DayFirst),
            (false, true) => Some(DayOrder::MonthFirst),
            _ => None,
        }
    }
}

impl Facts {
    /// Which comes first in a date, from what the file tells, the user, the profile.
    pub(super) fn order(&self, shape: &Shape, terms: &Terms<'_>) -> Option<DayOrder> {
        let times = &shape.profile.time;
        self.dates.or(terms.dates).or(times.order)
    }
}

/// What numbers say of the decimal sign.
#[derive(Debug, Default)]
struct DecimalVotes {
    point: bool,
    comma: bool,
}

impl DecimalVotes {
    fn see(&mut self, cell: &[u8]) {
        let text = String::from_utf8_lossy(cell);
        match cells::vote(cells::trimmed(&text)) {
            Vote::For(Decimal::Point) => self.point = true,
            Vote::For(Decimal::Comma) => self.comma = true,
            Vote::Nothing | Vote::Either => {}
        }
    }

    fn decimal(&self) -> Option<Decimal> {
        match (self.point, self.comma) {
            (true, false) => Some(Decimal::Point),
            (false, true) => Some(Decimal::Comma),
            _ => None,
        }
    }
}

/// Follows the times of a file both ways, for each order that its dates may have.
struct Paths {
    zones: Zones,
    ways: [(DayOrder, Path, Path); 2],
}

#[derive(Debug, Clone, Copy)]
struct Path {
    last: Option<i64>,
    unbroken: bool,
}

impl Paths {
    fn new(shape: &Shape, terms: &Terms<'_>) -> Self {
        let path = Path {
            last: None,
            unbroken: true,
        };
        Self {
            zones: Zones::new(&shape.profile.time, terms.tz),
            ways: [
                (DayOrder::DayFirst, path, path),
                (DayOrder::MonthFirst, path, path),
            ],
        }
    }

    fn see(&mut self, text: &str, zone_cell: Option<&[u8]>) {
        for (order, forward, backward) in &mut self.ways {
            if !forward.unbroken && !backward.unbroken {
                continue;
            }
            let moment = match moment::any(text, Some(*order)) {
                Ok(moment) => moment,
                Err(NoMoment::Not | NoMoment::Order) => continue,
            };
            let wall = match (moment.offset_s, self.zones.of(zone_cell)) {
                (Some(offset_s), _) => Wall::Once(moment.wall_s - i64::from(offset_s)),
                (None, Some(zone)) => zone.utc(moment.wall_s),
                (None, None) => Wall::Once(moment.wall_s),
            };
            forward.step(wall, true);
            backward.step(wall, false);
        }
    }

    fn direction(&self, order: Option<DayOrder>) -> Direction {
        let [first, second] = &self.ways;
        let (_, forward, backward) = if order == Some(DayOrder::MonthFirst) {
            second
        } else {
            first
        };
        match (forward.unbroken, backward.unbroken) {
            (true, _) => Direction::Forward,
            (false, true) => Direction::Backward,
            (false, false) => Direction::Mixed,
        }
    }
}

impl Path {
    fn step(&mut self, wall: Wall, forward: bool) {
        let at = chosen(
            wall,
            self.last,
            if forward {
                Direction::Forward
            } else {
                Direction::Backward
            },
        )
        .0;
        if let Some(last) = self.last {
            self.unbroken &= if forward { at >= last } else { at <= last };
        }
        self.last = Some(at);
    }
}

/// The instant of a wall clock: of two, the one that keeps the file's order, else the first. Also, whether it was one of
/// two.
pub(super) fn chosen(wall: Wall, last: Option<i64>, direction: Direction) -> (i64, bool) {
    match wall {
        Wall::Once(at) | Wall::Never(at) => (at, false),
        Wall::Twice(early, late) => {
            let at = match (direction, last) {
                (Direction::Forward, Some(last)) if early < last && late >= last => late,
                (Direction::Backward, Some(last)) if late <= last && last - late < 7_200 => late,
                _ => early,
            };
            (at, true)
        }
    }
}

/// The zone that a file's rows are in, for what is shown.
pub(super) fn shown_zone(shape: &Shape, terms: &Terms<'_>) -> Option<Zone> {
    Zones::new(&shape.profile.time, terms.tz).of(None).cloned()
}
