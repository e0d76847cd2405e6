//! Shares of a whole, exact to a millionth: drift rates, and how much of a run is believed.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

/// A share in millionths, so that no decimal is lost: `0.1%` is 1,000.
#[derive(
    Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default, Serialize, Deserialize,
)]
#[serde(transparent)]
pub struct Share(u32);

impl Share {
    /// From millionths.
    pub const fn from_millionths(millionths: u32) -> Self {
        Self(millionths)
    }

    /// In millionths.
    pub const fn millionths(self) -> u32 {
        self.0
    }

    /// `part` of `whole`, rounded up, so that what is not nothing is never 0; 0 of nothing.
    pub fn of(part: u64, whole: u64) -> Self {
        let scaled = u128::from(part).saturating_mul(1_000_000);
        let rounded = scaled.saturating_add(u128::from(whole.saturating_sub(1)));
        let share = rounded.checked_div(u128::from(whole)).unwrap_or(0);
        Self(u32::try_from(share).unwrap_or(u32::MAX))
    }
}

impl fmt::Display for Share {
    /// As percent with up to four decimals.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (whole, rest) = (self.0 / 10_000, self.0 % 10_000);
        let decimals = format!("{rest:04}");
        match decimals.trim_end_matches('0') {
            "" => write!(f, "{whole}%"),
            decimals => write!(f, "{whole}.{decimals}%"),
        }
    }
}

/// A text that is no share.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0:?} is not a share; hint: write it like \"1%\" or \"0.1%\", from 0% to 100%")]
pub struct NotAShare(pub String);

impl FromStr for Share {
    type Err = NotAShare;
    fn from_str(text: &str) -> Result<Self, NotAShare> {
        let refused = || NotAShare(text.to_owned());
        let number = text.trim().strip_suffix('%').ok_or_else(refused)?.trim();
        let (whole, decimals) = number.split_once('.').unwrap_or((number, ""));
        let digits = |part: &str| part.bytes().all(|byte| byte.is_ascii_digit());
        if whole.is_empty() || decimals.len() > 4 || !digits(whole) || !digits(decimals) {
            return Err(refused());
        }
        let millionths: u64 = format!("{whole}{decimals:0<4}")
            .parse()
            .map_err(|_| refused())?;
        u32::try_from(millionths)
            .ok()
            .filter(|millionths| *millionths <= 1_000_000)
            .map(Self)
            .ok_or_else(refused)
    }
}
