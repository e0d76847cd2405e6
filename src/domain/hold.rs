//! Units that are kept for something: a cart, a draft, goods to be looked at. With an end or without (rule R11).
//!
//! What is held is set aside. The end of a hold is an entry like its beginning; until that entry is made, a hold whose
//! time has come is known by its time ([`super::desired`]).

use serde::{Deserialize, Serialize};

use super::clock::Timestamp;
use super::ids::{DocumentId, LocationId, Sku};
use super::stock::{Cause, Movement, StockEntry};

/// One hold.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Hold {
    /// The goods.
    pub sku: Sku,
    /// Where they are.
    pub location: LocationId,
    /// Units that are kept.
    pub units: u32,
    /// What for.
    pub reason: String,
    /// When it ends by itself.
    pub until: Option<Timestamp>,
    /// It is over.
    pub over: bool,
}

/// Why a hold is not taken.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum HoldError {
    /// It is known with other goods or another place.
    #[error("hold {0} keeps other goods; hint: a new hold has a new name")]
    Other(DocumentId),
    /// Its end is past.
    #[error("it would end at {0}, which is past")]
    Past(Timestamp),
}

impl Hold {
    /// Whether it keeps anything at a time.
    pub fn keeps(&self, now: Timestamp) -> bool {
        !self.over && self.until.is_none_or(|until| now < until)
    }

    fn kept(&self) -> i64 {
        if self.over { 0 } else { i64::from(self.units) }
    }
}

/// A hold that is begun, or changed: more or fewer units, or a later end. The same one twice is one.
///
/// # Errors
/// [`HoldError`]
pub fn keep(
    id: &DocumentId,
    known: Option<&Hold>,
    said: Hold,
    now: Timestamp,
) -> Result<Hold, HoldError> {
    if let Some(known) = known
        && (&known.sku, &known.location) != (&said.sku, &said.location)
    {
        return Err(HoldError::Other(id.clone()));
    }
    match said.until {
        Some(until) if until <= now => Err(HoldError::Past(until)),
        Some(_) | None => Ok(said),
    }
}

/// The entry that turns one state of a hold into the next; none if it keeps as many as before.
pub fn entry(
    id: &DocumentId,
    old: Option<&Hold>,
    new: &Hold,
    at: Timestamp,
    by: &str,
) -> Option<StockEntry> {
    let set_aside = new.kept().saturating_sub(old.map_or(0, Hold::kept));
    let cause = if new.over {
        Cause::Release {
            hold: id.clone(),
            expired: new.until.is_some_and(|until| until <= at),
            by: by.to_owned(),
        }
    } else {
        Cause::Hold {
            hold: id.clone(),
            reason: new.reason.clone(),
            until: new.until,
            by: by.to_owned(),
        }
    };
    (set_aside != 0).then(|| StockEntry {
        sku: new.sku.clone(),
        location: new.location.clone(),
        movement: Movement {
            set_aside,
            ..Movement::default()
        },
        at,
        cause,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(ms: i64) -> Timestamp {
        Timestamp::from_millis(ms)
    }

    fn hold(units: u32, until: Option<i64>) -> Hold {
        Hold {
            sku: Sku::new("A").unwrap(),
            location: LocationId::new("main").unwrap(),
            units,
            reason: "cart".to_owned(),
            until: until.map(at),
            over: false,
        }
    }

    #[test]
    fn r11_a_hold_ends_by_an_entry_and_is_made_once() {
        let id = DocumentId::new("cart-1").unwrap();
        let kept = keep(&id, None, hold(2, Some(600)), at(0)).unwrap();
        let begun = entry(&id, None, &kept, at(0), "test").unwrap();
        assert_eq!(begun.movement.set_aside, 2);
        assert!(entry(&id, Some(&kept), &kept, at(5), "test").is_none());
        let longer = keep(&id, Some(&kept), hold(2, Some(4140)), at(540)).unwrap();
        assert!(entry(&id, Some(&kept), &longer, at(540), "test").is_none());
        assert!(longer.keeps(at(600)) && !longer.keeps(at(4140)));
        let mut over = longer.clone();
        over.over = true;
        let ended = entry(&id, Some(&longer), &over, at(4140), "time").unwrap();
        assert_eq!(ended.movement.set_aside, -2);
        assert!(matches!(ended.cause, Cause::Release { expired: true, .. }));
    }

    #[test]
    fn a_hold_has_a_future_and_stays_with_its_goods() {
        let id = DocumentId::new("cart-1").unwrap();
        assert!(keep(&id, None, hold(2, Some(600)), at(600)).is_err());
        let kept = keep(&id, None, hold(2, None), at(0)).unwrap();
        let mut other = hold(2, None);
        other.sku = Sku::new("B").unwrap();
        assert!(keep(&id, Some(&kept), other, at(0)).is_err());
    }
}
