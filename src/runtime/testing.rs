//! What the tests of this room share.

use std::net::SocketAddr;
use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use crate::channels::Profile;

/// A platform that allows a lot.
pub(super) fn profile() -> Profile {
    Profile {
        platform: "test",
        compare_and_set: false,
        batch_max: 100,
        calls_at_once: 100,
        calls_per_second: 1_000.0,
        burst: 1_000,
        settling_ms: 0,
        orders_visible_after_ms: 0,
        delivery_id_unique: true,
        forged_status: 401,
        clock_skew_ms: 0,
        call_timeout_ms: 5_000,
    }
}

/// Writes to a socket and reads what comes until it is closed; what was read so far if that takes more than two seconds.
pub(super) async fn talk(at: SocketAddr, says: &[u8]) -> String {
    let mut stream = TcpStream::connect(at).await.unwrap();
    // A server that has heard enough closes while we still write.
    drop(stream.write_all(says).await);
    hear(&mut stream).await
}

/// Reads until the socket is closed; adds `(still open)` if that takes more than two seconds.
pub(super) async fn hear(stream: &mut TcpStream) -> String {
    let mut heard = Vec::new();
    let all = async {
        let mut part = [0; 4_096];
        while let Ok(n) = stream.read(&mut part).await
            && n > 0
        {
            heard.extend_from_slice(part.get(..n).unwrap());
        }
    };
    let closed = tokio::time::timeout(Duration::from_secs(2), all).await;
    let mut text = String::from_utf8_lossy(&heard).into_owned();
    if closed.is_err() {
        text.push_str("(still open)");
    }
    text
}
