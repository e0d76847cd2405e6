//! The shapes of an emulated Shopify: GraphQL nodes, and the REST bodies of webhooks.
//!
//! Every node is built in full; the entry then keeps what the document selects.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Value, json};

use super::document::Field;
use super::shop::{Hook, Line, Order, Refund, Shop};
use crate::sandbox::market::iso;

/// `gid://shopify/Kind/id`.
pub(super) fn gid(kind: &str, id: u64) -> String {
    format!("gid://shopify/{kind}/{id}")
}

/// The id in a gid of this kind.
pub(super) fn id_of(gid: &str, kind: &str) -> Option<u64> {
    let rest = gid.strip_prefix("gid://shopify/")?;
    rest.strip_prefix(kind)?.strip_prefix('/')?.parse().ok()
}

fn level_gid(item: u64, location: u64) -> String {
    format!(
        "{}?inventory_item_id={item}",
        gid("InventoryLevel", location)
    )
}

/// What a page of a connection asks for.
pub(super) struct Asked {
    /// The key behind which it begins.
    pub(super) after: Option<(i64, u64)>,
    first: usize,
}

impl Asked {
    /// Reads `first` and `after`.
    ///
    /// # Errors
    /// As text, if neither `first` nor a sensible page size was given, or the cursor is not ours.
    pub(super) fn read(field: &Field) -> Result<Self, String> {
        let first = field.args.get("first").and_then(Value::as_u64);
        let first = first.ok_or("you must provide one of first or last")?;
        if first == 0 || first > 250 {
            return Err(format!("first cannot exceed 250 or be 0, got {first}"));
        }
        let after = match field.text("after") {
            None => None,
            Some(cursor) => {
                Some(read_cursor(cursor).ok_or("Invalid cursor for current pagination sort.")?)
            }
        };
        Ok(Self {
            after,
            first: usize::try_from(first).unwrap_or(250),
        })
    }

    /// The page of `all`, which is sorted by its keys; they become the cursors. Nothing is rendered that is not on it.
    pub(super) fn page<T>(
        &self,
        all: impl Iterator<Item = ((i64, u64), T)>,
        render: impl Fn(T) -> Value,
    ) -> Value {
        let mut rest = all.filter(|(key, _)| self.after.is_none_or(|after| *key > after));
        let here = rest.by_ref().take(self.first);
        let nodes: Vec<_> = here.map(|(key, one)| (key, render(one))).collect();
        connection(nodes, rest.next().is_some())
    }
}

/// A connection that holds everything.
pub(super) fn whole(nodes: Vec<Value>) -> Value {
    let keyed = (0..).zip(nodes).map(|(at, node)| ((0, at), node));
    connection(keyed.collect(), false)
}

fn connection(nodes: Vec<((i64, u64), Value)>, has_next: bool) -> Value {
    let cursors: Vec<_> = nodes.iter().map(|(key, _)| cursor(*key)).collect();
    let edge = |(key, node): &((i64, u64), Value)| json!({"cursor": cursor(*key), "node": node});
    json!({
        "pageInfo": {
            "hasNextPage": has_next,
            "hasPreviousPage": false,
            "startCursor": cursors.first(),
            "endCursor": cursors.last(),
        },
        "edges": nodes.iter().map(edge).collect::<Vec<_>>(),
        "nodes": nodes.into_iter().map(|(_, node)| node).collect::<Vec<_>>(),
    })
}

fn cursor((major, minor): (i64, u64)) -> String {
    STANDARD.encode(format!("{major}:{minor}"))
}

fn read_cursor(cursor: &str) -> Option<(i64, u64)> {
    let text = String::from_utf8(STANDARD.decode(cursor).ok()?).ok()?;
    let (major, minor) = text.split_once(':')?;
    Some((major.parse().ok()?, minor.parse().ok()?))
}

impl Shop {
    /// `ProductVariant`.
    pub(super) fn variant_node(&self, item: u64) -> Value {
        let Some(one) = self.variants.get(&item) else {
            return Value::Null;
        };
        json!({
            "id": gid("ProductVariant", one.id),
            "legacyResourceId": one.id.to_string(),
            "sku": one.sku,
            "barcode": null,
            "title": "Default Title",
            "displayName": one.sku,
            "inventoryPolicy": if one.oversells { "CONTINUE" } else { "DENY" },
            "requiresComponents": one.bundle,
            "inventoryQuantity": self.shown(item),
            "updatedAt": iso(one.updated_ms),
            "inventoryItem": self.item_node(item),
            "product": {
                "id": gid("Product", one.product),
                "legacyResourceId": one.product.to_string(),
                "title": one.sku,
                "status": "ACTIVE",
            },
        })
    }

    /// `InventoryItem`, without its levels.
    pub(super) fn item_node(&self, item: u64) -> Value {
        let Some(one) = self.variants.get(&item) else {
            return Value::Null;
        };
        let twins = self.variants.values().filter(|other| other.sku == one.sku);
        json!({
            "id": gid("InventoryItem", item),
            "legacyResourceId": item.to_string(),
            "sku": one.sku,
            "tracked": one.tracked,
            "requiresShipping": true,
            "duplicateSkuCount": twins.count() - 1,
            "updatedAt": iso(one.updated_ms),
            "variants": whole(vec![json!({
                "id": gid("ProductVariant", one.id),
                "inventoryPolicy": if one.oversells { "CONTINUE" } else { "DENY" },
                "requiresComponents": one.bundle,
            })]),
        })
    }

    /// `InventoryLevel`, or null.
    pub(super) fn level_node(&self, item: u64, location: u64) -> Value {
        let Some(level) = self.levels.get(&(item, location)) else {
            return Value::Null;
        };
        let quantity = |name: &str, quantity: i64| {
            json!({
                "id": format!("gid://shopify/InventoryQuantity/{location}?inventory_item_id={item}&name={name}"),
                "name": name, "quantity": quantity, "updatedAt": iso(level.updated_ms),
            })
        };
        json!({
            "id": level_gid(item, location),
            "isActive": level.active,
            "updatedAt": iso(level.updated_ms),
            "quantities": [
                quantity("available", level.available),
                quantity("on_hand", level.on_hand()),
                quantity("committed", level.committed),
            ],
            "item": self.item_node(item),
            "location": {"id": gid("Location", location)},
        })
    }

    /// `Location`.
    pub(super) fn location_node(&self, location: u64) -> Value {
        let Some(name) = self.locations.get(&location) else {
            return Value::Null;
        };
        json!({
            "id": gid("Location", location),
            "legacyResourceId": location.to_string(),
            "name": name,
            "isActive": !self.closed.contains(&location),
            "fulfillsOnlineOrders": true,
            "isFulfillmentService": false,
        })
    }

    /// `Order`.
    pub(super) fn order_node(&self, order: &Order) -> Value {
        let lines = order
            .lines
            .iter()
            .map(|line| self.line_node(line))
            .collect();
        let refund = |one: &Refund| self.refund_node(order, one);
        let shipped = order.lines.iter().all(|line| line.fulfilled);
        json!({
            "id": gid("Order", order.id),
            "legacyResourceId": order.id.to_string(),
            "name": format!("#{}", order.number),
            "createdAt": iso(order.created_ms),
            "processedAt": iso(order.created_ms),
            "updatedAt": iso(order.updated_ms),
            "cancelledAt": order.cancelled_ms.map(iso),
            "cancelReason": order.cancelled_ms.map(|_| "CUSTOMER"),
            "confirmed": true,
            "test": false,
            "sourceName": if order.till.is_some() { "pos" } else { "web" },
            "retailLocation": order.till.map(|id| self.location_node(id)),
            "displayFinancialStatus": if order.refunds.is_empty() { "PAID" } else { "PARTIALLY_REFUNDED" },
            "displayFulfillmentStatus": if shipped { "FULFILLED" } else { "UNFULFILLED" },
            "lineItems": whole(lines),
            "fulfillmentOrders": whole(self.fulfilment_nodes(order)),
            "refunds": order.refunds.iter().map(refund).collect::<Vec<_>>(),
        })
    }

    pub(super) fn line_node(&self, line: &Line) -> Value {
        json!({
            "id": gid("LineItem", line.id),
            "sku": self.sku(line.item),
            "title": self.sku(line.item),
            "quantity": line.units,
            "currentQuantity": line.current(),
            "unfulfilledQuantity": line.unfulfilled(),
            "variant": self.variant_node(line.item),
        })
    }

    fn refund_node(&self, order: &Order, refund: &Refund) -> Value {
        let part = |part: &super::shop::RefundLine| {
            let line = order.lines.iter().find(|line| line.id == part.line);
            json!({
                "id": gid("RefundLineItem", part.line),
                "quantity": part.units,
                "restockType": part.kind,
                "restocked": part.kind != "NO_RESTOCK",
                "location": part.location.map(|id| self.location_node(id)),
                "lineItem": line.map(|line| self.line_node(line)),
            })
        };
        json!({
            "id": gid("Refund", refund.id),
            "legacyResourceId": refund.id.to_string(),
            "createdAt": iso(refund.created_ms),
            "refundLineItems": whole(refund.lines.iter().map(part).collect()),
        })
    }

    /// `WebhookSubscription`.
    pub(super) fn hook_node(id: u64, hook: &Hook) -> Value {
        json!({
            "id": gid("WebhookSubscription", id),
            "legacyResourceId": id.to_string(),
            "topic": hook.topic.replace('/', "_").to_uppercase(),
            "uri": hook.url,
            "callbackUrl": hook.url,
            "format": "JSON",
            "createdAt": iso(hook.created_ms),
            "updatedAt": iso(hook.created_ms),
            "apiVersion": {"handle": super::WEBHOOK_VERSION},
        })
    }

    /// The SKU of an item, empty if it is gone.
    pub(super) fn sku(&self, item: u64) -> String {
        self.variants
            .get(&item)
            .map(|one| one.sku.clone())
            .unwrap_or_default()
    }

    /// The body of `orders/*`.
    pub(super) fn order_body(&self, order: &Order) -> Value {
        let line = |line: &Line| self.line_body(line);
        let refund = |refund: &Refund| self.refund_body(order, refund);
        json!({
            "id": order.id,
            "admin_graphql_api_id": gid("Order", order.id),
            "name": format!("#{}", order.number),
            "order_number": order.number,
            "created_at": iso(order.created_ms),
            "updated_at": iso(order.updated_ms),
            "cancelled_at": order.cancelled_ms.map(iso),
            "cancel_reason": order.cancelled_ms.map(|_| "customer"),
            "test": false,
            "source_name": if order.till.is_some() { "pos" } else { "web" },
            "location_id": order.till,
            "email": null,
            "phone": null,
            "note": "café ☃",
            "line_items": order.lines.iter().map(line).collect::<Vec<_>>(),
            "refunds": order.refunds.iter().map(refund).collect::<Vec<_>>(),
        })
    }

    fn line_body(&self, line: &Line) -> Value {
        let variant = self.variants.get(&line.item);
        json!({
            "id": line.id,
            "admin_graphql_api_id": gid("LineItem", line.id),
            "variant_id": variant.map(|one| one.id),
            "product_id": variant.map(|one| one.product),
            "sku": self.sku(line.item),
            "title": self.sku(line.item),
            "quantity": line.units,
            "current_quantity": line.current(),
            "fulfillable_quantity": line.unfulfilled(),
            "product_exists": variant.is_some(),
            "variant_inventory_management": variant.and_then(|one| one.tracked.then_some("shopify")),
        })
    }

    /// The body of `refunds/create`.
    pub(super) fn refund_body(&self, order: &Order, refund: &Refund) -> Value {
        let part = |part: &super::shop::RefundLine| {
            let line = order.lines.iter().find(|line| line.id == part.line);
            json!({
                "line_item_id": part.line,
                "quantity": part.units,
                "restock_type": part.kind.to_lowercase(),
                "location_id": part.location,
                "line_item": line.map(|line| self.line_body(line)),
            })
        };
        json!({
            "id": refund.id,
            "admin_graphql_api_id": gid("Refund", refund.id),
            "order_id": order.id,
            "created_at": iso(refund.created_ms),
            "restock": refund.lines.iter().any(|part| part.kind != "NO_RESTOCK"),
            "refund_line_items": refund.lines.iter().map(part).collect::<Vec<_>>(),
        })
    }

    /// The body of `inventory_levels/update`.
    pub(super) fn level_body(&self, item: u64, location: u64) -> Value {
        let tracked = self.variants.get(&item).is_some_and(|one| one.tracked);
        let level = self.levels.get(&(item, location)).filter(|_| tracked);
        json!({
            "inventory_item_id": item,
            "location_id": location,
            "available": level.map(|level| level.available),
            "updated_at": iso(self.stage.now_ms()),
            "admin_graphql_api_id": level_gid(item, location),
        })
    }

    /// The body of `products/update`.
    pub(super) fn product_body(&self, item: u64) -> Value {
        let Some(one) = self.variants.get(&item) else {
            return Value::Null;
        };
        json!({
            "id": one.product,
            "admin_graphql_api_id": gid("Product", one.product),
            "title": one.sku,
            "status": "active",
            "updated_at": iso(self.stage.now_ms()),
            "variants": [{
                "id": one.id, "product_id": one.product, "sku": one.sku,
                "inventory_item_id": item, "inventory_quantity": self.shown(item),
            }],
        })
    }
}
