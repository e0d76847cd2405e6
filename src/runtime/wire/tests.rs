//! The wire against a server on loopback that answers as told.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::sync::Mutex;
use std::sync::atomic::AtomicUsize;

use axum::body::Body;
use axum::extract::State;
use axum::response::Response;
use http::Method;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpListener;

use super::client::base;
use super::*;
use crate::channels::{
    Cursor, Finding, Level, Listing, Page, Profile, Quota, Receipt, SubscriptionReport, Token,
    Update, Verdict, Webhook, Which,
};
use crate::domain::ids::OrderId;
use crate::domain::order::OrderSnapshot;
use crate::runtime::testing::profile;

const NOON: i64 = 1_795_000_000_000;

#[derive(Debug)]
struct Noon;

impl Clock for Noon {
    fn now(&self) -> Timestamp {
        Timestamp::from_millis(NOON)
    }
}

/// A channel whose tokens are `t1`, `t2`, … and live as long as told.
#[derive(Debug)]
struct Fake {
    profile: Profile,
    base: String,
    refreshes: AtomicUsize,
    lives_ms: Option<i64>,
    refuses: bool,
}

#[async_trait]
impl Channel for Fake {
    fn profile(&self) -> &Profile {
        &self.profile
    }
    async fn receive(&self, _: &dyn Wire, _: &Webhook<'_>, _: Timestamp) -> Result<Receipt, Fault> {
        unreachable!()
    }
    async fn order(&self, _: &dyn Wire, _: &OrderId) -> Result<OrderSnapshot, Fault> {
        unreachable!()
    }
    async fn orders_since(
        &self,
        _: &dyn Wire,
        _: Timestamp,
        _: Option<Cursor>,
    ) -> Result<Page<OrderSnapshot>, Fault> {
        unreachable!()
    }
    async fn publish(&self, _: &dyn Wire, _: &[Update]) -> Vec<Result<Verdict, Fault>> {
        unreachable!()
    }
    async fn collect(&self, _: &dyn Wire, _: &[String]) -> Vec<Result<Verdict, Fault>> {
        unreachable!()
    }
    async fn levels(&self, _: &dyn Wire, _: Which<'_>) -> Result<Page<Level>, Fault> {
        unreachable!()
    }
    async fn listings(&self, _: &dyn Wire, _: Option<Cursor>) -> Result<Page<Listing>, Fault> {
        unreachable!()
    }
    async fn subscriptions(&self, _: &dyn Wire, _: bool) -> Result<SubscriptionReport, Fault> {
        unreachable!()
    }
    async fn check(&self, _: &dyn Wire) -> Result<Vec<Finding>, Fault> {
        unreachable!()
    }
    async fn refresh(&self, wire: &dyn Wire, _: Option<&Token>) -> Result<Token, Fault> {
        let n = self.refreshes.fetch_add(1, Ordering::SeqCst) + 1;
        let url = format!("{}/token?secret=hush", self.base);
        let reply = wire
            .send(request(Method::POST, url, TokenPlace::Nowhere))
            .await?;
        if self.refuses {
            return Err(Fault::Unauthorized(format!("status {}", reply.status)));
        }
        Ok(token(&format!("t{n}"), self.lives_ms))
    }
    fn quota(&self, reply: &Reply) -> Option<Quota> {
        let left = reply.headers.get("x-left")?.to_str().ok()?.parse().ok()?;
        Some(Quota {
            left,
            per_second: 1.0,
        })
    }
}

fn token(text: &str, lives_ms: Option<i64>) -> Token {
    Token {
        access: text.to_owned().into(),
        expires_at: lives_ms.map(|ms| Timestamp::from_millis(NOON + ms)),
        refresh: None,
    }
}

/// Remembers rows and tokens; can be told that its disk is full.
#[derive(Default)]
struct Books {
    rows: Mutex<Vec<CallRow>>,
    kept: Mutex<Option<Token>>,
    log: Mutex<Vec<String>>,
    full: AtomicBool,
}

impl AuditSink for Books {
    fn record(&self, row: CallRow) {
        let line = format!("{} {}", row.method, row.path);
        self.log.lock().unwrap().push(line);
        self.rows.lock().unwrap().push(row);
    }
}

#[async_trait]
impl TokenStore for Books {
    async fn load(&self, _: &ChannelId) -> Result<Option<Token>, String> {
        Ok(self.kept.lock().unwrap().clone())
    }
    async fn save(&self, _: &ChannelId, token: &Token) -> Result<(), String> {
        if self.full.load(Ordering::SeqCst) {
            return Err("the disk is full".to_owned());
        }
        let line = format!("saved {}", token.access.expose_secret());
        self.log.lock().unwrap().push(line);
        *self.kept.lock().unwrap() = Some(token.clone());
        Ok(())
    }
}

/// What the server does: counts calls by path, and lets in the tokens it is told.
#[derive(Default)]
struct Shop {
    calls: Mutex<BTreeMap<String, usize>>,
    lets_in: Mutex<Vec<String>>,
}

fn answer(status: u16, headers: &[(&str, &str)], body: impl Into<Body>) -> Response {
    let mut builder = Response::builder().status(status);
    for (name, value) in headers {
        builder = builder.header(*name, *value);
    }
    builder.body(body.into()).unwrap()
}

async fn shop(State(shop): State<Arc<Shop>>, request: axum::extract::Request) -> Response {
    let path = request.uri().path().to_owned();
    *shop.calls.lock().unwrap().entry(path.clone()).or_default() += 1;
    let token = request.headers().get("x-token").cloned();
    match path.as_str() {
        "/302" => answer(302, &[("location", "http://127.0.0.1:1/x?s=hush")], ""),
        "/429" => answer(429, &[], ""),
        "/429s" => answer(429, &[("retry-after", "2.0")], ""),
        "/429d" => answer(429, &[("retry-after", "Fri, 01 Jan 2100 00:00:00 GMT")], ""),
        "/500" => answer(500, &[], "buyer Ann"),
        "/503" => answer(503, &[("retry-after", "3")], ""),
        "/422" => answer(422, &[], "no"),
        "/401" => answer(401, &[], r#"{"code":"shop_says_no"}"#),
        "/big" => answer(200, &[], vec![b'x'; BODY_MAX + 1]),
        "/fits" => answer(200, &[], vec![b'x'; BODY_MAX]),
        "/quota" => answer(200, &[("x-left", "-4")], ""),
        "/token" => answer(200, &[], ""),
        "/slow" => {
            tokio::time::sleep(Duration::from_mins(1)).await;
            answer(200, &[], "")
        }
        _ => {
            let token = token.as_ref().and_then(|t| t.to_str().ok());
            let good = shop.lets_in.lock().unwrap();
            if token.is_some_and(|t| good.iter().any(|g| g == t)) {
                answer(200, &[], "in")
            } else {
                answer(401, &[], r#"{"code":"bad_token"}"#)
            }
        }
    }
}

struct Bench {
    base: String,
    shop: Arc<Shop>,
    books: Arc<Books>,
    fake: Arc<Fake>,
    limiter: Arc<Limiter>,
    wire: HttpWire,
}

#[derive(Default)]
struct Told {
    at: Option<SocketAddr>,
    lets_in: &'static [&'static str],
    lives_ms: Option<i64>,
    refuses: bool,
    timeout_ms: Option<u64>,
}

async fn bench(told: Told) -> Bench {
    let server = Arc::new(Shop::default());
    *server.lets_in.lock().unwrap() = told.lets_in.iter().map(|t| (*t).to_owned()).collect();
    let at = if let Some(at) = told.at {
        at
    } else {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let at = listener.local_addr().unwrap();
        let app = axum::Router::new()
            .fallback(shop)
            .with_state(Arc::clone(&server));
        tokio::spawn(async move { axum::serve(listener, app).await });
        at
    };
    let base = format!("http://{at}");
    let mut profile = profile();
    profile.call_timeout_ms = told.timeout_ms.unwrap_or(profile.call_timeout_ms);
    let limiter = Arc::new(Limiter::new(&profile));
    let fake = Arc::new(Fake {
        profile,
        base: base.clone(),
        refreshes: AtomicUsize::new(0),
        lives_ms: told.lives_ms,
        refuses: told.refuses,
    });
    let books = Arc::new(Books::default());
    let wire = HttpWire::open(WireParts {
        id: ChannelId::new("shop").unwrap(),
        base_url: base.clone(),
        channel: Arc::<Fake>::clone(&fake),
        tokens: Arc::<Books>::clone(&books),
        audit: Arc::<Books>::clone(&books),
        limiter: Arc::clone(&limiter),
        clock: Arc::new(Noon),
    })
    .unwrap();
    Bench {
        base,
        shop: server,
        books,
        fake,
        limiter,
        wire,
    }
}

fn request(method: Method, url: String, token: TokenPlace) -> Request {
    Request {
        method,
        url,
        headers: vec![("authorization", "Basic hush".to_owned())],
        body: Bytes::from_static(b"hush"),
        token,
        purpose: "test",
    }
}

impl Bench {
    async fn send(&self, method: Method, path: &str, token: TokenPlace) -> Result<Reply, Fault> {
        let url = format!("{}{path}", self.base);
        self.wire.send(request(method, url, token)).await
    }

    async fn fault(&self, method: Method, path: &str) -> String {
        let found = self.send(method, path, TokenPlace::Nowhere).await;
        format!("{:?}", found.unwrap_err())
    }

    fn refreshes(&self) -> usize {
        self.fake.refreshes.load(Ordering::SeqCst)
    }

    /// So many calls at once; how they ended.
    async fn crowd(&self, n: usize) -> BTreeMap<String, usize> {
        let mut tasks = tokio::task::JoinSet::new();
        for _ in 0..n {
            let wire = self.wire.clone();
            let url = format!("{}/door", self.base);
            tasks.spawn(async move {
                let request = request(Method::GET, url, TokenPlace::Header("x-token"));
                match wire.send(request).await {
                    Ok(reply) => reply.status.to_string(),
                    Err(fault) => format!("{fault:?}"),
                }
            });
        }
        let mut ends = BTreeMap::new();
        for end in tasks.join_all().await {
            *ends.entry(end).or_default() += 1;
        }
        ends
    }
}

const AT_DOOR: TokenPlace = TokenPlace::Header("x-token");

#[tokio::test]
async fn each_answer_has_its_class() {
    let bench = bench(Told::default()).await;
    for (method, path, wanted) in [
        (
            Method::GET,
            "/302",
            "Rejected(\"the platform answered 302 to http://127.0.0.1:1 and",
        ),
        (Method::GET, "/429", "Throttled { after_ms: None }"),
        (Method::GET, "/429s", "Throttled { after_ms: Some(2000) }"),
        (
            Method::GET,
            "/429d",
            "Throttled { after_ms: Some(3600000) }",
        ),
        (
            Method::GET,
            "/500",
            "Transient(\"the platform answered 500\")",
        ),
        (
            Method::POST,
            "/500",
            "Unknown(\"the platform answered 500\")",
        ),
        (Method::POST, "/503", "Throttled { after_ms: Some(3000) }"),
        (Method::GET, "/401", "Unauthorized(\"401 shop_says_no\")"),
        (Method::GET, "/big", "Rejected(\"the answer 200 is larger"),
        (Method::PUT, "/big", "Unknown(\"the answer 200 is larger"),
    ] {
        let found = bench.fault(method.clone(), path).await;
        assert!(found.starts_with(wanted), "{method} {path}: {found}");
        assert!(!found.contains("hush"), "{found}");
    }
    for (path, status, size) in [("/422", 422, 2), ("/fits", 200, BODY_MAX)] {
        let reply = bench.send(Method::GET, path, TokenPlace::Nowhere).await;
        let reply = reply.unwrap();
        assert_eq!((reply.status, reply.body.len()), (status, size));
    }
    assert_eq!(bench.refreshes(), 0, "a signed call has no token to renew");
    assert!(bench.limiter.closed_for() > Duration::from_mins(50));
}

#[tokio::test]
async fn what_is_left_reaches_the_limiter() {
    let bench = bench(Told::default()).await;
    let reply = bench.send(Method::GET, "/quota", TokenPlace::Nowhere).await;
    assert_eq!(reply.unwrap().status, 200);
    assert!(bench.limiter.closed_for() > Duration::from_secs(4));
    // Whoever writes the call down can tell the next process.
    let rows = bench.books.rows.lock().unwrap();
    let row = rows.last().unwrap();
    let closed = row.closed_until.map(|until| until.since(row.at));
    assert!(closed.is_some_and(|ms| ms > 4_000), "{closed:?}");
}

#[tokio::test]
async fn other_hosts_are_refused_before_anything_leaves() {
    let bench = bench(Told::default()).await;
    let port = bench.base.rsplit(':').next().unwrap().to_owned();
    for url in [
        "http://127.0.0.1:1/x".to_owned(),
        format!("https://127.0.0.1:{port}/x"),
        format!("http://localhost:{port}/x"),
        format!("http://127.0.0.1:{port}@evil.example/x"),
        format!("http://ann:hush@127.0.0.1:{port}/x"),
        "http://169.254.169.254/latest".to_owned(),
        "/relative".to_owned(),
        "file:///etc/passwd".to_owned(),
    ] {
        let found = bench
            .wire
            .send(request(Method::GET, url.clone(), AT_DOOR))
            .await;
        assert!(matches!(found, Err(Fault::Rejected(_))), "{url}: {found:?}");
        assert!(!format!("{found:?}").contains("hush"), "{found:?}");
    }
    assert!(bench.shop.calls.lock().unwrap().is_empty());
    assert_eq!(bench.refreshes(), 0);
}

#[test]
fn only_https_and_this_machine_are_addresses() {
    let id = ChannelId::new("shop").unwrap();
    for (url, good) in [
        ("https://shop.example", true),
        ("http://127.0.0.1:8080", true),
        ("http://[::1]:8080", true),
        ("http://localhost:1", true),
        ("http://shop.example", false),
        ("http://127.0.0.1.shop.example", false),
        ("http://127.0.0.1@shop.example", false),
        ("ftp://127.0.0.1", false),
        ("shop.example", false),
    ] {
        assert_eq!(base(&id, url).is_ok(), good, "{url}");
    }
}

#[test]
fn a_client_with_tls_needs_nothing_but_certificates() {
    let url = Url::parse("https://shop.example").unwrap();
    if let Err(why) = client(&url, Duration::from_secs(1)) {
        assert!(why.to_lowercase().contains("certificate"), "{why}");
    }
}

#[tokio::test]
async fn one_refresh_serves_all_who_start_without_a_token() {
    let bench = bench(Told {
        lets_in: &["t1"],
        ..Told::default()
    })
    .await;
    assert_eq!(bench.crowd(100).await, [("200".to_owned(), 100)].into());
    assert_eq!(bench.refreshes(), 1);
    let log = bench.books.log.lock().unwrap().clone();
    let saved = log.iter().position(|line| line == "saved t1").unwrap();
    let used = log.iter().position(|line| line == "GET /door").unwrap();
    assert!(saved < used, "durable before it is used");
}

#[tokio::test]
async fn one_refresh_serves_all_who_were_refused() {
    let bench = bench(Told {
        lets_in: &["t1"],
        ..Told::default()
    })
    .await;
    *bench.books.kept.lock().unwrap() = Some(token("old", None));
    assert_eq!(bench.crowd(100).await, [("200".to_owned(), 100)].into());
    assert_eq!(bench.refreshes(), 1);
}

#[tokio::test]
async fn a_shop_that_refuses_always_is_asked_for_one_token() {
    let bench = bench(Told::default()).await;
    *bench.books.kept.lock().unwrap() = Some(token("old", None));
    let ends = bench.crowd(100).await;
    let wanted = "Unauthorized(\"401 bad_token\")".to_owned();
    assert_eq!(ends, [(wanted, 100)].into());
    assert_eq!(bench.refreshes(), 1);
    let calls = bench.shop.calls.lock().unwrap().clone();
    assert!(calls.get("/door").is_some_and(|n| *n <= 200), "{calls:?}");
}

#[tokio::test]
async fn a_failed_refresh_is_shared_by_those_who_wait() {
    let bench = bench(Told {
        refuses: true,
        ..Told::default()
    })
    .await;
    let ends = bench.crowd(50).await;
    assert_eq!(
        ends,
        [("Unauthorized(\"status 200\")".to_owned(), 50)].into()
    );
    assert_eq!(bench.refreshes(), 1);
}

#[tokio::test]
async fn a_token_that_ends_soon_is_renewed_first() {
    for (lives_ms, renewed) in [(599_000, 1), (601_000, 0), (-1, 1)] {
        let bench = bench(Told {
            lets_in: &["old", "t1"],
            ..Told::default()
        })
        .await;
        *bench.books.kept.lock().unwrap() = Some(token("old", Some(lives_ms)));
        bench.send(Method::GET, "/door", AT_DOOR).await.unwrap();
        bench.send(Method::GET, "/door", AT_DOOR).await.unwrap();
        assert_eq!(bench.refreshes(), renewed, "{lives_ms}");
    }
    // Tokens that never live longer are not renewed for each call.
    let bench = bench(Told {
        lets_in: &["t1"],
        lives_ms: Some(300_000),
        ..Told::default()
    })
    .await;
    assert_eq!(bench.crowd(20).await, [("200".to_owned(), 20)].into());
    assert_eq!(bench.refreshes(), 1);
}

#[tokio::test]
async fn a_token_that_cannot_be_kept_is_not_used_and_not_lost() {
    let bench = bench(Told {
        lets_in: &["t1"],
        ..Told::default()
    })
    .await;
    bench.books.full.store(true, Ordering::SeqCst);
    let found = bench.send(Method::GET, "/door", AT_DOOR).await;
    assert!(
        matches!(&found, Err(Fault::Transient(why)) if why.contains("the disk is full")),
        "{found:?}"
    );
    assert!(!bench.shop.calls.lock().unwrap().contains_key("/door"));
    bench.books.full.store(false, Ordering::SeqCst);
    bench.send(Method::GET, "/door", AT_DOOR).await.unwrap();
    assert_eq!(bench.refreshes(), 1, "the same token, kept at last");
}

#[tokio::test]
async fn a_token_that_another_process_renewed_is_taken_over() {
    let bench = bench(Told {
        lets_in: &["old"],
        ..Told::default()
    })
    .await;
    *bench.books.kept.lock().unwrap() = Some(token("old", None));
    bench.send(Method::GET, "/door", AT_DOOR).await.unwrap();
    *bench.shop.lets_in.lock().unwrap() = vec!["theirs".to_owned()];
    *bench.books.kept.lock().unwrap() = Some(token("theirs", None));
    bench.send(Method::GET, "/door", AT_DOOR).await.unwrap();
    assert_eq!(bench.refreshes(), 0);
}

#[tokio::test]
async fn lost_answers_and_missing_connections_differ() {
    let bench = bench(Told {
        timeout_ms: Some(100),
        ..Told::default()
    })
    .await;
    let found = bench.fault(Method::POST, "/slow").await;
    assert!(
        found.starts_with("Unknown(\"no whole answer within 100 ms"),
        "{found}"
    );

    let free = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let at = free.local_addr().unwrap();
    drop(free);
    let nobody = self::bench(Told {
        at: Some(at),
        ..Told::default()
    })
    .await;
    let found = nobody.fault(Method::POST, "/x").await;
    assert!(found.starts_with("Transient(\"no connection"), "{found}");
    assert!(found.to_lowercase().contains("refused"), "{found}");
}

/// Reads a request, writes that, and hangs up.
async fn hangs_up(says: &'static [u8]) -> Bench {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let at = listener.local_addr().unwrap();
    tokio::spawn(async move {
        while let Ok((mut stream, _)) = listener.accept().await {
            let mut head = [0; 4_096];
            assert!(stream.read(&mut head).await.unwrap() > 0);
            stream.write_all(says).await.unwrap();
        }
    });
    bench(Told {
        at: Some(at),
        ..Told::default()
    })
    .await
}

#[tokio::test]
async fn a_connection_dropped_after_the_request_is_a_lost_answer() {
    for says in [
        &b""[..],
        b"HTTP/1.1 200 OK\r\ncontent-length: 9\r\n\r\nhalf",
        b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n4\r\nhalf",
        b"not HTTP at all\r\n\r\n",
    ] {
        let bench = hangs_up(says).await;
        let found = bench.fault(Method::POST, "/x").await;
        assert!(found.starts_with("Unknown("), "{found}");
        assert!(!found.contains("hush"), "{found}");
    }
}

#[tokio::test]
async fn rows_hold_the_path_and_nothing_secret() {
    let bench = bench(Told {
        lets_in: &["t1"],
        ..Told::default()
    })
    .await;
    bench
        .send(Method::GET, "/door?key=hush", AT_DOOR)
        .await
        .unwrap();
    bench.fault(Method::POST, "/500?key=hush").await;
    let rows = bench.books.rows.lock().unwrap().clone();
    let found: Vec<_> = rows
        .iter()
        .map(|row| (row.path.as_str(), row.status, row.outcome, row.bytes))
        .collect();
    assert_eq!(
        found,
        [
            ("/token", Some(200), "reply", 0),
            ("/door", Some(200), "reply", 2),
            ("/500", Some(500), "unknown", 9),
        ]
    );
    assert!(!format!("{rows:?}").contains("hush"));
}

#[tokio::test]
async fn a_call_that_nobody_waits_for_leaves_a_row() {
    let bench = bench(Told::default()).await;
    let call = bench.send(Method::POST, "/slow", TokenPlace::Nowhere);
    drop(tokio::time::timeout(Duration::from_millis(50), call).await);
    let rows = bench.books.rows.lock().unwrap();
    assert!(rows.iter().any(|row| row.outcome == "dropped"));
}

#[tokio::test]
async fn a_permit_pays_for_one_call() {
    let bench = bench(Told::default()).await;
    let paced = bench.wire.under(bench.limiter.permit().await);
    let url = format!("{}/422", bench.base);
    let call = || paced.send(request(Method::GET, url.clone(), TokenPlace::Nowhere));
    call().await.unwrap();
    bench.limiter.throttled(Some(60_000));
    let second = tokio::time::timeout(Duration::from_millis(50), call()).await;
    assert!(second.is_err(), "it waits at the gate");
}
