//! The whole channel against recorded exchanges of a real WooCommerce 11.0.1, through the trait.

use http::Method;

use super::super::{Channel, Fault, PLATFORMS, Verdict, Webhook, Which, platform};
use super::WooCommerce;
use super::answers;
use super::testing::{Script, delivery, recorded, reply, settings, shop};
use crate::domain::clock::Timestamp;
use crate::domain::ids::{ListingId, OrderId};
use crate::domain::order::{OrderSnapshot, Standing, standing};

const ORDER_DELIVERIES: [&str; 6] = [
    "02-order-created-paid",
    "03-order-updated-same-request",
    "06-order-created-pending",
    "07-order-updated-on-hold",
    "08-order-updated-cancelled",
    "09-order-updated-partial-refund-restocked",
];

async fn by_webhook(shop: &WooCommerce, name: &str) -> Option<OrderSnapshot> {
    let (body, headers) = delivery(name)?;
    let hook = Webhook {
        method: &Method::POST,
        query: "",
        headers: &headers,
        body: &body,
    };
    let now = Timestamp::from_millis(0);
    let receipt = shop.receive(&Script::new(vec![]), &hook, now).await;
    receipt.unwrap().snapshots.pop()
}

#[test]
fn the_platform_is_registered_and_opens() {
    assert!(
        PLATFORMS
            .iter()
            .any(|platform| platform.name == "woocommerce")
    );
    let platform = platform("woocommerce").unwrap();
    let channel = (platform.open)(&settings("https://shop.example")).unwrap();
    assert_eq!(channel.profile().batch_max, 50);
    let mut empty = settings("https://shop.example");
    empty.webhook_secrets.push("".into());
    assert_eq!((platform.open)(&empty).unwrap_err().key, "webhook_secrets");
    let mut odd = settings("https://shop.example");
    odd.options
        .insert("opt_in_manage_stock".into(), "yes".into());
    assert_eq!(
        (platform.open)(&odd).unwrap_err().key,
        "opt_in_manage_stock"
    );
}

#[test]
fn no_debug_of_the_channel_shows_a_secret() {
    let text = format!("{:?}", shop());
    for secret in ["ck_test", "cs_test", "new_secret", "whsec_onhand_fixture"] {
        assert!(!text.contains(secret), "{text}");
    }
}

#[tokio::test]
async fn an_order_reads_the_same_by_webhook_by_fetch_and_by_sweep() {
    let shop = shop();
    for name in ORDER_DELIVERIES {
        let Some(hooked) = by_webhook(&shop, name).await else {
            return;
        };
        let (body, _) = delivery(name).unwrap();
        let body = String::from_utf8(body).unwrap();
        let wire = Script::new(vec![
            ("GET", "/orders/1", reply(200, &body)),
            (
                "GET",
                "/orders?modified_after",
                reply(200, &format!("[{body}]")),
            ),
        ]);
        let fetched = shop
            .order(&wire, &OrderId::new(hooked.order.as_str()).unwrap())
            .await;
        assert_eq!(fetched.unwrap(), hooked, "{name}");
        let swept = shop
            .orders_since(&wire, hooked.placed_at, None)
            .await
            .unwrap();
        assert_eq!(swept.items, [hooked], "{name}");
        assert_eq!(swept.next, None);
    }
}

/// The newest version wins whatever the order of arrival: order 14 ends with 2 and 2 held, order 15 with nothing.
#[tokio::test]
async fn the_recorded_deliveries_end_alike_in_every_order() {
    let shop = shop();
    let mut states = Vec::new();
    for name in ORDER_DELIVERIES {
        match by_webhook(&shop, name).await {
            Some(state) => states.push(state),
            None => return,
        }
    }
    for turn in 0..states.len() {
        let mut turned = states.clone();
        turned.rotate_left(turn);
        for backwards in [false, true] {
            if backwards {
                turned.reverse();
            }
            let mut known: Vec<OrderSnapshot> = Vec::new();
            for state in turned.iter().chain(&turned) {
                let place = known.iter().position(|other| other.order == state.order);
                let Some(place) = place else {
                    known.push(state.clone());
                    continue;
                };
                let old = &known[place];
                let targets: Vec<_> = old
                    .lines
                    .iter()
                    .map(|l| (l.line.clone(), l.target))
                    .collect();
                match standing(
                    state,
                    Some(crate::domain::order::Known {
                        version: old.version,
                        read_at: None,
                        targets: &targets,
                    }),
                ) {
                    Standing::Newer => known[place] = state.clone(),
                    Standing::Same | Standing::Older => {}
                    Standing::First | Standing::Tie { .. } => {
                        panic!("no two states of one version")
                    }
                }
            }
            let held = |order: &str| -> Vec<u32> {
                let order = known
                    .iter()
                    .find(|known| known.order.as_str() == order)
                    .unwrap();
                order
                    .lines
                    .iter()
                    .map(|line| line.target.committed)
                    .collect()
            };
            assert_eq!((held("14"), held("15")), (vec![2, 2], vec![0]));
        }
    }
}

#[tokio::test]
async fn a_recorded_life_of_an_order_is_read() {
    let shop = shop();
    for (name, expected) in [
        ("order-create-paid", [(3, 3), (2, 2)]),
        ("order-get-after-refund", [(2, 2), (2, 2)]),
        ("order-cancel", [(0, 0), (0, 0)]),
    ] {
        let Some(answer) = recorded(name) else { return };
        let wire = Script::new(vec![("GET", "/orders/20", Ok(answer))]);
        let order = shop
            .order(&wire, &OrderId::new("20").unwrap())
            .await
            .unwrap();
        let lines: Vec<_> = order
            .lines
            .iter()
            .map(|l| (l.target.committed, l.target.taken_by_channel))
            .collect();
        assert_eq!(lines, expected, "{name}");
    }
    let Some(page) = recorded("order-list-modified") else {
        return;
    };
    let wire = Script::new(vec![(
        "GET",
        "/orders?modified_after=2026-11-24T23%3A59%3A59&",
        Ok(page),
    )]);
    let since = Timestamp::parse("2026-11-25T00:00:00Z").unwrap();
    let page = shop.orders_since(&wire, since, None).await.unwrap();
    assert_eq!(page.items.len(), 2);
    assert!(page.next.is_some(), "a third order stands on the next page");
}

#[tokio::test]
async fn the_recorded_lists_walk_to_their_end() {
    let (Some(products), Some(variations)) = (
        recorded("product-list-fields"),
        recorded("variations-global-list"),
    ) else {
        return;
    };
    let shop = shop();
    let wire = Script::new(vec![
        ("GET", "/products?per_page=100&page=1", Ok(products.clone())),
        (
            "GET",
            "/variations?per_page=100&page=1",
            Ok(variations.clone()),
        ),
        ("GET", "/products?per_page=100&page=1", Ok(products)),
        ("GET", "/variations?per_page=100&page=1", Ok(variations)),
    ]);
    let first = shop.levels(&wire, Which::All(None)).await.unwrap();
    let second = shop
        .levels(&wire, Which::All(first.next.clone()))
        .await
        .unwrap();
    let seen: Vec<_> = first
        .items
        .iter()
        .chain(&second.items)
        .map(|l| (l.listing.as_str(), l.shows))
        .collect();
    assert_eq!(
        seen,
        [
            ("10", Some(40)),
            ("17", Some(7)),
            ("11/13", Some(4)),
            ("11/12", Some(11))
        ]
    );
    assert_eq!(second.next, None);
    let first = shop.listings(&wire, None).await.unwrap();
    let second = shop.listings(&wire, first.next.clone()).await.unwrap();
    let seen: Vec<_> = first
        .items
        .iter()
        .chain(&second.items)
        .map(|l| (l.listing.as_str(), l.sku.as_str()))
        .collect();
    assert_eq!(
        seen,
        [
            ("10", "MUG-1"),
            ("17", ""),
            ("11/13", "TEE-M"),
            ("11/12", "TEE-S")
        ]
    );
    wire.done();
}

#[tokio::test]
async fn the_recorded_reads_of_some_listings_are_read() {
    let (Some(products), Some(variations)) = (
        recorded("product-list-page1"),
        recorded("variations-of-product-list"),
    ) else {
        return;
    };
    let wire = Script::new(vec![
        ("GET", "/products?include=10&", Ok(products)),
        (
            "GET",
            "/products/11/variations?include=12%2C13&",
            Ok(variations),
        ),
    ]);
    let asked = ["10", "11/12", "11/13"].map(|id| ListingId::new(id).unwrap());
    let page = shop().levels(&wire, Which::These(&asked)).await.unwrap();
    let seen: Vec<_> = page
        .items
        .iter()
        .map(|l| (l.listing.as_str(), l.shows))
        .collect();
    assert_eq!(
        seen,
        [("10", Some(40)), ("11/12", Some(11)), ("11/13", Some(4))]
    );
}

#[test]
fn every_recorded_answer_becomes_its_fault() {
    for (name, expected) in [
        ("error-bad-secret", "Unauthorized"),
        ("error-no-auth", "Unauthorized"),
        ("error-read-only-key", "Unauthorized"),
        ("error-database-down", "Unknown"),
        ("error-maintenance-mode", "Unknown"),
        ("error-duplicate-sku", "Rejected"),
        ("error-invalid-param", "Rejected"),
        ("error-no-route", "Rejected"),
        ("error-product-404", "Gone"),
        ("error-variation-via-products-endpoint", "Gone"),
        ("error-webhook-topic", "Rejected"),
        ("batch-over-100-items", "Rejected"),
        ("webhook-delete-without-force", "Rejected"),
    ] {
        let Some(answer) = recorded(name) else { return };
        let fault = format!("{:?}", answers::accepted(&answer, true).unwrap_err());
        assert!(fault.starts_with(expected), "{name}: {fault}");
        assert!(!fault.contains('<'), "{name}: no markup in {fault}");
    }
    for name in [
        "product-put-stock",
        "product-simple-get",
        "product-after-cancel",
        "product-by-sku-multi",
        "product-list-past-end",
        "webhook-delete",
        "order-refund-restock",
    ] {
        let Some(answer) = recorded(name) else { return };
        assert!(answers::accepted(&answer, true).is_ok(), "{name}");
    }
}

#[tokio::test]
async fn there_is_no_token_no_quota_and_no_ticket() {
    let (shop, wire) = (shop(), Script::new(vec![]));
    assert!(
        shop.refresh(&wire, None)
            .await
            .unwrap()
            .expires_at
            .is_none()
    );
    assert_eq!(shop.quota(&reply(200, "").unwrap()), None);
    let collected = shop.collect(&wire, &["t".into(), "u".into()]).await;
    assert_eq!(collected.len(), 2);
    assert!(
        collected
            .iter()
            .all(|result: &Result<Verdict, Fault>| result.is_err())
    );
}
