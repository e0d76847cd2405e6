//! An emulated WooCommerce 11.0.1: `/wp-json/wc/v3` as `onhand` uses it, and its webhooks.
//!
//! Not emulated: creating and deleting products, coupons, customers, placing orders over REST, HMAC-SHA1,
//! Refusing delivery addresses by port (the sandbox delivers to loopback only, where a real shop
//! would mostly refuse).

mod answer;
mod auth;
mod hooks;
mod orders;
mod products;
mod render;
mod shop;
#[cfg(test)]
mod tests;

use std::net::SocketAddr;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use bytes::Bytes;
use http::{Method, Request, Response, StatusCode};
use serde_json::{Map, Value};
use tokio::sync::Notify;

use self::answer::{Query, Trouble, wordpress};
use self::auth::Key;
use self::shop::Shop;
use super::faults::FaultCounts;
use super::journal::Entry;
use super::market::{CounterError, Goods, Marketplace, Sold};
use super::stage::{Answer, Conduct, Delivery};
use super::{sign, stage};

/// A product of the opening catalogue.
#[derive(Debug, Clone)]
pub struct WooProduct {
    /// Its SKU; may be empty.
    pub sku: String,
    /// Its name.
    pub name: String,
    /// Units in stock; none if the shop does not count it (`manage_stock: false`).
    pub stock: Option<i64>,
    /// Whether it sells below zero.
    pub backorders: bool,
    /// SKU and stock of its variations. One without a stock leans on a parent that counts
    /// (`manage_stock: "parent"`), or is not counted.
    pub variations: Vec<(String, Option<i64>)>,
}

impl WooProduct {
    /// A simple product that counts its stock.
    pub fn new(sku: impl Into<String>, stock: i64) -> Self {
        let sku = sku.into();
        Self {
            name: sku.clone(),
            sku,
            stock: Some(stock),
            backorders: false,
            variations: Vec::new(),
        }
    }
}

/// How to open an emulated WooCommerce.
#[derive(Debug, Clone)]
pub struct WooOptions {
    /// Clock, seed, faults, pace of deliveries.
    pub conduct: Conduct,
    /// Where to listen; loopback only. Port 0 picks a free one.
    pub bind: SocketAddr,
    /// The opening catalogue.
    pub catalogue: Vec<WooProduct>,
    /// Accept Basic and query credentials although this is plain HTTP, as if TLS ended in front of it.
    pub basic_over_http: bool,
    /// The key may only read.
    pub read_only: bool,
    /// Hours that the site's clock is ahead of UTC.
    pub utc_offset_h: i32,
}

impl Default for WooOptions {
    /// An empty catalogue, OAuth only, a site two hours ahead of UTC.
    fn default() -> Self {
        Self {
            conduct: Conduct::default(),
            bind: SocketAddr::from(([127, 0, 0, 1], 0)),
            catalogue: Vec::new(),
            basic_over_http: false,
            read_only: false,
            utc_offset_h: 2,
        }
    }
}

/// An emulated WooCommerce shop.
pub struct WooCommerce {
    shop: Mutex<Shop>,
    base_url: String,
    key: Key,
    webhook_secret: String,
}

impl WooCommerce {
    /// Opens a shop without a server: its owner carries requests and deliveries.
    pub fn new(options: &WooOptions) -> Self {
        Self::at(options, "http://127.0.0.1:9".to_owned())
    }

    /// Opens a shop that is reached under `base_url`.
    pub(crate) fn at(options: &WooOptions, base_url: String) -> Self {
        let key = Key {
            id: sign::credential("ck_", 20),
            secret: sign::credential("cs_", 20),
            read_only: options.read_only,
            plain: options.basic_over_http,
        };
        Self {
            shop: Mutex::new(Shop::open(options, base_url.clone())),
            base_url,
            key,
            webhook_secret: sign::credential("whsec_", 16),
        }
    }

    /// The consumer key of this run.
    pub fn consumer_key(&self) -> &str {
        &self.key.id
    }

    /// The consumer secret of this run.
    pub fn consumer_secret(&self) -> &str {
        &self.key.secret
    }

    /// A fresh secret to give to webhooks made in this run. The shop itself uses what each hook was made with.
    pub fn webhook_secret(&self) -> &str {
        &self.webhook_secret
    }

    /// The product or variation of a SKU; the first one if several share it.
    pub fn item(&self, sku: &str) -> Option<u64> {
        self.lock().by_sku(sku)
    }

    /// Places an order that is not paid yet (`pending`, holds nothing) or waits for the bank (`on-hold`).
    ///
    /// # Errors
    /// As [`Marketplace::order`].
    pub fn order_unpaid(
        &self,
        lines: &[(Goods<'_>, i64)],
        on_hold: bool,
    ) -> Result<Vec<Sold>, CounterError> {
        self.lock()
            .place(lines, if on_hold { "on-hold" } else { "pending" })
    }

    /// Gives an order another status, with the stock movements that belong to it.
    ///
    /// # Errors
    /// If there is no such order or status, or the order is cancelled, refunded or in the trash.
    pub fn set_status(&self, order: u64, status: &str) -> Result<(), CounterError> {
        self.lock().set_status(order, status)
    }

    /// Moves an order to the trash: `order.deleted` is sent, nothing is put back.
    ///
    /// # Errors
    /// If there is no such order.
    pub fn trash(&self, order: u64) -> Result<(), CounterError> {
        self.lock().delete_order(order, false)
    }

    /// Deletes an order for good: nothing is sent or put back, and what waits is sent with an error as body.
    ///
    /// # Errors
    /// If there is no such order.
    pub fn force_delete(&self, order: u64) -> Result<(), CounterError> {
        self.lock().delete_order(order, true)
    }

    fn lock(&self) -> MutexGuard<'_, Shop> {
        self.shop.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn respond(&self, shop: &mut Shop, request: &Request<Bytes>) -> Response<Bytes> {
        let routed = self
            .key
            .check(shop, request)
            .and_then(|()| route(shop, request));
        routed.unwrap_or_else(|trouble| wordpress(trouble.status, &self.base_url, &trouble.body))
    }
}

/// Answers a request that may pass.
fn route(shop: &mut Shop, request: &Request<Bytes>) -> Result<Response<Bytes>, Trouble> {
    let path = request
        .uri()
        .path()
        .strip_prefix("/wp-json/wc/v3/")
        .ok_or_else(Trouble::no_route)?;
    let parts: Vec<_> = path.trim_end_matches('/').split('/').collect();
    let query = Query(sign::pairs(request.uri().query().unwrap_or_default()));
    let reads = request.method() == Method::GET;
    let writes = [Method::PUT, Method::POST, Method::PATCH].contains(request.method());
    let id = |text: &str| text.parse::<u64>().map_err(|_| Trouble::no_route());
    let base_url = shop.base_url.clone();
    let ok = |value: Value| Ok(wordpress(StatusCode::OK, &base_url, &query.fields(value)));
    match parts.as_slice() {
        ["products"] if reads => shop.list_products(&query),
        ["products", "batch"] if writes => shop.batch(None, &body(request)?),
        ["products", one] if reads => ok(shop.product_json(shop.product(id(one)?)?)),
        ["products", one] if writes => ok(shop.put_checked(None, id(one)?, &body(request)?)?),
        ["products", one, "variations"] if reads => shop.list_variations(Some(id(one)?), &query),
        ["products", one, "variations", "batch"] if writes => {
            shop.batch(Some(id(one)?), &body(request)?)
        }
        ["products", parent, "variations", one] if reads => {
            ok(shop.variation_json(shop.variation(id(parent)?, id(one)?)?))
        }
        ["products", parent, "variations", one] if writes => {
            ok(shop.put_checked(Some(id(parent)?), id(one)?, &body(request)?)?)
        }
        ["variations"] if reads => shop.list_variations(None, &query),
        ["orders"] if reads => shop.list_orders(&query),
        ["orders", one] if reads => {
            let order = shop.orders.get(&id(one)?);
            let order = order
                .ok_or_else(|| Trouble::invalid_id("woocommerce_rest_shop_order_invalid_id"))?;
            ok(shop.order_json(order))
        }
        ["webhooks"] if reads => {
            let wanted = query.get("status").filter(|status| *status != "all");
            let hooks = shop
                .hooks
                .values()
                .rev()
                .filter(|hook| wanted.is_none_or(|status| hook.status == status));
            let rows: Vec<_> = hooks.collect();
            let render = |hook| shop.hook_json(hook);
            answer::list(
                rows.into_iter(),
                render,
                &query,
                &base_url,
                &shop.href("webhooks"),
            )
        }
        ["webhooks"] if request.method() == Method::POST => created(shop, &body(request)?),
        ["webhooks", one] if reads => ok(shop.hook_json(shop.hook(id(one)?)?)),
        ["webhooks", one] if writes => ok(shop.put_hook(id(one)?, &body(request)?)?),
        ["webhooks", one] if request.method() == Method::DELETE => {
            ok(shop.delete_hook(id(one)?, query.is("force"))?)
        }
        _ => Err(Trouble::no_route()),
    }
}

fn created(shop: &mut Shop, body: &Map<String, Value>) -> Result<Response<Bytes>, Trouble> {
    let value = shop.create_hook(body)?;
    let mut response = wordpress(StatusCode::CREATED, &shop.base_url, &value);
    let id = value.get("id").and_then(Value::as_u64).unwrap_or_default();
    stage::set(
        &mut response,
        "location",
        &shop.href(&format!("webhooks/{id}")),
    );
    Ok(response)
}

/// The JSON object of a request; an empty body counts as an empty object.
fn body(request: &Request<Bytes>) -> Result<Map<String, Value>, Trouble> {
    if request.body().is_empty() {
        return Ok(Map::new());
    }
    let message = "Invalid JSON body passed.";
    let bad = |_| Trouble::new(StatusCode::BAD_REQUEST, "rest_invalid_json", message);
    serde_json::from_slice(request.body()).map_err(bad)
}

impl Marketplace for WooCommerce {
    fn platform(&self) -> &'static str {
        "woocommerce"
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
        60
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
        shop.quantity(shop.find(goods).ok()?)
    }

    fn order(&self, lines: &[(Goods<'_>, i64)]) -> Result<Vec<Sold>, CounterError> {
        self.lock().place(lines, "processing")
    }

    fn cancel(&self, order: u64) -> Result<(), CounterError> {
        self.lock().set_status(order, "cancelled")
    }

    fn refund(&self, order: u64, line: u64, units: i64, restock: bool) -> Result<(), CounterError> {
        self.lock().refund(order, line, units, restock)
    }

    fn fulfil(&self, order: u64) -> Result<(), CounterError> {
        self.lock().set_status(order, "completed")
    }

    fn edit_stock(&self, goods: Goods<'_>, units: i64) -> Result<(), CounterError> {
        self.lock().edit(goods, units)
    }
}
