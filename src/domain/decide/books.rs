//! The rows that messages touch, in memory: orders and what their lines did, listings, stock.

use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};

use crate::domain::booking::OrderRecord;
use crate::domain::bundle::{self, Need, Recipes};
use crate::domain::catalog::{Fulfilment, Mapping};
use crate::domain::clock::Timestamp;
use crate::domain::delivery::Shown;
use crate::domain::ids::{ChannelId, LineId, ListingId, LocationId, OrderId, Sku};
use crate::domain::stock::{Balances, Count, Movement, Overflow, StockEntry, seen_by_count};

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
    pub(super) fn stand_at(&mut self, books: &Books, places: BTreeSet<LocationId>) {
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

/// What was sold with one order line.
pub(super) struct Goods {
    /// The goods of one unit of the listing, flattened.
    pub(super) needs: Vec<Need>,
    /// The listing's own place.
    own: Option<LocationId>,
    /// The SKU and the factor that this comes from.
    pub(super) sold: (Sku, u32),
}

impl Goods {
    /// A line of them that has moved nothing yet; `taken` is what the platform took at places that are not its first one.
    pub(super) fn booked(
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
    pub(super) fn named(
        &self,
        channel: &ChannelId,
        named: &ListingId,
    ) -> Vec<(ListingId, &ListingRow)> {
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
    pub(super) fn listing_at(
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
    pub(super) fn goods(&self, channel: &ChannelId, line: &LineRow) -> Option<Goods> {
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
