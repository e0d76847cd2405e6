use std::collections::BTreeSet;
use std::sync::atomic::{AtomicI64, Ordering};

use base64::Engine;
use serde_json::json;

use super::*;
use crate::sandbox::journal::Happening;

const NOW_MS: i64 = 1_795_577_785_000;

struct Bench {
    woo: WooCommerce,
    time: Arc<AtomicI64>,
}

impl Bench {
    fn new() -> Self {
        Self::with(|_| {})
    }

    fn with(change: impl FnOnce(&mut WooOptions)) -> Self {
        let time = Arc::new(AtomicI64::new(NOW_MS));
        let clock = Arc::clone(&time);
        let mut options = WooOptions {
            conduct: Conduct {
                clock: Arc::new(move || clock.load(Ordering::SeqCst)),
                delivery_least_ms: 0,
                delivery_most_ms: 0,
                ..Conduct::default()
            },
            basic_over_http: true,
            catalogue: vec![
                WooProduct::new("MUG-1", 40),
                WooProduct {
                    variations: vec![("TEE-S".to_owned(), Some(11)), ("TEE-M".to_owned(), None)],
                    ..WooProduct::new("TEE", 20)
                },
                WooProduct {
                    stock: None,
                    ..WooProduct::new("BOOK", 0)
                },
            ],
            ..WooOptions::default()
        };
        change(&mut options);
        let woo = WooCommerce::new(&options);
        Self { woo, time }
    }

    fn pass_ms(&self, ms: i64) {
        self.time.fetch_add(ms, Ordering::SeqCst);
    }

    fn basic(&self) -> String {
        let pair = format!("{}:{}", self.woo.consumer_key(), self.woo.consumer_secret());
        format!(
            "Basic {}",
            base64::engine::general_purpose::STANDARD.encode(pair)
        )
    }

    fn call(&self, method: &str, path: &str, body: &Value) -> Response<Bytes> {
        let body = if body.is_null() {
            String::new()
        } else {
            body.to_string()
        };
        let request = Request::builder()
            .method(method)
            .uri(format!("/wp-json/wc/v3/{path}"))
            .header("authorization", self.basic())
            .body(Bytes::from(body));
        self.woo.answer(request.unwrap()).into_response().unwrap()
    }

    fn json(&self, method: &str, path: &str, body: Value) -> (u16, Value) {
        let response = self.call(method, path, &body);
        (
            response.status().as_u16(),
            serde_json::from_slice(response.body()).unwrap(),
        )
    }

    fn id(&self, sku: &str) -> u64 {
        self.woo.item(sku).unwrap()
    }

    fn stock(&self, sku: &str) -> Option<i64> {
        self.woo.shown(Goods::Sku(sku))
    }

    fn hook(&self, topic: &str) -> u64 {
        let body = json!({"name": topic, "topic": topic, "delivery_url": "http://127.0.0.1:1/wc", "secret": "s"});
        let (status, hook) = self.json("POST", "webhooks", body);
        assert_eq!(status, 201);
        assert!(hook.get("secret").is_none());
        hook["id"].as_u64().unwrap()
    }

    /// Topics and bodies that are due, pings left out.
    fn sent(&self) -> Vec<(String, Value)> {
        let all = self.woo.take_deliveries();
        let all = all.into_iter().filter(|one| one.topic != "ping");
        all.map(|one| (one.topic, serde_json::from_slice(&one.body).unwrap()))
            .collect()
    }
}

#[test]
#[expect(clippy::too_many_lines, reason = "a table")]
fn troubles_have_the_recorded_status_and_code() {
    let bench = Bench::new();
    let (mug, tee, small) = (bench.id("MUG-1"), bench.id("TEE"), bench.id("TEE-S"));
    let many: Vec<_> = (0..101)
        .map(|_| json!({"id": mug, "stock_quantity": 1}))
        .collect();
    let hook = bench.hook("order.created");
    for (method, path, body, want, code) in [
        (
            "GET",
            "products/424242".to_owned(),
            Value::Null,
            404,
            "woocommerce_rest_product_invalid_id",
        ),
        (
            "GET",
            format!("products/{tee}/variations/1"),
            Value::Null,
            404,
            "woocommerce_rest_product_variation_invalid_id",
        ),
        (
            "GET",
            "orders/424242".to_owned(),
            Value::Null,
            404,
            "woocommerce_rest_shop_order_invalid_id",
        ),
        (
            "PUT",
            format!("products/{small}"),
            json!({"stock_quantity": 6}),
            404,
            "woocommerce_rest_invalid_product_id",
        ),
        (
            "PUT",
            format!("products/{mug}"),
            json!({"stock_quantity": 3.7}),
            400,
            "rest_invalid_param",
        ),
        (
            "GET",
            "products?per_page=101".to_owned(),
            Value::Null,
            400,
            "rest_invalid_param",
        ),
        (
            "POST",
            "products/batch".to_owned(),
            json!({"update": many}),
            413,
            "woocommerce_rest_request_entity_too_large",
        ),
        ("GET", "nope".to_owned(), Value::Null, 404, "rest_no_route"),
        (
            "POST",
            "webhooks".to_owned(),
            json!({"topic": "nope.updated", "delivery_url": "http://127.0.0.1/"}),
            400,
            "woocommerce_rest_shop_webhook_invalid_topic",
        ),
        (
            "POST",
            "webhooks".to_owned(),
            json!({"topic": "order.updated", "delivery_url": "x"}),
            400,
            "woocommerce_rest_shop_webhook_invalid_delivery_url",
        ),
        (
            "DELETE",
            format!("webhooks/{hook}"),
            Value::Null,
            501,
            "woocommerce_rest_trash_not_supported",
        ),
    ] {
        let (status, answer) = bench.json(method, &path, body);
        assert_eq!(
            (status, answer["code"].as_str()),
            (want, Some(code)),
            "{method} {path}: {answer}"
        );
        assert_eq!(answer["data"]["status"], json!(want));
    }
    assert_eq!(
        bench
            .json(
                "DELETE",
                &format!("webhooks/{hook}?force=true"),
                Value::Null
            )
            .0,
        200
    );
    assert_eq!(bench.stock("MUG-1"), Some(40));
}

#[test]
fn writes_to_those_who_do_not_count_are_ignored_with_200() {
    let bench = Bench::new();
    let (tee, medium, book) = (bench.id("TEE"), bench.id("TEE-M"), bench.id("BOOK"));
    let (status, answer) = bench.json(
        "PUT",
        &format!("products/{book}"),
        json!({"stock_quantity": 9}),
    );
    assert_eq!(
        (status, &answer["stock_quantity"], &answer["manage_stock"]),
        (200, &Value::Null, &json!(false))
    );
    let path = format!("products/{tee}/variations/{medium}");
    let (status, answer) = bench.json("PUT", &path, json!({"stock_quantity": 3}));
    assert_eq!(
        (status, &answer["stock_quantity"], &answer["manage_stock"]),
        (200, &json!(20), &json!("parent"))
    );
    let codes: Vec<_> = bench
        .woo
        .log()
        .into_iter()
        .filter_map(|one| match one.happening {
            Happening::WriteRefused { code, .. } => Some(code),
            _ => None,
        })
        .collect();
    assert_eq!(codes, ["ignored_unmanaged", "ignored_parent_managed"]);
    let (_, answer) = bench.json(
        "PUT",
        &path,
        json!({"stock_quantity": 3, "manage_stock": true}),
    );
    assert_eq!(
        (&answer["stock_quantity"], &answer["manage_stock"]),
        (&json!(3), &json!(true))
    );
    let (_, answer) = bench.json("PUT", &path, json!({"manage_stock": false}));
    assert_eq!(answer["manage_stock"], json!("parent"));
}

#[test]
fn batches_answer_item_by_item_and_turn_nonsense_into_zero() {
    let bench = Bench::new();
    let (mug, tee, small) = (bench.id("MUG-1"), bench.id("TEE"), bench.id("TEE-S"));
    let update = json!({"update": [{"id": mug, "stock_quantity": "x"}, {"id": 999_999, "stock_quantity": 5},
        {"id": small, "stock_quantity": 6}, {"stock_quantity": 1}]});
    let (status, answer) = bench.json("POST", "products/batch", update);
    let rows = answer["update"].as_array().unwrap();
    assert_eq!((status, rows.len()), (200, 4));
    assert_eq!(
        (&rows[0]["stock_quantity"], &rows[0]["stock_status"]),
        (&json!(0), &json!("outofstock"))
    );
    let error = json!({"code": "woocommerce_rest_product_invalid_id", "message": "Invalid ID.", "data": {"status": 400}});
    assert_eq!(rows[1], json!({"id": 999_999, "error": error}));
    assert_eq!(
        rows[2]["error"]["code"],
        "woocommerce_rest_invalid_product_id"
    );
    assert_eq!(rows[3]["id"], Value::Null);
    assert_eq!(
        (bench.stock("MUG-1"), bench.stock("TEE-S")),
        (Some(0), Some(11))
    );
    let update =
        json!({"update": [{"id": small, "stock_quantity": -2}, {"id": mug, "stock_quantity": 1}]});
    let (_, answer) = bench.json("POST", &format!("products/{tee}/variations/batch"), update);
    assert_eq!(answer["update"][0]["stock_quantity"], json!(-2));
    assert_eq!(
        answer["update"][1]["error"]["code"],
        "woocommerce_rest_product_variation_invalid_id"
    );
}

#[test]
fn skus_match_as_the_database_does_and_lists_page() {
    let bench = Bench::new();
    let skus = |path: &str| -> Vec<String> {
        let (_, answer) = bench.json("GET", path, Value::Null);
        answer
            .as_array()
            .unwrap()
            .iter()
            .map(|one| one["sku"].as_str().unwrap().to_owned())
            .collect()
    };
    assert_eq!(
        skus("products?sku=mug-1%20,TEE-S,NOPE&_fields=sku"),
        ["TEE-S", "MUG-1"]
    );
    assert_eq!(
        skus("products?order=asc&orderby=id"),
        ["MUG-1", "TEE", "BOOK"]
    );
    assert_eq!(skus("variations?order=asc"), ["TEE-S", "TEE-M"]);
    assert_eq!(
        skus(&format!("products?include={},x", bench.id("BOOK"))),
        ["BOOK"]
    );
    let page = |path: &str| {
        let response = bench.call("GET", path, &Value::Null);
        let text = |name: &str| response.headers()[name].to_str().unwrap().to_owned();
        (text("x-wp-total"), text("x-wp-totalpages"), text("link"))
    };
    let (total, pages, link) = page("products?per_page=2&page=1&order=asc");
    assert_eq!((total.as_str(), pages.as_str()), ("3", "2"));
    assert_eq!(
        link,
        "<http://127.0.0.1:9/wp-json/wc/v3/products?per_page=2&order=asc&page=2>; rel=\"next\""
    );
    let (_, _, link) = page("products?per_page=2&page=200");
    assert!(link.ends_with("page=2>; rel=\"prev\""), "{link}");
    assert_eq!(skus("products?per_page=2&page=200"), Vec::<String>::new());
}

#[test]
fn plain_credentials_count_only_when_told() {
    let path = "/wp-json/wc/v3/products";
    let closed = Bench::with(|options| options.basic_over_http = false);
    let open = Bench::new();
    let query = |bench: &Bench, secret: &str| {
        format!(
            "{path}?consumer_key={}&consumer_secret={secret}",
            bench.woo.consumer_key()
        )
    };
    let cannot = (401, Some("woocommerce_rest_cannot_view"));
    let wrong = (401, Some("woocommerce_rest_authentication_error"));
    for (bench, uri, header, want) in [
        (&closed, path.to_owned(), closed.basic(), cannot),
        (
            &closed,
            query(&closed, closed.woo.consumer_secret()),
            String::new(),
            cannot,
        ),
        (&open, path.to_owned(), String::new(), cannot),
        (&open, path.to_owned(), "Basic eDp5".to_owned(), cannot),
        (&open, query(&open, "cs_no"), String::new(), wrong),
        (
            &open,
            query(&open, open.woo.consumer_secret()),
            String::new(),
            (200, None),
        ),
        (&open, path.to_owned(), open.basic(), (200, None)),
    ] {
        let request = Request::get(&uri)
            .header("authorization", header)
            .body(Bytes::new())
            .unwrap();
        let response = bench.woo.answer(request).into_response().unwrap();
        let body: Value = serde_json::from_slice(response.body()).unwrap();
        assert_eq!(
            (response.status().as_u16(), body["code"].as_str()),
            want,
            "{uri}"
        );
    }
    let reader = Bench::with(|options| options.read_only = true);
    assert_eq!(reader.json("GET", "products", Value::Null).0, 200);
    assert_eq!(
        reader
            .json("PUT", "products/10", json!({"stock_quantity": 1}))
            .0,
        401
    );
}

#[test]
#[expect(clippy::too_many_lines, reason = "a table")]
fn oauth_is_checked_in_every_part() {
    let bench = Bench::with(|options| options.basic_over_http = false);
    let call = |at_s: i64, nonce: &str, method: &str, secret: &str, spoil: bool| {
        let mut query: Vec<(String, String)> = [
            ("sku", "A B,c&d"),
            ("oauth_consumer_key", bench.woo.consumer_key()),
            ("oauth_timestamp", &at_s.to_string()),
            ("oauth_nonce", nonce),
            ("oauth_signature_method", method),
        ]
        .map(|(name, value)| (name.to_owned(), value.to_owned()))
        .into();
        let url = format!("{}/wp-json/wc/v3/products", bench.woo.base_url());
        query.push((
            "oauth_signature".to_owned(),
            auth::signature("GET", &url, &query, secret),
        ));
        if spoil {
            query[0].1 = "other".to_owned();
        }
        let text: Vec<_> = query
            .iter()
            .map(|(name, value)| format!("{name}={}", sign::encode(value)))
            .collect();
        let request =
            Request::get(format!("/wp-json/wc/v3/products?{}", text.join("&"))).body(Bytes::new());
        let response = bench.woo.answer(request.unwrap()).into_response().unwrap();
        let body: Value = serde_json::from_slice(response.body()).unwrap();
        body["message"].as_str().unwrap_or("ok").to_owned()
    };
    let now_s = NOW_MS / 1_000;
    let secret = bench.woo.consumer_secret();
    let good = "HMAC-SHA256";
    for (at_s, nonce, method, secret, spoil, want) in [
        (now_s, "a", good, secret, false, "ok"),
        (
            now_s,
            "a",
            good,
            secret,
            false,
            "Invalid nonce - nonce has already been used.",
        ),
        (now_s - 901, "b", good, secret, false, "Invalid timestamp."),
        (
            now_s,
            "c",
            "PLAINTEXT",
            secret,
            false,
            "Invalid signature - signature method is invalid.",
        ),
        (
            now_s,
            "d",
            good,
            "cs_no",
            false,
            "Invalid signature - provided signature does not match.",
        ),
        (
            now_s,
            "e",
            good,
            secret,
            true,
            "Invalid signature - provided signature does not match.",
        ),
        (now_s + 900, "f", good, secret, false, "ok"),
    ] {
        assert_eq!(call(at_s, nonce, method, secret, spoil), want, "{nonce}");
    }
}

/// The base string of RFC 5849, section 3.4.1.1, in the reduced form without a token.
#[test]
fn the_oauth_base_string_escapes_twice() {
    let query = [
        ("b5".to_owned(), "=%3D".to_owned()),
        ("a".to_owned(), "r b".to_owned()),
    ];
    let base = "GET&http%3A%2F%2Fx%2Fp&a%3Dr%2520b%26b5%3D%253D%25253D";
    let want = sign::hmac_base64(b"s&", base.as_bytes());
    assert_eq!(auth::signature("GET", "http://x/p", &query, "s"), want);
}

#[test]
#[expect(clippy::too_many_lines, reason = "one life, step by step")]
fn one_order_sends_created_updated_and_products_and_lines_tell_what_they_hold() {
    let bench = Bench::new();
    for topic in ["order.created", "order.updated", "product.updated"] {
        bench.hook(topic);
    }
    let pings = bench.woo.take_deliveries();
    assert!(
        pings
            .iter()
            .all(|one| one.topic == "ping" && one.headers.len() == 3)
    );
    assert_eq!(pings[0].body, "webhook_id=1");
    let sold = bench
        .woo
        .order(&[
            (Goods::Sku("MUG-1"), 3),
            (Goods::Sku("TEE-M"), 2),
            (Goods::Sku("BOOK"), 1),
        ])
        .unwrap();
    assert_eq!(
        (
            bench.stock("MUG-1"),
            bench.stock("TEE-M"),
            bench.stock("TEE")
        ),
        (Some(37), Some(18), Some(18))
    );
    let sent = bench.sent();
    let mut topics: Vec<_> = sent.iter().map(|one| one.0.as_str()).collect();
    topics.sort_unstable();
    assert_eq!(
        topics,
        [
            "order.created",
            "order.updated",
            "product.updated",
            "product.updated"
        ]
    );
    let held = |order: &Value| -> Vec<Option<String>> {
        let reduced = |line: &Value| {
            let metas = line["meta_data"].as_array().unwrap();
            let meta = metas.iter().find(|meta| meta["key"] == "_reduced_stock")?;
            meta["value"].as_str().map(str::to_owned)
        };
        order["line_items"]
            .as_array()
            .unwrap()
            .iter()
            .map(reduced)
            .collect()
    };
    let get = || {
        bench
            .json("GET", &format!("orders/{}", sold[0].order), Value::Null)
            .1
    };
    let some = |text: &str| Some(text.to_owned());
    assert_eq!(held(&get()), [some("3"), some("2"), None]);
    bench
        .woo
        .refund(sold[0].order, sold[0].line, 1, true)
        .unwrap();
    assert_eq!(held(&get()), [some("2"), some("2"), None]);
    assert_eq!(bench.stock("MUG-1"), Some(38));
    bench
        .woo
        .refund(sold[0].order, sold[0].line, 1, false)
        .unwrap();
    assert_eq!(held(&get()), [some("2"), some("2"), None]);
    bench.woo.cancel(sold[0].order).unwrap();
    assert_eq!(held(&get()), [None, None, None]);
    assert_eq!(
        (bench.stock("MUG-1"), bench.stock("TEE")),
        (Some(40), Some(20))
    );
    assert!(bench.woo.cancel(sold[0].order).is_err());
}

#[test]
fn unpaid_orders_hold_nothing_until_they_are_paid() {
    let bench = Bench::new();
    let sold = bench
        .woo
        .order_unpaid(&[(Goods::Sku("MUG-1"), 1)], false)
        .unwrap();
    assert_eq!(bench.stock("MUG-1"), Some(40));
    for (status, want) in [
        ("on-hold", 39),
        ("processing", 39),
        ("pending", 40),
        ("completed", 39),
        ("failed", 40),
    ] {
        bench.woo.set_status(sold[0].order, status).unwrap();
        assert_eq!(bench.stock("MUG-1"), Some(want), "{status}");
    }
    assert!(bench.woo.set_status(sold[0].order, "nonsense").is_err());
}

#[test]
fn variations_that_lean_on_one_parent_cannot_be_sold_twice_in_one_order() {
    let bench = Bench::new();
    let refused = bench
        .woo
        .order(&[(Goods::Sku("TEE-M"), 12), (Goods::Sku("TEE"), 12)]);
    assert!(matches!(
        refused,
        Err(CounterError::NotEnough { shown: 20, .. })
    ));
    assert_eq!(bench.stock("TEE"), Some(20));
}

#[test]
fn bodies_are_written_when_they_leave_and_equal_ones_are_merged() {
    let bench = Bench::with(|options| options.conduct.delivery_least_ms = 1_000);
    for topic in ["order.created", "order.deleted", "product.updated"] {
        bench.hook(topic);
    }
    bench.woo.take_deliveries();
    let one = bench.woo.buy(Goods::Sku("MUG-1"), 1).unwrap();
    let two = bench.woo.buy(Goods::Sku("MUG-1"), 1).unwrap();
    let three = bench.woo.buy(Goods::Sku("TEE-S"), 1).unwrap();
    bench.woo.cancel(one.order).unwrap();
    bench.woo.force_delete(two.order).unwrap();
    bench.woo.trash(three.order).unwrap();
    assert!(bench.sent().is_empty(), "nothing is due yet");
    bench.pass_ms(1_000);
    let sent = bench.sent();
    let of = |topic: &str| -> Vec<&Value> {
        sent.iter()
            .filter(|one| one.0 == topic)
            .map(|one| &one.1)
            .collect()
    };
    assert_eq!(of("order.created")[0]["status"], "cancelled");
    let gone = json!({"code": "woocommerce_rest_shop_order_invalid_id", "message": "Invalid ID.", "data": {"status": 404}});
    assert_eq!(of("order.created")[1], &gone);
    assert_eq!(of("order.deleted"), [&json!({"id": three.order})]);
    let stocks: Vec<_> = of("product.updated")
        .iter()
        .map(|one| one["stock_quantity"].clone())
        .collect();
    assert_eq!(
        stocks,
        [json!(39), json!(10)],
        "two sales and a cancel of one product make one message"
    );
}

#[test]
fn delivery_ids_of_one_second_collide_and_our_own_write_echoes() {
    let bench = Bench::new();
    bench.hook("product.updated");
    bench.woo.take_deliveries();
    for (sku, n) in [("MUG-1", 7), ("TEE", 8)] {
        bench.json(
            "PUT",
            &format!("products/{}", bench.id(sku)),
            json!({"stock_quantity": n}),
        );
    }
    let sent = bench.woo.take_deliveries();
    assert_eq!(
        (sent.len(), &sent[0].delivery_id),
        (2, &sent[1].delivery_id)
    );
    let signature = &sent[0]
        .headers
        .iter()
        .find(|(name, _)| name == "X-WC-Webhook-Signature")
        .unwrap()
        .1;
    assert_eq!(*signature, sign::hmac_base64(b"s", &sent[0].body));
    assert!(
        sent[0].body.windows(3).any(|part| part == b":\\/"),
        "slashes are escaped as PHP does"
    );
}

#[test]
fn the_seventh_failure_in_a_row_disables_and_reviving_forgives_nothing() {
    let bench = Bench::new();
    let hook = bench.hook("product.updated");
    bench.woo.take_deliveries();
    let status = || {
        bench
            .json("GET", &format!("webhooks/{hook}"), Value::Null)
            .1["status"]
            .as_str()
            .unwrap()
            .to_owned()
    };
    let fail = |answer: Option<u16>| {
        bench.woo.edit_stock(Goods::Sku("MUG-1"), 1).unwrap();
        for delivery in bench.woo.take_deliveries() {
            bench.woo.settle(&delivery, answer);
        }
        status()
    };
    for n in 1..=6 {
        assert_eq!(fail(Some(500)), "active", "{n}");
    }
    assert_eq!(fail(Some(302)), "active", "a redirect counts as success");
    for _ in 1..=6 {
        fail(None);
    }
    assert_eq!(fail(None), "disabled");
    assert!(bench.woo.next_due_ms().is_none(), "no retry");
    bench.json(
        "PUT",
        &format!("webhooks/{hook}"),
        json!({"status": "active"}),
    );
    assert_eq!(fail(Some(500)), "disabled");
}

#[test]
fn orders_are_found_by_modification_in_utc_and_in_site_time() {
    let bench = Bench::new();
    let first = bench.woo.buy(Goods::Sku("MUG-1"), 1).unwrap().order;
    bench.pass_ms(60_000);
    let second = bench.woo.buy(Goods::Sku("MUG-1"), 1).unwrap().order;
    bench.pass_ms(60_000);
    bench.woo.fulfil(first).unwrap();
    let ids = |query: &str| -> Vec<u64> {
        let (_, answer) = bench.json(
            "GET",
            &format!("orders?orderby=modified&order=asc&{query}"),
            Value::Null,
        );
        answer
            .as_array()
            .unwrap()
            .iter()
            .map(|one| one["id"].as_u64().unwrap())
            .collect()
    };
    let start = Shop::gmt(NOW_MS + 30_000);
    let later = Shop::gmt(NOW_MS + 60_000);
    assert_eq!(
        ids(&format!("modified_after={start}&dates_are_gmt=true")),
        [second, first]
    );
    assert_eq!(
        ids(&format!("modified_after={later}&dates_are_gmt=true")),
        [first],
        "the bound itself is left out"
    );
    assert_eq!(
        ids(&format!("modified_after={later}")),
        [second, first],
        "site time is two hours ahead"
    );
    assert_eq!(
        bench
            .json("GET", "orders?modified_after=yesterday", Value::Null)
            .0,
        400
    );
}

fn keys(value: &Value) -> BTreeSet<String> {
    value.as_object().unwrap().keys().cloned().collect()
}

/// Every answer has exactly the fields of the recorded one.
#[test]
fn shapes_are_the_recorded_ones() {
    let bench = Bench::new();
    let sold = bench.woo.buy(Goods::Sku("MUG-1"), 3).unwrap();
    bench.woo.refund(sold.order, sold.line, 1, true).unwrap();
    let (mug, tee, small) = (bench.id("MUG-1"), bench.id("TEE"), bench.id("TEE-S"));
    bench.hook("order.created");
    for (file, path, inner) in [
        ("product-simple-get", format!("products/{mug}"), ""),
        (
            "variation-get",
            format!("products/{tee}/variations/{small}"),
            "",
        ),
        (
            "order-get-after-refund",
            format!("orders/{}", sold.order),
            "",
        ),
        (
            "order-get-after-refund",
            format!("orders/{}", sold.order),
            "/line_items/0",
        ),
        (
            "order-get-after-refund",
            format!("orders/{}", sold.order),
            "/line_items/0/meta_data/0",
        ),
        (
            "order-get-after-refund",
            format!("orders/{}", sold.order),
            "/refunds/0",
        ),
        (
            "order-get-after-refund",
            format!("orders/{}", sold.order),
            "/billing",
        ),
        ("webhook-create", "webhooks/1".to_owned(), ""),
    ] {
        let name = format!("../shared/fixtures/woocommerce/rest/{file}.json");
        let Some(source) = crate::sandbox::shared_fixture(std::path::Path::new(&name)) else {
            return;
        };
        let want: Value = serde_json::from_str(&source).unwrap();
        let want = want["response"]["body"].pointer(inner).unwrap().clone();
        let (_, got) = bench.json("GET", &path, Value::Null);
        let got = got.pointer(inner).unwrap();
        assert_eq!(keys(got), keys(&want), "{file}{inner}");
        let kind = |value: &Value| match value {
            Value::Null => "null",
            Value::Bool(_) => "bool",
            Value::Number(_) => "number",
            Value::String(_) => "string",
            Value::Array(_) => "array",
            Value::Object(_) => "object",
        };
        for key in keys(&want) {
            let nullable = want[&key].is_null() || got[&key].is_null();
            assert!(
                nullable || kind(&got[&key]) == kind(&want[&key]),
                "{file}{inner}: {key}"
            );
        }
    }
}
