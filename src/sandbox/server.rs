//! The shell around an emulated marketplace: an HTTP server on loopback, and the sender of its webhooks.
//!
//! All it adds is transport and waiting; what is answered and sent is decided by [`Marketplace`]. It listens
//! on loopback and delivers to loopback, and to nothing else.

use std::net::SocketAddr;
use std::ops::Deref;
use std::sync::Arc;
use std::time::Duration;

use axum::body::Body;
use bytes::Bytes;
use http::{Request, Response, StatusCode};
use hyper::body::Incoming;
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use hyper_util::server::graceful::GracefulShutdown;
use reqwest::Url;
use tokio::net::TcpListener;
use tokio::task::{JoinHandle, JoinSet};
use tokio_util::sync::CancellationToken;

use super::market::Marketplace;
use super::stage::{Answer, Delivery};

/// Largest request body, in bytes; a batch of 100 products is far below.
const BODY_MAX: usize = 4 * 1024 * 1024;
/// Deliveries in flight at once.
const SENDING_MAX: usize = 16;
/// The sender looks at its outbox at least this often, in milliseconds.
const LOOK_MS: i64 = 1_000;
/// How long open connections may take to finish when the server stops.
const GOODBYE: Duration = Duration::from_secs(2);

/// Why a sandbox could not start.
#[derive(Debug, thiserror::Error)]
pub enum SandboxError {
    /// The address is not on loopback.
    #[error(
        "listen on {0}: a sandbox has no real protection and listens on loopback only; hint: use 127.0.0.1"
    )]
    NotLoopback(SocketAddr),
    /// The address cannot be used.
    #[error("listen on {at}: {cause}")]
    Bind {
        /// The address.
        at: SocketAddr,
        /// What the system says.
        cause: std::io::Error,
    },
    /// The sender of webhooks could not be made.
    #[error("prepare the sender of webhooks: {0}")]
    Sender(String),
}

/// A marketplace with its server and its sender running.
///
/// Dropping it stops both at once; [`Running::stop`] lets open requests finish.
#[must_use = "dropping it stops the server"]
pub struct Running<E> {
    emulator: Arc<E>,
    stop: CancellationToken,
    tasks: Vec<JoinHandle<()>>,
}

impl<E> Running<E> {
    /// The marketplace, to share with tasks.
    pub fn emulator(&self) -> Arc<E> {
        Arc::clone(&self.emulator)
    }

    /// Stops listening and sending; deliveries not yet sent are forgotten.
    pub async fn stop(mut self) {
        self.stop.cancel();
        for task in std::mem::take(&mut self.tasks) {
            drop(task.await);
        }
    }
}

impl<E> Deref for Running<E> {
    type Target = E;

    fn deref(&self) -> &E {
        &self.emulator
    }
}

impl<E> Drop for Running<E> {
    fn drop(&mut self) {
        self.stop.cancel();
    }
}

/// Whether a URL is plain HTTP to this machine.
pub(crate) fn is_loopback(url: &str) -> bool {
    let Ok(url) = Url::parse(url) else {
        return false;
    };
    let host = url.host_str().unwrap_or_default().trim_matches(['[', ']']);
    let ip = host.parse::<std::net::IpAddr>();
    url.scheme() == "http" && (host == "localhost" || ip.is_ok_and(|ip| ip.is_loopback()))
}

/// Opens the socket; tells the address it got.
pub(crate) async fn bind(at: SocketAddr) -> Result<(TcpListener, String), SandboxError> {
    if !at.ip().is_loopback() {
        return Err(SandboxError::NotLoopback(at));
    }
    let failed = |cause| SandboxError::Bind { at, cause };
    let listener = TcpListener::bind(at).await.map_err(failed)?;
    let got = listener.local_addr().map_err(failed)?;
    Ok((listener, format!("http://{got}")))
}

/// Starts serving and sending.
pub(crate) fn run<E>(listener: TcpListener, emulator: E) -> Result<Running<E>, SandboxError>
where
    E: Marketplace + 'static,
{
    let client = client(emulator.delivery_timeout_s())?;
    let emulator = Arc::new(emulator);
    let stop = CancellationToken::new();
    let server = tokio::spawn(serve(listener, Arc::clone(&emulator), stop.clone()));
    let sender = tokio::spawn(send_all(client, Arc::clone(&emulator), stop.clone()));
    Ok(Running {
        emulator,
        stop,
        tasks: vec![server, sender],
    })
}

/// A client that follows no redirect and knows no root certificate: it only ever talks plain HTTP.
fn client(timeout_s: u64) -> Result<reqwest::Client, SandboxError> {
    let failed = |error: &dyn std::fmt::Display| SandboxError::Sender(error.to_string());
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let tls = rustls::ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .map_err(|error| failed(&error))?
        .with_root_certificates(rustls::RootCertStore::empty())
        .with_no_client_auth();
    reqwest::Client::builder()
        .tls_backend_preconfigured(tls)
        .redirect(reqwest::redirect::Policy::none())
        .no_proxy()
        .pool_max_idle_per_host(0)
        .timeout(Duration::from_secs(timeout_s))
        .connect_timeout(Duration::from_secs(1))
        .build()
        .map_err(|error| failed(&error))
}

async fn serve<E: Marketplace + 'static>(
    listener: TcpListener,
    emulator: Arc<E>,
    stop: CancellationToken,
) {
    let open = GracefulShutdown::new();
    loop {
        let accepted = tokio::select! {
            () = stop.cancelled() => break,
            accepted = listener.accept() => accepted,
        };
        let Ok((stream, _)) = accepted else {
            // Out of file descriptors, most likely: give the open connections a moment.
            tokio::time::sleep(Duration::from_millis(50)).await;
            continue;
        };
        let emulator = Arc::clone(&emulator);
        let service = service_fn(move |request| respond(Arc::clone(&emulator), request));
        let connection = hyper::server::conn::http1::Builder::new()
            .serve_connection(TokioIo::new(stream), service);
        let connection = open.watch(connection);
        tokio::spawn(async move {
            // A caller that hangs up, or an answer dropped on purpose: nothing to do about either.
            drop(connection.await);
        });
    }
    drop(listener);
    drop(tokio::time::timeout(GOODBYE, open.shutdown()).await);
}

/// An answer that never comes; the connection closes.
#[derive(Debug, thiserror::Error)]
#[error("answer dropped")]
struct Dropped;

async fn respond<E: Marketplace>(
    emulator: Arc<E>,
    request: Request<Incoming>,
) -> Result<Response<Body>, Dropped> {
    let (head, body) = request.into_parts();
    let Ok(body) = axum::body::to_bytes(Body::new(body), BODY_MAX).await else {
        let mut refused = Response::new(Body::empty());
        *refused.status_mut() = StatusCode::PAYLOAD_TOO_LARGE;
        return Ok(refused);
    };
    match emulator.answer(Request::from_parts(head, body)) {
        Answer::DroppedAfterEffect => Err(Dropped),
        Answer::Response { response, after_ms } => {
            if after_ms > 0 {
                tokio::time::sleep(Duration::from_millis(after_ms)).await;
            }
            Ok(response.map(Body::from))
        }
    }
}

async fn send_all<E: Marketplace + 'static>(
    client: reqwest::Client,
    emulator: Arc<E>,
    stop: CancellationToken,
) {
    let bell = emulator.bell();
    let mut sending = JoinSet::new();
    loop {
        for delivery in emulator.take_deliveries() {
            while sending.len() >= SENDING_MAX {
                sending.join_next().await;
            }
            sending.spawn(send(client.clone(), Arc::clone(&emulator), delivery));
        }
        let wait_ms = emulator
            .next_due_ms()
            .map_or(LOOK_MS, |due_ms| due_ms.saturating_sub(emulator.now_ms()));
        let wait_ms = wait_ms.clamp(1, LOOK_MS).unsigned_abs();
        tokio::select! {
            () = stop.cancelled() => break,
            () = bell.notified() => {}
            () = tokio::time::sleep(Duration::from_millis(wait_ms)) => {}
            Some(_) = sending.join_next() => {}
        }
    }
    sending.shutdown().await;
}

async fn send<E: Marketplace>(client: reqwest::Client, emulator: Arc<E>, delivery: Delivery) {
    let status = post(&client, &delivery).await;
    emulator.settle(&delivery, status);
}

/// Sends one delivery; the status, or none if no answer came.
async fn post(client: &reqwest::Client, delivery: &Delivery) -> Option<u16> {
    if !is_loopback(&delivery.url) {
        return None;
    }
    let mut request = client
        .post(&delivery.url)
        .body(Bytes::clone(&delivery.body));
    for (name, value) in &delivery.headers {
        request = request.header(name, value);
    }
    let answer = request.send().await.ok()?;
    Some(answer.status().as_u16())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_this_machine_counts_as_loopback() {
        for (url, want) in [
            ("http://127.0.0.1:8080/x", true),
            ("http://[::1]:8080/x", true),
            ("http://localhost/x", true),
            ("https://127.0.0.1/x", false),
            ("http://127.0.0.1.example.com/x", false),
            ("http://localhost.example.com/", false),
            ("http://127.0.0.1@example.com/", false),
            ("http://10.0.0.1/", false),
            ("nonsense", false),
        ] {
            assert_eq!(is_loopback(url), want, "{url}");
        }
    }

    #[tokio::test]
    async fn other_addresses_are_refused_before_the_socket_opens() {
        let refused = bind(SocketAddr::from(([0, 0, 0, 0], 0))).await;
        assert!(matches!(refused, Err(SandboxError::NotLoopback(_))));
    }
}
