//! WooCommerce's webhooks: verified over the raw bytes, then read.
//!
//! - The signature is base64 of HMAC-SHA256 over the body and covers nothing else: the topic stands in a header that
//!   anybody could change. So a body must have the shape that its topic promises, and no topic lets a body do harm.
//! - The ping at a webhook's creation is unsigned, with a form as body; it is answered and otherwise nothing.
//! - The body is rendered when it is delivered and with the rights of the hook's maker; for an order that is gone by then
//!   it is a signed error object without any id.
//! - Delivery ids are hashes of (hook, second): different messages share one. They are passed on and must not be used to
//!   skip work.
//!
//! Source: connector notes, W5, and 14 recorded deliveries of WooCommerce 11.0.1.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use hmac::{Hmac, KeyInit as _, Mac as _};
use secrecy::{ExposeSecret as _, SecretString};
use serde::Deserialize;
use serde::de::DeserializeOwned;
use sha2::Sha256;

use super::super::{Fault, Hint, Receipt, Webhook};
use super::WooCommerce;
use super::answers::{ErrorBody, Id};
use super::orders::{Order, snapshot};
use super::product::Product;
use crate::domain::ids::OrderId;

const SIGNATURE: &str = "x-wc-webhook-signature";
const TOPIC: &str = "x-wc-webhook-topic";
const DELIVERY: &str = "x-wc-webhook-delivery-id";

/// Verifies and reads one message.
///
/// # Errors
/// [`Fault::Forged`] if the signature is missing or fits no secret; [`Fault::Unreadable`] if it fits and the body is not
/// what its topic promises.
pub(super) fn receive(shop: &WooCommerce, hook: &Webhook<'_>) -> Result<Receipt, Fault> {
    if is_ping(hook) {
        return Ok(Receipt {
            topic: "ping".into(),
            ignored: Some("ping".into()),
            unsigned: true,
            ..Receipt::default()
        });
    }
    verify(&shop.secrets, hook)?;
    // Parsing alone would let broken text pass in the fields that we skip.
    if std::str::from_utf8(hook.body).is_err() {
        return Err(Fault::Unreadable("the body is not UTF-8".into()));
    }
    let receipt = Receipt {
        topic: hook.header(TOPIC).unwrap_or_default().to_owned(),
        delivery_id: hook.header(DELIVERY).map(str::to_owned),
        ..Receipt::default()
    };
    read(shop, hook.body, receipt)
}

/// Only `webhook_id=N` with none of WooCommerce's headers is a ping: nothing unsigned is ever acted upon.
fn is_ping(hook: &Webhook<'_>) -> bool {
    let id = hook.body.strip_prefix(b"webhook_id=");
    let plain = [SIGNATURE, TOPIC, DELIVERY]
        .iter()
        .all(|name| !hook.headers.contains_key(*name));
    plain && id.is_some_and(|id| (1..=20).contains(&id.len()) && id.iter().all(u8::is_ascii_digit))
}

/// Compares in constant time with each secret that may sign now.
fn verify(secrets: &[SecretString], hook: &Webhook<'_>) -> Result<(), Fault> {
    let signature = hook
        .header(SIGNATURE)
        .and_then(|text| STANDARD.decode(text).ok())
        .ok_or(Fault::Forged)?;
    let fits = secrets.iter().any(|secret| {
        Hmac::<Sha256>::new_from_slice(secret.expose_secret().as_bytes()).is_ok_and(|mut mac| {
            mac.update(hook.body);
            mac.verify_slice(&signature).is_ok()
        })
    });
    if fits { Ok(()) } else { Err(Fault::Forged) }
}

#[derive(Deserialize)]
struct Deleted {
    id: Id,
}

fn read(shop: &WooCommerce, body: &[u8], mut receipt: Receipt) -> Result<Receipt, Fault> {
    let (resource, event) = receipt
        .topic
        .split_once('.')
        .map(|(resource, event)| (resource.to_owned(), event.to_owned()))
        .unwrap_or_default();
    match (resource.as_str(), event.as_str()) {
        ("order" | "product", _) if error_body(body).is_some() => {
            let error = error_body(body)
                .map(|error| error.says())
                .unwrap_or_default();
            receipt.ignored = Some(format!(
                "the shop sent an error in place of the {resource}, which may be gone ({error})"
            ));
            receipt.hints.push(if resource == "order" {
                Hint::Orders
            } else {
                Hint::Listings
            });
        }
        ("order", "created" | "updated" | "restored") => {
            let order = snapshot(&shop.id, &parsed::<Order>(body, "an order")?)?;
            receipt.happened_at = Some(order.version.at);
            receipt.snapshots.push(order);
        }
        ("order", "deleted") => {
            let Id(id) = parsed::<Deleted>(body, "the id of an order")?.id;
            let order = OrderId::new(&id.to_string())
                .map_err(|error| Fault::Unreadable(error.to_string()))?;
            receipt.hints.push(Hint::Order(order));
        }
        ("product", "created" | "updated" | "restored") => {
            let product = parsed::<Product>(body, "a product")?;
            if let Some(parent) = product.parent() {
                shop.remember(product.id.0, parent);
            }
            receipt.happened_at = product.modified();
            receipt.levels.push(product.level(product.modified())?);
            if event != "updated" {
                receipt.hints.push(Hint::Listings);
            }
        }
        ("product", "deleted") => {
            let Id(id) = parsed::<Deleted>(body, "the id of a product")?.id;
            receipt.ignored = Some(format!("product {id} was deleted; it moves no stock"));
            receipt.hints.push(Hint::Listings);
        }
        _ => receipt.ignored = Some("not a topic that we asked for".into()),
    }
    Ok(receipt)
}

fn error_body(body: &[u8]) -> Option<ErrorBody> {
    serde_json::from_slice(body).ok()
}

/// The error names the place, never the content.
fn parsed<T: DeserializeOwned>(body: &[u8], what: &str) -> Result<T, Fault> {
    serde_json::from_slice(body).map_err(|error| {
        Fault::Unreadable(format!(
            "the body is not {what} (line {}, column {})",
            error.line(),
            error.column()
        ))
    })
}

#[cfg(test)]
#[expect(clippy::indexing_slicing, reason = "a test may panic")]
mod tests {
    use http::{HeaderMap, Method};

    use super::super::super::Channel as _;
    use super::super::testing::{delivery, shop};
    use super::*;

    const DELIVERIES: [&str; 13] = [
        "02-order-created-paid",
        "03-order-updated-same-request",
        "04-product-updated-simple-after-order",
        "05-product-updated-variation-after-order",
        "06-order-created-pending",
        "07-order-updated-on-hold",
        "08-order-updated-cancelled",
        "09-order-updated-partial-refund-restocked",
        "10-order-deleted-trash",
        "11-product-deleted-trash",
        "12-product-updated-same-delivery-id-1",
        "13-product-updated-same-delivery-id-2",
        "14-order-created-but-order-gone",
    ];

    fn take(body: &[u8], headers: &HeaderMap) -> Result<Receipt, Fault> {
        receive(
            &shop(),
            &Webhook {
                method: &Method::POST,
                query: "",
                headers,
                body,
            },
        )
    }

    fn signed(topic: &str, body: &[u8], secret: &str) -> HeaderMap {
        let mut mac = Hmac::<Sha256>::new_from_slice(secret.as_bytes()).unwrap();
        mac.update(body);
        let mut headers = HeaderMap::new();
        let signature = STANDARD.encode(mac.finalize().into_bytes());
        headers.insert(SIGNATURE, signature.parse().unwrap());
        headers.insert(TOPIC, topic.parse().unwrap());
        headers
    }

    fn read_signed(topic: &str, body: &str) -> Result<Receipt, Fault> {
        take(
            body.as_bytes(),
            &signed(topic, body.as_bytes(), "new_secret"),
        )
    }

    #[test]
    fn every_recorded_signature_verifies_and_one_flipped_bit_is_forged() {
        for name in DELIVERIES {
            let Some((body, headers)) = delivery(name) else {
                return;
            };
            assert!(take(&body, &headers).is_ok(), "{name}");
            for at in [0, body.len() / 2, body.len() - 1] {
                let mut flipped = body.clone();
                flipped[at] ^= 1;
                assert_eq!(take(&flipped, &headers), Err(Fault::Forged), "{name} {at}");
            }
            let mut longer = body.clone();
            longer.push(b'\n');
            assert_eq!(take(&longer, &headers), Err(Fault::Forged), "{name}");
        }
    }

    #[test]
    fn a_missing_wrong_or_garbled_signature_is_forged() {
        let body = br#"{"id":15}"#;
        let right = signed("order.deleted", body, "new_secret");
        assert!(take(body, &right).is_ok());
        for bad in ["", "AAAA", "not base64!", "{}"] {
            let mut headers = right.clone();
            headers.insert(SIGNATURE, bad.parse().unwrap());
            assert_eq!(take(body, &headers), Err(Fault::Forged), "{bad}");
        }
        let mut none = right.clone();
        none.remove(SIGNATURE);
        assert_eq!(take(body, &none), Err(Fault::Forged));
        assert_eq!(
            take(body, &signed("order.deleted", body, "old")),
            Err(Fault::Forged)
        );
        assert_eq!(
            take(body, &signed("order.deleted", body, "")),
            Err(Fault::Forged)
        );
    }

    #[test]
    fn the_ping_is_answered_and_nothing_else_goes_unsigned() {
        if let Some((body, headers)) = delivery("01-ping-on-create") {
            let receipt = take(&body, &headers).unwrap();
            assert_eq!(receipt.ignored.as_deref(), Some("ping"));
        }
        let none = HeaderMap::new();
        assert!(take(b"webhook_id=12", &none).unwrap().unsigned);
        for body in [
            "webhook_id=",
            "webhook_id=1&x=2",
            "webhook_id=1\n",
            "",
            "{}",
        ] {
            assert_eq!(take(body.as_bytes(), &none), Err(Fault::Forged), "{body}");
        }
        let mut topic = HeaderMap::new();
        topic.insert(TOPIC, "order.created".parse().unwrap());
        assert_eq!(take(b"webhook_id=1", &topic), Err(Fault::Forged));
    }

    /// Line, committed, shipped, returned, taken.
    #[track_caller]
    fn check_order(name: &str, rank: u8, expected: &[(&str, u32, u32, u32, u32)]) {
        let Some((body, headers)) = delivery(name) else {
            return;
        };
        let receipt = take(&body, &headers).unwrap();
        let [order] = receipt.snapshots.as_slice() else {
            panic!("{name}: {receipt:?}")
        };
        assert_eq!(order.version.rank, rank, "{name}");
        assert_eq!(receipt.happened_at, Some(order.version.at));
        let lines: Vec<_> = order
            .lines
            .iter()
            .map(|line| {
                let t = line.target;
                (
                    line.listing.as_ref().unwrap().as_str(),
                    t.committed,
                    t.shipped,
                    t.returned,
                    t.taken_by_channel,
                )
            })
            .collect();
        assert_eq!(lines, expected, "{name}");
        assert!(
            !format!("{receipt:?}").contains("ada@example.test"),
            "buyers' data stays out"
        );
    }

    #[test]
    fn the_recorded_orders_say_what_they_hold() {
        check_order(
            "02-order-created-paid",
            4,
            &[("10", 3, 0, 0, 3), ("11/12", 2, 0, 0, 2)],
        );
        check_order(
            "03-order-updated-same-request",
            4,
            &[("10", 3, 0, 0, 3), ("11/12", 2, 0, 0, 2)],
        );
        check_order("06-order-created-pending", 1, &[("10", 0, 0, 0, 0)]);
        check_order("07-order-updated-on-hold", 3, &[("10", 1, 0, 0, 1)]);
        check_order("08-order-updated-cancelled", 7, &[("10", 0, 0, 0, 0)]);
        check_order(
            "09-order-updated-partial-refund-restocked",
            4,
            &[("10", 2, 0, 0, 2), ("11/12", 2, 0, 0, 2)],
        );
    }

    #[track_caller]
    fn check_level(name: &str, listing: &str, shows: Option<i64>, at: &str) {
        let Some((body, headers)) = delivery(name) else {
            return;
        };
        let receipt = take(&body, &headers).unwrap();
        assert_eq!(receipt.levels.len(), 1);
        let level = &receipt.levels[0];
        assert_eq!(
            (level.listing.as_str(), level.shows),
            (listing, shows),
            "{name}"
        );
        assert_eq!(level.at.unwrap().to_seconds_text(), at);
    }

    #[test]
    fn the_recorded_products_say_what_they_show() {
        check_level(
            "04-product-updated-simple-after-order",
            "10",
            Some(22),
            "2026-11-25T03:20:38Z",
        );
        check_level(
            "05-product-updated-variation-after-order",
            "11/12",
            Some(5),
            "2026-11-25T03:20:38Z",
        );
        check_level(
            "12-product-updated-same-delivery-id-1",
            "10",
            Some(34),
            "2026-11-25T03:22:06Z",
        );
        check_level(
            "13-product-updated-same-delivery-id-2",
            "17",
            Some(5),
            "2026-11-25T03:22:06Z",
        );
    }

    #[test]
    fn two_messages_with_one_delivery_id_are_two_messages() {
        let read = |name| delivery(name).map(|(body, headers)| take(&body, &headers).unwrap());
        let (Some(one), Some(two)) = (
            read("12-product-updated-same-delivery-id-1"),
            read("13-product-updated-same-delivery-id-2"),
        ) else {
            return;
        };
        assert_eq!(one.delivery_id, two.delivery_id);
        assert_ne!(one.levels, two.levels);
        assert!(!shop().profile().delivery_id_unique);
    }

    #[test]
    fn what_is_deleted_or_gone_is_looked_up() {
        let hint =
            |name: &str| delivery(name).map(|(body, headers)| take(&body, &headers).unwrap());
        if let Some(order) = hint("10-order-deleted-trash") {
            assert_eq!(order.hints, [Hint::Order(OrderId::new("15").unwrap())]);
            assert_eq!(order.ignored, None);
        }
        if let Some(product) = hint("11-product-deleted-trash") {
            assert_eq!(product.hints, [Hint::Listings]);
            assert!(product.ignored.is_some() && product.levels.is_empty());
        }
        if let Some(gone) = hint("14-order-created-but-order-gone") {
            assert_eq!(gone.hints, [Hint::Orders]);
            assert!(
                gone.ignored
                    .unwrap()
                    .contains("woocommerce_rest_shop_order_invalid_id")
            );
            assert!(gone.snapshots.is_empty());
        }
    }

    #[test]
    fn a_signed_body_of_the_wrong_shape_is_unreadable() {
        for (topic, body) in [
            ("order.updated", "not json"),
            ("order.updated", "[]"),
            ("order.updated", r#"{"id":15}"#),
            (
                "order.updated",
                r#"{"id":-1,"status":"processing","line_items":[]}"#,
            ),
            ("order.deleted", r#"{"id":"x"}"#),
            ("product.updated", r#"{"id":10}"#),
            (
                "product.updated",
                r#"{"id":10,"manage_stock":true,"stock_quantity":"x"}"#,
            ),
            (
                "product.updated",
                r#"{"id":14,"status":"processing","line_items":[]}"#,
            ),
        ] {
            let read = read_signed(topic, body);
            assert!(
                matches!(read, Err(Fault::Unreadable(_))),
                "{topic} {body} {read:?}"
            );
        }
        let body = b"{\"id\":15,\"x\":\"\xff\"}";
        let headers = signed("order.updated", body, "new_secret");
        assert!(matches!(take(body, &headers), Err(Fault::Unreadable(_))));
    }

    #[test]
    fn topics_that_nobody_asked_for_are_ignored() {
        for topic in [
            "coupon.updated",
            "action.woocommerce_x",
            "",
            "order.exploded",
        ] {
            let receipt = read_signed(topic, r#"{"id":15}"#).unwrap();
            assert!(
                receipt.ignored.is_some() && receipt.hints.is_empty(),
                "{topic}"
            );
        }
    }

    #[test]
    fn a_variation_that_draws_on_its_parent_shows_nothing_of_its_own() {
        let body = r#"{"id":13,"type":"variation","parent_id":11,"manage_stock":"parent","stock_quantity":20}"#;
        let receipt = read_signed("product.created", body).unwrap();
        assert_eq!(receipt.levels[0].listing.as_str(), "11/13");
        assert_eq!(receipt.levels[0].shows, None);
        assert_eq!(receipt.hints, [Hint::Listings]);
    }
}
