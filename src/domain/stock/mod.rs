//! Balances per SKU and location, and the entries that move them.
//!
//! `available = on_hand − committed − set_aside` may be negative and is never clamped in the books (rule R16): the units
//! owed are a fact. Every change is an entry with its cause, so that a replay from empty gives the stored balances.

mod cause;

pub use cause::{Cause, StockEntry};
use serde::{Deserialize, Serialize};

use super::booking::Here;
use super::bundle::Need;
use super::clock::Timestamp;
use super::ids::LocationId;
use super::quantity::Balance;

/// What one SKU holds at one location.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default, Serialize, Deserialize)]
pub struct Balances {
    /// Physically there.
    pub on_hand: Balance,
    /// Promised to orders and not shipped.
    pub committed: Balance,
    /// There and not for sale: damaged, on hold, kept for drafts.
    pub set_aside: Balance,
    /// On its way; never part of what is there.
    pub incoming: Balance,
}

impl Balances {
    /// What may be promised: negative when oversold.
    pub fn available(self) -> Balance {
        self.on_hand
            .saturating_sub(self.committed)
            .saturating_sub(self.set_aside)
    }

    /// These balances after a movement.
    ///
    /// # Errors
    /// [`Overflow`] if a number leaves the range of 64 bits; nothing wraps.
    pub fn after(self, moved: Movement) -> Result<Self, Overflow> {
        let add = |a: Balance, b: Balance| a.checked_add(b).ok_or(Overflow);
        Ok(Self {
            on_hand: add(self.on_hand, moved.on_hand)?,
            committed: add(self.committed, moved.committed)?,
            set_aside: add(self.set_aside, moved.set_aside)?,
            incoming: add(self.incoming, moved.incoming)?,
        })
    }
}

/// A balance would leave the range of 64 bits.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("a balance would be larger than can be counted")]
pub struct Overflow;

/// The differences that one entry makes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default, Serialize, Deserialize)]
pub struct Movement {
    /// To what is there.
    pub on_hand: Balance,
    /// To what is promised.
    pub committed: Balance,
    /// To what is kept aside.
    pub set_aside: Balance,
    /// To what is on its way.
    pub incoming: Balance,
}

impl Movement {
    /// Whether it moves nothing.
    pub fn is_nothing(self) -> bool {
        self == Self::default()
    }

    /// The difference that turns `old` into `new`.
    ///
    /// # Errors
    /// [`Overflow`] if it does not fit.
    pub fn between(old: Self, new: Self) -> Result<Self, Overflow> {
        let sub = |a: Balance, b: Balance| a.checked_sub(b).ok_or(Overflow);
        Ok(Self {
            on_hand: sub(new.on_hand, old.on_hand)?,
            committed: sub(new.committed, old.committed)?,
            set_aside: sub(new.set_aside, old.set_aside)?,
            incoming: sub(new.incoming, old.incoming)?,
        })
    }

    /// Both together.
    ///
    /// # Errors
    /// [`Overflow`] if it does not fit.
    pub fn and(self, more: Self) -> Result<Self, Overflow> {
        let add = |a: Balance, b: Balance| a.checked_add(b).ok_or(Overflow);
        Ok(Self {
            on_hand: add(self.on_hand, more.on_hand)?,
            committed: add(self.committed, more.committed)?,
            set_aside: add(self.set_aside, more.set_aside)?,
            incoming: add(self.incoming, more.incoming)?,
        })
    }

    /// So many times.
    ///
    /// # Errors
    /// [`Overflow`] if it does not fit.
    pub fn times(self, factor: u32) -> Result<Self, Overflow> {
        let mul = |a: Balance| a.checked_mul(i64::from(factor)).ok_or(Overflow);
        Ok(Self {
            on_hand: mul(self.on_hand)?,
            committed: mul(self.committed)?,
            set_aside: mul(self.set_aside)?,
            incoming: mul(self.incoming)?,
        })
    }
}

/// What a count counted.
#[derive(
    Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default, Serialize, Deserialize,
)]
#[serde(rename_all = "snake_case")]
pub enum Basis {
    /// What is physically there, promised units included.
    #[default]
    OnHand,
    /// What was still for sale, promised units excluded.
    Available,
}

/// An opening stock or a count: an observation at a time (rule R47).
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Count {
    /// When it was true.
    pub at: Timestamp,
    /// What was counted.
    pub basis: Basis,
}

/// What takes the effect of a late movement back out of what counts saw, at the times of those counts; nothing if it took
/// effect after them. Of two counts of one time, the later word corrects the earlier one.
///
/// A count of what is on hand saw what came and left; a count of what is for sale saw what was promised, too. `aside_at` is
/// when somebody last said how many units are set aside; holds are no part of what they counted.
pub fn seen_by_count(
    entry: &StockEntry,
    count: Option<Count>,
    aside_at: Option<Timestamp>,
) -> Vec<StockEntry> {
    let is_count = matches!(entry.cause, Cause::Count { .. });
    let is_hold = matches!(entry.cause, Cause::Hold { .. } | Cause::Release { .. });
    let mut moved = entry.movement;
    let mut found = Vec::new();
    let mut seen = |movement: Movement, at: Timestamp| {
        if !movement.is_nothing() {
            found.push(StockEntry {
                movement,
                at,
                cause: Cause::SeenByCount { counted_at: at },
                ..entry.clone()
            });
        }
    };
    if let Some(at) = aside_at.filter(|at| entry.at <= *at && !is_count && !is_hold) {
        let set_aside = moved.set_aside.saturating_neg();
        moved.set_aside = 0;
        seen(
            Movement {
                set_aside,
                ..Movement::default()
            },
            at,
        );
    }
    let corrects = |count: &Count| is_count && entry.at == count.at;
    if let Some(Count { at, basis }) =
        count.filter(|count| entry.at <= count.at && !corrects(count))
    {
        let on_hand = match basis {
            Basis::OnHand => moved.on_hand,
            Basis::Available => moved
                .on_hand
                .saturating_sub(moved.committed)
                .saturating_sub(moved.set_aside),
        };
        seen(
            Movement {
                on_hand: on_hand.saturating_neg(),
                ..Movement::default()
            },
            at,
        );
    }
    found
}

/// What one order line did to the books of one place, per unit of each SKU that it needs.
///
/// `now` and `baseline` are in units of the listing. With a baseline (the order was placed before the count), what had
/// been shipped or put back by then is in the count already, so only the differences move `on_hand`. If the count was of
/// *available*, the units promised by then were left out of it: they are physically there, so they are added to
/// `on_hand` and to `committed` alike, without effect on what is for sale.
///
/// # Errors
/// [`Overflow`] if it does not fit.
pub fn effect(
    now: Here,
    baseline: Option<(Here, Basis)>,
    units: u32,
) -> Result<Movement, Overflow> {
    let (before, opened) = match baseline {
        None => (Here::default(), 0),
        Some((before, Basis::OnHand)) => (before, 0),
        Some((before, Basis::Available)) => (before, i64::from(before.target.committed)),
    };
    let grown =
        |part: fn(&Here) -> u32| i64::from(part(&now)).saturating_sub(i64::from(part(&before)));
    let (shipped, returned) = (
        grown(|here| here.target.shipped),
        grown(|here| here.target.returned),
    );
    Movement {
        on_hand: returned.saturating_sub(shipped).saturating_add(opened),
        committed: i64::from(now.target.committed),
        set_aside: grown(|here| here.damaged),
        ..Movement::default()
    }
    .times(units)
}

/// The entries that turn what a line did before into what it should do now: the differences, and nothing if they agree.
///
/// `old` and `new` are movements per SKU in the order of `needs`.
///
/// # Errors
/// [`Overflow`] if a difference does not fit.
pub fn entries(
    needs: &[Need],
    location: &LocationId,
    old: &[Movement],
    new: &[Movement],
    at: Timestamp,
    cause: &Cause,
) -> Result<Vec<StockEntry>, Overflow> {
    let mut entries = Vec::new();
    for (index, need) in needs.iter().enumerate() {
        let before = old.get(index).copied().unwrap_or_default();
        let after = new.get(index).copied().unwrap_or_default();
        let movement = Movement::between(before, after)?;
        if !movement.is_nothing() {
            entries.push(StockEntry {
                sku: need.sku.clone(),
                location: location.clone(),
                movement,
                at,
                cause: cause.clone(),
            });
        }
    }
    Ok(entries)
}

#[cfg(test)]
mod tests;
