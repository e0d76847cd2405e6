//! A shop with goods at several places: levels, listings and orders of each.

use http::{HeaderMap, Method};
use serde_json::{Value, json};

use super::super::Shopify;
use super::super::script::{LOCATION, Script, settings};
use super::super::settings::read;
use crate::channels::{Channel, Cursor, Fault, Which};
use crate::domain::ids::{LocationId, OrderId};
use crate::domain::message::Hint;

/// Sells from `main`, its own location, and from `store`, 109.
fn shop() -> Shopify {
    let mut settings = settings();
    settings.locations = ["main", "store"]
        .map(|name| LocationId::new(name).unwrap())
        .into();
    let places = format!("{LOCATION}=main,109=store");
    settings.options.insert("places".into(), places);
    read(&settings).unwrap()
}

fn page(nodes: &[Value], after: Option<&str>) -> Value {
    json!({ "pageInfo": { "hasNextPage": after.is_some(), "endCursor": after }, "nodes": nodes })
}

fn at(levels: Value) -> Value {
    json!({ "data": { "location": { "inventoryLevels": levels } } })
}

fn level(item: u64, shows: i64) -> Value {
    json!({ "isActive": true, "quantities": [{ "quantity": shows }],
        "item": { "id": format!("gid://shopify/InventoryItem/{item}"), "tracked": true } })
}

const GONE: &str = r#"{"data":{"location":null}}"#;

#[tokio::test]
async fn r43_levels_are_read_place_after_place_and_a_missing_one_stops_no_other() {
    let script = Script::of([
        ("LevelsAtLocation", at(page(&[level(5, 7)], Some("p2")))),
        ("LevelsAtLocation", at(page(&[level(6, 1)], None))),
        ("LevelsAtLocation", at(page(&[level(5, 3)], Some("q2")))),
        ("LevelsAtLocation", at(page(&[], None))),
    ]);
    let (mut found, mut cursor) = (Vec::new(), None);
    loop {
        let page = shop().levels(&script, Which::All(cursor)).await.unwrap();
        assert!(page.unreadable.is_empty());
        found.extend(page.items);
        cursor = page.next;
        if cursor.is_none() {
            break;
        }
    }
    let found: Vec<_> = found
        .iter()
        .map(|l| (l.listing.as_str(), l.shows))
        .collect();
    assert_eq!(found, [("5", Some(7)), ("6", Some(1)), ("5@109", Some(3))]);
    let asked: Vec<_> = script
        .sent()
        .into_iter()
        .map(|sent| sent.variables)
        .collect();
    assert_eq!(asked[1]["after"], "p2");
    assert_eq!(
        asked[2],
        json!({ "location": "gid://shopify/Location/109", "after": null })
    );
    assert_eq!(asked[3]["after"], "q2");

    let gone = Script::of([("LevelsAtLocation", GONE)]);
    let there = Some(Cursor("at:109:".into()));
    let page = shop().levels(&gone, Which::All(there)).await.unwrap();
    assert_eq!((page.items.len(), page.next), (0, None));
    assert_eq!(page.unreadable[0].what, "location 109");
    let own = Script::of([("LevelsAtLocation", GONE)]);
    let fault = shop().levels(&own, Which::All(None)).await.unwrap_err();
    assert!(matches!(fault, Fault::Rejected(_)));
}

#[tokio::test]
async fn every_place_that_stocks_an_item_is_a_listing_of_it() {
    let variant = json!({ "id": "gid://shopify/ProductVariant/1", "sku": "MUG-1", "inventoryPolicy": "DENY",
        "requiresComponents": false, "inventoryItem": { "id": "gid://shopify/InventoryItem/5", "tracked": true } });
    let stocked = |item: u64, active: bool, owners: &[Value]| {
        json!({ "isActive": active, "item": { "id": format!("gid://shopify/InventoryItem/{item}"), "sku": "MUG-1",
            "tracked": true, "variants": { "nodes": owners } } })
    };
    let owner = json!({ "id": "gid://shopify/ProductVariant/1", "inventoryPolicy": "CONTINUE", "requiresComponents": false });
    let there = [
        stocked(5, true, std::slice::from_ref(&owner)),
        stocked(6, false, &[owner]),
        stocked(7, true, &[]),
    ];
    let script = Script::of([
        (
            "VariantMap",
            json!({ "data": { "productVariants": page(&[variant], None) } }),
        ),
        ("ItemsAtLocation", at(page(&there, None))),
    ]);
    let own = shop().listings(&script, None).await.unwrap();
    let further = shop().listings(&script, own.next.clone()).await.unwrap();
    script.sent();
    assert_eq!(further.next, None);
    let found: Vec<_> = own
        .items
        .iter()
        .chain(&further.items)
        .map(|l| {
            let place = l.location.as_ref().unwrap().as_str();
            let alias = l.alias.as_ref().unwrap().as_str();
            (
                l.listing.as_str(),
                alias,
                place,
                l.sku.as_str(),
                l.remark.is_some(),
            )
        })
        .collect();
    assert_eq!(
        found,
        [
            ("5", "variant:1", "main", "MUG-1", false),
            ("5@109", "variant:1", "store", "MUG-1", true)
        ]
    );
    let gone = Script::of([("ItemsAtLocation", GONE)]);
    let page = shop().listings(&gone, own.next).await.unwrap();
    assert_eq!((page.items.len(), page.unreadable.len()), (0, 1));
}

fn fulfilment(location: u64, status: &str, lines: Value) -> Value {
    json!({ "status": status, "lineItems": lines,
        "assignedLocation": { "location": { "id": format!("gid://shopify/Location/{location}") } } })
}

fn part(total: u32, left: u32) -> Value {
    json!({ "totalQuantity": total, "remainingQuantity": left, "lineItem": { "id": "gid://shopify/LineItem/1" } })
}

fn order(fulfilments: Value) -> Value {
    let line = json!({ "id": "gid://shopify/LineItem/1", "sku": "MUG-1", "quantity": 6, "currentQuantity": 5,
        "unfulfilledQuantity": 3, "variant": { "id": "gid://shopify/ProductVariant/1", "inventoryItem": { "tracked": true } } });
    let back = json!({ "quantity": 1, "restockType": "RETURN", "lineItem": { "id": "gid://shopify/LineItem/1" },
        "location": { "id": "gid://shopify/Location/109" } });
    json!({ "data": { "order": { "id": "gid://shopify/Order/42", "createdAt": "2026-06-25T01:33:56Z",
        "updatedAt": "2026-06-26T00:00:01Z", "cancelledAt": null, "test": false, "sourceName": "web", "retailLocation": null,
        "lineItems": page(&[line], None),
        "refunds": [{ "id": "gid://shopify/Refund/1", "refundLineItems": page(&[back], None) }],
        "fulfillmentOrders": fulfilments } } })
}

/// Six were ordered: three wait at `main`, three were sent from `store`, one of which came back there.
#[tokio::test]
async fn r44_an_order_is_read_with_the_places_that_send_it_however_many() {
    let all = [
        fulfilment(LOCATION, "OPEN", page(&[part(2, 2)], None)),
        fulfilment(109, "CANCELLED", page(&[part(6, 6)], None)),
        fulfilment(109, "CLOSED", page(&[part(3, 0)], None)),
        fulfilment(LOCATION, "OPEN", page(&[part(1, 1)], None)),
    ];
    let short = Script::of([("OrderLines", order(page(&all, None)))]);
    let id = OrderId::new("42").unwrap();
    let snapshot = shop().order(&short, &id).await.unwrap();
    assert_eq!(short.sent()[0].variables["places"], true);
    let line = &snapshot.lines[0];
    assert_eq!(line.location.as_ref().unwrap().as_str(), "main");
    let there = &line.elsewhere[0];
    assert_eq!(there.location.as_str(), "store");
    let target = there.target;
    assert_eq!(
        (
            target.committed,
            target.shipped,
            target.returned,
            there.taken
        ),
        (0, 3, 1, 2)
    );

    let one = |fulfilment: &Value, after| {
        let page = page(std::slice::from_ref(fulfilment), after);
        json!({ "data": { "order": { "fulfillmentOrders": page } } })
    };
    let first_half = fulfilment(LOCATION, "OPEN", page(&[part(1, 1)], Some("l2")));
    let second_half = fulfilment(LOCATION, "OPEN", page(&[part(1, 1)], None));
    let long = Script::of([
        (
            "OrderOf",
            json!({ "data": { "fulfillmentOrder": { "orderId": "gid://shopify/Order/42" } } }),
        ),
        ("OrderLines", order(page(&all[..1], Some("f2")))),
        ("OrderPlaces", one(&first_half, Some("f2"))),
        ("OrderPlaces", one(&second_half, Some("f2"))),
        ("OrderPlaces", one(&all[1], Some("f3"))),
        ("OrderPlaces", one(&all[2], Some("f4"))),
        ("OrderPlaces", one(&all[3], None)),
    ]);
    let named = OrderId::new("fulfilment:7").unwrap();
    assert_eq!(shop().order(&long, &named).await.unwrap(), snapshot);
    let asked: Vec<_> = long.sent().into_iter().map(|sent| sent.variables).collect();
    assert_eq!(
        asked[0],
        json!({ "id": "gid://shopify/FulfillmentOrder/7" })
    );
    assert_eq!(
        (&asked[3]["after"], &asked[3]["lines"]),
        (&Value::Null, &json!("l2"))
    );
    assert_eq!(
        (&asked[4]["after"], &asked[4]["lines"]),
        (&json!("f2"), &Value::Null)
    );

    let gone = Script::of([("OrderOf", r#"{"data":{"fulfillmentOrder":null}}"#)]);
    let fault = shop().order(&gone, &named).await.unwrap_err();
    assert!(matches!(fault, Fault::Gone(_)), "{fault}");
}

#[tokio::test]
async fn r44_messages_that_do_not_say_where_ask_for_it() {
    let asked = async |shop: Shopify, topic: &str, body: Value| {
        let body = body.to_string();
        let signature = super::hooks::sign(super::super::script::SECRET, body.as_bytes());
        let mut headers = HeaderMap::new();
        headers.insert("x-shopify-topic", topic.parse().unwrap());
        headers.insert("x-shopify-hmac-sha256", signature.parse().unwrap());
        let hook = crate::channels::Webhook {
            method: &Method::POST,
            query: "",
            headers: &headers,
            body: body.as_bytes(),
        };
        let none = Script::exactly(Vec::new());
        let now = crate::domain::clock::Timestamp::default();
        shop.receive(&none, &hook, now)
            .await
            .map(|receipt| receipt.hints)
    };
    let sold = |source: &str| {
        json!({ "id": 42, "created_at": "2026-06-25T01:33:56Z", "updated_at": "2026-06-25T01:33:56Z",
            "cancelled_at": null, "source_name": source, "line_items": [], "refunds": [] })
    };
    let order = |text: &str| vec![Hint::Order(OrderId::new(text).unwrap())];
    let single = || read(&settings()).unwrap();
    let found = asked(shop(), "orders/create", sold("web")).await;
    assert_eq!(found.unwrap(), order("42"));
    let found = asked(shop(), "orders/create", sold("pos")).await;
    assert_eq!(found.unwrap(), []);
    let found = asked(single(), "orders/create", sold("web")).await;
    assert_eq!(found.unwrap(), []);
    let named =
        |id: u64| json!({ "id": format!("gid://shopify/FulfillmentOrder/{id}"), "status": "open" });
    let routed = json!({ "fulfillment_order": named(7) });
    let found = asked(shop(), "fulfillment_orders/order_routing_complete", routed).await;
    assert_eq!(found.unwrap(), order("fulfilment:7"));
    let moved =
        json!({ "original_fulfillment_order": named(7), "moved_fulfillment_order": named(8) });
    let found = asked(shop(), "fulfillment_orders/moved", moved).await;
    assert_eq!(found.unwrap(), order("fulfilment:8"));
    let found = asked(shop(), "fulfillment_orders/moved", json!({})).await;
    assert!(matches!(found, Err(Fault::Unreadable(_))));
}
