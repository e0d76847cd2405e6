//! Goods that come in: what was ordered and is expected, and what arrived of it, in which condition (rules R9, R46).
//!
//! A purchase order adds to `incoming` and to nothing else. A receipt is known by its order, its line and its own number,
//! so that the same receipt twice is one; a return is a receipt, too, and what came back damaged is set aside.

use serde::{Deserialize, Serialize};

use super::clock::Timestamp;
use super::ids::{DocumentId, LocationId, Sku};
use super::stock::{Cause, Movement, Overflow, StockEntry};

/// What state goods came in.
#[derive(
    Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default, Serialize, Deserialize,
)]
#[serde(rename_all = "snake_case")]
pub enum Condition {
    /// For sale.
    #[default]
    Sellable,
    /// There, and not for sale.
    Damaged,
    /// There, and to be looked at first.
    Inspect,
}

impl Condition {
    /// The words for it, as people write them.
    pub const WORDS: [(&'static str, Self); 3] = [
        ("sellable", Self::Sellable),
        ("damaged", Self::Damaged),
        ("inspect", Self::Inspect),
    ];
}

/// One line of a purchase order; receipts may come before it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct PurchaseLine {
    /// The goods.
    pub sku: Sku,
    /// Where they are expected.
    pub location: LocationId,
    /// Units that were ordered; `None` until the order itself is known.
    pub ordered: Option<u32>,
    /// Units that arrived so far.
    pub received: u32,
    /// When they are expected.
    pub due: Option<Timestamp>,
}

impl PurchaseLine {
    /// Units that are still to come.
    pub fn open(&self) -> u32 {
        self.ordered
            .map_or(0, |ordered| ordered.saturating_sub(self.received))
    }
}

/// One line of a receipt.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ReceiptLine {
    /// The goods.
    pub sku: Sku,
    /// Where they arrived.
    pub location: LocationId,
    /// How many.
    pub units: u32,
    /// In which condition.
    pub condition: Condition,
}

impl ReceiptLine {
    fn effect(&self) -> Movement {
        let units = i64::from(self.units);
        Movement {
            on_hand: units,
            set_aside: match self.condition {
                Condition::Sellable => 0,
                Condition::Damaged | Condition::Inspect => units,
            },
            ..Movement::default()
        }
    }
}

/// What is taken although it is not as expected.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Leave {
    /// More than was ordered or sent.
    pub over: bool,
    /// Another number for a receipt that is known.
    pub correct: bool,
}

/// Why a receipt is not taken.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ReceiptError {
    /// It is known with other numbers.
    #[error(
        "this receipt is known with {known} at {location}; hint: a new receipt has a new number, or correct it with --correct"
    )]
    Known {
        /// Units that are known.
        known: u32,
        /// Where.
        location: LocationId,
    },
    /// It is another SKU.
    #[error("this line is known as {0}")]
    OtherSku(Sku),
    /// More than was ordered.
    #[error(
        "{received} would have arrived of {ordered} that were ordered; hint: count again, or take them with --over"
    )]
    Over {
        /// Units with this receipt.
        received: u32,
        /// Units that were ordered.
        ordered: u32,
    },
}

/// What is known after one more receipt: the receipt, and its line of the purchase order if it names one.
///
/// # Errors
/// [`ReceiptError`]
pub fn receive(
    known: Option<&ReceiptLine>,
    purchase: Option<&PurchaseLine>,
    said: &ReceiptLine,
    leave: Leave,
) -> Result<Option<PurchaseLine>, ReceiptError> {
    if let Some(known) = known {
        if known.sku != said.sku {
            return Err(ReceiptError::OtherSku(known.sku.clone()));
        }
        if known != said && !leave.correct {
            return Err(ReceiptError::Known {
                known: known.units,
                location: known.location.clone(),
            });
        }
    }
    let Some(purchase) = purchase else {
        return Ok(None);
    };
    if purchase.sku != said.sku {
        return Err(ReceiptError::OtherSku(purchase.sku.clone()));
    }
    let before = known.map_or(0, |known| known.units);
    let received = purchase
        .received
        .saturating_sub(before)
        .saturating_add(said.units);
    if let Some(ordered) = purchase.ordered
        && received > ordered
        && received > purchase.received
        && !leave.over
    {
        return Err(ReceiptError::Over { received, ordered });
    }
    Ok(Some(PurchaseLine {
        received,
        ..purchase.clone()
    }))
}

/// Entries of a receipt: what arrived, and what is no longer expected.
///
/// # Errors
/// [`Overflow`] if a number does not fit.
pub fn receipt_entries(
    old: Option<&ReceiptLine>,
    new: &ReceiptLine,
    at: Timestamp,
    cause: &Cause,
) -> Result<Vec<StockEntry>, Overflow> {
    let mut entries = Vec::new();
    let mut push = |location: &LocationId, movement: Movement| {
        if !movement.is_nothing() {
            entries.push(StockEntry {
                sku: new.sku.clone(),
                location: location.clone(),
                movement,
                at,
                cause: cause.clone(),
            });
        }
    };
    match old {
        Some(old) if old.location != new.location => {
            push(
                &old.location,
                Movement::between(old.effect(), Movement::default())?,
            );
            push(&new.location, new.effect());
        }
        _ => {
            let before = old.map(ReceiptLine::effect).unwrap_or_default();
            push(&new.location, Movement::between(before, new.effect())?);
        }
    }
    Ok(entries)
}

/// Entries of a line of a purchase order: what is expected now and was not before.
pub fn purchase_entries(
    old: Option<&PurchaseLine>,
    new: &PurchaseLine,
    at: Timestamp,
    cause: &Cause,
) -> Vec<StockEntry> {
    let entry = |location: &LocationId, incoming: i64| StockEntry {
        sku: new.sku.clone(),
        location: location.clone(),
        movement: Movement {
            incoming,
            ..Movement::default()
        },
        at,
        cause: cause.clone(),
    };
    let before = old.map_or(0, |old| i64::from(old.open()));
    let after = i64::from(new.open());
    let entries = match old {
        Some(old) if old.location != new.location => vec![
            entry(&old.location, before.saturating_neg()),
            entry(&new.location, after),
        ],
        _ => vec![entry(&new.location, after.saturating_sub(before))],
    };
    let moves = |entry: &StockEntry| !entry.movement.is_nothing();
    entries.into_iter().filter(moves).collect()
}

/// The cause of what a receipt moves.
pub fn cause(
    reference: &DocumentId,
    purchase: Option<&DocumentId>,
    condition: Condition,
    by: &str,
) -> Cause {
    Cause::Receipt {
        reference: reference.clone(),
        purchase: purchase.cloned(),
        condition,
        by: by.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn place(text: &str) -> LocationId {
        LocationId::new(text).unwrap()
    }

    fn receipt(units: u32, condition: Condition) -> ReceiptLine {
        ReceiptLine {
            sku: Sku::new("A").unwrap(),
            location: place("main"),
            units,
            condition,
        }
    }

    fn purchase(ordered: Option<u32>, received: u32) -> PurchaseLine {
        PurchaseLine {
            sku: Sku::new("A").unwrap(),
            location: place("main"),
            ordered,
            received,
            due: None,
        }
    }

    fn some_cause() -> Cause {
        cause(
            &DocumentId::new("R1").unwrap(),
            None,
            Condition::Sellable,
            "test",
        )
    }

    fn incoming(old: Option<&PurchaseLine>, new: &PurchaseLine) -> i64 {
        let found = purchase_entries(old, new, Timestamp::default(), &some_cause());
        found.iter().map(|entry| entry.movement.incoming).sum()
    }

    /// Rule R46: a purchase order adds to incoming; a receipt is one however often it is said.
    #[test]
    fn r46_what_was_ordered_is_incoming_until_it_arrives_once() {
        let ordered = purchase(Some(100), 0);
        assert_eq!(incoming(None, &ordered), 100);
        let first = receipt(60, Condition::Sellable);
        let after = receive(None, Some(&ordered), &first, Leave::default())
            .unwrap()
            .unwrap();
        assert_eq!(
            (after.received, incoming(Some(&ordered), &after)),
            (60, -60)
        );
        let again = receive(Some(&first), Some(&after), &first, Leave::default()).unwrap();
        assert_eq!(again.unwrap(), after, "the same receipt again");
        let moved = receipt_entries(Some(&first), &first, Timestamp::default(), &some_cause());
        assert_eq!(moved.unwrap(), []);
        let second = receipt(50, Condition::Sellable);
        let over = receive(None, Some(&after), &second, Leave::default());
        assert!(matches!(
            over,
            Err(ReceiptError::Over {
                received: 110,
                ordered: 100
            })
        ));
        let leave = Leave {
            over: true,
            ..Leave::default()
        };
        let taken = receive(None, Some(&after), &second, leave)
            .unwrap()
            .unwrap();
        assert_eq!((taken.open(), incoming(Some(&after), &taken)), (0, -40));
    }

    #[test]
    fn r46_a_receipt_may_come_before_its_order() {
        let unknown = purchase(None, 0);
        let first = receipt(60, Condition::Sellable);
        let after = receive(None, Some(&unknown), &first, Leave::default())
            .unwrap()
            .unwrap();
        assert_eq!(incoming(Some(&unknown), &after), 0);
        let known = PurchaseLine {
            ordered: Some(100),
            ..after.clone()
        };
        assert_eq!(incoming(Some(&after), &known), 40);
    }

    #[test]
    fn a_receipt_with_other_numbers_is_a_correction_and_has_to_be_called_one() {
        let (known, said) = (
            receipt(10, Condition::Sellable),
            receipt(8, Condition::Sellable),
        );
        let refused = receive(Some(&known), None, &said, Leave::default());
        assert!(matches!(
            refused,
            Err(ReceiptError::Known { known: 10, .. })
        ));
        let leave = Leave {
            correct: true,
            ..Leave::default()
        };
        assert_eq!(receive(Some(&known), None, &said, leave), Ok(None));
        let moved =
            receipt_entries(Some(&known), &said, Timestamp::default(), &some_cause()).unwrap();
        assert_eq!(moved[0].movement.on_hand, -2);
        let mut elsewhere = said;
        elsewhere.location = place("east");
        let moved = receipt_entries(
            Some(&known),
            &elsewhere,
            Timestamp::default(),
            &some_cause(),
        )
        .unwrap();
        assert_eq!(
            moved.iter().map(|e| e.movement.on_hand).collect::<Vec<_>>(),
            [-10, 8]
        );
    }

    /// Rule R9: sellable goods are for sale, damaged ones are set aside, where they arrived.
    #[test]
    fn r9_what_came_back_damaged_is_there_and_not_for_sale() {
        for (condition, set_aside) in [
            (Condition::Sellable, 0),
            (Condition::Damaged, 3),
            (Condition::Inspect, 3),
        ] {
            let moved = receipt_entries(
                None,
                &receipt(3, condition),
                Timestamp::default(),
                &some_cause(),
            )
            .unwrap();
            let movement = moved[0].movement;
            assert_eq!((movement.on_hand, movement.set_aside), (3, set_aside));
        }
    }
}
