//! Signed WooCommerce orders over keep-alive connections, and the plainest server that could answer them.

use std::io::{Error, ErrorKind, Result};
use std::net::SocketAddr;
use std::time::{Duration, Instant};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use hmac::{Hmac, KeyInit as _, Mac as _};
use sha2::Sha256;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;

/// Size of a body, in bytes.
const BODY_BYTES: usize = 735;
/// The secret that signs; of this bench only.
pub(crate) const SECRET: &str = "bench-secret-bench-secret-bench-secret-0";
/// The channel that the orders are of.
pub(crate) const CHANNEL: &str = "in";
/// The first order; smaller numbers are left to the warm-up.
pub(crate) const FIRST_ORDER: u64 = 1_000_000;
/// The first product of the channel that sells.
pub(crate) const FIRST_PRODUCT: usize = 10_000;

/// One SKU of the pool.
pub(crate) fn sku(n: usize) -> String {
    format!("BENCH-{n:06}")
}

/// A request with an order of one unit of one SKU, signed.
pub(crate) fn order(id: u64, n: usize, date: &str) -> Vec<u8> {
    let (sku, product) = (sku(n), FIRST_PRODUCT + n);
    let mut body = format!(
        r#"{{"id":{id},"status":"processing","currency":"EUR","date_created_gmt":"{date}","date_modified_gmt":"{date}","date_paid_gmt":"{date}","total":"19.90","line_items":[{{"id":{id},"name":"Mug","product_id":{product},"variation_id":0,"quantity":1,"sku":"{sku}","total":"19.90","meta_data":[{{"id":1,"key":"_reduced_stock","value":"1"}}]}}],"billing":{{"first_name":""#
    );
    let filler = BODY_BYTES.saturating_sub(body.len() + 3);
    body.push_str(&"x".repeat(filler));
    body.push_str("\"}}");
    let mut mac = Hmac::<Sha256>::new_from_slice(SECRET.as_bytes()).unwrap();
    mac.update(body.as_bytes());
    let signature = STANDARD.encode(mac.finalize().into_bytes());
    format!(
        "POST /hooks/{CHANNEL} HTTP/1.1\r\nhost: 127.0.0.1\r\ncontent-type: application/json\r\n\
         x-wc-webhook-topic: order.created\r\nx-wc-webhook-delivery-id: {id:032x}\r\n\
         x-wc-webhook-signature: {signature}\r\ncontent-length: {}\r\n\r\n{body}",
        body.len()
    )
    .into_bytes()
}

/// The second in which this run's orders are placed.
pub(crate) fn today() -> String {
    chrono::Utc::now().format("%Y-%m-%dT%H:%M:%S").to_string()
}

/// One keep-alive connection.
pub(crate) struct Connection {
    stream: TcpStream,
    buffer: Vec<u8>,
}

impl Connection {
    pub(crate) async fn open(address: SocketAddr) -> Result<Self> {
        let stream = TcpStream::connect(address).await?;
        stream.set_nodelay(true)?;
        let buffer = Vec::with_capacity(4096);
        Ok(Self { stream, buffer })
    }

    /// Sends a request and reads its answer; the status.
    pub(crate) async fn ask(&mut self, request: &[u8]) -> Result<u16> {
        self.stream.write_all(request).await?;
        self.buffer.clear();
        let head = loop {
            if self.stream.read_buf(&mut self.buffer).await? == 0 {
                return Err(ErrorKind::UnexpectedEof.into());
            }
            if let Some(end) = self.buffer.windows(4).position(|w| w == b"\r\n\r\n") {
                break end + 4;
            }
        };
        let text = String::from_utf8_lossy(&self.buffer[..head]).to_ascii_lowercase();
        let status = text.split(' ').nth(1).and_then(|word| word.parse().ok());
        let status = status.ok_or_else(|| Error::other("no status"))?;
        let length = text
            .lines()
            .find_map(|line| line.strip_prefix("content-length:")?.trim().parse().ok())
            .unwrap_or(0_usize);
        while self.buffer.len() < head + length {
            if self.stream.read_buf(&mut self.buffer).await? == 0 {
                return Err(ErrorKind::UnexpectedEof.into());
            }
        }
        Ok(status)
    }
}

/// Waits until an order is accepted; how long that took from `since`. It is of order 1, SKU 0.
pub(crate) async fn first_accepted(address: SocketAddr, since: Instant) -> Duration {
    let request = order(1, 0, &today());
    loop {
        assert!(
            since.elapsed() < Duration::from_mins(2),
            "nothing accepts at {address}"
        );
        if let Ok(mut connection) = Connection::open(address).await
            && let Ok(200) = connection.ask(&request).await
        {
            return since.elapsed();
        }
        tokio::time::sleep(Duration::from_millis(1)).await;
    }
}

/// Value at a share of sorted times, in ms.
pub(crate) fn at(sorted: &[Duration], share: f64) -> f64 {
    if sorted.is_empty() {
        return f64::NAN;
    }
    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        clippy::cast_precision_loss,
        reason = "a place in a list of at most some million"
    )]
    let place = ((sorted.len() - 1) as f64 * share).round() as usize;
    sorted[place].as_secs_f64() * 1000.0
}

/// Answers 200 to everything, after reading the body: the most that a server of this kind can do here.
pub(crate) fn serve_bare(port: u16) {
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(2)
        .enable_all()
        .build()
        .unwrap();
    runtime.block_on(async {
        let app = axum::Router::new()
            .fallback(|body: axum::body::Bytes| async move { drop(std::hint::black_box(body)) });
        let listener = tokio::net::TcpListener::bind(("127.0.0.1", port))
            .await
            .unwrap();
        axum::serve(listener, app).await.unwrap();
    });
}
