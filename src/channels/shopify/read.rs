//! What the channel shows and what it sells.

use std::collections::{BTreeMap, BTreeSet};

use serde::Deserialize;
use serde_json::{Value, json};

use crate::channels::{Cursor, Fault, Level, Listing, Page, Which, Wire};
use crate::domain::ids::ListingId;

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
struct LocationData {
    location: Option<LocationLevels>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct LocationLevels {
    inventory_levels: Nodes<LevelNode>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct VariantsData {
    product_variants: Nodes<VariantNode>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct VariantNode {
    id: String,
    sku: Option<String>,
    inventory_policy: String,
    #[serde(default)]
    requires_components: bool,
    inventory_item: TrackedItem,
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

    async fn all_levels(
        &self,
        wire: &dyn Wire,
        cursor: Option<Cursor>,
    ) -> Result<Page<Level>, Fault> {
        let location = self.own_location()?;
        let variables = json!({
            "location": ids::gid("Location", location),
            "after": cursor.map(|c| c.0),
        });
        let data: LocationData = self
            .ask(wire, "levels", documents::LEVELS_AT_LOCATION, variables)
            .await?;
        let levels = data
            .location
            .ok_or_else(|| {
                Fault::Rejected(format!(
                    "the shop has no location {location}; hint: run `onhand channels check`, it lists them"
                ))
            })?
            .inventory_levels;
        let next = levels.next().map(Cursor);
        let mut items = Vec::with_capacity(levels.nodes.len());
        for level in &levels.nodes {
            let (Some(item), Some(available)) = (&level.item, level.available()) else {
                continue;
            };
            items.push(Level {
                listing: ids::item_listing(gid_number("InventoryItem", &item.id)?)?,
                shows: item.tracked.then_some(available),
                at: None,
            });
        }
        Ok(Page {
            items,
            next,
            unreadable: Vec::new(),
        })
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

    /// What the shop sells: one listing per variant. Since 2026-01 several variants may share one inventory item; then
    /// several entries have one listing id with different aliases, and all of them feed from one number.
    pub(super) async fn read_listings(
        &self,
        wire: &dyn Wire,
        cursor: Option<Cursor>,
    ) -> Result<Page<Listing>, Fault> {
        let data: VariantsData = self
            .ask(
                wire,
                "listings",
                documents::VARIANT_MAP,
                json!({ "after": cursor.map(|c| c.0) }),
            )
            .await?;
        let next = data.product_variants.next().map(Cursor);
        let items = data
            .product_variants
            .nodes
            .into_iter()
            .map(|variant| {
                let item = gid_number("InventoryItem", &variant.inventory_item.id)?;
                let number = gid_number("ProductVariant", &variant.id)?;
                let not_publishable = if variant.requires_components {
                    Some("a bundle: Shopify computes its quantity".to_owned())
                } else if variant.inventory_item.tracked {
                    None
                } else {
                    Some("Shopify does not track its quantity".to_owned())
                };
                let remark =
                    (variant.inventory_policy == "CONTINUE").then(|| "sells below zero".to_owned());
                Ok(Listing {
                    listing: ids::item_listing(item)?,
                    alias: Some(ids::variant_alias(number)?),
                    sku: variant.sku.unwrap_or_default(),
                    not_publishable,
                    remark,
                })
            })
            .collect::<Result<_, Fault>>()?;
        Ok(Page {
            items,
            next,
            unreadable: Vec::new(),
        })
    }
}
