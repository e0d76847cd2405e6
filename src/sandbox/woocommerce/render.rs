//! The shapes of an emulated WooCommerce 11.0.1, copied from real answers.
//!
//! Times without `_gmt` are site-local, and the site is by default not in UTC, so that nobody gets away with
//! reading the wrong one.

use serde_json::{Map, Value, json};

use super::shop::{Hook, Kind, Line, Order, Product, Shop};
use crate::sandbox::market::{iso, put};

const PRICE: i64 = 950;
const ALLOW: [&str; 5] = ["GET", "POST", "PUT", "PATCH", "DELETE"];

/// Cents as WooCommerce writes money.
fn money(cents: i64) -> String {
    let sign = if cents < 0 { "-" } else { "" };
    let cents = cents.unsigned_abs();
    format!("{sign}{}.{:02}", cents / 100, cents % 100)
}

fn add(object: &mut Map<String, Value>, more: Value) {
    if let Value::Object(more) = more {
        object.extend(more);
    }
}

impl Shop {
    /// `2026-11-25T03:24:05`, in UTC.
    pub(super) fn gmt(at_ms: i64) -> String {
        iso(at_ms).trim_end_matches('Z').to_owned()
    }

    /// The same, in the site's zone.
    fn local(&self, at_ms: i64) -> String {
        Self::gmt(at_ms.saturating_add(self.offset_ms))
    }

    /// The address of a resource.
    pub(super) fn href(&self, path: &str) -> String {
        format!("{}/wp-json/wc/v3/{path}", self.base_url)
    }

    fn links(&self, collection: &str, id: u64) -> Value {
        let own = self.href(&format!("{collection}/{id}"));
        json!({
            "self": [{"href": own, "targetHints": {"allow": ALLOW}}],
            "collection": [{"href": self.href(collection)}],
        })
    }

    fn stock_fields(&self, one: &Product) -> Value {
        let quantity = self.quantity(one.id);
        let manage = match (one.counts, quantity) {
            (true, _) => json!(true),
            (false, Some(_)) => json!("parent"),
            (false, None) => json!(false),
        };
        let status = match quantity {
            Some(n) if n <= 0 && one.backorders => "onbackorder",
            Some(n) if n <= 0 => "outofstock",
            _ => "instock",
        };
        json!({
            "manage_stock": manage,
            "stock_quantity": quantity,
            "stock_status": status,
            "backorders": if one.backorders { "yes" } else { "no" },
            "backorders_allowed": one.backorders,
            "backordered": one.backorders && quantity.is_some_and(|n| n < 0),
            "low_stock_amount": null,
        })
    }

    /// What products and variations have in common.
    fn goods(&self, one: &Product) -> Map<String, Value> {
        let slug = one.name.to_lowercase().replace(' ', "-");
        let price = money(PRICE);
        let mut object = Map::new();
        add(
            &mut object,
            json!({
                "id": one.id,
                "name": one.name,
                "permalink": format!("{}/product/{slug}/", self.base_url),
                "date_created": self.local(one.created_ms),
                "date_created_gmt": Self::gmt(one.created_ms),
                "date_modified": self.local(one.modified_ms),
                "date_modified_gmt": Self::gmt(one.modified_ms),
                "type": match one.kind {
                    Kind::Simple => "simple",
                    Kind::Variable => "variable",
                    Kind::Variation { .. } => "variation",
                },
                "status": "publish",
                "description": "",
                "sku": one.sku,
                "global_unique_id": "",
                "price": price, "regular_price": price, "sale_price": "",
                "date_on_sale_from": null, "date_on_sale_from_gmt": null,
                "date_on_sale_to": null, "date_on_sale_to_gmt": null,
                "on_sale": false, "purchasable": true, "virtual": false, "downloadable": false,
                "downloads": [], "download_limit": -1, "download_expiry": -1,
                "tax_status": "taxable", "tax_class": "",
                "weight": "", "dimensions": {"length": "", "width": "", "height": ""},
                "shipping_class": "", "shipping_class_id": 0,
                "attributes": [], "menu_order": 0, "meta_data": [],
                "parent_id": match one.kind {
                    Kind::Variation { parent } => parent,
                    Kind::Simple | Kind::Variable => 0,
                },
            }),
        );
        add(&mut object, self.stock_fields(one));
        object
    }

    /// A product, or a variation in the shape of `/products` and of webhooks.
    pub(super) fn product_json(&self, one: &Product) -> Value {
        let slug = one.name.to_lowercase().replace(' ', "-");
        let children: Vec<_> = self
            .products
            .values()
            .filter(|child| child.kind == Kind::Variation { parent: one.id })
            .map(|child| child.id)
            .collect();
        let mut object = self.goods(one);
        add(
            &mut object,
            json!({
                "slug": slug,
                "featured": false, "catalog_visibility": "visible", "short_description": "",
                "total_sales": one.n_sold,
                "external_url": "", "button_text": "", "sold_individually": false,
                "shipping_required": true, "shipping_taxable": true,
                "reviews_allowed": true, "average_rating": "0", "rating_count": 0,
                "upsell_ids": [], "cross_sell_ids": [], "purchase_note": "",
                "categories": [{"id": 15, "name": "Uncategorized", "slug": "uncategorized"}],
                "brands": [], "tags": [], "images": [], "default_attributes": [],
                "has_options": !children.is_empty(),
                "variations": children, "grouped_products": [],
                "price_html": "<span class=\"woocommerce-Price-amount amount\"></span>",
                "related_ids": [], "post_password": "",
                "_links": self.links("products", one.id),
            }),
        );
        Value::Object(object)
    }

    /// A product as the answer to a write, which tells two fields more than a read.
    pub(super) fn written_json(&self, one: &Product) -> Value {
        let mut value = self.product_json(one);
        let slug = value.get("slug").cloned().unwrap_or_default();
        let template = format!("{}/product/%pagename%/", self.base_url);
        put(&mut value, "generated_slug", slug);
        put(&mut value, "permalink_template", json!(template));
        value
    }

    /// A variation in the shape of its own endpoint.
    pub(super) fn variation_json(&self, one: &Product) -> Value {
        let Kind::Variation { parent } = one.kind else {
            return self.product_json(one);
        };
        let mut object = self.goods(one);
        let mut links = self.links(&format!("products/{parent}/variations"), one.id);
        let up = json!([{"href": self.href(&format!("products/{parent}"))}]);
        put(&mut links, "up", up);
        add(
            &mut object,
            json!({"image": null, "gallery_image_ids": [], "_links": links}),
        );
        Value::Object(object)
    }

    /// An order.
    pub(super) fn order_json(&self, order: &Order) -> Value {
        let units: i64 = order.lines.iter().map(|line| line.units).sum();
        let refund = |(id, units): &(u64, i64)| json!({"id": id, "reason": "", "total": money(-units * PRICE), "total_tax": "0.00"});
        let lines = order.lines.iter().map(|line| self.line_json(line));
        let mut object = Map::new();
        add(
            &mut object,
            json!({
                "id": order.id, "parent_id": 0, "status": order.status, "number": order.id.to_string(),
                "currency": "USD", "currency_symbol": "$", "version": "11.0.1", "prices_include_tax": false,
                "discount_total": "0.00", "discount_tax": "0.00", "shipping_total": "0.00", "shipping_tax": "0.00",
                "cart_tax": "0.00", "total": money(units * PRICE), "total_tax": "0.00",
                "customer_id": 0, "order_key": order.key,
                "payment_method": "bacs", "payment_method_title": "", "transaction_id": "",
                "customer_ip_address": "", "customer_user_agent": "", "created_via": "checkout",
                "customer_note": "", "cart_hash": "", "meta_data": [],
                "line_items": lines.collect::<Vec<_>>(),
                "tax_lines": [], "shipping_lines": [], "fee_lines": [], "coupon_lines": [],
                "refunds": order.refunds.iter().map(refund).collect::<Vec<_>>(),
                "payment_url": format!("{}/checkout/order-pay/{}/?key={}", self.base_url, order.id, order.key),
                "is_editable": false, "needs_payment": false, "needs_processing": true,
            }),
        );
        add(
            &mut object,
            json!({
                "billing": address(true), "shipping": address(false),
                "date_created": self.local(order.created_ms),
                "date_created_gmt": Self::gmt(order.created_ms),
                "date_modified": self.local(order.modified_ms),
                "date_modified_gmt": Self::gmt(order.modified_ms),
                "date_completed": order.completed_ms.map(|at| self.local(at)),
                "date_completed_gmt": order.completed_ms.map(Self::gmt),
                "date_paid": self.local(order.created_ms),
                "date_paid_gmt": Self::gmt(order.created_ms),
            }),
        );
        let mut links = self.links("orders", order.id);
        let templates = self.href(&format!("orders/{}/actions/email_templates", order.id));
        let templates = json!([{"embeddable": true, "href": templates}]);
        put(&mut links, "email_templates", templates);
        object.insert("_links".to_owned(), links);
        Value::Object(object)
    }

    fn line_json(&self, line: &Line) -> Value {
        let one = self.products.get(&line.goods);
        let (product, variation) = match one.map(|one| one.kind) {
            Some(Kind::Variation { parent }) => (parent, line.goods),
            _ => (line.goods, 0),
        };
        let parent = self.products.get(&product).filter(|_| variation != 0);
        let mut metas = Vec::new();
        for (at, key, units) in [
            (1, "_reduced_stock", line.reduced),
            (2, "_restock_refunded_items", line.restocked),
        ] {
            if units != 0 {
                let value = units.to_string();
                metas.push(json!({
                    "id": line.id * 10 + at, "key": key, "value": value,
                    "display_key": key, "display_value": value,
                }));
            }
        }
        json!({
            "id": line.id,
            "name": one.map_or("Gone", |one| one.name.as_str()),
            "product_id": product,
            "variation_id": variation,
            "quantity": line.units,
            "tax_class": "",
            "subtotal": money(line.units * PRICE), "subtotal_tax": "0.00",
            "total": money(line.units * PRICE), "total_tax": "0.00",
            "taxes": [],
            "meta_data": metas,
            "sku": one.map_or("", |one| one.sku.as_str()),
            "global_unique_id": "",
            "price": 9.5,
            "image": if variation == 0 { json!({"id": "", "src": ""}) } else { json!({"id": 0, "src": ""}) },
            "parent_name": parent.map(|one| one.name.as_str()),
        })
    }

    /// A webhook. The secret never leaves.
    pub(super) fn hook_json(&self, hook: &Hook) -> Value {
        let (resource, event) = hook.topic.split_once('.').unwrap_or((&hook.topic, ""));
        json!({
            "id": hook.id,
            "name": hook.name,
            "status": hook.status,
            "topic": hook.topic,
            "resource": resource,
            "event": event,
            "hooks": [format!("woocommerce_{event}_{resource}")],
            "delivery_url": hook.url,
            "date_created": self.local(hook.created_ms),
            "date_created_gmt": Self::gmt(hook.created_ms),
            "date_modified": hook.modified_ms.map(|at| self.local(at)),
            "date_modified_gmt": hook.modified_ms.map(Self::gmt),
            "_links": self.links("webhooks", hook.id),
        })
    }
}

fn address(billing: bool) -> Value {
    let mut object = Map::new();
    let names = [
        "first_name",
        "last_name",
        "company",
        "address_1",
        "address_2",
        "city",
        "state",
        "postcode",
        "country",
        "phone",
    ];
    for name in names {
        object.insert(name.to_owned(), json!(""));
    }
    if billing {
        add(
            &mut object,
            json!({"first_name": "Ada", "country": "US", "email": "ada@example.test"}),
        );
    }
    Value::Object(object)
}
