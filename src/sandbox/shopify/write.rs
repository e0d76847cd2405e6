//! Mutations of an emulated Shopify, with the rules that no schema tells.
//!
//! Order of the checks in `inventorySetQuantities`: input shape, `@idempotent`, array length, presence of
//! `changeFromQuantity`, key seen with another input, then every entry. Any user error: nothing is written.

use std::collections::HashMap;

use serde_json::{Map, Value, json};

use super::document::Field;
use super::read::{too_many, unknown};
use super::render::{gid, id_of};
use super::shop::{Hook, Level, Shop};
use crate::sandbox::journal::Happening;
use crate::sandbox::market::iso;
use crate::sandbox::server::is_loopback;

const QUANTITY_MAX: i64 = 1_000_000_000;

const REASONS: [&str; 17] = [
    "correction",
    "cycle_count_available",
    "damaged",
    "movement_canceled",
    "movement_created",
    "movement_received",
    "movement_updated",
    "other",
    "promotion",
    "quality_control",
    "received",
    "reservation_created",
    "reservation_deleted",
    "reservation_updated",
    "restock",
    "safety_stock",
    "shrinkage",
];

const TOPICS: [&str; 12] = [
    "APP_UNINSTALLED",
    "INVENTORY_ITEMS_UPDATE",
    "INVENTORY_LEVELS_CONNECT",
    "INVENTORY_LEVELS_DISCONNECT",
    "INVENTORY_LEVELS_UPDATE",
    "ORDERS_CANCELLED",
    "ORDERS_CREATE",
    "ORDERS_DELETE",
    "ORDERS_EDITED",
    "ORDERS_UPDATED",
    "PRODUCTS_UPDATE",
    "REFUNDS_CREATE",
];

/// Why a field has no value.
#[derive(Debug)]
pub(super) enum Refusal {
    /// The request fails as a whole: no `data`.
    Whole(Value),
    /// The field is null, and the error names it.
    Field(Value),
}

/// One entry of `quantities`, as far as it could be read.
struct Entry<'a> {
    item: Option<u64>,
    location: Option<u64>,
    quantity: i64,
    from: &'a Value,
}

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
            self.check_input(input)
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

    /// Errors of the input as a whole, if any.
    fn check_input(&self, input: &Value) -> Option<Vec<Value>> {
        let text = |name: &str| input.get(name).and_then(Value::as_str);
        let error = if !matches!(text("name"), Some("available" | "on_hand")) {
            (
                "name",
                "The quantity name must be either 'available' or 'on_hand'.",
                "INVALID_NAME",
            )
        } else if !text("reason").is_some_and(|reason| REASONS.contains(&reason)) {
            (
                "reason",
                "The specified reason is invalid.",
                "INVALID_REASON",
            )
        } else if text("referenceDocumentUri").is_some_and(|uri| !is_uri(uri)) {
            let code = "INVALID_REFERENCE_DOCUMENT";
            (
                "referenceDocumentUri",
                "The specified reference document is not valid.",
                code,
            )
        } else {
            return None;
        };
        let (field, message, code) = error;
        Some(vec![
            json!({"field": ["input", field], "message": message, "code": code}),
        ])
    }

    fn check_entries(
        &self,
        input: &Value,
        entries: &[Entry<'_>],
        replay: bool,
        version: &str,
    ) -> Vec<Value> {
        let on_hand = input.get("name").and_then(Value::as_str) == Some("on_hand");
        let mut pairs: HashMap<_, u32> = HashMap::new();
        for one in entries {
            *pairs.entry((one.item, one.location)).or_default() += 1;
        }
        let mut errors = Vec::new();
        for (at, one) in entries.iter().enumerate() {
            let twice = pairs.get(&(one.item, one.location)).is_some_and(|n| *n > 1);
            let found = if twice {
                Some(DOUBLE)
            } else {
                self.check_entry(one, on_hand, replay, version)
            };
            if let Some((name, message, code)) = found {
                let field = json!(["input", "quantities", at.to_string(), name]);
                errors.push(json!({"field": field, "message": message, "code": code}));
            }
        }
        errors
    }

    fn check_entry(
        &self,
        one: &Entry<'_>,
        on_hand: bool,
        replay: bool,
        version: &str,
    ) -> Option<EntryError> {
        let variant = one.item.and_then(|item| self.variants.get(&item));
        let Some(variant) = variant else {
            return Some(NO_ITEM);
        };
        let location = one.location.filter(|at| self.locations.contains_key(at));
        let Some(location) = location else {
            return Some(NO_LOCATION);
        };
        if variant.bundle {
            return Some(BUNDLE);
        }
        if one.quantity > QUANTITY_MAX {
            return Some(TOO_HIGH);
        }
        if one.quantity < -QUANTITY_MAX {
            return Some(TOO_LOW);
        }
        if on_hand && one.quantity < 0 {
            return Some(NEGATIVE);
        }
        let level = one.item.and_then(|item| self.levels.get(&(item, location)));
        let Some(level) = level.filter(|level| level.active) else {
            // From 2026-10 the code is gone, and such an entry is silently without effect.
            return (version < "2026-10").then_some(NOT_STOCKED);
        };
        let now = if on_hand {
            level.on_hand()
        } else {
            level.available
        };
        let from = one.from.as_i64()?;
        (replay || from != now).then_some(STALE)
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
            self.announce(vec![("inventory_levels/update", body)]);
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

    fn subscribe(&mut self, field: &Field) -> Result<Value, Refusal> {
        let topic = field.text("topic").filter(|topic| TOPICS.contains(topic));
        let Some(topic) = topic else {
            return Err(invalid_variable(
                "topic",
                "WebhookSubscriptionTopic!",
                "topic",
                "Expected a known topic",
            ));
        };
        let sub = field
            .args
            .get("webhookSubscription")
            .unwrap_or(&Value::Null);
        let url = sub
            .get("uri")
            .or(sub.get("callbackUrl"))
            .and_then(Value::as_str)
            .unwrap_or_default();
        let (kind, event) = topic.rsplit_once('_').unwrap_or((topic, ""));
        let topic = format!("{kind}/{event}").to_lowercase();
        let refuse = |message: &str| {
            let error =
                json!({"field": ["webhookSubscription", "callbackUrl"], "message": message});
            Ok(json!({"webhookSubscription": null, "userErrors": [error]}))
        };
        if !is_loopback(url) {
            return refuse("Address is not allowed: the sandbox delivers to loopback only");
        }
        if self
            .hooks
            .values()
            .any(|hook| hook.topic == topic && hook.url == url)
        {
            return refuse("Address for this topic has already been taken");
        }
        let id = self.new_id();
        let hook = Hook {
            topic: topic.clone(),
            url: url.to_owned(),
            created_ms: self.stage.now_ms(),
        };
        let node = Self::hook_node(id, &hook);
        self.hooks.insert(id, hook);
        self.stage.note(Happening::Subscribed {
            hook: id,
            topic,
            url: url.to_owned(),
        });
        Ok(json!({"webhookSubscription": node, "userErrors": []}))
    }

    fn unsubscribe(&mut self, field: &Field) -> Value {
        let gid = field.text("id").unwrap_or_default();
        let hook = id_of(gid, "WebhookSubscription").filter(|id| self.hooks.remove(id).is_some());
        let Some(hook) = hook else {
            let error = json!({"field": ["id"], "message": "Webhook subscription does not exist"});
            return json!({"deletedWebhookSubscriptionId": null, "userErrors": [error]});
        };
        self.stage.note(Happening::Unsubscribed {
            hook,
            reason: "by request".to_owned(),
        });
        json!({"deletedWebhookSubscriptionId": gid, "userErrors": []})
    }
}

/// Field, message, code.
type EntryError = (&'static str, &'static str, &'static str);

const NO_ITEM: EntryError = (
    "inventoryItemId",
    "The specified inventory item could not be found.",
    "INVALID_INVENTORY_ITEM",
);
const NO_LOCATION: EntryError = (
    "locationId",
    "The specified location could not be found.",
    "INVALID_LOCATION",
);
const BUNDLE: EntryError = (
    "inventoryItemId",
    "The specified inventory item is not allowed to be adjusted.",
    "NON_MUTABLE_INVENTORY_ITEM",
);
const TOO_HIGH: EntryError = (
    "quantity",
    "The quantity can't be higher than 1,000,000,000.",
    "INVALID_QUANTITY_TOO_HIGH",
);
const TOO_LOW: EntryError = (
    "quantity",
    "The quantity can't be lower than -1,000,000,000.",
    "INVALID_QUANTITY_TOO_LOW",
);
const NEGATIVE: EntryError = (
    "quantity",
    "The quantity can't be negative.",
    "INVALID_QUANTITY_NEGATIVE",
);
const NOT_STOCKED: EntryError = (
    "locationId",
    "The specified inventory item is not stocked at the location.",
    "ITEM_NOT_STOCKED_AT_LOCATION",
);
const STALE: EntryError = (
    "changeFromQuantity",
    "The changeFromQuantity argument no longer matches the persisted quantity.",
    "CHANGE_FROM_QUANTITY_STALE",
);
const DOUBLE: EntryError = (
    "inventoryItemId",
    "The combination of inventoryItemId and locationId must be unique.",
    "NO_DUPLICATE_INVENTORY_ITEM_ID_GROUP_ID_PAIR",
);

fn other_parameters() -> Value {
    json!({
        "field": null,
        "message": "The request with this idempotency key has different parameters than the original request.",
        "code": "IDEMPOTENCY_KEY_PARAMETER_MISMATCH",
    })
}

fn is_uri(text: &str) -> bool {
    let parts = text.split_once(':');
    parts.is_some_and(|(scheme, rest)| !scheme.is_empty() && !rest.trim_matches('/').is_empty())
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

fn read_entry(raw: &Value) -> Entry<'_> {
    let id = |name: &str, kind: &str| {
        raw.get(name)
            .and_then(Value::as_str)
            .and_then(|id| id_of(id, kind))
    };
    Entry {
        item: id("inventoryItemId", "InventoryItem"),
        location: id("locationId", "Location"),
        quantity: raw.get("quantity").and_then(Value::as_i64).unwrap_or(0),
        from: raw.get("changeFromQuantity").unwrap_or(&Value::Null),
    }
}

/// What Shopify's schema refuses before anything runs.
fn check_shape(input: &Value) -> Result<(), Refusal> {
    let kind = "InventorySetQuantitiesInput";
    let bad =
        |path: &str, why: &str| Err(invalid_variable("input", &format!("{kind}!"), path, why));
    let Some(object) = input.as_object() else {
        return bad("input", "Expected value to not be null");
    };
    if let Some(name) = stranger(
        object,
        &["name", "reason", "referenceDocumentUri", "quantities"],
    ) {
        return bad(name, &format!("Field is not defined on {kind}"));
    }
    for name in ["name", "reason"] {
        if !object.get(name).is_some_and(Value::is_string) {
            return bad(name, "Expected value to not be null");
        }
    }
    let Some(list) = object.get("quantities").and_then(Value::as_array) else {
        return bad("quantities", "Expected value to not be null");
    };
    for (at, one) in list.iter().enumerate() {
        let Some(entry) = one.as_object() else {
            return bad(&format!("quantities.{at}"), "Expected an object");
        };
        let known = [
            "inventoryItemId",
            "locationId",
            "quantity",
            "changeFromQuantity",
        ];
        if let Some(name) = stranger(entry, &known) {
            let why = "Field is not defined on InventoryQuantityInput";
            return bad(&format!("quantities.{at}.{name}"), why);
        }
        for name in ["inventoryItemId", "locationId"] {
            if !entry.get(name).is_some_and(Value::is_string) {
                return bad(
                    &format!("quantities.{at}.{name}"),
                    "Expected value to not be null",
                );
            }
        }
        let from = entry
            .get("changeFromQuantity")
            .filter(|from| !from.is_null());
        if !entry.get("quantity").is_some_and(is_int) || from.is_some_and(|from| !is_int(from)) {
            return bad(
                &format!("quantities.{at}.quantity"),
                "Could not coerce value to Int",
            );
        }
    }
    Ok(())
}

/// GraphQL's Int has 32 bits.
fn is_int(value: &Value) -> bool {
    value.as_i64().is_some_and(|n| i32::try_from(n).is_ok())
}

fn stranger<'a>(object: &'a Map<String, Value>, known: &[&str]) -> Option<&'a String> {
    object.keys().find(|name| !known.contains(&name.as_str()))
}

fn invalid_variable(variable: &str, kind: &str, path: &str, why: &str) -> Refusal {
    let message = format!(
        "Variable ${variable} of type {kind} was provided invalid value for {path} ({why})"
    );
    let path: Vec<_> = path.split('.').collect();
    let problems = json!([{"path": path, "explanation": why}]);
    Refusal::Whole(json!({
        "message": message,
        "extensions": {"code": "INVALID_VARIABLE", "value": null, "problems": problems},
    }))
}
