//! What `inventorySetQuantities` refuses: rules of the schema, of the whole input, and of each entry.

use std::collections::HashMap;

use serde_json::{Map, Value, json};

use super::refusal::{Refusal, invalid_variable};
use super::render::id_of;
use super::shop::Shop;

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

/// One entry of `quantities`, as far as it could be read.
pub(super) struct Entry<'a> {
    pub(super) item: Option<u64>,
    pub(super) location: Option<u64>,
    pub(super) quantity: i64,
    pub(super) from: &'a Value,
}

impl Shop {
    /// Errors of the entries, each with its position.
    pub(super) fn check_entries(
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
}

/// Errors of the input as a whole, if any.
pub(super) fn check_input(input: &Value) -> Option<Vec<Value>> {
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

/// The user error of a key that was seen with another input.
pub(super) fn other_parameters() -> Value {
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

/// Reads an entry; what cannot be read is unknown to every shop.
pub(super) fn read_entry(raw: &Value) -> Entry<'_> {
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
pub(super) fn check_shape(input: &Value) -> Result<(), Refusal> {
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
