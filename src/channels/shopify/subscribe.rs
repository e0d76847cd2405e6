//! Webhook subscriptions. Shopify removes one after 9 failed deliveries (4 hours), so they are compared again and again.

use serde::Deserialize;
use serde_json::json;

use crate::channels::{Fault, Subscription, SubscriptionReport, Wire};

use super::graphql::{Nodes, UserError};
use super::settings::loopback;
use super::{Shopify, documents};

/// What is listened to: the topic as deliveries name it, and as GraphQL does. Not `products/update`: it comes with every
/// sale and does not reliably say so.
const WANTED: &[(&str, &str)] = &[
    ("orders/create", "ORDERS_CREATE"),
    ("orders/updated", "ORDERS_UPDATED"),
    ("orders/edited", "ORDERS_EDITED"),
    ("orders/cancelled", "ORDERS_CANCELLED"),
    ("orders/delete", "ORDERS_DELETE"),
    ("refunds/create", "REFUNDS_CREATE"),
    ("inventory_levels/update", "INVENTORY_LEVELS_UPDATE"),
    ("inventory_levels/connect", "INVENTORY_LEVELS_CONNECT"),
    ("inventory_levels/disconnect", "INVENTORY_LEVELS_DISCONNECT"),
    ("inventory_items/create", "INVENTORY_ITEMS_CREATE"),
    ("inventory_items/update", "INVENTORY_ITEMS_UPDATE"),
    ("inventory_items/delete", "INVENTORY_ITEMS_DELETE"),
    ("app/uninstalled", "APP_UNINSTALLED"),
];

/// What is listened to beside that where goods are at several places: where orders are sent from.
const WANTED_OF_PLACES: &[(&str, &str)] = &[
    (
        "fulfillment_orders/order_routing_complete",
        "FULFILLMENT_ORDERS_ORDER_ROUTING_COMPLETE",
    ),
    ("fulfillment_orders/moved", "FULFILLMENT_ORDERS_MOVED"),
];

/// Most pages of subscriptions; more than that is not one app's.
const PAGES_MAX: usize = 20;

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct ListData {
    webhook_subscriptions: Nodes<Found>,
}

#[derive(Deserialize)]
struct Found {
    id: String,
    topic: String,
    uri: String,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct CreateData {
    webhook_subscription_create: Option<Created>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Created {
    user_errors: Vec<UserError>,
}

impl Shopify {
    /// Compares, and with `repair` creates what is missing.
    pub(super) async fn compare_subscriptions(
        &self,
        wire: &dyn Wire,
        repair: bool,
    ) -> Result<SubscriptionReport, Fault> {
        let found = self.found_subscriptions(wire).await?;
        let mut report = SubscriptionReport::default();
        if self.secrets.is_empty() {
            report.warnings.push(
                "no webhook secret is configured, so every delivery is refused; hint: set webhook_secrets to the app's client secret"
                    .to_owned(),
            );
        }
        let Some(hook_url) = self.hook_url.as_deref() else {
            report.missing = self
                .wanted()
                .map(|(topic, _)| (*topic).to_owned())
                .collect();
            report.warnings.push(
                "no public address is configured, so Shopify cannot deliver; hint: set it, or rely on sweeps"
                    .to_owned(),
            );
            return Ok(report);
        };
        if !deliverable(hook_url) && !self.on_this_machine() {
            report.warnings.push(format!(
                "{hook_url} cannot be reached by Shopify: it delivers to public https addresses only"
            ));
        }
        for (topic, in_graphql) in self.wanted() {
            let mut there = found.iter().filter(|one| one.topic == *in_graphql);
            if let Some(one) = there.clone().find(|one| one.uri == hook_url) {
                report.present.push(Subscription {
                    topic: (*topic).to_owned(),
                    url: one.uri.clone(),
                    id: Some(one.id.clone()),
                    active: true,
                });
                continue;
            }
            if let Some(other) = there.next() {
                report
                    .warnings
                    .push(format!("{topic} is also delivered to {}", other.uri));
            }
            if repair {
                self.create(wire, topic, in_graphql, hook_url, &mut report)
                    .await?;
            } else {
                report.missing.push((*topic).to_owned());
            }
        }
        Ok(report)
    }

    fn wanted(&self) -> impl Iterator<Item = &'static (&'static str, &'static str)> {
        let of_places = if self.has_places() {
            WANTED_OF_PLACES
        } else {
            &[]
        };
        WANTED.iter().chain(of_places)
    }

    async fn create(
        &self,
        wire: &dyn Wire,
        topic: &str,
        in_graphql: &str,
        hook_url: &str,
        report: &mut SubscriptionReport,
    ) -> Result<(), Fault> {
        let variables = json!({
            "topic": in_graphql,
            "sub": { "uri": hook_url, "format": "JSON" },
        });
        let data: CreateData = self
            .tell(wire, "subscribe", documents::WEBHOOK_CREATE, variables)
            .await?;
        let errors = data
            .webhook_subscription_create
            .map(|created| created.user_errors)
            .ok_or_else(|| Fault::Unknown("the answer does not say what was created".to_owned()))?;
        match errors.first() {
            None => report.created.push(topic.to_owned()),
            // Lists are behind by a moment: it is there.
            Some(error) if error.message.contains("already been taken") => {
                report.present.push(Subscription {
                    topic: topic.to_owned(),
                    url: hook_url.to_owned(),
                    id: None,
                    active: true,
                });
            }
            Some(error) => {
                report.missing.push(topic.to_owned());
                report.warnings.push(format!("{topic}: {}", error.message));
            }
        }
        Ok(())
    }

    async fn found_subscriptions(&self, wire: &dyn Wire) -> Result<Vec<Found>, Fault> {
        let mut all = Vec::new();
        let mut after = None;
        for _ in 0..PAGES_MAX {
            let data: ListData = self
                .ask(
                    wire,
                    "subscribe",
                    documents::WEBHOOK_LIST,
                    json!({ "after": after }),
                )
                .await?;
            after = data.webhook_subscriptions.next();
            all.extend(data.webhook_subscriptions.nodes);
            if after.is_none() {
                break;
            }
        }
        Ok(all)
    }

    fn on_this_machine(&self) -> bool {
        self.base_url
            .split_once("://")
            .is_some_and(|(_, host)| loopback(host))
    }
}

fn deliverable(url: &str) -> bool {
    url.strip_prefix("https://")
        .and_then(|rest| rest.split('/').next())
        .is_some_and(|host| !loopback(host))
}
