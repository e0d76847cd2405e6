//! Queries of an emulated Shopify, by root field.
//!
//! Searches are as blunt as the real ones: `sku:` is a substring match without case, and a term that cannot
//! be read is ignored, so that everything comes back.

use chrono::DateTime;
use serde_json::{Value, json};

use super::document::Field;
use super::refusal::{INPUT_MAX, Refusal, too_many, unknown};
use super::render::{Asked, gid, id_of};
use super::shop::Shop;
use crate::sandbox::market::put;

/// Ids that an item, its product and its variant take, in this order.
const IDS_OF_ONE: u64 = 3;

impl Shop {
    /// Answers one root field of a query, in full.
    pub(super) fn query(&self, field: &Field) -> Result<Value, Refusal> {
        match field.name.as_str() {
            "productVariants" => self.variants_page(field),
            "locations" => {
                let open = |id: &&u64| !self.closed.contains(id);
                let all = self.locations.keys().filter(open).map(|id| ((0, *id), *id));
                Ok(asked(field)?.page(all, |id| self.location_node(id)))
            }
            "location" => self.location(field),
            "nodes" => self.nodes(field),
            "order" => {
                let id = field.text("id").and_then(|id| id_of(id, "Order"));
                let order = id.and_then(|id| self.orders.get(&id));
                Ok(order.map_or(Value::Null, |order| self.order_node(order)))
            }
            "orders" => self.orders_page(field),
            "fulfillmentOrder" => Ok(self.fulfilment_order(field)),
            "webhookSubscriptions" => {
                let all = self.hooks.iter().map(|(id, hook)| ((0, *id), (*id, hook)));
                Ok(asked(field)?.page(all, |(id, hook)| Self::hook_node(id, hook)))
            }
            "shop" => Ok(json!({
                "id": gid("Shop", 1), "name": "Sandbox", "myshopifyDomain": self.domain,
                "currencyCode": "USD",
            })),
            "publicApiVersions" => Ok(versions()),
            "currentAppInstallation" => Ok(scopes()),
            other => Err(unknown("QueryRoot", other)),
        }
    }

    fn variants_page(&self, field: &Field) -> Result<Value, Refusal> {
        let search = field.text("query").unwrap_or_default();
        let sku = term(search, "sku").map(str::to_lowercase);
        let since_ms = since(search);
        let asked = asked(field)?;
        // An item is older than its variant: the variants behind one begin behind an item that is a little older.
        let from = asked
            .after
            .map_or(0, |(_, variant)| variant.saturating_sub(IDS_OF_ONE));
        let all = self.variants.range(from..).filter(|(_, one)| {
            sku.as_ref()
                .is_none_or(|sku| one.sku.to_lowercase().contains(sku))
                && since_ms.is_none_or(|since_ms| one.updated_ms > since_ms)
        });
        let all = all.map(|(item, one)| ((0, one.id), *item));
        Ok(asked.page(all, |item| self.variant_node(item)))
    }

    fn location(&self, field: &Field) -> Result<Value, Refusal> {
        let id = field.text("id").and_then(|id| id_of(id, "Location"));
        let Some(id) = id.filter(|id| self.locations.contains_key(id)) else {
            return Ok(Value::Null);
        };
        let mut node = self.location_node(id);
        if let Some(levels) = field.below("inventoryLevels") {
            let inactive = levels.args.get("includeInactive") == Some(&Value::Bool(true));
            let asked = asked(levels)?;
            let from = asked.after.map_or(0, |(_, item)| item);
            let here = self
                .levels
                .range((from, 0)..)
                .filter(|((_, at), level)| *at == id && (level.active || inactive));
            let all = here.map(|((item, _), _)| ((0, *item), *item));
            let page = asked.page(all, |item| self.level_node(item, id));
            put(&mut node, "inventoryLevels", page);
        }
        Ok(node)
    }

    fn nodes(&self, field: &Field) -> Result<Value, Refusal> {
        let ids = field
            .args
            .get("ids")
            .and_then(Value::as_array)
            .map_or(&[][..], Vec::as_slice);
        if ids.len() > INPUT_MAX {
            return Err(too_many(ids.len(), "nodes"));
        }
        let location = field
            .below("inventoryLevel")
            .and_then(|level| level.text("locationId"));
        let location = location.and_then(|id| id_of(id, "Location"));
        let node = |id: &Value| {
            let item = id.as_str().and_then(|id| id_of(id, "InventoryItem"));
            let Some(item) = item.filter(|item| self.variants.contains_key(item)) else {
                return Value::Null;
            };
            let mut node = self.item_node(item);
            let active = location.filter(|at| {
                self.levels
                    .get(&(item, *at))
                    .is_some_and(|level| level.active)
            });
            let level = active.map_or(Value::Null, |at| self.level_node(item, at));
            put(&mut node, "inventoryLevel", level);
            node
        };
        Ok(ids.iter().map(node).collect())
    }

    fn orders_page(&self, field: &Field) -> Result<Value, Refusal> {
        let search = field.text("query").unwrap_or_default();
        let since_ms = since(search);
        let open = term(search, "status") == Some("open");
        let by_update = field.text("sortKey") == Some("UPDATED_AT");
        let all = self.orders.values().filter(|one| {
            since_ms.is_none_or(|since_ms| one.updated_ms > since_ms)
                && (!open || one.cancelled_ms.is_none())
        });
        let mut all: Vec<_> = all
            .map(|one| {
                let at = if by_update {
                    one.updated_ms
                } else {
                    one.created_ms
                };
                ((at, one.id), one)
            })
            .collect();
        all.sort_by_key(|(key, _)| *key);
        Ok(asked(field)?.page(all.into_iter(), |one| self.order_node(one)))
    }
}

/// Which page is asked for.
fn asked(field: &Field) -> Result<Asked, Refusal> {
    Asked::read(field).map_err(|message| {
        let extensions = json!({"code": "BAD_REQUEST"});
        Refusal::Field(json!({"message": message, "extensions": extensions}))
    })
}

/// The value of `name:value`, `name:"value"` or `name:'value'` in a search, comparison signs stripped.
fn term<'a>(search: &'a str, name: &str) -> Option<&'a str> {
    let (_, rest) = search.split_once(&format!("{name}:"))?;
    let rest = rest.trim_start_matches(['>', '=', '<']);
    let quoted = ['"', '\'']
        .into_iter()
        .find_map(|quote| rest.strip_prefix(quote)?.split(quote).next());
    quoted.or_else(|| rest.split_whitespace().next())
}

/// The last millisecond that `updated_at:>` or `updated_at:>=` leaves out. Shopify compares whole seconds.
fn since(search: &str) -> Option<i64> {
    let at = DateTime::parse_from_rfc3339(term(search, "updated_at")?).ok()?;
    let second_ms = at.timestamp() * 1_000;
    let included = search.contains("updated_at:>=");
    Some(if included {
        second_ms - 1
    } else {
        second_ms + 999
    })
}

fn versions() -> Value {
    let all = [
        ("2026-04", true),
        ("2026-07", true),
        ("2026-10", true),
        ("2027-01", false),
        ("unstable", false),
    ];
    let one = |(handle, supported)| json!({"handle": handle, "displayName": handle, "supported": supported});
    all.into_iter().map(one).collect()
}

fn scopes() -> Value {
    let all = [
        "read_inventory",
        "write_inventory",
        "read_products",
        "read_locations",
        "read_orders",
        "read_merchant_managed_fulfillment_orders",
    ];
    let handles: Vec<_> = all.iter().map(|handle| json!({"handle": handle})).collect();
    json!({"id": gid("AppInstallation", 1), "accessScopes": handles})
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn searches_are_read_as_shopify_reads_them() {
        let at = 1_782_351_236_000; // 2026-06-25T01:33:56Z
        for (search, want) in [
            ("updated_at:>'2026-06-25T01:33:56Z'", Some(at + 999)),
            ("updated_at:>=2026-06-25T01:33:56Z", Some(at - 1)),
            (
                "status:any updated_at:>\"2026-06-25T03:33:56+02:00\"",
                Some(at + 999),
            ),
            ("updated_at:>yesterday", None),
            ("", None),
        ] {
            assert_eq!(since(search), want, "{search}");
        }
        assert_eq!(term("sku:\"A B\" x", "sku"), Some("A B"));
        assert_eq!(term("sku:A B", "sku"), Some("A"));
    }
}
