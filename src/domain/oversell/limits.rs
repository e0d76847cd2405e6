//! How far chance could have moved a figure: days are drawn again, with repetition, and the figure is taken from each draw.
//!
//! Days stay whole, for what is oversold comes in clusters: a sale day is one event, however many orders it has.

use super::scenario::Grid;
use super::study::{Days, Sums};

/// Draws of days.
pub const DRAWS: usize = 1_000;

/// 95 % limits of one scenario.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Limits {
    /// Of units oversold per stockout.
    pub units: (f64, f64),
    /// Of orders oversold per stockout.
    pub orders: (f64, f64),
}

/// The limits of each scenario. `dice` gives numbers from 0 to below 1.
///
/// From one day nothing can be told: both limits are the figure.
pub fn limits(days: &Days, grid: &Grid, mut dice: impl FnMut() -> f64) -> Vec<Limits> {
    let scenarios = grid.scenarios();
    let days: Vec<&Sums> = days.0.values().collect();
    let mut drawn: Vec<(Vec<f64>, Vec<f64>)> = vec![(Vec::new(), Vec::new()); scenarios.len()];
    for _ in 0..DRAWS {
        let mut sums = Sums::new(grid);
        for _ in 0..days.len() {
            let idx = place(dice(), days.len());
            if let Some(day) = days.get(idx) {
                sums.add(day);
            }
        }
        for ((idx, scenario), (units, orders)) in scenarios.iter().enumerate().zip(&mut drawn) {
            let figures = sums.figures(idx, scenario, &sums);
            units.push(figures.units);
            orders.push(figures.orders);
        }
    }
    drawn
        .into_iter()
        .map(|(units, orders)| Limits {
            units: middle(units),
            orders: middle(orders),
        })
        .collect()
}

/// Between which 95 % of the draws lie.
fn middle(mut values: Vec<f64>) -> (f64, f64) {
    values.sort_by(f64::total_cmp);
    let at = |share: f64| {
        let idx = place(share, values.len());
        values.get(idx).copied().unwrap_or(0.0)
    };
    (at(0.025), at(0.975))
}

#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "a share of a count"
)]
fn place(share: f64, count: usize) -> usize {
    (share * super::whole(count)).floor().max(0.0) as usize
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::buffer::BufferRule;
    use crate::domain::oversell::Mode;

    fn grid() -> Grid {
        Grid {
            modes: vec![Mode::Event],
            latencies_ms: vec![1_000],
            buffers: vec![BufferRule::NONE],
            peak: 1.0,
        }
    }

    fn days(pairs: &[f64]) -> Days {
        let mut days = Days::default();
        for (day, pairs) in (0..).zip(pairs) {
            let sums = days.at(day * 86_400_000, &grid());
            (sums.units, sums.orders) = (10.0, 10.0);
            sums.pairs = vec![(*pairs, *pairs)];
        }
        days
    }

    fn dice() -> impl FnMut() -> f64 {
        let mut state = 1_u32;
        move || {
            state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
            f64::from(state >> 8) / f64::from(1_u32 << 24)
        }
    }

    #[test]
    fn equal_days_leave_nothing_to_chance() {
        let found = limits(&days(&[5.0; 30]), &grid(), dice());
        assert_eq!(
            found,
            [Limits {
                units: (0.5, 0.5),
                orders: (0.5, 0.5)
            }]
        );
        let one = limits(&days(&[5.0]), &grid(), dice());
        assert_eq!(one, found);
        let none = limits(&Days::default(), &grid(), dice());
        assert_eq!(none[0].units, (0.0, 0.0));
    }

    #[test]
    fn the_limits_are_those_of_a_mean_of_days() {
        // 100 days, half of them 0 and half 10 pairs on 10 units: mean 0.5, standard error 0.05.
        let pairs: Vec<f64> = (0..100).map(|day| f64::from(day % 2) * 10.0).collect();
        let found = limits(&days(&pairs), &grid(), dice());
        let (low, high) = found[0].units;
        assert!(
            (low - 0.402).abs() < 0.02 && (high - 0.598).abs() < 0.02,
            "{low} {high}"
        );
        assert_eq!(limits(&days(&pairs), &grid(), dice()), found);
    }
}
