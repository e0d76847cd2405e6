//! The operator's door: who is let in, and what is shown.

use std::net::SocketAddr;

use metrics_exporter_prometheus::PrometheusBuilder;

use super::*;
use crate::runtime::testing::talk;

fn headers(list: &[(&'static str, &str)]) -> HeaderMap {
    let mut map = HeaderMap::new();
    for (name, value) in list {
        map.append(*name, value.parse().unwrap());
    }
    map
}

#[test]
fn loopback_answers_to_its_own_names_only() {
    for (list, good) in [
        (vec![("host", "localhost:9090")], true),
        (vec![("host", "LOCALHOST")], true),
        (vec![("host", "127.0.0.1:9090")], true),
        (vec![("host", "[::1]:9090")], true),
        (vec![("host", "[::1]")], true),
        (vec![], false),
        (vec![("host", "")], false),
        (vec![("host", "evil.example")], false),
        (vec![("host", "localhost.evil.example")], false),
        (vec![("host", "127.0.0.1.evil.example:9090")], false),
        (vec![("host", "localhost:evil")], false),
        (vec![("host", "localhost:9090@evil.example")], false),
        (vec![("host", "192.168.0.7:9090")], false),
        (vec![("host", "localhost"), ("host", "evil.example")], false),
        (
            vec![("host", "localhost"), ("origin", "http://localhost:9090")],
            true,
        ),
        (
            vec![("host", "localhost"), ("origin", "https://evil.example")],
            false,
        ),
        (vec![("host", "localhost"), ("origin", "null")], false),
    ] {
        let found = refusal(&headers(&list), true, None);
        let wanted = (!good).then_some(StatusCode::FORBIDDEN);
        assert_eq!(found, wanted, "{list:?}");
    }
}

#[test]
fn elsewhere_only_the_token_counts() {
    let token = SecretString::from("hush".to_owned());
    for (list, good) in [
        (vec![("authorization", "Bearer hush")], true),
        (vec![("authorization", "bearer hush")], true),
        (vec![], false),
        (vec![("authorization", "Bearer hus")], false),
        (vec![("authorization", "Bearer hushh")], false),
        (vec![("authorization", "Bearer ")], false),
        (vec![("authorization", "Bearer")], false),
        (vec![("authorization", "Basic hush")], false),
        (vec![("authorization", "hush")], false),
        (vec![("host", "localhost")], false),
    ] {
        let found = refusal(&headers(&list), false, Some(&token));
        let wanted = (!good).then_some(StatusCode::UNAUTHORIZED);
        assert_eq!(found, wanted, "{list:?}");
    }
    let empty = SecretString::from(String::new());
    let list = headers(&[("authorization", "Bearer ")]);
    assert!(refusal(&list, false, Some(&empty)).is_some());
}

fn admin(token: Option<&str>) -> Admin {
    let status: StatusProvider = Arc::new(|| {
        Box::pin(async { serde_json::json!({"schema": "onhand.status/1", "sku": "<img>"}) })
    });
    Admin {
        metrics: PrometheusBuilder::new().build_recorder().handle(),
        status,
        token: token.map(|text| text.to_owned().into()),
    }
}

async fn open(token: Option<&str>) -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let at = listener.local_addr().unwrap();
    let stop = CancellationToken::new();
    tokio::spawn(serve(listener, admin(token), Limits::default(), stop));
    at
}

async fn ask(at: SocketAddr, line: &str, host: &str) -> String {
    let says = format!("{line} HTTP/1.1\r\nhost: {host}\r\nconnection: close\r\n\r\n");
    talk(at, says.as_bytes()).await
}

#[tokio::test]
async fn each_page_is_there_and_nothing_else() {
    let at = open(None).await;
    for (line, status, kind) in [
        ("GET /", "200", "text/html"),
        ("GET /live.js", "200", "text/javascript"),
        ("GET /live.css", "200", "text/css"),
        ("GET /metrics", "200", "text/plain; version=0.0.4"),
        ("GET /api/status", "200", "application/json"),
        ("HEAD /", "200", "text/html"),
        ("POST /", "405", ""),
        ("POST /api/status", "405", ""),
        ("GET /api/hush", "404", ""),
        ("GET /hooks/shop", "404", ""),
    ] {
        let heard = ask(at, line, "localhost").await;
        let start = format!("HTTP/1.1 {status} ");
        assert!(heard.starts_with(&start), "{line}: {heard}");
        assert!(heard.contains(kind), "{line}: {heard}");
        assert!(!heard.contains("hush"), "{line}: {heard}");
        if status == "200" {
            assert!(heard.contains("content-security-policy: "), "{line}");
            assert!(heard.contains("nosniff"), "{line}");
        }
        assert!(!heard.contains("access-control"), "{line}");
    }
    let heard = ask(at, "GET /api/status", "localhost").await;
    assert!(heard.ends_with(r#"{"schema":"onhand.status/1","sku":"<img>"}"#));
}

#[tokio::test]
async fn wrong_names_and_missing_tokens_see_nothing() {
    let at = open(None).await;
    let heard = ask(at, "GET /api/status", "evil.example").await;
    assert!(heard.starts_with("HTTP/1.1 403 "), "{heard}");
    assert!(!heard.contains("onhand.status"), "{heard}");
    let at = open(Some("hush")).await;
    let heard = ask(at, "GET /metrics", "localhost").await;
    assert!(heard.starts_with("HTTP/1.1 401 "), "{heard}");
    assert!(heard.contains("www-authenticate: Bearer"), "{heard}");
}

#[tokio::test]
async fn an_open_address_without_a_token_is_refused() {
    for token in [None, Some("")] {
        let listener = TcpListener::bind("0.0.0.0:0").await.unwrap();
        let stop = CancellationToken::new();
        let found = serve(listener, admin(token), Limits::default(), stop).await;
        assert!(matches!(found, Err(AdminError::NoToken(_))));
    }
}

#[test]
fn the_page_puts_data_in_as_text_only() {
    let script = include_str!("../live.js");
    for word in [
        "innerHTML",
        "outerHTML",
        "insertAdjacent",
        "document.write",
        "eval(",
    ] {
        assert!(!script.contains(word), "{word}");
    }
    let page = include_str!("../live.html");
    assert!(!page.contains("<script>") && !page.contains("style="));
}
