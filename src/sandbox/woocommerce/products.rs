//! Products and variations of an emulated WooCommerce: lists, single writes, batches.
//!
//! The traps are deliberate: a single write checks types, a batch turns what it cannot read into 0; a write to
//! something that does not count its own stock is answered 200 and changes nothing.

use std::borrow::Cow;
use std::collections::BTreeSet;

use bytes::Bytes;
use http::{Response, StatusCode};
use serde_json::{Map, Value, json};

use super::answer::{Query, Trouble, list, wordpress};
use super::orders::after;
use super::shop::{Kind, Product, Shop};
use crate::sandbox::journal::Happening;
use crate::sandbox::market::put;

/// Items per batch, over create, update and delete together.
const BATCH_MAX: usize = 100;

type Reply = Result<Response<Bytes>, Trouble>;

/// A SKU as the database compares it: without case and trailing spaces.
fn folded(sku: &str) -> String {
    sku.trim_end().to_lowercase()
}

/// PHP's `intval`, for what a batch does not check.
fn intval(value: &Value) -> i64 {
    match value {
        Value::Bool(yes) => i64::from(*yes),
        Value::String(text) => {
            let text = text.trim_start();
            let end = text
                .char_indices()
                .find(|(at, c)| !(c.is_ascii_digit() || (*at == 0 && "+-".contains(*c))));
            let head = text
                .get(..end.map_or(text.len(), |(at, _)| at))
                .unwrap_or_default();
            head.parse().unwrap_or(0)
        }
        #[expect(
            clippy::cast_possible_truncation,
            reason = "what PHP does with a fraction"
        )]
        Value::Number(number) => number
            .as_i64()
            .or_else(|| number.as_f64().map(|n| n as i64))
            .unwrap_or(0),
        Value::Null | Value::Array(_) | Value::Object(_) => 0,
    }
}

/// A single write's check of `stock_quantity`: integers, texts of integers, and null.
fn checked(value: &Value) -> Result<(), Trouble> {
    let fits = match value {
        Value::Null => true,
        Value::String(text) => text.trim().parse::<i64>().is_ok(),
        Value::Number(number) => {
            number.as_i64().is_some() || number.as_f64().is_some_and(|n| n.fract() == 0.0)
        }
        Value::Bool(_) | Value::Array(_) | Value::Object(_) => false,
    };
    let trouble = || Trouble::param("stock_quantity", "stock_quantity is not of type integer.");
    if fits { Ok(()) } else { Err(trouble()) }
}

impl Shop {
    /// `GET /products`: variations only when asked for by SKU.
    pub(super) fn list_products(&self, query: &Query) -> Reply {
        let skus: Option<Vec<_>> = query
            .get("sku")
            .map(|skus| skus.split(',').map(folded).collect());
        let rows = match &skus {
            Some(skus) => {
                let shown =
                    |one: &&Product| skus.contains(&folded(&one.sku)) && !one.sku.is_empty();
                let found = self.products.values().filter(shown).map(|one| one.id);
                Cow::Owned(found.collect())
            }
            None => Cow::Borrowed(self.tops.as_slice()),
        };
        let rows = self.sorted(rows, query)?;
        let render = |id: &u64| {
            self.products
                .get(id)
                .map_or(Value::Null, |one| self.product_json(one))
        };
        list(
            rows.iter(),
            render,
            query,
            &self.base_url,
            &self.href("products"),
        )
    }

    /// `GET /variations`, and `GET /products/{parent}/variations` with a parent.
    pub(super) fn list_variations(&self, parent: Option<u64>, query: &Query) -> Reply {
        let rows = match parent {
            Some(parent) => {
                self.product(parent)?;
                let own = |id: &&u64| self.variation(parent, **id).is_ok();
                Cow::Owned(self.variations.iter().filter(own).copied().collect())
            }
            None => Cow::Borrowed(self.variations.as_slice()),
        };
        let rows = self.sorted(rows, query)?;
        let path = parent.map_or("variations".to_owned(), |id| {
            format!("products/{id}/variations")
        });
        let render = |id: &u64| {
            self.products
                .get(id)
                .map_or(Value::Null, |one| self.variation_json(one))
        };
        list(
            rows.iter(),
            render,
            query,
            &self.base_url,
            &self.href(&path),
        )
    }

    /// Those of `all`, which is by id, that the query asks for, in its order. A plain list is not copied.
    fn sorted<'a>(&self, all: Cow<'a, [u64]>, query: &Query) -> Result<Cow<'a, [u64]>, Trouble> {
        let mut rows = all;
        if let Some(ids) = query.get("include") {
            let ids: BTreeSet<u64> = ids
                .split(',')
                .filter_map(|id| id.trim().parse().ok())
                .collect();
            let known = ids.into_iter().filter(|id| rows.binary_search(id).is_ok());
            rows = Cow::Owned(known.collect());
        }
        let modified = |id: &u64| self.products.get(id).map_or(0, |one| one.modified_ms);
        if let Some(after_ms) = after(query, self.offset_ms)? {
            rows.to_mut()
                .retain(|id| modified(id) / 1_000 * 1_000 > after_ms);
        }
        if query.get("orderby") == Some("modified") {
            rows.to_mut().sort_by_key(|id| (modified(id), *id));
        }
        if !query.ascending() {
            rows.to_mut().reverse();
        }
        Ok(rows)
    }

    /// A product; its variations do not count.
    pub(super) fn product(&self, id: u64) -> Result<&Product, Trouble> {
        let found = self.products.get(&id);
        found.ok_or_else(|| Trouble::invalid_id("woocommerce_rest_product_invalid_id"))
    }

    /// A variation of this parent.
    pub(super) fn variation(&self, parent: u64, id: u64) -> Result<&Product, Trouble> {
        let found = self
            .products
            .get(&id)
            .filter(|one| one.kind == Kind::Variation { parent });
        found.ok_or_else(|| Trouble::invalid_id("woocommerce_rest_product_variation_invalid_id"))
    }

    /// `PUT /products/{id}`, or a variation if `parent` is given.
    pub(super) fn put_goods(
        &mut self,
        parent: Option<u64>,
        id: u64,
        body: &Map<String, Value>,
    ) -> Result<Value, Trouble> {
        let one = match parent {
            Some(parent) => self.variation(parent, id)?,
            None => self.product(id)?,
        };
        if parent.is_none() && matches!(one.kind, Kind::Variation { .. }) {
            let message = "To manipulate product variations you should use the \
                           /products/&lt;product_id&gt;/variations/&lt;id&gt; endpoint.";
            let code = "woocommerce_rest_invalid_product_id";
            return Err(Trouble::new(StatusCode::NOT_FOUND, code, message));
        }
        self.write(id, body);
        let one = self.product(id)?;
        Ok(if parent.is_some() {
            self.variation_json(one)
        } else {
            self.written_json(one)
        })
    }

    /// `PUT` with the type checks of a single write.
    pub(super) fn put_checked(
        &mut self,
        parent: Option<u64>,
        id: u64,
        body: &Map<String, Value>,
    ) -> Result<Value, Trouble> {
        body.get("stock_quantity").map_or(Ok(()), checked)?;
        self.put_goods(parent, id, body)
    }

    fn write(&mut self, id: u64, body: &Map<String, Value>) {
        let now_ms = self.stage.now_ms();
        let before = self.quantity(id);
        let Some(one) = self.products.get_mut(&id) else {
            return;
        };
        one.modified_ms = now_ms;
        match body.get("manage_stock") {
            Some(Value::Bool(yes)) => one.counts = *yes,
            Some(Value::String(text)) => one.counts = matches!(text.as_str(), "yes" | "true" | "1"),
            _ => {}
        }
        let counts = one.counts;
        if let Some(value) = body.get("stock_quantity") {
            let to = intval(value);
            if counts {
                let from = before.unwrap_or(one.stock);
                one.stock = to;
                let raise = to > from;
                self.stage.note(Happening::Write {
                    item: id,
                    location: 0,
                    from,
                    to,
                    raise,
                });
            } else {
                let leans = self.holder(id).is_some();
                let code = if leans {
                    "ignored_parent_managed"
                } else {
                    "ignored_unmanaged"
                };
                self.stage.note(Happening::WriteRefused {
                    item: id,
                    code: code.to_owned(),
                });
            }
        }
        self.announce("product.updated", id);
    }

    /// `POST .../batch`: only `update` is emulated, the rest fails item by item.
    pub(super) fn batch(&mut self, parent: Option<u64>, body: &Map<String, Value>) -> Reply {
        if let Some(parent) = parent {
            self.product(parent)?;
        }
        let part = |name: &str| {
            body.get(name)
                .and_then(Value::as_array)
                .cloned()
                .unwrap_or_default()
        };
        let (create, update, delete) = (part("create"), part("update"), part("delete"));
        if create.len() + update.len() + delete.len() > BATCH_MAX {
            let code = "woocommerce_rest_request_entity_too_large";
            let message = format!("Unable to accept more than {BATCH_MAX} items for this request.");
            return Err(Trouble::new(StatusCode::PAYLOAD_TOO_LARGE, code, &message));
        }
        let mut answer = Map::new();
        for (name, items) in [("create", create), ("delete", delete)] {
            if !items.is_empty() {
                let cannot = || {
                    Trouble::new(
                        StatusCode::NOT_IMPLEMENTED,
                        "sandbox_not_emulated",
                        "Not emulated.",
                    )
                };
                answer.insert(
                    name.to_owned(),
                    items.iter().map(|id| cannot().of_item(id)).collect(),
                );
            }
        }
        if !update.is_empty() {
            let rows: Vec<_> = update
                .iter()
                .map(|item| self.batch_item(parent, item))
                .collect();
            answer.insert("update".to_owned(), Value::Array(rows));
        }
        Ok(wordpress(
            StatusCode::OK,
            &self.base_url,
            &Value::Object(answer),
        ))
    }

    fn batch_item(&mut self, parent: Option<u64>, item: &Value) -> Value {
        let none = Map::new();
        let body = item.as_object().unwrap_or(&none);
        let id = body.get("id").unwrap_or(&Value::Null);
        let number = id
            .as_u64()
            .or_else(|| id.as_str().and_then(|id| id.parse().ok()));
        let number = number.unwrap_or(0);
        let unknown = !self.products.contains_key(&number);
        self.put_goods(parent, number, body)
            .unwrap_or_else(|mut trouble| {
                let code = trouble
                    .body
                    .get("code")
                    .and_then(Value::as_str)
                    .unwrap_or_default()
                    .to_owned();
                self.stage
                    .note(Happening::WriteRefused { item: number, code });
                // The real one says 400 for an unknown id here, 404 everywhere else.
                if parent.is_none() && unknown {
                    put(&mut trouble.body, "data", json!({"status": 400}));
                }
                trouble.of_item(id)
            })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn batches_read_numbers_as_php_does() {
        for (value, want) in [
            (json!(7), 7),
            (json!("7"), 7),
            (json!("7x"), 7),
            (json!("x"), 0),
            (json!("-3"), -3),
            (json!(3.7), 3),
            (json!(null), 0),
            (json!(true), 1),
            (json!([]), 0),
            (json!("é"), 0),
            (json!("1-2"), 1),
        ] {
            assert_eq!(intval(&value), want, "{value}");
        }
    }

    #[test]
    fn single_writes_check_types() {
        for (value, want) in [
            (json!(7), true),
            (json!("12"), true),
            (json!(null), true),
            (json!("abc"), false),
            (json!(3.7), false),
        ] {
            assert_eq!(checked(&value).is_ok(), want, "{value}");
        }
    }
}
