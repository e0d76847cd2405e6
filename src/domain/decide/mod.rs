//! What a message changes: snapshots against the rows that they can touch, all in memory.
//!
//! Whoever keeps the books gathers the rows ([`Books`]), calls [`decide`] once per snapshot, and writes what changed.
//! An order line is found by its listing, else by its SKU text. A line whose goods are not known is parked with its
//! target and booked when the mapping arrives (rule R38); nothing is dropped.

mod books;
mod showing;

use std::collections::{BTreeMap, BTreeSet};

pub use books::{Booked, Books, ChannelRules, Elsewhere, LineRow, ListingRow, OrderRow, StockRow};
pub use showing::{Observed, observe};
use showing::{Span, take, taken_since};

use super::booking::OrderRecord;
use super::clock::Timestamp;
use super::ids::{ChannelId, LineId, OrderId, Sku};
use super::order::{OrderSnapshot, Standing};
use super::stock::{Cause, Movement, Overflow, StockEntry, entries};

/// What became of one snapshot.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Decided {
    /// How it stands to what was known.
    pub standing: Standing,
    /// SKUs whose stock changed.
    pub touched: BTreeSet<Sku>,
    /// Lines whose goods are not known.
    pub parked: Vec<LineId>,
}

/// Takes one tidy snapshot into the books.
///
/// # Errors
/// [`Overflow`] if a number does not fit; the books are then half changed and must be thrown away.
pub fn decide(
    books: &mut Books,
    snapshot: &OrderSnapshot,
    rules: &ChannelRules,
) -> Result<Decided, Overflow> {
    let key = (snapshot.channel.clone(), snapshot.order.clone());
    let known = books.orders.remove(&key);
    let (mut order, standing) = match known {
        None => (
            OrderRow {
                record: OrderRecord::first(snapshot),
                lines: BTreeMap::new(),
            },
            Standing::First,
        ),
        Some(mut order) => {
            let standing = order.record.learn(snapshot);
            (order, standing)
        }
    };
    for line in &snapshot.lines {
        order
            .lines
            .entry(line.line.clone())
            .or_insert_with(|| LineRow {
                listing: line.listing.clone(),
                sku_text: line.sku.clone(),
                location: line.location.clone(),
                taken: 0,
                booked: None,
            });
    }
    // What follows from an older state that came late follows from the newest one that is known.
    let to = order.record.version().at;
    let first = standing == Standing::First;
    let span = Span {
        from: if first { snapshot.placed_at } else { to },
        to,
        first,
    };
    let result = settle(books, &key, &mut order, rules, span);
    books.changed_orders.insert(key.clone());
    books.orders.insert(key, order);
    result.map(|(touched, parked)| Decided {
        standing,
        touched,
        parked,
    })
}

/// Books the lines of one order that were parked and can be booked now, for a mapping that arrived.
///
/// # Errors
/// As [`decide`].
pub fn rebook(
    books: &mut Books,
    key: &(ChannelId, OrderId),
    rules: &ChannelRules,
) -> Result<BTreeSet<Sku>, Overflow> {
    again(books, key, rules, None, &mut |_| {})
}

/// Ends the promise of a pending order whose time is past (rule R11). Nothing follows if it was paid meanwhile.
///
/// # Errors
/// As [`decide`].
pub fn lapse(
    books: &mut Books,
    key: &(ChannelId, OrderId),
    rules: &ChannelRules,
    now: Timestamp,
) -> Result<BTreeSet<Sku>, Overflow> {
    let Some(until) = books
        .orders
        .get(key)
        .and_then(|order| order.record.ends_at())
    else {
        return Ok(BTreeSet::new());
    };
    if until > now {
        return Ok(BTreeSet::new());
    }
    let made = books.entries.len();
    let touched = again(books, key, rules, Some(until), &mut |order| {
        order.record.lapse(until);
    })?;
    for entry in books.entries.iter_mut().skip(made) {
        if let Cause::Order {
            channel,
            order,
            line,
        } = entry.cause.clone()
        {
            entry.cause = Cause::Lapse {
                channel,
                order,
                line,
            };
        }
    }
    Ok(touched)
}

/// Moves the lines of an order that were booked by another mapping than holds now: what they did is taken back from the
/// goods that they were booked as, and done to those that they are. Only lines that promise something, or all of them.
/// Returns the lines that were moved, and the SKUs whose stock changed.
///
/// A changed recipe is no other mapping: what was ordered is made of what it was made of then (rule R29).
///
/// # Errors
/// As [`decide`].
pub fn remap(
    books: &mut Books,
    key: &(ChannelId, OrderId),
    rules: &ChannelRules,
    shipped_too: bool,
) -> Result<(Vec<LineId>, BTreeSet<Sku>), Overflow> {
    let Some(mut order) = books.orders.remove(key) else {
        return Ok((Vec::new(), BTreeSet::new()));
    };
    let (mut moved, mut touched) = (Vec::new(), BTreeSet::new());
    let at = order.record.version().at;
    for (line_id, line) in &mut order.lines {
        let Some(booked) = &line.booked else { continue };
        let Some(goods) = books.goods(&key.0, line) else {
            continue;
        };
        let same = match &booked.sold {
            Some(sold) => *sold == goods.sold,
            None => booked.needs == goods.needs,
        };
        let open = order.record.target(line_id).committed > 0;
        if same || !(open || shipped_too) {
            continue;
        }
        let cause = Cause::Rebooking {
            channel: key.0.clone(),
            order: key.1.clone(),
            line: line_id.clone(),
        };
        let back = booked.movements().map(|(place, need, movement)| {
            Ok(StockEntry {
                sku: need.sku.clone(),
                location: place.clone(),
                movement: Movement::between(*movement, Movement::default())?,
                at,
                cause: cause.clone(),
            })
        });
        let mut new = back.collect::<Result<Vec<_>, Overflow>>()?;
        new.retain(|entry| !entry.movement.is_nothing());
        // From which number the platform took its units is as it was.
        let taken = booked.elsewhere.iter();
        let taken = taken.map(|(place, at)| (place.clone(), at.taken)).collect();
        books.post(new, &mut touched)?;
        line.booked = Some(goods.booked(books, rules, taken));
        moved.push(line_id.clone());
    }
    books.orders.insert(key.clone(), order);
    if moved.is_empty() {
        return Ok((moved, touched));
    }
    let made = books.entries.len();
    touched.extend(again(books, key, rules, None, &mut |_| {})?);
    for entry in books.entries.iter_mut().skip(made) {
        if let Cause::Order {
            channel,
            order,
            line,
        } = entry.cause.clone()
            && moved.contains(&line)
        {
            entry.cause = Cause::Rebooking {
                channel,
                order,
                line,
            };
        }
    }
    Ok((moved, touched))
}

/// Brings a known order to its target once more, after `change`; as of `moment`, else as of its newest version.
fn again(
    books: &mut Books,
    key: &(ChannelId, OrderId),
    rules: &ChannelRules,
    moment: Option<Timestamp>,
    change: &mut dyn FnMut(&mut OrderRow),
) -> Result<BTreeSet<Sku>, Overflow> {
    let Some(mut order) = books.orders.remove(key) else {
        return Ok(BTreeSet::new());
    };
    change(&mut order);
    let at = moment.unwrap_or(order.record.version().at);
    let span = Span {
        from: at,
        to: at,
        first: false,
    };
    let result = settle(books, key, &mut order, rules, span);
    books.changed_orders.insert(key.clone());
    books.orders.insert(key.clone(), order);
    result.map(|(touched, _)| touched)
}

/// Brings every line of an order to its target.
fn settle(
    books: &mut Books,
    (channel, id): &(ChannelId, OrderId),
    order: &mut OrderRow,
    rules: &ChannelRules,
    span: Span,
) -> Result<(BTreeSet<Sku>, Vec<LineId>), Overflow> {
    let moment = if span.first { span.from } else { span.to };
    let (mut touched, mut parked) = (BTreeSet::new(), Vec::new());
    for (line_id, line) in &mut order.lines {
        if line.booked.is_none() {
            let goods = books.goods(channel, line);
            line.booked = goods.map(|goods| goods.booked(books, rules, BTreeMap::new()));
        }
        if let Some(booked) = &mut line.booked {
            booked.stand_at(books, order.record.places(line_id));
        }
        let taken = taken_since(books, channel, (&order.record, line_id), line);
        take(books, channel, line, &taken, span, rules.clock_skew_ms);
        let Some(booked) = &mut line.booked else {
            parked.push(line_id.clone());
            continue;
        };
        let cause = Cause::Order {
            channel: channel.clone(),
            order: id.clone(),
            line: line_id.clone(),
        };
        let new = moves(&order.record, line_id, booked, moment, &cause)?;
        books.post(new, &mut touched)?;
    }
    Ok((touched, parked))
}

/// What a line has to do now, at every place where it is or was; notes that it has done so.
fn moves(
    record: &OrderRecord,
    line: &LineId,
    booked: &mut Booked,
    moment: Timestamp,
    cause: &Cause,
) -> Result<Vec<StockEntry>, Overflow> {
    let Booked {
        needs,
        location,
        count,
        moved,
        elsewhere,
        ..
    } = booked;
    let there = elsewhere
        .iter_mut()
        .map(|(place, at)| (place, at.count, &mut at.moved));
    let mut new = Vec::new();
    for (place, count, moved) in std::iter::once((&*location, *count, moved)).chain(there) {
        let effects: Result<Vec<_>, _> = needs
            .iter()
            .map(|need| record.effect_at(line, (place, location), count, need.units))
            .collect();
        let effects = effects?;
        new.extend(entries(needs, place, moved, &effects, moment, cause)?);
        *moved = effects;
    }
    Ok(new)
}

#[cfg(test)]
mod tests;
