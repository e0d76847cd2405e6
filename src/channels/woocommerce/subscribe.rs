//! Webhook subscriptions of a WooCommerce channel.
//!
//! WooCommerce sends each message once, and the seventh failure in a row disables the webhook for good: switching it on
//! again keeps the counter at six. So a disabled one is deleted and made anew.
//! Source: connector notes, W5, seen on WooCommerce 11.0.1.

use http::Method;
use secrecy::ExposeSecret as _;
use serde::Deserialize;
use serde::de::IgnoredAny;
use serde_json::json;

use super::super::{Fault, Subscription, SubscriptionReport, Wire};
use super::WooCommerce;
use super::answers::{self, Id};
use super::auth::Call;
use super::checkup::refused_by_wordpress;

/// What a channel needs to hear of; variations come under `product`.
pub(super) const TOPICS: [&str; 7] = [
    "order.created",
    "order.updated",
    "order.deleted",
    "order.restored",
    "product.updated",
    "product.created",
    "product.deleted",
];
const PER_PAGE: usize = 100;
/// Pages of webhooks that we look through; a shop has a dozen.
const PAGES_MAX: u32 = 20;

#[derive(Debug, Deserialize)]
struct Hook {
    id: Id,
    #[serde(default)]
    status: String,
    #[serde(default)]
    topic: String,
    #[serde(default)]
    delivery_url: String,
}

/// Compares the shop's webhooks with [`TOPICS`]; with `repair` makes what is missing.
///
/// # Errors
/// As the wire; a webhook that the shop refuses to make becomes a warning.
pub(super) async fn subscriptions(
    shop: &WooCommerce,
    wire: &dyn Wire,
    repair: bool,
) -> Result<SubscriptionReport, Fault> {
    let mut report = SubscriptionReport::default();
    let Some(url) = shop.hook_url.as_deref() else {
        report.missing = TOPICS.map(str::to_owned).to_vec();
        report.warnings.push(
            "no hook address is configured: orders are found by polling only; hint: set public_url"
                .into(),
        );
        return Ok(report);
    };
    report
        .warnings
        .extend(refused_by_wordpress(url, &shop.site.base));
    let hooks = all(shop, wire).await?;
    for topic in TOPICS {
        let (active, idle): (Vec<&Hook>, Vec<&Hook>) = hooks
            .iter()
            .filter(|hook| hook.topic == topic && hook.delivery_url == url)
            .partition(|hook| hook.status == "active");
        if let Some(hook) = active.first() {
            report.present.push(Subscription {
                topic: topic.to_owned(),
                url: url.to_owned(),
                id: Some(hook.id.0.to_string()),
                active: true,
            });
            if active.len() > 1 {
                report.warnings.push(format!(
                    "{topic} is delivered {} times; hint: delete all but one in WooCommerce, Settings, Advanced, Webhooks",
                    active.len()
                ));
            }
            continue;
        }
        if !repair {
            if let Some(hook) = idle.first() {
                report.warnings.push(format!(
                    "the webhook for {topic} is {}: deliveries failed or somebody stopped it",
                    hook.status
                ));
            }
            report.missing.push(topic.to_owned());
            continue;
        }
        match remake(shop, wire, topic, url, &idle).await {
            Ok(()) => report.created.push(topic.to_owned()),
            Err(Fault::Rejected(why) | Fault::Gone(why)) => {
                report.missing.push(topic.to_owned());
                report
                    .warnings
                    .push(format!("the webhook for {topic} was not made: {why}"));
            }
            Err(fault) => return Err(fault),
        }
    }
    Ok(report)
}

async fn all(shop: &WooCommerce, wire: &dyn Wire) -> Result<Vec<Hook>, Fault> {
    let mut hooks = Vec::new();
    for page in 1..=PAGES_MAX {
        let query = vec![
            ("per_page", PER_PAGE.to_string()),
            ("status", "all".to_owned()),
            ("page", page.to_string()),
        ];
        let call = Call::get("/webhooks", query, "webhooks");
        let (some, reply) = shop.site.read::<Vec<Hook>>(wire, &call).await?;
        let more = answers::more(&reply.headers, page, some.len(), PER_PAGE);
        hooks.extend(some);
        if !more {
            return Ok(hooks);
        }
    }
    Err(Fault::Rejected(format!(
        "the shop has more than {PAGES_MAX} pages of webhooks"
    )))
}

/// Deletes what stands idle, then makes a new one: only a new one starts with no failures counted.
async fn remake(
    shop: &WooCommerce,
    wire: &dyn Wire,
    topic: &str,
    url: &str,
    idle: &[&Hook],
) -> Result<(), Fault> {
    let Some(secret) = shop.secrets.first() else {
        return Err(Fault::Rejected(
            "no webhook secret is configured; hint: set webhook_secrets, letters and digits only"
                .into(),
        ));
    };
    for hook in idle {
        let path = format!("/webhooks/{}", hook.id.0);
        let call = Call {
            method: Method::DELETE,
            path: &path,
            query: vec![("force", "true".to_owned())],
            body: None,
            purpose: "webhooks",
        };
        match shop.site.read::<IgnoredAny>(wire, &call).await {
            Ok(_) | Err(Fault::Gone(_)) => {}
            Err(fault) => return Err(fault),
        }
    }
    let body = json!({
        "name": format!("onhand {topic}"),
        "topic": topic,
        "delivery_url": url,
        "secret": secret.expose_secret(),
        "status": "active",
    });
    let call = Call::post("/webhooks", body, "webhooks");
    shop.site.read::<Hook>(wire, &call).await?;
    Ok(())
}

#[cfg(test)]
#[expect(clippy::indexing_slicing, reason = "a test may panic")]
mod tests {
    use super::super::testing::{Script, page_of, recorded, reply, settings, shop};
    use serde_json::Value;

    use super::*;

    const URL: &str = "https://stock.example/hooks/shop";

    fn list(statuses: &[(u64, &str, &str)]) -> String {
        let hooks: Vec<_> = statuses
            .iter()
            .map(|(id, topic, status)| json!({"id": id, "topic": topic, "status": status, "delivery_url": URL}))
            .collect();
        json!(hooks).to_string()
    }

    #[tokio::test]
    async fn a_disabled_webhook_is_deleted_and_made_anew_and_never_switched_on() {
        let mut standing: Vec<_> = TOPICS
            .iter()
            .zip(1..)
            .map(|(topic, id)| (id, *topic, "active"))
            .collect();
        standing[1].2 = "disabled";
        standing.push((99, "order.updated", "paused"));
        let first = list(&standing[..4]);
        let second = list(&standing[4..]);
        let wire = Script::new(vec![
            (
                "GET",
                "/webhooks?per_page=100&status=all&page=1",
                page_of("2", &first),
            ),
            (
                "GET",
                "/webhooks?per_page=100&status=all&page=2",
                page_of("2", &second),
            ),
            (
                "DELETE",
                "/webhooks/2?force=true",
                reply(200, r#"{"id":2}"#),
            ),
            (
                "DELETE",
                "/webhooks/99?force=true",
                reply(
                    404,
                    r#"{"code":"woocommerce_rest_shop_webhook_invalid_id"}"#,
                ),
            ),
            (
                "POST",
                "/webhooks",
                reply(201, r#"{"id":100,"status":"active"}"#),
            ),
        ]);
        let report = subscriptions(&shop(), &wire, true).await.unwrap();
        assert_eq!(report.created, ["order.updated"]);
        assert_eq!(report.present.len(), 6);
        assert!(
            report.missing.is_empty() && report.warnings.is_empty(),
            "{report:?}"
        );
        let sent = wire.done();
        let body: Value = serde_json::from_slice(&sent[4].body).unwrap();
        assert_eq!(
            body["secret"], "new_secret",
            "the first secret is the current one"
        );
        assert_eq!(body["delivery_url"], URL);
    }

    #[tokio::test]
    async fn a_look_changes_nothing() {
        let wire = Script::new(vec![(
            "GET",
            "/webhooks?",
            page_of(
                "1",
                &list(&[
                    (1, "order.created", "disabled"),
                    (2, "product.updated", "active"),
                    (3, "product.updated", "active"),
                ]),
            ),
        )]);
        let report = subscriptions(&shop(), &wire, false).await.unwrap();
        assert_eq!(report.missing.len(), 6);
        assert_eq!(
            report.warnings.len(),
            2,
            "one disabled, one delivered twice: {report:?}"
        );
        wire.done();
        let mut silent = settings("https://shop.example");
        silent.hook_url = None;
        let silent = WooCommerce::open(&silent).unwrap();
        let report = subscriptions(&silent, &Script::new(vec![]), true)
            .await
            .unwrap();
        assert_eq!((report.missing.len(), report.warnings.len()), (7, 1));
    }

    #[tokio::test]
    async fn a_webhook_for_another_address_is_not_ours() {
        let Some(hooks) = recorded("webhook-list") else {
            return;
        };
        let wire = Script::new(vec![("GET", "/webhooks?", Ok(hooks.clone()))]);
        let report = subscriptions(&shop(), &wire, false).await.unwrap();
        assert_eq!(report.missing.len(), 7);
        let mut here = settings("http://127.0.0.1:8081");
        here.hook_url = Some("http://127.0.0.1:8080/wc".into());
        let wire = Script::new(vec![("GET", "/webhooks?", Ok(hooks))]);
        let report = subscriptions(&WooCommerce::open(&here).unwrap(), &wire, false)
            .await
            .unwrap();
        assert_eq!(report.missing, ["order.restored"]);
        assert!(report.warnings.is_empty(), "{report:?}");
    }

    #[tokio::test]
    async fn a_refused_webhook_is_a_warning_and_the_others_go_on() {
        let (Some(topic), Some(made)) =
            (recorded("error-webhook-topic"), recorded("webhook-create"))
        else {
            return;
        };
        let mut steps = vec![
            ("GET", "/webhooks?", page_of("1", "[]")),
            ("POST", "/webhooks", Ok(topic)),
        ];
        steps.extend((0..6).map(|_| ("POST", "/webhooks", Ok(made.clone()))));
        let wire = Script::new(steps);
        let report = subscriptions(&shop(), &wire, true).await.unwrap();
        assert_eq!(
            (report.created.len(), report.missing.as_slice()),
            (6, ["order.created".to_owned()].as_slice())
        );
        assert!(report.warnings[0].contains("woocommerce_rest_shop_webhook_invalid_topic"));
        wire.done();
    }
}
