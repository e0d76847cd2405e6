//! An emulated Shopify shop: the Admin GraphQL interface as `onhand` uses it, and its webhooks.
//!
//! There is no GraphQL engine behind it. Root fields are recognised by name, built in full, and cut down to
//! what the document selects, as the real one does; a selected field that the sandbox does not build is an
//! `undefinedField` error, loud instead of null. That check comes after the effect of a mutation.
//!
//! Not emulated: REST, bulk operations, token exchange, more than one product per variant.

mod cost;
mod counter;
mod document;
mod hooks;
mod places;
mod read;
mod refusal;
mod render;
mod rules;
mod shop;
#[cfg(test)]
mod tests;
mod write;

use std::net::SocketAddr;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use bytes::Bytes;
use http::{Method, Request, Response, StatusCode};
use serde_json::{Map, Value, json};
use tokio::sync::Notify;

use self::document::Field;
use self::refusal::Refusal;
use self::shop::Shop;
use super::faults::FaultCounts;
use super::journal::Entry;
use super::market::{CounterError, Goods, Marketplace, Sold, put};
use super::sign;
use super::stage::{self, Answer, Conduct, Delivery};

/// Versions that serve, oldest first. Older requests fall forward to the first, as the vendor says.
const VERSIONS: [&str; 3] = ["2026-04", "2026-07", "2026-10"];
/// The version of webhook bodies: the app's, not the request's.
pub(crate) const WEBHOOK_VERSION: &str = "2026-07";

/// A variant of the opening catalogue.
#[derive(Debug, Clone)]
pub struct ShopifyVariant {
    /// Its SKU; need not be unique, may be empty.
    pub sku: String,
    /// Units available per location, in the order of [`ShopifyOptions::locations`]; none = not stocked there.
    pub available: Vec<Option<i64>>,
    /// Whether Shopify counts it.
    pub tracked: bool,
    /// `inventoryPolicy: CONTINUE`: sells below zero.
    pub oversells: bool,
    /// A bundle parent, whose quantity cannot be written.
    pub bundle: bool,
}

impl ShopifyVariant {
    /// A plain variant, stocked at the first location only.
    pub fn new(sku: impl Into<String>, available: i64) -> Self {
        Self {
            sku: sku.into(),
            available: vec![Some(available)],
            tracked: true,
            oversells: false,
            bundle: false,
        }
    }
}

/// How to open an emulated Shopify.
#[derive(Debug, Clone)]
pub struct ShopifyOptions {
    /// Clock, seed, faults, pace of deliveries.
    pub conduct: Conduct,
    /// Where to listen; loopback only. Port 0 picks a free one.
    pub bind: SocketAddr,
    /// Names of the locations.
    pub locations: Vec<String>,
    /// The opening catalogue.
    pub catalogue: Vec<ShopifyVariant>,
    /// Points in a full cost bucket.
    pub bucket_size: f64,
    /// Points restored per second.
    pub restore_per_s: f64,
    /// How many times faster than real the four hours of webhook retries pass.
    pub retry_speedup: u32,
}

impl Default for ShopifyOptions {
    /// One location, an empty catalogue, the bucket of the standard plan (2000, 100 per second).
    fn default() -> Self {
        Self {
            conduct: Conduct::default(),
            bind: SocketAddr::from(([127, 0, 0, 1], 0)),
            locations: vec!["Warehouse".to_owned()],
            catalogue: Vec::new(),
            bucket_size: 2_000.0,
            restore_per_s: 100.0,
            retry_speedup: 1,
        }
    }
}

/// An emulated Shopify shop.
pub struct Shopify {
    shop: Mutex<Shop>,
    base_url: String,
    token: String,
    client_secret: String,
}

impl Shopify {
    /// Opens a shop without a server: its owner carries requests and deliveries.
    pub fn new(options: &ShopifyOptions) -> Self {
        Self::at(options, "http://127.0.0.1:9".to_owned())
    }

    /// Opens a shop that is reached under `base_url`.
    pub(crate) fn at(options: &ShopifyOptions, base_url: String) -> Self {
        let client_secret = sign::credential("shpss_", 16);
        Self {
            shop: Mutex::new(Shop::open(options, client_secret.clone())),
            base_url,
            token: sign::credential("shpat_", 16),
            client_secret,
        }
    }

    /// The access token of this run.
    pub fn token(&self) -> &str {
        &self.token
    }

    /// The secret that signs webhooks.
    pub fn client_secret(&self) -> &str {
        &self.client_secret
    }

    /// The value of `X-Shopify-Shop-Domain`.
    pub fn domain(&self) -> String {
        self.lock().domain.clone()
    }

    /// Ids and names of the locations.
    pub fn locations(&self) -> Vec<(u64, String)> {
        let shop = self.lock();
        shop.locations
            .iter()
            .map(|(id, name)| (*id, name.clone()))
            .collect()
    }

    /// The inventory item of a SKU; the first one if several share it.
    pub fn item(&self, sku: &str) -> Option<u64> {
        self.lock().item_of(sku)
    }

    /// Available, committed and on hand of an item at a location.
    pub fn level(&self, item: u64, location: u64) -> Option<(i64, i64, i64)> {
        let shop = self.lock();
        let level = shop.levels.get(&(item, location))?;
        Some((level.available, level.committed, level.on_hand()))
    }

    fn lock(&self) -> MutexGuard<'_, Shop> {
        self.shop.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn respond(&self, shop: &mut Shop, request: &Request<Bytes>) -> Response<Bytes> {
        let not_found = || stage::json(StatusCode::NOT_FOUND, &json!({"errors": "Not Found"}));
        let path = request.uri().path();
        let middle = path
            .strip_prefix("/admin/api/")
            .and_then(|rest| rest.strip_suffix("/graphql.json"));
        let Some(version) = middle.and_then(serving) else {
            return not_found();
        };
        if request.method() != Method::POST {
            return not_found();
        }
        let token = request.headers().get("x-shopify-access-token");
        if token.is_none_or(|token| token.as_bytes() != self.token.as_bytes()) {
            let text =
                "[API] Invalid API key or access token (unrecognized login or wrong password)";
            return stage::json(StatusCode::UNAUTHORIZED, &json!({"errors": text}));
        }
        let Ok(Value::Object(body)) = serde_json::from_slice(request.body()) else {
            return stage::json(StatusCode::BAD_REQUEST, &json!({"errors": "Bad Request"}));
        };
        let mut response = stage::json(StatusCode::OK, &shop.graphql(&body, version));
        stage::set(&mut response, "x-shopify-api-version", version);
        response
    }
}

/// The version that serves a request for `asked`; none for a future or malformed one.
fn serving(asked: &str) -> Option<&'static str> {
    let [oldest, .., newest] = VERSIONS;
    let well_formed = asked.len() == 7 && asked.chars().all(|c| c.is_ascii_digit() || c == '-');
    if !well_formed || asked > newest {
        return None;
    }
    VERSIONS
        .into_iter()
        .find(|one| *one == asked)
        .or(Some(oldest))
}

impl Shop {
    /// Runs a request body: `{"query", "variables", "operationName"}`.
    fn graphql(&mut self, body: &Map<String, Value>, version: &str) -> Value {
        let source = body
            .get("query")
            .and_then(Value::as_str)
            .unwrap_or_default();
        let wanted = body.get("operationName").and_then(Value::as_str);
        let none = Map::new();
        let variables = body
            .get("variables")
            .and_then(Value::as_object)
            .unwrap_or(&none);
        let operation = match document::read(source, wanted, variables) {
            Ok(operation) => operation,
            Err(message) => {
                return json!({"errors": [{"message": message, "extensions": {"code": "PARSE_ERROR"}}]});
            }
        };
        let cost = cost::requested(&operation);
        if cost::too_expensive(cost) {
            let message = format!(
                "Query cost is {cost}, which exceeds the single query max cost limit (1000)."
            );
            return json!({"errors": [{"message": message, "extensions": {"code": "MAX_COST_EXCEEDED"}}]});
        }
        let now_ms = self.stage.now_ms();
        if !self.bucket.take(cost, now_ms) {
            let extensions = json!({
                "code": "THROTTLED",
                "documentation": "https://shopify.dev/api/usage/rate-limits",
            });
            let error = json!({"message": "Throttled", "extensions": extensions});
            return json!({"errors": [error], "extensions": self.bucket.extensions(cost, None)});
        }
        let mut data = Map::new();
        let mut errors = Vec::new();
        for field in &operation.fields {
            let full = if operation.is_mutation {
                self.mutate(field, version)
            } else {
                self.query(field)
            };
            let kept = full.and_then(|full| keep(&full, field));
            match kept {
                Ok(value) => data.insert(field.alias.clone(), value),
                Err(Refusal::Whole(error)) => return json!({"errors": [error]}),
                Err(Refusal::Field(mut error)) => {
                    put(&mut error, "path", json!([field.alias]));
                    put(&mut error, "locations", json!([{"line": 2, "column": 3}]));
                    errors.push(error);
                    data.insert(field.alias.clone(), Value::Null)
                }
            };
        }
        let mut answer =
            json!({"data": data, "extensions": self.bucket.extensions(cost, Some(cost))});
        if !errors.is_empty() {
            put(&mut answer, "errors", Value::Array(errors));
        }
        answer
    }
}

/// Keeps what `field` selects of a full value.
fn keep(full: &Value, field: &Field) -> Result<Value, Refusal> {
    match full {
        Value::Array(all) => all
            .iter()
            .filter(|one| named(one, field))
            .map(|one| keep(one, field))
            .collect(),
        Value::Object(object) if !field.selection.is_empty() => {
            let mut kept = Map::new();
            for one in &field.selection {
                let value = match object.get(&one.name) {
                    Some(value) => keep(value, one)?,
                    None if one.name == "__typename" => Value::Null,
                    None => return Err(refusal::unknown(&field.name, &one.name)),
                };
                kept.insert(one.alias.clone(), value);
            }
            Ok(Value::Object(kept))
        }
        other => Ok(other.clone()),
    }
}

/// Whether a list entry is among the `names` that the field asks for; true without such an argument.
fn named(one: &Value, field: &Field) -> bool {
    let names = field.args.get("names").and_then(Value::as_array);
    names.is_none_or(|names| one.get("name").is_some_and(|name| names.contains(name)))
}

impl Marketplace for Shopify {
    fn platform(&self) -> &'static str {
        "shopify"
    }

    fn base_url(&self) -> &str {
        &self.base_url
    }

    fn answer(&self, request: Request<Bytes>) -> Answer {
        let mut shop = self.lock();
        if let Some(spoiled) = shop.stage.before() {
            return spoiled;
        }
        let response = self.respond(&mut shop, &request);
        shop.stage.after(response)
    }

    fn take_deliveries(&self) -> Vec<Delivery> {
        self.lock().due()
    }

    fn next_due_ms(&self) -> Option<i64> {
        self.lock().stage.next_due_ms()
    }

    fn settle(&self, delivery: &Delivery, status: Option<u16>) {
        self.lock().settle(delivery, status);
    }

    fn delivery_timeout_s(&self) -> u64 {
        5
    }

    fn now_ms(&self) -> i64 {
        self.lock().stage.now_ms()
    }

    fn bell(&self) -> Arc<Notify> {
        self.lock().stage.bell()
    }

    fn log_since(&self, sequence: u64) -> Vec<Entry> {
        self.lock().stage.log_since(sequence)
    }

    fn fault_counts(&self) -> FaultCounts {
        self.lock().stage.counts()
    }

    fn shown(&self, goods: Goods<'_>) -> Option<i64> {
        let shop = self.lock();
        let item = shop.find(goods).ok()?;
        let tracked = shop.variants.get(&item).is_some_and(|one| one.tracked);
        tracked.then(|| shop.shown(item))
    }

    fn order(&self, lines: &[(Goods<'_>, i64)]) -> Result<Vec<Sold>, CounterError> {
        self.lock().place(lines, None)
    }

    fn cancel(&self, order: u64) -> Result<(), CounterError> {
        self.lock().cancel(order)
    }

    fn refund(&self, order: u64, line: u64, units: i64, restock: bool) -> Result<(), CounterError> {
        self.lock().refund(order, line, units, restock, None)
    }

    fn fulfil(&self, order: u64) -> Result<(), CounterError> {
        self.lock().fulfil(order)
    }

    fn edit_stock(&self, goods: Goods<'_>, units: i64) -> Result<(), CounterError> {
        self.lock().edit(goods, units)
    }
}
