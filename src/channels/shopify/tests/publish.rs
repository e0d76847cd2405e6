//! Setting quantities: every answer that a shop was seen to give, and those that its schema announces.

use serde_json::{Value, json};

use super::super::script::{LOCATION, Script, Sent, reply, settings, shop};
use super::super::settings::read;
use crate::channels::{Channel, Fault, Reply, Update, Verdict};
use crate::domain::ids::ListingId;
use crate::domain::quantity::Quantity;

const NO_CHANGE: &str =
    r#"{"data":{"inventorySetQuantities":{"inventoryAdjustmentGroup":null,"userErrors":[]}}}"#;

fn update(listing: &str, quantity: i64, compare: Option<i64>) -> Update {
    Update {
        listing: ListingId::new(listing).unwrap(),
        quantity: Quantity::new(quantity).unwrap(),
        compare,
        key: format!("key-{listing}-{quantity}"),
    }
}

fn done(items: &[u64]) -> String {
    let changes: Vec<Value> = items
        .iter()
        .flat_map(|item| {
            ["available", "on_hand"].map(|name| {
                json!({
        "name": name, "delta": 5, "quantityAfterChange": null,
        "item": { "id": format!("gid://shopify/InventoryItem/{item}") },
        "location": { "id": format!("gid://shopify/Location/{LOCATION}") } })
            })
        })
        .collect();
    json!({ "data": { "inventorySetQuantities": { "inventoryAdjustmentGroup": {
        "id": "gid://shopify/InventoryAdjustmentGroup/5464", "createdAt": "2026-06-25T01:33:55Z", "reason": "correction",
        "changes": changes }, "userErrors": [] } }, "extensions": { "cost": { "requestedQueryCost": 13 } } }).to_string()
}

fn errors(list: &[(&str, Option<usize>)]) -> String {
    let errors: Vec<Value> = list
        .iter()
        .map(|(code, place)| {
            json!({ "code": code, "message": "words",
        "field": place.map(|n| json!(["input", "quantities", n.to_string(), "inventoryItemId"])) })
        })
        .collect();
    json!({ "data": { "inventorySetQuantities": { "inventoryAdjustmentGroup": null, "userErrors": errors } } }).to_string()
}

/// Items with what they show; `None`: not stocked there.
fn now(items: &[(u64, Option<i64>)]) -> String {
    let nodes: Vec<Value> = items.iter().map(|(item, shows)| json!({
        "id": format!("gid://shopify/InventoryItem/{item}"), "tracked": true,
        "inventoryLevel": shows.map(|n| json!({ "isActive": true, "quantities": [{ "quantity": n }] })) })).collect();
    json!({ "data": { "nodes": nodes } }).to_string()
}

#[expect(clippy::unnecessary_wraps, reason = "it stands beside results")]
fn stale(shows: i64) -> Result<Verdict, Fault> {
    Ok(Verdict::Stale { shows: Some(shows) })
}

async fn publish(
    updates: &[Update],
    steps: &[(&'static str, String)],
) -> (Vec<Result<Verdict, Fault>>, Vec<Sent>) {
    let script = Script::of(steps.to_vec());
    let results = shop().publish(&script, updates).await;
    assert_eq!(results.len(), updates.len());
    (results, script.sent())
}

#[track_caller]
fn keys(sent: &[Sent]) -> Vec<String> {
    let keys = sent.iter().filter(|s| s.operation == "SetAvailable");
    keys.map(|s| s.variables["key"].as_str().unwrap().to_owned())
        .collect()
}

#[tokio::test]
async fn a_write_names_item_location_key_and_the_value_that_it_replaces() {
    let (results, sent) =
        publish(&[update("5", 7, Some(2))], &[("SetAvailable", done(&[5]))]).await;
    assert_eq!(results, [Ok(Verdict::Applied)]);
    let only = sent.first().unwrap();
    assert_eq!(
        only.url,
        "https://example.myshopify.com/admin/api/2026-07/graphql.json"
    );
    assert_eq!(
        only.variables,
        json!({ "key": "key-5-7", "input": {
        "name": "available", "reason": "correction", "referenceDocumentUri": "gid://onhand/Push/key-5-7",
        "quantities": [{ "inventoryItemId": "gid://shopify/InventoryItem/5",
            "locationId": format!("gid://shopify/Location/{LOCATION}"), "quantity": 7, "changeFromQuantity": 2 }] } })
    );
    assert!(
        only.body.contains("@idempotent(key: $key) {"),
        "on the field"
    );
}

#[tokio::test]
async fn nothing_to_change_is_a_success() {
    let (results, _) = publish(
        &[update("5", 7, Some(7))],
        &[("SetAvailable", NO_CHANGE.into())],
    )
    .await;
    assert_eq!(results, [Ok(Verdict::Applied)]);
}

#[tokio::test]
async fn a_write_that_silently_changed_nothing_is_not_a_success() {
    let steps = |shows| {
        [
            ("SetAvailable", NO_CHANGE.to_owned()),
            ("ItemsNow", now(&[(5, shows)])),
        ]
    };
    let (results, _) = publish(&[update("5", 7, Some(2))], &steps(Some(2))).await;
    assert_eq!(results, [stale(2)]);
    let (results, _) = publish(&[update("5", 7, Some(2))], &steps(Some(7))).await;
    assert_eq!(results, [Ok(Verdict::Applied)]);
    let activated = json!({ "data": { "inventoryActivate": { "userErrors": [], "inventoryLevel": {
        "id": "x", "isActive": true, "quantities": [{ "quantity": 7 }] } } } })
    .to_string();
    let mut never_stocked = steps(None).to_vec();
    never_stocked.push(("Activate", activated));
    let (results, sent) = publish(&[update("5", 7, Some(2))], &never_stocked).await;
    assert_eq!(results, [Ok(Verdict::Applied)]);
    assert_eq!(sent[2].variables["available"], 7);
}

#[tokio::test]
async fn a_batch_has_one_key_that_depends_on_its_updates_only() {
    let two = [update("5", 7, Some(2)), update("6", 7, Some(2))];
    let (_, first) = publish(&two, &[("SetAvailable", done(&[5, 6]))]).await;
    let (_, again) = publish(&two, &[("SetAvailable", done(&[5, 6]))]).await;
    let other = [update("5", 7, Some(2)), update("6", 8, Some(2))];
    let (_, other) = publish(&other, &[("SetAvailable", done(&[5, 6]))]).await;
    assert_eq!(keys(&first), keys(&again));
    assert_ne!(keys(&first), keys(&other));
    assert!(keys(&first)[0].parse::<uuid::Uuid>().is_ok());
}

#[tokio::test]
async fn without_a_known_value_it_is_read_and_compared() {
    let updates = [
        update("5", 7, None),
        update("6", 7, None),
        update("8", 7, None),
        update("9", 1, Some(3)),
    ];
    let steps = [
        ("ItemsNow", now(&[(5, Some(-2)), (6, Some(7))])),
        ("SetAvailable", done(&[5, 9])),
    ];
    let (results, sent) = publish(&updates, &steps).await;
    let absent = Ok(Verdict::Refused("the inventory item does not exist".into()));
    assert_eq!(
        results,
        [
            Ok(Verdict::Applied),
            Ok(Verdict::Applied),
            absent,
            Ok(Verdict::Applied)
        ]
    );
    let written = &sent[1].variables["input"]["quantities"];
    assert_eq!(written.as_array().unwrap().len(), 2);
    assert_eq!(written[0]["changeFromQuantity"], -2);
}

#[tokio::test]
async fn only_force_writes_without_comparing_and_the_key_is_still_there() {
    let mut settings = settings();
    settings.options.insert("force".into(), "true".into());
    let script = Script::of([("SetAvailable", done(&[5]))]);
    let results = read(&settings)
        .unwrap()
        .publish(&script, &[update("5", 7, None)])
        .await;
    assert_eq!(results, [Ok(Verdict::Applied)]);
    let quantity = &script.sent()[0].variables["input"]["quantities"][0];
    assert_eq!(quantity.get("changeFromQuantity"), Some(&Value::Null));
}

#[tokio::test]
async fn a_stale_entry_is_read_and_the_others_go_on_with_a_new_key() {
    let updates = [
        update("5", 7, Some(2)),
        update("6", 7, Some(2)),
        update("8", 7, Some(2)),
    ];
    let steps = [
        (
            "SetAvailable",
            errors(&[
                ("CHANGE_FROM_QUANTITY_STALE", Some(1)),
                ("INVALID_INVENTORY_ITEM", Some(2)),
            ]),
        ),
        ("ItemsNow", now(&[(6, Some(4))])),
        ("SetAvailable", done(&[5])),
    ];
    let (results, sent) = publish(&updates, &steps).await;
    let refused = Ok(Verdict::Refused("words (INVALID_INVENTORY_ITEM)".into()));
    assert_eq!(results, [Ok(Verdict::Applied), stale(4), refused]);
    let keys = keys(&sent);
    assert_ne!(keys[0], keys[1]);
    assert_eq!(
        sent[2].variables["input"]["quantities"]
            .as_array()
            .unwrap()
            .len(),
        1
    );
}

#[tokio::test]
async fn stale_with_the_wanted_value_is_left_to_the_caller() {
    let steps = [
        (
            "SetAvailable",
            errors(&[("CHANGE_FROM_QUANTITY_STALE", Some(0))]),
        ),
        ("ItemsNow", now(&[(5, Some(7))])),
    ];
    let (results, _) = publish(&[update("5", 7, Some(2))], &steps).await;
    assert_eq!(results, [stale(7)]);
}

#[tokio::test]
async fn an_entry_that_is_not_named_is_found_by_halving() {
    let updates: Vec<_> = (1..=4)
        .map(|n| update(&n.to_string(), 7, Some(2)))
        .collect();
    let unnamed = || errors(&[("NON_MUTABLE_INVENTORY_ITEM", None)]);
    let steps = [
        ("SetAvailable", unnamed()),
        ("SetAvailable", done(&[1, 2])),
        ("SetAvailable", unnamed()),
        ("SetAvailable", done(&[3])),
        ("SetAvailable", unnamed()),
    ];
    let (results, sent) = publish(&updates, &steps).await;
    assert_eq!(
        results[..3],
        [
            Ok(Verdict::Applied),
            Ok(Verdict::Applied),
            Ok(Verdict::Applied)
        ]
    );
    assert_eq!(
        results[3],
        Ok(Verdict::Refused(
            "words (NON_MUTABLE_INVENTORY_ITEM)".into()
        ))
    );
    let mut keys = keys(&sent);
    keys.sort();
    keys.dedup();
    assert_eq!(keys.len(), 5, "no key twice");
}

#[tokio::test]
async fn troubles_with_keys_follow_the_table() {
    let one = [update("5", 7, Some(2))];
    let (results, _) = publish(
        &one,
        &[(
            "SetAvailable",
            errors(&[("IDEMPOTENCY_CONCURRENT_REQUEST", None)]),
        )],
    )
    .await;
    assert!(matches!(results[0], Err(Fault::Transient(_))));

    let (results, sent) = publish(
        &one,
        &[
            (
                "SetAvailable",
                errors(&[("IDEMPOTENCY_KEY_PARAMETER_MISMATCH", None)]),
            ),
            ("SetAvailable", done(&[5])),
        ],
    )
    .await;
    assert_eq!(results, [Ok(Verdict::Applied)]);
    assert_ne!(keys(&sent)[0], keys(&sent)[1]);

    let failed = (
        "SetAvailable",
        errors(&[("IDEMPOTENCY_PREVIOUS_ATTEMPT_FAILED", None)]),
    );
    let read = |shows| ("ItemsNow", now(&[(5, Some(shows))]));
    let (results, sent) = publish(
        &one,
        &[failed.clone(), read(2), ("SetAvailable", done(&[5]))],
    )
    .await;
    assert_eq!(results, [Ok(Verdict::Applied)]);
    assert_ne!(keys(&sent)[0], keys(&sent)[1]);
    let (results, _) = publish(&one, &[failed.clone(), read(7)]).await;
    assert_eq!(results, [Ok(Verdict::Applied)]);
    let (results, _) = publish(&one, &[failed.clone(), read(4)]).await;
    assert_eq!(results, [stale(4)]);
    let (results, _) = publish(
        &one,
        &[
            failed.clone(),
            read(2),
            failed.clone(),
            read(2),
            failed,
            read(2),
        ],
    )
    .await;
    assert!(matches!(results[0], Err(Fault::Transient(_))), "it ends");

    let (results, _) = publish(
        &one,
        &[("SetAvailable", errors(&[("INVALID_REASON", None)]))],
    )
    .await;
    assert!(matches!(results[0], Err(Fault::Rejected(_))));
}

#[tokio::test]
async fn an_item_that_was_never_stocked_there_is_activated_once() {
    let not_stocked = || {
        (
            "SetAvailable",
            errors(&[("ITEM_NOT_STOCKED_AT_LOCATION", Some(0))]),
        )
    };
    let one = [update("5", 7, Some(0))];
    let activated = |level: Value, errors: Value| {
        let body = json!({ "data": { "inventoryActivate": { "inventoryLevel": level, "userErrors": errors } } });
        ("Activate", body.to_string())
    };
    let level = json!({ "id": "x", "isActive": true, "quantities": [{ "quantity": 7 }] });
    let (results, _) = publish(&one, &[not_stocked(), activated(level, json!([]))]).await;
    assert_eq!(results, [Ok(Verdict::Applied)]);
    let error = json!([{ "field": ["available"], "message": "Not allowed to set available quantity when the item is already active" }]);
    let failed = activated(Value::Null, error);
    let (results, _) = publish(
        &one,
        &[
            not_stocked(),
            failed.clone(),
            ("ItemsNow", now(&[(5, Some(3))])),
        ],
    )
    .await;
    assert_eq!(results, [stale(3)]);
    let (results, _) = publish(
        &one,
        &[not_stocked(), failed, ("ItemsNow", now(&[(5, None)]))],
    )
    .await;
    assert!(matches!(&results[0], Ok(Verdict::Refused(why)) if why.starts_with("Not allowed")));
}

#[tokio::test]
async fn of_two_for_one_item_only_the_newest_is_sent() {
    let place = format!("5@{LOCATION}");
    let updates = [
        update("5", 9, Some(2)),
        update(&place, 9, Some(2)),
        update("5", 7, Some(2)),
    ];
    let (results, sent) = publish(&updates, &[("SetAvailable", done(&[5]))]).await;
    assert_eq!(results, [stale(7), stale(7), Ok(Verdict::Applied)]);
    let quantities = &sent[0].variables["input"]["quantities"];
    assert_eq!(quantities.as_array().unwrap().len(), 1);
    assert_eq!(quantities[0]["quantity"], 7);
}

#[tokio::test]
async fn what_cannot_be_sent_does_not_hold_up_the_rest() {
    let updates = [update("variant:5", 7, Some(2)), update("5", 7, Some(2))];
    let (results, _) = publish(&updates, &[("SetAvailable", done(&[5]))]).await;
    assert!(matches!(results[0], Ok(Verdict::Refused(_))));
    assert_eq!(results[1], Ok(Verdict::Applied));
    let mut settings = settings();
    settings.options.clear();
    let shop = read(&settings).unwrap();
    let script = Script::exactly(Vec::new());
    let results = shop.publish(&script, &[update("5", 7, Some(2))]).await;
    assert!(matches!(&results[0], Err(Fault::Rejected(why)) if why.contains("channels check")));
}

#[tokio::test]
async fn more_than_a_batch_goes_in_calls_and_one_failure_does_not_lose_the_others() {
    let updates: Vec<_> = (1..=250)
        .map(|n| update(&n.to_string(), 7, Some(7)))
        .collect();
    let ok = || Ok(reply(200, NO_CHANGE));
    let script = Script::exactly(vec![
        ("SetAvailable", ok()),
        ("SetAvailable", Err(Fault::Unknown("timed out".into()))),
        ("SetAvailable", ok()),
    ]);
    let results = shop().publish(&script, &updates).await;
    script.sent();
    assert!(results[..100].iter().all(|r| *r == Ok(Verdict::Applied)));
    assert!(
        results[100..200]
            .iter()
            .all(|r| *r == Err(Fault::Unknown("timed out".into())))
    );
    assert!(results[200..].iter().all(|r| *r == Ok(Verdict::Applied)));
}

#[tokio::test]
async fn when_it_is_too_fast_the_rest_is_not_sent() {
    let updates: Vec<_> = (1..=250)
        .map(|n| update(&n.to_string(), 7, Some(7)))
        .collect();
    let throttled: Result<Reply, Fault> = Err(Fault::Throttled { after_ms: Some(5) });
    let script = Script::exactly(vec![
        ("SetAvailable", Ok(reply(200, NO_CHANGE))),
        ("SetAvailable", throttled),
    ]);
    let results = shop().publish(&script, &updates).await;
    script.sent();
    assert!(results[..100].iter().all(|r| *r == Ok(Verdict::Applied)));
    assert!(
        results[100..]
            .iter()
            .all(|r| *r == Err(Fault::Throttled { after_ms: Some(5) }))
    );
}
