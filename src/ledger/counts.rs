//! What people counted: opening stock, counts and set-to-N are observations at a time (rules R47 and R49).
//!
//! The difference to the book *at that time* is entered, and later movements are kept. Repeating a count changes nothing,
//! and a count that comes after a newer one changes what the book said in between, not what is there now.

use std::collections::{BTreeMap, BTreeSet};

use serde::Serialize;

use super::StoreError;
use super::record::BookRules;
use super::tables::{AuditRow, DeadLetter, Result, Tables, Wanted};
use crate::domain::clock::Timestamp;
use crate::domain::decide::rebook;
use crate::domain::ids::{ChannelId, LocationId, OrderId, Sku};
use crate::domain::quantity::Balance;
use crate::domain::stock::{Balances, Basis, Cause, Count, Movement, StockEntry};

/// One counted place.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Counted {
    /// The goods.
    pub sku: Sku,
    /// Where.
    pub location: LocationId,
    /// How many.
    pub units: Balance,
    /// Of what.
    pub basis: Basis,
    /// Units there that are not for sale; `None` leaves them as they are.
    pub set_aside: Option<Balance>,
    /// When that was true.
    pub at: Timestamp,
}

/// What a count changed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Variance {
    /// The goods.
    pub sku: Sku,
    /// Where.
    pub location: LocationId,
    /// What the book said at that time.
    pub book: Balance,
    /// What was counted.
    pub counted: Balance,
    /// Units that lay picked and were not counted; 0 if they were.
    pub picked: Balance,
    /// The difference that was entered.
    pub variance: Balance,
    /// What has moved on the shelf since.
    pub later: Balance,
    /// What is on hand now, later movements included.
    pub on_hand: Balance,
    /// What of it is for sale.
    pub available: Balance,
}

/// A counted place where units may have been picked for orders and not shipped (rules R47 and R48).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BinCount {
    /// What was counted, of what is on hand.
    pub counted: Counted,
    /// Whether picked units are in the number, and how many they are if not.
    pub picked: Picked,
}

/// Where picked units were when somebody counted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Picked {
    /// In the number.
    Included,
    /// Not in the number: so many.
    Apart(Balance),
    /// Not in the number, and nobody said how many. Between none and all promised units may lie picked, so that only what
    /// is outside of that range is a difference.
    Unsaid,
}

/// Enters counts of places where orders are picked, in their order; what each changed.
///
/// # Errors
/// As [`count`].
pub fn count_bins(
    tables: &mut dyn Tables,
    bins: &[BinCount],
    by: &str,
    now: Timestamp,
) -> Result<Vec<Variance>> {
    let mut found = Vec::with_capacity(bins.len());
    for bin in bins {
        let Counted {
            sku,
            location,
            units,
            at,
            ..
        } = &bin.counted;
        let picked = match bin.picked {
            Picked::Included => 0,
            Picked::Apart(units) => units,
            Picked::Unsaid => {
                let then = tables.on_hand_at(sku, location, *at)?;
                let missing = then.on_hand.saturating_sub(*units);
                missing.clamp(0, then.committed.max(0))
            }
        };
        let mut counted = bin.counted.clone();
        counted.units = units.saturating_add(picked);
        for mut variance in count(tables, std::slice::from_ref(&counted), by, now)? {
            (variance.counted, variance.picked) = (*units, picked);
            found.push(variance);
        }
    }
    Ok(found)
}

/// Enters counts, in their order; what each changed.
///
/// # Errors
/// If a number does not fit, or as the store.
pub fn count(
    tables: &mut dyn Tables,
    counted: &[Counted],
    by: &str,
    now: Timestamp,
) -> Result<Vec<Variance>> {
    let skus: BTreeSet<_> = counted.iter().map(|row| row.sku.clone()).collect();
    tables.add_skus(&skus)?;
    let mut found = Vec::with_capacity(counted.len());
    for row in counted {
        found.push(count_one(tables, row, by, now)?);
    }
    Ok(found)
}

fn count_one(tables: &mut dyn Tables, row: &Counted, by: &str, now: Timestamp) -> Result<Variance> {
    let overflow = || StoreError::Other(format!("the count of {} does not fit", row.sku));
    let wanted = Wanted {
        skus: BTreeSet::from([row.sku.clone()]),
        ..Wanted::default()
    };
    let mut books = tables.gather(&wanted)?;
    let then = tables.on_hand_at(&row.sku, &row.location, row.at)?;
    let aside_at = match row.set_aside {
        Some(_) => tables.set_aside_at(&row.sku, &row.location)?,
        None => None,
    };
    // The newest word is what holds: an older one changes nothing.
    let set_aside = row.set_aside.filter(|_| aside_at <= Some(row.at));
    let held = tables.held_at(&row.sku, &row.location, row.at)?;
    let (book, variance, movement) = difference(row, set_aside, then, held).ok_or_else(overflow)?;
    // A first word that agrees with the book is entered, too, so that an older one does not overtake it.
    let first_word = set_aside.is_some() && aside_at < Some(row.at);
    if first_word || !movement.is_nothing() {
        let cause = Cause::Count {
            counted: row.units,
            basis: row.basis,
            set_aside,
            by: by.to_owned(),
        };
        let (sku, location) = (row.sku.clone(), row.location.clone());
        let entry = StockEntry {
            sku,
            location,
            movement,
            at: row.at,
            cause,
        };
        books
            .post(vec![entry], &mut BTreeSet::new())
            .map_err(|_| overflow())?;
        tables.write_books(&books, now)?;
    }
    let stock = books
        .stock
        .get(&(row.sku.clone(), row.location.clone()))
        .copied()
        .unwrap_or_default();
    let count = Count {
        at: row.at,
        basis: row.basis,
    };
    if stock.count.is_none_or(|known| known.at <= count.at) {
        tables.note_count(&row.sku, &row.location, count, row.units)?;
    }
    if set_aside.is_some() {
        tables.note_aside(&row.sku, &row.location, row.at)?;
    }
    let found = Variance {
        later: later(&stock.balances, then, movement),
        sku: row.sku.clone(),
        location: row.location.clone(),
        book,
        counted: row.units,
        picked: 0,
        variance,
        on_hand: stock.balances.on_hand,
        available: stock.balances.available(),
    };
    tell(tables, row, &found, by, now)?;
    Ok(found)
}

/// What moved on the shelf since a count.
fn later(now: &Balances, then: Balances, counted: Movement) -> Balance {
    now.on_hand
        .saturating_sub(then.on_hand)
        .saturating_sub(counted.on_hand)
}

fn tell(
    tables: &mut dyn Tables,
    row: &Counted,
    found: &Variance,
    by: &str,
    now: Timestamp,
) -> Result<()> {
    let detail = serde_json::json!({ "by": by, "at": row.at, "basis": row.basis, "count": found });
    let (subject, detail) = (row.sku.as_str().to_owned(), detail.to_string());
    tables.audit(&[AuditRow {
        at: now,
        kind: "count",
        channel: None,
        subject,
        detail,
    }])
}

/// What the book said at the time of the count, the variance, and the movement that makes the book right. What is `held` is
/// kept by name, so that nobody counts it among what is set aside.
fn difference(
    row: &Counted,
    set_aside: Option<Balance>,
    then: Balances,
    held: Balance,
) -> Option<(Balance, Balance, Movement)> {
    let book = match row.basis {
        Basis::OnHand => then.on_hand,
        Basis::Available => then.available(),
    };
    let variance = row.units.checked_sub(book)?;
    let set_aside = set_aside.map_or(Some(0), |units| {
        units.checked_sub(then.set_aside.checked_sub(held)?)
    })?;
    let on_hand = match row.basis {
        Basis::OnHand => variance,
        // What is set aside is there beside what is for sale.
        Basis::Available => variance.checked_add(set_aside)?,
    };
    Some((
        book,
        variance,
        Movement {
            on_hand,
            set_aside,
            ..Movement::default()
        },
    ))
}

/// Enters a difference to what is on hand, with its reason and who says so (rule R49).
///
/// # Errors
/// If the balance would not fit, or as the store.
pub fn adjust(
    tables: &mut dyn Tables,
    (sku, location): (&Sku, &LocationId),
    units: Balance,
    (reason, by): (&str, &str),
    now: Timestamp,
) -> Result<()> {
    let wanted = Wanted {
        skus: BTreeSet::from([sku.clone()]),
        ..Wanted::default()
    };
    let mut books = tables.gather(&wanted)?;
    let entry = StockEntry {
        sku: sku.clone(),
        location: location.clone(),
        movement: Movement {
            on_hand: units,
            ..Movement::default()
        },
        at: now,
        cause: Cause::Adjustment {
            reason: reason.to_owned(),
            by: by.to_owned(),
        },
    };
    books
        .post(vec![entry], &mut BTreeSet::new())
        .map_err(|_| StoreError::Other(format!("the adjustment of {sku} does not fit")))?;
    tables.write_books(&books, now)?;
    let detail = serde_json::json!({
        "by": by, "reason": reason, "location": location, "on_hand": units,
    });
    tables.audit(&[AuditRow {
        at: now,
        kind: "adjustment",
        channel: None,
        subject: sku.as_str().to_owned(),
        detail: detail.to_string(),
    }])
}

/// Books parked order lines whose goods are known by now: after SKUs, listings or recipes came in. Returns the SKUs whose
/// stock changed. An order whose numbers do not fit stays parked, with a dead letter; the others are booked.
///
/// # Errors
/// As the store.
pub fn book_parked(
    tables: &mut dyn Tables,
    rules: &BookRules,
    now: Timestamp,
) -> Result<BTreeSet<Sku>> {
    let mut orders: BTreeSet<(ChannelId, OrderId)> = tables.parked_orders()?;
    orders.retain(|(channel, _)| rules.contains_key(channel));
    let folding: BTreeMap<_, _> = rules
        .iter()
        .map(|(id, books)| (id.clone(), books.folding))
        .collect();
    loop {
        let mut books = tables.gather(&Wanted {
            orders: orders.clone(),
            folding: folding.clone(),
            ..Wanted::default()
        })?;
        let mut touched = BTreeSet::new();
        let failed = orders.iter().find_map(|key| {
            let channel = rules.get(&key.0)?;
            match rebook(&mut books, key, &channel.rules) {
                Ok(changed) => {
                    touched.extend(changed);
                    None
                }
                Err(error) => Some((key.clone(), error)),
            }
        });
        let Some((key, error)) = failed else {
            tables.write_books(&books, now)?;
            return Ok(touched);
        };
        // It leaves the books half changed, so they are begun anew without it.
        tables.add_dead_letter(&DeadLetter {
            channel: key.0.clone(),
            kind: "order".to_owned(),
            what: key.1.as_str().to_owned(),
            reason: format!("book it: {error}; hint: correct its quantities in the shop"),
            answer: None,
            attempts: 1,
            at: now,
        })?;
        orders.remove(&key);
    }
}
