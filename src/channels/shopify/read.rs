//! What the channel shows and what it sells.

use std::collections::{BTreeMap, BTreeSet};

use serde::Deserialize;
use serde_json::{Value, json};

use crate::channels::{Cursor, Fault, Level, Listing, Page, Unread, Which, Wire};
use crate::domain::ids::{ListingId, LocationId};

use super::fetch::gid_number;
use super::graphql::Nodes;
use super::ids::{self, Target};
use super::{Shopify, documents};

/// What an item shows at one location now.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct ItemNow {
    /// Whether Shopify counts it at all.
    pub(super) tracked: bool,
    /// `None`: the item is not stocked there.
    pub(super) available: Option<i64>,
}

#[derive(Deserialize)]
struct ItemsData {
    nodes: Vec<Option<ItemNode>>,
}

/// Anything but an inventory item is an empty object.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct ItemNode {
    id: Option<String>,
    #[serde(default)]
    tracked: bool,
    inventory_level: Option<LevelNode>,
}

/// A level, as every document selects it.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct LevelNode {
    #[serde(default = "active")]
    is_active: bool,
    quantities: Vec<QuantityNode>,
    item: Option<TrackedItem>,
}

fn active() -> bool {
    true
}

#[derive(Deserialize)]
struct QuantityNode {
    quantity: i64,
}

#[derive(Deserialize)]
struct TrackedItem {
    id: String,
    tracked: bool,
}

impl LevelNode {
    /// The quantity, unless the level was deactivated: such a level keeps its old number.
    pub(super) fn available(&self) -> Option<i64> {
        let quantity = self.quantities.first().map(|q| q.quantity);
        quantity.filter(|_| self.is_active)
    }
}

#[derive(Deserialize)]
struct LocationData<T> {
    location: Option<LocationLevels<T>>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct LocationLevels<T> {
    inventory_levels: Nodes<T>,
}

/// An item at a location, as discovery reads it.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct StockedNode {
    is_active: bool,
    item: StockedItem,
}

#[derive(Deserialize)]
struct StockedItem {
    id: String,
    sku: Option<String>,
    tracked: bool,
    variants: Option<Nodes<OwnerNode>>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct VariantsData {
    product_variants: Nodes<VariantNode>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct VariantNode {
    #[serde(flatten)]
    owner: OwnerNode,
    sku: Option<String>,
    inventory_item: TrackedItem,
}

/// A variant, as far as it says how an item is sold.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct OwnerNode {
    id: String,
    inventory_policy: String,
    #[serde(default)]
    requires_components: bool,
}

impl Shopify {
    /// What some items show, by target. Missing in the answer: the item does not exist.
    pub(super) async fn items_now(
        &self,
        wire: &dyn Wire,
        targets: impl IntoIterator<Item = Target>,
    ) -> Result<BTreeMap<Target, ItemNow>, Fault> {
        let mut by_location: BTreeMap<u64, BTreeSet<u64>> = BTreeMap::new();
        for target in targets {
            let items = by_location.entry(target.location).or_default();
            items.insert(target.item);
        }
        let mut found = BTreeMap::new();
        for (location, items) in by_location {
            let gids: Vec<Value> = items
                .iter()
                .map(|&item| ids::gid("InventoryItem", item).into())
                .collect();
            for some in gids.chunks(super::BATCH_MAX) {
                let variables = json!({ "ids": some, "location": ids::gid("Location", location) });
                let data: ItemsData = self
                    .ask(wire, "levels", documents::ITEMS_NOW, variables)
                    .await?;
                for node in data.nodes.into_iter().flatten() {
                    let Some(gid) = node.id else { continue };
                    let item = gid_number("InventoryItem", &gid)?;
                    let now = ItemNow {
                        tracked: node.tracked,
                        available: node.inventory_level.and_then(|level| level.available()),
                    };
                    found.insert(Target { item, location }, now);
                }
            }
        }
        Ok(found)
    }

    /// Levels of all items at the channel's location, or of some listings.
    pub(super) async fn read_levels(
        &self,
        wire: &dyn Wire,
        which: Which<'_>,
    ) -> Result<Page<Level>, Fault> {
        match which {
            Which::All(cursor) => self.all_levels(wire, cursor).await,
            Which::These(listings) => self.these_levels(wire, listings).await,
        }
    }

    /// One location after the other. A further one that is not there is told, and stops no other (bug case S62).
    async fn all_levels(
        &self,
        wire: &dyn Wire,
        cursor: Option<Cursor>,
    ) -> Result<Page<Level>, Fault> {
        let own = self.own_location()?;
        let (location, after) = match cursor.as_ref().map(|cursor| place_cursor(&cursor.0)) {
            Some(Some((location, after))) => (location, after),
            Some(None) => (own, cursor.as_ref().map(|cursor| cursor.0.as_str())),
            None => (own, None),
        };
        let variables = json!({ "location": ids::gid("Location", location), "after": after });
        let data: LocationData<LevelNode> = self
            .ask(wire, "levels", documents::LEVELS_AT_LOCATION, variables)
            .await?;
        let Some(levels) = data.location.map(|found| found.inventory_levels) else {
            return self.no_location(location, own);
        };
        let mut items = Vec::with_capacity(levels.nodes.len());
        for level in &levels.nodes {
            let (Some(item), Some(available)) = (&level.item, level.available()) else {
                continue;
            };
            let id = gid_number("InventoryItem", &item.id)?;
            items.push(Level {
                listing: ids::listing(id, location, Some(own))?,
                shows: item.tracked.then_some(available),
                at: None,
            });
        }
        Ok(Page {
            items,
            next: match levels.next() {
                Some(after) if location == own => Some(Cursor(after)),
                Some(after) => Some(at_place(location, &after)),
                None => self.place_after(Some(location)),
            },
            unreadable: Vec::new(),
        })
    }

    /// A page of a location that the shop does not have.
    fn no_location<T>(&self, location: u64, own: u64) -> Result<Page<T>, Fault> {
        let says = format!(
            "the shop has no location {location}; hint: run `onhand channels check`, it lists them"
        );
        if location == own {
            return Err(Fault::Rejected(says));
        }
        Ok(Page {
            items: Vec::new(),
            next: self.place_after(Some(location)),
            unreadable: vec![Unread {
                what: format!("location {location}"),
                why: says,
            }],
        })
    }

    /// Where the reading goes on when a location is read: with the next of the further ones; after the own one, and after
    /// everything that is at none, with the first.
    fn place_after(&self, location: Option<u64>) -> Option<Cursor> {
        let further = &self.places.further;
        let read = further.iter().position(|one| Some(*one) == location);
        let next = further.get(read.map_or(0, |read| read.saturating_add(1)))?;
        Some(at_place(*next, ""))
    }

    async fn these_levels(
        &self,
        wire: &dyn Wire,
        listings: &[ListingId],
    ) -> Result<Page<Level>, Fault> {
        let mut wanted = Vec::with_capacity(listings.len());
        for listing in listings {
            // What is not one of our ids cannot be there; like all that is absent, it is left out.
            if let Some((item, location)) = ids::read_listing(listing) {
                let location = match location {
                    Some(location) => location,
                    None => self.own_location()?,
                };
                wanted.push((listing, Target { item, location }));
            }
        }
        let now = self.items_now(wire, wanted.iter().map(|(_, t)| *t)).await?;
        let items = wanted
            .into_iter()
            .filter_map(|(listing, target)| {
                let item = now.get(&target)?;
                let shows = match (item.tracked, item.available) {
                    (false, _) => None,
                    (true, Some(available)) => Some(available),
                    (true, None) => return None,
                };
                Some(Level {
                    listing: listing.clone(),
                    shows,
                    at: None,
                })
            })
            .collect();
        Ok(Page {
            items,
            next: None,
            unreadable: Vec::new(),
        })
    }

    /// What the shop sells: one listing per variant at the own location, then one for each item that is stocked at a
    /// further one. Since 2026-01 several variants may share one inventory item; then several entries have one listing id
    /// with different aliases, and all of them feed from one number.
    pub(super) async fn read_listings(
        &self,
        wire: &dyn Wire,
        cursor: Option<Cursor>,
    ) -> Result<Page<Listing>, Fault> {
        let after = cursor.map(|cursor| cursor.0);
        if let Some((location, after)) = after.as_deref().and_then(place_cursor) {
            return self.listings_at(wire, location, after).await;
        }
        let variables = json!({ "after": after });
        let data: VariantsData = self
            .ask(wire, "listings", documents::VARIANT_MAP, variables)
            .await?;
        let next = data.product_variants.next().map(Cursor);
        let own = self.location.and_then(|own| self.places.ours(own));
        let items = data.product_variants.nodes.into_iter().map(|variant| {
            let (item, sku) = (&variant.inventory_item, variant.sku.as_ref());
            let listing = ids::item_listing(gid_number("InventoryItem", &item.id)?)?;
            variant.owner.listing(listing, item.tracked, sku, own)
        });
        Ok(Page {
            items: items.collect::<Result<_, Fault>>()?,
            next: next.or_else(|| self.place_after(None)),
            unreadable: Vec::new(),
        })
    }

    async fn listings_at(
        &self,
        wire: &dyn Wire,
        location: u64,
        after: Option<&str>,
    ) -> Result<Page<Listing>, Fault> {
        let variables = json!({ "location": ids::gid("Location", location), "after": after });
        let data: LocationData<StockedNode> = self
            .ask(wire, "listings", documents::ITEMS_AT_LOCATION, variables)
            .await?;
        let Some(levels) = data.location.map(|found| found.inventory_levels) else {
            return self.no_location(location, self.own_location()?);
        };
        let next = match levels.next() {
            Some(after) => Some(at_place(location, &after)),
            None => self.place_after(Some(location)),
        };
        let mut items = Vec::with_capacity(levels.nodes.len());
        for level in levels.nodes.into_iter().filter(|level| level.is_active) {
            let item = level.item;
            let Some(owner) = item.variants.and_then(|mut owners| owners.nodes.pop()) else {
                continue;
            };
            let id = gid_number("InventoryItem", &item.id)?;
            let listing = ids::listing(id, location, self.location)?;
            let place = self.places.ours(location);
            items.push(owner.listing(listing, item.tracked, item.sku.as_ref(), place)?);
        }
        Ok(Page {
            items,
            next,
            unreadable: Vec::new(),
        })
    }
}

impl OwnerNode {
    /// What a variant sells with an item.
    fn listing(
        &self,
        listing: ListingId,
        tracked: bool,
        sku: Option<&String>,
        place: Option<&LocationId>,
    ) -> Result<Listing, Fault> {
        let not_publishable = if self.requires_components {
            Some("a bundle: Shopify computes its quantity".to_owned())
        } else if tracked {
            None
        } else {
            Some("Shopify does not track its quantity".to_owned())
        };
        let number = gid_number("ProductVariant", &self.id)?;
        Ok(Listing {
            listing,
            alias: Some(ids::variant_alias(number)?),
            location: place.cloned(),
            sku: sku.cloned().unwrap_or_default(),
            not_publishable,
            remark: (self.inventory_policy == "CONTINUE").then(|| "sells below zero".to_owned()),
        })
    }
}

/// In front of a cursor within a further location.
const AT_PLACE: &str = "at:";

/// Where a page begins within a further location; `after` is empty for its first.
fn at_place(location: u64, after: &str) -> Cursor {
    Cursor(format!("{AT_PLACE}{location}:{after}"))
}

/// Reads [`at_place`]; `None` for Shopify's own cursors, which are base64 and have no colon.
fn place_cursor(cursor: &str) -> Option<(u64, Option<&str>)> {
    let (location, after) = cursor.strip_prefix(AT_PLACE)?.split_once(':')?;
    Some((
        ids::number(location)?,
        Some(after).filter(|after| !after.is_empty()),
    ))
}
