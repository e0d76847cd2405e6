//! Webhooks: verified over the raw bytes, then read.
//!
//! Only the body is signed. Topic, delivery id and times in the headers are hearsay: a topic decides how a body is read,
//! and a body of another shape is then not understood; the shop is the one that the address belongs to, never the one
//! in `X-Shopify-Shop-Domain`.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use hmac::{Hmac, KeyInit, Mac};
use secrecy::{ExposeSecret, SecretString};
use serde::Deserialize;
use serde::de::{DeserializeOwned, IgnoredAny};
use sha2::Sha256;

use crate::channels::{Fault, Hint, Level, Receipt, Webhook};
use crate::domain::clock::Timestamp;

use super::graphql::place;
use super::orders::{OrderBody, OrderFacts, present};
use super::{Shopify, ids};

const SIGNATURE: &str = "x-shopify-hmac-sha256";
const TOPIC: &str = "x-shopify-topic";
const DELIVERY: &str = "x-shopify-webhook-id";

#[derive(Deserialize)]
struct DeletedBody {
    id: u64,
}

#[derive(Deserialize)]
struct RefundBody {
    order_id: u64,
}

/// An edit comes as a difference, inside `order_edit`.
#[derive(Deserialize)]
#[serde(untagged)]
enum EditBody {
    Nested { order_edit: RefundBody },
    Flat(RefundBody),
}

/// What was assigned, or moved to and from, without its order.
#[derive(Deserialize)]
#[expect(clippy::struct_field_names, reason = "as Shopify names them")]
struct FulfilmentBody {
    fulfillment_order: Option<FulfilmentRef>,
    moved_fulfillment_order: Option<FulfilmentRef>,
    original_fulfillment_order: Option<FulfilmentRef>,
}

#[derive(Deserialize)]
struct FulfilmentRef {
    id: String,
}

#[derive(Deserialize)]
struct LevelBody {
    inventory_item_id: u64,
    location_id: u64,
    /// Null for an item that is not tracked, which is not 0.
    #[serde(deserialize_with = "present")]
    available: Option<i64>,
    updated_at: Timestamp,
}

impl Shopify {
    /// Verifies and reads one delivery.
    pub(super) fn read_hook(&self, hook: &Webhook<'_>) -> Result<Receipt, Fault> {
        let signature = hook.header(SIGNATURE).ok_or(Fault::Forged)?;
        verify(&self.secrets, signature, hook.body)?;
        let topic = hook
            .header(TOPIC)
            .map(str::to_ascii_lowercase)
            .ok_or_else(|| Fault::Unreadable("there is no X-Shopify-Topic".to_owned()))?;
        let receipt = Receipt {
            delivery_id: hook.header(DELIVERY).map(str::to_owned),
            topic,
            ..Receipt::default()
        };
        self.read_topic(receipt, hook.body)
    }

    fn read_topic(&self, mut receipt: Receipt, body: &[u8]) -> Result<Receipt, Fault> {
        match receipt.topic.as_str() {
            "orders/create" | "orders/updated" | "orders/cancelled" => {
                let facts = OrderFacts::from(read::<OrderBody>(&receipt.topic, body)?);
                receipt.happened_at = Some(facts.updated_at);
                if facts.test {
                    receipt.ignored = Some("test order".to_owned());
                } else {
                    receipt.snapshots.push(self.snapshot(&facts)?);
                    if self.has_places() && !facts.over_the_counter {
                        receipt.hints.push(Hint::Order(ids::order_id(facts.id)?));
                    }
                }
            }
            "orders/edited" => {
                let (EditBody::Nested { order_edit: edit } | EditBody::Flat(edit)) =
                    read(&receipt.topic, body)?;
                receipt
                    .hints
                    .push(Hint::Order(ids::order_id(edit.order_id)?));
            }
            "orders/delete" => {
                let deleted: DeletedBody = read(&receipt.topic, body)?;
                receipt.hints.push(Hint::Order(ids::order_id(deleted.id)?));
            }
            "refunds/create" => {
                let refund: RefundBody = read(&receipt.topic, body)?;
                receipt
                    .hints
                    .push(Hint::Order(ids::order_id(refund.order_id)?));
            }
            "fulfillment_orders/order_routing_complete" | "fulfillment_orders/moved" => {
                let body: FulfilmentBody = read(&receipt.topic, body)?;
                let named = body.fulfillment_order.or(body.moved_fulfillment_order);
                let id = named
                    .or(body.original_fulfillment_order)
                    .and_then(|one| ids::gid_number("FulfillmentOrder", &one.id))
                    .ok_or_else(|| Fault::Unreadable("it names no fulfilment order".to_owned()))?;
                receipt.hints.push(Hint::Order(ids::order_of(id)?));
            }
            "inventory_levels/update" => {
                let level: LevelBody = read(&receipt.topic, body)?;
                receipt.happened_at = Some(level.updated_at);
                receipt.levels.push(Level {
                    listing: ids::listing(
                        level.inventory_item_id,
                        level.location_id,
                        self.location,
                    )?,
                    shows: level.available,
                    at: Some(level.updated_at),
                });
            }
            "inventory_levels/connect"
            | "inventory_levels/disconnect"
            | "inventory_items/create"
            | "inventory_items/update"
            | "inventory_items/delete"
            | "products/create"
            | "products/delete" => {
                let IgnoredAny = read(&receipt.topic, body)?;
                receipt.hints.push(Hint::Listings);
            }
            other => {
                let why = ignored(other);
                let IgnoredAny = read(&receipt.topic, body)?;
                receipt.ignored = Some(why);
            }
        }
        Ok(receipt)
    }
}

fn ignored(topic: &str) -> String {
    match topic {
        "products/update" => {
            "products change with every sale and do not reliably say so; levels tell about stock"
                .to_owned()
        }
        "app/uninstalled" => {
            "the app was uninstalled: its token and webhooks are gone; hint: install it again, then run `onhand channels check`"
                .to_owned()
        }
        _ => "this topic is not used".to_owned(),
    }
}

/// Base64 of HMAC-SHA256 over the raw body. Every secret is tried, each in constant time.
fn verify(secrets: &[SecretString], signature: &str, body: &[u8]) -> Result<(), Fault> {
    let expected = STANDARD
        .decode(signature.trim())
        .map_err(|_| Fault::Forged)?;
    let signed = secrets.iter().fold(false, |signed, secret| {
        let key = secret.expose_secret().as_bytes();
        let one = !key.is_empty()
            && Hmac::<Sha256>::new_from_slice(key)
                .is_ok_and(|mac| mac.chain_update(body).verify_slice(&expected).is_ok());
        signed | one
    });
    if signed { Ok(()) } else { Err(Fault::Forged) }
}

fn read<T: DeserializeOwned>(topic: &str, body: &[u8]) -> Result<T, Fault> {
    // `serde_json` passes over bytes that are not UTF-8 in fields that nobody reads.
    let text = std::str::from_utf8(body).map_err(|e| {
        Fault::Unreadable(format!("{topic}: not UTF-8 at byte {}", e.valid_up_to()))
    })?;
    serde_json::from_str(text).map_err(|e| Fault::Unreadable(format!("{topic}: {}", place(&e))))
}
