//! Balances per SKU and location, and the entries that move them.
//!
//! `available = on_hand − committed − set_aside` may be negative and is never clamped in the books (rule R16): the units
//! owed are a fact. Every change is an entry with its cause, so that a replay from empty gives the stored balances.

use serde::{Deserialize, Serialize};

use super::booking::Here;
use super::bundle::Need;
use super::clock::Timestamp;
use super::ids::{ChannelId, DocumentId, LineId, LocationId, OrderId, Sku};
use super::quantity::Balance;
use super::receipt::Condition;

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

/// One row of the books.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct StockEntry {
    /// Which goods.
    pub sku: Sku,
    /// Where.
    pub location: LocationId,
    /// The differences.
    pub movement: Movement,
    /// When it took effect.
    pub at: Timestamp,
    /// What caused it.
    pub cause: Cause,
}

/// Why an entry was made.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", tag = "kind")]
pub enum Cause {
    /// An order line changed.
    Order {
        /// The channel.
        channel: ChannelId,
        /// Its order.
        order: OrderId,
        /// Its line.
        line: LineId,
    },
    /// An opening stock, a count or a set-to-N: stored as an observation.
    Count {
        /// What was counted.
        counted: Balance,
        /// What was counted on.
        basis: Basis,
        /// Units there that are not for sale, if the count says so.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        set_aside: Option<Balance>,
        /// Who or what says so.
        by: String,
    },
    /// A movement that took effect before a count, or an older count, came late: the newer count had seen it already, so
    /// its variance changes, at its time, and the balance does not (rule R47).
    SeenByCount {
        /// When the count was.
        counted_at: Timestamp,
    },
    /// A person changed it by a difference.
    Adjustment {
        /// Why.
        reason: String,
        /// Who.
        by: String,
    },
    /// Goods went from one place of ours to another.
    Transfer {
        /// Which transfer.
        transfer: DocumentId,
        /// Who or what says so.
        by: String,
    },
    /// Goods were ordered, or an order of goods was changed.
    Purchase {
        /// Which purchase order.
        purchase: DocumentId,
        /// Who or what says so.
        by: String,
    },
    /// Goods arrived: bought, or returned by a buyer.
    Receipt {
        /// The number of the receipt.
        reference: DocumentId,
        /// The purchase order that they were expected by.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        purchase: Option<DocumentId>,
        /// In which condition.
        condition: Condition,
        /// Who or what says so.
        by: String,
    },
    /// Units are kept for something.
    Hold {
        /// Which hold.
        hold: DocumentId,
        /// What for.
        reason: String,
        /// Until when, if that is said.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        until: Option<Timestamp>,
        /// Who or what says so.
        by: String,
    },
    /// Units are not kept any more.
    Release {
        /// Which hold.
        hold: DocumentId,
        /// Its time had come.
        expired: bool,
        /// Who or what says so.
        by: String,
    },
    /// An order that was not paid in time promises nothing any more.
    Lapse {
        /// The channel.
        channel: ChannelId,
        /// Its order.
        order: OrderId,
        /// Its line.
        line: LineId,
    },
    /// An order line turned out to be other goods than it was booked as.
    Rebooking {
        /// The channel.
        channel: ChannelId,
        /// Its order.
        order: OrderId,
        /// Its line.
        line: LineId,
    },
}

impl Cause {
    /// The order line that it concerns, if it does.
    pub fn line(&self) -> Option<(&ChannelId, &OrderId, &LineId)> {
        match self {
            Self::Order {
                channel,
                order,
                line,
            }
            | Self::Lapse {
                channel,
                order,
                line,
            }
            | Self::Rebooking {
                channel,
                order,
                line,
            } => Some((channel, order, line)),
            Self::Count { .. }
            | Self::SeenByCount { .. }
            | Self::Adjustment { .. }
            | Self::Transfer { .. }
            | Self::Purchase { .. }
            | Self::Receipt { .. }
            | Self::Hold { .. }
            | Self::Release { .. } => None,
        }
    }

    /// In words, for people.
    pub fn words(&self) -> String {
        match self {
            Self::Order { order, line, .. } => format!("order {order}, line {line}"),
            Self::Lapse { order, line, .. } => {
                format!("order {order}, line {line}, was not paid in time")
            }
            Self::Rebooking { order, line, .. } => {
                format!("order {order}, line {line}, was mapped to other goods")
            }
            Self::Count { counted, by, .. } => format!("counted {counted} by {by}"),
            Self::SeenByCount { counted_at } => {
                format!("the count of {counted_at} had seen it already")
            }
            Self::Adjustment { reason, by } => format!("{reason}, by {by}"),
            Self::Transfer { transfer, by } => format!("transfer {transfer}, by {by}"),
            Self::Purchase { purchase, by } => format!("purchase order {purchase}, by {by}"),
            Self::Receipt {
                reference,
                purchase,
                condition,
                by,
            } => {
                let of = purchase
                    .as_ref()
                    .map_or_else(String::new, |id| format!(" of purchase order {id}"));
                let state = match condition {
                    Condition::Sellable => "",
                    Condition::Damaged => ", damaged",
                    Condition::Inspect => ", to be inspected",
                };
                format!("receipt {reference}{of}{state}, by {by}")
            }
            Self::Hold {
                hold,
                reason,
                until,
                by,
            } => {
                let end = until.map_or_else(String::new, |at| format!(" until {at}"));
                format!("hold {hold} for {reason}{end}, by {by}")
            }
            Self::Release {
                hold,
                expired: true,
                ..
            } => format!("hold {hold} ended"),
            Self::Release { hold, by, .. } => format!("hold {hold} released, by {by}"),
        }
    }
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
mod tests {
    use super::*;
    use crate::domain::order::LineTarget;

    fn target(committed: u32, shipped: u32, returned: u32) -> Here {
        Here {
            taken: 0,
            target: LineTarget {
                committed,
                shipped,
                returned,
                taken_by_channel: 0,
            },
            damaged: 0,
        }
    }

    #[track_caller]
    fn check(now: Here, baseline: Option<(Here, Basis)>, on_hand: i64, committed: i64) {
        let movement = effect(now, baseline, 1).unwrap();
        assert_eq!(
            (movement.on_hand, movement.committed),
            (on_hand, committed),
            "{now:?} {baseline:?}"
        );
    }

    #[test]
    fn an_order_line_promises_ships_and_returns() {
        check(target(4, 0, 0), None, 0, 4);
        check(target(0, 4, 0), None, -4, 0);
        check(target(0, 4, 1), None, -3, 0);
        // 100 in stock, order of 10, ship 3, cancel 3, credit 5 with restock: 4 were never shipped, 1 comes back.
        check(target(0, 3, 1), None, -2, 0);
    }

    #[test]
    fn shipping_changes_nothing_that_is_for_sale() {
        let stock = Balances {
            on_hand: 50,
            ..Balances::default()
        };
        let open = stock
            .after(effect(target(4, 0, 0), None, 1).unwrap())
            .unwrap();
        let shipped = stock
            .after(effect(target(0, 4, 0), None, 1).unwrap())
            .unwrap();
        assert_eq!((open.available(), shipped.available()), (46, 46));
    }

    #[test]
    fn what_a_count_holds_is_not_taken_again() {
        // Placed before the count and still open: promised, the shelf is not touched.
        check(
            target(3, 0, 0),
            Some((target(3, 0, 0), Basis::OnHand)),
            0,
            3,
        );
        // Shipped before the count: nothing.
        check(
            target(0, 3, 0),
            Some((target(0, 3, 0), Basis::OnHand)),
            0,
            0,
        );
        // Open at the count, shipped since: leaves the shelf.
        check(
            target(0, 3, 0),
            Some((target(3, 0, 0), Basis::OnHand)),
            -3,
            0,
        );
        // Shipped before, come back since: goes onto the shelf.
        check(
            target(0, 3, 2),
            Some((target(0, 3, 0), Basis::OnHand)),
            2,
            0,
        );
    }

    #[test]
    fn a_count_of_what_was_for_sale_leaves_the_sale_out_of_available() {
        let counted = Balances {
            on_hand: 10,
            ..Balances::default()
        };
        for (now, available) in [
            (target(3, 0, 0), 10),
            (target(0, 3, 0), 10),
            (target(0, 0, 0), 13),
        ] {
            let movement = effect(now, Some((target(3, 0, 0), Basis::Available)), 1).unwrap();
            let after = counted.after(movement).unwrap();
            assert_eq!(after.available(), available, "{now:?}");
        }
    }

    #[test]
    fn numbers_beyond_range_are_errors() {
        let full = Balances {
            on_hand: i64::MAX,
            ..Balances::default()
        };
        assert_eq!(
            full.after(Movement {
                on_hand: 1,
                ..Movement::default()
            }),
            Err(Overflow)
        );
        assert!(effect(target(u32::MAX, 0, 0), None, u32::MAX).is_err());
    }
}
