//! Axes: what a value is called, and where it stands.

use std::ops::Range;

use plotters::coord::ranged1d::{BoldPoints, DefaultFormatting, KeyPointHint, Ranged};
use plotters::coord::types::RangedCoordf64;

use super::plain_number;

/// Ticks of an axis that names none.
const TICKS: usize = 6;
/// What a logarithmic axis without a lower end shows below its largest value: four powers of ten.
const LOG_REACH: f64 = 1e-4;

/// An axis.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Axis {
    /// What is measured, with its unit.
    pub label: String,
    /// Whether equal steps are equal factors. Values that are not positive stand at its end.
    pub log: bool,
    /// Its least value; found from the values without it, 0 for an axis that is not logarithmic.
    pub least: Option<f64>,
    /// Its largest value; found from the values without it.
    pub most: Option<f64>,
    /// Where it is written what; found without it.
    pub ticks: Vec<(f64, String)>,
}

impl Axis {
    /// An axis from 0 on.
    pub fn new(label: impl Into<String>) -> Self {
        Self {
            label: label.into(),
            ..Self::default()
        }
    }

    /// An axis of factors.
    pub fn log(label: impl Into<String>) -> Self {
        Self {
            label: label.into(),
            log: true,
            ..Self::default()
        }
    }

    /// From here to there, whatever the values are.
    #[must_use]
    pub fn over(mut self, least: f64, most: f64) -> Self {
        (self.least, self.most) = (Some(least), Some(most));
        self
    }

    /// With these words at these values.
    #[must_use]
    pub fn with_ticks(mut self, ticks: impl IntoIterator<Item = (f64, impl Into<String>)>) -> Self {
        self.ticks = ticks
            .into_iter()
            .map(|(value, word)| (value, word.into()))
            .collect();
        self
    }

    /// The scale that holds these values.
    pub(super) fn scale(&self, values: impl Iterator<Item = f64>) -> Scale {
        let finite = values.filter(|value| value.is_finite());
        let useful = finite.filter(|value| !self.log || *value > 0.0);
        let (low, high) = useful.fold((f64::INFINITY, f64::NEG_INFINITY), |(low, high), value| {
            (low.min(value), high.max(value))
        });
        let most = self
            .most
            .unwrap_or(if high.is_finite() { high } else { 1.0 });
        let least = self.least.unwrap_or(match (self.log, low.is_finite()) {
            (false, _) => low.min(0.0),
            (true, true) => low.max(most * LOG_REACH),
            (true, false) => most * LOG_REACH,
        });
        // An axis has a length.
        let most = if most > least { most } else { least + 1.0 };
        let mut scale = Scale {
            least,
            most,
            log: self.log,
            ticks: self.ticks.clone(),
        };
        if scale.ticks.is_empty() {
            let found = if self.log {
                scale.powers()
            } else {
                RangedCoordf64::from(least..most).key_points(BoldPoints(TICKS))
            };
            scale.ticks = found
                .into_iter()
                .map(|value| (value, plain_number(value).into_owned()))
                .collect();
        }
        scale
    }
}

/// An axis with its ends.
#[derive(Debug, Clone)]
pub(super) struct Scale {
    least: f64,
    most: f64,
    log: bool,
    ticks: Vec<(f64, String)>,
}

impl Scale {
    /// Where a value stands between the ends, as a share.
    pub(super) fn share(&self, value: f64) -> f64 {
        let share = if self.log {
            let least = self.least.ln();
            (value.max(self.least).ln() - least) / (self.most.ln() - least)
        } else {
            (value - self.least) / (self.most - self.least)
        };
        if share.is_finite() {
            share.clamp(0.0, 1.0)
        } else {
            0.0
        }
    }

    /// What is written at a tick.
    pub(super) fn word(&self, value: f64) -> String {
        let at = self
            .ticks
            .iter()
            .find(|(tick, _)| tick.total_cmp(&value).is_eq());
        at.map_or(String::new(), |(_, word)| word.clone())
    }

    /// The widest of those words, in letters.
    pub(super) fn letters(&self) -> usize {
        let words = self.ticks.iter().map(|(_, word)| word.chars().count());
        words.max().unwrap_or(0)
    }

    /// Powers of ten between the ends; with 2 and 5 of each where they are few.
    fn powers(&self) -> Vec<f64> {
        let exponents = super::px(self.least.log10().floor())..=super::px(self.most.log10().ceil());
        let powers: Vec<f64> = exponents.map(|exponent| 10.0_f64.powi(exponent)).collect();
        let within = |value: &f64| (self.least..=self.most).contains(value);
        let alone: Vec<f64> = powers.iter().copied().filter(within).collect();
        if alone.len() > 2 {
            return alone;
        }
        let steps = powers
            .iter()
            .flat_map(|power| [1.0, 2.0, 5.0].map(|step| step * power));
        steps.filter(within).collect()
    }
}

impl Ranged for Scale {
    type FormatOption = DefaultFormatting;
    type ValueType = f64;

    fn map(&self, value: &f64, (from, to): (i32, i32)) -> i32 {
        super::px(f64::from(from) + self.share(*value) * f64::from(to - from))
    }

    fn key_points<Hint: KeyPointHint>(&self, hint: Hint) -> Vec<f64> {
        // The same ticks for words and grid; none between them.
        if hint.weight().allow_light_points() {
            return Vec::new();
        }
        self.ticks.iter().map(|(value, _)| *value).collect()
    }

    fn range(&self) -> Range<f64> {
        self.least..self.most
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn words(least: f64, most: f64) -> Vec<String> {
        let scale = Axis::log("").over(least, most).scale(std::iter::empty());
        scale.ticks.into_iter().map(|(_, word)| word).collect()
    }

    #[test]
    fn a_short_scale_of_factors_has_ticks_too() {
        assert_eq!(words(0.5, 8.0), ["0.5", "1", "2", "5"]);
        assert_eq!(words(0.01, 30.0), ["0.01", "0.1", "1", "10"]);
    }
}
