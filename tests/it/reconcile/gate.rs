//! A gate in front of an emulated shop, which lets requests through until one of them is to be held.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::tcp::OwnedReadHalf;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::Notify;

/// The gate. Only requests that hold the word are counted.
pub(super) struct Gate {
    pub(super) address: SocketAddr,
    watch: Arc<Watch>,
}

struct Watch {
    word: &'static str,
    upstream: SocketAddr,
    seen: AtomicUsize,
    hold: AtomicUsize,
    held: Notify,
}

impl Gate {
    /// Opens it in front of `http://host:port`.
    pub(super) async fn open(base_url: &str, word: &'static str) -> Self {
        let upstream = base_url.trim_start_matches("http://").trim_end_matches('/');
        let watch = Arc::new(Watch {
            word,
            upstream: upstream.parse().unwrap(),
            seen: AtomicUsize::new(0),
            hold: AtomicUsize::new(0),
            held: Notify::new(),
        });
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let own = Arc::clone(&watch);
        tokio::spawn(async move {
            while let Ok((client, _)) = listener.accept().await {
                tokio::spawn(lead(client, Arc::clone(&own)));
            }
        });
        Self { address, watch }
    }

    /// The `n`th request from now on gets no answer.
    pub(super) fn hold(&self, n: usize) {
        let at = self.seen() + n;
        self.watch.hold.store(at, Ordering::SeqCst);
    }

    /// Waits for the request that is held.
    pub(super) async fn held(&self) {
        self.watch.held.notified().await;
    }

    /// Requests so far.
    pub(super) fn seen(&self) -> usize {
        self.watch.seen.load(Ordering::SeqCst)
    }
}

async fn lead(client: TcpStream, watch: Arc<Watch>) {
    let upstream = TcpStream::connect(watch.upstream).await.unwrap();
    let (mut from_shop, mut to_shop) = upstream.into_split();
    let (mut from_client, mut to_client) = client.into_split();
    tokio::spawn(async move { tokio::io::copy(&mut from_shop, &mut to_client).await });
    while let Some(asked) = request(&mut from_client).await {
        if String::from_utf8_lossy(&asked).contains(watch.word) {
            let n = watch.seen.fetch_add(1, Ordering::SeqCst) + 1;
            if n == watch.hold.load(Ordering::SeqCst) {
                watch.held.notify_one();
                return std::future::pending().await;
            }
        }
        if to_shop.write_all(&asked).await.is_err() {
            return;
        }
    }
}

/// One request with its body; `None` when there are no more.
async fn request(from: &mut OwnedReadHalf) -> Option<Vec<u8>> {
    let mut read = Vec::new();
    let head = loop {
        if let Some(at) = read.windows(4).position(|four| four == b"\r\n\r\n") {
            break at + 4;
        }
        read.push(from.read_u8().await.ok()?);
    };
    let text = String::from_utf8_lossy(&read).to_lowercase();
    let length = text
        .lines()
        .find_map(|line| line.strip_prefix("content-length:")?.trim().parse().ok())
        .unwrap_or(0);
    read.resize(head + length, 0);
    from.read_exact(read.get_mut(head..)?).await.ok()?;
    Some(read)
}
