//! All scenarios over all SKUs: sums per day, from which figures and their limits are taken.
//!
//! Pairs are counted exactly. Buffers are replayed from a sample of the places where the stock could have run out, spread
//! evenly over the units sold; what a buffer leaves of the overselling is the quotient of two replays of the same places, and
//! is applied to the pairs.

use std::collections::BTreeMap;

use super::replay::{Outcome, Path};
use super::scenario::{Grid, Scenario};
use super::{Order, pairs};
use crate::domain::quantity::Balance;

/// Most places of one SKU from which stockouts are replayed.
pub const PLACES_MAX: usize = 200;
/// Milliseconds of a day.
const DAY_MS: i64 = 86_400_000;

/// What is added up over stockouts, each standing for as many units sold.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub struct Replayed {
    /// What became of the stock, times the units that it stands for.
    pub outcome: Outcome,
    /// Units of stockouts at which something was oversold.
    pub hit: f64,
}

/// Sums over a part of the sales: a SKU, a tier, a day.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Sums {
    /// Units sold.
    pub units: f64,
    /// Orders.
    pub orders: f64,
    /// Blind pairs of units and of orders, by mode and latency.
    pub pairs: Vec<(f64, f64)>,
    /// Without buffers, by mode and latency.
    pub bare: Vec<Replayed>,
    /// By scenario.
    pub replayed: Vec<Replayed>,
}

/// What a scenario says, per stockout.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub struct Figures {
    /// Units oversold; a stockout comes at a random unit.
    pub units: f64,
    /// Orders oversold; a stockout comes at a random order, and every order is of one unit.
    pub orders: f64,
    /// Share of stockouts at which anything is oversold, in percent.
    pub hit_pct: f64,
    /// Units refused to buyers although they were there.
    pub lost_units: f64,
    /// Units left while no channel shows any.
    pub stranded_units: f64,
}

impl Sums {
    /// Nothing yet.
    pub fn new(grid: &Grid) -> Self {
        let n_speeds = grid.modes.len() * grid.latencies_ms.len();
        Self {
            pairs: vec![(0.0, 0.0); n_speeds],
            bare: vec![Replayed::default(); n_speeds],
            replayed: vec![Replayed::default(); n_speeds * grid.buffers.len()],
            ..Self::default()
        }
    }

    /// Adds another part.
    pub fn add(&mut self, other: &Self) {
        self.units += other.units;
        self.orders += other.orders;
        for (sum, more) in self.pairs.iter_mut().zip(&other.pairs) {
            sum.0 += more.0;
            sum.1 += more.1;
        }
        for (sum, more) in self.bare.iter_mut().zip(&other.bare) {
            sum.add(more.outcome, more.hit, 1.0);
        }
        for (sum, more) in self.replayed.iter_mut().zip(&other.replayed) {
            sum.add(more.outcome, more.hit, 1.0);
        }
    }

    /// What a scenario says, by its place in the grid. Where too few places were replayed to tell what a buffer leaves, it
    /// leaves what it leaves of `whole`, and everything if that tells nothing either.
    pub fn figures(&self, scenario_idx: usize, scenario: &Scenario, whole: &Self) -> Figures {
        let speed_idx = scenario.speed_idx;
        let (units, orders) = self.pairs.get(speed_idx).copied().unwrap_or_default();
        let left = |of: fn(&Outcome) -> f64| {
            let own = self.left(scenario_idx, speed_idx, of);
            own.or_else(|| whole.left(scenario_idx, speed_idx, of))
                .unwrap_or(1.0)
        };
        let found = self.replayed.get(scenario_idx).copied().unwrap_or_default();
        let per = |sum: f64, of: f64| if of > 0.0 { sum / of } else { 0.0 };
        Figures {
            units: per(units, self.units) * left(|outcome| outcome.oversold_units),
            orders: per(orders, self.orders) * left(|outcome| outcome.oversold_orders),
            hit_pct: 100.0 * per(found.hit, self.units),
            lost_units: per(found.outcome.lost_units, self.units),
            stranded_units: per(found.outcome.stranded_units, self.units),
        }
    }

    /// The share of the overselling that a scenario's buffer leaves.
    fn left(&self, scenario_idx: usize, speed_idx: usize, of: fn(&Outcome) -> f64) -> Option<f64> {
        let bare = of(&self.bare.get(speed_idx)?.outcome);
        let found = of(&self.replayed.get(scenario_idx)?.outcome);
        (bare > 0.0).then(|| found / bare)
    }
}

impl Replayed {
    fn add(&mut self, outcome: Outcome, hit: f64, times: f64) {
        let sum = &mut self.outcome;
        sum.oversold_units += times * outcome.oversold_units;
        sum.oversold_orders += times * outcome.oversold_orders;
        sum.lost_units += times * outcome.lost_units;
        sum.stranded_units += times * outcome.stranded_units;
        self.hit += times * hit;
    }
}

/// Sums by day, counted since 1970 in UTC. A pair belongs to the day of its later order, a stockout to that of the order at
/// which the stock runs out.
#[derive(Debug, Clone, Default)]
pub struct Days(pub BTreeMap<i64, Sums>);

impl Days {
    /// The sums of a day.
    pub fn at(&mut self, at_ms: i64, grid: &Grid) -> &mut Sums {
        self.0
            .entry(at_ms.div_euclid(DAY_MS))
            .or_insert_with(|| Sums::new(grid))
    }

    /// Adds the days of another part.
    pub fn add(&mut self, other: &Self) {
        for (day, sums) in &other.0 {
            match self.0.entry(*day) {
                std::collections::btree_map::Entry::Occupied(known) => known.into_mut().add(sums),
                std::collections::btree_map::Entry::Vacant(free) => {
                    free.insert(sums.clone());
                }
            }
        }
    }

    /// All days.
    pub fn total(&self, grid: &Grid) -> Sums {
        let mut total = Sums::new(grid);
        for sums in self.0.values() {
            total.add(sums);
        }
        total
    }
}

/// Goes through all scenarios with the orders of one SKU, adds them to the days, and tells the SKU's own sums.
///
/// `reference` is the stock that a share is taken of. `dice` gives numbers from 0 to below 1.
pub fn sku(
    orders: &[Order],
    reference: Balance,
    grid: &Grid,
    days: &mut Days,
    mut dice: impl FnMut() -> f64,
) -> Sums {
    let mut own = Sums::new(grid);
    for order in orders {
        own.units += order.units;
        own.orders += 1.0;
        let day = days.at(order.at_ms, grid);
        day.units += order.units;
        day.orders += 1.0;
    }
    count(orders, grid, days, &mut own);
    replay(orders, reference, grid, days, &mut own, &mut dice);
    own
}

fn count(orders: &[Order], grid: &Grid, days: &mut Days, own: &mut Sums) {
    let felt: Vec<f64> = grid
        .latencies_ms
        .iter()
        .map(|latency| grid.felt_ms(*latency))
        .collect();
    for (mode_idx, mode) in grid.modes.iter().enumerate() {
        let first_idx = mode_idx * felt.len();
        pairs::each(orders, *mode, &felt, |blind| {
            let later = orders.get(blind.later_idx).map_or(0, |order| order.at_ms);
            let day = days.at(later, grid);
            for sums in [day, &mut *own] {
                if let Some(sum) = sums.pairs.get_mut(first_idx + blind.latency_idx) {
                    sum.0 += blind.units;
                    sum.1 += blind.weight;
                }
            }
        });
    }
}

/// Lets the stock run out at places spread evenly over the units sold, all of them if they are few.
fn replay(
    orders: &[Order],
    reference: Balance,
    grid: &Grid,
    days: &mut Days,
    own: &mut Sums,
    dice: &mut impl FnMut() -> f64,
) {
    let first_ms = orders.first().map_or(0, |order| order.at_ms);
    let mut path = Path::new(orders, &mut *dice);
    let units = path.units();
    let n_places = places(units);
    let kept: Vec<f64> = grid
        .buffers
        .iter()
        .map(|buffer| super::millis(buffer.kept(reference)))
        .collect();
    let step = units / super::whole(n_places.max(1));
    for place in 0..n_places {
        // Whole stocks: a place lies within the unit that is sold there.
        let stock = ((super::whole(place) + dice()) * step).floor() + 1.0;
        let phase = dice();
        let at_ms = first_ms.saturating_add(super::span_ms(path.runs_out_ms(stock)));
        let day = days.at(at_ms, grid);
        for (speed_idx, speed) in grid.speeds().enumerate() {
            let bare = path.stockout(stock, &grid.terms(speed, phase, 0.0));
            for (buffer_idx, &buffer) in kept.iter().enumerate() {
                let found = if buffer > 0.0 {
                    path.stockout(stock, &grid.terms(speed, phase, buffer))
                } else {
                    bare
                };
                let scenario_idx = speed_idx * kept.len() + buffer_idx;
                for sums in [&mut *day, &mut *own] {
                    if let Some(sum) = sums.replayed.get_mut(scenario_idx) {
                        sum.add(found, hit(&found), step);
                    }
                }
            }
            for sums in [&mut *day, &mut *own] {
                if let Some(sum) = sums.bare.get_mut(speed_idx) {
                    sum.add(bare, hit(&bare), step);
                }
            }
        }
    }
}

fn hit(outcome: &Outcome) -> f64 {
    f64::from(u8::from(outcome.oversold_units > 0.0))
}

/// How many places of so many units.
#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "it is bounded on both sides"
)]
fn places(units: f64) -> usize {
    units.ceil().clamp(0.0, super::whole(PLACES_MAX)) as usize
}

/// Whether these orders can oversell at all: more than one channel sold.
pub fn mixed(orders: &[Order]) -> bool {
    let first = orders.first().map(|order| order.channel);
    orders.iter().any(|order| Some(order.channel) != first)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::buffer::BufferRule;
    use crate::domain::oversell::Mode;

    /// Numbers that look like dice and are the same each time.
    fn dice() -> impl FnMut() -> f64 {
        let mut state = 7_u32;
        move || {
            state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
            f64::from(state >> 8) / f64::from(1_u32 << 24)
        }
    }

    fn grid(buffers: &[u32]) -> Grid {
        Grid {
            modes: vec![Mode::Batch, Mode::Event],
            latencies_ms: vec![300_000, 900_000],
            buffers: buffers
                .iter()
                .map(|&units| BufferRule {
                    units,
                    basis_points: 0,
                })
                .collect(),
            peak: 1.0,
        }
    }

    /// Ten an hour over three channels, independently.
    fn steady(n_orders: usize) -> Vec<Order> {
        let mut dice = dice();
        let mut at = 0.0;
        let order = |_| {
            at -= 360_000.0 * (1.0 - dice()).ln();
            let channel = if dice() < 1.0 / 3.0 {
                0
            } else {
                1 + u16::from(dice() < 0.5)
            };
            Order {
                at_ms: crate::domain::oversell::span_ms(at),
                spread_ms: 0,
                channel,
                units: 1.0,
            }
        };
        (0..n_orders).map(order).collect()
    }

    #[test]
    fn independent_buyers_are_as_the_formula_says() {
        let grid = grid(&[0, 1, 4]);
        let scenarios = grid.scenarios();
        // Short histories of one unit per place, so that every place is replayed.
        let mut days = Days::default();
        for chunk in steady(40_000).chunks(PLACES_MAX) {
            sku(chunk, 0, &grid, &mut days, dice());
        }
        let all = days.total(&grid);
        let of = |mode, latency_ms, units| {
            let is = |scenario: &&Scenario| {
                (scenario.mode, scenario.latency_ms, scenario.buffer.units)
                    == (mode, latency_ms, units)
            };
            let idx = scenarios.iter().position(|scenario| is(&scenario)).unwrap();
            all.figures(idx, &scenarios[idx], &all)
        };
        let near = |found: f64, expected: f64, tolerance: f64| {
            assert!((found - expected).abs() < tolerance, "{found} {expected}");
        };
        near(of(Mode::Batch, 900_000, 0).units, 0.833, 0.03);
        near(of(Mode::Event, 900_000, 0).units, 1.667, 0.05);
        near(of(Mode::Batch, 300_000, 0).units, 0.278, 0.02);
        near(of(Mode::Batch, 900_000, 0).hit_pct, 57.2, 1.5);
        // The exact recursion: 0.261226 units, 0.210337 of stockouts, 0.427893 units left.
        let one = of(Mode::Batch, 900_000, 1);
        near(one.units, 0.261, 0.02);
        near(one.hit_pct, 21.0, 1.0);
        near(one.stranded_units, 0.428, 0.02);
        near(of(Mode::Batch, 900_000, 4).stranded_units, 3.168, 0.05);
        assert!(of(Mode::Event, 900_000, 4).hit_pct < 2.0);
    }

    #[test]
    fn the_sums_of_days_and_of_skus_are_one() {
        let grid = grid(&[0, 2]);
        let orders = steady(400);
        let mut days = Days::default();
        let own = sku(&orders, 0, &grid, &mut days, dice());
        let total = days.total(&grid);
        assert!(days.0.len() > 1);
        let same = |a: f64, b: f64| assert!((a - b).abs() < 1e-6 * a.abs().max(1.0), "{a} {b}");
        same(own.units, total.units);
        for (own, total) in own.pairs.iter().zip(&total.pairs) {
            same(own.0, total.0);
            same(own.1, total.1);
        }
        for (own, total) in own.replayed.iter().zip(&total.replayed) {
            same(own.outcome.oversold_units, total.outcome.oversold_units);
            same(own.hit, total.hit);
        }
        let mut twice = Days::default();
        twice.add(&days);
        twice.add(&days);
        same(twice.total(&grid).units, 2.0 * total.units);
    }

    #[test]
    fn a_peak_is_a_longer_latency() {
        let orders = steady(400);
        let figures = |peak, latency_ms| {
            let grid = Grid {
                peak,
                latencies_ms: vec![latency_ms],
                ..grid(&[0])
            };
            sku(&orders, 0, &grid, &mut Days::default(), dice())
        };
        assert_eq!(figures(3.0, 300_000), figures(1.0, 900_000));
    }

    #[test]
    fn one_channel_oversells_nothing() {
        let orders: Vec<_> = steady(100)
            .into_iter()
            .map(|order| Order {
                channel: 0,
                ..order
            })
            .collect();
        assert!(!mixed(&orders) && mixed(&steady(100)));
        let grid = grid(&[0]);
        let own = sku(&orders, 0, &grid, &mut Days::default(), dice());
        for (idx, scenario) in grid.scenarios().iter().enumerate() {
            assert_eq!(own.figures(idx, scenario, &own), Figures::default());
        }
        let none = sku(&[], 0, &grid, &mut Days::default(), dice());
        assert_eq!(none, Sums::new(&grid));
    }
}
