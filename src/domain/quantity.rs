//! Whole units: what is shown or moved is never negative, what is in the books may be.

use std::fmt;

use serde::{Deserialize, Serialize};

/// Most units that a listing may show: the limit of the largest platform (Shopify, `INVALID_QUANTITY_TOO_HIGH`).
pub const QUANTITY_MAX: u32 = 1_000_000_000;

/// Units that are shown to buyers or moved, 0 to [`QUANTITY_MAX`].
#[derive(
    Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default, Serialize, Deserialize,
)]
#[serde(try_from = "i64", into = "i64")]
pub struct Quantity(u32);

/// A number that is not a quantity.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("{0} is not a quantity between 0 and {QUANTITY_MAX}")]
pub struct NotAQuantity(pub i64);

impl Quantity {
    /// Nothing.
    pub const ZERO: Self = Self(0);

    /// So many units.
    ///
    /// # Errors
    /// [`NotAQuantity`] below 0 or above [`QUANTITY_MAX`].
    pub fn new(units: i64) -> Result<Self, NotAQuantity> {
        match u32::try_from(units) {
            Ok(units) if units <= QUANTITY_MAX => Ok(Self(units)),
            _ => Err(NotAQuantity(units)),
        }
    }

    /// The nearest quantity: 0 for what is negative, [`QUANTITY_MAX`] for what is too large.
    pub fn clamped(units: i64) -> Self {
        Self(u32::try_from(units.clamp(0, i64::from(QUANTITY_MAX))).unwrap_or(QUANTITY_MAX))
    }

    /// The number of units.
    pub const fn units(self) -> u32 {
        self.0
    }
}

impl From<Quantity> for i64 {
    fn from(quantity: Quantity) -> Self {
        Self::from(quantity.0)
    }
}

impl TryFrom<i64> for Quantity {
    type Error = NotAQuantity;
    fn try_from(units: i64) -> Result<Self, NotAQuantity> {
        Self::new(units)
    }
}

impl fmt::Display for Quantity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// Units in the books; negative means oversold, and is never clamped there (rule R16).
pub type Balance = i64;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_quantity_has_bounds() {
        assert_eq!(Quantity::new(0).unwrap().units(), 0);
        assert_eq!(Quantity::new(1_000_000_000).unwrap().units(), QUANTITY_MAX);
        assert_eq!(Quantity::new(-1), Err(NotAQuantity(-1)));
        assert!(Quantity::new(1_000_000_001).is_err());
        assert_eq!(Quantity::clamped(-7), Quantity::ZERO);
        assert_eq!(Quantity::clamped(i64::MAX).units(), QUANTITY_MAX);
        assert!(serde_json::from_str::<Quantity>("-1").is_err());
    }
}
