//! Mutations of an emulated Shopify, with the rules that no schema tells.
//!
//! Order of the checks in `inventorySetQuantities`: input shape, `@idempotent`, array length, presence of
//! `changeFromQuantity`, key seen with another input, then every entry. Any user error: nothing is written.

use serde_json::{Value, json};

use super::document::Field;
use super::refusal::{Refusal, too_many, unknown};
use super::render::{gid, id_of};
use super::rules::{Entry, check_input, check_shape, other_parameters, read_entry};
use super::shop::{Level, Shop};
use crate::sandbox::journal::Happening;
use crate::sandbox::market::iso;

impl Shop {
    /// Answers one root field of a mutation, in full. `version` is the one that serves.
    pub(super) fn mutate(&mut self, field: &Field, version: &str) -> Result<Value, Refusal> {
        match field.name.as_str() {
            "inventorySetQuantities" => self.set_quantities(field, version),
            "inventoryActivate" => self.activate(field),
            "inventoryItemUpdate" => Ok(self.track(field)),
            "webhookSubscriptionCreate" => self.subscribe(field),
            "webhookSubscriptionDelete" => Ok(self.unsubscribe(field)),
            other => Err(unknown("Mutation", other)),
        }
    }

    fn set_quantities(&mut self, field: &Field, version: &str) -> Result<Value, Refusal> {
        let input = field.args.get("input").unwrap_or(&Value::Null);
        check_shape(input)?;
        let key = idempotency_key(field)?;
        let none = Vec::new();
        let raw = input
            .get("quantities")
            .and_then(Value::as_array)
            .unwrap_or(&none);
        if raw.len() > 250 {
            return Err(too_many(raw.len(), "inventorySetQuantities"));
        }
        if raw
            .iter()
            .any(|one| one.get("changeFromQuantity").is_none())
        {
            let message =
                "InventoryQuantityInput must include the following argument: changeFromQuantity.";
            let extensions = json!({"code": "INVALID_FIELD_ARGUMENTS"});
            return Err(Refusal::Field(
                json!({"message": message, "extensions": extensions}),
            ));
        }
        let print = input.to_string();
        let seen = self.keys.get(&key).cloned();
        let replay = seen.as_ref().is_some_and(|(_, succeeded)| *succeeded);
        let entries: Vec<_> = raw.iter().map(read_entry).collect();
        let errors = if seen.is_some_and(|(first, _)| first != print) {
            vec![other_parameters()]
        } else {
            check_input(input)
                .unwrap_or_else(|| self.check_entries(input, &entries, replay, version))
        };
        self.keys.entry(key).or_insert((print, false)).1 |= errors.is_empty();
        if !errors.is_empty() {
            self.note_refused(&entries, &errors);
            return Ok(json!({"inventoryAdjustmentGroup": null, "userErrors": errors}));
        }
        let changes = self.apply(input, &entries);
        let group = (!changes.is_empty()).then(|| {
            json!({
                "id": gid("InventoryAdjustmentGroup", self.new_id()),
                "createdAt": iso(self.stage.now_ms()),
                "reason": input.get("reason"),
                "referenceDocumentUri": input.get("referenceDocumentUri"),
                "changes": changes,
            })
        });
        Ok(json!({"inventoryAdjustmentGroup": group, "userErrors": []}))
    }

    fn note_refused(&mut self, entries: &[Entry<'_>], errors: &[Value]) {
        for error in errors {
            let at = error
                .pointer("/field/2")
                .and_then(Value::as_str)
                .and_then(|at| at.parse::<usize>().ok());
            let item = at
                .and_then(|at| entries.get(at))
                .and_then(|one| one.item)
                .unwrap_or(0);
            let code = error
                .get("code")
                .and_then(Value::as_str)
                .unwrap_or_default()
                .to_owned();
            self.stage.note(Happening::WriteRefused { item, code });
        }
    }

    /// Writes all entries; they were checked. Returns `changes`.
    fn apply(&mut self, input: &Value, entries: &[Entry<'_>]) -> Vec<Value> {
        let on_hand = input.get("name").and_then(Value::as_str) == Some("on_hand");
        let mut changes = Vec::new();
        let mut topics = Vec::new();
        for one in entries {
            let (Some(item), Some(location)) = (one.item, one.location) else {
                continue;
            };
            let Some(level) = self
                .levels
                .get(&(item, location))
                .copied()
                .filter(|level| level.active)
            else {
                let code = "ignored_not_stocked".to_owned();
                self.stage.note(Happening::WriteRefused { item, code });
                continue;
            };
            let target = if on_hand {
                one.quantity - level.committed
            } else {
                one.quantity
            };
            let delta = target - level.available;
            let (from, to, raise) = (level.available, target, delta > 0);
            self.stage.note(Happening::Write {
                item,
                location,
                from,
                to,
                raise,
            });
            if delta == 0 {
                continue;
            }
            self.shift(item, location, delta, 0);
            for name in ["available", "on_hand"] {
                changes.push(json!({
                    "name": name, "delta": delta, "quantityAfterChange": null,
                    "item": self.item_node(item), "location": self.location_node(location),
                }));
            }
            topics.push((item, location));
        }
        let bodies = topics
            .into_iter()
            .map(|(item, at)| ("inventory_levels/update", self.level_body(item, at)));
        let bodies: Vec<_> = bodies.collect();
        for body in bodies {
            self.announce(vec![body]);
        }
        changes
    }

    fn activate(&mut self, field: &Field) -> Result<Value, Refusal> {
        idempotency_key(field)?;
        let refuse = |field: &str, message: &str| {
            Ok(
                json!({"inventoryLevel": null, "userErrors": [{"field": [field], "message": message}]}),
            )
        };
        let item = field
            .text("inventoryItemId")
            .and_then(|id| id_of(id, "InventoryItem"));
        let Some(item) = item.filter(|item| self.variants.contains_key(item)) else {
            return refuse("inventoryItemId", "The inventory item could not be found.");
        };
        let location = field
            .text("locationId")
            .and_then(|id| id_of(id, "Location"));
        let Some(location) = location.filter(|at| self.locations.contains_key(at)) else {
            return refuse("locationId", "The location could not be found.");
        };
        if self.closed.contains(&location) {
            return refuse("locationId", "The location is not active.");
        }
        let number = |name: &str| field.args.get(name).and_then(Value::as_i64);
        let (available, on_hand) = (number("available"), number("onHand"));
        if available.is_some() && on_hand.is_some() {
            return refuse(
                "available",
                "Cannot set both available and on hand quantities.",
            );
        }
        let old = self.levels.get(&(item, location)).copied();
        if old.is_some_and(|level| level.active) {
            if available.or(on_hand).is_some() {
                let message = "Not allowed to set available quantity when the item is already active at the location.";
                return refuse("available", message);
            }
        } else {
            let committed = old.map_or(0, |level| level.committed);
            let wanted = available.or(on_hand.map(|n| n - committed));
            let to = wanted.or(old.map(|level| level.available)).unwrap_or(0);
            let level = Level {
                available: to,
                committed,
                active: true,
                updated_ms: self.stage.now_ms(),
            };
            self.levels.insert((item, location), level);
            self.stage.note(Happening::Write {
                item,
                location,
                from: 0,
                to,
                raise: to > 0,
            });
            let body = self.level_body(item, location);
            self.announce(vec![
                ("inventory_levels/connect", body.clone()),
                ("inventory_levels/update", body),
            ]);
        }
        Ok(json!({"inventoryLevel": self.level_node(item, location), "userErrors": []}))
    }

    fn track(&mut self, field: &Field) -> Value {
        let item = field.text("id").and_then(|id| id_of(id, "InventoryItem"));
        let tracked = field
            .args
            .get("input")
            .and_then(|input| input.get("tracked")?.as_bool());
        let Some((item, one)) = item.and_then(|item| Some((item, self.variants.get_mut(&item)?)))
        else {
            let error = json!({"field": ["id"], "message": "Inventory item does not exist"});
            return json!({"inventoryItem": null, "userErrors": [error]});
        };
        one.tracked = tracked.unwrap_or(one.tracked);
        json!({"inventoryItem": self.item_node(item), "userErrors": []})
    }
}

fn idempotency_key(field: &Field) -> Result<String, Refusal> {
    let key = field
        .directive("idempotent")
        .and_then(|args| args.get("key"))
        .and_then(Value::as_str);
    key.filter(|key| !key.is_empty())
        .map(str::to_owned)
        .ok_or_else(|| {
            let message =
                "The @idempotent directive is required for this mutation but was not provided.";
            Refusal::Field(json!({"message": message, "extensions": {"code": "BAD_REQUEST"}}))
        })
}
