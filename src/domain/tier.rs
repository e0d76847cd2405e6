//! Velocity tiers: how fast a SKU sells in peak hours over all channels.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

/// A sells 10 or more units an hour in peak hours, B 2 to below 10, C below 2 (rule R83: no gaps between the bounds).
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub enum Tier {
    /// Fast: real time.
    A,
    /// Moderate: short batches.
    B,
    /// Slow: long batches.
    C,
}

impl Tier {
    /// The words in files, with what they mean.
    pub const WORDS: [(&'static str, Self); 3] = [("A", Self::A), ("B", Self::B), ("C", Self::C)];

    /// The tier of a peak, in units an hour.
    pub fn of_peak(peak: f64) -> Self {
        if peak >= Self::A.least_peak() {
            Self::A
        } else if peak >= Self::B.least_peak() {
            Self::B
        } else {
            Self::C
        }
    }

    /// The least peak of this tier, in units an hour.
    pub const fn least_peak(self) -> f64 {
        match self {
            Self::A => 10.0,
            Self::B => 2.0,
            Self::C => 0.0,
        }
    }

    /// One letter.
    pub const fn letter(self) -> &'static str {
        match self {
            Self::A => "A",
            Self::B => "B",
            Self::C => "C",
        }
    }
}

impl fmt::Display for Tier {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.letter())
    }
}

/// Share of a tier's bound that a peak has to stay below before the SKU goes down.
const DEMOTION_SHARE_PCT: f64 = 80.0;
/// Times in a row that it has to be below, each a later window.
pub const DEMOTION_TIMES: u32 = 3;

/// The tier that the store keeps of a SKU.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Kept {
    /// The tier.
    pub tier: Tier,
    /// Windows in a row in which it was measured below the tier's lower bound.
    pub below: u32,
}

impl Kept {
    /// What is kept after a later window: up at once, down only after [`DEMOTION_TIMES`] windows below four fifths of the
    /// bound, else a SKU near a bound goes up and down with chance (rule R87). `trusted` is false if the end of the export
    /// looks incomplete: nothing goes down on that.
    #[must_use]
    pub fn after(self, measured: Tier, peak: f64, trusted: bool) -> Self {
        let stays = Self {
            tier: self.tier,
            below: 0,
        };
        if measured <= self.tier {
            return Self {
                tier: measured,
                below: 0,
            };
        }
        #[expect(clippy::float_arithmetic, reason = "a share of a bound")]
        let lower = self.tier.least_peak() * DEMOTION_SHARE_PCT / 100.0;
        if peak >= lower {
            return stays;
        }
        if !trusted {
            return self;
        }
        let below = self.below.saturating_add(1);
        if below >= DEMOTION_TIMES {
            Self {
                tier: measured,
                below: 0,
            }
        } else {
            Self { below, ..self }
        }
    }
}

/// A text that is no tier.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{0}` is not a tier; hint: A, B or C")]
pub struct NotATier(pub String);

impl FromStr for Tier {
    type Err = NotATier;
    fn from_str(text: &str) -> Result<Self, NotATier> {
        match text {
            "A" | "a" => Ok(Self::A),
            "B" | "b" => Ok(Self::B),
            "C" | "c" => Ok(Self::C),
            _ => Err(NotATier(text.to_owned())),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bounds_leave_no_gap() {
        for (peak, tier) in [
            (0.0, Tier::C),
            (1.999, Tier::C),
            (2.0, Tier::B),
            (9.5, Tier::B),
            (10.0, Tier::A),
            (1e6, Tier::A),
        ] {
            assert_eq!(Tier::of_peak(peak), tier, "{peak}");
        }
    }

    #[test]
    fn up_at_once_and_down_after_three_windows() {
        let kept = |tier, below| Kept { tier, below };
        for (before, measured, peak, trusted, after) in [
            (kept(Tier::B, 2), Tier::A, 12.0, true, kept(Tier::A, 0)),
            (kept(Tier::A, 2), Tier::A, 12.0, true, kept(Tier::A, 0)),
            (kept(Tier::A, 0), Tier::B, 7.9, true, kept(Tier::A, 1)),
            (kept(Tier::A, 1), Tier::B, 7.9, true, kept(Tier::A, 2)),
            (kept(Tier::A, 2), Tier::B, 7.9, true, kept(Tier::B, 0)),
            (kept(Tier::A, 2), Tier::C, 0.1, true, kept(Tier::C, 0)),
            // Between 8 and 10 it stays, and the count begins anew.
            (kept(Tier::A, 2), Tier::B, 8.0, true, kept(Tier::A, 0)),
            // The end of the export is missing: no evidence.
            (kept(Tier::A, 2), Tier::C, 0.0, false, kept(Tier::A, 2)),
        ] {
            assert_eq!(
                before.after(measured, peak, trusted),
                after,
                "{before:?} {measured}"
            );
        }
    }
}
