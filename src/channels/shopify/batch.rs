//! One write: its entries, its key, its variables.

use serde_json::{Value, json};
use sha2::{Digest, Sha256};

use crate::channels::Wire;

use super::ids::{self, Target};

/// Why we change quantities; one of the words that Shopify takes.
const REASON: &str = "correction";

/// One quantity on its way.
#[derive(Debug, Clone)]
pub(super) struct Entry {
    /// Its place among the updates.
    pub(super) idx: usize,
    pub(super) target: Target,
    pub(super) wanted: i64,
    pub(super) compare: Option<i64>,
    pub(super) key: String,
}

/// One call to be made.
#[derive(Debug)]
pub(super) struct Batch {
    pub(super) entries: Vec<Entry>,
    pub(super) round: u32,
    pub(super) key: String,
}

impl Batch {
    /// The first call of some entries: its key depends on theirs alone.
    pub(super) fn first(entries: Vec<Entry>) -> Self {
        let key = match entries.as_slice() {
            [single] => single.key.clone(),
            several => hashed(several.iter().map(|entry| entry.key.as_str())),
        };
        Self {
            entries,
            round: 1,
            key,
        }
    }

    /// A further call, with a key that no call had: the ones before it clearly did nothing.
    pub(super) fn fresh(wire: &dyn Wire, entries: Vec<Entry>, round: u32) -> Self {
        let salt = format!("{round} {}", wire.now().millis());
        let keys = entries.iter().map(|entry| entry.key.as_str());
        let key = hashed(std::iter::once(salt.as_str()).chain(keys));
        Self {
            entries,
            round,
            key,
        }
    }

    /// What the mutation is called with.
    pub(super) fn variables(&self) -> Value {
        let quantities: Vec<Value> = self
            .entries
            .iter()
            .map(|entry| {
                json!({
                    "inventoryItemId": ids::gid("InventoryItem", entry.target.item),
                    "locationId": ids::gid("Location", entry.target.location),
                    "quantity": entry.wanted,
                    // Present even when it is null: without it the call is refused.
                    "changeFromQuantity": entry.compare,
                })
            })
            .collect();
        let key = percent_encoding::utf8_percent_encode(&self.key, IN_URI);
        json!({
            "input": {
                "name": "available",
                "reason": REASON,
                "referenceDocumentUri": format!("gid://onhand/Push/{key}"),
                "quantities": quantities,
            },
            "key": self.key,
        })
    }
}

/// What stands for itself in a part of a URI.
const IN_URI: &percent_encoding::AsciiSet = &percent_encoding::NON_ALPHANUMERIC
    .remove(b'-')
    .remove(b'_')
    .remove(b'.');

/// A UUID of these texts, always the same for the same ones.
pub(super) fn hashed<'a>(texts: impl IntoIterator<Item = &'a str>) -> String {
    let mut hash = Sha256::new();
    for text in texts {
        // The length keeps ("ab", "c") and ("a", "bc") apart.
        hash.update(text.len().to_be_bytes());
        hash.update(text);
    }
    let mut bytes = [0; 16];
    for (to, from) in bytes.iter_mut().zip(hash.finalize()) {
        *to = from;
    }
    uuid::Builder::from_custom_bytes(bytes)
        .into_uuid()
        .to_string()
}
