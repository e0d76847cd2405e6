//! The HTTP shell around both listeners: it takes connections, holds each to its limits, and stops when told.
//!
//! Strangers reach it, so every wait has an end: a head, a body, an answer, a connection. A panic in what answers is one
//! failed request and no more. TLS is not spoken here; a proxy in front does (rule S11).

use std::io;
use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use axum::body::Body;
use bytes::{Bytes, BytesMut};
use futures_util::StreamExt;
use http::{HeaderMap, HeaderValue, Request, Response, StatusCode, header};
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::Semaphore;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

/// Largest head in bytes. The platforms send less than 3 KiB; hyper's least is 8 KiB.
const HEAD_MAX: usize = 16 * 1024;
/// Most header fields; the platforms send about 25, proxies add some.
const FIELDS_MAX: usize = 100;
/// First and longest wait after the system refused us a connection.
const REST_MS: (u64, u64) = (10, 1_000);

/// What one listener allows.
#[derive(Debug, Clone)]
pub struct Limits {
    /// Time for a head, and for an unused connection.
    pub head: Duration,
    /// Time for a body, in all.
    pub body: Duration,
    /// Time for our own answer; then the caller gets 503 and the work goes on. Senders of webhooks hang up after 5 s
    /// (rule R63), and one who was told to come again does.
    pub answer: Duration,
    /// Largest body in bytes.
    pub body_max: usize,
    /// Connections at once; more wait in the system's queue.
    pub connections_max: usize,
    /// After this a connection is closed between two requests, so that nobody holds a place for ever.
    pub connection: Duration,
    /// How long open requests may take to finish when the server stops.
    pub goodbye: Duration,
}

impl Default for Limits {
    /// The defaults of `[listen]`.
    fn default() -> Self {
        Self {
            head: Duration::from_secs(10),
            body: Duration::from_secs(10),
            answer: Duration::from_millis(4_500),
            body_max: 1_048_576,
            connections_max: 1_024,
            connection: Duration::from_mins(5),
            goodbye: Duration::from_secs(10),
        }
    }
}

/// What answers requests on one listener.
#[async_trait]
pub(super) trait Site: Send + Sync + 'static {
    async fn answer(&self, request: Request<Incoming>) -> Response<Body>;
}

/// Serves until it is told to stop, then lets open requests finish within [`Limits::goodbye`].
pub(super) async fn serve(
    listener: TcpListener,
    site: Arc<dyn Site>,
    limits: Limits,
    stop: CancellationToken,
) {
    let limits = Arc::new(limits);
    let most = limits.connections_max.clamp(1, Semaphore::MAX_PERMITS);
    let places = Arc::new(Semaphore::new(most));
    let open = TaskTracker::new();
    let mut failures = 0;
    loop {
        let place = Arc::clone(&places).acquire_owned();
        let accepted = tokio::select! {
            () = stop.cancelled() => break,
            accepted = async {
                let place = place.await;
                listener.accept().await.map(|(stream, _)| (stream, place))
            } => accepted,
        };
        let (stream, place) = match accepted {
            Ok(accepted) => accepted,
            Err(error) => {
                failures = rest(&error, failures, &stop).await;
                continue;
            }
        };
        failures = 0;
        let (site, limits, stop) = (Arc::clone(&site), Arc::clone(&limits), stop.clone());
        open.spawn(async move {
            hold(stream, site, &limits, stop).await;
            drop(place);
        });
    }
    drop(listener);
    open.close();
    open.wait().await;
}

/// Waits after a connection could not be taken; how often that happened in a row.
async fn rest(error: &io::Error, failures: u32, stop: &CancellationToken) -> u32 {
    let Some(wait) = rest_after(error, failures) else {
        return failures;
    };
    if failures == 0 {
        tracing::warn!(%error, "cannot take connections for now: {error}");
    }
    metrics::counter!("onhand_accept_failures_total").increment(1);
    tokio::select! {
        () = stop.cancelled() => {}
        () = tokio::time::sleep(wait) => {}
    }
    failures.saturating_add(1)
}

/// How long to wait after a failure to accept; `None`: that was the caller's trouble, the next one is welcome at once.
fn rest_after(error: &io::Error, failures: u32) -> Option<Duration> {
    use io::ErrorKind::{ConnectionAborted, ConnectionRefused, ConnectionReset, Interrupted};
    let theirs = [
        ConnectionAborted,
        ConnectionRefused,
        ConnectionReset,
        Interrupted,
    ];
    if theirs.contains(&error.kind()) {
        return None;
    }
    let (first, most) = REST_MS;
    let wait = first.saturating_mul(1 << failures.min(16)).min(most);
    Some(Duration::from_millis(wait))
}

/// One connection to its end.
async fn hold(
    stream: TcpStream,
    site: Arc<dyn Site>,
    limits: &Arc<Limits>,
    stop: CancellationToken,
) {
    let answer_max = limits.body.saturating_add(limits.answer);
    let service = service_fn(move |request| guarded(Arc::clone(&site), request, answer_max));
    let connection = http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(limits.head)
        .max_buf_size(HEAD_MAX)
        .max_headers(FIELDS_MAX)
        .serve_connection(TokioIo::new(stream), service);
    let mut connection = pin!(connection);
    tokio::select! {
        // A caller that hung up or spoke no HTTP: nothing to do about either.
        _ended = connection.as_mut() => return,
        () = stop.cancelled() => {}
        () = tokio::time::sleep(limits.connection) => {}
    }
    connection.as_mut().graceful_shutdown();
    drop(tokio::time::timeout(limits.goodbye, connection).await);
}

/// Answers in a task of its own: a panic is caught there, and a caller that hangs up does not cut the work in half.
async fn guarded(
    site: Arc<dyn Site>,
    request: Request<Incoming>,
    answer_max: Duration,
) -> Result<Response<Body>, std::convert::Infallible> {
    let task = tokio::spawn(async move { site.answer(request).await });
    Ok(match tokio::time::timeout(answer_max, task).await {
        Ok(Ok(response)) => response,
        Ok(Err(_panic)) => {
            tracing::error!("a request ended in a panic");
            metrics::counter!("onhand_panics_total", "where" => "server").increment(1);
            plain(StatusCode::INTERNAL_SERVER_ERROR)
        }
        Err(_late) => {
            tracing::warn!("a request was not answered in time");
            later(StatusCode::SERVICE_UNAVAILABLE, 5)
        }
    })
}

/// A status and nothing else.
pub(super) fn plain(status: StatusCode) -> Response<Body> {
    let mut response = Response::new(Body::empty());
    *response.status_mut() = status;
    response
}

/// A status, and when to come back.
pub(super) fn later(status: StatusCode, after_s: u64) -> Response<Body> {
    let mut response = plain(status);
    let value = HeaderValue::from(after_s);
    response.headers_mut().insert(header::RETRY_AFTER, value);
    response
}

/// A body with its type, which browsers must not guess.
pub(super) fn page(status: StatusCode, kind: &'static str, body: Body) -> Response<Body> {
    let mut response = Response::new(body);
    *response.status_mut() = status;
    let headers = response.headers_mut();
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static(kind));
    let nosniff = HeaderValue::from_static("nosniff");
    headers.insert(header::X_CONTENT_TYPE_OPTIONS, nosniff);
    let no_store = HeaderValue::from_static("no-store");
    headers.insert(header::CACHE_CONTROL, no_store);
    response
}

/// 405, and which methods would have been right.
pub(super) fn wrong_method(allow: &'static str) -> Response<Body> {
    let mut response = plain(StatusCode::METHOD_NOT_ALLOWED);
    let allow = HeaderValue::from_static(allow);
    response.headers_mut().insert(header::ALLOW, allow);
    response
}

/// Reads a body within its limits, byte for byte as it came.
///
/// # Errors
/// The status to answer: 415 for a coded body, for the signature is over the bytes as sent (fault 28); 413 for one that is
/// too large, as soon as that is known; 408 for a slow one; 400 for a broken one.
pub(super) async fn body_of(
    headers: &HeaderMap,
    body: Incoming,
    limits: &Limits,
) -> Result<Bytes, StatusCode> {
    if headers
        .get_all(header::CONTENT_ENCODING)
        .iter()
        .any(|value| {
            !value.as_bytes().trim_ascii().is_empty()
                && !value
                    .as_bytes()
                    .trim_ascii()
                    .eq_ignore_ascii_case(b"identity")
        })
    {
        return Err(StatusCode::UNSUPPORTED_MEDIA_TYPE);
    }
    let declared = headers
        .get(header::CONTENT_LENGTH)
        .and_then(|value| value.to_str().ok()?.parse::<u64>().ok());
    let most = u64::try_from(limits.body_max).unwrap_or(u64::MAX);
    if declared.is_some_and(|declared| declared > most) {
        return Err(StatusCode::PAYLOAD_TOO_LARGE);
    }
    match tokio::time::timeout(limits.body, gather(body, limits.body_max)).await {
        Ok(gathered) => gathered,
        Err(_late) => Err(StatusCode::REQUEST_TIMEOUT),
    }
}

async fn gather(body: Incoming, max: usize) -> Result<Bytes, StatusCode> {
    let mut stream = Body::new(body).into_data_stream();
    let mut gathered = BytesMut::new();
    while let Some(chunk) = stream.next().await {
        let chunk = chunk.map_err(|_| StatusCode::BAD_REQUEST)?;
        if gathered.len().saturating_add(chunk.len()) > max {
            return Err(StatusCode::PAYLOAD_TOO_LARGE);
        }
        gathered.extend_from_slice(&chunk);
    }
    Ok(gathered.freeze())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_door_rests_when_the_system_is_full_and_not_for_callers() {
        let full = io::Error::from_raw_os_error(24); // EMFILE
        let waits: Vec<_> = [0, 1, 2, 6, 7, u32::MAX]
            .map(|n| rest_after(&full, n).unwrap().as_millis())
            .into();
        assert_eq!(waits, [10, 20, 40, 640, 1_000, 1_000]);
        let gone = io::Error::from(io::ErrorKind::ConnectionAborted);
        assert_eq!(rest_after(&gone, 0), None);
    }
}
