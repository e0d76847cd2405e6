//! Levels, listings, subscriptions, check.

use serde_json::{Value, json};

use super::super::script::{LOCATION, Script, settings, shop};
use super::super::settings::read;
use crate::channels::{Channel, Cursor, Fault, Which};
use crate::domain::ids::ListingId;

fn listing(text: &str) -> ListingId {
    ListingId::new(text).unwrap()
}

fn level(item: u64, tracked: bool, shows: i64, active: bool) -> Value {
    json!({ "isActive": active, "quantities": [{ "quantity": shows }],
        "item": { "id": format!("gid://shopify/InventoryItem/{item}"), "tracked": tracked } })
}

#[tokio::test]
async fn all_levels_come_page_by_page_without_those_that_are_switched_off() {
    let nodes = [
        level(5, true, -2, true),
        level(6, false, 0, true),
        level(8, true, 9, false),
    ];
    let script = Script::of([(
        "LevelsAtLocation",
        json!({ "data": { "location": { "inventoryLevels": {
        "pageInfo": { "hasNextPage": true, "endCursor": "next" }, "nodes": nodes } } } }),
    )]);
    let page = shop()
        .levels(&script, Which::All(Some(Cursor("here".into()))))
        .await
        .unwrap();
    let found: Vec<_> = page
        .items
        .iter()
        .map(|l| (l.listing.as_str(), l.shows))
        .collect();
    assert_eq!(found, [("5", Some(-2)), ("6", None)]);
    assert_eq!(page.next, Some(Cursor("next".into())));
    let variables = &script.sent()[0].variables;
    assert_eq!(
        *variables,
        json!({ "location": format!("gid://shopify/Location/{LOCATION}"), "after": "here" })
    );
    let gone = Script::of([("LevelsAtLocation", r#"{"data":{"location":null}}"#)]);
    assert!(matches!(
        shop().levels(&gone, Which::All(None)).await,
        Err(Fault::Rejected(_))
    ));
}

#[tokio::test]
async fn of_some_levels_those_that_are_absent_are_absent_and_not_zero() {
    let item = |id: u64, tracked: bool, level: Value| {
        json!({ "id": format!("gid://shopify/InventoryItem/{id}"),
        "tracked": tracked, "inventoryLevel": level })
    };
    let on = |n: i64| json!({ "isActive": true, "quantities": [{ "quantity": n }] });
    let off = json!({ "isActive": false, "quantities": [{ "quantity": 4 }] });
    let asked = ["5", "6", "7", "8", "9", "5@77", "MUG-1"].map(listing);
    let script = Script::of([
        (
            "ItemsNow",
            json!({ "data": { "nodes": [item(5, true, on(3))] } }),
        ),
        (
            "ItemsNow",
            json!({ "data": { "nodes": [item(5, true, on(0)), null, item(7, false, on(0)), item(8, true, off), {}] } }),
        ),
    ]);
    let page = shop().levels(&script, Which::These(&asked)).await.unwrap();
    let found: Vec<_> = page
        .items
        .iter()
        .map(|l| (l.listing.as_str(), l.shows))
        .collect();
    assert_eq!(found, [("5", Some(0)), ("7", None), ("5@77", Some(3))]);
    let sent = script.sent();
    assert_eq!(
        sent[0].variables,
        json!({ "ids": ["gid://shopify/InventoryItem/5"], "location": "gid://shopify/Location/77" })
    );
}

#[tokio::test]
async fn a_listing_is_an_item_and_its_alias_a_variant() {
    let variant = |id: u64, item: u64, sku: Value, policy: &str, tracked: bool, bundle: bool| {
        json!({
        "id": format!("gid://shopify/ProductVariant/{id}"), "sku": sku, "inventoryPolicy": policy, "requiresComponents": bundle,
        "inventoryItem": { "id": format!("gid://shopify/InventoryItem/{item}"), "tracked": tracked } })
    };
    let nodes = [
        variant(1, 5, json!("MUG-1"), "DENY", true, false),
        variant(2, 5, Value::Null, "CONTINUE", true, false),
        variant(3, 6, json!(""), "DENY", false, false),
        variant(4, 7, json!("SET"), "DENY", true, true),
    ];
    let script = Script::of([(
        "VariantMap",
        json!({ "data": { "productVariants": {
        "pageInfo": { "hasNextPage": false, "endCursor": "ignored" }, "nodes": nodes } } }),
    )]);
    let page = shop().listings(&script, None).await.unwrap();
    script.sent();
    assert_eq!(page.next, None);
    let found: Vec<_> = page
        .items
        .iter()
        .map(|l| {
            (
                l.listing.as_str(),
                l.alias.as_ref().unwrap().as_str(),
                l.sku.as_str(),
                l.not_publishable.is_some(),
                l.remark.as_deref(),
            )
        })
        .collect();
    assert_eq!(
        found,
        [
            ("5", "variant:1", "MUG-1", false, None),
            ("5", "variant:2", "", false, Some("sells below zero")),
            ("6", "variant:3", "", true, None),
            ("7", "variant:4", "SET", true, None),
        ]
    );
}

fn subscribed(topics: &[&str], uri: &str) -> Value {
    let nodes: Vec<Value> = topics.iter().enumerate()
        .map(|(n, topic)| json!({ "id": format!("gid://shopify/WebhookSubscription/{n}"), "topic": topic, "uri": uri })).collect();
    json!({ "data": { "webhookSubscriptions": { "pageInfo": { "hasNextPage": false }, "nodes": nodes } } })
}

const HOOK: &str = "https://stock.example/hooks/shop";

#[tokio::test]
async fn missing_subscriptions_are_created_and_taken_ones_are_present() {
    let most = [
        "ORDERS_CREATE",
        "ORDERS_UPDATED",
        "ORDERS_EDITED",
        "ORDERS_CANCELLED",
        "INVENTORY_LEVELS_UPDATE",
        "INVENTORY_LEVELS_CONNECT",
        "INVENTORY_LEVELS_DISCONNECT",
        "INVENTORY_ITEMS_CREATE",
        "INVENTORY_ITEMS_UPDATE",
        "INVENTORY_ITEMS_DELETE",
    ];
    let created = |errors: Value| json!({ "data": { "webhookSubscriptionCreate": { "webhookSubscription": null, "userErrors": errors } } });
    let taken = json!([{ "field": ["webhookSubscription", "callbackUrl"], "message": "Address for this topic has already been taken" }]);
    let other = json!([{ "field": null, "message": "no" }]);
    let script = Script::of([
        ("WebhookList", subscribed(&most, HOOK)),
        ("WebhookCreate", created(json!([]))),
        ("WebhookCreate", created(taken)),
        ("WebhookCreate", created(other)),
    ]);
    let report = shop().subscriptions(&script, true).await.unwrap();
    assert_eq!(report.created, ["orders/delete"]);
    assert_eq!(report.present.len(), most.len() + 1);
    assert_eq!(report.missing, ["app/uninstalled"]);
    assert_eq!(report.warnings, ["app/uninstalled: no"]);
    let sent = script.sent();
    assert_eq!(
        sent[1].variables,
        json!({ "topic": "ORDERS_DELETE", "sub": { "uri": HOOK, "format": "JSON" } })
    );
}

#[tokio::test]
async fn without_repair_nothing_is_created_and_addresses_are_judged() {
    let report = async |hook_url: Option<&str>| {
        let mut settings = settings();
        settings.hook_url = hook_url.map(str::to_owned);
        let script = Script::of([(
            "WebhookList",
            subscribed(&["ORDERS_CREATE"], "https://old.example/"),
        )]);
        let report = read(&settings)
            .unwrap()
            .subscriptions(&script, false)
            .await
            .unwrap();
        script.sent();
        assert!(report.missing.contains(&"orders/create".to_owned()));
        report.warnings.join("\n")
    };
    assert_eq!(
        report(Some(HOOK)).await,
        "orders/create is also delivered to https://old.example/"
    );
    assert!(
        report(Some("http://stock.example/hooks/shop"))
            .await
            .contains("https addresses only")
    );
    assert!(
        report(Some("https://localhost/hooks/shop"))
            .await
            .contains("https addresses only")
    );
    assert!(report(None).await.contains("no public address"));
}

fn doctor(scopes: &[&str]) -> Value {
    let scopes: Vec<Value> = scopes
        .iter()
        .map(|scope| json!({ "handle": scope }))
        .collect();
    json!({ "data": { "shop": { "id": "x", "name": "Example", "myshopifyDomain": "example.myshopify.com" },
        "publicApiVersions": [{ "handle": "2026-07", "supported": true }, { "handle": "2026-04", "supported": false }],
        "currentAppInstallation": { "accessScopes": scopes } } })
}

fn locations(active: bool) -> Value {
    json!({ "data": { "locations": { "pageInfo": { "hasNextPage": false, "endCursor": null }, "nodes": [
        { "id": format!("gid://shopify/Location/{LOCATION}"), "name": "Main", "isActive": active, "fulfillsOnlineOrders": true },
        { "id": "gid://shopify/Location/8", "name": "Store", "isActive": true, "fulfillsOnlineOrders": false }] } } })
}

const SCOPES: &[&str] = &[
    "write_inventory",
    "read_products",
    "read_orders",
    "read_locations",
];

async fn findings(
    options: &[(&str, &str)],
    doctor: Value,
    locations: Value,
) -> Vec<(String, bool, String)> {
    let mut settings = settings();
    for (name, value) in options {
        settings
            .options
            .insert((*name).to_owned(), (*value).to_owned());
    }
    settings.options.retain(|_, value| !value.is_empty());
    let script = Script::of([("Doctor", doctor), ("Locations", locations)]);
    let found = read(&settings).unwrap().check(&script).await.unwrap();
    script.sent();
    found
        .into_iter()
        .map(|f| (f.what, f.good, f.says))
        .collect()
}

#[tokio::test]
async fn check_finds_what_would_hurt() {
    let good = findings(&[], doctor(SCOPES), locations(true)).await;
    assert!(good.iter().all(|(_, good, _)| *good), "{good:?}");
    let bad = async |options: &[(&str, &str)], doctor, locations, what: &str, words: &str| {
        let found = findings(options, doctor, locations).await;
        let (_, good, says) = found.iter().find(|(name, _, _)| name == what).unwrap();
        assert!(!good && says.contains(words), "{what}: {says}");
    };
    bad(
        &[],
        doctor(&["read_inventory"]),
        locations(true),
        "scopes",
        "write_inventory, read_products, read_orders",
    )
    .await;
    bad(
        &[("api_version", "2026-04")],
        doctor(SCOPES),
        locations(true),
        "api_version",
        "one of 2026-07",
    )
    .await;
    bad(
        &[],
        doctor(SCOPES),
        locations(false),
        "location",
        "not active",
    )
    .await;
    bad(
        &[("location", "9")],
        doctor(SCOPES),
        locations(true),
        "location",
        "8 (Store, not for online orders)",
    )
    .await;
    bad(
        &[("location", "")],
        doctor(SCOPES),
        locations(true),
        "location",
        "106318430514 (Main)",
    )
    .await;
    let denied =
        json!({ "errors": [{ "message": "no", "extensions": { "code": "ACCESS_DENIED" } }] });
    bad(&[], doctor(SCOPES), denied, "location", "ACCESS_DENIED").await;
    let mut other = doctor(SCOPES);
    other["data"]["shop"]["myshopifyDomain"] = json!("other.myshopify.com");
    bad(
        &[],
        other,
        locations(true),
        "shop",
        "https://other.myshopify.com",
    )
    .await;
    let wide = findings(
        &[],
        doctor(&[SCOPES, &["read_customers"]].concat()),
        locations(true),
    )
    .await;
    assert!(wide.iter().any(|(what, good, says)| what == "scopes_wider"
        && *good
        && says.contains("read_customers")));
}
