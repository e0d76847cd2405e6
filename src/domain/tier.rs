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
