//! Goods at several locations of an emulated Shopify: fulfilment orders, moves of them, tills, returns to another place,
//! and locations that are closed.

use std::collections::btree_map::Entry;

use serde_json::{Value, json};

use super::counter::Topics;
use super::document::Field;
use super::render::{gid, id_of, whole};
use super::shop::{Level, Line, Order, Shop};
use super::{Shopify, ShopifyVariant};
use crate::sandbox::market::{CounterError, Goods, Sold};

impl Shopify {
    /// Sells over the counter of a location, whatever its numbers say.
    ///
    /// # Errors
    /// For unknown goods, and units below 1.
    pub fn sell_at(
        &self,
        location: u64,
        lines: &[(Goods<'_>, i64)],
    ) -> Result<Vec<Sold>, CounterError> {
        self.lock().place(lines, Some(location))
    }

    /// Lets everything that is not sent of an order be sent from another location, as an employee does. The order's own
    /// time of change stays as it is.
    ///
    /// # Errors
    /// If the order is unknown or cancelled, or the location does not stock its goods.
    pub fn move_order(&self, order: u64, to: u64) -> Result<(), CounterError> {
        self.lock().move_order(order, to)
    }

    /// Refunds units of a line, and puts what had been sent back for sale at a location.
    ///
    /// # Errors
    /// If the line is unknown, or has fewer units left.
    pub fn put_back(
        &self,
        order: u64,
        line: u64,
        units: i64,
        location: u64,
    ) -> Result<(), CounterError> {
        self.lock().refund(order, line, units, true, Some(location))
    }

    /// Stocks an item at one more location, as an employee does.
    ///
    /// # Errors
    /// For unknown goods.
    pub fn stock_at(
        &self,
        goods: Goods<'_>,
        location: u64,
        available: i64,
    ) -> Result<(), CounterError> {
        self.lock().stock_at(goods, location, available)
    }

    /// Puts a new variant into the shop.
    pub fn add(&self, variant: &ShopifyVariant) {
        let mut shop = self.lock();
        let now_ms = shop.stage.now_ms();
        let item = shop.stock(variant, now_ms);
        let body = json!({"id": item, "sku": variant.sku});
        shop.announce(vec![("inventory_items/create", body)]);
    }

    /// Deactivates a location: nothing is sold from it, and nothing is written to it.
    pub fn close(&self, location: u64) {
        self.lock().close_location(location);
    }
}

impl Shop {
    /// One fulfilment order for each location that gave units. What was sold at a till is not sent.
    pub(super) fn route(&mut self, order: &mut Order) {
        let drawn = order.lines.iter().flat_map(|line| &line.drawn);
        let places: Vec<u64> = drawn.map(|(place, _)| *place).collect();
        for place in places.into_iter().filter(|_| order.till.is_none()) {
            if let Entry::Vacant(route) = order.routes.entry(place) {
                route.insert(self.new_id());
            }
        }
    }

    /// What tells that an order was routed: one message for each fulfilment order, none of which names the order.
    pub(super) fn routed_topics(order: &Order) -> Topics {
        let told = |id: &u64| {
            let named = json!({"id": gid("FulfillmentOrder", *id), "status": "open"});
            let body = json!({"fulfillment_order": named});
            ("fulfillment_orders/order_routing_complete", body)
        };
        order.routes.values().map(told).collect()
    }

    /// Units of an item that a till hands over at its location.
    pub(super) fn draw_at(&mut self, item: u64, location: u64, units: i64) -> Vec<(u64, i64)> {
        if !self.levels.contains_key(&(item, location)) {
            return Vec::new();
        }
        self.shift(item, location, -units, 0);
        vec![(location, units)]
    }

    fn move_order(&mut self, id: u64, to: u64) -> Result<(), CounterError> {
        let mut order = self.take_order(id)?;
        let stocked = |line: &Line| self.levels.contains_key(&(line.item, to));
        if let Some(line) = order.lines.iter().find(|line| !stocked(line)) {
            return Err(CounterError::NotCounted(line.item));
        }
        let mut topics = Topics::new();
        for line in order.lines.iter_mut().filter(|line| !line.fulfilled) {
            let units = line.drawn.iter().map(|(_, units)| units).sum();
            let from = std::mem::replace(&mut line.drawn, vec![(to, units)]);
            for (place, units) in &from {
                self.shift(line.item, *place, *units, -units);
                self.shift(line.item, to, -units, *units);
            }
            self.level_topics(line.item, &from, &mut topics);
            self.level_topics(line.item, &line.drawn, &mut topics);
        }
        let first = order.routes.values().next().copied();
        self.route(&mut order);
        let named = |id: Option<u64>| json!({"id": id.map(|id| gid("FulfillmentOrder", id))});
        let body = json!({
            "original_fulfillment_order": named(first),
            "moved_fulfillment_order": named(order.routes.get(&to).copied()),
            "destination_location_id": gid("Location", to),
        });
        topics.push(("fulfillment_orders/moved", body));
        self.orders.insert(id, order);
        self.announce(topics);
        Ok(())
    }

    fn stock_at(
        &mut self,
        goods: Goods<'_>,
        location: u64,
        available: i64,
    ) -> Result<(), CounterError> {
        let item = self.find(goods)?;
        let level = Level {
            available,
            committed: 0,
            active: true,
            updated_ms: self.stage.now_ms(),
        };
        self.levels.insert((item, location), level);
        let body = self.level_body(item, location);
        self.announce(vec![("inventory_levels/connect", body)]);
        Ok(())
    }

    fn close_location(&mut self, location: u64) {
        self.closed.insert(location);
        for ((_, at), level) in &mut self.levels {
            level.active &= *at != location;
        }
        let body = json!({"id": location, "active": false});
        self.announce(vec![("locations/deactivate", body)]);
    }

    /// The fulfilment orders of an order. One whose units were all moved, cancelled or sent is closed.
    pub(super) fn fulfilment_nodes(&self, order: &Order) -> Vec<Value> {
        let one = |(place, id): (&u64, &u64)| {
            let lines = order.lines.iter().filter_map(|line| {
                let units = |parts: &[(u64, i64)]| -> i64 {
                    let here = parts.iter().filter(|(at, _)| at == place);
                    here.map(|(_, units)| units).sum()
                };
                let left = if line.fulfilled {
                    0
                } else {
                    units(&line.drawn)
                };
                let total = left + units(&line.sent);
                (total > 0).then(|| {
                    json!({
                        "id": gid("FulfillmentOrderLineItem", line.id),
                        "totalQuantity": total,
                        "remainingQuantity": left,
                        "lineItem": self.line_node(line),
                    })
                })
            });
            let lines: Vec<Value> = lines.collect();
            let open = lines.iter().any(|line| line["remainingQuantity"] != 0);
            json!({
                "id": gid("FulfillmentOrder", *id),
                "orderId": gid("Order", order.id),
                "status": if open { "OPEN" } else { "CLOSED" },
                "assignedLocation": {"location": self.location_node(*place)},
                "lineItems": whole(lines),
            })
        };
        order.routes.iter().map(one).collect()
    }

    /// `fulfillmentOrder`, or null.
    pub(super) fn fulfilment_order(&self, field: &Field) -> Value {
        let id = field
            .text("id")
            .and_then(|id| id_of(id, "FulfillmentOrder"));
        let orders = self.orders.values();
        let mut with = orders.filter(|order| order.routes.values().any(|one| Some(*one) == id));
        let found = with.next().and_then(|order| {
            let at = order.routes.values().position(|one| Some(*one) == id)?;
            self.fulfilment_nodes(order).into_iter().nth(at)
        });
        found.unwrap_or(Value::Null)
    }
}
