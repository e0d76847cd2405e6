use std::sync::atomic::{AtomicI64, Ordering};

use super::*;
use crate::sandbox::journal::Happening;

const SET: &str = "mutation S($input: InventorySetQuantitiesInput!, $key: String!) {
  inventorySetQuantities(input: $input) @idempotent(key: $key) {
    inventoryAdjustmentGroup { id createdAt reason referenceDocumentUri
      changes { name delta quantityAfterChange item { id } location { id } } }
    userErrors { code field message } } }";

struct Bench {
    shopify: Shopify,
    time: Arc<AtomicI64>,
    version: &'static str,
}

impl Bench {
    fn new() -> Self {
        Self::with(|_| {})
    }

    fn with(change: impl FnOnce(&mut ShopifyOptions)) -> Self {
        let time = Arc::new(AtomicI64::new(1_795_000_000_000));
        let clock = Arc::clone(&time);
        let mut options = ShopifyOptions {
            conduct: Conduct {
                clock: Arc::new(move || clock.load(Ordering::SeqCst)),
                delivery_least_ms: 0,
                delivery_most_ms: 0,
                ..Conduct::default()
            },
            locations: vec!["A".to_owned(), "B".to_owned()],
            catalogue: vec![
                ShopifyVariant::new("MUG-1", 5),
                ShopifyVariant::new("TEE-S", 2),
            ],
            ..ShopifyOptions::default()
        };
        options.catalogue.push(ShopifyVariant {
            bundle: true,
            ..ShopifyVariant::new("BOX", 1)
        });
        options.catalogue.push(ShopifyVariant {
            oversells: true,
            ..ShopifyVariant::new("PRE", 0)
        });
        options.catalogue.push(ShopifyVariant {
            tracked: false,
            ..ShopifyVariant::new("PDF", 0)
        });
        change(&mut options);
        let shopify = Shopify::new(&options);
        Self {
            shopify,
            time,
            version: "2026-07",
        }
    }

    fn pass_ms(&self, ms: i64) {
        self.time.fetch_add(ms, Ordering::SeqCst);
    }

    fn send(&self, query: &str, variables: Value) -> Value {
        let body = json!({"query": query, "variables": variables});
        let request = Request::post(format!("/admin/api/{}/graphql.json", self.version))
            .header("X-Shopify-Access-Token", self.shopify.token())
            .body(Bytes::from(body.to_string()));
        let response = self
            .shopify
            .answer(request.unwrap())
            .into_response()
            .unwrap();
        assert_eq!(response.status(), 200);
        serde_json::from_slice(response.body()).unwrap()
    }

    fn place(&self, at: usize) -> u64 {
        self.shopify.locations()[at].0
    }

    fn entry(&self, sku: &str, quantity: i64, from: Value) -> Value {
        json!({
            "inventoryItemId": format!("gid://shopify/InventoryItem/{}", self.shopify.item(sku).unwrap()),
            "locationId": format!("gid://shopify/Location/{}", self.place(0)),
            "quantity": quantity,
            "changeFromQuantity": from,
        })
    }

    fn set(&self, key: &str, quantities: Value) -> Value {
        let uri = "gid://onhand/Push/1";
        let input = json!({"name": "available", "reason": "correction", "referenceDocumentUri": uri, "quantities": quantities});
        self.send(SET, json!({"input": input, "key": key}))
    }

    fn hook(&self, topic: &str) -> Value {
        let query = "mutation W($topic: WebhookSubscriptionTopic!, $sub: WebhookSubscriptionInput!) {
            webhookSubscriptionCreate(topic: $topic, webhookSubscription: $sub) {
              webhookSubscription { id topic uri format apiVersion { handle } } userErrors { field message } } }";
        let sub = json!({"uri": "http://127.0.0.1:1/in", "format": "JSON"});
        self.send(query, json!({"topic": topic, "sub": sub}))
    }

    fn mug(&self) -> i64 {
        self.shopify.shown(Goods::Sku("MUG-1")).unwrap()
    }
}

fn code(answer: &Value) -> &str {
    let user = answer.pointer("/data/inventorySetQuantities/userErrors/0/code");
    let top = answer.pointer("/errors/0/extensions/code");
    user.or(top).and_then(Value::as_str).unwrap_or("none")
}

#[test]
fn writes_are_refused_for_the_right_reason_and_then_nothing_is_written() {
    let bench = Bench::new();
    let good = bench.entry("MUG-1", 4, json!(5));
    let with = |name: &str, value: Value| {
        let mut entry = bench.entry("TEE-S", 1, json!(2));
        entry[name] = value;
        entry
    };
    let mut no_compare = good.clone();
    no_compare
        .as_object_mut()
        .unwrap()
        .remove("changeFromQuantity");
    let elsewhere = json!(format!("gid://shopify/Location/{}", bench.place(1)));
    for (at, (second, want)) in [
        (no_compare, "INVALID_FIELD_ARGUMENTS"),
        (
            with("changeFromQuantity", json!(9)),
            "CHANGE_FROM_QUANTITY_STALE",
        ),
        (
            with("inventoryItemId", json!("gid://shopify/InventoryItem/1")),
            "INVALID_INVENTORY_ITEM",
        ),
        (
            with("inventoryItemId", json!("1")),
            "INVALID_INVENTORY_ITEM",
        ),
        (
            with("locationId", json!("gid://shopify/Location/1")),
            "INVALID_LOCATION",
        ),
        (
            with("locationId", elsewhere),
            "ITEM_NOT_STOCKED_AT_LOCATION",
        ),
        (
            bench.entry("BOX", 1, Value::Null),
            "NON_MUTABLE_INVENTORY_ITEM",
        ),
        (
            with("quantity", json!(1_000_000_001)),
            "INVALID_QUANTITY_TOO_HIGH",
        ),
        (
            with("quantity", json!(-1_000_000_001)),
            "INVALID_QUANTITY_TOO_LOW",
        ),
        (good.clone(), "NO_DUPLICATE_INVENTORY_ITEM_ID_GROUP_ID_PAIR"),
        (
            with("ignoreCompareQuantity", json!(true)),
            "INVALID_VARIABLE",
        ),
        (with("quantity", json!("5")), "INVALID_VARIABLE"),
        (with("quantity", json!(1.5)), "INVALID_VARIABLE"),
    ]
    .into_iter()
    .enumerate()
    {
        let answer = bench.set(&format!("key-{at}"), json!([good, second]));
        assert_eq!(code(&answer), want, "{answer}");
        assert_eq!(bench.mug(), 5, "{want}");
    }
    let answer = bench.set("many", Value::Array(vec![good; 251]));
    assert_eq!(code(&answer), "MAX_INPUT_SIZE_EXCEEDED");
    let writes = bench
        .shopify
        .log()
        .into_iter()
        .filter(|one| matches!(one.happening, Happening::Write { .. }));
    assert_eq!(writes.count(), 0);
}

#[test]
fn input_keys_of_older_versions_have_no_data_key() {
    let bench = Bench::new();
    let input = json!({"name": "available", "reason": "correction", "ignoreCompareQuantity": true, "quantities": []});
    let answer = bench.send(SET, json!({"input": input, "key": "k"}));
    let message = "Variable $input of type InventorySetQuantitiesInput! was provided invalid value for \
                   ignoreCompareQuantity (Field is not defined on InventorySetQuantitiesInput)";
    assert_eq!(answer["errors"][0]["message"], message);
    assert!(answer.get("data").is_none());
}

#[test]
fn a_good_write_has_the_recorded_shape_and_no_change_has_no_group() {
    let bench = Bench::new();
    let answer = bench.set("a", json!([bench.entry("MUG-1", 8, json!(5))]));
    let set = &answer["data"]["inventorySetQuantities"];
    assert_eq!(set["userErrors"], json!([]));
    let changes = set["inventoryAdjustmentGroup"]["changes"]
        .as_array()
        .unwrap();
    let told: Vec<_> = changes
        .iter()
        .map(|one| (one["name"].as_str().unwrap(), one["delta"].as_i64()))
        .collect();
    assert_eq!(told, [("available", Some(3)), ("on_hand", Some(3))]);
    assert!(answer["extensions"]["cost"]["throttleStatus"]["restoreRate"].is_number());
    let answer = bench.set("b", json!([bench.entry("MUG-1", 8, json!(8))]));
    let want = json!({"inventoryAdjustmentGroup": null, "userErrors": []});
    assert_eq!(answer["data"]["inventorySetQuantities"], want);
    let answer = bench.set("c", json!([bench.entry("MUG-1", -2, Value::Null)]));
    assert_eq!(code(&answer), "none");
    assert_eq!(bench.mug(), -2);
}

#[test]
fn idempotency_keys_bite() {
    let bench = Bench::new();
    let once = json!([bench.entry("MUG-1", 3, json!(5))]);
    assert_eq!(code(&bench.set("k", once.clone())), "none");
    // Even when the number is by chance the old one again, the repeated request is not applied twice.
    bench.shopify.edit_stock(Goods::Sku("MUG-1"), 5).unwrap();
    assert_eq!(code(&bench.set("k", once)), "CHANGE_FROM_QUANTITY_STALE");
    let other = json!([bench.entry("MUG-1", 2, json!(5))]);
    assert_eq!(
        code(&bench.set("k", other)),
        "IDEMPOTENCY_KEY_PARAMETER_MISMATCH"
    );
    assert_eq!(bench.mug(), 5);
    let bare = SET.replace("@idempotent(key: $key)", "");
    let input = json!({"name": "available", "reason": "correction", "quantities": []});
    let answer = bench.send(&bare, json!({"input": input}));
    assert_eq!(code(&answer), "BAD_REQUEST");
    assert_eq!(
        answer["errors"][0]["path"],
        json!(["inventorySetQuantities"])
    );
    assert_eq!(answer["data"], json!({"inventorySetQuantities": null}));
}

#[test]
fn a_level_that_was_never_active_is_refused_then_ignored_then_activated() {
    let mut bench = Bench::new();
    let mut entry = bench.entry("MUG-1", 4, Value::Null);
    entry["locationId"] = json!(format!("gid://shopify/Location/{}", bench.place(1)));
    assert_eq!(
        code(&bench.set("a", json!([entry]))),
        "ITEM_NOT_STOCKED_AT_LOCATION"
    );
    bench.version = "2026-10";
    let answer = bench.set("b", json!([entry]));
    assert_eq!((code(&answer), bench.mug()), ("none", 5));
    let activate = "mutation A($i: ID!, $l: ID!, $n: Int, $k: String!) {
        inventoryActivate(inventoryItemId: $i, locationId: $l, available: $n) @idempotent(key: $k) {
          inventoryLevel { id isActive quantities(names: [\"available\"]) { name quantity } }
          userErrors { field message } } }";
    let variables =
        json!({"i": entry["inventoryItemId"], "l": entry["locationId"], "n": 4, "k": "c"});
    let answer = bench.send(activate, variables.clone());
    let quantities = &answer["data"]["inventoryActivate"]["inventoryLevel"]["quantities"];
    assert_eq!(*quantities, json!([{"name": "available", "quantity": 4}]));
    assert_eq!(bench.mug(), 9);
    let again = bench.send(activate, variables);
    assert_eq!(
        again["data"]["inventoryActivate"]["userErrors"][0]["field"],
        json!(["available"])
    );
}

#[test]
fn the_bucket_throttles_with_http_200_and_restores() {
    let bench = Bench::with(|options| {
        options.bucket_size = 20.0;
        options.restore_per_s = 10.0;
    });
    let once = |key: &str| bench.set(key, json!([bench.entry("MUG-1", 5, json!(5))]));
    assert_eq!(code(&once("a")), "none");
    let throttled = once("b");
    assert_eq!(code(&throttled), "THROTTLED");
    assert_eq!(
        throttled["extensions"]["cost"]["actualQueryCost"],
        Value::Null
    );
    assert!(throttled.get("data").is_none());
    bench.pass_ms(600);
    assert_eq!(code(&once("b")), "none");
}

#[test]
fn strangers_are_turned_away() {
    let bench = Bench::new();
    let path = "/admin/api/2026-07/graphql.json";
    for (path, token, body, want) in [
        (path, "wrong", "{}", 401),
        (path, bench.shopify.token(), "not json", 400),
        (
            "/admin/api/2099-01/graphql.json",
            bench.shopify.token(),
            "{}",
            404,
        ),
        (
            "/admin/api/2026-07/orders.json",
            bench.shopify.token(),
            "{}",
            404,
        ),
    ] {
        let request = Request::post(path)
            .header("X-Shopify-Access-Token", token)
            .body(Bytes::from(body.to_owned()));
        let response = bench
            .shopify
            .answer(request.unwrap())
            .into_response()
            .unwrap();
        assert_eq!(response.status(), want, "{path} {token} {body}");
    }
    let older = Request::post("/admin/api/2025-10/graphql.json")
        .header("X-Shopify-Access-Token", bench.shopify.token())
        .body(Bytes::from("{\"query\":\"{shop{name}}\"}"));
    let response = bench
        .shopify
        .answer(older.unwrap())
        .into_response()
        .unwrap();
    assert_eq!(response.headers()["x-shopify-api-version"], "2026-04");
}

#[test]
fn pages_follow_each_other_without_gap_or_overlap() {
    let bench = Bench::with(|options| {
        options.catalogue = (0..7)
            .map(|n| ShopifyVariant::new(format!("S-{n}"), n))
            .collect();
    });
    let query = "query V($after: String) { productVariants(first: 3, after: $after) {
        pageInfo { hasNextPage endCursor } nodes { sku } } }";
    let mut seen = Vec::new();
    let mut after = Value::Null;
    for _ in 0..3 {
        let answer = bench.send(query, json!({"after": after}));
        let page = &answer["data"]["productVariants"];
        seen.extend(
            page["nodes"]
                .as_array()
                .unwrap()
                .iter()
                .map(|one| one["sku"].as_str().unwrap().to_owned()),
        );
        after = page["pageInfo"]["endCursor"].clone();
        assert_eq!(page["pageInfo"]["hasNextPage"], json!(seen.len() < 7));
    }
    assert_eq!(seen, ["S-0", "S-1", "S-2", "S-3", "S-4", "S-5", "S-6"]);
    let unpaged = bench.send("{ productVariants { nodes { sku } } }", json!({}));
    assert_eq!(code(&unpaged), "BAD_REQUEST");
    let unknown = bench.send(
        "{ productVariants(first: 1) { nodes { nope } } }",
        json!({}),
    );
    assert_eq!(code(&unknown), "undefinedField");
}

#[test]
#[expect(clippy::too_many_lines, reason = "one life, step by step")]
fn an_order_lives_through_refund_and_cancel() {
    let bench = Bench::new();
    for topic in [
        "ORDERS_CREATE",
        "ORDERS_UPDATED",
        "ORDERS_CANCELLED",
        "REFUNDS_CREATE",
        "INVENTORY_LEVELS_UPDATE",
        "PRODUCTS_UPDATE",
    ] {
        assert_eq!(
            bench.hook(topic)["data"]["webhookSubscriptionCreate"]["userErrors"],
            json!([]),
            "{topic}"
        );
    }
    let sold = bench.shopify.buy(Goods::Sku("MUG-1"), 3).unwrap();
    assert_eq!((sold.shown_before, sold.shown_after), (5, 2));
    let level = || bench.shopify.level(sold.item, bench.place(0)).unwrap();
    assert_eq!(level(), (2, 3, 5));
    assert!(matches!(
        bench.shopify.buy(Goods::Sku("MUG-1"), 3),
        Err(CounterError::NotEnough { shown: 2, .. })
    ));
    let sent = bench.shopify.take_deliveries();
    let mut topics: Vec<_> = sent.iter().map(|one| one.topic.as_str()).collect();
    topics.sort_unstable();
    assert_eq!(
        topics,
        [
            "inventory_levels/update",
            "orders/create",
            "orders/updated",
            "products/update"
        ]
    );
    let event = |one: &Delivery| {
        one.headers
            .iter()
            .find(|(name, _)| name == "X-Shopify-Event-Id")
            .unwrap()
            .1
            .clone()
    };
    assert!(
        sent.iter().all(|one| event(one) == event(&sent[0])),
        "one event id for one action"
    );
    bench
        .shopify
        .refund(sold.order, sold.line, 1, true)
        .unwrap();
    assert_eq!(level(), (3, 2, 5));
    bench
        .shopify
        .refund(sold.order, sold.line, 1, false)
        .unwrap();
    assert_eq!(level(), (3, 1, 4));
    bench.shopify.cancel(sold.order).unwrap();
    assert_eq!(level(), (4, 0, 4));
    assert!(bench.shopify.cancel(sold.order).is_err());
    let query = "query O($q: String!) { orders(first: 50, query: $q, sortKey: UPDATED_AT) { nodes { id cancelledAt
        lineItems(first: 250) { nodes { quantity currentQuantity } }
        refunds { refundLineItems(first: 100) { nodes { quantity restockType lineItem { id sku } } } } } } }";
    let answer = bench.send(query, json!({"q": "updated_at:>'2020-01-01T00:00:00Z'"}));
    let order = &answer["data"]["orders"]["nodes"][0];
    assert_eq!(
        order["lineItems"]["nodes"],
        json!([{"quantity": 3, "currentQuantity": 0}])
    );
    let kinds: Vec<_> = order["refunds"]
        .as_array()
        .unwrap()
        .iter()
        .map(|one| one["refundLineItems"]["nodes"][0]["restockType"].clone())
        .collect();
    assert_eq!(kinds, ["CANCEL", "NO_RESTOCK", "CANCEL"]);
}

#[test]
fn fulfilled_units_come_back_as_returns() {
    let bench = Bench::new();
    let sold = bench.shopify.buy(Goods::Sku("TEE-S"), 2).unwrap();
    bench.shopify.fulfil(sold.order).unwrap();
    let level = || bench.shopify.level(sold.item, bench.place(0)).unwrap();
    assert_eq!(level(), (0, 0, 0));
    assert!(matches!(
        bench.shopify.cancel(sold.order),
        Err(CounterError::WrongState { .. })
    ));
    bench
        .shopify
        .refund(sold.order, sold.line, 1, true)
        .unwrap();
    assert_eq!(level(), (1, 0, 1));
}

#[test]
fn continue_and_untracked_goods_sell_without_limit() {
    let bench = Bench::new();
    assert_eq!(
        bench.shopify.buy(Goods::Sku("PRE"), 3).unwrap().shown_after,
        -3
    );
    bench.shopify.buy(Goods::Sku("PDF"), 9).unwrap();
    assert_eq!(bench.shopify.shown(Goods::Sku("PDF")), None);
}

#[test]
fn a_deaf_receiver_gets_nine_tries_and_loses_its_subscription() {
    let bench = Bench::with(|options| options.retry_speedup = 1_000);
    bench.hook("ORDERS_CREATE");
    let taken = bench.hook("ORDERS_CREATE");
    let message = &taken["data"]["webhookSubscriptionCreate"]["userErrors"][0]["message"];
    assert_eq!(message, "Address for this topic has already been taken");
    bench.shopify.buy(Goods::Sku("MUG-1"), 1).unwrap();
    let mut tries = Vec::new();
    while let Some(due_ms) = bench.shopify.next_due_ms() {
        bench.time.fetch_max(due_ms, Ordering::SeqCst);
        for delivery in bench.shopify.take_deliveries() {
            bench.shopify.settle(&delivery, Some(302));
            tries.push(delivery);
        }
    }
    assert_eq!(tries.len(), 9);
    assert!(
        tries
            .iter()
            .all(|one| one.body == tries[0].body && one.delivery_id == tries[0].delivery_id)
    );
    assert_eq!(tries[8].due_ms - tries[0].due_ms, 4 * 3_600);
    let list = "{ webhookSubscriptions(first: 100) { nodes { id } } }";
    assert_eq!(
        bench.send(list, json!({}))["data"]["webhookSubscriptions"]["nodes"],
        json!([])
    );
}

const ROUTES: &str = "query R($id: ID!, $yes: Boolean!) { order(id: $id) { retailLocation { id }
  fulfillmentOrders(first: 5) @include(if: $yes) { nodes { id status assignedLocation { location { name } }
    lineItems(first: 5) { nodes { totalQuantity remainingQuantity } } } } } }";

/// Location, status, units and units left of every fulfilment order.
fn routes(bench: &Bench, order: u64) -> Vec<(String, String, i64, i64)> {
    let variables = json!({"id": format!("gid://shopify/Order/{order}"), "yes": true});
    let answer = bench.send(ROUTES, variables);
    let nodes = &answer["data"]["order"]["fulfillmentOrders"]["nodes"];
    let text = |value: &Value| value.as_str().unwrap().to_owned();
    let sum = |node: &Value, name: &str| {
        let lines = node["lineItems"]["nodes"].as_array().unwrap();
        lines.iter().map(|line| line[name].as_i64().unwrap()).sum()
    };
    let one = |node: &Value| {
        (
            text(&node["assignedLocation"]["location"]["name"]),
            text(&node["status"]),
            sum(node, "totalQuantity"),
            sum(node, "remainingQuantity"),
        )
    };
    nodes.as_array().unwrap().iter().map(one).collect()
}

#[test]
fn an_order_is_sent_from_where_its_goods_are_and_can_be_moved() {
    let bench = Bench::with(|options| options.catalogue[0].available = vec![Some(5), Some(3)]);
    for topic in [
        "FULFILLMENT_ORDERS_ORDER_ROUTING_COMPLETE",
        "FULFILLMENT_ORDERS_MOVED",
    ] {
        bench.hook(topic);
    }
    let (first, second) = (bench.place(0), bench.place(1));
    let sold = bench.shopify.buy(Goods::Sku("MUG-1"), 6).unwrap();
    let row =
        |place: &str, status: &str, total, left| (place.to_owned(), status.to_owned(), total, left);
    assert_eq!(
        routes(&bench, sold.order),
        [row("A", "OPEN", 5, 5), row("B", "OPEN", 1, 1)]
    );
    bench.shopify.move_order(sold.order, second).unwrap();
    let level = |place| bench.shopify.level(sold.item, place).unwrap();
    assert_eq!((level(first), level(second)), ((5, 0, 5), (-3, 6, 3)));
    bench.shopify.fulfil(sold.order).unwrap();
    assert_eq!(
        routes(&bench, sold.order),
        [row("A", "CLOSED", 0, 0), row("B", "CLOSED", 6, 0)]
    );
    bench
        .shopify
        .put_back(sold.order, sold.line, 2, first)
        .unwrap();
    assert_eq!((level(first), level(second)), ((7, 0, 7), (-3, 0, -3)));
    let topics: Vec<_> = bench
        .shopify
        .take_deliveries()
        .into_iter()
        .map(|one| one.topic)
        .collect();
    assert_eq!(
        topics,
        [
            "fulfillment_orders/order_routing_complete",
            "fulfillment_orders/order_routing_complete",
            "fulfillment_orders/moved"
        ]
    );
    let till = bench
        .shopify
        .sell_at(first, &[(Goods::Sku("MUG-1"), 9)])
        .unwrap();
    assert_eq!(level(first), (-2, 0, -2));
    assert_eq!(routes(&bench, till[0].order), []);
    bench.shopify.close(second);
    let item = format!("gid://shopify/InventoryItem/{}", sold.item);
    let query = "mutation A($i: ID!, $l: ID!) { inventoryActivate(inventoryItemId: $i, locationId: $l, available: 1)
        @idempotent(key: \"k\") { inventoryLevel { id } userErrors { message } } }";
    let place = format!("gid://shopify/Location/{second}");
    let answer = bench.send(query, json!({"i": item, "l": place}));
    let refused = &answer["data"]["inventoryActivate"]["userErrors"][0]["message"];
    assert_eq!(refused, "The location is not active.");
}

/// The documents of the connector, if the shared folder is there.
#[test]
fn the_connectors_documents_are_answered() {
    let path = std::path::Path::new("../shared/fixtures/shopify/documents.graphql");
    let Some(source) = crate::sandbox::shared_fixture(path) else {
        return;
    };
    let bench = Bench::new();
    let sold = bench.shopify.buy(Goods::Sku("MUG-1"), 1).unwrap();
    let variables = json!({
        "location": format!("gid://shopify/Location/{}", bench.place(0)),
        "item": format!("gid://shopify/InventoryItem/{}", sold.item),
        "ids": [format!("gid://shopify/InventoryItem/{}", sold.item), "gid://shopify/InventoryItem/1"],
        "id": format!("gid://shopify/Order/{}", sold.order),
        "q": "updated_at:>'2020-01-01T00:00:00Z'",
        "key": "k1", "available": null, "topic": "ORDERS_CREATE",
        "sub": {"uri": "http://127.0.0.1:1/", "format": "JSON"},
        "input": {"name": "available", "reason": "correction", "quantities": [bench.entry("MUG-1", 4, json!(4))]},
    });
    for name in [
        "SetAvailable",
        "Activate",
        "Track",
        "Locations",
        "VariantMap",
        "LevelsAtLocation",
        "ItemsNow",
        "OrderLines",
        "OrdersSince",
        "WebhookCreate",
        "WebhookList",
        "WebhookDelete",
        "Doctor",
    ] {
        let start = source
            .find(&format!(" {name}"))
            .map(|at| source.get(..at).unwrap().rfind('\n').unwrap_or(0));
        let rest = source.get(start.unwrap()..).unwrap();
        let document = rest.split("\n}\n").next().unwrap().to_owned() + "\n}\n";
        let answer = bench.send(&document, variables.clone());
        assert!(
            answer.get("errors").is_none() && answer["data"].is_object(),
            "{name}: {answer}"
        );
    }
}

/// The vendor's own verifier accepts these signatures.
#[test]
fn signatures_are_the_vendors() {
    let path = std::path::Path::new("../shared/fixtures/signatures/vectors.json");
    let Some(source) = crate::sandbox::shared_fixture(path) else {
        return;
    };
    let vectors: Value = serde_json::from_str(&source).unwrap();
    for one in vectors["shopify"].as_array().unwrap() {
        let text = |pointer: &str| one.pointer(pointer).and_then(Value::as_str).unwrap();
        let got = sign::hmac_base64(text("/secret").as_bytes(), text("/body").as_bytes());
        assert_eq!(got, text("/headers/x-shopify-hmac-sha256"));
    }
}
