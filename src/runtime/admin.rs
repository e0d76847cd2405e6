//! The operator's door: metrics, the state as JSON, and a small page that shows it live. It changes nothing.
//!
//! On loopback it answers only to loopback's names, so that a web page elsewhere cannot read it through a name that it
//! points here (rule S13). On any other address it asks for a bearer token (rule S12).

use std::sync::Arc;

use async_trait::async_trait;
use axum::body::Body;
use futures_util::future::BoxFuture;
use http::{HeaderMap, HeaderValue, Method, Request, Response, StatusCode, header};
use hyper::body::Incoming;
use metrics_exporter_prometheus::PrometheusHandle;
use secrecy::{ExposeSecret, SecretString};
use subtle::ConstantTimeEq;
use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;

use super::server::{self, Limits, Site};

/// Scripts and styles of our own only; nothing of it inside another page (rule S24).
const POLICY: &str = "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; \
                      frame-ancestors 'none'; base-uri 'none'; form-action 'none'";

/// Tells the state; called for each request, so it must be cheap.
pub type StatusProvider = Arc<dyn Fn() -> BoxFuture<'static, serde_json::Value> + Send + Sync>;

/// Why the operator's door stays closed.
#[derive(Debug, thiserror::Error)]
pub enum AdminError {
    /// Anyone could read it.
    #[error(
        "serve the admin pages on {0}: it can be reached from elsewhere and there is no token; hint: set admin_token"
    )]
    NoToken(std::net::SocketAddr),
    /// The listener has no address.
    #[error("serve the admin pages: {0}")]
    Listener(#[from] std::io::Error),
}

/// What the operator's door shows.
pub struct Admin {
    /// All metrics.
    pub metrics: PrometheusHandle,
    /// The state as JSON.
    pub status: StatusProvider,
    /// Asked for if it is there; it must be on an address that is not loopback.
    pub token: Option<SecretString>,
}

/// Serves the operator's side until it is told to stop.
///
/// # Errors
/// [`AdminError::NoToken`] on an address that others can reach, without a token or with an empty one.
pub async fn serve(
    listener: TcpListener,
    admin: Admin,
    limits: Limits,
    stop: CancellationToken,
) -> Result<(), AdminError> {
    let address = listener.local_addr()?;
    let loopback = address.ip().is_loopback();
    let token = admin
        .token
        .as_ref()
        .is_some_and(|token| !token.expose_secret().is_empty());
    if !loopback && !token {
        return Err(AdminError::NoToken(address));
    }
    let site = Arc::new(Desk { admin, loopback });
    server::serve(listener, site, limits, stop).await;
    Ok(())
}

struct Desk {
    admin: Admin,
    loopback: bool,
}

#[async_trait]
impl Site for Desk {
    async fn answer(&self, request: Request<Incoming>) -> Response<Body> {
        let mut response =
            match refusal(request.headers(), self.loopback, self.admin.token.as_ref()) {
                Some(status) => server::plain(status),
                None => self.show(request.method(), request.uri().path()).await,
            };
        let headers = response.headers_mut();
        if headers.get(header::CONTENT_TYPE).is_some() {
            let policy = HeaderValue::from_static(POLICY);
            headers.insert(header::CONTENT_SECURITY_POLICY, policy);
        }
        if response.status() == StatusCode::UNAUTHORIZED {
            let bearer = HeaderValue::from_static("Bearer");
            response
                .headers_mut()
                .insert(header::WWW_AUTHENTICATE, bearer);
        }
        response
    }
}

impl Desk {
    async fn show(&self, method: &Method, path: &str) -> Response<Body> {
        let known = ["/", "/live.js", "/live.css", "/metrics", "/api/status"];
        if !known.contains(&path) {
            return server::plain(StatusCode::NOT_FOUND);
        }
        if !matches!(*method, Method::GET | Method::HEAD) {
            return server::wrong_method("GET, HEAD");
        }
        let (kind, body) = match path {
            "/" => ("text/html; charset=utf-8", include_str!("live.html").into()),
            "/live.js" => (
                "text/javascript; charset=utf-8",
                include_str!("live.js").into(),
            ),
            "/live.css" => ("text/css; charset=utf-8", include_str!("live.css").into()),
            "/metrics" => {
                self.admin.metrics.run_upkeep();
                (
                    "text/plain; version=0.0.4; charset=utf-8",
                    Body::from(self.admin.metrics.render()),
                )
            }
            _ => (
                "application/json",
                Body::from((self.admin.status)().await.to_string()),
            ),
        };
        server::page(StatusCode::OK, kind, body)
    }
}

/// Why a request is not let in: 403 if it came by a wrong name, 401 if it has not the token.
fn refusal(
    headers: &HeaderMap,
    loopback: bool,
    token: Option<&SecretString>,
) -> Option<StatusCode> {
    if loopback {
        let mut hosts = headers.get_all(header::HOST).iter();
        let host = hosts.next().and_then(|value| value.to_str().ok());
        if hosts.next().is_some() || !host.is_some_and(is_loopback_name) {
            return Some(StatusCode::FORBIDDEN);
        }
        let foreign = headers.get_all(header::ORIGIN).iter().any(|origin| {
            !origin
                .to_str()
                .ok()
                .and_then(|origin| origin.strip_prefix("http://"))
                .is_some_and(is_loopback_name)
        });
        if foreign {
            return Some(StatusCode::FORBIDDEN);
        }
    }
    let token = token?.expose_secret();
    let given = headers
        .get(header::AUTHORIZATION)
        .and_then(|value| value.as_bytes().split_at_checked("Bearer ".len()))
        .filter(|(scheme, _)| scheme.eq_ignore_ascii_case(b"Bearer "))
        .map(|(_, given)| given);
    let good =
        !token.is_empty() && given.is_some_and(|given| bool::from(given.ct_eq(token.as_bytes())));
    (!good).then_some(StatusCode::UNAUTHORIZED)
}

/// `localhost`, `127.0.0.1` or `[::1]`, with a port or without.
fn is_loopback_name(host: &str) -> bool {
    ["localhost", "127.0.0.1", "[::1]"].iter().any(|name| {
        host.split_at_checked(name.len())
            .filter(|(start, _)| start.eq_ignore_ascii_case(name))
            .is_some_and(|(_, rest)| {
                rest.is_empty()
                    || rest
                        .strip_prefix(':')
                        .is_some_and(|port| port.parse::<u16>().is_ok())
            })
    })
}

#[cfg(test)]
mod tests;
