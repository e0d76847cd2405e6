use std::sync::Arc;
use std::time::Duration;

use serde_json::{Value, json};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};

use super::*;

/// Sends one request on its own connection; the whole answer, empty if the server hung up.
async fn call(base_url: &str, head: &str, body: &str) -> String {
    let address = base_url.strip_prefix("http://").unwrap();
    let mut stream = TcpStream::connect(address).await.unwrap();
    let request = format!(
        "{head}\r\nHost: {address}\r\nConnection: close\r\nContent-Length: {}\r\n\r\n{body}",
        body.len()
    );
    stream.write_all(request.as_bytes()).await.unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).await.unwrap();
    answer
}

/// Takes one webhook request and answers 200.
async fn receive(listener: &TcpListener) -> String {
    let (mut stream, _) = listener.accept().await.unwrap();
    let mut text = String::new();
    let mut buffer = [0; 4096];
    loop {
        let n = stream.read(&mut buffer).await.unwrap();
        text.push_str(std::str::from_utf8(&buffer[..n]).unwrap());
        let Some((head, body)) = text.split_once("\r\n\r\n") else {
            continue;
        };
        let length = head.lines().find_map(|line| {
            line.to_lowercase()
                .strip_prefix("content-length: ")?
                .parse()
                .ok()
        });
        if body.len() >= length.unwrap_or(0) {
            break;
        }
    }
    stream
        .write_all(b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\nConnection: close\r\n\r\n")
        .await
        .unwrap();
    text
}

async fn in_time<T>(work: impl Future<Output = T>) -> T {
    tokio::time::timeout(Duration::from_secs(20), work)
        .await
        .unwrap()
}

#[tokio::test]
async fn a_sale_on_a_running_shopify_reaches_the_receiver_signed() {
    let receiver = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}/in", receiver.local_addr().unwrap());
    let options = ShopifyOptions {
        catalogue: vec![ShopifyVariant::new("MUG-1", 2)],
        ..ShopifyOptions::default()
    };
    let shopify = Market::start_shopify(&options).await.unwrap();
    let query = format!(
        "mutation {{ webhookSubscriptionCreate(topic: ORDERS_CREATE, webhookSubscription: {{uri: \"{url}\"}}) \
         {{ userErrors {{ field message }} }} }}"
    );
    let head = format!(
        "POST /admin/api/2026-07/graphql.json HTTP/1.1\r\nX-Shopify-Access-Token: {}",
        shopify.token()
    );
    let answer = in_time(call(
        shopify.base_url(),
        &head,
        &json!({"query": query}).to_string(),
    ))
    .await;
    assert!(
        answer.starts_with("HTTP/1.1 200") && answer.contains("\"userErrors\":[]"),
        "{answer}"
    );
    shopify.buy(Goods::Sku("MUG-1"), 2).unwrap();
    let got = in_time(receive(&receiver)).await;
    let (head, body) = got.split_once("\r\n\r\n").unwrap();
    let head = head.to_lowercase();
    let signature = sign::hmac_base64(shopify.client_secret().as_bytes(), body.as_bytes());
    assert!(head.contains("x-shopify-topic: orders/create"), "{head}");
    assert!(
        head.contains(&format!(
            "x-shopify-hmac-sha256: {}",
            signature.to_lowercase()
        )),
        "{head}"
    );
    let order: Value = serde_json::from_str(body).unwrap();
    assert_eq!(order["line_items"][0]["quantity"], 2);
    in_time(shopify.stop()).await;
}

#[tokio::test]
async fn a_running_woocommerce_pings_first_and_then_tells_of_the_sale() {
    let receiver = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}/wc", receiver.local_addr().unwrap());
    let options = WooOptions {
        catalogue: vec![WooProduct::new("MUG-1", 2)],
        basic_over_http: true,
        ..WooOptions::default()
    };
    let woo = Market::start_woocommerce(&options).await.unwrap();
    let head = format!(
        "POST /wp-json/wc/v3/webhooks?consumer_key={}&consumer_secret={} HTTP/1.1",
        woo.consumer_key(),
        woo.consumer_secret()
    );
    let body =
        json!({"topic": "order.created", "delivery_url": url, "secret": woo.webhook_secret()});
    let answer = in_time(call(woo.base_url(), &head, &body.to_string())).await;
    assert!(answer.starts_with("HTTP/1.1 201"), "{answer}");
    let ping = in_time(receive(&receiver)).await;
    assert!(ping.ends_with("\r\n\r\nwebhook_id=1"), "{ping}");
    let sold = woo.buy(Goods::Sku("MUG-1"), 1).unwrap();
    let got = in_time(receive(&receiver)).await;
    let (head, body) = got.split_once("\r\n\r\n").unwrap();
    let signature = sign::hmac_base64(woo.webhook_secret().as_bytes(), body.as_bytes());
    assert!(head.contains(&signature), "{head}");
    assert!(body.contains(&format!("\"id\":{},", sold.order)));
    in_time(woo.stop()).await;
}

#[tokio::test]
async fn a_lost_answer_has_its_effect_and_closes_the_connection() {
    let conduct = Conduct {
        faults: Faults {
            lost_answer: 1.0,
            ..Faults::default()
        },
        ..Conduct::default()
    };
    let catalogue = vec![WooProduct::new("MUG-1", 2)];
    let options = WooOptions {
        conduct,
        catalogue,
        basic_over_http: true,
        ..WooOptions::default()
    };
    let woo = Market::start_woocommerce(&options).await.unwrap();
    let head = format!(
        "PUT /wp-json/wc/v3/products/{}?consumer_key={}&consumer_secret={} HTTP/1.1",
        woo.item("MUG-1").unwrap(),
        woo.consumer_key(),
        woo.consumer_secret()
    );
    let answer = in_time(call(woo.base_url(), &head, "{\"stock_quantity\": 7}")).await;
    assert_eq!(answer, "");
    assert_eq!(woo.shown(Goods::Sku("MUG-1")), Some(7));
    assert_eq!(woo.fault_counts().get(&Fault::LostAnswer), Some(&1));
    in_time(woo.stop()).await;
}

/// A few days of a rough sea, driven without sockets; the log is all that happened.
fn voyage(seed: u64) -> (Vec<Entry>, FaultCounts) {
    let time = Arc::new(std::sync::atomic::AtomicI64::new(1_795_000_000_000));
    let clock = Arc::clone(&time);
    let conduct = Conduct {
        clock: Arc::new(move || clock.load(std::sync::atomic::Ordering::SeqCst)),
        seed,
        faults: Faults::rough(),
        ..Conduct::default()
    };
    let options = WooOptions {
        conduct,
        catalogue: vec![WooProduct::new("MUG-1", 50)],
        basic_over_http: true,
        ..WooOptions::default()
    };
    let woo = WooCommerce::new(&options);
    let pass = format!(
        "consumer_key={}&consumer_secret={}",
        woo.consumer_key(),
        woo.consumer_secret()
    );
    let body =
        json!({"topic": "order.created", "delivery_url": "http://127.0.0.1:1/", "secret": "s"});
    for _ in 0..200 {
        let uri = format!("/wp-json/wc/v3/webhooks?{pass}");
        let request = http::Request::post(uri)
            .body(bytes::Bytes::from(body.to_string()))
            .unwrap();
        drop(woo.answer(request));
        drop(woo.buy(Goods::Sku("MUG-1"), 1));
        time.fetch_add(1_000, std::sync::atomic::Ordering::SeqCst);
        for delivery in woo.take_deliveries() {
            woo.settle(&delivery, Some(200));
        }
    }
    (woo.log(), woo.fault_counts())
}

#[test]
fn the_same_seed_makes_the_same_voyage() {
    let (log, counts) = voyage(11);
    assert_eq!(voyage(11), (log.clone(), counts.clone()));
    assert_ne!(voyage(12).0, log);
    assert!(counts.len() >= 8, "{counts:?}");
    assert!(
        log.iter()
            .enumerate()
            .all(|(at, one)| one.sequence == at as u64 + 1)
    );
    let sold = log
        .iter()
        .filter(|one| matches!(one.happening, Happening::Sale { .. }))
        .count();
    let refused = log
        .iter()
        .filter(|one| matches!(one.happening, Happening::SaleRefused { .. }))
        .count();
    assert_eq!((sold, refused), (50, 150));
}
