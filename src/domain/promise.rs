//! What may be sold that is not on the shelf: backorders up to a cap, goods that are made to order, goods that nobody
//! counts (rules R19 and R20).
//!
//! Nothing here is without a bound: "continue selling" is a number, or what was ordered from suppliers, or what can be
//! made in a day.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

use super::clock::Timestamp;
use super::ids::Sku;
use super::quantity::{Balance, QUANTITY_MAX};

/// A day, in ms.
const DAY_MS: i64 = 86_400_000;
/// An hour, in ms.
const HOUR_MS: i64 = 3_600_000;

/// How many units may be owed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Backorder {
    /// So many.
    Units(u32),
    /// As many as are on their way.
    Incoming,
}

impl Backorder {
    /// The cap, with so many units on their way.
    pub fn cap(self, incoming: Balance) -> u32 {
        match self {
            Self::Units(units) => units,
            Self::Incoming => {
                u32::try_from(incoming.clamp(0, i64::from(QUANTITY_MAX))).unwrap_or(QUANTITY_MAX)
            }
        }
    }
}

impl FromStr for Backorder {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        if text == "incoming" {
            return Ok(Self::Incoming);
        }
        match text.parse::<u32>() {
            Ok(units) if units <= QUANTITY_MAX => Ok(Self::Units(units)),
            _ => Err(format!(
                "{text:?} is no cap; write a number of units, or \"incoming\""
            )),
        }
    }
}

impl fmt::Display for Backorder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Units(units) => units.fmt(f),
            Self::Incoming => f.write_str("incoming"),
        }
    }
}

/// What the seller promises beyond the shelf.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Promises {
    /// Units that may be owed of a SKU.
    pub backorder: BTreeMap<Sku, Backorder>,
    /// Units of a SKU that can be made in a day.
    pub daily: BTreeMap<Sku, u32>,
    /// Goods that nobody counts: never sent, never missing.
    pub untracked: BTreeSet<Sku>,
    /// The hour, in UTC, at which a day of making begins.
    pub day_starts_utc: u8,
}

impl Promises {
    /// Whether stock of it is counted.
    pub fn tracks(&self, sku: &Sku) -> bool {
        !self.untracked.contains(sku)
    }

    /// Units of it that may be owed, with so many on their way.
    pub fn cap(&self, sku: &Sku, incoming: Balance) -> u32 {
        self.backorder
            .get(sku)
            .map_or(0, |backorder| backorder.cap(incoming))
    }

    /// When the day of making that `now` is in began, and when it ends.
    pub fn day(&self, now: Timestamp) -> (Timestamp, Timestamp) {
        let shift = i64::from(self.day_starts_utc).saturating_mul(HOUR_MS);
        let days = now.plus(shift.saturating_neg()).millis().div_euclid(DAY_MS);
        let start = Timestamp::from_millis(days.saturating_mul(DAY_MS).saturating_add(shift));
        (start, start.plus(DAY_MS))
    }
}

/// What of today's making was sold: what was ordered today beyond what lay on the shelf at the start of the day.
///
/// `available` is what is available now, `ordered` by how much orders of today lowered it.
pub fn eaten(available: Balance, ordered: Balance) -> Balance {
    let shelf = available.saturating_add(ordered).max(0);
    ordered.saturating_sub(shelf).max(0)
}

/// Units that can still be made today.
pub fn capacity_left(daily: u32, available: Balance, ordered: Balance) -> Balance {
    i64::from(daily)
        .saturating_sub(eaten(available, ordered))
        .clamp(0, i64::from(daily))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn r19_a_cap_is_a_number_or_what_is_on_its_way() {
        assert_eq!("5".parse(), Ok(Backorder::Units(5)));
        assert_eq!("incoming".parse(), Ok(Backorder::Incoming));
        for text in ["", "-1", "yes", "4294967295", "1.5"] {
            assert!(text.parse::<Backorder>().is_err(), "{text}");
        }
        assert_eq!(Backorder::Incoming.cap(40), 40);
        assert_eq!(Backorder::Incoming.cap(-1), 0);
    }

    #[test]
    fn r19_what_is_made_to_order_is_bounded_by_the_day() {
        // Nothing on the shelf; 3 of 10 ordered today; 7 from days before are being made.
        assert_eq!(capacity_left(10, -10, 3), 7);
        // 4 on the shelf in the morning, 3 ordered: the shelf gave them.
        assert_eq!(capacity_left(10, 1, 3), 10);
        // 4 on the shelf in the morning, 6 ordered: 2 have to be made.
        assert_eq!(capacity_left(10, -2, 6), 8);
        assert_eq!(capacity_left(10, -30, 30), 0);
        assert_eq!(
            capacity_left(10, 5, -2),
            10,
            "a cancelled order of yesterday"
        );
    }

    #[test]
    fn a_day_begins_when_the_seller_says() {
        let at = |text| Timestamp::parse(text).unwrap();
        let day = |hour, now| {
            let promises = Promises {
                day_starts_utc: hour,
                ..Promises::default()
            };
            promises.day(at(now))
        };
        assert_eq!(
            day(0, "2026-11-25T03:00:00Z"),
            (at("2026-11-25T00:00:00Z"), at("2026-11-26T00:00:00Z"))
        );
        assert_eq!(day(5, "2026-11-25T03:00:00Z").0, at("2026-11-24T05:00:00Z"));
        assert_eq!(day(5, "2026-11-25T05:00:00Z").0, at("2026-11-25T05:00:00Z"));
    }
}
