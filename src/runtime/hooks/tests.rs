//! The public door, over raw sockets: what a stranger may send, and how long.

use std::fmt::Write as _;
use std::net::SocketAddr;
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, Ordering};

use tokio::io::AsyncWriteExt;
use tokio::net::TcpStream;
use tokio::sync::Notify;

use super::*;
use crate::runtime::testing::{hear, talk};

/// Remembers what it was given; `panics` panics, `waits` waits for the bell.
#[derive(Default)]
struct Desk {
    given: Mutex<Vec<String>>,
    down: AtomicBool,
    bell: Notify,
    /// Rings when somebody begins to wait for the bell.
    waits: Notify,
    /// Rings when something was given.
    came: Notify,
}

#[async_trait]
impl Intake for Desk {
    fn knows(&self, channel: &str) -> bool {
        ["shop", "panics", "waits", "odd shop"].contains(&channel)
    }

    async fn receive(
        &self,
        channel: &str,
        method: &Method,
        query: &str,
        headers: &HeaderMap,
        body: Bytes,
    ) -> Answer {
        assert!(channel != "panics", "planted: hush");
        if channel == "waits" {
            self.waits.notify_one();
            self.bell.notified().await;
        }
        let mut line = format!("{method} {channel} ?{query} ");
        if let Some(value) = headers.get("x-signature") {
            write!(line, "{value:?} ").unwrap();
        }
        line.push_str(&String::from_utf8_lossy(&body));
        self.given.lock().unwrap().push(line);
        self.came.notify_one();
        match query {
            "challenge" => Answer {
                body: Some(Bytes::from_static(b"{\"challengeResponse\":1}")),
                ..Answer::status(200)
            },
            "busy" => Answer {
                retry_after_s: Some(7),
                ..Answer::status(503)
            },
            "bad" => Answer::status(7),
            _ => Answer::status(200),
        }
    }

    async fn ready(&self) -> Result<(), String> {
        if self.down.load(Ordering::SeqCst) {
            return Err("hush: the disk is full".to_owned());
        }
        Ok(())
    }
}

struct Door {
    at: SocketAddr,
    desk: Arc<Desk>,
    stop: CancellationToken,
    server: tokio::task::JoinHandle<()>,
}

fn short() -> Limits {
    Limits {
        head: Duration::from_millis(100),
        body: Duration::from_millis(100),
        goodbye: Duration::from_millis(100),
        ..Limits::default()
    }
}

async fn open(limits: Limits) -> Door {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let at = listener.local_addr().unwrap();
    let desk = Arc::new(Desk::default());
    let stop = CancellationToken::new();
    let intake = Arc::<Desk>::clone(&desk);
    let server = tokio::spawn(serve(listener, intake, limits, stop.clone()));
    Door {
        at,
        desk,
        stop,
        server,
    }
}

impl Door {
    fn given(&self) -> Vec<String> {
        std::mem::take(&mut *self.desk.given.lock().unwrap())
    }

    /// What it was given, as soon as that is something.
    async fn given_soon(&self) -> Vec<String> {
        let came = async {
            loop {
                let given = self.given();
                if !given.is_empty() {
                    return given;
                }
                self.desk.came.notified().await;
            }
        };
        let given = tokio::time::timeout(Duration::from_secs(2), came).await;
        given.unwrap_or_default()
    }

    /// The status of the answer; `none` if the connection was closed without one.
    async fn status(&self, says: &str) -> String {
        let heard = talk(self.at, says.as_bytes()).await;
        assert!(!heard.contains("hush"), "{heard}");
        let status = heard
            .get("HTTP/1.1 ".len()..)
            .and_then(|rest| rest.get(..3));
        status.unwrap_or("none").to_owned()
    }
}

/// A request that asks to close, so that the answer is all there is to read.
fn closing(line: &str, headers: &str, body: &str) -> String {
    format!("{line} HTTP/1.1\r\nhost: x\r\nconnection: close\r\n{headers}\r\n{body}")
}

#[tokio::test]
async fn paths_and_methods_are_exact() {
    let door = open(Limits::default()).await;
    for (line, status) in [
        ("GET /healthz", "200"),
        ("HEAD /healthz", "200"),
        ("POST /healthz", "405"),
        ("GET /readyz", "200"),
        ("GET /hooks/shop", "200"),
        ("POST /hooks/shop", "200"),
        ("POST /hooks/odd%20shop", "200"),
        ("PUT /hooks/shop", "405"),
        ("DELETE /hooks/shop", "405"),
        ("HEAD /hooks/shop", "405"),
        ("OPTIONS /hooks/shop", "405"),
        ("POST /hooks/other", "404"),
        ("POST /hooks/", "404"),
        ("POST /hooks", "404"),
        ("POST /hooks/shop/", "404"),
        ("POST /hooks/shop/more", "404"),
        ("POST /hooks/shop%2Fmore", "404"),
        ("POST /hooks/%FF", "404"),
        ("POST /hooks/../healthz", "404"),
        ("GET /", "404"),
        ("GET /metrics", "404"),
        ("GET /api/status", "404"),
        ("GET /hush", "404"),
        ("BREW /hush", "404"),
        ("CONNECT shop.example:443", "404"),
        ("nonsense", "400"),
    ] {
        let says = closing(line, "content-length: 0\r\n", "");
        assert_eq!(door.status(&says).await, status, "{line}");
    }
    assert_eq!(door.given().len(), 3);
}

#[tokio::test]
async fn a_message_arrives_byte_for_byte() {
    let door = open(Limits::default()).await;
    let says = closing(
        "POST /hooks/shop?a=1&b=%20",
        "content-length: 4\r\nx-signature: s\r\n",
        " {\t}",
    );
    assert_eq!(door.status(&says).await, "200");
    let chunked = closing(
        "POST /hooks/shop",
        "transfer-encoding: chunked\r\n",
        "2\r\n{ \r\n1\r\n}\r\n0\r\n\r\n",
    );
    assert_eq!(door.status(&chunked).await, "200");
    assert_eq!(
        door.given(),
        ["POST shop ?a=1&b=%20 \"s\"  {\t}", "POST shop ? { }"]
    );
}

#[tokio::test]
async fn answers_are_passed_on() {
    let door = open(Limits::default()).await;
    let ask = |query: &str| closing(&format!("GET /hooks/shop?{query}"), "", "");
    let heard = talk(door.at, ask("challenge").as_bytes()).await;
    assert!(heard.starts_with("HTTP/1.1 200 "), "{heard}");
    assert!(heard.contains("content-type: application/json"), "{heard}");
    assert!(
        heard.ends_with("\r\n\r\n{\"challengeResponse\":1}"),
        "{heard}"
    );
    let heard = talk(door.at, ask("busy").as_bytes()).await;
    assert!(heard.starts_with("HTTP/1.1 503 "), "{heard}");
    assert!(heard.contains("retry-after: 7"), "{heard}");
    assert_eq!(door.status(&ask("bad")).await, "500");
}

#[tokio::test]
async fn coded_and_oversized_bodies_are_refused_unread() {
    let door = open(Limits::default()).await;
    let post = |headers: &str, body: &str| closing("POST /hooks/shop", headers, body);
    for (headers, status) in [
        ("content-encoding: gzip\r\n", "415"),
        ("content-encoding: br\r\n", "415"),
        ("content-encoding: identity, gzip\r\n", "415"),
        (
            "content-encoding: identity\r\ncontent-encoding: gzip\r\n",
            "415",
        ),
        ("content-encoding: Identity\r\n", "200"),
        ("content-encoding:\r\n", "200"),
    ] {
        let says = post(&format!("{headers}content-length: 4\r\n"), "hush");
        assert_eq!(door.status(&says).await, status, "{headers}");
    }
    door.given();
    let mib = 1_048_576;
    // The head is enough to refuse.
    for length in ["1048577", "3145728", "18446744073709551615"] {
        let says = post(&format!("content-length: {length}\r\n"), "");
        let status = door.status(&says).await;
        assert!(
            ["413", "431"].contains(&status.as_str()),
            "{length}: {status}"
        );
    }
    let big = "x".repeat(3 * mib);
    let says = post(&format!("content-length: {}\r\n", big.len()), &big);
    assert_eq!(door.status(&says).await, "413");
    let chunk = format!("{:x}\r\n{big}\r\n0\r\n\r\n", big.len());
    let says = post("transfer-encoding: chunked\r\n", &chunk);
    assert_eq!(door.status(&says).await, "413");
    assert!(door.given().is_empty());
    let fits = "x".repeat(mib);
    let says = post(&format!("content-length: {mib}\r\n"), &fits);
    assert_eq!(door.status(&says).await, "200");
}

#[tokio::test]
async fn what_two_servers_could_read_differently_ends_the_connection() {
    let door = open(Limits::default()).await;
    let smuggled = "GET /hooks/shop?smuggled HTTP/1.1\r\nhost: x\r\n\r\n";
    for (headers, body, status) in [
        (
            "content-length: 6\r\ntransfer-encoding: chunked",
            "0\r\n\r\n",
            "200",
        ),
        (
            "transfer-encoding: chunked\r\ncontent-length: 6",
            "0\r\n\r\n",
            "200",
        ),
        ("content-length: 1\r\ncontent-length: 2", "xx", "400"),
        ("content-length: 1, 2", "xx", "400"),
        ("content-length: +1", "x", "400"),
        ("content-length: -1", "x", "400"),
        ("transfer-encoding: chunked, gzip", "0\r\n\r\n", "400"),
        ("transfer-encoding: xchunked", "0\r\n\r\n", "400"),
        ("transfer-encoding: chunked", "zz\r\n\r\n", "400"),
        ("content-length : 1", "x", "400"),
    ] {
        let says =
            format!("POST /hooks/shop HTTP/1.1\r\nhost: x\r\n{headers}\r\n\r\n{body}{smuggled}");
        let heard = talk(door.at, says.as_bytes()).await;
        assert!(
            heard.starts_with(&format!("HTTP/1.1 {status} ")),
            "{headers}: {heard}"
        );
        assert!(!heard.contains("still open"), "{headers}: {heard}");
        assert_eq!(heard.matches("HTTP/1.1").count(), 1, "{headers}: {heard}");
    }
    assert!(!door.given().concat().contains("smuggled"));
}

#[tokio::test]
async fn slow_heads_are_closed() {
    let door = open(short()).await;
    for says in [
        "",
        "POST /hooks/shop HT",
        "POST /hooks/shop HTTP/1.1\r\nhost: x\r\n",
    ] {
        let heard = talk(door.at, says.as_bytes()).await;
        assert!(!heard.contains("still open"), "{says}: {heard}");
        assert!(!heard.contains("200"), "{says}: {heard}");
    }
    // A trickle does not start the time anew, and an unused connection has no more than a first one.
    let mut stream = TcpStream::connect(door.at).await.unwrap();
    let mut sent = 0;
    for part in closing("GET /healthz", &"x: y\r\n".repeat(20), "").as_bytes() {
        tokio::time::sleep(Duration::from_millis(5)).await;
        if stream.write_all(&[*part]).await.is_err() {
            break;
        }
        sent += 1;
    }
    assert!(sent < 100, "{sent} bytes were taken");
    let heard = talk(door.at, b"GET /healthz HTTP/1.1\r\nhost: x\r\n\r\n").await;
    assert!(heard.ends_with("ok\n"), "answered, then closed: {heard}");
}

#[tokio::test]
async fn slow_bodies_are_closed() {
    let door = open(short()).await;
    for (headers, body) in [
        ("content-length: 4\r\n", ""),
        ("content-length: 4\r\n", "{ "),
        ("transfer-encoding: chunked\r\n", "2\r\n{ "),
    ] {
        let says = format!("POST /hooks/shop HTTP/1.1\r\nhost: x\r\n{headers}\r\n{body}");
        let heard = talk(door.at, says.as_bytes()).await;
        assert!(heard.starts_with("HTTP/1.1 408 "), "{heard}");
        assert!(!heard.contains("still open"), "{heard}");
    }
    assert!(door.given().is_empty());
}

#[tokio::test]
async fn huge_heads_are_refused() {
    let door = open(Limits::default()).await;
    let long = format!("x: {}\r\n", "y".repeat(64 * 1024));
    let many = "x: y\r\n".repeat(200);
    for headers in [long, many] {
        let says = closing("GET /healthz", &headers, "");
        assert_eq!(door.status(&says).await, "431");
    }
    let path = format!("GET /{}", "y".repeat(64 * 1024));
    assert!(["414", "431"].contains(&door.status(&closing(&path, "", "")).await.as_str()));
}

#[tokio::test]
async fn a_panic_is_one_failed_request_without_a_word() {
    let door = open(Limits::default()).await;
    let heard = talk(door.at, closing("POST /hooks/panics", "", "").as_bytes()).await;
    assert!(heard.starts_with("HTTP/1.1 500 "), "{heard}");
    assert!(heard.ends_with("\r\n\r\n"), "{heard}");
    let next = closing("POST /hooks/shop", "", "");
    assert_eq!(door.status(&next).await, "200");
}

#[tokio::test]
async fn not_ready_says_no_reason() {
    let door = open(Limits::default()).await;
    door.desk.down.store(true, Ordering::SeqCst);
    let heard = talk(door.at, closing("GET /readyz", "", "").as_bytes()).await;
    assert!(heard.starts_with("HTTP/1.1 503 "), "{heard}");
    assert!(heard.contains("retry-after: 10"), "{heard}");
    assert!(!heard.contains("hush"), "{heard}");
    assert_eq!(door.status(&closing("GET /healthz", "", "")).await, "200");
}

#[tokio::test]
async fn more_connections_than_places_wait_their_turn() {
    let door = open(Limits {
        connections_max: 2,
        ..short()
    })
    .await;
    let mut idle = Vec::new();
    for _ in 0..4 {
        idle.push(TcpStream::connect(door.at).await.unwrap());
    }
    // All places are taken by callers that say nothing; when their time is up, others come in.
    let next = closing("GET /healthz", "", "");
    assert_eq!(door.status(&next).await, "200");
}

#[tokio::test]
async fn a_sender_that_hangs_up_does_not_undo_its_message() {
    let door = open(Limits::default()).await;
    let mut stream = TcpStream::connect(door.at).await.unwrap();
    let says = closing("POST /hooks/waits", "content-length: 2\r\n", "{}");
    stream.write_all(says.as_bytes()).await.unwrap();
    door.desk.waits.notified().await;
    drop(stream);
    // The door hears that nobody listens any more.
    for _ in 0..200 {
        tokio::task::yield_now().await;
    }
    door.desk.bell.notify_one();
    assert_eq!(door.given_soon().await, ["POST waits ? {}"]);
}

#[tokio::test]
async fn a_stop_finishes_what_is_open_and_takes_nothing_new() {
    let door = open(Limits::default()).await;
    let mut open = TcpStream::connect(door.at).await.unwrap();
    let says = "POST /hooks/waits HTTP/1.1\r\nhost: x\r\ncontent-length: 2\r\n\r\n{}";
    open.write_all(says.as_bytes()).await.unwrap();
    door.desk.waits.notified().await;
    door.stop.cancel();
    let refused = async {
        while TcpStream::connect(door.at).await.is_ok() {
            tokio::task::yield_now().await;
        }
    };
    let refused = tokio::time::timeout(Duration::from_secs(2), refused).await;
    assert!(refused.is_ok(), "new callers are refused");
    door.desk.bell.notify_one();
    let heard = hear(&mut open).await;
    assert!(heard.starts_with("HTTP/1.1 200 "), "{heard}");
    assert!(heard.contains("connection: close"), "{heard}");
    door.server.await.unwrap();
}

#[tokio::test]
async fn a_stop_does_not_wait_for_ever() {
    let door = open(short()).await;
    let mut open = TcpStream::connect(door.at).await.unwrap();
    let says = "POST /hooks/waits HTTP/1.1\r\nhost: x\r\ncontent-length: 2\r\n\r\n{}";
    open.write_all(says.as_bytes()).await.unwrap();
    door.desk.waits.notified().await;
    door.stop.cancel();
    let ended = tokio::time::timeout(Duration::from_secs(1), door.server).await;
    ended.unwrap().unwrap();
}

#[tokio::test]
async fn an_answer_that_takes_too_long_is_a_503_and_the_work_goes_on() {
    let door = open(Limits {
        answer: Duration::ZERO,
        ..short()
    })
    .await;
    let says = closing("POST /hooks/waits", "content-length: 2\r\n", "{}");
    assert_eq!(door.status(&says).await, "503");
    door.desk.bell.notify_one();
    assert_eq!(door.given_soon().await, ["POST waits ? {}"]);
}
