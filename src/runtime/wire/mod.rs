//! The way out: sends what a channel built to the channel's own address, and says what became of it.
//!
//! It owns timeouts, the access token, the audit row and what may be said about a failure. It follows no redirect, sends
//! nothing to another host, and never tries a write twice except after a 401, which had no effect.

mod answer;
mod audit;
mod client;
#[cfg(test)]
mod tests;
mod token;

use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use async_trait::async_trait;
use bytes::{Bytes, BytesMut};
use http::header::{HeaderMap, HeaderName, HeaderValue};
use reqwest::Url;
use secrecy::{ExposeSecret, SecretString};

use self::answer::Class;
use self::audit::Entry;
use self::client::{base, client};
use self::token::Keeper;
use super::limiter::{Limiter, Permit};
use crate::channels::{Channel, Fault, Reply, Request, TokenPlace, Wire};
use crate::domain::clock::{Clock, Timestamp};
use crate::domain::ids::ChannelId;

pub use self::audit::{AuditSink, CallRow, NoAudit};
pub use self::token::TokenStore;

/// Largest answer in bytes, decoded: 100 variable products with long descriptions are a tenth of it.
const BODY_MAX: usize = 32 * 1024 * 1024;
/// As much of an answer is read that only says why not.
const REFUSAL_MAX: usize = 64 * 1024;

/// Why there is no way out to a channel.
#[derive(Debug, thiserror::Error)]
pub enum WireError {
    /// Its address cannot be called.
    #[error("call {channel}: {problem}; hint: {hint}")]
    Address {
        /// Whose.
        channel: ChannelId,
        /// What is wrong.
        problem: &'static str,
        /// What to do.
        hint: &'static str,
    },
    /// The client could not be made: no certificates on this machine, most likely.
    #[error("call {channel}: {problem}; hint: install the system's package ca-certificates")]
    Client {
        /// Whose.
        channel: ChannelId,
        /// What the library says.
        problem: String,
    },
}

/// What a wire is made of.
pub struct WireParts {
    /// The channel's name.
    pub id: ChannelId,
    /// Scheme, host and port that all calls go to.
    pub base_url: String,
    /// Who renews the token and reads the quota.
    pub channel: Arc<dyn Channel>,
    /// Where tokens are kept.
    pub tokens: Arc<dyn TokenStore>,
    /// Who gets a row per call.
    pub audit: Arc<dyn AuditSink>,
    /// Who is told what the answers say about limits.
    pub limiter: Arc<Limiter>,
    /// The time, for signatures and stamps.
    pub clock: Arc<dyn Clock>,
}

/// The real wire of one channel. Clones share everything.
///
/// It does not wait for the limiter: whoever sends holds a permit, and [`HttpWire::under`] makes the wire that uses it.
#[derive(Clone)]
pub struct HttpWire {
    line: Arc<Line>,
    keeper: Arc<Keeper>,
}

impl fmt::Debug for HttpWire {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "HttpWire({} to {})", self.line.id, self.line.base)
    }
}

impl HttpWire {
    /// Makes the wire of a channel. Nothing is called.
    ///
    /// # Errors
    /// [`WireError`] if the address is not `https` (or loopback), or there are no certificates to trust.
    pub fn open(parts: WireParts) -> Result<Self, WireError> {
        let base = base(&parts.id, &parts.base_url)?;
        let timeout = Duration::from_millis(parts.channel.profile().call_timeout_ms.max(1));
        let client = client(&base, timeout).map_err(|problem| WireError::Client {
            channel: parts.id.clone(),
            problem,
        })?;
        let line = Arc::new(Line {
            id: parts.id.clone(),
            base,
            client,
            timeout,
            channel: Arc::clone(&parts.channel),
            audit: parts.audit,
            limiter: parts.limiter,
            clock: Arc::clone(&parts.clock),
        });
        let bare = Arc::new(Bare(Arc::clone(&line)));
        let keeper = Keeper::new(parts.id, parts.channel, parts.tokens, parts.clock, bare);
        Ok(Self {
            line,
            keeper: Arc::new(keeper),
        })
    }

    /// A wire for the work of one permit: its first call is paid for, each further one waits for the limiter.
    pub fn under(&self, permit: Permit) -> Paced {
        Paced {
            wire: self.clone(),
            permit,
            used: AtomicBool::new(false),
        }
    }
}

#[async_trait]
impl Wire for HttpWire {
    async fn send(&self, request: Request) -> Result<Reply, Fault> {
        let url = self.line.own(&request)?;
        if request.token == TokenPlace::Nowhere {
            return self.line.call(&request, url, None).await;
        }
        let held = self.keeper.current().await?;
        let access = Some(&held.token.access);
        let first = self.line.call(&request, url.clone(), access).await;
        if !matches!(first, Err(Fault::Unauthorized(_))) {
            return first;
        }
        match self.keeper.after_refusal(&held).await? {
            Some(next) => {
                self.line
                    .call(&request, url, Some(&next.token.access))
                    .await
            }
            None => first,
        }
    }

    fn now(&self) -> Timestamp {
        self.line.clock.now()
    }
}

/// A wire that keeps to the limiter.
#[derive(Debug)]
pub struct Paced {
    wire: HttpWire,
    permit: Permit,
    used: AtomicBool,
}

#[async_trait]
impl Wire for Paced {
    async fn send(&self, request: Request) -> Result<Reply, Fault> {
        if self.used.swap(true, Ordering::Relaxed) {
            self.permit.another().await;
        }
        self.wire.send(request).await
    }

    fn now(&self) -> Timestamp {
        self.wire.now()
    }
}

/// Sends what carries its own credentials: the wire that a token is renewed over, or renewing would wait for itself.
struct Bare(Arc<Line>);

#[async_trait]
impl Wire for Bare {
    async fn send(&self, request: Request) -> Result<Reply, Fault> {
        if request.token != TokenPlace::Nowhere {
            let says = "the call that renews a token asks for a token";
            return Err(Fault::Rejected(says.to_owned()));
        }
        let url = self.0.own(&request)?;
        self.0.call(&request, url, None).await
    }

    fn now(&self) -> Timestamp {
        self.0.clock.now()
    }
}

/// The connections to one channel.
struct Line {
    id: ChannelId,
    base: Url,
    client: reqwest::Client,
    timeout: Duration,
    channel: Arc<dyn Channel>,
    audit: Arc<dyn AuditSink>,
    limiter: Arc<Limiter>,
    clock: Arc<dyn Clock>,
}

impl Line {
    /// The URL of a request, if it is the channel's own: a credential goes nowhere else (rules S18 and S19).
    fn own(&self, request: &Request) -> Result<Url, Fault> {
        let refused = |says: String| Err(Fault::Rejected(says));
        let Ok(url) = Url::parse(&request.url) else {
            return refused(format!("the address of {} is not a URL", request.purpose));
        };
        if url.origin() != self.base.origin() {
            return refused(format!(
                "{} wants to call {}, which is not {}; hint: check base_url",
                request.purpose,
                url.origin().ascii_serialization(),
                self.base.origin().ascii_serialization()
            ));
        }
        if !url.username().is_empty() || url.password().is_some() {
            return refused(format!("the address of {} holds a login", request.purpose));
        }
        Ok(url)
    }

    /// One call and its audit row.
    async fn call(
        &self,
        request: &Request,
        url: Url,
        access: Option<&SecretString>,
    ) -> Result<Reply, Fault> {
        let row = CallRow {
            at: self.clock.now(),
            channel: self.id.clone(),
            purpose: request.purpose,
            method: request.method.clone(),
            path: url.path().to_owned(),
            status: None,
            outcome: "dropped",
            ms: 0,
            bytes: 0,
            closed_until: None,
        };
        let mut entry = Entry::new(row, Arc::clone(&self.audit));
        let outcome = self.exchange(request, url, access, &mut entry.row).await;
        match &outcome {
            Err(Fault::Throttled { after_ms }) => self.limiter.throttled(*after_ms),
            Ok(reply) => {
                self.limiter.answered();
                if let Some(quota) = self.channel.quota(reply) {
                    self.limiter.quota(quota);
                }
            }
            Err(_) => {}
        }
        let closed = self.limiter.closed_for().as_millis();
        if closed > 0 {
            let ms = i64::try_from(closed).unwrap_or(i64::MAX);
            entry.row.closed_until = Some(self.clock.now().plus(ms));
        }
        entry.close(&outcome);
        outcome
    }

    async fn exchange(
        &self,
        request: &Request,
        url: Url,
        access: Option<&SecretString>,
        row: &mut CallRow,
    ) -> Result<Reply, Fault> {
        let timeout_ms = u64::try_from(self.timeout.as_millis()).unwrap_or(u64::MAX);
        let lost = |error| answer::lost(error, timeout_ms);
        let mut found = self
            .client
            .request(request.method.clone(), url)
            .headers(headers(request, access)?)
            .body(Bytes::clone(&request.body))
            .send()
            .await
            .map_err(lost)?;
        let status = found.status().as_u16();
        row.status = Some(status);
        let class = answer::classify(status, found.headers(), &request.method, self.clock.now());
        if class != Class::Reply {
            // Read for its words, and so that the connection can be used again.
            let body = body_of(&mut found, REFUSAL_MAX).await;
            let body = body.ok().flatten().unwrap_or_default();
            row.bytes = u64::try_from(body.len()).unwrap_or(u64::MAX);
            return Err(match class {
                Class::Fault(fault) => fault,
                Class::Unauthorized | Class::Reply => {
                    Fault::Unauthorized(answer::refusal(status, &body))
                }
            });
        }
        let Some(body) = body_of(&mut found, BODY_MAX).await.map_err(lost)? else {
            let says = format!("the answer {status} is larger than {BODY_MAX} bytes");
            // A read will not fit the next time either; a write may have had its effect.
            return Err(if answer::is_read(&request.method) {
                Fault::Rejected(says)
            } else {
                Fault::Unknown(says)
            });
        };
        row.bytes = u64::try_from(body.len()).unwrap_or(u64::MAX);
        Ok(Reply {
            status,
            headers: std::mem::take(found.headers_mut()),
            body,
        })
    }
}

/// The body, decoded; `None` if it is larger than `max`.
async fn body_of(
    found: &mut reqwest::Response,
    max: usize,
) -> Result<Option<Bytes>, reqwest::Error> {
    let mut body = BytesMut::new();
    while let Some(chunk) = found.chunk().await? {
        if body.len().saturating_add(chunk.len()) > max {
            return Ok(None);
        }
        body.extend_from_slice(&chunk);
    }
    Ok(Some(body.freeze()))
}

/// The request's headers and the token, all marked so that no library shows or indexes them.
fn headers(request: &Request, access: Option<&SecretString>) -> Result<HeaderMap, Fault> {
    let mut map = HeaderMap::new();
    let mut put = |name: &str, value: &str| {
        let name = HeaderName::from_bytes(name.as_bytes());
        let value = HeaderValue::from_str(value);
        let (Ok(name), Ok(mut value)) = (name, value) else {
            let says = format!("a header of {} cannot be sent", request.purpose);
            return Err(Fault::Rejected(says));
        };
        value.set_sensitive(true);
        map.append(name, value);
        Ok(())
    };
    for (name, value) in &request.headers {
        put(name, value)?;
    }
    if let Some(access) = access.map(ExposeSecret::expose_secret) {
        match request.token {
            TokenPlace::Nowhere => {}
            TokenPlace::Header(name) => put(name, access)?,
            TokenPlace::Bearer => put("authorization", &format!("Bearer {access}"))?,
        }
    }
    Ok(map)
}
