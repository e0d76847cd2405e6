//! Webhooks of an emulated Shopify: subscriptions, events, their deliveries and retries.
//!
//! The body is written when the event happens and never again: a retry carries the original. All deliveries
//! of one event share `X-Shopify-Event-Id`; a delivery keeps `X-Shopify-Webhook-Id` over its retries.

use bytes::Bytes;
use chrono::{DateTime, SecondsFormat, Utc};
use serde_json::{Value, json};

use super::document::Field;
use super::refusal::{Refusal, invalid_variable};
use super::render::id_of;
use super::shop::{Hook, Shop};
use crate::sandbox::journal::Happening;
use crate::sandbox::server::is_loopback;
use crate::sandbox::sign;
use crate::sandbox::stage::Delivery;

/// The waits before the 8 retries, in minutes; four hours together. The vendor tells the sum only.
const RETRY_AFTER_MIN: [i64; 8] = [1, 2, 5, 10, 22, 40, 60, 100];

const TOPICS: [&str; 21] = [
    "APP_UNINSTALLED",
    "FULFILLMENT_ORDERS_MOVED",
    "FULFILLMENT_ORDERS_ORDER_ROUTING_COMPLETE",
    "INVENTORY_ITEMS_CREATE",
    "INVENTORY_ITEMS_DELETE",
    "INVENTORY_ITEMS_UPDATE",
    "INVENTORY_LEVELS_CONNECT",
    "INVENTORY_LEVELS_DISCONNECT",
    "INVENTORY_LEVELS_UPDATE",
    "LOCATIONS_ACTIVATE",
    "LOCATIONS_DEACTIVATE",
    "LOCATIONS_DELETE",
    "ORDERS_CANCELLED",
    "ORDERS_CREATE",
    "ORDERS_DELETE",
    "ORDERS_EDITED",
    "ORDERS_UPDATED",
    "PRODUCTS_CREATE",
    "PRODUCTS_DELETE",
    "PRODUCTS_UPDATE",
    "REFUNDS_CREATE",
];

impl Shop {
    /// `webhookSubscriptionCreate`.
    pub(super) fn subscribe(&mut self, field: &Field) -> Result<Value, Refusal> {
        let topic = field.text("topic").filter(|topic| TOPICS.contains(topic));
        let Some(topic) = topic else {
            return Err(invalid_variable(
                "topic",
                "WebhookSubscriptionTopic!",
                "topic",
                "Expected a known topic",
            ));
        };
        let sub = field
            .args
            .get("webhookSubscription")
            .unwrap_or(&Value::Null);
        let url = sub
            .get("uri")
            .or(sub.get("callbackUrl"))
            .and_then(Value::as_str)
            .unwrap_or_default();
        let routing = topic.strip_prefix("FULFILLMENT_ORDERS_");
        let (kind, event) = match routing {
            Some(event) => ("FULFILLMENT_ORDERS", event),
            None => topic.rsplit_once('_').unwrap_or((topic, "")),
        };
        let topic = format!("{kind}/{event}").to_lowercase();
        let refuse = |message: &str| {
            let error =
                json!({"field": ["webhookSubscription", "callbackUrl"], "message": message});
            Ok(json!({"webhookSubscription": null, "userErrors": [error]}))
        };
        if !is_loopback(url) {
            return refuse("Address is not allowed: the sandbox delivers to loopback only");
        }
        if self
            .hooks
            .values()
            .any(|hook| hook.topic == topic && hook.url == url)
        {
            return refuse("Address for this topic has already been taken");
        }
        let id = self.new_id();
        let hook = Hook {
            topic: topic.clone(),
            url: url.to_owned(),
            created_ms: self.stage.now_ms(),
        };
        let node = Self::hook_node(id, &hook);
        self.hooks.insert(id, hook);
        self.stage.note(Happening::Subscribed {
            hook: id,
            topic,
            url: url.to_owned(),
        });
        Ok(json!({"webhookSubscription": node, "userErrors": []}))
    }

    /// `webhookSubscriptionDelete`.
    pub(super) fn unsubscribe(&mut self, field: &Field) -> Value {
        let gid = field.text("id").unwrap_or_default();
        let hook = id_of(gid, "WebhookSubscription").filter(|id| self.hooks.remove(id).is_some());
        let Some(hook) = hook else {
            let error = json!({"field": ["id"], "message": "Webhook subscription does not exist"});
            return json!({"deletedWebhookSubscriptionId": null, "userErrors": [error]});
        };
        self.stage.note(Happening::Unsubscribed {
            hook,
            reason: "by request".to_owned(),
        });
        json!({"deletedWebhookSubscriptionId": gid, "userErrors": []})
    }

    /// Tells all subscribers about one event, which may have several topics.
    pub(super) fn announce(&mut self, topics: Vec<(&'static str, Value)>) {
        let event_id = self.stage.dice.uuid();
        for (topic, body) in topics {
            let body = Bytes::from(sign::rails_json(&body));
            let hooks = self.hooks.iter().filter(|(_, hook)| hook.topic == topic);
            let hooks: Vec<_> = hooks.map(|(id, hook)| (*id, hook.url.clone())).collect();
            for (hook, url) in hooks {
                let delivery = self.letter(hook, url, topic, &body, &event_id);
                self.stage.post(delivery);
            }
        }
    }

    fn letter(
        &mut self,
        hook: u64,
        url: String,
        topic: &str,
        body: &Bytes,
        event: &str,
    ) -> Delivery {
        let delivery_id = self.stage.dice.uuid();
        let at = DateTime::<Utc>::from_timestamp_millis(self.stage.now_ms()).unwrap_or_default();
        let headers = [
            ("Content-Type", "application/json"),
            ("User-Agent", "Shopify-Captain-Hook"),
            ("X-Shopify-Topic", topic),
            (
                "X-Shopify-Hmac-Sha256",
                &sign::hmac_base64(self.client_secret.as_bytes(), body),
            ),
            ("X-Shopify-Shop-Domain", &self.domain),
            ("X-Shopify-API-Version", super::WEBHOOK_VERSION),
            ("X-Shopify-Webhook-Id", &delivery_id),
            (
                "X-Shopify-Triggered-At",
                &at.to_rfc3339_opts(SecondsFormat::Nanos, true),
            ),
            ("X-Shopify-Event-Id", event),
        ];
        Delivery {
            hook,
            topic: topic.to_owned(),
            url,
            headers: headers
                .map(|(name, value)| (name.to_owned(), value.to_owned()))
                .into(),
            body: body.clone(),
            attempt: 1,
            due_ms: 0,
            delivery_id,
        }
    }

    /// Takes the deliveries that are due; those of deleted subscriptions are dropped.
    pub(super) fn due(&mut self) -> Vec<Delivery> {
        let mut out = Vec::new();
        for (due_ms, mut delivery) in self.stage.due() {
            if !self.hooks.contains_key(&delivery.hook) {
                continue;
            }
            delivery.due_ms = due_ms;
            self.stage.note(Happening::DeliverySent {
                hook: delivery.hook,
                topic: delivery.topic.clone(),
                delivery_id: delivery.delivery_id.clone(),
                attempt: delivery.attempt,
            });
            out.push(delivery);
        }
        out
    }

    /// Books the answer to a delivery: a retry, or the end of the subscription.
    pub(super) fn settle(&mut self, delivery: &Delivery, status: Option<u16>) {
        let accepted = status.is_some_and(|status| (200..300).contains(&status));
        self.stage.note(Happening::DeliveryAnswered {
            hook: delivery.hook,
            topic: delivery.topic.clone(),
            status,
            accepted,
        });
        if accepted || !self.hooks.contains_key(&delivery.hook) {
            return;
        }
        let retry = usize::try_from(delivery.attempt).unwrap_or(usize::MAX);
        if let Some(minutes) = RETRY_AFTER_MIN.get(retry.saturating_sub(1)) {
            let again = Delivery {
                attempt: delivery.attempt + 1,
                ..delivery.clone()
            };
            self.stage
                .post_after(again, minutes * 60_000 / self.retry_speedup);
        } else {
            self.hooks.remove(&delivery.hook);
            self.stage.note(Happening::Unsubscribed {
                hook: delivery.hook,
                reason: "after retries".to_owned(),
            });
        }
    }
}
