//! The cost bucket: what a GraphQL request costs, and when Shopify says `THROTTLED`.
//!
//! Costs are an approximation (mutations 10 and 3 for the selection, connections by page size); only their
//! use is faithful: the requested cost must be in the bucket, and is taken from it.

use serde_json::{Value, json};

use super::document::{Field, Operation};

/// A single request above this is refused whatever the bucket holds.
const REQUEST_MAX: f64 = 1_000.0;

/// A leaky bucket of points.
#[derive(Debug)]
pub(super) struct Bucket {
    size: f64,
    restore_per_s: f64,
    left: f64,
    at_ms: i64,
}

impl Bucket {
    /// A full bucket.
    pub(super) fn full(size: f64, restore_per_s: f64, at_ms: i64) -> Self {
        Self {
            size,
            restore_per_s,
            left: size,
            at_ms,
        }
    }

    /// Takes `points` if they are there.
    pub(super) fn take(&mut self, points: f64, now_ms: i64) -> bool {
        #[expect(
            clippy::cast_precision_loss,
            reason = "the milliseconds between two requests are few"
        )]
        let passed_s = now_ms.saturating_sub(self.at_ms).max(0) as f64 / 1_000.0;
        self.at_ms = self.at_ms.max(now_ms);
        self.left = (self.left + passed_s * self.restore_per_s).min(self.size);
        let enough = points <= self.left;
        if enough {
            self.left -= points;
        }
        enough
    }

    /// The `extensions` of an answer; `actual` is none when throttled.
    pub(super) fn extensions(&self, requested: f64, actual: Option<f64>) -> Value {
        json!({"cost": {
            "requestedQueryCost": requested,
            "actualQueryCost": actual,
            "throttleStatus": {
                "maximumAvailable": self.size,
                "currentlyAvailable": self.left.floor(),
                "restoreRate": self.restore_per_s,
            },
        }})
    }
}

/// The requested cost of an operation.
pub(super) fn requested(operation: &Operation) -> f64 {
    let of = |field| of_field(field, operation.is_mutation);
    operation.fields.iter().map(of).sum()
}

/// Whether Shopify refuses to run it at all.
pub(super) fn too_expensive(requested: f64) -> bool {
    requested > REQUEST_MAX
}

fn of_field(field: &Field, is_mutation: bool) -> f64 {
    if is_mutation {
        return 13.0;
    }
    let page = |field: &Field| field.args.get("first").and_then(Value::as_f64);
    let ids = field.args.get("ids").and_then(Value::as_array);
    let n_ids = u32::try_from(ids.map_or(0, Vec::len)).unwrap_or(u32::MAX);
    let root = page(field).unwrap_or(0.0) + f64::from(n_ids);
    match field.name.as_str() {
        "location" => 2.0 + field.below("inventoryLevels").and_then(page).unwrap_or(0.0),
        "orders" if field.below("lineItems").is_some() => 2.0 + root * 5.0,
        _ => 1.0 + root,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_bucket_empties_refuses_and_restores() {
        let mut bucket = Bucket::full(20.0, 10.0, 0);
        assert!(bucket.take(13.0, 0));
        assert!(!bucket.take(13.0, 0));
        assert!(!bucket.take(13.0, 500));
        assert!(bucket.take(13.0, 600));
        let status = &bucket.extensions(13.0, None)["cost"]["throttleStatus"];
        assert_eq!(status["maximumAvailable"], 20.0);
    }
}
