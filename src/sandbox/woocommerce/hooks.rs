//! Webhooks of an emulated WooCommerce: the endpoint, and the deliveries.
//!
//! The body is written when a delivery leaves, so it may tell of later events, or of a deleted order. There
//! is no retry, and the delivery id is a hash of hook and second, so different deliveries share one.

use bytes::Bytes;
use http::StatusCode;
use serde_json::{Map, Value, json};

use super::answer::Trouble;
use super::shop::{Hook, Letter, Shop};
use crate::sandbox::journal::Happening;
use crate::sandbox::sign;
use crate::sandbox::stage::Delivery;

/// After this many failures in a row the next one disables.
const FAILURES_MAX: u32 = 6;

const AGENT: &str = "WooCommerce/11.0.1 Hookshot (WordPress/7.1)";

fn is_topic(topic: &str) -> bool {
    let Some((resource, event)) = topic.split_once('.') else {
        return false;
    };
    let events = ["created", "updated", "deleted", "restored"];
    let known =
        matches!(resource, "order" | "product" | "coupon" | "customer") && events.contains(&event);
    known || (resource == "action" && !event.is_empty())
}

impl Shop {
    /// A webhook by id.
    pub(super) fn hook(&self, id: u64) -> Result<&Hook, Trouble> {
        let found = self.hooks.get(&id);
        found.ok_or_else(|| Trouble::invalid_id("woocommerce_rest_shop_webhook_invalid_id"))
    }

    /// `POST /webhooks`.
    pub(super) fn create_hook(&mut self, body: &Map<String, Value>) -> Result<Value, Trouble> {
        let text = |name: &str| {
            body.get(name)
                .and_then(Value::as_str)
                .unwrap_or_default()
                .to_owned()
        };
        check(&text("topic"), &text("delivery_url"))?;
        let id = self.hooks.keys().last().map_or(1, |last| last + 1);
        let name = Some(text("name")).filter(|name| !name.is_empty());
        let secret = Some(text("secret")).filter(|secret| !secret.is_empty());
        let hook = Hook {
            id,
            name: name.unwrap_or_else(|| "Webhook created".to_owned()),
            topic: text("topic"),
            url: text("delivery_url"),
            secret: secret.unwrap_or_else(|| sign::credential("", 25)),
            status: Some(text("status"))
                .filter(|status| !status.is_empty())
                .unwrap_or_else(|| "active".to_owned()),
            created_ms: self.stage.now_ms(),
            modified_ms: None,
            n_failed: 0,
            pending: true,
        };
        let (topic, url) = (hook.topic.clone(), hook.url.clone());
        let answer = self.hook_json(&hook);
        self.hooks.insert(id, hook);
        self.stage.note(Happening::Subscribed {
            hook: id,
            topic,
            url,
        });
        self.stage.post_after(
            Letter {
                hook: id,
                resource: None,
            },
            0,
        );
        Ok(answer)
    }

    /// `PUT /webhooks/{id}`. Making it active again does not forget its failures.
    pub(super) fn put_hook(
        &mut self,
        id: u64,
        body: &Map<String, Value>,
    ) -> Result<Value, Trouble> {
        let old = self.hook(id)?;
        let text = |name: &str, old: &str| {
            body.get(name)
                .and_then(Value::as_str)
                .unwrap_or(old)
                .to_owned()
        };
        let mut hook = old.clone();
        hook.topic = text("topic", &old.topic);
        hook.url = text("delivery_url", &old.url);
        check(&hook.topic, &hook.url)?;
        hook.name = text("name", &old.name);
        hook.secret = text("secret", &old.secret);
        hook.status = text("status", &old.status);
        if !["active", "paused", "disabled"].contains(&hook.status.as_str()) {
            return Err(Trouble::param(
                "status",
                "status is not one of active, paused, and disabled.",
            ));
        }
        hook.modified_ms = Some(self.stage.now_ms());
        if hook.pending {
            self.stage.post_after(
                Letter {
                    hook: id,
                    resource: None,
                },
                0,
            );
        }
        let answer = self.hook_json(&hook);
        self.hooks.insert(id, hook);
        Ok(answer)
    }

    /// `DELETE /webhooks/{id}`.
    pub(super) fn delete_hook(&mut self, id: u64, force: bool) -> Result<Value, Trouble> {
        let answer = self.hook_json(self.hook(id)?);
        if !force {
            let code = "woocommerce_rest_trash_not_supported";
            let message = "Webhooks do not support trashing.";
            return Err(Trouble::new(StatusCode::NOT_IMPLEMENTED, code, message));
        }
        self.hooks.remove(&id);
        self.stage.note(Happening::Unsubscribed {
            hook: id,
            reason: "by request".to_owned(),
        });
        Ok(answer)
    }

    /// Puts one message per active hook of a topic in the outbox; one that waits already is enough.
    pub(super) fn announce(&mut self, topic: &str, resource: u64) {
        let hooks = self
            .hooks
            .values()
            .filter(|hook| hook.topic == topic && hook.status == "active");
        let hooks: Vec<_> = hooks.map(|hook| hook.id).collect();
        for hook in hooks {
            let letter = Letter {
                hook,
                resource: Some(resource),
            };
            if !self.stage.waits(|waiting| *waiting == letter) {
                self.stage.post(letter);
            }
        }
    }

    /// Takes the deliveries that are due, written now.
    pub(super) fn due(&mut self) -> Vec<Delivery> {
        let mut out = Vec::new();
        for (due_ms, letter) in self.stage.due() {
            let Some(hook) = self
                .hooks
                .get(&letter.hook)
                .filter(|hook| hook.status == "active")
            else {
                continue;
            };
            let delivery = match letter.resource {
                None => ping(hook, due_ms),
                Some(resource) => self.written(hook, resource, due_ms),
            };
            self.stage.note(Happening::DeliverySent {
                hook: delivery.hook,
                topic: delivery.topic.clone(),
                delivery_id: delivery.delivery_id.clone(),
                attempt: 1,
            });
            out.push(delivery);
        }
        out
    }

    fn written(&self, hook: &Hook, resource: u64, due_ms: i64) -> Delivery {
        let (kind, event) = hook.topic.split_once('.').unwrap_or((&hook.topic, ""));
        let gone = |code: &str| Trouble::invalid_id(code).body;
        let body = match (kind, event) {
            (_, "deleted") => json!({"id": resource}),
            ("order", _) => self.orders.get(&resource).map_or_else(
                || gone("woocommerce_rest_shop_order_invalid_id"),
                |one| self.order_json(one),
            ),
            _ => self.products.get(&resource).map_or_else(
                || gone("woocommerce_rest_product_invalid_id"),
                |one| self.product_json(one),
            ),
        };
        let body = Bytes::from(sign::php_json(&body));
        let second = self.stage.now_ms() / 1_000;
        let delivery_id = sign::short_hash(&format!("{}{second}", hook.id));
        let headers = [
            ("User-Agent", AGENT),
            ("Content-Type", "application/json"),
            ("X-WC-Webhook-Source", &format!("{}/", self.base_url)),
            ("X-WC-Webhook-Topic", &hook.topic),
            ("X-WC-Webhook-Resource", kind),
            ("X-WC-Webhook-Event", event),
            (
                "X-WC-Webhook-Signature",
                &sign::hmac_base64(hook.secret.as_bytes(), &body),
            ),
            ("X-WC-Webhook-ID", &hook.id.to_string()),
            ("X-WC-Webhook-Delivery-ID", &delivery_id),
            ("Connection", "close"),
        ];
        Delivery {
            hook: hook.id,
            topic: hook.topic.clone(),
            url: hook.url.clone(),
            headers: headers
                .map(|(name, value)| (name.to_owned(), value.to_owned()))
                .into(),
            body,
            attempt: 1,
            due_ms,
            delivery_id,
        }
    }

    /// Books the answer to a delivery. 200 to 302 is success; the seventh failure in a row disables.
    pub(super) fn settle(&mut self, delivery: &Delivery, status: Option<u16>) {
        let accepted = status.is_some_and(|status| (200..=302).contains(&status));
        self.stage.note(Happening::DeliveryAnswered {
            hook: delivery.hook,
            topic: delivery.topic.clone(),
            status,
            accepted,
        });
        let Some(hook) = self.hooks.get_mut(&delivery.hook) else {
            return;
        };
        if delivery.topic == "ping" {
            hook.pending = status != Some(200);
        } else if accepted {
            hook.n_failed = 0;
        } else if hook.n_failed < FAILURES_MAX {
            hook.n_failed += 1;
        } else if hook.status != "disabled" {
            "disabled".clone_into(&mut hook.status);
            let reason = "disabled after failures".to_owned();
            self.stage.note(Happening::Unsubscribed {
                hook: delivery.hook,
                reason,
            });
        }
    }
}

fn check(topic: &str, url: &str) -> Result<(), Trouble> {
    let bad = |code: &str, message: &str| Err(Trouble::new(StatusCode::BAD_REQUEST, code, message));
    if !is_topic(topic) {
        let message = "Webhook topic is required and must be valid.";
        return bad("woocommerce_rest_shop_webhook_invalid_topic", message);
    }
    if !url.starts_with("http://") && !url.starts_with("https://") {
        let message = "Webhook delivery URL must be a valid URL starting with http:// or https://.";
        return bad(
            "woocommerce_rest_shop_webhook_invalid_delivery_url",
            message,
        );
    }
    Ok(())
}

/// The unsigned form that comes first.
fn ping(hook: &Hook, due_ms: i64) -> Delivery {
    let headers = [
        ("User-Agent", AGENT),
        ("Content-Type", "application/x-www-form-urlencoded"),
        ("Connection", "close"),
    ];
    Delivery {
        hook: hook.id,
        topic: "ping".to_owned(),
        url: hook.url.clone(),
        headers: headers
            .map(|(name, value)| (name.to_owned(), value.to_owned()))
            .into(),
        body: Bytes::from(format!("webhook_id={}", hook.id)),
        attempt: 1,
        due_ms,
        delivery_id: String::new(),
    }
}
