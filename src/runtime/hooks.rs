//! The public door: webhooks, and two questions about health. It passes on raw bytes and says as little as possible.
//!
//! What a message means, whether it is genuine, and that it is durable before it is answered, is the [`Intake`]'s.

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use axum::body::Body;
use bytes::Bytes;
use http::{HeaderMap, Method, Request, Response, StatusCode};
use hyper::body::Incoming;
use percent_encoding::percent_decode_str;
use tokio::net::TcpListener;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use super::server::{self, Limits, Site};

/// When a sender should come back while we are not ready, in seconds.
const NOT_READY_S: u64 = 10;

/// What to answer a sender.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Answer {
    /// HTTP status.
    pub status: u16,
    /// Body, where the platform asks for one.
    pub body: Option<Bytes>,
    /// When to come back, in seconds.
    pub retry_after_s: Option<u64>,
}

impl Answer {
    /// A status and nothing else.
    pub const fn status(status: u16) -> Self {
        Self {
            status,
            body: None,
            retry_after_s: None,
        }
    }
}

/// What takes messages in.
#[async_trait]
pub trait Intake: Send + Sync {
    /// Whether a channel of this name takes messages; its body is read only then.
    fn knows(&self, channel: &str) -> bool;

    /// Takes one message in. It runs to its end even if the sender hangs up; a panic becomes a 500 without a word.
    async fn receive(
        &self,
        channel: &str,
        method: &Method,
        query: &str,
        headers: &HeaderMap,
        body: Bytes,
    ) -> Answer;

    /// Whether messages can be taken in now.
    ///
    /// # Errors
    /// Why not, in words: for the log and the admin page, never for strangers.
    async fn ready(&self) -> Result<(), String>;
}

/// Serves the public side until it is told to stop. Whether the address may be used is the settings' to say
/// (`listen_refusal`), before the listener is made.
pub async fn serve(
    listener: TcpListener,
    intake: Arc<dyn Intake>,
    limits: Limits,
    stop: CancellationToken,
) {
    let site = Arc::new(Hooks {
        intake,
        limits: limits.clone(),
    });
    server::serve(listener, site, limits, stop).await;
}

struct Hooks {
    intake: Arc<dyn Intake>,
    limits: Limits,
}

/// Where a path leads.
#[derive(Debug, PartialEq)]
enum Route {
    Health,
    Ready,
    Hook(String),
    Nowhere,
}

fn route(path: &str) -> Route {
    match path {
        "/healthz" => Route::Health,
        "/readyz" => Route::Ready,
        _ => path
            .strip_prefix("/hooks/")
            .filter(|name| !name.is_empty() && !name.contains('/'))
            .and_then(|name| percent_decode_str(name).decode_utf8().ok())
            .map_or(Route::Nowhere, |name| Route::Hook(name.into_owned())),
    }
}

#[async_trait]
impl Site for Hooks {
    async fn answer(&self, request: Request<Incoming>) -> Response<Body> {
        let read = matches!(*request.method(), Method::GET | Method::HEAD);
        match route(request.uri().path()) {
            Route::Health | Route::Ready if !read => server::wrong_method("GET, HEAD"),
            Route::Health => text("ok\n"),
            Route::Ready => match tokio::time::timeout(self.limits.answer, self.intake.ready())
                .await
            {
                Ok(Ok(())) => text("ready\n"),
                Ok(Err(_)) | Err(_) => server::later(StatusCode::SERVICE_UNAVAILABLE, NOT_READY_S),
            },
            Route::Nowhere => server::plain(StatusCode::NOT_FOUND),
            Route::Hook(channel) if !self.intake.knows(&channel) => {
                metrics::counter!("onhand_hooks_total", "channel" => "?", "status" => "404")
                    .increment(1);
                server::plain(StatusCode::NOT_FOUND)
            }
            Route::Hook(_) if !matches!(*request.method(), Method::GET | Method::POST) => {
                server::wrong_method("GET, POST")
            }
            Route::Hook(channel) => {
                let started = Instant::now();
                let response = self.hook(&channel, request).await;
                count(channel, response.status(), started.elapsed());
                response
            }
        }
    }
}

impl Hooks {
    async fn hook(&self, channel: &str, request: Request<Incoming>) -> Response<Body> {
        let (head, body) = request.into_parts();
        let body = match server::body_of(&head.headers, body, &self.limits).await {
            Ok(body) => body,
            Err(status) => return server::plain(status),
        };
        let (intake, channel) = (Arc::clone(&self.intake), channel.to_owned());
        // It runs to its end even if it comes too late for the sender.
        let receiving = tokio::spawn(async move {
            let query = head.uri.query().unwrap_or_default();
            intake
                .receive(&channel, &head.method, query, &head.headers, body)
                .await
        });
        match tokio::time::timeout(self.limits.answer, receiving).await {
            Ok(Ok(answer)) => response(answer),
            Ok(Err(error)) => std::panic::resume_unwind(error.into_panic()),
            Err(_late) => {
                tracing::warn!("a message was not kept in time; its sender is asked to come again");
                server::later(StatusCode::SERVICE_UNAVAILABLE, NOT_READY_S)
            }
        }
    }
}

fn count(channel: String, status: StatusCode, took: Duration) {
    metrics::counter!(
        "onhand_hooks_total",
        "channel" => channel.clone(),
        "status" => status.as_u16().to_string(),
    )
    .increment(1);
    metrics::histogram!("onhand_hook_seconds", "channel" => channel).record(took.as_secs_f64());
}

fn text(says: &'static str) -> Response<Body> {
    server::page(
        StatusCode::OK,
        "text/plain; charset=utf-8",
        Body::from(says),
    )
}

/// Challenges are answered with JSON by some platforms and with bare text by others.
fn response(answer: Answer) -> Response<Body> {
    let status = StatusCode::from_u16(answer.status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
    let mut response = match answer.retry_after_s {
        Some(after_s) => server::later(status, after_s),
        None => server::plain(status),
    };
    if let Some(body) = answer.body {
        let kind = if body.first() == Some(&b'{') {
            "application/json"
        } else {
            "text/plain; charset=utf-8"
        };
        let page = server::page(status, kind, Body::from(body));
        let (head, body) = page.into_parts();
        response.headers_mut().extend(head.headers);
        *response.body_mut() = body;
    }
    response
}

#[cfg(test)]
mod tests;
