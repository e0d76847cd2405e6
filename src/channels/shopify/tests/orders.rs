//! Orders by fetch: the same state as by webhook, whole however long, and gone when gone.

use serde_json::{Value, json};

use super::super::orders::{OrderBody, OrderFacts};
use super::super::script::{Script, shop};
use crate::channels::{Channel, Cursor, Fault};
use crate::domain::clock::Timestamp;
use crate::domain::ids::{ChannelId, OrderId};
use crate::domain::order::OrderSnapshot;

fn id() -> OrderId {
    OrderId::new("42").unwrap()
}

/// Line number `n` in both forms: ordered, current, unfulfilled; tracked; variant or not.
fn line(n: u64, quantities: [u32; 3], tracked: bool, variant: bool) -> (Value, Value) {
    let [quantity, current, open] = quantities;
    let manager = tracked.then_some("shopify");
    let rest = json!({ "id": n, "variant_id": variant.then_some(500 + n), "sku": "MUG-1", "quantity": quantity,
        "current_quantity": current, "fulfillable_quantity": open, "variant_inventory_management": manager });
    let node = json!({ "id": format!("gid://shopify/LineItem/{n}"), "sku": "MUG-1", "quantity": quantity,
        "currentQuantity": current, "unfulfilledQuantity": open, "variant": variant.then(|| json!({
            "id": format!("gid://shopify/ProductVariant/{}", 500 + n), "inventoryItem": { "tracked": tracked } })) });
    (rest, node)
}

fn order(
    lines: Vec<(Value, Value)>,
    refunds: &[(u64, u32, &str)],
    cancelled: bool,
    source: &str,
) -> (Value, Value) {
    let (rest_lines, nodes): (Vec<Value>, Vec<Value>) = lines.into_iter().unzip();
    let cancelled_at = cancelled.then_some("2026-06-26T00:00:00Z");
    let rest_refunds: Vec<Value> = refunds.iter().map(|(line, quantity, kind)| json!({
        "refund_line_items": [{ "line_item_id": line, "quantity": quantity, "restock_type": kind, "location_id": null }]
    })).collect();
    let refund_nodes: Vec<Value> = refunds.iter().enumerate().map(|(n, (line, quantity, kind))| json!({
        "id": format!("gid://shopify/Refund/{n}"),
        "refundLineItems": { "pageInfo": { "hasNextPage": false, "endCursor": null }, "nodes": [{ "quantity": quantity,
            "restockType": kind.to_uppercase(), "lineItem": { "id": format!("gid://shopify/LineItem/{line}") } }] }
    })).collect();
    let rest = json!({ "id": 42, "created_at": "2026-06-25T03:33:56+02:00", "updated_at": "2026-06-26T00:00:01Z",
        "cancelled_at": cancelled_at, "test": false, "source_name": source, "location_id": null,
        "line_items": rest_lines, "refunds": rest_refunds });
    let node = json!({ "id": "gid://shopify/Order/42", "createdAt": "2026-06-25T01:33:56Z",
        "updatedAt": "2026-06-26T00:00:01Z", "cancelledAt": cancelled_at, "test": false, "sourceName": source,
        "lineItems": { "pageInfo": { "hasNextPage": false, "endCursor": null }, "nodes": nodes },
        "refunds": refund_nodes });
    (rest, node)
}

fn by_hook(body: Value) -> OrderSnapshot {
    let body: OrderBody = serde_json::from_value(body).unwrap();
    OrderFacts::from(body)
        .reduce(&ChannelId::new("shop").unwrap())
        .unwrap()
}

async fn by_fetch(node: &Value) -> OrderSnapshot {
    let script = Script::of([("OrderLines", json!({ "data": { "order": node } }))]);
    let snapshot = shop().order(&script, &id()).await.unwrap();
    let sent = script.sent();
    assert_eq!(
        sent.first().unwrap().variables,
        json!({ "id": "gid://shopify/Order/42", "places": false })
    );
    snapshot
}

#[tokio::test]
async fn both_forms_of_an_order_are_the_same_state() {
    let plain = |quantities| vec![line(1, quantities, true, true)];
    let rows = [
        order(plain([3, 3, 3]), &[], false, "web"),
        order(plain([3, 3, 3]), &[], false, "pos"),
        order(plain([3, 2, 2]), &[(1, 1, "cancel")], false, "web"),
        order(plain([3, 2, 2]), &[(1, 1, "no_restock")], false, "web"),
        order(plain([3, 2, 0]), &[(1, 1, "return")], false, "web"),
        order(plain([3, 2, 0]), &[(1, 1, "legacy_restock")], false, "web"),
        order(
            plain([3, 0, 0]),
            &[(1, 1, "cancel"), (1, 2, "cancel")],
            true,
            "web",
        ),
        order(
            vec![
                line(2, [1, 1, 1], true, true),
                line(1, [2, 0, 0], true, true),
            ],
            &[(1, 2, "cancel")],
            false,
            "web",
        ),
        order(
            vec![
                line(1, [2, 2, 2], false, true),
                line(2, [1, 1, 1], false, false),
            ],
            &[],
            false,
            "web",
        ),
        order(
            (1..=140).map(|n| line(n, [1, 1, 1], true, true)).collect(),
            &[],
            false,
            "web",
        ),
    ];
    for (rest, node) in rows {
        assert_eq!(by_fetch(&node).await, by_hook(rest));
    }
}

fn page(nodes: &[Value], after: Option<&str>) -> Value {
    json!({ "pageInfo": { "hasNextPage": after.is_some(), "endCursor": after }, "nodes": nodes })
}

#[tokio::test]
async fn an_order_of_400_lines_is_followed_to_its_end() {
    let lines: Vec<_> = (1..=400).map(|n| line(n, [2, 1, 1], true, true)).collect();
    let refunds: Vec<_> = (1..=400).map(|n| (n, 1, "cancel")).collect();
    let (rest, mut node) = order(lines, &refunds, false, "web");
    let all = node["lineItems"]["nodes"].as_array().unwrap().clone();
    let refunded: Vec<Value> = node["refunds"]
        .as_array()
        .unwrap()
        .iter()
        .map(|refund| refund["refundLineItems"]["nodes"][0].clone())
        .collect();
    node["lineItems"] = page(&all[..150], Some("p2"));
    node["refunds"] = json!([{ "id": "gid://shopify/Refund/1", "refundLineItems": page(&refunded[..100], Some("r2")) }]);
    let script = Script::of([
        ("OrderLines", json!({ "data": { "order": node } })),
        (
            "OrderMoreLines",
            json!({ "data": { "order": {
            "updatedAt": "2026-06-26T00:00:01Z", "lineItems": page(&all[150..], None) } } }),
        ),
        (
            "RefundMoreLines",
            json!({ "data": { "refund": { "refundLineItems": page(&refunded[100..350], Some("r3")) } } }),
        ),
        (
            "RefundMoreLines",
            json!({ "data": { "refund": { "refundLineItems": page(&refunded[350..], None) } } }),
        ),
    ]);
    let snapshot = shop().order(&script, &id()).await.unwrap();
    assert_eq!(snapshot.lines.len(), 400);
    assert_eq!(snapshot, by_hook(rest));
    let sent = script.sent();
    assert_eq!(sent[1].variables["after"], "p2");
    assert_eq!(sent[3].variables["after"], "r3");
}

#[tokio::test]
async fn pages_of_two_states_are_no_order() {
    let (_, mut node) = order(vec![line(1, [1, 1, 1], true, true)], &[], false, "web");
    node["lineItems"]["pageInfo"] = json!({ "hasNextPage": true, "endCursor": "p2" });
    let script = Script::of([
        ("OrderLines", json!({ "data": { "order": node } })),
        (
            "OrderMoreLines",
            json!({ "data": { "order": { "updatedAt": "2026-06-26T00:00:09Z", "lineItems": page(&[], None) } } }),
        ),
    ]);
    let fault = shop().order(&script, &id()).await.unwrap_err();
    assert!(matches!(fault, Fault::Transient(_)), "{fault}");
}

#[tokio::test]
async fn an_order_that_reads_as_null_is_gone() {
    let script = Script::of([("OrderLines", r#"{"data":{"order":null}}"#)]);
    assert!(matches!(
        shop().order(&script, &id()).await,
        Err(Fault::Gone(_))
    ));
    let none = Script::exactly(Vec::new());
    let strange = OrderId::new("#1001").unwrap();
    assert!(matches!(
        shop().order(&none, &strange).await,
        Err(Fault::Gone(_))
    ));
}

#[tokio::test]
async fn a_sweep_asks_once_a_page_and_fetches_only_long_orders() {
    let (_, short) = order(vec![line(1, [1, 1, 1], true, true)], &[], false, "web");
    let mut long = short.clone();
    long["lineItems"]["pageInfo"] = json!({ "hasNextPage": true, "endCursor": "x" });
    let mut test = short.clone();
    test["test"] = json!(true);
    let script = Script::of([
        (
            "OrdersSince",
            json!({ "data": { "orders": page(&[short.clone(), long.clone(), long, test], Some("next")) } }),
        ),
        ("OrderLines", json!({ "data": { "order": short } })),
        ("OrderLines", json!({ "data": { "order": null } })),
    ]);
    let since = Timestamp::parse("2026-06-25T01:33:56.789Z").unwrap();
    let found = shop()
        .orders_since(&script, since, Some(Cursor("here".into())))
        .await
        .unwrap();
    assert_eq!(
        (found.items.len(), found.next),
        (2, Some(Cursor("next".into())))
    );
    let sent = script.sent();
    assert_eq!(
        sent[0].variables,
        json!({ "q": "updated_at:>='2026-06-25T01:33:56Z'", "first": 20, "after": "here", "places": false })
    );
}
