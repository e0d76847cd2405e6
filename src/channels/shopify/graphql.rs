//! One call to the Admin API: what is sent, and what its answer means before anybody reads the data in it.
//!
//! Nearly everything comes with status 200, so the answer's `errors` decide. What a *read* lost is only transient; what
//! a *write* lost may have happened.

use bytes::Bytes;
use http::Method;
use serde::Deserialize;
use serde::de::DeserializeOwned;
use serde_json::Value;

use crate::channels::{Fault, Quota, Reply, Request, TokenPlace, Wire};

use super::Shopify;
use super::settings::CALL_COST;

/// Where the token goes.
pub(super) const TOKEN_HEADER: &str = "X-Shopify-Access-Token";

/// Longest part of a platform's message that is passed on, in characters.
const WORDS_MAX: usize = 300;

/// Whether a call changes something there.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Effect {
    Reads,
    Writes,
}

/// A page of something.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Nodes<T> {
    /// What stands on it.
    pub(super) nodes: Vec<T>,
    /// Whether there is more.
    #[serde(default)]
    pub(super) page_info: PageInfo,
}

impl<T> Nodes<T> {
    /// Where the next page begins.
    pub(super) fn next(&self) -> Option<String> {
        if self.page_info.has_next_page {
            self.page_info.end_cursor.clone()
        } else {
            None
        }
    }
}

/// Shopify's mark of a place in a list.
#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct PageInfo {
    has_next_page: bool,
    end_cursor: Option<String>,
}

/// What a mutation did not like.
#[derive(Debug, Deserialize)]
pub(super) struct UserError {
    /// Its code, where the mutation has codes.
    #[serde(default)]
    pub(super) code: Option<String>,
    /// The way to the part of the input; indices are *texts* in it.
    #[serde(default)]
    pub(super) field: Option<Vec<String>>,
    /// In Shopify's words.
    pub(super) message: String,
}

#[derive(Deserialize)]
struct Answer {
    #[serde(default)]
    data: Option<Value>,
    #[serde(default)]
    errors: Option<Value>,
    #[serde(default)]
    extensions: Option<Extensions>,
}

#[derive(Deserialize)]
struct Measured {
    extensions: Option<Extensions>,
}

#[derive(Deserialize)]
struct Extensions {
    cost: Option<Cost>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Cost {
    requested_query_cost: Option<f64>,
    throttle_status: Option<Bucket>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Bucket {
    currently_available: f64,
    restore_rate: f64,
}

impl Shopify {
    /// Asks a query. A lost answer is [`Fault::Transient`], for nothing can have happened.
    pub(super) async fn ask<T: DeserializeOwned>(
        &self,
        wire: &dyn Wire,
        purpose: &'static str,
        document: &str,
        variables: Value,
    ) -> Result<T, Fault> {
        match self
            .call(wire, Effect::Reads, purpose, document, variables)
            .await
        {
            Err(Fault::Unknown(why)) => Err(Fault::Transient(why)),
            other => other,
        }
    }

    /// Sends a mutation.
    pub(super) async fn tell<T: DeserializeOwned>(
        &self,
        wire: &dyn Wire,
        purpose: &'static str,
        document: &str,
        variables: Value,
    ) -> Result<T, Fault> {
        self.call(wire, Effect::Writes, purpose, document, variables)
            .await
    }

    async fn call<T: DeserializeOwned>(
        &self,
        wire: &dyn Wire,
        effect: Effect,
        purpose: &'static str,
        document: &str,
        variables: Value,
    ) -> Result<T, Fault> {
        let body = serde_json::json!({ "query": document, "variables": variables }).to_string();
        let reply = wire
            .send(Request {
                method: Method::POST,
                url: format!(
                    "{}/admin/api/{}/graphql.json",
                    self.base_url, self.api_version
                ),
                headers: vec![("content-type", "application/json".to_owned())],
                body: Bytes::from(body),
                token: TokenPlace::Header(TOKEN_HEADER),
                purpose,
            })
            .await?;
        read_answer(&reply, effect)
    }
}

fn read_answer<T: DeserializeOwned>(reply: &Reply, effect: Effect) -> Result<T, Fault> {
    if let Some(fault) = status_fault(reply.status, effect == Effect::Writes) {
        return Err(fault);
    }
    let lost = |why: String| match effect {
        Effect::Reads => Fault::Transient(why),
        Effect::Writes => Fault::Unknown(why),
    };
    let answer: Answer = serde_json::from_slice(&reply.body)
        .map_err(|e| lost(format!("the answer is not GraphQL: {}", place(&e))))?;
    if let Some(errors) = answer.errors.filter(says_something) {
        let cost = answer.extensions.and_then(|e| e.cost);
        return Err(errors_fault(&errors, cost.as_ref(), lost));
    }
    let data = answer
        .data
        .ok_or_else(|| lost("the answer holds neither data nor errors".to_owned()))?;
    // The words of serde would repeat values, and these may be a buyer's.
    serde_json::from_value(data).map_err(|e| match effect {
        Effect::Reads => {
            Fault::Unreadable(format!("the data has another shape ({:?})", e.classify()))
        }
        Effect::Writes => lost("the answer has another shape".to_owned()),
    })
}

/// What a status says before the body is read; 2xx says nothing.
pub(super) fn status_fault(status: u16, writes: bool) -> Option<Fault> {
    let held = |why: &str| Some(Fault::Unauthorized(format!("{status}: {why}")));
    match status {
        200..=299 => None,
        401 => held("the token is not accepted; hint: make a new one"),
        402 => held("the shop is frozen until its bill is paid"),
        403 => held("the token may not do this; hint: check the app's scopes"),
        404 => Some(Fault::Rejected(
            "404: no such shop or API version; hint: check base_url and api_version".to_owned(),
        )),
        423 => held("the shop is locked"),
        429 => Some(Fault::Throttled { after_ms: None }),
        430 => held(
            "Shopify takes our calls for an attack; hint: call from another address or ask its support",
        ),
        500.. if writes => Some(Fault::Unknown(format!("status {status}"))),
        500.. => Some(Fault::Transient(format!("status {status}"))),
        _ => Some(Fault::Rejected(format!("status {status}"))),
    }
}

/// Where a text stopped being understood: never what stood there, for that may be a buyer's.
pub(super) fn place(error: &serde_json::Error) -> String {
    format!(
        "{:?} at line {}, column {}",
        error.classify(),
        error.line(),
        error.column()
    )
    .to_lowercase()
}

fn says_something(errors: &Value) -> bool {
    match errors {
        Value::Null => false,
        Value::Array(list) => !list.is_empty(),
        _ => true,
    }
}

/// The gravest of the errors decides. `errors` may also be one text (seen with 401 and 404).
fn errors_fault(errors: &Value, cost: Option<&Cost>, lost: impl Fn(String) -> Fault) -> Fault {
    let single = [errors.clone()];
    let list = errors.as_array().map_or(single.as_slice(), Vec::as_slice);
    let code = |error: &Value| -> String {
        let code = error.pointer("/extensions/code").and_then(Value::as_str);
        code.unwrap_or_default().to_owned()
    };
    let find = |codes: &[&str]| list.iter().find(|e| codes.contains(&code(e).as_str()));
    if find(&["THROTTLED"]).is_some() {
        return Fault::Throttled {
            after_ms: cost.and_then(wait_ms),
        };
    }
    if let Some(error) = find(&["ACCESS_DENIED", "SHOP_INACTIVE"]) {
        return Fault::Unauthorized(words(error, &code(error)));
    }
    if let Some(error) = find(&["INTERNAL_SERVER_ERROR", "TIMEOUT"]) {
        return lost(words(error, &code(error)));
    }
    match list.first() {
        Some(error) => Fault::Rejected(words(error, &code(error))),
        None => lost("an error without words".to_owned()),
    }
}

fn words(error: &Value, code: &str) -> String {
    let message = error
        .get("message")
        .and_then(Value::as_str)
        .or_else(|| error.as_str())
        .unwrap_or("an error without words");
    let message: String = message.chars().take(WORDS_MAX).collect();
    if code.is_empty() {
        message
    } else {
        format!("{message} ({code})")
    }
}

/// How long until the bucket holds what the query asks for. A query of unknown cost costs as a write does, not nothing:
/// a client that assumed 0 called in circles.
fn wait_ms(cost: &Cost) -> Option<u64> {
    let bucket = cost.throttle_status.as_ref()?;
    let missing = cost.requested_query_cost.unwrap_or(CALL_COST) - bucket.currently_available;
    let wait = (missing / bucket.restore_rate * 1000.0).ceil();
    if !wait.is_finite() || wait < 1.0 {
        return None;
    }
    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "finite, positive and held to an hour"
    )]
    let wait = wait.min(3_600_000.0) as u64;
    Some(wait)
}

/// What an answer says about the bucket, in calls of a write's cost.
pub(super) fn quota(reply: &Reply) -> Option<Quota> {
    let measured: Measured = serde_json::from_slice(&reply.body).ok()?;
    let bucket = measured.extensions?.cost?.throttle_status?;
    Some(Quota {
        left: bucket.currently_available / CALL_COST,
        per_second: bucket.restore_rate / CALL_COST,
    })
}
