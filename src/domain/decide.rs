//! What a message changes: snapshots against the rows that they can touch, all in memory.
//!
//! Whoever keeps the books gathers the rows ([`Books`]), calls [`decide`] once per snapshot, and writes what changed.
//! An order line is found by its listing, else by its SKU text. A line whose goods are not known is parked with its
//! target and booked when the mapping arrives (rule R38); nothing is dropped.

use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};

use super::booking::OrderRecord;
use super::bundle::{self, Need, Recipes};
use super::catalog::{Fulfilment, Mapping};
use super::clock::Timestamp;
use super::delivery::Shown;
use super::ids::{ChannelId, LineId, ListingId, LocationId, OrderId, Sku};
use super::message::Level;
use super::order::{OrderSnapshot, Standing};
use super::stock::{
    Balances, Cause, Count, Movement, Overflow, StockEntry, entries, seen_by_count,
};

/// What one order line has done to the books; frozen when it is first booked (rule R29).
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Booked {
    /// The goods of one unit of the listing, flattened.
    pub needs: Vec<Need>,
    /// Where it is promised.
    pub location: LocationId,
    /// The count that the line was measured against, if there was one.
    pub count: Option<Count>,
    /// What it moved so far, one per need.
    pub moved: Vec<Movement>,
    /// What it moved at other places, because the channel ships from there or took goods back there.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub elsewhere: BTreeMap<LocationId, Elsewhere>,
    /// The mapping by which it was booked, as far as that is known.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub sold: Option<(Sku, u32)>,
}

/// What an order line did at a place that is not its first one.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Elsewhere {
    /// The count that it was measured against there.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub count: Option<Count>,
    /// What it moved so far, one per need.
    pub moved: Vec<Movement>,
    /// Of the line's units that the platform took, those that it took from the number of this place.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub taken: i64,
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde hands a reference")]
fn is_zero(units: &i64) -> bool {
    *units == 0
}

impl Booked {
    /// Makes room for what the line does at these places.
    fn stand_at(&mut self, books: &Books, places: BTreeSet<LocationId>) {
        for place in places {
            if place != self.location && !self.elsewhere.contains_key(&place) {
                let at = Elsewhere {
                    count: books.newest_count(&self.needs, &place),
                    ..Elsewhere::default()
                };
                self.elsewhere.insert(place, at);
            }
        }
    }

    /// What the line moved, place by place and need by need.
    pub fn movements(&self) -> impl Iterator<Item = (&LocationId, &Need, &Movement)> {
        let here = std::iter::once((&self.location, &self.moved));
        let there = self.elsewhere.iter().map(|(place, at)| (place, &at.moved));
        here.chain(there).flat_map(|(place, moved)| {
            self.needs
                .iter()
                .zip(moved)
                .map(move |(need, movement)| (place, need, movement))
        })
    }
}

/// One order line in the books.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LineRow {
    /// The listing that was sold, as the order names it.
    pub listing: Option<ListingId>,
    /// The SKU text on the line.
    pub sku_text: String,
    /// Where the channel said that it ships from.
    pub location: Option<LocationId>,
    /// Units that the platform took from what it shows, in units of the listing.
    pub taken: i64,
    /// What it did; `None`: parked, the goods are not known.
    pub booked: Option<Booked>,
}

/// One order in the books.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OrderRow {
    /// Its states.
    pub record: OrderRecord,
    /// Its lines.
    pub lines: BTreeMap<LineId, LineRow>,
}

/// One listing, as far as a message can change it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ListingRow {
    /// What it is of ours, if that is known.
    pub mapping: Option<Mapping>,
    /// What we believe it shows.
    pub shown: Shown,
    /// A call to it is under way.
    pub sending: bool,
    /// What it shows was set by a write that the platform compared (Shopify) with a number that held every order until
    /// then. An order that we hear of later took its units after that write, whatever the clocks say: before it, the
    /// comparison would have failed. A number that was read is different: it may hold orders that we have not seen.
    pub compared: bool,
    /// When the platform last took or gave back units, by its clock, as far as orders said so.
    pub moved_at: Timestamp,
}

/// What one place holds of one SKU.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct StockRow {
    /// The balances.
    pub balances: Balances,
    /// The last opening or count.
    pub count: Option<Count>,
    /// When somebody last said how many units are set aside.
    pub aside_at: Option<Timestamp>,
}

/// How a channel is set up, as far as booking needs it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ChannelRules {
    /// Where its orders are promised when it does not say: its first location.
    pub location: LocationId,
    /// How fine its times are, plus how far its clock may be off, in ms.
    pub clock_skew_ms: i64,
}

/// The rows that a batch can touch. Missing rows do not exist yet.
#[derive(Debug, Clone, Default)]
pub struct Books {
    /// Orders.
    pub orders: BTreeMap<(ChannelId, OrderId), OrderRow>,
    /// Listings, by their own id.
    pub listings: BTreeMap<(ChannelId, ListingId), ListingRow>,
    /// Other ids by which orders name them. Goods that a channel counts at several places are several listings of one
    /// alias.
    pub aliases: BTreeMap<(ChannelId, ListingId), BTreeSet<ListingId>>,
    /// Which SKU of ours a channel's SKU text is, by the channel's folding; ambiguous texts are missing.
    pub texts: BTreeMap<(ChannelId, String), Sku>,
    /// Recipes of every bundle that is sold here.
    pub recipes: Recipes,
    /// Stock of every SKU that is touched.
    pub stock: BTreeMap<(Sku, LocationId), StockRow>,
    /// Versions of every SKU that is touched.
    pub versions: BTreeMap<Sku, i64>,
    /// Entries that were made.
    pub entries: Vec<StockEntry>,
    /// Orders that were changed.
    pub changed_orders: BTreeSet<(ChannelId, OrderId)>,
    /// Listings that were changed.
    pub changed_listings: BTreeSet<(ChannelId, ListingId)>,
    /// Listings that show something that nobody accounted for: what was acknowledged of them is taken back.
    pub reopened: BTreeSet<(ChannelId, ListingId)>,
    /// Listings whose platform took (or gave back) units while a call of ours was under way, and how many: what they show
    /// after it is not certain, unless the platform compared.
    pub disturbed: BTreeMap<(ChannelId, ListingId), i64>,
}

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

/// What was sold with one order line.
struct Goods {
    /// The goods of one unit of the listing, flattened.
    needs: Vec<Need>,
    /// The listing's own place.
    own: Option<LocationId>,
    /// The SKU and the factor that this comes from.
    sold: (Sku, u32),
}

impl Goods {
    /// A line of them that has moved nothing yet; `taken` is what the platform took at places that are not its first one.
    fn booked(
        self,
        books: &Books,
        rules: &ChannelRules,
        mut taken: BTreeMap<LocationId, i64>,
    ) -> Booked {
        let location = self.own.unwrap_or_else(|| rules.location.clone());
        taken.remove(&location);
        let elsewhere = taken.into_iter().map(|(place, taken)| {
            let count = books.newest_count(&self.needs, &place);
            let at = Elsewhere {
                count,
                moved: Vec::new(),
                taken,
            };
            (place, at)
        });
        Booked {
            count: books.newest_count(&self.needs, &location),
            elsewhere: elsewhere.collect(),
            needs: self.needs,
            location,
            moved: Vec::new(),
            sold: Some(self.sold),
        }
    }
}

impl Books {
    /// The listing's own id and what it is, by the id or alias on an order line. Of several with one alias, the first.
    pub fn listing(
        &self,
        channel: &ChannelId,
        named: &ListingId,
    ) -> Option<(ListingId, &ListingRow)> {
        self.named(channel, named).into_iter().next()
    }

    /// Every listing that an id or alias on an order line can mean.
    fn named(&self, channel: &ChannelId, named: &ListingId) -> Vec<(ListingId, &ListingRow)> {
        let row = |id: &ListingId| {
            let row = self.listings.get(&(channel.clone(), id.clone()))?;
            Some((id.clone(), row))
        };
        if let Some(found) = row(named) {
            return vec![found];
        }
        let by_alias = self.aliases.get(&(channel.clone(), named.clone()));
        by_alias.into_iter().flatten().filter_map(row).collect()
    }

    /// The listing whose number the platform takes units from at a place: the one of that place, else the first.
    fn listing_at(
        &self,
        channel: &ChannelId,
        named: &ListingId,
        place: &LocationId,
    ) -> Option<ListingId> {
        let shows = |row: &ListingRow| {
            let mapping = row.mapping.as_ref();
            mapping.and_then(|mapping| mapping.location.as_ref()) == Some(place)
        };
        let all = self.named(channel, named);
        let own = all.iter().find(|(_, row)| shows(row)).or(all.first());
        own.map(|(id, _)| id.clone())
    }

    /// The goods of one unit of what was sold: by the listing, else by the SKU text.
    fn goods(&self, channel: &ChannelId, line: &LineRow) -> Option<Goods> {
        let listing = line
            .listing
            .as_ref()
            .and_then(|named| self.listing(channel, named));
        let mapping = listing.and_then(|(_, row)| row.mapping.clone());
        let by_text = || {
            self.texts
                .get(&(channel.clone(), line.sku_text.clone()))
                .cloned()
        };
        let (sku, factor, location) = match mapping {
            // What the marketplace ships from its own shelves is demand and no movement of ours (rules R41 and R42): the
            // level that it reports of them has the sale in it already.
            Some(mapping) if mapping.fulfilment == Fulfilment::Channel => {
                return Some(Goods {
                    needs: Vec::new(),
                    own: mapping.location,
                    sold: (mapping.sku, mapping.factor),
                });
            }
            Some(mapping) => (mapping.sku, mapping.factor, mapping.location),
            None => (by_text()?, 1, None),
        };
        // Recipes are checked when they are imported; one that cannot be opened parks the line.
        let mut needs = bundle::needs(&sku, &self.recipes).ok()?;
        for need in &mut needs {
            need.units = need.units.checked_mul(factor)?;
        }
        Some(Goods {
            needs,
            own: location,
            sold: (sku, factor),
        })
    }

    fn newest_count(&self, needs: &[Need], location: &LocationId) -> Option<Count> {
        let rows = needs
            .iter()
            .filter_map(|need| self.stock.get(&(need.sku.clone(), location.clone())));
        rows.filter_map(|row| row.count).max()
    }

    /// Books entries: balances follow, versions rise. What a count had seen already is taken back out of its variance.
    ///
    /// # Errors
    /// [`Overflow`] if a balance does not fit.
    pub fn post(
        &mut self,
        new: Vec<StockEntry>,
        touched: &mut BTreeSet<Sku>,
    ) -> Result<(), Overflow> {
        for entry in new {
            let row = self
                .stock
                .entry((entry.sku.clone(), entry.location.clone()))
                .or_default();
            row.balances = row.balances.after(entry.movement)?;
            let seen = seen_by_count(&entry, row.count, row.aside_at);
            for seen in &seen {
                row.balances = row.balances.after(seen.movement)?;
            }
            if touched.insert(entry.sku.clone()) {
                let version = self.versions.entry(entry.sku.clone()).or_default();
                *version = version.checked_add(1).ok_or(Overflow)?;
            }
            self.entries.push(entry);
            self.entries.extend(seen);
        }
        Ok(())
    }
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

/// What a reported level says about what we believe.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Observed {
    /// It is what we believed, or what we sent: an echo.
    Agrees,
    /// It shows something else.
    Differs,
    /// It says nothing: the listing is not known or not counted, a call is under way, or it is not clearly newer.
    Nothing(&'static str),
}

/// Takes in a level that a channel reported by itself (design D2). Levels never move master (design D9).
pub fn observe(
    books: &mut Books,
    channel: &ChannelId,
    level: &Level,
    received_at: Timestamp,
    rules: &ChannelRules,
) -> Observed {
    let Some((id, row)) = books.listing(channel, &level.listing) else {
        return Observed::Nothing("the listing is not known");
    };
    let Some(quantity) = level.shows else {
        return Observed::Nothing("the channel does not count it");
    };
    if row.sending {
        return Observed::Nothing("a call to the listing was under way");
    }
    let at = level.at.unwrap_or(received_at).min(received_at);
    let agrees = matches!(row.shown, Shown::Known { quantity: known, .. } if known == quantity);
    if agrees {
        return Observed::Agrees;
    }
    // Platforms stamp in whole seconds: of two sales in one second a level may hold only the first.
    let known_at = row.shown.as_of().max(row.moved_at);
    if at < known_at.plus(rules.clock_skew_ms) {
        return Observed::Nothing("not clearly newer than what is known");
    }
    let key = (channel.clone(), id);
    if let Some(row) = books.listings.get_mut(&key) {
        row.compared = false;
        row.shown = Shown::Known {
            quantity,
            as_of: at,
        };
    }
    books.changed_listings.insert(key.clone());
    books.reopened.insert(key);
    Observed::Differs
}

/// When the platform may have moved units of an order, as far as one message tells.
#[derive(Debug, Clone, Copy)]
struct Span {
    /// When it was placed, if this is the first that is known of it; else when it last changed.
    from: Timestamp,
    /// When it last changed.
    to: Timestamp,
    /// This is the first that is known of it.
    first: bool,
}

/// What the platform took for a line since it was last told of, listing by listing; notes that it is known. Nothing of it
/// for a listing that is not known.
fn taken_since(
    books: &Books,
    channel: &ChannelId,
    (record, id): (&OrderRecord, &LineId),
    line: &mut LineRow,
) -> BTreeMap<ListingId, i64> {
    let total = i64::from(record.target(id).taken_by_channel);
    let mut left = total.saturating_sub(line.taken);
    line.taken = total;
    let mut taken = BTreeMap::new();
    let Some(named) = &line.listing else {
        return taken;
    };
    let mut note = |listing: Option<ListingId>, units: i64| {
        if let Some(listing) = listing.filter(|_| units != 0) {
            let sum: &mut i64 = taken.entry(listing).or_default();
            *sum = sum.saturating_add(units);
        }
    };
    let mut first = books.listing(channel, named).map(|(listing, _)| listing);
    if let Some(booked) = &mut line.booked {
        for (place, at) in &mut booked.elsewhere {
            let now = record.taken_at(id, (place, &booked.location));
            let more = now.saturating_sub(at.taken);
            at.taken = now;
            left = left.saturating_sub(more);
            note(books.listing_at(channel, named, place), more);
        }
        first = books.listing_at(channel, named, &booked.location);
    }
    note(first, left);
    taken
}

/// Lets what listings show follow what the platform took from them.
///
/// An order that holds nothing when it is first seen may have held units in between: if our number became known within
/// that time, it is not certain any more.
fn take(
    books: &mut Books,
    channel: &ChannelId,
    line: &LineRow,
    taken: &BTreeMap<ListingId, i64>,
    span: Span,
    skew_ms: i64,
) {
    let hidden = span.first && line.taken == 0;
    let named = line.listing.as_ref().filter(|_| hidden);
    let doubted: Vec<_> = named
        .into_iter()
        .flat_map(|named| books.named(channel, named))
        .map(|(listing, _)| listing)
        .collect();
    for listing in doubted {
        follow(books, (channel.clone(), listing), 0, span, skew_ms);
    }
    for (listing, &more) in taken.iter().filter(|(_, more)| **more != 0) {
        let key = (channel.clone(), listing.clone());
        follow(books, key, more, span, skew_ms);
    }
}

/// Lets what one listing shows follow `more` units that the platform took from it; 0: units that it took and gave back.
fn follow(books: &mut Books, key: (ChannelId, ListingId), more: i64, span: Span, skew_ms: i64) {
    let Some(row) = books.listings.get_mut(&key) else {
        return;
    };
    let hidden = more == 0;
    let as_of = row.shown.as_of();
    let within = as_of.plus(skew_ms) > span.from && as_of <= span.to.plus(skew_ms);
    let moment = if span.first && !hidden {
        span.from
    } else {
        span.to
    };
    let shown = match (hidden, row.compared) {
        (true, false) if within => row.shown.doubted(),
        (true, _) => row.shown,
        (false, true) => row
            .shown
            .after_own_sale(more, Timestamp::from_millis(i64::MAX), 0),
        (false, false) => row.shown.after_own_sale(more, moment, skew_ms),
    };
    if shown != row.shown && matches!(shown, Shown::Unknown { .. }) {
        books.reopened.insert(key.clone());
    }
    if row.sending {
        let meanwhile = books.disturbed.entry(key.clone()).or_default();
        *meanwhile = meanwhile.saturating_add(more);
    }
    row.shown = shown;
    row.moved_at = row.moved_at.max(span.to);
    books.changed_listings.insert(key);
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::order::{LineSnapshot, LineTarget, Version};
    use crate::domain::stock::Basis;

    fn shop() -> ChannelId {
        ChannelId::new("shop").unwrap()
    }

    fn main_place() -> LocationId {
        LocationId::new("main").unwrap()
    }

    fn sku(text: &str) -> Sku {
        Sku::new(text).unwrap()
    }

    fn rules() -> ChannelRules {
        ChannelRules {
            location: main_place(),
            clock_skew_ms: 2000,
        }
    }

    fn books(stock: &[(&str, i64)]) -> Books {
        let mut books = Books::default();
        for (text, on_hand) in stock {
            let balances = Balances {
                on_hand: *on_hand,
                ..Balances::default()
            };
            books.stock.insert(
                (sku(text), main_place()),
                StockRow {
                    balances,
                    ..StockRow::default()
                },
            );
            books.texts.insert((shop(), (*text).to_owned()), sku(text));
        }
        books
    }

    fn sold(order: &str, at: i64, text: &str, committed: u32) -> OrderSnapshot {
        OrderSnapshot {
            read_at: None,
            pending: None,
            channel: shop(),
            order: OrderId::new(order).unwrap(),
            version: Version {
                at: Timestamp::from_millis(at),
                rank: 0,
            },
            placed_at: Timestamp::from_millis(at),
            lines: vec![LineSnapshot {
                line: LineId::new("1").unwrap(),
                listing: Some(ListingId::new("10").unwrap()),
                sku: text.to_owned(),
                location: None,
                elsewhere: Vec::new(),
                target: LineTarget {
                    committed,
                    taken_by_channel: committed,
                    ..LineTarget::default()
                },
            }],
        }
    }

    #[track_caller]
    fn available(books: &Books, text: &str, expected: i64) {
        assert_eq!(
            books.stock[&(sku(text), main_place())].balances.available(),
            expected,
            "{text}"
        );
    }

    #[test]
    fn ten_copies_of_a_message_are_one_sale() {
        let mut books = books(&[("A", 10)]);
        for _ in 0..10 {
            decide(&mut books, &sold("500", 5000, "A", 2), &rules()).unwrap();
        }
        available(&books, "A", 8);
        assert_eq!(books.entries.len(), 1);
        assert_eq!(books.versions[&sku("A")], 1);
    }

    #[test]
    fn a_bundle_books_all_its_components() {
        let mut books = books(&[("A", 10), ("B", 10), ("X", 0)]);
        let need = |text, units| Need {
            sku: sku(text),
            units,
        };
        books
            .recipes
            .insert(sku("X"), vec![need("A", 2), need("B", 1)]);
        decide(&mut books, &sold("1", 5000, "X", 3), &rules()).unwrap();
        available(&books, "A", 4);
        available(&books, "B", 7);
        // A later recipe does not touch what was ordered.
        books.recipes.insert(sku("X"), vec![need("A", 5)]);
        decide(&mut books, &sold("1", 6000, "X", 0), &rules()).unwrap();
        available(&books, "A", 10);
        available(&books, "B", 10);
    }

    #[test]
    fn an_unknown_sku_is_parked_and_booked_when_it_is_mapped() {
        let mut books = books(&[("A", 10)]);
        let found = decide(&mut books, &sold("1", 5000, "NEW", 2), &rules()).unwrap();
        assert_eq!(found.parked.len(), 1);
        available(&books, "A", 10);
        let mapping = Mapping {
            sku: sku("A"),
            factor: 3,
            location: None,
            fulfilment: Fulfilment::Merchant,
        };
        let row = ListingRow {
            mapping: Some(mapping),
            shown: Shown::default(),
            sending: false,
            compared: false,
            moved_at: Timestamp::default(),
        };
        books
            .listings
            .insert((shop(), ListingId::new("10").unwrap()), row);
        rebook(&mut books, &(shop(), OrderId::new("1").unwrap()), &rules()).unwrap();
        available(&books, "A", 4);
        assert_eq!(
            books.entries[0].at,
            Timestamp::from_millis(5000),
            "with its original time"
        );
    }

    #[test]
    fn a_sale_lowers_what_its_own_channel_shows_by_difference() {
        let mut books = books(&[("A", 10)]);
        let key = (shop(), ListingId::new("10").unwrap());
        let shown = Shown::Known {
            quantity: 10,
            as_of: Timestamp::from_millis(1000),
        };
        books.listings.insert(
            key.clone(),
            ListingRow {
                mapping: None,
                shown,
                sending: false,
                compared: false,
                moved_at: Timestamp::default(),
            },
        );
        let mut check = |snapshot: OrderSnapshot, quantity| {
            decide(&mut books, &snapshot, &rules()).unwrap();
            let expected = Shown::Known {
                quantity,
                as_of: Timestamp::from_millis(1000),
            };
            assert_eq!(books.listings[&key].shown, expected);
        };
        check(sold("1", 5000, "A", 2), 8);
        check(sold("1", 5000, "A", 2), 8);
        check(sold("1", 6000, "A", 3), 7);
        check(sold("1", 7000, "A", 0), 10);
    }

    #[test]
    fn an_oversold_sku_goes_below_zero() {
        let mut books = books(&[("A", 1)]);
        decide(&mut books, &sold("1", 5000, "A", 4), &rules()).unwrap();
        available(&books, "A", -3);
    }

    #[test]
    fn a_level_is_believed_only_when_it_is_clearly_newer() {
        let key = (shop(), ListingId::new("10").unwrap());
        let believed = Shown::Known {
            quantity: 10,
            as_of: Timestamp::from_millis(1000),
        };
        let check = |shows: Option<i64>, at: i64, sending: bool, expected: Observed, shown: i64| {
            let mut books = books(&[("A", 10)]);
            books.listings.insert(
                key.clone(),
                ListingRow {
                    mapping: None,
                    shown: believed,
                    sending,
                    compared: false,
                    moved_at: Timestamp::from_millis(500),
                },
            );
            let level = Level {
                listing: key.1.clone(),
                shows,
                at: Some(Timestamp::from_millis(at)),
            };
            let found = observe(
                &mut books,
                &shop(),
                &level,
                Timestamp::from_millis(9000),
                &rules(),
            );
            assert_eq!(
                std::mem::discriminant(&found),
                std::mem::discriminant(&expected),
                "{found:?}"
            );
            assert_eq!(books.listings[&key].shown.stand_in(), Some(shown));
            assert_eq!(
                books.reopened.len(),
                usize::from(found == Observed::Differs)
            );
        };
        check(Some(10), 5000, false, Observed::Agrees, 10);
        check(Some(7), 5000, false, Observed::Differs, 7);
        check(Some(7), 2999, false, Observed::Nothing(""), 10);
        check(Some(7), 5000, true, Observed::Nothing(""), 10);
        check(None, 5000, false, Observed::Nothing(""), 10);
    }

    #[test]
    fn what_a_count_saw_is_not_taken_again_when_its_message_is_late() {
        let shipped = |at: i64| {
            let mut shipped = sold("1", at, "A", 0);
            shipped.placed_at = Timestamp::from_millis(1000);
            shipped.lines[0].target = LineTarget {
                shipped: 3,
                ..LineTarget::default()
            };
            shipped
        };
        let check = |shipped_at: i64, expected: i64| {
            let mut books = books(&[("A", 20)]);
            let mut open = sold("1", 1000, "A", 3);
            open.lines[0].target.taken_by_channel = 0;
            decide(&mut books, &open, &rules()).unwrap();
            // Counted at 5000: 17 are on the shelf if the 3 had left by then, else 20.
            let row = books.stock.get_mut(&(sku("A"), main_place())).unwrap();
            row.count = Some(Count {
                at: Timestamp::from_millis(5000),
                basis: Basis::OnHand,
            });
            row.balances.on_hand = if shipped_at <= 5000 { 17 } else { 20 };
            decide(&mut books, &shipped(shipped_at), &rules()).unwrap();
            assert_eq!(
                books.stock[&(sku("A"), main_place())].balances.on_hand,
                expected
            );
        };
        check(4000, 17);
        check(6000, 17);
    }

    #[test]
    fn an_order_that_came_and_went_unseen_leaves_what_is_shown_unknown() {
        let key = (shop(), ListingId::new("10").unwrap());
        let check = |known_at: i64, certain: bool| {
            let mut books = books(&[("A", 10)]);
            let shown = Shown::Known {
                quantity: 10,
                as_of: Timestamp::from_millis(known_at),
            };
            let row = ListingRow {
                mapping: None,
                shown,
                sending: false,
                compared: false,
                moved_at: Timestamp::default(),
            };
            books.listings.insert(key.clone(), row);
            let mut cancelled = sold("1", 60_000, "A", 0);
            cancelled.placed_at = Timestamp::from_millis(30_000);
            decide(&mut books, &cancelled, &rules()).unwrap();
            assert_eq!(
                matches!(books.listings[&key].shown, Shown::Known { .. }),
                certain,
                "{known_at}"
            );
            assert_eq!(books.reopened.is_empty(), certain);
        };
        check(20_000, true);
        check(29_000, false);
        check(45_000, false);
        check(61_000, false);
        check(63_000, true);
    }

    #[test]
    fn after_a_compared_write_every_sale_came_later_whatever_the_clocks_say() {
        let key = (shop(), ListingId::new("10").unwrap());
        let mut books = books(&[("A", 10)]);
        let shown = Shown::Known {
            quantity: 10,
            as_of: Timestamp::from_millis(60_000),
        };
        let moved_at = Timestamp::default();
        books.listings.insert(
            key.clone(),
            ListingRow {
                mapping: None,
                shown,
                sending: false,
                compared: true,
                moved_at,
            },
        );
        decide(&mut books, &sold("1", 50_000, "A", 2), &rules()).unwrap();
        let expected = Shown::Known {
            quantity: 8,
            as_of: Timestamp::from_millis(60_000),
        };
        assert_eq!(books.listings[&key].shown, expected);
    }

    /// Rule R44: goods that a channel counts at two places are two listings of one alias, and each follows its own place.
    #[test]
    fn r44_what_is_shown_follows_the_place_that_units_are_taken_at() {
        let mut books = books(&[("A", 10)]);
        let alias = ListingId::new("10").unwrap();
        for (id, place) in [("5", "main"), ("5@2", "east")] {
            let listing = ListingId::new(id).unwrap();
            let mapping = Mapping {
                sku: sku("A"),
                factor: 1,
                location: Some(LocationId::new(place).unwrap()),
                fulfilment: Fulfilment::Merchant,
            };
            let row = ListingRow {
                mapping: Some(mapping),
                shown: Shown::Known {
                    quantity: 10,
                    as_of: Timestamp::from_millis(1000),
                },
                sending: false,
                compared: false,
                moved_at: Timestamp::default(),
            };
            let named = books.aliases.entry((shop(), alias.clone())).or_default();
            named.insert(listing.clone());
            books.listings.insert((shop(), listing), row);
        }
        let part = |taken| crate::domain::order::Part {
            location: LocationId::new("east").unwrap(),
            target: LineTarget {
                committed: 1,
                ..LineTarget::default()
            },
            damaged: 0,
            taken,
        };
        let mut check = |at: i64, units, place: Option<&str>, east, shown: [i64; 2]| {
            let mut snapshot = sold("1", at, "A", units);
            snapshot.placed_at = Timestamp::from_millis(5000);
            snapshot.lines[0].location = place.map(|place| LocationId::new(place).unwrap());
            snapshot.lines[0].elsewhere = east;
            for _ in 0..2 {
                decide(&mut books, &snapshot, &rules()).unwrap();
            }
            let found = ["5", "5@2"].map(|id| {
                let key = (shop(), ListingId::new(id).unwrap());
                books.listings[&key].shown.stand_in().unwrap()
            });
            assert_eq!(found, shown, "{at}");
        };
        check(5000, 3, None, Vec::new(), [7, 10]);
        check(9000, 3, Some("main"), vec![part(1)], [8, 9]);
        check(12_000, 3, Some("east"), Vec::new(), [10, 7]);
        check(15_000, 1, None, Vec::new(), [10, 9]);
        // Given back at the other place.
        check(18_000, 0, Some("east"), vec![], [10, 10]);
    }
}
